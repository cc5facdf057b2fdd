/* Shared by the files of this folder. */
#ifndef QV_ANN_RABITQ_PRIVATE_H
#define QV_ANN_RABITQ_PRIVATE_H

#include "ann/rabitq/kern.h"
#include "ann/rabitq/rabitq.h"

/* Of stored error factors: by how many standard deviations an estimate is off (Gao, Long 2024, section 3.2.2). */
#define QV_RABITQ_EPSILON 1.9

/* Places of columns; the optional ones are -1 where they are absent. */
typedef struct qv__rabitq_columns {
    int signs, add, scale, error, extra, add_extra, scale_extra;
} qv__rabitq_columns;

typedef struct qv__rabitq {
    qv__quantizer base;
    qv__rabitq_shape shape; /* signs and matrix are its own */
    const qv__kernels_rabitq *kernels;
    qv__rabitq_columns at;
    unsigned extra_bits;
    size_t n_bytes;     /* of sign codes */
    size_t n_blocks;    /* of 64 dimensions; the query is padded to them */
    size_t extra_width; /* bytes of extra codes */
} qv__rabitq;

static inline const qv__rabitq *qv__rabitq_of(const qv__quantizer *quantizer) { return (const qv__rabitq *) quantizer; }

/* ------------------------------------------------------------------ rotation (rotate.c) */

/* `lanes` vectors (1 or 16), component by component: in[i * lanes + l]. */
void qv__rabitq_rotate(const qv__rabitq *rabitq, const float *in, size_t lanes, float *out);

/* ------------------------------------------------------------------ layouts (pack.c) */

/* Sign codes of up to 32 rows, byte b of row r at rows[b * byte_stride + r * row_stride], to one group; rows that are not there are 0. */
void qv__rabitq_pack(const uint8_t *rows, size_t row_stride, size_t byte_stride, size_t n_bytes, size_t n,
                     uint8_t *group);
/* One row of a group. */
void qv__rabitq_unpack(const uint8_t *group, size_t n_bytes, size_t row, uint8_t *out);
/* Extra codes of `bits` bits, a byte for each of dim dimensions, to blocks of 64, and back. */
void qv__rabitq_block(const uint8_t *values, size_t dim, unsigned bits, uint8_t *out);
void qv__rabitq_unblock(const uint8_t *blocks, size_t dim, unsigned bits, uint8_t *values);
/* One bit stream, least bit first, to a byte for each dimension. */
void qv__rabitq_unstream(const uint8_t *stream, size_t dim, unsigned bits, uint8_t *values);

/* ------------------------------------------------------------------ the class's calls */

qv_status qv__rabitq_encode(const qv__quantizer *quantizer, const float *rows, size_t n, const float *centroids,
                            const uint32_t *lists, uint8_t *const *out, qv_error *err);
void qv__rabitq_arrange(const qv__quantizer *quantizer, const uint8_t *const *plain, size_t n, uint8_t *const *out);
void qv__rabitq_disarrange(const qv__quantizer *quantizer, const uint8_t *const *arranged, size_t n,
                           uint8_t *const *out);
qv_status qv__rabitq_query_new(const qv__quantizer *quantizer, const float *query, qv__code_query **out, qv_error *err);
void qv__rabitq_query_free(qv__code_query *query);
void qv__rabitq_enter_list(qv__code_query *query, const float *centroid, float centroid_distance, const float *extra);
void qv__rabitq_scan(qv__code_query *query, const qv__code_list *list, qv__candidates *candidates);
void qv__rabitq_distances(qv__code_query *query, const uint8_t *const *plain, const uint32_t *rows, size_t n,
                          float *out);

/* ------------------------------------------------------------------ queries (query.c, scan.c) */

/* What a query adds to a list: estimate = product * slope * (scale factor) + weight * (add factor) + shift, and it is off by
 * reach * (error factor), by extended codes extended_reach * (theirs). */
typedef struct qv__rabitq_terms {
    float slope, weight, shift, reach, extended_reach;
} qv__rabitq_terms;

/* A list whose rows wait for better bounds. */
typedef struct qv__rabitq_visit {
    qv__code_list list;
    qv__rabitq_terms terms;
} qv__rabitq_visit;

enum { QV_RABITQ_VISITS = 32 };

typedef struct qv__rabitq_query {
    qv__code_query base;
    const qv__rabitq *rabitq;
    bool is_fast;
    float *raw;      /* dim */
    float *rotated;  /* padded with zeros to blocks, as all that codes are multiplied with */
    float *residual; /* rotated query - rotated centroid: the old formula; else NULL */
    uint8_t *tables; /* 32 entries for each byte of a sign code, and 32 zeros */
    float norm2;     /* |query|^2 */
    /* The sum of the components that a sign code chooses is step * (sum of entries) + low, to within table_error. */
    float step, low, table_error;
    float total;            /* sum of all components */
    qv__rabitq_terms terms; /* of the list */
    qv__rabitq_line line;
    qv__finer finer; /* extended codes, for candidates that wait; places are visit << 32 | row */
    size_t n_visits;
    qv__rabitq_visit *visits;        /* QV_RABITQ_VISITS */
    uint8_t *group, *signs, *values; /* scratch: a packed group, one row's sign codes, one row's extra codes */
} qv__rabitq_query;

/* As qv__finer has them. */
void qv__rabitq_bounds(void *query, const uint64_t *places, size_t n, float *least, float *most, uint64_t *keys);
void qv__rabitq_fetch(void *query, const uint64_t *places, size_t n);

/* What sign codes are multiplied with. */
static inline const float *qv__rabitq_operand(const qv__rabitq_query *query)
{
    return query->residual ? query->residual : query->rotated;
}

#endif
