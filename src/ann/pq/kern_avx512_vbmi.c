/* AVX-512 VBMI: a table of 256 bytes lies in four registers, and two vpermi2b look 64 codes up in it. */
#include "pq_sums_avx512.h"

typedef struct table8 {
    __m512i part[4];
} table8;

static inline table8 table8_of(const uint8_t *bytes)
{
    return (table8){ { _mm512_loadu_si512(bytes), _mm512_loadu_si512(bytes + 64), _mm512_loadu_si512(bytes + 128),
                       _mm512_loadu_si512(bytes + 192) } };
}

/* vpermi2b looks at seven bits; the eighth chooses between the halves. */
static inline __m512i look_up(const table8 *table, const uint8_t *codes, uintptr_t ahead)
{
    __m512i code = _mm512_loadu_si512(codes);
    _mm_prefetch((const char *) ahead, _MM_HINT_T1);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(code),
                                  _mm512_permutex2var_epi8(table->part[0], code, table->part[1]),
                                  _mm512_permutex2var_epi8(table->part[2], code, table->part[3]));
}

static inline __attribute__((always_inline)) void sums8(const uint8_t *tables, size_t m, qv__pq_codes codes,
                                                        int n_blocks, uint16_t *out)
{
    qv__pq_sums sums = sums_zero(n_blocks);

    for (size_t s = 0; s < m;) {
        size_t end = s + QV_MIN(m - s, SUMS_ROOM);
        sums_open(&sums, n_blocks);
        for (; s < end; s += 2) {
            const uint8_t *column = codes.bytes + s * codes.stride;
            uintptr_t ahead = codes.ahead + s * (size_t) n_blocks * QV_PQ_BLOCK;
            table8 table = table8_of(tables + 256 * s);
            __m512i found[QV_PQ_CHUNK];
            for (int i = 0; i < n_blocks; i++)
                found[i] = look_up(&table, column + i * QV_PQ_BLOCK, ahead + (size_t) i * QV_PQ_BLOCK);
            if (s + 1 < end) {
                table = table8_of(tables + 256 * (s + 1));
                column += codes.stride;
                ahead += (size_t) n_blocks * QV_PQ_BLOCK;
                for (int i = 0; i < n_blocks; i++)
                    found[i] = _mm512_adds_epu8(
                        found[i], look_up(&table, column + i * QV_PQ_BLOCK, ahead + (size_t) i * QV_PQ_BLOCK));
            }
            for (int i = 0; i < n_blocks; i++)
                sums_add(&sums, i, found[i]);
        }
        sums_close(&sums, n_blocks);
    }
    sums_store(&sums, n_blocks, out);
}

void qv__pq_sums8_avx512_vbmi(const uint8_t *tables, size_t m, qv__pq_codes codes, size_t n_blocks, uint16_t *sums)
{
    for (; n_blocks >= QV_PQ_CHUNK; n_blocks -= QV_PQ_CHUNK) {
        sums8(tables, m, codes, QV_PQ_CHUNK, sums);
        codes = qv__pq_codes_from(codes, QV_PQ_CHUNK, m);
        sums += QV_PQ_CHUNK * QV_PQ_BLOCK;
    }
    for (; n_blocks > 0; n_blocks--, codes = qv__pq_codes_from(codes, 1, m), sums += QV_PQ_BLOCK)
        sums8(tables, m, codes, 1, sums);
}
