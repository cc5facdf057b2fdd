/* What indices there are, as JSON, and the care that needs no commit. */
#include <inttypes.h>

#include "index/index_private.h"
#include "json/json.h"

/* ------------------------------------------------------------------ coverage in rows */

typedef struct counts {
    uint64_t indexed_rows, unindexed_rows;
    size_t indexed_fragments, unindexed_fragments;
    uint64_t *rows; /* per segment; owned */
} counts;

static qv_status count_rows(qv__snapshot *snapshot, const qv__logical_index *index, const qv__reuse *reuse, counts *out,
                            qv_error *err)
{
    qv_status st = QV_OK;
    size_t n = qv__snapshot_n_fragments(snapshot), n_covered;
    bool **covered = NULL;
    uint64_t all;

    QV_CHECK(qv__snapshot_count_rows(snapshot, &all, err)); /* deletion files are read */
    QV_CHECK(QV_NEW(&covered, index->n, err));
    QV_CHECK(QV_NEW(&out->rows, index->n, err));
    for (size_t i = 0; i < index->n; i++)
        QV_CHECK(qv__entry_coverage(snapshot, index->entries[i], reuse, &covered[i], &n_covered, err));
    for (size_t f = 0; f < n; f++) {
        uint64_t rows = qv__snapshot_live_rows(snapshot, f);
        bool any = false;
        for (size_t i = 0; i < index->n; i++) {
            if (!covered[i][f])
                continue;
            out->rows[i] += rows;
            any = true;
        }
        *(any ? &out->indexed_rows : &out->unindexed_rows) += rows;
        ++*(any ? &out->indexed_fragments : &out->unindexed_fragments);
    }
done:
    for (size_t i = 0; covered && i < index->n; i++)
        qv__free(covered[i]);
    qv__free((void *) covered);
    return st;
}

qv_status qv__index_unindexed(qv__snapshot *snapshot, const char *name, uint64_t *rows, qv_error *err)
{
    qv_status st = QV_OK;
    qv__logical_list list = { 0 };
    qv__reuse *reuse = NULL;
    counts c = { 0 };

    QV_CHECK(qv__logical_indices(snapshot, &list, err));
    const qv__logical_index *index = qv__logical_find(&list, name);
    if (!index)
        QV_CHECK(qv__fail(err, QV_NOT_FOUND, "Lance index not found: name=%s", name));
    QV_CHECK(qv__reuse_open(snapshot, &reuse, err));
    QV_CHECK(count_rows(snapshot, index, reuse, &c, err));
    *rows = c.unindexed_rows;
done:
    qv__free(c.rows);
    qv__reuse_free(reuse);
    qv__logical_list_clear(&list);
    return st;
}

/* ------------------------------------------------------------------ the list */

/* "/lance.table.InvertedIndexDetails" -> "Inverted" */
static qv_status print_kind(const qv__logical_index *index, qv__buffer *json, qv_error *err)
{
    static const char suffix[] = "IndexDetails";
    const char *url = index->entries[0]->type_url ? index->entries[0]->type_url : "", *dot = strrchr(url, '.'),
               *name = dot ? dot + 1 : url;
    size_t len = strlen(name), tail = sizeof suffix - 1;

    if (index->kind)
        return qv__json_quote(index->kind->display, strlen(index->kind->display), json, err);
    if (strcmp(name, "InvertedIndexDetails") == 0)
        return qv__json_quote("FTS", 3, json, err);
    if (len > tail && strcmp(name + len - tail, suffix) == 0)
        len -= tail;
    return len ? qv__json_quote(name, len, json, err) : qv__json_quote("Unknown", 7, json, err);
}

static qv_status print_columns(qv__snapshot *snapshot, const qv__index_entry *entry, qv__buffer *json, qv_error *err)
{
    bool is_first = true;

    QV_TRY(qv__buffer_printf(json, err, "["));
    for (size_t i = 0; i < entry->n_fields; i++) {
        qv__indexed_field field;
        bool found;
        QV_TRY(qv__field_by_id(snapshot, entry->fields[i], &field, &found, err));
        if (!found)
            continue;
        qv_status st = is_first ? QV_OK : qv__buffer_printf(json, err, ",");
        if (st == QV_OK)
            st = qv__json_quote(field.path, strlen(field.path), json, err);
        qv__indexed_field_clear(&field);
        QV_TRY(st);
        is_first = false;
    }
    return qv__buffer_printf(json, err, "]");
}

static uint64_t total_bytes(const qv__logical_index *index)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < index->n; i++)
        for (size_t f = 0; f < index->entries[i]->n_files; f++)
            bytes += index->entries[i]->files[f].size_bytes;
    return bytes;
}

static int64_t newest_ms(const qv__logical_index *index)
{
    int64_t ms = 0;

    for (size_t i = 0; i < index->n; i++)
        ms = QV_MAX(ms, index->entries[i]->created_at_ms);
    return ms;
}

static qv_status print_index(qv__snapshot *snapshot, const qv__logical_index *index, const qv__reuse *reuse,
                             qv__buffer *json, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__index_entry *first = index->entries[0];
    counts c = { 0 };
    char uuid[37];

    qv__uuid_print(first->uuid, uuid);
    QV_CHECK(count_rows(snapshot, index, reuse, &c, err));
    QV_CHECK(qv__buffer_printf(json, err, "{\"name\":"));
    QV_CHECK(qv__json_quote(index->name, strlen(index->name), json, err));
    QV_CHECK(qv__buffer_printf(json, err, ",\"index_type\":"));
    QV_CHECK(print_kind(index, json, err));
    QV_CHECK(qv__buffer_printf(json, err, ",\"columns\":"));
    QV_CHECK(print_columns(snapshot, first, json, err));
    QV_CHECK(qv__buffer_printf(json, err, ",\"index_uuid\":\"%s\",\"type_url\":", uuid));
    QV_CHECK(qv__json_quote(first->type_url ? first->type_url : "", first->type_url ? strlen(first->type_url) : 0, json,
                            err));
    QV_CHECK(qv__buffer_printf(
        json, err,
        ",\"created_at_ms\":%" PRId64 ",\"num_indexed_rows\":%" PRIu64 ",\"num_unindexed_rows\":%" PRIu64
        ",\"size_bytes\":%" PRIu64 ",\"num_segments\":%zu,\"index_version\":%" PRId32 ",\"index_details\":{",
        newest_ms(index), c.indexed_rows, c.unindexed_rows, total_bytes(index), index->n, first->index_version));
    if (index->kind && index->kind->print_details)
        QV_CHECK(index->kind->print_details(first, json, err));
    QV_CHECK(qv__buffer_printf(json, err, "}}"));
done:
    qv__free(c.rows);
    return st;
}

qv_status qv__index_list(qv__snapshot *snapshot, qv__buffer *json, qv_error *err)
{
    qv_status st = QV_OK;
    qv__logical_list list = { 0 };
    qv__reuse *reuse = NULL;

    QV_CHECK(qv__logical_indices(snapshot, &list, err));
    QV_CHECK(qv__reuse_open(snapshot, &reuse, err));
    QV_CHECK(qv__buffer_printf(json, err, "["));
    for (size_t i = 0; i < list.n; i++) {
        if (i)
            QV_CHECK(qv__buffer_printf(json, err, ","));
        QV_CHECK(print_index(snapshot, &list.items[i], reuse, json, err));
    }
    QV_CHECK(qv__buffer_printf(json, err, "]"));
done:
    qv__reuse_free(reuse);
    qv__logical_list_clear(&list);
    return st;
}

/* ------------------------------------------------------------------ one index */

static qv_status open_segment(qv__snapshot *snapshot, const qv__logical_index *index, size_t i, qv__open_segment **out,
                              qv_error *err)
{
    qv_status st = QV_OK;
    qv__indexed_field field = { 0 };
    bool found;

    *out = NULL;
    if (!index->kind || !index->entries[i]->n_fragments)
        return QV_OK;
    QV_TRY(qv__field_by_id(snapshot, index->field, &field, &found, err));
    if (found)
        st = qv__segment_open(snapshot, index->entries[i], index->kind, field.leaf->type, out, err);
    qv__indexed_field_clear(&field);
    return st;
}

static qv_status print_segment(qv__snapshot *snapshot, const qv__logical_index *index, size_t i, qv__buffer *json,
                               qv_error *err)
{
    qv_status st = QV_OK;
    qv__open_segment *opened = NULL;
    char uuid[37];

    qv__uuid_print(index->entries[i]->uuid, uuid);
    QV_CHECK(
        qv__buffer_printf(json, err, "%s{\"uuid\":\"%s\",\"index_version\":%" PRId32 ",\"dataset_version\":%" PRIu64,
                          i ? "," : "", uuid, index->entries[i]->index_version, index->entries[i]->dataset_version));
    QV_CHECK(open_segment(snapshot, index, i, &opened, err));
    if (opened && index->kind->describe) {
        QV_CHECK(qv__buffer_printf(json, err, ","));
        QV_CHECK(index->kind->describe(opened->segment, json, err));
    }
    QV_CHECK(qv__buffer_printf(json, err, "}"));
done:
    qv__open_segment_unref(opened);
    return st;
}

static qv_status print_stats(qv__snapshot *snapshot, const qv__logical_index *index, const counts *c, qv__buffer *json,
                             qv_error *err)
{
    QV_TRY(qv__buffer_printf(json, err, "{\"name\":"));
    QV_TRY(qv__json_quote(index->name, strlen(index->name), json, err));
    QV_TRY(qv__buffer_printf(json, err, ",\"index_type\":"));
    QV_TRY(index->kind ? qv__json_quote(index->kind->stats, strlen(index->kind->stats), json, err)
                       : print_kind(index, json, err));
    QV_TRY(qv__buffer_printf(json, err,
                             ",\"num_indexed_rows\":%" PRIu64 ",\"num_unindexed_rows\":%" PRIu64
                             ",\"num_indexed_fragments\":%zu,\"num_unindexed_fragments\":%zu,\"num_indices\":%zu"
                             ",\"num_segments\":%zu,\"updated_at_timestamp_ms\":%" PRId64
                             ",\"num_indexed_rows_per_delta\":[",
                             c->indexed_rows, c->unindexed_rows, c->indexed_fragments, c->unindexed_fragments, index->n,
                             index->n, newest_ms(index)));
    for (size_t i = 0; i < index->n; i++)
        QV_TRY(qv__buffer_printf(json, err, "%s%" PRIu64, i ? "," : "", c->rows[i]));
    QV_TRY(qv__buffer_printf(json, err, "],\"indices\":["));
    for (size_t i = 0; i < index->n; i++)
        QV_TRY(print_segment(snapshot, index, i, json, err));
    return qv__buffer_printf(json, err, "]}");
}

qv_status qv__index_stats(qv__snapshot *snapshot, const char *name, qv__buffer *json, qv_error *err)
{
    qv_status st = QV_OK;
    qv__logical_list list = { 0 };
    qv__reuse *reuse = NULL;
    counts c = { 0 };

    QV_CHECK(qv__logical_indices(snapshot, &list, err));
    const qv__logical_index *index = qv__logical_find(&list, name);
    if (!index)
        QV_CHECK(qv__fail(err, QV_NOT_FOUND, "Lance index not found: name=%s", name));
    QV_CHECK(qv__reuse_open(snapshot, &reuse, err));
    QV_CHECK(count_rows(snapshot, index, reuse, &c, err));
    QV_CHECK(print_stats(snapshot, index, &c, json, err));
done:
    qv__free(c.rows);
    qv__reuse_free(reuse);
    qv__logical_list_clear(&list);
    return st;
}

qv_status qv__index_prewarm(qv__snapshot *snapshot, const char *name, qv_error *err)
{
    qv_status st = QV_OK;
    qv__logical_list list = { 0 };
    qv__open_segment *opened = NULL;

    QV_CHECK(qv__logical_indices(snapshot, &list, err));
    const qv__logical_index *index = qv__logical_find(&list, name);
    if (!index)
        QV_CHECK(qv__fail(err, QV_NOT_FOUND, "Lance index not found: name=%s", name));
    for (size_t i = 0; i < index->n; i++) {
        QV_CHECK(open_segment(snapshot, index, i, &opened, err));
        if (opened && index->kind->prewarm)
            QV_CHECK(index->kind->prewarm(opened->segment, err));
        qv__open_segment_unref(opened);
        opened = NULL;
    }
done:
    qv__open_segment_unref(opened);
    qv__logical_list_clear(&list);
    return st;
}
