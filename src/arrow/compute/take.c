/* Rows by position. Fixed-width values, and fixed-size lists of them (vectors), are copied row by row straight from the
 * source; strings in two passes; structs column by column; other nestings become ranges for the gather engine. */
#include "arrow/compute/compute_private.h"

typedef struct take_rows {
    const int64_t *indices; /* negative: null */
    size_t n;
    int64_t base; /* added to every index: the offset of a struct above */
    bool any_negative;
} take_rows;

static qv_status take_any(const qv__array *array, const take_rows *rows, qv__array **out, qv_error *err);

static qv_status take_validity(const qv__array *array, const take_rows *rows, qv__array *to, qv_error *err)
{
    const uint8_t *from = array->null_count ? array->buffers[0].data : NULL;
    uint8_t *bits;
    size_t ones = 0;

    if (!from && !rows->any_negative)
        return QV_OK;
    QV_TRY(qv__array_buffer(to, 0, qv__bitmap_bytes(rows->n), 1, &bits, err));
    for (size_t i = 0; i < rows->n; i++) {
        int64_t row = rows->indices[i];
        bool valid = row >= 0 && (!from || qv__bit_get(from, (size_t) (array->offset + rows->base + row)));

        bits[i >> 3] |= (uint8_t) (valid << (i & 7));
        ones += valid;
    }
    to->null_count = (int64_t) (rows->n - ones);
    if (to->null_count == 0)
        qv__bytes_unref(&to->buffers[0]);
    return QV_OK;
}

static qv_status take_bits(const qv__array *array, const take_rows *rows, qv__array *to, qv_error *err)
{
    const uint8_t *from = array->buffers[1].data;
    uint8_t *bits;

    QV_TRY(qv__array_buffer(to, 1, qv__bitmap_bytes(rows->n), 1, &bits, err));
    for (size_t i = 0; i < rows->n; i++) {
        int64_t row = rows->indices[i];

        if (row >= 0 && qv__bit_get(from, (size_t) (array->offset + rows->base + row)))
            qv__bit_set(bits, i);
    }
    return QV_OK;
}

/* With a constant width the compiler turns memcpy into moves. */
#define COPY_ROWS(width)                                                                   \
    for (size_t i = 0; i < rows->n; i++) {                                                 \
        if (rows->indices[i] >= 0)                                                         \
            memcpy(to + i * (width), from + (size_t) rows->indices[i] * (width), (width)); \
        else                                                                               \
            memset(to + i * (width), 0, (width));                                          \
    }

/* Rows of `width` bytes; `from` is row 0. Random rows miss the cache, so wide ones are asked for ahead of their copy. */
static void copy_rows(const uint8_t *from, const take_rows *rows, size_t width, uint8_t *to)
{
    enum { AHEAD = 8 };

    switch (width) {
    case 0:
        return;
    case 1:
        COPY_ROWS(1);
        return;
    case 2:
        COPY_ROWS(2);
        return;
    case 4:
        COPY_ROWS(4);
        return;
    case 8:
        COPY_ROWS(8);
        return;
    case 16:
        COPY_ROWS(16);
        return;
    default:
        break;
    }
    for (size_t i = 0; i < rows->n; i++) {
        int64_t row = rows->indices[i];

        if (i + AHEAD < rows->n && rows->indices[i + AHEAD] >= 0) {
            const uint8_t *ahead = from + (size_t) rows->indices[i + AHEAD] * width;
            for (size_t line = 0; line < QV_MIN(width, 256); line += 64)
                __builtin_prefetch(ahead + line);
        }
        if (row >= 0)
            memcpy(to + i * width, from + (size_t) row * width, width);
        else
            memset(to + i * width, 0, width);
    }
}

static qv_status take_fixed(const qv__array *array, const take_rows *rows, qv__array *to, qv_error *err)
{
    size_t width = qv__type_value_bytes(array->type);
    const uint8_t *from = array->buffers[1].data;
    uint64_t total;
    uint8_t *values;

    if (!qv__mul_u64(rows->n, width, &total))
        return qv__fail_nomem(err, SIZE_MAX);
    QV_TRY(qv__bytes_new((size_t) total, &to->buffers[1], &values, err));
    if (from)
        from += (size_t) (array->offset + rows->base) * width;
    copy_rows(from, rows, width, values);
    if (array->dictionary)
        to->dictionary = qv__array_ref(array->dictionary);
    return QV_OK;
}

static qv_status take_strings(const qv__array *array, const take_rows *rows, qv__array *to, qv_error *err)
{
    bool is_64 = qv__type_offsets_64(array->type), nulls = array->null_count != 0;
    uint8_t *offsets, *at;
    int64_t sum = 0;

    QV_TRY(qv__array_buffer(to, 1, rows->n + 1, is_64 ? 8 : 4, &offsets, err));
    for (size_t i = 0; i < rows->n; i++) {
        int64_t row = rows->indices[i] + rows->base, len;

        if (rows->indices[i] >= 0 && !(nulls && qv__array_is_null(array, row))) {
            len = qv__offset_at(array, row + 1) - qv__offset_at(array, row);
            if (__builtin_add_overflow(sum, len, &sum))
                return qv__fail_nomem(err, SIZE_MAX);
        }
        qv__offset_put(offsets, is_64, (int64_t) i + 1, sum);
    }
    QV_TRY(qv__check_offsets_fit(array->type, (uint64_t) sum, err));
    QV_TRY(qv__bytes_new((size_t) sum, &to->buffers[2], &at, err));
    for (size_t i = 0; i < rows->n; i++) {
        int64_t row = rows->indices[i] + rows->base, start, len;

        if (rows->indices[i] < 0 || (nulls && qv__array_is_null(array, row)))
            continue;
        start = qv__offset_at(array, row);
        len = qv__offset_at(array, row + 1) - start;
        if (len)
            memcpy(at, array->buffers[2].data + start, (size_t) len);
        at += len;
    }
    return QV_OK;
}

/* Is every row of this fixed-size list one block of bytes (fixed-width items without nulls)? */
static bool row_block(const qv__array *array, size_t *row_bytes, const uint8_t **row_0)
{
    size_t items = 1;
    int64_t at = array->offset;

    while (array->type->id == QV_TYPE_FIXED_LIST) {
        if (__builtin_mul_overflow(items, (size_t) array->type->width, &items))
            return false;
        at *= array->type->width;
        array = array->children[0];
        at += array->offset;
        if (array->null_count)
            return false;
    }
    if (qv__type_layout(array->type) != QV_LAYOUT_FIXED || array->dictionary || !array->buffers[1].data)
        return false;
    *row_bytes = items * qv__type_value_bytes(array->type);
    *row_0 = array->buffers[1].data + (size_t) at * qv__type_value_bytes(array->type);
    return true;
}

/* The chain of children below a fixed-size list, down to `values`. */
static qv_status wrap_block(const qv__type *type, int64_t length, qv__bytes values, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *array = NULL;

    QV_TRY(qv__array_new(type, length, type->n_children, &array, err));
    if (type->id == QV_TYPE_FIXED_LIST)
        QV_CHECK(wrap_block(type->children[0].type, length * type->width, values, &array->children[0], err));
    else
        array->buffers[1] = qv__bytes_ref(values);
    *out = array;
    array = NULL;
done:
    qv__array_unref(array);
    return st;
}

static qv_status take_ranges(const qv__array *array, const take_rows *rows, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__part *parts = NULL;

    QV_CHECK(QV_NEW(&parts, rows->n, err));
    for (size_t i = 0; i < rows->n; i++) {
        bool is_null = rows->indices[i] < 0;

        parts[i] = (qv__part){ is_null ? NULL : array, is_null ? 0 : rows->indices[i] + rows->base, 1 };
    }
    QV_CHECK(qv__gather(array->type, parts, rows->n, out, err));
done:
    qv__free(parts);
    return st;
}

static qv_status take_block(const qv__array *array, const take_rows *rows, size_t row_bytes, const uint8_t *row_0,
                            qv__array *to, qv_error *err)
{
    qv_status st = QV_OK;
    qv__bytes values = { 0 };
    uint64_t total;
    uint8_t *writable;

    if (!qv__mul_u64(rows->n, row_bytes, &total))
        return qv__fail_nomem(err, SIZE_MAX);
    QV_TRY(qv__bytes_new((size_t) total, &values, &writable, err));
    copy_rows(row_0 + (size_t) rows->base * row_bytes, rows, row_bytes, writable);
    QV_CHECK(wrap_block(array->type->children[0].type, to->length * array->type->width, values, &to->children[0], err));
done:
    qv__bytes_unref(&values);
    return st;
}

static qv_status take_struct(const qv__array *array, const take_rows *rows, qv__array *to, qv_error *err)
{
    take_rows below = *rows;

    below.base += array->offset;
    for (size_t k = 0; k < array->n_children; k++)
        QV_TRY(take_any(array->children[k], &below, &to->children[k], err));
    return QV_OK;
}

static qv_status take_any(const qv__array *array, const take_rows *rows, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *to = NULL;
    qv__layout layout = qv__type_layout(array->type);
    size_t row_bytes = 0;
    const uint8_t *row_0 = NULL;

    if (layout == QV_LAYOUT_LIST || (layout == QV_LAYOUT_FIXED_LIST && !row_block(array, &row_bytes, &row_0)))
        return take_ranges(array, rows, out, err);
    QV_TRY(qv__array_new(array->type, (int64_t) rows->n, array->n_children, &to, err));
    if (layout == QV_LAYOUT_NULL)
        to->null_count = to->length;
    else
        QV_CHECK(take_validity(array, rows, to, err));
    if (layout == QV_LAYOUT_BITS)
        QV_CHECK(take_bits(array, rows, to, err));
    else if (layout == QV_LAYOUT_FIXED)
        QV_CHECK(take_fixed(array, rows, to, err));
    else if (layout == QV_LAYOUT_BYTES)
        QV_CHECK(take_strings(array, rows, to, err));
    else if (layout == QV_LAYOUT_FIXED_LIST)
        QV_CHECK(take_block(array, rows, row_bytes, row_0, to, err));
    else if (layout == QV_LAYOUT_STRUCT)
        QV_CHECK(take_struct(array, rows, to, err));
    *out = to;
    to = NULL;
done:
    qv__array_unref(to);
    return st;
}

qv_status qv__array_take(const qv__array *array, const int64_t *indices, size_t n, qv__array **out, qv_error *err)
{
    take_rows rows = { indices, n, 0, false };

    for (size_t i = 0; i < n; i++) {
        if (indices[i] >= array->length)
            return qv__fail(err, QV_INVALID, "row %lld asked for at place %zu, the array has %lld",
                            (long long) indices[i], i, (long long) array->length);
        rows.any_negative = rows.any_negative || indices[i] < 0;
    }
    return take_any(array, &rows, out, err);
}
