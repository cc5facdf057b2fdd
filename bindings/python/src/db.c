/* Db: a database handle. */
#include <string.h>

#include "qpy.h"

static PyTypeObject *db_type;

typedef struct db_object {
    PyObject_HEAD qv_db *db;
} db_object;

static qv_db *db_of(PyObject *object) { return ((db_object *) object)->db; }

static PyObject *db_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = { "uri", "read_only", NULL };
    qv_db_options options = QV_DB_OPTIONS_INIT;
    const char *uri;
    int read_only = 0;
    qv_db *db = NULL;
    qv_status st;
    qv_error err;
    db_object *self;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|p:Db", names, &uri, &read_only))
        return NULL;
    options.read_only = read_only;
    Py_BEGIN_ALLOW_THREADS st = qv_db_open(uri, &options, &db, &err);
    Py_END_ALLOW_THREADS if (st != QV_OK) return qpy_raise(&err);
    self = (db_object *) PyType_GenericAlloc(type, 0);
    if (self == NULL)
        qv_db_close(db);
    else
        self->db = db;
    return (PyObject *) self;
}

static void db_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    qv_db_close(db_of(object));
    PyObject_Free(object);
    Py_DecRef((PyObject *) type);
}

static PyObject *db_uri(PyObject *object, void *closure)
{
    (void) closure;
    return PyUnicode_FromString(qv_db_uri(db_of(object)));
}

static PyObject *db_table_names(PyObject *object, PyObject *args)
{
    const char *start_after = NULL;
    Py_ssize_t limit = 0;
    qv_names *names = NULL;
    PyObject *list;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "|zn", &start_after, &limit))
        return NULL;
    Py_BEGIN_ALLOW_THREADS st =
        qv_db_table_names(db_of(object), start_after, limit < 0 ? 0 : (size_t) limit, &names, &err);
    Py_END_ALLOW_THREADS if (st != QV_OK) return qpy_raise(&err);
    list = PyList_New((Py_ssize_t) names->n);
    for (size_t i = 0; list != NULL && i < names->n; i++) {
        PyObject *name = PyUnicode_FromString(names->names[i]);

        if (name == NULL || PyList_SetItem(list, (Py_ssize_t) i, name) != 0) {
            Py_DecRef(list);
            list = NULL;
        }
    }
    qv_names_free(names);
    return list;
}

/* create_table(name, mode, stream | None, schema | None, options, progress, total_rows) -> Table */
static PyObject *db_create_table(PyObject *object, PyObject *args)
{
    const char *name;
    int mode;
    PyObject *data, *want, *settings, *progress;
    long long total;
    qv_write_options options;
    struct ArrowArrayStream stream = { 0 };
    const struct ArrowSchema *schema = NULL;
    qpy_fault *fault = NULL;
    qpy_job *job;
    qv_table *table = NULL;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "siOOOOL", &name, &mode, &data, &want, &settings, &progress, &total))
        return NULL;
    if (want != Py_None && (schema = qpy_schema_of(want)) == NULL)
        return NULL;
    job = qpy_job_new(NULL, progress, total);
    if (job == NULL)
        return NULL;
    if (qpy_write_options(settings, job, &options) != 0 ||
        (data != Py_None && qpy_stream_move(data, &stream, &fault) != 0)) {
        qpy_job_unref(job);
        return NULL;
    }
    qpy_job_begin(job);
    Py_BEGIN_ALLOW_THREADS st = qv_db_create_table(db_of(object), name, (qv_create_mode) mode,
                                                   data == Py_None ? NULL : &stream, schema, &options, &table, &err);
    Py_END_ALLOW_THREADS qpy_job_end(job);
    if (st != QV_OK && !qpy_job_raise(job) && !qpy_fault_raise(fault))
        qpy_raise(&err);
    qpy_fault_unref(fault);
    qpy_job_unref(job);
    return st == QV_OK ? qpy_table_wrap(table) : NULL;
}

static PyObject *db_open_table(PyObject *object, PyObject *args)
{
    const char *name;
    unsigned long long version = 0;
    PyObject *number = NULL;
    qv_table *table = NULL;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "s|O!", &name, &PyLong_Type, &number))
        return NULL;
    if (number != NULL)
        version = PyLong_AsUnsignedLongLong(number);
    if (PyErr_Occurred())
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_db_open_table(db_of(object), name, version, &table, &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? qpy_table_wrap(table) : qpy_raise(&err);
}

static PyObject *db_drop_table(PyObject *object, PyObject *args)
{
    const char *name;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "s", &name))
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_db_drop_table(db_of(object), name, &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? Py_NewRef(Py_None) : qpy_raise(&err);
}

static PyObject *db_drop_all_tables(PyObject *object, PyObject *unused)
{
    qv_status st;
    qv_error err;

    (void) unused;
    Py_BEGIN_ALLOW_THREADS st = qv_db_drop_all_tables(db_of(object), &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? Py_NewRef(Py_None) : qpy_raise(&err);
}

/* ---------------------------------------------------------------- options of writes */

static PyObject *setting(PyObject *dict, const char *name)
{
    PyObject *value = PyDict_GetItemString(dict, name);

    return value == Py_None ? NULL : value;
}

int qpy_write_options(PyObject *dict, qpy_job *job, qv_write_options *out)
{
    static const char *const words[] = { "default", "none", "small" };
    PyObject *value;

    *out = (qv_write_options) QV_WRITE_OPTIONS_INIT;
    out->job = *qpy_job_options(job);
    if (!PyDict_Check(dict))
        return 0;
    if ((value = setting(dict, "file_version")) != NULL &&
        (out->file_version = PyUnicode_AsUTF8AndSize(value, NULL)) == NULL) /* the dict keeps the text */
        return -1;
    if ((value = setting(dict, "max_rows_per_file")) != NULL)
        out->max_rows_per_file = PyLong_AsUnsignedLongLong(value);
    if ((value = setting(dict, "stable_row_ids")) != NULL)
        out->stable_row_ids = PyObject_IsTrue(value) == 1;
    if ((value = setting(dict, "compression")) != NULL) {
        const char *word = PyUnicode_AsUTF8AndSize(value, NULL);
        int i = 0;

        while (word != NULL && i < 3 && strcmp(words[i], word) != 0)
            i++;
        if (i == 3)
            PyErr_Format(PyExc_ValueError, "compression %R is not known (known: default, none, small)", value);
        out->compression = (qv_compression) i;
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* ---------------------------------------------------------------- the class */

/* clone_table(name, uri, version, tag | None) -> Table */
static PyObject *db_clone_table(PyObject *object, PyObject *args)
{
    const char *name, *uri, *tag;
    unsigned long long version;
    qv_table *table = NULL;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "ssKz", &name, &uri, &version, &tag))
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_db_clone_table(db_of(object), name, uri, version, tag, &table, &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? qpy_table_wrap(table) : qpy_raise(&err);
}

static PyMethodDef db_methods[] = {
    { "table_names", db_table_names, METH_VARARGS, "table_names(start_after=None, limit=0)" },
    { "create_table", db_create_table, METH_VARARGS,
      "create_table(name, mode, stream, schema, options, progress, total_rows)\n\nmode 0: new, 1: or replace, 2: if "
      "absent." },
    { "open_table", db_open_table, METH_VARARGS, "open_table(name, version=0)" },
    { "clone_table", db_clone_table, METH_VARARGS, "clone_table(name, uri, version, tag) -> Table" },
    { "drop_table", db_drop_table, METH_VARARGS, "drop_table(name)" },
    { "drop_all_tables", db_drop_all_tables, METH_NOARGS, "drop_all_tables()" },
    { NULL, NULL, 0, NULL },
};
static PyGetSetDef db_getset[] = {
    { "uri", db_uri, NULL, "Absolute path, or the memory uri.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};
static PyType_Slot db_slots[] = {
    { Py_tp_new, db_new },
    { Py_tp_dealloc, db_dealloc },
    { Py_tp_methods, db_methods },
    { Py_tp_getset, db_getset },
    { Py_tp_doc, "Db(uri, read_only=False)\n\nA database: a folder of tables." },
    { 0, NULL },
};
static PyType_Spec db_spec = { "quiver._quiver.Db", sizeof(db_object), 0, Py_TPFLAGS_DEFAULT, db_slots };

int qpy_db_module_init(PyObject *module)
{
    db_type = (PyTypeObject *) PyType_FromSpec(&db_spec);
    return db_type == NULL ? -1 : PyModule_AddType(module, db_type);
}
