/* Rows that are durable in a journal beside the table, seen by its readers, and become fragments of the table by and by. */
#ifndef QV_CHANGE_ROW_BUFFER_H
#define QV_CHANGE_ROW_BUFFER_H

#include "arrow/array.h"
#include "table/change.h"

typedef struct qv__row_buffer qv__row_buffer;

/* Whose rows these are: the handle that sees them. Called under the buffer's lock; never calls back. */
typedef struct qv__row_buffer_owner {
    void *ctx;
    qv__snapshot *(*current)(void *ctx); /* what the handle holds, with a reference */
    qv_status (*newest)(void *ctx, qv__snapshot **out, qv_error *err);
    void (*publish)(void *ctx, qv__snapshot *made); /* taken */
} qv__row_buffer_owner;

/* Takes the table's lock, and over what a buffer before left in its journal. QV_EXISTS: another buffer is open. */
qv_status qv__row_buffer_open(qv__store *table, const qv__row_buffer_owner *owner,
                              const qv_write_buffer_options *options, qv__row_buffer **out, qv_error *err);
/* Takes the stream. QV_OK: all its rows are durable, and part of every later view. */
qv_status qv__row_buffer_add(qv__row_buffer *buffer, qv__stream *rows, qv_error *err);
/* What the handle holds, and the rows that wait. */
qv_status qv__row_buffer_view(qv__row_buffer *buffer, qv__snapshot **out, qv_error *err);
/* Commits the rows that wait as one version; *version: the newest that the handle holds then. */
qv_status qv__row_buffer_flush(qv__row_buffer *buffer, uint64_t *version, qv_error *err);
/* Flushes, and frees in every case; after a failure the journal stays for the next buffer. */
qv_status qv__row_buffer_close(qv__row_buffer *buffer, qv_error *err);

#endif
