/* Handles behind the public names, shared by the files of this folder. */
#ifndef QV_API_PRIVATE_H
#define QV_API_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/job.h"
#include "io/store.h"
#include "table/table.h"

struct qv_db {
    qv__store *store;
    char *uri;
    bool read_only;
};

struct qv_table {
    qv__store *store; /* of the table's folder */
    char *name;
    char *uri;
    bool read_only; /* opened through a read-only database */
    pthread_mutex_t lock;
    qv__snapshot *snapshot; /* guarded by lock; immutable itself */
    bool pinned;            /* guarded by lock */
};

/* The snapshot that the handle sees now, with a reference. */
qv__snapshot *qv__table_snapshot(qv_table *table);
/* Makes `snapshot` (taken) the one that the handle sees, unless it is older. */
void qv__table_publish(qv_table *table, qv__snapshot *snapshot);
/* The newest snapshot on storage, with a reference; the handle's own when it is that. */
qv_status qv__table_newest(qv_table *table, qv__snapshot **out, qv_error *err);
/* A handle around `snapshot` (taken in every case). */
qv_status qv__table_handle(qv_db *db, qv__store *store, const char *name, qv__snapshot *snapshot, bool pinned,
                           qv_table **out, qv_error *err);
/* QV_READ_ONLY, with the reason, for handles that cannot write. */
qv_status qv__table_check_writable(qv_table *table, qv_error *err);

/* Copies a caller's option structure of whatever size it knew over the defaults in `to` (to_size bytes). */
qv_status qv__options_copy(void *to, size_t to_size, const void *from, const char *what, qv_error *err);
#define QV_OPTIONS(to, from, err) qv__options_copy((to), sizeof(*(to)), (from), #from, (err))

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
