/* Checked trees as SQL that compiles to the same tree. */
#include <stdio.h>
#include <string.h>

#include "expr/bind_private.h"

typedef struct printer {
    const qv__program *program;
    qv__buffer *out;
    qv_error *err;
} printer;

static qv_status print(const printer *p, const qv__expr *expr);

static qv_status put(const printer *p, const char *text)
{
    return qv__buffer_append(p->out, text, strlen(text), p->err);
}

/* ------------------------------------------------------------------ literals */

static qv_status put_quoted(const printer *p, const uint8_t *text, size_t len)
{
    QV_TRY(put(p, "'"));
    for (size_t i = 0; i < len; i++)
        QV_TRY(qv__buffer_append(p->out, text[i] == '\'' ? (const uint8_t *) "''" : &text[i], text[i] == '\'' ? 2 : 1,
                                 p->err));
    return put(p, "'");
}

/* Types for arrow_cast: as Arrow's Rust library prints them. */
static qv_status put_type(const printer *p, const qv__type *type)
{
    char name[160];

    switch (type->id) {
    case QV_TYPE_FIXED_BINARY:
        return qv__buffer_printf(p->out, p->err, "FixedSizeBinary(%d)", (int) type->width);
    case QV_TYPE_LIST:
    case QV_TYPE_LARGE_LIST:
        QV_TRY(put(p, type->id == QV_TYPE_LIST ? "List(" : "LargeList("));
        QV_TRY(put_type(p, type->children[0].type));
        return put(p, ")");
    case QV_TYPE_FIXED_LIST:
        QV_TRY(qv__buffer_printf(p->out, p->err, "FixedSizeList(%d, ", (int) type->width));
        QV_TRY(put_type(p, type->children[0].type));
        return put(p, ")");
    case QV_TYPE_DICTIONARY:
        QV_TRY(put(p, "Dictionary("));
        QV_TRY(put_type(p, type->index_type));
        QV_TRY(put(p, ", "));
        QV_TRY(put_type(p, type->children[0].type));
        return put(p, ")");
    default:
        return put(p, qv__type_print_sql(type, name, sizeof name));
    }
}

static qv_status print_value(const printer *p, const qv__array *array, int64_t i);

static qv_status print_list(const printer *p, const qv__array *array, int64_t i)
{
    int64_t start, end;

    qv__array_list_range(array, i, &start, &end);
    QV_TRY(put(p, "["));
    for (int64_t k = start; k < end; k++) {
        if (k > start)
            QV_TRY(put(p, ", "));
        QV_TRY(print_value(p, array->children[0], k));
    }
    return put(p, "]");
}

static qv_status print_struct(const printer *p, const qv__array *array, int64_t i)
{
    if (qv__type_is_interval(array->type)) {
        qv__interval v = qv__interval_at(array, i);
        return qv__buffer_printf(p->out, p->err, "INTERVAL '%d months %d days %lld nanoseconds'", (int) v.months,
                                 (int) v.days, (long long) v.nanoseconds);
    }
    QV_TRY(put(p, "{"));
    for (size_t k = 0; k < array->n_children; k++) {
        const char *name = array->type->children[k].name;
        QV_TRY(put(p, k ? ", " : ""));
        QV_TRY(put_quoted(p, (const uint8_t *) name, strlen(name)));
        QV_TRY(put(p, ": "));
        QV_TRY(print_value(p, array->children[k], array->offset + i));
    }
    return put(p, "}");
}

/* Values whose bare text would be read as another type are cast. */
static bool is_bare(const qv__type *type)
{
    return type->id == QV_TYPE_BOOL || type->id == QV_TYPE_INT64 || type->id == QV_TYPE_UTF8 ||
           type->id == QV_TYPE_BINARY || type->id == QV_TYPE_STRUCT ||
           (type->id == QV_TYPE_LIST &&
            (is_bare(type->children[0].type) || type->children[0].type->id == QV_TYPE_FLOAT64));
}

/* Numbers, instants and the like: the text that casts give them. */
static qv_status print_by_text(const printer *p, const qv__array *array, int64_t i)
{
    qv_status st = QV_OK;
    qv__type *utf8 = NULL;
    qv__array *one = NULL, *text = NULL;
    size_t len;
    const uint8_t *bytes;

    QV_CHECK(qv__type_new(QV_TYPE_UTF8, &utf8, p->err));
    QV_CHECK(qv__array_slice(array, i, 1, &one, p->err));
    QV_CHECK(qv__array_cast(one, utf8, QV_CAST_SQL, &text, p->err));
    bytes = qv__array_string(text, 0, &len);
    QV_CHECK(put_quoted(p, bytes, len));
done:
    qv__array_unref(one);
    qv__array_unref(text);
    qv__type_unref(utf8);
    return st;
}

static qv_status print_bytes(const printer *p, const qv__array *array, int64_t i)
{
    size_t len;
    const uint8_t *bytes = qv__array_string(array, i, &len);

    if (array->type->id == QV_TYPE_UTF8 || array->type->id == QV_TYPE_LARGE_UTF8)
        return put_quoted(p, bytes, len);
    QV_TRY(put(p, "X'"));
    for (size_t k = 0; k < len; k++)
        QV_TRY(qv__buffer_printf(p->out, p->err, "%02X", bytes[k]));
    return put(p, "'");
}

static qv_status print_bare(const printer *p, const qv__array *array, int64_t i)
{
    switch (array->type->id) {
    case QV_TYPE_BOOL:
        return put(p, qv__load_int(array, i) ? "true" : "false");
    case QV_TYPE_INT64:
        return qv__buffer_printf(p->out, p->err, "%lld", (long long) qv__load_int(array, i));
    case QV_TYPE_LIST:
    case QV_TYPE_LARGE_LIST:
    case QV_TYPE_FIXED_LIST:
        return print_list(p, array, i);
    case QV_TYPE_STRUCT:
        return print_struct(p, array, i);
    case QV_TYPE_UTF8:
    case QV_TYPE_LARGE_UTF8:
    case QV_TYPE_BINARY:
    case QV_TYPE_LARGE_BINARY:
    case QV_TYPE_FIXED_BINARY:
        return print_bytes(p, array, i);
    case QV_TYPE_NULL:
        return put(p, "NULL");
    default:
        return print_by_text(p, array, i);
    }
}

/* Brackets with nothing in them do not tell what could be. */
static bool is_empty_list(const qv__array *array, int64_t i)
{
    int64_t start, end;

    if (array->type->id != QV_TYPE_LIST)
        return false;
    qv__array_list_range(array, i, &start, &end);
    return start == end;
}

static qv_status print_value(const printer *p, const qv__array *array, int64_t i)
{
    bool null = qv__array_is_null(array, i);

    if (array->type->id == QV_TYPE_NULL || (!null && is_bare(array->type) && !is_empty_list(array, i)))
        return print_bare(p, array, i);
    QV_TRY(put(p, "arrow_cast("));
    QV_TRY(null ? put(p, "NULL") : print_bare(p, array, i));
    QV_TRY(put(p, ", '"));
    QV_TRY(put_type(p, array->type));
    return put(p, "')");
}

/* ------------------------------------------------------------------ columns */

/* Words that the parser would not take for a name, or take for the beginning of something else. */
static bool is_word_of_sql(const char *name, size_t len)
{
    static const char *const words[] = { "and",
                                         "or",
                                         "in",
                                         "is",
                                         "like",
                                         "ilike",
                                         "between",
                                         "similar",
                                         "when",
                                         "then",
                                         "else",
                                         "end",
                                         "as",
                                         "from",
                                         "where",
                                         "group",
                                         "null",
                                         "true",
                                         "false",
                                         "not",
                                         "case",
                                         "having",
                                         "order",
                                         "union",
                                         "select",
                                         "exists",
                                         "current_date",
                                         "current_time",
                                         "current_timestamp" };

    for (size_t k = 0; k < QV_COUNT_OF(words); k++)
        if (strlen(words[k]) == len && strncasecmp(words[k], name, len) == 0)
            return true;
    return name[0] >= '0' && name[0] <= '9';
}

/* A path has quotes where its characters need them; words of SQL need them here. */
static qv_status print_path(const printer *p, const char *path)
{
    while (*path) {
        size_t len = strcspn(path, ".`");

        if (len && is_word_of_sql(path, len))
            QV_TRY(qv__buffer_printf(p->out, p->err, "`%.*s`", (int) len, path));
        else
            QV_TRY(qv__buffer_append(p->out, path, len, p->err));
        path += len;
        for (len = 0; path[len] == '`';) { /* to the closing one; doubled ones are part of the name */
            const char *close = strchr(path + len + 1, '`');
            len = close ? (size_t) (close - path) + 1 : strlen(path);
        }
        len += path[len] == '.';
        QV_TRY(qv__buffer_append(p->out, path, len, p->err));
        path += len;
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ operations */

static qv_status print_between(const printer *p, const qv__expr *expr, const char *sign)
{
    QV_TRY(put(p, "("));
    for (size_t k = 0; k < expr->n_args; k++) {
        if (k)
            QV_TRY(put(p, sign));
        QV_TRY(print(p, expr->args[k]));
    }
    return put(p, ")");
}

static qv_status print_operator(const printer *p, const qv__expr *expr, const char *sign)
{
    char spaced[32];

    snprintf(spaced, sizeof spaced, " %s ", sign);
    return print_between(p, expr, spaced);
}

static qv_status print_is(const printer *p, const qv__expr *expr)
{
    static const char *const words[] = { "NULL", "TRUE", "FALSE", "UNKNOWN" };

    QV_TRY(put(p, "("));
    QV_TRY(print(p, expr->args[0]));
    QV_TRY(put(p, expr->is.negated ? " IS NOT " : " IS "));
    QV_TRY(put(p, words[expr->is.what]));
    return put(p, ")");
}

static qv_status print_in(const printer *p, const qv__expr *expr)
{
    const qv__array *values = expr->list.values;

    QV_TRY(put(p, "("));
    QV_TRY(print(p, expr->args[0]));
    QV_TRY(put(p, " IN ("));
    for (int64_t k = 0; k < values->length; k++) {
        if (k)
            QV_TRY(put(p, ", "));
        QV_TRY(print_value(p, values, k));
    }
    if (expr->list.has_null || values->length == 0)
        QV_TRY(put(p, values->length ? ", NULL" : "NULL"));
    return put(p, "))");
}

static qv_status print_like(const printer *p, const qv__expr *expr)
{
    char escape[24];

    QV_TRY(put(p, "("));
    QV_TRY(print(p, expr->args[0]));
    QV_TRY(put(p, expr->like.ignore_case ? " ILIKE " : " LIKE "));
    QV_TRY(print(p, expr->args[1]));
    if (expr->like.escape && expr->like.escape != '\\') {
        snprintf(escape, sizeof escape, expr->like.escape == '\'' ? " ESCAPE ''''" : " ESCAPE '%c'", expr->like.escape);
        QV_TRY(put(p, escape));
    }
    return put(p, ")");
}

static qv_status print_case(const printer *p, const qv__expr *expr)
{
    QV_TRY(put(p, "CASE"));
    for (size_t k = 0; k + 1 < expr->n_args; k += 2) {
        QV_TRY(put(p, " WHEN "));
        QV_TRY(print(p, expr->args[k]));
        QV_TRY(put(p, " THEN "));
        QV_TRY(print(p, expr->args[k + 1]));
    }
    QV_TRY(put(p, " ELSE "));
    QV_TRY(print(p, expr->args[expr->n_args - 1]));
    return put(p, " END");
}

static qv_status print_cast(const printer *p, const qv__expr *expr)
{
    QV_TRY(put(p, expr->try_cast ? "arrow_try_cast(" : "arrow_cast("));
    QV_TRY(print(p, expr->args[0]));
    QV_TRY(put(p, ", '"));
    QV_TRY(put_type(p, expr->type));
    return put(p, "')");
}

static qv_status print(const printer *p, const qv__expr *expr)
{
    switch (expr->kind) {
    case QV_EXPR_LITERAL:
        return print_value(p, expr->literal, 0);
    case QV_EXPR_COLUMN:
        return print_path(p, p->program->columns[expr->column].path);
    case QV_EXPR_NOT:
    case QV_EXPR_NEGATE:
        QV_TRY(put(p, expr->kind == QV_EXPR_NOT ? "(NOT " : "(- "));
        QV_TRY(print(p, expr->args[0]));
        return put(p, ")");
    case QV_EXPR_AND:
        return print_operator(p, expr, "AND");
    case QV_EXPR_OR:
        return print_operator(p, expr, "OR");
    case QV_EXPR_COMPARE:
        return print_operator(p, expr, qv__compare_sign(expr->compare));
    case QV_EXPR_ARITHMETIC:
        return print_operator(p, expr, qv__arithmetic_sign(expr->arithmetic));
    case QV_EXPR_CONCAT:
        return print_operator(p, expr, "||");
    case QV_EXPR_IS:
        return print_is(p, expr);
    case QV_EXPR_IN:
        return print_in(p, expr);
    case QV_EXPR_LIKE:
        return print_like(p, expr);
    case QV_EXPR_CASE:
        return print_case(p, expr);
    case QV_EXPR_CAST:
        return print_cast(p, expr);
    case QV_EXPR_CALL:
        QV_TRY(put(p, expr->function->name));
        return expr->n_args ? print_between(p, expr, ", ") : put(p, "()");
    }
    return qv__fail(p->err, QV_INVALID, "unknown expression");
}

qv_status qv__expr_print(const qv__program *program, const qv__expr *expr, qv__buffer *out, qv_error *err)
{
    const printer p = { program, out, err };

    return print(&p, expr);
}
