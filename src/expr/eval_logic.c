/* AND, OR, NOT, IS: words of bits. An arg of AND sees only the rows that the args before it left open. */
#include <string.h>

#include "expr/expr_private.h"

/* Which live rows are true, and which false. */
static qv_status truth(const qv__eval *e, const qv__expr *expr, const uint64_t *live, uint64_t *is_true,
                       uint64_t *is_false)
{
    qv__array *value;

    QV_TRY(qv__eval_expr(e, expr, live, &value));
    qv__truth_words(value, qv__is_literal(expr), e->n, is_true, is_false);
    qv__array_unref(value);
    return QV_OK;
}

/* For AND a row is settled once an arg is false, for OR once one is true; `others` holds the rows that all args gave the other. */
static qv_status chain(const qv__eval *e, const qv__expr *expr, const uint64_t *live, uint64_t *settled,
                       uint64_t *others)
{
    bool is_and = expr->kind == QV_EXPR_AND;
    size_t n = qv__words(e->n);
    uint64_t open[QV_EVAL_WORDS], is_true[QV_EVAL_WORDS], is_false[QV_EVAL_WORDS];

    memset(settled, 0, n * 8);
    memcpy(others, live, n * 8);
    memcpy(open, live, n * 8);
    for (size_t k = 0; k < expr->n_args && qv__any_bit(open, n); k++) {
        QV_TRY(truth(e, expr->args[k], open, is_true, is_false));
        for (size_t w = 0; w < n; w++) {
            uint64_t ends = is_and ? is_false[w] : is_true[w], goes_on = is_and ? is_true[w] : is_false[w];
            settled[w] |= ends & open[w];
            others[w] &= goes_on | ~open[w];
            open[w] &= ~ends;
        }
    }
    for (size_t w = 0; w < n; w++)
        others[w] &= ~settled[w];
    return QV_OK;
}

static qv_status eval_is(const qv__eval *e, const qv__expr *expr, const uint64_t *live, uint64_t *result)
{
    size_t n = qv__words(e->n);
    uint64_t is_false[QV_EVAL_WORDS];
    qv__array *value;
    bool literal = qv__is_literal(expr->args[0]);

    QV_TRY(qv__eval_expr(e, expr->args[0], live, &value));
    if (expr->is.what == QV_IS_NULL) {
        qv__valid_words(value, literal, e->n, result);
        for (size_t w = 0; w < n; w++)
            result[w] = ~result[w];
    } else {
        qv__truth_words(value, literal, e->n, result, is_false);
        for (size_t w = 0; w < n; w++)
            result[w] = expr->is.what == QV_IS_TRUE    ? result[w]
                        : expr->is.what == QV_IS_FALSE ? is_false[w]
                                                       : ~(result[w] | is_false[w]);
    }
    qv__array_unref(value);
    for (size_t w = 0; w < n; w++)
        result[w] = (expr->is.negated ? ~result[w] : result[w]) & qv__words_tail(e->n, w);
    return QV_OK;
}

qv_status qv__eval_logic(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out)
{
    uint64_t one[QV_EVAL_WORDS], other[QV_EVAL_WORDS];
    bool swap = expr->kind == QV_EXPR_NOT || expr->kind == QV_EXPR_AND;

    if (expr->kind == QV_EXPR_IS) {
        QV_TRY(eval_is(e, expr, live, one));
        return qv__result_bools(expr->type, e->n, one, NULL, out, e->err);
    }
    if (expr->kind == QV_EXPR_NOT)
        QV_TRY(truth(e, expr->args[0], live, one, other));
    else
        QV_TRY(chain(e, expr, live, one, other));
    for (size_t w = 0; w < qv__words(e->n); w++) {
        uint64_t valid = one[w] | other[w];
        one[w] = swap ? other[w] : one[w];
        other[w] = valid;
    }
    return qv__result_bools(expr->type, e->n, one, other, out, e->err);
}

qv_status qv__eval_filter(const qv__eval *e, const qv__expr *expr, const uint64_t *live, uint64_t *selected)
{
    size_t n = qv__words(e->n);
    uint64_t open[QV_EVAL_WORDS], found[QV_EVAL_WORDS];

    if (expr->kind != QV_EXPR_AND && expr->kind != QV_EXPR_OR) {
        QV_TRY(truth(e, expr, live, selected, found));
        for (size_t w = 0; w < n; w++)
            selected[w] &= live[w];
        return QV_OK;
    }
    memcpy(open, live, n * 8);
    memset(selected, 0, n * 8);
    for (size_t k = 0; k < expr->n_args && qv__any_bit(open, n); k++) {
        QV_TRY(qv__eval_filter(e, expr->args[k], open, found));
        for (size_t w = 0; w < n; w++) {
            selected[w] |= found[w];
            open[w] = expr->kind == QV_EXPR_AND ? found[w] : open[w] & ~found[w];
        }
    }
    if (expr->kind == QV_EXPR_AND)
        memcpy(selected, open, n * 8);
    return QV_OK;
}
