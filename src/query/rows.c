/* Rows of one fragment and their values: how a span, a dense list or a sparse list of rows is read. */
#include <string.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "base/bytes.h"
#include "query_private.h"

enum { SPARSE = 2 /* a span with more than this many rows per row that is meant is read row by row */ };

/* ------------------------------------------------------------------ readers */

qv_status qv__count_live(qv__snapshot *snapshot, uint64_t *starts, qv_error *err)
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

qv_status qv__row_reader_prepare(qv__row_reader *reader, qv_error *err)
{
    if (!qv__sources_have(&reader->sources, QV_FROM_ROW_OFFSET))
        return QV_OK;
    QV_TRY(QV_NEW(&reader->starts, qv__snapshot_n_fragments(reader->snapshot) + 1, err));
    return qv__count_live(reader->snapshot, reader->starts, err);
}

void qv__row_reader_clear(qv__row_reader *reader)
{
    qv__sources_clear(&reader->sources);
    qv__free(reader->starts);
    qv__snapshot_unref(reader->snapshot);
    *reader = (qv__row_reader){ 0 };
}

/* ------------------------------------------------------------------ fragments */

qv_status qv__opened_new(const qv__row_reader *reader, size_t fragment, qv__opened **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__opened *opened = NULL;
    const uint32_t *deleted;
    size_t n_deleted;

    QV_CHECK(QV_NEW(&opened, 1, err));
    atomic_init(&opened->refs, 1);
    opened->reader = reader;
    opened->index = fragment;
    opened->rows = qv__snapshot_fragment(reader->snapshot, fragment)->physical_rows;
    QV_CHECK(QV_NEW(&opened->columns, QV_MAX(reader->sources.n, 1), err));
    QV_CHECK(qv__snapshot_deletions(reader->snapshot, fragment, &deleted, &n_deleted, &opened->live, err));
    *out = opened;
    opened = NULL;
done:
    qv__opened_unref(opened);
    return st;
}

qv__opened *qv__opened_ref(qv__opened *opened)
{
    atomic_fetch_add_explicit(&opened->refs, 1, memory_order_relaxed);
    return opened;
}

void qv__opened_unref(qv__opened *opened)
{
    if (!opened || atomic_fetch_sub_explicit(&opened->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; opened->columns && i < opened->reader->sources.n; i++)
        qv__fragment_column_free(atomic_load_explicit(&opened->columns[i], memory_order_relaxed));
    qv__free(opened->columns);
    qv__free(opened);
}

/* Two threads may open the same column; the first to say so wins. */
qv_status qv__opened_column(qv__opened *opened, size_t source, qv__fragment_column **out, qv_error *err)
{
    _Atomic(qv__fragment_column *) *slot = &opened->columns[source];
    qv__fragment_column *column = atomic_load_explicit(slot, memory_order_acquire), *other = NULL;

    if (!column) {
        QV_TRY(qv__fragment_column_open(opened->reader->snapshot, opened->index,
                                        qv__read_field(&opened->reader->sources.items[source].read), &column, err));
        if (!atomic_compare_exchange_strong_explicit(slot, &other, column, memory_order_acq_rel,
                                                     memory_order_acquire)) {
            qv__fragment_column_free(column);
            column = other;
        }
    }
    *out = column;
    return QV_OK;
}

/* ------------------------------------------------------------------ arrays that are made */

void qv__unref_all(qv__array **arrays, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        qv__array_unref(arrays[i]);
        arrays[i] = NULL;
    }
}

qv_status qv__fixed_array(const qv__type *type, size_t n, qv__array **out, void **values, qv_error *err)
{
    qv__array *array = NULL;
    uint8_t *bytes;

    QV_TRY(qv__array_new(type, (int64_t) n, 0, &array, err));
    qv_status st = qv__bytes_new(n * (size_t) qv__type_bits(type) / 8, &array->buffers[1], &bytes, err);
    if (st != QV_OK) {
        qv__array_unref(array);
        return st;
    }
    *values = bytes;
    *out = array;
    return QV_OK;
}

qv_status qv__made_array(qv__source_kind kind, size_t n, qv__array **out, void **values, qv_error *err)
{
    qv__type *type = NULL;
    qv__type_id id = kind == QV_FROM_DISTANCE      ? QV_TYPE_FLOAT32
                     : kind == QV_FROM_QUERY_INDEX ? QV_TYPE_INT32
                                                   : QV_TYPE_UINT64;

    QV_TRY(qv__type_new(id, &type, err));
    qv_status st = qv__fixed_array(type, n, out, values, err);
    qv__type_unref(type);
    return st;
}

/* Deleted rows before `row`. */
static size_t deleted_before(const uint32_t *deleted, size_t n, uint64_t row)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (deleted[mid] < row)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static qv_status row_offsets(const qv__row_reader *reader, size_t fragment, uint64_t row, const uint64_t *list,
                             size_t count, uint64_t *out, qv_error *err)
{
    const uint32_t *deleted;
    const uint8_t *live;
    size_t n_deleted;

    QV_TRY(qv__snapshot_deletions(reader->snapshot, fragment, &deleted, &n_deleted, &live, err));
    for (size_t i = 0; i < count; i++) {
        uint64_t at = list ? list[i] : row + i;
        out[i] = reader->starts[fragment] + at - deleted_before(deleted, n_deleted, at);
    }
    return QV_OK;
}

qv_status qv__row_numbers(const qv__row_reader *reader, qv__source_kind kind, size_t fragment, uint64_t row,
                          const uint64_t *list, size_t count, uint64_t *out, qv_error *err)
{
    qv__snapshot *snapshot = reader->snapshot;
    const uint64_t *ids = NULL;

    if (kind == QV_FROM_ROW_OFFSET)
        return row_offsets(reader, fragment, row, list, count, out, err);
    if (kind == QV_FROM_ROW_ID)
        QV_TRY(qv__snapshot_row_id_array(snapshot, fragment, &ids, err));
    for (size_t i = 0; ids && i < count; i++)
        out[i] = ids[list ? list[i] : row + i];
    if (ids)
        return QV_OK;
    uint64_t base = (kind == QV_FROM_PLACE ? fragment : qv__snapshot_fragment(snapshot, fragment)->id) << 32;
    for (size_t i = 0; i < count; i++)
        out[i] = base | (list ? list[i] : row + i);
    return QV_OK;
}

/* ------------------------------------------------------------------ reading */

void qv__rows_clear(qv__rows *rows)
{
    qv__opened_unref(rows->from);
    qv__free(rows->list);
    qv__free(rows->mask);
    *rows = (qv__rows){ 0 };
}

bool qv__rows_are_dense(const qv__rows *rows)
{
    return qv__rows_are_all(rows) || rows->n <= SPARSE * (uint64_t) rows->count;
}

qv_status qv__rows_list(qv__rows *rows, const uint64_t **out, qv_error *err)
{
    if (!rows->list) {
        QV_TRY(QV_NEW(&rows->list, QV_MAX(rows->count, 1), err));
        for (size_t i = 0, at = 0; i < rows->count; i++, at++) {
            at = qv__bitmap_find(rows->mask, at, rows->n, true);
            rows->list[i] = rows->row + at;
        }
    }
    *out = rows->list;
    return QV_OK;
}

qv_status qv__rows_mask(qv__rows *rows, const uint8_t **out, qv_error *err)
{
    if (!rows->mask) {
        QV_TRY(QV_NEW(&rows->mask, QV_MAX(qv__bitmap_bytes(rows->n), 1), err));
        for (size_t i = 0; rows->list && i < rows->count; i++)
            qv__bit_set(rows->mask, rows->list[i] - rows->row);
        if (!rows->list)
            qv__bitmap_fill(rows->mask, 0, rows->n, true);
    }
    *out = rows->mask;
    return QV_OK;
}

static qv_status read_made(const qv__rows *rows, qv__source_kind kind, const uint64_t *list, size_t count,
                           qv__array **out, qv_error *err)
{
    qv__array *array = NULL;
    void *values;

    QV_TRY(qv__made_array(kind, count, &array, &values, err));
    qv_status st = qv__row_numbers(rows->from->reader, kind, rows->from->index, rows->row, list, count, values, err);
    if (st != QV_OK) {
        qv__array_unref(array);
        return st;
    }
    *out = array;
    return QV_OK;
}

static qv_status extract(const qv__rows *rows, size_t source, qv__array *array, qv__array **out, qv_error *err)
{
    qv_status st = qv__read_extract(&rows->from->reader->sources.items[source].read, array, out, err);
    qv__array_unref(array);
    return st;
}

qv_status qv__rows_read_span(const qv__rows *rows, size_t source, qv__array **out, qv_error *err)
{
    qv__source_kind kind = rows->from->reader->sources.items[source].kind;
    qv__fragment_column *column;
    qv__array *array = NULL;

    if (kind != QV_FROM_FIELD)
        return read_made(rows, kind, NULL, rows->n, out, err);
    QV_TRY(qv__opened_column(rows->from, source, &column, err));
    QV_TRY(qv__fragment_column_read(column, rows->row, rows->n, &array, err));
    return extract(rows, source, array, out, err);
}

qv_status qv__rows_read(qv__rows *rows, size_t source, qv__array **out, qv_error *err)
{
    qv__source_kind kind = rows->from->reader->sources.items[source].kind;
    qv__fragment_column *column;
    qv__array *array = NULL;
    const uint64_t *list;
    const uint8_t *mask;

    if (qv__rows_are_all(rows))
        return qv__rows_read_span(rows, source, out, err);
    if (kind != QV_FROM_FIELD || !qv__rows_are_dense(rows)) {
        QV_TRY(qv__rows_list(rows, &list, err));
        if (kind != QV_FROM_FIELD)
            return read_made(rows, kind, list, rows->count, out, err);
        QV_TRY(qv__opened_column(rows->from, source, &column, err));
        QV_TRY(qv__fragment_column_take(column, list, rows->count, &array, err));
        return extract(rows, source, array, out, err);
    }
    QV_TRY(qv__rows_mask(rows, &mask, err));
    QV_TRY(qv__rows_read_span(rows, source, &array, err));
    qv_status st = qv__array_filter(array, mask, out, err);
    qv__array_unref(array);
    return st;
}
