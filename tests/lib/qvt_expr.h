/* Expressions one row at a time: plain scalar code that shares nothing with the vectorised evaluator but the tree and the casts. */
#ifndef QVT_EXPR_H
#define QVT_EXPR_H

#include "expr/function.h"
#include "qvt.h"

typedef struct qvt_value {
    bool null;
    __int128 whole; /* integers, booleans, instants, digits of decimals */
    double real;    /* floats of every width */
    const uint8_t *bytes;
    size_t len;
    const qv__array *array; /* all else: value number `row` of it */
    int64_t row;
} qvt_value;

/* The value of one row; false: it ends in an error. Arrays made on the way live until qvt_expr_forget. */
bool qvt_expr_row(const qv__program *program, qv__array *const *columns, int64_t row, qvt_value *out);
/* Would a filter keep the row? false: an error. NULL counts as no, and ends an AND. */
bool qvt_expr_keeps(const qv__program *program, qv__array *const *columns, int64_t row, bool *keeps);
void qvt_expr_forget(void);
qvt_value qvt_value_of(const qv__array *array, int64_t i);
/* Same type, same value; NaN is NaN. */
bool qvt_values_equal(const qv__type *type, const qvt_value *a, const qvt_value *b);

/* A column of any type that text can be cast to; NULL is null. */
qv__array *qvt_column(const qv__type *type, size_t n, const char *const *texts);

#endif
