/* Concatenation. */
#include <string.h>

#include "base/alloc.h"
#include "expr/expr_private.h"

typedef struct strings {
    qv__array **args;
    bool *ones;
    size_t n_args;
} strings;

static const uint8_t *string_of(const strings *s, size_t k, size_t i, size_t *len)
{
    return qv__array_string(s->args[k], s->ones[k] ? 0 : (int64_t) i, len);
}

/* Offsets of `ready` rows' texts (others are empty), and the bytes of all. */
static qv_status measure(const strings *s, const qv__type *type, size_t n, const uint64_t *ready, uint8_t *offsets,
                         size_t *total, qv_error *err)
{
    bool wide = type->id == QV_TYPE_LARGE_UTF8 || type->id == QV_TYPE_LARGE_BINARY;
    size_t sum = 0, len;

    for (size_t i = 0; i <= n; i++) {
        int64_t at = (int64_t) sum;
        int32_t short_at = (int32_t) sum;

        if (wide)
            memcpy(offsets + i * 8, &at, 8);
        else
            memcpy(offsets + i * 4, &short_at, 4);
        for (size_t k = 0; i < n && (ready[i >> 6] >> (i & 63) & 1) && k < s->n_args; k++) {
            string_of(s, k, i, &len);
            sum += len;
        }
        if (!wide && sum > INT32_MAX)
            return qv__fail(err, QV_LIMIT, "concatenated texts of %zu rows pass 2 GiB", n);
    }
    *total = sum;
    return QV_OK;
}

static void join(const strings *s, size_t n, const uint64_t *ready, uint8_t *to)
{
    size_t len;

    for (size_t w = 0; w < qv__words(n); w++)
        for (uint64_t rest = ready[w]; rest; rest &= rest - 1)
            for (size_t k = 0; k < s->n_args; k++) {
                const uint8_t *from = string_of(s, k, w * 64 + (size_t) __builtin_ctzll(rest), &len);
                memcpy(to, from, len);
                to += len;
            }
}

static qv_status concat(const qv__eval *e, const qv__expr *expr, const strings *s, const uint64_t *valid,
                        const uint64_t *ready, qv__array **out)
{
    qv_status st = QV_OK;
    bool wide = expr->type->id == QV_TYPE_LARGE_UTF8 || expr->type->id == QV_TYPE_LARGE_BINARY;
    qv__array *result = NULL, *carrier = NULL;
    qv__type *byte = NULL;
    uint8_t *offsets, *bytes;
    size_t total = 0;
    void *unused;

    QV_CHECK(qv__type_new(QV_TYPE_BOOL, &byte, e->err));
    QV_CHECK(qv__result_new(byte, e->n, valid, &carrier, &unused, e->err)); /* lends its validity */
    QV_CHECK(qv__array_new(expr->type, (int64_t) e->n, 0, &result, e->err));
    result->buffers[0] = qv__bytes_ref(carrier->buffers[0]);
    result->null_count = carrier->null_count;
    QV_CHECK(qv__bytes_new((e->n + 1) * (wide ? 8 : 4), &result->buffers[1], &offsets, e->err));
    QV_CHECK(measure(s, expr->type, e->n, ready, offsets, &total, e->err));
    QV_CHECK(qv__bytes_new(total, &result->buffers[2], &bytes, e->err));
    join(s, e->n, ready, bytes);
    *out = result;
    result = NULL;
done:
    qv__array_unref(result);
    qv__array_unref(carrier);
    qv__type_unref(byte);
    return st;
}

qv_status qv__eval_concat(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out)
{
    qv_status st = QV_OK;
    uint64_t valid[QV_EVAL_WORDS], ready[QV_EVAL_WORDS], one[QV_EVAL_WORDS];
    strings s = { .n_args = expr->n_args };

    memcpy(ready, live, qv__words(e->n) * 8);
    for (size_t w = 0; w < qv__words(e->n); w++)
        valid[w] = qv__words_tail(e->n, w);
    QV_CHECK(QV_NEW(&s.args, s.n_args, e->err));
    QV_CHECK(QV_NEW(&s.ones, s.n_args, e->err));
    for (size_t k = 0; k < s.n_args; k++) {
        s.ones[k] = qv__is_literal(expr->args[k]);
        QV_CHECK(qv__eval_expr(e, expr->args[k], live, &s.args[k]));
        qv__valid_words(s.args[k], s.ones[k], e->n, one);
        for (size_t w = 0; w < qv__words(e->n); w++) {
            valid[w] &= one[w];
            ready[w] &= one[w];
        }
    }
    QV_CHECK(concat(e, expr, &s, valid, ready, out));
done:
    for (size_t k = 0; k < s.n_args && s.args; k++)
        qv__array_unref(s.args[k]);
    qv__free(s.args);
    qv__free(s.ones);
    return st;
}
