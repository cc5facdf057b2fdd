/* The care of a table's layout: compaction and clean-up. */
#include "qpy.h"

static int compact_options(PyObject *dict, qv_compact_options *out)
{
    PyObject *share = PyDict_GetItemString(dict, "max_deleted_share");

    if (share != NULL && share != Py_None) {
        out->max_deleted_share = PyFloat_AsDouble(share);
        if (PyErr_Occurred())
            return -1;
    }
    return qpy_dict_u64(dict, "target_rows", &out->target_rows) != 0 ||
                   qpy_dict_u64(dict, "max_bytes_per_file", &out->max_bytes_per_file) != 0 ||
                   qpy_dict_flag(dict, "defer_index_remap", &out->defer_index_remap) != 0 ||
                   qpy_dict_flag(dict, "no_binary_copy", &out->no_binary_copy) != 0
               ? -1
               : 0;
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

static PyObject *compact_dict(const qv_compact_result *r)
{
    return Py_BuildValue(
        "{sKsKsKsKsKsKsK}", "version", (unsigned long long) r->version, "fragments_removed",
        (unsigned long long) r->fragments_removed, "fragments_added", (unsigned long long) r->fragments_added,
        "files_removed", (unsigned long long) r->files_removed, "files_added", (unsigned long long) r->files_added,
        "bytes_before", (unsigned long long) r->bytes_before, "bytes_after", (unsigned long long) r->bytes_after);
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

/* compact(options) -> dict */
static PyObject *compact(PyObject *object, PyObject *dict)
{
    qv_compact_options options = QV_COMPACT_OPTIONS_INIT;
    qv_compact_result result = { 0 };
    qpy_job *job;
    qv_status st;
    qv_error err;

    if (compact_options(dict, &options) != 0 || (job = qpy_job_new(NULL, NULL, -1)) == NULL)
        return NULL;
    options.job = *qpy_job_options(job);
    qpy_job_begin(job);
    Py_BEGIN_ALLOW_THREADS st = qv_table_compact(qpy_table_of(object), &options, &result, &err);
    Py_END_ALLOW_THREADS return qpy_job_finish(st, &err, job) ? compact_dict(&result) : NULL;
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
    Py_END_ALLOW_THREADS return qpy_job_finish(st, &err, job) ? cleanup_dict(&result) : NULL;
}

/* optimize(compact options, cleanup options) -> (compaction dict, cleanup dict, version of the indices or 0) */
static PyObject *optimize(PyObject *object, PyObject *args)
{
    qv_compact_options compact_opts = QV_COMPACT_OPTIONS_INIT;
    qv_cleanup_options cleanup_opts = QV_CLEANUP_OPTIONS_INIT;
    qv_optimize_result result = { 0 };
    PyObject *first, *second;
    qpy_job *job;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "OO", &first, &second) || compact_options(first, &compact_opts) != 0 ||
        cleanup_options(second, &cleanup_opts) != 0 || (job = qpy_job_new(NULL, NULL, -1)) == NULL)
        return NULL;
    qpy_job_begin(job);
    Py_BEGIN_ALLOW_THREADS st =
        qv_table_optimize(qpy_table_of(object), &compact_opts, &cleanup_opts, qpy_job_options(job), &result, &err);
    Py_END_ALLOW_THREADS if (!qpy_job_finish(st, &err, job)) return NULL;
    return Py_BuildValue("(NNK)", compact_dict(&result.compaction), cleanup_dict(&result.cleanup),
                         (unsigned long long) result.indices_version);
}

PyMethodDef qpy_layout_methods[] = {
    { "compact", compact, METH_O, "compact(options) -> dict" },
    { "cleanup", cleanup, METH_O, "cleanup(options) -> dict" },
    { "optimize", optimize, METH_VARARGS,
      "optimize(compact options, cleanup options) -> (compaction, cleanup, version of the indices or 0)" },
    { NULL, NULL, 0, NULL },
};
