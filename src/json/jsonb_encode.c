/* JSON text to JSONB. A recursive descent over the text; each container first gathers its children's payloads at the end of the
 * output and its entries in a list of its own, and is put together when it closes. */
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/utf8.h"
#include "json/json.h"

typedef struct parser {
    const uint8_t *text, *at, *end;
    unsigned depth;
    qv__buffer *out;
    qv_error *err;
} parser;

static qv_status fail(const parser *p, const char *what)
{
    return qv__fail(p->err, QV_SCHEMA, "not JSON: %s at byte %zu", what, (size_t) (p->at - p->text));
}

static void skip_space(parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
        p->at++;
}

static int peek(const parser *p) { return p->at < p->end ? *p->at : -1; }

static void store_be32(uint8_t *to, uint32_t v) { qv__store_u32(to, __builtin_bswap32(v)); }

static qv_status close_entry(const parser *p, uint32_t kind, size_t start, uint32_t *entry)
{
    size_t len = p->out->len - start;

    if (len > QV_JSONB_LENGTH_MASK)
        return qv__fail(p->err, QV_SCHEMA, "a JSON value of %zu bytes is too long", len);
    *entry = kind | (uint32_t) len;
    return QV_OK;
}

/* ------------------------------------------------------------------ strings */

static qv_status append_code_point(parser *p, uint32_t c)
{
    uint8_t bytes[4];
    size_t n = qv__utf8_put(c, bytes);

    return qv__buffer_append(p->out, bytes, n, p->err);
}

static bool parse_hex4(parser *p, uint32_t *out)
{
    uint32_t value = 0;

    if (p->end - p->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        uint8_t c = p->at[i];
        unsigned digit = c >= '0' && c <= '9'   ? c - '0' + 0u
                         : c >= 'a' && c <= 'f' ? c - 'a' + 10u
                         : c >= 'A' && c <= 'F' ? c - 'A' + 10u
                                                : 16u;
        if (digit > 15)
            return false;
        value = value << 4 | digit;
    }
    p->at += 4;
    *out = value;
    return true;
}

/* After "\u". A high surrogate must be followed by a low one. */
static qv_status parse_unicode(parser *p)
{
    uint32_t c = 0, low = 0;

    if (!parse_hex4(p, &c))
        return fail(p, "four hexadecimal digits expected");
    if (c >= 0xd800 && c < 0xe000) {
        if (c >= 0xdc00 || p->end - p->at < 2 || p->at[0] != '\\' || p->at[1] != 'u')
            return fail(p, "half of a surrogate pair");
        p->at += 2;
        if (!parse_hex4(p, &low) || low < 0xdc00 || low >= 0xe000)
            return fail(p, "half of a surrogate pair");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    return append_code_point(p, c);
}

static qv_status parse_escape(parser *p)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    int c = peek(p);
    const char *found = c > 0 ? memchr(from, c, sizeof from - 1) : NULL;

    if (c == 'u') {
        p->at++;
        return parse_unicode(p);
    }
    if (!found)
        return fail(p, "unknown escape");
    p->at++;
    return qv__buffer_append(p->out, &to[found - from], 1, p->err);
}

/* Appends the string's bytes to the output; p->at is at the opening quote. */
static qv_status parse_string(parser *p)
{
    p->at++;
    for (;;) {
        const uint8_t *start = p->at;
        while (p->at < p->end && *p->at != '"' && *p->at != '\\' && *p->at >= 0x20)
            p->at++;
        QV_TRY(qv__buffer_append(p->out, start, (size_t) (p->at - start), p->err));
        switch (peek(p)) {
        case '"':
            p->at++;
            return QV_OK;
        case '\\':
            p->at++;
            QV_TRY(parse_escape(p));
            break;
        default:
            return fail(p, p->at < p->end ? "control character in a string" : "string without end");
        }
    }
}

/* ------------------------------------------------------------------ numbers */

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void) { c_locale = newlocale(LC_ALL_MASK, "C", (locale_t) 0); }

/* strtod whatever the host's locale says about the decimal point. */
static qv_status parse_double(parser *p, const char *text, double *out)
{
    pthread_once(&c_locale_once, make_c_locale);
    if (!c_locale)
        return qv__fail_nomem(p->err, 0);
    *out = strtod_l(text, NULL, c_locale);
    return QV_OK;
}

static qv_status append_integer(parser *p, uint8_t tag, uint64_t value, size_t width)
{
    uint8_t bytes[9] = { tag };

    for (size_t i = 0; i < width; i++)
        bytes[1 + i] = (uint8_t) (value >> 8 * (width - 1 - i));
    return qv__buffer_append(p->out, bytes, 1 + width, p->err);
}

static qv_status append_double(parser *p, double value)
{
    uint8_t tag = value > 0 ? QV_JSONB_INF : QV_JSONB_NEG_INF;
    uint64_t bits;

    if (isinf(value))
        return qv__buffer_append(p->out, &tag, 1, p->err);
    memcpy(&bits, &value, sizeof bits);
    return append_integer(p, QV_JSONB_FLOAT, bits, 8);
}

static qv_status append_unsigned(parser *p, uint64_t v)
{
    if (v == 0)
        return append_integer(p, QV_JSONB_ZERO, 0, 0);
    return append_integer(p, QV_JSONB_UINT, v, v <= UINT8_MAX ? 1 : v <= UINT16_MAX ? 2 : v <= UINT32_MAX ? 4 : 8);
}

static qv_status append_negative(parser *p, uint64_t magnitude)
{
    size_t width = magnitude <= 128 ? 1 : magnitude <= 32768 ? 2 : magnitude <= UINT64_C(1) << 31 ? 4 : 8;

    return magnitude ? append_integer(p, QV_JSONB_INT, 0 - magnitude, width) : append_integer(p, QV_JSONB_ZERO, 0, 0);
}

static bool skip_digits(parser *p)
{
    const uint8_t *start = p->at;

    while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
        p->at++;
    return p->at > start;
}

/* Moves over a number by JSON's grammar; *integral when it has neither fraction nor exponent. */
static qv_status scan_number(parser *p, bool *integral)
{
    *integral = true;
    if (peek(p) == '-')
        p->at++;
    if (peek(p) == '0')
        p->at++;
    else if (!skip_digits(p))
        return fail(p, "a digit expected");
    if (peek(p) == '.') {
        *integral = false;
        p->at++;
        if (!skip_digits(p))
            return fail(p, "a digit expected");
    }
    if (peek(p) == 'e' || peek(p) == 'E') {
        *integral = false;
        p->at++;
        if (peek(p) == '+' || peek(p) == '-')
            p->at++;
        if (!skip_digits(p))
            return fail(p, "a digit expected");
    }
    return QV_OK;
}

/* Does the magnitude fit 64 bits? */
static bool parse_magnitude(const char *digits, uint64_t *out)
{
    *out = 0;
    for (; *digits; digits++)
        if (!qv__mul_u64(*out, 10, out) || !qv__add_u64(*out, (uint64_t) (*digits - '0'), out))
            return false;
    return true;
}

static qv_status append_number(parser *p, const char *text, bool integral)
{
    bool negative = text[0] == '-';
    uint64_t magnitude;
    double value = 0;

    if (integral && parse_magnitude(text + negative, &magnitude)) {
        if (!negative)
            return append_unsigned(p, magnitude);
        if (magnitude <= UINT64_C(1) << 63)
            return append_negative(p, magnitude);
    }
    QV_TRY(parse_double(p, text, &value));
    return append_double(p, value);
}

static qv_status parse_number(parser *p)
{
    const uint8_t *start = p->at;
    char small[64];
    bool integral;

    QV_TRY(scan_number(p, &integral));
    size_t len = (size_t) (p->at - start);
    char *text = len < sizeof small ? small : qv__alloc(len + 1, 1);
    if (!text)
        return qv__fail_nomem(p->err, len);
    memcpy(text, start, len);
    text[len] = 0;
    qv_status st = append_number(p, text, integral);
    if (text != small)
        qv__free(text);
    return st;
}

/* ------------------------------------------------------------------ containers */

static qv_status parse_value(parser *p, uint32_t *entry);

typedef struct member {
    size_t key_at, key_len; /* in members.keys; arrays have none */
    size_t at, len;         /* payload, relative to the container's first */
    uint32_t entry;
} member;

typedef struct members {
    member *items;
    size_t n, capacity;
    qv__buffer keys;
} members;

static const uint8_t *sort_keys(const members *m, size_t i) { return m->keys.data + m->items[i].key_at; }

static int compare_members(const void *a, const void *b, void *ctx)
{
    const member *x = a, *y = b;
    const uint8_t *keys = ((const qv__buffer *) ctx)->data;
    size_t common = QV_MIN(x->key_len, y->key_len);
    int order = common ? memcmp(keys + x->key_at, keys + y->key_at, common) : 0;

    return order ? order : (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

static qv_status add_member(parser *p, members *m, size_t base, size_t key_at)
{
    size_t start = p->out->len;

    QV_TRY(QV_GROW(&m->items, &m->capacity, m->n + 1, p->err));
    member *item = &m->items[m->n];
    *item = (member){ .key_at = key_at, .key_len = m->keys.len - key_at, .at = start - base };
    QV_TRY(parse_value(p, &item->entry));
    m->items[m->n].len = p->out->len - start;
    if (++m->n > QV_JSONB_COUNT_MASK)
        return fail(p, "too many members");
    return QV_OK;
}

/* Replaces the payloads that lie from `base` on by the whole container. */
static qv_status assemble(parser *p, const members *m, bool object, size_t base)
{
    qv_status st = QV_OK;
    size_t n_entries = object ? 2 * m->n : m->n, old = p->out->len - base;
    qv__buffer whole;

    qv__buffer_init(&whole, SIZE_MAX);
    QV_CHECK(qv__buffer_append_zeros(&whole, 4 + 4 * n_entries, p->err));
    store_be32(whole.data, (object ? QV_JSONB_OBJECT : QV_JSONB_ARRAY) | (uint32_t) m->n);
    uint8_t *entry = whole.data + 4;
    for (size_t i = 0; object && i < m->n; i++, entry += 4)
        store_be32(entry, QV_JSONB_STRING | (uint32_t) m->items[i].key_len);
    for (size_t i = 0; i < m->n; i++, entry += 4)
        store_be32(entry, m->items[i].entry);
    for (size_t i = 0; object && i < m->n; i++)
        QV_CHECK(qv__buffer_append(&whole, sort_keys(m, i), m->items[i].key_len, p->err));
    for (size_t i = 0; i < m->n; i++)
        QV_CHECK(qv__buffer_append(&whole, p->out->data + base + m->items[i].at, m->items[i].len, p->err));
    QV_CHECK(qv__buffer_reserve(p->out, whole.len - old, p->err));
    memcpy(p->out->data + base, whole.data, whole.len);
    p->out->len = base + whole.len;
done:
    qv__buffer_free(&whole);
    return st;
}

/* A key: its bytes move from the output to the list of keys. */
static qv_status parse_key(parser *p, members *m, size_t *key_at)
{
    size_t start = p->out->len;

    skip_space(p);
    if (peek(p) != '"')
        return fail(p, "a key in quotes expected");
    QV_TRY(parse_string(p));
    *key_at = m->keys.len;
    if (p->out->len - start > QV_JSONB_LENGTH_MASK)
        return fail(p, "too long a key");
    QV_TRY(qv__buffer_append(&m->keys, p->out->data + start, p->out->len - start, p->err));
    p->out->len = start;
    skip_space(p);
    if (peek(p) != ':')
        return fail(p, "':' expected");
    p->at++;
    return QV_OK;
}

static qv_status parse_members(parser *p, members *m, bool object, size_t base)
{
    int close = object ? '}' : ']';

    p->at++;
    skip_space(p);
    if (peek(p) == close) {
        p->at++;
        return QV_OK;
    }
    for (;;) {
        size_t key_at = 0;
        if (object)
            QV_TRY(parse_key(p, m, &key_at));
        QV_TRY(add_member(p, m, base, key_at));
        skip_space(p);
        int c = peek(p);
        if (c != ',' && c != close)
            return fail(p, object ? "',' or '}' expected" : "',' or ']' expected");
        p->at++;
        if (c == close)
            return QV_OK;
    }
}

static qv_status parse_container(parser *p, bool object)
{
    qv_status st = QV_OK;
    size_t base = p->out->len;
    members m = { 0 };

    qv__buffer_init(&m.keys, SIZE_MAX);
    if (++p->depth > QV_JSON_MAX_DEPTH)
        QV_CHECK(qv__fail(p->err, QV_SCHEMA, "JSON nested deeper than %d at byte %zu", QV_JSON_MAX_DEPTH,
                          (size_t) (p->at - p->text)));
    if (object)
        QV_CHECK(qv__buffer_reserve(&m.keys, 16, p->err));
    QV_CHECK(parse_members(p, &m, object, base));
    if (object && m.n)
        qsort_r(m.items, m.n, sizeof *m.items, compare_members, &m.keys);
    for (size_t i = 1; object && i < m.n; i++)
        if (compare_members(&m.items[i - 1], &m.items[i], &m.keys) == 0)
            QV_CHECK(qv__fail(
                p->err, QV_SCHEMA, "not JSON: the key \"%.*s\" occurs twice in the object that ends at byte %zu",
                (int) QV_MIN(m.items[i].key_len, 100), (const char *) sort_keys(&m, i), (size_t) (p->at - p->text)));
    QV_CHECK(assemble(p, &m, object, base));
    p->depth--;
done:
    qv__buffer_free(&m.keys);
    qv__free(m.items);
    return st;
}

/* ------------------------------------------------------------------ values */

static qv_status parse_word(parser *p, const char *word, uint32_t kind, uint32_t *entry)
{
    size_t len = strlen(word);

    if ((size_t) (p->end - p->at) < len || memcmp(p->at, word, len) != 0)
        return fail(p, "a value expected");
    p->at += len;
    *entry = kind;
    return QV_OK;
}

static qv_status parse_value(parser *p, uint32_t *entry)
{
    size_t start = p->out->len;

    skip_space(p);
    switch (peek(p)) {
    case '{':
    case '[':
        QV_TRY(parse_container(p, *p->at == '{'));
        return close_entry(p, QV_JSONB_CONTAINER, start, entry);
    case '"':
        QV_TRY(parse_string(p));
        return close_entry(p, QV_JSONB_STRING, start, entry);
    case 't':
        return parse_word(p, "true", QV_JSONB_TRUE, entry);
    case 'f':
        return parse_word(p, "false", QV_JSONB_FALSE, entry);
    case 'n':
        return parse_word(p, "null", QV_JSONB_NULL, entry);
    case -1:
        return fail(p, "a value expected");
    default:
        if (*p->at != '-' && (*p->at < '0' || *p->at > '9'))
            return fail(p, "a value expected");
        QV_TRY(parse_number(p));
        return close_entry(p, QV_JSONB_NUMBER, start, entry);
    }
}

qv_status qv__jsonb_encode(const uint8_t *text, size_t len, qv__buffer *out, qv_error *err)
{
    static const uint8_t nothing[1];
    qv_status st = QV_OK;
    size_t base = out->len;
    const uint8_t *start = text ? text : nothing;
    parser p = { .text = start, .at = start, .end = start + len, .out = out, .err = err };
    uint32_t entry = 0;

    QV_CHECK(qv__buffer_reserve(out, 16, err)); /* so that offsets have something to count from */
    /* room for a scalar's header and entry; a container is a document by itself */
    skip_space(&p);
    bool scalar = peek(&p) != '{' && peek(&p) != '[';
    if (scalar)
        QV_CHECK(qv__buffer_append_zeros(out, 8, err));
    QV_CHECK(parse_value(&p, &entry));
    skip_space(&p);
    if (p.at != p.end)
        QV_CHECK(fail(&p, "more after the end"));
    if (scalar) {
        store_be32(out->data + base, QV_JSONB_SCALAR);
        store_be32(out->data + base + 4, entry);
    }
done:
    if (st != QV_OK)
        out->len = base;
    return st;
}
