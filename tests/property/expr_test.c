/* Random expressions over random columns: the vectorised evaluator against one row at a time, errors included; filters against values;
 * and what is printed compiles to the same tree again. */
#include <math.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "qvt_arrays.h"
#include "qvt_expr.h"

enum { MOST_ROWS = 9000, TEXT_BYTES = 1 << 16, MOST_COLUMNS = 16 };

typedef struct world {
    qvt_rng rng;
    qv__schema *scope;
    size_t n_columns;
    qv__array *columns[MOST_COLUMNS];
    size_t n;
    char sql[TEXT_BYTES];
    size_t len;
} world;

static const struct {
    const char *name;
    qv__type_id id;
    int a, b;
} fields[] = {
    { "i8", QV_TYPE_INT8, 0, 0 },         { "i16", QV_TYPE_INT16, 0, 0 },
    { "i32", QV_TYPE_INT32, 0, 0 },       { "i64", QV_TYPE_INT64, 0, 0 },
    { "u8", QV_TYPE_UINT8, 0, 0 },        { "u32", QV_TYPE_UINT32, 0, 0 },
    { "u64", QV_TYPE_UINT64, 0, 0 },      { "f32", QV_TYPE_FLOAT32, 0, 0 },
    { "f64", QV_TYPE_FLOAT64, 0, 0 },     { "b", QV_TYPE_BOOL, 0, 0 },
    { "s", QV_TYPE_UTF8, 0, 0 },          { "ls", QV_TYPE_LARGE_UTF8, 0, 0 },
    { "d", QV_TYPE_DATE32, 0, 0 },        { "ts", QV_TYPE_TIMESTAMP, QV_UNIT_US, 0 },
    { "dec", QV_TYPE_DECIMAL128, 10, 2 }, { "w", QV_TYPE_DICTIONARY, 0, 0 },
};
enum { N_NUMBERS = 9 };

/* ------------------------------------------------------------------ data */

static const char *const values[][12] = {
    { "0", "1", "-1", "127", "-128", "7", "3" },
    { "0", "1", "-1", "32767", "-32768", "100", "3" },
    { "0", "1", "-1", "2147483647", "-2147483648", "7", "1000000" },
    { "0", "1", "-1", "9223372036854775807", "-9223372036854775808", "7", "9007199254740993" },
    { "0", "1", "2", "255", "128", "7", "3" },
    { "0", "1", "2", "4294967295", "2147483648", "7", "3" },
    { "0", "1", "2", "18446744073709551615", "9223372036854775808", "7", "3" },
    { "0", "1.5", "-0", "NaN", "inf", "-inf", "0.1", "16777216", "3.4e38" },
    { "0", "1.5", "-0", "NaN", "inf", "-inf", "0.1", "9007199254740993", "1e300" },
    { "true", "false" },
    { "", "a", "ab", "abc", "b%", "A_b", "\xc3\xa4x", "7", "zzzz", "aXbXc" },
    { "", "a", "ab", "abc", "b%", "A_b", "\xc3\xa4x", "7", "zzzz", "aXbXc" },
    { "1970-01-01", "2024-02-29", "1999-12-31", "0001-01-01", "9999-12-31", "2023-01-31" },
    { "1970-01-01 00:00:00", "2024-02-29 23:59:59.999999", "1999-12-31 12:00:00", "2023-01-31 00:00:00" },
    { "0.00", "1.50", "-2.25", "99999999.99", "-99999999.99", "0.01" },
    { "", "a", "ab", "b%", "7" },
};

static const char *any_value(world *w, size_t field)
{
    size_t n = 0;

    while (n < 12 && values[field][n])
        n++;
    return values[field][qvt_rng_below(&w->rng, n)];
}

static void make_columns(world *w)
{
    static const size_t lengths[] = { 0, 1, 63, 64, 65, 130, 300, 8192, MOST_ROWS };
    static const char *texts[MOST_ROWS + 3];

    w->n = lengths[qvt_rng_below(&w->rng, 100) < 4 ? qvt_rng_below(&w->rng, 9) : qvt_rng_below(&w->rng, 6)];
    for (size_t k = 0; k < w->n_columns; k++) {
        qv_error err;
        size_t lead = qvt_rng_below(&w->rng, 4), share = qvt_rng_below(&w->rng, 4);
        qv__array *whole;

        for (size_t i = 0; i < w->n + lead; i++)
            texts[i] = share && qvt_rng_below(&w->rng, 8) < share ? NULL : any_value(w, k);
        whole = qvt_column(w->scope->fields[k].type, w->n + lead, texts);
        qv__array_unref(w->columns[k]);
        QVT_OK(qv__array_slice(whole, (int64_t) lead, (int64_t) w->n, &w->columns[k], &err));
        qv__array_unref(whole);
    }
}

/* ------------------------------------------------------------------ text */

static void put(world *w, const char *text)
{
    size_t n = strlen(text);

    assert_true(w->len + n < TEXT_BYTES);
    memcpy(w->sql + w->len, text, n + 1);
    w->len += n;
}

static const char *pick(world *w, const char *const *from, size_t n) { return from[qvt_rng_below(&w->rng, n)]; }
#define PICK(w, array) pick(w, array, sizeof(array) / sizeof *(array))

static void number(world *w, int depth);
static void text(world *w, int depth);
static void date(world *w, int depth);
static void condition(world *w, int depth);

static void number_leaf(world *w)
{
    static const char *const literals[] = {
        "0",    "1",   "2",    "-1",  "7",   "100",   "300",  "-129",
        "0x1F", "1.5", "-0.5", "0.1", "1e3", "1e300", "NULL", "9223372036854775807"
    };

    put(w, qvt_rng_below(&w->rng, 10) == 0  ? "dec"
           : qvt_rng_below(&w->rng, 3) == 0 ? PICK(w, literals)
                                            : fields[qvt_rng_below(&w->rng, N_NUMBERS)].name);
}

static void arms(world *w, int depth, void (*value)(world *, int))
{
    put(w, "CASE");
    for (uint64_t k = 0; k <= qvt_rng_below(&w->rng, 2); k++) {
        put(w, " WHEN ");
        condition(w, depth - 1);
        put(w, " THEN ");
        value(w, depth - 1);
    }
    if (qvt_rng_below(&w->rng, 3)) {
        put(w, " ELSE ");
        value(w, depth - 1);
    }
    put(w, " END");
}

static void wrapped(world *w, const char *before, void (*value)(world *, int), int depth, const char *after)
{
    put(w, before);
    value(w, depth);
    put(w, after);
}

static void number(world *w, int depth)
{
    static const char *const signs[] = { " + ", " - ", " * ", " / ", " % " };
    static const char *const whole[] = { "i8", "i16", "i32", "i64", "u8", "u32" };
    static const char *const bits[] = { " & ", " | ", " ^ " };
    static const char *const casts[] = {
        " AS int)",     " AS bigint)",   " AS double)",         " AS real)",
        " AS tinyint)", " AS smallint)", " AS decimal(12, 3))", " AS bigint unsigned)"
    };

    if (depth <= 0) {
        number_leaf(w);
        return;
    }
    switch (qvt_rng_below(&w->rng, 9)) {
    case 0:
    case 1:
    case 2:
    case 3:
        wrapped(w, "(", number, depth - 1, PICK(w, signs));
        wrapped(w, "", number, depth - 1, ")");
        break;
    case 4:
        wrapped(w, "(- ", number, depth - 1, ")");
        break;
    case 5:
        put(w, "(");
        put(w, PICK(w, whole));
        put(w, PICK(w, bits));
        put(w, PICK(w, whole));
        put(w, ")");
        break;
    case 6:
        wrapped(w, qvt_rng_below(&w->rng, 2) ? "TRY_CAST(" : "CAST(", number, depth - 1, PICK(w, casts));
        break;
    case 7:
        arms(w, depth, number);
        break;
    default:
        wrapped(w, "TRY_CAST(", text, depth - 1, PICK(w, casts));
    }
}

static void text(world *w, int depth)
{
    static const char *const leaves[] = { "s", "w", "ls", "'a'", "'7'", "''", "'\xc3\xa4x'", "NULL", "'it''s'" };

    if (depth <= 0) {
        put(w, PICK(w, leaves));
        return;
    }
    switch (qvt_rng_below(&w->rng, 5)) {
    case 0:
    case 1:
        wrapped(w, "(", text, depth - 1, " || ");
        wrapped(w, "", text, depth - 1, ")");
        break;
    case 2:
        arms(w, depth, text);
        break;
    case 3:
        wrapped(w, "CAST(", number, depth - 1, " AS string)");
        break;
    default:
        if (qvt_rng_below(&w->rng, 2))
            wrapped(w, "upper(", text, depth - 1, ")");
        else
            wrapped(w, "substr(", text, depth - 1, ", 2)");
    }
}

static void date(world *w, int depth)
{
    static const char *const leaves[] = { "d", "d", "DATE '2024-01-31'", "DATE '1969-12-31'", "NULL::date" };
    static const char *const intervals[] = { " + INTERVAL '1 month'", " - INTERVAL '13 months 2 days'",
                                             " + INTERVAL '40 days'", " + 3", " - 400" };

    if (depth <= 0) {
        put(w, PICK(w, leaves));
        return;
    }
    if (qvt_rng_below(&w->rng, 3) == 0) {
        arms(w, depth, date);
        return;
    }
    wrapped(w, "(", date, depth - 1, PICK(w, intervals));
    put(w, ")");
}

static void compare(world *w, int depth)
{
    static const char *const signs[] = {
        " = ", " <> ", " < ", " <= ", " > ", " >= ", " IS DISTINCT FROM ", " IS NOT DISTINCT FROM "
    };
    static void (*const kinds[])(world *, int) = { number, number, number, text, date };
    void (*kind)(world *, int) = kinds[qvt_rng_below(&w->rng, 5)];

    if (qvt_rng_below(&w->rng, 8) == 0) {
        put(w, "(ts");
        put(w, PICK(w, signs));
        put(w, qvt_rng_below(&w->rng, 2) ? "'2024-02-29')" : "d)");
        return;
    }
    wrapped(w, "(", kind, depth - 1, PICK(w, signs));
    wrapped(w, "", kind, depth - 1, ")");
}

static void in_list(world *w, int depth)
{
    bool numbers = qvt_rng_below(&w->rng, 2);
    static const char *const n[] = { "1", "7", "-1", "0", "100", "1.5", "NULL", "i32", "127" };
    static const char *const t[] = { "'a'", "'abc'", "''", "NULL", "'zzzz'", "ls" };

    wrapped(w, "(", numbers ? number : text, depth - 1, qvt_rng_below(&w->rng, 2) ? " NOT IN (" : " IN (");
    for (uint64_t k = 0, m = 1 + qvt_rng_below(&w->rng, 6); k < m; k++) {
        put(w, k ? ", " : "");
        put(w, numbers ? PICK(w, n) : PICK(w, t));
    }
    put(w, "))");
}

static void like(world *w, int depth)
{
    static const char *const patterns[] = { "'a%'",        "'%b'",  "'%b%'", "'abc'",   "'_b%'",   "'%'",
                                            "''",          "'a%c'", "'_'",   "'%X%X%'", "'b\\%'",  "s",
                                            "'\xc3\xa4_'", "NULL",  "'__'",  "'%_b%'",  "'a%b%c'", "'!%' ESCAPE '!'" };
    static const char *const words[] = { " LIKE ", " NOT LIKE ", " ILIKE ", " NOT ILIKE " };

    wrapped(w, "(", text, depth - 1, PICK(w, words));
    put(w, PICK(w, patterns));
    put(w, ")");
}

static void condition(world *w, int depth)
{
    static const char *const leaves[] = { "b", "b", "true", "false", "NULL", "(i32 > 0)", "(s = 'a')" };
    static const char *const what[] = { " IS NULL)", " IS NOT NULL)" };
    static const char *const truths[] = { " IS TRUE)", " IS NOT FALSE)", " IS UNKNOWN)", " IS NULL)" };

    if (depth <= 0) {
        put(w, PICK(w, leaves));
        return;
    }
    switch (qvt_rng_below(&w->rng, 12)) {
    case 0:
    case 1:
    case 2:
        wrapped(w, "(", condition, depth - 1, qvt_rng_below(&w->rng, 2) ? " AND " : " OR ");
        wrapped(w, "", condition, depth - 1, ")");
        break;
    case 3:
        wrapped(w, "(NOT ", condition, depth - 1, ")");
        break;
    case 4:
        wrapped(w, "(", condition, depth - 1, PICK(w, truths));
        break;
    case 5:
        wrapped(w, "(", number, depth - 1, PICK(w, what));
        break;
    case 6:
        in_list(w, depth);
        break;
    case 7:
        like(w, depth);
        break;
    case 8:
        wrapped(w, "(", number, depth - 1, " BETWEEN ");
        wrapped(w, "", number, 0, " AND ");
        wrapped(w, "", number, 0, ")");
        break;
    default:
        compare(w, depth);
    }
}

/* ------------------------------------------------------------------ trials */

static void fail_with(const world *w, int64_t row, const char *what)
{
    print_error("row %lld: %s\n%s\n", (long long) row, what, w->sql);
    fail();
}

static bool bit(const uint8_t *bits, size_t i) { return !bits || qv__bit_get(bits, i); }

/* The error that one row gives, the other gives too; without errors every value is the same. */
static bool check_values(const world *w, const qv__program *p, qv__array *const *args, const uint8_t *live)
{
    qv_error err = { 0 };
    qv__array *result = NULL;
    qv_status st = qv__program_eval(p, args, w->n, live, &result, &err);
    bool failed = false;

    if (st == QV_OK && result->length != (int64_t) w->n)
        fail_with(w, -1, "wrong length");
    if (st == QV_OK && !qv__type_equal(result->type, p->root->type))
        fail_with(w, -1, "wrong type");
    if (st == QV_OK)
        qvt_check_layout(result);
    for (size_t i = 0; i < w->n; i++) {
        qvt_value want = { .null = true }, have;

        if (bit(live, i) && !qvt_expr_row(p, args, (int64_t) i, &want)) {
            failed = true;
        } else if (st == QV_OK) {
            have = qvt_value_of(result, (int64_t) i);
            if (!qvt_values_equal(p->root->type, &want, &have)) {
                print_error("got %s\n", qvt_value_text(result, (int64_t) i));
                fail_with(w, (int64_t) i, "another value");
            }
        }
        if (failed && st == QV_OK)
            fail_with(w, (int64_t) i, "an error was passed over");
        qvt_expr_forget();
    }
    if (st != QV_OK && (!failed || st != QV_INVALID))
        fail_with(w, -1, err.message);
    qv__array_unref(result);
    return st == QV_OK;
}

static void check_filter(const world *w, const qv__program *p, qv__array *const *args, const uint8_t *live)
{
    static uint8_t selected[MOST_ROWS / 8 + 8];
    qv_error err = { 0 };
    size_t n_selected, count = 0;
    qv_status st = qv__program_filter(p, args, w->n, live, selected, &n_selected, &err);
    bool failed = false, keeps;

    for (size_t i = 0; i < w->n; i++) {
        keeps = false;
        if (bit(live, i) && !qvt_expr_keeps(p, args, (int64_t) i, &keeps))
            failed = true;
        else if (st == QV_OK && keeps != qv__bit_get(selected, i))
            fail_with(w, (int64_t) i, "the filter differs");
        count += keeps;
        qvt_expr_forget();
    }
    if (failed != (st != QV_OK))
        fail_with(w, -1, failed ? "a filter's error was passed over" : err.message);
    if (st == QV_OK && count != n_selected)
        fail_with(w, -1, "wrong count");
}

static void check_print(const world *w, const qv__program *p)
{
    qv_error err;
    qv__buffer once, twice;
    qv__program *again;

    qv__buffer_init(&once, 1 << 24);
    qv__buffer_init(&twice, 1 << 24);
    QVT_OK(qv__expr_print(p, p->root, &once, &err));
    QVT_OK(qv__buffer_append(&once, "", 1, &err));
    if (qv__program_compile((const char *) once.data, w->scope, &again, &err) != QV_OK) {
        print_error("%s: %s\n", once.data, err.message);
        fail_with(w, -1, "what was printed does not compile");
    }
    QVT_OK(qv__expr_print(again, again->root, &twice, &err));
    QVT_OK(qv__buffer_append(&twice, "", 1, &err));
    if (strcmp((const char *) once.data, (const char *) twice.data) != 0) {
        print_error("%s\n%s\n", once.data, twice.data);
        fail_with(w, -1, "printed twice, it differs");
    }
    qv__program_unref(again);
    qv__buffer_free(&once);
    qv__buffer_free(&twice);
}

/* What a trial came to. */
typedef struct tally {
    unsigned compiled, refused, fine;
} tally;

static void trial(world *w, tally *t)
{
    static void (*const kinds[])(world *, int) = { number, text, date, condition, condition };
    static uint8_t live[MOST_ROWS / 8 + 8];
    qv_error err = { 0 };
    qv__program *p;
    qv__array *args[MOST_COLUMNS];
    bool all = qvt_rng_below(&w->rng, 2);

    w->len = 0;
    kinds[qvt_rng_below(&w->rng, 5)](w, (int) qvt_rng_below(&w->rng, 5));
    for (size_t i = 0; i < sizeof live; i++)
        live[i] = (uint8_t) (qvt_rng_next(&w->rng) & qvt_rng_next(&w->rng));
    if (qv__program_compile(w->sql, w->scope, &p, &err) != QV_OK) {
        if (err.status != QV_INVALID)
            fail_with(w, -1, err.message);
        t->refused++;
        return;
    }
    for (size_t k = 0; k < p->n_columns; k++)
        args[k] = w->columns[p->columns[k].top];
    t->compiled++;
    t->fine += check_values(w, p, args, all ? NULL : live);
    if (p->root->type->id == QV_TYPE_BOOL)
        check_filter(w, p, args, all ? NULL : live);
    check_print(w, p);
    qv__program_unref(p);
}

static qv__type *words(void)
{
    qv_error err;
    qv__type *text = qvt_type(QV_TYPE_UTF8, 0, 0), *keys = qvt_type(QV_TYPE_INT16, 0, 0), *out;

    QVT_OK(qv__type_new_dictionary(keys, text, false, &out, &err));
    qv__type_unref(text);
    qv__type_unref(keys);
    return out;
}

static void vectors_equal_rows(void **state)
{
    world w = { .rng = qvt_rng_seeded(), .n_columns = QV_COUNT_OF(fields) };
    qv__field columns[MOST_COLUMNS] = { 0 };
    tally t = { 0 };
    qv_error err;

    (void) state;
    for (size_t k = 0; k < w.n_columns; k++) {
        qv__type *type =
            fields[k].id == QV_TYPE_DICTIONARY ? words() : qvt_type(fields[k].id, fields[k].a, fields[k].b);
        QVT_OK(qv__field_init(&columns[k], fields[k].name, type, true, &err));
        qv__type_unref(type);
    }
    QVT_OK(qv__schema_new(columns, w.n_columns, NULL, &w.scope, &err));
    for (unsigned k = 0; k < 6000; k++) {
        if (k % 10 == 0)
            make_columns(&w);
        trial(&w, &t);
    }
    print_message("%u compiled, %u of them without errors, %u refused\n", t.compiled, t.fine, t.refused);
    assert_true(t.compiled > 4 * t.refused);
    assert_true(t.fine > 2000 && t.fine < t.compiled);
    for (size_t k = 0; k < w.n_columns; k++) {
        qv__array_unref(w.columns[k]);
        qv__field_clear(&columns[k]);
    }
    qv__schema_unref(w.scope);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(vectors_equal_rows) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
