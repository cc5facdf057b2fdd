/* Transactions as other writers left them: what a newer version did, as far as it decides whether our change may follow. */
#include <inttypes.h>
#include <stdio.h>

#include "table/table_private.h"

#define MAX_TRANSACTION_BYTES (UINT64_C(1) << 31)

static const char *const names[] = {
    [QV_OP_APPEND] = "Append",
    [QV_OP_DELETE] = "Delete",
    [QV_OP_UPDATE] = "Update",
    [QV_OP_CREATE_INDEX] = "CreateIndex",
    [QV_OP_REWRITE] = "Rewrite",
    [QV_OP_OVERWRITE] = "Overwrite",
    [QV_OP_MERGE] = "Merge",
    [QV_OP_RESTORE] = "Restore",
    [QV_OP_RESERVE] = "ReserveFragments",
    [QV_OP_PROJECT] = "Project",
    [QV_OP_CONFIG] = "UpdateConfig",
    [QV_OP_REPLACEMENT] = "DataReplacement",
    [QV_OP_OVERLAY] = "DataOverlay",
    [QV_OP_BASES] = "UpdateBases",
    [QV_OP_MEM_WAL] = "UpdateMemWalState",
    [QV_OP_CLONE] = "Clone",
    [QV_OP_UNKNOWN] = "unknown operation",
};

const char *qv__operation_name(qv__operation operation) { return names[operation]; }

static qv__operation operation_of(const Lance__Table__Transaction *m)
{
    return m->append                 ? QV_OP_APPEND
           : m->delete_              ? QV_OP_DELETE
           : m->update               ? QV_OP_UPDATE
           : m->create_index         ? QV_OP_CREATE_INDEX
           : m->rewrite              ? QV_OP_REWRITE
           : m->overwrite            ? QV_OP_OVERWRITE
           : m->merge                ? QV_OP_MERGE
           : m->restore              ? QV_OP_RESTORE
           : m->reserve_fragments    ? QV_OP_RESERVE
           : m->project              ? QV_OP_PROJECT
           : m->update_config        ? QV_OP_CONFIG
           : m->data_replacement     ? QV_OP_REPLACEMENT
           : m->data_overlay         ? QV_OP_OVERLAY
           : m->update_bases         ? QV_OP_BASES
           : m->update_mem_wal_state ? QV_OP_MEM_WAL
           : m->clone                ? QV_OP_CLONE
                                     : QV_OP_UNKNOWN;
}

static qv_status parse(const uint8_t *bytes, size_t len, qv__arena *arena, qv__transaction *out, qv_error *err)
{
    ProtobufCMessage *message;

    QV_TRY(qv__message_unpack(&lance__table__transaction__descriptor, bytes, len, arena, &message, err));
    const Lance__Table__Transaction *m = (const Lance__Table__Transaction *) message;
    out->message = m;
    out->operation = operation_of(m);
    out->read_version = m->read_version;
    snprintf(out->uuid, sizeof out->uuid, "%s", m->uuid ? m->uuid : "");
    return QV_OK;
}

qv_status qv__transaction_of(qv__store *table, const qv__manifest *manifest, qv__arena *arena, qv__transaction *out,
                             qv_error *err)
{
    qv_status st = QV_OK;
    const char *file = manifest->head->transaction_file;
    qv__transaction found = { .operation = QV_OP_UNKNOWN };
    qv__bytes bytes = { 0 };
    char *path = NULL;

    if (manifest->transaction.data) {
        QV_CHECK(parse(manifest->transaction.data, manifest->transaction.len, arena, &found, err));
    } else if (file && *file) {
        size_t len = strlen(file) + sizeof QV_TRANSACTIONS_FOLDER + 1;
        QV_CHECK(QV_NEW(&path, len, err));
        snprintf(path, len, QV_TRANSACTIONS_FOLDER "/%s", file);
        st = qv__store_get(table, path, MAX_TRANSACTION_BYTES, &bytes, err);
        if (st == QV_OK)
            st = parse(bytes.data, bytes.len, arena, &found, err);
        else if (st == QV_NOT_FOUND)
            st = QV_OK; /* cleaned up: stays unknown, which conflicts with everything */
        QV_CHECK(st);
    }
    *out = found;
done:
    if (st != QV_OK)
        qv__fail_in(err, st, "transaction of version %" PRIu64, manifest->version);
    qv__bytes_unref(&bytes);
    qv__free(path);
    return st;
}
