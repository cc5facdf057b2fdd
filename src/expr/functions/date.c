/* Date functions: the table. Timestamps with a zone are taken apart and cut by its wall clock; UTC and fixed offsets are known. */
#include "base/job.h"
#include "expr/functions/date_private.h"

/* ------------------------------------------------------------------ the time now */

static qv_status bind_now(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                          qv__type **result, qv_error *err)
{
    QV_UNUSED(self);
    QV_UNUSED(args);
    QV_UNUSED(n);
    QV_UNUSED(wanted);
    return qv__timestamp_type(QV_UNIT_NS, result, err);
}

static qv_status bind_today(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                            qv__type **result, qv_error *err)
{
    QV_UNUSED(self);
    QV_UNUSED(args);
    QV_UNUSED(n);
    QV_UNUSED(wanted);
    return qv__type_new(QV_TYPE_DATE32, result, err);
}

static qv_status bind_clock(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                            qv__type **result, qv_error *err)
{
    QV_UNUSED(self);
    QV_UNUSED(args);
    QV_UNUSED(n);
    QV_UNUSED(wanted);
    QV_TRY(qv__type_new(QV_TYPE_TIME64, result, err));
    (*result)->unit = QV_UNIT_NS;
    return QV_OK;
}

static qv_status now_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    const int64_t ns_per_day = QV_SECONDS_PER_DAY * QV_NS_PER_SECOND;

    QV_UNUSED(i);
    QV_UNUSED(err);
    out->i = qv__now_utc_ns();
    if (call->node->type->id == QV_TYPE_DATE32)
        out->i = qv__floor_div(out->i, ns_per_day);
    else if (call->node->type->id == QV_TYPE_TIME64)
        out->i -= qv__floor_div(out->i, ns_per_day) * ns_per_day;
    return QV_OK;
}

/* ------------------------------------------------------------------ the table */

#define DATE(name_, aliases_, min, max, bind_, row_, signature_, summary_)                                   \
    {                                                                                                        \
        .name = name_, .aliases = aliases_, .group = "date", .signature = signature_, .summary = summary_,   \
        .min_args = min, .max_args = max, .strict = true, .bind = bind_, .eval = qv__eval_rows, .row = row_, \
        .kinds = "it>i"                                                                                      \
    }
#define MOMENT(name_, aliases_, bind_, signature_, summary_)                                               \
    {                                                                                                      \
        .name = name_, .aliases = aliases_, .group = "date", .signature = signature_, .summary = summary_, \
        .strict = true, .of_the_moment = true, .bind = bind_, .eval = qv__eval_rows, .row = now_row        \
    }
#define STAMP(name_, unit_, summary_)                                                                            \
    {                                                                                                            \
        .name = name_, .group = "date", .signature = name_ "(value [, format, ...]) -> timestamp",               \
        .summary = summary_, .min_args = 1, .max_args = SIZE_MAX, .strict = true, .bind = qv__bind_to_timestamp, \
        .eval = qv__eval_rows, .row = qv__to_timestamp_row, .detail = &(const qv__unit)                          \
        {                                                                                                        \
            unit_                                                                                                \
        }                                                                                                        \
    }

static const char *const now_names[] = { "current_timestamp", NULL };
static const char *const today_names[] = { "today", NULL };
static const char *const part_names[] = { "datepart", NULL };
static const char *const trunc_names[] = { "datetrunc", NULL };
static const char *const char_names[] = { "date_format", NULL };

static const qv__function functions[] = {
    MOMENT("now", now_names, bind_now, "now() -> timestamp[ns]",
           "The time, in UTC; the same for all rows of a statement."),
    MOMENT("current_date", today_names, bind_today, "current_date() -> date32", "The day, in UTC."),
    MOMENT("current_time", NULL, bind_clock, "current_time() -> time64[ns]", "The time of day, in UTC."),
    DATE("date_part", part_names, 2, 2, qv__bind_date_part, qv__date_part_row,
         "date_part(part, date, time or timestamp) -> int32",
         "year, quarter, month, week, day, hour, minute, second, millisecond, microsecond, nanosecond (int64), dow, "
         "isodow, "
         "doy, isoyear or epoch (float64); also `extract(year from x)`."),
    DATE("date_trunc", trunc_names, 2, 2, qv__bind_date_trunc, qv__date_trunc_row,
         "date_trunc(granularity, date, time or timestamp) -> timestamp",
         "The beginning of the microsecond, millisecond, second, minute, hour, day, week, month, quarter or year."),
    DATE("date_bin", NULL, 2, 3, qv__bind_date_bin, qv__date_bin_row,
         "date_bin(interval, date, time or timestamp [, origin]) -> timestamp",
         "The beginning of the bin of this width, counted from the origin (1970-01-01)."),
    STAMP("to_timestamp", QV_UNIT_NS,
          "Nanoseconds from text (ISO 8601, or the first format that fits), or from seconds."),
    STAMP("to_timestamp_seconds", QV_UNIT_S, "Seconds from text, or from a number of seconds."),
    STAMP("to_timestamp_millis", QV_UNIT_MS, "Milliseconds from text, or from a number of milliseconds."),
    STAMP("to_timestamp_micros", QV_UNIT_US, "Microseconds from text, or from a number of microseconds."),
    STAMP("to_timestamp_nanos", QV_UNIT_NS, "Nanoseconds from text, or from a number of nanoseconds."),
    DATE("to_date", NULL, 1, SIZE_MAX, qv__bind_to_date, qv__to_timestamp_row,
         "to_date(value [, format, ...]) -> date32",
         "The day of a text (ISO 8601, or the first format that fits) or timestamp, or so many days after 1970-01-01."),
    DATE("to_unixtime", NULL, 1, SIZE_MAX, qv__bind_to_unixtime, qv__to_timestamp_row,
         "to_unixtime(value [, format, ...]) -> int64", "Seconds since 1970-01-01."),
    DATE("from_unixtime", NULL, 1, 2, qv__bind_from_unixtime, qv__from_unixtime_row,
         "from_unixtime(seconds [, zone]) -> timestamp[s]", "The instant so many seconds after 1970-01-01."),
    DATE("make_date", NULL, 3, 3, qv__bind_make_date, qv__make_date_row, "make_date(year, month, day) -> date32",
         "The day."),
    DATE("to_char", char_names, 2, 2, qv__bind_to_char, qv__to_char_row,
         "to_char(date, time or timestamp, format) -> utf8",
         "In the form of a format of strftime's signs: '%Y-%m-%d'."),
};

const qv__function_group qv__date_functions = { functions, QV_COUNT_OF(functions) };
