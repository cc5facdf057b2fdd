/* K-modes over packed bits: Lloyd's iterations with hamming distances, where the centroid of a cell has in each place the bit that most of
 * its rows have (0 when as many have either). */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "kmeans_private.h"

enum { PIECE_ROWS = 4096, AT_ONCE = 256, CELLS_PER_TASK = 8, SEED_ROWS_PER_CENTROID = 16, SEED_ROWS_LEAST = 1024 };

/* Hamming distances of packed bits, in floats: whole numbers, exact up to 2^24 bits. */
typedef struct hamming {
    qv__pairs_fn pairs;
    size_t bytes; /* of a vector */
} hamming;

static hamming hamming_of(size_t bytes)
{
    return (hamming){ qv__distance_pairs(QV_METRIC_HAMMING, QV_EL_BITS, bytes * 8), bytes };
}

static inline void measure(const hamming *h, const uint8_t *one, const uint8_t *vectors, const uint32_t *numbers,
                           size_t n, float *distances)
{
    h->pairs(one, h->bytes * 8, vectors, h->bytes, numbers, n, distances);
}

/* At most AT_ONCE rows meet as many centroids at a time, which stay in the cache. */
static void assign_rows(const hamming *h, const uint8_t *centroids, size_t k, const uint8_t *rows, size_t n,
                        uint32_t *lists, float *distances)
{
    uint32_t numbers[AT_ONCE];
    float found[AT_ONCE];

    for (uint32_t i = 0; i < AT_ONCE; i++)
        numbers[i] = i;
    for (size_t i = 0; i < n; i++) {
        lists[i] = 0;
        distances[i] = INFINITY;
    }
    for (size_t first = 0; first < k; first += AT_ONCE) {
        size_t n_here = QV_MIN(k - first, AT_ONCE);
        for (size_t i = 0; i < n; i++) {
            measure(h, rows + i * h->bytes, centroids + first * h->bytes, numbers, n_here, found);
            for (size_t c = 0; c < n_here; c++)
                if (found[c] < distances[i]) { /* of equal ones the first */
                    distances[i] = found[c];
                    lists[i] = (uint32_t) (first + c);
                }
        }
    }
}

void qv__kmodes_assign(const uint8_t *centroids, size_t k, const uint8_t *rows, size_t n, size_t bytes, uint32_t *lists,
                       float *distances)
{
    hamming h = hamming_of(bytes);
    float unwanted[AT_ONCE];

    for (size_t i = 0; i < n; i += AT_ONCE)
        assign_rows(&h, centroids, k, rows + i * bytes, QV_MIN(n - i, AT_ONCE), lists + i,
                    distances ? distances + i : unwanted);
}

/* ------------------------------------------------------------------ training */

typedef struct kmodes {
    const uint8_t *rows;
    size_t n, bytes;
    hamming hamming;
    const qv__kmeans_options *options;
    uint8_t *centroids;
    qv__cells cells;
    uint64_t *losses; /* of each piece of rows */
    size_t n_pieces;
    double loss;
    uint64_t random;
} kmodes;

static qv_status assign_piece(void *ctx, size_t task, qv_error *err)
{
    kmodes *m = ctx;
    size_t first = task * PIECE_ROWS, end = QV_MIN(first + PIECE_ROWS, m->n);

    m->losses[task] = 0;
    for (size_t at = first; at < end; at += AT_ONCE) {
        float distances[AT_ONCE];
        size_t n = QV_MIN(end - at, AT_ONCE);
        assign_rows(&m->hamming, m->centroids, m->options->k, m->rows + at * m->bytes, n, m->cells.lists + at,
                    distances);
        for (size_t i = 0; i < n; i++)
            m->losses[task] += (uint64_t) distances[i];
        QV_TRY(qv__kmeans_tick(m->options->job, err));
    }
    return QV_OK;
}

static qv_status assign(kmodes *m, qv_error *err)
{
    uint64_t loss = 0;

    QV_TRY(qv__parallel_for(m->n_pieces, m->options->threads, assign_piece, m, err));
    for (size_t i = 0; i < m->n_pieces; i++)
        loss += m->losses[i];
    m->loss = (double) loss / (double) m->n;
    qv__cells_group(&m->cells);
    return QV_OK;
}

static void set_mode(const kmodes *m, size_t c, uint32_t *ones)
{
    size_t first = m->cells.starts[c], end = m->cells.starts[c + 1];
    uint8_t *centroid = m->centroids + c * m->bytes;

    if (first == end)
        return;
    memset(ones, 0, m->bytes * 8 * sizeof *ones);
    for (size_t r = first; r < end; r++) {
        const uint8_t *row = m->rows + m->cells.order[r] * m->bytes;
        for (size_t i = 0; i < m->bytes * 8; i++)
            ones[i] += row[i >> 3] >> (i & 7) & 1;
    }
    memset(centroid, 0, m->bytes);
    for (size_t i = 0; i < m->bytes * 8; i++)
        if (ones[i] > (end - first) / 2)
            centroid[i >> 3] |= (uint8_t) (1u << (i & 7));
}

static qv_status modes_task(void *ctx, size_t task, qv_error *err)
{
    kmodes *m = ctx;
    uint32_t *ones = NULL;
    size_t end = QV_MIN((task + 1) * CELLS_PER_TASK, m->options->k);

    QV_TRY(QV_NEW(&ones, m->bytes * 8, err));
    for (size_t c = task * CELLS_PER_TASK; c < end; c++)
        set_mode(m, c, ones);
    qv__free(ones);
    return qv__kmeans_tick(m->options->job, err);
}

/* The row of a cell that differs most from its centroid, of equal ones the first; false: all rows are equal to it. */
static bool find_farthest(const kmodes *m, size_t cell, uint32_t *row)
{
    float found[AT_ONCE], most = 0;
    size_t end = m->cells.starts[cell + 1];

    for (size_t first = m->cells.starts[cell]; first < end; first += AT_ONCE) {
        const uint32_t *numbers = m->cells.order + first;
        size_t n = QV_MIN(end - first, AT_ONCE);
        measure(&m->hamming, m->centroids + cell * m->bytes, m->rows, numbers, n, found);
        for (size_t i = 0; i < n; i++)
            if (found[i] > most) {
                most = found[i];
                *row = numbers[i];
            }
    }
    return most > 0;
}

/* An empty cell (one per iteration) gets the row of the fullest one that differs most from its centroid. False: there is none, or that
 * cell's rows are all equal. */
static bool refill(kmodes *m)
{
    size_t fullest = 0, k = m->options->k;
    uint32_t farthest = 0;

    for (size_t c = 1; c < k; c++)
        if (qv__cell_size(&m->cells, c) > qv__cell_size(&m->cells, fullest))
            fullest = c;
    for (size_t c = 0; c < k; c++)
        if (qv__cell_size(&m->cells, c) == 0) {
            if (!find_farthest(m, fullest, &farthest))
                return false;
            memcpy(m->centroids + c * m->bytes, m->rows + farthest * m->bytes, m->bytes);
            return true;
        }
    return false;
}

typedef struct seeding {
    uint32_t *numbers; /* of the sampled rows */
    float *distances;  /* to the nearest centroid so far */
    float *found;      /* to one that may come next */
    size_t n;
} seeding;

static uint64_t total_with(const kmodes *m, const seeding *s, const uint8_t *centroid)
{
    uint64_t total = 0;

    measure(&m->hamming, centroid, m->rows, s->numbers, s->n, s->found);
    for (size_t j = 0; j < s->n; j++)
        total += (uint64_t) QV_MIN(s->distances[j], s->found[j]);
    return total;
}

/* Greedy k-means++, as in seed.c: hamming distances are squared distances of bits. */
static size_t choose_next(kmodes *m, const seeding *s, size_t c, size_t n_draws)
{
    uint64_t total = 0, least = UINT64_MAX;
    size_t best = c % s->n;

    for (size_t i = 0; i < s->n && c > 0; i++)
        total += (uint64_t) s->distances[i];
    if (c == 0)
        return qv__kmeans_random(&m->random) % s->n;
    for (size_t t = 0; t < n_draws && total > 0; t++) {
        uint64_t at = qv__kmeans_random(&m->random) % total;
        size_t i = 0;
        for (; at >= (uint64_t) s->distances[i]; i++)
            at -= (uint64_t) s->distances[i];
        uint64_t sum = total_with(m, s, m->rows + s->numbers[i] * m->bytes);
        if (sum < least) {
            least = sum;
            best = i;
        }
    }
    return best;
}

static qv_status seed(kmodes *m, qv_error *err)
{
    qv_status st = QV_OK;
    size_t k = m->options->k, n_draws = 2 + (size_t) log((double) k);
    seeding s = { .n = QV_MIN(m->n, QV_MAX(k * SEED_ROWS_PER_CENTROID, SEED_ROWS_LEAST)) };

    QV_CHECK(QV_NEW(&s.numbers, s.n, err));
    QV_CHECK(QV_NEW(&s.distances, s.n, err));
    QV_CHECK(QV_NEW(&s.found, s.n, err));
    qv__kmeans_sample(m->n, s.n, &m->random, s.numbers);
    for (size_t c = 0; c < k; c++) {
        uint8_t *centroid = m->centroids + c * m->bytes;
        memcpy(centroid, m->rows + s.numbers[choose_next(m, &s, c, n_draws)] * m->bytes, m->bytes);
        measure(&m->hamming, centroid, m->rows, s.numbers, s.n, s.found);
        for (size_t j = 0; j < s.n; j++)
            s.distances[j] = c == 0 ? s.found[j] : QV_MIN(s.distances[j], s.found[j]);
        QV_CHECK(qv__kmeans_tick(m->options->job, err));
    }
done:
    qv__free(s.numbers);
    qv__free(s.distances);
    qv__free(s.found);
    return st;
}

static qv_status iterate(kmodes *m, qv_error *err)
{
    const qv__kmeans_options *o = m->options;
    size_t n_tasks = (o->k + CELLS_PER_TASK - 1) / CELLS_PER_TASK;
    double before = INFINITY;

    QV_TRY(assign(m, err));
    for (unsigned i = 0; i < o->iterations; i++) {
        QV_TRY(qv__parallel_for(n_tasks, o->threads, modes_task, m, err));
        bool moved = refill(m);
        before = m->loss;
        QV_TRY(assign(m, err));
        if (before - m->loss < o->tolerance * before && !moved)
            break;
    }
    return QV_OK;
}

qv_status qv__kmodes_train(const uint8_t *rows, size_t n, size_t bytes, const qv__kmeans_options *options,
                           uint8_t *centroids, double *loss, qv_error *err)
{
    qv_status st = QV_OK;
    qv__kmeans_options complete;

    QV_TRY(qv__kmeans_options_of(options, n, bytes, &complete, err));
    kmodes m = { .rows = rows,
                 .n = n,
                 .bytes = bytes,
                 .hamming = hamming_of(bytes),
                 .options = &complete,
                 .centroids = centroids,
                 .random = options->seed,
                 .n_pieces = (n + PIECE_ROWS - 1) / PIECE_ROWS };
    QV_CHECK(qv__cells_init(&m.cells, n, complete.k, err));
    QV_CHECK(QV_NEW(&m.losses, m.n_pieces, err));
    QV_CHECK(seed(&m, err));
    QV_CHECK(iterate(&m, err));
    if (loss)
        *loss = m.loss;
done:
    qv__cells_clear(&m.cells);
    qv__free(m.losses);
    return st;
}
