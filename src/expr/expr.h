/* SQL expressions over Arrow columns: text -> checked tree -> vectorised evaluation.
 *
 * The dialect is the one DataFusion gives Lance's users; docs/sql.md lists types, operators and functions, and every difference.
 */
#ifndef QV_EXPR_EXPR_H
#define QV_EXPR_EXPR_H

#include "arrow/array.h"
#include "base/buffer.h"

/* ------------------------------------------------------------------ trees */

typedef enum qv__expr_kind {
    QV_EXPR_LITERAL,
    QV_EXPR_COLUMN,
    QV_EXPR_NOT,
    QV_EXPR_AND, /* n-ary: chains are flattened */
    QV_EXPR_OR,
    QV_EXPR_COMPARE, /* args of one type; a literal beside a column stands on the right */
    QV_EXPR_IS,      /* IS [NOT] NULL / TRUE / FALSE / UNKNOWN */
    QV_EXPR_IN,      /* args[0] IN the values of list (no nulls, sorted, each once, of args[0]'s type) */
    QV_EXPR_LIKE,
    QV_EXPR_NEGATE,
    QV_EXPR_ARITHMETIC,
    QV_EXPR_CONCAT,
    QV_EXPR_CASE, /* args: when, then, ..., else (always there) */
    QV_EXPR_CAST,
    QV_EXPR_CALL
} qv__expr_kind;

typedef enum qv__compare { QV_EQ, QV_NE, QV_LT, QV_LE, QV_GT, QV_GE, QV_DISTINCT, QV_NOT_DISTINCT } qv__compare;
typedef enum qv__is { QV_IS_NULL, QV_IS_TRUE, QV_IS_FALSE, QV_IS_UNKNOWN } qv__is;
typedef enum qv__arithmetic {
    QV_ADD,
    QV_SUB,
    QV_MUL,
    QV_DIV,
    QV_MOD,
    QV_BIT_AND,
    QV_BIT_OR,
    QV_BIT_XOR
} qv__arithmetic;

typedef struct qv__function qv__function;
typedef struct qv__expr qv__expr;
/* A node of a checked tree; immutable. BETWEEN is two comparisons, `a NOT op b` is NOT(a op b), simple CASE is searched CASE. */
struct qv__expr {
    qv__expr_kind kind;
    qv__type *type; /* of the result */
    bool nullable;
    uint32_t at; /* byte offset in the text, for messages */
    size_t n_args;
    qv__expr **args;
    union {
        qv__array *literal; /* one value, maybe null */
        size_t column;      /* position in the program's columns */
        qv__compare compare;
        struct {
            qv__is what;
            bool negated;
        } is;
        struct {
            qv__array *values;
            bool has_null; /* then a row that matches none is NULL, not false */
        } list;
        struct {
            bool ignore_case;
            char escape; /* 0: none */
        } like;          /* args: text, pattern (may be any expression) */
        qv__arithmetic arithmetic;
        bool try_cast;
        const qv__function *function;
    };
};

/* A column that an expression reads: a whole top-level column, or a nested one by its path ("st.a"). */
typedef struct qv__expr_column {
    const char *path;       /* dotted; parts with other characters than letters, digits and '_' in backticks */
    const qv__field *field; /* the leaf, borrowed from the scope */
    size_t top;             /* its top-level field in the scope */
} qv__expr_column;

/* A checked expression. Immutable, counted, thread-safe. */
typedef struct qv__program qv__program;
struct qv__program {
    atomic_int refs;
    qv__schema *scope;
    qv__expr *root;
    size_t n_columns;
    qv__expr_column *columns; /* each once, in order of first use */
    char *text;               /* as given */
    bool is_volatile; /* calls random(), now() or the like: the same text may mean something else the next time */
};

/* Parses `sql`, finds its columns in `scope` (unquoted names in any case, exact first; `_rowid` and `_rowaddr` only when the scope
 * has them), derives types, folds constants. QV_INVALID: the place as line and column, what was expected or is wrong, and for
 * an unknown column the nearest name; nesting past 256 levels, text over 16 MiB. */
qv_status qv__program_compile(const char *sql, const qv__schema *scope, qv__program **out, qv_error *err);
/* The same, and the result must be a boolean ("The filter id does not return a boolean"). */
qv_status qv__program_compile_filter(const char *sql, const qv__schema *scope, qv__program **out, qv_error *err);
/* A program over the same scope whose root is a part of `program` (a conjunct, say): shares the tree, and reads only its own columns. */
qv_status qv__program_part(const qv__program *program, const qv__expr *root, qv__program **out, qv_error *err);
/* AND of n parts of one program (references are added); n >= 1. */
qv_status qv__program_and(const qv__program *program, const qv__expr *const *parts, size_t n, qv__program **out,
                          qv_error *err);
qv__program *qv__program_ref(const qv__program *program);
void qv__program_unref(qv__program *program);
/* The tree as SQL that compiles to the same tree: names quoted where needed, every operation in parentheses. Appends. */
qv_status qv__expr_print(const qv__program *program, const qv__expr *expr, qv__buffer *out, qv_error *err);
/* A literal tree of boolean type: *value 1, 0 or -1 (NULL). False when the root is no literal. */
bool qv__program_is_constant(const qv__program *program, int *value);

/* ------------------------------------------------------------------ evaluation */

/* `columns`: one array of n rows per program->columns entry. Rows outside `live` (a bitmap of n bits; NULL: all rows) are not
 * looked at: no error comes from them, and their result is null. The result has n rows and the root's type.
 * QV_INVALID: division by zero, overflow, a value that a cast cannot convert: the value and the place. */
qv_status qv__program_eval(const qv__program *program, qv__array *const *columns, size_t n, const uint8_t *live,
                           qv__array **out, qv_error *err);
/* The rows for which a condition is true: sets `selected` (n bits, all written; bits outside `live` are 0) and *n_selected. */
qv_status qv__program_filter(const qv__program *program, qv__array *const *columns, size_t n, const uint8_t *live,
                             uint8_t *selected, size_t *n_selected, qv_error *err);

/* ------------------------------------------------------------------ for planners */

/* The name of a CALL's function ("array_has"), lower case. */
const char *qv__function_name(const qv__function *function);
/* Three-valued order of two values of one type: -1, 0, 1; floats in total order with -0.0 = 0.0 and NaN last. Neither may be null. */
int qv__value_compare(const qv__array *a, int64_t i, const qv__array *b, int64_t j);
/* The constant beginning of a LIKE pattern ("ab%_" -> "ab"), unescaped; *exact when the whole pattern is such a prefix and '%'. */
qv_status qv__like_prefix(const qv__expr *like, qv__buffer *out, bool *exact, qv_error *err);

/* All functions as JSON (qv_sql_functions). */
const char *qv__functions_describe(void);

#endif
