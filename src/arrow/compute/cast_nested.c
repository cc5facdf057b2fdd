/* Lists to lists, maps to maps or lists, structs by the names of their fields. What lies under null parents is never looked
 * at: lists are normalized first, children of null structs and fixed-size lists are masked. */
#include <stdio.h>

#include "arrow/compute/cast_private.h"

/* `child` with a null wherever its parent (`scale` child values each) is null. Shares the values. */
static qv_status mask_child(const qv__array *parent, const qv__array *child, int64_t scale, qv__array **out,
                            qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *masked = NULL;
    qv__bytes bits = { 0 };
    uint8_t *writable;
    size_t end = (size_t) (child->offset + child->length);

    if (parent->null_count == 0 || child->type->id == QV_TYPE_NULL) {
        *out = qv__array_ref(child);
        return QV_OK;
    }
    QV_TRY(qv__bytes_new(qv__bitmap_bytes(end), &bits, &writable, err));
    if (child->buffers[0].data)
        memcpy(writable, child->buffers[0].data, qv__bitmap_bytes(end));
    else
        qv__bitmap_fill(writable, 0, end, true);
    for (int64_t i = 0; i < parent->length; i++)
        if (qv__array_is_null(parent, i))
            qv__bitmap_fill(writable, (size_t) (child->offset + i * scale), (size_t) scale, false);
    QV_CHECK(qv__array_retype(child, child->type, &masked, err));
    qv__bytes_unref(&masked->buffers[0]);
    masked->null_count =
        child->length - (int64_t) qv__bitmap_count(writable, (size_t) child->offset, (size_t) child->length);
    if (masked->null_count)
        masked->buffers[0] = qv__bytes_ref(bits);
    *out = masked;
    masked = NULL;
done:
    qv__array_unref(masked);
    qv__bytes_unref(&bits);
    return st;
}

/* The child cast to the field's type; a field that takes no nulls must get none, but under null parents. */
static qv_status cast_child(const qv__array *parent, const qv__array *child, int64_t scale, const qv__field *field,
                            qv__cast_mode mode, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *visible = NULL, *cast = NULL;

    if (qv__type_equal(child->type, field->type))
        cast = qv__array_ref(child);
    if (!cast) {
        QV_CHECK(mask_child(parent, child, scale, &visible, err));
        QV_CHECK(qv__array_cast(visible, field->type, mode, &cast, err));
    }
    for (int64_t i = 0; !field->nullable && cast->null_count && i < cast->length; i++)
        if (qv__array_is_null(cast, i) && !(scale && qv__array_is_null(parent, i / scale)))
            QV_CHECK(qv__fail(err, QV_INVALID, "field '%s' has nulls (at index %lld), but takes none", field->name,
                              (long long) i));
    *out = cast;
    cast = NULL;
done:
    qv__array_unref(visible);
    qv__array_unref(cast);
    return st;
}

/* ---- structs */

static qv_status cast_field(const qv__array *array, const qv__field *field, qv__cast_mode mode, qv__array **out,
                            qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *child = NULL;

    for (size_t j = 0; j < array->n_children && !child; j++)
        if (strcmp(array->type->children[j].name, field->name) == 0)
            QV_CHECK(qv__array_slice(array->children[j], array->offset, array->length, &child, err));
    if (!child) {
        QV_CHECK(qv__array_new_null(field->type, array->length, out, err));
        goto done;
    }
    st = cast_child(array, child, 1, field, mode, out, err);
    if (st != QV_OK && st != QV_NOMEM)
        qv__fail_in(err, st, "field \"%s\"", field->name);
done:
    qv__array_unref(child);
    return st;
}

qv_status qv__cast_struct(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out,
                          qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *frame = NULL;

    QV_TRY(qv__array_new(to, array->length, to->n_children, &frame, err));
    QV_CHECK(qv__validity_range(array, 0, array->length, frame, err));
    for (size_t k = 0; k < to->n_children; k++)
        QV_CHECK(cast_field(array, &to->children[k], mode, &frame->children[k], err));
    *out = frame;
    frame = NULL;
done:
    qv__array_unref(frame);
    return st;
}

/* ---- lists */

/* Normalized list or map to list of the other offset width: the child stays where it is. */
static qv_status list_to_list(const qv__array *array, const qv__type *to, qv__array *frame, qv_error *err)
{
    bool is_64 = qv__type_offsets_64(to);
    uint8_t *offsets;

    if (is_64 == qv__type_offsets_64(array->type)) {
        frame->buffers[1] = qv__bytes_ref(array->buffers[1]);
        return QV_OK;
    }
    QV_TRY(qv__check_offsets_fit(to, (uint64_t) qv__offset_at(array, array->length), err));
    QV_TRY(qv__array_buffer(frame, 1, (size_t) array->length + 1, is_64 ? 8 : 4, &offsets, err));
    for (int64_t i = 0; i <= array->length; i++)
        qv__offset_put(offsets, is_64, i, qv__offset_at(array, i));
    return QV_OK;
}

/* Fixed-size lists: null rows hold elements there, but none in the new list. */
static qv_status fixed_to_list(const qv__array *array, const qv__type *to, qv__array *frame, qv__array **child,
                               qv_error *err)
{
    qv_status st = QV_OK;
    bool is_64 = qv__type_offsets_64(to);
    int64_t width = array->type->width, sum = 0;
    qv__part *parts = NULL;
    size_t n_parts = 0;
    uint8_t *offsets;

    QV_CHECK(qv__array_buffer(frame, 1, (size_t) array->length + 1, is_64 ? 8 : 4, &offsets, err));
    for (int64_t i = 0; i < array->length; i++) {
        sum += qv__array_is_null(array, i) ? 0 : width;
        qv__offset_put(offsets, is_64, i + 1, sum);
        QV_CHECK(qv__check_offsets_fit(to, (uint64_t) sum, err));
    }
    if (array->null_count == 0) {
        *child = qv__array_ref(array->children[0]);
        goto done;
    }
    QV_CHECK(QV_NEW(&parts, (size_t) array->length, err));
    for (int64_t i = 0; i < array->length; i++)
        if (!qv__array_is_null(array, i))
            parts[n_parts++] = (qv__part){ array->children[0], i * width, width };
    QV_CHECK(qv__gather(array->type->children[0].type, parts, n_parts, child, err));
done:
    qv__free(parts);
    return st;
}

/* Every list that is not null must have the one length; null rows get that many nulls. */
static qv_status list_to_fixed(const qv__array *array, const qv__type *to, qv__array **child, qv_error *err)
{
    qv_status st = QV_OK;
    qv__part *parts = NULL;

    for (int64_t i = 0; i < array->length; i++) {
        int64_t len = qv__offset_at(array, i + 1) - qv__offset_at(array, i);

        if (len != to->width && !qv__array_is_null(array, i))
            return qv__fail(err, QV_INVALID, "Cannot cast to FixedSizeList(%d): value at index %lld has length %lld",
                            (int) to->width, (long long) i, (long long) len);
    }
    if (array->null_count == 0) {
        *child = qv__array_ref(array->children[0]);
        return QV_OK;
    }
    QV_CHECK(QV_NEW(&parts, (size_t) array->length, err));
    for (int64_t i = 0; i < array->length; i++) {
        bool is_null = qv__array_is_null(array, i);

        parts[i] = (qv__part){ is_null ? NULL : array->children[0], is_null ? 0 : qv__offset_at(array, i), to->width };
    }
    QV_CHECK(qv__gather(array->type->children[0].type, parts, (size_t) array->length, child, err));
done:
    qv__free(parts);
    return st;
}

/* Maps: key to key and value to value, whatever the fields are called. */
static qv_status cast_entries(const qv__array *entries, const qv__type *to, qv__cast_mode mode, qv__array **out,
                              qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *frame = NULL;

    QV_TRY(qv__array_new(to, entries->length, 2, &frame, err));
    for (size_t k = 0; k < 2; k++)
        QV_CHECK(cast_child(entries, entries->children[k], 1, &to->children[k], mode, &frame->children[k], err));
    *out = frame;
    frame = NULL;
done:
    qv__array_unref(frame);
    return st;
}

qv_status qv__cast_list(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *normal = NULL, *frame = NULL, *child = NULL;
    const qv__field *element = &to->children[0];
    bool from_fixed = array->type->id == QV_TYPE_FIXED_LIST, to_fixed = to->id == QV_TYPE_FIXED_LIST;

    QV_CHECK(qv__array_normalize(array, &normal, err));
    QV_CHECK(qv__array_new(to, array->length, 1, &frame, err));
    QV_CHECK(qv__validity_range(normal, 0, normal->length, frame, err));
    if (to_fixed && !from_fixed)
        QV_CHECK(list_to_fixed(normal, to, &child, err));
    else if (from_fixed && !to_fixed)
        QV_CHECK(fixed_to_list(normal, to, frame, &child, err));
    else
        child = qv__array_ref(normal->children[0]);
    if (!from_fixed && !to_fixed)
        QV_CHECK(list_to_list(normal, to, frame, err));
    if (to->id == QV_TYPE_MAP)
        QV_CHECK(cast_entries(child, element->type, mode, &frame->children[0], err));
    else /* parents are positions of the child only where every row is equally long */
        QV_CHECK(cast_child(to_fixed ? frame : child, child, to_fixed ? to->width : 0, element, mode,
                            &frame->children[0], err));
    *out = frame;
    frame = NULL;
done:
    qv__array_unref(normal);
    qv__array_unref(child);
    qv__array_unref(frame);
    return st;
}
