/* The Python classes that conversions know, and the calendar. */
#include <math.h>
#include <string.h>

#include "qpy.h"

static qpy_classes always;

int qpy_values_init(void)
{
    PyObject *module = PyImport_ImportModule("datetime");

    if (module == NULL)
        return -1;
    always.date = PyObject_GetAttrString(module, "date");
    always.datetime = PyObject_GetAttrString(module, "datetime");
    always.time = PyObject_GetAttrString(module, "time");
    always.timedelta = PyObject_GetAttrString(module, "timedelta");
    always.timezone = PyObject_GetAttrString(module, "timezone");
    Py_DecRef(module);
    return PyErr_Occurred() ? -1 : 0;
}

/* A class of a module that somebody has imported; values of it cannot exist otherwise. */
static PyObject *loaded(const char *module_name, const char *class_name)
{
    PyObject *module = PyDict_GetItemString(PyImport_GetModuleDict(), module_name);
    PyObject *class = module == NULL ? NULL : PyObject_GetAttrString(module, class_name);

    if (class == NULL)
        PyErr_Clear();
    Py_DecRef(class); /* the module keeps it */
    return class;
}

int qpy_classes_load(qpy_classes *out)
{
    *out = always;
    out->decimal = loaded("decimal", "Decimal");
    out->uuid = loaded("uuid", "UUID");
    out->ndarray = loaded("numpy", "ndarray");
    out->generic = loaded("numpy", "generic");
    out->pa_scalar = loaded("pyarrow.lib", "Scalar");
    return 0;
}

int64_t qpy_days_from_civil(int64_t y, int m, int d)
{
    int64_t era, yoe, doy;

    y -= m <= 2;
    era = (y >= 0 ? y : y - 399) / 400;
    yoe = y - era * 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void qpy_civil_from_days(int64_t days, int *y, int *m, int *d)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097, yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

    *d = (int) (doy - (153 * mp + 2) / 5 + 1);
    *m = (int) (mp < 10 ? mp + 3 : mp - 9);
    *y = (int) (yoe + era * 400 + (*m <= 2));
}

uint16_t qpy_half_from_double(double value)
{
    float f = (float) value;
    uint32_t bits, sign, mantissa;
    int exponent;

    memcpy(&bits, &f, 4);
    sign = (bits >> 16) & 0x8000;
    exponent = (int) ((bits >> 23) & 0xff) - 127 + 15;
    mantissa = bits & 0x7fffff;
    if (((bits >> 23) & 0xff) == 0xff)
        return (uint16_t) (sign | 0x7c00 | (mantissa ? 0x200 | (mantissa >> 13) : 0));
    if (exponent >= 31)
        return (uint16_t) (sign | 0x7c00);
    if (exponent <= 0) {
        uint32_t shift = (uint32_t) (14 - exponent), half, rest;

        if (shift > 24)
            return (uint16_t) sign;
        mantissa |= 0x800000;
        half = mantissa >> shift;
        rest = mantissa & ((1u << shift) - 1);
        half += rest > (1u << (shift - 1)) || (rest == (1u << (shift - 1)) && (half & 1));
        return (uint16_t) (sign | half);
    }
    bits = ((uint32_t) exponent << 10) | (mantissa >> 13);
    mantissa &= 0x1fff;
    bits += mantissa > 0x1000 || (mantissa == 0x1000 && (bits & 1));
    return (uint16_t) (sign | bits);
}

double qpy_half_to_double(uint16_t half)
{
    int exponent = (half >> 10) & 0x1f, mantissa = half & 0x3ff;
    double value;

    if (exponent == 0)
        value = ldexp(mantissa, -24);
    else if (exponent == 31)
        value = mantissa ? (double) NAN : (double) INFINITY;
    else
        value = ldexp(mantissa | 0x400, exponent - 25);
    return half & 0x8000 ? -value : value;
}

PyObject *qpy_type_name(PyObject *value)
{
    static PyObject *last;

    Py_DecRef(last); /* lives until the next message: the formatter takes no ownership */
    last = PyType_GetName(Py_TYPE(value));
    return last;
}

const char *qpy_name_text(PyObject *name)
{
    Py_ssize_t len;
    const char *text;

    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "the column name %R is not a string", name);
        return NULL;
    }
    text = PyUnicode_AsUTF8AndSize(name, &len);
    if (text != NULL && strlen(text) != (size_t) len) {
        PyErr_Format(PyExc_ValueError, "the column name %R contains a zero byte", name);
        return NULL;
    }
    return text;
}

const char *qpy_text(PyObject *text, const char *what)
{
    Py_ssize_t n = 0;
    const char *utf8;

    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "%s must be text, not %s", what, qpy_name_text(qpy_type_name(text)));
        return NULL;
    }
    utf8 = PyUnicode_AsUTF8AndSize(text, &n);
    if (utf8 != NULL && strlen(utf8) != (size_t) n) {
        PyErr_Format(PyExc_ValueError, "%s contains a zero byte", what);
        return NULL;
    }
    return utf8;
}

PyObject *qpy_take_string(char *text)
{
    PyObject *result = PyUnicode_FromString(text);

    qv_string_free(text);
    return result;
}

int qpy_dict_u64(PyObject *dict, const char *key, uint64_t *out)
{
    PyObject *value = PyDict_GetItemString(dict, key);

    if (value == NULL || value == Py_None)
        return 0;
    *out = PyLong_AsUnsignedLongLong(value);
    return PyErr_Occurred() ? -1 : 0;
}

int qpy_u32_from(PyObject *number, const char *what, uint32_t *out)
{
    unsigned long long value = PyLong_AsUnsignedLongLong(number);

    if (PyErr_Occurred())
        return -1;
    if (value > UINT32_MAX) {
        PyErr_Format(PyExc_OverflowError, "%s is %llu, at most %u is possible", what, value, (unsigned) UINT32_MAX);
        return -1;
    }
    *out = (uint32_t) value;
    return 0;
}

int qpy_dict_u32(PyObject *dict, const char *key, uint32_t *out)
{
    PyObject *value = PyDict_GetItemString(dict, key);

    return value == NULL || value == Py_None ? 0 : qpy_u32_from(value, key, out);
}

int qpy_dict_flag(PyObject *dict, const char *key, bool *out)
{
    PyObject *value = PyDict_GetItemString(dict, key);
    int truth = value == NULL ? 0 : PyObject_IsTrue(value);

    if (value != NULL && truth >= 0)
        *out = truth;
    return truth < 0 ? -1 : 0;
}

int qpy_dict_text(PyObject *dict, const char *key, const char **out)
{
    PyObject *value = PyDict_GetItemString(dict, key);

    if (value == NULL || value == Py_None)
        return 0;
    *out = qpy_text(value, key);
    return *out == NULL ? -1 : 0;
}
