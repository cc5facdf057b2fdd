/* Versions by name: tags, branches, restore. */
#include "qpy.h"

/* A call that takes a name. */
static PyObject *with_text(PyObject *object, PyObject *args,
                           qv_status (*call)(qv_table *table, const char *name, qv_error *err))
{
    const char *name;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "s", &name))
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = call(qpy_table_of(object), name, &err);
    Py_END_ALLOW_THREADS return qpy_none_or_raise(st, &err);
}

/* A call that takes a name and a version. */
static PyObject *with_version(PyObject *object, PyObject *args,
                              qv_status (*call)(qv_table *table, const char *name, uint64_t version, qv_error *err))
{
    const char *name;
    unsigned long long version;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "sK", &name, &version))
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = call(qpy_table_of(object), name, version, &err);
    Py_END_ALLOW_THREADS return qpy_none_or_raise(st, &err);
}

/* tags() -> [(name, version, branch | None, manifest bytes)] */
static PyObject *tags(PyObject *object, PyObject *unused)
{
    qv_tags *found = NULL;
    PyObject *list;
    qv_status st;
    qv_error err;

    (void) unused;
    Py_BEGIN_ALLOW_THREADS st = qv_table_tags(qpy_table_of(object), &found, &err);
    Py_END_ALLOW_THREADS if (st != QV_OK) return qpy_raise(&err);
    list = PyList_New((Py_ssize_t) found->n);
    for (size_t i = 0; list != NULL && i < found->n; i++) {
        const qv_tag_info *tag = &found->tags[i];
        PyObject *one = Py_BuildValue("(sKzK)", tag->name, (unsigned long long) tag->version, tag->branch,
                                      (unsigned long long) tag->manifest_bytes);

        if (one == NULL || PyList_SetItem(list, (Py_ssize_t) i, one) != 0) {
            Py_DecRef(list);
            list = NULL;
        }
    }
    qv_tags_free(found);
    return list;
}

/* tag_create(name, version), tag_update(name, version) */
static PyObject *tag_create(PyObject *object, PyObject *args)
{
    return with_version(object, args, qv_table_tag_create);
}

static PyObject *tag_update(PyObject *object, PyObject *args)
{
    return with_version(object, args, qv_table_tag_update);
}

static PyObject *tag_delete(PyObject *object, PyObject *args) { return with_text(object, args, qv_table_tag_delete); }

static PyObject *tag_version(PyObject *object, PyObject *args)
{
    const char *tag;
    uint64_t version = 0;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "s", &tag))
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_table_tag_version(qpy_table_of(object), tag, &version, &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? PyLong_FromUnsignedLongLong(version) : qpy_raise(&err);
}

/* checkout_tag(name), checkout_time(nanoseconds since 1970) */
static PyObject *checkout_tag(PyObject *object, PyObject *args)
{
    return with_text(object, args, qv_table_checkout_tag);
}

static PyObject *checkout_time(PyObject *object, PyObject *args)
{
    long long when;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "L", &when))
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_table_checkout_time(qpy_table_of(object), when, &err);
    Py_END_ALLOW_THREADS return qpy_none_or_raise(st, &err);
}

/* restore(version): 0 is the version that the handle is pinned to */
static PyObject *restore(PyObject *object, PyObject *args)
{
    unsigned long long version;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "K", &version))
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_table_restore(qpy_table_of(object), version, &err);
    Py_END_ALLOW_THREADS return qpy_none_or_raise(st, &err);
}

/* ---------------------------------------------------------------- branches */

/* branches() -> [(name, parent branch | None, parent version, seconds since 1970, manifest bytes)] */
static PyObject *branches(PyObject *object, PyObject *unused)
{
    qv_branches *found = NULL;
    PyObject *list;
    qv_status st;
    qv_error err;

    (void) unused;
    Py_BEGIN_ALLOW_THREADS st = qv_table_branches(qpy_table_of(object), &found, &err);
    Py_END_ALLOW_THREADS if (st != QV_OK) return qpy_raise(&err);
    list = PyList_New((Py_ssize_t) found->n);
    for (size_t i = 0; list != NULL && i < found->n; i++) {
        const qv_branch_info *b = &found->branches[i];
        PyObject *one = Py_BuildValue("(szKLK)", b->name, b->parent_branch, (unsigned long long) b->parent_version,
                                      (long long) b->created_s, (unsigned long long) b->manifest_bytes);

        if (one == NULL || PyList_SetItem(list, (Py_ssize_t) i, one) != 0) {
            Py_DecRef(list);
            list = NULL;
        }
    }
    qv_branches_free(found);
    return list;
}

/* branch_create(name, from branch | None, from version) -> Table */
static PyObject *branch_create(PyObject *object, PyObject *args)
{
    const char *name, *from;
    unsigned long long version;
    qv_table *made = NULL;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "szK", &name, &from, &version))
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_table_branch_create(qpy_table_of(object), name, from, version, &made, &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? qpy_table_wrap(made) : qpy_raise(&err);
}

/* branch_open(name | None, version) -> Table */
static PyObject *branch_open(PyObject *object, PyObject *args)
{
    const char *name;
    unsigned long long version;
    qv_table *opened = NULL;
    qv_status st;
    qv_error err;

    if (!PyArg_ParseTuple(args, "zK", &name, &version))
        return NULL;
    Py_BEGIN_ALLOW_THREADS st = qv_table_branch_open(qpy_table_of(object), name, version, &opened, &err);
    Py_END_ALLOW_THREADS return st == QV_OK ? qpy_table_wrap(opened) : qpy_raise(&err);
}

static PyObject *branch_delete(PyObject *object, PyObject *args)
{
    return with_text(object, args, qv_table_branch_delete);
}

static PyObject *branch(PyObject *object, PyObject *unused)
{
    const char *name = qv_table_branch(qpy_table_of(object));

    (void) unused;
    return name == NULL ? Py_NewRef(Py_None) : PyUnicode_FromString(name);
}

PyMethodDef qpy_ref_methods[] = {
    { "tags", tags, METH_NOARGS, "tags() -> [(name, version, branch, manifest bytes)]" },
    { "tag_create", tag_create, METH_VARARGS, "tag_create(name, version)" },
    { "tag_update", tag_update, METH_VARARGS, "tag_update(name, version)" },
    { "tag_delete", tag_delete, METH_VARARGS, "tag_delete(name)" },
    { "tag_version", tag_version, METH_VARARGS, "tag_version(name) -> int" },
    { "checkout_tag", checkout_tag, METH_VARARGS, "checkout_tag(name)" },
    { "checkout_time", checkout_time, METH_VARARGS, "checkout_time(nanoseconds since 1970)" },
    { "restore", restore, METH_VARARGS, "restore(version)" },
    { "branches", branches, METH_NOARGS,
      "branches() -> [(name, parent branch, parent version, seconds since 1970, manifest bytes)]" },
    { "branch_create", branch_create, METH_VARARGS, "branch_create(name, from branch, from version) -> Table" },
    { "branch_open", branch_open, METH_VARARGS, "branch_open(name, version) -> Table" },
    { "branch_delete", branch_delete, METH_VARARGS, "branch_delete(name)" },
    { "branch", branch, METH_NOARGS, "branch() -> str | None" },
    { NULL, NULL, 0, NULL },
};
