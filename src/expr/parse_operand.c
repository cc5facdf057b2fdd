/* What stands between operators: literals, names, calls, parentheses, CASE, CAST. */
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "expr/interval.h"
#include "expr/parse_private.h"

enum { PREC_NOT = 15, PREC_SIGN = 40 };

static bool token_is(const qv__token *token, const char *word)
{
    return token->len == strlen(word) && strncasecmp(token->text, word, token->len) == 0;
}

static qv_status leaf(qv__parser *p, qv__syntax_kind kind, const qv__token *token, qv__syntax **out)
{
    QV_TRY(qv__syntax_new(p, kind, token->at, NULL, 0, out));
    (*out)->text = token->text;
    (*out)->len = token->len;
    (*out)->quoted = token->kind == QV_TOKEN_QUOTED;
    return QV_OK;
}

static int hex_digit(char c) { return c >= 'a' ? c - 'a' + 10 : c >= 'A' ? c - 'A' + 10 : c - '0'; }

static qv_status parse_hex(qv__parser *p, qv__syntax **out)
{
    qv__token token = p->token;
    uint32_t odd = token.len & 1;
    char *bytes = qv__arena_alloc(&p->parsed->arena, token.len / 2 + 1, 1);

    if (!bytes)
        return qv__fail_nomem(p->err, token.len / 2);
    for (uint32_t i = 0; i < token.len; i++) {
        char c = token.text[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
            return qv__sql_fail(p->err, p->lexer.sql, token.at, "Invalid hexadecimal digit '%c' in X'..'", c);
        bytes[(i + odd) / 2] = (char) ((uint8_t) bytes[(i + odd) / 2] << 4 | hex_digit(c));
    }
    token.text = bytes;
    token.len = token.len / 2 + odd;
    QV_TRY(qv__parser_advance(p));
    return leaf(p, QV_SYNTAX_BYTES, &token, out);
}

/* CAST(x AS type), TRY_CAST(x AS type); the word has been taken. */
static qv_status parse_cast(qv__parser *p, uint32_t at, bool is_try, qv__syntax **out)
{
    qv__syntax *value;
    qv__type *type;

    QV_TRY(qv__parser_need_sign(p, "("));
    QV_TRY(qv__parse_expr(p, 0, &value));
    QV_TRY(qv__parser_need_word(p, "AS"));
    QV_TRY(qv__parse_type(p, &type));
    QV_TRY(qv__parser_need_sign(p, ")"));
    QV_TRY(qv__syntax_new(p, QV_SYNTAX_CAST, at, &value, 1, out));
    (*out)->type = type;
    (*out)->flag = is_try;
    return QV_OK;
}

static qv_status parse_case_arms(qv__parser *p, qv__syntax_list *list)
{
    qv__syntax *part;
    bool more;

    if (!qv__parser_at_word(p, "WHEN"))
        return qv__parser_expected(p, "WHEN");
    for (;;) {
        QV_TRY(qv__parser_accept_word(p, "WHEN", &more));
        if (!more)
            break;
        QV_TRY(qv__parse_expr(p, 0, &part));
        QV_TRY(qv__syntax_list_add(p, list, part));
        QV_TRY(qv__parser_need_word(p, "THEN"));
        QV_TRY(qv__parse_expr(p, 0, &part));
        QV_TRY(qv__syntax_list_add(p, list, part));
    }
    QV_TRY(qv__parser_accept_word(p, "ELSE", &more));
    if (more) {
        QV_TRY(qv__parse_expr(p, 0, &part));
        QV_TRY(qv__syntax_list_add(p, list, part));
    }
    return qv__parser_need_word(p, "END");
}

static qv_status parse_case(qv__parser *p, uint32_t at, qv__syntax **out)
{
    qv_status st = QV_OK;
    qv__syntax_list list = { 0 };
    qv__syntax *operand;
    bool simple = !qv__parser_at_word(p, "WHEN");

    if (simple) {
        QV_CHECK(qv__parse_expr(p, 0, &operand));
        QV_CHECK(qv__syntax_list_add(p, &list, operand));
    }
    QV_CHECK(parse_case_arms(p, &list));
    QV_CHECK(qv__syntax_new(p, QV_SYNTAX_CASE, at, list.items, list.n, out));
    (*out)->flag = simple;
done:
    qv__free(list.items);
    return st;
}

/* [a, b], the bracket not yet taken. */
static qv_status parse_array(qv__parser *p, uint32_t at, qv__syntax **out)
{
    qv_status st = QV_OK;
    qv__syntax_list list = { 0 };

    QV_CHECK(qv__parser_need_sign(p, "["));
    QV_CHECK(qv__parse_list(p, "]", &list));
    QV_CHECK(qv__parser_need_sign(p, "]"));
    QV_CHECK(qv__syntax_call(p, "make_array", at, list.items, list.n, out));
done:
    qv__free(list.items);
    return st;
}

/* {'a': x, 'b': y} */
static qv_status parse_struct(qv__parser *p, uint32_t at, qv__syntax **out)
{
    qv_status st = QV_OK;
    qv__syntax_list list = { 0 };
    bool more = true;

    QV_CHECK(qv__parser_need_sign(p, "{"));
    while (more) {
        qv__syntax *name, *value;

        if (p->token.kind != QV_TOKEN_STRING && p->token.kind != QV_TOKEN_WORD && p->token.kind != QV_TOKEN_QUOTED)
            QV_CHECK(qv__parser_expected(p, "a field's name"));
        QV_CHECK(leaf(p, QV_SYNTAX_STRING, &p->token, &name));
        QV_CHECK(qv__parser_advance(p));
        QV_CHECK(qv__parser_need_sign(p, ":"));
        QV_CHECK(qv__parse_expr(p, 0, &value));
        QV_CHECK(qv__syntax_list_add(p, &list, name));
        QV_CHECK(qv__syntax_list_add(p, &list, value));
        QV_CHECK(qv__parser_accept_sign(p, ",", &more));
    }
    QV_CHECK(qv__parser_need_sign(p, "}"));
    QV_CHECK(qv__syntax_call(p, "named_struct", at, list.items, list.n, out));
done:
    qv__free(list.items);
    return st;
}

/* name(..); the parenthesis not yet taken. */
static qv_status parse_call(qv__parser *p, const qv__token *name, qv__syntax **out)
{
    qv_status st = QV_OK;
    qv__syntax_list list = { 0 };

    QV_CHECK(qv__parser_need_sign(p, "("));
    QV_CHECK(qv__parse_special_call(p, name, out));
    if (!*out) {
        QV_CHECK(qv__parse_list(p, ")", &list));
        QV_CHECK(qv__parser_need_sign(p, ")"));
        QV_CHECK(qv__syntax_new(p, QV_SYNTAX_CALL, name->at, list.items, list.n, out));
        (*out)->text = name->text;
        (*out)->len = name->len;
    }
done:
    qv__free(list.items);
    return st;
}

/* INTERVAL '1 day', INTERVAL '1' DAY, INTERVAL 1 DAY; the word has been taken. */
static qv_status parse_interval(qv__parser *p, uint32_t at, qv__syntax **out)
{
    qv__token amount = p->token, unit;
    char *text;

    QV_TRY(qv__parser_advance(p));
    unit = p->token;
    if (unit.kind != QV_TOKEN_WORD || !qv__interval_unit(unit.text, unit.len)) {
        if (amount.kind == QV_TOKEN_NUMBER)
            return qv__parser_expected(p, "a unit of the interval");
        unit.len = 0;
    } else {
        QV_TRY(qv__parser_advance(p));
    }
    text = qv__arena_alloc(&p->parsed->arena, (size_t) amount.len + unit.len + 2, 1);
    if (!text)
        return qv__fail_nomem(p->err, amount.len);
    memcpy(text, amount.text, amount.len);
    text[amount.len] = ' ';
    memcpy(text + amount.len + 1, unit.text, unit.len);
    amount.text = text;
    amount.at = at;
    amount.len += unit.len ? 1 + unit.len : 0;
    return leaf(p, QV_SYNTAX_INTERVAL, &amount, out);
}

/* DATE '..', TIME '..', TIMESTAMP '..': a cast of the string. */
static qv_status parse_typed(qv__parser *p, const qv__token *word, qv__syntax **out)
{
    qv__syntax *text;
    qv__type *type;
    qv__type_id id = token_is(word, "DATE")   ? QV_TYPE_DATE32
                     : token_is(word, "TIME") ? QV_TYPE_TIME64
                                              : QV_TYPE_TIMESTAMP;

    QV_TRY(leaf(p, QV_SYNTAX_STRING, &p->token, &text));
    QV_TRY(qv__parser_advance(p));
    QV_TRY(qv__parsed_type_new(p->parsed, id, &type, p->err));
    type->unit = QV_UNIT_NS;
    QV_TRY(qv__syntax_new(p, QV_SYNTAX_CAST, word->at, &text, 1, out));
    (*out)->type = type;
    return QV_OK;
}

/* A word that begins an operand; it has been taken. *out NULL: an ordinary name. */
static qv_status parse_keyword(qv__parser *p, const qv__token *word, qv__syntax **out)
{
    bool is_string = p->token.kind == QV_TOKEN_STRING;
    qv__syntax *arg;

    *out = NULL;
    if (token_is(word, "NULL"))
        return leaf(p, QV_SYNTAX_NULL, word, out);
    if (token_is(word, "TRUE") || token_is(word, "FALSE")) {
        QV_TRY(leaf(p, QV_SYNTAX_BOOL, word, out));
        (*out)->flag = token_is(word, "TRUE");
        return QV_OK;
    }
    if (token_is(word, "NOT")) {
        QV_TRY(qv__parse_expr(p, PREC_NOT, &arg));
        return qv__syntax_new(p, QV_SYNTAX_NOT, word->at, &arg, 1, out);
    }
    if (token_is(word, "CASE"))
        return parse_case(p, word->at, out);
    if ((token_is(word, "CAST") || token_is(word, "TRY_CAST")) && qv__parser_at_sign(p, "("))
        return parse_cast(p, word->at, token_is(word, "TRY_CAST"), out);
    if (is_string && (token_is(word, "DATE") || token_is(word, "TIME") || token_is(word, "TIMESTAMP")))
        return parse_typed(p, word, out);
    if (token_is(word, "INTERVAL") && (is_string || p->token.kind == QV_TOKEN_NUMBER))
        return parse_interval(p, word->at, out);
    if (token_is(word, "ARRAY") && qv__parser_at_sign(p, "["))
        return parse_array(p, word->at, out);
    if (qv__parser_at_sign(p, "("))
        return QV_OK;
    if (token_is(word, "CURRENT_DATE"))
        return qv__syntax_call(p, "current_date", word->at, NULL, 0, out);
    if (token_is(word, "CURRENT_TIME"))
        return qv__syntax_call(p, "current_time", word->at, NULL, 0, out);
    if (token_is(word, "CURRENT_TIMESTAMP"))
        return qv__syntax_call(p, "now", word->at, NULL, 0, out);
    return QV_OK;
}

/* Words that cannot be a name where an operand is expected. */
static bool is_reserved(const qv__token *word)
{
    static const char *const words[] = { "AND",     "OR",    "IN",     "IS",    "LIKE",  "ILIKE",  "BETWEEN",
                                         "SIMILAR", "WHEN",  "THEN",   "ELSE",  "END",   "AS",     "FROM",
                                         "WHERE",   "GROUP", "HAVING", "ORDER", "UNION", "SELECT", "EXISTS" };

    for (size_t k = 0; k < QV_COUNT_OF(words); k++)
        if (token_is(word, words[k]))
            return true;
    return false;
}

static qv_status parse_word(qv__parser *p, qv__syntax **out)
{
    qv__token word = p->token;

    if (word.kind == QV_TOKEN_WORD && is_reserved(&word))
        return qv__parser_expected(p, "an expression");
    QV_TRY(qv__parser_advance(p));
    *out = NULL;
    if (word.kind == QV_TOKEN_WORD)
        QV_TRY(parse_keyword(p, &word, out));
    if (*out)
        return QV_OK;
    if (qv__parser_at_sign(p, "("))
        return parse_call(p, &word, out);
    return leaf(p, QV_SYNTAX_NAME, &word, out);
}

/* -5 is a literal, so that the least integer can be written; -x is an operation. */
static qv_status parse_minus(qv__parser *p, qv__syntax **out)
{
    uint32_t at = p->token.at;
    qv__syntax *arg;

    QV_TRY(qv__parser_advance(p));
    if (p->token.kind == QV_TOKEN_NUMBER) {
        QV_TRY(leaf(p, QV_SYNTAX_NUMBER, &p->token, out));
        (*out)->flag = true;
        (*out)->at = at;
        return qv__parser_advance(p);
    }
    QV_TRY(qv__parse_expr(p, PREC_SIGN, &arg));
    return qv__syntax_new(p, QV_SYNTAX_NEGATE, at, &arg, 1, out);
}

qv_status qv__parse_operand(qv__parser *p, qv__syntax **out)
{
    qv__syntax_kind kind = p->token.kind == QV_TOKEN_NUMBER ? QV_SYNTAX_NUMBER : QV_SYNTAX_STRING;

    switch (p->token.kind) {
    case QV_TOKEN_WORD:
    case QV_TOKEN_QUOTED:
        return parse_word(p, out);
    case QV_TOKEN_NUMBER:
    case QV_TOKEN_STRING:
        QV_TRY(leaf(p, kind, &p->token, out));
        return qv__parser_advance(p);
    case QV_TOKEN_HEX:
        return parse_hex(p, out);
    default:
        break;
    }
    if (qv__parser_at_sign(p, "(")) {
        QV_TRY(qv__parser_advance(p));
        QV_TRY(qv__parse_expr(p, 0, out));
        return qv__parser_need_sign(p, ")");
    }
    if (qv__parser_at_sign(p, "-"))
        return parse_minus(p, out);
    if (qv__parser_at_sign(p, "+")) {
        QV_TRY(qv__parser_advance(p));
        return qv__parse_expr(p, PREC_SIGN, out);
    }
    if (qv__parser_at_sign(p, "["))
        return parse_array(p, p->token.at, out);
    if (qv__parser_at_sign(p, "{"))
        return parse_struct(p, p->token.at, out);
    return qv__parser_expected(p, "an expression");
}
