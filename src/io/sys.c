/*
 * The system calls behind the local store. Each asks qv__fault_check first, so that tests can fail any of them, and
 * reports what it did to the crash model, which knows from then on what a power loss may undo.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/io_private.h"

#define LARGEST_CALL ((size_t) 1 << 30) /* Linux moves at most 2 GiB in one call */

qv_status qv__sys_fail(qv_error *err, int failed, const char *format, ...)
{
    char what[sizeof err->message];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (failed != QV_FAULT_CRASHED)
        return qv__fail_errno(err, failed, "%s", what);
    qv__fail(err, QV_IO, "%s: crashed", what);
    if (err)
        err->sys_errno = EIO;
    return QV_IO;
}

int qv__sys_open(const char *path, int flags, int *fd)
{
    int failed = qv__fault_check(QV_OP_OTHER);

    if (failed)
        return failed;
    do
        *fd = open(path, flags | O_CLOEXEC);
    while (*fd < 0 && errno == EINTR);
    return *fd < 0 ? errno : 0;
}

int qv__sys_create(const char *path, int *fd)
{
    int failed = qv__fault_check(QV_OP_OTHER);

    if (failed)
        return failed;
    do
        *fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    while (*fd < 0 && errno == EINTR);
    if (*fd < 0)
        return errno;
    failed = qv__crash_created(path);
    if (failed) {
        close(*fd);
        unlink(path);
    }
    return failed;
}

/* Linux has released the descriptor even when close() says EINTR, and fsync has reported what could be lost. */
void qv__sys_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

int qv__sys_fstat(int fd, struct stat *info)
{
    int failed = qv__fault_check(QV_OP_OTHER);
    return failed ? failed : fstat(fd, info) ? errno : 0;
}

int qv__sys_stat(const char *path, struct stat *info)
{
    int failed = qv__fault_check(QV_OP_OTHER);
    return failed ? failed : stat(path, info) ? errno : 0;
}

int qv__sys_lstat(const char *path, struct stat *info)
{
    int failed = qv__fault_check(QV_OP_OTHER);
    return failed ? failed : lstat(path, info) ? errno : 0;
}

int qv__sys_read(int fd, void *bytes, size_t n, size_t *got)
{
    int failed = qv__fault_check(QV_OP_OTHER);
    size_t done = 0;

    if (failed)
        return failed;
    while (done < n) {
        ssize_t moved = read(fd, (char *) bytes + done, QV_MIN(n - done, LARGEST_CALL));
        if (moved < 0 && errno == EINTR)
            continue;
        if (moved < 0)
            return errno;
        if (moved == 0)
            break;
        done += (size_t) moved;
    }
    *got = done;
    return 0;
}

int qv__sys_map(int fd, size_t len, void **at)
{
    int failed = qv__fault_check(QV_OP_OTHER);

    if (failed)
        return failed;
    void *mapped = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        return errno;
    *at = mapped;
    return 0;
}

int qv__sys_write(int fd, const char *path, const void *bytes, size_t n, uint64_t at)
{
    int failed = qv__fault_check(QV_OP_WRITE);
    bool half = failed == QV_FAULT_HALF;

    if (failed && !half)
        return failed;
    if (half)
        n /= 2;
    for (size_t done = 0; done < n;) {
        ssize_t moved =
            pwrite(fd, (const char *) bytes + done, QV_MIN(n - done, LARGEST_CALL), (off_t) (at + (uint64_t) done));
        if (moved < 0 && errno == EINTR)
            continue;
        if (moved < 0)
            return errno;
        if (moved == 0)
            return EIO;
        done += (size_t) moved;
    }
    failed = qv__crash_wrote(path, at + n);
    return half ? EIO : failed;
}

int qv__sys_sync(int fd, const char *path)
{
    int failed = qv__fault_check(QV_OP_SYNC);

    if (failed)
        return failed;
    while (fsync(fd) != 0)
        if (errno != EINTR)
            return errno;
    return qv__crash_synced(path);
}

int qv__sys_sync_data(int fd, const char *path)
{
    int failed = qv__fault_check(QV_OP_SYNC);

    if (failed)
        return failed;
    while (fdatasync(fd) != 0)
        if (errno != EINTR)
            return errno;
    return qv__crash_synced(path);
}

int qv__sys_lock(const char *path, int *fd)
{
    int failed = qv__sys_create(path, fd);

    if (failed == EEXIST)
        failed = qv__sys_open(path, O_RDWR, fd);
    if (failed)
        return failed;
    while (flock(*fd, LOCK_EX | LOCK_NB) != 0)
        if (errno != EINTR) {
            failed = errno;
            close(*fd);
            return failed;
        }
    return 0;
}

/* Some file systems (network, FUSE) know no fsync of folders and say EINVAL; their renames are as durable as they get. */
int qv__sys_sync_folder(const char *path)
{
    int failed = qv__fault_check(QV_OP_SYNC);
    int fd = -1;

    if (failed)
        return failed;
    do
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return errno;
    while (fsync(fd) != 0 && (failed = errno) == EINTR)
        failed = 0;
    close(fd);
    if (failed && failed != EINVAL && failed != ENOTSUP)
        return failed;
    return qv__crash_synced_folder(path);
}

/* Where the file system lacks RENAME_NOREPLACE, a second link to the file is as exclusive. */
static int rename_if_absent(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
        return errno;
    if (link(from, to) != 0)
        return errno;
    unlink(from); /* a temporary name: listings do not show it, should it stay */
    return 0;
}

int qv__sys_rename(const char *from, const char *to, bool replace)
{
    qv__crash_saved replaced = { 0 };
    int failed = qv__fault_check(QV_OP_OTHER);

    if (failed)
        return failed;
    if (replace) {
        failed = qv__crash_save(to, &replaced);
        if (failed)
            return failed;
        failed = rename(from, to) ? errno : 0;
    } else {
        failed = rename_if_absent(from, to);
    }
    if (failed) {
        qv__crash_forget(&replaced);
        return failed;
    }
    return qv__crash_renamed(from, to, &replaced);
}

int qv__sys_unlink(const char *path)
{
    qv__crash_saved saved = { 0 };
    int failed = qv__fault_check(QV_OP_OTHER);

    if (!failed)
        failed = qv__crash_save(path, &saved);
    if (failed)
        return failed;
    if (unlink(path) != 0) {
        failed = errno;
        qv__crash_forget(&saved);
        return failed;
    }
    return qv__crash_unlinked(path, &saved);
}

int qv__sys_mkdir(const char *path)
{
    int failed = qv__fault_check(QV_OP_OTHER);

    if (failed)
        return failed;
    if (mkdir(path, 0777) != 0)
        return errno;
    return qv__crash_made_folder(path);
}

int qv__sys_rmdir(const char *path)
{
    int failed = qv__fault_check(QV_OP_OTHER);

    if (failed)
        return failed;
    if (rmdir(path) != 0)
        return errno;
    return qv__crash_removed_folder(path);
}

int qv__sys_read_folder(const char *path, bool follow, int (*fn)(void *ctx, const char *name, unsigned char d_type),
                        void *ctx)
{
    int fd = -1;
    int failed = qv__sys_open(path, O_RDONLY | O_DIRECTORY | (follow ? 0 : O_NOFOLLOW), &fd);

    if (failed)
        return failed;
    DIR *folder = fdopendir(fd);
    if (!folder) {
        failed = errno;
        close(fd);
        return failed;
    }
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(folder);
        if (!entry) {
            failed = errno;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        failed = fn(ctx, entry->d_name, entry->d_type);
        if (failed)
            break;
    }
    closedir(folder);
    return failed;
}
