/* Dates, times and instants as ISO 8601 text, in the proleptic Gregorian calendar. */
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "arrow/compute/cast_private.h"

static const int64_t seconds_per_day = 86400;

int64_t qv__unit_per_second(qv__unit unit)
{
    static const int64_t per_second[] = { 1, 1000, 1000000, 1000000000 };

    return per_second[unit];
}

int64_t qv__floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

static int64_t floor_mod(int64_t a, int64_t b)
{
    int64_t rest = a % b;

    return rest < 0 ? rest + b : rest;
}

/* Years are counted from March in eras of 400 years, so that the leap day ends a year. */
static void civil_far_away(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t shifted = days + 719468, era = qv__floor_div(shifted, 146097), of_era = shifted - era * 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;

    *day = (int) (day_of_year - (153 * march_month + 2) / 5 + 1);
    *month = (int) (march_month < 10 ? march_month + 3 : march_month - 9);
    *year = year_of_era + era * 400 + (*month <= 2);
}

/* Within some 32,000 years of 1970 by products of 32 bits (Neri and Schneider, "Euclidean affine functions and their application to
 * calendar algorithms"), a tenth of the time. */
void qv__civil_of_days(int64_t days, int64_t *year, int *month, int *day)
{
    enum { ERAS = 82 }; /* of 400 years, so that all is positive */

    if (days < -12000000 || days > 500000000) {
        civil_far_away(days, year, month, day);
        return;
    }
    uint32_t n = (uint32_t) (days + 719468 + 146097 * ERAS), n1 = 4 * n + 3, century = n1 / 146097;
    uint32_t n2 = n1 % 146097 / 4 * 4 + 3;
    uint64_t product = UINT64_C(2939745) * n2;
    uint32_t day_of_year = (uint32_t) product / 2939745 / 4, n3 = 2141 * day_of_year + 197913;
    bool after_december = day_of_year >= 306;

    *year = (int64_t) (100 * century + (uint32_t) (product >> 32)) - 400 * ERAS + after_december;
    *month = (int) (n3 >> 16) - (after_december ? 12 : 0);
    *day = (int) ((n3 & 0xffff) / 2141) + 1;
}

int64_t qv__days_of_civil(int64_t year, int month, int day)
{
    int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + of_era - 719468;
}

static int days_in_month(int64_t year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

static bool two_digits(const char *text, size_t len, size_t at, int most, int *out)
{
    if (at + 2 > len || !isdigit((unsigned char) text[at]) || !isdigit((unsigned char) text[at + 1]))
        return false;
    *out = (text[at] - '0') * 10 + text[at + 1] - '0';
    return *out <= most;
}

/* "+02:00", "+0200", "+02", "Z" from text + *at on; moves *at behind it. */
static bool scan_offset(const char *text, size_t len, size_t *at, int64_t *seconds)
{
    int hours, minutes = 0;
    bool west;

    if (*at < len && (text[*at] == 'Z' || text[*at] == 'z')) {
        *seconds = 0;
        ++*at;
        return true;
    }
    if (*at >= len || (text[*at] != '+' && text[*at] != '-'))
        return false;
    west = text[(*at)++] == '-';
    if (!two_digits(text, len, *at, 23, &hours))
        return false;
    *at += 2;
    if (*at < len) {
        *at += text[*at] == ':';
        if (!two_digits(text, len, *at, 59, &minutes))
            return false;
        *at += 2;
    }
    *seconds = (hours * 60 + minutes) * (west ? -60 : 60);
    return true;
}

bool qv__zone_offset(const char *zone, int64_t *seconds)
{
    size_t at = 0, len = zone ? strlen(zone) : 0;

    *seconds = 0;
    if (!zone || !strcasecmp(zone, "UTC") || !strcasecmp(zone, "Etc/UTC") || !strcasecmp(zone, "GMT"))
        return true;
    return scan_offset(zone, len, &at, seconds) && at == len;
}

/* ---- writing */

static size_t put_date(int64_t days, char *buf)
{
    int64_t year;
    int month, day;

    qv__civil_of_days(days, &year, &month, &day);
    return (size_t) snprintf(buf, 48, "%s%04lld-%02d-%02d", year < 0 ? "-" : "", (long long) (year < 0 ? -year : year),
                             month, day);
}

/* `ticks` of the day. SAFE writes all digits of the unit, SQL groups of three down to the last that is not zero. */
static size_t put_time(int64_t ticks, qv__unit unit, qv__cast_mode mode, char *buf)
{
    int64_t per_second = qv__unit_per_second(unit), seconds = ticks / per_second, fraction = ticks % per_second;
    int places = (int) unit * 3;
    size_t n = (size_t) snprintf(buf, 16, "%02d:%02d:%02d", (int) (seconds / 3600 % 100), (int) (seconds / 60 % 60),
                                 (int) (seconds % 60));

    while (mode == QV_CAST_SQL && places > 0 && fraction % 1000 == 0) {
        fraction /= 1000;
        places -= 3;
    }
    if (places > 0)
        n += (size_t) snprintf(buf + n, 16, ".%0*lld", places, (long long) fraction);
    return n;
}

static size_t put_instant(const qv__type *type, int64_t value, qv__cast_mode mode, char *buf)
{
    qv__unit unit = type->id == QV_TYPE_DATE64 ? QV_UNIT_MS : type->unit;
    int64_t per_second = qv__unit_per_second(unit), per_day = per_second * seconds_per_day, east = 0, days, ticks;
    bool known = qv__zone_offset(type->timezone, &east);
    size_t n;

    /* The zone's shift is added to the time of the day, where it cannot overflow. Named zones are written in UTC. */
    days = qv__floor_div(value, per_day);
    ticks = floor_mod(value, per_day) + (known ? east * per_second : 0);
    days += qv__floor_div(ticks, per_day);
    n = put_date(days, buf);
    buf[n++] = mode == QV_CAST_SQL ? 'T' : ' ';
    n += put_time(floor_mod(ticks, per_day), unit, mode, buf + n);
    if (type->timezone && east == 0)
        buf[n++] = 'Z';
    else if (type->timezone)
        n += (size_t) snprintf(buf + n, 16, mode == QV_CAST_SQL ? "%c%02d:%02d" : "%c%02d%02d", east < 0 ? '-' : '+',
                               (int) ((east < 0 ? -east : east) / 3600), (int) ((east < 0 ? -east : east) / 60 % 60));
    return n;
}

size_t qv__temporal_format(const qv__type *type, int64_t value, qv__cast_mode mode, char *buf)
{
    int64_t per_day;

    switch (type->id) {
    case QV_TYPE_DATE32:
        return put_date(value, buf);
    case QV_TYPE_DATE64:
        return put_date(qv__floor_div(value, seconds_per_day * 1000), buf);
    case QV_TYPE_TIME32:
    case QV_TYPE_TIME64:
        per_day = qv__unit_per_second(type->unit) * seconds_per_day;
        return put_time(floor_mod(value, per_day), type->unit, mode, buf);
    case QV_TYPE_TIMESTAMP:
        return put_instant(type, value, mode, buf);
    default: /* durations have no text of their own: their ticks */
        return (size_t) snprintf(buf, 32, "%lld", (long long) value);
    }
}

/* ---- reading */

static bool scan_date(const char *text, size_t len, size_t *at, int64_t *days)
{
    bool negative = len > 0 && text[0] == '-';
    size_t start = len > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0, i = start;
    int64_t year = 0;
    int month, day;

    for (; i < len && i - start < 6 && isdigit((unsigned char) text[i]); i++)
        year = year * 10 + text[i] - '0';
    if (i - start < 4 || (i - start > 4 && start == 0) || i + 6 > len || text[i] != '-' || text[i + 3] != '-' ||
        !two_digits(text, len, i + 1, 12, &month) || !two_digits(text, len, i + 4, 31, &day) || month < 1 || day < 1)
        return false;
    year = negative ? -year : year;
    if (day > days_in_month(year, month))
        return false;
    *at = i + 6;
    *days = qv__days_of_civil(year, month, day);
    return true;
}

/* "HH:MM", "HH:MM:SS", "HH:MM:SS.fff..." as ticks of the day. Digits past the unit: SAFE refuses them, SQL cuts. */
static bool scan_time(const char *text, size_t len, size_t *at, qv__unit unit, qv__cast_mode mode, int64_t *ticks)
{
    int hours, minutes, seconds = 0, places = 0;
    int64_t fraction = 0;
    size_t i = *at;

    if (!two_digits(text, len, i, 23, &hours) || i + 2 >= len || text[i + 2] != ':' ||
        !two_digits(text, len, i + 3, 59, &minutes))
        return false;
    i += 5;
    if (i < len && text[i] == ':') {
        if (!two_digits(text, len, i + 1, 59, &seconds))
            return false;
        i += 3;
        if (i < len && text[i] == '.') {
            for (i++; i < len && isdigit((unsigned char) text[i]); i++) {
                if (places++ < (int) unit * 3)
                    fraction = fraction * 10 + text[i] - '0';
                else if (mode == QV_CAST_SAFE)
                    return false;
            }
            if (places == 0)
                return false;
        }
    }
    for (; places < (int) unit * 3; places++)
        fraction *= 10;
    *ticks = ((hours * 60 + minutes) * 60 + seconds) * qv__unit_per_second(unit) + fraction;
    *at = i;
    return true;
}

static bool parse_instant(const char *text, size_t len, const qv__type *type, qv__cast_mode mode, int64_t *out)
{
    qv__unit unit = type->id == QV_TYPE_TIMESTAMP ? type->unit : QV_UNIT_MS;
    int64_t per_second = qv__unit_per_second(unit), days, ticks = 0, east = 0;
    bool has_zone = false;
    size_t at = 0;

    if (!scan_date(text, len, &at, &days))
        return false;
    if (at < len) {
        if (text[at] != 'T' && text[at] != 't' && text[at] != ' ')
            return false;
        at++;
        if (!scan_time(text, len, &at, unit, mode, &ticks))
            return false;
        at += mode == QV_CAST_SQL && at + 1 < len && text[at] == ' ';
        if (at < len) {
            has_zone = true;
            if (!scan_offset(text, len, &at, &east) || at != len)
                return false;
        }
    }
    if (mode == QV_CAST_SAFE && type->id == QV_TYPE_TIMESTAMP && has_zone != (type->timezone != NULL))
        return false;
    if (!has_zone && mode == QV_CAST_SQL && !qv__zone_offset(type->timezone, &east))
        return false;
    return !__builtin_mul_overflow(days, per_second * seconds_per_day, out) &&
           !__builtin_add_overflow(*out, ticks - east * per_second, out);
}

bool qv__temporal_parse(const char *text, size_t len, const qv__type *type, qv__cast_mode mode, int64_t *out)
{
    size_t at = 0;
    bool negative;
    uint64_t magnitude;

    switch (type->id) {
    case QV_TYPE_DATE32:
    case QV_TYPE_DATE64:
        if (mode == QV_CAST_SQL && len > 10) { /* a timestamp's text gives its day */
            if (!parse_instant(text, len, type, mode, out))
                return false;
            *out = qv__floor_div(*out, seconds_per_day * 1000);
        } else if (!scan_date(text, len, &at, out) || at != len) {
            return false;
        }
        if (type->id == QV_TYPE_DATE64)
            *out *= seconds_per_day * 1000;
        return true;
    case QV_TYPE_TIME32:
    case QV_TYPE_TIME64:
        return scan_time(text, len, &at, type->unit, mode, out) && at == len;
    case QV_TYPE_TIMESTAMP:
        return parse_instant(text, len, type, mode, out);
    default:
        if (!qv__int_parse(text, len, &negative, &magnitude) || magnitude > (uint64_t) INT64_MAX)
            return false;
        *out = negative ? -(int64_t) magnitude : (int64_t) magnitude;
        return true;
    }
}
