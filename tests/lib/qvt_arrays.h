/* Random arrays of random types, and the text of any value: a slow oracle for everything that moves or converts arrays. */
#ifndef QVT_ARRAYS_H
#define QVT_ARRAYS_H

#include "arrow/array.h"
#include "qvt.h"

/* A random type; nesting at most `depth` levels (0: a leaf). `with_dictionaries`: they may occur at any level. */
qv__type *qvt_random_type(qvt_rng *rng, int depth, bool with_dictionaries);
/* A type with the parametric fields of leaves set: unit, or width, or precision and scale (0 elsewhere). */
qv__type *qvt_type(qv__type_id id, int a, int b);
qv__type *qvt_list_type(qv__type_id id, const qv__type *item, int32_t width);
qv__type *qvt_map_type(const qv__type *key, const qv__type *value);
/* Struct of nullable fields "f0", "f1", ...; takes the references. */
qv__type *qvt_struct_type(qv__type *const *types, size_t n);

/* `length` random values. null_share in [0, 1] at every nullable level. The layout is as rough as Arrow allows: offsets at
 * every level, children and bytes that are longer than what is used, values under null slots. */
qv__array *qvt_random_array(qvt_rng *rng, const qv__type *type, int64_t length, double null_share);

/* The value in a canonical text (floats by their bits, dictionaries decoded, null as "~"). Valid until the next call but 3. */
const char *qvt_value_text(const qv__array *array, int64_t i);
/* All n values from a_start and b_start have the same text. Fails the test otherwise. */
void qvt_same_values(const qv__array *a, int64_t a_start, const qv__array *b, int64_t b_start, int64_t n);
/* Checks what every array must satisfy: null counts exact, buffers and children long enough for what they hold. */
void qvt_check_layout(const qv__array *array);

#endif
