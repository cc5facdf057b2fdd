/* References, what handles see of other writers, clean-up, and what it costs to find the newest version. */
#include <pthread.h>
#include <time.h>

#include "qvt_rows.h"

#include "io/store.h"
#include "table/change.h"
#include "table/refs_private.h"

static qv_error err;

static void add(qv_table *table, int64_t id, qv_write_mode mode)
{
    struct ArrowArrayStream stream;
    qvt_rows rows = { 0 };

    qvt_rows_add(&rows, (qvt_row){ .id = id });
    QVT_OK(qvt_rows_export(&rows, 1, &stream, &err));
    QVT_OK(qv_table_write(table, mode, &stream, NULL, NULL, &err));
    qvt_rows_free(&rows);
}

static void open_fresh(const char *uri, const qv_db_options *options, qv_db **db, qv_table **table)
{
    struct ArrowArrayStream stream;
    qvt_rows rows = { 0 };

    qvt_rows_add(&rows, (qvt_row){ .id = 1 });
    QVT_OK(qv_db_open(uri, options, db, &err));
    QVT_OK(qvt_rows_export(&rows, 1, &stream, &err));
    QVT_OK(qv_db_create_table(*db, "t", QV_CREATE, &stream, NULL, NULL, table, &err));
    qvt_rows_free(&rows);
}

static uint64_t count(qv_table *table)
{
    uint64_t n;

    QVT_OK(qv_table_count_rows(table, &n, &err));
    return n;
}

/* ------------------------------------------------------------------ names and messages */

static void test_names(void **state)
{
    static const char *const bad_tags[] = { "", ".a", "a.", "a..b", "a.lock", "a/b", "a b", "\xc3\xa4" };
    static const char *const bad_branches[] = {
        "", "main", "/a", "a/", "a//b", "a..b", "a\\b", "a.lock", "a/b c", "a/."
    };
    static const char *const good_branches[] = { "a/.b", "a/main", "x-1_y.z", "a" };
    qv_db *db = NULL;
    qv_table *t = NULL;

    (void) state;
    open_fresh("memory://", NULL, &db, &t);
    for (size_t i = 0; i < QV_COUNT_OF(bad_tags); i++)
        QVT_FAILS(qv_table_tag_create(t, bad_tags[i], 1, &err), QV_INVALID, "Ref is invalid");
    for (size_t i = 0; i < QV_COUNT_OF(bad_branches); i++)
        QVT_FAILS(qv_table_branch_create(t, bad_branches[i], NULL, 0, NULL, &err), QV_INVALID, "Ref is invalid");
    for (size_t i = 0; i < QV_COUNT_OF(good_branches); i++)
        QVT_OK(qv_table_branch_create(t, good_branches[i], NULL, 0, NULL, &err));
    QVT_OK(qv_table_tag_create(t, "v1.0_a-b", 1, &err));
    QVT_FAILS(qv_table_tag_create(t, "v1.0_a-b", 1, &err), QV_EXISTS, "tag v1.0_a-b already exists");
    QVT_FAILS(qv_table_tag_create(t, "z", 99, &err), QV_NOT_FOUND, "version main:99 does not exist");
    QVT_FAILS(qv_table_tag_update(t, "zz", 1, &err), QV_NOT_FOUND, "tag zz does not exist");
    QVT_FAILS(qv_table_tag_delete(t, "zz", &err), QV_NOT_FOUND, "tag zz does not exist");
    QVT_FAILS(qv_table_checkout_tag(t, "zz", &err), QV_NOT_FOUND, "tag zz does not exist");
    QVT_FAILS(qv_table_branch_create(t, "a", NULL, 0, NULL, &err), QV_EXISTS, "branch a already exists");
    QVT_FAILS(qv_table_branch_create(t, "q", NULL, 7, NULL, &err), QV_NOT_FOUND, "version main:7 does not exist");
    QVT_FAILS(qv_table_branch_create(t, "q", "zz", 0, NULL, &err), QV_NOT_FOUND, "Branch zz does not exist");
    QVT_FAILS(qv_table_branch_delete(t, "zz", &err), QV_NOT_FOUND, "Branch zz does not exist");
    QVT_FAILS(qv_table_restore(t, 0, &err), QV_INVALID, "you must run checkout before running restore");
    QVT_FAILS(qv_table_restore(t, 9, &err), QV_NOT_FOUND, "version main:9 does not exist");
    qv_table_close(t);
    qv_db_close(db);
}

/* A branch that lies in the folder of another one stays when that goes. */
static void test_branch_below_branch(void **state)
{
    qv_db *db = NULL;
    qv_table *t = NULL, *inner = NULL;
    char uri[4200];

    (void) state;
    snprintf(uri, sizeof uri, "%s/below", qvt_temp_dir());
    open_fresh(uri, NULL, &db, &t);
    QVT_OK(qv_table_branch_create(t, "a", NULL, 0, NULL, &err));
    QVT_OK(qv_table_branch_create(t, "a/b", NULL, 0, &inner, &err));
    assert_string_equal(qv_table_branch(inner), "a/b");
    assert_string_equal(qv_table_uri(inner), qv_table_uri(t));
    add(inner, 2, QV_APPEND);
    qv_table_close(inner);
    QVT_OK(qv_table_branch_delete(t, "a", &err));
    QVT_OK(qv_table_branch_open(t, "a/b", 0, &inner, &err));
    assert_int_equal(count(inner), 2);
    QVT_FAILS(qv_table_branch_open(t, "a", 0, &inner, &err), QV_NOT_FOUND, "Branch a does not exist");
    QVT_OK(qv_table_branch_create(t, "a", "a/b", 2, NULL, &err));
    QVT_FAILS(qv_table_branch_delete(t, "a/b", &err), QV_CONFLICT, "referenced by [(\"a\", 2)]");
    QVT_OK(qv_table_branch_delete(t, "a", &err));
    QVT_OK(qv_table_tag_create(inner, "on", 0, &err));
    QVT_FAILS(qv_table_branch_delete(t, "a/b", &err), QV_CONFLICT, "referenced by tags [(\"on\", 2)]");
    QVT_OK(qv_table_checkout_tag(t, "on", &err));
    assert_int_equal(count(t), 2);
    QVT_FAILS(qv_table_restore(t, 0, &err), QV_INVALID, "of another branch");
    QVT_OK(qv_table_checkout_latest(t, &err));
    assert_int_equal(count(t), 1);
    qv_table_close(inner);
    qv_table_close(t);
    qv_db_close(db);
}

static void test_clone_in_memory(void **state)
{
    qv_db *db = NULL, *disk = NULL;
    qv_table *t = NULL, *clone = NULL;
    char uri[4200];

    (void) state;
    open_fresh("memory://", NULL, &db, &t);
    add(t, 2, QV_APPEND);
    QVT_OK(qv_db_clone_table(db, "c", qv_table_uri(t), 1, NULL, &clone, &err));
    add(clone, 3, QV_APPEND);
    assert_int_equal(count(clone), 2);
    assert_int_equal(count(t), 2);
    qv_table *again = NULL;
    QVT_FAILS(qv_db_clone_table(db, "c", qv_table_uri(t), 0, NULL, &again, &err), QV_EXISTS,
              "Table 'c' already exists");
    QVT_FAILS(qv_db_clone_table(db, "d", qv_table_uri(t), 1, "x", &again, &err), QV_INVALID, "both");
    QVT_FAILS(qv_db_clone_table(db, "d", qv_table_uri(t), 0, "x", &again, &err), QV_NOT_FOUND, "tag x does not exist");
    snprintf(uri, sizeof uri, "%s/disk", qvt_temp_dir());
    QVT_OK(qv_db_open(uri, NULL, &disk, &err));
    QVT_FAILS(qv_db_clone_table(disk, "d", qv_table_uri(t), 0, NULL, &again, &err), QV_UNSUPPORTED, "memory");
    qv_db_close(disk);
    qv_table_close(clone);
    qv_table_close(t);
    qv_db_close(db);
}

/* ------------------------------------------------------------------ what handles see */

static void test_consistency(void **state)
{
    static const qv_consistency kinds[] = { QV_CONSISTENCY_NONE, QV_CONSISTENCY_STRONG, QV_CONSISTENCY_EVENTUAL };
    char uri[4200];

    (void) state;
    for (size_t i = 0; i < QV_COUNT_OF(kinds); i++) {
        qv_db_options options = QV_DB_OPTIONS_INIT;
        qv_db *db = NULL, *other = NULL;
        qv_table *writer = NULL, *reader = NULL;
        options.consistency = kinds[i];
        options.refresh_ms = 150;
        snprintf(uri, sizeof uri, "%s/consistency-%zu", qvt_temp_dir(), i);
        open_fresh(uri, NULL, &db, &writer);
        QVT_OK(qv_db_open(uri, &options, &other, &err));
        QVT_OK(qv_db_open_table(other, "t", 0, &reader, &err));
        add(writer, 2, QV_APPEND);
        assert_int_equal(count(reader), kinds[i] == QV_CONSISTENCY_STRONG ? 2 : 1);
        nanosleep(&(struct timespec){ 0, 200 * 1000000 }, NULL);
        assert_int_equal(count(reader), kinds[i] == QV_CONSISTENCY_NONE ? 1 : 2);
        assert_int_equal(qv_table_version(reader), kinds[i] == QV_CONSISTENCY_NONE ? 1 : 2);
        QVT_OK(qv_table_checkout(reader, 1, &err));
        nanosleep(&(struct timespec){ 0, 200 * 1000000 }, NULL);
        assert_int_equal(count(reader), 1);
        QVT_OK(qv_table_checkout_latest(reader, &err));
        assert_int_equal(count(reader), 2);
        qv_table_close(reader);
        qv_table_close(writer);
        qv_db_close(other);
        qv_db_close(db);
    }
}

static void test_checkout_time(void **state)
{
    qv_version_info *versions;
    qv_db *db = NULL;
    qv_table *t = NULL;
    size_t n;

    (void) state;
    open_fresh("memory://", NULL, &db, &t);
    for (int64_t i = 2; i < 6; i++) {
        nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
        add(t, i, QV_APPEND);
    }
    QVT_OK(qv_table_versions(t, &versions, &n, &err));
    assert_int_equal(n, 5);
    for (size_t i = 0; i < n; i++) {
        QVT_OK(qv_table_checkout_time(t, versions[i].timestamp_ns, &err));
        assert_int_equal(qv_table_version(t), i + 1);
        assert_int_equal(versions[i].data_files, i + 1);
        assert_int_equal(versions[i].data_rows, i + 1);
        if (i)
            QVT_OK(qv_table_checkout_time(t, versions[i].timestamp_ns - 1, &err));
        assert_int_equal(qv_table_version(t), i ? i : 1);
    }
    QVT_FAILS(qv_table_checkout_time(t, versions[0].timestamp_ns - 1, &err), QV_NOT_FOUND,
              "no version that was committed");
    QVT_OK(qv_table_checkout(t, 2, &err));
    QVT_OK(qv_table_restore(t, 0, &err));
    assert_int_equal(qv_table_version(t), 6);
    assert_int_equal(count(t), 2);
    qv_versions_free(versions);
    qv_table_close(t);
    qv_db_close(db);
}

/* ------------------------------------------------------------------ the price of the newest version */

/* Storage operations of one opening of the table: the first one that can fail without being reached is behind the last. */
static uint64_t operations_to_open(const char *uri)
{
    for (uint64_t n = 0;; n += 1) {
        qv_db *db = NULL;
        qv_table *t = NULL;
        QVT_OK(qv_db_open(uri, NULL, &db, &err));
        qv__fault_arm(QV_FAULT_ERROR, n);
        qv_db_open_table(db, "t", 0, &t, NULL);
        bool fired = qv__fault_fired();
        qv__fault_arm(QV_FAULT_NONE, 0);
        qv_table_close(t);
        qv_db_close(db);
        if (!fired)
            return n;
    }
}

static void test_opening_costs_the_same(void **state)
{
    char uri[4200];

    (void) state;
    for (int old_names = 0; old_names < 2; old_names++) {
        qv_db *db = NULL;
        qv_table *t = NULL;
        qv__store *store = NULL;
        snprintf(uri, sizeof uri, "%s/price-%d", qvt_temp_dir(), old_names);
        open_fresh(uri, NULL, &db, &t);
        if (old_names) {
            QVT_OK(qv__store_open(qv_table_uri(t), false, &store, &err));
            QVT_OK(qv__store_rename(store, "_versions/18446744073709551614.manifest", "_versions/1.manifest", &err));
            qv_table_close(t);
            QVT_OK(qv_db_open_table(db, "t", 0, &t, &err));
            qv__store_unref(store);
        }
        for (int64_t i = 0; i < 5; i++)
            add(t, i, QV_OVERWRITE);
        uint64_t few = operations_to_open(uri);
        for (int64_t i = 0; i < 200; i++)
            add(t, i, QV_OVERWRITE);
        assert_int_equal(operations_to_open(uri), few);
        assert_true(few < 20);
        bool v2;
        QVT_OK(qv_table_uses_v2_manifest_names(t, &v2, &err));
        assert_true(v2 == !old_names);
        qv_table_close(t);
        qv_db_close(db);
    }
}

/* The hint may say anything. */
static void test_bad_hints(void **state)
{
    static const char *const hints[] = { "{\"version\":1}",
                                         "{\"version\":2}",
                                         "{\"version\":99}",
                                         "{\"version\":0}",
                                         "no",
                                         "",
                                         "{\"version\":18446744073709551615}" };
    qv_db *db = NULL;
    qv_table *t = NULL;
    qv__store *store = NULL;
    uint64_t version;
    char uri[4200];

    (void) state;
    snprintf(uri, sizeof uri, "%s/hints", qvt_temp_dir());
    open_fresh(uri, NULL, &db, &t);
    for (int64_t i = 2; i <= 80; i++)
        add(t, i, QV_APPEND);
    QVT_OK(qv__store_open(qv_table_uri(t), false, &store, &err));
    for (size_t i = 0; i < QV_COUNT_OF(hints); i++) {
        QVT_OK(qv__store_put(store, "_versions/latest_version_hint.json", hints[i], strlen(hints[i]), QV_PUT_REPLACE,
                             &err));
        QVT_OK(qv__latest_version(store, &version, &err));
        assert_int_equal(version, 80);
    }
    QVT_OK(qv__store_delete(store, "_versions/latest_version_hint.json", &err));
    QVT_OK(qv__latest_version(store, &version, &err));
    assert_int_equal(version, 80);
    /* a hole, and an old hint below it: clean-up rewrites the hint first */
    QVT_OK(qv_table_tag_create(t, "old", 5, &err));
    qv_cleanup_options options = QV_CLEANUP_OPTIONS_INIT;
    options.older_than_s = 0;
    QVT_OK(qv__store_put(store, "_versions/latest_version_hint.json", "{\"version\":5}", 13, QV_PUT_REPLACE, &err));
    QVT_OK(qv_table_cleanup(t, &options, NULL, &err));
    QVT_OK(qv__latest_version(store, &version, &err));
    assert_int_equal(version, 80);
    qv__store_unref(store);
    qv_table_close(t);
    qv_db_close(db);
}

/* ------------------------------------------------------------------ clean-up */

static void test_cleanup_policies(void **state)
{
    qv_cleanup_options options = QV_CLEANUP_OPTIONS_INIT;
    qv_cleanup_result result;
    qv_db *db = NULL;
    qv_table *t = NULL, *old = NULL;
    qv_version_info *versions;
    size_t n;

    (void) state;
    open_fresh("memory://", NULL, &db, &t);
    for (int64_t i = 2; i <= 10; i++)
        add(t, i, QV_OVERWRITE);
    QVT_OK(qv_db_open_table(db, "t", 3, &old, &err));
    QVT_OK(qv_table_cleanup(t, NULL, &result, &err)); /* nothing is 7 days old */
    assert_int_equal(result.versions_removed, 0);
    options.older_than_s = 0;
    options.retain_versions = 4;
    QVT_OK(qv_table_cleanup(t, &options, &result, &err));
    assert_int_equal(result.versions_removed, 6);
    assert_int_equal(result.data_files_removed, 6);
    assert_int_equal(result.transaction_files_removed, 6);
    assert_true(result.bytes_removed > 0);
    QVT_OK(qv_table_versions(t, &versions, &n, &err));
    assert_int_equal(n, 4);
    assert_int_equal(versions[0].version, 7);
    qv_versions_free(versions);
    qvt_rows rows = { 0 };
    QVT_FAILS(qvt_rows_scan(old, &rows, &err), QV_IO, "version 3 was cleaned up");
    qvt_rows_free(&rows);
    QVT_FAILS(qv_table_checkout(t, 3, &err), QV_NOT_FOUND, "has no version 3");
    assert_int_equal(count(t), 1);
    qv_table_close(old);
    qv_table_close(t);
    qv_db_close(db);
}

static void test_unnamed_files(void **state)
{
    static const char *const files[] = { "data/x.lance", "_deletions/0-1-2.arrow", "_transactions/1-x.txn",
                                         "_indices/abc/f.lance", "data/x/1.blob" };
    qv_cleanup_options options = QV_CLEANUP_OPTIONS_INIT;
    qv_cleanup_result result;
    qv_db *db = NULL;
    qv_table *t = NULL;
    qv__store *store = NULL;
    char uri[4200], path[4400];

    (void) state;
    snprintf(uri, sizeof uri, "%s/unnamed", qvt_temp_dir());
    open_fresh(uri, NULL, &db, &t);
    QVT_OK(qv__store_open(qv_table_uri(t), false, &store, &err));
    for (size_t i = 0; i < QV_COUNT_OF(files); i++)
        QVT_OK(qv__store_put(store, files[i], "x", 1, QV_PUT_REPLACE, &err));
    QVT_OK(qv__store_put(store, "data/notes.txt", "x", 1, QV_PUT_REPLACE, &err));
    snprintf(path, sizeof path, "%s/data/.tmp-1-1", qv_table_uri(t));
    FILE *temp = fopen(path, "w");
    assert_non_null(temp);
    fclose(temp);
    QVT_OK(qv_table_cleanup(t, &options, &result, &err)); /* all are young */
    assert_int_equal(result.bytes_removed, 0);
    nanosleep(&(struct timespec){ 1, 100000000 }, NULL);
    options.delete_unverified = true;
    QVT_OK(qv_table_cleanup(t, &options, &result, &err));
    assert_int_equal(result.data_files_removed, 2);
    assert_int_equal(result.deletion_files_removed, 1);
    assert_int_equal(result.transaction_files_removed, 1);
    assert_int_equal(result.index_files_removed, 1);
    assert_int_equal(result.bytes_removed, 5);
    assert_null(fopen(path, "r"));
    bool exists;
    QVT_OK(qv__store_exists(store, "data/notes.txt", &exists, &err));
    assert_true(exists);
    assert_int_equal(count(t), 1);
    qv__store_unref(store);
    qv_table_close(t);
    qv_db_close(db);
}

/* ------------------------------------------------------------------ readers, writers and clean-up at once */

typedef struct race {
    char uri[4200];
    _Atomic int done;
    int failures;
} race;

static void *keep_cleaning(void *ctx)
{
    race *r = ctx;
    qv_cleanup_options options = QV_CLEANUP_OPTIONS_INIT;
    qv_db *db = NULL;
    qv_table *t = NULL;
    qv_error e;

    options.older_than_s = 0;
    bool open = qv_db_open(r->uri, NULL, &db, &e) == QV_OK && qv_db_open_table(db, "t", 0, &t, &e) == QV_OK;
    while (open && !r->done)
        if (qv_table_cleanup(t, &options, NULL, &e) != QV_OK) {
            print_error("clean-up: %s\n", e.message);
            r->failures++;
        }
    qv_table_close(t);
    qv_db_close(db);
    return NULL;
}

static void *keep_naming(void *ctx)
{
    race *r = ctx;
    qv_db *db = NULL;
    qv_table *t = NULL;
    qv_error e;

    bool open = qv_db_open(r->uri, NULL, &db, &e) == QV_OK && qv_db_open_table(db, "t", 0, &t, &e) == QV_OK;
    for (int i = 0; open && !r->done; i++) {
        qv_table *branch = NULL;
        char name[32];
        uint64_t n;
        snprintf(name, sizeof name, "b%d", i);
        qv_table_checkout_latest(t, &e);
        uint64_t version = qv_table_version(t);
        if (i % 3 == 0) {
            qv_status st = qv_table_restore(t, version > 2 ? version - 2 : 1, &e);
            if (st != QV_OK && st != QV_NOT_FOUND && st != QV_CONFLICT)
                r->failures++, print_error("restore: %s\n", e.message);
            continue;
        }
        qv_status st = qv_table_branch_create(t, name, NULL, version > 1 ? version - 1 : 1, &branch, &e);
        if (st == QV_OK && qv_table_count_rows(branch, &n, &e) == QV_OK) {
            qvt_rows rows = { 0 };
            st = qvt_rows_scan(branch, &rows, &e);
            qvt_rows_free(&rows);
        }
        if (st != QV_OK && st != QV_NOT_FOUND)
            r->failures++, print_error("branch: %s\n", e.message);
        qv_table_close(branch);
        if (st == QV_OK && qv_table_branch_delete(t, name, &e) != QV_OK)
            r->failures++, print_error("branch delete: %s\n", e.message);
    }
    qv_table_close(t);
    qv_db_close(db);
    return NULL;
}

/* The version that is looked at may be cleaned up meanwhile, again and again; the newest one is sound. */
static void verify_newest(qv_table *t)
{
    qv_status st = QV_INVALID;

    for (int attempt = 0; st != QV_OK && attempt < 500; attempt++) {
        QVT_OK(qv_table_checkout_latest(t, &err));
        st = qv_table_verify(t, NULL, NULL, NULL, NULL, &err);
    }
    if (st != QV_OK)
        fail_msg("verify: %s", err.message);
}

static void test_race(void **state)
{
    race r = { .done = 0 };
    qv_db *db = NULL;
    qv_table *t = NULL;
    pthread_t cleaner, namer;

    (void) state;
    snprintf(r.uri, sizeof r.uri, "%s/race", qvt_temp_dir());
    open_fresh(r.uri, NULL, &db, &t);
    assert_int_equal(pthread_create(&cleaner, NULL, keep_cleaning, &r), 0);
    assert_int_equal(pthread_create(&namer, NULL, keep_naming, &r), 0);
    for (int64_t i = 0; i < 150; i++) {
        struct ArrowArrayStream stream;
        qvt_rows rows = { 0 };
        qvt_rows_add(&rows, (qvt_row){ .id = i });
        QVT_OK(qvt_rows_export(&rows, 1, &stream, &err));
        qv_status st = qv_table_write(t, i % 5 ? QV_APPEND : QV_OVERWRITE, &stream, NULL, NULL, &err);
        if (st != QV_OK && st != QV_CONFLICT)
            fail_msg("write: %s", err.message);
        qvt_rows_free(&rows);
        verify_newest(t);
    }
    r.done = 1;
    pthread_join(cleaner, NULL);
    pthread_join(namer, NULL);
    assert_int_equal(r.failures, 0);
    QVT_OK(qv_table_checkout_latest(t, &err));
    QVT_OK(qv_table_verify(t, NULL, NULL, NULL, NULL, &err));
    qv_table_close(t);
    qv_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),           cmocka_unit_test(test_branch_below_branch),
        cmocka_unit_test(test_clone_in_memory), cmocka_unit_test(test_consistency),
        cmocka_unit_test(test_checkout_time),   cmocka_unit_test(test_opening_costs_the_same),
        cmocka_unit_test(test_bad_hints),       cmocka_unit_test(test_cleanup_policies),
        cmocka_unit_test(test_unnamed_files),   cmocka_unit_test(test_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
