/*
 * quiver.h - the public interface of Quiver, a vector database that lives inside your process.
 *
 * Caveats first
 * -------------
 *  - Ownership, in two sentences: a pointer-to-pointer output is yours to free; a returned plain pointer is
 *    borrowed from the object you asked and lives as long as that object.
 *  - Arrow structures follow Arrow's rule: whoever takes a structure nulls the source's `release`.  A call that
 *    takes an ArrowArrayStream takes it in every case, success or failure.
 *  - Every call that can fail returns a qv_status and takes an optional qv_error as its last argument.  A failed
 *    call leaves its outputs, and the table, as they were.
 *  - Option structures begin with `struct_size`.  Initialise them with their _INIT macro; NULL means all defaults.
 *  - Strings are UTF-8 and end in a zero byte.  No call keeps a pointer to your string after it returned.
 *  - A call that returned QV_OK after writing survives `kill -9` and power loss (on storage that honours fsync).
 *
 * Threads
 * -------
 *  Handles (qv_db, qv_table) may be used from many threads at once; opening and closing a handle must not race
 *  with its use.  Streams, qv_file_dump results and error structures belong to one thread at a time.
 *  A child process after fork() must open its own handles.
 */
#ifndef QUIVER_QUIVER_H
#define QUIVER_QUIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define QV_API __attribute__((visibility("default")))
#else
#define QV_API
#endif

#define QV_VERSION_MAJOR  0
#define QV_VERSION_MINOR  1
#define QV_VERSION_PATCH  0
#define QV_VERSION_STRING "0.1.0"

/* ---------------------------------------------------------------- statuses and errors */

/* The numbers are pinned for ever; new ones are only added at the end. */
#define QV_STATUS_MAP(X)                                                   \
    X(OK, 0, "success")                                                    \
    X(INVALID, 1, "invalid argument")                                      \
    X(CORRUPT, 2, "stored data failed a check")                            \
    X(IO, 3, "storage operation failed")                                   \
    X(NOMEM, 4, "out of memory")                                           \
    X(CONFLICT, 5, "another writer committed first")                       \
    X(NOT_FOUND, 6, "no such object")                                      \
    X(EXISTS, 7, "object already exists")                                  \
    X(UNSUPPORTED, 8, "not supported by this version of Quiver")           \
    X(CANCELLED, 9, "cancelled by the caller")                             \
    X(TIMEOUT, 10, "time limit reached")                                   \
    X(SCHEMA, 11, "data does not fit the table's schema")                  \
    X(READ_ONLY, 12, "the handle is pinned to a version and cannot write") \
    X(LIMIT, 13, "a limit set by the caller was exceeded")

typedef enum qv_status {
#define QV_STATUS_ENUM(name, number, text) QV_##name = number,
    QV_STATUS_MAP(QV_STATUS_ENUM)
#undef QV_STATUS_ENUM
} qv_status;

/* The caller's; may live on the stack; never allocates. Valid after a call that did not return QV_OK. */
typedef struct qv_error {
    qv_status status;
    int sys_errno;     /* set when status is QV_IO, else 0 */
    char message[504]; /* what, where and the value; ends in a zero byte */
} qv_error;

/* Borrowed, static: "QV_CORRUPT" and "stored data failed a check". Unknown numbers give "QV_UNKNOWN" and "unknown status". */
QV_API const char *qv_status_name(qv_status status);
QV_API const char *qv_status_text(qv_status status);

/* Borrowed, static: "0.1.0". */
QV_API const char *qv_version(void);

/* Borrowed, static: the instruction set in use: "scalar", "avx2", "avx512" or "neon".  The environment variable
 * QV_SIMD (one of these names) lowers it; a level that the machine lacks is ignored and logged. */
QV_API const char *qv_simd_level(void);

/* ---------------------------------------------------------------- Arrow C Data Interface (fixed by Apache Arrow) */

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE           2
#define ARROW_FLAG_MAP_KEYS_SORTED    4
struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};
struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};
#endif
#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE
struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};
#endif

/* ---------------------------------------------------------------- process-wide settings */

/* Threads of the shared pool, the caller included. 0 restores the default: QV_THREADS, else the cgroup's CPU limit,
 * else the number of online CPUs. Takes effect on the next parallel call. Thread-safe. */
QV_API void qv_set_threads(unsigned n_threads);
QV_API unsigned qv_threads(void);

/* Bytes that Quiver may hold on the heap at once; 0 = no limit. Calls that would pass it return QV_NOMEM. Thread-safe. */
QV_API void qv_set_memory_limit(size_t bytes);

typedef struct qv_memory_stats {
    size_t live_bytes;  /* held now */
    size_t peak_bytes;  /* most held at once since start */
    size_t live_blocks; /* allocations not yet freed */
} qv_memory_stats;
QV_API qv_memory_stats qv_memory(void);

typedef enum qv_log_level { QV_LOG_ERROR = 1, QV_LOG_WARNING = 2, QV_LOG_INFO = 3, QV_LOG_DEBUG = 4 } qv_log_level;
typedef void (*qv_log_fn)(void *user, qv_log_level level, const char *message);
/* Quiver prints nothing by itself. `fn` may be called from any thread; NULL switches logging off. Thread-safe. */
QV_API void qv_set_log(qv_log_fn fn, void *user, qv_log_level max_level);

/* ---------------------------------------------------------------- long calls: progress, cancellation, limits */

typedef struct qv_cancel qv_cancel; /* a flag that another thread, or a signal handler, may raise */
QV_API qv_status qv_cancel_new(qv_cancel **out, qv_error *err);
QV_API void qv_cancel_raise(qv_cancel *cancel); /* async-signal-safe */
QV_API void qv_cancel_clear(qv_cancel *cancel);
QV_API void qv_cancel_free(qv_cancel *cancel); /* NULL is fine */

typedef struct qv_progress {
    const char *stage; /* "write", "search", "scan", "verify", ...; static */
    uint64_t rows_done;
    uint64_t rows_total; /* 0: unknown */
    uint64_t bytes_done;
    double seconds; /* since the call began */
    bool finished;  /* true exactly once, in the last report of a call that succeeds */
} qv_progress;

/* How a call that can run over a second is watched. Zero-initialised fields mean "not used". */
typedef struct qv_job {
    size_t struct_size;
    bool (*on_progress)(void *user, const qv_progress *progress); /* false cancels; at most about 10 calls a second */
    void *user;
    qv_cancel *cancel;   /* must outlive the call, and the stream that it returned */
    uint32_t timeout_ms; /* 0: none; QV_TIMEOUT when passed */
    uint32_t threads;    /* 0: as many as the pool has */
} qv_job;
#define QV_JOB_INIT                            \
    {                                          \
        sizeof(qv_job), NULL, NULL, NULL, 0, 0 \
    }

/* ---------------------------------------------------------------- databases */

typedef struct qv_db qv_db;
typedef struct qv_table qv_table;

typedef struct qv_db_options {
    size_t struct_size;
    bool read_only; /* do not create the folder; every write is QV_READ_ONLY */
} qv_db_options;
#define QV_DB_OPTIONS_INIT           \
    {                                \
        sizeof(qv_db_options), false \
    }

/* A database is a folder of tables. `uri`: a path ("~" is expanded), "file:///path", or "memory://" (one private
 * database per handle, gone when the last handle on it and its tables closes). The folder is made when absent.
 * QV_INVALID: empty or malformed uri.  QV_UNSUPPORTED: another scheme, by name.  QV_IO: the folder cannot be made. */
QV_API qv_status qv_db_open(const char *uri, const qv_db_options *options, qv_db **out, qv_error *err);
QV_API void qv_db_close(qv_db *db);            /* NULL is fine; tables stay usable */
QV_API const char *qv_db_uri(const qv_db *db); /* absolute path without scheme, or the memory uri */

typedef struct qv_names {
    size_t n;
    char **names; /* sorted by bytes */
} qv_names;
QV_API void qv_names_free(qv_names *names);
/* Names of tables after `start_after` (NULL: from the first), at most `limit` (0: all). */
QV_API qv_status qv_db_table_names(qv_db *db, const char *start_after, size_t limit, qv_names **out, qv_error *err);

typedef enum qv_create_mode { QV_CREATE = 0, QV_CREATE_OR_REPLACE = 1, QV_CREATE_IF_ABSENT = 2 } qv_create_mode;
typedef enum qv_compression {
    QV_COMPRESSION_DEFAULT = 0,
    QV_COMPRESSION_NONE = 1,
    QV_COMPRESSION_SMALL = 2
} qv_compression;

typedef struct qv_write_options {
    size_t struct_size;
    const char *file_version; /* "2.2" (NULL), "2.1" or "2.0"; appends follow the table when NULL */
    qv_compression
        compression; /* DEFAULT: chosen per column by measuring; SMALL: zstd wherever it shrinks, vectors too */
    uint64_t max_rows_per_file; /* 0: 1,048,576 */
    bool stable_row_ids;        /* creation only */
    qv_job job;
} qv_write_options;
#define QV_WRITE_OPTIONS_INIT                                                         \
    {                                                                                 \
        sizeof(qv_write_options), NULL, QV_COMPRESSION_DEFAULT, 0, false, QV_JOB_INIT \
    }

/* Creates table `name` and fills it from `data` as version 1 (REPLACE of an existing table: its next version).
 * `data` is taken; NULL with a `schema` makes an empty table; with both, batches are cast to `schema` by name where nothing
 * is lost.
 * IF_ABSENT opens an existing table without reading `data`. Memory stays bounded whatever the stream's length.
 * QV_INVALID: bad name, no data and no schema, duplicate, reserved or dotted column names.  QV_EXISTS: mode CREATE.
 * QV_SCHEMA: a batch does not fit.  QV_UNSUPPORTED: a type that the format cannot store, by name. */
QV_API qv_status qv_db_create_table(qv_db *db, const char *name, qv_create_mode mode, struct ArrowArrayStream *data,
                                    const struct ArrowSchema *schema, const qv_write_options *options, qv_table **out,
                                    qv_error *err);
/* version 0: the latest, which the handle then follows on its own writes; else pinned, and writes are QV_READ_ONLY.
 * QV_NOT_FOUND: no such table, or no such version. */
QV_API qv_status qv_db_open_table(qv_db *db, const char *name, uint64_t version, qv_table **out, qv_error *err);
QV_API qv_status qv_db_drop_table(qv_db *db, const char *name, qv_error *err); /* QV_NOT_FOUND when missing */
QV_API qv_status qv_db_drop_all_tables(qv_db *db, qv_error *err);

/* ---------------------------------------------------------------- tables: facts */

QV_API void qv_table_close(qv_table *table); /* NULL is fine; streams from it stay usable */
QV_API const char *qv_table_name(const qv_table *table);
QV_API const char *qv_table_uri(const qv_table *table);
QV_API uint64_t qv_table_version(const qv_table *table); /* of the snapshot that the handle sees */
QV_API qv_status qv_table_schema(qv_table *table, struct ArrowSchema *out, qv_error *err);
QV_API qv_status qv_table_count_rows(qv_table *table, uint64_t *out, qv_error *err);

typedef struct qv_version_info {
    uint64_t version;
    int64_t timestamp_ns; /* UTC, since 1970 */
    uint64_t rows;
    uint64_t fragments;
} qv_version_info;
/* All versions, oldest first. *out is freed with qv_versions_free. */
QV_API qv_status qv_table_versions(qv_table *table, qv_version_info **out, size_t *n, qv_error *err);
QV_API void qv_versions_free(qv_version_info *versions);

typedef struct qv_tag_info {
    const char *name;
    uint64_t version;
} qv_tag_info;
typedef struct qv_tags {
    size_t n;
    qv_tag_info *tags; /* sorted by name */
} qv_tags;
QV_API qv_status qv_table_tags(qv_table *table, qv_tags **out, qv_error *err);
QV_API void qv_tags_free(qv_tags *tags);

/* Pins the handle to a version (then writes are QV_READ_ONLY), or lets it follow the latest again.
 * QV_NOT_FOUND names the version. Readers that already run keep their snapshot. */
QV_API qv_status qv_table_checkout(qv_table *table, uint64_t version, qv_error *err);
QV_API qv_status qv_table_checkout_latest(qv_table *table, qv_error *err);

/* ---------------------------------------------------------------- tables: writing */

typedef enum qv_write_mode { QV_APPEND = 0, QV_OVERWRITE = 1 } qv_write_mode;
typedef struct qv_write_result {
    uint64_t version; /* the version that this call made */
    uint64_t rows;
    uint64_t bytes; /* of data files */
} qv_write_result;
/* Adds all rows of `data` (taken) as one version. APPEND matches columns by name, casts as SQL does ('5' -> 5, 1.5 -> 1;
 * overflow and text that is no number fail) and leaves missing nullable columns null; OVERWRITE replaces schema and rows.
 * Other processes may write at the same time: appends are rebased and all land. `result` may be NULL.
 * QV_SCHEMA: unknown, missing or unfit column, null in a non-null column.  QV_READ_ONLY: pinned handle.
 * QV_CONFLICT: another writer replaced the table meanwhile. */
QV_API qv_status qv_table_write(qv_table *table, qv_write_mode mode, struct ArrowArrayStream *data,
                                const qv_write_options *options, qv_write_result *result, qv_error *err);

/* ---------------------------------------------------------------- tables: reading */

/* Which columns a read returns, in order. Names may be nested with dots ("st.a"), and "_rowid" / "_rowaddr" are known;
 * after a search "_distance" too. columns NULL: all columns. */
typedef struct qv_scan_options {
    size_t struct_size;
    const char *const *columns;
    size_t n_columns;
    uint64_t offset;
    uint64_t limit;        /* 0 with has_limit false: all rows; any other number limits by itself */
    bool has_limit;        /* true makes a limit of 0 mean no rows */
    bool with_row_id;      /* adds _rowid (uint64) at the end */
    bool with_row_address; /* adds _rowaddr (uint64) at the end */
    uint32_t batch_rows;   /* most rows in one batch; 0: chosen by width, about 1 MiB and at most 8,192 rows for
                             narrow rows; vectors come without copy where the file allows it */
    qv_job job;
} qv_scan_options;
#define QV_SCAN_OPTIONS_INIT                                                        \
    {                                                                               \
        sizeof(qv_scan_options), NULL, 0, 0, 0, false, false, false, 0, QV_JOB_INIT \
    }

/* Rows in storage order. The stream keeps its snapshot; it is yours to release.
 * QV_NOT_FOUND: unknown column, with the known ones.  QV_INVALID: the same column twice. */
QV_API qv_status qv_table_scan(qv_table *table, const qv_scan_options *options, struct ArrowArrayStream *out,
                               qv_error *err);

typedef enum qv_take_by { QV_TAKE_OFFSETS = 0, QV_TAKE_ROW_IDS = 1 } qv_take_by;
/* Rows by position among the live rows, or by _rowid. Unknown positions are left out; repeats are kept.
 * in_order false: rows come in storage order; true: in the order asked. offset and limit of the options are ignored. */
QV_API qv_status qv_table_take(qv_table *table, qv_take_by by, const uint64_t *rows, size_t n_rows, bool in_order,
                               const qv_scan_options *options, struct ArrowArrayStream *out, qv_error *err);

typedef enum qv_metric {
    QV_METRIC_AUTO = 0,    /* l2; hamming for uint8 vectors */
    QV_METRIC_L2 = 1,      /* squared Euclidean distance */
    QV_METRIC_COSINE = 2,  /* 1 - cosine; a zero vector never matches */
    QV_METRIC_DOT = 3,     /* 1 - dot product */
    QV_METRIC_HAMMING = 4, /* differing bits; uint8 vectors are packed bits */
    QV_METRIC_JACCARD = 5  /* 1 - |and| / |or| of packed bits; two empty sets have distance 0 */
} qv_metric;
typedef enum qv_element {
    QV_ELEMENT_F32 = 0,
    QV_ELEMENT_F16 = 1,
    QV_ELEMENT_F64 = 2,
    QV_ELEMENT_BF16 = 3,
    QV_ELEMENT_I8 = 4,
    QV_ELEMENT_U8 = 5
} qv_element;

/* n vectors of dim elements, row after row, any alignment. Borrowed during the call. */
typedef struct qv_vectors {
    const void *data;
    qv_element element;
    size_t dim;
    size_t n;
} qv_vectors;

typedef struct qv_search_options {
    size_t struct_size;
    const char *vector_column; /* NULL: the only vector column that fits the query's dimension */
    qv_metric metric;
    uint32_t k;      /* rows per query vector; default 10; 0 is QV_INVALID */
    uint64_t offset; /* skips the nearest `offset` rows; k more follow */
    bool has_lower;  /* lower_bound <= distance */
    bool has_upper;  /* distance < upper_bound */
    float lower_bound;
    float upper_bound;
    const char *const *columns;
    size_t n_columns;
    bool with_row_id;
    bool with_row_address;
    bool query_index; /* with n = 1 too: first column query_index (int32); always there when n > 1 */
    qv_job job;
} qv_search_options;
#define QV_SEARCH_OPTIONS_INIT                                                                                    \
    {                                                                                                             \
        sizeof(qv_search_options), NULL, QV_METRIC_AUTO, 10, 0, false, false, 0, 0, NULL, 0, false, false, false, \
            QV_JOB_INIT                                                                                           \
    }

/* The k nearest rows of each query vector, exactly, nearest first, ties by row id; the answer does not depend on the
 * number of threads. Columns as asked, then _distance (float32) unless the columns name it, then _rowid / _rowaddr.
 * Null vectors, vectors with NaN, and (cosine) zero vectors never match.
 * QV_NOT_FOUND: no such column.  QV_INVALID: not a vector column, another dimension, several candidates (named),
 * a NaN or infinite query, a metric that the element type does not support. */
QV_API qv_status qv_table_search(qv_table *table, const qv_vectors *queries, const qv_search_options *options,
                                 struct ArrowArrayStream *out, qv_error *err);

/* ---------------------------------------------------------------- tables: care */

typedef struct qv_verify_report {
    uint64_t files;
    uint64_t bytes;
    uint64_t rows;
    uint64_t problems; /* 0: every check held */
} qv_verify_report;
/* Checks every byte that can be checked of the snapshot: manifests, data files, deletion files. Each broken invariant
 * is told to `on_problem` (may be NULL) with the object's name; the call returns QV_CORRUPT when there was any. */
QV_API qv_status qv_table_verify(qv_table *table, void (*on_problem)(void *user, const char *object, const char *what),
                                 void *user, const qv_job *job, qv_verify_report *report, qv_error *err);

/* A description of the table's, or one file's, structure as JSON text: manifest, fragments, files, columns, pages,
 * encodings. `path` NULL: the table; else a data file of it ("data/x.lance"). Free with qv_string_free. */
QV_API qv_status qv_table_describe(qv_table *table, const char *path, char **json, qv_error *err);
QV_API void qv_string_free(char *string);

/* ---------------------------------------------------------------- Arrow IPC */

/* Reads an Arrow IPC file or stream (recognised by its first bytes) from `path`; bodies may be zstd or lz4. */
QV_API qv_status qv_ipc_read(const char *path, struct ArrowArrayStream *out, qv_error *err);
/* Writes `data` (taken) as an IPC file, or as a stream; durable and in place only when complete. */
QV_API qv_status qv_ipc_write(const char *path, bool as_stream, struct ArrowArrayStream *data, const qv_job *job,
                              qv_error *err);

#ifdef __cplusplus
}
#endif
#endif
