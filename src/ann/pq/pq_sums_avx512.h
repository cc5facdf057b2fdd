/* Sums of bytes of 64 rows per block in 16 bits, for the files that are compiled for AVX-512. The sums of even rows grow in words whose high
 * bytes, the odd rows, are taken off at the end (as in faiss' fast scan): three instructions per byte vector. */
#ifndef QV_ANN_PQ_SUMS_AVX512_H
#define QV_ANN_PQ_SUMS_AVX512_H

#include <immintrin.h>

#include "pq_private.h"

/* Sub-vectors whose sums, with pairs of them cut at 255, fit 16 bits. Even. */
#define SUMS_ROOM 512

typedef struct qv__pq_sums {
    __m512i all[QV_PQ_CHUNK], odd[QV_PQ_CHUNK];              /* of the open run */
    __m512i total_even[QV_PQ_CHUNK], total_odd[QV_PQ_CHUNK]; /* saturated */
} qv__pq_sums;

static inline qv__pq_sums sums_zero(int n_blocks)
{
    qv__pq_sums sums;

    for (int i = 0; i < n_blocks; i++)
        sums.total_even[i] = sums.total_odd[i] = _mm512_setzero_si512();
    return sums;
}

static inline void sums_open(qv__pq_sums *sums, int n_blocks)
{
    for (int i = 0; i < n_blocks; i++)
        sums->all[i] = sums->odd[i] = _mm512_setzero_si512();
}

static inline void sums_add(qv__pq_sums *sums, int i, __m512i bytes)
{
    sums->all[i] = _mm512_add_epi16(sums->all[i], bytes);
    sums->odd[i] = _mm512_add_epi16(sums->odd[i], _mm512_srli_epi16(bytes, 8));
}

static inline void sums_close(qv__pq_sums *sums, int n_blocks)
{
    for (int i = 0; i < n_blocks; i++) {
        __m512i even = _mm512_sub_epi16(sums->all[i], _mm512_slli_epi16(sums->odd[i], 8));
        sums->total_even[i] = _mm512_adds_epu16(sums->total_even[i], even);
        sums->total_odd[i] = _mm512_adds_epu16(sums->total_odd[i], sums->odd[i]);
    }
}

/* In the order of rows. */
static inline void sums_store(const qv__pq_sums *sums, int n_blocks, uint16_t *out)
{
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);

    for (int i = 0; i < n_blocks; i++, out += QV_PQ_BLOCK) {
        __m512i low = _mm512_unpacklo_epi16(sums->total_even[i], sums->total_odd[i]);
        __m512i high = _mm512_unpackhi_epi16(sums->total_even[i], sums->total_odd[i]);
        _mm512_storeu_si512(out, _mm512_permutex2var_epi64(low, first, high));
        _mm512_storeu_si512(out + 32, _mm512_permutex2var_epi64(low, second, high));
    }
}

#endif
