/* Table handles: which snapshot they see, and facts about it. */
#include <string.h>

#include "api/api_private.h"
#include "arrow/c_data.h"
#include "change/row_buffer.h"

qv_status qv__table_handle(const qv__handle *from, qv__snapshot *snapshot, qv_table **out, qv_error *err)
{
    qv_table *table = NULL;
    qv_status st = QV_NEW(&table, 1, err);

    if (st != QV_OK) {
        qv__snapshot_unref(snapshot);
        return st;
    }
    pthread_mutex_init(&table->lock, NULL);
    table->snapshot = snapshot;
    table->pinned = from->pinned;
    table->options = *from->options;
    table->looked_ns = qv__now_ns();
    table->root = qv__store_ref(from->root);
    table->store = qv__store_ref(from->store);
    table->name = qv__strdup(from->name);
    table->uri = qv__strdup(qv__store_uri(from->root));
    table->branch = from->branch ? qv__strdup(from->branch) : NULL;
    if (!table->name || !table->uri || (from->branch && !table->branch)) {
        qv_table_close(table);
        return qv__fail_nomem(err, strlen(from->name));
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
    qv__store_unref(table->root);
    pthread_mutex_destroy(&table->lock);
    qv__free(table->branch);
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

/* Two writes through one handle may finish in either order: the newer version stays. Takes the snapshot. */
static void follow(qv_table *table, qv__snapshot *snapshot)
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

/* Is it time to look for a newer version? Then the look is noted as done. */
static bool is_look_due(qv_table *table)
{
    const qv__handle_options *options = &table->options;
    int64_t now = qv__now_ns();

    pthread_mutex_lock(&table->lock);
    bool due = !table->pinned &&
               (options->consistency == QV_CONSISTENCY_STRONG ||
                (options->consistency == QV_CONSISTENCY_EVENTUAL && now - table->looked_ns >= options->refresh_ns));
    if (due)
        table->looked_ns = now;
    pthread_mutex_unlock(&table->lock);
    return due;
}

static qv_status look(qv_table *table, qv_error *err)
{
    qv__snapshot *newest = NULL;

    if (!is_look_due(table))
        return QV_OK;
    QV_TRY(qv__table_newest(table, &newest, err));
    follow(table, newest);
    return QV_OK;
}

static qv__row_buffer *rows_of(qv_table *table)
{
    pthread_mutex_lock(&table->lock);
    qv__row_buffer *rows = table->pinned ? NULL : table->rows;
    pthread_mutex_unlock(&table->lock);
    return rows;
}

qv_status qv__table_view(qv_table *table, qv__snapshot **out, qv_error *err)
{
    QV_TRY(look(table, err));
    qv__row_buffer *rows = rows_of(table);
    if (rows)
        return qv__row_buffer_view(rows, out, err);
    *out = qv__table_snapshot(table);
    return QV_OK;
}

void qv__table_publish(qv_table *table, qv__snapshot *snapshot)
{
    qv__auto_cleanup(table->root, snapshot);
    follow(table, snapshot);
}

void qv__table_see(qv_table *table, qv__snapshot *snapshot, bool pinned)
{
    pthread_mutex_lock(&table->lock);
    qv__snapshot *old = table->snapshot;
    table->snapshot = snapshot;
    table->pinned = pinned;
    pthread_mutex_unlock(&table->lock);
    qv__snapshot_unref(old);
}

/* A handle that is pinned to a tag may hold a version of another branch. */
static bool is_of_branch(const qv__snapshot *snapshot, const char *branch)
{
    const char *own = qv__snapshot_branch(snapshot);

    return own && branch ? strcmp(own, branch) == 0 : !own && !branch;
}

qv_status qv__table_newest(qv_table *table, qv__snapshot **out, qv_error *err)
{
    qv__snapshot *known = qv__table_snapshot(table);
    qv_status st = is_of_branch(known, table->branch) ? qv__snapshot_newest(known, out, err)
                                                      : qv__snapshot_open(table->store, 0, out, err);

    qv__snapshot_unref(known);
    if (st == QV_NOT_FOUND && table->branch)
        return qv__fail(err, QV_NOT_FOUND, "Branch '%s' of table '%s' was not found", table->branch, table->name);
    return st == QV_NOT_FOUND ? qv__fail(err, QV_NOT_FOUND, "Table '%s' was not found", table->name) : st;
}

qv_status qv__table_check_refs_writable(qv_table *table, qv_error *err)
{
    if (table->options.read_only)
        return qv__fail(err, QV_READ_ONLY, "table \"%s\" was opened through a read-only database", table->name);
    return QV_OK;
}

qv_status qv__table_check_writable(qv_table *table, qv_error *err)
{
    pthread_mutex_lock(&table->lock);
    bool pinned = table->pinned;
    pthread_mutex_unlock(&table->lock);
    if (pinned)
        return qv__fail(err, QV_READ_ONLY, "table cannot be modified when a specific version is checked out");
    QV_TRY(qv__table_check_refs_writable(table, err));
    qv__row_buffer *rows = rows_of(table);
    return rows ? qv__row_buffer_flush(rows, NULL, err) : QV_OK;
}

const char *qv_table_name(const qv_table *table) { return table->name; }

const char *qv_table_uri(const qv_table *table) { return table->uri; }

const char *qv_table_branch(const qv_table *table) { return table->branch; }

/* Where reads look for newer versions, so does this, as well as it can without a status. */
uint64_t qv_table_version(const qv_table *table)
{
    qv_table *self = (qv_table *) (uintptr_t) table; /* the lock is not part of the handle's value */

    look(self, NULL);
    qv__snapshot *snapshot = qv__table_snapshot(self);
    uint64_t version = qv__snapshot_version(snapshot);
    qv__snapshot_unref(snapshot);
    return version;
}

qv_status qv_table_schema(qv_table *table, struct ArrowSchema *out, qv_error *err)
{
    qv__snapshot *snapshot;

    QV_TRY(qv__table_view(table, &snapshot, err));
    qv_status st = qv__export_schema(qv__snapshot_schema(snapshot), out, err);
    qv__snapshot_unref(snapshot);
    return st;
}

qv_status qv_table_count_rows(qv_table *table, uint64_t *out, qv_error *err)
{
    qv__snapshot *snapshot;

    QV_TRY(qv__table_view(table, &snapshot, err));
    qv_status st = qv__snapshot_count_rows(snapshot, out, err);
    qv__snapshot_unref(snapshot);
    return st;
}
