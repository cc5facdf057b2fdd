/* Reads of a table: scans, takes, searches, their plans, and counts under a condition. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "qpy.h"

/* ---------------------------------------------------------------- what all reads share */

/* What a read may say beyond columns and limits, out of a dict or None:
 * where, expressions (list of str or None, one per column), order_by ([(column, descending, nulls_first)]), no_index,
 * fast_search, postfilter. A search also: index, bypass_vector_index, min_probes, max_probes, ef, refine_factor, no_refine,
 * approx_mode, prefix_dims, binary_stage, stage_factor. The strings belong to the dict's objects. */
typedef struct qpy_extra {
    const char *where, *index;
    const char **expressions;
    qv_order *order_by;
    size_t n_order_by;
    bool no_index, fast_search, postfilter, bypass_vector_index, no_refine, binary_stage;
    uint32_t min_probes, max_probes, ef, refine_factor, approx_mode, prefix_dims, stage_factor;
} qpy_extra;

static void extra_release(qpy_extra *extra)
{
    free(extra->expressions);
    free(extra->order_by);
    memset(extra, 0, sizeof(*extra));
}

static int expressions_from(PyObject *list, qpy_extra *out)
{
    Py_ssize_t n = PyList_Size(list);

    if (n < 0)
        return -1;
    out->expressions = calloc((size_t) n + 1, sizeof(*out->expressions));
    if (out->expressions == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *text = PyList_GetItem(list, i);

        if (text != Py_None && (out->expressions[i] = qpy_text(text, "an expression")) == NULL)
            return -1;
    }
    return 0;
}

static int order_from(PyObject *list, qpy_extra *out)
{
    Py_ssize_t n = PyList_Size(list);

    if (n < 0)
        return -1;
    out->order_by = calloc((size_t) n + 1, sizeof(*out->order_by));
    if (out->order_by == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        int descending, nulls_first;

        if (!PyArg_ParseTuple(PyList_GetItem(list, i), "spp", &out->order_by[i].column, &descending, &nulls_first))
            return -1;
        out->order_by[i].descending = descending;
        out->order_by[i].nulls_first = nulls_first;
    }
    out->n_order_by = (size_t) n;
    return 0;
}

typedef enum extra_kind { EXTRA_FLAG, EXTRA_NUMBER, EXTRA_TEXT, EXTRA_EXPRESSIONS, EXTRA_ORDER } extra_kind;

static const struct extra_field {
    const char *name;
    const char *what; /* in the error of a text that is none */
    extra_kind kind;
    size_t at;
} extra_fields[] = {
    { "where", "a condition", EXTRA_TEXT, offsetof(qpy_extra, where) },
    { "index", "index", EXTRA_TEXT, offsetof(qpy_extra, index) },
    { "expressions", NULL, EXTRA_EXPRESSIONS, 0 },
    { "order_by", NULL, EXTRA_ORDER, 0 },
    { "min_probes", NULL, EXTRA_NUMBER, offsetof(qpy_extra, min_probes) },
    { "max_probes", NULL, EXTRA_NUMBER, offsetof(qpy_extra, max_probes) },
    { "ef", NULL, EXTRA_NUMBER, offsetof(qpy_extra, ef) },
    { "refine_factor", NULL, EXTRA_NUMBER, offsetof(qpy_extra, refine_factor) },
    { "approx_mode", NULL, EXTRA_NUMBER, offsetof(qpy_extra, approx_mode) },
    { "prefix_dims", NULL, EXTRA_NUMBER, offsetof(qpy_extra, prefix_dims) },
    { "stage_factor", NULL, EXTRA_NUMBER, offsetof(qpy_extra, stage_factor) },
    { "no_index", NULL, EXTRA_FLAG, offsetof(qpy_extra, no_index) },
    { "fast_search", NULL, EXTRA_FLAG, offsetof(qpy_extra, fast_search) },
    { "postfilter", NULL, EXTRA_FLAG, offsetof(qpy_extra, postfilter) },
    { "bypass_vector_index", NULL, EXTRA_FLAG, offsetof(qpy_extra, bypass_vector_index) },
    { "no_refine", NULL, EXTRA_FLAG, offsetof(qpy_extra, no_refine) },
    { "binary_stage", NULL, EXTRA_FLAG, offsetof(qpy_extra, binary_stage) },
};

static int take_extra(const struct extra_field *field, PyObject *value, qpy_extra *out)
{
    void *at = (char *) out + field->at;
    int truth;

    switch (field->kind) {
    case EXTRA_FLAG:
        truth = PyObject_IsTrue(value);
        *(bool *) at = truth == 1;
        return truth < 0 ? -1 : 0;
    case EXTRA_NUMBER:
        return qpy_u32_from(value, field->name, at);
    case EXTRA_TEXT:
        return (*(const char **) at = qpy_text(value, field->what)) == NULL ? -1 : 0;
    case EXTRA_EXPRESSIONS:
        return expressions_from(value, out);
    default:
        return order_from(value, out);
    }
}

/* What is there is looked at, not what could be: most searches say little. */
static int extra_from(PyObject *dict, qpy_extra *out)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;

    memset(out, 0, sizeof(*out));
    if (dict == Py_None)
        return 0;
    if (!PyDict_Check(dict)) {
        PyErr_SetString(PyExc_TypeError, "the options of a read must be a dict");
        return -1;
    }
    while (PyDict_Next(dict, &at, &key, &value)) {
        const char *name = qpy_text(key, "the name of an option");

        if (name == NULL) {
            extra_release(out);
            return -1;
        }
        for (size_t i = 0; value != Py_None && i < sizeof(extra_fields) / sizeof(*extra_fields); i++)
            if (strcmp(extra_fields[i].name, name) == 0 && take_extra(&extra_fields[i], value, out) != 0) {
                extra_release(out);
                return -1;
            }
    }
    return 0;
}

/* Names, extras and the watch over a read: taken from Python at its start, given back at its end. */
typedef struct read_call {
    qpy_names names;
    qpy_extra extra;
    qpy_job *job;
} read_call;

static void read_end(read_call *call)
{
    qpy_names_release(&call->names);
    extra_release(&call->extra);
}

static int read_begin(PyObject *columns, PyObject *extra, PyObject *timeout, read_call *out)
{
    memset(out, 0, sizeof(*out));
    if (qpy_names_from(columns, &out->names) != 0 || extra_from(extra, &out->extra) != 0 ||
        (out->job = qpy_job_new(timeout, NULL, -1)) == NULL) {
        read_end(out);
        return -1;
    }
    return 0;
}

static void fill_scan(const read_call *call, qv_scan_options *options)
{
    options->columns = call->names.names;
    options->n_columns = call->names.n;
    options->job = *qpy_job_options(call->job);
    options->where = call->extra.where;
    options->expressions = call->extra.expressions;
    options->order_by = call->extra.order_by;
    options->n_order_by = call->extra.n_order_by;
    options->no_index = call->extra.no_index;
    options->fast_search = call->extra.fast_search;
}

/* The exception of a read that failed. */
static PyObject *raise_read(qv_status st, const qv_error *err, qpy_job *job)
{
    if (st == QV_TIMEOUT)
        PyErr_Format(PyExc_RuntimeError, "Query timeout after %u ms: %s", (unsigned) qpy_job_options(job)->timeout_ms,
                     err->message);
    else if (!qpy_job_raise(job))
        qpy_raise(err);
    return NULL;
}

/* The stream of a read call, or the exception for its status. Takes the job. */
static PyObject *wrap_result(qv_status st, const qv_error *err, struct ArrowArrayStream *stream, qpy_job *job)
{
    if (st == QV_OK)
        return qpy_stream_wrap(stream, NULL, job);
    raise_read(st, err, job);
    qpy_job_unref(job);
    return NULL;
}

/* The text of a plan, or the exception. Takes the job. */
static PyObject *wrap_text(qv_status st, const qv_error *err, char *text, qpy_job *job)
{
    PyObject *result;

    if (st != QV_OK)
        raise_read(st, err, job);
    qpy_job_unref(job);
    if (st != QV_OK)
        return NULL;
    result = PyUnicode_FromString(text);
    qv_string_free(text);
    return result;
}

/* ---------------------------------------------------------------- counts */

/* count_where(where, timeout) -> int */
PyObject *qpy_table_count_where(PyObject *object, PyObject *args)
{
    const char *where;
    PyObject *timeout;
    uint64_t rows = 0;
    qpy_job *job;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "sO", &where, &timeout) || (job = qpy_job_new(timeout, NULL, -1)) == NULL)
        return NULL;
    qpy_job_begin(job);
    Py_BEGIN_ALLOW_THREADS st = qv_table_count_where(qpy_table_of(object), where, qpy_job_options(job), &rows, &err);
    Py_END_ALLOW_THREADS qpy_job_end(job);
    if (st != QV_OK)
        raise_read(st, &err, job);
    qpy_job_unref(job);
    return st == QV_OK ? PyLong_FromUnsignedLongLong(rows) : NULL;
}

/* expression_type(text) -> Schema of one field */
PyObject *qpy_table_expression_type(PyObject *object, PyObject *args)
{
    const char *text;
    struct ArrowSchema schema = { 0 };
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "s", &text))
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_table_expression_type(qpy_table_of(object), text, &schema, &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? qpy_schema_wrap(&schema) : qpy_raise(&err);
}

/* ---------------------------------------------------------------- scans */

static int scan_limits(PyObject *offset, PyObject *limit, qv_scan_options *options)
{
    options->offset = PyLong_AsUnsignedLongLong(offset);
    options->has_limit = limit != Py_None;
    if (options->has_limit && !PyErr_Occurred())
        options->limit = PyLong_AsUnsignedLongLong(limit);
    return PyErr_Occurred() ? -1 : 0;
}

/* scan(columns, offset, limit | None, with_row_id, with_row_address, batch_rows, timeout, extra | None, plan | None)
 * plan: (analyze, as_json): the text of the plan instead of a Stream. */
PyObject *qpy_table_scan(PyObject *object, PyObject *args)
{
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    PyObject *columns, *limit, *timeout, *extra = Py_None, *plan = Py_None, *offset;
    int with_row_id, with_row_address, analyze = 0, as_json = 0;
    struct ArrowArrayStream stream = { 0 };
    char *text = NULL;
    read_call call;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "OO!OppIO|OO", &columns, &PyLong_Type, &offset, &limit, &with_row_id, &with_row_address,
                          &options.batch_rows, &timeout, &extra, &plan))
        return NULL;
    if (plan != Py_None && !PyArg_ParseTuple(plan, "pp", &analyze, &as_json))
        return NULL;
    if (scan_limits(offset, limit, &options) != 0 || read_begin(columns, extra, timeout, &call) != 0)
        return NULL;
    fill_scan(&call, &options);
    options.with_row_id = with_row_id;
    options.with_row_address = with_row_address;
    if (plan == Py_None) {
        Py_BEGIN_ALLOW_THREADS st = qv_table_scan(qpy_table_of(object), &options, &stream, &err);
        Py_END_ALLOW_THREADS read_end(&call);
        return wrap_result(st, &err, &stream, call.job);
    }
    qpy_job_begin(call.job);
    Py_BEGIN_ALLOW_THREADS st = qv_table_explain_scan(
        qpy_table_of(object), &options, analyze ? QV_PLAN_ANALYZE : QV_PLAN_EXPLAIN, as_json, &text, &err);
    Py_END_ALLOW_THREADS qpy_job_end(call.job);
    read_end(&call);
    return wrap_text(st, &err, text, call.job);
}

/* ---------------------------------------------------------------- takes */

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

/* take(rows, by_row_id, in_order, columns, with_row_id, with_row_address, batch_rows, timeout, extra | None) -> Stream */
PyObject *qpy_table_take(PyObject *object, PyObject *args)
{
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    PyObject *list, *columns, *timeout, *extra = Py_None;
    int by_row_id, in_order, with_row_id, with_row_address;
    struct ArrowArrayStream stream = { 0 };
    uint64_t *rows;
    size_t n = 0;
    read_call call;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "OppOppIO|O", &list, &by_row_id, &in_order, &columns, &with_row_id, &with_row_address,
                          &options.batch_rows, &timeout, &extra))
        return NULL;
    rows = row_numbers(list, &n);
    if (rows == NULL)
        return NULL;
    if (read_begin(columns, extra, timeout, &call) != 0) {
        free(rows);
        return NULL;
    }
    fill_scan(&call, &options);
    options.with_row_id = with_row_id;
    options.with_row_address = with_row_address;
    qpy_job_begin(call.job);
    Py_BEGIN_ALLOW_THREADS st = qv_table_take(qpy_table_of(object), by_row_id ? QV_TAKE_ROW_IDS : QV_TAKE_OFFSETS, rows,
                                              n, in_order, &options, &stream, &err);
    Py_END_ALLOW_THREADS qpy_job_end(call.job);
    read_end(&call);
    free(rows);
    return wrap_result(st, &err, &stream, call.job);
}

/* ---------------------------------------------------------------- searches */

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

static void fill_search(const read_call *call, qv_search_options *options)
{
    options->columns = call->names.names;
    options->n_columns = call->names.n;
    options->job = *qpy_job_options(call->job);
    options->where = call->extra.where;
    options->postfilter = call->extra.postfilter;
    options->expressions = call->extra.expressions;
    options->no_index = call->extra.no_index;
    options->fast_search = call->extra.fast_search;
    options->order_by = call->extra.order_by;
    options->n_order_by = call->extra.n_order_by;
    options->index = call->extra.index;
    options->bypass_vector_index = call->extra.bypass_vector_index;
    options->min_probes = call->extra.min_probes;
    options->max_probes = call->extra.max_probes;
    options->ef = call->extra.ef;
    options->refine_factor = call->extra.refine_factor;
    options->no_refine = call->extra.no_refine;
    options->approx_mode = (qv_approx_mode) call->extra.approx_mode;
    options->prefix_dims = call->extra.prefix_dims;
    options->binary_stage = call->extra.binary_stage;
    options->stage_factor = call->extra.stage_factor;
}

/* The plain arguments of a search. */
typedef struct search_call {
    PyObject *query, *lower, *upper, *columns, *timeout, *extra, *plan, *offset;
    int metric, with_row_id, with_row_address, query_index, as_rows, analyze, as_json;
    Py_ssize_t k;
    qpy_vectors vectors;
    read_call read;
} search_call;

static int parse_search(PyObject *args, search_call *s, qv_search_options *options)
{
    if (!PyArg_ParseTuple(args, "OzinO!OOOpppOOOp", &s->query, &options->vector_column, &s->metric, &s->k, &PyLong_Type,
                          &s->offset, &s->lower, &s->upper, &s->columns, &s->with_row_id, &s->with_row_address,
                          &s->query_index, &s->timeout, &s->extra, &s->plan, &s->as_rows))
        return -1;
    if (s->plan != Py_None && !PyArg_ParseTuple(s->plan, "pp", &s->analyze, &s->as_json))
        return -1;
    if (s->k < 0 || s->k > (Py_ssize_t) UINT32_MAX) {
        PyErr_Format(PyExc_OverflowError, "limit %zd is out of range", s->k);
        return -1;
    }
    options->offset = PyLong_AsUnsignedLongLong(s->offset);
    if (PyErr_Occurred() || bound(s->lower, &options->has_lower, &options->lower_bound) != 0 ||
        bound(s->upper, &options->has_upper, &options->upper_bound) != 0 ||
        qpy_vectors_from(s->query, &s->vectors) != 0)
        return -1;
    if (read_begin(s->columns, s->extra, s->timeout, &s->read) != 0) {
        qpy_vectors_release(&s->vectors);
        return -1;
    }
    fill_search(&s->read, options);
    options->metric = (qv_metric) s->metric;
    options->k = (uint32_t) s->k;
    options->with_row_id = s->with_row_id;
    options->with_row_address = s->with_row_address;
    options->query_index = s->query_index;
    if (has_nan(&s->vectors.vectors))
        never(&s->vectors, options);
    return 0;
}

/* search(query, column | None, metric, k, offset, lower, upper, columns, with_row_id, with_row_address, query_index, timeout,
 * extra | None, plan | None, as_rows) -> Stream, the text of the plan, or the rows as a list of dicts: then in one go, since for
 * small tables the way out costs as much as the search. */
PyObject *qpy_table_search(PyObject *object, PyObject *args)
{
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;
    struct ArrowArrayStream stream = { 0 };
    search_call call = { 0 };
    qpy_answer answer = { 0 };
    char *text = NULL;
    qv_status st;
    qv_error err;

    if (parse_search(args, &call, &options) != 0)
        return NULL;
    qpy_job *job = call.read.job;
    bool explain = call.plan != Py_None;
    qpy_job_begin(job);
    Py_BEGIN_ALLOW_THREADS st =
        explain ? qv_table_explain_search(qpy_table_of(object), &call.vectors.vectors, &options,
                                          call.analyze ? QV_PLAN_ANALYZE : QV_PLAN_EXPLAIN, call.as_json, &text, &err)
                : qv_table_search(qpy_table_of(object), &call.vectors.vectors, &options, &stream, &err);
    if (st == QV_OK && call.as_rows && !explain)
        qpy_answer_load(&stream, &answer);
    Py_END_ALLOW_THREADS qpy_job_end(job);
    qpy_vectors_release(&call.vectors);
    read_end(&call.read);
    if (explain)
        return wrap_text(st, &err, text, job);
    return st == QV_OK && call.as_rows ? qpy_answer_rows(&stream, &answer, job) : wrap_result(st, &err, &stream, job);
}
