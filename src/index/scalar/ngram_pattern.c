/* What texts must contain to answer a question: the pieces of a LIKE pattern between its wildcards, and the literals of a regular
 * expression that stand in every match. Leaving a literal out costs time, a wrong one would cost rows: of regular expressions only
 * what is plainly understood counts, and anything unusual means that nothing is known. */
#include "base/buffer.h"
#include "base/utf8.h"
#include "index/scalar/ngram_private.h"

/* A literal in the making. */
typedef struct literal {
    qv__ngram_set *set;
    qv__buffer text;
    size_t last; /* where its last character begins */
} literal;

static qv_status end_literal(literal *l, qv_error *err)
{
    qv_status st = qv__ngram_set_add(l->set, l->text.data, l->text.len, err);

    l->text.len = l->last = 0;
    return st;
}

static qv_status add_character(literal *l, const uint8_t *text, size_t n, qv_error *err)
{
    l->last = l->text.len;
    return qv__buffer_append(&l->text, text, n, err);
}

static size_t character(const uint8_t *text, size_t len, size_t at) { return QV_MIN(qv__utf8_len(text[at]), len - at); }

/* ------------------------------------------------------------------ LIKE */

static qv_status of_like(literal *l, const uint8_t *text, size_t len, char escape, qv_error *err)
{
    for (size_t at = 0; at < len;) {
        if (escape && text[at] == (uint8_t) escape && at + 1 < len) {
            at++;
        } else if (text[at] == '%' || text[at] == '_') {
            QV_TRY(end_literal(l, err));
            at++;
            continue;
        }
        size_t n = character(text, len, at);
        QV_TRY(add_character(l, text + at, n, err));
        at += n;
    }
    return end_literal(l, err);
}

/* ------------------------------------------------------------------ regular expressions */

/* Where the bracket that begins at `at` ends (the position after it); 0: it does not. */
static size_t after_class(const uint8_t *text, size_t len, size_t at)
{
    at++;
    if (at < len && text[at] == '^')
        at++;
    if (at < len && text[at] == ']')
        at++;
    for (; at < len; at++) {
        if (text[at] == '[')
            return 0; /* POSIX classes, nested sets: not looked into */
        if (text[at] == '\\')
            at++;
        else if (text[at] == ']')
            return at + 1;
    }
    return 0;
}

static size_t after_group(const uint8_t *text, size_t len, size_t at)
{
    size_t depth = 0;

    while (at < len) {
        if (text[at] == '[') {
            at = after_class(text, len, at);
            if (!at)
                return 0;
            continue;
        }
        if (text[at] == '\\')
            at++;
        else if (text[at] == '(')
            depth++;
        else if (text[at] == ')' && --depth == 0)
            return at + 1;
        at++;
    }
    return 0;
}

static size_t after_count(const uint8_t *text, size_t len, size_t at)
{
    while (at < len && text[at] != '}')
        at++;
    return at < len ? at + 1 : 0;
}

/* A group that begins with "(?": only those that set nothing but i, m, s, or that merely group. */
static bool is_plain_group(const uint8_t *text, size_t len, size_t at)
{
    if (at + 1 >= len || text[at + 1] != '?')
        return at + 1 < len && text[at + 1] != '*';
    for (at += 2; at < len; at++) {
        if (text[at] == ':' || text[at] == ')')
            return true;
        if (text[at] != 'i' && text[at] != 'm' && text[at] != 's')
            return false;
    }
    return false;
}

/* No alternatives outside of groups, no option that changes how the rest is read. */
static bool is_plain(const uint8_t *text, size_t len)
{
    size_t depth = 0;

    for (size_t at = 0; at < len; at++) {
        if (text[at] == '\\') {
            at++;
            if (at >= len || strchr("QExupPkgcoNKGCRX0123456789", text[at]))
                return false;
        } else if (text[at] == '|') {
            if (!depth)
                return false;
        } else if (text[at] == '[') {
            size_t end = after_class(text, len, at);
            if (!end)
                return false;
            at = end - 1;
        } else if (text[at] == '(') {
            if (!is_plain_group(text, len, at))
                return false;
            depth++;
        } else if (text[at] == ')') {
            if (!depth)
                return false;
            depth--;
        }
    }
    return true;
}

static bool is_word(uint8_t c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'); }

/* One step at text[at]; *next: where the following one begins. 0: not understood. */
static qv_status step(literal *l, const uint8_t *text, size_t len, size_t at, size_t *next, qv_error *err)
{
    uint8_t c = text[at];

    *next = at + 1;
    switch (c) {
    case '*':
    case '?':
    case '{': /* perhaps none of what stood before */
        l->text.len = QV_MIN(l->last, l->text.len);
        if (c == '{')
            *next = after_count(text, len, at);
        return end_literal(l, err);
    case '+':
    case '.':
    case '^':
    case '$':
        return end_literal(l, err);
    case '[':
        *next = after_class(text, len, at);
        return end_literal(l, err);
    case '(':
        *next = after_group(text, len, at);
        return end_literal(l, err);
    case '\\':
        if (at + 1 == len) { /* only in what is no UTF-8 */
            *next = 0;
            return QV_OK;
        }
        *next = at + 1 + character(text, len, at + 1);
        return is_word(text[at + 1]) ? end_literal(l, err) : add_character(l, text + at + 1, *next - at - 1, err);
    default:
        *next = at + character(text, len, at);
        return add_character(l, text + at, *next - at, err);
    }
}

static qv_status of_regexp(literal *l, const uint8_t *text, size_t len, qv_error *err)
{
    if (!is_plain(text, len))
        return QV_OK;
    for (size_t at = 0, next; at < len; at = next) {
        QV_TRY(step(l, text, len, at, &next, err));
        if (!next) {
            qv__ngram_set_empty(l->set);
            return QV_OK;
        }
    }
    return end_literal(l, err);
}

qv_status qv__ngram_of_ask(const qv__ask *ask, qv__ngram_set *set, qv_error *err)
{
    literal l = { .set = set };
    size_t len;
    const uint8_t *text = qv__array_string(ask->low, 0, &len);
    qv_status st = QV_OK;

    qv__buffer_init(&l.text, len);
    switch (ask->kind) {
    case QV_ASK_PREFIX:
    case QV_ASK_CONTAINS:
        st = qv__ngram_set_add(set, text, len, err);
        break;
    case QV_ASK_LIKE:
        st = of_like(&l, text, len, ask->escape, err);
        break;
    case QV_ASK_REGEXP:
        st = of_regexp(&l, text, len, err);
        break;
    default:
        break;
    }
    qv__buffer_free(&l.text);
    return st;
}
