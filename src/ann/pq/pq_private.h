/* What the files of pq/ share: the quantizer in memory, and the kernels that differ between instruction sets. */
#ifndef QV_ANN_PQ_PRIVATE_H
#define QV_ANN_PQ_PRIVATE_H

#include "ann/pq/pq.h"

enum {
    QV_PQ_BLOCK = 64,     /* rows that a kernel takes at once */
    QV_PQ_CHUNK = 4,      /* blocks that are summed up with one look at the tables */
    QV_PQ_PIECE = 32,     /* blocks of a list whose sums are looked at together */
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
    float most;    /* the greatest value, or 0 */
} qv__pq_tables;

/* Arranged codes of some rows: byte b of row r is at bytes[b * stride + r]. */
typedef struct qv__pq_codes {
    const uint8_t *bytes;
    size_t stride;
    uintptr_t ahead; /* where as many bytes lie that are wanted next: fetched on the way. Nothing need be there */
} qv__pq_codes;

/* The same rows without the first blocks. */
static inline qv__pq_codes qv__pq_codes_from(qv__pq_codes codes, size_t blocks, size_t width)
{
    size_t rows = blocks * QV_PQ_BLOCK;
    return (qv__pq_codes){ codes.bytes + rows, codes.stride, codes.ahead + rows * width };
}

/* Sums of tables in bytes ([m][n]) for all rows of some blocks: bytes of sub-vectors 2i and 2i + 1 are added up and cut at 255, these pairs
 * are added up and cut at 65535. */
typedef void (*qv__pq_sums_fn)(const uint8_t *tables, size_t m, qv__pq_codes codes, size_t n_blocks, uint16_t *sums);

/* Blocks of rows lie component by component: component j of row r is at rows[j * QV_PQ_BLOCK + r]. All levels give the same bits: each sum is
 * taken in the order of components, with fused additions. */
typedef struct qv__pq_kernels {
    const char *name;
    /* Of each row the nearest word (the first of equal ones), and scores: half of the squared distance less half of |row|^2. */
    void (*nearest)(const float *rows, const qv__pq_words *words, uint32_t *codes, float *scores);
    /* least[r] = min(least[r], squared distance to `word`). */
    void (*approach)(const float *rows, const float *word, size_t dsub, float *least);
    /* Of each word scale * |query - word|^2, or -query . word; `query` holds m * dsub floats. */
    void (*distance_tables)(const float *query, const qv__pq_columns *words, float scale, qv__pq_tables *tables);
    void (*product_tables)(const float *query, const qv__pq_columns *words, float scale, qv__pq_tables *tables);
    /* bytes = min(255, floor(value * steps)), of n >= 0 values, a multiple of 16. */
    void (*to_bytes)(const float *values, size_t n, float steps, uint8_t *bytes);
    qv__pq_sums_fn sums4, sums8;
    bool permutes4, permutes8; /* these sums are byte permutes: many times quicker than exact ones */
    /* Of n_blocks blocks of sums a word each: which of them are at most `limit`. */
    void (*at_most)(const uint16_t *sums, size_t n_blocks, uint16_t limit, uint64_t *passing);
    /* Sums of table values in the order of sub-vectors, of a block of rows with 4-bit codes; NULL: row by row is as quick. */
    void (*sum_block4)(const float *tables, size_t m, qv__pq_codes codes, float *sums);
} qv__pq_kernels;

extern const qv__pq_kernels qv__pq_kernels_scalar;
extern const qv__pq_kernels qv__pq_kernels_avx2;
extern const qv__pq_kernels qv__pq_kernels_avx512;
extern const qv__pq_kernels qv__pq_kernels_neon;
/* For levels whose byte permutes do not span a table of 256 bytes. */
void qv__pq_sums8_scalar(const uint8_t *tables, size_t m, qv__pq_codes codes, size_t n_blocks, uint16_t *sums);
/* Byte permutes over whole 8-bit tables. */
void qv__pq_sums8_avx512_vbmi(const uint8_t *tables, size_t m, qv__pq_codes codes, size_t n_blocks, uint16_t *sums);

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

/* ------------------------------------------------------------------ queries */

typedef struct qv__pq_query {
    qv__code_query base;
    const qv__pq *pq;
    float *vector;   /* dim */
    float *residual; /* dim: what tables are made of */
    bool is_finite;  /* the vector */
    bool has_tables; /* for the list that was entered */
    qv__pq_tables tables;
    float offset;    /* of every estimate */
    double step;     /* of `bytes`; 0: there are none */
    uint8_t *bytes;  /* the tables in steps, rounded down */
    uint8_t *padded; /* width x QV_PQ_BLOCK: codes of a list shorter than a block */
    uint16_t *sums;  /* of a piece of a list, and the block that follows it */
} qv__pq_query;

qv_status qv__pq_query_new(const qv__quantizer *quantizer, const float *vector, qv__code_query **out, qv_error *err);
void qv__pq_query_free(qv__code_query *query);
void qv__pq_enter_list(qv__code_query *query, const float *centroid, float centroid_distance, const float *extra);
/* Makes the tables of the list that was entered, if they are not there. */
void qv__pq_make_tables(qv__pq_query *query);
/* Exact estimates of the rows of a block whose bits are set. is_whole: all 64 rows may be read. */
void qv__pq_estimate(const qv__pq_query *query, qv__pq_codes codes, bool is_whole, uint64_t rows, float *estimates);
void qv__pq_distances(qv__code_query *query, const uint8_t *const *plain, const uint32_t *rows, size_t n, float *out);

/* ------------------------------------------------------------------ the class */

qv_status qv__pq_encode(const qv__quantizer *quantizer, const float *rows, size_t n, const float *centroids,
                        const uint32_t *lists, uint8_t *const *out, qv_error *err);
void qv__pq_scan(qv__code_query *query, const qv__code_list *list, qv__candidates *candidates);

#endif
