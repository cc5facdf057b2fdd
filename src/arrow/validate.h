#ifndef QV_ARROW_VALIDATE_H
#define QV_ARROW_VALIDATE_H

#include "arrow/array.h"
#include "base/utf8.h"

/* Full check of an array whose buffer lengths are known: sizes, offsets monotonic and inside, UTF-8, dictionary
 * indices, children long enough, null_count exact, map keys without nulls. An offsets buffer holds length + 1 offsets
 * even when length is 0. What lies under a null is not looked at. QV_INVALID names the path (column "a".item) and the
 * value; `name` begins the path, e.g. "column \"a\"", and NULL means a batch whose children are columns. */
qv_status qv__array_validate(const qv__array *array, const char *name, qv_error *err);

#endif
