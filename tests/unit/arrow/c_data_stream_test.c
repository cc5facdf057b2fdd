/* Streams both ways: batches and schema arrive, errors keep their words, every end is reached once. */
#include "arrow/c_data.h"

#include <errno.h>

#include "base/alloc.h"
#include "qvt_arrays.h"

static qv_error err;

static qv__schema *make_schema(void)
{
    qv__type *text = qvt_type(QV_TYPE_UTF8, 0, 0), *number = qvt_type(QV_TYPE_INT32, 0, 0);
    qv__type *list = qvt_list_type(QV_TYPE_LIST, number, 0);
    qv__field fields[2];
    qv__metadata metadata = { 0 };
    qv__schema *schema;

    QVT_OK(qv__field_init(&fields[0], "name", text, true, &err));
    QVT_OK(qv__field_init(&fields[1], "list", list, true, &err));
    QVT_OK(qv__metadata_set(&metadata, "k", "v", 1, &err));
    QVT_OK(qv__schema_new(fields, 2, &metadata, &schema, &err));
    qv__metadata_clear(&metadata);
    qv__field_clear(&fields[0]);
    qv__field_clear(&fields[1]);
    qv__type_unref(text);
    qv__type_unref(number);
    qv__type_unref(list);
    return schema;
}

static qv__array *make_batch(qvt_rng *rng, const qv__schema *schema, int64_t length)
{
    qv__array *columns[2], *batch;

    for (int i = 0; i < 2; i++)
        columns[i] = qvt_random_array(rng, schema->fields[i].type, length, 0.3);
    QVT_OK(qv__batch_new(schema, columns, length, &batch, &err));
    qv__array_unref(columns[0]);
    qv__array_unref(columns[1]);
    return batch;
}

static void batches_pass_through(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    size_t before = qv_memory().live_blocks;
    qv__schema *schema = make_schema();
    qv__array *batches[3], *out;
    qv__stream *stream;
    struct ArrowArrayStream c;

    (void) state;
    for (int i = 0; i < 3; i++)
        batches[i] = make_batch(&rng, schema, 10 * i);
    QVT_OK(qv__stream_of(schema, batches, 3, &stream, &err));
    QVT_OK(qv__export_stream(stream, &c, &err));
    assert_null(c.get_last_error(&c));
    QVT_OK(qv__import_stream(&c, &stream, &err));
    assert_null(c.release);
    assert_true(qv__schema_equal(stream->schema, schema));
    assert_string_equal(qv__metadata_get(&stream->schema->metadata, "k", NULL), "v");
    for (int i = 0; i < 3; i++) {
        QVT_OK(stream->next(stream, &out, &err));
        assert_int_equal(out->length, 10 * i);
        assert_int_equal(out->offset, 0);
        assert_ptr_equal(out->type, stream->schema->type);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(out->children[k]->length, 10 * i);
            qvt_same_values(out->children[k], 0, batches[i]->children[k], 0, 10 * i);
        }
        qv__array_unref(out);
        qv__array_unref(batches[i]);
    }
    for (int i = 0; i < 2; i++) {
        QVT_OK(stream->next(stream, &out, &err));
        assert_null(out);
    }
    qv__stream_free(stream);
    qv__schema_unref(schema);
    assert_int_equal(qv_memory().live_blocks, before);
}

/* A batch that is a slice arrives with offset 0 and columns of its own length. */
static void sliced_batches_are_rebased(void **state)
{
    qvt_rng rng = { 4 };
    qv__schema *schema = make_schema();
    qv__array *batch = make_batch(&rng, schema, 100), *sliced, *out;
    qv__stream *stream;
    struct ArrowArrayStream c;

    (void) state;
    QVT_OK(qv__array_new(schema->type, 30, 2, &sliced, &err));
    sliced->offset = 45;
    sliced->children[0] = qv__array_ref(batch->children[0]);
    sliced->children[1] = qv__array_ref(batch->children[1]);
    QVT_OK(qv__stream_of(schema, &sliced, 1, &stream, &err));
    QVT_OK(qv__export_stream(stream, &c, &err));
    struct ArrowArray exported; /* what leaves has no offset either: consumers refuse batches that have one */
    assert_int_equal(c.get_next(&c, &exported), 0);
    assert_int_equal(exported.offset, 0);
    assert_int_equal(exported.length, 30);
    assert_int_equal(exported.children[0]->length, 30);
    exported.release(&exported);
    c.release(&c);
    QVT_OK(qv__stream_of(schema, &sliced, 1, &stream, &err));
    QVT_OK(qv__export_stream(stream, &c, &err));
    QVT_OK(qv__import_stream(&c, &stream, &err));
    QVT_OK(stream->next(stream, &out, &err));
    assert_int_equal(out->length, 30);
    assert_int_equal(out->offset, 0);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(out->children[k]->length, 30);
        qvt_same_values(out->children[k], 0, batch->children[k], 45, 30);
    }
    qv__array_unref(out);
    qv__stream_free(stream);
    qv__array_unref(sliced);
    qv__array_unref(batch);
    qv__schema_unref(schema);
}

/* ---- a producer that fails */

static int fail_code, fail_in_schema, next_calls;
static bool with_words;
static const uint8_t one_null = 0xfe;

static void free_schema(struct ArrowSchema *c) { c->release = NULL; }
static void free_array(struct ArrowArray *c) { c->release = NULL; }
static void free_stream(struct ArrowArrayStream *c) { c->release = NULL; }

static int give_schema(struct ArrowArrayStream *c, struct ArrowSchema *out)
{
    (void) c;
    if (fail_in_schema)
        return fail_code;
    *out = (struct ArrowSchema){ .format = "+s", .release = free_schema };
    return 0;
}

static int give_batch(struct ArrowArrayStream *c, struct ArrowArray *out)
{
    static const void *buffers[] = { &one_null };

    (void) c;
    next_calls++;
    if (fail_code)
        return fail_code;
    *out = (struct ArrowArray){ .length = 1, .n_buffers = 1, .buffers = buffers, .release = free_array };
    return 0;
}

static const char *give_words(struct ArrowArrayStream *c)
{
    (void) c;
    return with_words ? "disk on fire" : NULL;
}

static qv_status run_failing(int code, bool in_schema, bool words)
{
    struct ArrowArrayStream c = { give_schema, give_batch, give_words, free_stream, NULL };
    qv__stream *stream;
    qv__array *out;

    fail_code = code;
    fail_in_schema = in_schema;
    with_words = words;
    next_calls = 0;
    qv_status st = qv__import_stream(&c, &stream, &err);
    assert_null(c.release);
    if (st != QV_OK)
        return st;
    st = stream->next(stream, &out, &err);
    assert_int_equal(stream->next(stream, &out, &err), st); /* it stays failed, and is not asked again */
    assert_int_equal(next_calls, 1);
    qv__stream_free(stream);
    return st;
}

static void a_producers_error_keeps_its_words(void **state)
{
    static const struct {
        int code;
        qv_status status;
    } codes[] = {
        { EINVAL, QV_INVALID }, { ENOMEM, QV_NOMEM }, { ECANCELED, QV_CANCELLED }, { EIO, QV_IO }, { ENOENT, QV_IO },
    };
    size_t before = qv_memory().live_blocks;

    (void) state;
    for (size_t i = 0; i < QV_COUNT_OF(codes); i++) {
        QVT_FAILS(run_failing(codes[i].code, false, true), codes[i].status, "next batch failed: disk on fire");
        assert_int_equal(err.sys_errno, codes[i].status == QV_IO ? codes[i].code : 0);
        QVT_FAILS(run_failing(codes[i].code, true, true), codes[i].status, "schema failed: disk on fire");
        QVT_FAILS(run_failing(codes[i].code, false, false), codes[i].status, strerror(codes[i].code));
    }
    QVT_FAILS(run_failing(0, false, false), QV_INVALID, "batch: 1 rows are null as a whole");
    assert_int_equal(qv_memory().live_blocks, before);
}

static void released_and_hollow_streams_are_refused(void **state)
{
    struct ArrowArrayStream c = { 0 };
    qv__stream *stream;

    (void) state;
    QVT_FAILS(qv__import_stream(&c, &stream, &err), QV_INVALID, "the Arrow stream was released before");
    c.release = free_stream;
    QVT_FAILS(qv__import_stream(&c, &stream, &err), QV_INVALID, "lacks get_schema or get_next");
    assert_null(c.release);
}

/* ---- our own failures, seen by a consumer */

static qv_status own_status;

static qv_status own_next(qv__stream *stream, qv__array **out, qv_error *e)
{
    (void) stream;
    *out = NULL;
    return qv__fail(e, own_status, "row 7 went wrong");
}

static void own_destroy(qv__stream *stream)
{
    qv__schema_unref(stream->schema);
    qv__free(stream);
}

static void own_errors_reach_the_consumer(void **state)
{
    static const struct {
        qv_status status;
        int code;
    } codes[] = {
        { QV_INVALID, EINVAL },    { QV_SCHEMA, EINVAL }, { QV_NOMEM, ENOMEM }, { QV_CANCELLED, ECANCELED },
        { QV_TIMEOUT, ETIMEDOUT }, { QV_CORRUPT, EIO },   { QV_IO, EIO },       { QV_UNSUPPORTED, ENOSYS },
        { QV_NOT_FOUND, ENOENT },
    };

    (void) state;
    for (size_t i = 0; i < QV_COUNT_OF(codes); i++) {
        struct ArrowArrayStream c;
        struct ArrowArray array;
        qv__stream *stream = NULL;
        QVT_OK(QV_NEW(&stream, 1, &err));
        *stream = (qv__stream){ make_schema(), own_next, own_destroy };
        own_status = codes[i].status;
        QVT_OK(qv__export_stream(stream, &c, &err));
        assert_int_equal(c.get_next(&c, &array), codes[i].code);
        assert_string_equal(c.get_last_error(&c), "row 7 went wrong");
        assert_int_equal(c.get_next(&c, &array), codes[i].code);
        c.release(&c);
        assert_null(c.release);
    }
}

static qv_status pass_through(qv__schema *schema, qv__array *batch)
{
    qv__stream *stream = NULL;
    struct ArrowArrayStream c = { 0 };
    qv__array *out = NULL;
    qv_status st;

    QV_TRY(qv__stream_of(schema, &batch, 1, &stream, &err));
    QV_TRY(qv__export_stream(stream, &c, &err));
    QV_TRY(qv__import_stream(&c, &stream, &err));
    st = stream->next(stream, &out, &err);
    qv__array_unref(out);
    qv__stream_free(stream);
    return st;
}

static void each_failed_allocation_unwinds(void **state)
{
    qvt_rng rng = { 11 };
    qv__schema *schema = make_schema();
    qv__array *batch = make_batch(&rng, schema, 10);
    size_t before = qv_memory().live_blocks;

    (void) state;
    for (uint64_t n = 0;; n++) {
        qv__alloc_fail_at(n);
        qv_status st = pass_through(schema, batch);
        bool fired = qv__alloc_fault_fired();
        qv__alloc_fail_at(UINT64_MAX);
        assert_int_equal(qv_memory().live_blocks, before);
        if (!fired) {
            assert_int_equal(st, QV_OK);
            break;
        }
        assert_true(st == QV_NOMEM || st == QV_OK);
    }
    qv__array_unref(batch);
    qv__schema_unref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_pass_through),
        cmocka_unit_test(sliced_batches_are_rebased),
        cmocka_unit_test(a_producers_error_keeps_its_words),
        cmocka_unit_test(released_and_hollow_streams_are_refused),
        cmocka_unit_test(own_errors_reach_the_consumer),
        cmocka_unit_test(each_failed_allocation_unwinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
