/* Base paths: files of a shallow clone or a branch that lie in another table's folder. Each is named by a path or uri, and opened
 * when the first file of it is wanted. */
#include <inttypes.h>
#include <stdio.h>

#include "table/table_private.h"

qv_status qv__bases_init(qv__bases *bases, const Lance__Table__Manifest *head, qv_error *err)
{
    *bases = (qv__bases){ .n = head->n_base_paths, .paths = head->base_paths };
    return QV_NEW(&bases->stores, bases->n, err);
}

void qv__bases_clear(qv__bases *bases)
{
    if (!bases->stores)
        return;
    for (size_t i = 0; i < bases->n; i++)
        qv__store_unref(atomic_load_explicit(&bases->stores[i], memory_order_relaxed));
    qv__free((void *) bases->stores);
}

/* Other writers put down what they were called with: a path from their working folder is taken from ours, as they do. */
static qv_status open_base(qv__bases *bases, size_t i, qv__store *table, qv__store **out, qv_error *err)
{
    const char *path = bases->paths[i]->path ? bases->paths[i]->path : "";
    qv__store *store = atomic_load_explicit(&bases->stores[i], memory_order_acquire);

    if (!store) {
        qv__store *expected = NULL;
        if (!*path)
            return qv__fail(err, QV_CORRUPT, "base path %" PRIu32 " is empty", bases->paths[i]->id);
        qv_status st = qv__store_near(table, path, &store, err);
        if (st != QV_OK)
            return qv__fail_in(err, st, "base path %" PRIu32, bases->paths[i]->id);
        /* release: pairs with the acquire above, so that others see the store's content */
        if (!atomic_compare_exchange_strong_explicit(&bases->stores[i], &expected, store, memory_order_acq_rel,
                                                     memory_order_acquire)) {
            qv__store_unref(store);
            store = expected;
        }
    }
    *out = store;
    return QV_OK;
}

static qv_status join(const char *folder, const char *name, char **out, qv_error *err)
{
    size_t len = strlen(folder) + strlen(name) + 2;

    QV_TRY(QV_NEW(out, len, err));
    snprintf(*out, len, "%s%s%s", folder, *folder ? "/" : "", name);
    return QV_OK;
}

qv_status qv__bases_find(qv__bases *bases, qv__store *table, bool has_base, uint32_t base_id, const char *folder,
                         const char *name, qv__store **store, char **full_name, qv_error *err)
{
    if (!has_base) {
        *store = table;
        return join(folder, name, full_name, err);
    }
    for (size_t i = 0; i < bases->n; i++) {
        if (bases->paths[i]->id == base_id) {
            QV_TRY(open_base(bases, i, table, store, err));
            return join(bases->paths[i]->is_dataset_root ? folder : "", name, full_name, err);
        }
    }
    return qv__fail(err, QV_CORRUPT, "\"%.200s\" lies in base path %" PRIu32 ", which the table does not have", name,
                    base_id);
}
