/* Lengths of texts and places in them. */
#include "expr/functions/string_private.h"

size_t qv__text_find(qv__text text, qv__text part)
{
    const uint8_t *found;

    if (part.len == 0)
        return 0;
    found = text.len ? memmem(text.data, text.len, part.data, part.len) : NULL;
    return found ? (size_t) (found - text.data) : SIZE_MAX;
}

qv_status qv__ascii_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i);
    size_t n;

    QV_UNUSED(err);
    out->i = text.len ? qv__utf8_get(text.data, &n) : 0;
    return QV_OK;
}

static qv_status put_length(size_t length, const qv__call *call, qv__cell *out, qv_error *err)
{
    if (call->node->type->id == QV_TYPE_INT32 && length > INT32_MAX)
        return qv__fail(err, QV_INVALID, "%s: %zu is past int32", call->node->function->name, length);
    out->i = (int64_t) length;
    return QV_OK;
}

qv_status qv__length_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i);
    bool is_text = qv__is_text(call->args[0]->type);

    return put_length(is_text ? qv__utf8_count(text.data, text.len) : text.len, call, out, err);
}

qv_status qv__octet_length_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    return put_length(qv__arg_text(call, 0, i).len, call, out, err);
}

qv_status qv__bit_length_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    size_t bits;

    if (__builtin_mul_overflow(qv__arg_text(call, 0, i).len, (size_t) 8, &bits))
        bits = SIZE_MAX;
    return put_length(bits, call, out, err);
}

qv_status qv__contains_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    QV_UNUSED(err);
    out->b = qv__text_find(qv__arg_text(call, 0, i), qv__arg_text(call, 1, i)) != SIZE_MAX;
    return QV_OK;
}

static bool has_at(qv__text text, size_t at, qv__text part)
{
    return part.len == 0 || memcmp(text.data + at, part.data, part.len) == 0;
}

qv_status qv__starts_with_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i), part = qv__arg_text(call, 1, i);

    QV_UNUSED(err);
    out->b = part.len <= text.len && has_at(text, 0, part);
    return QV_OK;
}

qv_status qv__ends_with_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i), part = qv__arg_text(call, 1, i);

    QV_UNUSED(err);
    out->b = part.len <= text.len && has_at(text, text.len - part.len, part);
    return QV_OK;
}

qv_status qv__strpos_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i);
    size_t at = qv__text_find(text, qv__arg_text(call, 1, i));

    return put_length(at == SIZE_MAX ? 0 : qv__utf8_count(text.data, at) + 1, call, out, err);
}

qv_status qv__find_in_set_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text word = qv__arg_text(call, 0, i), list = qv__arg_text(call, 1, i);
    size_t start = 0, number = 1;

    QV_UNUSED(err);
    out->i = 0;
    for (size_t at = 0; at <= list.len; at++) {
        if (at < list.len && list.data[at] != ',')
            continue;
        if (at - start == word.len && has_at(list, start, word)) {
            out->i = (int64_t) number;
            return QV_OK;
        }
        start = at + 1;
        number++;
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ levenshtein */

/* Work is the product of the lengths; a pair of huge texts would run for hours. */
#define MOST_WORK (UINT64_C(1) << 32)

static qv_status code_points(qv__text text, uint32_t **out, size_t *n, qv_error *err)
{
    size_t count = 0, len;

    QV_TRY(qv__new((void **) out, text.len + 1, sizeof **out, err));
    for (size_t at = 0; at < text.len; at += len)
        (*out)[count++] = qv__utf8_get(text.data + at, &len);
    *n = count;
    return QV_OK;
}

/* `row` has m + 1 places: the distances of the first k characters of a to each beginning of b. */
static size_t distance(const uint32_t *a, size_t n, const uint32_t *b, size_t m, uint32_t *row)
{
    for (size_t j = 0; j <= m; j++)
        row[j] = (uint32_t) j;
    for (size_t k = 0; k < n; k++) {
        uint32_t diagonal = row[0];
        row[0] = (uint32_t) k + 1;
        for (size_t j = 0; j < m; j++) {
            uint32_t replaced = diagonal + (a[k] != b[j]), near = QV_MIN(row[j], row[j + 1]) + 1;
            diagonal = row[j + 1];
            row[j + 1] = QV_MIN(replaced, near);
        }
    }
    return row[m];
}

qv_status qv__levenshtein_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__text x = qv__arg_text(call, 0, i), y = qv__arg_text(call, 1, i);
    uint32_t *a = NULL, *b = NULL, *row = NULL;
    size_t n, m;
    uint64_t work;

    if (!qv__mul_u64(x.len, y.len, &work) || work > MOST_WORK)
        return qv__fail(err, QV_LIMIT, "levenshtein: texts of %zu and %zu bytes are too long", x.len, y.len);
    QV_CHECK(code_points(x, &a, &n, err));
    QV_CHECK(code_points(y, &b, &m, err));
    QV_CHECK(QV_NEW(&row, m + 1, err));
    out->i = (int64_t) distance(a, n, b, m, row);
done:
    qv__free(row);
    qv__free(b);
    qv__free(a);
    return st;
}
