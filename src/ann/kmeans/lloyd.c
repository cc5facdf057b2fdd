/* Lloyd's iterations (1982), every row against every centroid. An iteration assigns rows in parallel pieces, groups them by cell, and adds
 * up each cell's rows in double in the order of their numbers: the sums do not depend on threads.
 *
 * The loss needs no distances: with S the sum of a cell's m rows, the squared distances to the mean add up to sum |row|^2 - |S|^2 / m,
 * and the products with it to |S|^2 / m. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "kmeans_private.h"

enum {
    PIECE_ROWS = 4096,  /* assigned by one task */
    CELLS_PER_TASK = 8, /* added up by one task */
    SPLIT_ITERATIONS = 4,
    BALANCE_ROUNDS = 40,
};

typedef struct lloyd {
    const float *rows;
    size_t n, dim;
    const qv__kmeans_options *options;
    float *centroids;
    qv__nearest *nearest;
    qv__cells cells;
    double *gains; /* |S|^2 / m of each cell */
    double norm2;  /* of all rows */
    double loss;
    uint64_t random;
} lloyd;

/* ------------------------------------------------------------------ assigning */

static qv_status assign_piece(void *ctx, size_t task, qv_error *err)
{
    lloyd *l = ctx;
    size_t first = task * PIECE_ROWS, n = QV_MIN(l->n - first, PIECE_ROWS);

    qv__nearest_find(l->nearest, l->rows + first * l->dim, l->dim * sizeof(float), n, l->cells.lists + first);
    return qv__kmeans_tick(l->options->job, err);
}

static qv_status assign(lloyd *l, qv_error *err)
{
    qv__nearest_set(l->nearest, l->centroids, NULL, l->options->k);
    QV_TRY(qv__parallel_for((l->n + PIECE_ROWS - 1) / PIECE_ROWS, l->options->threads, assign_piece, l, err));
    qv__cells_group(&l->cells);
    return QV_OK;
}

/* ------------------------------------------------------------------ means */

/* Adds up a cell's rows; returns |S|^2 / m. An empty cell keeps its centroid. */
static double set_mean(const lloyd *l, size_t c, double *sum)
{
    size_t first = l->cells.starts[c], end = l->cells.starts[c + 1], dim = l->dim;
    double norm2 = 0, m = (double) (end - first);

    if (first == end)
        return 0;
    memset(sum, 0, dim * sizeof *sum);
    for (size_t r = first; r < end; r++) {
        const float *row = l->rows + l->cells.order[r] * dim;
        for (size_t i = 0; i < dim; i++)
            sum[i] += row[i];
    }
    for (size_t i = 0; i < dim; i++) {
        l->centroids[c * dim + i] = (float) (sum[i] / m);
        norm2 += sum[i] * sum[i];
    }
    return norm2 / m;
}

static qv_status means_task(void *ctx, size_t task, qv_error *err)
{
    lloyd *l = ctx;
    double *sum = NULL;
    size_t end = QV_MIN((task + 1) * CELLS_PER_TASK, l->options->k);

    QV_TRY(QV_NEW(&sum, l->dim, err));
    for (size_t c = task * CELLS_PER_TASK; c < end; c++)
        l->gains[c] = set_mean(l, c, sum);
    qv__free(sum);
    return qv__kmeans_tick(l->options->job, err);
}

static qv_status set_means(lloyd *l, qv_error *err)
{
    size_t k = l->options->k;
    double gain = 0;

    QV_TRY(qv__parallel_for((k + CELLS_PER_TASK - 1) / CELLS_PER_TASK, l->options->threads, means_task, l, err));
    for (size_t c = 0; c < k; c++)
        gain += l->gains[c];
    double n = (double) l->n;
    l->loss = l->options->metric == QV_METRIC_DOT ? 1 - gain / n : fmax(l->norm2 - gain, 0) / n;
    return QV_OK;
}

static double sum_norm2(const float *rows, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double) rows[i] * rows[i];
    return sum;
}

/* ------------------------------------------------------------------ a cell in two */

static double distance2(const float *a, const float *b, size_t dim)
{
    double sum = 0;
    for (size_t i = 0; i < dim; i++)
        sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
    return sum;
}

static const float *farthest(const lloyd *l, size_t c, const float *from)
{
    const float *row = NULL;
    double most = 0;

    for (size_t r = l->cells.starts[c]; r < l->cells.starts[c + 1]; r++) {
        const float *here = l->rows + l->cells.order[r] * l->dim;
        double distance = distance2(here, from, l->dim);
        if (distance > most) {
            most = distance;
            row = here;
        }
    }
    return row;
}

/* One iteration of 2-means over the rows of cell c; false when one half is empty. */
static bool halve_once(const lloyd *l, size_t c, float *a, float *b, double *sums)
{
    size_t dim = l->dim, n[2] = { 0, 0 };

    memset(sums, 0, 2 * dim * sizeof *sums);
    for (size_t r = l->cells.starts[c]; r < l->cells.starts[c + 1]; r++) {
        const float *row = l->rows + l->cells.order[r] * dim;
        size_t half = distance2(row, b, dim) < distance2(row, a, dim);
        n[half]++;
        for (size_t i = 0; i < dim; i++)
            sums[half * dim + i] += row[i];
    }
    if (n[0] == 0 || n[1] == 0)
        return false;
    for (size_t i = 0; i < dim; i++) {
        a[i] = (float) (sums[i] / (double) n[0]);
        b[i] = (float) (sums[dim + i] / (double) n[1]);
    }
    return true;
}

/* Puts the centroids of cell c and of `other` into the two halves of cell c. False: all its rows are equal. */
static bool split(lloyd *l, size_t c, size_t other, double *sums)
{
    size_t dim = l->dim, first = l->cells.starts[c];
    const float *any =
        l->rows + l->cells.order[first + qv__kmeans_random(&l->random) % qv__cell_size(&l->cells, c)] * dim;
    const float *far = farthest(l, c, any);
    float *a = l->centroids + c * dim, *b = l->centroids + other * dim;

    if (!far)
        return false;
    memcpy(a, any, dim * sizeof *a);
    memcpy(b, far, dim * sizeof *b);
    for (unsigned i = 0; i < SPLIT_ITERATIONS; i++)
        if (!halve_once(l, c, a, b, sums))
            break;
    return true;
}

/* ------------------------------------------------------------------ empty cells, and those that hold too much */

typedef struct sized_cell {
    size_t size;
    uint32_t number;
} sized_cell;

static int by_size(const void *a, const void *b)
{
    const sized_cell *x = a, *y = b;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static size_t most_rows(const lloyd *l)
{
    double mean = (double) l->n / (double) l->options->k;
    double most = l->options->balance > 0 ? mean * (1 + 1 / l->options->balance) : (double) l->n;
    return most < (double) l->n ? QV_MAX((size_t) most, 1) : l->n;
}

/* The smallest cells give their centroids to the largest: empty ones always, others while the largest holds too much. Returns how many. */
static qv_status mend(lloyd *l, size_t *n_moved, qv_error *err)
{
    qv_status st = QV_OK;
    size_t k = l->options->k, most = most_rows(l);
    sized_cell *cells = NULL;
    double *sums = NULL;

    *n_moved = 0;
    QV_CHECK(QV_NEW(&cells, k, err));
    QV_CHECK(QV_NEW(&sums, 2 * l->dim, err));
    for (size_t c = 0; c < k; c++)
        cells[c] = (sized_cell){ qv__cell_size(&l->cells, c), (uint32_t) c };
    qsort(cells, k, sizeof *cells, by_size);
    for (size_t small = 0, large = k; small + 1 < large;) {
        sized_cell from = cells[small], into = cells[large - 1];
        if (into.size < 2 || (from.size > 0 && (into.size <= most || from.size > into.size / 2)))
            break;
        large--;
        if (!split(l, into.number, from.number, sums))
            continue;
        small++;
        ++*n_moved;
    }
done:
    qv__free(cells);
    qv__free(sums);
    return st;
}

/* ------------------------------------------------------------------ all together */

static qv_status iterate(lloyd *l, qv_error *err)
{
    const qv__kmeans_options *o = l->options;
    double before = INFINITY;
    size_t n_moved = 0;

    for (unsigned i = 0; i < o->iterations; i++) {
        QV_TRY(assign(l, err));
        QV_TRY(set_means(l, err));
        bool settled = before - l->loss < o->tolerance * fabs(before);
        before = l->loss;
        if (i + 1 == o->iterations)
            break;
        QV_TRY(mend(l, &n_moved, err));
        if (settled && n_moved == 0)
            break;
    }
    return QV_OK;
}

/* Rounds that move only the centroids of the smallest and the largest cells, until none holds too much. */
static qv_status even_out(lloyd *l, qv_error *err)
{
    size_t n_moved = 1;

    for (unsigned i = 0; i < BALANCE_ROUNDS && n_moved > 0; i++) {
        QV_TRY(assign(l, err));
        QV_TRY(mend(l, &n_moved, err));
    }
    return QV_OK;
}

qv_status qv__kmeans_lloyd(const float *rows, size_t n, size_t dim, const qv__kmeans_options *options, float *centroids,
                           double *loss, qv_error *err)
{
    qv_status st = QV_OK;
    lloyd l = { .rows = rows, .n = n, .dim = dim, .options = options, .centroids = centroids, .random = options->seed };
    qv_metric metric = options->metric == QV_METRIC_DOT ? QV_METRIC_DOT : QV_METRIC_L2;

    QV_CHECK(qv__cells_init(&l.cells, n, options->k, err));
    QV_CHECK(QV_NEW(&l.gains, options->k, err));
    QV_CHECK(qv__nearest_new(metric, options->k, dim, &l.nearest, err));
    l.norm2 = sum_norm2(rows, n * dim);
    QV_CHECK(qv__kmeans_seed(rows, n, dim, options->k, &l.random, options->job, centroids, err));
    QV_CHECK(iterate(&l, err));
    if (options->balance > 0)
        QV_CHECK(even_out(&l, err));
    if (loss)
        *loss = l.loss;
done:
    qv__cells_clear(&l.cells);
    qv__free(l.gains);
    qv__nearest_free(l.nearest);
    return st;
}
