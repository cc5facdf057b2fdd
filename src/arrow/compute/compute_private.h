/* What the files of this folder share: the physical layout of types, offsets, and the one engine that moves values. */
#ifndef QV_ARROW_COMPUTE_PRIVATE_H
#define QV_ARROW_COMPUTE_PRIVATE_H

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "base/bytes.h"

/* How the bytes of a type lie; dictionaries are FIXED (their keys). */
typedef enum qv__layout {
    QV_LAYOUT_NULL,
    QV_LAYOUT_BITS,
    QV_LAYOUT_FIXED,
    QV_LAYOUT_BYTES, /* strings and binary */
    QV_LAYOUT_LIST,  /* list, large list, map */
    QV_LAYOUT_FIXED_LIST,
    QV_LAYOUT_STRUCT
} qv__layout;

static inline qv__layout qv__type_layout(const qv__type *type)
{
    switch (type->id) {
    case QV_TYPE_NULL:
        return QV_LAYOUT_NULL;
    case QV_TYPE_BOOL:
        return QV_LAYOUT_BITS;
    case QV_TYPE_UTF8:
    case QV_TYPE_LARGE_UTF8:
    case QV_TYPE_BINARY:
    case QV_TYPE_LARGE_BINARY:
        return QV_LAYOUT_BYTES;
    case QV_TYPE_LIST:
    case QV_TYPE_LARGE_LIST:
    case QV_TYPE_MAP:
        return QV_LAYOUT_LIST;
    case QV_TYPE_FIXED_LIST:
        return QV_LAYOUT_FIXED_LIST;
    case QV_TYPE_STRUCT:
        return QV_LAYOUT_STRUCT;
    default:
        return QV_LAYOUT_FIXED;
    }
}

/* Bytes of one value of QV_LAYOUT_FIXED. */
static inline size_t qv__type_value_bytes(const qv__type *type)
{
    if (type->id == QV_TYPE_DICTIONARY)
        type = type->index_type;
    if (type->id == QV_TYPE_FIXED_BINARY)
        return (size_t) type->width;
    return (size_t) qv__type_bits(type) / 8;
}

static inline bool qv__type_offsets_64(const qv__type *type)
{
    return type->id == QV_TYPE_LARGE_UTF8 || type->id == QV_TYPE_LARGE_BINARY || type->id == QV_TYPE_LARGE_LIST;
}

static inline bool qv__type_is_utf8(const qv__type *type)
{
    return type->id == QV_TYPE_UTF8 || type->id == QV_TYPE_LARGE_UTF8;
}

/* Offset number i of a string or list array (0 ... length), array->offset applied. Empty arrays may have no buffer. */
static inline int64_t qv__offset_at(const qv__array *array, int64_t i)
{
    const uint8_t *data = array->buffers[1].data;
    size_t at = (size_t) (array->offset + i);

    if (!data || array->buffers[1].len == 0)
        return 0;
    if (qv__type_offsets_64(array->type))
        return (int64_t) qv__load_u64(data + at * 8);
    return (int32_t) qv__load_u32(data + at * 4);
}

static inline void qv__offset_put(uint8_t *offsets, bool is_64, int64_t i, int64_t value)
{
    if (is_64)
        qv__store_u64(offsets + (size_t) i * 8, (uint64_t) value);
    else
        qv__store_u32(offsets + (size_t) i * 4, (uint32_t) value);
}

/* Value i of a FIXED array. */
static inline const uint8_t *qv__fixed_at(const qv__array *array, int64_t i)
{
    return array->buffers[1].data + (size_t) (array->offset + i) * qv__type_value_bytes(array->type);
}

/* The key of value i of a dictionary array (not null). */
int64_t qv__dictionary_key(const qv__array *array, int64_t i);
void qv__dictionary_key_put(const qv__type *index_type, uint8_t *keys, int64_t i, int64_t key);
/* The greatest key that the integer type can hold. */
int64_t qv__dictionary_key_max(const qv__type *index_type);

/* n values of `array` from `start` on (array->offset not included); array NULL: n nulls. */
typedef struct qv__part {
    const qv__array *array;
    int64_t start;
    int64_t n;
} qv__part;

/* The parts one after the other as one array of `type`, offset 0 at every level, null slots of strings and lists empty.
 * Everything is copied. The parts' types equal `type`. */
qv_status qv__gather(const qv__type *type, const qv__part *parts, size_t n_parts, qv__array **out, qv_error *err);

/* Are n values from i of a, and from j of b, the same? `by_bits`: floats compare as bytes. Types are equal. */
bool qv__range_equal(const qv__array *a, int64_t i, const qv__array *b, int64_t j, int64_t n, bool by_bits);
/* A hash that agrees with qv__range_equal(.., by_bits = true) on one value. */
uint64_t qv__value_hash(const qv__array *array, int64_t i);

/* Numbers values of equal type in the order of their first appearance. */
typedef struct qv__value_set {
    const qv__array **arrays; /* of code c: value rows[c] of arrays[c] */
    int64_t *rows;
    uint64_t *hashes;
    size_t n, arrays_capacity, rows_capacity, hashes_capacity;
    uint32_t *slots; /* code + 1; 0: free */
    size_t n_slots;  /* power of two, or 0 */
} qv__value_set;
qv_status qv__value_set_add(qv__value_set *set, const qv__array *array, int64_t i, int64_t *code, qv_error *err);
/* The distinct values as an array. */
qv_status qv__value_set_values(const qv__value_set *set, const qv__type *type, qv__array **out, qv_error *err);
void qv__value_set_clear(qv__value_set *set);

/* Checks that `bytes` of variable-length data can be addressed by the type's offsets. */
qv_status qv__check_offsets_fit(const qv__type *type, uint64_t total, qv_error *err);
/* Fresh buffer number `k` of `array`; zeroed. */
qv_status qv__array_buffer(qv__array *array, int k, size_t count, size_t size, uint8_t **writable, qv_error *err);
/* Validity of [start, start + n) of `from` becomes that of `to` (offset 0): shared where the bits lie on a byte, else
 * copied. Sets null_count; arrays without nulls get no bitmap. */
qv_status qv__validity_range(const qv__array *from, int64_t start, int64_t n, qv__array *to, qv_error *err);

#endif
