/* K-means: Lloyd's iterations over a sample, seeded k-means++, cells of even size, in several levels for many centroids. */
#ifndef QV_ANN_KMEANS_H
#define QV_ANN_KMEANS_H

#include "ann/ann.h"

typedef struct qv__kmeans_options {
    size_t k;
    qv_metric
        metric; /* L2, COSINE (unit rows; centroids are plain means) and DOT: cells are those of l2 for all three, since by
                          * the largest product a few long centroids would take all rows */
    unsigned iterations; /* at most; 0: 25 */
    double tolerance;    /* stops when the loss falls by a smaller share; 0: 1e-4 */
    /* How strongly cells are kept even: none holds more than (1 + 1 / balance) times the mean. 0: not at all. Large cells are split, which
     * reaches twice the mean (balance 1), not much less; equal rows stay together. */
    double balance;
    uint64_t seed;
    unsigned threads;
    qv__job *job; /* may be NULL */
} qv__kmeans_options;

/* Trains on n rows of dim floats (finite). `centroids`: k x dim floats. The result depends on rows, options and seed alone, not on the number
 * of threads nor on the SIMD level's number of lanes more than rounding. QV_INVALID: k = 0, or fewer rows than k, both named.
 * *loss (may be NULL): mean squared distance of a row to the mean of its cell. */
qv_status qv__kmeans_train(const float *rows, size_t n, size_t dim, const qv__kmeans_options *options, float *centroids,
                           double *loss, qv_error *err);

/* The nearest of k centroids: prepared once, asked by any number of threads. With many centroids a two-level search may be used for
 * assigning (is_exact false), never for ranking. */
typedef struct qv__centroids qv__centroids;
qv_status qv__centroids_new(const float *centroids, size_t k, size_t dim, qv_metric metric, qv__centroids **out,
                            qv_error *err);
void qv__centroids_free(qv__centroids *centroids);
/* lists[i], and distances[i] (may be NULL; squared l2 for L2 and COSINE, 1 - product for DOT), of n rows. Ties go to the smaller number.
 * Blocked many-to-many; on the calling thread. Not exact (512 centroids or more, l2, rows by the thousand): about
 * one row in a hundred goes to another centroid near by; data where more would is assigned exactly. The more rows in a call, the faster:
 * some 64 k are good. */
qv_status qv__centroids_assign(const qv__centroids *centroids, const float *rows, size_t n, bool is_exact,
                               uint32_t *lists, float *distances, qv_error *err);
/* Of each of n queries to all centroids: n x k. What a query gets does not depend on the others. */
void qv__centroids_distances(const qv__centroids *centroids, const float *queries, size_t n, float *distances);
/* The n nearest centroids of one query, nearest first: numbers, and distances as above. For the hot path: no allocation beyond `scratch`
 * (k floats). */
void qv__centroids_rank(const qv__centroids *centroids, const float *query, size_t n, float *scratch, uint32_t *lists,
                        float *distances);

/* The same for packed bits (hamming): k-modes. Centroids are bytes. */
qv_status qv__kmodes_train(const uint8_t *rows, size_t n, size_t bytes, const qv__kmeans_options *options,
                           uint8_t *centroids, double *loss, qv_error *err);
void qv__kmodes_assign(const uint8_t *centroids, size_t k, const uint8_t *rows, size_t n, size_t bytes, uint32_t *lists,
                       float *distances);

#endif
