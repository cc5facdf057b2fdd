/* Fields by id and by path. Names with other characters than letters, digits and '_' stand in backticks, doubled inside. */
#include "index/index_private.h"

#define MAX_TEXT_BYTES ((size_t) 1 << 20)

void qv__indexed_field_clear(qv__indexed_field *field)
{
    qv__free(field->path);
    *field = (qv__indexed_field){ 0 };
}

/* ------------------------------------------------------------------ paths */

static bool is_plain(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!(*c == '_' || (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z')))
            return false;
    return *name != 0;
}

static qv_status print_name(const char *name, qv__buffer *out, qv_error *err)
{
    if (is_plain(name))
        return qv__buffer_printf(out, err, "%s", name);
    QV_TRY(qv__buffer_append(out, "`", 1, err));
    for (const char *c = name; *c; c++)
        QV_TRY(qv__buffer_append(out, *c == '`' ? "``" : c, *c == '`' ? 2 : 1, err));
    return qv__buffer_append(out, "`", 1, err);
}

static qv_status print_path(qv__indexed_field *field, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer text;
    const qv__field *at = field->top;

    qv__buffer_init(&text, MAX_TEXT_BYTES);
    QV_CHECK(print_name(at->name, &text, err));
    for (size_t i = 0; i < field->depth; i++) {
        at = &at->type->children[field->steps[i]];
        QV_CHECK(qv__buffer_append(&text, ".", 1, err));
        QV_CHECK(print_name(at->name, &text, err));
    }
    QV_CHECK(qv__buffer_append_zeros(&text, 1, err));
    field->path = (char *) qv__buffer_detach(&text, NULL);
done:
    qv__buffer_free(&text);
    return st;
}

/* ------------------------------------------------------------------ by id */

static bool find_id(const qv__field *at, int32_t id, qv__indexed_field *out)
{
    if (at->id == id) {
        out->leaf = at;
        return true;
    }
    if (at->type->id != QV_TYPE_STRUCT)
        return false;
    for (size_t i = 0; i < at->type->n_children; i++) {
        out->steps[out->depth++] = i;
        if (find_id(&at->type->children[i], id, out))
            return true;
        out->depth--;
    }
    return false;
}

qv_status qv__field_by_id(const qv__snapshot *snapshot, int32_t id, qv__indexed_field *out, bool *found, qv_error *err)
{
    const qv__schema *schema = qv__snapshot_schema(snapshot);

    *out = (qv__indexed_field){ 0 };
    *found = false;
    for (size_t i = 0; i < schema->n_fields && id >= 0 && !*found; i++) {
        out->top = &schema->fields[i];
        *found = find_id(out->top, id, out);
    }
    return *found ? print_path(out, err) : QV_OK;
}

/* ------------------------------------------------------------------ by path */

/* Copies the next part of a path; *rest NULL after the last one. */
static qv_status next_part(const char **rest, qv__buffer *out, qv_error *err)
{
    const char *at = *rest;

    out->len = 0;
    if (*at == '`') {
        for (at++; *at && !(at[0] == '`' && at[1] != '`'); at++) {
            QV_TRY(qv__buffer_append(out, at, 1, err));
            at += *at == '`';
        }
        at += *at == '`';
    } else {
        size_t len = strcspn(at, ".");
        QV_TRY(qv__buffer_append(out, at, len, err));
        at += len;
    }
    QV_TRY(qv__buffer_append_zeros(out, 1, err));
    *rest = *at == '.' ? at + 1 : NULL;
    return *at && *at != '.' ? qv__fail(err, QV_NOT_FOUND, "column path goes on after a closing backtick: %s", at)
                             : QV_OK;
}

static ptrdiff_t find_name(const qv__field *fields, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].name, name) == 0)
            return (ptrdiff_t) i;
    return -1;
}

static qv_status list_names(const qv__field *fields, size_t n, qv__buffer *out, qv_error *err)
{
    for (size_t i = 0; i < n && out->len < 300; i++) {
        QV_TRY(qv__buffer_printf(out, err, i ? ", " : ""));
        QV_TRY(print_name(fields[i].name, out, err));
    }
    return QV_OK;
}

static qv_status unknown_path(const qv__schema *schema, const char *path, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer names;

    qv__buffer_init(&names, MAX_TEXT_BYTES);
    QV_CHECK(list_names(schema->fields, schema->n_fields, &names, err));
    st = qv__fail(err, QV_NOT_FOUND, "Field path `%.100s` not found in schema. Available field paths: %.*s", path,
                  (int) names.len, names.len ? (const char *) names.data : "");
done:
    qv__buffer_free(&names);
    return st;
}

qv_status qv__field_by_path(const qv__snapshot *snapshot, const char *path, qv__indexed_field *out, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__schema *schema = qv__snapshot_schema(snapshot);
    const char *rest = path;
    qv__buffer part;
    ptrdiff_t at = qv__schema_find(schema, path); /* a plain name with dots in it, say */

    *out = (qv__indexed_field){ 0 };
    qv__buffer_init(&part, MAX_TEXT_BYTES);
    if (at < 0) {
        QV_CHECK(next_part(&rest, &part, err));
        at = qv__schema_find(schema, (const char *) part.data);
    } else {
        rest = NULL;
    }
    if (at < 0)
        QV_CHECK(unknown_path(schema, path, err));
    out->top = out->leaf = &schema->fields[at];
    while (rest) {
        QV_CHECK(next_part(&rest, &part, err));
        at = out->leaf->type->id == QV_TYPE_STRUCT
                 ? find_name(out->leaf->type->children, out->leaf->type->n_children, (const char *) part.data)
                 : -1;
        if (at < 0)
            QV_CHECK(unknown_path(schema, path, err));
        out->steps[out->depth++] = (size_t) at;
        out->leaf = &out->leaf->type->children[at];
    }
    QV_CHECK(print_path(out, err));
done:
    qv__buffer_free(&part);
    return st;
}
