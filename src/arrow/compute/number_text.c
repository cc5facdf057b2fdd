/* Numbers as text, whatever the host's locale. Digits come from the C library ("%.*e" and strtod are exact there); points
 * are placed here, and numbers are handed to strtod as digits and exponent, which need none. */
#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "arrow/compute/cast_private.h"

/* The digits and the power of ten of the first one, from "d.ddde+XX". */
static int split_digits(const char *text, char *digits, int *exponent)
{
    int n = 0;

    for (; *text && *text != 'e'; text++)
        if (isdigit((unsigned char) *text))
            digits[n++] = *text;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    digits[n] = 0;
    *exponent = 0;
    if (*text == 'e') {
        bool negative = text[1] == '-';
        for (text += 2; isdigit((unsigned char) *text); text++)
            *exponent = *exponent * 10 + (*text - '0');
        if (negative)
            *exponent = -*exponent;
    }
    return n;
}

static double read_digits(const char *digits, int exponent, bool single)
{
    char text[96];

    snprintf(text, sizeof text, "%se%d", digits, exponent);
    return single ? (double) strtof(text, NULL) : strtod(text, NULL);
}

/* Digits of the shortest decimal that reads back: any of up to 15 (6) digits survives in a normal number, 17 (9) are always
 * enough. Subnormal numbers have fewer bits and may need fewer digits. */
static int shortest(double value, bool single, char *digits, int *exponent)
{
    char text[64];
    bool normal = value >= (single ? (double) FLT_MIN : DBL_MIN);
    int n = 0, least = !normal ? 1 : single ? 6 : 15;

    *exponent = 0;
    for (int precision = least; precision <= (single ? 9 : 17); precision++) {
        snprintf(text, sizeof text, "%.*e", precision - 1, value);
        n = split_digits(text, digits, exponent);
        if (read_digits(digits, *exponent - (n - 1), single) == value)
            break;
    }
    return n;
}

static char *put(char *at, const char *text, int n)
{
    memcpy(at, text, (size_t) n);
    return at + n;
}

static char *put_zeros(char *at, int n)
{
    memset(at, '0', (size_t) QV_MAX(n, 0));
    return at + QV_MAX(n, 0);
}

size_t qv__float_format(double value, bool single, qv__cast_mode mode, char *buf)
{
    bool sql = mode == QV_CAST_SQL;
    char digits[64], *at = buf;
    int exponent, n, least = sql ? (single ? -6 : -5) : -6, most = sql ? (single ? 12 : 15) : 9;

    if (isnan(value))
        return (size_t) snprintf(buf, QV_NUMBER_TEXT_MAX, "%s", sql ? "NaN" : "nan");
    if (signbit(value)) {
        *at++ = '-';
        value = -value;
    }
    if (isinf(value)) {
        at = put(at, "inf", 3);
    } else if (value == 0) {
        at = put(at, "0.0", sql ? 3 : 1);
    } else {
        n = shortest(value, single, digits, &exponent);
        if (exponent < least || exponent > most) {
            *at++ = digits[0];
            if (n > 1) {
                *at++ = '.';
                at = put(at, digits + 1, n - 1);
            }
            at += snprintf(at, 16, !sql && exponent >= 0 ? "e+%d" : "e%d", exponent);
        } else if (exponent < 0) {
            at = put(at, "0.", 2);
            at = put_zeros(at, -exponent - 1);
            at = put(at, digits, n);
        } else {
            at = put(at, digits, QV_MIN(n, exponent + 1));
            at = put_zeros(at, exponent + 1 - n);
            if (n > exponent + 1) {
                *at++ = '.';
                at = put(at, digits + exponent + 1, n - exponent - 1);
            } else if (sql) {
                at = put(at, ".0", 2);
            }
        }
    }
    return (size_t) (at - buf);
}

bool qv__int_parse(const char *text, size_t len, bool *negative, uint64_t *magnitude)
{
    size_t i = 0;
    uint64_t value = 0;

    *negative = len > 0 && text[0] == '-';
    if (len > 0 && (text[0] == '-' || text[0] == '+'))
        i++;
    if (i == len)
        return false;
    for (; i < len; i++) {
        if (!isdigit((unsigned char) text[i]) || !qv__mul_u64(value, 10, &value) ||
            !qv__add_u64(value, (uint64_t) (text[i] - '0'), &value))
            return false;
    }
    *magnitude = value;
    return true;
}

static bool is_word(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

/* [digits][.digits][e[+-]digits] -> significant digits (cut at max, their power adjusted) and the power of the last one. */
static bool scan_decimal(const char *text, size_t len, char *digits, int max, int *power)
{
    size_t i = 0;
    int n = 0, shift = 0, exponent = 0;
    bool any = false, point = false, lost = false;

    for (; i < len && (isdigit((unsigned char) text[i]) || (text[i] == '.' && !point)); i++) {
        if (text[i] == '.') {
            point = true;
            continue;
        }
        any = true;
        if (shift < -100000 || shift > 100000)
            return false;
        if (n == 0 && text[i] == '0') {
            shift -= point;
        } else if (n < max) {
            digits[n++] = text[i];
            shift -= point;
        } else {
            lost = lost || text[i] != '0';
            shift += !point;
        }
    }
    if (lost) /* a digit that cannot be zero keeps ties from looking exact */
        digits[n - 1] = digits[n - 1] == '0' ? '1' : digits[n - 1];
    if (any && i < len && (text[i] == 'e' || text[i] == 'E')) {
        bool negative = ++i < len && text[i] == '-';
        if (i < len && (text[i] == '-' || text[i] == '+'))
            i++;
        if (i == len)
            return false;
        for (; i < len && isdigit((unsigned char) text[i]); i++)
            exponent = QV_MIN(exponent * 10 + (text[i] - '0'), 99999);
        if (negative)
            exponent = -exponent;
    }
    digits[n] = 0;
    *power = shift + exponent;
    return any && i == len;
}

bool qv__float_parse(const char *text, size_t len, bool single, double *out)
{
    /* 767 digits tell any two doubles, and their midpoint, apart. */
    enum { MAX_DIGITS = 770 };
    char digits[MAX_DIGITS + 24];
    bool negative = len > 0 && text[0] == '-';
    int power;
    double value;

    if (len > 0 && (text[0] == '-' || text[0] == '+')) {
        text++;
        len--;
    }
    if (is_word(text, len, "inf") || is_word(text, len, "infinity"))
        value = INFINITY;
    else if (is_word(text, len, "nan"))
        value = NAN;
    else if (!scan_decimal(text, len, digits, MAX_DIGITS, &power))
        return false;
    else if (!digits[0])
        value = 0;
    else {
        size_t n = strlen(digits);
        snprintf(digits + n, sizeof digits - n, "e%d", power);
        value = single ? (double) strtof(digits, NULL) : strtod(digits, NULL);
    }
    *out = negative ? -value : value;
    return true;
}
