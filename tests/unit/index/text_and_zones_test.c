/* LABEL_LIST, NGRAM, ZONEMAP, BLOOMFILTER and JSON against the plainest model: every value looked at. Segments that were built, merged and
 * translated; then files with damaged bytes, and builds that fail at every allocation and call. */
#include <math.h>

#include "arrow/builder.h"
#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "expr/expr.h"
#include "index/scalar/ngram_private.h"
#include "index/scalar/scalar.h"
#include "index/scalar/sort_private.h"
#include "qvt.h"
#include "qvt_arrays.h"
#include "qvt_trial.h"

#define FRAGMENT_ROWS 1000

typedef struct fixture {
    qv__store *root;
    qv__job job;
    qv__type *type;
    qv__array *values; /* row i has the address of(i) */
    qv_index_options options;
} fixture;

static uint64_t address(int64_t i) { return (uint64_t) (i / FRAGMENT_ROWS) << 32 | (uint64_t) (i % FRAGMENT_ROWS); }

static void fixture_open(fixture *f, qv__type *type, qv__array *values)
{
    qv_error err;

    *f = (fixture){ .type = type, .values = values, .options = QV_INDEX_OPTIONS_INIT };
    QVT_OK(qv__store_open("memory://", true, &f->root, &err));
    qv__job_begin(&f->job, NULL, "index", 0);
    f->options.rows_per_zone = 300;
    f->options.json_path = "$.a";
}

static void fixture_close(fixture *f)
{
    qv__array_unref(f->values);
    qv__type_unref(f->type);
    qv__job_end(&f->job, QV_OK);
    qv__store_unref(f->root);
}

static qv__stream *make_source(const fixture *f, int64_t from, int64_t to)
{
    qv_error err;
    qv__schema *schema;
    qv__stream *stream;
    qv__array *batches[256];
    size_t n = 0;

    QVT_OK(qv__sorted_schema(f->type, &schema, &err));
    for (int64_t at = from; at < to;) {
        int64_t length = QV_MIN(to - at, 170);
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

static qv__segment *open_built(fixture *f, const qv__index_method *kind, qv__store *folder, qv__index_built *built)
{
    qv_error err;
    qv__segment *segment;
    qv__index_entry entry = { .index_version = built->index_version,
                              .type_url = kind->type_url,
                              .details = { built->details.data, built->details.len } };

    QVT_OK(kind->open(folder, &entry, f->type, &segment, &err));
    qv__buffer_free(&built->details);
    return segment;
}

static qv__segment *build(fixture *f, const qv__index_method *kind, const char *name, int64_t from, int64_t to,
                          uint64_t memory)
{
    qv_error err;
    qv__store *folder;
    qv__index_built built = { 0 };

    qv__buffer_init(&built.details, 4096);
    QVT_OK(qv__store_sub(f->root, name, &folder, &err));
    qv__stream *stream = make_source(f, from, to);
    qv__index_target target = {
        .folder = folder, .version = { 2, 2 }, .options = &f->options, .memory_limit = memory, .job = &f->job
    };
    qv__index_source source = { .values = stream, .type = f->type, .rows = (uint64_t) (to - from) };
    QVT_OK(kind->build(&target, &source, &built, &err));
    qv__stream_free(stream);
    qv__segment *segment = open_built(f, kind, folder, &built);
    qv__store_unref(folder);
    return segment;
}

static qv__segment *merge(fixture *f, const qv__index_method *kind, const char *name, qv__segment *const *old,
                          size_t n_old, int64_t from, int64_t to, qv__keep_fn keep)
{
    qv_error err;
    qv__store *folder;
    qv__index_built built = { 0 };

    qv__buffer_init(&built.details, 4096);
    QVT_OK(qv__store_sub(f->root, name, &folder, &err));
    qv__stream *stream = make_source(f, from, to);
    qv__index_target target = { .folder = folder, .version = { 2, 1 }, .options = &f->options, .job = &f->job };
    qv__index_source source = { .values = stream, .type = f->type, .rows = (uint64_t) (to - from) };
    QVT_OK(kind->merge(&target, old, n_old, from < to ? &source : NULL, keep, NULL, &built, &err));
    qv__stream_free(stream);
    qv__segment *segment = open_built(f, kind, folder, &built);
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

/* 1 true, 0 false, -1 null */
typedef int (*model_fn)(const fixture *f, const qv__ask *ask, int64_t i);

/* Rows [from, to) live under their address plus `shift`. */
static void expect(fixture *f, qv__segment *segment, const qv__ask *ask, model_fn model, qv__certainty certainty,
                   int64_t from, int64_t to, uint64_t shift)
{
    qv_error err;
    qv__answer answer = { 0 };

    QVT_OK(segment->kind->ask(segment, ask, &f->job, &answer, &err));
    assert_int_equal(answer.certainty, certainty);
    for (int64_t i = from; i < to && certainty != QV_NO_IDEA; i++) {
        int truth = model(f, ask, i);
        bool there = qv__row_set_contains(&answer.rows, address(i) + shift);
        bool wrong = certainty == QV_EXACT ? there != (truth == 1) : truth == 1 && !there;
        if (answer.knows_nulls && ask->kind != QV_ASK_IS_NULL && ask->kind != QV_ASK_NOT_NULL)
            wrong |= qv__row_set_contains(&answer.nulls, address(i) + shift) != (truth == -1);
        if (wrong) {
            print_error("%s, question %d: row %lld = %s\n", segment->kind->display, (int) ask->kind, (long long) i,
                        qvt_value_text(f->values, i));
            fail();
        }
    }
    qv__answer_clear(&answer);
}

static int null_model(const fixture *f, const qv__ask *ask, int64_t i)
{
    return qv__array_is_null(f->values, i) == (ask->kind == QV_ASK_IS_NULL);
}

/* ------------------------------------------------------------------ lists */

static bool list_has(const fixture *f, int64_t i, const qv__array *values, int64_t v)
{
    int64_t start, end;
    const qv__array *elements = f->values->children[0];

    qv__array_list_range(f->values, i, &start, &end);
    for (int64_t at = start; at < end; at++)
        if (!qv__array_is_null(elements, at) && qv__value_compare(elements, at, values, v) == 0)
            return true;
    return false;
}

static int list_model(const fixture *f, const qv__ask *ask, int64_t i)
{
    int64_t found = 0;

    if (ask->kind == QV_ASK_IS_NULL)
        return null_model(f, ask, i);
    if (qv__array_is_null(f->values, i))
        return -1;
    for (int64_t v = 0; v < ask->values->length; v++)
        found += list_has(f, i, ask->values, v);
    return ask->kind == QV_ASK_HAS_ANY ? found > 0 : found == ask->values->length;
}

static qv__array *words(const char *const *texts, size_t n)
{
    qv_error err;
    qv__type *type;
    qv__builder *builder;
    qv__array *out;

    QVT_OK(qv__type_new(QV_TYPE_UTF8, &type, &err));
    QVT_OK(qv__builder_new(type, &builder, &err));
    for (size_t i = 0; i < n; i++)
        if (texts[i])
            QVT_OK(qv__builder_append_bytes(builder, texts[i], strlen(texts[i]), &err));
        else
            QVT_OK(qv__builder_append_null(builder, &err));
    QVT_OK(qv__builder_finish(builder, &out, &err));
    qv__builder_free(builder);
    qv__type_unref(type);
    return out;
}

static qv__array *make_lists(qvt_rng *rng, const qv__type *type, int64_t n)
{
    static const char *const tags[] = { "a", "b", "", "ab", "zebra" };
    qv_error err;
    qv__builder *builder;
    qv__array *out;

    QVT_OK(qv__builder_new(type, &builder, &err));
    for (int64_t i = 0; i < n; i++) {
        uint64_t shape = qvt_rng_below(rng, 8);
        if (shape == 0) {
            QVT_OK(qv__builder_append_null(builder, &err));
            continue;
        }
        for (uint64_t k = 0; k + 1 < shape; k++) {
            const char *tag = tags[qvt_rng_below(rng, QV_COUNT_OF(tags))];
            if (qvt_rng_below(rng, 6))
                QVT_OK(qv__builder_append_bytes(qv__builder_child(builder, 0), tag, strlen(tag), &err));
            else
                QVT_OK(qv__builder_append_null(qv__builder_child(builder, 0), &err));
        }
        QVT_OK(qv__builder_append_nested(builder, &err));
    }
    QVT_OK(qv__builder_finish(builder, &out, &err));
    qv__builder_free(builder);
    return out;
}

static void ask_lists(fixture *f, qv__segment *segment, int64_t from, int64_t to, uint64_t shift)
{
    static const char *const some[][2] = { { "a", "b" }, { "", "zebra" }, { "ab", "nothing" }, { "zebra", "zz" } };

    for (size_t i = 0; i < QV_COUNT_OF(some); i++)
        for (size_t n = 1; n <= 2; n++) {
            qv__array *values = words(some[i], n);
            expect(f, segment, &(qv__ask){ .kind = QV_ASK_HAS_ANY, .values = values }, list_model, QV_EXACT, from, to,
                   shift);
            expect(f, segment, &(qv__ask){ .kind = QV_ASK_HAS_ALL, .values = values }, list_model, QV_EXACT, from, to,
                   shift);
            qv__array_unref(values);
        }
    expect(f, segment, &(qv__ask){ .kind = QV_ASK_IS_NULL }, list_model, QV_EXACT, from, to, shift);
}

static bool shift_all(void *ctx, size_t segment, uint64_t *row)
{
    QV_UNUSED(ctx);
    QV_UNUSED(segment);
    *row += UINT64_C(7) << 32;
    return true;
}

static void test_label_list(void **state)
{
    QV_UNUSED(state);
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;
    const qv__index_method *kind = &qv__label_list_kind;

    for (int round = 0; round < 4; round++) {
        fixture f;
        qv__type *text = qvt_type(QV_TYPE_UTF8, 0, 0);
        qv__type *type = qvt_list_type(round % 2 ? QV_TYPE_LARGE_LIST : QV_TYPE_LIST, text, 0);
        fixture_open(&f, type, make_lists(&rng, type, 3000));
        qv__type_unref(text);
        qv__segment *all = build(&f, kind, "all", 0, 3000, 0), *tight = build(&f, kind, "tight", 0, 3000, 20000);
        qv__segment *half = build(&f, kind, "half", 0, 1500, 0);
        qv__segment *merged = merge(&f, kind, "merged", &half, 1, 1500, 3000, NULL);
        qv__segment *moved = merge(&f, kind, "moved", &all, 1, 0, 0, shift_all);
        ask_lists(&f, all, 0, 3000, 0);
        ask_lists(&f, tight, 0, 3000, 0);
        ask_lists(&f, merged, 0, 3000, 0);
        ask_lists(&f, moved, 0, 3000, UINT64_C(7) << 32);
        qv__segment *segments[] = { all, tight, half, merged, moved };
        for (size_t i = 0; i < QV_COUNT_OF(segments); i++) {
            QVT_OK(kind->verify(segments[i], on_problem, NULL, &err));
            QVT_OK(kind->prewarm(segments[i], &err));
            kind->close(segments[i]);
        }
        fixture_close(&f);
    }
}

/* ------------------------------------------------------------------ texts */

static const char *const pieces[] = { "Quick",
                                      "brown",
                                      "caf\xc3\xa9",
                                      " ",
                                      "-",
                                      "STRASSE",
                                      ("stra\xc3\x9f"
                                       "e"),
                                      "12345",
                                      "\xe6\x97\xa5\xe6\x9c\xac",
                                      "e",
                                      "\xc3\x89t\xc3\xa9",
                                      "fox",
                                      "x\xef\xac\x81n" };

static qv__array *make_texts(qvt_rng *rng, int64_t n)
{
    const char **texts = calloc((size_t) n, sizeof *texts);
    char *room = calloc((size_t) n, 256);

    for (int64_t i = 0; i < n; i++) {
        char *text = room + 256 * i;
        for (uint64_t k = qvt_rng_below(rng, 7); k > 0; k--)
            strcat(text, pieces[qvt_rng_below(rng, QV_COUNT_OF(pieces))]);
        texts[i] = qvt_rng_below(rng, 9) ? text : NULL;
    }
    qv__array *out = words(texts, (size_t) n);
    free(texts);
    free(room);
    return out;
}

static int text_model(const fixture *f, const qv__ask *ask, int64_t i)
{
    size_t n, m;

    if (ask->kind == QV_ASK_IS_NULL)
        return null_model(f, ask, i);
    if (qv__array_is_null(f->values, i))
        return -1;
    const uint8_t *x = qv__array_string(f->values, i, &n), *y = qv__array_string(ask->low, 0, &m);
    if (ask->kind == QV_ASK_PREFIX)
        return n >= m && memcmp(x, y, m) == 0;
    return memmem(x, n, y, m) != NULL;
}

static void ask_texts(fixture *f, qv__segment *segment, int64_t from, int64_t to, uint64_t shift)
{
    static const char *const some[] = { "Quick",
                                        "ickbro",
                                        "caf\xc3\xa9",
                                        "af\xc3\xa9 ",
                                        ("stra\xc3\x9f"
                                         "e"),
                                        "RASSE1",
                                        "2345",
                                        "\xef\xac\x81n",
                                        "nothing",
                                        "foxfox" };

    for (size_t i = 0; i < QV_COUNT_OF(some); i++) {
        qv__array *low = words(&some[i], 1);
        expect(f, segment, &(qv__ask){ .kind = QV_ASK_CONTAINS, .low = low }, text_model, QV_AT_MOST, from, to, shift);
        expect(f, segment, &(qv__ask){ .kind = QV_ASK_PREFIX, .low = low }, text_model, QV_AT_MOST, from, to, shift);
        qv__array_unref(low);
    }
    expect(f, segment, &(qv__ask){ .kind = QV_ASK_IS_NULL }, text_model, QV_AT_MOST, from, to, shift);
}

static void test_ngram(void **state)
{
    QV_UNUSED(state);
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;
    fixture f;
    const qv__index_method *kind = &qv__ngram_kind;

    fixture_open(&f, qvt_type(QV_TYPE_UTF8, 0, 0), make_texts(&rng, 3000));
    qv__segment *all = build(&f, kind, "all", 0, 3000, 0), *tight = build(&f, kind, "tight", 0, 3000, 100000);
    qv__segment *half = build(&f, kind, "half", 0, 1500, 0);
    qv__segment *merged = merge(&f, kind, "merged", &half, 1, 1500, 3000, NULL);
    qv__segment *moved = merge(&f, kind, "moved", &all, 1, 0, 0, shift_all);
    ask_texts(&f, all, 0, 3000, 0);
    ask_texts(&f, tight, 0, 3000, 0);
    ask_texts(&f, merged, 0, 3000, 0);
    ask_texts(&f, moved, 0, 3000, UINT64_C(7) << 32);
    qv__segment *segments[] = { all, tight, half, merged, moved };
    for (size_t i = 0; i < QV_COUNT_OF(segments); i++) {
        QVT_OK(kind->verify(segments[i], on_problem, NULL, &err));
        kind->close(segments[i]);
    }
    fixture_close(&f);
}

/* How many windows a question asks for. */
static size_t windows(qv__ask_kind kind, const char *pattern)
{
    qv_error err;
    qv__ngram_set set;
    qv__array *low = words(&pattern, 1);

    QVT_OK(qv__ngram_set_init(&set, &err));
    QVT_OK(qv__ngram_of_ask(&(qv__ask){ .kind = kind, .low = low, .escape = '\\' }, &set, &err));
    size_t n = set.n;
    qv__ngram_set_free(&set);
    qv__array_unref(low);
    return n;
}

static void test_patterns(void **state)
{
    QV_UNUSED(state);
    static const struct {
        qv__ask_kind kind;
        const char *pattern;
        size_t windows;
    } cases[] = {
        { QV_ASK_CONTAINS, "abcd", 2 },
        { QV_ASK_CONTAINS, "ab", 0 },
        { QV_ASK_CONTAINS, "---", 0 },
        { QV_ASK_CONTAINS, "a b", 0 },
        { QV_ASK_CONTAINS, "ABC abc", 1 },
        { QV_ASK_CONTAINS, "", 0 },
        { QV_ASK_CONTAINS,
          "\xc3\x9f"
          "e",
          1 },
        { QV_ASK_CONTAINS, "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 0 },
        { QV_ASK_LIKE, "%abc%", 1 },
        { QV_ASK_LIKE, "ab_cd", 0 },
        { QV_ASK_LIKE, "abc%def_ghij", 4 },
        { QV_ASK_LIKE, "a\\%bc", 0 },
        { QV_ASK_LIKE, "abc\\_def", 2 },
        { QV_ASK_REGEXP, "abc", 1 },
        { QV_ASK_REGEXP, "abc|def", 0 },
        { QV_ASK_REGEXP, "(abc|def)ghi", 1 },
        { QV_ASK_REGEXP, "abcd?", 1 },
        { QV_ASK_REGEXP, "abcd*efg", 2 },
        { QV_ASK_REGEXP, "abcd+efg", 3 },
        { QV_ASK_REGEXP, "abc{2}def", 1 },
        { QV_ASK_REGEXP, "ab.cde", 1 },
        { QV_ASK_REGEXP, "^abc$", 1 },
        { QV_ASK_REGEXP, "(?i)abc", 1 },
        { QV_ASK_REGEXP, "(?x)a b c", 0 },
        { QV_ASK_REGEXP, "a\\.bc\\.def", 1 },
        { QV_ASK_REGEXP, "abc\\d+def", 2 },
        { QV_ASK_REGEXP, "[abc]def[^]]ghi", 2 },
        { QV_ASK_REGEXP, "\\x41bcd", 0 },
        { QV_ASK_REGEXP, "\\Qabc\\E", 0 },
        { QV_ASK_REGEXP, "abc[[:alpha:]]", 0 },
        { QV_ASK_REGEXP, "\\\xc3\xa9xyz", 2 },
        { QV_ASK_REGEXP, "abc(", 0 },
        { QV_ASK_REGEXP, "abc[", 0 },
        { QV_ASK_REGEXP, "abc\\", 0 },
        { QV_ASK_REGEXP, "abcd{", 0 },
        { QV_ASK_REGEXP, "(?!abc)defg", 0 },
        { QV_ASK_REGEXP, "(abc)?defg", 2 },
    };

    for (size_t i = 0; i < QV_COUNT_OF(cases); i++) {
        size_t n = windows(cases[i].kind, cases[i].pattern);
        if (n != cases[i].windows)
            print_error("%s: %zu windows\n", cases[i].pattern, n);
        assert_int_equal(n, cases[i].windows);
    }
}

/* ------------------------------------------------------------------ zones */

static int value_model(const fixture *f, const qv__ask *ask, int64_t i)
{
    if (ask->kind == QV_ASK_IS_NULL || ask->kind == QV_ASK_NOT_NULL)
        return null_model(f, ask, i);
    if (qv__array_is_null(f->values, i))
        return -1;
    if (ask->kind == QV_ASK_IN) {
        for (int64_t v = 0; v < ask->values->length; v++)
            if (qv__value_compare(f->values, i, ask->values, v) == 0)
                return 1;
        return 0;
    }
    int low = ask->low ? qv__value_compare(f->values, i, ask->low, 0) : 1;
    int high = ask->high ? qv__value_compare(f->values, i, ask->high, 0) : -1;
    return (ask->low_open ? low > 0 : low >= 0) && (ask->high_open ? high < 0 : high <= 0);
}

static void ask_zones(qvt_rng *rng, fixture *f, qv__segment *segment, int64_t from, int64_t to)
{
    qv_error err;
    qv__certainty range = segment->kind->can_ask(f->type, QV_ASK_RANGE);

    for (int round = 0; round < 30; round++) {
        qv__array *low, *high;
        QVT_OK(qv__array_slice(f->values, (int64_t) qvt_rng_below(rng, (uint64_t) f->values->length), 1, &low, &err));
        QVT_OK(qv__array_slice(f->values, (int64_t) qvt_rng_below(rng, (uint64_t) f->values->length), 1, &high, &err));
        if (!low->null_count && !high->null_count) {
            qv__ask ask = { .kind = QV_ASK_RANGE, .low = round % 5 ? low : NULL, .high = round % 4 ? high : NULL };
            ask.low_open = round % 2;
            ask.high_open = round % 3 == 0;
            expect(f, segment, &ask, value_model, range, from, to, 0);
            expect(f, segment, &(qv__ask){ .kind = QV_ASK_IN, .values = low }, value_model, QV_AT_MOST, from, to, 0);
        }
        qv__array_unref(low);
        qv__array_unref(high);
    }
    expect(f, segment, &(qv__ask){ .kind = QV_ASK_IS_NULL }, value_model, QV_EXACT, from, to, 0);
    expect(f, segment, &(qv__ask){ .kind = QV_ASK_NOT_NULL }, value_model, QV_EXACT, from, to, 0);
}

static bool keep_first_fragment(void *ctx, size_t segment, uint64_t *row)
{
    QV_UNUSED(ctx);
    QV_UNUSED(segment);
    return *row >> 32 == 0 && *row % 7 == 3;
}

static void check_zones(qvt_rng *rng, const qv__index_method *kind, qv__type *type)
{
    qv_error err;
    fixture f;

    fixture_open(&f, type, qvt_random_array(rng, type, 2500, 0.2));
    qv__segment *all = build(&f, kind, "all", 0, 2500, 0), *half = build(&f, kind, "half", 0, 2000, 0);
    qv__segment *merged = merge(&f, kind, "merged", &half, 1, 2000, 2500, NULL);
    qv__segment *kept = merge(&f, kind, "kept", &all, 1, 0, 0, keep_first_fragment);
    ask_zones(rng, &f, all, 0, 2500);
    ask_zones(rng, &f, merged, 0, 2500);
    ask_zones(rng, &f, kept, 0, 1000);
    assert_true(kind->covers(all, 0, 1000));
    assert_true(kind->covers(all, 2, 500));
    assert_false(kind->covers(all, 2, 501));
    assert_false(kind->covers(all, 3, 10));
    assert_true(kind->covers(kept, 0, 1000));
    assert_false(kind->covers(kept, 1, 1000));
    qv__segment *segments[] = { all, half, merged, kept };
    for (size_t i = 0; i < QV_COUNT_OF(segments); i++) {
        QVT_OK(kind->verify(segments[i], on_problem, NULL, &err));
        kind->close(segments[i]);
    }
    fixture_close(&f);
}

static void test_zones(void **state)
{
    const qv__index_method *kind = *state;
    qvt_rng rng = qvt_rng_seeded();

    for (int round = 0; round < 30; round++) {
        qv__type *type = qvt_random_type(&rng, 0, false);
        if (!kind->can_index(type)) {
            qv__type_unref(type);
            continue;
        }
        check_zones(&rng, kind, type);
    }
}

static void test_zone_floats(void **state)
{
    const qv__index_method *kind = *state;
    static const double numbers[] = { -0.0, 0.0, 1.5, -1.5, INFINITY, -INFINITY, NAN, -NAN, 3.0, 4.0 };
    qvt_rng rng = { 7 };
    qv_error err;

    for (int round = 0; round < 40; round++) {
        fixture f;
        double values[600];
        uint8_t *room;
        qv__array *array;
        qv__type *type = qvt_type(QV_TYPE_FLOAT64, 0, 0);
        for (size_t i = 0; i < QV_COUNT_OF(values); i++) /* zones of two or three different numbers */
            values[i] = numbers[(round + (int) (i / 100) * 3 + (int) qvt_rng_below(&rng, 2) * (round % 10)) % 10];
        QVT_OK(qv__array_new(type, (int64_t) QV_COUNT_OF(values), 0, &array, &err));
        QVT_OK(qv__bytes_new(sizeof values, &array->buffers[1], &room, &err));
        memcpy(room, values, sizeof values);
        fixture_open(&f, type, array);
        f.options.rows_per_zone = 100;
        qv__segment *segment = build(&f, kind, "floats", 0, array->length, 0);
        ask_zones(&rng, &f, segment, 0, array->length);
        kind->close(segment);
        fixture_close(&f);
    }
}

/* ------------------------------------------------------------------ documents */

static int64_t document_value(int64_t i) { return i % 17 - 4; }

static int json_model(const fixture *f, const qv__ask *ask, int64_t i)
{
    int64_t low;

    QV_UNUSED(f);
    memcpy(&low, qv__array_values(ask->values), sizeof low);
    return i % 5 == 0 ? -1 : document_value(i) == low;
}

static qv__array *make_documents(int64_t n, const char *odd)
{
    const char **texts = calloc((size_t) n, sizeof *texts);
    char *room = calloc((size_t) n, 64);

    for (int64_t i = 0; i < n; i++) {
        texts[i] = room + 64 * i;
        snprintf(room + 64 * i, 64, "{\"b\":[1],\"a\":%lld}", (long long) document_value(i));
        if (i % 5 == 0)
            texts[i] = i % 3 == 0 ? NULL : i % 3 == 1 ? "{\"a\":null}" : "[1,{\"a\":3}]";
    }
    if (odd)
        texts[n - 1] = odd;
    qv__array *out = words(texts, (size_t) n);
    free(texts);
    free(room);
    return out;
}

static void test_json(void **state)
{
    const qv__index_method *kind = &qv__json_kind, *base = *state;
    qv_error err;
    fixture f;
    qv__type *number = qvt_type(QV_TYPE_INT64, 0, 0);

    fixture_open(&f, qvt_type(QV_TYPE_UTF8, 0, 0), make_documents(2000, NULL));
    f.options.json_kind = base->kind;
    qv__segment *all = build(&f, kind, "all", 0, 2000, 0), *half = build(&f, kind, "half", 0, 1000, 0);
    qv__segment *merged = merge(&f, kind, "merged", &half, 1, 1000, 2000, NULL);
    qv__segment *moved = merge(&f, kind, "moved", &all, 1, 0, 0, shift_all);
    for (int64_t wanted = -5; wanted < 14; wanted++) {
        qv__array *values;
        uint8_t *room;
        QVT_OK(qv__array_new(number, 1, 0, &values, &err));
        QVT_OK(qv__bytes_new(sizeof wanted, &values->buffers[1], &room, &err));
        memcpy(room, &wanted, sizeof wanted);
        qv__ask ask = { .kind = QV_ASK_IN, .values = values };
        expect(&f, all, &ask, json_model, QV_EXACT, 0, 2000, 0);
        expect(&f, merged, &ask, json_model, QV_EXACT, 0, 2000, 0);
        expect(&f, moved, &ask, json_model, QV_EXACT, 0, 2000, UINT64_C(7) << 32);
        qv__array_unref(values);
    }
    qv__segment *segments[] = { all, half, merged, moved };
    for (size_t i = 0; i < QV_COUNT_OF(segments); i++) {
        QVT_OK(kind->verify(segments[i], on_problem, NULL, &err));
        kind->close(segments[i]);
    }
    qv__type_unref(number);
    fixture_close(&f);
}

static void expect_refused(const char *odd, const char *message)
{
    qv_error err;
    fixture f;
    qv__index_built built = { 0 };

    fixture_open(&f, qvt_type(QV_TYPE_UTF8, 0, 0), make_documents(40, odd));
    qv__buffer_init(&built.details, 4096);
    qv__stream *stream = make_source(&f, 0, 40);
    qv__index_target target = { .folder = f.root, .version = { 2, 2 }, .options = &f.options, .job = &f.job };
    qv__index_source source = { .values = stream, .type = f.type, .rows = 40 };
    QVT_FAILS(qv__json_kind.build(&target, &source, &built, &err), QV_INVALID, message);
    qv__stream_free(stream);
    qv__buffer_free(&built.details);
    fixture_close(&f);
}

static void test_json_types(void **state)
{
    QV_UNUSED(state);
    expect_refused("{\"a\":\"x\"}", "row 39: the path leads to values of type int64, and here to one of type utf8");
    expect_refused("{\"a\":[1]}", "row 39: a JSON index holds single values");
}

/* ------------------------------------------------------------------ damage and failures */

typedef struct names {
    char items[8][64];
    uint64_t sizes[8];
    size_t n;
} names;

static qv_status note_name(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    names *list = ctx;

    QV_UNUSED(err);
    if (!is_folder) {
        snprintf(list->items[list->n], sizeof list->items[0], "%s", name);
        list->sizes[list->n++] = size;
    }
    return QV_OK;
}

static void ignore_problem(void *ctx, const char *object, const char *what)
{
    QV_UNUSED(ctx);
    QV_UNUSED(object);
    QV_UNUSED(what);
}

static void try_damaged(fixture *f, const qv__index_method *kind, qv__store *folder, const qv__index_entry *entry)
{
    qv_error err;
    qv__segment *segment;
    qv__array *low;

    if (kind->open(folder, entry, f->type, &segment, &err) != QV_OK)
        return;
    QVT_OK(qv__array_slice(f->values, 1, 1, &low, &err));
    const qv__array *value = kind == &qv__label_list_kind ? low->children[0] : low;
    for (int question = QV_ASK_RANGE; question <= QV_ASK_HAS_ALL; question++) {
        qv__answer answer = { 0 };
        qv__ask ask = { .kind = (qv__ask_kind) question, .low = low, .values = value };
        if (kind->can_ask(f->type, ask.kind) != QV_NO_IDEA && value->length) {
            qv_status st = kind->ask(segment, &ask, &f->job, &answer, &err);
            assert_true(st == QV_OK || st == QV_CORRUPT || st == QV_LIMIT || st == QV_UNSUPPORTED || st == QV_INVALID);
        }
        qv__answer_clear(&answer);
    }
    kind->verify(segment, ignore_problem, NULL, &err);
    kind->close(segment);
    qv__array_unref(low);
}

static void damage_bytes(qvt_rng *rng, fixture *f, const qv__index_method *kind, qv__store *folder,
                         const qv__index_entry *entry)
{
    qv_error err;
    names list = { .n = 0 };

    QVT_OK(qv__store_list(folder, "", note_name, &list, &err));
    assert_true(list.n > 0);
    for (size_t file = 0; file < list.n; file++) {
        qv__bytes whole;
        QVT_OK(qv__store_get(folder, list.items[file], UINT64_MAX, &whole, &err));
        uint8_t *bytes = malloc(whole.len);
        memcpy(bytes, whole.data, whole.len);
        size_t step = QV_MAX(whole.len / 1500, 1);
        for (size_t at = qvt_rng_below(rng, step); at < whole.len; at += step) {
            bytes[at] ^= (uint8_t) (1u << qvt_rng_below(rng, 8));
            QVT_OK(qv__store_put(folder, list.items[file], bytes, whole.len, QV_PUT_REPLACE, &err));
            try_damaged(f, kind, folder, entry);
            bytes[at] = whole.data[at];
        }
        QVT_OK(qv__store_put(folder, list.items[file], bytes, whole.len, QV_PUT_REPLACE, &err));
        free(bytes);
        qv__bytes_unref(&whole);
    }
}

static void sample(const qv__index_method *kind, qvt_rng *rng, fixture *f, int64_t n)
{
    qv__type *text = qvt_type(QV_TYPE_UTF8, 0, 0), *list = qvt_list_type(QV_TYPE_LIST, text, 0);

    if (kind == &qv__label_list_kind)
        fixture_open(f, qv__type_ref(list), make_lists(rng, list, n));
    else if (kind == &qv__json_kind)
        fixture_open(f, qv__type_ref(text), make_documents(n, NULL));
    else if (kind == &qv__ngram_kind)
        fixture_open(f, qv__type_ref(text), make_texts(rng, n));
    else
        fixture_open(f, qvt_type(QV_TYPE_INT32, 0, 0), NULL);
    if (!f->values)
        f->values = qvt_random_array(rng, f->type, n, 0.2);
    qv__type_unref(text);
    qv__type_unref(list);
}

static void test_damage(void **state)
{
    const qv__index_method *kind = *state;
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;
    fixture f;
    qv__store *folder;
    qv__index_built built = { 0 };

    sample(kind, &rng, &f, 40);
    qv__buffer_init(&built.details, 4096);
    QVT_OK(qv__store_sub(f.root, "damaged", &folder, &err));
    qv__stream *stream = make_source(&f, 0, 40);
    qv__index_target target = { .folder = folder, .version = { 2, 2 }, .options = &f.options, .job = &f.job };
    qv__index_source source = { .values = stream, .type = f.type, .rows = 40 };
    QVT_OK(kind->build(&target, &source, &built, &err));
    qv__stream_free(stream);
    qv__index_entry entry = { .index_version = built.index_version,
                              .type_url = kind->type_url,
                              .details = { built.details.data, built.details.len } };
    damage_bytes(&rng, &f, kind, folder, &entry);
    qv__buffer_free(&built.details);
    qv__store_unref(folder);
    fixture_close(&f);
}

typedef struct torture {
    fixture *f;
    const qv__index_method *kind;
    qv__segment *old;
    qv__store *folder;
    qv__stream *stream;
} torture;

static void prepare(void *ctx)
{
    torture *t = ctx;
    qv_error err;

    QVT_OK(qv__store_sub(t->f->root, "torture", &t->folder, &err));
    t->old = build(t->f, t->kind, "old", 0, 20, 0);
    t->stream = make_source(t->f, 20, 40);
}

static qv_status act(void *ctx, qv_error *err)
{
    torture *t = ctx;
    qv_status st = QV_OK;
    qv__segment *segment = NULL;
    qv__index_built built = { 0 };
    qv__answer answer = { 0 };

    qv__buffer_init(&built.details, 4096);
    qv__index_target target = {
        .folder = t->folder, .version = { 2, 2 }, .options = &t->f->options, .job = &t->f->job
    };
    qv__index_source source = { .values = t->stream, .type = t->f->type, .rows = 20 };
    QV_CHECK(t->kind->merge(&target, &t->old, 1, &source, shift_all, NULL, &built, err));
    qv__index_entry entry = { .index_version = built.index_version,
                              .type_url = t->kind->type_url,
                              .details = { built.details.data, built.details.len } };
    QV_CHECK(t->kind->open(t->folder, &entry, t->f->type, &segment, err));
    if (t->kind != &qv__json_kind)
        QV_CHECK(t->kind->ask(segment, &(qv__ask){ .kind = QV_ASK_IS_NULL }, &t->f->job, &answer, err));
done:
    qv__answer_clear(&answer);
    if (segment)
        t->kind->close(segment);
    qv__buffer_free(&built.details);
    return st;
}

static void check(void *ctx, qv_status st)
{
    torture *t = ctx;
    qv_error err;

    QV_UNUSED(st);
    qv__stream_free(t->stream);
    t->kind->close(t->old);
    QVT_OK(qv__store_delete_tree(t->f->root, "", &err));
    qv__store_unref(t->folder);
}

static void test_failures(void **state)
{
    const qv__index_method *kind = *state;
    qvt_rng rng = { 11 };
    fixture f;

    sample(kind, &rng, &f, 40);
    torture t = { &f, kind, NULL, NULL, NULL };
    prepare(&t); /* what the store itself keeps is there from now on */
    check(&t, QV_OK);
    qvt_fail_each_kind(&(qvt_trial){ prepare, act, check, false }, &t);
    fixture_close(&f);
}

#define EACH_KIND(test)                                                  \
    cmocka_unit_test_prestate(test, (void *) &qv__label_list_kind),      \
        cmocka_unit_test_prestate(test, (void *) &qv__ngram_kind),       \
        cmocka_unit_test_prestate(test, (void *) &qv__zonemap_kind),     \
        cmocka_unit_test_prestate(test, (void *) &qv__bloomfilter_kind), \
        cmocka_unit_test_prestate(test, (void *) &qv__json_kind)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_label_list),
        cmocka_unit_test(test_ngram),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test_prestate(test_zones, (void *) &qv__zonemap_kind),
        cmocka_unit_test_prestate(test_zones, (void *) &qv__bloomfilter_kind),
        cmocka_unit_test_prestate(test_zone_floats, (void *) &qv__zonemap_kind),
        cmocka_unit_test_prestate(test_zone_floats, (void *) &qv__bloomfilter_kind),
        cmocka_unit_test_prestate(test_json, (void *) &qv__btree_kind),
        cmocka_unit_test_prestate(test_json, (void *) &qv__bitmap_kind),
        cmocka_unit_test(test_json_types),
        EACH_KIND(test_damage),
        EACH_KIND(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
