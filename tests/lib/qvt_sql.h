/* Tables and rows made by SQL from a table of numbers, and questions to tables as SQL: short tests over any type. */
#ifndef QVT_SQL_H
#define QVT_SQL_H

#include <quiver/quiver.h>

#include "qvt.h"

/* A column of a query: its name and an expression. */
typedef struct qvt_column {
    const char *name, *sql;
} qvt_column;

/* A fresh database in memory. */
qv_db *qvt_sql_db(void);
/* A table "numbers" with n rows: id int64, 0 .. n - 1, not null. */
qv_table *qvt_sql_numbers(qv_db *db, int64_t n);
/* SELECT columns FROM table WHERE where, as a stream. `columns` end with a name of NULL. */
struct ArrowArrayStream qvt_sql_rows(qv_table *table, const qvt_column *columns, const char *where);
/* The same as a new table; stable: with stable row ids. */
qv_table *qvt_sql_table(qv_db *db, const char *name, qv_table *from, const qvt_column *columns, const char *where,
                        uint64_t rows_per_file, bool stable);
/* An integer expression over the rows that hold, in storage order: "0,2,null". Borrowed until the next call. */
const char *qvt_sql_values(qv_table *table, const char *expression, const char *where);
uint64_t qvt_sql_count(qv_table *table, const char *where);
/* The columns: "id int64, s utf8?". Borrowed until the next call. */
const char *qvt_sql_schema(qv_table *table);

#endif
