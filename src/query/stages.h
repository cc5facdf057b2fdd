/* Search in two stages over all rows that match: what stages.c and signs.c do for search.c. */
#ifndef QV_QUERY_STAGES_H
#define QV_QUERY_STAGES_H

#include "query/ann.h"

/* Are two stages asked for? */
static inline bool qv__stages_asked(const qv_search_options *options)
{
    return options->prefix_dims > 0 || options->binary_stage;
}
/* QV_INVALID: packed bits, lists of vectors, more values than vectors have. */
qv_status qv__stages_check(const qv__knn *knn, qv_error *err);
/* Says in the operator's detail what the stages look at. */
qv_status qv__stages_explain(const qv__knn *knn, qv__operator *op, qv_error *err);
/* Fills knn->topks. */
qv_status qv__stages_run(qv__knn *knn, const qv_vectors *queries, qv_error *err);

/* ------------------------------------------------------------------ signs.c */

/* Bit i: value i is above 0. */
void qv__signs_of(qv__element element, const uint8_t *vector, size_t dim, uint8_t *out);
/* Of one fragment, all rows. */
typedef struct qv__signs {
    uint8_t *bits;     /* dim bits, in whole bytes, per row */
    uint8_t *validity; /* bit per row */
} qv__signs;
qv_status qv__signs_new(qv__snapshot *snapshot, const qv__vector_column *column, size_t fragment, qv__job *job,
                        qv__signs **out, qv_error *err);
void qv__signs_free(qv__signs *signs);
/* Those that the snapshot keeps (places.c). */
qv_status qv__signs_of_fragment(qv__vector_places *places, qv__snapshot *snapshot, const qv__vector_column *column,
                                size_t fragment, qv__job *job, const qv__signs **out, qv_error *err);

#endif
