/* Trained centroids, made ready for assigning rows and for ranking by a query.
 *
 * Two levels: centroids lie in regions (k-means over the centroids), and the candidates of a region are its centroids and their nearest
 * neighbours. A row is compared with the middles of all regions, then with the candidates of its region. */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "kmeans_private.h"

enum {
    TWO_LEVELS_FROM = 512,  /* centroids; with fewer all are candidates */
    TWO_LEVELS_ROWS = 1024, /* rows asked for together; fewer would be alone in their regions */
    REGIONS_PER_ROOT = 4,   /* regions: so many times sqrt(k) */
    N_NEIGHBOURS = 24,
    CHECK_EVERY = 64, /* rows */
    MISSED_PART = 40, /* one in so many may miss its nearest centroid */
};
/* Regions of many centroids would cost much, regions that are wide miss the nearest of far rows: neither is left to extremes. */
static const double regions_balance = 0.1;

/* Immutable. */
typedef struct regions {
    size_t n;
    qv__nearest *middles;
    uint32_t *candidates, *starts; /* as of qv__group_assignment */
} regions;

struct qv__centroids {
    qv_metric metric; /* L2 or DOT */
    size_t k, dim;
    float *values;
    qv__nearest *nearest;
    _Atomic(regions *) regions; /* made when they are first needed, by whoever comes first */
};

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void regions_free(regions *r)
{
    if (!r)
        return;
    qv__nearest_free(r->middles);
    qv__free(r->candidates);
    qv__free(r->starts);
    qv__free(r);
}

qv_status qv__centroids_new(const float *centroids, size_t k, size_t dim, qv_metric metric, qv__centroids **out,
                            qv_error *err)
{
    qv_status st = QV_OK;
    qv__centroids *made = NULL;

    QV_TRY(QV_NEW(&made, 1, err));
    made->metric = metric == QV_METRIC_DOT ? QV_METRIC_DOT : QV_METRIC_L2;
    made->k = k;
    made->dim = dim;
    QV_CHECK(qv__nearest_new(made->metric, k, dim, &made->nearest, err));
    made->values = qv__alloc(k * dim, sizeof(float));
    if (!made->values)
        QV_CHECK(qv__fail_nomem(err, k * dim * sizeof(float)));
    memcpy(made->values, centroids, k * dim * sizeof(float));
    qv__nearest_set(made->nearest, centroids, NULL, k);
    *out = made;
    made = NULL;
done:
    qv__centroids_free(made);
    return st;
}

void qv__centroids_free(qv__centroids *centroids)
{
    if (!centroids)
        return;
    qv__nearest_free(centroids->nearest);
    regions_free(atomic_load_explicit(&centroids->regions, memory_order_relaxed));
    qv__free(centroids->values);
    qv__free(centroids);
}

static float distance_of(const qv__centroids *centroids, const float *row, uint32_t list)
{
    const float *centroid = centroids->values + list * centroids->dim;
    double sum = 0;

    if (centroids->metric == QV_METRIC_DOT) {
        for (size_t i = 0; i < centroids->dim; i++)
            sum += (double) row[i] * centroid[i];
        return (float) (1 - sum);
    }
    for (size_t i = 0; i < centroids->dim; i++) {
        double diff = (double) row[i] - centroid[i];
        sum += diff * diff;
    }
    return (float) sum;
}

/* ------------------------------------------------------------------ two levels */

/* The candidates of each region: its centroids, and the N_NEIGHBOURS nearest of each. */
static qv_status collect_candidates(const qv__cells *cells, const uint32_t *neighbours, regions *r, qv_error *err)
{
    qv_status st = QV_OK;
    size_t room = 0;
    uint32_t *last = NULL; /* region + 1 that took the centroid */

    QV_CHECK(QV_NEW(&last, cells->n, err));
    for (size_t c = 0; c < cells->k; c++) {
        size_t n = r->starts[c], here = qv__cell_size(cells, c) * N_NEIGHBOURS;
        QV_CHECK(QV_GROW(&r->candidates, &room, n + QV_MIN(here, cells->n), err));
        for (size_t i = 0; i < here; i++) {
            uint32_t own = cells->order[cells->starts[c] + i / N_NEIGHBOURS];
            uint32_t number = neighbours[own * N_NEIGHBOURS + i % N_NEIGHBOURS];
            if (last[number] != c + 1)
                r->candidates[n++] = number;
            last[number] = (uint32_t) c + 1;
        }
        qsort(r->candidates + r->starts[c], n - r->starts[c], sizeof *r->candidates, by_number);
        r->starts[c + 1] = (uint32_t) n;
    }
done:
    qv__free(last);
    return st;
}

static qv_status make_regions(const qv__centroids *centroids, regions **out, qv_error *err)
{
    qv_status st = QV_OK;
    size_t k = centroids->k, dim = centroids->dim, n_regions = (size_t) (REGIONS_PER_ROOT * sqrt((double) k));
    qv__kmeans_options options = { .k = n_regions,
                                   .metric = QV_METRIC_L2,
                                   .iterations = 10,
                                   .tolerance = 1e-3,
                                   .balance = regions_balance,
                                   .threads = 1 };
    regions *made = NULL;
    float *middles = NULL;
    uint32_t *neighbours = NULL;
    qv__cells cells = { 0 };

    QV_CHECK(QV_NEW(&made, 1, err));
    QV_CHECK(QV_NEW(&middles, n_regions * dim, err));
    QV_CHECK(QV_NEW(&neighbours, k * N_NEIGHBOURS, err));
    QV_CHECK(QV_NEW(&made->starts, n_regions + 1, err));
    made->n = n_regions;
    QV_CHECK(qv__kmeans_lloyd(centroids->values, k, dim, &options, false, middles, NULL, err));
    QV_CHECK(qv__nearest_new(centroids->metric, n_regions, dim, &made->middles, err));
    qv__nearest_set(made->middles, middles, NULL, n_regions);
    QV_CHECK(qv__cells_init(&cells, k, n_regions, err));
    qv__nearest_find(made->middles, centroids->values, dim * sizeof(float), k, cells.lists);
    qv__cells_group(&cells);
    QV_CHECK(qv__neighbours(centroids->nearest, k, dim, centroids->values, k, N_NEIGHBOURS, 1, NULL, neighbours, err));
    QV_CHECK(collect_candidates(&cells, neighbours, made, err));
    *out = made;
    made = NULL;
done:
    regions_free(made);
    qv__free(middles);
    qv__free(neighbours);
    qv__cells_clear(&cells);
    return st;
}

static qv_status find_regions(const qv__centroids *centroids, regions **out, qv_error *err)
{
    _Atomic(regions *) *slot = (_Atomic(regions *) *) &centroids->regions;
    regions *made = NULL;

    *out = atomic_load_explicit(slot, memory_order_acquire); /* pairs with the exchange below */
    if (*out)
        return QV_OK;
    QV_TRY(make_regions(centroids, &made, err));
    if (atomic_compare_exchange_strong_explicit(slot, out, made, memory_order_acq_rel, memory_order_acquire))
        *out = made;
    else
        regions_free(made);
    return QV_OK;
}

/* Do regions lead nearly all rows to their nearest centroid? Every so-many-th row is looked at. Rows far from all centroids, as of diffuse
 * data in many dimensions, have theirs in regions that are not the nearest. */
static qv_status check_rows(const qv__centroids *centroids, const float *rows, size_t n, const uint32_t *lists,
                            bool *is_good, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n_checked = (n + CHECK_EVERY - 1) / CHECK_EVERY, n_missed = 0;
    uint32_t *nearest = NULL;

    QV_CHECK(QV_NEW(&nearest, n_checked, err));
    qv__nearest_find(centroids->nearest, rows, CHECK_EVERY * centroids->dim * sizeof(float), n_checked, nearest);
    for (size_t i = 0; i < n_checked; i++)
        n_missed += lists[i * CHECK_EVERY] != nearest[i];
    *is_good = n_missed <= n_checked / MISSED_PART;
done:
    qv__free(nearest);
    return st;
}

static qv_status assign_in_regions(const qv__centroids *centroids, const float *rows, size_t n, uint32_t *lists,
                                   qv_error *err)
{
    qv_status st = QV_OK;
    regions *r = NULL;
    qv__cells cells = { 0 };

    QV_TRY(find_regions(centroids, &r, err));
    QV_CHECK(qv__cells_init(&cells, n, r->n, err));
    qv__nearest_find(r->middles, rows, centroids->dim * sizeof(float), n, cells.lists);
    qv__cells_group(&cells);
    qv__group_assignment assignment = { .rows = rows,
                                        .dim = centroids->dim,
                                        .groups = &cells,
                                        .centroids = centroids->values,
                                        .candidates = r->candidates,
                                        .starts = r->starts,
                                        .lists = lists };
    st = qv__assign_groups(&assignment, 1, err);
done:
    qv__cells_clear(&cells);
    return st;
}

qv_status qv__centroids_assign(const qv__centroids *centroids, const float *rows, size_t n, bool is_exact,
                               uint32_t *lists, float *distances, qv_error *err)
{
    bool is_large = centroids->k >= TWO_LEVELS_FROM && n >= TWO_LEVELS_ROWS, is_done = false;

    if (!is_exact && is_large && centroids->metric == QV_METRIC_L2) { /* products have no neighbourhoods */
        QV_TRY(assign_in_regions(centroids, rows, n, lists, err));
        QV_TRY(check_rows(centroids, rows, n, lists, &is_done, err));
    }
    if (!is_done)
        qv__nearest_find(centroids->nearest, rows, centroids->dim * sizeof(float), n, lists);
    for (size_t i = 0; i < n && distances; i++)
        distances[i] = distance_of(centroids, rows + i * centroids->dim, lists[i]);
    return QV_OK;
}

void qv__centroids_distances(const qv__centroids *centroids, const float *queries, size_t n, float *distances)
{
    qv__nearest_distances(centroids->nearest, queries, n, distances);
}

void qv__centroids_rank(const qv__centroids *centroids, const float *query, size_t n, float *scratch, uint32_t *lists,
                        float *distances)
{
    qv__centroids_distances(centroids, query, 1, scratch);
    qv__smallest(scratch, centroids->k, n, lists, distances);
}
