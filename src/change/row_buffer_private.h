/* What the files of the write buffer share: the records of its journal, the rows that wait, and who may do what with them. */
#ifndef QV_CHANGE_ROW_BUFFER_PRIVATE_H
#define QV_CHANGE_ROW_BUFFER_PRIVATE_H

#include <pthread.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "change/row_buffer.h"

#define QV_BUFFER_FOLDER   "_quiver"
#define QV_UUID_TEXT_BYTES 37

/* ------------------------------------------------------------------ row_journal.c: the file
 *
 *     record:  u32 kind | u64 length | u64 hash | payload      little-endian, back to back
 *
 * The hash is XXH3 of the payload, seeded with the journal's uuid, kind and length: what a torn write, or a part of an older
 * record, leaves behind the last whole record is not taken for one. */

typedef enum qv__record_kind {
    QV_RECORD_BEGIN = 1, /* uuids (36 bytes each) of the journals that this one replaces; always the first */
    QV_RECORD_ROWS = 2,  /* an Arrow IPC stream */
    QV_RECORD_READY = 3, /* all rows of the replaced journals are in this one: from here on it counts instead of them */
    QV_RECORD_FLUSH = 4  /* u64 version | uuid (36 bytes) | data file: all rows before are about to be committed so */
} qv__record_kind;

#define QV_RECORD_HEAD_BYTES 20

typedef struct qv__flush_mark {
    uint64_t after; /* version that the commit follows */
    char uuid[QV_UUID_TEXT_BYTES];
    char file[QV_FILE_NAME_BYTES];
} qv__flush_mark;

typedef struct qv__uuid_list {
    char (*items)[QV_UUID_TEXT_BYTES];
    size_t n, capacity;
} qv__uuid_list;

void qv__journal_name(const char *uuid, char out[QV_FILE_NAME_BYTES]); /* "_quiver/buffer-<uuid>.log" */
/* A whole record in `out` (emptied before). */
qv_status qv__record_rows(const char *uuid, qv__array *const *batches, size_t n, const qv__schema *schema,
                          qv__buffer *out, qv_error *err);
qv_status qv__record_bytes(const char *uuid, qv__record_kind kind, const void *payload, size_t len, qv__buffer *out,
                           qv_error *err);
qv_status qv__record_flush(const char *uuid, const qv__flush_mark *mark, qv__buffer *out, qv_error *err);

typedef struct qv__record {
    qv__record_kind kind;
    qv__bytes payload; /* a slice with a reference */
} qv__record;
/* The record at *at, which moves behind it; false: there is no whole one. The payload is the caller's to release. */
bool qv__record_next(const char *uuid, qv__bytes file, uint64_t *at, qv__record *out);
qv_status qv__record_flush_parse(const qv__bytes *payload, qv__flush_mark *out, qv_error *err);

/* ------------------------------------------------------------------ row_buffer.c */

typedef struct qv__waiting {
    qv__array *batch; /* whole rows of the buffer's schema */
    uint64_t seq;     /* of its record */
} qv__waiting;

typedef struct qv__ticket { /* of a thread that waits for its record to be durable; on its stack */
    uint64_t seq;
    enum { QV_TICKET_OPEN, QV_TICKET_DURABLE, QV_TICKET_LOST } state;
    struct qv__ticket *next;
} qv__ticket;

typedef struct qv__memory_file { /* rows that wait, as a data file in memory */
    size_t first, n;             /* of the waiting batches */
    uint64_t rows;
    qv__new_fragments fragment; /* one */
} qv__memory_file;

struct qv__row_buffer {
    qv__store *table;
    qv__row_buffer_owner owner;
    uint64_t max_rows, max_bytes;
    qv__lock *file_lock; /* against other buffers */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* all below: guarded by lock */
    qv__snapshot *base; /* whose schema the rows that wait have */
    qv__journal *journal;
    char uuid[QV_UUID_TEXT_BYTES]; /* of the journal */
    qv__uuid_list stale;           /* replaced journals that could not be deleted */
    bool broken;                   /* the journal is not to be appended to; the next use makes a new one */
    uint64_t appended, synced;     /* sequence numbers of records */
    bool syncing;                  /* a thread syncs the journal without the lock */
    qv__ticket *tickets;
    size_t n, capacity;
    qv__waiting *waiting; /* ascending by seq */
    uint64_t rows, bytes; /* of them */
    bool unsure;          /* a commit ended so that nobody knows whether it took place: */
    qv__flush_mark mark;
    qv__store *memory; /* of the memory files */
    size_t n_files, files_capacity;
    qv__memory_file *files;
    qv__snapshot *view; /* the last one; of: */
    qv__snapshot *view_base;
    size_t view_n;
};

/* Sees to it that the journal can be appended to. */
qv_status qv__row_buffer_ready(qv__row_buffer *b, qv_error *err);
/* A new journal with all durable rows that wait, in the place of the present one and the stale ones. */
qv_status qv__row_buffer_restart(qv__row_buffer *b, qv_error *err);
/* Syncs what was appended, with the lock held throughout. */
qv_status qv__row_buffer_sync(qv__row_buffer *b, qv_error *err);
qv_status qv__row_buffer_append(qv__row_buffer *b, const qv__buffer *record, qv_error *err);
qv_status qv__row_buffer_push(qv__row_buffer *b, qv__array *batch, uint64_t seq, qv_error *err);
void qv__row_buffer_drop_waiting(qv__row_buffer *b);    /* all, and what was made of them */
void qv__row_buffer_drop_memory(qv__row_buffer *b);     /* row_buffer_view.c */
size_t qv__row_buffer_durable(const qv__row_buffer *b); /* how many of the waiting */
/* row_buffer_flush.c; with the lock held */
qv_status qv__row_buffer_flush_locked(qv__row_buffer *b, qv_error *err);
/* row_buffer_recover.c */
qv_status qv__row_buffer_recover(qv__row_buffer *b, qv_error *err);
/* Whole rows of the buffer's schema: missing columns become nulls. Takes the stream. */
qv_status qv__row_buffer_conform(const qv__schema *schema, qv__stream *rows, qv__array ***out, size_t *n,
                                 qv_error *err);

#endif
