#include "qvt_expr.h"

#include <math.h>
#include <time.h>

#include "arrow/builder.h"
#include "arrow/compute/values.h"
#include "expr/function.h"
#include "expr/interval.h"

/* ------------------------------------------------------------------ values */

enum { MOST_KEPT = 4096 };
static qv__array *kept[MOST_KEPT];
static size_t n_kept;

static qv__array *keep(qv__array *array)
{
    assert_true(n_kept < MOST_KEPT);
    kept[n_kept++] = array;
    return array;
}

void qvt_expr_forget(void)
{
    while (n_kept)
        qv__array_unref(kept[--n_kept]);
}

static bool is_bytes(const qv__type *t) { return t->id >= QV_TYPE_UTF8 && t->id <= QV_TYPE_FIXED_BINARY; }
static bool is_whole(const qv__type *t)
{
    return t->id == QV_TYPE_BOOL || qv__type_is_int(t) || qv__type_is_temporal(t) || t->id == QV_TYPE_DECIMAL128;
}

qvt_value qvt_value_of(const qv__array *array, int64_t i)
{
    qvt_value v = { .null = qv__array_is_null(array, i), .array = array, .row = i };

    if (v.null)
        return v;
    if (array->type->id == QV_TYPE_DECIMAL128)
        memcpy(&v.whole, array->buffers[1].data + 16 * (array->offset + i), 16);
    else if (array->type->id == QV_TYPE_UINT64)
        v.whole = (__int128) (uint64_t) qv__load_int(array, i);
    else if (is_whole(array->type))
        v.whole = qv__load_int(array, i);
    else if (qv__type_is_float(array->type))
        v.real = qv__load_float(array, i);
    else if (is_bytes(array->type))
        v.bytes = qv__array_string(array, i, &v.len);
    return v;
}

bool qvt_values_equal(const qv__type *type, const qvt_value *a, const qvt_value *b)
{
    if (a->null || b->null)
        return a->null && b->null;
    if (is_whole(type))
        return a->whole == b->whole;
    if (qv__type_is_float(type))
        return isnan(a->real) ? isnan(b->real) : a->real == b->real && signbit(a->real) == signbit(b->real);
    if (is_bytes(type))
        return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
    return qv__value_compare(a->array, a->row, b->array, b->row) == 0;
}

qv__array *qvt_column(const qv__type *type, size_t n, const char *const *texts)
{
    qv_error err;
    qv__type *utf8;
    qv__builder *builder;
    qv__array *strings, *out;

    QVT_OK(qv__type_new(QV_TYPE_UTF8, &utf8, &err));
    QVT_OK(qv__builder_new(utf8, &builder, &err));
    for (size_t i = 0; i < n; i++)
        if (texts[i])
            QVT_OK(qv__builder_append_bytes(builder, texts[i], strlen(texts[i]), &err));
        else
            QVT_OK(qv__builder_append_null(builder, &err));
    QVT_OK(qv__builder_finish(builder, &strings, &err));
    QVT_OK(qv__array_cast(strings, type, QV_CAST_SQL, &out, &err));
    qv__builder_free(builder);
    qv__array_unref(strings);
    qv__type_unref(utf8);
    return out;
}

/* A value as an array of one row, for casts and functions. */
static qv__array *array_of(const qv__type *type, const qvt_value *v)
{
    qv_error err;
    qv__builder *builder;
    qv__array *out;
    uint8_t raw[16];
    double real = v->real;
    float single = (float) real;
    size_t width = (size_t) qv__type_bits(type) / 8;

    if (!is_whole(type) && !qv__type_is_float(type) && !is_bytes(type)) {
        if (v->array && qv__type_equal(v->array->type, type))
            QVT_OK(qv__array_slice(v->array, v->row, 1, &out, &err));
        else
            QVT_OK(qv__array_new_null(type, 1, &out, &err));
        return keep(out);
    }
    QVT_OK(qv__builder_new(type, &builder, &err));
    memcpy(raw, &v->whole, 16);
    if (v->null)
        QVT_OK(qv__builder_append_null(builder, &err));
    else if (type->id == QV_TYPE_BOOL)
        QVT_OK(qv__builder_append_bool(builder, v->whole != 0, &err));
    else if (is_bytes(type))
        QVT_OK(qv__builder_append_bytes(builder, v->bytes, v->len, &err));
    else if (type->id == QV_TYPE_FLOAT16)
        QVT_OK(qv__builder_append_fixed(builder, v->array->buffers[1].data + 2 * (v->array->offset + v->row), &err));
    else
        QVT_OK(qv__builder_append_fixed(builder,
                                        !qv__type_is_float(type) ? (const void *) raw
                                        : width == 4             ? (const void *) &single
                                                                 : (const void *) &real,
                                        &err));
    QVT_OK(qv__builder_finish(builder, &out, &err));
    qv__builder_free(builder);
    return keep(out);
}

/* ------------------------------------------------------------------ operations */

typedef struct row {
    const qv__program *program;
    qv__array *const *columns;
    int64_t i;
} row;

static bool eval(const row *r, const qv__expr *x, qvt_value *out);

static int order_of(const qv__type *type, const qvt_value *a, const qvt_value *b)
{
    size_t shorter = a->len < b->len ? a->len : b->len;

    if (is_whole(type))
        return (a->whole > b->whole) - (a->whole < b->whole);
    if (qv__type_is_float(type)) {
        if (isnan(a->real) || isnan(b->real))
            return isnan(a->real) - isnan(b->real);
        return (a->real > b->real) - (a->real < b->real);
    }
    if (is_bytes(type)) {
        int order = shorter ? memcmp(a->bytes, b->bytes, shorter) : 0;
        return order ? order : (a->len > b->len) - (a->len < b->len);
    }
    return qv__value_compare(a->array, a->row, b->array, b->row);
}

static bool eval_compare(const row *r, const qv__expr *x, qvt_value *out)
{
    qvt_value a, b;
    int order;

    if (!eval(r, x->args[0], &a) || !eval(r, x->args[1], &b))
        return false;
    if (x->compare >= QV_DISTINCT) {
        bool same = a.null || b.null ? a.null && b.null : order_of(x->args[0]->type, &a, &b) == 0;
        out->whole = same == (x->compare == QV_NOT_DISTINCT);
        return true;
    }
    out->null = a.null || b.null;
    if (out->null)
        return true;
    order = order_of(x->args[0]->type, &a, &b);
    switch (x->compare) {
    case QV_EQ:
        out->whole = order == 0;
        break;
    case QV_NE:
        out->whole = order != 0;
        break;
    case QV_LT:
        out->whole = order < 0;
        break;
    case QV_LE:
        out->whole = order <= 0;
        break;
    case QV_GT:
        out->whole = order > 0;
        break;
    default:
        out->whole = order >= 0;
    }
    return true;
}

static bool eval_logic(const row *r, const qv__expr *x, qvt_value *out)
{
    bool is_and = x->kind == QV_EXPR_AND;
    qvt_value v;

    out->whole = is_and;
    for (size_t k = 0; k < x->n_args; k++) {
        if (!eval(r, x->args[k], &v))
            return false;
        if (v.null) {
            out->null = true;
        } else if ((v.whole != 0) != is_and) {
            *out = (qvt_value){ .whole = !is_and };
            return true;
        }
    }
    return true;
}

static bool in_range(const qv__type *type, __int128 v)
{
    int bits = qv__type_bits(type);
    bool is_unsigned = type->id >= QV_TYPE_UINT8 && type->id <= QV_TYPE_UINT64;

    if (is_unsigned)
        return v >= 0 && v <= (((__int128) 1) << bits) - 1;
    return v >= -((__int128) 1 << (bits - 1)) && v <= ((__int128) 1 << (bits - 1)) - 1;
}

static bool whole_result(const qv__expr *x, __int128 a, __int128 b, __int128 *out)
{
    switch (x->arithmetic) {
    case QV_ADD:
        *out = a + b;
        break;
    case QV_SUB:
        *out = a - b;
        break;
    case QV_MUL:
        if (__builtin_mul_overflow(a, b, out))
            return false;
        break;
    case QV_DIV:
    case QV_MOD:
        if (b == 0)
            return false;
        *out = x->arithmetic == QV_DIV ? a / b : a % b;
        break;
    case QV_BIT_AND:
        *out = a & b;
        break;
    case QV_BIT_OR:
        *out = a | b;
        break;
    case QV_BIT_XOR:
        *out = a ^ b;
        break;
    }
    return in_range(x->type, *out);
}

static double real_result(const qv__expr *x, double a, double b)
{
    double result = x->arithmetic == QV_ADD   ? a + b
                    : x->arithmetic == QV_SUB ? a - b
                    : x->arithmetic == QV_MUL ? a * b
                    : x->arithmetic == QV_DIV ? a / b
                                              : fmod(a, b);

    return x->type->id == QV_TYPE_FLOAT32 ? (double) (float) result
                                          : result; /* double rounding is harmless for + - * / */
}

static __int128 ten_to(int n)
{
    __int128 power = 1;

    while (n-- > 0)
        power *= 10;
    return power;
}

static bool decimal_result(const qv__expr *x, __int128 a, __int128 b, __int128 *out)
{
    int sa = x->args[0]->type->scale, sb = x->args[1]->type->scale, common = sa > sb ? sa : sb;
    __int128 most = ten_to(x->type->precision);

    switch (x->arithmetic) {
    case QV_MUL:
        if (__builtin_mul_overflow(a, b, out))
            return false;
        break;
    case QV_DIV:
        if (b == 0 || __builtin_mul_overflow(a, ten_to(x->type->scale - sa + sb), &a))
            return false;
        *out = a / b;
        break;
    default:
        if (__builtin_mul_overflow(a, ten_to(common - sa), &a) || __builtin_mul_overflow(b, ten_to(common - sb), &b))
            return false;
        if (x->arithmetic == QV_MOD && b == 0)
            return false;
        *out = x->arithmetic == QV_ADD ? a + b : x->arithmetic == QV_SUB ? a - b : a % b;
    }
    return *out<most && * out> - most;
}

/* The calendar of the C library; only dates, with whole months and days. */
static bool date_result(const qv__expr *x, int64_t days, const qv__interval *v, __int128 *out)
{
    time_t when = (time_t) days * 86400;
    int sign = x->arithmetic == QV_ADD ? 1 : -1, day;
    struct tm tm;

    gmtime_r(&when, &tm);
    day = tm.tm_mday;
    if (v->months) {
        tm.tm_mday = 1;
        tm.tm_mon += sign * v->months;
        when = timegm(&tm);
        for (int k = 1; k < day; k++) { /* forward while the month lasts */
            time_t next = when + 86400;
            struct tm after;
            gmtime_r(&next, &after);
            if (after.tm_mday == 1)
                break;
            when = next;
        }
        days = when / 86400;
    }
    *out = (__int128) days + sign * ((__int128) v->days + v->nanoseconds / INT64_C(86400000000000));
    return in_range(x->type, *out);
}

static bool eval_arithmetic(const row *r, const qv__expr *x, qvt_value *out)
{
    qvt_value a, b;

    if (!eval(r, x->args[0], &a) || !eval(r, x->args[1], &b))
        return false;
    out->null = a.null || b.null;
    if (out->null)
        return true;
    if (qv__type_is_float(x->type)) {
        out->real = real_result(x, a.real, b.real);
        return true;
    }
    if (qv__type_is_interval(x->args[1]->type)) {
        qv__interval v = qv__interval_at(b.array, b.row);
        return date_result(x, (int64_t) a.whole, &v, &out->whole);
    }
    if (x->type->id == QV_TYPE_DECIMAL128)
        return decimal_result(x, a.whole, b.whole, &out->whole);
    return whole_result(x, a.whole, b.whole, &out->whole);
}

static bool like(const uint8_t *t, size_t n, const uint8_t *p, size_t m, const qv__expr *x)
{
    for (; m; p++, m--) {
        bool escaped = m > 1 && *p == (uint8_t) x->like.escape;

        if (!escaped && *p == '%') {
            for (size_t k = 0; k <= n; k++)
                if (like(t + k, n - k, p + 1, m - 1, x))
                    return true;
            return false;
        }
        p += escaped;
        m -= escaped;
        if (!n)
            return false;
        if (!escaped && *p == '_') {
            for (t++, n--; n && (*t & 0xc0) == 0x80; t++, n--) {
            }
            continue;
        }
        uint8_t c = *t, d = *p;
        if (x->like.ignore_case) {
            c = c >= 'A' && c <= 'Z' ? (uint8_t) (c + 32) : c;
            d = d >= 'A' && d <= 'Z' ? (uint8_t) (d + 32) : d;
        }
        if (c != d)
            return false;
        t++;
        n--;
    }
    return n == 0;
}

static bool eval_like(const row *r, const qv__expr *x, qvt_value *out)
{
    qvt_value a, b;

    if (!eval(r, x->args[0], &a) || !eval(r, x->args[1], &b))
        return false;
    out->null = a.null || b.null;
    if (!out->null)
        out->whole = like(a.bytes, a.len, b.bytes, b.len, x);
    return true;
}

static bool eval_in(const row *r, const qv__expr *x, qvt_value *out)
{
    qvt_value a;

    if (!eval(r, x->args[0], &a))
        return false;
    out->null = a.null || x->list.has_null;
    for (int64_t k = 0; !a.null && k < x->list.values->length; k++) {
        qvt_value b = qvt_value_of(x->list.values, k);
        if (order_of(x->args[0]->type, &a, &b) == 0)
            *out = (qvt_value){ .whole = 1 };
    }
    return true;
}

static bool eval_concat(const row *r, const qv__expr *x, qvt_value *out)
{
    uint8_t text[8192];
    size_t len = 0;
    qvt_value v;

    for (size_t k = 0; k < x->n_args; k++) {
        if (!eval(r, x->args[k], &v))
            return false;
        out->null |= v.null;
        if (v.null)
            continue;
        assert_true(len + v.len <= sizeof text);
        if (v.len)
            memcpy(text + len, v.bytes, v.len);
        len += v.len;
    }
    if (!out->null)
        *out = qvt_value_of(array_of(x->type, &(qvt_value){ .bytes = text, .len = len }), 0);
    return true;
}

static bool keeps(const row *r, const qv__expr *x, bool *out)
{
    qvt_value v;

    if (x->kind != QV_EXPR_AND && x->kind != QV_EXPR_OR) {
        if (!eval(r, x, &v))
            return false;
        *out = !v.null && v.whole;
        return true;
    }
    for (size_t k = 0; k < x->n_args; k++) {
        if (!keeps(r, x->args[k], out))
            return false;
        if (*out == (x->kind == QV_EXPR_OR))
            return true;
    }
    return true;
}

static bool eval_case(const row *r, const qv__expr *x, qvt_value *out)
{
    bool taken;

    for (size_t k = 0; k + 1 < x->n_args; k += 2) {
        if (!keeps(r, x->args[k], &taken))
            return false;
        if (taken)
            return eval(r, x->args[k + 1], out);
    }
    return eval(r, x->args[x->n_args - 1], out);
}

static bool eval_cast(const row *r, const qv__expr *x, qvt_value *out)
{
    qv_error err;
    qvt_value v;
    qv__array *cast;
    qv_status st;

    if (!eval(r, x->args[0], &v))
        return false;
    st = qv__array_cast(array_of(x->args[0]->type, &v), x->type, QV_CAST_SQL, &cast, &err);
    if (st != QV_OK) {
        out->null = true;
        return x->try_cast;
    }
    *out = qvt_value_of(keep(cast), 0);
    return true;
}

static bool eval_call(const row *r, const qv__expr *x, qvt_value *out)
{
    qv_error err;
    qv__array *args[16], *result;
    bool constants[16];
    uint8_t live = 1;
    void *prepared = NULL;
    qv_status st;

    for (size_t k = 0; k < x->n_args; k++) {
        qvt_value v;
        if (!eval(r, x->args[k], &v))
            return false;
        out->null |= v.null && x->function->strict;
        args[k] = array_of(x->args[k]->type, &v);
        constants[k] = x->args[k]->kind == QV_EXPR_LITERAL;
    }
    if (out->null)
        return true;
    if (x->function->prepare)
        QVT_OK(x->function->prepare(x, &prepared, &err));
    st = x->function->eval(&(qv__call){ x, 1, x->n_args, args, constants, &live, prepared }, &result, &err);
    if (prepared)
        x->function->release(prepared);
    if (st == QV_OK)
        *out = qvt_value_of(keep(result), 0);
    return st == QV_OK;
}

static bool eval_negate(const row *r, const qv__expr *x, qvt_value *out)
{
    qvt_value v;

    if (!eval(r, x->args[0], &v))
        return false;
    *out = v;
    out->whole = -v.whole;
    out->real = -v.real;
    return v.null || !is_whole(x->type) || x->type->id == QV_TYPE_DECIMAL128 || in_range(x->type, out->whole);
}

static bool eval_is(const row *r, const qv__expr *x, qvt_value *out)
{
    qvt_value v;
    bool yes;

    if (!eval(r, x->args[0], &v))
        return false;
    yes = x->is.what == QV_IS_TRUE ? !v.null && v.whole : x->is.what == QV_IS_FALSE ? !v.null && !v.whole : v.null;
    out->whole = yes != x->is.negated;
    return true;
}

static bool eval(const row *r, const qv__expr *x, qvt_value *out)
{
    *out = (qvt_value){ 0 };
    switch (x->kind) {
    case QV_EXPR_LITERAL:
        *out = qvt_value_of(x->literal, 0);
        return true;
    case QV_EXPR_COLUMN:
        *out = qvt_value_of(r->columns[x->column], r->i);
        return true;
    case QV_EXPR_NOT:
        if (!eval(r, x->args[0], out))
            return false;
        out->whole = !out->whole;
        return true;
    case QV_EXPR_AND:
    case QV_EXPR_OR:
        return eval_logic(r, x, out);
    case QV_EXPR_COMPARE:
        return eval_compare(r, x, out);
    case QV_EXPR_IS:
        return eval_is(r, x, out);
    case QV_EXPR_IN:
        return eval_in(r, x, out);
    case QV_EXPR_LIKE:
        return eval_like(r, x, out);
    case QV_EXPR_NEGATE:
        return eval_negate(r, x, out);
    case QV_EXPR_ARITHMETIC:
        return eval_arithmetic(r, x, out);
    case QV_EXPR_CONCAT:
        return eval_concat(r, x, out);
    case QV_EXPR_CASE:
        return eval_case(r, x, out);
    case QV_EXPR_CAST:
        return eval_cast(r, x, out);
    case QV_EXPR_CALL:
        return eval_call(r, x, out);
    }
    return false;
}

bool qvt_expr_row(const qv__program *program, qv__array *const *columns, int64_t i, qvt_value *out)
{
    return eval(&(row){ program, columns, i }, program->root, out);
}

bool qvt_expr_keeps(const qv__program *program, qv__array *const *columns, int64_t i, bool *out)
{
    return keeps(&(row){ program, columns, i }, program->root, out);
}
