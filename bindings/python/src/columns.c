/* Changes of columns, keys and metadata. */
#include <stdio.h>
#include <string.h>

#include "qpy.h"

static PyObject *version_or_raise(qv_status st, const qv_error *err, uint64_t version)
{
    return st == QV_OK ? PyLong_FromUnsignedLongLong(version) : qpy_raise(err);
}

/* add_columns([(name, expression)]) -> version */
static PyObject *add_columns(PyObject *object, PyObject *list)
{
    uint64_t version = 0;
    qv_assignment *columns;
    size_t n;
    qpy_job *job;
    qv_status st;
    qv_error err;

    if ((columns = qpy_assignments(list, &n)) == NULL)
        return NULL;
    if ((job = qpy_job_new(NULL, NULL, -1)) == NULL) {
        free(columns);
        return NULL;
    }
    qpy_job_begin(job);
    Py_BEGIN_ALLOW_THREADS st =
        qv_table_add_columns(qpy_table_of(object), columns, n, qpy_job_options(job), &version, &err);
    Py_END_ALLOW_THREADS free(columns);
    return qpy_job_finish(st, &err, job) ? PyLong_FromUnsignedLongLong(version) : NULL;
}

/* add_null_columns(schema) -> version */
static PyObject *add_null_columns(PyObject *object, PyObject *wanted)
{
    const struct ArrowSchema *schema = qpy_schema_of(wanted);
    uint64_t version = 0;
    qv_status st;
    qv_error err;

    if (schema == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_table_add_null_columns(qpy_table_of(object), schema, &version, &err);
    Py_END_ALLOW_THREADS return version_or_raise(st, &err, version);
}

/* ---------------------------------------------------------------- columns that a Python function computes */

typedef struct maker {
    PyObject *function; /* (Stream of one batch) -> Stream of one batch */
    qpy_fault *fault;
} maker;

/* The batch as a Stream of its own for Python; the engine keeps its array. */
static PyObject *borrowed_stream(const struct ArrowArray *input, const struct ArrowSchema *schema, qpy_fault *fault)
{
    struct ArrowArrayStream stream = { 0 };
    struct ArrowSchema *own_schema = calloc(1, sizeof(*own_schema));
    struct ArrowArray *one = calloc(1, sizeof(*one));

    if (own_schema == NULL || one == NULL || qpy_schema_copy(schema, own_schema) != 0) {
        free(own_schema);
        free(one);
        return PyErr_NoMemory();
    }
    *one = *input;
    one->release = qpy_release_nothing;
    if (qpy_stream_of_arrays(own_schema, one, 1, fault, &stream) != 0) {
        free(own_schema);
        return PyErr_NoMemory();
    }
    free(own_schema);
    return qpy_stream_wrap(&stream, NULL, NULL);
}

static qv_status fail(qv_error *err, qpy_fault *fault)
{
    qpy_fault_capture(fault);
    err->status = QV_INVALID;
    snprintf(err->message, sizeof(err->message), "%s", qpy_fault_message(fault));
    return QV_INVALID;
}

static qv_status make_batch(void *user, const struct ArrowArray *input, const struct ArrowSchema *input_schema,
                            struct ArrowArray *output, qv_error *err)
{
    maker *m = user;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *stream = borrowed_stream(input, input_schema, m->fault);
    PyObject *made = stream == NULL ? NULL : PyObject_CallFunction(m->function, "O", stream);
    qv_status st = QV_OK;

    if (made == NULL || !Py_IS_TYPE(made, qpy_stream_type) || qpy_stream_next((qpy_stream *) made, output) != 0)
        st = PyErr_Occurred() ? fail(err, m->fault) : QV_INVALID;
    else if (output->release == NULL) {
        PyErr_SetString(PyExc_ValueError, "the function gave no batch");
        st = fail(err, m->fault);
    }
    Py_DecRef(made);
    Py_DecRef(stream);
    PyGILState_Release(gil);
    return st;
}

/* add_computed_columns(schema, columns | None, batch_rows, function) -> version */
static PyObject *add_computed_columns(PyObject *object, PyObject *args)
{
    PyObject *wanted, *columns;
    const struct ArrowSchema *schema;
    unsigned int batch_rows;
    maker m = { NULL, NULL };
    uint64_t version = 0;
    qpy_names names;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "OOIO", &wanted, &columns, &batch_rows, &m.function) ||
        (schema = qpy_schema_of(wanted)) == NULL || qpy_names_from(columns, &names) != 0)
        return NULL;
    if ((m.fault = qpy_fault_new()) == NULL) {
        qpy_names_release(&names);
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS st = qv_table_add_computed_columns(qpy_table_of(object), schema, names.names, names.n,
                                                              batch_rows, make_batch, &m, NULL, &version, &err);
    Py_END_ALLOW_THREADS qpy_names_release(&names);
    if (st != QV_OK && !qpy_fault_raise(m.fault))
        qpy_raise(&err);
    qpy_fault_unref(m.fault);
    return st == QV_OK ? PyLong_FromUnsignedLongLong(version) : NULL;
}

/* ---------------------------------------------------------------- altering and dropping */

/* The one field of a Schema; NULL: an exception is set. */
static const struct ArrowSchema *only_field(PyObject *object)
{
    const struct ArrowSchema *schema = qpy_schema_of(object);

    if (schema != NULL && schema->n_children != 1) {
        PyErr_SetString(PyExc_ValueError, "a data type is a schema of one field");
        return NULL;
    }
    return schema == NULL ? NULL : schema->children[0];
}

static int change_from(PyObject *tuple, qv_column_change *out)
{
    PyObject *type;

    if (!PyArg_ParseTuple(tuple, "szOi", &out->path, &out->rename, &type, &out->nullable))
        return -1;
    return type == Py_None || (out->type = only_field(type)) != NULL ? 0 : -1;
}

/* alter_columns([(path, rename | None, type | None, nullable: 1, 0 or -1)]) -> version */
static PyObject *alter_columns(PyObject *object, PyObject *list)
{
    Py_ssize_t n = PyList_Size(list);
    qv_column_change *changes = n < 0 ? NULL : calloc((size_t) n + 1, sizeof(*changes));
    uint64_t version = 0;
    qpy_job *job = NULL;
    qv_status st;
    qv_error err;

    if (changes == NULL)
        return n < 0 ? NULL : PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n; i++) {
        if (change_from(PyList_GetItem(list, i), &changes[i]) != 0) {
            free(changes);
            return NULL;
        }
    }
    if ((job = qpy_job_new(NULL, NULL, -1)) == NULL) {
        free(changes);
        return NULL;
    }
    qpy_job_begin(job);
    Py_BEGIN_ALLOW_THREADS st =
        qv_table_alter_columns(qpy_table_of(object), changes, (size_t) n, qpy_job_options(job), &version, &err);
    Py_END_ALLOW_THREADS free(changes);
    return qpy_job_finish(st, &err, job) ? PyLong_FromUnsignedLongLong(version) : NULL;
}

/* drop_columns([name]) -> version */
static PyObject *drop_columns(PyObject *object, PyObject *list)
{
    uint64_t version = 0;
    qpy_names names;
    qv_status st;
    qv_error err;

    if (qpy_names_from(list, &names) != 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_table_drop_columns(qpy_table_of(object), names.names, names.n, &version, &err);
    Py_END_ALLOW_THREADS qpy_names_release(&names);
    return version_or_raise(st, &err, version);
}

/* set_primary_key([name], enforced) -> version */
static PyObject *set_primary_key(PyObject *object, PyObject *args)
{
    PyObject *list;
    int enforced;
    uint64_t version = 0;
    qpy_names names;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "Op", &list, &enforced) || qpy_names_from(list, &names) != 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS st =
        qv_table_set_primary_key(qpy_table_of(object), names.names, names.n, enforced, &version, &err);
    Py_END_ALLOW_THREADS qpy_names_release(&names);
    return version_or_raise(st, &err, version);
}

/* ---------------------------------------------------------------- metadata */

/* set_metadata(kind, path | None, [(key, value | None)], replace) -> version */
static PyObject *set_metadata(PyObject *object, PyObject *args)
{
    const char *path;
    PyObject *list;
    int kind, replace;
    uint64_t version = 0;
    qv_pair *pairs;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "izO!p", &kind, &path, &PyList_Type, &list, &replace))
        return NULL;
    Py_ssize_t n = PyList_Size(list);
    if ((pairs = calloc((size_t) n + 1, sizeof(*pairs))) == NULL)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!PyArg_ParseTuple(PyList_GetItem(list, i), "sz", &pairs[i].key, &pairs[i].value)) {
            free(pairs);
            return NULL;
        }
    }
    Py_BEGIN_ALLOW_THREADS st = qv_table_set_metadata(qpy_table_of(object), (qv_metadata_kind) kind, path, pairs,
                                                      (size_t) n, replace, &version, &err);
    Py_END_ALLOW_THREADS free(pairs);
    return version_or_raise(st, &err, version);
}

/* metadata(kind, path | None) -> JSON */
static PyObject *get_metadata(PyObject *object, PyObject *args)
{
    const char *path;
    char *json = NULL;
    int kind;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "iz", &kind, &path))
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_table_metadata(qpy_table_of(object), (qv_metadata_kind) kind, path, &json, &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? qpy_take_string(json) : qpy_raise(&err);
}

PyMethodDef qpy_column_methods[] = {
    { "add_columns", add_columns, METH_O, "add_columns([(name, expression)]) -> version" },
    { "add_null_columns", add_null_columns, METH_O, "add_null_columns(schema) -> version" },
    { "add_computed_columns", add_computed_columns, METH_VARARGS,
      "add_computed_columns(schema, columns, batch_rows, function) -> version" },
    { "alter_columns", alter_columns, METH_O, "alter_columns([(path, rename, type, nullable)]) -> version" },
    { "drop_columns", drop_columns, METH_O, "drop_columns([name]) -> version" },
    { "set_primary_key", set_primary_key, METH_VARARGS, "set_primary_key([name], enforced) -> version" },
    { "set_metadata", set_metadata, METH_VARARGS, "set_metadata(kind, path, [(key, value)], replace) -> version" },
    { "metadata", get_metadata, METH_VARARGS, "metadata(kind, path) -> JSON" },
    { NULL, NULL, 0, NULL },
};
