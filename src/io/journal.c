/* Locks and journals: what their backends share. */
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

qv_status qv__journal_create(qv__store *store, const char *name, qv__journal **out, qv_error *err)
{
    qv__journal *journal = NULL;
    qv_status st = QV_OK;

    QV_CHECK(QV_NEW(&journal, 1, err));
    journal->fd = -1;
    journal->store = qv__store_ref(store);
    QV_CHECK(qv__store_path(store, name, &journal->path, err));
    QV_CHECK(store->backend->journal_create(store, journal->path, journal, err));
    *out = journal;
    return QV_OK;
done:
    qv__journal_close(journal);
    return st;
}

static qv_status check_usable(qv__journal *journal, qv_error *err)
{
    if (atomic_load_explicit(&journal->failed, memory_order_relaxed))
        return qv__fail(err, QV_IO, "journal \"%s\" cannot be used: an earlier sync failed", journal->path);
    return QV_OK;
}

qv_status qv__journal_append(qv__journal *journal, const void *bytes, size_t n, qv_error *err)
{
    QV_TRY(check_usable(journal, err));
    QV_TRY(journal->store->backend->journal_append(journal, bytes, n, err));
    journal->size += n;
    return QV_OK;
}

uint64_t qv__journal_size(const qv__journal *journal) { return journal->size; }

qv_status qv__journal_sync(qv__journal *journal, qv_error *err)
{
    QV_TRY(check_usable(journal, err));
    qv_status st = journal->store->backend->journal_sync(journal, err);
    if (st != QV_OK)
        atomic_store_explicit(&journal->failed, true, memory_order_relaxed);
    return st;
}

void qv__journal_close(qv__journal *journal)
{
    if (!journal)
        return;
    qv__sys_close(journal->fd);
    qv__store_unref(journal->store);
    qv__free(journal->path);
    qv__free(journal);
}
