/* True distances of single rows. An index asks for them a few at a time, in no order; each vector is a cache miss or several, so the
 * rows of a block are found first and fetched ahead of being measured. Where vectors do not lie bare in their file, the rows of a
 * block are read fragment by fragment. */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "query/ann.h"

enum {
    BLOCK = 32,
    AHEAD = 6,          /* vectors that are on their way while one is measured */
    AHEAD_BYTES = 1024, /* of each: the hardware goes on by itself */
    LINE = 64
};

typedef struct wanted { /* a row that has to be read */
    qv__location at;
    size_t slot;
} wanted;

typedef struct block {
    const uint8_t *vectors[BLOCK]; /* NULL: null, gone, or to be read */
    size_t n_wanted;
    wanted wanted[BLOCK];
} block;

/* ------------------------------------------------------------------ finding */

qv_status qv__measure_locate(qv__measure *m, uint64_t key, qv__location *out, bool *found, qv_error *err)
{
    if (!m->by_address)
        return qv__snapshot_locate(m->snapshot, key, &out->fragment, &out->row, found, err);
    out->row = (uint32_t) key;
    *found = qv__vector_places_fragment(m->places, key >> 32, &out->fragment) &&
             out->row < qv__snapshot_fragment(m->snapshot, out->fragment)->physical_rows;
    return QV_OK;
}

static qv_status find(qv__measure *m, const uint64_t *keys, size_t n, block *out, qv_error *err)
{
    out->n_wanted = 0;
    for (size_t i = 0; i < n; i++) {
        qv__location at;
        bool exists, lies;
        out->vectors[i] = NULL;
        QV_TRY(qv__measure_locate(m, keys[i], &at, &exists, err));
        if (!exists)
            continue;
        QV_TRY(qv__vector_place(m->places, m->snapshot, m->column, &at, &out->vectors[i], &lies, err));
        if (!lies)
            out->wanted[out->n_wanted++] = (wanted){ at, i };
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ in memory */

static void fetch_ahead(const uint8_t *vector, size_t bytes)
{
    for (size_t i = 0; vector && i < QV_MIN(bytes, AHEAD_BYTES); i += LINE)
        __builtin_prefetch(vector + i, 0, 2);
}

static void measure_lying(const qv__measure *m, size_t query, const block *b, size_t n, float *out)
{
    size_t bytes = qv__element_bytes(m->column->element, m->column->dim);

    for (size_t i = 0; i < QV_MIN(n, AHEAD); i++)
        fetch_ahead(b->vectors[i], bytes);
    for (size_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            fetch_ahead(b->vectors[i + AHEAD], bytes);
        out[i] = NAN;
        if (b->vectors[i])
            qv__distance_to_rows(m->distance, query, b->vectors[i], bytes, 1, &out[i]);
    }
}

/* ------------------------------------------------------------------ by reading */

static int by_place(const void *a, const void *b)
{
    const wanted *x = a, *y = b;
    if (x->at.fragment != y->at.fragment)
        return x->at.fragment < y->at.fragment ? -1 : 1;
    return x->at.row < y->at.row ? -1 : x->at.row > y->at.row;
}

static qv_status measure_array(const qv__measure *m, size_t query, const qv__array *array, float *out, qv_error *err)
{
    qv__vector_run run;

    if (m->column->is_multi)
        return qv__maxsim(m->column, m->distance, m->n_vectors, array, out, err);
    QV_TRY(qv__vector_run_of(array, m->column->element, m->column->dim, &run, err));
    qv__distance_to_rows(m->distance, query, run.data, run.stride, run.rows, out);
    for (size_t i = 0; run.validity && i < run.rows; i++)
        if (!qv__bit_get(run.validity, run.validity_offset + i))
            out[i] = NAN;
    qv__vector_run_free(&run);
    return QV_OK;
}

/* Rows of one fragment. */
static qv_status measure_read(const qv__measure *m, size_t query, const wanted *list, size_t n, float *out,
                              qv_error *err)
{
    qv_status st = QV_OK;
    qv__fragment_column *from = NULL;
    qv__array *array = NULL;
    uint64_t rows[BLOCK];
    float distances[BLOCK];

    for (size_t i = 0; i < n; i++)
        rows[i] = list[i].at.row;
    QV_CHECK(qv__fragment_column_open(m->snapshot, list->at.fragment, qv__read_field(&m->column->read), &from, err));
    QV_CHECK(qv__vector_column_array(m->column, from, rows, 0, n, &array, err));
    QV_CHECK(measure_array(m, query, array, distances, err));
    for (size_t i = 0; i < n; i++)
        out[list[i].slot] = distances[i];
done:
    qv__array_unref(array);
    qv__fragment_column_free(from);
    return st;
}

static qv_status measure_wanted(const qv__measure *m, size_t query, block *b, float *out, qv_error *err)
{
    qsort(b->wanted, b->n_wanted, sizeof *b->wanted, by_place);
    for (size_t i = 0, n; i < b->n_wanted; i += n) {
        for (n = 1; i + n < b->n_wanted && b->wanted[i + n].at.fragment == b->wanted[i].at.fragment;)
            n++;
        QV_TRY(measure_read(m, query, b->wanted + i, n, out, err));
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ the door */

static void fail(qv__measure *m, qv_status st, const qv_error *err)
{
    if (atomic_exchange(&m->has_failed, true))
        return;
    m->status = st;
    m->err = *err;
}

static void distances(void *ctx, size_t query, const uint64_t *keys, size_t n, float *out)
{
    qv__measure *m = ctx;
    qv_error err;
    block b;

    for (size_t i = 0, here; i < n; i += here) {
        here = QV_MIN(n - i, BLOCK);
        qv_status st = find(m, keys + i, here, &b, &err);
        if (st == QV_OK) {
            measure_lying(m, query, &b, here, out + i);
            st = measure_wanted(m, query, &b, out + i, &err);
        }
        if (st == QV_OK)
            continue;
        for (size_t j = i; j < n; j++)
            out[j] = NAN;
        fail(m, st, &err);
        return;
    }
}

/* What is not found, or cannot be, is left to distances(). */
static void fetch(void *ctx, const uint64_t *keys, size_t n)
{
    qv__measure *m = ctx;
    size_t bytes = qv__element_bytes(m->column->element, m->column->dim);
    qv_error err;
    block b;

    for (size_t i = 0, here; i < n; i += here) {
        here = QV_MIN(n - i, BLOCK);
        if (find(m, keys + i, here, &b, &err) != QV_OK)
            return;
        for (size_t j = 0; j < here; j++)
            fetch_ahead(b.vectors[j], bytes);
    }
}

qv_status qv__measure_init(qv__measure *m, qv__snapshot *snapshot, const qv__vector_column *column,
                           const qv__distance *distance, size_t n_vectors, bool by_address, qv_error *err)
{
    *m = (qv__measure){
        .snapshot = snapshot, .column = column, .distance = distance, .n_vectors = n_vectors, .by_address = by_address
    };
    m->exact = (qv__exact){ distances, m, fetch };
    atomic_init(&m->has_failed, false);
    return qv__vector_places_of(snapshot, column, &m->places, err);
}

qv_status qv__measure_status(const qv__measure *m, qv_error *err)
{
    if (!atomic_load(&m->has_failed))
        return QV_OK;
    if (err)
        *err = m->err;
    return m->status;
}
