/* The fragment reuse index: indices keep naming the rows of fragments that are gone, and this entry tells where each of them went. */
#include <stdlib.h>

#include "change/compact_private.h"
#include "file/message.h"
#include "index/lance_index.pb-c.h"
#include "index/rows/row_set.h"
#include "table/lance_table.pb-c.h"

#define NAME       "__lance_frag_reuse"
#define TYPE_URL   "/lance.table.FragmentReuseIndexDetails"
#define MOST_BYTES ((size_t) 1 << 31)
#define NS_PER_MS  1000000
#define UUID_BYTES 16

/* ------------------------------------------------------------------ the entry that is there */

static qv_status find_entry(qv__snapshot *base, const qv__index_entry **out, qv_error *err)
{
    const qv__index_entry *entries;
    size_t n;

    *out = NULL;
    QV_TRY(qv__snapshot_indices(base, &entries, &n, err));
    for (size_t i = 0; i < n && !*out; i++)
        if (strcmp(entries[i].name, NAME) == 0)
            *out = &entries[i];
    return QV_OK;
}

qv_status qv__compact_has_reuse(qv__snapshot *base, bool *out, qv_error *err)
{
    const qv__index_entry *entry;

    QV_TRY(find_entry(base, &entry, err));
    *out = entry != NULL;
    return QV_OK;
}

static qv_status read_external(qv__snapshot *base, const qv__index_entry *entry, const Lance__Index__ReuseFile *file,
                               qv__arena *arena, qv__bytes *bytes, Lance__Index__ReuseContent **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__store *folder = NULL;
    ProtobufCMessage *content;

    QV_CHECK(qv__snapshot_index_folder(base, entry, &folder, err));
    QV_CHECK(qv__store_get(folder, file->path ? file->path : "", MOST_BYTES, bytes, err));
    if (file->offset > bytes->len || file->size > bytes->len - file->offset)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "fragment reuse: %s has %zu bytes", file->path, bytes->len));
    QV_CHECK(qv__message_unpack(&lance__index__reuse_content__descriptor, bytes->data + file->offset, file->size, arena,
                                &content, err));
    *out = (Lance__Index__ReuseContent *) content;
done:
    qv__store_unref(folder);
    return st;
}

/* What is told already; *out NULL: nothing. It lies in the arena and in `bytes`. */
static qv_status read_content(qv__snapshot *base, qv__arena *arena, qv__bytes *bytes, Lance__Index__ReuseContent **out,
                              qv_error *err)
{
    const qv__index_entry *entry;
    ProtobufCMessage *message;

    *out = NULL;
    QV_TRY(find_entry(base, &entry, err));
    if (!entry)
        return QV_OK;
    QV_TRY(qv__message_unpack(&lance__index__fragment_reuse_index_details__descriptor, entry->details.data,
                              entry->details.len, arena, &message, err));
    const Lance__Index__FragmentReuseIndexDetails *details = (const Lance__Index__FragmentReuseIndexDetails *) message;
    if (details->external)
        QV_TRY(read_external(base, entry, details->external, arena, bytes, out, err));
    else
        *out = details->content;
    if (*out && (*out)->n_transitions)
        return qv__fail(err, QV_UNSUPPORTED, "the table's fragment reuse index has transitions");
    return QV_OK;
}

/* ------------------------------------------------------------------ one group */

static qv_status new_digests(qv__arena *arena, size_t n, Lance__Index__FragmentDigest ***out, qv_error *err)
{
    Lance__Index__FragmentDigest *items = qv__arena_alloc(arena, n + 1, sizeof *items);

    *out = qv__arena_alloc(arena, n + 1, sizeof **out);
    if (!items || !*out)
        return qv__fail_nomem(err, n * sizeof *items);
    for (size_t i = 0; i < n; i++) {
        lance__index__fragment_digest__init(&items[i]);
        (*out)[i] = &items[i];
    }
    return QV_OK;
}

static void set_digest(Lance__Index__FragmentDigest *digest, uint64_t id, uint64_t rows, uint64_t deleted)
{
    digest->has_id = id != 0; /* zeros are left out */
    digest->id = id;
    digest->has_physical_rows = rows != 0;
    digest->physical_rows = rows;
    digest->has_num_deleted_rows = deleted != 0;
    digest->num_deleted_rows = deleted;
}

static qv_status pack_survivors(const qv__matches *live, qv__snapshot *base, qv__arena *arena, ProtobufCBinaryData *out,
                                qv_error *err)
{
    qv_status st = QV_OK;
    qv__row_set set = { 0 };
    qv__buffer bytes;

    qv__buffer_init(&bytes, MOST_BYTES);
    for (size_t i = 0; i < live->n_fragments; i++)
        if (live->rows[i] && !roaring_bitmap_is_empty(live->rows[i]))
            QV_CHECK(qv__row_set_add_part(&set, (uint32_t) qv__snapshot_fragment(base, i)->id, live->rows[i], err));
    QV_CHECK(qv__row_set_pack(&set, false, &bytes, err));
    out->len = bytes.len;
    out->data = qv__arena_alloc(arena, bytes.len + 1, 1);
    if (!out->data)
        QV_CHECK(qv__fail_nomem(err, bytes.len));
    memcpy(out->data, bytes.data, bytes.len);
done:
    qv__row_set_clear(&set);
    qv__buffer_free(&bytes);
    return st;
}

static qv_status fill_group(qv__snapshot *base, const qv__rewritten *done, qv__arena *arena,
                            Lance__Index__ReuseGroup *m, qv_error *err)
{
    qv_status st = QV_OK;
    qv__matches live = { 0 };
    size_t at;

    lance__index__reuse_group__init(m);
    QV_CHECK(qv__compact_matches(base, &done->task, &live, err));
    m->has_changed_row_addrs = true;
    QV_CHECK(pack_survivors(&live, base, arena, &m->changed_row_addrs, err));
    m->n_old_fragments = done->task.n;
    QV_CHECK(new_digests(arena, done->task.n, &m->old_fragments, err));
    for (size_t i = 0; i < done->task.n; i++) {
        QV_CHECK(qv__compact_find(base, done->task.fragments[i], &at, err));
        uint64_t rows = qv__snapshot_fragment(base, at)->physical_rows;
        set_digest(m->old_fragments[i], done->task.fragments[i], rows, rows - qv__snapshot_live_rows(base, at));
    }
    m->n_new_fragments = done->fragments.n;
    QV_CHECK(new_digests(arena, done->fragments.n, &m->new_fragments, err));
    for (size_t i = 0; i < done->fragments.n; i++)
        set_digest(m->new_fragments[i], done->fragments.items[i].id, done->fragments.items[i].rows, 0);
done:
    qv__matches_clear(&live);
    return st;
}

static qv_status fill_version(qv__snapshot *base, const qv__rewritten *done, size_t n, qv__arena *arena,
                              Lance__Index__ReuseVersion *m, qv_error *err)
{
    Lance__Index__ReuseGroup *groups = qv__arena_alloc(arena, n + 1, sizeof *groups);

    lance__index__reuse_version__init(m);
    m->groups = qv__arena_alloc(arena, n + 1, sizeof *m->groups);
    if (!groups || !m->groups)
        return qv__fail_nomem(err, n * sizeof *groups);
    m->has_dataset_version = true;
    m->dataset_version = qv__snapshot_version(base);
    for (m->n_groups = 0; m->n_groups < n; m->n_groups++) {
        QV_TRY(fill_group(base, &done[m->n_groups], arena, &groups[m->n_groups], err));
        m->groups[m->n_groups] = &groups[m->n_groups];
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ the entry */

static qv_status pack_message(const ProtobufCMessage *message, qv__buffer *out, qv_error *err)
{
    size_t len = protobuf_c_message_get_packed_size(message);

    QV_TRY(qv__buffer_reserve(out, len, err));
    out->len += protobuf_c_message_pack(message, out->data + out->len);
    return QV_OK;
}

/* The fragments that moved rows are in now, of this rewrite and of older ones whose fragments are still there. */
static qv_status pack_coverage(qv__snapshot *base, const qv__rewritten *done, size_t n, qv__buffer *out, qv_error *err)
{
    const qv__index_entry *old;
    qv_status st = QV_OK;
    roaring_bitmap_t *ids = roaring_bitmap_create();

    if (!ids)
        return qv__fail_nomem(err, sizeof *ids);
    QV_CHECK(find_entry(base, &old, err));
    for (size_t i = 0; old && i < old->n_fragments; i++)
        roaring_bitmap_add(ids, old->fragments[i]);
    for (size_t i = 0; i < n; i++) {
        for (size_t f = 0; f < done[i].task.n; f++)
            roaring_bitmap_remove(ids, (uint32_t) done[i].task.fragments[f]);
        for (size_t f = 0; f < done[i].fragments.n; f++)
            roaring_bitmap_add(ids, (uint32_t) done[i].fragments.items[f].id);
    }
    QV_CHECK(qv__roaring_pack(ids, out, err));
done:
    roaring_bitmap_free(ids);
    return st;
}

static qv_status pack_entry(qv__store *table, qv__snapshot *base, const qv__buffer *details, const qv__buffer *coverage,
                            qv__buffer *out, qv_error *err)
{
    uint8_t uuid_bytes[UUID_BYTES];
    qv__store *folder;
    char name[] = NAME, url[] = TYPE_URL;
    Lance__Table__IndexMetadata m = LANCE__TABLE__INDEX_METADATA__INIT;
    Lance__Table__Uuid uuid = LANCE__TABLE__UUID__INIT;
    Lance__File__Any any = LANCE__FILE__ANY__INIT;

    QV_TRY(qv__index_folder_new(table, uuid_bytes, &folder, err)); /* it stays empty */
    qv__store_unref(folder);
    uuid.has_uuid = true;
    uuid.uuid = (ProtobufCBinaryData){ sizeof uuid_bytes, uuid_bytes };
    any.type_url = url;
    any.has_value = true;
    any.value = (ProtobufCBinaryData){ details->len, details->data };
    m.uuid = &uuid;
    m.name = name;
    m.has_dataset_version = true;
    m.dataset_version = qv__snapshot_version(base);
    m.has_fragment_bitmap = true;
    m.fragment_bitmap = (ProtobufCBinaryData){ coverage->len, coverage->data };
    m.index_details = &any;
    m.has_index_version = true;
    m.has_created_at = true;
    m.created_at = (uint64_t) (qv__now_utc_ns() / NS_PER_MS);
    return pack_message(&m.base, out, err);
}

/* All versions, ours last. */
static qv_status pack_details(qv__arena *arena, const Lance__Index__ReuseContent *old, Lance__Index__ReuseVersion *ours,
                              qv__buffer *out, qv_error *err)
{
    Lance__Index__FragmentReuseIndexDetails details = LANCE__INDEX__FRAGMENT_REUSE_INDEX_DETAILS__INIT;
    Lance__Index__ReuseContent content = LANCE__INDEX__REUSE_CONTENT__INIT;
    size_t n = old ? old->n_versions : 0;

    content.versions = qv__arena_alloc(arena, n + 1, sizeof *content.versions);
    if (!content.versions)
        return qv__fail_nomem(err, n * sizeof *content.versions);
    for (size_t i = 0; i < n; i++)
        content.versions[i] = old->versions[i];
    content.versions[n] = ours;
    content.n_versions = n + 1;
    details.content = &content;
    return pack_message(&details.base, out, err);
}

qv_status qv__compact_reuse_entry(qv__store *table, qv__snapshot *base, const qv__rewritten *done, size_t n,
                                  qv__buffer *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__arena arena;
    qv__bytes external = { 0 };
    qv__buffer details, coverage;
    Lance__Index__ReuseContent *old;
    Lance__Index__ReuseVersion ours;

    qv__arena_init(&arena, 0);
    qv__buffer_init(&details, MOST_BYTES);
    qv__buffer_init(&coverage, MOST_BYTES);
    QV_CHECK(read_content(base, &arena, &external, &old, err));
    QV_CHECK(fill_version(base, done, n, &arena, &ours, err));
    QV_CHECK(pack_details(&arena, old, &ours, &details, err));
    QV_CHECK(pack_coverage(base, done, n, &coverage, err));
    QV_CHECK(pack_entry(table, base, &details, &coverage, out, err));
done:
    qv__bytes_unref(&external);
    qv__buffer_free(&details);
    qv__buffer_free(&coverage);
    qv__arena_reset(&arena);
    return st;
}
