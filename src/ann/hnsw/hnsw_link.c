/* Links back: the neighbours of new nodes get those as neighbours, too. Edges of a batch are sorted by who gets them, so that each list is
 * changed once, by one thread, and in an order that is the same every time. */
#include <string.h>

#include "base/alloc.h"
#include "hnsw_build.h"

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

/* ------------------------------------------------------------------ edges of a batch */

static uint32_t target_of(uint64_t edge) { return (uint32_t) (edge >> 32); }

/* Those of the batch's nodes on a level. */
static qv_status collect(qv__builder *builder, unsigned level, uint32_t first, uint32_t end, qv_error *err)
{
    size_t most = (size_t) (end - first) * builder->m;

    QV_TRY(QV_GROW(&builder->edges, &builder->edges_capacity, most, err));
    QV_TRY(QV_GROW(&builder->sorted, &builder->sorted_capacity, most, err));
    builder->n_edges = 0;
    for (uint32_t rank = first; rank < end; rank++) {
        const uint32_t *block = qv__builder_block(builder, level, builder->order[rank]);
        for (uint32_t i = 0; i < block[0]; i++)
            builder->edges[builder->n_edges++] = (uint64_t) block[1 + i] << 32 | builder->order[rank];
    }
    return QV_OK;
}

/* By target, from its lowest digit to its highest; stable, so that new nodes stay in order of their rank. */
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

/* The list of a node and what it is offered are too long: the best of both are chosen anew. */
static qv_status choose_anew(qv__builder *builder, qv__builder_thread *thread, uint32_t node, uint32_t room,
                             uint32_t *block, const uint64_t *edges, size_t n_edges, qv_error *err)
{
    qv__builder_row row = { builder, node };
    qv__measure measure = qv__builder_measure(&row);
    qv__beam *beam = &thread->scratch->beam;
    size_t n = block[0] + n_edges;

    QV_TRY(QV_GROW(&thread->nodes, &thread->nodes_capacity, n, err));
    QV_TRY(QV_GROW(&thread->distances, &thread->distances_capacity, n, err));
    QV_TRY(qv__beam_reserve(beam, n, err));
    memcpy(thread->nodes, block + 1, block[0] * sizeof *block);
    for (size_t i = 0; i < n_edges; i++)
        thread->nodes[block[0] + i] = (uint32_t) edges[i];
    for (size_t i = 0; i < n; i++)
        qv__measure_fetch(&measure, thread->nodes[i]);
    qv__measure_nodes(&measure, thread->nodes, n, thread->distances);
    for (size_t i = 0; i < n; i++)
        qv__beam_insert(beam, thread->distances[i], thread->nodes[i]);
    uint32_t n_chosen = qv__builder_choose(builder, beam->items, beam->n, room, thread->chosen);
    memcpy(block + 1, thread->chosen, n_chosen * sizeof *block);
    block[0] = n_chosen;
    return QV_OK;
}

/* All edges to the target of edge i, when that is the first of them. */
static qv_status link_target(qv__builder *builder, qv__builder_thread *thread, size_t i, qv_error *err)
{
    const uint64_t *edges = builder->edges + i;
    uint32_t target = target_of(edges[0]), room = qv__builder_room(builder, builder->linked_level);
    size_t n = 1;

    if (i > 0 && target_of(edges[-1]) == target)
        return QV_OK;
    while (i + n < builder->n_edges && target_of(edges[n]) == target)
        n++;
    uint32_t *block = qv__builder_block(builder, builder->linked_level, target);
    if (block[0] + n > room)
        return choose_anew(builder, thread, target, room, block, edges, n, err);
    for (size_t j = 0; j < n; j++)
        block[1 + block[0]++] = (uint32_t) edges[j];
    return QV_OK;
}

qv_status qv__builder_link(qv__builder *builder, uint32_t first, uint32_t n, qv_error *err)
{
    for (unsigned level = 0; level < builder->n_levels; level++) {
        uint32_t end = QV_MIN(first + n, builder->level_n[level]);
        if (end <= first)
            break;
        builder->linked_level = level;
        QV_TRY(collect(builder, level, first, end, err));
        sort_edges(builder);
        QV_TRY(qv__builder_each(builder, builder->n_edges, link_target, 256, err));
    }
    return QV_OK;
}
