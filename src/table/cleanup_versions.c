/* Taking old versions away: which ones, and how nobody who names one at the same moment is left without it.
 *
 * A tag or a branch puts its file first and looks for the version afterwards. Here versions go first, and the references are
 * read again afterwards: one that names a version which has just gone gets it back, since its bytes are still at hand. So either
 * the maker of the reference sees that the version is gone, or the version is there again, and its files stay. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "table/cleanup.h"

#define CHUNK 256 /* versions whose manifests are held at once */

typedef struct named { /* a version that a reference names */
    uint64_t version;
    const char *tag; /* NULL: a branch */
} named;

typedef struct named_list {
    named *items;
    size_t n, capacity;
    qv_tags *tags; /* own the names */
} named_list;

static void clear_named(named_list *list)
{
    qv__free(list->items);
    qv__tags_free(list->tags);
    *list = (named_list){ 0 };
}

static bool is_same_branch(const char *a, const char *b)
{
    return qv__is_main(a) || qv__is_main(b) ? qv__is_main(a) && qv__is_main(b) : strcmp(a, b) == 0;
}

static qv_status add_named(named_list *list, uint64_t version, const char *tag, qv_error *err)
{
    QV_TRY(QV_GROW(&list->items, &list->capacity, list->n + 1, err));
    list->items[list->n++] = (named){ version, tag };
    return QV_OK;
}

static qv_status read_named(qv__cleaning *c, named_list *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv_branches *branches = NULL;
    named_list list = { 0 };

    QV_CHECK(qv__list_tags(c->root, &list.tags, err));
    for (size_t i = 0; i < list.tags->n; i++)
        if (is_same_branch(list.tags->tags[i].branch, c->branch))
            QV_CHECK(add_named(&list, list.tags->tags[i].version, list.tags->tags[i].name, err));
    QV_CHECK(qv__list_branches(c->root, &branches, err));
    for (size_t i = 0; i < branches->n; i++)
        if (is_same_branch(branches->branches[i].parent_branch, c->branch))
            QV_CHECK(add_named(&list, branches->branches[i].parent_version, NULL, err));
    *out = list;
    list = (named_list){ 0 };
done:
    qv__branches_free(branches);
    clear_named(&list);
    return st;
}

/* A tag counts before a branch: it may be an error. */
static const named *find_named(const named_list *list, uint64_t version)
{
    const named *found = NULL;

    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].version == version && (!found || list->items[i].tag))
            found = &list->items[i];
    return found;
}

/* ------------------------------------------------------------------ which versions */

static qv_status is_old(qv__cleaning *c, uint64_t version, bool *out, qv_error *err)
{
    int64_t seconds = c->options->older_than_s < 0 ? QV_SAFE_AGE_NS / 1000000000 : c->options->older_than_s;
    qv__manifest *manifest = NULL;

    *out = false;
    QV_TRY(qv__job_tick(c->job, 0, 0, err));
    qv_status st = qv__version_load(c->table, version, &manifest, err);
    if (st == QV_OK && seconds <= c->now_ns / 1000000000)
        *out = qv__manifest_timestamp(manifest->head) <= c->now_ns - seconds * 1000000000;
    qv__manifest_free(manifest);
    return st == QV_NOT_FOUND ? QV_OK : st;
}

/* Leaves the versions that may go, ascending. The newest is never among them. */
static qv_status choose(qv__cleaning *c, const named_list *list, uint64_t *versions, size_t *n, qv_error *err)
{
    uint64_t retained = QV_MAX(c->options->retain_versions, 1);
    size_t kept = 0, n_candidates = *n > retained ? *n - (size_t) retained : 0;

    for (size_t i = 0; i < n_candidates; i++) {
        const named *by = find_named(list, versions[i]);
        bool old = false;
        if (by && !(by->tag && c->options->error_if_tagged))
            continue;
        QV_TRY(is_old(c, versions[i], &old, err));
        if (old && by)
            return qv__fail(err, QV_CONFLICT,
                            "Cleanup error: a tagged version has been marked for cleanup: tag \"%s\", version %" PRIu64,
                            by->tag, versions[i]);
        if (old)
            versions[kept++] = versions[i];
    }
    *n = kept;
    return QV_OK;
}

/* ------------------------------------------------------------------ taking away */

typedef struct chunk {
    size_t n;
    qv__manifest *manifests[CHUNK];
    char names[CHUNK][QV_NAME_BYTES]; /* below the folder */
} chunk;

static void clear_chunk(chunk *k)
{
    for (size_t i = 0; i < k->n; i++)
        qv__manifest_free(k->manifests[i]);
    k->n = 0;
}

static qv_status load_chunk(qv__cleaning *c, const uint64_t *versions, size_t n, chunk *k, qv_error *err)
{
    for (size_t i = 0; i < n; i++) {
        char path[QV_NAME_BYTES];
        qv_status st = qv__version_load(c->table, versions[i], &k->manifests[k->n], err);
        if (st == QV_NOT_FOUND)
            continue;
        QV_TRY(st);
        qv__manifest_name(versions[i], k->manifests[k->n]->names, path);
        snprintf(k->names[k->n], QV_NAME_BYTES, "%s", path + sizeof QV_VERSIONS_FOLDER);
        k->n++;
        QV_TRY(qv__cleanup_note(&c->dropped, k->manifests[k->n - 1], false, err));
    }
    return QV_OK;
}

/* Versions that were named meanwhile come back, as they were. */
static qv_status give_back(qv__cleaning *c, chunk *k, qv_error *err)
{
    qv_status st = QV_OK;
    named_list list = { 0 };

    QV_CHECK(read_named(c, &list, err));
    for (size_t i = 0; i < k->n; i++) {
        const qv__manifest *m = k->manifests[i];
        char path[QV_NAME_BYTES];
        if (!find_named(&list, m->version)) {
            c->result.versions_removed++;
            c->result.bytes_removed += m->bytes.len;
            continue;
        }
        qv__manifest_name(m->version, m->names, path);
        st = qv__store_put(c->table, path, m->bytes.data, m->bytes.len, QV_PUT_IF_ABSENT, err);
        if (st != QV_EXISTS)
            QV_CHECK(st);
    }
    st = QV_OK;
done:
    clear_named(&list);
    return st;
}

static qv_status take_away(qv__cleaning *c, const uint64_t *versions, size_t n, qv_error *err)
{
    qv_status st = QV_OK;
    const char *names[CHUNK];
    chunk *k = NULL;

    QV_TRY(QV_NEW(&k, 1, err));
    for (size_t at = 0; at < n; at += CHUNK) {
        QV_CHECK(load_chunk(c, versions + at, QV_MIN(n - at, CHUNK), k, err));
        for (size_t i = 0; i < k->n; i++)
            names[i] = k->names[i];
        QV_CHECK(qv__store_delete_many(c->table, QV_VERSIONS_FOLDER, names, k->n, err));
        QV_CHECK(give_back(c, k, err));
        clear_chunk(k);
    }
done:
    clear_chunk(k);
    qv__free(k);
    return st;
}

qv_status qv__cleanup_versions(qv__cleaning *c, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t *versions = NULL;
    named_list list = { 0 };
    qv__names names;
    size_t n = 0;

    QV_CHECK(qv__version_numbers(c->table, &versions, &n, &names, err));
    uint64_t newest = n ? versions[n - 1] : 0;
    QV_CHECK(read_named(c, &list, err));
    QV_CHECK(choose(c, &list, versions, &n, err));
    if (!n)
        goto done;
    QV_CHECK(qv__write_version_hint_durably(c->table, newest, err)); /* holes come: see versions.c */
    QV_CHECK(take_away(c, versions, n, err));
done:
    clear_named(&list);
    qv__free(versions);
    return st;
}
