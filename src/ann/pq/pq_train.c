/* Codebooks: k-means of its own for every sub-vector. General k-means wants long vectors; here a "vector" has 1 to 32 components, so rows
 * are turned component by component once and all work is done by lanes of rows. Seeds are drawn by k-means++ (Arthur, Vassilvitskii 2007)
 * from a part of the rows; a word that no row is nearest to moves to the row that is worst represented. A sub-vector is trained by one
 * thread, rows in order, so that the result does not depend on their number. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "pq_private.h"

enum { DEFAULT_ITERATIONS = 25, SEED_BLOCKS = 256 };
static const double tolerance = 1e-4; /* of the loss */

typedef struct trainer {
    qv__pq *pq;
    const float *rows;
    size_t n, n_blocks;
    const qv__pq_options *options;
} trainer;

/* One sub-vector. */
typedef struct part {
    const qv__pq_kernels *kernels;
    size_t n, n_blocks, dsub, n_words;
    float *blocks;     /* [n_blocks][dsub][QV_PQ_BLOCK]; rows past n are zero */
    double norm2;      /* sum of |row|^2 */
    float *words;      /* in the codebook */
    float *half_norms; /* in the quantizer */
    uint64_t random;
    double *sums;   /* [n_words][dsub] */
    size_t *counts; /* [n_words] */
} part;

static inline const float *block_of(const part *p, size_t block) { return p->blocks + block * p->dsub * QV_PQ_BLOCK; }
static inline size_t rows_of(const part *p, size_t block) { return QV_MIN(p->n - block * QV_PQ_BLOCK, QV_PQ_BLOCK); }

static void copy_row(const part *p, size_t row, float *out)
{
    const float *at = block_of(p, row / QV_PQ_BLOCK) + row % QV_PQ_BLOCK;
    for (size_t j = 0; j < p->dsub; j++)
        out[j] = at[j * QV_PQ_BLOCK];
}

/* splitmix64, as a number in [0, 1) */
static double next_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double) ((x ^ x >> 31) >> 11) * 0x1p-53;
}

static qv_status part_init(part *p, const trainer *t, size_t s, qv_error *err)
{
    size_t dim = t->pq->base.dim, dsub = t->pq->dsub, n_words = t->pq->n_words;

    *p = (part){ .kernels = t->pq->kernels, .n = t->n, .n_blocks = t->n_blocks, .dsub = dsub, .n_words = n_words };
    p->words = t->pq->codebook + s * n_words * dsub;
    p->half_norms = t->pq->half_norms + s * n_words;
    p->random = t->options->seed ^ (s + 1) * UINT64_C(0xd1342543de82ef95);
    QV_TRY(QV_NEW(&p->blocks, t->n_blocks * dsub * QV_PQ_BLOCK, err));
    QV_TRY(QV_NEW(&p->sums, n_words * dsub, err));
    QV_TRY(QV_NEW(&p->counts, n_words, err));
    for (size_t row = 0; row < t->n; row++) {
        const float *from = t->rows + row * dim + s * dsub;
        float *to = p->blocks + row / QV_PQ_BLOCK * dsub * QV_PQ_BLOCK + row % QV_PQ_BLOCK;
        for (size_t j = 0; j < dsub; j++) {
            to[j * QV_PQ_BLOCK] = from[j];
            p->norm2 += (double) from[j] * from[j];
        }
    }
    return QV_OK;
}

static void part_clear(part *p)
{
    qv__free(p->blocks);
    qv__free(p->sums);
    qv__free(p->counts);
}

/* ------------------------------------------------------------------ seeds */

/* Rows that seeds are drawn from: some blocks at even distances. */
typedef struct seeds {
    size_t n_blocks, step;
    float *least; /* [n_blocks][QV_PQ_BLOCK]: squared distance to the nearest word so far; 0 past n */
    double *mass; /* [n_blocks]: sums of it */
} seeds;

/* In the same order at every level. */
static double sum_of(const float *values)
{
    double sums[8] = { 0 };
    for (size_t r = 0; r < QV_PQ_BLOCK; r += 8)
        for (size_t i = 0; i < 8; i++)
            sums[i] += values[r + i];
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

static double add_word(const part *p, seeds *seed, const float *word)
{
    double total = 0;
    for (size_t b = 0; b < seed->n_blocks; b++) {
        float *least = seed->least + b * QV_PQ_BLOCK;
        p->kernels->approach(block_of(p, b * seed->step), word, p->dsub, least);
        seed->mass[b] = sum_of(least);
        total += seed->mass[b];
    }
    return total;
}

/* A row with probability proportional to its squared distance; any row when all are at a word already. */
static size_t draw_row(part *p, const seeds *seed, double total)
{
    double at = next_random(&p->random) * total;
    size_t b = 0, r = 0;

    while (b + 1 < seed->n_blocks && at >= seed->mass[b])
        at -= seed->mass[b++];
    const float *least = seed->least + b * QV_PQ_BLOCK;
    while (r + 1 < rows_of(p, b * seed->step) && at >= least[r])
        at -= least[r++];
    return b * seed->step * QV_PQ_BLOCK + r;
}

static qv_status seed_words(part *p, qv_error *err)
{
    qv_status st = QV_OK;
    seeds seed = { .n_blocks = QV_MIN(p->n_blocks, SEED_BLOCKS) };
    double total = 0;

    seed.step = p->n_blocks / seed.n_blocks;
    QV_CHECK(QV_NEW(&seed.least, seed.n_blocks * QV_PQ_BLOCK, err));
    QV_CHECK(QV_NEW(&seed.mass, seed.n_blocks, err));
    for (size_t b = 0; b < seed.n_blocks; b++)
        for (size_t r = 0; r < rows_of(p, b * seed.step); r++)
            seed.least[b * QV_PQ_BLOCK + r] = INFINITY;
    for (size_t c = 0; c < p->n_words; c++) {
        float *word = p->words + c * p->dsub;
        size_t row = c == 0 ? (size_t) (next_random(&p->random) * (double) p->n) : draw_row(p, &seed, total);
        copy_row(p, row, word);
        total = add_word(p, &seed, word);
    }
done:
    qv__free(seed.least);
    qv__free(seed.mass);
    return st;
}

/* ------------------------------------------------------------------ iterations */

/* Sums rows by their nearest words; returns the loss: the sum of squared distances. */
static double assign(part *p)
{
    qv__pq_words words = { p->words, p->half_norms, p->n_words, p->dsub };
    uint32_t codes[QV_PQ_BLOCK];
    float scores[QV_PQ_BLOCK];
    double score = 0;

    memset(p->sums, 0, p->n_words * p->dsub * sizeof *p->sums);
    memset(p->counts, 0, p->n_words * sizeof *p->counts);
    qv__pq_half_norms(p->words, p->n_words, p->dsub, p->half_norms);
    for (size_t b = 0; b < p->n_blocks; b++) {
        const float *block = block_of(p, b);
        size_t n_rows = rows_of(p, b);
        p->kernels->nearest(block, &words, codes, scores);
        for (size_t r = 0; r < n_rows; r++) {
            double *sum = p->sums + codes[r] * p->dsub;
            for (size_t j = 0; j < p->dsub; j++)
                sum[j] += block[j * QV_PQ_BLOCK + r];
            p->counts[codes[r]]++;
            score += scores[r];
        }
    }
    return QV_MAX(p->norm2 + 2 * score, 0);
}

static double distance2(const float *block, size_t r, const float *word, size_t dsub)
{
    double sum = 0;
    for (size_t j = 0; j < dsub; j++)
        sum += ((double) block[j * QV_PQ_BLOCK + r] - word[j]) * ((double) block[j * QV_PQ_BLOCK + r] - word[j]);
    return sum;
}

/* The rows farthest from their words, none at a word. Distances are negative, so that the least are the farthest. */
static void find_farthest(const part *p, qv__topk *farthest)
{
    qv__pq_words words = { p->words, p->half_norms, p->n_words, p->dsub };
    uint32_t codes[QV_PQ_BLOCK];
    float scores[QV_PQ_BLOCK];

    for (size_t b = 0; b < p->n_blocks; b++) {
        const float *block = block_of(p, b);
        p->kernels->nearest(block, &words, codes, scores);
        for (size_t r = 0; r < rows_of(p, b); r++) {
            double distance = distance2(block, r, p->words + codes[r] * p->dsub, p->dsub);
            if (distance > 0)
                qv__topk_push(farthest, (float) -distance, b * QV_PQ_BLOCK + r);
        }
    }
    qv__topk_sort(farthest);
}

/* Words become means of their rows; those without any take the farthest rows. Returns how many moved so. */
static size_t move_words(part *p)
{
    qv__hit slots[QV_PQ_MAX_WORDS];
    qv__topk farthest;
    size_t n_empty = 0, n_moved = 0;

    for (size_t c = 0; c < p->n_words; c++)
        n_empty += p->counts[c] == 0;
    qv__topk_init(&farthest, n_empty, slots, NULL, NULL);
    if (n_empty > 0)
        find_farthest(p, &farthest);
    for (size_t c = 0; c < p->n_words; c++) {
        float *word = p->words + c * p->dsub;
        for (size_t j = 0; p->counts[c] > 0 && j < p->dsub; j++)
            word[j] = (float) (p->sums[c * p->dsub + j] / (double) p->counts[c]);
        if (p->counts[c] == 0 && n_moved < farthest.n)
            copy_row(p, (size_t) farthest.heap[n_moved++].id, word);
    }
    return n_moved;
}

static qv_status iterate(part *p, const qv__pq_options *options, qv_error *err)
{
    unsigned iterations = options->iterations ? options->iterations : DEFAULT_ITERATIONS;
    double last = 0;

    for (unsigned i = 0; i < iterations; i++) {
        if (options->job)
            QV_TRY(qv__job_tick(options->job, 0, 0, err));
        double loss = assign(p);
        size_t n_moved = move_words(p);
        if (i > 0 && n_moved == 0 && last - loss <= tolerance * last)
            break;
        last = loss;
    }
    return QV_OK;
}

static qv_status train_part(void *ctx, size_t s, qv_error *err)
{
    const trainer *t = ctx;
    part p;
    qv_status st;

    QV_CHECK(part_init(&p, t, s, err));
    QV_CHECK(seed_words(&p, err));
    QV_CHECK(iterate(&p, t->options, err));
done:
    part_clear(&p);
    return st;
}

qv_status qv__pq_train(const float *rows, size_t n, size_t dim, qv_metric metric, const qv__pq_options *options,
                       qv__quantizer **out, qv_error *err)
{
    qv__pq *pq = NULL;
    qv_status st = QV_OK;

    QV_TRY(qv__pq_alloc(dim, options->m, options->bits, metric, &pq, err));
    if (n < pq->n_words)
        QV_CHECK(qv__fail(err, QV_INVALID, "product quantization with %u bits trains on at least %zu rows, not %zu",
                          options->bits, pq->n_words, n));
    trainer t = { .pq = pq, .rows = rows, .n = n, .n_blocks = (n + QV_PQ_BLOCK - 1) / QV_PQ_BLOCK, .options = options };
    QV_CHECK(qv__parallel_for(pq->m, options->threads, train_part, &t, err));
    qv__pq_seal(pq);
    *out = &pq->base;
    pq = NULL;
done:
    qv__pq_free((qv__quantizer *) pq);
    return st;
}
