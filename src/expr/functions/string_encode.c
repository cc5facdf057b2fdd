/* Bytes and numbers as text, and back. */
#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "expr/functions/string_private.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

qv_status qv__to_hex_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    return qv__buffer_printf(&out->text, err, "%llx", (unsigned long long) qv__arg_i64(call, 0, i));
}

qv_status qv__uuid_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    uint8_t b[16];

    QV_UNUSED(call);
    QV_UNUSED(i);
    if (getrandom(b, sizeof b, 0) != (ssize_t) sizeof b)
        return qv__fail_errno(err, errno, "random bytes");
    b[6] = (uint8_t) ((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t) ((b[8] & 0x3f) | 0x80);
    return qv__buffer_printf(&out->text, err, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                             b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                             b[14], b[15]);
}

/* ------------------------------------------------------------------ encode, decode */

typedef enum encoding { HEX, BASE64, BASE64_PADDED, NO_ENCODING } encoding;

static encoding encoding_of(qv__text name)
{
    static const char *const names[] = { "hex", "base64", "base64pad" };

    for (size_t i = 0; i < QV_COUNT_OF(names); i++)
        if (strlen(names[i]) == name.len && memcmp(names[i], name.data, name.len) == 0)
            return (encoding) i;
    return NO_ENCODING;
}

static qv_status no_encoding(qv__text name, qv_error *err)
{
    return qv__fail(err, QV_INVALID,
                    "there is no encoding named '%.*s', supported encodings are: base64, base64pad, hex",
                    (int) QV_MIN(name.len, 64), (const char *) name.data);
}

static void encode_hex(qv__text bytes, uint8_t *to)
{
    for (size_t i = 0; i < bytes.len; i++) {
        to[2 * i] = (uint8_t) hex_digits[bytes.data[i] >> 4];
        to[2 * i + 1] = (uint8_t) hex_digits[bytes.data[i] & 15];
    }
}

/* Returns how much was written, padding included. */
static size_t encode_base64(qv__text bytes, bool pad, uint8_t *to)
{
    uint8_t *start = to;

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = QV_MIN(bytes.len - i, 3);
        uint32_t group = (uint32_t) bytes.data[i] << 16;
        group |= n > 1 ? (uint32_t) bytes.data[i + 1] << 8 : 0;
        group |= n > 2 ? bytes.data[i + 2] : 0;
        for (size_t k = 0; k < 4; k++)
            if (k <= n)
                *to++ = (uint8_t) base64_digits[group >> (18 - 6 * k) & 63];
            else if (pad)
                *to++ = '=';
    }
    return (size_t) (to - start);
}

qv_status qv__encode_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text bytes = qv__arg_text(call, 0, i), name = qv__arg_text(call, 1, i);
    encoding how = encoding_of(name);

    if (how == NO_ENCODING)
        return no_encoding(name, err);
    if (bytes.len > QV_TEXT_MAX / 2)
        return qv__fail(err, QV_LIMIT, "encode: %zu bytes are too many", bytes.len);
    size_t room = how == HEX ? 2 * bytes.len : (bytes.len + 2) / 3 * 4;
    QV_TRY(qv__buffer_append_zeros(&out->text, room, err));
    if (how == HEX)
        encode_hex(bytes, out->text.data);
    else
        out->text.len = encode_base64(bytes, how == BASE64_PADDED, out->text.data);
    return QV_OK;
}

static int hex_value(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static qv_status decode_hex(qv__text text, qv__cell *out, qv_error *err)
{
    if (text.len % 2)
        return qv__fail(err, QV_INVALID, "decode: hex of %zu digits, an odd number", text.len);
    QV_TRY(qv__buffer_append_zeros(&out->text, text.len / 2, err));
    for (size_t i = 0; i < text.len; i++) {
        int value = hex_value(text.data[i]);
        if (value < 0)
            return qv__fail(err, QV_INVALID, "decode: no hex digit at byte %zu", i);
        out->text.data[i / 2] = (uint8_t) (out->text.data[i / 2] << 4 | value);
    }
    return QV_OK;
}

static int base64_value(uint8_t c)
{
    const char *found = c ? memchr(base64_digits, c, 64) : NULL;

    return found ? (int) (found - base64_digits) : -1;
}

/* Padding may be there or not; the unused bits of the last digit are zero. */
static qv_status decode_base64(qv__text text, qv__cell *out, qv_error *err)
{
    size_t n = text.len, n_pad = 0, at = 0;
    uint32_t group = 0;

    while (n_pad < 2 && n > 0 && text.data[n - 1] == '=') {
        n--;
        n_pad++;
    }
    if (n % 4 == 1 || (n_pad > 0 && text.len % 4 != 0))
        return qv__fail(err, QV_INVALID, "decode: base64 of %zu digits and %zu '='", n, n_pad);
    QV_TRY(qv__buffer_append_zeros(&out->text, n / 4 * 3 + (n % 4 ? n % 4 - 1 : 0), err));
    for (size_t i = 0; i < n; i++) {
        int value = base64_value(text.data[i]);
        if (value < 0)
            return qv__fail(err, QV_INVALID, "decode: no base64 digit at byte %zu", i);
        group = group << 6 | (uint32_t) value;
        if (i % 4 != 0)
            out->text.data[at++] = (uint8_t) (group >> (6 - 2 * (i % 4)));
    }
    if ((n % 4 == 2 && group & 15) || (n % 4 == 3 && group & 3))
        return qv__fail(err, QV_INVALID, "decode: the last base64 digit has bits that count for nothing");
    return QV_OK;
}

qv_status qv__decode_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i), name = qv__arg_text(call, 1, i);
    encoding how = encoding_of(name);

    if (how == NO_ENCODING)
        return no_encoding(name, err);
    return how == HEX ? decode_hex(text, out, err) : decode_base64(text, out, err);
}
