/* Editing a schema tree. Types are immutable and shared, so the path from the top to a changed field is made anew, and everything
 * beside it is kept. */
#include <string.h>

#include "change/columns_private.h"
#include "file/lance_schema.h"

#define EXTENSION_PREFIX "ARROW:extension:"
#define ENCODING_PREFIX  "lance-encoding:"

const qv__field_edit *qv__edits_find(const qv__field_edits *edits, int32_t id)
{
    for (size_t i = 0; i < edits->n; i++)
        if (edits->items[i].id == id)
            return &edits->items[i];
    return NULL;
}

/* Fields of lists and maps have paths too, but no name of their own to change. */
static bool is_reachable(const qv__field *fields, size_t n, const qv__field *wanted)
{
    for (size_t i = 0; i < n; i++)
        if (&fields[i] == wanted || (fields[i].type->id == QV_TYPE_STRUCT &&
                                     is_reachable(fields[i].type->children, fields[i].type->n_children, wanted)))
            return true;
    return false;
}

const qv__field *qv__find_editable(const qv__schema *schema, const char *path)
{
    const qv__field *field = path ? qv__schema_find_path(schema, path) : NULL;

    return field && is_reachable(schema->fields, schema->n_fields, field) ? field : NULL;
}

/* ------------------------------------------------------------------ names */

static const char *const reserved[] = { "_rowid", "_rowaddr", "_rowoffset", "_distance", "_score" };

qv_status qv__column_name_check(const char *name, qv_error *err)
{
    if (strchr(name, '.'))
        return qv__fail(err, QV_INVALID,
                        "Top level field %s cannot contain `.`. Maybe you meant to create a struct field?", name);
    for (size_t i = 0; i < QV_COUNT_OF(reserved); i++)
        if (strcmp(name, reserved[i]) == 0)
            return qv__fail(err, QV_INVALID, "The column %s is a reserved name and cannot be used in a table", name);
    return QV_OK;
}

static qv_status check_siblings(const qv__field *fields, size_t n, qv_error *err)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++)
            if (strcmp(fields[i].name, fields[j].name) == 0)
                return qv__fail(err, QV_INVALID, "Duplicate field name \"%.200s\" in schema", fields[i].name);
        if (fields[i].type->id == QV_TYPE_STRUCT)
            QV_TRY(check_siblings(fields[i].type->children, fields[i].type->n_children, err));
    }
    return QV_OK;
}

qv_status qv__schema_check_names(const qv__schema *schema, qv_error *err)
{
    return check_siblings(schema->fields, schema->n_fields, err);
}

/* ------------------------------------------------------------------ the edit */

typedef struct editing {
    const qv__field_edits *edits;
    bool for_files;
    qv__file_version version;
} editing;

static qv_status edit_fields(const editing *e, const qv__field *from, size_t n, qv__field *out, size_t *n_out,
                             qv_error *err);

/* What says how the old type was to be read does not hold for a new one. */
static qv_status keep_metadata(const qv__field *from, qv__field *to, qv_error *err)
{
    for (size_t i = 0; i < from->metadata.n; i++) {
        const struct qv__metadata_pair *pair = &from->metadata.pairs[i];
        if (strncmp(pair->key, EXTENSION_PREFIX, sizeof EXTENSION_PREFIX - 1) != 0 &&
            strncmp(pair->key, ENCODING_PREFIX, sizeof ENCODING_PREFIX - 1) != 0)
            QV_TRY(qv__metadata_set(&to->metadata, pair->key, pair->value, pair->value_len, err));
    }
    return QV_OK;
}

static qv_status retype(const editing *e, const qv__field *from, const qv__type *type, qv__field *out, qv_error *err)
{
    qv__field shown = { 0 };

    QV_TRY(qv__field_init(&shown, from->name, type, from->nullable, err));
    shown.id = -1;
    qv_status st = keep_metadata(from, &shown, err);
    if (st == QV_OK)
        st = e->for_files ? qv__field_for_files(&shown, e->version, out, err) : qv__field_copy(out, &shown, err);
    qv__field_clear(&shown);
    return st;
}

/* A struct with the edits made in its fields; *gone: none is left. */
static qv_status edit_struct(const editing *e, const qv__field *from, qv__field *out, bool *gone, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n = from->type->n_children, n_left = 0;
    qv__field *children = NULL;
    qv__type *type = NULL;

    QV_CHECK(QV_NEW(&children, QV_MAX(n, 1), err));
    QV_CHECK(edit_fields(e, from->type->children, n, children, &n_left, err));
    *gone = n > 0 && n_left == 0;
    if (*gone)
        goto done;
    QV_CHECK(qv__type_new_struct(children, n_left, &type, err));
    QV_CHECK(qv__field_init(out, from->name, type, from->nullable, err));
    out->id = from->id;
    QV_CHECK(qv__metadata_copy(&out->metadata, &from->metadata, err));
done:
    for (size_t i = 0; children && i < n_left; i++)
        qv__field_clear(&children[i]);
    qv__free(children);
    qv__type_unref(type);
    return st;
}

static qv_status edit_field(const editing *e, const qv__field *from, qv__field *out, bool *gone, qv_error *err)
{
    const qv__field_edit *edit = from->id >= 0 ? qv__edits_find(e->edits, from->id) : NULL;
    qv_status st = QV_OK;

    *gone = edit && edit->drop;
    if (*gone)
        return QV_OK;
    if (edit && edit->type)
        st = retype(e, from, edit->type, out, err);
    else if (from->type->id == QV_TYPE_STRUCT && !qv__field_is_blob(from))
        st = edit_struct(e, from, out, gone, err);
    else
        st = qv__field_copy(out, from, err);
    if (st == QV_OK && edit && !*gone && edit->rename) {
        char *name = qv__strdup(edit->rename);
        if (!name)
            st = qv__fail_nomem(err, strlen(edit->rename) + 1);
        qv__free(name ? out->name : NULL);
        out->name = name ? name : out->name;
    }
    if (st == QV_OK && edit && !*gone && edit->nullable >= 0)
        out->nullable = edit->nullable;
    if (st != QV_OK)
        qv__field_clear(out);
    return st;
}

static qv_status edit_fields(const editing *e, const qv__field *from, size_t n, qv__field *out, size_t *n_out,
                             qv_error *err)
{
    for (size_t i = 0; i < n; i++) {
        bool gone;
        QV_TRY(edit_field(e, &from[i], &out[*n_out], &gone, err));
        *n_out += !gone;
    }
    return QV_OK;
}

qv_status qv__schema_edit(const qv__schema *schema, const qv__field_edits *edits, bool for_files,
                          qv__file_version version, qv__schema **out, qv_error *err)
{
    editing e = { edits, for_files, version };
    qv_status st = QV_OK;
    qv__field *fields = NULL;
    size_t n = 0;

    QV_CHECK(QV_NEW(&fields, QV_MAX(schema->n_fields, 1), err));
    QV_CHECK(edit_fields(&e, schema->fields, schema->n_fields, fields, &n, err));
    QV_CHECK(qv__schema_new(fields, n, &schema->metadata, out, err));
done:
    for (size_t i = 0; fields && i < n; i++)
        qv__field_clear(&fields[i]);
    qv__free(fields);
    return st;
}
