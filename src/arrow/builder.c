/* A builder holds the buffers of the array to be, and one builder for each child. Validity starts with the first null:
 * columns without nulls never carry a bitmap. Offsets begin with a zero that is written with the first value.
 * A dictionary builder keeps raw indices; its child 0 collects the values. */
#include "arrow/builder.h"

#include <assert.h>
#include <string.h>

#include "arrow/arrow_private.h"
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/bytes.h"

struct qv__builder {
    qv__type *type;
    int64_t length;
    int64_t null_count;
    size_t value_bytes; /* of a fixed-width value of whole bytes, or of one offset; 0: neither */
    qv__buffer validity;
    qv__buffer values; /* or offsets */
    qv__buffer data;   /* bytes of strings */
    qv__array *last_dictionary;
    int64_t last_base; /* where last_dictionary's values begin in child 0 */
    size_t n_children;
    qv__builder *children[];
};

qv_status qv__builder_new(const qv__type *type, qv__builder **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__builder *b = qv__alloc_zero(1, sizeof *b + type->n_children * sizeof *b->children);

    if (!b)
        return qv__fail_nomem(err, sizeof *b + type->n_children * sizeof *b->children);
    b->type = qv__type_ref(type);
    b->n_children = type->n_children;
    b->value_bytes = qv__type_offset_bytes(type);
    if (b->value_bytes == 0)
        b->value_bytes = (size_t) qv__type_bits(type) / 8;
    qv__buffer_init(&b->validity, SIZE_MAX / 2);
    qv__buffer_init(&b->values, SIZE_MAX / 2);
    qv__buffer_init(&b->data, SIZE_MAX / 2);
    for (size_t i = 0; i < b->n_children; i++)
        QV_CHECK(qv__builder_new(type->children[i].type, &b->children[i], err));
    *out = b;
    b = NULL;
done:
    qv__builder_free(b);
    return st;
}

void qv__builder_free(qv__builder *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->n_children; i++)
        qv__builder_free(b->children[i]);
    qv__array_unref(b->last_dictionary);
    qv__buffer_free(&b->validity);
    qv__buffer_free(&b->values);
    qv__buffer_free(&b->data);
    qv__type_unref(b->type);
    qv__free(b);
}

int64_t qv__builder_length(const qv__builder *b) { return b->length; }

qv__builder *qv__builder_child(qv__builder *b, size_t i)
{
    assert(i < b->n_children);
    return b->children[i];
}

/* ---- pieces */

/* Room for n more bytes; the caller writes them at the returned place. */
static inline qv_status extend(qv__buffer *buffer, size_t n, uint8_t **at, qv_error *err)
{
    if (n > buffer->capacity - buffer->len)
        QV_TRY(qv__buffer_reserve(buffer, n, err));
    *at = buffer->data + buffer->len;
    buffer->len += n;
    return QV_OK;
}

/* Grows a bitmap from n_bits to n_bits + n_more; new bits are not defined. */
static qv_status extend_bits(qv__buffer *bits, int64_t n_bits, int64_t n_more, qv_error *err)
{
    uint8_t *at;
    size_t need = qv__bitmap_bytes((size_t) (n_bits + n_more));

    if (need <= bits->len)
        return QV_OK;
    size_t more = need - bits->len;
    QV_TRY(extend(bits, more, &at, err));
    memset(at, 0, more);
    return QV_OK;
}

static qv_status check_room(const qv__builder *b, int64_t n, qv_error *err)
{
    if (n > INT64_MAX / 64 - b->length)
        return qv__fail(err, QV_LIMIT, "an array of more than %lld values", (long long) (INT64_MAX / 64));
    return QV_OK;
}

/* Counts n new slots, all valid or all null. Call it once the values are in place. */
static inline qv_status add_slots(qv__builder *b, int64_t n, bool valid, qv_error *err)
{
    if (b->type->id == QV_TYPE_NULL) {
        b->null_count += n;
    } else if (b->null_count > 0 || !valid) {
        int64_t have = b->null_count > 0 ? b->length : 0;
        QV_TRY(extend_bits(&b->validity, have, b->length - have + n, err));
        if (b->null_count == 0)
            qv__bitmap_fill(b->validity.data, 0, (size_t) b->length, true);
        qv__bitmap_fill(b->validity.data, (size_t) b->length, (size_t) n, valid);
        b->null_count += valid ? 0 : n;
    }
    b->length += n;
    return QV_OK;
}

static qv_status first_offset(qv__builder *b, qv_error *err)
{
    return b->values.len == 0 ? qv__buffer_append_zeros(&b->values, b->value_bytes, err) : QV_OK;
}

static inline int64_t last_offset(const qv__builder *b)
{
    if (b->values.len == 0)
        return 0;
    const uint8_t *end = b->values.data + b->values.len;
    return b->value_bytes == 8 ? (int64_t) qv__load_u64(end - 8) : (int64_t) (int32_t) qv__load_u32(end - 4);
}

static qv_status check_offset(const qv__builder *b, int64_t offset, qv_error *err)
{
    if (b->value_bytes == 4 && offset > INT32_MAX)
        return qv__fail(err, QV_LIMIT, "%lld %s in one %s array, which holds at most %d", (long long) offset,
                        qv__type_is_string(b->type) ? "bytes" : "items", qv__type_name(b->type->id), INT32_MAX);
    return QV_OK;
}

/* Closes n slots at the same end: one value and then empty ones, or all empty. */
static inline qv_status append_offset(qv__builder *b, int64_t offset, size_t n, qv_error *err)
{
    uint8_t *at;

    QV_TRY(check_offset(b, offset, err));
    QV_TRY(first_offset(b, err));
    QV_TRY(extend(&b->values, n * b->value_bytes, &at, err));
    for (size_t i = 0; i < n; i++) {
        if (b->value_bytes == 8)
            qv__store_u64(at + i * 8, (uint64_t) offset);
        else
            qv__store_u32(at + i * 4, (uint32_t) offset);
    }
    return QV_OK;
}

/* ---- values */

static qv_status append_blank(qv__builder *b, int64_t n, bool valid, qv_error *err);

/* What lies below n null slots, or valid ones of zero value. */
static qv_status blank_values(qv__builder *b, int64_t n, bool valid, qv_error *err)
{
    int64_t below = n;

    switch (b->type->id) {
    case QV_TYPE_NULL:
        return QV_OK;
    case QV_TYPE_BOOL:
        QV_TRY(extend_bits(&b->values, b->length, n, err));
        qv__bitmap_fill(b->values.data, (size_t) b->length, (size_t) n, false);
        return QV_OK;
    case QV_TYPE_FIXED_LIST:
        if (__builtin_mul_overflow(n, b->type->width, &below))
            return qv__fail_nomem(err, SIZE_MAX);
        return append_blank(b->children[0], below, !b->type->children[0].nullable, err);
    case QV_TYPE_STRUCT:
        for (size_t i = 0; i < b->n_children; i++)
            QV_TRY(append_blank(b->children[i], n, !b->type->children[i].nullable, err));
        return QV_OK;
    case QV_TYPE_DICTIONARY: /* valid slots name value 0, which must exist */
        if (valid && b->children[0]->length == 0)
            QV_TRY(append_blank(b->children[0], 1, true, err));
        return qv__buffer_append_zeros(&b->values, (size_t) n * b->value_bytes, err);
    default:
        break;
    }
    if (qv__type_is_string(b->type) || qv__type_is_list(b->type))
        return append_offset(b, last_offset(b), (size_t) n, err);
    return qv__buffer_append_zeros(&b->values, (size_t) n * b->value_bytes, err);
}

static qv_status append_blank(qv__builder *b, int64_t n, bool valid, qv_error *err)
{
    if (n == 0)
        return QV_OK;
    QV_TRY(check_room(b, n, err));
    QV_TRY(blank_values(b, n, valid, err));
    return add_slots(b, n, valid, err);
}

qv_status qv__builder_append_null(qv__builder *b, qv_error *err) { return append_blank(b, 1, false, err); }

qv_status qv__builder_append_bool(qv__builder *b, bool value, qv_error *err)
{
    assert(b->type->id == QV_TYPE_BOOL);
    QV_TRY(extend_bits(&b->values, b->length, 1, err));
    qv__bit_put(b->values.data, (size_t) b->length, value);
    return add_slots(b, 1, true, err);
}

qv_status qv__builder_append_fixed_n(qv__builder *b, const void *values, size_t n, qv_error *err)
{
    uint8_t *at;

    assert(b->value_bytes > 0 || b->type->id == QV_TYPE_FIXED_BINARY);
    assert(!qv__type_is_string(b->type) && !qv__type_is_list(b->type));
    if (n == 0)
        return QV_OK;
    QV_TRY(check_room(b, (int64_t) n, err));
    if (b->value_bytes > 0) {
        QV_TRY(extend(&b->values, n * b->value_bytes, &at, err));
        memcpy(at, values, n * b->value_bytes);
    }
    return add_slots(b, (int64_t) n, true, err);
}

qv_status qv__builder_append_fixed(qv__builder *b, const void *value, qv_error *err)
{
    return qv__builder_append_fixed_n(b, value, 1, err);
}

qv_status qv__builder_append_bytes(qv__builder *b, const void *bytes, size_t len, qv_error *err)
{
    uint8_t *at;
    int64_t end;

    assert(qv__type_is_string(b->type));
    if (len > INT64_MAX || __builtin_add_overflow(last_offset(b), (int64_t) len, &end))
        return qv__fail_nomem(err, len);
    QV_TRY(check_offset(b, end, err));
    if (len > 0) {
        QV_TRY(extend(&b->data, len, &at, err));
        memcpy(at, bytes, len);
    }
    QV_TRY(append_offset(b, end, 1, err));
    return add_slots(b, 1, true, err);
}

qv_status qv__builder_append_nested(qv__builder *b, qv_error *err)
{
    if (qv__type_is_list(b->type)) {
        QV_TRY(append_offset(b, b->children[0]->length, 1, err));
        return add_slots(b, 1, true, err);
    }
    assert(b->type->id == QV_TYPE_STRUCT || b->type->id == QV_TYPE_FIXED_LIST);
    int64_t want = b->type->id == QV_TYPE_STRUCT ? b->length + 1 : (b->length + 1) * b->type->width;
    for (size_t i = 0; i < b->n_children; i++)
        if (b->children[i]->length != want)
            return qv__fail(err, QV_INVALID, "field \"%s\" of value %lld ends at %lld, expected %lld",
                            b->type->children[i].name, (long long) b->length, (long long) b->children[i]->length,
                            (long long) want);
    return add_slots(b, 1, true, err);
}

/* ---- parts of arrays */

static qv_status copy_offsets(qv__builder *b, const qv__array *array, int64_t start, int64_t n, int64_t base,
                              qv_error *err)
{
    uint8_t *at;
    int64_t shift = base - qv__array_offset(array, start);

    QV_TRY(check_offset(b, qv__array_offset(array, start + n) + shift, err));
    QV_TRY(first_offset(b, err));
    QV_TRY(extend(&b->values, (size_t) n * b->value_bytes, &at, err));
    const uint8_t *from = array->buffers[1].data + (size_t) (array->offset + start + 1) * b->value_bytes;
    if (b->value_bytes == 8)
        for (size_t i = 0; i < (size_t) n; i++)
            qv__store_u64(at + i * 8, qv__load_u64(from + i * 8) + (uint64_t) shift);
    else
        for (size_t i = 0; i < (size_t) n; i++)
            qv__store_u32(at + i * 4, qv__load_u32(from + i * 4) + (uint32_t) shift);
    return QV_OK;
}

static qv_status append_values_of(qv__builder *b, const qv__array *array, int64_t start, int64_t n, qv_error *err)
{
    int64_t from = qv__array_offset(array, start), to = qv__array_offset(array, start + n);

    if (qv__type_is_list(b->type)) {
        int64_t base = b->children[0]->length;
        QV_TRY(qv__builder_append_array(b->children[0], array->children[0], from, to - from, err));
        return copy_offsets(b, array, start, n, base, err);
    }
    int64_t base = last_offset(b);
    if (to > from)
        QV_TRY(qv__buffer_append(&b->data, array->buffers[2].data + from, (size_t) (to - from), err));
    return copy_offsets(b, array, start, n, base, err);
}

static uint64_t load_index(const uint8_t *at, size_t width)
{
    uint64_t v = 0;

    memcpy(&v, at, width);
    return v;
}

/* The other array's values join ours once; its indices are then shifted. Slots that are null become index 0. */
static qv_status append_dictionary(qv__builder *b, const qv__array *array, int64_t start, int64_t n, qv_error *err)
{
    static const uint64_t most[] = { INT8_MAX, INT16_MAX, INT32_MAX, INT64_MAX, UINT8_MAX, UINT16_MAX, UINT32_MAX };
    uint8_t *at;
    size_t width = b->value_bytes;
    qv__type_id id = b->type->index_type->id;
    uint64_t limit = id == QV_TYPE_UINT64 ? INT64_MAX : most[id - QV_TYPE_INT8];

    if (b->last_dictionary != array->dictionary) {
        b->last_base = b->children[0]->length;
        QV_TRY(qv__builder_append_array(b->children[0], array->dictionary, 0, array->dictionary->length, err));
        qv__array_unref(b->last_dictionary);
        b->last_dictionary = qv__array_ref(array->dictionary);
    }
    if (b->children[0]->length > 0 && (uint64_t) (b->children[0]->length - 1) > limit)
        return qv__fail(err, QV_LIMIT, "%lld dictionary values do not fit %s indices",
                        (long long) b->children[0]->length, qv__type_name(id));
    QV_TRY(extend(&b->values, (size_t) n * width, &at, err));
    const uint8_t *from = array->buffers[1].data + (size_t) (array->offset + start) * width;
    for (int64_t i = 0; i < n; i++) {
        uint64_t v = 0;
        if (!qv__array_is_null(array, start + i))
            v = load_index(from + (size_t) i * width, width) + (uint64_t) b->last_base;
        memcpy(at + (size_t) i * width, &v, width);
    }
    return QV_OK;
}

static qv_status append_fixed_values_of(qv__builder *b, const qv__array *array, int64_t start, int64_t n, qv_error *err)
{
    size_t at = (size_t) (array->offset + start);

    if (b->type->id == QV_TYPE_BOOL) {
        QV_TRY(extend_bits(&b->values, b->length, n, err));
        qv__bitmap_copy(b->values.data, (size_t) b->length, array->buffers[1].data, at, (size_t) n);
        return QV_OK;
    }
    if (b->value_bytes == 0)
        return QV_OK;
    return qv__buffer_append(&b->values, array->buffers[1].data + at * b->value_bytes, (size_t) n * b->value_bytes,
                             err);
}

static qv_status append_slots_of(qv__builder *b, const qv__array *array, int64_t start, int64_t n, qv_error *err)
{
    size_t at = (size_t) (array->offset + start);
    int64_t had = b->length;

    if (!array->buffers[0].data)
        return add_slots(b, n, true, err); /* of type null: all null */
    int64_t nulls = n - (int64_t) qv__bitmap_count(array->buffers[0].data, at, (size_t) n);
    if (nulls == 0)
        return add_slots(b, n, true, err);
    QV_TRY(add_slots(b, n, false, err));
    qv__bitmap_copy(b->validity.data, (size_t) had, array->buffers[0].data, at, (size_t) n);
    b->null_count += nulls - n;
    return QV_OK;
}

qv_status qv__builder_append_array(qv__builder *b, const qv__array *array, int64_t start, int64_t n, qv_error *err)
{
    const qv__type *type = b->type;

    if (n == 0)
        return QV_OK;
    if (!qv__type_equal(type, array->type)) {
        char have[96], want[96];
        return qv__fail(err, QV_INVALID, "values of %s for an array of %s",
                        qv__type_print(array->type, have, sizeof have), qv__type_print(type, want, sizeof want));
    }
    QV_TRY(check_room(b, n, err));
    if (type->id == QV_TYPE_DICTIONARY)
        QV_TRY(append_dictionary(b, array, start, n, err));
    else if (qv__type_is_string(type) || qv__type_is_list(type))
        QV_TRY(append_values_of(b, array, start, n, err));
    else if (type->id == QV_TYPE_FIXED_LIST)
        QV_TRY(qv__builder_append_array(b->children[0], array->children[0], (array->offset + start) * type->width,
                                        n * type->width, err));
    else if (type->id == QV_TYPE_STRUCT)
        for (size_t i = 0; i < b->n_children; i++)
            QV_TRY(qv__builder_append_array(b->children[i], array->children[i], array->offset + start, n, err));
    else if (type->id != QV_TYPE_NULL)
        QV_TRY(append_fixed_values_of(b, array, start, n, err));
    return append_slots_of(b, array, start, n, err);
}

/* ---- the end */

static qv_status take_buffer(qv__buffer *buffer, qv__bytes *out, qv_error *err)
{
    size_t len;

    if (buffer->len == 0) {
        qv__buffer_free(buffer);
        *out = (qv__bytes){ qv__zero_bytes, 0, NULL };
        return QV_OK;
    }
    uint8_t *data = qv__buffer_detach(buffer, &len);
    return qv__bytes_adopt(data, len, out, err);
}

static qv_status take_buffers(qv__builder *b, qv__array *a, qv_error *err)
{
    if (b->type->id == QV_TYPE_NULL)
        return QV_OK;
    if (b->null_count > 0)
        QV_TRY(take_buffer(&b->validity, &a->buffers[0], err));
    if (b->type->id == QV_TYPE_STRUCT || b->type->id == QV_TYPE_FIXED_LIST)
        return QV_OK;
    QV_TRY(take_buffer(&b->values, &a->buffers[1], err));
    if (b->length == 0 && (qv__type_is_string(b->type) || qv__type_is_list(b->type)))
        a->buffers[1].len = b->value_bytes; /* the one offset of an empty array, a zero */
    if (qv__type_is_string(b->type))
        QV_TRY(take_buffer(&b->data, &a->buffers[2], err));
    return QV_OK;
}

qv_status qv__builder_finish(qv__builder *b, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *a = NULL;
    bool is_dictionary = b->type->id == QV_TYPE_DICTIONARY;

    QV_CHECK(qv__array_new(b->type, b->length, is_dictionary ? 0 : b->n_children, &a, err));
    a->null_count = b->null_count;
    QV_CHECK(take_buffers(b, a, err));
    for (size_t i = 0; i < b->n_children; i++)
        QV_CHECK(qv__builder_finish(b->children[i], is_dictionary ? &a->dictionary : &a->children[i], err));
    qv__array_unref(b->last_dictionary);
    b->last_dictionary = NULL;
    b->length = 0;
    b->null_count = 0;
    *out = a;
    a = NULL;
done:
    qv__array_unref(a);
    return st;
}
