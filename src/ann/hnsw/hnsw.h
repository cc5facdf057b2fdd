/* Hierarchical navigable small worlds (Malkov, Yashunin 2018): a graph over the rows of one list, by position. */
#ifndef QV_ANN_HNSW_H
#define QV_ANN_HNSW_H

#include "ann/ann.h"

typedef struct qv__hnsw_options {
    unsigned m;               /* neighbours on upper levels; 2m on level 0. 0: 20; at least 4 */
    unsigned ef_construction; /* the effort: each row is compared with 32 times as many. 0: 300; at least m */
    unsigned max_level;       /* levels at most; 0: 7 */
    uint64_t seed;
    unsigned threads;
    qv__job *job;
} qv__hnsw_options;

/* Immutable after it was built or read; thread-safe. In memory by node: level 0 in one block of 2m + 1 numbers each. */
typedef struct qv__hnsw qv__hnsw;

/* Builds over n rows at `stride` bytes of an element type (rows of unit length for cosine). Deterministic for a seed at any number of
 * threads: the rows of a level are linked all together, by cells of rows that lie near one another.
 * Nodes that no level-0 path reaches are linked at the end. */
qv_status qv__hnsw_build(const void *rows, size_t stride, size_t n, size_t dim, qv__element element, qv_metric metric,
                         const qv__hnsw_options *options, qv__hnsw **out, qv_error *err);
void qv__hnsw_free(qv__hnsw *graph);

/* As it is stored: level by level, nodes ascending; every level above 0 lists its own nodes. */
typedef struct qv__hnsw_shape {
    uint32_t n_nodes, n_levels, entry_point, m, ef_construction, max_level;
} qv__hnsw_shape;
qv__hnsw_shape qv__hnsw_shape_of(const qv__hnsw *graph);
uint32_t qv__hnsw_level_nodes(const qv__hnsw *graph, unsigned level); /* how many */
/* The i-th node of a level, its neighbours (borrowed). */
uint32_t qv__hnsw_node(const qv__hnsw *graph, unsigned level, uint32_t i, const uint32_t **neighbours, uint32_t *n);
/* From stored lists. add_level from level 0 upwards; `nodes` NULL: 0 .. n - 1. Neighbours are checked to be nodes (QV_CORRUPT). Neighbours
 * past the room of a node are kept: lists of any length are accepted. */
qv_status qv__hnsw_new(const qv__hnsw_shape *shape, qv__hnsw **out, qv_error *err);
qv_status qv__hnsw_add_level(qv__hnsw *graph, unsigned level, const uint32_t *nodes, size_t n, const int32_t *offsets,
                             const uint32_t *neighbours, qv_error *err);
qv_status qv__hnsw_seal(qv__hnsw *graph, qv_error *err); /* checks the whole; then it may be searched */

/* Searching: distances come from a quantizer's query over plain columns, so that FLAT, SQ and PQ graphs walk alike. `ef` at least the
 * candidates' capacity is the caller's business. With a mask the walk goes on until `ef` rows that may match were found or all were seen, so
 * that candidates are full whenever enough reachable rows match. `keys` are the ids of nodes. */
typedef struct qv__hnsw_walk {
    qv__code_query *query;
    const uint8_t *const *plain; /* the quantizer's columns, row after row */
    const uint64_t *keys;        /* of each node */
    size_t ef;
} qv__hnsw_walk;
typedef struct qv__hnsw_scratch qv__hnsw_scratch; /* visited marks and heaps of one thread, kept between searches */
qv_status qv__hnsw_scratch_new(qv__hnsw_scratch **out, qv_error *err);
void qv__hnsw_scratch_free(qv__hnsw_scratch *scratch);
/* Offers the ef best (that may match) to `candidates`. */
qv_status qv__hnsw_search(const qv__hnsw *graph, const qv__hnsw_walk *walk, qv__hnsw_scratch *scratch,
                          qv__candidates *candidates, uint64_t *n_distances, qv_error *err);
/* Is a walk cheaper than a scan of all n rows of `row_bytes` each? `passing`: the share of rows that the mask lets through, about; 1: no
 * mask. Short lists and rare rows are better scanned, which also misses nothing. */
bool qv__hnsw_beats_scan(size_t n, size_t row_bytes, size_t ef, double passing);

#endif
