/* Index or exact scan: whichever has less to read. What a search costs is bytes that come from memory; both ways are counted in them,
 * roughly, since only their order of magnitude decides.
 *
 * An index that is searched with nothing set looks at some LIST_ROWS times the root of its rows (lists about as long as they are many,
 * a few of them probed), and at as many more as there are rows in between that do not match. A scan reads each row that matches. */
#include <math.h>

#include "query/ann.h"

enum {
    LIST_ROWS = 40,
    ROW_COST = 16,      /* bytes that a row costs besides its vector */
    CODES_PER_BYTE = 8, /* codes are about so much smaller than vectors */
    REFINED = 10        /* true distances per row wanted */
};

static double cost_of_index(const qv__search_size *s)
{
    double share = (double) s->passing / (double) QV_MAX(s->stored, 1);
    double rows = LIST_ROWS * sqrt((double) s->stored) / QV_MAX(share, 1e-9);

    rows = QV_MIN(rows, (double) s->stored);
    return rows * ((double) s->row_bytes / CODES_PER_BYTE + ROW_COST) +
           REFINED * (double) s->keep * (double) (s->row_bytes + ROW_COST);
}

qv__strategy qv__choose_strategy(const qv__search_size *s)
{
    double cost_of_scan = (double) s->passing * (double) (s->row_bytes + ROW_COST);

    if (s->passing <= s->keep && !s->estimates)
        return (qv__strategy){ "all rows that it covers and that match are wanted" };
    if (s->is_asked && !(s->has_condition && !s->estimates && CODES_PER_BYTE * cost_of_scan < cost_of_index(s)))
        return (qv__strategy){ NULL };
    if (cost_of_scan < cost_of_index(s))
        return (qv__strategy){ "measuring the rows that match is cheaper" };
    return (qv__strategy){ NULL };
}
