#include "qvt_table.h"

#include "arrow/builder.h"
#include "base/alloc.h"

enum { N_COLUMNS = 4, DIM = 4 };

static qv_status make_schema(qv__schema **out, qv_error *err)
{
    static const char *const names[N_COLUMNS] = { "id", "s", "v", "j" };
    qv_status st = QV_OK;
    qv__type *types[N_COLUMNS] = { NULL }, *item = NULL;
    qv__field fields[N_COLUMNS] = { 0 }, element = { 0 };

    QV_CHECK(qv__type_new(QV_TYPE_INT64, &types[0], err));
    QV_CHECK(qv__type_new(QV_TYPE_UTF8, &types[1], err));
    QV_CHECK(qv__type_new(QV_TYPE_FLOAT32, &item, err));
    QV_CHECK(qv__field_init(&element, "item", item, true, err));
    QV_CHECK(qv__type_new_list(QV_TYPE_FIXED_LIST, &element, DIM, &types[2], err));
    types[3] = qv__type_ref(types[1]);
    for (size_t i = 0; i < N_COLUMNS; i++) {
        QV_CHECK(qv__field_init(&fields[i], names[i], types[i], i != 0, err));
        fields[i].id = -1;
    }
    QV_CHECK(qv__metadata_set(&fields[3].metadata, "ARROW:extension:name", "arrow.json", 10, err));
    QV_CHECK(qv__schema_new(fields, N_COLUMNS, NULL, out, err));
done:
    for (size_t i = 0; i < N_COLUMNS; i++) {
        qv__field_clear(&fields[i]);
        qv__type_unref(types[i]);
    }
    qv__field_clear(&element);
    qv__type_unref(item);
    return st;
}

qv__schema *qvt_table_schema(void)
{
    qv__schema *schema;
    qv_error err;

    QVT_OK(make_schema(&schema, &err));
    return schema;
}

static int text_of(int64_t id, char *out) { return sprintf(out, "row %lld", (long long) id); }
static int json_of(int64_t id, char *out)
{
    return sprintf(out, "{\"id\":%lld,\"odd\":%s}", (long long) id, id % 2 ? "true" : "false");
}
static float item_of(int64_t id, int k) { return (float) (id % 100000) + 0.25f * (float) k; }

static qv_status append_row(qv__builder **builders, size_t n_columns, int64_t id, qv_error *err)
{
    char text[64];

    QV_TRY(qv__builder_append_fixed(builders[0], &id, err));
    if (n_columns > 1 && id % 5 == 0)
        QV_TRY(qv__builder_append_null(builders[1], err));
    else if (n_columns > 1)
        QV_TRY(qv__builder_append_bytes(builders[1], text, (size_t) text_of(id, text), err));
    for (int k = 0; n_columns > 2 && k < DIM; k++) {
        float item = item_of(id, k);
        QV_TRY(qv__builder_append_fixed(qv__builder_child(builders[2], 0), &item, err));
    }
    if (n_columns > 2)
        QV_TRY(qv__builder_append_nested(builders[2], err));
    if (n_columns > 3)
        QV_TRY(qv__builder_append_bytes(builders[3], text, (size_t) json_of(id, text), err));
    return QV_OK;
}

static qv_status make_batch(const qv__schema *schema, int64_t first, int64_t n, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__builder *builders[N_COLUMNS] = { NULL };
    qv__array *columns[N_COLUMNS] = { NULL };

    for (size_t i = 0; i < schema->n_fields; i++)
        QV_CHECK(qv__builder_new(schema->fields[i].type, &builders[i], err));
    for (int64_t i = 0; i < n; i++)
        QV_CHECK(append_row(builders, schema->n_fields, first + i, err));
    for (size_t i = 0; i < schema->n_fields; i++)
        QV_CHECK(qv__builder_finish(builders[i], &columns[i], err));
    QV_CHECK(qv__batch_new(schema, columns, n, out, err));
done:
    for (size_t i = 0; i < N_COLUMNS; i++) {
        qv__builder_free(builders[i]);
        qv__array_unref(columns[i]);
    }
    return st;
}

qv_status qvt_table_stream(int64_t first, int64_t n, int64_t batch, size_t n_columns, qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n_batches = (size_t) ((n + batch - 1) / batch);
    qv__schema *whole = NULL, *schema = NULL;
    qv__array **batches = NULL;

    QV_CHECK(make_schema(&whole, err));
    QV_CHECK(qv__schema_new(whole->fields, n_columns ? n_columns : N_COLUMNS, NULL, &schema, err));
    QV_CHECK(QV_NEW(&batches, n_batches, err));
    for (size_t i = 0; i < n_batches; i++) {
        int64_t at = (int64_t) i * batch;
        QV_CHECK(make_batch(schema, first + at, QV_MIN(batch, n - at), &batches[i], err));
    }
    QV_CHECK(qv__stream_of(schema, batches, n_batches, out, err));
done:
    for (size_t i = 0; batches && i < n_batches; i++)
        qv__array_unref(batches[i]);
    qv__free(batches);
    qv__schema_unref(schema);
    qv__schema_unref(whole);
    return st;
}

qv_status qvt_table_write(qv__store *store, qv__snapshot *base, const qv__write *options, int64_t first, int64_t n,
                          qv__snapshot **out, qv_error *err)
{
    qv__write write = options ? *options : (qv__write){ 0 };
    qv__stream *stream;

    write.create = base == NULL;
    QV_TRY(qvt_table_stream(first, n, 1000, 0, &stream, err));
    qv_status st = qv__table_write(store, base, stream, &write, NULL, out, err);
    qv__stream_free(stream);
    return st;
}

/* ------------------------------------------------------------------ reading */

static void check_text(const qv__array *array, int64_t i, const char *wanted, int wanted_len)
{
    size_t len;
    const uint8_t *text = qv__array_string(array, i, &len);

    assert_int_equal(len, wanted_len);
    assert_memory_equal(text, wanted, len);
}

static int64_t check_row(qv__array *const *columns, int64_t i)
{
    int64_t id = ((const int64_t *) qv__array_values(columns[0]))[i];
    char text[64];

    assert_false(qv__array_is_null(columns[0], i));
    if (id % 5 == 0)
        assert_true(qv__array_is_null(columns[1], i));
    else
        check_text(columns[1], i, text, text_of(id, text));
    int64_t start, end;
    qv__array_list_range(columns[2], i, &start, &end);
    assert_int_equal(end - start, DIM);
    for (int k = 0; k < DIM; k++)
        assert_true(((const float *) qv__array_values(columns[2]->children[0]))[start + k] == item_of(id, k));
    check_text(columns[3], i, text, json_of(id, text));
    return id;
}

static void read_fragment(qv__snapshot *snapshot, size_t fragment, int64_t *ids, size_t *n)
{
    const qv__schema *schema = qv__snapshot_schema(snapshot);
    uint64_t rows = qv__snapshot_fragment(snapshot, fragment)->physical_rows;
    qv__array *columns[N_COLUMNS];
    const uint32_t *offsets;
    const uint8_t *live;
    size_t n_deleted;
    qv_error err;

    QVT_OK(qv__snapshot_deletions(snapshot, fragment, &offsets, &n_deleted, &live, &err));
    for (size_t i = 0; i < N_COLUMNS; i++) {
        qv__fragment_column *column;
        QVT_OK(qv__fragment_column_open(snapshot, fragment, &schema->fields[i], &column, &err));
        QVT_OK(qv__fragment_column_read(column, 0, rows, &columns[i], &err));
        qv__fragment_column_free(column);
    }
    for (uint64_t row = 0; row < rows; row++)
        if (!live || qv__bit_get(live, row))
            ids[(*n)++] = check_row(columns, (int64_t) row);
    for (size_t i = 0; i < N_COLUMNS; i++)
        qv__array_unref(columns[i]);
}

void qvt_table_read(qv__snapshot *snapshot, int64_t **ids, size_t *n)
{
    uint64_t rows;
    qv_error err;

    assert_int_equal(qv__snapshot_schema(snapshot)->n_fields, N_COLUMNS);
    QVT_OK(qv__snapshot_count_rows(snapshot, &rows, &err));
    *ids = qv__alloc(rows + 1, sizeof **ids);
    *n = 0;
    for (size_t i = 0; i < qv__snapshot_n_fragments(snapshot); i++)
        read_fragment(snapshot, i, *ids, n);
    assert_int_equal(*n, rows);
}

void qvt_table_expect(qv__snapshot *snapshot, int64_t first, int64_t n)
{
    int64_t *ids;
    size_t found;

    qvt_table_read(snapshot, &ids, &found);
    assert_int_equal(found, n);
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(ids[i], first + i);
    qv__free(ids);
}
