/* Lance data files 2.0, 2.1 and 2.2: the container, its columns, and the writer. */
#ifndef QV_FILE_FILE_H
#define QV_FILE_FILE_H

#include "arrow/array.h"
#include "base/job.h"
#include "io/store.h"

typedef struct qv__file_version {
    uint16_t major, minor; /* (2,0), (2,1) or (2,2) */
} qv__file_version;

/* ------------------------------------------------------------------ reading */

/* An open file: footer, descriptor and column metadata parsed and checked. Immutable, counted, thread-safe. */
typedef struct qv__file qv__file;
qv_status qv__file_open(qv__store *store, const char *name, qv__file **out, qv_error *err);
qv__file *qv__file_ref(qv__file *file);
void qv__file_unref(qv__file *file);
uint64_t qv__file_rows(const qv__file *file);
qv__file_version qv__file_version_of(const qv__file *file);
const qv__schema *qv__file_schema(const qv__file *file); /* of the descriptor, with field ids */
uint32_t qv__file_n_columns(const qv__file *file);
/* A global buffer by its number; 0 is the file's own descriptor. QV_CORRUPT: there is none. */
qv_status qv__file_global_buffer(qv__file *file, uint64_t number, qv__bytes *out, qv_error *err);

/* Which physical column holds a field: from the manifest's DataFile, or (NULL) by the file's own descriptor. */
typedef struct qv__column_map {
    const int32_t *field_ids;
    const int32_t *columns;
    size_t n;
} qv__column_map;

/* One top-level field bound to its physical columns. `field` may be pruned (a struct with fewer children). Immutable after
 * open, thread-safe. QV_CORRUPT: the columns do not fit the field's type. The column keeps the file. */
typedef struct qv__column qv__column;
qv_status qv__column_open(qv__file *file, const qv__field *field, const qv__column_map *map, qv__column **out,
                          qv_error *err);
void qv__column_free(qv__column *column);
/* Rows [row, row + n) as one array; without copy where the page holds the values bare (fixed-width values and vectors of
 * full-zip pages without levels, 2.0 flat pages, single mini-block chunks). Reads only the chunks that hold these rows. */
qv_status qv__column_read(qv__column *column, uint64_t row, uint64_t n, qv__array **out, qv_error *err);
/* Rows by number, any order, repeats allowed; each chunk is decoded once. */
qv_status qv__column_take(qv__column *column, const uint64_t *rows, size_t n, qv__array **out, qv_error *err);
/* The first row after the page that holds `row`: reads that end there need no concatenation. */
uint64_t qv__column_page_end(const qv__column *column, uint64_t row);
/* Bytes that reading rows [row, row + n) touches, roughly; for batch sizing and plans. */
uint64_t qv__column_cost(const qv__column *column, uint64_t row, uint64_t n);

/* A run of vectors that lie in the file at a fixed stride: what a scan walks over. The last row may need up to
 * stride - row_bytes bytes less. */
typedef struct qv__vector_run {
    const uint8_t *data; /* first vector, at any alignment */
    size_t stride;       /* bytes from one vector to the next (>= the vector's bytes) */
    uint64_t rows;
    const uint8_t *validity; /* bit per row from validity_offset (NULL: all valid); null items count as null rows */
    uint64_t validity_offset;
    qv__bytes keep[2]; /* references that keep data and validity alive */
} qv__vector_run;
/* For a fixed-size list (or fixed-size binary) column of >= 8-bit items: the longest run that starts at `row`, at most
 * max_rows. Without copy where the layout allows, else decoded. Release with qv__vector_run_free. */
qv_status qv__column_vectors(qv__column *column, uint64_t row, uint64_t max_rows, qv__vector_run *out, qv_error *err);
void qv__vector_run_free(qv__vector_run *run);
/* The same when the vectors lie in the file as they are, so that a run of any length costs nothing; else out->rows is 0. */
qv_status qv__column_bare_vectors(qv__column *column, uint64_t row, uint64_t max_rows, qv__vector_run *out,
                                  qv_error *err);

/* Checks everything that can be checked: container, each page decoded, lengths, level rules. Problems are told to `problem`, and
 * the call returns QV_OK all the same; another status means that the check itself could not go on. */
typedef void (*qv__problem_fn)(void *ctx, const char *object, const char *what);
qv_status qv__file_verify(qv__file *file, qv__problem_fn problem, void *ctx, qv__job *job, qv_error *err);
/* The structure as JSON (columns, pages, encodings in short notation). */
qv_status qv__file_describe(qv__file *file, qv__buffer *json, qv_error *err);

/* ------------------------------------------------------------------ writing */

typedef enum qv__file_profile {
    QV_FILE_DEFAULT, /* cheap lossless encodings chosen by measuring each page; vectors bare */
    QV_FILE_PLAIN,   /* no compression at all */
    QV_FILE_SMALL,   /* zstd on top wherever it shrinks, vectors too */
    QV_FILE_BARE /* numbers and vectors without nulls as they lie in memory, so that they are mapped and never decoded */
} qv__file_profile;

typedef struct qv__writer_options {
    qv__file_version version; /* (0,0): 2.2 */
    qv__file_profile profile;
    size_t page_bytes; /* Arrow bytes gathered per column before a page is cut; 0: 8 MiB */
    unsigned threads;  /* columns encoded side by side; 0: the pool's size */
} qv__writer_options;

/* What a manifest's DataFile says of the file. */
typedef struct qv__file_summary {
    uint64_t rows;
    uint64_t size_bytes;
    qv__file_version version;
    size_t n; /* fields that own a column, pre-order */
    int32_t *field_ids;
    int32_t *columns;
} qv__file_summary;
void qv__file_summary_clear(qv__file_summary *summary);

typedef struct qv__file_writer qv__file_writer;
/* Fields without id (-1) get pre-order numbers. QV_UNSUPPORTED: a type this version cannot store, by name. */
qv_status qv__file_writer_open(qv__store *store, const char *name, const qv__schema *schema,
                               const qv__writer_options *options, qv__file_writer **out, qv_error *err);
/* `batch` is a struct array of the schema's type, any offsets. Memory held stays near columns x page_bytes. */
qv_status qv__file_writer_write(qv__file_writer *writer, const qv__array *batch, qv_error *err);
/* Ends the pages of all columns here: rows that follow share none with those before. With page_bytes SIZE_MAX no page ends elsewhere. */
qv_status qv__file_writer_cut(qv__file_writer *writer, qv_error *err);
/* All rows of another file, whose pages are taken as they lie, after what was written. Only when qv__file_writer_can_copy says so. */
qv_status qv__file_writer_copy(qv__file_writer *writer, qv__file *from, qv__job *job, qv_error *err);
/* Has the file the same version (2.1 or 2.2), fields and columns (`map` as for qv__column_open, required), and nothing that lies
 * outside of its pages? */
bool qv__file_writer_can_copy(const qv__file_writer *writer, const qv__file *from, const qv__column_map *map);
/* A global buffer beside the columns; *number says which one it became (1, 2, ...). */
qv_status qv__file_writer_add_buffer(qv__file_writer *writer, const void *bytes, size_t len, uint32_t *number,
                                     qv_error *err);
/* A pair of the schema's metadata that is known only when the rows are. */
qv_status qv__file_writer_set_metadata(qv__file_writer *writer, const char *key, const char *value, qv_error *err);
uint64_t qv__file_writer_size(const qv__file_writer *writer); /* bytes of the pages that were cut so far */
/* Durable under `name` when QV_OK. */
qv_status qv__file_writer_finish(qv__file_writer *writer, qv__file_summary *summary, qv_error *err);
void qv__file_writer_free(qv__file_writer *writer); /* an unfinished file leaves nothing behind */

#endif
