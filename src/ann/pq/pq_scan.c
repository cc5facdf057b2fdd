/* Searching codes. A piece of a list is first summed up in bytes, which byte permutes look up (André, Kermarrec, Le Scouarnec 2015). What
 * follows depends on what the candidates are for.
 *
 * To be measured: the sums themselves are the estimates, each byte half a step more for what rounding took. They are off by a share of a
 * per cent, codes by a hundred times that. A piece gives as many rows as are wanted at all, by selection from its sums, so that the first
 * list does not flood the candidates.
 *
 * To be told as they are: rows that may be at most at the threshold get their exact sums, so what is offered does not depend on the sums of
 * bytes. With step d a table value v counts as q <= v / d + e1, where e1 = 1e-4 covers the rounding of the product at q <= 255. An
 * estimate that is at most T is the rounded sum of m values, at most `most` each, and of the offset; its error is at most (m + 4) 2^-24
 * times the sum of their magnitudes. Hence
 *     sum of q  <=  (T - offset + error) / d + m e1,
 * and the limit is that plus one for the arithmetic of these lines, which is done in double. */
#include <math.h>
#include <string.h>

#include "pq_private.h"

/* The part of a list that is looked at together. */
typedef struct piece {
    qv__pq_codes codes;
    const uint64_t *ids;
    size_t n;
} piece;

static inline size_t blocks_of(const piece *p) { return (p->n + QV_PQ_BLOCK - 1) / QV_PQ_BLOCK; }

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

/* ------------------------------------------------------------------ sums of bytes */

/* A piece of whole blocks, or one that ends with its list: the last block then begins among rows that were summed up. A list that is shorter
 * than a block was padded. What lies behind the last row is never at most anything. */
static void sum_piece(qv__pq_query *query, const piece *p)
{
    const qv__pq *pq = query->pq;
    qv__pq_sums_fn sums = pq->bits == 4 ? pq->kernels->sums4 : pq->kernels->sums8;
    size_t whole = p->n / QV_PQ_BLOCK, rest = p->n % QV_PQ_BLOCK, last = whole > 0 ? p->n - QV_PQ_BLOCK : 0;

    sums(query->bytes, pq->m, p->codes, whole, query->sums);
    if (rest == 0)
        return;
    qv__pq_codes codes = { p->codes.bytes + last, p->codes.stride, p->codes.ahead + whole * QV_PQ_BLOCK * pq->width };
    sums(query->bytes, pq->m, codes, 1, query->sums + last);
    memset(query->sums + p->n, 0xff, (blocks_of(p) * QV_PQ_BLOCK - p->n) * sizeof *query->sums);
}

static inline uint16_t limit_of(double steps) { return (uint16_t) QV_MIN(steps, UINT16_MAX - 1); }

/* ------------------------------------------------------------------ estimates that choose */

static size_t count(const uint64_t *passing, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (size_t) __builtin_popcountll(passing[i]);
    return sum;
}

/* The least limit that lets `wanted` rows pass, of which `limit` lets no fewer. */
static uint16_t narrow(const qv__pq_query *query, size_t n_blocks, size_t wanted, uint16_t limit)
{
    uint64_t passing[QV_PQ_PIECE + 1];
    unsigned low = 0, high = limit;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        query->pq->kernels->at_most(query->sums, n_blocks, (uint16_t) middle, passing);
        if (count(passing, n_blocks) >= wanted)
            high = middle;
        else
            low = middle + 1;
    }
    return (uint16_t) low;
}

static void offer_sums(const qv__pq_query *query, const piece *p, qv__candidates *candidates)
{
    const qv__pq *pq = query->pq;
    double base = query->offset + query->step * (double) pq->m / 2;
    double steps = floor(((double) candidates->threshold - base) / query->step) + 1;
    uint64_t passing[QV_PQ_PIECE + 1];
    float estimates[QV_PQ_BLOCK];

    if (!(steps >= 0))
        return;
    pq->kernels->at_most(query->sums, blocks_of(p), limit_of(steps), passing);
    if (!candidates->mask && count(passing, blocks_of(p)) > candidates->capacity) {
        uint16_t limit = narrow(query, blocks_of(p), candidates->capacity, limit_of(steps));
        pq->kernels->at_most(query->sums, blocks_of(p), limit, passing);
    }
    for (size_t block = 0; block < blocks_of(p); block++) {
        const uint16_t *sums = query->sums + block * QV_PQ_BLOCK;
        const uint64_t *ids = p->ids + block * QV_PQ_BLOCK, rows = masked(candidates, ids, passing[block]);
        for (uint64_t left = rows; left; left &= left - 1) {
            unsigned r = (unsigned) __builtin_ctzll(left);
            estimates[r] = (float) (base + query->step * sums[r]);
        }
        if (rows)
            qv__candidates_offer_block(candidates, estimates, estimates, ids, rows);
    }
}

/* ------------------------------------------------------------------ exact estimates */

/* Rows of a block that may be at most at the threshold, by its sums of bytes. */
static uint64_t below(const qv__pq_query *query, size_t block, float threshold)
{
    const qv__pq *pq = query->pq;
    double magnitude = (double) pq->m * query->tables.most + fabs((double) query->offset);
    double error = (double) (pq->m + 4) * 0x1p-24 * magnitude;
    uint64_t passing;

    if (!isfinite(threshold))
        return UINT64_MAX;
    double steps = floor((threshold - query->offset + error) / query->step + 1e-4 * (double) pq->m) + 1;
    if (steps < 0)
        return 0;
    pq->kernels->at_most(query->sums + block * QV_PQ_BLOCK, 1, limit_of(steps), &passing);
    return passing;
}

/* Without sums of bytes every row gets its exact one. */
static void offer_exact(const qv__pq_query *query, const piece *p, bool has_sums, qv__candidates *candidates)
{
    float estimates[QV_PQ_BLOCK];

    for (size_t at = 0; at < p->n; at += QV_PQ_BLOCK) {
        size_t n = QV_MIN(p->n - at, QV_PQ_BLOCK);
        qv__pq_codes codes = { p->codes.bytes + at, p->codes.stride, 0 };
        uint64_t rows = UINT64_MAX >> (QV_PQ_BLOCK - n);
        if (has_sums)
            rows &= below(query, at / QV_PQ_BLOCK, candidates->threshold);
        rows = masked(candidates, p->ids + at, rows);
        if (!rows)
            continue;
        qv__pq_estimate(query, codes, n == QV_PQ_BLOCK, rows, estimates);
        qv__candidates_offer_block(candidates, estimates, estimates, p->ids + at, rows);
    }
}

/* ------------------------------------------------------------------ lists */

/* Sums that are no byte permutes spare nothing where exact ones are wanted; where they choose, every level chooses by them. */
static void scan_piece(qv__pq_query *query, const piece *p, qv__candidates *candidates)
{
    const qv__pq *pq = query->pq;
    bool is_quick = pq->bits == 4 ? pq->kernels->permutes4 : pq->kernels->permutes8;
    bool has_sums = query->step > 0 && (is_quick || candidates->is_rough);

    if (has_sums)
        sum_piece(query, p);
    if (has_sums && candidates->is_rough)
        offer_sums(query, p, candidates);
    else
        offer_exact(query, p, has_sums, candidates);
}

/* While a list is looked at, the codes of the next one are fetched in the order of the file. */
static uintptr_t ahead_of(const qv__code_list *list)
{
    return (uintptr_t) (list->next ? list->next : list)->columns[0];
}

static void scan_short(qv__pq_query *query, const qv__code_list *list, qv__candidates *candidates)
{
    piece p = { { query->padded, QV_PQ_BLOCK, ahead_of(list) }, list->ids, list->n };

    for (size_t b = 0; b < query->pq->width; b++)
        memcpy(query->padded + b * QV_PQ_BLOCK, list->columns[0] + b * list->n, list->n);
    scan_piece(query, &p, candidates);
}

void qv__pq_scan(qv__code_query *base, const qv__code_list *list, qv__candidates *candidates)
{
    qv__pq_query *query = (qv__pq_query *) base;

    if (list->n == 0)
        return;
    qv__pq_make_tables(query);
    if (list->n < QV_PQ_BLOCK) {
        scan_short(query, list, candidates);
        return;
    }
    uintptr_t ahead = ahead_of(list);
    for (size_t at = 0, n; at < list->n; at += n) { /* no piece is shorter than a block */
        enum { USUAL = QV_PQ_PIECE * QV_PQ_BLOCK };
        n = list->n - at < USUAL + QV_PQ_BLOCK ? list->n - at : USUAL;
        piece p = { { list->columns[0] + at, list->n, ahead + at * query->pq->width }, list->ids + at, n };
        scan_piece(query, &p, candidates);
    }
}
