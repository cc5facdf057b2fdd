/* A stream over rows in storage order.
 *
 * Work is done a window at a time, side by side on the pool; the window doubles from one up to twice the threads, so a limit or an
 * early end costs nothing. Without a condition a window is a row of ranges, each a batch: it lies in one fragment and ends where pages
 * end, so that columns come without copy where the file allows. With one, a window is a row of morsels whose rows are selected first;
 * the rows that are left are cut into pieces, the columns that the condition did not read are read for the pieces, and small
 * neighbouring pieces are laid end to end.
 *
 * What fails beyond a limit is not told: each morsel keeps its error until the rows before it are counted. */
#include <string.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "base/bytes.h"
#include "base/pool.h"
#include "query_private.h"

enum { BATCH_BYTES = 1 << 20, BATCH_ROWS = 8192, MAX_WINDOW = 64 };

/* Rows of one morsel that belong to one batch. */
typedef struct piece {
    size_t morsel, first, count;
    bool ends_batch;
    qv__array *batch;
} piece;

typedef struct scan {
    qv__stream stream;
    qv__row_reader reader;
    qv__projection *projection;
    qv__filter filter;
    qv__plan plan;
    qv__operator *op_fetch, *op_limit, *op_project;
    qv__job job;
    bool ended;      /* the job has been told */
    bool *keep;      /* sources that are returned, so that selecting keeps them */
    uint32_t target; /* the caller's batch_rows; 0: by width */

    qv__walk walk;       /* where the next morsel starts; with a condition its rows, else ranges of it */
    uint64_t batch_rows; /* of the current fragment, or of all once known */
    uint64_t skip, left; /* rows to skip first, and still to give */
    bool at_end;

    size_t window, n_morsels;
    qv__morsel morsels[MAX_WINDOW];
    qv__array **kept[MAX_WINDOW];
    size_t n_pieces, next_piece, piece_capacity;
    piece *pieces;
    uint64_t open_rows; /* in pieces after the last that ended a batch */
} scan;

/* ------------------------------------------------------------------ ranges of all rows */

/* Rows whose columns take about BATCH_BYTES. */
static qv_status rows_by_width(const scan *s, qv__opened *f, uint64_t *out, qv_error *err)
{
    uint64_t sample = QV_MIN(f->rows, BATCH_ROWS), bytes = 0;
    const qv__projection *p = s->projection;

    for (size_t i = 0; i < p->n_used; i++) {
        qv__fragment_column *column;
        if (s->reader.sources.items[p->used[i]].kind != QV_FROM_FIELD)
            continue;
        QV_TRY(qv__opened_column(f, p->used[i], &column, err));
        bytes += qv__fragment_column_cost(column, 0, sample);
    }
    *out = BATCH_ROWS;
    if (bytes > BATCH_BYTES && sample > 0)
        *out = QV_MAX((uint64_t) ((double) sample * BATCH_BYTES / (double) bytes), 1);
    return QV_OK;
}

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
    qv__walk *w = &s->walk;
    size_t n_fragments = qv__snapshot_n_fragments(s->reader.snapshot);

    *at_row = false;
    for (; w->fragment < n_fragments; w->fragment++, w->row = 0) {
        uint64_t rows = qv__snapshot_fragment(s->reader.snapshot, w->fragment)->physical_rows, passed;
        const uint32_t *deleted;
        const uint8_t *live;
        size_t n_deleted;
        QV_TRY(qv__snapshot_deletions(s->reader.snapshot, w->fragment, &deleted, &n_deleted, &live, err));
        if (w->row == 0 && s->skip >= rows - n_deleted) {
            s->skip -= rows - n_deleted;
            continue;
        }
        w->row = pass_live(live, w->row, rows, s->skip, &passed);
        s->skip -= passed;
        if (live)
            w->row = qv__bitmap_find(live, w->row, rows, true);
        if (w->row < rows) {
            *at_row = true;
            return QV_OK;
        }
    }
    return QV_OK;
}

/* Ends the span at the end of a page when that costs less than half of the batch: no page boundary then lies inside. */
static qv_status cut_at_page(const scan *s, qv__opened *f, uint64_t row, uint64_t *end, qv_error *err)
{
    uint64_t least = row + (*end - row + 1) / 2;
    const qv__projection *p = s->projection;

    for (size_t i = 0; i < p->n_used; i++) {
        qv__fragment_column *column;
        if (s->reader.sources.items[p->used[i]].kind != QV_FROM_FIELD)
            continue;
        QV_TRY(qv__opened_column(f, p->used[i], &column, err));
        uint64_t page_end = qv__fragment_column_page_end(column, row);
        if (page_end >= least && page_end < *end)
            *end = page_end;
    }
    return QV_OK;
}

static qv_status open_current(scan *s, qv_error *err)
{
    qv__walk *w = &s->walk;

    if (w->opened && w->opened->index == w->fragment)
        return QV_OK;
    qv__walk_end(w);
    QV_TRY(qv__opened_new(&s->reader, w->fragment, &w->opened, err));
    s->batch_rows = s->target;
    return s->target ? QV_OK : rows_by_width(s, w->opened, &s->batch_rows, err);
}

/* The next range, as a morsel that is one batch. */
static qv_status plan_range(scan *s, qv__morsel *out, bool *found, qv_error *err)
{
    qv__walk *w = &s->walk;
    uint64_t end, n_live;

    *found = false;
    *out = (qv__morsel){ 0 };
    if (s->left == 0)
        return QV_OK;
    QV_TRY(skip_rows(s, found, err));
    if (!*found)
        return QV_OK;
    *found = false;
    QV_TRY(open_current(s, err));
    qv__opened *f = w->opened;
    end = pass_live(f->live, w->row, f->rows, QV_MIN(s->batch_rows, s->left), &n_live);
    if (!s->target && !f->live) {
        QV_TRY(cut_at_page(s, f, w->row, &end, err));
        n_live = end - w->row;
    }
    qv__rows rows = { .row = w->row, .n = end - w->row, .count = n_live };
    if (rows.count < rows.n) {
        QV_TRY(QV_NEW(&rows.mask, qv__bitmap_bytes(rows.n), err));
        qv__bitmap_copy(rows.mask, 0, f->live, rows.row, rows.n);
    }
    rows.from = qv__opened_ref(f);
    out->rows = rows;
    *found = true;
    w->row = end;
    s->left -= n_live;
    if (end == f->rows) {
        w->fragment++;
        w->row = 0;
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ selecting */

static qv_status select_morsel(void *ctx, size_t task, qv_error *err)
{
    scan *s = ctx;
    qv__morsel *morsel = &s->morsels[task];
    qv__selecting how = { .condition = morsel->condition, .keep = s->keep, .kept = s->kept[task] };

    QV_UNUSED(err); /* told when the rows before this morsel are known not to be enough */
    morsel->status = qv__job_tick(&s->job, morsel->rows.count, 0, &morsel->err);
    if (morsel->status == QV_OK && morsel->condition)
        morsel->status = qv__select(&how, &morsel->rows, &morsel->err);
    if (morsel->status == QV_OK && !qv__rows_are_all(&morsel->rows)) {
        const uint64_t *list;
        morsel->status = qv__rows_list(&morsel->rows, &list, &morsel->err);
    }
    return QV_OK;
}

static qv_status add_piece(scan *s, size_t morsel, size_t first, size_t count, qv_error *err)
{
    QV_TRY(QV_GROW(&s->pieces, &s->piece_capacity, s->n_pieces + 1, err));
    s->pieces[s->n_pieces++] = (piece){ .morsel = morsel, .first = first, .count = count };
    s->open_rows += count;
    return QV_OK;
}

static void end_batch(scan *s)
{
    if (s->open_rows > 0)
        s->pieces[s->n_pieces - 1].ends_batch = true;
    s->open_rows = 0;
}

/* The rows [first, end) of a morsel as pieces. A batch is filled exactly when the caller said how long it should be; else a piece
 * that does not fit starts a new one. */
static qv_status cut_pieces(scan *s, size_t morsel, size_t first, size_t end, qv_error *err)
{
    while (first < end) {
        uint64_t room = s->batch_rows - s->open_rows;
        if (!s->target && s->open_rows > 0 && end - first > room) {
            end_batch(s);
            continue;
        }
        size_t count = (size_t) QV_MIN(end - first, room);
        QV_TRY(add_piece(s, morsel, first, count, err));
        first += count;
        if (s->open_rows == s->batch_rows)
            end_batch(s);
    }
    return QV_OK;
}

static qv_status cut_morsel(scan *s, size_t m, qv_error *err)
{
    qv__morsel *morsel = &s->morsels[m];
    uint64_t count = morsel->rows.count, skipped = QV_MIN(s->skip, count);
    uint64_t end = skipped + QV_MIN(s->left, count - skipped);

    s->skip -= skipped;
    s->left -= end - skipped;
    if (skipped == end)
        return QV_OK;
    if (s->batch_rows == 0) {
        s->batch_rows = s->target;
        if (!s->target)
            QV_TRY(rows_by_width(s, morsel->rows.from, &s->batch_rows, err));
    }
    return cut_pieces(s, m, skipped, end, err);
}

static qv_status plan_selected(scan *s, unsigned threads, qv_error *err)
{
    bool found = true;

    while (s->n_morsels < s->window && s->left > 0) {
        QV_TRY(qv__walk_next(&s->walk, &s->morsels[s->n_morsels], &found, err));
        if (!found)
            break;
        qv__array ***kept = &s->kept[s->n_morsels++];
        QV_TRY(QV_NEW(kept, QV_MAX(s->reader.sources.n, 1), err));
    }
    s->at_end = !found || s->left == 0;
    QV_TRY(qv__parallel_for(s->n_morsels, threads, select_morsel, s, err));
    for (size_t m = 0; m < s->n_morsels && s->left > 0; m++) {
        qv__morsel *morsel = &s->morsels[m];
        if (morsel->status != QV_OK) {
            if (err)
                *err = morsel->err;
            return morsel->status;
        }
        QV_TRY(cut_morsel(s, m, err));
    }
    s->at_end = s->at_end || s->left == 0;
    if (!s->target || s->at_end)
        end_batch(s);
    return QV_OK;
}

static qv_status plan_all(scan *s, qv_error *err)
{
    bool found = true;

    while (s->n_morsels < s->window) {
        qv__morsel *morsel = &s->morsels[s->n_morsels];
        QV_TRY(plan_range(s, morsel, &found, err));
        if (!found)
            break;
        QV_TRY(add_piece(s, s->n_morsels++, 0, morsel->rows.count, err));
        end_batch(s);
    }
    s->at_end = !found;
    return QV_OK;
}

/* ------------------------------------------------------------------ reading */

/* Some of the rows of a morsel, with lists of their own. */
static qv_status rows_of_piece(const qv__rows *from, const piece *p, qv__rows *out, qv_error *err)
{
    qv__rows rows = { .row = from->row, .n = from->n, .count = p->count };

    if (qv__rows_are_all(from)) {
        rows.row += p->first;
        rows.n = p->count;
    } else if (from->list) {
        QV_TRY(QV_NEW(&rows.list, p->count, err));
        memcpy(rows.list, from->list + p->first, p->count * sizeof *rows.list);
        rows.row = rows.list[0];
        rows.n = rows.list[p->count - 1] - rows.row + 1;
    } else { /* a range with deletions, which is one piece */
        QV_TRY(QV_NEW(&rows.mask, qv__bitmap_bytes(rows.n), err));
        memcpy(rows.mask, from->mask, qv__bitmap_bytes(rows.n));
    }
    rows.from = qv__opened_ref(from->from);
    *out = rows;
    return QV_OK;
}

static qv_status read_sources(scan *s, const piece *p, qv__rows *rows, qv__array **arrays, qv_error *err)
{
    qv__array **kept = s->kept[p->morsel];

    for (size_t i = 0; i < s->projection->n_used; i++) {
        size_t source = s->projection->used[i];
        if (kept && kept[source])
            QV_TRY(qv__array_slice(kept[source], (int64_t) p->first, (int64_t) p->count, &arrays[source], err));
        else
            QV_TRY(qv__rows_read(rows, source, &arrays[source], err));
    }
    return QV_OK;
}

static qv_status read_piece(void *ctx, size_t task, qv_error *err)
{
    qv_status st = QV_OK;
    scan *s = ctx;
    piece *p = &s->pieces[task];
    qv__rows rows = { 0 };
    qv__array **arrays = NULL;

    if (p->batch) /* came with the last window */
        return QV_OK;
    QV_CHECK(qv__job_tick(&s->job, qv__filter_is_empty(&s->filter) ? p->count : 0, 0, err));
    QV_CHECK(QV_NEW(&arrays, QV_MAX(s->reader.sources.n, 1), err));
    QV_CHECK(rows_of_piece(&s->morsels[p->morsel].rows, p, &rows, err));
    qv__span span = qv__span_begin();
    QV_CHECK(read_sources(s, p, &rows, arrays, err));
    qv__span_end(&span, s->op_fetch, p->count);
    span = qv__span_begin();
    QV_CHECK(qv__projection_batch(s->projection, arrays, p->count, &p->batch, err));
    qv__span_end(&span, s->op_project, p->count);
    qv__span_end(&span, s->op_limit, p->count);
done:
    if (arrays)
        qv__unref_all(arrays, s->reader.sources.n);
    qv__free(arrays);
    qv__rows_clear(&rows);
    return st;
}

static void clear_morsels(scan *s)
{
    for (size_t m = 0; m < s->n_morsels; m++) {
        qv__rows_clear(&s->morsels[m].rows);
        if (s->kept[m])
            qv__unref_all(s->kept[m], s->reader.sources.n);
        qv__free(s->kept[m]);
        s->kept[m] = NULL;
    }
    s->n_morsels = 0;
}

/* Pieces of a batch that the last window did not end stay, as batches. */
static void keep_open_pieces(scan *s)
{
    size_t n = s->n_pieces - s->next_piece;

    memmove(s->pieces, s->pieces + s->next_piece, n * sizeof *s->pieces);
    s->n_pieces = n;
    s->next_piece = 0;
}

static qv_status fill_window(scan *s, qv_error *err)
{
    unsigned threads = qv__job_threads(&s->job) ? qv__job_threads(&s->job) : qv__pool_size();
    size_t most = QV_MIN(2 * (size_t) threads, MAX_WINDOW);

    if (s->window == 0)
        QV_TRY(qv__filter_start(&s->filter, &s->reader, &s->job, err));
    if (s->pieces)
        keep_open_pieces(s);
    s->window = s->window ? QV_MIN(2 * s->window, most) : 1;
    QV_TRY(qv__filter_is_empty(&s->filter) ? plan_all(s, err) : plan_selected(s, threads, err));
    QV_TRY(qv__parallel_for(s->n_pieces, threads, read_piece, s, err));
    clear_morsels(s);
    return QV_OK;
}

/* ------------------------------------------------------------------ the stream */

/* The pieces of the next batch are there. */
static bool batch_is_ready(const scan *s)
{
    for (size_t i = s->next_piece; i < s->n_pieces; i++)
        if (s->pieces[i].ends_batch)
            return true;
    return false;
}

static qv_status join_batch(scan *s, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n = 1;
    qv__array **batches = NULL;

    while (!s->pieces[s->next_piece + n - 1].ends_batch)
        n++;
    if (n == 1)
        *out = qv__array_ref(s->pieces[s->next_piece].batch);
    else {
        QV_CHECK(QV_NEW(&batches, n, err));
        for (size_t i = 0; i < n; i++)
            batches[i] = s->pieces[s->next_piece + i].batch;
        QV_CHECK(qv__array_concat(batches, n, s->stream.schema->type, out, err));
    }
    for (; n > 0; n--) {
        qv__array_unref(s->pieces[s->next_piece].batch);
        s->pieces[s->next_piece++].batch = NULL;
    }
done:
    qv__free(batches);
    return st;
}

static void drop_pieces(scan *s)
{
    for (size_t i = 0; i < s->n_pieces; i++)
        qv__array_unref(s->pieces[i].batch);
    s->n_pieces = 0;
    s->next_piece = 0;
}

static void end_scan(scan *s, qv_status st)
{
    clear_morsels(s);
    if (st != QV_OK)
        drop_pieces(s);
    if (!s->ended)
        qv__job_end(&s->job, st);
    s->ended = true;
}

static qv_status scan_next(qv__stream *stream, qv__array **out, qv_error *err)
{
    scan *s = (scan *) stream;
    qv_status st = QV_OK;

    while (st == QV_OK && !s->ended && !s->at_end && !batch_is_ready(s))
        st = fill_window(s, err);
    qv__array *batch = NULL;
    if (st == QV_OK && batch_is_ready(s))
        st = join_batch(s, &batch, err);
    if (st != QV_OK) {
        st = qv__query_failed(st, err);
        end_scan(s, st);
        s->at_end = true;
        return st;
    }
    if (!batch)
        end_scan(s, QV_OK);
    *out = batch;
    return QV_OK;
}

static void scan_destroy(qv__stream *stream)
{
    scan *s = (scan *) stream;

    end_scan(s, QV_CANCELLED);
    drop_pieces(s);
    qv__free(s->pieces);
    qv__walk_end(&s->walk);
    qv__schema_unref(s->stream.schema);
    qv__projection_free(s->projection);
    qv__filter_clear(&s->filter);
    qv__plan_clear(&s->plan);
    qv__free(s->keep);
    qv__row_reader_clear(&s->reader);
    qv__free(s);
}

/* ------------------------------------------------------------------ the plan */

/* Names of the columns that are read for the rows that are left. */
static qv_status print_late(const scan *s, qv__buffer *out, qv_error *err)
{
    const qv__condition *condition = &s->filter.full;
    size_t n = 0;

    for (size_t i = 0; i < s->projection->n_used; i++) {
        bool early = false;
        for (size_t t = 0; t < condition->n_steps; t++)
            for (size_t c = 0; c < condition->steps[t].program->n_columns; c++)
                early = early || condition->steps[t].inputs[c] == s->projection->used[i];
        if (!early)
            QV_TRY(qv__buffer_printf(out, err, "%s%s", n++ ? ", " : "",
                                     s->reader.sources.items[s->projection->used[i]].name));
    }
    return qv__buffer_append_zeros(out, 1, err);
}

static qv_status make_plan(scan *s, const qv_scan_options *options, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer text;
    char fetch[32] = "None";

    qv__buffer_init(&text, 64 << 20);
    QV_CHECK(qv__filter_plan(&s->filter, &s->reader, &s->plan, err));
    s->op_fetch = s->filter.op_read;
    if (qv__filter_is_empty(&s->filter))
        s->filter.op_read = NULL; /* ranges count their rows when they are read */
    else {
        QV_CHECK(print_late(s, &text, err));
        QV_CHECK(qv__plan_add(&s->plan.physical, false, "TakeExec", &s->op_fetch, err, "columns=[%s]",
                              (const char *) text.data));
    }
    if (options->offset || options->limit || options->has_limit) {
        if (options->limit || options->has_limit)
            snprintf(fetch, sizeof fetch, "%llu", (unsigned long long) options->limit);
        QV_CHECK(qv__plan_add(&s->plan.physical, false, "GlobalLimitExec", &s->op_limit, err, "skip=%llu, fetch=%s",
                              (unsigned long long) options->offset, fetch));
        QV_CHECK(qv__plan_add(&s->plan.logical, true, "Limit", NULL, err, "skip=%llu, fetch=%s",
                              (unsigned long long) options->offset, fetch));
    }
    text.len = 0;
    QV_CHECK(qv__projection_print(s->projection, &s->reader.sources, &text, err));
    QV_CHECK(qv__buffer_append_zeros(&text, 1, err));
    QV_CHECK(qv__plan_add(&s->plan.logical, true, "Projection", NULL, err, "%s", (const char *) text.data));
    QV_CHECK(qv__plan_add(&s->plan.physical, false, "ProjectionExec", &s->op_project, err, "expr=[%s]",
                          (const char *) text.data));
done:
    qv__buffer_free(&text);
    return st;
}

static qv_status prepare(scan *s, const qv_scan_options *options, const qv__wanted *wanted, qv_error *err)
{
    uint64_t total;

    QV_TRY(qv__filter_new(&s->filter, &s->reader, options->where, options->no_index, err));
    s->filter.fast_search = options->fast_search;
    QV_TRY(
        qv__projection_new(qv__snapshot_schema(s->reader.snapshot), wanted, &s->reader.sources, &s->projection, err));
    QV_TRY(qv__row_reader_prepare(&s->reader, err));
    QV_TRY(QV_NEW(&s->keep, QV_MAX(s->reader.sources.n, 1), err));
    for (size_t i = 0; i < s->projection->n_used; i++)
        s->keep[s->projection->used[i]] = true;
    QV_TRY(qv__snapshot_count_rows(s->reader.snapshot, &total, err));
    s->job.rows_total = total;
    s->skip = QV_MIN(options->offset, total);
    s->left = total - s->skip;
    if (options->has_limit || options->limit > 0)
        s->left = QV_MIN(s->left, options->limit);
    if (qv__filter_is_empty(&s->filter))
        s->job.rows_total = s->left;
    return make_plan(s, options, err);
}

qv_status qv__scan_new(qv__snapshot *snapshot, const qv_scan_options *options, const qv__wanted *wanted,
                       const qv__matches *matches, qv__scan_plan *out, qv_error *err)
{
    scan *s = NULL;

    QV_TRY(QV_NEW(&s, 1, err));
    s->stream.next = scan_next;
    s->stream.destroy = scan_destroy;
    s->reader.snapshot = qv__snapshot_ref(snapshot);
    s->filter.matches = matches;
    s->target = options->batch_rows;
    qv__job_begin(&s->job, &options->job, "scan", 0);
    qv_status st = prepare(s, options, wanted, err);
    if (st != QV_OK) {
        scan_destroy(&s->stream);
        return st;
    }
    s->stream.schema = qv__schema_ref(s->projection->schema);
    qv__walk_begin(&s->walk, &s->reader, &s->filter);
    *out = (qv__scan_plan){ &s->stream, &s->plan };
    return QV_OK;
}
