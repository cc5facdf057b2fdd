/* Decimals to decimals (another scale or width), to and from numbers. SAFE refuses to drop digits; SQL rounds half away from
 * zero between scales and cuts towards zero when an integer is asked for. */
#include <math.h>
#include <stdio.h>

#include "arrow/compute/cast_private.h"

enum { TEXT_MAX = 512 };

static size_t width_of(const qv__type *type) { return type->id == QV_TYPE_DECIMAL128 ? 16 : 32; }

static qv_status does_not_fit(const char *value, const qv__type *to, int64_t i, qv_error *err)
{
    return qv__fail(err, QV_INVALID, "Decimal value %s does not fit in precision %d (at index %lld)", value,
                    (int) to->precision, (long long) i);
}

static const char *decimal_text(const qv__wide *value, int scale, char *buf)
{
    if (scale > 200 || scale < -200)
        scale = 0;
    buf[qv__wide_format(value, scale, buf)] = 0;
    return buf;
}

/* Brings `value` from one scale to another and stores it at `at`. */
static qv_status put_rescaled(qv__wide value, int scale, const qv__type *to, qv__cast_mode mode, int64_t i, uint8_t *at,
                              qv_error *err)
{
    char text[TEXT_MAX];
    qv__wide before = value;
    int shift = to->scale - scale;

    if (shift < 0 && !qv__wide_div_pow10(&value, -shift, mode == QV_CAST_SQL) && mode == QV_CAST_SAFE)
        return qv__fail(err, QV_INVALID, "Rescaling Decimal value %s would cause data loss (at index %lld)",
                        decimal_text(&before, scale, text), (long long) i);
    if ((shift > 0 && !qv__wide_mul_pow10(&value, shift)) || !qv__wide_fits(&value, to->precision))
        return does_not_fit(decimal_text(&before, scale, text), to, i, err);
    qv__wide_store(value, at, width_of(to));
    return QV_OK;
}

static qv_status put_double(double number, const qv__type *to, int64_t i, uint8_t *at, qv_error *err)
{
    char text[TEXT_MAX], *digit = text, plain[TEXT_MAX];
    size_t n = 0;
    qv__wide value;
    int places = QV_MAX((int) to->scale, 0);

    if (!(fabs(number) < 1e77) || places > 100)
        return qv__fail(err, QV_INVALID, "Cannot convert %f to decimal(%d, %d): overflow (at index %lld)", number,
                        (int) to->precision, (int) to->scale, (long long) i);
    snprintf(text, sizeof text, "%.*f", places, number); /* exact, and rounded once */
    for (; *digit; digit++)                              /* the point of any locale is left out */
        if (*digit == '-' || (*digit >= '0' && *digit <= '9'))
            plain[n++] = *digit;
    if (qv__wide_parse(plain, n, 0, &value) != QV_WIDE_OK)
        return qv__fail(err, QV_INVALID, "Cannot convert %f to decimal(%d, %d): overflow (at index %lld)", number,
                        (int) to->precision, (int) to->scale, (long long) i);
    return put_rescaled(value, places, to, QV_CAST_SQL, i, at, err);
}

static qv_status to_decimal(const qv__array *array, const qv__type *to, qv__cast_mode mode, uint8_t *values,
                            qv_error *err)
{
    const qv__type *from = array->type;

    for (int64_t i = 0; i < array->length; i++) {
        uint8_t *at = values + (size_t) i * width_of(to);

        if (qv__array_is_null(array, i))
            continue;
        if (qv__type_is_float(from)) {
            QV_TRY(put_double(qv__load_float(array, i), to, i, at, err));
        } else if (qv__type_is_decimal(from)) {
            qv__wide value = qv__wide_load(qv__fixed_at(array, i), width_of(from));
            QV_TRY(put_rescaled(value, from->scale, to, mode, i, at, err));
        } else {
            int64_t whole = qv__load_int(array, i);
            bool negative = whole < 0 && from->id != QV_TYPE_UINT64;
            qv__wide value = qv__wide_from(negative, negative ? 0 - (uint64_t) whole : (uint64_t) whole);
            QV_TRY(put_rescaled(value, 0, to, mode, i, at, err));
        }
    }
    return QV_OK;
}

/* Into int64 or uint64 values; narrower targets are checked by the cast that follows. */
static qv_status to_whole(const qv__array *array, bool is_signed, qv__cast_mode mode, uint8_t *values, qv_error *err)
{
    char text[TEXT_MAX];

    for (int64_t i = 0; i < array->length; i++) {
        qv__wide value, before;
        uint64_t low, most;

        if (qv__array_is_null(array, i))
            continue;
        before = value = qv__wide_load(qv__fixed_at(array, i), width_of(array->type));
        if (array->type->scale > 0 && !qv__wide_div_pow10(&value, array->type->scale, false) && mode == QV_CAST_SAFE)
            return qv__fail(err, QV_INVALID, "Rescaling Decimal value %s would cause data loss (at index %lld)",
                            decimal_text(&before, array->type->scale, text), (long long) i);
        low = value.w[0];
        most = !is_signed ? (value.negative ? 0 : UINT64_MAX) : (uint64_t) INT64_MAX + value.negative;
        if ((array->type->scale < 0 && !qv__wide_mul_pow10(&value, -array->type->scale)) || value.w[1] || value.w[2] ||
            value.w[3] || (low = value.w[0]) > most)
            return qv__fail(err, QV_INVALID, "Integer value out of bounds: %s (at index %lld)",
                            decimal_text(&before, array->type->scale, text), (long long) i);
        qv__store_u64(values + 8 * i, value.negative ? 0 - low : low);
    }
    return QV_OK;
}

/* Through the widest type of the target's kind. */
static qv_status from_decimal(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out,
                              qv_error *err)
{
    qv_status st = QV_OK;
    bool is_signed = !(to->id >= QV_TYPE_UINT8 && to->id <= QV_TYPE_UINT64);
    bool is_float = qv__type_is_float(to) || to->id == QV_TYPE_BOOL;
    qv__type *middle = NULL;
    qv__array *wide = NULL;
    uint8_t *values;

    QV_CHECK(qv__type_new(is_float ? QV_TYPE_FLOAT64 : is_signed ? QV_TYPE_INT64 : QV_TYPE_UINT64, &middle, err));
    QV_CHECK(qv__cast_frame(array, middle, &wide, &values, err));
    if (!is_float)
        QV_CHECK(to_whole(array, is_signed, mode, values, err));
    for (int64_t i = 0; is_float && i < array->length; i++) {
        qv__wide value = qv__wide_load(qv__fixed_at(array, i), width_of(array->type));
        double number = qv__wide_to_double(&value, array->type->scale);
        memcpy(values + 8 * i, &number, sizeof number);
    }
    QV_CHECK(qv__array_cast(wide, to, mode, out, err));
done:
    qv__array_unref(wide);
    qv__type_unref(middle);
    return st;
}

qv_status qv__cast_decimal(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out,
                           qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *frame = NULL;
    uint8_t *values;

    if (!qv__type_is_decimal(to))
        return from_decimal(array, to, mode, out, err);
    QV_CHECK(qv__cast_frame(array, to, &frame, &values, err));
    QV_CHECK(to_decimal(array, to, mode, values, err));
    *out = frame;
    frame = NULL;
done:
    qv__array_unref(frame);
    return st;
}
