/* Product quantization (Jégou, Douze, Schmid 2011), 8 and 4 bits, scanned by byte permutes over tables in registers (André, Kermarrec, Le
 * Scouarnec 2015). */
#ifndef QV_ANN_PQ_H
#define QV_ANN_PQ_H

#include "ann/ann.h"

/* The column is "__pq_code", m * bits / 8 bytes: with 4 bits byte b holds sub-vector 2b in its low nibble and 2b + 1 in the high one.
 * Arranged: byte b of row r of a list of n rows is at b * n + r. L2 and COSINE code the residual (row - centroid), DOT the row. */
typedef struct qv__pq_options {
    size_t m;            /* sub-vectors; divides dim. bits 4: even */
    unsigned bits;       /* 4 or 8 */
    unsigned iterations; /* 0: 25 */
    uint64_t seed;
    unsigned threads;
    qv__job *job;
} qv__pq_options;
/* Trains on n rows (residuals, where the metric codes them). QV_INVALID names what does not fit: m, bits, fewer rows than 2^bits. */
qv_status qv__pq_train(const float *rows, size_t n, size_t dim, qv_metric metric, const qv__pq_options *options,
                       qv__quantizer **out, qv_error *err);
/* From a stored codebook: [m][2^bits][dim / m], copied. */
qv_status qv__pq_new(const float *codebook, size_t dim, size_t m, unsigned bits, qv_metric metric, qv__quantizer **out,
                     qv_error *err);
const float *qv__pq_codebook(const qv__quantizer *pq, size_t *m, unsigned *bits);
/* Plain codes to what they stand for (without the centroid). */
void qv__pq_decode(const qv__quantizer *pq, const uint8_t *codes, size_t n, float *rows);

#endif
