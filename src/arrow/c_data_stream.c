/* The C stream interface, both ways. An imported stream keeps the producer's schema, since array import needs its
 * formats where they differ from ours (views, runs). After an error, or its end, a stream is not asked again. */
#include <errno.h>
#include <string.h>

#include "arrow/arrow_private.h"
#include "arrow/c_data.h"
#include "arrow/compute/compute.h"
#include "base/alloc.h"

/* ---- import */

typedef struct foreign_stream {
    qv__stream stream;
    struct ArrowArrayStream c;
    struct ArrowSchema source;
    bool finished;
    qv_error failure; /* status QV_OK: none so far */
} foreign_stream;

static void foreign_destroy(qv__stream *stream)
{
    foreign_stream *self = (foreign_stream *) stream;

    if (self->source.release)
        self->source.release(&self->source);
    if (self->c.release)
        self->c.release(&self->c);
    qv__schema_unref(self->stream.schema);
    qv__free(self);
}

static qv_status status_of_errno(int code)
{
    switch (code) {
    case EINVAL:
        return QV_INVALID;
    case ENOMEM:
        return QV_NOMEM;
    case ECANCELED:
        return QV_CANCELLED;
    default:
        return QV_IO;
    }
}

/* The producer's own words, if it has any. */
static qv_status fail_from(struct ArrowArrayStream *c, int code, const char *what, qv_error *err)
{
    const char *text = c->get_last_error ? c->get_last_error(c) : NULL;
    char system[96];

    if (!text || !*text)
        text = strerror_r(code, system, sizeof system);
    qv_status st = qv__fail(err, status_of_errno(code), "the Arrow stream's %s failed: %s", what, text);
    if (err && st == QV_IO)
        err->sys_errno = code;
    return st;
}

static qv_status next_foreign(foreign_stream *self, qv__array **out, qv_error *err)
{
    struct ArrowArray c = { 0 };
    qv__path path = { NULL, NULL };

    int code = self->c.get_next(&self->c, &c);
    if (code != 0) {
        if (c.release)
            c.release(&c);
        return fail_from(&self->c, code, "next batch", err);
    }
    if (!c.release) {
        self->finished = true;
        *out = NULL;
        return QV_OK;
    }
    return qv__import_checked(&c, &self->source, self->stream.schema->type, &path, true, out, err);
}

static qv_status foreign_next(qv__stream *stream, qv__array **out, qv_error *err)
{
    foreign_stream *self = (foreign_stream *) stream;

    if (self->failure.status == QV_OK && !self->finished) {
        qv_status st = next_foreign(self, out, &self->failure);
        if (st == QV_OK)
            return QV_OK;
        self->failure.status = st;
    }
    if (self->failure.status == QV_OK) {
        *out = NULL;
        return QV_OK;
    }
    if (err)
        *err = self->failure;
    return self->failure.status;
}

qv_status qv__import_stream(struct ArrowArrayStream *stream, qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    foreign_stream *self = NULL;

    if (!stream->release)
        return qv__fail(err, QV_INVALID, "the Arrow stream was released before");
    st = QV_NEW(&self, 1, err);
    if (st != QV_OK) {
        stream->release(stream);
        stream->release = NULL;
        return st;
    }
    self->c = *stream;
    stream->release = NULL;
    self->stream.next = foreign_next;
    self->stream.destroy = foreign_destroy;
    if (!self->c.get_schema || !self->c.get_next)
        QV_CHECK(qv__fail(err, QV_INVALID, "the Arrow stream lacks get_schema or get_next"));
    int code = self->c.get_schema(&self->c, &self->source);
    if (code != 0) {
        self->source.release = NULL; /* nothing was made */
        QV_CHECK(fail_from(&self->c, code, "schema", err));
    }
    QV_CHECK(qv__import_schema(&self->source, &self->stream.schema, err));
    *out = &self->stream;
    self = NULL;
done:
    if (self)
        foreign_destroy(&self->stream);
    return st;
}

/* ---- export */

typedef struct exported_stream {
    qv__stream *stream;
    qv_error failure;
} exported_stream;

static int errno_of_error(const qv_error *error)
{
    switch (error->status) {
    case QV_OK:
        return 0;
    case QV_NOMEM:
        return ENOMEM;
    case QV_CANCELLED:
        return ECANCELED;
    case QV_TIMEOUT:
        return ETIMEDOUT;
    case QV_NOT_FOUND:
        return ENOENT;
    case QV_EXISTS:
        return EEXIST;
    case QV_UNSUPPORTED:
        return ENOSYS;
    case QV_READ_ONLY:
        return EROFS;
    case QV_CONFLICT:
        return EAGAIN;
    case QV_INVALID:
    case QV_SCHEMA:
        return EINVAL;
    default:
        return EIO;
    }
}

static int keep_failure(exported_stream *self, qv_status st)
{
    self->failure.status = st;
    return errno_of_error(&self->failure);
}

static int stream_get_schema(struct ArrowArrayStream *c, struct ArrowSchema *out)
{
    exported_stream *self = c->private_data;
    qv_error err = { 0 };

    /* A failed batch stays the stream's failure; a schema may fail and be asked for again. */
    qv_status st = qv__export_schema(self->stream->schema, out, &err);
    if (st == QV_OK)
        return 0;
    out->release = NULL;
    if (self->failure.status == QV_OK)
        memcpy(self->failure.message, err.message, sizeof err.message);
    err.status = st;
    return errno_of_error(&err);
}

/* A record batch has no offset of its own: consumers refuse it, so the columns take it over. */
static qv_status without_offset(const qv__array *batch, qv__array **out, qv_error *err)
{
    qv__array *made = NULL;
    qv_status st = QV_OK;

    QV_CHECK(qv__array_new(batch->type, batch->length, batch->n_children, &made, err));
    for (size_t i = 0; i < batch->n_children; i++)
        QV_CHECK(qv__array_slice(batch->children[i], batch->offset, batch->length, &made->children[i], err));
    *out = made;
    made = NULL;
done:
    qv__array_unref(made);
    return st;
}

static qv_status export_batch(const qv__array *batch, struct ArrowArray *out, qv_error *err)
{
    qv__array *whole = NULL;

    if (batch->offset == 0)
        return qv__export_array(batch, out, err);
    QV_TRY(without_offset(batch, &whole, err));
    qv_status st = qv__export_array(whole, out, err);
    qv__array_unref(whole);
    return st;
}

static int stream_get_next(struct ArrowArrayStream *c, struct ArrowArray *out)
{
    exported_stream *self = c->private_data;
    qv__array *batch = NULL;

    out->release = NULL;
    if (self->failure.status != QV_OK)
        return errno_of_error(&self->failure);
    qv_status st = self->stream->next(self->stream, &batch, &self->failure);
    if (st == QV_OK && batch)
        st = export_batch(batch, out, &self->failure);
    qv__array_unref(batch);
    return st == QV_OK ? 0 : keep_failure(self, st);
}

static const char *stream_get_last_error(struct ArrowArrayStream *c)
{
    exported_stream *self = c->private_data;

    return self->failure.message[0] ? self->failure.message : NULL;
}

static void stream_release(struct ArrowArrayStream *c)
{
    exported_stream *self = c->private_data;

    qv__stream_free(self->stream);
    qv__free(self);
    c->release = NULL;
}

qv_status qv__export_stream(qv__stream *stream, struct ArrowArrayStream *out, qv_error *err)
{
    exported_stream *self = NULL;

    qv_status st = QV_NEW(&self, 1, err);
    if (st != QV_OK) {
        qv__stream_free(stream);
        return st;
    }
    self->stream = stream;
    *out = (struct ArrowArrayStream){
        .get_schema = stream_get_schema,
        .get_next = stream_get_next,
        .get_last_error = stream_get_last_error,
        .release = stream_release,
        .private_data = self,
    };
    return QV_OK;
}
