/* Sinks: arrays while they grow. Reads know how many rows they want, so that the buffers of flat columns are made once; what
 * lies below lists grows by doubling. A validity bitmap appears with the first null. */
#include <inttypes.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "file/read/read_private.h"

static qv__sink_kind kind_of(const qv__type *type)
{
    switch (type->id) {
    case QV_TYPE_NULL:
        return QV_SINK_NULL;
    case QV_TYPE_BOOL:
        return QV_SINK_BITS;
    case QV_TYPE_UTF8:
    case QV_TYPE_BINARY:
        return QV_SINK_STRING;
    case QV_TYPE_LARGE_UTF8:
    case QV_TYPE_LARGE_BINARY:
        return QV_SINK_LARGE_STRING;
    case QV_TYPE_LIST:
    case QV_TYPE_MAP:
        return QV_SINK_LIST;
    case QV_TYPE_LARGE_LIST:
        return QV_SINK_LARGE_LIST;
    case QV_TYPE_FIXED_LIST:
        return QV_SINK_VECTOR;
    case QV_TYPE_STRUCT:
        return QV_SINK_STRUCT;
    case QV_TYPE_DICTIONARY:
        return QV_SINK_DICTIONARY;
    default:
        return QV_SINK_FIXED;
    }
}

int qv__value_bits(const qv__type *type)
{
    switch (type->id) {
    case QV_TYPE_FIXED_BINARY:
        return type->width <= INT32_MAX / 8 ? type->width * 8 : -1;
    case QV_TYPE_FIXED_LIST:
    case QV_TYPE_DICTIONARY:
    case QV_TYPE_NULL:
        return -1;
    default:
        return qv__type_bits(type) > 0 ? qv__type_bits(type) : -1;
    }
}

qv_status qv__sink_init(qv__sink *sink, qv__type *type, qv_error *err)
{
    *sink = (qv__sink){ .type = type, .kind = kind_of(type) };
    qv__buffer_init(&sink->validity, SIZE_MAX / 2);
    qv__buffer_init(&sink->values, SIZE_MAX / 2);
    qv__buffer_init(&sink->bytes, SIZE_MAX / 2);
    switch (sink->kind) {
    case QV_SINK_FIXED:
        sink->width = (size_t) qv__value_bits(type) / 8;
        break;
    case QV_SINK_DICTIONARY:
        sink->width = (size_t) qv__type_bits(type->index_type) / 8;
        break;
    case QV_SINK_VECTOR:
        sink->width = (size_t) type->width;
        break;
    default:
        break;
    }
    if (type->n_children && sink->kind != QV_SINK_DICTIONARY) {
        QV_TRY(QV_NEW(&sink->children, type->n_children, err));
        while (sink->n_children < type->n_children) { /* counted first: a child that failed half-way is cleared too */
            size_t i = sink->n_children++;
            QV_TRY(qv__sink_init(&sink->children[i], type->children[i].type, err));
        }
    }
    return QV_OK;
}

void qv__sink_clear(qv__sink *sink)
{
    qv__buffer_free(&sink->validity);
    qv__buffer_free(&sink->values);
    qv__buffer_free(&sink->bytes);
    for (size_t i = 0; i < sink->n_children; i++)
        qv__sink_clear(&sink->children[i]);
    qv__free(sink->children);
    qv__array_unref(sink->dictionary);
    for (size_t i = 0; i < sink->n_segments; i++)
        qv__array_unref(sink->segments[i]);
    qv__free(sink->segments);
    *sink = (qv__sink){ 0 };
}

static qv_status too_big(uint64_t n, qv_error *err)
{
    return qv__fail(err, QV_LIMIT, "%" PRIu64 " values are too many for one array; read fewer rows", n);
}

static qv_status reserve_values(qv__sink *sink, uint64_t n, size_t width, qv_error *err)
{
    uint64_t bytes;

    if (!qv__mul_u64(n, width, &bytes) || bytes > SIZE_MAX / 4)
        return too_big(n, err);
    return qv__buffer_reserve(&sink->values, (size_t) bytes, err);
}

qv_status qv__sink_reserve(qv__sink *sink, uint64_t n, qv_error *err)
{
    uint64_t items;

    switch (sink->kind) {
    case QV_SINK_FIXED:
    case QV_SINK_DICTIONARY:
        return reserve_values(sink, n, sink->width, err);
    case QV_SINK_BITS:
        return reserve_values(sink, n / 8 + 1, 1, err);
    case QV_SINK_STRING:
    case QV_SINK_LIST:
        return reserve_values(sink, n + 1, 4, err);
    case QV_SINK_LARGE_STRING:
    case QV_SINK_LARGE_LIST:
        return reserve_values(sink, n + 1, 8, err);
    case QV_SINK_VECTOR:
        if (!qv__mul_u64(n, sink->width, &items))
            return too_big(n, err);
        return qv__sink_reserve(&sink->children[0], items, err);
    default:
        return QV_OK;
    }
}

/* ------------------------------------------------------------------ slots */

/* Makes `bits` long enough for n bits more after the first `at`, new bytes zero. */
static qv_status grow_bits(qv__buffer *bits, uint64_t at, uint64_t n, qv_error *err)
{
    uint64_t total;

    if (!qv__add_u64(at, n, &total) || total > SIZE_MAX / 4)
        return too_big(n, err);
    size_t needed = qv__bitmap_bytes((size_t) total);
    return needed > bits->len ? qv__buffer_append_zeros(bits, needed - bits->len, err) : QV_OK;
}

static qv_status start_validity(qv__sink *sink, qv_error *err)
{
    if (sink->validity.len || sink->n_slots == 0)
        return QV_OK;
    QV_TRY(grow_bits(&sink->validity, 0, sink->n_slots, err));
    qv__bitmap_fill(sink->validity.data, 0, (size_t) sink->n_slots, true);
    return QV_OK;
}

static qv_status count_slots(qv__sink *sink, uint64_t n, qv_error *err)
{
    if (!qv__add_u64(sink->n_slots, n, &sink->n_slots) || sink->n_slots > INT64_MAX / 2)
        return too_big(n, err);
    return QV_OK;
}

qv_status qv__sink_valid(qv__sink *sink, uint64_t n, qv_error *err)
{
    if (sink->n_nulls && n) {
        QV_TRY(grow_bits(&sink->validity, sink->n_slots, n, err));
        qv__bitmap_fill(sink->validity.data, (size_t) sink->n_slots, (size_t) n, true);
    }
    return count_slots(sink, n, err);
}

qv_status qv__sink_nulls(qv__sink *sink, uint64_t n, qv_error *err)
{
    if (n == 0)
        return QV_OK;
    if (sink->kind != QV_SINK_NULL) {
        QV_TRY(start_validity(sink, err));
        QV_TRY(grow_bits(&sink->validity, sink->n_slots, n, err));
    }
    sink->n_nulls += n;
    return count_slots(sink, n, err);
}

qv_status qv__sink_validity(qv__sink *sink, const uint8_t *bits, uint64_t at, uint64_t n, qv_error *err)
{
    uint64_t n_valid = qv__bitmap_count(bits, (size_t) at, (size_t) n);

    if (n_valid == n)
        return qv__sink_valid(sink, n, err);
    QV_TRY(start_validity(sink, err));
    QV_TRY(grow_bits(&sink->validity, sink->n_slots, n, err));
    qv__bitmap_copy(sink->validity.data, (size_t) sink->n_slots, bits, (size_t) at, (size_t) n);
    sink->n_nulls += n - n_valid;
    return count_slots(sink, n, err);
}

qv_status qv__sink_levels(qv__sink *sink, const uint16_t *levels, size_t n, uint16_t base, qv_error *err)
{
    size_t n_valid = qv__levels_count(levels, n, base);

    if (n_valid == n)
        return qv__sink_valid(sink, n, err);
    if (n_valid == 0)
        return qv__sink_nulls(sink, n, err);
    QV_TRY(start_validity(sink, err));
    QV_TRY(grow_bits(&sink->validity, sink->n_slots, n, err));
    uint8_t *bits = sink->validity.data;
    size_t at = (size_t) sink->n_slots, i = 0;
    for (; i < n && (at + i) % 8 != 0; i++)
        qv__bit_put(bits, at + i, levels[i] <= base);
    for (; i + 8 <= n; i += 8) {
        unsigned byte = 0;
        for (unsigned k = 0; k < 8; k++)
            byte |= (unsigned) (levels[i + k] <= base) << k;
        bits[(at + i) / 8] = (uint8_t) byte;
    }
    for (; i < n; i++)
        qv__bit_put(bits, at + i, levels[i] <= base);
    sink->n_nulls += n - n_valid;
    return count_slots(sink, n, err);
}

/* ------------------------------------------------------------------ values */

qv_status qv__sink_fixed(qv__sink *sink, uint64_t n, uint8_t **room, qv_error *err)
{
    QV_TRY(reserve_values(sink, n, sink->width, err));
    *room = sink->values.data + sink->values.len;
    sink->values.len += (size_t) n * sink->width;
    sink->n_values += n;
    return QV_OK;
}

qv_status qv__sink_bits(qv__sink *sink, const uint8_t *bits, uint64_t at, uint64_t n, qv_error *err)
{
    QV_TRY(grow_bits(&sink->values, sink->n_values, n, err));
    if (n)
        qv__bitmap_copy(sink->values.data, (size_t) sink->n_values, bits, (size_t) at, (size_t) n);
    sink->n_values += n;
    return QV_OK;
}

/* Appends an offset of 4 or 8 bytes. */
static qv_status push_offset(qv__sink *sink, uint64_t offset, bool is_large, qv_error *err)
{
    if (is_large)
        return qv__buffer_append(&sink->values, &offset, 8, err);
    if (offset > INT32_MAX)
        return qv__fail(err, QV_LIMIT, "more than 2 GiB of values for 32-bit offsets in one array; read fewer rows");
    uint32_t narrow = (uint32_t) offset;
    return qv__buffer_append(&sink->values, &narrow, 4, err);
}

qv_status qv__sink_ends(qv__sink *sink, uint64_t n, uint8_t **ends, qv_error *err)
{
    QV_TRY(qv__sink_reserve(sink, n, err));
    if (sink->values.len == 0)
        QV_TRY(push_offset(sink, 0, sink->kind == QV_SINK_LARGE_STRING, err));
    *ends = sink->values.data + sink->values.len;
    return QV_OK;
}

qv_status qv__sink_ends_done(qv__sink *sink, uint64_t n, uint64_t total, qv_error *err)
{
    bool is_large = sink->kind == QV_SINK_LARGE_STRING;

    if (!is_large && total > INT32_MAX)
        return qv__fail(err, QV_LIMIT, "more than 2 GiB of string bytes in one array; read fewer rows");
    sink->values.len += (size_t) n * (is_large ? 8 : 4);
    sink->bytes.len = (size_t) total;
    sink->n_values += n;
    return QV_OK;
}

qv_status qv__sink_string_room(qv__sink *sink, size_t max_len, uint8_t **room, qv_error *err)
{
    QV_TRY(qv__buffer_reserve(&sink->bytes, max_len, err));
    *room = sink->bytes.data + sink->bytes.len;
    return QV_OK;
}

qv_status qv__sink_string_end(qv__sink *sink, size_t len, qv_error *err)
{
    bool is_large = sink->kind == QV_SINK_LARGE_STRING;

    if (sink->values.len == 0)
        QV_TRY(push_offset(sink, 0, is_large, err));
    QV_TRY(push_offset(sink, sink->bytes.len + len, is_large, err));
    sink->bytes.len += len;
    sink->n_values++;
    return QV_OK;
}

qv_status qv__sink_string(qv__sink *sink, const void *bytes, size_t len, qv_error *err)
{
    uint8_t *room;

    QV_TRY(qv__sink_string_room(sink, len, &room, err));
    if (len)
        memcpy(room, bytes, len);
    return qv__sink_string_end(sink, len, err);
}

static qv_status zero_strings(qv__sink *sink, uint64_t n, qv_error *err)
{
    bool is_large = sink->kind == QV_SINK_LARGE_STRING;

    QV_TRY(qv__sink_reserve(sink, n, err));
    for (uint64_t i = sink->values.len == 0 ? 0 : 1; i <= n; i++)
        QV_TRY(push_offset(sink, sink->bytes.len, is_large, err));
    sink->n_values += n;
    return QV_OK;
}

qv_status qv__sink_zeros(qv__sink *sink, uint64_t n, qv_error *err)
{
    uint64_t items = n;
    uint8_t *room;

    switch (sink->kind) {
    case QV_SINK_FIXED:
    case QV_SINK_DICTIONARY:
        QV_TRY(qv__sink_fixed(sink, n, &room, err));
        if (n)
            memset(room, 0, (size_t) n * sink->width);
        return QV_OK;
    case QV_SINK_BITS:
        QV_TRY(grow_bits(&sink->values, sink->n_values, n, err));
        sink->n_values += n;
        return QV_OK;
    case QV_SINK_STRING:
    case QV_SINK_LARGE_STRING:
        return n ? zero_strings(sink, n, err) : QV_OK;
    case QV_SINK_VECTOR:
        if (!qv__mul_u64(n, sink->width, &items))
            return too_big(n, err);
        QV_TRY(qv__sink_valid(&sink->children[0], items, err));
        return qv__sink_zeros(&sink->children[0], items, err);
    case QV_SINK_STRUCT:
        for (size_t i = 0; i < sink->n_children; i++) {
            QV_TRY(qv__sink_valid(&sink->children[i], n, err));
            QV_TRY(qv__sink_zeros(&sink->children[i], n, err));
        }
        return QV_OK;
    case QV_SINK_NULL:
        return QV_OK;
    default:
        return qv__fail(err, QV_CORRUPT, "a list where a value is expected");
    }
}

qv_status qv__sink_offset(qv__sink *sink, uint64_t offset, qv_error *err)
{
    return push_offset(sink, offset, sink->kind == QV_SINK_LARGE_LIST, err);
}

qv_status qv__sink_offsets(qv__sink *sink, const uint64_t *offsets, size_t n, qv_error *err)
{
    bool is_large = sink->kind == QV_SINK_LARGE_LIST;

    if (is_large)
        return qv__buffer_append(&sink->values, offsets, n * 8, err);
    if (n && offsets[n - 1] > INT32_MAX)
        return push_offset(sink, offsets[n - 1], false, err);
    QV_TRY(qv__buffer_reserve(&sink->values, n * 4, err));
    for (size_t i = 0; i < n; i++)
        qv__store_u32(sink->values.data + sink->values.len + i * 4, (uint32_t) offsets[i]);
    sink->values.len += n * 4;
    return QV_OK;
}

/* ------------------------------------------------------------------ dictionaries */

static qv_status finish_one(qv__sink *sink, qv__array **out, qv_error *err);

qv_status qv__sink_dictionary(qv__sink *sink, qv__array *dictionary, qv_error *err)
{
    if (sink->dictionary == dictionary)
        return QV_OK;
    if (sink->n_slots) {
        QV_TRY(QV_GROW(&sink->segments, &sink->segments_capacity, sink->n_segments + 1, err));
        QV_TRY(finish_one(sink, &sink->segments[sink->n_segments], err));
        sink->n_segments++;
    }
    qv__array_unref(sink->dictionary);
    sink->dictionary = qv__array_ref(dictionary);
    return QV_OK;
}

/* ------------------------------------------------------------------ arrays */

static qv_status take_buffer(qv__buffer *buffer, qv__bytes *out, qv_error *err)
{
    size_t len;
    uint8_t *data = qv__buffer_detach(buffer, &len);

    if (data)
        return qv__bytes_adopt(data, len, out, err);
    *out = (qv__bytes){ qv__zero_bytes, 0, NULL }; /* no values; but consumers may add 0 to the pointer */
    return QV_OK;
}

static qv_status finish_offsets(qv__sink *sink, qv_error *err)
{
    bool is_large = sink->kind == QV_SINK_LARGE_LIST || sink->kind == QV_SINK_LARGE_STRING;
    bool is_list = sink->kind == QV_SINK_LIST || sink->kind == QV_SINK_LARGE_LIST;

    if (is_list) /* the offsets so far are starts; the last end closes them */
        return push_offset(sink, sink->n_values, is_large, err);
    return sink->values.len == 0 ? push_offset(sink, 0, is_large, err) : QV_OK;
}

static qv_status check_child(const qv__sink *sink, const qv__sink *child, size_t i, uint64_t expected, qv_error *err)
{
    if (child->is_absent || qv__sink_slots(child) == expected)
        return QV_OK;
    return qv__fail(err, QV_CORRUPT, "child \"%.60s\" has %" PRIu64 " values, its parent needs %" PRIu64,
                    sink->type->children[i].name, qv__sink_slots(child), expected);
}

static qv_status finish_children(qv__sink *sink, qv__array *array, qv_error *err)
{
    uint64_t expected = sink->n_slots;

    if (sink->kind == QV_SINK_VECTOR && !qv__mul_u64(sink->n_slots, sink->width, &expected))
        return too_big(sink->n_slots, err);
    if (sink->kind == QV_SINK_LIST || sink->kind == QV_SINK_LARGE_LIST)
        expected = sink->n_values;
    for (size_t i = 0; i < sink->n_children; i++) {
        qv__sink *child = &sink->children[i];
        QV_TRY(check_child(sink, child, i, expected, err));
        if (child->is_absent)
            QV_TRY(qv__array_new_null(child->type, (int64_t) expected, &array->children[i], err));
        else
            QV_TRY(qv__sink_finish(child, &array->children[i], err));
    }
    return QV_OK;
}

static qv_status check_values(const qv__sink *sink, qv_error *err)
{
    bool own_values = sink->kind == QV_SINK_BITS || sink->kind == QV_SINK_FIXED || sink->kind == QV_SINK_STRING ||
                      sink->kind == QV_SINK_LARGE_STRING || sink->kind == QV_SINK_DICTIONARY;

    if (own_values && sink->n_values != sink->n_slots)
        return qv__fail(err, QV_CORRUPT, "%" PRIu64 " values for %" PRIu64 " slots", sink->n_values, sink->n_slots);
    return QV_OK;
}

/* An empty dictionary, or one null: keys of null slots must point somewhere. */
static qv_status placeholder_dictionary(const qv__sink *sink, qv__array **out, qv_error *err)
{
    return qv__array_new_null(sink->type->children[0].type, sink->n_slots ? 1 : 0, out, err);
}

static qv_status finish_one(qv__sink *sink, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *array = NULL;

    QV_TRY(check_values(sink, err));
    QV_TRY(qv__array_new(sink->type, (int64_t) sink->n_slots, sink->n_children, &array, err));
    array->null_count = (int64_t) (sink->kind == QV_SINK_NULL ? sink->n_slots : sink->n_nulls);
    if (sink->n_nulls && sink->kind != QV_SINK_NULL)
        QV_CHECK(take_buffer(&sink->validity, &array->buffers[0], err));
    qv__buffer_free(&sink->validity);
    switch (sink->kind) {
    case QV_SINK_STRING:
    case QV_SINK_LARGE_STRING:
    case QV_SINK_LIST:
    case QV_SINK_LARGE_LIST:
        QV_CHECK(finish_offsets(sink, err));
        break;
    case QV_SINK_DICTIONARY:
        if (sink->dictionary)
            array->dictionary = qv__array_ref(sink->dictionary);
        else
            QV_CHECK(placeholder_dictionary(sink, &array->dictionary, err));
        break;
    default:
        break;
    }
    if (sink->kind != QV_SINK_NULL && sink->kind != QV_SINK_VECTOR && sink->kind != QV_SINK_STRUCT)
        QV_CHECK(take_buffer(&sink->values, &array->buffers[1], err));
    if (sink->kind == QV_SINK_STRING || sink->kind == QV_SINK_LARGE_STRING)
        QV_CHECK(take_buffer(&sink->bytes, &array->buffers[2], err));
    QV_CHECK(finish_children(sink, array, err));
    sink->n_finished += sink->n_slots;
    sink->n_slots = sink->n_nulls = sink->n_values = 0;
    *out = array;
    array = NULL;
done:
    qv__array_unref(array);
    return st;
}

qv_status qv__sink_finish(qv__sink *sink, qv__array **out, qv_error *err)
{
    if (sink->n_segments == 0)
        return finish_one(sink, out, err);
    QV_TRY(QV_GROW(&sink->segments, &sink->segments_capacity, sink->n_segments + 1, err));
    QV_TRY(finish_one(sink, &sink->segments[sink->n_segments], err));
    sink->n_segments++;
    return qv__array_concat(sink->segments, sink->n_segments, sink->type, out, err);
}
