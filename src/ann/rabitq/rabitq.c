/* The quantizer: what a stored one must look like, its columns, and its class. */
#include <math.h>
#include <string.h>

#include "ann/rabitq/rabitq_private.h"
#include "base/alloc.h"

enum { MOST_BITS = 1 + QV_RABITQ_MOST_EXTRA, ROUNDS = 4 };

static void free_rabitq(qv__quantizer *quantizer)
{
    qv__rabitq *rabitq = (qv__rabitq *) quantizer;
    if (!rabitq)
        return;
    qv__free((void *) rabitq->shape.signs);
    qv__free((void *) rabitq->shape.matrix);
    qv__free(rabitq);
}

static size_t extra_floats(const qv__quantizer *quantizer)
{
    return qv__rabitq_of(quantizer)->shape.is_residual_query ? quantizer->dim : 0;
}

/* The rotated centroid, for the old formula: its queries are residuals. */
static void list_extra(const qv__quantizer *quantizer, const float *centroid, float *out)
{
    if (qv__rabitq_of(quantizer)->shape.is_residual_query)
        qv__rabitq_rotate(qv__rabitq_of(quantizer), centroid, 1, out);
}

#define CLASS(bounds)                                                                                                \
    {                                                                                                                \
        .name = "RQ", .free = free_rabitq, .encode = qv__rabitq_encode, .arrange = qv__rabitq_arrange,               \
        .disarrange = qv__rabitq_disarrange, .query_new = qv__rabitq_query_new, .query_free = qv__rabitq_query_free, \
        .enter_list = qv__rabitq_enter_list, .scan = qv__rabitq_scan, .distances = qv__rabitq_distances,             \
        .extra_floats = extra_floats, .list_extra = list_extra, .has_bounds = bounds,                                \
    }
static const qv__quantizer_class bounded_class = CLASS(true), unbounded_class = CLASS(false);

static int add_column(qv__quantizer *base, const char *name, size_t width, bool is_f32)
{
    base->columns[base->n_columns] = (qv__code_column){ name, width, is_f32 };
    return (int) base->n_columns++;
}

static void add_columns(qv__rabitq *rabitq)
{
    const qv__rabitq_shape *shape = &rabitq->shape;
    qv__quantizer *base = &rabitq->base;
    bool is_extended = shape->bits > 1;

    rabitq->at = (qv__rabitq_columns){
        .signs = add_column(base, "_rabit_codes", rabitq->n_bytes, false),
        .error = -1,
        .extra = -1,
        .add_extra = -1,
        .scale_extra = -1,
    };
    rabitq->at.add = add_column(base, "__add_factors", sizeof(float), true);
    rabitq->at.scale = add_column(base, "__scale_factors", sizeof(float), true);
    if (shape->has_errors)
        rabitq->at.error = add_column(base, "__error_factors", sizeof(float), true);
    if (!is_extended)
        return;
    const char *name = shape->is_blocked ? "__blocked_ex_codes" : "__ex_codes";
    rabitq->at.extra = add_column(base, name, rabitq->extra_width, false);
    rabitq->at.add_extra = add_column(base, "__add_factors_ex", sizeof(float), true);
    rabitq->at.scale_extra = add_column(base, "__scale_factors_ex", sizeof(float), true);
}

static qv_status check_shape(const qv__rabitq_shape *shape, qv_error *err)
{
    if (shape->dim == 0 || shape->dim % 8 != 0 || shape->dim > UINT32_MAX / 64)
        return qv__fail(err, QV_INVALID, "RaBitQ codes need a dimension that is a multiple of 8, not %zu", shape->dim);
    if (shape->bits < 1 || shape->bits > MOST_BITS)
        return qv__fail(err, QV_INVALID, "RaBitQ codes have 1 to %d bits per dimension, not %u", (int) MOST_BITS,
                        shape->bits);
    if (shape->metric != QV_METRIC_L2 && shape->metric != QV_METRIC_COSINE && shape->metric != QV_METRIC_DOT)
        return qv__fail(err, QV_INVALID, "RaBitQ codes are for l2, cosine and dot, not for metric %d",
                        (int) shape->metric);
    if (shape->is_residual_query && shape->bits != 1)
        return qv__fail(err, QV_INVALID, "RaBitQ codes of %u bits have no residual query", shape->bits);
    if (shape->rotation == QV_ROTATION_MATRIX ? !shape->matrix : !shape->signs)
        return qv__fail(err, QV_INVALID, "RaBitQ codes lack their %s",
                        shape->rotation == QV_ROTATION_MATRIX ? "rotation matrix" : "rotation signs");
    return QV_OK;
}

static qv_status copy_rotation(const qv__rabitq_shape *shape, qv__rabitq *rabitq, qv_error *err)
{
    bool is_matrix = shape->rotation == QV_ROTATION_MATRIX;
    size_t n_bytes = is_matrix ? shape->dim * shape->dim * sizeof(float) : ROUNDS * (shape->dim / 8);
    void *copy = qv__memdup(is_matrix ? (const void *) shape->matrix : shape->signs, n_bytes);

    rabitq->shape.matrix = is_matrix ? copy : NULL;
    rabitq->shape.signs = is_matrix ? NULL : copy;
    return copy ? QV_OK : qv__fail_nomem(err, n_bytes);
}

qv_status qv__rabitq_new(const qv__rabitq_shape *shape, qv__quantizer **out, qv_error *err)
{
    qv__rabitq *rabitq = NULL;

    QV_TRY(check_shape(shape, err));
    QV_TRY(QV_NEW(&rabitq, 1, err));
    rabitq->shape = *shape;
    qv_status st = copy_rotation(shape, rabitq, err);
    if (st != QV_OK) {
        qv__free(rabitq);
        return st;
    }
    bool has_bounds = shape->has_errors && !shape->is_residual_query;
    rabitq->base = (qv__quantizer){
        .class = has_bounds ? &bounded_class : &unbounded_class,
        .metric = shape->metric,
        .dim = shape->dim,
    };
    rabitq->kernels = qv__rabitq_kernels(qv__simd_level());
    rabitq->extra_bits = shape->bits - 1;
    rabitq->n_bytes = shape->dim / 8;
    rabitq->n_blocks = (shape->dim + QV_RABITQ_BLOCK - 1) / QV_RABITQ_BLOCK;
    rabitq->extra_width =
        shape->is_blocked ? rabitq->n_blocks * 8 * rabitq->extra_bits : rabitq->n_bytes * rabitq->extra_bits;
    add_columns(rabitq);
    *out = &rabitq->base;
    return QV_OK;
}

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

qv_status qv__rabitq_make(size_t dim, unsigned bits, qv_metric metric, uint64_t seed, qv__quantizer **out,
                          qv_error *err)
{
    size_t n_bytes = ROUNDS * (dim / 8 + 1);
    uint8_t *signs = NULL;

    QV_TRY(QV_NEW(&signs, n_bytes, err));
    for (size_t i = 0; i < n_bytes; i++)
        signs[i] = (uint8_t) (next_random(&seed) >> 32);
    qv__rabitq_shape shape = {
        .dim = dim,
        .bits = bits,
        .metric = metric,
        .rotation = QV_ROTATION_FAST,
        .signs = signs,
        .is_packed = true,
        .has_errors = true,
        .is_blocked = true,
    };
    qv_status st = qv__rabitq_new(&shape, out, err);
    qv__free(signs);
    return st;
}

const qv__rabitq_shape *qv__rabitq_shape_of(const qv__quantizer *rabitq) { return &qv__rabitq_of(rabitq)->shape; }

const qv__kernels_rabitq *qv__rabitq_kernels(const char *level)
{
#if defined(__x86_64__)
    if (strcmp(level, "avx512") == 0)
        return &qv__kernels_rabitq_avx512;
    if (strcmp(level, "avx2") == 0)
        return &qv__kernels_rabitq_avx2;
#elif defined(__aarch64__)
    if (strcmp(level, "neon") == 0)
        return &qv__kernels_rabitq_neon;
#else
    QV_UNUSED(level);
#endif
    return &qv__kernels_rabitq_plain;
}
