/* Searching codes. A query has for each list a table of what every codeword adds (asymmetric distances: Jégou, Douze, Schmid 2011). Blocks
 * of 64 rows are first summed up in bytes, rounded down, which tells most rows to be above the threshold; the others get the exact sum of
 * floats (after André, Kermarrec, Le Scouarnec 2015). So what is offered does not depend on the filter, only how quickly.
 *
 * The filter's bound. With step d a table value v of sub-vector s counts as q <= (v - least_s) / d + e1, where e1 = 1e-4 covers the
 * rounding of the three operations at q <= 255. An estimate that is at most T is the rounded sum of m values and of the offset; its error
 * is at most (m + 4) 2^-24 times the sum of their magnitudes, each at most |least_s| + range. Hence
 *     sum of q  <=  (T - offset - sum of least_s + error) / d + m e1,
 * and `limit` is that plus one for the arithmetic of these lines, which is done in double. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "pq_private.h"

typedef struct pq_query {
    qv__code_query base;
    const qv__pq *pq;
    float *vector;   /* dim */
    float *residual; /* dim: what tables are made of */
    bool has_tables; /* for the list that was entered */
    qv__pq_tables tables;
    float offset;     /* of every estimate */
    double least_sum; /* of the tables */
    double error;     /* bound for the rounding of an estimate */
    double step;      /* of `bytes`; 0: they are not made */
    uint8_t *bytes;   /* the tables for filters */
    uint8_t *padded;  /* width x QV_PQ_BLOCK: codes of a list shorter than a block */
} pq_query;

qv_status qv__pq_query_new(const qv__quantizer *quantizer, const float *vector, qv__code_query **out, qv_error *err)
{
    const qv__pq *pq = (const qv__pq *) quantizer;
    size_t dim = pq->base.dim, n_values = pq->m * pq->n_words;
    pq_query *query = NULL;
    qv_status st = QV_OK;

    QV_TRY(QV_NEW(&query, 1, err));
    query->base.quantizer = quantizer;
    query->pq = pq;
    query->offset = pq->base.metric == QV_METRIC_DOT ? 1 : 0;
    QV_CHECK(QV_NEW(&query->vector, dim, err));
    QV_CHECK(QV_NEW(&query->residual, dim, err));
    QV_CHECK(QV_NEW(&query->tables.least, pq->m, err));
    QV_CHECK(QV_NEW(&query->padded, pq->width * QV_PQ_BLOCK, err));
    query->tables.values = qv__alloc_aligned(n_values * sizeof(float));
    query->bytes = qv__alloc_aligned(n_values);
    if (!query->tables.values || !query->bytes)
        QV_CHECK(qv__fail_nomem(err, n_values * sizeof(float)));
    memcpy(query->vector, vector, dim * sizeof(float));
    memcpy(query->residual, vector, dim * sizeof(float));
    *out = &query->base;
    query = NULL;
done:
    qv__pq_query_free((qv__code_query *) query);
    return st;
}

void qv__pq_query_free(qv__code_query *base)
{
    pq_query *query = (pq_query *) base;

    if (!query)
        return;
    qv__free(query->vector);
    qv__free(query->residual);
    qv__free(query->tables.least);
    qv__free(query->tables.values);
    qv__free(query->bytes);
    qv__free(query->padded);
    qv__free(query);
}

/* ------------------------------------------------------------------ tables */

void qv__pq_enter_list(qv__code_query *base, const float *centroid, float centroid_distance, const float *extra)
{
    pq_query *query = (pq_query *) base;
    size_t dim = query->pq->base.dim;

    QV_UNUSED(centroid_distance);
    QV_UNUSED(extra);
    if (!qv__pq_codes_residual(query->pq))
        return; /* the tables are the same for all lists */
    query->has_tables = false;
    for (size_t j = 0; j < dim; j++)
        query->residual[j] = query->vector[j] - (centroid ? centroid[j] : 0);
}

/* Distances of unit vectors are halved: 1 - cos = |a - b|^2 / 2. */
static void make_tables(pq_query *query)
{
    const qv__pq *pq = query->pq;
    qv__pq_columns words = { pq->columns, pq->m, pq->n_words, pq->dsub };
    double magnitude = 0;

    if (query->has_tables)
        return;
    if (pq->base.metric == QV_METRIC_DOT)
        pq->kernels->product_tables(query->residual, &words, 1, &query->tables);
    else
        pq->kernels->distance_tables(query->residual, &words, pq->base.metric == QV_METRIC_COSINE ? 0.5f : 1,
                                     &query->tables);
    query->least_sum = 0;
    for (size_t s = 0; s < pq->m; s++) {
        query->least_sum += query->tables.least[s];
        magnitude += fabs((double) query->tables.least[s]);
    }
    magnitude += (double) pq->m * query->tables.range + fabs((double) query->offset);
    query->error = (double) (pq->m + 4) * 0x1p-24 * magnitude;
    query->step = 0;
    query->has_tables = true;
}

static inline qv__pq_filter_fn filter_of(const qv__pq *pq)
{
    return pq->bits == 4 ? pq->kernels->filter4 : pq->kernels->filter8;
}

/* How far above the least possible sum a row may be; rounding is on its side. */
static inline double room_below(const pq_query *query, float threshold)
{
    return (double) threshold - query->offset - query->least_sum + query->error;
}

/* Makes the bytes for rows up to `threshold`. A single value that is more than `room` above the least one rules a row out, so steps need
 * not reach farther; and sums up to `room` have to fit 16 bits. false: the filter is of no use. */
static bool make_bytes(pq_query *query, float threshold)
{
    const qv__pq *pq = query->pq;
    double range = query->tables.range, room = room_below(query, threshold);

    if (!filter_of(pq) || !isfinite(threshold) || !isfinite(query->error) || !(range > FLT_MIN))
        return false;
    double step = QV_MAX(QV_MIN(range, room) / 255, QV_MAX(room / 60000, range / 4096));
    if (query->step > 0 && step > query->step / 2 && step < query->step * 2)
        return true;
    float steps = (float) (1 / step);
    if (!isfinite(steps))
        return false;
    query->step = 1 / (double) steps;
    pq->kernels->to_bytes(&query->tables, pq->m, pq->n_words, steps, query->bytes);
    return true;
}

/* ------------------------------------------------------------------ exact sums */

/* Sums of table values in the order of sub-vectors. Four rows are added up side by side: one alone waits for each of its additions.
 * Byte b of row i is at codes[i][b * stride]. */
static void sum_four(const pq_query *query, const uint8_t *const codes[4], size_t stride, float sums[4])
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
static void estimate_some(const pq_query *query, qv__pq_codes codes, uint64_t passing, float *estimates)
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

static void estimate(const pq_query *query, qv__pq_codes codes, uint64_t passing, float *estimates)
{
    enum { FEW = 8 }; /* rows that are summed up one by one sooner than the block */
    const qv__pq *pq = query->pq;

    if (pq->bits == 8 || !pq->kernels->sum_block4 || __builtin_popcountll(passing) <= FEW) {
        estimate_some(query, codes, passing, estimates);
        return;
    }
    pq->kernels->sum_block4(query->tables.values, pq->m, codes, estimates);
    for (size_t r = 0; r < QV_PQ_BLOCK; r++)
        estimates[r] += query->offset;
}

void qv__pq_distances(qv__code_query *base, const uint8_t *const *plain, const uint32_t *rows, size_t n, float *out)
{
    pq_query *query = (pq_query *) base;
    size_t width = query->pq->width;

    make_tables(query);
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

/* ------------------------------------------------------------------ scans */

/* Rows that the mask lets through: it is asked before sums are made. */
static uint64_t masked(qv__candidates *candidates, const uint64_t *ids, uint64_t passing)
{
    uint64_t kept = 0;

    if (!candidates->mask)
        return passing;
    for (; passing; passing &= passing - 1) {
        unsigned r = (unsigned) __builtin_ctzll(passing);
        if (qv__key_mask_has(candidates->mask, ids[r], &candidates->mask_hint))
            kept |= UINT64_C(1) << r;
    }
    return kept;
}

static void offer_block(const pq_query *query, qv__pq_codes codes, const uint64_t *ids, uint64_t passing,
                        qv__candidates *candidates)
{
    float estimates[QV_PQ_BLOCK];

    passing = masked(candidates, ids, passing);
    if (!passing)
        return;
    estimate(query, codes, passing, estimates);
    qv__candidates_offer_block(candidates, estimates, estimates, ids, passing);
}

/* At most QV_PQ_CHUNK whole blocks of rows; `live` says which rows of the first one count. */
static void scan_blocks(pq_query *query, qv__pq_codes codes, const uint64_t *ids, size_t n_blocks, uint64_t live,
                        qv__candidates *candidates)
{
    uint64_t passing[QV_PQ_CHUNK];

    for (size_t i = 0; i < n_blocks; i++)
        passing[i] = UINT64_MAX;
    if (make_bytes(query, candidates->threshold)) {
        double limit = floor(room_below(query, candidates->threshold) / query->step + 1e-4 * (double) query->pq->m) + 1;
        if (limit < 0)
            return;
        qv__pq_filter_tables tables = { query->bytes, query->pq->m, (uint16_t) QV_MIN(limit, UINT16_MAX) };
        filter_of(query->pq)(&tables, codes, n_blocks, passing);
    }
    passing[0] &= live;
    for (size_t i = 0; i < n_blocks; i++) {
        offer_block(query, codes, ids, passing[i], candidates);
        codes.bytes += QV_PQ_BLOCK;
        ids += QV_PQ_BLOCK;
    }
}

static void scan_short(pq_query *query, const qv__code_list *list, qv__candidates *candidates)
{
    qv__pq_codes codes = { query->padded, QV_PQ_BLOCK };

    for (size_t b = 0; b < query->pq->width; b++)
        memcpy(query->padded + b * QV_PQ_BLOCK, list->columns[0] + b * list->n, list->n);
    offer_block(query, codes, list->ids, (UINT64_C(1) << list->n) - 1, candidates);
}

void qv__pq_scan(qv__code_query *base, const qv__code_list *list, qv__candidates *candidates)
{
    pq_query *query = (pq_query *) base;
    size_t n = list->n, whole = n / QV_PQ_BLOCK, rest = n % QV_PQ_BLOCK;

    if (n == 0)
        return;
    make_tables(query);
    if (whole == 0) {
        scan_short(query, list, candidates);
        return;
    }
    for (size_t block = 0; block < whole; block += QV_PQ_CHUNK) {
        qv__pq_codes codes = { list->columns[0] + block * QV_PQ_BLOCK, n };
        scan_blocks(query, codes, list->ids + block * QV_PQ_BLOCK, QV_MIN(whole - block, QV_PQ_CHUNK), UINT64_MAX,
                    candidates);
    }
    if (rest > 0) { /* the last block begins among rows that were seen */
        qv__pq_codes codes = { list->columns[0] + n - QV_PQ_BLOCK, n };
        scan_blocks(query, codes, list->ids + n - QV_PQ_BLOCK, 1, UINT64_MAX << (QV_PQ_BLOCK - rest), candidates);
    }
}
