/* Exact nearest neighbours over all rows, or over those that match: what knn.c does for search.c. */
#ifndef QV_QUERY_KNN_H
#define QV_QUERY_KNN_H

#include "query/query_private.h"

typedef struct qv__knn {
    qv__snapshot *snapshot;
    const qv_search_options *options;
    const qv__matches *matches; /* NULL: all live rows */
    qv__job *job;
    qv__operator *op;
    qv__vector_column column;
    qv__distance *distance;
    const char *metric;     /* "l2" */
    size_t n_queries, keep; /* hits kept per query: offset + k, at most all rows */
    size_t n_tasks;
    uint64_t n_rows;     /* that may match */
    uint64_t total_rows; /* physical */
    uint64_t *starts;    /* first row of each fragment among all, n_fragments + 1 */
    qv__topk *topks;     /* n_tasks x n_queries; those of the first task hold the answer, sorted */
    qv__hit *slots;
} qv__knn;

/* Makes the queries ready for the kernels; the column has been found. */
qv_status qv__knn_prepare(qv__knn *knn, const qv_vectors *queries, qv_error *err);
qv_status qv__knn_run(qv__knn *knn, qv_error *err);
void qv__knn_clear(qv__knn *knn);

#endif
