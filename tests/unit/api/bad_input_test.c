/* Wrong calls: each gets the right status and a message that names the object and the value, and leaves the table as it was. */
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qvt_rows.h"

typedef struct fixture {
    qv_db *db;
    qv_table *table;
    qvt_rows rows;
    char uri[4096];
} fixture;

static int set_up(void **state)
{
    static fixture f;
    qvt_rng rng = { 5 };
    int64_t next_id = 0;
    struct ArrowArrayStream stream;
    qv_error err;

    memset(&f, 0, sizeof f);
    static int count;
    snprintf(f.uri, sizeof f.uri, "%s/db-%d", qvt_temp_dir(), count++); /* a database per test */
    qvt_rows_random(&rng, 40, &next_id, &f.rows);
    QVT_OK(qvt_rows_export(&f.rows, 16, &stream, &err));
    QVT_OK(qv_db_open(f.uri, NULL, &f.db, &err));
    QVT_OK(qv_db_create_table(f.db, "t", QV_CREATE_OR_REPLACE, &stream, NULL, NULL, &f.table, &err));
    *state = &f;
    return 0;
}

/* Whatever the test tried: the table is as it was. */
static int tear_down(void **state)
{
    fixture *f = *state;

    qv_table_close(f->table);
    qv_db_close(f->db);
    assert_true(qvt_table_is_new(f->uri, NULL, &f->rows));
    qvt_rows_free(&f->rows);
    return 0;
}

static void databases(void **state)
{
    qv_db *db = NULL;
    qv_db_options wrong = QV_DB_OPTIONS_INIT;
    qv_error err;

    QV_UNUSED(state);
    QVT_FAILS(qv_db_open(NULL, NULL, &db, &err), QV_INVALID, "empty");
    QVT_FAILS(qv_db_open("", NULL, &db, &err), QV_INVALID, "empty");
    QVT_FAILS(qv_db_open("nosuch://x", NULL, &db, &err), QV_UNSUPPORTED, "nosuch");
    QVT_FAILS(qv_db_open("/proc/none/db", NULL, &db, &err), QV_IO, "/proc/none/db");
    wrong.struct_size = 3;
    QVT_FAILS(qv_db_open("memory://", &wrong, &db, &err), QV_INVALID, "struct_size is 3");
    assert_null(db);
}

static void table_names(void **state)
{
    static const char *const names[] = { "a b", "a/b", "../t", "..%2f", "\xc3\xbc", "a\nb", "a:b" };
    fixture *f = *state;
    char endless[400];
    qv_table *table = NULL;
    qv_error err;

    QVT_FAILS(qv_db_open_table(f->db, "", 0, &table, &err), QV_INVALID, "must not be empty");
    QVT_FAILS(qv_db_open_table(f->db, NULL, 0, &table, &err), QV_INVALID, "must not be empty");
    for (size_t i = 0; i < QV_COUNT_OF(names); i++) {
        QVT_FAILS(qv_db_open_table(f->db, names[i], 0, &table, &err), QV_INVALID, names[i]);
        QVT_FAILS(qv_db_drop_table(f->db, names[i], &err), QV_INVALID, names[i]);
    }
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    QVT_FAILS(qv_db_open_table(f->db, endless, 0, &table, &err), QV_INVALID, "399 bytes");
    QVT_FAILS(qv_db_open_table(f->db, "nope", 0, &table, &err), QV_NOT_FOUND, "Table 'nope' was not found");
    QVT_FAILS(qv_db_open_table(f->db, "t", 99, &table, &err), QV_NOT_FOUND, "99");
    QVT_FAILS(qv_db_drop_table(f->db, "..", &err), QV_NOT_FOUND, "..");
    QVT_FAILS(qv_table_checkout(f->table, 7, &err), QV_NOT_FOUND, "7");
    assert_null(table);
}

static void creating(void **state)
{
    fixture *f = *state;
    qv_write_options options = QV_WRITE_OPTIONS_INIT;
    struct ArrowArrayStream stream;
    qv_table *table = NULL;
    qv_error err;

    QVT_FAILS(qv_db_create_table(f->db, "u", QV_CREATE, NULL, NULL, NULL, &table, &err), QV_INVALID,
              "Either data or schema");
    QVT_OK(qvt_rows_export(&f->rows, 16, &stream, &err));
    QVT_FAILS(qv_db_create_table(f->db, "t", QV_CREATE, &stream, NULL, NULL, &table, &err), QV_EXISTS,
              "'t' already exists");
    assert_null(stream.release);
    options.file_version = "9.9";
    QVT_OK(qvt_rows_export(&f->rows, 16, &stream, &err));
    QVT_FAILS(qv_db_create_table(f->db, "u", QV_CREATE, &stream, NULL, &options, &table, &err), QV_INVALID, "9.9");
    assert_null(stream.release);
    options.file_version = "2.2";
    options.compression = (qv_compression) 17;
    QVT_OK(qvt_rows_export(&f->rows, 16, &stream, &err));
    QVT_FAILS(qv_db_create_table(f->db, "u", QV_CREATE, &stream, NULL, &options, &table, &err), QV_INVALID, "17");
    assert_null(table);
}

/* A schema with two columns of the given names and nothing else. */
static void no_release(struct ArrowSchema *schema) { schema->release = NULL; }

static void column_names(void **state)
{
    static const struct {
        const char *first, *second, *part;
        qv_status status;
    } cases[] = { { "a", "a", "Duplicate column name: a", QV_INVALID },
                  { "a", "x.y", "x.y", QV_INVALID },
                  { "a", "_rowid", "_rowid", QV_INVALID } };
    fixture *f = *state;
    qv_table *table = NULL;
    qv_error err;

    for (size_t i = 0; i < QV_COUNT_OF(cases); i++) {
        struct ArrowSchema a = { "l", cases[i].first, NULL, 2, 0, NULL, NULL, no_release, NULL };
        struct ArrowSchema b = { "l", cases[i].second, NULL, 2, 0, NULL, NULL, no_release, NULL };
        struct ArrowSchema *children[] = { &a, &b };
        struct ArrowSchema schema = { "+s", "", NULL, 0, 2, children, NULL, no_release, NULL };
        QVT_FAILS(qv_db_create_table(f->db, "u", QV_CREATE, NULL, &schema, NULL, &table, &err), cases[i].status,
                  cases[i].part);
    }
    struct ArrowSchema none = { "+s", "", NULL, 0, 0, NULL, NULL, no_release, NULL };
    QVT_FAILS(qv_db_create_table(f->db, "u", QV_CREATE, NULL, &none, NULL, &table, &err), QV_INVALID,
              "at least one column");
    assert_null(table);
}

static void searching(void **state)
{
    fixture *f = *state;
    const float query[5] = { 1, 2, 3, 4, 5 }, bad[QVT_DIM] = { 1, NAN, 0, 0 };
    qv_vectors vectors = { query, QV_ELEMENT_F32, QVT_DIM, 1 };
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;
    struct ArrowArrayStream out = { 0 };
    qv_error err;

    QVT_FAILS(qv_table_search(f->table, NULL, NULL, &out, &err), QV_INVALID, "no query vector");
    vectors.dim = 5;
    options.vector_column = "vector";
    QVT_FAILS(qv_table_search(f->table, &vectors, &options, &out, &err), QV_INVALID, "5");
    vectors.dim = 0;
    QVT_FAILS(qv_table_search(f->table, &vectors, &options, &out, &err), QV_INVALID, "0 dimensions");
    vectors = (qv_vectors){ bad, QV_ELEMENT_F32, QVT_DIM, 1 };
    QVT_FAILS(qv_table_search(f->table, &vectors, NULL, &out, &err), QV_INVALID, "nan at position 1");
    vectors.data = query;
    options.vector_column = "nope";
    QVT_FAILS(qv_table_search(f->table, &vectors, &options, &out, &err), QV_NOT_FOUND, "nope");
    options.vector_column = "id";
    QVT_FAILS(qv_table_search(f->table, &vectors, &options, &out, &err), QV_INVALID, "id");
    options.vector_column = NULL;
    options.k = 0;
    QVT_FAILS(qv_table_search(f->table, &vectors, &options, &out, &err), QV_INVALID, "k is 0");
    options.k = 1;
    options.metric = QV_METRIC_HAMMING;
    QVT_FAILS(qv_table_search(f->table, &vectors, &options, &out, &err), QV_INVALID, "hamming");
    options.metric = (qv_metric) 42;
    QVT_FAILS(qv_table_search(f->table, &vectors, &options, &out, &err), QV_INVALID, "42");
    options.metric = QV_METRIC_L2;
    options.min_probes = 30;
    options.max_probes = 10;
    QVT_FAILS(qv_table_search(f->table, &vectors, &options, &out, &err), QV_INVALID,
              "min_probes is 30, more than max_probes, which is 10");
    options.max_probes = 0; /* all */
    options.no_refine = true;
    options.refine_factor = 5;
    QVT_FAILS(qv_table_search(f->table, &vectors, &options, &out, &err), QV_INVALID,
              "refine_factor is 5, but no_refine is set too");
    options.refine_factor = 0;
    options.approx_mode = (qv_approx_mode) 9;
    QVT_FAILS(qv_table_search(f->table, &vectors, &options, &out, &err), QV_INVALID, "approx_mode 9");
    options.approx_mode = QV_APPROX_NORMAL;
    const char *columns[] = { "id", "nope" }, *twice[] = { "id", "id" };
    options.columns = columns;
    options.n_columns = 2;
    QVT_FAILS(qv_table_search(f->table, &vectors, &options, &out, &err), QV_NOT_FOUND, "nope");
    options.columns = twice;
    QVT_FAILS(qv_table_search(f->table, &vectors, &options, &out, &err), QV_INVALID, "id");
    assert_null(out.release);
}

static void making_indices(void **state)
{
    static const struct {
        qv_index_options options; /* but for struct_size */
        const char *text;
    } wrong[] = {
        { { .kind = QV_INDEX_NGRAM, .hnsw_m = 16 }, "hnsw_m is 16, but the index is not of a kind for vectors" },
        { { .kind = QV_INDEX_JSON, .num_bits = 8 }, "num_bits is 8, but the index is not of a kind for vectors" },
        { { .kind = QV_INDEX_BTREE, .num_partitions = 4 }, "num_partitions is 4, but the index is not" },
        { { .kind = QV_INDEX_BTREE, .metric = QV_METRIC_DOT }, "metric is 3, but the index is not" },
        { { .kind = QV_INDEX_VECTOR, .metric = (qv_metric) 42 }, "metric 42 is not known" },
        { { .kind = (qv_index_kind) 77 }, "77 is no kind of index" },
        { { .kind = QV_INDEX_OTHER }, "999 is no kind of index" },
    };
    fixture *f = *state;
    qv_error err;

    for (size_t i = 0; i < QV_COUNT_OF(wrong); i++) {
        qv_index_options options = wrong[i].options;
        options.struct_size = sizeof options;
        options.job.struct_size = sizeof options.job;
        QVT_FAILS(qv_table_create_index(f->table, "id", &options, &err), QV_INVALID, wrong[i].text);
    }
    QVT_FAILS(qv_table_create_index(f->table, NULL, NULL, &err), QV_INVALID, "an index needs a column");
    QVT_FAILS(qv_table_create_index(f->table, "nope", NULL, &err), QV_NOT_FOUND, "nope");
}

/* A caller that was compiled before vectors could be indexed: what it does not know of is not read. */
static void old_index_options(void **state)
{
    fixture *f = *state;
    qv_index_options options = QV_INDEX_OPTIONS_INIT;
    qv_error err;

    options.struct_size = offsetof(qv_index_options, metric);
    memset((char *) &options + options.struct_size, 0xee, sizeof options - options.struct_size);
    options.kind = QV_INDEX_BTREE;
    QVT_FAILS(qv_table_create_index(f->table, "nope", &options, &err), QV_NOT_FOUND, "nope");
    options.struct_size = 3;
    QVT_FAILS(qv_table_create_index(f->table, "id", &options, &err), QV_INVALID, "struct_size is 3");
}

static void scanning(void **state)
{
    fixture *f = *state;
    const char *columns[] = { "nope" };
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    struct ArrowArrayStream out = { 0 };
    uint64_t row = 3;
    qv_error err;

    options.columns = columns;
    options.n_columns = 1;
    QVT_FAILS(qv_table_scan(f->table, &options, &out, &err), QV_NOT_FOUND, "nope");
    QVT_FAILS(qv_table_take(f->table, QV_TAKE_OFFSETS, &row, 1, false, &options, &out, &err), QV_NOT_FOUND, "nope");
    options.columns = NULL;
    QVT_FAILS(qv_table_scan(f->table, &options, &out, &err), QV_INVALID, "NULL");
    options.n_columns = 0;
    QVT_FAILS(qv_table_take(f->table, (qv_take_by) 9, &row, 1, false, &options, &out, &err), QV_INVALID, "9");
    QVT_FAILS(qv_table_take(f->table, QV_TAKE_OFFSETS, NULL, 1, false, &options, &out, &err), QV_INVALID, "NULL");
    assert_null(out.release);
}

static void read_only_handles(void **state)
{
    fixture *f = *state;
    qv_db_options options = QV_DB_OPTIONS_INIT;
    struct ArrowArrayStream stream;
    qv_db *db = NULL;
    qv_table *table = NULL, *made = NULL;
    qv_error err;

    options.read_only = true;
    QVT_OK(qv_db_open(f->uri, &options, &db, &err));
    QVT_OK(qv_db_open_table(db, "t", 0, &table, &err));
    QVT_OK(qvt_rows_export(&f->rows, 16, &stream, &err));
    QVT_FAILS(qv_table_write(table, QV_APPEND, &stream, NULL, NULL, &err), QV_READ_ONLY, "read-only");
    assert_null(stream.release);
    QVT_FAILS(qv_db_drop_table(db, "t", &err), QV_READ_ONLY, "read-only");
    QVT_OK(qvt_rows_export(&f->rows, 16, &stream, &err));
    QVT_FAILS(qv_db_create_table(db, "u", QV_CREATE, &stream, NULL, NULL, &made, &err), QV_READ_ONLY, "read-only");
    qv_table_close(table);
    QVT_OK(qv_db_open_table(f->db, "t", 1, &table, &err));
    QVT_OK(qvt_rows_export(&f->rows, 16, &stream, &err));
    QVT_FAILS(qv_table_write(table, QV_APPEND, &stream, NULL, NULL, &err), QV_READ_ONLY, "checked out");
    assert_null(stream.release);
    qv_table_close(table);
    qv_db_close(db);
}

static void cancelled_and_timed_out(void **state)
{
    fixture *f = *state;
    qv_write_options options = QV_WRITE_OPTIONS_INIT;
    struct ArrowArrayStream stream;
    qv_cancel *cancel = NULL;
    qv_error err;

    QVT_OK(qv_cancel_new(&cancel, &err));
    qv_cancel_raise(cancel);
    options.job.cancel = cancel;
    QVT_OK(qvt_rows_export(&f->rows, 16, &stream, &err));
    QVT_FAILS(qv_table_write(f->table, QV_APPEND, &stream, &options, NULL, &err), QV_CANCELLED, "cancelled");
    assert_null(stream.release);
    qv_cancel_free(cancel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(databases, set_up, tear_down),
        cmocka_unit_test_setup_teardown(table_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(creating, set_up, tear_down),
        cmocka_unit_test_setup_teardown(column_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(searching, set_up, tear_down),
        cmocka_unit_test_setup_teardown(making_indices, set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_index_options, set_up, tear_down),
        cmocka_unit_test_setup_teardown(scanning, set_up, tear_down),
        cmocka_unit_test_setup_teardown(read_only_handles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cancelled_and_timed_out, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
