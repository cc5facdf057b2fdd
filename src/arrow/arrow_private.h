/* Shared by the files of this folder. */
#ifndef QV_ARROW_PRIVATE_H
#define QV_ARROW_PRIVATE_H

#include "arrow/array.h"

/* Where in a tree the code stands, for messages: column "a".item.x. Lives on the stack of the walk. */
typedef struct qv__path {
    const struct qv__path *up;
    const char *name; /* of the root: how to begin; NULL: a batch, whose children are columns */
} qv__path;

/* Puts the path before the message. */
qv_status qv__path_fail(const qv__path *path, qv_error *err, qv_status status, const char *format, ...) QV_PRINTF(4, 5);
qv_status qv__array_validate_at(const qv__array *array, const qv__path *path, qv_error *err);

static inline bool qv__type_is_text(const qv__type *type)
{
    return type->id == QV_TYPE_UTF8 || type->id == QV_TYPE_LARGE_UTF8;
}
static inline bool qv__type_is_string(const qv__type *type)
{
    return qv__type_is_text(type) || type->id == QV_TYPE_BINARY || type->id == QV_TYPE_LARGE_BINARY;
}
/* List, large list and map: offsets into one child. */
static inline bool qv__type_is_list(const qv__type *type)
{
    return type->id == QV_TYPE_LIST || type->id == QV_TYPE_LARGE_LIST || type->id == QV_TYPE_MAP;
}
/* Bytes of one offset; 0: the type has none. */
static inline size_t qv__type_offset_bytes(const qv__type *type)
{
    if (type->id == QV_TYPE_LARGE_UTF8 || type->id == QV_TYPE_LARGE_BINARY || type->id == QV_TYPE_LARGE_LIST)
        return 8;
    return qv__type_is_string(type) || qv__type_is_list(type) ? 4 : 0;
}
static inline const char *qv__child_name(const qv__type *type, size_t i)
{
    return type->id == QV_TYPE_DICTIONARY ? "dictionary" : type->children[i].name;
}

/* A field's name as far as it can be shown: "?" when it is not UTF-8, or gone with a released schema. */
const char *qv__shown_name(const struct ArrowSchema *schema);

/* The pieces of array import (c_data_array.c, c_data_view.c, c_data_run.c).
 * A window names the values that the parent refers to: [skip, skip + take) of the array, or all when take is -1. */
typedef struct qv__window {
    int64_t skip;
    int64_t take;
} qv__window;

/* One node and what lies below it, not yet validated; buffers hold references on `owner`. */
qv_status qv__import_node(qv__owner *owner, const struct ArrowArray *c, const struct ArrowSchema *source,
                          const qv__type *type, qv__window window, const qv__path *path, qv__array **out,
                          qv_error *err);
/* The same for utf8_view and binary_view, and for run-end encoded arrays: fresh arrays of the plain type. `window` has
 * been resolved and checked. */
qv_status qv__import_views(const struct ArrowArray *c, const qv__type *type, qv__window window, const qv__path *path,
                           qv__array **out, qv_error *err);
qv_status qv__import_runs(qv__owner *owner, const struct ArrowArray *c, const struct ArrowSchema *source,
                          const qv__type *type, qv__window window, const qv__path *path, qv__array **out,
                          qv_error *err);
/* Takes *array; the source schema is known to give `type`. With `is_batch` the result has no nulls and offset 0. */
qv_status qv__import_checked(struct ArrowArray *array, const struct ArrowSchema *source, const qv__type *type,
                             const qv__path *path, bool is_batch, qv__array **out, qv_error *err);

#endif
