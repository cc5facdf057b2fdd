/* Updating rows: each row that the condition names is written whole, with its new values, to the end of the table, and deleted
 * where it was. The new values are expressions of one scan, so columns that are replaced are read only where an expression needs
 * them. */
#include <string.h>

#include "arrow/compute/conform.h"
#include "change/change_private.h"

typedef struct update {
    qv__store *table;
    const char *where; /* NULL: all rows */
    const qv_assignment *assignments;
    size_t n_assignments;
    qv__job *job;
    uint64_t rows_updated;
} update;

/* ------------------------------------------------------------------ what is assigned */

static qv_status check_column(const qv__snapshot *base, const char *column, qv_error *err)
{
    if (!column || !*column)
        return qv__fail(err, QV_INVALID, "an assignment without a column name");
    if (qv__schema_find(qv__snapshot_schema(base), column) >= 0)
        return QV_OK;
    if (strchr(column, '.'))
        return qv__fail(err, QV_UNSUPPORTED, "Nested column references are not yet supported. Referenced: %.200s",
                        column);
    return qv__fail(err, QV_INVALID, "Column '%.200s' does not exist in dataset schema", column);
}

/* With an enforced key a new value could be another row's. */
static qv_status check_key(qv__snapshot *base, const qv_assignment *assignments, size_t n, qv_error *err)
{
    const qv__field **key = NULL;
    size_t n_key = 0;
    bool enforced = false;
    qv_status st = qv__snapshot_primary_key(base, &key, &n_key, &enforced, err);

    for (size_t k = 0; st == QV_OK && enforced && k < n_key; k++)
        for (size_t i = 0; i < n && st == QV_OK; i++)
            if (strcmp(key[k]->name, assignments[i].column) == 0)
                st = qv__fail(err, QV_INVALID,
                              "column '%.200s' is part of the enforced primary key and cannot be updated",
                              assignments[i].column);
    qv__free(key);
    return st;
}

static qv_status check_assignments(qv__snapshot *base, const qv_assignment *assignments, size_t n, qv_error *err)
{
    if (n == 0)
        return qv__fail(err, QV_INVALID, "at least one column must be specified in an update operation");
    for (size_t i = 0; i < n; i++) {
        QV_TRY(check_column(base, assignments[i].column, err));
        if (!assignments[i].expression)
            return qv__fail(err, QV_INVALID, "column '%.200s' is assigned no expression", assignments[i].column);
        for (size_t j = 0; j < i; j++)
            if (strcmp(assignments[i].column, assignments[j].column) == 0)
                return qv__fail(err, QV_INVALID, "column '%.200s' is assigned twice", assignments[i].column);
    }
    return check_key(base, assignments, n, err);
}

static qv_status changed_fields(const update *u, const qv__snapshot *base, int32_t **ids, size_t *n, qv_error *err)
{
    const qv__schema *stored = qv__snapshot_stored_schema(base);
    size_t capacity = 0;

    for (size_t i = 0; i < u->n_assignments; i++) {
        ptrdiff_t at = qv__schema_find(stored, u->assignments[i].column);
        QV_TRY(qv__collect_ids(&stored->fields[at], ids, n, &capacity, err));
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ the new rows */

/* The chosen rows with their new values, cast to the columns' types. */
static qv_status open_rows(const update *u, qv__snapshot *base, const qv__matches *matches, qv__stream **out,
                           qv_error *err)
{
    const qv__schema *schema = qv__snapshot_schema(base);
    qv_status st = QV_OK;
    qv_scan_options options = qv__part_scan(u->job);
    const char **columns = NULL, **expressions = NULL;
    qv__stream *scan = NULL;

    QV_CHECK(QV_NEW(&columns, schema->n_fields, err));
    QV_CHECK(QV_NEW(&expressions, schema->n_fields, err));
    for (size_t i = 0; i < schema->n_fields; i++)
        columns[i] = schema->fields[i].name;
    for (size_t i = 0; i < u->n_assignments; i++)
        expressions[qv__schema_find(schema, u->assignments[i].column)] = u->assignments[i].expression;
    options.columns = columns;
    options.expressions = expressions;
    options.n_columns = schema->n_fields;
    QV_CHECK(qv__scan_matches(base, matches, &options, &scan, err));
    QV_CHECK(qv__stream_conform(scan, schema, QV_CAST_SQL, out, err));
done:
    qv__free(columns);
    qv__free(expressions);
    return st;
}

static qv_status write_rows(const update *u, qv__snapshot *base, const qv__matches *matches, qv__new_fragments *out,
                            qv_error *err)
{
    qv_status st = QV_OK;
    qv__stream *rows = NULL;
    qv__place *places = NULL;
    qv__write_rows options = { .job = u->job };

    QV_CHECK(open_rows(u, base, matches, &rows, err));
    if (matches->n_rows == 0) /* the expressions are checked all the same */
        goto done;
    QV_CHECK(qv__write_fragments(u->table, base, rows, &options, out, err));
    if (qv__snapshot_has_stable_row_ids(base)) {
        QV_CHECK(qv__matches_places(matches, &places, err));
        QV_CHECK(qv__carry_lineage(base, places, matches->n_rows, out, err));
    }
done:
    qv__free(places);
    qv__stream_free(rows);
    return st;
}

/* ------------------------------------------------------------------ the change */

static qv_status attempt(void *ctx, qv__snapshot *base, qv__snapshot **out, qv__commit_end *end, qv_error *err)
{
    update *u = ctx;
    qv_status st = QV_OK;
    qv__program *condition = NULL;
    qv__matches matches = { 0 };
    qv__new_fragments fragments = { 0 };
    qv__row_deletion *deletions = NULL;
    int32_t *changed = NULL;
    qv__change change = { .operation = QV_OP_UPDATE, .fragments = &fragments };

    QV_CHECK(check_assignments(base, u->assignments, u->n_assignments, err));
    QV_CHECK(changed_fields(u, base, &changed, &change.n_fields_modified, err));
    if (u->where)
        QV_CHECK(qv__condition_compile(base, u->where, &condition, err));
    QV_CHECK(qv__match_rows(base, condition, false, u->job, &matches, err));
    QV_CHECK(write_rows(u, base, &matches, &fragments, err));
    QV_CHECK(qv__matches_deletions(base, &matches, &deletions, &change.n_deletions, err));
    change.deletions = deletions;
    change.fields_modified = changed;
    QV_CHECK(qv__commit(u->table, base, &change, u->job, out, end, err));
    u->rows_updated = matches.n_rows;
done:
    if (st != QV_OK && !end->committed)
        qv__new_fragments_discard(u->table, &fragments);
    qv__new_fragments_clear(&fragments);
    qv__free(changed);
    qv__free(deletions);
    qv__matches_clear(&matches);
    qv__program_unref(condition);
    return st;
}

qv_status qv__update(qv__store *table, qv__snapshot *base, const char *where, const qv_assignment *assignments,
                     size_t n, const qv_job *options, qv_update_result *result, qv__snapshot **out, qv_error *err)
{
    qv__job job;
    update u = { table, where, assignments, n, &job, 0 };

    qv__job_begin(&job, options, "update", 0);
    qv_status st = qv__attempts(base, &job, attempt, &u, NULL, out, err);
    qv__job_end(&job, st);
    if (st == QV_OK && result)
        *result = (qv_update_result){ qv__snapshot_version(*out), u.rows_updated };
    return st;
}
