/* Quantizers that keep every dimension: scalar quantization (one byte each), and none at all (FLAT: the vectors as they are). */
#ifndef QV_ANN_SQ_H
#define QV_ANN_SQ_H

#include "ann/ann.h"

/* Column "__sq_code", dim bytes: trunc((v - low) * 255 / (high - low)), held in 0 .. 255; low = high: 0. Arranged = plain. L2 and COSINE
 * compare codes with the coded query; DOT the decoded codes with the query itself. */
qv_status qv__sq_new(size_t dim, double low, double high, qv_metric metric, qv__quantizer **out, qv_error *err);
/* Bounds from a sample: quantiles that leave out a share of `outliers` at each end (0: least and greatest value; QV_SQ_BEST_SHARE: of
 * some shares up to a thousandth the one by which values are off least). */
#define QV_SQ_BEST_SHARE (-1.0)
qv_status qv__sq_train(const float *rows, size_t n, size_t dim, double outliers, qv_metric metric, qv__quantizer **out,
                       qv_error *err);
void qv__sq_bounds(const qv__quantizer *sq, double *low, double *high);

/* Column "flat": the vectors in their element type (BITS: bytes; dim counts bits). Arranged = plain. Estimates are true distances.
 * encode() takes float32 rows and rounds them to the type; f64 and integer columns are copied by the caller instead. query_new()
 * takes float32 (BITS: the bytes, cast). */
qv_status qv__flat_new(size_t dim, qv__element element, qv_metric metric, qv__quantizer **out, qv_error *err);

#endif
