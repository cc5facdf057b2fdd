/* SQL text to words, one at a time. Comments are space. Text inside quotes is copied only when it holds escapes. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "expr/syntax.h"

void qv__sql_place(const char *sql, uint32_t at, unsigned *line, unsigned *column)
{
    *line = 1;
    *column = 1;
    for (uint32_t i = 0; i < at && sql[i]; i++)
        if (sql[i] == '\n') {
            ++*line;
            *column = 1;
        } else if (((uint8_t) sql[i] & 0xc0) != 0x80) {
            ++*column;
        }
}

qv_status qv__sql_fail(qv_error *err, const char *sql, uint32_t at, const char *format, ...)
{
    char text[400];
    unsigned line, column;
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    qv__sql_place(sql, at, &line, &column);
    return qv__fail(err, QV_INVALID, "sql parser error: %s at Line: %u, Column: %u", text, line, column);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
static bool starts_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (uint8_t) c >= 0x80;
}
static bool in_word(char c) { return starts_word(c) || is_digit(c) || c == '$'; }

/* Byte `ahead` of the place, 0 past the end. */
static char peek(const qv__lexer *l, uint32_t ahead) { return l->at + ahead < l->len ? l->sql[l->at + ahead] : 0; }

static qv_status skip_block_comment(qv__lexer *l, qv_error *err)
{
    unsigned depth = 0;

    do {
        if (l->at >= l->len)
            return qv__sql_fail(err, l->sql, l->at, "Unexpected EOF while in a multi-line comment");
        if (peek(l, 0) == '/' && peek(l, 1) == '*') {
            depth++;
            l->at += 2;
        } else if (peek(l, 0) == '*' && peek(l, 1) == '/') {
            depth--;
            l->at += 2;
        } else {
            l->at++;
        }
    } while (depth);
    return QV_OK;
}

static qv_status skip_space(qv__lexer *l, qv_error *err)
{
    for (;;) {
        char c = peek(l, 0);

        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v') {
            l->at++;
        } else if (c == '-' && peek(l, 1) == '-') {
            while (l->at < l->len && l->sql[l->at] != '\n')
                l->at++;
        } else if (c == '/' && peek(l, 1) == '*') {
            QV_TRY(skip_block_comment(l, err));
        } else {
            return QV_OK;
        }
    }
}

/* What a backslash and `c` stand for in E'..'. */
static char unescape(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    default:
        return c;
    }
}

/* The text between `quote`s; a doubled quote is one. `backslash`: escapes count. */
static qv_status quoted(qv__lexer *l, char quote, bool backslash, const char *what, qv__token *out, qv_error *err)
{
    uint32_t start = ++l->at, n = 0, escapes = 0, end = start;
    char *copy;

    for (;; end++) {
        if (end >= l->len)
            return qv__sql_fail(err, l->sql, out->at, "Unterminated %s", what);
        if (l->sql[end] == quote && (end + 1 >= l->len || l->sql[end + 1] != quote))
            break;
        if (l->sql[end] == quote || (backslash && l->sql[end] == '\\' && end + 1 < l->len)) {
            escapes++;
            end++;
        }
    }
    l->at = end + 1;
    out->text = l->sql + start;
    out->len = end - start;
    if (!escapes)
        return QV_OK;
    copy = qv__arena_alloc(l->arena, end - start, 1);
    if (!copy)
        return qv__fail_nomem(err, end - start);
    for (uint32_t i = start; i < end; i++) {
        if (backslash && l->sql[i] == '\\')
            copy[n++] = unescape(l->sql[++i]);
        else
            copy[n++] = l->sql[i] == quote ? l->sql[i++] : l->sql[i];
    }
    out->text = copy;
    out->len = n;
    return QV_OK;
}

/* 12, 1.5, .5, 1e-3, 0x1f */
static void number(qv__lexer *l)
{
    if (peek(l, 0) == '0' && (peek(l, 1) == 'x' || peek(l, 1) == 'X') && is_hex(peek(l, 2))) {
        l->at += 2;
        while (is_hex(peek(l, 0)))
            l->at++;
        return;
    }
    while (is_digit(peek(l, 0)))
        l->at++;
    if (peek(l, 0) == '.') {
        l->at++;
        while (is_digit(peek(l, 0)))
            l->at++;
    }
    if (peek(l, 0) == 'e' || peek(l, 0) == 'E') {
        uint32_t sign = peek(l, 1) == '+' || peek(l, 1) == '-';
        if (is_digit(peek(l, 1 + sign))) {
            l->at += 1 + sign;
            while (is_digit(peek(l, 0)))
                l->at++;
        }
    }
}

static qv_status sign(qv__lexer *l, qv__token *out, qv_error *err)
{
    static const char *const signs[] = { "!~~*", "<=>", "!~*", "!~~", "~~*", "::", "||", "<=", ">=", "<>",
                                         "!=",   "==",  "!~",  "~*",  "~~",  "&&", "@>", "<@", "=>" };
    uint32_t left = l->len - l->at;

    for (size_t k = 0; k < QV_COUNT_OF(signs); k++) {
        uint32_t n = (uint32_t) strlen(signs[k]);
        if (n <= left && memcmp(l->sql + l->at, signs[k], n) == 0) {
            l->at += n;
            return QV_OK;
        }
    }
    if (!strchr("()[]{},.;:+-*/%&|^~=<>!?@#$\\", l->sql[l->at]))
        return qv__sql_fail(err, l->sql, l->at, "Unexpected character 0x%02x", (unsigned) (uint8_t) l->sql[l->at]);
    l->at++;
    QV_UNUSED(out);
    return QV_OK;
}

qv_status qv__lexer_next(qv__lexer *l, qv__token *out, qv_error *err)
{
    char c;

    QV_TRY(skip_space(l, err));
    *out = (qv__token){ .kind = QV_TOKEN_END, .at = l->at, .end = l->at, .text = "EOF", .len = 3 };
    if (l->at >= l->len)
        return QV_OK;
    c = peek(l, 0);
    if (c == '\'') {
        out->kind = QV_TOKEN_STRING;
        QV_TRY(quoted(l, '\'', false, "string literal", out, err));
    } else if ((c == 'x' || c == 'X') && peek(l, 1) == '\'') {
        out->kind = QV_TOKEN_HEX;
        l->at++;
        QV_TRY(quoted(l, '\'', false, "hexadecimal literal", out, err));
    } else if ((c == 'e' || c == 'E') && peek(l, 1) == '\'') {
        out->kind = QV_TOKEN_STRING;
        l->at++;
        QV_TRY(quoted(l, '\'', true, "string literal", out, err));
    } else if (c == '"' || c == '`') {
        out->kind = QV_TOKEN_QUOTED;
        QV_TRY(quoted(l, c, false, "quoted name", out, err));
    } else {
        if (starts_word(c)) {
            out->kind = QV_TOKEN_WORD;
            while (in_word(peek(l, 0)))
                l->at++;
        } else if (is_digit(c) || (c == '.' && is_digit(peek(l, 1)))) {
            out->kind = QV_TOKEN_NUMBER;
            number(l);
        } else {
            out->kind = QV_TOKEN_SIGN;
            QV_TRY(sign(l, out, err));
        }
        out->text = l->sql + out->at;
        out->len = l->at - out->at;
    }
    out->end = l->at;
    return QV_OK;
}
