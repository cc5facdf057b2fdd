/* CAST and calls. */
#include <string.h>

#include "base/alloc.h"
#include "expr/expr_private.h"
#include "expr/syntax.h"

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
