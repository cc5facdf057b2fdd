/* Index files that the reference wrote give the rows that the reference found (tests/golden/index). */
#include "arrow/builder.h"
#include "index/scalar/json_private.h"
#include "index/scalar/scalar.h"
#include "qvt.h"
#include "qvt_arrays.h"

#define GOLDEN QVT_SOURCE_DIR "/tests/golden/index/"

static qv__segment *open_golden(const char *name, const qv__scalar_kind *kind, const qv__type *type, int32_t version)
{
    qv_error err;
    char path[512];
    qv__store *store;
    qv__segment *segment;
    qv__buffer details;
    qv__index_entry entry = { .index_version = version, .type_url = kind->type_url };

    qv__buffer_init(&details, 4096);
    QVT_OK(qv__json_details_pack("$.a", "/lance.table.BTreeIndexDetails", &details, &err));
    if (kind == &qv__json_kind)
        entry.details = (qv__section_bytes){ details.data, details.len };
    snprintf(path, sizeof path, GOLDEN "%s", name);
    QVT_OK(qv__store_open(path, false, &store, &err));
    QVT_OK(kind->open(store, &entry, type, &segment, &err));
    qv__store_unref(store);
    qv__buffer_free(&details);
    return segment;
}

/* The stored rows must be among the answer's; exact answers have no others. */
static void expect_rows(const char *name, int number, qv__segment *segment, const qv__ask *ask, bool exact)
{
    qv_error err;
    char path[512], line[64];
    qv__job job;
    qv__answer answer = { 0 };
    uint64_t n = 0;
    bool has_full;

    qv__job_begin(&job, NULL, "ask", 0);
    QVT_OK(segment->kind->ask(segment, ask, &job, &answer, &err));
    assert_int_equal(answer.certainty, exact ? QV_EXACT : QV_AT_MOST);
    snprintf(path, sizeof path, GOLDEN "%s/rows%d.txt", name, number);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (; fgets(line, sizeof line, file); n++)
        assert_true(qv__row_set_contains(&answer.rows, strtoull(line, NULL, 10)));
    fclose(file);
    assert_true(n > 0);
    if (exact)
        assert_int_equal(qv__row_set_count(&answer.rows, &has_full), n);
    qv__answer_clear(&answer);
    qv__job_end(&job, QV_OK);
}

static qv__array *numbers(qv__type_id id, const int64_t *values, size_t n)
{
    qv_error err;
    qv__type *type = qvt_type(id, 0, 0);
    qv__builder *builder;
    qv__array *out;

    QVT_OK(qv__builder_new(type, &builder, &err));
    for (size_t i = 0; i < n; i++)
        QVT_OK(qv__builder_append_fixed(builder, &values[i], &err));
    QVT_OK(qv__builder_finish(builder, &out, &err));
    qv__builder_free(builder);
    qv__type_unref(type);
    return out;
}

static qv__array *texts(const char *const *values, size_t n)
{
    qv_error err;
    qv__type *type = qvt_type(QV_TYPE_UTF8, 0, 0);
    qv__builder *builder;
    qv__array *out;

    QVT_OK(qv__builder_new(type, &builder, &err));
    for (size_t i = 0; i < n; i++)
        QVT_OK(qv__builder_append_bytes(builder, values[i], strlen(values[i]), &err));
    QVT_OK(qv__builder_finish(builder, &out, &err));
    qv__builder_free(builder);
    qv__type_unref(type);
    return out;
}

static void test_label_list(void **state)
{
    QV_UNUSED(state);
    static const char *const tags[] = { "t1", "t2" };
    qv__type *text = qvt_type(QV_TYPE_UTF8, 0, 0), *list = qvt_list_type(QV_TYPE_LIST, text, 0);
    qv__array *values = texts(tags, 2);
    qv__segment *segment = open_golden("label_list", &qv__label_list_kind, list, 1);

    expect_rows("label_list", 0, segment, &(qv__ask){ .kind = QV_ASK_HAS_ALL, .values = values }, true);
    qv__label_list_kind.close(segment);
    qv__array_unref(values);
    qv__type_unref(list);
    qv__type_unref(text);
}

static void test_ngram(void **state)
{
    QV_UNUSED(state);
    static const char *const patterns[] = { "Quick", "page page" };
    qv__type *text = qvt_type(QV_TYPE_UTF8, 0, 0);
    qv__segment *segment = open_golden("ngram", &qv__ngram_kind, text, 0);

    for (int i = 0; i < 2; i++) {
        qv__array *low = texts(&patterns[i], 1);
        expect_rows("ngram", i, segment, &(qv__ask){ .kind = QV_ASK_CONTAINS, .low = low }, false);
        qv__array_unref(low);
    }
    qv__ngram_kind.close(segment);
    qv__type_unref(text);
}

static void test_zones(void **state)
{
    QV_UNUSED(state);
    const int64_t some[] = { 7, 480 };
    qv__array *seven = numbers(QV_TYPE_INT32, some, 1), *many = numbers(QV_TYPE_INT32, some + 1, 1);
    qv__segment *segment = open_golden("zonemap", &qv__zonemap_kind, seven->type, 0);

    expect_rows("zonemap", 0, segment, &(qv__ask){ .kind = QV_ASK_IN, .values = seven }, false);
    expect_rows("zonemap", 1, segment, &(qv__ask){ .kind = QV_ASK_RANGE, .low = many }, false);
    expect_rows("zonemap", 2, segment, &(qv__ask){ .kind = QV_ASK_IS_NULL }, true);
    assert_true(qv__zonemap_kind.covers(segment, 1, 2500));
    qv__zonemap_kind.close(segment);
    qv__array_unref(seven);
    qv__array_unref(many);
}

static void test_bloom(void **state)
{
    QV_UNUSED(state);
    const int64_t some[] = { 7, 1, 2 }, absent[] = { 100000 };
    qv_error err;
    qv__job job;
    qv__answer answer = { 0 };
    qv__array *seven = numbers(QV_TYPE_INT32, some, 1), *two = numbers(QV_TYPE_INT32, some + 1, 2),
              *none = numbers(QV_TYPE_INT32, absent, 1);
    qv__segment *segment = open_golden("bloomfilter", &qv__bloomfilter_kind, seven->type, 0);

    expect_rows("bloomfilter", 0, segment, &(qv__ask){ .kind = QV_ASK_IN, .values = seven }, false);
    expect_rows("bloomfilter", 1, segment, &(qv__ask){ .kind = QV_ASK_IN, .values = two }, false);
    expect_rows("bloomfilter", 2, segment, &(qv__ask){ .kind = QV_ASK_IS_NULL }, true);
    qv__job_begin(&job, NULL, "ask", 0);
    QVT_OK(qv__bloomfilter_kind.ask(segment, &(qv__ask){ .kind = QV_ASK_IN, .values = none }, &job, &answer, &err));
    assert_int_equal(answer.rows.n, 0);
    qv__answer_clear(&answer);
    qv__job_end(&job, QV_OK);
    qv__bloomfilter_kind.close(segment);
    qv__array_unref(seven);
    qv__array_unref(two);
    qv__array_unref(none);
}

static void test_json(void **state)
{
    QV_UNUSED(state);
    const int64_t some[] = { 7 };
    qv__array *seven = numbers(QV_TYPE_INT64, some, 1);
    qv__segment *segment = open_golden("json_btree", &qv__json_kind, NULL, 0);

    expect_rows("json_btree", 0, segment, &(qv__ask){ .kind = QV_ASK_IN, .values = seven }, true);
    qv__json_kind.close(segment);
    qv__array_unref(seven);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_label_list), cmocka_unit_test(test_ngram),
                                        cmocka_unit_test(test_zones), cmocka_unit_test(test_bloom),
                                        cmocka_unit_test(test_json) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
