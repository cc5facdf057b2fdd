/* After a build: nodes that no path from the entry point reaches on level 0 (all who had them as neighbours found better ones) are made neighbours
 * of what is nearest to them and can be reached. */
#include <string.h>

#include "base/alloc.h"
#include "base/bitmap.h"
#include "hnsw_builder.h"

typedef struct reaching {
    qv__builder *builder;
    uint32_t *parents; /* by which a node was reached first; its own number: not reached */
    uint32_t *queue;
    uint32_t spare; /* a node that was connected lately, and may have room */
} reaching;

static bool is_reached(const reaching *reach, uint32_t node)
{
    return reach->parents[node] != node || node == reach->builder->order[0];
}

/* Everything that can be reached from `node`, which was reached itself. */
static void spread(reaching *reach, uint32_t node)
{
    uint32_t n_queue = 1;

    reach->queue[0] = node;
    while (n_queue > 0) {
        uint32_t from = reach->queue[--n_queue], n;
        const uint32_t *list = qv__hnsw_base(reach->builder->graph, from, &n);
        for (uint32_t i = 0; i < n; i++)
            if (!is_reached(reach, list[i])) {
                reach->parents[list[i]] = from;
                reach->queue[n_queue++] = list[i];
            }
    }
}

/* A link that nothing was reached by first may go; the farthest such one. False: `from` has no room and no such link. */
static bool link_from(reaching *reach, uint32_t from, uint32_t node)
{
    uint32_t *block = qv__hnsw_block(reach->builder->graph, from), at = block[0];

    if (at == qv__builder_room(reach->builder, 0)) {
        while (at > 0 && reach->parents[block[at]] == from)
            at--;
        if (at-- == 0)
            return false;
        memmove(block + 1 + at, block + 2 + at, (block[0] - at - 1) * sizeof *block);
        at = --block[0];
    }
    block[1 + at] = node;
    block[0]++;
    reach->parents[node] = from;
    return true;
}

/* Any reached node will do in the end: a node is always found, since a tree has fewer links than there are places. */
static void link_somewhere(reaching *reach, uint32_t node)
{
    if (link_from(reach, reach->spare, node))
        return;
    for (uint32_t from = 0; from < reach->builder->n; from++)
        if (from != node && is_reached(reach, from) && link_from(reach, from, node))
            return;
}

static qv_status connect_node(reaching *reach, uint32_t node, qv_error *err)
{
    qv__builder *builder = reach->builder;
    qv__builder_row row = { builder, node };
    qv__measure measure = qv__builder_measure(&row);
    qv__hnsw_scratch *scratch = builder->threads[0].scratch;
    qv__near at = { .node = builder->order[0] };
    bool is_linked = false;

    qv__measure_nodes(&measure, &at.node, 1, &at.distance);
    for (unsigned level = builder->n_levels; level-- > 1;)
        qv__hnsw_descend(&builder->view, level, &measure, &at);
    QV_TRY(qv__hnsw_scratch_begin(scratch, builder->n, builder->ef, err));
    qv__hnsw_walk_level(&builder->view, 0, &measure, scratch, at);
    for (size_t i = 0; i < scratch->beam.n && !is_linked; i++) {
        uint32_t from = scratch->beam.items[i].node;
        is_linked = from != node && is_reached(reach, from) && link_from(reach, from, node);
    }
    if (!is_linked)
        link_somewhere(reach, node);
    reach->spare = node;
    spread(reach, node);
    return builder->job ? qv__job_tick(builder->job, 0, 0, err) : QV_OK;
}

qv_status qv__builder_connect(qv__builder *builder, qv_error *err)
{
    reaching reach = { .builder = builder };
    qv_status st = QV_OK;

    if (builder->n == 0)
        return QV_OK;
    QV_CHECK(QV_NEW(&reach.parents, builder->n, err));
    QV_CHECK(QV_NEW(&reach.queue, builder->n, err));
    for (uint32_t i = 0; i < builder->n; i++)
        reach.parents[i] = i;
    reach.spare = builder->order[0];
    spread(&reach, builder->order[0]);
    for (uint32_t i = 0; i < builder->n; i++)
        if (!is_reached(&reach, i))
            QV_CHECK(connect_node(&reach, i, err));
done:
    qv__free(reach.parents);
    qv__free(reach.queue);
    return st;
}
