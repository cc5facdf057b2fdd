/* Loops of RaBitQ: one table of kernels per instruction set. All tables give the same bits: sums of integers are exact, and those of
 * floating point have 16 lanes and one order everywhere, without fused multiplication. */
#ifndef QV_ANN_RABITQ_KERN_H
#define QV_ANN_RABITQ_KERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    QV_RABITQ_GROUP = 32, /* rows whose sign codes are packed together */
    QV_RABITQ_BLOCK = 64, /* dimensions whose extra codes are packed together */
    QV_RABITQ_LANES = 16, /* rows that are encoded together */
    QV_RABITQ_MOST_EXTRA = 8,
};

/* The query's side of lower bounds. With d the sum of table entries that a row's sign codes choose, its least distance is
 *   (step * d + offset) * scale + weight * add + base - table_error * |scale| - error * (its error factor). */
typedef struct qv__rabitq_line {
    float step, offset, weight, base, table_error, error;
} qv__rabitq_line;
typedef struct qv__rabitq_factors {
    const float *scale, *add, *error; /* at any alignment; error NULL: none */
} qv__rabitq_factors;

/* x: rotated residuals, z: rotated centroids, h: +-1/2 by the sign of x, g: what sign and extra codes stand for. */
typedef struct qv__rabitq_sums {
    double xx[QV_RABITQ_LANES], xz[QV_RABITQ_LANES], hx[QV_RABITQ_LANES], hz[QV_RABITQ_LANES], gx[QV_RABITQ_LANES],
        gz[QV_RABITQ_LANES];
} qv__rabitq_sums;

typedef struct qv__kernels_rabitq {
    /* Least distances of `n_groups` groups of packed rows, and for each group which rows' are at most `threshold`. `tables`: 32 entries for
     * each of the n_bytes bytes of a code (its low nibble's 16, then the high one's) and 32 zeros. */
    void (*scan)(const uint8_t *codes, size_t n_bytes, size_t n_groups, const uint8_t *tables,
                 const qv__rabitq_line *line, const qv__rabitq_factors *factors, float threshold, float *least,
                 uint32_t *passing);
    /* Packs n < 32 rows that lie byte column by byte column (byte b of row r at b * n + r) like a group; the other rows become 0. */
    void (*pack_columns)(const uint8_t *codes, size_t n_bytes, size_t n, uint8_t *out);
    /* products[0] = g . query, products[1] = |g|^2, where component i of g is sign * 2^e + extra - (2^e - 1/2), for n_blocks blocks of 64
     * dimensions. signs: 8 bytes a block; extra: in the block layout of `layout` bits (8: a byte for each dimension), not read if 0. */
    void (*product)(const uint8_t *signs, const uint8_t *extra, unsigned layout, unsigned extra_bits,
                    const float *query, size_t n_blocks, float products[2]);
    /* For every four components of x 16 entries of a byte: those of their sums, above the least of the 16, in steps of `step`, of which none
     * is more than 255 above. errors: the sums over the tables of mean and of mean square of what entries are off. */
    void (*tables)(const float *x, size_t dim, float step, uint8_t *tables, float errors[2]);
    /* a . b, |a - b|^2, |a|^2 */
    void (*compare)(const float *a, const float *b, size_t n, float out[3]);
    /* The fast rotation of `lanes` vectors (1 or 16), component by component: x[i * lanes + l]. dim is even. */
    void (*rotate)(float *x, size_t dim, size_t lanes, const uint8_t *signs);
    /* For 16 rows (x[i * 16 + l]) the scale that makes code values of `extra_bits` bits (at least 1) point most nearly to where the row does. */
    void (*fit)(const float *x, size_t dim, unsigned extra_bits, float *scales);
    /* Code values (u8: dim x 16, complemented where x is negative) for these scales. */
    void (*code)(const float *x, size_t dim, unsigned extra_bits, const float *scales, uint8_t *codes);
    /* Sign codes of 16 rows: byte b of row l to out[b * 16 + l]. */
    void (*sign)(const float *x, size_t dim, uint8_t *out);
    /* Sums over the components of 16 rows x and what was added to them, z. codes NULL: those of g are left out. */
    void (*sum)(const float *x, const float *z, size_t dim, unsigned extra_bits, const uint8_t *codes,
                qv__rabitq_sums *sums);
} qv__kernels_rabitq;

extern const qv__kernels_rabitq qv__kernels_rabitq_plain;
#if defined(__x86_64__)
extern const qv__kernels_rabitq qv__kernels_rabitq_avx2;
extern const qv__kernels_rabitq qv__kernels_rabitq_avx512;
#elif defined(__aarch64__)
extern const qv__kernels_rabitq qv__kernels_rabitq_neon;
#endif
/* `level` as qv__simd_level names it. */
const qv__kernels_rabitq *qv__rabitq_kernels(const char *level);

#endif
