/* Indices through the public interface: names, kinds, lists, waiting, lost and damaged files. */
#include <stdatomic.h>

#include "io/store.h"
#include "qvt_rows.h"

static qv_error err;
static atomic_int n_logged;
static char logged[1024];

static void on_log(void *user, qv_log_level level, const char *message)
{
    QV_UNUSED(user);
    QV_UNUSED(level);
    if (!strstr(message, "is not used"))
        return;
    snprintf(logged, sizeof logged, "%s", message);
    atomic_fetch_add(&n_logged, 1);
}

typedef struct fixture {
    char uri[4096];
    qv_db *db;
    qv_table *table;
    qvt_rows rows;
} fixture;

static void open_table(fixture *f, const char *name, size_t n)
{
    qvt_rng rng = { 5 };
    int64_t next_id = 0;

    memset(f, 0, sizeof *f);
    snprintf(f->uri, sizeof f->uri, "%s/%s", qvt_temp_dir(), name);
    qvt_rows_random(&rng, n, &next_id, &f->rows);
    QVT_OK(qvt_table_append(f->uri, &f->rows, &err));
    QVT_OK(qv_db_open(f->uri, NULL, &f->db, &err));
    QVT_OK(qv_db_open_table(f->db, "t", 0, &f->table, &err));
}

static void close_table(fixture *f)
{
    qv_table_close(f->table);
    qv_db_close(f->db);
    qvt_rows_free(&f->rows);
}

static void create(fixture *f, const char *column, qv_index_kind kind)
{
    qv_index_options options = QV_INDEX_OPTIONS_INIT;

    options.kind = kind;
    QVT_OK(qv_table_create_index(f->table, column, &options, &err));
}

static void expect_json(char *json, const char *const *parts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strstr(json, parts[i])) {
            print_error("%s is not in %s\n", parts[i], json);
            fail();
        }
    qv_string_free(json);
}
#define EXPECT_JSON(json, ...)                              \
    do {                                                    \
        static const char *const parts[] = { __VA_ARGS__ }; \
        expect_json(json, parts, QV_COUNT_OF(parts));       \
    } while (0)

/* Vectors get a vector index without being told; the list says what the entry tells of it. */
static void test_vectors(void **state)
{
    QV_UNUSED(state);
    fixture f;
    char *json;
    qv_index_options options = QV_INDEX_OPTIONS_INIT;

    open_table(&f, "vectors", 500);
    create(&f, "vector", QV_INDEX_AUTO);
    QVT_OK(qv_table_indices(f.table, &json, &err));
    EXPECT_JSON(json, "\"name\":\"vector_idx\",\"index_type\":\"Ivf", "\"columns\":[\"vector\"]",
                "\"type_url\":\"/lance.index.pb.VectorIndexDetails\"", "\"index_details\":{\"metric_type\":\"L2\"");
    options.kind = QV_INDEX_IVF_HNSW_SQ;
    options.metric = QV_METRIC_COSINE;
    options.hnsw_m = 8;
    options.hnsw_ef_construction = 40;
    options.target_partition_size = 250;
    QVT_OK(qv_table_create_index(f.table, "vector", &options, &err));
    QVT_OK(qv_table_indices(f.table, &json, &err));
    EXPECT_JSON(json, "\"index_type\":\"IvfHnswSq\"",
                "\"index_details\":{\"metric_type\":\"COSINE\",\"target_partition_size\":250,"
                "\"compression\":{\"type\":\"sq\",\"num_bits\":8},"
                "\"hnsw\":{\"max_connections\":8,\"construction_ef\":40,\"max_level\":7}}");
    QVT_OK(qv_table_index_stats(f.table, "vector_idx", &json, &err));
    EXPECT_JSON(json, "\"index_type\":\"IVF_HNSW_SQ\"", "\"metric_type\":\"cosine\"");
    close_table(&f);
}

static void test_names_and_lists(void **state)
{
    QV_UNUSED(state);
    fixture f;
    char *json;
    qv_index_options options = QV_INDEX_OPTIONS_INIT;
    const char *const names[] = { "id_idx", "later" };

    open_table(&f, "names", 500);
    QVT_OK(qv_table_indices(f.table, &json, &err));
    assert_string_equal(json, "[]");
    qv_string_free(json);
    create(&f, "id", QV_INDEX_AUTO);
    create(&f, "name", QV_INDEX_BITMAP);
    QVT_OK(qv_table_indices(f.table, &json, &err));
    EXPECT_JSON(json, "[{\"name\":\"id_idx\",\"index_type\":\"BTree\",\"columns\":[\"id\"]",
                "\"type_url\":\"/lance.table.BTreeIndexDetails\"", "\"num_indexed_rows\":500,\"num_unindexed_rows\":0",
                "\"num_segments\":1", "{\"name\":\"name_idx\",\"index_type\":\"Bitmap\"");
    QVT_OK(qv_table_index_stats(f.table, "id_idx", &json, &err));
    EXPECT_JSON(json, "\"index_type\":\"BTREE\"", "\"num_indexed_rows\":500", "\"num_indices\":1",
                "\"num_indexed_rows_per_delta\":[500]", "\"num_pages\":1");

    options.keep_existing = true;
    QVT_FAILS(qv_table_create_index(f.table, "id", &options, &err), QV_EXISTS, "\"id_idx\" already exists");
    options.keep_existing = false;
    QVT_OK(qv_table_create_index(f.table, "id", &options, &err)); /* replaced */
    QVT_FAILS(qv_table_create_index(f.table, "nope", NULL, &err), QV_NOT_FOUND,
              "Field path `nope` not found in schema. Available field paths: id, name, vector");
    options = (qv_index_options) QV_INDEX_OPTIONS_INIT;
    options.kind = QV_INDEX_BTREE;
    QVT_FAILS(qv_table_create_index(f.table, "vector", &options, &err), QV_INVALID,
              "A BTree index cannot be created on the field `vector` which has data type");
    QVT_FAILS(qv_table_create_index(f.table, NULL, NULL, &err), QV_INVALID, "needs a column");
    options.name = "__lance_mine";
    QVT_FAILS(qv_table_create_index(f.table, "id", &options, &err), QV_INVALID, "reserved");
    options.name = NULL;
    options.kind = 55;
    QVT_FAILS(qv_table_create_index(f.table, "id", &options, &err), QV_INVALID, "55");
    QVT_FAILS(qv_table_index_stats(f.table, "nope", &json, &err), QV_NOT_FOUND, "name=nope");
    QVT_FAILS(qv_table_drop_index(f.table, "nope", &err), QV_NOT_FOUND, "name=nope");
    QVT_FAILS(qv_table_prewarm_index(f.table, "nope", &err), QV_NOT_FOUND, "name=nope");
    QVT_OK(qv_table_prewarm_index(f.table, "id_idx", &err));
    QVT_OK(qv_table_wait_for_index(f.table, names, 1, 0, &err));
    QVT_FAILS(qv_table_wait_for_index(f.table, names, 2, 30, &err), QV_TIMEOUT, "[\"later\"]");
    QVT_OK(qv_table_drop_index(f.table, "id_idx", &err));
    QVT_OK(qv_table_indices(f.table, &json, &err));
    assert_null(strstr(json, "id_idx"));
    qv_string_free(json);
    close_table(&f);
}

static void test_extending(void **state)
{
    QV_UNUSED(state);
    fixture f;
    char *json;
    uint64_t version = 9;
    qv_index_merge_options options = QV_INDEX_MERGE_OPTIONS_INIT;
    static const char *const missing[] = { "nope" };

    open_table(&f, "extend", 300);
    create(&f, "id", QV_INDEX_BTREE);
    QVT_OK(qv_table_optimize_indices(f.table, NULL, &version, &err));
    assert_int_equal(version, 0);
    QVT_OK(qvt_table_append(f.uri, &f.rows, &err));
    QVT_OK(qv_table_checkout_latest(f.table, &err));
    QVT_OK(qv_table_indices(f.table, &json, &err));
    EXPECT_JSON(json, "\"num_indexed_rows\":300,\"num_unindexed_rows\":300");
    options.merge_segments = 0;
    QVT_OK(qv_table_optimize_indices(f.table, &options, &version, &err));
    assert_true(version > 0);
    QVT_OK(qv_table_indices(f.table, &json, &err));
    EXPECT_JSON(json, "\"num_indexed_rows\":600,\"num_unindexed_rows\":0", "\"num_segments\":2");
    QVT_OK(qv_table_optimize_indices(f.table, NULL, &version, &err));
    QVT_OK(qv_table_indices(f.table, &json, &err));
    EXPECT_JSON(json, "\"num_indexed_rows\":600", "\"num_segments\":1");
    options.names = missing;
    options.n_names = 1;
    QVT_FAILS(qv_table_optimize_indices(f.table, &options, &version, &err), QV_NOT_FOUND, "name=nope");
    QVT_OK(qv_table_checkout(f.table, 1, &err));
    QVT_FAILS(qv_table_create_index(f.table, "id", NULL, &err), QV_READ_ONLY, "");
    QVT_FAILS(qv_table_drop_index(f.table, "id_idx", &err), QV_READ_ONLY, "");
    QVT_FAILS(qv_table_optimize_indices(f.table, NULL, NULL, &err), QV_READ_ONLY, "");
    close_table(&f);
}

/* ------------------------------------------------------------------ lost and damaged files */

typedef struct spoiling {
    qv__store *store;
    const char *file;
    bool remove;
    int n;
} spoiling;

static qv_status spoil(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *error)
{
    spoiling *s = ctx;
    char path[512];
    qv__bytes bytes;

    QV_UNUSED(size);
    assert_true(is_folder);
    snprintf(path, sizeof path, "t.lance/_indices/%.100s/%s", name, s->file);
    s->n++;
    if (s->remove)
        return qv__store_delete(s->store, path, error);
    QVT_OK(qv__store_get(s->store, path, 1 << 20, &bytes, error));
    uint8_t *copy = calloc(bytes.len, 1);
    memcpy(copy, bytes.data, bytes.len / 2); /* the second half, and with it the footer, is zeros */
    qv_status st = qv__store_put(s->store, path, copy, bytes.len, QV_PUT_REPLACE, error);
    free(copy);
    qv__bytes_unref(&bytes);
    return st;
}

static void on_problem(void *user, const char *object, const char *what)
{
    char *found = user;

    snprintf(found, 512, "%.200s %.200s", object, what);
}

static void expect_scanned(const char *name, const char *file, bool remove)
{
    fixture f;
    spoiling s = { .file = file, .remove = remove };
    uint64_t n;
    char found[512] = "";

    open_table(&f, name, 400);
    create(&f, "id", QV_INDEX_BTREE);
    qv_table_close(f.table);
    QVT_OK(qv__store_open(f.uri, false, &s.store, &err));
    QVT_OK(qv__store_list(s.store, "t.lance/_indices", spoil, &s, &err));
    assert_int_equal(s.n, 1);
    qv__store_unref(s.store);
    QVT_OK(qv_db_open_table(f.db, "t", 0, &f.table, &err));
    n_logged = 0;
    for (int i = 0; i < 3; i++) {
        QVT_OK(qv_table_count_where(f.table, "id = 7", NULL, &n, &err));
        assert_int_equal(n, 1);
    }
    assert_int_equal(n_logged, 1);
    assert_non_null(strstr(logged, "index \"id_idx\""));
    QVT_FAILS(qv_table_verify(f.table, on_problem, found, NULL, NULL, &err), QV_CORRUPT, "problem");
    assert_non_null(strstr(found, "_indices/"));
    qv_index_merge_options again = QV_INDEX_MERGE_OPTIONS_INIT;
    again.retrain = true;
    QVT_OK(qv_table_optimize_indices(f.table, &again, NULL, &err));
    QVT_OK(qv_table_verify(f.table, NULL, NULL, NULL, NULL, &err));
    close_table(&f);
}

static void test_lost_files(void **state)
{
    QV_UNUSED(state);
    qv_set_log(on_log, NULL, QV_LOG_WARNING);
    expect_scanned("lost_lookup", "page_lookup.lance", true);
    expect_scanned("lost_data", "page_data.lance", true);
    expect_scanned("broken_lookup", "page_lookup.lance", false);
    expect_scanned("broken_data", "page_data.lance", false);
    qv_set_log(NULL, NULL, QV_LOG_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_names_and_lists), cmocka_unit_test(test_vectors),
                                        cmocka_unit_test(test_extending), cmocka_unit_test(test_lost_files) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
