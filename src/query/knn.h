/* Exact nearest neighbours over all rows, or over those that match, or over those of some fragments: what knn.c does for search.c. */
#ifndef QV_QUERY_KNN_H
#define QV_QUERY_KNN_H

#include "query/query_private.h"

/* Fragments that are scanned, as an index covers them. */
typedef enum qv__knn_part { QV_KNN_ALL, QV_KNN_COVERED, QV_KNN_UNCOVERED, QV_KNN_NONE } qv__knn_part;

typedef struct qv__knn {
    qv__snapshot *snapshot;
    const qv_search_options *options;
    const qv__matches *matches; /* NULL: all live rows */
    qv__job *job;
    qv__operator *op;
    qv__vector_column column;
    qv__distance *distance;
    qv_metric metric;
    size_t n_queries; /* answers; 1 for a column of lists, whose query has n_vectors */
    size_t n_vectors;
    size_t keep;         /* hits kept per query: offset + k, at most all rows */
    uint64_t *rows;      /* that may match, per fragment */
    uint64_t n_rows;     /* all of them */
    const bool *covered; /* per fragment; borrowed */
    qv__knn_part part;   /* fragments that are scanned */
    uint64_t scanned;    /* rows of these that may match */
    bool is_first_stage; /* `distance` chooses candidates: bounds are not for it, and signs are looked at where asked */
    const struct qv__signs **signs; /* per fragment that is scanned; NULL: vectors */
    size_t n_tasks;
    uint64_t total_rows; /* physical */
    uint64_t *starts;    /* first row of each fragment among those that are scanned, n_fragments + 1 */
    qv__topk *topks;     /* n_tasks x n_queries; those of the first task hold the answer */
    qv__hit *slots;
} qv__knn;

/* Makes the queries ready for the kernels; the column has been found. metric AUTO: the column's. */
qv_status qv__knn_prepare(qv__knn *knn, const qv_vectors *queries, qv_metric metric, qv_error *err);
/* Counts the rows that may match: rows, n_rows, keep. */
qv_status qv__knn_count(qv__knn *knn, qv_error *err);
/* Scans the part's fragments into fresh topks, which more can be pushed into. */
qv_status qv__knn_run(qv__knn *knn, qv_error *err);
void qv__knn_finish(qv__knn *knn); /* sorts the answer */
void qv__knn_clear(qv__knn *knn);

const char *qv__metric_name(qv_metric metric); /* "l2" */
/* Value i of the query vectors, laid end to end. */
double qv__query_value(const qv_vectors *queries, size_t i);
/* Bytes of packed bits from numbers: cut off to integers, held in 0 .. 255. *out is the caller's. */
qv_status qv__packed_bits(const qv_vectors *queries, uint8_t **out, qv_error *err);

#endif
