/* JSONB to compact JSON text. Entries are read where they lie; every length is checked against the
 * container's bytes before it is followed. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "json/json_private.h"

static uint64_t load_be(const uint8_t *from, size_t width)
{
    uint64_t value = 0;

    for (size_t i = 0; i < width; i++)
        value = value << 8 | from[i];
    return value;
}

static qv_status append_text(qv__buffer *out, const char *text, qv_error *err)
{
    return qv__buffer_append(out, text, strlen(text), err);
}

/* ------------------------------------------------------------------ strings */

qv_status qv__json_quote(const char *text, size_t len, qv__buffer *out, qv_error *err)
{
    static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";

    QV_TRY(append_text(out, "\"", err));
    for (size_t i = 0, start = 0; i <= len; i++) {
        unsigned char c = i < len ? (unsigned char) text[i] : 0;
        if (i < len && c >= 0x20 && c != '"' && c != '\\')
            continue;
        QV_TRY(qv__buffer_append(out, text + start, i - start, err));
        start = i + 1;
        if (i == len)
            break;
        const char *found = c ? memchr(named, c, sizeof named - 1) : NULL;
        QV_TRY(found ? qv__buffer_printf(out, err, "\\%c", letters[found - named])
                     : qv__buffer_printf(out, err, "\\u%04x", c));
    }
    return append_text(out, "\"", err);
}

/* ------------------------------------------------------------------ numbers */

/* The decimal digits and the exponent of a printed "%.*e", whatever the locale's decimal point. */
static size_t take_digits(const char *printed, char digits[20], int *exponent)
{
    size_t n = 0;
    const char *e = strchr(printed, 'e');

    for (const char *at = printed; at < e; at++)
        if (*at >= '0' && *at <= '9')
            digits[n++] = *at;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    *exponent = atoi(e + 1);
    return n;
}

/* The fewest digits that read back as the same number. Up to 15 digits survive the way through a normal double, so
 * fewer need not be tried: their zeros at the end go away. */
static size_t shortest_digits(double value, char digits[20], int *exponent)
{
    char printed[40];
    int from = value < DBL_MIN ? 1 : 15;

    for (int precision = from; precision <= 17; precision++) {
        snprintf(printed, sizeof printed, "%.*e", precision - 1, value);
        if (precision == 17 || strtod(printed, NULL) == value)
            break;
    }
    return take_digits(printed, digits, exponent);
}

/* As the reference prints: plain up to 16 digits before and 5 places after the point, else with an exponent. */
static qv_status append_double(double value, qv__buffer *out, qv_error *err)
{
    char digits[20];
    int exponent, n;

    if (!isfinite(value)) /* JSON has no word for it */
        return append_text(out, "null", err);
    if (signbit(value))
        QV_TRY(append_text(out, "-", err));
    if (value == 0)
        return append_text(out, "0.0", err);
    n = (int) shortest_digits(fabs(value), digits, &exponent);
    int point = exponent + 1; /* digits before the decimal point */
    if (n <= point && point <= 16)
        return qv__buffer_printf(out, err, "%.*s%.*s.0", n, digits, point - n, "0000000000000000");
    if (0 < point && point <= 16)
        return qv__buffer_printf(out, err, "%.*s.%.*s", point, digits, n - point, digits + point);
    if (-5 < point && point <= 0)
        return qv__buffer_printf(out, err, "0.%.*s%.*s", -point, "00000", n, digits);
    if (n == 1)
        return qv__buffer_printf(out, err, "%ce%+d", digits[0], exponent);
    return qv__buffer_printf(out, err, "%c.%.*se%+d", digits[0], n - 1, digits + 1, exponent);
}

static qv_status append_number(const uint8_t *bytes, size_t len, qv__buffer *out, qv_error *err)
{
    size_t width = len ? len - 1 : 0;
    bool sized = width == 1 || width == 2 || width == 4 || width == 8;
    double value;

    if (len == 0)
        return qv__fail(err, QV_CORRUPT, "JSONB: a number without bytes");
    uint64_t raw = sized ? load_be(bytes + 1, width) : 0;
    switch (bytes[0]) {
    case QV_JSONB_ZERO:
        return append_text(out, "0", err);
    case QV_JSONB_NAN:
    case QV_JSONB_INF:
    case QV_JSONB_NEG_INF:
        return append_text(out, "null", err);
    case QV_JSONB_INT:
        if (sized) /* the sign is the first bit of the narrow number */
            return qv__buffer_printf(out, err, "%" PRId64, (int64_t) (raw << (64 - 8 * width)) >> (64 - 8 * width));
        break;
    case QV_JSONB_UINT:
        if (sized)
            return qv__buffer_printf(out, err, "%" PRIu64, raw);
        break;
    case QV_JSONB_FLOAT:
        memcpy(&value, &raw, sizeof value);
        if (width == 8)
            return append_double(value, out, err);
        break;
    default:
        return qv__fail(err, QV_UNSUPPORTED, "JSONB: a number of kind 0x%02x", bytes[0]);
    }
    return qv__fail(err, QV_CORRUPT, "JSONB: a number of kind 0x%02x with %zu bytes", bytes[0], width);
}

/* ------------------------------------------------------------------ containers */

static qv_status decode_container(const uint8_t *bytes, size_t len, unsigned depth, qv__buffer *out, qv_error *err);

static qv_status decode_entry(uint32_t entry, const uint8_t *payload, unsigned depth, qv__buffer *out, qv_error *err)
{
    size_t len = entry & QV_JSONB_LENGTH_MASK;

    switch (entry & QV_JSONB_ENTRY_MASK) {
    case QV_JSONB_NULL:
        return append_text(out, "null", err);
    case QV_JSONB_TRUE:
        return append_text(out, "true", err);
    case QV_JSONB_FALSE:
        return append_text(out, "false", err);
    case QV_JSONB_STRING:
        if (!qv__utf8_valid(payload, len))
            return qv__fail(err, QV_CORRUPT, "JSONB: a string that is not UTF-8");
        return qv__json_quote((const char *) payload, len, out, err);
    case QV_JSONB_NUMBER:
        return append_number(payload, len, out, err);
    case QV_JSONB_CONTAINER:
        return decode_container(payload, len, depth + 1, out, err);
    default:
        return qv__fail(err, QV_UNSUPPORTED, "JSONB: an entry of kind 0x%08x",
                        (unsigned) (entry & QV_JSONB_ENTRY_MASK));
    }
}

static qv_status decode_object(qv__jsonb_container *c, unsigned depth, qv__buffer *out, qv_error *err)
{
    qv__jsonb_container keys = *c;
    const uint8_t *payload = NULL;

    for (size_t i = 0; i < c->n; i++) /* the values come after all keys */
        QV_TRY(qv__jsonb_take(c, qv__load_be32(c->entries + 4 * i), &payload, err));
    QV_TRY(append_text(out, "{", err));
    for (size_t i = 0; i < c->n; i++) {
        uint32_t key = qv__load_be32(c->entries + 4 * i), value = qv__load_be32(c->entries + 4 * (c->n + i));
        if ((key & QV_JSONB_ENTRY_MASK) != QV_JSONB_STRING)
            return qv__fail(err, QV_CORRUPT, "JSONB: a key that is not a string");
        QV_TRY(append_text(out, i ? "," : "", err));
        QV_TRY(qv__jsonb_take(&keys, key, &payload, err));
        QV_TRY(decode_entry(key, payload, depth, out, err));
        QV_TRY(append_text(out, ":", err));
        QV_TRY(qv__jsonb_take(c, value, &payload, err));
        QV_TRY(decode_entry(value, payload, depth, out, err));
    }
    return append_text(out, "}", err);
}

static qv_status decode_container(const uint8_t *bytes, size_t len, unsigned depth, qv__buffer *out, qv_error *err)
{
    const uint8_t *payload = NULL;
    qv__jsonb_container c;

    if (depth >= QV_JSON_MAX_DEPTH) /* the outermost is 0 */
        return qv__fail(err, QV_CORRUPT, "JSONB: nested deeper than %d", QV_JSON_MAX_DEPTH);
    QV_TRY(qv__jsonb_open(bytes, len, &c, err));
    if (c.kind == QV_JSONB_SCALAR && depth)
        return qv__fail(err, QV_CORRUPT, "JSONB: a scalar document inside another");
    if (c.kind == QV_JSONB_OBJECT)
        return decode_object(&c, depth, out, err);
    QV_TRY(append_text(out, c.kind == QV_JSONB_ARRAY ? "[" : "", err));
    for (size_t i = 0; i < c.n; i++) {
        uint32_t entry = qv__load_be32(c.entries + 4 * i);
        QV_TRY(append_text(out, i ? "," : "", err));
        QV_TRY(qv__jsonb_take(&c, entry, &payload, err));
        QV_TRY(decode_entry(entry, payload, depth, out, err));
    }
    return append_text(out, c.kind == QV_JSONB_ARRAY ? "]" : "", err);
}

qv_status qv__jsonb_decode(const uint8_t *bytes, size_t len, qv__buffer *out, qv_error *err)
{
    return decode_container(bytes, len, 0, out, err);
}

qv_status qv__jsonb_print(const qv__jsonb_value *value, qv__buffer *out, qv_error *err)
{
    return decode_entry(value->entry, value->data, 0, out, err);
}
