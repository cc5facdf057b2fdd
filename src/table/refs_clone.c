/* Shallow clones: the manifest of a version once more in another folder, with every file that lay beside it now said to lie in
 * a base path. Branches are such clones below the table itself. The version number stays, so that the line goes on counting. */
#include <inttypes.h>
#include <stdio.h>

#include "table/refs_clone.h"

#define TAIL_BYTES 16

typedef struct cloning {
    const qv__clone *spec;
    uint32_t base_id;
    char uuid[37];
    char transaction_file[QV_NAME_BYTES];
    qv__arena arena;
    Lance__Table__Manifest head;
    Lance__Table__Timestamp timestamp;
    Lance__Table__WriterVersion writer;
    Lance__Table__BasePath base;
    qv__buffer transaction;
} cloning;

/* ------------------------------------------------------------------ files that lie elsewhere now */

static qv_status move_fragment(cloning *c, ProtobufCBinaryData packed, ProtobufCBinaryData *out, qv_error *err)
{
    Lance__Table__DataFragment *fragment;

    QV_TRY(qv__unpack_fragment(packed, &c->arena, &fragment, err));
    for (size_t i = 0; i < fragment->n_files; i++) {
        if (fragment->files[i]->has_base_id)
            continue;
        fragment->files[i]->has_base_id = true;
        fragment->files[i]->base_id = c->base_id;
    }
    if (fragment->deletion_file && !fragment->deletion_file->has_base_id) {
        fragment->deletion_file->has_base_id = true;
        fragment->deletion_file->base_id = c->base_id;
    }
    return qv__pack(&fragment->base, &c->arena, out, err);
}

static qv_status move_fragments(cloning *c, qv_error *err)
{
    size_t n = c->head.n_fragments;
    ProtobufCBinaryData *list = qv__arena_alloc(&c->arena, n + 1, sizeof *list);

    if (!list)
        return qv__fail_nomem(err, n * sizeof *list);
    for (size_t i = 0; i < n; i++)
        QV_TRY(move_fragment(c, c->head.fragments[i], &list[i], err));
    c->head.fragments = list;
    return QV_OK;
}

static qv_status move_indices(cloning *c, qv__section section, ProtobufCBinaryData *out, qv_error *err)
{
    ProtobufCMessage *message;

    QV_TRY(qv__message_unpack(&lance__table__index_section__descriptor, section.data, section.len, &c->arena, &message,
                              err));
    Lance__Table__IndexSection *indices = (Lance__Table__IndexSection *) message;
    for (size_t i = 0; i < indices->n_indices; i++) {
        if (indices->indices[i]->has_base_id)
            continue;
        indices->indices[i]->has_base_id = true;
        indices->indices[i]->base_id = c->base_id;
    }
    return qv__pack(&indices->base, &c->arena, out, err);
}

/* ------------------------------------------------------------------ the head */

static qv_status add_base(cloning *c, qv_error *err)
{
    size_t n = c->head.n_base_paths;
    Lance__Table__BasePath **list = qv__arena_alloc(&c->arena, n + 1, sizeof *list);

    if (!list)
        return qv__fail_nomem(err, n * sizeof(void *));
    for (size_t i = 0; i < n; i++) {
        list[i] = c->head.base_paths[i];
        if (list[i]->id == UINT32_MAX)
            return qv__fail(err, QV_LIMIT, "the table has no base path ids left");
        c->base_id = QV_MAX(c->base_id, list[i]->id + 1);
    }
    lance__table__base_path__init(&c->base);
    c->base.has_id = c->base_id != 0;
    c->base.id = c->base_id;
    c->base.name = (char *) (uintptr_t) c->spec->from_branch;
    c->base.has_is_dataset_root = c->base.is_dataset_root = true;
    c->base.path = (char *) (uintptr_t) c->spec->from_path;
    list[n] = &c->base;
    c->head.base_paths = list;
    c->head.n_base_paths = n + 1;
    c->head.has_reader_feature_flags = c->head.has_writer_feature_flags = true;
    c->head.reader_feature_flags |= QV_FLAG_BASE_PATHS;
    c->head.writer_feature_flags |= QV_FLAG_BASE_PATHS;
    c->head.writer_feature_flags &= ~(uint64_t) QV_FLAG_NO_TRANSACTION_FILE; /* we write one */
    return QV_OK;
}

static void set_origin(cloning *c)
{
    int64_t now = qv__now_utc_ns();

    lance__table__timestamp__init(&c->timestamp);
    c->timestamp.has_seconds = c->timestamp.has_nanos = true;
    c->timestamp.seconds = now / 1000000000;
    c->timestamp.nanos = (int32_t) (now % 1000000000);
    lance__table__writer_version__init(&c->writer);
    c->writer.library = (char *) (uintptr_t) "quiver";
    c->writer.version = (char *) (uintptr_t) QV_VERSION_STRING;
    qv__transaction_name(c->head.version, c->uuid, c->transaction_file);
    c->head.timestamp = &c->timestamp;
    c->head.writer_version = &c->writer;
    c->head.transaction_file = c->transaction_file;
    c->head.branch = (char *) (uintptr_t) c->spec->branch;
}

static qv_status print_transaction(cloning *c, qv_error *err)
{
    Lance__Table__Transaction transaction = LANCE__TABLE__TRANSACTION__INIT;
    Lance__Table__Clone operation = LANCE__TABLE__CLONE__INIT;

    operation.has_is_shallow = operation.is_shallow = true;
    operation.ref_name = (char *) (uintptr_t) c->spec->from_branch;
    operation.has_ref_version = true;
    operation.ref_version = c->head.version;
    operation.ref_path = (char *) (uintptr_t) c->spec->from_path;
    operation.branch_name = (char *) (uintptr_t) c->spec->branch;
    transaction.has_read_version = true;
    transaction.read_version = c->head.version;
    transaction.uuid = c->uuid;
    transaction.clone = &operation;
    size_t len = protobuf_c_message_get_packed_size(&transaction.base);
    QV_TRY(qv__buffer_reserve(&c->transaction, len, err));
    protobuf_c_message_pack(&transaction.base, c->transaction.data);
    c->transaction.len = len;
    return QV_OK;
}

/* ------------------------------------------------------------------ the object */

static qv_status print_manifest(cloning *c, qv__buffer *out, qv_error *err)
{
    qv__section indices = c->spec->from->indices;
    uint8_t tail[TAIL_BYTES] = { 0 };
    ProtobufCBinaryData packed = { 0 };

    c->head.has_index_section = indices.data != NULL;
    c->head.index_section = out->len;
    if (indices.data) {
        QV_TRY(move_indices(c, indices, &packed, err));
        QV_TRY(qv__append_section(packed.data, packed.len, out, err));
    }
    c->head.has_old_transaction_section = false;
    c->head.has_transaction_section = true;
    c->head.transaction_section = out->len;
    QV_TRY(qv__append_section(c->transaction.data, c->transaction.len, out, err));
    qv__store_u64(tail, out->len);
    qv__store_u16(tail + 10, 2);
    memcpy(tail + 12, "LANC", 4);
    QV_TRY(qv__pack(&c->head.base, &c->arena, &packed, err));
    QV_TRY(qv__append_section(packed.data, packed.len, out, err));
    return qv__buffer_append(out, tail, sizeof tail, err);
}

static qv_status build(cloning *c, qv__buffer *out, qv_error *err)
{
    uint8_t uuid[16];

    c->head = *c->spec->from->head;
    QV_TRY(qv__flags_check_write(&c->head, err));
    QV_TRY(qv__uuid_new(uuid, err));
    qv__uuid_print(uuid, c->uuid);
    QV_TRY(add_base(c, err));
    QV_TRY(move_fragments(c, err));
    set_origin(c);
    QV_TRY(print_transaction(c, err));
    return print_manifest(c, out, err);
}

qv_status qv__clone_write(const qv__clone *spec, qv__store *to, qv_error *err)
{
    qv_status st = QV_OK;
    cloning c = { .spec = spec };
    char name[QV_NAME_BYTES], transaction[QV_NAME_BYTES + sizeof QV_TRANSACTIONS_FOLDER];
    qv__buffer object;

    qv__buffer_init(&object, SIZE_MAX);
    qv__buffer_init(&c.transaction, UINT32_MAX);
    qv__arena_init(&c.arena, 0);
    QV_CHECK(build(&c, &object, err));
    snprintf(transaction, sizeof transaction, QV_TRANSACTIONS_FOLDER "/%s", c.transaction_file);
    QV_CHECK(qv__store_put(to, transaction, c.transaction.data, c.transaction.len, QV_PUT_REPLACE, err));
    qv__manifest_name(c.head.version, QV_NAMES_V2, name);
    st = qv__store_put(to, name, object.data, object.len, QV_PUT_IF_ABSENT, err);
    if (st != QV_OK)
        qv__store_delete(to, transaction, NULL);
    else
        qv__write_version_hint(to, c.head.version);
done:
    qv__arena_reset(&c.arena);
    qv__buffer_free(&c.transaction);
    qv__buffer_free(&object);
    return st;
}

qv_status qv__clone_shallow(qv__snapshot *version, qv__store *to, qv_error *err)
{
    const char *path = qv__store_uri(version->table);
    qv__clone spec = { version->manifest, version->manifest->head->branch, path, NULL };
    uint64_t newest;
    qv__names names;

    if (strncmp(path, "memory://", 9) == 0 && strncmp(qv__store_uri(to), "memory://", 9) != 0)
        return qv__fail(err, QV_UNSUPPORTED, "a table on disk cannot be a clone of one in memory (%s)", path);
    QV_TRY(qv__latest_version(to, &newest, err));
    if (newest)
        return qv__fail(err, QV_EXISTS, "%s is a table already, at version %" PRIu64, qv__store_uri(to), newest);
    QV_TRY(qv__clone_write(&spec, to, err));
    qv_status st = qv__version_find(version->table, version->manifest->version, &names, NULL, err);
    if (st == QV_NOT_FOUND) /* cleaned up meanwhile, and its files with it */
        qv__store_delete_tree(to, "", NULL);
    return st;
}
