/* LIKE patterns, taken apart once: the pieces between the % are found one after the other, the first and last at the ends. */
#include <string.h>

#include "base/alloc.h"
#include "expr/bind_private.h"
#include "expr/kern.h"

/* What lies between two %: bytes, and where one character of any kind stands. */
typedef struct piece {
    const uint8_t *bytes;  /* 0 at the places of _ */
    const uint8_t *is_any; /* per byte: it is a _; NULL: there is none */
    size_t len;
} piece;

struct qv__like {
    bool ignore_case;
    bool open_start, open_end; /* the pattern begins, or ends, with % */
    size_t n;
    piece *pieces;
    uint8_t *bytes, *any;
};

void qv__like_free(void *like_)
{
    qv__like *like = like_;

    if (!like)
        return;
    qv__free(like->pieces);
    qv__free(like->bytes);
    qv__free(like->any);
    qv__free(like);
}

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t) (c | 32) : c; }

static void close_piece(qv__like *like, size_t start, size_t used, bool has_any)
{
    if (used > start)
        like->pieces[like->n++] = (piece){ like->bytes + start, has_any ? like->any + start : NULL, used - start };
}

/* An escape at the very end stands for itself. */
qv_status qv__like_compile(const uint8_t *pattern, size_t len, char escape, bool ignore_case, qv__like **out,
                           qv_error *err)
{
    qv_status st = QV_OK;
    qv__like *like;
    size_t used = 0, start = 0;
    bool has_any = false;

    QV_TRY(QV_NEW(&like, 1, err));
    like->ignore_case = ignore_case;
    QV_CHECK(QV_NEW(&like->pieces, len + 1, err));
    QV_CHECK(QV_NEW(&like->bytes, len + 1, err));
    QV_CHECK(QV_NEW(&like->any, len + 1, err));
    for (size_t i = 0; i < len; i++) {
        bool escaped = i + 1 < len && escape && pattern[i] == (uint8_t) escape;

        if (!escaped && pattern[i] == '%') {
            close_piece(like, start, used, has_any);
            like->open_start |= like->n == 0;
            like->open_end = true;
            start = used;
            has_any = false;
            continue;
        }
        i += escaped;
        like->open_end = false;
        like->any[used] = !escaped && pattern[i] == '_';
        has_any |= like->any[used];
        like->bytes[used] = like->any[used] ? 0 : ignore_case ? lower(pattern[i]) : pattern[i];
        used++;
    }
    close_piece(like, start, used, has_any);
    *out = like;
    like = NULL;
done:
    qv__like_free(like);
    return st;
}

/* ------------------------------------------------------------------ matching */

static const size_t nowhere = SIZE_MAX;

static size_t next_char(const uint8_t *text, size_t at, size_t len)
{
    for (at++; at < len && (text[at] & 0xc0) == 0x80;)
        at++;
    return at;
}

/* Where the piece ends when it begins at `at`, or nowhere. */
static size_t match_from(const qv__like *like, const piece *p, const uint8_t *text, size_t at, size_t len)
{
    if (!p->is_any && !like->ignore_case)
        return p->len <= len - at && memcmp(text + at, p->bytes, p->len) == 0 ? at + p->len : nowhere;
    for (size_t k = 0; k < p->len; k++) {
        if (at >= len)
            return nowhere;
        if (p->is_any && p->is_any[k])
            at = next_char(text, at, len);
        else if ((like->ignore_case ? lower(text[at]) : text[at]) != p->bytes[k])
            return nowhere;
        else
            at++;
    }
    return at;
}

/* Where the piece begins, not before `from`, when it ends at the text's end. */
static size_t match_back(const qv__like *like, const piece *p, const uint8_t *text, size_t from, size_t len)
{
    size_t at = len;

    for (size_t k = p->len; k-- > 0;) {
        if (at <= from)
            return nowhere;
        at--;
        if (p->is_any && p->is_any[k]) {
            while (at > from && (text[at] & 0xc0) == 0x80)
                at--;
        } else if ((like->ignore_case ? lower(text[at]) : text[at]) != p->bytes[k]) {
            return nowhere;
        }
    }
    return at;
}

/* Where the first occurrence of the piece ends, or nowhere. */
static size_t search(const qv__like *like, const piece *p, const uint8_t *text, size_t from, size_t end)
{
    if (!p->is_any && !like->ignore_case && p->len == 1) { /* not worth a call */
        while (from < end && text[from] != p->bytes[0])
            from++;
        return from < end ? from + 1 : nowhere;
    }
    if (!p->is_any && !like->ignore_case) {
        size_t found = qv__expr_kernels()->find(text, from, end, p->bytes, p->len);
        return found < end ? found + p->len : nowhere;
    }
    for (; from < end; from = next_char(text, from, end)) {
        size_t after = match_from(like, p, text, from, end);
        if (after != nowhere)
            return after;
    }
    return nowhere;
}

bool qv__like_matches(const qv__like *like, const uint8_t *text, size_t len)
{
    size_t first = 0, last = like->n, at = 0, end = len;

    if (like->n == 0)
        return like->open_end || len == 0;
    if (!like->open_start) {
        at = match_from(like, &like->pieces[first++], text, 0, len);
        if (at == nowhere)
            return false;
        if (first == last)
            return like->open_end || at == len;
    }
    if (!like->open_end) {
        end = match_back(like, &like->pieces[--last], text, at, len);
        if (end == nowhere)
            return false;
    }
    for (; first < last; first++) {
        at = search(like, &like->pieces[first], text, at, end);
        if (at == nowhere)
            return false;
    }
    return true;
}

qv__like_shape qv__like_shape_of(const qv__like *like, const uint8_t **bytes, size_t *len, bool *ignore_case)
{
    *bytes = like->n ? like->pieces[0].bytes : (const uint8_t *) "";
    *len = like->n ? like->pieces[0].len : 0;
    *ignore_case = like->ignore_case;
    if (like->n > 1 || (like->n && like->pieces[0].is_any))
        return QV_LIKE_OTHER;
    if (like->open_start && like->open_end)
        return QV_LIKE_CONTAINS;
    return like->open_start ? QV_LIKE_SUFFIX : like->open_end ? QV_LIKE_PREFIX : QV_LIKE_EQUAL;
}

/* ------------------------------------------------------------------ for others */

qv_status qv__like_prefix(const qv__expr *like, qv__buffer *out, bool *exact, qv_error *err)
{
    const qv__like *pattern = qv__node_of(like)->prepared;
    const piece *p = pattern && pattern->n ? pattern->pieces : NULL;
    size_t n = 0;

    *exact = false;
    if (!pattern || pattern->ignore_case || pattern->open_start || !p)
        return QV_OK;
    while (n < p->len && !(p->is_any && p->is_any[n]))
        n++;
    *exact = n == p->len && pattern->n == 1 && pattern->open_end;
    return qv__buffer_append(out, p->bytes, n, err);
}

/* Signs that mean nothing of their own kind in SIMILAR TO, but do in regular expressions. */
static bool needs_quote(uint8_t c, bool similar)
{
    return c && strchr(similar ? "^$.\\" : "^$.\\|*+?(){}[]", c) != NULL;
}

qv_status qv__pattern_to_regexp(const uint8_t *pattern, size_t len, char escape, bool similar, qv__buffer *out,
                                qv_error *err)
{
    QV_TRY(qv__buffer_append(out, "^(?:", 4, err));
    for (size_t i = 0; i < len; i++) {
        bool escaped = i + 1 < len && pattern[i] == (uint8_t) escape;
        uint8_t c = pattern[i += escaped];

        if (!escaped && c == '%')
            QV_TRY(qv__buffer_append(out, ".*", 2, err));
        else if (!escaped && c == '_')
            QV_TRY(qv__buffer_append(out, ".", 1, err));
        else {
            if (needs_quote(c, similar && !escaped))
                QV_TRY(qv__buffer_append(out, "\\", 1, err));
            QV_TRY(qv__buffer_append(out, &c, 1, err));
        }
    }
    return qv__buffer_append(out, ")$", 2, err);
}
