/* Files of new columns. A scan gives values for live rows only, but a file beside a fragment has a place for every row that the
 * fragment ever had, so batches are spread over the places of the rows that they came from. */
#include <assert.h>
#include <string.h>

#include "arrow/compute/compute.h"
#include "change/columns_private.h"

qv_status qv__version_of_snapshot(const qv__snapshot *base, qv__file_version *out, qv_error *err)
{
    const char *format = qv__snapshot_file_version(base);

    if (strlen(format) != 3 || format[0] != '2' || format[1] != '.' || format[2] < '0' || format[2] > '2')
        return qv__fail(err, QV_UNSUPPORTED, "file version \"%.32s\"; known are 2.0, 2.1 and 2.2", format);
    *out = (qv__file_version){ 2, (uint16_t) (format[2] - '0') };
    return QV_OK;
}

/* ------------------------------------------------------------------ spreading */

typedef struct spread {
    qv__stream stream;
    qv__stream *from; /* borrowed; gives rows of this fragment first */
    uint64_t physical_rows, row, live_left;
    const uint8_t *live; /* NULL: nothing is deleted */
} spread;

/* Which value comes to each place of [row, row + n): its position in the batch; deleted rows get -1, or a neighbour's. */
static qv_status places_of(const spread *s, uint64_t n, int64_t n_values, int64_t **nulls, int64_t **filled,
                           qv_error *err)
{
    int64_t at = -1;

    QV_TRY(QV_NEW(nulls, (size_t) n, err));
    QV_TRY(QV_NEW(filled, (size_t) n, err));
    for (uint64_t i = 0; i < n; i++) {
        bool is_live = qv__bit_get(s->live, (size_t) (s->row + i));
        at += is_live;
        (*nulls)[i] = is_live ? at : -1;
        (*filled)[i] = QV_MIN(QV_MAX(at, 0), n_values - 1);
    }
    return QV_OK;
}

static qv_status spread_batch(spread *s, const qv__array *batch, uint64_t n, qv__array **out, qv_error *err)
{
    const qv__schema *schema = s->stream.schema;
    qv_status st = QV_OK;
    int64_t *nulls = NULL, *filled = NULL;
    qv__array **columns = NULL, *column = NULL;

    QV_CHECK(QV_NEW(&columns, QV_MAX(schema->n_fields, 1), err));
    QV_CHECK(places_of(s, n, batch->length, &nulls, &filled, err));
    for (size_t i = 0; i < schema->n_fields; i++) {
        QV_CHECK(qv__array_slice(batch->children[i], batch->offset, batch->length, &column, err));
        QV_CHECK(qv__array_take(column, schema->fields[i].nullable ? nulls : filled, (size_t) n, &columns[i], err));
        qv__array_unref(column);
        column = NULL;
    }
    QV_CHECK(qv__batch_new(schema, columns, (int64_t) n, out, err));
done:
    for (size_t i = 0; columns && i < schema->n_fields; i++)
        qv__array_unref(columns[i]);
    qv__array_unref(column);
    qv__free(columns);
    qv__free(nulls);
    qv__free(filled);
    return st;
}

/* Places up to the last row of the batch; with the fragment's last batch, all that are left. */
static uint64_t places_for(const spread *s, uint64_t n_live)
{
    uint64_t end = s->row;

    if (n_live == s->live_left)
        return s->physical_rows - s->row;
    for (uint64_t seen = 0; seen < n_live; end++)
        seen += qv__bit_get(s->live, (size_t) end);
    return end - s->row;
}

static qv_status spread_next(qv__stream *stream, qv__array **out, qv_error *err)
{
    spread *s = (spread *) stream;
    qv__array *batch = NULL;
    qv_status st = QV_OK;

    *out = NULL;
    while (s->live_left > 0) {
        QV_TRY(s->from->next(s->from, &batch, err));
        if (!batch || (uint64_t) batch->length > s->live_left)
            st = qv__fail(err, QV_INVALID, "the new columns have %s rows than the table", batch ? "more" : "fewer");
        if (st != QV_OK || batch->length > 0)
            break;
        qv__array_unref(batch);
    }
    if (!batch || st != QV_OK)
        goto done;
    uint64_t n = s->live ? places_for(s, (uint64_t) batch->length) : (uint64_t) batch->length;
    if (s->live)
        QV_CHECK(spread_batch(s, batch, n, out, err));
    else
        *out = qv__array_ref(batch);
    s->row += n;
    s->live_left -= (uint64_t) batch->length;
done:
    qv__array_unref(batch);
    return st;
}

static void spread_destroy(qv__stream *stream)
{
    qv__schema_unref(stream->schema);
    qv__free(stream);
}

/* ------------------------------------------------------------------ files */

typedef struct new_columns {
    qv__store *table;
    qv__snapshot *base;
    const qv__schema *stored;
    qv__stream *rows;
    qv__job *job;
} new_columns;

static qv_status write_beside(const new_columns *w, size_t fragment, qv__column_file *out, bool *written, qv_error *err)
{
    const qv__fragment *f = qv__snapshot_fragment(w->base, fragment);
    const uint32_t *deleted;
    const uint8_t *live;
    size_t n_deleted;
    spread *s = NULL;

    *written = false;
    QV_TRY(qv__snapshot_deletions(w->base, fragment, &deleted, &n_deleted, &live, err));
    if (n_deleted == f->physical_rows)
        return QV_OK;
    QV_TRY(QV_NEW(&s, 1, err));
    s->stream = (qv__stream){ qv__schema_ref(w->rows->schema), spread_next, spread_destroy };
    s->from = w->rows;
    s->physical_rows = f->physical_rows;
    s->live_left = f->physical_rows - n_deleted;
    s->live = live;
    out->fragment_id = f->id;
    qv_status st =
        qv__write_columns(w->table, w->base, w->stored, &s->stream, f->physical_rows, w->job, &out->file, err);
    *written = st == QV_OK;
    qv__stream_free(&s->stream);
    return st;
}

qv_status qv__write_new_columns(qv__store *table, qv__snapshot *base, const qv__schema *stored, qv__stream *rows,
                                qv__job *job, qv__column_file **out, size_t *n, qv_error *err)
{
    new_columns w = { table, base, stored, rows, job };
    qv_status st = QV_OK;
    qv__column_file *files = NULL;
    size_t n_files = 0, n_fragments = qv__snapshot_n_fragments(base);

    QV_TRY(QV_NEW(&files, QV_MAX(n_fragments, 1), err));
    for (size_t i = 0; i < n_fragments; i++) {
        bool written;
        QV_CHECK(write_beside(&w, i, &files[n_files], &written, err));
        n_files += written;
    }
    *out = files;
    *n = n_files;
    files = NULL;
done:
    if (files)
        qv__column_files_free(table, files, n_files, true);
    return st;
}

void qv__column_files_free(qv__store *table, qv__column_file *files, size_t n, bool discard)
{
    for (size_t i = 0; files && i < n; i++) {
        if (discard)
            qv__new_file_discard(table, &files[i].file);
        qv__new_file_clear(&files[i].file);
    }
    qv__free(files);
}
