/* Arrays: making, counting and looking. An array and its child pointers are one block; buffers belong to their
 * owners. */
#include "arrow/array.h"

#include <assert.h>
#include <string.h>

#include "arrow/arrow_private.h"
#include "base/alloc.h"
#include "base/bytes.h"

_Alignas(64) const uint8_t qv__zero_bytes[64] = { 0 };

qv_status qv__array_new(const qv__type *type, int64_t length, size_t n_children, qv__array **out, qv_error *err)
{
    uint64_t size;

    if (!qv__mul_u64(n_children, sizeof(qv__array *), &size) || !qv__add_u64(size, sizeof(qv__array), &size))
        return qv__fail_nomem(err, SIZE_MAX);
    qv__array *array = qv__alloc_zero(1, (size_t) size);
    if (!array)
        return qv__fail_nomem(err, (size_t) size);
    atomic_init(&array->refs, 1);
    array->type = qv__type_ref(type);
    array->length = length;
    array->n_children = n_children;
    array->children = n_children > 0 ? (qv__array **) (array + 1) : NULL;
    *out = array;
    return QV_OK;
}

qv__array *qv__array_ref(const qv__array *array)
{
    qv__array *counted = (qv__array *) array;

    if (counted)
        atomic_fetch_add_explicit(&counted->refs, 1, memory_order_relaxed);
    return counted;
}

void qv__array_unref(qv__array *array)
{
    if (!array || atomic_fetch_sub_explicit(&array->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < array->n_children; i++)
        qv__array_unref(array->children[i]);
    qv__array_unref(array->dictionary);
    for (size_t i = 0; i < QV_COUNT_OF(array->buffers); i++)
        qv__bytes_unref(&array->buffers[i]);
    qv__type_unref(array->type);
    qv__free(array);
}

qv_status qv__batch_new(const qv__schema *schema, qv__array *const *columns, int64_t length, qv__array **out,
                        qv_error *err)
{
    qv__array *batch = NULL;

    for (size_t i = 0; i < schema->n_fields; i++) {
        const qv__field *field = &schema->fields[i];
        if (columns[i]->length != length)
            return qv__fail(err, QV_INVALID, "column \"%s\" has %lld rows, the batch has %lld", field->name,
                            (long long) columns[i]->length, (long long) length);
        if (!qv__type_equal(columns[i]->type, field->type)) {
            char have[96], want[96];
            return qv__fail(err, QV_INVALID, "column \"%s\" is %s, the schema says %s", field->name,
                            qv__type_print(columns[i]->type, have, sizeof have),
                            qv__type_print(field->type, want, sizeof want));
        }
    }
    QV_TRY(qv__array_new(schema->type, length, schema->n_fields, &batch, err));
    for (size_t i = 0; i < schema->n_fields; i++)
        batch->children[i] = qv__array_ref(columns[i]);
    *out = batch;
    return QV_OK;
}

/* ---- arrays of nothing */

static qv_status zeros(uint64_t len, qv__bytes *out, qv_error *err)
{
    uint8_t *data = NULL;

    if (len <= sizeof qv__zero_bytes) {
        *out = (qv__bytes){ qv__zero_bytes, (size_t) len, NULL };
        return QV_OK;
    }
    QV_TRY(qv__bytes_new((size_t) len, out, &data, err));
    memset(data, 0, (size_t) len);
    return QV_OK;
}

static qv_status zero_items(int64_t n, uint64_t bits, qv__bytes *out, qv_error *err)
{
    uint64_t total;

    if (!qv__mul_u64((uint64_t) n, bits, &total) || total > SIZE_MAX / 2)
        return qv__fail_nomem(err, SIZE_MAX);
    return zeros((total + 7) / 8, out, err);
}

static qv_status fill_blank(const qv__type *type, int64_t length, bool nulls, qv__array **out, qv_error *err);

/* Nested blanks: lists are empty, structs and fixed-size lists carry blanks below. A dictionary of valid slots needs
 * one value for its zero indices to name. */
static qv_status blank_children(qv__array *a, bool nulls, qv_error *err)
{
    int64_t n = 0;

    if (a->type->id == QV_TYPE_DICTIONARY)
        return fill_blank(a->type->children[0].type, !nulls && a->length > 0, false, &a->dictionary, err);
    if (a->type->id == QV_TYPE_STRUCT)
        n = a->length;
    else if (a->type->id == QV_TYPE_FIXED_LIST && __builtin_mul_overflow(a->length, a->type->width, &n))
        return qv__fail_nomem(err, SIZE_MAX);
    for (size_t i = 0; i < a->n_children; i++)
        QV_TRY(fill_blank(a->type->children[i].type, n, a->type->children[i].nullable, &a->children[i], err));
    return QV_OK;
}

static qv_status blank_values(qv__array *a, qv_error *err)
{
    switch (a->type->id) {
    case QV_TYPE_NULL:
    case QV_TYPE_STRUCT:
    case QV_TYPE_FIXED_LIST:
        return QV_OK;
    case QV_TYPE_UTF8:
    case QV_TYPE_BINARY:
        a->buffers[2].data = qv__zero_bytes;
        return zero_items(a->length + 1, 32, &a->buffers[1], err);
    case QV_TYPE_LARGE_UTF8:
    case QV_TYPE_LARGE_BINARY:
        a->buffers[2].data = qv__zero_bytes;
        return zero_items(a->length + 1, 64, &a->buffers[1], err);
    case QV_TYPE_LIST:
    case QV_TYPE_MAP:
        return zero_items(a->length + 1, 32, &a->buffers[1], err);
    case QV_TYPE_LARGE_LIST:
        return zero_items(a->length + 1, 64, &a->buffers[1], err);
    default:
        return zero_items(a->length, (uint64_t) qv__type_bits(a->type), &a->buffers[1], err);
    }
}

/* length nulls, or with `nulls` false as many zero values (what lies below a null in a field that takes none). */
static qv_status fill_blank(const qv__type *type, int64_t length, bool nulls, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *a = NULL;

    if (length < 0 || length == INT64_MAX)
        return qv__fail_nomem(err, SIZE_MAX);
    QV_CHECK(qv__array_new(type, length, type->id == QV_TYPE_DICTIONARY ? 0 : type->n_children, &a, err));
    if (type->id == QV_TYPE_NULL)
        a->null_count = length;
    else if (nulls && length > 0) {
        QV_CHECK(zero_items(length, 1, &a->buffers[0], err));
        a->null_count = length;
    }
    QV_CHECK(blank_values(a, err));
    QV_CHECK(blank_children(a, nulls, err));
    *out = a;
    a = NULL;
done:
    qv__array_unref(a);
    return st;
}

qv_status qv__array_new_null(const qv__type *type, int64_t length, qv__array **out, qv_error *err)
{
    return fill_blank(type, length, true, out, err);
}

/* ---- looking */

int64_t qv__array_offset(const qv__array *a, int64_t i)
{
    size_t at = (size_t) (a->offset + i);

    if (qv__type_offset_bytes(a->type) == 8)
        return (int64_t) qv__load_u64(a->buffers[1].data + at * 8);
    return (int32_t) qv__load_u32(a->buffers[1].data + at * 4);
}

const uint8_t *qv__array_string(const qv__array *a, int64_t i, size_t *len)
{
    if (a->type->id == QV_TYPE_FIXED_BINARY) {
        *len = (size_t) a->type->width;
        return a->buffers[1].data + (size_t) (a->offset + i) * *len;
    }
    int64_t start = qv__array_offset(a, i);
    *len = (size_t) (qv__array_offset(a, i + 1) - start);
    return a->buffers[2].data + start;
}

void qv__array_list_range(const qv__array *a, int64_t i, int64_t *start, int64_t *end)
{
    if (a->type->id == QV_TYPE_FIXED_LIST) {
        *start = (a->offset + i) * a->type->width;
        *end = *start + a->type->width;
        return;
    }
    *start = qv__array_offset(a, i);
    *end = qv__array_offset(a, i + 1);
}

/* Bytes of values [start, start + n), counted from the array's own offset. */
static size_t range_bytes(const qv__array *a, int64_t start, int64_t n)
{
    size_t bytes = a->buffers[0].data ? qv__bitmap_bytes((size_t) n) : 0;
    int64_t from, to;

    switch (a->type->id) {
    case QV_TYPE_NULL:
        return 0;
    case QV_TYPE_STRUCT:
        for (size_t i = 0; i < a->n_children; i++)
            bytes += range_bytes(a->children[i], a->offset + start, n);
        return bytes;
    case QV_TYPE_FIXED_LIST:
        return bytes + range_bytes(a->children[0], (a->offset + start) * a->type->width, n * a->type->width);
    case QV_TYPE_DICTIONARY:
        bytes += range_bytes(a->dictionary, 0, a->dictionary->length);
        break;
    case QV_TYPE_UTF8:
    case QV_TYPE_LARGE_UTF8:
    case QV_TYPE_BINARY:
    case QV_TYPE_LARGE_BINARY:
    case QV_TYPE_LIST:
    case QV_TYPE_LARGE_LIST:
    case QV_TYPE_MAP:
        from = qv__array_offset(a, start);
        to = qv__array_offset(a, start + n);
        bytes += (size_t) (n + 1) * (qv__type_offset_bytes(a->type));
        return bytes + (a->n_children ? range_bytes(a->children[0], from, to - from) : (size_t) (to - from));
    default:
        break;
    }
    return bytes + ((size_t) n * (size_t) qv__type_bits(a->type) + 7) / 8;
}

size_t qv__array_bytes(const qv__array *a) { return range_bytes(a, 0, a->length); }

/* ---- a stream over batches that are there */

typedef struct batch_stream {
    qv__stream stream;
    size_t n;
    size_t next;
    qv__array *batches[];
} batch_stream;

static qv_status batch_stream_next(qv__stream *stream, qv__array **out, qv_error *err)
{
    batch_stream *self = (batch_stream *) stream;

    QV_UNUSED(err);
    *out = NULL;
    if (self->next < self->n) {
        *out = self->batches[self->next]; /* the stream's reference becomes the caller's */
        self->batches[self->next++] = NULL;
    }
    return QV_OK;
}

static void batch_stream_destroy(qv__stream *stream)
{
    batch_stream *self = (batch_stream *) stream;

    for (size_t i = self->next; i < self->n; i++)
        qv__array_unref(self->batches[i]);
    qv__schema_unref(self->stream.schema);
    qv__free(self);
}

qv_status qv__stream_of(const qv__schema *schema, qv__array *const *batches, size_t n, qv__stream **out, qv_error *err)
{
    uint64_t size;

    if (!qv__mul_u64(n, sizeof *batches, &size) || !qv__add_u64(size, sizeof(batch_stream), &size))
        return qv__fail_nomem(err, SIZE_MAX);
    batch_stream *self = qv__alloc_zero(1, (size_t) size);
    if (!self)
        return qv__fail_nomem(err, (size_t) size);
    self->stream.schema = qv__schema_ref(schema);
    self->stream.next = batch_stream_next;
    self->stream.destroy = batch_stream_destroy;
    self->n = n;
    for (size_t i = 0; i < n; i++)
        self->batches[i] = qv__array_ref(batches[i]);
    *out = &self->stream;
    return QV_OK;
}
