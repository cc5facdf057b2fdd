/* What the steps of a build share. */
#ifndef QV_ANN_HNSW_BUILDER_H
#define QV_ANN_HNSW_BUILDER_H

#include "hnsw_private.h"

/* What one of the threads at work has for itself. */
typedef struct qv__builder_thread {
    qv__hnsw_scratch *scratch;
    uint32_t *nodes; /* as many as a list may be offered at once */
    float *distances;
    size_t nodes_capacity, distances_capacity;
} qv__builder_thread;

/* Levels above 0 while they grow: nodes by rank, so that every level is a beginning of `order`. */
typedef struct qv__cells qv__cells;
typedef struct qv__builder {
    const uint8_t *rows;
    size_t stride, bytes, dim;
    uint32_t n;
    qv__element element;
    qv_metric metric;
    qv__pairs_fn pairs;
    float slack;  /* of the choice of neighbours */
    bool is_unit; /* rows of unit length: their products are distances */
    unsigned m, ef;
    uint64_t seed;
    qv__job *job;
    uint32_t *order;                  /* nodes by level, highest first; by chance within a level */
    uint32_t *rank;                   /* the inverse */
    uint32_t level_n[QV_HNSW_LEVELS]; /* nodes that reach a level */
    unsigned n_levels;
    uint32_t *lists[QV_HNSW_LEVELS - 1]; /* levels above 0: per rank 1 + m numbers, as a block */
    qv__hnsw *graph;
    qv__hnsw_view view;
    unsigned n_threads;
    qv__builder_thread *threads;
    uint64_t *edges; /* target << 32 | new node */
    uint64_t *sorted;
    size_t n_edges, edges_capacity, sorted_capacity;
    unsigned linked_level;
    qv__cells *cells; /* of the level that is being linked */
} qv__builder;

static inline uint32_t *qv__builder_block(const qv__builder *builder, unsigned level, uint32_t node)
{
    return level == 0 ? qv__hnsw_block(builder->graph, node)
                      : builder->lists[level - 1] + (size_t) builder->rank[node] * (builder->m + 1);
}
static inline uint32_t qv__builder_room(const qv__builder *builder, unsigned level)
{
    return level == 0 ? 2 * builder->m : builder->m;
}

/* Distances of one row to others. */
typedef struct qv__builder_row {
    const qv__builder *builder;
    uint32_t node;
} qv__builder_row;
qv__measure qv__builder_measure(const qv__builder_row *row);

/* Of nodes sorted by their distance to a row, those (at most `most`) that are nearer to it, give or take the slack, than to any chosen before:
 * neighbours in many directions instead of many in one (the heuristic of the paper's algorithm 4). Returns how many. */
uint32_t qv__builder_choose(const qv__builder *builder, const qv__near *near, size_t n, uint32_t most, uint32_t *out);

/* Neighbours of all nodes of a level; the level above has them. */
qv_status qv__builder_link_level(qv__builder *builder, unsigned level, qv_error *err);

/* Makes the nodes order[places[0 .. n)] neighbours of those in their lists. */
qv_status qv__builder_link_back(qv__builder *builder, unsigned level, const uint32_t *places, uint32_t n,
                                qv_error *err);

/* Gives every node a path from the entry point on level 0. */
qv_status qv__builder_connect(qv__builder *builder, qv_error *err);

/* Runs fn(builder, thread, i) for every i below n, on all threads, a few at a time. */
typedef qv_status (*qv__builder_fn)(qv__builder *builder, qv__builder_thread *thread, size_t i, qv_error *err);
qv_status qv__builder_each(qv__builder *builder, size_t n, qv__builder_fn fn, size_t at_once, qv_error *err);

#endif
