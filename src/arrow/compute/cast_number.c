/* Numbers and bool to each other. One loop for each pair of C types, written by macros; a loop stops at the first value that
 * does not fit, and what lies under a null is stepped over. Halves go through float32 (reading) and float64 (writing). */
#include <math.h>
#include <stdio.h>

#include "arrow/compute/cast_private.h"
#include "base/float16.h"

/* id, C type, least value, greatest value + 1 (both exact doubles); digits of the mantissa for floats */
#define INT_TYPES(X, ...)                           \
    X(INT8, int8_t, -0x1p7, 0x1p7, __VA_ARGS__)     \
    X(INT16, int16_t, -0x1p15, 0x1p15, __VA_ARGS__) \
    X(INT32, int32_t, -0x1p31, 0x1p31, __VA_ARGS__) \
    X(INT64, int64_t, -0x1p63, 0x1p63, __VA_ARGS__) \
    X(UINT8, uint8_t, 0, 0x1p8, __VA_ARGS__)        \
    X(UINT16, uint16_t, 0, 0x1p16, __VA_ARGS__)     \
    X(UINT32, uint32_t, 0, 0x1p32, __VA_ARGS__)     \
    X(UINT64, uint64_t, 0, 0x1p64, __VA_ARGS__)

/* Each returns the first position >= i whose value does not fit, or n. */
typedef int64_t (*number_loop)(const void *from, void *to, int64_t i, int64_t n, bool exact);

/* The preprocessor expands a list inside itself only under another name. */
#define INT_TYPES_AGAIN(X, ...)      \
    X(INT8, int8_t, __VA_ARGS__)     \
    X(INT16, int16_t, __VA_ARGS__)   \
    X(INT32, int32_t, __VA_ARGS__)   \
    X(INT64, int64_t, __VA_ARGS__)   \
    X(UINT8, uint8_t, __VA_ARGS__)   \
    X(UINT16, uint16_t, __VA_ARGS__) \
    X(UINT32, uint32_t, __VA_ARGS__) \
    X(UINT64, uint64_t, __VA_ARGS__)

#define INT_TO_INT(from_id, from_type, to_id, to_type)                                                \
    static int64_t from_id##_to_##to_id(const void *from, void *to, int64_t i, int64_t n, bool exact) \
    {                                                                                                 \
        const from_type *x = from;                                                                    \
        to_type *y = to;                                                                              \
                                                                                                      \
        QV_UNUSED(exact);                                                                             \
        for (; i < n; i++)                                                                            \
            if (__builtin_add_overflow(x[i], 0, &y[i]))                                               \
                return i;                                                                             \
        return n;                                                                                     \
    }
#define INT_TO_INTS(to_id, to_type, least, past, ...) INT_TYPES_AGAIN(INT_TO_INT, to_id, to_type)
INT_TYPES(INT_TO_INTS, )

/* `past`: integers up to it, and down to its negative, are exact in the float type. */
#define INT_TO_FLOAT(from_id, from_type, to_id, to_type, past)                                        \
    static int64_t from_id##_to_##to_id(const void *from, void *to, int64_t i, int64_t n, bool exact) \
    {                                                                                                 \
        const from_type *x = from;                                                                    \
        to_type *y = to;                                                                              \
                                                                                                      \
        if (sizeof(from_type) * 8 > (past))                                                           \
            for (int64_t k = i; exact && k < n; k++) {                                                \
                int64_t bound = (int64_t) 1 << (past);                                                \
                if ((x[k] > 0 && (uint64_t) x[k] > (uint64_t) bound) || (int64_t) x[k] < -bound)      \
                    n = k;                                                                            \
            }                                                                                         \
        for (; i < n; i++)                                                                            \
            y[i] = (to_type) x[i];                                                                    \
        return n;                                                                                     \
    }
INT_TYPES_AGAIN(INT_TO_FLOAT, FLOAT32, float, 24)
INT_TYPES_AGAIN(INT_TO_FLOAT, FLOAT64, double, 53)

#define FLOAT_TO_INT(to_id, to_type, least, past, from_id, from_type)                                 \
    static int64_t from_id##_to_##to_id(const void *from, void *to, int64_t i, int64_t n, bool exact) \
    {                                                                                                 \
        const from_type *x = from;                                                                    \
        to_type *y = to;                                                                              \
                                                                                                      \
        for (; i < n; i++) {                                                                          \
            double whole = trunc((double) x[i]);                                                      \
            if (!(whole >= (least) && whole < (past)) || (exact && whole != (double) x[i]))           \
                return i;                                                                             \
            y[i] = (to_type) whole;                                                                   \
        }                                                                                             \
        return n;                                                                                     \
    }
INT_TYPES(FLOAT_TO_INT, FLOAT32, float)
INT_TYPES(FLOAT_TO_INT, FLOAT64, double)

#define FLOAT_TO_FLOAT(from_id, from_type, to_id, to_type)                                            \
    static int64_t from_id##_to_##to_id(const void *from, void *to, int64_t i, int64_t n, bool exact) \
    {                                                                                                 \
        const from_type *x = from;                                                                    \
        to_type *y = to;                                                                              \
                                                                                                      \
        QV_UNUSED(exact);                                                                             \
        for (; i < n; i++)                                                                            \
            y[i] = (to_type) x[i];                                                                    \
        return n;                                                                                     \
    }
FLOAT_TO_FLOAT(FLOAT32, float, FLOAT64, double)
FLOAT_TO_FLOAT(FLOAT64, double, FLOAT32, float)

#define LOOP(from_id, from_type, to_id)                 [QV_TYPE_##from_id][QV_TYPE_##to_id] = from_id##_to_##to_id,
#define LOOPS_TO(to_id, to_type, least, past, ...)      INT_TYPES_AGAIN(LOOP, to_id)
#define LOOP_FROM(to_id, to_type, least, past, from_id) [QV_TYPE_##from_id][QV_TYPE_##to_id] = from_id##_to_##to_id,
/* clang-format off */
static const number_loop loops[QV_TYPE_FLOAT64 + 1][QV_TYPE_FLOAT64 + 1] = {
    INT_TYPES(LOOPS_TO, )
    INT_TYPES_AGAIN(LOOP, FLOAT32)
    INT_TYPES_AGAIN(LOOP, FLOAT64)
    INT_TYPES(LOOP_FROM, FLOAT32)
    INT_TYPES(LOOP_FROM, FLOAT64)
    LOOP(FLOAT32, float, FLOAT64)
    LOOP(FLOAT64, double, FLOAT32)
};
/* clang-format on */

int64_t qv__load_int(const qv__array *array, int64_t i)
{
    const uint8_t *at;

    if (array->type->id == QV_TYPE_BOOL)
        return qv__bit_get(array->buffers[1].data, (size_t) (array->offset + i));
    at = qv__fixed_at(array, i);
    switch (qv__type_bits(array->type)) {
    case 8:
        return array->type->id == QV_TYPE_UINT8 ? (int64_t) *at : (int8_t) *at;
    case 16:
        return array->type->id == QV_TYPE_UINT16 ? (int64_t) qv__load_u16(at) : (int16_t) qv__load_u16(at);
    case 32:
        return array->type->id == QV_TYPE_UINT32 ? (int64_t) qv__load_u32(at) : (int32_t) qv__load_u32(at);
    default:
        return (int64_t) qv__load_u64(at);
    }
}

double qv__load_float(const qv__array *array, int64_t i)
{
    const uint8_t *at = qv__fixed_at(array, i);
    float single;
    double wide;

    if (array->type->id == QV_TYPE_FLOAT16)
        return qv__f16_to_f64(qv__load_u16(at));
    if (array->type->id == QV_TYPE_FLOAT32) {
        memcpy(&single, at, sizeof single);
        return single;
    }
    memcpy(&wide, at, sizeof wide);
    return wide;
}

/* Bounds as a message shows them: what both types can hold, or the exact integers of a float. */
static void print_bounds(const qv__type *from, const qv__type *to, char *buf, size_t len)
{
    static const int exact_bits[] = { 11, 24, 53 };
    bool is_signed = from->id <= QV_TYPE_INT64 && to->id <= QV_TYPE_INT64;
    int from_bits = qv__type_bits(from) - (from->id <= QV_TYPE_INT64);
    int to_bits = qv__type_bits(to) - (to->id <= QV_TYPE_INT64), bits = QV_MIN(from_bits, to_bits);

    if (qv__type_is_float(to)) {
        int64_t bound = (int64_t) 1 << exact_bits[to->id - QV_TYPE_FLOAT16];
        snprintf(buf, len, "%lld to %lld", from->id <= QV_TYPE_INT64 ? -(long long) bound : 0LL, (long long) bound);
        return;
    }
    snprintf(buf, len, "%lld to %llu", is_signed ? (long long) (-((__int128) 1 << bits)) : 0LL,
             (unsigned long long) ((((unsigned __int128) 1) << bits) - 1));
}

static qv_status out_of_range(const qv__array *array, int64_t i, const qv__type *to, qv__cast_mode mode, qv_error *err)
{
    char value[QV_NUMBER_TEXT_MAX], bounds[64], name[64];

    if (qv__type_is_float(array->type))
        value[qv__float_format(qv__load_float(array, i), array->type->id == QV_TYPE_FLOAT32, mode, value)] = 0;
    else if (array->type->id == QV_TYPE_UINT64)
        snprintf(value, sizeof value, "%llu", (unsigned long long) qv__load_int(array, i));
    else
        snprintf(value, sizeof value, "%lld", (long long) qv__load_int(array, i));
    if (mode == QV_CAST_SQL)
        return qv__fail(err, QV_INVALID, "Can't cast value %s to type %s (at index %lld)", value,
                        qv__type_print_sql(to, name, sizeof name), (long long) i);
    if (qv__type_is_float(array->type))
        return qv__fail(err, QV_INVALID, "Float value %f was truncated converting to %s (at index %lld)",
                        qv__load_float(array, i), qv__type_print(to, name, sizeof name), (long long) i);
    print_bounds(array->type, to, bounds, sizeof bounds);
    return qv__fail(err, QV_INVALID, "Integer value %s not in range: %s (at index %lld)", value, bounds, (long long) i);
}

static qv_status to_bool(const qv__array *array, qv__array *frame, uint8_t *bits)
{
    bool is_float = qv__type_is_float(array->type);

    for (int64_t i = 0; i < array->length; i++)
        if (is_float ? qv__load_float(array, i) != 0 : qv__load_int(array, i) != 0)
            qv__bit_set(bits, (size_t) i);
    QV_UNUSED(frame);
    return QV_OK;
}

static qv_status to_half(const qv__array *array, const qv__type *to, qv__cast_mode mode, uint8_t *values, qv_error *err)
{
    bool is_float = qv__type_is_float(array->type), is_u64 = array->type->id == QV_TYPE_UINT64;

    for (int64_t i = 0; i < array->length; i++) {
        int64_t whole = is_float ? 0 : qv__load_int(array, i);
        bool wide = is_u64 ? (uint64_t) whole > 2048 : whole > 2048 || whole < -2048;

        if (wide && mode == QV_CAST_SAFE && !qv__array_is_null(array, i))
            return out_of_range(array, i, to, mode, err);
        qv__store_u16(values + 2 * i, qv__f64_to_f16(is_float ? qv__load_float(array, i)
                                                     : is_u64 ? (double) (uint64_t) whole
                                                              : (double) whole));
    }
    return QV_OK;
}

/* Halves as singles, bools as bytes: exact, and then any loop serves. */
static qv_status widen(const qv__array *array, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    bool half = array->type->id == QV_TYPE_FLOAT16;
    qv__type *type = NULL;
    uint8_t *values;

    QV_CHECK(qv__type_new(half ? QV_TYPE_FLOAT32 : QV_TYPE_UINT8, &type, err));
    QV_CHECK(qv__cast_frame(array, type, out, &values, err));
    for (int64_t i = 0; i < array->length; i++)
        if (half) {
            float single = (float) qv__load_float(array, i);
            memcpy(values + 4 * i, &single, sizeof single);
        } else {
            values[i] = (uint8_t) qv__load_int(array, i);
        }
done:
    qv__type_unref(type);
    return st;
}

qv_status qv__cast_number(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out,
                          qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *frame = NULL, *wide = NULL;
    uint8_t *values;
    number_loop loop;

    if ((array->type->id == QV_TYPE_FLOAT16 && to->id != QV_TYPE_BOOL) || array->type->id == QV_TYPE_BOOL) {
        QV_TRY(widen(array, &wide, err));
        QV_CHECK(qv__array_cast(wide, to, mode, out, err));
        goto done;
    }
    QV_CHECK(qv__cast_frame(array, to, &frame, &values, err));
    if (to->id == QV_TYPE_BOOL) {
        QV_CHECK(to_bool(array, frame, values));
    } else if (to->id == QV_TYPE_FLOAT16) {
        QV_CHECK(to_half(array, to, mode, values, err));
    } else {
        loop = loops[array->type->id][to->id];
        for (int64_t i = 0; array->length; i++) {
            i = loop(qv__array_values(array), values, i, array->length, mode == QV_CAST_SAFE);
            if (i == array->length)
                break;
            if (!qv__array_is_null(array, i))
                QV_CHECK(out_of_range(array, i, to, mode, err));
        }
    }
    *out = frame;
    frame = NULL;
done:
    qv__array_unref(frame);
    qv__array_unref(wide);
    return st;
}
