/* Changes of a table's maps: its config, its own metadata, the schema's and the fields'. A pair without value takes the key away;
 * what is not named stays, unless the whole map is replaced. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "table/table_private.h"

#define KEY_PRIMARY          "lance-schema:unenforced-primary-key"
#define KEY_PRIMARY_POSITION "lance-schema:unenforced-primary-key:position"

/* A map of either kind, while it changes: entries of text, or of bytes. */
typedef struct pair {
    char *key;
    ProtobufCBinaryData value;
} pair;
typedef struct map {
    pair *pairs;
    size_t n;
} map;

static bool is_named(const qv__config_update *update, const char *key)
{
    for (size_t i = 0; i < update->n; i++)
        if (strcmp(update->pairs[i].key, key) == 0)
            return true;
    return false;
}

static bool is_named_later(const qv__config_update *update, size_t at)
{
    for (size_t i = at + 1; i < update->n; i++)
        if (strcmp(update->pairs[i].key, update->pairs[at].key) == 0)
            return true;
    return false;
}

/* `old` with the update; the last of several values of a key counts. */
static qv_status update_map(const map *old, const qv__config_update *update, qv__arena *arena, map *out, qv_error *err)
{
    out->pairs = qv__arena_alloc(arena, old->n + update->n + 1, sizeof *out->pairs);
    out->n = 0;
    if (!out->pairs)
        return qv__fail_nomem(err, (old->n + update->n) * sizeof *out->pairs);
    for (size_t i = 0; i < old->n && !update->replace; i++)
        if (!is_named(update, old->pairs[i].key))
            out->pairs[out->n++] = old->pairs[i];
    for (size_t i = 0; i < update->n; i++) {
        const qv_pair *given = &update->pairs[i];
        if (!given->value || is_named_later(update, i))
            continue;
        size_t len = strlen(given->value);
        char *key = qv__arena_strndup(arena, given->key, strlen(given->key));
        char *value = qv__arena_strndup(arena, given->value, len);
        if (!key || !value)
            return qv__fail_nomem(err, len);
        out->pairs[out->n++] = (pair){ key, { len, (uint8_t *) value } };
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ maps of texts */

static qv_status update_texts(const qv__config_update *update, qv__arena *arena, size_t *n,
                              Lance__Table__TextEntry ***entries, qv_error *err)
{
    map old = { qv__arena_alloc(arena, *n + 1, sizeof *old.pairs), *n }, now;

    if (!old.pairs)
        return qv__fail_nomem(err, *n * sizeof *old.pairs);
    for (size_t i = 0; i < *n; i++) {
        char *value = (*entries)[i]->value ? (*entries)[i]->value : (char *) (uintptr_t) "";
        char *key = (*entries)[i]->key ? (*entries)[i]->key : (char *) (uintptr_t) "";
        old.pairs[i] = (pair){ key, { strlen(value), (uint8_t *) value } };
    }
    QV_TRY(update_map(&old, update, arena, &now, err));
    Lance__Table__TextEntry *items = qv__arena_alloc(arena, now.n + 1, sizeof *items);
    *entries = qv__arena_alloc(arena, now.n + 1, sizeof **entries);
    if (!items || !*entries)
        return qv__fail_nomem(err, now.n * sizeof *items);
    for (size_t i = 0; i < now.n; i++) {
        lance__table__text_entry__init(&items[i]);
        items[i].key = now.pairs[i].key;
        items[i].value = (char *) now.pairs[i].value.data;
        (*entries)[i] = &items[i];
    }
    *n = now.n;
    return QV_OK;
}

/* ------------------------------------------------------------------ maps of bytes */

static qv_status update_bytes(const qv__config_update *update, qv__arena *arena, size_t *n,
                              Lance__File__MetadataEntry ***entries, qv_error *err)
{
    map old = { qv__arena_alloc(arena, *n + 1, sizeof *old.pairs), *n }, now;

    if (!old.pairs)
        return qv__fail_nomem(err, *n * sizeof *old.pairs);
    for (size_t i = 0; i < *n; i++)
        old.pairs[i] =
            (pair){ (*entries)[i]->key ? (*entries)[i]->key : (char *) (uintptr_t) "", (*entries)[i]->value };
    QV_TRY(update_map(&old, update, arena, &now, err));
    Lance__File__MetadataEntry *items = qv__arena_alloc(arena, now.n + 1, sizeof *items);
    *entries = qv__arena_alloc(arena, now.n + 1, sizeof **entries);
    if (!items || !*entries)
        return qv__fail_nomem(err, now.n * sizeof *items);
    for (size_t i = 0; i < now.n; i++) {
        lance__file__metadata_entry__init(&items[i]);
        items[i].key = now.pairs[i].key;
        items[i].has_value = true;
        items[i].value = now.pairs[i].value;
        (*entries)[i] = &items[i];
    }
    *n = now.n;
    return QV_OK;
}

/* ------------------------------------------------------------------ fields */

static const Lance__File__MetadataEntry *find_entry(const Lance__File__Field *field, const char *key)
{
    for (size_t i = 0; i < field->n_metadata; i++)
        if (field->metadata[i]->key && strcmp(field->metadata[i]->key, key) == 0)
            return field->metadata[i];
    return NULL;
}

/* The key is told twice: in the metadata, and in fields of the message. */
static void mirror_key(Lance__File__Field *field)
{
    const Lance__File__MetadataEntry *mark = find_entry(field, KEY_PRIMARY);
    const Lance__File__MetadataEntry *position = find_entry(field, KEY_PRIMARY_POSITION);
    char digits[12] = "";

    field->has_unenforced_primary_key =
        mark && mark->value.len == 4 && strncasecmp((const char *) mark->value.data, "true", 4) == 0;
    field->unenforced_primary_key = field->has_unenforced_primary_key;
    if (position && position->value.len < sizeof digits)
        memcpy(digits, position->value.data, position->value.len);
    field->unenforced_primary_key_position = (uint32_t) strtoul(digits, NULL, 10);
    field->has_unenforced_primary_key_position = field->unenforced_primary_key_position != 0;
}

static qv_status update_field(const qv__config_update *update, Lance__Table__Manifest *head, qv__arena *arena,
                              qv_error *err)
{
    Lance__File__Field **fields = qv__arena_alloc(arena, head->n_fields + 1, sizeof *fields);

    if (!fields)
        return qv__fail_nomem(err, head->n_fields * sizeof *fields);
    memcpy(fields, head->fields, head->n_fields * sizeof *fields);
    head->fields = fields;
    for (size_t i = 0; i < head->n_fields; i++) {
        if (fields[i]->id != update->field_id)
            continue;
        Lance__File__Field *field = qv__arena_alloc(arena, 1, sizeof *field);
        if (!field)
            return qv__fail_nomem(err, sizeof *field);
        *field = *fields[i];
        fields[i] = field;
        QV_TRY(update_bytes(update, arena, &field->n_metadata, &field->metadata, err));
        mirror_key(field);
        return QV_OK;
    }
    return qv__fail(err, QV_CONFLICT, "another writer dropped field %" PRId32 " meanwhile", update->field_id);
}

/* ------------------------------------------------------------------ the whole */

static qv_status apply(const qv__config_update *update, Lance__Table__Manifest *head, qv__arena *arena, qv_error *err)
{
    for (size_t i = 0; i < update->n; i++)
        if (!update->pairs[i].key || !*update->pairs[i].key)
            return qv__fail(err, QV_INVALID, "a key is empty");
    switch (update->kind) {
    case QV_METADATA_CONFIG:
        return update_texts(update, arena, &head->n_config, &head->config, err);
    case QV_METADATA_TABLE:
        return update_texts(update, arena, &head->n_table_metadata, &head->table_metadata, err);
    case QV_METADATA_SCHEMA:
        return update_bytes(update, arena, &head->n_schema_metadata, &head->schema_metadata, err);
    case QV_METADATA_FIELD:
        return update_field(update, head, arena, err);
    }
    return qv__fail(err, QV_INVALID, "metadata of kind %d", (int) update->kind);
}

qv_status qv__metadata_apply(const qv__change *change, Lance__Table__Manifest *head, qv__arena *arena, qv_error *err)
{
    for (size_t i = 0; i < change->n_updates; i++)
        QV_TRY(apply(&change->updates[i], head, arena, err));
    return QV_OK;
}
