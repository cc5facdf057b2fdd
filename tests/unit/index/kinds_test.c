/* BTREE and BITMAP against the plainest model: every value looked at. Random types, values and questions; segments that were built,
 * built in little memory (runs on disk), and merged out of others. */
#include <math.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "expr/expr.h"
#include "index/scalar/btree_private.h"
#include "index/scalar/scalar.h"
#include "index/scalar/sort_private.h"
#include "qvt.h"
#include "qvt_arrays.h"
#include "qvt_trial.h"

#define MOST 30000

typedef struct fixture {
    qv__store *root;
    qv__job job;
    qv__type *type;
    qv__array *values; /* all rows; row i has the address of(i) */
} fixture;

static uint64_t address(int64_t i) { return (uint64_t) (i / 1000) << 32 | (uint64_t) (i % 1000); }

/* A few values many times, as real columns have them. */
static qv__array *make_values(qvt_rng *rng, const qv__type *type, int64_t n)
{
    qv_error err;
    int64_t distinct = 1 + (int64_t) qvt_rng_below(rng, (uint64_t) n + 1);
    double nulls = qvt_rng_below(rng, 3) ? qvt_rng_unit(rng) * 0.3 : qvt_rng_below(rng, 2) ? 0.0 : 0.95;
    qv__array *base = qvt_random_array(rng, type, distinct, nulls), *out;
    int64_t *at = calloc((size_t) n + 1, sizeof *at);

    for (int64_t i = 0; i < n; i++)
        at[i] = (int64_t) qvt_rng_below(rng, (uint64_t) distinct);
    QVT_OK(qv__array_take(base, at, (size_t) n, &out, &err));
    free(at);
    qv__array_unref(base);
    return out;
}

/* Rows [from, to) as a stream of batches of random length. */
static qv__stream *make_source(qvt_rng *rng, const fixture *f, int64_t from, int64_t to)
{
    qv_error err;
    qv__schema *schema;
    qv__stream *stream;
    qv__array *batches[64];
    size_t n = 0;

    QVT_OK(qv__sorted_schema(f->type, &schema, &err));
    for (int64_t at = from; at < to;) {
        int64_t some = 1 + (int64_t) qvt_rng_below(rng, 3000), length = n == 63 ? to - at : QV_MIN(to - at, some);
        qv__array *columns[2];
        uint8_t *rows;
        QVT_OK(qv__array_slice(f->values, at, length, &columns[0], &err));
        QVT_OK(qv__array_new(schema->fields[1].type, length, 0, &columns[1], &err));
        QVT_OK(qv__bytes_new((size_t) length * 8, &columns[1]->buffers[1], &rows, &err));
        for (int64_t i = 0; i < length; i++) {
            uint64_t row = address(at + i);
            memcpy(rows + 8 * i, &row, 8);
        }
        QVT_OK(qv__batch_new(schema, columns, length, &batches[n++], &err));
        qv__array_unref(columns[0]);
        qv__array_unref(columns[1]);
        at += length;
    }
    QVT_OK(qv__stream_of(schema, batches, n, &stream, &err));
    for (size_t i = 0; i < n; i++)
        qv__array_unref(batches[i]);
    qv__schema_unref(schema);
    return stream;
}

static qv__segment *build(qvt_rng *rng, fixture *f, const qv__index_method *kind, const char *name, int64_t from,
                          int64_t to, uint64_t memory)
{
    qv_error err;
    qv__store *folder;
    qv__segment *segment;
    qv__index_entry entry = { 0 };
    qv__index_built built = { 0 };

    QVT_OK(qv__store_sub(f->root, name, &folder, &err));
    qv__stream *stream = make_source(rng, f, from, to);
    qv__index_target target = { .folder = folder, .version = { 2, 2 }, .memory_limit = memory, .job = &f->job };
    qv__index_source source = { .values = stream, .type = f->type, .rows = (uint64_t) (to - from) };
    QVT_OK(kind->build(&target, &source, &built, &err));
    qv__stream_free(stream);
    QVT_OK(kind->open(folder, &entry, f->type, &segment, &err));
    qv__store_unref(folder);
    return segment;
}

static void on_problem(void *ctx, const char *object, const char *what)
{
    QV_UNUSED(ctx);
    print_error("%s: %s\n", object, what);
    fail();
}

/* ------------------------------------------------------------------ the model */

static bool text_begins(const qv__array *a, int64_t i, const qv__array *prefix)
{
    size_t n, m;
    const uint8_t *x = qv__array_string(a, i, &n), *y = qv__array_string(prefix, 0, &m);

    return n >= m && memcmp(x, y, m) == 0;
}

static bool is_true(const qv__ask *ask, const qv__array *a, int64_t i)
{
    if (qv__array_is_null(a, i))
        return ask->kind == QV_ASK_IS_NULL;
    switch (ask->kind) {
    case QV_ASK_RANGE: {
        int low = ask->low ? qv__value_compare(a, i, ask->low, 0) : 1;
        int high = ask->high ? qv__value_compare(a, i, ask->high, 0) : -1;
        return (ask->low_open ? low > 0 : low >= 0) && (ask->high_open ? high < 0 : high <= 0);
    }
    case QV_ASK_IN:
        for (int64_t j = 0; j < ask->values->length; j++)
            if (qv__value_compare(a, i, ask->values, j) == 0)
                return true;
        return false;
    case QV_ASK_PREFIX:
        return text_begins(a, i, ask->low);
    default:
        return ask->kind == QV_ASK_NOT_NULL;
    }
}

static void expect_answer(fixture *f, qv__segment *segment, const qv__ask *ask, int64_t from, int64_t to)
{
    qv_error err;
    qv__answer answer = { 0 };
    bool has_full;
    uint64_t wanted = 0;

    QVT_OK(segment->kind->ask(segment, ask, &f->job, &answer, &err));
    assert_int_equal(answer.certainty, QV_EXACT);
    for (int64_t i = from; i < to; i++) {
        bool yes = is_true(ask, f->values, i);
        wanted += yes;
        if (yes != qv__row_set_contains(&answer.rows, address(i))) {
            char type[64];
            print_error("%s over %s, question %d: row %lld = %s should %sbe there\n", segment->kind->display,
                        qv__type_print(f->type, type, sizeof type), (int) ask->kind, (long long) i,
                        qvt_value_text(f->values, i), yes ? "" : "not ");
            fail();
        }
    }
    assert_int_equal(qv__row_set_count(&answer.rows, &has_full), wanted);
    qv__answer_clear(&answer);
}

static qv__array *one_value(qvt_rng *rng, fixture *f)
{
    qv_error err;
    qv__array *out = NULL;

    for (int attempt = 0; attempt < 50 && f->values->length > f->values->null_count; attempt++) {
        int64_t i = (int64_t) qvt_rng_below(rng, (uint64_t) f->values->length);
        if (qv__array_is_null(f->values, i))
            continue;
        QVT_OK(qv__array_slice(f->values, i, 1, &out, &err));
        if (qvt_rng_below(rng, 3))
            return out;
        break;
    }
    qv__array_unref(out);
    return qvt_random_array(rng, f->type, 1, 0.0);
}

static int compare_positions(const qv__array *a, int64_t i, int64_t j) { return qv__value_compare(a, i, a, j); }

/* Some values, sorted and each once, as conditions have them. */
static qv__array *some_values(qvt_rng *rng, fixture *f)
{
    qv_error err;
    qv__array *parts[40], *all, *out;
    int64_t order[40];
    size_t n = qvt_rng_below(rng, 40), kept = 0;

    for (size_t i = 0; i < n; i++)
        parts[i] = one_value(rng, f);
    QVT_OK(qv__array_concat(parts, n, f->type, &all, &err));
    for (size_t i = 0; i < n; i++) {
        size_t at = i;
        for (; at > 0 && compare_positions(all, order[at - 1], (int64_t) i) > 0; at--)
            order[at] = order[at - 1];
        order[at] = (int64_t) i;
        qv__array_unref(parts[i]);
    }
    for (size_t i = 0; i < n; i++)
        if (!kept || compare_positions(all, order[kept - 1], order[i]) != 0)
            order[kept++] = order[i];
    QVT_OK(qv__array_take(all, order, kept, &out, &err));
    qv__array_unref(all);
    return out;
}

static void ask_much(qvt_rng *rng, fixture *f, qv__segment *segment, int64_t from, int64_t to)
{
    for (int round = 0; round < 24; round++) {
        qv__array *low = one_value(rng, f), *high = one_value(rng, f), *values = some_values(rng, f);
        qv__ask ask = { .kind = QV_ASK_RANGE };
        uint64_t shape = qvt_rng_below(rng, 6);
        ask.low = shape == 0 ? NULL : low;
        ask.high = shape == 1 ? NULL : shape == 2 ? low : high;
        ask.low_open = shape != 2 && qvt_rng_below(rng, 2);
        ask.high_open = shape != 2 && qvt_rng_below(rng, 2);
        expect_answer(f, segment, &ask, from, to);
        expect_answer(f, segment, &(qv__ask){ .kind = QV_ASK_IN, .values = values }, from, to);
        if (f->type->id == QV_TYPE_UTF8 || f->type->id == QV_TYPE_LARGE_UTF8)
            expect_answer(f, segment, &(qv__ask){ .kind = QV_ASK_PREFIX, .low = low }, from, to);
        qv__array_unref(low);
        qv__array_unref(high);
        qv__array_unref(values);
    }
    expect_answer(f, segment, &(qv__ask){ .kind = QV_ASK_IS_NULL }, from, to);
    expect_answer(f, segment, &(qv__ask){ .kind = QV_ASK_NOT_NULL }, from, to);
    expect_answer(f, segment, &(qv__ask){ .kind = QV_ASK_RANGE }, from, to);
}

/* ------------------------------------------------------------------ tests */

static void fixture_open(fixture *f, qvt_rng *rng, qv__type *type, int64_t n)
{
    qv_error err;

    QVT_OK(qv__store_open("memory://", true, &f->root, &err));
    qv__job_begin(&f->job, NULL, "index", 0);
    f->type = type;
    f->values = make_values(rng, type, n);
}

static void fixture_close(fixture *f)
{
    qv__array_unref(f->values);
    qv__type_unref(f->type);
    qv__job_end(&f->job, QV_OK);
    qv__store_unref(f->root);
}

static bool keep_even(void *ctx, size_t segment, uint64_t *row)
{
    QV_UNUSED(ctx);
    QV_UNUSED(segment);
    *row += UINT64_C(500) << 32;
    return *row % 2 == 0;
}

/* What is merged without its odd rows, and moved to other fragments. */
static void expect_merged(fixture *f, qv__segment *merged, int64_t old_rows, int64_t n)
{
    qv_error err;
    qv__answer values = { 0 }, nulls = { 0 };

    QVT_OK(merged->kind->ask(merged, &(qv__ask){ .kind = QV_ASK_NOT_NULL }, &f->job, &values, &err));
    QVT_OK(merged->kind->ask(merged, &(qv__ask){ .kind = QV_ASK_IS_NULL }, &f->job, &nulls, &err));
    for (int64_t i = 0; i < n; i++) {
        uint64_t row = address(i) + (i < old_rows ? UINT64_C(500) << 32 : 0);
        bool there = i >= old_rows || row % 2 == 0, is_null = qv__array_is_null(f->values, i);
        assert_int_equal(qv__row_set_contains(&values.rows, row), there && !is_null);
        assert_int_equal(qv__row_set_contains(&nulls.rows, row), there && is_null);
    }
    qv__answer_clear(&values);
    qv__answer_clear(&nulls);
}

static void check_merge(qvt_rng *rng, fixture *f, const qv__index_method *kind, int64_t n)
{
    qv_error err;
    int64_t a = n / 3, b = n / 2;
    qv__store *folder;
    qv__index_entry entry = { 0 };
    qv__index_built built = { 0 };
    qv__segment *merged, *old[2] = { build(rng, f, kind, "old0", 0, a, 0), build(rng, f, kind, "old1", a, b, 0) };

    qv__stream *stream = make_source(rng, f, b, n);
    QVT_OK(qv__store_sub(f->root, "merged", &folder, &err));
    qv__index_target target = { .folder = folder, .version = { 2, 1 }, .job = &f->job };
    qv__index_source added = { .values = stream, .type = f->type, .rows = (uint64_t) (n - b) };
    QVT_OK(kind->merge(&target, old, 2, &added, NULL, NULL, &built, &err));
    qv__stream_free(stream);
    QVT_OK(kind->open(folder, &entry, f->type, &merged, &err));
    ask_much(rng, f, merged, 0, n);
    QVT_OK(kind->verify(merged, on_problem, NULL, &err));
    kind->close(merged);
    qv__store_unref(folder);

    stream = make_source(rng, f, b, n);
    QVT_OK(qv__store_sub(f->root, "translated", &folder, &err));
    target.folder = folder;
    added.values = stream;
    QVT_OK(kind->merge(&target, old, 2, &added, keep_even, NULL, &built, &err));
    qv__stream_free(stream);
    QVT_OK(kind->open(folder, &entry, f->type, &merged, &err));
    expect_merged(f, merged, b, n);
    QVT_OK(kind->verify(merged, on_problem, NULL, &err));
    kind->close(merged);
    qv__store_unref(folder);
    kind->close(old[0]);
    kind->close(old[1]);
}

static qv__type *some_type(qvt_rng *rng)
{
    qv__type *type = qvt_random_type(rng, 0, false);

    while (qv__order_of(type) == QV_ORDER_NONE) {
        qv__type_unref(type);
        type = qvt_random_type(rng, 0, false);
    }
    return type;
}

static void test_kinds(void **state)
{
    const qv__index_method *kind = *state;
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;

    for (int round = 0; round < 40; round++) {
        fixture f;
        int64_t n = round % 8 == 0 ? MOST : (int64_t) qvt_rng_below(&rng, 3000);
        fixture_open(&f, &rng, some_type(&rng), n);
        qv__segment *segment = build(&rng, &f, kind, "plain", 0, n, 0);
        ask_much(&rng, &f, segment, 0, n);
        QVT_OK(kind->verify(segment, on_problem, NULL, &err));
        kind->close(segment);
        segment = build(&rng, &f, kind, "tight", 0, n, n > 3000 ? 200000 : 4000);
        ask_much(&rng, &f, segment, 0, n);
        QVT_OK(kind->verify(segment, on_problem, NULL, &err));
        kind->close(segment);
        check_merge(&rng, &f, kind, n);
        fixture_close(&f);
    }
}

/* The order of floats in files is not that of conditions. */
static void test_floats(void **state)
{
    const qv__index_method *kind = *state;
    static const double numbers[] = { -0.0, 0.0, 1.5, -1.5, INFINITY, -INFINITY, NAN, -NAN, 5e-324, -5e-324 };
    qvt_rng rng = { 7 };
    qv_error err;
    fixture f;
    qv__array *values;
    uint8_t *room;

    fixture_open(&f, &rng, qvt_type(QV_TYPE_FLOAT64, 0, 0), 0);
    qv__array_unref(f.values);
    QVT_OK(qv__array_new(f.type, (int64_t) QV_COUNT_OF(numbers), 0, &values, &err));
    QVT_OK(qv__bytes_new(sizeof numbers, &values->buffers[1], &room, &err));
    memcpy(room, numbers, sizeof numbers);
    f.values = values;
    qv__segment *segment = build(&rng, &f, kind, "floats", 0, values->length, 0);
    for (int64_t i = 0; i < values->length; i++) {
        qv__array *low, *high;
        QVT_OK(qv__array_slice(values, i, 1, &low, &err));
        expect_answer(&f, segment, &(qv__ask){ .kind = QV_ASK_IN, .values = low }, 0, values->length);
        for (int64_t j = -1; j < 4 * values->length; j++) {
            QVT_OK(qv__array_slice(values, QV_MAX(j, 0) / 4, 1, &high, &err));
            qv__ask ask = { QV_ASK_RANGE, low, j < 0 ? NULL : high, j & 1, j & 2, false, 0, NULL, 0 };
            expect_answer(&f, segment, &ask, 0, values->length);
            ask.low = ask.high;
            ask.high = low;
            expect_answer(&f, segment, &ask, 0, values->length);
            qv__array_unref(high);
        }
        qv__array_unref(low);
    }
    kind->close(segment);
    fixture_close(&f);
}

static void test_too_many(void **state)
{
    QV_UNUSED(state);
    qvt_rng rng = { 7 };
    qv_error err;
    fixture f;
    qv__answer answer = { 0 };

    fixture_open(&f, &rng, qvt_type(QV_TYPE_INT32, 0, 0), 20000);
    qv__segment *segment = build(&rng, &f, &qv__btree_kind, "big", 0, 20000, 0);
    qv__ask ask = { .kind = QV_ASK_RANGE, .most_rows = 5000 };
    QVT_OK(qv__btree_kind.ask(segment, &ask, &f.job, &answer, &err));
    assert_int_equal(answer.certainty, QV_NO_IDEA);
    assert_int_equal(answer.rows.n, 0);
    assert_int_equal(answer.pages_read, 0);
    qv__answer_clear(&answer);
    qv__btree_kind.close(segment);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_kinds, (void *) &qv__btree_kind),
        cmocka_unit_test_prestate(test_kinds, (void *) &qv__bitmap_kind),
        cmocka_unit_test_prestate(test_floats, (void *) &qv__btree_kind),
        cmocka_unit_test_prestate(test_floats, (void *) &qv__bitmap_kind),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
