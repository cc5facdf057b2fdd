/* Tables of expressions: the type, and the values over three rows. The values are DataFusion's, but where the comment says so. */
#include "arrow/builder.h"
#include "arrow/compute/compute.h"
#include "qvt_arrays.h"
#include "qvt_expr.h"

enum { ROWS = 3, MOST = 32 };

#define INTERVAL "struct<months: int32 not null, days: int32 not null, nanoseconds: int64 not null>"

typedef struct fixture {
    qv__schema *scope;
    qv__field fields[MOST];
    qv__array *columns[MOST];
    size_t n;
} fixture;

typedef struct expect {
    const char *sql;
    const char *type;
    const char *values; /* of the three rows; "! part of the message" */
} expect;

/* ------------------------------------------------------------------ columns */

static void add(fixture *f, const char *name, qv__type *type, qv__array *column)
{
    qv_error err;

    QVT_OK(qv__field_init(&f->fields[f->n], name, type, true, &err));
    f->columns[f->n++] = column;
    qv__type_unref(type);
}

static void add_text(fixture *f, const char *name, qv__type *type, const char *first, const char *last)
{
    add(f, name, type, qvt_column(type, ROWS, (const char *const[]){ first, NULL, last }));
}

/* [1, 2], null, [] and {1, 'x'}, null, {3, 'x'} */
static void add_nested(fixture *f)
{
    qv_error err;
    qv__builder *b;
    qv__array *array;
    const int64_t two[] = { 1, 2 };
    qv__type *whole = qvt_type(QV_TYPE_INT64, 0, 0), *list = qvt_list_type(QV_TYPE_LIST, whole, 0);
    qv__field parts[2] = { 0 };
    qv__type *text = qvt_type(QV_TYPE_UTF8, 0, 0), *pair;

    QVT_OK(qv__builder_new(list, &b, &err));
    QVT_OK(qv__builder_append_fixed_n(qv__builder_child(b, 0), two, 2, &err));
    QVT_OK(qv__builder_append_nested(b, &err));
    QVT_OK(qv__builder_append_null(b, &err));
    QVT_OK(qv__builder_append_nested(b, &err));
    QVT_OK(qv__builder_finish(b, &array, &err));
    qv__builder_free(b);
    add(f, "l", list, array);
    QVT_OK(qv__field_init(&parts[0], "a", whole, true, &err));
    QVT_OK(qv__field_init(&parts[1], "B c", text, true, &err));
    QVT_OK(qv__type_new_struct(parts, 2, &pair, &err));
    QVT_OK(qv__builder_new(pair, &b, &err));
    for (int64_t k = 1; k <= 3; k++) {
        if (k == 2) {
            QVT_OK(qv__builder_append_null(b, &err));
            continue;
        }
        QVT_OK(qv__builder_append_fixed(qv__builder_child(b, 0), &k, &err));
        QVT_OK(qv__builder_append_bytes(qv__builder_child(b, 1), "x", 1, &err));
        QVT_OK(qv__builder_append_nested(b, &err));
    }
    QVT_OK(qv__builder_finish(b, &array, &err));
    qv__builder_free(b);
    add(f, "st", pair, array);
    qv__field_clear(&parts[0]);
    qv__field_clear(&parts[1]);
    qv__type_unref(whole);
    qv__type_unref(text);
}

static int setup(void **state)
{
    static fixture f;
    qv_error err;
    qv__type *words;

    f = (fixture){ 0 };
    add_text(&f, "i8", qvt_type(QV_TYPE_INT8, 0, 0), "1", "127");
    add_text(&f, "i32", qvt_type(QV_TYPE_INT32, 0, 0), "1", "2147483647");
    add_text(&f, "i", qvt_type(QV_TYPE_INT64, 0, 0), "1", "9223372036854775807");
    add_text(&f, "u8", qvt_type(QV_TYPE_UINT8, 0, 0), "1", "255");
    add_text(&f, "u32", qvt_type(QV_TYPE_UINT32, 0, 0), "1", "4294967295");
    add_text(&f, "u", qvt_type(QV_TYPE_UINT64, 0, 0), "1", "18446744073709551615");
    add_text(&f, "h", qvt_type(QV_TYPE_FLOAT16, 0, 0), "1.5", "2");
    add_text(&f, "f", qvt_type(QV_TYPE_FLOAT32, 0, 0), "1.5", "NaN");
    add_text(&f, "d", qvt_type(QV_TYPE_FLOAT64, 0, 0), "1.5", "NaN");
    add_text(&f, "s", qvt_type(QV_TYPE_UTF8, 0, 0), "1", "b");
    add_text(&f, "ls", qvt_type(QV_TYPE_LARGE_UTF8, 0, 0), "1", "b");
    add_text(&f, "bin", qvt_type(QV_TYPE_BINARY, 0, 0), "a", "c");
    add_text(&f, "b", qvt_type(QV_TYPE_BOOL, 0, 0), "true", "false");
    add_text(&f, "dec", qvt_type(QV_TYPE_DECIMAL128, 10, 2), "1.50", "-2.25");
    add_text(&f, "dt", qvt_type(QV_TYPE_DATE32, 0, 0), "2024-01-31", "1969-01-01");
    add_text(&f, "ts", qvt_type(QV_TYPE_TIMESTAMP, QV_UNIT_US, 0), "2024-01-31 01:02:03", "1969-01-01 00:00:00");
    add_text(&f, "tm", qvt_type(QV_TYPE_TIME64, QV_UNIT_US, 0), "00:00:00.000001", "00:00:00.000003");
    qv__type *text = qvt_type(QV_TYPE_UTF8, 0, 0), *keys = qvt_type(QV_TYPE_INT32, 0, 0);
    QVT_OK(qv__type_new_dictionary(keys, text, false, &words, &err));
    add_text(&f, "dict", words, "1", "b");
    qv__type_unref(text);
    qv__type_unref(keys);
    add_text(&f, "Order", qvt_type(QV_TYPE_INT64, 0, 0), "5", "6");
    add_text(&f, "a`b", qvt_type(QV_TYPE_INT64, 0, 0), "5", "6");
    add_nested(&f);
    QVT_OK(qv__schema_new(f.fields, f.n, NULL, &f.scope, &err));
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    for (size_t k = 0; k < f->n; k++) {
        qv__field_clear(&f->fields[k]);
        qv__array_unref(f->columns[k]);
    }
    qv__schema_unref(f->scope);
    return 0;
}

/* ------------------------------------------------------------------ checks */

/* The column that a program asks for: the whole one, or a struct's part. */
static qv__array *argument(const fixture *f, const qv__expr_column *column)
{
    const qv__field *top = &f->scope->fields[column->top];

    for (size_t k = 0; k < top->type->n_children && top->type->id == QV_TYPE_STRUCT; k++)
        if (column->field == &top->type->children[k])
            return f->columns[column->top]->children[k];
    return f->columns[column->top];
}

static void append_value(qv__buffer *to, const qv__array *array, int64_t i)
{
    qv_error err;
    qv__type *utf8 = qvt_type(QV_TYPE_UTF8, 0, 0);
    qv__array *text = NULL;
    size_t len;
    int64_t start, end;

    if (qv__array_is_null(array, i)) {
        QVT_OK(qv__buffer_append(to, "~", 1, &err));
    } else if (qv__cast_possible(array->type, utf8)) {
        QVT_OK(qv__array_cast(array, utf8, QV_CAST_SQL, &text, &err));
        const uint8_t *bytes = qv__array_string(text, i, &len);
        QVT_OK(qv__buffer_append(to, bytes, len, &err));
    } else if (array->type->id == QV_TYPE_LIST || array->type->id == QV_TYPE_FIXED_LIST) {
        qv__array_list_range(array, i, &start, &end);
        QVT_OK(qv__buffer_append(to, "[", 1, &err));
        for (int64_t k = start; k < end; k++) {
            append_value(to, array->children[0], k);
            QVT_OK(qv__buffer_append(to, ";", 1, &err));
        }
        QVT_OK(qv__buffer_append(to, "]", 1, &err));
    } else {
        QVT_OK(qv__buffer_printf(to, &err, "{"));
        for (size_t k = 0; k < array->n_children; k++) {
            append_value(to, array->children[k], array->offset + i);
            QVT_OK(qv__buffer_append(to, ";", 1, &err));
        }
        QVT_OK(qv__buffer_printf(to, &err, "}"));
    }
    qv__array_unref(text);
    qv__type_unref(utf8);
}

static void run(const fixture *f, const expect *x, qv__buffer *values, char *type)
{
    qv_error err = { 0 };
    qv__program *p;
    qv__array *args[MOST], *result;
    qv_status st;

    strcpy(type, "");
    if (qv__program_compile(x->sql, f->scope, &p, &err) != QV_OK) {
        QVT_OK(qv__buffer_printf(values, &err, "! %s", err.message));
        return;
    }
    for (size_t k = 0; k < p->n_columns; k++)
        args[k] = argument(f, &p->columns[k]);
    qv__type_print(p->root->type, type, 200);
    st = qv__program_eval(p, args, ROWS, NULL, &result, &err);
    qv__program_unref(p);
    if (st != QV_OK) {
        QVT_OK(qv__buffer_printf(values, &err, "! %s", err.message));
        return;
    }
    for (int64_t i = 0; i < ROWS; i++) {
        if (i)
            QVT_OK(qv__buffer_append(values, ", ", 2, &err));
        append_value(values, result, i);
    }
    qv__array_unref(result);
}

static void check(const fixture *f, const expect *table, size_t n)
{
    bool bad = false;

    for (size_t k = 0; k < n; k++) {
        qv_error err;
        qv__buffer values;
        char type[200];

        qv__buffer_init(&values, 1 << 20);
        run(f, &table[k], &values, type);
        QVT_OK(qv__buffer_append(&values, "", 1, &err));
        bool same = table[k].values[0] == '!'
                        ? values.data[0] == '!' && strstr((const char *) values.data, table[k].values + 2)
                        : strcmp((const char *) values.data, table[k].values) == 0 && strcmp(type, table[k].type) == 0;
        if (!same)
            print_error("    { \"%s\", \"%s\", \"%s\" },\n", table[k].sql, type, (const char *) values.data);
        bad |= !same;
        qv__buffer_free(&values);
    }
    assert_false(bad);
}
#define CHECK(state, table) check(*(state), table, sizeof(table) / sizeof *(table))

static void literals(void **state)
{
    static const expect table[] = {
        { "1", "int64", "1, 1, 1" },
        { "1.5", "float64", "1.5, 1.5, 1.5" },
        { "1e3", "float64", "1000.0, 1000.0, 1000.0" },
        { "99999999999999999999", "float64", "1e20, 1e20, 1e20" },
        { "9223372036854775808", "uint64", "9223372036854775808, 9223372036854775808, 9223372036854775808" },
        { "-9223372036854775808", "int64", "-9223372036854775808, -9223372036854775808, -9223372036854775808" },
        { "0x10", "int64", "16, 16, 16" },
        { "0xFFFFFFFFFFFFFFFF", "uint64", "18446744073709551615, 18446744073709551615, 18446744073709551615" },
        { "'it''s'", "utf8", "it's, it's, it's" },
        { "E'a\\tb'", "utf8", "a\tb, a\tb, a\tb" },
        { "X'6162'", "binary", "ab, ab, ab" },
        { "true", "bool", "true, true, true" },
        { "FALSE", "bool", "false, false, false" },
        { "null", "null", "~, ~, ~" },
        { "date '2024-02-29'", "date32", "2024-02-29, 2024-02-29, 2024-02-29" },
        { "date '2024-02-30'", "",
          "! Arrow error: Cast error at Line: 1, Column: 1: Cannot cast string '2024-02-30' to value of Date32 type "
          "(at index 0)" },
        { "time '12:30:00'", "time64[ns]", "12:30:00, 12:30:00, 12:30:00" },
        { "timestamp '2024-01-01 00:00:00'", "timestamp[ns]",
          "2024-01-01T00:00:00, 2024-01-01T00:00:00, 2024-01-01T00:00:00" },
        { "timestamp '2024-01-01T00:00:00Z'", "timestamp[ns]",
          "2024-01-01T00:00:00, 2024-01-01T00:00:00, 2024-01-01T00:00:00" },
        { "timestamp '2024-01-01T00:00:00+02:00'", "timestamp[ns]",
          "2023-12-31T22:00:00, 2023-12-31T22:00:00, 2023-12-31T22:00:00" },
        { "interval '1' day", INTERVAL, "{0;1;0;}, {0;1;0;}, {0;1;0;}" },
        { "interval 2 hours", INTERVAL, "{0;0;7200000000000;}, {0;0;7200000000000;}, {0;0;7200000000000;}" },
        { "interval '1 year 2 months'", INTERVAL, "{14;0;0;}, {14;0;0;}, {14;0;0;}" },
        { "interval '1.5 days'", INTERVAL, "{0;1;43200000000000;}, {0;1;43200000000000;}, {0;1;43200000000000;}" },
        { "interval '-1 month 01:02:03.5'", INTERVAL,
          "{-1;0;3723500000000;}, {-1;0;3723500000000;}, {-1;0;3723500000000;}" },
        { "interval 'x'", "",
          "! Error during planning: Invalid input syntax for type interval: \"x\" at Line: 1, Column: 1" },
        { "[1,2]", "list<int64>", "[1;2;], [1;2;], [1;2;]" },
        { "[1,2.5]", "list<float64>", "[1.0;2.5;], [1.0;2.5;], [1.0;2.5;]" },
        { "[1,'a']", "",
          "! Cast error at Line: 1, Column: 4: Cannot cast string 'a' to value of Int64 type (at index 0)" },
        { "array['a']", "list<utf8>", "[a;], [a;], [a;]" },
        { "{'a': 1}", "struct<a: int64>", "{1;}, {1;}, {1;}" },
        { "1 -- c", "int64", "1, 1, 1" },
        { "/* x */ 1", "int64", "1, 1, 1" },
    };

    CHECK(state, table);
}

static const expect arithmetic_cases[] = {
    { "i + 1", "",
      "! Arrow error: Arithmetic overflow: Overflow happened on: 9223372036854775807 + 1 does not fit in Int64 at "
      "Line: 1, Column: 3" },
    { "i32 + 1", "int64", "2, ~, 2147483648" },
    { "i32 + i32", "",
      "! Arrow error: Arithmetic overflow: Overflow happened on: 2147483647 + 2147483647 does not fit in Int32 at "
      "Line: 1, Column: 5" },
    { "i8 + i8", "",
      "! Arrow error: Arithmetic overflow: Overflow happened on: 127 + 127 does not fit in Int8 at Line: 1, "
      "Column: 4" },
    { "u8 + u8", "",
      "! Arrow error: Arithmetic overflow: Overflow happened on: 255 + 255 does not fit in UInt8 at Line: 1, "
      "Column: 4" },
    { "u8 + i8", "int16", "2, ~, 382" },
    { "u32 + i32", "int64", "2, ~, 6442450942" },
    { "u + i", "decimal128(21, 0)", "2, ~, 27670116110564327422" },
    { "u + 0", "uint64", "1, ~, 18446744073709551615" },
    { "u - 1", "decimal128(21, 0)", "0, ~, 18446744073709551614" },
    { "u / 2", "uint64", "0, ~, 9223372036854775807" },
    { "u % 10", "uint64", "1, ~, 5" },
    { "i8 * 100", "int64", "100, ~, 12700" },
    { "u8 - 2", "int64", "-1, ~, 253" },
    { "i32 + f", "float32", "2.5, ~, NaN" },
    { "i + d", "float64", "2.5, ~, NaN" },
    { "f + f", "float32", "3.0, ~, NaN" },
    { "f + 1.5", "float64", "3.0, ~, NaN" },
    { "h + h", "float16", "3.0, ~, 4.0" },
    { "h + 1", "float16", "2.5, ~, 3.0" },
    { "h * d", "float64", "2.25, ~, NaN" },
    { "dec + 1", "decimal128(23, 2)", "2.50, ~, -1.25" },
    { "dec + dec", "decimal128(11, 2)", "3.00, ~, -4.50" },
    { "dec - dec", "decimal128(11, 2)", "0.00, ~, 0.00" },
    { "dec * dec", "decimal128(21, 4)", "2.2500, ~, 5.0625" },
    { "dec / dec", "decimal128(16, 6)", "1.000000, ~, 1.000000" },
    { "dec / 0", "", "! Arrow error: Divide by zero error at Line: 1, Column: 5" },
    { "dec % dec", "decimal128(10, 2)", "0.00, ~, 0.00" },
    { "dec + 1.5", "float64", "3.0, ~, -0.75" },
    { "dec + d", "float64", "3.0, ~, NaN" },
    { "i / 0", "", "! Arrow error: Divide by zero error at Line: 1, Column: 3" },
    { "i % 0", "", "! Arrow error: Divide by zero error at Line: 1, Column: 3" },
    { "u8 / 0", "", "! Arrow error: Divide by zero error at Line: 1, Column: 4" },
    { "7 / 2", "int64", "3, 3, 3" },
    { "-7 / 2", "int64", "-3, -3, -3" },
    { "-7 % 3", "int64", "-1, -1, -1" },
    { "7 % -3", "int64", "1, 1, 1" },
    { "-128::tinyint / -1", "int64", "128, 128, 128" },
    { "d / 0", "float64", "inf, ~, NaN" },
    { "1.0/0", "float64", "inf, inf, inf" },
    { "0.0/0", "float64", "NaN, NaN, NaN" },
    { "5.5 % 2", "float64", "1.5, 1.5, 1.5" },
    { "i / 2", "int64", "0, ~, 4611686018427387903" },
    { "i32 * 2", "int64", "2, ~, 4294967294" },
    { "-i", "int64", "-1, ~, -9223372036854775807" },
    { "-i8", "int8", "-1, ~, -127" },
    { "-dec", "decimal128(10, 2)", "-1.50, ~, 2.25" },
    { "-h", "float16", "-1.5, ~, -2.0" },
    { "-d", "float64", "-1.5, ~, NaN" },
    { "-u", "",
      "! Error during planning: Unary operator '-' only supports signed numeric and interval types at Line: 1, "
      "Column: 1" },
    { "-s", "",
      "! Error during planning: Unary operator '-' only supports signed numeric and interval types at Line: 1, "
      "Column: 1" },
    { "s + 1", "",
      "! Error during planning: Cannot coerce arithmetic expression Utf8 + Int64 to valid types at Line: 1, "
      "Column: 3" },
    { "b + 1", "",
      "! Error during planning: Cannot coerce arithmetic expression Boolean + Int64 to valid types at Line: 1, "
      "Column: 3" },
    { "null + 1", "int64", "~, ~, ~" },
    { "null + null", "int64", "~, ~, ~" },
    { "1 + 2 * 3 % 4", "int64", "3, 3, 3" },
    { "2 * 3 ^ 1", "int64", "7, 7, 7" },
    { "-2 ^ 2", "int64", "-4, -4, -4" },
    { "1 | 2 & 3", "int64", "3, 3, 3" },
    { "i & 3", "int64", "1, ~, 3" },
    { "i8 | 4", "int64", "5, ~, 127" },
    { "u8 ^ 1", "int64", "0, ~, 254" },
    { "d & 1", "",
      "! Error during planning: Cannot coerce arithmetic expression Float64 & Int64 to valid types at Line: 1, "
      "Column: 3" },
    { "9223372036854775807 + 1", "",
      "! Arrow error: Arithmetic overflow: Overflow happened on: 9223372036854775807 + 1 does not fit in Int64 at "
      "Line: 1, Column: 21" },
    { "i * 2", "",
      "! Arrow error: Arithmetic overflow: Overflow happened on: 9223372036854775807 * 2 does not fit in Int64 at "
      "Line: 1, Column: 3" },
    { "u * u", "",
      "! Arrow error: Arithmetic overflow: Overflow happened on: 18446744073709551615 * 18446744073709551615 does "
      "not fit in UInt64 at Line: 1, Column: 3" },
    { "dec * 99999999.99 * 99999999.99 * 99999999.99", "float64", "1.4999999995499996e24, ~, -2.2499999993249995e24" },
};

static void arithmetic(void **state) { CHECK(state, arithmetic_cases); }

static const expect comparisons_cases[] = {
    { "i = 1", "bool", "true, ~, false" },
    { "i = '1'", "bool", "true, ~, false" },
    { "i = 'x'", "", "! Cast error at Line: 1, Column: 5: Cannot cast string 'x' to value of Int64 type (at index 0)" },
    { "s = 1", "",
      "! Arrow error: Cast error at Line: 1, Column: 1: Cannot cast string 'b' to value of Int64 type (at index "
      "2)" },
    { "i = 1.0", "bool", "true, ~, false" },
    { "i > 1.5", "bool", "false, ~, true" },
    { "i >= 1.5", "bool", "false, ~, true" },
    { "i < 1.5", "bool", "true, ~, false" },
    { "1.5 > i", "bool", "true, ~, false" },
    { "i <= -0.5", "bool", "false, ~, false" },
    { "u = -1", "bool", "false, ~, false" },
    { "u8 = 300", "bool", "false, ~, false" },
    { "u8 < 300", "bool", "true, ~, true" },
    { "u8 > -1", "bool", "true, ~, true" },
    { "i8 > 1000", "bool", "false, ~, false" },
    { "i32 = 3000000000", "bool", "false, ~, false" },
    { "u > i32", "bool", "false, ~, true" },
    { "u = i", "bool", "true, ~, false" },
    { "u32 = i", "bool", "true, ~, false" },
    { "i8 = u8", "bool", "true, ~, false" },
    { "f = 1.5", "bool", "true, ~, false" },
    { "f = 1.1", "bool", "false, ~, false" },
    { "f > 1.1", "bool", "true, ~, true" },
    { "f < 1.1", "bool", "false, ~, false" },
    { "f >= 16777217", "bool", "false, ~, true" },
    { "f = d", "bool", "true, ~, true" },
    { "h = 1.5", "bool", "true, ~, false" },
    { "h > 1", "bool", "true, ~, true" },
    { "d = d", "bool", "true, ~, true" },
    { "d > 1e308", "bool", "false, ~, true" },
    { "d < cast('nan' as double)", "bool", "true, ~, false" },
    { "d = 'nan'", "bool", "false, ~, true" },
    { "cast('nan' as double) = cast('nan' as double)", "bool", "true, true, true" },
    { "-0.0 = 0.0", "bool", "true, true, true" },
    { "dec = 1.5", "bool", "true, ~, false" },
    { "dec = '1.5'", "bool", "true, ~, false" },
    { "dec = 1.555", "bool", "false, ~, false" },
    { "dec > 1.499", "bool", "true, ~, false" },
    { "dec < 1.501", "bool", "true, ~, true" },
    { "dec = d", "bool", "true, ~, false" },
    { "i = dec", "bool", "false, ~, false" },
    { "dt = '2024-01-31'", "bool", "true, ~, false" },
    { "dt > 'abc'", "",
      "! Cast error at Line: 1, Column: 6: Cannot cast string 'abc' to value of Date32 type (at index 0)" },
    { "dt > timestamp '2024-01-30 12:00:00'", "bool", "true, ~, false" },
    { "dt < ts", "bool", "true, ~, false" },
    { "ts = dt", "bool", "false, ~, true" },
    { "ts > '2024-01-01'", "bool", "true, ~, false" },
    { "ts > date '2024-01-01'", "bool", "true, ~, false" },
    { "tm > '00:00:00.000002'", "bool", "false, ~, true" },
    { "tm = time '00:00:00.000001'", "bool", "true, ~, false" },
    { "ts = 5", "",
      "! Error during planning: Cannot infer common argument type for comparison operation Timestamp(Microsecond, "
      "None) = Int64 at Line: 1, Column: 4" },
    { "b = true", "bool", "true, ~, false" },
    { "b > false", "bool", "true, ~, false" },
    { "b = 1", "",
      "! Error during planning: Cannot infer common argument type for comparison operation Boolean = Int64 at "
      "Line: 1, Column: 3" },
    { "b = 'true'", "",
      "! Error during planning: Cannot infer common argument type for comparison operation Boolean = Utf8 at Line: "
      "1, Column: 3" },
    { "s < 'a'", "bool", "true, ~, false" },
    { "s = ls", "bool", "true, ~, true" },
    { "ls = '1'", "bool", "true, ~, false" },
    { "bin = 'a'", "bool", "true, ~, false" },
    { "bin > X'61'", "bool", "false, ~, true" },
    { "dict = 'b'", "bool", "false, ~, true" },
    { "dict <> s", "bool", "false, ~, false" },
    { "l = [1,2]", "bool", "true, ~, false" },
    { "l > [1]", "bool", "true, ~, false" },
    { "st = st", "bool", "true, ~, true" },
    { "s is distinct from null", "bool", "true, false, true" },
    { "s is not distinct from null", "bool", "false, true, false" },
    { "s is distinct from '1'", "bool", "false, true, true" },
    { "i <=> 1", "bool", "true, false, false" },
    { "null = null", "bool", "~, ~, ~" },
    { "1 = 1 = true", "bool", "true, true, true" },
};

static void comparisons(void **state) { CHECK(state, comparisons_cases); }

static void logic(void **state)
{
    static const expect table[] = {
        { "b and null", "bool", "~, ~, false" },
        { "b or null", "bool", "true, ~, ~" },
        { "not b", "bool", "false, ~, true" },
        { "not null", "bool", "~, ~, ~" },
        { "b and b", "bool", "true, ~, false" },
        { "b and not b", "bool", "false, ~, false" },
        { "null and false", "bool", "false, false, false" },
        { "null or true", "bool", "true, true, true" },
        { "false and 1/0 = 1", "bool", "false, false, false" },
        { "i > 0 or 1/(i-1) > 0", "bool", "true, ~, true" },
        { "i <> 1 and 1/(i-1) > 0", "bool", "false, ~, false" },
        { "not i = 1", "bool", "false, ~, true" },
        { "not (i < 2)", "bool", "false, ~, true" },
        { "b is true", "bool", "true, false, false" },
        { "b is not true", "bool", "false, true, true" },
        { "b is false", "bool", "false, false, true" },
        { "b is unknown", "bool", "false, true, false" },
        { "b is not unknown", "bool", "true, false, true" },
        { "i is null", "bool", "false, true, false" },
        { "i is not null is true", "bool", "true, false, true" },
        { "i is true", "",
          "! Error during planning: IS requires a boolean expression, got Int64 at Line: 1, Column: 1" },
        { "not i", "", "! Error during planning: NOT requires a boolean expression, got Int64 at Line: 1, Column: 5" },
        { "b and 1", "",
          "! Error during planning: AND requires a boolean expression, got Int64 at Line: 1, Column: 7" },
        { "i between 1 and 2", "bool", "true, ~, false" },
        { "i not between 1 and '2'", "bool", "false, ~, true" },
        { "i between 2 and null", "bool", "false, ~, ~" },
        { "i in (1, 2.5)", "bool", "true, ~, false" },
        { "i in ('1','2')", "bool", "true, ~, false" },
        { "i in (1, null)", "bool", "true, ~, ~" },
        { "i not in (1)", "bool", "false, ~, true" },
        { "i8 in (1, 1000)", "bool", "true, ~, false" },
        { "i in (i, 5)", "bool", "true, ~, true" },
        { "i in ()", "", "! sql parser error: Expected: an expression, found: ) at Line: 1, Column: 7" },
        { "s in ('1', 'x')", "bool", "true, ~, false" },
        { "s in (1)", "",
          "! Arrow error: Cast error at Line: 1, Column: 1: Cannot cast string 'b' to value of Int64 type (at index "
          "2)" },
        { "dict in ('b')", "bool", "false, ~, true" },
        { "d in (1.5, cast('nan' as double))", "bool", "true, ~, true" },
        { "f in (1.5, 1.1)", "bool", "true, ~, false" },
        { "dec in (1.5, 2)", "bool", "true, ~, false" },
        { "dt in ('2024-01-31')", "bool", "true, ~, false" },
        { "b in (true)", "bool", "true, ~, false" },
        { "l in ([1,2])", "bool", "true, ~, false" },
        { "st in (st)", "bool", "true, ~, true" },
        { "null in (1)", "bool", "~, ~, ~" },
        { "bin in ('a')", "bool", "true, ~, false" },
        { "case when b then 1 else 2.5 end", "float64", "1.0, 2.5, 2.5" },
        { "case when b then 1 else 'x' end", "utf8", "1, x, x" },
        { "case i when 1 then 'a' end", "utf8", "a, ~, ~" },
        { "case when i then 1 end", "",
          "! Error during planning: CASE WHEN requires a boolean expression, got Int64 at Line: 1, Column: 11" },
        { "case when true then 5 else 1/0 end", "int64", "5, 5, 5" },
        { "case when b then i else 1/0 end", "", "! Arrow error: Divide by zero error at Line: 1, Column: 26" },
        { "case when false then 1 end", "int64", "~, ~, ~" },
        { "case when b then [1] else l end", "list<int64>", "[1;], ~, []" },
        { "case dict when 'b' then dict else 'x' end", "utf8", "x, x, b" },
    };

    CHECK(state, table);
}

static void texts(void **state)
{
    static const expect table[] = {
        { "s like '%b%'", "bool", "false, ~, true" },
        { "s like 'b_'", "bool", "false, ~, false" },
        { "'abc' like 'a%c'", "bool", "true, true, true" },
        { "'abc' like 'ab_'", "bool", "true, true, true" },
        { "'abc' like '%b'", "bool", "false, false, false" },
        { "'a\\b' like 'a\\\\b'", "bool", "true, true, true" },
        { "'a%' like 'a!%' escape '!'", "bool", "true, true, true" },
        { "'ab' like 'a!%' escape '!'", "bool", "false, false, false" },
        { "'ab' like 'a\\%'", "bool", "false, false, false" },
        { "'a' like 'a' escape ''", "",
          "! sql parser error: Invalid escape character in LIKE expression. Expected a single ASCII character wrapped "
          "with single quotes, got '' at Line: 1, Column: 21" },
        { "'' like '%'", "bool", "true, true, true" },
        { "'' like '_'", "bool", "false, false, false" },
        { "'ä' like '_'", "bool", "true, true, true" },
        { "'ABC' ilike 'a%C'", "bool", "true, true, true" },
        { "'ÄB' ilike 'ä_'", "bool", "true, true, true" },
        { "s like null", "bool", "~, ~, ~" },
        { "s like 1", "",
          "! Error during planning: There isn't a common type to coerce Utf8 and Int64 in LIKE expression at Line: 1, "
          "Column: 3" },
        { "i like '1%'", "",
          "! Error during planning: There isn't a common type to coerce Int64 and Utf8 in LIKE expression at Line: 1, "
          "Column: 3" },
        { "s like s", "bool", "true, ~, true" },
        { "dict like 'b%'", "bool", "false, ~, true" },
        { "ls not like '1'", "bool", "false, ~, true" },
        { "s ~ 'B'", "bool", "false, ~, false" },
        { "s ~* 'B'", "bool", "false, ~, true" },
        { "s !~ 'b'", "bool", "true, ~, false" },
        { "s !~* 'B'", "bool", "true, ~, false" },
        { "s ~~ 'b'", "bool", "false, ~, true" },
        { "s !~~* 'B'", "bool", "true, ~, false" },
        { "s similar to '1|b'", "bool", "true, ~, true" },
        { "'abc' similar to '(a|x)b_'", "bool", "true, true, true" },
        { "'ab' similar to 'a'", "bool", "false, false, false" },
        { "'a.b' similar to 'a.b'", "bool", "true, true, true" },
        { "'axb' similar to 'a.b'", "bool", "false, false, false" },
        { "s similar to s", "",
          "! Error during planning: the pattern of SIMILAR TO must be a constant at Line: 1, Column: 3" },
        { "s ~ '('", "",
          "! Error during planning at Line: 1, Column: 3: bad regular expression '(' at byte 1: missing closing "
          "parenthesis" },
        { "s || 1", "utf8", "11, ~, b1" },
        { "s || b || 'x'", "utf8", "1truex, ~, bfalsex" },
        { "1 || 2", "",
          "! Error during planning: Cannot infer common string type for string concat operation Int64 || Int64 at "
          "Line: 1, Column: 3" },
        { "s || null", "utf8", "~, ~, ~" },
        { "null || null", "utf8", "~, ~, ~" },
        { "X'61' || X'62'", "binary", "ab, ab, ab" },
        { "bin || bin", "binary", "aa, ~, cc" },
        { "ls || s", "large_utf8", "11, ~, bb" },
        { "dict || 'x'", "utf8", "1x, ~, bx" },
        { "l || [3]", "list<int64>", "[1;2;3;], [3;], [3;]" },
    };

    CHECK(state, table);
}

static void dates(void **state)
{
    static const expect table[] = {
        { "dt + 1", "date32", "2024-02-01, ~, 1969-01-02" },
        { "1 + dt", "date32", "2024-02-01, ~, 1969-01-02" },
        { "dt - 1", "date32", "2024-01-30, ~, 1968-12-31" },
        { "dt + 3000000000", "",
          "! Cast error at Line: 1, Column: 6: Can't cast value 3000000000 to type Int32 (at index 0)" },
        { "dt - dt", "int64", "0, ~, 0" },
        { "ts - ts", "duration[us]", "0, ~, 0" },
        { "ts - dt", "duration[us]", "3723000000, ~, 0" },
        { "dt + interval '1 month'", "date32", "2024-02-29, ~, 1969-02-01" },
        { "dt - interval '1 month'", "date32", "2023-12-31, ~, 1968-12-01" },
        { "dt + interval '1 hour'", "date32", "2024-01-31, ~, 1969-01-01" },
        { "interval '1 day' + dt", "date32", "2024-02-01, ~, 1969-01-02" },
        { "ts + interval '1 month 2 days 3 hours'", "timestamp[us]", "2024-03-02T04:02:03, ~, 1969-02-03T03:00:00" },
        { "ts - interval '1 second'", "timestamp[us]", "2024-01-31T01:02:02, ~, 1968-12-31T23:59:59" },
        { "tm + interval '1 hour'", "time64[us]", "01:00:00.000001, ~, 01:00:00.000003" },
        { "tm - interval '1 hour'", "time64[us]", "23:00:00.000001, ~, 23:00:00.000003" },
        { "ts + dt", "",
          "! Error during planning: Cannot coerce arithmetic expression Timestamp(Microsecond, None) + Date32 to valid "
          "types at Line: 1, Column: 4" },
        { "ts * 2", "",
          "! Error during planning: Cannot coerce arithmetic expression Timestamp(Microsecond, None) * Int64 to valid "
          "types at Line: 1, Column: 4" },
        { "interval '1 day' + interval '2 hours'", INTERVAL,
          "{0;1;7200000000000;}, {0;1;7200000000000;}, {0;1;7200000000000;}" },
        { "-interval '1 day'", INTERVAL, "{0;-1;0;}, {0;-1;0;}, {0;-1;0;}" },
        { "interval '1 day' * 2", "",
          "! Error during planning: Cannot coerce arithmetic expression struct<months: int32 not null, days: int32 not "
          "null, nanoseconds: int64 not null> * Int64 to valid types at Line: 1, Column: 18" },
        { "date '9999-12-31' + interval '1 day'", "date32", "10000-01-01, 10000-01-01, 10000-01-01" },
        { "date '2024-02-29' - interval '1 year'", "date32", "2023-02-28, 2023-02-28, 2023-02-28" },
        { "(ts - ts) + ts", "timestamp[us]", "2024-01-31T01:02:03, ~, 1969-01-01T00:00:00" },
        { "ts + (ts - ts)", "timestamp[us]", "2024-01-31T01:02:03, ~, 1969-01-01T00:00:00" },
        { "dt + null", "date32", "~, ~, ~" },
        { "cast('2024-01-01' as date) + 1", "date32", "2024-01-02, 2024-01-02, 2024-01-02" },
    };

    CHECK(state, table);
}

static const expect casts_cases[] = {
    { "cast(s as int)", "",
      "! Arrow error: Cast error at Line: 1, Column: 1: Cannot cast string 'b' to value of Int32 type (at index "
      "2)" },
    { "try_cast(s as int)", "int32", "1, ~, ~" },
    { "s::bigint", "",
      "! Arrow error: Cast error at Line: 1, Column: 2: Cannot cast string 'b' to value of Int64 type (at index "
      "2)" },
    { "try_cast(i as smallint)", "int16", "1, ~, ~" },
    { "cast(d as int)", "",
      "! Arrow error: Cast error at Line: 1, Column: 1: Can't cast value NaN to type Int32 (at index 2)" },
    { "try_cast(d as int)", "int32", "1, ~, ~" },
    { "cast(1.9 as int)", "int32", "1, 1, 1" },
    { "cast(-1.9 as int)", "int32", "-1, -1, -1" },
    { "cast('abc' as date)", "",
      "! Arrow error: Cast error at Line: 1, Column: 1: Cannot cast string 'abc' to value of Date32 type (at index "
      "0)" },
    { "try_cast('abc' as date)", "date32", "~, ~, ~" },
    { "cast(5 as timestamp)", "timestamp[ns]", "1970-01-01T00:00:05, 1970-01-01T00:00:05, 1970-01-01T00:00:05" },
    { "cast(ts as date)", "date32", "2024-01-31, ~, 1969-01-01" },
    { "cast(ts as timestamp(3))", "timestamp[ms]", "2024-01-31T01:02:03, ~, 1969-01-01T00:00:00" },
    { "cast(ts as timestamp with time zone)", "timestamp[ns]", "2024-01-31T01:02:03, ~, 1969-01-01T00:00:00" },
    { "cast(ts as varchar)", "utf8", "2024-01-31T01:02:03, ~, 1969-01-01T00:00:00" },
    { "cast(d as text)", "utf8", "1.5, ~, NaN" },
    { "cast(1e20 as string)", "utf8", "1e20, 1e20, 1e20" },
    { "cast(f as varchar(3))", "utf8", "1.5, ~, NaN" },
    { "cast(b as string)", "utf8", "true, ~, false" },
    { "cast(b as int)", "int32", "1, ~, 0" },
    { "cast(dec as varchar)", "utf8", "1.50, ~, -2.25" },
    { "cast(dec as int)", "int32", "1, ~, -2" },
    { "cast(i as decimal(5,2))", "",
      "! Arrow error: Cast error at Line: 1, Column: 1: Decimal value 9223372036854775807 does not fit in "
      "precision 5 (at index 2)" },
    { "cast(i32 as decimal)", "decimal128(38, 10)", "1.0000000000, ~, 2147483647.0000000000" },
    { "cast(s as bytea)", "binary", "1, ~, b" },
    { "cast(bin as string)", "utf8", "a, ~, c" },
    { "cast(i as nope)", "", "! sql parser error: Unsupported SQL type nope at Line: 1, Column: 11" },
    { "cast(i as int unsigned)", "",
      "! Arrow error: Cast error at Line: 1, Column: 1: Can't cast value 9223372036854775807 to type UInt32 (at "
      "index 2)" },
    { "cast(i8 as smallint unsigned)", "uint16", "1, ~, 127" },
    { "cast(i32 as double precision)", "float64", "1.0, ~, 2147483647.0" },
    { "cast(i as float(24))", "float32", "1.0, ~, 9.223372e18" },
    { "cast(i as float(25))", "float64", "1.0, ~, 9.223372036854776e18" },
    { "cast(1.5 as decimal(3,5))", "",
      "! sql parser error: Decimal(precision = 3, scale = 5) should satisfy `0 < precision <= 76`, and `scale <= "
      "precision` at Line: 1, Column: 13" },
    { "cast(l as int[])", "list<int32>", "[1;2;], ~, []" },
    { "cast(l as array<smallint>)", "list<int16>", "[1;2;], ~, []" },
    { "cast(l as int)", "", "! Error during planning: Cannot cast list<int64> to Int32 at Line: 1, Column: 1" },
    { "cast(s as interval)", "",
      "! Error during planning: Cannot cast Utf8 to struct<months: int32 not null, days: int32 not null, "
      "nanoseconds: int64 not null> at Line: 1, Column: 1" },
    { "1.5::int", "int32", "1, 1, 1" },
    { "-1::int", "int32", "-1, -1, -1" },
    { "arrow_cast(i,'Int32')", "",
      "! Arrow error: Cast error at Line: 1, Column: 1: Can't cast value 9223372036854775807 to type Int32 (at "
      "index 2)" },
    { "arrow_cast(i,'Float32')", "float32", "1.0, ~, 9.223372e18" },
    { "arrow_cast(ts,'Timestamp(Nanosecond, None)')", "timestamp[ns]", "2024-01-31T01:02:03, ~, 1969-01-01T00:00:00" },
    { "arrow_cast(ts,'Timestamp(us, \"UTC\")')", "timestamp[us, UTC]",
      "2024-01-31T01:02:03Z, ~, 1969-01-01T00:00:00Z" },
    { "arrow_cast(l,'List(Int32)')", "list<int32>", "[1;2;], ~, []" },
    { "arrow_cast(1,'Decimal128(10,2)')", "decimal128(10, 2)", "1.00, 1.00, 1.00" },
    { "arrow_cast(s,'LargeUtf8')", "large_utf8", "1, ~, b" },
    { "arrow_cast(s, 'Dictionary(Int8, Utf8)')", "dictionary<int8, utf8>", "1, ~, b" },
    { "arrow_cast([1,2],'FixedSizeList(2, Float32)')", "fixed_size_list<float32>[2]",
      "[1.0;2.0;], [1.0;2.0;], [1.0;2.0;]" },
    { "arrow_cast(i, 'Nope')", "",
      "! Unsupported type 'Nope': sql parser error: Unsupported type 'Nope' at Line: 1, Column: 1" },
    { "arrow_cast(i, s)", "",
      "! Error during planning: arrow_cast takes a value and the name of a type, a constant string at Line: 1, "
      "Column: 1" },
    { "cast(null as int)", "int32", "~, ~, ~" },
};

static void casts(void **state) { CHECK(state, casts_cases); }

static void names(void **state)
{
    static const expect table[] = {
        { "S", "utf8", "1, ~, b" },
        { "\"S\"", "",
          "! Schema error: No field named S. Did you mean 's'? Valid fields are i8, i32, i, u8, u32, u, h, f, d, s, "
          "ls, bin, b, dec, dt, ts, tm, dict, Order, a`b, l, st. (Line: 1, Column: 1)" },
        { "\"s\"", "utf8", "1, ~, b" },
        { "`s`", "utf8", "1, ~, b" },
        { "`a``b`", "int64", "5, ~, 6" },
        { "order", "", "! sql parser error: Expected: an expression, found: order at Line: 1, Column: 1" },
        { "\"Order\"", "int64", "5, ~, 6" },
        { "st.a", "int64", "1, ~, 3" },
        { "ST.A", "int64", "1, ~, 3" },
        { "st['a']", "int64", "1, ~, 3" },
        { "st['A']", "", "! Error during planning: Field A not found in struct st at Line: 1, Column: 4" },
        { "st.`B c`", "utf8", "x, ~, x" },
        { "st['B c'] || s", "utf8", "x1, ~, xb" },
        { "st.zz", "", "! Error during planning: Field zz not found in struct st at Line: 1, Column: 4" },
        { "st.a.b", "",
          "! Error during planning at Line: 1, Column: 6: get_field: argument 1 is int64, expected a struct: "
          "get_field(struct, name) -> the field's type" },
        { "zz", "",
          "! Schema error: No field named zz. Valid fields are i8, i32, i, u8, u32, u, h, f, d, s, ls, bin, b, dec, "
          "dt, ts, tm, dict, Order, a`b, l, st. (Line: 1, Column: 1)" },
        { "ids", "",
          "! Schema error: No field named ids. Valid fields are i8, i32, i, u8, u32, u, h, f, d, s, ls, bin, b, dec, "
          "dt, ts, tm, dict, Order, a`b, l, st. (Line: 1, Column: 1)" },
        { "l[1]", "int64", "1, ~, ~" },
        { "l[-1]", "int64", "2, ~, ~" },
        { "l[0]", "int64", "~, ~, ~" },
        { "l[5]", "int64", "~, ~, ~" },
        { "l[1:2]", "list<int64>", "[1;2;], ~, []" },
        { "l['a']", "",
          "! Error during planning at Line: 1, Column: 3: get_field: argument 1 is list<int64>, expected a struct: "
          "get_field(struct, name) -> the field's type" },
        { "{'a': i}['a']", "int64", "1, ~, 9223372036854775807" },
        { "nope(s)", "", "! Error during planning: Invalid function 'nope'. at Line: 1, Column: 1" },
        { "coalese(s)", "",
          "! Error during planning: Invalid function 'coalese'. Did you mean 'coalesce'? at Line: 1, Column: 1" },
        { "upper()", "",
          "! Error during planning: function 'upper' expects 1 arguments but received 0: upper(text) -> text at Line: "
          "1, Column: 1" },
        { "upper(s, s)", "",
          "! Error during planning: function 'upper' expects 1 arguments but received 2: upper(text) -> text at Line: "
          "1, Column: 1" },
        { "_rowid", "",
          "! Schema error: No field named _rowid. Valid fields are i8, i32, i, u8, u32, u, h, f, d, s, ls, bin, b, "
          "dec, dt, ts, tm, dict, Order, a`b, l, st. (Line: 1, Column: 1)" },
    };

    CHECK(state, table);
}

static void syntax(void **state)
{
    static const expect table[] = {
        { "true and", "", "! sql parser error: Expected: an expression, found: EOF" },
        { "1 +", "", "! sql parser error: Expected: an expression, found: EOF" },
        { "(1", "", "! sql parser error: Expected: ), found: EOF" },
        { "1)", "", "! sql parser error: Expected: end of statement, found: ) at Line: 1, Column: 2" },
        { "1; 2", "", "! sql parser error: Expected: end of statement, found: ; at Line: 1, Column: 2" },
        { "-- c", "", "! sql parser error: Expected: an expression, found: EOF" },
        { "1 /* x", "", "! sql parser error: Unexpected EOF while in a multi-line comment at Line: 1, Column: 7" },
        { "'abc", "", "! sql parser error: Unterminated string literal at Line: 1, Column: 1" },
        { "\"abc", "", "! sql parser error: Unterminated quoted name at Line: 1, Column: 1" },
        { "X'6g'", "", "! sql parser error: Invalid hexadecimal digit 'g' in X'..' at Line: 1, Column: 1" },
        { "i in (1", "", "! sql parser error: Expected: ), found: EOF" },
        { "i between 1", "", "! sql parser error: Expected: AND, found: EOF" },
        { "case when 1", "", "! sql parser error: Expected: THEN, found: EOF" },
        { "case end", "", "! sql parser error: Expected: an expression, found: end at Line: 1, Column: 6" },
        { "cast(1 as", "", "! sql parser error: Expected: a data type name, found: EOF" },
        { "cast(1 at int)", "", "! sql parser error: Expected: AS, found: at at Line: 1, Column: 8" },
        { "i is 5", "",
          "! sql parser error: Expected: [NOT] NULL | TRUE | FALSE | DISTINCT | UNKNOWN after IS, found: 5 at Line: 1, "
          "Column: 6" },
        { "i not 5", "", "! sql parser error: Expected: IN or BETWEEN after NOT, found: 5 at Line: 1, Column: 7" },
        { "select 1", "", "! sql parser error: Expected: an expression, found: select at Line: 1, Column: 1" },
        { "(select 1)", "", "! sql parser error: Expected: an expression, found: select at Line: 1, Column: 2" },
        { "exists (select 1)", "", "! sql parser error: Expected: an expression, found: exists at Line: 1, Column: 1" },
        { "i # 1", "", "! sql parser error: Expected: end of statement, found: # at Line: 1, Column: 3" },
        { "i << 1", "", "! sql parser error: Expected: an expression, found: < at Line: 1, Column: 4" },
        { "! b", "", "! sql parser error: Expected: an expression, found: ! at Line: 1, Column: 1" },
        { "?", "", "! sql parser error: Expected: an expression, found: ? at Line: 1, Column: 1" },
        { "$1", "", "! sql parser error: Expected: an expression, found: $ at Line: 1, Column: 1" },
        { ":a", "", "! sql parser error: Expected: an expression, found: : at Line: 1, Column: 1" },
        { "a..b", "", "! sql parser error: Expected: identifier, found: . at Line: 1, Column: 3" },
        { "1 2", "", "! sql parser error: Expected: end of statement, found: 2 at Line: 1, Column: 3" },
        { "f(", "", "! sql parser error: Expected: an expression, found: EOF" },
        { "[1", "", "! sql parser error: Expected: ], found: EOF" },
        { "{'a'", "", "! sql parser error: Expected: :, found: EOF" },
        { "s like", "", "! sql parser error: Expected: an expression, found: EOF" },
        { "s like 'a' escape 'ab'", "",
          "! sql parser error: Invalid escape character in LIKE expression. Expected a single ASCII character wrapped "
          "with single quotes, got 'ab' at Line: 1, Column: 19" },
        { "s similar '1'", "", "! sql parser error: Expected: TO, found: '1' at Line: 1, Column: 11" },
        { "interval", "",
          "! Schema error: No field named interval. Valid fields are i8, i32, i, u8, u32, u, h, f, d, s, ls, bin, b, "
          "dec, dt, ts, tm, dict, Order, a`b, l, st. (Line: 1, Column: 1)" },
        { "date '", "", "! sql parser error: Unterminated string literal at Line: 1, Column: 6" },
        { "i === 1", "", "! sql parser error: Expected: an expression, found: = at Line: 1, Column: 5" },
        { "\\", "", "! sql parser error: Expected: an expression, found: \\ at Line: 1, Column: 1" },
        { "i -> 1", "", "! sql parser error: Expected: an expression, found: > at Line: 1, Column: 4" },
    };

    CHECK(state, table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(literals, setup, teardown),
        cmocka_unit_test_setup_teardown(arithmetic, setup, teardown),
        cmocka_unit_test_setup_teardown(comparisons, setup, teardown),
        cmocka_unit_test_setup_teardown(logic, setup, teardown),
        cmocka_unit_test_setup_teardown(texts, setup, teardown),
        cmocka_unit_test_setup_teardown(dates, setup, teardown),
        cmocka_unit_test_setup_teardown(casts, setup, teardown),
        cmocka_unit_test_setup_teardown(names, setup, teardown),
        cmocka_unit_test_setup_teardown(syntax, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
