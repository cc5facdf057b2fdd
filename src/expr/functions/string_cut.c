/* Parts of texts, and padding. */
#include "expr/functions/string_private.h"

static qv_status put(qv__cell *out, const uint8_t *data, size_t len, qv_error *err)
{
    return qv__buffer_append(&out->text, data, len, err);
}

/* ------------------------------------------------------------------ trimming */

enum { AT_START = 1, AT_END = 2 };

static bool among(qv__text set, const uint8_t *c, size_t n)
{
    for (size_t at = 0; at < set.len; at += qv__utf8_len(set.data[at]))
        if (qv__utf8_len(set.data[at]) == n && memcmp(set.data + at, c, n) == 0)
            return true;
    return false;
}

/* Bytes of the last character of a text that is not empty. */
static size_t last_len(qv__text text)
{
    size_t n = 1;

    while (n < text.len && (text.data[text.len - n] & 0xc0) == 0x80)
        n++;
    return n;
}

static qv_status trim(const qv__call *call, size_t i, int where, qv__cell *out, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i), set = { (const uint8_t *) " ", 1 };

    if (call->n_args > 1)
        set = qv__arg_text(call, 1, i);
    while (where & AT_START && text.len && among(set, text.data, qv__utf8_len(text.data[0]))) {
        size_t n = qv__utf8_len(text.data[0]);
        text.data += n;
        text.len -= n;
    }
    while (where & AT_END && text.len) {
        size_t n = last_len(text);
        if (!among(set, text.data + text.len - n, n))
            break;
        text.len -= n;
    }
    return put(out, text.data, text.len, err);
}

qv_status qv__trim_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    return trim(call, i, AT_START | AT_END, out, err);
}

qv_status qv__ltrim_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    return trim(call, i, AT_START, out, err);
}

qv_status qv__rtrim_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    return trim(call, i, AT_END, out, err);
}

/* ------------------------------------------------------------------ by position */

/* Where the last n characters begin. */
static size_t at_from_end(qv__text text, uint64_t n)
{
    while (n > 0 && text.len > 0) {
        text.len -= last_len(text);
        n--;
    }
    return text.len;
}

static uint64_t magnitude(int64_t n) { return n < 0 ? 0 - (uint64_t) n : (uint64_t) n; }

qv_status qv__left_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i);
    int64_t n = qv__arg_i64(call, 1, i);

    return put(out, text.data, n < 0 ? at_from_end(text, magnitude(n)) : qv__utf8_at(text.data, text.len, (uint64_t) n),
               err);
}

qv_status qv__right_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i);
    int64_t n = qv__arg_i64(call, 1, i);
    size_t at = n < 0 ? qv__utf8_at(text.data, text.len, magnitude(n)) : at_from_end(text, (uint64_t) n);

    return put(out, text.len ? text.data + at : NULL, text.len - at, err);
}

/* Positions before 1 count, but hold no characters. */
qv_status qv__substr_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i);
    int64_t start = qv__arg_i64(call, 1, i), count = INT64_MAX, end;
    size_t from, to = text.len;

    from = qv__utf8_at(text.data, text.len, start > 1 ? (uint64_t) start - 1 : 0);
    if (call->n_args > 2) {
        count = qv__arg_i64(call, 2, i);
        if (count < 0)
            return qv__fail(err, QV_INVALID, "%s: negative count not allowed: %lld", call->node->function->name,
                            (long long) count);
        if (__builtin_add_overflow(start, count, &end))
            end = INT64_MAX;
        to = qv__utf8_at(text.data, text.len, end > 1 ? (uint64_t) end - 1 : 0);
    }
    return to > from ? put(out, text.data + from, to - from, err) : QV_OK;
}

qv_status qv__overlay_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i), part = qv__arg_text(call, 1, i);
    int64_t start = qv__arg_i64(call, 2, i), count = (int64_t) qv__utf8_count(part.data, part.len), next;

    if (start < 1)
        return qv__fail(err, QV_INVALID, "overlay: start position must be at least 1: %lld", (long long) start);
    if (call->n_args > 3)
        count = qv__arg_i64(call, 3, i);
    if (__builtin_add_overflow(start - 1, count, &next))
        next = INT64_MAX;
    size_t from = qv__utf8_at(text.data, text.len, (uint64_t) start - 1);
    size_t to = qv__utf8_at(text.data, text.len, next > 0 ? (uint64_t) next : 0);
    QV_TRY(put(out, text.data, from, err));
    QV_TRY(put(out, part.data, part.len, err));
    return text.len > to ? put(out, text.data + to, text.len - to, err) : QV_OK;
}

/* ------------------------------------------------------------------ padding */

static qv_status put_fill(qv__text fill, uint64_t missing, qv__cell *out, qv_error *err)
{
    uint64_t in_fill = qv__utf8_count(fill.data, fill.len);

    if (in_fill == 0)
        return QV_OK;
    for (; missing >= in_fill; missing -= in_fill)
        QV_TRY(put(out, fill.data, fill.len, err));
    return put(out, fill.data, qv__utf8_at(fill.data, fill.len, missing), err);
}

static qv_status pad(const qv__call *call, size_t i, bool left, qv__cell *out, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i), fill = { (const uint8_t *) " ", 1 };
    int64_t n = qv__arg_i64(call, 1, i);
    uint64_t has = qv__utf8_count(text.data, text.len);

    if (n <= 0)
        return QV_OK;
    if ((uint64_t) n > QV_TEXT_MAX)
        return qv__fail(err, QV_LIMIT, "%s: requested length %lld too large, maximum allowed length is %zu",
                        call->node->function->name, (long long) n, QV_TEXT_MAX);
    if (call->n_args > 2)
        fill = qv__arg_text(call, 2, i);
    if (has >= (uint64_t) n)
        return put(out, text.data, qv__utf8_at(text.data, text.len, (uint64_t) n), err);
    if (left)
        QV_TRY(put_fill(fill, (uint64_t) n - has, out, err));
    QV_TRY(put(out, text.data, text.len, err));
    return left ? QV_OK : put_fill(fill, (uint64_t) n - has, out, err);
}

qv_status qv__lpad_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    return pad(call, i, true, out, err);
}

qv_status qv__rpad_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    return pad(call, i, false, out, err);
}

/* ------------------------------------------------------------------ by separator */

/* Where the n-th separator begins, n >= 1; SIZE_MAX: there are fewer. */
static size_t nth_separator(qv__text text, qv__text separator, uint64_t n)
{
    size_t from = 0;

    for (;;) {
        size_t at = qv__text_find((qv__text){ text.data + from, text.len - from }, separator);
        if (at == SIZE_MAX)
            return SIZE_MAX;
        if (--n == 0)
            return from + at;
        from += at + separator.len;
    }
}

static uint64_t count_separators(qv__text text, qv__text separator)
{
    uint64_t n = 0;

    for (size_t from = 0, at; from < text.len; from += at + separator.len, n++) {
        at = qv__text_find((qv__text){ text.data + from, text.len - from }, separator);
        if (at == SIZE_MAX)
            break;
    }
    return n;
}

qv_status qv__split_part_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i), separator = qv__arg_text(call, 1, i);
    int64_t n = qv__arg_i64(call, 2, i);

    if (n == 0)
        return qv__fail(err, QV_INVALID, "split_part: field position must not be zero");
    if (separator.len == 0)
        return n == 1 || n == -1 ? put(out, text.data, text.len, err) : QV_OK;
    uint64_t pieces = count_separators(text, separator) + 1, piece = magnitude(n);
    if (piece > pieces)
        return QV_OK;
    if (n < 0)
        piece = pieces + 1 - piece;
    size_t from = piece == 1 ? 0 : nth_separator(text, separator, piece - 1) + separator.len;
    size_t to = piece == pieces ? text.len : nth_separator(text, separator, piece);
    return text.len ? put(out, text.data + from, to - from, err) : QV_OK;
}

qv_status qv__substr_index_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i), separator = qv__arg_text(call, 1, i);
    int64_t n = qv__arg_i64(call, 2, i);

    if (n == 0 || separator.len == 0 || text.len == 0)
        return QV_OK;
    uint64_t has = count_separators(text, separator);
    if (magnitude(n) > has)
        return put(out, text.data, text.len, err);
    if (n > 0)
        return put(out, text.data, nth_separator(text, separator, (uint64_t) n), err);
    size_t from = nth_separator(text, separator, has - magnitude(n) + 1) + separator.len;
    return put(out, text.data + from, text.len - from, err);
}
