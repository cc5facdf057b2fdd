/* Tables of rows that follow from their number: id, a text, a vector. So a test that knows the ids knows every value. */
#ifndef QVT_TABLE_H
#define QVT_TABLE_H

#include "qvt.h"
#include "table/table.h"

/* id int64 (not null), s utf8 (null when id % 5 == 0), v fixed_size_list<float>[4], j JSON text. */
qv__schema *qvt_table_schema(void);
/* Rows first .. first + n - 1 in batches of at most `batch` rows. `n_columns` of the schema, from the left (0: all). */
qv_status qvt_table_stream(int64_t first, int64_t n, int64_t batch, size_t n_columns, qv__stream **out, qv_error *err);
/* One qv__table_write of such rows. base NULL: create. */
qv_status qvt_table_write(qv__store *store, qv__snapshot *base, const qv__write *options, int64_t first, int64_t n,
                          qv__snapshot **out, qv_error *err);
/* The ids of all live rows in storage order; every value of every row is checked against its id. `n_columns` as above: the
 * others are null. The caller frees *ids. */
void qvt_table_read(qv__snapshot *snapshot, int64_t **ids, size_t *n);
/* The live rows are exactly first .. first + n - 1, in this order. */
void qvt_table_expect(qv__snapshot *snapshot, int64_t first, int64_t n);

#endif
