/* NEON of arm64. tbl looks 16 codes up in 16 bytes, or in 64 by four registers; tbx leaves what is out of its reach. */
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "pq_private.h"

static inline void store_bytes(uint8_t *bytes, float32x4_t v)
{
    uint16x4_t words = vmovn_u32(vcvtq_u32_f32(v));
    uint32_t four = vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(words, words))), 0);
    memcpy(bytes, &four, sizeof four);
}

#define P_NAME(stem)      stem##_neon
#define P_VEC             float32x4_t
#define P_LANES           4
#define P_LOAD            vld1q_f32
#define P_STORE           vst1q_f32
#define P_SET1            vdupq_n_f32
#define P_SUB             vsubq_f32
#define P_MUL             vmulq_f32
#define P_MIN             vminq_f32
#define P_MAX             vmaxq_f32
#define P_FMA(a, b, c)    vfmaq_f32((c), (a), (b))
#define P_FNMA(a, b, c)   vfmsq_f32((c), (a), (b))
#define P_LEAST           vminvq_f32
#define P_GREATEST        vmaxvq_f32
#define P_INT             uint32x4_t
#define P_INT_SET1(i)     vdupq_n_u32((uint32_t) (i))
#define P_INT_STORE(p, i) vst1q_u32((p), (i))
#define P_KEEP(best, which, v, i)                 \
    {                                             \
        uint32x4_t less = vcltq_f32((v), (best)); \
        (best) = vbslq_f32(less, (v), (best));    \
        (which) = vbslq_u32(less, (i), (which));  \
    }
#define P_STORE_BYTES store_bytes
#define P_WIDE
#include "pq_tmpl.h"

enum { SIXTEENS = QV_PQ_BLOCK / 16 };

/* Sums of 64 rows in 16 bits, cut at their greatest value. */
typedef struct sums {
    uint16x8_t low[SIXTEENS], high[SIXTEENS];
} sums;

static inline void add(sums *sums, int i, uint8x16_t bytes)
{
    sums->low[i] = vqaddq_u16(sums->low[i], vmovl_u8(vget_low_u8(bytes)));
    sums->high[i] = vqaddq_u16(sums->high[i], vmovl_high_u8(bytes));
}

/* 0xff where the sum is at most `bound`, weighed by its bit and added up: 16 bits. */
static inline uint64_t compare(uint16x8_t low, uint16x8_t high, uint16x8_t bound)
{
    static const uint8_t weights[16] = { 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128 };
    uint8x16_t passing = vcombine_u8(vmovn_u16(vcleq_u16(low, bound)), vmovn_u16(vcleq_u16(high, bound)));
    passing = vandq_u8(passing, vld1q_u8(weights));
    return (uint64_t) vaddv_u8(vget_low_u8(passing)) | (uint64_t) vaddv_u8(vget_high_u8(passing)) << 8;
}

static uint64_t compare_all(const sums *sums, uint16_t limit)
{
    uint64_t passing = 0;
    for (int i = 0; i < SIXTEENS; i++)
        passing |= compare(sums->low[i], sums->high[i], vdupq_n_u16(limit)) << (16 * i);
    return passing;
}

static uint64_t filter4(const qv__pq_filter_tables *tables, qv__pq_codes codes)
{
    sums sums = { 0 };

    for (size_t s = 0; s < tables->m; s += 2) {
        const uint8_t *column = codes.bytes + s / 2 * codes.stride;
        uint8x16_t low = vld1q_u8(tables->bytes + 16 * s), high = vld1q_u8(tables->bytes + 16 * s + 16);
        for (int i = 0; i < SIXTEENS; i++) {
            uint8x16_t code = vld1q_u8(column + 16 * i);
            add(&sums, i,
                vqaddq_u8(vqtbl1q_u8(low, vandq_u8(code, vdupq_n_u8(15))), vqtbl1q_u8(high, vshrq_n_u8(code, 4))));
        }
    }
    return compare_all(&sums, tables->limit);
}

/* Codes beyond a quarter wrap around to numbers above 63, for which tbl gives 0 and tbx keeps what it has. */
static inline uint8x16_t look_up(const uint8_t *table, uint8x16_t code)
{
    uint8x16_t found = vqtbl4q_u8(vld1q_u8_x4(table), code);
    found = vqtbx4q_u8(found, vld1q_u8_x4(table + 64), vsubq_u8(code, vdupq_n_u8(64)));
    found = vqtbx4q_u8(found, vld1q_u8_x4(table + 128), vsubq_u8(code, vdupq_n_u8(128)));
    return vqtbx4q_u8(found, vld1q_u8_x4(table + 192), vsubq_u8(code, vdupq_n_u8(192)));
}

static uint64_t filter8(const qv__pq_filter_tables *tables, qv__pq_codes codes)
{
    sums sums = { 0 };

    for (size_t s = 0; s < tables->m; s++)
        for (int i = 0; i < SIXTEENS; i++)
            add(&sums, i, look_up(tables->bytes + 256 * s, vld1q_u8(codes.bytes + s * codes.stride + 16 * i)));
    return compare_all(&sums, tables->limit);
}

static void filter4_neon(const qv__pq_filter_tables *tables, qv__pq_codes codes, size_t n_blocks, uint64_t *passing)
{
    for (; n_blocks > 0; n_blocks--, codes.bytes += QV_PQ_BLOCK)
        *passing++ = filter4(tables, codes);
}

static void filter8_neon(const qv__pq_filter_tables *tables, qv__pq_codes codes, size_t n_blocks, uint64_t *passing)
{
    for (; n_blocks > 0; n_blocks--, codes.bytes += QV_PQ_BLOCK)
        *passing++ = filter8(tables, codes);
}

const qv__pq_kernels qv__pq_kernels_neon = {
    .name = "neon", P_KERNELS, .filter4 = filter4_neon, .filter8 = filter8_neon
};
