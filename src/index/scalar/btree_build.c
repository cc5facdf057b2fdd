/* Writing a BTREE out of sorted rows: the rows as they come, and for each page what it begins and ends with. */
#include <stdio.h>

#include "arrow/builder.h"
#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "index/scalar/btree_private.h"
#include "index/scalar/sort_private.h"

#define READ_ROWS 16384

/* ------------------------------------------------------------------ the lookup table */

typedef struct pages {
    qv__type *number; /* uint32 */
    qv__builder *lows, *highs, *nulls, *numbers;
    uint32_t n, rows_in_page, nulls_in_page;
} pages;

static void pages_clear(pages *p)
{
    qv__type_unref(p->number);
    qv__builder_free(p->lows);
    qv__builder_free(p->highs);
    qv__builder_free(p->nulls);
    qv__builder_free(p->numbers);
}

static qv_status pages_init(pages *p, const qv__type *type, qv_error *err)
{
    *p = (pages){ 0 };
    QV_TRY(qv__type_new(QV_TYPE_UINT32, &p->number, err));
    QV_TRY(qv__builder_new(type, &p->lows, err));
    QV_TRY(qv__builder_new(type, &p->highs, err));
    QV_TRY(qv__builder_new(p->number, &p->nulls, err));
    return qv__builder_new(p->number, &p->numbers, err);
}

/* Row `at` of `values` is the last one of its page. */
static qv_status end_page(pages *p, const qv__array *values, int64_t at, qv_error *err)
{
    QV_TRY(qv__builder_append_array(p->highs, values, at, 1, err));
    QV_TRY(qv__builder_append_fixed(p->nulls, &p->nulls_in_page, err));
    QV_TRY(qv__builder_append_fixed(p->numbers, &p->n, err));
    p->n++;
    p->rows_in_page = p->nulls_in_page = 0;
    return QV_OK;
}

static uint32_t count_nulls(const qv__array *values, int64_t at, int64_t n)
{
    uint32_t count = 0;

    for (int64_t i = at; values->null_count && i < at + n; i++)
        count += qv__array_is_null(values, i);
    return count;
}

static qv_status add_rows(pages *p, const qv__array *values, int64_t start, int64_t length, qv_error *err)
{
    for (int64_t at = start, end = start + length; at < end;) {
        int64_t n = QV_MIN(end - at, (int64_t) (QV_BTREE_PAGE_ROWS - p->rows_in_page));
        if (!p->rows_in_page)
            QV_TRY(qv__builder_append_array(p->lows, values, at, 1, err));
        p->nulls_in_page += count_nulls(values, at, n);
        p->rows_in_page += (uint32_t) n;
        at += n;
        if (p->rows_in_page == QV_BTREE_PAGE_ROWS)
            QV_TRY(end_page(p, values, at - 1, err));
    }
    return QV_OK;
}

static qv_status write_lookup(const qv__index_target *target, const qv__type *type, pages *p, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__index_column columns[] = { { "min", type, false },
                                         { "max", type, false },
                                         { "null_count", p->number, false },
                                         { "page_idx", p->number, false } };
    qv__array *arrays[4] = { NULL };
    qv__builder *builders[4] = { p->lows, p->highs, p->nulls, p->numbers };
    qv__file_writer *writer = NULL;
    qv__schema *schema = NULL;
    char rows[16];

    snprintf(rows, sizeof rows, "%d", QV_BTREE_PAGE_ROWS);
    QV_CHECK(qv__index_writer_open(target, QV_BTREE_LOOKUP, columns, 4, &writer, &schema, err));
    QV_CHECK(qv__file_writer_set_metadata(writer, "batch_size", rows, err));
    QV_CHECK(qv__file_writer_set_metadata(writer, "range_partitioned", "false", err));
    for (size_t i = 0; i < 4; i++)
        QV_CHECK(qv__builder_finish(builders[i], &arrays[i], err));
    QV_CHECK(qv__index_writer_put(writer, schema, arrays, p->n, err));
    QV_CHECK(qv__file_writer_finish(writer, NULL, err));
done:
    for (size_t i = 0; i < 4; i++)
        qv__array_unref(arrays[i]);
    qv__file_writer_free(writer);
    qv__schema_unref(schema);
    return st;
}

/* ------------------------------------------------------------------ both files */

static qv_status write_rows(const qv__index_target *target, qv__stream *sorted, qv__file_writer *writer, pages *p,
                            qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *batch = NULL, *last = NULL;

    for (;;) {
        QV_CHECK(sorted->next(sorted, &batch, err));
        if (!batch)
            break;
        QV_CHECK(qv__file_writer_write(writer, batch, err));
        QV_CHECK(add_rows(p, batch->children[0], batch->offset, batch->length, err));
        QV_CHECK(qv__job_tick(target->job, 0, 0, err));
        if (batch->length) {
            qv__array_unref(last);
            last = batch;
        } else {
            qv__array_unref(batch);
        }
        batch = NULL;
    }
    if (p->rows_in_page)
        QV_CHECK(end_page(p, last->children[0], last->offset + last->length - 1, err));
done:
    qv__array_unref(batch);
    qv__array_unref(last);
    return st;
}

static qv_status write_btree(const qv__index_target *target, const qv__type *type, qv__stream *sorted,
                             qv__index_built *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__file_writer *writer = NULL;
    qv__writer_options options = { .version = target->version };
    pages p = { 0 };

    QV_CHECK(pages_init(&p, type, err));
    QV_CHECK(qv__file_writer_open(target->folder, QV_BTREE_DATA, sorted->schema, &options, &writer, err));
    QV_CHECK(write_rows(target, sorted, writer, &p, err));
    QV_CHECK(qv__file_writer_finish(writer, NULL, err));
    QV_CHECK(write_lookup(target, type, &p, err));
    out->index_version = target->stable_row_ids ? 1 : 0;
done:
    pages_clear(&p);
    qv__file_writer_free(writer);
    return st;
}

qv_status qv__btree_build(const qv__index_target *target, qv__index_source *source, qv__index_built *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__stream *sorted = NULL;

    QV_CHECK(qv__sort_values(target, source, &sorted, err));
    QV_CHECK(write_btree(target, source->type, sorted, out, err));
done:
    qv__stream_free(sorted);
    return st;
}

/* ------------------------------------------------------------------ the rows of a segment, nulls first */

typedef struct kept_rows {
    qv__stream stream;
    qv__btree *b;
    size_t segment;
    qv__keep_fn keep;
    void *ctx;
    uint64_t done; /* rows given out, counted from the first null */
} kept_rows;

static void kept_rows_destroy(qv__stream *stream)
{
    qv__schema_unref(stream->schema);
    qv__free(stream);
}

/* The next rows of the file: nulls come first, wherever they lie. */
static void next_range(const kept_rows *k, uint64_t *from, uint64_t *n)
{
    const qv__btree *b = k->b;
    uint64_t nulls_after = b->rows - b->end_value, left = b->rows - k->done;
    bool in_nulls = k->done < nulls_after;

    *from = in_nulls ? b->end_value + k->done : k->done - nulls_after;
    *n = QV_MIN(in_nulls ? nulls_after - k->done : left, READ_ROWS);
}

static qv_status translate(kept_rows *k, qv__array **columns, uint64_t n, qv_error *err)
{
    qv_status st = QV_OK;
    const uint64_t *rows = qv__array_values(columns[1]);
    qv__array *ids = NULL, *values = NULL;
    uint8_t *new_rows;
    int64_t *chosen = NULL;
    size_t n_kept = 0;

    QV_CHECK(QV_NEW(&chosen, n, err));
    QV_CHECK(qv__array_new(columns[1]->type, (int64_t) n, 0, &ids, err));
    QV_CHECK(qv__bytes_new(n * sizeof(uint64_t), &ids->buffers[1], &new_rows, err));
    for (uint64_t i = 0; i < n; i++) {
        uint64_t row = rows[i];
        if (!k->keep(k->ctx, k->segment, &row))
            continue;
        memcpy(new_rows + n_kept * sizeof row, &row, sizeof row);
        chosen[n_kept++] = (int64_t) i;
    }
    ids->length = (int64_t) n_kept;
    if (n_kept < n)
        QV_CHECK(qv__array_take(columns[0], chosen, n_kept, &values, err));
    else
        values = qv__array_ref(columns[0]);
    qv__array_unref(columns[0]);
    qv__array_unref(columns[1]);
    columns[0] = values;
    columns[1] = ids;
    values = ids = NULL;
done:
    qv__free(chosen);
    qv__array_unref(ids);
    qv__array_unref(values);
    return st;
}

static qv_status kept_rows_next(qv__stream *stream, qv__array **out, qv_error *err)
{
    kept_rows *k = (kept_rows *) stream;
    qv_status st = QV_OK;
    qv__array *columns[2] = { NULL, NULL };
    uint64_t from, n;

    *out = NULL;
    if (k->done == k->b->rows)
        return QV_OK;
    next_range(k, &from, &n);
    QV_CHECK(qv__column_read(k->b->values, from, n, &columns[0], err));
    QV_CHECK(qv__column_read(k->b->ids, from, n, &columns[1], err));
    if (columns[1]->null_count)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "%s: row ids are null", QV_BTREE_DATA));
    if (k->keep)
        QV_CHECK(translate(k, columns, n, err));
    QV_CHECK(qv__batch_new(stream->schema, columns, columns[1]->length, out, err));
    k->done += n;
done:
    qv__array_unref(columns[0]);
    qv__array_unref(columns[1]);
    return st;
}

static qv_status kept_rows_new(qv__btree *b, size_t segment, qv__keep_fn keep, void *ctx, qv__stream **out,
                               qv_error *err)
{
    kept_rows *k;

    QV_TRY(QV_NEW(&k, 1, err));
    k->stream.next = kept_rows_next;
    k->stream.destroy = kept_rows_destroy;
    k->b = b;
    k->segment = segment;
    k->keep = keep;
    k->ctx = ctx;
    qv_status st = qv__sorted_schema(b->type, &k->stream.schema, err);
    if (st != QV_OK) {
        qv__free(k);
        return st;
    }
    *out = &k->stream;
    return QV_OK;
}

static qv_status check_types(qv__segment *const *old, size_t n_old, const qv__type *type, qv_error *err)
{
    char a[128], b[128];

    for (size_t i = 0; i < n_old; i++) {
        const qv__type *other = ((const qv__btree *) old[i])->type;
        if (!qv__type_equal(type, other))
            return qv__fail(err, QV_CORRUPT, "segments of one index have types %s and %s",
                            qv__type_print(type, a, sizeof a), qv__type_print(other, b, sizeof b));
    }
    return QV_OK;
}

qv_status qv__btree_merge(const qv__index_target *target, qv__segment *const *old, size_t n_old,
                          qv__index_source *added, qv__keep_fn keep, void *ctx, qv__index_built *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__stream **streams = NULL, *sorted = NULL;
    size_t n = 0;
    const qv__type *type = added ? added->type : ((const qv__btree *) old[0])->type;

    QV_CHECK(check_types(old, n_old, type, err));
    QV_CHECK(QV_NEW(&streams, n_old + 1, err));
    for (; n < n_old; n++)
        QV_CHECK(kept_rows_new((qv__btree *) old[n], n, keep, ctx, &streams[n], err));
    if (added) {
        QV_CHECK(qv__sort_values(target, added, &streams[n], err));
        n++;
    }
    size_t all = n;
    n = 0; /* taken in every case */
    QV_CHECK(qv__merge_sorted(type, streams, all, &sorted, err));
    QV_CHECK(write_btree(target, type, sorted, out, err));
done:
    for (size_t i = 0; i < n; i++)
        qv__stream_free(streams[i]);
    qv__free(streams);
    qv__stream_free(sorted);
    return st;
}
