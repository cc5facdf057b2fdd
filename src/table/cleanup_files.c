/* Removing files that no remaining version names: at once when a version named them that is gone, else only when they are old,
 * because they may belong to a change that is not committed yet. */
#include <stdio.h>

#include "table/cleanup.h"

#define BATCH 1024 /* deletions under one sync of the folder */

typedef struct sweep {
    qv__cleaning *c;
    const char *folder;   /* that is listed */
    const char *prefix;   /* of names in the sets: the folder and '/', or nothing */
    const char *suffixes; /* of files that are ours, separated by a space */
    uint64_t *n_removed;
    qv__name_list doomed;
    uint64_t bytes;
} sweep;

static bool has_suffix(const char *name, const char *suffixes)
{
    size_t len = strlen(name);

    for (const char *s = suffixes; *s; s += strcspn(s, " "), s += *s == ' ') {
        size_t n = strcspn(s, " ");
        if (len > n && strncmp(name + len - n, s, n) == 0)
            return true;
    }
    return false;
}

static qv_status is_aged(qv__cleaning *c, const char *folder, const char *name, bool *out, qv_error *err)
{
    qv__object_info info;
    size_t len = strlen(folder) + strlen(name) + 2;
    char *path;

    QV_TRY(QV_NEW(&path, len, err));
    snprintf(path, len, "%s/%s", folder, name);
    qv_status st = qv__store_info(c->table, path, &info, err);
    qv__free(path);
    *out = st == QV_OK && info.modified_ns < c->now_ns - QV_SAFE_AGE_NS;
    return st == QV_NOT_FOUND ? QV_OK : st;
}

/* ------------------------------------------------------------------ single files */

static qv_status flush(sweep *s, qv_error *err)
{
    QV_TRY(qv__store_delete_many(s->c->table, s->folder, (const char *const *) s->doomed.items, s->doomed.n, err));
    *s->n_removed += s->doomed.n;
    s->c->result.bytes_removed += s->bytes;
    s->bytes = 0;
    qv__name_list_clear(&s->doomed);
    return QV_OK;
}

static qv_status doom(sweep *s, const char *name, uint64_t size, qv_error *err)
{
    QV_TRY(QV_GROW(&s->doomed.items, &s->doomed.capacity, s->doomed.n + 1, err));
    s->doomed.items[s->doomed.n] = qv__strdup(name);
    if (!s->doomed.items[s->doomed.n])
        return qv__fail_nomem(err, strlen(name) + 1);
    s->doomed.n++;
    s->bytes += size;
    return s->doomed.n < BATCH ? QV_OK : flush(s, err);
}

static qv_status look_at_file(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    sweep *s = ctx;
    char key[512];
    bool goes;

    if (is_folder || !has_suffix(name, s->suffixes))
        return QV_OK;
    QV_TRY(qv__job_tick(s->c->job, 0, 0, err));
    snprintf(key, sizeof key, "%s%s", s->prefix, name); /* names are at most 255 bytes */
    if (qv__name_set_has(&s->c->kept, key))
        return QV_OK;
    bool is_held = s->c->has_journal && !*s->prefix;
    goes = qv__name_set_has(&s->c->dropped, key) || (s->c->options->delete_unverified && !is_held);
    if (!goes && !is_held)
        QV_TRY(is_aged(s->c, s->folder, name, &goes, err));
    return goes ? doom(s, name, size, err) : QV_OK;
}

static qv_status sweep_files(qv__cleaning *c, const char *folder, const char *prefix, const char *suffixes,
                             uint64_t *n_removed, qv_error *err)
{
    sweep s = { c, folder, prefix, suffixes, n_removed, { 0 }, 0 };
    qv_status st = QV_OK;

    QV_CHECK(qv__store_list(c->table, folder, look_at_file, &s, err));
    QV_CHECK(flush(&s, err));
done:
    qv__name_list_clear(&s.doomed);
    return st;
}

/* Files that were never finished: no listing shows them. */
static qv_status sweep_uploads_of(qv__cleaning *c, const char *folder, qv_error *err)
{
    int64_t before_ns = c->options->delete_unverified ? c->now_ns : c->now_ns - QV_SAFE_AGE_NS;
    uint64_t bytes = 0;

    QV_TRY(qv__store_sweep(c->table, folder, before_ns, &bytes, err));
    c->result.bytes_removed += bytes;
    return QV_OK;
}

/* ------------------------------------------------------------------ folders: of an index, of the blobs of a data file */

typedef struct contents {
    qv__cleaning *c;
    const char *path;
    uint64_t files, bytes;
    bool is_young; /* one of them is */
} contents;

static qv_status count_file(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    contents *k = ctx;
    bool aged = false;

    if (is_folder) {
        k->is_young = true; /* what has folders of its own is not ours to judge */
        return QV_OK;
    }
    k->files++;
    k->bytes += size;
    if (!k->is_young)
        QV_TRY(is_aged(k->c, k->path, name, &aged, err));
    k->is_young |= !aged;
    return QV_OK;
}

static qv_status look_at_folder(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    sweep *s = ctx;
    char key[512], path[512];
    contents k = { .c = s->c, .path = path };

    QV_UNUSED(size);
    if (!is_folder)
        return QV_OK;
    snprintf(key, sizeof key, "%s%s", name, s->suffixes);
    snprintf(path, sizeof path, "%s/%s", s->folder, name);
    if (qv__name_set_has(&s->c->kept, key))
        return QV_OK;
    QV_TRY(qv__store_list(s->c->table, path, count_file, &k, err));
    /* without files it is of a build that has just begun, or of one that was killed then */
    bool goes = s->c->options->delete_unverified || (k.files && (qv__name_set_has(&s->c->dropped, key) || !k.is_young));
    if (!goes)
        return sweep_uploads_of(s->c, path, err);
    QV_TRY(qv__store_delete_tree(s->c->table, path, err));
    *s->n_removed += k.files;
    s->c->result.bytes_removed += k.bytes;
    return QV_OK;
}

/* The set has a folder's name with `suffix`. */
static qv_status sweep_folders(qv__cleaning *c, const char *folder, const char *suffix, uint64_t *n_removed,
                               qv_error *err)
{
    sweep s = { .c = c, .folder = folder, .suffixes = suffix, .n_removed = n_removed };

    return qv__store_list(c->table, folder, look_at_folder, &s, err);
}

/* ------------------------------------------------------------------ all kinds */

static qv_status sweep_uploads(qv__cleaning *c, qv_error *err)
{
    static const char *const folders[] = {
        "data", QV_VERSIONS_FOLDER, QV_TRANSACTIONS_FOLDER, QV_DELETIONS_FOLDER, QV_TAGS_FOLDER, QV_BRANCHES_FOLDER
    };

    for (size_t i = 0; i < QV_COUNT_OF(folders); i++)
        QV_TRY(sweep_uploads_of(c, folders[i], err));
    return QV_OK;
}

static qv_status note_journal(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    qv__cleaning *c = ctx;

    QV_UNUSED(size);
    QV_UNUSED(err);
    c->has_journal |= !is_folder && has_suffix(name, ".log");
    return QV_OK;
}

qv_status qv__cleanup_files(qv__cleaning *c, qv_error *err)
{
    qv_cleanup_result *r = &c->result;

    QV_TRY(qv__store_list(c->table, QV_JOURNALS_FOLDER, note_journal, c, err));
    QV_TRY(sweep_files(c, "data", "", ".lance", &r->data_files_removed, err));
    QV_TRY(sweep_folders(c, "data", ".lance", &r->data_files_removed, err));
    QV_TRY(
        sweep_files(c, QV_DELETIONS_FOLDER, QV_DELETIONS_FOLDER "/", ".arrow .bin", &r->deletion_files_removed, err));
    QV_TRY(
        sweep_files(c, QV_TRANSACTIONS_FOLDER, QV_TRANSACTIONS_FOLDER "/", ".txn", &r->transaction_files_removed, err));
    QV_TRY(sweep_folders(c, QV_INDICES_FOLDER, "", &r->index_files_removed, err));
    return sweep_uploads(c, err);
}
