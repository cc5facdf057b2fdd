/* Vector columns on their way in: lists become fixed-size lists, and vectors that cannot be searched (of another length, with NaN,
 * null) are refused, dropped, filled or made null, as the caller asked.
 *
 * The stage is a stream around a stream. A batch whose vectors are all good and of the right type passes untouched; else the
 * column is written anew. Dropped rows cost no copy: the batch leaves as the runs between them, which share its buffers. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "qpy.h"

typedef enum action { ACT_CAST, ACT_ADD, ACT_ERROR, ACT_DROP, ACT_FILL, ACT_NULL, ACT_UNKNOWN } action;

typedef struct plan {
    Py_ssize_t column;
    char format; /* of the items: C, e, f, g */
    int dim;
    action action;
    char word[32];  /* what the caller said, for the message */
    qpy_type *type; /* of the column as it comes */
} plan;

/* The rows of a batch between dropped ones. */
typedef struct shared {
    _Atomic int refs;
    int64_t n_columns;
    struct ArrowArray columns[];
} shared;

typedef struct stage {
    struct ArrowArrayStream inner;
    struct ArrowSchema schema;
    plan *plans;
    size_t n_plans;
    double fill;
    int64_t row; /* rows before this batch, for messages */
    qpy_fault *fault;
    shared *split; /* a batch that leaves in runs */
    uint8_t *keep; /* one byte per row of it */
    int64_t split_rows, split_at;
} stage;

static int width_of(char format) { return format == 'C' ? 1 : format == 'e' ? 2 : format == 'f' ? 4 : 8; }

/* Items [begin, begin + n) of the lists of row i. */
static void list_at(const qpy_type *type, const struct ArrowArray *array, int64_t i, int64_t *begin, int64_t *n)
{
    int64_t at = array->offset + i, end;
    int32_t small[2];

    if (type->kind == QPY_FIXED_LIST) {
        *begin = at * type->list_size;
        *n = type->list_size;
    } else if (type->is_large) {
        memcpy(begin, (const uint8_t *) array->buffers[1] + 8 * at, 8);
        memcpy(&end, (const uint8_t *) array->buffers[1] + 8 * (at + 1), 8);
        *n = end - *begin;
    } else {
        memcpy(small, (const uint8_t *) array->buffers[1] + 4 * at, 8);
        *begin = small[0];
        *n = small[1] - small[0];
    }
}

static double item_at(const qpy_type *type, const struct ArrowArray *items, int64_t i)
{
    const uint8_t *at = (const uint8_t *) items->buffers[1] + (items->offset + i) * type->width;
    uint64_t bits = 0;
    float f;
    double d;

    memcpy(&bits, at, (size_t) type->width);
    if (type->kind == QPY_FLOAT && type->width == 8) {
        memcpy(&d, at, 8);
        return d;
    }
    if (type->kind == QPY_FLOAT && type->width == 4) {
        memcpy(&f, at, 4);
        return (double) f;
    }
    if (type->kind == QPY_FLOAT)
        return qpy_half_to_double((uint16_t) bits);
    if (!type->is_signed)
        return (double) bits;
    return type->width == 1   ? (double) (int8_t) bits
           : type->width == 2 ? (double) (int16_t) bits
           : type->width == 4 ? (double) (int32_t) bits
                              : (double) (int64_t) bits;
}

/* A loop over bit patterns, which the compiler turns into vector instructions. */
static bool has_nan32(const uint8_t *at, int64_t n)
{
    uint32_t bits, found = 0;

    for (int64_t j = 0; j < n; j++) {
        memcpy(&bits, at + 4 * j, 4);
        found |= (bits & 0x7fffffff) > 0x7f800000;
    }
    return found;
}

static bool has_nan(const qpy_type *item, const struct ArrowArray *items, int64_t begin, int64_t n)
{
    if (item->kind != QPY_FLOAT)
        return false;
    if (item->width == 4 && (items->null_count == 0 || items->buffers[0] == NULL))
        return has_nan32((const uint8_t *) items->buffers[1] + (items->offset + begin) * 4, n);
    for (int64_t j = 0; j < n; j++)
        if (!qpy_array_is_null(items, begin + j) && isnan(item_at(item, items, begin + j)))
            return true;
    return false;
}

/* ---------------------------------------------------------------- looking at a column */

/* vector_stats(stream, column) -> (most frequent length, rows that are not null, least item, greatest item) of the first batch */
PyObject *qpy_vector_stats(PyObject *module, PyObject *args)
{
    PyObject *object, *counts = NULL, *result = NULL;
    Py_ssize_t column;
    qpy_stream *stream;
    qpy_type *type = NULL;
    const struct ArrowArray *batch, *array;
    double low = INFINITY, high = -INFINITY;
    long long rows = 0, best = 0, best_count = 0;

    (void) module;
    if (!PyArg_ParseTuple(args, "O!n", qpy_stream_type, &object, &column))
        return NULL;
    stream = (qpy_stream *) object;
    if (qpy_stream_peek(stream) != 0)
        return NULL;
    if (stream->next_ready == stream->n_ready || column < 0 || column >= stream->schema.n_children)
        return Py_BuildValue("(iiOO)", 0, 0, Py_None, Py_None);
    batch = &stream->ready[stream->next_ready];
    array = batch->children[column];
    type = qpy_type_parse(stream->schema.children[column]);
    if (type == NULL)
        return NULL;
    if ((type->kind != QPY_LIST && type->kind != QPY_FIXED_LIST) || (counts = PyDict_New()) == NULL)
        goto done;
    for (int64_t i = batch->offset; i < batch->offset + batch->length; i++) {
        const qpy_type *item = type->children[0];
        int64_t begin, n;
        PyObject *key, *old, *count;

        if (qpy_array_is_null(array, i))
            continue;
        rows++;
        list_at(type, array, i, &begin, &n);
        if (item->kind == QPY_INT)
            for (int64_t j = begin; j < begin + n; j++)
                if (!qpy_array_is_null(array->children[0], j)) {
                    low = fmin(low, item_at(item, array->children[0], j));
                    high = fmax(high, item_at(item, array->children[0], j));
                }
        key = PyLong_FromLongLong(n);
        old = key == NULL ? NULL : PyDict_GetItemWithError(counts, key);
        count = PyLong_FromLongLong(1 + (old == NULL ? 0 : PyLong_AsLongLong(old)));
        if (key == NULL || count == NULL || PyDict_SetItem(counts, key, count) != 0) {
            Py_DecRef(key);
            Py_DecRef(count);
            goto done;
        }
        if (PyLong_AsLongLong(count) > best_count || (PyLong_AsLongLong(count) == best_count && n < best)) {
            best_count = PyLong_AsLongLong(count); /* of equally frequent lengths the smallest */
            best = n;
        }
        Py_DecRef(key);
        Py_DecRef(count);
    }
    if (low > high)
        result = Py_BuildValue("(LLOO)", best, rows, Py_None, Py_None);
    else
        result = Py_BuildValue("(LLdd)", best, rows, low, high);
done:
    Py_DecRef(counts);
    qpy_type_free(type);
    if (result == NULL && !PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError, "not a list column");
    return result;
}

/* ---------------------------------------------------------------- writing a column anew */

typedef struct vectors_out {
    const plan *plan;
    double fill;
    int64_t rows;
    uint8_t *data;
    qpy_buf validity, items; /* data NULL: everything is valid so far */
} vectors_out;

static bool put_item(vectors_out *out, int64_t at, double value)
{
    float f = (float) value;
    uint16_t half;

    switch (out->plan->format) {
    case 'C':
        if (!(value >= 0 && value <= 255 && value == floor(value)))
            return false;
        out->data[at] = (uint8_t) value;
        return true;
    case 'e':
        half = qpy_half_from_double(value);
        memcpy(out->data + 2 * at, &half, 2);
        return true;
    case 'f':
        memcpy(out->data + 4 * at, &f, 4);
        return true;
    default:
        memcpy(out->data + 8 * at, &value, 8);
        return true;
    }
}

/* Marks bit `at` of n as null, after making all bits before it valid. */
static int put_null(qpy_buf *bits, int64_t at, int64_t n)
{
    if (bits->data == NULL) {
        if (qpy_buf_reserve(bits, (size_t) (n + 7) / 8 + 1) != 0)
            return -1;
        memset(bits->data, 0xff, bits->cap);
    }
    bits->data[at >> 3] &= (uint8_t) ~(1u << (at & 7));
    return 0;
}

static int fail(stage *self, const plan *p, int64_t row, int64_t n, bool is_nan)
{
    const char *name = p->type->name;

    switch (p->action) {
    case ACT_UNKNOWN:
        return qpy_fault_format(self->fault, EINVAL, "Invalid value for on_bad_vectors: %s", p->word);
    case ACT_ERROR:
        return qpy_fault_format(self->fault, EINVAL,
                                "Vector column '%s' has %s. Set on_bad_vectors='drop' to remove them, set "
                                "on_bad_vectors='fill' and fill_value=<value> to replace them, or set "
                                "on_bad_vectors='null' to replace them with null.",
                                name, is_nan ? "NaNs" : "variable length vectors");
    default:
        if (is_nan)
            return qpy_fault_format(self->fault, EINVAL,
                                    "Compute error: Vector column contains NaN values: column \"%s\", row %lld", name,
                                    (long long) (self->row + row));
        return qpy_fault_format(
            self->fault, EINVAL,
            "Cast error: Cannot cast to FixedSizeList(%d): value at index %lld has length %lld: column "
            "\"%s\", whose lists must all have the expected size",
            p->dim, (long long) (self->row + row), (long long) n, name);
    }
}

/* Row i: is it bad, and does that stop everything? 0 good, 1 bad, 2 null and good, else errno. */
static int judge(stage *self, const plan *p, const struct ArrowArray *array, int64_t i, int64_t begin, int64_t n,
                 bool any_value)
{
    const qpy_type *item = p->type->children[0];
    bool is_null = qpy_array_is_null(array, i), is_float = item->kind == QPY_FLOAT;
    bool is_checked = p->action != ACT_CAST && p->action != ACT_ADD && is_float, is_nan;

    if (is_null) {
        if (!is_checked || !any_value)
            return 2;
        return p->action == ACT_ERROR || p->action == ACT_UNKNOWN ? fail(self, p, i, 0, false) : 1;
    }
    if (n != p->dim) {
        if (is_checked && p->action != ACT_ERROR && p->action != ACT_UNKNOWN)
            return 1;
        return fail(self, p, i, n, false);
    }
    if (p->action == ACT_CAST)
        return 0;
    is_nan = has_nan(item, array->children[0], begin, n);
    if (!is_nan)
        return 0;
    if (p->action == ACT_ADD || p->action == ACT_ERROR || p->action == ACT_UNKNOWN)
        return fail(self, p, i, n, true);
    return 1;
}

static int write_row(stage *self, vectors_out *out, const struct ArrowArray *array, int64_t row, int64_t begin,
                     int64_t n, int verdict)
{
    const plan *p = out->plan;
    const qpy_type *item = p->type->children[0];
    const struct ArrowArray *items = array->children[0];

    if (verdict == 2 || (verdict == 1 && p->action != ACT_FILL)) {
        memset(out->data + row * p->dim * width_of(p->format), 0, (size_t) (p->dim * width_of(p->format)));
        return put_null(&out->validity, row, out->rows) == 0 ? 0 : ENOMEM;
    }
    if (qpy_array_is_null(array, array->length < 0 ? 0 : row))
        n = 0; /* a null that gets filled: whatever lies under it does not count */
    for (int64_t j = 0; j < p->dim; j++) {
        bool missing = j >= n || qpy_array_is_null(items, begin + j);
        double value = missing ? out->fill : item_at(item, items, begin + j);

        if (verdict == 1 && isnan(value))
            value = out->fill;
        if (missing && verdict == 0) {
            value = 0;
            if (put_null(&out->items, row * p->dim + j, out->rows * p->dim) != 0)
                return ENOMEM;
        }
        if (!put_item(out, row * p->dim + j, value))
            return qpy_fault_format(self->fault, EINVAL, "Cast error: value %g of column \"%s\" does not fit uint8",
                                    value, p->type->name);
    }
    return 0;
}

/* The fast case of lists of doubles or floats without nulls, into floats. */
static bool write_run(vectors_out *out, const struct ArrowArray *array, int64_t row, int64_t begin)
{
    const qpy_type *item = out->plan->type->children[0];
    const struct ArrowArray *items = array->children[0];
    float *to = (float *) (void *) (out->data + row * out->plan->dim * 4);
    const uint8_t *from = (const uint8_t *) items->buffers[1] + (items->offset + begin) * item->width;

    if (out->plan->format != 'f' || item->kind != QPY_FLOAT || item->width == 2 || items->null_count != 0)
        return false;
    if (item->width == 4) {
        memcpy(to, from, (size_t) out->plan->dim * 4);
        return true;
    }
    for (int j = 0; j < out->plan->dim; j++) {
        double d;

        memcpy(&d, from + 8 * j, 8);
        to[j] = (float) d;
    }
    return true;
}

/* Takes `array`'s place with a fixed-size list of the plan's type. */
static void replace(struct ArrowArray *array, vectors_out *out)
{
    struct ArrowArray list, *child;
    qpy_buf data = { .data = out->data };

    if (qpy_array_init(&list, out->rows, 1, 1) != 0)
        return;
    child = list.children[0];
    if (qpy_array_init(child, out->rows * out->plan->dim, 2, 0) != 0) {
        list.release(&list);
        return;
    }
    list.null_count = out->validity.data == NULL ? 0 : -1;
    child->null_count = out->items.data == NULL ? 0 : -1;
    qpy_array_own(&list, 0, &out->validity);
    qpy_array_own(child, 0, &out->items);
    qpy_array_own(child, 1, &data);
    out->data = NULL;
    array->release(array);
    *array = list;
}

static bool same_type(const plan *p)
{
    const qpy_type *item = p->type->children[0];

    if (p->type->kind != QPY_FIXED_LIST || p->type->list_size != p->dim || item->width != width_of(p->format))
        return false;
    return p->format == 'C' ? item->kind == QPY_INT && !item->is_signed : item->kind == QPY_FLOAT;
}

static int run_plan(stage *self, const plan *p, struct ArrowArray *array, uint8_t *keep, bool *dropped)
{
    vectors_out out = { .plan = p, .fill = self->fill, .rows = array->length };
    bool same = same_type(p), any_value = false;
    uint8_t *verdicts;
    int rc = 0;

    if (p->type->kind != QPY_LIST && p->type->kind != QPY_FIXED_LIST)
        return 0;
    verdicts = malloc((size_t) array->length + 1);
    if (verdicts == NULL)
        return ENOMEM;
    for (int64_t i = 0; i < array->length && !any_value; i++)
        any_value = !qpy_array_is_null(array, i);
    for (int64_t i = 0; i < array->length; i++) {
        int64_t begin, n;

        list_at(p->type, array, i, &begin, &n);
        rc = judge(self, p, array, i, begin, n, any_value || p->action == ACT_DROP || p->action == ACT_FILL);
        if (rc > 2)
            goto done;
        verdicts[i] = (uint8_t) rc;
        same = same && (rc != 1 || p->action == ACT_DROP);
        if (rc == 1 && p->action == ACT_DROP) {
            keep[i] = 0;
            *dropped = true;
        }
    }
    rc = 0;
    if (same)
        goto done;
    out.data = malloc((size_t) (array->length * p->dim + 1) * (size_t) width_of(p->format));
    if (out.data == NULL) {
        rc = ENOMEM;
        goto done;
    }
    for (int64_t i = 0; i < array->length && rc == 0; i++) {
        int64_t begin, n;

        list_at(p->type, array, i, &begin, &n);
        if (verdicts[i] != 0 || !write_run(&out, array, i, begin))
            rc = write_row(self, &out, array, i, begin, n, verdicts[i]);
    }
    if (rc == 0) {
        replace(array, &out);
        rc = out.data == NULL ? 0 : ENOMEM;
    }
done:
    free(verdicts);
    free(out.data);
    free(out.validity.data);
    free(out.items.data);
    return rc;
}

/* ---------------------------------------------------------------- runs of a batch that share its buffers */

static void shared_unref(shared *split)
{
    if (split == NULL || --split->refs > 0)
        return;
    for (int64_t i = 0; i < split->n_columns; i++)
        split->columns[i].release(&split->columns[i]);
    free(split);
}

static void release_run(struct ArrowArray *array)
{
    shared_unref(array->private_data);
    array->release = NULL;
}

static int next_run(stage *self, struct ArrowArray *out)
{
    int64_t begin = self->split_at, end;

    while (begin < self->split_rows && !self->keep[begin])
        begin++;
    for (end = begin; end < self->split_rows && self->keep[end];)
        end++;
    self->split_at = end;
    if (begin < end) {
        if (qpy_array_init(out, end - begin, 1, (size_t) self->split->n_columns) != 0)
            return ENOMEM;
        for (int64_t c = 0; c < self->split->n_columns; c++) {
            *out->children[c] = self->split->columns[c];
            out->children[c]->offset += begin;
            out->children[c]->length = end - begin;
            if (out->children[c]->null_count > 0)
                out->children[c]->null_count = -1;
            out->children[c]->private_data = self->split;
            out->children[c]->release = release_run;
            self->split->refs++;
        }
    }
    if (self->split_at == self->split_rows) {
        shared_unref(self->split);
        self->split = NULL;
        free(self->keep);
        self->keep = NULL;
    }
    return 0;
}

static int begin_split(stage *self, struct ArrowArray *batch, uint8_t *keep)
{
    shared *split = calloc(1, sizeof(*split) + (size_t) batch->n_children * sizeof(struct ArrowArray));

    if (split == NULL)
        return ENOMEM;
    split->refs = 1;
    split->n_columns = batch->n_children;
    for (int64_t c = 0; c < batch->n_children; c++) {
        split->columns[c] = *batch->children[c];
        batch->children[c]->release = NULL;
    }
    self->split = split;
    self->split_rows = batch->length;
    self->split_at = 0;
    self->keep = keep;
    batch->release(batch);
    return 0;
}

/* ---------------------------------------------------------------- the stream */

/* Lets the columns carry the offset of the batch, so that each can be replaced by itself. */
static void push_down_offset(struct ArrowArray *batch)
{
    for (int64_t c = 0; c < batch->n_children; c++) {
        struct ArrowArray *column = batch->children[c];

        if (column->length != batch->length && column->null_count > 0)
            column->null_count = -1;
        column->offset += batch->offset;
        column->length = batch->length;
    }
    batch->offset = 0;
}

static int transform(stage *self, struct ArrowArray *batch, struct ArrowArray *out)
{
    uint8_t *keep = malloc((size_t) batch->length + 1);
    bool dropped = false;
    int rc = keep == NULL ? ENOMEM : 0;

    if (rc == 0) {
        memset(keep, 1, (size_t) batch->length + 1);
        push_down_offset(batch);
    }
    for (size_t i = 0; i < self->n_plans && rc == 0; i++) {
        if (self->plans[i].column >= batch->n_children)
            rc = EINVAL;
        else
            rc = run_plan(self, &self->plans[i], batch->children[self->plans[i].column], keep, &dropped);
    }
    self->row += batch->length;
    if (rc == 0 && dropped && (rc = begin_split(self, batch, keep)) == 0)
        return 0;
    free(keep);
    if (rc != 0) {
        batch->release(batch);
        return rc;
    }
    *out = *batch;
    return 0;
}

static int stage_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    stage *self = stream->private_data;
    struct ArrowArray batch;
    int rc;

    memset(out, 0, sizeof(*out));
    for (;;) {
        if (self->split != NULL) {
            rc = next_run(self, out);
            if (rc != 0 || out->release != NULL)
                return rc;
            continue;
        }
        memset(&batch, 0, sizeof(batch));
        rc = self->inner.get_next(&self->inner, &batch);
        if (rc != 0) {
            const char *why = self->inner.get_last_error(&self->inner);

            qpy_fault_format(self->fault, rc, "%s", why == NULL ? strerror(rc) : why);
            return rc;
        }
        if (batch.release == NULL)
            return 0;
        rc = transform(self, &batch, out);
        if (rc != 0 || out->release != NULL)
            return rc;
    }
}

static int stage_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    return qpy_schema_copy(&((stage *) stream->private_data)->schema, out) == 0 ? 0 : ENOMEM;
}

static const char *stage_error(struct ArrowArrayStream *stream)
{
    return qpy_fault_message(((stage *) stream->private_data)->fault);
}

static void stage_free(stage *self)
{
    if (self == NULL)
        return;
    if (self->inner.release != NULL)
        self->inner.release(&self->inner);
    if (self->schema.release != NULL)
        self->schema.release(&self->schema);
    for (size_t i = 0; i < self->n_plans; i++)
        qpy_type_free(self->plans[i].type);
    free(self->plans);
    shared_unref(self->split);
    free(self->keep);
    qpy_fault_unref(self->fault);
    free(self);
}

static void stage_release(struct ArrowArrayStream *stream)
{
    PyGILState_STATE gil = PyGILState_Ensure(); /* parsed types may hold Python strings */

    stage_free(stream->private_data);
    PyGILState_Release(gil);
    stream->release = NULL;
}

static action action_of(const char *word)
{
    static const char *const words[] = { "cast", "add", "error", "drop", "fill", "null" };

    for (int i = 0; i < 6; i++)
        if (strcmp(words[i], word) == 0)
            return (action) i;
    return ACT_UNKNOWN;
}

/* Reads plan tuples and changes the schema's columns. */
static int read_plans(stage *self, PyObject *list)
{
    Py_ssize_t n = PyList_Size(list);

    self->plans = calloc((size_t) n + 1, sizeof(plan));
    if (self->plans == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        plan *p = &self->plans[i];
        struct ArrowSchema *field, list_schema;
        const char *format, *word;
        char text[32], item[2] = { 0 };

        if (!PyArg_ParseTuple(PyList_GetItem(list, i), "nsis", &p->column, &format, &p->dim, &word))
            return -1;
        if (p->column < 0 || p->column >= self->schema.n_children || strchr("Cefg", format[0]) == NULL || p->dim < 0) {
            PyErr_SetString(PyExc_ValueError, "bad plan for a vector column");
            return -1;
        }
        p->format = item[0] = format[0];
        p->action = action_of(word);
        strncpy(p->word, word, sizeof(p->word) - 1);
        field = self->schema.children[p->column];
        p->type = qpy_type_parse(field);
        if (p->type == NULL)
            return -1;
        self->n_plans++;
        if (same_type(p))
            continue;
        snprintf(text, sizeof(text), "+w:%d", p->dim);
        if (qpy_schema_init(&list_schema, text, field->name, field->flags, 1) != 0 ||
            qpy_schema_init(list_schema.children[0], item, "item", ARROW_FLAG_NULLABLE, 0) != 0) {
            PyErr_NoMemory();
            return -1;
        }
        list_schema.metadata = field->metadata;
        field->metadata = NULL;
        field->release(field);
        *field = list_schema;
    }
    return 0;
}

/* vector_stream(stream, [(column, item format, dim, action)], fill) -> Stream */
PyObject *qpy_vector_stream(PyObject *module, PyObject *args)
{
    PyObject *object, *plans;
    struct ArrowArrayStream stream;
    stage *self = calloc(1, sizeof(*self));
    qpy_fault *fault = NULL;

    (void) module;
    if (self == NULL)
        return PyErr_NoMemory();
    if (!PyArg_ParseTuple(args, "OO!d", &object, &PyList_Type, &plans, &self->fill) ||
        qpy_stream_move(object, &self->inner, &fault) != 0)
        goto fail;
    self->fault = fault == NULL ? qpy_fault_new() : fault;
    if (self->fault == NULL || self->inner.get_schema(&self->inner, &self->schema) != 0) {
        PyErr_NoMemory();
        goto fail;
    }
    if (read_plans(self, plans) != 0)
        goto fail;
    stream = (struct ArrowArrayStream){ stage_schema, stage_next, stage_error, stage_release, self };
    return qpy_stream_wrap(&stream, qpy_fault_ref(self->fault), NULL);
fail:
    stage_free(self);
    return NULL;
}
