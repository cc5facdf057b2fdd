/* AND, OR, NOT over booleans that are typed already; calls; constants worked out before the first row. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "expr/bind_private.h"

const char *qv__function_name(const qv__function *function) { return function->name; }

/* ------------------------------------------------------------------ constants */

qv_status qv__bind_fold(qv__binder *b, qv__expr *expr, qv__expr **out)
{
    qv_status st;
    qv_error ignored = { 0 };
    uint64_t live = 1;
    qv__array *value, *slice;
    const qv__eval e = { .program = &b->tree->program, .n = 1, .err = &ignored };

    *out = expr;
    if (qv__is_literal(expr) || expr->kind == QV_EXPR_COLUMN ||
        (expr->kind == QV_EXPR_CALL && expr->function->volatile_))
        return QV_OK;
    for (size_t k = 0; k < expr->n_args; k++)
        if (!qv__is_literal(expr->args[k]))
            return QV_OK;
    st = qv__eval_expr(&e, expr, &live, &value);
    if (st == QV_NOMEM)
        return qv__fail(b->err, st, "%s", ignored.message);
    if (st != QV_OK)
        return QV_OK; /* told when, and if, a row needs it */
    st = qv__array_slice(value, 0, 1, &slice, b->err);
    qv__array_unref(value);
    QV_TRY(st);
    return qv__literal_new(b->tree, slice, expr->at, out, b->err);
}

/* ------------------------------------------------------------------ logic */

static qv__compare inverse(qv__compare op)
{
    static const qv__compare inverses[] = { QV_NE, QV_EQ, QV_GE, QV_GT, QV_LE, QV_LT, QV_NOT_DISTINCT, QV_DISTINCT };

    return inverses[op];
}

/* A copy of one node under another operation: nodes may be shared and never change. */
static qv_status twin(qv__binder *b, const qv__expr *expr, qv__expr **out)
{
    QV_TRY(qv__node_new(b->tree, expr->kind, expr->type, expr->at, expr->n_args, out, b->err));
    if (expr->n_args)
        memcpy((*out)->args, expr->args, expr->n_args * sizeof *expr->args);
    (*out)->nullable = expr->nullable;
    return QV_OK;
}

/* NOT(a < b) is a >= b, for NaN too: floats are totally ordered here. */
qv_status qv__bind_not(qv__binder *b, qv__expr *arg, uint32_t at, qv__expr **out)
{
    if (arg->kind == QV_EXPR_NOT) {
        *out = arg->args[0];
        return QV_OK;
    }
    if (arg->kind == QV_EXPR_COMPARE) {
        QV_TRY(twin(b, arg, out));
        (*out)->compare = inverse(arg->compare);
        return qv__node_finish(*out, b->err);
    }
    if (arg->kind == QV_EXPR_IS) {
        QV_TRY(twin(b, arg, out));
        (*out)->is.what = arg->is.what;
        (*out)->is.negated = !arg->is.negated;
        return qv__node_finish(*out, b->err);
    }
    QV_TRY(qv__node_new(b->tree, QV_EXPR_NOT, arg->type, at, 1, out, b->err));
    (*out)->args[0] = arg;
    (*out)->nullable = arg->nullable;
    QV_TRY(qv__node_finish(*out, b->err));
    return qv__bind_fold(b, *out, out);
}

/* Cheaper ones move forward; those that may fail stay behind what stood before them. */
static void order_by_cost(qv__expr **args, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        qv__expr *moved = args[i];
        uint32_t cost = qv__node_of(moved)->cost;
        size_t to = i;

        if (qv__node_of(moved)->can_fail)
            continue;
        while (to > 0 && i - to < 64 && qv__node_of(args[to - 1])->cost > cost) {
            args[to] = args[to - 1];
            to--;
        }
        args[to] = moved;
    }
}

/* The args of nested chains of the same kind, without the constants that change nothing; *decided: one that settles it. */
static size_t flatten(qv__expr_kind kind, qv__expr *const *args, size_t n, qv__expr **to, qv__expr **decided)
{
    size_t kept = 0;

    for (size_t k = 0; k < n; k++) {
        bool single = args[k]->kind != kind;
        size_t n_inner = single ? 1 : args[k]->n_args;

        for (size_t j = 0; j < n_inner; j++) {
            qv__expr *arg = single ? args[k] : args[k]->args[j];
            if (qv__is_literal(arg) && !qv__is_null_literal(arg)) {
                if ((qv__load_int(arg->literal, 0) != 0) == (kind == QV_EXPR_OR))
                    *decided = *decided ? *decided : arg;
                continue;
            }
            to[kept++] = arg;
        }
    }
    return kept;
}

qv_status qv__bind_chain(qv__binder *b, qv__expr_kind kind, qv__expr *const *args, size_t n, uint32_t at,
                         qv__expr **out)
{
    qv_status st = QV_OK;
    size_t total = 0, kept;
    qv__expr **flat = NULL, *decided = NULL;

    for (size_t k = 0; k < n; k++)
        total += args[k]->kind == kind ? args[k]->n_args : 1;
    QV_TRY(QV_NEW(&flat, total, b->err));
    kept = flatten(kind, args, n, flat, &decided);
    if (decided || kept <= 1) {
        *out = decided ? decided : kept ? flat[0] : args[0];
        goto done;
    }
    order_by_cost(flat, kept);
    QV_CHECK(qv__node_new(b->tree, kind, flat[0]->type, at, kept, out, b->err));
    memcpy((*out)->args, flat, kept * sizeof *flat);
    for (size_t k = 0; k < kept; k++)
        (*out)->nullable |= flat[k]->nullable;
    QV_CHECK(qv__node_finish(*out, b->err));
    QV_CHECK(qv__bind_fold(b, *out, out));
done:
    qv__free(flat);
    return st;
}

/* ------------------------------------------------------------------ calls */

static qv_status check_count(qv__binder *b, const qv__function *f, size_t n, uint32_t at)
{
    if (n >= f->min_args && n <= f->max_args)
        return QV_OK;
    if (f->min_args == f->max_args)
        return qv__bind_fail(b, at, "function '%s' expects %zu arguments but received %zu: %s", f->name, f->min_args, n,
                             f->signature);
    return qv__bind_fail(b, at, "function '%s' does not take %zu arguments: %s", f->name, n, f->signature);
}

/* The place in front of a function's own message. */
static qv_status in_place(qv__binder *b, uint32_t at, qv_status st)
{
    unsigned line, column;

    if (st != QV_INVALID)
        return st;
    qv__sql_place(b->sql, at, &line, &column);
    return qv__fail_in(b->err, st, "Error during planning at Line: %u, Column: %u", line, column);
}

/* The function's wishes for its arguments are met, and it says what it gives. */
static qv_status settle_types(qv__binder *b, const qv__function *f, qv__expr *call, qv__type **wanted)
{
    qv__type *result = NULL;
    qv_status st = f->bind(f, call->args, call->n_args, wanted, &result, b->err);

    if (st != QV_OK) {
        qv__type_unref(result);
        return in_place(b, call->at, st);
    }
    call->type = result;
    for (size_t k = 0; k < call->n_args; k++)
        if (wanted[k])
            QV_TRY(qv__bind_cast(b, call->args[k], wanted[k], &call->args[k]));
    return QV_OK;
}

qv_status qv__bind_call(qv__binder *b, const char *name, size_t len, qv__expr *const *args, size_t n, uint32_t at,
                        qv__expr **out)
{
    qv_status st = QV_OK;
    const char *nearest = NULL;
    const qv__function *f = qv__function_find(name, len, &nearest);
    qv__type **wanted = NULL;
    qv__expr *call;

    if (!f && nearest)
        return qv__bind_fail(b, at, "Invalid function '%.*s'. Did you mean '%s'?", (int) QV_MIN(len, 60), name,
                             nearest);
    if (!f)
        return qv__bind_fail(b, at, "Invalid function '%.*s'.", (int) QV_MIN(len, 60), name);
    QV_TRY(check_count(b, f, n, at));
    QV_TRY(QV_NEW(&wanted, n + 1, b->err));
    QV_CHECK(qv__node_new(b->tree, QV_EXPR_CALL, NULL, at, n, &call, b->err));
    if (n)
        memcpy(call->args, args, n * sizeof *args);
    call->function = f;
    b->tree->program.is_volatile |= f->volatile_ || f->of_the_moment;
    QV_CHECK(settle_types(b, f, call, wanted));
    call->nullable = true; /* a function may give null for values that are none */
    st = qv__node_finish(call, b->err);
    if (st != QV_OK)
        QV_CHECK(in_place(b, at, st));
    QV_CHECK(qv__bind_fold(b, call, out));
done:
    for (size_t k = 0; k < n && wanted; k++)
        qv__type_unref(wanted[k]);
    qv__free(wanted);
    return st;
}
