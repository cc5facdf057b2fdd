/* AVX-512 F, BW, DQ and VL. Rows in memory are bound by the memory; in cache by one 512-bit FMA per cycle (two on wide cores).
 * Ends of rows are masked loads, so nothing past a row is touched. */
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "simd_private.h"
#include "sum_x86.h"

/* ------------------------------------------------------------------ loads */

static inline __mmask16 first16(size_t n) { return (__mmask16) ((1u << n) - 1); }

static inline __m512 load_f32(const uint8_t *row, size_t i) { return _mm512_loadu_ps(row + 4 * i); }
static inline __m512 load_n_f32(const uint8_t *row, size_t i, size_t n)
{
    return _mm512_maskz_loadu_ps(first16(n), row + 4 * i);
}
static inline __m512 load_f16(const uint8_t *row, size_t i)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) (row + 2 * i)));
}
static inline __m512 load_n_f16(const uint8_t *row, size_t i, size_t n)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first16(n), row + 2 * i));
}
static inline __m512 from_bf16(__m256i v)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16));
}
static inline __m512 load_bf16(const uint8_t *row, size_t i)
{
    return from_bf16(_mm256_loadu_si256((const __m256i *) (row + 2 * i)));
}
static inline __m512 load_n_bf16(const uint8_t *row, size_t i, size_t n)
{
    return from_bf16(_mm256_maskz_loadu_epi16(first16(n), row + 2 * i));
}
static inline __m512 load_i8(const uint8_t *row, size_t i)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *) (row + i))));
}
static inline __m512 load_n_i8(const uint8_t *row, size_t i, size_t n)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(first16(n), row + i)));
}
static inline __m512 load_u8(const uint8_t *row, size_t i)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *) (row + i))));
}
static inline __m512 load_n_u8(const uint8_t *row, size_t i, size_t n)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(first16(n), row + i)));
}
static inline __m512d load_f64(const uint8_t *row, size_t i) { return _mm512_loadu_pd(row + 8 * i); }
static inline __m512d load_n_f64(const uint8_t *row, size_t i, size_t n)
{
    return _mm512_maskz_loadu_pd((__mmask8) ((1u << n) - 1), row + 8 * i);
}

/* ------------------------------------------------------------------ sums over lanes */

static inline __m128 fold_ps(__m512 v)
{
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}
static inline void sum4_ps(__m512 a, __m512 b, __m512 c, __m512 d, float *out)
{
    _mm_storeu_ps(out, qv__sum4_ps(fold_ps(a), fold_ps(b), fold_ps(c), fold_ps(d)));
}
static inline __m128d fold_pd(__m512d v)
{
    __m256d half = _mm256_add_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd(v, 1));
    return _mm_add_pd(_mm256_castpd256_pd128(half), _mm256_extractf128_pd(half, 1));
}
static inline void sum4_pd(__m512d a, __m512d b, __m512d c, __m512d d, double *out)
{
    _mm_storeu_pd(out, qv__sum2_pd(fold_pd(a), fold_pd(b)));
    _mm_storeu_pd(out + 2, qv__sum2_pd(fold_pd(c), fold_pd(d)));
}
static inline __m128i fold_epi32(__m512i v)
{
    __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}
static inline void sum4_epi32(__m512i a, __m512i b, __m512i c, __m512i d, int32_t *out)
{
    _mm_storeu_si128((__m128i *) out, qv__sum4_epi32(fold_epi32(a), fold_epi32(b), fold_epi32(c), fold_epi32(d)));
}

/* ------------------------------------------------------------------ float32 arithmetic */

#define T_REAL  float
#define T_VEC   __m512
#define T_LANES 16
#define T_ZERO  _mm512_setzero_ps()
#define T_ADD   _mm512_add_ps
#define T_SUB   _mm512_sub_ps
#define T_FMA   _mm512_fmadd_ps
#define T_SUM4  sum4_ps
#define T_QUERY _mm512_loadu_ps
#define T_STORE _mm512_storeu_ps
#define T_SQRT  sqrtf
#define T_TINY  1e-30f

#define T_NAME(stem) QV_CAT(stem, _f32_avx512)
#define T_LOAD       load_f32
#define T_LOAD_N     load_n_f32
#include "dist_tmpl.h"
#define T_NAME(stem) QV_CAT(stem, _f16_avx512)
#define T_LOAD       load_f16
#define T_LOAD_N     load_n_f16
#include "dist_tmpl.h"
#define T_NAME(stem) QV_CAT(stem, _bf16_avx512)
#define T_LOAD       load_bf16
#define T_LOAD_N     load_n_bf16
#include "dist_tmpl.h"
#define T_NAME(stem) QV_CAT(stem, _i8f_avx512)
#define T_WITHOUT_PAIRS
#define T_LOAD   load_i8
#define T_LOAD_N load_n_i8
#include "dist_tmpl.h"
#define T_NAME(stem) QV_CAT(stem, _u8f_avx512)
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
#define T_REAL       double
#define T_VEC        __m512d
#define T_LANES      8
#define T_ZERO       _mm512_setzero_pd()
#define T_ADD        _mm512_add_pd
#define T_SUB        _mm512_sub_pd
#define T_FMA        _mm512_fmadd_pd
#define T_SUM4       sum4_pd
#define T_QUERY      _mm512_loadu_pd
#define T_SQRT       sqrt
#define T_TINY       1e-290
#define T_NAME(stem) QV_CAT(stem, _f64_avx512)
#define T_LOAD       load_f64
#define T_LOAD_N     load_n_f64
#include "dist_tmpl.h"

/* ------------------------------------------------------------------ int8, uint8 */

static inline __m512i load16_i8(const uint8_t *row, size_t i)
{
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *) (row + i)));
}
static inline __m512i load16_n_i8(const uint8_t *row, size_t i, size_t n)
{
    return _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8((__mmask32) ((1ull << n) - 1), row + i));
}
static inline __m512i load16_u8(const uint8_t *row, size_t i)
{
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *) (row + i)));
}
static inline __m512i load16_n_u8(const uint8_t *row, size_t i, size_t n)
{
    return _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8((__mmask32) ((1ull << n) - 1), row + i));
}
static inline __m512i madd(__m512i acc, __m512i a, __m512i b) { return _mm512_add_epi32(acc, _mm512_madd_epi16(a, b)); }

#define I_VEC        __m512i
#define I_LANES      32
#define I_ACC        __m512i
#define I_ACC_ZERO   _mm512_setzero_si512()
#define I_ADD        _mm512_add_epi32
#define I_SUB        _mm512_sub_epi16
#define I_MADD       madd
#define I_SUM4       sum4_epi32
#define I_QUERY      _mm512_loadu_si512
#define I_NAME(stem) QV_CAT(stem, _i8_avx512)
#define I_LOAD       load16_i8
#define I_LOAD_N     load16_n_i8
#include "int_tmpl.h"
#define I_NAME(stem) QV_CAT(stem, _u8_avx512)
#define I_LOAD       load16_u8
#define I_LOAD_N     load16_n_u8
#include "int_tmpl.h"

/* ------------------------------------------------------------------ bits, by table lookup of half bytes */

static inline __m512i count_bits(__m512i acc, __m512i v)
{
    const __m512i table = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m512i low = _mm512_set1_epi8(15);
    __m512i ones = _mm512_add_epi8(_mm512_shuffle_epi8(table, _mm512_and_si512(v, low)),
                                   _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(v, 4), low)));
    return _mm512_add_epi64(acc, _mm512_sad_epu8(ones, _mm512_setzero_si512()));
}

#define B_NAME(stem)   QV_CAT(stem, _avx512)
#define B_VEC          __m512i
#define B_BYTES        64
#define B_ACC          __m512i
#define B_ACC_ZERO     _mm512_setzero_si512()
#define B_XOR          _mm512_xor_si512
#define B_AND          _mm512_and_si512
#define B_OR           _mm512_or_si512
#define B_COUNT        count_bits
#define B_SUM(v)       ((uint64_t) _mm512_reduce_add_epi64(v))
#define B_LOAD(p)      _mm512_loadu_si512(p)
#define B_LOAD_N(p, n) _mm512_maskz_loadu_epi8((1ull << (n)) - 1, p)
#include "bits_tmpl.h"

/* ------------------------------------------------------------------ tiles */

#define M_NAME(stem)    QV_CAT(stem, _avx512)
#define M_VEC           __m512
#define M_LANES         16
#define M_ZERO          _mm512_setzero_ps()
#define M_LOAD          _mm512_loadu_ps
#define M_STORE         _mm512_storeu_ps
#define M_SET1          _mm512_set1_ps
#define M_FMA           _mm512_fmadd_ps
#define M_ADD           _mm512_add_ps
#define M_SUB           _mm512_sub_ps
#define M_MASK          __mmask16
#define M_GT(a, b)      _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ)
#define M_PICK(m, a, b) _mm512_mask_mov_ps(b, m, a)
#define M_LE(v, bound)  ((uint32_t) _mm512_cmp_ps_mask(v, _mm512_set1_ps(bound), _CMP_LE_OQ))
#define M_GE(a, b)      ((uint32_t) _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ))
#include "tile_tmpl.h"

const qv__kernels qv__kernels_avx512 = {
    .name = "avx512",
    QV_KERNELS_OF(avx512),
    .hamming = hamming_avx512,
    .hamming_pairs = hamming_pairs_avx512,
    .jaccard = jaccard_avx512,
};
