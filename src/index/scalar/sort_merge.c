/* Merging sorted streams. The stream whose head is least gives as many rows as stay ahead of the next stream's head, so that streams
 * which hardly overlap cost a comparison per batch and not per row. */
#include "base/alloc.h"
#include "arrow/builder.h"
#include "index/scalar/sort_private.h"

#define OUT_ROWS 8192

typedef struct input {
    qv__stream *stream;
    qv__array *batch; /* NULL: at its end */
    int64_t at;
    size_t number; /* ties go by it */
} input;

typedef struct merger {
    qv__stream stream;
    qv__type *batch_type;
    size_t n, n_all; /* inputs in the heap; all of them */
    input *inputs;
    input **heap; /* least first */
    qv__builder *values, *rows;
} merger;

/* ------------------------------------------------------------------ order */

static bool is_null(const input *in, int64_t at)
{
    return qv__array_is_null(in->batch->children[0], in->batch->offset + at);
}

/* Row `at` of `a` against the head of `b`. */
static int compare_values(const input *a, int64_t at, const input *b)
{
    bool x = is_null(a, at), y = is_null(b, b->at);

    if (x || y)
        return (int) y - (int) x;
    return qv__order_compare(a->batch->children[0], a->batch->offset + at, b->batch->children[0],
                             b->batch->offset + b->at);
}

static bool comes_first(const input *a, const input *b)
{
    int order = compare_values(a, a->at, b);

    return order ? order < 0 : a->number < b->number;
}

static void sift_down(merger *m, size_t at)
{
    for (;;) {
        size_t least = at, left = 2 * at + 1, right = left + 1;
        if (left < m->n && comes_first(m->heap[left], m->heap[least]))
            least = left;
        if (right < m->n && comes_first(m->heap[right], m->heap[least]))
            least = right;
        if (least == at)
            return;
        input *swap = m->heap[at];
        m->heap[at] = m->heap[least];
        m->heap[least] = swap;
        at = least;
    }
}

/* ------------------------------------------------------------------ inputs */

/* The next batch that has rows, or none. */
static qv_status refill(input *in, qv_error *err)
{
    do {
        qv__array_unref(in->batch);
        in->batch = NULL;
        in->at = 0;
        QV_TRY(in->stream->next(in->stream, &in->batch, err));
    } while (in->batch && in->batch->length == 0);
    return QV_OK;
}

/* How many rows from the least head on come before the second head; at least one, at most `most`. */
static int64_t run_length(const merger *m, int64_t most)
{
    const input *first = m->heap[0], *second = m->n > 1 ? m->heap[1] : NULL;
    int64_t low = 1, high = QV_MIN(most, first->batch->length - first->at);

    if (m->n > 2 && comes_first(m->heap[2], second))
        second = m->heap[2];
    if (!second)
        return high;
    int64_t step = 1; /* steps that double, then halves */
    while (low < high) {
        int64_t probe = QV_MIN(low + step, high);
        int order = compare_values(first, first->at + probe - 1, second);
        bool before = order ? order < 0 : first->number < second->number;
        if (before) {
            low = probe;
            step *= 2;
        } else if (step > 1) {
            high = probe - 1;
            step = 1;
        } else {
            break;
        }
    }
    return low;
}

static qv_status move_rows(merger *m, int64_t n, qv_error *err)
{
    input *in = m->heap[0];

    QV_TRY(qv__builder_append_array(m->values, in->batch->children[0], in->batch->offset + in->at, n, err));
    QV_TRY(qv__builder_append_array(m->rows, in->batch->children[1], in->batch->offset + in->at, n, err));
    in->at += n;
    if (in->at == in->batch->length) {
        QV_TRY(refill(in, err));
        if (!in->batch)
            m->heap[0] = m->heap[--m->n];
    }
    sift_down(m, 0);
    return QV_OK;
}

/* ------------------------------------------------------------------ the stream */

static qv_status merger_next(qv__stream *stream, qv__array **out, qv_error *err)
{
    merger *m = (merger *) stream;
    qv_status st = QV_OK;
    qv__array *columns[2] = { NULL, NULL };

    *out = NULL;
    while (m->n && qv__builder_length(m->rows) < OUT_ROWS)
        QV_TRY(move_rows(m, run_length(m, OUT_ROWS - qv__builder_length(m->rows)), err));
    int64_t n = qv__builder_length(m->rows);
    if (!n)
        return QV_OK;
    QV_CHECK(qv__builder_finish(m->values, &columns[0], err));
    QV_CHECK(qv__builder_finish(m->rows, &columns[1], err));
    QV_CHECK(qv__batch_new(stream->schema, columns, n, out, err));
done:
    qv__array_unref(columns[0]);
    qv__array_unref(columns[1]);
    return st;
}

static void merger_destroy(qv__stream *stream)
{
    merger *m = (merger *) stream;

    for (size_t i = 0; i < m->n_all; i++) {
        qv__array_unref(m->inputs[i].batch);
        qv__stream_free(m->inputs[i].stream);
    }
    qv__builder_free(m->values);
    qv__builder_free(m->rows);
    qv__free(m->inputs);
    qv__free(m->heap);
    qv__schema_unref(stream->schema);
    qv__free(m);
}

static qv_status start(merger *m, const qv__type *type, qv_error *err)
{
    QV_TRY(qv__sorted_schema(type, &m->stream.schema, err));
    QV_TRY(qv__builder_new(type, &m->values, err));
    QV_TRY(qv__builder_new(m->stream.schema->fields[1].type, &m->rows, err));
    for (size_t i = 0; i < m->n_all; i++) {
        QV_TRY(refill(&m->inputs[i], err));
        if (m->inputs[i].batch)
            m->heap[m->n++] = &m->inputs[i];
    }
    for (size_t i = m->n / 2 + 1; i-- > 0;)
        if (i < m->n)
            sift_down(m, i);
    return QV_OK;
}

qv_status qv__merge_sorted(const qv__type *type, qv__stream **streams, size_t n, qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    merger *m = NULL;

    QV_CHECK(QV_NEW(&m, 1, err));
    m->stream.next = merger_next;
    m->stream.destroy = merger_destroy;
    QV_CHECK(QV_NEW(&m->inputs, n, err));
    QV_CHECK(QV_NEW(&m->heap, n, err));
    for (size_t i = 0; i < n; i++) {
        m->inputs[i] = (input){ streams[i], NULL, 0, i };
        streams[i] = NULL;
    }
    m->n_all = n;
    QV_CHECK(start(m, type, err));
    *out = &m->stream;
    m = NULL;
done:
    if (m)
        merger_destroy(&m->stream);
    for (size_t i = 0; i < n; i++)
        qv__stream_free(streams[i]);
    return st;
}
