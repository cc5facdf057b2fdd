/* Intervals: their text and their sums with instants. */
#include "expr/interval.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "arrow/compute/values.h"

static const char *const field_names[] = { "months", "days", "nanoseconds" };
static const qv__type_id field_types[] = { QV_TYPE_INT32, QV_TYPE_INT32, QV_TYPE_INT64 };

enum { NS_PER_SECOND = 1000000000 };
static const int64_t ns_per_day = INT64_C(86400) * NS_PER_SECOND;

qv_status qv__interval_type(qv__type **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field fields[3] = { 0 };

    for (size_t k = 0; k < 3; k++) {
        fields[k] = (qv__field){ .name = (char *) field_names[k], .id = -1 };
        QV_CHECK(qv__type_new(field_types[k], &fields[k].type, err));
    }
    QV_CHECK(qv__type_new_struct(fields, 3, out, err));
done:
    for (size_t k = 0; k < 3; k++)
        qv__type_unref(fields[k].type);
    return st;
}

bool qv__type_is_interval(const qv__type *type)
{
    if (type->id != QV_TYPE_STRUCT || type->n_children != 3)
        return false;
    for (size_t k = 0; k < 3; k++)
        if (strcmp(type->children[k].name, field_names[k]) != 0 || type->children[k].type->id != field_types[k] ||
            type->children[k].nullable)
            return false;
    return true;
}

qv__interval qv__interval_at(const qv__array *array, int64_t i)
{
    i += array->offset;
    return (qv__interval){ (int32_t) qv__load_int(array->children[0], i), (int32_t) qv__load_int(array->children[1], i),
                           qv__load_int(array->children[2], i) };
}

/* ------------------------------------------------------------------ text */

/* What one unit is worth; months, days or nanoseconds is set. */
typedef struct unit {
    const char *name; /* an s may follow */
    int32_t months, days;
    int64_t nanoseconds;
} unit;

static const unit units[] = {
    { "century", 1200, 0, 0 },
    { "centurie", 1200, 0, 0 },
    { "decade", 120, 0, 0 },
    { "year", 12, 0, 0 },
    { "yr", 12, 0, 0 },
    { "y", 12, 0, 0 },
    { "quarter", 3, 0, 0 },
    { "month", 1, 0, 0 },
    { "mon", 1, 0, 0 },
    { "week", 0, 7, 0 },
    { "w", 0, 7, 0 },
    { "day", 0, 1, 0 },
    { "d", 0, 1, 0 },
    { "hour", 0, 0, INT64_C(3600) * NS_PER_SECOND },
    { "hr", 0, 0, INT64_C(3600) * NS_PER_SECOND },
    { "h", 0, 0, INT64_C(3600) * NS_PER_SECOND },
    { "minute", 0, 0, INT64_C(60) * NS_PER_SECOND },
    { "min", 0, 0, INT64_C(60) * NS_PER_SECOND },
    { "m", 0, 0, INT64_C(60) * NS_PER_SECOND },
    { "second", 0, 0, NS_PER_SECOND },
    { "sec", 0, 0, NS_PER_SECOND },
    { "s", 0, 0, NS_PER_SECOND },
    { "millisecond", 0, 0, 1000000 },
    { "ms", 0, 0, 1000000 },
    { "microsecond", 0, 0, 1000 },
    { "us", 0, 0, 1000 },
    { "nanosecond", 0, 0, 1 },
    { "ns", 0, 0, 1 },
};

static const unit *find_unit(const char *text, size_t len)
{
    for (int plural = 0; plural < 2; plural++) {
        size_t n = len - (size_t) plural;

        if (plural && (len < 2 || (text[len - 1] != 's' && text[len - 1] != 'S')))
            break;
        for (size_t k = 0; k < QV_COUNT_OF(units); k++)
            if (strlen(units[k].name) == n && strncasecmp(units[k].name, text, n) == 0)
                return &units[k];
    }
    return NULL;
}

bool qv__interval_unit(const char *text, size_t len) { return find_unit(text, len) != NULL; }

/* amount * 10^-9 of a unit; what is less than a whole month becomes days (30 a month), less than a day becomes time. */
static bool add_amount(const unit *u, __int128 nano_amount, qv__interval *to)
{
    const __int128 billion = NS_PER_SECOND;
    __int128 months = nano_amount * u->months, days = nano_amount * u->days,
             ns = nano_amount * u->nanoseconds / billion;
    int32_t whole_months, whole_days;
    int64_t whole_ns;

    days += months % billion * 30;
    months /= billion;
    ns += days % billion * ns_per_day / billion;
    days /= billion;
    whole_months = (int32_t) months;
    whole_days = (int32_t) days;
    whole_ns = (int64_t) ns;
    return whole_months == months && whole_days == days && whole_ns == ns &&
           !__builtin_add_overflow(to->months, whole_months, &to->months) &&
           !__builtin_add_overflow(to->days, whole_days, &to->days) &&
           !__builtin_add_overflow(to->nanoseconds, whole_ns, &to->nanoseconds);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* [+-]digits[.digits] as billionths; returns how many bytes, 0: none, or too many digits. */
static size_t read_amount(const char *text, size_t len, __int128 *out)
{
    size_t i = 0, digits = 0, places = 0;
    __int128 value = 0;
    bool minus = len && text[0] == '-';

    if (len && (text[0] == '-' || text[0] == '+'))
        i++;
    for (; i < len && is_digit(text[i]) && digits < 19; i++, digits++)
        value = value * 10 + (text[i] - '0');
    if (i < len && text[i] == '.')
        for (i++; i < len && is_digit(text[i]); i++, digits++)
            if (places < 9) {
                value = value * 10 + (text[i] - '0');
                places++;
            }
    for (; places < 9; places++)
        value *= 10;
    *out = minus ? -value : value;
    return digits ? i : 0;
}

/* hh:mm[:ss[.fraction]] after a sign that `minus` tells; returns how many bytes, 0: it is none. */
static size_t read_clock(const char *text, size_t len, qv__interval *to)
{
    static const char *const names[] = { "hour", "minute", "second" };
    size_t at = len && (text[0] == '-' || text[0] == '+'), used, colons = 0;
    bool minus = len && text[0] == '-';

    for (size_t i = at; i < len && (is_digit(text[i]) || text[i] == ':' || text[i] == '.'); i++)
        colons += text[i] == ':';
    if (colons == 0 || colons > 2)
        return 0;
    for (size_t k = 0; k <= colons; k++) {
        __int128 amount;

        if (at >= len || !is_digit(text[at]))
            return 0;
        used = read_amount(text + at, len - at, &amount);
        if (!used || !add_amount(find_unit(names[k], strlen(names[k])), minus ? -amount : amount, to))
            return 0;
        at += used;
        if (k < colons && (at >= len || text[at++] != ':'))
            return 0;
    }
    return at;
}

bool qv__interval_parse(const char *text, size_t len, qv__interval *out)
{
    qv__interval total = { 0 };
    bool any = false;

    for (size_t i = 0;; any = true) {
        __int128 amount;
        size_t used, word;
        const unit *u;

        while (i < len && (text[i] == ' ' || text[i] == ','))
            i++;
        if (i == len)
            break;
        used = read_clock(text + i, len - i, &total);
        if (used) {
            i += used;
            continue;
        }
        used = read_amount(text + i, len - i, &amount);
        if (!used)
            return false;
        for (i += used; i < len && text[i] == ' ';)
            i++;
        for (word = i; i < len && ((text[i] | 32) >= 'a' && (text[i] | 32) <= 'z');)
            i++;
        u = i > word ? find_unit(text + word, i - word) : find_unit("second", 6);
        if (!u || !add_amount(u, amount, &total))
            return false;
    }
    *out = total;
    return any;
}

/* ------------------------------------------------------------------ sums */

/* The day `months` later, in the same or the month's last day. */
static bool add_months(int64_t *days, int64_t months)
{
    static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int64_t year, count;
    int month, day, most;

    if (*days > INT64_C(100000000) * 366 || *days < INT64_C(-100000000) * 366)
        return false;
    qv__civil_of_days(*days, &year, &month, &day);
    count = year * 12 + month - 1 + months;
    year = (count >= 0 ? count : count - 11) / 12;
    month = (int) (count - year * 12);
    most = lengths[month] + (month == 1 && (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)));
    *days = qv__days_of_civil(year, month + 1, QV_MIN(day, most));
    return true;
}

/* Whole days only: what is less than a day in the interval goes. */
static bool add_to_days(int64_t days, const qv__interval *interval, int sign, int64_t *out)
{
    if (interval->months && !add_months(&days, (int64_t) interval->months * sign))
        return false;
    *out = days + (int64_t) interval->days * sign + interval->nanoseconds / ns_per_day * sign;
    return *out == (int32_t) *out;
}

bool qv__interval_add(const qv__type *type, int64_t ticks, const qv__interval *interval, int sign, int64_t *out)
{
    int64_t per_day, days, in_day;
    __int128 time, total;

    if (type->id == QV_TYPE_DATE32)
        return add_to_days(ticks, interval, sign, out);
    per_day = type->id == QV_TYPE_DATE64 ? 86400000 : INT64_C(86400) * qv__unit_per_second(type->unit);
    days = qv__floor_div(ticks, per_day);
    in_day = ticks - days * per_day;
    if (interval->months && !add_months(&days, (int64_t) interval->months * sign))
        return false;
    time = (__int128) interval->nanoseconds * sign * per_day;
    if (time)
        time = time / ns_per_day - (time % ns_per_day < 0); /* down to the unit */
    total = ((__int128) days + (int64_t) interval->days * sign) * per_day + in_day + time;
    *out = (int64_t) total;
    return total == *out;
}
