/* Indices as a manifest tells them: the entries of its index section, where their files lie, and entries as messages. */
#include <inttypes.h>
#include <stdio.h>

#include "table/table_private.h"

#define FOLDER        "_indices"
#define MAX_FRAGMENTS (1u << 26) /* more than any list of fragments; a bitmap's bytes may claim anything */

/* ------------------------------------------------------------------ reading entries */

typedef struct id_list {
    uint32_t *items;
    size_t n, capacity;
    qv_status st;
    qv_error *err;
} id_list;

static bool add_id(uint32_t id, void *ctx)
{
    id_list *list = ctx;

    if (list->n == MAX_FRAGMENTS || (list->n && id <= list->items[list->n - 1]))
        list->st = qv__fail(list->err, QV_CORRUPT, "a bitmap of fragments that is out of order");
    else
        list->st = QV_GROW(&list->items, &list->capacity, list->n + 1, list->err);
    if (list->st == QV_OK)
        list->items[list->n++] = id;
    return list->st == QV_OK;
}

static qv_status read_fragments(ProtobufCBinaryData bytes, qv__arena *arena, qv__index_entry *out, qv_error *err)
{
    id_list list = { .st = QV_OK, .err = err };
    size_t used = roaring_bitmap_portable_deserialize_size((const char *) bytes.data, bytes.len);
    roaring_bitmap_t *bitmap =
        used ? roaring_bitmap_portable_deserialize_safe((const char *) bytes.data, bytes.len) : NULL;

    if (!bitmap)
        return qv__fail(err, QV_CORRUPT, "%zu bytes that are not a Roaring bitmap", bytes.len);
    roaring_iterate(bitmap, add_id, &list);
    roaring_bitmap_free(bitmap);
    if (list.st == QV_OK) {
        uint32_t *ids = qv__arena_alloc(arena, list.n + 1, sizeof *ids);
        list.st = ids ? QV_OK : qv__fail_nomem(err, list.n * sizeof *ids);
        if (ids && list.n)
            memcpy(ids, list.items, list.n * sizeof *ids);
        out->fragments = ids;
        out->n_fragments = list.n;
    }
    qv__free(list.items);
    return list.st;
}

static qv_status read_files(const Lance__Table__IndexMetadata *m, qv__arena *arena, qv__index_entry *out, qv_error *err)
{
    qv__index_file *files = qv__arena_alloc(arena, m->n_files + 1, sizeof *files);

    if (!files)
        return qv__fail_nomem(err, m->n_files * sizeof *files);
    for (size_t i = 0; i < m->n_files; i++)
        files[i] = (qv__index_file){ m->files[i]->path ? m->files[i]->path : "", m->files[i]->size_bytes };
    out->files = files;
    out->n_files = m->n_files;
    return QV_OK;
}

qv_status qv__index_entry_read(ProtobufCBinaryData packed, qv__arena *arena, qv__index_entry *out, qv_error *err)
{
    ProtobufCMessage *message;

    QV_TRY(
        qv__message_unpack(&lance__table__index_metadata__descriptor, packed.data, packed.len, arena, &message, err));
    const Lance__Table__IndexMetadata *m = (const Lance__Table__IndexMetadata *) message;
    if (!m->uuid || m->uuid->uuid.len != 16)
        return qv__fail(err, QV_CORRUPT, "index \"%.100s\" has no identifier", m->name ? m->name : "");
    memcpy(out->uuid, m->uuid->uuid.data, 16);
    out->name = m->name ? m->name : "";
    out->fields = m->fields;
    /* without the flag for independent ones, which is refused, carried columns are the trailing entries of fields */
    out->n_fields = m->n_fields > m->n_covering_fields ? m->n_fields - m->n_covering_fields : 0;
    out->dataset_version = m->dataset_version;
    if (m->has_fragment_bitmap && m->fragment_bitmap.len)
        QV_TRY(read_fragments(m->fragment_bitmap, arena, out, err));
    out->type_url = m->index_details && m->index_details->type_url ? m->index_details->type_url : "";
    if (m->index_details && m->index_details->has_value)
        out->details = (qv__section_bytes){ m->index_details->value.data, m->index_details->value.len };
    out->index_version = m->index_version;
    out->created_at_ms = m->created_at <= INT64_MAX ? (int64_t) m->created_at : 0;
    out->has_base = m->has_base_id;
    out->base_id = m->base_id;
    out->packed = (qv__section_bytes){ packed.data, packed.len };
    return read_files(m, arena, out, err);
}

static void list_destroy(qv__owner *owner)
{
    qv__index_list *list = (qv__index_list *) owner;

    qv__arena_reset(&list->arena);
    qv__free(list);
}

qv_status qv__index_list_parse(qv__section section, qv__index_list **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__index_list *list;
    ProtobufCMessage *message;

    QV_TRY(QV_NEW(&list, 1, err));
    qv__owner_init(&list->owner, list_destroy);
    qv__arena_init(&list->arena, 0);
    if (section.data) {
        QV_CHECK(qv__message_unpack(&lance__table__index_section_bytes__descriptor, section.data, section.len,
                                    &list->arena, &message, err));
        const Lance__Table__IndexSectionBytes *m = (const Lance__Table__IndexSectionBytes *) message;
        list->entries = qv__arena_alloc(&list->arena, m->n_indices + 1, sizeof *list->entries);
        if (!list->entries)
            QV_CHECK(qv__fail_nomem(err, m->n_indices * sizeof *list->entries));
        for (size_t i = 0; i < m->n_indices; i++, list->n++)
            QV_CHECK(qv__index_entry_read(m->indices[i], &list->arena, &list->entries[i], err));
    }
    *out = list;
    list = NULL;
done:
    if (list)
        qv__owner_unref(&list->owner);
    return st;
}

qv_status qv__snapshot_indices(qv__snapshot *snapshot, const qv__index_entry **out, size_t *n, qv_error *err)
{
    qv__index_list *list = atomic_load_explicit(&snapshot->indices, memory_order_acquire), *other = NULL;

    if (!list) {
        qv_status st = qv__index_list_parse(snapshot->manifest->indices, &list, err);
        if (st != QV_OK)
            return qv__fail_in(err, st, "%s, version %" PRIu64, qv__store_uri(snapshot->table),
                               snapshot->manifest->version);
        if (!atomic_compare_exchange_strong_explicit(&snapshot->indices, &other, list, memory_order_acq_rel,
                                                     memory_order_acquire)) {
            qv__owner_unref(&list->owner);
            list = other;
        }
    }
    *out = list->entries;
    *n = list->n;
    return QV_OK;
}

/* ------------------------------------------------------------------ folders */

qv_status qv__snapshot_index_folder(qv__snapshot *snapshot, const qv__index_entry *entry, qv__store **out,
                                    qv_error *err)
{
    char uuid[37];
    qv__store *store;
    char *name;

    qv__uuid_print(entry->uuid, uuid);
    QV_TRY(qv__bases_find(&snapshot->bases, snapshot->table, entry->has_base, entry->base_id, FOLDER, uuid, &store,
                          &name, err));
    qv_status st = qv__store_sub(store, name, out, err);
    qv__free(name);
    return st;
}

qv_status qv__index_folder_new(qv__store *table, uint8_t uuid[16], qv__store **out, qv_error *err)
{
    char text[37], name[sizeof FOLDER + 37];

    QV_TRY(qv__uuid_new(uuid, err));
    qv__uuid_print(uuid, text);
    snprintf(name, sizeof name, FOLDER "/%s", text);
    return qv__store_sub(table, name, out, err);
}

/* ------------------------------------------------------------------ writing entries */

static qv_status fill_files(const qv__index_entry *entry, qv__arena *arena, Lance__Table__IndexMetadata *m,
                            qv_error *err)
{
    Lance__Table__IndexFile *files = qv__arena_alloc(arena, entry->n_files + 1, sizeof *files);

    m->files = qv__arena_alloc(arena, entry->n_files + 1, sizeof(void *));
    if (!files || !m->files)
        return qv__fail_nomem(err, entry->n_files * sizeof *files);
    for (size_t i = 0; i < entry->n_files; i++) {
        lance__table__index_file__init(&files[i]);
        files[i].path = (char *) (uintptr_t) entry->files[i].path;
        files[i].has_size_bytes = true;
        files[i].size_bytes = entry->files[i].size_bytes;
        m->files[i] = &files[i];
    }
    m->n_files = entry->n_files;
    return QV_OK;
}

static qv_status fill_fragments(const qv__index_entry *entry, qv__arena *arena, Lance__Table__IndexMetadata *m,
                                qv_error *err)
{
    roaring_bitmap_t *bitmap = roaring_bitmap_of_ptr(entry->n_fragments, entry->fragments);

    if (!bitmap)
        return qv__fail_nomem(err, entry->n_fragments * sizeof *entry->fragments);
    size_t len = roaring_bitmap_portable_size_in_bytes(bitmap);
    uint8_t *bytes = qv__arena_alloc(arena, len + 1, 1);
    if (bytes)
        roaring_bitmap_portable_serialize(bitmap, (char *) bytes);
    roaring_bitmap_free(bitmap);
    if (!bytes)
        return qv__fail_nomem(err, len);
    m->has_fragment_bitmap = true;
    m->fragment_bitmap = (ProtobufCBinaryData){ len, bytes };
    return QV_OK;
}

/* The stored message, or an empty one. */
static qv_status begin_entry(const qv__index_entry *entry, qv__arena *arena, Lance__Table__IndexMetadata **out,
                             qv_error *err)
{
    ProtobufCMessage *message;

    if (entry->packed.len) {
        QV_TRY(qv__message_unpack(&lance__table__index_metadata__descriptor, entry->packed.data, entry->packed.len,
                                  arena, &message, err));
        *out = (Lance__Table__IndexMetadata *) message;
        return QV_OK;
    }
    *out = qv__arena_alloc(arena, 1, sizeof **out);
    if (!*out)
        return qv__fail_nomem(err, sizeof **out);
    lance__table__index_metadata__init(*out);
    (*out)->fields = (int32_t *) (uintptr_t) entry->fields;
    (*out)->n_fields = entry->n_fields;
    return QV_OK;
}

qv_status qv__index_entry_pack(const qv__index_entry *entry, qv__arena *arena, ProtobufCBinaryData *out, qv_error *err)
{
    Lance__Table__Uuid uuid;
    Lance__File__Any details;
    Lance__Table__IndexMetadata *m;

    QV_TRY(begin_entry(entry, arena, &m, err));
    lance__table__uuid__init(&uuid);
    uuid.has_uuid = true;
    uuid.uuid = (ProtobufCBinaryData){ 16, (uint8_t *) (uintptr_t) entry->uuid };
    m->uuid = &uuid;
    m->name = (char *) (uintptr_t) entry->name;
    m->has_dataset_version = true;
    m->dataset_version = entry->dataset_version;
    lance__file__any__init(&details);
    details.type_url = (char *) (uintptr_t) entry->type_url;
    details.has_value = entry->details.len != 0;
    details.value = (ProtobufCBinaryData){ entry->details.len, (uint8_t *) (uintptr_t) entry->details.data };
    if (entry->type_url && *entry->type_url)
        m->index_details = &details;
    m->has_index_version = true;
    m->index_version = entry->index_version;
    m->has_created_at = entry->created_at_ms != 0;
    m->created_at = (uint64_t) entry->created_at_ms;
    m->has_base_id = entry->has_base;
    m->base_id = entry->base_id;
    QV_TRY(fill_fragments(entry, arena, m, err));
    QV_TRY(fill_files(entry, arena, m, err));
    return qv__pack(&m->base, arena, out, err);
}
