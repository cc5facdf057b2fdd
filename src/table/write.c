/* Writing rows: a stream goes into data files of at most max_rows_per_file rows, and all of them become one version. Memory
 * stays bounded by what the file writer holds. */
#include <inttypes.h>
#include <stdio.h>

#include "arrow/compute/compute.h"
#include "table/table_private.h"

#define DEFAULT_ROWS_PER_FILE (UINT64_C(1) << 20)
#define MAX_ROWS_PER_FILE     (UINT64_C(1) << 32)
#define MAX_DEPTH             64

typedef struct ingest {
    qv__store *table;
    const qv__write *options;
    qv__stream *data;
    const qv__schema *target; /* what a batch's columns are held against: the stream's own fields, or the table's */
    size_t *columns;          /* column i of a batch is field columns[i] of the target */
    qv__schema *stored;       /* of the data files: the columns present, with ids */
    qv__file_version version;
    uint64_t max_rows;
    qv__file_writer *writer; /* of the file that is open */
    uint64_t rows_in_file;
    char name[QV_NAME_BYTES]; /* of the open file, below data/ */
    qv__new_fragment *fragments;
    size_t n_fragments, capacity;
    qv_write_result result;
} ingest;

/* ------------------------------------------------------------------ schemas */

#define BLOB_MARK      "lance-encoding:blob"
#define EXTENSION_NAME "ARROW:extension:name"
#define BLOB_V2        "lance.blob.v2"

static bool is_old_blob(const qv__field *field)
{
    return qv__field_is_blob(field) && qv__metadata_get(&field->metadata, BLOB_MARK, NULL);
}

/* In files of 2.2 the mark that makes a column a blob is an extension type, no longer an encoding. */
static qv_status copy_metadata(const qv__field *from, qv__file_version version, qv__metadata *out, qv_error *err)
{
    bool renew = version.minor >= 2 && is_old_blob(from);

    for (size_t i = 0; i < from->metadata.n; i++) {
        const struct qv__metadata_pair *pair = &from->metadata.pairs[i];
        if (!renew || strcmp(pair->key, BLOB_MARK) != 0)
            QV_TRY(qv__metadata_set(out, pair->key, pair->value, pair->value_len, err));
    }
    return renew ? qv__metadata_set(out, EXTENSION_NAME, BLOB_V2, sizeof BLOB_V2 - 1, err) : QV_OK;
}

/* A copy in which no field has an id, at any level. */
static qv_status copy_without_ids(const qv__field *from, qv__file_version version, unsigned depth, qv__field *out,
                                  qv_error *err)
{
    qv_status st = QV_OK;
    qv__field field = { 0 };
    qv__type *type = NULL;

    if (depth > MAX_DEPTH)
        return qv__fail(err, QV_UNSUPPORTED, "columns nested deeper than %d", MAX_DEPTH);
    if (from->type->n_children) {
        QV_CHECK(qv__type_new(from->type->id, &type, err));
        type->width = from->type->width;
        type->ordered = from->type->ordered;
        type->index_type = from->type->index_type ? qv__type_ref(from->type->index_type) : NULL;
        QV_CHECK(QV_NEW(&type->children, from->type->n_children, err));
        for (size_t i = 0; i < from->type->n_children; i++, type->n_children++)
            QV_CHECK(copy_without_ids(&from->type->children[i], version, depth + 1, &type->children[i], err));
    } else {
        type = qv__type_ref(from->type);
    }
    QV_CHECK(qv__field_init(&field, from->name, type, from->nullable, err));
    QV_CHECK(copy_metadata(from, version, &field.metadata, err));
    field.id = -1;
    *out = field;
    field = (qv__field){ 0 };
done:
    qv__field_clear(&field);
    qv__type_unref(type);
    return st;
}

/* The schema of new content: the stream's, in stored form, numbered afresh. */
static qv_status new_schema(const qv__schema *shown, qv__file_version version, int32_t first_id, qv__schema **out,
                            qv_error *err)
{
    qv_status st = QV_OK;
    qv__schema *plain = NULL, *stored = NULL;
    qv__field *fields = NULL;
    size_t n = 0;

    QV_CHECK(QV_NEW(&fields, shown->n_fields, err));
    for (; n < shown->n_fields; n++)
        QV_CHECK(copy_without_ids(&shown->fields[n], version, 1, &fields[n], err));
    QV_CHECK(qv__schema_new(fields, n, &shown->metadata, &plain, err));
    QV_CHECK(qv__schema_to_stored(plain, &stored, err));
    QV_CHECK(qv__schema_assign_ids(stored, &first_id, err));
    *out = stored;
    stored = NULL;
done:
    for (size_t i = 0; i < n; i++)
        qv__field_clear(&fields[i]);
    qv__free(fields);
    qv__schema_unref(plain);
    qv__schema_unref(stored);
    return st;
}

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

/* For an append: the table's fields that the stream brings, in the table's stored form and with its ids. */
static qv_status present_schema(ingest *in, const qv__snapshot *base, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__schema *given = in->data->schema, *table = base->schema;
    qv__field *fields = NULL;
    bool *seen = NULL;

    QV_CHECK(QV_NEW(&fields, given->n_fields, err));
    QV_CHECK(QV_NEW(&seen, table->n_fields, err));
    for (size_t i = 0; i < given->n_fields; i++) {
        QV_CHECK(match_column(&given->fields[i], table, &in->columns[i], err));
        if (seen[in->columns[i]])
            QV_CHECK(qv__fail(err, QV_SCHEMA, "column \"%.100s\" occurs twice", given->fields[i].name));
        seen[in->columns[i]] = true;
        if (in->version.minor >= 2 && is_old_blob(&base->stored->fields[in->columns[i]]))
            QV_CHECK(qv__fail(err, QV_UNSUPPORTED,
                              "column \"%.100s\" is a blob of the first form, files of 2.2 hold the second",
                              given->fields[i].name));
        fields[i] = base->stored->fields[in->columns[i]]; /* borrowed: qv__schema_new copies */
    }
    for (size_t i = 0; i < table->n_fields; i++)
        if (!seen[i] && !table->fields[i].nullable)
            QV_CHECK(
                qv__fail(err, QV_SCHEMA, "column \"%.100s\" is missing and may not be null", table->fields[i].name));
    in->target = table;
    QV_CHECK(qv__schema_new(fields, given->n_fields, NULL, &in->stored, err));
done:
    qv__free(seen);
    qv__free(fields);
    return st;
}

static qv_status prepare(ingest *in, const qv__snapshot *base, qv_error *err)
{
    const char *format = in->options->file_version ? in->options->file_version : base ? base->format : "2.2";
    bool fresh = in->options->create || in->options->overwrite;

    if (!qv__version_of_text(format, &in->version))
        return qv__fail(err, QV_UNSUPPORTED, "file version \"%.32s\"; known are 2.0, 2.1 and 2.2", format);
    in->max_rows = in->options->max_rows_per_file ? in->options->max_rows_per_file : DEFAULT_ROWS_PER_FILE;
    in->max_rows = QV_MIN(in->max_rows, MAX_ROWS_PER_FILE);
    QV_TRY(QV_NEW(&in->columns, in->data->schema->n_fields, err));
    for (size_t i = 0; i < in->data->schema->n_fields; i++)
        in->columns[i] = i;
    if (!fresh)
        return present_schema(in, base, err);
    in->target = in->data->schema;
    const Lance__Table__Manifest *head = base ? base->manifest->head : NULL;
    bool lasting = head && head->writer_feature_flags & QV_FLAG_LASTING_FIELD_IDS && head->has_max_allocated_field_id;
    if (lasting && head->max_allocated_field_id == INT32_MAX)
        return qv__fail(err, QV_LIMIT, "the table has no field ids left");
    return new_schema(in->data->schema, in->version, lasting ? head->max_allocated_field_id + 1 : 0, &in->stored, err);
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

static void data_path(const char *name, char out[QV_NAME_BYTES + 8])
{
    snprintf(out, QV_NAME_BYTES + 8, "data/%s", name);
}

static qv_status begin_file(ingest *in, qv_error *err)
{
    qv__writer_options options = { .version = in->version, .profile = in->options->profile };
    char path[QV_NAME_BYTES + 8];
    uint8_t uuid[16];

    options.threads = in->options->job ? qv__job_threads(in->options->job) : 0;
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
    QV_TRY(QV_GROW(&in->fragments, &in->capacity, in->n_fragments + 1, err));
    qv__new_fragment *fragment = &in->fragments[in->n_fragments];
    *fragment = (qv__new_fragment){ .rows = in->rows_in_file };
    memcpy(fragment->name, in->name, sizeof fragment->name);
    st = qv__file_writer_finish(in->writer, &fragment->summary, err);
    qv__file_writer_free(in->writer);
    in->writer = NULL;
    if (st == QV_OK) {
        in->n_fragments++;
        in->result.bytes += fragment->summary.size_bytes;
    }
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
        in->result.rows += (uint64_t) n;
        if (in->options->job)
            QV_TRY(qv__job_tick(in->options->job, (uint64_t) n, 0, err));
        if (in->rows_in_file == in->max_rows)
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

static void remove_files(ingest *in)
{
    for (size_t i = 0; i < in->n_fragments; i++) {
        char path[QV_NAME_BYTES + 8];
        data_path(in->fragments[i].name, path);
        qv__store_delete(in->table, path, NULL);
        path[strlen(path) - sizeof ".lance" + 1] = 0; /* blobs lie in a folder beside it */
        qv__store_delete_tree(in->table, path, NULL);
    }
}

/* ------------------------------------------------------------------ the whole */

static qv_status commit(ingest *in, qv__snapshot *base, qv__snapshot **out, bool *committed, qv_error *err)
{
    bool fresh = in->options->create || in->options->overwrite;
    qv__change change = { .operation = fresh ? QV_OP_OVERWRITE : QV_OP_APPEND,
                          .create = in->options->create,
                          .stable_row_ids = in->options->stable_row_ids,
                          .format = in->version.minor == 0   ? "2.0"
                                    : in->version.minor == 1 ? "2.1"
                                                             : "2.2",
                          .stored = in->stored,
                          .n_fragments = in->n_fragments,
                          .fragments = in->fragments };
    uint8_t uuid[16];

    QV_TRY(qv__uuid_new(uuid, err));
    qv__uuid_print(uuid, change.uuid);
    return qv__commit(in->table, base, &change, in->options->job, out, committed, err);
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

qv_status qv__table_write(qv__store *table, qv__snapshot *base, qv__stream *data, const qv__write *options,
                          qv_write_result *result, qv__snapshot **out, qv_error *err)
{
    qv_status st = QV_OK;
    ingest in = { .table = table, .options = options, .data = data };
    qv__snapshot *snapshot = NULL;
    bool committed = false;

    QV_CHECK(check_base(options, base, err));
    QV_CHECK(prepare(&in, base, err));
    QV_CHECK(write_stream(&in, err));
    QV_CHECK(commit(&in, base, &snapshot, &committed, err));
    in.result.version = qv__snapshot_version(snapshot);
    if (result)
        *result = in.result;
    *out = snapshot;
done:
    qv__file_writer_free(in.writer);
    if (st != QV_OK && !committed)
        remove_files(&in);
    for (size_t i = 0; i < in.n_fragments; i++)
        qv__file_summary_clear(&in.fragments[i].summary);
    qv__free(in.fragments);
    qv__free(in.columns);
    qv__schema_unref(in.stored);
    return st;
}
