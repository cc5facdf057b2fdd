/* Signs of vectors: one bit per value, set where it is above 0. They are made when the first search asks for them, over all
 * processors, and stay with the snapshot. */
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/pool.h"
#include "query/stages.h"
#include "simd/half.h"

enum { PIECE_ROWS = 16384 }; /* a multiple of 8: pieces share no byte of validity */

/* ------------------------------------------------------------------ one vector */

static bool is_above_zero(qv__element element, const uint8_t *vector, size_t i)
{
    float single;
    double wide;

    switch (element) {
    case QV_EL_F64:
        memcpy(&wide, vector + 8 * i, sizeof wide);
        return wide > 0;
    case QV_EL_F16:
        return qv__float_of_f16(qv__load_u16(vector + 2 * i)) > 0;
    case QV_EL_BF16:
        return qv__float_of_bf16(qv__load_u16(vector + 2 * i)) > 0;
    case QV_EL_I8:
        return (int8_t) vector[i] > 0;
    case QV_EL_U8:
        return vector[i] > 0;
    default:
        memcpy(&single, vector + 4 * i, sizeof single);
        return single > 0;
    }
}

void qv__signs_of(qv__element element, const uint8_t *vector, size_t dim, uint8_t *out)
{
    memset(out, 0, qv__bitmap_bytes(dim));
    if (element == QV_EL_F32)
        for (size_t i = 0; i < dim; i++) {
            float value;
            memcpy(&value, vector + 4 * i, sizeof value);
            out[i / 8] |= (uint8_t) ((value > 0) << (i % 8));
        }
    else
        for (size_t i = 0; i < dim; i++)
            out[i / 8] |= (uint8_t) (is_above_zero(element, vector, i) << (i % 8));
}

/* ------------------------------------------------------------------ fragments */

typedef struct making {
    qv__snapshot *snapshot;
    const qv__vector_column *column;
    qv__job *job;
    size_t fragment;
    uint64_t rows;
    qv__fragment_column *from;
    qv__signs *signs;
} making;

static void put_run(const making *m, uint64_t row, const qv__vector_run *run)
{
    size_t bytes = qv__bitmap_bytes(m->column->dim);

    for (uint64_t i = 0; i < run->rows; i++) {
        bool valid = !run->validity || qv__bit_get(run->validity, run->validity_offset + i);
        qv__bit_put(m->signs->validity, row + i, valid);
        if (valid)
            qv__signs_of(m->column->element, run->data + i * run->stride, m->column->dim,
                         m->signs->bits + (row + i) * bytes);
    }
}

static qv_status make_piece(void *ctx, size_t task, qv_error *err)
{
    making *m = ctx;
    uint64_t row = (uint64_t) task * PIECE_ROWS, end = QV_MIN(row + PIECE_ROWS, m->rows);

    while (row < end) {
        qv__vector_run run = { 0 };
        QV_TRY(qv__vector_column_run(m->column, m->from, row, end - row, &run, err));
        uint64_t n = run.rows;
        put_run(m, row, &run);
        qv__vector_run_free(&run);
        row += n;
        QV_TRY(qv__job_tick(m->job, 0, 0, err));
    }
    return QV_OK;
}

void qv__signs_free(qv__signs *signs)
{
    if (!signs)
        return;
    qv__free(signs->bits);
    qv__free(signs->validity);
    qv__free(signs);
}

qv_status qv__signs_new(qv__snapshot *snapshot, const qv__vector_column *column, size_t fragment, qv__job *job,
                        qv__signs **out, qv_error *err)
{
    qv_status st = QV_OK;
    making m = { .snapshot = snapshot, .column = column, .job = job, .fragment = fragment };

    m.rows = qv__snapshot_fragment(snapshot, fragment)->physical_rows;
    QV_CHECK(QV_NEW(&m.signs, 1, err));
    QV_CHECK(qv__new((void **) &m.signs->bits, QV_MAX(m.rows, 1), qv__bitmap_bytes(column->dim), err));
    QV_CHECK(QV_NEW(&m.signs->validity, QV_MAX(qv__bitmap_bytes(m.rows), 1), err));
    QV_CHECK(qv__fragment_column_open(snapshot, fragment, qv__read_field(&column->read), &m.from, err));
    QV_CHECK(
        qv__parallel_for((size_t) ((m.rows + PIECE_ROWS - 1) / PIECE_ROWS), qv__job_threads(job), make_piece, &m, err));
    *out = m.signs;
    m.signs = NULL;
done:
    qv__fragment_column_free(m.from);
    qv__signs_free(m.signs);
    return st;
}
