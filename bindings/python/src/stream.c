/* Stream: Arrow record batches on their way into or out of Quiver.
 *
 * A Stream object holds an ArrowArrayStream until somebody takes it: pyarrow through __arrow_c_stream__, the engine when it is
 * written, or Python through to_list() and iteration. Batches that were read ahead (peek, read_all) leave first. */
#include <errno.h>
#include <string.h>

#include "qpy.h"

PyTypeObject *qpy_stream_type;
static PyTypeObject *batch_type;

/* One record batch with its schema. */
typedef struct batch_object {
    PyObject_HEAD struct ArrowArray array;
    PyObject *stream; /* keeps schema and parsed type */
} batch_object;

PyObject *qpy_stream_wrap(struct ArrowArrayStream *stream, qpy_fault *fault, qpy_job *job)
{
    qpy_stream *self = (qpy_stream *) PyType_GenericAlloc(qpy_stream_type, 0);

    if (self == NULL) {
        stream->release(stream);
        qpy_fault_unref(fault);
        qpy_job_unref(job);
        return NULL;
    }
    self->stream = *stream;
    stream->release = NULL;
    self->fault = fault;
    self->job = job;
    return (PyObject *) self;
}

/* ---------------------------------------------------------------- a whole answer at once */

void qpy_answer_load(struct ArrowArrayStream *stream, qpy_answer *out)
{
    struct ArrowArray batch;

    out->rc = stream->get_schema(stream, &out->schema);
    if (out->rc != 0)
        out->schema.release = NULL;
    while (out->rc == 0) {
        memset(&batch, 0, sizeof(batch));
        out->rc = stream->get_next(stream, &batch);
        if (out->rc != 0 || batch.release == NULL)
            break;
        struct ArrowArray *batches = realloc(out->batches, (out->n + 1) * sizeof(*batches));
        if (batches == NULL) {
            batch.release(&batch);
            out->rc = ENOMEM;
            break;
        }
        out->batches = batches;
        out->batches[out->n++] = batch;
    }
}

/* ---------------------------------------------------------------- the object */

static void forget_ready(qpy_stream *self)
{
    for (size_t i = self->next_ready; i < self->n_ready; i++)
        if (self->ready[i].release != NULL)
            self->ready[i].release(&self->ready[i]);
    free(self->ready);
    self->ready = NULL;
    self->n_ready = self->next_ready = 0;
}

static void stream_close(qpy_stream *self)
{
    forget_ready(self);
    if (self->stream.release != NULL)
        self->stream.release(&self->stream);
    self->stream.release = NULL;
    self->ended = true;
}

static void stream_dealloc(PyObject *object)
{
    qpy_stream *self = (qpy_stream *) object;
    PyTypeObject *type = Py_TYPE(object);

    stream_close(self);
    if (self->schema.release != NULL)
        self->schema.release(&self->schema);
    qpy_type_free(self->type);
    qpy_fault_unref(self->fault);
    qpy_job_unref(self->job);
    PyObject_Free(object);
    Py_DecRef((PyObject *) type);
}

/* The exception for a stream that said `rc`. */
static int stream_failed(qpy_stream *self, int rc)
{
    const char *message;

    if (qpy_job_raise(self->job) || qpy_fault_raise(self->fault))
        return -1;
    message = self->stream.release == NULL ? NULL : self->stream.get_last_error(&self->stream);
    if (rc == ENOMEM)
        PyErr_NoMemory();
    else if (message != NULL && strstr(message, "time limit") != NULL)
        PyErr_Format(PyExc_RuntimeError, "Query timeout: %s", message);
    else
        PyErr_SetString(rc == EINVAL ? PyExc_ValueError
                        : rc == EIO  ? PyExc_OSError
                                     : PyExc_RuntimeError,
                        message == NULL ? strerror(rc) : message);
    return -1;
}

static int closed(void)
{
    PyErr_SetString(PyExc_RuntimeError, "the stream was read or handed on already");
    return -1;
}

int qpy_stream_schema(qpy_stream *self)
{
    int rc;

    if (self->schema.release != NULL)
        return 0;
    if (self->stream.release == NULL)
        return closed();
    Py_BEGIN_ALLOW_THREADS rc = self->stream.get_schema(&self->stream, &self->schema);
    Py_END_ALLOW_THREADS if (rc != 0)
    {
        self->schema.release = NULL;
        return stream_failed(self, rc);
    }
    if (self->schema.format == NULL || strcmp(self->schema.format, "+s") != 0) {
        PyErr_Format(PyExc_ValueError, "a table needs a stream of record batches (Arrow format \"+s\"), not of \"%s\"",
                     self->schema.format == NULL ? "" : self->schema.format);
        self->schema.release(&self->schema);
        return -1;
    }
    return 0;
}

static int stream_type(qpy_stream *self)
{
    if (self->type != NULL)
        return 0;
    if (qpy_stream_schema(self) != 0)
        return -1;
    self->type = qpy_type_parse(&self->schema);
    return self->type == NULL ? -1 : 0;
}

/* The next batch of the stream itself. */
static int pull(qpy_stream *self, struct ArrowArray *out)
{
    int rc;

    memset(out, 0, sizeof(*out));
    if (self->ended)
        return 0;
    if (self->stream.release == NULL)
        return closed();
    qpy_job_begin(self->job);
    Py_BEGIN_ALLOW_THREADS rc = self->stream.get_next(&self->stream, out);
    Py_END_ALLOW_THREADS qpy_job_end(self->job);
    if (rc != 0) {
        out->release = NULL;
        return stream_failed(self, rc);
    }
    if (out->release == NULL)
        self->ended = true;
    return 0;
}

int qpy_stream_next(qpy_stream *self, struct ArrowArray *out)
{
    if (self->next_ready < self->n_ready) {
        *out = self->ready[self->next_ready];
        self->ready[self->next_ready++].release = NULL;
        return 0;
    }
    return pull(self, out);
}

static int keep(qpy_stream *self, struct ArrowArray *array)
{
    struct ArrowArray *ready = realloc(self->ready, (self->n_ready + 1) * sizeof(*ready));

    if (ready == NULL) {
        array->release(array);
        PyErr_NoMemory();
        return -1;
    }
    self->ready = ready;
    ready[self->n_ready++] = *array;
    return 0;
}

int qpy_stream_peek(qpy_stream *self)
{
    struct ArrowArray array;

    if (qpy_stream_schema(self) != 0)
        return -1;
    if (self->next_ready < self->n_ready || self->ended)
        return 0;
    if (pull(self, &array) != 0)
        return -1;
    return array.release == NULL ? 0 : keep(self, &array);
}

/* ---------------------------------------------------------------- what is left of a stream, as a C stream */

typedef struct rest {
    struct ArrowArrayStream inner; /* release NULL: only the batches */
    struct ArrowSchema schema;
    struct ArrowArray *ready;
    size_t n, next;
    qpy_fault *fault;
    qpy_job *job; /* outlives the engine's stream */
} rest;

static int rest_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    return qpy_schema_copy(&((rest *) stream->private_data)->schema, out) == 0 ? 0 : ENOMEM;
}

static int rest_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    rest *self = stream->private_data;

    memset(out, 0, sizeof(*out));
    if (self->next < self->n) {
        *out = self->ready[self->next];
        self->ready[self->next++].release = NULL;
        return 0;
    }
    return self->inner.release == NULL ? 0 : self->inner.get_next(&self->inner, out);
}

static const char *rest_error(struct ArrowArrayStream *stream)
{
    rest *self = stream->private_data;

    return self->inner.release == NULL ? qpy_fault_message(self->fault) : self->inner.get_last_error(&self->inner);
}

static void rest_release(struct ArrowArrayStream *stream)
{
    rest *self = stream->private_data;

    for (size_t i = self->next; i < self->n; i++)
        if (self->ready[i].release != NULL)
            self->ready[i].release(&self->ready[i]);
    free(self->ready);
    if (self->inner.release != NULL)
        self->inner.release(&self->inner);
    if (self->schema.release != NULL)
        self->schema.release(&self->schema);
    qpy_fault_unref(self->fault);
    qpy_job_unref(self->job);
    free(self);
    stream->release = NULL;
}

int qpy_stream_move(PyObject *object, struct ArrowArrayStream *out, qpy_fault **fault)
{
    qpy_stream *self = (qpy_stream *) object;
    rest *left;

    if (!PyObject_TypeCheck(object, qpy_stream_type)) {
        PyErr_Format(PyExc_TypeError, "expected a quiver Stream, got %R", (PyObject *) Py_TYPE(object));
        return -1;
    }
    if (self->stream.release == NULL && self->next_ready == self->n_ready)
        return closed();
    if (qpy_stream_schema(self) != 0)
        return -1;
    left = calloc(1, sizeof(*left));
    if (left == NULL || qpy_schema_copy(&self->schema, &left->schema) != 0) {
        free(left);
        PyErr_NoMemory();
        return -1;
    }
    left->inner = self->stream;
    left->ready = self->ready;
    left->next = self->next_ready;
    left->n = self->n_ready;
    left->fault = qpy_fault_ref(self->fault);
    left->job = qpy_job_ref(self->job);
    self->stream.release = NULL;
    self->ready = NULL;
    self->n_ready = self->next_ready = 0;
    *out = (struct ArrowArrayStream){ rest_schema, rest_next, rest_error, rest_release, left };
    if (fault != NULL)
        *fault = qpy_fault_ref(self->fault);
    return 0;
}

/* ---------------------------------------------------------------- methods */

static void stream_capsule_free(PyObject *capsule)
{
    struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, "arrow_array_stream");

    if (stream != NULL && stream->release != NULL)
        stream->release(stream);
    free(stream);
}

static PyObject *stream_capsule(PyObject *object, PyObject *args)
{
    PyObject *requested = Py_None, *capsule;
    struct ArrowArrayStream *out;

    if (!PyArg_ParseTuple(args, "|O", &requested))
        return NULL;
    out = calloc(1, sizeof(*out));
    if (out == NULL)
        return PyErr_NoMemory();
    if (qpy_stream_move(object, out, NULL) != 0) {
        free(out);
        return NULL;
    }
    capsule = PyCapsule_New(out, "arrow_array_stream", stream_capsule_free);
    if (capsule == NULL) {
        out->release(out);
        free(out);
    }
    return capsule;
}

static PyObject *stream_get_schema(PyObject *object, void *closure)
{
    qpy_stream *self = (qpy_stream *) object;
    struct ArrowSchema copy;

    (void) closure;
    if (qpy_stream_schema(self) != 0)
        return NULL;
    if (qpy_schema_copy(&self->schema, &copy) != 0)
        return PyErr_NoMemory();
    return qpy_schema_wrap(&copy);
}

static PyObject *stream_to_list(PyObject *object, PyObject *unused)
{
    qpy_stream *self = (qpy_stream *) object;
    PyObject *list = PyList_New(0);
    struct ArrowArray array;

    (void) unused;
    if (list == NULL || stream_type(self) != 0)
        goto fail;
    for (;;) {
        int rc;

        if (qpy_stream_next(self, &array) != 0)
            goto fail;
        if (array.release == NULL)
            break;
        rc = qpy_fetch_rows(self->type, &array, list);
        array.release(&array);
        if (rc != 0)
            goto fail;
    }
    stream_close(self);
    return list;
fail:
    Py_DecRef(list);
    return NULL;
}

PyObject *qpy_answer_rows(struct ArrowArrayStream *stream, qpy_answer *answer, qpy_job *job)
{
    qpy_stream *self = (qpy_stream *) qpy_stream_wrap(stream, NULL, job);
    PyObject *rows = NULL;

    if (self == NULL) { /* as in any call that wraps a stream, it is gone */
        for (size_t i = 0; i < answer->n; i++)
            answer->batches[i].release(&answer->batches[i]);
        free(answer->batches);
        if (answer->schema.release != NULL)
            answer->schema.release(&answer->schema);
        return NULL;
    }
    self->schema = answer->schema;
    self->ready = answer->batches;
    self->n_ready = answer->n;
    self->ended = true;
    if (answer->rc != 0)
        stream_failed(self, answer->rc);
    else
        rows = stream_to_list((PyObject *) self, NULL);
    Py_DecRef((PyObject *) self);
    return rows;
}

static PyObject *stream_read_all(PyObject *object, PyObject *unused)
{
    qpy_stream *self = (qpy_stream *) object;
    struct ArrowArray array;

    (void) unused;
    if (qpy_stream_schema(self) != 0)
        return NULL;
    while (!self->ended) {
        if (pull(self, &array) != 0)
            return NULL;
        if (array.release != NULL && keep(self, &array) != 0)
            return NULL;
    }
    return Py_NewRef(object);
}

static PyObject *stream_ready_rows(PyObject *object, void *closure)
{
    qpy_stream *self = (qpy_stream *) object;
    long long rows = 0;

    (void) closure;
    for (size_t i = self->next_ready; i < self->n_ready; i++)
        rows += self->ready[i].length;
    return PyLong_FromLongLong(rows);
}

static PyObject *stream_do_peek(PyObject *object, PyObject *unused)
{
    qpy_stream *self = (qpy_stream *) object;

    (void) unused;
    if (qpy_stream_peek(self) != 0)
        return NULL;
    return PyBool_FromLong(self->next_ready < self->n_ready);
}

static PyObject *stream_do_close(PyObject *object, PyObject *unused)
{
    (void) unused;
    stream_close((qpy_stream *) object);
    return Py_NewRef(Py_None);
}

static PyObject *stream_next(PyObject *object)
{
    qpy_stream *self = (qpy_stream *) object;
    struct ArrowArray array;
    batch_object *batch;

    if (stream_type(self) != 0 || qpy_stream_next(self, &array) != 0 || array.release == NULL)
        return NULL;
    batch = (batch_object *) PyType_GenericAlloc(batch_type, 0);
    if (batch == NULL) {
        array.release(&array);
        return NULL;
    }
    batch->array = array;
    batch->stream = Py_NewRef(object);
    return (PyObject *) batch;
}

static PyObject *stream_self(PyObject *object) { return Py_NewRef(object); }

static PyMethodDef stream_methods[] = {
    { "__arrow_c_stream__", stream_capsule, METH_VARARGS,
      "__arrow_c_stream__(requested_schema=None)\n\nHands the stream on as a PyCapsule; afterwards this object is "
      "empty." },
    { "to_list", stream_to_list, METH_NOARGS, "to_list()\n\nReads all rows as a list of dicts." },
    { "read_all", stream_read_all, METH_NOARGS,
      "read_all()\n\nReads all batches into memory and returns the stream itself." },
    { "peek", stream_do_peek, METH_NOARGS, "peek()\n\nReads the first batch ahead; False when there is none." },
    { "close", stream_do_close, METH_NOARGS, "close()\n\nLets go of everything that was not read." },
    { NULL, NULL, 0, NULL },
};
static PyGetSetDef stream_getset[] = {
    { "schema", stream_get_schema, NULL, "The Schema of the batches.", NULL },
    { "ready_rows", stream_ready_rows, NULL, "Rows that were read ahead.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};
static PyType_Slot stream_slots[] = {
    { Py_tp_dealloc, stream_dealloc },
    { Py_tp_iter, stream_self },
    { Py_tp_iternext, stream_next },
    { Py_tp_methods, stream_methods },
    { Py_tp_getset, stream_getset },
    { Py_tp_doc, "Arrow record batches that can be read once: iterate over them, call to_list(), or pass the stream to "
                 "anything that takes ``__arrow_c_stream__``." },
    { 0, NULL },
};
static PyType_Spec stream_spec = { "quiver._quiver.Stream", sizeof(qpy_stream), 0,
                                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, stream_slots };

/* ---------------------------------------------------------------- batches */

static void batch_dealloc(PyObject *object)
{
    batch_object *self = (batch_object *) object;
    PyTypeObject *type = Py_TYPE(object);

    if (self->array.release != NULL)
        self->array.release(&self->array);
    Py_DecRef(self->stream);
    PyObject_Free(object);
    Py_DecRef((PyObject *) type);
}

static void array_capsule_free(PyObject *capsule)
{
    struct ArrowArray *array = PyCapsule_GetPointer(capsule, "arrow_array");

    if (array != NULL && array->release != NULL)
        array->release(array);
    free(array);
}

static PyObject *batch_capsules(PyObject *object, PyObject *args)
{
    batch_object *self = (batch_object *) object;
    PyObject *requested = Py_None, *schema, *schema_capsule, *array_capsule;
    struct ArrowArray *array;

    if (!PyArg_ParseTuple(args, "|O", &requested))
        return NULL;
    if (self->array.release == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the batch was handed on already");
        return NULL;
    }
    schema = stream_get_schema(self->stream, NULL);
    schema_capsule = schema == NULL ? NULL : PyObject_CallMethod(schema, "__arrow_c_schema__", NULL);
    Py_DecRef(schema);
    array = schema_capsule == NULL ? NULL : malloc(sizeof(*array));
    if (array == NULL) {
        Py_DecRef(schema_capsule);
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    *array = self->array;
    self->array.release = NULL;
    array_capsule = PyCapsule_New(array, "arrow_array", array_capsule_free);
    return Py_BuildValue("(NN)", schema_capsule, array_capsule);
}

static PyObject *batch_to_list(PyObject *object, PyObject *unused)
{
    batch_object *self = (batch_object *) object;
    PyObject *list = PyList_New(0);

    (void) unused;
    if (self->array.release == NULL) {
        Py_DecRef(list);
        PyErr_SetString(PyExc_RuntimeError, "the batch was handed on already");
        return NULL;
    }
    if (list != NULL && qpy_fetch_rows(((qpy_stream *) self->stream)->type, &self->array, list) != 0) {
        Py_DecRef(list);
        return NULL;
    }
    return list;
}

static Py_ssize_t batch_length(PyObject *object) { return (Py_ssize_t) ((batch_object *) object)->array.length; }

static PyMethodDef batch_methods[] = {
    { "__arrow_c_array__", batch_capsules, METH_VARARGS,
      "The batch as PyCapsules (schema, array); it can be taken once." },
    { "to_list", batch_to_list, METH_NOARGS, "The rows as a list of dicts." },
    { NULL, NULL, 0, NULL },
};
static PyType_Slot batch_slots[] = {
    { Py_tp_dealloc, batch_dealloc },
    { Py_tp_methods, batch_methods },
    { Py_mp_length, batch_length },
    { Py_tp_doc, "One Arrow record batch; len() gives its rows." },
    { 0, NULL },
};
static PyType_Spec batch_spec = { "quiver._quiver.Batch", sizeof(batch_object), 0,
                                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, batch_slots };

int qpy_stream_module_init(PyObject *module)
{
    qpy_stream_type = (PyTypeObject *) PyType_FromSpec(&stream_spec);
    batch_type = (PyTypeObject *) PyType_FromSpec(&batch_spec);
    if (qpy_stream_type == NULL || batch_type == NULL || PyModule_AddType(module, qpy_stream_type) != 0)
        return -1;
    return PyModule_AddType(module, batch_type);
}
