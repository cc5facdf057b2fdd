/* One batch of rows of one column to pages of version 2.1 or 2.2: walk, gather, choose the layout. A batch whose lists are so
 * sparse that no mini-block chunk can hold the levels is halved until it fits; a single such row goes to full-zip. */
#include "base/alloc.h"
#include "file/lance_schema.h"
#include "file/write/write_private.h"

static qv_status leaf_page(const qv__page_job *job, bool *too_sparse, qv_error *err);

/* What cannot go to mini-blocks: one row with many more levels than values. */
static qv_status sparse_row_page(const qv__page_job *job, qv_error *err)
{
    const qv__type *type = qv__column_field(job->column)->type;
    qv_status st = QV_OK;
    qv__values values = { 0 };
    unsigned strings = qv__string_bits(type), bits = qv__fixed_bits(type);
    if (strings) {
        QV_CHECK(qv__gather_strings(job->walk, strings, &values, err));
        QV_CHECK(qv__fullzip_strings(job, &values, qv__enc_variable(job->layout, strings), err));
    } else if (bits || type->id == QV_TYPE_FIXED_LIST) {
        if (bits)
            QV_CHECK(qv__gather_fixed(job->walk, bits, &values, err));
        else
            QV_CHECK(qv__gather_vectors(job->walk, type, &values, err));
        QV_CHECK(qv__fullzip_fixed(job, &values, err));
    } else {
        st = qv__fail(err, QV_UNSUPPORTED, "column \"%s\": a row of %zu levels and %zu values", job->column->name,
                      job->walk->n_levels, job->walk->n_valid);
    }
done:
    qv__values_clear(&values);
    return st;
}

static qv_status number_page(const qv__page_job *job, const qv__type *type, bool *too_sparse, qv_error *err)
{
    qv_status st = QV_OK;
    qv__values values = { 0 };
    unsigned bits = qv__fixed_bits(type);
    bool done = false, zips = job->column->tuning.fullzip && bits >= 8;
    if (zips && job->column->tuning.compression == QV__COMPRESS_NONE)
        QV_TRY(qv__fullzip_bare(job, type, &done, err));
    if (done)
        return QV_OK;
    QV_CHECK(qv__gather_fixed(job->walk, bits, &values, err));
    QV_CHECK(qv__constant_page(job, &values, &done, err));
    if (done)
        goto done;
    if (zips)
        QV_CHECK(qv__fullzip_fixed(job, &values, err));
    else
        QV_CHECK(qv__fixed_page(job, &values, too_sparse, err));
done:
    qv__values_clear(&values);
    return st;
}

static qv_status text_page(const qv__page_job *job, const qv__type *type, bool *too_sparse, qv_error *err)
{
    qv_status st = QV_OK;
    qv__values values = { 0 };
    bool done = false;
    QV_CHECK(qv__gather_strings(job->walk, qv__string_bits(type), &values, err));
    QV_CHECK(qv__constant_page(job, &values, &done, err));
    if (!done)
        QV_CHECK(qv__string_page(job, &values, too_sparse, err));
done:
    qv__values_clear(&values);
    return st;
}

static bool wants_general(const qv__page_job *job)
{
    qv__write_compression c = job->column->tuning.compression;
    return c == QV__COMPRESS_ZSTD || c == QV__COMPRESS_LZ4;
}

static qv_status vector_page(const qv__page_job *job, const qv__type *type, bool *too_sparse, qv_error *err)
{
    qv_status st = QV_OK;
    qv__values values = { 0 };
    bool done = false;
    if (!wants_general(job) && !job->column->tuning.miniblock)
        QV_TRY(qv__fullzip_bare(job, type, &done, err));
    if (done)
        return QV_OK;
    QV_CHECK(qv__gather_vectors(job->walk, type, &values, err));
    QV_CHECK(qv__vector_page(job, &values, too_sparse, err));
done:
    qv__values_clear(&values);
    return st;
}

/* Fixed-size binary of 32 bytes and more: bare if it can be, like a vector. */
static qv_status wide_page(const qv__page_job *job, const qv__type *type, bool *too_sparse, qv_error *err)
{
    qv_status st = QV_OK;
    qv__values values = { 0 };
    bool done = false;
    if (wants_general(job) || job->column->tuning.miniblock)
        return number_page(job, type, too_sparse, err);
    QV_TRY(qv__fullzip_bare(job, type, &done, err));
    if (done)
        return QV_OK;
    QV_CHECK(qv__gather_fixed(job->walk, qv__fixed_bits(type), &values, err));
    QV_CHECK(qv__fullzip_fixed(job, &values, err));
done:
    qv__values_clear(&values);
    return st;
}

static qv_status leaf_page(const qv__page_job *job, bool *too_sparse, qv_error *err)
{
    const qv__field *field = qv__column_field(job->column);
    const qv__type *type = field->type;
    if (job->walk->n_valid == 0 && job->column->blob != QV__BLOB_V1)
        return qv__null_page(job, err);
    if (job->column->blob)
        return qv__blob_page(job, err);
    if (qv__field_is_packed(field))
        return qv__packed_page(job, too_sparse, err);
    if (type->id == QV_TYPE_DICTIONARY)
        return qv__dict_type_page(job, too_sparse, err);
    if (type->id == QV_TYPE_FIXED_LIST)
        return vector_page(job, type, too_sparse, err);
    if (type->id == QV_TYPE_FIXED_BINARY && type->width >= 32)
        return wide_page(job, type, too_sparse, err);
    return qv__string_bits(type) ? text_page(job, type, too_sparse, err) : number_page(job, type, too_sparse, err);
}

static int64_t rows_of(const qv__slice *slices, size_t n)
{
    int64_t rows = 0;
    for (size_t i = 0; i < n; i++)
        rows += slices[i].len;
    return rows;
}

/* *too_sparse: the rows have to be cut; nothing was added. */
static qv_status try_page(qv__column_writer *column, const qv__slice *slices, size_t n, uint64_t priority,
                          bool *too_sparse, qv_error *err)
{
    qv_status st = QV_OK;
    qv__walk walk = { 0 };
    qv__layout layout;
    qv__page *page;
    int64_t rows = rows_of(slices, n);
    *too_sparse = false;
    qv__layout_init(&layout);
    QV_CHECK(qv__walk_page(column, slices, n, &walk, err));
    QV_CHECK(qv__column_add_page(column, &page, err));
    page->length = (uint64_t) rows;
    page->priority = priority;
    qv__page_job job = { column, &walk, &layout, page, NULL };
    QV_CHECK(leaf_page(&job, too_sparse, err));
    if (*too_sparse && rows == 1) {
        *too_sparse = false;
        QV_CHECK(sparse_row_page(&job, err));
    }
    if (*too_sparse)
        qv__page_clear(&column->pages[--column->n_pages]);
done:
    qv__walk_clear(&walk);
    qv__layout_clear(&layout);
    return st;
}

/* Rows [from, from + rows) of the batch as slices of their own; no references are added. */
static size_t cut_slices(const qv__column_writer *column, int64_t from, int64_t rows, qv__slice *out)
{
    size_t n = 0;
    for (size_t i = 0; i < column->n_batch && rows > 0; i++) {
        const qv__slice *s = &column->batch[i];
        if (from >= s->len) {
            from -= s->len;
            continue;
        }
        int64_t len = QV_MIN(s->len - from, rows);
        out[n++] = (qv__slice){ s->array, s->start + from, len };
        rows -= len;
        from = 0;
    }
    return n;
}

qv_status qv__encode_batch(qv__column_writer *column, qv_error *err)
{
    qv_status st = QV_OK;
    qv__slice *slices = NULL;
    int64_t total = rows_of(column->batch, column->n_batch), at = 0, step = total;
    QV_CHECK(QV_NEW(&slices, column->n_batch, err));
    while (at < total) {
        bool too_sparse;
        int64_t rows = QV_MIN(step, total - at);
        size_t n = cut_slices(column, at, rows, slices);
        QV_CHECK(try_page(column, slices, n, column->rows_done + (uint64_t) at, &too_sparse, err));
        if (too_sparse)
            step = (rows + 1) / 2;
        else
            at += rows;
    }
    column->rows_done += (uint64_t) total;
done:
    qv__free(slices);
    return st;
}
