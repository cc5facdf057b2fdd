/* SQL text to a tree of what was written: precedence climbing. Neither nesting nor long chains of operators make a tree deeper
 * than QV_SQL_MAX_DEPTH; AND and OR chains are one node however long. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "arrow/validate.h"
#include "base/alloc.h"
#include "expr/parse_private.h"

/* ------------------------------------------------------------------ tokens */

qv_status qv__parser_advance(qv__parser *p)
{
    p->last_end = p->token.end;
    return qv__lexer_next(&p->lexer, &p->token, p->err);
}

bool qv__parser_at_word(const qv__parser *p, const char *word)
{
    return p->token.kind == QV_TOKEN_WORD && p->token.len == strlen(word) &&
           strncasecmp(p->token.text, word, p->token.len) == 0;
}

bool qv__parser_at_sign(const qv__parser *p, const char *sign)
{
    return p->token.kind == QV_TOKEN_SIGN && p->token.len == strlen(sign) &&
           memcmp(p->token.text, sign, p->token.len) == 0;
}

qv_status qv__parser_accept_word(qv__parser *p, const char *word, bool *found)
{
    *found = qv__parser_at_word(p, word);
    return *found ? qv__parser_advance(p) : QV_OK;
}

qv_status qv__parser_accept_sign(qv__parser *p, const char *sign, bool *found)
{
    *found = qv__parser_at_sign(p, sign);
    return *found ? qv__parser_advance(p) : QV_OK;
}

qv_status qv__parser_need_word(qv__parser *p, const char *word)
{
    return qv__parser_at_word(p, word) ? qv__parser_advance(p) : qv__parser_expected(p, word);
}

qv_status qv__parser_need_sign(qv__parser *p, const char *sign)
{
    return qv__parser_at_sign(p, sign) ? qv__parser_advance(p) : qv__parser_expected(p, sign);
}

qv_status qv__parser_expected(const qv__parser *p, const char *what)
{
    int shown = (int) QV_MIN(p->token.end - p->token.at, 60);

    if (p->token.kind == QV_TOKEN_END)
        return qv__fail(p->err, QV_INVALID, "sql parser error: Expected: %s, found: EOF", what);
    return qv__sql_fail(p->err, p->lexer.sql, p->token.at, "Expected: %s, found: %.*s", what, shown,
                        p->lexer.sql + p->token.at);
}

/* ------------------------------------------------------------------ nodes */

qv_status qv__syntax_new(qv__parser *p, qv__syntax_kind kind, uint32_t at, qv__syntax *const *args, size_t n,
                         qv__syntax **out)
{
    qv__syntax *node = qv__arena_alloc(&p->parsed->arena, 1, sizeof *node);
    unsigned depth = 0;

    if (!node)
        return qv__fail_nomem(p->err, sizeof *node);
    node->kind = (uint8_t) kind;
    node->at = at;
    node->n_args = (uint32_t) n;
    if (n) {
        node->args = qv__arena_alloc(&p->parsed->arena, n, sizeof *args);
        if (!node->args)
            return qv__fail_nomem(p->err, n * sizeof *args);
        memcpy(node->args, args, n * sizeof *args);
    }
    for (size_t k = 0; k < n; k++)
        depth = QV_MAX(depth, args[k]->depth);
    if (depth + 1 > QV_SQL_MAX_DEPTH)
        return qv__sql_fail(p->err, p->lexer.sql, at, "expression is nested deeper than %d levels", QV_SQL_MAX_DEPTH);
    node->depth = (uint16_t) (depth + 1);
    *out = node;
    return QV_OK;
}

qv_status qv__syntax_call(qv__parser *p, const char *name, uint32_t at, qv__syntax *const *args, size_t n,
                          qv__syntax **out)
{
    QV_TRY(qv__syntax_new(p, QV_SYNTAX_CALL, at, args, n, out));
    (*out)->text = name;
    (*out)->len = (uint32_t) strlen(name);
    return QV_OK;
}

qv_status qv__syntax_list_add(qv__parser *p, qv__syntax_list *list, qv__syntax *item)
{
    QV_TRY(QV_GROW(&list->items, &list->capacity, list->n + 1, p->err));
    list->items[list->n++] = item;
    return QV_OK;
}

/* ------------------------------------------------------------------ operators */

enum {
    PREC_OR = 5,
    PREC_AND = 10,
    PREC_NOT = 15,
    PREC_IS = 17,
    PREC_LIKE = 19,
    PREC_COMPARE = 20,
    PREC_BIT_OR = 21,
    PREC_BIT_XOR = 22,
    PREC_BIT_AND = 23,
    PREC_ADD = 30,
    PREC_MUL = 40,
    PREC_POSTFIX = 50
};

typedef struct infix {
    const char *sign;
    uint8_t precedence, kind, op;
    bool negated, flag;
} infix;

static const infix infixes[] = {
    { "=", PREC_COMPARE, QV_SYNTAX_COMPARE, QV_EQ, false, false },
    { "==", PREC_COMPARE, QV_SYNTAX_COMPARE, QV_EQ, false, false },
    { "<>", PREC_COMPARE, QV_SYNTAX_COMPARE, QV_NE, false, false },
    { "!=", PREC_COMPARE, QV_SYNTAX_COMPARE, QV_NE, false, false },
    { "<", PREC_COMPARE, QV_SYNTAX_COMPARE, QV_LT, false, false },
    { "<=", PREC_COMPARE, QV_SYNTAX_COMPARE, QV_LE, false, false },
    { ">", PREC_COMPARE, QV_SYNTAX_COMPARE, QV_GT, false, false },
    { ">=", PREC_COMPARE, QV_SYNTAX_COMPARE, QV_GE, false, false },
    { "<=>", PREC_COMPARE, QV_SYNTAX_COMPARE, QV_NOT_DISTINCT, false, false },
    { "~", PREC_COMPARE, QV_SYNTAX_REGEXP, 0, false, false },
    { "~*", PREC_COMPARE, QV_SYNTAX_REGEXP, 0, false, true },
    { "!~", PREC_COMPARE, QV_SYNTAX_REGEXP, 0, true, false },
    { "!~*", PREC_COMPARE, QV_SYNTAX_REGEXP, 0, true, true },
    { "~~", PREC_COMPARE, QV_SYNTAX_LIKE, '\\', false, false },
    { "~~*", PREC_COMPARE, QV_SYNTAX_LIKE, '\\', false, true },
    { "!~~", PREC_COMPARE, QV_SYNTAX_LIKE, '\\', true, false },
    { "!~~*", PREC_COMPARE, QV_SYNTAX_LIKE, '\\', true, true },
    { "|", PREC_BIT_OR, QV_SYNTAX_ARITHMETIC, QV_BIT_OR, false, false },
    { "^", PREC_BIT_XOR, QV_SYNTAX_ARITHMETIC, QV_BIT_XOR, false, false },
    { "&", PREC_BIT_AND, QV_SYNTAX_ARITHMETIC, QV_BIT_AND, false, false },
    { "+", PREC_ADD, QV_SYNTAX_ARITHMETIC, QV_ADD, false, false },
    { "-", PREC_ADD, QV_SYNTAX_ARITHMETIC, QV_SUB, false, false },
    { "*", PREC_MUL, QV_SYNTAX_ARITHMETIC, QV_MUL, false, false },
    { "/", PREC_MUL, QV_SYNTAX_ARITHMETIC, QV_DIV, false, false },
    { "%", PREC_MUL, QV_SYNTAX_ARITHMETIC, QV_MOD, false, false },
    { "||", PREC_MUL, QV_SYNTAX_CONCAT, 0, false, false },
};

static const infix *find_infix(const qv__parser *p)
{
    if (p->token.kind == QV_TOKEN_SIGN)
        for (size_t k = 0; k < QV_COUNT_OF(infixes); k++)
            if (qv__parser_at_sign(p, infixes[k].sign))
                return &infixes[k];
    return NULL;
}

/* Binding power of the token when it follows an operand; 0: it ends the expression. */
static int precedence_of(const qv__parser *p)
{
    static const struct {
        const char *word;
        int precedence;
    } words[] = {
        { "OR", PREC_OR },           { "AND", PREC_AND },      { "IS", PREC_IS },
        { "BETWEEN", PREC_COMPARE }, { "IN", PREC_COMPARE },   { "LIKE", PREC_LIKE },
        { "ILIKE", PREC_LIKE },      { "SIMILAR", PREC_LIKE }, { "NOT", PREC_LIKE }, /* NOT IN, NOT LIKE, NOT BETWEEN */
    };
    const infix *found = find_infix(p);

    if (found)
        return found->precedence;
    if (p->token.kind == QV_TOKEN_WORD)
        for (size_t k = 0; k < QV_COUNT_OF(words); k++)
            if (qv__parser_at_word(p, words[k].word))
                return words[k].precedence;
    if (qv__parser_at_sign(p, "::") || qv__parser_at_sign(p, "[") || qv__parser_at_sign(p, "."))
        return PREC_POSTFIX;
    return 0;
}

/* left AND right AND ...: one node for the whole chain. */
static qv_status parse_chain(qv__parser *p, qv__syntax *left, bool is_and, qv__syntax **out)
{
    qv_status st = QV_OK;
    const char *word = is_and ? "AND" : "OR";
    qv__syntax_list list = { 0 };
    qv__syntax *right;
    uint32_t at = left->at;
    bool more;

    QV_CHECK(qv__syntax_list_add(p, &list, left));
    for (;;) {
        QV_CHECK(qv__parser_accept_word(p, word, &more));
        if (!more)
            break;
        QV_CHECK(qv__parse_expr(p, is_and ? PREC_AND : PREC_OR, &right));
        QV_CHECK(qv__syntax_list_add(p, &list, right));
    }
    QV_CHECK(qv__syntax_new(p, is_and ? QV_SYNTAX_AND : QV_SYNTAX_OR, at, list.items, list.n, out));
done:
    qv__free(list.items);
    return st;
}

static qv_status parse_is(qv__parser *p, qv__syntax *left, uint32_t at, qv__syntax **out)
{
    static const char *const words[] = { "NULL", "TRUE", "FALSE", "UNKNOWN" };
    bool negated, found;
    qv__syntax *right;

    QV_TRY(qv__parser_advance(p));
    QV_TRY(qv__parser_accept_word(p, "NOT", &negated));
    QV_TRY(qv__parser_accept_word(p, "DISTINCT", &found));
    if (found) {
        QV_TRY(qv__parser_need_word(p, "FROM"));
        QV_TRY(qv__parse_expr(p, PREC_IS, &right));
        QV_TRY(qv__syntax_new(p, QV_SYNTAX_COMPARE, at, (qv__syntax *[]){ left, right }, 2, out));
        (*out)->op = negated ? QV_NOT_DISTINCT : QV_DISTINCT;
        return QV_OK;
    }
    for (size_t k = 0; k < QV_COUNT_OF(words); k++) {
        QV_TRY(qv__parser_accept_word(p, words[k], &found));
        if (!found)
            continue;
        QV_TRY(qv__syntax_new(p, QV_SYNTAX_IS, at, &left, 1, out));
        (*out)->op = (uint8_t) k; /* as qv__is lists them */
        (*out)->negated = negated;
        return QV_OK;
    }
    return qv__parser_expected(p, "[NOT] NULL | TRUE | FALSE | DISTINCT | UNKNOWN after IS");
}

static qv_status parse_in(qv__parser *p, qv__syntax *left, uint32_t at, qv__syntax **out)
{
    qv_status st = QV_OK;
    qv__syntax_list list = { 0 };

    QV_CHECK(qv__parser_need_sign(p, "("));
    QV_CHECK(qv__syntax_list_add(p, &list, left));
    QV_CHECK(qv__parse_list(p, ")", &list));
    if (list.n == 1)
        QV_CHECK(qv__parser_expected(p, "an expression"));
    QV_CHECK(qv__parser_need_sign(p, ")"));
    QV_CHECK(qv__syntax_new(p, QV_SYNTAX_IN, at, list.items, list.n, out));
done:
    qv__free(list.items);
    return st;
}

/* ESCAPE 'c', if it comes. */
static qv_status parse_escape(qv__parser *p, uint8_t *escape)
{
    bool found;

    *escape = '\\';
    QV_TRY(qv__parser_accept_word(p, "ESCAPE", &found));
    if (!found)
        return QV_OK;
    if (p->token.kind != QV_TOKEN_STRING)
        return qv__parser_expected(p, "a string after ESCAPE");
    if (p->token.len != 1 || (uint8_t) p->token.text[0] >= 0x80)
        return qv__sql_fail(p->err, p->lexer.sql, p->token.at,
                            "Invalid escape character in LIKE expression. Expected a single ASCII character wrapped "
                            "with single quotes, got '%.*s'",
                            (int) QV_MIN(p->token.len, 60), p->token.text);
    *escape = (uint8_t) p->token.text[0];
    return qv__parser_advance(p);
}

/* [NOT] IN, BETWEEN, LIKE, ILIKE, SIMILAR TO */
static qv_status parse_predicate(qv__parser *p, qv__syntax *left, uint32_t at, qv__syntax **out)
{
    qv__syntax *low, *high;
    bool negated, found, ignore_case;

    QV_TRY(qv__parser_accept_word(p, "NOT", &negated));
    QV_TRY(qv__parser_accept_word(p, "IN", &found));
    if (found) {
        QV_TRY(parse_in(p, left, at, out));
        (*out)->negated = negated;
        return QV_OK;
    }
    QV_TRY(qv__parser_accept_word(p, "BETWEEN", &found));
    if (found) {
        QV_TRY(qv__parse_expr(p, PREC_COMPARE, &low));
        QV_TRY(qv__parser_need_word(p, "AND"));
        QV_TRY(qv__parse_expr(p, PREC_COMPARE, &high));
        QV_TRY(qv__syntax_new(p, QV_SYNTAX_BETWEEN, at, (qv__syntax *[]){ left, low, high }, 3, out));
        (*out)->negated = negated;
        return QV_OK;
    }
    QV_TRY(qv__parser_accept_word(p, "SIMILAR", &found));
    if (found) {
        QV_TRY(qv__parser_need_word(p, "TO"));
        QV_TRY(qv__parse_expr(p, PREC_LIKE, &high));
        QV_TRY(qv__syntax_new(p, QV_SYNTAX_SIMILAR, at, (qv__syntax *[]){ left, high }, 2, out));
    } else {
        ignore_case = qv__parser_at_word(p, "ILIKE");
        if (!ignore_case && !qv__parser_at_word(p, "LIKE"))
            return qv__parser_expected(p, "IN or BETWEEN after NOT");
        QV_TRY(qv__parser_advance(p));
        QV_TRY(qv__parse_expr(p, PREC_LIKE, &high));
        QV_TRY(qv__syntax_new(p, QV_SYNTAX_LIKE, at, (qv__syntax *[]){ left, high }, 2, out));
        (*out)->flag = ignore_case;
    }
    (*out)->negated = negated;
    return parse_escape(p, &(*out)->op);
}

/* l[i], l[a:b], st['name'] */
static qv_status parse_subscript(qv__parser *p, qv__syntax *left, uint32_t at, qv__syntax **out)
{
    qv__syntax *first, *last;
    bool slice;

    QV_TRY(qv__parser_need_sign(p, "["));
    QV_TRY(qv__parse_expr(p, 0, &first));
    QV_TRY(qv__parser_accept_sign(p, ":", &slice));
    if (slice) {
        QV_TRY(qv__parse_expr(p, 0, &last));
        QV_TRY(qv__syntax_new(p, QV_SYNTAX_SLICE, at, (qv__syntax *[]){ left, first, last }, 3, out));
    } else {
        QV_TRY(qv__syntax_new(p, QV_SYNTAX_INDEX, at, (qv__syntax *[]){ left, first }, 2, out));
    }
    return qv__parser_need_sign(p, "]");
}

static qv_status parse_postfix(qv__parser *p, qv__syntax *left, uint32_t at, qv__syntax **out)
{
    qv__type *type;
    bool found;

    if (qv__parser_at_sign(p, "["))
        return parse_subscript(p, left, at, out);
    QV_TRY(qv__parser_accept_sign(p, "::", &found));
    if (found) {
        QV_TRY(qv__parse_type(p, &type));
        QV_TRY(qv__syntax_new(p, QV_SYNTAX_CAST, at, &left, 1, out));
        (*out)->type = type;
        return QV_OK;
    }
    QV_TRY(qv__parser_need_sign(p, "."));
    if (p->token.kind != QV_TOKEN_WORD && p->token.kind != QV_TOKEN_QUOTED)
        return qv__parser_expected(p, "identifier");
    QV_TRY(qv__syntax_new(p, QV_SYNTAX_FIELD, p->token.at, &left, 1, out));
    (*out)->text = p->token.text;
    (*out)->len = p->token.len;
    (*out)->quoted = p->token.kind == QV_TOKEN_QUOTED;
    return qv__parser_advance(p);
}

static qv_status parse_infix(qv__parser *p, qv__syntax *left, int precedence, qv__syntax **out)
{
    const infix *found = find_infix(p);
    uint32_t at = p->token.at;
    qv__syntax *right;

    if (precedence == PREC_POSTFIX)
        return parse_postfix(p, left, at, out);
    if (precedence == PREC_AND || precedence == PREC_OR)
        return parse_chain(p, left, precedence == PREC_AND, out);
    if (!found)
        return precedence == PREC_IS ? parse_is(p, left, at, out) : parse_predicate(p, left, at, out);
    QV_TRY(qv__parser_advance(p));
    QV_TRY(qv__parse_expr(p, precedence, &right));
    QV_TRY(qv__syntax_new(p, (qv__syntax_kind) found->kind, at, (qv__syntax *[]){ left, right }, 2, out));
    (*out)->op = found->op;
    (*out)->negated = found->negated;
    (*out)->flag = found->flag;
    return QV_OK;
}

qv_status qv__parse_expr(qv__parser *p, int precedence, qv__syntax **out)
{
    qv__syntax *left;

    if (++p->depth > QV_SQL_MAX_DEPTH)
        return qv__sql_fail(p->err, p->lexer.sql, p->token.at, "expression is nested deeper than %d levels",
                            QV_SQL_MAX_DEPTH);
    QV_TRY(qv__parse_operand(p, &left));
    for (;;) {
        int next = precedence_of(p);

        if (next <= precedence)
            break;
        QV_TRY(parse_infix(p, left, next, &left));
    }
    p->depth--;
    *out = left;
    return QV_OK;
}

qv_status qv__parse_list(qv__parser *p, const char *end, qv__syntax_list *list)
{
    qv__syntax *item;
    bool more = !qv__parser_at_sign(p, end);

    while (more) {
        QV_TRY(qv__parse_expr(p, 0, &item));
        QV_TRY(qv__syntax_list_add(p, list, item));
        QV_TRY(qv__parser_accept_sign(p, ",", &more));
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ the door */

static qv_status check_text(const char *sql, size_t len, qv_error *err)
{
    if (len > QV_SQL_MAX_BYTES)
        return qv__fail(err, QV_INVALID, "sql parser error: the expression has %zu bytes; at most %d are allowed", len,
                        QV_SQL_MAX_BYTES);
    if (!qv__utf8_valid((const uint8_t *) sql, len)) {
        size_t good = 0, past = len; /* the longest valid beginning ends before the broken character */

        while (past - good > 1) {
            size_t middle = good + (past - good) / 2, cut = middle;

            while (cut > good && ((uint8_t) sql[cut] & 0xc0) == 0x80)
                cut--;
            if (qv__utf8_valid((const uint8_t *) sql, cut))
                good = middle;
            else
                past = middle;
        }
        return qv__sql_fail(err, sql, (uint32_t) good, "invalid UTF-8, byte 0x%02x", (unsigned) (uint8_t) sql[good]);
    }
    return QV_OK;
}

qv_status qv__sql_parse(const char *sql, qv__parsed *out, qv_error *err)
{
    qv__parser p = { .parsed = out, .err = err };
    size_t len = strlen(sql);

    *out = (qv__parsed){ 0 };
    qv__arena_init(&out->arena, (size_t) 1 << 31);
    QV_TRY(check_text(sql, len, err));
    p.lexer = (qv__lexer){ .sql = sql, .len = (uint32_t) len, .arena = &out->arena };
    QV_TRY(qv__parser_advance(&p));
    QV_TRY(qv__parse_expr(&p, 0, &out->root));
    return p.token.kind == QV_TOKEN_END ? QV_OK : qv__parser_expected(&p, "end of statement");
}

void qv__parsed_free(qv__parsed *parsed)
{
    for (size_t k = 0; k < parsed->n_types; k++)
        qv__type_unref(parsed->types[k]);
    qv__free(parsed->types);
    qv__arena_reset(&parsed->arena);
    *parsed = (qv__parsed){ 0 };
}
