/* Schema: an Arrow schema that Python can build, read and hand on, with or without pyarrow.
 *
 * A field is the tuple (name, format, nullable, metadata, children, dictionary): `format` is the C data interface's
 * format string, `metadata` a dict of bytes or None, `children` a tuple of fields, `dictionary` the field of a dictionary's
 * values or None. */
#include <string.h>

#include "qpy.h"

PyTypeObject *qpy_schema_type;

typedef struct schema_object {
    PyObject_HEAD struct ArrowSchema schema;
} schema_object;

PyObject *qpy_schema_wrap(struct ArrowSchema *schema)
{
    schema_object *self = (schema_object *) PyType_GenericAlloc(qpy_schema_type, 0);

    if (self == NULL) {
        schema->release(schema);
        return NULL;
    }
    self->schema = *schema;
    schema->release = NULL;
    return (PyObject *) self;
}

const struct ArrowSchema *qpy_schema_of(PyObject *object)
{
    if (!PyObject_TypeCheck(object, qpy_schema_type)) {
        PyErr_Format(PyExc_TypeError, "expected a quiver Schema, got %R", (PyObject *) Py_TYPE(object));
        return NULL;
    }
    return &((schema_object *) object)->schema;
}

int qpy_schema_from_any(PyObject *object, struct ArrowSchema *out)
{
    PyObject *capsule = PyObject_CallMethod(object, "__arrow_c_schema__", NULL);
    struct ArrowSchema *schema;
    int rc = -1;

    if (capsule == NULL)
        return -1;
    schema = PyCapsule_GetPointer(capsule, "arrow_schema");
    if (schema != NULL && schema->release == NULL)
        PyErr_SetString(PyExc_ValueError, "the Arrow schema was released already");
    else if (schema != NULL && (rc = qpy_schema_copy(schema, out)) != 0)
        PyErr_NoMemory();
    Py_DecRef(capsule);
    return rc;
}

/* ---------------------------------------------------------------- tuples to schema */

static int put_metadata(PyObject *dict, struct ArrowSchema *out)
{
    qpy_buf buf = { 0 };
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    int32_t n = (int32_t) PyDict_Size(dict);
    int bad = qpy_buf_put(&buf, &n, 4);

    while (!bad && PyDict_Next(dict, &pos, &key, &value)) {
        for (int i = 0; i < 2 && !bad; i++) {
            char *data;
            Py_ssize_t len;
            int32_t len32;

            if (PyBytes_AsStringAndSize(i == 0 ? key : value, &data, &len) != 0)
                goto fail;
            len32 = (int32_t) len;
            bad = qpy_buf_put(&buf, &len32, 4) != 0 || qpy_buf_put(&buf, data, (size_t) len) != 0;
        }
    }
    if (bad) {
        PyErr_NoMemory();
        goto fail;
    }
    out->metadata = (char *) buf.data;
    return 0;
fail:
    free(buf.data);
    return -1;
}

static int from_tuple(PyObject *field, struct ArrowSchema *out, int depth)
{
    const char *name, *format;
    int nullable;
    PyObject *metadata, *children, *dictionary;
    Py_ssize_t n;

    if (depth > QPY_DEPTH) {
        PyErr_SetString(PyExc_ValueError, "the schema is nested too deep");
        return -1;
    }
    if (!PyTuple_Check(field)) {
        PyErr_SetString(PyExc_TypeError, "a field is a tuple (name, format, nullable, metadata, children, dictionary)");
        return -1;
    }
    if (!PyArg_ParseTuple(field, "sspOO!O", &name, &format, &nullable, &metadata, &PyTuple_Type, &children,
                          &dictionary))
        return -1;
    n = PyTuple_Size(children);
    if (qpy_schema_init(out, format, name, nullable ? ARROW_FLAG_NULLABLE : 0, (size_t) n) != 0) {
        PyErr_NoMemory();
        return -1;
    }
    if (PyDict_Check(metadata) && PyDict_Size(metadata) > 0 && put_metadata(metadata, out) != 0)
        goto fail;
    for (Py_ssize_t i = 0; i < n; i++)
        if (from_tuple(PyTuple_GetItem(children, i), out->children[i], depth + 1) != 0)
            goto fail;
    if (dictionary != Py_None) {
        out->dictionary = calloc(1, sizeof(*out->dictionary));
        if (out->dictionary == NULL) {
            PyErr_NoMemory();
            goto fail;
        }
        if (from_tuple(dictionary, out->dictionary, depth + 1) != 0)
            goto fail;
    }
    return 0;
fail:
    out->release(out);
    return -1;
}

/* ---------------------------------------------------------------- schema to tuples */

static PyObject *metadata_dict(const char *metadata)
{
    PyObject *dict;
    int32_t n, len;

    if (metadata == NULL)
        return Py_NewRef(Py_None);
    dict = PyDict_New();
    memcpy(&n, metadata, 4);
    metadata += 4;
    for (int32_t i = 0; dict != NULL && i < n; i++) {
        PyObject *pair[2] = { NULL, NULL };

        for (int j = 0; j < 2; j++) {
            memcpy(&len, metadata, 4);
            pair[j] = PyBytes_FromStringAndSize(metadata + 4, len);
            metadata += 4 + len;
        }
        if (pair[0] == NULL || pair[1] == NULL || PyDict_SetItem(dict, pair[0], pair[1]) != 0) {
            Py_DecRef(dict);
            dict = NULL;
        }
        Py_DecRef(pair[0]);
        Py_DecRef(pair[1]);
    }
    return dict;
}

static PyObject *to_tuple(const struct ArrowSchema *schema)
{
    PyObject *children = PyTuple_New((Py_ssize_t) schema->n_children);
    PyObject *dictionary, *metadata;

    for (int64_t i = 0; children != NULL && i < schema->n_children; i++) {
        PyObject *child = to_tuple(schema->children[i]);

        if (child == NULL || PyTuple_SetItem(children, (Py_ssize_t) i, child) != 0) {
            Py_DecRef(children);
            return NULL;
        }
    }
    if (children == NULL)
        return NULL;
    metadata = metadata_dict(schema->metadata);
    dictionary = schema->dictionary == NULL ? Py_NewRef(Py_None) : to_tuple(schema->dictionary);
    if (metadata == NULL || dictionary == NULL) {
        Py_DecRef(children);
        Py_DecRef(metadata);
        Py_DecRef(dictionary);
        return NULL;
    }
    return Py_BuildValue("(ssNNNN)", schema->name == NULL ? "" : schema->name, schema->format,
                         PyBool_FromLong(schema->flags & ARROW_FLAG_NULLABLE), metadata, children, dictionary);
}

/* ---------------------------------------------------------------- the class */

static PyObject *schema_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *fields, *metadata = Py_None;
    static char *names[] = { "fields", "metadata", NULL };
    struct ArrowSchema schema;
    Py_ssize_t n;

    (void) type;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:Schema", names, &fields, &metadata))
        return NULL;
    if (!PyList_Check(fields) && !PyTuple_Check(fields)) {
        if (qpy_schema_from_any(fields, &schema) != 0)
            return NULL;
        return qpy_schema_wrap(&schema);
    }
    n = PySequence_Size(fields);
    if (qpy_schema_init(&schema, "+s", "", 0, (size_t) n) != 0)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *field = PySequence_GetItem(fields, i);
        int rc = field == NULL ? -1 : from_tuple(field, schema.children[i], 1);

        Py_DecRef(field);
        if (rc != 0) {
            schema.release(&schema);
            return NULL;
        }
    }
    if (PyDict_Check(metadata) && PyDict_Size(metadata) > 0 && put_metadata(metadata, &schema) != 0) {
        schema.release(&schema);
        return NULL;
    }
    return qpy_schema_wrap(&schema);
}

static void schema_dealloc(PyObject *object)
{
    schema_object *self = (schema_object *) object;
    PyTypeObject *type = Py_TYPE(object);

    if (self->schema.release != NULL)
        self->schema.release(&self->schema);
    PyObject_Free(object);
    Py_DecRef((PyObject *) type);
}

static void schema_capsule_free(PyObject *capsule)
{
    struct ArrowSchema *schema = PyCapsule_GetPointer(capsule, "arrow_schema");

    if (schema != NULL && schema->release != NULL)
        schema->release(schema);
    free(schema);
}

static PyObject *schema_capsule(PyObject *object, PyObject *unused)
{
    struct ArrowSchema *copy = calloc(1, sizeof(*copy));

    (void) unused;
    if (copy == NULL || qpy_schema_copy(&((schema_object *) object)->schema, copy) != 0) {
        free(copy);
        return PyErr_NoMemory();
    }
    return PyCapsule_New(copy, "arrow_schema", schema_capsule_free);
}

static PyObject *schema_fields(PyObject *object, void *closure)
{
    const struct ArrowSchema *schema = &((schema_object *) object)->schema;
    PyObject *fields = PyTuple_New((Py_ssize_t) schema->n_children);

    (void) closure;
    for (int64_t i = 0; fields != NULL && i < schema->n_children; i++) {
        PyObject *field = to_tuple(schema->children[i]);

        if (field == NULL || PyTuple_SetItem(fields, (Py_ssize_t) i, field) != 0) {
            Py_DecRef(fields);
            return NULL;
        }
    }
    return fields;
}

static PyObject *schema_names(PyObject *object, void *closure)
{
    const struct ArrowSchema *schema = &((schema_object *) object)->schema;
    PyObject *names = PyList_New((Py_ssize_t) schema->n_children);

    (void) closure;
    for (int64_t i = 0; names != NULL && i < schema->n_children; i++) {
        PyObject *name = PyUnicode_FromString(schema->children[i]->name);

        if (name == NULL || PyList_SetItem(names, (Py_ssize_t) i, name) != 0) {
            Py_DecRef(names);
            return NULL;
        }
    }
    return names;
}

static PyObject *schema_metadata(PyObject *object, void *closure)
{
    (void) closure;
    return metadata_dict(((schema_object *) object)->schema.metadata);
}

static PyObject *schema_field(PyObject *object, void *closure)
{
    (void) closure;
    return to_tuple(&((schema_object *) object)->schema);
}

static PyObject *schema_repr(PyObject *object)
{
    PyObject *fields = schema_fields(object, NULL);
    PyObject *text = fields == NULL ? NULL : PyUnicode_FromFormat("Schema(%R)", fields);

    Py_DecRef(fields);
    return text;
}

static PyObject *schema_compare(PyObject *a, PyObject *b, int op)
{
    PyObject *left, *right, *result = NULL;

    if (!PyObject_TypeCheck(b, qpy_schema_type) || (op != Py_EQ && op != Py_NE))
        return Py_NewRef(Py_NotImplemented);
    left = schema_fields(a, NULL);
    right = schema_fields(b, NULL);
    if (left != NULL && right != NULL)
        result = PyObject_RichCompare(left, right, op);
    Py_DecRef(left);
    Py_DecRef(right);
    return result;
}

static PyMethodDef schema_methods[] = {
    { "__arrow_c_schema__", schema_capsule, METH_NOARGS, "A PyCapsule \"arrow_schema\" with a copy of the schema." },
    { NULL, NULL, 0, NULL },
};
static PyGetSetDef schema_getset[] = {
    { "fields", schema_fields, NULL, "Tuple of (name, format, nullable, metadata, children, dictionary).", NULL },
    { "field", schema_field, NULL, "The whole as one field tuple (of a type: its format and children).", NULL },
    { "names", schema_names, NULL, "List of the column names.", NULL },
    { "metadata", schema_metadata, NULL, "Dict of bytes, or None.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};
static PyType_Slot schema_slots[] = {
    { Py_tp_new, schema_new },
    { Py_tp_dealloc, schema_dealloc },
    { Py_tp_repr, schema_repr },
    { Py_tp_richcompare, schema_compare },
    { Py_tp_hash, PyObject_HashNotImplemented },
    { Py_tp_methods, schema_methods },
    { Py_tp_getset, schema_getset },
    { Py_tp_doc, "Schema(fields, metadata=None)\n\nAn Arrow schema: built from field tuples, or from any object with "
                 "``__arrow_c_schema__``." },
    { 0, NULL },
};
static PyType_Spec schema_spec = { "quiver._quiver.Schema", sizeof(schema_object), 0, Py_TPFLAGS_DEFAULT,
                                   schema_slots };

int qpy_schema_module_init(PyObject *module)
{
    qpy_schema_type = (PyTypeObject *) PyType_FromSpec(&schema_spec);
    return qpy_schema_type == NULL ? -1 : PyModule_AddType(module, qpy_schema_type);
}
