/* Builds arrays value by value. One builder per type tree; not thread-safe. After a failure it can only be freed.
 * QV_LIMIT: more than 32-bit offsets or the dictionary's indices can name. */
#ifndef QV_ARROW_BUILDER_H
#define QV_ARROW_BUILDER_H

#include "arrow/array.h"

typedef struct qv__builder qv__builder;
qv_status qv__builder_new(const qv__type *type, qv__builder **out, qv_error *err);
void qv__builder_free(qv__builder *builder);
int64_t qv__builder_length(const qv__builder *builder);
qv_status qv__builder_append_null(qv__builder *builder, qv_error *err);
qv_status qv__builder_append_bool(qv__builder *builder, bool value, qv_error *err);
/* Raw little-endian value of the type's width (numbers, decimals, temporal, fixed-size binary; of a dictionary the
 * index, the values being those of child 0). */
qv_status qv__builder_append_fixed(qv__builder *builder, const void *value, qv_error *err);
/* n raw values at once, all valid. */
qv_status qv__builder_append_fixed_n(qv__builder *builder, const void *values, size_t n, qv_error *err);
qv_status qv__builder_append_bytes(qv__builder *builder, const void *bytes, size_t len,
                                   qv_error *err); /* strings, binary */
/* A null struct or fixed-size list puts nulls, or zeros where the field takes none, into its children by itself.
 * Lists, structs, maps: fill the child builders, then close the parent's value. A struct needs one value in each
 * child. */
qv__builder *qv__builder_child(qv__builder *builder, size_t i);
qv_status qv__builder_append_nested(qv__builder *builder, qv_error *err);
/* Appends elements [start, start + n) of an array of the same type. The values of a dictionary are added as they are,
 * once for each new dictionary in a row. */
qv_status qv__builder_append_array(qv__builder *builder, const qv__array *array, int64_t start, int64_t n,
                                   qv_error *err);
/* The array so far; the builder is empty again. */
qv_status qv__builder_finish(qv__builder *builder, qv__array **out, qv_error *err);

#endif
