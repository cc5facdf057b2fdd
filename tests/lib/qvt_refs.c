#include "qvt_refs.h"

#include "qvt_rows.h"

#include "io/store.h"
#include "table/refs_private.h"

enum { N_VERSIONS = 5, ROWS = 10 };

static void rows_of(int64_t first, size_t n, qvt_rows *out)
{
    for (size_t i = 0; i < n; i++)
        qvt_rows_add(out, (qvt_row){ .id = first + (int64_t) i, .has_name = true, .name = "row" });
}

static void write_rows(qv_table *table, qv_write_mode mode, int64_t first)
{
    struct ArrowArrayStream stream;
    qvt_rows rows = { 0 };
    qv_error err;

    rows_of(first, ROWS, &rows);
    QVT_OK(qvt_rows_export(&rows, ROWS, &stream, &err));
    QVT_OK(qv_table_write(table, mode, &stream, NULL, NULL, &err));
    qvt_rows_free(&rows);
}

static void make_table(qv_db *db, qv_table **out)
{
    struct ArrowArrayStream stream;
    qvt_rows rows = { 0 };
    qv_error err;

    rows_of(ROWS, ROWS, &rows);
    QVT_OK(qvt_rows_export(&rows, ROWS, &stream, &err));
    QVT_OK(qv_db_create_table(db, "t", QV_CREATE, &stream, NULL, NULL, out, &err));
    qvt_rows_free(&rows);
}

/* As a writer of the old kind would have left them. */
static void use_old_names(const char *uri)
{
    qv__store *store = NULL;
    uint64_t *versions;
    qv__names names;
    qv_error err;
    size_t n;

    QVT_OK(qv__store_open(uri, false, &store, &err));
    qv__store *table;
    QVT_OK(qv__store_sub(store, "t.lance", &table, &err));
    QVT_OK(qv__version_numbers(table, &versions, &n, &names, &err));
    for (size_t i = 0; i < n; i++) {
        char old[QV_NAME_BYTES], new[QV_NAME_BYTES];
        qv__manifest_name(versions[i], QV_NAMES_V1, old);
        qv__manifest_name(versions[i], QV_NAMES_V2, new);
        QVT_OK(qv__store_rename(table, new, old, &err));
    }
    qv__free(versions);
    qv__store_unref(table);
    qv__store_unref(store);
}

void qvt_refs_prepare(void *ctx)
{
    qvt_refs *s = ctx;
    qv_db *db = NULL;
    qv_table *table = NULL, *branch = NULL;
    qv_error err;

    snprintf(s->uri, sizeof s->uri, "%s/refs-%u-%u", qvt_temp_dir(), (unsigned) s->act, s->n_folders++);
    QVT_OK(qv_db_open(s->uri, NULL, &db, &err));
    make_table(db, &table);
    for (int64_t v = 2; v <= N_VERSIONS; v++)
        write_rows(table, QV_OVERWRITE, v * ROWS);
    QVT_OK(qv_table_tag_create(table, "keep", 2, &err));
    QVT_OK(qv_table_branch_create(table, "b", NULL, 3, &branch, &err));
    write_rows(branch, QV_APPEND, 1000);
    qv_table_close(branch);
    qv_table_close(table);
    qv_db_close(db);
    if (s->act == QVT_MIGRATE)
        use_old_names(s->uri);
}

static qv_status act_on(qv_db *db, qv_table *table, const qvt_refs *s, qv_error *err)
{
    qv_cleanup_options cleanup = QV_CLEANUP_OPTIONS_INIT;
    char uri[4300];

    switch (s->act) {
    case QVT_TAG_CREATE:
        return qv_table_tag_create(table, "new", 4, err);
    case QVT_TAG_UPDATE:
        return qv_table_tag_update(table, "keep", 4, err);
    case QVT_TAG_DELETE:
        return qv_table_tag_delete(table, "keep", err);
    case QVT_BRANCH_CREATE:
        return qv_table_branch_create(table, "b/c", "b", 0, NULL, err);
    case QVT_BRANCH_DELETE:
        return qv_table_branch_delete(table, "b", err);
    case QVT_CLONE: {
        qv_table *clone = NULL;
        snprintf(uri, sizeof uri, "%s/t.lance", s->uri);
        qv_status st = qv_db_clone_table(db, "clone", uri, 4, NULL, &clone, err);
        qv_table_close(clone);
        return st;
    }
    case QVT_RESTORE:
        return qv_table_restore(table, 1, err);
    case QVT_CLEANUP:
        cleanup.older_than_s = 0;
        return qv_table_cleanup(table, &cleanup, NULL, err);
    case QVT_MIGRATE:
        return qv_table_migrate_manifest_names(table, err);
    case QVT_REFS_ACTS:
        break;
    }
    return QV_INVALID;
}

qv_status qvt_refs_run(void *ctx, qv_error *err)
{
    qvt_refs *s = ctx;
    qv_db *db = NULL;
    qv_table *table = NULL;

    qv_status st = qv_db_open(s->uri, NULL, &db, err);
    if (st == QV_OK)
        st = qv_db_open_table(db, "t", 0, &table, err);
    if (st == QV_OK)
        st = act_on(db, table, s, err);
    qv_table_close(table);
    qv_db_close(db);
    return st;
}

/* ------------------------------------------------------------------ what is left */

static void expect_rows(qv_table *table, int64_t first, int64_t appended)
{
    qvt_rows rows = { 0 };
    qv_error err;

    QVT_OK(qvt_rows_scan(table, &rows, &err));
    assert_int_equal(rows.n, appended ? 2 * ROWS : ROWS);
    for (size_t i = 0; i < rows.n; i++)
        assert_int_equal(rows.rows[i].id, i < ROWS ? first + (int64_t) i : appended + (int64_t) i - ROWS);
    qvt_rows_free(&rows);
}

static size_t check_versions(qv_table *table, bool restored)
{
    qv_version_info *versions;
    qv_error err;
    size_t n;

    QVT_OK(qv_table_versions(table, &versions, &n, &err));
    assert_true(n > 0);
    assert_int_equal(versions[n - 1].version, restored ? N_VERSIONS + 1 : N_VERSIONS);
    for (size_t i = 0; i < n; i++) {
        int64_t v = (int64_t) versions[i].version;
        QVT_OK(qv_table_checkout(table, versions[i].version, &err));
        expect_rows(table, v > N_VERSIONS ? ROWS : v * ROWS, 0);
        QVT_OK(qv_table_verify(table, NULL, NULL, NULL, NULL, &err));
    }
    QVT_OK(qv_table_checkout_latest(table, &err));
    qv_versions_free(versions);
    return n;
}

/* Tags but the holds of a restore that was cut off; the version of "keep", 0: there is none. */
static size_t check_tags(qv_table *table, uint64_t *kept)
{
    size_t n = 0;
    qv_tags *tags;
    qv_error err;

    *kept = 0;
    QVT_OK(qv_table_tags(table, &tags, &err));
    for (size_t i = 0; i < tags->n; i++) {
        if (strncmp(tags->tags[i].name, "quiver-hold-", 12) == 0)
            continue;
        n++;
        if (strcmp(tags->tags[i].name, "keep") == 0)
            *kept = tags->tags[i].version;
        QVT_OK(qv_table_checkout_tag(table, tags->tags[i].name, &err));
        expect_rows(table, (int64_t) tags->tags[i].version * ROWS, 0);
    }
    QVT_OK(qv_table_checkout_latest(table, &err));
    qv_tags_free(tags);
    return n;
}

/* A branch whose making was cut off has no versions, and can be deleted. */
static size_t check_branches(qv_table *table, bool may_be_empty)
{
    qv_branches *branches;
    size_t whole = 0;
    qv_error err;

    QVT_OK(qv_table_branches(table, &branches, &err));
    for (size_t i = 0; i < branches->n; i++) {
        qv_table *branch = NULL;
        qv_status st = qv_table_branch_open(table, branches->branches[i].name, 0, &branch, &err);
        if (st == QV_NOT_FOUND && may_be_empty) {
            QVT_OK(qv_table_branch_delete(table, branches->branches[i].name, &err));
            continue;
        }
        assert_int_equal(st, QV_OK);
        expect_rows(branch, 3 * ROWS, 1000);
        whole++;
        qv_table_close(branch);
    }
    qv_branches_free(branches);
    return whole;
}

static void check_clone(qv_db *db, qv_status st)
{
    qv_table *clone = NULL;
    qv_error err;

    qv_status opened = qv_db_open_table(db, "clone", 0, &clone, &err);
    if (st == QV_OK)
        assert_int_equal(opened, QV_OK);
    if (opened == QV_OK)
        expect_rows(clone, 4 * ROWS, 0);
    else
        assert_int_equal(opened, QV_NOT_FOUND);
    qv_table_close(clone);
}

void qvt_refs_check(void *ctx, qv_status st)
{
    qvt_refs *s = ctx;
    qv_db *db = NULL;
    qv_table *table = NULL;
    uint64_t kept;
    qv_error err;
    bool v2;

    QVT_OK(qv_db_open(s->uri, NULL, &db, &err));
    QVT_OK(qv_db_open_table(db, "t", 0, &table, &err));
    bool restored = s->act == QVT_RESTORE && qv_table_version(table) > N_VERSIONS;
    size_t n_versions = check_versions(table, restored);
    size_t n_tags = check_tags(table, &kept);
    size_t n_branches = check_branches(table, st != QV_OK && s->act == QVT_BRANCH_CREATE);
    check_clone(db, s->act == QVT_CLONE ? st : QV_NOT_FOUND);
    QVT_OK(qv_table_uses_v2_manifest_names(table, &v2, &err));
    if (st == QV_OK) {
        assert_int_equal(n_tags, s->act == QVT_TAG_CREATE ? 2 : s->act == QVT_TAG_DELETE ? 0 : 1);
        assert_int_equal(kept, s->act == QVT_TAG_UPDATE ? 4 : s->act == QVT_TAG_DELETE ? 0 : 2);
        assert_int_equal(n_branches, s->act == QVT_BRANCH_CREATE ? 2 : s->act == QVT_BRANCH_DELETE ? 0 : 1);
        assert_int_equal(n_versions, s->act == QVT_CLEANUP ? 3 : restored ? N_VERSIONS + 1 : N_VERSIONS);
        assert_true(restored == (s->act == QVT_RESTORE));
        assert_true(v2);
    }
    write_rows(table, QV_OVERWRITE, 0); /* and life goes on */
    qv_table_close(table);
    qv_db_close(db);
}
