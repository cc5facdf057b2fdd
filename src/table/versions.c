/* Which versions there are.
 *
 * The truth is the listing of _versions/. A writer that has just seen version N would pay for listing a thousand names with
 * every small commit, so it looks up N+1, N+2, ... by name instead. Versions are published one after the other without gaps, so
 * "N is there, N+1 is not" means that N is the newest, with one exception: clean-up takes old versions away but keeps tagged
 * ones, so a handle that slept may stand on a kept version with a hole above it. To tell the two apart the writer also reads the
 * version hint, which every commit on local disk rewrites: only a hint that says exactly N allows the short way; a missing,
 * other or unreadable one means a listing. The hint alone never decides anything. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "table/table_private.h"

#define HINT_NAME QV_VERSIONS_FOLDER "/latest_version_hint.json"

typedef struct version_list {
    bool keep_all;
    uint64_t *versions; /* keep_all */
    size_t n, capacity;
    uint64_t newest;
    bool has_v1, has_v2;
} version_list;

static qv_status add_version(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    version_list *list = ctx;
    uint64_t version;
    qv__names names = is_folder ? QV_NAMES_OTHER : qv__manifest_name_parse(name, &version);

    QV_UNUSED(size);
    if (names != QV_NAMES_V1 && names != QV_NAMES_V2)
        return QV_OK;
    list->has_v1 |= names == QV_NAMES_V1;
    list->has_v2 |= names == QV_NAMES_V2;
    list->newest = QV_MAX(list->newest, version);
    if (list->keep_all) {
        QV_TRY(QV_GROW(&list->versions, &list->capacity, list->n + 1, err));
        list->versions[list->n++] = version;
    }
    return QV_OK;
}

static qv_status list_versions(qv__store *table, version_list *list, qv_error *err)
{
    QV_TRY(qv__store_list(table, QV_VERSIONS_FOLDER, add_version, list, err));
    if (list->has_v1 && list->has_v2)
        return qv__fail(err, QV_CORRUPT, "%s: manifests with both kinds of names", qv__store_uri(table));
    return QV_OK;
}

qv_status qv__newest_version(qv__store *table, uint64_t *version, qv__names *names, qv_error *err)
{
    version_list list = { 0 };

    QV_TRY(list_versions(table, &list, err));
    *version = list.newest;
    *names = list.has_v1 ? QV_NAMES_V1 : QV_NAMES_V2;
    return QV_OK;
}

static qv_status has_version(qv__store *table, uint64_t version, qv__names names, bool *out, qv_error *err)
{
    char name[QV_NAME_BYTES];

    qv__manifest_name(version, names, name);
    return qv__store_exists(table, name, out, err);
}

/* 0 when there is none that can be read: {"version":N}, written by us or by others with their own spacing. */
static uint64_t read_hint(qv__store *table)
{
    qv__bytes bytes = { 0 };
    uint64_t version = 0;
    char text[64];

    if (qv__store_get(table, HINT_NAME, sizeof text - 1, &bytes, NULL) != QV_OK)
        return 0;
    memcpy(text, bytes.data, bytes.len);
    text[bytes.len] = 0;
    if (sscanf(text, " { \"version\" : %" SCNu64 " }", &version) != 1)
        version = 0;
    qv__bytes_unref(&bytes);
    return version;
}

qv_status qv__newest_version_after(qv__store *table, uint64_t known, qv__names names, uint64_t *version, qv_error *err)
{
    uint64_t at = known;
    bool more = true;

    while (more) {
        QV_TRY(has_version(table, at + 1, names, &more, err));
        at += more;
    }
    if (read_hint(table) != at) {
        qv__names listed;
        QV_TRY(qv__newest_version(table, &at, &listed, err));
    }
    if (!at)
        return qv__fail(err, QV_NOT_FOUND, "%s is not a table: no versions", qv__store_uri(table));
    *version = at;
    return QV_OK;
}

void qv__write_version_hint(qv__store *table, uint64_t version)
{
    char text[64];
    int len = snprintf(text, sizeof text, "{\"version\":%" PRIu64 "}", version);

    qv__store_put(table, HINT_NAME, text, (size_t) len, QV_PUT_HINT, NULL);
}

qv_status qv__latest_version(qv__store *table, uint64_t *out, qv_error *err)
{
    qv__names names;

    return qv__newest_version(table, out, &names, err);
}

static int compare_versions(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return (x > y) - (x < y);
}

static qv_status describe_version(const qv__manifest *manifest, qv_version_info *out, qv_error *err)
{
    const Lance__Table__Manifest *head = manifest->head;

    *out = (qv_version_info){ .version = manifest->version,
                              .timestamp_ns = qv__manifest_timestamp(head),
                              .fragments = head->n_fragments };
    for (size_t i = 0; i < head->n_fragments; i++) {
        uint64_t physical, deleted;
        QV_TRY(qv__fragment_rows(head->fragments[i], &physical, &deleted, err));
        if (deleted > physical || !qv__add_u64(out->rows, physical - deleted, &out->rows))
            return qv__fail(err, QV_CORRUPT, "version %" PRIu64 ": impossible row counts", manifest->version);
    }
    return QV_OK;
}

qv_status qv__list_versions(qv__store *table, qv_version_info **out, size_t *n, qv_error *err)
{
    qv_status st = QV_OK;
    version_list list = { .keep_all = true };
    qv_version_info *infos = NULL;
    size_t kept = 0;

    QV_CHECK(list_versions(table, &list, err));
    QV_CHECK(QV_NEW(&infos, list.n, err));
    if (list.n)
        qsort(list.versions, list.n, sizeof *list.versions, compare_versions);
    for (size_t i = 0; i < list.n; i++) {
        qv__manifest *manifest = NULL;
        st = qv__manifest_load(table, list.versions[i], list.has_v1 ? QV_NAMES_V1 : QV_NAMES_V2, &manifest, err);
        if (st == QV_NOT_FOUND) /* cleaned up since the listing */
            continue;
        if (st == QV_OK)
            st = describe_version(manifest, &infos[kept++], err);
        qv__manifest_free(manifest);
        QV_CHECK(st);
    }
    st = QV_OK;
    *out = infos;
    *n = kept;
    infos = NULL;
done:
    qv__free(infos);
    qv__free(list.versions);
    return st;
}
