/* Where the bytes of blob columns go. */
#ifndef QV_FILE_WRITE_BLOB_H
#define QV_FILE_WRITE_BLOB_H

#include "file/write/write_private.h"

typedef struct qv__blob_sink { /* files beside the data file */
    qv__store *store;
    char *folder; /* the data file's name without .lance */
    uint32_t next_id;
    uint32_t shared_id;
    qv__upload *shared; /* the file that is being filled */
    size_t n_files;     /* committed */
    bool finished;      /* the data file exists: they stay */
} qv__blob_sink;

qv_status qv__blob_sink_init(qv__blob_sink *sink, qv__store *store, const char *name, qv_error *err);
qv_status qv__blob_sink_finish(qv__blob_sink *sink, qv_error *err); /* all files are durable */
void qv__blob_sink_clear(qv__blob_sink *sink);
/* Stores the bytes of the column's batch; column->blobs says where. */
qv_status qv__blob_store(qv__column_writer *column, qv__blob_sink *sink, qv__upload *file, qv_error *err);

#endif
