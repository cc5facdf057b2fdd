/* The rows that indices are built from: all of them, or an even sample; deleted ones are left out. */
#include "base/alloc.h"
#include "index/index_private.h"
#include "qvt.h"
#include "qvt_table.h"

static qv_error err;

typedef struct seen {
    size_t n;
    uint64_t rows[4096];
    int64_t ids[4096];
} seen;

static void drain(qv__stream *stream, seen *out)
{
    qv__array *batch;

    out->n = 0;
    for (;;) {
        QVT_OK(stream->next(stream, &batch, &err));
        if (!batch)
            break;
        const int64_t *ids = qv__array_values(batch->children[0]);
        const uint64_t *rows = qv__array_values(batch->children[1]);
        for (int64_t i = 0; i < batch->length; i++) {
            assert_true(out->n < QV_COUNT_OF(out->rows));
            out->ids[out->n] = ids[i];
            out->rows[out->n++] = rows[i];
        }
        qv__array_unref(batch);
    }
    qv__stream_free(stream);
}

/* Fragments of 700, 1 and 1,300 rows; ids are 0 .. 2,000 in storage order. */
static qv__snapshot *make_table(qv__store *store)
{
    static const int64_t sizes[] = { 700, 1, 1300 };
    qv__write options = { .create = true };
    qv__snapshot *s = NULL, *next;
    int64_t first = 0;

    for (size_t i = 0; i < QV_COUNT_OF(sizes); i++) {
        QVT_OK(qvt_table_write(store, s, &options, first, sizes[i], &next, &err));
        qv__snapshot_unref(s);
        s = next;
        first += sizes[i];
        options.create = false;
    }
    return s;
}

static void test_samples(void **state)
{
    QV_UNUSED(state);
    static seen all, some, again;
    qv__store *store;
    qv__indexed_field field;
    qv__stream *stream;
    const bool wanted[] = { true, false, true };

    QVT_OK(qv__store_open("memory://", true, &store, &err));
    qv__snapshot *s = make_table(store);
    QVT_OK(qv__field_by_path(s, "id", &field, &err));
    qv__row_source source = { s, &field, wanted, true, false };
    QVT_OK(qv__row_source_open(&source, &stream, &err));
    drain(stream, &all);
    assert_int_equal(all.n, 2000);

    QVT_OK(qv__row_source_sample(&source, 5000, 1, &stream, &err)); /* more than there are: all */
    drain(stream, &some);
    assert_int_equal(some.n, all.n);
    assert_memory_equal(some.rows, all.rows, all.n * sizeof *all.rows);

    for (uint64_t n = 1; n < 2000; n = n * 3 + 1) {
        QVT_OK(qv__row_source_sample(&source, n, n, &stream, &err));
        drain(stream, &some);
        QVT_OK(qv__row_source_sample(&source, n, n, &stream, &err));
        drain(stream, &again);
        assert_int_equal(some.n, n);
        assert_memory_equal(some.rows, again.rows, n * sizeof *some.rows);
        for (size_t i = 0; i < some.n; i++) {
            uint64_t fragment = some.rows[i] >> 32, at = some.rows[i] & UINT32_MAX;
            int64_t position = (int64_t) (fragment ? 700 + at : at);
            assert_true(fragment == 0 || fragment == 2);
            assert_int_equal(some.ids[i], fragment ? position + 1 : position);
            assert_true(position >= (int64_t) (i * 2000 / n) && position < (int64_t) ((i + 1) * 2000 / n));
        }
    }
    qv__indexed_field_clear(&field);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_samples) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
