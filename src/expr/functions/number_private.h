/* Numbers: what the files of this group share. */
#ifndef QV_EXPR_FUNCTIONS_NUMBER_PRIVATE_H
#define QV_EXPR_FUNCTIONS_NUMBER_PRIVATE_H

#include "expr/functions/functions_private.h"

/* number_round.c */
qv_status qv__bind_rounding(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                            qv__type **result, qv_error *err);
qv_status qv__bind_round(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                         qv__type **result, qv_error *err);
qv_status qv__ceil_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err);
qv_status qv__floor_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err);
qv_status qv__round_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err);
qv_status qv__trunc_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err);

/* number_whole.c */
qv_status qv__eval_abs(const qv__call *call, qv__array **out, qv_error *err);
qv_status qv__bind_mod(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted, qv__type **result,
                       qv_error *err);
qv_status qv__gcd_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err);
qv_status qv__lcm_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err);
qv_status qv__factorial_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err);
qv_status qv__mod_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err);

#endif
