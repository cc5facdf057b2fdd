/* Handles behind the public names, shared by the files of this folder. */
#ifndef QV_API_PRIVATE_H
#define QV_API_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/job.h"
#include "io/store.h"
#include "table/table.h"

typedef struct qv__handle_options { /* what a table's handle has from its database */
    bool read_only;
    qv_consistency consistency;
    int64_t refresh_ns; /* QV_CONSISTENCY_EVENTUAL */
} qv__handle_options;

struct qv_db {
    qv__store *store;
    char *uri;
    qv__handle_options options;
};

struct qv_table {
    qv__store *root;  /* of the table's folder: references live there */
    qv__store *store; /* where the handle's versions are: the root, or a branch's folder */
    char *branch;     /* NULL: main */
    char *name;
    char *uri;
    qv__handle_options options;
    pthread_mutex_t lock;
    qv__snapshot *snapshot;      /* guarded by lock; immutable itself */
    bool pinned;                 /* guarded by lock */
    struct qv__row_buffer *rows; /* guarded by lock; of the open write buffer: its rows are part of what reads see */
    int64_t looked_ns;           /* guarded by lock; when the newest version was last looked for (monotonic) */
};

/* The snapshot that the handle holds now, with a reference; nobody looks for a newer one. */
qv__snapshot *qv__table_snapshot(qv_table *table);
/* What a read sees, with a reference: as the consistency of the handle demands, after a look for a newer version. */
qv_status qv__table_view(qv_table *table, qv__snapshot **out, qv_error *err);
/* After a commit: makes `snapshot` (taken) the one that the handle sees, unless it is older; cleans up when the table's config
 * says so. */
void qv__table_publish(qv_table *table, qv__snapshot *snapshot);
/* The newest snapshot on storage, with a reference; the handle's own when it is that. */
qv_status qv__table_newest(qv_table *table, qv__snapshot **out, qv_error *err);
/* A handle around `snapshot` (taken in every case). */
typedef struct qv__handle {
    const qv__handle_options *options;
    qv__store *root, *store;
    const char *branch; /* NULL: main */
    const char *name;
    bool pinned;
} qv__handle;
qv_status qv__table_handle(const qv__handle *from, qv__snapshot *snapshot, qv_table **out, qv_error *err);
/* Lets the handle see `snapshot` (taken), whatever it saw before. */
void qv__table_see(qv_table *table, qv__snapshot *snapshot, bool pinned);
/* QV_READ_ONLY for handles of a read-only database: what concerns references, and works on pinned handles. */
qv_status qv__table_check_refs_writable(qv_table *table, qv_error *err);
/* Before a change: QV_READ_ONLY, with the reason, for handles that cannot write; rows that wait in a write buffer become part of
 * the table first. */
qv_status qv__table_check_writable(qv_table *table, qv_error *err);

/* Copies a caller's option structure of whatever size it knew over the defaults in `to` (to_size bytes). */
qv_status qv__options_copy(void *to, size_t to_size, const void *from, const char *what, qv_error *err);
#define QV_OPTIONS(to, from, err) qv__options_copy((to), sizeof(*(to)), (from), #from, (err))

/* QV_INVALID: lists that are announced and not there, numbers out of range. */
qv_status qv__check_scan_options(const qv_scan_options *options, qv_error *err);
qv_status qv__check_search(const qv_vectors *queries, const qv_search_options *options, qv_error *err);

/* Writes `data` (taken in every case) into the table's folder and gives the new snapshot. */
typedef struct qv__ingest {
    qv__store *store;
    qv__snapshot *base; /* NULL: create */
    bool overwrite;
    struct ArrowArrayStream *data; /* NULL: no rows, `schema` says the columns */
    const struct ArrowSchema *schema;
    const qv_write_options *options;
} qv__ingest;
qv_status qv__ingest_run(const qv__ingest *ingest, qv_write_result *result, qv__snapshot **out, qv_error *err);

#endif
