/* Vector indices of a table: made, extended by segments of one model, put together, built anew. */
#include "index/index_private.h"
#include "index/vector/vector_private.h"
#include "qvt.h"
#include "qvt_table.h"

static qv_error err;

static qv__snapshot *append(qv__store *store, qv__snapshot *s, int64_t first, int64_t n)
{
    qv__write options = { .create = !s };
    qv__snapshot *next;

    QVT_OK(qvt_table_write(store, s, &options, first, n, &next, &err));
    qv__snapshot_unref(s);
    return next;
}

static qv__snapshot *create(qv__store *store, qv__snapshot *s, const qv_index_options *options)
{
    qv__snapshot *next;

    QVT_OK(qv__index_create(store, s, "v", options, &next, &err));
    qv__snapshot_unref(s);
    return next;
}

static qv__snapshot *optimize(qv__store *store, qv__snapshot *s, const qv_index_merge_options *options)
{
    qv__snapshot *next;

    QVT_OK(qv__index_optimize(store, s, options, &next, &err));
    if (!next)
        return s;
    qv__snapshot_unref(s);
    return next;
}

/* Rows of each segment; fails unless they all have the model of the first. */
static size_t segment_rows(qv__snapshot *s, uint64_t *rows)
{
    const qv__index_entry *entries;
    qv__open_segment *first = NULL, *opened;
    qv__indexed_field field;
    size_t n;

    QVT_OK(qv__field_by_path(s, "v", &field, &err));
    QVT_OK(qv__snapshot_indices(s, &entries, &n, &err));
    for (size_t i = 0; i < n; i++) {
        QVT_OK(qv__segment_open_alone(s, &entries[i], qv__entry_kind(&entries[i]), field.leaf->type, &opened, &err));
        const qv__vector_model *m = qv__vector_segment_model((qv__vector_segment *) opened->segment);
        rows[i] = qv__vector_segment_rows((qv__vector_segment *) opened->segment);
        if (!first) {
            first = opened;
            continue;
        }
        const qv__vector_model *own = qv__vector_segment_model((qv__vector_segment *) first->segment);
        assert_int_equal(m->n_lists, own->n_lists);
        assert_memory_equal(m->centroids, own->centroids, m->n_lists * m->dim * sizeof(float));
        qv__open_segment_unref(opened);
    }
    qv__open_segment_unref(first);
    qv__indexed_field_clear(&field);
    return n;
}

static void on_problem(void *ctx, const char *object, const char *what)
{
    QV_UNUSED(ctx);
    print_error("%s: %s\n", object, what);
    fail();
}

static void expect_rows(qv__snapshot *s, const uint64_t *wanted, size_t n)
{
    uint64_t rows[16];
    qv__job job;

    assert_int_equal(segment_rows(s, rows), n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(rows[i], wanted[i]);
    qv__job_begin(&job, NULL, "verify", 0);
    QVT_OK(qv__index_verify(s, on_problem, NULL, &job, &err));
    qv__job_end(&job, QV_OK);
}

static void test_segments(void **state)
{
    QV_UNUSED(state);
    qv__store *store;
    qv__snapshot *s;
    qv_index_options options = QV_INDEX_OPTIONS_INIT;
    qv_index_merge_options merge = QV_INDEX_MERGE_OPTIONS_INIT;

    QVT_OK(qv__store_open("memory://", true, &store, &err));
    s = append(store, NULL, 0, 2000);
    s = create(store, s, &options); /* AUTO: a column of vectors */
    expect_rows(s, (const uint64_t[]){ 2000 }, 1);
    s = append(store, s, 2000, 100); /* little: a segment of its own */
    s = optimize(store, s, &merge);
    expect_rows(s, (const uint64_t[]){ 2000, 100 }, 2);
    s = append(store, s, 2100, 50); /* put together with what is not much larger */
    s = optimize(store, s, &merge);
    expect_rows(s, (const uint64_t[]){ 2000, 150 }, 2);
    s = optimize(store, s, &merge); /* nothing to do */
    expect_rows(s, (const uint64_t[]){ 2000, 150 }, 2);
    merge.merge_segments = 0;
    s = append(store, s, 2150, 400);
    s = optimize(store, s, &merge);
    expect_rows(s, (const uint64_t[]){ 2000, 150, 400 }, 3);
    merge.merge_segments = 2;
    s = optimize(store, s, &merge);
    expect_rows(s, (const uint64_t[]){ 2000, 550 }, 2);
    merge.merge_segments = -1;
    s = append(store, s, 2550, 50);
    s = optimize(store, s, &merge);
    expect_rows(s, (const uint64_t[]){ 2000, 550, 50 }, 3);
    merge.retrain = true;
    s = optimize(store, s, &merge);
    expect_rows(s, (const uint64_t[]){ 2600 }, 1);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

/* Registered without rows, trained when it is extended. */
static void test_untrained(void **state)
{
    QV_UNUSED(state);
    qv__store *store;
    qv__snapshot *s;
    qv_index_options options = QV_INDEX_OPTIONS_INIT;
    qv_index_merge_options merge = QV_INDEX_MERGE_OPTIONS_INIT;

    QVT_OK(qv__store_open("memory://", true, &store, &err));
    s = append(store, NULL, 0, 600);
    options.kind = QV_INDEX_IVF_SQ;
    options.metric = QV_METRIC_COSINE;
    options.untrained = true;
    s = create(store, s, &options);
    s = optimize(store, s, &merge);
    uint64_t rows[16];
    assert_int_equal(segment_rows(s, rows), 1);
    assert_true(rows[0] >= 599 && rows[0] <= 600); /* a zero vector cannot be found by its direction */
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

static void test_refused(void **state)
{
    QV_UNUSED(state);
    qv__store *store;
    qv__snapshot *s, *next;
    qv_index_options options = QV_INDEX_OPTIONS_INIT;

    QVT_OK(qv__store_open("memory://", true, &store, &err));
    s = append(store, NULL, 0, 10);
    options.kind = QV_INDEX_IVF_RQ;
    QVT_FAILS(qv__index_create(store, s, "v", &options, &next, &err), QV_INVALID, "divisible by 8, not 4");
    QVT_FAILS(qv__index_create(store, s, "id", &options, &next, &err), QV_INVALID,
              "cannot be created on the field `id` which has data type int64");
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_segments), cmocka_unit_test(test_untrained),
                                        cmocka_unit_test(test_refused) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
