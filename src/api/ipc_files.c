/* Arrow IPC files in and out. Reading maps the file and shares its bytes with the batches; writing is visible under its name
 * only when everything is on the disk. */
#include <string.h>

#include "arrow/c_data.h"
#include "arrow/ipc/ipc.h"
#include "base/alloc.h"
#include "base/job.h"
#include "io/store.h"

/* The folder's store, and the file's name in it (points into `path`). */
static qv_status open_folder(const char *path, qv__store **store, const char **name, qv_error *err)
{
    const char *slash;
    char *folder;
    qv_status st;

    if (!path || !*path)
        return qv__fail(err, QV_INVALID, "the path of an Arrow file is empty");
    slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    if (!**name)
        return qv__fail(err, QV_INVALID, "path \"%s\" names a folder, not a file", path);
    folder = slash ? qv__strndup(path, slash == path ? 1 : (size_t) (slash - path)) : qv__strdup(".");
    if (!folder)
        return qv__fail_nomem(err, strlen(path) + 1);
    st = qv__store_open(folder, false, store, err);
    qv__free(folder);
    return st;
}

qv_status qv_ipc_read(const char *path, struct ArrowArrayStream *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__store *store = NULL;
    qv__object *object = NULL;
    qv__bytes bytes = { 0 };
    qv__stream *stream = NULL;
    const char *name;

    if (!out)
        return qv__fail(err, QV_INVALID, "the output for the stream is NULL");
    QV_CHECK(open_folder(path, &store, &name, err));
    QV_CHECK(qv__object_open(store, name, &object, err));
    QV_CHECK(qv__object_read(object, 0, qv__object_size(object), &bytes, err));
    st = qv__ipc_open(bytes, &stream, err);
    if (st != QV_OK)
        QV_CHECK(qv__fail_in(err, st, "\"%s\"", path));
    QV_CHECK(qv__export_stream(stream, out, err));
done:
    qv__bytes_unref(&bytes);
    qv__object_unref(object);
    qv__store_unref(store);
    return st;
}

static qv_status into_upload(void *ctx, const void *bytes, size_t n, qv_error *err)
{
    return qv__upload_write(ctx, bytes, n, err);
}

static qv_status write_batches(qv__stream *source, bool as_stream, qv__upload *upload, qv__job *job, qv_error *err)
{
    qv_status st = QV_OK;
    qv__ipc_writer *writer = NULL;
    qv__array *batch = NULL;

    QV_CHECK(qv__ipc_writer_new(source->schema, as_stream, QV_IPC_PLAIN, into_upload, upload, &writer, err));
    for (;;) {
        uint64_t before = qv__upload_size(upload);

        QV_CHECK(source->next(source, &batch, err));
        if (!batch)
            break;
        QV_CHECK(qv__ipc_writer_batch(writer, batch, err));
        QV_CHECK(qv__job_tick(job, (uint64_t) batch->length, qv__upload_size(upload) - before, err));
        qv__array_unref(batch);
        batch = NULL;
    }
    QV_CHECK(qv__ipc_writer_finish(writer, err));
done:
    qv__array_unref(batch);
    qv__ipc_writer_free(writer);
    return st;
}

qv_status qv_ipc_write(const char *path, bool as_stream, struct ArrowArrayStream *data, const qv_job *options,
                       qv_error *err)
{
    qv_status st = QV_OK;
    qv__stream *source = NULL;
    qv__store *store = NULL;
    qv__upload *upload = NULL, *finished;
    qv__job job;
    const char *name;

    if (!data || !data->release)
        return qv__fail(err, QV_INVALID, "the stream to write is NULL or released");
    qv__job_begin(&job, options, "write", 0);
    QV_CHECK(qv__import_stream(data, &source, err)); /* taken from here on, whatever happens */
    QV_CHECK(open_folder(path, &store, &name, err));
    QV_CHECK(qv__upload_begin(store, name, &upload, err));
    QV_CHECK(write_batches(source, as_stream, upload, &job, err));
    finished = upload;
    upload = NULL;
    QV_CHECK(qv__upload_commit(finished, QV_PUT_REPLACE, err));
done:
    qv__upload_abort(upload);
    qv__store_unref(store);
    qv__stream_free(source);
    qv__job_end(&job, st);
    return st;
}
