#include "qvt_sql.h"

#include "arrow/builder.h"
#include "arrow/c_data.h"

static qv_error err;

qv_db *qvt_sql_db(void)
{
    qv_db *db;

    QVT_OK(qv_db_open("memory://", NULL, &db, &err));
    return db;
}

/* ---------------------------------------------------------------- rows in */

static qv_status make_numbers(int64_t n, qv__stream **out)
{
    qv_status st = QV_OK;
    qv__type *type = NULL;
    qv__field field = { 0 };
    qv__schema *schema = NULL;
    qv__builder *builder = NULL;
    qv__array *ids = NULL, *batch = NULL;

    QV_CHECK(qv__type_new(QV_TYPE_INT64, &type, &err));
    QV_CHECK(qv__field_init(&field, "id", type, false, &err));
    field.id = -1;
    QV_CHECK(qv__schema_new(&field, 1, NULL, &schema, &err));
    QV_CHECK(qv__builder_new(type, &builder, &err));
    for (int64_t i = 0; i < n; i++)
        QV_CHECK(qv__builder_append_fixed(builder, &i, &err));
    QV_CHECK(qv__builder_finish(builder, &ids, &err));
    QV_CHECK(qv__batch_new(schema, &ids, n, &batch, &err));
    QV_CHECK(qv__stream_of(schema, &batch, 1, out, &err));
done:
    qv__array_unref(ids);
    qv__array_unref(batch);
    qv__builder_free(builder);
    qv__schema_unref(schema);
    qv__field_clear(&field);
    qv__type_unref(type);
    return st;
}

qv_table *qvt_sql_numbers(qv_db *db, int64_t n)
{
    struct ArrowArrayStream stream;
    qv__stream *rows;
    qv_table *table;

    QVT_OK(make_numbers(n, &rows));
    QVT_OK(qv__export_stream(rows, &stream, &err));
    QVT_OK(qv_db_create_table(db, "numbers", QV_CREATE_OR_REPLACE, &stream, NULL, NULL, &table, &err));
    return table;
}

struct ArrowArrayStream qvt_sql_rows(qv_table *table, const qvt_column *columns, const char *where)
{
    const char *names[16], *expressions[16];
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    struct ArrowArrayStream stream;

    for (size_t n = 0; columns[n].name; n++) {
        names[n] = columns[n].name;
        expressions[n] = columns[n].sql;
        options.n_columns = n + 1;
    }
    options.columns = names;
    options.expressions = expressions;
    options.where = where;
    QVT_OK(qv_table_scan(table, &options, &stream, &err));
    return stream;
}

qv_table *qvt_sql_table(qv_db *db, const char *name, qv_table *from, const qvt_column *columns, const char *where,
                        uint64_t rows_per_file, bool stable)
{
    qv_write_options options = QV_WRITE_OPTIONS_INIT;
    struct ArrowArrayStream stream = qvt_sql_rows(from, columns, where);
    qv_table *table;

    options.max_rows_per_file = rows_per_file;
    options.stable_row_ids = stable;
    QVT_OK(qv_db_create_table(db, name, QV_CREATE_OR_REPLACE, &stream, NULL, &options, &table, &err));
    return table;
}

/* ---------------------------------------------------------------- answers out */

static size_t print_values(const qv__array *values, char *out, size_t at, size_t len)
{
    for (int64_t i = 0; i < values->length; i++) {
        const char *comma = at ? "," : "";
        long long value = ((const int64_t *) qv__array_values(values))[i];
        at += (size_t) (qv__array_is_null(values, i) ? snprintf(out + at, len - at, "%snull", comma)
                                                     : snprintf(out + at, len - at, "%s%lld", comma, value));
        assert_true(at < len);
    }
    return at;
}

const char *qvt_sql_values(qv_table *table, const char *expression, const char *where)
{
    static char text[1 << 16];
    char cast[1024];
    struct ArrowArrayStream stream;
    qv__stream *rows;
    qv__array *batch;
    size_t at = 0;

    snprintf(cast, sizeof cast, "CAST(%s AS BIGINT)", expression);
    stream = qvt_sql_rows(table, (const qvt_column[]){ { "value", cast }, { NULL, NULL } }, where);
    QVT_OK(qv__import_stream(&stream, &rows, &err));
    for (text[0] = 0;;) {
        QVT_OK(rows->next(rows, &batch, &err));
        if (!batch)
            break;
        at = print_values(batch->children[0], text, at, sizeof text);
        qv__array_unref(batch);
    }
    qv__stream_free(rows);
    return text;
}

uint64_t qvt_sql_count(qv_table *table, const char *where)
{
    uint64_t n;

    QVT_OK(qv_table_count_where(table, where, NULL, &n, &err));
    return n;
}

const char *qvt_sql_schema(qv_table *table)
{
    static char text[4096];
    struct ArrowSchema schema;
    qv__schema *own;
    size_t at = 0;

    QVT_OK(qv_table_schema(table, &schema, &err));
    QVT_OK(qv__import_schema(&schema, &own, &err));
    schema.release(&schema);
    for (size_t i = 0; i < own->n_fields; i++) {
        char type[256];
        at += (size_t) snprintf(text + at, sizeof text - at, "%s%s %s%s", i ? ", " : "", own->fields[i].name,
                                qv__type_print(own->fields[i].type, type, sizeof type),
                                own->fields[i].nullable ? "?" : "");
    }
    qv__schema_unref(own);
    return text;
}
