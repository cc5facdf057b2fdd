/* A version and rows behind it that no version has yet: the manifest as it would be, made in memory, with one base path more
 * whose store is handed over. So whoever reads a snapshot needs to know nothing of it. */
#include "table/refs_private.h"

typedef struct extension {
    qv__snapshot *base;
    qv__manifest *manifest;
    uint32_t base_id;
    uint64_t fragment_id, row_id; /* the next ones */
} extension;

static qv_status copy_manifest(extension *x, qv_error *err)
{
    const qv__manifest *from = x->base->manifest;
    qv__manifest *m;

    QV_TRY(QV_NEW(&m, 1, err));
    qv__arena_init(&m->arena, 0);
    *m = (qv__manifest){ m->arena,    NULL,          qv__bytes_ref(from->bytes), from->version,
                         from->names, from->indices, from->transaction };
    x->manifest = m;
    m->head = qv__arena_alloc(&m->arena, 1, sizeof *m->head);
    if (!m->head)
        return qv__fail_nomem(err, sizeof *m->head);
    *m->head = *from->head;
    return QV_OK;
}

static qv_status add_base(extension *x, qv_error *err)
{
    Lance__Table__Manifest *head = x->manifest->head;
    size_t n = head->n_base_paths;
    Lance__Table__BasePath **list = qv__arena_alloc(&x->manifest->arena, n + 1, sizeof *list);
    Lance__Table__BasePath *base = qv__arena_alloc(&x->manifest->arena, 1, sizeof *base);

    if (!list || !base)
        return qv__fail_nomem(err, n * sizeof(void *) + sizeof *base);
    x->base_id = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        list[i] = head->base_paths[i];
        if (list[i]->id == x->base_id)
            return qv__fail(err, QV_LIMIT, "the table has no base path ids left");
    }
    lance__table__base_path__init(base);
    base->id = x->base_id;
    base->is_dataset_root = true;
    base->path = (char *) (uintptr_t) "memory://";
    list[n] = base;
    head->base_paths = list;
    head->n_base_paths = n + 1;
    return QV_OK;
}

static qv_status add_lineage(extension *x, uint64_t rows, Lance__Table__DataFragment *fragment, qv_error *err)
{
    qv__arena *arena = &x->manifest->arena;

    if (!qv__snapshot_has_stable_row_ids(x->base))
        return QV_OK;
    fragment->has_inline_row_ids = fragment->has_inline_created_versions = true;
    fragment->has_inline_last_updated_versions = true;
    QV_TRY(qv__row_range_pack(x->row_id, rows, arena, &fragment->inline_row_ids, err));
    QV_TRY(qv__row_version_pack(x->manifest->version + 1, rows, arena, &fragment->inline_created_versions, err));
    fragment->inline_last_updated_versions = fragment->inline_created_versions;
    x->row_id += rows;
    return QV_OK;
}

static qv_status add_fragment(extension *x, const qv__new_fragment *from, ProtobufCBinaryData *out, qv_error *err)
{
    Lance__Table__DataFile file;
    Lance__Table__DataFile *files[] = { &file };
    Lance__Table__DataFragment fragment = LANCE__TABLE__DATA_FRAGMENT__INIT;

    if (x->fragment_id > UINT32_MAX)
        return qv__fail(err, QV_LIMIT, "the table has no fragment ids left");
    qv__new_file_message(&from->file, &file);
    file.has_base_id = true;
    file.base_id = x->base_id;
    fragment.files = files;
    fragment.n_files = 1;
    fragment.has_physical_rows = true;
    fragment.physical_rows = from->rows;
    fragment.has_id = true;
    fragment.id = x->fragment_id++;
    QV_TRY(add_lineage(x, from->rows, &fragment, err));
    return qv__pack(&fragment.base, &x->manifest->arena, out, err);
}

static qv_status add_fragments(extension *x, const qv__new_fragment *fragments, size_t n, qv_error *err)
{
    Lance__Table__Manifest *head = x->manifest->head;
    size_t kept = head->n_fragments;
    ProtobufCBinaryData *list = qv__arena_alloc(&x->manifest->arena, kept + n + 1, sizeof *list);

    if (!list)
        return qv__fail_nomem(err, (kept + n) * sizeof *list);
    if (kept)
        memcpy(list, head->fragments, kept * sizeof *list);
    uint64_t last = qv__snapshot_max_fragment_id(x->base);
    x->fragment_id = last == UINT64_MAX ? 0 : last + 1;
    x->row_id = head->next_row_id;
    for (size_t i = 0; i < n; i++)
        QV_TRY(add_fragment(x, &fragments[i], &list[kept + i], err));
    head->fragments = list;
    head->n_fragments = kept + n;
    head->has_max_fragment_id = true;
    head->max_fragment_id = (uint32_t) (x->fragment_id - 1);
    head->next_row_id = x->row_id;
    return QV_OK;
}

qv_status qv__snapshot_extend(qv__snapshot *base, qv__store *store, const qv__new_fragment *fragments, size_t n,
                              qv__snapshot **out, qv_error *err)
{
    qv_status st = QV_OK;
    extension x = { .base = base };
    qv__snapshot *made = NULL;

    QV_CHECK(copy_manifest(&x, err));
    QV_CHECK(add_base(&x, err));
    QV_CHECK(add_fragments(&x, fragments, n, err));
    st = qv__snapshot_of(base->table, x.manifest, base, &made, err);
    x.manifest = NULL; /* taken */
    QV_CHECK(st);
    atomic_store_explicit(&made->bases.stores[made->bases.n - 1], qv__store_ref(store), memory_order_release);
    *out = made;
done:
    qv__manifest_free(x.manifest);
    return st;
}
