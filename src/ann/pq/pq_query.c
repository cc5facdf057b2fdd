/* Queries: for each list a table of what every codeword adds (asymmetric distances: Jégou, Douze, Schmid 2011), exact sums of its values, and
 * the same table in bytes for quick ones.
 *
 * Values of tables are never negative: squared distances as they are, products less the least one of their sub-vector, which `offset` has
 * instead. So bytes begin at 0 everywhere, and a step that reaches from there to the greatest value serves all sub-vectors. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "pq_private.h"

enum { MOST_SUM = 60000 }; /* of bytes: with room below what 16 bits hold */

/* ------------------------------------------------------------------ made, freed */

static qv_status alloc_tables(qv__pq_query *query, qv_error *err)
{
    const qv__pq *pq = query->pq;
    size_t n = pq->m * pq->n_words, n_sums = (QV_PQ_PIECE + 1) * QV_PQ_BLOCK;

    query->tables.values = qv__alloc_aligned(n * sizeof(float));
    query->bytes = qv__alloc_aligned(n);
    query->sums = qv__alloc_aligned(n_sums * sizeof *query->sums);
    if (!query->tables.values || !query->bytes || !query->sums)
        return qv__fail_nomem(err, n * sizeof(float));
    return QV_OK;
}

qv_status qv__pq_query_new(const qv__quantizer *quantizer, const float *vector, qv__code_query **out, qv_error *err)
{
    const qv__pq *pq = (const qv__pq *) quantizer;
    size_t dim = pq->base.dim;
    qv__pq_query *query = NULL;
    qv_status st = QV_OK;

    QV_TRY(QV_NEW(&query, 1, err));
    query->base.quantizer = quantizer;
    query->pq = pq;
    QV_CHECK(QV_NEW(&query->vector, dim, err));
    QV_CHECK(QV_NEW(&query->residual, dim, err));
    QV_CHECK(QV_NEW(&query->padded, pq->width * QV_PQ_BLOCK, err));
    QV_CHECK(alloc_tables(query, err));
    memcpy(query->vector, vector, dim * sizeof(float));
    memcpy(query->residual, vector, dim * sizeof(float));
    query->is_finite = true;
    for (size_t j = 0; j < dim; j++)
        query->is_finite &= isfinite(vector[j]) != 0;
    *out = &query->base;
    query = NULL;
done:
    qv__pq_query_free((qv__code_query *) query);
    return st;
}

void qv__pq_query_free(qv__code_query *base)
{
    qv__pq_query *query = (qv__pq_query *) base;

    if (!query)
        return;
    qv__free(query->vector);
    qv__free(query->residual);
    qv__free(query->tables.values);
    qv__free(query->bytes);
    qv__free(query->sums);
    qv__free(query->padded);
    qv__free(query);
}

/* ------------------------------------------------------------------ tables */

void qv__pq_enter_list(qv__code_query *base, const float *centroid, float centroid_distance, const float *extra)
{
    qv__pq_query *query = (qv__pq_query *) base;
    size_t dim = query->pq->base.dim;

    QV_UNUSED(centroid_distance);
    QV_UNUSED(extra);
    if (!qv__pq_codes_residual(query->pq))
        return; /* the tables are the same for all lists */
    query->has_tables = false;
    if (centroid)
        for (size_t j = 0; j < dim; j++)
            query->residual[j] = query->vector[j] - centroid[j];
    else
        memcpy(query->residual, query->vector, dim * sizeof(float));
}

/* Takes the least value of each sub-vector off its table; all of them go to the offset. Once per query. */
static void begin_at_zero(qv__pq_query *query)
{
    const qv__pq *pq = query->pq;
    double sum = 1;

    query->tables.most = 0;
    for (size_t s = 0; s < pq->m; s++) {
        float *values = query->tables.values + s * pq->n_words, least = values[0];
        for (size_t c = 1; c < pq->n_words; c++)
            least = values[c] < least ? values[c] : least;
        for (size_t c = 0; c < pq->n_words; c++) {
            values[c] -= least;
            query->tables.most = values[c] > query->tables.most ? values[c] : query->tables.most;
        }
        sum += least;
    }
    query->offset = (float) sum;
}

/* Bytes are of no use where values are all alike or not finite. */
static void make_bytes(qv__pq_query *query)
{
    const qv__pq *pq = query->pq;
    double most = query->tables.most, step = QV_MAX(most / 255, most * (double) pq->m / MOST_SUM);
    float steps = (float) (1 / step);

    query->step = 0;
    if (!query->is_finite || !isfinite(step) || !isfinite(steps) || !(most > FLT_MIN))
        return;
    query->step = 1 / (double) steps;
    pq->kernels->to_bytes(query->tables.values, pq->m * pq->n_words, steps, query->bytes);
}

/* Distances of unit vectors are halved: 1 - cos = |a - b|^2 / 2. */
void qv__pq_make_tables(qv__pq_query *query)
{
    const qv__pq *pq = query->pq;
    qv__pq_columns words = { pq->columns, pq->m, pq->n_words, pq->dsub };

    if (query->has_tables)
        return;
    if (pq->base.metric == QV_METRIC_DOT) {
        pq->kernels->product_tables(query->residual, &words, 1, &query->tables);
        begin_at_zero(query);
    } else {
        pq->kernels->distance_tables(query->residual, &words, pq->base.metric == QV_METRIC_COSINE ? 0.5f : 1,
                                     &query->tables);
    }
    make_bytes(query);
    query->has_tables = true;
}

/* ------------------------------------------------------------------ exact sums */

/* Sums of table values in the order of sub-vectors. Four rows are added up side by side: one alone waits for each of its additions.
 * Byte b of row i is at codes[i][b * stride]. */
static void sum_four(const qv__pq_query *query, const uint8_t *const codes[4], size_t stride, float sums[4])
{
    const qv__pq *pq = query->pq;
    const float *table = query->tables.values;
    float sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
    const uint8_t *code0 = codes[0], *code1 = codes[1], *code2 = codes[2], *code3 = codes[3];

    if (pq->bits == 8) {
        for (size_t at = 0, end = pq->width * stride; at < end; at += stride, table += 256) {
            sum0 += table[code0[at]];
            sum1 += table[code1[at]];
            sum2 += table[code2[at]];
            sum3 += table[code3[at]];
        }
    } else {
        for (size_t at = 0, end = pq->width * stride; at < end; at += stride, table += 32) {
            sum0 = sum0 + table[code0[at] & 15] + table[16 + (code0[at] >> 4)];
            sum1 = sum1 + table[code1[at] & 15] + table[16 + (code1[at] >> 4)];
            sum2 = sum2 + table[code2[at] & 15] + table[16 + (code2[at] >> 4)];
            sum3 = sum3 + table[code3[at] & 15] + table[16 + (code3[at] >> 4)];
        }
    }
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
}

/* Estimates of the rows of a block whose bits are set. */
static void estimate_some(const qv__pq_query *query, qv__pq_codes codes, uint64_t passing, float *estimates)
{
    while (passing) {
        const uint8_t *rows[4];
        unsigned places[4];
        float sums[4];
        for (int i = 0; i < 4; i++) { /* the last ones repeat the last row */
            places[i] = passing ? (unsigned) __builtin_ctzll(passing) : places[i - 1];
            rows[i] = codes.bytes + places[i];
            passing &= passing - 1;
        }
        sum_four(query, rows, codes.stride, sums);
        for (int i = 0; i < 4; i++)
            estimates[places[i]] = query->offset + sums[i];
    }
}

void qv__pq_estimate(const qv__pq_query *query, qv__pq_codes codes, bool is_whole, uint64_t rows, float *estimates)
{
    enum { FEW = 8 }; /* rows that are summed up one by one sooner than the block */
    const qv__pq *pq = query->pq;

    if (!is_whole || pq->bits == 8 || !pq->kernels->sum_block4 || __builtin_popcountll(rows) <= FEW) {
        estimate_some(query, codes, rows, estimates);
        return;
    }
    pq->kernels->sum_block4(query->tables.values, pq->m, codes, estimates);
    for (size_t r = 0; r < QV_PQ_BLOCK; r++)
        estimates[r] += query->offset;
}

void qv__pq_distances(qv__code_query *base, const uint8_t *const *plain, const uint32_t *rows, size_t n, float *out)
{
    qv__pq_query *query = (qv__pq_query *) base;
    size_t width = query->pq->width;

    qv__pq_make_tables(query);
    for (size_t first = 0; first < n; first += 4) {
        const uint8_t *codes[4];
        float sums[4];
        for (size_t i = 0; i < 4; i++)
            codes[i] = plain[0] + rows[QV_MIN(first + i, n - 1)] * width;
        sum_four(query, codes, 1, sums);
        for (size_t i = 0; i < QV_MIN(n - first, 4); i++)
            out[first + i] = query->offset + sums[i];
    }
}
