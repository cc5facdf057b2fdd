/* Shared by the binder, the planner's helpers and the evaluator. */
#ifndef QV_EXPR_PRIVATE_H
#define QV_EXPR_PRIVATE_H

#include "arrow/compute/values.h"
#include "base/arena.h"
#include "expr/function.h"
#include "expr/interval.h"

/* ------------------------------------------------------------------ trees */

/* What every qv__expr is the beginning of. */
typedef struct qv__node qv__node;
struct qv__node {
    qv__expr expr;
    qv__node *next; /* all nodes of the tree, for its end */
    uint32_t cost;  /* of one row, in comparisons of integers */
    bool can_fail;  /* an evaluation may end in an error: it must not move in front of others */
    void *prepared; /* CALL: the function's; LIKE: qv__like; IN: qv__in_set */
    void (*release)(void *prepared);
};
static inline qv__node *qv__node_of(const qv__expr *expr) { return (qv__node *) expr; }

/* What every qv__program is the beginning of: it owns its nodes. */
typedef struct qv__tree {
    qv__program program;
    qv__arena arena;
    qv__node *nodes;
    size_t columns_capacity;
} qv__tree;

qv_status qv__tree_new(const char *text, const qv__schema *scope, qv__tree **out, qv_error *err);
/* A node with room for n args; the maker fills in the rest and hands it to qv__node_finish. `type`: a reference is added. */
qv_status qv__node_new(qv__tree *tree, qv__expr_kind kind, const qv__type *type, uint32_t at, size_t n_args,
                       qv__expr **out, qv_error *err);
/* Cost, nullability where `expr->nullable` is not set, and what can be prepared once. */
qv_status qv__node_finish(qv__expr *expr, qv_error *err);
/* Takes the reference to the value. */
qv_status qv__literal_new(qv__tree *tree, qv__array *value, uint32_t at, qv__expr **out, qv_error *err);
/* The column's position in the program; added when it is new. */
qv_status qv__tree_column(qv__tree *tree, const char *path, const qv__field *field, size_t top, size_t *out,
                          qv_error *err);

static inline bool qv__is_literal(const qv__expr *expr) { return expr->kind == QV_EXPR_LITERAL; }
static inline bool qv__is_null_literal(const qv__expr *expr)
{
    return qv__is_literal(expr) && qv__array_is_null(expr->literal, 0);
}
/* "1 / 0 at Line: 1, Column: 3": puts the place behind the message that is there. */
qv_status qv__fail_at(qv_error *err, qv_status status, const qv__program *program, const qv__expr *expr,
                      const char *format, ...) QV_PRINTF(5, 6);

/* ------------------------------------------------------------------ binding */

typedef struct qv__binder {
    qv__tree *tree;
    const char *sql;
    qv_error *err;
} qv__binder;

struct qv__syntax;
qv_status qv__bind(qv__binder *b, const struct qv__syntax *syntax, qv__expr **out);
/* "Error during planning: <message> at Line: 1, Column: 5" */
qv_status qv__bind_fail(qv__binder *b, uint32_t at, const char *format, ...) QV_PRINTF(3, 4);

/* Names (bind_name.c): *out NULL when `syntax` is no path of names. */
qv_status qv__bind_name(qv__binder *b, const struct qv__syntax *syntax, qv__expr **out);
/* Types (bind_types.c): `expr` as `type`; a literal is cast at once, and must be castable. */
qv_status qv__bind_cast(qv__binder *b, qv__expr *expr, const qv__type *type, qv__expr **out);
/* Any tree of literals only becomes a literal, unless its evaluation fails. */
qv_status qv__bind_fold(qv__binder *b, qv__expr *expr, qv__expr **out);
qv_status qv__bind_compare(qv__binder *b, qv__compare op, qv__expr *left, qv__expr *right, uint32_t at, qv__expr **out);
qv_status qv__bind_arithmetic(qv__binder *b, qv__arithmetic op, qv__expr *left, qv__expr *right, uint32_t at,
                              qv__expr **out);
qv_status qv__bind_negate(qv__binder *b, qv__expr *arg, uint32_t at, qv__expr **out);
qv_status qv__bind_in(qv__binder *b, const struct qv__syntax *syntax, qv__expr **out);
/* All of one type: the common one. text_wins: text beside numbers or times makes all text. */
qv_status qv__bind_unify(qv__binder *b, qv__expr **exprs, size_t n, bool text_wins, const char *what, uint32_t at,
                         qv__type **out);
/* A dictionary as its values, and half precision as single. */
qv_status qv__bind_plain(qv__binder *b, qv__expr *expr, bool halves_too, qv__expr **out);
qv_status qv__bind_call(qv__binder *b, const char *name, size_t len, qv__expr *const *args, size_t n, uint32_t at,
                        qv__expr **out);
qv_status qv__bind_not(qv__binder *b, qv__expr *arg, uint32_t at, qv__expr **out);
/* AND or OR of boolean args: chains are flattened, constants drop out, cheap args come first where no error can tell. */
qv_status qv__bind_chain(qv__binder *b, qv__expr_kind kind, qv__expr *const *args, size_t n, uint32_t at,
                         qv__expr **out);
qv_status qv__text_literal(qv__binder *b, const void *text, size_t len, qv__type_id id, uint32_t at, qv__expr **out);
const char *qv__compare_sign(qv__compare op);
const char *qv__arithmetic_sign(qv__arithmetic op);

/* ------------------------------------------------------------------ evaluation */

enum { QV_EVAL_ROWS = 8192, QV_EVAL_WORDS = QV_EVAL_ROWS / 64 };

/* One piece of a batch: at most QV_EVAL_ROWS rows. */
typedef struct qv__eval {
    const qv__program *program;
    qv__array *const *columns;
    size_t n;
    qv_error *err;
    const qv__expr *known; /* may be NULL: a node whose value is known already */
    qv__array *known_value;
} qv__eval;

/* `live`: words of n bits, bits past n are 0. The result has n rows, or one when `expr` is a literal; what it says of rows that are
 * not live means nothing. */
qv_status qv__eval_expr(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out);
/* The live rows for which `expr` is true. */
qv_status qv__eval_filter(const qv__eval *e, const qv__expr *expr, const uint64_t *live, uint64_t *selected);

/* A predicate over a dictionary column and constants, asked once for each value of the dictionary. *out NULL: it is none, or that would
 * be more work. */
qv_status qv__eval_over_dictionary(const qv__eval *e, const qv__expr *expr, qv__array **out);

/* One per kind of node. */
qv_status qv__eval_logic(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out);
qv_status qv__eval_compare(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out);
qv_status qv__eval_in(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out);
qv_status qv__eval_like(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out);
qv_status qv__eval_arithmetic(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out);
qv_status qv__eval_negate(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out);
qv_status qv__eval_concat(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out);
qv_status qv__eval_case(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out);
qv_status qv__eval_cast(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out);
qv_status qv__eval_call(const qv__eval *e, const qv__expr *expr, const uint64_t *live, qv__array **out);

/* Words of bits: bits [i * 64, i * 64 + 64) of a bitmap that begins at any bit; what lies past `n` reads as 0. */
uint64_t qv__bits_word(const uint8_t *bits, size_t start, size_t n, size_t i);
static inline size_t qv__words(size_t n) { return (n + 63) / 64; }
static inline uint64_t qv__words_tail(size_t n, size_t i)
{
    return i * 64 + 64 <= n ? UINT64_MAX : (UINT64_C(1) << (n & 63)) - 1;
}
static inline bool qv__any_bit(const uint64_t *words, size_t n_words)
{
    uint64_t seen = 0;

    for (size_t w = 0; w < n_words; w++)
        seen |= words[w];
    return seen != 0;
}
/* The validity of an array of n rows, or of one value for all rows, as words. */
void qv__valid_words(const qv__array *array, bool constant, size_t n, uint64_t *words);
/* The truth of a boolean array: which rows are true, and which false. */
void qv__truth_words(const qv__array *array, bool constant, size_t n, uint64_t *is_true, uint64_t *is_false);
/* An array of n values of a fixed-width or boolean type (n * width bytes, not zeroed, rounded up to 64). valid NULL: no nulls. */
qv_status qv__result_new(const qv__type *type, size_t n, const uint64_t *valid, qv__array **out, void **values,
                         qv_error *err);
/* A boolean array from words. */
qv_status qv__result_bools(const qv__type *type, size_t n, const uint64_t *is_true, const uint64_t *valid,
                           qv__array **out, qv_error *err);
/* The same array, null wherever `live` is not set. */
qv_status qv__array_restrict(const qv__array *array, const uint64_t *live, qv__array **out, qv_error *err);

/* ------------------------------------------------------------------ patterns and sets */

typedef struct qv__like qv__like;
/* A pattern taken apart once. */
qv_status qv__like_compile(const uint8_t *pattern, size_t len, char escape, bool ignore_case, qv__like **out,
                           qv_error *err);
bool qv__like_matches(const qv__like *like, const uint8_t *text, size_t len);
void qv__like_free(void *like);
/* Patterns of one piece that has no _: what to look for (in lower case when the case does not matter), and where. */
typedef enum qv__like_shape {
    QV_LIKE_OTHER,
    QV_LIKE_EQUAL,
    QV_LIKE_PREFIX,
    QV_LIKE_SUFFIX,
    QV_LIKE_CONTAINS
} qv__like_shape;
qv__like_shape qv__like_shape_of(const qv__like *like, const uint8_t **bytes, size_t *len, bool *ignore_case);

typedef struct qv__in_set qv__in_set;
qv_status qv__in_set_new(const qv__array *values, qv__in_set **out, qv_error *err);
void qv__in_set_free(void *set);
/* The rows of `array` (n values) that are in the set; rows that are not live or null say nothing. */
void qv__in_set_find(const qv__in_set *set, const qv__array *array, size_t n, const uint64_t *live, uint64_t *found);

#endif
