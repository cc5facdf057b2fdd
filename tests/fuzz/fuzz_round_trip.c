/* Bytes -> the IPC reader -> a data file -> its reader. Byte 0 chooses format version, compression and page size; the rest is an
 * Arrow file or stream. What the writer takes must verify and read back equal, in whole and row by row. */
#include "fuzz.h"

#include "arrow/compute/compute.h"
#include "arrow/ipc/ipc.h"
#include "base/alloc.h"
#include "file/file.h"

enum { MOST_ROWS = 5000 };

static bool moderate(const qv__array *array)
{
    if (array->length > MOST_ROWS)
        return false;
    for (size_t k = 0; k < array->n_children; k++)
        if (!moderate(array->children[k]))
            return false;
    return !array->dictionary || moderate(array->dictionary);
}

static void on_problem(void *ctx, const char *object, const char *what)
{
    (void) ctx;
    fprintf(stderr, "%s: %s\n", object, what);
    abort();
}

static void compare_column(qv__file *file, const qv__field *field, const qv__array *wanted)
{
    int64_t rows[] = { wanted->length - 1, 0, wanted->length / 2 };
    uint64_t same_rows[] = { (uint64_t) rows[0], 0, (uint64_t) rows[2] };
    qv__column *column;
    qv__array *found, *some, *some_wanted;
    qv_error err = { 0 };

    if (qv__column_open(file, field, NULL, &column, &err) != QV_OK ||
        qv__column_read(column, 0, (uint64_t) wanted->length, &found, &err) != QV_OK) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    /* files do not say whether the items of a vector may be null, so that its type may come back wider */
    bool same_type = qv__type_equal(found->type, wanted->type);
    FUZZ_CHECK(same_type ? qv__array_equal(found, wanted) : found->length == wanted->length);
    if (wanted->length && same_type) {
        FUZZ_CHECK(qv__column_take(column, same_rows, 3, &some, &err) == QV_OK);
        FUZZ_CHECK(qv__array_take(wanted, rows, 3, &some_wanted, &err) == QV_OK);
        FUZZ_CHECK(qv__array_equal(some, some_wanted));
        qv__array_unref(some);
        qv__array_unref(some_wanted);
    }
    qv__array_unref(found);
    qv__column_free(column);
}

static void compare(qv__store *store, const qv__array *batch)
{
    qv__file *file;
    qv_error err = { 0 };

    if (qv__file_open(store, "x.lance", &file, &err) != QV_OK) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    FUZZ_CHECK(qv__file_rows(file) == (uint64_t) batch->length);
    FUZZ_CHECK(qv__file_verify(file, on_problem, NULL, NULL, &err) == QV_OK);
    const qv__schema *schema = qv__file_schema(file);
    FUZZ_CHECK(schema->n_fields == batch->n_children);
    for (size_t i = 0; i < schema->n_fields; i++) {
        qv__array *wanted;
        FUZZ_CHECK(qv__array_slice(batch->children[i], batch->offset, batch->length, &wanted, &err) == QV_OK);
        compare_column(file, &schema->fields[i], wanted);
        qv__array_unref(wanted);
    }
    qv__file_unref(file);
}

static void write_and_read(const qv__schema *schema, const qv__array *batch, uint8_t how)
{
    qv__writer_options options = { .version = { 2, how % 3 },
                                   .profile = (qv__file_profile) (how / 3 % 3),
                                   .page_bytes = how & 128 ? 64 : 0,
                                   .threads = 1 };
    qv__file_writer *writer = NULL;
    qv__file_summary summary = { 0 };
    qv__store *store;
    qv_error err = { 0 };

    FUZZ_CHECK(qv__store_open("memory://", true, &store, &err) == QV_OK);
    qv_status st = qv__file_writer_open(store, "x.lance", schema, &options, &writer, &err);
    if (st == QV_OK)
        st = qv__file_writer_write(writer, batch, &err);
    if (st == QV_OK)
        st = qv__file_writer_finish(writer, &summary, &err);
    qv__file_writer_free(writer);
    if (st == QV_OK)
        compare(store, batch);
    else
        FUZZ_CHECK(err.message[0]);
    qv__file_summary_clear(&summary);
    qv__store_unref(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    qv__bytes bytes;
    uint8_t *writable;
    qv__stream *stream;
    qv__array *batch;
    qv_error err;

    if (size < 2)
        return 0;
    FUZZ_CHECK(qv__bytes_new(size - 1, &bytes, &writable, &err) == QV_OK);
    memcpy(writable, data + 1, size - 1);
    if (qv__ipc_open(bytes, &stream, &err) == QV_OK) {
        while (stream->next(stream, &batch, &err) == QV_OK && batch) {
            if (moderate(batch))
                write_and_read(stream->schema, batch, data[0]);
            qv__array_unref(batch);
        }
        qv__stream_free(stream);
    }
    qv__bytes_unref(&bytes);
    return 0;
}
