/* What a change does to the fragments of a version: which go, which take another form, which come. It is worked out on the newest
 * version, again at each attempt; what does not fit there any more is a conflict. Fragments that are not named here are never
 * unpacked. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "table/table_private.h"

qv_status qv__edit_conflict(qv__edit *edit, qv_error *err, const char *format, ...)
{
    char what[300];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    edit->worth_retry = true;
    return qv__fail(err, QV_CONFLICT, "%s", what);
}

size_t qv__snapshot_find_fragment(const qv__snapshot *snapshot, uint64_t id)
{
    size_t low = 0, high = snapshot->n_fragments;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (snapshot->fragments[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < snapshot->n_fragments && snapshot->fragments[low].id == id ? low : SIZE_MAX;
}

/* ------------------------------------------------------------------ what happened to a fragment meanwhile */

static bool same_files(const qv__fragment *a, const qv__fragment *b)
{
    if (a->n_files != b->n_files || a->physical_rows != b->physical_rows)
        return false;
    for (size_t i = 0; i < a->n_files; i++) {
        const qv__data_file *x = &a->files[i], *y = &b->files[i];
        if (strcmp(x->path, y->path) != 0 || x->n_fields != y->n_fields || x->has_base != y->has_base ||
            x->base_id != y->base_id || memcmp(x->field_ids, y->field_ids, x->n_fields * sizeof *x->field_ids) != 0)
            return false;
    }
    return true;
}

static bool same_deletion(const qv__fragment *a, const qv__fragment *b)
{
    if (!a->deletion || !b->deletion)
        return !a->deletion && !b->deletion;
    return a->deletion->id == b->deletion->id && a->deletion->read_version == b->deletion->read_version;
}

/* The file of a fragment that holds the field; NULL: none. */
static const qv__data_file *holder(const qv__fragment *f, int32_t id)
{
    for (size_t i = 0; i < f->n_files; i++)
        for (size_t j = 0; j < f->files[i].n_fields; j++)
            if (f->files[i].field_ids[j] == id)
                return &f->files[i];
    return NULL;
}

static bool same_holders(const qv__fragment *a, const qv__fragment *b, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const qv__data_file *x = holder(a, ids[i]), *y = holder(b, ids[i]);
        if (!x != !y || (x && strcmp(x->path, y->path) != 0))
            return false;
    }
    return true;
}

/* The fragment where the change was worked out, and where it is to be made. */
static qv_status find_both(qv__edit *edit, uint64_t id, const qv__fragment **before, size_t *at, qv_error *err)
{
    size_t old = qv__snapshot_find_fragment(edit->base, id);

    if (old == SIZE_MAX)
        return qv__fail(err, QV_INVALID, "version %" PRIu64 " has no fragment %" PRIu64,
                        qv__snapshot_version(edit->base), id);
    *before = &edit->base->fragments[old];
    *at = edit->on == edit->base ? old : qv__snapshot_find_fragment(edit->on, id);
    if (*at == SIZE_MAX)
        return qv__edit_conflict(edit, err, "another writer removed fragment %" PRIu64 " meanwhile", id);
    return QV_OK;
}

/* ------------------------------------------------------------------ changed fragments */

static int compare_changed(const void *a, const void *b)
{
    size_t x = ((const qv__changed_fragment *) a)->at, y = ((const qv__changed_fragment *) b)->at;

    return (x > y) - (x < y);
}

static qv_status sort_changed(qv__edit *edit, qv_error *err)
{
    if (edit->n_changed)
        qsort(edit->changed, edit->n_changed, sizeof *edit->changed, compare_changed);
    for (size_t i = 1; i < edit->n_changed; i++)
        if (edit->changed[i].at == edit->changed[i - 1].at)
            return qv__fail(err, QV_INVALID, "fragment %" PRIu64 " is changed twice by one change",
                            edit->on->fragments[edit->changed[i].at].id);
    return QV_OK;
}

static qv_status room_for_changed(qv__edit *edit, size_t n, qv_error *err)
{
    edit->changed = qv__arena_alloc(&edit->arena, n + 1, sizeof *edit->changed);
    return edit->changed ? QV_OK : qv__fail_nomem(err, n * sizeof *edit->changed);
}

static qv_status delete_rows(qv__edit *edit, size_t i, qv_error *err)
{
    const qv__row_deletion *rows = &edit->change->deletions[i];
    qv__deletion_written *written = &edit->deletions[i];
    qv__changed_fragment *changed = &edit->changed[edit->n_changed];
    const qv__fragment *before;
    Lance__Table__DataFragment *m;
    Lance__Table__DeletionFile file;
    bool meets;
    size_t at;

    QV_TRY(find_both(edit, rows->fragment_id, &before, &at, err));
    if (!same_files(before, &edit->on->fragments[at]))
        return qv__edit_conflict(edit, err, "another writer changed the files of fragment %" PRIu64 " meanwhile",
                                 rows->fragment_id);
    QV_TRY(qv__deletion_write(edit->on, at, qv__snapshot_version(edit->base), rows->rows, written, &meets, err));
    if (meets)
        return qv__edit_conflict(edit, err, "another writer deleted or updated rows of fragment %" PRIu64 " too",
                                 rows->fragment_id);
    *changed = (qv__changed_fragment){ .at = at, .before = edit->on->manifest->head->fragments[at] };
    edit->n_changed++;
    if (written->whole)
        return QV_OK;
    QV_TRY(qv__unpack_fragment(changed->before, &edit->arena, &m, err));
    lance__table__deletion_file__init(&file);
    file.has_file_type = file.has_read_version = file.has_id = file.has_num_deleted_rows = true;
    file.file_type = written->file.is_bitmap;
    file.read_version = written->file.read_version;
    file.id = written->file.id;
    file.num_deleted_rows = written->file.n_deleted;
    m->deletion_file = &file;
    m->has_physical_rows = true; /* old manifests leave it out */
    m->physical_rows = edit->on->fragments[at].physical_rows;
    changed->has_deletion = true;
    return qv__pack(&m->base, &edit->arena, &changed->after, err);
}

static qv_status delete_all(qv__edit *edit, qv_error *err)
{
    QV_TRY(room_for_changed(edit, edit->change->n_deletions, err));
    for (size_t i = 0; i < edit->change->n_deletions; i++)
        QV_TRY(delete_rows(edit, i, err));
    return sort_changed(edit, err);
}

/* ------------------------------------------------------------------ other files for columns */

static const qv__row_deletion *rows_of(const qv__change *change, uint64_t fragment_id)
{
    for (size_t i = 0; i < change->n_deletions; i++)
        if (change->deletions[i].fragment_id == fragment_id)
            return &change->deletions[i];
    return NULL;
}

/* When rows of the fragment were last changed: this version, for those that did. */
static qv_status stamp_rows(qv__edit *edit, size_t at, Lance__Table__DataFragment *m, qv_error *err)
{
    const qv__row_deletion *some = rows_of(edit->change, m->id);
    uint64_t n = m->physical_rows;

    m->has_inline_last_updated_versions = true;
    m->column_last_updated_versions = NULL;
    if (!some)
        return qv__row_version_pack(edit->version, n, &edit->arena, &m->inline_last_updated_versions, err);
    uint64_t *versions = qv__arena_alloc(&edit->arena, n + 1, sizeof *versions);
    if (!versions)
        return qv__fail_nomem(err, n * sizeof *versions);
    QV_TRY(qv__snapshot_row_versions(edit->on, at, 0, n, NULL, versions, err));
    roaring_uint32_iterator_t it;
    roaring_init_iterator(some->rows, &it);
    for (; it.has_value && it.current_value < n; roaring_advance_uint32_iterator(&it))
        versions[it.current_value] = edit->version;
    return qv__row_versions_pack(versions, n, &edit->arena, &m->inline_last_updated_versions, err);
}

static qv_status check_unmoved(qv__edit *edit, const qv__column_file *file, const qv__fragment *before,
                               const qv__fragment *now, qv_error *err)
{
    const qv__file_summary *summary = &file->file.summary;
    bool same = edit->change->operation == QV_OP_REPLACEMENT ? same_holders(before, now, summary->field_ids, summary->n)
                                                             : same_files(before, now) && same_deletion(before, now);

    return same ? QV_OK
                : qv__edit_conflict(edit, err, "another writer changed fragment %" PRIu64 " meanwhile", now->id);
}

static qv_status join_columns(qv__edit *edit, const qv__column_file *file, qv_error *err)
{
    qv__changed_fragment *changed = &edit->changed[edit->n_changed];
    const qv__fragment *before;
    Lance__Table__DataFragment *m;
    size_t at;

    QV_TRY(find_both(edit, file->fragment_id, &before, &at, err));
    QV_TRY(check_unmoved(edit, file, before, &edit->on->fragments[at], err));
    *changed = (qv__changed_fragment){ .at = at, .before = edit->on->manifest->head->fragments[at] };
    QV_TRY(qv__unpack_fragment(changed->before, &edit->arena, &m, err));
    m->has_physical_rows = true;
    m->physical_rows = edit->on->fragments[at].physical_rows;
    QV_TRY(qv__edit_join_file(edit, file, m, err));
    if (edit->stable)
        QV_TRY(stamp_rows(edit, at, m, err));
    changed->has_deletion = m->deletion_file != NULL;
    edit->n_changed++;
    return qv__pack(&m->base, &edit->arena, &changed->after, err);
}

static qv_status join_all(qv__edit *edit, qv_error *err)
{
    QV_TRY(room_for_changed(edit, edit->change->n_column_files, err));
    for (size_t i = 0; i < edit->change->n_column_files; i++)
        QV_TRY(join_columns(edit, &edit->change->column_files[i], err));
    return sort_changed(edit, err);
}

/* ------------------------------------------------------------------ rewriting */

static qv_status remove_group(qv__edit *edit, const qv__rewrite_group *group, qv_error *err)
{
    for (size_t i = 0; i < group->n_old; i++) {
        const qv__fragment *before;
        size_t at;
        QV_TRY(find_both(edit, group->old_ids[i], &before, &at, err));
        if (!same_files(before, &edit->on->fragments[at]) || !same_deletion(before, &edit->on->fragments[at]))
            return qv__edit_conflict(edit, err, "another writer changed fragment %" PRIu64 " meanwhile",
                                     group->old_ids[i]);
        edit->changed[edit->n_changed++] =
            (qv__changed_fragment){ .at = at, .before = edit->on->manifest->head->fragments[at] };
    }
    return QV_OK;
}

static qv_status rewrite_all(qv__edit *edit, qv_error *err)
{
    size_t n = 0;

    for (size_t i = 0; i < edit->change->n_groups; i++)
        n += edit->change->groups[i].n_old;
    QV_TRY(room_for_changed(edit, n, err));
    for (size_t i = 0; i < edit->change->n_groups; i++)
        QV_TRY(remove_group(edit, &edit->change->groups[i], err));
    return sort_changed(edit, err);
}

/* ------------------------------------------------------------------ new fragments */

static bool is_carried(const uint64_t *numbers, uint64_t n, uint64_t fresh)
{
    if (!numbers)
        return false;
    for (uint64_t i = 0; i < n; i++)
        if (numbers[i] == fresh)
            return false;
    return true;
}

/* The row ids of a new fragment: those that it brings, and fresh ones for the rest. */
static qv_status give_row_ids(qv__edit *edit, const qv__new_fragment *from, ProtobufCBinaryData *out, qv_error *err)
{
    uint64_t first = edit->next_row_id, end;

    if (!qv__add_u64(first, from->rows, &end) || end == UINT64_MAX)
        return qv__fail(err, QV_LIMIT, "the table has no row ids left");
    if (!from->row_ids) {
        edit->next_row_id = end;
        return qv__row_range_pack(first, from->rows, &edit->arena, out, err);
    }
    uint64_t *ids = qv__arena_alloc(&edit->arena, from->rows + 1, sizeof *ids);
    if (!ids)
        return qv__fail_nomem(err, from->rows * sizeof *ids);
    for (uint64_t i = 0; i < from->rows; i++)
        ids[i] = from->row_ids[i] != UINT64_MAX ? from->row_ids[i] : edit->next_row_id++;
    return qv__row_ids_pack(ids, from->rows, &edit->arena, out, err);
}

static qv_status give_versions(qv__edit *edit, const uint64_t *brought, uint64_t n, ProtobufCBinaryData *out,
                               qv_error *err)
{
    if (!brought)
        return qv__row_version_pack(edit->version, n, &edit->arena, out, err);
    uint64_t *versions = qv__arena_alloc(&edit->arena, n + 1, sizeof *versions);
    if (!versions)
        return qv__fail_nomem(err, n * sizeof *versions);
    for (uint64_t i = 0; i < n; i++)
        versions[i] = brought[i] ? brought[i] : edit->version;
    return qv__row_versions_pack(versions, n, &edit->arena, out, err);
}

static qv_status add_fragment(qv__edit *edit, const qv__new_fragment *from, uint64_t id, bool id_is_known,
                              qv__added_fragment *out, qv_error *err)
{
    Lance__Table__DataFile file;
    Lance__Table__DataFile *files[] = { &file };
    Lance__Table__DataFragment m = LANCE__TABLE__DATA_FRAGMENT__INIT;

    out->id = id;
    out->is_moved = edit->stable && is_carried(from->row_ids, from->rows, UINT64_MAX);
    qv__new_file_message(&from->file, &file);
    m.files = files;
    m.n_files = 1;
    m.has_physical_rows = true;
    m.physical_rows = from->rows;
    m.has_id = id_is_known && id != 0;
    m.id = m.has_id ? id : 0;
    QV_TRY(qv__pack(&m.base, &edit->arena, &out->outline, err));
    m.has_id = id != 0;
    m.id = id;
    if (edit->stable) {
        m.has_inline_row_ids = m.has_inline_created_versions = m.has_inline_last_updated_versions = true;
        QV_TRY(give_row_ids(edit, from, &m.inline_row_ids, err));
        QV_TRY(give_versions(edit, from->created, from->rows, &m.inline_created_versions, err));
        QV_TRY(give_versions(edit, from->updated, from->rows, &m.inline_last_updated_versions, err));
    }
    return qv__pack(&m.base, &edit->arena, &out->packed, err);
}

static int compare_added(const void *a, const void *b)
{
    uint64_t x = ((const qv__added_fragment *) a)->id, y = ((const qv__added_fragment *) b)->id;

    return (x > y) - (x < y);
}

static qv_status check_reserved(const qv__edit *edit, uint64_t id, qv_error *err)
{
    if (!edit->has_max_id || id > edit->max_id || qv__snapshot_find_fragment(edit->on, id) != SIZE_MAX)
        return qv__fail(err, QV_INVALID, "fragment id %" PRIu64 " was not reserved", id);
    return QV_OK;
}

static qv_status add_all(qv__edit *edit, qv_error *err)
{
    const qv__new_fragments *fragments = edit->change->fragments;
    bool is_reserved = edit->change->operation == QV_OP_REWRITE;
    size_t n = fragments ? fragments->n : 0;

    edit->added = qv__arena_alloc(&edit->arena, n + 1, sizeof *edit->added);
    if (!edit->added)
        return qv__fail_nomem(err, n * sizeof *edit->added);
    for (size_t i = 0; i < n; i++) {
        uint64_t id = is_reserved ? fragments->items[i].id : edit->has_max_id ? edit->max_id + 1 : 0;
        if (is_reserved)
            QV_TRY(check_reserved(edit, id, err));
        else if (id > UINT32_MAX)
            return qv__fail(err, QV_LIMIT, "the table has no fragment ids left");
        QV_TRY(add_fragment(edit, &fragments->items[i], id, is_reserved, &edit->added[i], err));
        if (!is_reserved) {
            edit->has_max_id = true;
            edit->max_id = id;
        }
    }
    edit->n_added = n;
    if (n && is_reserved)
        qsort(edit->added, n, sizeof *edit->added, compare_added);
    return QV_OK;
}

/* ------------------------------------------------------------------ the whole */

static void begin_ids(qv__edit *edit)
{
    if (!edit->on)
        return;
    uint64_t max_id = qv__snapshot_max_fragment_id(edit->on);
    edit->next_row_id = edit->on->manifest->head->next_row_id;
    edit->has_max_id = max_id != UINT64_MAX;
    edit->max_id = edit->has_max_id ? max_id : 0;
}

static qv_status reserve_ids(qv__edit *edit, qv_error *err)
{
    uint64_t first = edit->has_max_id ? edit->max_id + 1 : 0;

    if (edit->change->reserve == 0)
        return qv__fail(err, QV_INVALID, "no fragment ids are asked for");
    if (first + edit->change->reserve - 1 > UINT32_MAX)
        return qv__fail(err, QV_LIMIT, "the table has no fragment ids left");
    edit->has_max_id = true;
    edit->max_id = first + edit->change->reserve - 1;
    return QV_OK;
}

static qv_status edit_fragments(qv__edit *edit, qv_error *err)
{
    switch (edit->change->operation) {
    case QV_OP_DELETE:
        return delete_all(edit, err);
    case QV_OP_UPDATE:
        return edit->change->columns_mode ? join_all(edit, err) : delete_all(edit, err);
    case QV_OP_MERGE:
    case QV_OP_REPLACEMENT:
        return join_all(edit, err);
    case QV_OP_REWRITE:
        return rewrite_all(edit, err);
    case QV_OP_PROJECT:
        return qv__edit_project(edit, edit->change->stored, err);
    case QV_OP_RESERVE:
        return reserve_ids(edit, err);
    default:
        return QV_OK;
    }
}

qv_status qv__edit_make(qv__edit *edit, qv_error *err)
{
    qv__arena_init(&edit->arena, 0);
    edit->drops_all = edit->change->operation == QV_OP_OVERWRITE;
    edit->worth_retry = false;
    edit->n_changed = edit->n_added = 0;
    begin_ids(edit);
    QV_TRY(edit_fragments(edit, err));
    QV_TRY(qv__edit_check_schema(edit, err));
    return add_all(edit, err);
}

void qv__edit_clear(qv__edit *edit) { qv__arena_reset(&edit->arena); }
