/* From statuses and stream faults to Python exceptions. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "qpy.h"

struct qpy_fault {
    _Atomic int refs;
    PyObject *type, *value, *traceback; /* a captured exception */
    bool formatted;                     /* `message` becomes an exception of the class that `code` names */
    int code;
    char message[1024];
};

qpy_fault *qpy_fault_new(void)
{
    qpy_fault *fault = calloc(1, sizeof(*fault));

    if (fault != NULL)
        fault->refs = 1;
    return fault;
}

qpy_fault *qpy_fault_ref(qpy_fault *fault)
{
    if (fault != NULL)
        fault->refs++;
    return fault;
}

void qpy_fault_unref(qpy_fault *fault)
{
    if (fault == NULL || --fault->refs > 0)
        return;
    if (fault->type != NULL) {
        PyGILState_STATE gil = PyGILState_Ensure();

        Py_DecRef(fault->type);
        Py_DecRef(fault->value);
        Py_DecRef(fault->traceback);
        PyGILState_Release(gil);
    }
    free(fault);
}

int qpy_fault_format(qpy_fault *fault, int code, const char *format, ...)
{
    va_list args;

    if (fault != NULL && !fault->formatted && fault->type == NULL) {
        va_start(args, format);
        vsnprintf(fault->message, sizeof(fault->message), format, args);
        va_end(args);
        fault->formatted = true;
        fault->code = code;
    }
    return code;
}

void qpy_fault_capture(qpy_fault *fault)
{
    if (fault == NULL || fault->type != NULL) {
        PyErr_Clear();
        return;
    }
    PyErr_Fetch(&fault->type, &fault->value, &fault->traceback);
    PyErr_NormalizeException(&fault->type, &fault->value, &fault->traceback);
    PyObject *text = fault->value == NULL ? NULL : PyObject_Str(fault->value);
    const char *utf8 = text == NULL ? NULL : PyUnicode_AsUTF8AndSize(text, NULL);
    snprintf(fault->message, sizeof(fault->message), "%s", utf8 == NULL ? "a Python exception" : utf8);
    Py_DecRef(text);
    PyErr_Clear();
}

const char *qpy_fault_message(const qpy_fault *fault) { return fault == NULL ? "" : fault->message; }

/* Makes an exception that tells its status in an attribute of that name, and raises it. */
static void raise_with_status(PyObject *exception, qv_status number)
{
    PyObject *status = PyUnicode_FromString(qv_status_name(number));

    if (status == NULL || PyObject_SetAttrString(exception, "status", status) != 0)
        PyErr_Clear();
    PyErr_SetObject((PyObject *) Py_TYPE(exception), exception);
    Py_DecRef(status);
    Py_DecRef(exception);
}

bool qpy_fault_raise(qpy_fault *fault)
{
    PyObject *exception;

    if (fault == NULL)
        return false;
    if (fault->type != NULL) {
        PyErr_Restore(fault->type, fault->value, fault->traceback);
        fault->type = fault->value = fault->traceback = NULL;
        return true;
    }
    if (!fault->formatted)
        return false;
    fault->formatted = false;
    exception =
        PyObject_CallFunction(fault->code == ENOMEM ? PyExc_MemoryError : PyExc_ValueError, "s", fault->message);
    if (exception != NULL)
        raise_with_status(exception, QV_SCHEMA);
    return true;
}

/* The exception that callers of each status catch. */
static PyObject *class_of(const qv_error *err)
{
    switch (err->status) {
    case QV_INVALID:
    case QV_NOT_FOUND:
    case QV_EXISTS:
    case QV_SCHEMA:
    case QV_READ_ONLY:
        return PyExc_ValueError;
    case QV_UNSUPPORTED:
        return PyExc_NotImplementedError;
    case QV_IO:
        return PyExc_OSError;
    case QV_NOMEM:
        return PyExc_MemoryError;
    default:
        return PyExc_RuntimeError;
    }
}

PyObject *qpy_raise(const qv_error *err)
{
    PyObject *exception;

    if (err->status == QV_IO && err->sys_errno != 0)
        exception = PyObject_CallFunction(PyExc_OSError, "is", err->sys_errno, err->message);
    else
        exception = PyObject_CallFunction(class_of(err), "s", err->message);
    if (exception != NULL)
        raise_with_status(exception, err->status);
    return NULL;
}

PyObject *qpy_none_or_raise(qv_status st, const qv_error *err)
{
    return st == QV_OK ? Py_NewRef(Py_None) : qpy_raise(err);
}

PyObject *qpy_arrow_invalid(const char *format, ...)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *pyarrow = PyDict_GetItemString(modules, "pyarrow.lib");
    PyObject *invalid = pyarrow == NULL ? NULL : PyObject_GetAttrString(pyarrow, "ArrowInvalid");
    va_list args;

    if (invalid == NULL)
        PyErr_Clear();
    va_start(args, format);
    PyErr_FormatV(invalid == NULL ? PyExc_ValueError : invalid, format, args);
    va_end(args);
    Py_DecRef(invalid);
    return NULL;
}

int qpy_errors_init(PyObject *module) { return PyModule_AddStringConstant(module, "version", qv_version()); }
