/* Records of a journal: framed bytes. */
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "arrow/ipc/ipc.h"
#include "change/row_buffer_private.h"

#define UUID_BYTES (QV_UUID_TEXT_BYTES - 1)

void qv__journal_name(const char *uuid, char out[QV_FILE_NAME_BYTES])
{
    snprintf(out, QV_FILE_NAME_BYTES, QV_BUFFER_FOLDER "/buffer-%s.log", uuid);
}

static uint64_t hash_of(const char *uuid, uint32_t kind, const uint8_t *payload, uint64_t len)
{
    uint64_t seed = XXH3_64bits(uuid, strlen(uuid)) ^ kind ^ (len << 8);

    return XXH3_64bits_withSeed(payload, (size_t) len, seed);
}

static void seal(const char *uuid, qv__record_kind kind, qv__buffer *record)
{
    uint64_t len = record->len - QV_RECORD_HEAD_BYTES;

    qv__store_u32(record->data, (uint32_t) kind);
    qv__store_u64(record->data + 4, len);
    qv__store_u64(record->data + 12, hash_of(uuid, (uint32_t) kind, record->data + QV_RECORD_HEAD_BYTES, len));
}

qv_status qv__record_bytes(const char *uuid, qv__record_kind kind, const void *payload, size_t len, qv__buffer *out,
                           qv_error *err)
{
    out->len = 0;
    QV_TRY(qv__buffer_append_zeros(out, QV_RECORD_HEAD_BYTES, err));
    if (len)
        QV_TRY(qv__buffer_append(out, payload, len, err));
    seal(uuid, kind, out);
    return QV_OK;
}

static qv_status append_to_record(void *ctx, const void *bytes, size_t n, qv_error *err)
{
    return qv__buffer_append(ctx, bytes, n, err);
}

qv_status qv__record_rows(const char *uuid, qv__array *const *batches, size_t n, const qv__schema *schema,
                          qv__buffer *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__ipc_writer *writer = NULL;

    out->len = 0;
    QV_CHECK(qv__buffer_append_zeros(out, QV_RECORD_HEAD_BYTES, err));
    QV_CHECK(qv__ipc_writer_new(schema, true, QV_IPC_PLAIN, append_to_record, out, &writer, err));
    for (size_t i = 0; i < n; i++)
        QV_CHECK(qv__ipc_writer_batch(writer, batches[i], err));
    QV_CHECK(qv__ipc_writer_finish(writer, err));
    seal(uuid, QV_RECORD_ROWS, out);
done:
    qv__ipc_writer_free(writer);
    return st;
}

qv_status qv__record_flush(const char *uuid, const qv__flush_mark *mark, qv__buffer *out, qv_error *err)
{
    uint8_t payload[8 + UUID_BYTES + QV_FILE_NAME_BYTES];
    size_t len = strlen(mark->file);

    qv__store_u64(payload, mark->after);
    memcpy(payload + 8, mark->uuid, UUID_BYTES);
    memcpy(payload + 8 + UUID_BYTES, mark->file, len);
    return qv__record_bytes(uuid, QV_RECORD_FLUSH, payload, 8 + UUID_BYTES + len, out, err);
}

bool qv__record_next(const char *uuid, qv__bytes file, uint64_t *at, qv__record *out)
{
    if (file.len - *at < QV_RECORD_HEAD_BYTES)
        return false;
    const uint8_t *head = file.data + *at;
    uint32_t kind = qv__load_u32(head);
    uint64_t len = qv__load_u64(head + 4), from = *at + QV_RECORD_HEAD_BYTES;
    if (kind < QV_RECORD_BEGIN || kind > QV_RECORD_FLUSH || len > file.len - from ||
        qv__load_u64(head + 12) != hash_of(uuid, kind, file.data + from, len))
        return false;
    out->kind = (qv__record_kind) kind;
    out->payload = qv__bytes_slice(file, (size_t) from, (size_t) len);
    *at = from + len;
    return true;
}

qv_status qv__record_flush_parse(const qv__bytes *payload, qv__flush_mark *out, qv_error *err)
{
    size_t head = 8 + UUID_BYTES;

    if (payload->len < head || payload->len - head >= QV_FILE_NAME_BYTES)
        return qv__fail(err, QV_CORRUPT, "a flush record of %zu bytes", payload->len);
    *out = (qv__flush_mark){ .after = qv__load_u64(payload->data) };
    memcpy(out->uuid, payload->data + 8, UUID_BYTES);
    memcpy(out->file, payload->data + head, payload->len - head);
    return QV_OK;
}
