/* Codes of rows: blocks of them are turned so that lanes are rows, and every sub-vector looks for its nearest word. */
#include <math.h>

#include "base/alloc.h"
#include "pq_private.h"

enum { GROUP = 16 }; /* rows that are turned together: a cache line of floats */

/* Rows first .. first + GROUP - 1 of a block, less their centroids. Rows past n_rows are zero. */
static void turn_group(const float *const *rows, const float *const *centroids, size_t dim, float *block)
{
    for (size_t j = 0; j < dim; j++)
        for (size_t r = 0; r < GROUP; r++)
            block[j * QV_PQ_BLOCK + r] = rows[r][j] - centroids[r][j];
}

typedef struct encoding {
    const qv__pq *pq;
    const float *rows;
    const float *centroids; /* NULL: nothing is taken off */
    const uint32_t *lists;
    float *zeros; /* dim */
    float *block; /* dim x QV_PQ_BLOCK */
} encoding;

/* The last block repeats its last row. */
static void turn_block(const encoding *e, size_t first, size_t count)
{
    size_t dim = e->pq->base.dim;

    for (size_t group = 0; group < QV_PQ_BLOCK; group += GROUP) {
        const float *rows[GROUP], *centroids[GROUP];
        for (size_t r = 0; r < GROUP; r++) {
            size_t row = first + QV_MIN(group + r, count - 1);
            rows[r] = e->rows + row * dim;
            centroids[r] = e->centroids ? e->centroids + e->lists[row] * dim : e->zeros;
        }
        turn_group(rows, centroids, dim, e->block + group);
    }
}

static void encode_block(const encoding *e, size_t count, uint8_t *out)
{
    const qv__pq *pq = e->pq;
    uint32_t codes[QV_PQ_BLOCK];
    float scores[QV_PQ_BLOCK];

    for (size_t s = 0; s < pq->m; s++) {
        qv__pq_words words = qv__pq_words_of(pq, s);
        pq->kernels->nearest(e->block + s * pq->dsub * QV_PQ_BLOCK, &words, codes, scores);
        uint8_t *byte = out + (pq->bits == 8 ? s : s / 2);
        if (pq->bits == 8 || s % 2 == 0)
            for (size_t r = 0; r < count; r++)
                byte[r * pq->width] = (uint8_t) codes[r];
        else
            for (size_t r = 0; r < count; r++)
                byte[r * pq->width] |= (uint8_t) (codes[r] << 4);
    }
}

qv_status qv__pq_encode(const qv__quantizer *quantizer, const float *rows, size_t n, const float *centroids,
                        const uint32_t *lists, uint8_t *const *out, qv_error *err)
{
    const qv__pq *pq = (const qv__pq *) quantizer;
    size_t dim = pq->base.dim;
    encoding e = { .pq = pq, .rows = rows, .lists = lists };
    qv_status st = QV_OK;

    if (qv__pq_codes_residual(pq))
        e.centroids = centroids;
    QV_CHECK(QV_NEW(&e.zeros, dim, err));
    e.block = qv__alloc_aligned(dim * QV_PQ_BLOCK * sizeof *e.block);
    if (!e.block)
        QV_CHECK(qv__fail_nomem(err, dim * QV_PQ_BLOCK * sizeof *e.block));
    for (size_t first = 0; first < n; first += QV_PQ_BLOCK) {
        size_t count = QV_MIN(n - first, QV_PQ_BLOCK);
        turn_block(&e, first, count);
        encode_block(&e, count, out[0] + first * pq->width);
    }
done:
    qv__free(e.zeros);
    qv__free(e.block);
    return st;
}
