/* Comparisons: vector loops for numbers and instants, byte compares for text, qv__value_compare for all else. */
#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "expr/expr_private.h"
#include "expr/kern.h"

bool qv__kern_type_of(const qv__type *type, qv__kern_type *out)
{
    static const qv__kern_type numbers[] = { QV_KERN_I8, QV_KERN_I16, QV_KERN_I32, QV_KERN_I64,
                                             QV_KERN_U8, QV_KERN_U16, QV_KERN_U32, QV_KERN_U64 };

    if (qv__type_is_int(type))
        *out = numbers[type->id - QV_TYPE_INT8];
    else if (type->id == QV_TYPE_FLOAT32 || type->id == QV_TYPE_FLOAT64)
        *out = type->id == QV_TYPE_FLOAT32 ? QV_KERN_F32 : QV_KERN_F64;
    else if (qv__type_is_temporal(type))
        *out = qv__type_bits(type) == 32 ? QV_KERN_I32 : QV_KERN_I64;
    else
        return false;
    return true;
}

/* Two operands of a row-wise operation; a constant has one row. */
typedef struct pair {
    const qv__array *a, *b;
    bool a_one, b_one;
} pair;

/* > and >= are not <= and not <; <> is not =. */
static int kernel_of(qv__compare op, bool *negate)
{
    static const int kernels[] = { QV_KERN_EQ, QV_KERN_EQ, QV_KERN_LT, QV_KERN_LE,
                                   QV_KERN_LE, QV_KERN_LT, QV_KERN_EQ, QV_KERN_EQ };

    *negate = op == QV_NE || op == QV_GT || op == QV_GE || op == QV_DISTINCT;
    return kernels[op];
}

static bool holds(qv__compare op, int order)
{
    switch (op) {
    case QV_EQ:
    case QV_NOT_DISTINCT:
        return order == 0;
    case QV_NE:
    case QV_DISTINCT:
        return order != 0;
    case QV_LT:
        return order < 0;
    case QV_LE:
        return order <= 0;
    case QV_GT:
        return order > 0;
    case QV_GE:
        return order >= 0;
    }
    return false;
}

static int order_bytes(const uint8_t *a, size_t n, const uint8_t *b, size_t m)
{
    int order = memcmp(a, b, QV_MIN(n, m));

    return order ? order : (n > m) - (n < m);
}

static bool is_bytes(const qv__type *type) { return type->id >= QV_TYPE_UTF8 && type->id <= QV_TYPE_LARGE_BINARY; }

/* text = constant: lengths first, from offsets of 32 bits. */
static void equal_text(const qv__array *a, const uint8_t *text, size_t len, const uint64_t *live, size_t n,
                       uint64_t *result)
{
    const int32_t *offsets = (const int32_t *) a->buffers[1].data + a->offset;
    const uint8_t *bytes = a->buffers[2].data;

    for (size_t w = 0; w < qv__words(n); w++) {
        size_t first = w * 64, last = QV_MIN(n - first, 64);
        uint64_t same = 0;

        for (size_t k = 0; k < last; k++)
            same |= (uint64_t) ((size_t) (offsets[first + k + 1] - offsets[first + k]) == len) << k;
        same &= live[w];
        for (uint64_t rest = same; rest && len; rest &= rest - 1) {
            int bit = __builtin_ctzll(rest);
            if (memcmp(bytes + offsets[first + (size_t) bit], text, len) != 0)
                same &= ~(UINT64_C(1) << bit);
        }
        result[w] = same;
    }
}

static void compare_text(const pair *p, qv__compare op, const uint64_t *live, size_t n, uint64_t *result)
{
    bool negate;
    size_t len_a = 0, len_b = 0;
    const uint8_t *one = p->b_one ? qv__array_string(p->b, 0, &len_b) : NULL, *a = NULL, *b = one;

    if (kernel_of(op, &negate) == QV_KERN_EQ && p->b_one && !p->a_one && p->a->buffers[1].len &&
        (p->a->type->id == QV_TYPE_UTF8 || p->a->type->id == QV_TYPE_BINARY)) {
        equal_text(p->a, one, len_b, live, n, result);
        for (size_t w = 0; negate && w < qv__words(n); w++)
            result[w] = ~result[w];
        return;
    }
    if (p->a_one)
        a = qv__array_string(p->a, 0, &len_a);
    for (size_t w = 0; w < qv__words(n); w++) {
        result[w] = 0;
        for (uint64_t rest = live[w]; rest; rest &= rest - 1) {
            int64_t i = (int64_t) (w * 64) + __builtin_ctzll(rest);
            if (!p->a_one)
                a = qv__array_string(p->a, i, &len_a);
            if (!p->b_one)
                b = qv__array_string(p->b, i, &len_b);
            result[w] |= (uint64_t) holds(op, order_bytes(a, len_a, b, len_b)) << (i & 63);
        }
    }
}

static void compare_any(const pair *p, qv__compare op, const uint64_t *live, size_t n, uint64_t *result)
{
    for (size_t w = 0; w < qv__words(n); w++) {
        result[w] = 0;
        for (uint64_t rest = live[w]; rest; rest &= rest - 1) {
            int64_t i = (int64_t) (w * 64) + __builtin_ctzll(rest);
            int order = qv__value_compare(p->a, p->a_one ? 0 : i, p->b, p->b_one ? 0 : i);
            result[w] |= (uint64_t) holds(op, order) << (i & 63);
        }
    }
}

static void compare_bools(const pair *p, qv__compare op, size_t n, uint64_t *result)
{
    uint64_t a[QV_EVAL_WORDS], b[QV_EVAL_WORDS], ignored[QV_EVAL_WORDS];

    qv__truth_words(p->a, p->a_one, n, a, ignored);
    qv__truth_words(p->b, p->b_one, n, b, ignored);
    for (size_t w = 0; w < qv__words(n); w++) {
        uint64_t less = ~a[w] & b[w], more = a[w] & ~b[w];
        result[w] = (op == QV_EQ || op == QV_NOT_DISTINCT) ? ~(less | more)
                    : (op == QV_NE || op == QV_DISTINCT)   ? less | more
                    : op == QV_LT                          ? less
                    : op == QV_LE                          ? ~more
                    : op == QV_GT                          ? more
                                                           : ~less;
    }
}

/* Values that are not null; what is said of others means nothing. `live`: both there, and wanted. */
static void compare_values(const pair *p, qv__compare op, const uint64_t *live, size_t n, uint64_t *result)
{
    qv__kern_type type;
    bool negate;
    int kernel;

    if (p->a->type->id == QV_TYPE_BOOL) {
        compare_bools(p, op, n, result);
    } else if (is_bytes(p->a->type)) {
        compare_text(p, op, live, n, result);
    } else if (p->a_one || !qv__kern_type_of(p->a->type, &type)) {
        compare_any(p, op, live, n, result);
    } else {
        kernel = kernel_of(op, &negate);
        qv__expr_kernels()->compare[kernel][type][p->b_one](qv__array_values(p->a), qv__array_values(p->b), n, result);
        for (size_t w = 0; negate && w < qv__words(n); w++)
            result[w] = ~result[w];
    }
}

qv_status qv__eval_compare(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out)
{
    qv_status st = QV_OK;
    size_t n = e->n;
    uint64_t result[QV_EVAL_WORDS], valid_a[QV_EVAL_WORDS], valid_b[QV_EVAL_WORDS], ready[QV_EVAL_WORDS];
    bool distinct = expr->compare >= QV_DISTINCT, is_distinct = expr->compare == QV_DISTINCT;
    qv__array *a = NULL, *b = NULL;

    QV_CHECK(qv__eval_expr(e, expr->args[0], live, &a));
    QV_CHECK(qv__eval_expr(e, expr->args[1], live, &b));
    pair p = { a, b, qv__is_literal(expr->args[0]), qv__is_literal(expr->args[1]) };
    qv__valid_words(a, p.a_one, n, valid_a);
    qv__valid_words(b, p.b_one, n, valid_b);
    for (size_t w = 0; w < qv__words(n); w++)
        ready[w] = live[w] & valid_a[w] & valid_b[w];
    if ((p.a_one && qv__array_is_null(a, 0)) || (p.b_one && qv__array_is_null(b, 0)))
        memset(result, 0, sizeof result);
    else
        compare_values(&p, expr->compare, ready, n, result);
    for (size_t w = 0; w < qv__words(n); w++) {
        uint64_t both = valid_a[w] & valid_b[w], differ = valid_a[w] ^ valid_b[w];
        if (distinct) /* two nulls are the same, a null and a value are not */
            result[w] = (result[w] & both) | (is_distinct ? differ : ~(differ | both));
        result[w] &= qv__words_tail(n, w);
        valid_a[w] = both;
    }
    QV_CHECK(qv__result_bools(expr->type, n, result, distinct ? NULL : valid_a, out, e->err));
done:
    qv__array_unref(a);
    qv__array_unref(b);
    return st;
}

/* ------------------------------------------------------------------ IN */

qv_status qv__eval_in(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out)
{
    qv_status st = QV_OK;
    bool literal = qv__is_literal(expr->args[0]);
    uint64_t found[QV_EVAL_WORDS], valid[QV_EVAL_WORDS], ready[QV_EVAL_WORDS];
    qv__array *value = NULL;

    QV_TRY(qv__eval_expr(e, expr->args[0], live, &value));
    assert(!literal || e->n == 1); /* nothing in it can fail, so it was folded */
    qv__valid_words(value, literal, e->n, valid);
    for (size_t w = 0; w < qv__words(e->n); w++)
        ready[w] = live[w] & valid[w];
    qv__in_set_find(qv__node_of(expr)->prepared, value, e->n, ready, found);
    for (size_t w = 0; expr->list.has_null && w < qv__words(e->n); w++)
        valid[w] &= found[w];
    QV_CHECK(qv__result_bools(expr->type, e->n, found, valid, out, e->err));
done:
    qv__array_unref(value);
    return st;
}
