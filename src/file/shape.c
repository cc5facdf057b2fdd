/* Leaves of one field tell its structure each for itself: in 2.1 and later the levels of every leaf say which lists and structs
 * above it are null and how long the lists are. Readers believe the first leaf. Here each other leaf is read alone, as a field pruned
 * to it, and its structure compared with the whole field's. */
#include <inttypes.h>

#include "base/alloc.h"
#include "file/lance_schema.h"
#include "file/read/read_private.h"

static size_t count_leaves(const qv__field *field)
{
    size_t n = 0;

    if (qv__field_is_column(field))
        return 1;
    for (size_t i = 0; i < field->type->n_children; i++)
        n += count_leaves(&field->type->children[i]);
    return n;
}

/* The child of a list or struct that leads to its `leaf`-th leaf; *leaf becomes that leaf's number below the child. */
static size_t child_towards(const qv__field *field, size_t *leaf)
{
    size_t i = 0;

    for (size_t n; (n = count_leaves(&field->type->children[i])) <= *leaf; i++)
        *leaf -= n;
    return i;
}

/* The field with nothing but the way to one leaf. A map becomes the list that it is stored as. */
static qv_status prune(const qv__field *field, size_t leaf, qv__field *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field child = { 0 };
    qv__type *type = NULL;

    if (qv__field_is_column(field)) {
        QV_TRY(qv__field_copy(out, field, err));
        out->id = field->id;
        return QV_OK;
    }
    size_t i = child_towards(field, &leaf);
    QV_CHECK(prune(&field->type->children[i], leaf, &child, err));
    if (field->type->id == QV_TYPE_STRUCT)
        QV_CHECK(qv__type_new_struct(&child, 1, &type, err));
    else
        QV_CHECK(qv__type_new_list(QV_TYPE_LARGE_LIST, &child, 0, &type, err));
    QV_CHECK(qv__field_init(out, field->name, type, field->nullable, err));
    out->id = field->id;
done:
    qv__field_clear(&child);
    qv__type_unref(type);
    return st;
}

/* Do both arrays have the same nulls, and lists of the same lengths, down to the leaf? Values [start, start + n) of each. */
static bool same_shape(const qv__field *field, size_t leaf, const qv__array *whole, const qv__array *pruned,
                       int64_t whole_start, int64_t pruned_start, int64_t n)
{
    if (qv__field_is_column(field))
        return true;
    bool is_struct = field->type->id == QV_TYPE_STRUCT;
    int64_t a_start = 0, a_end = 0, b_start = 0, b_end = 0, a_first = whole->offset + whole_start,
            b_first = pruned->offset + pruned_start, total = n;
    for (int64_t i = 0; i < n; i++) {
        if (qv__array_is_null(whole, whole_start + i) != qv__array_is_null(pruned, pruned_start + i))
            return false;
        if (is_struct)
            continue;
        qv__array_list_range(whole, whole_start + i, &a_start, &a_end);
        qv__array_list_range(pruned, pruned_start + i, &b_start, &b_end);
        if (a_end - a_start != b_end - b_start)
            return false;
        a_first = i == 0 ? a_start : a_first;
        b_first = i == 0 ? b_start : b_first;
    }
    if (!is_struct)
        total = a_end - a_first;
    size_t child = child_towards(field, &leaf);
    return n == 0 || same_shape(&field->type->children[child], leaf, whole->children[child], pruned->children[0],
                                a_first, b_first, total);
}

void qv__shape_free(qv__shape *shape)
{
    for (size_t i = 0; i < shape->n; i++)
        qv__column_free(shape->leaves[i]);
    qv__free(shape->leaves);
    *shape = (qv__shape){ 0 };
}

qv_status qv__shape_open(const qv__column *column, qv__shape *out, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n = qv__file_is_20(column->file) ? 1 : count_leaves(&column->field);

    *out = (qv__shape){ 0 };
    if (n < 2)
        return QV_OK;
    QV_TRY(QV_NEW(&out->leaves, n, err));
    for (out->n = 1; out->n < n; out->n++) { /* leaf 0 told the whole's structure */
        qv__field pruned = { 0 };
        QV_CHECK(prune(&column->field, out->n, &pruned, err));
        st = qv__column_open(column->file, &pruned, NULL, &out->leaves[out->n], err);
        qv__field_clear(&pruned);
        QV_CHECK(st);
    }
done:
    if (st != QV_OK)
        qv__shape_free(out);
    return st;
}

qv_status qv__shape_check(const qv__shape *shape, const qv__column *column, uint64_t row, const qv__array *whole,
                          qv_error *err)
{
    for (size_t i = 1; i < shape->n; i++) {
        qv__array *pruned = NULL;
        QV_TRY(qv__column_read(shape->leaves[i], row, (uint64_t) whole->length, &pruned, err));
        bool same = same_shape(&column->field, i, whole, pruned, 0, 0, whole->length);
        qv__array_unref(pruned);
        if (!same)
            return qv__fail(err, QV_CORRUPT,
                            "field \"%.60s\": leaf %zu tells other lists or nulls than leaf 0 in rows [%" PRIu64
                            ", +%" PRId64 ")",
                            column->field.name, i, row, whole->length);
    }
    return QV_OK;
}
