/* Makes the batches of a stream fit a schema: columns matched by name, cast, put in the schema's order. */
#ifndef QV_ARROW_CONFORM_H
#define QV_ARROW_CONFORM_H

#include "arrow/compute/compute.h"

/* Takes `stream` in every case. The result has the target's fields that the stream has, in the target's order; a field that
 * the stream lacks is left out when it is nullable.
 * QV_SCHEMA: a column that the target does not know or that comes twice, a non-null field that is missing or holds nulls, a value
 * that cannot be cast (with `mode`). */
qv_status qv__stream_conform(qv__stream *stream, const qv__schema *target, qv__cast_mode mode, qv__stream **out,
                             qv_error *err);

#endif
