/*
 * The local disk: reading, listing, deleting, and folders that last.
 *
 * Objects of at most 64 KiB are read, larger ones mapped; the descriptor is closed at once, so the number of open
 * objects is not bounded by the descriptor limit.
 *
 * A folder is durable when its entry in its parent was synced. Whoever makes a folder syncs the parent at once; but
 * another process may find the folder in the moment between. So each opening remembers the folders whose chain of
 * entries it has synced itself, by path and inode, and syncs the others before it first writes there.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/io_private.h"

#define MAP_ABOVE_BYTES ((size_t) 64 << 10)
#define DEEPEST_TREE    64

/* ---------------------------------------------------------------- reading */

typedef struct map_owner {
    qv__owner owner;
    void *at;
    size_t len;
} map_owner;

static void destroy_map(qv__owner *owner)
{
    map_owner *self = (map_owner *) owner;

    munmap(self->at, self->len);
    qv__free(self);
}

static qv_status map_file(int fd, const char *path, size_t len, qv__bytes *out, qv_error *err)
{
    map_owner *self = NULL;

    QV_TRY(QV_NEW(&self, 1, err));
    int failed = qv__sys_map(fd, len, &self->at);
    if (failed) {
        qv__free(self);
        return qv__sys_fail(err, failed, "object \"%s\" of %zu bytes cannot be mapped", path, len);
    }
    qv__owner_init(&self->owner, destroy_map);
    self->len = len;
    *out = (qv__bytes){ self->at, len, &self->owner };
    return QV_OK;
}

static qv_status read_whole(int fd, const char *path, size_t len, qv__bytes *out, qv_error *err)
{
    qv__bytes bytes = { 0 };
    uint8_t *writable = NULL;
    size_t got = 0;

    if (len == 0) {
        *out = bytes;
        return QV_OK;
    }
    QV_TRY(qv__bytes_new(len, &bytes, &writable, err));
    int failed = qv__sys_read(fd, writable, len, &got);
    if (failed || got < len) {
        qv__bytes_unref(&bytes);
        if (failed)
            return qv__sys_fail(err, failed, "object \"%s\" cannot be read", path);
        return qv__fail(err, QV_CORRUPT, "object \"%s\" shrank from %zu to %zu bytes while it was read", path, len,
                        got);
    }
    *out = bytes;
    return QV_OK;
}

static qv_status open_failed(const char *path, int failed, qv_error *err)
{
    if (failed == ENOENT || failed == ENOTDIR)
        return qv__fail(err, QV_NOT_FOUND, "object \"%s\" does not exist", path);
    return qv__sys_fail(err, failed, "object \"%s\" cannot be opened", path);
}

/* O_NONBLOCK: a named pipe in the folder must not make us wait. */
static qv_status object_open(qv__store *store, const char *path, const char *name, qv__object **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__bytes bytes = { 0 };
    struct stat info;
    int fd = -1;

    QV_UNUSED(store);
    int failed = qv__sys_open(path, O_RDONLY | O_NONBLOCK, &fd);
    if (failed)
        return open_failed(path, failed, err);
    failed = qv__sys_fstat(fd, &info);
    if (failed)
        QV_CHECK(qv__sys_fail(err, failed, "object \"%s\" cannot be opened", path));
    if (!S_ISREG(info.st_mode))
        QV_CHECK(qv__fail(err, QV_NOT_FOUND, "\"%s\" is not a file", path));
    bool mapped = (uint64_t) info.st_size > MAP_ABOVE_BYTES;
    QV_CHECK(mapped ? map_file(fd, path, (size_t) info.st_size, &bytes, err)
                    : read_whole(fd, path, (size_t) info.st_size, &bytes, err));
    st = qv__object_new(name, bytes, mapped, out, err);
done:
    qv__sys_close(fd);
    return st;
}

static qv_status object_exists(qv__store *store, const char *path, bool *out, qv_error *err)
{
    struct stat info;
    int failed = qv__sys_stat(path, &info);

    QV_UNUSED(store);
    if (failed && failed != ENOENT && failed != ENOTDIR)
        return qv__sys_fail(err, failed, "object \"%s\" cannot be looked up", path);
    *out = !failed && S_ISREG(info.st_mode);
    return QV_OK;
}

/* ---------------------------------------------------------------- durable folders */

typedef struct durable_folder {
    char *path;
    dev_t device;
    ino_t inode;
} durable_folder;

typedef struct local_shared {
    qv__owner owner;
    size_t root_len; /* folders at or above the root are the opener's business */
    pthread_mutex_t lock;
    durable_folder *folders; /* guarded by lock */
    size_t n, capacity;      /* guarded by lock */
} local_shared;

static void destroy_shared(qv__owner *owner)
{
    local_shared *self = (local_shared *) owner;

    for (size_t i = 0; i < self->n; i++)
        qv__free(self->folders[i].path);
    qv__free(self->folders);
    pthread_mutex_destroy(&self->lock);
    qv__free(self);
}

qv_status qv__local_shared_new(const char *root, qv__owner **out, qv_error *err)
{
    local_shared *self = NULL;

    QV_TRY(QV_NEW(&self, 1, err));
    qv__owner_init(&self->owner, destroy_shared);
    self->root_len = strlen(root);
    pthread_mutex_init(&self->lock, NULL);
    *out = &self->owner;
    return QV_OK;
}

static bool is_known(local_shared *shared, const char *path, const struct stat *info)
{
    bool known = false;

    pthread_mutex_lock(&shared->lock);
    for (size_t i = 0; i < shared->n && !known; i++)
        known = shared->folders[i].inode == info->st_ino && shared->folders[i].device == info->st_dev &&
                strcmp(shared->folders[i].path, path) == 0;
    pthread_mutex_unlock(&shared->lock);
    return known;
}

static qv_status remember(local_shared *shared, const char *path, const struct stat *info, qv_error *err)
{
    qv_status st = QV_OK;
    size_t i = 0;
    char *copy = qv__strdup(path);

    if (!copy)
        return qv__fail_nomem(err, strlen(path) + 1);
    pthread_mutex_lock(&shared->lock);
    while (i < shared->n && strcmp(shared->folders[i].path, path) != 0)
        i++;
    if (i == shared->n) {
        QV_CHECK(QV_GROW(&shared->folders, &shared->capacity, shared->n + 1, err));
        shared->folders[shared->n++] = (durable_folder){ .path = copy };
        copy = NULL;
    }
    shared->folders[i].device = info->st_dev;
    shared->folders[i].inode = info->st_ino;
done:
    pthread_mutex_unlock(&shared->lock);
    qv__free(copy);
    return st;
}

static void forget_below(local_shared *shared, const char *path)
{
    size_t len = strlen(path), kept = 0;

    pthread_mutex_lock(&shared->lock);
    for (size_t i = 0; i < shared->n; i++) {
        char *folder = shared->folders[i].path;
        if (strncmp(folder, path, len) == 0 && (folder[len] == '/' || folder[len] == 0))
            qv__free(folder);
        else
            shared->folders[kept++] = shared->folders[i];
    }
    shared->n = kept;
    pthread_mutex_unlock(&shared->lock);
}

static qv_status sync_folder(const char *path, qv_error *err)
{
    int failed = qv__sys_sync_folder(path);

    return failed ? qv__sys_fail(err, failed, "folder \"%s\" cannot be synced", path) : QV_OK;
}

/* Makes path[0..len) with a durable entry, if it is missing. `path` is changed during the call only. */
static qv_status make_folder(char *path, size_t len, bool *missing_parent, qv_error *err)
{
    char after = path[len];
    qv_status st = QV_OK;

    path[len] = 0;
    int failed = qv__sys_mkdir(path);
    *missing_parent = failed == ENOENT;
    if (failed == 0) {
        size_t parent = qv__path_parent(path);
        char cut = path[parent];
        path[parent] = 0;
        st = sync_folder(path, err);
        path[parent] = cut;
        if (st != QV_OK)
            qv__sys_rmdir(path); /* else the next caller would take it for durable */
    } else if (failed != EEXIST && failed != ENOENT) {
        st = qv__sys_fail(err, failed, "folder \"%s\" cannot be made", path);
    }
    path[len] = after;
    return st;
}

qv_status qv__local_make_folders(const char *path, qv_error *err)
{
    qv_status st = QV_OK;
    struct stat info;
    bool missing_parent = false;
    int failed = qv__sys_stat(path, &info);

    if (!failed && S_ISDIR(info.st_mode))
        return QV_OK;
    if (failed != ENOENT)
        return qv__sys_fail(err, failed ? failed : ENOTDIR, "folder \"%s\" cannot be made", path);
    char *copy = qv__strdup(path);
    if (!copy)
        return qv__fail_nomem(err, strlen(path) + 1);
    size_t len = strlen(copy), at = len;
    for (;;) { /* up to the first that can be made */
        QV_CHECK(make_folder(copy, at, &missing_parent, err));
        if (!missing_parent)
            break;
        char cut = copy[at];
        copy[at] = 0;
        size_t parent = qv__path_parent(copy);
        copy[at] = cut;
        if (parent <= 1)
            QV_CHECK(qv__sys_fail(err, ENOENT, "folder \"%s\" cannot be made", path));
        at = parent;
    }
    while (at < len) { /* and down again */
        at += 1 + strcspn(copy + at + 1, "/");
        QV_CHECK(make_folder(copy, at, &missing_parent, err));
        if (missing_parent)
            QV_CHECK(qv__sys_fail(err, ENOENT, "folder \"%s\" cannot be made", path));
    }
done:
    qv__free(copy);
    return st;
}

qv_status qv__local_ready_folder(qv__store *store, const char *path, qv_error *err)
{
    local_shared *shared = (local_shared *) store->shared;
    qv_status st = QV_OK;
    struct stat info;
    size_t len = qv__path_parent(path);
    char *folder = qv__strndup(path, len);

    if (!folder)
        return qv__fail_nomem(err, len + 1);
    int failed = qv__sys_stat(folder, &info);
    if (failed == ENOENT) {
        QV_CHECK(qv__local_make_folders(folder, err));
        failed = qv__sys_stat(folder, &info);
    }
    if (failed)
        QV_CHECK(qv__sys_fail(err, failed, "folder \"%s\" cannot be used", folder));
    while (len > shared->root_len && !is_known(shared, folder, &info)) {
        size_t parent = qv__path_parent(folder);
        char cut = folder[parent];
        folder[parent] = 0;
        QV_CHECK(sync_folder(folder, err));
        folder[parent] = cut;
        QV_CHECK(remember(shared, folder, &info, err));
        folder[parent] = 0;
        len = parent;
        failed = qv__sys_stat(folder, &info);
        if (failed)
            QV_CHECK(qv__sys_fail(err, failed, "folder \"%s\" cannot be used", folder));
    }
done:
    qv__free(folder);
    return st;
}

/* ---------------------------------------------------------------- listing */

typedef struct entry {
    char *name;
    uint64_t size;
    bool is_folder;
} entry;

/* All entries are gathered before the first is handed out: the callback may delete, and no descriptor stays open. */
typedef struct listing {
    const char *path;
    bool all; /* temporary names too, links as themselves */
    entry *entries;
    size_t n, capacity;
} listing;

static void free_listing(listing *l)
{
    for (size_t i = 0; i < l->n; i++)
        qv__free(l->entries[i].name);
    qv__free(l->entries);
}

static int note_entry(void *ctx, const char *name, unsigned char d_type)
{
    listing *l = ctx;
    struct stat info = { 0 };
    char *path = NULL;

    QV_UNUSED(d_type); /* file systems may leave it unknown, and files need their size anyway */
    if (!l->all && strncmp(name, QV_TEMP_PREFIX, sizeof QV_TEMP_PREFIX - 1) == 0)
        return 0;
    if (qv__path_join(l->path, name, &path, NULL) != QV_OK)
        return ENOMEM;
    int failed = l->all ? qv__sys_lstat(path, &info) : qv__sys_stat(path, &info);
    qv__free(path);
    if (failed == ENOENT || failed == ELOOP) /* deleted meanwhile, or a link to nothing */
        return 0;
    if (failed)
        return failed;
    if (!l->all && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))
        return 0;
    if (QV_GROW(&l->entries, &l->capacity, l->n + 1, NULL) != QV_OK)
        return ENOMEM;
    entry e = { qv__strdup(name), S_ISREG(info.st_mode) ? (uint64_t) info.st_size : 0, S_ISDIR(info.st_mode) };
    if (!e.name)
        return ENOMEM;
    l->entries[l->n++] = e;
    return 0;
}

static qv_status list_folder(qv__store *store, const char *path, qv__list_fn fn, void *ctx, qv_error *err)
{
    qv_status st = QV_OK;
    listing l = { .path = path };
    int failed = qv__sys_read_folder(path, true, note_entry, &l);

    QV_UNUSED(store);
    if (failed && failed != ENOENT && failed != ENOTDIR)
        QV_CHECK(qv__sys_fail(err, failed, "folder \"%s\" cannot be listed", path));
    for (size_t i = 0; i < l.n; i++)
        QV_CHECK(fn(ctx, l.entries[i].name, l.entries[i].size, l.entries[i].is_folder, err));
done:
    free_listing(&l);
    return st;
}

/* ---------------------------------------------------------------- deleting */

static qv_status sync_parent(const char *path, qv_error *err)
{
    size_t len = qv__path_parent(path);
    char *parent = qv__strndup(path, len);

    if (!parent)
        return qv__fail_nomem(err, len + 1);
    qv_status st = sync_folder(parent, err);
    qv__free(parent);
    return st;
}

static qv_status delete_object(qv__store *store, const char *path, qv_error *err)
{
    int failed = qv__sys_unlink(path);

    QV_UNUSED(store);
    if (failed == ENOENT || failed == ENOTDIR || failed == EISDIR)
        return qv__fail(err, QV_NOT_FOUND, "object \"%s\" does not exist", path);
    if (failed)
        return qv__sys_fail(err, failed, "object \"%s\" cannot be deleted", path);
    return sync_parent(path, err);
}

static qv_status delete_below(const char *path, int depth, qv_error *err)
{
    qv_status st = QV_OK;
    listing l = { .path = path, .all = true };
    char *child = NULL;

    if (depth > DEEPEST_TREE)
        return qv__fail(err, QV_LIMIT, "folder \"%s\" lies more than %d folders deep", path, DEEPEST_TREE);
    int failed = qv__sys_read_folder(path, false, note_entry, &l);
    if (failed && failed != ENOENT)
        QV_CHECK(qv__sys_fail(err, failed, "folder \"%s\" cannot be listed", path));
    for (size_t i = 0; i < l.n; i++) {
        QV_CHECK(qv__path_join(path, l.entries[i].name, &child, err));
        if (l.entries[i].is_folder) {
            QV_CHECK(delete_below(child, depth + 1, err));
        } else {
            failed = qv__sys_unlink(child); /* a link goes, what it points at stays */
            if (failed && failed != ENOENT)
                QV_CHECK(qv__sys_fail(err, failed, "\"%s\" cannot be deleted", child));
        }
        qv__free(child);
        child = NULL;
    }
    failed = qv__sys_rmdir(path);
    if (failed && failed != ENOENT)
        QV_CHECK(qv__sys_fail(err, failed, "folder \"%s\" cannot be deleted", path));
done:
    qv__free(child);
    free_listing(&l);
    return st;
}

static qv_status delete_tree(qv__store *store, const char *path, qv_error *err)
{
    struct stat info;
    int failed = qv__sys_lstat(path, &info);

    if (failed == ENOENT)
        return QV_OK;
    if (failed)
        return qv__sys_fail(err, failed, "folder \"%s\" cannot be deleted", path);
    if (S_ISLNK(info.st_mode)) {
        failed = qv__sys_unlink(path);
        if (failed)
            return qv__sys_fail(err, failed, "link \"%s\" cannot be deleted", path);
    } else if (!S_ISDIR(info.st_mode)) {
        return qv__fail(err, QV_INVALID, "\"%s\" is a file, not a folder", path);
    } else {
        QV_TRY(delete_below(path, 0, err));
    }
    forget_below((local_shared *) store->shared, path);
    return sync_parent(path, err);
}

const qv__backend qv__local_backend = {
    .object_open = object_open,
    .exists = object_exists,
    .upload_begin = qv__local_upload_begin,
    .upload_write = qv__local_upload_write,
    .upload_commit = qv__local_upload_commit,
    .upload_abort = qv__local_upload_abort,
    .list = list_folder,
    .delete_object = delete_object,
    .delete_tree = delete_tree,
    .info = qv__local_info,
    .sync_names = qv__local_sync_names,
    .unlink = qv__local_unlink,
    .rename = qv__local_rename,
    .sweep = qv__local_sweep,
    .lock_take = qv__local_lock_take,
    .lock_release = qv__local_lock_release,
    .journal_create = qv__local_journal_create,
    .journal_append = qv__local_journal_append,
    .journal_sync = qv__local_journal_sync,
};
