/* Adding, altering and dropping columns through the public door. */
#include "qvt_sql.h"

#include "arrow/c_data.h"

static qv_error err;

typedef struct world {
    qv_db *db;
    qv_table *numbers, *table;
} world;

static const qvt_column columns[] = { { "id", "id" },
                                      { "n", "nullif(CAST(id % 7 AS INT), CAST(99 AS INT))" },
                                      { "s", "CASE WHEN id % 5 = 0 THEN NULL ELSE concat('row ', id) END" },
                                      { "l", "[CAST(id AS REAL), CAST(2 AS REAL)]" },
                                      { "st", "named_struct('a', id, 'b', concat('b', id))" },
                                      { NULL, NULL } };

/* Ten rows in fragments of four, of which 1, 4 and 7 are deleted: version 2. */
static world make(void)
{
    world w = { .db = qvt_sql_db() };

    w.numbers = qvt_sql_numbers(w.db, 10);
    w.table = qvt_sql_table(w.db, "t", w.numbers, columns, NULL, 4, false);
    QVT_OK(qv_table_delete(w.table, "id % 3 = 1 AND id < 9", NULL, NULL, &err));
    assert_string_equal(qvt_sql_schema(w.table), "id int64, n int32?, s utf8?, l list<float32>?, "
                                                 "st struct<a: int64, b: utf8>?");
    return w;
}

static void drop(world *w)
{
    QVT_OK(qv_table_verify(w->table, NULL, NULL, NULL, NULL, &err));
    qv_table_close(w->table);
    qv_table_close(w->numbers);
    qv_db_close(w->db);
}

static uint64_t total_bytes(qv_table *table)
{
    char *json;
    unsigned long long bytes;

    QVT_OK(qv_table_stats(table, &json, &err));
    assert_int_equal(sscanf(json, "{\"total_bytes\":%llu", &bytes), 1);
    qv_string_free(json);
    return bytes;
}

/* ---------------------------------------------------------------- adding */

static void added_by_expression(void **state)
{
    static const qv_assignment two[] = { { "d", "id * 2" }, { "u", "upper(s)" } },
                               one[] = { { "k", "_rowaddr % 2 + d" } };
    static const qv_assignment same[] = { { "d", "1" } };
    uint64_t version;
    world w = make();

    QV_UNUSED(state);
    uint64_t before = total_bytes(w.table);
    QVT_OK(qv_table_add_columns(w.table, two, 2, NULL, &version, &err));
    assert_int_equal(version, 3);
    assert_string_equal(qvt_sql_values(w.table, "d", NULL), "0,4,6,10,12,16,18");
    assert_int_equal(qvt_sql_count(w.table, "u = concat('ROW ', id) OR s IS NULL"), 7);
    assert_true(total_bytes(w.table) - before < 3 * 2000); /* three small files, whatever the others hold */
    QVT_OK(qv_table_add_columns(w.table, one, 1, NULL, &version, &err));
    assert_string_equal(qvt_sql_values(w.table, "k", NULL), "0,4,7,11,12,16,19");
    QVT_OK(qv_table_delete(w.table, "k = 7", NULL, NULL, &err));
    QVT_OK(qv_table_add_columns(w.table, NULL, 0, NULL, &version, &err));
    assert_int_equal(version, 6);
    QVT_FAILS(qv_table_add_columns(w.table, same, 1, NULL, NULL, &err), QV_INVALID, "Column d already exists");
    QVT_OK(qv_table_checkout(w.table, 2, &err));
    assert_int_equal(qvt_sql_count(w.table, NULL), 7);
    drop(&w);
}

static void added_wrongly(void **state)
{
    static const struct {
        qv_assignment columns[2];
        size_t n;
        const char *message;
    } cases[] = {
        { { { "z", "nope" } }, 1, "nope" },
        { { { "z", "id / (id - 3)" } }, 1, "" },
        { { { "z", "id" }, { "z", "n" } }, 2, "z" },
        { { { "a.b", "id" } }, 1, "Top level field a.b cannot contain `.`" },
        { { { "", "id" } }, 1, "needs a name" },
        { { { "_rowid", "id" } }, 1, "reserved" },
        { { { "z", NULL } }, 1, "no expression" },
        { { { "z", "CAST(s AS INT)" } }, 1, "row 2" },
    };
    world w = make();

    QV_UNUSED(state);
    for (size_t i = 0; i < QV_COUNT_OF(cases); i++)
        QVT_FAILS(qv_table_add_columns(w.table, cases[i].columns, cases[i].n, NULL, NULL, &err), QV_INVALID,
                  cases[i].message);
    assert_int_equal(qv_table_version(w.table), 2);
    drop(&w);
}

/* A schema of one column of the type that an expression has. */
static void schema_of(qv_table *table, const char *name, const char *expression, bool nullable, struct ArrowSchema *out)
{
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    struct ArrowArrayStream stream;

    options.columns = &name;
    options.expressions = &expression;
    options.n_columns = 1;
    QVT_OK(qv_table_scan(table, &options, &stream, &err));
    assert_int_equal(stream.get_schema(&stream, out), 0);
    stream.release(&stream);
    out->children[0]->flags = nullable ? ARROW_FLAG_NULLABLE : 0;
}

static void added_nulls(void **state)
{
    static const qv_assignment fill[] = { { "x", "id" } };
    struct ArrowSchema schema;
    world w = make();

    QV_UNUSED(state);
    uint64_t before = total_bytes(w.table);
    schema_of(w.numbers, "x", "CAST(id AS INT)", true, &schema);
    QVT_OK(qv_table_add_null_columns(w.table, &schema, NULL, &err));
    assert_int_equal(total_bytes(w.table), before);
    assert_int_equal(qvt_sql_count(w.table, "x IS NULL"), 7);
    QVT_OK(qv_table_update(w.table, "id = 3", fill, 1, NULL, NULL, &err));
    assert_string_equal(qvt_sql_values(w.table, "x", NULL), "null,null,null,null,null,null,3");
    QVT_FAILS(qv_table_add_null_columns(w.table, &schema, NULL, &err), QV_INVALID, "Column x already exists");
    schema.children[0]->flags = 0;
    QVT_FAILS(qv_table_add_null_columns(w.table, &schema, NULL, &err), QV_INVALID,
              "All-null columns must be nullable, but field 'x' is not.");
    schema.release(&schema);
    drop(&w);
}

typedef struct making {
    qv_table *numbers;
    int calls, fail_at;
    bool short_batch;
} making;

/* The input's ids times ten, by hand. */
static qv_status times_ten(void *user, const struct ArrowArray *input, const struct ArrowSchema *schema,
                           struct ArrowArray *output, qv_error *e)
{
    making *m = user;
    const int64_t *ids = input->children[0]->buffers[1];
    struct ArrowArrayStream stream;
    char expression[600] = "CASE id";

    assert_string_equal(schema->children[0]->name, "id");
    if (m->calls++ == m->fail_at) {
        snprintf(e->message, sizeof e->message, "the maker gave up");
        return e->status = QV_INVALID;
    }
    for (int64_t i = 0; i < input->length; i++)
        snprintf(expression + strlen(expression), sizeof expression - strlen(expression), " WHEN %lld THEN %lld",
                 (long long) i, (long long) ids[input->children[0]->offset + i] * 10);
    strcat(expression, " END");
    char where[64];
    snprintf(where, sizeof where, "id < %lld", (long long) input->length - m->short_batch);
    stream = qvt_sql_rows(m->numbers, (const qvt_column[]){ { "t", expression }, { NULL, NULL } }, where);
    assert_int_equal(stream.get_next(&stream, output), 0);
    stream.release(&stream);
    return QV_OK;
}

static void added_by_function(void **state)
{
    static const char *const id[] = { "id" };
    struct ArrowSchema schema;
    world w = make();
    making m = { w.numbers, 0, -1, false };

    QV_UNUSED(state);
    schema_of(w.numbers, "t", "id", true, &schema);
    QVT_OK(qv_table_add_computed_columns(w.table, &schema, id, 1, 2, times_ten, &m, NULL, NULL, &err));
    assert_string_equal(qvt_sql_values(w.table, "t", NULL), "0,20,30,50,60,80,90");
    assert_int_equal(m.calls, 4); /* 3, 2 and 2 live rows in batches of two */
    schema.release(&schema);
    schema_of(w.numbers, "t2", "id", true, &schema);
    m = (making){ w.numbers, 0, 2, false };
    QVT_FAILS(qv_table_add_computed_columns(w.table, &schema, id, 1, 2, times_ten, &m, NULL, NULL, &err), QV_INVALID,
              "the maker gave up");
    m = (making){ w.numbers, 0, -1, true };
    QVT_FAILS(qv_table_add_computed_columns(w.table, &schema, id, 1, 4, times_ten, &m, NULL, NULL, &err), QV_INVALID,
              "computed columns: ");
    assert_int_equal(qv_table_version(w.table), 3);
    schema.release(&schema);
    drop(&w);
}

/* ---------------------------------------------------------------- altering */

static void alter(world *w, const char *path, const char *rename, const char *type_of, int nullable)
{
    qv_column_change change = { path, rename, NULL, nullable };
    struct ArrowSchema schema = { 0 };

    if (type_of) {
        schema_of(w->numbers, "x", type_of, true, &schema);
        change.type = schema.children[0];
    }
    qv_status st = qv_table_alter_columns(w->table, &change, 1, NULL, NULL, &err);
    if (schema.release)
        schema.release(&schema);
    if (st != QV_OK)
        fail_msg("alter %s: %s", path, err.message);
}

static void refuse(world *w, const char *path, const char *rename, const char *type_of, int nullable, const char *part)
{
    qv_column_change change = { path, rename, NULL, nullable };
    struct ArrowSchema schema = { 0 };

    if (type_of) {
        schema_of(w->numbers, "x", type_of, true, &schema);
        change.type = schema.children[0];
    }
    uint64_t version = qv_table_version(w->table);
    QVT_FAILS(qv_table_alter_columns(w->table, &change, 1, NULL, NULL, &err), QV_INVALID, part);
    assert_int_equal(qv_table_version(w->table), version);
    if (schema.release)
        schema.release(&schema);
}

static void altered(void **state)
{
    world w = make();

    QV_UNUSED(state);
    uint64_t before = total_bytes(w.table);
    alter(&w, "n", "m", NULL, -1);
    alter(&w, "st.a", "aa", NULL, -1);
    alter(&w, "id", NULL, NULL, 1);
    alter(&w, "id", NULL, NULL, 0);
    alter(&w, "m", "n", NULL, 0);
    assert_int_equal(total_bytes(w.table), before);
    assert_string_equal(qvt_sql_schema(w.table), "id int64, n int32, s utf8?, l list<float32>?, "
                                                 "st struct<aa: int64, b: utf8>?");
    alter(&w, "n", "small", "CAST(id AS SMALLINT)", 1);
    alter(&w, "st.aa", NULL, "CAST(id AS INT)", -1);
    alter(&w, "l", NULL, "arrow_cast([CAST(id AS REAL), CAST(id AS REAL)], 'FixedSizeList(2, Float32)')", -1);
    assert_string_equal(qvt_sql_schema(w.table), "id int64, small int16?, s utf8?, l fixed_size_list<float32>[2]?, "
                                                 "st struct<aa: int32, b: utf8>?");
    assert_string_equal(qvt_sql_values(w.table, "small", NULL), "0,2,3,5,6,1,2");
    assert_string_equal(qvt_sql_values(w.table, "st.aa", NULL), "0,2,3,5,6,8,9");
    assert_int_equal(qvt_sql_count(w.table, "st.b = concat('b', id)"), 7);
    float query[] = { 8, 2 };
    qv_vectors vectors = { query, QV_ELEMENT_F32, 2, 1 };
    qv_search_options search = QV_SEARCH_OPTIONS_INIT;
    struct ArrowArrayStream found;
    search.k = 1;
    QVT_OK(qv_table_search(w.table, &vectors, &search, &found, &err)); /* a vector column now */
    found.release(&found);
    const qv_assignment more[] = { { "small", "small + 1" } };
    QVT_OK(qv_table_update(w.table, "id = 9", more, 1, NULL, NULL, &err));
    assert_string_equal(qvt_sql_values(w.table, "small", "id = 9"), "3");
    QVT_OK(qv_table_checkout(w.table, 2, &err));
    assert_string_equal(qvt_sql_values(w.table, "n", NULL), "0,2,3,5,6,1,2");
    drop(&w);
}

static void altered_wrongly(void **state)
{
    world w = make();

    QV_UNUSED(state);
    refuse(&w, NULL, "x", NULL, -1, "Missing path");
    refuse(&w, "nope", "x", NULL, -1, "Column \"nope\" does not exist in the dataset");
    refuse(&w, "l.item", "x", NULL, -1, "does not exist");
    refuse(&w, "n", "id", NULL, -1, "Duplicate field name \"id\"");
    refuse(&w, "st.a", "b", NULL, -1, "Duplicate field name \"b\"");
    refuse(&w, "n", "a.b", NULL, -1, "cannot contain `.`");
    refuse(&w, "n", "", NULL, -1, "needs a name");
    refuse(&w, "n", "_rowid", NULL, -1, "reserved");
    refuse(&w, "s", NULL, NULL, 0, "contains NULL values and cannot be made non-nullable");
    refuse(&w, "st", NULL, "id", -1, "Cannot cast column \"st\"");
    refuse(&w, "s", NULL, "id", -1, "row 2");
    refuse(&w, "n", NULL, NULL, 7, "nullable is 7");
    refuse(&w, "l", NULL, "arrow_cast([CAST(id AS REAL)], 'FixedSizeList(1, Float32)')", -1, "column \"l\"");
    const qv_assignment big[] = { { "big", "id * 1000000000000" } };
    QVT_OK(qv_table_add_columns(w.table, big, 1, NULL, NULL, &err));
    refuse(&w, "big", NULL, "CAST(id AS INT)", -1, "2000000000000");
    const qv_column_change swap[] = { { "n", "s", NULL, -1 }, { "s", "n", NULL, -1 } };
    QVT_OK(qv_table_alter_columns(w.table, swap, 2, NULL, NULL, &err)); /* names are exchanged at once */
    assert_int_equal(qvt_sql_count(w.table, "n = concat('row ', id)"), 5);
    QVT_OK(qv_table_alter_columns(w.table, NULL, 0, NULL, NULL, &err));
    drop(&w);
}

/* ---------------------------------------------------------------- dropping */

static void dropped(void **state)
{
    static const char *const n[] = { "n", "n" }, *const inner[] = { "st.a" }, *const last_inner[] = { "st.b" },
                             *const rest[] = { "id", "s", "l" }, *const nope[] = { "nope" };
    uint64_t version;
    world w = make();
    qv_index_options index = QV_INDEX_OPTIONS_INIT;
    char *indices;

    QV_UNUSED(state);
    QVT_OK(qv_table_create_index(w.table, "n", &index, &err));
    QVT_FAILS(qv_table_drop_columns(w.table, nope, 1, NULL, &err), QV_INVALID,
              "Column nope does not exist in the dataset");
    QVT_OK(qv_table_drop_columns(w.table, n, 2, &version, &err));
    QVT_OK(qv_table_indices(w.table, &indices, &err));
    assert_string_equal(indices, "[]");
    qv_string_free(indices);
    QVT_OK(qv_table_drop_columns(w.table, inner, 1, &version, &err));
    assert_string_equal(qvt_sql_schema(w.table), "id int64, s utf8?, l list<float32>?, st struct<b: utf8>?");
    assert_int_equal(qvt_sql_count(w.table, "st.b = concat('b', id)"), 7);
    QVT_OK(qv_table_drop_columns(w.table, last_inner, 1, &version, &err));
    assert_string_equal(qvt_sql_schema(w.table), "id int64, s utf8?, l list<float32>?");
    QVT_FAILS(qv_table_drop_columns(w.table, rest, 3, NULL, &err), QV_INVALID, "Cannot drop all columns");
    QVT_OK(qv_table_drop_columns(w.table, NULL, 0, &version, &err));
    QVT_OK(qv_table_drop_columns(w.table, rest, 1, &version, &err));
    assert_int_equal(qvt_sql_count(w.table, "s IS NULL"), 2);
    const qv_assignment again[] = { { "n", "length(s)" } };
    QVT_OK(qv_table_add_columns(w.table, again, 1, NULL, NULL, &err)); /* not the old column of that name */
    assert_string_equal(qvt_sql_values(w.table, "n", NULL), "null,5,5,null,5,5,5");
    drop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(added_by_expression),
                                        cmocka_unit_test(added_wrongly),
                                        cmocka_unit_test(added_nulls),
                                        cmocka_unit_test(added_by_function),
                                        cmocka_unit_test(altered),
                                        cmocka_unit_test(altered_wrongly),
                                        cmocka_unit_test(dropped) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
