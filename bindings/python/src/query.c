/* Arguments of searches: query vectors and lists of names. */
#include <math.h>
#include <string.h>

#include "qpy.h"

static bool element_of(char kind, Py_ssize_t itemsize, qv_element *out)
{
    switch (kind) {
    case 'e':
        *out = QV_ELEMENT_F16;
        return true;
    case 'f':
        *out = QV_ELEMENT_F32;
        return true;
    case 'd':
        *out = QV_ELEMENT_F64;
        return true;
    case 'b':
        *out = QV_ELEMENT_I8;
        return itemsize == 1;
    case 'B':
        *out = QV_ELEMENT_U8;
        return itemsize == 1;
    default:
        return false;
    }
}

/* A numpy array and its like: taken where it lies when the engine knows its element type. 1: not such a buffer. */
static int from_buffer(PyObject *object, qpy_vectors *out)
{
    char kind;

    if (!PyObject_CheckBuffer(object) ||
        PyObject_GetBuffer(object, &out->view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS) != 0) {
        PyErr_Clear();
        return 1;
    }
    kind = out->view.format == NULL ? 'B' : out->view.format[strchr("<=@", out->view.format[0]) != NULL];
    if (out->view.ndim < 1 || out->view.ndim > 2 || !element_of(kind, out->view.itemsize, &out->vectors.element)) {
        PyBuffer_Release(&out->view);
        return 1;
    }
    out->has_view = true;
    out->vectors.data = out->view.buf;
    out->vectors.n = out->view.ndim == 2 ? (size_t) out->view.shape[0] : 1;
    out->vectors.dim = (size_t) out->view.shape[out->view.ndim - 1];
    return 0;
}

static int put_numbers(PyObject *list, double *to, Py_ssize_t n)
{
    bool is_list = PyList_CheckExact(list);

    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *plain = is_list ? PyList_GetItem(list, i) : NULL; /* borrowed */

        if (plain != NULL && PyFloat_CheckExact(plain)) {
            to[i] = PyFloat_AsDouble(plain);
            continue;
        }
        PyErr_Clear(); /* a list that becomes shorter while it is read: the next line tells */
        PyObject *item = PySequence_GetItem(list, i);
        PyObject *number = item == NULL ? NULL : PyNumber_Float(item); /* 'a' !! ValueError, as float('a') */

        Py_DecRef(item);
        if (number == NULL)
            return -1;
        to[i] = PyFloat_AsDouble(number);
        Py_DecRef(number);
    }
    return 0;
}

static bool is_row(PyObject *object)
{
    return PySequence_Check(object) && !PyUnicode_Check(object) && !PyBytes_Check(object);
}

static int from_list(PyObject *list, qpy_vectors *out)
{
    Py_ssize_t n = PySequence_Size(list), dim = n;
    PyObject *first = n <= 0 ? NULL : PySequence_GetItem(list, 0);
    bool many = first != NULL && is_row(first);
    double *numbers;

    if (n <= 0) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_IndexError, "the query vector is empty");
        return -1;
    }
    if (many)
        dim = PySequence_Size(first);
    Py_DecRef(first);
    if (dim < 0)
        return -1;
    numbers = out->owned = malloc(((size_t) (many ? n : 1) * (size_t) dim + 1) * sizeof(double));
    if (numbers == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; many && i < n; i++) {
        PyObject *row = PySequence_GetItem(list, i);
        int rc = -1;

        if (row != NULL && is_row(row) && PySequence_Size(row) == dim)
            rc = put_numbers(row, numbers + i * dim, dim);
        else if (!PyErr_Occurred())
            PyErr_Format(PyExc_ValueError, "query vector %zd differs in length from the first, which has %zd", i, dim);
        Py_DecRef(row);
        if (rc != 0)
            return -1;
    }
    if (!many && put_numbers(list, numbers, n) != 0)
        return -1;
    out->vectors = (qv_vectors){ numbers, QV_ELEMENT_F64, (size_t) dim, many ? (size_t) n : 1 };
    return 0;
}

int qpy_vectors_from(PyObject *object, qpy_vectors *out)
{
    PyObject *list;
    int rc;

    memset(out, 0, sizeof(*out));
    rc = PyList_Check(object) || PyTuple_Check(object) ? 1 : from_buffer(object, out);
    if (rc <= 0)
        return rc;
    if (PyList_Check(object) || (PySequence_Check(object) && !PyObject_HasAttrString(object, "tolist"))) {
        rc = from_list(object, out);
    } else {
        list = PyObject_CallMethod(object, "tolist", NULL); /* arrays of other types and layouts */
        rc = list == NULL ? -1 : from_list(list, out);
        Py_DecRef(list);
    }
    if (rc != 0)
        qpy_vectors_release(out);
    return rc;
}

void qpy_vectors_release(qpy_vectors *vectors)
{
    if (vectors->has_view)
        PyBuffer_Release(&vectors->view);
    free(vectors->owned);
    memset(vectors, 0, sizeof(*vectors));
}

int qpy_names_from(PyObject *object, qpy_names *out)
{
    Py_ssize_t n;

    memset(out, 0, sizeof(*out));
    if (object == NULL || object == Py_None)
        return 0;
    if (!PyList_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "columns must be a list of names");
        return -1;
    }
    n = PyList_Size(object);
    out->names = calloc((size_t) n + 1, sizeof(*out->names));
    if (out->names == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *name = PyList_GetItem(object, i);

        out->names[i] = qpy_name_text(name);
        if (out->names[i] == NULL) {
            qpy_names_release(out);
            return -1;
        }
    }
    out->n = (size_t) n;
    out->given = true;
    return 0;
}

void qpy_names_release(qpy_names *names)
{
    free(names->names);
    memset(names, 0, sizeof(*names));
}
