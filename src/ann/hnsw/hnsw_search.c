/* Searching a graph with a query of any quantizer. Without a mask the beam is the answer. With one the walk goes over all nodes, and those
 * that may match are kept; it ends when `ef` of them are nearer than all that is open, or nothing is. (Stepping over nodes that may not
 * match without measuring them, as ACORN does, finds less in the same time: a look at the mask costs as much as a distance of codes.) */
#include <math.h>

#include "base/alloc.h"
#include "hnsw_private.h"

typedef struct searching {
    const qv__hnsw *graph;
    const qv__hnsw_walk *walk;
    qv__hnsw_view view;
    qv__measure measure;
    qv__hnsw_scratch *scratch;
    qv__candidates *candidates;
} searching;

/* ------------------------------------------------------------------ what a walk needs */

static void query_distances(void *ctx, const uint32_t *nodes, size_t n, float *out)
{
    const qv__hnsw_walk *walk = ctx;
    walk->query->quantizer->class->distances(walk->query, walk->plain, nodes, n, out);
}

static const uint32_t *neighbours(const void *graph, unsigned level, uint32_t node, uint32_t *n)
{
    return qv__hnsw_neighbours(graph, level, node, n);
}

static bool may_match(searching *search, uint32_t node)
{
    return qv__key_mask_has(search->candidates->mask, search->walk->keys[node], &search->candidates->mask_hint);
}

static qv__near find_start(searching *search)
{
    qv__near at = { .node = search->graph->shape.entry_point };

    qv__measure_nodes(&search->measure, &at.node, 1, &at.distance);
    for (unsigned level = search->graph->shape.n_levels; level-- > 1;)
        qv__hnsw_descend(&search->view, level, &search->measure, &at);
    return at;
}

/* ------------------------------------------------------------------ open nodes: a heap, nearest on top */

static bool is_nearer(qv__near a, qv__near b)
{
    return a.distance < b.distance || (a.distance == b.distance && a.node < b.node);
}

static qv_status open_node(qv__hnsw_scratch *scratch, qv__near near, qv_error *err)
{
    size_t i = scratch->n_frontier;

    QV_TRY(QV_GROW(&scratch->frontier, &scratch->frontier_capacity, i + 1, err));
    scratch->n_frontier++;
    for (; i > 0 && is_nearer(near, scratch->frontier[(i - 1) / 2]); i = (i - 1) / 2)
        scratch->frontier[i] = scratch->frontier[(i - 1) / 2];
    scratch->frontier[i] = near;
    return QV_OK;
}

static qv__near take_nearest(qv__hnsw_scratch *scratch)
{
    qv__near *heap = scratch->frontier, nearest = heap[0], last = heap[--scratch->n_frontier];
    size_t n = scratch->n_frontier, i = 0;

    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && is_nearer(heap[child + 1], heap[child]))
            child++;
        if (!is_nearer(heap[child], last))
            break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return nearest;
}

/* ------------------------------------------------------------------ with a mask */

static qv_status offer_node(searching *search, qv__near near, qv_error *err)
{
    qv__beam *found = &search->scratch->beam;

    if (isnan(near.distance) || !(near.distance < qv__beam_worst(found) || found->n < found->width))
        return QV_OK;
    QV_TRY(open_node(search->scratch, near, err));
    if (may_match(search, near.node))
        qv__beam_insert(found, near.distance, near.node);
    return QV_OK;
}

static qv_status walk_masked(searching *search, qv__near start, qv_error *err)
{
    qv__hnsw_scratch *scratch = search->scratch;
    uint32_t fresh[QV_HNSW_CHUNK], n;
    float distances[QV_HNSW_CHUNK];

    qv__hnsw_see(scratch, &search->measure, &start.node, 1, fresh);
    QV_TRY(offer_node(search, start, err));
    while (scratch->n_frontier > 0) {
        qv__near nearest = take_nearest(scratch);
        if (nearest.distance > qv__beam_worst(&scratch->beam))
            break;
        if (scratch->n_frontier > 0)
            qv__hnsw_fetch(&search->view, scratch->frontier[0].node);
        const uint32_t *list = qv__hnsw_base(search->graph, nearest.node, &n);
        for (uint32_t i = 0; i < n; i += QV_HNSW_CHUNK) {
            size_t n_fresh = qv__hnsw_see(scratch, &search->measure, list + i, QV_MIN(n - i, QV_HNSW_CHUNK), fresh);
            qv__measure_nodes(&search->measure, fresh, n_fresh, distances);
            for (size_t j = 0; j < n_fresh; j++)
                QV_TRY(offer_node(search, (qv__near){ distances[j], fresh[j] }, err));
        }
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ the door */

static qv_status walk_graph(searching *search, qv_error *err)
{
    qv__near start = find_start(search);

    QV_TRY(qv__hnsw_scratch_begin(search->scratch, search->graph->shape.n_nodes, search->walk->ef, err));
    if (search->candidates->mask)
        return walk_masked(search, start, err);
    qv__hnsw_walk_level(&search->view, 0, &search->measure, search->scratch, start);
    return QV_OK;
}

static void offer_found(searching *search)
{
    const qv__code_query *query = search->walk->query;
    const qv__beam *found = &search->scratch->beam;

    for (size_t i = 0; i < found->n; i++) {
        float distance = found->items[i].distance;
        float least = query->quantizer->class->least ? query->quantizer->class->least(query, distance) : -INFINITY;
        qv__candidates_offer(search->candidates, distance, search->candidates->exact ? least : distance,
                             search->walk->keys[found->items[i].node]);
    }
}

/* A walk measures about 380 * (ef / passing / 20)^0.65 rows, each where it lies; a scan measures all, one after another. The times are
 * those of kernels on a current machine: only their ratio matters, and only roughly. */
bool qv__hnsw_beats_scan(size_t n, size_t row_bytes, size_t ef, double passing)
{
    double walked = 380 * pow((double) ef / fmax(passing, 1e-9) / 20, 0.65);
    double walk_ns = walked * (60 + (double) row_bytes / 10);
    double scan_ns = (double) n * (2 + (double) row_bytes / 25);

    return walk_ns < scan_ns;
}

qv_status qv__hnsw_search(const qv__hnsw *graph, const qv__hnsw_walk *walk, qv__hnsw_scratch *scratch,
                          qv__candidates *candidates, uint64_t *n_distances, qv_error *err)
{
    const qv__quantizer *quantizer = walk->query->quantizer;
    searching search = {
        .graph = graph,
        .walk = walk,
        .view = { neighbours, graph, graph->blocks, graph->room + 1 },
        .measure = { query_distances, (void *) walk, walk->plain[0], quantizer->columns[0].width,
                     QV_MIN(quantizer->columns[0].width, 512), 0 },
        .scratch = scratch,
        .candidates = candidates,
    };

    if (!graph->is_sealed)
        return qv__fail(err, QV_INVALID, "a graph is searched before it was sealed");
    if (graph->shape.n_nodes == 0 || walk->ef == 0)
        return QV_OK;
    QV_TRY(walk_graph(&search, err));
    offer_found(&search);
    *n_distances += search.measure.n_measured;
    return QV_OK;
}
