/* Walks over one level: greedy, and best first with a beam. Neighbours of a node are measured together, after all of them were asked for
 * from memory: a walk waits for memory most of its time. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "hnsw_private.h"

/* ------------------------------------------------------------------ nodes by distance */

qv_status qv__beam_reserve(qv__beam *beam, size_t width, qv_error *err)
{
    QV_TRY(QV_GROW(&beam->items, &beam->capacity, width + 1, err));
    beam->n = 0;
    beam->width = width;
    return QV_OK;
}

size_t qv__beam_insert(qv__beam *beam, float distance, uint32_t node)
{
    qv__near *items = beam->items;
    size_t low = 0, high = beam->n;

    if (isnan(distance) || (beam->n == beam->width && !(distance < qv__beam_worst(beam))))
        return SIZE_MAX;
    while (low < high) { /* the first that is farther */
        size_t middle = low + (high - low) / 2;
        if (items[middle].distance <= distance)
            low = middle + 1;
        else
            high = middle;
    }
    beam->n -= beam->n == beam->width;
    memmove(items + low + 1, items + low, (beam->n - low) * sizeof *items);
    items[low] = (qv__near){ distance, node };
    beam->n++;
    return low;
}

/* ------------------------------------------------------------------ scratch */

qv_status qv__hnsw_scratch_new(qv__hnsw_scratch **out, qv_error *err) { return QV_NEW(out, 1, err); }

void qv__hnsw_scratch_free(qv__hnsw_scratch *scratch)
{
    if (!scratch)
        return;
    qv__free(scratch->visited);
    qv__free(scratch->beam.items);
    qv__free(scratch->frontier);
    qv__free(scratch);
}

qv_status qv__hnsw_scratch_begin(qv__hnsw_scratch *scratch, size_t n_nodes, size_t width, qv_error *err)
{
    if (n_nodes > scratch->n_visited) {
        uint8_t *visited = NULL;
        QV_TRY(QV_NEW(&visited, n_nodes, err));
        qv__free(scratch->visited);
        scratch->visited = visited;
        scratch->n_visited = n_nodes;
        scratch->epoch = 0;
    }
    if (++scratch->epoch == 0) {
        memset(scratch->visited, 0, scratch->n_visited);
        scratch->epoch = 1;
    }
    scratch->n_frontier = 0;
    return qv__beam_reserve(&scratch->beam, width, err);
}

/* ------------------------------------------------------------------ walks */

void qv__hnsw_descend(const qv__hnsw_view *view, unsigned level, qv__measure *measure, qv__near *at)
{
    float distances[QV_HNSW_CHUNK];
    uint32_t from, n;

    do {
        from = at->node;
        const uint32_t *list = view->neighbours(view->graph, level, from, &n);
        for (uint32_t i = 0; i < n; i += QV_HNSW_CHUNK) {
            uint32_t length = QV_MIN(n - i, QV_HNSW_CHUNK);
            for (uint32_t j = 0; j < length; j++)
                qv__measure_fetch(measure, list[i + j]);
            qv__measure_nodes(measure, list + i, length, distances);
            for (uint32_t j = 0; j < length; j++)
                if (distances[j] < at->distance)
                    *at = (qv__near){ distances[j], list[i + j] };
        }
    } while (at->node != from);
}

size_t qv__hnsw_fresh(qv__hnsw_scratch *scratch, qv__measure *measure, const uint32_t *list, size_t n, uint32_t *fresh,
                      float *distances)
{
    size_t n_fresh = 0;

    for (size_t i = 0; i < n; i++)
        if (qv__hnsw_see(scratch, list[i])) {
            qv__measure_fetch(measure, list[i]);
            fresh[n_fresh++] = list[i];
        }
    qv__measure_nodes(measure, fresh, n_fresh, distances);
    return n_fresh;
}

/* Measures what is new among the neighbours of the beam's item `at`; returns the place of the nearest that was put before `next`, or
 * `next`. */
static size_t expand(const qv__hnsw_view *view, unsigned level, qv__measure *measure, qv__hnsw_scratch *scratch,
                     uint32_t node, size_t next)
{
    uint32_t fresh[QV_HNSW_CHUNK], n;
    float distances[QV_HNSW_CHUNK];
    const uint32_t *list = view->neighbours(view->graph, level, node, &n);

    for (uint32_t i = 0; i < n; i += QV_HNSW_CHUNK) {
        size_t n_fresh = qv__hnsw_fresh(scratch, measure, list + i, QV_MIN(n - i, QV_HNSW_CHUNK), fresh, distances);
        for (size_t j = 0; j < n_fresh; j++) {
            size_t place = qv__beam_insert(&scratch->beam, distances[j], fresh[j]);
            next = QV_MIN(next, place);
        }
    }
    return next;
}

static size_t next_open(const qv__beam *beam, size_t at)
{
    while (at < beam->n && beam->items[at].node & QV_BEAM_DONE)
        at++;
    return at;
}

void qv__hnsw_walk_level(const qv__hnsw_view *view, unsigned level, qv__measure *measure, qv__hnsw_scratch *scratch,
                         qv__near start)
{
    qv__beam *beam = &scratch->beam;

    qv__hnsw_see(scratch, start.node);
    qv__beam_insert(beam, start.distance, start.node);
    for (size_t at = 0; at < beam->n;) {
        uint32_t node = beam->items[at].node;
        beam->items[at].node |= QV_BEAM_DONE;
        size_t next = next_open(beam, at + 1);
        if (level == 0 && next < beam->n) /* most often the one that comes next */
            qv__hnsw_fetch(view, beam->items[next].node);
        at = next_open(beam, expand(view, level, measure, scratch, node, next));
    }
    for (size_t i = 0; i < beam->n; i++)
        beam->items[i].node &= ~QV_BEAM_DONE;
}
