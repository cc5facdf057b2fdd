/* Which versions there are, and which of them a handle sees. */
#include <inttypes.h>
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
