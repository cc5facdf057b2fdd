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
qv_status qv__list_tags(qv__store *table, qv_tags **out, qv_error *err);

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

#endif
