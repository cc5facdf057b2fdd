/* Sets of 64-bit row ids or addresses: a sorted map from the high word to a 32-bit Roaring bitmap (CRoaring). */
#ifndef QV_INDEX_ROW_SET_H
#define QV_INDEX_ROW_SET_H

#include <roaring/roaring.h>

#include "base/buffer.h"

typedef struct qv__row_part {
    uint32_t high;
    roaring_bitmap_t *low; /* NULL: every row of that fragment */
} qv__row_part;
typedef struct qv__row_set {
    size_t n, capacity;
    qv__row_part *parts; /* ascending by high */
} qv__row_set;

void qv__row_set_clear(qv__row_set *set); /* zero-initialised is the empty set */
qv_status qv__row_set_copy(qv__row_set *to, const qv__row_set *from, qv_error *err);
qv_status qv__row_set_add(qv__row_set *set, uint64_t row, qv_error *err);
qv_status qv__row_set_add_many(qv__row_set *set, const uint64_t *rows, size_t n, qv_error *err); /* any order */
qv_status qv__row_set_add_range(qv__row_set *set, uint64_t first, uint64_t end, qv_error *err);
/* All of `low` (NULL: every row) of one high word; copied. */
qv_status qv__row_set_add_part(qv__row_set *set, uint32_t high, const roaring_bitmap_t *low, qv_error *err);
bool qv__row_set_contains(const qv__row_set *set, uint64_t row);
uint64_t qv__row_set_count(const qv__row_set *set, bool *has_full); /* full fragments count nothing and set *has_full */
const qv__row_part *qv__row_set_part(const qv__row_set *set, uint32_t high);
qv_status qv__row_set_or(qv__row_set *into, const qv__row_set *other, qv_error *err);
qv_status qv__row_set_and(qv__row_set *into, const qv__row_set *other, qv_error *err);
qv_status qv__row_set_and_not(qv__row_set *into, const qv__row_set *other,
                              qv_error *err); /* QV_INVALID: part of a full fragment */
/* The two stored forms (docs/format.md): a rowset says the size of each part and knows full fragments (sized), a treemap does
 * neither. Foreign bytes: QV_CORRUPT, nothing trusted. Packing appends. */
qv_status qv__row_set_parse(const uint8_t *bytes, size_t len, bool sized, qv__row_set *out, qv_error *err);
qv_status qv__row_set_pack(const qv__row_set *set, bool sized, qv__buffer *out, qv_error *err);
/* A portable 32-bit Roaring bitmap out of foreign bytes, fully checked. */
qv_status qv__roaring_parse(const uint8_t *bytes, size_t len, roaring_bitmap_t **out, qv_error *err);
qv_status qv__roaring_pack(const roaring_bitmap_t *bitmap, qv__buffer *out, qv_error *err);

#endif
