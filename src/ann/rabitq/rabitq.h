/* RaBitQ: one bit per dimension of the rotated residual with an error bound (Gao, Long 2024), and extended codes of up to 8 more bits
 * (Gao, Gou, Xu, Yang, Long, Wong 2025). */
#ifndef QV_ANN_RABITQ_H
#define QV_ANN_RABITQ_H

#include "ann/ann.h"

/* Columns, in this order: "_rabit_codes" dim / 8 bytes (arranged: packed in groups of 32 rows), "__add_factors", "__scale_factors",
 * "__error_factors" (may be absent in what was read) and, with bits > 1, "__blocked_ex_codes" (or "__ex_codes", read only),
 * "__add_factors_ex", "__scale_factors_ex". */
typedef enum qv__rotation_kind { QV_ROTATION_FAST, QV_ROTATION_MATRIX } qv__rotation_kind;
typedef struct qv__rabitq_shape {
    size_t dim;    /* a multiple of 8 */
    unsigned bits; /* 1 .. 9 */
    qv_metric metric;
    qv__rotation_kind rotation;
    const uint8_t *signs;   /* FAST: 4 x ceil(dim / 8) bytes */
    const float *matrix;    /* MATRIX: dim x dim; component i = row i . v */
    bool is_packed;         /* sign codes of a list are packed in groups of 32 */
    bool is_residual_query; /* the old formula (1 bit, no error factors) */
    bool has_errors;        /* __error_factors is there */
    bool is_blocked;        /* extra codes in blocks of 64 dimensions, not one bit stream */
} qv__rabitq_shape;
/* Shape is copied, with signs and matrix. QV_INVALID names what does not fit. */
qv_status qv__rabitq_new(const qv__rabitq_shape *shape, qv__quantizer **out, qv_error *err);
/* A new one: FAST, packed, raw query, with errors and blocked codes; signs from the seed. */
qv_status qv__rabitq_make(size_t dim, unsigned bits, qv_metric metric, uint64_t seed, qv__quantizer **out,
                          qv_error *err);
const qv__rabitq_shape *qv__rabitq_shape_of(const qv__quantizer *rabitq);
/* How a query reads codes: the one-bit estimate alone ("fast"), or the extended ones too (default). */
void qv__rabitq_set_fast(qv__code_query *query, bool fast);

#endif
