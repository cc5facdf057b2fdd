/* Logical equality over ranges, and the hash that goes with it. Runs of fixed-width values without nulls compare as bytes. */
#include "arrow/compute/compute_private.h"
#include "base/float16.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static bool is_float(const qv__type *type)
{
    return type->id == QV_TYPE_FLOAT16 || type->id == QV_TYPE_FLOAT32 || type->id == QV_TYPE_FLOAT64;
}

static double load_float(const qv__type *type, const uint8_t *at)
{
    float single;
    double wide;

    if (type->id == QV_TYPE_FLOAT16)
        return qv__f16_to_f64(qv__load_u16(at));
    if (type->id == QV_TYPE_FLOAT32) {
        memcpy(&single, at, sizeof single);
        return single;
    }
    memcpy(&wide, at, sizeof wide);
    return wide;
}

static bool floats_equal(const qv__type *type, const uint8_t *a, const uint8_t *b, size_t n)
{
    size_t width = qv__type_value_bytes(type);

    for (size_t i = 0; i < n; i++) {
        double x = load_float(type, a + i * width), y = load_float(type, b + i * width);

        if (x != y && !(x != x && y != y))
            return false;
    }
    return true;
}

/* n valid values. */
static bool fixed_equal(const qv__array *a, int64_t i, const qv__array *b, int64_t j, int64_t n, bool by_bits)
{
    size_t width = qv__type_value_bytes(a->type);
    const uint8_t *x, *y;

    if (n == 0 || width == 0)
        return true;
    x = qv__fixed_at(a, i);
    y = qv__fixed_at(b, j);
    if (memcmp(x, y, (size_t) n * width) == 0)
        return true;
    return is_float(a->type) && !by_bits && floats_equal(a->type, x, y, (size_t) n);
}

static bool strings_equal(const qv__array *a, int64_t i, const qv__array *b, int64_t j, int64_t n)
{
    for (int64_t k = 0; k < n; k++) {
        int64_t from_a = qv__offset_at(a, i + k), from_b = qv__offset_at(b, j + k);
        int64_t len = qv__offset_at(a, i + k + 1) - from_a;

        if (len != qv__offset_at(b, j + k + 1) - from_b)
            return false;
        if (len && memcmp(a->buffers[2].data + from_a, b->buffers[2].data + from_b, (size_t) len))
            return false;
    }
    return true;
}

static bool lists_equal(const qv__array *a, int64_t i, const qv__array *b, int64_t j, int64_t n, bool by_bits)
{
    int64_t from_a = qv__offset_at(a, i), from_b = qv__offset_at(b, j);

    for (int64_t k = 1; k <= n; k++)
        if (qv__offset_at(a, i + k) - from_a != qv__offset_at(b, j + k) - from_b)
            return false;
    return qv__range_equal(a->children[0], from_a, b->children[0], from_b, qv__offset_at(a, i + n) - from_a, by_bits);
}

/* n values without nulls at this level. */
static bool valid_equal(const qv__array *a, int64_t i, const qv__array *b, int64_t j, int64_t n, bool by_bits)
{
    int64_t width = a->type->width;

    switch (qv__type_layout(a->type)) {
    case QV_LAYOUT_NULL:
        return true;
    case QV_LAYOUT_BITS:
        for (int64_t k = 0; k < n; k++)
            if (qv__bit_get(a->buffers[1].data, (size_t) (a->offset + i + k)) !=
                qv__bit_get(b->buffers[1].data, (size_t) (b->offset + j + k)))
                return false;
        return true;
    case QV_LAYOUT_FIXED:
        return fixed_equal(a, i, b, j, n, by_bits);
    case QV_LAYOUT_BYTES:
        return strings_equal(a, i, b, j, n);
    case QV_LAYOUT_LIST:
        return n == 0 || lists_equal(a, i, b, j, n, by_bits);
    case QV_LAYOUT_FIXED_LIST:
        return qv__range_equal(a->children[0], (a->offset + i) * width, b->children[0], (b->offset + j) * width,
                               n * width, by_bits);
    case QV_LAYOUT_STRUCT:
        for (size_t k = 0; k < a->n_children; k++)
            if (!qv__range_equal(a->children[k], a->offset + i, b->children[k], b->offset + j, n, by_bits))
                return false;
        return true;
    }
    return true;
}

/* A null key and a key of a null value are the same. */
static bool dictionaries_equal(const qv__array *a, int64_t i, const qv__array *b, int64_t j, int64_t n, bool by_bits)
{
    for (int64_t k = 0; k < n; k++) {
        int64_t key_a = qv__array_is_null(a, i + k) ? -1 : qv__dictionary_key(a, i + k);
        int64_t key_b = qv__array_is_null(b, j + k) ? -1 : qv__dictionary_key(b, j + k);
        bool null_a = key_a < 0 || qv__array_is_null(a->dictionary, key_a);
        bool null_b = key_b < 0 || qv__array_is_null(b->dictionary, key_b);

        if (null_a != null_b)
            return false;
        if (!null_a && !(a->dictionary == b->dictionary && key_a == key_b) &&
            !qv__range_equal(a->dictionary, key_a, b->dictionary, key_b, 1, by_bits))
            return false;
    }
    return true;
}

bool qv__range_equal(const qv__array *a, int64_t i, const qv__array *b, int64_t j, int64_t n, bool by_bits)
{
    if (a->type->id == QV_TYPE_DICTIONARY)
        return dictionaries_equal(a, i, b, j, n, by_bits);
    if (a->null_count == 0 && b->null_count == 0)
        return valid_equal(a, i, b, j, n, by_bits);
    for (int64_t k = 0; k < n;) {
        int64_t run = k;

        while (run < n && !qv__array_is_null(a, i + run) && !qv__array_is_null(b, j + run))
            run++;
        if (run > k && !valid_equal(a, i + k, b, j + k, run - k, by_bits))
            return false;
        k = run;
        if (k < n) {
            if (qv__array_is_null(a, i + k) != qv__array_is_null(b, j + k))
                return false;
            k++;
        }
    }
    return true;
}

bool qv__array_equal(const qv__array *a, const qv__array *b)
{
    return a == b || (a->length == b->length && qv__type_equal(a->type, b->type) &&
                      qv__range_equal(a, 0, b, 0, a->length, false));
}

static uint64_t mix(uint64_t seed, uint64_t value) { return XXH3_64bits_withSeed(&value, sizeof value, seed); }

static uint64_t hash_range(const qv__array *array, int64_t start, int64_t n)
{
    uint64_t hash = (uint64_t) n;

    for (int64_t i = 0; i < n; i++)
        hash = mix(hash, qv__value_hash(array, start + i));
    return hash;
}

uint64_t qv__value_hash(const qv__array *array, int64_t i)
{
    uint64_t hash = 0;
    int64_t start, end;

    if (qv__array_is_null(array, i))
        return 0;
    switch (qv__type_layout(array->type)) {
    case QV_LAYOUT_NULL:
        return 0;
    case QV_LAYOUT_BITS:
        return mix(1, qv__bit_get(array->buffers[1].data, (size_t) (array->offset + i)));
    case QV_LAYOUT_FIXED:
        if (array->type->id == QV_TYPE_DICTIONARY)
            return qv__value_hash(array->dictionary, qv__dictionary_key(array, i));
        return XXH3_64bits_withSeed(qv__fixed_at(array, i), qv__type_value_bytes(array->type), 1);
    case QV_LAYOUT_BYTES:
        start = qv__offset_at(array, i);
        end = qv__offset_at(array, i + 1);
        return XXH3_64bits_withSeed(end > start ? array->buffers[2].data + start : (const uint8_t *) "",
                                    (size_t) (end - start), 1);
    case QV_LAYOUT_LIST:
        start = qv__offset_at(array, i);
        return hash_range(array->children[0], start, qv__offset_at(array, i + 1) - start);
    case QV_LAYOUT_FIXED_LIST:
        return hash_range(array->children[0], (array->offset + i) * array->type->width, array->type->width);
    case QV_LAYOUT_STRUCT:
        for (size_t k = 0; k < array->n_children; k++)
            hash = mix(hash, qv__value_hash(array->children[k], array->offset + i));
        return hash;
    }
    return hash;
}
