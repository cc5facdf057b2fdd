/* Making a segment: its rows are read, its files written into a folder of its own, and an entry says what it is. Nothing is visible before
 * the entry is committed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "index/index_private.h"

#define MAX_DETAILS_BYTES ((size_t) 1 << 30)

void qv__made_clear(qv__made_index *made)
{
    for (size_t i = 0; i < made->entry.n_files; i++)
        qv__free((char *) (uintptr_t) made->entry.files[i].path);
    qv__free((void *) (uintptr_t) made->entry.files);
    qv__free((void *) (uintptr_t) made->entry.fragments);
    qv__free((char *) (uintptr_t) made->entry.name);
    qv__buffer_free(&made->built.details);
    qv__store_unref(made->folder);
    *made = (qv__made_index){ 0 };
}

void qv__made_discard(qv__store *table, qv__made_index *made)
{
    char uuid[37], folder[64];
    qv_error err;

    if (!made->folder)
        return;
    qv__uuid_print(made->entry.uuid, uuid);
    snprintf(folder, sizeof folder, "_indices/%s", uuid);
    if (qv__store_delete_tree(table, folder, &err) != QV_OK)
        qv__log(QV_LOG_WARNING, "files of an index that was not committed stay behind: %s", err.message);
}

/* ------------------------------------------------------------------ the entry */

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

    return (x > y) - (x < y);
}

static qv_status list_fragments(const qv__index_order *order, qv__index_entry *entry, qv_error *err)
{
    size_t n_fragments = qv__snapshot_n_fragments(order->snapshot), n = 0;
    uint32_t *ids;

    QV_TRY(QV_NEW(&ids, n_fragments + order->n_others, err));
    entry->fragments = ids;
    for (size_t i = 0; i < n_fragments + order->n_others; i++) {
        bool is_other = i >= n_fragments;
        uint64_t id = is_other ? order->others[i - n_fragments] : qv__snapshot_fragment(order->snapshot, i)->id;
        if (!is_other && !order->covered[i])
            continue;
        if (id > UINT32_MAX)
            return qv__fail(err, QV_LIMIT, "an index cannot name fragment %" PRIu64, id);
        ids[n++] = (uint32_t) id;
    }
    if (n)
        qsort(ids, n, sizeof *ids, compare_ids);
    entry->n_fragments = n;
    return QV_OK;
}

typedef struct listing {
    qv__index_file *files;
    size_t n, capacity;
} listing;

static qv_status add_file(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    listing *l = ctx;

    if (is_folder)
        return QV_OK;
    QV_TRY(QV_GROW(&l->files, &l->capacity, l->n + 1, err));
    char *path = qv__strdup(name);
    if (!path)
        return qv__fail_nomem(err, strlen(name));
    l->files[l->n++] = (qv__index_file){ path, size };
    return QV_OK;
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const qv__index_file *) a)->path, ((const qv__index_file *) b)->path);
}

static qv_status list_files(qv__made_index *made, qv_error *err)
{
    listing l = { 0 };
    qv_status st = qv__store_list(made->folder, "", add_file, &l, err);

    if (l.n)
        qsort(l.files, l.n, sizeof *l.files, compare_files);
    made->entry.files = l.files;
    made->entry.n_files = l.n;
    return st;
}

static qv_status fill_entry(const qv__index_order *order, qv__made_index *made, qv_error *err)
{
    qv__index_entry *entry = &made->entry;

    entry->name = qv__strdup(order->name);
    if (!entry->name)
        return qv__fail_nomem(err, strlen(order->name));
    made->field = order->field->leaf->id;
    entry->n_fields = 1;
    entry->dataset_version = qv__snapshot_version(order->snapshot);
    entry->type_url = order->kind->type_url;
    entry->details = (qv__section_bytes){ made->built.details.data, made->built.details.len };
    entry->index_version = made->built.index_version;
    entry->created_at_ms = qv__now_utc_ns() / 1000000;
    QV_TRY(list_fragments(order, entry, err));
    return list_files(made, err);
}

/* ------------------------------------------------------------------ building */

static qv_status open_rows(qv__row_source *rows, qv__index_source *source, qv_error *err)
{
    *source = (qv__index_source){ .type = rows->field->leaf->type, .sample = qv__row_source_sample, .ctx = rows };
    QV_TRY(qv__row_source_count(rows, &source->rows, err));
    return qv__row_source_open(rows, &source->values, err);
}

static qv_status build(const qv__index_order *order, qv__made_index *made, qv_error *err)
{
    qv_status st = QV_OK;
    bool stable = qv__snapshot_has_stable_row_ids(order->snapshot);
    qv__index_target target = { .folder = made->folder,
                                .options = order->options,
                                .memory_limit = order->options->memory_limit_bytes,
                                .stable_row_ids = stable,
                                .like = order->like,
                                .as_asked = order->as_asked,
                                .job = order->job };
    qv__row_source rows = { order->snapshot, order->field, order->wanted, !stable || order->kind->by_address,
                            !order->kind->remaps };
    qv__index_source source = { 0 };
    unsigned major, minor;

    if (sscanf(qv__snapshot_file_version(order->snapshot), "%u.%u", &major, &minor) == 2)
        target.version = (qv__file_version){ (uint16_t) major, (uint16_t) minor };
    if (order->wanted)
        QV_CHECK(open_rows(&rows, &source, err));
    if (order->n_old)
        QV_CHECK(order->kind->merge(&target, order->old, order->n_old, order->wanted ? &source : NULL, order->keep,
                                    order->ctx, &made->built, err));
    else
        QV_CHECK(order->kind->build(&target, &source, &made->built, err));
done:
    qv__stream_free(source.values);
    return st;
}

qv_status qv__make_index(const qv__index_order *order, qv__made_index *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__made_index made = { 0 };

    qv__buffer_init(&made.built.details, MAX_DETAILS_BYTES);
    QV_CHECK(qv__index_folder_new(order->table, made.entry.uuid, &made.folder, err));
    QV_CHECK(build(order, &made, err));
    QV_CHECK(fill_entry(order, &made, err));
    *out = made;
    out->entry.fields = &out->field;
    return QV_OK;
done:
    qv__made_discard(order->table, &made);
    qv__made_clear(&made);
    return st;
}

/* ------------------------------------------------------------------ rows of older segments */

bool qv__keep_live(void *keeper, size_t segment, uint64_t *row)
{
    const qv__keeper *k = keeper;
    const qv__kept_segment *s = &k->segments[segment];
    size_t fragment = SIZE_MAX;
    uint64_t at;
    bool found = true;

    if (s->addresses) {
        if (k->reuse && qv__fragment_position(k->snapshot, *row >> 32) == SIZE_MAX &&
            !qv__reuse_translate(k->reuse, row))
            return false;
        fragment = qv__fragment_position(k->snapshot, *row >> 32);
        return fragment != SIZE_MAX && s->covered[fragment];
    }
    if (qv__snapshot_locate(k->snapshot, *row, &fragment, &at, &found, NULL) != QV_OK)
        return true; /* a row too many is left out when it is found not to be there */
    return found && s->covered[fragment];
}
