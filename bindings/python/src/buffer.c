/* WriteBuffer: rows that are durable and seen at once, and become files later. */
#include "qpy.h"

static PyTypeObject *buffer_type;

typedef struct buffer_object {
    PyObject_HEAD qv_write_buffer *buffer; /* NULL: closed */
    PyObject *table;                       /* outlives the buffer */
} buffer_object;

static qv_write_buffer *buffer_of(PyObject *object)
{
    qv_write_buffer *buffer = ((buffer_object *) object)->buffer;

    if (buffer == NULL)
        PyErr_SetString(PyExc_RuntimeError, "the write buffer is closed");
    return buffer;
}

static qv_status close_quietly(buffer_object *self, qv_error *err)
{
    qv_write_buffer *buffer = self->buffer;
    qv_status st = QV_OK;

    self->buffer = NULL;
    if (buffer != NULL) {
        Py_BEGIN_ALLOW_THREADS st = qv_write_buffer_close(buffer, err);
        Py_END_ALLOW_THREADS
    }
    return st;
}

static void buffer_dealloc(PyObject *object)
{
    buffer_object *self = (buffer_object *) object;
    PyTypeObject *type = Py_TYPE(object);
    qv_error err;

    close_quietly(self, &err); /* what was added is in the journal, whatever becomes of the flush */
    Py_DecRef(self->table);
    PyObject_Free(object);
    Py_DecRef((PyObject *) type);
}

/* add(stream) */
static PyObject *buffer_add(PyObject *object, PyObject *data)
{
    qv_write_buffer *buffer = buffer_of(object);
    struct ArrowArrayStream stream = { 0 };
    qpy_fault *fault = NULL;
    qv_status st;
    qv_error err;

    if (buffer == NULL || qpy_stream_move(data, &stream, &fault) != 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_write_buffer_add(buffer, &stream, &err);
    Py_END_ALLOW_THREADS if (st != QV_OK && !qpy_fault_raise(fault)) qpy_raise(&err);
    qpy_fault_unref(fault);
    return st == QV_OK ? Py_NewRef(Py_None) : NULL;
}

/* flush() -> version */
static PyObject *buffer_flush(PyObject *object, PyObject *unused)
{
    qv_write_buffer *buffer = buffer_of(object);
    uint64_t version = 0;
    qv_status st;
    qv_error err;

    (void) unused;
    if (buffer == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_write_buffer_flush(buffer, &version, &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? PyLong_FromUnsignedLongLong(version) : qpy_raise(&err);
}

static PyObject *buffer_close(PyObject *object, PyObject *unused)
{
    qv_error err;

    (void) unused;
    return close_quietly((buffer_object *) object, &err) == QV_OK ? Py_NewRef(Py_None) : qpy_raise(&err);
}

/* Table.write_buffer(max_rows, max_bytes) -> WriteBuffer */
PyObject *qpy_table_write_buffer(PyObject *table, PyObject *args)
{
    qv_write_buffer_options options = QV_WRITE_BUFFER_OPTIONS_INIT;
    unsigned long long max_rows, max_bytes;
    qv_write_buffer *buffer = NULL;
    buffer_object *self;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "KK", &max_rows, &max_bytes))
        return NULL;
    options.max_rows = max_rows;
    options.max_bytes = max_bytes;
    Py_BEGIN_ALLOW_THREADS st = qv_write_buffer_open(qpy_table_of(table), &options, &buffer, &err);
    Py_END_ALLOW_THREADS if (st != QV_OK) return qpy_raise(&err);
    self = (buffer_object *) PyType_GenericAlloc(buffer_type, 0);
    if (self == NULL) {
        qv_write_buffer_close(buffer, &err);
        return NULL;
    }
    self->buffer = buffer;
    self->table = Py_NewRef(table);
    return (PyObject *) self;
}

static PyMethodDef buffer_methods[] = {
    { "add", buffer_add, METH_O, "add(stream)" },
    { "flush", buffer_flush, METH_NOARGS, "flush() -> version" },
    { "close", buffer_close, METH_NOARGS, "close()" },
    { NULL, NULL, 0, NULL },
};
static PyType_Slot buffer_slots[] = {
    { Py_tp_dealloc, buffer_dealloc },
    { Py_tp_methods, buffer_methods },
    { Py_tp_doc, "Rows on their way into a table." },
    { 0, NULL },
};
static PyType_Spec buffer_spec = { "quiver._quiver.WriteBuffer", sizeof(buffer_object), 0,
                                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, buffer_slots };

int qpy_buffer_module_init(PyObject *module)
{
    buffer_type = (PyTypeObject *) PyType_FromSpec(&buffer_spec);
    return buffer_type == NULL ? -1 : PyModule_AddType(module, buffer_type);
}
