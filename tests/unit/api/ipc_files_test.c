/* Arrow files by the public calls: what was written reads back; a failed write leaves the old file. */
#include "qvt_arrays.h"

#include "arrow/c_data.h"
#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "io/store.h"

static qv_error err;
static qvt_rng rng;

static qv__schema *make_schema(void)
{
    qv__type *type = qvt_random_type(&rng, 2, true);
    qv__field field;
    qv__schema *schema;

    QVT_OK(qv__field_init(&field, "a", type, true, &err));
    QVT_OK(qv__schema_new(&field, 1, NULL, &schema, &err));
    qv__field_clear(&field);
    qv__type_unref(type);
    return schema;
}

static qv__array *make_batch(const qv__schema *schema, int64_t rows)
{
    qv__array *column = qvt_random_array(&rng, schema->fields[0].type, rows, 0.2), *batch;

    QVT_OK(qv__batch_new(schema, &column, rows, &batch, &err));
    qv__array_unref(column);
    return batch;
}

static struct ArrowArrayStream exported(const qv__schema *schema, qv__array *batch)
{
    struct ArrowArrayStream data;
    qv__stream *stream;

    QVT_OK(qv__stream_of(schema, &batch, 1, &stream, &err));
    QVT_OK(qv__export_stream(stream, &data, &err));
    return data;
}

static void check_file(const char *path, const qv__array *expected)
{
    struct ArrowArrayStream data;
    qv__stream *stream;
    qv__array *batch;

    QVT_OK(qv_ipc_read(path, &data, &err));
    QVT_OK(qv__import_stream(&data, &stream, &err));
    QVT_OK(stream->next(stream, &batch, &err));
    assert_non_null(batch);
    assert_true(qv__array_equal(batch, expected));
    qv__array_unref(batch);
    QVT_OK(stream->next(stream, &batch, &err));
    assert_null(batch);
    qv__stream_free(stream);
}

static void round_trips(void **state)
{
    char path[5000];

    (void) state;
    for (int r = 0; r < 40; r++) {
        qv__schema *schema = make_schema();
        qv__array *batch = make_batch(schema, 20);
        struct ArrowArrayStream data = exported(schema, batch);

        snprintf(path, sizeof path, "%s/new folder/a%d.arrow", qvt_temp_dir(), r % 3);
        QVT_OK(qv_ipc_write(path, r & 1, &data, NULL, &err));
        assert_null(data.release);
        check_file(path, batch);
        qv__array_unref(batch);
        qv__schema_unref(schema);
    }
}

static void failures_keep_the_old_file(void **state)
{
    qv__schema *schema = make_schema();
    qv__array *old = make_batch(schema, 9), *new = make_batch(schema, 12);
    struct ArrowArrayStream data = exported(schema, old);
    char path[5000];

    (void) state;
    snprintf(path, sizeof path, "%s/kept.arrow", qvt_temp_dir());
    QVT_OK(qv_ipc_write(path, false, &data, NULL, &err));
    for (uint64_t n = 0;; n++) {
        data = exported(schema, new);
        qv__fault_arm(QV_FAULT_ERROR, n);
        qv_status st = qv_ipc_write(path, false, &data, NULL, &err);
        bool fired = qv__fault_fired();
        qv__fault_arm(QV_FAULT_NONE, 0);
        assert_null(data.release);
        if (!fired) {
            assert_int_equal(st, QV_OK);
            break;
        }
        struct ArrowArrayStream found;
        qv__stream *stream;
        qv__array *batch;
        QVT_OK(qv_ipc_read(path, &found, &err)); /* whole, and one of the two */
        QVT_OK(qv__import_stream(&found, &stream, &err));
        QVT_OK(stream->next(stream, &batch, &err));
        assert_true(qv__array_equal(batch, st == QV_OK ? new : old) || qv__array_equal(batch, new));
        qv__array_unref(batch);
        qv__stream_free(stream);
        if (st == QV_OK || qv__array_equal(old, new))
            continue;
        assert_int_equal(st, QV_IO);
        data = exported(schema, old);
        QVT_OK(qv_ipc_write(path, false, &data, NULL, &err));
    }
    check_file(path, new);
    qv__array_unref(old);
    qv__array_unref(new);
    qv__schema_unref(schema);
}

static void allocation_failures(void **state)
{
    qv__schema *schema = make_schema();
    qv__array *batch = make_batch(schema, 9);
    char path[5000];

    (void) state;
    snprintf(path, sizeof path, "%s/alloc.arrow", qvt_temp_dir());
    for (uint64_t n = 0;; n++) {
        struct ArrowArrayStream data = exported(schema, batch), back = { 0 };

        qv__alloc_fail_at(n);
        qv_status st = qv_ipc_write(path, true, &data, NULL, &err);
        if (st == QV_OK)
            st = qv_ipc_read(path, &back, &err);
        bool fired = qv__alloc_fault_fired();
        qv__alloc_fail_at(UINT64_MAX);
        assert_null(data.release);
        assert_true(st == QV_OK || (fired && st == QV_NOMEM));
        if (back.release)
            back.release(&back);
        if (!fired)
            break;
    }
    qv__array_unref(batch);
    qv__schema_unref(schema);
}

static void wrong_calls(void **state)
{
    struct ArrowArrayStream data = { 0 };
    char path[5000];

    (void) state;
    QVT_FAILS(qv_ipc_read("", &data, &err), QV_INVALID, "empty");
    QVT_FAILS(qv_ipc_read("/tmp/", &data, &err), QV_INVALID, "names a folder");
    snprintf(path, sizeof path, "%s/missing.arrow", qvt_temp_dir());
    QVT_FAILS(qv_ipc_read(path, &data, &err), QV_NOT_FOUND, "missing.arrow");
    QVT_FAILS(qv_ipc_read(path, NULL, &err), QV_INVALID, "NULL");
    QVT_FAILS(qv_ipc_write(path, false, &data, NULL, &err), QV_INVALID, "NULL or released");
    QVT_FAILS(qv_ipc_read(QVT_SOURCE_DIR "/tests/golden/ipc/make.py", &data, &err), QV_CORRUPT, "make.py");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(failures_keep_the_old_file),
        cmocka_unit_test(allocation_failures),
        cmocka_unit_test(wrong_calls),
    };
    rng = qvt_rng_seeded();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
