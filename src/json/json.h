/* JSON: text and JSONB, the binary form in which Lance tables store JSON columns, and paths into documents. */
#ifndef QV_JSON_JSON_H
#define QV_JSON_JSON_H

#include "base/buffer.h"

/* One JSON text to JSONB (docs/format.md). QV_SCHEMA: not JSON, with the position. Appends to `out`. */
qv_status qv__jsonb_encode(const uint8_t *text, size_t len, qv__buffer *out, qv_error *err);
/* JSONB to compact JSON text. QV_CORRUPT: not JSONB. Appends to `out`. */
qv_status qv__jsonb_decode(const uint8_t *bytes, size_t len, qv__buffer *out, qv_error *err);
/* The text in quotes, with escapes. */
qv_status qv__json_quote(const char *text, size_t len, qv__buffer *out, qv_error *err);

#endif
