/* Altering and dropping columns. Names and nullability are facts of the schema: nothing is written for them. A new type means new
 * values under a new field id, in files of these fields alone; the old values stay in the old files, and nobody asks for them. */
#include <string.h>

#include "arrow/compute/compute.h"
#include "change/columns_private.h"
#include "file/lance_schema.h"

typedef struct altering {
    qv__store *table;
    qv__job *job;
    const qv__column_change *changes;
    size_t n_changes;
} altering;

/* ------------------------------------------------------------------ what is asked for */

static qv__field_edit *edit_of(qv__field_edits *edits, int32_t id)
{
    for (size_t i = 0; i < edits->n; i++)
        if (edits->items[i].id == id)
            return &edits->items[i];
    edits->items[edits->n] = (qv__field_edit){ .id = id, .nullable = -1 };
    return &edits->items[edits->n++];
}

static qv_status check_rename(const qv__schema *schema, const qv__field *field, const char *name, qv_error *err)
{
    bool is_top = field >= schema->fields && field < schema->fields + schema->n_fields;

    if (!*name)
        return qv__fail(err, QV_INVALID, "a column needs a name");
    return is_top ? qv__column_name_check(name, err) : QV_OK;
}

static qv_status check_cast(const qv__field *field, const char *path, const qv__type *to, qv_error *err)
{
    char have[128], want[128];

    if (qv__cast_possible(field->type, to))
        return QV_OK;
    return qv__fail(err, QV_INVALID, "Cannot cast column \"%.200s\" from %s to %s", path,
                    qv__type_print(field->type, have, sizeof have), qv__type_print(to, want, sizeof want));
}

static qv_status add_change(const qv__schema *schema, const qv__column_change *change, qv__field_edits *edits,
                            qv_error *err)
{
    if (!change->path)
        return qv__fail(err, QV_INVALID, "Missing path");
    const qv__field *field = qv__find_editable(schema, change->path);
    if (!field)
        return qv__fail(err, QV_INVALID, "Column \"%.200s\" does not exist in the dataset", change->path);
    qv__field_edit *edit = edit_of(edits, field->id);
    if (change->rename) {
        QV_TRY(check_rename(schema, field, change->rename, err));
        edit->rename = change->rename;
    }
    if (change->type && !qv__type_equal(change->type, field->type)) {
        QV_TRY(check_cast(field, change->path, change->type, err));
        edit->type = change->type;
    }
    if (change->nullable >= 0 && field->nullable != !!change->nullable)
        edit->nullable = !!change->nullable;
    return QV_OK;
}

/* A cast of a struct and one inside it would both write the inner field. */
static qv_status check_nesting(const qv__field *field, const qv__field_edits *edits, bool inside, qv_error *err)
{
    const qv__field_edit *edit = qv__edits_find(edits, field->id);

    if (inside && edit)
        return qv__fail(err, QV_INVALID, "field \"%.200s\" is altered together with the type of a column around it",
                        field->name);
    for (size_t i = 0; i < field->type->n_children; i++)
        QV_TRY(check_nesting(&field->type->children[i], edits, inside || (edit && edit->type), err));
    return QV_OK;
}

static qv_status make_edits(const altering *a, const qv__schema *schema, qv__field_edits *edits, qv_error *err)
{
    QV_TRY(QV_NEW(&edits->items, QV_MAX(a->n_changes, 1), err));
    for (size_t i = 0; i < a->n_changes; i++)
        QV_TRY(add_change(schema, &a->changes[i], edits, err));
    for (size_t i = 0; i < schema->n_fields; i++)
        QV_TRY(check_nesting(&schema->fields[i], edits, false, err));
    return QV_OK;
}

static bool has_casts(const qv__field_edits *edits)
{
    for (size_t i = 0; i < edits->n; i++)
        if (edits->items[i].type)
            return true;
    return false;
}

static bool tightens(const qv__field_edits *edits)
{
    for (size_t i = 0; i < edits->n; i++)
        if (edits->items[i].nullable == 0)
            return true;
    return false;
}

/* ------------------------------------------------------------------ nullability */

static qv_status refuse_nulls(const altering *a, qv__snapshot *base, const char *path, qv_error *err)
{
    qv_status st = QV_OK;
    qv_scan_options options = qv__part_scan(a->job);
    qv__stream *rows = NULL;
    qv__array *batch = NULL;
    int64_t nulls = 0;

    options.columns = &path;
    options.n_columns = 1;
    QV_CHECK(qv__scan(base, &options, &rows, err));
    for (;;) {
        QV_CHECK(rows->next(rows, &batch, err));
        if (!batch)
            break;
        nulls = batch->children[0]->null_count;
        qv__array_unref(batch);
        batch = NULL;
        if (nulls)
            QV_CHECK(qv__fail(err, QV_INVALID, "Column \"%.200s\" contains NULL values and cannot be made non-nullable",
                              path));
        QV_CHECK(qv__job_tick(a->job, 0, 0, err));
    }
done:
    qv__array_unref(batch);
    qv__stream_free(rows);
    return st;
}

static qv_status check_nulls(const altering *a, qv__snapshot *base, const qv__field_edits *edits, qv_error *err)
{
    for (size_t i = 0; i < a->n_changes; i++) {
        const qv__field *field = qv__find_editable(qv__snapshot_schema(base), a->changes[i].path);
        const qv__field_edit *edit = qv__edits_find(edits, field->id);
        if (a->changes[i].nullable == 0 && edit->nullable == 0)
            QV_TRY(refuse_nulls(a, base, a->changes[i].path, err));
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ casts */

typedef struct casting { /* whole columns in, cut and cast ones out */
    qv__stream stream;
    qv__stream *scan;
    const qv__schema *before;
    const qv__field_edits *edits;
} casting;

static qv_status casting_next(qv__stream *stream, qv__array **out, qv_error *err)
{
    casting *c = (casting *) stream;
    qv_status st = QV_OK;
    size_t n = stream->schema->n_fields;
    qv__array *batch = NULL, *column = NULL, **columns = NULL;

    *out = NULL;
    QV_CHECK(c->scan->next(c->scan, &batch, err));
    if (!batch)
        goto done;
    QV_CHECK(QV_NEW(&columns, QV_MAX(n, 1), err));
    for (size_t i = 0; i < n; i++) {
        const qv__field *before = &c->before->fields[qv__schema_find(c->before, c->scan->schema->fields[i].name)];
        QV_CHECK(qv__array_slice(batch->children[i], batch->offset, batch->length, &column, err));
        QV_CHECK(qv__cast_column(column, before, &stream->schema->fields[i], c->edits, &columns[i], err));
        qv__array_unref(column);
        column = NULL;
    }
    QV_CHECK(qv__batch_new(stream->schema, columns, batch->length, out, err));
done:
    for (size_t i = 0; columns && i < n; i++)
        qv__array_unref(columns[i]);
    qv__free(columns);
    qv__array_unref(column);
    qv__array_unref(batch);
    return st;
}

static void casting_destroy(qv__stream *stream)
{
    casting *c = (casting *) stream;

    qv__stream_free(c->scan);
    qv__schema_unref(stream->schema);
    qv__free(c);
}

/* The columns that have casts, whole, by their old names. */
static qv_status open_scan(const altering *a, qv__snapshot *base, const qv__schema *edited, const qv__schema *casts,
                           qv__stream **out, qv_error *err)
{
    const qv__schema *before = qv__snapshot_schema(base);
    qv_scan_options options = qv__part_scan(a->job);
    const char **names = NULL;

    QV_TRY(QV_NEW(&names, QV_MAX(casts->n_fields, 1), err));
    for (size_t i = 0; i < casts->n_fields; i++)
        names[i] = before->fields[qv__schema_find(edited, casts->fields[i].name)].name;
    options.columns = names;
    options.n_columns = casts->n_fields;
    qv_status st = qv__scan(base, &options, out, err);
    qv__free(names);
    return st;
}

static qv_status open_casts(const altering *a, qv__snapshot *base, const qv__field_edits *edits, qv__stream **out,
                            qv_error *err)
{
    const qv__schema *before = qv__snapshot_schema(base);
    qv_status st = QV_OK;
    qv__schema *edited = NULL, *casts = NULL;
    casting *c = NULL;

    QV_CHECK(qv__schema_edit(before, edits, false, (qv__file_version){ 0 }, &edited, err));
    QV_CHECK(qv__schema_casts(edited, before, edits, &casts, err));
    QV_CHECK(QV_NEW(&c, 1, err));
    c->stream = (qv__stream){ qv__schema_ref(casts), casting_next, casting_destroy };
    c->before = before;
    c->edits = edits;
    QV_CHECK(open_scan(a, base, edited, casts, &c->scan, err));
    *out = &c->stream;
    c = NULL;
done:
    if (c)
        casting_destroy(&c->stream);
    qv__schema_unref(edited);
    qv__schema_unref(casts);
    return st;
}

static qv_status write_casts(const altering *a, qv__snapshot *base, const qv__schema *stored,
                             const qv__field_edits *edits, qv__column_file **files, size_t *n, qv_error *err)
{
    qv_status st = QV_OK;
    qv__schema *casts = NULL;
    qv__stream *rows = NULL;

    QV_CHECK(qv__schema_casts(stored, qv__snapshot_stored_schema(base), edits, &casts, err));
    QV_CHECK(open_casts(a, base, edits, &rows, err));
    QV_CHECK(qv__write_new_columns(a->table, base, casts, rows, a->job, files, n, err));
done:
    qv__stream_free(rows);
    qv__schema_unref(casts);
    return st;
}

/* ------------------------------------------------------------------ altering */

static qv_status edited_schema(qv__snapshot *base, const qv__field_edits *edits, qv__schema **out, qv_error *err)
{
    qv__file_version version;
    int32_t next;

    QV_TRY(qv__version_of_snapshot(base, &version, err));
    QV_TRY(qv__snapshot_next_field_id(base, &next, err));
    QV_TRY(qv__schema_edit(qv__snapshot_stored_schema(base), edits, true, version, out, err));
    QV_TRY(qv__schema_check_names(*out, err));
    return qv__schema_assign_ids(*out, &next, err);
}

static qv_status attempt_alter(void *ctx, qv__snapshot *base, qv__snapshot **out, qv__commit_end *end, qv_error *err)
{
    const altering *a = ctx;
    qv_status st = QV_OK;
    qv__field_edits edits = { 0 };
    qv__schema *stored = NULL;
    qv__column_file *files = NULL;
    qv__change change = { .operation = QV_OP_PROJECT };

    QV_CHECK(make_edits(a, qv__snapshot_schema(base), &edits, err));
    QV_CHECK(edited_schema(base, &edits, &stored, err));
    QV_CHECK(check_nulls(a, base, &edits, err));
    if (has_casts(&edits)) {
        change.operation = QV_OP_MERGE;
        QV_CHECK(write_casts(a, base, stored, &edits, &files, &change.n_column_files, err));
    }
    change.stored = stored;
    change.column_files = files;
    change.preserves_nullability = !tightens(&edits);
    QV_CHECK(qv__commit(a->table, base, &change, a->job, out, end, err));
done:
    qv__column_files_free(a->table, files, change.n_column_files, st != QV_OK && !end->committed);
    qv__schema_unref(stored);
    qv__free(edits.items);
    return st;
}

qv_status qv__alter_columns(qv__store *table, qv__snapshot *base, const qv__column_change *changes, size_t n,
                            const qv_job *options, qv__snapshot **out, qv_error *err)
{
    qv__job job;
    altering a = { table, &job, changes, n };

    qv__job_begin(&job, options, "alter columns", 0);
    qv_status st = qv__attempts(base, &job, attempt_alter, &a, NULL, out, err);
    qv__job_end(&job, st);
    return st;
}

/* ------------------------------------------------------------------ dropping */

typedef struct dropping {
    qv__store *table;
    qv__job *job;
    const char *const *columns;
    size_t n;
} dropping;

static qv_status drop_edits(const dropping *d, const qv__schema *schema, qv__field_edits *edits, qv_error *err)
{
    QV_TRY(QV_NEW(&edits->items, QV_MAX(d->n, 1), err));
    for (size_t i = 0; i < d->n; i++) {
        const qv__field *field = qv__find_editable(schema, d->columns[i]);
        if (!field)
            return qv__fail(err, QV_INVALID, "Column %.200s does not exist in the dataset",
                            d->columns[i] ? d->columns[i] : "");
        edit_of(edits, field->id)->drop = true;
    }
    return QV_OK;
}

static qv_status keep_key(qv__snapshot *base, const qv__field_edits *edits, qv_error *err)
{
    const qv__field **key = NULL;
    size_t n = 0;
    bool enforced = false;
    qv_status st = qv__snapshot_primary_key(base, &key, &n, &enforced, err);

    for (size_t i = 0; st == QV_OK && enforced && i < n; i++)
        if (qv__edits_find(edits, key[i]->id))
            st = qv__fail(err, QV_INVALID, "column '%.200s' is part of the enforced primary key and cannot be dropped",
                          key[i]->name);
    qv__free(key);
    return st;
}

static qv_status attempt_drop(void *ctx, qv__snapshot *base, qv__snapshot **out, qv__commit_end *end, qv_error *err)
{
    const dropping *d = ctx;
    qv_status st = QV_OK;
    qv__field_edits edits = { 0 };
    qv__schema *stored = NULL;
    qv__change change = { .operation = QV_OP_PROJECT, .preserves_nullability = true };

    QV_CHECK(drop_edits(d, qv__snapshot_schema(base), &edits, err));
    QV_CHECK(keep_key(base, &edits, err));
    QV_CHECK(qv__schema_edit(qv__snapshot_stored_schema(base), &edits, false, (qv__file_version){ 0 }, &stored, err));
    if (stored->n_fields == 0)
        QV_CHECK(qv__fail(err, QV_INVALID, "Cannot drop all columns from a dataset"));
    change.stored = stored;
    QV_CHECK(qv__commit(d->table, base, &change, d->job, out, end, err));
done:
    qv__schema_unref(stored);
    qv__free(edits.items);
    return st;
}

qv_status qv__drop_columns(qv__store *table, qv__snapshot *base, const char *const *columns, size_t n,
                           qv__snapshot **out, qv_error *err)
{
    qv__job job;
    dropping d = { table, &job, columns, n };

    qv__job_begin(&job, NULL, "drop columns", 0);
    qv_status st = qv__attempts(base, &job, attempt_drop, &d, NULL, out, err);
    qv__job_end(&job, st);
    return st;
}
