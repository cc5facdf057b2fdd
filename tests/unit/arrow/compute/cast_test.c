/* Casts: a table of texts in and out, numbers against a wide evaluator, nested casts against the text of each value. */
#include "qvt_arrays.h"

#include <math.h>

#include "arrow/builder.h"
#include "arrow/compute/compute.h"
#include "base/float16.h"
#include "arrow/validate.h"
#include "base/alloc.h"

static qv_error err;
static qvt_rng rng;

static qv__array *string_array(const char *const *texts, size_t n)
{
    qv__type *type = qvt_type(QV_TYPE_UTF8, 0, 0);
    qv__builder *builder;
    qv__array *array;

    QVT_OK(qv__builder_new(type, &builder, &err));
    for (size_t i = 0; i < n; i++)
        if (texts[i])
            QVT_OK(qv__builder_append_bytes(builder, texts[i], strlen(texts[i]), &err));
        else
            QVT_OK(qv__builder_append_null(builder, &err));
    QVT_OK(qv__builder_finish(builder, &array, &err));
    qv__builder_free(builder);
    qv__type_unref(type);
    return array;
}

typedef struct leaf {
    qv__type_id id;
    int a, b;
    const char *zone;
} leaf;

static qv__type *leaf_type(const leaf *l)
{
    qv__type *type = qvt_type(l->id, l->a, l->b);

    if (l->zone)
        type->timezone = qv__strdup(l->zone);
    return type;
}

#define L(name)                    \
    {                              \
        QV_TYPE_##name, 0, 0, NULL \
    }
#define LU(name, unit)                \
    {                                 \
        QV_TYPE_##name, unit, 0, NULL \
    }
#define S                        \
    {                            \
        QV_TYPE_UTF8, 0, 0, NULL \
    }
#define TS(unit, zone)                             \
    {                                              \
        QV_TYPE_TIMESTAMP, QV_UNIT_##unit, 0, zone \
    }
#define DEC(p, s)                      \
    {                                  \
        QV_TYPE_DECIMAL128, p, s, NULL \
    }
#define DEC256(p, s)                   \
    {                                  \
        QV_TYPE_DECIMAL256, p, s, NULL \
    }

/* `in` is read as `from`, cast to `to`, and printed; a result that begins with '!' is the error's message. */
static const struct row {
    leaf from, to;
    qv__cast_mode mode;
    const char *in, *out;
} rows[] = {
    { S, L(INT64), 0, "-9223372036854775808", "-9223372036854775808" },
    { S, L(INT64), 0, "9223372036854775808",
      "!Failed to parse string: '9223372036854775808' as a scalar of type int64" },
    { S, L(INT64), 0, "x", "!Failed to parse string: 'x' as a scalar of type int64" },
    { S, L(INT64), 1, "q", "!Cannot cast string 'q' to value of Int64 type" },
    { S, L(INT64), 0, "", "!Failed to parse string: ''" },
    { S, L(INT64), 0, " 5", "!Failed to parse" },
    { S, L(INT64), 1, "1.5", "!Cannot cast string '1.5' to value of Int64 type" },
    { S, L(INT8), 1, "300", "!Cannot cast string '300' to value of Int8 type" },
    { S, L(INT8), 0, "-128", "-128" },
    { S, L(UINT8), 0, "-1", "!Failed to parse" },
    { S, L(UINT64), 0, "18446744073709551615", "18446744073709551615" },
    { S, L(FLOAT64), 0, "1e3", "1000" },
    { S, L(FLOAT64), 0, ".5", "0.5" },
    { S, L(FLOAT64), 0, "-Infinity", "-inf" },
    { S, L(FLOAT64), 0, "NaN", "nan" },
    { S, L(FLOAT64), 0, "0.1", "0.1" },
    { S, L(FLOAT64), 0, "1e20", "1e+20" },
    { S, L(FLOAT64), 0, "1e-7", "1e-7" },
    { S, L(FLOAT64), 0, "1.5e-6", "0.0000015" },
    { S, L(FLOAT64), 0, "12345678901.5", "1.23456789015e+10" },
    { S, L(FLOAT64), 0, "9999999999", "9999999999" },
    { S, L(FLOAT64), 0, "-0.0", "-0" },
    { S, L(FLOAT64), 0, "1e400", "inf" },
    { S, L(FLOAT64), 0, "4.9e-324", "5e-324" },
    { S, L(FLOAT64), 0, "2.2250738585072011e-308", "2.225073858507201e-308" },
    { S, L(FLOAT64), 0, "1e", "!Failed to parse" },
    { S, L(FLOAT64), 0, ".", "!Failed to parse" },
    { S, L(FLOAT64), 1, "x", "!Cannot cast string 'x' to value of Float64 type" },
    { S, L(FLOAT32), 0, "0.1", "0.1" },
    { S, L(FLOAT32), 0, "16777216", "16777216" },
    { S, L(FLOAT32), 0, "1e10", "1e+10" },
    { S, L(FLOAT16), 0, "0.1", "0.0999755859375" },
    { S, L(BOOL), 0, "TRUE", "true" },
    { S, L(BOOL), 0, "yes", "!Failed to parse" },
    { S, L(BOOL), 1, "yes", "true" },
    { S, L(BOOL), 1, "x", "!Cannot cast value 'x' to value of Boolean type" },
    { L(FLOAT64), S, 1, "1", "1.0" },
    { L(FLOAT64), S, 1, "1e20", "1e20" },
    { L(FLOAT64), S, 1, "1e16", "1e16" },
    { L(FLOAT64), S, 1, "1e15", "1000000000000000.0" },
    { L(FLOAT64), S, 1, "123456789.125", "123456789.125" },
    { L(FLOAT64), S, 1, "1e-5", "0.00001" },
    { L(FLOAT64), S, 1, "1e-7", "1e-7" },
    { L(FLOAT64), S, 1, "-0", "-0.0" },
    { L(FLOAT32), S, 1, "123456789", "123456790.0" },
    { L(INT64), L(INT8), 0, "300", "!Integer value 300 not in range: -128 to 127" },
    { L(INT64), L(INT8), 1, "300", "!Can't cast value 300 to type Int8" },
    { L(UINT16), L(INT8), 0, "300", "!Integer value 300 not in range: 0 to 127" },
    { L(INT64), L(UINT64), 0, "-1", "!Integer value -1 not in range: 0 to 9223372036854775807" },
    { L(UINT64), L(INT64), 0, "18446744073709551615", "!Integer value 18446744073709551615 not in range: 0 to " },
    { L(FLOAT64), L(INT8), 0, "1.5", "!Float value 1.500000 was truncated converting to int8" },
    { L(FLOAT64), L(INT8), 0, "300", "!Float value 300.000000 was truncated converting to int8" },
    { L(FLOAT64), L(INT8), 0, "nan", "!Float value nan was truncated converting to int8" },
    { L(FLOAT64), L(INT8), 1, "1.5", "1" },
    { L(FLOAT64), L(INT8), 1, "-128.9", "-128" },
    { L(FLOAT64), L(INT8), 1, "-129", "!Can't cast value -129.0 to type Int8" },
    { L(FLOAT64), L(INT32), 1, "1e20", "!Can't cast value 1e20 to type Int32" },
    { L(FLOAT64), L(INT64), 0, "9223372036854775808", "!was truncated converting to int64" },
    { L(INT64), L(FLOAT64), 0, "1152921504606846977",
      "!Integer value 1152921504606846977 not in range: -9007199254740992 to 9007199254740992" },
    { L(INT64), L(FLOAT64), 1, "1152921504606846977", "1.152921504606847e+18" },
    { L(INT64), L(FLOAT32), 0, "1073741825", "!Integer value 1073741825 not in range: -16777216 to 16777216" },
    { L(INT32), L(FLOAT16), 0, "5000", "!Integer value 5000 not in range: -2048 to 2048" },
    { L(INT32), L(FLOAT16), 0, "-2048", "-2048" },
    { L(FLOAT64), L(FLOAT32), 0, "1e300", "inf" },
    { L(BOOL), L(INT32), 0, "true", "1" },
    { L(FLOAT64), L(BOOL), 0, "0.5", "true" },
    { L(INT8), L(BOOL), 0, "0", "false" },
    { L(BOOL), S, 0, "1", "true" },
    /* dates and instants */
    { S, L(DATE32), 0, "1974-02-09", "1974-02-09" },
    { S, L(DATE32), 0, "2000-02-29", "2000-02-29" },
    { S, L(DATE32), 0, "1900-02-29", "!Failed to parse string: '1900-02-29' as a scalar of type date32" },
    { S, L(DATE32), 0, "-0001-12-31", "-0001-12-31" },
    { S, L(DATE32), 0, "2020-13-01", "!Failed to parse" },
    { S, L(DATE32), 1, "x", "!Cannot cast string 'x' to value of Date32 type" },
    { S, L(DATE32), 1, "2020-01-02T23:00:00", "2020-01-02" },
    { S, L(DATE64), 0, "1969-12-31", "1969-12-31" },
    { S, TS(US, NULL), 0, "2020-01-01", "2020-01-01 00:00:00.000000" },
    { S, TS(US, NULL), 0, "2020-01-01T10:11:12.5", "2020-01-01 10:11:12.500000" },
    { S, TS(US, NULL), 0, "2020-01-01 10:11:12.1234567", "!Failed to parse" },
    { S, TS(US, NULL), 1, "2020-01-01 10:11:12.1234567", "2020-01-01 10:11:12.123456" },
    { S, TS(US, NULL), 0, "2020-01-01T00:00:00Z", "!Failed to parse" },
    { S, TS(US, NULL), 1, "2020-01-01T10:00:00+02:00", "2020-01-01 08:00:00.000000" },
    { S, TS(S, "UTC"), 0, "2020-01-01T00:00:00-01:30", "2020-01-01 01:30:00Z" },
    { S, TS(S, "UTC"), 0, "2020-01-01T00:00:00", "!Failed to parse" },
    { S, TS(S, "+02:30"), 0, "1970-01-01 00:00Z", "1970-01-01 02:30:00+0230" },
    { S, TS(NS, NULL), 0, "1600-01-01", "!Failed to parse" },
    { S, TS(S, NULL), 1, "x", "!Error parsing timestamp from 'x'" },
    { S, LU(TIME32, QV_UNIT_S), 0, "12:34", "12:34:00" },
    { S, LU(TIME64, QV_UNIT_NS), 0, "23:59:59.123456789", "23:59:59.123456789" },
    { S, LU(TIME32, QV_UNIT_S), 0, "24:00:00", "!Failed to parse" },
    { TS(MS, NULL), S, 1, "1970-01-01T00:00:01.500", "1970-01-01T00:00:01.500" },
    { TS(US, NULL), S, 1, "1970-01-01T00:00:01.500", "1970-01-01T00:00:01.500" },
    { TS(MS, NULL), S, 1, "1969-12-31T23:59:59", "1969-12-31T23:59:59" },
    { TS(MS, NULL), TS(S, NULL), 0, "1970-01-01T00:00:01.500",
      "!Casting from timestamp[ms] to timestamp[s] would lose data: 1500" },
    { TS(MS, NULL), TS(S, NULL), 1, "1970-01-01T00:00:01.500", "1970-01-01 00:00:01" },
    { TS(S, NULL), TS(NS, NULL), 0, "2600-01-01",
      "!Casting from timestamp[s] to timestamp[ns] would result in out of bounds timestamp" },
    { TS(MS, NULL), L(DATE32), 0, "1969-12-31T23:59:59.5", "1969-12-31" },
    { TS(MS, NULL), L(DATE64), 0, "1970-01-02T23:59:59.5", "1970-01-02" },
    { L(DATE32), TS(US, NULL), 0, "1969-12-31", "1969-12-31 00:00:00.000000" },
    { TS(MS, NULL), LU(TIME32, QV_UNIT_MS), 0, "1969-12-31T23:59:59.5", "23:59:59.500" },
    { TS(S, "UTC"), TS(S, "+01:00"), 0, "2020-01-01T00:00:00Z", "2020-01-01 01:00:00+0100" },
    { TS(S, "+01:00"), L(DATE32), 0, "2020-01-01T23:30:00Z", "2020-01-02" },
    { TS(S, "Europe/Berlin"), L(DATE32), 0, "2020-01-01T23:30:00Z", "!only UTC and fixed offsets are known" },
    { TS(S, NULL), L(INT64), 0, "1970-01-02", "86400" },
    { L(INT64), L(DATE32), 0, "1", "1970-01-02" },
    { L(INT64), L(DATE32), 0, "3000000000", "!Integer value 3000000000 not in range" },
    { LU(DURATION, QV_UNIT_S), LU(DURATION, QV_UNIT_MS), 0, "3", "3000" },
    { LU(TIME64, QV_UNIT_US), LU(TIME32, QV_UNIT_S), 0, "00:00:01.5", "!would lose data" },
    /* decimals */
    { S, DEC(5, 2), 0, "1.25", "1.25" },
    { S, DEC(5, 2), 0, "-0.05", "-0.05" },
    { S, DEC(5, 2), 0, "1e2", "100.00" },
    { S, DEC(5, 2), 0, "1.2345", "!Rescaling Decimal value 1.2345 would cause data loss" },
    { S, DEC(5, 2), 1, "12.345", "12.35" },
    { S, DEC(5, 2), 0, "1000", "!Decimal value 1000 does not fit in precision 5" },
    { S, DEC(5, 2), 0, "x", "!Failed to parse string: 'x' as a scalar of type decimal128(5, 2)" },
    { S, DEC(38, 0), 0, "-99999999999999999999999999999999999999", "-99999999999999999999999999999999999999" },
    { S, DEC(38, 0), 0, "100000000000000000000000000000000000000", "!does not fit in precision 38" },
    { S, DEC256(76, 10), 0, "-123456789012345678901234567890123456789012345678901234567890.0123456789",
      "-123456789012345678901234567890123456789012345678901234567890.0123456789" },
    { S, DEC(5, -2), 0, "12300", "12300" },
    { DEC(5, 2), DEC(5, 1), 0, "1.25", "!Rescaling Decimal value 1.25 would cause data loss" },
    { DEC(5, 2), DEC(5, 1), 1, "1.25", "1.3" },
    { DEC(5, 2), DEC(5, 1), 1, "-1.25", "-1.3" },
    { DEC(5, 2), DEC(38, 20), 0, "-1.25", "-1.25000000000000000000" },
    { DEC(8, 2), DEC(5, 2), 0, "1234.25", "!Decimal value 1234.25 does not fit in precision 5" },
    { DEC(5, 2), DEC256(76, 40), 0, "-1.25", "-1.2500000000000000000000000000000000000000" },
    { DEC(5, 2), L(INT32), 0, "1.25", "!Rescaling Decimal value 1.25 would cause data loss" },
    { DEC(5, 2), L(INT32), 1, "-1.5", "-1" },
    { DEC(10, 0), L(INT8), 0, "300", "!Integer value 300 not in range: -128 to 127" },
    { DEC(38, 0), L(INT64), 0, "9223372036854775808", "!Integer value out of bounds" },
    { DEC(38, 0), L(INT64), 0, "-9223372036854775808", "-9223372036854775808" },
    { DEC(38, 0), L(UINT64), 0, "18446744073709551615", "18446744073709551615" },
    { DEC(38, 0), L(UINT8), 0, "-1", "!Integer value out of bounds" },
    { DEC(5, 2), L(FLOAT64), 0, "-1.05", "-1.05" },
    { L(FLOAT64), DEC(5, 2), 0, "1.005", "1.00" },
    { L(FLOAT64), DEC(5, 2), 1, "1.255", "1.25" },
    { L(FLOAT64), DEC(5, 2), 0, "100000", "!Decimal value 100000.00 does not fit in precision 5" },
    { L(FLOAT64), DEC(5, 2), 0, "nan", "!Cannot convert nan to decimal(5, 2)" },
    { L(INT64), DEC(5, 2), 0, "-9223372036854775808", "!does not fit in precision 5" },
    { L(INT64), DEC(5, 2), 0, "-7", "-7.00" },
    { L(UINT64), DEC(38, 2), 0, "18446744073709551615", "18446744073709551615.00" },
};

/* The value between two nulls, and in a slice, so that positions and offsets count. */
static void table_of_texts(void **state)
{
    qv__type *string = qvt_type(QV_TYPE_UTF8, 0, 0);

    (void) state;
    for (size_t r = 0; r < QV_COUNT_OF(rows); r++) {
        const struct row *row = &rows[r];
        const char *in[] = { NULL, NULL, row->in, NULL }, *found;
        qv__type *from = leaf_type(&row->from), *to = leaf_type(&row->to);
        qv__array *texts = string_array(in, 4), *source, *slice, *result = NULL, *shown;
        size_t len;

        QVT_OK(qv__array_cast(texts, from, QV_CAST_SAFE, &source, &err));
        QVT_OK(qv__array_slice(source, 1, 3, &slice, &err));
        assert_true(qv__cast_possible(from, to));
        if (row->out[0] == '!') {
            QVT_FAILS(qv__array_cast(slice, to, row->mode, &result, &err),
                      strstr(row->out, "offsets are known") ? QV_UNSUPPORTED : QV_INVALID, row->out + 1);
            assert_null(result);
            if (err.status == QV_INVALID && !strstr(err.message, "index 1)"))
                fail_msg("no position: %s", err.message);
        } else {
            QVT_OK(qv__array_cast(slice, to, row->mode, &result, &err));
            qvt_check_layout(result);
            QVT_OK(qv__array_validate(result, "x", &err));
            assert_int_equal(result->null_count, 2);
            QVT_OK(qv__array_cast(result, string, QV_CAST_SAFE, &shown, &err));
            found = (const char *) qv__array_string(shown, 1, &len);
            if (len != strlen(row->out) || memcmp(found, row->out, len))
                fail_msg("row %zu: \"%s\" became \"%.*s\", expected \"%s\"", r, row->in, (int) len, found, row->out);
            qv__array_unref(shown);
        }
        qv__array_unref(result);
        qv__array_unref(slice);
        qv__array_unref(source);
        qv__array_unref(texts);
        qv__type_unref(from);
        qv__type_unref(to);
    }
    qv__type_unref(string);
}

/* ---- numbers: __int128 and long double hold every value of every type */

static long double number_at(const qv__array *a, int64_t i)
{
    const uint8_t *at =
        (const uint8_t *) a->buffers[1].data + (size_t) (a->offset + i) * (size_t) (qv__type_bits(a->type) / 8);
    int64_t whole = 0;
    float single;
    double wide;
    int bits = qv__type_bits(a->type);

    switch (a->type->id) {
    case QV_TYPE_FLOAT16:
        memcpy(&whole, at, 2);
        return (long double) qv__f16_to_f64((uint16_t) whole);
    case QV_TYPE_FLOAT32:
        memcpy(&single, at, 4);
        return single;
    case QV_TYPE_FLOAT64:
        memcpy(&wide, at, 8);
        return wide;
    default:
        memcpy(&whole, at, (size_t) bits / 8);
        if (a->type->id == QV_TYPE_UINT64)
            return (uint64_t) whole;
        if (a->type->id <= QV_TYPE_INT64 && bits < 64)
            whole = (int64_t) ((uint64_t) whole << (64 - bits)) >> (64 - bits);
        return whole;
    }
}

/* What SAFE must do with x: refuse (false), or give *y. */
static bool expected_number(long double x, bool from_int, qv__type_id to, long double *y)
{
    static const int mantissa[] = { 11, 24, 53 };

    if (to >= QV_TYPE_FLOAT16) {
        if (from_int && fabsl(x) > ldexpl(1, mantissa[to - QV_TYPE_FLOAT16]))
            return false;
        *y = to == QV_TYPE_FLOAT32 ? (long double) (float) x : to == QV_TYPE_FLOAT64 ? (long double) (double) x : x;
        return true;
    }
    int bits = 8 << ((to - QV_TYPE_INT8) % 4);
    long double least = to <= QV_TYPE_INT64 ? -ldexpl(1, bits - 1) : 0,
                past = ldexpl(1, to <= QV_TYPE_INT64 ? bits - 1 : bits);
    *y = x;
    return x >= least && x < past && truncl(x) == x;
}

static void numbers(void **state)
{
    int refused = 0, passed = 0;

    (void) state;
    for (int r = 0; r < 6000; r++) {
        qv__type_id from_id = (qv__type_id) (QV_TYPE_INT8 + (int) qvt_rng_below(&rng, 11));
        qv__type_id to_id = (qv__type_id) (QV_TYPE_INT8 + (int) qvt_rng_below(&rng, 11));
        qv__type *from = qvt_type(from_id, 0, 0), *to = qvt_type(to_id, 0, 0);
        qv__array *array = qvt_random_array(&rng, from, (int64_t) qvt_rng_below(&rng, 4), 0.3), *result = NULL;
        bool fits = true;
        long double y;

        for (int64_t i = 0; i < array->length; i++)
            fits = fits && (qv__array_is_null(array, i) ||
                            expected_number(number_at(array, i), from_id < QV_TYPE_FLOAT16, to_id, &y));
        if (from_id == to_id)
            fits = true;
        if (!fits) {
            QVT_FAILS(qv__array_cast(array, to, QV_CAST_SAFE, &result, &err), QV_INVALID, "at index");
            refused++;
        } else {
            QVT_OK(qv__array_cast(array, to, QV_CAST_SAFE, &result, &err));
            qvt_check_layout(result);
            for (int64_t i = 0; i < array->length && from_id != to_id; i++) {
                assert_int_equal(qv__array_is_null(array, i), qv__array_is_null(result, i));
                if (qv__array_is_null(array, i))
                    continue;
                long double found = number_at(result, i);
                expected_number(number_at(array, i), from_id < QV_TYPE_FLOAT16, to_id, &y);
                if (to_id == QV_TYPE_FLOAT16) /* within half a step, or past the end */
                    assert_true(fabsl(found - y) <= fmaxl(fabsl(y) * 0x1p-11L, 0x1p-25L) ||
                                (isinf(found) && fabsl(y) >= 65520) || isnan(y));
                else
                    assert_true(found == y || (isnan(found) && isnan(y)));
                passed++;
            }
        }
        qv__array_unref(array);
        qv__array_unref(result);
        qv__type_unref(from);
        qv__type_unref(to);
    }
    assert_true(refused > 100 && passed > 1000);
}

static void halves(void **state)
{
    (void) state;
    for (uint32_t h = 0; h < 65536; h++) {
        double value = qv__f16_to_f64((uint16_t) h);
        uint16_t back = qv__f64_to_f16(value);

        if (isnan(value))
            assert_true(isnan(qv__f16_to_f64(back)));
        else
            assert_int_equal(back, h);
        if ((h & 0x7fff) < 0x7bff) { /* a tie goes to the even neighbour, anything past it up */
            double next = qv__f16_to_f64((uint16_t) (h + 1)), middle = (value + next) / 2;
            assert_int_equal(qv__f64_to_f16(middle), (h & 1) ? h + 1 : h);
            assert_int_equal(qv__f64_to_f16(nextafter(middle, next)), h + 1);
            assert_int_equal(qv__f64_to_f16(nextafter(middle, value)), h);
        }
    }
    assert_int_equal(qv__f64_to_f16(65520), 0x7c00);
    assert_int_equal(qv__f64_to_f16(nextafter(65520, 0)), 0x7bff);
    assert_int_equal(qv__f64_to_f16(0x1p-25), 0);
    assert_int_equal(qv__f64_to_f16(nextafter(0x1p-25, 1)), 1);
}

/* Text of floats reads back as the same bits, and no shorter text does. */
static void float_texts(void **state)
{
    qv__type *string = qvt_type(QV_TYPE_UTF8, 0, 0);

    (void) state;
    for (int r = 0; r < 300; r++) {
        qv__type *type = qvt_type(r % 2 ? QV_TYPE_FLOAT32 : QV_TYPE_FLOAT64, 0, 0);
        qv__array *array = qvt_random_array(&rng, type, 50, 0.1), *texts, *back;

        uint8_t *bytes = (uint8_t *) array->buffers[1].data;
        for (size_t i = 0; i < array->buffers[1].len; i++)
            bytes[i] = (uint8_t) qvt_rng_next(&rng);
        QVT_OK(qv__array_cast(array, string, r % 3 ? QV_CAST_SAFE : QV_CAST_SQL, &texts, &err));
        QVT_OK(qv__array_cast(texts, type, QV_CAST_SAFE, &back, &err));
        assert_true(qv__array_equal(array, back));
        qv__array_unref(array);
        qv__array_unref(texts);
        qv__array_unref(back);
        qv__type_unref(type);
    }
    qv__type_unref(string);
}

/* ---- nested */

/* The same nesting with wider numbers, other list kinds, decoded dictionaries: every value keeps its meaning. */
static qv__type *wider_type(const qv__type *type)
{
    qv__type *inner, *wide, *columns[8];

    switch (type->id) {
    case QV_TYPE_INT8:
        return qvt_type(QV_TYPE_INT64, 0, 0);
    case QV_TYPE_UTF8:
        return qvt_type(QV_TYPE_LARGE_UTF8, 0, 0);
    case QV_TYPE_LARGE_BINARY:
        return qvt_type(QV_TYPE_BINARY, 0, 0);
    case QV_TYPE_DICTIONARY:
        return wider_type(type->children[0].type);
    case QV_TYPE_LIST:
    case QV_TYPE_LARGE_LIST:
        inner = wider_type(type->children[0].type);
        wide = qvt_list_type(qvt_rng_below(&rng, 2) ? QV_TYPE_LIST : QV_TYPE_LARGE_LIST, inner, 0);
        qv__type_unref(inner);
        return wide;
    case QV_TYPE_FIXED_LIST:
        inner = wider_type(type->children[0].type);
        wide = qvt_list_type(qvt_rng_below(&rng, 2) ? QV_TYPE_LIST : QV_TYPE_FIXED_LIST, inner, type->width);
        qv__type_unref(inner);
        return wide;
    case QV_TYPE_STRUCT:
        for (size_t k = 0; k < type->n_children; k++)
            columns[k] = wider_type(type->children[k].type);
        return qvt_struct_type(columns, type->n_children);
    default:
        return qv__type_ref(type);
    }
}

static bool has_int8(const qv__type *type)
{
    if (type->id == QV_TYPE_INT8)
        return true;
    for (size_t k = 0; k < type->n_children; k++)
        if (has_int8(type->children[k].type))
            return true;
    return false;
}

static void nested(void **state)
{
    (void) state;
    for (int r = 0; r < 600; r++) {
        qv__type *type = qvt_random_type(&rng, 4, true), *wide = wider_type(type);
        qv__array *array = qvt_random_array(&rng, type, (int64_t) qvt_rng_below(&rng, 20), 0.3), *cast, *back;

        assert_true(qv__cast_possible(type, wide));
        QVT_OK(qv__array_cast(array, wide, QV_CAST_SAFE, &cast, &err));
        qvt_check_layout(cast);
        QVT_OK(qv__array_validate(cast, "x", &err));
        if (!has_int8(type))
            qvt_same_values(array, 0, cast, 0, array->length);
        QVT_OK(qv__array_cast(cast, type, QV_CAST_SAFE, &back, &err));
        qvt_check_layout(back);
        QVT_OK(qv__array_validate(back, "x", &err));
        qvt_same_values(array, 0, back, 0, array->length);
        qv__array_unref(array);
        qv__array_unref(cast);
        qv__array_unref(back);
        qv__type_unref(type);
        qv__type_unref(wide);
    }
}

static void dictionaries(void **state)
{
    qv__type *string = qvt_type(QV_TYPE_UTF8, 0, 0), *index = qvt_type(QV_TYPE_INT8, 0, 0), *type;
    const char *texts[] = { "b", "a", NULL, "b", "a", "c" };
    qv__array *plain = string_array(texts, 6), *encoded, *back, *many, *none = NULL;
    char names[200][16];
    const char *pointers[200];

    (void) state;
    QVT_OK(qv__type_new_dictionary(index, string, false, &type, &err));
    QVT_OK(qv__array_cast(plain, type, QV_CAST_SAFE, &encoded, &err));
    assert_int_equal(encoded->dictionary->length, 3);
    qvt_same_values(plain, 0, encoded, 0, 6);
    QVT_OK(qv__array_cast(encoded, string, QV_CAST_SAFE, &back, &err));
    assert_true(qv__array_equal(plain, back));
    for (int i = 0; i < 200; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        pointers[i] = names[i];
    }
    many = string_array(pointers, 200);
    QVT_FAILS(qv__array_cast(many, type, QV_CAST_SAFE, &none, &err), QV_INVALID,
              "does not fit int8 keys (at index 128)");
    qv__array_unref(plain);
    qv__array_unref(encoded);
    qv__array_unref(back);
    qv__array_unref(many);
    qv__type_unref(type);
    qv__type_unref(index);
    qv__type_unref(string);
}

static void lists_to_fixed(void **state)
{
    qv__type *item = qvt_type(QV_TYPE_INT32, 0, 0), *list = qvt_list_type(QV_TYPE_LIST, item, 0);
    qv__type *two = qvt_list_type(QV_TYPE_FIXED_LIST, item, 2), *three = qvt_list_type(QV_TYPE_FIXED_LIST, item, 3);
    qv__builder *builder;
    qv__array *array, *slice, *fixed, *none = NULL;
    int32_t value = 7;

    (void) state;
    QVT_OK(qv__builder_new(list, &builder, &err));
    for (int row = 0; row < 4; row++) { /* [7], null, [7, 7], [7, 7] */
        if (row == 1) {
            QVT_OK(qv__builder_append_null(builder, &err));
            continue;
        }
        for (int k = 0; k < (row == 0 ? 1 : 2); k++)
            QVT_OK(qv__builder_append_fixed(qv__builder_child(builder, 0), &value, &err));
        QVT_OK(qv__builder_append_nested(builder, &err));
    }
    QVT_OK(qv__builder_finish(builder, &array, &err));
    qv__builder_free(builder);
    QVT_FAILS(qv__array_cast(array, two, QV_CAST_SAFE, &none, &err), QV_INVALID,
              "Cannot cast to FixedSizeList(2): value at index 0 has length 1");
    QVT_OK(qv__array_slice(array, 1, 3, &slice, &err));
    QVT_OK(qv__array_cast(slice, two, QV_CAST_SAFE, &fixed, &err));
    assert_string_equal(qvt_value_text(fixed, 0), "~");
    assert_string_equal(qvt_value_text(fixed, 2), "[07000000,07000000,]");
    QVT_FAILS(qv__array_cast(fixed, three, QV_CAST_SAFE, &none, &err), QV_INVALID, "cannot cast fixed_size_list");
    qv__array_unref(array);
    qv__array_unref(slice);
    qv__array_unref(fixed);
    qv__type_unref(item);
    qv__type_unref(list);
    qv__type_unref(two);
    qv__type_unref(three);
}

static void structs_by_name(void **state)
{
    qv__type *types[] = { qvt_type(QV_TYPE_INT32, 0, 0), qvt_type(QV_TYPE_UTF8, 0, 0) };
    qv__type *from = qvt_struct_type(types, 2), *to, *strict, *int64 = qvt_type(QV_TYPE_INT64, 0, 0);
    qv__field fields[2];
    qv__array *array = qvt_random_array(&rng, from, 9, 0.3), *cast, *none = NULL;

    (void) state;
    QVT_OK(qv__field_init(&fields[0], "extra", int64, true, &err));
    QVT_OK(qv__field_init(&fields[1], "f0", int64, true, &err));
    QVT_OK(qv__type_new_struct(fields, 2, &to, &err));
    QVT_OK(qv__array_cast(array, to, QV_CAST_SAFE, &cast, &err));
    for (int64_t i = 0; i < 9; i++)
        assert_true(qv__array_is_null(cast->children[0], i));
    qv__array_unref(cast);
    fields[0].nullable = false;
    QVT_OK(qv__type_new_struct(fields, 2, &strict, &err));
    assert_false(qv__cast_possible(from, strict));
    QVT_FAILS(qv__array_cast(array, strict, QV_CAST_SAFE, &none, &err), QV_INVALID, "cannot cast struct");
    qv__field_clear(&fields[0]);
    qv__field_clear(&fields[1]);
    qv__array_unref(array);
    qv__type_unref(from);
    qv__type_unref(to);
    qv__type_unref(strict);
    qv__type_unref(int64);
}

static void allocation_failures(void **state)
{
    (void) state;
    for (int r = 0; r < 25; r++) {
        qv__type *type = qvt_random_type(&rng, 3, true), *wide = wider_type(type);
        qv__array *array = qvt_random_array(&rng, type, 6, 0.3);

        for (uint64_t n = 0;; n++) {
            qv__array *cast = NULL, *back = NULL;
            qv__alloc_fail_at(n);
            qv_status st = qv__array_cast(array, wide, QV_CAST_SAFE, &cast, &err);
            if (st == QV_OK)
                st = qv__array_cast(cast, type, QV_CAST_SAFE, &back, &err);
            bool fired = qv__alloc_fault_fired();
            qv__alloc_fail_at(UINT64_MAX);
            assert_true(st == QV_OK || (fired && st == QV_NOMEM));
            qv__array_unref(cast);
            qv__array_unref(back);
            if (!fired)
                break;
        }
        qv__array_unref(array);
        qv__type_unref(type);
        qv__type_unref(wide);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_of_texts), cmocka_unit_test(numbers),         cmocka_unit_test(halves),
        cmocka_unit_test(float_texts),    cmocka_unit_test(nested),          cmocka_unit_test(dictionaries),
        cmocka_unit_test(lists_to_fixed), cmocka_unit_test(structs_by_name), cmocka_unit_test(allocation_failures),
    };
    rng = qvt_rng_seeded();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
