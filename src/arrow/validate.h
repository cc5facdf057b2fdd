#ifndef QV_ARROW_VALIDATE_H
#define QV_ARROW_VALIDATE_H

#include "arrow/array.h"

/* Full check of an array whose buffer lengths are known: sizes, offsets monotonic and inside, UTF-8, dictionary indices,
 * children long enough, null_count exact. QV_INVALID names the path ("column "a".item") and the value. */
qv_status qv__array_validate(const qv__array *array, const char *name, qv_error *err);
bool qv__utf8_valid(const uint8_t *bytes, size_t len);

#endif
