/* Databases: a folder whose sub-folders "<name>.lance" are tables. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_private.h"

#define TABLE_SUFFIX   ".lance"
#define MAX_REFRESH_MS (UINT64_C(1) << 40)
#define MAX_NAME_BYTES 200 /* file systems allow 255, and the suffix needs room */

static qv_status check_name(const char *name, qv_error *err)
{
    if (!name || !*name)
        return qv__fail(err, QV_INVALID, "Invalid table name (\"\"): it must not be empty");
    if (strlen(name) > MAX_NAME_BYTES)
        return qv__fail(err, QV_INVALID, "Invalid table name (\"%.40s...\"): it has %zu bytes, at most %d are allowed",
                        name, strlen(name), MAX_NAME_BYTES);
    for (const char *c = name; *c; c++) {
        bool known = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                     strchr("_-.", *c) != NULL;
        if (!known)
            return qv__fail(err, QV_INVALID,
                            "Invalid table name (\"%s\"): it may contain only alphanumeric characters, underscores, "
                            "hyphens and periods",
                            name);
    }
    return QV_OK;
}

static qv_status table_store(qv_db *db, const char *name, qv__store **out, qv_error *err)
{
    char folder[MAX_NAME_BYTES + sizeof TABLE_SUFFIX];

    QV_TRY(check_name(name, err));
    snprintf(folder, sizeof folder, "%s" TABLE_SUFFIX, name);
    return qv__store_sub(db->store, folder, out, err);
}

static qv_status check_writable(const qv_db *db, qv_error *err)
{
    if (db->options.read_only)
        return qv__fail(err, QV_READ_ONLY, "database \"%s\" was opened read-only", db->uri);
    return QV_OK;
}

qv_status qv_db_open(const char *uri, const qv_db_options *options, qv_db **out, qv_error *err)
{
    qv_db_options opts = QV_DB_OPTIONS_INIT;
    qv_db *db = NULL;
    qv_status st = QV_OK;

    QV_TRY(QV_OPTIONS(&opts, options, err));
    if (!uri || !*uri)
        return qv__fail(err, QV_INVALID, "database uri is empty");
    if ((unsigned) opts.consistency > QV_CONSISTENCY_EVENTUAL)
        return qv__fail(err, QV_INVALID, "consistency %d is not known", (int) opts.consistency);
    QV_CHECK(QV_NEW(&db, 1, err));
    db->options = (qv__handle_options){ opts.read_only, opts.consistency,
                                        (int64_t) QV_MIN(opts.refresh_ms, MAX_REFRESH_MS) * 1000000 };
    QV_CHECK(qv__store_open(uri, !opts.read_only, &db->store, err));
    db->uri = qv__strdup(qv__store_uri(db->store));
    if (!db->uri) {
        st = qv__fail_nomem(err, strlen(uri));
        goto done;
    }
    *out = db;
    return QV_OK;
done:
    qv_db_close(db);
    return st;
}

void qv_db_close(qv_db *db)
{
    if (!db)
        return;
    qv__store_unref(db->store);
    qv__free(db->uri);
    qv__free(db);
}

const char *qv_db_uri(const qv_db *db) { return db->uri; }

/* ---------------------------------------------------------------- names */

typedef struct name_list {
    qv_names *names;
    size_t capacity;
} name_list;

static qv_status collect_name(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    name_list *list = ctx;
    size_t len = strlen(name), suffix = sizeof TABLE_SUFFIX - 1;

    QV_UNUSED(size);
    if (!is_folder || len <= suffix || strcmp(name + len - suffix, TABLE_SUFFIX) != 0)
        return QV_OK;
    QV_TRY(QV_GROW(&list->names->names, &list->capacity, list->names->n + 1, err));
    char *copy = qv__strndup(name, len - suffix);
    if (!copy)
        return qv__fail_nomem(err, len);
    list->names->names[list->names->n++] = copy;
    return QV_OK;
}

static qv_status note_manifest(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    size_t len = strlen(name);

    QV_UNUSED(size);
    QV_UNUSED(err);
    if (!is_folder && len > 9 && strcmp(name + len - 9, ".manifest") == 0)
        *(bool *) ctx = true;
    return QV_OK;
}

/* Drops names whose folders hold no version: what a creation that failed may leave behind is not a table. */
static qv_status keep_tables(qv_db *db, qv_names *names, qv_error *err)
{
    char folder[NAME_MAX + sizeof TABLE_SUFFIX + sizeof "/_versions"];
    size_t kept = 0;
    qv_status st = QV_OK;

    for (size_t i = 0; i < names->n; i++) {
        bool has_version = false;
        snprintf(folder, sizeof folder, "%s" TABLE_SUFFIX "/_versions", names->names[i]);
        if (st == QV_OK)
            st = qv__store_list(db->store, folder, note_manifest, &has_version, err);
        if (st != QV_OK || has_version)
            names->names[kept++] = names->names[i];
        else
            qv__free(names->names[i]);
    }
    names->n = kept;
    return st;
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *) a, *(char *const *) b); }

/* Keeps [first, first + n) and frees the rest. */
static void cut_names(qv_names *names, size_t first, size_t n)
{
    for (size_t i = 0; i < names->n; i++)
        if (i < first || i >= first + n)
            qv__free(names->names[i]);
    if (n)
        memmove(names->names, names->names + first, n * sizeof *names->names);
    names->n = n;
}

qv_status qv_db_table_names(qv_db *db, const char *start_after, size_t limit, qv_names **out, qv_error *err)
{
    name_list list = { 0 };
    size_t first = 0;
    qv_status st = QV_OK;

    QV_CHECK(QV_NEW(&list.names, 1, err));
    QV_CHECK(qv__store_list(db->store, "", collect_name, &list, err));
    QV_CHECK(keep_tables(db, list.names, err));
    if (list.names->n)
        qsort(list.names->names, list.names->n, sizeof *list.names->names, compare_names);
    while (start_after && first < list.names->n && strcmp(list.names->names[first], start_after) <= 0)
        first++;
    size_t rest = list.names->n - first;
    cut_names(list.names, first, limit ? QV_MIN(limit, rest) : rest);
    *out = list.names;
    list.names = NULL;
done:
    qv_names_free(list.names);
    return st;
}

void qv_names_free(qv_names *names)
{
    if (!names)
        return;
    for (size_t i = 0; i < names->n; i++)
        qv__free(names->names[i]);
    qv__free(names->names);
    qv__free(names);
}

/* ---------------------------------------------------------------- tables of a database */

/* Takes the snapshot in every case. */
static qv_status open_handle(qv_db *db, qv__store *store, const char *name, qv__snapshot *snapshot, bool pinned,
                             qv_table **out, qv_error *err)
{
    qv__handle handle = { &db->options, store, store, NULL, name, pinned };

    return qv__table_handle(&handle, snapshot, out, err);
}

/* The newest snapshot of a table, or *out NULL when there is no such table. */
static qv_status find_table(qv__store *store, qv__snapshot **out, qv_error *err)
{
    qv_status st = qv__snapshot_open(store, 0, out, err);

    if (st != QV_NOT_FOUND)
        return st;
    *out = NULL;
    return QV_OK;
}

qv_status qv_db_create_table(qv_db *db, const char *name, qv_create_mode mode, struct ArrowArrayStream *data,
                             const struct ArrowSchema *schema, const qv_write_options *options, qv_table **out,
                             qv_error *err)
{
    qv_write_options opts = QV_WRITE_OPTIONS_INIT;
    qv__store *store = NULL;
    qv__snapshot *existing = NULL, *made = NULL;
    qv_status st = QV_OK;

    QV_CHECK(QV_OPTIONS(&opts, options, err));
    QV_CHECK(check_writable(db, err));
    QV_CHECK(table_store(db, name, &store, err));
    QV_CHECK(find_table(store, &existing, err));
    if (existing && mode == QV_CREATE) {
        st = qv__fail(err, QV_EXISTS, "Table '%s' already exists", name);
        goto done;
    }
    if (existing && mode == QV_CREATE_IF_ABSENT) {
        made = existing;
        existing = NULL;
    } else {
        qv__ingest ingest = { store, existing, existing != NULL, data, schema, &opts };
        data = NULL; /* taken */
        QV_CHECK(qv__ingest_run(&ingest, NULL, &made, err));
    }
    st = open_handle(db, store, name, made, false, out, err);
    made = NULL;
done:
    if (data && data->release)
        data->release(data);
    qv__snapshot_unref(made);
    qv__snapshot_unref(existing);
    qv__store_unref(store);
    return st;
}

qv_status qv_db_open_table(qv_db *db, const char *name, uint64_t version, qv_table **out, qv_error *err)
{
    qv__store *store = NULL;
    qv__snapshot *snapshot = NULL;
    qv_status st = QV_OK;

    QV_CHECK(table_store(db, name, &store, err));
    QV_CHECK(find_table(store, &snapshot, err));
    if (!snapshot) {
        st = qv__fail(err, QV_NOT_FOUND, "Table '%s' was not found", name);
        goto done;
    }
    if (version && version != qv__snapshot_version(snapshot)) {
        qv__snapshot_unref(snapshot);
        snapshot = NULL;
        QV_CHECK(qv__snapshot_open(store, version, &snapshot, err));
    }
    st = open_handle(db, store, name, snapshot, version != 0, out, err);
    snapshot = NULL;
done:
    qv__snapshot_unref(snapshot);
    qv__store_unref(store);
    return st;
}

static qv_status open_source(qv_db *db, const char *uri, uint64_t version, const char *tag, qv__snapshot **out,
                             qv_error *err)
{
    qv_status st = QV_OK;
    qv__store *root = NULL, *store = NULL;
    char *branch = NULL;

    QV_CHECK(qv__store_near(db->store, uri, &root, err));
    if (tag)
        QV_CHECK(qv__tag_find(root, tag, &branch, &version, err));
    QV_CHECK(qv__branch_store(root, branch, &store, err));
    QV_CHECK(qv__snapshot_open(store, version, out, err));
done:
    qv__store_unref(store);
    qv__store_unref(root);
    qv__free(branch);
    return st;
}

qv_status qv_db_clone_table(qv_db *db, const char *name, const char *uri, uint64_t version, const char *tag,
                            qv_table **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__store *store = NULL;
    qv__snapshot *source = NULL, *made = NULL;

    if (!uri || !*uri || (version && tag))
        return qv__fail(err, QV_INVALID,
                        version && tag ? "Cannot specify both source_version and source_tag"
                                       : "the source's uri is empty");
    QV_TRY(check_writable(db, err));
    QV_CHECK(table_store(db, name, &store, err));
    QV_CHECK(open_source(db, uri, version, tag, &source, err));
    st = qv__clone_shallow(source, store, err);
    if (st == QV_EXISTS)
        st = qv__fail(err, QV_EXISTS, "Table '%s' already exists", name);
    QV_CHECK(st);
    QV_CHECK(qv__snapshot_open(store, 0, &made, err));
    st = open_handle(db, store, name, made, false, out, err);
done:
    qv__snapshot_unref(source);
    qv__store_unref(store);
    return st;
}

qv_status qv_db_drop_table(qv_db *db, const char *name, qv_error *err)
{
    qv__store *store = NULL;
    uint64_t version = 0;
    qv_status st = QV_OK;

    QV_CHECK(check_writable(db, err));
    QV_CHECK(table_store(db, name, &store, err));
    QV_CHECK(qv__latest_version(store, &version, err));
    if (!version) {
        st = qv__fail(err, QV_NOT_FOUND, "Table '%s' was not found", name);
        goto done;
    }
    char folder[MAX_NAME_BYTES + sizeof TABLE_SUFFIX];
    snprintf(folder, sizeof folder, "%s" TABLE_SUFFIX, name);
    QV_CHECK(qv__store_delete_tree(db->store, folder, err));
done:
    qv__store_unref(store);
    return st;
}

qv_status qv_db_drop_all_tables(qv_db *db, qv_error *err)
{
    qv_names *names = NULL;
    qv_status st = QV_OK;

    QV_CHECK(check_writable(db, err));
    QV_CHECK(qv_db_table_names(db, NULL, 0, &names, err));
    for (size_t i = 0; i < names->n; i++) {
        st = qv_db_drop_table(db, names->names[i], err);
        if (st != QV_OK && st != QV_NOT_FOUND) /* a folder that is no table, or that another process dropped */
            goto done;
    }
    st = QV_OK;
done:
    qv_names_free(names);
    return st;
}
