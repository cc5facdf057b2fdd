/* Many rows against few of many centroids: rows that lie together (a group) are compared with the same candidates, so that they pass
 * through the matrix kernel as if there were no other centroids. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "kmeans_private.h"

enum {
    GROUPS_PER_TASK = 16,
    GATHER_ROWS = 240, /* at once */
};

typedef struct worker {
    qv__nearest *nearest;
    float *gathered;
    uint32_t positions[GATHER_ROWS];
} worker;

static void assign_group(const qv__group_assignment *a, size_t g, worker *w)
{
    const uint32_t *candidates = a->candidates + a->starts[g];
    size_t end = a->groups->starts[g + 1], n_candidates = a->starts[g + 1] - a->starts[g];

    if (a->groups->starts[g] == end)
        return;
    qv__nearest_set(w->nearest, a->centroids, candidates, n_candidates);
    for (size_t first = a->groups->starts[g]; first < end; first += GATHER_ROWS) {
        const uint32_t *numbers = a->groups->order + first;
        size_t n = QV_MIN(end - first, GATHER_ROWS);
        for (size_t r = 0; r < n; r++)
            memcpy(w->gathered + r * a->dim, a->rows + numbers[r] * a->dim, a->dim * sizeof(float));
        qv__nearest_find(w->nearest, w->gathered, a->dim * sizeof(float), n, w->positions);
        for (size_t r = 0; r < n; r++)
            a->lists[numbers[r]] = candidates[w->positions[r]];
    }
}

static qv_status assign_task(void *ctx, size_t task, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__group_assignment *a = ctx;
    size_t first = task * GROUPS_PER_TASK, end = QV_MIN(first + GROUPS_PER_TASK, a->groups->k), most = 1;
    worker w = { 0 };

    for (size_t g = first; g < end; g++)
        most = QV_MAX(most, a->starts[g + 1] - a->starts[g]);
    QV_CHECK(qv__nearest_new(QV_METRIC_L2, most, a->dim, &w.nearest, err));
    QV_CHECK(QV_NEW(&w.gathered, GATHER_ROWS * a->dim, err));
    for (size_t g = first; g < end; g++) {
        assign_group(a, g, &w);
        QV_CHECK(qv__kmeans_tick(a->job, err));
    }
done:
    qv__nearest_free(w.nearest);
    qv__free(w.gathered);
    return st;
}

qv_status qv__assign_groups(const qv__group_assignment *assignment, unsigned threads, qv_error *err)
{
    size_t n_tasks = (assignment->groups->k + GROUPS_PER_TASK - 1) / GROUPS_PER_TASK;
    return qv__parallel_for(n_tasks, threads, assign_task, (void *) assignment, err);
}

/* ------------------------------------------------------------------ candidates */

typedef struct neighbours {
    const qv__nearest *centroids;
    size_t k, n, dim;
    const float *anchors;
    size_t n_anchors;
    uint32_t *out;
    qv__job *job;
} neighbours;

enum { ANCHORS_PER_TASK = 32 };

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static qv_status neighbours_task(void *ctx, size_t task, qv_error *err)
{
    qv_status st = QV_OK;
    const neighbours *s = ctx;
    size_t end = QV_MIN((task + 1) * ANCHORS_PER_TASK, s->n_anchors);
    float *distances = NULL, *smallest = NULL;

    QV_CHECK(QV_NEW(&distances, s->k, err));
    QV_CHECK(QV_NEW(&smallest, s->n, err));
    for (size_t a = task * ANCHORS_PER_TASK; a < end; a++) {
        qv__nearest_distances(s->centroids, s->anchors + a * s->dim, 1, distances);
        qv__smallest(distances, s->k, s->n, s->out + a * s->n, smallest);
        qsort(s->out + a * s->n, s->n, sizeof *s->out,
              by_number); /* so that of equal distances the first centroid wins */
    }
    st = qv__kmeans_tick(s->job, err);
done:
    qv__free(distances);
    qv__free(smallest);
    return st;
}

qv_status qv__neighbours(const qv__nearest *centroids, size_t k, size_t dim, const float *anchors, size_t n_anchors,
                         size_t n, unsigned threads, qv__job *job, uint32_t *out, qv_error *err)
{
    neighbours s = { .centroids = centroids,
                     .k = k,
                     .n = n,
                     .dim = dim,
                     .anchors = anchors,
                     .n_anchors = n_anchors,
                     .out = out,
                     .job = job };
    return qv__parallel_for((n_anchors + ANCHORS_PER_TASK - 1) / ANCHORS_PER_TASK, threads, neighbours_task, &s, err);
}
