/* Changes of a table's rows, columns and layout, each worked out on a snapshot and committed as one version. When another writer
 * took the rows away meanwhile, the change is worked out anew on the newest version (20 attempts, 30 s). */
#ifndef QV_CHANGE_CHANGE_H
#define QV_CHANGE_CHANGE_H

#include "query/query.h"
#include "table/change.h"

/* `base` is the newest snapshot that the handle knows; *out the snapshot of the new version. Options are full-sized copies. */
qv_status qv__delete(qv__store *table, qv__snapshot *base, const char *where, const qv_job *job,
                     qv_delete_result *result, qv__snapshot **out, qv_error *err);
qv_status qv__update(qv__store *table, qv__snapshot *base, const char *where, const qv_assignment *assignments,
                     size_t n, const qv_job *job, qv_update_result *result, qv__snapshot **out, qv_error *err);
/* `source` is borrowed, and read to its end. */
qv_status qv__merge(qv__store *table, qv__snapshot *base, qv__stream *source, const qv_merge_options *options,
                    qv_merge_result *result, qv__snapshot **out, qv_error *err);
/* An append under an enforced primary key: QV_INVALID names a key that is there already, or comes twice. `source` as above. */
qv_status qv__append_by_key(qv__store *table, qv__snapshot *base, qv__stream *source, const qv__write_rows *write,
                            qv_write_result *result, qv__snapshot **out, qv_error *err);

/* ------------------------------------------------------------------ columns */

/* May a top-level column have this name? QV_INVALID: a dot in it, or reserved. */
qv_status qv__column_name_check(const char *name, qv_error *err);
qv_status qv__add_columns(qv__store *table, qv__snapshot *base, const qv_assignment *columns, size_t n,
                          const qv_job *job, qv__snapshot **out, qv_error *err);
qv_status qv__add_null_columns(qv__store *table, qv__snapshot *base, const qv__schema *columns, const qv_job *job,
                               qv__snapshot **out, qv_error *err);
/* Gives the values of the new columns (a struct array of `schema`'s type) for a batch of the table's `columns`. */
typedef qv_status (*qv__column_maker)(void *ctx, const qv__array *batch, qv__array **out, qv_error *err);
qv_status qv__add_made_columns(qv__store *table, qv__snapshot *base, const qv__schema *schema,
                               const char *const *columns, size_t n_columns, uint32_t batch_rows, qv__column_maker make,
                               void *ctx, const qv_job *job, qv__snapshot **out, qv_error *err);
typedef struct qv__column_change {
    const char *path, *rename; /* rename NULL: keep */
    const qv__type *type;      /* NULL: keep */
    int nullable;              /* -1: keep */
} qv__column_change;
qv_status qv__alter_columns(qv__store *table, qv__snapshot *base, const qv__column_change *changes, size_t n,
                            const qv_job *job, qv__snapshot **out, qv_error *err);
qv_status qv__drop_columns(qv__store *table, qv__snapshot *base, const char *const *columns, size_t n,
                           qv__snapshot **out, qv_error *err);

/* ------------------------------------------------------------------ layout */

qv_status qv__compact(qv__store *table, qv__snapshot *base, const qv_compact_options *options,
                      qv_compact_result *result, qv__snapshot **out, qv_error *err); /* *out NULL: nothing to do */
/* Plan, task and its result as JSON texts. */
qv_status qv__compact_plan(qv__snapshot *base, const qv_compact_options *options, qv__buffer *plan, qv_error *err);
qv_status qv__compact_task(qv__store *table, qv__snapshot *base, const char *task, const qv_compact_options *options,
                           qv__buffer *result, qv_error *err);
qv_status qv__compact_commit(qv__store *table, qv__snapshot *base, const char *const *results, size_t n,
                             const qv_compact_options *options, qv_compact_result *result, qv__snapshot **out,
                             qv_error *err);

#endif
