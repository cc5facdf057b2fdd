/* What approximate nearest neighbour search is made of, in memory: rows that may match, candidates, and the interface of quantizers. No
 * files, no tables: those are above. */
#ifndef QV_ANN_ANN_H
#define QV_ANN_ANN_H

#include <float.h>

#include "base/job.h"
#include "simd/simd.h"

/* ------------------------------------------------------------------ which rows may match */

/* Ids are 64-bit keys (row addresses or row ids). Spans are ascending and do not overlap; what lies in none may not match. */
typedef struct qv__key_span {
    uint64_t first, n;
    const uint8_t *bits; /* bit i: key first + i may match; NULL: all of them */
} qv__key_span;
typedef struct qv__key_mask {
    size_t n_spans;
    const qv__key_span *spans;
} qv__key_mask;
bool qv__key_mask_find(const qv__key_mask *mask, uint64_t key); /* binary search */
/* `mask` NULL: every key. `hint` (the last span found, 0 at first) belongs to the caller's thread. */
static inline bool qv__key_mask_has(const qv__key_mask *mask, uint64_t key, size_t *hint)
{
    if (!mask)
        return true;
    if (*hint < mask->n_spans) {
        const qv__key_span *span = &mask->spans[*hint];
        uint64_t i = key - span->first; /* wraps around below the span */
        if (i < span->n)
            return !span->bits || (span->bits[i >> 3] >> (i & 7) & 1);
    }
    size_t low = 0, high = mask->n_spans;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (key - mask->spans[middle].first < mask->spans[middle].n && key >= mask->spans[middle].first) {
            const qv__key_span *span = &mask->spans[middle];
            uint64_t i = key - span->first;
            *hint = middle;
            return !span->bits || (span->bits[i >> 3] >> (i & 7) & 1);
        }
        if (key < mask->spans[middle].first)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

/* ------------------------------------------------------------------ candidates */

/* True distances of rows by key: straight from the table. A key without a vector gives NaN. Thread-safe. */
typedef struct qv__exact {
    void (*distances)(void *ctx, size_t query, const uint64_t *keys, size_t n, float *out);
    void *ctx;
    /* These keys will be asked for soon: their vectors may be brought near. NULL: nothing to do. */
    void (*fetch)(void *ctx, const uint64_t *keys, size_t n);
} qv__exact;

/* Rows judged roughly are judged again before they are measured: by place, which means something to whoever offered them. */
typedef struct qv__finer {
    /* Both bounds hold with high probability. */
    void (*bounds)(void *ctx, const uint64_t *places, size_t n, float *least, float *most, uint64_t *keys);
    void (*fetch)(void *ctx, const uint64_t *places, size_t n); /* these will be asked for soon */
    void *ctx;
} qv__finer;

/* Rows that wait to be looked at more closely, and what is known of those that have waited. */
typedef struct qv__waiting {
    size_t n, room;
    size_t n_settled; /* the first ones may not be the nearest of all */
    qv__hit *rows;    /* their least distances; ids are keys, or places */
    qv__topk sure;    /* the smallest of the greatest distances that they can have */
} qv__waiting;

/* The best rows of one query seen so far. With `exact` a row whose least possible distance (estimate - error) is below the k-th true
 * distance gets its true distance: the result is exact for the rows that were scanned whenever the errors are bounds. Without, the
 * `capacity` best by estimate are kept. NaN is never kept. Smaller distance first, then smaller key. */
typedef struct qv__candidates {
    float threshold;        /* rows whose lower bound is above it are of no interest; only ever falls */
    size_t capacity;        /* rows kept: k times the refine factor */
    const qv__exact *exact; /* NULL: none */
    size_t query;
    bool
        is_rough; /* estimates only choose what is measured afterwards: an error that is small beside that of codes does no harm */
    const qv__key_mask *mask;
    size_t mask_hint;
    float lower,
        upper; /* of true distances with `exact`, else of estimates: lower <= d < upper. Set before the first offer */
    size_t n, room; /* kept so far (a reservoir: more than capacity until it is cut), slots */
    qv__hit *hits;
    qv__waiting rough;   /* with `exact`: by place, for better bounds */
    qv__waiting waiting; /* with `exact`: by key, to be measured */
    const qv__finer *finer;
    float nearest;              /* the least of the greatest distances that rows can have */
    uint64_t offered, measured; /* counters */
} qv__candidates;
/* Memory for what `capacity` asks, at once; no call after it fails. Pairs with qv__candidates_clear, also when it fails. */
qv_status qv__candidates_init(qv__candidates *candidates, size_t capacity, const qv__exact *exact, size_t query,
                              const qv__key_mask *mask, qv_error *err);
/* A row of a list whose `least` distance is at most threshold (else it is dropped). */
void qv__candidates_offer(qv__candidates *candidates, float estimate, float least, uint64_t key);
/* With `exact`: a row whose true distance lies between two bounds, which both hold with high probability. Rows wait as long as there is
 * room, since the upper bounds alone let the threshold fall. A row whose key turns out to have no vector may have hidden others. */
void qv__candidates_offer_between(qv__candidates *candidates, float least, float most, uint64_t key);
/* The same for a row of which `finer` knows better bounds. `key` is looked at only if there is a mask. */
void qv__candidates_offer_rough(qv__candidates *candidates, const qv__finer *finer, float least, float most,
                                uint64_t place, uint64_t key);
/* Between lists: looks closely at rows that come to it in any case, so that later lists are judged the better. */
void qv__candidates_settle(qv__candidates *candidates);
/* No row is left that waits for better bounds: places may change their meaning. */
void qv__candidates_refine(qv__candidates *candidates);
/* The same as offer for a block of rows: bits of `passing` say which of them. */
void qv__candidates_offer_block(qv__candidates *candidates, const float *estimates, const float *least,
                                const uint64_t *keys, uint64_t passing);
/* Measures what still waits. In no order, at most capacity; borrowed until the next call. */
size_t qv__candidates_gather(qv__candidates *candidates, const qv__hit **hits);
/* The same, sorted. */
size_t qv__candidates_finish(qv__candidates *candidates, const qv__hit **hits);
void qv__candidates_clear(qv__candidates *candidates);

/* ------------------------------------------------------------------ quantizers */

/* What is kept of a row besides its id: some columns of fixed width. Rows of one list (partition) of an inverted file lie together, and a
 * column of a list is one block of n x width bytes whose inner layout is the quantizer's ("arranged": transposed, packed in groups), or
 * row after row ("plain": before it is arranged, and in memory for graphs). */
enum { QV_MAX_CODE_COLUMNS = 8 };
typedef struct qv__code_column {
    const char *name; /* "__pq_code" */
    size_t width;     /* bytes per row */
    bool is_f32;      /* one float per row; else `width` bytes */
} qv__code_column;

typedef struct qv__code_list {
    size_t n;
    const uint64_t *ids;
    const uint8_t *columns[QV_MAX_CODE_COLUMNS]; /* at any alignment */
    const struct qv__code_list *next;            /* scanned after this one: may be fetched meanwhile. NULL: not known */
} qv__code_list;

typedef struct qv__quantizer_class qv__quantizer_class;

/* Trained, immutable, thread-safe. Each kind's own structure begins with this one. Vectors come as float32, of unit length for cosine
 * (whose distances are 1 - cos everywhere above this floor). */
typedef struct qv__quantizer {
    const qv__quantizer_class *class;
    qv_metric metric; /* L2 (squared), COSINE (rows and queries have unit length), DOT (1 - product), HAMMING */
    size_t dim;
    size_t n_columns;
    qv__code_column columns[QV_MAX_CODE_COLUMNS];
} qv__quantizer;

/* A query made ready for a quantizer; belongs to one thread. Each kind's own structure begins with this one. */
typedef struct qv__code_query {
    const qv__quantizer *quantizer;
} qv__code_query;

struct qv__quantizer_class {
    const char *name; /* "PQ" */
    void (*free)(qv__quantizer *quantizer);
    /* n rows of `dim` floats; row i belongs to the list whose centroid is centroids[lists[i]] (unit length is not assumed).
     * out[c]: n x width bytes, plain. Deterministic; thread-safe. */
    qv_status (*encode)(const qv__quantizer *quantizer, const float *rows, size_t n, const float *centroids,
                        const uint32_t *lists, uint8_t *const *out, qv_error *err);
    /* Plain columns of one list into its arranged blocks, and back. */
    void (*arrange)(const qv__quantizer *quantizer, const uint8_t *const *plain, size_t n, uint8_t *const *out);
    void (*disarrange)(const qv__quantizer *quantizer, const uint8_t *const *arranged, size_t n, uint8_t *const *out);
    /* `query`: dim floats (unit length for cosine), copied. */
    qv_status (*query_new)(const qv__quantizer *quantizer, const float *query, qv__code_query **out, qv_error *err);
    void (*query_free)(qv__code_query *query);
    /* Before a list is scanned: its centroid (NULL: not an inverted file), the query's distance to it as the metric has it, and
     * `extra`: what list_extra made of the centroid (NULL: it makes nothing). */
    void (*enter_list)(qv__code_query *query, const float *centroid, float centroid_distance, const float *extra);
    /* Offers every row of the list whose estimate may be of interest. Estimates are in the metric's own scale (cosine: 1 - cos). */
    void (*scan)(qv__code_query *query, const qv__code_list *list, qv__candidates *candidates);
    /* Estimates for rows of plain columns, by position (graphs, filtered reads). After enter_list. */
    void (*distances)(qv__code_query *query, const uint8_t *const *plain, const uint32_t *rows, size_t n, float *out);
    /* Floats that a list's centroid gives once and for all (RaBitQ: the rotated centroid); 0: none. */
    size_t (*extra_floats)(const qv__quantizer *quantizer);
    void (*list_extra)(const qv__quantizer *quantizer, const float *centroid, float *out);
    /* Does scan() give lower bounds that hold (with high probability), so that exact distances of the offered rows suffice? */
    bool has_bounds;
    /* The least true distance that a row with this estimate may have, for what distances() gives. NULL: anything. */
    float (*least)(const qv__code_query *query, float estimate);
};

#endif
