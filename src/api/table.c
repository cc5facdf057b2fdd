/* Table handles: which snapshot they see, and facts about it. */
#include <string.h>

#include "api/api_private.h"
#include "arrow/c_data.h"

qv_status qv__table_handle(qv_db *db, qv__store *store, const char *name, qv__snapshot *snapshot, bool pinned,
                           qv_table **out, qv_error *err)
{
    qv_table *table = NULL;
    qv_status st = QV_NEW(&table, 1, err);

    if (st != QV_OK) {
        qv__snapshot_unref(snapshot);
        return st;
    }
    pthread_mutex_init(&table->lock, NULL);
    table->snapshot = snapshot;
    table->pinned = pinned;
    table->read_only = db->read_only;
    table->store = qv__store_ref(store);
    table->name = qv__strdup(name);
    table->uri = qv__strdup(qv__store_uri(store));
    if (!table->name || !table->uri) {
        qv_table_close(table);
        return qv__fail_nomem(err, strlen(name));
    }
    *out = table;
    return QV_OK;
}

void qv_table_close(qv_table *table)
{
    if (!table)
        return;
    qv__snapshot_unref(table->snapshot);
    qv__store_unref(table->store);
    pthread_mutex_destroy(&table->lock);
    qv__free(table->name);
    qv__free(table->uri);
    qv__free(table);
}

qv__snapshot *qv__table_snapshot(qv_table *table)
{
    pthread_mutex_lock(&table->lock);
    qv__snapshot *snapshot = qv__snapshot_ref(table->snapshot);
    pthread_mutex_unlock(&table->lock);
    return snapshot;
}

/* Two writes through one handle may finish in either order: the newer version stays. */
void qv__table_publish(qv_table *table, qv__snapshot *snapshot)
{
    qv__snapshot *old = snapshot;

    pthread_mutex_lock(&table->lock);
    if (!table->pinned && qv__snapshot_version(snapshot) >= qv__snapshot_version(table->snapshot)) {
        old = table->snapshot;
        table->snapshot = snapshot;
    }
    pthread_mutex_unlock(&table->lock);
    qv__snapshot_unref(old);
}

qv_status qv__table_newest(qv_table *table, qv__snapshot **out, qv_error *err)
{
    qv__snapshot *known = qv__table_snapshot(table);
    qv_status st = qv__snapshot_newest(known, out, err);

    qv__snapshot_unref(known);
    return st == QV_NOT_FOUND ? qv__fail(err, QV_NOT_FOUND, "Table '%s' was not found", table->name) : st;
}

qv_status qv__table_check_writable(qv_table *table, qv_error *err)
{
    pthread_mutex_lock(&table->lock);
    bool pinned = table->pinned;
    pthread_mutex_unlock(&table->lock);
    if (pinned)
        return qv__fail(err, QV_READ_ONLY, "table cannot be modified when a specific version is checked out");
    if (table->read_only)
        return qv__fail(err, QV_READ_ONLY, "table \"%s\" was opened through a read-only database", table->name);
    return QV_OK;
}

const char *qv_table_name(const qv_table *table) { return table->name; }

const char *qv_table_uri(const qv_table *table) { return table->uri; }

uint64_t qv_table_version(const qv_table *table)
{
    qv_table *self = (qv_table *) (uintptr_t) table; /* the lock is not part of the handle's value */
    pthread_mutex_lock(&self->lock);
    uint64_t version = qv__snapshot_version(self->snapshot);
    pthread_mutex_unlock(&self->lock);
    return version;
}

qv_status qv_table_schema(qv_table *table, struct ArrowSchema *out, qv_error *err)
{
    qv__snapshot *snapshot = qv__table_snapshot(table);
    qv_status st = qv__export_schema(qv__snapshot_schema(snapshot), out, err);

    qv__snapshot_unref(snapshot);
    return st;
}

qv_status qv_table_count_rows(qv_table *table, uint64_t *out, qv_error *err)
{
    qv__snapshot *snapshot = qv__table_snapshot(table);
    qv_status st = qv__snapshot_count_rows(snapshot, out, err);

    qv__snapshot_unref(snapshot);
    return st;
}

qv_status qv_table_versions(qv_table *table, qv_version_info **out, size_t *n, qv_error *err)
{
    return qv__list_versions(table->store, out, n, err);
}

void qv_versions_free(qv_version_info *versions) { qv__free(versions); }

qv_status qv_table_tags(qv_table *table, qv_tags **out, qv_error *err) { return qv__list_tags(table->store, out, err); }

void qv_tags_free(qv_tags *tags)
{
    if (!tags)
        return;
    for (size_t i = 0; i < tags->n; i++)
        qv__free((char *) (uintptr_t) tags->tags[i].name);
    qv__free(tags->tags);
    qv__free(tags);
}

static void see(qv_table *table, qv__snapshot *snapshot, bool pinned)
{
    pthread_mutex_lock(&table->lock);
    qv__snapshot *old = table->snapshot;
    table->snapshot = snapshot;
    table->pinned = pinned;
    pthread_mutex_unlock(&table->lock);
    qv__snapshot_unref(old);
}

qv_status qv_table_checkout(qv_table *table, uint64_t version, qv_error *err)
{
    qv__snapshot *snapshot = NULL;

    if (version == 0)
        return qv__fail(err, QV_NOT_FOUND, "Version 0 does not exist; versions start at 1");
    QV_TRY(qv__snapshot_open(table->store, version, &snapshot, err));
    see(table, snapshot, true);
    return QV_OK;
}

qv_status qv_table_checkout_latest(qv_table *table, qv_error *err)
{
    qv__snapshot *snapshot = NULL;

    QV_TRY(qv__table_newest(table, &snapshot, err));
    see(table, snapshot, false);
    return QV_OK;
}
