/* An open file as the reader's parts see it. */
#ifndef QV_FILE_FILE_PRIVATE_H
#define QV_FILE_FILE_PRIVATE_H

#include "base/arena.h"
#include "file/file.h"
#include "file/lance_file.pb-c.h"

typedef struct qv__page {
    uint64_t length;    /* rows (2.1+), items of this column (2.0) */
    uint64_t first_row; /* sum of the lengths before */
    size_t n_buffers;
    qv__range *buffers; /* inside the file */
    qv__bytes encoding; /* the message: ArrayEncoding (2.0) or PageLayout; lies in the arena */
} qv__page;

typedef struct qv__column_meta {
    bool is_blob;    /* 2.0: the pages hold positions and sizes */
    uint64_t length; /* sum of the pages' lengths */
    size_t n_pages;
    qv__page *pages;
} qv__column_meta;

struct qv__file {
    atomic_int refs;
    qv__store *store;
    qv__object *object;
    char *name;
    qv__file_version version;
    uint64_t rows;
    uint64_t metadata_at; /* where the column metadata begins: all buffers lie before */
    qv__schema *schema;
    size_t n_global_buffers;
    qv__range *global_buffers;
    uint32_t n_columns;
    qv__column_meta *columns;
    qv__arena arena; /* everything parsed */
    qv__bytes tail;  /* [metadata_at, end) */
};

static inline bool qv__file_is_20(const qv__file *file) { return file->version.minor == 0; }

/* Bytes of buffer `i` of a page. QV_CORRUPT when the page has no such buffer. */
qv_status qv__page_buffer(qv__file *file, const qv__page *page, size_t i, qv__bytes *out, qv_error *err);
/* [at, at + len) of that buffer. */
qv_status qv__page_buffer_part(qv__file *file, const qv__page *page, size_t i, uint64_t at, uint64_t len,
                               qv__bytes *out, qv_error *err);
/* Index of the page that holds `row` (a row of the column, < length). */
size_t qv__column_meta_page(const qv__column_meta *column, uint64_t row);

/* The column of a field by the numbering rules of the file's version and its own descriptor. */
qv_status qv__file_own_map(qv__file *file, int32_t **field_ids, int32_t **columns, size_t *n, qv_error *err);

#endif
