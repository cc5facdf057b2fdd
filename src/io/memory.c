/* Objects in memory: a sorted array of names under one lock. Objects are immutable and counted, so readers keep what they
 * opened when a name is replaced or deleted. Folders exist only as parts of names. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/job.h"
#include "io/io_private.h"

typedef struct item {
    char *path;
    qv__bytes bytes;
    int64_t modified_ns;
} item;

typedef struct memory_shared {
    qv__owner owner;
    pthread_mutex_t lock;
    item *items;        /* sorted by path; guarded by lock */
    size_t n, capacity; /* guarded by lock */
} memory_shared;

typedef struct memory_upload {
    qv__upload head;
    qv__buffer buffer;
} memory_upload;

static void free_item(item *i)
{
    qv__free(i->path);
    qv__bytes_unref(&i->bytes);
}

static void destroy_shared(qv__owner *owner)
{
    memory_shared *self = (memory_shared *) owner;

    for (size_t i = 0; i < self->n; i++)
        free_item(&self->items[i]);
    qv__free(self->items);
    pthread_mutex_destroy(&self->lock);
    qv__free(self);
}

qv_status qv__memory_shared_new(qv__owner **out, qv_error *err)
{
    memory_shared *self = NULL;

    QV_TRY(QV_NEW(&self, 1, err));
    qv__owner_init(&self->owner, destroy_shared);
    pthread_mutex_init(&self->lock, NULL);
    *out = &self->owner;
    return QV_OK;
}

static memory_shared *shared_of(qv__store *store) { return (memory_shared *) store->shared; }

/* The first item whose path is not less than `path`. Call with the lock held. */
static size_t lower_bound(const memory_shared *shared, const char *path)
{
    size_t low = 0, high = shared->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(shared->items[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool holds(const memory_shared *shared, size_t at, const char *path)
{
    return at < shared->n && strcmp(shared->items[at].path, path) == 0;
}

/* Is `path` inside folder[0..len) (no '/' at its end)? The top folder is "". */
static bool is_below(const char *path, const char *folder, size_t len)
{
    return len == 0 || (strncmp(path, folder, len) == 0 && path[len] == '/');
}

static qv_status object_open(qv__store *store, const char *path, const char *name, qv__object **out, qv_error *err)
{
    memory_shared *shared = shared_of(store);
    int failed = qv__fault_check(QV_OP_OTHER);
    qv__bytes bytes = { 0 };

    if (failed)
        return qv__sys_fail(err, failed, "object \"%s\" cannot be opened", path);
    pthread_mutex_lock(&shared->lock);
    size_t at = lower_bound(shared, path);
    bool found = holds(shared, at, path);
    if (found)
        bytes = qv__bytes_ref(shared->items[at].bytes);
    pthread_mutex_unlock(&shared->lock);
    if (!found)
        return qv__fail(err, QV_NOT_FOUND, "object \"%s\" does not exist", path);
    return qv__object_new(name, bytes, false, out, err);
}

static qv_status object_exists(qv__store *store, const char *path, bool *out, qv_error *err)
{
    memory_shared *shared = shared_of(store);
    int failed = qv__fault_check(QV_OP_OTHER);

    if (failed)
        return qv__sys_fail(err, failed, "object \"%s\" cannot be looked up", path);
    pthread_mutex_lock(&shared->lock);
    *out = holds(shared, lower_bound(shared, path), path);
    pthread_mutex_unlock(&shared->lock);
    return QV_OK;
}

/* ---------------------------------------------------------------- writing */

static void free_upload(memory_upload *self)
{
    qv__buffer_free(&self->buffer);
    qv__upload_clear(&self->head);
    qv__free(self);
}

static qv_status upload_begin(qv__store *store, const char *path, qv__upload **out, qv_error *err)
{
    memory_upload *self = NULL;
    int failed = qv__fault_check(QV_OP_OTHER);

    if (failed)
        return qv__sys_fail(err, failed, "object \"%s\" cannot be created", path);
    QV_TRY(QV_NEW(&self, 1, err));
    qv__buffer_init(&self->buffer, PTRDIFF_MAX / 2);
    qv_status st = qv__upload_init(&self->head, store, path, err);
    if (st != QV_OK) {
        free_upload(self);
        return st;
    }
    *out = &self->head;
    return QV_OK;
}

static qv_status upload_write(qv__upload *upload, const void *bytes, size_t n, qv_error *err)
{
    memory_upload *self = (memory_upload *) upload;
    int failed = qv__fault_check(QV_OP_WRITE);

    if (failed == QV_FAULT_HALF) {
        QV_TRY(qv__buffer_append(&self->buffer, bytes, n / 2, err));
        failed = EIO;
    }
    if (failed)
        return qv__sys_fail(err, failed, "object \"%s\": %zu bytes at %zu cannot be written", upload->path, n,
                            self->buffer.len);
    return qv__buffer_append(&self->buffer, bytes, n, err);
}

/* Gives back what doubling took too much; the block stays 64-byte aligned. NULL when memory is out: it is freed then. */
static uint8_t *shrink(uint8_t *data, size_t len)
{
    uint8_t *smaller = qv__realloc(data, len, 1);

    if (!smaller) {
        qv__free(data);
        return NULL;
    }
    if ((uintptr_t) smaller % 64 == 0)
        return smaller;
    uint8_t *aligned = qv__alloc_aligned(len);
    if (aligned)
        memcpy(aligned, smaller, len);
    qv__free(smaller);
    return aligned;
}

static qv_status finish_bytes(memory_upload *self, qv__bytes *out, qv_error *err)
{
    size_t capacity = self->buffer.capacity, len = 0;
    uint8_t *data = qv__buffer_detach(&self->buffer, &len);

    if (!data) {
        *out = (qv__bytes){ 0 };
        return QV_OK;
    }
    if (capacity - len > capacity / 8) {
        data = shrink(data, len);
        if (!data)
            return qv__fail_nomem(err, len);
    }
    return qv__bytes_adopt(data, len, out, err);
}

/* Takes path and bytes when it succeeds. Call with the lock held. */
static qv_status insert(memory_shared *shared, char *path, qv__bytes bytes, qv__put_mode mode, qv_error *err)
{
    size_t at = lower_bound(shared, path);

    if (holds(shared, at, path)) {
        if (mode == QV_PUT_IF_ABSENT)
            return qv__fail(err, QV_EXISTS, "object \"%s\" already exists", path);
        free_item(&shared->items[at]);
        shared->items[at] = (item){ path, bytes, qv__now_utc_ns() };
        return QV_OK;
    }
    QV_TRY(QV_GROW(&shared->items, &shared->capacity, shared->n + 1, err));
    memmove(shared->items + at + 1, shared->items + at, (shared->n - at) * sizeof *shared->items);
    shared->items[at] = (item){ path, bytes, qv__now_utc_ns() };
    shared->n++;
    return QV_OK;
}

static qv_status upload_commit(qv__upload *upload, qv__put_mode mode, qv_error *err)
{
    memory_upload *self = (memory_upload *) upload;
    memory_shared *shared = shared_of(upload->store);
    qv__bytes bytes = { 0 };
    qv_status st = QV_OK;
    int failed = qv__fault_check(QV_OP_SYNC);

    if (failed)
        QV_CHECK(qv__sys_fail(err, failed, "object \"%s\" cannot be put in place", upload->path));
    QV_CHECK(finish_bytes(self, &bytes, err));
    pthread_mutex_lock(&shared->lock);
    st = insert(shared, upload->path, bytes, mode, err);
    pthread_mutex_unlock(&shared->lock);
    if (st == QV_OK)
        upload->path = NULL; /* now the item's */
    else
        qv__bytes_unref(&bytes);
done:
    free_upload(self);
    return st;
}

static void upload_abort(qv__upload *upload) { free_upload((memory_upload *) upload); }

/* ---------------------------------------------------------------- names */

typedef struct child {
    char *name;
    uint64_t size;
    bool is_folder;
} child;

/* Everything below one child folder lies side by side in the order of bytes, so a folder is noted once. */
static qv_status gather_children(memory_shared *shared, const char *folder, child **out, size_t *n, qv_error *err)
{
    size_t len = strlen(folder), skip = len ? len + 1 : 0, capacity = 0;

    for (size_t i = 0; i < shared->n; i++) {
        const item *it = &shared->items[i];
        if (!is_below(it->path, folder, len))
            continue;
        const char *name = it->path + skip;
        size_t part = strcspn(name, "/");
        bool is_folder = name[part] != 0;
        const child *last = *n ? &(*out)[*n - 1] : NULL;
        if (is_folder && last && last->is_folder && strlen(last->name) == part && memcmp(last->name, name, part) == 0)
            continue;
        QV_TRY(QV_GROW(out, &capacity, *n + 1, err));
        char *copy = qv__strndup(name, part);
        if (!copy)
            return qv__fail_nomem(err, part + 1);
        (*out)[(*n)++] = (child){ copy, is_folder ? 0 : it->bytes.len, is_folder };
    }
    return QV_OK;
}

static qv_status list_folder(qv__store *store, const char *path, qv__list_fn fn, void *ctx, qv_error *err)
{
    memory_shared *shared = shared_of(store);
    int failed = qv__fault_check(QV_OP_OTHER);
    child *children = NULL;
    size_t n = 0;

    if (failed)
        return qv__sys_fail(err, failed, "folder \"%s\" cannot be listed", path);
    pthread_mutex_lock(&shared->lock);
    qv_status st = gather_children(shared, path, &children, &n, err);
    pthread_mutex_unlock(&shared->lock);
    for (size_t i = 0; i < n && st == QV_OK; i++)
        st = fn(ctx, children[i].name, children[i].size, children[i].is_folder, err);
    for (size_t i = 0; i < n; i++)
        qv__free(children[i].name);
    qv__free(children);
    return st;
}

/* Call with the lock held; the item is the caller's to free. */
static item take_out(memory_shared *shared, size_t at)
{
    item taken = shared->items[at];

    shared->n--;
    memmove(shared->items + at, shared->items + at + 1, (shared->n - at) * sizeof *shared->items);
    return taken;
}

static qv_status delete_object(qv__store *store, const char *path, qv_error *err)
{
    memory_shared *shared = shared_of(store);
    int failed = qv__fault_check(QV_OP_OTHER);

    if (failed)
        return qv__sys_fail(err, failed, "object \"%s\" cannot be deleted", path);
    pthread_mutex_lock(&shared->lock);
    size_t at = lower_bound(shared, path);
    bool found = holds(shared, at, path);
    item taken = found ? take_out(shared, at) : (item){ 0 };
    pthread_mutex_unlock(&shared->lock);
    free_item(&taken);
    return found ? QV_OK : qv__fail(err, QV_NOT_FOUND, "object \"%s\" does not exist", path);
}

static qv_status delete_tree(qv__store *store, const char *path, qv_error *err)
{
    memory_shared *shared = shared_of(store);
    size_t len = strlen(path), kept = 0;
    int failed = qv__fault_check(QV_OP_OTHER);

    if (failed)
        return qv__sys_fail(err, failed, "folder \"%s\" cannot be deleted", path);
    pthread_mutex_lock(&shared->lock);
    bool is_file = len > 0 && holds(shared, lower_bound(shared, path), path);
    for (size_t i = 0; i < shared->n && !is_file; i++) {
        if (is_below(shared->items[i].path, path, len))
            free_item(&shared->items[i]);
        else
            shared->items[kept++] = shared->items[i];
    }
    if (!is_file)
        shared->n = kept;
    pthread_mutex_unlock(&shared->lock);
    return is_file ? qv__fail(err, QV_INVALID, "\"%s\" is a file, not a folder", path) : QV_OK;
}

/* ---------------------------------------------------------------- care */

static qv_status info(qv__store *store, const char *path, qv__object_info *out, qv_error *err)
{
    memory_shared *shared = shared_of(store);
    int failed = qv__fault_check(QV_OP_OTHER);

    if (failed)
        return qv__sys_fail(err, failed, "object \"%s\" cannot be looked up", path);
    pthread_mutex_lock(&shared->lock);
    size_t at = lower_bound(shared, path);
    bool found = holds(shared, at, path);
    if (found)
        *out = (qv__object_info){ shared->items[at].bytes.len, shared->items[at].modified_ns };
    pthread_mutex_unlock(&shared->lock);
    return found ? QV_OK : qv__fail(err, QV_NOT_FOUND, "object \"%s\" does not exist", path);
}

static qv_status sync_names(qv__store *store, const char *folder, qv_error *err)
{
    int failed = qv__fault_check(QV_OP_SYNC);

    QV_UNUSED(store);
    return failed ? qv__sys_fail(err, failed, "folder \"%s\" cannot be synced", folder) : QV_OK;
}

static qv_status unlink_object(qv__store *store, const char *path, qv_error *err)
{
    qv_status st = delete_object(store, path, err);

    return st == QV_NOT_FOUND ? QV_OK : st;
}

static qv_status rename_object(qv__store *store, const char *from, const char *to, qv_error *err)
{
    memory_shared *shared = shared_of(store);
    int failed = qv__fault_check(QV_OP_OTHER);
    char *copy = qv__strdup(to);
    qv_status st = QV_OK;

    if (failed || !copy) {
        qv__free(copy);
        return failed ? qv__sys_fail(err, failed, "object \"%s\" cannot be renamed", from)
                      : qv__fail_nomem(err, strlen(to) + 1);
    }
    pthread_mutex_lock(&shared->lock);
    size_t at = lower_bound(shared, from);
    if (!holds(shared, at, from)) {
        st = qv__fail(err, QV_NOT_FOUND, "object \"%s\" does not exist", from);
    } else if (holds(shared, lower_bound(shared, to), to)) {
        st = qv__fail(err, QV_EXISTS, "object \"%s\" already exists", to);
    } else {
        item moved = take_out(shared, at);
        size_t n = lower_bound(shared, to); /* there is room: one was taken out */
        memmove(shared->items + n + 1, shared->items + n, (shared->n++ - n) * sizeof *shared->items);
        shared->items[n] = (item){ copy, moved.bytes, moved.modified_ns };
        copy = moved.path;
    }
    pthread_mutex_unlock(&shared->lock);
    qv__free(copy);
    return st;
}

static qv_status sweep(qv__store *store, const char *folder, int64_t before_ns, uint64_t *bytes, qv_error *err)
{
    QV_UNUSED(store);
    QV_UNUSED(folder);
    QV_UNUSED(before_ns);
    QV_UNUSED(err);
    *bytes = 0; /* uploads have no name before they commit */
    return QV_OK;
}

/* ---------------------------------------------------------------- locks and journals
 * The name is the lock. A journal is there to outlive the process, which nothing here does: it has a name and keeps no bytes. */

static qv_status put_empty(qv__store *store, const char *path, qv_error *err)
{
    memory_shared *shared = shared_of(store);
    int failed = qv__fault_check(QV_OP_OTHER);
    char *copy = qv__strdup(path);

    if (failed || !copy) {
        qv__free(copy);
        return failed ? qv__sys_fail(err, failed, "object \"%s\" cannot be created", path)
                      : qv__fail_nomem(err, strlen(path) + 1);
    }
    pthread_mutex_lock(&shared->lock);
    qv_status st = insert(shared, copy, (qv__bytes){ 0 }, QV_PUT_IF_ABSENT, err);
    pthread_mutex_unlock(&shared->lock);
    if (st != QV_OK)
        qv__free(copy);
    return st;
}

static qv_status lock_take(qv__store *store, const char *path, qv__lock *lock, qv_error *err)
{
    QV_UNUSED(lock);
    return put_empty(store, path, err);
}

static void lock_release(qv__lock *lock)
{
    memory_shared *shared = shared_of(lock->store);

    pthread_mutex_lock(&shared->lock);
    size_t at = lower_bound(shared, lock->path);
    item taken = holds(shared, at, lock->path) ? take_out(shared, at) : (item){ 0 };
    pthread_mutex_unlock(&shared->lock);
    free_item(&taken);
}

static qv_status journal_create(qv__store *store, const char *path, qv__journal *journal, qv_error *err)
{
    QV_UNUSED(journal);
    return put_empty(store, path, err);
}

static qv_status journal_append(qv__journal *journal, const void *bytes, size_t n, qv_error *err)
{
    int failed = qv__fault_check(QV_OP_WRITE);

    QV_UNUSED(bytes);
    return failed ? qv__sys_fail(err, failed == QV_FAULT_HALF ? EIO : failed,
                                 "journal \"%s\": %zu bytes cannot be written", journal->path, n)
                  : QV_OK;
}

static qv_status journal_sync(qv__journal *journal, qv_error *err)
{
    return sync_names(journal->store, journal->path, err);
}

const qv__backend qv__memory_backend = {
    .object_open = object_open,
    .exists = object_exists,
    .upload_begin = upload_begin,
    .upload_write = upload_write,
    .upload_commit = upload_commit,
    .upload_abort = upload_abort,
    .list = list_folder,
    .delete_object = delete_object,
    .delete_tree = delete_tree,
    .info = info,
    .sync_names = sync_names,
    .unlink = unlink_object,
    .rename = rename_object,
    .sweep = sweep,
    .lock_take = lock_take,
    .lock_release = lock_release,
    .journal_create = journal_create,
    .journal_append = journal_append,
    .journal_sync = journal_sync,
};
