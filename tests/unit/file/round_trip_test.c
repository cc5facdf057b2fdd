/* What the writer stores, the reader gives back: random types, nested and rough in layout, in all versions and profiles, cut
 * into batches and pages of random size; and the sizes where chunks and groups end. */
#include "qvt_arrays.h"

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "file/file.h"

typedef struct sheet {
    qv__schema *schema;
    qv__array *batch;
} sheet;

/* One column of the type. */
static sheet make_sheet(qvt_rng *rng, qv__type *type, int64_t rows, double null_share)
{
    qv_error err;
    sheet s;
    qv__field field = { 0 };
    qv__array *column = qvt_random_array(rng, type, rows, null_share);
    QVT_OK(qv__field_init(&field, "x", type, true, &err));
    field.id = -1;
    QVT_OK(qv__schema_new(&field, 1, NULL, &s.schema, &err));
    QVT_OK(qv__batch_new(s.schema, &column, rows, &s.batch, &err));
    qv__field_clear(&field);
    qv__array_unref(column);
    return s;
}

static void free_sheet(sheet *s)
{
    qv__array_unref(s->batch);
    qv__schema_unref(s->schema);
}

/* Rows [start, start + n) of a batch. */
static qv__array *part(const qv__array *batch, int64_t start, int64_t n)
{
    qv_error err;
    qv__array *out;
    QVT_OK(qv__array_slice(batch, start, n, &out, &err));
    return out;
}

static qv_status write_sheet(qv__store *store, const sheet *s, const qv__writer_options *options, int64_t step,
                             qv_error *err)
{
    qv_status st = QV_OK;
    qv__file_writer *writer = NULL;
    QV_CHECK(qv__file_writer_open(store, "f.lance", s->schema, options, &writer, err));
    for (int64_t at = 0; at < s->batch->length; at += step) {
        qv__array *batch = part(s->batch, at, QV_MIN(step, s->batch->length - at));
        st = qv__file_writer_write(writer, batch, err);
        qv__array_unref(batch);
        if (st != QV_OK)
            goto done;
    }
    QV_CHECK(qv__file_writer_finish(writer, NULL, err));
done:
    qv__file_writer_free(writer);
    return st;
}

static void no_problem(void *ctx, const char *object, const char *what)
{
    QV_UNUSED(ctx);
    fail_msg("%s: %s", object, what);
}

static void check_sheet(qvt_rng *rng, qv__store *store, const sheet *s)
{
    qv_error err;
    qv__file *file;
    qv__column *column;
    qv__array *back;
    qv__job job;
    uint64_t rows = (uint64_t) s->batch->length;
    QVT_OK(qv__file_open(store, "f.lance", &file, &err));
    assert_int_equal(qv__file_rows(file), rows);
    qv__job_begin(&job, NULL, "verify", rows);
    qv_status st = qv__file_verify(file, no_problem, NULL, &job, &err);
    qv__job_end(&job, st);
    QVT_OK(st);
    QVT_OK(qv__column_open(file, &qv__file_schema(file)->fields[0], NULL, &column, &err));
    for (unsigned k = 0; k < 3; k++) {
        uint64_t start = k && rows ? qvt_rng_below(rng, rows) : 0;
        uint64_t n = k && rows ? qvt_rng_below(rng, rows - start + 1) : rows;
        QVT_OK(qv__column_read(column, start, n, &back, &err));
        assert_int_equal(back->length, n);
        qvt_check_layout(back);
        qvt_same_values(s->batch->children[0], s->batch->offset + (int64_t) start, back, 0, (int64_t) n);
        qv__array_unref(back);
    }
    qv__column_free(column);
    qv__file_unref(file);
}

/* Types and null structs that a version refuses are refused by name; everything else comes back. */
static bool round_trip(qvt_rng *rng, const sheet *s, uint16_t minor, qv__file_profile profile)
{
    qv_error err;
    qv__store *store;
    static const size_t pages[] = { 0, 300, 3000, 30000 };
    qv__writer_options options = { { 2, minor }, profile, 0, 1 + (unsigned) qvt_rng_below(rng, 3) };
    options.page_bytes = pages[qvt_rng_below(rng, 4)];
    int64_t step = qvt_rng_below(rng, 2) ? s->batch->length + 1 : 1 + (int64_t) qvt_rng_below(rng, 500);
    /* QVT_KEEP names a folder where the last file stays for a look */
    QVT_OK(qv__store_open(getenv("QVT_KEEP") ? getenv("QVT_KEEP") : "memory://", true, &store, &err));
    qv_status st = write_sheet(store, s, &options, step, &err);
    if (st == QV_OK)
        check_sheet(rng, store, s);
    else if (st != QV_UNSUPPORTED)
        fail_msg("%s: %s", qv_status_name(st), err.message);
    qv__store_unref(store);
    return st == QV_OK;
}

static void random_types(void **state)
{
    QV_UNUSED(state);
    qvt_rng rng = qvt_rng_seeded();
    size_t before = qv_memory().live_blocks, stored = 0;
    for (unsigned k = 0; k < 400; k++) {
        static const int64_t sizes[] = { 0, 1, 2, 7, 100, 1023, 1025, 3000 };
        static const double shares[] = { 0, 0.1, 0.9, 1 };
        char text[300];
        bool with_dictionaries = k % 4 == 0;
        qv__type *type = qvt_random_type(&rng, (int) qvt_rng_below(&rng, 4), with_dictionaries);
        sheet s = make_sheet(&rng, type, sizes[qvt_rng_below(&rng, 8)], shares[qvt_rng_below(&rng, 4)]);
        if (getenv("QVT_VERBOSE"))
            print_message("%u: %s, %lld rows\n", k, qv__type_print(type, text, sizeof text),
                          (long long) s.batch->length);
        for (uint16_t minor = 0; minor <= 2; minor++)
            for (int profile = QV_FILE_DEFAULT; profile <= QV_FILE_BARE; profile++)
                stored += round_trip(&rng, &s, minor, profile);
        free_sheet(&s);
        qv__type_unref(type);
    }
    assert_true(stored > 1000); /* most of 3600 */
    assert_int_equal(qv_memory().live_blocks, before);
}

/* Lists of which nearly all are empty: more levels than a chunk can count. */
static void sparse_lists(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    qvt_rng rng = qvt_rng_seeded();
    enum { ROWS = 200000 };
    qv__type *item = qvt_type(QV_TYPE_INT32, 0, 0), *inner = qvt_list_type(QV_TYPE_LIST, item, 0),
             *type = qvt_list_type(QV_TYPE_LIST, inner, 0);
    for (unsigned shape = 0; shape < 2; shape++) {
        /* shape 0: [[v]] in one row of 5000, else []; shape 1: one row of 200000 empty lists and a value in the last */
        qv__array *values, *lists, *column, *batch;
        qv__schema *schema;
        qv__field field = { 0 };
        int64_t rows = shape ? 1 : ROWS, n_inner = shape ? ROWS : ROWS / 5000, n_values = shape ? 1 : n_inner;
        uint8_t *to;
        values = qvt_random_array(&rng, item, n_values, 0);
        QVT_OK(qv__array_new(inner, n_inner, 1, &lists, &err));
        QVT_OK(qv__bytes_new((size_t) (n_inner + 1) * 4, &lists->buffers[1], &to, &err));
        for (int64_t i = 0; i <= n_inner; i++)
            ((int32_t *) to)[i] = (int32_t) (shape ? i == n_inner : i);
        lists->children[0] = values;
        QVT_OK(qv__array_new(type, rows, 1, &column, &err));
        QVT_OK(qv__bytes_new((size_t) (rows + 1) * 4, &column->buffers[1], &to, &err));
        for (int64_t i = 0; i <= rows; i++)
            ((int32_t *) to)[i] = (int32_t) (shape ? i * n_inner : i / 5000);
        column->children[0] = lists;
        QVT_OK(qv__field_init(&field, "x", type, true, &err));
        field.id = -1;
        QVT_OK(qv__schema_new(&field, 1, NULL, &schema, &err));
        QVT_OK(qv__batch_new(schema, &column, rows, &batch, &err));
        sheet s = { schema, batch };
        for (uint16_t minor = 0; minor <= 2; minor++)
            assert_true(round_trip(&rng, &s, minor, QV_FILE_DEFAULT));
        free_sheet(&s);
        qv__array_unref(column);
        qv__field_clear(&field);
    }
    qv__type_unref(type);
    qv__type_unref(inner);
    qv__type_unref(item);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_types),
        cmocka_unit_test(sparse_lists),
    };
    if (getenv("QVT_ONLY"))
        cmocka_set_test_filter(getenv("QVT_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
