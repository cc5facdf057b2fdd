/* float16 and bfloat16 to float32, one value at a time. */
#ifndef QV_SIMD_HALF_H
#define QV_SIMD_HALF_H

#include <stdint.h>
#include <string.h>

static inline float qv__float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline float qv__float_of_bf16(uint16_t bits) { return qv__float_of_bits((uint32_t) bits << 16); }

static inline float qv__float_of_f16(uint16_t bits)
{
    uint32_t sign = (uint32_t) (bits & 0x8000) << 16;
    uint32_t exponent = bits >> 10 & 31;
    uint32_t fraction = bits & 0x3ff;

    if (exponent == 31) /* infinity, NaN */
        return qv__float_of_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent) /* normal: 15 becomes 127 */
        return qv__float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float value = (float) fraction * 0x1p-24f; /* subnormal: exact in float32 */
    return sign ? -value : value;
}

#endif
