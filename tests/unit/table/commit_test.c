/* Writing and committing: what each kind of write leaves, how writers meet, and what a failed one leaves. */
#include "qvt_table.h"

#include <pthread.h>

#include "arrow/builder.h"
#include "table/table_private.h"

static qv_error err;

static qv__store *fresh_store(void)
{
    static unsigned number;
    char path[4200];
    qv__store *store;

    snprintf(path, sizeof path, "%s/commit-%u", qvt_temp_dir(), number++);
    QVT_OK(qv__store_open(path, true, &store, &err));
    return store;
}

static qv_status count_one(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *e)
{
    (void) name;
    (void) size;
    (void) is_folder;
    (void) e;
    ++*(size_t *) ctx;
    return QV_OK;
}

static size_t count_names(qv__store *store, const char *folder)
{
    size_t n = 0;

    QVT_OK(qv__store_list(store, folder, count_one, &n, &err));
    return n;
}

static void write_rows(qv__store *store, qv__snapshot **at, const qv__write *options, int64_t first, int64_t n)
{
    qv__snapshot *next;

    QVT_OK(qvt_table_write(store, *at, options, first, n, &next, &err));
    qv__snapshot_unref(*at);
    *at = next;
}

static void reopen(qv__store *store, qv__snapshot **at)
{
    qv__snapshot_unref(*at);
    QVT_OK(qv__snapshot_open(store, 0, at, &err));
}

/* ------------------------------------------------------------------ one writer */

static void test_life(void **state)
{
    qv__store *store = fresh_store();
    qv__snapshot *s = NULL, *again;
    qv__write overwrite = { .overwrite = true }, small_files = { .max_rows_per_file = 30 };

    (void) state;
    write_rows(store, &s, NULL, 0, 50);
    assert_int_equal(qv__snapshot_version(s), 1);
    qvt_table_expect(s, 0, 50);
    write_rows(store, &s, &small_files, 50, 100);
    assert_int_equal(qv__snapshot_version(s), 2);
    assert_int_equal(qv__snapshot_n_fragments(s), 5);
    assert_int_equal(qv__snapshot_fragment(s, 4)->physical_rows, 10);
    qvt_table_expect(s, 0, 150);
    write_rows(store, &s, NULL, 0, 0); /* nothing, but a version */
    assert_int_equal(qv__snapshot_version(s), 3);
    reopen(store, &s);
    qvt_table_expect(s, 0, 150);
    write_rows(store, &s, &overwrite, 7, 3);
    reopen(store, &s);
    assert_int_equal(qv__snapshot_version(s), 4);
    assert_int_equal(qv__snapshot_fragment(s, 0)->id, 5); /* ids go on */
    assert_int_equal(qv__snapshot_schema(s)->fields[0].id, 0);
    qvt_table_expect(s, 7, 3);
    QVT_OK(qv__snapshot_open(store, 2, &again, &err)); /* old versions stay */
    qvt_table_expect(again, 0, 150);
    qv__snapshot_unref(again);
    assert_int_equal(count_names(store, "_transactions"), 4);
    assert_int_equal(count_names(store, "data"), 6);
    assert_int_equal(count_names(store, "_versions"), 5); /* and the hint */
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

static void test_create_twice(void **state)
{
    qv__store *store = fresh_store();
    qv__snapshot *s = NULL, *other = NULL;

    (void) state;
    write_rows(store, &s, NULL, 0, 5);
    QVT_FAILS(qvt_table_write(store, NULL, NULL, 0, 5, &other, &err), QV_EXISTS, "is a table already, at version 1");
    assert_null(other);
    assert_int_equal(count_names(store, "data"), 1);
    assert_int_equal(count_names(store, "_transactions"), 1);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

static void test_stable_row_ids(void **state)
{
    qv__store *store = fresh_store();
    qv__snapshot *s = NULL;
    qv__write stable = { .stable_row_ids = true }, overwrite = { .overwrite = true }, two = { .max_rows_per_file = 6 };
    const uint64_t *ids;
    uint64_t row, id;
    size_t fragment;
    bool found;

    (void) state;
    write_rows(store, &s, &stable, 0, 10);
    write_rows(store, &s, &two, 10, 10);
    reopen(store, &s);
    assert_true(qv__snapshot_has_stable_row_ids(s));
    QVT_OK(qv__snapshot_row_id_array(s, 2, &ids, &err));
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(ids[i], 16 + i);
    QVT_OK(qv__snapshot_locate(s, 17, &fragment, &row, &found, &err));
    assert_true(found && fragment == 2 && row == 1);
    QVT_OK(qv__snapshot_locate(s, 20, &fragment, &row, &found, &err));
    assert_false(found);
    write_rows(store, &s, &overwrite, 0, 3); /* ids go on */
    reopen(store, &s);
    assert_true(qv__snapshot_has_stable_row_ids(s));
    QVT_OK(qv__snapshot_row_ids(s, 0, 2, 1, &id, &err));
    assert_int_equal(id, 22);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

static void test_addresses(void **state)
{
    qv__store *store = fresh_store();
    qv__snapshot *s = NULL;
    uint64_t ids[2], row;
    size_t fragment;
    bool found;

    (void) state;
    write_rows(store, &s, NULL, 0, 10);
    write_rows(store, &s, NULL, 10, 10);
    QVT_OK(qv__snapshot_row_ids(s, 1, 8, 2, ids, &err));
    assert_int_equal(ids[1], (UINT64_C(1) << 32) + 9);
    QVT_FAILS(qv__snapshot_row_ids(s, 1, 9, 2, ids, &err), QV_INVALID, "rows 9 to 11 of 10");
    QVT_OK(qv__snapshot_locate(s, ids[1], &fragment, &row, &found, &err));
    assert_true(found && fragment == 1 && row == 9);
    QVT_OK(qv__snapshot_locate(s, ids[1] + 1, &fragment, &row, &found, &err));
    assert_false(found);
    QVT_OK(qv__snapshot_locate(s, UINT64_C(7) << 32, &fragment, &row, &found, &err));
    assert_false(found);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

static void test_mixed_versions(void **state)
{
    qv__store *store = fresh_store();
    qv__snapshot *s = NULL;
    qv__write old = { .file_version = "2.0" }, overwrite = { .overwrite = true, .file_version = "2.1" },
              unknown = { .file_version = "2.3" };

    (void) state;
    write_rows(store, &s, NULL, 0, 10);
    write_rows(store, &s, &old, 10, 10);
    write_rows(store, &s, NULL, 20, 10);
    reopen(store, &s);
    assert_int_equal(s->manifest->head->reader_feature_flags, QV_FLAG_MIXED_VERSIONS);
    assert_int_equal(s->manifest->head->writer_feature_flags, QV_FLAG_MIXED_VERSIONS);
    assert_string_equal(qv__snapshot_file_version(s), "2.2"); /* the table's own did not change */
    assert_int_equal(qv__snapshot_fragment(s, 1)->files[0].version.minor, 0);
    assert_int_equal(qv__snapshot_fragment(s, 2)->files[0].version.minor, 2);
    qvt_table_expect(s, 0, 30);
    write_rows(store, &s, &overwrite, 0, 5);
    reopen(store, &s);
    assert_string_equal(qv__snapshot_file_version(s), "2.1");
    assert_int_equal(s->manifest->head->reader_feature_flags, QV_FLAG_MIXED_VERSIONS); /* for ever */
    qvt_table_expect(s, 0, 5);
    qv__snapshot *other = NULL;
    QVT_FAILS(qvt_table_write(store, s, &unknown, 0, 1, &other, &err), QV_UNSUPPORTED, "file version \"2.3\"");
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

/* ------------------------------------------------------------------ schemas */

static qv__stream *columns_stream(int64_t first, int64_t n, size_t n_columns)
{
    qv__stream *stream;

    QVT_OK(qvt_table_stream(first, n, 100, n_columns, &stream, &err));
    return stream;
}

static void test_subset(void **state)
{
    qv__store *store = fresh_store();
    qv__snapshot *s = NULL, *next;
    qv__stream *stream = columns_stream(10, 5, 2);
    qv__write append = { 0 };
    qv__fragment_column *column;
    qv__array *array;
    qv__vector_run run;

    (void) state;
    write_rows(store, &s, NULL, 0, 10);
    QVT_OK(qv__table_write(store, s, stream, &append, NULL, &next, &err));
    qv__stream_free(stream);
    assert_int_equal(qv__snapshot_fragment(next, 1)->files[0].n_fields, 2); /* absent fields are not in the file */
    QVT_OK(qv__fragment_column_open(next, 1, &qv__snapshot_schema(next)->fields[2], &column, &err));
    QVT_OK(qv__fragment_column_read(column, 1, 4, &array, &err));
    assert_int_equal(array->length, 4);
    assert_int_equal(array->null_count, 4);
    qv__array_unref(array);
    QVT_OK(qv__fragment_column_vectors(column, 1, 100, &run, &err));
    assert_int_equal(run.rows, 4);
    for (uint64_t i = 0; i < run.rows; i++)
        assert_false(qv__bit_get(run.validity, run.validity_offset + i));
    qv__vector_run_free(&run);
    assert_int_equal(qv__fragment_column_page_end(column, 0), 5);
    qv__fragment_column_free(column);
    qv__snapshot_unref(next);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

/* A stream of one int64 column of this name with one null row. */
static qv__stream *one_column(const char *name, qv__type_id id, bool nullable)
{
    qv__type *type;
    qv__field field;
    qv__schema *schema;
    qv__builder *builder;
    qv__array *column, *batch;
    qv__stream *stream;

    QVT_OK(qv__type_new(id, &type, &err));
    QVT_OK(qv__field_init(&field, name, type, nullable, &err));
    QVT_OK(qv__schema_new(&field, 1, NULL, &schema, &err));
    QVT_OK(qv__builder_new(type, &builder, &err));
    QVT_OK(qv__builder_append_null(builder, &err));
    QVT_OK(qv__builder_finish(builder, &column, &err));
    QVT_OK(qv__batch_new(schema, &column, 1, &batch, &err));
    QVT_OK(qv__stream_of(schema, &batch, 1, &stream, &err));
    qv__array_unref(batch);
    qv__array_unref(column);
    qv__builder_free(builder);
    qv__schema_unref(schema);
    qv__field_clear(&field);
    qv__type_unref(type);
    return stream;
}

static void expect_unfit(qv__store *store, qv__snapshot *base, qv__stream *stream, const char *part)
{
    qv__write append = { 0 };
    qv__snapshot *out = NULL;

    QVT_FAILS(qv__table_write(store, base, stream, &append, NULL, &out, &err), QV_SCHEMA, part);
    qv__stream_free(stream);
    assert_null(out);
    assert_int_equal(count_names(store, "data"), 1);
    assert_int_equal(count_names(store, "_transactions"), 1);
}

static void test_unfit(void **state)
{
    qv__store *store = fresh_store();
    qv__snapshot *s = NULL;

    (void) state;
    write_rows(store, &s, NULL, 0, 10);
    expect_unfit(store, s, one_column("other", QV_TYPE_INT64, true), "the table has no column \"other\"");
    expect_unfit(store, s, one_column("id", QV_TYPE_INT32, true), "column \"id\" has type int32, the table has int64");
    expect_unfit(store, s, one_column("s", QV_TYPE_UTF8, true), "column \"id\" is missing and may not be null");
    expect_unfit(store, s, one_column("id", QV_TYPE_INT64, true),
                 "column \"id\" may not be null, row 0 of the batch is");
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

static void test_bad_json(void **state)
{
    qv__store *store = fresh_store();
    qv__schema *schema = qvt_table_schema();
    qv__builder *builder;
    qv__array *column, *batch;
    qv__schema *one;
    qv__stream *stream;
    qv__write create = { .create = true };
    qv__snapshot *out = NULL;

    (void) state;
    QVT_OK(qv__schema_new(&schema->fields[3], 1, NULL, &one, &err));
    QVT_OK(qv__builder_new(one->fields[0].type, &builder, &err));
    QVT_OK(qv__builder_append_bytes(builder, "{}", 2, &err));
    QVT_OK(qv__builder_append_bytes(builder, "{\"a\":}", 6, &err));
    QVT_OK(qv__builder_finish(builder, &column, &err));
    QVT_OK(qv__batch_new(one, &column, 2, &batch, &err));
    QVT_OK(qv__stream_of(one, &batch, 1, &stream, &err));
    QVT_FAILS(qv__table_write(store, NULL, stream, &create, NULL, &out, &err), QV_SCHEMA,
              "column \"j\", row 1 of the batch: not JSON: a value expected at byte 5");
    assert_int_equal(count_names(store, ""), 0);
    qv__stream_free(stream);
    qv__array_unref(batch);
    qv__array_unref(column);
    qv__builder_free(builder);
    qv__schema_unref(one);
    qv__schema_unref(schema);
    qv__store_unref(store);
}

/* ------------------------------------------------------------------ writers meet */

static void expect_transaction(const qv__snapshot *s, qv__operation operation, uint64_t read_version)
{
    qv__transaction transaction;
    qv__arena arena;

    qv__arena_init(&arena, 0);
    QVT_OK(qv__transaction_of(s->table, s->manifest, &arena, &transaction, &err));
    assert_int_equal(transaction.operation, operation);
    assert_int_equal(transaction.read_version, read_version);
    qv__arena_reset(&arena);
}

static void test_stale_append(void **state)
{
    qv__store *store = fresh_store();
    qv__snapshot *s = NULL, *stale, *out;

    (void) state;
    write_rows(store, &s, NULL, 0, 10);
    stale = qv__snapshot_ref(s);
    for (int64_t i = 1; i < 4; i++)
        write_rows(store, &s, NULL, 10 * i, 10);
    QVT_OK(qvt_table_write(store, stale, NULL, 40, 10, &out, &err));
    assert_int_equal(qv__snapshot_version(out), 5);
    qvt_table_expect(out, 0, 50);
    expect_transaction(out, QV_OP_APPEND, 1);
    qv__snapshot_unref(out);
    qv__snapshot_unref(stale);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

static void test_overwrites_meet(void **state)
{
    qv__store *store = fresh_store();
    qv__snapshot *s = NULL, *stale, *out = NULL;
    qv__write overwrite = { .overwrite = true };

    (void) state;
    write_rows(store, &s, NULL, 0, 10);
    stale = qv__snapshot_ref(s);
    write_rows(store, &s, &overwrite, 100, 10);
    QVT_FAILS(qvt_table_write(store, stale, NULL, 10, 10, &out, &err), QV_CONFLICT,
              "version 2 was committed meanwhile (Overwrite)");
    assert_int_equal(count_names(store, "data"), 2); /* what was written for nothing is gone */
    assert_int_equal(count_names(store, "_transactions"), 2);
    QVT_OK(qvt_table_write(store, stale, &overwrite, 200, 10, &out, &err)); /* looks again, then replaces */
    assert_int_equal(qv__snapshot_version(out), 3);
    expect_transaction(out, QV_OP_OVERWRITE, 2);
    assert_int_equal(count_names(store, "_transactions"), 3);
    qvt_table_expect(out, 200, 10);
    qv__snapshot_unref(out);
    qv__snapshot_unref(stale);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

static void test_made_anew(void **state)
{
    qv__store *store = fresh_store();
    qv__snapshot *s = NULL, *other = NULL, *out = NULL;

    (void) state;
    write_rows(store, &s, NULL, 0, 10);
    QVT_OK(qv__store_delete_tree(store, "_versions", &err));
    QVT_FAILS(qvt_table_write(store, s, NULL, 10, 10, &out, &err), QV_NOT_FOUND, "no versions");
    write_rows(store, &other, NULL, 0, 20); /* another table with the same version number */
    QVT_FAILS(qvt_table_write(store, s, NULL, 10, 10, &out, &err), QV_CONFLICT, "version 1 was replaced meanwhile");
    QVT_OK(qv__snapshot_newest(s, &out, &err));
    qvt_table_expect(out, 0, 20);
    qv__snapshot_unref(out);
    qv__snapshot_unref(other);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

/* A handle may stand on a version with a hole above it (clean-up keeps tagged versions): the hint sends it to the listing. */
static void test_hole(void **state)
{
    qv__store *store = fresh_store();
    qv__snapshot *s = NULL, *first, *out = NULL;
    char name[QV_NAME_BYTES];

    (void) state;
    write_rows(store, &s, NULL, 0, 10);
    first = qv__snapshot_ref(s);
    write_rows(store, &s, NULL, 10, 10);
    write_rows(store, &s, NULL, 20, 10);
    qv__manifest_name(2, QV_NAMES_V2, name);
    QVT_OK(qv__store_delete(store, name, &err));
    QVT_FAILS(qvt_table_write(store, first, NULL, 30, 10, &out, &err), QV_CONFLICT,
              "version 2 was made and cleaned up meanwhile");
    QVT_OK(qv__snapshot_newest(first, &out, &err));
    assert_int_equal(qv__snapshot_version(out), 3);
    qv__snapshot_unref(out);
    qv__snapshot_unref(first);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

enum { N_THREADS = 8, N_APPENDS = 12, ROWS_EACH = 3 };

typedef struct appender {
    qv__store *store;
    int number;
    qv_status st;
    qv_error err;
} appender;

static void *append_some(void *ctx)
{
    appender *a = ctx;

    for (int i = 0; i < N_APPENDS && a->st == QV_OK; i++) {
        qv__snapshot *base, *out;
        a->st = qv__snapshot_open(a->store, 0, &base, &a->err);
        if (a->st != QV_OK)
            break;
        a->st =
            qvt_table_write(a->store, base, NULL, ROWS_EACH * (a->number * N_APPENDS + i), ROWS_EACH, &out, &a->err);
        if (a->st == QV_OK)
            qv__snapshot_unref(out);
        qv__snapshot_unref(base);
    }
    return NULL;
}

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;

    return (x > y) - (x < y);
}

static void test_many_writers(void **state)
{
    qv__store *store = fresh_store();
    qv__snapshot *s = NULL;
    appender appenders[N_THREADS];
    pthread_t threads[N_THREADS];
    int64_t *ids;
    size_t n;

    (void) state;
    write_rows(store, &s, NULL, 0, 0);
    for (int i = 0; i < N_THREADS; i++) {
        appenders[i] = (appender){ .store = store, .number = i };
        assert_int_equal(pthread_create(&threads[i], NULL, append_some, &appenders[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
        err = appenders[i].err;
        QVT_OK(appenders[i].st);
    }
    reopen(store, &s);
    assert_int_equal(qv__snapshot_version(s), 1 + N_THREADS * N_APPENDS);
    qvt_table_read(s, &ids, &n);
    assert_int_equal(n, N_THREADS * N_APPENDS * ROWS_EACH);
    qsort(ids, n, sizeof *ids, compare_ids);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ids[i], i);
    qv__free(ids);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

/* ------------------------------------------------------------------ what others put into a manifest stays */

static void put_manifest(qv__store *store, const Lance__Table__Manifest *head, const void *before, size_t before_len)
{
    char name[QV_NAME_BYTES];
    uint8_t number[16] = { 0 };
    qv__buffer bytes;

    qv__buffer_init(&bytes, 1 << 20);
    QVT_OK(qv__buffer_append(&bytes, before, before_len, &err));
    size_t len = lance__table__manifest__get_packed_size(head);
    qv__store_u32(number, (uint32_t) len);
    QVT_OK(qv__buffer_append(&bytes, number, 4, &err));
    QVT_OK(qv__buffer_reserve(&bytes, len, &err));
    lance__table__manifest__pack(head, bytes.data + bytes.len);
    bytes.len += len;
    qv__store_u64(number, before_len);
    qv__store_u32(number + 8, 2u << 16);
    memcpy(number + 12, "LANC", 4);
    QVT_OK(qv__buffer_append(&bytes, number, 16, &err));
    qv__manifest_name(head->version, QV_NAMES_V1, name);
    QVT_OK(qv__store_put(store, name, bytes.data, bytes.len, QV_PUT_REPLACE, &err));
    qv__buffer_free(&bytes);
}

/* Version 2 of a table with V1 names, an index section, config, a branch, and fields of numbers that nobody knows. */
static void put_foreign(qv__store *store, const qv__manifest *first)
{
    static const uint8_t section[] = { 4, 0, 0, 0, 0x0a, 2, 0x1a, 0 }; /* one index without a name */
    Lance__Table__Manifest head = *first->head;
    Lance__Table__TextEntry entry = LANCE__TABLE__TEXT_ENTRY__INIT, *entries[] = { &entry };
    ProtobufCMessageUnknownField unknown = { .tag = 1000,
                                             .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
                                             .len = 4,
                                             .data = (uint8_t[]){ 3, 'x', 'y', 'z' } };
    uint8_t fragment[600];
    ProtobufCBinaryData packed = { head.fragments[0].len + 4, fragment };

    memcpy(fragment, head.fragments[0].data, head.fragments[0].len);
    memcpy(fragment + head.fragments[0].len, "\xba\x3e\x01q", 4); /* field 999 of the fragment */
    entry.key = (char *) (uintptr_t) "k";
    entry.value = (char *) (uintptr_t) "v";
    head.base.n_unknown_fields = 1;
    head.base.unknown_fields = &unknown;
    head.fragments = &packed;
    head.version = 2;
    head.config = entries;
    head.n_config = 1;
    head.has_writer_feature_flags = true;
    head.writer_feature_flags = 8;
    head.branch = (char *) (uintptr_t) "b";
    head.has_index_section = true;
    head.index_section = 0;
    head.has_transaction_section = false;
    put_manifest(store, &head, section, sizeof section);
}

static void test_foreign_fields(void **state)
{
    qv__store *store = fresh_store();
    qv__snapshot *s = NULL;
    qv__write overwrite = { .overwrite = true };
    char name[QV_NAME_BYTES];
    uint64_t newest;

    (void) state;
    write_rows(store, &s, NULL, 0, 10);
    put_foreign(store, s->manifest);
    qv__manifest_name(1, QV_NAMES_V2, name);
    QVT_OK(qv__store_delete(store, name, &err));
    reopen(store, &s);
    write_rows(store, &s, NULL, 10, 10);
    qv__manifest_name(3, QV_NAMES_V1, name); /* the kind of names is kept */
    QVT_OK(qv__latest_version(store, &newest, &err));
    assert_int_equal(newest, 3);
    reopen(store, &s);
    qvt_table_expect(s, 0, 20);
    const Lance__Table__Manifest *head = s->manifest->head;
    assert_int_equal(head->base.n_unknown_fields, 1);
    assert_int_equal(head->base.unknown_fields[0].tag, 1000);
    assert_memory_equal(head->base.unknown_fields[0].data, "\3xyz", 4);
    assert_memory_equal(head->fragments[0].data + head->fragments[0].len - 4, "\xba\x3e\x01q", 4);
    assert_int_equal(s->manifest->indices.len, 4);
    assert_string_equal(head->branch, "b");
    assert_string_equal(head->config[0]->value, "v");
    assert_int_equal(head->writer_feature_flags, 8);
    write_rows(store, &s, &overwrite, 0, 1);
    assert_null(s->manifest->indices.data); /* indices of replaced rows go */
    assert_string_equal(s->manifest->head->config[0]->value, "v");
    assert_int_equal(s->manifest->head->base.unknown_fields[0].tag, 1000);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),           cmocka_unit_test(test_create_twice),
        cmocka_unit_test(test_stable_row_ids), cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_mixed_versions), cmocka_unit_test(test_subset),
        cmocka_unit_test(test_unfit),          cmocka_unit_test(test_bad_json),
        cmocka_unit_test(test_stale_append),   cmocka_unit_test(test_overwrites_meet),
        cmocka_unit_test(test_made_anew),      cmocka_unit_test(test_hole),
        cmocka_unit_test(test_many_writers),   cmocka_unit_test(test_foreign_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
