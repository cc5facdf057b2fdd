/* From what an index stores (row addresses or row ids, maybe of fragments that were rewritten since) to physical rows of fragments. */
#include <inttypes.h>

#include "index/index_private.h"

static qv_status open_rows(const qv__place *place, size_t at, qv_error *err)
{
    if (!place->rows[at])
        place->rows[at] = roaring_bitmap_create();
    return place->rows[at] ? QV_OK : qv__fail_nomem(err, sizeof *place->rows[at]);
}

static qv_status add_row(const qv__place *place, size_t at, uint64_t row, qv_error *err)
{
    if (!place->covered[at] || row >= qv__snapshot_fragment(place->snapshot, at)->physical_rows)
        return QV_OK;
    QV_TRY(open_rows(place, at, err));
    roaring_bitmap_add(place->rows[at], (uint32_t) row);
    return QV_OK;
}

/* ------------------------------------------------------------------ addresses */

/* A whole part of a live fragment. Rows past its end, which only a broken index names, are left out. */
static qv_status add_part(const qv__place *place, size_t at, const qv__row_part *part, qv_error *err)
{
    uint64_t n = qv__snapshot_fragment(place->snapshot, at)->physical_rows;

    if (!place->covered[at] || !n)
        return QV_OK;
    QV_TRY(open_rows(place, at, err));
    if (!part->low) {
        roaring_bitmap_add_range_closed(place->rows[at], 0, (uint32_t) (QV_MIN(n, UINT64_C(1) << 32) - 1));
        return QV_OK;
    }
    roaring_bitmap_or_inplace(place->rows[at], part->low);
    if (n <= UINT32_MAX && roaring_bitmap_maximum(place->rows[at]) >= n)
        roaring_bitmap_remove_range_closed(place->rows[at], (uint32_t) n, UINT32_MAX);
    return QV_OK;
}

typedef struct walk {
    const qv__place *place;
    uint64_t high;
    qv_status st;
    qv_error *err;
} walk;

static bool add_rewritten(uint32_t low, void *ctx)
{
    walk *w = ctx;
    uint64_t address = w->high << 32 | low;

    if (!qv__reuse_translate(w->place->reuse, &address))
        return true;
    size_t at = qv__fragment_position(w->place->snapshot, address >> 32);
    w->st = at == SIZE_MAX ? QV_OK : add_row(w->place, at, address & UINT32_MAX, w->err);
    return w->st == QV_OK;
}

static qv_status place_addresses(const qv__place *place, const qv__row_part *part, qv_error *err)
{
    walk w = { place, part->high, QV_OK, err };
    size_t at = qv__fragment_position(place->snapshot, part->high);

    if (at != SIZE_MAX)
        return add_part(place, at, part, err);
    if (!place->reuse)
        return QV_OK; /* of a fragment that is gone */
    if (!part->low)
        return qv__fail(err, QV_UNSUPPORTED, "all rows of the rewritten fragment %" PRIu32, part->high);
    roaring_iterate(part->low, add_rewritten, &w);
    return w.st;
}

/* ------------------------------------------------------------------ row ids */

static bool add_id(uint32_t low, void *ctx)
{
    walk *w = ctx;
    size_t fragment = 0;
    uint64_t row = 0;
    bool found = false;

    w->st = qv__snapshot_locate(w->place->snapshot, w->high << 32 | low, &fragment, &row, &found, w->err);
    if (w->st == QV_OK && found)
        w->st = add_row(w->place, fragment, row, w->err);
    return w->st == QV_OK;
}

/* "Every id with this high word": whoever has one. */
static qv_status place_all_ids(const qv__place *place, uint32_t high, qv_error *err)
{
    for (size_t i = 0; i < qv__snapshot_n_fragments(place->snapshot); i++) {
        uint64_t n = qv__snapshot_fragment(place->snapshot, i)->physical_rows;
        const uint64_t *ids;
        if (!place->covered[i])
            continue;
        QV_TRY(qv__snapshot_row_id_array(place->snapshot, i, &ids, err));
        for (uint64_t row = 0; ids && row < n; row++)
            if (ids[row] >> 32 == high)
                QV_TRY(add_row(place, i, row, err));
    }
    return QV_OK;
}

qv_status qv__place_rows(const qv__place *place, const qv__row_set *set, qv_error *err)
{
    for (size_t i = 0; i < set->n; i++) {
        const qv__row_part *part = &set->parts[i];
        walk w = { place, part->high, QV_OK, err };
        if (place->addresses) {
            QV_TRY(place_addresses(place, part, err));
        } else if (!part->low) {
            QV_TRY(place_all_ids(place, part->high, err));
        } else {
            roaring_iterate(part->low, add_id, &w);
            QV_TRY(w.st);
        }
    }
    return QV_OK;
}
