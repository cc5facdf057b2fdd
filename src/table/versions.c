/* Which versions there are.
 *
 * The truth is the listing of _versions/. It grows with the table, so it is read only where names alone cannot tell: version N is
 * the newest when it is there, N+1 is not, and the version hint says exactly N.
 *
 * Versions are published one after the other without gaps; only clean-up makes holes, since it keeps tagged versions. So "N is
 * there, N+1 is not" has one other meaning: a handle that slept, or an old hint, stands below a hole. The hint tells the two
 * apart. Every commit on local disk rewrites it behind the manifest, and clean-up makes it durable before it takes the first
 * version away. A missing, unreadable or disagreeing one means a listing; it decides nothing by itself. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "table/refs_private.h"

#define HINT_NAME   QV_VERSIONS_FOLDER "/latest_version_hint.json"
#define MOST_PROBES 64 /* upward, before a listing is cheaper */

typedef struct version_list {
    bool keep_all;
    uint64_t *versions; /* keep_all */
    size_t n, capacity;
    uint64_t newest;
    bool has_v1;
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
    list->newest = QV_MAX(list->newest, version);
    if (list->keep_all) {
        QV_TRY(QV_GROW(&list->versions, &list->capacity, list->n + 1, err));
        list->versions[list->n++] = version;
    }
    return QV_OK;
}

/* Both kinds of names: a migration is under way, or was cut off. A version has one name at any time. */
static qv_status list_versions(qv__store *table, version_list *list, qv_error *err)
{
    return qv__store_list(table, QV_VERSIONS_FOLDER, add_version, list, err);
}

/* ------------------------------------------------------------------ one version, by name */

static qv_status exists_as(qv__store *table, uint64_t version, qv__names names, bool *out, qv_error *err)
{
    char name[QV_NAME_BYTES];

    qv__manifest_name(version, names, name);
    return qv__store_exists(table, name, out, err);
}

/* Names only ever change from V1 to V2. */
static qv_status has_version(qv__store *table, uint64_t version, qv__names *names, bool *out, qv_error *err)
{
    if (*names == QV_NAMES_V1) {
        QV_TRY(exists_as(table, version, QV_NAMES_V1, out, err));
        if (*out)
            return QV_OK;
    }
    QV_TRY(exists_as(table, version, QV_NAMES_V2, out, err));
    if (*out)
        *names = QV_NAMES_V2;
    return QV_OK;
}

static qv_status no_version(qv__store *table, uint64_t version, qv_error *err)
{
    return qv__fail(err, QV_NOT_FOUND, "%s has no version %" PRIu64, qv__store_uri(table), version);
}

qv_status qv__version_find(qv__store *table, uint64_t version, qv__names *names, uint64_t *bytes, qv_error *err)
{
    static const qv__names kinds[] = { QV_NAMES_V2, QV_NAMES_V1 };
    qv__object_info info;

    for (size_t i = 0; i < QV_COUNT_OF(kinds); i++) {
        char name[QV_NAME_BYTES];
        qv__manifest_name(version, kinds[i], name);
        qv_status st = qv__store_info(table, name, &info, err);
        if (st == QV_OK) {
            *names = kinds[i];
            if (bytes)
                *bytes = info.size;
        }
        if (st != QV_NOT_FOUND)
            return st;
    }
    return no_version(table, version, err);
}

qv_status qv__version_load(qv__store *table, uint64_t version, qv__manifest **out, qv_error *err)
{
    qv_status st = qv__manifest_load(table, version, QV_NAMES_V2, out, err);

    if (st == QV_NOT_FOUND && !(version & QV_DETACHED_BIT))
        st = qv__manifest_load(table, version, QV_NAMES_V1, out, err);
    return st == QV_NOT_FOUND ? no_version(table, version, err) : st;
}

/* ------------------------------------------------------------------ the newest version */

/* 0 when there is none that can be read: {"version":N}, written by us or by others with their own spacing. */
static uint64_t read_hint(qv__store *table)
{
    qv__bytes bytes = { 0 };
    uint64_t version = 0;
    char text[64];

    if (qv__store_get(table, HINT_NAME, sizeof text - 1, &bytes, NULL) != QV_OK)
        return 0;
    if (bytes.len)
        memcpy(text, bytes.data, bytes.len);
    text[bytes.len] = 0;
    if (sscanf(text, " { \"version\" : %" SCNu64 " }", &version) != 1 || version & QV_DETACHED_BIT)
        version = 0;
    qv__bytes_unref(&bytes);
    return version;
}

/* A listing may miss a version that was put after it began, while clean-up takes those before it: none is believed the second time. */
static qv_status newest_listed(qv__store *table, uint64_t *version, qv__names *names, qv_error *err)
{
    version_list list = { 0 };
    bool is_v2 = false;

    QV_TRY(list_versions(table, &list, err));
    if (!list.newest)
        QV_TRY(list_versions(table, &list, err));
    *names = QV_NAMES_V2;
    if (list.has_v1) {
        QV_TRY(exists_as(table, list.newest, QV_NAMES_V2, &is_v2, err));
        *names = is_v2 ? QV_NAMES_V2 : QV_NAMES_V1;
    }
    *version = list.newest;
    return QV_OK;
}

/* Climbs from a version that is there. *out 0: too far, or the hint read afterwards does not agree. */
static qv_status climb(qv__store *table, uint64_t from, qv__names names, uint64_t *out, qv_error *err)
{
    bool more = true;
    uint64_t at = from;

    *out = 0;
    while (more && at - from < MOST_PROBES) {
        QV_TRY(has_version(table, at + 1, &names, &more, err));
        at += more;
    }
    if (!more && read_hint(table) == at)
        *out = at;
    return QV_OK;
}

/* From where the hint points. *out 0: not to be had that way. */
static qv_status climb_from_hint(qv__store *table, uint64_t *out, qv__names *names, qv_error *err)
{
    uint64_t hint = read_hint(table);
    bool found = false;

    *out = 0;
    if (!hint)
        return QV_OK;
    *names = QV_NAMES_V1;
    QV_TRY(has_version(table, hint, names, &found, err));
    return found ? climb(table, hint, *names, out, err) : QV_OK;
}

qv_status qv__newest_version(qv__store *table, uint64_t *version, qv__names *names, qv_error *err)
{
    QV_TRY(climb_from_hint(table, version, names, err));
    return *version ? QV_OK : newest_listed(table, version, names, err);
}

qv_status qv__newest_version_after(qv__store *table, uint64_t known, qv__names names, uint64_t *version, qv_error *err)
{
    uint64_t at;

    QV_TRY(climb(table, known, names, &at, err));
    if (!at)
        QV_TRY(qv__newest_version(table, &at, &names, err));
    if (!at)
        return qv__fail(err, QV_NOT_FOUND, "%s is not a table: no versions", qv__store_uri(table));
    *version = at;
    return QV_OK;
}

static qv_status put_hint(qv__store *table, uint64_t version, qv__put_mode mode, qv_error *err)
{
    char text[64];
    int len = snprintf(text, sizeof text, "{\"version\":%" PRIu64 "}", version);

    return qv__store_put(table, HINT_NAME, text, (size_t) len, mode, err);
}

void qv__write_version_hint(qv__store *table, uint64_t version) { put_hint(table, version, QV_PUT_HINT, NULL); }

qv_status qv__write_version_hint_durably(qv__store *table, uint64_t version, qv_error *err)
{
    return put_hint(table, version, QV_PUT_REPLACE, err);
}

qv_status qv__latest_version(qv__store *table, uint64_t *out, qv_error *err)
{
    qv__names names;

    return qv__newest_version(table, out, &names, err);
}

/* ------------------------------------------------------------------ all versions */

static int compare_versions(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return (x > y) - (x < y);
}

qv_status qv__version_numbers(qv__store *table, uint64_t **out, size_t *n, qv__names *names, qv_error *err)
{
    version_list list = { .keep_all = true };
    qv_status st = list_versions(table, &list, err);
    size_t kept = 0;

    if (st != QV_OK) {
        qv__free(list.versions);
        return st;
    }
    if (list.n)
        qsort(list.versions, list.n, sizeof *list.versions, compare_versions);
    for (size_t i = 0; i < list.n; i++) /* under both names, when a foreign migration copies */
        if (i == 0 || list.versions[i] != list.versions[kept - 1])
            list.versions[kept++] = list.versions[i];
    *out = list.versions;
    *n = kept;
    *names = list.has_v1 ? QV_NAMES_V1 : QV_NAMES_V2;
    return QV_OK;
}

static qv_status add_fragment(ProtobufCBinaryData packed, qv_version_info *out, qv_error *err)
{
    qv_status st = QV_OK;
    ProtobufCMessage *message;
    uint64_t physical, deleted;
    qv__arena arena;

    qv__arena_init(&arena, qv__message_limit(packed.len));
    QV_CHECK(qv__fragment_rows(packed, &physical, &deleted, err));
    QV_CHECK(
        qv__message_unpack(&lance__table__data_fragment__descriptor, packed.data, packed.len, &arena, &message, err));
    const Lance__Table__DataFragment *fragment = (const Lance__Table__DataFragment *) message;
    bool plausible = deleted <= physical && qv__add_u64(out->rows, physical - deleted, &out->rows) &&
                     qv__add_u64(out->data_rows, physical, &out->data_rows);
    for (size_t i = 0; i < fragment->n_files && plausible; i++)
        plausible = qv__add_u64(out->bytes, fragment->files[i]->file_size_bytes, &out->bytes);
    if (!plausible)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "version %" PRIu64 ": impossible row counts or sizes", out->version));
    out->data_files += fragment->n_files;
    out->deletion_files += fragment->deletion_file != NULL;
    out->deleted_rows += deleted;
done:
    qv__arena_reset(&arena);
    return st;
}

static qv_status describe_version(const qv__manifest *manifest, qv_version_info *out, qv_error *err)
{
    const Lance__Table__Manifest *head = manifest->head;

    *out = (qv_version_info){ .version = manifest->version,
                              .timestamp_ns = qv__manifest_timestamp(head),
                              .fragments = head->n_fragments };
    for (size_t i = 0; i < head->n_fragments; i++)
        QV_TRY(add_fragment(head->fragments[i], out, err));
    return QV_OK;
}

qv_status qv__list_versions(qv__store *table, qv_version_info **out, size_t *n, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t *versions = NULL;
    qv_version_info *infos = NULL;
    size_t listed = 0, kept = 0;
    qv__names names;

    QV_CHECK(qv__version_numbers(table, &versions, &listed, &names, err));
    QV_CHECK(QV_NEW(&infos, listed, err));
    for (size_t i = 0; i < listed; i++) {
        qv__manifest *manifest = NULL;
        st = qv__version_load(table, versions[i], &manifest, err);
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
    qv__free(versions);
    return st;
}

/* Clocks are not to be trusted to grow with the versions, so each is asked, from the newest down. */
qv_status qv__version_at(qv__store *table, int64_t timestamp_ns, uint64_t *version, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t *versions = NULL;
    size_t n = 0;
    qv__names names;
    bool found = false;

    QV_CHECK(qv__version_numbers(table, &versions, &n, &names, err));
    for (size_t i = n; i > 0 && !found; i--) {
        qv__manifest *manifest = NULL;
        st = qv__version_load(table, versions[i - 1], &manifest, err);
        if (st == QV_NOT_FOUND)
            continue;
        QV_CHECK(st);
        found = qv__manifest_timestamp(manifest->head) <= timestamp_ns;
        if (found)
            *version = manifest->version;
        qv__manifest_free(manifest);
    }
    st = found ? QV_OK
               : qv__fail(err, QV_NOT_FOUND, "%s has no version that was committed at or before %" PRId64 " ns",
                          qv__store_uri(table), timestamp_ns);
done:
    qv__free(versions);
    return st;
}
