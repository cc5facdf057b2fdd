/* Lloyd's iterations (1982). An iteration assigns rows in parallel pieces, groups them by cell, and adds
 * up each cell's rows in double in the order of their numbers: the sums do not depend on threads.
 *
 * The loss needs no distances: with S the sum of a cell's m rows, the squared distances to the mean add up to sum |row|^2 - |S|^2 / m.
 *
 * Few centroids: every row against each of them. Many: rows of a cell against the centroids nearest to its mean, since a row seldom goes
 * farther (cluster closures; Wang, Wang, Ke, Zeng, Li 2012). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "kmeans_private.h"

enum {
    PIECE_ROWS = 4096,  /* assigned by one task */
    CELLS_PER_TASK = 8, /* added up by one task */
    SPLIT_TRIES = 4,
    SPLIT_ITERATIONS = 2,
    SPLIT_ROWS = 512,
    BALANCE_ROUNDS = 40,
    REFINING_ITERATIONS = 5, /* with many centroids, which begin well placed */
    N_NEIGHBOURS = 32,       /* centroids that rows of a cell are compared with */
};

typedef struct lloyd {
    const float *rows;
    size_t n, dim;
    const qv__kmeans_options *options;
    float *centroids;
    qv__nearest *nearest;
    qv__cells cells;
    double *gains; /* |S|^2 / m of each cell */
    /* Many centroids; else NULL. */
    float *anchors;         /* the mean of each cell, before centroids were moved */
    uint32_t *neighbours;   /* k x N_NEIGHBOURS */
    uint32_t *neighbour_at; /* k + 1: where those of a cell begin */
    double norm2;           /* of all rows */
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

static qv_status assign_to_neighbours(lloyd *l, qv_error *err)
{
    const qv__kmeans_options *o = l->options;
    qv__group_assignment assignment = { .rows = l->rows,
                                        .dim = l->dim,
                                        .groups = &l->cells,
                                        .centroids = l->centroids,
                                        .candidates = l->neighbours,
                                        .starts = l->neighbour_at,
                                        .lists = l->cells.lists,
                                        .job = o->job };

    QV_TRY(qv__neighbours(l->nearest, o->k, l->dim, l->anchors, o->k, N_NEIGHBOURS, o->threads, o->job, l->neighbours,
                          err));
    return qv__assign_groups(&assignment, o->threads, err);
}

static qv_status assign(lloyd *l, qv_error *err)
{
    qv__nearest_set(l->nearest, l->centroids, NULL, l->options->k);
    if (l->anchors)
        QV_TRY(assign_to_neighbours(l, err));
    else
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
    qv__add_rows(l->rows, dim, l->cells.order + first, end - first, sum);
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
    l->loss = fmax(l->norm2 - gain, 0) / (double) l->n;
    return QV_OK;
}

/* Four sums, so that additions need not wait for each other. */
static double sum_norm2(const float *values, size_t n)
{
    double sums[4] = { 0 };
    size_t i = 0;

    for (; i + 4 <= n; i += 4)
        for (size_t j = 0; j < 4; j++)
            sums[j] += (double) values[i + j] * values[i + j];
    for (; i < n; i++)
        sums[0] += (double) values[i] * values[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* ------------------------------------------------------------------ a cell in two */

static double distance2(const float *a, const float *b, size_t dim)
{
    double sum = 0;
    for (size_t i = 0; i < dim; i++)
        sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
    return sum;
}

/* Rows of a cell that are looked at to split it: every so-many-th. */
static size_t split_step(const lloyd *l, size_t c) { return qv__cell_size(&l->cells, c) / SPLIT_ROWS + 1; }

static const float *farthest(const lloyd *l, size_t c, const float *from)
{
    const float *row = NULL;
    double most = 0;

    for (size_t r = l->cells.starts[c]; r < l->cells.starts[c + 1]; r += split_step(l, c)) {
        const float *here = l->rows + l->cells.order[r] * l->dim;
        double distance = distance2(here, from, l->dim);
        if (distance > most) {
            most = distance;
            row = here;
        }
    }
    return row;
}

typedef struct halves {
    float *a, *b;
    double *sums; /* 2 x dim */
} halves;

/* One iteration of 2-means over the rows of cell c; how many of them were in the smaller half, 0: then a and b stay. */
static size_t halve_once(const lloyd *l, size_t c, halves *h)
{
    size_t dim = l->dim, n[2] = { 0, 0 };

    memset(h->sums, 0, 2 * dim * sizeof *h->sums);
    for (size_t r = l->cells.starts[c]; r < l->cells.starts[c + 1]; r += split_step(l, c)) {
        const float *row = l->rows + l->cells.order[r] * dim;
        size_t half = distance2(row, h->b, dim) < distance2(row, h->a, dim);
        n[half]++;
        for (size_t i = 0; i < dim; i++)
            h->sums[half * dim + i] += row[i];
    }
    if (n[0] == 0 || n[1] == 0)
        return 0;
    for (size_t i = 0; i < dim; i++) {
        h->a[i] = (float) (h->sums[i] / (double) n[0]);
        h->b[i] = (float) (h->sums[dim + i] / (double) n[1]);
    }
    return QV_MIN(n[0], n[1]);
}

static const float *random_row(lloyd *l, size_t c)
{
    size_t at = l->cells.starts[c] + qv__kmeans_random(&l->random) % qv__cell_size(&l->cells, c);
    return l->rows + l->cells.order[at] * l->dim;
}

/* Two halves of cell c that begin with two of its rows; the size of the smaller. 0: all rows are equal. */
static size_t try_halves(lloyd *l, size_t c, halves *h)
{
    const float *a = random_row(l, c), *b = random_row(l, c);
    size_t bytes = l->dim * sizeof *a, smaller = 0;

    if (memcmp(a, b, bytes) == 0)
        b = farthest(l, c, a);
    if (!b)
        return 0;
    memcpy(h->a, a, bytes);
    memcpy(h->b, b, bytes);
    for (unsigned i = 0; i < SPLIT_ITERATIONS; i++)
        smaller = halve_once(l, c, h);
    return smaller;
}

/* Puts the centroids of cell c and of `other` into two halves of cell c: the most even ones of several, since 2-means alone would part a
 * few far rows from all the others. False: all its rows are equal. */
static bool split(lloyd *l, size_t c, size_t other, halves *h)
{
    size_t dim = l->dim, most = 0;

    for (unsigned t = 0; t < SPLIT_TRIES; t++) {
        size_t smaller = try_halves(l, c, h);
        if (smaller <= most)
            continue;
        most = smaller;
        memcpy(l->centroids + c * dim, h->a, dim * sizeof *h->a);
        memcpy(l->centroids + other * dim, h->b, dim * sizeof *h->b);
    }
    return most > 0;
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
    halves h = { 0 };

    *n_moved = 0;
    QV_CHECK(QV_NEW(&cells, k, err));
    QV_CHECK(QV_NEW(&h.a, l->dim, err));
    QV_CHECK(QV_NEW(&h.b, l->dim, err));
    QV_CHECK(QV_NEW(&h.sums, 2 * l->dim, err));
    for (size_t c = 0; c < k; c++)
        cells[c] = (sized_cell){ qv__cell_size(&l->cells, c), (uint32_t) c };
    qsort(cells, k, sizeof *cells, by_size);
    for (size_t small = 0, large = k; small + 1 < large;) {
        sized_cell from = cells[small], into = cells[large - 1];
        if (into.size < 2 || (from.size > 0 && (into.size <= most || from.size > into.size / 2)))
            break;
        large--;
        if (!split(l, into.number, from.number, &h))
            continue;
        small++;
        ++*n_moved;
    }
done:
    qv__free(cells);
    qv__free(h.a);
    qv__free(h.b);
    qv__free(h.sums);
    return st;
}

/* ------------------------------------------------------------------ all together */

/* The mean of each cell becomes its anchor. Where rows are after centroids move is told by these. */
static void set_anchors(lloyd *l)
{
    if (l->anchors)
        memcpy(l->anchors, l->centroids, l->options->k * l->dim * sizeof *l->anchors);
}

/* Begins with rows in cells. */
static qv_status iterate(lloyd *l, qv_error *err)
{
    const qv__kmeans_options *o = l->options;
    double before = INFINITY;
    size_t n_moved = 0;

    unsigned iterations = l->anchors ? QV_MIN(o->iterations, REFINING_ITERATIONS) : o->iterations;
    for (unsigned i = 0; i < iterations; i++) {
        if (i > 0)
            QV_TRY(assign(l, err));
        QV_TRY(set_means(l, err));
        set_anchors(l);
        bool settled = before - l->loss < o->tolerance * fabs(before);
        before = l->loss;
        if (i + 1 == iterations)
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
        set_anchors(l);
        QV_TRY(mend(l, &n_moved, err));
    }
    return QV_OK;
}

static qv_status start_few(lloyd *l, qv_error *err)
{
    QV_TRY(qv__kmeans_seed(l->rows, l->n, l->dim, l->options->k, &l->random, l->options->job, l->centroids, err));
    return assign(l, err);
}

static qv_status start_many(lloyd *l, qv_error *err)
{
    size_t k = l->options->k;

    QV_TRY(QV_NEW(&l->anchors, k * l->dim, err));
    QV_TRY(QV_NEW(&l->neighbours, k * N_NEIGHBOURS, err));
    QV_TRY(QV_NEW(&l->neighbour_at, k + 1, err));
    for (size_t c = 0; c <= k; c++)
        l->neighbour_at[c] = (uint32_t) (c * N_NEIGHBOURS);
    QV_TRY(qv__kmeans_tree(l->rows, l->n, l->dim, l->options, l->centroids, l->cells.lists, err));
    qv__cells_group(&l->cells);
    return QV_OK;
}

qv_status qv__kmeans_lloyd(const float *rows, size_t n, size_t dim, const qv__kmeans_options *options, bool in_levels,
                           float *centroids, double *loss, qv_error *err)
{
    qv_status st = QV_OK;
    lloyd l = { .rows = rows, .n = n, .dim = dim, .options = options, .centroids = centroids, .random = options->seed };

    QV_CHECK(qv__cells_init(&l.cells, n, options->k, err));
    QV_CHECK(QV_NEW(&l.gains, options->k, err));
    QV_CHECK(qv__nearest_new(QV_METRIC_L2, options->k, dim, &l.nearest, err));
    l.norm2 = sum_norm2(rows, n * dim);
    QV_CHECK(in_levels ? start_many(&l, err) : start_few(&l, err));
    QV_CHECK(iterate(&l, err));
    if (options->balance > 0)
        QV_CHECK(even_out(&l, err));
    if (loss)
        *loss = l.loss;
done:
    qv__cells_clear(&l.cells);
    qv__free(l.gains);
    qv__free(l.anchors);
    qv__free(l.neighbours);
    qv__free(l.neighbour_at);
    qv__nearest_free(l.nearest);
    return st;
}
