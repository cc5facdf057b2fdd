/* After a compaction: indices that hold row addresses are written anew with the addresses that the rows have now. Indices of row ids, of
 * zones, and of kinds that are not known here keep their files; the commit sees to what they cover. */
#include <inttypes.h>

#include "base/log.h"
#include "index/index_private.h"

typedef struct mover {
    qv__snapshot *snapshot;
    const qv__row_move *move;
    const bool *covered; /* per fragment of the snapshot: the entry's */
} mover;

static bool has_id(const uint64_t *ids, size_t n, uint64_t id)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && ids[low] == id;
}

static bool move_row(void *ctx, size_t segment, uint64_t *row)
{
    const mover *m = ctx;
    const qv__row_move *move = m->move;
    size_t at = qv__fragment_position(m->snapshot, *row >> 32), low = 0, high = move->n;

    QV_UNUSED(segment);
    if (at == SIZE_MAX || !m->covered[at])
        return false;
    if (!has_id(move->old_fragments, move->n_old, *row >> 32))
        return true;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (move->from[middle] < *row)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == move->n || move->from[low] != *row || move->to[low] == UINT64_MAX)
        return false;
    *row = move->to[low];
    return true;
}

/* The new fragments all of whose rows the entry knew. */
static size_t covered_new(const mover *m, uint64_t *out)
{
    const qv__row_move *move = m->move;
    size_t n = 0;

    for (size_t f = 0; f < move->n_new; f++) {
        bool knows_all = true;
        for (size_t i = 0; i < move->n && knows_all; i++) {
            if (move->to[i] == UINT64_MAX || move->to[i] >> 32 != move->new_fragments[f])
                continue;
            size_t at = qv__fragment_position(m->snapshot, move->from[i] >> 32);
            knows_all = at != SIZE_MAX && m->covered[at];
        }
        if (knows_all)
            out[n++] = move->new_fragments[f];
    }
    return n;
}

/* What stays of the entry's fragments; *moves: some do not. */
static void split_coverage(const qv__snapshot *snapshot, const qv__row_move *move, const bool *covered, bool *staying,
                           bool *moves)
{
    *moves = false;
    for (size_t i = 0; i < qv__snapshot_n_fragments(snapshot); i++) {
        bool is_old = has_id(move->old_fragments, move->n_old, qv__snapshot_fragment(snapshot, i)->id);
        staying[i] = covered[i] && !is_old;
        *moves |= covered[i] && is_old;
    }
}

typedef struct remapping {
    qv__store *table;
    qv__snapshot *snapshot;
    const qv__row_move *move;
    qv__job *job;
    qv__index_swap *swaps;
    size_t n, capacity;
} remapping;

/* Its parts go over to the swap; what the old entry says of its kind holds on when the build says nothing. */
static qv_status add_swap(remapping *r, const qv__index_entry *old, qv__made_index *made, qv_error *err)
{
    QV_TRY(QV_GROW(&r->swaps, &r->capacity, r->n + 1, err));
    qv__index_swap *swap = &r->swaps[r->n++];
    memcpy(swap->old_uuid, old->uuid, 16);
    swap->entry = made->entry;
    swap->entry.fields = old->fields;
    made->entry = (qv__index_entry){ 0 };
    const qv__section_bytes *said = made->built.details.len ? &swap->entry.details : &old->details;
    swap->entry.details = (qv__section_bytes){ qv__memdup(said->data, said->len), said->len };
    return swap->entry.details.data ? QV_OK : qv__fail_nomem(err, said->len);
}

static qv_status make_swap(remapping *r, const qv__index_entry *entry, const qv__index_method *kind,
                           const qv__indexed_field *field, const bool *covered, const bool *staying, qv_error *err)
{
    qv_status st = QV_OK;
    qv__open_segment *opened = NULL;
    mover m = { r->snapshot, r->move, covered };
    uint64_t *others = NULL;
    qv__made_index made = { 0 };
    qv_index_options options = QV_INDEX_OPTIONS_INIT;

    QV_CHECK(QV_NEW(&others, r->move->n_new, err));
    QV_CHECK(qv__segment_open_alone(r->snapshot, entry, kind, field->leaf->type, &opened, err));
    if (kind->recall)
        kind->recall(opened->segment, &options);
    const qv__index_order order = { .table = r->table,
                                    .snapshot = r->snapshot,
                                    .kind = kind,
                                    .field = field,
                                    .name = entry->name,
                                    .options = &options,
                                    .covered = staying,
                                    .others = others,
                                    .n_others = covered_new(&m, others),
                                    .old = &opened->segment,
                                    .n_old = 1,
                                    .keep = move_row,
                                    .ctx = &m,
                                    .job = r->job };
    QV_CHECK(qv__make_index(&order, &made, err));
    st = add_swap(r, entry, &made, err);
    if (st != QV_OK)
        qv__made_discard(r->table, &made);
done:
    qv__made_clear(&made);
    qv__open_segment_unref(opened);
    qv__free(others);
    return st;
}

/* An index that cannot be read is left behind with the fragments that are gone: they are scanned until it is built anew. */
static qv_status remap_entry(remapping *r, const qv__index_entry *entry, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__index_method *kind = qv__entry_kind(entry);
    qv__indexed_field field = { 0 };
    bool *covered = NULL, *staying = NULL, moves, found;
    size_t n;

    if (!kind || !kind->remaps || !qv__entry_has_addresses(r->snapshot, entry, kind))
        return QV_OK;
    QV_CHECK(qv__entry_coverage(r->snapshot, entry, NULL, &covered, &n, err));
    QV_CHECK(QV_NEW(&staying, qv__snapshot_n_fragments(r->snapshot), err));
    split_coverage(r->snapshot, r->move, covered, staying, &moves);
    QV_CHECK(qv__field_by_id(r->snapshot, entry->fields[0], &field, &found, err));
    if (!moves || !found)
        goto done;
    st = make_swap(r, entry, kind, &field, covered, staying, err);
    if (st == QV_CORRUPT || st == QV_NOT_FOUND || st == QV_UNSUPPORTED) {
        qv__log(QV_LOG_WARNING, "index \"%s\" is not remapped: %s", entry->name, err ? err->message : "");
        st = QV_OK;
    }
done:
    qv__free(covered);
    qv__free(staying);
    qv__indexed_field_clear(&field);
    return st;
}

void qv__index_swaps_free(qv__index_swap *swaps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        qv__index_entry *entry = &swaps[i].entry;
        for (size_t f = 0; f < entry->n_files; f++)
            qv__free((char *) (uintptr_t) entry->files[f].path);
        qv__free((void *) (uintptr_t) entry->files);
        qv__free((void *) (uintptr_t) entry->fragments);
        qv__free((char *) (uintptr_t) entry->name);
        qv__free((void *) (uintptr_t) entry->details.data);
    }
    qv__free(swaps);
}

void qv__index_swaps_discard(qv__store *table, const qv__index_swap *swaps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        qv__made_index made = { .entry = swaps[i].entry, .folder = table };
        qv__made_discard(table, &made);
    }
}

qv_status qv__index_remap(qv__store *table, qv__snapshot *snapshot, const qv__row_move *move, qv__job *job,
                          qv__index_swap **swaps, size_t *n, qv_error *err)
{
    qv_status st = QV_OK;
    remapping r = { .table = table, .snapshot = snapshot, .move = move, .job = job };
    const qv__index_entry *entries;
    size_t n_entries;

    QV_CHECK(qv__snapshot_indices(snapshot, &entries, &n_entries, err));
    for (size_t i = 0; i < n_entries; i++)
        QV_CHECK(remap_entry(&r, &entries[i], err));
    *swaps = r.swaps;
    *n = r.n;
    return QV_OK;
done:
    qv__index_swaps_discard(table, r.swaps, r.n);
    qv__index_swaps_free(r.swaps, r.n);
    return st;
}
