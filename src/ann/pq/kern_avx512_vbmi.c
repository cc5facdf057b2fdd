/* AVX-512 VBMI: a table of 256 bytes lies in four registers, and two vpermi2b look 64 codes up in it. */
#include "pq_filter_avx512.h"

typedef struct table8 {
    __m512i part[4];
} table8;

static inline table8 table8_of(const uint8_t *bytes)
{
    return (table8){ { _mm512_loadu_si512(bytes), _mm512_loadu_si512(bytes + 64), _mm512_loadu_si512(bytes + 128),
                       _mm512_loadu_si512(bytes + 192) } };
}

/* vpermi2b looks at seven bits; the eighth chooses between the halves. */
static inline __m512i look_up(const table8 *table, const uint8_t *codes)
{
    __m512i code = _mm512_loadu_si512(codes);
    _mm_prefetch((const char *) codes + QV_PQ_AHEAD, _MM_HINT_T0);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(code),
                                  _mm512_permutex2var_epi8(table->part[0], code, table->part[1]),
                                  _mm512_permutex2var_epi8(table->part[2], code, table->part[3]));
}

static inline __attribute__((always_inline)) void filter8(const qv__pq_filter_tables *tables, qv__pq_codes codes,
                                                          int n_blocks, uint64_t *passing)
{
    qv__pq_sums sums = sums_zero(n_blocks);

    for (size_t s = 0; s < tables->m;) {
        size_t end = s + QV_MIN(tables->m - s, SUMS_ROOM);
        sums_open(&sums, n_blocks);
        for (; s < end; s += 2) {
            const uint8_t *column = codes.bytes + s * codes.stride;
            table8 table = table8_of(tables->bytes + 256 * s);
            __m512i found[QV_PQ_CHUNK];
            for (int i = 0; i < n_blocks; i++)
                found[i] = look_up(&table, column + i * QV_PQ_BLOCK);
            if (s + 1 < end) {
                table = table8_of(tables->bytes + 256 * (s + 1));
                for (int i = 0; i < n_blocks; i++)
                    found[i] = _mm512_adds_epu8(found[i], look_up(&table, column + codes.stride + i * QV_PQ_BLOCK));
            }
            for (int i = 0; i < n_blocks; i++)
                sums_add(&sums, i, found[i]);
        }
        sums_close(&sums, n_blocks);
    }
    sums_compare(&sums, n_blocks, tables->limit, passing);
}

void qv__pq_filter8_avx512_vbmi(const qv__pq_filter_tables *tables, qv__pq_codes codes, size_t n_blocks,
                                uint64_t *passing)
{
    for (; n_blocks >= QV_PQ_CHUNK; n_blocks -= QV_PQ_CHUNK, passing += QV_PQ_CHUNK) {
        filter8(tables, codes, QV_PQ_CHUNK, passing);
        codes.bytes += QV_PQ_CHUNK * QV_PQ_BLOCK;
    }
    for (; n_blocks > 0; n_blocks--, codes.bytes += QV_PQ_BLOCK)
        filter8(tables, codes, 1, passing++);
}
