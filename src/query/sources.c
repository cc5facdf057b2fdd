/* Columns by name, the reads that they need, and the lists of sources that a query draws from: every condition, expression and
 * output of a query names its inputs as positions in one such list, so nothing is read twice. */
#include <stdio.h>
#include <string.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "base/bitmap.h"
#include "query_private.h"

enum { MAX_DEPTH = 64 };

/* ------------------------------------------------------------------ names */

char *qv__column_names(const qv__schema *schema, char *buf, size_t buf_len)
{
    size_t at = 0;

    buf[0] = 0;
    for (size_t i = 0; i < schema->n_fields; i++) {
        int n = snprintf(buf + at, buf_len - at, "%s\"%s\"", i ? ", " : "", schema->fields[i].name);
        if (n < 0 || (size_t) n >= buf_len - at) { /* no room: end with an ellipsis */
            snprintf(buf + QV_MIN(at, buf_len - 6), 6, ", ...");
            break;
        }
        at += (size_t) n;
    }
    return buf;
}

static const qv__field *find_field(const qv__field *fields, size_t n, const char *name, size_t len)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(fields[i].name) == len && memcmp(fields[i].name, name, len) == 0)
            return &fields[i];
    return NULL;
}

/* The fields from the top level down to the column; 0 when there is none. A name that has dots itself comes first. */
static size_t find_path(const qv__schema *schema, const char *name, const qv__field **path)
{
    const qv__field *fields = schema->fields;
    size_t n_fields = schema->n_fields;

    for (size_t depth = 0; depth < MAX_DEPTH; depth++) {
        path[depth] = find_field(fields, n_fields, name, strlen(name));
        if (path[depth])
            return depth + 1;
        const char *dot = strchr(name, '.');
        path[depth] = dot ? find_field(fields, n_fields, name, (size_t) (dot - name)) : NULL;
        if (!path[depth] || path[depth]->type->id != QV_TYPE_STRUCT)
            return 0;
        fields = path[depth]->type->children;
        n_fields = path[depth]->type->n_children;
        name = dot + 1;
    }
    return 0;
}

/* The next part of a path as programs write it: `a`.`b``c` or a.b; `part` has room for the whole path. False at its end. */
static bool next_part(const char **path, char *part, size_t *len)
{
    const char *p = *path;

    *len = 0;
    if (!*p)
        return false;
    bool quoted = *p == '`';
    for (p += quoted; *p && (quoted || *p != '.'); p++) {
        if (quoted && *p == '`' && *++p != '`')
            break;
        part[(*len)++] = *p;
    }
    *path = *p == '.' ? p + 1 : p;
    return true;
}

/* As find_path, for a path as programs write it. */
static qv_status find_quoted(const qv__schema *schema, const char *name, const qv__field **path, size_t *n,
                             qv_error *err)
{
    const qv__field *fields = schema->fields;
    size_t n_fields = schema->n_fields, len;
    char *part = qv__alloc(strlen(name) + 1, 1);

    *n = 0;
    if (!part)
        return qv__fail_nomem(err, strlen(name) + 1);
    while (*n < MAX_DEPTH && next_part(&name, part, &len)) {
        path[*n] = find_field(fields, n_fields, part, len);
        if (!path[*n]) {
            *n = 0;
            break;
        }
        bool is_struct = path[*n]->type->id == QV_TYPE_STRUCT;
        fields = is_struct ? path[*n]->type->children : NULL;
        n_fields = is_struct ? path[*n]->type->n_children : 0;
        ++*n;
    }
    qv__free(part);
    return QV_OK;
}

/* ------------------------------------------------------------------ reads */

/* Puts `child` (taken) below a copy of the struct field `parent`, as its only child. */
static qv_status wrap(const qv__field *parent, qv__field *child, qv_error *err)
{
    qv__field wrapped = { 0 };
    qv__type *type = NULL;

    QV_TRY(qv__type_new_struct(child, 1, &type, err));
    qv_status st = qv__field_copy(&wrapped, parent, err);
    if (st != QV_OK) {
        qv__type_unref(type);
        return st;
    }
    qv__type_unref(wrapped.type);
    wrapped.type = type;
    qv__field_clear(child);
    *child = wrapped;
    return QV_OK;
}

/* The read of the last of `n` fields, each below the one before it. */
static qv_status read_of_path(const qv__field *const *path, size_t n, qv__read *out, qv_error *err)
{
    qv__read read = { .depth = n - 1 };

    if (n == 1) {
        *out = (qv__read){ .whole = path[0] };
        return QV_OK;
    }
    QV_TRY(qv__field_copy(&read.pruned, path[n - 1], err));
    for (size_t i = n - 1; i-- > 0;) {
        qv_status st = wrap(path[i], &read.pruned, err);
        if (st != QV_OK) {
            qv__field_clear(&read.pruned);
            return st;
        }
    }
    *out = read;
    return QV_OK;
}

qv_status qv__read_find(const qv__schema *schema, const char *name, qv__read *out, const qv__field **leaf, bool *found,
                        qv_error *err)
{
    const qv__field *path[MAX_DEPTH];
    size_t n = find_path(schema, name, path);

    *found = n > 0;
    if (n == 0)
        return QV_OK;
    *leaf = path[n - 1];
    return read_of_path(path, n, out, err);
}

void qv__read_clear(qv__read *read)
{
    if (read->depth > 0)
        qv__field_clear(&read->pruned);
    *read = (qv__read){ 0 };
}

bool qv__read_nullable(const qv__read *read)
{
    const qv__field *field = qv__read_field(read);
    bool nullable = field->nullable;

    for (size_t d = 0; d < read->depth; d++) {
        field = &field->type->children[0];
        nullable = nullable || field->nullable;
    }
    return nullable;
}

/* A copy of `child`'s head whose validity is also `parent`'s. Both have the same length. */
static qv_status mask_nulls(const qv__array *parent, const qv__array *child, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *masked = NULL;
    uint8_t *bits;
    size_t start = (size_t) child->offset, n = (size_t) child->length;

    QV_CHECK(qv__array_new(child->type, child->length, child->n_children, &masked, err));
    masked->offset = child->offset;
    for (size_t i = 1; i < QV_COUNT_OF(masked->buffers); i++)
        masked->buffers[i] = qv__bytes_ref(child->buffers[i]);
    for (size_t i = 0; i < child->n_children; i++)
        masked->children[i] = qv__array_ref(child->children[i]);
    masked->dictionary = qv__array_ref(child->dictionary);
    QV_CHECK(qv__bytes_new(qv__bitmap_bytes(start + n), &masked->buffers[0], &bits, err));
    qv__bitmap_fill(bits, 0, start + n, true);
    if (child->buffers[0].data)
        qv__bitmap_copy(bits, start, child->buffers[0].data, start, n);
    for (size_t i = 0; i < n; i++)
        if (!qv__bit_get(parent->buffers[0].data, (size_t) parent->offset + i))
            qv__bit_clear(bits, start + i);
    masked->null_count = (int64_t) (n - qv__bitmap_count(bits, start, n));
    *out = masked;
    masked = NULL;
done:
    qv__array_unref(masked);
    return st;
}

qv_status qv__read_extract(const qv__read *read, const qv__array *array, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *now = qv__array_ref(array), *child = NULL;

    for (size_t d = 0; d < read->depth; d++) {
        QV_CHECK(qv__array_slice(now->children[0], now->offset, now->length, &child, err));
        if (now->null_count > 0 && child->type->id != QV_TYPE_NULL) {
            qv__array *masked = NULL;
            QV_CHECK(mask_nulls(now, child, &masked, err));
            qv__array_unref(child);
            child = masked;
        }
        qv__array_unref(now);
        now = child;
        child = NULL;
    }
    *out = now;
    now = NULL;
done:
    qv__array_unref(now);
    qv__array_unref(child);
    return st;
}

/* ------------------------------------------------------------------ lists of sources */

static const struct made {
    qv__source_kind kind;
    const char *name;
} made_columns[] = { { QV_FROM_ROW_ID, "_rowid" },           { QV_FROM_ROW_ADDRESS, "_rowaddr" },
                     { QV_FROM_ROW_OFFSET, "_rowoffset" },   { QV_FROM_DISTANCE, "_distance" },
                     { QV_FROM_QUERY_INDEX, "query_index" }, { QV_FROM_PLACE, "_place" } };
enum { TABLE_MADE = 3, SEARCH_MADE = 4 }; /* how many of them a scan, and a search, can name */

bool qv__source_kind_of(const char *name, bool is_search, qv__source_kind *out)
{
    for (size_t i = 0; i < (is_search ? SEARCH_MADE : TABLE_MADE); i++)
        if (strcmp(made_columns[i].name, name) == 0) {
            *out = made_columns[i].kind;
            return true;
        }
    return false;
}

static const char *made_name(qv__source_kind kind)
{
    for (size_t i = 0; i < QV_COUNT_OF(made_columns); i++)
        if (made_columns[i].kind == kind)
            return made_columns[i].name;
    return "";
}

static void clear_source(qv__source *source)
{
    if (source->kind == QV_FROM_FIELD)
        qv__read_clear(&source->read);
    qv__free(source->name);
}

void qv__sources_clear(qv__sources *sources)
{
    for (size_t i = 0; i < sources->n; i++)
        clear_source(&sources->items[i]);
    qv__free(sources->items);
    *sources = (qv__sources){ 0 };
}

bool qv__sources_have(const qv__sources *sources, qv__source_kind kind)
{
    for (size_t i = 0; i < sources->n; i++)
        if (sources->items[i].kind == kind)
            return true;
    return false;
}

/* Takes what `source` holds in every case. */
static qv_status push(qv__sources *sources, qv__source source, const char *name, size_t *id, qv_error *err)
{
    source.name = qv__strdup(name);
    qv_status st = source.name ? QV_GROW(&sources->items, &sources->capacity, sources->n + 1, err)
                               : qv__fail_nomem(err, strlen(name) + 1);
    if (st != QV_OK) {
        clear_source(&source);
        return st;
    }
    *id = sources->n;
    sources->items[sources->n++] = source;
    return QV_OK;
}

qv_status qv__sources_add_made(qv__sources *sources, qv__source_kind kind, size_t *id, qv_error *err)
{
    for (*id = 0; *id < sources->n; ++*id)
        if (sources->items[*id].kind == kind)
            return QV_OK;
    return push(sources, (qv__source){ .kind = kind }, made_name(kind), id, err);
}

static qv_status add_path(qv__sources *sources, const qv__field *const *path, size_t n, const char *name, size_t *id,
                          qv_error *err)
{
    qv__source source = { .kind = QV_FROM_FIELD, .leaf = path[n - 1] };

    for (*id = 0; *id < sources->n; ++*id)
        if (sources->items[*id].leaf == source.leaf)
            return QV_OK;
    QV_TRY(read_of_path(path, n, &source.read, err));
    return push(sources, source, name, id, err);
}

static qv_status no_column(const qv__schema *schema, const char *name, qv_error *err)
{
    char names[300];
    return qv__fail(err, QV_NOT_FOUND, "column \"%s\" does not exist; the columns are %s", name,
                    qv__column_names(schema, names, sizeof names));
}

qv_status qv__sources_add_column(qv__sources *sources, const qv__schema *schema, const char *name, size_t *id,
                                 qv_error *err)
{
    const qv__field *path[MAX_DEPTH];
    size_t n = find_path(schema, name, path);

    return n > 0 ? add_path(sources, path, n, name, id, err) : no_column(schema, name, err);
}

static qv_status add_program_column(qv__sources *sources, const qv__schema *schema, const char *name, size_t *id,
                                    qv_error *err)
{
    const qv__field *path[MAX_DEPTH];
    qv__source_kind kind;
    size_t n;

    QV_TRY(find_quoted(schema, name, path, &n, err));
    if (n > 0)
        return add_path(sources, path, n, name, id, err);
    return qv__source_kind_of(name, true, &kind) ? qv__sources_add_made(sources, kind, id, err)
                                                 : no_column(schema, name, err);
}

qv_status qv__sources_add_program(qv__sources *sources, const qv__schema *schema, const qv__program *program,
                                  size_t **inputs, qv_error *err)
{
    size_t *list = NULL;

    QV_TRY(QV_NEW(&list, QV_MAX(program->n_columns, 1), err));
    for (size_t i = 0; i < program->n_columns; i++) {
        qv_status st = add_program_column(sources, schema, program->columns[i].path, &list[i], err);
        if (st != QV_OK) {
            qv__free(list);
            return st;
        }
    }
    *inputs = list;
    return QV_OK;
}

/* ------------------------------------------------------------------ scopes */

qv_status qv__scope_new(const qv__schema *schema, bool is_search, qv__schema **out, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n_made = is_search ? SEARCH_MADE : TABLE_MADE, n = 0;
    qv__field *fields = NULL;
    qv__type *type = NULL;

    QV_CHECK(QV_NEW(&fields, schema->n_fields + n_made, err));
    for (; n < schema->n_fields; n++)
        QV_CHECK(qv__field_copy(&fields[n], &schema->fields[n], err));
    for (size_t i = 0; i < n_made; i++, n++) {
        bool is_distance = made_columns[i].kind == QV_FROM_DISTANCE;
        QV_CHECK(qv__type_new(is_distance ? QV_TYPE_FLOAT32 : QV_TYPE_UINT64, &type, err));
        QV_CHECK(qv__field_init(&fields[n], made_columns[i].name, type, false, err));
        qv__type_unref(type);
        type = NULL;
    }
    QV_CHECK(qv__schema_new(fields, n, &schema->metadata, out, err));
done:
    for (size_t i = 0; fields && i < schema->n_fields + n_made; i++)
        qv__field_clear(&fields[i]);
    qv__free(fields);
    qv__type_unref(type);
    return st;
}

qv_status qv__condition_scope(const qv__snapshot *snapshot, qv__schema **out, qv_error *err)
{
    return qv__scope_new(qv__snapshot_schema(snapshot), false, out, err);
}
