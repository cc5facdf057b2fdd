/* Which newer transactions a change of ours may follow: one table of operations against operations, with letters where it
 * depends, and a small function per letter.
 *
 *   A  theirs may have brought the keys that mine inserts          F  both touch a fragment
 *   C  one replaced what the other indexes                         G  an index was built over what the other moves
 *   D  rows of one fragment: decided when the edit is made         I  both touch an index of one name
 *   K  both set a key                                              P  theirs dropped a field that mine writes
 *
 * Above the table stand: what is unknown conflicts; rows and the enforcement of a key conflict; a projection or merge that may
 * have made a column non-null sends who writes values back to look again; a merge copies the schema's and the fields' metadata, so
 * it cannot pass a change of these. */
#include <stdlib.h>

#include "table/table_private.h"

typedef enum rule { OK, R, X, A, C, D, F, G, I, K, P } rule;

#define N_MINE   (QV_OP_REPLACEMENT + 1)
#define N_THEIRS (QV_OP_UNKNOWN + 1)

/* clang-format off */
static const uint8_t rules[N_MINE][N_THEIRS] = {
    /* theirs:               Append Delete Update Index Rewrite Overwr Merge Restore Reserve Project Config Repl Overlay Bases MemWal Clone Unknown */
    [QV_OP_APPEND]       = { OK,    OK,    OK,    OK,   OK,     X,     OK,   X,      OK,     OK,     OK,    OK,  OK,     OK,   X,     OK,   X },
    [QV_OP_DELETE]       = { OK,    D,     D,     OK,   F,      X,     R,    X,      OK,     OK,     OK,    F,   OK,     OK,   X,     OK,   X },
    [QV_OP_UPDATE]       = { A,     D,     D,     OK,   F,      X,     R,    X,      OK,     P,      OK,    F,   F,      OK,   OK,    OK,   X },
    [QV_OP_CREATE_INDEX] = { OK,    OK,    OK,    I,    G,      X,     OK,   X,      OK,     OK,     OK,    C,   OK,     OK,   OK,    OK,   X },
    [QV_OP_REWRITE]      = { OK,    F,     F,     G,    F,      X,     R,    X,      OK,     OK,     OK,    F,   F,      OK,   OK,    OK,   X },
    [QV_OP_OVERWRITE]    = { OK,    OK,    OK,    OK,   OK,     R,     OK,   OK,     OK,     OK,     OK,    OK,  OK,     OK,   X,     OK,   X },
    [QV_OP_MERGE]        = { R,     R,     R,     OK,   R,      X,     R,    X,      OK,     X,      OK,    R,   R,      OK,   X,     OK,   X },
    [QV_OP_RESTORE]      = { OK,    OK,    OK,    OK,   OK,     OK,    OK,   OK,     OK,     OK,     OK,    OK,  OK,     OK,   X,     OK,   X },
    [QV_OP_RESERVE]      = { OK,    OK,    OK,    OK,   OK,     X,     OK,   X,      OK,     OK,     OK,    OK,  OK,     OK,   OK,    OK,   X },
    [QV_OP_PROJECT]      = { OK,    OK,    OK,    OK,   OK,     X,     R,    X,      OK,     R,      OK,    OK,  OK,     OK,   X,     OK,   X },
    [QV_OP_CONFIG]       = { OK,    OK,    OK,    OK,   OK,     K,     OK,   OK,     OK,     OK,     K,     OK,  OK,     OK,   OK,    OK,   X },
    [QV_OP_REPLACEMENT]  = { OK,    D,     F,     C,    F,      X,     R,    X,      OK,     P,      OK,    D,   OK,     OK,   X,     OK,   X },
};
/* clang-format on */

typedef struct meeting {
    const qv__change *mine;
    const qv__snapshot *base;
    const qv__transaction *theirs;
    const Lance__Table__Transaction *m; /* theirs */
    qv__arena arena;
    qv_error *err;
} meeting;

qv__operation qv__change_operation(const qv__change *change)
{
    /* only an update can say which keys it brings, so an append under a key is published as one */
    return change->operation == QV_OP_APPEND && change->inserted ? QV_OP_UPDATE : change->operation;
}

/* ------------------------------------------------------------------ fragments */

typedef struct id_list {
    uint64_t *ids;
    size_t n;
} id_list;

static qv_status room(meeting *t, size_t n, id_list *out)
{
    out->n = 0;
    out->ids = qv__arena_alloc(&t->arena, n + 1, sizeof *out->ids);
    return out->ids ? QV_OK : qv__fail_nomem(t->err, n * sizeof *out->ids);
}

static qv_status add_packed(meeting *t, const ProtobufCBinaryData *fragments, size_t n, id_list *out)
{
    for (size_t i = 0; i < n; i++)
        QV_TRY(qv__fragment_id(fragments[i], &out->ids[out->n++], t->err));
    return QV_OK;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return (x > y) - (x < y);
}

static qv_status rewritten_by_them(meeting *t, id_list *out)
{
    const Lance__Table__Rewrite *m = t->m->rewrite;
    size_t n = m->n_old_fragments;

    for (size_t i = 0; i < m->n_groups; i++)
        n += m->groups[i]->n_old_fragments;
    QV_TRY(room(t, n, out));
    QV_TRY(add_packed(t, m->old_fragments, m->n_old_fragments, out));
    for (size_t i = 0; i < m->n_groups; i++)
        QV_TRY(add_packed(t, m->groups[i]->old_fragments, m->groups[i]->n_old_fragments, out));
    return QV_OK;
}

static qv_status deleted_or_updated(meeting *t, size_t n_packed, const ProtobufCBinaryData *packed, size_t n_gone,
                                    const uint64_t *gone, id_list *out)
{
    QV_TRY(room(t, n_packed + n_gone, out));
    QV_TRY(add_packed(t, packed, n_packed, out));
    for (size_t i = 0; i < n_gone; i++)
        out->ids[out->n++] = gone[i];
    return QV_OK;
}

/* Fragments that theirs changed or removed, ascending. */
static qv_status touched_by_them(meeting *t, id_list *out)
{
    const Lance__Table__Transaction *m = t->m;

    *out = (id_list){ 0 };
    if (m->delete_) {
        QV_TRY(deleted_or_updated(t, m->delete_->n_updated_fragments, m->delete_->updated_fragments,
                                  m->delete_->n_deleted_fragment_ids, m->delete_->deleted_fragment_ids, out));
    } else if (m->update) {
        QV_TRY(deleted_or_updated(t, m->update->n_updated_fragments, m->update->updated_fragments,
                                  m->update->n_removed_fragment_ids, m->update->removed_fragment_ids, out));
    } else if (m->rewrite) {
        QV_TRY(rewritten_by_them(t, out));
    } else if (m->data_replacement) {
        QV_TRY(room(t, m->data_replacement->n_replacements, out));
        for (size_t i = 0; i < m->data_replacement->n_replacements; i++)
            out->ids[out->n++] = m->data_replacement->replacements[i]->fragment_id;
    } else if (m->data_overlay) {
        QV_TRY(room(t, m->data_overlay->n_groups, out));
        for (size_t i = 0; i < m->data_overlay->n_groups; i++)
            out->ids[out->n++] = m->data_overlay->groups[i]->fragment_id;
    }
    if (out->n)
        qsort(out->ids, out->n, sizeof *out->ids, compare_ids);
    return QV_OK;
}

static bool has_id(const id_list *list, uint64_t id)
{
    return list->n && bsearch(&id, list->ids, list->n, sizeof id, compare_ids);
}

static qv_status share_fragment(meeting *t, bool *out)
{
    const qv__change *mine = t->mine;
    id_list theirs;
    bool shared = false;

    QV_TRY(touched_by_them(t, &theirs));
    for (size_t i = 0; i < mine->n_deletions && !shared; i++)
        shared = has_id(&theirs, mine->deletions[i].fragment_id);
    for (size_t i = 0; i < mine->n_column_files && !shared; i++)
        shared = has_id(&theirs, mine->column_files[i].fragment_id);
    for (size_t i = 0; i < mine->n_groups && !shared; i++)
        for (size_t j = 0; j < mine->groups[i].n_old && !shared; j++)
            shared = has_id(&theirs, mine->groups[i].old_ids[j]);
    *out = shared;
    return QV_OK;
}

/* ------------------------------------------------------------------ fields */

static bool drops_field(const Lance__Table__Project *project, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool stays = ids[i] < 0;
        for (size_t j = 0; j < project->n_schema && !stays; j++)
            stays = project->schema[j]->id == ids[i];
        if (!stays)
            return true;
    }
    return false;
}

static bool drops_written_field(const meeting *t)
{
    const qv__change *mine = t->mine;

    if (drops_field(t->m->project, mine->fields_modified, mine->n_fields_modified))
        return true;
    for (size_t i = 0; i < mine->n_column_files; i++)
        if (drops_field(t->m->project, mine->column_files[i].file.summary.field_ids,
                        mine->column_files[i].file.summary.n))
            return true;
    return false;
}

/* Is the field one of these, or does it have one of them below it? */
static bool reaches(const qv__field *fields, size_t n_fields, bool inside, int32_t field, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n_fields; i++) {
        bool in = inside || fields[i].id == field;
        if ((in && qv__has_field_id(ids, n, fields[i].id)) ||
            reaches(fields[i].type->children, fields[i].type->n_children, in, field, ids, n))
            return true;
    }
    return false;
}

static bool is_indexed(const meeting *t, const int32_t *key, size_t n_key, const int32_t *ids, size_t n)
{
    const qv__schema *schema = t->base->stored;

    for (size_t i = 0; i < n_key; i++)
        if (reaches(schema->fields, schema->n_fields, false, key[i], ids, n))
            return true;
    return false;
}

/* ------------------------------------------------------------------ indices */

static qv_status their_entry(meeting *t, ProtobufCBinaryData packed, const Lance__Table__IndexMetadata **out)
{
    ProtobufCMessage *message;

    QV_TRY(qv__message_unpack(&lance__table__index_metadata__descriptor, packed.data, packed.len, &t->arena, &message,
                              t->err));
    *out = (const Lance__Table__IndexMetadata *) message;
    return QV_OK;
}

/* C: mine builds an index over what theirs replaced, or mine replaces what theirs indexed. */
static qv_status replaced_and_indexed(meeting *t, bool *out)
{
    const qv__change *mine = t->mine;

    *out = false;
    if (t->m->data_replacement) {
        for (size_t i = 0; i < t->m->data_replacement->n_replacements; i++) {
            const Lance__Table__DataFile *file = t->m->data_replacement->replacements[i]->new_file;
            for (size_t j = 0; file && j < mine->n_new_indices; j++)
                *out |= is_indexed(t, mine->new_indices[j].fields, mine->new_indices[j].n_fields, file->fields,
                                   file->n_fields);
        }
        return QV_OK;
    }
    for (size_t i = 0; i < t->m->create_index->n_new_indices; i++) {
        const Lance__Table__IndexMetadata *entry;
        QV_TRY(their_entry(t, t->m->create_index->new_indices[i], &entry));
        for (size_t j = 0; j < mine->n_column_files; j++)
            *out |= is_indexed(t, entry->fields, entry->n_fields, mine->column_files[j].file.summary.field_ids,
                               mine->column_files[j].file.summary.n);
    }
    return QV_OK;
}

static bool covers_any(const uint32_t *fragments, size_t n, const id_list *ids)
{
    for (size_t i = 0; i < n; i++)
        if (has_id(ids, fragments[i]))
            return true;
    return false;
}

static qv_status my_groups(meeting *t, id_list *out)
{
    size_t n = 0;

    for (size_t i = 0; i < t->mine->n_groups; i++)
        n += t->mine->groups[i].n_old;
    QV_TRY(room(t, n, out));
    for (size_t i = 0; i < t->mine->n_groups; i++)
        for (size_t j = 0; j < t->mine->groups[i].n_old; j++)
            out->ids[out->n++] = t->mine->groups[i].old_ids[j];
    if (out->n)
        qsort(out->ids, out->n, sizeof *out->ids, compare_ids);
    return QV_OK;
}

/* G: an index was built over fragments that the other side rewrote. */
static qv_status moved_and_indexed(meeting *t, bool *out)
{
    id_list moved;

    *out = false;
    if (t->m->rewrite) {
        QV_TRY(touched_by_them(t, &moved));
        for (size_t i = 0; i < t->mine->n_new_indices; i++)
            *out |= covers_any(t->mine->new_indices[i].fragments, t->mine->new_indices[i].n_fragments, &moved);
        return QV_OK;
    }
    if (t->mine->reuse_entry.len) /* moved rows are found through the reuse index */
        return QV_OK;
    QV_TRY(my_groups(t, &moved));
    for (size_t i = 0; i < t->m->create_index->n_new_indices; i++) {
        qv__index_entry entry = { 0 };
        QV_TRY(qv__index_entry_read(t->m->create_index->new_indices[i], &t->arena, &entry, t->err));
        *out |= covers_any(entry.fragments, entry.n_fragments, &moved);
    }
    return QV_OK;
}

static bool have_name(meeting *t, const ProtobufCBinaryData *packed, size_t n, const char *name, qv_status *st)
{
    for (size_t i = 0; i < n && *st == QV_OK; i++) {
        const Lance__Table__IndexMetadata *entry;
        *st = their_entry(t, packed[i], &entry);
        if (*st == QV_OK && entry->name && strcmp(entry->name, name) == 0)
            return true;
    }
    return false;
}

/* I: one name on both sides; that both dropped an index is no conflict. */
static qv_status same_index(meeting *t, bool *out)
{
    const Lance__Table__CreateIndex *theirs = t->m->create_index;
    const qv__index_entry *entries;
    qv_status st = QV_OK;
    bool same = false;
    size_t n;

    for (size_t i = 0; i < t->mine->n_new_indices && !same; i++)
        same = have_name(t, theirs->new_indices, theirs->n_new_indices, t->mine->new_indices[i].name, &st) ||
               have_name(t, theirs->removed_indices, theirs->n_removed_indices, t->mine->new_indices[i].name, &st);
    QV_TRY(st);
    QV_TRY(qv__snapshot_indices((qv__snapshot *) (uintptr_t) t->base, &entries, &n, t->err)); /* fills its cache */
    for (size_t i = 0; i < n && !same; i++)
        for (size_t j = 0; j < t->mine->n_removed_indices && !same; j++)
            same = memcmp(entries[i].uuid, t->mine->removed_indices[j], 16) == 0 &&
                   have_name(t, theirs->new_indices, theirs->n_new_indices, entries[i].name, &st);
    *out = same;
    return st;
}

/* ------------------------------------------------------------------ keys of rows */

static bool same_fields(const qv__key_set *mine, const Lance__Table__KeyFilter *theirs)
{
    return mine->n_fields == theirs->n_field_ids &&
           (mine->n_fields == 0 || memcmp(mine->field_ids, theirs->field_ids, mine->n_fields * sizeof(int32_t)) == 0);
}

/* Mine brings keys: may theirs have brought one of them? What cannot be compared may have. */
static bool may_share_keys(const qv__key_set *mine, const Lance__Table__Update *theirs)
{
    const Lance__Table__KeyFilter *filter = theirs ? theirs->inserted_rows : NULL;
    size_t i = 0, j = 0;

    if (!filter || !filter->exact || !same_fields(mine, filter))
        return true;
    const Lance__Table__ExactKeys *exact = filter->exact;
    while (i < mine->n && j < exact->n_key_hashes) {
        if (j && exact->key_hashes[j] < exact->key_hashes[j - 1])
            return true; /* not in order: not ours */
        if (mine->hashes[i] == exact->key_hashes[j])
            return true;
        if (mine->hashes[i] < exact->key_hashes[j])
            i++;
        else
            j++;
    }
    return false;
}

/* ------------------------------------------------------------------ keys of maps */

static bool map_meets(const qv__config_update *mine, const Lance__Table__UpdateMap *theirs, bool whole)
{
    if (!theirs)
        return false;
    if (whole || mine->replace || theirs->replace)
        return true;
    for (size_t i = 0; i < mine->n; i++)
        for (size_t j = 0; j < theirs->n_update_entries; j++)
            if (theirs->update_entries[j]->key && strcmp(mine->pairs[i].key, theirs->update_entries[j]->key) == 0)
                return true;
    return false;
}

static bool old_config_meets(const qv__config_update *mine, Lance__Table__TextEntry *const *set, size_t n_set,
                             char *const *gone, size_t n_gone)
{
    for (size_t i = 0; i < mine->n; i++) {
        for (size_t j = 0; j < n_set; j++)
            if (set[j]->key && strcmp(mine->pairs[i].key, set[j]->key) == 0)
                return true;
        for (size_t j = 0; j < n_gone; j++)
            if (strcmp(mine->pairs[i].key, gone[j]) == 0)
                return true;
    }
    return mine->replace && n_set + n_gone != 0;
}

static bool field_meets(const qv__config_update *mine, const Lance__Table__UpdateConfig *theirs)
{
    for (size_t i = 0; i < theirs->n_field_metadata_updates; i++)
        if (theirs->field_metadata_updates[i]->key == mine->field_id)
            return true;
    for (size_t i = 0; i < theirs->n_field_metadata; i++)
        if ((int64_t) theirs->field_metadata[i]->key == mine->field_id)
            return true;
    return false;
}

static bool config_meets(const qv__config_update *mine, const Lance__Table__UpdateConfig *theirs)
{
    switch (mine->kind) {
    case QV_METADATA_CONFIG:
        return map_meets(mine, theirs->config_updates, false) ||
               old_config_meets(mine, theirs->upsert_values, theirs->n_upsert_values, theirs->delete_keys,
                                theirs->n_delete_keys);
    case QV_METADATA_TABLE:
        return map_meets(mine, theirs->table_metadata_updates, false);
    case QV_METADATA_SCHEMA:
        return theirs->n_schema_metadata != 0 || map_meets(mine, theirs->schema_metadata_updates, true);
    case QV_METADATA_FIELD:
        return field_meets(mine, theirs);
    }
    return true;
}

/* K: one of my updates sets what theirs set. */
static bool same_keys(const meeting *t)
{
    for (size_t i = 0; i < t->mine->n_updates; i++) {
        const qv__config_update *update = &t->mine->updates[i];
        if (t->m->update_config && config_meets(update, t->m->update_config))
            return true;
        if (t->m->overwrite && update->kind == QV_METADATA_CONFIG &&
            old_config_meets(update, t->m->overwrite->config_upsert_values, t->m->overwrite->n_config_upsert_values,
                             NULL, 0))
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------ what stands above the table */

static bool is_schema_metadata(const qv__change *mine)
{
    for (size_t i = 0; i < mine->n_updates; i++)
        if (mine->updates[i].kind == QV_METADATA_SCHEMA || mine->updates[i].kind == QV_METADATA_FIELD)
            return true;
    return false;
}

static bool sets_schema_metadata(const Lance__Table__UpdateConfig *m)
{
    return m->n_schema_metadata || m->n_field_metadata || m->schema_metadata_updates || m->n_field_metadata_updates;
}

static bool may_tighten(const Lance__Table__Transaction *m)
{
    return (m->merge && !m->merge->preserves_nullability) || (m->project && !m->project->preserves_nullability);
}

static bool writes_values(qv__operation operation)
{
    return operation == QV_OP_APPEND || operation == QV_OP_UPDATE || operation == QV_OP_REPLACEMENT ||
           operation == QV_OP_OVERLAY;
}

static bool enforces_key(const qv__change *mine)
{
    for (size_t i = 0; i < mine->n_updates; i++)
        for (size_t j = 0; mine->updates[i].kind == QV_METADATA_CONFIG && j < mine->updates[i].n; j++)
            if (strcmp(mine->updates[i].pairs[j].key, QV_KEY_ENFORCED) == 0)
                return true;
    return false;
}

static bool begins_to_enforce(const Lance__Table__UpdateConfig *m)
{
    const Lance__Table__UpdateMap *map = m ? m->config_updates : NULL;

    for (size_t i = 0; map && i < map->n_update_entries; i++)
        if (map->update_entries[i]->key && strcmp(map->update_entries[i]->key, QV_KEY_ENFORCED) == 0)
            return true;
    return false;
}

/* Rows that nobody held against the key, and the key's enforcement, do not pass each other. */
static bool passes_key_by(const meeting *t, qv__operation mine)
{
    return (writes_values(mine) && !t->mine->inserted && begins_to_enforce(t->m->update_config)) ||
           (mine == QV_OP_CONFIG && enforces_key(t->mine) && writes_values(t->theirs->operation));
}

static bool is_above(const meeting *t, qv__operation mine, qv__verdict *out)
{
    qv__operation theirs = t->theirs->operation;
    bool shapes = mine == QV_OP_MERGE || mine == QV_OP_PROJECT;
    bool their_metadata = t->m && t->m->update_config && sets_schema_metadata(t->m->update_config);
    bool my_metadata = mine == QV_OP_CONFIG && is_schema_metadata(t->mine);

    *out = QV_VERDICT_RETRY;
    if (!t->m || theirs == QV_OP_UNKNOWN) {
        *out = QV_VERDICT_CONFLICT;
        return true;
    }
    if (passes_key_by(t, mine)) {
        *out = QV_VERDICT_CONFLICT;
        return true;
    }
    if ((writes_values(mine) && may_tighten(t->m)) ||
        (shapes && !t->mine->preserves_nullability && writes_values(theirs)))
        return true;
    if ((mine == QV_OP_MERGE && their_metadata) || (theirs == QV_OP_MERGE && my_metadata))
        return true;
    *out = QV_VERDICT_CONFLICT;
    return (mine == QV_OP_RESTORE && their_metadata) || (theirs == QV_OP_RESTORE && my_metadata);
}

/* ------------------------------------------------------------------ the whole */

static qv_status judge(meeting *t, qv__operation mine, qv__verdict *out)
{
    bool meets = false;

    *out = QV_VERDICT_OK;
    switch ((rule) rules[mine][t->theirs->operation]) {
    case OK:
        return QV_OK;
    case R:
        *out = QV_VERDICT_RETRY;
        return QV_OK;
    case X:
        *out = QV_VERDICT_CONFLICT;
        return QV_OK;
    case K:
        *out = same_keys(t) ? QV_VERDICT_CONFLICT : QV_VERDICT_OK;
        return QV_OK;
    case A:
        meets = t->mine->inserted != NULL;
        break;
    case D:
        meets = mine == QV_OP_UPDATE && t->mine->inserted && t->m->update &&
                may_share_keys(t->mine->inserted, t->m->update);
        break;
    case C:
        QV_TRY(replaced_and_indexed(t, &meets));
        break;
    case F:
        QV_TRY(share_fragment(t, &meets));
        break;
    case G:
        QV_TRY(moved_and_indexed(t, &meets));
        break;
    case I:
        QV_TRY(same_index(t, &meets));
        break;
    case P:
        meets = drops_written_field(t);
        break;
    }
    *out = meets ? QV_VERDICT_RETRY : QV_VERDICT_OK;
    return QV_OK;
}

qv_status qv__conflict(const qv__change *mine, const qv__snapshot *base, const qv__transaction *theirs,
                       qv__verdict *out, qv_error *err)
{
    meeting t = { .mine = mine, .base = base, .theirs = theirs, .m = theirs->message, .err = err };
    qv__operation operation = qv__change_operation(mine);

    if (operation >= N_MINE)
        return qv__fail(err, QV_INVALID, "a change of kind %s cannot be committed", qv__operation_name(operation));
    if (is_above(&t, operation, out))
        return QV_OK;
    qv__arena_init(&t.arena, 0);
    qv_status st = judge(&t, operation, out);
    qv__arena_reset(&t.arena);
    return st;
}
