/* Letters large and small. ASCII is done here; the rest is libunistring's, which knows the mappings that change the length and the
 * Greek sigma at the end of a word. */
#include <unicase.h>
#include <unictype.h>

#include "expr/functions/string_private.h"

/* No mapping makes a text longer than three times its bytes: the result fits, and the library never allocates for it. */
enum { MOST_GROWTH = 3 };

typedef uint8_t *(*mapping)(const uint8_t *s, size_t n, const char *language, uninorm_t nf, uint8_t *result,
                            size_t *length);

static qv_status map_wide(qv__text text, mapping map, qv__buffer *out, qv_error *err)
{
    size_t room;

    if (__builtin_mul_overflow(text.len, (size_t) MOST_GROWTH, &room))
        return qv__fail_nomem(err, text.len);
    QV_TRY(qv__buffer_reserve(out, room, err));
    uint8_t *at = out->data + out->len;
    if (map(text.data, text.len, NULL, NULL, at, &room) != at)
        return qv__fail(err, QV_INVALID, "a text of %zu bytes is not UTF-8", text.len);
    out->len += room;
    return QV_OK;
}

static void map_ascii(qv__text text, char first, uint8_t *to)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        to[i] = (uint8_t) (c - first) < 26 ? c ^ 0x20 : c;
    }
}

/* `first`: of the 26 ASCII letters that change. */
static qv_status change_case(qv__text text, char first, mapping map, qv__buffer *out, qv_error *err)
{
    if (text.len == 0)
        return QV_OK;
    if (qv__utf8_scan(text.data, text.len) != QV_UTF8_ASCII)
        return map_wide(text, map, out, err);
    QV_TRY(qv__buffer_reserve(out, text.len, err));
    map_ascii(text, first, out->data + out->len);
    out->len += text.len;
    return QV_OK;
}

qv_status qv__lower_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    return change_case(qv__arg_text(call, 0, i), 'A', u8_tolower, &out->text, err);
}

qv_status qv__upper_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    return change_case(qv__arg_text(call, 0, i), 'a', u8_toupper, &out->text, err);
}

static bool is_word(uint32_t c)
{
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return uc_is_property_alphabetic(c) || uc_is_general_category(c, UC_NUMBER);
}

/* Character by character, so that a sigma at a word's end stays what a lone sigma becomes. */
qv_status qv__initcap_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i);
    bool inside = false;

    for (size_t at = 0, n; at < text.len; at += n) {
        uint32_t c = qv__utf8_get(text.data + at, &n);
        qv__text one = { text.data + at, n };
        QV_TRY(inside ? change_case(one, 'A', u8_tolower, &out->text, err)
                      : change_case(one, 'a', u8_toupper, &out->text, err));
        inside = is_word(c);
    }
    return QV_OK;
}
