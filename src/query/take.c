/* Rows by number: positions are turned into places first (a search over the fragments' live rows, then over the deleted offsets
 * of one; or the snapshot's index of row ids), then the places are gathered. */
#include <stdlib.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "base/bytes.h"
#include "query_private.h"

typedef struct take {
    qv__snapshot *snapshot;
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

/* starts[f]: live rows before fragment f; n_fragments + 1 of them. */
static qv_status count_live(qv__snapshot *snapshot, uint64_t *starts, qv_error *err)
{
    size_t n = qv__snapshot_n_fragments(snapshot);

    for (size_t f = 0; f < n; f++) {
        const uint32_t *deleted;
        const uint8_t *live;
        size_t n_deleted;
        QV_TRY(qv__snapshot_deletions(snapshot, f, &deleted, &n_deleted, &live, err));
        starts[f + 1] = starts[f] + qv__snapshot_fragment(snapshot, f)->physical_rows - n_deleted;
    }
    return QV_OK;
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
    QV_CHECK(count_live(t->snapshot, starts, err));
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

/* One batch, cut into slices when the caller limits their length. */
static qv_status stream_of(const qv__schema *schema, qv__array *batch, uint32_t batch_rows, qv__stream **out,
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

static qv_status fetch(const take *t, const qv__projection *projection, qv__job *job, uint32_t batch_rows,
                       qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array **columns = NULL, *batch = NULL;

    QV_CHECK(QV_NEW(&columns, QV_MAX(projection->n_outputs, 1), err));
    if (t->n == 0) {
        QV_CHECK(qv__stream_of(projection->schema, NULL, 0, out, err));
        goto done;
    }
    QV_CHECK(qv__fetch_rows(t->snapshot, projection, t->places, t->n, job, columns, err));
    QV_CHECK(qv__batch_new(projection->schema, columns, (int64_t) t->n, &batch, err));
    QV_CHECK(stream_of(projection->schema, batch, batch_rows, out, err));
done:
    qv__array_unref(batch);
    if (columns)
        qv__unref_all(columns, projection->n_outputs);
    qv__free(columns);
    return st;
}

qv_status qv__take(qv__snapshot *snapshot, qv_take_by by, const uint64_t *rows, size_t n, bool in_order,
                   const qv_scan_options *options, qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    take t = { .snapshot = snapshot };
    qv__projection *projection = NULL;
    qv__job job;
    qv__wanted wanted = { .columns = options->columns,
                          .n_columns = options->n_columns,
                          .row_id = options->with_row_id,
                          .row_address = options->with_row_address };

    qv__job_begin(&job, &options->job, "take", n);
    QV_CHECK(qv__job_tick(&job, 0, 0, err));
    QV_CHECK(qv__projection_new(qv__snapshot_schema(snapshot), &wanted, &projection, err));
    QV_CHECK(QV_NEW(&t.places, QV_MAX(n, 1), err));
    QV_CHECK(by == QV_TAKE_OFFSETS ? find_offsets(&t, rows, n, err) : find_row_ids(&t, rows, n, err));
    if (!in_order)
        qsort(t.places, t.n, sizeof *t.places, by_place);
    QV_CHECK(fetch(&t, projection, &job, options->batch_rows, out, err));
done:
    qv__job_end(&job, st);
    qv__free(t.places);
    qv__projection_free(projection);
    return st;
}
