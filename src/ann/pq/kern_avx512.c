/* AVX-512 F, BW, DQ and VL. 4-bit tables of bytes and of floats each fit one register: lookups are permutes. */
#include <immintrin.h>
#include <math.h>

#include "pq_private.h"

#define P_NAME(stem)      stem##_avx512
#define P_VEC             __m512
#define P_LANES           16
#define P_LOAD            _mm512_loadu_ps
#define P_STORE           _mm512_storeu_ps
#define P_SET1            _mm512_set1_ps
#define P_SUB             _mm512_sub_ps
#define P_MUL             _mm512_mul_ps
#define P_MIN             _mm512_min_ps
#define P_MAX             _mm512_max_ps
#define P_FMA             _mm512_fmadd_ps
#define P_FNMA            _mm512_fnmadd_ps
#define P_GREATEST        _mm512_reduce_max_ps
#define P_INT             __m512i
#define P_INT_SET1        _mm512_set1_epi32
#define P_INT_STORE(p, i) _mm512_storeu_si512((p), (i))
#define P_KEEP(best, which, v, i)                                     \
    {                                                                 \
        __mmask16 less = _mm512_cmp_ps_mask((v), (best), _CMP_LT_OQ); \
        (best) = _mm512_min_ps((v), (best));                          \
        (which) = _mm512_mask_mov_epi32((which), less, (i));          \
    }
#define P_STORE_BYTES(p, v) _mm_storeu_si128((__m128i *) (p), _mm512_cvtusepi32_epi8(_mm512_cvttps_epi32(v)))
#define P_WIDE
#include "pq_tmpl.h"

#include "pq_sums_avx512.h"

static inline __m512i table4(const uint8_t *bytes, size_t s)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *) (bytes + 16 * s)));
}

/* One column of bytes holds two sub-vectors: 10 instructions for 128 lookups, bound by the two permutes. */
static inline __attribute__((always_inline)) void sums4(const uint8_t *tables, size_t m, qv__pq_codes codes,
                                                        int n_blocks, uint16_t *out)
{
    const __m512i nibble = _mm512_set1_epi8(15);
    qv__pq_sums sums = sums_zero(n_blocks);

    for (size_t s = 0; s < m;) {
        size_t end = s + QV_MIN(m - s, SUMS_ROOM);
        sums_open(&sums, n_blocks);
        for (; s < end; s += 2) {
            const uint8_t *column = codes.bytes + s / 2 * codes.stride;
            uintptr_t ahead = codes.ahead + s / 2 * (size_t) n_blocks * QV_PQ_BLOCK;
            __m512i low = table4(tables, s), high = table4(tables, s + 1);
            for (int i = 0; i < n_blocks; i++) {
                __m512i code = _mm512_loadu_si512(column + i * QV_PQ_BLOCK);
                _mm_prefetch((const char *) (ahead + (size_t) i * QV_PQ_BLOCK), _MM_HINT_T1);
                __m512i upper = _mm512_and_si512(_mm512_srli_epi16(code, 4), nibble);
                sums_add(&sums, i,
                         _mm512_adds_epu8(_mm512_shuffle_epi8(low, _mm512_and_si512(code, nibble)),
                                          _mm512_shuffle_epi8(high, upper)));
            }
        }
        sums_close(&sums, n_blocks);
    }
    sums_store(&sums, n_blocks, out);
}

static void sums4_avx512(const uint8_t *tables, size_t m, qv__pq_codes codes, size_t n_blocks, uint16_t *sums)
{
    for (; n_blocks >= QV_PQ_CHUNK; n_blocks -= QV_PQ_CHUNK) {
        sums4(tables, m, codes, QV_PQ_CHUNK, sums);
        codes = qv__pq_codes_from(codes, QV_PQ_CHUNK, m / 2);
        sums += QV_PQ_CHUNK * QV_PQ_BLOCK;
    }
    for (; n_blocks > 0; n_blocks--, codes = qv__pq_codes_from(codes, 1, m / 2), sums += QV_PQ_BLOCK)
        sums4(tables, m, codes, 1, sums);
}

static void at_most_avx512(const uint16_t *sums, size_t n_blocks, uint16_t limit, uint64_t *passing)
{
    const __m512i bound = _mm512_set1_epi16((int16_t) limit);

    for (size_t i = 0; i < n_blocks; i++, sums += QV_PQ_BLOCK) {
        __mmask32 low = _mm512_cmple_epu16_mask(_mm512_loadu_si512(sums), bound);
        __mmask32 high = _mm512_cmple_epu16_mask(_mm512_loadu_si512(sums + 32), bound);
        passing[i] = (uint64_t) high << 32 | low;
    }
}

/* vpermps looks at the low four bits of an index. */
static void sum_block4_avx512(const float *tables, size_t m, qv__pq_codes codes, float *sums)
{
    __m512 sum[4] = { _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps() };

    for (size_t s = 0; s < m; s += 2) {
        const uint8_t *column = codes.bytes + s / 2 * codes.stride;
        __m512 low = _mm512_loadu_ps(tables + 16 * s), high = _mm512_loadu_ps(tables + 16 * s + 16);
        for (int i = 0; i < 4; i++) {
            __m512i code = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *) (column + 16 * i)));
            sum[i] = _mm512_add_ps(sum[i], _mm512_permutexvar_ps(code, low));
            sum[i] = _mm512_add_ps(sum[i], _mm512_permutexvar_ps(_mm512_srli_epi32(code, 4), high));
        }
    }
    for (int i = 0; i < 4; i++)
        _mm512_storeu_ps(sums + 16 * i, sum[i]);
}

const qv__pq_kernels qv__pq_kernels_avx512 = {
    .name = "avx512",
    P_KERNELS,
    .sums4 = sums4_avx512,
    .permutes4 = true,
    .sums8 = qv__pq_sums8_scalar,
    .at_most = at_most_avx512,
    .sum_block4 = sum_block4_avx512,
};
