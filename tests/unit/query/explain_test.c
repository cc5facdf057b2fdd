/* Plans of reads: what explain says before, and what analyze counts after. */
#include "fake_table.h"

static qv__snapshot *numbered(qvt_rng *rng)
{
    qv__snapshot *s = fake_mixed_table(rng, 0, 1, 0);

    for (size_t f = 0; f < 2; f++) {
        fake_add(s, rng, f, 1000, 0.1, 0);
        for (size_t i = 0; i < 1000; i++) /* id: 0 .. 1999 */
            ((int64_t *) qv__array_values(s->data[f].columns[0]))[i] = (int64_t) (f * 1000 + i);
    }
    return s;
}

static const char *const scan_columns[] = { "id", "double", "s" };
static const char *const scan_expressions[] = { NULL, "id * 2", NULL };
static const qv_order by_offset = { "_rowoffset", true, false };

static qv_scan_options scan_options(void)
{
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;

    options.columns = scan_columns;
    options.expressions = scan_expressions;
    options.n_columns = 3;
    options.where = "id >= 990 AND id < 1010 AND s IS NOT NULL";
    return options;
}

/* The text of a plan; valid until the next call. */
static const char *explain(qv__snapshot *s, const qv_scan_options *options, qv_plan_mode mode, bool as_json)
{
    static char text[20000];
    qv_error err;
    qv__buffer out;

    qv__buffer_init(&out, sizeof text - 1);
    QVT_OK(qv__explain_scan(s, options, mode, as_json, &out, &err));
    memcpy(text, out.data, out.len);
    text[out.len] = 0;
    qv__buffer_free(&out);
    return text;
}

/* `parts` occur in the text, in this order. */
static void expect_parts(const char *text, const char *const *parts)
{
    const char *at = text;

    for (; *parts; parts++) {
        const char *found = strstr(at, *parts);
        if (!found) {
            print_error("\"%s\" is not where it should be in:\n%s\n", *parts, text);
            fail();
        }
        at = found + strlen(*parts);
    }
}

static void scans(void **state)
{
    qvt_rng rng = { 3 };
    qv__snapshot *s = numbered(&rng);
    qv_scan_options options = scan_options();
    QV_UNUSED(state);

    atomic_store(&fake_column_reads, 0);
    const char *text = explain(s, &options, QV_PLAN_EXPLAIN, false);
    assert_int_equal(atomic_load(&fake_column_reads), 0);
    assert_null(strstr(text, "metrics"));
    assert_int_equal(strncmp(text, "ProjectionExec: expr=[id as id, (id * 2) as double, s as s]\n", 40), 0);
    expect_parts(text,
                 (const char *const[]){ "ProjectionExec: expr=[", "\n  TakeExec: columns=[]",
                                        "\n    FilterExec: ", "IS NOT NULL", "\n      FilterExec: ", "990", "1010",
                                        "\n        LanceRead: projection=[id], num_fragments=2, full_filter=",
                                        "refine_filter=", "Logical plan:\n  Projection: ", "\n    Filter: ",
                                        "\n      TableScan: version=7, fragments=2\n", NULL });
    options.order_by = &by_offset;
    options.n_order_by = 1;
    options.offset = 2;
    options.limit = 5;
    text = explain(s, &options, QV_PLAN_EXPLAIN, false);
    expect_parts(text, (const char *const[]){ "ProjectionExec", "TakeExec",
                                              "SortExec: TopK(fetch=7), expr=[_rowoffset DESC NULLS LAST]",
                                              "FilterExec", "LanceRead", "Logical plan", "Limit: skip=2, fetch=5",
                                              "Sort: _rowoffset DESC", "Filter", "TableScan", NULL });
    fake_index_kind = 2;
    options.where = "id = 7";
    text = explain(s, &options, QV_PLAN_EXPLAIN, false);
    expect_parts(text, (const char *const[]){ "FilterExec", "LanceRead",
                                              "ScalarIndexQuery: query=[id = 7]@fake_idx(BTree)\n", NULL });
    fake_index_kind = 0;
    qv__snapshot_unref(s);
}

static void analyzed_scans(void **state)
{
    qvt_rng rng = { 3 };
    qv__snapshot *s = numbered(&rng);
    qv_scan_options options = scan_options();
    QV_UNUSED(state);

    options.where = "id >= 990 AND id < 1010";
    const char *text = explain(s, &options, QV_PLAN_ANALYZE, false);
    expect_parts(text, (const char *const[]){ "AnalyzeExec verbose=true, elapsed=", "metrics=[]\n  ProjectionExec",
                                              "metrics=[output_rows=20,", "\n    TakeExec: columns=[s]",
                                              "output_rows=20,", "\n      FilterExec", "output_rows=20,",
                                              "\n        LanceRead", "output_rows=2000,", NULL });
    text = explain(s, &options, QV_PLAN_ANALYZE, true);
    expect_parts(text, (const char *const[]){
                           "{\"analyzed\":true,\"elapsed_ns\":", "\"physical\":{\"operator\":\"ProjectionExec\"",
                           "\"metrics\":{\"output_rows\":20,\"elapsed_compute_ns\":",
                           "\"inputs\":[{\"operator\":\"TakeExec\"", "\"operator\":\"LanceRead\"",
                           "\"logical\":{\"operator\":\"Projection\"", "TableScan", "}]}]}}", NULL });
    fake_index_kind = 2;
    text = explain(s, &options, QV_PLAN_ANALYZE, false);
    expect_parts(text,
                 (const char *const[]){ "FilterExec", "output_rows=20,", "ScalarIndexQuery", "comparisons=3]", NULL });
    fake_index_kind = 0;
    options.where = NULL;
    options.limit = 10;
    text = explain(s, &options, QV_PLAN_ANALYZE, false);
    expect_parts(text,
                 (const char *const[]){ "ProjectionExec", "GlobalLimitExec: skip=0, fetch=10, metrics=[output_rows=10,",
                                        "LanceRead: num_fragments=2, full_filter=--, refine_filter=--, "
                                        "metrics=[output_rows=10,",
                                        NULL });
    qv__snapshot_unref(s);
}

static void searches(void **state)
{
    qvt_rng rng = { 3 };
    qv_error err;
    qv__snapshot *s = numbered(&rng);
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;
    float q[6] = { 1 };
    qv_vectors queries = { q, QV_ELEMENT_F32, 6, 1 };
    qv__buffer out;
    QV_UNUSED(state);

    for (int round = 0; round < 4; round++) {
        options.where = "id < 100";
        options.postfilter = round % 2;
        qv__buffer_init(&out, 20000);
        QVT_OK(qv__explain_search(s, &queries, &options, round < 2 ? QV_PLAN_EXPLAIN : QV_PLAN_ANALYZE, false, &out,
                                  &err));
        QVT_OK(qv__buffer_append_zeros(&out, 1, &err));
        const char *text = (const char *) out.data;
        expect_parts(text, options.postfilter
                               ? (const char *const[]){ "ProjectionExec", "FilterExec: (id < 100)",
                                                        "SortExec: TopK(fetch=10)", "KNNVectorDistance: metric=l2",
                                                        "LanceRead", NULL }
                               : (const char *const[]){ "ProjectionExec", "SortExec: TopK(fetch=10)",
                                                        "KNNVectorDistance: metric=l2", "FilterExec: (id < 100)",
                                                        "LanceRead", NULL });
        if (round == 2)
            expect_parts(text, (const char *const[]){ "KNNVectorDistance", "output_rows=100,", NULL });
        qv__buffer_free(&out);
    }
    qv__snapshot_unref(s);
}

/* Each allocation fails in turn. */
static void failures(void **state)
{
    qvt_rng rng = { 3 };
    qv_error err;
    qv__snapshot *s = numbered(&rng);
    qv_scan_options options = scan_options();
    QV_UNUSED(state);

    options.order_by = &by_offset;
    options.n_order_by = 1;
    options.job.threads = 1;
    size_t blocks = qv_memory().live_blocks;
    for (uint64_t n = 0;; n++) {
        qv__buffer out;
        qv__buffer_init(&out, 20000);
        qv__alloc_fail_at(n);
        qv_status st = qv__explain_scan(s, &options, QV_PLAN_ANALYZE, true, &out, &err);
        bool fired = qv__alloc_fault_fired();
        qv__alloc_fail_at(UINT64_MAX);
        qv__buffer_free(&out);
        assert_int_equal(st, fired ? QV_NOMEM : QV_OK);
        fake_check_closed(blocks);
        if (!fired)
            break;
    }
    qv__snapshot_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scans),
        cmocka_unit_test(analyzed_scans),
        cmocka_unit_test(searches),
        cmocka_unit_test(failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
