/* Whole-array operations. Inputs are borrowed, outputs have one reference; all types at every nesting level. */
#ifndef QV_ARROW_COMPUTE_H
#define QV_ARROW_COMPUTE_H

#include "arrow/array.h"

qv_status qv__array_slice(const qv__array *array, int64_t start, int64_t length, qv__array **out,
                          qv_error *err); /* no copy */
/* The same values with offset 0 at every level, children cut to what is used, null slots of lists empty, garbage under
 * null parents kept out of child null counts only as far as Arrow asks. Shares buffers where nothing must move. */
qv_status qv__array_normalize(const qv__array *array, qv__array **out, qv_error *err);
/* Rows by position; a negative index gives a null. QV_INVALID: index past the end. */
qv_status qv__array_take(const qv__array *array, const int64_t *indices, size_t n, qv__array **out, qv_error *err);
/* Rows whose bit is on (`mask` has array->length bits from bit 0). */
qv_status qv__array_filter(const qv__array *array, const uint8_t *mask, qv__array **out, qv_error *err);
/* One array from many of equal type; one input is returned as it is (no copy). Dictionaries are unified. */
qv_status qv__array_concat(qv__array *const *arrays, size_t n, const qv__type *type, qv__array **out, qv_error *err);
bool qv__array_equal(const qv__array *a,
                     const qv__array *b); /* types and logical values; NaN equals NaN; nulls equal */

typedef enum qv__cast_mode {
    QV_CAST_SAFE, /* QV_INVALID when a value would change (overflow, fraction, precision of an integer) */
    QV_CAST_SQL,  /* as SQL does: 1.5 -> 1, true -> 1, '5' -> 5; overflow and unparsable text still fail */
    QV_CAST_TRY   /* the same, but a row that fails becomes null (a list or struct as a whole) */
} qv__cast_mode;
/* Between all numbers, bool, strings and binary (plain/large), temporal types, decimals, lists (list, large, fixed-size;
 * element by element), structs (by field name; missing nullable fields become null), dictionaries (encode, decode),
 * null -> anything. The error names the value and the position. */
qv_status qv__array_cast(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out,
                         qv_error *err);
bool qv__cast_possible(const qv__type *from, const qv__type *to);

#endif
