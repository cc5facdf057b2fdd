/* Logical type strings and the metadata keys that change how a field is stored; shared by the schema's two directions. */
#ifndef QV_FILE_LOGICAL_TYPE_H
#define QV_FILE_LOGICAL_TYPE_H

#include <string.h>

#include "arrow/type.h"
#include "base/buffer.h"
#include "file/lance_schema.h"

#define QV_SCHEMA_MAX_DEPTH 64

#define QV_KEY_EXTENSION "ARROW:extension:name"
#define QV_KEY_BLOB      "lance-encoding:blob"
#define QV_KEY_PACKED    "lance-encoding:packed"

/* The type that a logical string means, given the child fields that follow it. QV_UNSUPPORTED: unknown, by name. */
qv_status qv__type_of_logical(const char *logical, const qv__field *children, size_t n_children, qv__type **out,
                              qv_error *err);

/* Is `key` there with exactly this value? */
static inline bool qv__metadata_is(const qv__metadata *metadata, const char *key, const char *value)
{
    size_t len;
    const char *found = qv__metadata_get(metadata, key, &len);
    return found && len == strlen(value) && memcmp(found, value, len) == 0;
}

#endif
