/* Dates and instants made of numbers and texts. */
#include <math.h>

#include "expr/functions/date_private.h"

/* ------------------------------------------------------------------ to_timestamp, to_date, to_unixtime */

static qv_status want_formats(const qv__function *self, qv__expr *const *args, size_t n, qv_error *err)
{
    for (size_t k = 1; k < n; k++)
        if (!qv__is_text(args[k]->type))
            return qv__fail_argument(self, k, args[k]->type, "a format in quotes", err);
    return n > 1 && !qv__is_text(args[0]->type) ? qv__fail_argument(self, 0, args[0]->type, "text", err) : QV_OK;
}

/* Numbers stay numbers, everything else is cast to `target`, unless it is text with a format. */
static qv_status bind_time(const qv__function *self, qv__expr *const *args, size_t n, const qv__type *target,
                           qv__type **wanted, qv_error *err)
{
    const qv__type *type = args[0]->type;

    QV_TRY(want_formats(self, args, n, err));
    if (qv__is_int(type))
        return type->id == QV_TYPE_INT64 ? QV_OK : qv__type_new(QV_TYPE_INT64, &wanted[0], err);
    if (qv__is_float(type) || qv__is_decimal(type))
        return type->id == QV_TYPE_FLOAT64 ? QV_OK : qv__type_new(QV_TYPE_FLOAT64, &wanted[0], err);
    if (!qv__is_text(type) && !qv__is_instant(type) && type->id != QV_TYPE_NULL)
        return qv__fail_argument(self, 0, type, "a number, text, date or timestamp", err);
    if (n == 1 && !qv__type_equal(type, target))
        wanted[0] = qv__type_ref(target);
    return QV_OK;
}

/* `detail` has the unit of the result. */
qv_status qv__bind_to_timestamp(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                                qv__type **result, qv_error *err)
{
    QV_TRY(qv__timestamp_type(*(const qv__unit *) self->detail, result, err));
    return bind_time(self, args, n, *result, wanted, err);
}

qv_status qv__bind_to_date(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                           qv__type **result, qv_error *err)
{
    QV_TRY(qv__type_new(QV_TYPE_DATE32, result, err));
    return bind_time(self, args, n, *result, wanted, err);
}

/* Text and instants come as timestamps of seconds. */
qv_status qv__bind_to_unixtime(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                               qv__type **result, qv_error *err)
{
    qv__type *seconds = NULL;

    QV_TRY(qv__timestamp_type(QV_UNIT_S, &seconds, err));
    qv_status st = bind_time(self, args, n, seconds, wanted, err);
    qv__type_unref(seconds);
    return st == QV_OK ? qv__type_new(QV_TYPE_INT64, result, err) : st;
}

/* The first format that fits. */
static qv_status read_text(const qv__call *call, size_t i, int64_t *seconds, int64_t *ns, qv_error *err)
{
    qv_status st = QV_OK;

    for (size_t k = 1; k < call->n_args; k++) {
        st = qv__date_read(qv__arg_text(call, 0, i), qv__arg_text(call, k, i), seconds, ns, err);
        if (st == QV_OK)
            return QV_OK;
    }
    return qv__fail_in(err, st, "%s", call->node->function->name);
}

/* A number counts units of the function; of to_timestamp it counts seconds, of to_date days. */
static qv_status from_number(const qv__call *call, double wide, int64_t whole, bool is_whole, int64_t *out,
                             qv_error *err)
{
    const qv__type *type = call->node->type;
    int64_t factor =
        type->id == QV_TYPE_TIMESTAMP && strcmp(call->node->function->name, "to_timestamp") == 0 ? QV_NS_PER_SECOND : 1;
    __int128 ticks = (__int128) whole * factor;

    if (!is_whole) {
        wide = trunc(wide * (double) factor);
        if (!(wide >= -0x1p63 && wide < 0x1p63))
            return qv__fail(err, QV_INVALID, "%s: %g is past the calendar", call->node->function->name, wide);
        ticks = (int64_t) wide;
    }
    *out = (int64_t) ticks;
    if (*out != ticks || (type->id == QV_TYPE_DATE32 && *out != (int32_t) *out))
        return qv__fail(err, QV_INVALID, "%s: %lld is past the calendar", call->node->function->name,
                        (long long) whole);
    return QV_OK;
}

qv_status qv__to_timestamp_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    const qv__type *type = call->args[0]->type;
    int64_t at = qv__arg_row(call, 0, i), seconds = 0, ns = 0;

    if (type->id == QV_TYPE_FLOAT64)
        return from_number(call, qv__value_f64(call->args[0], at), 0, false, &out->i, err);
    if (type->id == QV_TYPE_INT64)
        return from_number(call, 0, qv__value_i64(call->args[0], at), true, &out->i, err);
    if (qv__is_instant(type)) { /* the binder has cast it */
        out->i = qv__value_i64(call->args[0], at);
        return QV_OK;
    }
    QV_TRY(read_text(call, i, &seconds, &ns, err));
    if (call->node->type->id != QV_TYPE_INT64)
        return qv__ticks_of(call->node->type, seconds, ns, &out->i, err);
    out->i = seconds;
    return QV_OK;
}

/* ------------------------------------------------------------------ from parts */

qv_status qv__bind_from_unixtime(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                                 qv__type **result, qv_error *err)
{
    qv__text zone;

    QV_TRY(qv__bind_kinds(self, args, n, wanted, result, err));
    qv__type_unref(*result);
    *result = NULL;
    if (n > 1 && (!qv__constant_text(args[1], &zone) || zone.len == 0 || memchr(zone.data, 0, zone.len)))
        return qv__fail(err, QV_INVALID, "from_unixtime: argument 2 must be a time zone in quotes");
    QV_TRY(qv__timestamp_type(QV_UNIT_S, result, err));
    if (n > 1) {
        (*result)->timezone = qv__strndup((const char *) zone.data, zone.len);
        if (!(*result)->timezone)
            return qv__fail_nomem(err, zone.len);
    }
    return QV_OK;
}

qv_status qv__from_unixtime_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    QV_UNUSED(err);
    out->i = qv__arg_i64(call, 0, i);
    return QV_OK;
}

qv_status qv__bind_make_date(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                             qv__type **result, qv_error *err)
{
    for (size_t k = 0; k < n; k++) {
        const qv__type *type = args[k]->type;
        if (!qv__is_int(type) && !qv__is_text(type) && type->id != QV_TYPE_NULL)
            return qv__fail_argument(self, k, type, "an integer", err);
        if (type->id != QV_TYPE_INT64)
            QV_TRY(qv__type_new(QV_TYPE_INT64, &wanted[k], err));
    }
    return qv__type_new(QV_TYPE_DATE32, result, err);
}

qv_status qv__make_date_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    int64_t year = qv__arg_i64(call, 0, i), month = qv__arg_i64(call, 1, i), day = qv__arg_i64(call, 2, i);

    if (year < -262143 || year > 262142)
        return qv__fail(err, QV_INVALID, "make_date: the year %lld is out of range", (long long) year);
    if (month < 1 || month > 12)
        return qv__fail(err, QV_INVALID, "make_date: the month %lld is out of range", (long long) month);
    if (day < 1 || day > qv__days_in_month(year, (int) month))
        return qv__fail(err, QV_INVALID, "make_date: there is no day %lld in %lld-%02lld", (long long) day,
                        (long long) year, (long long) month);
    out->i = qv__days_of_civil(year, (int) month, (int) day);
    return QV_OK;
}
