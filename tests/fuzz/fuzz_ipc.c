/* Bytes -> the IPC reader. What is let in must be sound: it validates, and written again it reads back equal. */
#include "fuzz.h"

#include "arrow/compute/compute.h"
#include "arrow/ipc/ipc.h"
#include "arrow/validate.h"
#include "base/alloc.h"
#include "base/buffer.h"

enum { MOST_ROWS = 1 << 20 };

static qv_status into_buffer(void *ctx, const void *bytes, size_t n, qv_error *err)
{
    return qv__buffer_append(ctx, bytes, n, err);
}

/* Rows that take no bytes (nulls, empty structs) can be announced by the trillion; copying those is not the point. */
static bool moderate(const qv__array *array)
{
    if (array->length > MOST_ROWS)
        return false;
    for (size_t k = 0; k < array->n_children; k++)
        if (!moderate(array->children[k]))
            return false;
    return !array->dictionary || moderate(array->dictionary);
}

static void write_and_read(const qv__schema *schema, const qv__array *batch, bool as_stream, qv__ipc_codec codec)
{
    qv__buffer buffer;
    qv__ipc_writer *writer = NULL;
    qv__stream *stream;
    qv__array *back;
    qv_error err;

    qv__buffer_init(&buffer, SIZE_MAX / 2);
    FUZZ_CHECK(qv__ipc_writer_new(schema, as_stream, codec, into_buffer, &buffer, &writer, &err) == QV_OK);
    FUZZ_CHECK(qv__ipc_writer_batch(writer, batch, &err) == QV_OK);
    FUZZ_CHECK(qv__ipc_writer_finish(writer, &err) == QV_OK);
    qv__ipc_writer_free(writer);
    FUZZ_CHECK(qv__ipc_open((qv__bytes){ buffer.data, buffer.len, NULL }, &stream, &err) == QV_OK);
    FUZZ_CHECK(stream->next(stream, &back, &err) == QV_OK && back);
    FUZZ_CHECK(qv__array_equal(batch, back));
    qv__array_unref(back);
    qv__stream_free(stream);
    qv__buffer_free(&buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    qv__bytes bytes;
    uint8_t *writable;
    qv__stream *stream;
    qv__array *batch;
    qv_error err;

    FUZZ_CHECK(qv__bytes_new(size, &bytes, &writable, &err) == QV_OK);
    if (size)
        memcpy(writable, data, size);
    if (qv__ipc_open(bytes, &stream, &err) == QV_OK) {
        while (stream->next(stream, &batch, &err) == QV_OK && batch) {
            FUZZ_CHECK(qv__array_validate(batch, "batch", &err) == QV_OK);
            if (moderate(batch))
                write_and_read(stream->schema, batch, size & 1, (qv__ipc_codec) (size / 2 % 3));
            qv__array_unref(batch);
        }
        qv__stream_free(stream);
    }
    qv__bytes_unref(&bytes);
    return 0;
}
