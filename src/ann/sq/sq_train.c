/* Bounds of scalar quantization: quantiles of all values of a sample, found by counting digits of their bit patterns, so that a sample of any
 * size needs no memory and the result is exact. */
#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "sq_private.h"

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

/* Bit patterns of floats in the order of the floats. */
static inline uint32_t rank_of(float value)
{
    uint32_t bits = qv__load_u32(&value);
    return bits & UINT32_C(0x80000000) ? ~bits : bits | UINT32_C(0x80000000);
}

static float value_of(uint32_t rank)
{
    uint32_t bits = rank & UINT32_C(0x80000000) ? rank & UINT32_C(0x7fffffff) : ~rank;
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The value at place `nth` in ascending order: its bits from the top, a digit per pass. */
static float nth_value(const float *values, size_t n, size_t nth)
{
    uint32_t prefix = 0, prefix_mask = 0;

    for (int shift = 32 - DIGIT_BITS; prefix_mask != UINT32_MAX; shift = QV_MAX(shift - DIGIT_BITS, 0)) {
        size_t counts[DIGITS] = { 0 }, digit = 0;
        for (size_t i = 0; i < n; i++) {
            uint32_t rank = rank_of(values[i]);
            if ((rank & prefix_mask) == prefix)
                counts[rank >> shift & (DIGITS - 1)]++;
        }
        while (nth >= counts[digit])
            nth -= counts[digit++];
        prefix |= (uint32_t) digit << shift;
        prefix_mask |= (uint32_t) (DIGITS - 1) << shift;
    }
    return value_of(prefix);
}

qv_status qv__sq_train(const float *rows, size_t n, size_t dim, double outliers, qv_metric metric, qv__quantizer **out,
                       qv_error *err)
{
    size_t n_values = n * dim;

    if (n_values == 0)
        return qv__fail(err, QV_INVALID, "scalar quantization trained on %zu vectors of %zu dimensions", n, dim);
    if (!(outliers >= 0 && outliers < 0.5))
        return qv__fail(err, QV_INVALID, "a share of %g outliers; it must be at least 0 and below 0.5", outliers);
    for (size_t i = 0; i < n_values; i++)
        if (!isfinite(rows[i]))
            return qv__fail(err, QV_INVALID, "vector %zu has value %g at position %zu; it must be finite", i / dim,
                            (double) rows[i], i % dim);
    size_t left_out = (size_t) (outliers * (double) n_values);
    float low = nth_value(rows, n_values, left_out), high = nth_value(rows, n_values, n_values - 1 - left_out);
    return qv__sq_new(dim, low, high, metric, out, err);
}
