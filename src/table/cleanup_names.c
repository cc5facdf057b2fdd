/* Which files versions name. */
#include <inttypes.h>
#include <stdio.h>

#include "table/cleanup.h"

static qv_status add_below(qv__name_set *set, const char *folder, const char *name, qv_error *err)
{
    size_t len = strlen(folder) + strlen(name) + 2;
    char *path;

    QV_TRY(QV_NEW(&path, len, err));
    snprintf(path, len, "%s/%s", folder, name);
    qv_status st = qv__name_set_add(set, path, err);
    qv__free(path);
    return st;
}

/* A file in a folder below data/ protects the folder, which else might pass for one of blobs. */
static qv_status add_data_file(qv__name_set *set, const char *path, qv_error *err)
{
    size_t part = strcspn(path, "/");
    char folder[QV_NAME_BYTES + 8];

    QV_TRY(qv__name_set_add(set, path, err));
    if (!path[part] || part > QV_NAME_BYTES)
        return QV_OK;
    snprintf(folder, sizeof folder, "%.*s.lance", (int) part, path);
    return qv__name_set_add(set, folder, err);
}

static qv_status note_indices(qv__name_set *set, qv__section section, bool others, qv_error *err)
{
    qv_status st = QV_OK;
    ProtobufCMessage *message;
    qv__arena arena;
    char uuid[37];

    if (!section.data)
        return QV_OK;
    qv__arena_init(&arena, qv__message_limit(section.len));
    QV_CHECK(
        qv__message_unpack(&lance__table__index_section__descriptor, section.data, section.len, &arena, &message, err));
    const Lance__Table__IndexSection *indices = (const Lance__Table__IndexSection *) message;
    for (size_t i = 0; i < indices->n_indices; i++) {
        const Lance__Table__IndexMetadata *index = indices->indices[i];
        if ((index->has_base_id && !others) || !index->uuid || index->uuid->uuid.len != 16)
            continue;
        qv__uuid_print(index->uuid->uuid.data, uuid);
        QV_CHECK(qv__name_set_add(set, uuid, err));
    }
done:
    qv__arena_reset(&arena);
    return st;
}

static qv_status note_fragment(qv__name_set *set, ProtobufCBinaryData packed, bool others, qv_error *err)
{
    qv_status st = QV_OK;
    Lance__Table__DataFragment *fragment;
    qv__arena arena;
    char name[QV_NAME_BYTES];

    qv__arena_init(&arena, qv__message_limit(packed.len));
    QV_CHECK(qv__unpack_fragment(packed, &arena, &fragment, err));
    for (size_t i = 0; i < fragment->n_files; i++)
        if ((others || !fragment->files[i]->has_base_id) && fragment->files[i]->path)
            QV_CHECK(add_data_file(set, fragment->files[i]->path, err));
    const Lance__Table__DeletionFile *from = fragment->deletion_file;
    if (from && (others || !from->has_base_id)) {
        qv__deletion_file file = { .is_bitmap = from->file_type == 1,
                                   .read_version = from->read_version,
                                   .id = from->id };
        qv__deletion_name(fragment->id, &file, name);
        QV_CHECK(add_below(set, QV_DELETIONS_FOLDER, name, err));
    }
done:
    qv__arena_reset(&arena);
    return st;
}

qv_status qv__cleanup_note(qv__name_set *set, const qv__manifest *manifest, bool others, qv_error *err)
{
    const Lance__Table__Manifest *head = manifest->head;

    for (size_t i = 0; i < head->n_fragments; i++)
        QV_TRY(note_fragment(set, head->fragments[i], others, err));
    QV_TRY(note_indices(set, manifest->indices, others, err));
    if (head->transaction_file && *head->transaction_file)
        QV_TRY(add_below(set, QV_TRANSACTIONS_FOLDER, head->transaction_file, err));
    return QV_OK;
}

/* ------------------------------------------------------------------ what stays */

static qv_status note_version(qv__cleaning *c, qv__store *table, uint64_t version, bool others, qv_error *err)
{
    qv__manifest *manifest = NULL;

    QV_TRY(qv__job_tick(c->job, 0, 0, err));
    qv_status st = qv__version_load(table, version, &manifest, err);
    if (st == QV_OK)
        st = qv__cleanup_note(&c->kept, manifest, others, err);
    qv__manifest_free(manifest);
    return st == QV_NOT_FOUND ? QV_OK : st; /* another clean-up was faster */
}

static qv_status note_versions(qv__cleaning *c, qv__store *table, bool others, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t *versions = NULL;
    qv__names names;
    size_t n = 0;

    QV_CHECK(qv__version_numbers(table, &versions, &n, &names, err));
    for (size_t i = n; i > 0; i--) /* the newest first: it names most of what the others name */
        QV_CHECK(note_version(c, table, versions[i - 1], others, err));
done:
    qv__free(versions);
    return st;
}

static qv_status note_detached(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    qv__cleaning *c = ctx;
    uint64_t version;

    QV_UNUSED(size);
    if (is_folder || qv__manifest_name_parse(name, &version) != QV_NAMES_DETACHED)
        return QV_OK;
    return note_version(c, c->table, version, false, err);
}

/* Names are random and unlike each other, so it does no harm to keep what lies in another base path. */
static qv_status note_branches(qv__cleaning *c, qv_error *err)
{
    qv_status st = QV_OK;
    qv__name_list names = { 0 };

    QV_CHECK(qv__ref_names(c->root, QV_BRANCHES_FOLDER, &names, err));
    for (size_t i = 0; i < names.n; i++) {
        qv__store *store = NULL;
        if (c->branch && strcmp(names.items[i], c->branch) == 0)
            continue;
        st = qv__branch_store(c->root, names.items[i], &store, err);
        if (st == QV_OK)
            st = note_versions(c, store, true, err);
        qv__store_unref(store);
        if (st != QV_NOT_FOUND) /* deleted meanwhile */
            QV_CHECK(st);
    }
    st = QV_OK;
done:
    qv__name_list_clear(&names);
    return st;
}

qv_status qv__cleanup_gather(qv__cleaning *c, qv_error *err)
{
    QV_TRY(note_versions(c, c->table, false, err));
    QV_TRY(qv__store_list(c->table, QV_VERSIONS_FOLDER, note_detached, c, err));
    return note_branches(c, err);
}
