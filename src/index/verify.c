/* Checking indices: the files that an entry names, what the kinds know of their own files, and that rows of live fragments are there. */
#include <inttypes.h>
#include <stdio.h>

#include "index/index_private.h"

typedef struct teller {
    qv__problem_fn problem;
    void *ctx;
    char folder[64];
} teller;

/* Puts the index's folder before the file's name. */
static void tell(void *ctx, const char *object, const char *what)
{
    const teller *t = ctx;
    char name[256];

    snprintf(name, sizeof name, "%s/%s", t->folder, object);
    t->problem(t->ctx, name, what);
}

static qv_status check_files(const qv__index_entry *entry, qv__store *folder, teller *t, qv_error *err)
{
    qv__object *object;
    char text[128];

    for (size_t i = 0; i < entry->n_files; i++) {
        qv_status st = qv__object_open(folder, entry->files[i].path, &object, err);
        if (st == QV_NOT_FOUND || st == QV_INVALID) {
            tell(t, entry->files[i].path, "is missing");
            continue;
        }
        QV_TRY(st);
        if (qv__object_size(object) != entry->files[i].size_bytes) {
            snprintf(text, sizeof text, "has %" PRIu64 " bytes, the manifest says %" PRIu64, qv__object_size(object),
                     entry->files[i].size_bytes);
            tell(t, entry->files[i].path, text);
        }
        qv__object_unref(object);
    }
    return QV_OK;
}

static qv_status check_segment(qv__snapshot *snapshot, const qv__index_entry *entry, teller *t, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__index_method *kind = qv__entry_kind(entry);
    qv__indexed_field field = { 0 };
    qv__open_segment *opened = NULL;
    qv_error found;
    bool is_known = false;

    if (!kind)
        return QV_OK;
    QV_CHECK(qv__field_by_id(snapshot, entry->fields[0], &field, &is_known, err));
    if (!is_known) {
        tell(t, entry->name, "is over a field that the table does not have");
        goto done;
    }
    st = qv__segment_open_alone(snapshot, entry, kind, field.leaf->type, &opened, &found);
    if (st == QV_CORRUPT || st == QV_NOT_FOUND || st == QV_UNSUPPORTED) {
        tell(t, entry->name, found.message);
        st = QV_OK;
        goto done;
    }
    if (st != QV_OK)
        QV_CHECK(qv__fail(err, st, "%s", found.message));
    QV_CHECK(kind->verify(opened->segment, tell, t, err));
done:
    qv__open_segment_unref(opened);
    qv__indexed_field_clear(&field);
    return st;
}

static qv_status check_entry(qv__snapshot *snapshot, const qv__index_entry *entry, qv__problem_fn problem, void *ctx,
                             qv_error *err)
{
    qv_status st = QV_OK;
    teller t = { problem, ctx, "" };
    qv__store *folder = NULL;
    char uuid[37];

    qv__uuid_print(entry->uuid, uuid);
    snprintf(t.folder, sizeof t.folder, "_indices/%s", uuid);
    QV_CHECK(qv__snapshot_index_folder(snapshot, entry, &folder, err));
    QV_CHECK(check_files(entry, folder, &t, err));
    if (entry->n_fragments)
        QV_CHECK(check_segment(snapshot, entry, &t, err));
done:
    qv__store_unref(folder);
    return st;
}

/* Two segments of one index must not answer for the same fragment. */
static qv_status check_overlap(qv__snapshot *snapshot, const qv__logical_index *index, qv__problem_fn problem,
                               void *ctx, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n = qv__snapshot_n_fragments(snapshot), n_covered;
    bool *seen = NULL, *covered = NULL, overlaps = false;

    QV_CHECK(QV_NEW(&seen, n, err));
    for (size_t i = 0; i < index->n; i++) {
        QV_CHECK(qv__entry_coverage(snapshot, index->entries[i], NULL, &covered, &n_covered, err));
        for (size_t f = 0; f < n; f++) {
            overlaps |= seen[f] && covered[f];
            seen[f] |= covered[f];
        }
        qv__free(covered);
        covered = NULL;
    }
    if (overlaps)
        problem(ctx, index->name, "two segments of the index cover the same fragment");
done:
    qv__free(seen);
    qv__free(covered);
    return st;
}

qv_status qv__index_verify(qv__snapshot *snapshot, qv__problem_fn problem, void *ctx, qv__job *job, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__index_entry *entries;
    qv__logical_list list = { 0 };
    size_t n;

    QV_CHECK(qv__snapshot_indices(snapshot, &entries, &n, err));
    for (size_t i = 0; i < n; i++) {
        QV_CHECK(check_entry(snapshot, &entries[i], problem, ctx, err));
        QV_CHECK(qv__job_tick(job, 0, 0, err));
    }
    QV_CHECK(qv__logical_indices(snapshot, &list, err));
    for (size_t i = 0; i < list.n; i++)
        QV_CHECK(check_overlap(snapshot, &list.items[i], problem, ctx, err));
done:
    qv__logical_list_clear(&list);
    return st;
}
