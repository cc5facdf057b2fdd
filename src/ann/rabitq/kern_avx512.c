/* The kernels for x86-64 with AVX-512: two byte positions of a group are one register, their four tables another. */
#include <immintrin.h>

#define QV_ISA    avx512
#define QV_VECTOR 64
#include "ann/rabitq/kern_vector.h"

QV_INLINE vi widen(vb bytes, unsigned part)
{
    (void) part; /* there is one */
    return (vi) _mm512_cvtepu8_epi32((__m128i) bytes);
}

QV_INLINE vf swap(vf x, unsigned half)
{
    __m512 all = (__m512) x;
    return (vf) (half == 1   ? _mm512_permute_ps(all, 0xb1)
                 : half == 2 ? _mm512_permute_ps(all, 0x4e)
                 : half == 4 ? _mm512_shuffle_f32x4(all, all, 0xb1)
                             : _mm512_shuffle_f32x4(all, all, 0x4e));
}

QV_INLINE vi spread(unsigned bits, unsigned part, int32_t value)
{
    (void) part;
    return (vi) _mm512_maskz_set1_epi32((__mmask16) bits, value);
}

enum { CHUNK = 128 }; /* byte positions whose entries a 16-bit sum holds; even */

/* Sums of 8 + 8 rows; even bytes are rows 0 .. 7. `both` = even + 256 * odd, and its carries do not matter. */
typedef struct sums16 {
    __m512i both, odd;
} sums16;

static inline void add_entries(__m512i entries, sums16 *sums)
{
    sums->both = _mm512_add_epi16(sums->both, entries);
    sums->odd = _mm512_add_epi16(sums->odd, _mm512_srli_epi16(entries, 8));
}

static inline void add_positions(__m512i code, __m512i table, sums16 sums[2])
{
    const __m512i nibble = _mm512_set1_epi8(15);
    add_entries(_mm512_shuffle_epi8(table, _mm512_and_si512(code, nibble)), &sums[0]);
    add_entries(_mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(code, 4), nibble)), &sums[1]);
}

/* Adds the quarters (the tables) of rows 0 .. 7 and 8 .. 15: halves of the result, each still of two parts. */
static inline __m512i fold(const sums16 *sums)
{
    __m512i even = _mm512_sub_epi16(sums->both, _mm512_slli_epi16(sums->odd, 8));
    return _mm512_add_epi16(_mm512_shuffle_i64x2(even, sums->odd, 0x44), _mm512_shuffle_i64x2(even, sums->odd, 0xee));
}

/* All 32 rows in order, into two times 16 sums of 32 bits. */
static inline void add_totals(const sums16 sums[2], __m512i totals[2])
{
    __m512i first = fold(&sums[0]), second = fold(&sums[1]);
    __m512i rows =
        _mm512_add_epi16(_mm512_shuffle_i64x2(first, second, 0x88), _mm512_shuffle_i64x2(first, second, 0xdd));
    totals[0] = _mm512_add_epi32(totals[0], _mm512_cvtepu16_epi32(_mm512_castsi512_si256(rows)));
    totals[1] = _mm512_add_epi32(totals[1], _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(rows, 1)));
}

/* `n` groups (a constant, so that their sums stay in registers and share the loads of tables). */
static inline __attribute__((always_inline)) void sum_groups(const uint8_t *codes, size_t n_bytes,
                                                             const uint8_t *tables, size_t n, __m512i totals[][2])
{
    for (size_t g = 0; g < n; g++)
        totals[g][0] = totals[g][1] = _mm512_setzero_si512();
    for (size_t from = 0; from < n_bytes; from += CHUNK) {
        size_t end = n_bytes - from < CHUNK ? n_bytes : from + CHUNK;
        sums16 sums[2][2];
        for (size_t g = 0; g < n; g++)
            for (size_t i = 0; i < 2; i++)
                sums[g][i] = (sums16){ _mm512_setzero_si512(), _mm512_setzero_si512() };
        size_t b = from;
        for (; b + 2 <= end; b += 2) {
            __m512i table = _mm512_loadu_si512(tables + 32 * b);
            for (size_t g = 0; g < n; g++)
                add_positions(_mm512_loadu_si512(codes + 32 * (g * n_bytes + b)), table, sums[g]);
        }
        if (b < end) { /* an odd last position: of the two tables that follow it all is 0 */
            __m512i table = _mm512_loadu_si512(tables + 32 * b);
            for (size_t g = 0; g < n; g++)
                add_positions(_mm512_maskz_loadu_epi32(0x00ff, codes + 32 * (g * n_bytes + b)), table, sums[g]);
        }
        for (size_t g = 0; g < n; g++)
            add_totals(sums[g], totals[g]);
    }
}

/* The least distances of 16 rows, and which are at most `threshold`. */
static inline uint32_t bound(__m512i total, const qv__rabitq_line *line, const qv__rabitq_factors *factors, size_t row,
                             float threshold, float *least)
{
    __m512 scale = _mm512_loadu_ps(factors->scale + row), add = _mm512_loadu_ps(factors->add + row);
    __m512 error = factors->error ? _mm512_loadu_ps(factors->error + row) : _mm512_setzero_ps();
    __m512 dot = _mm512_add_ps(_mm512_mul_ps(_mm512_set1_ps(line->step), _mm512_cvtepi32_ps(total)),
                               _mm512_set1_ps(line->offset));
    __m512 constant = _mm512_add_ps(_mm512_mul_ps(_mm512_set1_ps(line->weight), add), _mm512_set1_ps(line->base));
    __m512 estimate = _mm512_add_ps(_mm512_mul_ps(dot, scale), constant);
    __m512 slack = _mm512_add_ps(_mm512_mul_ps(_mm512_set1_ps(line->table_error), _mm512_abs_ps(scale)),
                                 _mm512_mul_ps(_mm512_set1_ps(line->error), error));
    __m512 bounds = _mm512_sub_ps(estimate, slack);
    _mm512_storeu_ps(least + row, bounds);
    return _mm512_cmp_ps_mask(bounds, _mm512_set1_ps(threshold), _CMP_LE_OQ);
}

static inline uint32_t bound_group(const __m512i totals[2], const qv__rabitq_line *line,
                                   const qv__rabitq_factors *factors, size_t row, float threshold, float *least)
{
    return bound(totals[0], line, factors, row, threshold, least) |
           bound(totals[1], line, factors, row + 16, threshold, least) << 16;
}

static void scan_avx512(const uint8_t *codes, size_t n_bytes, size_t n_groups, const uint8_t *tables,
                        const qv__rabitq_line *line, const qv__rabitq_factors *factors, float threshold, float *least,
                        uint32_t *passing)
{
    const qv__rabitq_line own = *line; /* copies, which stores of bounds cannot change */
    const qv__rabitq_factors from = *factors;
    __m512i totals[2][2];
    size_t g = 0;

    for (; g + 2 <= n_groups; g += 2) {
        sum_groups(codes + g * n_bytes * QV_RABITQ_GROUP, n_bytes, tables, 2, totals);
        for (size_t i = 0; i < 2; i++)
            passing[g + i] = bound_group(totals[i], &own, &from, (g + i) * QV_RABITQ_GROUP, threshold, least);
    }
    if (g < n_groups) {
        sum_groups(codes + g * n_bytes * QV_RABITQ_GROUP, n_bytes, tables, 1, totals);
        passing[g] = bound_group(totals[0], &own, &from, g * QV_RABITQ_GROUP, threshold, least);
    }
}

static void pack_columns_avx512(const uint8_t *codes, size_t n_bytes, size_t n, uint8_t *out)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m256i order =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15));
    const __mmask32 is_row = (__mmask32) (((uint64_t) 1 << n) - 1); /* what is masked out is not touched */

    for (size_t b = 0; b < n_bytes; b++) {
        __m256i rows = _mm256_maskz_loadu_epi8(is_row, codes + b * n);
        __m256i low = _mm256_and_si256(rows, nibble), high = _mm256_andnot_si256(nibble, rows);
        /* the halves: low nibbles of rows 0 .. 15 under those of 16 .. 31, then the high ones likewise */
        __m256i firsts = _mm256_permute2x128_si256(low, _mm256_srli_epi16(high, 4), 0x20);
        __m256i seconds = _mm256_permute2x128_si256(_mm256_slli_epi16(low, 4), high, 0x31);
        _mm256_storeu_si256((__m256i *) (out + 32 * b), _mm256_shuffle_epi8(_mm256_or_si256(firsts, seconds), order));
    }
}

#include "ann/rabitq/kern_tmpl.h"
