/* One version of a table, open for reading. Everything that costs I/O is done on first use and kept: opened files, bound
 * columns, deletion sets, row ids. See qv__fragment_cache for how threads share the slots. */
#include <inttypes.h>

#include "table/refs_private.h"

#define TRUSTED_ROWS (UINT64_C(1) << 20) /* claims up to this size need no proof */

/* ------------------------------------------------------------------ opening */

static qv_status read_metadata(const Lance__Table__Manifest *head, qv__metadata *out, qv_error *err)
{
    for (size_t i = 0; i < head->n_schema_metadata; i++) {
        const Lance__File__MetadataEntry *entry = head->schema_metadata[i];
        QV_TRY(qv__metadata_set(out, entry->key ? entry->key : "", (const char *) entry->value.data, entry->value.len,
                                err));
    }
    return QV_OK;
}

static qv_status read_schema(qv__snapshot *s, qv_error *err)
{
    qv_status st = QV_OK;
    const Lance__Table__Manifest *head = s->manifest->head;
    qv__metadata metadata = { 0 };

    QV_CHECK(read_metadata(head, &metadata, err));
    QV_CHECK(qv__schema_from_lance(head->fields, head->n_fields, &metadata, &s->stored, err));
    QV_CHECK(qv__schema_to_shown(s->stored, &s->schema, err));
done:
    qv__metadata_clear(&metadata);
    return st;
}

static qv_status make_caches(qv__snapshot *s, qv_error *err)
{
    size_t n_files = 0, at = 0;

    for (size_t i = 0; i < s->n_fragments; i++)
        n_files += s->fragments[i].n_files;
    QV_TRY(QV_NEW(&s->file_slots, n_files, err));
    QV_TRY(QV_NEW(&s->caches, s->n_fragments, err));
    for (size_t i = 0; i < s->n_fragments; i++) {
        s->caches[i].files = s->file_slots + at;
        at += s->fragments[i].n_files;
    }
    return QV_OK;
}

/* Old manifests do not count rows; then the first data file says how many there are. */
static qv_status count_unknown_rows(qv__snapshot *s, qv_error *err)
{
    for (size_t i = 0; i < s->n_fragments; i++) {
        qv__file *file;
        if (s->fragments[i].physical_rows || !s->fragments[i].n_files)
            continue;
        QV_TRY(qv__snapshot_file(s, i, 0, &file, err));
        s->fragments[i].physical_rows = qv__file_rows(file);
    }
    return QV_OK;
}

static bool same_fields(const qv__field *a, const qv__field *b, size_t n, unsigned depth)
{
    for (size_t i = 0; i < n; i++) {
        if (a[i].id != b[i].id || !qv__field_equal(&a[i], &b[i]) || depth > 64 ||
            !same_fields(a[i].type->children, b[i].type->children, a[i].type->n_children, depth + 1))
            return false;
    }
    return true;
}

static void share_columns(qv__fragment_cache *to, qv__fragment_cache *from, size_t n)
{
    qv__column_slot *old = atomic_load_explicit(&from->columns, memory_order_acquire), *slots;

    if (!old || QV_NEW(&slots, n, NULL) != QV_OK) /* without memory they are opened again when wanted */
        return;
    for (size_t i = 0; i < n; i++) {
        qv__fragment_column *column = atomic_load_explicit(&old[i].column, memory_order_acquire);
        if (column)
            atomic_store_explicit(&slots[i].column, qv__fragment_column_ref(column), memory_order_relaxed);
    }
    atomic_store_explicit(&to->columns, slots, memory_order_relaxed);
}

static void share_numbers(_Atomic(qv__row_ids *) *to, _Atomic(qv__row_ids *) *from)
{
    qv__row_ids *numbers = atomic_load_explicit(from, memory_order_acquire);

    if (numbers)
        qv__owner_ref(&numbers->owner);
    atomic_store_explicit(to, numbers, memory_order_relaxed);
}

static void share_file(_Atomic(qv__file *) *to, _Atomic(qv__file *) *from)
{
    qv__file *file = atomic_load_explicit(from, memory_order_acquire);

    if (file)
        atomic_store_explicit(to, qv__file_ref(file), memory_order_relaxed);
}

static void share_fragment(qv__fragment_cache *to, qv__fragment_cache *from, size_t n_files)
{
    for (size_t i = 0; i < n_files; i++)
        share_file(&to->files[i], &from->files[i]);
    qv__deletions *deletions = atomic_load_explicit(&from->deletions, memory_order_acquire);
    if (deletions) {
        qv__owner_ref(&deletions->owner);
        atomic_store_explicit(&to->deletions, deletions, memory_order_relaxed);
    }
    share_numbers(&to->row_ids, &from->row_ids);
    share_numbers(&to->created, &from->created);
    share_numbers(&to->updated, &from->updated);
}

static bool same_file(const qv__data_file *a, const qv__data_file *b)
{
    return strcmp(a->path, b->path) == 0 && a->has_base == b->has_base && a->base_id == b->base_id &&
           a->version.minor == b->version.minor && a->size_bytes == b->size_bytes;
}

static bool same_layout(const qv__data_file *a, const qv__data_file *b)
{
    return a->n_fields == b->n_fields && memcmp(a->field_ids, b->field_ids, a->n_fields * sizeof *a->field_ids) == 0 &&
           memcmp(a->columns, b->columns, a->n_fields * sizeof *a->columns) == 0;
}

static bool same_section(qv__section a, qv__section b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* A fragment that lost rows, or got a file beside its own, keeps the files that it had: opened, mapped, and in the page tables. */
static void share_changed(qv__snapshot *s, qv__snapshot *old, size_t i, bool same_schema)
{
    size_t was = qv__snapshot_find_fragment(old, s->fragments[i].id), n_same = 0;

    if (was == SIZE_MAX || s->fragments[i].physical_rows != old->fragments[was].physical_rows)
        return;
    const qv__fragment *a = &s->fragments[i], *b = &old->fragments[was];
    for (size_t f = 0; f < QV_MIN(a->n_files, b->n_files); f++)
        if (same_file(&a->files[f], &b->files[f])) {
            share_file(&s->caches[i].files[f], &old->caches[was].files[f]);
            n_same += same_layout(&a->files[f], &b->files[f]);
        }
    if (same_schema && n_same == a->n_files && n_same == b->n_files)
        share_columns(&s->caches[i], &old->caches[was], s->schema->n_fields);
    const qv__lineage *x = &s->lineage[i], *y = &old->lineage[was];
    if (!x->spilled && !y->spilled && same_section(x->row_ids, y->row_ids))
        share_numbers(&s->caches[i].row_ids, &old->caches[was].row_ids);
}

/* Fragments whose packed message did not change keep everything that the older snapshot has opened of them. */
static void share_caches(qv__snapshot *s, qv__snapshot *old, const size_t *from)
{
    size_t n_columns = s->schema->n_fields;
    bool same = old->schema->n_fields == n_columns && same_fields(s->schema->fields, old->schema->fields, n_columns, 0);

    for (size_t i = 0; i < s->n_fragments; i++) {
        if (from[i] == SIZE_MAX) {
            share_changed(s, old, i, same);
            continue;
        }
        share_fragment(&s->caches[i], &old->caches[from[i]], s->fragments[i].n_files);
        if (same)
            share_columns(&s->caches[i], &old->caches[from[i]], n_columns);
    }
}

/* Base paths that both have are the same: what a snapshot is extended with comes behind the table's own. */
static bool same_bases(const Lance__Table__Manifest *a, const Lance__Table__Manifest *b)
{
    for (size_t i = 0; i < QV_MIN(a->n_base_paths, b->n_base_paths); i++)
        if (a->base_paths[i]->id != b->base_paths[i]->id || !a->base_paths[i]->path || !b->base_paths[i]->path ||
            strcmp(a->base_paths[i]->path, b->base_paths[i]->path) != 0)
            return false;
    return true;
}

static void slot_destroy(qv__owner *owner)
{
    qv__shared_slot *slot = (qv__shared_slot *) owner;

    qv__owner_unref(atomic_load_explicit(&slot->kept, memory_order_acquire));
    qv__free(slot);
}

static qv_status make_slot(qv__snapshot *s, qv__snapshot *old, qv_error *err)
{
    if (old) {
        qv__owner_ref(&old->index_slot->owner);
        s->index_slot = old->index_slot;
        return QV_OK;
    }
    QV_TRY(QV_NEW(&s->index_slot, 1, err));
    qv__owner_init(&s->index_slot->owner, slot_destroy);
    return QV_OK;
}

_Atomic(qv__owner *) *qv__snapshot_index_slot(qv__snapshot *snapshot) { return &snapshot->index_slot->kept; }
_Atomic(qv__owner *) *qv__snapshot_query_slot(qv__snapshot *snapshot) { return &snapshot->query_slot; }

qv_status qv__snapshot_of(qv__store *table, qv__manifest *manifest, qv__snapshot *old, qv__snapshot **out,
                          qv_error *err)
{
    qv_status st = QV_OK;
    qv__snapshot *s = NULL;
    const Lance__Table__Manifest *head = manifest->head;
    qv__fragment_list list;

    st = QV_NEW(&s, 1, err);
    if (st != QV_OK) {
        qv__manifest_free(manifest);
        return st;
    }
    atomic_init(&s->refs, 1);
    s->manifest = manifest;
    s->table = qv__store_ref(table);
    s->n_fragments = 0;
    QV_CHECK(make_slot(s, old, err));
    QV_CHECK(qv__flags_check_read(head, err));
    QV_CHECK(read_schema(s, err));
    QV_CHECK(qv__fragments_parse(head, old, &manifest->arena, &list, err));
    s->parsed = list.parsed;
    s->fragments = list.fragments;
    s->lineage = list.lineage;
    QV_CHECK(qv__data_format(head, &list, old, &s->format, err));
    QV_CHECK(qv__bases_init(&s->bases, head, err));
    s->n_fragments = head->n_fragments;
    QV_CHECK(make_caches(s, err));
    if (old && same_bases(head, old->manifest->head))
        share_caches(s, old, list.from);
    QV_CHECK(count_unknown_rows(s, err));
    *out = s;
    s = NULL;
done:
    if (st != QV_OK)
        qv__fail_in(err, st, "%s, version %" PRIu64, qv__store_uri(table), manifest->version);
    qv__snapshot_unref(s);
    return st;
}

enum { MOST_LOADS = 100 };

static qv_status load_newest(qv__store *table, qv__manifest **out, qv_error *err)
{
    qv_status st = QV_NOT_FOUND;
    uint64_t version;
    qv__names names;

    /* clean-up may take the version away that was found, when a newer one appears meanwhile */
    for (int attempt = 0; st == QV_NOT_FOUND && attempt < MOST_LOADS; attempt++) {
        QV_TRY(qv__newest_version(table, &version, &names, err));
        if (!version)
            return qv__fail(err, QV_NOT_FOUND, "%s is not a table: no versions", qv__store_uri(table));
        st = qv__manifest_load(table, version, names, out, err);
    }
    return st;
}

qv_status qv__snapshot_open(qv__store *table, uint64_t version, qv__snapshot **out, qv_error *err)
{
    qv__manifest *manifest;

    if (version)
        QV_TRY(qv__version_load(table, version, &manifest, err));
    else
        QV_TRY(load_newest(table, &manifest, err));
    return qv__snapshot_of(table, manifest, NULL, out, err);
}

qv_status qv__snapshot_newest(qv__snapshot *known, qv__snapshot **out, qv_error *err)
{
    const qv__manifest *on = known->manifest;
    qv__manifest *manifest;
    uint64_t version;
    bool is_stored = false;

    QV_TRY(qv__newest_version_after(known->table, on->version, on->names, &version, err));
    if (version == on->version)
        QV_TRY(qv__manifest_is_stored(known->table, on, &is_stored, err));
    if (is_stored) {
        *out = qv__snapshot_ref(known);
        return QV_OK;
    }
    QV_TRY(load_newest(known->table, &manifest, err));
    return qv__snapshot_of(known->table, manifest, known, out, err);
}

/* ------------------------------------------------------------------ closing */

static void drop_numbers(_Atomic(qv__row_ids *) *slot)
{
    qv__row_ids *numbers = atomic_load_explicit(slot, memory_order_relaxed);

    if (numbers)
        qv__owner_unref(&numbers->owner);
}

static void clear_cache(qv__fragment_cache *cache, size_t n_files, size_t n_columns)
{
    for (size_t i = 0; cache->files && i < n_files; i++)
        qv__file_unref(atomic_load_explicit(&cache->files[i], memory_order_relaxed));
    qv__column_slot *slots = atomic_load_explicit(&cache->columns, memory_order_relaxed);
    for (size_t i = 0; slots && i < n_columns; i++)
        qv__fragment_column_unref(atomic_load_explicit(&slots[i].column, memory_order_relaxed));
    qv__free(slots);
    qv__deletions *deletions = atomic_load_explicit(&cache->deletions, memory_order_relaxed);
    if (deletions)
        qv__owner_unref(&deletions->owner);
    drop_numbers(&cache->row_ids);
    drop_numbers(&cache->created);
    drop_numbers(&cache->updated);
}

qv__snapshot *qv__snapshot_ref(qv__snapshot *snapshot)
{
    if (snapshot)
        atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
    return snapshot;
}

void qv__snapshot_unref(qv__snapshot *snapshot)
{
    /* what other threads stored in the caches happens before the last reference goes */
    if (!snapshot || atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) != 1)
        return;
    qv__owner_unref(atomic_load_explicit(&snapshot->query_slot, memory_order_relaxed));
    for (size_t i = 0; snapshot->caches && i < snapshot->n_fragments; i++)
        clear_cache(&snapshot->caches[i], snapshot->fragments[i].n_files, snapshot->schema->n_fields);
    qv__free(snapshot->caches);
    qv__free((void *) snapshot->file_slots);
    qv__row_index_free(atomic_load_explicit(&snapshot->row_index, memory_order_relaxed));
    if (snapshot->index_slot)
        qv__owner_unref(&snapshot->index_slot->owner);
    qv__index_list *indices = atomic_load_explicit(&snapshot->indices, memory_order_relaxed);
    if (indices)
        qv__owner_unref(&indices->owner);
    qv__bases_clear(&snapshot->bases);
    qv__schema_unref(snapshot->schema);
    qv__schema_unref(snapshot->stored);
    if (snapshot->parsed)
        qv__owner_unref(&snapshot->parsed->owner);
    qv__manifest_free(snapshot->manifest);
    qv__store_unref(snapshot->table);
    qv__free(snapshot);
}

/* ------------------------------------------------------------------ facts */

uint64_t qv__snapshot_version(const qv__snapshot *snapshot) { return snapshot->manifest->version; }

const qv__schema *qv__snapshot_schema(const qv__snapshot *snapshot) { return snapshot->schema; }

size_t qv__snapshot_n_fragments(const qv__snapshot *snapshot) { return snapshot->n_fragments; }

const qv__fragment *qv__snapshot_fragment(const qv__snapshot *snapshot, size_t i) { return &snapshot->fragments[i]; }

bool qv__snapshot_has_stable_row_ids(const qv__snapshot *snapshot)
{
    return snapshot->manifest->head->reader_feature_flags & QV_FLAG_STABLE_ROW_IDS;
}

uint64_t qv__snapshot_max_fragment_id(const qv__snapshot *snapshot)
{
    const Lance__Table__Manifest *head = snapshot->manifest->head;

    if (head->has_max_fragment_id)
        return head->max_fragment_id;
    return snapshot->n_fragments ? snapshot->fragments[snapshot->n_fragments - 1].id : UINT64_MAX;
}

const char *qv__snapshot_file_version(const qv__snapshot *snapshot) { return snapshot->format; }

/* ------------------------------------------------------------------ files */

static qv_status check_file(const qv__fragment *f, const qv__data_file *wanted, const qv__file *file, qv_error *err)
{
    qv__file_version version = qv__file_version_of(file);

    if (version.major != wanted->version.major || version.minor != wanted->version.minor)
        return qv__fail(err, QV_CORRUPT, "%s has format version %u.%u, the manifest says %u.%u", wanted->path,
                        version.major, version.minor, wanted->version.major, wanted->version.minor);
    if (f->physical_rows && qv__file_rows(file) != f->physical_rows)
        return qv__fail(err, QV_CORRUPT, "%s has %" PRIu64 " rows, fragment %" PRIu64 " has %" PRIu64, wanted->path,
                        qv__file_rows(file), f->id, f->physical_rows);
    return QV_OK;
}

qv_status qv__snapshot_missing(const qv__snapshot *snapshot, bool is_impossible, const char *name, qv_error *err)
{
    uint64_t version = snapshot->manifest->version;
    qv__names names;

    if (is_impossible)
        return qv__fail(err, QV_CORRUPT, "file \"%s\" has an impossible name", name);
    if (qv__version_find(snapshot->table, version, &names, NULL, NULL) == QV_NOT_FOUND)
        return qv__fail(err, QV_NOT_FOUND, "%s: version %" PRIu64 " was cleaned up, and file \"%s\" with it",
                        qv__store_uri(snapshot->table), version, name);
    return qv__fail(err, QV_CORRUPT, "file \"%s\" is missing", name);
}

static qv_status open_file(qv__snapshot *s, const qv__fragment *f, const qv__data_file *wanted, qv__file **out,
                           qv_error *err)
{
    qv_status st = QV_OK;
    qv__file *file = NULL;
    qv__store *store;
    char *name = NULL;

    QV_CHECK(qv__bases_find(&s->bases, s->table, wanted->has_base, wanted->base_id, "data", wanted->path, &store, &name,
                            err));
    st = qv__file_open(store, name, &file, err);
    if (st == QV_NOT_FOUND || st == QV_INVALID)
        st = qv__snapshot_missing(s, st == QV_INVALID, name, err);
    QV_CHECK(st);
    QV_CHECK(check_file(f, wanted, file, err));
    *out = file;
    file = NULL;
done:
    qv__file_unref(file);
    qv__free(name);
    return st;
}

qv_status qv__snapshot_file(qv__snapshot *snapshot, size_t fragment, size_t file, qv__file **out, qv_error *err)
{
    _Atomic(qv__file *) *slot = &snapshot->caches[fragment].files[file];
    qv__file *opened = atomic_load_explicit(slot, memory_order_acquire), *other = NULL;

    if (!opened) {
        const qv__fragment *f = &snapshot->fragments[fragment];
        QV_TRY(open_file(snapshot, f, &f->files[file], &opened, err));
        if (!atomic_compare_exchange_strong_explicit(slot, &other, opened, memory_order_acq_rel,
                                                     memory_order_acquire)) {
            qv__file_unref(opened);
            opened = other;
        }
    }
    *out = opened;
    return QV_OK;
}

qv_status qv__snapshot_check_rows(qv__snapshot *snapshot, size_t fragment, qv_error *err)
{
    const qv__fragment *f = &snapshot->fragments[fragment];
    qv__file *file;

    if (f->physical_rows <= TRUSTED_ROWS)
        return QV_OK;
    if (!f->n_files)
        return qv__fail(err, QV_CORRUPT, "fragment %" PRIu64 " claims %" PRIu64 " rows without a data file", f->id,
                        f->physical_rows);
    return qv__snapshot_file(snapshot, fragment, 0, &file, err);
}

/* ------------------------------------------------------------------ deletions and row ids */

qv_status qv__snapshot_deletions(qv__snapshot *snapshot, size_t fragment, const uint32_t **offsets, size_t *n,
                                 const uint8_t **live, qv_error *err)
{
    _Atomic(qv__deletions *) *slot = &snapshot->caches[fragment].deletions;
    qv__deletions *deletions = atomic_load_explicit(slot, memory_order_acquire), *other = NULL;

    if (!snapshot->fragments[fragment].deletion) {
        *offsets = NULL;
        *live = NULL;
        *n = 0;
        return QV_OK;
    }
    if (!deletions) {
        QV_TRY(qv__deletions_load(snapshot, fragment, &deletions, err));
        if (!atomic_compare_exchange_strong_explicit(slot, &other, deletions, memory_order_acq_rel,
                                                     memory_order_acquire)) {
            qv__owner_unref(&deletions->owner);
            deletions = other;
        }
    }
    *offsets = deletions->offsets;
    *live = deletions->n ? deletions->live : NULL;
    *n = deletions->n;
    return QV_OK;
}

uint64_t qv__snapshot_live_rows(const qv__snapshot *snapshot, size_t fragment)
{
    const qv__fragment *f = &snapshot->fragments[fragment];
    const qv__deletions *deletions = atomic_load_explicit(&snapshot->caches[fragment].deletions, memory_order_acquire);

    if (!f->deletion)
        return f->physical_rows;
    return f->physical_rows - (deletions ? deletions->n : f->deletion->n_deleted);
}

qv_status qv__snapshot_count_rows(qv__snapshot *snapshot, uint64_t *out, qv_error *err)
{
    uint64_t total = 0;

    for (size_t i = 0; i < snapshot->n_fragments; i++) {
        const qv__fragment *f = &snapshot->fragments[i];
        const uint32_t *offsets;
        const uint8_t *live;
        size_t n;
        if (f->deletion && !f->deletion->n_deleted) /* a length of 0 means unknown */
            QV_TRY(qv__snapshot_deletions(snapshot, i, &offsets, &n, &live, err));
        total += qv__snapshot_live_rows(snapshot, i); /* both factors stay below 2^32 */
    }
    *out = total;
    return QV_OK;
}

qv_status qv__snapshot_row_id_array(qv__snapshot *snapshot, size_t fragment, const uint64_t **out, qv_error *err)
{
    _Atomic(qv__row_ids *) *slot = &snapshot->caches[fragment].row_ids;
    qv__row_ids *row_ids = atomic_load_explicit(slot, memory_order_acquire), *other = NULL;

    if (!qv__snapshot_has_stable_row_ids(snapshot)) {
        *out = NULL;
        return QV_OK;
    }
    if (!row_ids) {
        QV_TRY(qv__row_ids_load(snapshot, fragment, &row_ids, err));
        if (!atomic_compare_exchange_strong_explicit(slot, &other, row_ids, memory_order_acq_rel,
                                                     memory_order_acquire)) {
            qv__owner_unref(&row_ids->owner);
            row_ids = other;
        }
    }
    *out = row_ids->ids;
    return QV_OK;
}

qv_status qv__snapshot_row_ids(qv__snapshot *snapshot, size_t fragment, uint64_t row, uint64_t n, uint64_t *out,
                               qv_error *err)
{
    const qv__fragment *f = &snapshot->fragments[fragment];
    const uint64_t *ids;

    if (!qv__inside(row, n, f->physical_rows))
        return qv__fail(err, QV_INVALID, "rows %" PRIu64 " to %" PRIu64 " of %" PRIu64, row, row + n, f->physical_rows);
    QV_TRY(qv__snapshot_row_id_array(snapshot, fragment, &ids, err));
    for (uint64_t i = 0; i < n; i++)
        out[i] = ids ? ids[row + i] : f->id << 32 | (row + i);
    return QV_OK;
}
