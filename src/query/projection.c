/* Which columns a read returns, and what must be read for them. Every output is one field of the table, a nested column of
 * one (read pruned to the path, then taken out of its structs), or one of the columns that Quiver makes itself. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bitmap.h"
#include "file/lance_schema.h"
#include "arrow/compute/compute.h"
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

qv_status qv__read_find(const qv__schema *schema, const char *name, qv__read *out, const qv__field **leaf, bool *found,
                        qv_error *err)
{
    const qv__field *path[MAX_DEPTH];
    size_t n = find_path(schema, name, path);
    qv__read read = { 0 };

    *found = n > 0;
    if (n == 0)
        return QV_OK;
    *leaf = path[n - 1];
    if (n == 1) {
        *out = (qv__read){ .field = path[0] };
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
    read.depth = n - 1;
    *out = read;
    return QV_OK;
}

void qv__read_clear(qv__read *read)
{
    if (read->depth > 0)
        qv__field_clear(&read->pruned);
    *read = (qv__read){ 0 };
}

static const qv__field *read_field(const qv__read *read) { return read->depth > 0 ? &read->pruned : read->field; }

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

/* ------------------------------------------------------------------ projections */

typedef struct making {
    const qv__schema *schema;
    const qv__wanted *wanted;
    qv__projection *p;
    qv__field *fields; /* of the result, n_outputs so far */
    bool has_distance;
} making;

static qv_status add_made(making *m, qv__output_kind kind, const char *name, qv__type_id type_id, qv_error *err)
{
    qv__type *type = NULL;

    QV_TRY(qv__type_new(type_id, &type, err));
    qv_status st = qv__field_init(&m->fields[m->p->n_outputs], name, type, true, err);
    qv__type_unref(type);
    if (st == QV_OK)
        m->p->outputs[m->p->n_outputs++] = (qv__output){ kind, 0 };
    return st;
}

static qv_status add_row_id(making *m, qv_error *err)
{
    return add_made(m, QV_OUT_ROW_ID, "_rowid", QV_TYPE_UINT64, err);
}

static qv_status add_row_address(making *m, qv_error *err)
{
    return add_made(m, QV_OUT_ROW_ADDRESS, "_rowaddr", QV_TYPE_UINT64, err);
}

static qv_status add_distance(making *m, qv_error *err)
{
    m->has_distance = true;
    return add_made(m, QV_OUT_DISTANCE, "_distance", QV_TYPE_FLOAT32, err);
}

/* A nested column can be null wherever a struct above it can. */
static bool path_nullable(const qv__read *read)
{
    const qv__field *field = read_field(read);
    bool nullable = field->nullable;
    for (size_t d = 0; d < read->depth; d++) {
        field = &field->type->children[0];
        nullable = nullable || field->nullable;
    }
    return nullable;
}

/* The metadata of a column as it is read. Blobs of the second kind come as their bytes, so the name of the extension, whose
 * storage is a struct, would be wrong. */
static qv_status copy_metadata(qv__field *to, const qv__field *leaf, qv_error *err)
{
    static const char prefix[] = "ARROW:extension:";

    if (!qv__field_is_blob_v2(leaf))
        return qv__metadata_copy(&to->metadata, &leaf->metadata, err);
    for (size_t i = 0; i < leaf->metadata.n; i++)
        if (strncmp(leaf->metadata.pairs[i].key, prefix, sizeof prefix - 1) != 0)
            QV_TRY(qv__metadata_set(&to->metadata, leaf->metadata.pairs[i].key, leaf->metadata.pairs[i].value,
                                    leaf->metadata.pairs[i].value_len, err));
    return QV_OK;
}

static qv_status add_column(making *m, const char *name, qv_error *err)
{
    qv__projection *p = m->p;
    qv__read *read = &p->reads[p->n_reads];
    qv__field *field = &m->fields[p->n_outputs];
    const qv__field *leaf;
    bool found;

    QV_TRY(qv__read_find(m->schema, name, read, &leaf, &found, err));
    if (!found) {
        char names[300];
        return qv__fail(err, QV_NOT_FOUND, "column \"%s\" does not exist; the columns are %s", name,
                        qv__column_names(m->schema, names, sizeof names));
    }
    p->outputs[p->n_outputs++] = (qv__output){ QV_OUT_FIELD, p->n_reads++ };
    QV_TRY(qv__field_init(field, name, leaf->type, path_nullable(read), err));
    field->id = leaf->id;
    return copy_metadata(field, leaf, err);
}

static qv_status add_named(making *m, const char *name, qv_error *err)
{
    for (size_t i = 0; i < m->p->n_outputs; i++)
        if (strcmp(m->fields[i].name, name) == 0)
            return qv__fail(err, QV_INVALID, "column \"%s\" is asked for twice", name);
    if (m->wanted->is_search && strcmp(name, "_distance") == 0)
        return add_distance(m, err);
    if (strcmp(name, "_rowid") == 0) /* with_row_id puts it at the end */
        return m->wanted->row_id ? QV_OK : add_row_id(m, err);
    if (strcmp(name, "_rowaddr") == 0)
        return m->wanted->row_address ? QV_OK : add_row_address(m, err);
    return add_column(m, name, err);
}

static qv_status add_all(making *m, qv_error *err)
{
    const qv__wanted *w = m->wanted;

    if (w->query_index)
        QV_TRY(add_made(m, QV_OUT_QUERY_INDEX, "query_index", QV_TYPE_INT32, err));
    if (w->columns)
        for (size_t i = 0; i < w->n_columns; i++)
            QV_TRY(add_named(m, w->columns[i], err));
    else
        for (size_t i = 0; i < m->schema->n_fields; i++)
            QV_TRY(add_column(m, m->schema->fields[i].name, err));
    if (w->is_search && !m->has_distance)
        QV_TRY(add_distance(m, err));
    if (w->row_id)
        QV_TRY(add_row_id(m, err));
    if (w->row_address)
        QV_TRY(add_row_address(m, err));
    return QV_OK;
}

qv_status qv__projection_new(const qv__schema *schema, const qv__wanted *wanted, qv__projection **out, qv_error *err)
{
    qv_status st = QV_OK;
    making m = { .schema = schema, .wanted = wanted };
    size_t most = (wanted->columns ? wanted->n_columns : schema->n_fields) + 4;

    QV_TRY(QV_NEW(&m.p, 1, err));
    QV_CHECK(QV_NEW(&m.p->reads, most, err));
    QV_CHECK(QV_NEW(&m.p->outputs, most, err));
    QV_CHECK(QV_NEW(&m.fields, most, err));
    QV_CHECK(add_all(&m, err));
    for (size_t i = 0; i < m.p->n_reads; i++) /* the array does not move any more */
        m.p->reads[i].field = read_field(&m.p->reads[i]);
    QV_CHECK(qv__schema_new(m.fields, m.p->n_outputs, &schema->metadata, &m.p->schema, err));
    *out = m.p;
    m.p = NULL;
done:
    if (m.fields)
        for (size_t i = 0; i < most; i++)
            qv__field_clear(&m.fields[i]);
    qv__free(m.fields);
    qv__projection_free(m.p);
    return st;
}

void qv__projection_free(qv__projection *projection)
{
    if (!projection)
        return;
    for (size_t i = 0; projection->reads && i < projection->n_reads; i++)
        qv__read_clear(&projection->reads[i]);
    qv__schema_unref(projection->schema);
    qv__free(projection->reads);
    qv__free(projection->outputs);
    qv__free(projection);
}
