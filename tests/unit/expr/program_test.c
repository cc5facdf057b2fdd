/* Programs as planners use them, limits, live rows, and memory that runs out. */
#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "base/job.h"
#include "qvt_arrays.h"
#include "qvt_expr.h"
#include "qvt_trial.h"

enum { MOST_TEXT = 40 << 20 };

typedef struct fixture {
    qv__schema *scope;
    qv__array *columns[3]; /* in the scope's order */
} fixture;

static int setup(void **state)
{
    static fixture f;
    static const char *const names[] = { "id", "s", "_rowid" };
    static const qv__type_id ids[] = { QV_TYPE_INT64, QV_TYPE_UTF8, QV_TYPE_UINT64 };
    const char *const ints[] = { "1", NULL, "3", "0", "5" }, *const texts[] = { "abc", "b", NULL, "", "abd" };
    qv__field fields[3] = { 0 };
    qv_error err;

    for (size_t k = 0; k < 3; k++) {
        qv__type *type = qvt_type(ids[k], 0, 0);
        QVT_OK(qv__field_init(&fields[k], names[k], type, true, &err));
        f.columns[k] = qvt_column(type, 5, k == 1 ? texts : ints);
        qv__type_unref(type);
    }
    QVT_OK(qv__schema_new(fields, 3, NULL, &f.scope, &err));
    for (size_t k = 0; k < 3; k++)
        qv__field_clear(&fields[k]);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    for (size_t k = 0; k < 3; k++)
        qv__array_unref(f->columns[k]);
    qv__schema_unref(f->scope);
    return 0;
}

static qv__program *compile(const fixture *f, const char *sql)
{
    qv_error err;
    qv__program *p = NULL;

    QVT_OK(qv__program_compile(sql, f->scope, &p, &err));
    return p;
}

static void refuse(const fixture *f, const char *sql, const char *part)
{
    qv_error err;
    qv__program *p;

    QVT_FAILS(qv__program_compile(sql, f->scope, &p, &err), QV_INVALID, part);
}

static void prints(const qv__program *p, const char *expected)
{
    qv_error err;
    qv__buffer text;

    qv__buffer_init(&text, 1 << 20);
    QVT_OK(qv__expr_print(p, p->root, &text, &err));
    QVT_OK(qv__buffer_append(&text, "", 1, &err));
    assert_string_equal((char *) text.data, expected);
    qv__buffer_free(&text);
}

static size_t filter(const fixture *f, const qv__program *p, const uint8_t *live, uint8_t *selected)
{
    qv_error err;
    qv__array *args[3];
    size_t n = 0;

    for (size_t k = 0; k < p->n_columns; k++)
        args[k] = f->columns[p->columns[k].top];
    QVT_OK(qv__program_filter(p, args, 5, live, selected, &n, &err));
    return n;
}

/* ------------------------------------------------------------------ planners */

static void parts_stand_alone(void **state)
{
    const fixture *f = *state;
    qv_error err;
    qv__program *p = compile(f, "s LIKE 'ab%' AND id > 2 AND _rowid = 5"), *part, *both;
    uint8_t selected[1];

    assert_int_equal(p->root->kind, QV_EXPR_AND);
    assert_int_equal(p->root->n_args, 3);
    assert_int_equal(p->n_columns, 3);
    prints(p, "((id > 2) AND (_rowid = arrow_cast('5', 'UInt64')) AND (s LIKE 'ab%'))"); /* the cheap ones first */
    QVT_OK(qv__program_part(p, p->root->args[2], &part, &err));
    assert_int_equal(part->n_columns, 1);
    assert_string_equal(part->columns[0].path, "s");
    assert_int_equal(part->columns[0].top, 1);
    assert_ptr_equal(part->columns[0].field, &f->scope->fields[1]);
    assert_int_equal(filter(f, part, NULL, selected), 2);
    assert_int_equal(selected[0], 0x11);
    QVT_OK(qv__program_and(p, (const qv__expr *const[]){ p->root->args[2], p->root->args[0] }, 2, &both, &err));
    qv__program_unref(p);
    prints(both, "((s LIKE 'ab%') AND (id > 2))");
    assert_int_equal(filter(f, both, NULL, selected), 1);
    assert_int_equal(selected[0], 0x10);
    qv__program_unref(part);
    qv__program_unref(both);
}

static void constants_are_known(void **state)
{
    static const struct {
        const char *sql;
        int value;
    } cases[] = { { "1 = 1", 1 },       { "1 > 2 AND id = 1", 0 }, { "NULL", -2 },         { "NULL::boolean", -1 },
                  { "id = id", -2 },    { "true OR id = 1", 1 },   { "id IN (1)", -2 },    { "NULL IN (1)", -1 },
                  { "NOT (1 = 1)", 0 }, { "'a' LIKE '_'", 1 },     { "true AND true", 1 }, { "false OR 1/0 = 1", -2 } };

    for (size_t k = 0; k < QV_COUNT_OF(cases); k++) {
        qv__program *p = compile(*state, cases[k].sql);
        int value = -2;
        bool constant = qv__program_is_constant(p, &value);

        if (constant != (cases[k].value != -2) || value != cases[k].value) {
            print_error("%s: %d\n", cases[k].sql, value);
            fail();
        }
        qv__program_unref(p);
    }
}

static void prefixes_are_found(void **state)
{
    static const struct {
        const char *sql, *prefix;
        bool exact;
    } cases[] = { { "s LIKE 'ab%'", "ab", true }, { "s LIKE 'ab%c'", "ab", false },
                  { "s LIKE 'a_%'", "a", false }, { "s LIKE 'ab'", "ab", false },
                  { "s LIKE '%ab'", "", false },  { "s LIKE 'a\\%%'", "a%", true },
                  { "s ILIKE 'ab%'", "", false }, { "s LIKE s", "", false },
                  { "s LIKE '_a%'", "", false },  { "s LIKE 'a!%%' ESCAPE '!'", "a%", true } };

    for (size_t k = 0; k < QV_COUNT_OF(cases); k++) {
        qv_error err;
        qv__program *p = compile(*state, cases[k].sql);
        qv__buffer prefix;
        bool exact = false;

        qv__buffer_init(&prefix, 1000);
        QVT_OK(qv__like_prefix(p->root, &prefix, &exact, &err));
        QVT_OK(qv__buffer_append(&prefix, "", 1, &err));
        if (strcmp((char *) prefix.data, cases[k].prefix) != 0 || exact != cases[k].exact) {
            print_error("%s: \"%s\" %d\n", cases[k].sql, (char *) prefix.data, exact);
            fail();
        }
        qv__buffer_free(&prefix);
        qv__program_unref(p);
    }
}

static void trees_have_their_shapes(void **state)
{
    static const struct {
        const char *sql, *printed;
    } cases[] = {
        { "5 < id", "(id > 5)" },
        { "id BETWEEN 1 AND 2", "((id >= 1) AND (id <= 2))" },
        { "NOT id = 1", "(id <> 1)" },
        { "NOT (NOT (s IN ('b', 'a', 'a')))", "(s IN ('a', 'b'))" },
        { "id = 1 OR (id = 2 OR id = 3)", "((id = 1) OR (id = 2) OR (id = 3))" },
        { "id IN (3, NULL, 1)", "(id IN (1, 3, NULL))" },
        { "id > 1.5", "(id > 1)" },
        { "id >= 1.5", "(id > 1)" },
        { "id < -1.5", "(id < -1)" },
        { "id = 1.5", "(arrow_cast(id, 'Float64') = arrow_cast('1.5', 'Float64'))" },
        { "s || 'a' || 'b'", "(s || 'a' || 'b')" },
        { "1 + 2 = id", "(id = 3)" },
        { "true AND id = 1", "(id = 1)" },
        { "s LIKE 'x' AND 1 / id > 0 AND id > 7", "((id > 7) AND (s LIKE 'x') AND ((1 / id) > 0))" },
        { "1 / id > 0 AND s LIKE 'x'", "(((1 / id) > 0) AND (s LIKE 'x'))" },
        { "array_repeat('x', 0)", "arrow_cast([], 'List(Utf8)')" },
        { "CASE WHEN false THEN 1 WHEN true THEN 2 ELSE 3 END", "2" },
    };

    for (size_t k = 0; k < QV_COUNT_OF(cases); k++) {
        qv__program *p = compile(*state, cases[k].sql);

        prints(p, cases[k].printed);
        qv__program_unref(p);
    }
}

/* ------------------------------------------------------------------ doors */

static void filters_are_boolean(void **state)
{
    const fixture *f = *state;
    qv_error err;
    qv__program *p;

    QVT_FAILS(qv__program_compile_filter("id", f->scope, &p, &err), QV_INVALID,
              "The filter id does not return a boolean");
    QVT_FAILS(qv__program_compile_filter("NULL", f->scope, &p, &err), QV_INVALID,
              "The filter NULL does not return a boolean");
    QVT_FAILS(qv__program_compile_filter("", f->scope, &p, &err), QV_INVALID,
              "sql parser error: Expected: an expression, found: EOF");
    QVT_FAILS(qv__program_compile_filter("nope = 1", f->scope, &p, &err), QV_INVALID,
              "Schema error: No field named nope. Valid fields are id, s, _rowid.");
    QVT_FAILS(qv__program_compile_filter("id = 1\n  AND ss = 'x'", f->scope, &p, &err), QV_INVALID,
              "No field named ss. Did you mean 's'? Valid fields are id, s, _rowid. (Line: 2, Column: 7)");
    QVT_OK(qv__program_compile_filter("id = 1", f->scope, &p, &err));
    qv__program_unref(qv__program_ref(p));
    qv__program_unref(p);
}

static void only_live_rows_count(void **state)
{
    const fixture *f = *state;
    qv_error err;
    qv__program *p = compile(f, "10 / id");
    const uint8_t live[] = { 0x15 }; /* row 3, where id is 0, is not */
    qv__array *result;

    QVT_FAILS(qv__program_eval(p, f->columns, 5, NULL, &result, &err), QV_INVALID,
              "Divide by zero error at Line: 1, Column: 4");
    QVT_OK(qv__program_eval(p, f->columns, 5, live, &result, &err));
    assert_string_equal(qvt_value_text(result, 0), "0a00000000000000");
    assert_true(qv__array_is_null(result, 1));
    assert_true(qv__array_is_null(result, 3));
    assert_int_equal(result->null_count, 2);
    qv__array_unref(result);
    QVT_OK(qv__program_eval(p, f->columns, 0, NULL, &result, &err));
    assert_int_equal(result->length, 0);
    qv__array_unref(result);
    qv__program_unref(p);
}

/* ------------------------------------------------------------------ limits */

static char *repeated(const char *first, const char *item, size_t n, const char *last)
{
    size_t a = strlen(first), b = strlen(item), c = strlen(last);
    char *text = malloc(a + b * n + c + 1), *at = text;

    assert_non_null(text);
    memcpy(at, first, a);
    at += a;
    for (size_t k = 0; k < n; k++, at += b)
        memcpy(at, item, b);
    memcpy(at, last, c + 1);
    return text;
}

static void depth_is_bounded(void **state)
{
    static const struct {
        const char *first, *item;
        size_t n;
        const char *last;
    } deep[] = {
        { "", "(", 100000, "1" },         { "", "NOT ", 100000, "true" }, { "", "- ", 100000, "id" },
        { "id", " + 1", 100000, "" },     { "s", " || s", 100000, "" },   { "s", "::text", 100000, "" },
        { "", "[", 100000, "1" },         { "id", "[1]", 100000, "" },    { "s", ".a", 100000, "" },
        { "", "CASE WHEN ", 100000, "" }, { "", "abs(", 100000, "1" },    { "CAST(1 AS ", "array<", 100000, "int" },
        { "id", " = id", 100000, "" },    { "", "{'a': ", 100000, "1" },  { "CAST(1 AS int", "[]", 100000, ")" }
    };

    for (size_t k = 0; k < QV_COUNT_OF(deep); k++) {
        qv_error err;
        qv__program *p;
        char *sql = repeated(deep[k].first, deep[k].item, deep[k].n, deep[k].last);
        qv_status st = qv__program_compile(sql, ((fixture *) *state)->scope, &p, &err);

        if (st == QV_OK || !(strstr(err.message, "nested") || strstr(err.message, "deep"))) {
            print_error("%s%s...: %s\n", deep[k].first, deep[k].item, st == QV_OK ? "ok" : err.message);
            fail();
        }
        free(sql);
    }
    char *sql = repeated("", "(", 250, "1");
    refuse(*state, sql, "Expected: ), found: EOF");
    free(sql);
}

static void wide_is_fine(void **state)
{
    const fixture *f = *state;
    uint8_t selected[1];
    size_t len = 0;
    char *sql = malloc(MOST_TEXT);
    qv__program *p;
    int64_t before;

    assert_non_null(sql);
    len += (size_t) sprintf(sql, "id IN (");
    for (int k = 0; k < 100000; k++)
        len += (size_t) sprintf(sql + len, "%s%d", k ? ", " : "", (k * 7919) % 1000003 + 3);
    sprintf(sql + len, ")");
    before = qv__now_ns();
    p = compile(f, sql);
    assert_int_equal(p->root->kind, QV_EXPR_IN);
    assert_int_equal(p->root->list.values->length, 100000);
    assert_int_equal(filter(f, p, NULL, selected), 1);
    print_message("100,000 values: %lld us\n", (long long) (qv__now_ns() - before) / 1000);
    assert_true(qv__now_ns() - before < INT64_C(2000000000));
    qv__program_unref(p);
    len = (size_t) sprintf(sql, "s IN ('abc'");
    for (int k = 0; k < 100000; k++)
        len += (size_t) sprintf(sql + len, ", 'x%d'", k);
    sprintf(sql + len, ")");
    p = compile(f, sql);
    assert_int_equal(filter(f, p, NULL, selected), 1);
    qv__program_unref(p);
    len = (size_t) sprintf(sql, "id = 5");
    for (int k = 0; k < 20000; k++)
        len += (size_t) sprintf(sql + len, " OR id = %d", k + 10);
    p = compile(f, sql);
    assert_int_equal(p->root->n_args, 20001);
    assert_int_equal(filter(f, p, NULL, selected), 1);
    qv__program_unref(p);
    free(sql);
}

static void text_is_checked(void **state)
{
    char *long_text = repeated("s = '", "abcdefgh", (16 << 20) / 8, "'");

    refuse(*state, long_text, "at most 16777216 are allowed");
    free(long_text);
    refuse(*state, "s = 'a\xff'", "invalid UTF-8, byte 0xff at Line: 1, Column: 7");
    refuse(*state, "s =\n '\xc3", "invalid UTF-8, byte 0xc3 at Line: 2, Column: 3");
    refuse(*state, "id = 1 \x01", "Unexpected character 0x01 at Line: 1, Column: 8");
    refuse(*state, "'\xc3\xa4' = 1 1", "found: 1 at Line: 1, Column: 9");
}

/* ------------------------------------------------------------------ memory */

typedef struct memory {
    const fixture *f;
    const char *sql;
    qv__array *result;
} memory;

static void no_preparation(void *ctx) { ((memory *) ctx)->result = NULL; }

static qv_status compile_and_eval(void *ctx, qv_error *err)
{
    qv_status st = QV_OK;
    memory *m = ctx;
    qv__program *p = NULL, *part = NULL;
    qv__array *args[3];
    qv__buffer text;
    uint8_t selected[1];
    size_t n;

    qv__buffer_init(&text, 1 << 20);
    QV_CHECK(qv__program_compile(m->sql, m->f->scope, &p, err));
    QV_CHECK(qv__program_part(p, p->root, &part, err));
    QV_CHECK(qv__expr_print(part, part->root, &text, err));
    for (size_t k = 0; k < part->n_columns; k++)
        args[k] = m->f->columns[part->columns[k].top];
    if (part->root->type->id == QV_TYPE_BOOL)
        QV_CHECK(qv__program_filter(part, args, 5, NULL, selected, &n, err));
    QV_CHECK(qv__program_eval(part, args, 5, NULL, &m->result, err));
done:
    qv__buffer_free(&text);
    qv__program_unref(p);
    qv__program_unref(part);
    return st;
}

static void check_result(void *ctx, qv_status st)
{
    memory *m = ctx;

    assert_int_equal(st == QV_OK, m->result != NULL);
    qv__array_unref(m->result);
}

static void memory_runs_out(void **state)
{
    static const char *const cases[] = {
        "id IN (1, 3, NULL, id + 1) AND s LIKE 'a%' AND NOT (id > 1.5)",
        "CASE WHEN id > 1 THEN s || 'x' || CAST(id AS string) ELSE TRY_CAST(s AS int)::string END",
        "s ILIKE '%B_' OR s IN ('a', 'b') OR s IS DISTINCT FROM 'x' OR s SIMILAR TO 'a|b' OR s ~ 'b'",
        "DATE '2024-01-31' + INTERVAL '1 month' > '2024-02-01' AND arrow_cast(id, 'Decimal128(20, 2)') * 2 > 1.5",
        "upper(s) = 'B' AND [1, 2][1] = id AND {'a': 1}['a'] = 1",
        "- id + _rowid % 3",
    };

    for (size_t k = 0; k < QV_COUNT_OF(cases); k++)
        qvt_fail_each(QVT_ALLOC, &(qvt_trial){ no_preparation, compile_and_eval, check_result, .may_succeed = false },
                      &(memory){ *state, cases[k], NULL });
}

static void functions_are_described(void **state)
{
    const char *nearest = NULL;

    (void) state;
    assert_non_null(strstr(qv__functions_describe(), "\"name\":\"upper\""));
    assert_int_equal(qv__functions_describe()[strlen(qv__functions_describe()) - 1], ']');
    assert_string_equal(qv__function_name(qv__function_find("UPPER", 5, NULL)), "upper");
    assert_null(qv__function_find("uper", 4, &nearest));
    assert_string_equal(nearest, "upper");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(parts_stand_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(constants_are_known, setup, teardown),
        cmocka_unit_test_setup_teardown(prefixes_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(trees_have_their_shapes, setup, teardown),
        cmocka_unit_test_setup_teardown(filters_are_boolean, setup, teardown),
        cmocka_unit_test_setup_teardown(only_live_rows_count, setup, teardown),
        cmocka_unit_test_setup_teardown(depth_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(wide_is_fine, setup, teardown),
        cmocka_unit_test_setup_teardown(text_is_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_runs_out, setup, teardown),
        cmocka_unit_test(functions_are_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
