/* Making, extending, asking and dropping indices with each allocation and each storage operation failed in turn, and with the power lost at
 * each sync point: the table holds the indices of before or of after, and what they answer is what reading finds. */
#include "base/alloc.h"
#include "index/index.h"
#include "qvt_index.h"
#include "qvt_table.h"
#include "qvt_trial.h"

static qv_error err;

typedef struct scene {
    const char *name;
    unsigned round;
    qv_index_kind kind;
    const char *column;
    char uri[4096];
    qv__store *store;
    qv__snapshot *s, *after; /* before and after the act */
    uint64_t memory;
} scene;

static void open_table(scene *t, bool with_index)
{
    qv__write options = { .create = true };
    qv__snapshot *next;

    snprintf(t->uri, sizeof t->uri, "%s/%s_%u", qvt_temp_dir(), t->name, t->round++);
    QVT_OK(qv__store_open(t->uri, true, &t->store, &err));
    QVT_OK(qvt_table_write(t->store, NULL, &options, 0, 300, &t->s, &err));
    if (with_index) {
        qv_index_options index = QV_INDEX_OPTIONS_INIT;
        index.kind = t->kind;
        QVT_OK(qv__index_create(t->store, t->s, t->column, &index, &next, &err));
        qv__snapshot_unref(t->s);
        t->s = next;
    }
    options.create = false;
    QVT_OK(qvt_table_write(t->store, t->s, &options, 300, 200, &next, &err));
    qv__snapshot_unref(t->s);
    t->s = next;
    t->after = NULL;
}

static void prepare_plain(void *ctx) { open_table(ctx, false); }
static void prepare_indexed(void *ctx) { open_table(ctx, true); }

static qv_status act_create(void *ctx, qv_error *error)
{
    scene *t = ctx;
    qv_index_options options = QV_INDEX_OPTIONS_INIT;

    options.kind = t->kind;
    options.memory_limit_bytes = t->memory;
    return qv__index_create(t->store, t->s, t->column, &options, &t->after, error);
}

static qv_status act_extend(void *ctx, qv_error *error)
{
    scene *t = ctx;
    const qv_index_merge_options options = QV_INDEX_MERGE_OPTIONS_INIT;

    return qv__index_optimize(t->store, t->s, &options, &t->after, error);
}

static qv_status act_drop(void *ctx, qv_error *error)
{
    scene *t = ctx;
    qv__job job;

    qv__job_begin(&job, NULL, "drop", 0);
    qv_status st = qv__index_drop(t->store, t->s, t->column[0] == 'i' ? "id_idx" : "s_idx", &job, &t->after, error);
    qv__job_end(&job, st);
    return st;
}

static void on_problem(void *ctx, const char *object, const char *what)
{
    print_error("%s: %s: %s\n", ((scene *) ctx)->name, object, what);
    fail();
}

static void check(void *ctx, qv_status st)
{
    scene *t = ctx;
    qv__snapshot *now;
    qvt_index_use use;
    qv__job job;
    uint64_t version = qv__snapshot_version(t->s);

    qv__snapshot_unref(t->s);
    qv__snapshot_unref(t->after);
    QVT_OK(qv__snapshot_open(t->store, 0, &now, &err));
    if (st == QV_OK)
        assert_true(qv__snapshot_version(now) > version);
    qvt_index_check(now, "id = 77 OR id >= 480", false, &use, NULL);
    assert_int_equal(use.n_rows, 21);
    qvt_index_check(now, "s IS NULL AND id < 100", false, &use, NULL);
    assert_int_equal(use.n_rows, 20);
    qv__job_begin(&job, NULL, "verify", 0);
    QVT_OK(qv__index_verify(now, on_problem, t, &job, &err));
    qv__job_end(&job, QV_OK);
    qv__snapshot_unref(now);
    qv__store_unref(t->store);
}

static const qvt_trial create = { prepare_plain, act_create, check, true };
static const qvt_trial extend = { prepare_indexed, act_extend, check, true };
static const qvt_trial drop = { prepare_indexed, act_drop, check, true };

static void test_faults(void **state)
{
    QV_UNUSED(state);
    scene btree = { .name = "btree", .kind = QV_INDEX_BTREE, .column = "id" },
          runs = { .name = "runs", .kind = QV_INDEX_BTREE, .column = "id", .memory = 8000 },
          bitmap = { .name = "bitmap", .kind = QV_INDEX_BITMAP, .column = "s" },
          vector = { .name = "vector", .kind = QV_INDEX_IVF_SQ, .column = "v" };

    qvt_fail_each_kind(&create, &vector);
    qvt_fail_each_kind(&extend, &vector);
    qvt_fail_each_kind(&create, &btree);
    qvt_fail_each_kind(&create, &runs);
    qvt_fail_each_kind(&create, &bitmap);
    qvt_fail_each_kind(&extend, &btree);
    qvt_fail_each_kind(&extend, &bitmap);
    qvt_fail_each_kind(&drop, &btree);
}

static void test_power_loss(void **state)
{
    QV_UNUSED(state);
    scene btree = { .name = "crash_btree", .kind = QV_INDEX_BTREE, .column = "id", .memory = 8000 },
          bitmap = { .name = "crash_bitmap", .kind = QV_INDEX_BITMAP, .column = "s" };

    qvt_crash_each(4, &create, &btree);
    qvt_crash_each(4, &extend, &btree);
    qvt_crash_each(4, &create, &bitmap);
    qvt_crash_each(4, &drop, &btree);
}

/* ------------------------------------------------------------------ asking */

typedef struct question {
    scene table;
    qv__program *program;
} question;

static void prepare_question(void *ctx)
{
    question *q = ctx;
    qv__snapshot *fresh;

    open_table(&q->table, true);
    QVT_OK(qv__snapshot_open(q->table.store, 0, &fresh, &err)); /* nothing is open yet */
    qv__snapshot_unref(q->table.s);
    q->table.s = fresh;
    QVT_OK(qv__program_compile_filter("id = 77 OR id > 250 AND NOT (id < 260)", qv__snapshot_schema(fresh), &q->program,
                                      &err));
}

static qv_status act_question(void *ctx, qv_error *error)
{
    question *q = ctx;
    qv__index_plan *plan = NULL;
    qv__index_rows rows = { 0 };
    const qv__index_plan_options options = { 0 };
    qv__job job;

    qv__job_begin(&job, NULL, "ask", 0);
    qv_status st = qv__index_plan_new(q->table.s, q->program, &options, &plan, error);
    if (st == QV_OK && plan)
        st = qv__index_plan_run(plan, &job, &rows, error);
    if (st == QV_OK && plan && !rows.recheck && rows.rows[0])
        assert_int_equal(rows.n_rows, 41);
    qv__index_rows_clear(&rows);
    qv__index_plan_free(plan);
    qv__job_end(&job, st);
    return st;
}

static void check_question(void *ctx, qv_status st)
{
    question *q = ctx;

    QV_UNUSED(st);
    qv__program_unref(q->program);
    qv__snapshot_unref(q->table.s);
    qv__store_unref(q->table.store);
}

static void test_asking(void **state)
{
    QV_UNUSED(state);
    static const qvt_trial ask = { prepare_question, act_question, check_question, true };
    question q = { .table = { .name = "ask", .kind = QV_INDEX_BTREE, .column = "id" } };

    qvt_fail_each(QVT_ALLOC, &ask, &q);
    qvt_fail_each(QVT_IO, &ask, &q);
    q.table.kind = QV_INDEX_BITMAP;
    q.table.name = "ask_bitmap";
    qvt_fail_each(QVT_ALLOC, &ask, &q);
    qvt_fail_each(QVT_IO, &ask, &q);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_faults), cmocka_unit_test(test_power_loss),
                                        cmocka_unit_test(test_asking) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
