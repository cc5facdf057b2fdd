/* Objects by name: local folders and memory now, object stores later, behind one interface. Names are relative paths with
 * '/' between parts; "", ".", "..", a leading '/', parts over 255 bytes and
 * parts that begin with ".tmp-" are refused (QV_INVALID). Stores are thread-safe. */
#ifndef QV_IO_STORE_H
#define QV_IO_STORE_H

#include "base/buffer.h"
#include "base/owner.h"

typedef struct qv__store qv__store;
typedef struct qv__object qv__object; /* an object opened for reading; immutable, counted, thread-safe */
typedef struct qv__upload qv__upload; /* an object being written */

/* uri: an absolute or relative path, "~/...", "file://...", or "memory://". `create`: make the folder when absent. */
qv_status qv__store_open(const char *uri, bool create, qv__store **out, qv_error *err);
/* The store of the sub-folder `prefix` of `store` (shares it; not created). */
qv_status qv__store_sub(qv__store *store, const char *prefix, qv__store **out, qv_error *err);
qv__store *qv__store_ref(qv__store *store);
void qv__store_unref(qv__store *store);
const char *qv__store_uri(const qv__store *store); /* absolute path, or the memory uri */
/* The store that `uri` means where `store` is: "memory://..." is a place in the same memory, else as qv__store_open. */
qv_status qv__store_near(qv__store *store, const char *uri, qv__store **out, qv_error *err);

/* --- reading --- */
typedef struct qv__range {
    uint64_t at;
    uint64_t len;
} qv__range;
/* QV_NOT_FOUND when missing. No descriptor stays open for local objects (they are mapped, or small and read). */
qv_status qv__object_open(qv__store *store, const char *name, qv__object **out, qv_error *err);
qv__object *qv__object_ref(qv__object *object);
void qv__object_unref(qv__object *object);
uint64_t qv__object_size(const qv__object *object);
const char *qv__object_name(const qv__object *object);
/* The bytes of a range, without copy where the object is mapped. QV_CORRUPT: outside the object. Objects are
 * immutable by contract: cutting a local file while it is mapped is the host's SIGBUS, as with every mapping reader. */
qv_status qv__object_read(qv__object *object, uint64_t at, uint64_t len, qv__bytes *out, qv_error *err);
/* n ranges at once (neighbours may be merged into one request); out[] all set or none. */
qv_status qv__object_read_many(qv__object *object, const qv__range *ranges, size_t n, qv__bytes *out, qv_error *err);
/* What the calling thread has asked objects for since it began: the difference of two looks is what a piece of work read. */
typedef struct qv__io_count {
    uint64_t calls, bytes;
} qv__io_count;
qv__io_count qv__io_counted(void);
/* Tells the system that the range will be wanted soon, or was random; a hint. */
void qv__object_will_need(qv__object *object, uint64_t at, uint64_t len);
/* The whole of a small object (QV_LIMIT above max_len). */
qv_status qv__store_get(qv__store *store, const char *name, uint64_t max_len, qv__bytes *out, qv_error *err);
qv_status qv__store_exists(qv__store *store, const char *name, bool *out, qv_error *err); /* objects, not folders */

/* --- writing: nothing is visible under `name` before commit; commit returns after file and folder are synced --- */
typedef enum qv__put_mode {
    QV_PUT_REPLACE,
    QV_PUT_IF_ABSENT, /* QV_EXISTS when taken */
    QV_PUT_HINT       /* replaces, in place at once but not synced: for what may be lost or torn by a power failure */
} qv__put_mode;
qv_status qv__upload_begin(qv__store *store, const char *name, qv__upload **out,
                           qv_error *err); /* makes missing folders */
qv_status qv__upload_write(qv__upload *upload, const void *bytes, size_t n, qv_error *err);
uint64_t qv__upload_size(const qv__upload *upload);
qv_status qv__upload_commit(qv__upload *upload, qv__put_mode mode, qv_error *err); /* frees the upload in every case */
void qv__upload_abort(qv__upload *upload); /* NULL is fine; leaves nothing behind */
qv_status qv__store_put(qv__store *store, const char *name, const void *bytes, size_t n, qv__put_mode mode,
                        qv_error *err);

/* --- names --- */
typedef qv_status (*qv__list_fn)(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err);
/* Direct children of a folder ("" = the root), in no order; a missing folder has none. Names are relative to the folder. */
qv_status qv__store_list(qv__store *store, const char *folder, qv__list_fn fn, void *ctx, qv_error *err);
qv_status qv__store_delete(qv__store *store, const char *name, qv_error *err); /* QV_NOT_FOUND when missing */
qv_status qv__store_delete_tree(qv__store *store, const char *folder,
                                qv_error *err); /* everything below, then the folder; a missing one is fine */

/* --- care --- */
typedef struct qv__object_info {
    uint64_t size;
    int64_t modified_ns; /* since 1970, UTC */
} qv__object_info;
qv_status qv__store_info(qv__store *store, const char *name, qv__object_info *out, qv_error *err); /* QV_NOT_FOUND */
/* Deletes objects of one folder, in their order, and makes all of it durable at the end; missing ones are fine. */
qv_status qv__store_delete_many(qv__store *store, const char *folder, const char *const *names, size_t n,
                                qv_error *err);
/* Gives an object another name in its folder, durably. QV_EXISTS when that is taken. */
qv_status qv__store_rename(qv__store *store, const char *name, const char *new_name, qv_error *err);
/* Removes what uploads that ended with their process left in a folder (not below it), when last changed before a time. */
qv_status qv__store_sweep(qv__store *store, const char *folder, int64_t before_ns, uint64_t *bytes, qv_error *err);

/* --- locks: held by one opening among all processes, and given up when its process ends --- */
typedef struct qv__lock qv__lock;
/* QV_EXISTS: another holds it. The object `name` is made where missing, stays, and is empty. */
qv_status qv__lock_take(qv__store *store, const char *name, qv__lock **out, qv_error *err);
void qv__lock_release(qv__lock *lock); /* NULL is fine */

/* --- journals: objects that grow. One writer at a time; not thread-safe, but for qv__journal_sync beside an append. --- */
typedef struct qv__journal qv__journal;
/* A new, empty journal; its name is durable when the call returns. QV_EXISTS. */
qv_status qv__journal_create(qv__store *store, const char *name, qv__journal **out, qv_error *err);
/* Behind all that was appended before. What a failed append left is written over by the next one. */
qv_status qv__journal_append(qv__journal *journal, const void *bytes, size_t n, qv_error *err);
uint64_t qv__journal_size(const qv__journal *journal);
/* All that was appended before the call is durable after it. After a failure nobody knows, and the journal cannot be used. */
qv_status qv__journal_sync(qv__journal *journal, qv_error *err);
void qv__journal_close(qv__journal *journal); /* NULL is fine; the object stays */

/* --- tests: faults. Operations are counted over all stores of the process while armed (open, read, write, sync, link/rename,
 * list, delete, folder sync). --- */
typedef enum qv__fault_kind {
    QV_FAULT_NONE,
    QV_FAULT_ERROR,   /* the n-th operation fails with EIO, once */
    QV_FAULT_NOSPACE, /* the n-th write or sync fails with ENOSPC, once */
    QV_FAULT_SHORT    /* the n-th write stores half of its bytes, then fails */
} qv__fault_kind;
void qv__fault_arm(qv__fault_kind kind, uint64_t n);
bool qv__fault_fired(void);
/* Crash model: while on, every store logs writes as "buffered" until synced. At the n-th sync point from now every operation
 * of the process fails with QV_IO ("crashed"); qv__crash_apply then makes the folder look as after a power loss: unsynced
 * bytes are dropped, torn (a prefix, or zeroed blocks) or kept as `seed` decides, un-synced directory entries may vanish. */
qv_status qv__crash_arm(uint64_t n, qv_error *err);
bool qv__crash_happened(void);
qv_status qv__crash_apply(uint64_t seed, qv_error *err); /* disarms */

#endif
