/* What a file must not be: damaged footers, tables, descriptors and metadata are refused with a name for what is wrong; unknown
 * versions and encodings are told apart from damage. And every allocation and read may fail. */
#include "base/alloc.h"
#include "base/bytes.h"
#include "file/file.h"
#include "qvt.h"
#include "qvt_trial.h"

static qv_error err;
static qv__store *disk, *memory;
static uint8_t bytes[1 << 20];
static size_t len;

static int open_stores(void **state)
{
    (void) state;
    return qv__store_open(QVT_SOURCE_DIR "/tests/golden/file", false, &disk, &err) != QV_OK ||
           qv__store_open("memory://", true, &memory, &err) != QV_OK;
}

static int close_stores(void **state)
{
    (void) state;
    qv__store_unref(disk);
    qv__store_unref(memory);
    return 0;
}

static void load(const char *name)
{
    qv__bytes whole;

    QVT_OK(qv__store_get(disk, name, sizeof bytes, &whole, &err));
    memcpy(bytes, whole.data, whole.len);
    len = whole.len;
    qv__bytes_unref(&whole);
}

static qv_status open_bytes(qv__file **out)
{
    QVT_OK(qv__store_put(memory, "x.lance", bytes, len, QV_PUT_REPLACE, &err));
    return qv__file_open(memory, "x.lance", out, &err);
}

static void set_u16(size_t from_end, uint16_t value) { qv__store_u16(bytes + len - from_end, value); }
static void set_u64(size_t from_end, uint64_t value) { qv__store_u64(bytes + len - from_end, value); }

static void versions_are_named(void **state)
{
    (void) state;
    qv__file *file = NULL;

    load("vectors_22.lance");
    QVT_OK(open_bytes(&file));
    assert_int_equal(qv__file_version_of(file).minor, 2);
    qv__file_unref(file);
    set_u16(6, 3);
    QVT_FAILS(open_bytes(&file), QV_UNSUPPORTED, "version 2.3");
    set_u16(8, 0);
    set_u16(6, 2);
    QVT_FAILS(open_bytes(&file), QV_UNSUPPORTED, "version 0.1 (footer 0.2)");
    set_u16(8, 7);
    QVT_FAILS(open_bytes(&file), QV_UNSUPPORTED, "version 7.2");
    load("vectors_20.lance");
    assert_int_equal(qv__load_u16(bytes + len - 6), 3);
    set_u16(8, 2);
    set_u16(6, 0); /* the other way to say 2.0 */
    QVT_OK(open_bytes(&file));
    assert_int_equal(qv__file_version_of(file).major, 2);
    assert_int_equal(qv__file_version_of(file).minor, 0);
    qv__file_unref(file);
}

static void damaged_footers_are_refused(void **state)
{
    (void) state;
    qv__file *file = NULL;
    uint64_t columns_at, table_at;

    QVT_FAILS(qv__file_open(memory, "none.lance", &file, &err), QV_NOT_FOUND, "none.lance");
    len = 39;
    QVT_FAILS(open_bytes(&file), QV_CORRUPT, "39 bytes");
    load("chunks_22.lance");
    bytes[len - 1] = 'X';
    QVT_FAILS(open_bytes(&file), QV_CORRUPT, "LANC");
    load("chunks_22.lance");
    columns_at = qv__load_u64(bytes + len - 40);
    table_at = qv__load_u64(bytes + len - 32);
    set_u64(40, table_at + 1);
    QVT_FAILS(open_bytes(&file), QV_CORRUPT, "footer");
    set_u64(40, columns_at);
    set_u64(32, UINT64_MAX - 8);
    QVT_FAILS(open_bytes(&file), QV_CORRUPT, "footer");
    load("chunks_22.lance");
    qv__store_u32(bytes + len - 12, UINT32_MAX); /* columns */
    QVT_FAILS(open_bytes(&file), QV_CORRUPT, "4294967295 columns");
    load("chunks_22.lance");
    qv__store_u32(bytes + len - 16, 0); /* global buffers */
    QVT_FAILS(open_bytes(&file), QV_CORRUPT, "no global buffer");
    load("chunks_22.lance");
    qv__store_u64(bytes + table_at, columns_at - 8); /* column 0 before the area */
    QVT_FAILS(open_bytes(&file), QV_CORRUPT, "column 0");
    load("chunks_22.lance");
    qv__store_u64(bytes + table_at + 8, UINT64_MAX);
    QVT_FAILS(open_bytes(&file), QV_CORRUPT, "column 0");
    load("chunks_22.lance");
    uint64_t global_at = qv__load_u64(bytes + len - 24);
    qv__store_u64(bytes + global_at, qv__load_u64(bytes + global_at) - 8);
    QVT_FAILS(open_bytes(&file), QV_CORRUPT, "64-byte aligned");
    load("chunks_22.lance");
    qv__store_u64(bytes + global_at + 8, (uint64_t) 1 << 40);
    QVT_FAILS(open_bytes(&file), QV_CORRUPT, "outside the data area");
    assert_null(file);
}

/* Every prefix of a file, and every file with one byte of its metadata changed, opens or fails; nothing else. */
static void any_cut_and_any_flip_is_survived(void **state)
{
    (void) state;
    size_t n_opened = 0, n_refused = 0;

    load("vectors_22.lance");
    size_t whole = len, metadata = whole - (size_t) qv__load_u64(bytes + len - 40);
    for (size_t cut = 0; cut < whole; cut += cut < 64 ? 1 : 997) {
        qv__file *file = NULL;
        len = cut;
        assert_int_not_equal(open_bytes(&file), QV_OK);
        assert_null(file);
    }
    len = whole;
    for (size_t at = whole - metadata; at < whole; at += 7) {
        qv__file *file = NULL;
        uint8_t old = bytes[at];
        bytes[at] ^= (uint8_t) (1u << (at % 8));
        qv_status st = open_bytes(&file);
        bytes[at] = old;
        n_opened += st == QV_OK;
        n_refused += st != QV_OK;
        assert_true(st == QV_OK || st == QV_CORRUPT || st == QV_UNSUPPORTED || st == QV_NOMEM);
        qv__file_unref(file);
    }
    assert_true(n_opened > 0 && n_refused > 0);
}

static void on_problem(void *ctx, const char *object, const char *what)
{
    (void) what;
    assert_string_equal(object, "x.lance");
    ++*(int *) ctx;
}

static void the_verifier_tells_damage(void **state)
{
    (void) state;
    qv__file *file = NULL;
    int problems = 0;

    load("chunks_22.lance");
    QVT_OK(open_bytes(&file));
    QVT_OK(qv__file_verify(file, on_problem, &problems, NULL, &err));
    assert_int_equal(problems, 0);
    qv__file_unref(file);
    memset(bytes, 0xff, 4096); /* the first pages */
    QVT_OK(open_bytes(&file));
    QVT_OK(qv__file_verify(file, on_problem, &problems, NULL, &err));
    assert_true(problems > 0);
    qv__file_unref(file);
}

static void fields_that_the_file_lacks_are_told(void **state)
{
    (void) state;
    qv__file *file = NULL;
    qv__column *column = NULL;
    qv__field field;
    int32_t id = 77, number = 0, far = 1000;

    load("chunks_21.lance");
    QVT_OK(open_bytes(&file));
    QVT_OK(qv__field_copy(&field, &qv__file_schema(file)->fields[0], &err));
    field.id = 78;
    QVT_FAILS(qv__column_open(file, &field, &(qv__column_map){ &id, &number, 1 }, &column, &err), QV_NOT_FOUND,
              "field \"i\"");
    field.id = 77;
    QVT_FAILS(qv__column_open(file, &field, &(qv__column_map){ &id, &far, 1 }, &column, &err), QV_CORRUPT,
              "column 1000");
    QVT_OK(qv__column_open(file, &field, &(qv__column_map){ &id, &number, 1 }, &column, &err));
    qv__column_free(column);
    number = 3; /* the strings' column */
    QVT_FAILS(qv__column_open(file, &field, &(qv__column_map){ &id, &number, 1 }, &column, &err), QV_CORRUPT, "int64");
    qv__field_clear(&field);
    qv__file_unref(file);
}

/* ------------------------------------------------------------------ failures in turn */

typedef struct trial {
    const char *name;
    size_t field;
    qv__file *file;
} trial;

static void prepare_nothing(void *ctx) { (void) ctx; }
static qv_status act_open(void *ctx, qv_error *e)
{
    trial *t = ctx;

    return qv__file_open(disk, t->name, &t->file, e);
}
static void check_close(void *ctx, qv_status st)
{
    trial *t = ctx;

    assert_int_equal(st == QV_OK, t->file != NULL);
    qv__file_unref(t->file);
    t->file = NULL;
}

static void prepare_file(void *ctx)
{
    trial *t = ctx;

    QVT_OK(qv__file_open(disk, t->name, &t->file, &err));
}

static qv_status act_column(void *ctx, qv_error *e)
{
    qv_status st = QV_OK;
    trial *t = ctx;
    qv__column *column = NULL;
    qv__array *array = NULL;
    uint64_t rows = qv__file_rows(t->file), picked[] = { rows - 1, 0, rows / 2, 0 };

    QV_CHECK(qv__column_open(t->file, &qv__file_schema(t->file)->fields[t->field], NULL, &column, e));
    QV_CHECK(qv__column_read(column, 1, rows - 1, &array, e));
    qv__array_unref(array);
    array = NULL;
    QV_CHECK(qv__column_take(column, picked, 4, &array, e));
done:
    qv__array_unref(array);
    qv__column_free(column);
    return st;
}

static void check_file(void *ctx, qv_status st)
{
    (void) st;
    qv__file_unref(((trial *) ctx)->file);
    ((trial *) ctx)->file = NULL;
}

static void failures_unwind(void **state)
{
    (void) state;
    static const char *const names[] = { "blob_20.lance",    "nested_20.lance",  "strings_20.lance", "blob_21.lance",
                                         "nested_21.lance",  "vectors_21.lance", "blob_22.lance",    "nested_22.lance",
                                         "strings_22.lance", "scalars_22.lance" };

    for (size_t i = 0; i < QV_COUNT_OF(names); i++) {
        trial t = { .name = names[i] };
        prepare_file(&t);
        size_t n_fields = qv__file_schema(t.file)->n_fields;
        check_file(&t, QV_OK);
        if (i == 0)
            qvt_fail_each(QVT_ALLOC, &(qvt_trial){ prepare_nothing, act_open, check_close, true }, &t);
        for (t.field = 0; t.field < n_fields; t.field++)
            qvt_fail_each(QVT_ALLOC, &(qvt_trial){ prepare_file, act_column, check_file, true }, &t);
        if (i == 0 || i == 6) /* blobs beside the file are opened as they are read */
            qvt_fail_each(QVT_IO, &(qvt_trial){ prepare_nothing, act_open, check_close, true }, &t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_named),
        cmocka_unit_test(damaged_footers_are_refused),
        cmocka_unit_test(any_cut_and_any_flip_is_survived),
        cmocka_unit_test(the_verifier_tells_damage),
        cmocka_unit_test(fields_that_the_file_lacks_are_told),
        cmocka_unit_test(failures_unwind),
    };
    return cmocka_run_group_tests(tests, open_stores, close_stores);
}
