/* The Arrow C Data and C Stream Interface, both ways, without copies where the layouts allow.
 * Import validates fully (types, lengths, buffer counts, offsets, UTF-8, dictionary indices, child lengths) and trusts
 * nothing but the pointers. utf8_view / binary_view / run-end encoded arrays are cast to utf8 / binary / plain on
 * import (QV_LIMIT when a batch then passes what 32-bit offsets can name); union, interval, decimal32/64 and list_view
 * are QV_UNSUPPORTED by name. */
#ifndef QV_ARROW_C_DATA_H
#define QV_ARROW_C_DATA_H

#include "arrow/array.h"

/* Reads *schema without taking it. QV_INVALID: malformed. QV_UNSUPPORTED: a type that is not known here, or deeper than
 * QV_TYPE_MAX_DEPTH. The root must be a struct for qv__import_schema. */
qv_status qv__import_type(const struct ArrowSchema *schema, qv__field *out, qv_error *err);
qv_status qv__import_schema(const struct ArrowSchema *schema, qv__schema **out, qv_error *err);
/* Takes *array (its release is NULL afterwards, also on failure). `source` tells the format where it differs from
 * `type` (views, REE); NULL: same. */
qv_status qv__import_array(struct ArrowArray *array, const struct ArrowSchema *source, const qv__type *type,
                           qv__array **out, qv_error *err);
/* Takes *stream in every case. Batches come without nulls of their own and with offset 0, their columns just as long; a
 * producer's EINVAL, ENOMEM and ECANCELED become QV_INVALID, QV_NOMEM and QV_CANCELLED, other codes QV_IO. */
qv_status qv__import_stream(struct ArrowArrayStream *stream, qv__stream **out, qv_error *err);

qv_status qv__export_field(const qv__field *field, struct ArrowSchema *out, qv_error *err);
qv_status qv__export_schema(const qv__schema *schema, struct ArrowSchema *out, qv_error *err);
qv_status qv__export_array(const qv__array *array, struct ArrowArray *out, qv_error *err); /* shares the buffers */
/* Takes `stream` in every case; the exported stream owns it. */
qv_status qv__export_stream(qv__stream *stream, struct ArrowArrayStream *out, qv_error *err);

#endif
