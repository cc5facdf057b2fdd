/* SQL text as it was written: the parser's tree, before names and types mean anything. Lives in one arena. */
#ifndef QV_EXPR_SYNTAX_H
#define QV_EXPR_SYNTAX_H

#include "arrow/type.h"
#include "base/arena.h"

enum { QV_SQL_MAX_BYTES = 16 << 20, QV_SQL_MAX_DEPTH = 256 };

/* ------------------------------------------------------------------ words */

typedef enum qv__token_kind {
    QV_TOKEN_END,
    QV_TOKEN_WORD,   /* a name or keyword without quotes */
    QV_TOKEN_QUOTED, /* "name" or `name`; the text without quotes, doubled ones made single */
    QV_TOKEN_NUMBER,
    QV_TOKEN_STRING, /* '..' or E'..' */
    QV_TOKEN_HEX,    /* X'..': the digits */
    QV_TOKEN_SIGN    /* operators and punctuation */
} qv__token_kind;

typedef struct qv__token {
    qv__token_kind kind;
    uint32_t at, end; /* bytes of the SQL text */
    const char *text; /* what it says; in the SQL text itself where nothing was unescaped */
    uint32_t len;
} qv__token;

typedef struct qv__lexer {
    const char *sql;
    uint32_t len, at;
    qv__arena *arena;
} qv__lexer;

/* QV_INVALID: not UTF-8, a zero byte, a quote or comment without end, a character that means nothing. */
qv_status qv__lexer_next(qv__lexer *lexer, qv__token *out, qv_error *err);
/* Fails with "sql parser error: <message> at Line: 1, Column: 5". */
qv_status qv__sql_fail(qv_error *err, const char *sql, uint32_t at, const char *format, ...) QV_PRINTF(4, 5);
/* Line and column of a byte, both from 1; columns count characters. */
void qv__sql_place(const char *sql, uint32_t at, unsigned *line, unsigned *column);

/* ------------------------------------------------------------------ trees */

typedef enum qv__syntax_kind {
    QV_SYNTAX_NULL,
    QV_SYNTAX_BOOL,   /* flag */
    QV_SYNTAX_NUMBER, /* text; flag: with a minus in front */
    QV_SYNTAX_STRING,
    QV_SYNTAX_BYTES,    /* text: the bytes */
    QV_SYNTAX_INTERVAL, /* text: "1 month 2 days" */
    QV_SYNTAX_NAME,
    QV_SYNTAX_FIELD, /* args[0] . text */
    QV_SYNTAX_INDEX, /* args[0] [ args[1] ] */
    QV_SYNTAX_SLICE, /* args[0] [ args[1] : args[2] ] */
    QV_SYNTAX_AND,
    QV_SYNTAX_OR,
    QV_SYNTAX_NOT,
    QV_SYNTAX_NEGATE,
    QV_SYNTAX_COMPARE,    /* op: qv__compare */
    QV_SYNTAX_ARITHMETIC, /* op: qv__arithmetic */
    QV_SYNTAX_CONCAT,
    QV_SYNTAX_IS,      /* op: qv__is; negated */
    QV_SYNTAX_IN,      /* args[0] in the rest; negated */
    QV_SYNTAX_BETWEEN, /* negated */
    QV_SYNTAX_LIKE,    /* op: the escape character; flag: ignore case; negated */
    QV_SYNTAX_REGEXP,  /* flag: ignore case; negated */
    QV_SYNTAX_SIMILAR, /* op: the escape character; negated */
    QV_SYNTAX_CASE,    /* flag: args[0] is the operand; then when, then, ...; an odd rest is else */
    QV_SYNTAX_CAST,    /* type; flag: TRY */
    QV_SYNTAX_CALL     /* text: the function */
} qv__syntax_kind;

typedef struct qv__syntax qv__syntax;
struct qv__syntax {
    uint8_t kind, op;
    bool flag, negated, quoted;
    uint16_t depth; /* 1: no children */
    uint32_t at, n_args, len;
    const char *text;
    qv__syntax **args;
    qv__type *type; /* CAST */
};

typedef struct qv__parsed {
    qv__arena arena;
    qv__syntax *root;
    qv__type **types; /* what CAST nodes borrow */
    size_t n_types, types_capacity;
} qv__parsed;

/* One expression and nothing after it. Free `out` in every case. */
qv_status qv__sql_parse(const char *sql, qv__parsed *out, qv_error *err);
void qv__parsed_free(qv__parsed *parsed);
/* A type of the parse's own; the maker fills in its parameters. */
qv_status qv__parsed_type_new(qv__parsed *parsed, qv__type_id id, qv__type **out, qv_error *err);

/* A type by its name in SQL ("bigint", "decimal(10, 2)"), from words that the parser hands over one by one. */
typedef struct qv__parser {
    qv__lexer lexer;
    qv__token token; /* the next, not yet taken */
    uint32_t last_end;
    unsigned depth;
    qv__parsed *parsed;
    qv_error *err;
} qv__parser;
qv_status qv__parser_advance(qv__parser *p);
bool qv__parser_at_word(const qv__parser *p, const char *word);
bool qv__parser_at_sign(const qv__parser *p, const char *sign);
/* Takes it when it is there. */
qv_status qv__parser_accept_word(qv__parser *p, const char *word, bool *found);
qv_status qv__parser_accept_sign(qv__parser *p, const char *sign, bool *found);
qv_status qv__parser_need_sign(qv__parser *p, const char *sign);
qv_status qv__parser_need_word(qv__parser *p, const char *word);
/* "Expected: <what>, found: <token>" */
qv_status qv__parser_expected(const qv__parser *p, const char *what);
qv_status qv__parse_type(qv__parser *p, qv__type **out); /* borrowed from p->parsed */

/* A type as Arrow's Rust library prints it: "Int32", "Timestamp(Microsecond, None)", "List(Int32)", "Utf8". */
qv_status qv__arrow_type_parse(const char *text, size_t len, qv__type **out, qv_error *err);

#endif
