/* Changes of a table: what a commit is told, and the commit itself. Who computes a change (src/change, src/index) fills a
 * qv__change and hands it over; transactions, manifests, deletion files, conflicts and retries are this module's business. */
#ifndef QV_TABLE_CHANGE_H
#define QV_TABLE_CHANGE_H

#include <roaring/roaring.h>

#include "table/table.h"

typedef enum qv__operation {
    QV_OP_APPEND,
    QV_OP_DELETE,
    QV_OP_UPDATE,
    QV_OP_CREATE_INDEX,
    QV_OP_REWRITE,
    QV_OP_OVERWRITE,
    QV_OP_MERGE,
    QV_OP_RESTORE,
    QV_OP_RESERVE,
    QV_OP_PROJECT,
    QV_OP_CONFIG,
    QV_OP_REPLACEMENT,
    QV_OP_OVERLAY,
    QV_OP_BASES,
    QV_OP_MEM_WAL,
    QV_OP_CLONE,
    QV_OP_UNKNOWN
} qv__operation;

/* ------------------------------------------------------------------ new files */

#define QV_FILE_NAME_BYTES 96
typedef struct qv__new_file {
    char name[QV_FILE_NAME_BYTES]; /* below data/ */
    qv__file_summary summary;      /* owned */
} qv__new_file;

/* A fragment of whole rows in one new file. In tables with stable row ids a fragment may bring ids and versions along. */
typedef struct qv__new_fragment {
    uint64_t id; /* REWRITE: one of the reserved ids. Else the commit gives one, and this is not looked at */
    uint64_t rows;
    qv__new_file file;
    uint64_t *row_ids; /* owned; `rows` of them, UINT64_MAX: a fresh one. NULL: all fresh, in order */
    uint64_t *created; /* owned; version in which each row was created, 0: this one. NULL: this one */
    uint64_t *updated; /* owned; version in which each row was last changed, 0: this one. NULL: this one */
} qv__new_fragment;
typedef struct qv__new_fragments {
    size_t n;
    qv__new_fragment *items; /* allocated */
} qv__new_fragments;
void qv__new_fragments_clear(qv__new_fragments *fragments);
/* Removes the files, as far as storage allows; for changes that were not committed. */
void qv__new_fragments_discard(qv__store *table, qv__new_fragments *fragments);

typedef struct qv__write_rows {
    qv__file_profile profile;
    uint64_t max_rows_per_file;  /* 0: 1,048,576 */
    uint64_t max_bytes_per_file; /* 0: 90 GiB */
    qv__job *job;
} qv__write_rows;
/* Writes a stream of whole rows (columns of `shown` fields, a subset in any order; JSON as text) into new data files of the table's
 * format. `stored` is the table's stored schema that the ids come from. Durable when QV_OK; nothing stays on failure. */
qv_status qv__write_fragments(qv__store *table, qv__snapshot *base, qv__stream *rows, const qv__write_rows *options,
                              qv__new_fragments *out, qv_error *err);
/* One new file with the pages of whole fragments (positions in `base`), which have no deleted rows, as they lie; *done false: they
 * cannot be taken so, and nothing was written. */
qv_status qv__copy_fragments(qv__store *table, qv__snapshot *base, const size_t *fragments, size_t n, qv__job *job,
                             qv__new_fragments *out, bool *done, qv_error *err);
/* One file of additional columns beside a fragment: `stored` says fields and ids; the stream must give exactly the fragment's
 * physical rows, in order. */
qv_status qv__write_columns(qv__store *table, qv__snapshot *base, const qv__schema *stored, qv__stream *rows,
                            uint64_t physical_rows, qv__job *job, qv__new_file *out, qv_error *err);
void qv__new_file_clear(qv__new_file *file);
void qv__new_file_discard(qv__store *table, qv__new_file *file); /* removes the file, too */

/* The schema as it lies in files (ids, JSONB), borrowed; and the first free field id. */
const qv__schema *qv__snapshot_stored_schema(const qv__snapshot *snapshot);
qv_status qv__snapshot_next_field_id(qv__snapshot *snapshot, int32_t *out, qv_error *err);
/* A shown field in stored form without ids, for a new column; qv__schema_assign_ids numbers it. */
qv_status qv__field_for_files(const qv__field *shown, qv__file_version version, qv__field *out, qv_error *err);

/* ------------------------------------------------------------------ the change */

typedef struct qv__row_deletion {
    uint64_t fragment_id;
    const roaring_bitmap_t *rows; /* physical offsets that this change deletes, none of them deleted before; borrowed */
} qv__row_deletion;

/* A file joins (MERGE) or takes over fields of (UPDATE columns, REPLACEMENT) a fragment. */
typedef struct qv__column_file {
    uint64_t fragment_id;
    qv__new_file file;
} qv__column_file;

typedef struct qv__rewrite_group { /* old fragments, ascending, become new ones: a span of change.fragments */
    const uint64_t *old_ids;
    size_t n_old;
    size_t first_new, n_new;
} qv__rewrite_group;

typedef struct qv__config_update {
    qv_metadata_kind kind;
    int32_t field_id; /* QV_METADATA_FIELD */
    const qv_pair *pairs;
    size_t n;
    bool replace;
} qv__config_update;

typedef struct qv__key_set { /* keys that an enforced or merged insert brings: sorted, each once */
    const int32_t *field_ids;
    size_t n_fields;
    const uint64_t *hashes; /* qv__row_key.hash */
    size_t n;
} qv__key_set;

/* The key of a row, for tables that enforce theirs: rows are equal when both numbers are; `hash` goes into a qv__key_set. */
typedef struct qv__row_key {
    uint64_t hash, check;
} qv__row_key;
int qv__row_key_compare(const void *a, const void *b); /* for qsort and bsearch */
/* QV_UNSUPPORTED: floating point and nested columns. */
qv_status qv__check_key_type(const qv__field *field, qv_error *err);
/* Keys of a batch's rows from its key columns. QV_SCHEMA: a null. */
qv_status qv__row_keys(const qv__array *const *columns, size_t n, int64_t rows, qv__row_key *out, qv_error *err);
/* Of all live rows of a version, sorted. *out is the caller's (qv__free). */
qv_status qv__snapshot_row_keys(qv__snapshot *snapshot, const qv__field *const *fields, size_t n, qv__row_key **out,
                                size_t *n_out, qv_error *err);
/* QV_INVALID: two rows have the same key. */
qv_status qv__snapshot_check_keys(qv__snapshot *snapshot, const qv__field *const *fields, size_t n, qv_error *err);

/* Everything is borrowed until qv__commit returns, unless it says otherwise. Fields that the operation does not name stay zero. */
typedef struct qv__change {
    qv__operation operation;
    /* OVERWRITE, MERGE, PROJECT: the new stored schema, with ids */
    const qv__schema *stored;
    bool create;                /* OVERWRITE: version 1 of a new table */
    bool stable_row_ids;        /* create */
    const char *format;         /* of the new files; NULL: the table's */
    bool preserves_nullability; /* MERGE, PROJECT */
    /* APPEND, OVERWRITE, UPDATE rows, REWRITE, MERGE (extra rows) */
    const qv__new_fragments *fragments;
    /* DELETE, UPDATE rows */
    const qv__row_deletion *deletions;
    size_t n_deletions;
    const char *predicate; /* DELETE */
    /* UPDATE: fields whose values changed (top-level ids and below) */
    const int32_t *fields_modified;
    size_t n_fields_modified;
    /* UPDATE: column_files instead of fragments. `deletions` then name the rows whose values changed; nothing is deleted. None:
     * all rows of these fragments */
    bool columns_mode;
    const qv__key_set *inserted; /* UPDATE and APPEND under a primary key */
    /* MERGE, UPDATE columns, REPLACEMENT */
    const qv__column_file *column_files;
    size_t n_column_files;
    /* REWRITE */
    const qv__rewrite_group *groups;
    size_t n_groups;
    uint64_t groups_read_version; /* the version that the groups were planned on; 0: the base's */
    const qv__index_swap *swaps;
    size_t n_swaps;
    qv__section_bytes reuse_entry; /* packed IndexMetadata of the fragment reuse index; empty: none */
    /* CREATE_INDEX */
    const qv__index_entry *new_indices;
    size_t n_new_indices;
    const uint8_t (*removed_indices)[16];
    size_t n_removed_indices;
    /* CONFIG */
    const qv__config_update *updates;
    size_t n_updates;
    uint64_t restore_version; /* RESTORE */
    uint32_t reserve;         /* RESERVE: so many fragment ids, the last ones up to *out's max_fragment_id */
    const char *message;      /* commit message; NULL: none */
    const char *uuid;         /* of the transaction, as text; NULL: a new one. For qv__commit_find */
} qv__change;

/* How a commit ended when it did not return QV_OK. */
typedef struct qv__commit_end {
    bool committed;   /* a version with the change may be visible: its files must stay */
    bool worth_retry; /* QV_CONFLICT, and working the change out anew on the newest version may succeed */
} qv__commit_end;

/* Makes the change the newest version. `base` is the snapshot that it was worked out on (NULL: create). Newer versions are checked
 * against the conflict table; deletions of different rows in one fragment are merged; what can be rebased is. */
qv_status qv__commit(qv__store *table, qv__snapshot *base, const qv__change *change, qv__job *job, qv__snapshot **out,
                     qv__commit_end *end, qv_error *err);
uint64_t qv__snapshot_max_fragment_id(const qv__snapshot *snapshot); /* UINT64_MAX: there never was one */

/* A uuid for qv__change.uuid. */
qv_status qv__transaction_uuid(char uuid[37], qv_error *err);
/* Did a change with this transaction take place after version `after`? `file`: one of its new data files, which tells when the
 * version itself was cleaned up meanwhile. */
qv_status qv__commit_find(qv__store *table, uint64_t after, const char *uuid, const char *file, bool *found,
                          qv_error *err);

/* ------------------------------------------------------------------ rows that are not committed yet */

/* `base` with fragments whose files lie in another store, kept by the result. Nothing is written: the version is the base's. */
qv_status qv__snapshot_extend(qv__snapshot *base, qv__store *store, const qv__new_fragment *fragments, size_t n,
                              qv__snapshot **out, qv_error *err);

#endif
