/* Which Arrow type fits the values of a column: the first non-null value decides the kind, later ones widen numbers, lists and
 * structs. Values that do not fit the result are found when the column is built, with the position known. */
#include <stdlib.h>
#include <string.h>

#include "qpy.h"

typedef struct seen {
    qpy_kind kind; /* QPY_NULL: nothing but None so far */
    int width;
    bool is_signed, is_uuid, is_python; /* is_python: a plain int or float, which is 64 bits wide */
    int digits, scale;                  /* decimals: digits before the point, digits behind it */
    PyObject *tzinfo;                   /* borrowed from the first datetime */
    struct seen *item;
    PyObject *names; /* dict: name -> index into fields */
    struct seen **fields;
    size_t n_fields;
} seen;

static int visit(seen *self, PyObject *value, const qpy_classes *classes, int depth);

static void seen_free(seen *self)
{
    if (self == NULL)
        return;
    seen_free(self->item);
    for (size_t i = 0; i < self->n_fields; i++)
        seen_free(self->fields[i]);
    free(self->fields);
    Py_DecRef(self->names);
    free(self);
}

static seen *seen_new(void)
{
    seen *self = calloc(1, sizeof(*self));

    if (self == NULL)
        PyErr_NoMemory();
    return self;
}

static void merge_number(seen *self, qpy_kind kind, int width, bool is_signed, bool is_python)
{
    if (self->kind == QPY_NULL) {
        self->kind = kind;
        self->width = width;
        self->is_signed = is_signed;
        self->is_python = is_python;
        return;
    }
    if (self->kind == QPY_DECIMAL && kind == QPY_INT)
        return;
    if (self->kind != QPY_INT && self->kind != QPY_FLOAT)
        return; /* told when the column is built */
    if (self->kind == kind && self->width == width && self->is_signed == is_signed)
        return;
    if (self->kind != kind || is_python || self->is_python) {
        bool is_float = self->kind == QPY_FLOAT || kind == QPY_FLOAT;

        self->kind = is_float ? QPY_FLOAT : QPY_INT;
        self->width = 8;
        self->is_signed = true;
        self->is_python = true;
    } else if (kind == QPY_INT && self->is_signed != is_signed) {
        int unsigned_width = is_signed ? self->width : width, signed_width = is_signed ? width : self->width;

        self->is_signed = true;
        self->width = signed_width > unsigned_width ? signed_width : 2 * unsigned_width;
        if (self->width > 8) {
            self->kind = QPY_FLOAT;
            self->width = 8;
        }
    } else if (width > self->width) {
        self->width = width;
    }
}

static void merge_kind(seen *self, qpy_kind kind, int width)
{
    if (self->kind == QPY_NULL) {
        self->kind = kind;
        self->width = width;
    } else if ((self->kind == QPY_STRING && kind == QPY_BINARY) || (self->kind == QPY_INT && kind == QPY_DECIMAL)) {
        self->kind = kind; /* text goes into binary, integers into decimals */
    }
}

static int merge_item(seen *self, PyObject *value, const qpy_classes *classes, int depth)
{
    Py_ssize_t n;
    bool is_list = PyList_Check(value), is_tuple = PyTuple_Check(value);
    PyObject *sequence = is_list || is_tuple ? Py_NewRef(value) : PySequence_List(value);

    if (sequence == NULL)
        return -1;
    n = PySequence_Size(sequence);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = is_tuple ? PyTuple_GetItem(sequence, i) : PyList_GetItem(sequence, i);

        if (item == NULL)
            goto fail;
        if (PyFloat_CheckExact(item) && self->item->kind == QPY_FLOAT && self->item->width == 8)
            continue;
        if (visit(self->item, item, classes, depth + 1) != 0)
            goto fail;
    }
    Py_DecRef(sequence);
    return 0;
fail:
    Py_DecRef(sequence);
    return -1;
}

static int visit_list(seen *self, PyObject *value, const qpy_classes *classes, int depth)
{
    merge_kind(self, QPY_LIST, 0);
    if (self->kind != QPY_LIST) {
        qpy_arrow_invalid("cannot mix list and non-list, non-null values");
        return -1;
    }
    if (self->item == NULL && (self->item = seen_new()) == NULL)
        return -1;
    return merge_item(self, value, classes, depth);
}

static seen *field_of(seen *self, PyObject *key)
{
    PyObject *index = PyDict_GetItemWithError(self->names, key);
    seen **fields, *field;

    if (index != NULL)
        return self->fields[PyLong_AsSize_t(index)];
    if (PyErr_Occurred())
        return NULL;
    if (!PyUnicode_Check(key)) {
        PyErr_Format(PyExc_TypeError, "the key %R of a nested dict is not a string", key);
        return NULL;
    }
    fields = realloc(self->fields, (self->n_fields + 1) * sizeof(*fields));
    if (fields == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    self->fields = fields;
    field = seen_new();
    index = PyLong_FromSize_t(self->n_fields);
    if (field == NULL || index == NULL || PyDict_SetItem(self->names, key, index) != 0) {
        Py_DecRef(index);
        seen_free(field);
        return NULL;
    }
    Py_DecRef(index);
    fields[self->n_fields++] = field;
    return field;
}

static int visit_dict(seen *self, PyObject *value, const qpy_classes *classes, int depth)
{
    PyObject *key, *item;
    Py_ssize_t pos = 0;

    merge_kind(self, QPY_STRUCT, 0);
    if (self->kind != QPY_STRUCT) {
        qpy_arrow_invalid("cannot mix struct and non-struct, non-null values");
        return -1;
    }
    if (self->names == NULL && (self->names = PyDict_New()) == NULL)
        return -1;
    while (PyDict_Next(value, &pos, &key, &item)) {
        seen *field = field_of(self, key);

        if (field == NULL || visit(field, item, classes, depth + 1) != 0)
            return -1;
    }
    return 0;
}

static int visit_decimal(seen *self, PyObject *value)
{
    PyObject *tuple = PyObject_CallMethod(value, "as_tuple", NULL);
    PyObject *digits = tuple == NULL ? NULL : PySequence_GetItem(tuple, 1);
    PyObject *exponent = tuple == NULL ? NULL : PySequence_GetItem(tuple, 2);
    int rc = -1;

    if (digits != NULL && exponent != NULL) {
        if (!PyLong_Check(exponent)) {
            qpy_arrow_invalid("%R is not a finite decimal", value);
        } else {
            long e = PyLong_AsLong(exponent);
            int n = (int) PySequence_Size(digits);
            int scale = e < 0 ? (int) -e : 0;
            int whole = (int) (n + e > 0 ? n + e : 0);

            merge_kind(self, QPY_DECIMAL, 16);
            self->scale = scale > self->scale ? scale : self->scale;
            self->digits = whole > self->digits ? whole : self->digits;
            rc = 0;
        }
    }
    Py_DecRef(tuple);
    Py_DecRef(digits);
    Py_DecRef(exponent);
    return rc;
}

/* numpy's letter for an element type: kind and width; false: another one. */
static bool element_of(const char *format, Py_ssize_t itemsize, qpy_kind *kind, bool *is_signed)
{
    if (format[0] == '<' || format[0] == '=' || format[0] == '@')
        format++;
    if (format[0] == 0 || format[1] != 0)
        return false;
    if (strchr("efd", format[0]) != NULL) {
        *kind = QPY_FLOAT;
        *is_signed = true;
    } else if (strchr("bhilqBHILQ", format[0]) != NULL) {
        *kind = QPY_INT;
        *is_signed = format[0] >= 'a';
    } else if (format[0] == '?') {
        *kind = QPY_BOOL;
        *is_signed = false;
    } else {
        return false;
    }
    return itemsize <= 8;
}

static int visit_ndarray(seen *self, PyObject *value, const qpy_classes *classes, int depth)
{
    PyObject *ndim = PyObject_GetAttrString(value, "ndim"), *list;
    long axes = ndim == NULL ? -1 : PyLong_AsLong(ndim);
    Py_buffer view;
    qpy_kind kind;
    bool is_signed;
    int rc;

    Py_DecRef(ndim);
    if (axes == 1 && PyObject_GetBuffer(value, &view, PyBUF_FORMAT | PyBUF_STRIDES) == 0) {
        bool plain = view.format != NULL && element_of(view.format, view.itemsize, &kind, &is_signed);

        if (plain) {
            merge_kind(self, QPY_LIST, 0);
            if (self->kind == QPY_LIST && (self->item != NULL || (self->item = seen_new()) != NULL)) {
                if (kind == QPY_BOOL)
                    merge_kind(self->item, QPY_BOOL, 1);
                else
                    merge_number(self->item, kind, (int) view.itemsize, is_signed, false);
            }
        }
        PyBuffer_Release(&view);
        if (plain)
            return PyErr_Occurred() ? -1 : 0;
    }
    PyErr_Clear();
    if (axes > 1) {
        qpy_arrow_invalid("Can only convert 1-dimensional array values, got %ld dimensions", axes);
        return -1;
    }
    list = PyObject_CallMethod(value, "tolist", NULL);
    if (list == NULL)
        return -1;
    rc = visit(self, list, classes, depth + 1);
    Py_DecRef(list);
    return rc;
}

static int visit_generic(seen *self, PyObject *value, const qpy_classes *classes, int depth)
{
    PyObject *dtype = PyObject_GetAttrString(value, "dtype");
    PyObject *letter = dtype == NULL ? NULL : PyObject_GetAttrString(dtype, "char");
    PyObject *size = dtype == NULL ? NULL : PyObject_GetAttrString(dtype, "itemsize");
    const char *format = letter == NULL ? NULL : PyUnicode_AsUTF8AndSize(letter, NULL);
    PyObject *item;
    qpy_kind kind;
    bool is_signed;
    int rc = -1;

    if (format != NULL && size != NULL && element_of(format, PyLong_AsSsize_t(size), &kind, &is_signed)) {
        if (kind == QPY_BOOL)
            merge_kind(self, QPY_BOOL, 1);
        else
            merge_number(self, kind, (int) PyLong_AsSsize_t(size), is_signed, false);
        rc = 0;
    } else if (!PyErr_Occurred() && (item = PyObject_CallMethod(value, "item", NULL)) != NULL) {
        rc = item == value ? -1 : visit(self, item, classes, depth + 1);
        Py_DecRef(item);
    }
    Py_DecRef(dtype);
    Py_DecRef(letter);
    Py_DecRef(size);
    return rc;
}

static int visit_temporal(seen *self, PyObject *value, const qpy_classes *classes)
{
    if (PyObject_IsInstance(value, classes->datetime) == 1) {
        if (self->kind == QPY_NULL) {
            PyObject *tzinfo = PyObject_GetAttrString(value, "tzinfo");

            if (tzinfo == NULL)
                return -1;
            self->tzinfo = tzinfo == Py_None ? NULL : tzinfo;
            Py_DecRef(tzinfo); /* the value keeps it */
        }
        merge_kind(self, QPY_TIMESTAMP, 8);
        return 1;
    }
    if (PyObject_IsInstance(value, classes->date) == 1)
        merge_kind(self, QPY_DATE, 4);
    else if (PyObject_IsInstance(value, classes->time) == 1)
        merge_kind(self, QPY_TIME, 8);
    else if (PyObject_IsInstance(value, classes->timedelta) == 1)
        merge_kind(self, QPY_DURATION, 8);
    else
        return 0;
    return 1;
}

/* Values of classes that are met less often. */
static int visit_other(seen *self, PyObject *value, const qpy_classes *classes, int depth)
{
    int temporal;

    if (classes->ndarray != NULL && PyObject_IsInstance(value, classes->ndarray) == 1)
        return visit_ndarray(self, value, classes, depth);
    if (classes->generic != NULL && PyObject_IsInstance(value, classes->generic) == 1)
        return visit_generic(self, value, classes, depth);
    temporal = visit_temporal(self, value, classes);
    if (temporal != 0)
        return temporal < 0 ? -1 : 0;
    if (classes->decimal != NULL && PyObject_IsInstance(value, classes->decimal) == 1)
        return visit_decimal(self, value);
    if (classes->uuid != NULL && PyObject_IsInstance(value, classes->uuid) == 1) {
        if (self->kind == QPY_NULL)
            self->is_uuid = true;
        merge_kind(self, QPY_FIXED, 16);
        return 0;
    }
    if (classes->pa_scalar != NULL && PyObject_IsInstance(value, classes->pa_scalar) == 1) {
        PyObject *item = PyObject_CallMethod(value, "as_py", NULL);
        int rc = item == NULL ? -1 : visit(self, item, classes, depth + 1);

        Py_DecRef(item);
        return rc;
    }
    if (PyAnySet_Check(value))
        return visit_list(self, value, classes, depth);
    if (PyByteArray_Check(value) || PyMemoryView_Check(value)) {
        merge_kind(self, QPY_BINARY, 0);
        return 0;
    }
    qpy_arrow_invalid("Could not convert %R with type %S: did not recognize Python value type when inferring an Arrow "
                      "data type",
                      value, qpy_type_name(value));
    return -1;
}

static int visit(seen *self, PyObject *value, const qpy_classes *classes, int depth)
{
    if (value == NULL || value == Py_None)
        return 0;
    if (depth > QPY_DEPTH) {
        PyErr_Format(PyExc_ValueError, "values are nested more than %d levels deep", QPY_DEPTH);
        return -1;
    }
    if (PyBool_Check(value)) {
        merge_kind(self, QPY_BOOL, 1);
    } else if (PyLong_Check(value)) {
        merge_number(self, QPY_INT, 8, true, true);
    } else if (PyFloat_Check(value)) {
        merge_number(self, QPY_FLOAT, 8, true, true);
    } else if (PyUnicode_Check(value)) {
        if (self->kind != QPY_BINARY)
            merge_kind(self, QPY_STRING, 0);
    } else if (PyBytes_Check(value)) {
        merge_kind(self, QPY_BINARY, 0);
    } else if (PyList_Check(value) || PyTuple_Check(value)) {
        return visit_list(self, value, classes, depth);
    } else if (PyDict_Check(value)) {
        return visit_dict(self, value, classes, depth);
    } else {
        return visit_other(self, value, classes, depth);
    }
    return 0;
}

/* ---------------------------------------------------------------- from what was seen to a type */

static int name_timezone(qpy_type *type, PyObject *tzinfo)
{
    PyObject *name = PyObject_HasAttrString(tzinfo, "key") ? PyObject_GetAttrString(tzinfo, "key") : NULL;
    const char *text;
    size_t len;

    if (name == NULL) {
        PyErr_Clear();
        name = PyObject_HasAttrString(tzinfo, "zone") ? PyObject_GetAttrString(tzinfo, "zone") : NULL;
    }
    if (name == NULL) {
        PyErr_Clear();
        name = PyObject_CallMethod(tzinfo, "tzname", "O", Py_None);
    }
    text = name == NULL || !PyUnicode_Check(name) ? NULL : PyUnicode_AsUTF8AndSize(name, NULL);
    if (text == NULL) {
        Py_DecRef(name);
        PyErr_Clear();
        qpy_arrow_invalid("the time zone %R has no name", tzinfo);
        return -1;
    }
    if (strncmp(text, "UTC", 3) == 0 && (text[3] == '+' || text[3] == '-'))
        text += 3; /* datetime.timezone calls itself UTC+02:00; Arrow says +02:00 */
    len = strlen(text) + 1;
    type->tz = malloc(len);
    if (type->tz == NULL)
        PyErr_NoMemory();
    else
        memcpy(type->tz, text, len);
    Py_DecRef(name);
    return type->tz == NULL ? -1 : 0;
}

static qpy_type *finish(const seen *self, const char *name)
{
    qpy_type *type = qpy_type_new(self->kind, name);
    PyObject *key, *index;
    Py_ssize_t pos = 0;

    if (type == NULL)
        return NULL;
    type->width = self->width;
    type->is_signed = self->is_signed;
    type->is_uuid = self->is_uuid;
    type->unit = 'u';
    if (self->kind == QPY_DECIMAL) {
        type->scale = self->scale;
        type->precision = self->digits + self->scale > 0 ? self->digits + self->scale : 1;
        type->width = type->precision > 38 ? 32 : 16;
        if (type->precision > 76) {
            qpy_arrow_invalid("decimals of column \"%s\" need %d digits, Arrow has 76", name, type->precision);
            goto fail;
        }
    }
    if (self->tzinfo != NULL && name_timezone(type, self->tzinfo) != 0)
        goto fail;
    if (self->kind == QPY_LIST && qpy_type_add(type, finish(self->item, "item")) != 0)
        goto fail;
    while (self->kind == QPY_STRUCT && PyDict_Next(self->names, &pos, &key, &index)) {
        const char *field = qpy_name_text(key);

        if (field == NULL || qpy_type_add(type, finish(self->fields[PyLong_AsSize_t(index)], field)) != 0)
            goto fail;
    }
    return type;
fail:
    qpy_type_free(type);
    return NULL;
}

qpy_type *qpy_infer(PyObject *const *values, Py_ssize_t n, const char *name, const qpy_classes *classes)
{
    seen *self = seen_new();
    qpy_type *type = NULL;

    if (self == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < n; i++)
        if (visit(self, values[i], classes, 0) != 0)
            goto done;
    type = finish(self, name);
done:
    seen_free(self);
    return type;
}
