/* Links back: the neighbours that nodes chose get those as neighbours, too. The edges of some thousand nodes are sorted by who gets them, so that
 * each list is changed once, by one thread, and in an order that is the same every time. */
#include <string.h>

#include "base/alloc.h"
#include "hnsw_builder.h"

enum {
    DIGIT_BITS = 11,
    DIGITS = 1 << DIGIT_BITS,
    NODES_AT_ONCE = 65536, /* whose edges are sorted together */
};

/* ------------------------------------------------------------------ edges */

static uint32_t target_of(uint64_t edge) { return (uint32_t) (edge >> 32); }

static qv_status collect(qv__builder *builder, unsigned level, const uint32_t *places, uint32_t n, qv_error *err)
{
    size_t most = (size_t) n * qv__builder_room(builder, level);

    QV_TRY(QV_GROW(&builder->edges, &builder->edges_capacity, most, err));
    QV_TRY(QV_GROW(&builder->sorted, &builder->sorted_capacity, most, err));
    builder->n_edges = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t node = builder->order[places[i]];
        const uint32_t *block = qv__builder_block(builder, level, node);
        for (uint32_t j = 0; j < block[0]; j++)
            builder->edges[builder->n_edges++] = (uint64_t) block[1 + j] << 32 | node;
    }
    return QV_OK;
}

/* By target, from its lowest digit to its highest; stable, so that who links stays in order. */
static void sort_edges(qv__builder *builder)
{
    for (unsigned shift = 0; builder->n > 1 && shift < 32 && (builder->n - 1) >> shift > 0; shift += DIGIT_BITS) {
        uint32_t starts[DIGITS] = { 0 }, sum = 0;
        uint64_t *from = builder->edges;
        for (size_t i = 0; i < builder->n_edges; i++)
            starts[target_of(from[i]) >> shift & (DIGITS - 1)]++;
        for (size_t i = 0; i < DIGITS; i++) {
            uint32_t n = starts[i];
            starts[i] = sum;
            sum += n;
        }
        for (size_t i = 0; i < builder->n_edges; i++)
            builder->sorted[starts[target_of(from[i]) >> shift & (DIGITS - 1)]++] = from[i];
        builder->edges = builder->sorted;
        builder->sorted = from;
        size_t capacity = builder->edges_capacity;
        builder->edges_capacity = builder->sorted_capacity;
        builder->sorted_capacity = capacity;
    }
}

/* ------------------------------------------------------------------ one list */

static bool has(const uint32_t *block, uint32_t node)
{
    bool found = false;
    for (uint32_t i = 0; i < block[0]; i++)
        found |= block[1 + i] == node;
    return found;
}

/* The list and the `n` nodes offered to it are too long together: the best of both are chosen anew. They lie in thread->nodes, those of the list
 * behind the others. */
static qv_status choose_anew(qv__builder *builder, qv__builder_thread *thread, uint32_t node, uint32_t room,
                             uint32_t *block, size_t n, qv_error *err)
{
    qv__builder_row row = { builder, node };
    qv__measure measure = qv__builder_measure(&row);
    qv__beam *beam = &thread->scratch->beam;

    memcpy(thread->nodes + n, block + 1, block[0] * sizeof *block);
    n += block[0];
    QV_TRY(qv__beam_reserve(beam, n, err));
    for (size_t i = 0; i < n; i++)
        qv__measure_fetch(&measure, thread->nodes[i]);
    qv__measure_nodes(&measure, thread->nodes, n, thread->distances);
    for (size_t i = 0; i < n; i++)
        qv__beam_insert(beam, thread->distances[i], thread->nodes[i]);
    block[0] = qv__builder_choose(builder, beam->items, beam->n, room, block + 1);
    return QV_OK;
}

/* All edges to the target of edge i, when that is the first of them. */
static qv_status link_target(qv__builder *builder, qv__builder_thread *thread, size_t i, qv_error *err)
{
    const uint64_t *edges = builder->edges + i;
    uint32_t target = target_of(edges[0]), room = qv__builder_room(builder, builder->linked_level);
    uint32_t *block = qv__builder_block(builder, builder->linked_level, target);
    size_t n = 0, n_edges = 1;

    if (i > 0 && target_of(edges[-1]) == target)
        return QV_OK;
    while (i + n_edges < builder->n_edges && target_of(edges[n_edges]) == target)
        n_edges++;
    QV_TRY(QV_GROW(&thread->nodes, &thread->nodes_capacity, n_edges + room, err));
    QV_TRY(QV_GROW(&thread->distances, &thread->distances_capacity, n_edges + room, err));
    for (size_t j = 0; j < n_edges; j++)
        if (!has(block, (uint32_t) edges[j])) /* they may have chosen each other */
            thread->nodes[n++] = (uint32_t) edges[j];
    if (block[0] + n > room)
        return choose_anew(builder, thread, target, room, block, n, err);
    memcpy(block + 1 + block[0], thread->nodes, n * sizeof *block);
    block[0] += (uint32_t) n;
    return QV_OK;
}

qv_status qv__builder_link_back(qv__builder *builder, unsigned level, const uint32_t *places, uint32_t n, qv_error *err)
{
    builder->linked_level = level;
    for (uint32_t first = 0; first < n; first += NODES_AT_ONCE) {
        QV_TRY(collect(builder, level, places + first, QV_MIN(n - first, NODES_AT_ONCE), err));
        sort_edges(builder);
        QV_TRY(qv__builder_each(builder, builder->n_edges, link_target, 256, err));
    }
    return QV_OK;
}
