/* Packed bits with AVX512-VPOPCNTDQ: one instruction counts 512 bits by words of 64. */
#include <immintrin.h>

#include "simd_private.h"

static inline __m512i count_bits(__m512i acc, __m512i v) { return _mm512_add_epi64(acc, _mm512_popcnt_epi64(v)); }

#define B_NAME(stem)   QV_CAT(stem, _popcnt)
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

void qv__avx512_popcnt_kernels(qv__kernels *kernels)
{
    kernels->hamming = hamming_popcnt;
    kernels->hamming_pairs = hamming_pairs_popcnt;
    kernels->jaccard = jaccard_popcnt;
}
