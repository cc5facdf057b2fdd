/* Shared by the binder's files. */
#ifndef QV_EXPR_BIND_PRIVATE_H
#define QV_EXPR_BIND_PRIVATE_H

#include <strings.h>

#include "expr/expr_private.h"
#include "expr/syntax.h"

/* CAST and TRY_CAST as the user wrote them. */
qv_status qv__bind_explicit_cast(qv__binder *b, qv__expr *expr, const qv__type *type, bool is_try, uint32_t at,
                                 qv__expr **out);
qv_status qv__bind_concat(qv__binder *b, qv__expr *left, qv__expr *right, uint32_t at, qv__expr **out);

/* How a literal, brought to the type of what it is compared with, stands to what it was. */
typedef enum qv__adapted {
    QV_ADAPTED_SAME,
    QV_ADAPTED_BELOW, /* the new value is less; no value of the type lies between */
    QV_ADAPTED_ABOVE,
    QV_ADAPTED_NOT /* it cannot be brought there, or not so that comparisons stay what they were */
} qv__adapted;
qv_status qv__bind_adapt(qv__binder *b, qv__expr *literal, const qv__type *type, qv__adapted *how, qv__expr **out);

/* The most similar of n names, when one is similar enough; NULL otherwise. */
const char *qv__nearest_name(const char *name, size_t len, const char *const *names, size_t n);
/* One more part of a dotted path, in backticks where needed. */
qv_status qv__path_append(qv__buffer *to, const char *name, qv_error *err);

/* "a%b_" -> "^a.*b.$" with all else quoted; `similar`: the signs of regular expressions keep their meaning. */
qv_status qv__pattern_to_regexp(const uint8_t *pattern, size_t len, char escape, bool similar, qv__buffer *out,
                                qv_error *err);

#endif
