/* The graph in memory, from stored lists and back to them. */
#include <string.h>

#include "base/alloc.h"
#include "hnsw_private.h"

/* ------------------------------------------------------------------ making */

static qv_status check_shape(const qv__hnsw_shape *shape, qv_error *err)
{
    if (shape->n_nodes > INT32_MAX)
        return qv__fail(err, QV_INVALID, "a graph of %u nodes; at most %d are supported", shape->n_nodes, INT32_MAX);
    if (shape->n_levels > QV_HNSW_LEVELS || (shape->n_levels == 0) != (shape->n_nodes == 0))
        return qv__fail(err, QV_CORRUPT, "a graph of %u nodes on %u levels", shape->n_nodes, shape->n_levels);
    if (shape->n_nodes > 0 && shape->entry_point >= shape->n_nodes)
        return qv__fail(err, QV_CORRUPT, "entry point %u of a graph of %u nodes", shape->entry_point, shape->n_nodes);
    return QV_OK;
}

qv_status qv__hnsw_new(const qv__hnsw_shape *shape, qv__hnsw **out, qv_error *err)
{
    QV_TRY(check_shape(shape, err));
    QV_TRY(QV_NEW(out, 1, err));
    (*out)->shape = *shape;
    return QV_OK;
}

qv_status qv__hnsw_alloc(const qv__hnsw_shape *shape, size_t room, qv__hnsw **out, qv_error *err)
{
    qv__hnsw *graph = NULL;

    QV_TRY(qv__hnsw_new(shape, &graph, err));
    graph->room = room;
    qv_status st = QV_NEW(&graph->blocks, shape->n_nodes * (room + 1), err);
    if (st != QV_OK) {
        qv__hnsw_free(graph);
        return st;
    }
    *out = graph;
    return QV_OK;
}

void qv__hnsw_level_clear(qv__hnsw_level *level)
{
    qv__free(level->nodes);
    qv__free(level->starts);
    qv__free(level->neighbours);
    *level = (qv__hnsw_level){ 0 };
}

void qv__hnsw_free(qv__hnsw *graph)
{
    if (!graph)
        return;
    for (size_t i = 0; i < QV_HNSW_LEVELS - 1; i++)
        qv__hnsw_level_clear(&graph->upper[i]);
    qv__free(graph->blocks);
    qv__free(graph->long_lists);
    qv__free(graph);
}

/* ------------------------------------------------------------------ from stored lists */

static qv_status check_lists(const qv__hnsw *graph, unsigned level, const uint32_t *nodes, size_t n,
                             const int32_t *offsets, const uint32_t *neighbours, qv_error *err)
{
    uint32_t n_nodes = graph->shape.n_nodes;

    if (n > n_nodes)
        return qv__fail(err, QV_CORRUPT, "level %u has %zu nodes of a graph of %u", level, n, n_nodes);
    for (size_t i = 0; i < n; i++) {
        uint32_t node = nodes ? nodes[i] : (uint32_t) i;
        if (node >= n_nodes || (nodes && i > 0 && node <= nodes[i - 1]))
            return qv__fail(err, QV_CORRUPT, "level %u: node %u at place %zu of a graph of %u", level, node, i,
                            n_nodes);
        if (offsets[i] < 0 || offsets[i + 1] < offsets[i])
            return qv__fail(err, QV_CORRUPT, "level %u: the neighbours of node %u lie from %d to %d", level, node,
                            offsets[i], offsets[i + 1]);
    }
    for (int32_t i = offsets[0]; i < offsets[n]; i++)
        if (neighbours[i] >= n_nodes)
            return qv__fail(err, QV_CORRUPT, "level %u: neighbour %u of a graph of %u nodes", level, neighbours[i],
                            n_nodes);
    return QV_OK;
}

/* Blocks are as long as what the graph was built for, or as its longest list when that is not much more: a few lists of
 * any length must not make all blocks long. */
static qv_status add_base(qv__hnsw *graph, size_t n, const int32_t *offsets, const uint32_t *neighbours, qv_error *err)
{
    size_t planned = 2 * QV_MIN((size_t) graph->shape.m, 1024), longest = 1, n_long = 0;

    for (size_t i = 0; i < n; i++)
        longest = QV_MAX(longest, (size_t) (offsets[i + 1] - offsets[i]));
    graph->room = QV_MIN(longest, QV_MAX(2 * planned, 8));
    for (size_t i = 0; i < n; i++) {
        size_t length = (size_t) (offsets[i + 1] - offsets[i]);
        n_long += length > graph->room ? length : 0;
    }
    QV_TRY(QV_NEW(&graph->blocks, n * (graph->room + 1), err));
    QV_TRY(QV_NEW(&graph->long_lists, n_long, err));
    n_long = 0;
    for (size_t i = 0; i < n; i++) {
        size_t length = (size_t) (offsets[i + 1] - offsets[i]);
        uint32_t *block = qv__hnsw_block(graph, (uint32_t) i), *to = block + 1;
        bool is_long = length > graph->room;
        block[0] = (uint32_t) length | (is_long ? QV_HNSW_LONG : 0);
        if (is_long) {
            block[1] = (uint32_t) n_long;
            to = graph->long_lists + n_long;
            n_long += length;
        }
        if (length > 0)
            memcpy(to, neighbours + offsets[i], length * sizeof *to);
    }
    return QV_OK;
}

static qv_status add_upper(qv__hnsw_level *level, const uint32_t *nodes, size_t n, const int32_t *offsets,
                           const uint32_t *neighbours, qv_error *err)
{
    size_t n_neighbours = (size_t) (offsets[n] - offsets[0]);

    QV_TRY(QV_NEW(&level->nodes, n, err));
    QV_TRY(QV_NEW(&level->starts, n + 1, err));
    QV_TRY(QV_NEW(&level->neighbours, n_neighbours, err));
    level->n = (uint32_t) n;
    for (size_t i = 0; i <= n; i++)
        level->starts[i] = (uint32_t) (offsets[i] - offsets[0]);
    for (size_t i = 0; i < n; i++)
        level->nodes[i] = nodes ? nodes[i] : (uint32_t) i;
    if (n_neighbours > 0)
        memcpy(level->neighbours, neighbours + offsets[0], n_neighbours * sizeof *neighbours);
    return QV_OK;
}

qv_status qv__hnsw_add_level(qv__hnsw *graph, unsigned level, const uint32_t *nodes, size_t n, const int32_t *offsets,
                             const uint32_t *neighbours, qv_error *err)
{
    if (level != graph->n_added || level >= graph->shape.n_levels)
        return qv__fail(err, QV_INVALID, "level %u of a graph on %u levels, %u of which were added", level,
                        graph->shape.n_levels, graph->n_added);
    QV_TRY(check_lists(graph, level, nodes, n, offsets, neighbours, err));
    if (level == 0 && n != graph->shape.n_nodes)
        return qv__fail(err, QV_CORRUPT, "level 0 has %zu nodes of a graph of %u", n, graph->shape.n_nodes);
    QV_TRY(level == 0 ? add_base(graph, n, offsets, neighbours, err)
                      : add_upper(&graph->upper[level - 1], nodes, n, offsets, neighbours, err));
    graph->n_added++;
    return QV_OK;
}

qv_status qv__hnsw_seal(qv__hnsw *graph, qv_error *err)
{
    if (graph->n_added != graph->shape.n_levels)
        return qv__fail(err, QV_CORRUPT, "%u levels of a graph on %u", graph->n_added, graph->shape.n_levels);
    graph->is_sealed = true;
    return QV_OK;
}

/* ------------------------------------------------------------------ to stored lists */

qv__hnsw_shape qv__hnsw_shape_of(const qv__hnsw *graph) { return graph->shape; }

uint32_t qv__hnsw_level_nodes(const qv__hnsw *graph, unsigned level)
{
    if (level >= graph->shape.n_levels)
        return 0;
    return level == 0 ? graph->shape.n_nodes : graph->upper[level - 1].n;
}

static const uint32_t *list_at(const qv__hnsw_level *level, uint32_t i, uint32_t *n)
{
    *n = level->starts[i + 1] - level->starts[i];
    return level->neighbours + level->starts[i];
}

uint32_t qv__hnsw_node(const qv__hnsw *graph, unsigned level, uint32_t i, const uint32_t **neighbours, uint32_t *n)
{
    if (level == 0) {
        *neighbours = qv__hnsw_base(graph, i, n);
        return i;
    }
    *neighbours = list_at(&graph->upper[level - 1], i, n);
    return graph->upper[level - 1].nodes[i];
}

const uint32_t *qv__hnsw_neighbours(const qv__hnsw *graph, unsigned level, uint32_t node, uint32_t *n)
{
    if (level == 0)
        return qv__hnsw_base(graph, node, n);
    const qv__hnsw_level *upper = &graph->upper[level - 1];
    uint32_t low = 0, high = upper->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (upper->nodes[middle] < node)
            low = middle + 1;
        else
            high = middle;
    }
    *n = 0;
    return low < upper->n && upper->nodes[low] == node ? list_at(upper, low, n) : upper->neighbours;
}
