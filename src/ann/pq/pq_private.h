/* What the files of pq/ share: the quantizer in memory, and the kernels that differ between instruction sets. */
#ifndef QV_ANN_PQ_PRIVATE_H
#define QV_ANN_PQ_PRIVATE_H

#include "ann/pq/pq.h"

enum {
    QV_PQ_BLOCK = 64, /* rows that a kernel takes at once */
    QV_PQ_CHUNK = 4,  /* blocks that a filter takes with one look at the tables */
    QV_PQ_AHEAD =
        512, /* bytes of a column that are fetched ahead: many columns are more streams than processors follow */
    QV_PQ_MAX_WORDS = 256 /* codewords of a sub-vector */
};

/* ------------------------------------------------------------------ kernels */

/* The codewords of one sub-vector, for the nearest of them: word after word, and half of their squared lengths. */
typedef struct qv__pq_words {
    const float *values;
    const float *half_norms;
    size_t n, dsub; /* n is 16 or 256 */
} qv__pq_words;

/* The words of all sub-vectors, for tables: component j of word c of sub-vector s is at (s * dsub + j) * n + c. */
typedef struct qv__pq_columns {
    const float *values;
    size_t m, n, dsub;
} qv__pq_columns;

/* What each codeword adds to the estimate for one query and list. */
typedef struct qv__pq_tables {
    float *values; /* [m][n] */
    float *least;  /* [m]: of each table */
    float range;   /* greatest value less the least one, over all tables */
} qv__pq_tables;

/* Arranged codes of some rows: byte b of row r is at bytes[b * stride + r]. */
typedef struct qv__pq_codes {
    const uint8_t *bytes;
    size_t stride;
} qv__pq_codes;

/* Tables in bytes ([m][n], values above `least` in steps, rounded down), and what a row may sum up to. A filter sets the bits of rows whose
 * sum of bytes is at most `limit` or is not known to be above it; sums saturate, so bits may be set in vain, but none is missing. */
typedef struct qv__pq_filter_tables {
    const uint8_t *bytes;
    size_t m;
    uint16_t limit;
} qv__pq_filter_tables;
typedef void (*qv__pq_filter_fn)(const qv__pq_filter_tables *tables, qv__pq_codes codes, size_t n_blocks,
                                 uint64_t *passing);

/* Blocks of rows lie component by component: component j of row r is at rows[j * QV_PQ_BLOCK + r]. Levels differ by rounding alone: each
 * sum is taken in the order of components, with fused additions where there are some. */
typedef struct qv__pq_kernels {
    const char *name;
    /* Of each row the nearest word (the first of equal ones), and scores: half of the squared distance less half of |row|^2. */
    void (*nearest)(const float *rows, const qv__pq_words *words, uint32_t *codes, float *scores);
    /* least[r] = min(least[r], squared distance to `word`). */
    void (*approach)(const float *rows, const float *word, size_t dsub, float *least);
    /* Of each word scale * |query - word|^2, or -query . word; `query` holds m * dsub floats. */
    void (*distance_tables)(const float *query, const qv__pq_columns *words, float scale, qv__pq_tables *tables);
    void (*product_tables)(const float *query, const qv__pq_columns *words, float scale, qv__pq_tables *tables);
    /* bytes = min(255, floor((value - least) * steps)). */
    void (*to_bytes)(const qv__pq_tables *tables, size_t m, size_t n, float steps, uint8_t *bytes);
    qv__pq_filter_fn filter4, filter8; /* NULL: exact sums of all rows are as quick */
    /* Sums of table values in the order of sub-vectors, of a block of rows with 4-bit codes; NULL: row by row is as quick. */
    void (*sum_block4)(const float *tables, size_t m, qv__pq_codes codes, float *sums);
} qv__pq_kernels;

extern const qv__pq_kernels qv__pq_kernels_scalar;
extern const qv__pq_kernels qv__pq_kernels_avx2;
extern const qv__pq_kernels qv__pq_kernels_avx512;
extern const qv__pq_kernels qv__pq_kernels_neon;
/* Byte permutes over whole 8-bit tables. */
void qv__pq_filter8_avx512_vbmi(const qv__pq_filter_tables *tables, qv__pq_codes codes, size_t n_blocks,
                                uint64_t *passing);

/* The table in use, and (tests) that of a level by name ("avx512_vbmi" is one of its own); NULL when this machine lacks it. */
const qv__pq_kernels *qv__pq_kernels_get(void);
const qv__pq_kernels *qv__pq_kernels_of(const char *level);

/* ------------------------------------------------------------------ the quantizer */

typedef struct qv__pq {
    qv__quantizer base;
    size_t m, dsub;
    unsigned bits;
    size_t n_words; /* 2^bits */
    size_t width;   /* bytes of a code */
    const qv__pq_kernels *kernels;
    float *codebook;   /* [m][n_words][dsub] */
    float *half_norms; /* [m][n_words] */
    float *columns;    /* [m][dsub][n_words] */
} qv__pq;

/* With a codebook of zeros; after it was filled, qv__pq_seal makes what depends on it. */
qv_status qv__pq_alloc(size_t dim, size_t m, unsigned bits, qv_metric metric, qv__pq **out, qv_error *err);
void qv__pq_seal(qv__pq *pq);
void qv__pq_free(qv__quantizer *quantizer);
static inline bool qv__pq_codes_residual(const qv__pq *pq) { return pq->base.metric != QV_METRIC_DOT; }
static inline qv__pq_words qv__pq_words_of(const qv__pq *pq, size_t s)
{
    return (qv__pq_words){ pq->codebook + s * pq->n_words * pq->dsub, pq->half_norms + s * pq->n_words, pq->n_words,
                           pq->dsub };
}
void qv__pq_half_norms(const float *words, size_t n, size_t dsub, float *half_norms);

qv_status qv__pq_encode(const qv__quantizer *quantizer, const float *rows, size_t n, const float *centroids,
                        const uint32_t *lists, uint8_t *const *out, qv_error *err);
qv_status qv__pq_query_new(const qv__quantizer *quantizer, const float *vector, qv__code_query **out, qv_error *err);
void qv__pq_query_free(qv__code_query *query);
void qv__pq_enter_list(qv__code_query *query, const float *centroid, float centroid_distance, const float *extra);
void qv__pq_scan(qv__code_query *query, const qv__code_list *list, qv__candidates *candidates);
void qv__pq_distances(qv__code_query *query, const uint8_t *const *plain, const uint32_t *rows, size_t n, float *out);

#endif
