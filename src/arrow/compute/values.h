/* Single values: families of types, loads, text of numbers and instants, wide decimals, the calendar. For those who compute. */
#ifndef QV_ARROW_COMPUTE_VALUES_H
#define QV_ARROW_COMPUTE_VALUES_H

#include "arrow/compute/compute.h"

static inline bool qv__type_is_int(const qv__type *type)
{
    return type->id >= QV_TYPE_INT8 && type->id <= QV_TYPE_UINT64;
}
static inline bool qv__type_is_float(const qv__type *type)
{
    return type->id >= QV_TYPE_FLOAT16 && type->id <= QV_TYPE_FLOAT64;
}
static inline bool qv__type_is_number(const qv__type *type) /* bool counts as one */
{
    return type->id == QV_TYPE_BOOL || qv__type_is_int(type) || qv__type_is_float(type);
}
static inline bool qv__type_is_decimal(const qv__type *type)
{
    return type->id == QV_TYPE_DECIMAL128 || type->id == QV_TYPE_DECIMAL256;
}
static inline bool qv__type_is_temporal(const qv__type *type)
{
    return type->id >= QV_TYPE_DATE32 && type->id <= QV_TYPE_DURATION;
}

/* Values of integer, temporal (physical) and bool arrays. */
int64_t qv__load_int(const qv__array *array, int64_t i);
double qv__load_float(const qv__array *array, int64_t i);
/* The type as the SQL engine of the field names it: "Int64", "Timestamp(Microsecond, None)". Returns buf. */
char *qv__type_print_sql(const qv__type *type, char *buf, size_t buf_len);

/* --- text; all lengths in bytes, nothing is zero-terminated but what is written to `buf` --- */
enum { QV_NUMBER_TEXT_MAX = 128 };
/* Shortest text that reads back as the same value; `single`: as float32. SQL writes 1.0 and 1e20, SAFE 1 and 1e+20. */
size_t qv__float_format(double value, bool single, qv__cast_mode mode, char *buf);
bool qv__int_parse(const char *text, size_t len, bool *negative, uint64_t *magnitude);
bool qv__float_parse(const char *text, size_t len, bool single, double *out);

/* --- decimals: sign and 256 bits of magnitude --- */
typedef struct qv__wide {
    uint64_t w[4]; /* little-endian words */
    bool negative;
} qv__wide;
qv__wide qv__wide_load(const uint8_t *at, size_t bytes); /* two's complement of 16 or 32 bytes */
void qv__wide_store(qv__wide value, uint8_t *at, size_t bytes);
qv__wide qv__wide_from(bool negative, uint64_t magnitude);
bool qv__wide_is_zero(const qv__wide *value);
bool qv__wide_mul_pow10(qv__wide *value, int power); /* false: past 256 bits */
bool qv__wide_div_pow10(qv__wide *value, int power,
                        bool round); /* false: a remainder was dropped; round: half away from 0 */
bool qv__wide_fits(const qv__wide *value, int precision);
size_t qv__wide_format(const qv__wide *value, int scale, char *buf); /* QV_NUMBER_TEXT_MAX + |scale| bytes, or less */
typedef enum qv__wide_result { QV_WIDE_OK, QV_WIDE_BAD_TEXT, QV_WIDE_INEXACT, QV_WIDE_TOO_BIG } qv__wide_result;
/* Text with optional sign, point and exponent, to `scale` digits after the point (rounded: QV_WIDE_INEXACT). */
qv__wide_result qv__wide_parse(const char *text, size_t len, int scale, qv__wide *out);
double qv__wide_to_double(const qv__wide *value, int scale);

/* --- time --- */
int64_t qv__unit_per_second(qv__unit unit);
/* Seconds east of UTC of "UTC", "Z", "+02:00", "-0330"; false: a named zone. NULL is 0. */
bool qv__zone_offset(const char *zone, int64_t *seconds);
int64_t qv__floor_div(int64_t a, int64_t b);
/* Days since 1970-01-01 of a day of the proleptic Gregorian calendar, and back. */
int64_t qv__days_of_civil(int64_t year, int month, int day);
void qv__civil_of_days(int64_t days, int64_t *year, int *month, int *day);
size_t qv__temporal_format(const qv__type *type, int64_t value, qv__cast_mode mode, char *buf);
bool qv__temporal_parse(const char *text, size_t len, const qv__type *type, qv__cast_mode mode, int64_t *out);

#endif
