/* Rows to codes, 16 at a time, component by component: every step is then the same for 16 lanes. */
#include <math.h>
#include <string.h>

#include "ann/rabitq/rabitq_private.h"
#include "base/alloc.h"

enum { LANES = QV_RABITQ_LANES };

/* 16 rows on their way. */
typedef struct batch {
    const qv__rabitq *rabitq;
    const float *centroids;
    const uint32_t *lists;
    float *plain;           /* dim x 16, before rotation */
    float *x, *z;           /* rotated residuals and centroids */
    uint8_t *signs, *codes; /* n_bytes x 16, dim x 16 */
    uint8_t *values;        /* dim: one row's extra codes */
} batch;

static void free_batch(batch *b)
{
    qv__free(b->plain);
    qv__free(b->x);
    qv__free(b->z);
    qv__free(b->signs);
    qv__free(b->codes);
    qv__free(b->values);
}

static qv_status new_batch(batch *b, qv_error *err)
{
    size_t dim = b->rabitq->base.dim;

    QV_TRY(QV_NEW(&b->plain, dim * LANES, err));
    QV_TRY(QV_NEW(&b->x, dim * LANES, err));
    QV_TRY(QV_NEW(&b->z, dim * LANES, err));
    QV_TRY(QV_NEW(&b->signs, b->rabitq->n_bytes * LANES, err));
    QV_TRY(QV_NEW(&b->codes, dim * LANES, err));
    return QV_NEW(&b->values, dim, err);
}

/* ------------------------------------------------------------------ 16 rows */

static void load_residuals(const batch *b, const float *rows, size_t n)
{
    size_t dim = b->rabitq->base.dim;

    if (n < LANES)
        memset(b->plain, 0, dim * LANES * sizeof *b->plain);
    for (size_t l = 0; l < n; l++) {
        const float *row = rows + l * dim;
        const float *centroid = b->centroids ? b->centroids + b->lists[l] * dim : NULL;
        for (size_t i = 0; i < dim; i++)
            b->plain[i * LANES + l] = centroid ? row[i] - centroid[i] : row[i];
    }
    qv__rabitq_rotate(b->rabitq, b->plain, LANES, b->x);
}

/* Each row's own: rotating 16 at once costs less than finding out which were rotated before. */
static void load_centroids(const batch *b, size_t n)
{
    size_t dim = b->rabitq->base.dim;

    if (!b->centroids) /* z is zero */
        return;
    for (size_t l = 0; l < n; l++)
        for (size_t i = 0; i < dim; i++)
            b->plain[i * LANES + l] = b->centroids[b->lists[l] * dim + i];
    qv__rabitq_rotate(b->rabitq, b->plain, LANES, b->z);
}

static void put_float(uint8_t *const *out, int column, size_t row, double value)
{
    float narrow = (float) value;
    if (column >= 0)
        memcpy(out[column] + row * sizeof narrow, &narrow, sizeof narrow);
}

static double ratio(double a, double b) { return b != 0 ? a / b : 0; }

/* The factors of one row. Distances grow with -2 v . q (l2, cosine), or -v . q. */
static void put_factors(const qv__rabitq *rabitq, const qv__rabitq_sums *sums, size_t l, size_t row,
                        uint8_t *const *out)
{
    bool is_dot = rabitq->base.metric == QV_METRIC_DOT;
    double dim = (double) rabitq->base.dim, xx = sums->xx[l], times = is_dot ? 1 : 2;
    double constant = is_dot ? 1 - sums->xz[l] : xx;
    double by_sign = ratio(xx, sums->hx[l]), by_code = ratio(xx, sums->gx[l]);
    double tangent2 = ratio(by_sign * dim / 4, sums->hx[l]) - 1;

    put_float(out, rabitq->at.add, row, constant + times * by_sign * sums->hz[l]);
    put_float(out, rabitq->at.scale, row, -times * by_sign);
    put_float(out, rabitq->at.error, row, times * QV_RABITQ_EPSILON * sqrt(xx * fmax(tangent2, 0) / (dim - 1)));
    put_float(out, rabitq->at.add_extra, row, constant + times * by_code * sums->gz[l]);
    put_float(out, rabitq->at.scale_extra, row, -times * by_code);
}

static void put_codes(const batch *b, size_t l, size_t row, uint8_t *const *out)
{
    const qv__rabitq *rabitq = b->rabitq;
    uint8_t *signs = out[rabitq->at.signs] + row * rabitq->n_bytes;

    for (size_t i = 0; i < rabitq->n_bytes; i++)
        signs[i] = b->signs[i * LANES + l];
    if (rabitq->extra_bits == 0)
        return;
    for (size_t i = 0; i < rabitq->base.dim; i++)
        b->values[i] = b->codes[i * LANES + l];
    qv__rabitq_block(b->values, rabitq->base.dim, rabitq->extra_bits,
                     out[rabitq->at.extra] + row * rabitq->extra_width);
}

static void encode_batch(const batch *b, const float *rows, size_t first, size_t n, uint8_t *const *out)
{
    const qv__rabitq *rabitq = b->rabitq;
    const qv__kernels_rabitq *kernels = rabitq->kernels;
    size_t dim = rabitq->base.dim;
    bool is_extended = rabitq->extra_bits > 0;
    qv__rabitq_sums sums;
    float scales[LANES];

    load_residuals(b, rows, n);
    load_centroids(b, n);
    kernels->sign(b->x, dim, b->signs);
    if (is_extended) {
        kernels->fit(b->x, dim, rabitq->extra_bits, scales);
        kernels->code(b->x, dim, rabitq->extra_bits, scales, b->codes);
    }
    kernels->sum(b->x, b->z, dim, rabitq->extra_bits, is_extended ? b->codes : NULL, &sums);
    for (size_t l = 0; l < n; l++) {
        put_codes(b, l, first + l, out);
        put_factors(rabitq, &sums, l, first + l, out);
    }
}

qv_status qv__rabitq_encode(const qv__quantizer *quantizer, const float *rows, size_t n, const float *centroids,
                            const uint32_t *lists, uint8_t *const *out, qv_error *err)
{
    const qv__rabitq *rabitq = qv__rabitq_of(quantizer);
    batch b = { .rabitq = rabitq, .centroids = centroids, .lists = lists };
    qv_status st = QV_OK;

    if (rabitq->shape.is_residual_query || (rabitq->extra_bits > 0 && !rabitq->shape.is_blocked))
        return qv__fail(err, QV_UNSUPPORTED, "RaBitQ codes in the form of old files are only read");
    QV_CHECK(new_batch(&b, err));
    for (size_t i = 0; i < n; i += LANES) {
        b.lists = centroids ? lists + i : NULL;
        encode_batch(&b, rows + i * quantizer->dim, i, QV_MIN(n - i, LANES), out);
    }
done:
    free_batch(&b);
    return st;
}
