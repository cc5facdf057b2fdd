/* The writer by itself: the container's rules, one page against bytes worked out by hand, refusals, determinism, and every
 * failure in turn. That values come back is checked with the reader. */
#include "qvt_arrays.h"

#include "arrow/builder.h"
#include "base/alloc.h"
#include "base/bytes.h"
#include "file/file.h"

static qv__schema *schema_of(qv__type *const *types, size_t n)
{
    qv_error err;
    qv__schema *schema;
    qv__field fields[8] = { { 0 } };
    for (size_t i = 0; i < n; i++) {
        char name[24];
        snprintf(name, sizeof name, "f%zu", i);
        QVT_OK(qv__field_init(&fields[i], name, types[i], true, &err));
        fields[i].id = -1;
    }
    QVT_OK(qv__schema_new(fields, n, NULL, &schema, &err));
    for (size_t i = 0; i < n; i++)
        qv__field_clear(&fields[i]);
    return schema;
}

static qv_status write_file(qv__store *store, const qv__schema *schema, const qv__array *const *batches, size_t n,
                            const qv__writer_options *options, qv__file_summary *summary, qv_error *err)
{
    qv__file_writer *writer = NULL;
    qv_status st = QV_OK;
    QV_CHECK(qv__file_writer_open(store, "f.lance", schema, options, &writer, err));
    for (size_t i = 0; i < n; i++)
        QV_CHECK(qv__file_writer_write(writer, batches[i], err));
    QV_CHECK(qv__file_writer_finish(writer, summary, err));
done:
    qv__file_writer_free(writer);
    return st;
}

static qv__array *int32_batch(const qv__schema *schema)
{
    qv_error err;
    qv__builder *builder;
    qv__array *column, *batch;
    int32_t one = 1, three = 3;
    QVT_OK(qv__builder_new(schema->fields[0].type, &builder, &err));
    QVT_OK(qv__builder_append_fixed(builder, &one, &err));
    QVT_OK(qv__builder_append_null(builder, &err));
    QVT_OK(qv__builder_append_fixed(builder, &three, &err));
    QVT_OK(qv__builder_finish(builder, &column, &err));
    QVT_OK(qv__batch_new(schema, &column, 3, &batch, &err));
    qv__array_unref(column);
    qv__builder_free(builder);
    return batch;
}

/* int32 [1, null, 3]: the chunk of the format's worked example, except that the null slot repeats 1 */
static void known_page(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    qv__store *store;
    qv__type *type = qvt_type(QV_TYPE_INT32, 0, 0);
    qv__schema *schema = schema_of(&type, 1);
    qv__array *batch = int32_batch(schema);
    static const uint8_t words21[] = { 0x30, 0x00 }, words22[] = { 0x30, 0, 0, 0 };
    static const uint8_t chunk21[] = { 3, 0, 6, 0, 12, 0, 0xfe, 0xfe, 0, 0, 1, 0, 0,    0,    0xfe, 0xfe,
                                       1, 0, 0, 0, 1,  0, 0,    0,    3, 0, 0, 0, 0xfe, 0xfe, 0xfe, 0xfe };
    static const uint8_t chunk22[] = { 3, 0, 6, 0, 12, 0, 0, 0, 0, 0, 1, 0, 0,    0,    0xfe, 0xfe,
                                       1, 0, 0, 0, 1,  0, 0, 0, 3, 0, 0, 0, 0xfe, 0xfe, 0xfe, 0xfe };
    for (uint16_t minor = 1; minor <= 2; minor++) {
        qv__writer_options options = { { 2, minor }, QV_FILE_DEFAULT, 0, 1 };
        qv__file_summary summary;
        qv__bytes bytes;
        QVT_OK(qv__store_open("memory://", true, &store, &err));
        QVT_OK(write_file(store, schema, (const qv__array *const *) &batch, 1, &options, &summary, &err));
        QVT_OK(qv__store_get(store, "f.lance", 1 << 20, &bytes, &err));
        assert_int_equal(bytes.len, summary.size_bytes);
        assert_int_equal(summary.rows, 3);
        assert_int_equal(summary.n, 1);
        assert_int_equal(summary.field_ids[0], 0);
        assert_int_equal(summary.columns[0], 0);
        assert_memory_equal(bytes.data, minor == 1 ? words21 : words22, minor == 1 ? 2 : 4);
        assert_memory_equal(bytes.data + 64, minor == 1 ? chunk21 : chunk22, 32);
        const uint8_t *footer = bytes.data + bytes.len - 40;
        assert_memory_equal(footer + 36, "LANC", 4);
        assert_int_equal(qv__load_u32(footer + 24), 1);
        assert_int_equal(qv__load_u32(footer + 28), 1);
        assert_int_equal(qv__load_u16(footer + 32), 2);
        assert_int_equal(qv__load_u16(footer + 34), minor);
        assert_int_equal(qv__load_u64(footer + 16) + 16 + 40, bytes.len);
        assert_int_equal(qv__load_u64(bytes.data + qv__load_u64(footer + 16)) % 64, 0);
        qv__bytes_unref(&bytes);
        qv__file_summary_clear(&summary);
        qv__store_unref(store);
    }
    qv__array_unref(batch);
    qv__schema_unref(schema);
    qv__type_unref(type);
}

/* Vectors without nulls are the file's first bytes, as they came. */
static void bare_vectors(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    qvt_rng rng = qvt_rng_seeded();
    qv__store *store;
    qv__type *item = qvt_type(QV_TYPE_FLOAT32, 0, 0), *type = qvt_list_type(QV_TYPE_FIXED_LIST, item, 40);
    qv__schema *schema = schema_of(&type, 1);
    qv__array *column = qvt_random_array(&rng, type, 100, 0), *batch;
    QVT_OK(qv__batch_new(schema, &column, 100, &batch, &err));
    for (uint16_t minor = 0; minor <= 2; minor++) {
        qv__writer_options options = { { 2, minor }, QV_FILE_DEFAULT, 0, 1 };
        qv__bytes bytes;
        QVT_OK(qv__store_open("memory://", true, &store, &err));
        QVT_OK(write_file(store, schema, (const qv__array *const *) &batch, 1, &options, NULL, &err));
        QVT_OK(qv__store_get(store, "f.lance", 1 << 20, &bytes, &err));
        const qv__array *items = column->children[0];
        assert_memory_equal(bytes.data,
                            items->buffers[1].data + ((size_t) column->offset * 40 + (size_t) items->offset) * 4,
                            100 * 40 * 4);
        qv__bytes_unref(&bytes);
        qv__store_unref(store);
    }
    qv__array_unref(batch);
    qv__array_unref(column);
    qv__schema_unref(schema);
    qv__type_unref(type);
    qv__type_unref(item);
}

/* Bytes in the data file, in a shared file and in a file of their own; nothing stays when the writer is given up. */
static void blobs_beside_the_file(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    static const size_t sizes[] = { 10, 100000, 70000, 5 << 20 };
    qv__type *type = qvt_type(QV_TYPE_LARGE_BINARY, 0, 0);
    qv__schema *schema = schema_of(&type, 1);
    qv__builder *builder;
    qv__array *column, *batch;
    QVT_OK(qv__metadata_set(&schema->fields[0].metadata, "ARROW:extension:name", "lance.blob.v2", 13, &err));
    uint8_t *bytes = calloc(5 << 20, 1);
    QVT_OK(qv__builder_new(type, &builder, &err));
    for (size_t i = 0; i < 4; i++) {
        memset(bytes, 'a' + (int) i, sizes[i]);
        QVT_OK(qv__builder_append_bytes(builder, bytes, sizes[i], &err));
    }
    QVT_OK(qv__builder_append_null(builder, &err));
    QVT_OK(qv__builder_finish(builder, &column, &err));
    QVT_OK(qv__batch_new(schema, &column, 5, &batch, &err));
    for (int finish = 0; finish < 2; finish++) {
        qv__store *store;
        qv__file_writer *writer;
        bool shared, own;
        QVT_OK(qv__store_open("memory://", true, &store, &err));
        QVT_OK(qv__file_writer_open(store, "data/f.lance", schema, NULL, &writer, &err));
        QVT_OK(qv__file_writer_write(writer, batch, &err));
        QVT_OK(qv__file_writer_write(writer, batch, &err));
        if (finish)
            QVT_OK(qv__file_writer_finish(writer, NULL, &err));
        qv__file_writer_free(writer);
        QVT_OK(qv__store_exists(store, "data/f/10000000000000000000000000000000.blob", &shared, &err));
        QVT_OK(qv__store_exists(store, "data/f/01000000000000000000000000000000.blob", &own, &err));
        assert_int_equal(shared, finish);
        assert_int_equal(own, finish);
        if (finish) {
            qv__bytes got;
            QVT_OK(qv__store_get(store, "data/f/10000000000000000000000000000000.blob", 1 << 20, &got, &err));
            assert_int_equal(got.len, 2 * (100000 + 70000));
            assert_int_equal(got.data[99999], 'b');
            assert_int_equal(got.data[100000], 'c');
            qv__bytes_unref(&got);
            QVT_OK(qv__store_get(store, "data/f/01000000000000000000000000000000.blob", 1 << 24, &got, &err));
            assert_int_equal(got.len, 5 << 20);
            qv__bytes_unref(&got);
        }
        qv__store_unref(store);
    }
    free(bytes);
    qv__builder_free(builder);
    qv__array_unref(batch);
    qv__array_unref(column);
    qv__schema_unref(schema);
    qv__type_unref(type);
}

static void refuses(qv__type *type, unsigned minor, const char *part)
{
    qv_error err;
    qv__store *store;
    qv__file_writer *writer = NULL;
    qv__schema *schema = schema_of(&type, 1);
    qv__writer_options options = { { 2, (uint16_t) minor }, QV_FILE_DEFAULT, 0, 1 };
    QVT_OK(qv__store_open("memory://", true, &store, &err));
    QVT_FAILS(qv__file_writer_open(store, "f.lance", schema, &options, &writer, &err), QV_UNSUPPORTED, part);
    assert_null(writer);
    qv__store_unref(store);
    qv__schema_unref(schema);
    qv__type_unref(type);
}

static void refusals(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    qv__type *text = qvt_type(QV_TYPE_UTF8, 0, 0), *number = qvt_type(QV_TYPE_INT32, 0, 0), *empty;
    for (unsigned minor = 0; minor <= 2; minor++) {
        QVT_OK(qv__type_new_struct(NULL, 0, &empty, &err));
        refuses(empty, minor, "column \"f0\"");
        refuses(qvt_list_type(QV_TYPE_FIXED_LIST, text, 3), minor, "fixed_size_list<utf8>[3]");
        if (minor < 2)
            refuses(qvt_map_type(text, number), minor, "map");
    }
    refuses(qv__type_ref(number), 3, "2.3");
    qv__type_unref(text);
    qv__type_unref(number);
}

static void wrong_batches(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    qv__store *store;
    qv__file_writer *writer;
    qv__type *number = qvt_type(QV_TYPE_INT32, 0, 0), *text = qvt_type(QV_TYPE_UTF8, 0, 0);
    qv__schema *schema = schema_of(&number, 1), *other = schema_of(&text, 1);
    qv__array *batch = int32_batch(schema);
    bool exists;
    QVT_OK(qv__store_open("memory://", true, &store, &err));
    QVT_OK(qv__file_writer_open(store, "f.lance", other, NULL, &writer, &err));
    QVT_FAILS(qv__file_writer_write(writer, batch, &err), QV_SCHEMA, "int32");
    qv__file_writer_free(writer);
    QVT_OK(qv__store_exists(store, "f.lance", &exists, &err));
    assert_false(exists);
    qv__store_unref(store);
    qv__array_unref(batch);
    qv__schema_unref(schema);
    qv__schema_unref(other);
    qv__type_unref(number);
    qv__type_unref(text);
}

/* Random columns in small pages: the same bytes with one thread and with four; after each failed allocation or operation
 * nothing is left, neither memory nor object. */
static void deterministic_and_unwinds(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    qvt_rng rng = qvt_rng_seeded();
    size_t before = qv_memory().live_blocks;
    for (uint16_t minor = 0; minor <= 2; minor++) {
        qv__type *types[4], *item = qvt_type(QV_TYPE_UTF8, 0, 0);
        types[0] = qvt_type(QV_TYPE_INT64, 0, 0);
        types[1] = qvt_list_type(QV_TYPE_LIST, item, 0);
        types[2] = qv__type_ref(item);
        types[3] = qvt_list_type(QV_TYPE_FIXED_LIST, types[0], 5);
        qv__schema *schema = schema_of(types, 4);
        qv__array *columns[4], *batch;
        for (size_t i = 0; i < 4; i++)
            columns[i] = qvt_random_array(&rng, types[i], 300, 0.1);
        QVT_OK(qv__batch_new(schema, columns, 300, &batch, &err));
        qv__bytes bytes[2];
        for (unsigned k = 0; k < 2; k++) {
            qv__store *store;
            qv__writer_options options = { { 2, minor }, QV_FILE_DEFAULT, 2000, k ? 4 : 1 };
            QVT_OK(qv__store_open("memory://", true, &store, &err));
            QVT_OK(write_file(store, schema, (const qv__array *const *) &batch, 1, &options, NULL, &err));
            QVT_OK(qv__store_get(store, "f.lance", 1 << 24, &bytes[k], &err));
            qv__store_unref(store);
        }
        assert_int_equal(bytes[0].len, bytes[1].len);
        assert_memory_equal(bytes[0].data, bytes[1].data, bytes[0].len);
        qv__bytes_unref(&bytes[0]);
        qv__bytes_unref(&bytes[1]);
        size_t held = qv_memory().live_blocks;
        for (uint64_t n = 0;; n++) {
            qv__store *store;
            bool exists;
            qv__writer_options options = { { 2, minor }, QV_FILE_DEFAULT, 8000, 1 };
            QVT_OK(qv__store_open("memory://", true, &store, &err));
            qv__alloc_fail_at(n);
            qv_status st = write_file(store, schema, (const qv__array *const *) &batch, 1, &options, NULL, &err);
            qv__alloc_fail_at(UINT64_MAX);
            QVT_OK(qv__store_exists(store, "f.lance", &exists, &err));
            assert_int_equal(exists, st == QV_OK);
            qv__store_unref(store);
            assert_int_equal(qv_memory().live_blocks, held);
            if (st == QV_OK)
                break;
            assert_int_equal(st, QV_NOMEM);
        }
        qv__array_unref(batch);
        for (size_t i = 0; i < 4; i++) {
            qv__array_unref(columns[i]);
            qv__type_unref(types[i]);
        }
        qv__type_unref(item);
        qv__schema_unref(schema);
    }
    assert_int_equal(qv_memory().live_blocks, before);
}

static int live_batches;
static void batch_gone(qv__owner *owner)
{
    live_batches--;
    free(owner);
}

/* 1,000 rows of a number and a vector that share one owner, as an imported batch does; in a struct or side by side. */
static qv__array *shared_batch(const qv__schema *schema, bool in_struct)
{
    static const uint8_t zeros[1000 * 64 * 4];
    qv_error err;
    qv__array *columns[2], *row, *batch;
    const qv__field *fields = in_struct ? schema->fields[0].type->children : schema->fields;
    qv__owner *owner = malloc(sizeof *owner);
    assert_non_null(owner);
    qv__owner_init(owner, batch_gone);
    live_batches++;
    QVT_OK(qv__array_new(fields[0].type, 1000, 0, &columns[0], &err));
    QVT_OK(qv__array_new(fields[1].type, 1000, 1, &columns[1], &err));
    QVT_OK(qv__array_new(fields[1].type->children[0].type, 64000, 0, &columns[1]->children[0], &err));
    columns[0]->buffers[1] = (qv__bytes){ zeros, 8000, qv__owner_ref(owner) };
    columns[1]->children[0]->buffers[1] = (qv__bytes){ zeros, sizeof zeros, owner };
    if (in_struct) {
        QVT_OK(qv__array_new(schema->fields[0].type, 1000, 2, &row, &err));
        row->children[0] = columns[0];
        row->children[1] = columns[1];
        QVT_OK(qv__batch_new(schema, &row, 1000, &batch, &err));
        qv__array_unref(row);
        return batch;
    }
    QVT_OK(qv__batch_new(schema, columns, 1000, &batch, &err));
    qv__array_unref(columns[0]);
    qv__array_unref(columns[1]);
    return batch;
}

/* A narrow column waits for a page's worth of rows without keeping the batches that they came in. */
static void waiting_rows_keep_no_batches(void **state)
{
    QV_UNUSED(state);
    for (int in_struct = 0; in_struct < 2; in_struct++) {
        qv_error err;
        qv__type *types[2] = { qvt_type(QV_TYPE_INT64, 0, 0) }, *item = qvt_type(QV_TYPE_FLOAT32, 0, 0), *row;
        types[1] = qvt_list_type(QV_TYPE_FIXED_LIST, item, 64);
        qv__schema *schema = schema_of(types, 2);
        qv__writer_options options = { { 2, 2 }, QV_FILE_DEFAULT, 512 << 10, 1 };
        qv__file_summary summary;
        qv__file_writer *writer;
        qv__store *store;
        int most = 0;
        if (in_struct) {
            QVT_OK(qv__schema_to_struct(schema, &row, &err));
            qv__schema_unref(schema);
            schema = schema_of(&row, 1);
            qv__type_unref(row);
        }
        QVT_OK(qv__store_open("memory://", true, &store, &err));
        QVT_OK(qv__file_writer_open(store, "f.lance", schema, &options, &writer, &err));
        for (int i = 0; i < 60; i++) {
            qv__array *batch = shared_batch(schema, in_struct);
            QVT_OK(qv__file_writer_write(writer, batch, &err));
            qv__array_unref(batch);
            most = QV_MAX(most, live_batches);
        }
        assert_in_range(most, 1, in_struct ? 18 : 4); /* a number's page holds 65 batches */
        QVT_OK(qv__file_writer_finish(writer, &summary, &err));
        assert_int_equal(summary.rows, 60000);
        qv__file_writer_free(writer);
        assert_int_equal(live_batches, 0);
        qv__file_summary_clear(&summary);
        qv__store_unref(store);
        qv__schema_unref(schema);
        qv__type_unref(types[0]);
        qv__type_unref(types[1]);
        qv__type_unref(item);
    }
}

/* Every storage operation fails in turn: the error comes up, and no object appears. */
static void storage_failures(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    qvt_rng rng = qvt_rng_seeded();
    qv__type *type = qvt_type(QV_TYPE_UTF8, 0, 0);
    qv__schema *schema = schema_of(&type, 1);
    qv__array *column = qvt_random_array(&rng, type, 500, 0.1), *batch;
    qv__writer_options options = { { 2, 2 }, QV_FILE_DEFAULT, 2000, 1 };
    QVT_OK(qv__batch_new(schema, &column, 500, &batch, &err));
    size_t held = qv_memory().live_blocks;
    for (int kind = QV_FAULT_ERROR; kind <= QV_FAULT_SHORT; kind++)
        for (uint64_t n = 0;; n++) {
            qv__store *store;
            bool exists;
            QVT_OK(qv__store_open(qvt_temp_dir(), true, &store, &err));
            qv__fault_arm((qv__fault_kind) kind, n);
            qv_status st = write_file(store, schema, (const qv__array *const *) &batch, 1, &options, NULL, &err);
            bool fired = qv__fault_fired();
            qv__fault_arm(QV_FAULT_NONE, 0);
            if (!fired) {
                assert_int_equal(st, QV_OK);
                QVT_OK(qv__store_delete(store, "f.lance", &err));
                qv__store_unref(store);
                break;
            }
            /* a failure in clearing up after a success may stay unseen */
            if (st == QV_OK)
                QVT_OK(qv__store_delete(store, "f.lance", &err));
            else
                assert_int_equal(st, QV_IO);
            QVT_OK(qv__store_exists(store, "f.lance", &exists, &err));
            if (exists) /* the last sync failed: the name may be there, but the call did not say so */
                QVT_OK(qv__store_delete(store, "f.lance", &err));
            qv__store_unref(store);
        }
    qv__array_unref(batch);
    qv__array_unref(column);
    assert_true(qv_memory().live_blocks < held);
    qv__schema_unref(schema);
    qv__type_unref(type);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_page),
        cmocka_unit_test(bare_vectors),
        cmocka_unit_test(blobs_beside_the_file),
        cmocka_unit_test(refusals),
        cmocka_unit_test(wrong_batches),
        cmocka_unit_test(deterministic_and_unwinds),
        cmocka_unit_test(waiting_rows_keep_no_batches),
        cmocka_unit_test(storage_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
