/* The order in which index files keep values: numbers by value, floats in IEEE total order (-NaN, -inf, ..., -0.0, 0.0, ..., inf, NaN),
 * false before true, text and binary by bytes. Nulls have no place in it. */
#ifndef QV_INDEX_ORDER_H
#define QV_INDEX_ORDER_H

#include "arrow/array.h"

typedef enum qv__order {
    QV_ORDER_NONE,
    QV_ORDER_KEY,  /* a 64-bit key says all */
    QV_ORDER_WIDE, /* decimals: the bytes as a signed number */
    QV_ORDER_BYTES
} qv__order;

qv__order qv__order_of(const qv__type *type);
/* QV_ORDER_KEY: the key of value i; keys order as unsigned numbers. */
uint64_t qv__order_key(const qv__array *a, int64_t i);
/* The same for n values from `start`; nulls get any key. */
void qv__order_keys(const qv__array *a, int64_t start, size_t n, uint64_t *out);
/* The values of n keys, each `step` words after the one before: bits of a bool, else in the type's width. */
void qv__order_unkey(const qv__type *type, const uint64_t *keys, size_t step, size_t n, uint8_t *out);
/* Any orderable type: where the keys of two values differ, they order as the keys do. */
uint64_t qv__order_prefix(const qv__array *a, int64_t i);
/* -1, 0 or 1 for two values of one type. */
int qv__order_compare(const qv__array *a, int64_t i, const qv__array *b, int64_t j);

/* ------------------------------------------------------------------ values to look for */

typedef struct qv__probe {
    uint64_t key;         /* QV_ORDER_KEY */
    const uint8_t *bytes; /* others; borrowed */
    size_t len;
} qv__probe;
void qv__probe_of(const qv__array *a, int64_t i, qv__probe *out);
/* Value i of `a` against the probe, which is of its type. */
int qv__probe_compare(const qv__array *a, int64_t i, const qv__probe *probe);

/* All values from low to high, in the order of the file. */
typedef struct qv__value_span {
    bool has_low, has_high, low_open, high_open;
    qv__probe low, high;
} qv__value_span;

#endif
