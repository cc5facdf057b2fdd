/* AVX2 with FMA, F16C and POPCNT: 16 registers of eight floats. Ends of rows are masked loads (32-bit values) or a copy into a
 * zeroed vector (narrower ones). */
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "simd_private.h"
#include "sum_x86.h"

/* ------------------------------------------------------------------ loads */

static inline __m256i first8(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int) n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline __m128i load_part(const uint8_t *p, size_t n_bytes)
{
    uint8_t bytes[16] = { 0 };
    memcpy(bytes, p, n_bytes);
    return _mm_loadu_si128((const __m128i *) bytes);
}
static inline __m128i load_16(const uint8_t *p) { return _mm_loadu_si128((const __m128i *) p); }
static inline __m128i load_8(const uint8_t *p) { return _mm_loadl_epi64((const __m128i *) p); }

static inline __m256 load_f32(const uint8_t *row, size_t i) { return _mm256_loadu_ps((const float *) (row + 4 * i)); }
static inline __m256 load_n_f32(const uint8_t *row, size_t i, size_t n)
{
    return _mm256_maskload_ps((const float *) (row + 4 * i), first8(n));
}
static inline __m256 load_f16(const uint8_t *row, size_t i) { return _mm256_cvtph_ps(load_16(row + 2 * i)); }
static inline __m256 load_n_f16(const uint8_t *row, size_t i, size_t n)
{
    return _mm256_cvtph_ps(load_part(row + 2 * i, 2 * n));
}
static inline __m256 from_bf16(__m128i v)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(v), 16));
}
static inline __m256 load_bf16(const uint8_t *row, size_t i) { return from_bf16(load_16(row + 2 * i)); }
static inline __m256 load_n_bf16(const uint8_t *row, size_t i, size_t n)
{
    return from_bf16(load_part(row + 2 * i, 2 * n));
}
static inline __m256 from_i8(__m128i v) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(v)); }
static inline __m256 load_i8(const uint8_t *row, size_t i) { return from_i8(load_8(row + i)); }
static inline __m256 load_n_i8(const uint8_t *row, size_t i, size_t n) { return from_i8(load_part(row + i, n)); }
static inline __m256 from_u8(__m128i v) { return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(v)); }
static inline __m256 load_u8(const uint8_t *row, size_t i) { return from_u8(load_8(row + i)); }
static inline __m256 load_n_u8(const uint8_t *row, size_t i, size_t n) { return from_u8(load_part(row + i, n)); }
static inline __m256d load_f64(const uint8_t *row, size_t i) { return _mm256_loadu_pd((const double *) (row + 8 * i)); }
static inline __m256d load_n_f64(const uint8_t *row, size_t i, size_t n)
{
    __m256i mask = _mm256_cmpgt_epi64(_mm256_set1_epi64x((long long) n), _mm256_setr_epi64x(0, 1, 2, 3));
    return _mm256_maskload_pd((const double *) (row + 8 * i), mask);
}

/* ------------------------------------------------------------------ sums over lanes */

static inline __m128 fold_ps(__m256 v) { return _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)); }
static inline void sum4_ps(__m256 a, __m256 b, __m256 c, __m256 d, float *out)
{
    _mm_storeu_ps(out, qv__sum4_ps(fold_ps(a), fold_ps(b), fold_ps(c), fold_ps(d)));
}
static inline __m128d fold_pd(__m256d v) { return _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1)); }
static inline void sum4_pd(__m256d a, __m256d b, __m256d c, __m256d d, double *out)
{
    _mm_storeu_pd(out, qv__sum2_pd(fold_pd(a), fold_pd(b)));
    _mm_storeu_pd(out + 2, qv__sum2_pd(fold_pd(c), fold_pd(d)));
}
static inline __m128i fold_epi32(__m256i v)
{
    return _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}
static inline void sum4_epi32(__m256i a, __m256i b, __m256i c, __m256i d, int32_t *out)
{
    _mm_storeu_si128((__m128i *) out, qv__sum4_epi32(fold_epi32(a), fold_epi32(b), fold_epi32(c), fold_epi32(d)));
}

/* ------------------------------------------------------------------ float32 arithmetic */

#define T_REAL  float
#define T_VEC   __m256
#define T_LANES 8
#define T_ZERO  _mm256_setzero_ps()
#define T_ADD   _mm256_add_ps
#define T_SUB   _mm256_sub_ps
#define T_FMA   _mm256_fmadd_ps
#define T_SUM4  sum4_ps
#define T_QUERY _mm256_loadu_ps
#define T_STORE _mm256_storeu_ps
#define T_SQRT  sqrtf
#define T_TINY  1e-30f

#define T_NAME(stem) QV_CAT(stem, _f32_avx2)
#define T_LOAD       load_f32
#define T_LOAD_N     load_n_f32
#include "dist_tmpl.h"
#define T_NAME(stem) QV_CAT(stem, _f16_avx2)
#define T_LOAD       load_f16
#define T_LOAD_N     load_n_f16
#include "dist_tmpl.h"
#define T_NAME(stem) QV_CAT(stem, _bf16_avx2)
#define T_LOAD       load_bf16
#define T_LOAD_N     load_n_bf16
#include "dist_tmpl.h"
#define T_NAME(stem) QV_CAT(stem, _i8f_avx2)
#define T_WITHOUT_PAIRS
#define T_LOAD   load_i8
#define T_LOAD_N load_n_i8
#include "dist_tmpl.h"
#define T_NAME(stem) QV_CAT(stem, _u8f_avx2)
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
#define T_VEC        __m256d
#define T_LANES      4
#define T_ZERO       _mm256_setzero_pd()
#define T_ADD        _mm256_add_pd
#define T_SUB        _mm256_sub_pd
#define T_FMA        _mm256_fmadd_pd
#define T_SUM4       sum4_pd
#define T_QUERY      _mm256_loadu_pd
#define T_SQRT       sqrt
#define T_TINY       1e-290
#define T_NAME(stem) QV_CAT(stem, _f64_avx2)
#define T_LOAD       load_f64
#define T_LOAD_N     load_n_f64
#include "dist_tmpl.h"

/* ------------------------------------------------------------------ int8, uint8 */

static inline __m256i load16_i8(const uint8_t *row, size_t i) { return _mm256_cvtepi8_epi16(load_16(row + i)); }
static inline __m256i load16_n_i8(const uint8_t *row, size_t i, size_t n)
{
    return _mm256_cvtepi8_epi16(load_part(row + i, n));
}
static inline __m256i load16_u8(const uint8_t *row, size_t i) { return _mm256_cvtepu8_epi16(load_16(row + i)); }
static inline __m256i load16_n_u8(const uint8_t *row, size_t i, size_t n)
{
    return _mm256_cvtepu8_epi16(load_part(row + i, n));
}
static inline __m256i madd(__m256i acc, __m256i a, __m256i b) { return _mm256_add_epi32(acc, _mm256_madd_epi16(a, b)); }
static inline __m256i load_whole(const void *p) { return _mm256_loadu_si256(p); }

#define I_VEC        __m256i
#define I_LANES      16
#define I_ACC        __m256i
#define I_ACC_ZERO   _mm256_setzero_si256()
#define I_ADD        _mm256_add_epi32
#define I_SUB        _mm256_sub_epi16
#define I_MADD       madd
#define I_SUM4       sum4_epi32
#define I_QUERY      load_whole
#define I_NAME(stem) QV_CAT(stem, _i8_avx2)
#define I_LOAD       load16_i8
#define I_LOAD_N     load16_n_i8
#include "int_tmpl.h"
#define I_NAME(stem) QV_CAT(stem, _u8_avx2)
#define I_LOAD       load16_u8
#define I_LOAD_N     load16_n_u8
#include "int_tmpl.h"

/* ------------------------------------------------------------------ bits, by POPCNT of words: the memory is the limit */

static inline uint64_t load_word(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}
static inline uint64_t load_word_part(const uint8_t *p, size_t n)
{
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++)
        word |= (uint64_t) p[i] << (8 * i);
    return word;
}

#define B_NAME(stem)    QV_CAT(stem, _avx2)
#define B_VEC           uint64_t
#define B_BYTES         8
#define B_ACC           uint64_t
#define B_ACC_ZERO      0
#define B_XOR(a, b)     ((a) ^ (b))
#define B_AND(a, b)     ((a) & (b))
#define B_OR(a, b)      ((a) | (b))
#define B_COUNT(acc, v) ((acc) + (uint64_t) __builtin_popcountll(v))
#define B_SUM(acc)      (acc)
#define B_LOAD          load_word
#define B_LOAD_N        load_word_part
#include "bits_tmpl.h"

/* ------------------------------------------------------------------ tiles */

#define M_NAME(stem) QV_CAT(stem, _avx2)
#define M_VEC        __m256
#define M_LANES      8
#define M_HALF_TILE
#define M_ZERO          _mm256_setzero_ps()
#define M_LOAD          _mm256_loadu_ps
#define M_STORE         _mm256_storeu_ps
#define M_SET1          _mm256_set1_ps
#define M_FMA           _mm256_fmadd_ps
#define M_ADD           _mm256_add_ps
#define M_SUB           _mm256_sub_ps
#define M_MASK          __m256
#define M_GT(a, b)      _mm256_cmp_ps(a, b, _CMP_GT_OQ)
#define M_PICK(m, a, b) _mm256_blendv_ps(b, a, m)
#define M_LE(v, bound)  ((uint32_t) _mm256_movemask_ps(_mm256_cmp_ps(v, _mm256_set1_ps(bound), _CMP_LE_OQ)))
#define M_GE(a, b)      ((uint32_t) _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ)))
#include "tile_tmpl.h"

const qv__kernels qv__kernels_avx2 = {
    .name = "avx2",
    QV_KERNELS_OF(avx2),
    .hamming = hamming_avx2,
    .hamming_pairs = hamming_pairs_avx2,
    .jaccard = jaccard_avx2,
};
