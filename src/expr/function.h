/* The function table: how an SQL function is described, so that parser, binder, evaluator and docs read one list. */
#ifndef QV_EXPR_FUNCTION_H
#define QV_EXPR_FUNCTION_H

#include "expr/expr.h"

/* What a call's evaluation gets: one array per argument. Scalars stay scalars: a constant argument is an array of length 1 with
 * is_constant set. */
typedef struct qv__call {
    const qv__expr *node;
    size_t n; /* rows of the result */
    size_t n_args;
    qv__array **args;
    bool *is_constant;
    const uint8_t *live; /* rows outside it need no value; NULL: all */
    void *prepared;      /* what `prepare` made */
} qv__call;

/* One value on its way out of a row function: which member counts follows from the result's type. */
typedef struct qv__cell {
    bool is_null;
    union {
        bool b;
        int64_t i; /* integers of every width, dates, timestamps */
        double f;
    };
    qv__buffer text;    /* strings and binary; empty when the function is called */
    qv__buffer scratch; /* the function's own, kept from row to row */
} qv__cell;

/* Which rows an argument is worked out for: what no row needs raises no error. */
typedef enum qv__needs {
    QV_NEEDS_ALL,
    QV_NEEDS_FIRST_VALUE, /* an argument where all before it are null */
    QV_NEEDS_BRANCH       /* the second where the first is not null, the third where it is */
} qv__needs;

struct qv__function {
    const char *name;
    const char *const *aliases; /* NULL-terminated; NULL: none */
    const char *group;     /* "string", "number", "date", "list", "json", "conditional", "regexp", "hash", "struct" */
    const char *signature; /* "substr(text, start [, length]) -> utf8", for docs */
    const char *summary;   /* one sentence, for docs */
    size_t min_args, max_args; /* max_args SIZE_MAX: any number */
    bool strict;               /* null when any argument is null: the evaluator sees to it */
    bool volatile_;            /* random(): not folded row by row */
    bool of_the_moment;        /* now(): constant within a statement, another one in the next */
    qv__needs needs;           /* in rows that do not need it an argument may hold anything */
    /* Checks the argument types, rewrites args[i] types that the function wants through *wanted (NULL: as they are; a reference
     * each otherwise; the binder inserts the casts) and gives the result's type. */
    qv_status (*bind)(const struct qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                      qv__type **result, qv_error *err);
    /* Optional: what constant arguments allow to be done once (a compiled pattern). Freed by `release`. */
    qv_status (*prepare)(const qv__expr *node, void **out, qv_error *err);
    void (*release)(void *prepared);
    /* A strict function's rows with a null argument are null in its result, the live rows must be right, others may hold anything. */
    qv_status (*eval)(const qv__call *call, qv__array **out, qv_error *err);
    /* For functions whose `bind` is qv__bind_kinds: the arguments and the result in letters (functions/kinds.c). */
    const char *kinds;
    /* For functions whose `eval` is qv__eval_rows: one row. */
    qv_status (*row)(const qv__call *call, size_t i, qv__cell *out, qv_error *err);
    const void *detail; /* what tells functions apart that share their code */
};

/* By name or alias, any case; NULL: unknown. *nearest (may be NULL): the most similar name. */
const qv__function *qv__function_find(const char *name, size_t len, const char **nearest);

/* The type that values of all n types can be cast to: the wider number, text with a number the number, text with a time the
 * time, the finer timestamp, lists by their elements; dictionaries count as their values, null as nothing. QV_INVALID: none. */
qv_status qv__type_common(qv__type *const *types, size_t n, qv__type **out, qv_error *err);

/* The groups' tables, one file (or folder) each; `n` entries. */
typedef struct qv__function_group {
    const qv__function *functions;
    size_t n;
} qv__function_group;
extern const qv__function_group qv__string_functions, qv__number_functions, qv__date_functions, qv__list_functions,
    qv__json_functions, qv__regexp_functions, qv__hash_functions, qv__conditional_functions, qv__struct_functions;

#endif
