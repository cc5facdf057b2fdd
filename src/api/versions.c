/* Which versions there are, and which of them a handle sees. */
#include <string.h>

#include "api/api_private.h"
#include "table/change.h"

qv_status qv_table_versions(qv_table *table, qv_version_info **out, size_t *n, qv_error *err)
{
    return qv__list_versions(table->store, out, n, err);
}

void qv_versions_free(qv_version_info *versions) { qv__free(versions); }

/* ---------------------------------------------------------------- checkout */

static qv_status pin(qv_table *table, qv__store *store, uint64_t version, qv_error *err)
{
    qv__snapshot *snapshot = NULL;

    QV_TRY(qv__snapshot_open(store, version, &snapshot, err));
    qv__table_see(table, snapshot, true);
    return QV_OK;
}

qv_status qv_table_checkout(qv_table *table, uint64_t version, qv_error *err)
{
    if (version == 0)
        return qv__fail(err, QV_NOT_FOUND, "Version 0 does not exist; versions start at 1");
    return pin(table, table->store, version, err);
}

qv_status qv_table_checkout_tag(qv_table *table, const char *tag, qv_error *err)
{
    qv_status st = QV_OK;
    qv__store *store = NULL;
    char *branch = NULL;
    uint64_t version;

    QV_TRY(qv__tag_find(table->root, tag, &branch, &version, err));
    QV_CHECK(qv__branch_store(table->root, branch, &store, err));
    QV_CHECK(pin(table, store, version, err));
done:
    if (st != QV_OK)
        qv__fail_in(err, st, "tag \"%s\"", tag);
    qv__store_unref(store);
    qv__free(branch);
    return st;
}

qv_status qv_table_checkout_time(qv_table *table, int64_t timestamp_ns, qv_error *err)
{
    uint64_t version;

    QV_TRY(qv__version_at(table->store, timestamp_ns, &version, err));
    return pin(table, table->store, version, err);
}

qv_status qv_table_checkout_latest(qv_table *table, qv_error *err)
{
    qv__snapshot *snapshot = NULL;

    QV_TRY(qv__table_newest(table, &snapshot, err));
    qv__table_see(table, snapshot, false);
    return QV_OK;
}

/* ---------------------------------------------------------------- restore */

static qv_status restored_version(qv_table *table, uint64_t version, uint64_t *out, qv_error *err)
{
    pthread_mutex_lock(&table->lock);
    bool pinned = table->pinned;
    const char *branch = qv__snapshot_branch(table->snapshot);
    bool is_own = branch && table->branch ? strcmp(branch, table->branch) == 0 : !branch && !table->branch;
    *out = version ? version : qv__snapshot_version(table->snapshot);
    pthread_mutex_unlock(&table->lock);
    if (!version && !pinned)
        return qv__fail(err, QV_INVALID, "you must run checkout before running restore");
    if (!version && !is_own)
        return qv__fail(err, QV_INVALID,
                        "the version that is checked out is of another branch; open that to restore it");
    return QV_OK;
}

qv_status qv_table_restore(qv_table *table, uint64_t version, qv_error *err)
{
    char tag[QV_HOLD_BYTES]; /* clean-up must not take the version between our look at it and the commit */
    qv__change change = { .operation = QV_OP_RESTORE };
    qv__snapshot *newest = NULL, *made = NULL;
    qv__commit_end end;
    qv_status st = QV_OK;

    QV_TRY(qv__table_check_refs_writable(table, err));
    QV_TRY(restored_version(table, version, &change.restore_version, err));
    QV_CHECK(qv__table_newest(table, &newest, err));
    QV_CHECK(qv__version_hold(table->root, table->branch, change.restore_version, tag, err));
    st = qv__commit(table->store, newest, &change, NULL, &made, &end, err);
    qv__tag_delete(table->root, tag, NULL);
    QV_CHECK(st);
    qv__auto_cleanup(table->root, made);
    qv__table_see(table, made, false);
done:
    qv__snapshot_unref(newest);
    return st;
}

/* ---------------------------------------------------------------- names of manifests */

qv_status qv_table_uses_v2_manifest_names(qv_table *table, bool *out, qv_error *err)
{
    qv__snapshot *newest = NULL;

    QV_TRY(qv__table_newest(table, &newest, err));
    *out = qv__snapshot_has_v2_names(newest);
    qv__snapshot_unref(newest);
    return QV_OK;
}

qv_status qv_table_migrate_manifest_names(qv_table *table, qv_error *err)
{
    QV_TRY(qv__table_check_writable(table, err));
    QV_TRY(qv__migrate_names(table->store, err));
    return qv_table_checkout_latest(table, err);
}
