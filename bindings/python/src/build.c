/* From Python values to Arrow arrays of a given type. */
#include <string.h>

#include "qpy.h"

/* One array under construction; nested arrays have children. */
typedef struct column {
    const qpy_type *type;
    int64_t length, null_count;
    qpy_buf validity, data, bytes; /* data: values or offsets; bytes: of strings and binary */
    struct column *children;
    size_t n_children;
    PyObject **keys; /* structs: names of the children */
} column;

static int append(column *self, PyObject *value, const qpy_classes *classes);

static void column_clear(column *self)
{
    free(self->validity.data);
    free(self->data.data);
    free(self->bytes.data);
    for (size_t i = 0; i < self->n_children; i++) {
        column_clear(&self->children[i]);
        if (self->keys != NULL)
            Py_DecRef(self->keys[i]);
    }
    free(self->children);
    free(self->keys);
    memset(self, 0, sizeof(*self));
}

static int column_init(column *self, const qpy_type *type)
{
    memset(self, 0, sizeof(*self));
    self->type = type;
    if (type->kind == QPY_DICTIONARY || type->kind == QPY_MAP || type->is_view) {
        PyErr_Format(PyExc_NotImplementedError,
                     "column \"%s\": Python values cannot be turned into this Arrow type (dictionary, map or view); "
                     "pass a pyarrow table",
                     type->name);
        return -1;
    }
    if (type->n_children == 0)
        return 0;
    self->children = calloc(type->n_children, sizeof(column));
    self->keys = calloc(type->n_children, sizeof(*self->keys));
    if (self->children == NULL || self->keys == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < type->n_children; i++) {
        self->n_children++;
        self->keys[i] = PyUnicode_FromString(type->children[i]->name);
        if (self->keys[i] == NULL || column_init(&self->children[i], type->children[i]) != 0)
            return -1;
    }
    return 0;
}

static int put(qpy_buf *buf, const void *data, size_t len)
{
    if (qpy_buf_put(buf, data, len) == 0)
        return 0;
    PyErr_NoMemory();
    return -1;
}

static int cannot(const column *self, PyObject *value)
{
    char type[128];

    qpy_type_describe(self->type, type, sizeof(type));
    qpy_arrow_invalid("Could not convert %R with type %S: tried to convert to %s", value, qpy_type_name(value), type);
    return -1;
}

/* ---------------------------------------------------------------- scalars */

static int append_int(column *self, PyObject *value)
{
    const qpy_type *type = self->type;
    PyObject *index;
    long long number;
    unsigned long long big = 0;

    if (PyBool_Check(value) || PyFloat_Check(value) || !PyIndex_Check(value))
        return cannot(self, value);
    index = PyNumber_Index(value);
    if (index == NULL)
        return -1;
    if (type->width == 8 && !type->is_signed) {
        big = PyLong_AsUnsignedLongLong(index);
        Py_DecRef(index);
        return PyErr_Occurred() ? -1 : put(&self->data, &big, 8);
    }
    number = PyLong_AsLong(index);
    Py_DecRef(index);
    if (number == -1 && PyErr_Occurred())
        return -1;
    if (type->width < 8) {
        long long high = (1LL << (type->width * 8 - type->is_signed)) - 1, low = type->is_signed ? -high - 1 : 0;

        if (number < low || number > high) {
            qpy_arrow_invalid("Value %lld too large to fit in column \"%s\" of %d-byte integers", number, type->name,
                              type->width);
            return -1;
        }
    }
    return put(&self->data, &number, (size_t) type->width); /* little-endian: the low bytes come first */
}

static int append_float(column *self, PyObject *value)
{
    double number;
    float narrow;
    uint16_t half;

    if (PyFloat_CheckExact(value)) {
        number = PyFloat_AsDouble(value);
    } else {
        if (PyBool_Check(value) || PyUnicode_Check(value) || PyBytes_Check(value))
            return cannot(self, value);
        number = PyFloat_AsDouble(value);
        if (number == -1.0 && PyErr_Occurred()) {
            if (!PyErr_ExceptionMatches(PyExc_TypeError))
                return -1;
            PyErr_Clear();
            return cannot(self, value);
        }
    }
    switch (self->type->width) {
    case 8:
        return put(&self->data, &number, 8);
    case 4:
        narrow = (float) number;
        return put(&self->data, &narrow, 4);
    default:
        half = qpy_half_from_double(number);
        return put(&self->data, &half, 2);
    }
}

static int append_bool(column *self, PyObject *value, const qpy_classes *classes)
{
    int truth;

    if (!PyBool_Check(value)) {
        if (classes->generic == NULL || PyObject_IsInstance(value, classes->generic) != 1)
            return cannot(self, value);
    }
    truth = PyObject_IsTrue(value);
    if (truth < 0)
        return -1;
    if (qpy_bits_put(&self->data, self->length, truth) != 0) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static int put_offset(column *self, uint64_t offset)
{
    int32_t small = (int32_t) offset;

    if (self->type->is_large)
        return put(&self->data, &offset, 8);
    if (offset > INT32_MAX) {
        PyErr_Format(PyExc_OverflowError, "column \"%s\" holds more than 2 GiB in one batch; pass it in smaller pieces",
                     self->type->name);
        return -1;
    }
    return put(&self->data, &small, 4);
}

static int append_bytes(column *self, PyObject *value)
{
    const qpy_type *type = self->type;
    const char *text = NULL;
    Py_buffer view = { 0 };
    Py_ssize_t len = 0;
    int rc;

    if (PyUnicode_Check(value)) {
        if (type->kind == QPY_FIXED)
            return cannot(self, value);
        text = PyUnicode_AsUTF8AndSize(value, &len);
        if (text == NULL)
            return -1;
    } else if (type->kind == QPY_STRING) {
        return cannot(self, value);
    } else if (!PyObject_CheckBuffer(value) || PyObject_GetBuffer(value, &view, PyBUF_SIMPLE) != 0) {
        PyErr_Clear();
        return cannot(self, value);
    } else {
        text = view.buf;
        len = view.len;
    }
    if (type->kind == QPY_FIXED && len != type->width) {
        qpy_arrow_invalid("column \"%s\": got a value of %zd bytes, the type has %d", type->name, len, type->width);
        rc = -1;
    } else if (type->kind == QPY_FIXED) {
        rc = put(&self->data, text, (size_t) len);
    } else {
        rc = put(&self->bytes, text, (size_t) len);
        rc = rc != 0 ? rc : put_offset(self, self->bytes.len);
    }
    if (view.obj != NULL)
        PyBuffer_Release(&view);
    return rc;
}

static int append_uuid(column *self, PyObject *value)
{
    PyObject *bytes = PyObject_GetAttrString(value, "bytes");
    int rc = bytes == NULL ? -1 : append_bytes(self, bytes);

    Py_DecRef(bytes);
    return rc;
}

/* ---------------------------------------------------------------- temporal values and decimals */

static long attribute(PyObject *value, const char *name)
{
    PyObject *number = PyObject_GetAttrString(value, name);
    long result = number == NULL ? -1 : PyLong_AsLong(number);

    Py_DecRef(number);
    return result;
}

static int64_t date_days(PyObject *value)
{
    long y = attribute(value, "year"), m = attribute(value, "month"), d = attribute(value, "day");

    return PyErr_Occurred() ? 0 : qpy_days_from_civil(y, (int) m, (int) d);
}

static int64_t clock_us(PyObject *value)
{
    long h = attribute(value, "hour"), m = attribute(value, "minute"), s = attribute(value, "second");

    return ((int64_t) h * 3600 + m * 60 + s) * 1000000 + attribute(value, "microsecond");
}

static int64_t delta_us(PyObject *value)
{
    int64_t days = attribute(value, "days"), seconds = attribute(value, "seconds");

    return (days * 86400 + seconds) * 1000000 + attribute(value, "microseconds");
}

static int64_t moment_us(PyObject *value)
{
    int64_t us = date_days(value) * 86400000000 + clock_us(value);
    PyObject *offset;

    if (PyErr_Occurred())
        return 0;
    offset = PyObject_CallMethod(value, "utcoffset", NULL);
    if (offset != NULL && offset != Py_None)
        us -= delta_us(offset);
    Py_DecRef(offset);
    return us;
}

static int put_us(column *self, int64_t us)
{
    const qpy_type *type = self->type;
    int64_t value = us;
    int32_t small;

    if (PyErr_Occurred())
        return -1;
    if (type->unit == 's' || type->unit == 'm') {
        int64_t per = type->unit == 's' ? 1000000 : 1000;

        if (us % per != 0) {
            qpy_arrow_invalid("column \"%s\": a value with microseconds does not fit its unit", type->name);
            return -1;
        }
        value = us / per;
    } else if (type->unit == 'n' && __builtin_mul_overflow(us, (int64_t) 1000, &value)) {
        PyErr_Format(PyExc_OverflowError, "column \"%s\": a value is outside of what nanoseconds can say", type->name);
        return -1;
    }
    if (type->width == 8)
        return put(&self->data, &value, 8);
    small = (int32_t) value;
    return put(&self->data, &small, 4);
}

static int append_temporal(column *self, PyObject *value, const qpy_classes *classes)
{
    bool is_moment = PyObject_IsInstance(value, classes->datetime) == 1;
    int64_t days;
    int32_t small;

    switch (self->type->kind) {
    case QPY_DATE:
        if (PyObject_IsInstance(value, classes->date) != 1)
            return cannot(self, value);
        days = date_days(value);
        if (PyErr_Occurred())
            return -1;
        small = (int32_t) days;
        days *= 86400000;
        return self->type->width == 4 ? put(&self->data, &small, 4) : put(&self->data, &days, 8);
    case QPY_TIMESTAMP:
        return is_moment ? put_us(self, moment_us(value)) : cannot(self, value);
    case QPY_TIME:
        if (PyObject_IsInstance(value, classes->time) != 1)
            return cannot(self, value);
        return put_us(self, clock_us(value));
    default:
        if (PyObject_IsInstance(value, classes->timedelta) != 1)
            return cannot(self, value);
        return put_us(self, delta_us(value));
    }
}

static int append_decimal(column *self, PyObject *value, const qpy_classes *classes)
{
    const qpy_type *type = self->type;
    PyObject *decimal = NULL, *scaled = NULL, *whole = NULL, *bytes = NULL, *ten = NULL, *exponent = NULL;
    char *data;
    Py_ssize_t len;
    int rc = -1;

    if (PyLong_Check(value) && !PyBool_Check(value)) {
        ten = PyLong_FromLong(10);
        exponent = PyLong_FromLong(type->scale);
        scaled = ten == NULL || exponent == NULL ? NULL : PyNumber_Power(ten, exponent, Py_None);
        whole = scaled == NULL ? NULL : PyNumber_Multiply(value, scaled);
    } else if (classes->decimal != NULL && PyObject_IsInstance(value, classes->decimal) == 1) {
        PyObject *context =
            PyObject_CallMethod(PyDict_GetItemString(PyImport_GetModuleDict(), "decimal"), "Context", "i", 200);

        scaled = context == NULL ? NULL : PyObject_CallMethod(value, "scaleb", "iO", type->scale, context);
        Py_DecRef(context);
        whole = scaled == NULL ? NULL : PyNumber_Long(scaled);
        if (whole != NULL && PyObject_RichCompareBool(whole, scaled, Py_EQ) != 1) {
            qpy_arrow_invalid("column \"%s\": %R has more than %d digits behind the point", type->name, value,
                              type->scale);
            goto done;
        }
    } else {
        return cannot(self, value);
    }
    if (whole == NULL)
        goto done;
    bytes = PyObject_CallMethod(whole, "to_bytes", "is", type->width, "little");
    if (bytes == NULL) { /* negative: as two's complement */
        PyObject *method, *kwargs, *args;

        PyErr_Clear();
        method = PyObject_GetAttrString(whole, "to_bytes");
        args = Py_BuildValue("(is)", type->width, "little");
        kwargs = Py_BuildValue("{sO}", "signed", Py_True);
        bytes = method == NULL || args == NULL || kwargs == NULL ? NULL : PyObject_Call(method, args, kwargs);
        Py_DecRef(method);
        Py_DecRef(args);
        Py_DecRef(kwargs);
    }
    if (bytes != NULL && PyBytes_AsStringAndSize(bytes, &data, &len) == 0)
        rc = put(&self->data, data, (size_t) len);
done:
    Py_DecRef(decimal);
    Py_DecRef(scaled);
    Py_DecRef(whole);
    Py_DecRef(bytes);
    Py_DecRef(ten);
    Py_DecRef(exponent);
    return rc;
}

/* ---------------------------------------------------------------- nested values */

static int append_items(column *self, PyObject *value, const qpy_classes *classes)
{
    column *item = &self->children[0];
    bool is_tuple = PyTuple_Check(value);
    PyObject *sequence = is_tuple || PyList_Check(value) ? Py_NewRef(value) : PySequence_List(value);
    bool is_double = item->type->kind == QPY_FLOAT && item->type->width == 8 && item->null_count == 0;
    Py_ssize_t n;

    if (sequence == NULL)
        return -1;
    n = PySequence_Size(sequence);
    if (is_double && qpy_buf_reserve(&item->data, (size_t) n * 8) != 0) {
        PyErr_NoMemory();
        goto fail;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *one = is_tuple ? PyTuple_GetItem(sequence, i) : PyList_GetItem(sequence, i);

        if (is_double && PyFloat_CheckExact(one)) { /* vectors: nothing but a copy */
            double number = PyFloat_AsDouble(one);

            memcpy(item->data.data + item->data.len, &number, 8);
            item->data.len += 8;
            item->length++;
            continue;
        }
        is_double = false;
        if (append(item, one, classes) != 0)
            goto fail;
    }
    Py_DecRef(sequence);
    return 0;
fail:
    Py_DecRef(sequence);
    return -1;
}

/* A one-dimensional buffer of the very element type of the list is copied as it is. */
static int append_buffer(column *self, PyObject *value, bool *done)
{
    column *item = &self->children[0];
    const qpy_type *type = item->type;
    Py_buffer view;
    int rc = 0;
    char kind;

    *done = false;
    if ((type->kind != QPY_FLOAT && type->kind != QPY_INT) || item->null_count > 0)
        return 0;
    if (PyObject_GetBuffer(value, &view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS) != 0) {
        PyErr_Clear();
        return 0;
    }
    kind = view.format == NULL ? 'B' : view.format[0] == '<' || view.format[0] == '=' ? view.format[1] : view.format[0];
    if (view.ndim == 1 && view.itemsize == type->width &&
        (type->kind == QPY_FLOAT ? strchr("efd", kind) != NULL
                                 : strchr(type->is_signed ? "bhilq" : "BHILQ", kind) != NULL)) {
        rc = put(&item->data, view.buf, (size_t) view.len);
        item->length += view.len / view.itemsize;
        *done = true;
    }
    PyBuffer_Release(&view);
    return rc;
}

static int append_list(column *self, PyObject *value, const qpy_classes *classes)
{
    column *item = &self->children[0];
    int64_t before = item->length;
    bool done = false;

    if (classes->ndarray != NULL && PyObject_IsInstance(value, classes->ndarray) == 1) {
        if (append_buffer(self, value, &done) != 0)
            return -1;
        if (!done) {
            PyObject *list = PyObject_CallMethod(value, "tolist", NULL);
            int rc = list == NULL ? -1 : append_items(self, list, classes);

            Py_DecRef(list);
            if (rc != 0)
                return -1;
        }
    } else if (PyList_Check(value) || PyTuple_Check(value) || PyAnySet_Check(value)) {
        if (append_items(self, value, classes) != 0)
            return -1;
    } else {
        return cannot(self, value);
    }
    if (self->type->kind == QPY_LIST)
        return put_offset(self, (uint64_t) item->length);
    if (item->length - before != self->type->list_size) {
        PyErr_Format(
            PyExc_ValueError, "column \"%s\": Cannot cast to FixedSizeList(%d): value at index %lld has length %lld",
            self->type->name, self->type->list_size, (long long) self->length, (long long) (item->length - before));
        return -1;
    }
    return 0;
}

static int append_struct(column *self, PyObject *value, const qpy_classes *classes)
{
    if (!PyDict_Check(value))
        return cannot(self, value);
    for (size_t i = 0; i < self->n_children; i++) {
        PyObject *item = PyDict_GetItemWithError(value, self->keys[i]);

        if ((item == NULL && PyErr_Occurred()) || append(&self->children[i], item, classes) != 0)
            return -1;
    }
    return 0;
}

/* ---------------------------------------------------------------- any value */

static int append_null(column *self, const qpy_classes *classes)
{
    static const uint8_t zeros[32];
    const qpy_type *type = self->type;

    switch (type->kind) {
    case QPY_NULL:
        return 0;
    case QPY_BOOL:
        if (qpy_bits_put(&self->data, self->length, false) == 0)
            return 0;
        PyErr_NoMemory();
        return -1;
    case QPY_STRING:
    case QPY_BINARY:
        return put_offset(self, self->bytes.len);
    case QPY_LIST:
        return put_offset(self, (uint64_t) self->children[0].length);
    case QPY_FIXED_LIST:
        for (int i = 0; i < type->list_size; i++)
            if (append(&self->children[0], NULL, classes) != 0)
                return -1;
        return 0;
    case QPY_STRUCT:
        for (size_t i = 0; i < self->n_children; i++)
            if (append(&self->children[i], NULL, classes) != 0)
                return -1;
        return 0;
    default:
        for (int left = type->width; left > 0; left -= (int) sizeof(zeros))
            if (put(&self->data, zeros, left < (int) sizeof(zeros) ? (size_t) left : sizeof(zeros)) != 0)
                return -1;
        return 0;
    }
}

static int append_value(column *self, PyObject *value, const qpy_classes *classes)
{
    switch (self->type->kind) {
    case QPY_INT:
        return append_int(self, value);
    case QPY_FLOAT:
        return append_float(self, value);
    case QPY_BOOL:
        return append_bool(self, value, classes);
    case QPY_STRING:
    case QPY_BINARY:
        return append_bytes(self, value);
    case QPY_FIXED:
        return classes->uuid != NULL && PyObject_IsInstance(value, classes->uuid) == 1 ? append_uuid(self, value)
                                                                                       : append_bytes(self, value);
    case QPY_DATE:
    case QPY_TIME:
    case QPY_TIMESTAMP:
    case QPY_DURATION:
        return append_temporal(self, value, classes);
    case QPY_DECIMAL:
        return append_decimal(self, value, classes);
    case QPY_LIST:
    case QPY_FIXED_LIST:
        return append_list(self, value, classes);
    case QPY_STRUCT:
        return append_struct(self, value, classes);
    default:
        return cannot(self, value);
    }
}

static int append(column *self, PyObject *value, const qpy_classes *classes)
{
    PyObject *owned = NULL;
    bool is_null = value == NULL || value == Py_None;
    int rc;

    if (!is_null && classes->pa_scalar != NULL && PyObject_IsInstance(value, classes->pa_scalar) == 1) {
        value = owned = PyObject_CallMethod(value, "as_py", NULL);
        if (owned == NULL)
            return -1;
        is_null = value == Py_None;
    }
    if ((self->type->kind == QPY_LIST || self->type->kind == QPY_STRING || self->type->kind == QPY_BINARY) &&
        self->length == 0 && put_offset(self, 0) != 0) /* offsets begin with a zero */
        rc = -1;
    else
        rc = is_null ? append_null(self, classes) : append_value(self, value, classes);
    Py_DecRef(owned);
    if (rc != 0)
        return -1;
    if (is_null && self->null_count++ == 0)
        for (int64_t i = 0; i < self->length && rc == 0; i++)
            rc = qpy_bits_put(&self->validity, i, true);
    if (rc == 0 && self->null_count > 0)
        rc = qpy_bits_put(&self->validity, self->length, !is_null);
    if (rc != 0)
        PyErr_NoMemory();
    self->length++;
    return rc;
}

/* Moves the buffers into an ArrowArray. */
static int finish(column *self, struct ArrowArray *out)
{
    qpy_kind kind = self->type->kind;
    bool has_bytes = kind == QPY_STRING || kind == QPY_BINARY, has_offsets = has_bytes || kind == QPY_LIST;
    size_t n_buffers = kind == QPY_NULL ? 0 : kind == QPY_STRUCT || kind == QPY_FIXED_LIST ? 1 : has_bytes ? 3 : 2;

    if (has_offsets && self->length == 0 && put_offset(self, 0) != 0)
        return -1;
    if (qpy_array_init(out, self->length, n_buffers, self->n_children) != 0)
        goto no_memory;
    out->null_count = kind == QPY_NULL ? self->length : self->null_count;
    if (n_buffers > 0)
        qpy_array_own(out, 0, &self->validity);
    if (n_buffers > 1) {
        if (self->data.data == NULL && qpy_buf_reserve(&self->data, 1) != 0)
            goto no_memory;
        qpy_array_own(out, 1, &self->data);
    }
    if (has_bytes) {
        if (self->bytes.data == NULL && qpy_buf_reserve(&self->bytes, 1) != 0)
            goto no_memory;
        qpy_array_own(out, 2, &self->bytes);
    }
    for (size_t i = 0; i < self->n_children; i++)
        if (finish(&self->children[i], out->children[i]) != 0)
            goto fail;
    return 0;
no_memory:
    PyErr_NoMemory();
fail:
    if (out->release != NULL)
        out->release(out);
    return -1;
}

int qpy_build(const qpy_type *type, PyObject *const *values, Py_ssize_t n, const qpy_classes *classes,
              struct ArrowArray *out)
{
    column self;
    int rc = column_init(&self, type);

    for (Py_ssize_t i = 0; rc == 0 && i < n; i++)
        rc = append(&self, values[i], classes);
    if (rc == 0)
        rc = finish(&self, out);
    column_clear(&self);
    return rc;
}

/* ---------------------------------------------------------------- rows */

/* The names of the columns: the schema's, or the keys of the first row. */
static PyObject *names_of(PyObject *rows, const struct ArrowSchema *schema)
{
    PyObject *first, *names;

    if (schema == NULL) {
        first = PyList_GetItem(rows, 0);
        if (first == NULL)
            return NULL;
        return PyMapping_Keys(first);
    }
    names = PyList_New((Py_ssize_t) schema->n_children);
    for (int64_t i = 0; names != NULL && i < schema->n_children; i++) {
        PyObject *name = PyUnicode_FromString(schema->children[i]->name);

        if (name == NULL || PyList_SetItem(names, (Py_ssize_t) i, name) != 0) {
            Py_DecRef(names);
            return NULL;
        }
    }
    return names;
}

/* The values of one column, borrowed from the rows; NULL where the key is missing. */
static int gather(PyObject *rows, PyObject *name, PyObject **values)
{
    Py_ssize_t n = PyList_Size(rows);

    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *row = PyList_GetItem(rows, i);

        if (!PyDict_Check(row)) {
            PyErr_Format(PyExc_AttributeError, "row %zd is a %S, not a dict", i, qpy_type_name(row));
            return -1;
        }
        values[i] = PyDict_GetItemWithError(row, name);
        if (values[i] == NULL && PyErr_Occurred())
            return -1;
    }
    return 0;
}

static int build_column(PyObject *const *values, Py_ssize_t n, PyObject *name, const struct ArrowSchema *want,
                        const qpy_classes *classes, struct ArrowSchema *schema, struct ArrowArray *array)
{
    const char *text = qpy_name_text(name);
    qpy_type *type;
    int rc;

    if (text == NULL)
        return -1;
    type = want == NULL ? qpy_infer(values, n, text, classes) : qpy_type_parse(want);
    if (type == NULL)
        return -1;
    rc = qpy_build(type, values, n, classes, array);
    if (rc == 0 && want == NULL)
        rc = qpy_type_export(type, schema);
    else if (rc == 0 && (rc = qpy_schema_copy(want, schema)) != 0)
        PyErr_NoMemory();
    qpy_type_free(type);
    return rc;
}

int qpy_build_rows(PyObject *rows, const struct ArrowSchema *schema, struct ArrowSchema *out_schema,
                   struct ArrowArray *out)
{
    Py_ssize_t n = PyList_Size(rows), n_columns = 0;
    PyObject *names = names_of(rows, schema), **values = NULL;
    qpy_classes classes;
    int rc = -1;

    memset(out_schema, 0, sizeof(*out_schema));
    memset(out, 0, sizeof(*out));
    if (names == NULL || qpy_classes_load(&classes) != 0)
        goto done;
    n_columns = PyList_Size(names);
    values = calloc((size_t) n + 1, sizeof(*values));
    if (values == NULL || qpy_schema_init(out_schema, "+s", "", 0, (size_t) n_columns) != 0 ||
        qpy_array_init(out, n, 1, (size_t) n_columns) != 0) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < n_columns; i++) {
        PyObject *name = PyList_GetItem(names, i);

        if (gather(rows, name, values) != 0 ||
            build_column(values, n, name, schema == NULL ? NULL : schema->children[i], &classes,
                         out_schema->children[i], out->children[i]) != 0)
            goto done;
    }
    rc = 0;
done:
    if (rc != 0) {
        if (out_schema->release != NULL)
            out_schema->release(out_schema);
        if (out->release != NULL)
            out->release(out);
    }
    free(values);
    Py_DecRef(names);
    return rc;
}
