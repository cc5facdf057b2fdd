/* to_char: the signs of strftime, as chrono (the Rust library) knows them. */
#include "expr/functions/date_private.h"

qv_status qv__bind_to_char(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                           qv__type **result, qv_error *err)
{
    const qv__type *type = args[0]->type;

    QV_UNUSED(n);
    if (type->id == QV_TYPE_NULL || qv__is_text(type))
        QV_TRY(qv__timestamp_type(QV_UNIT_NS, &wanted[0], err));
    else if (!qv__is_instant(type) && !qv__is_clock(type))
        return qv__fail_argument(self, 0, type, "a date, time or timestamp", err);
    if (args[1]->type->id == QV_TYPE_NULL)
        QV_TRY(qv__type_new(QV_TYPE_UTF8, &wanted[1], err));
    else if (!qv__is_text(args[1]->type))
        return qv__fail_argument(self, 1, args[1]->type, "a format", err);
    return qv__type_new(QV_TYPE_UTF8, result, err);
}

typedef struct printer {
    const qv__moment *m;
    const qv__type *type;
    qv__buffer *out;
    qv_error *err;
} printer;

/* `pad` is what a sign says behind '%': '-' nothing, '_' spaces, '0' zeros; 0: the sign's own way. */
static qv_status put_number(const printer *p, int64_t value, int width, char own, char pad)
{
    pad = pad ? pad : own;
    if (pad == '-')
        return qv__buffer_printf(p->out, p->err, "%lld", (long long) value);
    if (pad == '_')
        return qv__buffer_printf(p->out, p->err, "%*lld", width, (long long) value);
    return qv__buffer_printf(p->out, p->err, "%0*lld", width, (long long) value);
}

static qv_status put_text(const printer *p, const char *text, size_t len)
{
    return qv__buffer_append(p->out, text, len, p->err);
}

static int64_t modulo(int64_t a, int64_t b) { return (a % b + b) % b; }

static qv_status put_year(const printer *p, int64_t year, char pad)
{
    if (year > 9999)
        QV_TRY(put_text(p, "+", 1));
    return put_number(p, year, year < 0 ? 5 : 4, '0', pad);
}

/* Days and what is made of them; *known false: another sign. */
static qv_status put_date_sign(const printer *p, char sign, char pad, bool *known)
{
    const qv__moment *m = p->m;
    int64_t iso_year;
    int week = qv__iso_week(m, &iso_year), weekday = qv__weekday(m->days), day_of_year = qv__day_of_year(m);
    const char *month = qv__month_names[m->month - 1], *day = qv__day_names[weekday];

    switch (sign) {
    case 'Y':
        return put_year(p, m->year, pad);
    case 'C':
        return put_number(p, qv__floor_div(m->year, 100), 2, '0', pad);
    case 'y':
        return put_number(p, modulo(m->year, 100), 2, '0', pad);
    case 'm':
        return put_number(p, m->month, 2, '0', pad);
    case 'B':
        return put_text(p, month, strlen(month));
    case 'b':
    case 'h':
        return put_text(p, month, 3);
    case 'd':
        return put_number(p, m->day, 2, '0', pad);
    case 'e':
        return put_number(p, m->day, 2, '_', pad);
    case 'A':
        return put_text(p, day, strlen(day));
    case 'a':
        return put_text(p, day, 3);
    case 'w':
        return put_number(p, weekday, 1, '0', pad);
    case 'u':
        return put_number(p, (weekday + 6) % 7 + 1, 1, '0', pad);
    case 'U':
        return put_number(p, (day_of_year + 6 - weekday) / 7, 2, '0', pad);
    case 'W':
        return put_number(p, (day_of_year + 6 - (weekday + 6) % 7) / 7, 2, '0', pad);
    case 'G':
        return put_year(p, iso_year, pad);
    case 'g':
        return put_number(p, modulo(iso_year, 100), 2, '0', pad);
    case 'V':
        return put_number(p, week, 2, '0', pad);
    case 'j':
        return put_number(p, day_of_year, 3, '0', pad);
    default:
        *known = false;
        return QV_OK;
    }
}

static qv_status put_clock_sign(const printer *p, char sign, char pad, bool *known)
{
    int64_t seconds = p->m->seconds, hour = seconds / 3600, hour_12 = (hour + 11) % 12 + 1;

    switch (sign) {
    case 'H':
        return put_number(p, hour, 2, '0', pad);
    case 'k':
        return put_number(p, hour, 2, '_', pad);
    case 'I':
        return put_number(p, hour_12, 2, '0', pad);
    case 'l':
        return put_number(p, hour_12, 2, '_', pad);
    case 'M':
        return put_number(p, seconds / 60 % 60, 2, '0', pad);
    case 'S':
        return put_number(p, seconds % 60, 2, '0', pad);
    case 'p':
        return put_text(p, hour < 12 ? "AM" : "PM", 2);
    case 'P':
        return put_text(p, hour < 12 ? "am" : "pm", 2);
    case 'f':
        return put_number(p, p->m->ns, 9, '0', pad);
    default:
        *known = false;
        return QV_OK;
    }
}

/* Signs of the zone need one; seconds since 1970 need a date. */
static qv_status put_zone_sign(const printer *p, char sign, bool colon, bool *known)
{
    int64_t offset = p->m->offset, minutes = (offset < 0 ? -offset : offset) / 60;
    bool has_zone = p->type->id == QV_TYPE_TIMESTAMP && p->type->timezone;

    if (sign == 's' && !qv__is_clock(p->type))
        return put_number(p, p->m->days * QV_SECONDS_PER_DAY + p->m->seconds - offset, 1, '-', 0);
    *known = has_zone && (sign == 'z' || (sign == 'Z' && !colon));
    if (!*known)
        return QV_OK;
    if (sign == 'Z' && offset == 0)
        return put_text(p, "UTC", 3);
    return qv__buffer_printf(p->out, p->err, "%c%02d%s%02d", offset < 0 ? '-' : '+', (int) (minutes / 60),
                             colon || sign == 'Z' ? ":" : "", (int) (minutes % 60));
}

/* %.f: the fraction in three, six or nine digits, or nothing; %.3f %.6f %.9f; %3f %6f %9f without the point. */
static qv_status put_fraction(const printer *p, bool point, int digits)
{
    int64_t ns = p->m->ns;

    if (digits == 0) {
        if (ns == 0)
            return QV_OK;
        digits = ns % 1000000 == 0 ? 3 : ns % 1000 == 0 ? 6 : 9;
    }
    for (int k = digits; k < 9; k++)
        ns /= 10;
    return qv__buffer_printf(p->out, p->err, "%s%0*lld", point ? "." : "", digits, (long long) ns);
}

static const char *shorthand(char sign)
{
    switch (sign) {
    case 'D':
    case 'x':
        return "%m/%d/%y";
    case 'F':
        return "%Y-%m-%d";
    case 'v':
        return "%e-%b-%Y";
    case 'R':
        return "%H:%M";
    case 'T':
    case 'X':
        return "%H:%M:%S";
    case 'r':
        return "%I:%M:%S %p";
    case 'c':
        return "%a %b %e %H:%M:%S %Y";
    case '+':
        return "%Y-%m-%dT%H:%M:%S%.f%:z";
    case 't':
        return "\t";
    case 'n':
        return "\n";
    case '%':
        return "%%";
    default:
        return NULL;
    }
}

static qv_status put_format(const printer *p, const char *format, size_t len);

static qv_status put_sign(const printer *p, char sign, char pad, bool colon, bool *known)
{
    const char *more = shorthand(sign);
    bool is_clock = qv__is_clock(p->type);

    *known = true;
    if (sign == '%')
        return put_text(p, "%", 1);
    if (more && !colon && !pad)
        return put_format(p, more, strlen(more));
    if (!is_clock && !colon) {
        QV_TRY(put_date_sign(p, sign, pad, known));
        if (*known)
            return QV_OK;
    }
    *known = !colon;
    if (*known)
        QV_TRY(put_clock_sign(p, sign, pad, known));
    if (*known)
        return QV_OK;
    *known = true;
    return put_zone_sign(p, sign, colon, known);
}

/* Behind '%' at format[0 ...): what was read goes to *used. */
static qv_status put_directive(const printer *p, const char *format, size_t len, size_t *used)
{
    bool point = len > 0 && format[0] == '.', known = false;
    size_t at = point;
    int digits = 0;

    if (at < len && (format[at] == '3' || format[at] == '6' || format[at] == '9'))
        digits = format[at++] - '0';
    if (at < len && format[at] == 'f' && (point || digits)) {
        *used = at + 1;
        return put_fraction(p, point, digits);
    }
    at = 0;
    char pad = at < len && memchr("-_0", format[at], 3) ? format[at++] : 0;
    bool colon = at < len && format[at] == ':';
    at += colon;
    if (at < len)
        QV_TRY(put_sign(p, format[at], pad, colon, &known));
    if (!known)
        return qv__fail(p->err, QV_INVALID, "to_char: the format's sign '%%%.*s' is unknown for %s",
                        (int) QV_MIN(at + 1, len), format, qv__type_name(p->type->id));
    *used = at + 1;
    return QV_OK;
}

static qv_status put_format(const printer *p, const char *format, size_t len)
{
    for (size_t at = 0, used = 0; at < len; at += used) {
        if (format[at] == '%') {
            QV_TRY(put_directive(p, format + at + 1, len - at - 1, &used));
            used++;
            continue;
        }
        for (used = 1; at + used < len && format[at + used] != '%';)
            used++;
        QV_TRY(put_text(p, format + at, used));
    }
    return QV_OK;
}

qv_status qv__to_char_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__moment m;
    const qv__type *type = call->args[0]->type;
    qv__text format = qv__arg_text(call, 1, i);
    printer p = { &m, type, &out->text, err };

    QV_TRY(qv__moment_of(type, qv__value_i64(call->args[0], qv__arg_row(call, 0, i)), &m, err));
    return put_format(&p, (const char *) format.data, format.len);
}
