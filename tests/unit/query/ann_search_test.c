/* Searches through an index that looks at every row: what they answer must be what the exact scan answers, whatever the index covers,
 * stores besides, or fails to give. */
#include <math.h>

#include "fake_table.h"

enum { DIM = 7 };

static const char *const columns[] = { "id", "_distance", "_rowid" };

/* ------------------------------------------------------------------ tables */

/* Small integers instead of random bits, at every depth. */
static void tame(qvt_rng *rng, qv__array *array)
{
    for (size_t i = 0; i < array->n_children; i++)
        tame(rng, array->children[i]);
    if (array->type->id != QV_TYPE_FLOAT32)
        return;
    float *values = (float *) (void *) array->buffers[1].data;
    for (size_t i = 0; i < (size_t) (array->offset + array->length); i++)
        values[i] = (float) qvt_rng_below(rng, 40) - 10;
}

/* id int64, v vectors, st { w vectors }, m lists of vectors; about a tenth of all is null. */
static qv__snapshot *vector_table(qvt_rng *rng, size_t n_fragments, size_t max_rows, double deleted_share, bool stable)
{
    qv_error err;
    qv__type *type = fake_vector_type(qvt_type(QV_TYPE_FLOAT32, 0, 0), DIM), *outer = NULL;
    qv__type *lists = qvt_list_type(QV_TYPE_LIST, type, 0);
    qv__field w = fake_field("w", qv__type_ref(type), true);
    QVT_OK(qv__type_new_struct(&w, 1, &outer, &err));
    qv__field fields[] = { fake_field("id", qvt_type(QV_TYPE_INT64, 0, 0), false), fake_field("v", type, true),
                           fake_field("st", outer, true), fake_field("m", lists, true) };
    qv__snapshot *s = fake_new(fields, 4);
    fake_clear_fields(fields, 4);
    qv__field_clear(&w);
    s->stable = stable;
    for (size_t f = 0; f < n_fragments; f++) {
        fake_add(s, rng, 40 - 2 * f, 1 + qvt_rng_below(rng, max_rows), f % 2 ? 0 : 0.05, deleted_share);
        for (size_t c = 1; c < 4; c++)
            tame(rng, s->data[f].columns[c]);
        int64_t *ids = (int64_t *) (void *) s->data[f].columns[0]->buffers[1].data;
        for (int64_t i = 0; i < s->data[f].columns[0]->offset + s->data[f].columns[0]->length; i++)
            ids[i] = (int64_t) qvt_rng_below(rng, 1000);
    }
    return s;
}

/* Ties are settled by key; where keys are not what rows are called, only the distances are certain. */
static void same_answer(const qv__snapshot *s, const qv__array *a, const qv__array *b)
{
    bool ties = s->stable && fake_vector_index.by_address;

    assert_int_equal(a ? a->length : 0, b ? b->length : 0);
    for (size_t c = 0; a && c < a->n_children; c++)
        if (!ties || a->type->children[c].type->id == QV_TYPE_FLOAT32)
            qvt_same_values(a->children[c], 0, b->children[c], 0, a->length);
}

/* ------------------------------------------------------------------ through the index and without */

typedef struct trial {
    qv__snapshot *s;
    qv_search_options options;
    qv_vectors queries;
    float values[8 * DIM];
    char where[64];
} trial;

static void choose(qvt_rng *rng, trial *t)
{
    qv_search_options *o = &t->options;

    for (size_t i = 0; i < 8 * DIM; i++)
        t->values[i] = (float) qvt_rng_below(rng, 40) - 10 + 0.25f;
    t->queries = (qv_vectors){ t->values, QV_ELEMENT_F32, DIM, 1 + qvt_rng_below(rng, 8) };
    *o = (qv_search_options) QV_SEARCH_OPTIONS_INIT;
    o->vector_column = qvt_rng_below(rng, 3) ? "v" : "st.w";
    o->columns = columns;
    o->n_columns = 3;
    o->k = 1 + (uint32_t) qvt_rng_below(rng, 40);
    o->offset = qvt_rng_below(rng, 3) ? 0 : qvt_rng_below(rng, 20);
    o->has_lower = qvt_rng_below(rng, 4) == 0;
    o->has_upper = qvt_rng_below(rng, 4) == 0;
    o->lower_bound = fake_vector_index.metric == QV_METRIC_L2 ? 900 : 0.4f;
    o->upper_bound = fake_vector_index.metric == QV_METRIC_L2 ? 2500 : 0.9f;
    o->job.threads = 1 + (unsigned) qvt_rng_below(rng, 4);
    o->refine_factor = (uint32_t) qvt_rng_below(rng, 3);
    o->min_probes = o->max_probes = (uint32_t) qvt_rng_below(rng, 2);
    if (qvt_rng_below(rng, 2)) {
        snprintf(t->where, sizeof t->where, "id < %d", (int) qvt_rng_below(rng, 2) ? 900 : 60);
        o->where = t->where;
        o->postfilter = qvt_rng_below(rng, 4) == 0;
        fake_index_kind = (int) qvt_rng_below(rng, 3);
    }
}

static void choose_index(qvt_rng *rng)
{
    static const qv_metric metrics[] = { QV_METRIC_L2, QV_METRIC_COSINE, QV_METRIC_DOT };

    fake_vector_index = (fake_vectors){ .exists = true,
                                        .metric = metrics[qvt_rng_below(rng, 3)],
                                        .by_address = qvt_rng_below(rng, 2),
                                        .uncovered = (unsigned) qvt_rng_below(rng, 4),
                                        .stale = qvt_rng_below(rng, 2),
                                        .most = qvt_rng_below(rng, 4) ? 0 : 1 + qvt_rng_below(rng, 12),
                                        .estimate = 1 };
}

static void same_as_exact(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    unsigned searches = 0, masks = 0, rounds = 600;
    trial t;
    QV_UNUSED(state);

    size_t blocks = qv_memory().live_blocks;
    for (unsigned round = 0; round < rounds; round++) {
        if (round % 10 == 0)
            t.s = vector_table(&rng, qvt_rng_below(&rng, 7), 1 + qvt_rng_below(&rng, 300),
                               qvt_rng_below(&rng, 2) ? 0.2 : 0, qvt_rng_below(&rng, 2));
        choose_index(&rng);
        choose(&rng, &t);
        if (qvt_rng_below(&rng, 4) == 0) { /* each vector of the query brings all rows: nothing can be missed */
            t.options.vector_column = "m";
            t.options.k = 200 + (uint32_t) qvt_rng_below(&rng, 200);
        }
        qv__array *found = fake_search(t.s, &t.queries, &t.options);
        searches += fake_vector_index.searches;
        masks += fake_vector_index.had_mask;
        fake_vector_index.searches = 0;
        t.options.bypass_vector_index = true;
        qv__array *exact = fake_search(t.s, &t.queries, &t.options);
        assert_int_equal(fake_vector_index.searches, 0);
        same_answer(t.s, found, exact);
        qv__array_unref(found);
        qv__array_unref(exact);
        if (round % 10 == 9) {
            qv__snapshot_unref(t.s);
            fake_check_closed(blocks);
        }
    }
    assert_true(searches > rounds / 8 && masks > rounds / 16);
    fake_vector_index = (fake_vectors){ 0 };
    fake_index_kind = 0;
}

/* ------------------------------------------------------------------ what callers ask for */

static char *explain(qv__snapshot *s, const qv_vectors *queries, const qv_search_options *options, qv_plan_mode mode)
{
    qv_error err;
    qv__buffer out;

    qv__buffer_init(&out, 20000);
    QVT_OK(qv__explain_search(s, queries, options, mode, false, &out, &err));
    QVT_OK(qv__buffer_append_zeros(&out, 1, &err));
    char *text = strdup((const char *) out.data);
    qv__buffer_free(&out);
    return text;
}

/* Without refinement distances are the index's; beside scanned rows they are true. */
static void estimates(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    trial t;
    QV_UNUSED(state);

    for (int round = 0; round < 12; round++) {
        t.s = vector_table(&rng, 4, 300, round % 2 ? 0.2 : 0, round % 3 == 0 && round % 2 == 0);
        fake_vector_index = (fake_vectors){ .exists = true,
                                            .metric = QV_METRIC_L2,
                                            .by_address = round % 2,
                                            .uncovered = round % 4 ? 3 : 1,
                                            .estimate = 2 };
        choose(&rng, &t);
        t.options.vector_column = "v";
        t.options.where = NULL;
        t.options.has_lower = t.options.has_upper = t.options.postfilter = false;
        t.options.bypass_vector_index = true;
        qv__array *exact = fake_search(t.s, &t.queries, &t.options);
        t.options.bypass_vector_index = false;
        t.options.no_refine = true;
        qv__array *found = fake_search(t.s, &t.queries, &t.options);
        assert_int_equal(fake_vector_index.searches, 1);
        size_t first = t.queries.n > 1;
        assert_int_equal(exact->length, found->length);
        qvt_same_values(exact->children[first + 2], 0, found->children[first + 2], 0, exact->length);
        for (int64_t i = 0; i < exact->length; i++)
            assert_true(((const float *) qv__array_values(found->children[first + 1]))[i] ==
                        ((const float *) qv__array_values(exact->children[first + 1]))[i] * (round % 4 ? 2 : 1));
        qv__array_unref(exact);
        qv__array_unref(found);
        qv__snapshot_unref(t.s);
    }
    fake_vector_index = (fake_vectors){ 0 };
}

/* A version's searches share the plan of its index until that is void. */
static void plans_are_kept(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    trial t;
    QV_UNUSED(state);

    t.s = vector_table(&rng, 4, 300, 0, false);
    fake_vector_index = (fake_vectors){ .exists = true, .metric = QV_METRIC_L2, .uncovered = 3, .estimate = 1 };
    choose(&rng, &t);
    t.options = (qv_search_options) QV_SEARCH_OPTIONS_INIT;
    t.options.vector_column = "v";
    t.options.columns = columns;
    t.options.n_columns = 3;
    for (int i = 0; i < 9; i++) {
        t.options.metric = i % 3 ? QV_METRIC_L2 : QV_METRIC_AUTO;
        t.options.index = i % 3 == 2 ? "fake_vectors" : NULL;
        fake_vector_index.breaks = i >= 6;
        qv__array_unref(fake_search(t.s, &t.queries, &t.options));
        assert_int_equal(fake_vector_index.plans, i < 3 ? i + 1 : i < 6 ? 3 : i - 2);
    }
    qv__snapshot_unref(t.s);
    fake_vector_index = (fake_vectors){ 0 };
}

/* Few probes that find too little are followed by all of them before all rows are scanned. */
static void widened(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    trial t;
    QV_UNUSED(state);

    for (int round = 0; round < 2; round++) {
        t.s = vector_table(&rng, 4, 300, 0.2, false);
        fake_vector_index = (fake_vectors){
            .exists = true, .metric = QV_METRIC_L2, .uncovered = 1, .estimate = 1, .most = 2, .widens = round == 0
        };
        choose(&rng, &t);
        t.options = (qv_search_options) QV_SEARCH_OPTIONS_INIT;
        t.options.vector_column = "v";
        t.options.max_probes = 1;
        t.options.columns = columns;
        t.options.n_columns = 3;
        qv__array *found = fake_search(t.s, &t.queries, &t.options);
        assert_int_equal(fake_vector_index.searches, 2);
        char *text = explain(t.s, &t.queries, &t.options, QV_PLAN_ANALYZE);
        assert_int_equal(strstr(text, "then_all_rows=[the index gave fewer rows than match]") == NULL, round == 0);
        free(text);
        t.options.bypass_vector_index = true;
        qv__array *exact = fake_search(t.s, &t.queries, &t.options);
        same_answer(t.s, found, exact);
        qv__array_unref(found);
        qv__array_unref(exact);
        qv__snapshot_unref(t.s);
    }
    fake_vector_index = (fake_vectors){ 0 };
}

/* Rows of covered fragments only, and as many as there are. */
static void fast_searches(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    trial t;
    QV_UNUSED(state);

    for (int round = 0; round < 30; round++) {
        uint64_t live = 0;
        t.s = vector_table(&rng, 5, 200, 0.2, false);
        fake_vector_index = (fake_vectors){ .exists = true, .metric = QV_METRIC_L2, .uncovered = 1, .estimate = 1 };
        choose(&rng, &t);
        t.queries.n = 1;
        t.options = (qv_search_options) QV_SEARCH_OPTIONS_INIT;
        t.options.vector_column = "v";
        t.options.columns = columns;
        t.options.n_columns = 3;
        t.options.fast_search = true;
        t.options.k = round % 3 ? 20 : 2000;
        qv__array *found = fake_search(t.s, &t.queries, &t.options);
        for (size_t f = 0; f < t.s->n_fragments; f++)
            for (uint64_t r = 0; f % 3 != 1 && r < t.s->fragments[f].physical_rows; r++)
                live += qv__bit_get(t.s->data[f].live, r) && !qv__array_is_null(t.s->data[f].columns[1], (int64_t) r);
        for (int64_t i = 0; found && i < found->length; i++) {
            uint64_t id = ((const uint64_t *) qv__array_values(found->children[2]))[i];
            assert_int_not_equal((40 - (id >> 32)) / 2 % 3, 1);
        }
        assert_true((found ? (uint64_t) found->length : 0) <= live);
        if (round % 3 == 0) /* null items take rows away, too */
            assert_true(found && (uint64_t) found->length > live / 3);
        qv__array_unref(found);
        qv__snapshot_unref(t.s);
    }
    fake_vector_index = (fake_vectors){ 0 };
}

static void expect(qv__snapshot *s, const qv_vectors *queries, const qv_search_options *options, qv_plan_mode mode,
                   const char *part)
{
    char *text = explain(s, queries, options, mode);
    if (!strstr(text, part))
        print_error("no \"%s\" in:\n%s", part, text);
    assert_non_null(strstr(text, part));
    free(text);
}

static void explained(void **state)
{
    qvt_rng rng = { 9 };
    qv_error err;
    qv__stream *stream;
    float q[DIM] = { 1, 2 };
    qv_vectors queries = { q, QV_ELEMENT_F32, DIM, 1 };
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;
    qv__snapshot *s = vector_table(&rng, 4, 500, 0, false);
    QV_UNUSED(state);

    fake_vector_index = (fake_vectors){ .exists = true, .metric = QV_METRIC_COSINE, .uncovered = 1, .estimate = 1 };
    options.vector_column = "v";
    options.min_probes = 3;
    expect(s, &queries, &options, QV_PLAN_EXPLAIN, "ANNSubIndex: name=fake_vectors, k=10");
    expect(s, &queries, &options, QV_PLAN_EXPLAIN, "ANNIvfPartition: minimum_nprobes=3\n");
    expect(s, &queries, &options, QV_PLAN_EXPLAIN, "KNNVectorDistance: metric=cosine");
    expect(s, &queries, &options, QV_PLAN_ANALYZE, "lists=1, rows_scanned=");
    options.metric = QV_METRIC_DOT;
    expect(s, &queries, &options, QV_PLAN_EXPLAIN, "index=none (it is for another metric)");
    options.metric = QV_METRIC_AUTO;
    options.k = 100000;
    expect(s, &queries, &options, QV_PLAN_ANALYZE, "not_searched=[all rows that it covers and that match are wanted]");
    options.bypass_vector_index = true;
    expect(s, &queries, &options, QV_PLAN_EXPLAIN, "index=none (bypassed)");
    options.index = "nope";
    QVT_FAILS(qv__search(s, &queries, &options, &stream, &err), QV_NOT_FOUND, "index \"nope\" does not exist");
    qv__snapshot_unref(s);
    fake_vector_index = (fake_vectors){ 0 };
}

/* ------------------------------------------------------------------ failures */

static void forget(qv__snapshot *s) { qv__owner_unref(atomic_exchange(&s->query_slot, NULL)); }

static void failures(void **state)
{
    qvt_rng rng = { 7 };
    qv_error err;
    float q[3 * DIM] = { 1, 2, 3 };
    qv_vectors queries = { q, QV_ELEMENT_F32, DIM, 3 };
    QV_UNUSED(state);

    for (int round = 0; round < 6; round++) {
        qv__snapshot *s = vector_table(&rng, 3, 60, 0.2, round % 2);
        size_t blocks = qv_memory().live_blocks;
        fake_vector_index = (fake_vectors){
            .exists = true, .metric = QV_METRIC_L2, .by_address = round % 2, .uncovered = 1, .estimate = 1
        };
        q[DIM] = q[2 * DIM] = 5;
        qv_search_options options = QV_SEARCH_OPTIONS_INIT;
        options.vector_column = (const char *const[]){ "v", "st.w", "m" }[round / 2];
        options.where = round == 1 ? "id < 950" : NULL;
        options.k = 3;
        options.min_probes = 1;
        options.job.threads = 1;
        for (uint64_t n = 0;; n++) {
            qv__stream *stream = NULL;
            qv__alloc_fail_at(n);
            qv_status st = qv__search(s, &queries, &options, &stream, &err);
            bool fired = qv__alloc_fault_fired();
            qv__alloc_fail_at(UINT64_MAX);
            qv__stream_free(stream);
            assert_int_equal(st, fired ? QV_NOMEM : QV_OK);
            forget(s);
            fake_check_closed(blocks);
            if (!fired)
                break;
        }
        assert_true(fake_vector_index.searches > 0);
        for (int n = 1; n < 4; n++) {
            qv__stream *stream = NULL;
            atomic_store(&fake_fail_reads_at, n);
            QVT_FAILS(qv__search(s, &queries, &options, &stream, &err), QV_IO, "the disk is gone");
            forget(s);
            fake_check_closed(blocks);
        }
        fake_vector_index.failure = QV_IO;
        qv__stream *stream = NULL;
        QVT_FAILS(qv__search(s, &queries, &options, &stream, &err), QV_IO, "the index is gone");
        fake_vector_index.failure = QV_OK;
        qv__snapshot_unref(s);
    }
    fake_vector_index = (fake_vectors){ 0 };
}

/* An index whose files are damaged where nobody looked before: the rows are scanned. */
static void damaged(void **state)
{
    qvt_rng rng = { 7 };
    trial t;
    QV_UNUSED(state);

    t.s = vector_table(&rng, 3, 300, 0.2, false);
    fake_vector_index =
        (fake_vectors){ .exists = true, .metric = QV_METRIC_L2, .uncovered = 1, .estimate = 1, .failure = QV_CORRUPT };
    choose(&rng, &t);
    t.queries.n = 1;
    t.options = (qv_search_options) QV_SEARCH_OPTIONS_INIT;
    t.options.columns = columns;
    t.options.n_columns = 3;
    t.options.min_probes = 1;
    for (int round = 0; round < 6; round++) {
        t.options.vector_column = round % 2 ? "m" : "v";
        t.options.k = 10;
        fake_vector_index.failure = (const qv_status[]){ QV_CORRUPT, QV_NOT_FOUND, QV_UNSUPPORTED }[round / 2];
        qv__array *found = fake_search(t.s, &t.queries, &t.options);
        expect(t.s, &t.queries, &t.options, QV_PLAN_ANALYZE,
               "then_all_rows=[the index cannot be used: the index is gone]");
        t.options.bypass_vector_index = true;
        qv__array *exact = fake_search(t.s, &t.queries, &t.options);
        t.options.bypass_vector_index = false;
        same_answer(t.s, found, exact);
        qv__array_unref(found);
        qv__array_unref(exact);
    }
    qv__snapshot_unref(t.s);
    fake_vector_index = (fake_vectors){ 0 };
}

/* ------------------------------------------------------------------ lists of vectors */

static double maxsim_of(const qv__array *lists, int64_t row, const float *q, size_t n, bool cosine)
{
    const qv__array *vectors = lists->children[0], *items = vectors->children[0];
    const float *values = (const float *) (const void *) items->buffers[1].data + items->offset;
    double sum = 0;
    int64_t from, to;

    if (qv__array_is_null(lists, row))
        return NAN;
    qv__array_list_range(lists, row, &from, &to);
    for (size_t v = 0; v < n; v++) {
        double best = NAN;
        for (int64_t i = from; i < to; i++) {
            double dot = 0, qq = 0, vv = 0, l2 = 0;
            bool valid = !qv__array_is_null(vectors, i);
            for (int64_t j = 0; j < DIM; j++) {
                int64_t at = (vectors->offset + i) * DIM + j;
                double a = q[v * DIM + (size_t) j], b = values[at];
                valid = valid && !qv__array_is_null(items, at);
                dot += a * b;
                qq += a * a;
                vv += b * b;
                l2 += (a - b) * (a - b);
            }
            double distance = cosine ? 1 - dot / sqrt(qq) / sqrt(vv) : l2;
            if (valid && (!cosine || vv > 0) && !(distance >= best))
                best = distance;
        }
        sum += best;
    }
    return sum;
}

static void lists(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    trial t;
    QV_UNUSED(state);

    for (int round = 0; round < 40; round++) {
        bool cosine = round % 2;
        t.s = vector_table(&rng, 3, 300, 0.2, false);
        choose(&rng, &t);
        t.options = (qv_search_options) QV_SEARCH_OPTIONS_INIT;
        t.options.vector_column = "m";
        t.options.metric = cosine ? QV_METRIC_AUTO : QV_METRIC_L2;
        t.options.columns = columns;
        t.options.n_columns = 3;
        t.options.k = 2000;
        t.options.job.threads = 1 + (unsigned) round % 3;
        qv__array *found = fake_search(t.s, &t.queries, &t.options);
        int64_t matching = 0;
        for (size_t f = 0; f < t.s->n_fragments; f++)
            for (uint64_t r = 0; r < t.s->fragments[f].physical_rows; r++)
                matching += qv__bit_get(t.s->data[f].live, r) &&
                            !isnan(maxsim_of(t.s->data[f].columns[3], (int64_t) r, t.values, t.queries.n, cosine));
        assert_int_equal(found ? found->length : 0, matching);
        for (int64_t i = 0; i < matching; i++) {
            uint64_t id = ((const uint64_t *) qv__array_values(found->children[2]))[i];
            float distance = ((const float *) qv__array_values(found->children[1]))[i];
            size_t f = (40 - (size_t) (id >> 32)) / 2;
            double own = maxsim_of(t.s->data[f].columns[3], (int64_t) (uint32_t) id, t.values, t.queries.n, cosine);
            assert_true(fabs(own - distance) <= 1e-5 * (1 + fabs(own)));
            assert_true(i == 0 || ((const float *) qv__array_values(found->children[1]))[i - 1] <= distance);
        }
        qv__array_unref(found);
        qv__snapshot_unref(t.s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_exact), cmocka_unit_test(estimates), cmocka_unit_test(plans_are_kept),
        cmocka_unit_test(fast_searches), cmocka_unit_test(explained), cmocka_unit_test(failures),
        cmocka_unit_test(damaged),       cmocka_unit_test(lists),     cmocka_unit_test(widened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
