/* Arithmetic. A loop runs over all rows and tells whether any went wrong; only then is it asked which, and whether that row counts. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "expr/expr_private.h"
#include "expr/kern.h"

typedef struct pair {
    const qv__array *a, *b;
    bool a_one, b_one;
} pair;

static int64_t row_of(bool one, size_t i) { return one ? 0 : (int64_t) i; }

/* The first row among `ready` for which `wrong` says so; n: none. */
static size_t first_wrong(const qv__expr *expr, const pair *p, const uint64_t *ready, size_t n,
                          bool (*wrong)(const qv__expr *, const qv__array *, int64_t, const qv__array *, int64_t))
{
    for (size_t w = 0; w < qv__words(n); w++)
        for (uint64_t rest = ready[w]; rest; rest &= rest - 1) {
            size_t i = w * 64 + (size_t) __builtin_ctzll(rest);
            if (wrong(expr, p->a, row_of(p->a_one, i), p->b, row_of(p->b_one, i)))
                return i;
        }
    return n;
}

/* ------------------------------------------------------------------ whole numbers and floats */

static __int128 load_whole(const qv__array *array, int64_t i)
{
    int64_t value = qv__load_int(array, i);

    return array->type->id == QV_TYPE_UINT64 ? (__int128) (uint64_t) value : (__int128) value;
}

static bool divides_by_zero(const qv__expr *expr, const qv__array *b, int64_t j)
{
    return (expr->arithmetic == QV_DIV || expr->arithmetic == QV_MOD) && load_whole(b, j) == 0;
}

/* Does the exact result pass the type? */
static bool whole_wrong(const qv__expr *expr, const qv__array *a, int64_t i, const qv__array *b, int64_t j)
{
    __int128 x = load_whole(a, i), y = load_whole(b, j), r;
    int bits = qv__type_bits(expr->type);
    bool is_signed = !(expr->type->id >= QV_TYPE_UINT8 && expr->type->id <= QV_TYPE_UINT64);
    __int128 least = is_signed ? -((__int128) 1 << (bits - 1)) : 0;
    __int128 most = ((__int128) 1 << (is_signed ? bits - 1 : bits)) - 1;

    if (divides_by_zero(expr, b, j))
        return true;
    switch (expr->arithmetic) {
    case QV_ADD:
        r = x + y;
        break;
    case QV_SUB:
        r = x - y;
        break;
    case QV_MUL:
        if (__builtin_mul_overflow(x, y, &r))
            return true;
        break;
    case QV_DIV:
        r = x / y;
        break;
    default:
        return false;
    }
    return r < least || r > most;
}

static qv_status tell_whole(const qv__eval *e, const qv__expr *expr, const pair *p, size_t i)
{
    int64_t row_a = row_of(p->a_one, i), row_b = row_of(p->b_one, i);
    bool is_unsigned = expr->type->id == QV_TYPE_UINT64;
    char x[32], y[32], name[96];

    if (divides_by_zero(expr, p->b, row_b))
        return qv__fail_at(e->err, QV_INVALID, e->program, expr, "Arrow error: Divide by zero error");
    snprintf(x, sizeof x, is_unsigned ? "%llu" : "%lld", (long long) qv__load_int(p->a, row_a));
    snprintf(y, sizeof y, is_unsigned ? "%llu" : "%lld", (long long) qv__load_int(p->b, row_b));
    return qv__fail_at(e->err, QV_INVALID, e->program, expr,
                       "Arrow error: Arithmetic overflow: Overflow happened on: %s %s %s does not fit in %s", x,
                       qv__arithmetic_sign(expr->arithmetic), y, qv__type_print_sql(expr->type, name, sizeof name));
}

static qv_status with_kernel(const qv__eval *e, const qv__expr *expr, const pair *p, qv__kern_type type,
                             const uint64_t *valid, const uint64_t *ready, qv__array **out)
{
    static const int kernels[] = { QV_KERN_ADD, QV_KERN_SUB, QV_KERN_MUL, QV_KERN_DIV,
                                   QV_KERN_MOD, QV_KERN_AND, QV_KERN_OR,  QV_KERN_XOR };
    qv_status st = QV_OK;
    qv__kern_form form = p->a_one ? QV_KERN_LEFT_ONE : p->b_one ? QV_KERN_RIGHT_ONE : QV_KERN_BOTH;
    size_t n = p->a_one && p->b_one ? 1 : e->n, wrong;
    qv__array *result = NULL;
    void *values;

    QV_TRY(qv__result_new(expr->type, e->n, valid, &result, &values, e->err));
    bool good = qv__expr_kernels()->arithmetic[kernels[expr->arithmetic]][type][form](
        qv__array_values(p->a), qv__array_values(p->b), n, values);
    if (!good) {
        wrong = first_wrong(expr, p, ready, e->n, whole_wrong);
        if (wrong < e->n)
            QV_CHECK(tell_whole(e, expr, p, wrong));
    }
    size_t width = (size_t) qv__type_bits(expr->type) / 8;
    for (size_t i = n; i < e->n; i++)
        memcpy((uint8_t *) values + i * width, values, width);
    *out = result;
    result = NULL;
done:
    qv__array_unref(result);
    return st;
}

/* ------------------------------------------------------------------ decimals */

static __int128 load_decimal(const qv__array *array, int64_t i)
{
    __int128 value;

    memcpy(&value, array->buffers[1].data + (size_t) (array->offset + i) * 16, sizeof value);
    return value;
}

static __int128 power_of_ten(int n)
{
    __int128 power = 1;

    while (n-- > 0)
        power *= 10;
    return power;
}

/* value * 10^n, n up to 76 */
static bool scale_up(__int128 *value, int n)
{
    if (*value == 0 || n == 0)
        return true;
    return n <= 38 && !__builtin_mul_overflow(*value, power_of_ten(n), value);
}

/* Precise: digits past the result's scale are cut. False: it has no value, or one of too many digits. */
static bool decimal_result(const qv__expr *expr, __int128 x, int sx, __int128 y, int sy, __int128 *out)
{
    int scale = expr->type->scale, common = QV_MAX(sx, sy);
    __int128 most = power_of_ten(expr->type->precision);
    bool good = true;

    switch (expr->arithmetic) {
    case QV_MUL:
        good = !__builtin_mul_overflow(x, y, out);
        break;
    case QV_DIV:
        good = y != 0 && (scale - sx + sy >= 0 ? scale_up(&x, scale - sx + sy) : scale_up(&y, sx - sy - scale));
        *out = good ? x / y : 0;
        break;
    default:
        good = scale_up(&x, common - sx) && scale_up(&y, common - sy);
        if (expr->arithmetic == QV_ADD)
            good = good && !__builtin_add_overflow(x, y, out);
        else if (expr->arithmetic == QV_SUB)
            good = good && !__builtin_sub_overflow(x, y, out);
        else if ((good = good && y != 0))
            *out = x % y;
    }
    return good && *out<most && * out> - most;
}

static qv_status with_decimals(const qv__eval *e, const qv__expr *expr, const pair *p, const uint64_t *valid,
                               const uint64_t *ready, qv__array **out)
{
    qv_status st = QV_OK;
    char name[96];
    qv__array *result = NULL;
    void *values;

    QV_TRY(qv__result_new(expr->type, e->n, valid, &result, &values, e->err));
    memset(values, 0, e->n * 16);
    for (size_t w = 0; w < qv__words(e->n); w++)
        for (uint64_t rest = ready[w]; rest; rest &= rest - 1) {
            size_t i = w * 64 + (size_t) __builtin_ctzll(rest);
            __int128 x = load_decimal(p->a, row_of(p->a_one, i)), y = load_decimal(p->b, row_of(p->b_one, i)), r = 0;

            if (!decimal_result(expr, x, p->a->type->scale, y, p->b->type->scale, &r))
                QV_CHECK(qv__fail_at(e->err, QV_INVALID, e->program, expr,
                                     y == 0 && (expr->arithmetic == QV_DIV || expr->arithmetic == QV_MOD)
                                         ? "Arrow error: Divide by zero error"
                                         : "Arrow error: Arithmetic overflow: the result of %s does not fit in %s",
                                     qv__arithmetic_sign(expr->arithmetic),
                                     qv__type_print_sql(expr->type, name, sizeof name)));
            memcpy((uint8_t *) values + i * 16, &r, sizeof r);
        }
    *out = result;
    result = NULL;
done:
    qv__array_unref(result);
    return st;
}

/* ------------------------------------------------------------------ intervals */

/* Times of the day go round the clock. */
static int64_t add_to_time(const qv__type *type, int64_t ticks, const qv__interval *interval, int sign)
{
    int64_t per_second = qv__unit_per_second(type->unit), per_day = 86400 * per_second;
    __int128 total = ticks + (__int128) interval->nanoseconds * sign * per_second / 1000000000;

    total %= per_day;
    return (int64_t) (total < 0 ? total + per_day : total);
}

static qv_status with_interval(const qv__eval *e, const qv__expr *expr, const pair *p, const uint64_t *valid,
                               const uint64_t *ready, qv__array **out)
{
    qv_status st = QV_OK;
    bool is_time = expr->type->id == QV_TYPE_TIME32 || expr->type->id == QV_TYPE_TIME64;
    int sign = expr->arithmetic == QV_ADD ? 1 : -1;
    size_t width = (size_t) qv__type_bits(expr->type) / 8;
    char name[96];
    qv__interval interval = { 0 };
    qv__array *result = NULL;
    void *values;

    if (p->b_one && !qv__array_is_null(p->b, 0))
        interval = qv__interval_at(p->b, 0);
    QV_TRY(qv__result_new(expr->type, e->n, valid, &result, &values, e->err));
    memset(values, 0, e->n * width);
    for (size_t w = 0; w < qv__words(e->n); w++)
        for (uint64_t rest = ready[w]; rest; rest &= rest - 1) {
            size_t i = w * 64 + (size_t) __builtin_ctzll(rest);
            int64_t ticks = qv__load_int(p->a, row_of(p->a_one, i)), sum = 0;

            if (!p->b_one)
                interval = qv__interval_at(p->b, (int64_t) i);
            if (is_time)
                sum = add_to_time(expr->type, ticks, &interval, sign);
            else if (!qv__interval_add(expr->type, ticks, &interval, sign, &sum))
                QV_CHECK(qv__fail_at(e->err, QV_INVALID, e->program, expr,
                                     "Arrow error: the sum of a date and an interval does not fit in %s",
                                     qv__type_print_sql(expr->type, name, sizeof name)));
            memcpy((uint8_t *) values + i * width, &sum, width);
        }
    *out = result;
    result = NULL;
done:
    qv__array_unref(result);
    return st;
}

/* The three fields of an interval as columns of a struct of n rows. */
static qv_status interval_array(const qv__type *type, size_t n, const uint64_t *valid, qv__array **out, void *fields[3],
                                qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *array = NULL, *carrier = NULL;
    void *unused;

    QV_TRY(qv__array_new(type, (int64_t) n, 3, &array, err));
    QV_CHECK(qv__result_new(type->children[0].type, n, valid, &carrier, &unused, err)); /* lends its validity */
    array->buffers[0] = qv__bytes_ref(carrier->buffers[0]);
    array->null_count = carrier->null_count;
    for (size_t k = 0; k < 3; k++) {
        QV_CHECK(qv__result_new(type->children[k].type, n, NULL, &array->children[k], &fields[k], err));
        memset(fields[k], 0, n * (k < 2 ? 4 : 8));
    }
    *out = array;
    array = NULL;
done:
    qv__array_unref(carrier);
    qv__array_unref(array);
    return st;
}

/* Interval +- interval; `b` NULL: minus the interval. */
static qv_status with_intervals(const qv__eval *e, const qv__expr *expr, const pair *p, int sign, const uint64_t *valid,
                                const uint64_t *ready, qv__array **out)
{
    qv_status st = QV_OK;
    qv__array *result = NULL;
    void *fields[3];

    QV_TRY(interval_array(expr->type, e->n, valid, &result, fields, e->err));
    for (size_t w = 0; w < qv__words(e->n); w++)
        for (uint64_t rest = ready[w]; rest; rest &= rest - 1) {
            size_t i = w * 64 + (size_t) __builtin_ctzll(rest);
            qv__interval x = p->b ? qv__interval_at(p->a, row_of(p->a_one, i)) : (qv__interval){ 0 };
            qv__interval y = qv__interval_at(p->b ? p->b : p->a, row_of(p->b ? p->b_one : p->a_one, i));
            __int128 months = (__int128) x.months + sign * (__int128) y.months;
            __int128 days = (__int128) x.days + sign * (__int128) y.days;
            __int128 ns = (__int128) x.nanoseconds + sign * (__int128) y.nanoseconds;

            ((int32_t *) fields[0])[i] = (int32_t) months;
            ((int32_t *) fields[1])[i] = (int32_t) days;
            ((int64_t *) fields[2])[i] = (int64_t) ns;
            if (months != (int32_t) months || days != (int32_t) days || ns != (int64_t) ns)
                QV_CHECK(qv__fail_at(e->err, QV_INVALID, e->program, expr, "Arrow error: interval out of range"));
        }
    *out = result;
    result = NULL;
done:
    qv__array_unref(result);
    return st;
}

/* ------------------------------------------------------------------ the doors */

qv_status qv__eval_arithmetic(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out)
{
    qv_status st = QV_OK;
    uint64_t valid[QV_EVAL_WORDS], valid_b[QV_EVAL_WORDS], ready[QV_EVAL_WORDS];
    qv__array *a = NULL, *b = NULL;
    qv__kern_type type;

    QV_CHECK(qv__eval_expr(e, expr->args[0], live, &a));
    QV_CHECK(qv__eval_expr(e, expr->args[1], live, &b));
    pair p = { a, b, qv__is_literal(expr->args[0]), qv__is_literal(expr->args[1]) };
    qv__valid_words(a, p.a_one, e->n, valid);
    qv__valid_words(b, p.b_one, e->n, valid_b);
    for (size_t w = 0; w < qv__words(e->n); w++) {
        valid[w] &= valid_b[w];
        ready[w] = valid[w] & live[w];
    }
    if (qv__type_is_interval(expr->type))
        QV_CHECK(with_intervals(e, expr, &p, expr->arithmetic == QV_ADD ? 1 : -1, valid, ready, out));
    else if (qv__type_is_interval(b->type))
        QV_CHECK(with_interval(e, expr, &p, valid, ready, out));
    else if (qv__kern_type_of(expr->type, &type))
        QV_CHECK(with_kernel(e, expr, &p, type, valid, ready, out));
    else
        QV_CHECK(with_decimals(e, expr, &p, valid, ready, out));
done:
    qv__array_unref(a);
    qv__array_unref(b);
    return st;
}

/* 0 - x for whole numbers and decimals; floats turn their sign. */
static qv_status negate_value(const qv__eval *e, const qv__expr *expr, const qv__array *a, int64_t i, uint8_t *to)
{
    char name[96];
    size_t width = (size_t) qv__type_bits(expr->type) / 8;
    const uint8_t *from = a->buffers[1].data + (size_t) (a->offset + i) * width;

    memcpy(to, from, width);
    if (qv__type_is_float(expr->type)) {
        to[width - 1] ^= 0x80;
    } else if (width == 16) {
        __int128 value = -load_decimal(a, i);
        memcpy(to, &value, width);
    } else {
        int64_t value = qv__load_int(a, i);
        if (value == (int64_t) (UINT64_MAX << (width * 8 - 1)))
            return qv__fail_at(e->err, QV_INVALID, e->program, expr,
                               "Arrow error: Arithmetic overflow: Overflow happened on: - %lld does not fit in %s",
                               (long long) value, qv__type_print_sql(expr->type, name, sizeof name));
        value = -value;
        memcpy(to, &value, width);
    }
    return QV_OK;
}

qv_status qv__eval_negate(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out)
{
    qv_status st = QV_OK;
    bool one = qv__is_literal(expr->args[0]);
    uint64_t valid[QV_EVAL_WORDS], ready[QV_EVAL_WORDS];
    size_t width = (size_t) qv__type_bits(expr->type) / 8;
    qv__array *a = NULL, *result = NULL;
    void *values;

    QV_TRY(qv__eval_expr(e, expr->args[0], live, &a));
    qv__valid_words(a, one, e->n, valid);
    for (size_t w = 0; w < qv__words(e->n); w++)
        ready[w] = valid[w] & live[w];
    if (qv__type_is_interval(expr->type)) {
        pair p = { a, NULL, one, false };
        QV_CHECK(with_intervals(e, expr, &p, -1, valid, ready, out));
        goto done;
    }
    QV_CHECK(qv__result_new(expr->type, e->n, valid, &result, &values, e->err));
    memset(values, 0, e->n * width);
    for (size_t w = 0; w < qv__words(e->n); w++)
        for (uint64_t rest = ready[w]; rest; rest &= rest - 1) {
            size_t i = w * 64 + (size_t) __builtin_ctzll(rest);
            QV_CHECK(negate_value(e, expr, a, row_of(one, i), (uint8_t *) values + i * width));
        }
    *out = result;
    result = NULL;
done:
    qv__array_unref(result);
    qv__array_unref(a);
    return st;
}
