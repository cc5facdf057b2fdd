/* Care of stored objects: names checked, then the backend. */
#include "base/alloc.h"
#include "io/io_private.h"

qv_status qv__store_info(qv__store *store, const char *name, qv__object_info *out, qv_error *err)
{
    char *path = NULL;

    QV_TRY(qv__store_path(store, name, &path, err));
    qv_status st = store->backend->info(store, path, out, err);
    qv__free(path);
    return st;
}

static qv_status unlink_one(qv__store *store, const char *folder, const char *name, qv_error *err)
{
    char *below = NULL, *path = NULL;
    qv_status st = QV_OK;

    QV_CHECK(qv__path_join(folder, name, &below, err));
    QV_CHECK(qv__store_path(store, below, &path, err));
    QV_CHECK(store->backend->unlink(store, path, err));
done:
    qv__free(path);
    qv__free(below);
    return st;
}

qv_status qv__store_delete_many(qv__store *store, const char *folder, const char *const *names, size_t n, qv_error *err)
{
    char *path = NULL;
    qv_status st = QV_OK;

    if (n == 0)
        return QV_OK;
    for (size_t i = 0; i < n; i++)
        QV_CHECK(unlink_one(store, folder, names[i], err));
    QV_CHECK(qv__store_folder_path(store, folder, &path, err));
    QV_CHECK(store->backend->sync_names(store, path, err));
done:
    qv__free(path);
    return st;
}

qv_status qv__store_rename(qv__store *store, const char *name, const char *new_name, qv_error *err)
{
    char *from = NULL, *to = NULL;
    qv_status st = QV_OK;

    QV_CHECK(qv__store_path(store, name, &from, err));
    QV_CHECK(qv__store_path(store, new_name, &to, err));
    QV_CHECK(store->backend->rename(store, from, to, err));
    to[qv__path_parent(to)] = 0;
    QV_CHECK(store->backend->sync_names(store, to, err));
done:
    qv__free(from);
    qv__free(to);
    return st;
}

qv_status qv__store_sweep(qv__store *store, const char *folder, int64_t before_ns, uint64_t *bytes, qv_error *err)
{
    char *path = NULL;

    QV_TRY(qv__store_folder_path(store, folder, &path, err));
    qv_status st = store->backend->sweep(store, path, before_ns, bytes, err);
    qv__free(path);
    return st;
}
