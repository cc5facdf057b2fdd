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
typedef struct row_sums {
    uint16x8_t low[SIXTEENS], high[SIXTEENS];
} row_sums;

static inline void add(row_sums *sums, int i, uint8x16_t bytes)
{
    sums->low[i] = vqaddq_u16(sums->low[i], vmovl_u8(vget_low_u8(bytes)));
    sums->high[i] = vqaddq_u16(sums->high[i], vmovl_high_u8(bytes));
}

static inline void store(const row_sums *sums, uint16_t *out)
{
    for (int i = 0; i < SIXTEENS; i++) {
        vst1q_u16(out + 16 * i, sums->low[i]);
        vst1q_u16(out + 16 * i + 8, sums->high[i]);
    }
}

static void sums4(const uint8_t *tables, size_t m, qv__pq_codes codes, uint16_t *out)
{
    row_sums sums = { 0 };

    for (size_t s = 0; s < m; s += 2) {
        const uint8_t *column = codes.bytes + s / 2 * codes.stride;
        uint8x16_t low = vld1q_u8(tables + 16 * s), high = vld1q_u8(tables + 16 * s + 16);
        for (int i = 0; i < SIXTEENS; i++) {
            uint8x16_t code = vld1q_u8(column + 16 * i);
            add(&sums, i,
                vqaddq_u8(vqtbl1q_u8(low, vandq_u8(code, vdupq_n_u8(15))), vqtbl1q_u8(high, vshrq_n_u8(code, 4))));
        }
    }
    store(&sums, out);
}

/* Codes beyond a quarter wrap around to numbers above 63, for which tbl gives 0 and tbx keeps what it has. */
static inline uint8x16_t look_up(const uint8_t *table, uint8x16_t code)
{
    uint8x16_t found = vqtbl4q_u8(vld1q_u8_x4(table), code);
    found = vqtbx4q_u8(found, vld1q_u8_x4(table + 64), vsubq_u8(code, vdupq_n_u8(64)));
    found = vqtbx4q_u8(found, vld1q_u8_x4(table + 128), vsubq_u8(code, vdupq_n_u8(128)));
    return vqtbx4q_u8(found, vld1q_u8_x4(table + 192), vsubq_u8(code, vdupq_n_u8(192)));
}

static void sums8(const uint8_t *tables, size_t m, qv__pq_codes codes, uint16_t *out)
{
    row_sums sums = { 0 };

    for (size_t s = 0; s < m; s += 2)
        for (int i = 0; i < SIXTEENS; i++) {
            const uint8_t *column = codes.bytes + s * codes.stride + 16 * i;
            uint8x16_t bytes = look_up(tables + 256 * s, vld1q_u8(column));
            if (s + 1 < m)
                bytes = vqaddq_u8(bytes, look_up(tables + 256 * (s + 1), vld1q_u8(column + codes.stride)));
            add(&sums, i, bytes);
        }
    store(&sums, out);
}

static void sums4_neon(const uint8_t *tables, size_t m, qv__pq_codes codes, size_t n_blocks, uint16_t *sums)
{
    for (; n_blocks > 0; n_blocks--, codes.bytes += QV_PQ_BLOCK, sums += QV_PQ_BLOCK)
        sums4(tables, m, codes, sums);
}

static void sums8_neon(const uint8_t *tables, size_t m, qv__pq_codes codes, size_t n_blocks, uint16_t *sums)
{
    for (; n_blocks > 0; n_blocks--, codes.bytes += QV_PQ_BLOCK, sums += QV_PQ_BLOCK)
        sums8(tables, m, codes, sums);
}

/* 0xff where the sum is at most `bound`, weighed by its bit and added up: 16 bits. */
static inline uint64_t at_most_16(const uint16_t *sums, uint16x8_t bound)
{
    static const uint8_t weights[16] = { 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128 };
    uint16x8_t low = vcleq_u16(vld1q_u16(sums), bound), high = vcleq_u16(vld1q_u16(sums + 8), bound);
    uint8x16_t passing = vandq_u8(vcombine_u8(vmovn_u16(low), vmovn_u16(high)), vld1q_u8(weights));
    return (uint64_t) vaddv_u8(vget_low_u8(passing)) | (uint64_t) vaddv_u8(vget_high_u8(passing)) << 8;
}

static void at_most_neon(const uint16_t *sums, size_t n_blocks, uint16_t limit, uint64_t *passing)
{
    for (size_t i = 0; i < n_blocks; i++, sums += QV_PQ_BLOCK) {
        passing[i] = 0;
        for (int at = 0; at < QV_PQ_BLOCK; at += 16)
            passing[i] |= at_most_16(sums + at, vdupq_n_u16(limit)) << at;
    }
}

const qv__pq_kernels qv__pq_kernels_neon = {
    .name = "neon",
    P_KERNELS,
    .sums4 = sums4_neon,
    .permutes4 = true,
    .sums8 = sums8_neon,
    .permutes8 = true,
    .at_most = at_most_neon,
};
