/* From Arrow arrays to Python objects, as pyarrow's to_pylist gives them. */
#include <stdio.h>
#include <string.h>

#include "qpy.h"

static PyObject *fetch_number(const qpy_type *type, const void *data, int64_t i)
{
    const uint8_t *at = (const uint8_t *) data + i * type->width;
    uint64_t bits = 0;
    float f;
    double d;

    memcpy(&bits, at, (size_t) type->width);
    if (type->kind == QPY_FLOAT) {
        if (type->width == 2)
            return PyFloat_FromDouble(qpy_half_to_double((uint16_t) bits));
        if (type->width == 4) {
            memcpy(&f, at, 4);
            return PyFloat_FromDouble((double) f);
        }
        memcpy(&d, at, 8);
        return PyFloat_FromDouble(d);
    }
    if (!type->is_signed)
        return PyLong_FromUnsignedLongLong(bits);
    switch (type->width) {
    case 1:
        return PyLong_FromLong((int8_t) bits);
    case 2:
        return PyLong_FromLong((int16_t) bits);
    case 4:
        return PyLong_FromLong((int32_t) bits);
    default:
        return PyLong_FromLongLong((int64_t) bits);
    }
}

static int64_t integer_at(int width, const void *data, int64_t i)
{
    int64_t value;
    int32_t small;

    if (width == 8) {
        memcpy(&value, (const uint8_t *) data + 8 * i, 8);
        return value;
    }
    memcpy(&small, (const uint8_t *) data + 4 * i, 4);
    return small;
}

static int64_t offset_at(const qpy_type *type, const struct ArrowArray *array, int64_t i)
{
    return integer_at(type->is_large ? 8 : 4, array->buffers[1], i);
}

static PyObject *fetch_bytes(const qpy_type *type, const struct ArrowArray *array, int64_t i)
{
    const char *data;
    Py_ssize_t len;

    if (type->kind == QPY_FIXED) {
        data = (const char *) array->buffers[1] + i * type->width;
        len = type->width;
        if (type->is_uuid) {
            PyObject *module = PyImport_ImportModule("uuid"), *class, *args, *kwargs, *uuid;

            class = module == NULL ? NULL : PyObject_GetAttrString(module, "UUID");
            args = PyTuple_New(0);
            kwargs = Py_BuildValue("{sy#}", "bytes", data, len);
            uuid = class == NULL || args == NULL || kwargs == NULL ? NULL : PyObject_Call(class, args, kwargs);
            Py_DecRef(module);
            Py_DecRef(class);
            Py_DecRef(args);
            Py_DecRef(kwargs);
            return uuid;
        }
    } else if (type->is_view) {
        const uint8_t *view = (const uint8_t *) array->buffers[1] + 16 * i;
        int32_t parts[4];

        memcpy(parts, view, 16);
        len = parts[0];
        data = len <= 12 ? (const char *) view + 4 : (const char *) array->buffers[2 + parts[2]] + parts[3];
    } else {
        int64_t begin = offset_at(type, array, i);

        data = (const char *) array->buffers[2] + begin;
        len = (Py_ssize_t) (offset_at(type, array, i + 1) - begin);
    }
    return type->kind == QPY_STRING ? PyUnicode_DecodeUTF8(data, len, NULL) : PyBytes_FromStringAndSize(data, len);
}

/* ---------------------------------------------------------------- temporal values */

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static int64_t per_second(char unit)
{
    return unit == 's' ? 1 : unit == 'm' ? 1000 : unit == 'u' ? 1000000 : 1000000000;
}

static PyObject *pandas_class(const char *name)
{
    PyObject *pandas = PyImport_ImportModule("pandas");
    PyObject *class = pandas == NULL ? NULL : PyObject_GetAttrString(pandas, name);

    Py_DecRef(pandas);
    PyErr_Clear();
    return class;
}

/* Days since 1970 of 0001-01-01 and 9999-12-31: what datetime can say. */
#define FIRST_DAY (-719162)
#define LAST_DAY  2932896

static PyObject *out_of_range(const qpy_type *type, int64_t value)
{
    PyErr_Format(PyExc_ValueError, "column \"%s\": %lld is out of the range of Python's datetime", type->name,
                 (long long) value);
    return NULL;
}

/* Nanoseconds: pandas says them all, datetime only whole microseconds. */
static PyObject *fetch_nanoseconds(qpy_type *type, int64_t value, const char *class_name)
{
    PyObject *class = pandas_class(class_name), *result, *tz;

    if (class == NULL) {
        PyErr_Format(PyExc_ValueError,
                     "column \"%s\": %lld ns is not a whole number of microseconds, which is all that datetime holds; "
                     "install pandas",
                     type->name, (long long) value);
        return NULL;
    }
    result = PyObject_CallFunction(class, "L", (long long) value);
    Py_DecRef(class);
    if (result != NULL && type->kind == QPY_TIMESTAMP && type->tz != NULL) {
        tz = PyObject_CallMethod(result, "tz_localize", "s", "UTC");
        Py_DecRef(result);
        result = tz == NULL ? NULL : PyObject_CallMethod(tz, "tz_convert", "s", type->tz);
        Py_DecRef(tz);
    }
    return result;
}

/* "UTC", "+02:00", "Europe/Berlin" -> tzinfo, kept in the type. */
static PyObject *timezone_of(qpy_type *type, const qpy_classes *classes)
{
    PyObject *module = NULL, *delta = NULL;
    int h, m;
    char sign;

    if (type->py_tz != NULL)
        return type->py_tz;
    if (strcmp(type->tz, "UTC") == 0 || strcmp(type->tz, "Etc/UTC") == 0 || strcmp(type->tz, "Z") == 0) {
        type->py_tz = PyObject_GetAttrString(classes->timezone, "utc");
    } else if (sscanf(type->tz, "%c%2d:%2d", &sign, &h, &m) == 3 && (sign == '+' || sign == '-')) {
        delta = PyObject_CallFunction(classes->timedelta, "ii", 0, (h * 60 + m) * (sign == '-' ? -60 : 60));
        if (delta != NULL)
            type->py_tz = PyObject_CallFunction(classes->timezone, "O", delta);
    } else {
        module = PyImport_ImportModule("zoneinfo");
        if (module != NULL)
            type->py_tz = PyObject_CallMethod(module, "ZoneInfo", "s", type->tz);
    }
    Py_DecRef(module);
    Py_DecRef(delta);
    return type->py_tz;
}

static PyObject *fetch_moment(qpy_type *type, int64_t value, const qpy_classes *classes)
{
    int64_t per = per_second(type->unit), seconds = floor_div(value, per), part = value - seconds * per;
    int64_t days = floor_div(seconds, 86400), clock = seconds - days * 86400;
    PyObject *utc, *tz, *naive, *result;
    int y, m, d;

    if (days < FIRST_DAY || days > LAST_DAY)
        return out_of_range(type, value);

    if (type->unit == 'n') {
        PyObject *class = pandas_class("Timestamp");

        if (class != NULL || part % 1000 != 0) {
            Py_DecRef(class);
            return fetch_nanoseconds(type, value, "Timestamp");
        }
    }
    part = type->unit == 'n' ? part / 1000 : part * (1000000 / per);
    qpy_civil_from_days(days, &y, &m, &d);
    if (type->tz == NULL)
        return PyObject_CallFunction(classes->datetime, "iiiiiii", y, m, d, (int) (clock / 3600),
                                     (int) (clock / 60 % 60), (int) (clock % 60), (int) part);
    tz = timezone_of(type, classes);
    utc = tz == NULL ? NULL : PyObject_GetAttrString(classes->timezone, "utc");
    if (utc == NULL)
        return NULL;
    naive = PyObject_CallFunction(classes->datetime, "iiiiiiiO", y, m, d, (int) (clock / 3600), (int) (clock / 60 % 60),
                                  (int) (clock % 60), (int) part, utc);
    Py_DecRef(utc);
    result = naive == NULL ? NULL : PyObject_CallMethod(naive, "astimezone", "O", tz);
    Py_DecRef(naive);
    return result;
}

static PyObject *fetch_temporal(qpy_type *type, const struct ArrowArray *array, int64_t i)
{
    int64_t value = integer_at(type->width, array->buffers[1], i), us;
    qpy_classes classes;
    int y, m, d;

    if (qpy_classes_load(&classes) != 0)
        return NULL;
    switch (type->kind) {
    case QPY_DATE:
        us = type->width == 4 ? value : floor_div(value, 86400000);
        if (us < FIRST_DAY || us > LAST_DAY)
            return out_of_range(type, value);
        qpy_civil_from_days(us, &y, &m, &d);
        return PyObject_CallFunction(classes.date, "iii", y, m, d);
    case QPY_TIMESTAMP:
        return fetch_moment(type, value, &classes);
    case QPY_DURATION:
        if (type->unit == 'n') {
            PyObject *class = pandas_class("Timedelta");

            if (class != NULL || value % 1000 != 0) {
                Py_DecRef(class);
                return fetch_nanoseconds(type, value, "Timedelta");
            }
        }
        if (type->unit == 'n')
            us = value / 1000;
        else if (__builtin_mul_overflow(value, 1000000 / per_second(type->unit), &us))
            return out_of_range(type, value);
        return PyObject_CallFunction(classes.timedelta, "LLL", (long long) floor_div(us, 86400000000LL),
                                     (long long) ((us - floor_div(us, 86400000000LL) * 86400000000LL) / 1000000),
                                     (long long) (us - floor_div(us, 1000000) * 1000000));
    default:
        if (type->unit == 'n' && value % 1000 != 0) {
            PyErr_Format(PyExc_ValueError, "column \"%s\": %lld ns is not a whole number of microseconds", type->name,
                         (long long) value);
            return NULL;
        }
        if (value < 0 || value >= 86400 * per_second(type->unit))
            return out_of_range(type, value);
        us = type->unit == 'n' ? value / 1000 : value * (1000000 / per_second(type->unit));
        return PyObject_CallFunction(classes.time, "iiii", (int) (us / 3600000000LL), (int) (us / 60000000 % 60),
                                     (int) (us / 1000000 % 60), (int) (us % 1000000));
    }
}

static PyObject *fetch_decimal(const qpy_type *type, const struct ArrowArray *array, int64_t i)
{
    PyObject *module = PyImport_ImportModule("decimal"), *from_bytes, *args, *kwargs, *whole, *text, *result = NULL;

    from_bytes = PyObject_GetAttrString((PyObject *) &PyLong_Type, "from_bytes");
    args =
        Py_BuildValue("(y#s)", (const char *) array->buffers[1] + i * type->width, (Py_ssize_t) type->width, "little");
    kwargs = Py_BuildValue("{sO}", "signed", Py_True);
    whole = from_bytes == NULL || args == NULL || kwargs == NULL ? NULL : PyObject_Call(from_bytes, args, kwargs);
    text = whole == NULL ? NULL : PyUnicode_FromFormat("%Se%d", whole, -type->scale);
    if (text != NULL && module != NULL)
        result = PyObject_CallMethod(module, "Decimal", "O", text);
    Py_DecRef(module);
    Py_DecRef(from_bytes);
    Py_DecRef(args);
    Py_DecRef(kwargs);
    Py_DecRef(whole);
    Py_DecRef(text);
    return result;
}

/* ---------------------------------------------------------------- nested values */

static PyObject *fetch_list(qpy_type *type, const struct ArrowArray *array, int64_t i)
{
    const struct ArrowArray *items = array->children[0];
    qpy_type *item = type->children[0];
    int64_t begin, n;
    PyObject *list;

    if (type->kind == QPY_FIXED_LIST) {
        n = type->list_size;
        begin = i * n;
    } else {
        begin = offset_at(type, array, i);
        n = offset_at(type, array, i + 1) - begin;
    }
    list = PyList_New((Py_ssize_t) n);
    if (list == NULL)
        return NULL;
    if (item->kind == QPY_FLOAT && item->width == 4 && items->null_count == 0) { /* vectors */
        const float *values = (const float *) items->buffers[1] + items->offset + begin;

        for (int64_t j = 0; j < n; j++) {
            float f;
            PyObject *value;

            memcpy(&f, values + j, 4);
            value = PyFloat_FromDouble((double) f);
            if (value == NULL)
                goto fail;
            PyList_SetItem(list, (Py_ssize_t) j, value);
        }
        return list;
    }
    for (int64_t j = 0; j < n; j++) {
        PyObject *value = qpy_fetch(item, items, begin + j);

        if (value == NULL)
            goto fail;
        PyList_SetItem(list, (Py_ssize_t) j, value);
    }
    return list;
fail:
    Py_DecRef(list);
    return NULL;
}

/* The name as an interned string, made once per result. */
static PyObject *name_of(qpy_type *type)
{
    if (type->py_name == NULL)
        type->py_name = PyUnicode_InternFromString(type->name);
    return type->py_name;
}

static PyObject *fetch_struct(qpy_type *type, const struct ArrowArray *array, int64_t i)
{
    PyObject *dict = PyDict_New();

    for (size_t c = 0; dict != NULL && c < type->n_children; c++) {
        PyObject *name = name_of(type->children[c]);
        PyObject *value = name == NULL ? NULL : qpy_fetch(type->children[c], array->children[c], i);

        if (value == NULL || PyDict_SetItem(dict, name, value) != 0) {
            Py_DecRef(value);
            Py_DecRef(dict);
            return NULL;
        }
        Py_DecRef(value);
    }
    return dict;
}

static PyObject *fetch_map(qpy_type *type, const struct ArrowArray *array, int64_t i)
{
    const struct ArrowArray *entries = array->children[0];
    qpy_type *entry = type->children[0];
    int64_t begin = integer_at(4, array->buffers[1], i), end = integer_at(4, array->buffers[1], i + 1);
    PyObject *list = PyList_New((Py_ssize_t) (end - begin));

    for (int64_t j = begin; list != NULL && j < end; j++) {
        int64_t at = entries->offset + j;
        PyObject *key = qpy_fetch(entry->children[0], entries->children[0], at);
        PyObject *value = key == NULL ? NULL : qpy_fetch(entry->children[1], entries->children[1], at);
        PyObject *pair = value == NULL ? NULL : Py_BuildValue("(OO)", key, value);

        Py_DecRef(key);
        Py_DecRef(value);
        if (pair == NULL || PyList_SetItem(list, (Py_ssize_t) (j - begin), pair) != 0) {
            Py_DecRef(list);
            return NULL;
        }
    }
    return list;
}

static PyObject *fetch_dictionary(qpy_type *type, const struct ArrowArray *array, int64_t i)
{
    uint64_t bits = 0;
    int64_t index;

    memcpy(&bits, (const uint8_t *) array->buffers[1] + i * type->width, (size_t) type->width);
    index = (int64_t) bits; /* indices are not negative in valid data */
    if (index < 0 || index >= array->dictionary->length) {
        PyErr_Format(PyExc_ValueError, "column \"%s\": dictionary index %lld of %lld values", type->name,
                     (long long) index, (long long) array->dictionary->length);
        return NULL;
    }
    return qpy_fetch(type->children[0], array->dictionary, index);
}

PyObject *qpy_fetch(qpy_type *type, const struct ArrowArray *array, int64_t i)
{
    int64_t at = array->offset + i;

    if (type->kind == QPY_NULL || qpy_array_is_null(array, i))
        return Py_NewRef(Py_None);
    switch (type->kind) {
    case QPY_INT:
    case QPY_FLOAT:
        return fetch_number(type, array->buffers[1], at);
    case QPY_BOOL:
        return PyBool_FromLong(qpy_bit(array->buffers[1], at));
    case QPY_STRING:
    case QPY_BINARY:
    case QPY_FIXED:
        return fetch_bytes(type, array, at);
    case QPY_DECIMAL:
        return fetch_decimal(type, array, at);
    case QPY_LIST:
    case QPY_FIXED_LIST:
        return fetch_list(type, array, at);
    case QPY_STRUCT:
        return fetch_struct(type, array, at);
    case QPY_MAP:
        return fetch_map(type, array, at);
    case QPY_DICTIONARY:
        return fetch_dictionary(type, array, at);
    default:
        return fetch_temporal(type, array, at);
    }
}

int qpy_fetch_rows(qpy_type *type, const struct ArrowArray *array, PyObject *list)
{
    for (int64_t i = 0; i < array->length; i++) {
        PyObject *row = fetch_struct(type, array, array->offset + i);
        int rc = row == NULL ? -1 : PyList_Append(list, row);

        Py_DecRef(row);
        if (rc != 0)
            return -1;
        if ((i & 4095) == 4095 && PyErr_CheckSignals() != 0)
            return -1;
    }
    return 0;
}
