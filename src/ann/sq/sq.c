/* Scalar quantization: a byte per dimension. A code c stands for the cell [low + c * step, low + (c + 1) * step).
 *
 * L2 and COSINE compare codes with the coded query: exact integer sums, times step^2. The difference of two codes times the step is that of the
 * middles of their cells, so the estimate is the distance of two points, each as near to what it stands for as its cell is wide: the row
 * within step / 2 in each dimension, hence within r = step / 2 * sqrt(dim); the query at a distance s that is known. The triangle
 * inequality bounds the true distance from below by sqrt(estimate) - r - s.
 *
 * DOT multiplies the query itself with the lower ends of cells: a product is too small by the sum of q_i times a place in the cell, and so
 * by step * (sum of positive q_i) at most.
 *
 * Both bounds ask that the row's values lie between the quantizer's; those of rows outside (few, when a sample was good) may fail. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/float16.h"
#include "sq_private.h"

typedef struct sq {
    qv__quantizer base;
    double low, high;
    double step;
    float scale; /* of estimates: step^2 as files of the format have it, half of it for cosine; step for dot */
} sq;

typedef struct sq_query {
    qv__code_query base;
    qv__distance *distance;
    double error;    /* L2, COSINE: r + s; DOT: what a product may be too small by */
    double constant; /* DOT: low * sum of the query */
} sq_query;

/* ------------------------------------------------------------------ codes */

static uint8_t code_of(const sq *self, float value)
{
    double at = ((double) value - self->low) * 255 / (self->high - self->low);

    return at >= 255 ? 255 : at > 0 ? (uint8_t) at : 0; /* low = high: NaN, or beyond either end */
}

static void encode_row(const sq *self, const float *row, uint8_t *code)
{
    if (self->high > self->low)
        for (size_t i = 0; i < self->base.dim; i++)
            code[i] = code_of(self, row[i]);
    else
        memset(code, 0, self->base.dim);
}

static qv_status encode(const qv__quantizer *quantizer, const float *rows, size_t n, const float *centroids,
                        const uint32_t *lists, uint8_t *const *out, qv_error *err)
{
    const sq *self = (const sq *) quantizer;

    QV_UNUSED(centroids);
    QV_UNUSED(lists);
    QV_UNUSED(err);
    for (size_t i = 0; i < n; i++)
        encode_row(self, rows + i * self->base.dim, out[0] + i * self->base.dim);
    return QV_OK;
}

/* ------------------------------------------------------------------ queries */

/* The distance of a query to what its code stands for. */
static double shift_of(const sq *self, const float *query, const uint8_t *code)
{
    double sum = 0;

    for (size_t i = 0; i < self->base.dim; i++) {
        double d = (double) query[i] - (self->low + (code[i] + 0.5) * self->step);
        sum += d * d;
    }
    return sqrt(sum);
}

static qv_status prepare_coded(const sq *self, const float *query, sq_query *to, qv_error *err)
{
    size_t dim = self->base.dim;
    uint8_t *code = NULL;

    for (size_t i = 0; i < dim; i++)
        if (!isfinite(query[i]))
            return qv__fail(err, QV_INVALID, "the query has value %g at position %zu; it must be finite",
                            (double) query[i], i);
    QV_TRY(QV_NEW(&code, dim, err));
    encode_row(self, query, code);
    to->error = self->step / 2 * sqrt((double) dim) + shift_of(self, query, code);
    qv_status st = qv__distance_new(QV_METRIC_L2, QV_EL_U8, dim, code, QV_EL_U8, 1, &to->distance, err);
    qv__free(code);
    return st;
}

static qv_status prepare_dot(const sq *self, const float *query, sq_query *to, qv_error *err)
{
    for (size_t i = 0; i < self->base.dim; i++) {
        to->constant += self->low * query[i];
        to->error += self->step * fmax(query[i], 0);
    }
    return qv__distance_new(QV_METRIC_DOT, QV_EL_U8, self->base.dim, query, QV_EL_F32, 1, &to->distance, err);
}

static void query_free(qv__code_query *query)
{
    if (query)
        qv__distance_free(((sq_query *) query)->distance);
    qv__free(query);
}

static qv_status query_new(const qv__quantizer *quantizer, const float *query, qv__code_query **out, qv_error *err)
{
    const sq *self = (const sq *) quantizer;
    sq_query *made = NULL;

    QV_TRY(QV_NEW(&made, 1, err));
    made->base.quantizer = quantizer;
    qv_status st = quantizer->metric == QV_METRIC_DOT ? prepare_dot(self, query, made, err)
                                                      : prepare_coded(self, query, made, err);
    if (st != QV_OK) {
        query_free(&made->base);
        return st;
    }
    *out = &made->base;
    return QV_OK;
}

/* ------------------------------------------------------------------ estimates */

/* What the kernel gave to distances. Its dot product is 1 - product of codes. */
static void to_estimates(const sq_query *query, float *values, size_t n)
{
    const sq *self = (const sq *) query->base.quantizer;
    float scale = self->scale, constant = (float) (1 - query->constant);

    if (self->base.metric == QV_METRIC_DOT)
        for (size_t i = 0; i < n; i++)
            values[i] = constant + scale * (values[i] - 1);
    else
        for (size_t i = 0; i < n; i++)
            values[i] *= scale;
}

static void distances(qv__code_query *query, const uint8_t *const *plain, const uint32_t *rows, size_t n, float *out)
{
    sq_query *self = (sq_query *) query;

    qv__distance_to_picked(self->distance, 0, plain[0], query->quantizer->dim, rows, n, out);
    to_estimates(self, out, n);
}

/* ------------------------------------------------------------------ bounds */

/* Sums in float32 are a little off. */
#define SAFE 1e-5

/* From squared distances of the coded points to those of the true ones; cosine has half of them. */
static float least_square(const sq_query *query, float estimate)
{
    double half = query->base.quantizer->metric == QV_METRIC_COSINE ? 0.5 : 1;
    double root = sqrt(estimate / half) * (1 - SAFE) - query->error;

    return root > 0 ? (float) (root * root * half * (1 - SAFE)) : 0;
}

static float least_dot(const sq_query *query, float estimate)
{
    return (float) (estimate - query->error - SAFE * (1 + fabs(query->constant) + fabs(estimate)));
}

static float least_of(const qv__code_query *query, float estimate)
{
    const sq_query *self = (const sq_query *) query;
    return query->quantizer->metric == QV_METRIC_DOT ? least_dot(self, estimate) : least_square(self, estimate);
}

/* The estimate above which no row's bound is below the threshold: the inverse of least_of, or a little more. */
static float most_of(const sq_query *query, float threshold)
{
    if (query->base.quantizer->metric == QV_METRIC_DOT)
        return (float) (threshold + query->error +
                        2 * SAFE * (1 + fabs(query->constant) + fabs(threshold) + query->error));
    if (!(threshold >= 0))
        return -1;
    double half = query->base.quantizer->metric == QV_METRIC_COSINE ? 0.5 : 1;
    double root = (sqrt(threshold / half) * (1 + SAFE) + query->error) * (1 + 2 * SAFE);
    return (float) (root * root * half);
}

/* What the kernel gives for an estimate, or a little more. */
static float kernel_value(const sq_query *query, float estimate)
{
    const sq *self = (const sq *) query->base.quantizer;
    double value = estimate;

    if (self->scale == 0)
        return INFINITY;
    if (self->base.metric == QV_METRIC_DOT)
        value = ((double) estimate - (1 - query->constant)) / (double) self->scale + 1;
    else
        value = (double) estimate / (double) self->scale;
    return (float) (value + SAFE * (1 + fabs(value) + fabs(query->constant / (double) self->scale)));
}

static void scan(qv__code_query *query, const qv__code_list *list, qv__candidates *candidates)
{
    sq_query *self = (sq_query *) query;
    size_t dim = query->quantizer->dim;
    float estimates[QV_ROWS_BLOCK], least[QV_ROWS_BLOCK];
    const float *bounds = candidates->exact ? least : estimates;

    for (size_t at = 0; at < list->n; at += QV_ROWS_BLOCK) {
        size_t n = QV_MIN(list->n - at, QV_ROWS_BLOCK);
        float most = candidates->exact ? most_of(self, candidates->threshold) : candidates->threshold;
        qv__distance_to_rows(self->distance, 0, list->columns[0] + at * dim, dim, n, estimates);
        uint64_t passing = qv__rows_select(estimates, n, kernel_value(self, most));
        if (!passing)
            continue;
        to_estimates(self, estimates, n);
        for (size_t i = 0; candidates->exact && i < n; i++)
            least[i] = least_of(query, estimates[i]);
        qv__candidates_offer_block(candidates, estimates, bounds, list->ids + at, passing);
    }
}

/* ------------------------------------------------------------------ making */

static void sq_free(qv__quantizer *quantizer) { qv__free(quantizer); }

static const qv__quantizer_class sq_class = {
    .name = "SQ",
    .free = sq_free,
    .encode = encode,
    .arrange = qv__rows_arrange,
    .disarrange = qv__rows_arrange,
    .query_new = query_new,
    .query_free = query_free,
    .enter_list = qv__rows_enter_list,
    .scan = scan,
    .distances = distances,
    .extra_floats = qv__rows_extra_floats,
    .has_bounds = true,
    .least = least_of,
};

static qv_status check(size_t dim, qv_metric metric, qv_error *err)
{
    if (dim == 0)
        return qv__fail(err, QV_INVALID, "scalar quantization of vectors of 0 dimensions");
    if (metric != QV_METRIC_L2 && metric != QV_METRIC_COSINE && metric != QV_METRIC_DOT)
        return qv__fail(err, QV_INVALID, "scalar quantization does not support metric %d", (int) metric);
    return QV_OK;
}

qv_status qv__sq_new(size_t dim, double low, double high, qv_metric metric, qv__quantizer **out, qv_error *err)
{
    sq *made = NULL;

    QV_TRY(check(dim, metric, err));
    if (!isfinite(low) || !isfinite(high) || high < low)
        return qv__fail(err, QV_INVALID, "scalar quantization between %g and %g", low, high);
    QV_TRY(QV_NEW(&made, 1, err));
    made->base = (qv__quantizer){ .class = &sq_class, .metric = metric, .dim = dim, .n_columns = 1 };
    made->base.columns[0] = (qv__code_column){ .name = "__sq_code", .width = dim };
    made->low = low;
    made->high = high;
    made->step = (high - low) / 255;
    float step = (float) (high - low) / 255; /* in float32, as the format has it */
    made->scale = metric == QV_METRIC_DOT ? step : metric == QV_METRIC_COSINE ? step * step / 2 : step * step;
    *out = &made->base;
    return QV_OK;
}

void qv__sq_bounds(const qv__quantizer *quantizer, double *low, double *high)
{
    *low = ((const sq *) quantizer)->low;
    *high = ((const sq *) quantizer)->high;
}
