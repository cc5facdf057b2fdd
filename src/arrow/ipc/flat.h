/* FlatBuffers, as much of them as Arrow's metadata needs. The reader believes nothing: every offset is checked against the
 * buffer. The writer puts parents before children and fills their offsets in afterwards. */
#ifndef QV_ARROW_IPC_FLAT_H
#define QV_ARROW_IPC_FLAT_H

#include "base/buffer.h"
#include "base/bytes.h"

/* --- reading; false: the bytes are corrupt. Absent fields give the default, or `present` false, or no items. --- */
typedef struct qv__flat_table {
    const uint8_t *data; /* the whole buffer */
    size_t size;
    size_t at; /* of the table */
    size_t table_len;
    size_t vtable;
    size_t vtable_len;
} qv__flat_table;

bool qv__flat_root(const uint8_t *data, size_t size, qv__flat_table *out);
/* A little-endian integer of `bytes` (1, 2, 4, 8), sign-extended. */
bool qv__flat_int(const qv__flat_table *table, int field, size_t bytes, int64_t absent, int64_t *out);
bool qv__flat_table_at(const qv__flat_table *table, int field, qv__flat_table *out, bool *present);
/* The items of a vector of fixed-size items. */
bool qv__flat_vector(const qv__flat_table *table, int field, size_t item_bytes, const uint8_t **items, size_t *n);
/* Item i of a vector of tables; i < n of qv__flat_vector(.., 4, ..). */
bool qv__flat_vector_table(const qv__flat_table *table, const uint8_t *items, size_t i, qv__flat_table *out);
/* Not zero-terminated as far as callers care; absent: *text NULL. */
bool qv__flat_string(const qv__flat_table *table, int field, const char **text, size_t *len);

/* --- writing; positions are bytes from the buffer's start --- */
typedef struct qv__flat_slot {
    int field;
    size_t bytes; /* 1, 2, 4, 8; offsets to children have 4 and are linked later */
    int64_t value;
    size_t at; /* out: where the value lies */
} qv__flat_slot;

/* Writes the root offset's place. */
qv_status qv__flat_begin(qv__buffer *out, qv_error *err);
/* A table; slots get their places. */
qv_status qv__flat_put_table(qv__buffer *out, qv__flat_slot *slots, size_t n, size_t *at, qv_error *err);
qv_status qv__flat_put_string(qv__buffer *out, const char *text, size_t len, size_t *at, qv_error *err);
/* A vector with zeroed items; *items: the place of item 0. */
qv_status qv__flat_put_vector(qv__buffer *out, size_t n, size_t item_bytes, size_t align, size_t *at, size_t *items,
                              qv_error *err);
/* The offset at `slot_at` points to what lies at `at`. */
void qv__flat_link(qv__buffer *out, size_t slot_at, size_t at);

#endif
