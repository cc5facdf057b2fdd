/* Prepared queries: converted once to what the kernel of the stored element computes with, padded with zeros, their norms
 * known; for many queries also laid out in panels for the tiles of scan.c. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bitmap.h"
#include "base/bytes.h"
#include "half.h"
#include "simd_private.h"

enum {
    PANEL_MIN_QUERIES = 8, /* below, a pass per query over rows in cache is as fast */
    PREFETCHED_ROWS = 8,   /* picked rows that are on their way from memory while one is measured */
    PREFETCHED_BYTES = 512,
};

size_t qv__element_bytes(qv__element element, size_t dim)
{
    switch (element) {
    case QV_EL_F64:
        return dim * 8;
    case QV_EL_F32:
        return dim * 4;
    case QV_EL_F16:
    case QV_EL_BF16:
        return dim * 2;
    case QV_EL_BITS:
        return qv__bitmap_bytes(dim);
    default:
        return dim;
    }
}

static const char *element_name(qv__element element)
{
    static const char *const names[QV_EL_COUNT] = { "float32", "float16", "float64",   "bfloat16",
                                                    "int8",    "uint8",   "packed bit" };
    return element < QV_EL_COUNT ? names[element] : "unknown";
}

/* ------------------------------------------------------------------ checks */

static qv_status check_kind(qv_metric metric, qv__element element, int *kind, qv_error *err)
{
    bool is_set = metric == QV_METRIC_HAMMING || metric == QV_METRIC_JACCARD;

    if (element >= QV_EL_COUNT)
        return qv__fail(err, QV_INVALID, "unknown element type %d", (int) element);
    if (is_set != (element == QV_EL_BITS))
        return qv__fail(err, QV_INVALID, "metric %d does not support %s vectors", (int) metric, element_name(element));
    switch (metric) {
    case QV_METRIC_L2:
        *kind = QV_K_L2;
        return QV_OK;
    case QV_METRIC_COSINE:
        *kind = QV_K_COSINE;
        return QV_OK;
    case QV_METRIC_DOT:
        *kind = QV_K_DOT;
        return QV_OK;
    case QV_METRIC_HAMMING:
    case QV_METRIC_JACCARD:
        *kind = QV_K_COUNT;
        return QV_OK;
    default:
        return qv__fail(err, QV_INVALID, "metric %d is not known", (int) metric);
    }
}

static double query_value(qv__element element, const uint8_t *query, size_t i)
{
    switch (element) {
    case QV_EL_F16:
        return qv__float_of_f16(qv__load_u16(query + 2 * i));
    case QV_EL_BF16:
        return qv__float_of_bf16(qv__load_u16(query + 2 * i));
    case QV_EL_F64: {
        double value;
        memcpy(&value, query + 8 * i, sizeof value);
        return value;
    }
    case QV_EL_I8:
        return (int8_t) query[i];
    case QV_EL_U8:
        return query[i];
    default:
        return qv__float_of_bits(qv__load_u32(query + 4 * i));
    }
}

static qv_status check_finite(const qv__distance *d, const uint8_t *queries, qv__element element, qv_error *err)
{
    size_t bytes = qv__element_bytes(element, d->dim);
    double limit = d->element == QV_EL_F64 ? HUGE_VAL : 0x1.ffffffp127; /* from here on a float32 is infinite */

    for (size_t q = 0; q < d->n_queries; q++) {
        const uint8_t *query = queries + q * bytes;
        if (element == QV_EL_F32 && !qv__any_not_finite((const float *) (const void *) query, d->dim))
            continue;
        for (size_t i = 0; i < d->dim; i++) {
            double value = query_value(element, query, i);
            if (!(fabs(value) < limit))
                return qv__fail(err, QV_INVALID, "query %zu has value %g at position %zu; it must be finite", q, value,
                                i);
        }
    }
    return QV_OK;
}

/* Has the query only integers in the range of the stored 8-bit type? */
static bool fits_integers(const qv__distance *d, const uint8_t *query, qv__element element)
{
    double low = d->element == QV_EL_I8 ? -128 : 0, high = d->element == QV_EL_I8 ? 127 : 255;

    if (d->element != QV_EL_I8 && d->element != QV_EL_U8)
        return false;
    for (size_t i = 0; i < d->dim; i++) {
        double value = query_value(element, query, i);
        if (value < low || value > high || value != floor(value))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ conversion */

static size_t value_bytes(const qv__distance *d)
{
    return d->element == QV_EL_BITS ? 1 : d->element == QV_EL_F64 ? 8 : 4;
}

/* The length of a query is largest * root: in two factors, so that no square leaves the range of a double. */
static void length_of(const uint8_t *query, qv__element element, size_t dim, double *largest, double *root)
{
    double sum = 0;

    *largest = 0;
    for (size_t i = 0; i < dim; i++)
        *largest = fmax(*largest, fabs(query_value(element, query, i)));
    for (size_t i = 0; *largest > 0 && i < dim; i++) {
        double value = query_value(element, query, i) / *largest;
        sum += value * value;
    }
    *root = sqrt(sum);
}

static void convert_float(const qv__distance *d, qv__kernel_query *to, void *values, const uint8_t *query,
                          qv__element element)
{
    double largest = 0, root = 0;

    to->norm = 1;
    if (element == QV_EL_F32 && d->element != QV_EL_F64 && d->kind != QV_K_COSINE) {
        memcpy(values, query, d->dim * sizeof(float));
        return;
    }
    if (d->kind == QV_K_COSINE)
        length_of(query, element, d->dim, &largest, &root);
    for (size_t i = 0; i < d->dim; i++) {
        double value = query_value(element, query, i);
        if (largest > 0)
            value = value / largest / root;
        if (d->element == QV_EL_F64)
            ((double *) values)[i] = value;
        else
            ((float *) values)[i] = (float) value;
    }
    to->norm = d->kind == QV_K_COSINE && largest == 0 ? 0 : 1;
}

static void convert_int(qv__kernel_query *to, int16_t *values, uint8_t *bytes, const uint8_t *query,
                        qv__element element)
{
    int64_t squares = 0;

    for (size_t i = 0; i < to->dim; i++) {
        values[i] = (int16_t) query_value(element, query, i);
        bytes[i] = (uint8_t) values[i];
        to->sum += values[i];
        squares += values[i] * values[i];
    }
    to->bytes = bytes;
    to->norm = sqrt((double) squares);
}

static qv__rows_fn choose_rows(const qv__distance *d, bool is_int)
{
    const qv__kernels *k = d->kernels;
    bool is_8_bit = d->element == QV_EL_I8 || d->element == QV_EL_U8;

    if (d->element == QV_EL_BITS) {
        if (d->dim % 8)
            k = &qv__kernels_scalar;
        return d->metric == QV_METRIC_HAMMING ? k->hamming : k->jaccard;
    }
    return is_8_bit && !is_int ? k->float_query[d->kind][d->element] : k->rows[d->kind][d->element];
}

static void convert_query(const qv__distance *d, qv__kernel_query *to, uint8_t *values, uint8_t *bytes,
                          const uint8_t *query, qv__element element)
{
    *to = (qv__kernel_query){ .values = values, .dim = d->dim, .is_int = fits_integers(d, query, element) };
    to->rows = choose_rows(d, to->is_int);
    if (d->element == QV_EL_BITS)
        memcpy(values, query, qv__bitmap_bytes(d->dim));
    else if (to->is_int)
        convert_int(to, (int16_t *) (void *) values, bytes, query, element);
    else
        convert_float(d, to, values, query, element);
}

static qv_status convert(qv__distance *d, const uint8_t *queries, qv__element element, qv_error *err)
{
    size_t padded = d->element == QV_EL_BITS ? qv__bitmap_bytes(d->dim) : d->dim;
    padded = qv__round_up(padded + QV_QUERY_PAD, QV_QUERY_PAD);
    size_t bytes = qv__element_bytes(element, d->dim), each = padded * value_bytes(d);
    uint64_t n_bytes;

    if (!qv__mul_u64(each, d->n_queries, &n_bytes))
        return qv__fail_nomem(err, SIZE_MAX);
    d->values = qv__alloc_aligned(n_bytes);
    if (!d->values)
        return qv__fail_nomem(err, n_bytes);
    memset(d->values, 0, n_bytes);
    if (d->element == QV_EL_I8 || d->element == QV_EL_U8) {
        d->bytes = qv__alloc_aligned(padded * d->n_queries);
        if (!d->bytes)
            return qv__fail_nomem(err, padded * d->n_queries);
        memset(d->bytes, 0, padded * d->n_queries);
    }
    for (size_t q = 0; q < d->n_queries; q++)
        convert_query(d, &d->queries[q], (uint8_t *) d->values + q * each, d->bytes ? d->bytes + q * padded : NULL,
                      queries + q * bytes, element);
    return QV_OK;
}

/* ------------------------------------------------------------------ panels */

const float *qv__distance_panel(const qv__distance *d, size_t p, size_t *first, size_t *n, size_t *width)
{
    size_t wide = d->kernels->panel_wide;
    size_t left = d->n_queries - p * wide;

    *first = p * wide;
    *n = QV_MIN(left, wide);
    *width = left <= d->kernels->panel_narrow ? d->kernels->panel_narrow : wide;
    return d->panels + p * wide * d->dim;
}

/* In a panel cosine queries have length 1. */
static float panel_value(const qv__distance *d, const qv__kernel_query *query, size_t i)
{
    if (d->element == QV_EL_F64)
        return (float) ((const double *) query->values)[i];
    if (!query->is_int)
        return ((const float *) query->values)[i];
    double value = ((const int16_t *) query->values)[i];
    return (float) (d->kind == QV_K_COSINE && query->norm > 0 ? value / query->norm : value);
}

static qv_status make_panels(qv__distance *d, qv_error *err)
{
    size_t wide = d->kernels->panel_wide;
    uint64_t n_floats;

    if (d->element == QV_EL_BITS || d->n_queries < PANEL_MIN_QUERIES)
        return QV_OK;
    d->n_panels = (d->n_queries + wide - 1) / wide;
    if (!qv__mul_u64(d->n_panels * wide, d->dim, &n_floats) || n_floats > SIZE_MAX / 16)
        return qv__fail_nomem(err, SIZE_MAX);
    d->panels = qv__alloc_aligned(n_floats * sizeof(float));
    if (!d->panels)
        return qv__fail_nomem(err, n_floats * sizeof(float));
    memset(d->panels, 0, n_floats * sizeof(float));
    QV_TRY(QV_NEW(&d->panel_norm2, d->n_queries, err));
    for (size_t p = 0; p < d->n_panels; p++) {
        size_t first, n, width;
        float *panel = (float *) qv__distance_panel(d, p, &first, &n, &width);
        for (size_t q = 0; q < n; q++)
            for (size_t i = 0; i < d->dim; i++) {
                float value = panel_value(d, &d->queries[first + q], i);
                panel[i * width + q] = value;
                d->panel_norm2[first + q] += (double) value * value;
            }
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ making and using */

qv_status qv__distance_new_with(const qv__kernels *kernels, qv_metric metric, qv__element element, size_t dim,
                                const void *queries, qv__element query_element, size_t n_queries, qv__distance **out,
                                qv_error *err)
{
    qv_status st = QV_OK;
    qv__distance *d = NULL;
    int kind = QV_K_L2;

    QV_TRY(check_kind(metric, element, &kind, err));
    if ((query_element == QV_EL_BITS) != (element == QV_EL_BITS) || query_element >= QV_EL_COUNT)
        return qv__fail(err, QV_INVALID, "a query of %s values does not fit %s vectors", element_name(query_element),
                        element_name(element));
    if (dim == 0 || n_queries == 0)
        return qv__fail(err, QV_INVALID, "%zu queries of %zu dimensions", n_queries, dim);
    QV_TRY(QV_NEW(&d, 1, err));
    d->metric = metric;
    d->kind = kind;
    d->element = element;
    d->dim = dim;
    d->n_queries = n_queries;
    d->kernels = kernels;
    if (element != QV_EL_BITS)
        QV_CHECK(check_finite(d, queries, query_element, err));
    QV_CHECK(QV_NEW(&d->queries, n_queries, err));
    QV_CHECK(convert(d, queries, query_element, err));
    QV_CHECK(make_panels(d, err));
    *out = d;
    d = NULL;
done:
    qv__distance_free(d);
    return st;
}

qv_status qv__distance_new(qv_metric metric, qv__element element, size_t dim, const void *queries,
                           qv__element query_element, size_t n_queries, qv__distance **out, qv_error *err)
{
    return qv__distance_new_with(qv__kernels_get(), metric, element, dim, queries, query_element, n_queries, out, err);
}

void qv__distance_free(qv__distance *distance)
{
    if (!distance)
        return;
    qv__free(distance->queries);
    qv__free(distance->values);
    qv__free(distance->bytes);
    qv__free(distance->panels);
    qv__free(distance->panel_norm2);
    qv__free(distance);
}

void qv__distance_block(const qv__distance *d, size_t q, const uint8_t *rows, size_t stride, size_t n,
                        const uint8_t *live, size_t live_offset, float *out)
{
    const qv__kernel_query *query = &d->queries[q];

    if (d->kind == QV_K_COSINE && query->norm == 0) { /* a zero vector has no direction */
        for (size_t i = 0; i < n; i++)
            out[i] = NAN;
        return;
    }
    query->rows(query, rows, stride, n, out);
    if (d->element == QV_EL_BITS || query->is_int || !qv__any_not_finite(out, n))
        return;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(out[i]) && (!live || qv__bit_get(live, live_offset + i)))
            out[i] = qv__distance_pair_exact(d->kind, d->element, query, rows + i * stride);
}

void qv__distance_to_rows(const qv__distance *distance, size_t q, const void *rows, size_t stride, size_t n, float *out)
{
    qv__distance_block(distance, q, rows, stride, n, NULL, 0, out);
}

static qv__pairs_fn pairs_of(const qv__kernels *kernels, qv_metric metric, qv__element element, size_t dim)
{
    if (element >= QV_EL_COUNT)
        return NULL;
    switch (metric) {
    case QV_METRIC_L2:
        return kernels->pairs[QV_K_L2][element];
    case QV_METRIC_DOT:
        return kernels->pairs[QV_K_DOT][element];
    case QV_METRIC_HAMMING:
        return element != QV_EL_BITS ? NULL : dim % 8 ? qv__kernels_scalar.hamming_pairs : kernels->hamming_pairs;
    default:
        return NULL;
    }
}

qv__pairs_fn qv__distance_pairs(qv_metric metric, qv__element element, size_t dim)
{
    return pairs_of(qv__kernels_get(), metric, element, dim);
}

/* The kernel of pairs gives the same as that of rows where the query lies in memory as a row would. */
static qv__pairs_fn pairs_with_query(const qv__distance *d, const qv__kernel_query *query, const void **one)
{
    *one = query->is_int ? query->bytes : query->values;
    if (!query->is_int && d->element != QV_EL_F32 && d->element != QV_EL_F64 && d->element != QV_EL_BITS)
        return NULL;
    return pairs_of(d->kernels, d->metric, d->element, d->dim);
}

/* The first lines of a row: the hardware follows with the rest of a long one. */
static inline void prefetch_row(const uint8_t *row, size_t bytes)
{
    for (size_t at = 0; at < QV_MIN(bytes, PREFETCHED_BYTES); at += 64)
        __builtin_prefetch(row + at);
}

void qv__distance_to_picked(const qv__distance *distance, size_t q, const void *rows, size_t stride,
                            const uint32_t *picked, size_t n, float *out)
{
    const uint8_t *first = rows;
    size_t bytes = qv__element_bytes(distance->element, distance->dim);
    const void *one;
    qv__pairs_fn pairs = pairs_with_query(distance, &distance->queries[q], &one);

    for (size_t i = 0; i < QV_MIN(n, PREFETCHED_ROWS); i++)
        prefetch_row(first + stride * picked[i], bytes);
    for (size_t at = 0; at < n; at += PREFETCHED_ROWS) {
        size_t group = QV_MIN(n - at, PREFETCHED_ROWS), next = QV_MIN(n - at - group, PREFETCHED_ROWS);
        for (size_t i = 0; i < next; i++)
            prefetch_row(first + stride * picked[at + group + i], bytes);
        if (pairs)
            pairs(one, distance->dim, first, stride, picked + at, group, out + at);
        for (size_t i = 0; i < group; i++)
            if (!pairs || !isfinite(out[at + i]))
                qv__distance_block(distance, q, first + stride * picked[at + i], stride, 1, NULL, 0, out + at + i);
    }
}
