/* Looking for a change of ours after a crash: the transaction's uuid in the versions that followed. Where clean-up has taken one
 * of these away, the change's data file tells: clean-up removes a file that a version named, and leaves one that no version ever
 * named alone while there is a buffer's journal (cleanup_files.c). */
#include "table/refs_private.h"

qv_status qv__transaction_uuid(char uuid[37], qv_error *err)
{
    uint8_t bytes[16];

    QV_TRY(qv__uuid_new(bytes, err));
    qv__uuid_print(bytes, uuid);
    return QV_OK;
}

static bool names_file(const qv__manifest *manifest, const char *file)
{
    size_t len = strlen(file);

    for (size_t i = 0; i < manifest->head->n_fragments; i++) {
        ProtobufCBinaryData packed = manifest->head->fragments[i];
        for (size_t at = 0; at + len <= packed.len; at++) /* names are random: they stand nowhere by chance */
            if (packed.data[at] == (uint8_t) file[0] && memcmp(packed.data + at, file, len) == 0)
                return true;
    }
    return false;
}

static qv_status look_at(qv__store *table, uint64_t version, const char *uuid, const char *file, bool *found,
                         qv_error *err)
{
    qv_status st = QV_OK;
    qv__manifest *manifest = NULL;
    qv__transaction transaction;
    qv__arena arena;

    qv__arena_init(&arena, 0);
    st = qv__version_load(table, version, &manifest, err);
    if (st == QV_NOT_FOUND) {
        st = QV_OK;
        goto done;
    }
    QV_CHECK(st);
    QV_CHECK(qv__transaction_of(table, manifest, &arena, &transaction, err));
    *found = strcmp(transaction.uuid, uuid) == 0 || names_file(manifest, file);
done:
    qv__manifest_free(manifest);
    qv__arena_reset(&arena);
    return st;
}

qv_status qv__commit_find(qv__store *table, uint64_t after, const char *uuid, const char *file, bool *found,
                          qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t *versions = NULL, expected = after;
    size_t n = 0, len = strlen(file) + 6;
    char *path = NULL;
    qv__names names;
    bool took_place = false, whole = true, exists;

    QV_CHECK(qv__version_numbers(table, &versions, &n, &names, err));
    for (size_t i = 0; i < n && !took_place; i++) {
        if (versions[i] <= after)
            continue;
        whole &= versions[i] == ++expected;
        expected = versions[i];
        QV_CHECK(look_at(table, versions[i], uuid, file, &took_place, err));
    }
    if (!took_place && !whole) {
        QV_CHECK(QV_NEW(&path, len, err));
        memcpy(path, "data/", 5);
        memcpy(path + 5, file, len - 5);
        QV_CHECK(qv__store_exists(table, path, &exists, err));
        took_place = !exists;
    }
    *found = took_place;
done:
    qv__free(path);
    qv__free(versions);
    return st;
}
