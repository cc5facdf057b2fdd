/* Questions about ordered values, as spans of the order in which files keep them. Conditions compare as qv__value_compare does (-0.0 = 0.0,
 * NaNs are equal and last), files in IEEE total order: so one question may be two spans. */
#ifndef QV_INDEX_SPANS_H
#define QV_INDEX_SPANS_H

#include "index/scalar/order.h"
#include "index/scalar/scalar.h"

#define QV_SPANS_MOST 2 /* of one value or range */

typedef struct qv__spans {
    size_t n;
    qv__value_span items[QV_SPANS_MOST];
    uint8_t *room; /* owned: the end of a prefix */
} qv__spans;
void qv__spans_clear(qv__spans *spans);

/* RANGE and PREFIX. `type` is the file's. */
qv_status qv__spans_of_ask(const qv__type *type, const qv__ask *ask, qv__spans *out, qv_error *err);
/* The values that equal value i. */
void qv__spans_of_value(const qv__array *values, int64_t i, qv__spans *out);
/* Are the ask's values of this type? Else the index has no idea. */
bool qv__ask_fits(const qv__type *type, const qv__ask *ask);
/* Does a value of a type with QV_ORDER_KEY have the key of a NaN? */
bool qv__order_is_nan(const qv__type *type, uint64_t key);
bool qv__span_holds(const qv__value_span *span, const qv__array *a, int64_t i);

/* can_index and can_ask of kinds that keep all values in order. */
bool qv__can_order(const qv__type *type);
qv__certainty qv__can_ask_ordered(const qv__type *type, qv__ask_kind kind);

#endif
