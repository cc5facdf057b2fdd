/* Manifests that lie, and what is told about them. They are put together from messages, so each case differs from a good one in
 * one point. */
#include "qvt.h"

#include "table/table_private.h"

static qv_error err;

/* ------------------------------------------------------------------ a good manifest, to be spoiled */

typedef struct draft {
    Lance__Table__Manifest head;
    Lance__Table__DataFormat format;
    Lance__File__Field field, *fields[2];
    Lance__File__Field second;
    Lance__Table__DataFile files[2], *file_list[2];
    Lance__Table__DeletionFile deletion;
    Lance__Table__DataFragment fragments[2];
    ProtobufCBinaryData packed[2];
    int32_t ids[2], columns[2];
} draft;

static void init_field(Lance__File__Field *field, int32_t id, const char *name)
{
    lance__file__field__init(field);
    field->name = (char *) (uintptr_t) name;
    field->has_id = field->has_parent_id = field->has_nullable = true;
    field->id = id;
    field->parent_id = -1;
    field->nullable = true;
    field->logical_type = (char *) (uintptr_t) "int64";
}

static draft *good(void)
{
    draft *d = qv__alloc_zero(1, sizeof *d);

    lance__table__manifest__init(&d->head);
    lance__table__data_format__init(&d->format);
    d->format.file_format = (char *) (uintptr_t) "lance";
    d->format.version = (char *) (uintptr_t) "2.2";
    d->head.data_format = &d->format;
    d->head.has_version = true;
    d->head.version = 1;
    init_field(&d->field, 0, "a");
    init_field(&d->second, 1, "b");
    d->fields[0] = &d->field;
    d->fields[1] = &d->second;
    d->head.fields = d->fields;
    d->head.n_fields = 2;
    for (int i = 0; i < 2; i++) {
        lance__table__data_file__init(&d->files[i]);
        d->files[i].path = (char *) (uintptr_t) (i ? "y.lance" : "x.lance");
        d->files[i].has_file_major_version = d->files[i].has_file_minor_version = true;
        d->files[i].file_major_version = d->files[i].file_minor_version = 2;
        d->ids[i] = i;
        d->columns[i] = 0;
        d->files[i].n_fields = d->files[i].n_column_indices = 1;
        d->files[i].fields = &d->ids[i];
        d->files[i].column_indices = &d->columns[i];
        d->file_list[i] = &d->files[i];
        lance__table__data_fragment__init(&d->fragments[i]);
        d->fragments[i].has_id = d->fragments[i].has_physical_rows = true;
        d->fragments[i].id = (uint64_t) i;
        d->fragments[i].physical_rows = 10;
        d->fragments[i].files = d->file_list;
        d->fragments[i].n_files = 2;
    }
    lance__table__deletion_file__init(&d->deletion);
    d->head.n_fragments = 2;
    d->head.has_max_fragment_id = true;
    d->head.max_fragment_id = 1;
    return d;
}

static void pack_draft(draft *d, qv__buffer *out)
{
    uint8_t number[16] = { 0 };

    for (size_t i = 0; i < 2; i++) {
        d->packed[i].len = lance__table__data_fragment__get_packed_size(&d->fragments[i]);
        d->packed[i].data = qv__alloc(d->packed[i].len, 1);
        lance__table__data_fragment__pack(&d->fragments[i], d->packed[i].data);
    }
    d->head.fragments = d->packed;
    size_t at = out->len, len = lance__table__manifest__get_packed_size(&d->head);
    qv__store_u32(number, (uint32_t) len);
    QVT_OK(qv__buffer_append(out, number, 4, &err));
    QVT_OK(qv__buffer_reserve(out, len, &err));
    lance__table__manifest__pack(&d->head, out->data + out->len);
    out->len += len;
    qv__store_u64(number, at);
    qv__store_u32(number + 8, 2u << 16);
    memcpy(number + 12, "LANC", 4);
    QVT_OK(qv__buffer_append(out, number, 16, &err));
    for (size_t i = 0; i < 2; i++)
        qv__free(d->packed[i].data);
}

static qv_status open_bytes(const uint8_t *bytes, size_t len, qv__snapshot **out)
{
    qv__store *store;
    char name[QV_NAME_BYTES];

    QVT_OK(qv__store_open("memory://", true, &store, &err));
    qv__manifest_name(1, QV_NAMES_V2, name);
    QVT_OK(qv__store_put(store, name, bytes, len, QV_PUT_REPLACE, &err));
    qv_status st = qv__snapshot_open(store, 0, out, &err);
    qv__store_unref(store);
    return st;
}

static qv_status open_draft(draft *d, qv__snapshot **out)
{
    qv__buffer bytes;

    qv__buffer_init(&bytes, 1 << 20);
    pack_draft(d, &bytes);
    qv_status st = open_bytes(bytes.data, bytes.len, out);
    qv__buffer_free(&bytes);
    qv__free(d);
    return st;
}

#define EXPECT(d, status, part)                               \
    do {                                                      \
        qv__snapshot *snapshot_ = NULL;                       \
        QVT_FAILS(open_draft((d), &snapshot_), status, part); \
        assert_null(snapshot_);                               \
    } while (0)

/* ------------------------------------------------------------------ tests */

static void test_good(void **state)
{
    qv__snapshot *s;
    uint64_t rows;

    (void) state;
    QVT_OK(open_draft(good(), &s));
    assert_int_equal(qv__snapshot_version(s), 1);
    assert_int_equal(qv__snapshot_n_fragments(s), 2);
    assert_string_equal(qv__snapshot_file_version(s), "2.2");
    assert_int_equal(qv__snapshot_schema(s)->n_fields, 2);
    QVT_OK(qv__snapshot_count_rows(s, &rows, &err)); /* no data file is opened: there is none */
    assert_int_equal(rows, 20);
    qv__snapshot_unref(s);
}

static void test_fragments(void **state)
{
    draft *d;

    (void) state;
    d = good();
    d->fragments[1].id = 0;
    EXPECT(d, QV_CORRUPT, "fragment 0 comes after fragment 0");
    d = good();
    d->fragments[0].id = 1;
    d->fragments[1].id = 0;
    EXPECT(d, QV_CORRUPT, "fragment 0 comes after fragment 1");
    d = good();
    d->fragments[1].id = 2;
    EXPECT(d, QV_CORRUPT, "fragment id 2 is above the table's highest");
    d = good();
    d->head.has_max_fragment_id = false;
    d->fragments[1].id = UINT64_C(1) << 32;
    EXPECT(d, QV_CORRUPT, "fragment id 4294967296 is above");
    d = good();
    d->fragments[1].physical_rows = UINT64_C(1) << 33;
    EXPECT(d, QV_CORRUPT, "fragment 1: 8589934592 rows are more");
    d = good();
    d->fragments[0].n_overlays = 1;
    d->fragments[0].overlays = &(ProtobufCBinaryData){ 1, (uint8_t[]){ 0 } };
    EXPECT(d, QV_UNSUPPORTED, "data overlay files");
    d = good();
    d->deletion.has_num_deleted_rows = true;
    d->deletion.num_deleted_rows = 11;
    d->fragments[0].deletion_file = &d->deletion;
    EXPECT(d, QV_CORRUPT, "11 of 10 rows are said to be deleted");
    d = good();
    d->deletion.has_file_type = true;
    d->deletion.file_type = 2;
    d->fragments[0].deletion_file = &d->deletion;
    EXPECT(d, QV_UNSUPPORTED, "a deletion file of type 2");
}

static void test_files(void **state)
{
    draft *d;

    (void) state;
    d = good();
    d->ids[1] = 0;
    EXPECT(d, QV_CORRUPT, "field 0 is stored twice");
    d = good();
    d->files[0].n_column_indices = 0;
    EXPECT(d, QV_CORRUPT, "data file \"x.lance\" lists 1 fields, but 0 columns");
    d = good();
    d->files[0].path = NULL;
    EXPECT(d, QV_CORRUPT, "a data file without path");
    d = good();
    d->files[0].file_minor_version = 3;
    EXPECT(d, QV_UNSUPPORTED, "data file \"x.lance\" has format version 2.3");
    d = good();
    d->files[0].file_major_version = 0;
    EXPECT(d, QV_UNSUPPORTED, "format version 0.2 (legacy)");
    d = good();
    d->files[0].file_minor_version = 1;
    EXPECT(d, QV_CORRUPT, "data file \"x.lance\" has version 2.1 in a table of version 2.2");
    d = good();
    d->format.version = (char *) (uintptr_t) "2.3";
    d->head.n_fragments = 0;
    EXPECT(d, QV_UNSUPPORTED, "data format \"2.3\"");
    d = good();
    d->head.data_format = NULL;
    d->head.n_fragments = 0;
    EXPECT(d, QV_UNSUPPORTED, "data format \"0.1\"");
}

static void test_formats(void **state)
{
    qv__snapshot *s;
    draft *d;

    (void) state;
    d = good(); /* inferred from the files */
    d->head.data_format = NULL;
    QVT_OK(open_draft(d, &s));
    assert_string_equal(qv__snapshot_file_version(s), "2.2");
    qv__snapshot_unref(s);
    d = good(); /* inferred from the flag of old tables */
    d->head.data_format = NULL;
    d->head.n_fragments = 0;
    d->head.has_writer_feature_flags = true;
    d->head.writer_feature_flags = 4;
    QVT_OK(open_draft(d, &s));
    assert_string_equal(qv__snapshot_file_version(s), "2.0");
    qv__snapshot_unref(s);
    d = good(); /* mixed, and says so */
    d->files[0].file_minor_version = 0;
    d->head.has_reader_feature_flags = d->head.has_writer_feature_flags = true;
    d->head.reader_feature_flags = d->head.writer_feature_flags = 256;
    QVT_OK(open_draft(d, &s));
    assert_int_equal(qv__snapshot_fragment(s, 0)->files[0].version.minor, 0);
    qv__snapshot_unref(s);
}

static void test_flags(void **state)
{
    static const struct {
        uint64_t bit;
        const char *part;
    } refused[] = { { 64, "reader feature flag 64 (data overlay files)" },
                    { 512, "reader feature flag 512 (fragment reuse index with stable row ids)" },
                    { 4096, "reader feature flag 4096 (fragment tree)" },
                    { 8192, "reader feature flag 8192 (independent covering fields)" },
                    { 16384, "reader feature flag 16384 (managed blobs)" },
                    { 65536, "reader feature flag 65536 (zone seeds)" },
                    { 131072, "reader feature flag 131072 (object metadata)" },
                    { 262144, "reader feature flag 262144, which is unknown" },
                    { UINT64_C(1) << 63, "reader feature flag 9223372036854775808, which is unknown" } };
    qv__snapshot *s;
    draft *d;

    (void) state;
    for (size_t i = 0; i < QV_COUNT_OF(refused); i++) {
        d = good();
        d->head.has_reader_feature_flags = d->head.has_writer_feature_flags = true;
        d->head.reader_feature_flags = d->head.writer_feature_flags = refused[i].bit | 1;
        EXPECT(d, QV_UNSUPPORTED, refused[i].part);
    }
    d = good();
    d->head.has_reader_feature_flags = true;
    d->head.reader_feature_flags = 256;
    EXPECT(d, QV_CORRUPT, "feature flag 256 (mixed data file versions) is set for the reader only");
    d = good();
    d->head.has_writer_feature_flags = true;
    d->head.writer_feature_flags = 1024;
    EXPECT(d, QV_CORRUPT, "feature flag 1024 (tagged fragment reuse index) is set for the writer only");
    d = good(); /* what only writers must know does not stop a reader */
    d->head.has_writer_feature_flags = true;
    d->head.writer_feature_flags = 1 << 20;
    QVT_OK(open_draft(d, &s));
    QVT_FAILS(qv__flags_check_write(s->manifest->head, &err), QV_UNSUPPORTED, "writer feature flag 1048576");
    qv__snapshot_unref(s);
}

static void test_schema(void **state)
{
    draft *d;

    (void) state;
    d = good(); /* its own parent */
    d->field.parent_id = 0;
    EXPECT(d, QV_CORRUPT, "parent 0 of field 0 does not come before it");
    d = good(); /* a cycle of two */
    d->field.parent_id = 1;
    d->second.parent_id = 0;
    EXPECT(d, QV_CORRUPT, "parent 1 of field 0");
    d = good();
    d->second.id = 0;
    EXPECT(d, QV_CORRUPT, "field id 0 occurs twice");
    d = good();
    d->field.logical_type = (char *) (uintptr_t) "tensor";
    EXPECT(d, QV_UNSUPPORTED, "tensor");
}

static void test_head(void **state)
{
    Lance__Table__BasePath base = LANCE__TABLE__BASE_PATH__INIT, *bases[] = { &base, &base };
    Lance__Table__Timestamp time = LANCE__TABLE__TIMESTAMP__INIT;
    draft *d;

    (void) state;
    d = good();
    d->head.version = 2;
    EXPECT(d, QV_CORRUPT, "its name says version 1, its content 2");
    d = good();
    d->head.base_paths = bases;
    d->head.n_base_paths = 2;
    EXPECT(d, QV_CORRUPT, "base path 0 occurs twice");
    d = good();
    time.has_seconds = true;
    time.seconds = INT64_MAX;
    d->head.timestamp = &time;
    EXPECT(d, QV_CORRUPT, "a timestamp of 9223372036854775807 seconds");
    d = good();
    d->head.has_index_section = true;
    d->head.index_section = UINT64_MAX - 2;
    EXPECT(d, QV_CORRUPT, "the index section at 18446744073709551613 lies outside");
    d = good();
    d->head.has_transaction_section = true;
    d->head.transaction_section = 1; /* the length that stands there is absurd */
    EXPECT(d, QV_CORRUPT, "the transaction at 1");
}

static void test_frame(void **state)
{
    qv__snapshot *s;
    qv__buffer bytes;
    draft *d = good();

    (void) state;
    qv__buffer_init(&bytes, 1 << 20);
    pack_draft(d, &bytes);
    qv__free(d);
    QVT_FAILS(open_bytes(bytes.data, 10, &s), QV_CORRUPT, "10 bytes are too few for a manifest");
    QVT_FAILS(open_bytes(bytes.data, bytes.len - 1, &s), QV_CORRUPT, "are not \"LANC\"");
    QVT_FAILS(open_bytes(bytes.data + 1, bytes.len - 1, &s), QV_CORRUPT, "manifest message");
    qv__store_u64(bytes.data + bytes.len - 16, UINT64_MAX);
    QVT_FAILS(open_bytes(bytes.data, bytes.len, &s), QV_CORRUPT, "the manifest message at 18446744073709551615");
    qv__store_u64(bytes.data + bytes.len - 16, 0);
    qv__store_u16(bytes.data + bytes.len - 8, 1);
    QVT_FAILS(open_bytes(bytes.data, bytes.len, &s), QV_UNSUPPORTED, "manifest format 1.2");
    qv__buffer_free(&bytes);
}

/* Every bit of a good manifest turned, and every length cut: it opens or is refused, and nothing is read outside. */
static void test_damage(void **state)
{
    qv__snapshot *s = NULL;
    qv__buffer bytes;
    draft *d = good();
    size_t opened = 0;

    (void) state;
    qv__buffer_init(&bytes, 1 << 20);
    pack_draft(d, &bytes);
    qv__free(d);
    for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
        uint8_t *exact = qv__memdup(bytes.data, bytes.len);
        exact[bit / 8] ^= (uint8_t) (1u << bit % 8);
        qv_status st = open_bytes(exact, bytes.len, &s);
        if (st == QV_OK) {
            uint64_t rows;
            QVT_OK(qv__snapshot_count_rows(s, &rows, &err));
            qv__snapshot_unref(s);
            opened++;
        } else {
            assert_true(st == QV_CORRUPT || st == QV_UNSUPPORTED || st == QV_IO);
        }
        qv__free(exact);
    }
    assert_true(opened > 0 && opened < 8 * bytes.len);
    for (size_t len = 0; len < bytes.len; len++)
        assert_true(open_bytes(bytes.data, len, &s) == QV_CORRUPT);
    qv__buffer_free(&bytes);
}

static void test_versions(void **state)
{
    qv__store *store;
    qv__snapshot *s;
    uint64_t version;

    (void) state;
    QVT_OK(qv__store_open("memory://", true, &store, &err));
    QVT_FAILS(qv__snapshot_open(store, 0, &s, &err), QV_NOT_FOUND, "is not a table: no versions");
    QVT_FAILS(qv__snapshot_open(store, 7, &s, &err), QV_NOT_FOUND, "has no version 7");
    QVT_OK(qv__latest_version(store, &version, &err));
    assert_int_equal(version, 0);
    QVT_OK(qv__store_put(store, "_versions/3.manifest", "x", 1, QV_PUT_REPLACE, &err));
    QVT_OK(qv__store_put(store, "_versions/.tmp_9.manifest", "x", 1, QV_PUT_REPLACE, &err));
    QVT_OK(qv__latest_version(store, &version, &err));
    assert_int_equal(version, 3);
    QVT_OK(qv__store_put(store, "_versions/18446744073709551614.manifest", "x", 1, QV_PUT_REPLACE, &err));
    QVT_OK(qv__latest_version(store, &version, &err)); /* a migration of names was cut off */
    assert_int_equal(version, 3);
    qv__store_unref(store);
}

static void put_tag(qv__store *store, const char *name, const char *text)
{
    char path[64];

    snprintf(path, sizeof path, "_refs/tags/%s.json", name);
    QVT_OK(qv__store_put(store, path, text, strlen(text), QV_PUT_REPLACE, &err));
}

static void test_tags(void **state)
{
    qv__store *store;
    qv_tags *tags;

    (void) state;
    QVT_OK(qv__store_open("memory://", true, &store, &err));
    QVT_OK(qv__list_tags(store, &tags, &err));
    assert_int_equal(tags->n, 0);
    qv__tags_free(tags);
    put_tag(store, "b", "{\n  \"branch\": null,\n  \"version\": 300,\n  \"metadata\": {}\n}");
    put_tag(store, "a", "{\"version\": 2}");
    put_tag(store, "0", "{\"branch\": \"x\", \"version\": 9}");
    QVT_OK(qv__list_tags(store, &tags, &err));
    assert_int_equal(tags->n, 3);
    assert_string_equal(tags->tags[0].name, "0");
    assert_string_equal(tags->tags[0].branch, "x");
    assert_string_equal(tags->tags[1].name, "a");
    assert_null(tags->tags[1].branch);
    assert_int_equal(tags->tags[1].version, 2);
    assert_string_equal(tags->tags[2].name, "b");
    assert_int_equal(tags->tags[2].version, 300);
    qv__tags_free(tags);
    put_tag(store, "c", "{\"version\": -2}");
    QVT_FAILS(qv__list_tags(store, &tags, &err), QV_CORRUPT, "tag \"c\": no version number");
    put_tag(store, "c", "{\"version\": ");
    QVT_FAILS(qv__list_tags(store, &tags, &err), QV_CORRUPT, "tag \"c\": _refs/tags/c.json: not JSON");
    qv__store_unref(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),     cmocka_unit_test(test_fragments), cmocka_unit_test(test_files),
        cmocka_unit_test(test_flags),    cmocka_unit_test(test_formats),   cmocka_unit_test(test_schema),
        cmocka_unit_test(test_head),     cmocka_unit_test(test_frame),     cmocka_unit_test(test_damage),
        cmocka_unit_test(test_versions), cmocka_unit_test(test_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
