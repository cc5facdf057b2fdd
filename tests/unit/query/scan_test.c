/* Scans and takes of random tables against a list of their live rows. */
#include "fake_model.h"

/* ------------------------------------------------------------------ scans */

static void scan_once(model *m, qvt_rng *rng)
{
    qv_error err;
    qv__stream *stream = NULL;
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    size_t n_batches, at;

    choose_columns(m, rng);
    options.columns = m->columns;
    options.n_columns = m->n_columns;
    options.offset = qvt_rng_below(rng, 2) ? qvt_rng_below(rng, m->n + 10) : 0;
    options.has_limit = qvt_rng_below(rng, 2);
    options.limit = options.has_limit ? qvt_rng_below(rng, m->n + 10) : 0;
    options.batch_rows = qvt_rng_below(rng, 2) ? 1 + (uint32_t) qvt_rng_below(rng, 700) : 0;
    options.job.threads = 1 + (uint32_t) qvt_rng_below(rng, 4);
    QVT_OK(qv__scan(m->s, &options, &stream, &err));
    check_schema(m, stream->schema);
    qv__array **batches = fake_drain(stream, &n_batches);
    at = QV_MIN(options.offset, m->n);
    size_t end = options.has_limit ? QV_MIN(at + options.limit, m->n) : m->n;
    for (size_t b = 0; b < n_batches; b++) {
        qvt_check_layout(batches[b]);
        assert_true(batches[b]->length > 0);
        if (options.batch_rows)
            assert_true(batches[b]->length <= options.batch_rows);
        for (int64_t i = 0; i < batches[b]->length; i++, at++) {
            assert_true(at < end);
            check_row(m, batches[b], i, &m->rows[at]);
        }
    }
    assert_int_equal(at, end);
    fake_free_batches(batches, n_batches);
}

static void scans(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    QV_UNUSED(state);

    for (int round = 0; round < 60; round++) {
        static const double shares[] = { 0, 0.1, 0.6 };
        model m;
        qv__snapshot *s =
            fake_mixed_table(&rng, qvt_rng_below(&rng, 6), 1 + qvt_rng_below(&rng, 1500), shares[round % 3]);
        s->stable = round % 2;
        model_init(&m, s);
        size_t blocks = qv_memory().live_blocks;
        for (int i = 0; i < 6; i++)
            scan_once(&m, &rng);
        fake_check_closed(blocks);
        free(m.rows);
        qv__snapshot_unref(s);
    }
}

/* Batches of exactly the length asked for while a fragment lasts; whole fragments are skipped without opening a column. */
static void batches_and_skips(void **state)
{
    qvt_rng rng = { 1 };
    qv_error err;
    qv__stream *stream = NULL;
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    qv__snapshot *s = fake_mixed_table(&rng, 0, 1, 0);
    size_t n;
    QV_UNUSED(state);

    fake_add(s, &rng, 0, 10, 0, 0);
    fake_add(s, &rng, 1, 10, 0, 0);
    options.batch_rows = 3;
    QVT_OK(qv__scan(s, &options, &stream, &err));
    qv__array **batches = fake_drain(stream, &n);
    static const int64_t lengths[] = { 3, 3, 3, 1, 3, 3, 3, 1 };
    assert_int_equal(n, 8);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(batches[i]->length, lengths[i]);
    assert_ptr_equal(batches[0]->children[0]->buffers[1].data, s->data[0].columns[0]->buffers[1].data); /* no copy */
    fake_free_batches(batches, n);

    atomic_store(&fake_column_reads, 0);
    options.offset = 15;
    options.has_limit = true;
    options.limit = 2;
    QVT_OK(qv__scan(s, &options, &stream, &err));
    batches = fake_drain(stream, &n);
    assert_int_equal(n, 1);
    assert_int_equal(atomic_load(&fake_column_reads), s->schema->n_fields);
    fake_free_batches(batches, n);
    qv__snapshot_unref(s);
}

static void refusals(void **state)
{
    qvt_rng rng = { 1 };
    qv_error err;
    qv__stream *stream = NULL;
    qv__snapshot *s = fake_mixed_table(&rng, 1, 10, 0);
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    const char *unknown[] = { "nope" }, *deep[] = { "st.b.zz" }, *twice[] = { "id", "s", "id" }, *leaf[] = { "id.x" };
    const char *distance[] = { "_distance" };
    QV_UNUSED(state);

    size_t blocks = qv_memory().live_blocks;
    options.columns = unknown;
    options.n_columns = 1;
    QVT_FAILS(qv__scan(s, &options, &stream, &err), QV_NOT_FOUND,
              "column \"nope\" does not exist; the columns are \"id\", \"s\", \"v\", \"st\", \"bits\"");
    options.columns = deep;
    QVT_FAILS(qv__scan(s, &options, &stream, &err), QV_NOT_FOUND, "\"st.b.zz\"");
    options.columns = leaf;
    QVT_FAILS(qv__scan(s, &options, &stream, &err), QV_NOT_FOUND, "\"id.x\"");
    options.columns = distance;
    QVT_FAILS(qv__scan(s, &options, &stream, &err), QV_NOT_FOUND, "\"_distance\"");
    options.columns = twice;
    options.n_columns = 3;
    QVT_FAILS(qv__scan(s, &options, &stream, &err), QV_INVALID, "column \"id\" is asked for twice");
    fake_check_closed(blocks);
    qv__snapshot_unref(s);
}

/* Each allocation and each read fails in turn: the error comes out, nothing stays behind. */
static void failures(void **state)
{
    qvt_rng rng = { 7 };
    qv_error err;
    qv__snapshot *s = fake_mixed_table(&rng, 3, 400, 0.3);
    QV_UNUSED(state);

    size_t blocks = qv_memory().live_blocks;
    for (uint64_t n = 0;; n++) {
        const char *columns[] = { "st.b.c", "id", "_rowid" };
        qv_scan_options options = QV_SCAN_OPTIONS_INIT;
        qv__stream *stream = NULL;
        qv__array *batch = NULL;
        options.columns = columns;
        options.n_columns = 3;
        options.job.threads = 1;
        qv__alloc_fail_at(n);
        qv_status st = qv__scan(s, &options, &stream, &err);
        while (st == QV_OK && (st = stream->next(stream, &batch, &err)) == QV_OK && batch)
            qv__array_unref(batch);
        bool fired = qv__alloc_fault_fired();
        qv__alloc_fail_at(UINT64_MAX);
        qv__stream_free(stream);
        assert_int_equal(st, fired ? QV_NOMEM : QV_OK);
        fake_check_closed(blocks);
        if (!fired)
            break;
    }
    for (int n = 1; n < 4; n++) {
        qv_scan_options options = QV_SCAN_OPTIONS_INIT;
        qv__stream *stream = NULL;
        qv__array *batch = NULL;
        options.batch_rows = 20;
        atomic_store(&fake_fail_reads_at, n);
        QVT_OK(qv__scan(s, &options, &stream, &err));
        QVT_FAILS(stream->next(stream, &batch, &err), QV_IO, "the disk is gone");
        qv__stream_free(stream);
        fake_check_closed(blocks);
    }
    qv__snapshot_unref(s);
}

/* ------------------------------------------------------------------ takes */

static int by_place(const void *a, const void *b)
{
    const struct live_row *x = a, *y = b;
    if (x->fragment != y->fragment)
        return x->fragment < y->fragment ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static void take_once(model *m, qvt_rng *rng)
{
    qv_error err;
    qv__stream *stream = NULL;
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    bool by_id = qvt_rng_below(rng, 2), in_order = qvt_rng_below(rng, 2);
    size_t n = qvt_rng_below(rng, 60), n_want = 0, n_batches, at = 0;
    uint64_t rows[60];
    struct live_row want[60];

    choose_columns(m, rng);
    for (size_t i = 0; i < n; i++) {
        uint64_t offset = qvt_rng_below(rng, m->n + 3);
        rows[i] = offset;
        if (offset < m->n)
            want[n_want++] = m->rows[offset];
        if (by_id)
            rows[i] =
                offset < m->n ? fake_row_id(m->s, m->rows[offset].fragment, m->rows[offset].row) : UINT64_MAX - offset;
    }
    if (!in_order)
        qsort(want, n_want, sizeof want[0], by_place);
    options.columns = m->columns;
    options.n_columns = m->n_columns;
    options.job.threads = 1 + (uint32_t) qvt_rng_below(rng, 3);
    options.batch_rows = (uint32_t) qvt_rng_below(rng, 30);
    QVT_OK(qv__take(m->s, by_id ? QV_TAKE_ROW_IDS : QV_TAKE_OFFSETS, rows, n, in_order, &options, &stream, &err));
    check_schema(m, stream->schema);
    qv__array **batches = fake_drain(stream, &n_batches);
    for (size_t b = 0; b < n_batches; b++) {
        qvt_check_layout(batches[b]);
        if (batches[b]->offset > 0) { /* a slice */
            qv__array *moved = NULL;
            QVT_OK(qv__array_normalize(batches[b], &moved, &err));
            qv__array_unref(batches[b]);
            batches[b] = moved;
        }
        for (int64_t i = 0; i < batches[b]->length; i++)
            check_row(m, batches[b], i, &want[at++]);
    }
    assert_int_equal(at, n_want);
    fake_free_batches(batches, n_batches);
}

static void takes(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    QV_UNUSED(state);

    for (int round = 0; round < 60; round++) {
        model m;
        qv__snapshot *s = fake_mixed_table(&rng, qvt_rng_below(&rng, 5), 1 + qvt_rng_below(&rng, 400), round % 4 * 0.2);
        s->stable = round % 2;
        model_init(&m, s);
        size_t blocks = qv_memory().live_blocks;
        for (int i = 0; i < 10; i++)
            take_once(&m, &rng);
        fake_check_closed(blocks);
        free(m.rows);
        qv__snapshot_unref(s);
    }
}

/* Many rows of several fragments in a random order: pieces, threads and the way back into the order asked. */
static void large_take(void **state)
{
    enum { N = 60000 };
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;
    qv__stream *stream = NULL;
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    const char *columns[] = { "id", "s" };
    uint64_t *rows = calloc(N, sizeof *rows);
    model m;
    size_t n_batches;
    qv__snapshot *s = fake_mixed_table(&rng, 0, 1, 0);
    QV_UNUSED(state);

    for (size_t f = 0; f < 3; f++)
        fake_add(s, &rng, f, 3000, 0.1, 0.1);
    model_init(&m, s);
    m.columns[0] = columns[0];
    m.columns[1] = columns[1];
    m.n_columns = 2;
    for (size_t i = 0; i < N; i++)
        rows[i] = qvt_rng_below(&rng, m.n);
    options.columns = columns;
    options.n_columns = 2;
    options.job.threads = 4;
    QVT_OK(qv__take(s, QV_TAKE_OFFSETS, rows, N, true, &options, &stream, &err));
    qv__array **batches = fake_drain(stream, &n_batches);
    assert_int_equal(n_batches, 1);
    assert_int_equal(batches[0]->length, N);
    for (size_t i = 0; i < N; i++)
        check_row(&m, batches[0], (int64_t) i, &m.rows[rows[i]]);
    fake_free_batches(batches, n_batches);
    free(rows);
    free(m.rows);
    qv__snapshot_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scans),    cmocka_unit_test(batches_and_skips),
        cmocka_unit_test(refusals), cmocka_unit_test(failures),
        cmocka_unit_test(takes),    cmocka_unit_test(large_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
