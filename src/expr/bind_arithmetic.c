/* Types of + - * / % & | ^ and unary minus: numbers by the wider of two, decimals by the rules of Arrow, instants with intervals. */
#include <string.h>

#include "base/alloc.h"
#include "expr/bind_private.h"

const char *qv__arithmetic_sign(qv__arithmetic op)
{
    static const char *const signs[] = { "+", "-", "*", "/", "%", "&", "|", "^" };

    return signs[op];
}

static qv_status cannot(qv__binder *b, qv__arithmetic op, const qv__expr *left, const qv__expr *right, uint32_t at)
{
    char a[96], c[96];

    return qv__bind_fail(b, at, "Cannot coerce arithmetic expression %s %s %s to valid types",
                         qv__type_print_sql(left->type, a, sizeof a), qv__arithmetic_sign(op),
                         qv__type_print_sql(right->type, c, sizeof c));
}

static bool is_date(const qv__type *t) { return t->id == QV_TYPE_DATE32 || t->id == QV_TYPE_DATE64; }
static bool is_time(const qv__type *t) { return t->id == QV_TYPE_TIME32 || t->id == QV_TYPE_TIME64; }

static qv_status finish(qv__binder *b, qv__arithmetic op, const qv__type *type, qv__expr *left, qv__expr *right,
                        uint32_t at, qv__expr **out)
{
    QV_TRY(qv__node_new(b->tree, QV_EXPR_ARITHMETIC, type, at, 2, out, b->err));
    (*out)->args[0] = left;
    (*out)->args[1] = right;
    (*out)->arithmetic = op;
    (*out)->nullable = left->nullable || right->nullable;
    QV_TRY(qv__node_finish(*out, b->err));
    return qv__bind_fold(b, *out, out);
}

static qv_status cast_to(qv__binder *b, qv__expr **expr, qv__type_id id, qv__unit unit)
{
    qv__type *type;
    qv_status st;

    QV_TRY(qv__type_new(id, &type, b->err));
    type->unit = unit;
    st = qv__bind_cast(b, *expr, type, expr);
    qv__type_unref(type);
    return st;
}

/* ------------------------------------------------------------------ instants */

/* timestamp - timestamp: a duration of the finer unit. Dates beside a timestamp become timestamps. */
static qv_status instant_difference(qv__binder *b, qv__expr *left, qv__expr *right, uint32_t at, qv__expr **out)
{
    qv_status st = QV_OK;
    qv__type *common = NULL, *duration = NULL;

    if (is_date(left->type) && is_date(right->type)) { /* whole days */
        QV_TRY(cast_to(b, &left, QV_TYPE_DATE32, QV_UNIT_S));
        QV_TRY(cast_to(b, &right, QV_TYPE_DATE32, QV_UNIT_S));
        QV_TRY(cast_to(b, &left, QV_TYPE_INT64, QV_UNIT_S));
        QV_TRY(cast_to(b, &right, QV_TYPE_INT64, QV_UNIT_S));
        return finish(b, QV_SUB, left->type, left, right, at, out);
    }
    QV_CHECK(qv__type_common((qv__type *[]){ left->type, right->type }, 2, &common, b->err));
    QV_CHECK(qv__bind_cast(b, left, common, &left));
    QV_CHECK(qv__bind_cast(b, right, common, &right));
    QV_CHECK(qv__type_new(QV_TYPE_DURATION, &duration, b->err));
    duration->unit = common->unit;
    QV_CHECK(finish(b, QV_SUB, duration, left, right, at, out));
done:
    qv__type_unref(common);
    qv__type_unref(duration);
    return st;
}

/* A timestamp (or date, which becomes one) and a duration, or two durations: in the finer unit of both. */
static qv_status with_duration(qv__binder *b, qv__arithmetic op, qv__expr *left, qv__expr *right, uint32_t at,
                               qv__expr **out)
{
    qv_status st = QV_OK;
    qv__unit unit = is_date(left->type) ? right->type->unit : QV_MAX(left->type->unit, right->type->unit);
    qv__type *type = NULL;

    QV_CHECK(qv__type_new(left->type->id == QV_TYPE_DURATION ? QV_TYPE_DURATION : QV_TYPE_TIMESTAMP, &type, b->err));
    type->unit = unit;
    if (left->type->timezone) {
        type->timezone = qv__strdup(left->type->timezone);
        if (!type->timezone)
            QV_CHECK(qv__fail_nomem(b->err, strlen(left->type->timezone)));
    }
    QV_CHECK(qv__bind_cast(b, left, type, &left));
    QV_CHECK(cast_to(b, &right, QV_TYPE_DURATION, unit));
    QV_CHECK(finish(b, op, type, left, right, at, out));
done:
    qv__type_unref(type);
    return st;
}

/* *done false: no rule for times fits. */
static qv_status bind_times(qv__binder *b, qv__arithmetic op, qv__expr *left, qv__expr *right, uint32_t at, bool *done,
                            qv__expr **out)
{
    const qv__type *l = left->type, *r = right->type;
    bool l_interval = qv__type_is_interval(l), r_interval = qv__type_is_interval(r);
    bool l_instant = is_date(l) || l->id == QV_TYPE_TIMESTAMP, r_instant = is_date(r) || r->id == QV_TYPE_TIMESTAMP;
    bool l_point = l_instant || is_time(l), r_point = r_instant || is_time(r);
    bool swap = op == QV_ADD && ((l_interval && r_point) || (l->id == QV_TYPE_DURATION && r_instant) ||
                                 (qv__type_is_int(l) && is_date(r)));

    *done = true;
    if (op != QV_ADD && op != QV_SUB) {
        *done = false;
        return QV_OK;
    }
    if (swap)
        return bind_times(b, op, right, left, at, done, out);
    if (r_interval && (l_point || l_interval))
        return finish(b, op, l, left, right, at, out);
    if (r->id == QV_TYPE_DURATION && (l_instant || l->id == QV_TYPE_DURATION))
        return with_duration(b, op, left, right, at, out);
    if (op == QV_SUB && l_instant && r_instant)
        return instant_difference(b, left, right, at, out);
    if (is_date(l) && qv__type_is_int(r)) { /* days */
        QV_TRY(cast_to(b, &left, QV_TYPE_DATE32, QV_UNIT_S));
        QV_TRY(cast_to(b, &right, QV_TYPE_INT32, QV_UNIT_S));
        return finish(b, op, left->type, left, right, at, out);
    }
    *done = false;
    return QV_OK;
}

/* ------------------------------------------------------------------ numbers */

/* Arrow's precision and scale of a result; 38 digits at most. The operands keep their own. */
static qv_status bind_decimal(qv__binder *b, qv__arithmetic op, qv__expr *left, qv__expr *right, uint32_t at,
                              qv__expr **out)
{
    qv_status st;
    int p1 = left->type->precision, s1 = left->type->scale, p2 = right->type->precision, s2 = right->type->scale;
    int scale = QV_MAX(s1, s2), precision;
    qv__type *type;

    if (left->type->id == QV_TYPE_DECIMAL256 || right->type->id == QV_TYPE_DECIMAL256)
        return qv__bind_fail(b, at, "arithmetic on decimals of more than 38 digits is not supported");
    if (op == QV_MUL) {
        scale = s1 + s2;
        precision = p1 + p2 + 1;
    } else if (op == QV_DIV) {
        scale = s1 + 4;
        precision = p1 + 4 + s2;
    } else if (op == QV_MOD) {
        precision = QV_MIN(p1 - s1, p2 - s2) + scale;
    } else {
        precision = QV_MAX(p1 - s1, p2 - s2) + scale + 1;
    }
    if (scale > 38 || scale < -38)
        return qv__bind_fail(b, at, "the result of %s has %d digits after the point; 38 are the most",
                             qv__arithmetic_sign(op), scale);
    QV_TRY(qv__type_new(QV_TYPE_DECIMAL128, &type, b->err));
    type->scale = scale;
    type->precision = QV_MIN(QV_MAX(precision, 1), 38);
    st = finish(b, op, type, left, right, at, out);
    qv__type_unref(type);
    return st;
}

static bool is_decimal(const qv__expr *e) { return qv__type_is_decimal(e->type); }

/* An integer as a decimal that holds all of its type. */
static qv_status int_to_decimal(qv__binder *b, qv__expr *expr, qv__expr **out)
{
    qv_status st;
    qv__type *type;

    *out = expr;
    if (!qv__type_is_int(expr->type))
        return QV_OK;
    QV_TRY(qv__type_new(QV_TYPE_DECIMAL128, &type, b->err));
    type->precision = qv__type_bits(expr->type) == 64   ? 20
                      : qv__type_bits(expr->type) == 32 ? 10
                      : qv__type_bits(expr->type) == 16 ? 5
                                                        : 3;
    st = qv__bind_cast(b, expr, type, out);
    qv__type_unref(type);
    return st;
}

/* uint64 beside a whole literal that is not negative stays uint64; a difference may be negative, so it does not. */
static qv_status keep_unsigned(qv__binder *b, qv__arithmetic op, qv__expr *left, qv__expr **right)
{
    bool fits = qv__is_literal(*right) && !qv__is_null_literal(*right) && (*right)->type->id == QV_TYPE_INT64 &&
                left->type->id == QV_TYPE_UINT64 && op != QV_SUB && qv__load_int((*right)->literal, 0) >= 0;

    return fits ? cast_to(b, right, QV_TYPE_UINT64, QV_UNIT_S) : QV_OK;
}

/* Half precision is worked out in single, and comes back as half. */
static qv_status bind_half(qv__binder *b, qv__arithmetic op, qv__expr *left, qv__expr *right, uint32_t at,
                           qv__expr **out)
{
    QV_TRY(cast_to(b, &left, QV_TYPE_FLOAT32, QV_UNIT_S));
    QV_TRY(cast_to(b, &right, QV_TYPE_FLOAT32, QV_UNIT_S));
    QV_TRY(finish(b, op, left->type, left, right, at, out));
    return cast_to(b, out, QV_TYPE_FLOAT16, QV_UNIT_S);
}

static bool is_half(const qv__type *a, const qv__type *b)
{
    return a->id == QV_TYPE_FLOAT16 && (b->id == QV_TYPE_FLOAT16 || qv__type_is_int(b));
}

static qv_status bind_numbers(qv__binder *b, qv__arithmetic op, qv__expr *left, qv__expr *right, uint32_t at,
                              qv__expr **out)
{
    qv_status st = QV_OK;
    qv__type *common = NULL;
    bool bits = op >= QV_BIT_AND;

    QV_TRY(keep_unsigned(b, op, left, &right));
    QV_TRY(keep_unsigned(b, op, right, &left));
    if (!bits && (is_half(left->type, right->type) || is_half(right->type, left->type)))
        return bind_half(b, op, left, right, at, out);
    QV_TRY(qv__type_common((qv__type *[]){ left->type, right->type }, 2, &common, b->err));
    if (common->id == QV_TYPE_NULL) { /* NULL + NULL */
        qv__type_unref(common);
        common = NULL;
        QV_CHECK(qv__type_new(QV_TYPE_INT64, &common, b->err));
    }
    if (bits && !qv__type_is_int(common)) {
        QV_CHECK(cannot(b, op, left, right, at));
    } else if (qv__type_is_decimal(common)) {
        if (!is_decimal(left) && !qv__type_is_int(left->type))
            QV_CHECK(qv__bind_cast(b, left, common, &left)); /* NULL */
        if (!is_decimal(right) && !qv__type_is_int(right->type))
            QV_CHECK(qv__bind_cast(b, right, common, &right));
        QV_CHECK(int_to_decimal(b, left, &left));
        QV_CHECK(int_to_decimal(b, right, &right));
        QV_CHECK(bind_decimal(b, op, left, right, at, out));
    } else {
        QV_CHECK(qv__bind_cast(b, left, common, &left));
        QV_CHECK(qv__bind_cast(b, right, common, &right));
        QV_CHECK(finish(b, op, common, left, right, at, out));
    }
done:
    qv__type_unref(common);
    return st;
}

static bool is_number(const qv__type *type)
{
    return qv__type_is_int(type) || qv__type_is_float(type) || qv__type_is_decimal(type) || type->id == QV_TYPE_NULL;
}

/* NULL beside an instant is a null interval, beside anything else a null of its type. */
static qv_status null_beside(qv__binder *b, const qv__type *type, qv__expr **null)
{
    qv_status st;
    qv__type *interval;

    if (!is_date(type) && !is_time(type) && type->id != QV_TYPE_TIMESTAMP)
        return qv__bind_cast(b, *null, type, null);
    QV_TRY(qv__interval_type(&interval, b->err));
    st = qv__bind_cast(b, *null, interval, null);
    qv__type_unref(interval);
    return st;
}

qv_status qv__bind_arithmetic(qv__binder *b, qv__arithmetic op, qv__expr *left, qv__expr *right, uint32_t at,
                              qv__expr **out)
{
    bool done;

    QV_TRY(qv__bind_plain(b, left, false, &left));
    QV_TRY(qv__bind_plain(b, right, false, &right));
    if (left->type->id == QV_TYPE_NULL && !is_number(right->type))
        QV_TRY(null_beside(b, right->type, &left));
    if (right->type->id == QV_TYPE_NULL && !is_number(left->type))
        QV_TRY(null_beside(b, left->type, &right));
    QV_TRY(bind_times(b, op, left, right, at, &done, out));
    if (done)
        return QV_OK;
    if (!is_number(left->type) || !is_number(right->type))
        return cannot(b, op, left, right, at);
    return bind_numbers(b, op, left, right, at, out);
}

qv_status qv__bind_negate(qv__binder *b, qv__expr *arg, uint32_t at, qv__expr **out)
{
    const qv__type *type;

    QV_TRY(qv__bind_plain(b, arg, false, &arg));
    type = arg->type;
    if (type->id == QV_TYPE_NULL) {
        QV_TRY(cast_to(b, &arg, QV_TYPE_INT64, QV_UNIT_S));
        type = arg->type;
    }
    if (!(type->id >= QV_TYPE_INT8 && type->id <= QV_TYPE_INT64) && !qv__type_is_float(type) &&
        type->id != QV_TYPE_DECIMAL128 && type->id != QV_TYPE_DURATION && !qv__type_is_interval(type))
        return qv__bind_fail(b, at, "Unary operator '-' only supports signed numeric and interval types");
    QV_TRY(qv__node_new(b->tree, QV_EXPR_NEGATE, type, at, 1, out, b->err));
    (*out)->args[0] = arg;
    (*out)->nullable = arg->nullable;
    QV_TRY(qv__node_finish(*out, b->err));
    return qv__bind_fold(b, *out, out);
}
