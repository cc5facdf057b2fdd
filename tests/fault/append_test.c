/* An append with each allocation, and each storage operation, failed in turn: the status is right, nothing leaks, and the table
 * holds the old or the new rows. */
#include "qvt_rows.h"

#include "base/alloc.h"
#include "io/store.h"

typedef struct scene {
    char uri[4096];
    qvt_rows before, more, after;
} scene;

static void scene_new(scene *s, const char *name, qvt_rng *rng)
{
    int64_t next_id = 0;
    qv_error err;

    memset(s, 0, sizeof *s);
    snprintf(s->uri, sizeof s->uri, "%s/%s", qvt_temp_dir(), name);
    qvt_rows_random(rng, 60, &next_id, &s->before);
    qvt_rows_random(rng, 40, &next_id, &s->more);
    qvt_rows_copy(&s->after, &s->before);
    qvt_rows_append(&s->after, &s->more);
    QVT_OK(qvt_table_append(s->uri, &s->before, &err));
}

static void scene_free(scene *s)
{
    qvt_rows_free(&s->before);
    qvt_rows_free(&s->more);
    qvt_rows_free(&s->after);
}

/* After an append that landed the next round starts from the old table again. */
static void scene_reset(const scene *s)
{
    qv_db *db = NULL;
    qv_error err;

    QVT_OK(qv_db_open(s->uri, NULL, &db, &err));
    QVT_OK(qv_db_drop_table(db, "t", &err));
    qv_db_close(db);
    QVT_OK(qvt_table_append(s->uri, &s->before, &err));
}

static void each_allocation(void **state)
{
    qvt_rng rng = { 11 };
    scene s;
    qv_error err;

    QV_UNUSED(state);
    scene_new(&s, "alloc", &rng);
    for (uint64_t n = 0;; n++) {
        size_t blocks = qv_memory().live_blocks;
        qv__alloc_fail_at(n);
        qv_status st = qvt_table_append(s.uri, &s.more, &err);
        bool fired = qv__alloc_fault_fired();
        qv__alloc_fail_at(UINT64_MAX);
        if (st != QV_OK && st != QV_NOMEM)
            fail_msg("allocation %llu failed: %s: %s", (unsigned long long) n, qv_status_name(st), err.message);
        assert_int_equal(qv_memory().live_blocks, blocks);
        bool landed = qvt_table_is_new(s.uri, &s.before, &s.after);
        assert_true(landed == (st == QV_OK));
        if (landed)
            scene_reset(&s);
        if (!fired)
            break;
        assert_true(n < 100000);
    }
    scene_free(&s);
}

static void each_operation(qv__fault_kind kind, const char *name)
{
    qvt_rng rng = { 12 };
    scene s;
    qv_error err;

    scene_new(&s, name, &rng);
    for (uint64_t n = 0;; n++) {
        size_t blocks = qv_memory().live_blocks;
        qv__fault_arm(kind, n);
        qv_status st = qvt_table_append(s.uri, &s.more, &err);
        bool fired = qv__fault_fired();
        qv__fault_arm(QV_FAULT_NONE, 0);
        if (st != QV_OK && st != QV_IO)
            fail_msg("operation %llu failed: %s: %s", (unsigned long long) n, qv_status_name(st), err.message);
        assert_int_equal(qv_memory().live_blocks, blocks);
        bool landed = qvt_table_is_new(s.uri, &s.before, &s.after);
        if (st == QV_OK)
            assert_true(landed);
        if (landed)
            scene_reset(&s);
        if (!fired)
            break;
        assert_true(n < 10000);
    }
    scene_free(&s);
}

static void each_operation_fails(void **state)
{
    QV_UNUSED(state);
    each_operation(QV_FAULT_ERROR, "error");
}

static void disk_full_at_each_write(void **state)
{
    QV_UNUSED(state);
    each_operation(QV_FAULT_NOSPACE, "nospace");
}

static void each_write_is_short(void **state)
{
    QV_UNUSED(state);
    each_operation(QV_FAULT_SHORT, "short");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_allocation), cmocka_unit_test(each_operation_fails),
                                        cmocka_unit_test(disk_full_at_each_write),
                                        cmocka_unit_test(each_write_is_short) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
