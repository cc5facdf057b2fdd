/* Rows in: from the caller's Arrow stream to one new version. */
#include <string.h>

#include "api/api_private.h"
#include "arrow/c_data.h"
#include "arrow/compute/conform.h"
#include "change/change.h"

/* Column names that a table could not give back. */
static qv_status check_columns(const qv__schema *schema, qv_error *err)
{
    if (schema->n_fields == 0)
        return qv__fail(err, QV_INVALID, "a table needs at least one column");
    for (size_t i = 0; i < schema->n_fields; i++) {
        const char *name = schema->fields[i].name;
        QV_TRY(qv__column_name_check(name, err));
        if (qv__schema_find(schema, name) != (ptrdiff_t) i)
            return qv__fail(err, QV_INVALID, "Duplicate column name: %s", name);
    }
    return QV_OK;
}

static qv_status profile_of(qv_compression compression, qv__file_profile *out, qv_error *err)
{
    switch (compression) {
    case QV_COMPRESSION_DEFAULT:
        *out = QV_FILE_DEFAULT;
        return QV_OK;
    case QV_COMPRESSION_NONE:
        *out = QV_FILE_PLAIN;
        return QV_OK;
    case QV_COMPRESSION_SMALL:
        *out = QV_FILE_SMALL;
        return QV_OK;
    }
    return qv__fail(err, QV_INVALID, "compression %d is not known", (int) compression);
}

static qv_status check_file_version(const char *version, qv_error *err)
{
    if (version && strcmp(version, "2.0") && strcmp(version, "2.1") && strcmp(version, "2.2"))
        return qv__fail(err, QV_INVALID, "Unknown Lance storage version: %s (known: 2.0, 2.1, 2.2)", version);
    return QV_OK;
}

/* The rows as a stream of our own; an empty one of `schema` when there is no data. */
static qv_status open_source(const qv__ingest *ingest, const qv__schema *wanted, qv__stream **out, qv_error *err)
{
    qv__stream *source = NULL;

    if (!ingest->data)
        return qv__stream_of(wanted, NULL, 0, out, err);
    QV_TRY(qv__import_stream(ingest->data, &source, err));
    if (!wanted) {
        *out = source;
        return QV_OK;
    }
    bool append = ingest->base && !ingest->overwrite;
    return qv__stream_conform(source, wanted, append ? QV_CAST_SQL : QV_CAST_SAFE, out, err);
}

/* The schema that the rows must have: the table's for appends, the caller's if given, else (NULL) the stream's own. */
static qv_status wanted_schema(const qv__ingest *ingest, qv__schema **out, qv_error *err)
{
    *out = NULL;
    if (ingest->base && !ingest->overwrite)
        *out = qv__schema_ref(qv__snapshot_schema(ingest->base));
    else if (ingest->schema)
        return qv__import_schema(ingest->schema, out, err);
    else if (!ingest->data)
        return qv__fail(err, QV_INVALID, "Either data or schema must be provided");
    return QV_OK;
}

/* One version of all rows. Under an enforced primary key, appended rows are held against the table's keys. */
static qv_status write_rows(const qv__ingest *ingest, qv__stream *source, const qv__write *write,
                            qv_write_result *result, qv__snapshot **out, qv_error *err)
{
    const qv__field **key = NULL;
    size_t n_key;
    bool enforced = false;

    if (ingest->base && !ingest->overwrite)
        QV_TRY(qv__snapshot_primary_key(ingest->base, &key, &n_key, &enforced, err));
    qv__free(key);
    if (!enforced)
        return qv__table_write(ingest->store, ingest->base, source, write, result, out, err);
    qv__write_rows rows = { .profile = write->profile,
                            .max_rows_per_file = write->max_rows_per_file,
                            .job = write->job };
    return qv__append_by_key(ingest->store, ingest->base, source, &rows, result, out, err);
}

qv_status qv__ingest_run(const qv__ingest *ingest, qv_write_result *result, qv__snapshot **out, qv_error *err)
{
    const qv_write_options *options = ingest->options;
    qv__write write = { .create = !ingest->base,
                        .overwrite = ingest->overwrite,
                        .file_version = options->file_version,
                        .max_rows_per_file = options->max_rows_per_file,
                        .stable_row_ids = options->stable_row_ids };
    qv__schema *wanted = NULL;
    qv__stream *source = NULL;
    qv__job job;
    qv_status st = QV_OK;

    qv__job_begin(&job, &options->job, "write", 0);
    write.job = &job;
    QV_CHECK(profile_of(options->compression, &write.profile, err));
    QV_CHECK(check_file_version(options->file_version, err));
    QV_CHECK(wanted_schema(ingest, &wanted, err));
    st = open_source(ingest, wanted, &source, err);
    QV_CHECK(st);
    if (!ingest->base || ingest->overwrite)
        QV_CHECK(check_columns(source->schema, err));
    QV_CHECK(write_rows(ingest, source, &write, result, out, err));
done:
    if (ingest->data && ingest->data->release)
        ingest->data->release(ingest->data);
    qv__job_end(&job, st);
    qv__stream_free(source);
    qv__schema_unref(wanted);
    return st;
}

qv_status qv_table_write(qv_table *table, qv_write_mode mode, struct ArrowArrayStream *data,
                         const qv_write_options *options, qv_write_result *result, qv_error *err)
{
    qv_write_options opts = QV_WRITE_OPTIONS_INIT;
    qv__snapshot *base = NULL, *made = NULL;
    qv_status st = QV_OK;

    QV_CHECK(QV_OPTIONS(&opts, options, err));
    QV_CHECK(qv__table_check_writable(table, err));
    if (!data || (mode != QV_APPEND && mode != QV_OVERWRITE)) {
        st = data ? qv__fail(err, QV_INVALID, "write mode %d is not known", (int) mode)
                  : qv__fail(err, QV_INVALID, "no data to write to table \"%s\"", table->name);
        goto done;
    }
    QV_CHECK(qv__table_newest(table, &base, err));
    qv__ingest ingest = { table->store, base, mode == QV_OVERWRITE, data, NULL, &opts };
    data = NULL; /* taken */
    QV_CHECK(qv__ingest_run(&ingest, result, &made, err));
    qv__table_publish(table, made);
done:
    if (data && data->release)
        data->release(data);
    qv__snapshot_unref(base);
    return st;
}
