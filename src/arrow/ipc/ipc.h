/* Arrow IPC, file and stream format, all types, dictionaries, bodies plain, zstd or lz4 frame. */
#ifndef QV_ARROW_IPC_H
#define QV_ARROW_IPC_H

#include "arrow/array.h"
#include "base/buffer.h"

typedef enum qv__ipc_codec { QV_IPC_PLAIN, QV_IPC_LZ4, QV_IPC_ZSTD } qv__ipc_codec;

/* Reads a whole IPC file or stream held in memory (recognised by its first bytes); buffers are shared with `bytes` where they
 * are 8-aligned and not compressed. Everything is validated as foreign. */
qv_status qv__ipc_open(qv__bytes bytes, qv__stream **out, qv_error *err);

/* Writing: bytes go to `sink`. */
typedef qv_status (*qv__ipc_sink)(void *ctx, const void *bytes, size_t n, qv_error *err);
typedef struct qv__ipc_writer qv__ipc_writer;
qv_status qv__ipc_writer_new(const qv__schema *schema, bool as_stream, qv__ipc_codec codec, qv__ipc_sink sink,
                             void *ctx, qv__ipc_writer **out, qv_error *err);
qv_status qv__ipc_writer_batch(qv__ipc_writer *writer, const qv__array *batch, qv_error *err);
qv_status qv__ipc_writer_finish(qv__ipc_writer *writer, qv_error *err); /* footer or end of stream */
void qv__ipc_writer_free(qv__ipc_writer *writer);

#endif
