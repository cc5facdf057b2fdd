/* First centroids when there are many: about sqrt(k) coarse cells over a sample, then k-means within each of them, whose number of
 * centroids is in proportion to its rows. The cost per row is about 2 sqrt(k) distances per iteration in place of k. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "kmeans_private.h"

enum {
    COARSE_ROWS_PER_CENTROID = 256,
    COARSE_ITERATIONS = 10,
    FINE_ROWS_PER_CENTROID = 64,
    FINE_ITERATIONS = 8,
    PIECE_ROWS = 4096, /* assigned to coarse cells by one task */
};

typedef struct tree {
    const float *rows;
    size_t n, dim;
    const qv__kmeans_options *options;
    float *centroids;
    qv__nearest *coarse;
    qv__cells cells;   /* coarse ones */
    uint32_t *numbers; /* coarse cell c has the centroids numbers[starts[c] .. starts[c + 1]): one after another */
    uint32_t *starts;
} tree;

/* ------------------------------------------------------------------ coarse cells */

static qv_status gather(const float *rows, size_t dim, const uint32_t *numbers, size_t n, float **out, qv_error *err)
{
    *out = qv__alloc(n * dim, sizeof **out);
    if (!*out)
        return qv__fail_nomem(err, n * dim * sizeof **out);
    for (size_t r = 0; r < n; r++)
        memcpy(*out + r * dim, rows + numbers[r] * dim, dim * sizeof **out);
    return QV_OK;
}

static qv_status train_coarse(tree *t, size_t n_cells, uint64_t *random, qv_error *err)
{
    qv_status st = QV_OK;
    size_t m = QV_MIN(t->n, n_cells * COARSE_ROWS_PER_CENTROID);
    qv__kmeans_options options = *t->options;
    uint32_t *numbers = NULL;
    float *sample = NULL, *centroids = NULL;

    options.k = n_cells;
    options.iterations = COARSE_ITERATIONS;
    options.balance = 1;
    QV_CHECK(QV_NEW(&numbers, m, err));
    QV_CHECK(QV_NEW(&centroids, n_cells * t->dim, err));
    qv__kmeans_sample(t->n, m, random, numbers);
    QV_CHECK(gather(t->rows, t->dim, numbers, m, &sample, err));
    QV_CHECK(qv__kmeans_lloyd(sample, m, t->dim, &options, n_cells > QV_KMEANS_FLAT_MOST, centroids, NULL, err));
    QV_CHECK(qv__nearest_new(QV_METRIC_L2, n_cells, t->dim, &t->coarse, err));
    qv__nearest_set(t->coarse, centroids, NULL, n_cells);
done:
    qv__free(numbers);
    qv__free(sample);
    qv__free(centroids);
    return st;
}

static qv_status assign_piece(void *ctx, size_t task, qv_error *err)
{
    tree *t = ctx;
    size_t first = task * PIECE_ROWS, n = QV_MIN(t->n - first, PIECE_ROWS);

    qv__nearest_find(t->coarse, t->rows + first * t->dim, t->dim * sizeof(float), n, t->cells.lists + first);
    return qv__kmeans_tick(t->options->job, err);
}

/* ------------------------------------------------------------------ how many centroids each */

typedef struct share {
    double rest;
    uint32_t cell;
} share;

static int by_rest(const void *a, const void *b)
{
    const share *x = a, *y = b;
    if (x->rest != y->rest)
        return x->rest > y->rest ? -1 : 1;
    return x->cell < y->cell ? -1 : x->cell > y->cell;
}

/* In proportion to rows, but at least one where there are rows, and the rest to those that lost most by rounding down. Not more than rows:
 * k <= n, and what is missing goes to other cells. */
static qv_status allot(tree *t, qv_error *err)
{
    size_t k = t->options->k, n_cells = t->cells.k, given = 0;
    share *shares = NULL;

    QV_TRY(QV_NEW(&shares, n_cells, err));
    for (size_t c = 0; c < n_cells; c++) {
        size_t size = qv__cell_size(&t->cells, c);
        double part = (double) k * (double) size / (double) t->n;
        t->starts[c + 1] = size > 0 ? (uint32_t) QV_MAX(part, 1) : 0;
        shares[c] = (share){ part - t->starts[c + 1], (uint32_t) c };
        given += t->starts[c + 1];
    }
    qsort(shares, n_cells, sizeof *shares, by_rest);
    for (size_t i = 0; given < k; i = (i + 1) % n_cells) {
        uint32_t c = shares[i].cell;
        if (t->starts[c + 1] < qv__cell_size(&t->cells, c)) {
            t->starts[c + 1]++;
            given++;
        }
    }
    for (size_t i = n_cells - 1; given > k; i = (i + n_cells - 1) % n_cells) {
        uint32_t c = shares[i].cell;
        if (t->starts[c + 1] > 1) {
            t->starts[c + 1]--;
            given--;
        }
    }
    for (size_t c = 0; c < n_cells; c++)
        t->starts[c + 1] += t->starts[c];
    for (size_t i = 0; i < k; i++)
        t->numbers[i] = (uint32_t) i;
    qv__free(shares);
    return QV_OK;
}

/* ------------------------------------------------------------------ within a cell */

static qv_status train_cell(void *ctx, size_t c, qv_error *err)
{
    qv_status st = QV_OK;
    const tree *t = ctx;
    qv__kmeans_options options = *t->options;
    size_t size = qv__cell_size(&t->cells, c);
    uint64_t random = options.seed + c;
    uint32_t *numbers = NULL;
    float *sample = NULL;

    options.k = t->starts[c + 1] - t->starts[c];
    if (options.k == 0)
        return QV_OK;
    size_t m = QV_MIN(size, options.k * FINE_ROWS_PER_CENTROID);
    /* A cell that got nearly all (of equal rows) would never become smaller by going down further. */
    bool in_levels = options.k > QV_KMEANS_FLAT_MOST && options.k <= t->options->k / 2;
    options.iterations = QV_MIN(options.iterations, FINE_ITERATIONS);
    options.seed = qv__kmeans_random(&random);
    options.threads = 1;
    QV_CHECK(QV_NEW(&numbers, m, err));
    qv__kmeans_sample(size, m, &random, numbers);
    for (size_t i = 0; i < m; i++)
        numbers[i] = t->cells.order[t->cells.starts[c] + numbers[i]];
    QV_CHECK(gather(t->rows, t->dim, numbers, m, &sample, err));
    QV_CHECK(qv__kmeans_lloyd(sample, m, t->dim, &options, in_levels, t->centroids + t->starts[c] * t->dim, NULL, err));
done:
    qv__free(numbers);
    qv__free(sample);
    return st;
}

static qv_status assign_rows(tree *t, uint32_t *lists, qv_error *err)
{
    qv__group_assignment assignment = { .rows = t->rows,
                                        .dim = t->dim,
                                        .groups = &t->cells,
                                        .centroids = t->centroids,
                                        .candidates = t->numbers,
                                        .starts = t->starts,
                                        .lists = lists,
                                        .job = t->options->job };
    return qv__assign_groups(&assignment, t->options->threads, err);
}

qv_status qv__kmeans_tree(const float *rows, size_t n, size_t dim, const qv__kmeans_options *options, float *centroids,
                          uint32_t *lists, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t random = options->seed;
    size_t n_cells = (size_t) sqrt((double) options->k);
    tree t = { .rows = rows, .n = n, .dim = dim, .options = options, .centroids = centroids };

    QV_CHECK(qv__cells_init(&t.cells, n, n_cells, err));
    QV_CHECK(QV_NEW(&t.numbers, options->k, err));
    QV_CHECK(QV_NEW(&t.starts, n_cells + 1, err));
    QV_CHECK(train_coarse(&t, n_cells, &random, err));
    QV_CHECK(qv__parallel_for((n + PIECE_ROWS - 1) / PIECE_ROWS, options->threads, assign_piece, &t, err));
    qv__cells_group(&t.cells);
    QV_CHECK(allot(&t, err));
    QV_CHECK(qv__parallel_for(n_cells, options->threads, train_cell, &t, err));
    QV_CHECK(assign_rows(&t, lists, err));
done:
    qv__cells_clear(&t.cells);
    qv__free(t.numbers);
    qv__free(t.starts);
    qv__nearest_free(t.coarse);
    return st;
}
