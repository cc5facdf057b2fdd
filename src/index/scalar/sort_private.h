/* What the files of the external sort share. Streams of sorted rows have two columns: the values (nulls first) and the rows (uint64). */
#ifndef QV_INDEX_SORT_PRIVATE_H
#define QV_INDEX_SORT_PRIVATE_H

#include "index/scalar/order.h"
#include "index/scalar/scalar.h"

typedef struct qv__pair {
    uint64_t key, row;
} qv__pair;

/* Ascending by key; rows of equal keys keep their order. `room`: n pairs. Returns where the sorted pairs are: one of the two. */
qv__pair *qv__sort_pairs(qv__pair *pairs, qv__pair *room, size_t n);

/* Pairs of a value's prefix and its position in `values`, sorted by prefix: where prefixes tie, the values decide, then the positions. */
void qv__break_ties(const qv__array *values, qv__pair *pairs, qv__pair *room, size_t n);

qv_status qv__sorted_schema(const qv__type *type, qv__schema **out, qv_error *err);

/* A sorted run on disk, read from its beginning; the file goes with the stream. */
qv_status qv__run_write(const qv__index_target *target, size_t number, qv__stream *sorted, qv_error *err);
qv_status qv__run_open(const qv__index_target *target, size_t number, const qv__schema *schema, qv__stream **out,
                       qv_error *err);

/* One sorted stream out of n (taken in every case); rows of equal values come in the order of the streams. */
qv_status qv__merge_sorted(const qv__type *type, qv__stream **streams, size_t n, qv__stream **out, qv_error *err);

#endif
