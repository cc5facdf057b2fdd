/* Dictionaries hold few values: a comparison, LIKE or IN with constants is asked of those, and the rows look their answer up. None of the
 * three can fail, so that values which no row uses do no harm. */
#include <string.h>

#include "arrow/compute/compute_private.h"
#include "expr/expr_private.h"

/* The dictionary column that args[0] decodes; NULL: the predicate is of another kind. */
static const qv__array *column_of(const qv__eval *e, const qv__expr *expr)
{
    const qv__expr *decoded;

    if (e->known || (expr->kind != QV_EXPR_COMPARE && expr->kind != QV_EXPR_LIKE && expr->kind != QV_EXPR_IN))
        return NULL;
    decoded = expr->args[0];
    if (decoded->kind != QV_EXPR_CAST || decoded->args[0]->kind != QV_EXPR_COLUMN ||
        decoded->args[0]->type->id != QV_TYPE_DICTIONARY ||
        !qv__type_equal(decoded->type, decoded->args[0]->type->children[0].type))
        return NULL;
    for (size_t k = 1; k < expr->n_args; k++)
        if (!qv__is_literal(expr->args[k]))
            return NULL;
    return e->columns[decoded->args[0]->column];
}

/* What the dictionary's values answered, for every row; null rows are like a null value. */
static qv_status spread(const qv__eval *e, const qv__expr *expr, const qv__array *column, const qv__array *answers,
                        bool null_answer, qv__array **out)
{
    uint64_t is_true[QV_EVAL_WORDS] = { 0 }, valid[QV_EVAL_WORDS] = { 0 };
    bool never_null = !expr->nullable && expr->kind == QV_EXPR_COMPARE && expr->compare >= QV_DISTINCT;

    for (size_t i = 0; i < e->n; i++) {
        bool null = qv__array_is_null(column, (int64_t) i);
        int64_t key = null ? 0 : qv__dictionary_key(column, (int64_t) i);
        bool known = null ? never_null : !qv__array_is_null(answers, key);
        bool yes = null ? null_answer : qv__load_int(answers, key) != 0;

        is_true[i >> 6] |= (uint64_t) (known && yes) << (i & 63);
        valid[i >> 6] |= (uint64_t) known << (i & 63);
    }
    return qv__result_bools(expr->type, e->n, is_true, valid, out, e->err);
}

qv_status qv__eval_over_dictionary(const qv__eval *e, const qv__expr *expr, qv__array **out)
{
    qv_status st = QV_OK;
    const qv__array *column = column_of(e, expr);
    uint64_t all[QV_EVAL_WORDS];
    qv__eval of_values = *e;
    qv__array *answers = NULL;
    bool null_answer = false;

    *out = NULL;
    if (!column || (size_t) column->dictionary->length > e->n)
        return QV_OK;
    of_values.n = (size_t) column->dictionary->length;
    of_values.known = expr->args[0];
    of_values.known_value = column->dictionary;
    for (size_t w = 0; w < qv__words(of_values.n); w++)
        all[w] = qv__words_tail(of_values.n, w);
    if (expr->kind == QV_EXPR_COMPARE && expr->compare >= QV_DISTINCT) /* null beside a constant */
        null_answer = qv__is_null_literal(expr->args[1]) == (expr->compare == QV_NOT_DISTINCT);
    QV_CHECK(qv__eval_expr(&of_values, expr, all, &answers));
    QV_CHECK(spread(e, expr, column, answers, null_answer, out));
done:
    qv__array_unref(answers);
    return st;
}
