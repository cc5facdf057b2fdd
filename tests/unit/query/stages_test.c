/* Two stages against their definition: the best by the cheap distance, then the best of these by the true one. */
#include <math.h>

#include "fake_table.h"

enum { DIM = 21, MAX_ROWS = 2000 };

static const char *const columns[] = { "id", "_distance", "_rowid" };

static void tame(qvt_rng *rng, qv__array *array)
{
    for (size_t i = 0; i < array->n_children; i++)
        tame(rng, array->children[i]);
    if (array->type->id != QV_TYPE_FLOAT32)
        return;
    float *values = (float *) (void *) array->buffers[1].data;
    for (size_t i = 0; i < (size_t) (array->offset + array->length); i++)
        values[i] = (float) qvt_rng_below(rng, 21) - 10;
}

/* id int64, v vectors, st { w vectors }; some are null. */
static qv__snapshot *table(qvt_rng *rng, bool stable, double deleted_share)
{
    qv_error err;
    qv__type *type = fake_vector_type(qvt_type(QV_TYPE_FLOAT32, 0, 0), DIM), *outer = NULL;
    qv__field w = fake_field("w", qv__type_ref(type), true);
    QVT_OK(qv__type_new_struct(&w, 1, &outer, &err));
    qv__field fields[] = { fake_field("id", qvt_type(QV_TYPE_INT64, 0, 0), false), fake_field("v", type, true),
                           fake_field("st", outer, true) };
    qv__snapshot *s = fake_new(fields, 3);
    fake_clear_fields(fields, 3);
    qv__field_clear(&w);
    s->stable = stable;
    for (size_t n = 1 + qvt_rng_below(rng, 3), f = 0; f < n; f++) {
        fake_add(s, rng, 10 + f, qvt_rng_below(rng, 400), f % 2 ? 0 : 0.02, deleted_share);
        tame(rng, s->data[f].columns[1]);
        tame(rng, s->data[f].columns[2]);
        int64_t *ids = (int64_t *) (void *) s->data[f].columns[0]->buffers[1].data;
        for (int64_t i = 0; i < s->data[f].columns[0]->offset + s->data[f].columns[0]->length; i++)
            ids[i] = (int64_t) qvt_rng_below(rng, 1000);
    }
    return s;
}

/* ------------------------------------------------------------------ the definition */

typedef struct row {
    double cheap, whole;
    uint64_t id;
} row;

static int by_cheap(const void *a, const void *b)
{
    const row *x = a, *y = b;
    if (x->cheap != y->cheap)
        return x->cheap < y->cheap ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int by_whole(const void *a, const void *b)
{
    const row *x = a, *y = b;
    if (x->whole != y->whole)
        return x->whole < y->whole ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static bool measure(const qv__array *vectors, int64_t at, const float *q, size_t cheap_dims, bool signs, row *out)
{
    const qv__array *items = vectors->children[0];
    const float *values = (const float *) (const void *) items->buffers[1].data + items->offset;

    out->cheap = out->whole = 0;
    for (int64_t i = 0; i < DIM; i++) {
        int64_t where = (vectors->offset + at) * DIM + i;
        double v = values[where], square = (q[i] - v) * (q[i] - v);
        if (qv__array_is_null(items, where))
            return false;
        out->whole += square;
        if ((size_t) i < cheap_dims)
            out->cheap += signs ? (q[i] > 0) != (v > 0) : square;
    }
    return !qv__array_is_null(vectors, at);
}

static size_t define(const qv__snapshot *s, const qv_search_options *o, const float *q, row *rows)
{
    size_t n = 0, dims = o->prefix_dims ? o->prefix_dims : DIM;
    bool nested = strcmp(o->vector_column, "v") != 0;

    for (size_t f = 0; f < s->n_fragments; f++)
        for (uint64_t r = 0; r < s->fragments[f].physical_rows; r++) {
            const qv__array *vectors = s->data[f].columns[nested ? 2 : 1];
            int64_t at = (int64_t) r, id = ((const int64_t *) qv__array_values(s->data[f].columns[0]))[r];
            if (!qv__bit_get(s->data[f].live, r) || (o->where && id >= 500) ||
                (nested && qv__array_is_null(vectors, at)))
                continue;
            if (nested) {
                at += vectors->offset;
                vectors = vectors->children[0];
            }
            rows[n].id = fake_row_id(s, f, r);
            n += measure(vectors, at, q, dims, o->binary_stage, &rows[n]);
        }
    qsort(rows, n, sizeof *rows, by_cheap);
    n = QV_MIN(n, (size_t) (o->k + o->offset) * (o->stage_factor ? o->stage_factor : 16));
    qsort(rows, n, sizeof *rows, by_whole);
    return n;
}

static void check(const qv__snapshot *s, const qv_search_options *o, const qv_vectors *queries, const qv__array *found)
{
    static row rows[MAX_ROWS];
    int64_t at = 0;
    size_t first = queries->n > 1;

    for (size_t q = 0; q < queries->n; q++) {
        size_t n = define(s, o, (const float *) queries->data + q * DIM, rows);
        for (size_t i = (size_t) o->offset; i < QV_MIN(n, o->k + o->offset); i++, at++) {
            if (o->has_upper && rows[i].whole >= o->upper_bound)
                break;
            assert_true(found && at < found->length);
            assert_true(((const float *) qv__array_values(found->children[first + 1]))[at] == (float) rows[i].whole);
            assert_int_equal(((const uint64_t *) qv__array_values(found->children[first + 2]))[at], rows[i].id);
        }
    }
    assert_int_equal(at, found ? found->length : 0);
}

/* ------------------------------------------------------------------ tests */

static void as_defined(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    float q[10 * DIM];
    QV_UNUSED(state);

    size_t blocks = qv_memory().live_blocks;
    for (int round = 0; round < 200; round++) {
        qv__snapshot *s = table(&rng, round % 2, round % 4 < 2 ? 0 : 0.2);
        qv_search_options o = QV_SEARCH_OPTIONS_INIT;
        for (size_t i = 0; i < 10 * DIM; i++)
            q[i] = (float) qvt_rng_below(&rng, 21) - 10 + 0.25f;
        qv_vectors queries = { q, QV_ELEMENT_F32, DIM, 1 + qvt_rng_below(&rng, 10) };
        o.vector_column = qvt_rng_below(&rng, 3) ? "v" : "st.w";
        o.columns = columns;
        o.n_columns = 3;
        o.k = 1 + (uint32_t) qvt_rng_below(&rng, 12);
        o.offset = qvt_rng_below(&rng, 3) ? 0 : qvt_rng_below(&rng, 5);
        o.prefix_dims = (uint32_t) qvt_rng_below(&rng, DIM + 1);
        o.binary_stage = o.prefix_dims == 0 || qvt_rng_below(&rng, 2);
        o.stage_factor = (uint32_t) qvt_rng_below(&rng, 4);
        o.where = qvt_rng_below(&rng, 2) ? "id < 500" : NULL;
        o.has_upper = qvt_rng_below(&rng, 4) == 0;
        o.upper_bound = 1500;
        o.job.threads = 1 + (unsigned) round % 3;
        for (int again = 0; again < 2; again++) { /* the second time signs are there */
            qv__array *found = fake_search(s, &queries, &o);
            check(s, &o, &queries, found);
            qv__array_unref(found);
        }
        qv__snapshot_unref(s);
        fake_check_closed(blocks);
    }
}

/* With a lower bound the candidates may all lie below it: then all rows are measured. */
static void lower_bounds(void **state)
{
    qvt_rng rng = { 6 };
    float q[DIM] = { 0.25f };
    qv_vectors queries = { q, QV_ELEMENT_F32, DIM, 1 };
    qv_search_options o = QV_SEARCH_OPTIONS_INIT;
    qv__snapshot *s = table(&rng, false, 0);
    QV_UNUSED(state);

    o.vector_column = "v";
    o.columns = columns;
    o.n_columns = 3;
    o.has_lower = true;
    o.lower_bound = 900;
    qv__array *exact = fake_search(s, &queries, &o);
    o.prefix_dims = 3;
    o.stage_factor = 1;
    qv__array *found = fake_search(s, &queries, &o);
    assert_true(exact && found && exact->length == found->length);
    for (size_t c = 0; c < exact->n_children; c++)
        qvt_same_values(exact->children[c], 0, found->children[c], 0, exact->length);
    qv__array_unref(exact);
    qv__array_unref(found);
    qv__snapshot_unref(s);
}

static void refused(void **state)
{
    qvt_rng rng = { 6 };
    qv_error err;
    float q[DIM] = { 1 };
    qv_vectors queries = { q, QV_ELEMENT_F32, 4, 1 };
    qv_search_options o = QV_SEARCH_OPTIONS_INIT;
    qv__stream *stream;
    qv__snapshot *s = fake_mixed_table(&rng, 2, 30, 0);
    QV_UNUSED(state);

    o.vector_column = "bits";
    o.binary_stage = true;
    QVT_FAILS(qv__search(s, &queries, &o, &stream, &err), QV_INVALID,
              "by metric hamming column \"bits\" is searched in one stage");
    o.vector_column = "v";
    o.prefix_dims = 7;
    queries.dim = 6;
    QVT_FAILS(qv__search(s, &queries, &o, &stream, &err), QV_INVALID, "prefix_dims is 7, but column \"v\" has 6");
    qv__snapshot_unref(s);
}

static void failures(void **state)
{
    qvt_rng rng = { 8 };
    qv_error err;
    float q[2 * DIM] = { 1, 2, 3 };
    qv_vectors queries = { q, QV_ELEMENT_F32, DIM, 2 };
    qv__snapshot *s = table(&rng, true, 0.2);
    QV_UNUSED(state);

    size_t blocks = qv_memory().live_blocks;
    for (int signs = 0; signs < 2; signs++)
        for (uint64_t n = 0;; n++) {
            qv_search_options o = QV_SEARCH_OPTIONS_INIT;
            qv__stream *stream = NULL;
            o.vector_column = "v";
            o.binary_stage = signs;
            o.prefix_dims = 8;
            o.job.threads = 1;
            qv__alloc_fail_at(n);
            qv_status st = qv__search(s, &queries, &o, &stream, &err);
            bool fired = qv__alloc_fault_fired();
            qv__alloc_fail_at(UINT64_MAX);
            qv__stream_free(stream);
            qv__owner_unref(atomic_exchange(&s->query_slot, NULL));
            assert_int_equal(st, fired ? QV_NOMEM : QV_OK);
            fake_check_closed(blocks);
            if (!fired)
                break;
        }
    qv__snapshot_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(as_defined), cmocka_unit_test(lower_bounds),
                                        cmocka_unit_test(refused), cmocka_unit_test(failures) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
