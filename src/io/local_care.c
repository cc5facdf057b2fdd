/* The local disk: what clean-up asks for. Deletions and renames of many names share one sync of their folder. */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "io/io_private.h"

qv_status qv__local_info(qv__store *store, const char *path, qv__object_info *out, qv_error *err)
{
    struct stat info;
    int failed = qv__sys_stat(path, &info);

    QV_UNUSED(store);
    if (failed == ENOENT || failed == ENOTDIR || (!failed && !S_ISREG(info.st_mode)))
        return qv__fail(err, QV_NOT_FOUND, "object \"%s\" does not exist", path);
    if (failed)
        return qv__sys_fail(err, failed, "object \"%s\" cannot be looked up", path);
    out->size = (uint64_t) info.st_size;
    out->modified_ns = (int64_t) info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    return QV_OK;
}

qv_status qv__local_sync_names(qv__store *store, const char *folder, qv_error *err)
{
    int failed = qv__sys_sync_folder(folder);

    QV_UNUSED(store);
    return failed && failed != ENOENT ? qv__sys_fail(err, failed, "folder \"%s\" cannot be synced", folder) : QV_OK;
}

qv_status qv__local_unlink(qv__store *store, const char *path, qv_error *err)
{
    int failed = qv__sys_unlink(path);

    QV_UNUSED(store);
    if (failed && failed != ENOENT && failed != ENOTDIR)
        return qv__sys_fail(err, failed, "object \"%s\" cannot be deleted", path);
    return QV_OK;
}

qv_status qv__local_rename(qv__store *store, const char *from, const char *to, qv_error *err)
{
    int failed = qv__sys_rename(from, to, false);

    QV_UNUSED(store);
    if (failed == ENOENT)
        return qv__fail(err, QV_NOT_FOUND, "object \"%s\" does not exist", from);
    if (failed == EEXIST)
        return qv__fail(err, QV_EXISTS, "object \"%s\" already exists", to);
    return failed ? qv__sys_fail(err, failed, "object \"%s\" cannot be renamed", from) : QV_OK;
}

/* ---------------------------------------------------------------- left-over uploads */

typedef struct sweep {
    const char *folder;
    int64_t before_ns;
    uint64_t bytes;
} sweep;

static int sweep_entry(void *ctx, const char *name, unsigned char d_type)
{
    sweep *s = ctx;
    struct stat info;
    char *path = NULL;

    QV_UNUSED(d_type);
    if (strncmp(name, QV_TEMP_PREFIX, sizeof QV_TEMP_PREFIX - 1) != 0)
        return 0;
    if (qv__path_join(s->folder, name, &path, NULL) != QV_OK)
        return ENOMEM;
    int failed = qv__sys_lstat(path, &info);
    if (!failed && S_ISREG(info.st_mode) && (int64_t) info.st_mtim.tv_sec * 1000000000 < s->before_ns) {
        failed = qv__sys_unlink(path);
        if (!failed)
            s->bytes += (uint64_t) info.st_size;
    }
    qv__free(path);
    return failed == ENOENT ? 0 : failed;
}

qv_status qv__local_sweep(qv__store *store, const char *folder, int64_t before_ns, uint64_t *bytes, qv_error *err)
{
    sweep s = { folder, before_ns, 0 };
    int failed = qv__sys_read_folder(folder, true, sweep_entry, &s);

    QV_UNUSED(store);
    if (failed && failed != ENOENT && failed != ENOTDIR)
        return qv__sys_fail(err, failed, "folder \"%s\" cannot be swept", folder);
    *bytes = s.bytes;
    return QV_OK;
}
