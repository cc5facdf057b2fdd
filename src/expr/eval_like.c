/* LIKE. Where the pattern is a constant and most rows count, the texts of a piece are one run of bytes: what the pattern looks for is
 * searched in the run, and a hit belongs to the row whose text it lies in. Without regard to case, the run is made small first. */
#include <string.h>

#include "base/alloc.h"
#include "expr/expr_private.h"
#include "expr/kern.h"

/* Texts by 32-bit offsets: row i is bytes[offsets[i], offsets[i + 1]). */
typedef struct run {
    const int32_t *offsets;
    const uint8_t *bytes;
    size_t n;
} run;

static void put(uint64_t *result, size_t i) { result[i >> 6] |= UINT64_C(1) << (i & 63); }

static void find_contained(const run *r, const uint8_t *needle, size_t len, uint64_t *result)
{
    size_t (*find)(const uint8_t *, size_t, size_t, const uint8_t *, size_t) = qv__expr_kernels()->find;
    size_t at = (size_t) r->offsets[0], end = (size_t) r->offsets[r->n], row = 0;

    while ((at = find(r->bytes, at, end, needle, len)) < end) {
        while ((size_t) r->offsets[row + 1] <= at)
            row++;
        if (at + len > (size_t) r->offsets[row + 1]) { /* across two texts */
            at++;
            continue;
        }
        put(result, row);
        at = (size_t) r->offsets[row + 1];
    }
}

/* The pattern at the beginning, at the end, or all of the text. */
static void find_at_ends(const run *r, qv__like_shape shape, const uint8_t *text, size_t len, const uint64_t *ready,
                         uint64_t *result)
{
    for (size_t w = 0; w < qv__words(r->n); w++)
        for (uint64_t rest = ready[w]; rest; rest &= rest - 1) {
            size_t i = w * 64 + (size_t) __builtin_ctzll(rest), have = (size_t) (r->offsets[i + 1] - r->offsets[i]);
            const uint8_t *from =
                r->bytes + (shape == QV_LIKE_SUFFIX ? r->offsets[i + 1] - (ptrdiff_t) len : r->offsets[i]);

            if (have >= len && (shape != QV_LIKE_EQUAL || have == len) && memcmp(from, text, len) == 0)
                put(result, i);
        }
}

static void match_rows(const qv__like *like, const qv__array *text, size_t n, const uint64_t *ready, uint64_t *result)
{
    size_t len;

    for (size_t w = 0; w < qv__words(n); w++)
        for (uint64_t rest = ready[w]; rest; rest &= rest - 1) {
            size_t i = w * 64 + (size_t) __builtin_ctzll(rest);
            const uint8_t *bytes = qv__array_string(text, (int64_t) i, &len);
            if (qv__like_matches(like, bytes, len))
                put(result, i);
        }
}

static bool most_rows(const uint64_t *ready, size_t n)
{
    size_t count = 0;

    for (size_t w = 0; w < qv__words(n); w++)
        count += (size_t) __builtin_popcountll(ready[w]);
    return count * 4 > n;
}

/* The run in lower case; offsets stay what they are. */
static qv_status lower_run(const run *r, uint8_t **lowered, run *out, qv_error *err)
{
    size_t from = (size_t) r->offsets[0], len = (size_t) r->offsets[r->n] - from;

    QV_TRY(QV_NEW(lowered, len + 1, err));
    for (size_t i = 0; i < len; i++) {
        uint8_t c = r->bytes[from + i];
        (*lowered)[i] = (uint8_t) (c + ((uint8_t) (c - 'A') < 26 ? 32 : 0));
    }
    *out = (run){ r->offsets, *lowered - from, r->n };
    return QV_OK;
}

/* A constant pattern. */
static qv_status match_constant(const qv__eval *e, const qv__like *like, const qv__array *text, const uint64_t *ready,
                                uint64_t *result)
{
    const uint8_t *bytes;
    size_t len;
    bool ignore_case;
    qv__like_shape shape = qv__like_shape_of(like, &bytes, &len, &ignore_case);
    run r = { .bytes = text->buffers[2].data, .n = e->n };
    uint8_t *lowered = NULL;

    if (shape == QV_LIKE_OTHER || text->type->id != QV_TYPE_UTF8 || (ignore_case && !most_rows(ready, e->n)) ||
        (shape == QV_LIKE_CONTAINS && (len == 0 || !most_rows(ready, e->n)))) {
        match_rows(like, text, e->n, ready, result);
        return QV_OK;
    }
    r.offsets = (const int32_t *) (const void *) text->buffers[1].data + text->offset;
    if (ignore_case)
        QV_TRY(lower_run(&r, &lowered, &r, e->err));
    if (shape == QV_LIKE_CONTAINS)
        find_contained(&r, bytes, len, result);
    else
        find_at_ends(&r, shape, bytes, len, ready, result);
    qv__free(lowered);
    return QV_OK;
}

/* Patterns that are a column: each is taken apart for its row, the last one kept for rows that repeat it. */
static qv_status match_each(const qv__eval *e, const qv__expr *expr, const qv__array *text, const qv__array *pattern,
                            const uint64_t *ready, uint64_t *result)
{
    qv_status st = QV_OK;
    bool text_one = qv__is_literal(expr->args[0]);
    qv__like *like = NULL;
    const uint8_t *last = NULL, *now, *bytes;
    size_t last_len = 0, now_len, len;

    for (size_t w = 0; w < qv__words(e->n); w++)
        for (uint64_t rest = ready[w]; rest; rest &= rest - 1) {
            int64_t i = (int64_t) (w * 64) + __builtin_ctzll(rest);

            now = qv__array_string(pattern, i, &now_len);
            if (!like || now_len != last_len || memcmp(now, last, now_len) != 0) {
                qv__like_free(like);
                like = NULL;
                QV_CHECK(qv__like_compile(now, now_len, expr->like.escape, expr->like.ignore_case, &like, e->err));
                last = now;
                last_len = now_len;
            }
            bytes = qv__array_string(text, text_one ? 0 : i, &len);
            result[w] |= (uint64_t) qv__like_matches(like, bytes, len) << (i & 63);
        }
done:
    qv__like_free(like);
    return st;
}

qv_status qv__eval_like(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out)
{
    qv_status st = QV_OK;
    const qv__like *like = qv__node_of(expr)->prepared;
    bool text_one = qv__is_literal(expr->args[0]), pattern_one = qv__is_literal(expr->args[1]);
    uint64_t valid[QV_EVAL_WORDS], valid_b[QV_EVAL_WORDS], ready[QV_EVAL_WORDS], result[QV_EVAL_WORDS];
    qv__array *text = NULL, *pattern = NULL;

    QV_CHECK(qv__eval_expr(e, expr->args[0], live, &text));
    QV_CHECK(qv__eval_expr(e, expr->args[1], live, &pattern));
    qv__valid_words(text, text_one, e->n, valid);
    qv__valid_words(pattern, pattern_one, e->n, valid_b);
    for (size_t w = 0; w < qv__words(e->n); w++) {
        valid[w] &= valid_b[w];
        ready[w] = valid[w] & live[w];
        result[w] = 0;
    }
    if (like)
        QV_CHECK(match_constant(e, like, text, ready, result));
    else
        QV_CHECK(match_each(e, expr, text, pattern, ready, result));
    QV_CHECK(qv__result_bools(expr->type, e->n, result, valid, out, e->err));
done:
    qv__array_unref(text);
    qv__array_unref(pattern);
    return st;
}
