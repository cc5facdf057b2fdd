/* CASE, CAST and calls. */
#include <string.h>

#include "base/alloc.h"
#include "expr/expr_private.h"
#include "expr/syntax.h"

/* ------------------------------------------------------------------ CASE */

/* Row i of the result is row rows[i] of the arms' values, one after the other; -1: null. */
typedef struct choice {
    int64_t rows[QV_EVAL_ROWS];
    qv__array **values;
    size_t n_values;
    int64_t total; /* rows of all values */
} choice;

/* The rows of `taken` take their value from `expr`. */
static qv_status choose(const qv__eval *e, const qv__expr *expr, const uint64_t *taken, choice *c)
{
    bool one = qv__is_literal(expr);
    qv__array *value;

    if (!qv__any_bit(taken, qv__words(e->n)))
        return QV_OK;
    QV_TRY(qv__eval_expr(e, expr, taken, &value));
    c->values[c->n_values++] = value;
    for (size_t w = 0; w < qv__words(e->n); w++)
        for (uint64_t rest = taken[w]; rest; rest &= rest - 1) {
            int64_t i = (int64_t) (w * 64) + __builtin_ctzll(rest);
            c->rows[i] = c->total + (one ? 0 : i);
        }
    c->total += value->length;
    return QV_OK;
}

static qv_status eval_arms(const qv__eval *e, const qv__expr *expr, const uint64_t *live, choice *c)
{
    size_t n = qv__words(e->n);
    uint64_t open[QV_EVAL_WORDS], taken[QV_EVAL_WORDS];

    memcpy(open, live, n * 8);
    for (size_t k = 0; k + 1 < expr->n_args && qv__any_bit(open, n); k += 2) {
        QV_TRY(qv__eval_filter(e, expr->args[k], open, taken));
        QV_TRY(choose(e, expr->args[k + 1], taken, c));
        for (size_t w = 0; w < n; w++)
            open[w] &= ~taken[w];
    }
    return choose(e, expr->args[expr->n_args - 1], open, c);
}

qv_status qv__eval_case(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out)
{
    qv_status st = QV_OK;
    choice *c = NULL;
    qv__array *all = NULL;

    QV_TRY(QV_NEW(&c, 1, e->err));
    memset(c->rows, -1, sizeof c->rows);
    QV_CHECK(QV_NEW(&c->values, expr->n_args, e->err));
    QV_CHECK(eval_arms(e, expr, live, c));
    QV_CHECK(qv__array_concat(c->values, c->n_values, expr->type, &all, e->err));
    QV_CHECK(qv__array_take(all, c->rows, e->n, out, e->err));
done:
    for (size_t k = 0; k < c->n_values; k++)
        qv__array_unref(c->values[k]);
    qv__array_unref(all);
    qv__free(c->values);
    qv__free(c);
    return st;
}

/* ------------------------------------------------------------------ CAST */

qv_status qv__eval_cast(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out)
{
    qv_status st = QV_OK;
    bool one = qv__is_literal(expr->args[0]);
    qv__array *value = NULL, *wanted = NULL, *cast = NULL;
    unsigned line, column;

    QV_TRY(qv__eval_expr(e, expr->args[0], live, &value));
    if (one)
        wanted = qv__array_ref(value);
    else
        QV_CHECK(qv__array_restrict(value, live, &wanted, e->err));
    st = qv__array_cast(wanted, expr->type, expr->try_cast ? QV_CAST_TRY : QV_CAST_SQL, &cast, e->err);
    if (st == QV_INVALID || st == QV_UNSUPPORTED) {
        qv__sql_place(e->program->text, expr->at, &line, &column);
        QV_CHECK(qv__fail_in(e->err, st, "Arrow error: Cast error at Line: %u, Column: %u", line, column));
    }
    QV_CHECK(st);
    if (one) {
        int64_t rows[QV_EVAL_ROWS];
        memset(rows, 0, e->n * sizeof *rows);
        QV_CHECK(qv__array_take(cast, rows, e->n, out, e->err));
    } else {
        *out = cast;
        cast = NULL;
    }
done:
    qv__array_unref(value);
    qv__array_unref(wanted);
    qv__array_unref(cast);
    return st;
}

/* ------------------------------------------------------------------ calls */

/* Rows that are live, and where a strict function's arguments are all there. */
static void ready_rows(const qv__eval *e, const qv__expr *expr, const qv__call *call, const uint64_t *live,
                       uint64_t *ready)
{
    uint64_t valid[QV_EVAL_WORDS];

    memcpy(ready, live, qv__words(e->n) * 8);
    for (size_t k = 0; k < call->n_args && expr->function->strict; k++) {
        qv__valid_words(call->args[k], call->is_constant[k], e->n, valid);
        for (size_t w = 0; w < qv__words(e->n); w++)
            ready[w] &= valid[w];
    }
}

static qv_status run(const qv__eval *e, const qv__expr *expr, qv__call *call, const uint64_t *live, qv__array **out)
{
    qv_status st;
    uint64_t ready[QV_EVAL_WORDS];
    qv__array *result;
    unsigned line, column;

    ready_rows(e, expr, call, live, ready);
    if (!qv__any_bit(ready, qv__words(e->n)) && expr->function->strict)
        return qv__array_new_null(expr->type, (int64_t) e->n, out, e->err);
    call->live = (const uint8_t *) ready;
    st = expr->function->eval(call, &result, e->err);
    if (st == QV_INVALID) {
        qv__sql_place(e->program->text, expr->at, &line, &column);
        return qv__fail_in(e->err, st, "Execution error at Line: %u, Column: %u", line, column);
    }
    QV_TRY(st);
    if (!expr->function->strict) {
        *out = result;
        return QV_OK;
    }
    st = qv__array_restrict(result, ready, out, e->err);
    qv__array_unref(result);
    return st;
}

/* Argument k was worked out for `wanted`: the rows that want the next one. */
static void next_rows(const qv__eval *e, const qv__expr *expr, const qv__call *call, size_t k, const uint64_t *live,
                      uint64_t *wanted)
{
    qv__needs needs = expr->function->needs;
    uint64_t valid[QV_EVAL_WORDS];
    size_t last = needs == QV_NEEDS_BRANCH ? 0 : k; /* whose nulls decide */

    if (needs == QV_NEEDS_ALL)
        return;
    qv__valid_words(call->args[last], call->is_constant[last], e->n, valid);
    for (size_t w = 0; w < qv__words(e->n); w++) {
        uint64_t from = needs == QV_NEEDS_BRANCH ? live[w] : wanted[w];
        wanted[w] = from & (needs == QV_NEEDS_BRANCH && k == 0 ? valid[w] : ~valid[w]);
    }
}

/* The arguments, each for the rows that need it; null where none does. */
static qv_status eval_args(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__call *call)
{
    uint64_t wanted[QV_EVAL_WORDS];

    memcpy(wanted, live, qv__words(e->n) * 8);
    for (size_t k = 0; k < call->n_args; k++) {
        const qv__expr *arg = expr->args[k];

        call->is_constant[k] = qv__is_literal(arg);
        if (k > 0 && !call->is_constant[k] && !qv__any_bit(wanted, qv__words(e->n)))
            QV_TRY(qv__array_new_null(arg->type, (int64_t) e->n, &call->args[k], e->err));
        else
            QV_TRY(qv__eval_expr(e, arg, wanted, &call->args[k]));
        next_rows(e, expr, call, k, live, wanted);
    }
    return QV_OK;
}

qv_status qv__eval_call(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out)
{
    qv_status st = QV_OK;
    qv__call call = { .node = expr, .n = e->n, .n_args = expr->n_args, .prepared = qv__node_of(expr)->prepared };

    QV_CHECK(QV_NEW(&call.args, call.n_args + 1, e->err));
    QV_CHECK(QV_NEW(&call.is_constant, call.n_args + 1, e->err));
    QV_CHECK(eval_args(e, expr, live, &call));
    QV_CHECK(run(e, expr, &call, live, out));
done:
    for (size_t k = 0; k < call.n_args && call.args; k++)
        qv__array_unref(call.args[k]);
    qv__free(call.args);
    qv__free(call.is_constant);
    return st;
}
