/* A stream over all rows in storage order.
 *
 * The plan is a row of ranges: each lies in one fragment, holds at most a batch of live rows, and either spans consecutive rows
 * (whose columns then come without copy where the file allows) or, where most rows are deleted, lists the live ones.
 * Batches are read a window at a time, the batches of a window and their columns side by side on the pool; the window doubles from
 * one batch up to twice the threads, so a limit or an early end costs nothing. */
#include <string.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "base/bytes.h"
#include "base/pool.h"
#include "query_private.h"

enum {
    BATCH_BYTES = 1 << 20,
    BATCH_ROWS = 8192,
    MAX_WINDOW = 64,
    SPARSE = 2 /* a span with more than this many rows per live row is read row by row */
};

typedef struct range {
    struct open_fragment *from;
    uint64_t row, n;     /* physical span */
    uint64_t n_live;     /* live rows in it */
    const uint8_t *live; /* NULL: all */
} range;

/* A fragment with its columns open, for the ranges of a window. */
typedef struct open_fragment {
    size_t index;
    uint64_t rows;
    const uint8_t *live;
    uint64_t batch_rows;
    qv__fragment_column **columns;
    struct open_fragment *next;
} open_fragment;

typedef struct scan {
    qv__stream stream;
    qv__snapshot *snapshot;
    qv__projection *projection;
    qv__job job;
    bool ended; /* the job has been told */

    size_t fragment; /* where the next range starts: index and physical row */
    uint64_t row;
    uint64_t skip, left; /* live rows to skip first, and still to give */
    uint32_t batch_rows; /* the caller's; 0: by width */
    open_fragment *open; /* the current one first, then those of the window */

    size_t window, n_ranges, next;
    range ranges[MAX_WINDOW];
    qv__array *batches[MAX_WINDOW];
} scan;

/* ------------------------------------------------------------------ fragments */

static void close_fragment(open_fragment *f, size_t n_reads)
{
    qv__reads_close(f->columns, n_reads);
    qv__free(f->columns);
    qv__free(f);
}

/* Closes all, or all but the first. */
static void close_fragments(scan *s, bool keep_current)
{
    open_fragment **from = keep_current && s->open ? &s->open->next : &s->open;
    while (*from) {
        open_fragment *f = *from;
        *from = f->next;
        close_fragment(f, s->projection->n_reads);
    }
}

/* Rows whose columns take about BATCH_BYTES. */
static uint64_t rows_by_width(const scan *s, const open_fragment *f)
{
    uint64_t sample = QV_MIN(f->rows, BATCH_ROWS), bytes = 0;

    for (size_t r = 0; r < s->projection->n_reads; r++)
        bytes += qv__fragment_column_cost(f->columns[r], 0, sample);
    if (bytes <= BATCH_BYTES || sample == 0)
        return BATCH_ROWS;
    return QV_MAX((uint64_t) ((double) sample * BATCH_BYTES / (double) bytes), 1);
}

static qv_status open_current(scan *s, qv_error *err)
{
    qv_status st = QV_OK;
    open_fragment *f = NULL;
    const uint32_t *deleted;
    size_t n_deleted;

    QV_CHECK(QV_NEW(&f, 1, err));
    f->index = s->fragment;
    f->rows = qv__snapshot_fragment(s->snapshot, s->fragment)->physical_rows;
    QV_CHECK(QV_NEW(&f->columns, QV_MAX(s->projection->n_reads, 1), err));
    QV_CHECK(qv__snapshot_deletions(s->snapshot, s->fragment, &deleted, &n_deleted, &f->live, err));
    QV_CHECK(qv__reads_open(s->snapshot, s->fragment, s->projection, f->columns, err));
    f->batch_rows = s->batch_rows ? s->batch_rows : rows_by_width(s, f);
    f->next = s->open;
    s->open = f;
    f = NULL;
done:
    if (f)
        qv__free(f->columns);
    qv__free(f);
    return st;
}

/* ------------------------------------------------------------------ the plan */

/* The row after the first n live rows from `row`, or `end`; *passed how many live rows that were. */
static uint64_t pass_live(const uint8_t *live, uint64_t row, uint64_t end, uint64_t n, uint64_t *passed)
{
    *passed = 0;
    if (!live) {
        *passed = QV_MIN(n, end - row);
        return row + *passed;
    }
    while (row < end && *passed < n) {
        row = qv__bitmap_find(live, row, end, true);
        uint64_t step = QV_MIN(end - row, n - *passed); /* no more rows than that can be too many */
        *passed += qv__bitmap_count(live, row, step);
        row += step;
    }
    return row;
}

/* Steps over whole fragments that the offset skips, by their counts alone, and over the rest row by row. */
static qv_status skip_rows(scan *s, bool *at_row, qv_error *err)
{
    size_t n_fragments = qv__snapshot_n_fragments(s->snapshot);

    *at_row = false;
    for (; s->fragment < n_fragments; s->fragment++, s->row = 0) {
        uint64_t rows = qv__snapshot_fragment(s->snapshot, s->fragment)->physical_rows, passed;
        const uint32_t *deleted;
        const uint8_t *live;
        size_t n_deleted;
        QV_TRY(qv__snapshot_deletions(s->snapshot, s->fragment, &deleted, &n_deleted, &live, err));
        if (s->row == 0 && s->skip >= rows - n_deleted) {
            s->skip -= rows - n_deleted;
            continue;
        }
        s->row = pass_live(live, s->row, rows, s->skip, &passed);
        s->skip -= passed;
        if (live)
            s->row = qv__bitmap_find(live, s->row, rows, true);
        if (s->row < rows) {
            *at_row = true;
            return QV_OK;
        }
    }
    return QV_OK;
}

/* Ends the span at the end of a page when that costs less than half of the batch: no page boundary then lies inside. */
static uint64_t cut_at_page(const scan *s, const open_fragment *f, uint64_t row, uint64_t end)
{
    uint64_t least = row + (end - row + 1) / 2;
    for (size_t r = 0; r < s->projection->n_reads; r++) {
        uint64_t page_end = qv__fragment_column_page_end(f->columns[r], row);
        if (page_end >= least && page_end < end)
            end = page_end;
    }
    return end;
}

static qv_status plan_range(scan *s, range *out, bool *found, qv_error *err)
{
    uint64_t end, n_live;

    *found = false;
    if (s->left == 0)
        return QV_OK;
    QV_TRY(skip_rows(s, found, err));
    if (!*found)
        return QV_OK;
    if (!s->open || s->open->index != s->fragment)
        QV_TRY(open_current(s, err));
    open_fragment *f = s->open;
    end = pass_live(f->live, s->row, f->rows, QV_MIN(f->batch_rows, s->left), &n_live);
    if (!s->batch_rows && !f->live)
        n_live = (end = cut_at_page(s, f, s->row, end)) - s->row;
    *out = (range){ f, s->row, end - s->row, n_live, n_live == end - s->row ? NULL : f->live };
    s->row = end;
    s->left -= n_live;
    if (end == f->rows) {
        s->fragment++;
        s->row = 0;
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ reading a range */

typedef struct reading {
    scan *s;
    const range *r;
    uint64_t *rows; /* physical numbers of the live rows; NULL: the span itself */
    uint8_t *mask;  /* dense spans with deletions: bit per row of the span */
} reading;

static qv_status list_live(reading *x, qv_error *err)
{
    const range *r = x->r;

    if (!r->live)
        return QV_OK;
    QV_TRY(QV_NEW(&x->rows, QV_MAX(r->n_live, 1), err));
    for (uint64_t row = r->row, i = 0; i < r->n_live; row++, i++) {
        row = qv__bitmap_find(r->live, row, r->row + r->n, true);
        x->rows[i] = row;
    }
    if (r->n > SPARSE * r->n_live)
        return QV_OK;
    QV_TRY(QV_NEW(&x->mask, qv__bitmap_bytes(r->n), err));
    qv__bitmap_copy(x->mask, 0, r->live, r->row, r->n);
    return QV_OK;
}

static qv_status read_column(reading *x, size_t read, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    const range *r = x->r;
    qv__fragment_column *column = r->from->columns[read];
    qv__array *whole = NULL, *kept = NULL;

    if (x->rows && !x->mask)
        QV_CHECK(qv__fragment_column_take(column, x->rows, r->n_live, &kept, err));
    else {
        QV_CHECK(qv__fragment_column_read(column, r->row, r->n, &whole, err));
        if (x->mask)
            QV_CHECK(qv__array_filter(whole, x->mask, &kept, err));
        else
            kept = qv__array_ref(whole);
    }
    QV_CHECK(qv__read_extract(&x->s->projection->reads[read], kept, out, err));
done:
    qv__array_unref(whole);
    qv__array_unref(kept);
    return st;
}

static qv_status row_numbers(reading *x, bool ids, const qv__type *type, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    const range *r = x->r;
    qv__snapshot *snapshot = x->s->snapshot;
    qv__array *array = NULL;
    uint64_t *all = NULL;
    void *values;
    uint64_t base = qv__snapshot_fragment(snapshot, r->from->index)->id << 32;

    QV_CHECK(qv__fixed_array(type, r->n_live, &array, &values, err));
    if (ids && qv__snapshot_has_stable_row_ids(snapshot)) {
        QV_CHECK(QV_NEW(&all, r->n, err));
        QV_CHECK(qv__snapshot_row_ids(snapshot, r->from->index, r->row, r->n, all, err));
    }
    for (uint64_t i = 0; i < r->n_live; i++) {
        uint64_t row = x->rows ? x->rows[i] : r->row + i;
        ((uint64_t *) values)[i] = all ? all[row - r->row] : base | row;
    }
    *out = array;
    array = NULL;
done:
    qv__array_unref(array);
    qv__free(all);
    return st;
}

static qv_status read_outputs(reading *x, qv__array **columns, qv_error *err)
{
    const qv__projection *p = x->s->projection;

    for (size_t o = 0; o < p->n_outputs; o++)
        if (p->outputs[o].kind == QV_OUT_FIELD)
            QV_TRY(read_column(x, p->outputs[o].read, &columns[o], err));
        else
            QV_TRY(row_numbers(x, p->outputs[o].kind == QV_OUT_ROW_ID, p->schema->fields[o].type, &columns[o], err));
    return QV_OK;
}

static qv_status read_range(void *ctx, size_t task, qv_error *err)
{
    qv_status st = QV_OK;
    scan *s = ctx;
    reading x = { .s = s, .r = &s->ranges[task] };
    size_t n = s->projection->n_outputs;
    qv__array **columns = NULL;

    QV_CHECK(qv__job_tick(&s->job, x.r->n_live, 0, err));
    QV_CHECK(list_live(&x, err));
    QV_CHECK(QV_NEW(&columns, QV_MAX(n, 1), err));
    QV_CHECK(read_outputs(&x, columns, err));
    QV_CHECK(qv__batch_new(s->projection->schema, columns, (int64_t) x.r->n_live, &s->batches[task], err));
done:
    if (columns)
        qv__unref_all(columns, n);
    qv__free(columns);
    qv__free(x.rows);
    qv__free(x.mask);
    return st;
}

/* ------------------------------------------------------------------ the stream */

static qv_status fill_window(scan *s, qv_error *err)
{
    unsigned threads = qv__job_threads(&s->job) ? qv__job_threads(&s->job) : qv__pool_size();
    size_t most = QV_MIN(2 * (size_t) threads, MAX_WINDOW);
    bool found = true;

    close_fragments(s, true);
    s->next = 0;
    s->n_ranges = 0;
    s->window = s->window ? QV_MIN(2 * s->window, most) : 1;
    while (s->n_ranges < s->window) {
        QV_TRY(plan_range(s, &s->ranges[s->n_ranges], &found, err));
        if (!found)
            break;
        s->n_ranges++;
    }
    if (s->n_ranges == 0)
        return QV_OK;
    return qv__parallel_for(s->n_ranges, threads, read_range, s, err);
}

static qv_status scan_next(qv__stream *stream, qv__array **out, qv_error *err)
{
    scan *s = (scan *) stream;

    if (s->next == s->n_ranges && !s->ended) {
        qv_status st = fill_window(s, err);
        if (st != QV_OK || s->n_ranges == 0) {
            qv__unref_all(s->batches, MAX_WINDOW);
            s->n_ranges = 0;
            s->ended = true;
            qv__job_end(&s->job, st);
        }
        if (st != QV_OK)
            return st;
    }
    *out = NULL;
    if (s->next < s->n_ranges) {
        *out = s->batches[s->next];
        s->batches[s->next++] = NULL;
    }
    return QV_OK;
}

static void scan_destroy(qv__stream *stream)
{
    scan *s = (scan *) stream;

    if (!s->ended)
        qv__job_end(&s->job, QV_CANCELLED);
    qv__unref_all(s->batches, MAX_WINDOW);
    close_fragments(s, false);
    qv__schema_unref(s->stream.schema);
    qv__projection_free(s->projection);
    qv__snapshot_unref(s->snapshot);
    qv__free(s);
}

qv_status qv__scan(qv__snapshot *snapshot, const qv_scan_options *options, qv__stream **out, qv_error *err)
{
    scan *s = NULL;
    uint64_t total = 0;
    qv__projection *projection = NULL;
    qv__wanted wanted = { .columns = options->columns,
                          .n_columns = options->n_columns,
                          .row_id = options->with_row_id,
                          .row_address = options->with_row_address };

    QV_TRY(qv__projection_new(qv__snapshot_schema(snapshot), &wanted, &projection, err));
    qv_status st = qv__snapshot_count_rows(snapshot, &total, err);
    if (st == QV_OK)
        st = QV_NEW(&s, 1, err);
    if (st != QV_OK) {
        qv__projection_free(projection);
        return st;
    }
    s->stream.schema = qv__schema_ref(projection->schema);
    s->stream.next = scan_next;
    s->stream.destroy = scan_destroy;
    s->snapshot = qv__snapshot_ref(snapshot);
    s->projection = projection;
    s->skip = QV_MIN(options->offset, total);
    s->left = total - s->skip;
    if (options->has_limit || options->limit > 0)
        s->left = QV_MIN(s->left, options->limit);
    s->batch_rows = options->batch_rows;
    qv__job_begin(&s->job, &options->job, "scan", s->left);
    *out = &s->stream;
    return QV_OK;
}
