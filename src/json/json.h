/* JSON: text and JSONB, the binary form in which Lance tables store JSON columns, and paths into documents. */
#ifndef QV_JSON_JSON_H
#define QV_JSON_JSON_H

#include "base/buffer.h"

#define QV_JSON_MAX_DEPTH 256

/* JSONB of the databend kind, big-endian. A document is a container:
 *
 *     u32 header (kind | count)   u32 entries (kind | length)   payloads, back to back
 *
 * A scalar is a container of one entry; an object has its keys' entries first, then its values', in the order of the keys. */
enum {
    QV_JSONB_ARRAY = 0x80000000u,
    QV_JSONB_OBJECT = 0x40000000u,
    QV_JSONB_SCALAR = 0x20000000u,
    QV_JSONB_KIND_MASK = 0xe0000000u,
    QV_JSONB_COUNT_MASK = 0x1fffffffu,
    QV_JSONB_NULL = 0x00000000u,
    QV_JSONB_STRING = 0x10000000u,
    QV_JSONB_NUMBER = 0x20000000u,
    QV_JSONB_FALSE = 0x30000000u,
    QV_JSONB_TRUE = 0x40000000u,
    QV_JSONB_CONTAINER = 0x50000000u,
    QV_JSONB_ENTRY_MASK = 0xf0000000u,
    QV_JSONB_LENGTH_MASK = 0x0fffffffu
};
enum { /* first byte of a number */
       QV_JSONB_ZERO = 0x00,
       QV_JSONB_NAN = 0x10,
       QV_JSONB_INF = 0x20,
       QV_JSONB_NEG_INF = 0x30,
       QV_JSONB_INT = 0x40,
       QV_JSONB_UINT = 0x50,
       QV_JSONB_FLOAT = 0x60
};

/* One JSON text to JSONB (docs/format.md). QV_SCHEMA: not JSON, with the position. Appends to `out`. */
qv_status qv__jsonb_encode(const uint8_t *text, size_t len, qv__buffer *out, qv_error *err);
/* JSONB to compact JSON text. QV_CORRUPT: not JSONB. Appends to `out`. */
qv_status qv__jsonb_decode(const uint8_t *bytes, size_t len, qv__buffer *out, qv_error *err);
/* The text in quotes, with escapes. */
qv_status qv__json_quote(const char *text, size_t len, qv__buffer *out, qv_error *err);

/* One value inside a document, which it points into. */
typedef struct qv__jsonb_value {
    uint32_t entry; /* its kind and length */
    const uint8_t *data;
    size_t len;
} qv__jsonb_value;
/* The whole document as a value; false: no JSONB. Here and below, broken bytes look like a value that is not there. */
bool qv__jsonb_root(const uint8_t *bytes, size_t len, qv__jsonb_value *out);
/* As compact JSON text; appends. */
qv_status qv__jsonb_print(const qv__jsonb_value *value, qv__buffer *out, qv_error *err);
/* The value of a key of a document that is an object. */
bool qv__jsonb_find(const uint8_t *bytes, size_t len, const char *key, qv__jsonb_value *out);
/* The same of an object inside. */
bool qv__jsonb_member(const qv__jsonb_value *value, const uint8_t *key, size_t key_len, qv__jsonb_value *out);
bool qv__jsonb_array_length(const qv__jsonb_value *value, size_t *out); /* false: no array */

/* The elements of an array, or the values of an object, one after the other. */
typedef struct qv__jsonb_children {
    size_t left;
    const uint8_t *entries, *payload, *end;
} qv__jsonb_children;
bool qv__jsonb_children_of(const qv__jsonb_value *value, qv__jsonb_children *out);
bool qv__jsonb_next(qv__jsonb_children *children, qv__jsonb_value *out);

/* A number: `kind` QV_JSONB_UINT, _INT (negative) or _FLOAT says which member counts. */
typedef struct qv__jsonb_number {
    int kind;
    union {
        uint64_t u;
        int64_t i;
        double f;
    };
} qv__jsonb_number;
bool qv__jsonb_number_of(const qv__jsonb_value *value, qv__jsonb_number *out);
bool qv__jsonb_u64(const qv__jsonb_value *value, uint64_t *out);

/* A path into documents (path.c). Immutable: threads share it. QV_INVALID: the place. */
typedef struct qv__json_path qv__json_path;
qv_status qv__json_path_parse(const uint8_t *text, size_t len, qv__json_path **out, qv_error *err);
void qv__json_path_free(qv__json_path *path);
typedef struct qv__jsonb_values {
    qv__jsonb_value *items; /* to be freed */
    size_t n, capacity;
} qv__jsonb_values;
/* The values that the path leads to, in the document's order; none is no failure. */
qv_status qv__json_path_select(const qv__json_path *path, const qv__jsonb_value *root, qv__jsonb_values *found,
                               qv_error *err);

#endif
