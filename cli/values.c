/* Arrow values as JSON: numbers as numbers, times in ISO form, decimals and bytes as text. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"

static bool is_valid(const struct ArrowArray *array, int64_t i)
{
    const uint8_t *bits = array->n_buffers > 0 ? array->buffers[0] : NULL;

    i += array->offset;
    return !bits || (bits[i / 8] >> (i % 8) & 1);
}

static int64_t load_int(const void *values, int64_t i, int bytes, bool is_signed)
{
    const uint8_t *at = (const uint8_t *) values + i * bytes;
    uint64_t raw = 0;

    memcpy(&raw, at, (size_t) bytes);
    if (is_signed && bytes < 8 && (raw >> (bytes * 8 - 1) & 1))
        raw |= ~UINT64_C(0) << (bytes * 8);
    return (int64_t) raw;
}

static double half_to_double(uint16_t h)
{
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    double value = exponent == 31  ? (mantissa ? NAN : INFINITY)
                   : exponent == 0 ? ldexp(mantissa, -24)
                                   : ldexp(mantissa + 1024, exponent - 25);
    return h >> 15 ? -value : value;
}

/* JSON has no NaN and no infinity: they become text. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value)
                           : json_string(isnan(value) ? "NaN"
                                         : value > 0  ? "Infinity"
                                                      : "-Infinity");
}

static json_t *hex_text(const uint8_t *bytes, size_t n)
{
    char *text = malloc(2 * n + 1);
    if (!text)
        return NULL;
    for (size_t i = 0; i < n; i++)
        sprintf(text + 2 * i, "%02x", bytes[i]);
    text[2 * n] = 0;
    json_t *value = json_string(text);
    free(text);
    return value;
}

/* Unscaled little-endian two's complement of 16 or 32 bytes -> decimal text, by repeated division by ten. */
static json_t *decimal(const uint8_t *bytes, size_t width, int scale)
{
    uint8_t n[32];
    char digits[100], text[120];
    size_t count = 0, at = 0;
    bool negative = bytes[width - 1] >> 7;

    memcpy(n, bytes, width);
    for (size_t i = 0, carry = 1; negative && i < width; i++) {
        carry += (uint8_t) ~n[i];
        n[i] = (uint8_t) carry;
        carry >>= 8;
    }
    for (bool more = true; more || (int) count <= scale;) {
        unsigned rest = 0;
        more = false;
        for (size_t i = width; i-- > 0;) {
            rest = rest << 8 | n[i];
            n[i] = (uint8_t) (rest / 10);
            rest %= 10;
            more |= n[i] != 0;
        }
        digits[count++] = (char) ('0' + rest);
        if (count == sizeof digits)
            break;
    }
    if (negative)
        text[at++] = '-';
    while (count-- > 0) {
        text[at++] = digits[count];
        if (scale > 0 && (int) count == scale)
            text[at++] = '.';
    }
    text[at] = 0;
    return json_string(text);
}

static json_t *iso_time(int64_t value, int64_t per_second, bool date, bool clock)
{
    int64_t seconds = value / per_second, part = value % per_second;
    char text[80];
    struct tm parts;
    size_t at = 0;

    if (part < 0) {
        part += per_second;
        seconds--;
    }
    time_t when = (time_t) seconds;
    if (!gmtime_r(&when, &parts))
        return json_integer(value);
    if (date)
        at += strftime(text + at, sizeof text - at, clock ? "%Y-%m-%dT" : "%Y-%m-%d", &parts);
    if (clock)
        at += strftime(text + at, sizeof text - at, "%H:%M:%S", &parts);
    if (clock && part)
        snprintf(text + at, sizeof text - at, ".%0*" PRId64,
                 per_second == 1000      ? 3
                 : per_second == 1000000 ? 6
                                         : 9,
                 part);
    return json_string(text);
}

static int64_t units(char c) { return c == 's' ? 1 : c == 'm' ? 1000 : c == 'u' ? 1000000 : 1000000000; }

static json_t *temporal(const char *format, const void *values, int64_t i)
{
    switch (format[1]) {
    case 'd':
        return format[2] == 'D' ? iso_time(load_int(values, i, 4, true) * 86400, 1, true, false)
                                : iso_time(load_int(values, i, 8, true), 1000, true, false);
    case 't':
        return iso_time(load_int(values, i, format[2] == 's' || format[2] == 'm' ? 4 : 8, true), units(format[2]),
                        false, true);
    case 's':
        return iso_time(load_int(values, i, 8, true), units(format[2]), true, true);
    default:
        return json_integer(load_int(values, i, 8, true));
    }
}

static json_t *list_of(const struct ArrowSchema *schema, const struct ArrowArray *child, int64_t start, int64_t end)
{
    json_t *list = json_array();

    for (int64_t k = start; list && k < end; k++)
        json_array_append_new(list, cli_value(schema->children[0], child, k));
    return list;
}

static json_t *struct_of(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t at)
{
    json_t *object = json_object();

    for (int64_t c = 0; object && c < schema->n_children; c++)
        json_object_set_new_nocheck(object, schema->children[c]->name,
                                    cli_value(schema->children[c], array->children[c], at));
    return object;
}

/* Formats "+...". `at` has the array's offset in it. */
static json_t *nested(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t at)
{
    const char *format = schema->format;

    if (format[1] == 's')
        return struct_of(schema, array, at);
    if (format[1] == 'w') {
        int64_t width = strtoll(format + 3, NULL, 10);
        return list_of(schema, array->children[0], at * width, (at + 1) * width);
    }
    int bytes = format[1] == 'L' ? 8 : 4;
    return list_of(schema, array->children[0], load_int(array->buffers[1], at, bytes, true),
                   load_int(array->buffers[1], at + 1, bytes, true));
}

static json_t *text_or_bytes(const char *format, const struct ArrowArray *array, int64_t at)
{
    int bytes = format[0] == 'u' || format[0] == 'z' ? 4 : 8;
    int64_t start = load_int(array->buffers[1], at, bytes, true),
            end = load_int(array->buffers[1], at + 1, bytes, true);
    const char *data = (const char *) array->buffers[2] + start;

    if (format[0] == 'u' || format[0] == 'U')
        return json_stringn_nocheck(end > start ? data : "", (size_t) (end - start));
    return hex_text((const uint8_t *) data, (size_t) (end - start));
}

json_t *cli_value(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t i)
{
    const char *format = schema->format;
    int64_t at = array->offset + i;

    if (format[0] == 'n' || !is_valid(array, i))
        return json_null();
    if (schema->dictionary) {
        static const char kinds[] = "cCsSiIlL";
        int kind = (int) (strchr(kinds, format[0]) - kinds);
        return cli_value(schema->dictionary, array->dictionary,
                         load_int(array->buffers[1], at, 1 << (kind / 2), kind % 2 == 0));
    }
    const void *values = array->n_buffers > 1 ? array->buffers[1] : NULL;
    switch (format[0]) {
    case 'b':
        return json_boolean(((const uint8_t *) values)[at / 8] >> (at % 8) & 1);
    case 'c':
        return json_integer(load_int(values, at, 1, true));
    case 'C':
        return json_integer(load_int(values, at, 1, false));
    case 's':
        return json_integer(load_int(values, at, 2, true));
    case 'S':
        return json_integer(load_int(values, at, 2, false));
    case 'i':
        return json_integer(load_int(values, at, 4, true));
    case 'I':
        return json_integer(load_int(values, at, 4, false));
    case 'l':
    case 'L':
        return json_integer(load_int(values, at, 8, true));
    case 'e':
        return number(half_to_double((uint16_t) load_int(values, at, 2, false)));
    case 'f':
        return number((double) ((const float *) values)[at]);
    case 'g':
        return number(((const double *) values)[at]);
    case 'd': {
        int precision = 0, scale = 0, bits = 128;
        sscanf(format, "d:%d,%d,%d", &precision, &scale, &bits);
        return decimal((const uint8_t *) values + at * bits / 8, (size_t) bits / 8, scale);
    }
    case 'w': {
        int64_t width = strtoll(format + 2, NULL, 10);
        return hex_text((const uint8_t *) values + at * width, (size_t) width);
    }
    case 't':
        return temporal(format, values, at);
    case '+':
        return nested(schema, array, at);
    default:
        return text_or_bytes(format, array, at);
    }
}

char *cli_type_name(const struct ArrowSchema *schema, char *buf, size_t len)
{
    static const char *const names[][2] = {
        { "n", "null" },      { "b", "bool" },         { "c", "int8" },     { "C", "uint8" },   { "s", "int16" },
        { "S", "uint16" },    { "i", "int32" },        { "I", "uint32" },   { "l", "int64" },   { "L", "uint64" },
        { "e", "halffloat" }, { "f", "float" },        { "g", "double" },   { "u", "string" },  { "U", "large_string" },
        { "z", "binary" },    { "Z", "large_binary" }, { "tdD", "date32" }, { "tdm", "date64" }
    };
    char inner[200];

    if (schema->dictionary) {
        snprintf(buf, len, "dictionary<%.180s>", cli_type_name(schema->dictionary, inner, sizeof inner));
        return buf;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(schema->format, names[i][0]) == 0) {
            snprintf(buf, len, "%s", names[i][1]);
            return buf;
        }
    if (strncmp(schema->format, "+w:", 3) == 0)
        snprintf(buf, len, "fixed_size_list<%.150s>[%.20s]", cli_type_name(schema->children[0], inner, sizeof inner),
                 schema->format + 3);
    else if (strcmp(schema->format, "+l") == 0 || strcmp(schema->format, "+L") == 0)
        snprintf(buf, len, "%slist<%.180s>", schema->format[1] == 'L' ? "large_" : "",
                 cli_type_name(schema->children[0], inner, sizeof inner));
    else if (strcmp(schema->format, "+s") == 0 || strcmp(schema->format, "+m") == 0)
        snprintf(buf, len, "%s", schema->format[1] == 's' ? "struct" : "map");
    else if (schema->format[0] == 'd')
        snprintf(buf, len, "decimal(%.30s)", schema->format + 2);
    else if (schema->format[0] == 'w')
        snprintf(buf, len, "fixed_size_binary[%.20s]", schema->format + 2);
    else if (strncmp(schema->format, "ts", 2) == 0)
        snprintf(buf, len, "timestamp[%.40s]", schema->format + 2);
    else
        snprintf(buf, len, "%s[%.40s]", schema->format[1] == 't' ? "time" : "duration", schema->format + 2);
    return buf;
}
