/* What a version publishes of the change that made it: other writers read it to find out whether theirs may follow. */
#include "table/table_private.h"

#define MESSAGE_KEY "__lance_commit_message"

/* Everything that one operation's message points to. */
typedef struct draft {
    const qv__edit *edit;
    const qv__change *change;
    qv__arena arena;
    qv__lance_fields fields;
    Lance__Table__Transaction m;
    Lance__Table__TextEntry message, *properties[1];
    union {
        Lance__Table__Append append;
        Lance__Table__Delete del;
        Lance__Table__Overwrite overwrite;
        Lance__Table__CreateIndex create_index;
        Lance__Table__Rewrite rewrite;
        Lance__Table__Merge merge;
        Lance__Table__Restore restore;
        Lance__Table__ReserveFragments reserve;
        Lance__Table__Update update;
        Lance__Table__Project project;
        Lance__Table__UpdateConfig config;
        Lance__Table__DataReplacement replacement;
    } op;
} draft;

static void *room(draft *d, size_t n, size_t size) { return qv__arena_alloc(&d->arena, n + 1, size); }

/* ------------------------------------------------------------------ fragments */

static qv_status list_added(draft *d, size_t *n, ProtobufCBinaryData **out, qv_error *err)
{
    ProtobufCBinaryData *list = room(d, d->edit->n_added, sizeof *list);

    if (!list)
        return qv__fail_nomem(err, d->edit->n_added * sizeof *list);
    for (size_t i = 0; i < d->edit->n_added; i++)
        list[i] = d->edit->added[i].outline;
    *n = d->edit->n_added;
    *out = list;
    return QV_OK;
}

/* Fragments that stay in another form, and the ids of those that go. */
static qv_status list_changed(draft *d, size_t *n, ProtobufCBinaryData **updated, size_t *n_gone, uint64_t **gone,
                              qv_error *err)
{
    const qv__edit *edit = d->edit;

    *updated = room(d, edit->n_changed, sizeof **updated);
    *gone = room(d, edit->n_changed, sizeof **gone);
    if (!*updated || !*gone)
        return qv__fail_nomem(err, edit->n_changed * sizeof **updated);
    *n = *n_gone = 0;
    for (size_t i = 0; i < edit->n_changed; i++) {
        if (edit->changed[i].after.data)
            (*updated)[(*n)++] = edit->changed[i].after;
        else
            (*gone)[(*n_gone)++] = edit->on->fragments[edit->changed[i].at].id;
    }
    return QV_OK;
}

static qv_status fill_delete(draft *d, qv_error *err)
{
    Lance__Table__Delete *m = &d->op.del;

    lance__table__delete__init(m);
    m->predicate = (char *) (uintptr_t) d->change->predicate;
    d->m.delete_ = m;
    return list_changed(d, &m->n_updated_fragments, &m->updated_fragments, &m->n_deleted_fragment_ids,
                        &m->deleted_fragment_ids, err);
}

static qv_status fill_append(draft *d, qv_error *err)
{
    lance__table__append__init(&d->op.append);
    d->m.append = &d->op.append;
    return list_added(d, &d->op.append.n_fragments, &d->op.append.fragments, err);
}

static qv_status fill_overwrite(draft *d, qv_error *err)
{
    Lance__Table__Overwrite *m = &d->op.overwrite;

    lance__table__overwrite__init(m);
    d->m.overwrite = m;
    m->n_schema = d->fields.n;
    m->schema = d->fields.fields;
    QV_TRY(qv__pack_metadata(&d->change->stored->metadata, &d->arena, &m->n_schema_metadata, &m->schema_metadata, err));
    return list_added(d, &m->n_fragments, &m->fragments, err);
}

/* All fragments of the next version, the new ones without number. */
static qv_status fill_merge(draft *d, qv_error *err)
{
    const qv__edit *edit = d->edit;
    const Lance__Table__Manifest *head = edit->on->manifest->head;
    size_t n = head->n_fragments + edit->n_added, next = 0;
    Lance__Table__Merge *m = &d->op.merge;

    lance__table__merge__init(m);
    d->m.merge = m;
    m->fragments = room(d, n, sizeof *m->fragments);
    if (!m->fragments)
        return qv__fail_nomem(err, n * sizeof *m->fragments);
    for (size_t i = 0; i < head->n_fragments; i++) {
        bool changed = next < edit->n_changed && edit->changed[next].at == i;
        m->fragments[m->n_fragments++] = changed ? edit->changed[next++].after : head->fragments[i];
    }
    for (size_t i = 0; i < edit->n_added; i++)
        m->fragments[m->n_fragments++] = edit->added[i].outline;
    m->n_schema = d->fields.n;
    m->schema = d->fields.fields;
    m->has_preserves_nullability = m->preserves_nullability = d->change->preserves_nullability;
    return qv__pack_metadata(&edit->on->stored->metadata, &d->arena, &m->n_schema_metadata, &m->schema_metadata, err);
}

static void fill_project(draft *d)
{
    Lance__Table__Project *m = &d->op.project;

    lance__table__project__init(m);
    d->m.project = m;
    m->n_schema = d->fields.n;
    m->schema = d->fields.fields;
    m->has_preserves_nullability = m->preserves_nullability = d->change->preserves_nullability;
}

/* ------------------------------------------------------------------ updates */

static qv_status fill_keys(draft *d, Lance__Table__KeyFilter **out, qv_error *err)
{
    const qv__key_set *keys = d->change->inserted;
    Lance__Table__KeyFilter *filter = room(d, 1, sizeof *filter);
    Lance__Table__ExactKeys *exact = room(d, 1, sizeof *exact);

    if (!filter || !exact)
        return qv__fail_nomem(err, sizeof *filter);
    lance__table__key_filter__init(filter);
    lance__table__exact_keys__init(exact);
    filter->n_field_ids = keys->n_fields;
    filter->field_ids = (int32_t *) (uintptr_t) keys->field_ids;
    filter->exact = exact;
    exact->n_key_hashes = keys->n;
    exact->key_hashes = (uint64_t *) (uintptr_t) keys->hashes;
    *out = filter;
    return QV_OK;
}

static qv_status fill_offsets(draft *d, Lance__Table__Update *m, qv_error *err)
{
    size_t n = d->change->n_deletions;
    Lance__Table__OffsetBitmap *items = room(d, n, sizeof *items);

    m->updated_fragment_offset_bitmaps = room(d, n, sizeof(void *));
    if (!items || !m->updated_fragment_offset_bitmaps)
        return qv__fail_nomem(err, n * sizeof *items);
    for (size_t i = 0; i < n; i++) {
        const qv__row_deletion *rows = &d->change->deletions[i];
        size_t len = roaring_bitmap_portable_size_in_bytes(rows->rows);
        uint8_t *bytes = room(d, len, 1);
        if (!bytes)
            return qv__fail_nomem(err, len);
        roaring_bitmap_portable_serialize(rows->rows, (char *) bytes);
        lance__table__offset_bitmap__init(&items[i]);
        items[i].has_key = items[i].has_value = true;
        items[i].key = rows->fragment_id;
        items[i].value = (ProtobufCBinaryData){ len, bytes };
        m->updated_fragment_offset_bitmaps[i] = &items[i];
    }
    m->n_updated_fragment_offset_bitmaps = n;
    return QV_OK;
}

static qv_status fill_update(draft *d, qv_error *err)
{
    const qv__change *change = d->change;
    Lance__Table__Update *m = &d->op.update;
    uint32_t *fields = (uint32_t *) (uintptr_t) change->fields_modified; /* ids are not negative */

    lance__table__update__init(m);
    d->m.update = m;
    if (change->columns_mode) {
        m->has_update_mode = true;
        m->update_mode = 1;
        m->n_fields_modified = change->n_fields_modified;
        m->fields_modified = fields;
        QV_TRY(fill_offsets(d, m, err));
    } else {
        m->n_fields_for_preserving_frag_bitmap = change->n_fields_modified;
        m->fields_for_preserving_frag_bitmap = fields;
    }
    if (change->inserted)
        QV_TRY(fill_keys(d, &m->inserted_rows, err));
    QV_TRY(list_added(d, &m->n_new_fragments, &m->new_fragments, err));
    return list_changed(d, &m->n_updated_fragments, &m->updated_fragments, &m->n_removed_fragment_ids,
                        &m->removed_fragment_ids, err);
}

static qv_status fill_replacement(draft *d, qv_error *err)
{
    Lance__Table__DataReplacement *m = &d->op.replacement;
    size_t n = d->change->n_column_files;
    struct {
        Lance__Table__Replacement m;
        Lance__Table__DataFile file;
    } *items = room(d, n, sizeof *items);

    lance__table__data_replacement__init(m);
    d->m.data_replacement = m;
    m->replacements = room(d, n, sizeof(void *));
    if (!items || !m->replacements)
        return qv__fail_nomem(err, n * sizeof *items);
    for (size_t i = 0; i < n; i++) {
        lance__table__replacement__init(&items[i].m);
        qv__new_file_message(&d->change->column_files[i].file, &items[i].file);
        items[i].m.has_fragment_id = true;
        items[i].m.fragment_id = d->change->column_files[i].fragment_id;
        items[i].m.new_file = &items[i].file;
        m->replacements[i] = &items[i].m;
    }
    m->n_replacements = n;
    return QV_OK;
}

/* ------------------------------------------------------------------ rewriting */

static ProtobufCBinaryData find_before(const qv__edit *edit, uint64_t id)
{
    for (size_t i = 0; i < edit->n_changed; i++)
        if (edit->on->fragments[edit->changed[i].at].id == id)
            return edit->changed[i].before;
    return (ProtobufCBinaryData){ 0 };
}

static ProtobufCBinaryData find_added(const qv__edit *edit, uint64_t id)
{
    for (size_t i = 0; i < edit->n_added; i++)
        if (edit->added[i].id == id)
            return edit->added[i].outline;
    return (ProtobufCBinaryData){ 0 };
}

static qv_status fill_group(draft *d, const qv__rewrite_group *group, Lance__Table__RewriteGroup *m, qv_error *err)
{
    lance__table__rewrite_group__init(m);
    m->old_fragments = room(d, group->n_old, sizeof *m->old_fragments);
    m->new_fragments = room(d, group->n_new, sizeof *m->new_fragments);
    if (!m->old_fragments || !m->new_fragments)
        return qv__fail_nomem(err, group->n_old * sizeof *m->old_fragments);
    for (size_t i = 0; i < group->n_old; i++)
        m->old_fragments[m->n_old_fragments++] = find_before(d->edit, group->old_ids[i]);
    for (size_t i = 0; i < group->n_new; i++)
        m->new_fragments[m->n_new_fragments++] =
            find_added(d->edit, d->change->fragments->items[group->first_new + i].id);
    return QV_OK;
}

typedef struct rewritten {
    Lance__Table__RewrittenIndex m;
    Lance__Table__Uuid old_id, new_id;
    Lance__File__Any details;
} rewritten;

static qv_status fill_swap(draft *d, const qv__index_swap *swap, rewritten *r, qv_error *err)
{
    Lance__Table__IndexFile *files = room(d, swap->entry.n_files, sizeof *files);

    lance__table__rewritten_index__init(&r->m);
    lance__table__uuid__init(&r->old_id);
    lance__table__uuid__init(&r->new_id);
    lance__file__any__init(&r->details);
    r->m.new_index_files = room(d, swap->entry.n_files, sizeof(void *));
    if (!files || !r->m.new_index_files)
        return qv__fail_nomem(err, swap->entry.n_files * sizeof *files);
    r->old_id.has_uuid = r->new_id.has_uuid = true;
    r->old_id.uuid = (ProtobufCBinaryData){ 16, (uint8_t *) (uintptr_t) swap->old_uuid };
    r->new_id.uuid = (ProtobufCBinaryData){ 16, (uint8_t *) (uintptr_t) swap->entry.uuid };
    r->m.old_id = &r->old_id;
    r->m.new_id = &r->new_id;
    r->details.type_url = (char *) (uintptr_t) swap->entry.type_url;
    r->details.has_value = swap->entry.details.len != 0;
    r->details.value =
        (ProtobufCBinaryData){ swap->entry.details.len, (uint8_t *) (uintptr_t) swap->entry.details.data };
    r->m.new_index_details = &r->details;
    r->m.has_new_index_version = true;
    r->m.new_index_version = (uint32_t) swap->entry.index_version;
    for (size_t i = 0; i < swap->entry.n_files; i++) {
        lance__table__index_file__init(&files[i]);
        files[i].path = (char *) (uintptr_t) swap->entry.files[i].path;
        files[i].has_size_bytes = true;
        files[i].size_bytes = swap->entry.files[i].size_bytes;
        r->m.new_index_files[r->m.n_new_index_files++] = &files[i];
    }
    return QV_OK;
}

static qv_status fill_rewrite(draft *d, qv_error *err)
{
    Lance__Table__Rewrite *m = &d->op.rewrite;
    size_t n = d->change->n_groups, n_swaps = d->change->n_swaps;
    Lance__Table__RewriteGroup *groups = room(d, n, sizeof *groups);
    rewritten *swaps = room(d, n_swaps, sizeof *swaps);

    lance__table__rewrite__init(m);
    d->m.rewrite = m;
    m->groups = room(d, n, sizeof(void *));
    m->rewritten_indices = room(d, n_swaps, sizeof(void *));
    if (!groups || !swaps || !m->groups || !m->rewritten_indices)
        return qv__fail_nomem(err, n * sizeof *groups);
    for (size_t i = 0; i < n; i++) {
        QV_TRY(fill_group(d, &d->change->groups[i], &groups[i], err));
        m->groups[m->n_groups++] = &groups[i];
    }
    for (size_t i = 0; i < n_swaps; i++) {
        QV_TRY(fill_swap(d, &d->change->swaps[i], &swaps[i], err));
        m->rewritten_indices[m->n_rewritten_indices++] = &swaps[i].m;
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ indices */

static qv_status fill_create_index(draft *d, qv_error *err)
{
    Lance__Table__CreateIndex *m = &d->op.create_index;
    const qv__change *change = d->change;
    const qv__index_entry *entries;
    size_t n;

    lance__table__create_index__init(m);
    d->m.create_index = m;
    m->new_indices = room(d, change->n_new_indices, sizeof *m->new_indices);
    m->removed_indices = room(d, change->n_removed_indices, sizeof *m->removed_indices);
    if (!m->new_indices || !m->removed_indices)
        return qv__fail_nomem(err, change->n_new_indices * sizeof *m->new_indices);
    for (size_t i = 0; i < change->n_new_indices; i++)
        QV_TRY(qv__index_entry_pack(&change->new_indices[i], &d->arena, &m->new_indices[m->n_new_indices++], err));
    QV_TRY(qv__snapshot_indices(d->edit->base, &entries, &n, err));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < change->n_removed_indices; j++)
            if (memcmp(entries[i].uuid, change->removed_indices[j], 16) == 0)
                m->removed_indices[m->n_removed_indices++] =
                    (ProtobufCBinaryData){ entries[i].packed.len, (uint8_t *) (uintptr_t) entries[i].packed.data };
    return QV_OK;
}

/* ------------------------------------------------------------------ maps */

static qv_status make_map(draft *d, const qv__config_update *update, Lance__Table__UpdateMap **out, qv_error *err)
{
    Lance__Table__UpdateMap *map = room(d, 1, sizeof *map);
    Lance__Table__UpdateMapEntry *items = room(d, update->n, sizeof *items);

    if (!map || !items)
        return qv__fail_nomem(err, update->n * sizeof *items);
    lance__table__update_map__init(map);
    map->has_replace = map->replace = update->replace;
    map->update_entries = room(d, update->n, sizeof(void *));
    if (!map->update_entries)
        return qv__fail_nomem(err, update->n * sizeof(void *));
    for (size_t i = 0; i < update->n; i++) {
        lance__table__update_map_entry__init(&items[i]);
        items[i].key = (char *) (uintptr_t) update->pairs[i].key;
        items[i].value = (char *) (uintptr_t) update->pairs[i].value;
        map->update_entries[map->n_update_entries++] = &items[i];
    }
    *out = map;
    return QV_OK;
}

static qv_status fill_config(draft *d, qv_error *err)
{
    Lance__Table__UpdateConfig *m = &d->op.config;
    size_t n = d->change->n_updates;
    Lance__Table__FieldUpdate *fields = room(d, n, sizeof *fields);

    lance__table__update_config__init(m);
    d->m.update_config = m;
    m->field_metadata_updates = room(d, n, sizeof(void *));
    if (!fields || !m->field_metadata_updates)
        return qv__fail_nomem(err, n * sizeof *fields);
    for (size_t i = 0; i < n; i++) {
        const qv__config_update *update = &d->change->updates[i];
        Lance__Table__UpdateMap *map = NULL;
        QV_TRY(make_map(d, update, &map, err));
        switch (update->kind) {
        case QV_METADATA_CONFIG:
            m->config_updates = map;
            break;
        case QV_METADATA_TABLE:
            m->table_metadata_updates = map;
            break;
        case QV_METADATA_SCHEMA:
            m->schema_metadata_updates = map;
            break;
        case QV_METADATA_FIELD:
            lance__table__field_update__init(&fields[i]);
            fields[i].has_key = true;
            fields[i].key = update->field_id;
            fields[i].value = map;
            m->field_metadata_updates[m->n_field_metadata_updates++] = &fields[i];
            break;
        }
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ the whole */

static qv_status fill_operation(draft *d, qv_error *err)
{
    switch (qv__change_operation(d->change)) {
    case QV_OP_APPEND:
        return fill_append(d, err);
    case QV_OP_DELETE:
        return fill_delete(d, err);
    case QV_OP_UPDATE:
        return fill_update(d, err);
    case QV_OP_CREATE_INDEX:
        return fill_create_index(d, err);
    case QV_OP_REWRITE:
        return fill_rewrite(d, err);
    case QV_OP_OVERWRITE:
        return fill_overwrite(d, err);
    case QV_OP_MERGE:
        return fill_merge(d, err);
    case QV_OP_RESTORE:
        lance__table__restore__init(&d->op.restore);
        d->op.restore.has_version = true;
        d->op.restore.version = d->change->restore_version;
        d->m.restore = &d->op.restore;
        return QV_OK;
    case QV_OP_RESERVE:
        lance__table__reserve_fragments__init(&d->op.reserve);
        d->op.reserve.has_num_fragments = true;
        d->op.reserve.num_fragments = d->change->reserve;
        d->m.reserve_fragments = &d->op.reserve;
        return QV_OK;
    case QV_OP_PROJECT:
        fill_project(d);
        return QV_OK;
    case QV_OP_CONFIG:
        return fill_config(d, err);
    case QV_OP_REPLACEMENT:
        return fill_replacement(d, err);
    default:
        return qv__fail(err, QV_INVALID, "a change of kind %s cannot be committed",
                        qv__operation_name(d->change->operation));
    }
}

qv_status qv__change_transaction(const qv__edit *edit, uint64_t read_version, const char *uuid, qv__buffer *out,
                                 qv_error *err)
{
    qv_status st = QV_OK;
    draft *d = NULL;

    QV_CHECK(QV_NEW(&d, 1, err));
    d->edit = edit;
    d->change = edit->change;
    lance__table__transaction__init(&d->m);
    qv__arena_init(&d->arena, 0);
    d->m.has_read_version = read_version != 0;
    d->m.read_version = read_version;
    d->m.uuid = (char *) (uintptr_t) uuid;
    if (d->change->message) {
        lance__table__text_entry__init(&d->message);
        d->message.key = (char *) (uintptr_t) MESSAGE_KEY;
        d->message.value = (char *) (uintptr_t) d->change->message;
        d->properties[0] = &d->message;
        d->m.properties = d->properties;
        d->m.n_properties = 1;
    }
    if (d->change->stored)
        QV_CHECK(qv__schema_to_lance(d->change->stored, &d->fields, err));
    QV_CHECK(fill_operation(d, err));
    size_t len = protobuf_c_message_get_packed_size(&d->m.base);
    QV_CHECK(qv__buffer_reserve(out, len, err));
    protobuf_c_message_pack(&d->m.base, out->data + out->len);
    out->len += len;
done:
    if (d) {
        qv__lance_fields_clear(&d->fields);
        qv__arena_reset(&d->arena);
    }
    qv__free(d);
    return st;
}
