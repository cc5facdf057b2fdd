/* IEEE half precision in software: every half is a double; doubles are rounded once, to nearest, ties to even. */
#ifndef QV_BASE_FLOAT16_H
#define QV_BASE_FLOAT16_H

#include <stdint.h>
#include <string.h>

static inline double qv__f16_to_f64(uint16_t half)
{
    uint64_t sign = (uint64_t) (half >> 15) << 63;
    uint64_t exponent = half >> 10 & 31, fraction = half & 1023, bits;
    double value;

    if (exponent == 0) {
        value = (double) fraction * 0x1p-24;
        return sign ? -value : value;
    }
    bits = sign | (exponent == 31 ? UINT64_C(2047) : exponent + (1023 - 15)) << 52 | fraction << 42;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint16_t qv__f64_to_f16(double value)
{
    uint64_t bits, fraction;
    uint16_t sign;
    int exponent, shift;

    memcpy(&bits, &value, sizeof bits);
    sign = (uint16_t) (bits >> 63 << 15);
    exponent = (int) (bits >> 52 & 2047) - 1023;
    fraction = bits & ((UINT64_C(1) << 52) - 1);
    if (exponent == 1024) { /* infinity, or NaN (kept quiet, upper payload bits survive) */
        uint16_t payload = (uint16_t) (fraction >> 42);
        return (uint16_t) (sign | 0x7c00 | (fraction ? payload | 0x200 : 0));
    }
    if (exponent > 15)
        return (uint16_t) (sign | 0x7c00);
    if (exponent < -25)
        return sign;
    /* Drop 42 bits of a normal value, more of a subnormal one; a carry from rounding runs into the exponent by itself. */
    fraction |= UINT64_C(1) << 52;
    shift = exponent >= -14 ? 42 : 42 + (-14 - exponent);
    {
        uint64_t kept = fraction >> shift, rest = fraction & ((UINT64_C(1) << shift) - 1);
        uint64_t half = UINT64_C(1) << (shift - 1);

        if (rest > half || (rest == half && (kept & 1)))
            kept++;
        if (exponent >= -14)
            kept += (uint64_t) (exponent + 14)
                    << 10; /* `kept` holds the hidden bit: exponent field 1 is in it already */
        return (uint16_t) (sign | kept);
    }
}

#endif
