/* Between ticks and the calendar. */
#include "expr/functions/date_private.h"

const char *const qv__month_names[12] = { "January", "February", "March",     "April",   "May",      "June",
                                          "July",    "August",   "September", "October", "November", "December" };
const char *const qv__day_names[7] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" };

int qv__days_in_month(int64_t year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

qv_status qv__zone_of(const qv__type *type, int64_t *offset, qv_error *err)
{
    *offset = 0;
    if (type->id != QV_TYPE_TIMESTAMP || qv__zone_offset(type->timezone, offset))
        return QV_OK;
    return qv__fail(err, QV_UNSUPPORTED, "the time zone \"%s\": only UTC and fixed offsets are known", type->timezone);
}

qv_status qv__moment_of(const qv__type *type, int64_t ticks, qv__moment *out, qv_error *err)
{
    int64_t per_second = qv__ticks_per_second(type), seconds;

    *out = (qv__moment){ 0 };
    QV_TRY(qv__zone_of(type, &out->offset, err));
    if (type->id == QV_TYPE_DATE32) {
        out->days = ticks;
    } else {
        seconds = qv__floor_div(ticks, per_second);
        out->ns = (ticks - seconds * per_second) * (QV_NS_PER_SECOND / per_second);
        if (seconds > INT64_MAX - QV_SECONDS_PER_DAY || seconds < INT64_MIN + QV_SECONDS_PER_DAY)
            return qv__fail(err, QV_INVALID, "the instant %lld is past the calendar", (long long) ticks);
        seconds += out->offset;
        out->days = qv__floor_div(seconds, QV_SECONDS_PER_DAY);
        out->seconds = seconds - out->days * QV_SECONDS_PER_DAY;
    }
    if (out->days > INT64_C(366) * INT32_MAX / 2 || out->days < INT64_C(-366) * INT32_MAX / 2)
        return qv__fail(err, QV_INVALID, "the instant %lld is past the calendar", (long long) ticks);
    qv__civil_of_days(out->days, &out->year, &out->month, &out->day);
    return QV_OK;
}

qv_status qv__ticks_of(const qv__type *type, int64_t seconds, int64_t ns, int64_t *out, qv_error *err)
{
    int64_t per_second = qv__ticks_per_second(type);
    __int128 ticks = (__int128) seconds * per_second + ns / (QV_NS_PER_SECOND / per_second);

    if (type->id == QV_TYPE_DATE32)
        ticks = qv__floor_div(seconds, QV_SECONDS_PER_DAY);
    *out = (int64_t) ticks;
    if (*out == ticks && (type->id != QV_TYPE_DATE32 || *out == (int32_t) *out))
        return QV_OK;
    return qv__fail(err, QV_INVALID, "the instant of %lld seconds does not fit %s", (long long) seconds,
                    qv__type_name(type->id));
}

int qv__day_of_year(const qv__moment *m) { return (int) (m->days - qv__days_of_civil(m->year, 1, 1)) + 1; }

/* The week of a date belongs to the year that its Thursday is in. */
int qv__iso_week(const qv__moment *m, int64_t *year)
{
    int64_t thursday = m->days + 3 - (qv__weekday(m->days) + 6) % 7;
    int month, day;

    qv__civil_of_days(thursday, year, &month, &day);
    return (int) ((thursday - qv__days_of_civil(*year, 1, 1)) / 7) + 1;
}

qv_status qv__timestamp_type(qv__unit unit, qv__type **out, qv_error *err)
{
    QV_TRY(qv__type_new(QV_TYPE_TIMESTAMP, out, err));
    (*out)->unit = unit;
    return QV_OK;
}
