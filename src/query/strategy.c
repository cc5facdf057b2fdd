/* Index or exact scan: whichever takes less time. Both are told in nanoseconds, roughly, since only their order of magnitude decides.
 *
 * An index ranks its lists, about as many as the root of its rows, and looks at some LIST_ROWS times that root; under a condition at fewer, since
 * of a list it reads only the rows that match (index/vector/narrowed.c), but in more lists: rows thinned to a share s lie as far out as if k had
 * grown by 1/s, and lists grow with about the 0.3rd power of k. It then measures some rows per row wanted, each at the price of a row that is
 * read by itself. A scan reads each row that matches, one after the other or, where few match, each by itself. */
#include <math.h>

#include "query/ann.h"

enum {
    LIST_ROWS = 40,
    REFINED = 10,     /* rows measured per row wanted */
    SPARSE = 32,      /* a scan reads single rows where no more than one in so many matches */
    SEARCH_NS = 3000, /* an index search of nothing */
    MISS_NS = 30,     /* the first bytes of a row that lies anywhere */
    RARE = 100        /* the probes that a caller asks for find nothing among rows rarer than that */
};

static double alone_ns(double row_bytes) { return MISS_NS + row_bytes / 16; }

static double ns_of_scan(const qv__search_size *s)
{
    double row_bytes = (double) s->row_bytes;
    double row_ns = s->passing < s->stored / SPARSE ? alone_ns(row_bytes) : 2 + row_bytes / 25;

    return (double) s->passing * row_ns;
}

static double ns_of_index(const qv__search_size *s)
{
    double share = (double) s->passing / (double) QV_MAX(s->stored, 1), row_bytes = (double) s->row_bytes;
    double n_lists = sqrt((double) s->stored), rows = LIST_ROWS * n_lists * pow(share, 0.7);

    rows = QV_MIN(rows, (double) s->passing);
    return SEARCH_NS + n_lists * row_bytes / 32 + rows * (1 + row_bytes / 256) +
           REFINED * (double) s->keep * alone_ns(row_bytes);
}

qv__strategy qv__choose_strategy(const qv__search_size *s)
{
    bool is_cheaper = ns_of_scan(s) < ns_of_index(s);

    if (s->passing <= s->keep && !s->estimates)
        return (qv__strategy){ "all rows that it covers and that match are wanted" };
    if (s->is_asked && (!s->has_condition || s->estimates || s->passing >= s->stored / RARE))
        return (qv__strategy){ NULL };
    return (qv__strategy){ is_cheaper ? "measuring the rows that match is cheaper" : NULL };
}
