/*
 * Stores: finding the backend of a uri, checking names, and handing on. A sub store is a store of its own with a longer
 * folder; what all stores of one opening share (memory's objects, say) hangs on a counted owner.
 */
#include "io/store.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/io_private.h"

#define LONGEST_PART 255

/* ---------------------------------------------------------------- names and paths */

size_t qv__path_parent(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return 0;
    return slash == path ? 1 : (size_t) (slash - path);
}

qv_status qv__path_join(const char *folder, const char *name, char **out, qv_error *err)
{
    size_t folder_len = strlen(folder), name_len = strlen(name);
    bool slash = folder_len > 0 && name_len > 0 && folder[folder_len - 1] != '/';
    char *path = qv__alloc(folder_len + name_len + 2, 1);

    if (!path)
        return qv__fail_nomem(err, folder_len + name_len + 2);
    memcpy(path, folder, folder_len);
    if (slash)
        path[folder_len++] = '/';
    memcpy(path + folder_len, name, name_len + 1);
    *out = path;
    return QV_OK;
}

/* Parts between '/' are not empty, not "." or "..", at most 255 bytes, and do not look like an unfinished upload. */
static qv_status check_name(const char *name, qv_error *err)
{
    if (!name)
        return qv__fail(err, QV_INVALID, "the object's name is NULL");
    for (const char *part = name;; part++) {
        size_t len = strcspn(part, "/");
        if (len == 0)
            return qv__fail(err, QV_INVALID, "object name \"%s\" is empty, or has an empty part", name);
        if ((len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.'))
            return qv__fail(err, QV_INVALID, "object name \"%s\" has the part \"%.*s\"", name, (int) len, part);
        if (len > LONGEST_PART)
            return qv__fail(err, QV_INVALID, "object name \"%.40s...\" has a part of %zu bytes, the longest is %d",
                            name, len, LONGEST_PART);
        if (strncmp(part, QV_TEMP_PREFIX, sizeof QV_TEMP_PREFIX - 1) == 0)
            return qv__fail(err, QV_INVALID, "object name \"%s\" begins a part with the reserved \"%s\"", name,
                            QV_TEMP_PREFIX);
        part += len;
        if (*part == 0)
            return QV_OK;
    }
}

qv_status qv__store_path(qv__store *store, const char *name, char **out, qv_error *err)
{
    QV_TRY(check_name(name, err));
    return qv__path_join(store->folder, name, out, err);
}

/* As full_path, but "" is the store's own folder. */
qv_status qv__store_folder_path(qv__store *store, const char *folder, char **out, qv_error *err)
{
    if (folder && *folder)
        QV_TRY(check_name(folder, err));
    return qv__path_join(store->folder, folder ? folder : "", out, err);
}

/* ---------------------------------------------------------------- uris */

/* Length of a scheme in front of "://", 0 when there is none. */
static size_t scheme_length(const char *uri)
{
    size_t n = 0;

    if (!isalpha((unsigned char) uri[0]))
        return 0;
    while (isalnum((unsigned char) uri[n]) || (uri[n] && strchr("+.-", uri[n])))
        n++;
    return strncmp(uri + n, "://", 3) == 0 ? n : 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char) (c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The path of "file:///path" or "file://localhost/path", with %XX decoded. */
static qv_status file_uri_path(const char *uri, char **out, qv_error *err)
{
    const char *rest = uri + strlen("file://");

    if (strncmp(rest, "localhost/", 10) == 0)
        rest += 9;
    if (*rest != '/')
        return qv__fail(err, QV_INVALID, "uri \"%s\" names another host or a relative path; use file:///path", uri);
    char *path = qv__strdup(rest);
    if (!path)
        return qv__fail_nomem(err, strlen(rest) + 1);
    char *to = path;
    for (const char *from = path; *from; from++) {
        char c = *from;
        if (c == '%') {
            int high = hex_value(from[1]), low = high < 0 ? -1 : hex_value(from[2]);
            c = (char) (high * 16 + low);
            if (low < 0 || c == 0) {
                qv__free(path);
                return qv__fail(err, QV_INVALID, "uri \"%s\" has a malformed %% escape", uri);
            }
            from += 2;
        }
        *to++ = c;
    }
    *to = 0;
    *out = path;
    return QV_OK;
}

static qv_status expand_home(const char *path, char **out, qv_error *err)
{
    const char *home = getenv("HOME");
    struct passwd entry, *found = NULL;
    char room[4096];

    if (!home || !*home) {
        if (getpwuid_r(getuid(), &entry, room, sizeof room, &found) != 0 || !found)
            return qv__fail(err, QV_INVALID, "path \"%s\": this user has no home folder", path);
        home = entry.pw_dir;
    }
    return qv__path_join(home, path[1] ? path + 2 : "", out, err);
}

/* In front of a relative path comes the working folder; "//", "/./" and a last '/' go. ".." stays: only the system
 * knows where it leads when links are on the way. */
static qv_status make_absolute(const char *path, char **out, qv_error *err)
{
    char *absolute = NULL;

    if (path[0] == '/') {
        absolute = qv__strdup(path);
        if (!absolute)
            return qv__fail_nomem(err, strlen(path) + 1);
    } else {
        char cwd[PATH_MAX];
        if (!getcwd(cwd, sizeof cwd))
            return qv__fail_errno(err, errno, "path \"%s\": the working folder is unknown", path);
        QV_TRY(qv__path_join(cwd, path, &absolute, err));
    }
    size_t to = 0;
    for (const char *part = absolute; *part;) {
        part += strspn(part, "/");
        size_t len = strcspn(part, "/");
        if (len > 0 && !(len == 1 && part[0] == '.')) {
            absolute[to++] = '/';
            memmove(absolute + to, part, len); /* `to` never passes `part` */
            to += len;
        }
        part += len;
    }
    if (to == 0)
        absolute[to++] = '/';
    absolute[to] = 0;
    *out = absolute;
    return QV_OK;
}

static qv_status local_path(const char *uri, size_t scheme, char **out, qv_error *err)
{
    qv_status st = QV_OK;
    char *path = NULL;

    if (scheme)
        QV_CHECK(file_uri_path(uri, &path, err));
    else if (uri[0] == '~' && (uri[1] == 0 || uri[1] == '/'))
        QV_CHECK(expand_home(uri, &path, err));
    QV_CHECK(make_absolute(path ? path : uri, out, err));
done:
    qv__free(path);
    return st;
}

/* ---------------------------------------------------------------- stores */

/* Takes shared, folder and uri in every case. */
static qv_status new_store(const qv__backend *backend, qv__owner *shared, char *folder, char *uri, qv__store **out,
                           qv_error *err)
{
    qv__store *store = NULL;
    qv_status st = QV_NEW(&store, 1, err);

    if (st != QV_OK) {
        qv__owner_unref(shared);
        qv__free(folder);
        qv__free(uri);
        return st;
    }
    atomic_init(&store->refs, 1);
    store->backend = backend;
    store->shared = shared;
    store->folder = folder;
    store->uri = uri;
    *out = store;
    return QV_OK;
}

static qv_status check_folder(const char *path, qv_error *err)
{
    struct stat info;
    int failed = qv__sys_stat(path, &info);

    if (failed == ENOENT)
        return QV_OK; /* a missing folder holds nothing */
    if (failed)
        return qv__sys_fail(err, failed, "folder \"%s\" cannot be opened", path);
    if (!S_ISDIR(info.st_mode))
        return qv__fail(err, QV_INVALID, "\"%s\" is a file, not a folder", path);
    return QV_OK;
}

static qv_status open_local(const char *uri, size_t scheme, bool create, qv__store **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__owner *shared = NULL;
    char *path = NULL, *copy = NULL;

    QV_CHECK(local_path(uri, scheme, &path, err));
    QV_CHECK(check_folder(path, err));
    if (create)
        QV_CHECK(qv__local_make_folders(path, err));
    QV_CHECK(qv__local_shared_new(path, &shared, err));
    QV_CHECK(qv__path_join(path, "", &copy, err));
    st = new_store(&qv__local_backend, shared, path, copy, out, err);
    return st;
done:
    qv__owner_unref(shared);
    qv__free(path);
    return st;
}

static qv_status open_memory(const char *uri, qv__store **out, qv_error *err)
{
    qv_status st = QV_OK;
    const char *prefix = uri + strlen("memory://");
    qv__owner *shared = NULL;
    char *folder = NULL, *copy = NULL;

    if (*prefix)
        QV_CHECK(check_name(prefix, err));
    QV_CHECK(qv__memory_shared_new(&shared, err));
    QV_CHECK(qv__path_join("", prefix, &folder, err));
    QV_CHECK(qv__path_join(uri, "", &copy, err));
    return new_store(&qv__memory_backend, shared, folder, copy, out, err);
done:
    qv__owner_unref(shared);
    qv__free(folder);
    return st;
}

qv_status qv__store_open(const char *uri, bool create, qv__store **out, qv_error *err)
{
    if (!uri || !*uri)
        return qv__fail(err, QV_INVALID, "the uri is empty");
    size_t scheme = scheme_length(uri);
    if (scheme == 6 && strncasecmp(uri, "memory", 6) == 0)
        return open_memory(uri, out, err);
    if (scheme && !(scheme == 4 && strncasecmp(uri, "file", 4) == 0))
        return qv__fail(err, QV_UNSUPPORTED,
                        "uri \"%s\": storage \"%.*s\" is not supported; use a path, file:// or memory://", uri,
                        (int) scheme, uri);
    return open_local(uri, scheme, create, out, err);
}

qv_status qv__store_near(qv__store *store, const char *uri, qv__store **out, qv_error *err)
{
    qv_status st = QV_OK;
    char *folder = NULL, *copy = NULL;

    if (strncasecmp(uri, "memory://", 9) != 0)
        return qv__store_open(uri, false, out, err);
    if (store->backend != &qv__memory_backend)
        return qv__fail(err, QV_UNSUPPORTED, "\"%s\" is a place in the memory of another process", uri);
    const char *prefix = uri + 9 + strspn(uri + 9, "/");
    if (*prefix)
        QV_TRY(check_name(prefix, err));
    QV_CHECK(qv__path_join("", prefix, &folder, err));
    QV_CHECK(qv__path_join(uri, "", &copy, err));
    return new_store(store->backend, qv__owner_ref(store->shared), folder, copy, out, err);
done:
    qv__free(folder);
    return st;
}

qv_status qv__store_sub(qv__store *store, const char *prefix, qv__store **out, qv_error *err)
{
    char *folder = NULL, *uri = NULL;

    QV_TRY(qv__store_path(store, prefix, &folder, err));
    qv_status st = qv__path_join(store->uri, prefix, &uri, err);
    if (st != QV_OK) {
        qv__free(folder);
        return st;
    }
    return new_store(store->backend, qv__owner_ref(store->shared), folder, uri, out, err);
}

qv__store *qv__store_ref(qv__store *store)
{
    if (store)
        atomic_fetch_add_explicit(&store->refs, 1, memory_order_relaxed);
    return store;
}

/* release/acquire: the last user's work under its reference happens before the frees. */
void qv__store_unref(qv__store *store)
{
    if (!store || atomic_fetch_sub_explicit(&store->refs, 1, memory_order_acq_rel) != 1)
        return;
    qv__owner_unref(store->shared);
    qv__free(store->folder);
    qv__free(store->uri);
    qv__free(store);
}

const char *qv__store_uri(const qv__store *store) { return store->uri; }

/* ---------------------------------------------------------------- operations by name */

qv_status qv__object_open(qv__store *store, const char *name, qv__object **out, qv_error *err)
{
    char *path = NULL;

    QV_TRY(qv__store_path(store, name, &path, err));
    qv_status st = store->backend->object_open(store, path, name, out, err);
    qv__free(path);
    return st;
}

qv_status qv__store_exists(qv__store *store, const char *name, bool *out, qv_error *err)
{
    char *path = NULL;

    QV_TRY(qv__store_path(store, name, &path, err));
    qv_status st = store->backend->exists(store, path, out, err);
    qv__free(path);
    return st;
}

qv_status qv__store_get(qv__store *store, const char *name, uint64_t max_len, qv__bytes *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__object *object = NULL;

    QV_TRY(qv__object_open(store, name, &object, err));
    if (qv__object_size(object) > max_len)
        QV_CHECK(qv__fail(err, QV_LIMIT, "object \"%s\" has %llu bytes, at most %llu are expected", name,
                          (unsigned long long) qv__object_size(object), (unsigned long long) max_len));
    QV_CHECK(qv__object_read(object, 0, qv__object_size(object), out, err));
done:
    qv__object_unref(object);
    return st;
}

qv_status qv__store_list(qv__store *store, const char *folder, qv__list_fn fn, void *ctx, qv_error *err)
{
    char *path = NULL;

    QV_TRY(qv__store_folder_path(store, folder, &path, err));
    qv_status st = store->backend->list(store, path, fn, ctx, err);
    qv__free(path);
    return st;
}

qv_status qv__store_delete(qv__store *store, const char *name, qv_error *err)
{
    char *path = NULL;

    QV_TRY(qv__store_path(store, name, &path, err));
    qv_status st = store->backend->delete_object(store, path, err);
    qv__free(path);
    return st;
}

qv_status qv__store_delete_tree(qv__store *store, const char *folder, qv_error *err)
{
    char *path = NULL;

    QV_TRY(qv__store_folder_path(store, folder, &path, err));
    qv_status st = store->backend->delete_tree(store, path, err);
    qv__free(path);
    return st;
}

/* ---------------------------------------------------------------- uploads */

qv_status qv__upload_init(qv__upload *upload, qv__store *store, const char *path, qv_error *err)
{
    upload->path = qv__strdup(path);
    if (!upload->path)
        return qv__fail_nomem(err, strlen(path) + 1);
    upload->store = qv__store_ref(store);
    return QV_OK;
}

void qv__upload_clear(qv__upload *upload)
{
    qv__free(upload->path);
    qv__store_unref(upload->store);
}

qv_status qv__upload_begin(qv__store *store, const char *name, qv__upload **out, qv_error *err)
{
    char *path = NULL;

    QV_TRY(qv__store_path(store, name, &path, err));
    qv_status st = store->backend->upload_begin(store, path, out, err);
    qv__free(path);
    return st;
}

qv_status qv__upload_write(qv__upload *upload, const void *bytes, size_t n, qv_error *err)
{
    if (upload->failed)
        return qv__fail(err, QV_IO, "object \"%s\": an earlier write failed", upload->path);
    if (n == 0)
        return QV_OK;
    qv_status st = upload->store->backend->upload_write(upload, bytes, n, err);
    if (st == QV_OK)
        upload->size += n;
    else
        upload->failed = true;
    return st;
}

uint64_t qv__upload_size(const qv__upload *upload) { return upload->size; }

qv_status qv__upload_commit(qv__upload *upload, qv__put_mode mode, qv_error *err)
{
    if (upload->failed) {
        qv_status st = qv__fail(err, QV_IO, "object \"%s\" is incomplete: an earlier write failed", upload->path);
        qv__upload_abort(upload);
        return st;
    }
    return upload->store->backend->upload_commit(upload, mode, err);
}

void qv__upload_abort(qv__upload *upload)
{
    if (upload)
        upload->store->backend->upload_abort(upload);
}

qv_status qv__store_put(qv__store *store, const char *name, const void *bytes, size_t n, qv__put_mode mode,
                        qv_error *err)
{
    qv__upload *upload = NULL;

    QV_TRY(qv__upload_begin(store, name, &upload, err));
    qv_status st = qv__upload_write(upload, bytes, n, err);
    if (st == QV_OK)
        return qv__upload_commit(upload, mode, err);
    qv__upload_abort(upload);
    return st;
}
