/* What was written becomes what is meant: one function per kind of syntax. Types are settled in bind_types.c, names in bind_name.c. */
#include "expr/bind_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arrow/builder.h"
#include "base/alloc.h"

qv_status qv__bind_fail(qv__binder *b, uint32_t at, const char *format, ...)
{
    char text[400];
    unsigned line, column;
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    qv__sql_place(b->sql, at, &line, &column);
    return qv__fail(b->err, QV_INVALID, "Error during planning: %s at Line: %u, Column: %u", text, line, column);
}

/* ------------------------------------------------------------------ literals */

static qv_status literal_of(qv__binder *b, qv__type_id id, const void *value, size_t len, uint32_t at, qv__expr **out)
{
    qv_status st = QV_OK;
    qv__type *type = NULL;
    qv__builder *builder = NULL;
    qv__array *array;
    bool text = id == QV_TYPE_UTF8 || id == QV_TYPE_BINARY;

    QV_CHECK(qv__type_new(id, &type, b->err));
    QV_CHECK(qv__builder_new(type, &builder, b->err));
    if (!value)
        QV_CHECK(qv__builder_append_null(builder, b->err));
    else if (id == QV_TYPE_BOOL)
        QV_CHECK(qv__builder_append_bool(builder, *(const bool *) value, b->err));
    else if (text)
        QV_CHECK(qv__builder_append_bytes(builder, value, len, b->err));
    else
        QV_CHECK(qv__builder_append_fixed(builder, value, b->err));
    QV_CHECK(qv__builder_finish(builder, &array, b->err));
    QV_CHECK(qv__literal_new(b->tree, array, at, out, b->err));
done:
    qv__builder_free(builder);
    qv__type_unref(type);
    return st;
}

qv_status qv__text_literal(qv__binder *b, const void *text, size_t len, qv__type_id id, uint32_t at, qv__expr **out)
{
    return literal_of(b, id, text, len, at, out);
}

/* Integers are int64, uint64 past it, else float64; anything with a point or exponent is float64. */
static qv_status bind_number(qv__binder *b, const qv__syntax *s, qv__expr **out)
{
    bool minus = s->flag, negative, fits = false;
    uint64_t magnitude = 0;
    double real;

    if (s->len > 2 && (s->text[1] == 'x' || s->text[1] == 'X')) {
        fits = s->len <= 18;
        for (uint32_t i = 2; i < s->len && fits; i++)
            magnitude =
                magnitude << 4 | (uint64_t) (s->text[i] <= '9' ? s->text[i] - '0' : (s->text[i] | 32) - 'a' + 10);
        if (!fits)
            return qv__bind_fail(b, s->at, "hexadecimal number %.*s has more than 64 bits", (int) QV_MIN(s->len, 60),
                                 s->text);
    } else {
        fits = qv__int_parse(s->text, s->len, &negative, &magnitude);
    }
    if (fits && magnitude <= (uint64_t) INT64_MAX + minus) {
        magnitude = minus ? 0 - magnitude : magnitude;
        return literal_of(b, QV_TYPE_INT64, &magnitude, 0, s->at, out);
    }
    if (fits && !minus)
        return literal_of(b, QV_TYPE_UINT64, &magnitude, 0, s->at, out);
    if (!qv__float_parse(s->text, s->len, false, &real))
        return qv__bind_fail(b, s->at, "%.*s is not a number", (int) QV_MIN(s->len, 60), s->text);
    if (minus)
        real = -real;
    return literal_of(b, QV_TYPE_FLOAT64, &real, 0, s->at, out);
}

static qv_status bind_interval(qv__binder *b, const qv__syntax *s, qv__expr **out)
{
    qv_status st = QV_OK;
    qv__interval interval;
    qv__type *type = NULL;
    qv__builder *builder = NULL;
    qv__array *array;

    if (!qv__interval_parse(s->text, s->len, &interval))
        return qv__bind_fail(b, s->at, "Invalid input syntax for type interval: \"%.*s\"", (int) QV_MIN(s->len, 60),
                             s->text);
    QV_CHECK(qv__interval_type(&type, b->err));
    QV_CHECK(qv__builder_new(type, &builder, b->err));
    QV_CHECK(qv__builder_append_fixed(qv__builder_child(builder, 0), &interval.months, b->err));
    QV_CHECK(qv__builder_append_fixed(qv__builder_child(builder, 1), &interval.days, b->err));
    QV_CHECK(qv__builder_append_fixed(qv__builder_child(builder, 2), &interval.nanoseconds, b->err));
    QV_CHECK(qv__builder_append_nested(builder, b->err));
    QV_CHECK(qv__builder_finish(builder, &array, b->err));
    QV_CHECK(qv__literal_new(b->tree, array, s->at, out, b->err));
done:
    qv__builder_free(builder);
    qv__type_unref(type);
    return st;
}

/* ------------------------------------------------------------------ conditions */

/* `expr` as a boolean; NULL is one. */
static qv_status bind_condition(qv__binder *b, const qv__syntax *s, const char *what, qv__expr **out)
{
    char name[96];
    qv__type *type;
    qv_status st;

    QV_TRY(qv__bind(b, s, out));
    if ((*out)->type->id == QV_TYPE_BOOL)
        return QV_OK;
    if ((*out)->type->id != QV_TYPE_NULL)
        return qv__bind_fail(b, (*out)->at, "%s requires a boolean expression, got %s", what,
                             qv__type_print_sql((*out)->type, name, sizeof name));
    QV_TRY(qv__type_new(QV_TYPE_BOOL, &type, b->err));
    st = qv__bind_cast(b, *out, type, out);
    qv__type_unref(type);
    return st;
}

static qv_status bind_logic(qv__binder *b, const qv__syntax *s, qv__expr **out)
{
    qv_status st = QV_OK;
    bool is_and = s->kind == QV_SYNTAX_AND;
    qv__expr **args = NULL;

    QV_TRY(QV_NEW(&args, s->n_args, b->err));
    for (uint32_t k = 0; k < s->n_args; k++)
        QV_CHECK(bind_condition(b, s->args[k], is_and ? "AND" : "OR", &args[k]));
    QV_CHECK(qv__bind_chain(b, is_and ? QV_EXPR_AND : QV_EXPR_OR, args, s->n_args, s->at, out));
done:
    qv__free(args);
    return st;
}

static qv_status negate_if(qv__binder *b, const qv__syntax *s, qv__expr *expr, qv__expr **out)
{
    if (s->negated)
        return qv__bind_not(b, expr, s->at, out);
    *out = expr;
    return QV_OK;
}

static qv_status bind_is(qv__binder *b, const qv__syntax *s, qv__expr **out)
{
    qv_status st = QV_OK;
    qv__type *boolean = NULL;
    qv__expr *arg;

    if (s->op == QV_IS_NULL)
        QV_TRY(qv__bind(b, s->args[0], &arg));
    else
        QV_TRY(bind_condition(b, s->args[0], "IS", &arg));
    QV_TRY(qv__type_new(QV_TYPE_BOOL, &boolean, b->err));
    QV_CHECK(qv__node_new(b->tree, QV_EXPR_IS, boolean, s->at, 1, out, b->err));
    (*out)->args[0] = arg;
    (*out)->is.what = (qv__is) s->op;
    (*out)->is.negated = s->negated;
    QV_CHECK(qv__node_finish(*out, b->err));
    QV_CHECK(qv__bind_fold(b, *out, out));
done:
    qv__type_unref(boolean);
    return st;
}

static qv_status bind_between(qv__binder *b, const qv__syntax *s, qv__expr **out)
{
    qv__expr *value, *low, *high, *both[2];

    QV_TRY(qv__bind(b, s->args[0], &value));
    QV_TRY(qv__bind(b, s->args[1], &low));
    QV_TRY(qv__bind(b, s->args[2], &high));
    QV_TRY(qv__bind_compare(b, QV_GE, value, low, s->at, &both[0]));
    QV_TRY(qv__bind_compare(b, QV_LE, value, high, s->at, &both[1]));
    QV_TRY(qv__bind_chain(b, QV_EXPR_AND, both, 2, s->at, out));
    return negate_if(b, s, *out, out);
}

/* ------------------------------------------------------------------ patterns */

/* Two texts of one type; NULL counts as one. */
static qv_status bind_texts(qv__binder *b, const qv__syntax *s, const char *what, qv__expr **args)
{
    qv_status st = QV_OK;
    char left[96], right[96];
    qv__type *type = NULL;

    for (size_t k = 0; k < 2; k++) {
        QV_CHECK(qv__bind(b, s->args[k], &args[k]));
        QV_CHECK(qv__bind_plain(b, args[k], false, &args[k]));
    }
    for (size_t k = 0; k < 2; k++) {
        qv__type_id id = args[k]->type->id;

        if (id != QV_TYPE_UTF8 && id != QV_TYPE_LARGE_UTF8 && id != QV_TYPE_NULL)
            QV_CHECK(qv__bind_fail(b, s->at, "There isn't a common type to coerce %s and %s in %s expression",
                                   qv__type_print_sql(args[0]->type, left, sizeof left),
                                   qv__type_print_sql(args[1]->type, right, sizeof right), what));
    }
    QV_CHECK(qv__type_new(args[0]->type->id == QV_TYPE_LARGE_UTF8 || args[1]->type->id == QV_TYPE_LARGE_UTF8
                              ? QV_TYPE_LARGE_UTF8
                              : QV_TYPE_UTF8,
                          &type, b->err));
    for (size_t k = 0; k < 2; k++)
        QV_CHECK(qv__bind_cast(b, args[k], type, &args[k]));
done:
    qv__type_unref(type);
    return st;
}

static bool is_ascii_literal(const qv__expr *expr)
{
    size_t len;
    const uint8_t *text;

    if (!qv__is_literal(expr) || qv__is_null_literal(expr))
        return true;
    text = qv__array_string(expr->literal, 0, &len);
    for (size_t i = 0; i < len; i++)
        if (text[i] >= 0x80)
            return false;
    return true;
}

/* regexp_like(text, pattern [, flags]) */
static qv_status call_regexp(qv__binder *b, const qv__syntax *s, qv__expr *text, qv__expr *pattern, const char *flags,
                             qv__expr **out)
{
    qv__expr *args[3] = { text, pattern };

    if (flags)
        QV_TRY(qv__text_literal(b, flags, strlen(flags), QV_TYPE_UTF8, s->at, &args[2]));
    QV_TRY(qv__bind_call(b, "regexp_like", strlen("regexp_like"), args, flags ? 3 : 2, s->at, out));
    return negate_if(b, s, *out, out);
}

/* A constant pattern of LIKE or SIMILAR TO as a regular expression. */
static qv_status translate(qv__binder *b, const qv__syntax *s, qv__expr *pattern, bool similar, qv__expr **out)
{
    qv_status st = QV_OK;
    qv__buffer regexp;
    size_t len;
    const uint8_t *text;

    *out = pattern;
    if (!qv__is_literal(pattern))
        return qv__bind_fail(b, s->at, "the pattern of SIMILAR TO must be a constant");
    if (qv__is_null_literal(pattern))
        return QV_OK;
    text = qv__array_string(pattern->literal, 0, &len);
    qv__buffer_init(&regexp, (size_t) 1 << 26);
    QV_CHECK(qv__pattern_to_regexp(text, len, (char) s->op, similar, &regexp, b->err));
    QV_CHECK(qv__text_literal(b, regexp.data, regexp.len, QV_TYPE_UTF8, pattern->at, out));
done:
    qv__buffer_free(&regexp);
    return st;
}

static qv_status bind_like(qv__binder *b, const qv__syntax *s, qv__expr **out)
{
    qv_status st = QV_OK;
    qv__type *boolean = NULL;
    qv__expr *args[2];

    QV_TRY(bind_texts(b, s, s->flag ? "ILIKE" : "LIKE", args));
    if (s->flag && !is_ascii_literal(args[1])) { /* letters of other alphabets: the regexp library knows their cases */
        QV_TRY(translate(b, s, args[1], false, &args[1]));
        return call_regexp(b, s, args[0], args[1], "is", out);
    }
    QV_TRY(qv__type_new(QV_TYPE_BOOL, &boolean, b->err));
    QV_CHECK(qv__node_new(b->tree, QV_EXPR_LIKE, boolean, s->at, 2, out, b->err));
    memcpy((*out)->args, args, sizeof args);
    (*out)->like.ignore_case = s->flag;
    (*out)->like.escape = (char) s->op;
    (*out)->nullable = args[0]->nullable || args[1]->nullable;
    QV_CHECK(qv__node_finish(*out, b->err));
    QV_CHECK(qv__bind_fold(b, *out, out));
    QV_CHECK(negate_if(b, s, *out, out));
done:
    qv__type_unref(boolean);
    return st;
}

static qv_status bind_regexp(qv__binder *b, const qv__syntax *s, qv__expr **out)
{
    qv__expr *args[2];
    bool similar = s->kind == QV_SYNTAX_SIMILAR;

    QV_TRY(bind_texts(b, s, similar ? "SIMILAR TO" : "regexp", args));
    if (similar)
        QV_TRY(translate(b, s, args[1], true, &args[1]));
    return call_regexp(b, s, args[0], args[1], similar ? "s" : s->flag ? "i" : NULL, out);
}

/* ------------------------------------------------------------------ values */

static qv_status bind_concat(qv__binder *b, const qv__syntax *s, qv__expr **out)
{
    qv__expr *left, *right;

    QV_TRY(qv__bind(b, s->args[0], &left));
    QV_TRY(qv__bind(b, s->args[1], &right));
    return qv__bind_concat(b, left, right, s->at, out);
}

/* The arms of a CASE into args: when, then, ..., else. */
static qv_status bind_arms(qv__binder *b, const qv__syntax *s, qv__expr **args, size_t *n)
{
    size_t first = s->flag, arms = (s->n_args - first) / 2;
    qv__expr *operand = NULL;

    if (s->flag)
        QV_TRY(qv__bind(b, s->args[0], &operand));
    *n = 0;
    for (size_t k = 0; k < arms; k++) {
        const qv__syntax *when = s->args[first + 2 * k];

        if (operand) {
            QV_TRY(qv__bind(b, when, &args[*n]));
            QV_TRY(qv__bind_compare(b, QV_EQ, operand, args[*n], when->at, &args[*n]));
        } else {
            QV_TRY(bind_condition(b, when, "CASE WHEN", &args[*n]));
        }
        ++*n;
        QV_TRY(qv__bind(b, s->args[first + 2 * k + 1], &args[(*n)++]));
    }
    if ((s->n_args - first) % 2)
        QV_TRY(qv__bind(b, s->args[s->n_args - 1], &args[(*n)++]));
    else
        QV_TRY(literal_of(b, QV_TYPE_NULL, NULL, 0, s->at, &args[(*n)++]));
    return QV_OK;
}

/* Arms whose condition is a constant go, or end the list. */
static size_t drop_constant_arms(qv__expr **args, size_t n)
{
    size_t kept = 0;

    for (size_t k = 0; k + 1 < n; k += 2) {
        if (qv__is_literal(args[k])) {
            if (qv__is_null_literal(args[k]) || !qv__load_int(args[k]->literal, 0))
                continue;
            args[kept] = args[k + 1];
            return kept + 1;
        }
        args[kept++] = args[k];
        args[kept++] = args[k + 1];
    }
    args[kept++] = args[n - 1];
    return kept;
}

static qv_status bind_case(qv__binder *b, const qv__syntax *s, qv__expr **out)
{
    qv_status st = QV_OK;
    size_t n = 0;
    qv__expr **args = NULL, **values = NULL;
    qv__type *type = NULL;

    QV_CHECK(QV_NEW(&args, s->n_args + 2, b->err));
    QV_CHECK(bind_arms(b, s, args, &n));
    QV_CHECK(QV_NEW(&values, n, b->err));
    for (size_t k = 0; k < n / 2; k++)
        values[k] = args[2 * k + 1];
    values[n / 2] = args[n - 1];
    QV_CHECK(qv__bind_unify(b, values, n / 2 + 1, true, "CASE", s->at, &type));
    for (size_t k = 0; k < n / 2; k++)
        args[2 * k + 1] = values[k];
    args[n - 1] = values[n / 2];
    n = drop_constant_arms(args, n);
    if (n == 1) {
        *out = args[0];
        goto done;
    }
    QV_CHECK(qv__node_new(b->tree, QV_EXPR_CASE, type, s->at, n, out, b->err));
    memcpy((*out)->args, args, n * sizeof *args);
    for (size_t k = 0; k < n; k++)
        (*out)->nullable |= args[k]->nullable && (k % 2 || k + 1 == n);
    QV_CHECK(qv__node_finish(*out, b->err));
    QV_CHECK(qv__bind_fold(b, *out, out));
done:
    qv__type_unref(type);
    qv__free(values);
    qv__free(args);
    return st;
}

/* Whole numbers as instants are seconds since 1970. */
static qv_status seconds(qv__binder *b, const qv__syntax *s, qv__expr *arg, qv__expr **out)
{
    qv__type *type;
    qv_status st;

    QV_TRY(qv__type_new(QV_TYPE_TIMESTAMP, &type, b->err));
    type->unit = QV_UNIT_S;
    st = qv__bind_explicit_cast(b, arg, type, s->flag, s->at, out);
    qv__type_unref(type);
    return st;
}

static qv_status bind_cast(qv__binder *b, const qv__syntax *s, qv__expr **out)
{
    qv__expr *arg;

    QV_TRY(qv__bind(b, s->args[0], &arg));
    if (s->type->id == QV_TYPE_TIMESTAMP && qv__type_is_int(arg->type))
        QV_TRY(seconds(b, s, arg, &arg));
    return qv__bind_explicit_cast(b, arg, s->type, s->flag, s->at, out);
}

/* arrow_cast(x, 'Int32'), arrow_try_cast(x, 'Int32') */
static qv_status bind_arrow_cast(qv__binder *b, const qv__syntax *s, bool is_try, qv__expr **out)
{
    qv_status st = QV_OK;
    qv__expr *arg;
    qv__type *type = NULL;

    if (s->n_args != 2 || s->args[1]->kind != QV_SYNTAX_STRING)
        return qv__bind_fail(b, s->at, "arrow_cast takes a value and the name of a type, a constant string");
    QV_CHECK(qv__bind(b, s->args[0], &arg));
    QV_CHECK(qv__arrow_type_parse(s->args[1]->text, s->args[1]->len, &type, b->err));
    QV_CHECK(qv__bind_explicit_cast(b, arg, type, is_try, s->at, out));
done:
    qv__type_unref(type);
    return st;
}

static bool name_is(const qv__syntax *s, const char *name)
{
    return s->len == strlen(name) && strncasecmp(s->text, name, s->len) == 0;
}

static qv_status bind_function(qv__binder *b, const qv__syntax *s, qv__expr **out)
{
    qv_status st = QV_OK;
    qv__expr **args = NULL;

    if (name_is(s, "arrow_cast") || name_is(s, "arrow_try_cast"))
        return bind_arrow_cast(b, s, s->len > strlen("arrow_cast"), out);
    QV_TRY(QV_NEW(&args, (size_t) s->n_args + 1, b->err));
    for (uint32_t k = 0; k < s->n_args; k++)
        QV_CHECK(qv__bind(b, s->args[k], &args[k]));
    QV_CHECK(qv__bind_call(b, s->text, s->len, args, s->n_args, s->at, out));
done:
    qv__free(args);
    return st;
}

static qv_status bind_not(qv__binder *b, const qv__syntax *s, qv__expr **out)
{
    qv__expr *arg;

    QV_TRY(bind_condition(b, s->args[0], "NOT", &arg));
    return qv__bind_not(b, arg, s->at, out);
}

static qv_status bind_operator(qv__binder *b, const qv__syntax *s, qv__expr **out)
{
    qv__expr *left, *right;

    QV_TRY(qv__bind(b, s->args[0], &left));
    if (s->kind == QV_SYNTAX_NEGATE)
        return qv__bind_negate(b, left, s->at, out);
    QV_TRY(qv__bind(b, s->args[1], &right));
    if (s->kind == QV_SYNTAX_COMPARE)
        return qv__bind_compare(b, (qv__compare) s->op, left, right, s->at, out);
    return qv__bind_arithmetic(b, (qv__arithmetic) s->op, left, right, s->at, out);
}

static qv_status bind_in(qv__binder *b, const qv__syntax *s, qv__expr **out)
{
    QV_TRY(qv__bind_in(b, s, out));
    return negate_if(b, s, *out, out);
}

qv_status qv__bind(qv__binder *b, const qv__syntax *s, qv__expr **out)
{
    switch ((qv__syntax_kind) s->kind) {
    case QV_SYNTAX_NULL:
        return literal_of(b, QV_TYPE_NULL, NULL, 0, s->at, out);
    case QV_SYNTAX_BOOL:
        return literal_of(b, QV_TYPE_BOOL, &s->flag, 0, s->at, out);
    case QV_SYNTAX_NUMBER:
        return bind_number(b, s, out);
    case QV_SYNTAX_STRING:
        return literal_of(b, QV_TYPE_UTF8, s->text, s->len, s->at, out);
    case QV_SYNTAX_BYTES:
        return literal_of(b, QV_TYPE_BINARY, s->text, s->len, s->at, out);
    case QV_SYNTAX_INTERVAL:
        return bind_interval(b, s, out);
    case QV_SYNTAX_NAME:
    case QV_SYNTAX_FIELD:
    case QV_SYNTAX_INDEX:
    case QV_SYNTAX_SLICE:
        return qv__bind_name(b, s, out);
    case QV_SYNTAX_AND:
    case QV_SYNTAX_OR:
        return bind_logic(b, s, out);
    case QV_SYNTAX_NOT:
        return bind_not(b, s, out);
    case QV_SYNTAX_NEGATE:
    case QV_SYNTAX_COMPARE:
    case QV_SYNTAX_ARITHMETIC:
        return bind_operator(b, s, out);
    case QV_SYNTAX_CONCAT:
        return bind_concat(b, s, out);
    case QV_SYNTAX_IS:
        return bind_is(b, s, out);
    case QV_SYNTAX_IN:
        return bind_in(b, s, out);
    case QV_SYNTAX_BETWEEN:
        return bind_between(b, s, out);
    case QV_SYNTAX_LIKE:
        return bind_like(b, s, out);
    case QV_SYNTAX_REGEXP:
    case QV_SYNTAX_SIMILAR:
        return bind_regexp(b, s, out);
    case QV_SYNTAX_CASE:
        return bind_case(b, s, out);
    case QV_SYNTAX_CAST:
        return bind_cast(b, s, out);
    case QV_SYNTAX_CALL:
        return bind_function(b, s, out);
    }
    return qv__bind_fail(b, s->at, "unknown syntax");
}

/* ------------------------------------------------------------------ the doors */

qv_status qv__program_compile(const char *sql, const qv__schema *scope, qv__program **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__parsed parsed;
    qv__tree *tree = NULL;
    qv__program *whole = NULL;
    qv__binder b = { .sql = sql, .err = err };

    QV_CHECK(qv__sql_parse(sql, &parsed, err));
    QV_CHECK(qv__tree_new(sql, scope, &tree, err));
    b.tree = tree;
    whole = &tree->program;
    QV_CHECK(qv__bind(&b, parsed.root, &whole->root));
    /* Columns that constants made needless are not read: only the copy's own columns count. */
    QV_CHECK(qv__program_part(whole, whole->root, out, err));
done:
    qv__program_unref(whole);
    qv__parsed_free(&parsed);
    return st;
}

qv_status qv__program_compile_filter(const char *sql, const qv__schema *scope, qv__program **out, qv_error *err)
{
    qv__program *program;

    QV_TRY(qv__program_compile(sql, scope, &program, err));
    if (program->root->type->id == QV_TYPE_BOOL) {
        *out = program;
        return QV_OK;
    }
    qv__program_unref(program);
    return qv__fail(err, QV_INVALID, "The filter %.200s does not return a boolean", sql);
}
