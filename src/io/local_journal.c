/* Locks and journals on the local disk. A lock is flock's: it belongs to the open descriptor, so a second opening in the same
 * process is another holder, and the kernel gives it up when the process ends however it ends. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/io_private.h"

static qv_status sync_entry(const char *path, qv_error *err)
{
    size_t len = qv__path_parent(path);
    char *folder = qv__strndup(path, len);

    if (!folder)
        return qv__fail_nomem(err, len + 1);
    int failed = qv__sys_sync_folder(folder);
    qv__free(folder);
    return failed ? qv__sys_fail(err, failed, "the folder of \"%s\" cannot be synced", path) : QV_OK;
}

qv_status qv__local_lock_take(qv__store *store, const char *path, qv__lock *lock, qv_error *err)
{
    QV_TRY(qv__local_ready_folder(store, path, err));
    int failed = qv__sys_lock(path, &lock->fd);
    if (failed)
        lock->fd = -1;
    if (failed == EWOULDBLOCK)
        return qv__fail(err, QV_EXISTS, "lock \"%s\" is held by another", path);
    return failed ? qv__sys_fail(err, failed, "lock \"%s\" cannot be taken", path) : QV_OK;
}

void qv__local_lock_release(qv__lock *lock) { qv__sys_close(lock->fd); }

qv_status qv__local_journal_create(qv__store *store, const char *path, qv__journal *journal, qv_error *err)
{
    QV_TRY(qv__local_ready_folder(store, path, err));
    int failed = qv__sys_create(path, &journal->fd);
    if (failed) {
        journal->fd = -1;
        return failed == EEXIST ? qv__fail(err, QV_EXISTS, "journal \"%s\" already exists", path)
                                : qv__sys_fail(err, failed, "journal \"%s\" cannot be created", path);
    }
    qv_status st = sync_entry(path, err);
    if (st != QV_OK)
        qv__sys_unlink(path);
    return st;
}

qv_status qv__local_journal_append(qv__journal *journal, const void *bytes, size_t n, qv_error *err)
{
    int failed = qv__sys_write(journal->fd, journal->path, bytes, n, journal->size);

    return failed ? qv__sys_fail(err, failed, "journal \"%s\": %zu bytes at %llu cannot be written", journal->path, n,
                                 (unsigned long long) journal->size)
                  : QV_OK;
}

qv_status qv__local_journal_sync(qv__journal *journal, qv_error *err)
{
    int failed = qv__sys_sync_data(journal->fd, journal->path);

    return failed ? qv__sys_fail(err, failed, "journal \"%s\" cannot be synced", journal->path) : QV_OK;
}
