/* Vector indices that a compaction leaves as they are: rows are stored under addresses that they no longer have, and still found through the
 * index, each once, and those alone that live. */
#include "base/alloc.h"
#include "qvt_vectors.h"

enum { DIM = 32, ROWS = 1200, FRAGMENTS = 6 };

static qv_error err;

typedef struct scene {
    float *values;
    qv_db *db;
    qv_table *table;
} scene;

static void append(scene *s, size_t first, size_t n)
{
    qvt_vectors_write(s->db, s->values + first * DIM, NULL, (int64_t) first, n, DIM, NULL, &s->table);
}

static void open_scene(scene *s, qv_index_kind kind, qv_metric metric)
{
    qv_index_options options = QV_INDEX_OPTIONS_INIT;

    *s = (scene){ .values = qvt_vectors_random(9, ROWS + ROWS / 2, DIM) };
    QVT_OK(qv_db_open("memory://", NULL, &s->db, &err));
    for (size_t f = 0; f < FRAGMENTS; f++)
        append(s, f * (ROWS / FRAGMENTS), ROWS / FRAGMENTS);
    options.kind = kind;
    options.metric = metric;
    options.num_partitions = 5;
    QVT_OK(qv_table_create_index(s->table, "v", &options, &err));
}

static void close_scene(scene *s)
{
    qv_table_close(s->table);
    qv_db_close(s->db);
    free(s->values);
}

static void delete_rows(const scene *s, const char *condition)
{
    QVT_OK(qv_table_delete(s->table, condition, NULL, NULL, &err));
}

static void compact(const scene *s, uint64_t target_rows)
{
    qv_compact_options options = QV_COMPACT_OPTIONS_INIT;
    qv_compact_result result;

    options.target_rows = target_rows;
    options.max_deleted_share = 0.01;
    options.defer_index_remap = true;
    QVT_OK(qv_table_compact(s->table, &options, &result, &err));
    assert_true(result.version > 0);
}

/* fast_search looks at no row that the index does not have. */
static void compare(const scene *s, const char *what, bool is_covered)
{
    static const char *const conditions[] = { NULL, "id % 3 = 0", "id > 700 and id < 760" };
    static qvt_hits found, right;

    for (size_t i = 0; i < 12; i++) {
        const float *query = s->values + i * 97 * DIM;
        qv_search_options o = QV_SEARCH_OPTIONS_INIT;
        o.where = conditions[i % 3];
        o.k = i % 2 ? 10 : 40;
        o.bypass_vector_index = true;
        QVT_OK(qvt_vectors_search(s->table, query, DIM, &o, &right, &err));
        o.bypass_vector_index = false;
        o.fast_search = is_covered;
        o.min_probes = 100000; /* all lists there are */
        o.ef = 2 * ROWS;
        o.refine_factor = ROWS / 10;
        assert_true(qvt_vectors_by_index(s->table, query, DIM, &o));
        for (int again = 0; again < 2; again++) { /* what is kept of the condition answers the same */
            QVT_OK(qvt_vectors_search(s->table, query, DIM, &o, &found, &err));
            qvt_hits_same(what, &found, &right);
        }
        o.refine_factor = o.ef = 0;
        QVT_OK(qvt_vectors_search(s->table, query, DIM, &o, &found, &err));
        assert_int_equal(found.n, right.n);
        o.no_refine = true;
        QVT_OK(qvt_vectors_search(s->table, query, DIM, &o, &found, &err));
        assert_int_equal(found.n, right.n);
    }
}

static void rows_move(qv_index_kind kind, qv_metric metric)
{
    scene s;

    open_scene(&s, kind, metric);
    compare(&s, "as built", true);
    delete_rows(&s, "id % 7 = 3");
    compact(&s, 2 * ROWS / FRAGMENTS);
    compare(&s, "moved", true);
    delete_rows(&s, "id % 11 = 1");
    compare(&s, "deleted after", true);
    compact(&s, ROWS / 2);
    compare(&s, "moved twice", true);
    append(&s, ROWS, ROWS / 2);
    compare(&s, "with new rows", false);
    QVT_OK(qv_table_optimize(s.table, NULL, NULL, NULL, NULL, &err));
    compare(&s, "optimized", true);
    close_scene(&s);
}

/* Segments that know some fragments each, under the addresses of before and of now. */
static void segments_move(qv_index_kind kind)
{
    qv_index_merge_options apart = QV_INDEX_MERGE_OPTIONS_INIT;
    scene s;

    apart.merge_segments = 0;
    open_scene(&s, kind, QV_METRIC_L2);
    delete_rows(&s, "id % 7 = 3 and id < 600"); /* the other half stays where it is */
    compact(&s, ROWS / 2);
    append(&s, ROWS, ROWS / 4);
    append(&s, ROWS + ROWS / 4, ROWS / 4);
    QVT_OK(qv_table_optimize_indices(s.table, &apart, NULL, &err));
    compare(&s, "two segments", true);
    delete_rows(&s, "id % 5 = 1 and id >= 1200");
    compact(&s, ROWS / 2);
    compare(&s, "two segments moved", true);
    close_scene(&s);
}

static void every_kind(void **state)
{
    static const qv_index_kind kinds[] = { QV_INDEX_IVF_FLAT, QV_INDEX_IVF_SQ, QV_INDEX_IVF_PQ, QV_INDEX_IVF_RQ,
                                           QV_INDEX_IVF_HNSW_SQ };
    QV_UNUSED(state);
    for (size_t i = 0; i < QV_COUNT_OF(kinds); i++) {
        rows_move(kinds[i], QV_METRIC_L2);
        rows_move(kinds[i], QV_METRIC_COSINE);
        segments_move(kinds[i]);
    }
}

static void without_memory(void **state)
{
    static qvt_hits found, right;
    qv_search_options o = QV_SEARCH_OPTIONS_INIT;
    bool fired = true;
    scene s;

    QV_UNUSED(state);
    open_scene(&s, QV_INDEX_IVF_FLAT, QV_METRIC_L2);
    delete_rows(&s, "id % 7 = 3");
    compact(&s, ROWS / 2);
    o.where = "id % 3 = 0";
    o.fast_search = true;
    o.min_probes = 100000;
    QVT_OK(qvt_vectors_search(s.table, s.values, DIM, &o, &right, &err));
    for (uint64_t n = 0; fired; n++) {
        qv_table *fresh = NULL; /* which keeps nothing yet */
        QVT_OK(qv_db_open_table(s.db, "t", 0, &fresh, &err));
        qv__alloc_fail_at(n);
        qv_status st = qvt_vectors_search(fresh, s.values, DIM, &o, &found, &err);
        fired = qv__alloc_fault_fired();
        qv__alloc_fail_at(UINT64_MAX);
        assert_true(st == QV_OK || (fired && st == QV_NOMEM));
        if (st == QV_OK)
            qvt_hits_same("with memory", &found, &right);
        qv_table_close(fresh);
    }
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_kind), cmocka_unit_test(without_memory) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
