/* Tables of an id and a vector (`id` int64, `v` fixed-size list of float32, nullable) of any dimension, and searches of them as plain
 * arrays. */
#ifndef QVT_VECTORS_H
#define QVT_VECTORS_H

#include <quiver/quiver.h>

#include "qvt.h"

/* Rows first .. first + n - 1. `nulls` (may be NULL): rows without a vector. A status because memory may be made to fail. */
qv_status qvt_vectors_export(const float *values, const bool *nulls, int64_t first, size_t n, size_t dim,
                             struct ArrowArrayStream *out, qv_error *err);
/* Creates table "t", or appends to it when `table` is not NULL. */
void qvt_vectors_write(qv_db *db, const float *values, const bool *nulls, int64_t first, size_t n, size_t dim,
                       const qv_write_options *options, qv_table **table);
/* n vectors around some centres. The caller frees them. */
float *qvt_vectors_random(uint64_t seed, size_t n, size_t dim);

typedef struct qvt_hits {
    size_t n;
    int64_t ids[4096];
    float distances[4096];
} qvt_hits;
/* One search for one query; `options` may be NULL; its columns are replaced. */
qv_status qvt_vectors_search(qv_table *table, const float *query, size_t dim, const qv_search_options *options,
                             qvt_hits *hits, qv_error *err);
/* The ids that each of any number of queries finds: k per query, -1 where there are fewer. */
qv_status qvt_vectors_answers(qv_table *table, const qv_vectors *queries, const qv_search_options *options,
                              int64_t *ids, qv_error *err);
/* The same ids in the same order at the same distances; floats are compared with a tolerance of their own size. */
void qvt_hits_same(const char *what, const qvt_hits *found, const qvt_hits *right);
/* The search went through an index, by its plan. */
bool qvt_vectors_by_index(qv_table *table, const float *query, size_t dim, const qv_search_options *options);

#endif
