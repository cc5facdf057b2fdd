/* A JSON index: another kind of index over the values that a path leads to. */
#ifndef QV_INDEX_JSON_PRIVATE_H
#define QV_INDEX_JSON_PRIVATE_H

#include "index/scalar/scalar.h"

/* JsonIndexDetails. The texts are owned. */
typedef struct qv__json_details {
    char *path, *target_url;
} qv__json_details;
qv_status qv__json_details_parse(const uint8_t *bytes, size_t len, qv__json_details *out, qv_error *err);
void qv__json_details_clear(qv__json_details *details);
qv_status qv__json_details_pack(const char *path, const char *target_url, qv__buffer *out, qv_error *err);

/* Values at `path` of a stream of documents (text) and rows, as (value, row) pairs. `type` NULL: that of the first value (bool, int64,
 * float64 or utf8; utf8 where there is none). `documents` is borrowed; the stream's schema tells the type. QV_INVALID: a value of
 * another type, an array or an object. */
qv_status qv__json_values(qv__stream *documents, const char *path, const qv__type *type, qv__stream **out,
                          qv_error *err);

#endif
