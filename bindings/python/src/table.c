/* Table: a handle that sees one version of a table. */
#include <math.h>
#include <string.h>

#include "qpy.h"

static PyTypeObject *table_type;

typedef struct table_object {
    PyObject_HEAD qv_table *table;
} table_object;

qv_table *qpy_table_of(PyObject *object) { return ((table_object *) object)->table; }

PyObject *qpy_table_wrap(qv_table *table)
{
    table_object *self = (table_object *) PyType_GenericAlloc(table_type, 0);

    if (self == NULL)
        qv_table_close(table);
    else
        self->table = table;
    return (PyObject *) self;
}

static void table_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    qv_table_close(qpy_table_of(object));
    PyObject_Free(object);
    Py_DecRef((PyObject *) type);
}

/* ---------------------------------------------------------------- facts */

static PyObject *table_name(PyObject *object, void *closure)
{
    (void) closure;
    return PyUnicode_FromString(qv_table_name(qpy_table_of(object)));
}

static PyObject *table_uri(PyObject *object, void *closure)
{
    (void) closure;
    return PyUnicode_FromString(qv_table_uri(qpy_table_of(object)));
}

static PyObject *table_version(PyObject *object, void *closure)
{
    (void) closure;
    return PyLong_FromUnsignedLongLong(qv_table_version(qpy_table_of(object)));
}

static PyObject *table_schema(PyObject *object, PyObject *unused)
{
    struct ArrowSchema schema = { 0 };
    qv_status st;
    qv_error err;

    (void) unused;
    Py_BEGIN_ALLOW_THREADS st = qv_table_schema(qpy_table_of(object), &schema, &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? qpy_schema_wrap(&schema) : qpy_raise(&err);
}

static PyObject *table_count_rows(PyObject *object, PyObject *unused)
{
    uint64_t rows = 0;
    qv_status st;
    qv_error err;

    (void) unused;
    Py_BEGIN_ALLOW_THREADS st = qv_table_count_rows(qpy_table_of(object), &rows, &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? PyLong_FromUnsignedLongLong(rows) : qpy_raise(&err);
}

/* versions() -> [(version, timestamp_ns, rows, fragments)] */
static PyObject *table_versions(PyObject *object, PyObject *unused)
{
    qv_version_info *versions = NULL;
    size_t n = 0;
    PyObject *list;
    qv_status st;
    qv_error err;

    (void) unused;
    Py_BEGIN_ALLOW_THREADS st = qv_table_versions(qpy_table_of(object), &versions, &n, &err);
    Py_END_ALLOW_THREADS if (st != QV_OK) return qpy_raise(&err);
    list = PyList_New((Py_ssize_t) n);
    for (size_t i = 0; list != NULL && i < n; i++) {
        PyObject *one =
            Py_BuildValue("(KLKK)", (unsigned long long) versions[i].version, (long long) versions[i].timestamp_ns,
                          (unsigned long long) versions[i].rows, (unsigned long long) versions[i].fragments);

        if (one == NULL || PyList_SetItem(list, (Py_ssize_t) i, one) != 0) {
            Py_DecRef(list);
            list = NULL;
        }
    }
    qv_versions_free(versions);
    return list;
}

static PyObject *table_checkout(PyObject *object, PyObject *number)
{
    unsigned long long version = PyLong_AsUnsignedLongLong(number);
    qv_status st;
    qv_error err;

    if (PyErr_Occurred())
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_table_checkout(qpy_table_of(object), version, &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? Py_NewRef(Py_None) : qpy_raise(&err);
}

static PyObject *table_checkout_latest(PyObject *object, PyObject *unused)
{
    qv_status st;
    qv_error err;

    (void) unused;
    Py_BEGIN_ALLOW_THREADS st = qv_table_checkout_latest(qpy_table_of(object), &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? Py_NewRef(Py_None) : qpy_raise(&err);
}

/* ---------------------------------------------------------------- writing */

/* write(stream, overwrite, options, progress, total_rows) -> (version, rows, bytes) */
static PyObject *table_write(PyObject *object, PyObject *args)
{
    PyObject *data, *settings, *progress;
    int overwrite;
    long long total;
    qv_write_options options;
    qv_write_result result = { 0 };
    struct ArrowArrayStream stream = { 0 };
    qpy_fault *fault = NULL;
    qpy_job *job;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "OpOOL", &data, &overwrite, &settings, &progress, &total))
        return NULL;
    job = qpy_job_new(NULL, progress, total);
    if (job == NULL)
        return NULL;
    if (qpy_write_options(settings, job, &options) != 0 || qpy_stream_move(data, &stream, &fault) != 0) {
        qpy_job_unref(job);
        return NULL;
    }
    qpy_job_begin(job);
    Py_BEGIN_ALLOW_THREADS st =
        qv_table_write(qpy_table_of(object), overwrite ? QV_OVERWRITE : QV_APPEND, &stream, &options, &result, &err);
    Py_END_ALLOW_THREADS qpy_job_end(job);
    if (st != QV_OK && !qpy_job_raise(job) && !qpy_fault_raise(fault))
        qpy_raise(&err);
    qpy_fault_unref(fault);
    qpy_job_unref(job);
    if (st != QV_OK)
        return NULL;
    return Py_BuildValue("(KKK)", (unsigned long long) result.version, (unsigned long long) result.rows,
                         (unsigned long long) result.bytes);
}

/* ---------------------------------------------------------------- care */

static void on_problem(void *user, const char *object, const char *what)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *pair = Py_BuildValue("(ss)", object, what);

    if (pair == NULL || PyList_Append(user, pair) != 0)
        PyErr_Clear();
    Py_DecRef(pair);
    PyGILState_Release(gil);
}

/* verify(progress) -> (files, bytes, rows, [(object, what is broken)]) */
static PyObject *table_verify(PyObject *object, PyObject *args)
{
    PyObject *progress = Py_None, *problems = PyList_New(0);
    qv_verify_report report = { 0 };
    qpy_job *job;
    qv_status st;
    qv_error err;

    if (problems == NULL || !PyArg_ParseTuple(args, "|O", &progress) ||
        (job = qpy_job_new(NULL, progress, -1)) == NULL) {
        Py_DecRef(problems);
        return NULL;
    }
    qpy_job_begin(job);
    Py_BEGIN_ALLOW_THREADS st =
        qv_table_verify(qpy_table_of(object), on_problem, problems, qpy_job_options(job), &report, &err);
    Py_END_ALLOW_THREADS qpy_job_end(job);
    if (st != QV_OK && st != QV_CORRUPT && !qpy_job_raise(job))
        qpy_raise(&err);
    qpy_job_unref(job);
    if (st != QV_OK && st != QV_CORRUPT) {
        Py_DecRef(problems);
        return NULL;
    }
    return Py_BuildValue("(KKKN)", (unsigned long long) report.files, (unsigned long long) report.bytes,
                         (unsigned long long) report.rows, problems);
}

/* describe(path | None) -> JSON text */
static PyObject *table_describe(PyObject *object, PyObject *args)
{
    const char *path = NULL;
    char *json = NULL;
    PyObject *text;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "|z", &path))
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_table_describe(qpy_table_of(object), path, &json, &err);
    Py_END_ALLOW_THREADS if (st != QV_OK) return qpy_raise(&err);
    text = PyUnicode_FromString(json);
    qv_string_free(json);
    return text;
}

/* ---------------------------------------------------------------- the class */

static PyMethodDef table_methods[] = {
    { "schema", table_schema, METH_NOARGS, "schema()" },
    { "count_rows", table_count_rows, METH_NOARGS, "count_rows()" },
    { "versions", table_versions, METH_NOARGS, "versions() -> [(version, timestamp_ns, rows, fragments)]" },
    { "checkout", table_checkout, METH_O, "checkout(version)" },
    { "checkout_latest", table_checkout_latest, METH_NOARGS, "checkout_latest()" },
    { "write", table_write, METH_VARARGS,
      "write(stream, overwrite, options, progress, total_rows) -> (version, rows, bytes)" },
    { "count_where", qpy_table_count_where, METH_VARARGS, "count_where(where, timeout) -> int" },
    { "expression_type", qpy_table_expression_type, METH_VARARGS, "expression_type(text) -> Schema" },
    { "scan", qpy_table_scan, METH_VARARGS,
      "scan(columns, offset, limit, with_row_id, with_row_address, batch_rows, timeout, extra=None, plan=None)" },
    { "take", qpy_table_take, METH_VARARGS,
      "take(rows, by_row_id, in_order, columns, with_row_id, with_row_address, batch_rows, timeout, extra=None)" },
    { "search", qpy_table_search, METH_VARARGS,
      "search(query, column, metric, k, offset, lower, upper, columns, with_row_id, with_row_address, query_index, "
      "timeout, extra=None, plan=None)" },
    { "write_buffer", qpy_table_write_buffer, METH_VARARGS, "write_buffer(max_rows, max_bytes) -> WriteBuffer" },
    { "verify", table_verify, METH_VARARGS, "verify(progress=None) -> (files, bytes, rows, [(object, problem)])" },
    { "describe", table_describe, METH_VARARGS, "describe(path=None) -> JSON" },
    { NULL, NULL, 0, NULL },
};
static PyMethodDef all_methods[64]; /* a type has one list: these and those of the other files */
static PyGetSetDef table_getset[] = {
    { "name", table_name, NULL, "Name in the database.", NULL },
    { "uri", table_uri, NULL, "Where the table lies.", NULL },
    { "version", table_version, NULL, "The version that this handle sees.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};
static PyType_Slot table_slots[] = {
    { Py_tp_dealloc, table_dealloc },
    { Py_tp_methods, all_methods },
    { Py_tp_getset, table_getset },
    { Py_tp_doc, "A handle on one table." },
    { 0, NULL },
};
static PyType_Spec table_spec = { "quiver._quiver.Table", sizeof(table_object), 0,
                                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, table_slots };

static void gather_methods(void)
{
    PyMethodDef *lists[] = { table_methods,   qpy_change_methods, qpy_column_methods,
                             qpy_ref_methods, qpy_index_methods,  qpy_layout_methods };
    size_t n = 0;

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        for (PyMethodDef *one = lists[i]; one->ml_name != NULL; one++)
            all_methods[n++] = *one;
}

int qpy_table_module_init(PyObject *module)
{
    gather_methods();
    table_type = (PyTypeObject *) PyType_FromSpec(&table_spec);
    return table_type == NULL ? -1 : PyModule_AddType(module, table_type);
}
