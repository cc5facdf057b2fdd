/* Changes of rows: delete, update, merge. */
#include <string.h>

#include "qpy.h"

/* delete(where, timeout=None) -> (version, rows) */
static PyObject *table_delete(PyObject *object, PyObject *args)
{
    const char *where;
    PyObject *timeout = Py_None;
    qv_delete_result result = { 0 };
    qpy_job *job;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "s|O", &where, &timeout) || (job = qpy_job_new(timeout, NULL, -1)) == NULL)
        return NULL;
    qpy_job_begin(job);
    Py_BEGIN_ALLOW_THREADS st = qv_table_delete(qpy_table_of(object), where, qpy_job_options(job), &result, &err);
    Py_END_ALLOW_THREADS if (!qpy_job_finish(st, &err, job)) return NULL;
    return Py_BuildValue("(KK)", (unsigned long long) result.version, (unsigned long long) result.rows_deleted);
}

qv_assignment *qpy_assignments(PyObject *list, size_t *n)
{
    Py_ssize_t size = PyList_Check(list) ? PyList_Size(list) : -1;
    qv_assignment *out = size < 0 ? NULL : calloc((size_t) size + 1, sizeof(*out));

    if (size < 0)
        PyErr_SetString(PyExc_TypeError, "a list of (column, expression) is needed");
    else if (out == NULL)
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; out != NULL && i < size; i++) {
        if (!PyArg_ParseTuple(PyList_GetItem(list, i), "ss", &out[i].column, &out[i].expression)) {
            free(out);
            return NULL;
        }
    }
    *n = (size_t) size;
    return out;
}

/* update(where | None, [(column, expression)], timeout=None) -> (version, rows) */
static PyObject *table_update(PyObject *object, PyObject *args)
{
    const char *where;
    PyObject *list, *timeout = Py_None;
    qv_assignment *assignments;
    qv_update_result result = { 0 };
    size_t n;
    qpy_job *job;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "zO|O", &where, &list, &timeout) || (assignments = qpy_assignments(list, &n)) == NULL)
        return NULL;
    if ((job = qpy_job_new(timeout, NULL, -1)) == NULL) {
        free(assignments);
        return NULL;
    }
    qpy_job_begin(job);
    Py_BEGIN_ALLOW_THREADS st =
        qv_table_update(qpy_table_of(object), where, assignments, n, qpy_job_options(job), &result, &err);
    Py_END_ALLOW_THREADS free(assignments);
    if (!qpy_job_finish(st, &err, job))
        return NULL;
    return Py_BuildValue("(KK)", (unsigned long long) result.version, (unsigned long long) result.rows_updated);
}

static int merge_options(PyObject *dict, qv_merge_options *out)
{
    return qpy_dict_flag(dict, "update_matched", &out->update_matched) != 0 ||
                   qpy_dict_text(dict, "update_if", &out->update_if) != 0 ||
                   qpy_dict_flag(dict, "insert_unmatched", &out->insert_unmatched) != 0 ||
                   qpy_dict_flag(dict, "delete_unmatched", &out->delete_unmatched) != 0 ||
                   qpy_dict_text(dict, "delete_if", &out->delete_if) != 0 ||
                   qpy_dict_flag(dict, "no_index", &out->no_index) != 0 ||
                   qpy_dict_u64(dict, "memory_limit_bytes", &out->memory_limit_bytes) != 0
               ? -1
               : 0;
}

static PyObject *merge_result(const qv_merge_result *r)
{
    return Py_BuildValue("(KKKKKI)", (unsigned long long) r->version, (unsigned long long) r->rows_updated,
                         (unsigned long long) r->rows_inserted, (unsigned long long) r->rows_deleted,
                         (unsigned long long) r->source_rows, (unsigned) r->attempts);
}

/* merge(stream, on, options, timeout=None) -> (version, updated, inserted, deleted, source rows, attempts) */
static PyObject *table_merge(PyObject *object, PyObject *args)
{
    qv_merge_options options = QV_MERGE_OPTIONS_INIT;
    PyObject *data, *on, *dict, *timeout = Py_None;
    struct ArrowArrayStream stream = { 0 };
    qv_merge_result result = { 0 };
    qpy_fault *fault = NULL;
    qpy_names names;
    qpy_job *job;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "OOO|O", &data, &on, &dict, &timeout) || merge_options(dict, &options) != 0 ||
        qpy_names_from(on, &names) != 0)
        return NULL;
    job = qpy_job_new(timeout, NULL, -1);
    if (job == NULL || qpy_stream_move(data, &stream, &fault) != 0) {
        qpy_job_unref(job);
        qpy_names_release(&names);
        return NULL;
    }
    options.on = names.names;
    options.n_on = names.n;
    options.job = *qpy_job_options(job);
    qpy_job_begin(job);
    Py_BEGIN_ALLOW_THREADS st = qv_table_merge(qpy_table_of(object), &stream, &options, &result, &err);
    Py_END_ALLOW_THREADS qpy_job_end(job);
    qpy_names_release(&names);
    if (st == QV_TIMEOUT)
        PyErr_SetString(PyExc_RuntimeError, "Runtime error: merge insert timed out");
    else if (st != QV_OK && !qpy_job_raise(job) && !qpy_fault_raise(fault))
        qpy_raise(&err);
    qpy_fault_unref(fault);
    qpy_job_unref(job);
    return st == QV_OK ? merge_result(&result) : NULL;
}

PyMethodDef qpy_change_methods[] = {
    { "delete", table_delete, METH_VARARGS, "delete(where, timeout=None) -> (version, rows)" },
    { "update", table_update, METH_VARARGS, "update(where, [(column, expression)], timeout=None) -> (version, rows)" },
    { "merge", table_merge, METH_VARARGS,
      "merge(stream, on, options, timeout=None) -> (version, updated, inserted, deleted, source rows, attempts)" },
    { NULL, NULL, 0, NULL },
};
