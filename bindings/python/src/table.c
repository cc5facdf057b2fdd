/* Table: a handle that sees one version of a table. */
#include <math.h>
#include <string.h>

#include "qpy.h"

static PyTypeObject *table_type;

typedef struct table_object {
    PyObject_HEAD qv_table *table;
} table_object;

static qv_table *table_of(PyObject *object) { return ((table_object *) object)->table; }

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

    qv_table_close(table_of(object));
    PyObject_Free(object);
    Py_DecRef((PyObject *) type);
}

/* ---------------------------------------------------------------- facts */

static PyObject *table_name(PyObject *object, void *closure)
{
    (void) closure;
    return PyUnicode_FromString(qv_table_name(table_of(object)));
}

static PyObject *table_uri(PyObject *object, void *closure)
{
    (void) closure;
    return PyUnicode_FromString(qv_table_uri(table_of(object)));
}

static PyObject *table_version(PyObject *object, void *closure)
{
    (void) closure;
    return PyLong_FromUnsignedLongLong(qv_table_version(table_of(object)));
}

static PyObject *table_schema(PyObject *object, PyObject *unused)
{
    struct ArrowSchema schema = { 0 };
    qv_status st;
    qv_error err;

    (void) unused;
    Py_BEGIN_ALLOW_THREADS st = qv_table_schema(table_of(object), &schema, &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? qpy_schema_wrap(&schema) : qpy_raise(&err);
}

static PyObject *table_count_rows(PyObject *object, PyObject *unused)
{
    uint64_t rows = 0;
    qv_status st;
    qv_error err;

    (void) unused;
    Py_BEGIN_ALLOW_THREADS st = qv_table_count_rows(table_of(object), &rows, &err);
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
    Py_BEGIN_ALLOW_THREADS st = qv_table_versions(table_of(object), &versions, &n, &err);
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

/* tags() -> [(name, version)] */
static PyObject *table_tags(PyObject *object, PyObject *unused)
{
    qv_tags *tags = NULL;
    PyObject *list;
    qv_status st;
    qv_error err;

    (void) unused;
    Py_BEGIN_ALLOW_THREADS st = qv_table_tags(table_of(object), &tags, &err);
    Py_END_ALLOW_THREADS if (st != QV_OK) return qpy_raise(&err);
    list = PyList_New((Py_ssize_t) tags->n);
    for (size_t i = 0; list != NULL && i < tags->n; i++) {
        PyObject *one = Py_BuildValue("(sK)", tags->tags[i].name, (unsigned long long) tags->tags[i].version);

        if (one == NULL || PyList_SetItem(list, (Py_ssize_t) i, one) != 0) {
            Py_DecRef(list);
            list = NULL;
        }
    }
    qv_tags_free(tags);
    return list;
}

static PyObject *table_checkout(PyObject *object, PyObject *number)
{
    unsigned long long version = PyLong_AsUnsignedLongLong(number);
    qv_status st;
    qv_error err;

    if (PyErr_Occurred())
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_table_checkout(table_of(object), version, &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? Py_NewRef(Py_None) : qpy_raise(&err);
}

static PyObject *table_checkout_latest(PyObject *object, PyObject *unused)
{
    qv_status st;
    qv_error err;

    (void) unused;
    Py_BEGIN_ALLOW_THREADS st = qv_table_checkout_latest(table_of(object), &err);
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
        qv_table_write(table_of(object), overwrite ? QV_OVERWRITE : QV_APPEND, &stream, &options, &result, &err);
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

/* ---------------------------------------------------------------- reading */

/* The stream of a read call, or the exception for its status. Takes the job. */
static PyObject *wrap_result(qv_status st, const qv_error *err, struct ArrowArrayStream *stream, qpy_job *job)
{
    if (st == QV_OK)
        return qpy_stream_wrap(stream, NULL, job);
    if (st == QV_TIMEOUT)
        PyErr_Format(PyExc_RuntimeError, "Query timeout after %u ms: %s", (unsigned) qpy_job_options(job)->timeout_ms,
                     err->message);
    else if (!qpy_job_raise(job))
        qpy_raise(err);
    qpy_job_unref(job);
    return NULL;
}

/* scan(columns, offset, limit | None, with_row_id, with_row_address, batch_rows, timeout) -> Stream */
static PyObject *table_scan(PyObject *object, PyObject *args)
{
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    PyObject *columns, *limit, *timeout;
    int with_row_id, with_row_address;
    unsigned int batch_rows;
    PyObject *offset;
    struct ArrowArrayStream stream = { 0 };
    qpy_names names;
    qpy_job *job;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "OO!OppIO", &columns, &PyLong_Type, &offset, &limit, &with_row_id, &with_row_address,
                          &batch_rows, &timeout))
        return NULL;
    options.offset = PyLong_AsUnsignedLongLong(offset);
    options.has_limit = limit != Py_None;
    if (options.has_limit && !PyErr_Occurred())
        options.limit = PyLong_AsUnsignedLongLong(limit);
    if (PyErr_Occurred() || qpy_names_from(columns, &names) != 0)
        return NULL;
    if ((job = qpy_job_new(timeout, NULL, -1)) == NULL) {
        qpy_names_release(&names);
        return NULL;
    }
    options.columns = names.names;
    options.n_columns = names.n;
    options.with_row_id = with_row_id;
    options.with_row_address = with_row_address;
    options.batch_rows = batch_rows;
    options.job = *qpy_job_options(job);
    Py_BEGIN_ALLOW_THREADS st = qv_table_scan(table_of(object), &options, &stream, &err);
    Py_END_ALLOW_THREADS qpy_names_release(&names);
    return wrap_result(st, &err, &stream, job);
}

/* list of int -> array; negative numbers are OverflowError. */
static uint64_t *row_numbers(PyObject *list, size_t *n)
{
    Py_ssize_t size = PySequence_Size(list);
    uint64_t *rows = size < 0 ? NULL : malloc(((size_t) size + 1) * sizeof(*rows));

    if (rows == NULL) {
        if (size >= 0)
            PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        PyObject *item = PySequence_GetItem(list, i), *index = item == NULL ? NULL : PyNumber_Index(item);

        rows[i] = index == NULL ? 0 : PyLong_AsUnsignedLongLong(index);
        Py_DecRef(item);
        Py_DecRef(index);
        if (PyErr_Occurred()) {
            free(rows);
            return NULL;
        }
    }
    *n = (size_t) size;
    return rows;
}

/* take(rows, by_row_id, in_order, columns, with_row_id, with_row_address, batch_rows, timeout) -> Stream */
static PyObject *table_take(PyObject *object, PyObject *args)
{
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    PyObject *list, *columns, *timeout;
    int by_row_id, in_order, with_row_id, with_row_address;
    struct ArrowArrayStream stream = { 0 };
    uint64_t *rows;
    size_t n = 0;
    qpy_names names;
    qpy_job *job;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "OppOppIO", &list, &by_row_id, &in_order, &columns, &with_row_id, &with_row_address,
                          &options.batch_rows, &timeout))
        return NULL;
    rows = row_numbers(list, &n);
    if (rows == NULL)
        return NULL;
    job = qpy_names_from(columns, &names) != 0 ? NULL : qpy_job_new(timeout, NULL, -1);
    if (job == NULL) {
        free(rows);
        return NULL;
    }
    options.columns = names.names;
    options.n_columns = names.n;
    options.with_row_id = with_row_id;
    options.with_row_address = with_row_address;
    options.job = *qpy_job_options(job);
    qpy_job_begin(job);
    Py_BEGIN_ALLOW_THREADS st = qv_table_take(table_of(object), by_row_id ? QV_TAKE_ROW_IDS : QV_TAKE_OFFSETS, rows, n,
                                              in_order, &options, &stream, &err);
    Py_END_ALLOW_THREADS qpy_job_end(job);
    qpy_names_release(&names);
    free(rows);
    return wrap_result(st, &err, &stream, job);
}

static int bound(PyObject *object, bool *has, float *out)
{
    double value;

    *has = object != Py_None;
    if (!*has)
        return 0;
    value = PyFloat_AsDouble(object);
    *out = (float) value;
    return value == -1.0 && PyErr_Occurred() ? -1 : 0;
}

/* One vector with NaN finds nothing: the same search below every distance. */
static void never(qpy_vectors *query, qv_search_options *options)
{
    options->has_upper = true;
    options->upper_bound = -INFINITY;
    options->has_lower = false;
    if (query->owned == NULL)
        query->owned = calloc(query->vectors.dim + 1, sizeof(double));
    else
        memset(query->owned, 0, query->vectors.dim * sizeof(double));
    query->vectors.data = query->owned;
    query->vectors.element = QV_ELEMENT_F64;
    for (size_t i = 0; query->owned != NULL && i < query->vectors.dim; i++)
        ((double *) query->owned)[i] = 1.0;
}

static bool has_nan(const qv_vectors *vectors)
{
    const double *d = vectors->data;
    const float *f = vectors->data;

    if (vectors->n != 1)
        return false;
    for (size_t i = 0; i < vectors->dim; i++) {
        if (vectors->element == QV_ELEMENT_F64 ? isnan(d[i]) : vectors->element == QV_ELEMENT_F32 && isnan(f[i]))
            return true;
    }
    return false;
}

/* search(query, column | None, metric, k, offset, lower, upper, columns, with_row_id, with_row_address, query_index, timeout) */
static PyObject *table_search(PyObject *object, PyObject *args)
{
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;
    PyObject *query, *lower, *upper, *columns, *timeout;
    int metric, with_row_id, with_row_address, query_index;
    Py_ssize_t k;
    PyObject *offset;
    struct ArrowArrayStream stream = { 0 };
    qpy_vectors vectors;
    qpy_names names;
    qpy_job *job = NULL;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "OzinO!OOOpppO", &query, &options.vector_column, &metric, &k, &PyLong_Type, &offset,
                          &lower, &upper, &columns, &with_row_id, &with_row_address, &query_index, &timeout))
        return NULL;
    if (k < 0 || k > (Py_ssize_t) UINT32_MAX) {
        PyErr_Format(PyExc_OverflowError, "limit %zd is out of range", k);
        return NULL;
    }
    options.offset = PyLong_AsUnsignedLongLong(offset);
    if (PyErr_Occurred())
        return NULL;
    if (bound(lower, &options.has_lower, &options.lower_bound) != 0 ||
        bound(upper, &options.has_upper, &options.upper_bound) != 0 || qpy_vectors_from(query, &vectors) != 0)
        return NULL;
    if (qpy_names_from(columns, &names) != 0 || (job = qpy_job_new(timeout, NULL, -1)) == NULL) {
        qpy_vectors_release(&vectors);
        qpy_names_release(&names);
        return NULL;
    }
    if (has_nan(&vectors.vectors))
        never(&vectors, &options);
    options.metric = (qv_metric) metric;
    options.k = (uint32_t) k;
    options.columns = names.names;
    options.n_columns = names.n;
    options.with_row_id = with_row_id;
    options.with_row_address = with_row_address;
    options.query_index = query_index;
    options.job = *qpy_job_options(job);
    qpy_job_begin(job);
    Py_BEGIN_ALLOW_THREADS st = qv_table_search(table_of(object), &vectors.vectors, &options, &stream, &err);
    Py_END_ALLOW_THREADS qpy_job_end(job);
    qpy_vectors_release(&vectors);
    qpy_names_release(&names);
    return wrap_result(st, &err, &stream, job);
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
        qv_table_verify(table_of(object), on_problem, problems, qpy_job_options(job), &report, &err);
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
    Py_BEGIN_ALLOW_THREADS st = qv_table_describe(table_of(object), path, &json, &err);
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
    { "tags", table_tags, METH_NOARGS, "tags() -> [(name, version)]" },
    { "checkout", table_checkout, METH_O, "checkout(version)" },
    { "checkout_latest", table_checkout_latest, METH_NOARGS, "checkout_latest()" },
    { "write", table_write, METH_VARARGS,
      "write(stream, overwrite, options, progress, total_rows) -> (version, rows, bytes)" },
    { "scan", table_scan, METH_VARARGS,
      "scan(columns, offset, limit, with_row_id, with_row_address, batch_rows, timeout) -> Stream" },
    { "take", table_take, METH_VARARGS,
      "take(rows, by_row_id, in_order, columns, with_row_id, with_row_address, batch_rows, timeout) -> Stream" },
    { "search", table_search, METH_VARARGS,
      "search(query, column, metric, k, offset, lower, upper, columns, with_row_id, with_row_address, query_index, "
      "timeout) "
      "-> Stream" },
    { "verify", table_verify, METH_VARARGS, "verify(progress=None) -> (files, bytes, rows, [(object, problem)])" },
    { "describe", table_describe, METH_VARARGS, "describe(path=None) -> JSON" },
    { NULL, NULL, 0, NULL },
};
static PyGetSetDef table_getset[] = {
    { "name", table_name, NULL, "Name in the database.", NULL },
    { "uri", table_uri, NULL, "Where the table lies.", NULL },
    { "version", table_version, NULL, "The version that this handle sees.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};
static PyType_Slot table_slots[] = {
    { Py_tp_dealloc, table_dealloc },
    { Py_tp_methods, table_methods },
    { Py_tp_getset, table_getset },
    { Py_tp_doc, "A handle on one table." },
    { 0, NULL },
};
static PyType_Spec table_spec = { "quiver._quiver.Table", sizeof(table_object), 0,
                                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, table_slots };

int qpy_table_module_init(PyObject *module)
{
    table_type = (PyTypeObject *) PyType_FromSpec(&table_spec);
    return table_type == NULL ? -1 : PyModule_AddType(module, table_type);
}
