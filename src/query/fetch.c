/* Rows by place. Rows of one fragment go to the file reader as they are asked for (it decodes each chunk once, whatever the
 * order). Rows of several fragments are sorted by place, read in pieces side by side, laid end to end, and put into the order
 * that was asked for when that differs. */
#include <stdlib.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "base/bytes.h"
#include "base/pool.h"
#include "query_private.h"

enum {
    PIECE_ROWS = 16384, /* rows that one task fetches of one column */
    SERIAL_ROWS = 4096, /* up to here handing work to other threads costs more than it saves */
};

/* ------------------------------------------------------------------ pieces */

typedef struct piece {
    size_t fragment, first, n; /* rows[first .. first + n) */
} piece;

typedef struct fetching {
    const qv__row_reader *reader;
    const size_t *which; /* the sources that are fields */
    size_t n_which;
    qv__job *job;
    size_t n;
    uint64_t *rows;    /* physical, in reading order */
    int64_t *position; /* of the row asked for i-th, in reading order; NULL: the same order */
    size_t n_pieces;
    piece *pieces;
    qv__array **parts; /* n_which x n_pieces */
} fetching;

typedef struct place {
    qv__location at;
    size_t asked;
} place;

static int by_place(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->at.fragment != y->at.fragment)
        return x->at.fragment < y->at.fragment ? -1 : 1;
    if (x->at.row != y->at.row)
        return x->at.row < y->at.row ? -1 : 1;
    return x->asked < y->asked ? -1 : x->asked > y->asked;
}

static bool fragments_ascend(const qv__location *at, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (at[i].fragment < at[i - 1].fragment)
            return false;
    return true;
}

static qv_status sort_rows(fetching *g, const qv__location *at, qv__location *sorted, qv_error *err)
{
    qv_status st = QV_OK;
    place *places = NULL;

    QV_CHECK(QV_NEW(&places, g->n, err));
    QV_CHECK(QV_NEW(&g->position, g->n, err));
    for (size_t i = 0; i < g->n; i++)
        places[i] = (place){ at[i], i };
    qsort(places, g->n, sizeof *places, by_place);
    for (size_t i = 0; i < g->n; i++) {
        sorted[i] = places[i].at;
        g->position[places[i].asked] = (int64_t) i;
    }
done:
    qv__free(places);
    return st;
}

static qv_status cut_pieces(fetching *g, const qv__location *at, qv_error *err)
{
    size_t n_pieces = 0;

    for (size_t i = 0, in_piece = 0; i < g->n; i++) {
        in_piece = i > 0 && at[i].fragment == at[i - 1].fragment && in_piece < PIECE_ROWS ? in_piece + 1 : 1;
        n_pieces += in_piece == 1;
    }
    QV_TRY(QV_NEW(&g->pieces, n_pieces, err));
    QV_TRY(QV_NEW(&g->rows, g->n, err));
    QV_TRY(QV_NEW(&g->parts, QV_MAX(n_pieces * g->n_which, 1), err));
    for (size_t i = 0; i < g->n; i++) {
        piece *last = g->n_pieces > 0 ? &g->pieces[g->n_pieces - 1] : NULL;
        if (!last || last->fragment != at[i].fragment || last->n == PIECE_ROWS)
            g->pieces[g->n_pieces++] = (piece){ at[i].fragment, i, 1 };
        else
            last->n++;
        g->rows[i] = at[i].row;
    }
    return QV_OK;
}

/* Task t: piece t / n_which, column t % n_which. */
static qv_status fetch(void *ctx, size_t task, qv_error *err)
{
    fetching *g = ctx;
    const piece *p = &g->pieces[task / g->n_which];
    const qv__read *read = &g->reader->sources.items[g->which[task % g->n_which]].read;
    qv__fragment_column *column = NULL;
    qv__array *array = NULL;

    QV_TRY(qv__job_tick(g->job, 0, 0, err));
    QV_TRY(qv__fragment_column_open(g->reader->snapshot, p->fragment, qv__read_field(read), &column, err));
    qv_status st = qv__fragment_column_take(column, g->rows + p->first, p->n, &array, err);
    if (st == QV_OK)
        st = qv__read_extract(read, array, &g->parts[task % g->n_which * g->n_pieces + task / g->n_which], err);
    qv__array_unref(array);
    qv__fragment_column_free(column);
    return st;
}

/* ------------------------------------------------------------------ outputs */

static qv_status join_parts(fetching *g, size_t which, qv__array **out, qv_error *err)
{
    const qv__type *type = g->reader->sources.items[g->which[which]].leaf->type;
    qv__array *joined = NULL;

    QV_TRY(qv__array_concat(g->parts + which * g->n_pieces, g->n_pieces, type, &joined, err));
    if (!g->position) {
        *out = joined;
        return QV_OK;
    }
    qv_status st = qv__array_take(joined, g->position, g->n, out, err);
    qv__array_unref(joined);
    return st;
}

static qv_status make_numbers(const qv__row_reader *reader, qv__source_kind kind, const qv__location *at, size_t n,
                              qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *array = NULL;
    void *values;

    QV_TRY(qv__made_array(kind, n, &array, &values, err));
    for (size_t i = 0; i < n; i++)
        QV_CHECK(qv__row_numbers(reader, kind, at[i].fragment, at[i].row, NULL, 1, (uint64_t *) values + i, err));
    *out = array;
    array = NULL;
done:
    qv__array_unref(array);
    return st;
}

static qv_status fetch_fields(fetching *g, const qv__location *at, qv__array **arrays, qv_error *err)
{
    qv_status st = QV_OK;
    qv__location *sorted = NULL;
    const qv__location *order = at;

    if (!fragments_ascend(at, g->n)) {
        QV_CHECK(QV_NEW(&sorted, g->n, err));
        QV_CHECK(sort_rows(g, at, sorted, err));
        order = sorted;
    }
    QV_CHECK(cut_pieces(g, order, err));
    unsigned threads = g->n * g->n_which <= SERIAL_ROWS ? 1 : qv__job_threads(g->job);
    QV_CHECK(qv__parallel_for(g->n_pieces * g->n_which, threads, fetch, g, err));
    for (size_t i = 0; i < g->n_which; i++)
        QV_CHECK(join_parts(g, i, &arrays[g->which[i]], err));
done:
    if (g->parts)
        qv__unref_all(g->parts, g->n_pieces * g->n_which);
    qv__free(g->parts);
    qv__free(g->pieces);
    qv__free(g->rows);
    qv__free(g->position);
    qv__free(sorted);
    return st;
}

qv_status qv__fetch_rows(const qv__row_reader *reader, const size_t *which, size_t n_which, const qv__location *at,
                         size_t n, qv__job *job, qv__array **arrays, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n_sources = reader->sources.n, *fields = NULL;
    fetching g = { .reader = reader, .job = job, .n = n };

    for (size_t i = 0; i < n_sources; i++)
        arrays[i] = NULL;
    QV_TRY(QV_NEW(&fields, QV_MAX(n_which, 1), err));
    for (size_t i = 0; i < n_which; i++) {
        qv__source_kind kind = reader->sources.items[which[i]].kind;
        if (kind == QV_FROM_FIELD)
            fields[g.n_which++] = which[i];
        else if (kind != QV_FROM_DISTANCE && kind != QV_FROM_QUERY_INDEX)
            QV_CHECK(make_numbers(reader, kind, at, n, &arrays[which[i]], err));
    }
    g.which = fields;
    if (g.n_which > 0)
        QV_CHECK(fetch_fields(&g, at, arrays, err));
done:
    if (st != QV_OK)
        qv__unref_all(arrays, n_sources);
    qv__free(fields);
    return st;
}

/* ------------------------------------------------------------------ batches, and places that match */

qv_status qv__fetch_batch(const qv__row_reader *reader, const qv__projection *projection, const qv__location *at,
                          size_t n, qv__job *job, qv__array **out, qv_error *err)
{
    qv__array **arrays = NULL;

    QV_TRY(QV_NEW(&arrays, QV_MAX(reader->sources.n, 1), err));
    qv_status st = qv__fetch_rows(reader, projection->used, projection->n_used, at, n, job, arrays, err);
    if (st == QV_OK)
        st = qv__projection_batch(projection, arrays, n, out, err);
    qv__unref_all(arrays, reader->sources.n);
    qv__free(arrays);
    return st;
}

/* The sources of all steps, each once. */
static size_t condition_sources(const qv__condition *condition, bool *seen, size_t *which)
{
    size_t n = 0;

    for (size_t i = 0; i < condition->n_steps; i++)
        for (size_t c = 0; c < condition->steps[i].program->n_columns; c++) {
            size_t source = condition->steps[i].inputs[c];
            if (!seen[source])
                which[n++] = source;
            seen[source] = true;
        }
    return n;
}

qv_status qv__fetch_selected(const qv__row_reader *reader, const qv__filter *filter, const qv__location *at, size_t n,
                             qv__job *job, uint8_t *selected, size_t *n_selected, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n_sources = QV_MAX(reader->sources.n, 1), *which = NULL;
    bool *seen = NULL;
    qv__array **arrays = NULL;

    *n_selected = filter->never ? 0 : n;
    qv__bitmap_fill(selected, 0, n, !filter->never);
    if (*n_selected == 0 || filter->full.n_steps == 0)
        return QV_OK;
    QV_CHECK(QV_NEW(&which, n_sources, err));
    QV_CHECK(QV_NEW(&seen, n_sources, err));
    QV_CHECK(QV_NEW(&arrays, n_sources, err));
    QV_CHECK(qv__fetch_rows(reader, which, condition_sources(&filter->full, seen, which), at, n, job, arrays, err));
    QV_CHECK(qv__select_arrays(&filter->full, arrays, n, selected, n_selected, err));
done:
    if (arrays)
        qv__unref_all(arrays, reader->sources.n);
    qv__free(arrays);
    qv__free(which);
    qv__free(seen);
    return st;
}
