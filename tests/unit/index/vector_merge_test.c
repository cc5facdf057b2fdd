/* Merging vector indices: older segments of one model and new rows become one, rows that are gone are left out and others get other names; what
 * does not go together is told to be built anew. */
#include "vector_rows.h"

static qv_error err;

static const qv_index_kind kinds[] = { QV_INDEX_IVF_FLAT,   QV_INDEX_IVF_SQ,        QV_INDEX_IVF_PQ,
                                       QV_INDEX_IVF_RQ,     QV_INDEX_IVF_HNSW_FLAT, QV_INDEX_IVF_HNSW_SQ,
                                       QV_INDEX_IVF_HNSW_PQ };

static uint64_t fail_at = UINT64_MAX; /* the allocation of a merge that fails */

static qv_status try_merge(scene *s, const char *name, qv__segment *const *old, size_t n_old, part *added,
                           qv__keep_fn keep, qv__segment **out, qv_error *error)
{
    qv__index_target target = scene_target(s, name);
    qv__index_source source = { 0 };
    qv__index_built built = { 0 };
    const qv__vector_kind *kind = qv__vector_segment_model((qv__vector_segment *) old[0])->kind;

    qv__buffer_init(&built.details, 4096);
    if (added)
        source = part_source(added);
    qv__alloc_fail_at(fail_at);
    qv_status st = qv__vector_merge(kind, &target, old, n_old, added ? &source : NULL, keep, NULL, &built, error);
    qv__alloc_fail_at(UINT64_MAX);
    qv__stream_free(source.values);
    if (st == QV_OK)
        *out = open_built(s, target.folder, &built, added ? added->rows->type : NULL);
    qv__store_unref(target.folder);
    qv__buffer_free(&built.details);
    return st;
}

/* Ids of all rows, in each list ascending: what lists hold, whatever their order. */
static uint32_t *lists_of(qv__segment *opened, int64_t n)
{
    qv__vector_segment *segment = (qv__vector_segment *) opened;
    uint32_t *lists = malloc((size_t) n * sizeof *lists);
    qv__code_list list;

    memset(lists, 0xff, (size_t) n * sizeof *lists);
    for (size_t l = 0; l < qv__vector_segment_model(segment)->n_lists; l++) {
        if (!qv__vector_segment_list_rows(segment, l))
            continue;
        QVT_OK(qv__vector_segment_list(segment, l, &list, &err));
        for (size_t i = 0; i < list.n; i++) {
            int64_t row = row_number(qv__load_u64(list.ids + i));
            assert_true(row >= 0 && row < n);
            assert_int_equal(lists[row], UINT32_MAX);
            lists[row] = (uint32_t) l;
        }
    }
    return lists;
}

static bool keep_most(void *ctx, size_t segment, uint64_t *row)
{
    QV_UNUSED(ctx);
    QV_UNUSED(segment);
    return row_number(*row) % 3 != 0;
}

/* Compaction: the address of a row becomes another one. */
static bool keep_moved(void *ctx, size_t segment, uint64_t *row)
{
    QV_UNUSED(ctx);
    QV_UNUSED(segment);
    *row = row_address(3999 - row_number(*row));
    return true;
}

static void check_graphs(qv__segment *opened)
{
    qv__vector_segment *segment = (qv__vector_segment *) opened;
    const qv__hnsw *graph;
    qv__code_list plain;

    for (size_t l = 0; l < qv__vector_segment_model(segment)->n_lists; l++) {
        QVT_OK(qv__vector_segment_graph(segment, l, &graph, &plain, &err));
        assert_int_equal(graph ? qv__hnsw_shape_of(graph).n_nodes : 0, qv__vector_segment_list_rows(segment, l));
    }
}

static void merge_kind(qv_index_kind kind, qv_metric metric)
{
    scene s;
    rows r;
    bool has_graph = qv__vector_kind_of(kind)->has_graph;

    scene_open(&s);
    rows_make(&r, QV_EL_F32, 16, 4000, 5);
    s.options.metric = metric;
    s.options.num_partitions = 10;
    s.options.max_iterations = 5;
    part first = { &r, 0, 2500 }, second = { &r, 2500, 700 }, third = { &r, 3200, 800 };
    qv__segment *old[2], *merged, *kept, *moved;
    old[0] = build_part(&s, kind, "first", &first);
    s.like = old[0];
    old[1] = build_part(&s, kind, "second", &second);
    const qv__vector_model *m = qv__vector_segment_model((qv__vector_segment *) old[0]),
                           *second_model = qv__vector_segment_model((qv__vector_segment *) old[1]);
    assert_memory_equal(m->centroids, second_model->centroids, m->n_lists * m->dim * sizeof(float));
    s.options.num_partitions = 0;
    QVT_OK(try_merge(&s, "merged", old, 2, &third, NULL, &merged, &err));
    uint32_t *parts[2] = { lists_of(old[0], 4000), lists_of(old[1], 4000) }, *all = lists_of(merged, 4000);
    for (size_t i = 0; i < 4000; i++)
        assert_true(i < 3200 ? all[i] == parts[i >= 2500][i] : all[i] < m->n_lists);
    assert_true(recall(&r, merged, 10, 4) > 0.9);

    /* the same rows, all old */
    QVT_OK(try_merge(&s, "kept", &merged, 1, NULL, keep_most, &kept, &err));
    uint32_t *some = lists_of(kept, 4000);
    for (size_t i = 0; i < 4000; i++)
        assert_int_equal(some[i], i % 3 ? all[i] : UINT32_MAX);
    QVT_OK(try_merge(&s, "moved", &merged, 1, NULL, keep_moved, &moved, &err));
    uint32_t *other = lists_of(moved, 4000);
    for (size_t i = 0; i < 4000; i++)
        assert_int_equal(other[3999 - i], all[i]);
    if (has_graph) {
        check_graphs(merged);
        check_graphs(kept);
        check_graphs(moved);
    }
    free(some);
    free(other);
    free(all);
    free(parts[0]);
    free(parts[1]);
    qv__vector_segment_close(moved);
    qv__vector_segment_close(kept);
    qv__vector_segment_close(merged);
    qv__vector_segment_close(old[0]);
    qv__vector_segment_close(old[1]);
    rows_clear(&r);
    scene_close(&s);
}

static void test_kinds(void **state)
{
    QV_UNUSED(state);
    for (size_t i = 0; i < QV_COUNT_OF(kinds); i++) {
        merge_kind(kinds[i], QV_METRIC_L2);
        merge_kind(kinds[i], i % 2 ? QV_METRIC_COSINE : QV_METRIC_DOT);
    }
}

/* Codes and graphs of rows that only change their name stay as they are. */
static void test_remap_keeps_graphs(void **state)
{
    QV_UNUSED(state);
    scene s;
    rows r;
    qv__segment *moved;
    const qv__hnsw *before, *after;
    qv__code_list codes_before, codes_after;

    scene_open(&s);
    rows_make(&r, QV_EL_F32, 8, 4000, 5);
    qv__segment *old = build_rows(&s, QV_INDEX_IVF_HNSW_PQ, "old", &r);
    QVT_OK(try_merge(&s, "moved", &old, 1, NULL, keep_moved, &moved, &err));
    QVT_OK(qv__vector_segment_graph((qv__vector_segment *) old, 0, &before, &codes_before, &err));
    QVT_OK(qv__vector_segment_graph((qv__vector_segment *) moved, 0, &after, &codes_after, &err));
    const qv__quantizer *q = qv__vector_segment_model((qv__vector_segment *) old)->quantizer;
    assert_memory_equal(codes_before.columns[0], codes_after.columns[0], 4000 * q->columns[0].width);
    for (uint32_t i = 0; i < 4000; i++) {
        const uint32_t *a, *b;
        uint32_t n, m;
        qv__hnsw_node(before, 0, i, &a, &n);
        qv__hnsw_node(after, 0, i, &b, &m);
        assert_int_equal(n, m);
        assert_memory_equal(a, b, n * sizeof *a);
        assert_int_equal(row_number(codes_after.ids[i]), 3999 - row_number(codes_before.ids[i]));
    }
    qv__vector_segment_close(old);
    qv__vector_segment_close(moved);
    rows_clear(&r);
    scene_close(&s);
}

/* Deltas that were trained apart, many more rows than lists were made for, rows of another kind: to be built anew. */
static void test_anew(void **state)
{
    QV_UNUSED(state);
    scene s;
    rows r, near, far;
    qv__segment *old[2], *out;

    scene_open(&s);
    rows_make(&r, QV_EL_F32, 8, 40000, 5);
    part first = { &r, 0, 1000 }, second = { &r, 1000, 1000 }, rest = { &r, 2000, 38000 };
    old[0] = build_part(&s, QV_INDEX_IVF_SQ, "first", &first);
    s.options.seed = 5;
    old[1] = build_part(&s, QV_INDEX_IVF_SQ, "second", &second);
    QVT_FAILS(try_merge(&s, "apart", old, 2, NULL, NULL, &out, &err), QV_UNSUPPORTED, "were trained apart");
    s.options.seed = 0;
    QVT_FAILS(try_merge(&s, "grown", old, 1, &rest, NULL, &out, &err), QV_UNSUPPORTED, "rows are too many for");
    qv__vector_segment_close(old[0]);
    qv__vector_segment_close(old[1]);
    rows_make(&near, QV_EL_F32, 8, 1000, 98);
    rows_make(&far, QV_EL_F32, 8, 1000, 99); /* around other centres */
    part trained = { &near, 0, 800 }, alike = { &near, 800, 200 }, drifted = { &far, 0, 200 };
    old[0] = build_part(&s, QV_INDEX_IVF_SQ, "trained", &trained);
    QVT_FAILS(try_merge(&s, "drifted", old, 1, &drifted, NULL, &out, &err), QV_UNSUPPORTED, "from their centroids");
    QVT_OK(try_merge(&s, "alike", old, 1, &alike, NULL, &out, &err));
    qv__vector_segment_close(out);
    qv__vector_segment_close(old[0]);

    /* an index without rows is trained when there are some */
    part none = { &r, 0, 0 };
    old[0] = build_part(&s, QV_INDEX_IVF_SQ, "none", &none);
    QVT_OK(try_merge(&s, "filled", old, 1, &first, NULL, &out, &err));
    assert_int_equal(qv__vector_segment_rows((qv__vector_segment *) out), 1000);
    assert_true(qv__vector_segment_model((qv__vector_segment *) out)->n_lists > 1);
    qv__vector_segment_close(out);
    s.like = old[0];
    out = build_part(&s, QV_INDEX_IVF_SQ, "beside none", &first);
    assert_true(qv__vector_segment_model((qv__vector_segment *) out)->n_lists > 1);
    qv__vector_segment_close(out);
    qv__vector_segment_close(old[0]);
    rows_clear(&far);
    rows_clear(&near);
    rows_clear(&r);
    scene_close(&s);
}

/* Enough new rows to ask some of them for their neighbours: how well these are found decides, and is kept. */
static void drift_of_kind(qv_index_kind kind)
{
    scene s;
    rows near, far;
    qv__segment *old, *out;

    scene_open(&s);
    s.options.num_partitions = 40;
    rows_make(&near, QV_EL_F32, 8, 4000, 98);
    rows_make(&far, QV_EL_F32, 8, 1000, 99); /* around other centres */
    part trained = { &near, 0, 3000 }, alike = { &near, 3000, 1000 }, drifted = { &far, 0, 1000 };
    old = build_part(&s, kind, "trained", &trained);
    assert_int_equal(qv__vector_segment_model((qv__vector_segment *) old)->tuning.added_rows, 0);
    QVT_OK(try_merge(&s, "alike", &old, 1, &alike, NULL, &out, &err));
    const qv__vector_tuning *tuning = &qv__vector_segment_model((qv__vector_segment *) out)->tuning;
    assert_int_equal(tuning->added_rows, 1000);
    assert_true(tuning->added > 0.95F && tuning->added <= 1);
    qv__vector_segment_close(out);
    qv_status st = QV_NOMEM;
    for (uint64_t n = 0; st == QV_NOMEM; n += 1 + n / 8) { /* failures of its memory come through */
        fail_at = n;
        st = try_merge(&s, "drifted", &old, 1, &drifted, NULL, &out, &err);
    }
    fail_at = UINT64_MAX;
    assert_int_equal(st, QV_UNSUPPORTED);
    assert_non_null(strstr(err.message, "new rows are found with a recall of"));
    s.like = old; /* a segment beside another one is under the same model */
    qv__index_built built;
    QVT_FAILS(try_build(&s, kind, "beside", &drifted, &built, &err), QV_UNSUPPORTED, "new rows are found with");
    out = build_part(&s, kind, "beside alike", &alike);
    qv__vector_segment_close(out);
    qv__vector_segment_close(old);
    rows_clear(&far);
    rows_clear(&near);
    scene_close(&s);
}

static void test_drift(void **state)
{
    QV_UNUSED(state);
    drift_of_kind(QV_INDEX_IVF_FLAT);
    drift_of_kind(QV_INDEX_IVF_PQ);
    drift_of_kind(QV_INDEX_IVF_SQ);
    drift_of_kind(QV_INDEX_IVF_RQ);
}

/* Lists that were asked for stay as long as they were: more of them are made when there are many more rows. */
static void test_density(void **state)
{
    QV_UNUSED(state);
    scene s;
    rows r;
    qv__segment *old, *out;

    scene_open(&s);
    rows_make(&r, QV_EL_F32, 8, 8000, 5);
    part first = { &r, 0, 1500 }, rest = { &r, 1500, 1500 }, most = { &r, 1500, 6500 };
    s.options.num_partitions = 2;
    old = build_part(&s, QV_INDEX_IVF_FLAT, "first", &first);
    s.options.num_partitions = 0;
    QVT_OK(try_merge(&s, "more", &old, 1, &rest, NULL, &out, &err));
    assert_int_equal(qv__vector_segment_model((qv__vector_segment *) out)->n_lists, 2);
    qv__vector_segment_close(out);
    QVT_FAILS(try_merge(&s, "most", &old, 1, &most, NULL, &out, &err), QV_UNSUPPORTED, "8000 rows are too many for 2");
    qv__vector_segment_close(old);
    rows_clear(&r);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_kinds), cmocka_unit_test(test_remap_keeps_graphs),
                                        cmocka_unit_test(test_anew), cmocka_unit_test(test_drift),
                                        cmocka_unit_test(test_density) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
