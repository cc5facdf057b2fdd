/* The care of a table's layout: compaction and clean-up. */
#include "qpy.h"

/* After a long call: what it raised. Takes the job. */
static bool finish(qv_status st, const qv_error *err, qpy_job *job)
{
    qpy_job_end(job);
    if (st != QV_OK && !qpy_job_raise(job))
        qpy_raise(err);
    qpy_job_unref(job);
    return st == QV_OK;
}

static int cleanup_options(PyObject *dict, qv_cleanup_options *out)
{
    PyObject *age = PyDict_GetItemString(dict, "older_than_s");

    if (age != NULL && age != Py_None) {
        out->older_than_s = PyLong_AsLongLong(age);
        if (PyErr_Occurred())
            return -1;
    }
    return qpy_dict_u64(dict, "retain_versions", &out->retain_versions) != 0 ||
                   qpy_dict_flag(dict, "delete_unverified", &out->delete_unverified) != 0 ||
                   qpy_dict_flag(dict, "error_if_tagged", &out->error_if_tagged) != 0
               ? -1
               : 0;
}

static PyObject *cleanup_dict(const qv_cleanup_result *r)
{
    return Py_BuildValue("{sKsKsKsKsKsK}", "bytes_removed", (unsigned long long) r->bytes_removed, "old_versions",
                         (unsigned long long) r->versions_removed, "data_files_removed",
                         (unsigned long long) r->data_files_removed, "transaction_files_removed",
                         (unsigned long long) r->transaction_files_removed, "index_files_removed",
                         (unsigned long long) r->index_files_removed, "deletion_files_removed",
                         (unsigned long long) r->deletion_files_removed);
}

/* cleanup(options) -> dict */
static PyObject *cleanup(PyObject *object, PyObject *dict)
{
    qv_cleanup_options options = QV_CLEANUP_OPTIONS_INIT;
    qv_cleanup_result result = { 0 };
    qpy_job *job;
    qv_status st;
    qv_error err;

    if (cleanup_options(dict, &options) != 0 || (job = qpy_job_new(NULL, NULL, -1)) == NULL)
        return NULL;
    options.job = *qpy_job_options(job);
    qpy_job_begin(job);
    Py_BEGIN_ALLOW_THREADS st = qv_table_cleanup(qpy_table_of(object), &options, &result, &err);
    Py_END_ALLOW_THREADS return finish(st, &err, job) ? cleanup_dict(&result) : NULL;
}

PyMethodDef qpy_layout_methods[] = {
    { "cleanup", cleanup, METH_O, "cleanup(options) -> dict" },
    { NULL, NULL, 0, NULL },
};
