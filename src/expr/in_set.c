/* The values of IN, so that a row is looked up in about constant time: a few values are compared one by one, integers that lie close
 * together become a bitmap, all others a hash table. */
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "expr/expr_private.h"

enum { MOST_BITS = 1 << 21 };

typedef enum set_kind { SET_NONE, SET_BITS, SET_WHOLE, SET_BYTES, SET_OTHER } set_kind;

struct qv__in_set {
    set_kind kind;
    qv__array *values;
    size_t n_slots;  /* a power of two */
    uint32_t *slots; /* position of a value + 1; 0: free */
    int64_t low;     /* SET_BITS: the value of bit 0 */
    uint64_t span;   /* and how many bits */
    uint8_t *bits;
    uint64_t lengths; /* SET_BYTES: bit (length & 63) of every value */
};

void qv__in_set_free(void *set_)
{
    qv__in_set *set = set_;

    if (!set)
        return;
    qv__array_unref(set->values);
    qv__free(set->slots);
    qv__free(set->bits);
    qv__free(set);
}

static bool is_bytes(const qv__type *type) { return type->id >= QV_TYPE_UTF8 && type->id <= QV_TYPE_FIXED_BINARY; }
/* Compared as integers of their width. */
static bool is_whole(const qv__type *type)
{
    return qv__type_is_int(type) || qv__type_is_temporal(type) || type->id == QV_TYPE_BOOL;
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0x9e3779b97f4a7c15);
    return x ^ x >> 29;
}

static uint64_t hash_bytes(const uint8_t *bytes, size_t len)
{
    uint64_t hash = len * UINT64_C(0x9e3779b97f4a7c15), word = 0;

    for (; len >= 8; bytes += 8, len -= 8)
        hash = mix(hash ^ qv__load_u64(bytes));
    if (len)
        memcpy(&word, bytes, len);
    return mix(hash ^ word);
}

static uint64_t hash_value(const qv__in_set *set, const qv__array *array, int64_t i)
{
    size_t len;
    const uint8_t *bytes;

    if (set->kind == SET_WHOLE)
        return mix((uint64_t) qv__load_int(array, i));
    bytes = qv__array_string(array, i, &len);
    return hash_bytes(bytes, len);
}

static qv_status build_table(qv__in_set *set, qv_error *err)
{
    size_t n = (size_t) set->values->length;

    for (set->n_slots = 16; set->n_slots < n * 2;)
        set->n_slots *= 2;
    QV_TRY(QV_NEW(&set->slots, set->n_slots, err));
    for (size_t k = 0; k < n; k++) {
        size_t slot = hash_value(set, set->values, (int64_t) k) & (set->n_slots - 1), len;

        if (set->kind == SET_BYTES) {
            qv__array_string(set->values, (int64_t) k, &len);
            set->lengths |= UINT64_C(1) << (len & 63);
        }
        while (set->slots[slot])
            slot = (slot + 1) & (set->n_slots - 1);
        set->slots[slot] = (uint32_t) k + 1;
    }
    return QV_OK;
}

/* The values are sorted, unsigned ones as such. */
static qv_status build_bits(qv__in_set *set, qv_error *err)
{
    size_t n = (size_t) set->values->length;

    QV_TRY(QV_NEW(&set->bits, set->span / 8 + 1, err));
    for (size_t k = 0; k < n; k++)
        qv__bit_set(set->bits, (size_t) ((uint64_t) qv__load_int(set->values, (int64_t) k) - (uint64_t) set->low));
    return QV_OK;
}

qv_status qv__in_set_new(const qv__array *values, qv__in_set **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__in_set *set;
    int64_t n = values->length;

    QV_TRY(QV_NEW(&set, 1, err));
    set->values = qv__array_ref(values);
    set->kind = n == 0 ? SET_NONE : is_whole(values->type) ? SET_WHOLE : is_bytes(values->type) ? SET_BYTES : SET_OTHER;
    if (set->kind == SET_WHOLE) {
        set->low = qv__load_int(values, 0);
        set->span = (uint64_t) qv__load_int(values, n - 1) - (uint64_t) set->low + 1;
        if (set->span && set->span <= MOST_BITS)
            set->kind = SET_BITS;
    }
    if (set->kind == SET_BITS)
        QV_CHECK(build_bits(set, err));
    else if (set->kind == SET_WHOLE || set->kind == SET_BYTES)
        QV_CHECK(build_table(set, err));
    *out = set;
    set = NULL;
done:
    qv__in_set_free(set);
    return st;
}

/* ------------------------------------------------------------------ looking up */

static bool has_whole(const qv__in_set *set, int64_t value)
{
    for (size_t slot = mix((uint64_t) value) & (set->n_slots - 1); set->slots[slot];
         slot = (slot + 1) & (set->n_slots - 1))
        if (qv__load_int(set->values, (int64_t) set->slots[slot] - 1) == value)
            return true;
    return false;
}

static bool has_bytes(const qv__in_set *set, const uint8_t *bytes, size_t len)
{
    if (!(set->lengths >> (len & 63) & 1))
        return false;
    for (size_t slot = hash_bytes(bytes, len) & (set->n_slots - 1); set->slots[slot];
         slot = (slot + 1) & (set->n_slots - 1)) {
        size_t n;
        const uint8_t *value = qv__array_string(set->values, (int64_t) set->slots[slot] - 1, &n);
        if (n == len && memcmp(value, bytes, n) == 0)
            return true;
    }
    return false;
}

/* Binary search: floats, decimals and nested values. */
static bool has_other(const qv__in_set *set, const qv__array *array, int64_t i)
{
    int64_t low = 0, high = set->values->length;

    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int order = qv__value_compare(set->values, middle, array, i);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* 64 rows from `first` on. */
#define WHOLE_LOOP(name, type)                                                                       \
    static uint64_t name(const qv__in_set *set, const void *values, size_t first, size_t n)          \
    {                                                                                                \
        const type *v = (const type *) values + first;                                               \
        uint64_t word = 0;                                                                           \
                                                                                                     \
        if (set->kind == SET_BITS)                                                                   \
            for (size_t k = 0; k < n; k++) {                                                         \
                uint64_t at = (uint64_t) (int64_t) v[k] - (uint64_t) set->low;                       \
                bool inside = at < set->span;                                                        \
                word |= (uint64_t) (inside & qv__bit_get(set->bits, inside ? (size_t) at : 0)) << k; \
            }                                                                                        \
        else                                                                                         \
            for (size_t k = 0; k < n; k++)                                                           \
                word |= (uint64_t) has_whole(set, (int64_t) v[k]) << k;                              \
        return word;                                                                                 \
    }
WHOLE_LOOP(find_i8, int8_t)
WHOLE_LOOP(find_i16, int16_t)
WHOLE_LOOP(find_i32, int32_t)
WHOLE_LOOP(find_i64, int64_t)
WHOLE_LOOP(find_u8, uint8_t)
WHOLE_LOOP(find_u16, uint16_t)
WHOLE_LOOP(find_u32, uint32_t)

typedef uint64_t (*whole_loop)(const qv__in_set *, const void *, size_t, size_t);

static whole_loop loop_of(const qv__type *type)
{
    switch (type->id) {
    case QV_TYPE_INT8:
        return find_i8;
    case QV_TYPE_INT16:
        return find_i16;
    case QV_TYPE_UINT8:
        return find_u8;
    case QV_TYPE_UINT16:
        return find_u16;
    case QV_TYPE_UINT32:
        return find_u32;
    default:
        return qv__type_bits(type) == 32 ? find_i32 : find_i64;
    }
}

static bool has(const qv__in_set *set, const qv__array *array, int64_t i)
{
    size_t len;
    const uint8_t *bytes;

    if (set->kind == SET_OTHER)
        return has_other(set, array, i);
    if (set->kind == SET_BYTES) {
        bytes = qv__array_string(array, i, &len);
        return has_bytes(set, bytes, len);
    }
    if (set->kind == SET_WHOLE)
        return has_whole(set, qv__load_int(array, i));
    uint64_t at = (uint64_t) qv__load_int(array, i) - (uint64_t) set->low;
    return at < set->span && qv__bit_get(set->bits, (size_t) at);
}

void qv__in_set_find(const qv__in_set *set, const qv__array *array, size_t n, const uint64_t *live, uint64_t *found)
{
    bool whole = (set->kind == SET_BITS || set->kind == SET_WHOLE) && array->type->id != QV_TYPE_BOOL;
    whole_loop loop = whole ? loop_of(array->type) : NULL;

    for (size_t w = 0; w < qv__words(n); w++) {
        uint64_t rest = live[w];

        found[w] = 0;
        if (set->kind == SET_NONE || !rest)
            continue;
        if (whole) {
            found[w] = loop(set, qv__array_values(array), w * 64, QV_MIN(n - w * 64, 64)) & rest;
            continue;
        }
        for (; rest; rest &= rest - 1) {
            int bit = __builtin_ctzll(rest);
            if (has(set, array, (int64_t) (w * 64) + bit))
                found[w] |= UINT64_C(1) << bit;
        }
    }
}
