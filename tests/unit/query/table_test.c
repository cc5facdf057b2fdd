/* The same calls over tables that were really written: what went in comes out, from several files, with both kinds of row ids. */
#include "arrow/compute/compute.h"
#include "query/query.h"
#include "qvt.h"
#include "qvt_arrays.h"

enum { ROWS = 700, PER_FILE = 256, DIM = 9 };

typedef struct written {
    qv__array *batch;
    qv__snapshot *snapshot;
} written;

static qv__field field_of(const char *name, qv__type *type)
{
    qv__field field = { 0 };
    qv_error err;
    QVT_OK(qv__field_init(&field, name, type, true, &err));
    qv__type_unref(type);
    return field;
}

static qv__array *random_batch(qvt_rng *rng, qv__schema **schema)
{
    qv_error err;
    qv__type *item = qvt_type(QV_TYPE_FLOAT32, 0, 0),
             *leaves[] = { qvt_type(QV_TYPE_INT32, 0, 0), qvt_type(QV_TYPE_UTF8, 0, 0) };
    qv__field fields[] = { field_of("id", qvt_type(QV_TYPE_INT64, 0, 0)), field_of("s", qvt_type(QV_TYPE_UTF8, 0, 0)),
                           field_of("v", qvt_list_type(QV_TYPE_FIXED_LIST, item, DIM)),
                           field_of("st", qvt_struct_type(leaves, 2)) };
    qv__array *columns[4] = { NULL }, *batch = NULL;

    qv__type_unref(item);
    QVT_OK(qv__schema_new(fields, 4, NULL, schema, &err));
    for (size_t i = 0; i < 4; i++)
        columns[i] = qvt_random_array(rng, fields[i].type, ROWS, i == 2 ? 0 : 0.2);
    float *values = (float *) (void *) columns[2]->children[0]->buffers[1].data; /* sane numbers instead of any bits */
    for (size_t i = 0; i < (size_t) (columns[2]->offset + ROWS) * DIM; i++)
        values[(size_t) columns[2]->children[0]->offset + i] = (float) qvt_rng_below(rng, 50);
    QVT_OK(qv__batch_new(*schema, columns, ROWS, &batch, &err));
    for (size_t i = 0; i < 4; i++) {
        qv__array_unref(columns[i]);
        qv__field_clear(&fields[i]);
    }
    return batch;
}

static written write_table(qvt_rng *rng, bool stable)
{
    qv_error err;
    qv__store *store = NULL;
    qv__schema *schema = NULL;
    qv__stream *stream = NULL;
    qv__job job;
    qv__write options = { .create = true, .max_rows_per_file = PER_FILE, .stable_row_ids = stable, .job = &job };
    written w = { random_batch(rng, &schema), NULL };

    qv__job_begin(&job, NULL, "write", 0);
    QVT_OK(qv__store_open("memory://", true, &store, &err));
    QVT_OK(qv__stream_of(schema, &w.batch, 1, &stream, &err));
    QVT_OK(qv__table_write(store, NULL, stream, &options, NULL, &w.snapshot, &err));
    qv__stream_free(stream);
    qv__job_end(&job, QV_OK);
    qv__store_unref(store);
    qv__schema_unref(schema);
    assert_int_equal(qv__snapshot_n_fragments(w.snapshot), (ROWS + PER_FILE - 1) / PER_FILE);
    return w;
}

static void free_table(written *w)
{
    qv__array_unref(w->batch);
    qv__snapshot_unref(w->snapshot);
}

/* Row `at` of the batch is row `row` of what was written. */
static void check_row(const written *w, const qv__array *batch, int64_t at, int64_t row, size_t n_columns)
{
    for (size_t c = 0; c < n_columns; c++)
        qvt_same_values(batch->children[c], batch->offset + at, w->batch->children[c], row, 1);
}

static uint64_t check_all(const written *w, qv__stream *stream, const uint64_t *order, size_t n_columns)
{
    qv_error err;
    uint64_t rows = 0;
    for (;;) {
        qv__array *batch = NULL;
        QVT_OK(stream->next(stream, &batch, &err));
        if (!batch)
            break;
        for (int64_t i = 0; i < batch->length; i++, rows++)
            check_row(w, batch, i, (int64_t) (order ? order[rows] : rows), n_columns);
        qv__array_unref(batch);
    }
    qv__stream_free(stream);
    return rows;
}

static void round_trip(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;
    QV_UNUSED(state);

    for (int stable = 0; stable < 2; stable++) {
        written w = write_table(&rng, stable);
        qv_scan_options options = QV_SCAN_OPTIONS_INIT;
        qv__stream *stream = NULL;
        uint64_t rows[100];

        QVT_OK(qv__scan(w.snapshot, &options, &stream, &err));
        assert_int_equal(check_all(&w, stream, NULL, 4), ROWS);
        for (size_t i = 0; i < 100; i++)
            rows[i] = qvt_rng_below(&rng, ROWS);
        QVT_OK(qv__take(w.snapshot, QV_TAKE_OFFSETS, rows, 100, true, &options, &stream, &err));
        assert_int_equal(check_all(&w, stream, rows, 4), 100);
        free_table(&w);
    }
}

/* Searches with one query and with many: the row itself comes first, at distance 0 (or an equal row of a smaller id does). */
static void searches(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;
    QV_UNUSED(state);

    for (int round = 0; round < 4; round++) {
        written w = write_table(&rng, round % 2);
        qv_search_options options = QV_SEARCH_OPTIONS_INIT;
        const char *columns[] = { "id", "s", "v", "st", "_rowid" };
        const qv__array *vectors = w.batch->children[2];
        const float *values = qv__array_values(vectors->children[0]);
        size_t n = round < 2 ? 1 : 40;
        qv_vectors queries = { values + (size_t) vectors->offset * DIM, QV_ELEMENT_F32, DIM, n };
        qv__stream *stream = NULL;
        qv__array *batch = NULL;

        options.columns = columns;
        options.n_columns = 5;
        options.k = 1;
        QVT_OK(qv__search(w.snapshot, &queries, &options, &stream, &err));
        QVT_OK(stream->next(stream, &batch, &err));
        assert_int_equal(batch->length, n);
        size_t shift = n > 1;
        for (size_t i = 0; i < n; i++) {
            uint64_t id = ((const uint64_t *) qv__array_values(batch->children[shift + 4]))[i];
            uint64_t row = round % 2 ? id : (id >> 32) * PER_FILE + (uint32_t) id;
            assert_true(row <= i);
            assert_true(((const float *) qv__array_values(batch->children[shift + 5]))[i] == 0);
            for (size_t c = 0; c < 4; c++)
                qvt_same_values(batch->children[shift + c], (int64_t) i, w.batch->children[c], (int64_t) row, 1);
        }
        qv__array_unref(batch);
        qv__stream_free(stream);
        free_table(&w);
    }
}

/* A nested column alone: its values, with the nulls of the struct above it. */
static void nested_columns(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;
    const char *columns[] = { "st.f1", "st.f0" };
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    qv__stream *stream = NULL;
    uint64_t rows = 0;
    QV_UNUSED(state);

    written w = write_table(&rng, false);
    const qv__array *st = w.batch->children[3];
    options.columns = columns;
    options.n_columns = 2;
    QVT_OK(qv__scan(w.snapshot, &options, &stream, &err));
    for (;;) {
        qv__array *batch = NULL;
        QVT_OK(stream->next(stream, &batch, &err));
        if (!batch)
            break;
        for (int64_t i = 0; i < batch->length; i++, rows++)
            for (size_t c = 0; c < 2; c++)
                if (qv__array_is_null(st, (int64_t) rows))
                    assert_true(qv__array_is_null(batch->children[c], batch->offset + i));
                else
                    qvt_same_values(batch->children[c], batch->offset + i, st->children[1 - c],
                                    st->offset + (int64_t) rows, 1);
        qv__array_unref(batch);
    }
    assert_int_equal(rows, ROWS);
    qv__stream_free(stream);
    free_table(&w);
}

/* Conditions over files: the rows that the whole batch, looked at in memory, says. */
static void conditions(void **state)
{
    static const char *const texts[] = { "id > 0", "s IS NOT NULL AND id < 1000000", "st.f0 < 0 OR id % 3 = 0",
                                         "NOT (s < 'm') AND st.f1 IS NULL", "id IS NULL" };
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;
    QV_UNUSED(state);

    for (size_t t = 0; t < QV_COUNT_OF(texts); t++) {
        written w = write_table(&rng, t % 2);
        qv_scan_options options = QV_SCAN_OPTIONS_INIT;
        qv__stream *stream = NULL;
        qv__program *program = NULL;
        qv__array *columns[4] = { NULL };
        uint8_t selected[ROWS / 8 + 1];
        uint64_t rows[ROWS], counted;
        size_t n, at = 0;
        QVT_OK(qv__program_compile_filter(texts[t], qv__snapshot_schema(w.snapshot), &program, &err));
        for (size_t c = 0; c < program->n_columns; c++) { /* st.f0 and st.f1 with the nulls of st */
            const char *dot = strchr(program->columns[c].path, '.');
            const qv__array *top = w.batch->children[program->columns[c].top];
            if (!dot) {
                columns[c] = qv__array_ref(top);
                continue;
            }
            int64_t take[ROWS];
            for (int64_t i = 0; i < ROWS; i++)
                take[i] = qv__array_is_null(top, i) ? -1 : top->offset + i;
            QVT_OK(qv__array_take(top->children[dot[2] - '0'], take, ROWS, &columns[c], &err));
        }
        QVT_OK(qv__program_filter(program, columns, ROWS, NULL, selected, &n, &err));
        for (uint64_t i = 0; i < ROWS; i++)
            if (qv__bit_get(selected, i))
                rows[at++] = i;
        options.where = texts[t];
        QVT_OK(qv__scan(w.snapshot, &options, &stream, &err));
        assert_int_equal(check_all(&w, stream, rows, 4), n);
        QVT_OK(qv__count_where(w.snapshot, texts[t], NULL, &counted, &err));
        assert_int_equal(counted, n);
        for (size_t c = 0; c < 4; c++)
            qv__array_unref(columns[c]);
        qv__program_unref(program);
        free_table(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(searches),
        cmocka_unit_test(nested_columns),
        cmocka_unit_test(conditions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
