/* Stable row ids: each fragment carries a sequence of ids, one per physical row, as segments of several forms, or as a hidden
 * column of a data file. A sequence is counted before anything is allocated for it.
 *
 * To find a row by its id, the live rows of all fragments are cut into runs of consecutive ids, sorted by id; an update moves
 * a row to a new fragment under the id it had, so only live rows may be looked at. */
#include <inttypes.h>
#include <stdlib.h>

#include "table/table_private.h"

/* ------------------------------------------------------------------ encoded arrays */

typedef struct u64_view { /* n numbers of `width` bytes, each added to `base` */
    const uint8_t *bytes;
    size_t n, width;
    uint64_t base;
} u64_view;

static qv_status view_array(const Lance__Table__EncodedU64Array *array, u64_view *out, qv_error *err)
{
    ProtobufCBinaryData data = { 0 };

    *out = (u64_view){ .width = 8 };
    if (array && array->u16_array) {
        data = array->u16_array->offsets;
        *out = (u64_view){ .width = 2, .base = array->u16_array->first };
    } else if (array && array->u32_array) {
        data = array->u32_array->offsets;
        *out = (u64_view){ .width = 4, .base = array->u32_array->first };
    } else if (array && array->u64_array) {
        data = array->u64_array->values;
    }
    if (data.len % out->width)
        return qv__fail(err, QV_CORRUPT, "%zu bytes of %zu-byte numbers", data.len, out->width);
    out->bytes = data.data;
    out->n = data.len / out->width;
    return QV_OK;
}

static uint64_t view_get(const u64_view *view, size_t i)
{
    const uint8_t *at = view->bytes + i * view->width;

    return view->base + (view->width == 2 ? qv__load_u16(at) : view->width == 4 ? qv__load_u32(at) : qv__load_u64(at));
}

/* ------------------------------------------------------------------ segments */

typedef struct segment {
    enum { SEGMENT_RANGE, SEGMENT_HOLES, SEGMENT_BITMAP, SEGMENT_ARRAY } form;
    uint64_t start, end;
    u64_view view; /* holes, or the values */
    const uint8_t *bitmap;
    uint64_t n;
} segment;

static qv_status check_range(uint64_t start, uint64_t end, qv_error *err)
{
    if (end < start)
        return qv__fail(err, QV_CORRUPT, "a range of row ids from %" PRIu64 " to %" PRIu64, start, end);
    return QV_OK;
}

static qv_status open_holes(const Lance__Table__U64RangeWithHoles *range, segment *out, qv_error *err)
{
    *out = (segment){ .form = SEGMENT_HOLES, .start = range->start, .end = range->end };
    QV_TRY(check_range(out->start, out->end, err));
    QV_TRY(view_array(range->holes, &out->view, err));
    for (size_t i = 0; i < out->view.n; i++) {
        uint64_t hole = view_get(&out->view, i);
        if (hole < out->start || hole >= out->end || (i && hole <= view_get(&out->view, i - 1)))
            return qv__fail(err, QV_CORRUPT, "hole %" PRIu64 " in a range of row ids is out of order", hole);
    }
    out->n = out->end - out->start - out->view.n;
    return QV_OK;
}

static qv_status open_bitmap(const Lance__Table__U64RangeWithBitmap *range, segment *out, qv_error *err)
{
    *out = (segment){ .form = SEGMENT_BITMAP, .start = range->start, .end = range->end };
    QV_TRY(check_range(out->start, out->end, err));
    uint64_t n_bits = out->end - out->start;
    if (n_bits / 8 + (n_bits % 8 != 0) > range->bitmap.len)
        return qv__fail(err, QV_CORRUPT, "a bitmap of %zu bytes for %" PRIu64 " row ids", range->bitmap.len, n_bits);
    out->bitmap = range->bitmap.data;
    out->n = n_bits ? qv__bitmap_count(out->bitmap, 0, n_bits) : 0;
    return QV_OK;
}

static qv_status open_segment(const Lance__Table__U64Segment *message, segment *out, qv_error *err)
{
    if (message->range) {
        *out = (segment){ .form = SEGMENT_RANGE, .start = message->range->start, .end = message->range->end };
        out->n = out->end - out->start;
        return check_range(out->start, out->end, err);
    }
    if (message->range_with_holes)
        return open_holes(message->range_with_holes, out, err);
    if (message->range_with_bitmap)
        return open_bitmap(message->range_with_bitmap, out, err);
    *out = (segment){ .form = SEGMENT_ARRAY };
    QV_TRY(view_array(message->sorted_array ? message->sorted_array : message->array, &out->view, err));
    out->n = out->view.n;
    return QV_OK;
}

/* Writes segment->n ids. */
static void expand_segment(const segment *s, uint64_t *out)
{
    size_t hole = 0;

    switch (s->form) {
    case SEGMENT_RANGE:
        for (uint64_t i = 0; i < s->n; i++)
            out[i] = s->start + i;
        break;
    case SEGMENT_HOLES:
        for (uint64_t id = s->start; id < s->end; id++) {
            if (hole < s->view.n && view_get(&s->view, hole) == id)
                hole++;
            else
                *out++ = id;
        }
        break;
    case SEGMENT_BITMAP:
        for (uint64_t i = 0; i < s->end - s->start; i++)
            if (qv__bit_get(s->bitmap, i))
                *out++ = s->start + i;
        break;
    case SEGMENT_ARRAY:
        for (size_t i = 0; i < s->n; i++)
            out[i] = view_get(&s->view, i);
        break;
    }
}

/* ------------------------------------------------------------------ sequences */

static qv_status check_count(const Lance__Table__RowIdSequence *sequence, uint64_t n, qv_error *err)
{
    uint64_t total = 0;
    segment s;

    for (size_t i = 0; i < sequence->n_segments; i++) {
        QV_TRY(open_segment(sequence->segments[i], &s, err));
        if (s.n > n - total)
            return qv__fail(err, QV_CORRUPT, "more row ids than the fragment's %" PRIu64 " rows", n);
        total += s.n;
    }
    if (total != n)
        return qv__fail(err, QV_CORRUPT, "%" PRIu64 " row ids for %" PRIu64 " rows", total, n);
    return QV_OK;
}

static qv_status unpack_sequence(qv__section packed, qv__arena *arena, Lance__Table__RowIdSequence **out, qv_error *err)
{
    ProtobufCMessage *message;

    QV_TRY(
        qv__message_unpack(&lance__table__row_id_sequence__descriptor, packed.data, packed.len, arena, &message, err));
    *out = (Lance__Table__RowIdSequence *) message;
    return QV_OK;
}

qv_status qv__row_ids_expand(qv__section packed, uint64_t n, uint64_t *out, qv_error *err)
{
    qv_status st = QV_OK;
    Lance__Table__RowIdSequence *sequence;
    qv__arena arena;
    segment s;

    qv__arena_init(&arena, qv__message_limit(packed.len));
    QV_CHECK(unpack_sequence(packed, &arena, &sequence, err));
    QV_CHECK(check_count(sequence, n, err));
    for (size_t i = 0; i < sequence->n_segments; i++) {
        QV_CHECK(open_segment(sequence->segments[i], &s, err));
        expand_segment(&s, out);
        out += s.n;
    }
done:
    qv__arena_reset(&arena);
    return st;
}

/* ------------------------------------------------------------------ one fragment */

static void row_ids_destroy(qv__owner *owner)
{
    qv__row_ids *row_ids = (qv__row_ids *) owner;

    qv__free(row_ids->ids);
    qv__free(row_ids);
}

#define HIDDEN_ROW_ID (-3)

static qv_status find_hidden(const qv__fragment *f, size_t *out, qv_error *err)
{
    for (size_t i = 0; i < f->n_files; i++) {
        for (size_t j = 0; j < f->files[i].n_fields; j++) {
            if (f->files[i].field_ids[j] == HIDDEN_ROW_ID) {
                *out = i;
                return QV_OK;
            }
        }
    }
    return qv__fail(err, QV_CORRUPT, "no data file holds the row ids");
}

/* Row ids that were spilled into a data file: a uint64 column under a negative field id. */
static qv_status read_hidden(qv__snapshot *snapshot, size_t fragment, uint64_t *out, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__fragment *f = &snapshot->fragments[fragment];
    qv__column *column = NULL;
    qv__array *array = NULL;
    qv__type *type = NULL;
    qv__field field = { 0 };
    qv__file *file;
    size_t at = 0;

    QV_TRY(find_hidden(f, &at, err));
    QV_CHECK(qv__snapshot_file(snapshot, fragment, at, &file, err));
    QV_CHECK(qv__type_new(QV_TYPE_UINT64, &type, err));
    QV_CHECK(qv__field_init(&field, "_rowid", type, false, err));
    field.id = HIDDEN_ROW_ID;
    qv__column_map map = { f->files[at].field_ids, f->files[at].columns, f->files[at].n_fields };
    QV_CHECK(qv__column_open(file, &field, &map, &column, err));
    QV_CHECK(qv__column_read(column, 0, f->physical_rows, &array, err));
    if (array->null_count || (uint64_t) array->length != f->physical_rows)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "the column of row ids has nulls"));
    if (f->physical_rows)
        memcpy(out, qv__array_values(array), f->physical_rows * sizeof *out);
done:
    qv__array_unref(array);
    qv__column_free(column);
    qv__field_clear(&field);
    qv__type_unref(type);
    return st;
}

qv_status qv__row_ids_load(qv__snapshot *snapshot, size_t fragment, qv__row_ids **out, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__fragment *f = &snapshot->fragments[fragment];
    const qv__lineage *lineage = &snapshot->lineage[fragment];
    qv__row_ids *row_ids = NULL;

    QV_CHECK(qv__snapshot_check_rows(snapshot, fragment, err));
    QV_CHECK(QV_NEW(&row_ids, 1, err));
    qv__owner_init(&row_ids->owner, row_ids_destroy);
    QV_CHECK(QV_NEW(&row_ids->ids, f->physical_rows, err));
    if (lineage->row_ids.data)
        QV_CHECK(qv__row_ids_expand(lineage->row_ids, f->physical_rows, row_ids->ids, err));
    else if (lineage->spilled)
        QV_CHECK(read_hidden(snapshot, fragment, row_ids->ids, err));
    else if (f->physical_rows)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "a table with stable row ids, but no row ids"));
    *out = row_ids;
    row_ids = NULL;
done:
    if (row_ids)
        qv__owner_unref(&row_ids->owner);
    if (st != QV_OK)
        qv__fail_in(err, st, "fragment %" PRIu64, f->id);
    return st;
}

/* ------------------------------------------------------------------ finding a row */

typedef struct run { /* ids [id, id + n) are the rows [row, row + n) of a fragment */
    uint64_t id, n, row;
    size_t fragment;
} run;

struct qv__row_index {
    run *runs; /* by id */
    size_t n, capacity;
};

void qv__row_index_free(qv__row_index *index)
{
    if (!index)
        return;
    qv__free(index->runs);
    qv__free(index);
}

static qv_status index_fragment(qv__snapshot *snapshot, size_t fragment, qv__row_index *index, qv_error *err)
{
    uint64_t n = snapshot->fragments[fragment].physical_rows;
    const uint64_t *ids;
    const uint32_t *offsets;
    const uint8_t *live;
    size_t n_deleted;
    run *last = NULL;

    QV_TRY(qv__snapshot_row_id_array(snapshot, fragment, &ids, err));
    QV_TRY(qv__snapshot_deletions(snapshot, fragment, &offsets, &n_deleted, &live, err));
    for (uint64_t row = 0; row < n; row++) {
        if (live && !qv__bit_get(live, row))
            continue;
        if (last && last->row + last->n == row && last->id + last->n == ids[row]) {
            last->n++;
            continue;
        }
        QV_TRY(QV_GROW(&index->runs, &index->capacity, index->n + 1, err));
        last = &index->runs[index->n++];
        *last = (run){ ids[row], 1, row, fragment };
    }
    return QV_OK;
}

static int compare_runs(const void *a, const void *b)
{
    uint64_t x = ((const run *) a)->id, y = ((const run *) b)->id;

    return (x > y) - (x < y);
}

static qv_status build_index(qv__snapshot *snapshot, qv__row_index **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__row_index *index = NULL;

    QV_CHECK(QV_NEW(&index, 1, err));
    for (size_t i = 0; i < snapshot->n_fragments; i++)
        QV_CHECK(index_fragment(snapshot, i, index, err));
    if (index->n)
        qsort(index->runs, index->n, sizeof *index->runs, compare_runs);
    *out = index;
    index = NULL;
done:
    qv__row_index_free(index);
    return st;
}

static qv_status get_index(qv__snapshot *snapshot, qv__row_index **out, qv_error *err)
{
    qv__row_index *index = atomic_load_explicit(&snapshot->row_index, memory_order_acquire), *other = NULL;

    if (!index) {
        QV_TRY(build_index(snapshot, &index, err));
        if (!atomic_compare_exchange_strong_explicit(&snapshot->row_index, &other, index, memory_order_acq_rel,
                                                     memory_order_acquire)) {
            qv__row_index_free(index);
            index = other;
        }
    }
    *out = index;
    return QV_OK;
}

qv_status qv__row_ids_check_unique(qv__snapshot *snapshot, qv_error *err)
{
    qv__row_index *index;

    QV_TRY(get_index(snapshot, &index, err));
    for (size_t i = 1; i < index->n; i++)
        if (index->runs[i].id - index->runs[i - 1].id < index->runs[i - 1].n)
            return qv__fail(err, QV_CORRUPT, "row id %" PRIu64 " belongs to rows of fragments %" PRIu64 " and %" PRIu64,
                            index->runs[i].id, snapshot->fragments[index->runs[i - 1].fragment].id,
                            snapshot->fragments[index->runs[i].fragment].id);
    return QV_OK;
}

/* The last run that starts at or before the id. */
static const run *find_run(const qv__row_index *index, uint64_t id)
{
    size_t low = 0, high = index->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->runs[middle].id <= id)
            low = middle + 1;
        else
            high = middle;
    }
    return low && id - index->runs[low - 1].id < index->runs[low - 1].n ? &index->runs[low - 1] : NULL;
}

static qv_status locate_address(qv__snapshot *snapshot, uint64_t address, size_t *fragment, uint64_t *row, bool *found,
                                qv_error *err)
{
    uint64_t id = address >> 32, at = address & UINT32_MAX;
    size_t low = 0, high = snapshot->n_fragments;
    const uint32_t *offsets;
    const uint8_t *live;
    size_t n_deleted;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (snapshot->fragments[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    *found = false;
    if (low == snapshot->n_fragments || snapshot->fragments[low].id != id ||
        at >= snapshot->fragments[low].physical_rows)
        return QV_OK;
    QV_TRY(qv__snapshot_deletions(snapshot, low, &offsets, &n_deleted, &live, err));
    *found = !live || qv__bit_get(live, at);
    *fragment = low;
    *row = at;
    return QV_OK;
}

qv_status qv__snapshot_locate(qv__snapshot *snapshot, uint64_t row_id, size_t *fragment, uint64_t *row, bool *found,
                              qv_error *err)
{
    qv__row_index *index;

    if (!qv__snapshot_has_stable_row_ids(snapshot))
        return locate_address(snapshot, row_id, fragment, row, found, err);
    QV_TRY(get_index(snapshot, &index, err));
    const run *hit = find_run(index, row_id);
    *found = hit != NULL;
    if (hit) {
        *fragment = hit->fragment;
        *row = hit->row + (row_id - hit->id);
    }
    return QV_OK;
}
