#include "qvt_rows.h"

#include <errno.h>

#include "arrow/builder.h"
#include "arrow/c_data.h"

void qvt_rows_add(qvt_rows *rows, qvt_row row)
{
    if (rows->n == rows->capacity) {
        rows->capacity = rows->capacity ? rows->capacity * 2 : 64;
        rows->rows = realloc(rows->rows, rows->capacity * sizeof *rows->rows);
        assert_non_null(rows->rows);
    }
    rows->rows[rows->n++] = row;
}

void qvt_rows_append(qvt_rows *rows, const qvt_rows *more)
{
    for (size_t i = 0; i < more->n; i++)
        qvt_rows_add(rows, more->rows[i]);
}

void qvt_rows_copy(qvt_rows *to, const qvt_rows *from)
{
    *to = (qvt_rows){ 0 };
    qvt_rows_append(to, from);
}

void qvt_rows_free(qvt_rows *rows)
{
    free(rows->rows);
    *rows = (qvt_rows){ 0 };
}

static bool row_equal(const qvt_row *a, const qvt_row *b)
{
    return a->id == b->id && a->has_name == b->has_name && a->has_vector == b->has_vector &&
           (!a->has_name || strcmp(a->name, b->name) == 0) &&
           (!a->has_vector || memcmp(a->vector, b->vector, sizeof a->vector) == 0);
}

bool qvt_rows_equal(const qvt_rows *a, const qvt_rows *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!row_equal(&a->rows[i], &b->rows[i]))
            return false;
    return true;
}

void qvt_rows_random(qvt_rng *rng, size_t n, int64_t *next_id, qvt_rows *out)
{
    for (size_t i = 0; i < n; i++) {
        qvt_row row = { .id = (*next_id)++,
                        .has_name = qvt_rng_below(rng, 5) != 0,
                        .has_vector = qvt_rng_below(rng, 7) != 0 };
        snprintf(row.name, sizeof row.name, "%.*s%llu", (int) qvt_rng_below(rng, 9), "nameless",
                 (unsigned long long) qvt_rng_below(rng, 50));
        for (size_t d = 0; d < QVT_DIM; d++) /* small whole numbers: ties happen, distances are exact */
            row.vector[d] = (float) qvt_rng_below(rng, 8);
        qvt_rows_add(out, row);
    }
}

/* ---------------------------------------------------------------- into Arrow */

static qv_status make_schema(qv__schema **out, qv_error *err)
{
    qv__field fields[3] = { 0 }, item = { 0 };
    qv__type *type = NULL;
    qv_status st = QV_OK;

    QV_CHECK(qv__type_new(QV_TYPE_INT64, &type, err));
    QV_CHECK(qv__field_init(&fields[0], "id", type, false, err));
    qv__type_unref(type);
    type = NULL;
    QV_CHECK(qv__type_new(QV_TYPE_UTF8, &type, err));
    QV_CHECK(qv__field_init(&fields[1], "name", type, true, err));
    qv__type_unref(type);
    type = NULL;
    QV_CHECK(qv__type_new(QV_TYPE_FLOAT32, &type, err));
    QV_CHECK(qv__field_init(&item, "item", type, true, err));
    qv__type_unref(type);
    type = NULL;
    QV_CHECK(qv__type_new_list(QV_TYPE_FIXED_LIST, &item, QVT_DIM, &type, err));
    QV_CHECK(qv__field_init(&fields[2], "vector", type, true, err));
    QV_CHECK(qv__schema_new(fields, 3, NULL, out, err));
done:
    for (size_t i = 0; i < 3; i++)
        qv__field_clear(&fields[i]);
    qv__field_clear(&item);
    qv__type_unref(type);
    return st;
}

static qv_status add_row(qv__builder *builder, const qvt_row *row, qv_error *err)
{
    qv__builder *vector = qv__builder_child(builder, 2), *name = qv__builder_child(builder, 1);

    QV_TRY(qv__builder_append_fixed(qv__builder_child(builder, 0), &row->id, err));
    if (row->has_name)
        QV_TRY(qv__builder_append_bytes(name, row->name, strlen(row->name), err));
    else
        QV_TRY(qv__builder_append_null(name, err));
    if (row->has_vector) {
        QV_TRY(qv__builder_append_fixed_n(qv__builder_child(vector, 0), row->vector, QVT_DIM, err));
        QV_TRY(qv__builder_append_nested(vector, err));
    } else {
        QV_TRY(qv__builder_append_null(vector, err));
    }
    return qv__builder_append_nested(builder, err);
}

qv_status qvt_rows_export(const qvt_rows *rows, size_t batch_rows, struct ArrowArrayStream *out, qv_error *err)
{
    qv__schema *schema = NULL;
    qv__type *type = NULL;
    qv__builder *builder = NULL;
    qv__array **batches = calloc(rows->n / batch_rows + 2, sizeof *batches);
    qv__stream *stream = NULL;
    size_t n = 0;
    qv_status st = QV_OK;

    assert_non_null(batches);
    QV_CHECK(make_schema(&schema, err));
    QV_CHECK(qv__schema_to_struct(schema, &type, err));
    QV_CHECK(qv__builder_new(type, &builder, err));
    for (size_t i = 0; i < rows->n; i++) {
        QV_CHECK(add_row(builder, &rows->rows[i], err));
        if ((i + 1) % batch_rows == 0 || i + 1 == rows->n) {
            QV_CHECK(qv__builder_finish(builder, &batches[n], err));
            n++;
        }
    }
    QV_CHECK(qv__stream_of(schema, batches, n, &stream, err));
    QV_CHECK(qv__export_stream(stream, out, err));
done:
    for (size_t i = 0; i < n; i++)
        qv__array_unref(batches[i]);
    free(batches);
    qv__builder_free(builder);
    qv__type_unref(type);
    qv__schema_unref(schema);
    return st;
}

/* ---------------------------------------------------------------- out of Arrow */

static void read_row(const qv__schema *schema, const qv__array *batch, int64_t i, qvt_row *row)
{
    ptrdiff_t id = qv__schema_find(schema, "id"), name = qv__schema_find(schema, "name"),
              vector = qv__schema_find(schema, "vector");
    int64_t at = batch->offset + i;
    size_t len = 0;

    *row = (qvt_row){ 0 };
    row->id = ((const int64_t *) qv__array_values(batch->children[id]))[at];
    row->has_name = !qv__array_is_null(batch->children[name], at);
    if (row->has_name) {
        const uint8_t *text = qv__array_string(batch->children[name], at, &len);
        memcpy(row->name, text, QV_MIN(len, sizeof row->name - 1));
    }
    const qv__array *list = batch->children[vector];
    row->has_vector = !qv__array_is_null(list, at);
    if (row->has_vector) {
        int64_t start, end;
        qv__array_list_range(list, at, &start, &end);
        memcpy(row->vector, (const float *) qv__array_values(list->children[0]) + start, sizeof row->vector);
    }
}

qv_status qvt_rows_read(struct ArrowArrayStream *stream, qvt_rows *out, qv_error *err)
{
    qv__stream *source = NULL;
    qv__array *batch = NULL;
    qv_status st = QV_OK;

    QV_TRY(qv__import_stream(stream, &source, err));
    for (;;) {
        QV_CHECK(source->next(source, &batch, err));
        if (!batch)
            break;
        for (int64_t i = 0; i < batch->length; i++) {
            qvt_row row;
            read_row(source->schema, batch, i, &row);
            qvt_rows_add(out, row);
        }
        qv__array_unref(batch);
        batch = NULL;
    }
done:
    qv__stream_free(source);
    return st;
}

qv_status qvt_rows_scan(qv_table *table, qvt_rows *out, qv_error *err)
{
    struct ArrowArrayStream stream;

    QV_TRY(qv_table_scan(table, NULL, &stream, err));
    return qvt_rows_read(&stream, out, err);
}

/* ---------------------------------------------------------------- whole tables */

qv_status qvt_table_append(const char *uri, const qvt_rows *rows, qv_error *err)
{
    struct ArrowArrayStream stream = { 0 };
    qv_db *db = NULL;
    qv_table *table = NULL;
    qv_status st = QV_OK;

    QV_CHECK(qv_db_open(uri, NULL, &db, err));
    st = qv_db_open_table(db, "t", 0, &table, err);
    if (st != QV_OK && st != QV_NOT_FOUND)
        goto done;
    QV_CHECK(qvt_rows_export(rows, 64, &stream, err));
    if (table)
        QV_CHECK(qv_table_write(table, QV_APPEND, &stream, NULL, NULL, err));
    else
        QV_CHECK(qv_db_create_table(db, "t", QV_CREATE, &stream, NULL, NULL, &table, err));
done:
    qv_table_close(table);
    qv_db_close(db);
    return st;
}

bool qvt_table_is_new(const char *uri, const qvt_rows *old_rows, const qvt_rows *new_rows)
{
    qvt_rows found = { 0 };
    qv_db *db = NULL;
    qv_table *table = NULL;
    qv_error err;

    QVT_OK(qv_db_open(uri, NULL, &db, &err));
    qv_status st = qv_db_open_table(db, "t", 0, &table, &err);
    if (st == QV_NOT_FOUND) {
        if (old_rows)
            fail_msg("the table has vanished: %s", err.message);
        qv_db_close(db);
        return false;
    }
    QVT_OK(st);
    QVT_OK(qv_table_verify(table, NULL, NULL, NULL, NULL, &err));
    QVT_OK(qvt_rows_scan(table, &found, &err));
    bool is_old = old_rows && qvt_rows_equal(&found, old_rows), is_new = qvt_rows_equal(&found, new_rows);
    if (!is_old && !is_new)
        fail_msg("%zu rows: neither the old (%zu) nor the new (%zu) version", found.n, old_rows ? old_rows->n : 0,
                 new_rows->n);
    qvt_rows_free(&found);
    qv_table_close(table);
    qv_db_close(db);
    return is_new;
}
