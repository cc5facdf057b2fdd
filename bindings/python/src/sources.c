/* Where streams into Quiver come from: rows, objects that speak Arrow's PyCapsule protocol, iterators. */
#include <errno.h>
#include <string.h>

#include "qpy.h"

/* stream_of_rows(rows: list[dict], schema: Schema | None) -> Stream of one batch */
PyObject *qpy_stream_of_rows(PyObject *module, PyObject *args)
{
    PyObject *rows, *want = Py_None;
    const struct ArrowSchema *schema = NULL;
    struct ArrowSchema out_schema;
    struct ArrowArray *array;
    struct ArrowArrayStream stream;

    (void) module;
    if (!PyArg_ParseTuple(args, "O!|O", &PyList_Type, &rows, &want))
        return NULL;
    if (want != Py_None && (schema = qpy_schema_of(want)) == NULL)
        return NULL;
    array = calloc(1, sizeof(*array));
    if (array == NULL)
        return PyErr_NoMemory();
    if (qpy_build_rows(rows, schema, &out_schema, array) != 0) {
        free(array);
        return NULL;
    }
    if (qpy_stream_of_arrays(&out_schema, array, 1, NULL, &stream) != 0)
        return PyErr_NoMemory();
    return qpy_stream_wrap(&stream, NULL, NULL);
}

static PyObject *import_array(PyObject *object)
{
    PyObject *pair = PyObject_CallMethod(object, "__arrow_c_array__", NULL), *result = NULL;
    struct ArrowSchema *schema = NULL, copy;
    struct ArrowArray *array = NULL, *moved;
    struct ArrowArrayStream stream;

    if (pair != NULL && PyTuple_Check(pair) && PyTuple_Size(pair) == 2) {
        schema = PyCapsule_GetPointer(PyTuple_GetItem(pair, 0), "arrow_schema");
        array = schema == NULL ? NULL : PyCapsule_GetPointer(PyTuple_GetItem(pair, 1), "arrow_array");
    }
    if (array == NULL || schema->release == NULL || array->release == NULL) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "__arrow_c_array__ did not give a schema and an array");
        goto done;
    }
    moved = malloc(sizeof(*moved));
    if (moved == NULL || qpy_schema_copy(schema, &copy) != 0) {
        free(moved);
        PyErr_NoMemory();
        goto done;
    }
    *moved = *array;
    array->release = NULL;
    if (qpy_stream_of_arrays(&copy, moved, 1, NULL, &stream) != 0)
        PyErr_NoMemory();
    else
        result = qpy_stream_wrap(&stream, NULL, NULL);
done:
    Py_DecRef(pair);
    return result;
}

/* import_stream(object) -> Stream over an object's __arrow_c_stream__, or its single __arrow_c_array__ */
PyObject *qpy_stream_import(PyObject *module, PyObject *object)
{
    PyObject *capsule;
    struct ArrowArrayStream *stream, moved;

    (void) module;
    if (PyObject_TypeCheck(object, qpy_stream_type))
        return Py_NewRef(object);
    if (!PyObject_HasAttrString(object, "__arrow_c_stream__"))
        return import_array(object);
    capsule = PyObject_CallMethod(object, "__arrow_c_stream__", NULL);
    stream = capsule == NULL ? NULL : PyCapsule_GetPointer(capsule, "arrow_array_stream");
    if (stream == NULL || stream->release == NULL) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "the Arrow stream was read already");
        Py_DecRef(capsule);
        return NULL;
    }
    moved = *stream;
    stream->release = NULL;
    Py_DecRef(capsule);
    return qpy_stream_wrap(&moved, NULL, NULL);
}

/* ---------------------------------------------------------------- iterators */

/* Pulls items from a Python iterator while the engine reads: each becomes a Stream of the same schema. */
typedef struct puller {
    PyObject *iterator; /* yields Stream objects */
    PyObject *current;  /* the Stream being drained */
    struct ArrowSchema schema;
    qpy_fault *fault;
} puller;

static int puller_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    return qpy_schema_copy(&((puller *) stream->private_data)->schema, out) == 0 ? 0 : ENOMEM;
}

static int puller_step(puller *self, struct ArrowArray *out)
{
    for (;;) {
        if (self->current == NULL) {
            self->current = PyIter_Next(self->iterator);
            if (self->current == NULL)
                return PyErr_Occurred() ? -1 : 0;
            if (!PyObject_TypeCheck(self->current, qpy_stream_type)) {
                PyErr_SetString(PyExc_TypeError, "the iterator must give Streams");
                return -1;
            }
        }
        if (qpy_stream_next((qpy_stream *) self->current, out) != 0)
            return -1;
        if (out->release != NULL)
            return 0;
        Py_DecRef(self->current);
        self->current = NULL;
    }
}

static int puller_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    puller *self = stream->private_data;
    PyGILState_STATE gil = PyGILState_Ensure();
    int rc;

    memset(out, 0, sizeof(*out));
    rc = puller_step(self, out);
    if (rc != 0) {
        out->release = NULL;
        qpy_fault_capture(self->fault);
    }
    PyGILState_Release(gil);
    return rc == 0 ? 0 : EINVAL;
}

static const char *puller_error(struct ArrowArrayStream *stream)
{
    return qpy_fault_message(((puller *) stream->private_data)->fault);
}

static void puller_release(struct ArrowArrayStream *stream)
{
    puller *self = stream->private_data;
    PyGILState_STATE gil = PyGILState_Ensure();

    Py_DecRef(self->iterator);
    Py_DecRef(self->current);
    if (self->schema.release != NULL)
        self->schema.release(&self->schema);
    qpy_fault_unref(self->fault);
    free(self);
    PyGILState_Release(gil);
    stream->release = NULL;
}

/* stream_of_iterator(iterator of Stream, schema: Schema) -> Stream */
PyObject *qpy_stream_of_iterator(PyObject *module, PyObject *args)
{
    PyObject *iterator, *want;
    const struct ArrowSchema *schema;
    struct ArrowArrayStream stream;
    puller *self;

    (void) module;
    if (!PyArg_ParseTuple(args, "OO", &iterator, &want) || (schema = qpy_schema_of(want)) == NULL)
        return NULL;
    if (!PyIter_Check(iterator)) {
        PyErr_SetString(PyExc_TypeError, "expected an iterator");
        return NULL;
    }
    self = calloc(1, sizeof(*self));
    if (self == NULL || (self->fault = qpy_fault_new()) == NULL || qpy_schema_copy(schema, &self->schema) != 0) {
        if (self != NULL)
            qpy_fault_unref(self->fault);
        free(self);
        return PyErr_NoMemory();
    }
    self->iterator = Py_NewRef(iterator);
    stream = (struct ArrowArrayStream){ puller_schema, puller_next, puller_error, puller_release, self };
    return qpy_stream_wrap(&stream, qpy_fault_ref(self->fault), NULL);
}
