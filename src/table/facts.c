/* Plain facts of a version, as its manifest tells them. */
#include "table/table_private.h"

const char *qv__snapshot_branch(const qv__snapshot *snapshot)
{
    const char *branch = snapshot->manifest->head->branch;

    return branch && *branch ? branch : NULL;
}

int64_t qv__snapshot_timestamp(const qv__snapshot *snapshot)
{
    return qv__manifest_timestamp(snapshot->manifest->head);
}

const char *qv__snapshot_config(const qv__snapshot *snapshot, const char *key)
{
    const Lance__Table__Manifest *head = snapshot->manifest->head;

    for (size_t i = 0; i < head->n_config; i++)
        if (head->config[i]->key && strcmp(head->config[i]->key, key) == 0)
            return head->config[i]->value ? head->config[i]->value : "";
    return NULL;
}
