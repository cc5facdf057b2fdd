/* Conditions answered by indices, held against the same conditions answered by reading. */
#ifndef QVT_INDEX_H
#define QVT_INDEX_H

#include "index/index.h"
#include "qvt.h"

typedef struct qvt_index_use {
    bool used;       /* an index had a part in the answer */
    bool exact;      /* nothing was left to check */
    size_t covered;  /* fragments that indices spoke for */
    uint64_t n_rows; /* matching rows in all */
    uint64_t comparisons, pages_read;
    char plan[2048];
} qvt_index_use;

/* Fails the test unless the index's rows of covered fragments are what reading finds: exactly, or, when there is something to recheck,
 * no row fewer. `matches` (may be NULL): the right rows, by reading; the caller clears them. judged: the planner may find an index
 * not worth it. */
struct qv__matches;
void qvt_index_check(qv__snapshot *snapshot, const char *where, bool judged, qvt_index_use *use,
                     struct qv__matches *matches);

#endif
