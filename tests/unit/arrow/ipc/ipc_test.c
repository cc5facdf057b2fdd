/* IPC: what is written reads back, files of another implementation read as their values, damaged bytes are refused. */
#include "qvt_arrays.h"

#include "arrow/compute/compute.h"
#include "arrow/ipc/ipc.h"
#include "base/alloc.h"

static qv_error err;
static qvt_rng rng;

static qv_status into_buffer(void *ctx, const void *bytes, size_t n, qv_error *e)
{
    return qv__buffer_append(ctx, bytes, n, e);
}

static qv__schema *random_schema(void)
{
    qv__field fields[4];
    qv__metadata metadata = { 0 };
    size_t n = qvt_rng_below(&rng, 5);
    qv__schema *schema;
    char name[32];

    for (size_t i = 0; i < n; i++) {
        qv__type *type = qvt_random_type(&rng, 3, true);

        if (type->id == QV_TYPE_TIMESTAMP && qvt_rng_below(&rng, 2))
            type->timezone = qv__strdup("Europe/Berlin");
        snprintf(name, sizeof name, "c%zu \xc3\xa4", i);
        QVT_OK(qv__field_init(&fields[i], name, type, qvt_rng_below(&rng, 4) != 0, &err));
        if (qvt_rng_below(&rng, 2))
            QVT_OK(qv__metadata_set(&fields[i].metadata, "key", "va\0lue", 6, &err));
        qv__type_unref(type);
    }
    if (qvt_rng_below(&rng, 2))
        QVT_OK(qv__metadata_set(&metadata, "schema", "s", 1, &err));
    QVT_OK(qv__schema_new(fields, n, &metadata, &schema, &err));
    for (size_t i = 0; i < n; i++)
        qv__field_clear(&fields[i]);
    qv__metadata_clear(&metadata);
    return schema;
}

static qv__array *random_batch(const qv__schema *schema, int64_t length)
{
    qv__array *columns[8], *batch;

    for (size_t i = 0; i < schema->n_fields; i++)
        columns[i] = qvt_random_array(&rng, schema->fields[i].type, length, schema->fields[i].nullable ? 0.2 : 0);
    QVT_OK(qv__batch_new(schema, columns, length, &batch, &err));
    for (size_t i = 0; i < schema->n_fields; i++)
        qv__array_unref(columns[i]);
    return batch;
}

static qv_status write_all(const qv__schema *schema, qv__array **batches, size_t n, bool as_stream, qv__ipc_codec codec,
                           qv__bytes *out, qv_error *e)
{
    qv_status st = QV_OK;
    qv__ipc_writer *writer = NULL;
    qv__buffer buffer;
    size_t len;
    uint8_t *block;

    qv__buffer_init(&buffer, SIZE_MAX / 2);
    QV_CHECK(qv__ipc_writer_new(schema, as_stream, codec, into_buffer, &buffer, &writer, e));
    for (size_t i = 0; i < n; i++)
        QV_CHECK(qv__ipc_writer_batch(writer, batches[i], e));
    QV_CHECK(qv__ipc_writer_finish(writer, e));
    block = qv__buffer_detach(&buffer, &len);
    QV_CHECK(qv__bytes_adopt(block, len, out, e));
done:
    qv__ipc_writer_free(writer);
    qv__buffer_free(&buffer);
    return st;
}

static void check_metadata(const qv__metadata *a, const qv__metadata *b)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        assert_string_equal(a->pairs[i].key, b->pairs[i].key);
        assert_int_equal(a->pairs[i].value_len, b->pairs[i].value_len);
        assert_memory_equal(a->pairs[i].value, b->pairs[i].value, a->pairs[i].value_len);
    }
}

static void check_read(const qv__schema *schema, qv__array **batches, size_t n, qv__bytes bytes)
{
    qv__stream *stream;
    qv__array *batch;

    QVT_OK(qv__ipc_open(bytes, &stream, &err));
    assert_true(qv__schema_equal(schema, stream->schema));
    check_metadata(&schema->metadata, &stream->schema->metadata);
    for (size_t i = 0; i < schema->n_fields; i++)
        check_metadata(&schema->fields[i].metadata, &stream->schema->fields[i].metadata);
    for (size_t i = 0; i < n; i++) {
        QVT_OK(stream->next(stream, &batch, &err));
        assert_non_null(batch);
        qvt_check_layout(batch);
        assert_int_equal(batch->length, batches[i]->length);
        qvt_same_values(batches[i], 0, batch, 0, batch->length);
        qv__array_unref(batch);
    }
    QVT_OK(stream->next(stream, &batch, &err));
    assert_null(batch);
    QVT_OK(stream->next(stream, &batch, &err));
    assert_null(batch);
    qv__stream_free(stream);
}

static void round_trips(void **state)
{
    (void) state;
    for (int r = 0; r < 300; r++) {
        qv__schema *schema = random_schema();
        qv__array *batches[4];
        size_t n = qvt_rng_below(&rng, 5);
        qv__bytes bytes;

        for (size_t i = 0; i < n; i++)
            batches[i] = random_batch(schema, (int64_t) qvt_rng_below(&rng, 30));
        QVT_OK(write_all(schema, batches, n, r & 1, (qv__ipc_codec) (r / 2 % 3), &bytes, &err));
        check_read(schema, batches, n, bytes);
        for (size_t i = 0; i < n; i++)
            qv__array_unref(batches[i]);
        qv__bytes_unref(&bytes);
        qv__schema_unref(schema);
    }
}

static void wrong_schema(void **state)
{
    qv__type *type = qvt_type(QV_TYPE_INT8, 0, 0);
    qv__field field;
    qv__schema *a, *b;
    qv__array *batch;
    qv__bytes bytes;

    (void) state;
    QVT_OK(qv__field_init(&field, "a", type, true, &err));
    QVT_OK(qv__schema_new(&field, 1, NULL, &a, &err));
    QVT_OK(qv__schema_new(&field, 0, NULL, &b, &err));
    batch = random_batch(a, 3);
    QVT_FAILS(write_all(b, &batch, 1, false, QV_IPC_PLAIN, &bytes, &err), QV_SCHEMA, "does not have the schema");
    qv__field_clear(&field);
    qv__array_unref(batch);
    qv__schema_unref(a);
    qv__schema_unref(b);
    qv__type_unref(type);
}

static qv_status read_everything(qv__bytes bytes, qv_error *e)
{
    qv_status st = QV_OK;
    qv__stream *stream = NULL;
    qv__array *batch = NULL;

    QV_CHECK(qv__ipc_open(bytes, &stream, e));
    do {
        qv__array_unref(batch);
        batch = NULL;
        QV_CHECK(stream->next(stream, &batch, e));
    } while (batch);
done:
    qv__stream_free(stream);
    return st;
}

/* Every cut of a file fails cleanly; a stream may end after any whole message. Changed bytes are refused or read as
 * something valid: sanitizers and validation watch. */
static void damaged(void **state)
{
    (void) state;
    for (int r = 0; r < 40; r++) {
        qv__schema *schema = random_schema();
        qv__array *batch = random_batch(schema, 10);
        qv__bytes bytes, copy;
        uint8_t *writable;

        QVT_OK(write_all(schema, &batch, 1, r & 1, (qv__ipc_codec) (r / 2 % 3), &bytes, &err));
        for (size_t cut = 0; cut < bytes.len; cut += 1 + qvt_rng_below(&rng, 16)) {
            QVT_OK(qv__bytes_new(cut, &copy, &writable, &err));
            memcpy(writable, bytes.data, cut);
            qv_status st = read_everything(copy, &err);
            assert_true(st == QV_CORRUPT || ((r & 1) && st == QV_OK));
            qv__bytes_unref(&copy);
        }
        QVT_OK(qv__bytes_new(bytes.len, &copy, &writable, &err));
        for (int k = 0; k < 500; k++) {
            memcpy(writable, bytes.data, bytes.len);
            for (uint64_t hits = 1 + qvt_rng_below(&rng, 3); hits > 0; hits--)
                writable[qvt_rng_below(&rng, bytes.len)] = (uint8_t) qvt_rng_next(&rng);
            qv_status st = read_everything(copy, &err);
            assert_true(st == QV_OK || st == QV_CORRUPT || st == QV_UNSUPPORTED || st == QV_LIMIT || st == QV_NOMEM);
        }
        qv__bytes_unref(&copy);
        qv__bytes_unref(&bytes);
        qv__array_unref(batch);
        qv__schema_unref(schema);
    }
}

static void not_ours(void **state)
{
    static const char *const texts[] = {
        "", "x", "FEA1 and more", "ARROW1", "ARROW1\0\0 but nothing else here", "PAR1"
    };
    static const size_t lens[] = { 0, 1, 13, 6, 31, 4 };
    qv__stream *stream;

    (void) state;
    for (size_t i = 0; i < QV_COUNT_OF(texts); i++) {
        qv__bytes bytes = { (const uint8_t *) texts[i], lens[i], NULL };
        if (i == 2)
            QVT_FAILS(qv__ipc_open(bytes, &stream, &err), QV_UNSUPPORTED, "Feather version 1");
        else
            QVT_FAILS(qv__ipc_open(bytes, &stream, &err), QV_CORRUPT, "Arrow IPC");
    }
}

static qv__bytes load(const char *path)
{
    FILE *file = fopen(path, "rb");
    qv__bytes bytes;
    uint8_t *writable;
    long len;

    if (!file)
        fail_msg("%s: not there", path);
    fseek(file, 0, SEEK_END);
    len = ftell(file);
    rewind(file);
    QVT_OK(qv__bytes_new((size_t) len, &bytes, &writable, &err));
    assert_int_equal(fread(writable, 1, (size_t) len, file), len);
    fclose(file);
    return bytes;
}

/* Written by Arrow C++ (tests/golden/ipc/make.py), together with the same data as text. Every file has two batches; row
 * i of column c must print as line i of its text. */
static void golden(void **state)
{
    static const char *const names[] = { "plain.arrow", "zstd.arrow",    "lz4.arrow",       "plain.arrows",
                                         "lz4.arrows",  "legacy.arrows", "dictionary.arrow" };
    qv__type *string = qvt_type(QV_TYPE_UTF8, 0, 0);

    (void) state;
    for (size_t f = 0; f < QV_COUNT_OF(names); f++) {
        char path[512], line[4096], expected[4096];
        qv__bytes bytes;
        qv__stream *stream;
        qv__array *batch;
        FILE *text;
        size_t rows = 0;

        snprintf(path, sizeof path, QVT_SOURCE_DIR "/tests/golden/ipc/%s", names[f]);
        bytes = load(path);
        snprintf(path, sizeof path, QVT_SOURCE_DIR "/tests/golden/ipc/%s.txt",
                 strstr(names[f], "dictionary") ? "dictionary" : "all");
        text = fopen(path, "r");
        assert_non_null(text);
        QVT_OK(qv__ipc_open(bytes, &stream, &err));
        for (;;) {
            QVT_OK(stream->next(stream, &batch, &err));
            if (!batch)
                break;
            for (int64_t i = 0; i < batch->length; i++, rows++) {
                for (size_t c = 0; c < batch->n_children; c++) {
                    snprintf(line, sizeof line, "%s\n", qvt_value_text(batch->children[c], i));
                    if (!fgets(expected, sizeof expected, text) || strcmp(line, expected))
                        fail_msg("%s, row %zu, column %s: %s, expected %s", names[f], rows,
                                 stream->schema->fields[c].name, line, expected);
                }
            }
            qv__array_unref(batch);
        }
        assert_true(rows > 5);
        assert_null(fgets(expected, sizeof expected, text));
        fclose(text);
        qv__stream_free(stream);
        qv__bytes_unref(&bytes);
    }
    qv__type_unref(string);
}

/* A stream's dictionary is replaced between its batches; the batch given out before keeps its own. */
static void replaced_dictionary(void **state)
{
    static const char *const expected[] = { "'63'", "'62'", "'61'", "'61'", "'62'", "~", "'61'" };
    qv__bytes bytes = load(QVT_SOURCE_DIR "/tests/golden/ipc/dictionary.arrows");
    qv__stream *stream;
    qv__array *first, *second;

    (void) state;
    QVT_OK(qv__ipc_open(bytes, &stream, &err));
    QVT_OK(stream->next(stream, &first, &err));
    QVT_OK(stream->next(stream, &second, &err));
    assert_int_equal(first->length, 3);
    assert_int_equal(second->length, 4);
    for (int64_t i = 0; i < 7; i++)
        assert_string_equal(qvt_value_text((i < 3 ? first : second)->children[0], i < 3 ? i : i - 3), expected[i]);
    qv__array_unref(first);
    qv__array_unref(second);
    qv__stream_free(stream);
    qv__bytes_unref(&bytes);
}

static void unsupported(void **state)
{
    static const char *const names[][2] = { { "view.arrow", "utf8_view columns" },
                                            { "ree.arrow", "run_end_encoded columns" },
                                            { "union.arrow", "union columns" } };

    (void) state;
    for (size_t f = 0; f < QV_COUNT_OF(names); f++) {
        char path[512];
        qv__bytes bytes;
        qv__stream *stream;

        snprintf(path, sizeof path, QVT_SOURCE_DIR "/tests/golden/ipc/%s", names[f][0]);
        bytes = load(path);
        QVT_FAILS(qv__ipc_open(bytes, &stream, &err), QV_UNSUPPORTED, names[f][1]);
        qv__bytes_unref(&bytes);
    }
}

/* Deletions as Lance writes them. */
static void lance_deletions(void **state)
{
    qv__bytes bytes = load(QVT_SOURCE_DIR "/tests/golden/ipc/lance_deletions.arrow");
    static const uint32_t expected[] = { 5007, 1007, 2007, 3007, 7, 4007, 6007 };
    qv__stream *stream;
    qv__array *batch;

    (void) state;
    QVT_OK(qv__ipc_open(bytes, &stream, &err));
    assert_string_equal(stream->schema->fields[0].name, "row_id");
    QVT_OK(stream->next(stream, &batch, &err));
    assert_int_equal(batch->length, QV_COUNT_OF(expected));
    assert_memory_equal(batch->children[0]->buffers[1].data, expected, sizeof expected);
    qv__array_unref(batch);
    qv__stream_free(stream);
    qv__bytes_unref(&bytes);
}

static void allocation_failures(void **state)
{
    (void) state;
    for (int r = 0; r < 12; r++) {
        qv__schema *schema = random_schema();
        qv__array *batches[] = { random_batch(schema, 5), random_batch(schema, 4) };

        for (uint64_t n = 0;; n++) {
            qv__bytes bytes = { 0 };
            qv__alloc_fail_at(n);
            qv_status st = write_all(schema, batches, 2, r & 1, (qv__ipc_codec) (r / 2 % 3), &bytes, &err);
            if (st == QV_OK)
                st = read_everything(bytes, &err);
            bool fired = qv__alloc_fault_fired();
            qv__alloc_fail_at(UINT64_MAX);
            qv__bytes_unref(&bytes);
            assert_true(st == QV_OK || (fired && st == QV_NOMEM));
            if (!fired)
                break;
        }
        qv__array_unref(batches[0]);
        qv__array_unref(batches[1]);
        qv__schema_unref(schema);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips), cmocka_unit_test(wrong_schema),    cmocka_unit_test(damaged),
        cmocka_unit_test(not_ours),    cmocka_unit_test(golden),          cmocka_unit_test(replaced_dictionary),
        cmocka_unit_test(unsupported), cmocka_unit_test(lance_deletions), cmocka_unit_test(allocation_failures),
    };
    rng = qvt_rng_seeded();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
