/* Texts to instants by a format of strftime's signs. */
#include <ctype.h>
#include <strings.h>

#include "expr/functions/date_private.h"

typedef struct scanner {
    qv__text whole, text, format;
    int64_t year, month, day, day_of_year, hour, minute, second, ns, offset, unix_seconds;
    bool has_year, has_unix, has_day_of_year, is_pm, has_half;
    qv_error *err;
} scanner;

static qv_status unfit(const scanner *s)
{
    return qv__fail(s->err, QV_INVALID, "'%.*s' does not fit the format '%.*s' at byte %zu",
                    (int) QV_MIN(s->whole.len, 100), (const char *) s->whole.data, (int) QV_MIN(s->format.len, 100),
                    (const char *) s->format.data, s->whole.len - s->text.len);
}

static void skip(scanner *s, size_t n)
{
    s->text.data += n;
    s->text.len -= n;
}

static bool accept(scanner *s, char c)
{
    bool found = s->text.len > 0 && s->text.data[0] == c;

    if (found)
        skip(s, 1);
    return found;
}

static void skip_space(scanner *s)
{
    while (s->text.len && isspace(s->text.data[0]))
        skip(s, 1);
}

/* Up to `most` digits, within [low, high]. */
static qv_status number(scanner *s, size_t most, int64_t low, int64_t high, int64_t *out)
{
    size_t n = 0;
    int64_t value = 0;

    skip_space(s);
    while (n < most && n < s->text.len && isdigit(s->text.data[n]))
        value = value * 10 + (s->text.data[n++] - '0');
    if (n == 0 || value < low || value > high)
        return unfit(s);
    skip(s, n);
    *out = value;
    return QV_OK;
}

static qv_status year(scanner *s)
{
    bool negative = accept(s, '-'), positive = !negative && accept(s, '+');

    QV_TRY(number(s, negative || positive ? 6 : 4, 0, 262142, &s->year));
    s->year = negative ? -s->year : s->year;
    s->has_year = true;
    return QV_OK;
}

/* A name in full or its first three letters, in any case. */
static qv_status name(scanner *s, const char *const *names, size_t n, int64_t *out)
{
    for (size_t k = 0; k < n; k++) {
        size_t len = strlen(names[k]);
        if (s->text.len < 3 || strncasecmp((const char *) s->text.data, names[k], 3) != 0)
            continue;
        bool full = s->text.len >= len && strncasecmp((const char *) s->text.data, names[k], len) == 0;
        skip(s, full ? len : 3);
        *out = (int64_t) k;
        return QV_OK;
    }
    return unfit(s);
}

static qv_status half_of_day(scanner *s)
{
    if (s->text.len < 2 || tolower(s->text.data[1]) != 'm' || !memchr("apAP", s->text.data[0], 4))
        return unfit(s);
    s->is_pm = tolower(s->text.data[0]) == 'p';
    s->has_half = true;
    skip(s, 2);
    return QV_OK;
}

/* Digits of a fraction of a second; more than nine are dropped. */
static qv_status fraction(scanner *s)
{
    size_t n = 0;

    s->ns = 0;
    for (; n < s->text.len && isdigit(s->text.data[n]); n++)
        if (n < 9)
            s->ns = s->ns * 10 + (s->text.data[n] - '0');
    for (size_t k = n; k < 9; k++)
        s->ns *= 10;
    if (n == 0)
        return unfit(s);
    skip(s, n);
    return QV_OK;
}

static qv_status zone(scanner *s)
{
    int64_t hours, minutes = 0;
    bool west;

    if (accept(s, 'Z'))
        return QV_OK;
    west = accept(s, '-');
    if (!west && !accept(s, '+'))
        return unfit(s);
    QV_TRY(number(s, 2, 0, 23, &hours));
    (void) accept(s, ':');
    if (s->text.len && isdigit(s->text.data[0]))
        QV_TRY(number(s, 2, 0, 59, &minutes));
    s->offset = (hours * 60 + minutes) * (west ? -60 : 60);
    return QV_OK;
}

static qv_status unix_seconds(scanner *s)
{
    bool negative = accept(s, '-');

    QV_TRY(number(s, 18, 0, INT64_MAX, &s->unix_seconds));
    s->unix_seconds = negative ? -s->unix_seconds : s->unix_seconds;
    s->has_unix = true;
    return QV_OK;
}

static qv_status scan(scanner *s, qv__text format);

static qv_status two_digit_year(scanner *s)
{
    QV_TRY(number(s, 2, 0, 99, &s->year));
    s->year += s->year < 70 ? 2000 : 1900;
    s->has_year = true;
    return QV_OK;
}

static qv_status shorthand(scanner *s, const char *format)
{
    return scan(s, (qv__text){ (const uint8_t *) format, strlen(format) });
}

static qv_status sign(scanner *s, char c)
{
    int64_t weekday;

    switch (c) {
    case 'Y':
        return year(s);
    case 'y':
        return two_digit_year(s);
    case 'm':
        return number(s, 2, 1, 12, &s->month);
    case 'B':
    case 'b':
    case 'h':
        QV_TRY(name(s, qv__month_names, 12, &s->month));
        s->month++;
        return QV_OK;
    case 'd':
    case 'e':
        return number(s, 2, 1, 31, &s->day);
    case 'j':
        s->has_day_of_year = true;
        return number(s, 3, 1, 366, &s->day_of_year);
    case 'A':
    case 'a':
        return name(s, qv__day_names, 7, &weekday);
    case 'H':
    case 'k':
        return number(s, 2, 0, 23, &s->hour);
    case 'I':
    case 'l':
        return number(s, 2, 1, 12, &s->hour);
    case 'M':
        return number(s, 2, 0, 59, &s->minute);
    case 'S':
        return number(s, 2, 0, 59, &s->second);
    case 'p':
    case 'P':
        return half_of_day(s);
    case 'f':
        return fraction(s);
    case 'z':
        return zone(s);
    case 's':
        return unix_seconds(s);
    case 'F':
        return shorthand(s, "%Y-%m-%d");
    case 'T':
        return shorthand(s, "%H:%M:%S");
    case 'R':
        return shorthand(s, "%H:%M");
    case 'D':
        return shorthand(s, "%m/%d/%y");
    case '%':
        return accept(s, '%') ? QV_OK : unfit(s);
    default:
        return qv__fail(s->err, QV_INVALID, "the format's sign '%%%c' is unknown", c > ' ' && c < 127 ? c : '?');
    }
}

static qv_status scan(scanner *s, qv__text format)
{
    for (size_t at = 0; at < format.len;) {
        char c = (char) format.data[at++];
        if (isspace((unsigned char) c)) {
            skip_space(s);
        } else if (c != '%') {
            if (!accept(s, c))
                return unfit(s);
        } else {
            bool point = at < format.len && format.data[at] == '.';
            while (at < format.len && memchr(".:-_0369", format.data[at], 8))
                at++;
            c = at < format.len ? (char) format.data[at++] : 0;
            if (point && c == 'f' && !accept(s, '.'))
                continue; /* no fraction */
            QV_TRY(sign(s, c));
        }
    }
    return QV_OK;
}

static qv_status assemble(scanner *s, int64_t *seconds)
{
    int64_t hour = s->has_half ? s->hour % 12 + (s->is_pm ? 12 : 0) : s->hour;
    int64_t days;

    if (s->has_unix) {
        *seconds = s->unix_seconds;
        return QV_OK;
    }
    if (!s->has_year || s->day > qv__days_in_month(s->year, (int) s->month))
        return unfit(s);
    days = s->has_day_of_year ? qv__days_of_civil(s->year, 1, 1) + s->day_of_year - 1
                              : qv__days_of_civil(s->year, (int) s->month, (int) s->day);
    *seconds = days * QV_SECONDS_PER_DAY + hour * 3600 + s->minute * 60 + s->second - s->offset;
    return QV_OK;
}

qv_status qv__date_read(qv__text text, qv__text format, int64_t *seconds, int64_t *ns, qv_error *err)
{
    scanner s = { .whole = text, .text = text, .format = format, .month = 1, .day = 1, .err = err };

    QV_TRY(scan(&s, format));
    if (s.text.len > 0)
        return unfit(&s);
    *ns = s.ns;
    return assemble(&s, seconds);
}
