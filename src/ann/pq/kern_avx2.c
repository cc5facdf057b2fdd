/* AVX2 and FMA. 4-bit tables of bytes fit half a register: lookups are permutes, 32 rows each. */
#include <immintrin.h>
#include <math.h>

#include "pq_private.h"

static inline float greatest_of(__m256 v)
{
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

static inline void store_bytes(uint8_t *bytes, __m256 v)
{
    __m256i numbers = _mm256_cvttps_epi32(v);
    __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(numbers), _mm256_extracti128_si256(numbers, 1));
    _mm_storel_epi64((__m128i *) bytes, _mm_packus_epi16(words, words));
}

#define P_NAME(stem)      stem##_avx2
#define P_VEC             __m256
#define P_LANES           8
#define P_LOAD            _mm256_loadu_ps
#define P_STORE           _mm256_storeu_ps
#define P_SET1            _mm256_set1_ps
#define P_SUB             _mm256_sub_ps
#define P_MUL             _mm256_mul_ps
#define P_MIN             _mm256_min_ps
#define P_MAX             _mm256_max_ps
#define P_FMA             _mm256_fmadd_ps
#define P_FNMA            _mm256_fnmadd_ps
#define P_GREATEST        greatest_of
#define P_INT             __m256i
#define P_INT_SET1        _mm256_set1_epi32
#define P_INT_STORE(p, i) _mm256_storeu_si256((__m256i *) (p), (i))
#define P_KEEP(best, which, v, i)                                              \
    {                                                                          \
        __m256 less = _mm256_cmp_ps((v), (best), _CMP_LT_OQ);                  \
        (best) = _mm256_min_ps((v), (best));                                   \
        (which) = _mm256_blendv_epi8((which), (i), _mm256_castps_si256(less)); \
    }
#define P_STORE_BYTES store_bytes
#include "pq_tmpl.h"

/* Sub-vectors whose sums, with pairs of them cut at 255, fit 16 bits. Even. */
#define SUMS_ROOM 512

static inline __m256i table4(const uint8_t *bytes, size_t s)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *) (bytes + 16 * s)));
}

static inline __m256i look_up_pair(__m256i low, __m256i high, const uint8_t *codes)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i code = _mm256_loadu_si256((const __m256i *) codes);
    return _mm256_adds_epu8(_mm256_shuffle_epi8(low, _mm256_and_si256(code, nibble)),
                            _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(code, 4), nibble)));
}

/* The sums of even rows grow in words whose high bytes, the odd rows, are taken off at the end (as in faiss' fast scan). */
static void sums4(const uint8_t *tables, size_t m, qv__pq_codes codes, uint16_t *out)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i even[2] = { zero, zero }, odd[2] = { zero, zero };

    for (size_t s = 0; s < m;) {
        size_t end = s + QV_MIN(m - s, SUMS_ROOM);
        __m256i run_all[2] = { zero, zero }, run_odd[2] = { zero, zero };
        for (; s < end; s += 2) {
            const uint8_t *column = codes.bytes + s / 2 * codes.stride;
            __m256i low = table4(tables, s), high = table4(tables, s + 1);
            _mm_prefetch((const char *) codes.ahead + s / 2 * QV_PQ_BLOCK, _MM_HINT_T1);
            for (int i = 0; i < 2; i++) {
                __m256i bytes = look_up_pair(low, high, column + 32 * i);
                run_all[i] = _mm256_add_epi16(run_all[i], bytes);
                run_odd[i] = _mm256_add_epi16(run_odd[i], _mm256_srli_epi16(bytes, 8));
            }
        }
        for (int i = 0; i < 2; i++) {
            __m256i run_even = _mm256_sub_epi16(run_all[i], _mm256_slli_epi16(run_odd[i], 8));
            even[i] = _mm256_adds_epu16(even[i], run_even);
            odd[i] = _mm256_adds_epu16(odd[i], run_odd[i]);
        }
    }
    for (int i = 0; i < 2; i++) { /* in the order of rows */
        __m256i low = _mm256_unpacklo_epi16(even[i], odd[i]), high = _mm256_unpackhi_epi16(even[i], odd[i]);
        _mm256_storeu_si256((__m256i *) (out + 32 * i), _mm256_permute2x128_si256(low, high, 0x20));
        _mm256_storeu_si256((__m256i *) (out + 32 * i + 16), _mm256_permute2x128_si256(low, high, 0x31));
    }
}

static void sums4_avx2(const uint8_t *tables, size_t m, qv__pq_codes codes, size_t n_blocks, uint16_t *sums)
{
    for (; n_blocks > 0; n_blocks--, codes = qv__pq_codes_from(codes, 1, m / 2), sums += QV_PQ_BLOCK)
        sums4(tables, m, codes, sums);
}

/* 16 sums to 16 bits. */
static inline uint64_t at_most_16(const uint16_t *sums, __m256i bound)
{
    __m256i above = _mm256_subs_epu16(_mm256_loadu_si256((const __m256i *) sums), bound);
    __m256i passing = _mm256_cmpeq_epi16(above, _mm256_setzero_si256());
    __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(passing), _mm256_extracti128_si256(passing, 1));
    return (uint64_t) (uint32_t) _mm_movemask_epi8(bytes);
}

static void at_most_avx2(const uint16_t *sums, size_t n_blocks, uint16_t limit, uint64_t *passing)
{
    const __m256i bound = _mm256_set1_epi16((int16_t) limit);

    for (size_t i = 0; i < n_blocks; i++, sums += QV_PQ_BLOCK)
        passing[i] = at_most_16(sums, bound) | at_most_16(sums + 16, bound) << 16 | at_most_16(sums + 32, bound) << 32 |
                     at_most_16(sums + 48, bound) << 48;
}

const qv__pq_kernels qv__pq_kernels_avx2 = {
    .name = "avx2",
    P_KERNELS,
    .sums4 = sums4_avx2,
    .permutes4 = true,
    .sums8 = qv__pq_sums8_scalar,
    .at_most = at_most_avx2,
};
