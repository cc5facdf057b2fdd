/* A version's maps as JSON objects: its config, its own metadata, the schema's and the fields'. */
#include "json/json.h"
#include "table/table_private.h"

static qv_status put_pair(const char *key, const char *value, size_t len, bool first, qv__buffer *json, qv_error *err)
{
    QV_TRY(qv__buffer_printf(json, err, "%s", first ? "" : ","));
    QV_TRY(qv__json_quote(key, strlen(key), json, err));
    QV_TRY(qv__buffer_printf(json, err, ":"));
    return qv__json_quote(value, len, json, err);
}

static qv_status put_texts(Lance__Table__TextEntry *const *entries, size_t n, qv__buffer *json, qv_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *key = entries[i]->key ? entries[i]->key : "", *value = entries[i]->value ? entries[i]->value : "";
        QV_TRY(put_pair(key, value, strlen(value), i == 0, json, err));
    }
    return QV_OK;
}

static qv_status put_metadata(const qv__metadata *metadata, qv__buffer *json, qv_error *err)
{
    for (size_t i = 0; i < metadata->n; i++)
        QV_TRY(put_pair(metadata->pairs[i].key, metadata->pairs[i].value, metadata->pairs[i].value_len, i == 0, json,
                        err));
    return QV_OK;
}

const qv__field *qv__schema_find_path(const qv__schema *schema, const char *path)
{
    const qv__field *fields = schema->fields;
    size_t n = schema->n_fields;

    for (;;) {
        const qv__field *found = NULL;
        size_t len = strcspn(path, ".");
        for (size_t i = 0; i < n && !found; i++)
            if (strlen(fields[i].name) == len && memcmp(fields[i].name, path, len) == 0)
                found = &fields[i];
        if (!found || !path[len])
            return found;
        path += len + 1;
        fields = found->type->children;
        n = found->type->n_children;
    }
}

qv_status qv__snapshot_metadata(const qv__snapshot *snapshot, qv_metadata_kind kind, const char *path, qv__buffer *json,
                                qv_error *err)
{
    const Lance__Table__Manifest *head = snapshot->manifest->head;
    const qv__field *field = NULL;

    if (kind == QV_METADATA_FIELD) {
        field = path ? qv__schema_find_path(snapshot->schema, path) : NULL;
        if (!field)
            return qv__fail(err, QV_INVALID, "the table has no column \"%.200s\"", path ? path : "");
    }
    QV_TRY(qv__buffer_printf(json, err, "{"));
    switch (kind) {
    case QV_METADATA_CONFIG:
        QV_TRY(put_texts(head->config, head->n_config, json, err));
        break;
    case QV_METADATA_TABLE:
        QV_TRY(put_texts(head->table_metadata, head->n_table_metadata, json, err));
        break;
    case QV_METADATA_SCHEMA:
        QV_TRY(put_metadata(&snapshot->schema->metadata, json, err));
        break;
    case QV_METADATA_FIELD:
        QV_TRY(put_metadata(&field->metadata, json, err));
        break;
    default:
        return qv__fail(err, QV_INVALID, "metadata of kind %d", (int) kind);
    }
    return qv__buffer_printf(json, err, "}");
}
