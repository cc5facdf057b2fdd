/* What the files of compaction share: which fragments belong together (plan), what became of them (task), and the one version that
 * says so (commit). */
#ifndef QV_CHANGE_COMPACT_PRIVATE_H
#define QV_CHANGE_COMPACT_PRIVATE_H

#include "change/change_private.h"
#include "index/index.h"

/* Options with the table's config (lance.compaction.*) and the defaults filled in. */
typedef struct qv__compact_policy {
    uint64_t target_rows, max_bytes_per_file;
    double max_deleted_share;
    bool spares_large; /* see compact_plan.c */
    bool defer_index_remap, no_binary_copy;
} qv__compact_policy;
qv_status qv__compact_policy_of(const qv__snapshot *base, const qv_compact_options *options, qv__compact_policy *out,
                                qv_error *err);

/* Neighbouring fragments that become new ones together. */
typedef struct qv__rewrite_task {
    uint64_t read_version;
    size_t n;
    uint64_t *fragments; /* ids, ascending */
} qv__rewrite_task;
typedef struct qv__rewrite_tasks {
    size_t n, capacity;
    qv__rewrite_task *items;
} qv__rewrite_tasks;
void qv__compact_tasks_clear(qv__rewrite_tasks *tasks);
qv_status qv__compact_make_plan(qv__snapshot *base, const qv__compact_policy *policy, qv__rewrite_tasks *out,
                                qv_error *err);

/* A task that was done: its new files lie there, and no version names them yet. */
typedef struct qv__rewritten {
    qv__rewrite_task task;
    qv__new_fragments fragments;
} qv__rewritten;
void qv__compact_done_clear(qv__rewritten *done);
qv_status qv__compact_run_task(qv__store *table, qv__snapshot *base, const qv__rewrite_task *task,
                               const qv__compact_policy *policy, qv__job *job, qv__rewritten *out, qv_error *err);

/* Commits done tasks of one read version; `base` is the snapshot of it, `newest` a newer one or the same. The files of a failure
 * stay with the caller unless end->committed. */
typedef struct qv__rewrite_order {
    qv__store *table;
    qv__snapshot *base, *newest;
    const qv__compact_policy *policy;
    qv__rewritten *done;
    size_t n;
    qv__job *job;
} qv__rewrite_order;
qv_status qv__compact_commit_run(const qv__rewrite_order *commit, qv_compact_result *result, qv__snapshot **out,
                                 qv__commit_end *end, qv_error *err);

/* The live rows of a task's fragments, as places, and as matches. *out is the caller's. */
qv_status qv__compact_matches(qv__snapshot *base, const qv__rewrite_task *task, qv__matches *out, qv_error *err);
/* Position of a fragment by its id; QV_CONFLICT: it is not there any more. */
qv_status qv__compact_find(const qv__snapshot *base, uint64_t id, size_t *out, qv_error *err);

/* Pages of all the task's fragments as they lie, one file after the other; *done false: they cannot be taken so. */
qv_status qv__compact_copy(qv__store *table, qv__snapshot *base, const qv__rewrite_task *task,
                           const qv__compact_policy *policy, qv__job *job, qv__new_fragments *out, bool *done,
                           qv_error *err);

/* The packed entry of the fragment reuse index, with these groups after those that `base` has. */
qv_status qv__compact_reuse_entry(qv__store *table, qv__snapshot *base, const qv__rewritten *done, size_t n,
                                  qv__buffer *out, qv_error *err);
/* Does the table have such an entry already? Then what moves is told there, too. */
qv_status qv__compact_has_reuse(qv__snapshot *base, bool *out, qv_error *err);

/* Tasks and done tasks as JSON objects. */
qv_status qv__compact_task_print(const qv__rewrite_task *task, qv__buffer *out, qv_error *err);
qv_status qv__compact_task_parse(const char *text, qv__rewrite_task *out, qv_error *err);
qv_status qv__compact_done_print(const qv__rewritten *done, qv__buffer *out, qv_error *err);
qv_status qv__compact_done_parse(const char *text, qv__rewritten *out, qv_error *err);
void qv__compact_task_clear(qv__rewrite_task *task);

#endif
