/* Evaluation: a batch is cut into pieces that stay in the cache, each node is worked out for a piece at a time, and what is not live is
 * left alone. Constants stay single values. */
#include <string.h>

#include "base/alloc.h"
#include "expr/expr_private.h"

/* ------------------------------------------------------------------ one piece */

qv_status qv__eval_expr(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out)
{
    if (expr == e->known) {
        *out = qv__array_ref(e->known_value);
        return QV_OK;
    }
    QV_TRY(qv__eval_over_dictionary(e, expr, out));
    if (*out)
        return QV_OK;
    switch (expr->kind) {
    case QV_EXPR_LITERAL:
        *out = qv__array_ref(expr->literal);
        return QV_OK;
    case QV_EXPR_COLUMN:
        *out = qv__array_ref(e->columns[expr->column]);
        return QV_OK;
    case QV_EXPR_NOT:
    case QV_EXPR_AND:
    case QV_EXPR_OR:
    case QV_EXPR_IS:
        return qv__eval_logic(e, expr, live, out);
    case QV_EXPR_COMPARE:
        return qv__eval_compare(e, expr, live, out);
    case QV_EXPR_IN:
        return qv__eval_in(e, expr, live, out);
    case QV_EXPR_LIKE:
        return qv__eval_like(e, expr, live, out);
    case QV_EXPR_NEGATE:
        return qv__eval_negate(e, expr, live, out);
    case QV_EXPR_ARITHMETIC:
        return qv__eval_arithmetic(e, expr, live, out);
    case QV_EXPR_CONCAT:
        return qv__eval_concat(e, expr, live, out);
    case QV_EXPR_CASE:
        return qv__eval_case(e, expr, live, out);
    case QV_EXPR_CAST:
        return qv__eval_cast(e, expr, live, out);
    case QV_EXPR_CALL:
        return qv__eval_call(e, expr, live, out);
    }
    return qv__fail(e->err, QV_INVALID, "unknown expression");
}

/* ------------------------------------------------------------------ pieces of a batch */

typedef struct batch {
    const qv__program *program;
    qv__array *const *columns;
    const uint8_t *live;
    size_t n;
    qv__array **slices; /* of the piece */
} batch;

static void drop_slices(batch *b)
{
    for (size_t k = 0; k < b->program->n_columns; k++) {
        qv__array_unref(b->slices[k]);
        b->slices[k] = NULL;
    }
}

/* Rows [at, at + e->n) of the columns, and which of them are live; *any false: none. */
static qv_status cut(batch *b, size_t at, qv__eval *e, uint64_t *live, bool *any)
{
    uint64_t seen = 0;

    e->n = QV_MIN(b->n - at, QV_EVAL_ROWS);
    for (size_t w = 0; w < qv__words(e->n); w++) {
        live[w] = b->live ? qv__bits_word(b->live, at, e->n, w) : qv__words_tail(e->n, w);
        seen |= live[w];
    }
    *any = seen != 0;
    drop_slices(b);
    for (size_t k = 0; *any && k < b->program->n_columns; k++)
        QV_TRY(qv__array_slice(b->columns[k], (int64_t) at, (int64_t) e->n, &b->slices[k], e->err));
    return QV_OK;
}

qv_status qv__program_filter(const qv__program *program, qv__array *const *columns, size_t n, const uint8_t *live,
                             uint8_t *selected, size_t *n_selected, qv_error *err)
{
    qv_status st = QV_OK;
    batch b = { program, columns, live, n, NULL };
    qv__eval e = { .program = program, .err = err };
    uint64_t words[QV_EVAL_WORDS], chosen[QV_EVAL_WORDS];
    size_t total = 0;
    bool any;

    QV_TRY(QV_NEW(&b.slices, program->n_columns + 1, err));
    e.columns = b.slices;
    for (size_t at = 0; at < n; at += QV_EVAL_ROWS) {
        QV_CHECK(cut(&b, at, &e, words, &any));
        memset(chosen, 0, sizeof chosen);
        if (any)
            QV_CHECK(qv__eval_filter(&e, program->root, words, chosen));
        memcpy(selected + at / 8, chosen, qv__bitmap_bytes(e.n));
        for (size_t w = 0; w < qv__words(e.n); w++)
            total += (size_t) __builtin_popcountll(chosen[w]);
    }
    *n_selected = total;
done:
    drop_slices(&b);
    qv__free(b.slices);
    return st;
}

/* One value, n times; null where a row is not live. */
static qv_status repeat(const qv__array *value, size_t n, const uint64_t *live, qv__array **out, qv_error *err)
{
    int64_t rows[QV_EVAL_ROWS];

    for (size_t i = 0; i < n; i++)
        rows[i] = (live[i >> 6] >> (i & 63) & 1) - 1;
    return qv__array_take(value, rows, n, out, err);
}

/* The root's values for one piece, as the caller gets them. */
static qv_status eval_piece(const qv__eval *e, const qv__expr *root, const uint64_t *live, bool any, qv__array **out)
{
    qv_status st;
    qv__array *value;

    if (!any)
        return qv__array_new_null(root->type, (int64_t) e->n, out, e->err);
    QV_TRY(qv__eval_expr(e, root, live, &value));
    if (qv__is_literal(root))
        st = repeat(value, e->n, live, out, e->err);
    else
        st = qv__array_restrict(value, live, out, e->err);
    qv__array_unref(value);
    return st;
}

qv_status qv__program_eval(const qv__program *program, qv__array *const *columns, size_t n, const uint8_t *live,
                           qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    batch b = { program, columns, live, n, NULL };
    qv__eval e = { .program = program, .err = err };
    uint64_t words[QV_EVAL_WORDS];
    size_t n_pieces = n ? (n - 1) / QV_EVAL_ROWS + 1 : 0, done_pieces = 0;
    qv__array **pieces = NULL;
    bool any;

    if (program->root->kind == QV_EXPR_COLUMN && !live) {
        *out = qv__array_ref(columns[program->root->column]);
        return QV_OK;
    }
    QV_CHECK(QV_NEW(&b.slices, program->n_columns + 1, err));
    QV_CHECK(QV_NEW(&pieces, n_pieces + 1, err));
    e.columns = b.slices;
    for (; done_pieces < n_pieces; done_pieces++) {
        QV_CHECK(cut(&b, done_pieces * QV_EVAL_ROWS, &e, words, &any));
        QV_CHECK(eval_piece(&e, program->root, words, any, &pieces[done_pieces]));
    }
    QV_CHECK(qv__array_concat(pieces, n_pieces, program->root->type, out, err));
done:
    for (size_t k = 0; k < done_pieces; k++)
        qv__array_unref(pieces[k]);
    qv__free(pieces);
    if (b.slices)
        drop_slices(&b);
    qv__free(b.slices);
    return st;
}
