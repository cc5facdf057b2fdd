/* Shared by the files of io/ only. */
#ifndef QV_IO_PRIVATE_H
#define QV_IO_PRIVATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "io/store.h"

/* ---------------------------------------------------------------- backends
 * store.c checks names and joins them with the store's folder; a backend sees whole paths only. */

typedef struct qv__backend {
    qv_status (*object_open)(qv__store *store, const char *path, const char *name, qv__object **out, qv_error *err);
    qv_status (*exists)(qv__store *store, const char *path, bool *out, qv_error *err);
    qv_status (*upload_begin)(qv__store *store, const char *path, qv__upload **out, qv_error *err);
    qv_status (*upload_write)(qv__upload *upload, const void *bytes, size_t n, qv_error *err);
    qv_status (*upload_commit)(qv__upload *upload, qv__put_mode mode, qv_error *err); /* frees in every case */
    void (*upload_abort)(qv__upload *upload);                                         /* frees */
    qv_status (*list)(qv__store *store, const char *path, qv__list_fn fn, void *ctx, qv_error *err);
    qv_status (*delete_object)(qv__store *store, const char *path, qv_error *err);
    qv_status (*delete_tree)(qv__store *store, const char *path, qv_error *err);
    qv_status (*info)(qv__store *store, const char *path, qv__object_info *out, qv_error *err);
    qv_status (*sync_names)(qv__store *store, const char *folder, qv_error *err); /* after unlink and rename */
    qv_status (*unlink)(qv__store *store, const char *path, qv_error *err);       /* a missing one is fine */
    qv_status (*rename)(qv__store *store, const char *from, const char *to, qv_error *err);
    qv_status (*sweep)(qv__store *store, const char *folder, int64_t before_ns, uint64_t *bytes, qv_error *err);
    qv_status (*lock_take)(qv__store *store, const char *path, qv__lock *lock, qv_error *err);
    void (*lock_release)(qv__lock *lock);
    qv_status (*journal_create)(qv__store *store, const char *path, qv__journal *journal, qv_error *err);
    qv_status (*journal_append)(qv__journal *journal, const void *bytes, size_t n, qv_error *err);
    qv_status (*journal_sync)(qv__journal *journal, qv_error *err);
} qv__backend;

struct qv__store {
    atomic_int refs;
    const qv__backend *backend;
    qv__owner *shared; /* what sub stores have in common: the objects in memory, the folders known to be durable */
    char *folder;      /* local: absolute path; memory: prefix, "" at the top */
    char *uri;
};

struct qv__upload {
    qv__store *store; /* counted */
    char *path;
    uint64_t size;
    bool failed; /* bytes are missing: commit must not succeed */
};

struct qv__lock {
    qv__store *store; /* counted */
    char *path;
    int fd; /* local: locked while it is open; else -1 */
};

struct qv__journal {
    qv__store *store; /* counted */
    char *path;
    int fd; /* local; else -1 */
    uint64_t size;
    atomic_bool failed; /* a sync failed: what is stored is unknown */
};

/* An object is its bytes: a map or a heap block, gone with the last reference. */
struct qv__object {
    qv__owner owner;
    char *name;
    qv__bytes bytes;
    bool mapped; /* hints make sense */
};

/* Frees what upload_begin put into the head of an upload, not the upload. */
void qv__upload_clear(qv__upload *upload);
qv_status qv__upload_init(qv__upload *upload, qv__store *store, const char *path, qv_error *err);
/* Takes `bytes` in every case. */
qv_status qv__object_new(const char *name, qv__bytes bytes, bool mapped, qv__object **out, qv_error *err);

/* Of a checked name, and of a folder's ("" is the store's own). */
qv_status qv__store_path(qv__store *store, const char *name, char **out, qv_error *err);
qv_status qv__store_folder_path(qv__store *store, const char *folder, char **out, qv_error *err);
/* "a" and "b" to "a/b"; "" on either side gives the other. */
qv_status qv__path_join(const char *folder, const char *name, char **out, qv_error *err);
/* Length of the part before the last '/': 0 when there is none, 1 for "/x". */
size_t qv__path_parent(const char *path);

extern const qv__backend qv__local_backend;
extern const qv__backend qv__memory_backend;
qv_status qv__local_shared_new(const char *root, qv__owner **out, qv_error *err);
qv_status qv__memory_shared_new(qv__owner **out, qv_error *err);
/* Makes `path` and its missing parents, each durable in its parent. */
qv_status qv__local_make_folders(const char *path, qv_error *err);
/* Makes the folder of `path` where missing, and sees to it that its entry (and its parents', up to the store's root) is
 * durable, also when another process made it a moment ago. */
qv_status qv__local_ready_folder(qv__store *store, const char *path, qv_error *err);
qv_status qv__local_upload_begin(qv__store *store, const char *path, qv__upload **out, qv_error *err);
qv_status qv__local_upload_write(qv__upload *upload, const void *bytes, size_t n, qv_error *err);
qv_status qv__local_upload_commit(qv__upload *upload, qv__put_mode mode, qv_error *err);
void qv__local_upload_abort(qv__upload *upload);
/* local_care.c */
qv_status qv__local_info(qv__store *store, const char *path, qv__object_info *out, qv_error *err);
qv_status qv__local_sync_names(qv__store *store, const char *folder, qv_error *err);
qv_status qv__local_unlink(qv__store *store, const char *path, qv_error *err);
qv_status qv__local_rename(qv__store *store, const char *from, const char *to, qv_error *err);
qv_status qv__local_sweep(qv__store *store, const char *folder, int64_t before_ns, uint64_t *bytes, qv_error *err);
/* local_journal.c */
qv_status qv__local_lock_take(qv__store *store, const char *path, qv__lock *lock, qv_error *err);
void qv__local_lock_release(qv__lock *lock);
qv_status qv__local_journal_create(qv__store *store, const char *path, qv__journal *journal, qv_error *err);
qv_status qv__local_journal_append(qv__journal *journal, const void *bytes, size_t n, qv_error *err);
qv_status qv__local_journal_sync(qv__journal *journal, qv_error *err);

/* Names that uploads use until they commit; listings leave them out. */
#define QV_TEMP_PREFIX ".tmp-"

/* ---------------------------------------------------------------- system calls (sys.c)
 * The only door to the disk: retries EINTR, asks the fault layer first, and tells the crash model what happened.
 * All return 0 or an errno. */

int qv__sys_open(const char *path, int flags, int *fd);
int qv__sys_create(const char *path, int *fd); /* exclusively, for writing */
void qv__sys_close(int fd);
int qv__sys_fstat(int fd, struct stat *info);
int qv__sys_stat(const char *path, struct stat *info);        /* follows links */
int qv__sys_lstat(const char *path, struct stat *info);       /* does not */
int qv__sys_read(int fd, void *bytes, size_t n, size_t *got); /* less than n only at the end of the file */
int qv__sys_map(int fd, size_t len, void **at);
int qv__sys_write(int fd, const char *path, const void *bytes, size_t n, uint64_t at); /* all, or an error */
int qv__sys_sync(int fd, const char *path);
int qv__sys_sync_data(int fd, const char *path); /* without the times */
int qv__sys_sync_folder(const char *path);
/* Opens, making it where missing, and locks; EWOULDBLOCK when another opening holds it. */
int qv__sys_lock(const char *path, int *fd);
int qv__sys_rename(const char *from, const char *to, bool replace); /* EEXIST when taken and not replace */
int qv__sys_unlink(const char *path);
int qv__sys_mkdir(const char *path);
int qv__sys_rmdir(const char *path);
/* Calls fn for each entry but "." and ".."; stops when it returns an errno. Links are not followed at `path` itself. */
int qv__sys_read_folder(const char *path, bool follow, int (*fn)(void *ctx, const char *name, unsigned char d_type),
                        void *ctx);

/* QV_IO or QV_NOMEM with the text of the errno. */
qv_status qv__sys_fail(qv_error *err, int failed, const char *format, ...) QV_PRINTF(3, 4);

/* ---------------------------------------------------------------- faults (fault.c) */

typedef enum qv__op { QV_OP_OTHER, QV_OP_WRITE, QV_OP_SYNC } qv__op;
#define QV_FAULT_CRASHED 9001 /* an errno of our own */
#define QV_FAULT_HALF    9002 /* writes only: store half, then EIO */
/* 0, or the errno with which the operation must fail instead of being done. */
int qv__fault_check(qv__op op);

/* ---------------------------------------------------------------- crash model (crash.c)
 * The calls record what was done; each returns 0 or ENOMEM. All are no-ops while the model is off. */

bool qv__crash_is_on(void);
int qv__crash_check(qv__op op); /* QV_FAULT_CRASHED from the chosen sync point on */
int qv__crash_created(const char *path);
int qv__crash_wrote(const char *path, uint64_t end);
int qv__crash_synced(const char *path);
int qv__crash_synced_folder(const char *path);
int qv__crash_made_folder(const char *path);
/* What a rename or delete will destroy has to be kept before it happens. */
typedef struct qv__crash_saved {
    uint8_t *bytes; /* NULL: there was nothing */
    size_t len;
    uint64_t synced; /* bytes of it that were durable */
} qv__crash_saved;
int qv__crash_save(const char *path, qv__crash_saved *saved);
void qv__crash_forget(qv__crash_saved *saved);
int qv__crash_renamed(const char *from, const char *to, qv__crash_saved *replaced); /* take `saved` in every case */
int qv__crash_unlinked(const char *path, qv__crash_saved *saved);
int qv__crash_removed_folder(const char *path);

#endif
