/* Rows of a snapshot by place, and what they take along when they move. */
#include <string.h>

#include "change/change_private.h"

/* ------------------------------------------------------------------ sets of places */

qv_status qv__matches_init(const qv__snapshot *base, qv__matches *out, qv_error *err)
{
    qv__matches made = { .n_fragments = qv__snapshot_n_fragments(base) };

    QV_TRY(QV_NEW(&made.rows, QV_MAX(made.n_fragments, 1), err));
    *out = made;
    return QV_OK;
}

qv_status qv__matches_add(qv__matches *matches, qv__place place, bool *added, qv_error *err)
{
    roaring_bitmap_t **rows = &matches->rows[qv__place_fragment(place)];

    if (!*rows)
        *rows = roaring_bitmap_create();
    if (!*rows)
        return qv__fail_nomem(err, sizeof(roaring_bitmap_t));
    *added = roaring_bitmap_add_checked(*rows, qv__place_row(place));
    matches->n_rows += *added;
    return QV_OK;
}

qv_status qv__matches_deletions(const qv__snapshot *base, const qv__matches *matches, qv__row_deletion **out, size_t *n,
                                qv_error *err)
{
    qv__row_deletion *deletions = NULL;

    QV_TRY(QV_NEW(&deletions, QV_MAX(matches->n_fragments, 1), err));
    *n = 0;
    for (size_t i = 0; i < matches->n_fragments; i++)
        if (matches->rows[i] && !roaring_bitmap_is_empty(matches->rows[i]))
            deletions[(*n)++] = (qv__row_deletion){ qv__snapshot_fragment(base, i)->id, matches->rows[i] };
    *out = deletions;
    return QV_OK;
}

qv_status qv__matches_places(const qv__matches *matches, qv__place **out, qv_error *err)
{
    qv__place *places = NULL;
    uint64_t n = 0;

    QV_TRY(QV_NEW(&places, QV_MAX(matches->n_rows, 1), err));
    for (size_t i = 0; i < matches->n_fragments; i++) {
        if (!matches->rows[i])
            continue;
        roaring_uint32_iterator_t at;
        for (roaring_init_iterator(matches->rows[i], &at); at.has_value; roaring_advance_uint32_iterator(&at))
            places[n++] = (uint64_t) i << 32 | at.current_value;
    }
    *out = places;
    return QV_OK;
}

/* ------------------------------------------------------------------ lineage */

/* Ids and ages of the fragments that rows come from, read when the first row of one is met. */
typedef struct origins {
    qv__snapshot *base;
    size_t n;
    const uint64_t **ids; /* borrowed from the snapshot */
    uint64_t **created;
} origins;

static void free_origins(origins *o)
{
    for (size_t i = 0; o->created && i < o->n; i++)
        qv__free(o->created[i]);
    qv__free(o->created);
    qv__free(o->ids);
}

static qv_status open_origin(origins *o, size_t fragment, qv_error *err)
{
    uint64_t rows = qv__snapshot_fragment(o->base, fragment)->physical_rows, *created = NULL, *updated = NULL;
    qv_status st = QV_OK;

    QV_CHECK(qv__snapshot_row_id_array(o->base, fragment, &o->ids[fragment], err));
    QV_CHECK(QV_NEW(&created, QV_MAX(rows, 1), err));
    QV_CHECK(QV_NEW(&updated, QV_MAX(rows, 1), err));
    QV_CHECK(qv__snapshot_row_versions(o->base, fragment, 0, rows, created, updated, err));
    o->created[fragment] = created;
    created = NULL;
done:
    qv__free(created);
    qv__free(updated);
    return st;
}

static qv_status carry_into(origins *o, const qv__place *places, uint64_t n, qv__new_fragment *fragment, qv_error *err)
{
    QV_TRY(QV_NEW(&fragment->row_ids, QV_MAX(fragment->rows, 1), err));
    QV_TRY(QV_NEW(&fragment->created, QV_MAX(fragment->rows, 1), err));
    for (uint64_t i = 0; i < n; i++) {
        size_t from = qv__place_fragment(places[i]);
        if (!o->created[from])
            QV_TRY(open_origin(o, from, err));
        fragment->row_ids[i] = o->ids[from][qv__place_row(places[i])];
        fragment->created[i] = o->created[from][qv__place_row(places[i])];
    }
    for (uint64_t i = n; i < fragment->rows; i++)
        fragment->row_ids[i] = UINT64_MAX;
    return QV_OK;
}

qv_status qv__carry_lineage(qv__snapshot *base, const qv__place *places, uint64_t n, qv__new_fragments *fragments,
                            qv_error *err)
{
    qv_status st = QV_OK;
    origins o = { .base = base, .n = qv__snapshot_n_fragments(base) };
    uint64_t done_rows = 0;

    if (!qv__snapshot_has_stable_row_ids(base))
        return QV_OK;
    QV_CHECK(QV_NEW(&o.ids, QV_MAX(o.n, 1), err));
    QV_CHECK(QV_NEW(&o.created, QV_MAX(o.n, 1), err));
    for (size_t i = 0; i < fragments->n && done_rows < n; i++) {
        uint64_t moved = QV_MIN(fragments->items[i].rows, n - done_rows);
        QV_CHECK(carry_into(&o, places + done_rows, moved, &fragments->items[i], err));
        done_rows += moved;
    }
done:
    free_origins(&o);
    return st;
}

/* ------------------------------------------------------------------ field ids */

qv_status qv__collect_ids(const qv__field *field, int32_t **ids, size_t *n, size_t *capacity, qv_error *err)
{
    QV_TRY(QV_GROW(ids, capacity, *n + 1, err));
    if (field->id >= 0)
        (*ids)[(*n)++] = field->id;
    for (size_t i = 0; i < field->type->n_children; i++)
        QV_TRY(qv__collect_ids(&field->type->children[i], ids, n, capacity, err));
    return QV_OK;
}
