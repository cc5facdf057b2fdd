/* Functions that SQL writes with words between their arguments; they become ordinary calls. */
#include <string.h>
#include <strings.h>

#include "expr/parse_private.h"

enum { PREC_COMPARE = 20 };

/* extract(year from x) -> date_part('year', x) */
static qv_status parse_extract(qv__parser *p, uint32_t at, qv__syntax **out)
{
    qv__syntax *args[2];

    if (p->token.kind != QV_TOKEN_WORD && p->token.kind != QV_TOKEN_STRING)
        return qv__parser_expected(p, "a part of the date");
    QV_TRY(qv__syntax_new(p, QV_SYNTAX_STRING, p->token.at, NULL, 0, &args[0]));
    args[0]->text = p->token.text;
    args[0]->len = p->token.len;
    QV_TRY(qv__parser_advance(p));
    QV_TRY(qv__parser_need_word(p, "FROM"));
    QV_TRY(qv__parse_expr(p, 0, &args[1]));
    return qv__syntax_call(p, "date_part", at, args, 2, out);
}

/* substring(x from a [for b]), or with commas */
static qv_status parse_substring(qv__parser *p, uint32_t at, qv__syntax **out)
{
    qv__syntax *args[3];
    size_t n = 1;
    bool found, comma;

    QV_TRY(qv__parse_expr(p, 0, &args[0]));
    for (; n < 3; n++) {
        QV_TRY(qv__parser_accept_sign(p, ",", &comma));
        found = comma;
        if (!comma)
            QV_TRY(qv__parser_accept_word(p, n == 1 ? "FROM" : "FOR", &found));
        if (!found)
            break;
        QV_TRY(qv__parse_expr(p, 0, &args[n]));
    }
    return qv__syntax_call(p, "substr", at, args, n, out);
}

/* position(a in b) -> strpos(b, a) */
static qv_status parse_position(qv__parser *p, uint32_t at, qv__syntax **out)
{
    qv__syntax *args[2];

    QV_TRY(qv__parse_expr(p, PREC_COMPARE, &args[1]));
    QV_TRY(qv__parser_need_word(p, "IN"));
    QV_TRY(qv__parse_expr(p, 0, &args[0]));
    return qv__syntax_call(p, "strpos", at, args, 2, out);
}

/* trim([both | leading | trailing] [characters from] x), trim(x [, characters]) */
static qv_status parse_trim(qv__parser *p, uint32_t at, qv__syntax **out)
{
    const char *name = "btrim";
    qv__syntax *args[2], *first;
    size_t n = 1;
    bool found;

    QV_TRY(qv__parser_accept_word(p, "BOTH", &found));
    QV_TRY(qv__parser_accept_word(p, "LEADING", &found));
    if (found)
        name = "ltrim";
    QV_TRY(qv__parser_accept_word(p, "TRAILING", &found));
    if (found)
        name = "rtrim";
    QV_TRY(qv__parser_accept_word(p, "FROM", &found));
    QV_TRY(qv__parse_expr(p, 0, &args[0]));
    QV_TRY(qv__parser_accept_word(p, "FROM", &found));
    if (found) {
        first = args[0];
        QV_TRY(qv__parse_expr(p, 0, &args[0]));
        args[1] = first;
        n = 2;
    } else {
        QV_TRY(qv__parser_accept_sign(p, ",", &found));
        if (found)
            QV_TRY(qv__parse_expr(p, 0, &args[n++]));
    }
    return qv__syntax_call(p, name, at, args, n, out);
}

/* overlay(x placing y from a [for b]), or with commas */
static qv_status parse_overlay(qv__parser *p, uint32_t at, qv__syntax **out)
{
    static const char *const words[] = { NULL, "PLACING", "FROM", "FOR" };
    qv__syntax *args[4];
    size_t n = 1;
    bool found;

    QV_TRY(qv__parse_expr(p, 0, &args[0]));
    for (; n < 4; n++) {
        QV_TRY(qv__parser_accept_sign(p, ",", &found));
        if (!found)
            QV_TRY(qv__parser_accept_word(p, words[n], &found));
        if (!found)
            break;
        QV_TRY(qv__parse_expr(p, 0, &args[n]));
    }
    return qv__syntax_call(p, "overlay", at, args, n, out);
}

qv_status qv__parse_special_call(qv__parser *p, const qv__token *name, qv__syntax **out)
{
    static const struct {
        const char *name;
        qv_status (*parse)(qv__parser *, uint32_t, qv__syntax **);
    } calls[] = {
        { "extract", parse_extract },   { "substring", parse_substring }, { "substr", parse_substring },
        { "position", parse_position }, { "trim", parse_trim },           { "overlay", parse_overlay },
    };

    *out = NULL;
    for (size_t k = 0; k < QV_COUNT_OF(calls); k++)
        if (name->kind == QV_TOKEN_WORD && name->len == strlen(calls[k].name) &&
            strncasecmp(name->text, calls[k].name, name->len) == 0) {
            QV_TRY(calls[k].parse(p, name->at, out));
            return qv__parser_need_sign(p, ")");
        }
    return QV_OK;
}
