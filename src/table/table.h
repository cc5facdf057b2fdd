/* Lance tables: versions, fragments, deletions, row ids, and the commit protocol. */
#ifndef QV_TABLE_TABLE_H
#define QV_TABLE_TABLE_H

#include "arrow/array.h"
#include "base/job.h"
#include "file/file.h"
#include "io/store.h"

/* ------------------------------------------------------------------ snapshots */

typedef struct qv__data_file {
    char *path; /* below data/ */
    int32_t *field_ids;
    int32_t *columns;
    size_t n_fields;
    qv__file_version version;
    uint64_t size_bytes; /* 0: unknown */
    bool has_base;       /* base_id holds */
    uint32_t base_id;
} qv__data_file;

typedef struct qv__deletion_file {
    bool is_bitmap; /* .bin, else .arrow */
    uint64_t read_version, id, n_deleted;
    bool has_base;
    uint32_t base_id;
} qv__deletion_file;

typedef struct qv__fragment {
    uint64_t id;
    uint64_t physical_rows;
    size_t n_files;
    qv__data_file *files;
    qv__deletion_file *deletion; /* NULL: none */
} qv__fragment;

/* One version of a table: immutable, counted, thread-safe. Opened files, bound columns, deletion sets and row ids are cached
 * in it as they are first used. */
typedef struct qv__snapshot qv__snapshot;
/* `table` is the store of the table's folder. version 0: the latest. QV_NOT_FOUND: no table, or no such version.
 * QV_UNSUPPORTED: a feature flag, format version or logical type that Quiver does not know, by name and number. */
qv_status qv__snapshot_open(qv__store *table, uint64_t version, qv__snapshot **out, qv_error *err);
/* The newest version for a handle that knows `known`: mostly two look-ups by name instead of a listing. *out is `known` itself
 * (with a reference) when nothing is newer, else it shares what `known` has opened. QV_NOT_FOUND: the table is gone. */
qv_status qv__snapshot_newest(qv__snapshot *known, qv__snapshot **out, qv_error *err);
qv__snapshot *qv__snapshot_ref(qv__snapshot *snapshot);
void qv__snapshot_unref(qv__snapshot *snapshot);
uint64_t qv__snapshot_version(const qv__snapshot *snapshot);
const qv__schema *qv__snapshot_schema(const qv__snapshot *snapshot); /* with field ids */
size_t qv__snapshot_n_fragments(const qv__snapshot *snapshot);
const qv__fragment *qv__snapshot_fragment(const qv__snapshot *snapshot, size_t i);
bool qv__snapshot_has_stable_row_ids(const qv__snapshot *snapshot);
const char *qv__snapshot_file_version(const qv__snapshot *snapshot); /* "2.2": of new files */
/* Live rows (deletion files of unknown length are read). */
qv_status qv__snapshot_count_rows(qv__snapshot *snapshot, uint64_t *out, qv_error *err);

/* The newest version number now, by listing; 0: no table here. */
qv_status qv__latest_version(qv__store *table, uint64_t *out, qv_error *err);
qv_status qv__list_versions(qv__store *table, qv_version_info **out, size_t *n, qv_error *err); /* oldest first */

/* ------------------------------------------------------------------ facts of a version */

const char *qv__snapshot_branch(const qv__snapshot *snapshot); /* NULL: main */
int64_t qv__snapshot_timestamp(const qv__snapshot *snapshot);  /* nanoseconds since 1970 */
/* Value of a key of the table's config, or NULL; borrowed. */
const char *qv__snapshot_config(const qv__snapshot *snapshot, const char *key);
qv_status qv__snapshot_metadata(const qv__snapshot *snapshot, qv_metadata_kind kind, const char *path, qv__buffer *json,
                                qv_error *err);
/* The field of a dotted path; NULL: there is none. */
const qv__field *qv__schema_find_path(const qv__schema *schema, const char *path);
#define QV_KEY_ENFORCED "quiver.primary_key.enforced" /* of the table's config: "true" */
/* Fields of the primary key, in its order; *n 0: none. *enforced: Quiver refuses duplicates. The list is the caller's (qv__free). */
qv_status qv__snapshot_primary_key(const qv__snapshot *snapshot, const qv__field ***fields, size_t *n, bool *enforced,
                                   qv_error *err);
/* Versions in which rows [row, row + n) of a fragment were created and last changed; stable row ids only. Either may be NULL. */
qv_status qv__snapshot_row_versions(qv__snapshot *snapshot, size_t fragment, uint64_t row, uint64_t n,
                                    uint64_t *created, uint64_t *updated, qv_error *err);

/* ------------------------------------------------------------------ indices, as the manifest tells them */

typedef struct qv__section_bytes {
    const uint8_t *data;
    size_t len;
} qv__section_bytes;

typedef struct qv__index_file {
    const char *path; /* below the index's folder */
    uint64_t size_bytes;
} qv__index_file;

typedef struct qv__index_entry {
    uint8_t uuid[16];
    const char *name;
    const int32_t *fields; /* key fields */
    size_t n_fields;
    uint64_t dataset_version;
    const uint32_t *fragments; /* ids that it covers, ascending, as stored (dead ones included) */
    size_t n_fragments;
    const char *type_url;
    qv__section_bytes details; /* payload of the Any */
    int32_t index_version;
    int64_t created_at_ms; /* 0: unknown */
    bool has_base;
    uint32_t base_id;
    const qv__index_file *files;
    size_t n_files;
    qv__section_bytes
        packed; /* the stored message: what is unknown survives. Empty in entries that are made, not read */
} qv__index_entry;

/* An index that is replaced by another file set over other fragments, within one commit. */
typedef struct qv__index_swap {
    uint8_t old_uuid[16];
    qv__index_entry entry; /* new uuid, files and fragments */
} qv__index_swap;

/* All entries, borrowed from the snapshot; parsed on first use. */
qv_status qv__snapshot_indices(qv__snapshot *snapshot, const qv__index_entry **out, size_t *n, qv_error *err);
/* The store of an entry's folder. */
qv_status qv__snapshot_index_folder(qv__snapshot *snapshot, const qv__index_entry *entry, qv__store **out,
                                    qv_error *err);
/* Where the index module keeps what it has opened: one slot that all snapshots share which came from one another. */
_Atomic(qv__owner *) *qv__snapshot_index_slot(qv__snapshot *snapshot);
/* Where the query module keeps what it has found out about this version alone; must not keep the snapshot. */
_Atomic(qv__owner *) *qv__snapshot_query_slot(qv__snapshot *snapshot);
/* In its text form, "6f1a...-...". */
void qv__uuid_print(const uint8_t uuid[16], char out[37]);
/* "_indices/<uuid>" of a new index; the uuid is filled. */
qv_status qv__index_folder_new(qv__store *table, uint8_t uuid[16], qv__store **out, qv_error *err);

/* ------------------------------------------------------------------ references */

/* `root` is always the store of the root table, also for what concerns its branches; branch NULL or "main" is the root itself. */
qv_status qv__tag_create(qv__store *root, const char *branch, const char *tag, uint64_t version, qv_error *err);
qv_status qv__tag_update(qv__store *root, const char *branch, const char *tag, uint64_t version, qv_error *err);
qv_status qv__tag_delete(qv__store *root, const char *tag, qv_error *err);
/* *branch: allocated, NULL for main. */
qv_status qv__tag_find(qv__store *root, const char *tag, char **branch, uint64_t *version, qv_error *err);
qv_status qv__list_tags(qv__store *root, qv_tags **out, qv_error *err); /* of all branches */
void qv__tags_free(qv_tags *tags);
/* Keeps a version from clean-up by a tag of a random name, until qv__tag_delete. QV_NOT_FOUND: no such version. */
#define QV_HOLD_BYTES 64
qv_status qv__version_hold(qv__store *root, const char *branch, uint64_t version, char tag[QV_HOLD_BYTES],
                           qv_error *err);

qv_status qv__list_branches(qv__store *root, qv_branches **out, qv_error *err);
void qv__branches_free(qv_branches *branches);
/* from_version 0: the latest. *out: the branch's own store. QV_EXISTS, QV_NOT_FOUND (source). */
qv_status qv__branch_create(qv__store *root, const char *branch, const char *from_branch, uint64_t from_version,
                            qv__store **out, qv_error *err);
qv_status qv__branch_store(qv__store *root, const char *branch, qv__store **out, qv_error *err); /* QV_NOT_FOUND */
/* QV_CONFLICT: other branches build on it, or tags name versions of it. */
qv_status qv__branch_delete(qv__store *root, const char *branch, qv_error *err);
/* A table in the empty folder `to` over the files of a version, with the same version number. QV_EXISTS: not empty. */
qv_status qv__clone_shallow(qv__snapshot *version, qv__store *to, qv_error *err);
qv_status qv__version_at(qv__store *table, int64_t timestamp_ns, uint64_t *version, qv_error *err); /* QV_NOT_FOUND */
/* Manifest names that sort by age (V2). Migration renames one by one; no other writer may be at work. */
bool qv__snapshot_has_v2_names(const qv__snapshot *snapshot);
qv_status qv__migrate_names(qv__store *table, qv_error *err);

/* ------------------------------------------------------------------ clean-up */

/* Takes old versions of `newest`'s branch away. */
qv_status qv__cleanup(qv__store *root, qv__snapshot *newest, const qv_cleanup_options *options, qv__job *job,
                      qv_cleanup_result *result, qv_error *err);
/* By the table's config, after a commit: best effort. */
void qv__auto_cleanup(qv__store *root, qv__snapshot *newest);

/* ------------------------------------------------------------------ reading fragments */

/* Rows deleted in fragment i: ascending physical offsets, and the same as a live bitmap of physical_rows bits. Both borrowed
 * from the snapshot; *n 0 and *live NULL when nothing is deleted. */
qv_status qv__snapshot_deletions(qv__snapshot *snapshot, size_t fragment, const uint32_t **offsets, size_t *n,
                                 const uint8_t **live, qv_error *err);
uint64_t qv__snapshot_live_rows(const qv__snapshot *snapshot,
                                size_t fragment); /* after qv__snapshot_deletions or count_rows */

/* Stable or address-made row ids of the physical rows [row, row + n) of a fragment. */
qv_status qv__snapshot_row_ids(qv__snapshot *snapshot, size_t fragment, uint64_t row, uint64_t n, uint64_t *out,
                               qv_error *err);
/* All physical row ids of a fragment with stable ids, borrowed; *out NULL when ids are addresses (fragment id << 32 | row). */
qv_status qv__snapshot_row_id_array(qv__snapshot *snapshot, size_t fragment, const uint64_t **out, qv_error *err);
/* Finds the live row with this id: index of the fragment and physical row. *found false when there is none. */
qv_status qv__snapshot_locate(qv__snapshot *snapshot, uint64_t row_id, size_t *fragment, uint64_t *row, bool *found,
                              qv_error *err);

/* One column of one fragment, whatever its file: a field that no file holds reads as nulls. `field` is a top-level field of the
 * schema, or a pruned copy of one. Physical rows (deleted ones included). Borrowed from the snapshot's cache when `field` is
 * a whole field of the schema; thread-safe. JSON columns come as text, blobs as bytes. */
typedef struct qv__fragment_column qv__fragment_column;
qv_status qv__fragment_column_open(qv__snapshot *snapshot, size_t fragment, const qv__field *field,
                                   qv__fragment_column **out, qv_error *err);
void qv__fragment_column_free(qv__fragment_column *column);
qv_status qv__fragment_column_read(qv__fragment_column *column, uint64_t row, uint64_t n, qv__array **out,
                                   qv_error *err);
qv_status qv__fragment_column_take(qv__fragment_column *column, const uint64_t *rows, size_t n, qv__array **out,
                                   qv_error *err);
uint64_t qv__fragment_column_page_end(const qv__fragment_column *column, uint64_t row);
uint64_t qv__fragment_column_cost(const qv__fragment_column *column, uint64_t row, uint64_t n);
/* As qv__column_vectors; a field that no file holds gives runs without a valid row. */
qv_status qv__fragment_column_vectors(qv__fragment_column *column, uint64_t row, uint64_t max_rows, qv__vector_run *out,
                                      qv_error *err);
/* As qv__column_bare_vectors. */
qv_status qv__fragment_column_bare_vectors(qv__fragment_column *column, uint64_t row, uint64_t max_rows,
                                           qv__vector_run *out, qv_error *err);

/* ------------------------------------------------------------------ writing */

typedef struct qv__write {
    bool create;              /* version 1 of a new table; QV_EXISTS when another creator was first */
    bool overwrite;           /* replaces schema and fragments of the existing table */
    const char *file_version; /* NULL: the table's, else 2.2 */
    qv__file_profile profile;
    uint64_t max_rows_per_file; /* 0: 1,048,576 */
    bool stable_row_ids;        /* create only */
    qv__job *job;
} qv__write;
/* Streams all batches into data files (bounded memory) and commits them as one version. `base` is the snapshot that the caller
 * saw (NULL when creating). For appends the stream's batches must already have the table's schema: same names, types and order,
 * or a subset of columns when the missing ones are nullable. On failure no version was made and files are removed, as far as
 * storage allows. *out is the new snapshot. */
qv_status qv__table_write(qv__store *table, qv__snapshot *base, qv__stream *data, const qv__write *options,
                          qv_write_result *result, qv__snapshot **out, qv_error *err);

/* ------------------------------------------------------------------ care */

qv_status qv__snapshot_verify(qv__snapshot *snapshot, qv__problem_fn problem, void *ctx, qv__job *job,
                              qv_verify_report *report, qv_error *err);
qv_status qv__snapshot_describe(qv__snapshot *snapshot, qv__buffer *json, qv_error *err);
/* Rows, fragments, bytes: the JSON of qv_table_stats. */
qv_status qv__snapshot_stats(qv__snapshot *snapshot, qv__buffer *json, qv_error *err);

#endif
