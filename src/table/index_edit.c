/* The index section of the next version.
 *
 * Most changes leave it as it is, byte for byte. Otherwise each entry is kept, dropped, or gets another list of the fragments that
 * it covers; what an entry says beyond that is copied. */
#include <inttypes.h>
#include <strings.h>

#include "table/table_private.h"

#define REUSE_NAME "__lance_frag_reuse"

typedef struct editor {
    qv__edit *edit;
    const qv__schema *schema; /* of the next version */
    qv__arena *arena;
    ProtobufCBinaryData *out;
    size_t n, capacity;
} editor;

static qv_status put(editor *e, ProtobufCBinaryData packed, qv_error *err)
{
    if (e->n == e->capacity)
        return qv__fail(err, QV_LIMIT, "more than %zu indices", e->capacity);
    e->out[e->n++] = packed;
    return QV_OK;
}

/* ------------------------------------------------------------------ fields */

static bool is_below(const qv__field *field, const int32_t *ids, size_t n)
{
    if (qv__has_field_id(ids, n, field->id))
        return true;
    for (size_t i = 0; i < field->type->n_children; i++)
        if (is_below(&field->type->children[i], ids, n))
            return true;
    return false;
}

static bool fields_exist(const qv__index_entry *entry, const qv__schema *schema)
{
    for (size_t i = 0; i < entry->n_fields; i++)
        if (!qv__field_with_id(schema->fields, schema->n_fields, entry->fields[i]))
            return false;
    return true;
}

/* Does the index look at one of these fields, or at one that they are part of? */
static bool looks_at(const editor *e, const qv__index_entry *entry, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < entry->n_fields; i++) {
        const qv__field *field = qv__field_with_id(e->schema->fields, e->schema->n_fields, entry->fields[i]);
        if (qv__has_field_id(ids, n, entry->fields[i]) || (field && is_below(field, ids, n)))
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------ fragments */

static bool covers(const qv__index_entry *entry, uint64_t id)
{
    for (size_t i = 0; i < entry->n_fragments; i++)
        if (entry->fragments[i] == id)
            return true;
    return false;
}

static void remove_fragment(uint32_t *ids, size_t *n, uint64_t id)
{
    size_t kept = 0;

    for (size_t i = 0; i < *n; i++)
        if (ids[i] != id)
            ids[kept++] = ids[i];
    *n = kept;
}

static void add_fragment(uint32_t *ids, size_t *n, uint32_t id)
{
    size_t at = *n;

    while (at && ids[at - 1] > id)
        at--;
    if (at && ids[at - 1] == id)
        return;
    memmove(&ids[at + 1], &ids[at], (*n - at) * sizeof *ids);
    ids[at] = id;
    ++*n;
}

/* A copy of the entry's list with room for `more`. */
static qv_status copy_fragments(editor *e, const qv__index_entry *entry, size_t more, uint32_t **out, qv_error *err)
{
    uint32_t *ids = qv__arena_alloc(e->arena, entry->n_fragments + more + 1, sizeof *ids);

    if (!ids)
        return qv__fail_nomem(err, entry->n_fragments * sizeof *ids);
    if (entry->n_fragments)
        memcpy(ids, entry->fragments, entry->n_fragments * sizeof *ids);
    *out = ids;
    return QV_OK;
}

/* The entry, with another list of fragments when that differs. */
static qv_status put_covering(editor *e, const qv__index_entry *entry, const uint32_t *ids, size_t n, qv_error *err)
{
    ProtobufCBinaryData packed = { entry->packed.len, (uint8_t *) (uintptr_t) entry->packed.data };
    qv__index_entry changed = *entry;

    if (entry->packed.len && n == entry->n_fragments && (n == 0 || memcmp(ids, entry->fragments, n * sizeof *ids) == 0))
        return put(e, packed, err);
    changed.fragments = ids;
    changed.n_fragments = n;
    QV_TRY(qv__index_entry_pack(&changed, e->arena, &packed, err));
    return put(e, packed, err);
}

/* ------------------------------------------------------------------ new values in place */

/* Fragments whose values of the index's fields were replaced are not covered any more. */
static qv_status after_columns(editor *e, const qv__index_entry *entry, qv_error *err)
{
    const qv__change *change = e->edit->change;
    bool all = looks_at(e, entry, change->fields_modified, change->n_fields_modified);
    size_t n = entry->n_fragments;
    uint32_t *ids;

    QV_TRY(copy_fragments(e, entry, 0, &ids, err));
    for (size_t i = 0; i < change->n_column_files; i++) {
        const qv__file_summary *summary = &change->column_files[i].file.summary;
        if (all || looks_at(e, entry, summary->field_ids, summary->n))
            remove_fragment(ids, &n, change->column_files[i].fragment_id);
    }
    return put_covering(e, entry, ids, n, err);
}

/* ------------------------------------------------------------------ rows that moved */

static bool is_kind(const qv__index_entry *entry, const char *kind)
{
    const char *dot = strrchr(entry->type_url, '.');

    return dot && strcasecmp(dot + 1, kind) == 0;
}

/* Does the index name rows by their address also where row ids are stable? */
static bool holds_addresses(const qv__index_entry *entry)
{
    return (is_kind(entry, "BTreeIndexDetails") && entry->index_version > 0) || is_kind(entry, "ZoneMapIndexDetails") ||
           is_kind(entry, "BloomFilterIndexDetails");
}

static bool covers_all_changed(const editor *e, const qv__index_entry *entry)
{
    for (size_t i = 0; i < e->edit->n_changed; i++)
        if (!covers(entry, e->edit->on->fragments[e->edit->changed[i].at].id))
            return false;
    return e->edit->n_changed != 0;
}

/* Rows that moved under their stable ids are still found by an index whose column did not change. */
static qv_status after_moves(editor *e, const qv__index_entry *entry, qv_error *err)
{
    const qv__change *change = e->edit->change;
    size_t n = entry->n_fragments;
    uint32_t *ids;

    QV_TRY(copy_fragments(e, entry, e->edit->n_added, &ids, err));
    if (entry->n_fields && !holds_addresses(entry) && covers_all_changed(e, entry) &&
        !looks_at(e, entry, change->fields_modified, change->n_fields_modified))
        for (size_t i = 0; i < e->edit->n_added; i++)
            if (e->edit->added[i].is_moved)
                add_fragment(ids, &n, (uint32_t) e->edit->added[i].id);
    return put_covering(e, entry, ids, n, err);
}

/* ------------------------------------------------------------------ rewriting */

static const qv__index_swap *find_swap(const qv__change *change, const qv__index_entry *entry)
{
    for (size_t i = 0; i < change->n_swaps; i++)
        if (memcmp(change->swaps[i].old_uuid, entry->uuid, 16) == 0)
            return &change->swaps[i];
    return NULL;
}

static qv_status put_swap(editor *e, const qv__index_entry *old, const qv__index_swap *swap, qv_error *err)
{
    qv__index_entry entry = swap->entry;
    ProtobufCBinaryData packed;

    if (!entry.packed.len)
        entry.packed = old->packed; /* what is unknown survives */
    QV_TRY(qv__index_entry_pack(&entry, e->arena, &packed, err));
    return put(e, packed, err);
}

/* Stable row ids: the index still finds the rows, under their new fragments. */
static qv_status after_rewrite(editor *e, const qv__index_entry *entry, qv_error *err)
{
    const qv__change *change = e->edit->change;
    size_t n = entry->n_fragments;
    uint32_t *ids;

    QV_TRY(copy_fragments(e, entry, e->edit->n_added, &ids, err));
    for (size_t g = 0; g < change->n_groups; g++) {
        const qv__rewrite_group *group = &change->groups[g];
        bool whole = group->n_old != 0;
        for (size_t i = 0; i < group->n_old; i++)
            whole = whole && covers(entry, group->old_ids[i]);
        for (size_t i = 0; i < group->n_old; i++)
            remove_fragment(ids, &n, group->old_ids[i]);
        for (size_t i = 0; whole && !holds_addresses(entry) && i < group->n_new; i++)
            add_fragment(ids, &n, (uint32_t) change->fragments->items[group->first_new + i].id);
    }
    return put_covering(e, entry, ids, n, err);
}

static qv_status rewrite_entry(editor *e, const qv__index_entry *entry, qv_error *err)
{
    const qv__change *change = e->edit->change;
    const qv__index_swap *swap = find_swap(change, entry);

    if (swap)
        return put_swap(e, entry, swap, err);
    if (change->reuse_entry.len && strcmp(entry->name, REUSE_NAME) == 0)
        return QV_OK; /* the new one says it all */
    if (change->reuse_entry.len || !e->edit->stable)
        return put_covering(e, entry, entry->fragments, entry->n_fragments, err);
    return after_rewrite(e, entry, err);
}

/* ------------------------------------------------------------------ new indices */

static bool is_replaced(const qv__change *change, const qv__index_entry *entry)
{
    for (size_t i = 0; i < change->n_removed_indices; i++)
        if (memcmp(change->removed_indices[i], entry->uuid, 16) == 0)
            return true;
    for (size_t i = 0; i < change->n_new_indices; i++)
        if (memcmp(change->new_indices[i].uuid, entry->uuid, 16) == 0)
            return true;
    return false;
}

/* Where a fragment keeps a field: the path of the file, or NULL. */
static const char *place_of(const qv__fragment *f, int32_t id)
{
    for (size_t i = 0; i < f->n_files; i++)
        if (qv__has_field_id(f->files[i].field_ids, f->files[i].n_fields, id))
            return f->files[i].path;
    return NULL;
}

static bool same_places(const qv__field *field, const qv__fragment *a, const qv__fragment *b)
{
    const char *x = place_of(a, field->id), *y = place_of(b, field->id);

    if (!x != !y || (x && strcmp(x, y) != 0))
        return false;
    for (size_t i = 0; i < field->type->n_children; i++)
        if (!same_places(&field->type->children[i], a, b))
            return false;
    return true;
}

/* Were the values that the index was built from replaced since? */
static bool is_outdated(const editor *e, const qv__index_entry *entry, uint32_t id)
{
    size_t old = qv__snapshot_find_fragment(e->edit->base, id), now = qv__snapshot_find_fragment(e->edit->on, id);

    if (old == SIZE_MAX || now == SIZE_MAX)
        return old != now; /* gone in one of them; in neither: not ours to judge */
    for (size_t i = 0; i < entry->n_fields; i++) {
        const qv__field *field = qv__field_with_id(e->schema->fields, e->schema->n_fields, entry->fields[i]);
        if (field && !same_places(field, &e->edit->base->fragments[old], &e->edit->on->fragments[now]))
            return true;
    }
    return false;
}

static qv_status put_new(editor *e, const qv__index_entry *entry, qv_error *err)
{
    size_t n = 0;
    uint32_t *ids;

    if (!fields_exist(entry, e->schema))
        return qv__edit_conflict(e->edit, err, "another writer dropped a column of index \"%.100s\" meanwhile",
                                 entry->name);
    QV_TRY(copy_fragments(e, entry, 0, &ids, err));
    for (size_t i = 0; i < entry->n_fragments; i++)
        if (e->edit->on == e->edit->base || !is_outdated(e, entry, entry->fragments[i]))
            ids[n++] = entry->fragments[i];
    return put_covering(e, entry, ids, n, err);
}

/* ------------------------------------------------------------------ the whole */

static qv_status edit_entry(editor *e, const qv__index_entry *entry, qv_error *err)
{
    const qv__change *change = e->edit->change;

    switch (change->operation) {
    case QV_OP_CREATE_INDEX:
        return is_replaced(change, entry) ? QV_OK : put_covering(e, entry, entry->fragments, entry->n_fragments, err);
    case QV_OP_MERGE:
    case QV_OP_REPLACEMENT:
        return fields_exist(entry, e->schema) ? after_columns(e, entry, err) : QV_OK;
    case QV_OP_PROJECT:
        return fields_exist(entry, e->schema) ? put_covering(e, entry, entry->fragments, entry->n_fragments, err)
                                              : QV_OK;
    case QV_OP_UPDATE:
        return change->columns_mode ? after_columns(e, entry, err) : after_moves(e, entry, err);
    default:
        return rewrite_entry(e, entry, err);
    }
}

static bool leaves_indices(const qv__edit *edit)
{
    switch (edit->change->operation) {
    case QV_OP_APPEND:
    case QV_OP_DELETE:
    case QV_OP_RESERVE:
    case QV_OP_CONFIG:
    case QV_OP_RESTORE: /* those of the version that comes back */
        return true;
    case QV_OP_UPDATE:
        return !edit->change->columns_mode && !edit->stable;
    default:
        return false;
    }
}

qv_status qv__edit_indices(qv__edit *edit, const qv__schema *schema, qv__arena *arena, bool *same,
                           ProtobufCBinaryData **out, size_t *n, qv_error *err)
{
    editor e = { .edit = edit, .schema = schema, .arena = arena };
    const qv__change *change = edit->change;
    const qv__index_entry *entries = NULL;
    size_t n_entries = 0;

    *same = leaves_indices(edit);
    *n = 0;
    if (*same || edit->drops_all || !edit->on)
        return QV_OK;
    QV_TRY(qv__snapshot_indices(edit->on, &entries, &n_entries, err));
    e.capacity = n_entries + change->n_new_indices + (change->reuse_entry.len != 0);
    e.out = qv__arena_alloc(arena, e.capacity + 1, sizeof *e.out);
    if (!e.out)
        return qv__fail_nomem(err, e.capacity * sizeof *e.out);
    for (size_t i = 0; i < n_entries; i++)
        QV_TRY(edit_entry(&e, &entries[i], err));
    for (size_t i = 0; i < change->n_new_indices; i++)
        QV_TRY(put_new(&e, &change->new_indices[i], err));
    if (change->reuse_entry.len)
        QV_TRY(put(&e,
                   (ProtobufCBinaryData){ change->reuse_entry.len, (uint8_t *) (uintptr_t) change->reuse_entry.data },
                   err));
    *out = e.out;
    *n = e.n;
    return QV_OK;
}
