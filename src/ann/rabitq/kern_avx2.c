/* The kernels for x86-64 with AVX2: a byte position of a group is one register, its two tables another (André, Kermarrec, Le Scouarnec 2015). */
#include <immintrin.h>

#define QV_ISA    avx2
#define QV_VECTOR 32
#include "ann/rabitq/kern_vector.h"

QV_INLINE vi widen(vb bytes, unsigned part)
{
    __m128i all = (__m128i) bytes;
    return (vi) _mm256_cvtepu8_epi32(part == 0 ? all : _mm_srli_si128(all, 8));
}

QV_INLINE vf swap(vf x, unsigned half)
{
    __m256 all = (__m256) x;
    return (vf) (half == 1   ? _mm256_permute_ps(all, 0xb1)
                 : half == 2 ? _mm256_permute_ps(all, 0x4e)
                             : _mm256_permute2f128_ps(all, all, 0x01));
}

QV_INLINE vi spread(unsigned bits, unsigned part, int32_t value)
{
    vi lanes = { 1, 2, 4, 8, 16, 32, 64, 128 };
    return ((((vi){ 0 } + (int32_t) (bits >> 8 * part)) & lanes) != 0) & value;
}

enum { CHUNK = 128 }; /* byte positions whose entries a 16-bit sum holds */

/* Sums of 8 + 8 rows; even bytes are rows 0 .. 7. `both` = even + 256 * odd, and its carries do not matter. */
static inline void add_entries(__m256i entries, __m256i *both, __m256i *odd)
{
    *both = _mm256_add_epi16(*both, entries);
    *odd = _mm256_add_epi16(*odd, _mm256_srli_epi16(entries, 8));
}

/* Rows 0 .. 15: the two halves of a register are the tables of the two nibbles. */
static inline __m256i sums_of(__m256i both, __m256i odd)
{
    __m256i even = _mm256_sub_epi16(both, _mm256_slli_epi16(odd, 8));
    return _mm256_add_epi16(_mm256_permute2x128_si256(even, odd, 0x20), _mm256_permute2x128_si256(even, odd, 0x31));
}

static inline void add_totals(__m256i sums, __m256i *totals)
{
    totals[0] = _mm256_add_epi32(totals[0], _mm256_cvtepu16_epi32(_mm256_castsi256_si128(sums)));
    totals[1] = _mm256_add_epi32(totals[1], _mm256_cvtepu16_epi32(_mm256_extracti128_si256(sums, 1)));
}

static inline void sum_group(const uint8_t *codes, size_t n_bytes, const uint8_t *tables, __m256i *totals)
{
    const __m256i nibble = _mm256_set1_epi8(15);

    for (size_t i = 0; i < 4; i++)
        totals[i] = _mm256_setzero_si256();
    for (size_t from = 0; from < n_bytes; from += CHUNK) {
        size_t end = n_bytes - from < CHUNK ? n_bytes : from + CHUNK;
        __m256i both[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() };
        __m256i odd[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() };
        for (size_t b = from; b < end; b++) {
            __m256i code = _mm256_loadu_si256((const __m256i *) (codes + 32 * b));
            __m256i table = _mm256_loadu_si256((const __m256i *) (tables + 32 * b));
            __m256i high = _mm256_and_si256(_mm256_srli_epi16(code, 4), nibble);
            add_entries(_mm256_shuffle_epi8(table, _mm256_and_si256(code, nibble)), &both[0], &odd[0]);
            add_entries(_mm256_shuffle_epi8(table, high), &both[1], &odd[1]);
        }
        add_totals(sums_of(both[0], odd[0]), totals);
        add_totals(sums_of(both[1], odd[1]), totals + 2);
    }
}

/* The least distances of 8 rows, and which are at most `threshold`. */
static inline uint32_t bound(__m256i total, const qv__rabitq_line *line, const qv__rabitq_factors *factors, size_t row,
                             float threshold, float *least)
{
    const __m256 no_sign = _mm256_castsi256_ps(_mm256_set1_epi32(INT32_MAX));
    __m256 scale = _mm256_loadu_ps(factors->scale + row), add = _mm256_loadu_ps(factors->add + row);
    __m256 error = factors->error ? _mm256_loadu_ps(factors->error + row) : _mm256_setzero_ps();
    __m256 dot = _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(line->step), _mm256_cvtepi32_ps(total)),
                               _mm256_set1_ps(line->offset));
    __m256 constant = _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(line->weight), add), _mm256_set1_ps(line->base));
    __m256 estimate = _mm256_add_ps(_mm256_mul_ps(dot, scale), constant);
    __m256 slack = _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(line->table_error), _mm256_and_ps(scale, no_sign)),
                                 _mm256_mul_ps(_mm256_set1_ps(line->error), error));
    __m256 bounds = _mm256_sub_ps(estimate, slack);
    _mm256_storeu_ps(least + row, bounds);
    return (uint32_t) _mm256_movemask_ps(_mm256_cmp_ps(bounds, _mm256_set1_ps(threshold), _CMP_LE_OQ));
}

static void scan_avx2(const uint8_t *codes, size_t n_bytes, size_t n_groups, const uint8_t *tables,
                      const qv__rabitq_line *line, const qv__rabitq_factors *factors, float threshold, float *least,
                      uint32_t *passing)
{
    const qv__rabitq_line own = *line; /* copies, which stores of bounds cannot change */
    const qv__rabitq_factors from = *factors;
    for (size_t g = 0; g < n_groups; g++, codes += n_bytes * QV_RABITQ_GROUP) {
        __m256i totals[4];
        sum_group(codes, n_bytes, tables, totals);
        passing[g] = 0;
        for (size_t i = 0; i < 4; i++)
            passing[g] |= bound(totals[i], &own, &from, g * QV_RABITQ_GROUP + 8 * i, threshold, least) << 8 * i;
    }
}

static void pack_columns_avx2(const uint8_t *codes, size_t n_bytes, size_t n, uint8_t *out)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m256i order = _mm256_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15, 0, 8, 1, 9, 2, 10, 3,
                                           11, 4, 12, 5, 13, 6, 14, 7, 15);
    uint8_t wanted[2 * QV_RABITQ_GROUP] = { 0 };
    memset(wanted + QV_RABITQ_GROUP, 255, QV_RABITQ_GROUP);
    __m256i is_row =
        _mm256_xor_si256(_mm256_loadu_si256((const __m256i *) (wanted + QV_RABITQ_GROUP - n)), _mm256_set1_epi8(-1));

    for (size_t b = 0; b < n_bytes; b++) {
        uint8_t column[QV_RABITQ_GROUP] = { 0 };
        const uint8_t *at = codes + b * n;
        if (b * n + QV_RABITQ_GROUP > n_bytes * n) /* nothing past the end is read */
            at = memcpy(column, at, n);
        __m256i rows = _mm256_and_si256(_mm256_loadu_si256((const __m256i *) at), is_row);
        __m256i low = _mm256_and_si256(rows, nibble), high = _mm256_andnot_si256(nibble, rows);
        /* the halves: low nibbles of rows 0 .. 15 under those of 16 .. 31, then the high ones likewise */
        __m256i firsts = _mm256_permute2x128_si256(low, _mm256_srli_epi16(high, 4), 0x20);
        __m256i seconds = _mm256_permute2x128_si256(_mm256_slli_epi16(low, 4), high, 0x31);
        _mm256_storeu_si256((__m256i *) (out + 32 * b), _mm256_shuffle_epi8(_mm256_or_si256(firsts, seconds), order));
    }
}

#include "ann/rabitq/kern_tmpl.h"
