/* The structure of a version as JSON text, for people and tools. */
#include <inttypes.h>

#include "table/table_private.h"

#define TRY_PRINT(...) QV_TRY(qv__buffer_printf(out, err, __VA_ARGS__))

static qv_status quote(const char *text, qv__buffer *out, qv_error *err)
{
    text = text ? text : "";
    return qv__json_quote(text, strlen(text), out, err);
}

/* "key":"text", with a comma before it unless it is the first. */
static qv_status member(const char *before, const char *key, const char *text, qv__buffer *out, qv_error *err)
{
    TRY_PRINT("%s\"%s\":", before, key);
    return quote(text, out, err);
}

static qv_status describe_field(const qv__field *field, unsigned depth, qv__buffer *out, qv_error *err)
{
    char type[256];
    bool nested = field->type->id == QV_TYPE_STRUCT || field->type->id == QV_TYPE_LIST ||
                  field->type->id == QV_TYPE_LARGE_LIST || field->type->id == QV_TYPE_MAP;

    TRY_PRINT("{\"id\":%" PRId32, field->id);
    QV_TRY(member(",", "name", field->name, out, err));
    QV_TRY(member(",", "type", qv__type_print(field->type, type, sizeof type), out, err));
    TRY_PRINT(",\"nullable\":%s", field->nullable ? "true" : "false");
    if (nested && depth < 64) {
        TRY_PRINT(",\"children\":[");
        for (size_t i = 0; i < field->type->n_children; i++) {
            TRY_PRINT("%s", i ? "," : "");
            QV_TRY(describe_field(&field->type->children[i], depth + 1, out, err));
        }
        TRY_PRINT("]");
    }
    TRY_PRINT("}");
    return QV_OK;
}

static qv_status describe_numbers(const char *key, const int32_t *numbers, size_t n, qv__buffer *out, qv_error *err)
{
    TRY_PRINT(",\"%s\":[", key);
    for (size_t i = 0; i < n; i++)
        TRY_PRINT("%s%" PRId32, i ? "," : "", numbers[i]);
    TRY_PRINT("]");
    return QV_OK;
}

static qv_status describe_fragment(const qv__fragment *f, const qv__lineage *lineage, qv__buffer *out, qv_error *err)
{
    TRY_PRINT("{\"id\":%" PRIu64 ",\"physical_rows\":%" PRIu64, f->id, f->physical_rows);
    if (f->deletion) {
        char name[QV_NAME_BYTES];
        qv__deletion_name(f->id, f->deletion, name);
        TRY_PRINT(",\"deletions\":{\"file\":\"_deletions/%s\",\"rows\":%" PRIu64 "}", name, f->deletion->n_deleted);
    }
    if (lineage->row_ids.data || lineage->spilled)
        TRY_PRINT(",\"row_ids\":\"%s\"", lineage->spilled ? "column" : "inline");
    TRY_PRINT(",\"files\":[");
    for (size_t i = 0; i < f->n_files; i++) {
        const qv__data_file *file = &f->files[i];
        QV_TRY(member(i ? ",{" : "{", "path", file->path, out, err));
        TRY_PRINT(",\"version\":\"%u.%u\",\"bytes\":%" PRIu64, file->version.major, file->version.minor,
                  file->size_bytes);
        if (file->has_base)
            TRY_PRINT(",\"base\":%" PRIu32, file->base_id);
        QV_TRY(describe_numbers("fields", file->field_ids, file->n_fields, out, err));
        QV_TRY(describe_numbers("columns", file->columns, file->n_fields, out, err));
        TRY_PRINT("}");
    }
    TRY_PRINT("]}");
    return QV_OK;
}

static qv_status describe_texts(const char *key, Lance__Table__TextEntry *const *entries, size_t n, qv__buffer *out,
                                qv_error *err)
{
    TRY_PRINT(",\"%s\":{", key);
    for (size_t i = 0; i < n; i++) {
        TRY_PRINT("%s", i ? "," : "");
        QV_TRY(quote(entries[i]->key, out, err));
        TRY_PRINT(":");
        QV_TRY(quote(entries[i]->value, out, err));
    }
    TRY_PRINT("}");
    return QV_OK;
}

static qv_status describe_indices(const qv__manifest *manifest, qv__buffer *out, qv_error *err)
{
    qv_status st = QV_OK;
    ProtobufCMessage *message;
    qv__arena arena;

    qv__arena_init(&arena, qv__message_limit(manifest->indices.len));
    QV_CHECK(qv__buffer_printf(out, err, ",\"indices\":["));
    if (manifest->indices.data) {
        QV_CHECK(qv__message_unpack(&lance__table__index_section__descriptor, manifest->indices.data,
                                    manifest->indices.len, &arena, &message, err));
        const Lance__Table__IndexSection *section = (const Lance__Table__IndexSection *) message;
        for (size_t i = 0; i < section->n_indices; i++) {
            const Lance__Table__IndexMetadata *index = section->indices[i];
            QV_CHECK(member(i ? ",{" : "{", "name", index->name, out, err));
            QV_CHECK(member(",", "type", index->index_details ? index->index_details->type_url : "", out, err));
            QV_CHECK(qv__buffer_printf(out, err, ",\"dataset_version\":%" PRIu64, index->dataset_version));
            QV_CHECK(describe_numbers("fields", index->fields, index->n_fields, out, err));
            QV_CHECK(qv__buffer_printf(out, err, "}"));
        }
    }
    QV_CHECK(qv__buffer_printf(out, err, "]"));
done:
    qv__arena_reset(&arena);
    return st;
}

static qv_status describe_bases(const Lance__Table__Manifest *head, qv__buffer *out, qv_error *err)
{
    TRY_PRINT(",\"base_paths\":[");
    for (size_t i = 0; i < head->n_base_paths; i++) {
        TRY_PRINT("%s{\"id\":%" PRIu32, i ? "," : "", head->base_paths[i]->id);
        QV_TRY(member(",", "path", head->base_paths[i]->path, out, err));
        TRY_PRINT(",\"is_dataset_root\":%s}", head->base_paths[i]->is_dataset_root ? "true" : "false");
    }
    TRY_PRINT("]");
    return QV_OK;
}

static qv_status describe_transaction(qv__snapshot *snapshot, qv__buffer *out, qv_error *err)
{
    qv__transaction transaction;
    qv__arena arena;

    qv__arena_init(&arena, 0);
    qv_status st = qv__transaction_of(snapshot->table, snapshot->manifest, &arena, &transaction, err);
    qv__arena_reset(&arena);
    if (st != QV_OK)
        return st;
    TRY_PRINT(",\"transaction\":{\"operation\":\"%s\",\"read_version\":%" PRIu64,
              qv__operation_name(transaction.operation), transaction.read_version);
    QV_TRY(member(",", "uuid", transaction.uuid, out, err));
    TRY_PRINT("}");
    return QV_OK;
}

static qv_status describe_head(qv__snapshot *snapshot, qv__buffer *out, qv_error *err)
{
    const Lance__Table__Manifest *head = snapshot->manifest->head;

    TRY_PRINT("{\"version\":%" PRIu64 ",\"timestamp_ns\":%" PRId64, snapshot->manifest->version,
              qv__manifest_timestamp(head));
    QV_TRY(member(",", "uri", qv__store_uri(snapshot->table), out, err));
    TRY_PRINT(",\"manifest_bytes\":%zu,\"manifest_names\":\"%s\"", snapshot->manifest->bytes.len,
              snapshot->manifest->names == QV_NAMES_V1 ? "V1" : "V2");
    TRY_PRINT(",\"data_format\":\"%s\",\"reader_flags\":%" PRIu64 ",\"writer_flags\":%" PRIu64, snapshot->format,
              head->reader_feature_flags, head->writer_feature_flags);
    if (head->writer_version) {
        QV_TRY(member(",", "writer", head->writer_version->library, out, err));
        QV_TRY(member(",", "writer_version", head->writer_version->version, out, err));
    }
    if (head->branch)
        QV_TRY(member(",", "branch", head->branch, out, err));
    if (head->has_max_fragment_id)
        TRY_PRINT(",\"max_fragment_id\":%" PRIu32, head->max_fragment_id);
    if (qv__snapshot_has_stable_row_ids(snapshot))
        TRY_PRINT(",\"next_row_id\":%" PRIu64, head->next_row_id);
    return describe_transaction(snapshot, out, err);
}

qv_status qv__snapshot_describe(qv__snapshot *snapshot, qv__buffer *out, qv_error *err)
{
    const Lance__Table__Manifest *head = snapshot->manifest->head;
    uint64_t rows;

    QV_TRY(describe_head(snapshot, out, err));
    QV_TRY(qv__snapshot_count_rows(snapshot, &rows, err));
    TRY_PRINT(",\"rows\":%" PRIu64 ",\"fields\":[", rows);
    for (size_t i = 0; i < snapshot->schema->n_fields; i++) {
        TRY_PRINT("%s", i ? "," : "");
        QV_TRY(describe_field(&snapshot->schema->fields[i], 1, out, err));
    }
    TRY_PRINT("],\"fragments\":[");
    for (size_t i = 0; i < snapshot->n_fragments; i++) {
        TRY_PRINT("%s", i ? "," : "");
        QV_TRY(describe_fragment(&snapshot->fragments[i], &snapshot->lineage[i], out, err));
    }
    TRY_PRINT("]");
    QV_TRY(describe_indices(snapshot->manifest, out, err));
    QV_TRY(describe_bases(head, out, err));
    QV_TRY(describe_texts("config", head->config, head->n_config, out, err));
    QV_TRY(describe_texts("table_metadata", head->table_metadata, head->n_table_metadata, out, err));
    TRY_PRINT("}");
    return QV_OK;
}
