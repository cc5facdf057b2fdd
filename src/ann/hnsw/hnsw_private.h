/* What the files of hnsw/ share: the graph in memory, and a walk over one level of it. */
#ifndef QV_ANN_HNSW_PRIVATE_H
#define QV_ANN_HNSW_PRIVATE_H

#include <math.h>

#include "ann/hnsw/hnsw.h"

enum {
    QV_HNSW_LEVELS = 32, /* more than log_4 of any number of nodes */
    QV_HNSW_CHUNK = 64,  /* neighbours that are measured together */
};

/* ------------------------------------------------------------------ the graph */

/* A level above 0: its nodes in ascending order, and their neighbours one list after another. */
typedef struct qv__hnsw_level {
    uint32_t n;
    uint32_t *nodes;
    uint32_t *starts; /* n + 1 */
    uint32_t *neighbours;
} qv__hnsw_level;

#define QV_HNSW_LONG UINT32_C(0x80000000)

struct qv__hnsw {
    qv__hnsw_shape shape;
    bool is_sealed;
    uint32_t n_added; /* levels that were added */
    size_t room;      /* neighbours in a block of level 0 */
    uint32_t *
        blocks; /* of 1 + room numbers: how many, neighbours. QV_HNSW_LONG | how many, start: the list is in long_lists */
    uint32_t *long_lists;
    qv__hnsw_level upper[QV_HNSW_LEVELS - 1];
};

static inline uint32_t *qv__hnsw_block(const qv__hnsw *graph, uint32_t node)
{
    return graph->blocks + (size_t) node * (graph->room + 1);
}
/* The neighbours on level 0. */
static inline const uint32_t *qv__hnsw_base(const qv__hnsw *graph, uint32_t node, uint32_t *n)
{
    const uint32_t *block = qv__hnsw_block(graph, node);
    if (block[0] & QV_HNSW_LONG) {
        *n = block[0] & ~QV_HNSW_LONG;
        return graph->long_lists + block[1];
    }
    *n = block[0];
    return block + 1;
}
/* Any level; a node that the level lacks has none. */
const uint32_t *qv__hnsw_neighbours(const qv__hnsw *graph, unsigned level, uint32_t node, uint32_t *n);
/* Level 0 with room for `room` neighbours each, all empty. */
qv_status qv__hnsw_alloc(const qv__hnsw_shape *shape, size_t room, qv__hnsw **out, qv_error *err);
void qv__hnsw_level_clear(qv__hnsw_level *level);

/* ------------------------------------------------------------------ nodes by distance */

typedef struct qv__near {
    float distance;
    uint32_t node;
} qv__near;

/* The nearest nodes so far, nearest first: for the lengths in use (hundreds) a move within a sorted array costs less than a heap. */
typedef struct qv__beam {
    qv__near *items;
    uint64_t *open; /* bit i: the neighbours of item i were not looked at; bits from n on mean nothing */
    size_t n, width, items_capacity, open_capacity;
} qv__beam;
qv_status qv__beam_reserve(qv__beam *beam, size_t width, qv_error *err); /* empties it */
/* Where the node was put, open, or SIZE_MAX: it is not among the nearest, or its distance is NaN. Equal ones stay in order of arrival. */
size_t qv__beam_insert(qv__beam *beam, float distance, uint32_t node);
static inline float qv__beam_worst(const qv__beam *beam)
{
    return beam->n < beam->width ? INFINITY : beam->items[beam->n - 1].distance;
}

/* ------------------------------------------------------------------ walks */

/* Distances of whatever is looked for to nodes. */
typedef struct qv__measure {
    void (*distances)(void *ctx, const uint32_t *nodes, size_t n, float *out);
    void *ctx;
    const uint8_t *rows; /* what is read of a node, to be fetched ahead */
    size_t stride, bytes;
    uint64_t n_measured;
} qv__measure;
static inline void qv__measure_fetch(const qv__measure *measure, uint32_t node)
{
    const uint8_t *row = measure->rows + measure->stride * node;
    for (size_t at = 0; at < measure->bytes; at += 64)
        __builtin_prefetch(row + at);
}
static inline void qv__measure_nodes(qv__measure *measure, const uint32_t *nodes, size_t n, float *out)
{
    measure->distances(measure->ctx, nodes, n, out);
    measure->n_measured += n;
}

/* How a walk sees a graph, whether it is finished or being built. */
typedef struct qv__hnsw_view {
    const uint32_t *(*neighbours)(const void *graph, unsigned level, uint32_t node, uint32_t *n);
    const void *graph;
    const uint32_t *blocks; /* of level 0, to be fetched ahead */
    size_t block;           /* numbers in one */
} qv__hnsw_view;
static inline const uint32_t *qv__hnsw_list(const qv__hnsw_view *view, unsigned level, uint32_t node, uint32_t *n)
{
    const uint32_t *block = view->blocks + (size_t) node * view->block;
    if (level > 0 || block[0] & QV_HNSW_LONG)
        return view->neighbours(view->graph, level, node, n);
    *n = block[0];
    return block + 1;
}
static inline void qv__hnsw_fetch(const qv__hnsw_view *view, uint32_t node)
{
    const uint32_t *block = view->blocks + (size_t) node * view->block;
    for (size_t at = 0; at < view->block; at += 16)
        __builtin_prefetch(block + at);
}

enum { QV_HNSW_LISTED = 4096 };

struct qv__hnsw_scratch {
    uint64_t *seen; /* a bit per node */
    size_t n_words;
    uint32_t listed[QV_HNSW_LISTED]; /* nodes whose bits are set, to clear them one by one, ... */
    size_t n_listed;
    bool has_unlisted; /* ... or all together, when there were more */
    qv__beam beam;
    qv__near *frontier; /* a heap, nearest on top: walks with a mask */
    size_t n_frontier, frontier_capacity;
};
/* Before each walk over a level: nothing was seen, the beam is empty. */
qv_status qv__hnsw_scratch_begin(qv__hnsw_scratch *scratch, size_t n_nodes, size_t width, qv_error *err);
/* The nodes of list[0, n), n <= QV_HNSW_CHUNK, that are seen for the first time, and asked for from memory. Returns how many. */
size_t qv__hnsw_see(qv__hnsw_scratch *scratch, const qv__measure *measure, const uint32_t *list, size_t n,
                    uint32_t *fresh);

/* From `at` to ever nearer neighbours until none is nearer. */
void qv__hnsw_descend(const qv__hnsw_view *view, unsigned level, qv__measure *measure, qv__near *at);
/* The nearest nodes of a level that a walk from `start` finds, in scratch->beam (begun before). */
void qv__hnsw_walk_level(const qv__hnsw_view *view, unsigned level, qv__measure *measure, qv__hnsw_scratch *scratch,
                         qv__near start);

#endif
