/* Manifest names of the old kind to those that sort by age. Each name changes at once and durably, from the oldest version to the
 * newest: what a crash leaves has both kinds, is read as it is, and is finished by the next call. */
#include "table/refs_private.h"

bool qv__snapshot_has_v2_names(const qv__snapshot *snapshot) { return snapshot->manifest->names == QV_NAMES_V2; }

qv_status qv__migrate_names(qv__store *table, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t *versions = NULL;
    size_t n = 0;
    qv__names names;

    QV_CHECK(qv__version_numbers(table, &versions, &n, &names, err));
    for (size_t i = 0; i < n && names == QV_NAMES_V1; i++) {
        char old[QV_NAME_BYTES], new[QV_NAME_BYTES];
        qv__manifest_name(versions[i], QV_NAMES_V1, old);
        qv__manifest_name(versions[i], QV_NAMES_V2, new);
        st = qv__store_rename(table, old, new, err);
        if (st != QV_NOT_FOUND) /* it has the new name already */
            QV_CHECK(st);
    }
    st = QV_OK;
done:
    qv__free(versions);
    return st;
}
