/* What the files of query/ share: which columns a read gives, and rows fetched by place. */
#ifndef QV_QUERY_PRIVATE_H
#define QV_QUERY_PRIVATE_H

#include "query/query.h"

/* ------------------------------------------------------------------ projection.c */

typedef enum qv__output_kind {
    QV_OUT_FIELD,
    QV_OUT_ROW_ID,
    QV_OUT_ROW_ADDRESS,
    QV_OUT_DISTANCE,
    QV_OUT_QUERY_INDEX
} qv__output_kind;

/* A field to read: a whole one of the schema, or one pruned to a single nested column, which then lies `depth` structs below. */
typedef struct qv__read {
    const qv__field *field;
    qv__field pruned; /* owned; empty when the field is whole */
    size_t depth;
} qv__read;

typedef struct qv__output {
    qv__output_kind kind;
    size_t read; /* QV_OUT_FIELD */
} qv__output;

typedef struct qv__projection {
    qv__schema *schema; /* of the result */
    size_t n_reads, n_outputs;
    qv__read *reads;
    qv__output *outputs;
} qv__projection;

typedef struct qv__wanted {
    const char *const *columns; /* NULL: all */
    size_t n_columns;
    bool row_id, row_address; /* at the end */
    bool is_search;           /* _distance is known, and added when not named */
    bool query_index;         /* first */
} qv__wanted;

/* QV_NOT_FOUND: unknown column, with the known ones. QV_INVALID: a column twice. */
qv_status qv__projection_new(const qv__schema *schema, const qv__wanted *wanted, qv__projection **out, qv_error *err);
void qv__projection_free(qv__projection *projection);

/* The read of a column by its name, nested ones by dotted path; *leaf is the column's own field (borrowed from the schema).
 * *found false: no such column. Clear the read with qv__read_clear. */
qv_status qv__read_find(const qv__schema *schema, const char *name, qv__read *out, const qv__field **leaf, bool *found,
                        qv_error *err);
/* Appends the names of all columns of the schema, quoted, to a message part; returns buf. */
char *qv__column_names(const qv__schema *schema, char *buf, size_t buf_len);
void qv__read_clear(qv__read *read);
/* The nested column of an array of the read's field: nulls of the structs above are its nulls too. */
qv_status qv__read_extract(const qv__read *read, const qv__array *array, qv__array **out, qv_error *err);

/* ------------------------------------------------------------------ fetch.c */

typedef struct qv__location {
    size_t fragment; /* index in the snapshot */
    uint64_t row;    /* physical */
} qv__location;

/* Fetches rows in the order of `at` (repeats allowed): columns[o] for every output that is a field, _rowid or _rowaddr; others
 * stay NULL. On failure nothing is held. */
qv_status qv__fetch_rows(qv__snapshot *snapshot, const qv__projection *projection, const qv__location *at, size_t n,
                         qv__job *job, qv__array **columns, qv_error *err);
/* An array of n fixed-width values without nulls over fresh memory, to be filled through *values. */
qv_status qv__fixed_array(const qv__type *type, size_t n, qv__array **out, void **values, qv_error *err);
void qv__unref_all(qv__array **arrays, size_t n); /* and sets them to NULL */
/* Opens the columns of all reads in a fragment; columns[n_reads] starts zeroed and is closed by qv__reads_close. */
qv_status qv__reads_open(qv__snapshot *snapshot, size_t fragment, const qv__projection *projection,
                         qv__fragment_column **columns, qv_error *err);
void qv__reads_close(qv__fragment_column **columns, size_t n);

/* ------------------------------------------------------------------ vector_column.c */

/* A column that can be searched. */
typedef struct qv__vector_column {
    qv__read read;
    const qv__field *leaf; /* borrowed from the snapshot's schema */
    qv__element element;   /* as stored; uint8 may be taken as packed bits */
    size_t dim;
} qv__vector_column;

/* By name, or the only vector column of `dim` dimensions. */
qv_status qv__vector_column_find(const qv__schema *schema, const char *name, size_t dim, qv__vector_column *out,
                                 qv_error *err);
/* The longest run of vectors from `row`, at most max_rows; release with qv__vector_run_free. */
qv_status qv__vector_column_run(const qv__vector_column *column, qv__fragment_column *from, uint64_t row,
                                uint64_t max_rows, qv__vector_run *out, qv_error *err);

#endif
