#include "qvt_arrays.h"

#include "base/alloc.h"
#include "base/bytes.h"

#include <math.h>

static void must(bool ok)
{
    if (!ok)
        abort();
}

static uint8_t *fresh(qv__bytes *out, size_t len)
{
    uint8_t *writable;

    must(qv__bytes_new(len, out, &writable, NULL) == QV_OK);
    if (len)
        memset(writable, 0xa5, len);
    return writable;
}

qv__type *qvt_type(qv__type_id id, int a, int b)
{
    qv__type *type;

    must(qv__type_new(id, &type, NULL) == QV_OK);
    switch (id) {
    case QV_TYPE_TIME32:
    case QV_TYPE_TIME64:
    case QV_TYPE_TIMESTAMP:
    case QV_TYPE_DURATION:
        type->unit = (qv__unit) a;
        break;
    case QV_TYPE_FIXED_BINARY:
        type->width = a;
        break;
    case QV_TYPE_DECIMAL128:
    case QV_TYPE_DECIMAL256:
        type->precision = a;
        type->scale = b;
        break;
    default:
        break;
    }
    return type;
}

qv__type *qvt_list_type(qv__type_id id, const qv__type *item, int32_t width)
{
    qv__field field;
    qv__type *type;

    must(qv__field_init(&field, "item", item, true, NULL) == QV_OK);
    must(qv__type_new_list(id, &field, width, &type, NULL) == QV_OK);
    qv__field_clear(&field);
    return type;
}

qv__type *qvt_struct_type(qv__type *const *types, size_t n)
{
    qv__field fields[16] = { 0 };
    char name[32];
    qv__type *type;

    must(n <= QV_COUNT_OF(fields));
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "f%zu", i);
        must(qv__field_init(&fields[i], name, types[i], true, NULL) == QV_OK);
    }
    must(qv__type_new_struct(fields, n, &type, NULL) == QV_OK);
    for (size_t i = 0; i < n; i++) {
        qv__field_clear(&fields[i]);
        qv__type_unref(types[i]);
    }
    return type;
}

qv__type *qvt_map_type(const qv__type *key, const qv__type *value)
{
    qv__field pair[2], entries;
    qv__type *inner, *type;

    must(qv__field_init(&pair[0], "key", key, false, NULL) == QV_OK);
    must(qv__field_init(&pair[1], "value", value, true, NULL) == QV_OK);
    must(qv__type_new_struct(pair, 2, &inner, NULL) == QV_OK);
    must(qv__field_init(&entries, "entries", inner, false, NULL) == QV_OK);
    must(qv__type_new_list(QV_TYPE_MAP, &entries, 0, &type, NULL) == QV_OK);
    qv__field_clear(&pair[0]);
    qv__field_clear(&pair[1]);
    qv__field_clear(&entries);
    qv__type_unref(inner);
    return type;
}

static qv__type *random_leaf(qvt_rng *rng)
{
    static const int precision_128[] = { 5, 18, 38 }, precision_256[] = { 20, 39, 76 };
    qv__type_id id = (qv__type_id) qvt_rng_below(rng, QV_TYPE_FIXED_BINARY + 1);

    switch (id) {
    case QV_TYPE_DECIMAL128:
        return qvt_type(id, precision_128[qvt_rng_below(rng, 3)], (int) qvt_rng_below(rng, 5));
    case QV_TYPE_DECIMAL256:
        return qvt_type(id, precision_256[qvt_rng_below(rng, 3)], (int) qvt_rng_below(rng, 5));
    case QV_TYPE_TIME32:
        return qvt_type(id, qvt_rng_below(rng, 2) ? QV_UNIT_S : QV_UNIT_MS, 0);
    case QV_TYPE_TIME64:
        return qvt_type(id, qvt_rng_below(rng, 2) ? QV_UNIT_US : QV_UNIT_NS, 0);
    case QV_TYPE_TIMESTAMP:
    case QV_TYPE_DURATION:
        return qvt_type(id, (int) qvt_rng_below(rng, 4), 0);
    case QV_TYPE_FIXED_BINARY:
        return qvt_type(id, 1 + (int) qvt_rng_below(rng, 9), 0);
    default:
        return qvt_type(id, 0, 0);
    }
}

static qv__type *random_dictionary(qvt_rng *rng)
{
    qv__type *index = qvt_type((qv__type_id) (QV_TYPE_INT8 + (int) qvt_rng_below(rng, 8)), 0, 0);
    qv__type *value = qvt_rng_below(rng, 2) ? qvt_type(QV_TYPE_UTF8, 0, 0) : random_leaf(rng);
    qv__type *type;

    must(qv__type_new_dictionary(index, value, false, &type, NULL) == QV_OK);
    qv__type_unref(index);
    qv__type_unref(value);
    return type;
}

qv__type *qvt_random_type(qvt_rng *rng, int depth, bool with_dictionaries)
{
    qv__type *inner, *type, *columns[3];
    size_t n;

    if (with_dictionaries && qvt_rng_below(rng, 8) == 0)
        return random_dictionary(rng);
    if (depth == 0 || qvt_rng_below(rng, 4) == 0)
        return random_leaf(rng);
    switch (qvt_rng_below(rng, 5)) {
    case 0:
    case 1:
        n = 1 + qvt_rng_below(rng, 3);
        for (size_t i = 0; i < n; i++)
            columns[i] = qvt_random_type(rng, depth - 1, with_dictionaries);
        return qvt_struct_type(columns, n);
    case 2:
        inner = qvt_random_type(rng, depth - 1, with_dictionaries);
        type = qvt_list_type(QV_TYPE_FIXED_LIST, inner, (int32_t) qvt_rng_below(rng, 4));
        break;
    case 3:
        inner = qvt_random_type(rng, depth - 1, with_dictionaries);
        type = qvt_list_type(qvt_rng_below(rng, 2) ? QV_TYPE_LIST : QV_TYPE_LARGE_LIST, inner, 0);
        break;
    default: {
        qv__type *key = qvt_type(qvt_rng_below(rng, 2) ? QV_TYPE_UTF8 : QV_TYPE_INT32, 0, 0);
        inner = qvt_random_type(rng, depth - 1, with_dictionaries);
        type = qvt_map_type(key, inner);
        qv__type_unref(key);
        break;
    }
    }
    qv__type_unref(inner);
    return type;
}

static void random_validity(qvt_rng *rng, qv__array *array, size_t physical, double null_share)
{
    uint8_t *bits;

    if (null_share <= 0 || array->type->id == QV_TYPE_NULL || qvt_rng_below(rng, 5) == 0)
        return;
    bits = fresh(&array->buffers[0], qv__bitmap_bytes(physical));
    for (size_t i = 0; i < physical; i++)
        qv__bit_put(bits, i, qvt_rng_unit(rng) >= null_share);
    for (int64_t i = 0; i < array->length; i++)
        array->null_count += !qv__bit_get(bits, (size_t) (array->offset + i));
    if (array->null_count == 0)
        qv__bytes_unref(&array->buffers[0]);
}

static uint64_t random_bits(qvt_rng *rng)
{
    uint64_t bits = qvt_rng_next(rng);

    return bits >> qvt_rng_below(rng, 64); /* small and large ones alike */
}

static void random_fixed(qvt_rng *rng, const qv__type *type, uint8_t *at, size_t width)
{
    static const int64_t per_second[] = { 1, 1000, 1000000, 1000000000 };
    int64_t value = (int64_t) random_bits(rng);
    double wide;
    float single;

    if (qvt_rng_below(rng, 2))
        value = (int64_t) (0 - (uint64_t) value);
    switch (type->id) {
    case QV_TYPE_FLOAT32:
        single = (float) (value % 100000) / 64;
        memcpy(&value, &single, 4);
        break;
    case QV_TYPE_FLOAT64:
        wide = qvt_rng_below(rng, 9) ? (double) value / 1024 : (double) NAN;
        memcpy(&value, &wide, 8);
        break;
    case QV_TYPE_FLOAT16:
        value = (int64_t) qvt_rng_below(rng, 0x7c00) | (int64_t) qvt_rng_below(rng, 2) << 15;
        break;
    case QV_TYPE_DECIMAL128:
    case QV_TYPE_DECIMAL256:
        value %= 100000;
        memset(at, value < 0 ? 0xff : 0, width);
        memcpy(at, &value, 8);
        return;
    case QV_TYPE_DATE64:
        value = value % 100000 * 86400000;
        break;
    case QV_TYPE_TIME32:
    case QV_TYPE_TIME64:
        value = (int64_t) (qvt_rng_next(rng) % (uint64_t) (86400 * per_second[type->unit]));
        break;
    case QV_TYPE_FIXED_BINARY:
        for (size_t i = 0; i < width; i++)
            at[i] = (uint8_t) qvt_rng_next(rng);
        return;
    default:
        break;
    }
    memcpy(at, &value, QV_MIN(width, sizeof value));
}

static void fill_strings(qvt_rng *rng, qv__array *array, size_t physical)
{
    static const char *const pieces[] = { "",       "a", "bc", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x8e\xaf",
                                          "quiver", " ", "7" };
    bool is_64 = array->type->id == QV_TYPE_LARGE_UTF8 || array->type->id == QV_TYPE_LARGE_BINARY;
    uint8_t *offsets = fresh(&array->buffers[1], (physical + 1) * (is_64 ? 8 : 4));
    uint8_t *bytes = fresh(&array->buffers[2], 6 * (2 * physical + 4));
    size_t at = 0;

    memcpy(bytes, "abcd", 4);
    at = qvt_rng_below(rng, 5);
    for (size_t i = 0; i <= physical; i++) {
        if (is_64)
            qv__store_u64(offsets + i * 8, at);
        else
            qv__store_u32(offsets + i * 4, (uint32_t) at);
        for (size_t k = qvt_rng_below(rng, 3); k > 0 && i < physical; k--) {
            const char *piece = pieces[qvt_rng_below(rng, QV_COUNT_OF(pieces))];
            memcpy(bytes + at, piece, strlen(piece));
            at += strlen(piece);
        }
    }
    array->buffers[2].len = at;
}

static void fill_list(qvt_rng *rng, qv__array *array, size_t physical, double null_share)
{
    bool is_64 = array->type->id == QV_TYPE_LARGE_LIST;
    uint8_t *offsets = fresh(&array->buffers[1], (physical + 1) * (is_64 ? 8 : 4));
    size_t at = qvt_rng_below(rng, 4);

    for (size_t i = 0; i <= physical; i++) {
        if (is_64)
            qv__store_u64(offsets + i * 8, at);
        else
            qv__store_u32(offsets + i * 4, (uint32_t) at);
        if (i < physical)
            at += qvt_rng_below(rng, 4);
    }
    array->children[0] = qvt_random_array(rng, array->type->children[0].type, (int64_t) (at + qvt_rng_below(rng, 3)),
                                          array->type->id == QV_TYPE_MAP ? -null_share : null_share);
}

static void fill_values(qvt_rng *rng, qv__array *array, size_t physical, double null_share)
{
    const qv__type *type = array->type;
    size_t width;
    uint8_t *values;

    switch (type->id) {
    case QV_TYPE_NULL:
        array->null_count = array->length;
        return;
    case QV_TYPE_BOOL:
        values = fresh(&array->buffers[1], qv__bitmap_bytes(physical));
        for (size_t i = 0; i < array->buffers[1].len; i++)
            values[i] = (uint8_t) qvt_rng_next(rng);
        return;
    case QV_TYPE_UTF8:
    case QV_TYPE_LARGE_UTF8:
    case QV_TYPE_BINARY:
    case QV_TYPE_LARGE_BINARY:
        fill_strings(rng, array, physical);
        return;
    case QV_TYPE_LIST:
    case QV_TYPE_LARGE_LIST:
    case QV_TYPE_MAP:
        fill_list(rng, array, physical, null_share < 0 ? -null_share : null_share);
        return;
    case QV_TYPE_FIXED_LIST:
        array->children[0] =
            qvt_random_array(rng, type->children[0].type,
                             (int64_t) physical * type->width + (int64_t) qvt_rng_below(rng, 3), null_share);
        return;
    case QV_TYPE_STRUCT: /* a negative share: a map's entries, whose keys are never null */
        for (size_t k = 0; k < type->n_children; k++)
            array->children[k] = qvt_random_array(rng, type->children[k].type, (int64_t) physical,
                                                  null_share < 0 ? (k == 0 ? 0 : -null_share) : null_share);
        return;
    case QV_TYPE_DICTIONARY: {
        int64_t n = 1 + (int64_t) qvt_rng_below(rng, 20);
        width = (size_t) qv__type_bits(type->index_type) / 8;
        values = fresh(&array->buffers[1], physical * width);
        for (size_t i = 0; i < physical; i++) {
            uint64_t key = qvt_rng_below(rng, (uint64_t) n);
            memcpy(values + i * width, &key, width);
        }
        array->dictionary = qvt_random_array(rng, type->children[0].type, n, null_share > 0 ? null_share / 4 : 0);
        return;
    }
    default:
        width = type->id == QV_TYPE_FIXED_BINARY ? (size_t) type->width : (size_t) qv__type_bits(type) / 8;
        values = fresh(&array->buffers[1], physical * width);
        for (size_t i = 0; i < physical; i++)
            random_fixed(rng, type, values + i * width, width);
    }
}

qv__array *qvt_random_array(qvt_rng *rng, const qv__type *type, int64_t length, double null_share)
{
    bool rough = qvt_rng_below(rng, 4) != 0;
    size_t lead = rough ? qvt_rng_below(rng, 12) : 0, tail = rough ? qvt_rng_below(rng, 4) : 0;
    size_t physical = lead + (size_t) length + tail;
    qv__array *array;

    must(qv__array_new(type, length, type->id == QV_TYPE_DICTIONARY ? 0 : type->n_children, &array, NULL) == QV_OK);
    array->offset = (int64_t) lead;
    random_validity(rng, array, physical, null_share);
    fill_values(rng, array, physical, null_share);
    return array;
}

/* ---- text */

typedef struct text {
    char *data;
    size_t len, capacity;
} text;

static void put(text *to, const char *bytes, size_t n)
{
    if (to->len + n + 1 > to->capacity) {
        to->capacity = 2 * (to->len + n) + 64;
        to->data = realloc(to->data, to->capacity);
        must(to->data != NULL);
    }
    memcpy(to->data + to->len, bytes, n);
    to->len += n;
    to->data[to->len] = 0;
}

static void put_hex(text *to, const uint8_t *bytes, size_t n)
{
    char pair[3];

    for (size_t i = 0; i < n; i++) {
        snprintf(pair, sizeof pair, "%02x", bytes[i]);
        put(to, pair, 2);
    }
}

static int64_t load_int(const uint8_t *at, const qv__type *type)
{
    int64_t value = 0;
    int bits = qv__type_bits(type);

    memcpy(&value, at, (size_t) bits / 8);
    if (type->id <= QV_TYPE_INT64 && bits < 64 && value >> (bits - 1) & 1)
        value -= (int64_t) 1 << bits;
    return value;
}

static int64_t load_offset(const qv__array *array, int64_t i, bool is_64)
{
    const uint8_t *data = array->buffers[1].data;

    return is_64 ? (int64_t) qv__load_u64(data + (size_t) (array->offset + i) * 8)
                 : (int64_t) qv__load_u32(data + (size_t) (array->offset + i) * 4);
}

static void put_value(text *to, const qv__array *array, int64_t i)
{
    const qv__type *type = array->type;
    bool is_64 = type->id == QV_TYPE_LARGE_UTF8 || type->id == QV_TYPE_LARGE_BINARY || type->id == QV_TYPE_LARGE_LIST;
    size_t width;
    int64_t start, end;

    must(i >= 0 && i < array->length);
    if (type->id == QV_TYPE_NULL ||
        (array->buffers[0].data && !(array->buffers[0].data[(array->offset + i) / 8] >> (array->offset + i) % 8 & 1))) {
        put(to, "~", 1);
        return;
    }
    switch (type->id) {
    case QV_TYPE_BOOL:
        put(to, array->buffers[1].data[(array->offset + i) / 8] >> (array->offset + i) % 8 & 1 ? "T" : "F", 1);
        return;
    case QV_TYPE_UTF8:
    case QV_TYPE_LARGE_UTF8:
    case QV_TYPE_BINARY:
    case QV_TYPE_LARGE_BINARY:
        start = load_offset(array, i, is_64);
        end = load_offset(array, i + 1, is_64);
        put(to, "'", 1);
        if (end > start)
            put_hex(to, array->buffers[2].data + start, (size_t) (end - start));
        put(to, "'", 1);
        return;
    case QV_TYPE_LIST:
    case QV_TYPE_LARGE_LIST:
    case QV_TYPE_MAP:
    case QV_TYPE_FIXED_LIST:
        start = type->id == QV_TYPE_FIXED_LIST ? (array->offset + i) * type->width : load_offset(array, i, is_64);
        end = type->id == QV_TYPE_FIXED_LIST ? start + type->width : load_offset(array, i + 1, is_64);
        put(to, "[", 1);
        for (int64_t k = start; k < end; k++) {
            put_value(to, array->children[0], k);
            put(to, ",", 1);
        }
        put(to, "]", 1);
        return;
    case QV_TYPE_STRUCT:
        put(to, "{", 1);
        for (size_t k = 0; k < array->n_children; k++) {
            put_value(to, array->children[k], array->offset + i);
            put(to, ";", 1);
        }
        put(to, "}", 1);
        return;
    case QV_TYPE_DICTIONARY:
        width = (size_t) qv__type_bits(type->index_type) / 8;
        put_value(to, array->dictionary,
                  load_int(array->buffers[1].data + (size_t) (array->offset + i) * width, type->index_type));
        return;
    default:
        width = type->id == QV_TYPE_FIXED_BINARY ? (size_t) type->width : (size_t) qv__type_bits(type) / 8;
        put_hex(to, array->buffers[1].data + (size_t) (array->offset + i) * width, width);
    }
}

const char *qvt_value_text(const qv__array *array, int64_t i)
{
    static text ring[4];
    static int next;
    text *to = &ring[next++ % 4];

    to->len = 0;
    put(to, "", 0);
    put_value(to, array, i);
    return to->data;
}

void qvt_same_values(const qv__array *a, int64_t a_start, const qv__array *b, int64_t b_start, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const char *x = qvt_value_text(a, a_start + i), *y = qvt_value_text(b, b_start + i);

        if (strcmp(x, y)) {
            char name[256];
            print_error("%s: value %lld is %s, value %lld is %s\n", qv__type_print(a->type, name, sizeof name),
                        (long long) (a_start + i), x, (long long) (b_start + i), y);
            fail();
        }
    }
}

static void check(bool ok, const qv__array *array, const char *what)
{
    char name[256];

    if (!ok) {
        print_error("%s: %s\n", qv__type_print(array->type, name, sizeof name), what);
        fail();
    }
}

void qvt_check_layout(const qv__array *array)
{
    const qv__type *type = array->type;
    size_t end = (size_t) (array->offset + array->length), nulls = 0;
    bool is_64 = type->id == QV_TYPE_LARGE_UTF8 || type->id == QV_TYPE_LARGE_BINARY || type->id == QV_TYPE_LARGE_LIST;

    if (array->buffers[0].data) {
        check(array->buffers[0].len >= qv__bitmap_bytes(end), array, "short validity");
        for (int64_t i = 0; i < array->length; i++)
            nulls += !qv__bit_get(array->buffers[0].data, (size_t) (array->offset + i));
    }
    check(array->null_count == (type->id == QV_TYPE_NULL ? array->length : (int64_t) nulls), array, "null_count");
    for (size_t k = 0; k < array->n_children; k++)
        qvt_check_layout(array->children[k]);
    if (array->dictionary)
        qvt_check_layout(array->dictionary);
    switch (type->id) {
    case QV_TYPE_NULL:
        return;
    case QV_TYPE_BOOL:
        check(array->buffers[1].len >= qv__bitmap_bytes(end), array, "short bits");
        return;
    case QV_TYPE_UTF8:
    case QV_TYPE_LARGE_UTF8:
    case QV_TYPE_BINARY:
    case QV_TYPE_LARGE_BINARY:
        check(array->buffers[1].len >= (end + 1) * (is_64 ? 8 : 4), array, "short offsets");
        check((size_t) load_offset(array, array->length, is_64) <= array->buffers[2].len, array, "short bytes");
        return;
    case QV_TYPE_LIST:
    case QV_TYPE_LARGE_LIST:
    case QV_TYPE_MAP:
        check(array->buffers[1].len >= (end + 1) * (is_64 ? 8 : 4), array, "short offsets");
        check(load_offset(array, array->length, is_64) <= array->children[0]->length, array, "short child");
        return;
    case QV_TYPE_FIXED_LIST:
        check((int64_t) end * type->width <= array->children[0]->length, array, "short child");
        return;
    case QV_TYPE_STRUCT:
        for (size_t k = 0; k < array->n_children; k++)
            check((int64_t) end <= array->children[k]->length, array, "short child");
        return;
    case QV_TYPE_DICTIONARY:
        check(array->buffers[1].len >= end * (size_t) qv__type_bits(type->index_type) / 8, array, "short keys");
        check(array->dictionary != NULL, array, "no dictionary");
        return;
    case QV_TYPE_FIXED_BINARY:
        check(array->buffers[1].len >= end * (size_t) type->width, array, "short values");
        return;
    default:
        check(array->buffers[1].len >= end * (size_t) qv__type_bits(type) / 8, array, "short values");
    }
}
