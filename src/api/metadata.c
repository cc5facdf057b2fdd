/* A table's maps (config, its own metadata, the schema's, the fields') and its primary key. */
#include <stdio.h>
#include <string.h>

#include "api/api_private.h"
#include "base/buffer.h"
#include "table/change.h"

#define MAX_JSON_BYTES ((size_t) 1 << 30)
#define KEY_MARK       "lance-schema:unenforced-primary-key"
#define KEY_POSITION   "lance-schema:unenforced-primary-key:position"

qv_status qv_table_metadata(qv_table *table, qv_metadata_kind kind, const char *path, char **json, qv_error *err)
{
    qv__snapshot *snapshot;
    qv_status st = QV_OK;
    qv__buffer text;

    QV_TRY(qv__table_view(table, &snapshot, err));
    qv__buffer_init(&text, MAX_JSON_BYTES);
    QV_CHECK(qv__snapshot_metadata(snapshot, kind, path, &text, err));
    QV_CHECK(qv__buffer_append_zeros(&text, 1, err));
    *json = (char *) qv__buffer_detach(&text, NULL);
done:
    qv__buffer_free(&text);
    qv__snapshot_unref(snapshot);
    return st;
}

/* Commits the updates on the newest version, and lets the handle see it. */
static qv_status commit_updates(qv_table *table, qv__snapshot *base, const qv__config_update *updates, size_t n,
                                uint64_t *version, qv_error *err)
{
    const qv__change change = { .operation = QV_OP_CONFIG, .updates = updates, .n_updates = n };
    qv__snapshot *made;

    QV_TRY(qv__commit(table->store, base, &change, NULL, &made, NULL, err));
    if (version)
        *version = qv__snapshot_version(made);
    qv__table_publish(table, made);
    return QV_OK;
}

static bool touches_key(const qv_pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (pairs[i].key && strncmp(pairs[i].key, KEY_MARK, sizeof KEY_MARK - 1) == 0)
            return true;
    return false;
}

static bool is_key(const qv__field *field)
{
    return qv__metadata_get(&field->metadata, KEY_MARK, NULL) || qv__metadata_get(&field->metadata, KEY_POSITION, NULL);
}

static qv_status find_field(qv__snapshot *base, const char *path, const qv_pair *pairs, size_t n, bool replace,
                            int32_t *id, qv_error *err)
{
    const qv__field *field = path ? qv__schema_find_path(qv__snapshot_schema(base), path) : NULL;

    if (!field)
        return qv__fail(err, QV_INVALID, "the table has no column \"%.200s\"", path ? path : "");
    if (is_key(field) && (replace || touches_key(pairs, n)))
        return qv__fail(err, QV_INVALID, "column \"%.100s\" is part of the primary key, which cannot change",
                        field->name);
    *id = field->id;
    return QV_OK;
}

qv_status qv_table_set_metadata(qv_table *table, qv_metadata_kind kind, const char *path, const qv_pair *pairs,
                                size_t n, bool replace, uint64_t *version, qv_error *err)
{
    qv__config_update update = { .kind = kind, .pairs = pairs, .n = n, .replace = replace };
    qv__snapshot *base = NULL;
    qv_status st = QV_OK;

    QV_CHECK(qv__table_check_writable(table, err));
    if (kind < QV_METADATA_CONFIG || kind > QV_METADATA_FIELD)
        QV_CHECK(qv__fail(err, QV_INVALID, "metadata of kind %d", (int) kind));
    QV_CHECK(qv__table_newest(table, &base, err));
    if (kind == QV_METADATA_FIELD)
        QV_CHECK(find_field(base, path, pairs, n, replace, &update.field_id, err));
    QV_CHECK(commit_updates(table, base, &update, 1, version, err));
done:
    qv__snapshot_unref(base);
    return st;
}

/* ------------------------------------------------------------------ the primary key */

static qv_status check_no_key(qv__snapshot *base, qv_error *err)
{
    const qv__field **fields;
    bool enforced;
    size_t n;

    QV_TRY(qv__snapshot_primary_key(base, &fields, &n, &enforced, err));
    qv_status st =
        n ? qv__fail(err, QV_INVALID, "the primary key is already set: column \"%.100s\"", fields[0]->name) : QV_OK;
    qv__free(fields);
    return st;
}

/* The fields of the key, each once, none nullable. */
static qv_status find_key(const qv__schema *schema, const char *const *columns, size_t n, const qv__field **out,
                          qv_error *err)
{
    if (n == 0)
        return qv__fail(err, QV_INVALID, "a primary key of no columns");
    for (size_t i = 0; i < n; i++) {
        out[i] = qv__schema_find_path(schema, columns[i]);
        if (!out[i])
            return qv__fail(err, QV_INVALID, "the table has no column \"%.200s\"", columns[i]);
        if (out[i]->nullable)
            return qv__fail(err, QV_INVALID, "column \"%.100s\" is part of the primary key, so it must not be nullable",
                            out[i]->name);
        for (size_t j = 0; j < i; j++)
            if (out[j] == out[i])
                return qv__fail(err, QV_INVALID, "column \"%.100s\" occurs twice in the primary key", out[i]->name);
    }
    return QV_OK;
}

typedef struct key_part {
    char position[24];
    qv_pair pairs[2];
} key_part;

static qv_status commit_key(qv_table *table, qv__snapshot *base, const qv__field *const *fields, size_t n,
                            bool enforced, uint64_t *version, qv_error *err)
{
    static const qv_pair enforce = { QV_KEY_ENFORCED, "true" };
    qv_status st = QV_OK;
    qv__config_update *updates = NULL;
    key_part *parts = NULL;

    QV_CHECK(QV_NEW(&updates, n + 1, err));
    QV_CHECK(QV_NEW(&parts, n, err));
    for (size_t i = 0; i < n; i++) {
        snprintf(parts[i].position, sizeof parts[i].position, "%zu", i + 1);
        parts[i].pairs[0] = (qv_pair){ KEY_MARK, "true" };
        parts[i].pairs[1] = (qv_pair){ KEY_POSITION, parts[i].position };
        updates[i] = (qv__config_update){
            .kind = QV_METADATA_FIELD, .field_id = fields[i]->id, .pairs = parts[i].pairs, .n = 2
        };
    }
    updates[n] = (qv__config_update){ .kind = QV_METADATA_CONFIG, .pairs = &enforce, .n = 1 };
    QV_CHECK(commit_updates(table, base, updates, n + enforced, version, err));
done:
    qv__free(updates);
    qv__free(parts);
    return st;
}

qv_status qv_table_set_primary_key(qv_table *table, const char *const *columns, size_t n, bool enforced,
                                   uint64_t *version, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__field **fields = NULL;
    qv__snapshot *base = NULL;

    QV_CHECK(qv__table_check_writable(table, err));
    QV_CHECK(qv__table_newest(table, &base, err));
    QV_CHECK(check_no_key(base, err));
    QV_CHECK(QV_NEW(&fields, n, err));
    QV_CHECK(find_key(qv__snapshot_schema(base), columns, n, fields, err));
    if (enforced)
        QV_CHECK(qv__snapshot_check_keys(base, fields, n, err));
    QV_CHECK(commit_key(table, base, fields, n, enforced, version, err));
done:
    qv__free(fields);
    qv__snapshot_unref(base);
    return st;
}
