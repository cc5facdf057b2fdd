/* CASE: the arms are worked out one after the other, each for the rows that reach it. Numbers are then laid over one another, arm by arm;
 * values of other types are taken row by row. */
#include <string.h>

#include "base/alloc.h"
#include "expr/expr_private.h"
#include "expr/kern.h"

typedef struct arm {
    qv__array *value;
    bool is_one; /* for all rows */
    uint64_t taken[QV_EVAL_WORDS];
} arm;

typedef struct choice {
    size_t n;
    arm *arms;
} choice;

/* ------------------------------------------------------------------ the arms */

/* The rows of `taken` take their value from `expr`. */
static qv_status add_arm(const qv__eval *e, const qv__expr *expr, const uint64_t *taken, choice *c)
{
    arm *a = &c->arms[c->n];

    if (!qv__any_bit(taken, qv__words(e->n)))
        return QV_OK;
    QV_TRY(qv__eval_expr(e, expr, taken, &a->value));
    a->is_one = qv__is_literal(expr);
    memcpy(a->taken, taken, qv__words(e->n) * 8);
    c->n++;
    return QV_OK;
}

static qv_status eval_arms(const qv__eval *e, const qv__expr *expr, const uint64_t *live, choice *c)
{
    size_t n = qv__words(e->n);
    uint64_t open[QV_EVAL_WORDS], taken[QV_EVAL_WORDS];

    memcpy(open, live, n * 8);
    for (size_t k = 0; k + 1 < expr->n_args && qv__any_bit(open, n); k += 2) {
        QV_TRY(qv__eval_filter(e, expr->args[k], open, taken));
        QV_TRY(add_arm(e, expr->args[k + 1], taken, c));
        for (size_t w = 0; w < n; w++)
            open[w] &= ~taken[w];
    }
    return add_arm(e, expr->args[expr->n_args - 1], open, c);
}

/* ------------------------------------------------------------------ one array of all of them */

static bool can_lay(const qv__expr *expr, const choice *c)
{
    size_t bits = (size_t) qv__type_bits(expr->type);

    for (size_t k = 0; k < c->n; k++)
        if (!qv__type_equal(c->arms[k].value->type, expr->type))
            return false;
    return bits == 32 || bits == 64;
}

static qv_status lay(const qv__eval *e, const qv__expr *expr, const choice *c, qv__array **out)
{
    bool wide = qv__type_bits(expr->type) == 64;
    uint64_t valid[QV_EVAL_WORDS] = { 0 }, words[QV_EVAL_WORDS];
    void *values;

    for (size_t k = 0; k < c->n; k++) {
        const arm *a = &c->arms[k];
        qv__valid_words(a->value, a->is_one, e->n, words);
        for (size_t w = 0; w < qv__words(e->n); w++)
            valid[w] |= a->taken[w] & words[w];
    }
    QV_TRY(qv__result_new(expr->type, e->n, valid, out, &values, e->err));
    memset(values, 0, e->n * (wide ? 8 : 4));
    for (size_t k = 0; k < c->n; k++)
        qv__expr_kernels()->lay[wide][c->arms[k].is_one](qv__array_values(c->arms[k].value), c->arms[k].taken, e->n,
                                                         values);
    return QV_OK;
}

/* Row i of the result is row rows[i] of the arms' values, one after the other; -1: null. */
static qv_status take(const qv__eval *e, const qv__expr *expr, const choice *c, qv__array **out)
{
    qv_status st = QV_OK;
    int64_t *rows = NULL, total = 0;
    qv__array **values = NULL, *all = NULL;

    QV_CHECK(QV_NEW(&rows, e->n, e->err));
    QV_CHECK(QV_NEW(&values, QV_MAX(c->n, 1), e->err));
    memset(rows, -1, e->n * sizeof *rows);
    for (size_t k = 0; k < c->n; k++) {
        const arm *a = &c->arms[k];
        values[k] = a->value;
        for (size_t w = 0; w < qv__words(e->n); w++)
            for (uint64_t rest = a->taken[w]; rest; rest &= rest - 1) {
                int64_t i = (int64_t) (w * 64) + __builtin_ctzll(rest);
                rows[i] = total + (a->is_one ? 0 : i);
            }
        total += a->value->length;
    }
    QV_CHECK(qv__array_concat(values, c->n, expr->type, &all, e->err));
    QV_CHECK(qv__array_take(all, rows, e->n, out, e->err));
done:
    qv__array_unref(all);
    qv__free((void *) values);
    qv__free(rows);
    return st;
}

qv_status qv__eval_case(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out)
{
    qv_status st = QV_OK;
    choice c = { 0 };

    QV_CHECK(QV_NEW(&c.arms, expr->n_args / 2 + 1, e->err));
    QV_CHECK(eval_arms(e, expr, live, &c));
    st = can_lay(expr, &c) ? lay(e, expr, &c, out) : take(e, expr, &c, out);
done:
    for (size_t k = 0; k < c.n; k++)
        qv__array_unref(c.arms[k].value);
    qv__free(c.arms);
    return st;
}
