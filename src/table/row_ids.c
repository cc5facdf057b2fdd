/* Stable row ids: each fragment carries a sequence of ids, one per physical row, as segments of several forms, or as a hidden
 * column of a data file. A sequence is counted before anything is allocated for it.
 *
 * To find a row by its id, the live rows of all fragments are cut into runs of consecutive ids, sorted by id; an update moves
 * a row to a new fragment under the id it had, so only live rows may be looked at. */
#include <inttypes.h>
#include <stdlib.h>

#include "table/table_private.h"

/* ------------------------------------------------------------------ sequences */

static qv_status check_count(const Lance__Table__RowIdSequence *sequence, uint64_t n, qv_error *err)
{
    uint64_t total = 0;
    qv__row_segment s;

    for (size_t i = 0; i < sequence->n_segments; i++) {
        QV_TRY(qv__row_segment_open(sequence->segments[i], &s, err));
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
    qv__row_segment s;

    qv__arena_init(&arena, qv__message_limit(packed.len));
    QV_CHECK(unpack_sequence(packed, &arena, &sequence, err));
    QV_CHECK(check_count(sequence, n, err));
    for (size_t i = 0; i < sequence->n_segments; i++) {
        QV_CHECK(qv__row_segment_open(sequence->segments[i], &s, err));
        qv__row_segment_expand(&s, out);
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

static qv_status find_hidden(const qv__fragment *f, int32_t id, size_t *out, qv_error *err)
{
    for (size_t i = 0; i < f->n_files; i++) {
        for (size_t j = 0; j < f->files[i].n_fields; j++) {
            if (f->files[i].field_ids[j] == id) {
                *out = i;
                return QV_OK;
            }
        }
    }
    return qv__fail(err, QV_CORRUPT, "no data file holds hidden column %" PRId32, id);
}

/* Numbers of rows that were spilled into a data file: a uint64 column under a negative field id. */
qv_status qv__hidden_column_read(qv__snapshot *snapshot, size_t fragment, int32_t id, uint64_t *out, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__fragment *f = &snapshot->fragments[fragment];
    qv__column *column = NULL;
    qv__array *array = NULL;
    qv__type *type = NULL;
    qv__field field = { 0 };
    qv__file *file;
    size_t at = 0;

    QV_TRY(find_hidden(f, id, &at, err));
    QV_CHECK(qv__snapshot_file(snapshot, fragment, at, &file, err));
    QV_CHECK(qv__type_new(QV_TYPE_UINT64, &type, err));
    QV_CHECK(qv__field_init(&field, "_hidden", type, false, err));
    field.id = id;
    qv__column_map map = { f->files[at].field_ids, f->files[at].columns, f->files[at].n_fields };
    QV_CHECK(qv__column_open(file, &field, &map, &column, err));
    QV_CHECK(qv__column_read(column, 0, f->physical_rows, &array, err));
    if (array->null_count || (uint64_t) array->length != f->physical_rows)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "hidden column %" PRId32 " has nulls", id));
    if (f->physical_rows)
        memcpy(out, qv__array_values(array), f->physical_rows * sizeof *out);
done:
    qv__array_unref(array);
    qv__column_free(column);
    qv__field_clear(&field);
    qv__type_unref(type);
    return st;
}

qv_status qv__row_ids_new(uint64_t n, qv__row_ids **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__row_ids *row_ids;

    QV_TRY(QV_NEW(&row_ids, 1, err));
    qv__owner_init(&row_ids->owner, row_ids_destroy);
    QV_CHECK(QV_NEW(&row_ids->ids, n, err));
    *out = row_ids;
    row_ids = NULL;
done:
    if (row_ids)
        qv__owner_unref(&row_ids->owner);
    return st;
}

qv_status qv__row_ids_load(qv__snapshot *snapshot, size_t fragment, qv__row_ids **out, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__fragment *f = &snapshot->fragments[fragment];
    const qv__lineage *lineage = &snapshot->lineage[fragment];
    qv__row_ids *row_ids = NULL;

    QV_CHECK(qv__snapshot_check_rows(snapshot, fragment, err));
    QV_CHECK(qv__row_ids_new(f->physical_rows, &row_ids, err));
    if (lineage->row_ids.data)
        QV_CHECK(qv__row_ids_expand(lineage->row_ids, f->physical_rows, row_ids->ids, err));
    else if (lineage->spilled)
        QV_CHECK(qv__hidden_column_read(snapshot, fragment, QV_HIDDEN_ROW_ID, row_ids->ids, err));
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
