/* Indices of the reference implementation: every condition is answered through the index as the reference answers it, and every file
 * verifies. */
#include "qvt_index.h"

#include "index/scalar/scalar.h"
#include "query/query.h"

#define FOLDER QVT_SOURCE_DIR "/tests/golden/indices"

static qv_error err;

static void on_problem(void *ctx, const char *object, const char *what)
{
    print_error("%s: %s: %s\n", (const char *) ctx, object, what);
    fail();
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return (x > y) - (x < y);
}

static void expect_ids(qv__snapshot *snapshot, const qv__matches *matches, const char *wanted)
{
    uint64_t *ids = calloc(matches->n_rows + 1, sizeof *ids);
    size_t n = 0;
    char *end;

    for (size_t i = 0; i < matches->n_fragments; i++) {
        if (!matches->rows[i])
            continue;
        uint32_t *rows = calloc(roaring_bitmap_get_cardinality(matches->rows[i]) + 1, sizeof *rows);
        roaring_bitmap_to_uint32_array(matches->rows[i], rows);
        for (uint64_t k = 0; k < roaring_bitmap_get_cardinality(matches->rows[i]); k++)
            QVT_OK(qv__snapshot_row_ids(snapshot, i, rows[k], 1, &ids[n++], &err));
        free(rows);
    }
    if (n)
        qsort(ids, n, sizeof *ids, compare_ids);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(strtoull(wanted, &end, 10), ids[i]);
        assert_ptr_not_equal(end, wanted);
        wanted = end;
    }
    assert_true(*wanted == 0 || *wanted == '\n');
    free(ids);
}

/* "table \t kind \t condition \t ids" */
static void replay(char *line)
{
    char *name = line, *kind = strchr(name, '\t'), *where = strchr(kind + 1, '\t'), *ids = strchr(where + 1, '\t');
    char path[512];
    qv__store *store;
    qv__snapshot *snapshot;
    qvt_index_use use;
    qv__matches matches;

    *kind++ = *where++ = *ids++ = 0;
    snprintf(path, sizeof path, "%s/%.100s.lance", FOLDER, name);
    QVT_OK(qv__store_open(path, false, &store, &err));
    QVT_OK(qv__snapshot_open(store, 0, &snapshot, &err));
    print_message("%s: %s\n", name, where);
    qvt_index_check(snapshot, where, false, &use, &matches);
    expect_ids(snapshot, &matches, ids);
    if (qv__index_method_of((qv_index_kind) atoi(kind))) {
        assert_true(use.used);
        assert_int_equal(use.covered, qv__snapshot_n_fragments(snapshot));
    }
    qv__job job;
    qv__job_begin(&job, NULL, "verify", 0);
    QVT_OK(qv__index_verify(snapshot, on_problem, name, &job, &err));
    qv__job_end(&job, QV_OK);
    qv__matches_clear(&matches);
    qv__snapshot_unref(snapshot);
    qv__store_unref(store);
}

static void test_answers(void **state)
{
    QV_UNUSED(state);
    static char line[65536];
    FILE *file = fopen(FOLDER "/answers.tsv", "r");
    int n = 0;

    assert_non_null(file);
    for (; fgets(line, sizeof line, file); n++)
        replay(line);
    fclose(file);
    assert_true(n > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_answers) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
