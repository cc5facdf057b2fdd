/* Deletion files: a new one for each fragment that a commit deletes rows of, with all that is deleted there. Few rows go into an
 * Arrow file of one column, as other writers do it; many into a portable Roaring bitmap. */
#include <inttypes.h>
#include <stdio.h>

#include "arrow/array.h"
#include "arrow/ipc/ipc.h"
#include "table/table_private.h"

#define MAX_ARROW_ROWS 5000

void qv__deletion_discard(qv__store *table, uint64_t fragment_id, qv__deletion_written *written)
{
    char name[QV_NAME_BYTES], path[QV_NAME_BYTES + 16];

    if (written->done && !written->whole) {
        qv__deletion_name(fragment_id, &written->file, name);
        snprintf(path, sizeof path, "_deletions/%s", name);
        qv__store_delete(table, path, NULL);
    }
    *written = (qv__deletion_written){ 0 };
}

/* ------------------------------------------------------------------ the rows */

/* What is deleted in `on` and what is to be deleted, in one set. */
static qv_status unite(qv__snapshot *on, size_t fragment, const roaring_bitmap_t *rows, roaring_bitmap_t **out,
                       bool *meets, qv_error *err)
{
    const uint32_t *offsets;
    const uint8_t *live;
    size_t n;

    *out = NULL;
    QV_TRY(qv__snapshot_deletions(on, fragment, &offsets, &n, &live, err));
    if (!roaring_bitmap_is_empty(rows) && roaring_bitmap_maximum(rows) >= on->fragments[fragment].physical_rows)
        return qv__fail(err, QV_INVALID, "row %" PRIu32 " of fragment %" PRIu64 ", which has %" PRIu64,
                        roaring_bitmap_maximum(rows), on->fragments[fragment].id,
                        on->fragments[fragment].physical_rows);
    roaring_bitmap_t *all = n ? roaring_bitmap_of_ptr(n, offsets) : roaring_bitmap_create();
    if (!all)
        return qv__fail_nomem(err, n * sizeof *offsets);
    *meets = roaring_bitmap_intersect(all, rows);
    if (*meets) {
        roaring_bitmap_free(all);
        return QV_OK;
    }
    roaring_bitmap_or_inplace(all, rows);
    *out = all;
    return QV_OK;
}

/* ------------------------------------------------------------------ the two forms */

static qv_status deletion_schema(qv__schema **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__type *type = NULL;
    qv__field field = { 0 };

    QV_CHECK(qv__type_new(QV_TYPE_UINT32, &type, err));
    QV_CHECK(qv__field_init(&field, "row_id", type, false, err));
    QV_CHECK(qv__schema_new(&field, 1, NULL, out, err));
done:
    qv__field_clear(&field);
    qv__type_unref(type);
    return st;
}

static qv_status rows_as_batch(const roaring_bitmap_t *rows, qv__schema *schema, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n = roaring_bitmap_get_cardinality(rows);
    uint32_t *values = qv__alloc_aligned(n * sizeof *values);
    qv__array *column = NULL;

    if (!values)
        return qv__fail_nomem(err, n * sizeof *values);
    roaring_bitmap_to_uint32_array(rows, values);
    QV_CHECK(qv__array_new(schema->fields[0].type, (int64_t) n, 0, &column, err));
    uint32_t *taken = values;
    values = NULL;
    QV_CHECK(qv__bytes_adopt(taken, n * sizeof *taken, &column->buffers[1], err));
    QV_CHECK(qv__batch_new(schema, &column, (int64_t) n, out, err));
done:
    qv__free(values);
    qv__array_unref(column);
    return st;
}

static qv_status append_bytes(void *ctx, const void *bytes, size_t n, qv_error *err)
{
    return qv__buffer_append(ctx, bytes, n, err);
}

static qv_status write_arrow(qv__store *table, const char *path, const roaring_bitmap_t *rows, qv_error *err)
{
    qv_status st = QV_OK;
    qv__schema *schema = NULL;
    qv__array *batch = NULL;
    qv__ipc_writer *writer = NULL;
    qv__buffer bytes;

    qv__buffer_init(&bytes, SIZE_MAX);
    QV_CHECK(deletion_schema(&schema, err));
    QV_CHECK(rows_as_batch(rows, schema, &batch, err));
    QV_CHECK(qv__ipc_writer_new(schema, false, QV_IPC_ZSTD, append_bytes, &bytes, &writer, err));
    QV_CHECK(qv__ipc_writer_batch(writer, batch, err));
    QV_CHECK(qv__ipc_writer_finish(writer, err));
    QV_CHECK(qv__store_put(table, path, bytes.data, bytes.len, QV_PUT_REPLACE, err));
done:
    qv__ipc_writer_free(writer);
    qv__array_unref(batch);
    qv__schema_unref(schema);
    qv__buffer_free(&bytes);
    return st;
}

static qv_status write_bitmap(qv__store *table, const char *path, roaring_bitmap_t *rows, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer bytes;

    qv__buffer_init(&bytes, SIZE_MAX);
    roaring_bitmap_run_optimize(rows);
    size_t len = roaring_bitmap_portable_size_in_bytes(rows);
    QV_CHECK(qv__buffer_reserve(&bytes, len, err));
    roaring_bitmap_portable_serialize(rows, (char *) bytes.data);
    QV_CHECK(qv__store_put(table, path, bytes.data, len, QV_PUT_REPLACE, err));
done:
    qv__buffer_free(&bytes);
    return st;
}

/* ------------------------------------------------------------------ the whole */

static bool still_fits(const qv__deletion_written *written, const qv__deletion_file *old)
{
    if (!written->done)
        return false;
    return old ? written->had && written->had_version == old->read_version && written->had_id == old->id
               : !written->had;
}

static qv_status random_id(uint64_t *out, qv_error *err)
{
    uint8_t uuid[16];

    QV_TRY(qv__uuid_new(uuid, err));
    *out = qv__load_u64(uuid) ^ qv__load_u64(uuid + 8);
    return QV_OK;
}

qv_status qv__deletion_write(qv__snapshot *on, size_t fragment, uint64_t read_version, const roaring_bitmap_t *rows,
                             qv__deletion_written *written, bool *meets, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__fragment *f = &on->fragments[fragment];
    roaring_bitmap_t *all = NULL;
    char name[QV_NAME_BYTES], path[QV_NAME_BYTES + 16];

    *meets = false;
    if (still_fits(written, f->deletion))
        return QV_OK;
    qv__deletion_discard(on->table, f->id, written);
    QV_CHECK(unite(on, fragment, rows, &all, meets, err));
    if (*meets)
        goto done;
    qv__deletion_written made = { .done = true, .had = f->deletion != NULL };
    made.had_version = f->deletion ? f->deletion->read_version : 0;
    made.had_id = f->deletion ? f->deletion->id : 0;
    made.file.read_version = read_version;
    made.file.n_deleted = roaring_bitmap_get_cardinality(all);
    made.file.is_bitmap = made.file.n_deleted > MAX_ARROW_ROWS;
    made.whole = made.file.n_deleted == f->physical_rows;
    if (!made.whole) {
        QV_CHECK(random_id(&made.file.id, err));
        qv__deletion_name(f->id, &made.file, name);
        snprintf(path, sizeof path, "_deletions/%s", name);
        QV_CHECK(made.file.is_bitmap ? write_bitmap(on->table, path, all, err)
                                     : write_arrow(on->table, path, all, err));
    }
    *written = made;
done:
    if (all)
        roaring_bitmap_free(all);
    return st;
}
