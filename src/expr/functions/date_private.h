/* What the files of the date functions share. */
#ifndef QV_EXPR_FUNCTIONS_DATE_PRIVATE_H
#define QV_EXPR_FUNCTIONS_DATE_PRIVATE_H

#include "arrow/compute/values.h"
#include "expr/functions/functions_private.h"

#define QV_SECONDS_PER_DAY 86400
#define QV_NS_PER_SECOND   INT64_C(1000000000)

/* A date or an instant as a wall clock in the type's time zone shows it. */
typedef struct qv__moment {
    int64_t days;    /* since 1970-01-01 */
    int64_t seconds; /* of the day */
    int64_t ns;      /* of the second */
    int64_t offset;  /* seconds east of UTC */
    int64_t year;
    int month, day;
} qv__moment;
/* QV_INVALID: a year that is past int32; QV_UNSUPPORTED: a named time zone. */
qv_status qv__moment_of(const qv__type *type, int64_t ticks, qv__moment *out, qv_error *err);
/* Ticks of the type at an instant in UTC; QV_INVALID: past 64 bits. */
qv_status qv__ticks_of(const qv__type *type, int64_t seconds, int64_t ns, int64_t *out, qv_error *err);
qv_status qv__zone_of(const qv__type *type, int64_t *offset, qv_error *err);
static inline int64_t qv__ticks_per_second(const qv__type *type)
{
    return type->id == QV_TYPE_DATE64 ? 1000 : qv__unit_per_second(type->unit);
}
/* Thursday was 1970-01-01; 0: Sunday. */
static inline int qv__weekday(int64_t days) { return (int) (((days + 4) % 7 + 7) % 7); }
int qv__day_of_year(const qv__moment *m); /* from 1 */
int qv__iso_week(const qv__moment *m, int64_t *year);
int qv__days_in_month(int64_t year, int month);

static inline bool qv__is_instant(const qv__type *type)
{
    return type->id == QV_TYPE_DATE32 || type->id == QV_TYPE_DATE64 || type->id == QV_TYPE_TIMESTAMP;
}
static inline bool qv__is_clock(const qv__type *type)
{
    return type->id == QV_TYPE_TIME32 || type->id == QV_TYPE_TIME64;
}
/* A timestamp without a zone. */
qv_status qv__timestamp_type(qv__unit unit, qv__type **out, qv_error *err);

#define QV_DECLARE_ROW(name) qv_status qv__##name##_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err);
#define QV_DECLARE_BIND(name)                                                                               \
    qv_status qv__bind_##name(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted, \
                              qv__type **result, qv_error *err);

/* date_part.c */
QV_DECLARE_BIND(date_part)
QV_DECLARE_ROW(date_part)

/* date_trunc.c */
QV_DECLARE_BIND(date_trunc)
QV_DECLARE_ROW(date_trunc)
QV_DECLARE_BIND(date_bin)
QV_DECLARE_ROW(date_bin)

/* date_make.c */
QV_DECLARE_BIND(to_timestamp)
QV_DECLARE_ROW(to_timestamp)
QV_DECLARE_BIND(to_date)
QV_DECLARE_BIND(to_unixtime)
QV_DECLARE_BIND(from_unixtime)
QV_DECLARE_ROW(from_unixtime)
QV_DECLARE_BIND(make_date)
QV_DECLARE_ROW(make_date)

/* date_print.c, date_read.c: the signs of strftime, as chrono (the Rust library) knows them */
QV_DECLARE_BIND(to_char)
QV_DECLARE_ROW(to_char)
/* Seconds since 1970 in UTC. QV_INVALID: the place in the text or in the format. */
qv_status qv__date_read(qv__text text, qv__text format, int64_t *seconds, int64_t *ns, qv_error *err);
extern const char *const qv__month_names[12], *const qv__day_names[7];

#endif
