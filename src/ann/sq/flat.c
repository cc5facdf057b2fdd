/* FLAT: the vectors themselves. Estimates are true distances, from the kernels that an exact scan uses. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/float16.h"
#include "sq_private.h"

typedef struct flat {
    qv__quantizer base;
    qv__element element;
    float slack; /* how much a stored distance may be above that of the table's vector: unit vectors were rounded */
} flat;

typedef struct flat_query {
    qv__code_query base;
    qv__distance *distance;
} flat_query;

/* ------------------------------------------------------------------ codes */

/* To nearest, ties to even; a NaN stays one. */
static uint16_t bf16_of(float value)
{
    uint32_t bits = qv__load_u32(&value);

    if (isnan(value))
        return (uint16_t) (bits >> 16 | 0x40);
    return (uint16_t) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static void encode_values(qv__element element, const float *values, size_t n, uint8_t *out)
{
    switch (element) {
    case QV_EL_F16:
        for (size_t i = 0; i < n; i++)
            qv__store_u16(out + 2 * i, qv__f64_to_f16(values[i]));
        break;
    case QV_EL_BF16:
        for (size_t i = 0; i < n; i++)
            qv__store_u16(out + 2 * i, bf16_of(values[i]));
        break;
    case QV_EL_F64:
        for (size_t i = 0; i < n; i++) {
            double wide = values[i];
            memcpy(out + 8 * i, &wide, sizeof wide);
        }
        break;
    default:
        memcpy(out, values, n * sizeof(float));
        break;
    }
}

static qv_status encode(const qv__quantizer *quantizer, const float *rows, size_t n, const float *centroids,
                        const uint32_t *lists, uint8_t *const *out, qv_error *err)
{
    qv__element element = ((const flat *) quantizer)->element;

    QV_UNUSED(centroids);
    QV_UNUSED(lists);
    if (element == QV_EL_I8 || element == QV_EL_U8 || element == QV_EL_BITS)
        return qv__fail(err, QV_INVALID, "flat codes of element type %d are not made of float32 vectors",
                        (int) element);
    encode_values(element, rows, n * quantizer->dim, out[0]);
    return QV_OK;
}

/* ------------------------------------------------------------------ queries */

static void query_free(qv__code_query *query)
{
    if (query)
        qv__distance_free(((flat_query *) query)->distance);
    qv__free(query);
}

static qv_status query_new(const qv__quantizer *quantizer, const float *query, qv__code_query **out, qv_error *err)
{
    qv__element element = ((const flat *) quantizer)->element;
    flat_query *made = NULL;

    QV_TRY(QV_NEW(&made, 1, err));
    made->base.quantizer = quantizer;
    qv_status st = qv__distance_new(quantizer->metric, element, quantizer->dim, query,
                                    element == QV_EL_BITS ? QV_EL_BITS : QV_EL_F32, 1, &made->distance, err);
    if (st != QV_OK) {
        query_free(&made->base);
        return st;
    }
    *out = &made->base;
    return QV_OK;
}

static void distances(qv__code_query *query, const uint8_t *const *plain, const uint32_t *rows, size_t n, float *out)
{
    qv__distance_to_picked(((flat_query *) query)->distance, 0, plain[0], query->quantizer->columns[0].width, rows, n,
                           out);
}

static void scan(qv__code_query *query, const qv__code_list *list, qv__candidates *candidates)
{
    const flat *self = (const flat *) query->quantizer;
    size_t width = self->base.columns[0].width;
    float slack = candidates->exact ? self->slack : 0, estimates[QV_ROWS_BLOCK], least[QV_ROWS_BLOCK];

    for (size_t at = 0; at < list->n; at += QV_ROWS_BLOCK) {
        size_t n = QV_MIN(list->n - at, QV_ROWS_BLOCK);
        qv__distance_to_rows(((flat_query *) query)->distance, 0, list->columns[0] + at * width, width, n, estimates);
        uint64_t passing = qv__rows_select(estimates, n, candidates->threshold + slack);
        if (!passing)
            continue;
        for (size_t i = 0; i < n; i++)
            least[i] = estimates[i] - slack;
        qv__candidates_offer_block(candidates, estimates, least, list->ids + at, passing);
    }
}

static float least_of(const qv__code_query *query, float estimate)
{
    return estimate - ((const flat *) query->quantizer)->slack;
}

/* ------------------------------------------------------------------ making */

static void flat_free(qv__quantizer *quantizer) { qv__free(quantizer); }

static const qv__quantizer_class flat_class = {
    .name = "FLAT",
    .free = flat_free,
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

/* Cosine stores unit vectors, rounded to the element type: the table's own vector is off by at most half a unit in the last place of
 * each value, which is that share of the length; two such lengths, and as much again for the sums. */
static float slack_of(qv__element element, qv_metric metric)
{
    if (metric != QV_METRIC_COSINE)
        return 0;
    switch (element) {
    case QV_EL_F16:
        return 4 * 0x1p-11f;
    case QV_EL_BF16:
        return 4 * 0x1p-8f;
    default:
        return 4e-6f;
    }
}

qv_status qv__flat_new(size_t dim, qv__element element, qv_metric metric, qv__quantizer **out, qv_error *err)
{
    flat *made = NULL;

    if (dim == 0 || element >= QV_EL_COUNT)
        return qv__fail(err, QV_INVALID, "flat codes of %zu dimensions of element type %d", dim, (int) element);
    if ((element == QV_EL_BITS) != (metric == QV_METRIC_HAMMING || metric == QV_METRIC_JACCARD))
        return qv__fail(err, QV_INVALID, "flat codes of element type %d do not support metric %d", (int) element,
                        (int) metric);
    if (metric < QV_METRIC_L2 || metric > QV_METRIC_JACCARD)
        return qv__fail(err, QV_INVALID, "flat codes do not support metric %d", (int) metric);
    QV_TRY(QV_NEW(&made, 1, err));
    made->base = (qv__quantizer){ .class = &flat_class, .metric = metric, .dim = dim, .n_columns = 1 };
    made->base.columns[0] = (qv__code_column){ .name = "flat", .width = qv__element_bytes(element, dim) };
    made->element = element;
    made->slack = slack_of(element, metric);
    *out = &made->base;
    return QV_OK;
}
