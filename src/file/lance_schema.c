/* Field messages <-> schemas. A manifest lists fields in pre-order with parent ids; the tree is rebuilt bottom-up through
 * first-child and next-sibling links, so neither a deep nor a wide list costs more than it holds. */
#include "file/lance_schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/alloc.h"
#include "file/logical_type.h"

#define MAX_FIELDS 1000000
#define NONE       SIZE_MAX

#define KEY_PRIMARY          "lance-schema:unenforced-primary-key"
#define KEY_PRIMARY_POSITION "lance-schema:unenforced-primary-key:position"
#define KEY_CLUSTERING       "lance-schema:unenforced-clustering-key:position"

/* ------------------------------------------------------------------ facts about fields */

static bool is_true(const qv__metadata *metadata, const char *key)
{
    size_t len;
    const char *value = qv__metadata_get(metadata, key, &len);

    return value && len == 4 && strncasecmp(value, "true", 4) == 0;
}

bool qv__field_is_blob_v2(const qv__field *field)
{
    return field->type->id == QV_TYPE_LARGE_BINARY &&
           qv__metadata_is(&field->metadata, QV_KEY_EXTENSION, "lance.blob.v2");
}

bool qv__field_is_blob(const qv__field *field)
{
    return field->type->id == QV_TYPE_LARGE_BINARY &&
           (is_true(&field->metadata, QV_KEY_BLOB) || qv__field_is_blob_v2(field));
}

bool qv__field_is_packed(const qv__field *field)
{
    return field->type->id == QV_TYPE_STRUCT &&
           (is_true(&field->metadata, QV_KEY_PACKED) || is_true(&field->metadata, "packed"));
}

bool qv__field_is_column(const qv__field *field)
{
    switch (field->type->id) {
    case QV_TYPE_LIST:
    case QV_TYPE_LARGE_LIST:
    case QV_TYPE_MAP:
        return false;
    case QV_TYPE_STRUCT:
        return field->type->n_children == 0 || qv__field_is_packed(field);
    default:
        return true;
    }
}

/* Vectors and dictionaries have types inside, but no fields. */
static bool has_child_fields(const qv__type *type)
{
    return type->n_children && type->id != QV_TYPE_FIXED_LIST && type->id != QV_TYPE_DICTIONARY;
}

/* ------------------------------------------------------------------ messages -> schema */

typedef struct id_position {
    int32_t id;
    size_t at;
} id_position;

typedef struct tree {
    Lance__File__Field *const *fields;
    size_t n;
    size_t *first_child; /* n + 1 entries; the last is the root's */
    size_t *last_child;
    size_t *next;
    unsigned *depth;
    id_position *by_id;
    size_t n_ids;
} tree;

static int compare_ids(const void *a, const void *b)
{
    int32_t x = ((const id_position *) a)->id, y = ((const id_position *) b)->id;

    return (x > y) - (x < y);
}

static void tree_clear(tree *t)
{
    qv__free(t->first_child);
    qv__free(t->last_child);
    qv__free(t->next);
    qv__free(t->depth);
    qv__free(t->by_id);
}

static bool is_skipped(const Lance__File__Field *field) { return field->has_id && field->id == -1; }

static qv_status index_ids(tree *t, qv_error *err)
{
    for (size_t i = 0; i < t->n; i++)
        if (!is_skipped(t->fields[i]))
            t->by_id[t->n_ids++] = (id_position){ t->fields[i]->id, i };
    qsort(t->by_id, t->n_ids, sizeof *t->by_id, compare_ids);
    for (size_t i = 1; i < t->n_ids; i++)
        if (t->by_id[i].id == t->by_id[i - 1].id)
            return qv__fail(err, QV_CORRUPT, "schema: field id %d occurs twice", (int) t->by_id[i].id);
    return QV_OK;
}

static qv_status link_field(tree *t, size_t i, qv_error *err)
{
    int32_t parent_id = t->fields[i]->parent_id; /* absent means 0, as every absent number */
    size_t parent = t->n;

    if (parent_id >= 0) {
        id_position key = { parent_id, 0 };
        const id_position *found = bsearch(&key, t->by_id, t->n_ids, sizeof *t->by_id, compare_ids);
        if (!found || found->at >= i)
            return qv__fail(err, QV_CORRUPT, "schema: parent %d of field %d does not come before it", (int) parent_id,
                            (int) t->fields[i]->id);
        parent = found->at;
    }
    t->depth[i] = parent == t->n ? 1 : t->depth[parent] + 1;
    if (t->depth[i] > QV_SCHEMA_MAX_DEPTH)
        return qv__fail(err, QV_CORRUPT, "schema: fields nested deeper than %d", QV_SCHEMA_MAX_DEPTH);
    if (t->first_child[parent] == NONE)
        t->first_child[parent] = i;
    else
        t->next[t->last_child[parent]] = i;
    t->last_child[parent] = i;
    return QV_OK;
}

static qv_status tree_init(tree *t, Lance__File__Field *const *fields, size_t n, qv_error *err)
{
    *t = (tree){ .fields = fields, .n = n };
    if (n > MAX_FIELDS)
        return qv__fail(err, QV_CORRUPT, "schema of %zu fields", n);
    QV_TRY(QV_NEW(&t->first_child, n + 1, err));
    QV_TRY(QV_NEW(&t->last_child, n + 1, err));
    QV_TRY(QV_NEW(&t->next, n + 1, err));
    QV_TRY(QV_NEW(&t->depth, n + 1, err));
    QV_TRY(QV_NEW(&t->by_id, n + 1, err));
    for (size_t i = 0; i <= n; i++)
        t->first_child[i] = t->last_child[i] = t->next[i] = NONE;
    QV_TRY(index_ids(t, err));
    for (size_t i = 0; i < n; i++)
        if (!is_skipped(fields[i]))
            QV_TRY(link_field(t, i, err));
    return QV_OK;
}

static qv_status set_number(qv__metadata *metadata, const char *key, uint32_t value, qv_error *err)
{
    char text[16];
    int len = snprintf(text, sizeof text, "%u", (unsigned) value);

    return qv__metadata_set(metadata, key, text, (size_t) len, err);
}

static qv_status copy_metadata(const Lance__File__Field *message, qv__metadata *out, qv_error *err)
{
    for (size_t i = 0; i < message->n_metadata; i++) {
        const Lance__File__MetadataEntry *entry = message->metadata[i];
        QV_TRY(qv__metadata_set(out, entry->key ? entry->key : "", (const char *) entry->value.data, entry->value.len,
                                err));
    }
    if (message->extension_name && *message->extension_name && !qv__metadata_get(out, QV_KEY_EXTENSION, NULL))
        QV_TRY(qv__metadata_set(out, QV_KEY_EXTENSION, message->extension_name, strlen(message->extension_name), err));
    if (message->unenforced_primary_key && !qv__metadata_get(out, KEY_PRIMARY, NULL))
        QV_TRY(qv__metadata_set(out, KEY_PRIMARY, "true", 4, err));
    if (message->unenforced_primary_key_position && !qv__metadata_get(out, KEY_PRIMARY_POSITION, NULL))
        QV_TRY(set_number(out, KEY_PRIMARY_POSITION, message->unenforced_primary_key_position, err));
    if (message->unenforced_clustering_key_position && !qv__metadata_get(out, KEY_CLUSTERING, NULL))
        QV_TRY(set_number(out, KEY_CLUSTERING, message->unenforced_clustering_key_position, err));
    return QV_OK;
}

/* A struct that stands for a blob: by its extension in manifests, by the blob mark in a file's descriptor. */
static bool means_blob_v2(const char *logical, const qv__metadata *metadata)
{
    return strcmp(logical, "struct") == 0 &&
           (qv__metadata_is(metadata, QV_KEY_EXTENSION, "lance.blob.v2") || is_true(metadata, QV_KEY_BLOB));
}

static qv_status build_fields(const tree *t, size_t parent, qv__field **out, size_t *n, qv_error *err);

static qv_status build_type(const tree *t, size_t at, const qv__metadata *metadata, qv__type **out, qv_error *err)
{
    qv_status st = QV_OK;
    const char *logical = t->fields[at]->logical_type ? t->fields[at]->logical_type : "";
    qv__field *children = NULL;
    size_t n_children = 0;

    if (means_blob_v2(logical, metadata))
        return qv__type_new(QV_TYPE_LARGE_BINARY, out, err);
    QV_CHECK(build_fields(t, at, &children, &n_children, err));
    QV_CHECK(qv__type_of_logical(logical, children, n_children, out, err));
done:
    for (size_t i = 0; i < n_children; i++)
        qv__field_clear(&children[i]);
    qv__free(children);
    return st;
}

static qv_status build_field(const tree *t, size_t at, qv__field *out, qv_error *err)
{
    qv_status st = QV_OK;
    const Lance__File__Field *message = t->fields[at];
    const char *name = message->name ? message->name : "";
    const char *logical = message->logical_type ? message->logical_type : "";
    qv__metadata metadata = { 0 };
    qv__type *type = NULL;

    QV_CHECK(copy_metadata(message, &metadata, err));
    if (means_blob_v2(logical, &metadata))
        QV_CHECK(qv__metadata_set(&metadata, QV_KEY_EXTENSION, "lance.blob.v2", 13, err));
    if (strcmp(logical, "json") == 0)
        QV_CHECK(qv__metadata_set(&metadata, QV_KEY_EXTENSION, "lance.json", 10, err));
    if (strcmp(logical, "blob") == 0)
        QV_CHECK(qv__metadata_set(&metadata, QV_KEY_BLOB, "true", 4, err));
    st = build_type(t, at, &metadata, &type, err);
    if (st != QV_OK) {
        qv__fail_in(err, st, "field \"%.100s\"", name);
        goto done;
    }
    QV_CHECK(qv__field_init(out, name, type, message->nullable, err));
    out->id = message->id;
    out->metadata = metadata;
    metadata = (qv__metadata){ 0 };
done:
    qv__metadata_clear(&metadata);
    qv__type_unref(type);
    return st;
}

static qv_status build_fields(const tree *t, size_t parent, qv__field **out, size_t *n, qv_error *err)
{
    qv_status st = QV_OK;
    size_t count = 0, done_count = 0;
    qv__field *fields = NULL;

    for (size_t i = t->first_child[parent]; i != NONE; i = t->next[i])
        count++;
    QV_CHECK(QV_NEW(&fields, count, err));
    for (size_t i = t->first_child[parent]; i != NONE; i = t->next[i], done_count++)
        QV_CHECK(build_field(t, i, &fields[done_count], err));
    *out = fields;
    *n = count;
    return QV_OK;
done:
    for (size_t i = 0; i < done_count; i++)
        qv__field_clear(&fields[i]);
    qv__free(fields);
    return st;
}

qv_status qv__schema_from_lance(Lance__File__Field *const *messages, size_t n, const qv__metadata *metadata,
                                qv__schema **out, qv_error *err)
{
    qv_status st = QV_OK;
    tree t = { 0 };
    qv__field *fields = NULL;
    size_t n_fields = 0;

    QV_CHECK(tree_init(&t, messages, n, err));
    QV_CHECK(build_fields(&t, n, &fields, &n_fields, err));
    QV_CHECK(qv__schema_new(fields, n_fields, metadata, out, err));
done:
    for (size_t i = 0; i < n_fields; i++)
        qv__field_clear(&fields[i]);
    qv__free(fields);
    tree_clear(&t);
    return st;
}

/* ------------------------------------------------------------------ schema -> messages */

static size_t count_messages(const qv__field *field)
{
    size_t n = 1;

    if (qv__field_is_blob_v2(field))
        return 3;
    if (has_child_fields(field->type))
        for (size_t i = 0; i < field->type->n_children; i++)
            n += count_messages(&field->type->children[i]);
    return n;
}

static uint32_t number_of(const qv__metadata *metadata, const char *key)
{
    size_t len;
    const char *value = qv__metadata_get(metadata, key, &len);
    uint32_t number = 0;

    for (size_t i = 0; value && i < len && i < 9 && value[i] >= '0' && value[i] <= '9'; i++)
        number = number * 10 + (uint32_t) (value[i] - '0');
    return number;
}

static qv_status fill_metadata(const qv__metadata *metadata, qv__arena *arena, Lance__File__Field *out, qv_error *err)
{
    out->n_metadata = metadata->n;
    out->metadata = qv__arena_alloc(arena, metadata->n + 1, sizeof *out->metadata);
    if (!out->metadata)
        return qv__fail_nomem(err, metadata->n * sizeof *out->metadata);
    for (size_t i = 0; i < metadata->n; i++) {
        const struct qv__metadata_pair *pair = &metadata->pairs[i];
        Lance__File__MetadataEntry *entry = qv__arena_alloc(arena, 1, sizeof *entry);
        char *key = qv__arena_strndup(arena, pair->key, strlen(pair->key));
        char *value = qv__arena_strndup(arena, pair->value ? pair->value : "", pair->value_len);
        if (!entry || !key || !value)
            return qv__fail_nomem(err, pair->value_len);
        lance__file__metadata_entry__init(entry);
        entry->key = key;
        entry->has_value = true;
        entry->value = (ProtobufCBinaryData){ pair->value_len, (uint8_t *) value };
        out->metadata[i] = entry;
        if (strcmp(pair->key, QV_KEY_EXTENSION) == 0)
            out->extension_name = value;
    }
    if (is_true(metadata, KEY_PRIMARY))
        out->has_unenforced_primary_key = out->unenforced_primary_key = true;
    out->unenforced_primary_key_position = number_of(metadata, KEY_PRIMARY_POSITION);
    out->has_unenforced_primary_key_position = out->unenforced_primary_key_position != 0;
    out->unenforced_clustering_key_position = number_of(metadata, KEY_CLUSTERING);
    out->has_unenforced_clustering_key_position = out->unenforced_clustering_key_position != 0;
    return QV_OK;
}

static qv_status add_message(qv__lance_fields *out, const char *name, int32_t id, int32_t parent, const char *logical,
                             size_t logical_len, bool nullable, Lance__File__Field **message_out, qv_error *err)
{
    Lance__File__Field *message = qv__arena_alloc(&out->arena, 1, sizeof *message);

    if (!message)
        return qv__fail_nomem(err, sizeof *message);
    lance__file__field__init(message);
    message->name = qv__arena_strndup(&out->arena, name, strlen(name));
    message->logical_type = qv__arena_strndup(&out->arena, logical, logical_len);
    if (!message->name || !message->logical_type)
        return qv__fail_nomem(err, strlen(name) + logical_len);
    message->has_id = message->has_parent_id = message->has_nullable = true;
    message->id = id;
    message->parent_id = parent;
    message->nullable = nullable;
    out->fields[out->n++] = message;
    *message_out = message;
    return QV_OK;
}

static qv_status add_field(qv__lance_fields *out, const qv__field *field, int32_t parent, unsigned depth, qv_error *err)
{
    qv_status st = QV_OK;
    Lance__File__Field *message;
    qv__buffer logical;

    if (depth > QV_SCHEMA_MAX_DEPTH)
        return qv__fail(err, QV_UNSUPPORTED, "fields nested deeper than %d", QV_SCHEMA_MAX_DEPTH);
    qv__buffer_init(&logical, 1 << 16);
    QV_CHECK(qv__logical_type_of(field, &logical, err));
    QV_CHECK(add_message(out, field->name, field->id, parent, (const char *) logical.data, logical.len, field->nullable,
                         &message, err));
    QV_CHECK(fill_metadata(&field->metadata, &out->arena, message, err));
    if (qv__field_is_blob_v2(field)) {
        QV_CHECK(add_message(out, "data", field->id + 1, field->id, "large_binary", 12, true, &message, err));
        QV_CHECK(add_message(out, "uri", field->id + 2, field->id, "string", 6, true, &message, err));
    } else if (has_child_fields(field->type)) {
        for (size_t i = 0; i < field->type->n_children; i++)
            QV_CHECK(add_field(out, &field->type->children[i], field->id, depth + 1, err));
    }
done:
    qv__buffer_free(&logical);
    if (st != QV_OK && depth == 1)
        qv__fail_in(err, st, "field \"%.100s\"", field->name);
    return st;
}

qv_status qv__schema_to_lance(const qv__schema *schema, qv__lance_fields *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__lance_fields fields = { 0 };
    size_t n = 0;

    qv__arena_init(&fields.arena, 0);
    for (size_t i = 0; i < schema->n_fields; i++)
        n += count_messages(&schema->fields[i]);
    fields.fields = qv__arena_alloc(&fields.arena, n + 1, sizeof *fields.fields);
    if (!fields.fields)
        QV_CHECK(qv__fail_nomem(err, n * sizeof *fields.fields));
    for (size_t i = 0; i < schema->n_fields; i++)
        QV_CHECK(add_field(&fields, &schema->fields[i], -1, 1, err));
    *out = fields;
    fields = (qv__lance_fields){ 0 };
done:
    qv__lance_fields_clear(&fields);
    return st;
}

void qv__lance_fields_clear(qv__lance_fields *fields)
{
    qv__arena_reset(&fields->arena);
    *fields = (qv__lance_fields){ 0 };
}

/* ------------------------------------------------------------------ field ids */

static qv_status take_ids(int32_t *next, int32_t n, int32_t *first, qv_error *err)
{
    if (*next > INT32_MAX - n)
        return qv__fail(err, QV_LIMIT, "field ids are used up");
    *first = *next;
    *next += n;
    return QV_OK;
}

/* Types are shared and immutable, so a field whose children get ids gets a type of its own. */
static qv_status own_type(qv__field *field, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__type *from = field->type;
    qv__type *type = NULL;

    QV_CHECK(qv__type_new(from->id, &type, err));
    type->ordered = from->ordered;
    QV_CHECK(QV_NEW(&type->children, from->n_children, err));
    for (; type->n_children < from->n_children; type->n_children++) {
        qv__field *child = &type->children[type->n_children];
        QV_CHECK(qv__field_copy(child, &from->children[type->n_children], err));
        child->id = from->children[type->n_children].id;
    }
    qv__type_unref(field->type);
    field->type = type;
    type = NULL;
done:
    qv__type_unref(type);
    return st;
}

static qv_status assign_id(qv__field *field, int32_t *next, unsigned depth, qv_error *err)
{
    if (depth > QV_SCHEMA_MAX_DEPTH)
        return qv__fail(err, QV_UNSUPPORTED, "fields nested deeper than %d", QV_SCHEMA_MAX_DEPTH);
    if (field->id < 0)
        QV_TRY(take_ids(next, qv__field_is_blob_v2(field) ? 3 : 1, &field->id, err));
    if (!has_child_fields(field->type))
        return QV_OK;
    QV_TRY(own_type(field, err));
    for (size_t i = 0; i < field->type->n_children; i++)
        QV_TRY(assign_id(&field->type->children[i], next, depth + 1, err));
    return QV_OK;
}

qv_status qv__schema_assign_ids(qv__schema *schema, int32_t *next, qv_error *err)
{
    for (size_t i = 0; i < schema->n_fields; i++)
        QV_TRY(assign_id(&schema->fields[i], next, 1, err));
    return QV_OK;
}
