/* Keys of values: what orders as the values do. */
#include "index/scalar/order.h"

#include <string.h>

#include "base/bytes.h"

#define SIGN64 (UINT64_C(1) << 63)

typedef enum number { NO_NUMBER, BOOL, UNSIGNED, SIGNED, FLOAT } number;

static number number_of(const qv__type *type)
{
    switch (type->id) {
    case QV_TYPE_BOOL:
        return BOOL;
    case QV_TYPE_UINT8:
    case QV_TYPE_UINT16:
    case QV_TYPE_UINT32:
    case QV_TYPE_UINT64:
        return UNSIGNED;
    case QV_TYPE_INT8:
    case QV_TYPE_INT16:
    case QV_TYPE_INT32:
    case QV_TYPE_INT64:
    case QV_TYPE_DATE32:
    case QV_TYPE_DATE64:
    case QV_TYPE_TIME32:
    case QV_TYPE_TIME64:
    case QV_TYPE_TIMESTAMP:
    case QV_TYPE_DURATION:
        return SIGNED;
    case QV_TYPE_FLOAT16:
    case QV_TYPE_FLOAT32:
    case QV_TYPE_FLOAT64:
        return FLOAT;
    default:
        return NO_NUMBER;
    }
}

qv__order qv__order_of(const qv__type *type)
{
    switch (type->id) {
    case QV_TYPE_DECIMAL128:
    case QV_TYPE_DECIMAL256:
        return QV_ORDER_WIDE;
    case QV_TYPE_UTF8:
    case QV_TYPE_LARGE_UTF8:
    case QV_TYPE_BINARY:
    case QV_TYPE_LARGE_BINARY:
    case QV_TYPE_FIXED_BINARY:
        return QV_ORDER_BYTES;
    default:
        return number_of(type) == NO_NUMBER ? QV_ORDER_NONE : QV_ORDER_KEY;
    }
}

/* ------------------------------------------------------------------ keys */

static uint64_t load(const uint8_t *p, int bits)
{
    switch (bits) {
    case 8:
        return *p;
    case 16:
        return qv__load_u16(p);
    case 32:
        return qv__load_u32(p);
    default:
        return qv__load_u64(p);
    }
}

/* `sign`: the sign bit in its place. */
static uint64_t float_key(uint64_t raw, uint64_t sign) { return raw & sign ? ~raw & (sign | (sign - 1)) : raw | sign; }

/* Signed numbers keep their width: adding half of the range makes them unsigned. */
static uint64_t key_of(uint64_t raw, number kind, uint64_t sign)
{
    return kind == FLOAT ? float_key(raw, sign) : kind == SIGNED ? raw ^ sign : raw;
}

uint64_t qv__order_key(const qv__array *a, int64_t i)
{
    uint64_t key;

    qv__order_keys(a, i, 1, &key);
    return key;
}

void qv__order_keys(const qv__array *a, int64_t start, size_t n, uint64_t *out)
{
    number kind = number_of(a->type);
    int bits = qv__type_bits(a->type);

    if (kind == BOOL) {
        for (size_t i = 0; i < n; i++)
            out[i] = qv__bit_get(a->buffers[1].data, (size_t) (a->offset + start) + i);
        return;
    }
    size_t width = (size_t) bits / 8;
    const uint8_t *values = (const uint8_t *) qv__array_values(a) + (size_t) start * width;
    uint64_t sign = UINT64_C(1) << (bits - 1);
    if (bits == 64 && kind == SIGNED) { /* the common case, for the compiler to make wide */
        for (size_t i = 0; i < n; i++)
            out[i] = qv__load_u64(values + 8 * i) ^ SIGN64;
        return;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = key_of(load(values + width * i, bits), kind, sign);
}

/* Back from a key; what lies above the type's width means nothing. */
static uint64_t raw_of(uint64_t key, number kind, uint64_t sign)
{
    return kind == SIGNED ? key ^ sign : kind == FLOAT ? (key & sign ? key ^ sign : ~key) : key;
}

void qv__order_unkey(const qv__type *type, const uint64_t *keys, size_t step, size_t n, uint8_t *out)
{
    number kind = number_of(type);
    int bits = qv__type_bits(type);
    uint64_t sign = UINT64_C(1) << (bits - 1);

    switch (bits) {
    case 1:
        for (size_t i = 0; i < n; i++)
            qv__bit_put(out, i, keys[i * step] != 0);
        break;
    case 8:
        for (size_t i = 0; i < n; i++)
            out[i] = (uint8_t) raw_of(keys[i * step], kind, sign);
        break;
    case 16:
        for (size_t i = 0; i < n; i++)
            qv__store_u16(out + 2 * i, (uint16_t) raw_of(keys[i * step], kind, sign));
        break;
    case 32:
        for (size_t i = 0; i < n; i++)
            qv__store_u32(out + 4 * i, (uint32_t) raw_of(keys[i * step], kind, sign));
        break;
    default:
        for (size_t i = 0; i < n; i++)
            qv__store_u64(out + 8 * i, raw_of(keys[i * step], kind, sign));
    }
}

/* ------------------------------------------------------------------ values of any width */

static uint64_t bytes_prefix(const uint8_t *bytes, size_t len)
{
    uint64_t key = 0;

    memcpy(&key, bytes, QV_MIN(len, sizeof key));
    return __builtin_bswap64(key);
}

static const uint8_t *wide_value(const qv__array *a, int64_t i, size_t *width)
{
    *width = (size_t) qv__type_bits(a->type) / 8;
    return (const uint8_t *) qv__array_values(a) + (size_t) i * *width;
}

uint64_t qv__order_prefix(const qv__array *a, int64_t i)
{
    size_t len;
    const uint8_t *bytes;

    switch (qv__order_of(a->type)) {
    case QV_ORDER_KEY:
        return qv__order_key(a, i);
    case QV_ORDER_WIDE:
        bytes = wide_value(a, i, &len);
        return qv__load_u64(bytes + len - 8) ^ SIGN64;
    default:
        bytes = qv__array_string(a, i, &len);
        return bytes_prefix(bytes, len);
    }
}

static int compare_wide(const uint8_t *a, const uint8_t *b, size_t width)
{
    for (size_t at = width; at > 0; at -= 8) {
        uint64_t x = qv__load_u64(a + at - 8), y = qv__load_u64(b + at - 8), flip = at == width ? SIGN64 : 0;
        if (x != y)
            return (x ^ flip) < (y ^ flip) ? -1 : 1;
    }
    return 0;
}

static int compare_bytes(const uint8_t *x, size_t n, const uint8_t *y, size_t m)
{
    int order = QV_MIN(n, m) ? memcmp(x, y, QV_MIN(n, m)) : 0;

    return order ? (order > 0) - (order < 0) : (n > m) - (n < m);
}

void qv__probe_of(const qv__array *a, int64_t i, qv__probe *out)
{
    *out = (qv__probe){ 0 };
    switch (qv__order_of(a->type)) {
    case QV_ORDER_KEY:
        out->key = qv__order_key(a, i);
        break;
    case QV_ORDER_WIDE:
        out->bytes = wide_value(a, i, &out->len);
        break;
    default:
        out->bytes = qv__array_string(a, i, &out->len);
    }
}

int qv__probe_compare(const qv__array *a, int64_t i, const qv__probe *probe)
{
    size_t len;
    const uint8_t *bytes;
    uint64_t key;

    switch (qv__order_of(a->type)) {
    case QV_ORDER_KEY:
        key = qv__order_key(a, i);
        return (key > probe->key) - (key < probe->key);
    case QV_ORDER_WIDE:
        bytes = wide_value(a, i, &len);
        return compare_wide(bytes, probe->bytes, len);
    default:
        bytes = qv__array_string(a, i, &len);
        return compare_bytes(bytes, len, probe->bytes, probe->len);
    }
}

int qv__order_compare(const qv__array *a, int64_t i, const qv__array *b, int64_t j)
{
    qv__probe probe;

    qv__probe_of(b, j, &probe);
    return qv__probe_compare(a, i, &probe);
}
