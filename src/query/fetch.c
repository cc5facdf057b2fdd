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

void qv__unref_all(qv__array **arrays, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        qv__array_unref(arrays[i]);
        arrays[i] = NULL;
    }
}

qv_status qv__fixed_array(const qv__type *type, size_t n, qv__array **out, void **values, qv_error *err)
{
    qv__array *array = NULL;
    uint8_t *bytes;

    QV_TRY(qv__array_new(type, (int64_t) n, 0, &array, err));
    qv_status st = qv__bytes_new(n * (size_t) qv__type_bits(type) / 8, &array->buffers[1], &bytes, err);
    if (st != QV_OK) {
        qv__array_unref(array);
        return st;
    }
    *values = bytes;
    *out = array;
    return QV_OK;
}

qv_status qv__reads_open(qv__snapshot *snapshot, size_t fragment, const qv__projection *projection,
                         qv__fragment_column **columns, qv_error *err)
{
    for (size_t r = 0; r < projection->n_reads; r++) {
        qv_status st = qv__fragment_column_open(snapshot, fragment, projection->reads[r].field, &columns[r], err);
        if (st != QV_OK) {
            qv__reads_close(columns, r);
            return st;
        }
    }
    return QV_OK;
}

void qv__reads_close(qv__fragment_column **columns, size_t n)
{
    for (size_t r = 0; r < n; r++) {
        qv__fragment_column_free(columns[r]);
        columns[r] = NULL;
    }
}

/* ------------------------------------------------------------------ pieces */

typedef struct piece {
    size_t fragment, first, n; /* rows[first .. first + n) */
} piece;

typedef struct fetching {
    qv__snapshot *snapshot;
    const qv__projection *projection;
    qv__job *job;
    size_t n;
    uint64_t *rows;    /* physical, in reading order */
    int64_t *position; /* of the row asked for i-th, in reading order; NULL: the same order */
    size_t n_pieces;
    piece *pieces;
    qv__array **parts; /* n_reads x n_pieces */
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
    QV_TRY(QV_NEW(&g->parts, QV_MAX(n_pieces * g->projection->n_reads, 1), err));
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

/* Task t: piece t / n_reads, column t % n_reads. */
static qv_status fetch(void *ctx, size_t task, qv_error *err)
{
    fetching *g = ctx;
    size_t n_reads = g->projection->n_reads;
    const piece *p = &g->pieces[task / n_reads];
    const qv__read *read = &g->projection->reads[task % n_reads];
    qv__fragment_column *column = NULL;
    qv__array *array = NULL;

    QV_TRY(qv__job_tick(g->job, 0, 0, err));
    QV_TRY(qv__fragment_column_open(g->snapshot, p->fragment, read->field, &column, err));
    qv_status st = qv__fragment_column_take(column, g->rows + p->first, p->n, &array, err);
    if (st == QV_OK)
        st = qv__read_extract(read, array, &g->parts[task % n_reads * g->n_pieces + task / n_reads], err);
    qv__array_unref(array);
    qv__fragment_column_free(column);
    return st;
}

/* ------------------------------------------------------------------ outputs */

static qv_status join_parts(fetching *g, size_t read, const qv__type *type, qv__array **out, qv_error *err)
{
    qv__array *joined = NULL;

    QV_TRY(qv__array_concat(g->parts + read * g->n_pieces, g->n_pieces, type, &joined, err));
    if (!g->position) {
        *out = joined;
        return QV_OK;
    }
    qv_status st = qv__array_take(joined, g->position, g->n, out, err);
    qv__array_unref(joined);
    return st;
}

static qv_status row_numbers(fetching *g, const qv__location *at, bool ids, const qv__type *type, qv__array **out,
                             qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *array = NULL;
    void *values;

    QV_TRY(qv__fixed_array(type, g->n, &array, &values, err));
    for (size_t i = 0; i < g->n; i++) {
        uint64_t *value = (uint64_t *) values + i;
        *value = qv__snapshot_fragment(g->snapshot, at[i].fragment)->id << 32 | at[i].row;
        if (ids)
            QV_CHECK(qv__snapshot_row_ids(g->snapshot, at[i].fragment, at[i].row, 1, value, err));
    }
    *out = array;
    array = NULL;
done:
    qv__array_unref(array);
    return st;
}

static qv_status make_outputs(fetching *g, const qv__location *at, qv__array **columns, qv_error *err)
{
    const qv__projection *p = g->projection;

    for (size_t o = 0; o < p->n_outputs; o++) {
        const qv__type *type = p->schema->fields[o].type;
        if (p->outputs[o].kind == QV_OUT_FIELD)
            QV_TRY(join_parts(g, p->outputs[o].read, type, &columns[o], err));
        else if (p->outputs[o].kind == QV_OUT_ROW_ID || p->outputs[o].kind == QV_OUT_ROW_ADDRESS)
            QV_TRY(row_numbers(g, at, p->outputs[o].kind == QV_OUT_ROW_ID, type, &columns[o], err));
    }
    return QV_OK;
}

qv_status qv__fetch_rows(qv__snapshot *snapshot, const qv__projection *projection, const qv__location *at, size_t n,
                         qv__job *job, qv__array **columns, qv_error *err)
{
    qv_status st = QV_OK;
    fetching g = { .snapshot = snapshot, .projection = projection, .job = job, .n = n };
    qv__location *sorted = NULL;
    const qv__location *order = at;

    for (size_t o = 0; o < projection->n_outputs; o++)
        columns[o] = NULL;
    if (!fragments_ascend(at, n)) {
        QV_CHECK(QV_NEW(&sorted, n, err));
        QV_CHECK(sort_rows(&g, at, sorted, err));
        order = sorted;
    }
    QV_CHECK(cut_pieces(&g, order, err));
    unsigned threads = n * projection->n_reads <= SERIAL_ROWS ? 1 : qv__job_threads(job);
    QV_CHECK(qv__parallel_for(g.n_pieces * projection->n_reads, threads, fetch, &g, err));
    QV_CHECK(make_outputs(&g, at, columns, err));
done:
    if (st != QV_OK)
        qv__unref_all(columns, projection->n_outputs);
    if (g.parts)
        qv__unref_all(g.parts, g.n_pieces * projection->n_reads);
    qv__free(g.parts);
    qv__free(g.pieces);
    qv__free(g.rows);
    qv__free(g.position);
    qv__free(sorted);
    return st;
}
