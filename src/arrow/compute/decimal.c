/* Decimals as sign and 256-bit magnitude: enough for 76 digits and the steps between scales. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "arrow/compute/cast_private.h"

typedef unsigned __int128 u128;

static void negate(uint64_t *w)
{
    uint64_t carry = 1;

    for (int k = 0; k < 4; k++) {
        w[k] = ~w[k] + carry;
        carry = carry && w[k] == 0;
    }
}

qv__wide qv__wide_load(const uint8_t *at, size_t bytes)
{
    qv__wide value = { { 0 }, (at[bytes - 1] & 0x80) != 0 };

    memset(value.w, value.negative ? 0xff : 0, sizeof value.w);
    memcpy(value.w, at, bytes);
    if (value.negative)
        negate(value.w);
    return value;
}

void qv__wide_store(qv__wide value, uint8_t *at, size_t bytes)
{
    if (value.negative)
        negate(value.w);
    memcpy(at, value.w, bytes);
}

qv__wide qv__wide_from(bool negative, uint64_t magnitude)
{
    return (qv__wide){ { magnitude, 0, 0, 0 }, negative && magnitude };
}

bool qv__wide_is_zero(const qv__wide *value) { return !(value->w[0] | value->w[1] | value->w[2] | value->w[3]); }

static bool mul_add(qv__wide *value, uint64_t factor, uint64_t carry)
{
    for (int k = 0; k < 4; k++) {
        u128 product = (u128) value->w[k] * factor + carry;

        value->w[k] = (uint64_t) product;
        carry = (uint64_t) (product >> 64);
    }
    return carry == 0;
}

/* Returns the remainder. */
static uint64_t div_small(qv__wide *value, uint64_t divisor)
{
    uint64_t rest = 0;

    for (int k = 3; k >= 0; k--) {
        u128 part = (u128) rest << 64 | value->w[k];

        value->w[k] = (uint64_t) (part / divisor);
        rest = (uint64_t) (part % divisor);
    }
    return rest;
}

bool qv__wide_mul_pow10(qv__wide *value, int power)
{
    for (; power > 0 && !qv__wide_is_zero(value); power--)
        if (!mul_add(value, 10, 0))
            return false;
    return true;
}

bool qv__wide_div_pow10(qv__wide *value, int power, bool round)
{
    bool exact = true;
    uint64_t digit = 0;

    for (; power > 0; power--) {
        exact = exact && digit == 0;
        if (qv__wide_is_zero(value)) {
            digit = 0;
            break;
        }
        digit = div_small(value, 10);
    }
    exact = exact && digit == 0;
    if (round && digit >= 5)
        mul_add(value, 1, 1);
    if (qv__wide_is_zero(value))
        value->negative = false;
    return exact;
}

bool qv__wide_fits(const qv__wide *value, int precision)
{
    qv__wide bound = qv__wide_from(false, 1);

    if (!qv__wide_mul_pow10(&bound, precision))
        return true;
    for (int k = 3; k >= 0; k--)
        if (value->w[k] != bound.w[k])
            return value->w[k] < bound.w[k];
    return false;
}

static int put_digits(qv__wide value, char *digits)
{
    char reversed[80];
    int n = 0;

    do
        reversed[n++] = (char) ('0' + div_small(&value, 10));
    while (!qv__wide_is_zero(&value));
    for (int k = 0; k < n; k++)
        digits[k] = reversed[n - 1 - k];
    return n;
}

size_t qv__wide_format(const qv__wide *value, int scale, char *buf)
{
    char digits[80], *at = buf;
    int n = put_digits(*value, digits);

    if (value->negative)
        *at++ = '-';
    if (scale <= 0) {
        memcpy(at, digits, (size_t) n);
        at += n;
        if (!qv__wide_is_zero(value)) {
            memset(at, '0', (size_t) -scale);
            at += -scale;
        }
        return (size_t) (at - buf);
    }
    if (n > scale) {
        memcpy(at, digits, (size_t) (n - scale));
        at += n - scale;
    } else {
        *at++ = '0';
    }
    *at++ = '.';
    for (int k = n; k < scale; k++)
        *at++ = '0';
    memcpy(at, digits + QV_MAX(n - scale, 0), (size_t) QV_MIN(n, scale));
    return (size_t) (at + QV_MIN(n, scale) - buf);
}

/* Reads digits and at most one point; *dropped: how many digits after the point. */
static bool scan_digits(const char *text, size_t len, size_t *used, qv__wide *value, int *after_point, bool *too_big)
{
    bool any = false, point = false;
    size_t i = 0;

    for (; i < len && (isdigit((unsigned char) text[i]) || (text[i] == '.' && !point)); i++) {
        if (text[i] == '.') {
            point = true;
            continue;
        }
        any = true;
        *after_point += point;
        if (*after_point > 10000 || !mul_add(value, 10, (uint64_t) (text[i] - '0')))
            *too_big = true;
    }
    *used = i;
    return any;
}

qv__wide_result qv__wide_parse(const char *text, size_t len, int scale, qv__wide *out)
{
    qv__wide value = { { 0 }, len > 0 && text[0] == '-' };
    size_t i = len > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0, used;
    int after_point = 0, shift;
    bool too_big = false, negative;
    uint64_t exponent = 0;

    if (!scan_digits(text + i, len - i, &used, &value, &after_point, &too_big))
        return QV_WIDE_BAD_TEXT;
    i += used;
    negative = false;
    if (i < len && (text[i] == 'e' || text[i] == 'E')) {
        if (!qv__int_parse(text + i + 1, len - i - 1, &negative, &exponent))
            return QV_WIDE_BAD_TEXT;
        i = len;
    }
    if (i != len)
        return QV_WIDE_BAD_TEXT;
    if (too_big)
        return QV_WIDE_TOO_BIG;
    exponent = QV_MIN(exponent, 20000);
    shift = scale - after_point + (negative ? -(int) exponent : (int) exponent);
    *out = value;
    if (shift >= 0)
        return qv__wide_mul_pow10(out, shift) ? QV_WIDE_OK : QV_WIDE_TOO_BIG;
    return qv__wide_div_pow10(out, -shift, true) ? QV_WIDE_OK : QV_WIDE_INEXACT;
}

double qv__wide_to_double(const qv__wide *value, int scale)
{
    char text[112];
    int n = put_digits(*value, text);
    double magnitude;

    snprintf(text + n, sizeof text - (size_t) n, "e%d", -scale);
    magnitude = strtod(text, NULL);
    return value->negative ? -magnitude : magnitude;
}
