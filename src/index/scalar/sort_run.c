/* Sorted runs on disk: Lance files beside the index that is being built, gone when they have been read. */
#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/log.h"
#include "index/scalar/sort_private.h"

#define READ_ROWS 16384

typedef struct run {
    qv__stream stream;
    qv__store *folder;
    char name[40];
    qv__file *file;
    qv__column *columns[2];
    uint64_t at, n;
} run;

static void run_name(size_t number, char name[40]) { snprintf(name, 40, "sort_run_%zu.lance", number); }

qv_status qv__run_write(const qv__index_target *target, size_t number, qv__stream *sorted, qv_error *err)
{
    qv_status st = QV_OK;
    qv__file_writer *writer = NULL;
    qv__array *batch = NULL;
    qv__writer_options options = { .version = target->version, .profile = QV_FILE_PLAIN };
    char name[40];

    run_name(number, name);
    QV_CHECK(qv__file_writer_open(target->folder, name, sorted->schema, &options, &writer, err));
    for (;;) {
        QV_CHECK(sorted->next(sorted, &batch, err));
        if (!batch)
            break;
        QV_CHECK(qv__file_writer_write(writer, batch, err));
        QV_CHECK(qv__job_tick(target->job, 0, 0, err));
        qv__array_unref(batch);
        batch = NULL;
    }
    QV_CHECK(qv__file_writer_finish(writer, NULL, err));
done:
    qv__array_unref(batch);
    qv__file_writer_free(writer);
    return st;
}

static qv_status run_next(qv__stream *stream, qv__array **out, qv_error *err)
{
    run *r = (run *) stream;
    qv_status st = QV_OK;
    qv__array *columns[2] = { NULL, NULL };
    uint64_t n = QV_MIN(r->n - r->at, READ_ROWS);

    *out = NULL;
    if (!n)
        return QV_OK;
    for (size_t i = 0; i < 2; i++)
        QV_CHECK(qv__column_read(r->columns[i], r->at, n, &columns[i], err));
    QV_CHECK(qv__batch_new(stream->schema, columns, (int64_t) n, out, err));
    r->at += n;
done:
    qv__array_unref(columns[0]);
    qv__array_unref(columns[1]);
    return st;
}

static void run_destroy(qv__stream *stream)
{
    run *r = (run *) stream;
    qv_error err;

    qv__column_free(r->columns[0]);
    qv__column_free(r->columns[1]);
    qv__file_unref(r->file);
    if (r->folder && qv__store_delete(r->folder, r->name, &err) != QV_OK)
        qv__log(QV_LOG_WARNING, "index build: %s stays behind: %s", r->name, err.message);
    qv__store_unref(r->folder);
    qv__schema_unref(stream->schema);
    qv__free(r);
}

qv_status qv__run_open(const qv__index_target *target, size_t number, const qv__schema *schema, qv__stream **out,
                       qv_error *err)
{
    qv_status st = QV_OK;
    run *r = NULL;

    QV_CHECK(QV_NEW(&r, 1, err));
    r->stream.next = run_next;
    r->stream.destroy = run_destroy;
    r->stream.schema = qv__schema_ref(schema);
    r->folder = qv__store_ref(target->folder);
    run_name(number, r->name);
    QV_CHECK(qv__file_open(target->folder, r->name, &r->file, err));
    r->n = qv__file_rows(r->file);
    for (size_t i = 0; i < 2; i++)
        QV_CHECK(qv__index_column_open(r->file, schema->fields[i].name, schema->fields[i].type, &r->columns[i], err));
    *out = &r->stream;
    r = NULL;
done:
    if (r)
        run_destroy(&r->stream);
    return st;
}
