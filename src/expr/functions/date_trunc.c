/* Instants moved back to the beginning of their hour, month, or bin. */
#include <strings.h>

#include "expr/functions/date_private.h"
#include "expr/interval.h"

/* Dates and text become timestamps of nanoseconds; timestamps and times stay what they are. */
static qv_status bind_instant(const qv__function *self, size_t arg, const qv__type *type, qv__type **wanted,
                              qv__type **result, qv_error *err)
{
    bool to_ns =
        qv__is_text(type) || type->id == QV_TYPE_NULL || type->id == QV_TYPE_DATE32 || type->id == QV_TYPE_DATE64;

    if (!to_ns && type->id != QV_TYPE_TIMESTAMP && !qv__is_clock(type))
        return qv__fail_argument(self, arg, type, "a date, time or timestamp", err);
    if (to_ns)
        QV_TRY(qv__timestamp_type(QV_UNIT_NS, &wanted[arg], err));
    *result = qv__type_ref(to_ns ? wanted[arg] : type);
    return QV_OK;
}

/* ------------------------------------------------------------------ date_trunc */

static const struct {
    const char *name;
    int64_t ns;
    int months;
} grains[] = {
    { "microsecond", 1000, 0 },
    { "millisecond", 1000000, 0 },
    { "second", QV_NS_PER_SECOND, 0 },
    { "minute", 60 * QV_NS_PER_SECOND, 0 },
    { "hour", 3600 * QV_NS_PER_SECOND, 0 },
    { "day", QV_SECONDS_PER_DAY *QV_NS_PER_SECOND, 0 },
    { "week", 7 * QV_SECONDS_PER_DAY *QV_NS_PER_SECOND, 0 },
    { "month", 0, 1 },
    { "quarter", 0, 3 },
    { "year", 0, 12 },
};

qv_status qv__bind_date_trunc(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                              qv__type **result, qv_error *err)
{
    QV_UNUSED(n);
    if (!qv__is_text(args[0]->type) && args[0]->type->id != QV_TYPE_NULL)
        return qv__fail_argument(self, 0, args[0]->type, "text", err);
    if (args[0]->type->id == QV_TYPE_NULL)
        QV_TRY(qv__type_new(QV_TYPE_UTF8, &wanted[0], err));
    return bind_instant(self, 1, args[1]->type, wanted, result, err);
}

static qv_status find_grain(qv__text name, size_t *out, qv_error *err)
{
    for (*out = 0; *out < QV_COUNT_OF(grains); ++*out)
        if (strlen(grains[*out].name) == name.len &&
            strncasecmp(grains[*out].name, (const char *) name.data, name.len) == 0)
            return QV_OK;
    return qv__fail(err, QV_INVALID,
                    "date_trunc: unknown granularity '%.*s', known are microsecond, millisecond, second, minute, hour, "
                    "day, week, month, quarter, year",
                    (int) QV_MIN(name.len, 64), (const char *) name.data);
}

/* To the beginning of a month, quarter or year. */
static qv_status trunc_months(const qv__type *type, int64_t ticks, int months, int64_t *out, qv_error *err)
{
    qv__moment m;

    QV_TRY(qv__moment_of(type, ticks, &m, err));
    int64_t days = qv__days_of_civil(m.year, (m.month - 1) / months * months + 1, 1);
    return qv__ticks_of(type, days * QV_SECONDS_PER_DAY - m.offset, 0, out, err);
}

/* Weeks begin on Monday, four days after the Thursday of 1970-01-01. */
static qv_status trunc_ns(const qv__type *type, int64_t ticks, int64_t ns, int64_t *out, qv_error *err)
{
    int64_t per_second = qv__ticks_per_second(type), tick_ns = QV_NS_PER_SECOND / per_second, offset;
    bool is_week = ns == 7 * QV_SECONDS_PER_DAY * QV_NS_PER_SECOND;

    QV_TRY(qv__zone_of(type, &offset, err));
    *out = ticks;
    if (ns <= tick_ns)
        return QV_OK;
    __int128 width = ns / tick_ns, shift = (offset - (is_week ? 4 * QV_SECONDS_PER_DAY : 0)) * (__int128) per_second;
    __int128 local = ticks + shift, rest = local % width;
    __int128 start = ticks - (rest < 0 ? rest + width : rest);
    *out = (int64_t) start;
    if (*out != start)
        return qv__fail(err, QV_INVALID, "date_trunc: the instant %lld is too early", (long long) ticks);
    return QV_OK;
}

qv_status qv__date_trunc_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    const qv__type *type = call->node->type;
    int64_t ticks = qv__value_i64(call->args[1], qv__arg_row(call, 1, i));
    size_t grain;

    QV_TRY(find_grain(qv__arg_text(call, 0, i), &grain, err));
    if (qv__is_clock(type) && (grains[grain].months || grains[grain].ns > 3600 * QV_NS_PER_SECOND))
        return qv__fail(err, QV_INVALID, "date_trunc: a time has no %s", grains[grain].name);
    if (grains[grain].months)
        return trunc_months(type, ticks, grains[grain].months, &out->i, err);
    return trunc_ns(type, ticks, grains[grain].ns, &out->i, err);
}

/* ------------------------------------------------------------------ date_bin */

qv_status qv__bind_date_bin(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                            qv__type **result, qv_error *err)
{
    if (!qv__type_is_interval(args[0]->type) && !qv__is_text(args[0]->type))
        return qv__fail_argument(self, 0, args[0]->type, "an interval", err);
    QV_TRY(bind_instant(self, 1, args[1]->type, wanted, result, err));
    if (n > 2 && !qv__type_equal(args[2]->type, *result))
        wanted[2] = qv__type_ref(*result);
    return QV_OK;
}

static qv_status stride_of(const qv__call *call, size_t i, qv__interval *out, qv_error *err)
{
    qv__text text;

    if (!qv__is_text(call->args[0]->type)) {
        *out = qv__interval_at(call->args[0], qv__arg_row(call, 0, i));
    } else {
        text = qv__arg_text(call, 0, i);
        if (!qv__interval_parse((const char *) text.data, text.len, out))
            return qv__fail(err, QV_INVALID, "date_bin: '%.*s' is no interval", (int) QV_MIN(text.len, 64),
                            (const char *) text.data);
    }
    if ((out->months != 0) && (out->days != 0 || out->nanoseconds != 0))
        return qv__fail(err, QV_INVALID, "date_bin: a stride of months together with days or time");
    if (out->months == 0 && out->days == 0 && out->nanoseconds == 0)
        return qv__fail(err, QV_INVALID, "date_bin: the stride must not be zero");
    return QV_OK;
}

/* Bins of months begin at the origin and every so many months later. */
static qv_status bin_months(const qv__type *type, int64_t ticks, int64_t origin, int32_t months, int64_t *out,
                            qv_error *err)
{
    qv__moment at, from;
    int64_t distance, width = months < 0 ? -(int64_t) months : months;

    QV_TRY(qv__moment_of(type, ticks, &at, err));
    QV_TRY(qv__moment_of(type, origin, &from, err));
    distance = qv__floor_div((at.year - from.year) * 12 + at.month - from.month, width) * width;
    for (;; distance -= width) {
        qv__interval step = { .months = (int32_t) distance };
        if (distance != step.months || !qv__interval_add(type, origin, &step, 1, out))
            return qv__fail(err, QV_INVALID, "date_bin: the bin of %lld is past the calendar", (long long) ticks);
        if (*out <= ticks)
            return QV_OK;
    }
}

qv_status qv__date_bin_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    const qv__type *type = call->node->type;
    int64_t ticks = qv__value_i64(call->args[1], qv__arg_row(call, 1, i)), origin = 0;
    qv__interval stride;

    QV_TRY(stride_of(call, i, &stride, err));
    if (call->n_args > 2)
        origin = qv__value_i64(call->args[2], qv__arg_row(call, 2, i));
    if (stride.months)
        return bin_months(type, ticks, origin, stride.months, &out->i, err);
    __int128 tick_ns = QV_NS_PER_SECOND / qv__ticks_per_second(type);
    __int128 ns = (__int128) stride.days * QV_SECONDS_PER_DAY * QV_NS_PER_SECOND + stride.nanoseconds;
    __int128 width = ns < 0 ? -ns : ns, distance = ((__int128) ticks - origin) * tick_ns;
    __int128 rest = distance % width, start = (distance - (rest < 0 ? rest + width : rest));
    start = origin + (start - (start % tick_ns + tick_ns) % tick_ns) / tick_ns;
    out->i = (int64_t) start;
    if (out->i != start)
        return qv__fail(err, QV_INVALID, "date_bin: the bin of %lld is past 64 bits", (long long) ticks);
    return QV_OK;
}
