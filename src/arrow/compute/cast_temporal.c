/* Instants (dates, timestamps), times of the day and durations to each other and to integers. All are integers of ticks; a
 * cast scales them. Instants are kept when only the zone's name changes. */
#include <stdio.h>

#include "arrow/compute/cast_private.h"

static const int64_t seconds_per_day = 86400;

static bool is_instant(const qv__type *type)
{
    return type->id == QV_TYPE_DATE32 || type->id == QV_TYPE_DATE64 || type->id == QV_TYPE_TIMESTAMP;
}

static int64_t ticks_per_day(const qv__type *type)
{
    if (type->id == QV_TYPE_DATE32)
        return 1;
    if (type->id == QV_TYPE_DATE64)
        return seconds_per_day * 1000;
    return seconds_per_day * qv__unit_per_second(type->unit);
}

static qv_status out_of_bounds(const qv__array *array, int64_t i, const qv__type *to, const char *what, qv_error *err)
{
    char from_name[96], to_name[96];

    return qv__fail(err, QV_INVALID, "Casting from %s to %s would %s: %lld (at index %lld)",
                    qv__type_print(array->type, from_name, sizeof from_name),
                    qv__type_print(to, to_name, sizeof to_name), what, (long long) qv__load_int(array, i),
                    (long long) i);
}

/* Days are floors and so never lose data to speak of; finer ticks that are cut must be zero in SAFE mode. */
static qv_status scale_one(const qv__array *array, int64_t i, const qv__type *to, qv__cast_mode mode, int64_t value,
                           int64_t *out, qv_error *err)
{
    int64_t from_ticks = ticks_per_day(array->type), to_ticks = ticks_per_day(to);

    if (is_instant(array->type) && (to->id == QV_TYPE_DATE32 || to->id == QV_TYPE_DATE64)) {
        value = qv__floor_div(value, from_ticks);
        if (__builtin_mul_overflow(value, to_ticks, out))
            return out_of_bounds(array, i, to, "result in out of bounds date", err);
    } else if (to_ticks >= from_ticks) {
        if (__builtin_mul_overflow(value, to_ticks / from_ticks, out))
            return out_of_bounds(array, i, to, "result in out of bounds timestamp", err);
    } else {
        *out = value / (from_ticks / to_ticks);
        if (mode == QV_CAST_SAFE && value % (from_ticks / to_ticks) != 0)
            return out_of_bounds(array, i, to, "lose data", err);
    }
    if (qv__type_bits(to) == 32 && *out != (int32_t) *out)
        return out_of_bounds(array, i, to, "result in out of bounds value", err);
    return QV_OK;
}

/* What a timestamp with a zone shows on the clock there; only zones that are an offset can be asked. */
static qv_status local_shift(const qv__type *from, const qv__type *to, int64_t *shift, qv_error *err)
{
    char name[96];

    *shift = 0;
    if (from->id != QV_TYPE_TIMESTAMP || to->id == QV_TYPE_TIMESTAMP || !from->timezone)
        return QV_OK;
    if (!qv__zone_offset(from->timezone, shift))
        return qv__fail(err, QV_UNSUPPORTED,
                        "cannot cast %s to a local date or time: only UTC and fixed offsets are known",
                        qv__type_print(from, name, sizeof name));
    *shift *= qv__unit_per_second(from->unit);
    return QV_OK;
}

static qv_status scale_all(const qv__array *array, const qv__type *to, qv__cast_mode mode, uint8_t *values,
                           qv_error *err)
{
    bool to_time = to->id == QV_TYPE_TIME32 || to->id == QV_TYPE_TIME64;
    size_t width = qv__type_value_bytes(to);
    int64_t shift, scaled;

    QV_TRY(local_shift(array->type, to, &shift, err));
    for (int64_t i = 0; i < array->length; i++) {
        int64_t value;

        if (qv__array_is_null(array, i))
            continue;
        value = qv__load_int(array, i);
        if (__builtin_add_overflow(value, shift, &value))
            return out_of_bounds(array, i, to, "result in out of bounds timestamp", err);
        if (to_time && array->type->id == QV_TYPE_TIMESTAMP)
            value -= qv__floor_div(value, ticks_per_day(array->type)) * ticks_per_day(array->type);
        QV_TRY(scale_one(array, i, to, mode, value, &scaled, err));
        memcpy(values + (size_t) i * width, &scaled, width);
    }
    return QV_OK;
}

static qv__type_id physical(const qv__type *type) { return qv__type_bits(type) == 32 ? QV_TYPE_INT32 : QV_TYPE_INT64; }

/* Integers: the ticks themselves. */
static qv_status cast_ticks(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out,
                            qv_error *err)
{
    qv_status st = QV_OK;
    bool from_int = qv__type_is_int(array->type);
    qv__type *ticks_type = NULL;
    qv__array *ticks = NULL;

    QV_CHECK(qv__type_new(physical(from_int ? to : array->type), &ticks_type, err));
    if (from_int) {
        QV_CHECK(qv__array_cast(array, ticks_type, mode, &ticks, err));
        QV_CHECK(qv__array_retype(ticks, to, out, err));
    } else {
        QV_CHECK(qv__array_retype(array, ticks_type, &ticks, err));
        QV_CHECK(qv__array_cast(ticks, to, mode, out, err));
    }
done:
    qv__array_unref(ticks);
    qv__type_unref(ticks_type);
    return st;
}

qv_status qv__cast_temporal(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out,
                            qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *frame = NULL;
    uint8_t *values;

    if (qv__type_is_int(array->type) || qv__type_is_int(to))
        return cast_ticks(array, to, mode, out, err);
    if (array->type->id == QV_TYPE_TIMESTAMP && to->id == QV_TYPE_TIMESTAMP && array->type->unit == to->unit)
        return qv__array_retype(array, to, out, err);
    QV_CHECK(qv__cast_frame(array, to, &frame, &values, err));
    QV_CHECK(scale_all(array, to, mode, values, err));
    *out = frame;
    frame = NULL;
done:
    qv__array_unref(frame);
    return st;
}
