/* Writing rows: a stream goes into data files of at most max_rows_per_file rows. Memory stays bounded by what the file writer
 * holds. The files become visible with the commit of the change that names them; one that fails leaves none behind. */
#include <inttypes.h>
#include <stdio.h>

#include "arrow/compute/compute.h"
#include "table/table_private.h"

#define DEFAULT_ROWS_PER_FILE  (UINT64_C(1) << 20)
#define MAX_ROWS_PER_FILE      (UINT64_C(1) << 32)
#define DEFAULT_BYTES_PER_FILE (UINT64_C(90) << 30)

typedef struct ingest {
    qv__store *table;
    qv__stream *data;
    qv__file_profile profile;
    qv__job *job;
    const qv__schema *target; /* what a batch's columns are held against: the stream's own fields, or the table's */
    size_t *columns;          /* column i of a batch is field columns[i] of the target */
    qv__schema *stored;       /* of the data files: the columns present, with ids */
    qv__file_version version;
    uint64_t max_rows, max_bytes;
    qv__file_writer *writer; /* of the file that is open */
    uint64_t rows_in_file;
    char name[QV_NAME_BYTES]; /* of the open file, below data/ */
    qv__new_fragments fragments;
    size_t capacity;
} ingest;

/* ------------------------------------------------------------------ new files */

static void data_path(const char *name, char out[QV_NAME_BYTES + 8])
{
    snprintf(out, QV_NAME_BYTES + 8, "data/%s", name);
}

static void remove_file(qv__store *table, const char *name)
{
    char path[QV_NAME_BYTES + 8];

    data_path(name, path);
    qv__store_delete(table, path, NULL);
    path[strlen(path) - sizeof ".lance" + 1] = 0; /* blobs lie in a folder beside it */
    qv__store_delete_tree(table, path, NULL);
}

void qv__new_file_clear(qv__new_file *file)
{
    qv__file_summary_clear(&file->summary);
    file->name[0] = 0;
}

void qv__new_file_discard(qv__store *table, qv__new_file *file)
{
    if (file->name[0])
        remove_file(table, file->name);
    qv__new_file_clear(file);
}

void qv__new_fragments_clear(qv__new_fragments *fragments)
{
    for (size_t i = 0; i < fragments->n; i++) {
        qv__new_file_clear(&fragments->items[i].file);
        qv__free(fragments->items[i].row_ids);
        qv__free(fragments->items[i].created);
        qv__free(fragments->items[i].updated);
    }
    qv__free(fragments->items);
    *fragments = (qv__new_fragments){ 0 };
}

void qv__new_fragments_discard(qv__store *table, qv__new_fragments *fragments)
{
    for (size_t i = 0; i < fragments->n; i++)
        remove_file(table, fragments->items[i].file.name);
    qv__new_fragments_clear(fragments);
}

/* ------------------------------------------------------------------ columns */

static qv_status match_column(const qv__field *given, const qv__schema *table, size_t *out, qv_error *err)
{
    char have[128], want[128];
    ptrdiff_t at = qv__schema_find(table, given->name);

    if (at < 0)
        return qv__fail(err, QV_SCHEMA, "the table has no column \"%.100s\"", given->name);
    if (!qv__type_equal(given->type, table->fields[at].type))
        return qv__fail(err, QV_SCHEMA, "column \"%.100s\" has type %s, the table has %s", given->name,
                        qv__type_print(given->type, have, sizeof have),
                        qv__type_print(table->fields[at].type, want, sizeof want));
    *out = (size_t) at;
    return QV_OK;
}

/* The table's fields that the stream brings, in the table's stored form and with its ids. */
static qv_status take_table_fields(ingest *in, const qv__schema *shown, const qv__schema *stored, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__schema *given = in->data->schema;
    qv__field *fields = NULL;
    bool *seen = NULL;

    QV_CHECK(QV_NEW(&fields, given->n_fields, err));
    QV_CHECK(QV_NEW(&seen, shown->n_fields, err));
    for (size_t i = 0; i < given->n_fields; i++) {
        QV_CHECK(match_column(&given->fields[i], shown, &in->columns[i], err));
        if (seen[in->columns[i]])
            QV_CHECK(qv__fail(err, QV_SCHEMA, "column \"%.100s\" occurs twice", given->fields[i].name));
        seen[in->columns[i]] = true;
        QV_CHECK(qv__check_blob_form(&stored->fields[in->columns[i]], in->version, err));
        fields[i] = stored->fields[in->columns[i]]; /* borrowed: qv__schema_new copies */
    }
    for (size_t i = 0; i < shown->n_fields; i++)
        if (!seen[i] && !shown->fields[i].nullable)
            QV_CHECK(
                qv__fail(err, QV_SCHEMA, "column \"%.100s\" is missing and may not be null", shown->fields[i].name));
    in->target = shown;
    QV_CHECK(qv__schema_new(fields, given->n_fields, NULL, &in->stored, err));
done:
    qv__free(seen);
    qv__free(fields);
    return st;
}

/* For new content the stream's own fields, numbered afresh. */
static qv_status take_own_fields(ingest *in, const qv__snapshot *base, qv_error *err)
{
    const Lance__Table__Manifest *head = base ? base->manifest->head : NULL;
    bool lasting = head && head->writer_feature_flags & QV_FLAG_LASTING_FIELD_IDS && head->has_max_allocated_field_id;

    in->target = in->data->schema;
    if (lasting && head->max_allocated_field_id == INT32_MAX)
        return qv__fail(err, QV_LIMIT, "the table has no field ids left");
    return qv__schema_for_files(in->data->schema, in->version, lasting ? head->max_allocated_field_id + 1 : 0,
                                &in->stored, err);
}

static qv_status begin(ingest *in, const char *format, qv_error *err)
{
    if (!qv__version_of_text(format, &in->version))
        return qv__fail(err, QV_UNSUPPORTED, "file version \"%.32s\"; known are 2.0, 2.1 and 2.2", format);
    in->max_rows = in->max_rows ? QV_MIN(in->max_rows, MAX_ROWS_PER_FILE) : DEFAULT_ROWS_PER_FILE;
    in->max_bytes = in->max_bytes ? in->max_bytes : DEFAULT_BYTES_PER_FILE;
    QV_TRY(QV_NEW(&in->columns, in->data->schema->n_fields, err));
    for (size_t i = 0; i < in->data->schema->n_fields; i++)
        in->columns[i] = i;
    return QV_OK;
}

/* ------------------------------------------------------------------ batches */

static qv_status check_nulls(const qv__array *array, const qv__field *field, const qv__array *parent, qv_error *err)
{
    if (!field->nullable && array->null_count) {
        for (int64_t i = 0; i < array->length; i++) {
            bool hidden = parent && qv__array_is_null(parent, i);
            if (qv__array_is_null(array, i) && !hidden)
                return qv__fail(err, QV_SCHEMA, "column \"%.100s\" may not be null, row %lld of the batch is",
                                field->name, (long long) i);
        }
    }
    /* struct children count from the start of the struct's buffers, so a slice brings rows that are not written */
    if (field->type->id == QV_TYPE_STRUCT && array->offset == 0)
        for (size_t i = 0; i < array->n_children; i++)
            if (array->children[i]->length == array->length)
                QV_TRY(check_nulls(array->children[i], &field->type->children[i], array, err));
    return QV_OK;
}

/* The batch as the file writer wants it: the stored schema's columns. */
static qv_status store_batch(const ingest *in, const qv__array *batch, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n = batch->n_children;
    qv__array **columns = NULL;

    QV_CHECK(QV_NEW(&columns, n, err));
    for (size_t i = 0; i < n; i++) {
        const qv__field *field = &in->target->fields[in->columns[i]];
        qv__array *column;
        QV_CHECK(qv__array_slice(batch->children[i], batch->offset, batch->length, &column, err));
        st = check_nulls(column, field, NULL, err);
        if (st == QV_OK)
            st = qv__array_convert_json(column, field, &in->stored->fields[i], true, &columns[i], err);
        qv__array_unref(column);
        QV_CHECK(st);
    }
    QV_CHECK(qv__batch_new(in->stored, columns, batch->length, out, err));
done:
    for (size_t i = 0; columns && i < n; i++)
        qv__array_unref(columns[i]);
    qv__free(columns);
    return st;
}

/* ------------------------------------------------------------------ files */

static qv_status begin_file(ingest *in, qv_error *err)
{
    qv__writer_options options = { .version = in->version, .profile = in->profile };
    char path[QV_NAME_BYTES + 8];
    uint8_t uuid[16];

    options.threads = in->job ? qv__job_threads(in->job) : 0;
    QV_TRY(qv__uuid_new(uuid, err));
    qv__data_file_name(uuid, in->name);
    data_path(in->name, path);
    in->rows_in_file = 0;
    return qv__file_writer_open(in->table, path, in->stored, &options, &in->writer, err);
}

static qv_status finish_file(ingest *in, qv_error *err)
{
    qv_status st;

    if (!in->writer)
        return QV_OK;
    QV_TRY(QV_GROW(&in->fragments.items, &in->capacity, in->fragments.n + 1, err));
    qv__new_fragment *fragment = &in->fragments.items[in->fragments.n];
    *fragment = (qv__new_fragment){ .rows = in->rows_in_file };
    memcpy(fragment->file.name, in->name, sizeof fragment->file.name);
    st = qv__file_writer_finish(in->writer, &fragment->file.summary, err);
    qv__file_writer_free(in->writer);
    in->writer = NULL;
    in->fragments.n += st == QV_OK;
    return st;
}

static qv_status write_rows(ingest *in, const qv__array *batch, qv_error *err)
{
    for (int64_t at = 0; at < batch->length;) {
        qv__array *part;
        if (!in->writer)
            QV_TRY(begin_file(in, err));
        int64_t n = (int64_t) QV_MIN((uint64_t) (batch->length - at), in->max_rows - in->rows_in_file);
        QV_TRY(qv__array_slice(batch, at, n, &part, err));
        qv_status st = qv__file_writer_write(in->writer, part, err);
        qv__array_unref(part);
        if (st != QV_OK)
            return st;
        at += n;
        in->rows_in_file += (uint64_t) n;
        if (in->job)
            QV_TRY(qv__job_tick(in->job, (uint64_t) n, 0, err));
        if (in->rows_in_file == in->max_rows || qv__file_writer_size(in->writer) >= in->max_bytes)
            QV_TRY(finish_file(in, err));
    }
    return QV_OK;
}

static qv_status check_batch(const ingest *in, const qv__array *batch, qv_error *err)
{
    const qv__schema *schema = in->data->schema;

    if (batch->type->id != QV_TYPE_STRUCT || batch->n_children != schema->n_fields)
        return qv__fail(err, QV_SCHEMA, "a batch of %zu columns in a stream of %zu", batch->n_children,
                        schema->n_fields);
    for (size_t i = 0; i < schema->n_fields; i++) {
        char have[128];
        if (!qv__type_equal(batch->children[i]->type, schema->fields[i].type))
            return qv__fail(err, QV_SCHEMA, "column \"%.100s\" of a batch has type %s, which is not the stream's",
                            schema->fields[i].name, qv__type_print(batch->children[i]->type, have, sizeof have));
    }
    return QV_OK;
}

static qv_status write_stream(ingest *in, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *batch = NULL, *stored = NULL;

    for (;;) {
        QV_CHECK(in->data->next(in->data, &batch, err));
        if (!batch)
            break;
        QV_CHECK(check_batch(in, batch, err));
        QV_CHECK(store_batch(in, batch, &stored, err));
        QV_CHECK(write_rows(in, stored, err));
        qv__array_unref(stored);
        qv__array_unref(batch);
        stored = batch = NULL;
    }
    QV_CHECK(finish_file(in, err));
done:
    qv__array_unref(stored);
    qv__array_unref(batch);
    return st;
}

/* Nothing of the files stays unless they are wanted. */
static void end(ingest *in)
{
    qv__file_writer_free(in->writer);
    qv__new_fragments_discard(in->table, &in->fragments);
    qv__free(in->columns);
    qv__schema_unref(in->stored);
}

static void hand_over(ingest *in, qv__new_fragments *out)
{
    *out = in->fragments;
    in->fragments = (qv__new_fragments){ 0 };
}

/* ------------------------------------------------------------------ for changes that are worked out elsewhere */

qv_status qv__write_fragments(qv__store *table, qv__snapshot *base, qv__stream *rows, const qv__write_rows *options,
                              qv__new_fragments *out, qv_error *err)
{
    qv_status st = QV_OK;
    ingest in = { .table = table,
                  .data = rows,
                  .profile = options->profile,
                  .job = options->job,
                  .max_rows = options->max_rows_per_file,
                  .max_bytes = options->max_bytes_per_file };

    QV_CHECK(begin(&in, base->format, err));
    QV_CHECK(take_table_fields(&in, base->schema, base->stored, err));
    QV_CHECK(write_stream(&in, err));
    hand_over(&in, out);
done:
    end(&in);
    return st;
}

qv_status qv__write_columns(qv__store *table, qv__snapshot *base, const qv__schema *stored, qv__stream *rows,
                            uint64_t physical_rows, qv__job *job, qv__new_file *out, qv_error *err)
{
    qv_status st = QV_OK;
    ingest in = { .table = table, .data = rows, .job = job, .max_rows = MAX_ROWS_PER_FILE, .max_bytes = UINT64_MAX };
    qv__schema *shown = NULL;

    QV_CHECK(begin(&in, base->format, err));
    QV_CHECK(qv__schema_to_shown(stored, &shown, err));
    QV_CHECK(take_table_fields(&in, shown, stored, err));
    QV_CHECK(write_stream(&in, err));
    if (in.fragments.n != 1 || in.fragments.items[0].rows != physical_rows)
        QV_CHECK(qv__fail(err, QV_INVALID, "%" PRIu64 " rows of new columns for a fragment of %" PRIu64,
                          in.fragments.n == 1 ? in.fragments.items[0].rows : 0, physical_rows));
    *out = in.fragments.items[0].file;
    in.fragments.n = 0; /* taken */
done:
    end(&in);
    qv__schema_unref(shown);
    return st;
}

/* ------------------------------------------------------------------ whole writes */

static const char *format_text(qv__file_version version)
{
    return version.minor == 0 ? "2.0" : version.minor == 1 ? "2.1" : "2.2";
}

static qv_status check_base(const qv__write *options, const qv__snapshot *base, qv_error *err)
{
    if (options->create ? base != NULL : base == NULL)
        return qv__fail(err, QV_INVALID,
                        options->create ? "a table is created without a base version"
                                        : "rows are added to a version, but none is given");
    if (!base)
        return QV_OK;
    if (base->manifest->version & QV_DETACHED_BIT)
        return qv__fail(err, QV_READ_ONLY, "version %" PRIu64 " is detached", base->manifest->version);
    return qv__flags_check_write(base->manifest->head, err);
}

static qv_status commit(ingest *in, const qv__write *options, qv__snapshot *base, qv__snapshot **out, bool *committed,
                        qv_error *err)
{
    bool fresh = options->create || options->overwrite;
    qv__commit_end end = { 0 };
    qv__change change = { .operation = fresh ? QV_OP_OVERWRITE : QV_OP_APPEND,
                          .create = options->create,
                          .stable_row_ids = options->stable_row_ids,
                          .format = format_text(in->version),
                          .stored = fresh ? in->stored : NULL,
                          .fragments = &in->fragments };

    qv_status st = qv__commit(in->table, base, &change, options->job, out, &end, err);
    *committed = end.committed;
    return st;
}

static void sum_up(const ingest *in, const qv__snapshot *made, qv_write_result *result)
{
    *result = (qv_write_result){ .version = qv__snapshot_version(made) };
    for (size_t i = 0; i < in->fragments.n; i++) {
        result->rows += in->fragments.items[i].rows;
        result->bytes += in->fragments.items[i].file.summary.size_bytes;
    }
}

qv_status qv__table_write(qv__store *table, qv__snapshot *base, qv__stream *data, const qv__write *options,
                          qv_write_result *result, qv__snapshot **out, qv_error *err)
{
    qv_status st = QV_OK;
    ingest in = { .table = table,
                  .data = data,
                  .profile = options->profile,
                  .job = options->job,
                  .max_rows = options->max_rows_per_file };
    qv__snapshot *snapshot = NULL;
    bool committed = false;

    QV_CHECK(check_base(options, base, err));
    QV_CHECK(begin(&in, options->file_version ? options->file_version : base ? base->format : "2.2", err));
    if (options->create || options->overwrite)
        QV_CHECK(take_own_fields(&in, base, err));
    else
        QV_CHECK(take_table_fields(&in, base->schema, base->stored, err));
    QV_CHECK(write_stream(&in, err));
    QV_CHECK(commit(&in, options, base, &snapshot, &committed, err));
    if (result)
        sum_up(&in, snapshot, result);
    *out = snapshot;
done:
    if (committed) /* also after a failure: the files may be part of a version */
        qv__new_fragments_clear(&in.fragments);
    end(&in);
    return st;
}
