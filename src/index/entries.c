/* The indices of a snapshot: entries of one name are one index, whose segments cover different fragments. */
#include <stdlib.h>

#include "index/index_private.h"

/* ------------------------------------------------------------------ one entry */

const qv__index_method *qv__entry_kind(const qv__index_entry *entry)
{
    const qv__index_method *kind = qv__index_method_by_url(entry->type_url);

    if (!kind && (!entry->type_url || !entry->type_url[0]) && entry->n_files) { /* old entries: the files tell */
        for (size_t i = 0; i < entry->n_files; i++)
            if (strcmp(entry->files[i].path, "page_lookup.lance") == 0)
                kind = qv__index_method_of(QV_INDEX_BTREE);
            else if (strcmp(entry->files[i].path, "bitmap_page_lookup.lance") == 0)
                kind = qv__index_method_of(QV_INDEX_BITMAP);
            else if (strcmp(entry->files[i].path, "index.idx") == 0)
                kind = qv__index_method_of(QV_INDEX_VECTOR);
    }
    if (kind && kind->of_entry)
        kind = kind->of_entry(entry);
    return kind && entry->n_fields == 1 && entry->index_version <= kind->max_version ? kind : NULL;
}

bool qv__entry_has_addresses(const qv__snapshot *snapshot, const qv__index_entry *entry, const qv__index_method *kind)
{
    return !qv__snapshot_has_stable_row_ids(snapshot) ||
           (kind->by_address && entry->index_version >= kind->address_version);
}

size_t qv__fragment_position(const qv__snapshot *snapshot, uint64_t id)
{
    size_t low = 0, high = qv__snapshot_n_fragments(snapshot);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (qv__snapshot_fragment(snapshot, middle)->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < qv__snapshot_n_fragments(snapshot) && qv__snapshot_fragment(snapshot, low)->id == id ? low : SIZE_MAX;
}

qv_status qv__entry_coverage(qv__snapshot *snapshot, const qv__index_entry *entry, const qv__reuse *reuse, bool **out,
                             size_t *n, qv_error *err)
{
    bool *covered;

    QV_TRY(QV_NEW(&covered, qv__snapshot_n_fragments(snapshot), err));
    *n = 0;
    for (size_t i = 0; i < entry->n_fragments; i++) {
        size_t at = qv__fragment_position(snapshot, entry->fragments[i]);
        if (at == SIZE_MAX)
            continue;
        covered[at] = true;
        ++*n;
    }
    if (reuse) {
        qv_status st = qv__reuse_cover(reuse, snapshot, entry, covered, n, err);
        if (st != QV_OK) {
            qv__free(covered);
            return st;
        }
    }
    *out = covered;
    return QV_OK;
}

/* ------------------------------------------------------------------ by name */

static int compare_entries(const void *a, const void *b)
{
    const qv__index_entry *x = *(const qv__index_entry *const *) a, *y = *(const qv__index_entry *const *) b;
    int order = strcmp(x->name, y->name);

    return order ? order : (x > y) - (x < y); /* in their order in the manifest */
}

static bool is_system(const qv__index_entry *entry) { return strncmp(entry->name, "__lance_", 8) == 0; }

void qv__logical_list_clear(qv__logical_list *list)
{
    qv__free(list->items);
    qv__free((void *) list->room);
    *list = (qv__logical_list){ 0 };
}

/* Segments of one index are of one kind, though the entry of one may say less of it than another's. */
static const qv__index_method *join_kinds(const qv__index_method *a, const qv__index_method *b)
{
    if (a == b || (a && b && b->kind == QV_INDEX_VECTOR && a->of_entry == b->of_entry))
        return a;
    return a && b && a->kind == QV_INDEX_VECTOR && a->of_entry == b->of_entry ? b : NULL;
}

static void add_entry(qv__logical_list *list, const qv__index_entry **at)
{
    const qv__index_entry *entry = *at;
    qv__logical_index *last = list->n ? &list->items[list->n - 1] : NULL;
    const qv__index_method *kind = qv__entry_kind(entry);
    int32_t field = entry->n_fields == 1 ? entry->fields[0] : -1;

    if (!last || strcmp(last->name, entry->name) != 0) {
        list->items[list->n++] =
            (qv__logical_index){ .name = entry->name, .kind = kind, .field = field, .entries = at, .n = 1 };
        return;
    }
    last->n++;
    last->kind = join_kinds(last->kind, kind);
    if (!last->kind || last->field != field) { /* segments that do not fit together */
        last->kind = NULL;
        last->field = last->field == field ? field : -1;
    }
}

qv_status qv__logical_indices(qv__snapshot *snapshot, qv__logical_list *out, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__index_entry *entries;
    qv__logical_list list = { 0 };
    size_t n, kept = 0;

    QV_CHECK(qv__snapshot_indices(snapshot, &entries, &n, err));
    QV_CHECK(QV_NEW(&list.items, n, err));
    QV_CHECK(QV_NEW(&list.room, n, err));
    for (size_t i = 0; i < n; i++)
        if (!is_system(&entries[i]))
            list.room[kept++] = &entries[i];
    if (kept)
        qsort((void *) list.room, kept, sizeof *list.room, compare_entries);
    for (size_t i = 0; i < kept; i++)
        add_entry(&list, &list.room[i]);
    *out = list;
    list = (qv__logical_list){ 0 };
done:
    qv__logical_list_clear(&list);
    return st;
}

const qv__logical_index *qv__logical_find(const qv__logical_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return &list->items[i];
    return NULL;
}
