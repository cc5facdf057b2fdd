/* Deletion files: physical row offsets of one fragment, as an Arrow IPC file with one column, or as a portable Roaring bitmap.
 * Either way every offset is checked against the fragment's rows before it is believed. */
#include <inttypes.h>
#include <roaring/roaring.h>
#include <stdlib.h>

#include "arrow/ipc/ipc.h"
#include "table/refs_private.h"

#define MAX_FILE_BYTES (UINT64_C(1) << 34)

typedef struct offsets {
    uint32_t *items;
    size_t n, capacity;
    uint64_t physical_rows;
    qv_status st;
    qv_error *err;
} offsets;

static void deletions_destroy(qv__owner *owner)
{
    qv__deletions *deletions = (qv__deletions *) owner;

    qv__free(deletions->offsets);
    qv__free(deletions->live);
    qv__free(deletions);
}

static qv_status add_offset(offsets *list, uint32_t offset, qv_error *err)
{
    if (offset >= list->physical_rows)
        return qv__fail(err, QV_CORRUPT, "row %" PRIu32 " is deleted, but the fragment has %" PRIu64 " rows", offset,
                        list->physical_rows);
    if (list->n == list->physical_rows) /* a bitmap's runs may repeat themselves at length */
        return qv__fail(err, QV_CORRUPT, "more rows are listed than the fragment's %" PRIu64, list->physical_rows);
    QV_TRY(QV_GROW(&list->items, &list->capacity, list->n + 1, err));
    list->items[list->n++] = offset;
    return QV_OK;
}

/* ------------------------------------------------------------------ bitmaps */

static bool add_bit(uint32_t value, void *ctx)
{
    offsets *list = ctx;

    list->st = add_offset(list, value, list->err);
    return list->st == QV_OK;
}

/* The library checks that all containers lie inside the bytes; what they hold is checked value by value as it comes out, and
 * their order afterwards. */
static qv_status read_bitmap(const qv__bytes *bytes, offsets *list, qv_error *err)
{
    size_t used = roaring_bitmap_portable_deserialize_size((const char *) bytes->data, bytes->len);
    roaring_bitmap_t *bitmap =
        used ? roaring_bitmap_portable_deserialize_safe((const char *) bytes->data, bytes->len) : NULL;

    if (!bitmap)
        return qv__fail(err, QV_CORRUPT, "%zu bytes that are not a Roaring bitmap", bytes->len);
    list->st = QV_OK;
    list->err = err;
    roaring_iterate(bitmap, add_bit, list);
    roaring_bitmap_free(bitmap);
    return list->st;
}

/* ------------------------------------------------------------------ Arrow files */

static qv_status read_batch(const qv__array *batch, offsets *list, qv_error *err)
{
    const qv__array *column = batch->n_children == 1 ? batch->children[0] : NULL;

    if (!column || column->type->id != QV_TYPE_UINT32 || column->null_count)
        return qv__fail(err, QV_CORRUPT, "not one column of uint32 without nulls");
    const uint8_t *values = qv__array_values(column);
    for (int64_t i = 0; i < batch->length; i++) /* struct children are not shifted by the parent's offset */
        QV_TRY(add_offset(list, qv__load_u32(values + 4 * (size_t) (batch->offset + i)), err));
    return QV_OK;
}

static qv_status read_arrow(qv__bytes bytes, offsets *list, qv_error *err)
{
    qv_status st = QV_OK;
    qv__stream *stream = NULL;
    qv__array *batch = NULL;

    if (bytes.len == 0)
        return qv__fail(err, QV_CORRUPT, "Arrow file: no bytes");
    QV_CHECK(qv__ipc_open(bytes, &stream, err));
    for (;;) {
        QV_CHECK(stream->next(stream, &batch, err));
        if (!batch)
            break;
        QV_CHECK(read_batch(batch, list, err));
        qv__array_unref(batch);
        batch = NULL;
    }
done:
    qv__array_unref(batch);
    qv__stream_free(stream);
    return st == QV_INVALID || st == QV_UNSUPPORTED ? qv__fail_in(err, QV_CORRUPT, "Arrow file") : st;
}

/* ------------------------------------------------------------------ both */

static int compare_offsets(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

    return (x > y) - (x < y);
}

static qv_status check_offsets(offsets *list, const qv__deletion_file *file, qv_error *err)
{
    if (file->n_deleted && file->n_deleted != list->n)
        return qv__fail(err, QV_CORRUPT, "%zu rows are listed, the manifest says %" PRIu64, list->n, file->n_deleted);
    if (list->n && !file->is_bitmap)
        qsort(list->items, list->n, sizeof *list->items, compare_offsets);
    for (size_t i = 1; i < list->n; i++)
        if (list->items[i] <= list->items[i - 1])
            return qv__fail(err, QV_CORRUPT, "row %" PRIu32 " %s", list->items[i],
                            file->is_bitmap ? "comes out of order" : "is listed twice");
    return QV_OK;
}

static qv_status make_deletions(offsets *list, qv__deletions **out, qv_error *err)
{
    qv__deletions *deletions;
    size_t n_bytes = qv__bitmap_bytes(list->physical_rows);

    QV_TRY(QV_NEW(&deletions, 1, err));
    qv__owner_init(&deletions->owner, deletions_destroy);
    deletions->live = qv__alloc_aligned(n_bytes);
    if (!deletions->live) {
        qv__owner_unref(&deletions->owner);
        return qv__fail_nomem(err, n_bytes);
    }
    memset(deletions->live, 0, n_bytes);
    qv__bitmap_fill(deletions->live, 0, list->physical_rows, true);
    for (size_t i = 0; i < list->n; i++)
        qv__bit_clear(deletions->live, list->items[i]);
    deletions->n = list->n;
    deletions->offsets = list->items;
    list->items = NULL;
    *out = deletions;
    return QV_OK;
}

qv_status qv__deletions_load(qv__snapshot *snapshot, size_t fragment, qv__deletions **out, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__fragment *f = &snapshot->fragments[fragment];
    offsets list = { .physical_rows = f->physical_rows };
    qv__bytes bytes = { 0 };
    qv__store *store;
    char *path = NULL;
    char name[QV_NAME_BYTES];

    QV_TRY(qv__snapshot_check_rows(snapshot, fragment, err));
    qv__deletion_name(f->id, f->deletion, name);
    QV_CHECK(qv__bases_find(&snapshot->bases, snapshot->table, f->deletion->has_base, f->deletion->base_id,
                            "_deletions", name, &store, &path, err));
    st = qv__store_get(store, path, MAX_FILE_BYTES, &bytes, err);
    if (st == QV_NOT_FOUND)
        st = qv__snapshot_missing(snapshot, false, path, err);
    QV_CHECK(st);
    st = f->deletion->is_bitmap ? read_bitmap(&bytes, &list, err) : read_arrow(bytes, &list, err);
    if (st == QV_OK)
        st = check_offsets(&list, f->deletion, err);
    if (st != QV_OK) {
        qv__fail_in(err, st, "%s", path);
        goto done;
    }
    QV_CHECK(make_deletions(&list, out, err));
done:
    qv__free(list.items);
    qv__bytes_unref(&bytes);
    qv__free(path);
    return st;
}
