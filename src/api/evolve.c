/* Changing columns: add, alter, drop. */
#include <string.h>

#include "api/api_private.h"
#include "arrow/c_data.h"
#include "change/change.h"

/* The handle sees the new version (taken). */
static void publish(qv_table *table, qv__snapshot *made, uint64_t *version)
{
    if (version)
        *version = qv__snapshot_version(made);
    qv__table_publish(table, made);
}

/* ------------------------------------------------------------------ adding */

qv_status qv_table_add_columns(qv_table *table, const qv_assignment *columns, size_t n, const qv_job *job,
                               uint64_t *version, qv_error *err)
{
    qv__snapshot *base = NULL, *made;
    qv_status st = QV_OK;

    QV_CHECK(qv__table_check_writable(table, err));
    QV_CHECK(qv__table_newest(table, &base, err));
    QV_CHECK(qv__add_columns(table->store, base, columns, n, job, &made, err));
    publish(table, made, version);
done:
    qv__snapshot_unref(base);
    return st;
}

qv_status qv_table_add_null_columns(qv_table *table, const struct ArrowSchema *schema, uint64_t *version, qv_error *err)
{
    qv__snapshot *base = NULL, *made;
    qv__schema *columns = NULL;
    qv_status st = QV_OK;

    QV_CHECK(qv__table_check_writable(table, err));
    if (!schema)
        QV_CHECK(qv__fail(err, QV_INVALID, "no schema of columns to add to table \"%s\"", table->name));
    QV_CHECK(qv__import_schema(schema, &columns, err));
    QV_CHECK(qv__table_newest(table, &base, err));
    QV_CHECK(qv__add_null_columns(table->store, base, columns, NULL, &made, err));
    publish(table, made, version);
done:
    qv__schema_unref(columns);
    qv__snapshot_unref(base);
    return st;
}

typedef struct maker { /* the caller's function, and what it gives */
    qv_column_fn fn;
    void *user;
    const qv__schema *schema;
} maker;

/* The input stays ours: whatever the function did with it, it is released here. */
static qv_status call_maker(void *ctx, const qv__array *batch, qv__array **out, qv_error *err)
{
    const maker *m = ctx;
    struct ArrowSchema schema = { 0 };
    struct ArrowArray input = { 0 }, output = { 0 };
    qv__schema *columns = NULL;
    qv_status st = QV_OK;

    QV_CHECK(qv__schema_new(batch->type->children, batch->type->n_children, NULL, &columns, err));
    QV_CHECK(qv__export_schema(columns, &schema, err));
    QV_CHECK(qv__export_array(batch, &input, err));
    st = m->fn(m->user, &input, &schema, &output, err);
    if (st != QV_OK)
        goto done;
    if (!output.release)
        QV_CHECK(qv__fail(err, QV_INVALID, "the function that computes columns gave no array"));
    QV_CHECK(qv__import_array(&output, NULL, m->schema->type, out, err));
done:
    if (output.release)
        output.release(&output);
    if (input.release)
        input.release(&input);
    if (schema.release)
        schema.release(&schema);
    qv__schema_unref(columns);
    return st;
}

qv_status qv_table_add_computed_columns(qv_table *table, const struct ArrowSchema *schema, const char *const *columns,
                                        size_t n_columns, uint32_t batch_rows, qv_column_fn fn, void *user,
                                        const qv_job *job, uint64_t *version, qv_error *err)
{
    qv__snapshot *base = NULL, *made;
    qv__schema *wanted = NULL;
    qv_status st = QV_OK;

    QV_CHECK(qv__table_check_writable(table, err));
    if (!schema || !fn)
        QV_CHECK(qv__fail(err, QV_INVALID, "computed columns need a schema and a function"));
    QV_CHECK(qv__import_schema(schema, &wanted, err));
    QV_CHECK(qv__table_newest(table, &base, err));
    maker m = { fn, user, wanted };
    QV_CHECK(qv__add_made_columns(table->store, base, wanted, columns, n_columns, batch_rows, call_maker, &m, job,
                                  &made, err));
    publish(table, made, version);
done:
    qv__schema_unref(wanted);
    qv__snapshot_unref(base);
    return st;
}

/* ------------------------------------------------------------------ altering and dropping */

/* Types come as Arrow schemas; `fields` keeps what was read of them. */
static qv_status read_changes(const qv_column_change *changes, size_t n, qv__column_change *out, qv__field *fields,
                              qv_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (changes[i].nullable < -1 || changes[i].nullable > 1)
            return qv__fail(err, QV_INVALID, "nullable is %d; it is 1, 0, or -1 to keep it", changes[i].nullable);
        if (changes[i].type)
            QV_TRY(qv__import_type(changes[i].type, &fields[i], err));
        out[i] = (qv__column_change){ changes[i].path, changes[i].rename, fields[i].type, changes[i].nullable };
    }
    return QV_OK;
}

qv_status qv_table_alter_columns(qv_table *table, const qv_column_change *changes, size_t n, const qv_job *job,
                                 uint64_t *version, qv_error *err)
{
    qv__snapshot *base = NULL, *made;
    qv__column_change *own = NULL;
    qv__field *fields = NULL;
    qv_status st = QV_OK;

    QV_CHECK(qv__table_check_writable(table, err));
    QV_CHECK(QV_NEW(&own, QV_MAX(n, 1), err));
    QV_CHECK(QV_NEW(&fields, QV_MAX(n, 1), err));
    QV_CHECK(read_changes(changes, n, own, fields, err));
    QV_CHECK(qv__table_newest(table, &base, err));
    QV_CHECK(qv__alter_columns(table->store, base, own, n, job, &made, err));
    publish(table, made, version);
done:
    for (size_t i = 0; fields && i < n; i++)
        qv__field_clear(&fields[i]);
    qv__free(fields);
    qv__free(own);
    qv__snapshot_unref(base);
    return st;
}

qv_status qv_table_drop_columns(qv_table *table, const char *const *columns, size_t n, uint64_t *version, qv_error *err)
{
    qv__snapshot *base = NULL, *made;
    qv_status st = QV_OK;

    QV_CHECK(qv__table_check_writable(table, err));
    QV_CHECK(qv__table_newest(table, &base, err));
    QV_CHECK(qv__drop_columns(table->store, base, columns, n, &made, err));
    publish(table, made, version);
done:
    qv__snapshot_unref(base);
    return st;
}
