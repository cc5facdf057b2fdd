/* Intervals: months, days and nanoseconds, which are not comparable with one another. Arrow's own interval type is not among the
 * library's; an interval is a struct<months: int32, days: int32, nanoseconds: int64>, all fields not null. Such values come from
 * INTERVAL literals, take part in arithmetic with dates, times and timestamps, and show as structs when selected. */
#ifndef QV_EXPR_INTERVAL_H
#define QV_EXPR_INTERVAL_H

#include "arrow/array.h"

typedef struct qv__interval {
    int32_t months, days;
    int64_t nanoseconds;
} qv__interval;

qv_status qv__interval_type(qv__type **out, qv_error *err);
bool qv__type_is_interval(const qv__type *type);
qv__interval qv__interval_at(const qv__array *array, int64_t i); /* not null */

/* "1 year 2 months", "1.5 days", "-3 hours 20 min"; false: not an interval, or out of range. */
bool qv__interval_parse(const char *text, size_t len, qv__interval *out);
/* Is it the name of a unit ("day", "HOURS")? */
bool qv__interval_unit(const char *text, size_t len);

/* Date arithmetic; false: out of range. Months are added first (the day is cut to the month's length), then days, then time.
 * `ticks` counts units of `type`, a date or timestamp; `sign` is 1 or -1. */
bool qv__interval_add(const qv__type *type, int64_t ticks, const qv__interval *interval, int sign, int64_t *out);

#endif
