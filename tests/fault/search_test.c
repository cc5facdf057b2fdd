/* A search (open, scan of the vectors, take of the winners) with each allocation, and each storage operation, failed in turn. */
#include "qvt_rows.h"

#include "base/alloc.h"
#include "io/store.h"

static char uri[4096];

static qv_status search_once(qvt_rows *out, qv_error *err)
{
    const float query[QVT_DIM] = { 1, 2, 3, 4 };
    qv_vectors vectors = { query, QV_ELEMENT_F32, QVT_DIM, 1 };
    struct ArrowArrayStream hits;
    qv_db *db = NULL;
    qv_table *table = NULL;
    qv_status st = QV_OK;

    QV_CHECK(qv_db_open(uri, NULL, &db, err));
    QV_CHECK(qv_db_open_table(db, "t", 0, &table, err));
    QV_CHECK(qv_table_search(table, &vectors, NULL, &hits, err));
    QV_CHECK(qvt_rows_read(&hits, out, err));
done:
    qv_table_close(table);
    qv_db_close(db);
    return st;
}

static int set_up(void **state)
{
    qvt_rng rng = { 13 };
    qvt_rows rows = { 0 };
    int64_t next_id = 0;
    qv_error err;

    QV_UNUSED(state);
    snprintf(uri, sizeof uri, "%s/db", qvt_temp_dir());
    for (int i = 0; i < 3; i++) { /* three fragments */
        qvt_rows_random(&rng, 200, &next_id, &rows);
        QVT_OK(qvt_table_append(uri, &rows, &err));
        qvt_rows_free(&rows);
    }
    return 0;
}

static void torture(void (*arm)(uint64_t n), bool (*fired)(void), qv_status expected)
{
    qvt_rows right = { 0 };
    qv_error err;

    QVT_OK(search_once(&right, &err));
    assert_int_equal(right.n, 10);
    for (uint64_t n = 0;; n++) {
        qvt_rows found = { 0 };
        size_t blocks = qv_memory().live_blocks;
        arm(n);
        qv_status st = search_once(&found, &err);
        bool hit = fired();
        arm(UINT64_MAX);
        if (st == QV_OK)
            assert_true(qvt_rows_equal(&found, &right)); /* never a wrong answer */
        else if (st != expected)
            fail_msg("failure %llu: %s: %s", (unsigned long long) n, qv_status_name(st), err.message);
        assert_int_equal(qv_memory().live_blocks, blocks);
        qvt_rows_free(&found);
        if (!hit)
            break;
        assert_true(n < 100000);
    }
    qvt_rows_free(&right);
}

static void arm_io(uint64_t n) { qv__fault_arm(n == UINT64_MAX ? QV_FAULT_NONE : QV_FAULT_ERROR, n); }

static void each_allocation(void **state)
{
    QV_UNUSED(state);
    torture(qv__alloc_fail_at, qv__alloc_fault_fired, QV_NOMEM);
}

static void each_operation(void **state)
{
    QV_UNUSED(state);
    torture(arm_io, qv__fault_fired, QV_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_allocation), cmocka_unit_test(each_operation) };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
