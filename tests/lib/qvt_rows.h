/* Rows of one small schema (id int64, name utf8?, vector fixed-size list<float>[4]?) on their way into and out of tables:
 * the in-memory model of the table tests. */
#ifndef QVT_ROWS_H
#define QVT_ROWS_H

#include <quiver/quiver.h>

#include "qvt.h"

#define QVT_DIM 4

typedef struct qvt_row {
    int64_t id;
    bool has_name, has_vector;
    char name[24];
    float vector[QVT_DIM];
} qvt_row;

typedef struct qvt_rows {
    qvt_row *rows;
    size_t n, capacity;
} qvt_rows;

void qvt_rows_add(qvt_rows *rows, qvt_row row);
void qvt_rows_append(qvt_rows *rows, const qvt_rows *more);
void qvt_rows_copy(qvt_rows *to, const qvt_rows *from); /* `to` was freed or zeroed */
void qvt_rows_free(qvt_rows *rows);
bool qvt_rows_equal(const qvt_rows *a, const qvt_rows *b);
/* n random rows with ids from *next_id on. */
void qvt_rows_random(qvt_rng *rng, size_t n, int64_t *next_id, qvt_rows *out);

/* The rows as a stream of batches of at most batch_rows; a status because memory may be made to fail. */
qv_status qvt_rows_export(const qvt_rows *rows, size_t batch_rows, struct ArrowArrayStream *out, qv_error *err);
/* Reads a stream of those columns to its end (released in every case). Extra columns are ignored. */
qv_status qvt_rows_read(struct ArrowArrayStream *stream, qvt_rows *out, qv_error *err);
/* All rows of the table. */
qv_status qvt_rows_scan(qv_table *table, qvt_rows *out, qv_error *err);

/* Creates or appends; opens `db` anew each time, as another process would. */
qv_status qvt_table_append(const char *uri, const qvt_rows *rows, qv_error *err);
/* Fails the test unless the table holds exactly one of the two contents; tells which. NULL stands for "no table". */
bool qvt_table_is_new(const char *uri, const qvt_rows *old_rows, const qvt_rows *new_rows);

#endif
