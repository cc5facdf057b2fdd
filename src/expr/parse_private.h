/* Shared by the parser's files. */
#ifndef QV_EXPR_PARSE_PRIVATE_H
#define QV_EXPR_PARSE_PRIVATE_H

#include "expr/expr.h"
#include "expr/syntax.h"

typedef struct qv__syntax_list {
    qv__syntax **items;
    size_t n, capacity;
} qv__syntax_list;

qv_status qv__syntax_new(qv__parser *p, qv__syntax_kind kind, uint32_t at, qv__syntax *const *args, size_t n,
                         qv__syntax **out);
/* `name` outlives the parser: a constant. */
qv_status qv__syntax_call(qv__parser *p, const char *name, uint32_t at, qv__syntax *const *args, size_t n,
                          qv__syntax **out);
qv_status qv__syntax_list_add(qv__parser *p, qv__syntax_list *list, qv__syntax *item);

/* An expression of operators that bind tighter than `precedence`. */
qv_status qv__parse_expr(qv__parser *p, int precedence, qv__syntax **out);
/* Something that an operator may follow: a literal, a name, a call, ( .. ), NOT x, -x. */
qv_status qv__parse_operand(qv__parser *p, qv__syntax **out);
/* a, b, c up to the sign `end`, which stays; may be empty. */
qv_status qv__parse_list(qv__parser *p, const char *end, qv__syntax_list *list);
/* extract(..), substring(.. from ..), trim(..), position(.. in ..), overlay(.. placing ..): *out NULL when `name` is none of them. The
 * parenthesis has been taken. */
qv_status qv__parse_special_call(qv__parser *p, const qv__token *name, qv__syntax **out);

#endif
