/* Run-end encoded -> plain. Child 0 holds the rising ends of the runs, child 1 one value for each run. Both are
 * imported and validated as arrays of their own, then each value is repeated over the part of its run inside the
 * window. */
#include <string.h>

#include "arrow/arrow_private.h"
#include "arrow/builder.h"
#include "base/bytes.h"

typedef struct runs {
    qv__array *ends;
    qv__array *values;
} runs;

static int64_t run_end(const qv__array *ends, int64_t i)
{
    const uint8_t *values = qv__array_values(ends);

    switch (ends->type->id) {
    case QV_TYPE_INT16:
        return (int16_t) qv__load_u16(values + i * 2);
    case QV_TYPE_INT32:
        return (int32_t) qv__load_u32(values + i * 4);
    default:
        return (int64_t) qv__load_u64(values + i * 8);
    }
}

static qv_status check_runs(const runs *r, int64_t end, const qv__path *path, qv_error *err)
{
    int64_t before = 0;

    if (r->ends->null_count > 0)
        return qv__path_fail(path, err, QV_INVALID, "%lld run ends are null", (long long) r->ends->null_count);
    if (r->values->length < r->ends->length)
        return qv__path_fail(path, err, QV_INVALID, "%lld runs have %lld values", (long long) r->ends->length,
                             (long long) r->values->length);
    for (int64_t i = 0; i < r->ends->length; i++) {
        int64_t here = run_end(r->ends, i);
        if (here <= before)
            return qv__path_fail(path, err, QV_INVALID, "run %lld ends at %lld, the one before it at %lld",
                                 (long long) i, (long long) here, (long long) before);
        before = here;
    }
    if (before < end)
        return qv__path_fail(path, err, QV_INVALID, "the last run ends at %lld, the array at %lld", (long long) before,
                             (long long) end);
    return QV_OK;
}

/* Rows [start, end) of the decoded array. */
static qv_status expand(const runs *r, int64_t start, int64_t end, qv__builder *builder, qv_error *err)
{
    int64_t row = start;

    for (int64_t i = 0; i < r->ends->length && row < end; i++) {
        int64_t stop = QV_MIN(run_end(r->ends, i), end);
        for (; row < stop; row++)
            QV_TRY(qv__builder_append_array(builder, r->values, i, 1, err));
    }
    return QV_OK;
}

static qv_status check_shape(const struct ArrowArray *c, qv__window window, const qv__path *path, qv_error *err)
{
    if (c->n_buffers != 0 || c->n_children != 2 || !c->children || c->dictionary)
        return qv__path_fail(path, err, QV_INVALID,
                             "a run-end encoded array with %lld buffers and %lld children, expected 0 and 2",
                             (long long) c->n_buffers, (long long) c->n_children);
    /* A few bytes of runs may stand for any number of rows. */
    if (window.take > INT32_MAX)
        return qv__path_fail(path, err, QV_LIMIT, "%lld run-end encoded rows in one batch, at most %d",
                             (long long) window.take, INT32_MAX);
    return QV_OK;
}

qv_status qv__import_runs(qv__owner *owner, const struct ArrowArray *c, const struct ArrowSchema *source,
                          const qv__type *type, qv__window window, const qv__path *path, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    char letter = source->children[0]->format[0];
    qv__type_id id = letter == 's' ? QV_TYPE_INT16 : letter == 'i' ? QV_TYPE_INT32 : QV_TYPE_INT64;
    qv__path ends_path = { path, "run_ends" }, values_path = { path, "values" };
    int64_t start = c->offset + window.skip;
    qv__type *ends_type = NULL;
    qv__builder *builder = NULL;
    runs r = { 0 };

    QV_TRY(check_shape(c, window, path, err));
    QV_CHECK(qv__type_new(id, &ends_type, err));
    QV_CHECK(qv__import_node(owner, c->children[0], NULL, ends_type, (qv__window){ 0, -1 }, &ends_path, &r.ends, err));
    QV_CHECK(qv__array_validate_at(r.ends, &ends_path, err));
    QV_CHECK(qv__import_node(owner, c->children[1], source->children[1], type, (qv__window){ 0, -1 }, &values_path,
                             &r.values, err));
    QV_CHECK(qv__array_validate_at(r.values, &values_path, err));
    QV_CHECK(check_runs(&r, window.take > 0 ? start + window.take : 0, path, err));
    QV_CHECK(qv__builder_new(type, &builder, err));
    QV_CHECK(expand(&r, start, start + window.take, builder, err));
    QV_CHECK(qv__builder_finish(builder, out, err));
done:
    qv__builder_free(builder);
    qv__array_unref(r.ends);
    qv__array_unref(r.values);
    qv__type_unref(ends_type);
    return st;
}
