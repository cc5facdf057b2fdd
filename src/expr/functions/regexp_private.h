/* Regular expressions behind PCRE2: compiled once, matched within limits. */
#ifndef QV_EXPR_FUNCTIONS_REGEXP_PRIVATE_H
#define QV_EXPR_FUNCTIONS_REGEXP_PRIVATE_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "expr/functions/functions_private.h"

/* A compiled pattern. Immutable: threads share it. */
typedef struct qv__regexp {
    pcre2_general_context *memory;
    pcre2_code *code;
    bool all; /* flag g */
    uint32_t n_groups;
} qv__regexp;

/* Flags: i m s x U, and g where `may_all`. QV_INVALID: the place in the pattern, or the flag. */
qv_status qv__regexp_compile(qv__text pattern, qv__text flags, bool may_all, qv__regexp **out, qv_error *err);
void qv__regexp_free(qv__regexp *regexp);

/* One evaluation: the pattern of the rows so far and what a match needs. */
typedef struct qv__matcher {
    const qv__call *call;
    size_t pattern_arg, flags_arg;
    bool may_all;
    qv__regexp *own;                   /* of the last row when the pattern is not constant */
    qv__buffer own_pattern, own_flags; /* what it was made from */
    const qv__regexp *now;
    pcre2_match_data *data;
    pcre2_match_context *limits;
} qv__matcher;
void qv__matcher_init(qv__matcher *matcher, const qv__call *call, size_t flags_arg, bool may_all);
void qv__matcher_clear(qv__matcher *matcher);
/* Makes matcher->now the pattern of row i. */
qv_status qv__matcher_row(qv__matcher *matcher, size_t i, qv_error *err);
/* The first match at or after `from`; group g lies at bounds[2g], bounds[2g + 1] (PCRE2_UNSET: not there).
 * QV_LIMIT: the pattern needs too many steps or too much memory on this text. */
qv_status qv__matcher_find(qv__matcher *matcher, qv__text text, size_t from, const PCRE2_SIZE **bounds, qv_error *err);
/* All matches from left to right; none overlaps the one before, and no empty one stands at its end. Begins as { .last = SIZE_MAX }. */
typedef struct qv__walk {
    size_t from, last;
    bool is_over;
} qv__walk;
/* The next match; *bounds NULL: there is none. */
qv_status qv__matcher_walk(qv__matcher *matcher, qv__text text, qv__walk *walk, const PCRE2_SIZE **bounds,
                           qv_error *err);

#endif
