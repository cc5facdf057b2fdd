/* Tags, branches and clones. References live in the root table, whatever branch the handle is on. */
#include <string.h>

#include "api/api_private.h"

/* ---------------------------------------------------------------- tags */

qv_status qv_table_tags(qv_table *table, qv_tags **out, qv_error *err) { return qv__list_tags(table->root, out, err); }

void qv_tags_free(qv_tags *tags) { qv__tags_free(tags); }

typedef qv_status (*put_tag_fn)(qv__store *root, const char *branch, const char *tag, uint64_t version, qv_error *err);

/* version 0: what the handle sees, which after a checkout by tag may be of another branch. */
static qv_status put_tag(qv_table *table, put_tag_fn put, const char *tag, uint64_t version, qv_error *err)
{
    qv__snapshot *snapshot;

    QV_TRY(qv__table_check_refs_writable(table, err));
    if (version)
        return put(table->root, table->branch, tag, version, err);
    QV_TRY(qv__table_view(table, &snapshot, err));
    qv_status st = put(table->root, qv__snapshot_branch(snapshot), tag, qv__snapshot_version(snapshot), err);
    qv__snapshot_unref(snapshot);
    return st;
}

qv_status qv_table_tag_create(qv_table *table, const char *tag, uint64_t version, qv_error *err)
{
    return put_tag(table, qv__tag_create, tag, version, err);
}

qv_status qv_table_tag_update(qv_table *table, const char *tag, uint64_t version, qv_error *err)
{
    return put_tag(table, qv__tag_update, tag, version, err);
}

qv_status qv_table_tag_delete(qv_table *table, const char *tag, qv_error *err)
{
    QV_TRY(qv__table_check_refs_writable(table, err));
    return qv__tag_delete(table->root, tag, err);
}

qv_status qv_table_tag_version(qv_table *table, const char *tag, uint64_t *version, qv_error *err)
{
    char *branch = NULL;

    QV_TRY(qv__tag_find(table->root, tag, &branch, version, err));
    qv__free(branch);
    return QV_OK;
}

/* ---------------------------------------------------------------- branches */

qv_status qv_table_branches(qv_table *table, qv_branches **out, qv_error *err)
{
    return qv__list_branches(table->root, out, err);
}

void qv_branches_free(qv_branches *branches) { qv__branches_free(branches); }

static qv_status open_branch(qv_table *table, const char *branch, qv__store *store, uint64_t version, qv_table **out,
                             qv_error *err)
{
    qv__handle handle = { &table->options, table->root, store, branch, table->name, version != 0 };
    qv__snapshot *snapshot = NULL;

    qv_status st = qv__snapshot_open(store, version, &snapshot, err);
    if (st != QV_OK)
        return branch ? qv__fail_in(err, st, "branch \"%s\"", branch) : st;
    return qv__table_handle(&handle, snapshot, out, err);
}

qv_status qv_table_branch_create(qv_table *table, const char *branch, const char *from_branch, uint64_t from_version,
                                 qv_table **out, qv_error *err)
{
    qv__store *store = NULL;
    qv_status st = QV_OK;

    QV_TRY(qv__table_check_refs_writable(table, err));
    QV_TRY(qv__branch_create(table->root, branch, from_branch, from_version, &store, err));
    if (out)
        st = open_branch(table, branch, store, 0, out, err);
    qv__store_unref(store);
    return st;
}

qv_status qv_table_branch_open(qv_table *table, const char *branch, uint64_t version, qv_table **out, qv_error *err)
{
    qv__store *store = NULL;

    if (branch && strcmp(branch, "main") == 0)
        branch = NULL;
    QV_TRY(qv__branch_store(table->root, branch, &store, err));
    qv_status st = open_branch(table, branch, store, version, out, err);
    qv__store_unref(store);
    return st;
}

qv_status qv_table_branch_delete(qv_table *table, const char *branch, qv_error *err)
{
    QV_TRY(qv__table_check_refs_writable(table, err));
    return qv__branch_delete(table->root, branch, err);
}
