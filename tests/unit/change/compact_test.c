/* Compaction changes where rows lie, and nothing else: values, order, row ids, their ages, and what indices answer. */
#include "change/change.h"
#include "change/compact_private.h"
#include "index/index.h"
#include "qvt.h"
#include "qvt_arrays.h"
#include "qvt_index.h"
#include "qvt_table.h"
#include "qvt_trial.h"

static qv_error err;

typedef struct fixture {
    qv__store *store;
    qv__snapshot *snapshot;
} fixture;

/* Takes a new snapshot. */
static void see(fixture *f, qv__snapshot *made)
{
    qv__snapshot_unref(f->snapshot);
    f->snapshot = made;
}

static void append(fixture *f, int64_t first, int64_t n, uint64_t rows_per_file)
{
    qv__job job;
    qv__snapshot *made;
    qv__write write = { .max_rows_per_file = rows_per_file, .job = &job };

    qv__job_begin(&job, NULL, "write", 0);
    QVT_OK(qvt_table_write(f->store, f->snapshot, &write, first, n, &made, &err));
    qv__job_end(&job, QV_OK);
    see(f, made);
}

static void fixture_open(fixture *f, const char *version, bool stable, int64_t n, uint64_t rows_per_file)
{
    qv__job job;
    qv__write write = { .create = true,
                        .file_version = version,
                        .max_rows_per_file = rows_per_file,
                        .stable_row_ids = stable,
                        .job = &job };

    *f = (fixture){ 0 };
    QVT_OK(qv__store_open("memory://", true, &f->store, &err));
    qv__job_begin(&job, NULL, "write", 0);
    QVT_OK(qvt_table_write(f->store, NULL, &write, 0, n, &f->snapshot, &err));
    qv__job_end(&job, QV_OK);
}

static void fixture_close(fixture *f)
{
    qv__snapshot_unref(f->snapshot);
    qv__store_unref(f->store);
}

static void delete_rows(fixture *f, const char *where)
{
    qv__snapshot *made;

    QVT_OK(qv__delete(f->store, f->snapshot, where, NULL, NULL, &made, &err));
    see(f, made);
}

static void create_index(fixture *f, const char *column, qv_index_kind kind)
{
    qv_index_options options = QV_INDEX_OPTIONS_INIT;
    qv__snapshot *made;
    char name[64];

    snprintf(name, sizeof name, "%s_%d", column, (int) kind);
    options.kind = kind;
    options.name = name;
    QVT_OK(qv__index_create(f->store, f->snapshot, column, &options, &made, &err));
    see(f, made);
}

static qv_compact_result compact(fixture *f, const qv_compact_options *options)
{
    qv_compact_result result = { 0 };
    qv__snapshot *made = NULL;

    QVT_OK(qv__compact(f->store, f->snapshot, options, &result, &made, &err));
    if (made)
        see(f, made);
    return result;
}

/* What a reader knows of each live row, in storage order. */
typedef struct contents {
    int64_t *ids;
    size_t n;
    uint64_t *row_ids, *created, *updated; /* stable row ids */
} contents;

static void look(fixture *f, contents *out)
{
    size_t at = 0;

    *out = (contents){ 0 };
    qvt_table_read(f->snapshot, &out->ids, &out->n);
    if (!qv__snapshot_has_stable_row_ids(f->snapshot))
        return;
    out->row_ids = calloc(out->n + 1, sizeof *out->row_ids);
    out->created = calloc(out->n + 1, sizeof *out->created);
    out->updated = calloc(out->n + 1, sizeof *out->updated);
    for (size_t i = 0; i < qv__snapshot_n_fragments(f->snapshot); i++) {
        const uint32_t *deleted;
        const uint8_t *live;
        size_t n;
        QVT_OK(qv__snapshot_deletions(f->snapshot, i, &deleted, &n, &live, &err));
        for (uint64_t row = 0; row < qv__snapshot_fragment(f->snapshot, i)->physical_rows; row++) {
            if (live && !qv__bit_get(live, row))
                continue;
            QVT_OK(qv__snapshot_row_ids(f->snapshot, i, row, 1, &out->row_ids[at], &err));
            QVT_OK(qv__snapshot_row_versions(f->snapshot, i, row, 1, &out->created[at], &out->updated[at], &err));
            at++;
        }
    }
    assert_int_equal(at, out->n);
}

static void forget(contents *c)
{
    free(c->ids);
    free(c->row_ids);
    free(c->created);
    free(c->updated);
}

/* Rewritten fragments come after those that stay: rows are compared in the order of their ids. */
static void sort_contents(contents *c)
{
    for (size_t i = 1; i < c->n; i++)
        for (size_t k = i; k > 0 && c->ids[k - 1] > c->ids[k]; k--) {
#define SWAP(a)                         \
    if (a) {                            \
        uint64_t t = (uint64_t) (a)[k]; \
        (a)[k] = (a)[k - 1];            \
        (a)[k - 1] = t;                 \
    }
            int64_t id = c->ids[k];
            c->ids[k] = c->ids[k - 1];
            c->ids[k - 1] = id;
            SWAP(c->row_ids)
            SWAP(c->created)
            SWAP(c->updated)
#undef SWAP
        }
}

static void expect_same(contents *before, contents *after)
{
    sort_contents(before);
    sort_contents(after);
    assert_int_equal(before->n, after->n);
    assert_memory_equal(before->ids, after->ids, before->n * sizeof *before->ids);
    if (before->row_ids) {
        assert_memory_equal(before->row_ids, after->row_ids, before->n * sizeof *before->row_ids);
        assert_memory_equal(before->created, after->created, before->n * sizeof *before->created);
        assert_memory_equal(before->updated, after->updated, before->n * sizeof *before->updated);
    }
}

/* ------------------------------------------------------------------ plans */

static void test_plan(void **state)
{
    QV_UNUSED(state);
    fixture f;
    qv_compact_options options = QV_COMPACT_OPTIONS_INIT;

    options.target_rows = 100;
    fixture_open(&f, "2.2", false, 100, 100);
    assert_int_equal(compact(&f, &options).version, 0); /* as large as can be */
    delete_rows(&f, "id < 10");
    assert_int_equal(compact(&f, &options).version, 0); /* not more than a tenth */
    delete_rows(&f, "id < 11");
    qv_compact_result result = compact(&f, &options);
    assert_int_equal(result.fragments_removed, 1);
    assert_int_equal(result.fragments_added, 1);
    assert_int_equal(result.files_removed, 2);
    assert_true(result.bytes_after > 0 && result.bytes_before > result.bytes_after);
    assert_int_equal(qv__snapshot_version(f.snapshot), result.version);
    assert_int_equal(compact(&f, &options).version, 0);
    append(&f, 100, 30, 10); /* 89, 10, 10, 10 rows */
    result = compact(&f, &options);
    assert_int_equal(result.fragments_removed, 4);
    assert_int_equal(result.fragments_added, 2);
    qvt_table_expect(f.snapshot, 11, 119);
    fixture_close(&f);
}

static void test_everything_deleted(void **state)
{
    QV_UNUSED(state);
    fixture f;
    qv_compact_options options = QV_COMPACT_OPTIONS_INIT;

    fixture_open(&f, "2.2", true, 100, 20);
    delete_rows(&f, "id % 20 != 0");
    delete_rows(&f, "id >= 0");
    compact(&f, &options);
    qvt_table_expect(f.snapshot, 0, 0);
    assert_int_equal(qv__snapshot_n_fragments(f.snapshot), 0);
    fixture_close(&f);
}

/* ------------------------------------------------------------------ nothing else changes */

static void ask_indices(fixture *f)
{
    static const char *const conditions[] = {
        "id = 77",   "id between 30 and 60", "id is not null",      "s = 'row 42'",
        "s is null", "s >= 'row 5'",         "id in (1, 500, 199)", "contains(s, 'ow 12')"
    };

    for (size_t i = 0; i < QV_COUNT_OF(conditions); i++) {
        qvt_index_use use;
        qvt_index_check(f->snapshot, conditions[i], false, &use, NULL);
    }
}

static void run_round(const char *version, bool stable, bool defer, bool no_copy, bool delete, qvt_rng *rng)
{
    fixture f;
    contents before, after;
    qv_compact_options options = QV_COMPACT_OPTIONS_INIT;
    char where[64];

    options.target_rows = 60 + qvt_rng_below(rng, 200);
    options.defer_index_remap = defer;
    options.no_binary_copy = no_copy;
    fixture_open(&f, version, stable, 400, 1 + qvt_rng_below(rng, 100));
    create_index(&f, "id", QV_INDEX_BTREE);
    create_index(&f, "s", QV_INDEX_BITMAP);
    create_index(&f, "s", QV_INDEX_NGRAM);
    create_index(&f, "id", QV_INDEX_ZONEMAP);
    for (int round = 0; round < 3; round++) {
        int64_t next = 400 + 1000 * (round + 1);
        append(&f, next, 1 + (int64_t) qvt_rng_below(rng, 100), 1 + qvt_rng_below(rng, 60));
        if (delete) {
            snprintf(where, sizeof where, "id %% 7 = %d or id between %d and %d", round, 30 * round, 45 * round);
            delete_rows(&f, where);
        }
        look(&f, &before);
        compact(&f, &options);
        look(&f, &after);
        expect_same(&before, &after);
        forget(&before);
        forget(&after);
        ask_indices(&f);
    }
    fixture_close(&f);
}

static void test_nothing_else(void **state)
{
    QV_UNUSED(state);
    static const char *const versions[] = { "2.0", "2.1", "2.2" };
    qvt_rng rng = qvt_rng_seeded();

    for (size_t v = 0; v < QV_COUNT_OF(versions); v++)
        for (int flags = 0; flags < 16; flags++)
            run_round(versions[v], flags & 1, flags & 2, flags & 4, flags & 8, &rng);
}

/* Pages that were taken as they lie are read like others. */
static void test_binary_copy(void **state)
{
    QV_UNUSED(state);
    fixture f;
    qv_compact_options options = QV_COMPACT_OPTIONS_INIT;
    qv__compact_policy policy;
    qv__rewrite_tasks tasks;
    qv__rewritten done = { 0 };
    qv__job job;
    bool copied;

    fixture_open(&f, "2.2", false, 3000, 700);
    QVT_OK(qv__compact_policy_of(f.snapshot, &options, &policy, &err));
    QVT_OK(qv__compact_make_plan(f.snapshot, &policy, &tasks, &err));
    assert_int_equal(tasks.n, 1);
    qv__job_begin(&job, NULL, "compact", 0);
    QVT_OK(qv__compact_copy(f.store, f.snapshot, &tasks.items[0], &policy, &job, &done.fragments, &copied, &err));
    qv__job_end(&job, QV_OK);
    assert_true(copied);
    qv__new_fragments_discard(f.store, &done.fragments);
    qv__compact_tasks_clear(&tasks);
    compact(&f, &options);
    assert_int_equal(qv__snapshot_n_fragments(f.snapshot), 1);
    qvt_table_expect(f.snapshot, 0, 3000);
    append(&f, 3000, 100, 40);
    compact(&f, &options);
    qvt_table_expect(f.snapshot, 0, 3100);
    fixture_close(&f);
}

/* Large rows of an id and a vector. */
static qv__stream *large_rows(int64_t first, int64_t n)
{
    qv__type *item = qvt_type(QV_TYPE_FLOAT32, 0, 0), *vector = qvt_list_type(QV_TYPE_FIXED_LIST, item, 65536);
    qv__schema *schema;
    qv__field fields[1] = { { 0 } };
    qv__array *values, *items, *batch;
    qv__stream *stream;
    uint8_t *room;
    size_t bytes = (size_t) n * 65536 * sizeof(float);
    qvt_rng rng = { 1 + (uint64_t) first };

    QVT_OK(qv__field_init(&fields[0], "v", vector, true, &err));
    fields[0].id = -1;
    QVT_OK(qv__schema_new(fields, 1, NULL, &schema, &err));
    QVT_OK(qv__array_new(vector, n, 1, &values, &err));
    QVT_OK(qv__array_new(vector->children[0].type, n * 65536, 0, &items, &err));
    QVT_OK(qv__bytes_new(bytes, &items->buffers[1], &room, &err));
    for (size_t at = 0; at < bytes; at += 8) {
        uint64_t bits = qvt_rng_next(&rng) & UINT64_C(0x3fffffff3fffffff); /* no NaN */
        memcpy(room + at, &bits, 8);
    }
    values->children[0] = items;
    QVT_OK(qv__batch_new(schema, &values, n, &batch, &err));
    QVT_OK(qv__stream_of(schema, &batch, 1, &stream, &err));
    qv__array_unref(values);
    qv__array_unref(batch);
    qv__field_clear(&fields[0]);
    qv__schema_unref(schema);
    qv__type_unref(vector);
    qv__type_unref(item);
    return stream;
}

static void write_large(fixture *f, int64_t first, int64_t n)
{
    qv__job job;
    qv__snapshot *made;
    qv__write write = { .create = !f->snapshot, .job = &job };
    qv__stream *rows = large_rows(first, n);

    qv__job_begin(&job, NULL, "write", 0);
    QVT_OK(qv__table_write(f->store, f->snapshot, rows, &write, NULL, &made, &err));
    qv__job_end(&job, QV_OK);
    qv__stream_free(rows);
    see(f, made);
}

/* A fragment of 65 MiB is not written again for a few rows, unless somebody names a target. */
static void test_large_are_spared(void **state)
{
    QV_UNUSED(state);
    fixture f = { 0 };
    qv_compact_options options = QV_COMPACT_OPTIONS_INIT;

    QVT_OK(qv__store_open("memory://", true, &f.store, &err));
    write_large(&f, 0, 260);
    write_large(&f, 260, 30);
    assert_int_equal(compact(&f, &options).version, 0);
    write_large(&f, 290, 30);
    qv_compact_result result = compact(&f, &options); /* the small ones join */
    assert_int_equal(result.fragments_removed, 2);
    assert_int_equal(qv__snapshot_n_fragments(f.snapshot), 2);
    write_large(&f, 320, 10);
    result = compact(&f, &options); /* a quarter of its rows now */
    assert_int_equal(result.fragments_removed, 3);
    write_large(&f, 330, 1);
    options.target_rows = 1000;
    assert_int_equal(compact(&f, &options).fragments_removed, 2);
    assert_int_equal(qv__snapshot_n_fragments(f.snapshot), 1);
    fixture_close(&f);
}

/* ------------------------------------------------------------------ in three steps */

static void test_three_steps(void **state)
{
    QV_UNUSED(state);
    fixture f;
    qv_compact_options options = QV_COMPACT_OPTIONS_INIT;
    qv_compact_result result;
    qv__buffer plan;
    qv__snapshot *made;
    char *results[8];
    size_t n = 0;

    options.target_rows = 100;
    fixture_open(&f, "2.2", true, 400, 40);
    delete_rows(&f, "id % 2 = 0");
    qv__buffer_init(&plan, 1 << 20);
    QVT_OK(qv__compact_plan(f.snapshot, &options, &plan, &err));
    QVT_OK(qv__buffer_append_zeros(&plan, 1, &err));
    for (char *at = strstr((char *) plan.data, "\"tasks\":["); (at = strchr(at, '{')) != NULL; n++) {
        char *end = strchr(at, '}'), task[512];
        qv__buffer text;
        snprintf(task, sizeof task, "%.*s", (int) (end + 1 - at), at);
        qv__buffer_init(&text, 1 << 20);
        QVT_OK(qv__compact_task(f.store, f.snapshot, task, &options, &text, &err));
        QVT_OK(qv__buffer_append_zeros(&text, 1, &err));
        results[n] = (char *) qv__buffer_detach(&text, NULL);
        at = end;
    }
    assert_true(n > 1);
    append(&f, 1000, 50, 50); /* meanwhile */
    QVT_OK(qv__compact_commit(f.store, f.snapshot, (const char *const *) results, n, &options, &result, &made, &err));
    see(&f, made);
    assert_int_equal(result.fragments_removed, 10);
    uint64_t rows;
    QVT_OK(qv__snapshot_count_rows(f.snapshot, &rows, &err));
    assert_int_equal(rows, 250);
    QVT_FAILS(qv__compact_commit(f.store, f.snapshot, (const char *const *) results, n, &options, &result, &made, &err),
              QV_CONFLICT, "");
    for (size_t i = 0; i < n; i++)
        qv__free(results[i]);
    qv__buffer_free(&plan);
    fixture_close(&f);
}

static void test_bad_texts(void **state)
{
    QV_UNUSED(state);
    static const char *const texts[] = {
        "",
        "{}",
        "[]",
        "{\"read_version\":1,\"fragments\":[]}",
        "{\"read_version\":1,\"fragments\":[1,0]}",
        "{\"read_version\":-1,\"fragments\":[0]}",
        "{\"read_version\":1,\"fragments\":[0],\"files\":[{\"path\":\"../x.lance\"}]}",
        "{\"read_version\":1,\"fragments\":[0],\"files\":[{\"path\":\"0123.lance\",\"rows\":0}]}",
        "{\"read_version\":1,\"fragments\":[0],\"files\":[{\"path\":\"0123.lance\",\"rows\":1,\"size_bytes\":1,"
        "\"major\":2,"
        "\"minor\":2,\"field_ids\":[0],\"columns\":[0,1]}]}",
        "{\"read_version\":1,\"fragments\":[0],\"files\":[{\"path\":\"0123.lance\",\"rows\":1,\"size_bytes\":1,"
        "\"major\":2,"
        "\"minor\":2,\"field_ids\":[\"a\"],\"columns\":[0]}]}",
    };

    for (size_t i = 0; i < QV_COUNT_OF(texts); i++) {
        qv__rewritten done = { 0 };
        assert_int_equal(qv__compact_done_parse(texts[i], &done, &err), QV_INVALID);
    }
}

/* ------------------------------------------------------------------ other writers */

static void test_conflict(void **state)
{
    QV_UNUSED(state);
    fixture f;
    qv_compact_options options = QV_COMPACT_OPTIONS_INIT;
    qv__snapshot *stale, *made = NULL;
    qv_compact_result result;

    fixture_open(&f, "2.2", false, 100, 20);
    stale = qv__snapshot_ref(f.snapshot);
    delete_rows(&f, "id = 5");
    QVT_OK(qv__compact(f.store, stale, &options, &result, &made, &err)); /* worked out anew */
    qv__snapshot_unref(stale);
    see(&f, made);
    uint64_t rows;
    QVT_OK(qv__snapshot_count_rows(f.snapshot, &rows, &err));
    assert_int_equal(rows, 99);
    assert_int_equal(qv__snapshot_n_fragments(f.snapshot), 1);
    fixture_close(&f);
}

/* ------------------------------------------------------------------ failures and power loss */

typedef struct torture {
    fixture f;
    bool on_disk;
    char path[512];
    int round;
} torture;

static void prepare(void *ctx)
{
    torture *t = ctx;
    qv__job job;
    qv__write write = { .create = true, .max_rows_per_file = 10, .job = &job };

    t->f = (fixture){ 0 };
    snprintf(t->path, sizeof t->path, "%s/compact%d", qvt_temp_dir(), t->round++);
    QVT_OK(qv__store_open(t->on_disk ? t->path : "memory://", true, &t->f.store, &err));
    qv__job_begin(&job, NULL, "write", 0);
    QVT_OK(qvt_table_write(t->f.store, NULL, &write, 0, 40, &t->f.snapshot, &err));
    qv__job_end(&job, QV_OK);
    create_index(&t->f, "id", QV_INDEX_BTREE);
    delete_rows(&t->f, "id < 3");
}

static qv_status act(void *ctx, qv_error *e)
{
    torture *t = ctx;
    qv_compact_options options = QV_COMPACT_OPTIONS_INIT;
    qv__snapshot *made = NULL;

    qv_status st = qv__compact(t->f.store, t->f.snapshot, &options, NULL, &made, e);
    qv__snapshot_unref(made);
    return st;
}

static void check(void *ctx, qv_status st)
{
    torture *t = ctx;
    qv__snapshot *now;

    QVT_OK(qv__snapshot_open(t->f.store, 0, &now, &err));
    see(&t->f, now);
    qvt_table_expect(now, 3, 37);
    if (st == QV_OK)
        assert_int_equal(qv__snapshot_n_fragments(now), 1);
    qvt_index_use use;
    qvt_index_check(now, "id = 17", false, &use, NULL);
    fixture_close(&t->f);
}

static void test_failures(void **state)
{
    QV_UNUSED(state);
    torture t = { .on_disk = false };

    qvt_fail_each_kind(&(qvt_trial){ prepare, act, check, true }, &t);
}

static void test_power_loss(void **state)
{
    QV_UNUSED(state);
    torture t = { .on_disk = true };

    qvt_crash_each(3, &(qvt_trial){ prepare, act, check, true }, &t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),         cmocka_unit_test(test_everything_deleted),
        cmocka_unit_test(test_nothing_else), cmocka_unit_test(test_large_are_spared),
        cmocka_unit_test(test_binary_copy),  cmocka_unit_test(test_three_steps),
        cmocka_unit_test(test_bad_texts),    cmocka_unit_test(test_conflict),
        cmocka_unit_test(test_failures),     cmocka_unit_test(test_power_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
