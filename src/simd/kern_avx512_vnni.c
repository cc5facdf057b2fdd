/* int8 and uint8 with AVX512-VNNI. VPDPBUSD multiplies 64 unsigned by 64 signed bytes and adds fours to int32: one
 * instruction where the int16 way needs two widening loads, two VPMADDWD and two additions. It wants one operand of each
 * sign, so bit 7 of the row is flipped (a shift by 128) and 128 * sum(query) is put right at the end. Squared differences have
 * no such form; they use VPDPWSSD on int16. Sums are exact: int32 within a chunk, int64 beyond. */
#include <immintrin.h>
#include <math.h>

#include "simd_private.h"
#include "sum_x86.h"

static inline __m128i fold_epi32(__m512i v)
{
    __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}
static inline void sum4_epi32(__m512i a, __m512i b, __m512i c, __m512i d, int32_t *out)
{
    _mm_storeu_si128((__m128i *) out, qv__sum4_epi32(fold_epi32(a), fold_epi32(b), fold_epi32(c), fold_epi32(d)));
}

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

#define I_VEC        __m512i
#define I_LANES      32
#define I_ACC        __m512i
#define I_ACC_ZERO   _mm512_setzero_si512()
#define I_ADD        _mm512_add_epi32
#define I_SUB        _mm512_sub_epi16
#define I_MADD       _mm512_dpwssd_epi32
#define I_SUM4       sum4_epi32
#define I_QUERY      _mm512_loadu_si512
#define I_NAME(stem) QV_CAT(stem, _i8_vnni)
#define I_LOAD       load16_i8
#define I_LOAD_N     load16_n_i8
#define I_WITHOUT_DOT
#include "int_tmpl.h"
#define I_NAME(stem) QV_CAT(stem, _u8_vnni)
#define I_LOAD       load16_u8
#define I_LOAD_N     load16_n_u8
#include "int_tmpl.h"

/* ------------------------------------------------------------------ dot products of bytes */

#define VNNI_INLINE static inline __attribute__((always_inline))

static inline __m512i load_bytes(const uint8_t *row, size_t i, size_t n)
{
    return n >= 64 ? _mm512_loadu_si512(row + i) : _mm512_maskz_loadu_epi8((1ull << n) - 1, row + i);
}

/* Products of query and row bytes [from, end), the row's shifted by 128. Query bytes past the end are zero. */
VNNI_INLINE __m512i dot_row(bool is_signed, const uint8_t *q, const uint8_t *row, size_t from, size_t end)
{
    const __m512i flip = _mm512_set1_epi8((char) 0x80);
    __m512i sum = _mm512_setzero_si512();

    for (size_t i = from; i < end; i += 64) {
        __m512i query = _mm512_loadu_si512(q + i), shifted = _mm512_xor_si512(load_bytes(row, i, end - i), flip);
        sum = is_signed ? _mm512_dpbusd_epi32(sum, shifted, query) : _mm512_dpbusd_epi32(sum, query, shifted);
    }
    return sum;
}

VNNI_INLINE void dot_rows(bool is_signed, const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n,
                          float *out)
{
    int64_t shift = is_signed ? -128 * query->sum : 128 * query->sum;
    const uint8_t *q = query->bytes;

    for (size_t at = 0; at < n; at += 4, rows += 4 * stride) {
        int64_t sums[4] = { shift, shift, shift, shift };
        size_t group = QV_MIN(n - at, 4);
        for (size_t i = 0; i < query->dim; i += QV_INT_CHUNK) {
            size_t end = i + QV_MIN(query->dim - i, QV_INT_CHUNK);
            __m512i a = dot_row(is_signed, q, rows, i, end);
            __m512i b = group > 1 ? dot_row(is_signed, q, rows + stride, i, end) : a;
            __m512i c = group > 2 ? dot_row(is_signed, q, rows + 2 * stride, i, end) : a;
            __m512i d = group > 3 ? dot_row(is_signed, q, rows + 3 * stride, i, end) : a;
            int32_t part[4];
            sum4_epi32(a, b, c, d, part);
            for (size_t r = 0; r < 4; r++)
                sums[r] += part[r];
        }
        for (size_t r = 0; r < group; r++)
            out[at + r] = (float) (1 - sums[r]);
    }
}

static void dot_i8_vnni(const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n, float *out)
{
    dot_rows(true, query, rows, stride, n, out);
}

static void dot_u8_vnni(const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n, float *out)
{
    dot_rows(false, query, rows, stride, n, out);
}

void qv__avx512_vnni_kernels(qv__kernels *kernels)
{
    kernels->rows[QV_K_L2][QV_EL_I8] = l2_i8_vnni;
    kernels->rows[QV_K_L2][QV_EL_U8] = l2_u8_vnni;
    kernels->rows[QV_K_COSINE][QV_EL_I8] = cosine_i8_vnni;
    kernels->rows[QV_K_COSINE][QV_EL_U8] = cosine_u8_vnni;
    kernels->pairs[QV_K_L2][QV_EL_I8] = l2_pairs_i8_vnni;
    kernels->pairs[QV_K_L2][QV_EL_U8] = l2_pairs_u8_vnni;
    kernels->pairs[QV_K_DOT][QV_EL_I8] = dot_pairs_i8_vnni;
    kernels->pairs[QV_K_DOT][QV_EL_U8] = dot_pairs_u8_vnni;
    kernels->rows[QV_K_DOT][QV_EL_I8] = dot_i8_vnni;
    kernels->rows[QV_K_DOT][QV_EL_U8] = dot_u8_vnni;
}
