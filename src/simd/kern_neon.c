/* NEON, as every 64-bit ARM has it: 32 registers of four floats. Ends of rows are copied into a zeroed vector. */
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "simd_private.h"

/* ------------------------------------------------------------------ loads */

static inline uint8x16_t load_part(const uint8_t *p, size_t n_bytes)
{
    uint8_t bytes[16] = { 0 };
    memcpy(bytes, p, n_bytes);
    return vld1q_u8(bytes);
}
static inline uint32x4_t load_4_bytes(const uint8_t *p)
{
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(word))));
}

static inline float32x4_t load_f32(const uint8_t *row, size_t i) { return vreinterpretq_f32_u8(vld1q_u8(row + 4 * i)); }
static inline float32x4_t load_n_f32(const uint8_t *row, size_t i, size_t n)
{
    return vreinterpretq_f32_u8(load_part(row + 4 * i, 4 * n));
}
static inline float32x4_t load_f16(const uint8_t *row, size_t i)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(row + 2 * i)));
}
static inline float32x4_t load_n_f16(const uint8_t *row, size_t i, size_t n)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vget_low_u8(load_part(row + 2 * i, 2 * n))));
}
static inline float32x4_t from_bf16(uint8x8_t v)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(v), 16));
}
static inline float32x4_t load_bf16(const uint8_t *row, size_t i) { return from_bf16(vld1_u8(row + 2 * i)); }
static inline float32x4_t load_n_bf16(const uint8_t *row, size_t i, size_t n)
{
    return from_bf16(vget_low_u8(load_part(row + 2 * i, 2 * n)));
}
static inline float32x4_t load_u8(const uint8_t *row, size_t i) { return vcvtq_f32_u32(load_4_bytes(row + i)); }
static inline float32x4_t load_n_u8(const uint8_t *row, size_t i, size_t n)
{
    uint8_t bytes[4] = { 0 };
    memcpy(bytes, row + i, n);
    return load_u8(bytes, 0);
}
static inline float32x4_t load_i8(const uint8_t *row, size_t i)
{
    int32x4_t bytes = vreinterpretq_s32_u32(vshlq_n_u32(load_4_bytes(row + i), 24));
    return vcvtq_f32_s32(vshrq_n_s32(bytes, 24));
}
static inline float32x4_t load_n_i8(const uint8_t *row, size_t i, size_t n)
{
    uint8_t bytes[4] = { 0 };
    memcpy(bytes, row + i, n);
    return load_i8(bytes, 0);
}
static inline float64x2_t load_f64(const uint8_t *row, size_t i) { return vreinterpretq_f64_u8(vld1q_u8(row + 8 * i)); }
static inline float64x2_t load_n_f64(const uint8_t *row, size_t i, size_t n)
{
    return vreinterpretq_f64_u8(load_part(row + 8 * i, 8 * n));
}

/* ------------------------------------------------------------------ sums over lanes, arithmetic */

static inline void sum4_f32(float32x4_t a, float32x4_t b, float32x4_t c, float32x4_t d, float *out)
{
    vst1q_f32(out, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
}
static inline void sum4_f64(float64x2_t a, float64x2_t b, float64x2_t c, float64x2_t d, double *out)
{
    vst1q_f64(out, vpaddq_f64(a, b));
    vst1q_f64(out + 2, vpaddq_f64(c, d));
}
static inline void sum4_s32(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d, int32_t *out)
{
    vst1q_s32(out, vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)));
}

/* ------------------------------------------------------------------ float32 arithmetic */

#define T_REAL         float
#define T_VEC          float32x4_t
#define T_LANES        4
#define T_ZERO         vdupq_n_f32(0)
#define T_ADD          vaddq_f32
#define T_SUB          vsubq_f32
#define T_FMA(a, b, c) vfmaq_f32(c, a, b)
#define T_SUM4         sum4_f32
#define T_QUERY        vld1q_f32
#define T_STORE        vst1q_f32
#define T_SQRT         sqrtf
#define T_TINY         1e-30f

#define T_NAME(stem) QV_CAT(stem, _f32_neon)
#define T_LOAD       load_f32
#define T_LOAD_N     load_n_f32
#include "dist_tmpl.h"
#define T_NAME(stem) QV_CAT(stem, _f16_neon)
#define T_LOAD       load_f16
#define T_LOAD_N     load_n_f16
#include "dist_tmpl.h"
#define T_NAME(stem) QV_CAT(stem, _bf16_neon)
#define T_LOAD       load_bf16
#define T_LOAD_N     load_n_bf16
#include "dist_tmpl.h"
#define T_NAME(stem) QV_CAT(stem, _i8f_neon)
#define T_WITHOUT_PAIRS
#define T_LOAD   load_i8
#define T_LOAD_N load_n_i8
#include "dist_tmpl.h"
#define T_NAME(stem) QV_CAT(stem, _u8f_neon)
#define T_WITHOUT_PAIRS
#define T_LOAD   load_u8
#define T_LOAD_N load_n_u8
#include "dist_tmpl.h"

/* ------------------------------------------------------------------ float64 arithmetic */

#undef T_REAL
#undef T_VEC
#undef T_LANES
#undef T_ZERO
#undef T_ADD
#undef T_SUB
#undef T_FMA
#undef T_SUM4
#undef T_QUERY
#undef T_STORE
#undef T_SQRT
#undef T_TINY
#define T_REAL         double
#define T_VEC          float64x2_t
#define T_LANES        2
#define T_ZERO         vdupq_n_f64(0)
#define T_ADD          vaddq_f64
#define T_SUB          vsubq_f64
#define T_FMA(a, b, c) vfmaq_f64(c, a, b)
#define T_SUM4         sum4_f64
#define T_QUERY        vld1q_f64
#define T_SQRT         sqrt
#define T_TINY         1e-290
#define T_NAME(stem)   QV_CAT(stem, _f64_neon)
#define T_LOAD         load_f64
#define T_LOAD_N       load_n_f64
#include "dist_tmpl.h"

/* ------------------------------------------------------------------ int8, uint8 */

static inline int16x8_t load16_u8(const uint8_t *row, size_t i)
{
    return vreinterpretq_s16_u16(vmovl_u8(vld1_u8(row + i)));
}
static inline int16x8_t load16_n_u8(const uint8_t *row, size_t i, size_t n)
{
    return vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(load_part(row + i, n))));
}
static inline int16x8_t load16_i8(const uint8_t *row, size_t i)
{
    return vmovl_s8(vreinterpret_s8_u8(vld1_u8(row + i)));
}
static inline int16x8_t load16_n_i8(const uint8_t *row, size_t i, size_t n)
{
    return vmovl_s8(vreinterpret_s8_u8(vget_low_u8(load_part(row + i, n))));
}
static inline int32x4_t madd(int32x4_t acc, int16x8_t a, int16x8_t b)
{
    return vmlal_high_s16(vmlal_s16(acc, vget_low_s16(a), vget_low_s16(b)), a, b);
}

#define I_VEC        int16x8_t
#define I_LANES      8
#define I_ACC        int32x4_t
#define I_ACC_ZERO   vdupq_n_s32(0)
#define I_ADD        vaddq_s32
#define I_SUB        vsubq_s16
#define I_MADD       madd
#define I_SUM4       sum4_s32
#define I_QUERY      vld1q_s16
#define I_NAME(stem) QV_CAT(stem, _i8_neon)
#define I_LOAD       load16_i8
#define I_LOAD_N     load16_n_i8
#include "int_tmpl.h"
#define I_NAME(stem) QV_CAT(stem, _u8_neon)
#define I_LOAD       load16_u8
#define I_LOAD_N     load16_n_u8
#include "int_tmpl.h"

/* ------------------------------------------------------------------ bits */

#define B_NAME(stem)    QV_CAT(stem, _neon)
#define B_VEC           uint8x16_t
#define B_BYTES         16
#define B_ACC           uint64x2_t
#define B_ACC_ZERO      vdupq_n_u64(0)
#define B_XOR           veorq_u8
#define B_AND           vandq_u8
#define B_OR            vorrq_u8
#define B_COUNT(acc, v) vpadalq_u32(acc, vpaddlq_u16(vpaddlq_u8(vcntq_u8(v))))
#define B_SUM(v)        vaddvq_u64(v)
#define B_LOAD          vld1q_u8
#define B_LOAD_N        load_part
#include "bits_tmpl.h"

/* ------------------------------------------------------------------ tiles */

static inline uint32_t lane_bits(uint32x4_t mask)
{
    const uint32x4_t each = { 1, 2, 4, 8 };
    return vaddvq_u32(vandq_u32(mask, each));
}

#define M_NAME(stem)   QV_CAT(stem, _neon)
#define M_VEC          float32x4_t
#define M_LANES        4
#define M_ZERO         vdupq_n_f32(0)
#define M_LOAD         vld1q_f32
#define M_STORE        vst1q_f32
#define M_SET1         vdupq_n_f32
#define M_FMA(a, b, c) vfmaq_f32(c, a, b)
#define M_ADD          vaddq_f32
#define M_SUB          vsubq_f32
#define M_MASK         uint32x4_t
#define M_GT           vcgtq_f32
#define M_PICK         vbslq_f32
#define M_LE(v, bound) lane_bits(vcleq_f32(v, vdupq_n_f32(bound)))
#define M_GE(a, b)     lane_bits(vcgeq_f32(a, b))
#include "tile_tmpl.h"

const qv__kernels qv__kernels_neon = {
    .name = "neon",
    QV_KERNELS_OF(neon),
    .hamming = hamming_neon,
    .hamming_pairs = hamming_pairs_neon,
    .jaccard = jaccard_neon,
};
