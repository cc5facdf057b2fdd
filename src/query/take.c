/* Rows by number: positions are turned into places first (a search over the fragments' live rows, then over the deleted offsets
 * of one; or the snapshot's index of row ids), then the places are gathered. */
#include <stdlib.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "base/bytes.h"
#include "query_private.h"

typedef struct take {
    qv__snapshot *snapshot;
    bool in_order;
    qv__location *places;
    size_t n;
} take;

static int by_place(const void *a, const void *b)
{
    const qv__location *x = a, *y = b;
    if (x->fragment != y->fragment)
        return x->fragment < y->fragment ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* ------------------------------------------------------------------ offsets */

/* The physical row of the k-th live row: k plus the deleted rows before it. */
static uint64_t physical_row(const uint32_t *deleted, size_t n_deleted, uint64_t k)
{
    size_t low = 0, high = n_deleted; /* deleted[i] - i live rows lie before deleted row i */

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (deleted[mid] - mid <= k)
            low = mid + 1;
        else
            high = mid;
    }
    return k + low;
}

/* The fragment whose live rows [starts[f], starts[f + 1]) hold `offset`, which is below starts[n]. */
static size_t fragment_of(const uint64_t *starts, size_t n, uint64_t offset)
{
    size_t low = 0, high = n;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (starts[mid] <= offset)
            low = mid;
        else
            high = mid;
    }
    return low;
}

static qv_status find_offsets(take *t, const uint64_t *offsets, size_t n, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n_fragments = qv__snapshot_n_fragments(t->snapshot);
    uint64_t *starts = NULL;

    QV_CHECK(QV_NEW(&starts, n_fragments + 1, err));
    QV_CHECK(qv__count_live(t->snapshot, starts, err));
    for (size_t i = 0; i < n; i++) {
        if (offsets[i] >= starts[n_fragments])
            continue;
        size_t f = fragment_of(starts, n_fragments, offsets[i]), n_deleted;
        const uint32_t *deleted;
        const uint8_t *live;
        QV_CHECK(qv__snapshot_deletions(t->snapshot, f, &deleted, &n_deleted, &live, err));
        t->places[t->n++] = (qv__location){ f, physical_row(deleted, n_deleted, offsets[i] - starts[f]) };
    }
done:
    qv__free(starts);
    return st;
}

static qv_status find_row_ids(take *t, const uint64_t *ids, size_t n, qv_error *err)
{
    for (size_t i = 0; i < n; i++) {
        qv__location *place = &t->places[t->n];
        bool found;
        QV_TRY(qv__snapshot_locate(t->snapshot, ids[i], &place->fragment, &place->row, &found, err));
        t->n += found;
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ the answer */

qv_status qv__stream_of_slices(const qv__schema *schema, qv__array *batch, uint32_t batch_rows, qv__stream **out,
                               qv_error *err)
{
    qv_status st = QV_OK;
    int64_t step = batch_rows ? batch_rows : batch->length;
    size_t n = batch->length ? (size_t) ((batch->length + step - 1) / step) : 0;
    qv__array **slices = NULL;

    if (n <= 1)
        return qv__stream_of(schema, &batch, n, out, err);
    QV_CHECK(QV_NEW(&slices, n, err));
    for (size_t i = 0; i < n; i++) {
        int64_t start = (int64_t) i * step;
        QV_CHECK(qv__array_slice(batch, start, QV_MIN(step, batch->length - start), &slices[i], err));
    }
    QV_CHECK(qv__stream_of(schema, slices, n, out, err));
done:
    if (slices)
        qv__unref_all(slices, n);
    qv__free(slices);
    return st;
}

/* Sorts the places by the keys of the options. */
static qv_status sort_places(take *t, const qv__projection *keys, const qv__sort_key *how, const qv__row_reader *reader,
                             qv__job *job, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *batch = NULL;
    qv__sorter *sorter = NULL;
    qv__location *sorted = NULL;

    if (t->n == 0)
        return QV_OK;
    QV_CHECK(qv__sorter_new(how, keys->n_outputs, UINT64_MAX, &sorter, err));
    QV_CHECK(qv__fetch_batch(reader, keys, t->places, t->n, job, &batch, err));
    QV_CHECK(qv__sorter_add(sorter, batch->children, t->places, t->n, err));
    QV_CHECK(qv__sorter_finish(sorter, &sorted, &t->n, err));
    qv__free(t->places);
    t->places = sorted;
done:
    qv__sorter_free(sorter);
    qv__array_unref(batch);
    return st;
}

static qv_status order_places(take *t, const qv_scan_options *options, qv__job *job, qv_error *err)
{
    qv_status st = QV_OK;
    qv__row_reader reader = { .snapshot = qv__snapshot_ref(t->snapshot) };
    qv__projection *projection = NULL;
    const char **names = NULL, **expressions = NULL;
    qv__sort_key *keys = NULL;
    size_t n;

    QV_CHECK(QV_NEW(&names, options->n_order_by, err));
    QV_CHECK(QV_NEW(&expressions, options->n_order_by, err));
    QV_CHECK(QV_NEW(&keys, options->n_order_by, err));
    QV_CHECK(qv__order_columns(options, names, expressions, keys, &n, err));
    qv__wanted wanted = { .columns = names, .expressions = expressions, .n_columns = n };
    QV_CHECK(qv__projection_new(qv__snapshot_schema(t->snapshot), &wanted, &reader.sources, &projection, err));
    QV_CHECK(qv__order_check(projection->schema, n, err));
    QV_CHECK(qv__row_reader_prepare(&reader, err));
    QV_CHECK(sort_places(t, projection, keys, &reader, job, err));
done:
    qv__projection_free(projection);
    qv__free(names);
    qv__free(expressions);
    qv__free(keys);
    qv__row_reader_clear(&reader);
    return st;
}

static qv_status keep_matching(take *t, const qv__row_reader *reader, const qv__filter *filter, qv__job *job,
                               qv_error *err)
{
    uint8_t *selected = NULL;
    size_t n_selected = 0;

    if (qv__filter_is_empty(filter))
        return QV_OK;
    QV_TRY(QV_NEW(&selected, QV_MAX(qv__bitmap_bytes(t->n), 1), err));
    qv_status st = qv__fetch_selected(reader, filter, t->places, t->n, job, selected, &n_selected, err);
    for (size_t i = 0, from = 0; st == QV_OK && i < n_selected; i++, from++) {
        from = qv__bitmap_find(selected, from, t->n, true);
        t->places[i] = t->places[from];
    }
    t->n = n_selected;
    qv__free(selected);
    return st;
}

/* The places that the numbers name, under the condition, in the order that is wanted. */
static qv_status find_places(take *t, qv_take_by by, const uint64_t *rows, size_t n, const qv__row_reader *reader,
                             const qv__filter *filter, qv__job *job, qv_error *err)
{
    QV_TRY(QV_NEW(&t->places, QV_MAX(n, 1), err));
    QV_TRY(by == QV_TAKE_OFFSETS ? find_offsets(t, rows, n, err) : find_row_ids(t, rows, n, err));
    if (!t->in_order)
        qsort(t->places, t->n, sizeof *t->places, by_place);
    return keep_matching(t, reader, filter, job, err);
}

qv_status qv__take(qv__snapshot *snapshot, qv_take_by by, const uint64_t *rows, size_t n, bool in_order,
                   const qv_scan_options *options, qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    take t = { .snapshot = snapshot, .in_order = in_order };
    qv__row_reader reader = { .snapshot = qv__snapshot_ref(snapshot) };
    qv__filter filter = { 0 };
    qv__projection *projection = NULL;
    qv__array *batch = NULL;
    qv__wanted wanted = qv__wanted_of(options);
    qv__job job;

    qv__job_begin(&job, &options->job, "take", n);
    QV_CHECK(qv__job_tick(&job, 0, 0, err));
    QV_CHECK(qv__filter_new(&filter, &reader, options->where, true, err));
    QV_CHECK(qv__projection_new(qv__snapshot_schema(snapshot), &wanted, &reader.sources, &projection, err));
    QV_CHECK(qv__row_reader_prepare(&reader, err));
    QV_CHECK(find_places(&t, by, rows, n, &reader, &filter, &job, err));
    if (options->n_order_by > 0)
        QV_CHECK(order_places(&t, options, &job, err));
    if (t.n == 0) {
        QV_CHECK(qv__stream_of(projection->schema, NULL, 0, out, err));
        goto done;
    }
    QV_CHECK(qv__fetch_batch(&reader, projection, t.places, t.n, &job, &batch, err));
    QV_CHECK(qv__stream_of_slices(projection->schema, batch, options->batch_rows, out, err));
done:
    st = qv__query_failed(st, err);
    qv__job_end(&job, st);
    qv__array_unref(batch);
    qv__free(t.places);
    qv__projection_free(projection);
    qv__filter_clear(&filter);
    qv__row_reader_clear(&reader);
    return st;
}
