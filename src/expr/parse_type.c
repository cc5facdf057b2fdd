/* Types by name, as SQL writes them (bigint, decimal(10, 2), int[]) and as Arrow's Rust library does (for arrow_cast). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "expr/interval.h"
#include "expr/parse_private.h"

/* ------------------------------------------------------------------ making types that the parse owns */

/* Takes the reference. */
static qv_status keep(qv__parsed *parsed, qv__type *type, qv__type **out, qv_error *err)
{
    qv_status st = QV_GROW(&parsed->types, &parsed->types_capacity, parsed->n_types + 1, err);

    if (st != QV_OK) {
        qv__type_unref(type);
        return st;
    }
    parsed->types[parsed->n_types++] = type;
    *out = type;
    return QV_OK;
}

qv_status qv__parsed_type_new(qv__parsed *parsed, qv__type_id id, qv__type **out, qv_error *err)
{
    qv__type *type;

    QV_TRY(qv__type_new(id, &type, err));
    return keep(parsed, type, out, err);
}

static qv_status list_of(qv__parser *p, qv__type_id id, int32_t width, qv__type *item, qv__type **out)
{
    qv__type *type;
    qv__field field = { .name = (char *) "item", .type = item, .nullable = true, .id = -1 };

    QV_TRY(qv__type_new_list(id, &field, width, &type, p->err));
    return keep(p->parsed, type, out, p->err);
}

/* A whole number between the bounds. */
static qv_status need_number(qv__parser *p, int least, int most, int *out)
{
    char digits[12], what[64];
    bool minus;

    snprintf(what, sizeof what, "a number between %d and %d", least, most);
    QV_TRY(qv__parser_accept_sign(p, "-", &minus));
    if (p->token.kind != QV_TOKEN_NUMBER || p->token.len > 9 || strspn(p->token.text, "0123456789") < p->token.len)
        return qv__parser_expected(p, what);
    memcpy(digits, p->token.text, p->token.len);
    digits[p->token.len] = 0;
    *out = minus ? -(int) strtol(digits, NULL, 10) : (int) strtol(digits, NULL, 10);
    if (*out < least || *out > most)
        return qv__parser_expected(p, what);
    return qv__parser_advance(p);
}

/* ------------------------------------------------------------------ SQL */

static const struct {
    const char *name;
    qv__type_id id;
} plain[] = {
    { "boolean", QV_TYPE_BOOL },
    { "bool", QV_TYPE_BOOL },
    { "tinyint", QV_TYPE_INT8 },
    { "smallint", QV_TYPE_INT16 },
    { "int2", QV_TYPE_INT16 },
    { "int16", QV_TYPE_INT16 },
    { "int", QV_TYPE_INT32 },
    { "integer", QV_TYPE_INT32 },
    { "int4", QV_TYPE_INT32 },
    { "int32", QV_TYPE_INT32 },
    { "bigint", QV_TYPE_INT64 },
    { "int8", QV_TYPE_INT64 },
    { "int64", QV_TYPE_INT64 },
    { "long", QV_TYPE_INT64 },
    { "uint8", QV_TYPE_UINT8 },
    { "uint16", QV_TYPE_UINT16 },
    { "uint32", QV_TYPE_UINT32 },
    { "uint64", QV_TYPE_UINT64 },
    { "unsigned", QV_TYPE_UINT32 },
    { "real", QV_TYPE_FLOAT32 },
    { "float4", QV_TYPE_FLOAT32 },
    { "float16", QV_TYPE_FLOAT16 },
    { "float32", QV_TYPE_FLOAT32 },
    { "float64", QV_TYPE_FLOAT64 },
    { "double", QV_TYPE_FLOAT64 },
    { "float8", QV_TYPE_FLOAT64 },
    { "float", QV_TYPE_FLOAT32 },
    { "char", QV_TYPE_UTF8 },
    { "character", QV_TYPE_UTF8 },
    { "varchar", QV_TYPE_UTF8 },
    { "nvarchar", QV_TYPE_UTF8 },
    { "text", QV_TYPE_UTF8 },
    { "string", QV_TYPE_UTF8 },
    { "utf8", QV_TYPE_UTF8 },
    { "large_string", QV_TYPE_LARGE_UTF8 },
    { "large_utf8", QV_TYPE_LARGE_UTF8 },
    { "bytea", QV_TYPE_BINARY },
    { "binary", QV_TYPE_BINARY },
    { "varbinary", QV_TYPE_BINARY },
    { "blob", QV_TYPE_BINARY },
    { "large_binary", QV_TYPE_LARGE_BINARY },
    { "date", QV_TYPE_DATE32 },
    { "date32", QV_TYPE_DATE32 },
    { "date64", QV_TYPE_DATE64 },
    { "time", QV_TYPE_TIME64 },
    { "timestamp", QV_TYPE_TIMESTAMP },
    { "timestamptz", QV_TYPE_TIMESTAMP },
    { "datetime", QV_TYPE_TIMESTAMP },
    { "decimal", QV_TYPE_DECIMAL128 },
    { "numeric", QV_TYPE_DECIMAL128 },
    { "dec", QV_TYPE_DECIMAL128 },
};

/* (n) or (n, m); *n_given tells how many. */
static qv_status parameters(qv__parser *p, int *first, int *second, int *n_given)
{
    bool found;

    *n_given = 0;
    QV_TRY(qv__parser_accept_sign(p, "(", &found));
    if (!found)
        return QV_OK;
    QV_TRY(need_number(p, 0, 100000000, first));
    *n_given = 1;
    QV_TRY(qv__parser_accept_sign(p, ",", &found));
    if (found) {
        QV_TRY(need_number(p, -76, 76, second));
        *n_given = 2;
    }
    return qv__parser_need_sign(p, ")");
}

static qv_status decimal_type(qv__parser *p, uint32_t at, int precision, int scale, qv__type **out)
{
    if (precision < 1 || precision > 76 || scale > precision || scale < -precision)
        return qv__sql_fail(
            p->err, p->lexer.sql, at,
            "Decimal(precision = %d, scale = %d) should satisfy `0 < precision <= 76`, and `scale <= precision`",
            precision, scale);
    QV_TRY(qv__parsed_type_new(p->parsed, precision > 38 ? QV_TYPE_DECIMAL256 : QV_TYPE_DECIMAL128, out, p->err));
    (*out)->precision = precision;
    (*out)->scale = scale;
    return QV_OK;
}

/* timestamp(p): the unit that has p digits. */
static qv_status time_type(qv__parser *p, uint32_t at, qv__type_id id, int digits, qv__type **out)
{
    if (digits % 3 || digits > 9)
        return qv__sql_fail(p->err, p->lexer.sql, at, "a time has 0, 3, 6 or 9 digits after the second, not %d",
                            digits);
    if (id == QV_TYPE_TIME64 && digits < 6)
        id = QV_TYPE_TIME32;
    QV_TRY(qv__parsed_type_new(p->parsed, id, out, p->err));
    (*out)->unit = (qv__unit) (digits / 3);
    return QV_OK;
}

/* Words that may follow a type's name and change it, or say nothing. */
static qv_status suffix_words(qv__parser *p, qv__type_id *id)
{
    bool found;

    if (*id == QV_TYPE_FLOAT64)
        QV_TRY(qv__parser_accept_word(p, "precision", &found));
    if (*id == QV_TYPE_UTF8)
        QV_TRY(qv__parser_accept_word(p, "varying", &found));
    if (*id >= QV_TYPE_INT8 && *id <= QV_TYPE_INT64) {
        QV_TRY(qv__parser_accept_word(p, "unsigned", &found));
        if (found)
            *id = (qv__type_id) (*id - QV_TYPE_INT8 + QV_TYPE_UINT8);
    }
    return QV_OK;
}

/* [WITH | WITHOUT TIME ZONE]: instants are kept as they are. */
static qv_status zone_words(qv__parser *p)
{
    bool with, without;

    QV_TRY(qv__parser_accept_word(p, "with", &with));
    QV_TRY(qv__parser_accept_word(p, "without", &without));
    if (!with && !without)
        return QV_OK;
    QV_TRY(qv__parser_need_word(p, "time"));
    return qv__parser_need_word(p, "zone");
}

static qv_status scalar_type(qv__parser *p, qv__type **out)
{
    qv__token word = p->token;
    qv__type_id id = QV_TYPE_NULL;
    int first = 0, second = 0, n = 0;

    for (size_t k = 0; k < QV_COUNT_OF(plain); k++)
        if (qv__parser_at_word(p, plain[k].name))
            id = plain[k].id;
    if (id == QV_TYPE_NULL && !qv__parser_at_word(p, "interval"))
        return p->token.kind == QV_TOKEN_WORD ? qv__sql_fail(p->err, p->lexer.sql, word.at, "Unsupported SQL type %.*s",
                                                             (int) QV_MIN(word.len, 60), word.text)
                                              : qv__parser_expected(p, "a data type name");
    QV_TRY(qv__parser_advance(p));
    if (id == QV_TYPE_NULL) {
        qv__type *interval;
        QV_TRY(qv__interval_type(&interval, p->err));
        return keep(p->parsed, interval, out, p->err);
    }
    QV_TRY(suffix_words(p, &id));
    QV_TRY(parameters(p, &first, &second, &n));
    QV_TRY(suffix_words(p, &id));
    if (id == QV_TYPE_DECIMAL128)
        return decimal_type(p, word.at, n ? first : 38, n ? second : 10, out);
    if (id == QV_TYPE_FLOAT32 && n && first > 24)
        id = QV_TYPE_FLOAT64;
    if (id == QV_TYPE_TIMESTAMP || id == QV_TYPE_TIME64) {
        QV_TRY(zone_words(p));
        return time_type(p, word.at, id, n ? first : 9, out);
    }
    return qv__parsed_type_new(p->parsed, id, out, p->err);
}

qv_status qv__parse_type(qv__parser *p, qv__type **out)
{
    bool found;

    if (++p->depth > QV_SQL_MAX_DEPTH)
        return qv__sql_fail(p->err, p->lexer.sql, p->token.at, "type is nested too deeply");
    if (qv__parser_at_word(p, "array")) {
        QV_TRY(qv__parser_advance(p));
        QV_TRY(qv__parser_need_sign(p, "<"));
        QV_TRY(qv__parse_type(p, out));
        QV_TRY(qv__parser_need_sign(p, ">"));
        QV_TRY(list_of(p, QV_TYPE_LIST, 0, *out, out));
    } else {
        QV_TRY(scalar_type(p, out));
    }
    for (;;) {
        QV_TRY(qv__parser_accept_sign(p, "[", &found));
        if (!found)
            break;
        QV_TRY(qv__parser_need_sign(p, "]"));
        QV_TRY(list_of(p, QV_TYPE_LIST, 0, *out, out));
    }
    p->depth--;
    return QV_OK;
}

/* ------------------------------------------------------------------ Arrow */

static const struct {
    const char *name;
    qv__type_id id;
} arrow_plain[] = {
    { "Null", QV_TYPE_NULL },
    { "Boolean", QV_TYPE_BOOL },
    { "Int8", QV_TYPE_INT8 },
    { "Int16", QV_TYPE_INT16 },
    { "Int32", QV_TYPE_INT32 },
    { "Int64", QV_TYPE_INT64 },
    { "UInt8", QV_TYPE_UINT8 },
    { "UInt16", QV_TYPE_UINT16 },
    { "UInt32", QV_TYPE_UINT32 },
    { "UInt64", QV_TYPE_UINT64 },
    { "Float16", QV_TYPE_FLOAT16 },
    { "Float32", QV_TYPE_FLOAT32 },
    { "Float64", QV_TYPE_FLOAT64 },
    { "Date32", QV_TYPE_DATE32 },
    { "Date64", QV_TYPE_DATE64 },
    { "Utf8", QV_TYPE_UTF8 },
    { "LargeUtf8", QV_TYPE_LARGE_UTF8 },
    { "Utf8View", QV_TYPE_UTF8 },
    { "Binary", QV_TYPE_BINARY },
    { "LargeBinary", QV_TYPE_LARGE_BINARY },
    { "BinaryView", QV_TYPE_BINARY },
};

static qv_status arrow_type(qv__parser *p, qv__type **out);

static qv_status arrow_unit(qv__parser *p, qv__unit *out)
{
    static const char *const names[][2] = {
        { "Second", "s" }, { "Millisecond", "ms" }, { "Microsecond", "us" }, { "Nanosecond", "ns" }
    };
    bool found;

    for (unsigned k = 0; k < 8; k++) {
        QV_TRY(qv__parser_accept_word(p, names[k / 2][k % 2], &found));
        if (found) {
            *out = (qv__unit) (k / 2);
            return QV_OK;
        }
    }
    return qv__parser_expected(p, "a unit of time (Second, Millisecond, Microsecond, Nanosecond)");
}

/* , None   , Some("UTC")   , "UTC" */
static qv_status arrow_zone(qv__parser *p, qv__type *type)
{
    bool found, some;

    QV_TRY(qv__parser_accept_sign(p, ",", &found));
    if (!found)
        return QV_OK;
    QV_TRY(qv__parser_accept_word(p, "None", &found));
    if (found)
        return QV_OK;
    QV_TRY(qv__parser_accept_word(p, "Some", &some));
    if (some)
        QV_TRY(qv__parser_need_sign(p, "("));
    if (p->token.kind != QV_TOKEN_QUOTED)
        return qv__parser_expected(p, "a time zone");
    type->timezone = qv__strndup(p->token.text, p->token.len);
    if (!type->timezone)
        return qv__fail_nomem(p->err, p->token.len);
    QV_TRY(qv__parser_advance(p));
    return some ? qv__parser_need_sign(p, ")") : QV_OK;
}

static qv_status arrow_time(qv__parser *p, qv__type_id id, qv__type **out)
{
    uint32_t at = p->token.at;

    QV_TRY(qv__parsed_type_new(p->parsed, id, out, p->err));
    QV_TRY(arrow_unit(p, &(*out)->unit));
    if ((id == QV_TYPE_TIME32 && (*out)->unit > QV_UNIT_MS) || (id == QV_TYPE_TIME64 && (*out)->unit < QV_UNIT_US))
        return qv__sql_fail(p->err, p->lexer.sql, at, "%s has no such unit", qv__type_name(id));
    return id == QV_TYPE_TIMESTAMP ? arrow_zone(p, *out) : QV_OK;
}

static qv_status arrow_dictionary(qv__parser *p, qv__type **out)
{
    uint32_t at = p->token.at;
    qv__type *index, *value, *made;

    QV_TRY(arrow_type(p, &index));
    if (index->id < QV_TYPE_INT8 || index->id > QV_TYPE_UINT64)
        return qv__sql_fail(p->err, p->lexer.sql, at, "a dictionary's index is an integer");
    QV_TRY(qv__parser_need_sign(p, ","));
    QV_TRY(arrow_type(p, &value));
    QV_TRY(qv__type_new_dictionary(index, value, false, &made, p->err));
    return keep(p->parsed, made, out, p->err);
}

/* What stands in the parentheses of a type that has some. */
static qv_status arrow_inside(qv__parser *p, const qv__token *word, qv__type **out)
{
    int first = 0, second = 0;
    bool found;
    char name[24] = "";

    if (word->len < sizeof name)
        memcpy(name, word->text, word->len);
    if (!strcasecmp(name, "Timestamp"))
        return arrow_time(p, QV_TYPE_TIMESTAMP, out);
    if (!strcasecmp(name, "Time32") || !strcasecmp(name, "Time64"))
        return arrow_time(p, name[4] == '3' ? QV_TYPE_TIME32 : QV_TYPE_TIME64, out);
    if (!strcasecmp(name, "Duration"))
        return arrow_time(p, QV_TYPE_DURATION, out);
    if (!strcasecmp(name, "Dictionary"))
        return arrow_dictionary(p, out);
    if (!strcasecmp(name, "List") || !strcasecmp(name, "LargeList")) {
        QV_TRY(arrow_type(p, out));
        return list_of(p, strlen(name) == 4 ? QV_TYPE_LIST : QV_TYPE_LARGE_LIST, 0, *out, out);
    }
    if (!strcasecmp(name, "FixedSizeBinary")) {
        QV_TRY(need_number(p, 0, 100000000, &first));
        QV_TRY(qv__parsed_type_new(p->parsed, QV_TYPE_FIXED_BINARY, out, p->err));
        (*out)->width = first;
        return QV_OK;
    }
    if (!strcasecmp(name, "FixedSizeList")) { /* (3, Float32), (3 x Float32) */
        QV_TRY(need_number(p, 0, 100000000, &first));
        QV_TRY(qv__parser_accept_word(p, "x", &found));
        if (!found)
            QV_TRY(qv__parser_need_sign(p, ","));
        QV_TRY(arrow_type(p, out));
        return list_of(p, QV_TYPE_FIXED_LIST, first, *out, out);
    }
    if (!strcasecmp(name, "Decimal128") || !strcasecmp(name, "Decimal256")) {
        QV_TRY(need_number(p, 1, name[7] == '1' ? 38 : 76, &first));
        QV_TRY(qv__parser_need_sign(p, ","));
        QV_TRY(need_number(p, -76, 76, &second));
        QV_TRY(decimal_type(p, word->at, first, second, out));
        (*out)->id = name[7] == '1' ? QV_TYPE_DECIMAL128 : QV_TYPE_DECIMAL256;
        return QV_OK;
    }
    return qv__sql_fail(p->err, p->lexer.sql, word->at, "Unsupported type '%.*s'", (int) QV_MIN(word->len, 60),
                        word->text);
}

static qv_status arrow_type(qv__parser *p, qv__type **out)
{
    qv__token word = p->token;

    if (++p->depth > QV_TYPE_MAX_DEPTH)
        return qv__sql_fail(p->err, p->lexer.sql, word.at, "type is nested too deeply");
    if (word.kind != QV_TOKEN_WORD)
        return qv__parser_expected(p, "a type's name");
    QV_TRY(qv__parser_advance(p));
    for (size_t k = 0; k < QV_COUNT_OF(arrow_plain); k++)
        if (word.len == strlen(arrow_plain[k].name) && strncasecmp(word.text, arrow_plain[k].name, word.len) == 0) {
            p->depth--;
            return qv__parsed_type_new(p->parsed, arrow_plain[k].id, out, p->err);
        }
    if (!qv__parser_at_sign(p, "("))
        return qv__sql_fail(p->err, p->lexer.sql, word.at, "Unsupported type '%.*s'", (int) QV_MIN(word.len, 60),
                            word.text);
    QV_TRY(qv__parser_need_sign(p, "("));
    QV_TRY(arrow_inside(p, &word, out));
    p->depth--;
    return qv__parser_need_sign(p, ")");
}

qv_status qv__arrow_type_parse(const char *text, size_t len, qv__type **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__parsed parsed = { 0 };
    qv__parser p = { .parsed = &parsed, .err = err };
    qv__type *type;

    if (len > 10000)
        return qv__fail(err, QV_INVALID, "sql parser error: a type's name has %zu bytes", len);
    p.lexer = (qv__lexer){ .sql = text, .len = (uint32_t) len, .arena = &parsed.arena };
    QV_CHECK(qv__parser_advance(&p));
    QV_CHECK(arrow_type(&p, &type));
    if (p.token.kind != QV_TOKEN_END)
        QV_CHECK(qv__parser_expected(&p, "end of the type"));
    *out = qv__type_ref(type);
done:
    if (st != QV_OK)
        qv__fail_in(err, st, "Unsupported type '%.*s'", (int) QV_MIN(len, 60), text);
    qv__parsed_free(&parsed);
    return st;
}
