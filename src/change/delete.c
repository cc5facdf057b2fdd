/* Deleting rows: the rows that a condition names, as one deletion vector per fragment. */
#include "change/change_private.h"

typedef struct deletion {
    qv__store *table;
    const char *where;
    qv__job *job;
    uint64_t rows_deleted;
} deletion;

static qv_status attempt(void *ctx, qv__snapshot *base, qv__snapshot **out, qv__commit_end *end, qv_error *err)
{
    deletion *d = ctx;
    qv_status st = QV_OK;
    qv__program *condition = NULL;
    qv__matches matches = { 0 };
    qv__row_deletion *deletions = NULL;
    qv__change change = { .operation = QV_OP_DELETE, .predicate = d->where };

    QV_CHECK(qv__condition_compile(base, d->where, &condition, err));
    QV_CHECK(qv__match_rows(base, condition, false, d->job, &matches, err));
    QV_CHECK(qv__matches_deletions(base, &matches, &deletions, &change.n_deletions, err));
    change.deletions = deletions;
    QV_CHECK(qv__commit(d->table, base, &change, d->job, out, end, err));
    d->rows_deleted = matches.n_rows;
done:
    qv__free(deletions);
    qv__matches_clear(&matches);
    qv__program_unref(condition);
    return st;
}

qv_status qv__delete(qv__store *table, qv__snapshot *base, const char *where, const qv_job *options,
                     qv_delete_result *result, qv__snapshot **out, qv_error *err)
{
    qv__job job;
    deletion d = { table, where, &job, 0 };

    qv__job_begin(&job, options, "delete", 0);
    qv_status st = qv__attempts(base, &job, attempt, &d, NULL, out, err);
    qv__job_end(&job, st);
    if (st == QV_OK && result)
        *result = (qv_delete_result){ qv__snapshot_version(*out), d.rows_deleted };
    return st;
}
