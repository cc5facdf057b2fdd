/* date_part, which extract(part from x) becomes. */
#include <strings.h>

#include "expr/functions/date_private.h"

typedef enum part {
    YEAR,
    QUARTER,
    MONTH,
    WEEK,
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    MILLISECOND,
    MICROSECOND,
    NANOSECOND,
    DOW,
    ISODOW,
    DOY,
    ISOYEAR,
    EPOCH,
    NO_PART
} part;

static part part_of(qv__text name)
{
    static const struct {
        const char *names[7];
        part part;
    } parts[] = {
        { { "year", "years", "y", "yr", "yrs" }, YEAR },
        { { "quarter", "qtr" }, QUARTER },
        { { "month", "months", "mon", "mons" }, MONTH },
        { { "week", "weeks", "w" }, WEEK },
        { { "day", "days", "d" }, DAY },
        { { "hour", "hours", "h", "hr", "hrs" }, HOUR },
        { { "minute", "minutes", "m", "min", "mins" }, MINUTE },
        { { "second", "seconds", "s", "sec", "secs" }, SECOND },
        { { "millisecond", "milliseconds", "ms", "msec", "msecs" }, MILLISECOND },
        { { "microsecond", "microseconds", "us", "usec", "usecs" }, MICROSECOND },
        { { "nanosecond", "nanoseconds", "ns", "nsec", "nsecs" }, NANOSECOND },
        { { "dow" }, DOW },
        { { "isodow" }, ISODOW },
        { { "doy" }, DOY },
        { { "isoyear" }, ISOYEAR },
        { { "epoch" }, EPOCH },
    };

    for (size_t k = 0; k < QV_COUNT_OF(parts); k++)
        for (const char *const *alias = parts[k].names; *alias; alias++)
            if (strlen(*alias) == name.len && strncasecmp(*alias, (const char *) name.data, name.len) == 0)
                return parts[k].part;
    return NO_PART;
}

static bool has_clock(part which) { return (which >= HOUR && which <= NANOSECOND) || which == EPOCH; }

qv_status qv__bind_date_part(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                             qv__type **result, qv_error *err)
{
    const qv__type *type = args[1]->type;
    qv__text name;

    QV_UNUSED(n);
    if (!qv__constant_text(args[0], &name))
        return qv__fail(err, QV_INVALID, "date_part: argument 1 must be the part's name in quotes");
    part which = part_of(name);
    if (which == NO_PART)
        return qv__fail(err, QV_INVALID, "date_part: unknown part '%.*s'", (int) QV_MIN(name.len, 64),
                        (const char *) name.data);
    if (qv__is_text(type) || type->id == QV_TYPE_NULL)
        QV_TRY(qv__timestamp_type(QV_UNIT_NS, &wanted[1], err));
    else if (!qv__is_instant(type) && !qv__is_clock(type))
        return qv__fail_argument(self, 1, type, "a date, time or timestamp", err);
    if (qv__is_clock(type) && !has_clock(which))
        return qv__fail_argument(self, 1, type, "a date or timestamp", err);
    return qv__type_new(which == EPOCH        ? QV_TYPE_FLOAT64
                        : which == NANOSECOND ? QV_TYPE_INT64
                                              : QV_TYPE_INT32,
                        result, err);
}

static int64_t clock_part(const qv__moment *m, part which)
{
    int64_t second = m->seconds % 60;

    switch (which) {
    case HOUR:
        return m->seconds / 3600;
    case MINUTE:
        return m->seconds / 60 % 60;
    case SECOND:
        return second;
    case MILLISECOND:
        return second * 1000 + m->ns / 1000000;
    case MICROSECOND:
        return second * 1000000 + m->ns / 1000;
    default:
        return second * QV_NS_PER_SECOND + m->ns;
    }
}

static int64_t date_part(const qv__moment *m, part which)
{
    int64_t year;
    int week;

    switch (which) {
    case YEAR:
        return m->year;
    case QUARTER:
        return (m->month + 2) / 3;
    case MONTH:
        return m->month;
    case DAY:
        return m->day;
    case DOW:
        return qv__weekday(m->days);
    case ISODOW:
        return (qv__weekday(m->days) + 6) % 7 + 1;
    case DOY:
        return qv__day_of_year(m);
    case WEEK:
    case ISOYEAR:
        week = qv__iso_week(m, &year);
        return which == WEEK ? week : year;
    default:
        return clock_part(m, which);
    }
}

qv_status qv__date_part_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    const qv__type *type = call->args[1]->type;
    int64_t ticks = qv__value_i64(call->args[1], qv__arg_row(call, 1, i));
    part which = part_of(qv__arg_text(call, 0, 0));
    qv__moment m;

    if (which == EPOCH) {
        out->f = type->id == QV_TYPE_DATE32 ? (double) ticks * QV_SECONDS_PER_DAY
                                            : (double) ticks / (double) qv__ticks_per_second(type);
        return QV_OK;
    }
    QV_TRY(qv__moment_of(type, ticks, &m, err));
    out->i = date_part(&m, which);
    return QV_OK;
}
