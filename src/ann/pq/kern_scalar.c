/* Product quantization one value at a time: the reference for other levels, and what machines without them run. */
#include <math.h>
#include <string.h>

#include "pq_private.h"

/* a * b + c, rounded once, as vector levels have it, so that rows get the same codes and estimates at every level. The product of two floats
 * is exact in a double; the sum rounds away from what is right only when it comes to lie half-way between two floats, and is then moved
 * to the side of what rounding took. */
static inline float fused(float a, float b, float c)
{
#ifdef FP_FAST_FMAF
    return fmaf(a, b, c);
#else
    const uint64_t below_float = (UINT64_C(1) << 29) - 1, half_way = UINT64_C(1) << 28;
    double product = (double) a * b, sum = product + c;
    uint64_t bits;

    memcpy(&bits, &sum, sizeof bits);
    if ((bits & below_float) != half_way)
        return (float) sum;
    double added = sum - product, lost = (product - (sum - added)) + (c - added);
    if (lost == 0)
        return (float) sum;
    bits += (lost > 0) == (sum > 0) ? UINT64_C(1) : UINT64_MAX;
    memcpy(&sum, &bits, sizeof sum);
    return (float) sum;
#endif
}

#define P_NAME(stem)      stem##_scalar
#define P_VEC             float
#define P_LANES           1
#define P_LOAD(p)         (*(p))
#define P_STORE(p, v)     (*(p) = (v))
#define P_SET1(x)         (x)
#define P_SUB(a, b)       ((a) - (b))
#define P_MUL(a, b)       ((a) * (b))
#define P_MIN(a, b)       ((a) < (b) ? (a) : (b))
#define P_MAX(a, b)       ((a) > (b) ? (a) : (b))
#define P_FMA(a, b, c)    fused((a), (b), (c))
#define P_FNMA(a, b, c)   fused(-(a), (b), (c))
#define P_GREATEST(v)     (v)
#define P_INT             uint32_t
#define P_INT_SET1(i)     ((uint32_t) (i))
#define P_INT_STORE(p, i) (*(p) = (i))
#define P_KEEP(best, which, v, i) \
    if ((v) < (best)) {           \
        (best) = (v);             \
        (which) = (i);            \
    }
#define P_STORE_BYTES(p, v) (*(p) = (uint8_t) (int32_t) (v))
#include "pq_tmpl.h"

/* The rows of a block. */
static void store_sums(const uint32_t *exact, uint16_t *sums)
{
    for (size_t r = 0; r < QV_PQ_BLOCK; r++)
        sums[r] = (uint16_t) QV_MIN(exact[r], UINT16_MAX);
}

static void sums4_scalar(const uint8_t *tables, size_t m, qv__pq_codes codes, size_t n_blocks, uint16_t *sums)
{
    for (; n_blocks > 0; n_blocks--, codes.bytes += QV_PQ_BLOCK, sums += QV_PQ_BLOCK) {
        uint32_t exact[QV_PQ_BLOCK] = { 0 };
        for (size_t s = 0; s < m; s += 2) {
            const uint8_t *low = tables + 16 * s, *high = low + 16, *column = codes.bytes + s / 2 * codes.stride;
            for (size_t r = 0; r < QV_PQ_BLOCK; r++)
                exact[r] += QV_MIN((uint32_t) low[column[r] & 15] + high[column[r] >> 4], 255);
        }
        store_sums(exact, sums);
    }
}

void qv__pq_sums8_scalar(const uint8_t *tables, size_t m, qv__pq_codes codes, size_t n_blocks, uint16_t *sums)
{
    for (; n_blocks > 0; n_blocks--, codes.bytes += QV_PQ_BLOCK, sums += QV_PQ_BLOCK) {
        uint32_t exact[QV_PQ_BLOCK] = { 0 };
        size_t s = 0;
        for (; s + 1 < m; s += 2) {
            const uint8_t *table = tables + 256 * s, *next_table = table + 256;
            const uint8_t *column = codes.bytes + s * codes.stride, *next_column = column + codes.stride;
            for (size_t r = 0; r < QV_PQ_BLOCK; r++)
                exact[r] += QV_MIN((uint32_t) table[column[r]] + next_table[next_column[r]], 255);
        }
        for (size_t r = 0; s < m && r < QV_PQ_BLOCK; r++)
            exact[r] += tables[256 * s + codes.bytes[s * codes.stride + r]];
        store_sums(exact, sums);
    }
}

static void at_most_scalar(const uint16_t *sums, size_t n_blocks, uint16_t limit, uint64_t *passing)
{
    for (size_t i = 0; i < n_blocks; i++, sums += QV_PQ_BLOCK) {
        passing[i] = 0;
        for (size_t r = 0; r < QV_PQ_BLOCK; r++)
            passing[i] |= (uint64_t) (sums[r] <= limit) << r;
    }
}

const qv__pq_kernels qv__pq_kernels_scalar = {
    .name = "scalar", P_KERNELS, .sums4 = sums4_scalar, .sums8 = qv__pq_sums8_scalar, .at_most = at_most_scalar
};
