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

typedef enum qv_consistency {
    QV_CONSISTENCY_NONE = 0,    /* a handle sees other writers' versions after a write of its own or checkout_latest */
    QV_CONSISTENCY_STRONG = 1,  /* every read looks for a newer version first */
    QV_CONSISTENCY_EVENTUAL = 2 /* a read looks when the last look is refresh_ms or more ago */
} qv_consistency;

typedef struct qv_db_options {
    size_t struct_size;
    bool read_only; /* do not create the folder; every write is QV_READ_ONLY */
    qv_consistency consistency;
    uint64_t refresh_ms; /* QV_CONSISTENCY_EVENTUAL */
} qv_db_options;
#define QV_DB_OPTIONS_INIT                                   \
    {                                                        \
        sizeof(qv_db_options), false, QV_CONSISTENCY_NONE, 0 \
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

/* A table `name` over the files of another one (`uri`: the other table's folder) at a version or a tag (0 and NULL: its
 * latest; not both). Nothing is copied: the clone reads the other's files where they lie and writes its own beside itself.
 * QV_NOT_FOUND: no such table, version or tag.  QV_EXISTS: `name` is a table. */
QV_API qv_status qv_db_clone_table(qv_db *db, const char *name, const char *uri, uint64_t version, const char *tag,
                                   qv_table **out, qv_error *err);

/* ---------------------------------------------------------------- tables: facts */

QV_API void qv_table_close(qv_table *table); /* NULL is fine; streams from it stay usable */
QV_API const char *qv_table_name(const qv_table *table);
QV_API const char *qv_table_uri(const qv_table *table);
QV_API uint64_t qv_table_version(const qv_table *table); /* of the snapshot that the handle sees */
QV_API qv_status qv_table_schema(qv_table *table, struct ArrowSchema *out, qv_error *err);
QV_API qv_status qv_table_count_rows(qv_table *table, uint64_t *out, qv_error *err);
/* Rows for which the condition is true. `where` NULL: all. Errors as those of a scan with this condition. */
QV_API qv_status qv_table_count_where(qv_table *table, const char *where, const qv_job *job, uint64_t *out,
                                      qv_error *err);
/* Fragments, files and bytes of the version that the handle sees, as JSON:
 * {"total_bytes":,"num_rows":,"num_indices":,"fragment_stats":{"num_fragments":,"num_small_fragments":,"lengths":
 * {"min":,"max":,"mean":,"p25":,"p50":,"p75":,"p99":}}}. Free with qv_string_free. */
QV_API qv_status qv_table_stats(qv_table *table, char **json, qv_error *err);

typedef struct qv_version_info {
    uint64_t version;
    int64_t timestamp_ns; /* UTC, since 1970 */
    uint64_t rows;
    uint64_t fragments;
    uint64_t data_files;
    uint64_t data_rows; /* deleted ones included */
    uint64_t deletion_files;
    uint64_t deleted_rows;
    uint64_t bytes; /* of data files, as far as the manifest knows */
} qv_version_info;
/* All versions, oldest first. *out is freed with qv_versions_free. */
QV_API qv_status qv_table_versions(qv_table *table, qv_version_info **out, size_t *n, qv_error *err);
QV_API void qv_versions_free(qv_version_info *versions);

typedef struct qv_tag_info {
    const char *name;
    uint64_t version;
    const char *branch; /* NULL: main */
    uint64_t manifest_bytes;
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
QV_API qv_status qv_table_checkout_tag(qv_table *table, const char *tag, qv_error *err);
/* The newest version that was committed at or before a time (nanoseconds since 1970, UTC). */
QV_API qv_status qv_table_checkout_time(qv_table *table, int64_t timestamp_ns, qv_error *err);
QV_API qv_status qv_table_checkout_latest(qv_table *table, qv_error *err);
/* Manifests that are named so that the newest sorts first (all new tables), or by plain numbers (tables of older writers).
 * Migration renames them; no other writer may be at work. */
QV_API qv_status qv_table_uses_v2_manifest_names(qv_table *table, bool *out, qv_error *err);
QV_API qv_status qv_table_migrate_manifest_names(qv_table *table, qv_error *err);
/* Makes a new version with the content of an old one (0: the version that a pinned handle sees), and lets the handle follow
 * the latest again.  QV_NOT_FOUND: no such version.  QV_INVALID: version 0 on a handle that is not pinned. */
QV_API qv_status qv_table_restore(qv_table *table, uint64_t version, qv_error *err);

/* Tags name versions and keep them from clean-up; they make no version. Names: letters, digits, '.', '-', '_'.
 * version 0: the one that the handle sees. QV_EXISTS, QV_NOT_FOUND name the tag or version; QV_INVALID: bad name. */
QV_API qv_status qv_table_tag_create(qv_table *table, const char *tag, uint64_t version, qv_error *err);
QV_API qv_status qv_table_tag_update(qv_table *table, const char *tag, uint64_t version, qv_error *err);
QV_API qv_status qv_table_tag_delete(qv_table *table, const char *tag, qv_error *err);
QV_API qv_status qv_table_tag_version(qv_table *table, const char *tag, uint64_t *version, qv_error *err);

/* Branches: a line of versions of its own that starts at a version of another; its writes do not touch main. */
typedef struct qv_branch_info {
    const char *name;
    const char *parent_branch; /* NULL: main */
    uint64_t parent_version;
    int64_t created_s; /* UTC, since 1970 */
    uint64_t manifest_bytes;
} qv_branch_info;
typedef struct qv_branches {
    size_t n;
    qv_branch_info *branches; /* sorted by name */
} qv_branches;
QV_API qv_status qv_table_branches(qv_table *table, qv_branches **out, qv_error *err);
QV_API void qv_branches_free(qv_branches *branches);
/* from_branch NULL: main; from_version 0: its latest. *out (may be NULL): a handle on the new branch. */
QV_API qv_status qv_table_branch_create(qv_table *table, const char *branch, const char *from_branch,
                                        uint64_t from_version, qv_table **out, qv_error *err);
/* A handle on a branch (NULL or "main": main), at a version (0: the latest, else pinned). */
QV_API qv_status qv_table_branch_open(qv_table *table, const char *branch, uint64_t version, qv_table **out,
                                      qv_error *err);
QV_API qv_status qv_table_branch_delete(qv_table *table, const char *branch, qv_error *err);
QV_API const char *qv_table_branch(const qv_table *table); /* NULL: main */

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

/* One key of an order. NULLs come first or last whatever the direction. */
typedef struct qv_order {
    const char *column; /* dotted path for nested columns */
    bool descending;
    bool nulls_first;
} qv_order;

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
    const char *where;              /* SQL condition (docs/sql.md); only rows for which it is true. NULL: all rows */
    const char *const *expressions; /* n_columns SQL expressions that the columns are computed from, each named by its
                                       entry of `columns`; a NULL entry: the column of that name. NULL: all columns so */
    const qv_order *order_by;       /* sorted before offset and limit; may name columns that are not returned */
    size_t n_order_by;
    bool no_index;    /* answers the condition by reading, even where an index would */
    bool fast_search; /* leaves out fragments that the used index does not cover */
} qv_scan_options;
#define QV_SCAN_OPTIONS_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(qv_scan_options), NULL, 0, 0, 0, false, false, false, 0, QV_JOB_INIT, NULL, NULL, NULL, 0, false, false \
    }

/* Rows in storage order, or sorted. The stream keeps its snapshot; it is yours to release.
 * QV_NOT_FOUND: unknown column, with the known ones.  QV_INVALID: the same column twice; a condition or expression that does
 * not parse or bind, with line and column of the place; a value that cannot be computed (division by zero, overflow, cast). */
QV_API qv_status qv_table_scan(qv_table *table, const qv_scan_options *options, struct ArrowArrayStream *out,
                               qv_error *err);

typedef enum qv_take_by { QV_TAKE_OFFSETS = 0, QV_TAKE_ROW_IDS = 1 } qv_take_by;
/* Rows by position among the live rows, or by _rowid. Unknown positions are left out; repeats are kept.
 * in_order false: rows come in storage order; true: in the order asked. offset and limit of the options are ignored. */
QV_API qv_status qv_table_take(qv_table *table, qv_take_by by, const uint64_t *rows, size_t n_rows, bool in_order,
                               const qv_scan_options *options, struct ArrowArrayStream *out, qv_error *err);

typedef enum qv_metric {
    QV_METRIC_AUTO = 0,    /* the index's; without one l2, hamming for uint8 vectors, cosine for lists of vectors */
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

typedef enum qv_approx_mode {
    QV_APPROX_NORMAL = 0,
    QV_APPROX_FAST = 1, /* RQ: one bit per dimension; graphs: only rows that match are looked at */
    QV_APPROX_ACCURATE = 2
} qv_approx_mode;

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
    const char *where; /* SQL condition; before the search: k rows come whenever k rows match */
    bool postfilter;   /* the condition is applied to the k nearest rows instead: fewer than k may remain */
    const char *const *expressions; /* as in qv_scan_options; _distance may be used in them */
    bool no_index;
    bool fast_search;
    const qv_order *order_by; /* sorts the k rows that were found, by columns that are returned */
    size_t n_order_by;
    /* Vector indices. What is 0 is chosen. */
    const char *index;        /* by name; NULL: the newest that fits */
    bool bypass_vector_index; /* exact search over all rows */
    uint32_t min_probes;      /* lists that are searched at least, ... */
    uint32_t max_probes;      /* ... and at most, when fewer than k rows were found; 0: all */
    uint32_t ef;              /* candidates of a walk through a graph */
    uint32_t refine_factor;   /* k times so many candidates get their true distance; 0: as many as it takes */
    bool no_refine;           /* distances as the index estimates them; true ones beside rows that it does not cover */
    qv_approx_mode approx_mode;
    /* Two stages over all rows that match, without an index: a cheap distance chooses candidates, the whole vectors rank them. */
    uint32_t
        prefix_dims; /* the first stage looks at so many of each vector's first values (Matryoshka embeddings); 0: all */
    bool
        binary_stage; /* the first stage counts differing signs; dim / 8 bytes per row stay in memory with the version */
    uint32_t stage_factor; /* candidates per row wanted; 0: 16 */
} qv_search_options;
#define QV_SEARCH_OPTIONS_INIT                                                                                       \
    {                                                                                                                \
        sizeof(qv_search_options), NULL, QV_METRIC_AUTO, 10, 0, false, false, 0, 0, NULL, 0, false, false, false,    \
            QV_JOB_INIT, NULL, false, NULL, false, false, NULL, 0, NULL, false, 0, 0, 0, 0, false, QV_APPROX_NORMAL, \
            0, false, 0                                                                                              \
    }

/* The k nearest rows of each query vector, nearest first, ties by row id; the answer does not depend on the number of threads.
 * Exactly, or, over a column with a vector index, approximately where that is cheaper: distances are true ones all the same,
 * rows that the index does not cover are scanned, and k rows come whenever k rows match. metric AUTO: the index's. A column of
 * lists of vectors takes all query vectors as one query: a row's distance is the sum, over them, of the least distance to one of
 * its vectors (by cosine unless told otherwise). Columns as asked, then _distance (float32) unless the columns name it, then _rowid / _rowaddr.
 * Null vectors, vectors with NaN, and (cosine) zero vectors never match.
 * QV_NOT_FOUND: no such column or index.  QV_INVALID: not a vector column, another dimension, several candidates (named),
 * a NaN or infinite query, a metric that the element type does not support, stages for packed bits or lists of vectors. */
QV_API qv_status qv_table_search(qv_table *table, const qv_vectors *queries, const qv_search_options *options,
                                 struct ArrowArrayStream *out, qv_error *err);

typedef enum qv_plan_mode {
    QV_PLAN_EXPLAIN = 0, /* what would be done: logical and physical, nothing is run */
    QV_PLAN_ANALYZE =
        1 /* the query is run to its end; each operator tells rows, time, bytes read, I/O calls, comparisons */
} qv_plan_mode;
/* The plan of a scan or a search as one readable tree, or (as_json) the same as JSON. Free with qv_string_free. */
QV_API qv_status qv_table_explain_scan(qv_table *table, const qv_scan_options *options, qv_plan_mode mode, bool as_json,
                                       char **out, qv_error *err);
QV_API qv_status qv_table_explain_search(qv_table *table, const qv_vectors *queries, const qv_search_options *options,
                                         qv_plan_mode mode, bool as_json, char **out, qv_error *err);

/* The type and nullability that an expression over the table's columns has; checks it without running it. */
QV_API qv_status qv_table_expression_type(qv_table *table, const char *expression, struct ArrowSchema *out,
                                          qv_error *err);
/* Every function of the SQL dialect as JSON, the source of docs/sql.md. Borrowed, static. */
QV_API const char *qv_sql_functions(void);

/* ---------------------------------------------------------------- tables: changing rows */

/* Each call here makes one new version on success, also when it changes nothing, and none on failure. Other processes may
 * write at the same time: changes of different rows all land; a change that lost its rows to another writer is worked out
 * anew on the newest version, and is QV_CONFLICT only when that fails 20 times or for 30 s. */

typedef struct qv_delete_result {
    uint64_t version;
    uint64_t rows_deleted;
} qv_delete_result;
/* `where` "true" deletes all rows; NULL or empty is QV_INVALID. `result` may be NULL. */
QV_API qv_status qv_table_delete(qv_table *table, const char *where, const qv_job *job, qv_delete_result *result,
                                 qv_error *err);

typedef struct qv_assignment {
    const char *column;
    const char *expression; /* SQL over the row before the change; cast to the column's type as SQL does */
} qv_assignment;
typedef struct qv_update_result {
    uint64_t version;
    uint64_t rows_updated;
} qv_update_result;
/* `where` NULL: all rows. Updated rows move to the end of the table (and keep their stable row ids). */
QV_API qv_status qv_table_update(qv_table *table, const char *where, const qv_assignment *assignments, size_t n,
                                 const qv_job *job, qv_update_result *result, qv_error *err);

typedef struct qv_merge_options {
    size_t struct_size;
    const char *const *on; /* key columns; none: the table's primary key */
    size_t n_on;
    bool update_matched;         /* rows whose key is in the source take the source's values */
    const char *update_if;       /* only where this holds; over source.x and target.x. NULL: always */
    bool insert_unmatched;       /* source rows whose key is not in the table */
    bool delete_unmatched;       /* table rows whose key is not in the source */
    const char *delete_if;       /* only those; over the table's columns. NULL: all */
    bool no_index;               /* do not use an index of the key */
    uint64_t memory_limit_bytes; /* of the key table of the source; 0: 1 GiB. Larger sources are spilled */
    qv_job job;
} qv_merge_options;
#define QV_MERGE_OPTIONS_INIT                                                                     \
    {                                                                                             \
        sizeof(qv_merge_options), NULL, 0, false, NULL, false, false, NULL, false, 0, QV_JOB_INIT \
    }
typedef struct qv_merge_result {
    uint64_t version;
    uint64_t rows_updated;
    uint64_t rows_inserted;
    uint64_t rows_deleted;
    uint64_t source_rows;
    uint32_t attempts;
} qv_merge_result;
/* Merges `source` (taken) by key. Null keys match nothing. Missing nullable columns keep their value when updated and are null
 * when inserted. QV_INVALID: no clause, no key, two source rows for one table row (the key is named). */
QV_API qv_status qv_table_merge(qv_table *table, struct ArrowArrayStream *source, const qv_merge_options *options,
                                qv_merge_result *result, qv_error *err);

/* ---------------------------------------------------------------- tables: changing columns */

/* New columns, computed from SQL expressions over the present ones. Only files of the new columns are written. */
QV_API qv_status qv_table_add_columns(qv_table *table, const qv_assignment *columns, size_t n, const qv_job *job,
                                      uint64_t *version, qv_error *err);
/* New columns full of nulls; `schema` (borrowed) is a struct of them. Nothing is written but the version.
 * QV_INVALID: not nullable, or the name is taken. */
QV_API qv_status qv_table_add_null_columns(qv_table *table, const struct ArrowSchema *schema, uint64_t *version,
                                           qv_error *err);
/* New columns, computed by the caller batch by batch: `fn` gets `input` (its columns in `columns`; borrowed) and fills `output`,
 * a struct array of `schema`'s type and the input's length. A message of its own failure goes to `err`. */
typedef qv_status (*qv_column_fn)(void *user, const struct ArrowArray *input, const struct ArrowSchema *input_schema,
                                  struct ArrowArray *output, qv_error *err);
QV_API qv_status qv_table_add_computed_columns(qv_table *table, const struct ArrowSchema *schema,
                                               const char *const *columns, size_t n_columns, uint32_t batch_rows,
                                               qv_column_fn fn, void *user, const qv_job *job, uint64_t *version,
                                               qv_error *err);

typedef struct qv_column_change {
    const char *path;               /* dotted for nested columns */
    const char *rename;             /* NULL: keep */
    const struct ArrowSchema *type; /* NULL: keep; else cast, value by value, in new files of this column alone */
    int nullable;                   /* 1, 0, or -1: keep. 0 needs a column without nulls */
} qv_column_change;
QV_API qv_status qv_table_alter_columns(qv_table *table, const qv_column_change *changes, size_t n, const qv_job *job,
                                        uint64_t *version, qv_error *err);
/* QV_INVALID: an unknown column, or all columns. Their indices go with them. */
QV_API qv_status qv_table_drop_columns(qv_table *table, const char *const *columns, size_t n, uint64_t *version,
                                       qv_error *err);

/* A key and its value; a NULL value deletes the key. */
typedef struct qv_pair {
    const char *key;
    const char *value;
} qv_pair;
typedef enum qv_metadata_kind {
    QV_METADATA_CONFIG = 0, /* of the table: "lance.auto_cleanup.interval" ... */
    QV_METADATA_TABLE = 1,  /* of the table, free */
    QV_METADATA_SCHEMA = 2, /* of the Arrow schema */
    QV_METADATA_FIELD = 3   /* of the field `path` */
} qv_metadata_kind;
/* replace: the pairs given are all that remain. */
QV_API qv_status qv_table_set_metadata(qv_table *table, qv_metadata_kind kind, const char *path, const qv_pair *pairs,
                                       size_t n, bool replace, uint64_t *version, qv_error *err);
/* The pairs as a JSON object; free with qv_string_free. */
QV_API qv_status qv_table_metadata(qv_table *table, qv_metadata_kind kind, const char *path, char **json,
                                   qv_error *err);
/* Declares non-null columns as the key, once. `enforced` keeps two rows from ever having the same key: appends and merges are
 * checked at commit and at each retry (readers of other makes do not enforce it). */
QV_API qv_status qv_table_set_primary_key(qv_table *table, const char *const *columns, size_t n, bool enforced,
                                          uint64_t *version, qv_error *err);

/* ---------------------------------------------------------------- indices */

typedef enum qv_index_kind {
    QV_INDEX_AUTO = 0, /* by the column's type: BTREE for scalars, VECTOR for vectors */
    QV_INDEX_BTREE = 1,
    QV_INDEX_BITMAP = 2,
    QV_INDEX_LABEL_LIST = 3,
    QV_INDEX_NGRAM = 4,
    QV_INDEX_ZONEMAP = 5,
    QV_INDEX_BLOOMFILTER = 6,
    QV_INDEX_JSON = 7,
    /* vectors: an inverted file over the vectors as they are (FLAT), scalar-quantized (SQ), product-quantized (PQ) or RaBitQ codes (RQ),
     * with a graph over each list (HNSW) or without */
    QV_INDEX_VECTOR = 100, /* the kind is chosen */
    QV_INDEX_IVF_FLAT = 101,
    QV_INDEX_IVF_SQ = 102,
    QV_INDEX_IVF_PQ = 103,
    QV_INDEX_IVF_HNSW_SQ = 104,
    QV_INDEX_IVF_HNSW_PQ = 105,
    QV_INDEX_IVF_HNSW_FLAT = 106,
    QV_INDEX_IVF_RQ = 107,
    QV_INDEX_OTHER = 999 /* a kind that this version of Quiver keeps, and does not use */
} qv_index_kind;

typedef struct qv_index_options {
    size_t struct_size;
    qv_index_kind kind;
    const char *name;            /* NULL: the column's path and "_idx" */
    bool keep_existing;          /* QV_EXISTS when an index of that name exists, instead of replacing it */
    bool untrained;              /* registers the index without rows; optimize fills it */
    const char *json_path;       /* JSON: "$.a.b" */
    qv_index_kind json_kind;     /* JSON: BTREE or BITMAP over the values; AUTO: BTREE, BITMAP with stable row ids */
    uint64_t rows_per_zone;      /* ZONEMAP, BLOOMFILTER; 0: 8,192 */
    uint64_t memory_limit_bytes; /* of the build; 0: 1 GiB. More is sorted on disk */
    qv_job job;
    /* Vectors. What is 0 is chosen from rows, dimension and type, so that a search with nothing set reaches a recall of 0.95. */
    qv_metric metric;               /* AUTO: l2; hamming for uint8 */
    uint32_t num_partitions;        /* lists of the inverted file */
    uint64_t target_partition_size; /* rows per list, instead of num_partitions */
    uint32_t num_sub_vectors;       /* PQ: divides the dimension */
    uint32_t num_bits;              /* PQ: 4 or 8; RQ: 1 to 9; SQ: 8 */
    uint32_t max_iterations;        /* k-means */
    uint32_t sample_rate;           /* training rows per centroid */
    uint32_t hnsw_m;                /* neighbours of a node */
    uint32_t hnsw_ef_construction;  /* effort: each row is compared with 32 times as many others; 0: 300 */
    uint64_t seed;                  /* the same rows, options and seed give the same index, at any number of threads */
} qv_index_options;
#define QV_INDEX_OPTIONS_INIT                                                                                \
    {                                                                                                        \
        sizeof(qv_index_options), QV_INDEX_AUTO, NULL, false, false, NULL, QV_INDEX_AUTO, 0, 0, QV_JOB_INIT, \
            QV_METRIC_AUTO, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                        \
    }
/* Nested columns by dotted path. QV_NOT_FOUND: no such column, with the known ones.  QV_INVALID: a type that the kind cannot
 * index. Vectors that are null, not finite, or (but for cosine) longer than 1e18 are in no index; by dot they are not found through one. */
QV_API qv_status qv_table_create_index(qv_table *table, const char *column, const qv_index_options *options,
                                       qv_error *err);
QV_API qv_status qv_table_drop_index(qv_table *table, const char *name, qv_error *err); /* QV_NOT_FOUND */
/* All indices as JSON, sorted by name: [{"name":,"index_type":"BTree","columns":[],"index_uuid":,"type_url":,"created_at_ms":,
 * "num_indexed_rows":,"num_unindexed_rows":,"size_bytes":,"num_segments":,"index_version":,"index_details":{}}]. */
QV_API qv_status qv_table_indices(qv_table *table, char **json, qv_error *err);
/* One index in more detail; QV_NOT_FOUND. */
QV_API qv_status qv_table_index_stats(qv_table *table, const char *name, char **json, qv_error *err);
/* Waits until no row is unindexed. QV_TIMEOUT names the indices. */
QV_API qv_status qv_table_wait_for_index(qv_table *table, const char *const *names, size_t n, uint64_t timeout_ms,
                                         qv_error *err);
QV_API qv_status qv_table_prewarm_index(qv_table *table, const char *name, qv_error *err);

/* ---------------------------------------------------------------- optimising */

typedef struct qv_compact_options {
    size_t struct_size;
    /* Rows per fragment; 0: 1,048,576. Fragments below are merged with their neighbours; under the default, one of 64 MiB and more
     * only when they bring a quarter of its rows. */
    uint64_t target_rows;
    double max_deleted_share;    /* fragments with more deleted rows are rewritten; negative: 0.1 */
    uint64_t max_bytes_per_file; /* 0: 90 GiB */
    bool defer_index_remap;      /* indices keep their files; readers translate through a fragment reuse entry */
    bool no_binary_copy;         /* decode and encode pages even where their bytes could be copied */
    qv_job job;
} qv_compact_options;
#define QV_COMPACT_OPTIONS_INIT                                           \
    {                                                                     \
        sizeof(qv_compact_options), 0, -1.0, 0, false, false, QV_JOB_INIT \
    }
typedef struct qv_compact_result {
    uint64_t version; /* 0: nothing to do */
    uint64_t fragments_removed, fragments_added;
    uint64_t files_removed, files_added;
    uint64_t bytes_before, bytes_after;
} qv_compact_result;
QV_API qv_status qv_table_compact(qv_table *table, const qv_compact_options *options, qv_compact_result *result,
                                  qv_error *err);
/* The same in three steps, so that workers can share the second: a plan (JSON with a list of "tasks"), each task run anywhere
 * (its result as JSON), and all results committed as one version. Free the texts with qv_string_free. */
QV_API qv_status qv_table_compact_plan(qv_table *table, const qv_compact_options *options, char **plan, qv_error *err);
QV_API qv_status qv_table_compact_task(qv_table *table, const char *task, const qv_compact_options *options,
                                       char **task_result, qv_error *err);
QV_API qv_status qv_table_compact_commit(qv_table *table, const char *const *task_results, size_t n,
                                         const qv_compact_options *options, qv_compact_result *result, qv_error *err);

typedef struct qv_cleanup_options {
    size_t struct_size;
    int64_t older_than_s;     /* removes versions older than this many seconds; -1: 7 days */
    uint64_t retain_versions; /* always keeps this many of the newest; 0: one */
    bool
        delete_unverified; /* also files that no version names and that are younger than 7 days: no writer may be at work */
    bool error_if_tagged; /* QV_CONFLICT instead of keeping an old version that has a tag */
    qv_job job;
} qv_cleanup_options;
#define QV_CLEANUP_OPTIONS_INIT                                      \
    {                                                                \
        sizeof(qv_cleanup_options), -1, 0, false, false, QV_JOB_INIT \
    }
typedef struct qv_cleanup_result {
    uint64_t bytes_removed;
    uint64_t versions_removed;
    uint64_t data_files_removed, transaction_files_removed, index_files_removed, deletion_files_removed;
} qv_cleanup_result;
/* Removes old versions and the files that only they name. Never: the newest version, tagged versions, versions that a branch or
 * clone of this table's own branches builds on, files of a remaining version. */
QV_API qv_status qv_table_cleanup(qv_table *table, const qv_cleanup_options *options, qv_cleanup_result *result,
                                  qv_error *err);

typedef struct qv_index_merge_options {
    size_t struct_size;
    const char *const *names; /* NULL: all */
    size_t n_names;
    int64_t merge_segments; /* -1: as the kind prefers; 0: the new rows become a segment; n: merged with the last n */
    bool retrain;           /* builds anew */
    qv_job job;
} qv_index_merge_options;
#define QV_INDEX_MERGE_OPTIONS_INIT                                     \
    {                                                                   \
        sizeof(qv_index_merge_options), NULL, 0, -1, false, QV_JOB_INIT \
    }
/* Extends indices by the rows that they lack. *version 0: nothing to do. */
QV_API qv_status qv_table_optimize_indices(qv_table *table, const qv_index_merge_options *options, uint64_t *version,
                                           qv_error *err);

typedef struct qv_optimize_result {
    qv_compact_result compaction;
    qv_cleanup_result cleanup;
    uint64_t indices_version; /* 0: nothing to do */
} qv_optimize_result;
/* Compaction, then indices, then clean-up. NULL options: defaults. */
QV_API qv_status qv_table_optimize(qv_table *table, const qv_compact_options *compact,
                                   const qv_cleanup_options *cleanup, const qv_job *job, qv_optimize_result *result,
                                   qv_error *err);

/* ---------------------------------------------------------------- small writes */

/* A write buffer: rows added through it are durable when the call returns (appended to a log beside the table and synced, one
 * sync for all callers that wait), are seen at once by every read through `table`, and become ordinary fragments when
 * max_rows or max_bytes are reached, at flush, and at close. One buffer per table and process at a time; a buffer left behind
 * by a crash is taken over by the next one. Thread-safe. */
typedef struct qv_write_buffer qv_write_buffer;
typedef struct qv_write_buffer_options {
    size_t struct_size;
    uint64_t max_rows;  /* 0: 8,192 */
    uint64_t max_bytes; /* 0: 16 MiB */
} qv_write_buffer_options;
#define QV_WRITE_BUFFER_OPTIONS_INIT          \
    {                                         \
        sizeof(qv_write_buffer_options), 0, 0 \
    }
/* QV_EXISTS: another process has a buffer on this table. */
QV_API qv_status qv_write_buffer_open(qv_table *table, const qv_write_buffer_options *options, qv_write_buffer **out,
                                      qv_error *err);
QV_API qv_status qv_write_buffer_add(qv_write_buffer *buffer, struct ArrowArrayStream *data, qv_error *err); /* taken */
/* Makes all rows so far one version of the table; *version may be NULL. */
QV_API qv_status qv_write_buffer_flush(qv_write_buffer *buffer, uint64_t *version, qv_error *err);
QV_API qv_status qv_write_buffer_close(qv_write_buffer *buffer, qv_error *err); /* flushes; frees in every case */

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
