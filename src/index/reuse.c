/* Compaction may leave indices as they are, and say where the rows went: for each group of rewritten fragments the old addresses that
 * survived, in order; the i-th became row i of the new fragments. Rewrites of rewrites apply one after the other. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "file/message.h"
#include "index/index_private.h"
#include "index/lance_index.pb-c.h"

#define MAX_DETAILS_BYTES (UINT64_C(1) << 31)

typedef struct group {
    qv__row_set survivors;
    uint64_t *before; /* per part of the survivors: how many rows the parts before it have */
    size_t n_old, n_new;
    uint64_t *old_ids, *new_ids, *new_rows;
} group;

struct qv__reuse {
    size_t n;
    group *groups; /* oldest version first */
};

void qv__reuse_free(qv__reuse *reuse)
{
    for (size_t i = 0; reuse && i < reuse->n; i++) {
        group *g = &reuse->groups[i];
        qv__row_set_clear(&g->survivors);
        qv__free(g->before);
        qv__free(g->old_ids);
        qv__free(g->new_ids);
        qv__free(g->new_rows);
    }
    if (reuse)
        qv__free(reuse->groups);
    qv__free(reuse);
}

/* ------------------------------------------------------------------ reading */

static qv_status read_ids(Lance__Index__FragmentDigest *const *digests, size_t n, uint64_t **ids, uint64_t **rows,
                          qv_error *err)
{
    QV_TRY(QV_NEW(ids, n, err));
    if (rows)
        QV_TRY(QV_NEW(rows, n, err));
    for (size_t i = 0; i < n; i++) {
        (*ids)[i] = digests[i]->id;
        if (rows)
            (*rows)[i] = digests[i]->physical_rows;
        if (digests[i]->id > UINT32_MAX || digests[i]->physical_rows > UINT32_MAX)
            return qv__fail(err, QV_CORRUPT, "fragment reuse: fragment %" PRIu64 " with %" PRIu64 " rows",
                            digests[i]->id, digests[i]->physical_rows);
    }
    return QV_OK;
}

static qv_status check_group(const group *g, qv_error *err)
{
    uint64_t kept = 0, rows = 0;

    for (size_t i = 0; i < g->survivors.n; i++) {
        bool is_old = false;
        for (size_t j = 0; j < g->n_old && !is_old; j++)
            is_old = g->old_ids[j] == g->survivors.parts[i].high;
        if (!is_old)
            return qv__fail(err, QV_CORRUPT, "fragment reuse: rows of fragment %" PRIu32 " outside the group",
                            g->survivors.parts[i].high);
        g->before[i] = kept;
        kept += roaring_bitmap_get_cardinality(g->survivors.parts[i].low);
    }
    for (size_t i = 0; i < g->n_new; i++)
        rows += g->new_rows[i];
    return kept == rows ? QV_OK
                        : qv__fail(err, QV_CORRUPT, "fragment reuse: %" PRIu64 " rows became %" PRIu64, kept, rows);
}

static qv_status read_group(const Lance__Index__ReuseGroup *m, group *g, qv_error *err)
{
    g->n_old = m->n_old_fragments;
    g->n_new = m->n_new_fragments;
    QV_TRY(read_ids(m->old_fragments, g->n_old, &g->old_ids, NULL, err));
    QV_TRY(read_ids(m->new_fragments, g->n_new, &g->new_ids, &g->new_rows, err));
    if (m->has_changed_row_addrs && m->changed_row_addrs.len)
        QV_TRY(qv__row_set_parse(m->changed_row_addrs.data, m->changed_row_addrs.len, false, &g->survivors, err));
    QV_TRY(QV_NEW(&g->before, g->survivors.n, err));
    return check_group(g, err);
}

static int older_first(const void *a, const void *b)
{
    uint64_t x = (*(Lance__Index__ReuseVersion *const *) a)->dataset_version,
             y = (*(Lance__Index__ReuseVersion *const *) b)->dataset_version;

    return (x > y) - (x < y);
}

static qv_status read_content(const Lance__Index__ReuseContent *m, qv__reuse *reuse, qv_error *err)
{
    size_t n = 0;

    if (m->n_transitions)
        return qv__fail(err, QV_UNSUPPORTED, "fragment reuse by transitions");
    for (size_t i = 0; i < m->n_versions; i++)
        n += m->versions[i]->n_groups;
    QV_TRY(QV_NEW(&reuse->groups, n, err));
    if (m->n_versions)
        qsort((void *) m->versions, m->n_versions, sizeof *m->versions, older_first);
    for (size_t i = 0; i < m->n_versions; i++)
        for (size_t j = 0; j < m->versions[i]->n_groups; j++)
            QV_TRY(read_group(m->versions[i]->groups[j], &reuse->groups[reuse->n++], err));
    return QV_OK;
}

static qv_status read_external(qv__snapshot *snapshot, const qv__index_entry *entry,
                               const Lance__Index__ReuseFile *file, qv__arena *arena, qv__bytes *bytes,
                               ProtobufCMessage **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__store *folder = NULL;

    QV_CHECK(qv__snapshot_index_folder(snapshot, entry, &folder, err));
    QV_CHECK(qv__store_get(folder, file->path ? file->path : "", MAX_DETAILS_BYTES, bytes, err));
    if (file->offset > bytes->len || file->size > bytes->len - file->offset)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "fragment reuse: %s has %zu bytes", file->path, bytes->len));
    arena->limit_bytes = qv__message_limit(file->size);
    QV_CHECK(qv__message_unpack(&lance__index__reuse_content__descriptor, bytes->data + file->offset, file->size, arena,
                                out, err));
done:
    qv__store_unref(folder);
    return st;
}

static qv_status read_entry(qv__snapshot *snapshot, const qv__index_entry *entry, qv__reuse *reuse, qv_error *err)
{
    qv_status st = QV_OK;
    qv__arena arena, external_arena;
    qv__bytes bytes = { 0 };
    ProtobufCMessage *message, *content = NULL;

    qv__arena_init(&arena, qv__message_limit(entry->details.len));
    qv__arena_init(&external_arena, 0);
    QV_CHECK(qv__message_unpack(&lance__index__fragment_reuse_index_details__descriptor, entry->details.data,
                                entry->details.len, &arena, &message, err));
    const Lance__Index__FragmentReuseIndexDetails *m = (const Lance__Index__FragmentReuseIndexDetails *) message;
    if (m->content)
        content = &m->content->base;
    else if (m->external)
        QV_CHECK(read_external(snapshot, entry, m->external, &external_arena, &bytes, &content, err));
    if (content)
        QV_CHECK(read_content((const Lance__Index__ReuseContent *) content, reuse, err));
done:
    qv__arena_reset(&arena);
    qv__arena_reset(&external_arena);
    qv__bytes_unref(&bytes);
    return st;
}

/* What cannot be read is as good as nothing: the rewritten fragments are then covered by no index. */
qv_status qv__reuse_open(qv__snapshot *snapshot, qv__reuse **out, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__index_entry *entries, *found = NULL;
    qv__reuse *reuse = NULL;
    size_t n;

    *out = NULL;
    QV_TRY(qv__snapshot_indices(snapshot, &entries, &n, err));
    for (size_t i = 0; i < n; i++)
        if (strcmp(entries[i].name, QV_REUSE_NAME) == 0)
            found = &entries[i];
    if (!found)
        return QV_OK;
    QV_TRY(QV_NEW(&reuse, 1, err));
    st = read_entry(snapshot, found, reuse, err);
    if (st == QV_OK) {
        *out = reuse;
        return QV_OK;
    }
    qv__reuse_free(reuse);
    if (st != QV_CORRUPT && st != QV_UNSUPPORTED && st != QV_NOT_FOUND)
        return st;
    qv__log(QV_LOG_WARNING, "index entry %s is not used: %s", QV_REUSE_NAME, err ? err->message : "");
    return QV_OK;
}

/* ------------------------------------------------------------------ translating */

static bool has_id(const uint64_t *ids, size_t n, uint64_t id)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static bool translate_in(const group *g, uint64_t *address)
{
    const qv__row_part *part = qv__row_set_part(&g->survivors, (uint32_t) (*address >> 32));

    if (!part || !roaring_bitmap_contains(part->low, (uint32_t) *address))
        return false;
    uint64_t at = g->before[part - g->survivors.parts] + roaring_bitmap_rank(part->low, (uint32_t) *address) - 1;
    for (size_t i = 0; i < g->n_new; i++) {
        if (at < g->new_rows[i]) {
            *address = g->new_ids[i] << 32 | at;
            return true;
        }
        at -= g->new_rows[i];
    }
    return false;
}

/* Through the groups from `first` on. */
static bool translate_from(const qv__reuse *reuse, size_t first, uint64_t *address)
{
    for (size_t i = first; i < reuse->n; i++)
        if (has_id(reuse->groups[i].old_ids, reuse->groups[i].n_old, *address >> 32) &&
            !translate_in(&reuse->groups[i], address))
            return false;
    return true;
}

bool qv__reuse_translate(const qv__reuse *reuse, uint64_t *address) { return translate_from(reuse, 0, address); }

/* Rows of one old fragment that are wanted where they are now; `at`: how many survivors of the group come before. */
static qv_status add_origins(const qv__reuse *reuse, const group *g, const qv__row_part *part, uint64_t at,
                             bool (*wanted)(void *ctx, uint64_t address), void *ctx, qv__row_set *out, qv_error *err)
{
    qv_status st = QV_OK;
    roaring_bitmap_t *rows = roaring_bitmap_create();
    roaring_uint32_iterator_t row;
    size_t next = 0;

    if (!rows)
        return qv__fail_nomem(err, sizeof *rows);
    for (roaring_init_iterator(part->low, &row); row.has_value; roaring_advance_uint32_iterator(&row), at++) {
        while (next < g->n_new && at >= g->new_rows[next])
            at -= g->new_rows[next++];
        uint64_t address = g->new_ids[next] << 32 | at; /* a group has as many new rows as survivors */
        if (translate_from(reuse, (size_t) (g - reuse->groups) + 1, &address) && wanted(ctx, address))
            roaring_bitmap_add(rows, row.current_value);
    }
    if (!roaring_bitmap_is_empty(rows))
        st = qv__row_set_add_part(out, part->high, rows, err);
    roaring_bitmap_free(rows);
    return st;
}

qv_status qv__reuse_origins(const qv__reuse *reuse, bool (*wanted)(void *ctx, uint64_t address), void *ctx,
                            qv__row_set *out, qv_error *err)
{
    for (size_t i = 0; i < reuse->n; i++)
        for (size_t p = 0; p < reuse->groups[i].survivors.n; p++)
            QV_TRY(add_origins(reuse, &reuse->groups[i], &reuse->groups[i].survivors.parts[p],
                               reuse->groups[i].before[p], wanted, ctx, out, err));
    return QV_OK;
}

qv_status qv__reuse_cover(const qv__reuse *reuse, const qv__snapshot *snapshot, const qv__index_entry *entry,
                          bool *covered, size_t *n, qv_error *err)
{
    roaring_bitmap_t *ids = roaring_bitmap_of_ptr(entry->n_fragments, entry->fragments);

    if (!ids)
        return qv__fail_nomem(err, sizeof *ids);
    for (size_t i = 0; i < reuse->n; i++) {
        const group *g = &reuse->groups[i];
        bool has_all = g->n_old > 0;
        for (size_t j = 0; j < g->n_old && has_all; j++)
            has_all = roaring_bitmap_contains(ids, (uint32_t) g->old_ids[j]);
        for (size_t j = 0; j < g->n_new && has_all; j++) {
            size_t at = qv__fragment_position(snapshot, g->new_ids[j]);
            roaring_bitmap_add(ids, (uint32_t) g->new_ids[j]);
            if (at == SIZE_MAX || covered[at])
                continue;
            covered[at] = true;
            ++*n;
        }
    }
    roaring_bitmap_free(ids);
    return QV_OK;
}
