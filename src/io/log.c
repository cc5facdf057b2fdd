/* Locks and logs: what their backends share. */
#include <string.h>

#include "base/alloc.h"
#include "io/io_private.h"

qv_status qv__lock_take(qv__store *store, const char *name, qv__lock **out, qv_error *err)
{
    qv__lock *lock = NULL;
    qv_status st = QV_OK;

    QV_CHECK(QV_NEW(&lock, 1, err));
    lock->fd = -1;
    QV_CHECK(qv__store_path(store, name, &lock->path, err));
    QV_CHECK(store->backend->lock_take(store, lock->path, lock, err));
    lock->store = qv__store_ref(store);
    *out = lock;
    return QV_OK;
done:
    if (lock)
        qv__free(lock->path);
    qv__free(lock);
    return st;
}

void qv__lock_release(qv__lock *lock)
{
    if (!lock)
        return;
    lock->store->backend->lock_release(lock);
    qv__store_unref(lock->store);
    qv__free(lock->path);
    qv__free(lock);
}

qv_status qv__log_create(qv__store *store, const char *name, qv__log **out, qv_error *err)
{
    qv__log *log = NULL;
    qv_status st = QV_OK;

    QV_CHECK(QV_NEW(&log, 1, err));
    log->fd = -1;
    log->store = qv__store_ref(store);
    QV_CHECK(qv__store_path(store, name, &log->path, err));
    QV_CHECK(store->backend->log_create(store, log->path, log, err));
    *out = log;
    return QV_OK;
done:
    qv__log_close(log);
    return st;
}

static qv_status check_usable(qv__log *log, qv_error *err)
{
    if (atomic_load_explicit(&log->failed, memory_order_relaxed))
        return qv__fail(err, QV_IO, "log \"%s\" cannot be used: an earlier sync failed", log->path);
    return QV_OK;
}

qv_status qv__log_append(qv__log *log, const void *bytes, size_t n, qv_error *err)
{
    QV_TRY(check_usable(log, err));
    QV_TRY(log->store->backend->log_append(log, bytes, n, err));
    log->size += n;
    return QV_OK;
}

uint64_t qv__log_size(const qv__log *log) { return log->size; }

qv_status qv__log_sync(qv__log *log, qv_error *err)
{
    QV_TRY(check_usable(log, err));
    qv_status st = log->store->backend->log_sync(log, err);
    if (st != QV_OK)
        atomic_store_explicit(&log->failed, true, memory_order_relaxed);
    return st;
}

void qv__log_close(qv__log *log)
{
    if (!log)
        return;
    qv__sys_close(log->fd);
    qv__store_unref(log->store);
    qv__free(log->path);
    qv__free(log);
}
