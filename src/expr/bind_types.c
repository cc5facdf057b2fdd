/* Types of casts, comparisons and lists: who is cast to what. A literal beside a column takes the column's type when it can, so that
 * columns are compared as they are stored. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "expr/bind_private.h"

/* ------------------------------------------------------------------ casts */

static qv_status cast_node(qv__binder *b, qv__expr *expr, const qv__type *type, bool is_try, uint32_t at,
                           qv__expr **out)
{
    char from[96], to[96];

    if (!qv__cast_possible(expr->type, type))
        return qv__bind_fail(b, at, "Cannot cast %s to %s", qv__type_print_sql(expr->type, from, sizeof from),
                             qv__type_print_sql(type, to, sizeof to));
    QV_TRY(qv__node_new(b->tree, QV_EXPR_CAST, type, at, 1, out, b->err));
    (*out)->args[0] = expr;
    (*out)->try_cast = is_try;
    (*out)->nullable = expr->nullable || is_try;
    return qv__node_finish(*out, b->err);
}

/* The literal's value in another type; a value that has none there is an error. */
static qv_status cast_literal(qv__binder *b, qv__expr *expr, const qv__type *type, qv__expr **out)
{
    qv__array *value;
    unsigned line, column;
    qv_status st = qv__array_cast(expr->literal, type, QV_CAST_SQL, &value, b->err);

    if (st == QV_INVALID || st == QV_UNSUPPORTED) {
        qv__sql_place(b->sql, expr->at, &line, &column);
        return qv__fail_in(b->err, st, "Cast error at Line: %u, Column: %u", line, column);
    }
    QV_TRY(st);
    return qv__literal_new(b->tree, value, expr->at, out, b->err);
}

qv_status qv__bind_cast(qv__binder *b, qv__expr *expr, const qv__type *type, qv__expr **out)
{
    *out = expr;
    if (qv__type_equal(expr->type, type))
        return QV_OK;
    if (qv__is_literal(expr))
        return cast_literal(b, expr, type, out);
    return cast_node(b, expr, type, false, expr->at, out);
}

qv_status qv__bind_explicit_cast(qv__binder *b, qv__expr *expr, const qv__type *type, bool is_try, uint32_t at,
                                 qv__expr **out)
{
    *out = expr;
    if (qv__type_equal(expr->type, type))
        return QV_OK;
    if (qv__type_is_interval(type) && qv__is_literal(expr) && expr->type->id == QV_TYPE_UTF8)
        return qv__bind_fail(b, at, "write INTERVAL '..' instead of a cast to interval");
    QV_TRY(cast_node(b, expr, type, is_try, at, out));
    return qv__bind_fold(b, *out, out);
}

qv_status qv__bind_plain(qv__binder *b, qv__expr *expr, bool halves_too, qv__expr **out)
{
    qv_status st;
    qv__type *single;

    *out = expr;
    if (expr->type->id == QV_TYPE_DICTIONARY)
        return qv__bind_cast(b, expr, expr->type->children[0].type, out);
    if (expr->type->id != QV_TYPE_FLOAT16 || !halves_too)
        return QV_OK;
    QV_TRY(qv__type_new(QV_TYPE_FLOAT32, &single, b->err));
    st = qv__bind_cast(b, expr, single, out);
    qv__type_unref(single);
    return st;
}

/* ------------------------------------------------------------------ literals beside columns */

static bool is_text(const qv__type *type) { return type->id == QV_TYPE_UTF8 || type->id == QV_TYPE_LARGE_UTF8; }
static bool is_bytes(const qv__type *type)
{
    return is_text(type) || type->id == QV_TYPE_BINARY || type->id == QV_TYPE_LARGE_BINARY ||
           type->id == QV_TYPE_FIXED_BINARY;
}
static bool is_quantity(const qv__type *type)
{
    return qv__type_is_int(type) || qv__type_is_float(type) || qv__type_is_decimal(type);
}

/* May a literal of one type stand for itself in the other, so that comparing there tells the same? */
static bool comparable_kinds(const qv__type *from, const qv__type *to)
{
    bool from_instant = from->id == QV_TYPE_DATE32 || from->id == QV_TYPE_DATE64 || from->id == QV_TYPE_TIMESTAMP;
    bool to_instant = to->id == QV_TYPE_DATE32 || to->id == QV_TYPE_DATE64 || to->id == QV_TYPE_TIMESTAMP;
    bool from_time = from->id == QV_TYPE_TIME32 || from->id == QV_TYPE_TIME64;
    bool to_time = to->id == QV_TYPE_TIME32 || to->id == QV_TYPE_TIME64;

    if (is_quantity(from) && is_quantity(to))
        return true;
    return (from_instant && to_instant) || (from_time && to_time) ||
           (from->id == QV_TYPE_DURATION && to->id == QV_TYPE_DURATION);
}

qv_status qv__bind_adapt(qv__binder *b, qv__expr *literal, const qv__type *type, qv__adapted *how, qv__expr **out)
{
    qv_status st;
    qv_error ignored = { 0 };
    qv__array *there = NULL, *back = NULL;
    int order;

    *out = literal;
    *how = QV_ADAPTED_SAME;
    if (qv__is_null_literal(literal) || (is_text(literal->type) && !is_text(type)) ||
        (is_bytes(literal->type) && is_bytes(type)))
        return qv__bind_cast(b, literal, type, out);
    *how = QV_ADAPTED_NOT;
    if (!comparable_kinds(literal->type, type) || !qv__cast_possible(literal->type, type))
        return QV_OK;
    /* Past 2^53 an integer column beside a float literal is compared as floats, which rounds. */
    if (qv__type_is_float(literal->type) && !qv__type_is_float(type) &&
        !(fabs(qv__load_float(literal->literal, 0)) < 0x1p53))
        return QV_OK;
    st = qv__array_cast(literal->literal, type, QV_CAST_SQL, &there, &ignored);
    if (st == QV_OK)
        st = qv__array_cast(there, literal->type, QV_CAST_SQL, &back, &ignored);
    if (st == QV_OK) {
        order = qv__value_compare(back, 0, literal->literal, 0);
        *how = order < 0 ? QV_ADAPTED_BELOW : order > 0 ? QV_ADAPTED_ABOVE : QV_ADAPTED_SAME;
        st = qv__literal_new(b->tree, qv__array_ref(there), literal->at, out, b->err);
    } else {
        st = st == QV_NOMEM ? qv__fail(b->err, st, "%s", ignored.message) : QV_OK;
    }
    qv__array_unref(there);
    qv__array_unref(back);
    return st;
}

/* `value op literal` with the literal in the value's type; *done false: it cannot be. */
static qv_status adapt_right(qv__binder *b, qv__compare *op, qv__expr *value, qv__expr **literal, bool *done)
{
    qv__adapted how;
    qv__expr *adapted;

    *done = false;
    QV_TRY(qv__bind_adapt(b, *literal, value->type, &how, &adapted));
    if (how == QV_ADAPTED_NOT || (how != QV_ADAPTED_SAME && (*op < QV_LT || *op > QV_GE)))
        return QV_OK;
    if (how == QV_ADAPTED_BELOW) /* new < old: x >= old is x > new, x < old is x <= new */
        *op = *op == QV_GE ? QV_GT : *op == QV_LT ? QV_LE : *op;
    if (how == QV_ADAPTED_ABOVE)
        *op = *op == QV_GT ? QV_GE : *op == QV_LE ? QV_LT : *op;
    *literal = adapted;
    *done = true;
    return QV_OK;
}

/* ------------------------------------------------------------------ comparisons */

static qv__compare swapped(qv__compare op)
{
    static const qv__compare others[] = { QV_EQ, QV_NE, QV_GT, QV_GE, QV_LT, QV_LE, QV_DISTINCT, QV_NOT_DISTINCT };

    return others[op];
}

const char *qv__compare_sign(qv__compare op)
{
    static const char *const signs[] = { "=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM" };

    return signs[op];
}

static qv_status no_common(qv__binder *b, const qv__expr *left, const qv__expr *right, const char *what, uint32_t at)
{
    char a[96], c[96];

    return qv__bind_fail(b, at, "Cannot infer common argument type for comparison operation %s %s %s",
                         qv__type_print_sql(left->type, a, sizeof a), what,
                         qv__type_print_sql(right->type, c, sizeof c));
}

/* Booleans are compared with booleans only. */
static bool may_meet(const qv__type *a, const qv__type *b)
{
    return (a->id == QV_TYPE_BOOL) == (b->id == QV_TYPE_BOOL) || a->id == QV_TYPE_NULL || b->id == QV_TYPE_NULL;
}

static qv_status meet(qv__binder *b, qv__expr **left, qv__expr **right, const char *what, uint32_t at)
{
    qv_status st = QV_OK;
    qv__type *common = NULL;
    qv_error ignored = { 0 };

    if (!may_meet((*left)->type, (*right)->type))
        return no_common(b, *left, *right, what, at);
    st = qv__type_common((qv__type *[]){ (*left)->type, (*right)->type }, 2, &common, &ignored);
    if (st != QV_OK)
        return st == QV_NOMEM ? qv__fail(b->err, st, "%s", ignored.message) : no_common(b, *left, *right, what, at);
    if (common->id == QV_TYPE_NULL) { /* NULL = NULL */
        qv__type_unref(common);
        common = NULL;
        QV_CHECK(qv__type_new(QV_TYPE_BOOL, &common, b->err));
    }
    QV_CHECK(qv__bind_cast(b, *left, common, left));
    QV_CHECK(qv__bind_cast(b, *right, common, right));
done:
    qv__type_unref(common);
    return st;
}

qv_status qv__bind_compare(qv__binder *b, qv__compare op, qv__expr *left, qv__expr *right, uint32_t at, qv__expr **out)
{
    qv_status st = QV_OK;
    qv__type *boolean = NULL;
    bool done_so = false;

    QV_TRY(qv__bind_plain(b, left, true, &left));
    QV_TRY(qv__bind_plain(b, right, true, &right));
    if (qv__is_literal(left) && !qv__is_literal(right)) {
        qv__expr *moved = left;
        left = right;
        right = moved;
        op = swapped(op);
    }
    if (qv__is_literal(right) && !qv__is_literal(left) && may_meet(left->type, right->type))
        QV_TRY(adapt_right(b, &op, left, &right, &done_so));
    if (!done_so)
        QV_TRY(meet(b, &left, &right, qv__compare_sign(op), at));
    QV_TRY(qv__bind_plain(b, left, true, &left));
    QV_TRY(qv__bind_plain(b, right, true, &right));
    QV_TRY(qv__type_new(QV_TYPE_BOOL, &boolean, b->err));
    QV_CHECK(qv__node_new(b->tree, QV_EXPR_COMPARE, boolean, at, 2, out, b->err));
    (*out)->args[0] = left;
    (*out)->args[1] = right;
    (*out)->compare = op;
    (*out)->nullable = op < QV_DISTINCT && (left->nullable || right->nullable);
    QV_CHECK(qv__node_finish(*out, b->err));
    QV_CHECK(qv__bind_fold(b, *out, out));
done:
    qv__type_unref(boolean);
    return st;
}

/* ------------------------------------------------------------------ one type for many */

/* CASE beside text: what is no text becomes text. */
static bool wants_text(qv__expr *const *exprs, size_t n)
{
    bool text = false, other = false;

    for (size_t k = 0; k < n; k++) {
        text |= is_text(exprs[k]->type);
        other |=
            is_quantity(exprs[k]->type) || qv__type_is_temporal(exprs[k]->type) || exprs[k]->type->id == QV_TYPE_BOOL;
    }
    return text && other;
}

qv_status qv__bind_unify(qv__binder *b, qv__expr **exprs, size_t n, bool text_wins, const char *what, uint32_t at,
                         qv__type **out)
{
    qv_status st = QV_OK;
    qv_error why = { 0 };
    qv__type **types = NULL, *common = NULL;

    QV_TRY(QV_NEW(&types, n, b->err));
    for (size_t k = 0; k < n; k++) {
        QV_CHECK(qv__bind_plain(b, exprs[k], false, &exprs[k]));
        types[k] = exprs[k]->type;
    }
    if (text_wins && wants_text(exprs, n)) {
        QV_CHECK(qv__type_new(QV_TYPE_UTF8, &common, b->err));
    } else {
        st = qv__type_common(types, n, &common, &why);
        if (st == QV_INVALID)
            QV_CHECK(qv__bind_fail(b, at, "%s: %s", what, why.message));
        if (st != QV_OK)
            QV_CHECK(qv__fail(b->err, st, "%s", why.message));
    }
    for (size_t k = 0; k < n; k++)
        QV_CHECK(qv__bind_cast(b, exprs[k], common, &exprs[k]));
    *out = common;
    common = NULL;
done:
    qv__type_unref(common);
    qv__free(types);
    return st;
}

/* ------------------------------------------------------------------ concatenation */

qv_status qv__bind_concat(qv__binder *b, qv__expr *left, qv__expr *right, uint32_t at, qv__expr **out)
{
    qv_status st = QV_OK;
    char from[96], to[96];
    qv__type *type = NULL;
    qv__expr *args[2];
    size_t n_left;

    QV_TRY(qv__bind_plain(b, left, false, &args[0]));
    QV_TRY(qv__bind_plain(b, right, false, &args[1]));
    qv__type_id l = args[0]->type->id, r = args[1]->type->id;
    bool lists = (l >= QV_TYPE_LIST && l <= QV_TYPE_FIXED_LIST) || (r >= QV_TYPE_LIST && r <= QV_TYPE_FIXED_LIST);
    bool texts = is_text(args[0]->type) || is_text(args[1]->type);
    bool bytes = (is_bytes(args[0]->type) || l == QV_TYPE_NULL) && (is_bytes(args[1]->type) || r == QV_TYPE_NULL);

    if (lists)
        return qv__bind_call(b, "array_concat", strlen("array_concat"), args, 2, at, out);
    if (!texts && !bytes)
        return qv__bind_fail(b, at, "Cannot infer common string type for string concat operation %s || %s",
                             qv__type_print_sql(args[0]->type, from, sizeof from),
                             qv__type_print_sql(args[1]->type, to, sizeof to));
    bool large =
        l == QV_TYPE_LARGE_UTF8 || l == QV_TYPE_LARGE_BINARY || r == QV_TYPE_LARGE_UTF8 || r == QV_TYPE_LARGE_BINARY;
    qv__type_id id = texts || (l == QV_TYPE_NULL && r == QV_TYPE_NULL)
                         ? (large ? QV_TYPE_LARGE_UTF8 : QV_TYPE_UTF8)
                         : (large ? QV_TYPE_LARGE_BINARY : QV_TYPE_BINARY);
    QV_TRY(qv__type_new(id, &type, b->err));
    for (size_t k = 0; k < 2; k++)
        QV_CHECK(qv__bind_cast(b, args[k], type, &args[k]));
    n_left = args[0]->kind == QV_EXPR_CONCAT ? args[0]->n_args : 1; /* a || b || c is one node */
    QV_CHECK(qv__node_new(b->tree, QV_EXPR_CONCAT, type, at, n_left + 1, out, b->err));
    memcpy((*out)->args, n_left > 1 ? args[0]->args : args, n_left * sizeof *args);
    (*out)->args[n_left] = args[1];
    (*out)->nullable = args[0]->nullable || args[1]->nullable;
    QV_CHECK(qv__node_finish(*out, b->err));
    QV_CHECK(qv__bind_fold(b, *out, out));
done:
    qv__type_unref(type);
    return st;
}
