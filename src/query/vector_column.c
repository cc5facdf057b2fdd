/* Columns that can be searched: fixed-size lists of numbers, or of two-byte values marked as bfloat16, or lists of such vectors, at the
 * top level or in structs. Vectors come as runs at a fixed stride; a nested column is read and then seen as such a run. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bitmap.h"
#include "query_private.h"

enum { MAX_DEPTH = 64, NESTED_ROWS = 65536 };

/* ------------------------------------------------------------------ which columns are vectors */

static bool is_bfloat16(const qv__field *field)
{
    static const char name[] = "lance.bfloat16";
    size_t len;
    const char *extension = qv__metadata_get(&field->metadata, "ARROW:extension:name", &len);
    return extension && len == sizeof name - 1 && memcmp(extension, name, len) == 0;
}

static bool element_of(const qv__field *field, qv__element *out)
{
    if (field->type->id != QV_TYPE_FIXED_LIST || field->type->width <= 0)
        return false;
    const qv__field *item = &field->type->children[0];
    switch (item->type->id) {
    case QV_TYPE_FLOAT32:
        *out = QV_EL_F32;
        return true;
    case QV_TYPE_FLOAT16:
        *out = QV_EL_F16;
        return true;
    case QV_TYPE_FLOAT64:
        *out = QV_EL_F64;
        return true;
    case QV_TYPE_INT8:
        *out = QV_EL_I8;
        return true;
    case QV_TYPE_UINT8:
        *out = QV_EL_U8;
        return true;
    case QV_TYPE_FIXED_BINARY:
        *out = QV_EL_BF16;
        return item->type->width == 2 && (is_bfloat16(item) || is_bfloat16(field));
    default:
        return false;
    }
}

/* The type of one vector: the field's own, or that of its items; NULL: neither. */
static const qv__type *vector_type(const qv__field *field, qv__element *element)
{
    qv__type_id id = field->type->id;

    if (id == QV_TYPE_LIST || id == QV_TYPE_LARGE_LIST)
        field = &field->type->children[0];
    return element_of(field, element) ? field->type : NULL;
}

typedef struct candidates {
    size_t dim;
    char name[512]; /* dotted path of the field being looked at */
    char first[512];
    char list[300];  /* of all that fit */
    char other[200]; /* vector columns of another dimension */
    size_t n, n_other;
} candidates;

/* Adds `"name"` to a list, and the dimension when it is not 0. */
static void note(char *list, size_t size, const char *name, int dim)
{
    size_t at = strlen(list);
    const char *comma = at > 0 ? ", " : "";

    if (dim)
        snprintf(list + at, size - at, "%s\"%s\" has %d", comma, name, dim);
    else
        snprintf(list + at, size - at, "%s\"%s\"", comma, name);
}

/* Ends the path in c->name, which is so long, with one more name; false: there is no room. */
static bool extend_path(candidates *c, size_t *len, const char *name)
{
    size_t dot = *len > 0, n = strlen(name);

    if (*len + dot + n >= sizeof c->name)
        return false;
    if (dot)
        c->name[*len] = '.';
    memcpy(c->name + *len + dot, name, n + 1);
    *len += dot + n;
    return true;
}

static void look(candidates *c, const qv__field *fields, size_t n, size_t prefix, unsigned depth)
{
    for (size_t i = 0; i < n && depth < MAX_DEPTH; i++) {
        size_t len = prefix;
        qv__element element;
        const qv__type *vector = vector_type(&fields[i], &element);
        if (!extend_path(c, &len, fields[i].name))
            continue; /* such a column can still be named */
        if (fields[i].type->id == QV_TYPE_STRUCT)
            look(c, fields[i].type->children, fields[i].type->n_children, len, depth + 1);
        else if (vector && (size_t) vector->width == c->dim) {
            if (c->n++ == 0)
                memcpy(c->first, c->name, sizeof c->first);
            note(c->list, sizeof c->list, c->name, 0);
        } else if (vector) {
            c->n_other++;
            note(c->other, sizeof c->other, c->name, vector->width);
        }
    }
}

static qv_status choose(const qv__schema *schema, size_t dim, candidates *c, qv_error *err)
{
    c->dim = dim;
    c->n = c->n_other = 0;
    c->list[0] = c->other[0] = 0;
    look(c, schema->fields, schema->n_fields, 0, 0);
    if (c->n > 1)
        return qv__fail(err, QV_INVALID, "several vector columns have %zu dimensions, name one of them: %s", dim,
                        c->list);
    if (c->n == 0 && c->n_other > 0)
        return qv__fail(err, QV_INVALID, "no vector column has %zu dimensions: %s", dim, c->other);
    if (c->n == 0)
        return qv__fail(err, QV_INVALID, "the table has no vector column");
    return QV_OK;
}

qv_status qv__vector_column_find(const qv__schema *schema, const char *name, size_t dim, qv__vector_column *out,
                                 qv_error *err)
{
    candidates c;
    qv__vector_column column = { 0 };
    bool found;
    char text[160];

    if (!name) {
        QV_TRY(choose(schema, dim, &c, err));
        name = c.first;
    }
    QV_TRY(qv__read_find(schema, name, &column.read, &column.leaf, &found, err));
    if (!found) {
        char names[300];
        return qv__fail(err, QV_NOT_FOUND, "column \"%s\" does not exist; the columns are %s", name,
                        qv__column_names(schema, names, sizeof names));
    }
    qv_status st = QV_OK;
    const qv__type *vector = vector_type(column.leaf, &column.element);
    if (!vector)
        st = qv__fail(err, QV_INVALID, "column \"%s\" is not a vector column but %s", name,
                      qv__type_print(column.leaf->type, text, sizeof text));
    else if ((size_t) vector->width != dim)
        st = qv__fail(err, QV_INVALID, "column \"%s\" has %d dimensions, query has %zu", name, vector->width, dim);
    if (st != QV_OK) {
        qv__read_clear(&column.read);
        return st;
    }
    column.dim = dim;
    column.is_multi = vector != column.leaf->type;
    *out = column;
    return QV_OK;
}

/* ------------------------------------------------------------------ runs of vectors */

/* Validity of n vectors: those of the lists, less the ones with a null item. */
static qv_status merge_validity(const qv__array *lists, const qv__array *items, size_t dim, qv__bytes *out,
                                qv_error *err)
{
    size_t n = (size_t) lists->length, first = (size_t) (items->offset + lists->offset * (int64_t) dim);
    uint8_t *bits;

    QV_TRY(qv__bytes_new(qv__bitmap_bytes(n), out, &bits, err));
    for (size_t i = 0; i < n; i++) {
        bool valid = !qv__array_is_null(lists, (int64_t) i);
        if (valid && items->null_count > 0) {
            size_t start = first + i * dim;
            valid = qv__bitmap_find(items->buffers[0].data, start, start + dim, false) == start + dim;
        }
        qv__bit_put(bits, i, valid);
    }
    return QV_OK;
}

qv_status qv__vector_run_of(const qv__array *lists, qv__element element, size_t dim, qv__vector_run *out, qv_error *err)
{
    const qv__array *items = lists->children[0];
    size_t item_bytes = qv__element_bytes(element, 1);
    qv__vector_run run = { .stride = dim * item_bytes, .rows = (uint64_t) lists->length };

    if (lists->null_count > 0 || items->null_count > 0) {
        QV_TRY(merge_validity(lists, items, dim, &run.keep[1], err));
        run.validity = run.keep[1].data;
    }
    run.keep[0] = qv__bytes_ref(items->buffers[1]);
    run.data = items->buffers[1].data + (size_t) (items->offset + lists->offset * (int64_t) dim) * item_bytes;
    *out = run;
    return QV_OK;
}

qv_status qv__vector_column_array(const qv__vector_column *column, qv__fragment_column *from, const uint64_t *rows,
                                  uint64_t row, size_t n, qv__array **out, qv_error *err)
{
    qv__array *top = NULL;

    if (rows)
        QV_TRY(qv__fragment_column_take(from, rows, n, &top, err));
    else
        QV_TRY(qv__fragment_column_read(from, row, n, &top, err));
    qv_status st = qv__read_extract(&column->read, top, out, err);
    qv__array_unref(top);
    return st;
}

qv_status qv__vector_column_run(const qv__vector_column *column, qv__fragment_column *from, uint64_t row,
                                uint64_t max_rows, qv__vector_run *out, qv_error *err)
{
    qv__array *lists;

    if (column->read.depth == 0)
        return qv__fragment_column_vectors(from, row, max_rows, out, err);
    QV_TRY(qv__vector_column_array(column, from, NULL, row, QV_MIN(max_rows, NESTED_ROWS), &lists, err));
    qv_status st = qv__vector_run_of(lists, column->element, column->dim, out, err);
    qv__array_unref(lists);
    return st;
}

qv_status qv__vector_column_take(const qv__vector_column *column, qv__fragment_column *from, const uint64_t *rows,
                                 size_t n, qv__vector_run *out, qv_error *err)
{
    qv__array *lists;

    QV_TRY(qv__vector_column_array(column, from, rows, 0, n, &lists, err));
    qv_status st = qv__vector_run_of(lists, column->element, column->dim, out, err);
    qv__array_unref(lists);
    return st;
}
