/* The files of a JSON index that the reference wrote give the rows that the reference found. The reference takes the text of the path for
 * the key of json_get_int when it looks for an index, and for a key when it reads: conditions do not show what the files hold. */
#include "arrow/builder.h"
#include "index/scalar/json_private.h"
#include "index/scalar/scalar.h"
#include "qvt.h"
#include "qvt_arrays.h"

#define GOLDEN QVT_SOURCE_DIR "/tests/golden/index/"

static qv__segment *open_golden(const char *name, const qv__index_method *kind, const qv__type *type, int32_t version)
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
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_json) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
