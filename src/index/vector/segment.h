/* An opened segment as lists.c, graphs.c and verify see it. */
#ifndef QV_INDEX_VECTOR_SEGMENT_H
#define QV_INDEX_VECTOR_SEGMENT_H

#include "base/alloc.h"
#include "index/vector/vector_private.h"

/* A list that was asked for: mapped, or decoded. Columns of what had to be laid anew are in `own`. */
typedef struct qv__kept_list {
    qv__array *arrays[1 + QV_MAX_CODE_COLUMNS];
    uint8_t *own[QV_MAX_CODE_COLUMNS];
    qv__code_list list;
} qv__kept_list;

/* A graph that was asked for, and its rows' codes one after the other. */
typedef struct qv__kept_graph {
    qv__hnsw *graph;
    uint8_t *own[QV_MAX_CODE_COLUMNS];
    qv__code_list plain;
} qv__kept_graph;

/* Where a list's graph lies in index.idx, and what its text says. */
typedef struct qv__graph_place {
    uint64_t offset;
    uint32_t length;
    uint32_t entry_point, m, ef_construction;
    uint32_t n_levels;       /* that have nodes */
    uint64_t *level_offsets; /* n_levels + 1; NULL: to be told from the nodes */
} qv__graph_place;

enum { QV_SPARE_SCRATCHES = 8 };

struct qv__vector_segment {
    qv__segment segment;
    qv__vector_model *model;
    qv__file *index, *codes;
    qv__column *ids, *columns[QV_MAX_CODE_COLUMNS];
    uint64_t *offsets;
    uint32_t *lengths;
    uint64_t rows;
    bool is_plain; /* stored row after row, though the quantizer scans arranged columns */
    _Atomic(qv__kept_list *) *lists;
    qv__column *nodes, *neighbours; /* of graphs; NULL: the kind has none */
    qv__graph_place *places;
    _Atomic(qv__kept_graph *) *graphs;
    _Atomic(qv__hnsw_scratch *) spare[QV_SPARE_SCRATCHES]; /* of searches that have ended */
};

/* graphs.c: columns, and the texts of all lists. */
qv_status qv__graphs_open(qv__vector_segment *segment, const qv__ivf_message *ivf, qv_error *err);
void qv__graphs_close(qv__vector_segment *segment);

#endif
