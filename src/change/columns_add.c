/* Adding columns: computed from expressions or by the caller, in one new file per fragment, or null everywhere, in no file at all. */
#include <string.h>

#include "change/columns_private.h"
#include "file/lance_schema.h"

typedef struct adding {
    qv__store *table;
    qv__job *job;
    const qv_assignment *expressions; /* or */
    size_t n_expressions;
    const qv__schema *nulls; /* or */
    const qv__schema *made;
    const char *const *columns;
    size_t n_columns;
    uint32_t batch_rows;
    qv__column_maker make;
    void *ctx;
} adding;

/* ------------------------------------------------------------------ schemas */

static qv_status check_new(const qv__snapshot *base, const char *name, qv_error *err)
{
    if (!name || !*name)
        return qv__fail(err, QV_INVALID, "a column needs a name");
    QV_TRY(qv__column_name_check(name, err));
    if (qv__schema_find(qv__snapshot_schema(base), name) >= 0)
        return qv__fail(err, QV_INVALID, "Column %s already exists in the dataset", name);
    return QV_OK;
}

static bool all_nullable(const qv__schema *schema)
{
    for (size_t i = 0; i < schema->n_fields; i++)
        if (!schema->fields[i].nullable)
            return false;
    return true;
}

/* The table's stored schema with the new fields at its end, and the new fields alone; both with ids. */
static qv_status extend(qv__snapshot *base, const qv__schema *shown, qv__schema **whole, qv__schema **added,
                        qv_error *err)
{
    const qv__schema *stored = qv__snapshot_stored_schema(base);
    qv_status st = QV_OK;
    qv__file_version version;
    qv__field *fields = NULL; /* the table's are shallow: qv__schema_new copies */
    size_t had = stored->n_fields, n = had;
    int32_t next;

    QV_CHECK(qv__version_of_snapshot(base, &version, err));
    QV_CHECK(qv__snapshot_next_field_id(base, &next, err));
    QV_CHECK(QV_NEW(&fields, had + shown->n_fields + 1, err));
    memcpy(fields, stored->fields, had * sizeof *fields);
    for (size_t i = 0; i < shown->n_fields; i++) {
        QV_CHECK(check_new(base, shown->fields[i].name, err));
        QV_CHECK(qv__field_for_files(&shown->fields[i], version, &fields[n], err));
        n++;
    }
    QV_CHECK(qv__schema_new(fields, n, &stored->metadata, whole, err));
    QV_CHECK(qv__schema_check_names(*whole, err));
    QV_CHECK(qv__schema_assign_ids(*whole, &next, err));
    QV_CHECK(qv__schema_new((*whole)->fields + had, n - had, NULL, added, err));
done:
    for (size_t i = had; fields && i < n; i++)
        qv__field_clear(&fields[i]);
    qv__free(fields);
    return st;
}

/* ------------------------------------------------------------------ values */

typedef struct made_stream { /* batches of the scan through the caller's function */
    qv__stream stream;
    qv__stream *scan;
    const adding *a;
} made_stream;

static qv_status made_next(qv__stream *stream, qv__array **out, qv_error *err)
{
    made_stream *s = (made_stream *) stream;
    qv__array *batch = NULL, *made = NULL;

    *out = NULL;
    QV_TRY(s->scan->next(s->scan, &batch, err));
    if (!batch)
        return QV_OK;
    qv_status st = s->a->make(s->a->ctx, batch, &made, err);
    if (st == QV_OK && (made->length != batch->length || made->n_children != stream->schema->n_fields ||
                        !qv__type_equal(made->type, stream->schema->type)))
        st = qv__fail(err, QV_INVALID, "computed columns: %lld rows of %zu columns for %lld rows of %zu columns",
                      (long long) made->length, made->n_children, (long long) batch->length, stream->schema->n_fields);
    qv__array_unref(batch);
    if (st != QV_OK)
        qv__array_unref(made);
    else
        *out = made;
    return st;
}

static void made_destroy(qv__stream *stream)
{
    made_stream *s = (made_stream *) stream;

    qv__stream_free(s->scan);
    qv__schema_unref(stream->schema);
    qv__free(s);
}

static qv_status open_made(const adding *a, qv__snapshot *base, qv__stream **out, qv_error *err)
{
    qv_scan_options options = qv__part_scan(a->job);
    made_stream *s = NULL;

    options.columns = a->columns;
    options.n_columns = a->n_columns;
    options.batch_rows = a->batch_rows;
    QV_TRY(QV_NEW(&s, 1, err));
    s->stream = (qv__stream){ qv__schema_ref(a->made), made_next, made_destroy };
    s->a = a;
    qv_status st = qv__scan(base, &options, &s->scan, err);
    if (st == QV_OK)
        *out = &s->stream;
    else
        made_destroy(&s->stream);
    return st;
}

static qv_status open_expressions(const adding *a, qv__snapshot *base, qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv_scan_options options = qv__part_scan(a->job);
    const char **names = NULL, **expressions = NULL;

    QV_CHECK(QV_NEW(&names, QV_MAX(a->n_expressions, 1), err));
    QV_CHECK(QV_NEW(&expressions, QV_MAX(a->n_expressions, 1), err));
    for (size_t i = 0; i < a->n_expressions; i++) {
        QV_CHECK(check_new(base, a->expressions[i].column, err));
        if (!a->expressions[i].expression)
            QV_CHECK(qv__fail(err, QV_INVALID, "column %s has no expression", a->expressions[i].column));
        names[i] = a->expressions[i].column;
        expressions[i] = a->expressions[i].expression;
    }
    options.columns = names;
    options.expressions = expressions;
    options.n_columns = a->n_expressions;
    QV_CHECK(qv__scan(base, &options, out, err));
done:
    qv__free(names);
    qv__free(expressions);
    return st;
}

/* ------------------------------------------------------------------ the change */

static qv_status attempt(void *ctx, qv__snapshot *base, qv__snapshot **out, qv__commit_end *end, qv_error *err)
{
    const adding *a = ctx;
    qv_status st = QV_OK;
    qv__stream *rows = NULL;
    qv__schema *whole = NULL, *added = NULL;
    qv__column_file *files = NULL;
    qv__change change = { .operation = QV_OP_MERGE };

    if (a->made)
        QV_CHECK(open_made(a, base, &rows, err));
    else if (!a->nulls)
        QV_CHECK(open_expressions(a, base, &rows, err));
    QV_CHECK(extend(base, rows ? rows->schema : a->nulls, &whole, &added, err));
    if (rows && added->n_fields > 0)
        QV_CHECK(qv__write_new_columns(a->table, base, added, rows, a->job, &files, &change.n_column_files, err));
    change.stored = whole;
    change.column_files = files;
    change.preserves_nullability = all_nullable(added);
    QV_CHECK(qv__commit(a->table, base, &change, a->job, out, end, err));
done:
    qv__column_files_free(a->table, files, change.n_column_files, st != QV_OK && !end->committed);
    qv__stream_free(rows);
    qv__schema_unref(whole);
    qv__schema_unref(added);
    return st;
}

static qv_status run(adding *a, qv__snapshot *base, const qv_job *options, qv__snapshot **out, qv_error *err)
{
    qv__job job;

    qv__job_begin(&job, options, "add columns", 0);
    a->job = &job;
    qv_status st = qv__attempts(base, &job, attempt, a, NULL, out, err);
    qv__job_end(&job, st);
    return st;
}

qv_status qv__add_columns(qv__store *table, qv__snapshot *base, const qv_assignment *columns, size_t n,
                          const qv_job *job, qv__snapshot **out, qv_error *err)
{
    adding a = { .table = table, .expressions = columns, .n_expressions = n };
    return run(&a, base, job, out, err);
}

qv_status qv__add_null_columns(qv__store *table, qv__snapshot *base, const qv__schema *columns, const qv_job *job,
                               qv__snapshot **out, qv_error *err)
{
    adding a = { .table = table, .nulls = columns };

    for (size_t i = 0; i < columns->n_fields; i++)
        if (!columns->fields[i].nullable)
            return qv__fail(err, QV_INVALID, "All-null columns must be nullable, but field '%.200s' is not.",
                            columns->fields[i].name);
    return run(&a, base, job, out, err);
}

qv_status qv__add_made_columns(qv__store *table, qv__snapshot *base, const qv__schema *schema,
                               const char *const *columns, size_t n_columns, uint32_t batch_rows, qv__column_maker make,
                               void *ctx, const qv_job *job, qv__snapshot **out, qv_error *err)
{
    adding a = { .table = table,
                 .made = schema,
                 .columns = columns,
                 .n_columns = n_columns,
                 .batch_rows = batch_rows,
                 .make = make,
                 .ctx = ctx };
    return run(&a, base, job, out, err);
}
