/*
 * Writing an object to the local disk:
 *
 *   create .tmp-<pid>-<counter> in the object's folder -> write -> fsync -> rename to the name -> fsync the folder
 *
 * Small writes gather in a buffer of 1 MiB; large ones go to the system from the caller's memory. After every 16 MiB the
 * system is asked to start writing them back, so that the disk works while the caller encodes, and the fsync at the end
 * finds little to do. (No fallocate: the size is not known, and delayed allocation places a sequential file well.)
 *
 * If the folder's sync fails after the rename, nobody knows whether the name will survive a power loss. A name that the
 * upload introduced is then taken away again; one that it replaced stays, because the old object is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/io_private.h"

#define BUFFER_BYTES    ((size_t) 1 << 20)
#define DIRECT_BYTES    ((size_t) 256 << 10)
#define WRITEBACK_BYTES ((uint64_t) 16 << 20)

typedef struct local_upload {
    qv__upload head;
    char *temp;
    int fd;
    uint8_t *buffer; /* BUFFER_BYTES, made by the first small write */
    size_t buffered;
    uint64_t written;   /* bytes in the file */
    uint64_t writeback; /* bytes of it whose writing back was started */
} local_upload;

static void free_upload(local_upload *self)
{
    if (!self)
        return;
    qv__sys_close(self->fd);
    qv__free(self->temp);
    qv__free(self->buffer);
    qv__upload_clear(&self->head);
    qv__free(self);
}

static qv_status temp_path(const char *path, char **out, qv_error *err)
{
    static _Atomic unsigned long counter;
    size_t parent = qv__path_parent(path);
    size_t room = parent + sizeof QV_TEMP_PREFIX + 64;
    char *temp = qv__alloc(room, 1);

    if (!temp)
        return qv__fail_nomem(err, room);
    snprintf(temp, room, "%.*s%s%s%ld-%lu", (int) parent, path, parent > 1 ? "/" : "", QV_TEMP_PREFIX, (long) getpid(),
             atomic_fetch_add(&counter, 1));
    *out = temp;
    return QV_OK;
}

/* The name may be taken: process ids repeat, in containers on one volume at the same time. And the folder may go between
 * looking and creating, when a table is dropped and made again. */
static qv_status create_temp(local_upload *self, qv_error *err)
{
    int failed = 0;

    for (int attempt = 0; attempt < 1000; attempt++) {
        qv__free(self->temp);
        self->temp = NULL;
        QV_TRY(temp_path(self->head.path, &self->temp, err));
        failed = qv__sys_create(self->temp, &self->fd);
        if (failed == 0)
            return QV_OK;
        self->fd = -1;
        if (failed == ENOENT)
            QV_TRY(qv__local_ready_folder(self->head.store, self->head.path, err));
        else if (failed != EEXIST)
            break;
    }
    return qv__sys_fail(err, failed, "object \"%s\" cannot be created", self->head.path);
}

qv_status qv__local_upload_begin(qv__store *store, const char *path, qv__upload **out, qv_error *err)
{
    qv_status st = QV_OK;
    local_upload *self = NULL;

    QV_TRY(QV_NEW(&self, 1, err));
    self->fd = -1;
    QV_CHECK(qv__upload_init(&self->head, store, path, err));
    QV_CHECK(qv__local_ready_folder(store, path, err));
    QV_CHECK(create_temp(self, err));
    *out = &self->head;
    return QV_OK;
done:
    free_upload(self);
    return st;
}

static qv_status write_out(local_upload *self, const void *bytes, size_t n, qv_error *err)
{
    int failed = qv__sys_write(self->fd, self->temp, bytes, n, self->written);

    if (failed)
        return qv__sys_fail(err, failed, "object \"%s\": %zu bytes at %llu cannot be written", self->head.path, n,
                            (unsigned long long) self->written);
    self->written += n;
    if (self->written - self->writeback >= WRITEBACK_BYTES) { /* a hint: the fsync decides */
        sync_file_range(self->fd, (off_t) self->writeback, (off_t) (self->written - self->writeback),
                        SYNC_FILE_RANGE_WRITE);
        self->writeback = self->written;
    }
    return QV_OK;
}

static qv_status flush(local_upload *self, qv_error *err)
{
    if (self->buffered == 0)
        return QV_OK;
    QV_TRY(write_out(self, self->buffer, self->buffered, err));
    self->buffered = 0;
    return QV_OK;
}

qv_status qv__local_upload_write(qv__upload *upload, const void *bytes, size_t n, qv_error *err)
{
    local_upload *self = (local_upload *) upload;
    const uint8_t *from = bytes;

    if (n >= DIRECT_BYTES) {
        QV_TRY(flush(self, err));
        return write_out(self, from, n, err);
    }
    if (!self->buffer) {
        self->buffer = qv__alloc_aligned(BUFFER_BYTES);
        if (!self->buffer)
            return qv__fail_nomem(err, BUFFER_BYTES);
    }
    size_t fits = QV_MIN(n, BUFFER_BYTES - self->buffered);
    memcpy(self->buffer + self->buffered, from, fits);
    self->buffered += fits;
    if (self->buffered == BUFFER_BYTES) {
        QV_TRY(flush(self, err));
        memcpy(self->buffer, from + fits, n - fits);
        self->buffered = n - fits;
    }
    return QV_OK;
}

/* Renames; *introduced says that the name was free before. */
static int take_name(local_upload *self, qv__put_mode mode, bool *introduced)
{
    int failed = qv__sys_rename(self->temp, self->head.path, false);

    *introduced = failed == 0;
    if (failed == EEXIST && mode != QV_PUT_IF_ABSENT)
        failed = qv__sys_rename(self->temp, self->head.path, true);
    return failed;
}

static qv_status sync_folder_of(local_upload *self, qv_error *err)
{
    char *folder = self->temp; /* the temporary name is gone; its folder is what we need */

    folder[qv__path_parent(folder)] = 0;
    int failed = qv__sys_sync_folder(folder);
    return failed ? qv__sys_fail(err, failed, "folder \"%s\" cannot be synced", folder) : QV_OK;
}

qv_status qv__local_upload_commit(qv__upload *upload, qv__put_mode mode, qv_error *err)
{
    local_upload *self = (local_upload *) upload;
    qv_status st = QV_OK;
    bool introduced = false, renamed = false;

    QV_CHECK(flush(self, err));
    int failed = mode == QV_PUT_HINT ? 0 : qv__sys_sync(self->fd, self->temp);
    if (failed)
        QV_CHECK(qv__sys_fail(err, failed, "object \"%s\" cannot be synced", upload->path));
    failed = take_name(self, mode, &introduced);
    if (failed == EEXIST)
        QV_CHECK(qv__fail(err, QV_EXISTS, "object \"%s\" already exists", upload->path));
    if (failed)
        QV_CHECK(qv__sys_fail(err, failed, "object \"%s\" cannot be put in place", upload->path));
    renamed = true;
    if (mode != QV_PUT_HINT)
        QV_CHECK(sync_folder_of(self, err));
done:
    if (st != QV_OK && !renamed)
        qv__sys_unlink(self->temp);
    else if (st != QV_OK && introduced)
        qv__sys_unlink(upload->path);
    free_upload(self);
    return st;
}

void qv__local_upload_abort(qv__upload *upload)
{
    local_upload *self = (local_upload *) upload;

    qv__sys_unlink(self->temp);
    free_upload(self);
}
