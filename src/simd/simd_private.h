/* What the files of simd/ share: what the cpu can do, a query as a kernel wants it, and the table of kernels. */
#ifndef QV_SIMD_PRIVATE_H
#define QV_SIMD_PRIVATE_H

#include "simd/simd.h"

/* ------------------------------------------------------------------ the machine */

typedef struct qv__cpu {
    bool avx2;   /* avx2, fma, f16c, popcnt, and the system saves ymm registers */
    bool avx512; /* f, bw, dq, vl on top of avx2, and the system saves zmm and mask registers */
    bool avx512_vnni, avx512_popcnt;
    bool neon;
} qv__cpu;
qv__cpu qv__cpu_detect(void);

/* ------------------------------------------------------------------ kernels */

#define QV_QUERY_PAD 64   /* zeros after the last value of a query, in values: kernels read whole vectors of it */
#define QV_INT_CHUNK 8192 /* 8-bit values whose squared differences always fit an int32 sum */
#define QV_TILE_ROWS 12
#define QV_PANEL_MAX 32

typedef struct qv__kernel_query qv__kernel_query;
/* Distances of one query to n rows. The result for a row depends on query and row only, never on n, alignment or
 * neighbours. Float kernels may return a value that is not finite where an intermediate sum left the type's range, and
 * cosine kernels return NaN when |v|^2 is not a normal number: the caller then computes the pair again in long double. */
typedef void (*qv__rows_fn)(const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n, float *out);
/* One row as float32 values. */
typedef void (*qv__widen_fn)(const uint8_t *row, size_t dim, float *out);

/* One query, converted to what its kernel computes with. */
struct qv__kernel_query {
    const void *values;   /* float, double, int16_t or bytes (bits); QV_QUERY_PAD zero values follow */
    const uint8_t *bytes; /* int16_t values: the same as 8-bit values, padded too */
    size_t dim;           /* values; bits for QV_EL_BITS */
    double norm;          /* int16_t: |q|; else 1, the length that cosine queries get, or 0 for a zero vector */
    int64_t sum;          /* of int16_t values */
    bool is_int;          /* int16_t: 8-bit rows, and integers in their range in the query */
    qv__rows_fn rows;
};

enum { QV_K_L2, QV_K_COSINE, QV_K_DOT, QV_K_COUNT };

typedef struct qv__kernels {
    const char *name;
    qv__rows_fn rows[QV_K_COUNT][QV_EL_COUNT];        /* by distance and element; QV_EL_BITS unused */
    qv__rows_fn float_query[QV_K_COUNT][QV_EL_COUNT]; /* int8 and uint8 rows against a float32 query */
    qv__rows_fn hamming, jaccard;                     /* dim is a multiple of 8 unless this is the scalar table */
    qv__pairs_fn pairs[QV_K_COUNT][QV_EL_COUNT];      /* L2, DOT: the same sums as of a query with the row's values */
    qv__pairs_fn hamming_pairs;                       /* as hamming */
    qv__widen_fn widen[QV_EL_COUNT];
    /* out[i] = dot products of QV_TILE_ROWS float rows with the queries of a panel (panel_wide or panel_narrow of them,
     * stored value by value); rows past n_rows repeat the last one. Plain sums: for choosing candidates only. */
    void (*tile_wide)(const float *panel, size_t dim, const uint8_t *rows, size_t stride, size_t n_rows, float *out);
    void (*tile_narrow)(const float *panel, size_t dim, const uint8_t *rows, size_t stride, size_t n_rows, float *out);
    size_t panel_wide, panel_narrow; /* queries; wide = 2 * narrow <= QV_PANEL_MAX */
    /* The greatest of bias + product over wide panels, for QV_TILE_ROWS rows: lane by lane (panel_narrow of them per row) the
     * greatest sum so far, and which half panel it came from: `half` for the first of this panel. Of equal sums the first stays. */
    void (*tile_nearest)(const float *panel, const float *bias, size_t dim, const uint8_t *rows, size_t stride,
                         size_t n_rows, float half, float *best, float *from);
    /* Squared l2, or 1 - product, of one row and the vectors of a wide panel. */
    void (*panel_l2)(const float *panel, size_t dim, const float *row, float *out);
    void (*panel_dot)(const float *panel, size_t dim, const float *row, float *out);
    /* sums[dim] += each of the n rows numbers[..], in this order. */
    void (*add_rows)(const float *rows, size_t dim, const uint32_t *numbers, size_t n, double *sums);
    /* Positions of values <= bound, ascending; NaN never. */
    size_t (*select_le)(const float *values, size_t n, float bound, uint32_t *positions);
    /* Bit i: dots[i] >= least[i] * scale + add. width is panel_wide or panel_narrow. */
    uint32_t (*test_panel)(const float *dots, const float *least, float scale, float add, size_t width);
} qv__kernels;

extern const qv__kernels qv__kernels_scalar;
extern const qv__kernels qv__kernels_avx2;
extern const qv__kernels qv__kernels_avx512;
extern const qv__kernels qv__kernels_neon;

/* Kernels that need one more extension; dispatch.c puts them into the avx512 table. */
void qv__avx512_vnni_kernels(qv__kernels *kernels);
void qv__avx512_popcnt_kernels(qv__kernels *kernels);

/* The table in use, and (tests) the table of a level by name; NULL when this machine lacks it. */
const qv__kernels *qv__kernels_get(void);
const qv__kernels *qv__kernels_of(const char *level);

/* One pair in long double: where float range was not enough. Any metric but hamming and jaccard. */
float qv__distance_pair_exact(int kind, qv__element element, const qv__kernel_query *query, const uint8_t *row);
bool qv__any_not_finite(const float *values, size_t n);

/* ------------------------------------------------------------------ prepared queries */

struct qv__distance {
    qv_metric metric;
    int kind; /* QV_K_*; of float, double and 8-bit elements */
    qv__element element;
    size_t dim, n_queries;
    const qv__kernels *kernels;
    qv__kernel_query *queries;
    void *values;   /* all queries, padded */
    uint8_t *bytes; /* int8/uint8 */
    /* For many queries at once: panels of queries, each dim x width floats, value by value. */
    float *panels;       /* NULL: few queries, or bits */
    double *panel_norm2; /* |q|^2 of the values in the panel */
    size_t n_panels;
};

/* As qv__distance_new, with the kernels of one level. */
qv_status qv__distance_new_with(const qv__kernels *kernels, qv_metric metric, qv__element element, size_t dim,
                                const void *queries, qv__element query_element, size_t n_queries, qv__distance **out,
                                qv_error *err);
/* Distances whose rows are not `live` may stay what the kernel gave. */
void qv__distance_block(const qv__distance *distance, size_t q, const uint8_t *rows, size_t stride, size_t n,
                        const uint8_t *live, size_t live_offset, float *out);
/* The queries that panel p holds: [*first, *first + *n), *width places of `dim` floats at the returned address. */
const float *qv__distance_panel(const qv__distance *distance, size_t p, size_t *first, size_t *n, size_t *width);

/* As qv__nearest_new, with the kernels of one level. */
qv_status qv__nearest_new_with(const qv__kernels *kernels, qv_metric metric, size_t capacity, size_t dim,
                               qv__nearest **out, qv_error *err);

#define QV_CAT_(a, b) a##b
#define QV_CAT(a, b)  QV_CAT_(a, b)

#endif
