/* Offset 0 at every level, children exactly as long as what is used, null strings and lists empty. Buffers are shared: a
 * range of fixed-width values or string bytes is a view; only shifted bits and offsets are written anew. Where something
 * lies under a null list or string, that array is gathered instead. */
#include "arrow/compute/compute_private.h"

static qv_status normalize_range(const qv__array *array, int64_t start, int64_t n, qv__array **out, qv_error *err);

/* Does a null slot in the range cover bytes or elements? */
static bool hides_values(const qv__array *array, int64_t start, int64_t n)
{
    if (array->null_count == 0)
        return false;
    for (int64_t i = start; i < start + n; i++)
        if (qv__array_is_null(array, i) && qv__offset_at(array, i) != qv__offset_at(array, i + 1))
            return true;
    return false;
}

static bool is_normal(const qv__array *array)
{
    if (array->offset != 0 || (array->null_count == 0 && array->buffers[0].data))
        return false;
    switch (qv__type_layout(array->type)) {
    case QV_LAYOUT_BYTES:
        return array->buffers[1].data && qv__offset_at(array, 0) == 0 && !hides_values(array, 0, array->length);
    case QV_LAYOUT_LIST:
        return array->buffers[1].data && qv__offset_at(array, 0) == 0 &&
               qv__offset_at(array, array->length) == array->children[0]->length &&
               !hides_values(array, 0, array->length) && is_normal(array->children[0]);
    case QV_LAYOUT_FIXED_LIST:
        return array->length * array->type->width == array->children[0]->length && is_normal(array->children[0]);
    case QV_LAYOUT_STRUCT:
        for (size_t k = 0; k < array->n_children; k++)
            if (array->children[k]->length != array->length || !is_normal(array->children[k]))
                return false;
        return true;
    default:
        return !array->dictionary || is_normal(array->dictionary);
    }
}

static qv_status normalize_bits(const qv__array *array, int64_t start, int64_t n, qv__array *to, qv_error *err)
{
    size_t at = (size_t) (array->offset + start);
    uint8_t *bits;

    if (at % 8 == 0 && array->buffers[1].data) {
        to->buffers[1] = qv__bytes_slice(array->buffers[1], at / 8, qv__bitmap_bytes((size_t) n));
        return QV_OK;
    }
    QV_TRY(qv__array_buffer(to, 1, qv__bitmap_bytes((size_t) n), 1, &bits, err));
    if (n)
        qv__bitmap_copy(bits, 0, array->buffers[1].data, at, (size_t) n);
    return QV_OK;
}

/* Offsets that begin with 0, shared if they already do. */
static qv_status normalize_offsets(const qv__array *array, int64_t start, int64_t n, qv__array *to, qv_error *err)
{
    bool is_64 = qv__type_offsets_64(array->type);
    size_t width = is_64 ? 8 : 4;
    int64_t first = qv__offset_at(array, start);
    uint8_t *offsets;

    if (first == 0 && array->buffers[1].len) {
        to->buffers[1] =
            qv__bytes_slice(array->buffers[1], (size_t) (array->offset + start) * width, ((size_t) n + 1) * width);
        return QV_OK;
    }
    QV_TRY(qv__array_buffer(to, 1, (size_t) n + 1, width, &offsets, err));
    for (int64_t i = 0; i <= n; i++)
        qv__offset_put(offsets, is_64, i, qv__offset_at(array, start + i) - first);
    return QV_OK;
}

static qv_status normalize_values(const qv__array *array, int64_t start, int64_t n, qv__array *to, qv_error *err)
{
    int64_t first, last, width = array->type->width;
    size_t bytes;

    switch (qv__type_layout(array->type)) {
    case QV_LAYOUT_NULL:
        return QV_OK;
    case QV_LAYOUT_BITS:
        return normalize_bits(array, start, n, to, err);
    case QV_LAYOUT_FIXED:
        bytes = qv__type_value_bytes(array->type);
        if (array->buffers[1].data)
            to->buffers[1] =
                qv__bytes_slice(array->buffers[1], (size_t) (array->offset + start) * bytes, (size_t) n * bytes);
        return array->dictionary ? qv__array_normalize(array->dictionary, &to->dictionary, err) : QV_OK;
    case QV_LAYOUT_BYTES:
        QV_TRY(normalize_offsets(array, start, n, to, err));
        first = qv__offset_at(array, start);
        last = qv__offset_at(array, start + n);
        if (array->buffers[2].data)
            to->buffers[2] = qv__bytes_slice(array->buffers[2], (size_t) first, (size_t) (last - first));
        return QV_OK;
    case QV_LAYOUT_LIST:
        QV_TRY(normalize_offsets(array, start, n, to, err));
        first = qv__offset_at(array, start);
        last = qv__offset_at(array, start + n);
        return normalize_range(array->children[0], first, last - first, &to->children[0], err);
    case QV_LAYOUT_FIXED_LIST:
        return normalize_range(array->children[0], (array->offset + start) * width, n * width, &to->children[0], err);
    case QV_LAYOUT_STRUCT:
        for (size_t k = 0; k < array->n_children; k++)
            QV_TRY(normalize_range(array->children[k], array->offset + start, n, &to->children[k], err));
        return QV_OK;
    }
    return QV_OK;
}

static qv_status normalize_range(const qv__array *array, int64_t start, int64_t n, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *to = NULL;
    qv__layout layout = qv__type_layout(array->type);

    if (start == 0 && n == array->length && is_normal(array)) {
        *out = qv__array_ref(array);
        return QV_OK;
    }
    if ((layout == QV_LAYOUT_BYTES || layout == QV_LAYOUT_LIST) && hides_values(array, start, n)) {
        qv__part part = { array, start, n };
        QV_TRY(qv__gather(array->type, &part, 1, &to, err));
        st = normalize_range(to, 0, n, out, err); /* dictionaries below were shared as they are */
        qv__array_unref(to);
        return st;
    }
    QV_TRY(qv__array_new(array->type, n, array->n_children, &to, err));
    QV_CHECK(qv__validity_range(array, start, n, to, err));
    QV_CHECK(normalize_values(array, start, n, to, err));
    *out = to;
    to = NULL;
done:
    qv__array_unref(to);
    return st;
}

qv_status qv__array_normalize(const qv__array *array, qv__array **out, qv_error *err)
{
    return normalize_range(array, 0, array->length, out, err);
}
