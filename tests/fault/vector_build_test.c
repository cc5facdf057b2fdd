/* Building and merging vector indices with each allocation and each storage operation failed in turn: the call fails with what failed, no
 * block is left, and no file that is not part of the index. */
#include "../unit/index/vector_rows.h"
#include "qvt_trial.h"

static qv_error err;

typedef struct trial {
    scene scene;
    qv_index_kind kind;
    const rows *rows;
    part part, added; /* added.n 0: a build, else a merge */
    const char *uri;
    unsigned round;
    /* of one round */
    qv__segment *old;
    qv__index_source source;
    qv__index_target target;
    qv__index_built built;
} trial;

static void prepare(void *ctx)
{
    trial *t = ctx;
    qv_index_options options = t->scene.options;
    uint64_t memory = t->scene.memory;
    char name[32];

    scene_open(&t->scene);
    t->scene.options = options;
    t->scene.memory = memory;
    t->scene.job.options.threads = 1;
    t->old = t->added.n ? build_part(&t->scene, t->kind, "old", &t->part) : NULL;
    snprintf(name, sizeof name, "new %u", t->round++);
    t->target = scene_target(&t->scene, name);
    t->source = part_source(t->added.n ? &t->added : &t->part);
    t->built = (qv__index_built){ 0 };
    qv__buffer_init(&t->built.details, 4096);
}

static qv_status act(void *ctx, qv_error *error)
{
    trial *t = ctx;
    const qv__vector_kind *kind = qv__vector_kind_of(t->kind);

    return t->old ? qv__vector_merge(kind, &t->target, &t->old, 1, &t->source, NULL, NULL, &t->built, error)
                  : qv__vector_build(kind, &t->target, &t->source, &t->built, error);
}

static qv_status check_name(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *error)
{
    QV_UNUSED(ctx);
    QV_UNUSED(size);
    QV_UNUSED(is_folder);
    QV_UNUSED(error);
    assert_true(strcmp(name, "index.idx") == 0 || strcmp(name, "auxiliary.idx") == 0 || strncmp(name, "rows_", 5) == 0);
    return QV_OK;
}

static void check(void *ctx, qv_status st)
{
    trial *t = ctx;

    QVT_OK(qv__store_list(t->target.folder, "", check_name, NULL, &err));
    if (st == QV_OK) {
        qv__segment *made = open_built(&t->scene, t->target.folder, &t->built, t->rows->type);
        assert_int_equal(qv__vector_segment_rows((qv__vector_segment *) made), t->part.n + t->added.n);
        qv__vector_segment_close(made);
    }
    qv__buffer_free(&t->built.details);
    qv__stream_free(t->source.values);
    qv__store_unref(t->target.folder);
    if (t->old)
        qv__vector_segment_close(t->old);
    scene_close(&t->scene);
}

/* A hint of a file that cannot be removed may be survived. */
static const qvt_trial trial_of = { prepare, act, check, true };

static void fail_each(qv_index_kind kind, int64_t n, int64_t added)
{
    rows r;
    trial t = { .kind = kind, .rows = &r, .part = { &r, 0, n }, .added = { &r, n, added } };

    rows_make(&r, QV_EL_F32, 8, n + added, 3);
    t.scene.options = (qv_index_options) QV_INDEX_OPTIONS_INIT;
    t.scene.options.num_partitions = 3;
    t.scene.options.max_iterations = 2;
    qvt_fail_each_kind(&trial_of, &t);
    rows_clear(&r);
}

static void test_build(void **state)
{
    QV_UNUSED(state);
    fail_each(QV_INDEX_IVF_FLAT, 60, 0);
    fail_each(QV_INDEX_IVF_SQ, 250, 0); /* enough rows to measure with */
    fail_each(QV_INDEX_IVF_PQ, 60, 0);
    fail_each(QV_INDEX_IVF_RQ, 60, 0);
    fail_each(QV_INDEX_IVF_HNSW_SQ, 250, 0);
    fail_each(QV_INDEX_IVF_HNSW_PQ, 60, 0);
}

static void test_merge(void **state)
{
    QV_UNUSED(state);
    fail_each(QV_INDEX_IVF_SQ, 60, 20);
    fail_each(QV_INDEX_IVF_RQ, 60, 20);
    fail_each(QV_INDEX_IVF_HNSW_FLAT, 60, 20);
    fail_each(QV_INDEX_IVF_HNSW_PQ, 60, 20);
}

/* Files on the way, in little memory: few failures, for each round is a long one. */
static void test_spilling(void **state)
{
    QV_UNUSED(state);
    rows r;
    trial t = { .kind = QV_INDEX_IVF_FLAT, .rows = &r, .part = { &r, 0, 40000 } };

    rows_make(&r, QV_EL_F32, 8, 40000, 3);
    t.scene.options = (qv_index_options) QV_INDEX_OPTIONS_INIT;
    t.scene.options.num_partitions = 3;
    t.scene.options.max_iterations = 1;
    t.scene.memory = 1;
    for (qvt_fault fault = QVT_IO; fault <= QVT_SHORT; fault++)
        qvt_fail_each(fault, &trial_of, &t);
    rows_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_build), cmocka_unit_test(test_merge),
                                        cmocka_unit_test(test_spilling) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
