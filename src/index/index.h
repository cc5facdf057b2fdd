/* Secondary indices: what a table has, how one is built, extended and asked. Queries and changes see this header alone. */
#ifndef QV_INDEX_INDEX_H
#define QV_INDEX_INDEX_H

#include "expr/expr.h"
#include "index/rows/row_set.h"
#include "table/table.h"

/* ------------------------------------------------------------------ asking */

/* How a condition is answered for the fragments that indices cover: parts that indices know become a query over row sets, the rest
 * is a condition that the found rows are held against. Immutable once made. */
typedef struct qv__index_plan qv__index_plan;

typedef struct qv__index_plan_options {
    bool no_index;
    uint64_t rows; /* live rows of the snapshot, for judging */
} qv__index_plan_options;

/* *out NULL: no index helps. The plan keeps the snapshot and the condition. */
qv_status qv__index_plan_new(qv__snapshot *snapshot, const qv__program *condition,
                             const qv__index_plan_options *options, qv__index_plan **out, qv_error *err);
void qv__index_plan_free(qv__index_plan *plan);

typedef struct qv__index_rows {
    /* Physical rows of covered fragments that may match, per fragment index of the snapshot: NULL = not covered (scan it with
     * the whole condition), else a bitmap object (empty: no row). Deleted rows may be among them. */
    size_t n_fragments;
    roaring_bitmap_t **rows;
    const qv__program *recheck; /* what the rows must still pass; NULL: nothing. Borrowed from the plan */
    uint64_t n_rows;            /* in all bitmaps */
    uint64_t comparisons, pages_read, bytes_read; /* what the answer cost */
} qv__index_rows;
/* Runs the index part. When the answer turns out too big to be worth it (the plan's own measure), covered fragments may come back
 * as not covered. */
qv_status qv__index_plan_run(qv__index_plan *plan, qv__job *job, qv__index_rows *out, qv_error *err);
void qv__index_rows_clear(qv__index_rows *rows);
/* One line for explain: "ScalarIndexQuery: query=[id = 5]@id_idx(BTree), recheck=..." Appends. */
qv_status qv__index_plan_print(const qv__index_plan *plan, qv__buffer *out, qv_error *err);

/* ------------------------------------------------------------------ care */

/* Builds the index over all fragments and commits it (CreateIndex). Replaces one of the same name unless keep_existing. */
qv_status qv__index_create(qv__store *table, qv__snapshot *base, const char *column, const qv_index_options *options,
                           qv__snapshot **out, qv_error *err);
qv_status qv__index_drop(qv__store *table, qv__snapshot *base, const char *name, qv__job *job, qv__snapshot **out,
                         qv_error *err);
/* Extends by unindexed fragments: new segments or merged ones. *out NULL: nothing to do. */
qv_status qv__index_optimize(qv__store *table, qv__snapshot *base, const qv_index_merge_options *options,
                             qv__snapshot **out, qv_error *err);
qv_status qv__index_list(qv__snapshot *snapshot, qv__buffer *json, qv_error *err);
qv_status qv__index_stats(qv__snapshot *snapshot, const char *name, qv__buffer *json, qv_error *err);
qv_status qv__index_prewarm(qv__snapshot *snapshot, const char *name, qv_error *err);
/* Rows of live fragments that no segment of the index covers. QV_NOT_FOUND. */
qv_status qv__index_unindexed(qv__snapshot *snapshot, const char *name, uint64_t *rows, qv_error *err);

/* ------------------------------------------------------------------ compaction */

/* Old row addresses of rewritten fragments and what became of them: sorted by old address; UINT64_MAX: gone. */
typedef struct qv__row_move {
    const uint64_t *from, *to;
    size_t n;
    const uint64_t *old_fragments; /* ids, ascending: all rows of these moved or are gone */
    size_t n_old;
    const uint64_t *new_fragments;
    size_t n_new;
} qv__row_move;
/* Rewrites every index that covers moved rows under a new uuid, and gives the entries to be put into the Rewrite transaction
 * (qv__change.replaced_indices). Indices that hold stable row ids keep their files. */
qv_status qv__index_remap(qv__store *table, qv__snapshot *snapshot, const qv__row_move *move, qv__job *job,
                          qv__index_swap **swaps, size_t *n, qv_error *err);
void qv__index_swaps_free(qv__index_swap *swaps, size_t n);
/* Removes the new files of swaps that were not committed, as far as storage allows. */
void qv__index_swaps_discard(qv__store *table, const qv__index_swap *swaps, size_t n);

/* Checks every file of every index entry; problems are told. */
qv_status qv__index_verify(qv__snapshot *snapshot, qv__problem_fn problem, void *ctx, qv__job *job, qv_error *err);

#endif
