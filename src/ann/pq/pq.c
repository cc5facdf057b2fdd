/* Product quantizers: made, copied, laid out, decoded. */
#include <string.h>

#include "ann/pq/pq.h"
#include "base/alloc.h"
#include "pq_private.h"

static const qv__quantizer_class pq_class;

static qv_status check_shape(size_t dim, size_t m, unsigned bits, qv_metric metric, qv_error *err)
{
    if (metric != QV_METRIC_L2 && metric != QV_METRIC_COSINE && metric != QV_METRIC_DOT)
        return qv__fail(err, QV_INVALID, "product quantization knows the metrics l2, cosine and dot, not metric %d",
                        (int) metric);
    if (bits != 4 && bits != 8)
        return qv__fail(err, QV_INVALID, "product quantization takes 4 or 8 bits per sub-vector, not %u", bits);
    if (dim == 0 || dim > INT32_MAX || m == 0 || dim % m != 0)
        return qv__fail(err, QV_INVALID, "%zu sub-vectors do not divide %zu dimensions", m, dim);
    if (bits == 4 && m % 2 != 0)
        return qv__fail(err, QV_INVALID, "with 4 bits the number of sub-vectors is even, not %zu", m);
    return QV_OK;
}

qv_status qv__pq_alloc(size_t dim, size_t m, unsigned bits, qv_metric metric, qv__pq **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__pq *pq = NULL;

    QV_TRY(check_shape(dim, m, bits, metric, err));
    QV_TRY(QV_NEW(&pq, 1, err));
    pq->base = (qv__quantizer){ .class = &pq_class, .metric = metric, .dim = dim, .n_columns = 1 };
    pq->m = m;
    pq->dsub = dim / m;
    pq->bits = bits;
    pq->n_words = (size_t) 1 << bits;
    pq->width = m * bits / 8;
    pq->base.columns[0] = (qv__code_column){ .name = "__pq_code", .width = pq->width };
    pq->kernels = qv__pq_kernels_get();
    QV_CHECK(QV_NEW(&pq->codebook, dim * pq->n_words, err));
    QV_CHECK(QV_NEW(&pq->columns, dim * pq->n_words, err));
    QV_CHECK(QV_NEW(&pq->half_norms, m * pq->n_words, err));
    *out = pq;
    pq = NULL;
done:
    qv__pq_free((qv__quantizer *) pq);
    return st;
}

void qv__pq_free(qv__quantizer *quantizer)
{
    qv__pq *pq = (qv__pq *) quantizer;

    if (!pq)
        return;
    qv__free(pq->codebook);
    qv__free(pq->columns);
    qv__free(pq->half_norms);
    qv__free(pq);
}

void qv__pq_half_norms(const float *words, size_t n, size_t dsub, float *half_norms)
{
    for (size_t c = 0; c < n; c++) {
        double sum = 0;
        for (size_t j = 0; j < dsub; j++)
            sum += (double) words[c * dsub + j] * words[c * dsub + j];
        half_norms[c] = (float) (0.5 * sum);
    }
}

void qv__pq_seal(qv__pq *pq)
{
    size_t n = pq->n_words, dsub = pq->dsub;

    qv__pq_half_norms(pq->codebook, pq->m * n, dsub, pq->half_norms);
    for (size_t s = 0; s < pq->m; s++)
        for (size_t c = 0; c < n; c++)
            for (size_t j = 0; j < dsub; j++)
                pq->columns[(s * dsub + j) * n + c] = pq->codebook[(s * n + c) * dsub + j];
}

qv_status qv__pq_new(const float *codebook, size_t dim, size_t m, unsigned bits, qv_metric metric, qv__quantizer **out,
                     qv_error *err)
{
    qv__pq *pq = NULL;

    QV_TRY(qv__pq_alloc(dim, m, bits, metric, &pq, err));
    memcpy(pq->codebook, codebook, dim * pq->n_words * sizeof *codebook);
    qv__pq_seal(pq);
    *out = &pq->base;
    return QV_OK;
}

const float *qv__pq_codebook(const qv__quantizer *quantizer, size_t *m, unsigned *bits)
{
    const qv__pq *pq = (const qv__pq *) quantizer;

    *m = pq->m;
    *bits = pq->bits;
    return pq->codebook;
}

static size_t word_of(const qv__pq *pq, const uint8_t *code, size_t s)
{
    return pq->bits == 8 ? code[s] : (size_t) (code[s / 2] >> (s % 2 * 4) & 15);
}

void qv__pq_decode(const qv__quantizer *quantizer, const uint8_t *codes, size_t n, float *rows)
{
    const qv__pq *pq = (const qv__pq *) quantizer;
    size_t dsub = pq->dsub;

    for (size_t r = 0; r < n; r++, codes += pq->width)
        for (size_t s = 0; s < pq->m; s++, rows += dsub)
            memcpy(rows, pq->codebook + (s * pq->n_words + word_of(pq, codes, s)) * dsub, dsub * sizeof *rows);
}

/* ------------------------------------------------------------------ layout of lists */

/* out[c * n_rows + r] = in[r * n_columns + c], in squares that stay in the cache. */
static void transpose(const uint8_t *in, size_t n_rows, size_t n_columns, uint8_t *out)
{
    enum { SIDE = 64 };

    for (size_t row = 0; row < n_rows; row += SIDE)
        for (size_t column = 0; column < n_columns; column += SIDE)
            for (size_t c = column; c < QV_MIN(column + SIDE, n_columns); c++)
                for (size_t r = row; r < QV_MIN(row + SIDE, n_rows); r++)
                    out[c * n_rows + r] = in[r * n_columns + c];
}

static void arrange(const qv__quantizer *quantizer, const uint8_t *const *plain, size_t n, uint8_t *const *out)
{
    transpose(plain[0], n, ((const qv__pq *) quantizer)->width, out[0]);
}

static void disarrange(const qv__quantizer *quantizer, const uint8_t *const *arranged, size_t n, uint8_t *const *out)
{
    transpose(arranged[0], ((const qv__pq *) quantizer)->width, n, out[0]);
}

/* ------------------------------------------------------------------ the class */

/* A list has nothing of its own: its tables take less time to make than to fetch (README). */
static size_t extra_floats(const qv__quantizer *quantizer)
{
    QV_UNUSED(quantizer);
    return 0;
}

static void list_extra(const qv__quantizer *quantizer, const float *centroid, float *out)
{
    QV_UNUSED(quantizer);
    QV_UNUSED(centroid);
    QV_UNUSED(out);
}

static const qv__quantizer_class pq_class = {
    .name = "PQ",
    .free = qv__pq_free,
    .encode = qv__pq_encode,
    .arrange = arrange,
    .disarrange = disarrange,
    .query_new = qv__pq_query_new,
    .query_free = qv__pq_query_free,
    .enter_list = qv__pq_enter_list,
    .scan = qv__pq_scan,
    .distances = qv__pq_distances,
    .extra_floats = extra_floats,
    .list_extra = list_extra,
    .has_bounds = false,
};
