/* quiver._quiver: the engine's handles and Arrow streams for the package around it. */
#include "qpy.h"

static PyObject *module_simd_level(PyObject *module, PyObject *unused)
{
    (void) module;
    (void) unused;
    return PyUnicode_FromString(qv_simd_level());
}

static PyObject *module_set_threads(PyObject *module, PyObject *number)
{
    unsigned long n = PyLong_AsUnsignedLong(number);

    (void) module;
    if (PyErr_Occurred())
        return NULL;
    qv_set_threads((unsigned) n);
    return Py_NewRef(Py_None);
}

static PyObject *module_memory(PyObject *module, PyObject *unused)
{
    qv_memory_stats stats = qv_memory();

    (void) module;
    (void) unused;
    return Py_BuildValue("(nnn)", (Py_ssize_t) stats.live_bytes, (Py_ssize_t) stats.peak_bytes,
                         (Py_ssize_t) stats.live_blocks);
}

static PyObject *module_ipc_read(PyObject *module, PyObject *args)
{
    const char *path;
    struct ArrowArrayStream stream = { 0 };
    qv_status st;
    qv_error err;

    (void) module;
    if (!PyArg_ParseTuple(args, "s", &path))
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_ipc_read(path, &stream, &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? qpy_stream_wrap(&stream, NULL, NULL) : qpy_raise(&err);
}

static PyObject *module_sql_functions(PyObject *module, PyObject *unused)
{
    (void) module;
    (void) unused;
    return PyUnicode_FromString(qv_sql_functions());
}

static PyMethodDef module_methods[] = {
    { "sql_functions", module_sql_functions, METH_NOARGS, "sql_functions() -> JSON" },
    { "stream_of_rows", qpy_stream_of_rows, METH_VARARGS, "stream_of_rows(rows, schema=None) -> Stream" },
    { "import_stream", qpy_stream_import, METH_O, "import_stream(object) -> Stream" },
    { "stream_of_iterator", qpy_stream_of_iterator, METH_VARARGS, "stream_of_iterator(iterator, schema) -> Stream" },
    { "vector_stats", qpy_vector_stats, METH_VARARGS,
      "vector_stats(stream, column) -> (most frequent length, rows not null, least item, greatest item) of the first "
      "batch" },
    { "vector_stream", qpy_vector_stream, METH_VARARGS,
      "vector_stream(stream, [(column, item format, dimension, action)], fill) -> Stream" },
    { "ipc_read", module_ipc_read, METH_VARARGS, "ipc_read(path) -> Stream over an Arrow IPC file" },
    { "simd_level", module_simd_level, METH_NOARGS, "simd_level() -> the instruction set in use" },
    { "set_threads", module_set_threads, METH_O, "set_threads(n): threads of the shared pool; 0 restores the default" },
    { "memory", module_memory, METH_NOARGS, "memory() -> (live bytes, peak bytes, live blocks) that the engine holds" },
    { NULL, NULL, 0, NULL },
};

static struct PyModuleDef module_def = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "quiver._quiver",
    .m_doc = "The engine, as the package around it needs it.",
    .m_size = -1,
    .m_methods = module_methods,
};

PyMODINIT_FUNC PyInit__quiver(void);

PyMODINIT_FUNC PyInit__quiver(void)
{
    PyObject *module = PyModule_Create(&module_def);

    if (module == NULL)
        return NULL;
    qpy_job_module_init();
    if (qpy_values_init() != 0 || qpy_errors_init(module) != 0 || qpy_schema_module_init(module) != 0 ||
        qpy_stream_module_init(module) != 0 || qpy_db_module_init(module) != 0 || qpy_table_module_init(module) != 0 ||
        qpy_buffer_module_init(module) != 0) {
        Py_DecRef(module);
        return NULL;
    }
    return module;
}
