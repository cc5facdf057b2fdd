/* Small shared steps: fresh buffers, validity of ranges, dictionary keys. */
#include "arrow/compute/compute_private.h"

int64_t qv__dictionary_key(const qv__array *array, int64_t i)
{
    const uint8_t *at = qv__fixed_at(array, i);

    switch (array->type->index_type->id) {
    case QV_TYPE_INT8:
        return (int8_t) *at;
    case QV_TYPE_UINT8:
        return *at;
    case QV_TYPE_INT16:
        return (int16_t) qv__load_u16(at);
    case QV_TYPE_UINT16:
        return qv__load_u16(at);
    case QV_TYPE_INT32:
        return (int32_t) qv__load_u32(at);
    case QV_TYPE_UINT32:
        return qv__load_u32(at);
    default:
        return (int64_t) qv__load_u64(at);
    }
}

void qv__dictionary_key_put(const qv__type *index_type, uint8_t *keys, int64_t i, int64_t key)
{
    size_t width = (size_t) qv__type_bits(index_type) / 8;

    memcpy(keys + (size_t) i * width, &key, width); /* little-endian: the low bytes come first */
}

int64_t qv__dictionary_key_max(const qv__type *index_type)
{
    int bits = qv__type_bits(index_type);
    bool is_unsigned = index_type->id >= QV_TYPE_UINT8 && index_type->id <= QV_TYPE_UINT64;

    if (bits == 64)
        return INT64_MAX;
    return ((int64_t) 1 << (is_unsigned ? bits : bits - 1)) - 1;
}

qv_status qv__check_offsets_fit(const qv__type *type, uint64_t total, qv_error *err)
{
    char name[128];

    if (!qv__type_offsets_64(type) && total > INT32_MAX)
        return qv__fail(err, QV_INVALID, "%llu elements in one %s array, its 32-bit offsets end at 2147483647",
                        (unsigned long long) total, qv__type_print(type, name, sizeof name));
    return QV_OK;
}

qv_status qv__array_buffer(qv__array *array, int k, size_t count, size_t size, uint8_t **writable, qv_error *err)
{
    uint64_t total;
    qv__bytes bytes;

    if (!qv__mul_u64(count, size, &total))
        return qv__fail_nomem(err, SIZE_MAX);
    QV_TRY(qv__bytes_new((size_t) total, &bytes, writable, err));
    if (total)
        memset(*writable, 0, (size_t) total);
    qv__bytes_unref(&array->buffers[k]);
    array->buffers[k] = bytes;
    return QV_OK;
}

qv_status qv__validity_range(const qv__array *from, int64_t start, int64_t n, qv__array *to, qv_error *err)
{
    const uint8_t *bits = from->buffers[0].data;
    size_t at = (size_t) (from->offset + start);
    uint8_t *copy;

    if (from->type->id == QV_TYPE_NULL) {
        to->null_count = n;
        return QV_OK;
    }
    to->null_count = 0;
    if (!bits || from->null_count == 0)
        return QV_OK;
    to->null_count = n - (int64_t) qv__bitmap_count(bits, at, (size_t) n);
    if (to->null_count == 0)
        return QV_OK;
    if (at % 8 == 0) {
        to->buffers[0] = qv__bytes_slice(from->buffers[0], at / 8, qv__bitmap_bytes((size_t) n));
        return QV_OK;
    }
    QV_TRY(qv__array_buffer(to, 0, qv__bitmap_bytes((size_t) n), 1, &copy, err));
    qv__bitmap_copy(copy, 0, bits, at, (size_t) n);
    return QV_OK;
}
