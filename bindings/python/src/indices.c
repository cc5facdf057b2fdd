/* Indices, and facts about the layout. */
#include <string.h>

#include "qpy.h"

static int vector_options(PyObject *dict, qv_index_options *out)
{
    uint64_t metric = 0;

    if (qpy_dict_u64(dict, "metric", &metric) != 0 || qpy_dict_u32(dict, "num_partitions", &out->num_partitions) != 0 ||
        qpy_dict_u64(dict, "target_partition_size", &out->target_partition_size) != 0 ||
        qpy_dict_u32(dict, "num_sub_vectors", &out->num_sub_vectors) != 0 ||
        qpy_dict_u32(dict, "num_bits", &out->num_bits) != 0 ||
        qpy_dict_u32(dict, "max_iterations", &out->max_iterations) != 0 ||
        qpy_dict_u32(dict, "sample_rate", &out->sample_rate) != 0 || qpy_dict_u32(dict, "hnsw_m", &out->hnsw_m) != 0 ||
        qpy_dict_u32(dict, "hnsw_ef_construction", &out->hnsw_ef_construction) != 0 ||
        qpy_dict_u64(dict, "seed", &out->seed) != 0)
        return -1;
    out->metric = (qv_metric) metric;
    return 0;
}

static int index_options(PyObject *dict, qv_index_options *out)
{
    uint64_t kind = 0, json_kind = 0;

    if (qpy_dict_u64(dict, "kind", &kind) != 0 || qpy_dict_text(dict, "name", &out->name) != 0 ||
        qpy_dict_flag(dict, "keep_existing", &out->keep_existing) != 0 ||
        qpy_dict_flag(dict, "untrained", &out->untrained) != 0 ||
        qpy_dict_text(dict, "json_path", &out->json_path) != 0 || qpy_dict_u64(dict, "json_kind", &json_kind) != 0 ||
        qpy_dict_u64(dict, "rows_per_zone", &out->rows_per_zone) != 0 ||
        qpy_dict_u64(dict, "memory_limit_bytes", &out->memory_limit_bytes) != 0 || vector_options(dict, out) != 0)
        return -1;
    out->kind = (qv_index_kind) kind;
    out->json_kind = (qv_index_kind) json_kind;
    return 0;
}

/* create_index(column, options) */
static PyObject *create_index(PyObject *object, PyObject *args)
{
    qv_index_options options = QV_INDEX_OPTIONS_INIT;
    const char *column;
    PyObject *dict;
    qpy_job *job;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "sO", &column, &dict) || index_options(dict, &options) != 0 ||
        (job = qpy_job_new(NULL, NULL, -1)) == NULL)
        return NULL;
    options.job = *qpy_job_options(job);
    qpy_job_begin(job);
    Py_BEGIN_ALLOW_THREADS st = qv_table_create_index(qpy_table_of(object), column, &options, &err);
    Py_END_ALLOW_THREADS return qpy_job_finish(st, &err, job) ? Py_NewRef(Py_None) : NULL;
}

static PyObject *drop_index(PyObject *object, PyObject *args)
{
    const char *name;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "s", &name))
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_table_drop_index(qpy_table_of(object), name, &err);
    Py_END_ALLOW_THREADS return qpy_none_or_raise(st, &err);
}

static PyObject *indices(PyObject *object, PyObject *unused)
{
    char *json = NULL;
    qv_status st;
    qv_error err;

    (void) unused;
    Py_BEGIN_ALLOW_THREADS st = qv_table_indices(qpy_table_of(object), &json, &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? qpy_take_string(json) : qpy_raise(&err);
}

static PyObject *index_stats(PyObject *object, PyObject *args)
{
    const char *name;
    char *json = NULL;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "s", &name))
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_table_index_stats(qpy_table_of(object), name, &json, &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? qpy_take_string(json) : qpy_raise(&err);
}

/* wait_for_index([name], milliseconds) */
static PyObject *wait_for_index(PyObject *object, PyObject *args)
{
    PyObject *list;
    unsigned long long ms;
    qpy_names names;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "OK", &list, &ms) || qpy_names_from(list, &names) != 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_table_wait_for_index(qpy_table_of(object), names.names, names.n, ms, &err);
    Py_END_ALLOW_THREADS qpy_names_release(&names);
    return qpy_none_or_raise(st, &err);
}

static PyObject *prewarm_index(PyObject *object, PyObject *args)
{
    const char *name;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "s", &name))
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_table_prewarm_index(qpy_table_of(object), name, &err);
    Py_END_ALLOW_THREADS return qpy_none_or_raise(st, &err);
}

/* optimize_indices(names | None, merge_segments, retrain) -> version or 0 */
static PyObject *optimize_indices(PyObject *object, PyObject *args)
{
    qv_index_merge_options options = QV_INDEX_MERGE_OPTIONS_INIT;
    PyObject *list;
    long long merge;
    int retrain;
    uint64_t version = 0;
    qpy_names names;
    qpy_job *job;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "OLp", &list, &merge, &retrain) || qpy_names_from(list, &names) != 0)
        return NULL;
    if ((job = qpy_job_new(NULL, NULL, -1)) == NULL) {
        qpy_names_release(&names);
        return NULL;
    }
    options.names = names.names;
    options.n_names = names.n;
    options.merge_segments = merge;
    options.retrain = retrain;
    options.job = *qpy_job_options(job);
    qpy_job_begin(job);
    Py_BEGIN_ALLOW_THREADS st = qv_table_optimize_indices(qpy_table_of(object), &options, &version, &err);
    Py_END_ALLOW_THREADS qpy_names_release(&names);
    return qpy_job_finish(st, &err, job) ? PyLong_FromUnsignedLongLong(version) : NULL;
}

/* stats() -> JSON */
static PyObject *stats(PyObject *object, PyObject *unused)
{
    char *json = NULL;
    qv_status st;
    qv_error err;

    (void) unused;
    Py_BEGIN_ALLOW_THREADS st = qv_table_stats(qpy_table_of(object), &json, &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? qpy_take_string(json) : qpy_raise(&err);
}

PyMethodDef qpy_index_methods[] = {
    { "create_index", create_index, METH_VARARGS, "create_index(column, options)" },
    { "drop_index", drop_index, METH_VARARGS, "drop_index(name)" },
    { "indices", indices, METH_NOARGS, "indices() -> JSON" },
    { "index_stats", index_stats, METH_VARARGS, "index_stats(name) -> JSON" },
    { "wait_for_index", wait_for_index, METH_VARARGS, "wait_for_index([name], milliseconds)" },
    { "prewarm_index", prewarm_index, METH_VARARGS, "prewarm_index(name)" },
    { "optimize_indices", optimize_indices, METH_VARARGS,
      "optimize_indices(names, merge_segments, retrain) -> version or 0" },
    { "stats", stats, METH_NOARGS, "stats() -> JSON" },
    { NULL, NULL, 0, NULL },
};
