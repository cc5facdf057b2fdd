/* Files of one row set per distinct value: BITMAP indexes columns so, LABEL_LIST the elements of lists, NGRAM pieces of text. */
#ifndef QV_INDEX_BITMAP_H
#define QV_INDEX_BITMAP_H

#include "index/scalar/spans.h"

typedef struct qv__bitmap_layout {
    const char *file, *keys, *sets;
    bool sized; /* form of the row sets */
} qv__bitmap_layout;
extern const qv__bitmap_layout qv__bitmap_layout_values; /* BITMAP and LABEL_LIST */

/* An opened file: all keys in memory, the row sets where they lie. Immutable, thread-safe. */
typedef struct qv__bitmaps {
    const qv__bitmap_layout *layout;
    qv__file *file;
    qv__column *sets;
    qv__array *keys; /* in the order of the file, which need not be sorted */
    uint64_t *order; /* positions of the keys that are not null, by value */
    size_t n;        /* of them */
    int64_t null_at; /* position of the null key; -1: none */
} qv__bitmaps;
/* A segment that is such a file, or begins with one. */
typedef struct qv__bitmap_segment {
    qv__segment head;
    qv__bitmaps file;
} qv__bitmap_segment;
void qv__bitmap_segment_close(qv__segment *segment); /* of those that are nothing else */
qv_status qv__bitmap_segment_describe(qv__segment *segment, qv__buffer *json, qv_error *err);
qv_status qv__bitmap_segment_prewarm(qv__segment *segment, qv_error *err);
qv_status qv__bitmap_segment_verify(qv__segment *segment, qv__problem_fn problem, void *ctx, qv_error *err);

/* `type` NULL: as the file says. */
qv_status qv__bitmaps_open(qv__store *folder, const qv__bitmap_layout *layout, const qv__type *type, qv__bitmaps *out,
                           qv_error *err);
void qv__bitmaps_clear(qv__bitmaps *bitmaps);

/* Adds to `into` the row sets of keys [from, to) in the order of values. */
qv_status qv__bitmaps_union(qv__bitmaps *bitmaps, size_t from, size_t to, qv__job *job, qv__row_set *into,
                            qv__answer *cost, qv_error *err);
qv_status qv__bitmaps_nulls(qv__bitmaps *bitmaps, qv__row_set *into, qv__answer *cost, qv_error *err);
/* The keys of a span, as a range of the order. */
void qv__bitmaps_find(const qv__bitmaps *bitmaps, const qv__value_span *span, size_t *from, size_t *to,
                      qv__answer *cost);

/* Writes a file from sorted (value, row) pairs (a stream as qv__sort_values gives it; may be NULL) and from older files, whose rows
 * `keep` translates (NULL: kept as they are). `nulls` (NULL: none): a row set that goes into a global buffer under `nulls_key`. */
typedef struct qv__bitmap_source {
    const qv__bitmap_layout *layout;
    const qv__type *type;
    qv__stream *sorted;
    qv__bitmaps *const *old;
    size_t n_old;
    qv__keep_fn keep;
    void *ctx;
    const qv__row_set *nulls;
    const char *nulls_key;
} qv__bitmap_source;
qv_status qv__bitmaps_write(const qv__index_target *target, const qv__bitmap_source *source, qv_error *err);
/* `set` after `keep`. */
qv_status qv__row_set_translate(const qv__row_set *set, size_t segment, qv__keep_fn keep, void *ctx, qv__row_set *out,
                                qv_error *err);
qv_status qv__bitmaps_prewarm(qv__bitmaps *bitmaps, qv_error *err);
/* Row sets that do not parse, keys that occur twice. */
qv_status qv__bitmaps_verify(qv__bitmaps *bitmaps, qv__problem_fn problem, void *ctx, qv_error *err);

#endif
