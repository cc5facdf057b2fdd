/* Kernels for vectors: cpu detection once, one table of kernels per instruction set, distances and fused top-k. */
#ifndef QV_SIMD_SIMD_H
#define QV_SIMD_SIMD_H

#include "base/status.h"

/* Borrowed, static; chosen once from CPUID/XGETBV (or getauxval) and QV_SIMD. */
const char *qv__simd_level(void);

/* Element types of stored vectors; the public ones plus packed bits. */
typedef enum qv__element {
    QV_EL_F32,
    QV_EL_F16,
    QV_EL_F64,
    QV_EL_BF16,
    QV_EL_I8,
    QV_EL_U8,
    QV_EL_BITS,
    QV_EL_COUNT
} qv__element;
size_t qv__element_bytes(qv__element element, size_t dim); /* bytes of a vector; BITS: dim bits, rounded up to bytes */

/* A metric, an element type and one or more queries made ready for the kernels (converted, padded, norms computed).
 * Immutable after init; thread-safe. */
typedef struct qv__distance qv__distance;
/* queries: n_queries x dim of `query_element`, row after row, any alignment. Queries are rounded to what the kernel of
 * `element` computes with: f32 (f32/f16/bf16), f64 (f64), int8/uint8 exact integers when the query has integers in range,
 * else f32. QV_INVALID: hamming/jaccard on anything but BITS, BITS with another metric, NaN or infinity in a query. */
qv_status qv__distance_new(qv_metric metric, qv__element element, size_t dim, const void *queries,
                           qv__element query_element, size_t n_queries, qv__distance **out, qv_error *err);
void qv__distance_free(qv__distance *distance);

/* distances of query q to n vectors at `stride` bytes into out[n]. Rows with NaN (and, for cosine, zero vectors) give NaN.
 * Tolerance against a double reference: relative 1e-5 of (|q|^2 + |v|^2) for l2/dot on f32/f16/bf16, 1e-12 for f64, exact for
 * integers and bits. Any alignment, any dim, any stride >= the vector's bytes. */
void qv__distance_to_rows(const qv__distance *distance, size_t q, const void *rows, size_t stride, size_t n,
                          float *out);
/* The same for rows picked by number, wherever they lie (rows + stride * picked[i]): fetched ahead. */
void qv__distance_to_picked(const qv__distance *distance, size_t q, const void *rows, size_t stride,
                            const uint32_t *picked, size_t n, float *out);

/* Distances of a stored row to others of its kind, picked by number: for graphs, which compare rows with rows. What is not finite is
 * left as it is. NULL: no such kernel (cosine: rows of unit length are compared by DOT; jaccard). */
typedef void (*qv__pairs_fn)(const uint8_t *one, size_t dim, const uint8_t *rows, size_t stride, const uint32_t *picked,
                             size_t n, float *out);
qv__pairs_fn qv__distance_pairs(qv_metric metric, qv__element element, size_t dim);

/* The k best (distance, id) pairs seen: smaller distance first, then smaller id. NaN is never kept. */
typedef struct qv__hit {
    float distance;
    uint64_t id;
} qv__hit;
typedef struct qv__topk {
    size_t k;
    size_t n;
    qv__hit *heap;      /* worst on top; k slots, the caller's */
    float lower, upper; /* keeps lower <= distance < upper; -inf / +inf: no bound (+inf itself is then kept) */
    bool has_upper;
} qv__topk;
void qv__topk_init(qv__topk *topk, size_t k, qv__hit *slots, const float *lower,
                   const float *upper); /* NULL: no bound */
void qv__topk_push(qv__topk *topk, float distance, uint64_t id);
void qv__topk_merge(qv__topk *into, const qv__topk *from);
void qv__topk_sort(qv__topk *topk); /* best first; no push afterwards */

/* Scans n vectors for all queries at once (blocked many-to-many when there are several) and keeps the best in topks[n_queries].
 * The id of row i is ids ? ids[i] : first_id + i. `live`: bit i from live_offset says whether row i may match (NULL: all). */
typedef struct qv__scan_rows {
    const void *rows;
    size_t stride;
    size_t n;
    const uint64_t *ids;
    uint64_t first_id;
    const uint8_t *live;
    size_t live_offset;
} qv__scan_rows;
qv_status qv__distance_topk(const qv__distance *distance, const qv__scan_rows *rows, qv__topk *topks, qv_error *err);

/* The nearest of k float32 vectors ("centroids") for many rows, and the distances of all k to one: squared l2 (metric L2), or 1 - product
 * (DOT). One that is set is immutable and thread-safe; the vectors are copied. */
typedef struct qv__nearest qv__nearest;
qv_status qv__nearest_new(qv_metric metric, size_t capacity, size_t dim, qv__nearest **out, qv_error *err);
void qv__nearest_free(qv__nearest *nearest);
/* Vectors numbers[0 .. k) of `vectors` (NULL: the first k), 1 <= k <= capacity. May be set again. */
void qv__nearest_set(qv__nearest *nearest, const float *vectors, const uint32_t *numbers, size_t k);
/* positions[i] in 0 .. k - 1: the nearest for row i, by sums of products in float32: among vectors whose distances differ by less than
 * 1e-6 dim (|v|^2 + |row|^2) any may be taken; of equal sums the first. Sums beyond float32's range are made again in double. */
void qv__nearest_find(const qv__nearest *nearest, const void *rows, size_t stride, size_t n, uint32_t *positions);
/* Distances of each row to all k, by direct differences (L2); tolerance as for qv__distance_to_rows. A row's do not depend on the others. */
void qv__nearest_distances(const qv__nearest *nearest, const float *rows, size_t n_rows, float *out);
/* sums[dim] += each of the rows numbers[0 .. n), in this order: the same at every level. */
void qv__add_rows(const float *rows, size_t dim, const uint32_t *numbers, size_t n, double *sums);
/* The n smallest of `count` values (n <= count), smallest first, with their positions; of equal ones the first. NaN counts as +inf. */
void qv__smallest(const float *values, size_t count, size_t n, uint32_t *positions, float *smallest);

#endif
