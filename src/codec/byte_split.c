/* Byte stream split: the bytes of n values, all first bytes first. Made for floats: sign and exponent bytes are alike and
 * compress when they lie together. */
#include "codec/codec.h"

static void gather(const uint8_t *restrict bytes, size_t n, size_t width, uint8_t *restrict values)
{
    for (size_t i = 0; i < n; i++)
        for (size_t b = 0; b < width; b++)
            values[i * width + b] = bytes[b * n + i];
}

static void scatter(const uint8_t *restrict values, size_t n, size_t width, uint8_t *restrict bytes)
{
    for (size_t i = 0; i < n; i++)
        for (size_t b = 0; b < width; b++)
            bytes[b * n + i] = values[i * width + b];
}

/* The widths as constants let the compiler unroll and vectorise. */
void qv__bss_decode(int bits, const uint8_t *bytes, size_t n, void *values)
{
    switch (bits) {
    case 8:
        gather(bytes, n, 1, values);
        break;
    case 16:
        gather(bytes, n, 2, values);
        break;
    case 32:
        gather(bytes, n, 4, values);
        break;
    default:
        gather(bytes, n, 8, values);
        break;
    }
}

void qv__bss_encode(int bits, const void *values, size_t n, uint8_t *bytes)
{
    switch (bits) {
    case 8:
        scatter(values, n, 1, bytes);
        break;
    case 16:
        scatter(values, n, 2, bytes);
        break;
    case 32:
        scatter(values, n, 4, bytes);
        break;
    default:
        scatter(values, n, 8, bytes);
        break;
    }
}
