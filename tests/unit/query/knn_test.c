/* Exact search against a brute force in double over the same rows. */
#include <math.h>

#include "fake_table.h"
#include "simd/half.h"

enum { MAX_ROWS = 20000 };

typedef struct element_case {
    qv__type_id item;
    qv_element query;
    qv_metric metric;
} element_case;

/* ------------------------------------------------------------------ tables of vectors */

static qv__type *item_type(qv__type_id id)
{
    return id == QV_TYPE_FIXED_BINARY ? qvt_type(id, 2, 0) : qvt_type(id, 0, 0);
}

/* A random vector column whose values are sane: small integers, some rows null, NaN, zero or infinite. */
static qv__array *random_vectors(qvt_rng *rng, const qv__type *type, size_t n, double null_share)
{
    qv_error err;
    size_t dim = (size_t) type->width, bytes;
    const qv__type *item = type->children[0].type;
    qv__array *lists = NULL, *items = NULL;
    uint8_t *values, *bits;

    bytes = item->id == QV_TYPE_FIXED_BINARY ? 2 : (size_t) qv__type_bits(item) / 8;
    QVT_OK(qv__array_new(type, (int64_t) n, 1, &lists, &err));
    QVT_OK(qv__array_new(item, (int64_t) (n * dim), 0, &items, &err));
    QVT_OK(qv__bytes_new(n * dim * bytes + 1, &items->buffers[1], &values, &err));
    QVT_OK(qv__bytes_new(n / 8 + 1, &lists->buffers[0], &bits, &err));
    for (size_t r = 0; r < n; r++) {
        uint64_t special = qvt_rng_below(rng, 60);
        bool valid = qvt_rng_unit(rng) >= null_share;
        qv__bit_put(bits, r, valid);
        lists->null_count += !valid;
        for (size_t i = 0; i < dim; i++) {
            float value = special == 0   ? 0
                          : special == 1 ? NAN
                          : special == 2 ? INFINITY
                                         : (float) qvt_rng_below(rng, 12);
            double wide = value;
            uint32_t single;
            memcpy(&single, &value, 4);
            uint16_t half = (uint16_t) (single >> 16);
            uint8_t *at = values + (r * dim + i) * bytes;
            if (item->id == QV_TYPE_FLOAT16)
                half = value > 0 && isfinite(value) ? (uint16_t) (((single >> 23) - 112) << 10 | (single >> 13 & 1023))
                                                    : 0;
            if (bytes == 8)
                memcpy(at, &wide, 8);
            else if (bytes == 4)
                memcpy(at, &value, 4);
            else if (bytes == 2)
                memcpy(at, &half, 2);
            else
                *at = (uint8_t) qvt_rng_below(rng, 200);
        }
    }
    lists->children[0] = items;
    return lists;
}

/* id int64, v fixed_size_list<item>[dim], st { w: the same } */
static qv__snapshot *vector_table(qvt_rng *rng, qv__type_id item, int32_t dim, size_t n_fragments, size_t max_rows,
                                  double deleted_share)
{
    qv_error err;
    qv__type *type = fake_vector_type(item_type(item), dim), *outer = NULL;
    qv__field *inner = &type->children[0];
    if (item == QV_TYPE_FIXED_BINARY)
        QVT_OK(qv__metadata_set(&inner->metadata, "ARROW:extension:name", "lance.bfloat16", 14, &err));
    qv__field w = fake_field("w", qv__type_ref(type), true);
    QVT_OK(qv__type_new_struct(&w, 1, &outer, &err));
    qv__field fields[] = { fake_field("id", qvt_type(QV_TYPE_INT64, 0, 0), false), fake_field("v", type, true),
                           fake_field("st", outer, true) };
    qv__snapshot *s = fake_new(fields, 3);
    fake_clear_fields(fields, 3);
    qv__field_clear(&w);
    for (size_t f = 0; f < n_fragments; f++) {
        fake_add(s, rng, 40 - 2 * f, 1 + qvt_rng_below(rng, max_rows), 0.1, deleted_share);
        qv__array **columns = s->data[f].columns;
        qv__array_unref(columns[1]);
        columns[1] = random_vectors(rng, s->schema->fields[1].type, s->fragments[f].physical_rows, 0.1);
        qv__array *st = columns[2]; /* replaces the only child; the struct keeps its offset and nulls */
        int64_t child_rows = st->offset + st->length;
        qv__array_unref(st->children[0]);
        st->children[0] = random_vectors(rng, s->schema->fields[1].type, (size_t) child_rows, 0.1);
    }
    return s;
}

/* ------------------------------------------------------------------ the oracle */

typedef struct found {
    double distance;
    uint64_t id;
    size_t fragment;
    uint64_t row;
} found;

static int by_rank(const void *a, const void *b)
{
    const found *x = a, *y = b;
    if ((float) x->distance != (float) y->distance)
        return (float) x->distance < (float) y->distance ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static double item_value(const qv__array *items, int64_t i)
{
    const uint8_t *p = items->buffers[1].data;
    size_t at = (size_t) (items->offset + i);
    float value;
    double wide;
    uint16_t half;

    switch (items->type->id) {
    case QV_TYPE_FLOAT64:
        memcpy(&wide, p + 8 * at, 8);
        return wide;
    case QV_TYPE_FLOAT32:
        memcpy(&value, p + 4 * at, 4);
        return value;
    case QV_TYPE_FLOAT16:
        memcpy(&half, p + 2 * at, 2);
        return qv__float_of_f16(half);
    case QV_TYPE_FIXED_BINARY:
        memcpy(&half, p + 2 * at, 2);
        return qv__float_of_bf16(half);
    case QV_TYPE_INT8:
        return (int8_t) p[at];
    default:
        return p[at];
    }
}

static double distance_of(qv_metric metric, const float *q, const qv__array *items, int64_t start, int dim)
{
    double diff = 0, dot = 0, qq = 0, vv = 0;
    unsigned both = 0, either = 0;

    for (int i = 0; i < dim; i++) {
        double v = item_value(items, start + i);
        diff += (q[i] - v) * (q[i] - v);
        dot += q[i] * v;
        qq += (double) q[i] * q[i];
        vv += v * v;
        both += (unsigned) __builtin_popcount((unsigned) q[i] & (uint8_t) v);
        either += (unsigned) __builtin_popcount((unsigned) q[i] | (uint8_t) v);
    }
    switch (metric) {
    case QV_METRIC_COSINE:
        return qq > 0 && vv > 0 ? 1 - dot / (sqrt(qq) * sqrt(vv)) : NAN;
    case QV_METRIC_DOT:
        return 1 - dot;
    case QV_METRIC_HAMMING:
        return either - both;
    case QV_METRIC_JACCARD:
        return either ? 1 - (double) both / either : 0;
    default:
        return diff;
    }
}

/* All rows that can match, in rank order. */
static size_t brute_force(const qv__snapshot *s, bool nested, qv_metric metric, const float *q, found *out)
{
    size_t n = 0;

    for (size_t f = 0; f < s->n_fragments; f++)
        for (uint64_t r = 0; r < s->fragments[f].physical_rows; r++) {
            const qv__array *lists = s->data[f].columns[1];
            int64_t at = (int64_t) r;
            if (nested) {
                const qv__array *st = s->data[f].columns[2];
                if (qv__array_is_null(st, at))
                    continue;
                lists = st->children[0];
                at += st->offset;
            }
            if (qv__array_is_null(lists, at) || !qv__bit_get(s->data[f].live, r))
                continue;
            int dim = lists->type->width;
            double distance = distance_of(metric, q, lists->children[0], (lists->offset + at) * dim, dim);
            if (!isnan(distance))
                out[n++] = (found){ distance, fake_row_id(s, f, r), f, r };
        }
    qsort(out, n, sizeof *out, by_rank);
    return n;
}

/* ------------------------------------------------------------------ searches */

static int64_t where_above; /* the condition of a search that has one: id > where_above */

static bool matches(const qv__snapshot *s, const found *row)
{
    return ((const int64_t *) qv__array_values(s->data[row->fragment].columns[0]))[row->row] > where_above;
}

/* Distances agree with the oracle rank by rank; each row's own distance is what it says, and no row comes twice. */
static void check_answer(const qv__snapshot *s, bool nested, qv_metric metric, const float *queries, size_t n_queries,
                         int dim, const qv_search_options *options, const qv__array *batch)
{
    found *want = calloc(MAX_ROWS, sizeof *want);
    int64_t at = 0;
    size_t first = n_queries > 1 || options->query_index;

    for (size_t q = 0; q < n_queries; q++) {
        size_t n = brute_force(s, nested, metric, queries + q * (size_t) dim, want), kept = 0;
        for (size_t i = 0; i < n; i++) { /* bounds, in rank order */
            float d = (float) want[i].distance;
            if (options->where && !options->postfilter && !matches(s, &want[i]))
                continue;
            if ((!options->has_lower || d >= options->lower_bound) && (!options->has_upper || d < options->upper_bound))
                want[kept++] = want[i];
        }
        for (size_t i = (size_t) options->offset; i < QV_MIN(kept, options->offset + options->k); i++) {
            if (options->where && options->postfilter && !matches(s, &want[i]))
                continue;
            assert_true(batch && at < batch->length);
            const float *distances = qv__array_values(fake_column(batch, first + 1));
            const uint64_t *ids = qv__array_values(fake_column(batch, first + 2));
            double tolerance = 1e-5 * (1 + fabs(want[i].distance));
            assert_true((float) want[i].distance == distances[at] ||
                        fabs(want[i].distance - distances[at]) <= tolerance);
            if (metric != QV_METRIC_COSINE && metric != QV_METRIC_JACCARD) /* integers: exact, so ids agree too */
                assert_int_equal(ids[at], want[i].id);
            found *own = NULL;
            for (size_t j = 0; j < kept && !own; j++)
                own = want[j].id == ids[at] ? &want[j] : NULL;
            assert_non_null(own);
            assert_true(fabs(own->distance - distances[at]) <= tolerance || isinf(own->distance));
            assert_string_equal(qvt_value_text(fake_column(batch, first), at),
                                fake_text(s, own->fragment, "id", own->row));
            if (first)
                assert_int_equal(((const int32_t *) qv__array_values(fake_column(batch, 0)))[at], q);
            at++;
        }
    }
    assert_int_equal(at, batch ? batch->length : 0);
    free(want);
}

static const element_case cases[] = {
    { QV_TYPE_FLOAT32, QV_ELEMENT_F32, QV_METRIC_L2 },      { QV_TYPE_FLOAT32, QV_ELEMENT_F32, QV_METRIC_AUTO },
    { QV_TYPE_FLOAT32, QV_ELEMENT_F32, QV_METRIC_COSINE },  { QV_TYPE_FLOAT32, QV_ELEMENT_F32, QV_METRIC_DOT },
    { QV_TYPE_FLOAT16, QV_ELEMENT_F32, QV_METRIC_L2 },      { QV_TYPE_FLOAT64, QV_ELEMENT_F32, QV_METRIC_L2 },
    { QV_TYPE_FIXED_BINARY, QV_ELEMENT_F32, QV_METRIC_L2 }, { QV_TYPE_INT8, QV_ELEMENT_F32, QV_METRIC_L2 },
    { QV_TYPE_UINT8, QV_ELEMENT_F32, QV_METRIC_AUTO },      { QV_TYPE_UINT8, QV_ELEMENT_F32, QV_METRIC_HAMMING },
    { QV_TYPE_UINT8, QV_ELEMENT_F32, QV_METRIC_JACCARD },   { QV_TYPE_UINT8, QV_ELEMENT_F32, QV_METRIC_L2 },
};

/* A condition that about `share` of the rows pass. */
static void choose_where(qvt_rng *rng, const qv__snapshot *s, double share, char text[64])
{
    uint64_t best = 0;

    where_above = 0;
    for (int i = 0; i < 40 && s->n_fragments > 0; i++) { /* the highest of some ids, or any of them */
        size_t f = qvt_rng_below(rng, s->n_fragments);
        if (s->fragments[f].physical_rows == 0)
            continue;
        uint64_t row = qvt_rng_below(rng, s->fragments[f].physical_rows);
        int64_t id = ((const int64_t *) qv__array_values(s->data[f].columns[0]))[row] / 2 * 2;
        if (i == 0 || (qvt_rng_unit(rng) >= share && id > where_above))
            where_above = id;
        best++;
    }
    if (where_above == INT64_MIN || best == 0)
        where_above = 0;
    snprintf(text, 64, "id > %lld", (long long) where_above);
}

static void search_once(qvt_rng *rng, qv__snapshot *s, const element_case *c, int dim)
{
    static const char *const columns[] = { "id", "_distance", "_rowid" };
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;
    size_t n_queries = 1 + qvt_rng_below(rng, 12);
    float *queries = calloc(n_queries * (size_t) dim, sizeof *queries);
    bool nested = qvt_rng_below(rng, 3) == 0;
    qv_vectors vectors = { queries, c->query, (size_t) dim, n_queries };
    qv__array *answers[3];

    for (size_t i = 0; i < n_queries * (size_t) dim; i++)
        queries[i] = (float) qvt_rng_below(rng, 12);
    options.vector_column = nested ? "st.w" : "v";
    options.metric = c->metric;
    options.k = 1 + (uint32_t) qvt_rng_below(rng, 40);
    options.offset = qvt_rng_below(rng, 3) ? 0 : qvt_rng_below(rng, 30);
    options.has_lower = qvt_rng_below(rng, 3) == 0;
    options.has_upper = qvt_rng_below(rng, 3) == 0;
    options.lower_bound = 20;
    options.upper_bound = 150;
    options.query_index = qvt_rng_below(rng, 2);
    options.columns = columns;
    options.n_columns = 3;
    char where[64];
    if (qvt_rng_below(rng, 2)) {
        choose_where(rng, s, qvt_rng_below(rng, 2) ? 1 : 0, where);
        options.where = where;
        /* which of two rows is among the k is certain only where distances are exact */
        options.postfilter =
            c->metric != QV_METRIC_COSINE && c->metric != QV_METRIC_JACCARD && qvt_rng_below(rng, 3) == 0;
        fake_index_kind = (int) qvt_rng_below(rng, 3);
    }
    for (size_t t = 0; t < 3; t++) {
        options.job.threads = 1u << t * 3 / 2; /* 1, 2, 8 */
        answers[t] = fake_search(s, &vectors, &options);
        assert_int_equal(answers[t] != NULL, answers[0] != NULL);
        if (t > 0 && answers[0])
            assert_true(qv__array_equal(answers[0], answers[t]));
    }
    qv_metric metric = c->metric != QV_METRIC_AUTO ? c->metric
                       : c->item == QV_TYPE_UINT8  ? QV_METRIC_HAMMING
                                                   : QV_METRIC_L2;
    check_answer(s, nested, metric, queries, n_queries, dim, &options, answers[0]);
    for (size_t t = 0; t < 3; t++)
        qv__array_unref(answers[t]);
    fake_index_kind = 0;
    free(queries);
}

static void searches(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    QV_UNUSED(state);

    for (int round = 0; round < 8; round++)
        for (size_t c = 0; c < QV_COUNT_OF(cases); c++) {
            int dim = 1 + (int) qvt_rng_below(&rng, 20);
            qv__snapshot *s = vector_table(&rng, cases[c].item, dim, qvt_rng_below(&rng, 5), 600, round % 3 * 0.3);
            s->stable = round % 2;
            size_t blocks = qv_memory().live_blocks;
            for (int i = 0; i < 4; i++)
                search_once(&rng, s, &cases[c], dim);
            qv__owner_unref(atomic_exchange(&s->query_slot, NULL)); /* what conditions chose */
            fake_check_closed(blocks);
            qv__snapshot_unref(s);
        }
}

/* Enough work for several tasks: cuts inside fragments, and the heaps of all tasks merged. */
static void many_tasks(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    element_case c = { QV_TYPE_FLOAT32, QV_ELEMENT_F32, QV_METRIC_L2 };
    QV_UNUSED(state);

    qv__snapshot *s = vector_table(&rng, QV_TYPE_FLOAT32, 300, 4, 5000, 0.1);
    for (int i = 0; i < 4; i++)
        search_once(&rng, s, &c, 300);
    qv__snapshot_unref(s);
}

/* ------------------------------------------------------------------ columns */

static void check_columns(qv__snapshot *s, const qv_search_options *options, size_t n_queries, const char *const *want)
{
    float q[2 * 6] = { 1 };
    qv_vectors queries = { q, QV_ELEMENT_F32, 6, n_queries };
    qv__stream *stream = NULL;
    qv_error err;
    size_t n = 0;

    QVT_OK(qv__search(s, &queries, options, &stream, &err));
    for (; want[n]; n++) {
        assert_true(n < stream->schema->n_fields);
        assert_string_equal(stream->schema->fields[n].name, want[n]);
    }
    assert_int_equal(stream->schema->n_fields, n);
    fake_free_batches(fake_drain(stream, &n), n);
}

static void column_order(void **state)
{
    qvt_rng rng = { 5 };
    qv__snapshot *s = fake_mixed_table(&rng, 0, 1, 0);
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;
    const char *some[] = { "_distance", "st.b.c", "id" }, *row_id[] = { "_rowid", "id" };
    QV_UNUSED(state);

    fake_add(s, &rng, 0, 50, 0, 0);
    check_columns(s, &options, 1, (const char *const[]){ "id", "s", "v", "st", "bits", "_distance", NULL });
    check_columns(s, &options, 2,
                  (const char *const[]){ "query_index", "id", "s", "v", "st", "bits", "_distance", NULL });
    options.with_row_id = options.with_row_address = true;
    options.columns = some;
    options.n_columns = 3;
    check_columns(s, &options, 1, (const char *const[]){ "_distance", "st.b.c", "id", "_rowid", "_rowaddr", NULL });
    options.columns = row_id;
    options.n_columns = 2;
    check_columns(s, &options, 1, (const char *const[]){ "id", "_distance", "_rowid", "_rowaddr", NULL });
    options.with_row_id = options.with_row_address = false;
    check_columns(s, &options, 1, (const char *const[]){ "_rowid", "id", "_distance", NULL });
    options.n_columns = 0; /* none of the table's */
    options.query_index = true;
    check_columns(s, &options, 1, (const char *const[]){ "query_index", "_distance", NULL });
    qv__snapshot_unref(s);
}

/* ------------------------------------------------------------------ refusals and failures */

static void refusals(void **state)
{
    qvt_rng rng = { 5 };
    float q[6] = { 1 }, bad[6] = { 1, 2, NAN };
    qv_vectors queries = { q, QV_ELEMENT_F32, 6, 1 };
    qv__stream *stream = NULL;
    qv_error err;
    qv__snapshot *s = fake_mixed_table(&rng, 2, 20, 0), *two = vector_table(&rng, QV_TYPE_FLOAT32, 6, 1, 9, 0);
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;
    qv__field only_id = fake_field("id", qvt_type(QV_TYPE_INT64, 0, 0), false);
    qv__snapshot *none = fake_new(&only_id, 1);
    QV_UNUSED(state);

    size_t blocks = qv_memory().live_blocks;
    QVT_FAILS(qv__search(two, &queries, &options, &stream, &err), QV_INVALID,
              "several vector columns have 6 dimensions, name one of them: \"v\", \"st.w\"");
    QVT_FAILS(qv__search(none, &queries, &options, &stream, &err), QV_INVALID, "the table has no vector column");
    queries.dim = 5;
    QVT_FAILS(qv__search(s, &queries, &options, &stream, &err), QV_INVALID,
              "no vector column has 5 dimensions: \"v\" has 6, \"st.b.w\" has 3, \"bits\" has 4");
    options.vector_column = "v";
    QVT_FAILS(qv__search(s, &queries, &options, &stream, &err), QV_INVALID,
              "column \"v\" has 6 dimensions, query has 5");
    options.vector_column = "nope";
    QVT_FAILS(qv__search(s, &queries, &options, &stream, &err), QV_NOT_FOUND, "column \"nope\" does not exist");
    options.vector_column = "id";
    QVT_FAILS(qv__search(s, &queries, &options, &stream, &err), QV_INVALID,
              "column \"id\" is not a vector column but int64");
    queries.dim = 6;
    options.vector_column = NULL;
    options.metric = QV_METRIC_HAMMING;
    QVT_FAILS(qv__search(s, &queries, &options, &stream, &err), QV_INVALID,
              "metric hamming does not support column \"v\"");
    options.metric = QV_METRIC_AUTO;
    queries.data = bad;
    QVT_FAILS(qv__search(s, &queries, &options, &stream, &err), QV_INVALID, "query 0 has value nan at position 2");
    queries.dim = 4;
    QVT_FAILS(qv__search(s, &queries, &options, &stream, &err), QV_INVALID, "query 0 has value nan at position 2");
    assert_null(stream);
    fake_check_closed(blocks);
    qv__field_clear(&only_id);
    qv__snapshot_unref(s);
    qv__snapshot_unref(two);
    qv__snapshot_unref(none);
}

/* Float queries for packed bits: cut off, and held in 0 .. 255. */
static void packed_queries(void **state)
{
    qvt_rng rng = { 5 };
    float q[4] = { 300, -7, 3.9f, 255 };
    qv_vectors queries = { q, QV_ELEMENT_F32, 4, 1 };
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;
    qv__snapshot *s = fake_mixed_table(&rng, 0, 1, 0);
    QV_UNUSED(state);

    fake_add(s, &rng, 0, 1, 0, 0);
    const qv__array *items = s->data[0].columns[4]->children[0];
    uint8_t *bytes = (uint8_t *) qv__array_values(items) + s->data[0].columns[4]->offset * 4;
    memcpy(bytes, (uint8_t[]){ 255, 1, 3, 254 }, 4);
    options.with_row_id = true;
    qv__array *batch = fake_search(s, &queries, &options);
    if (batch) { /* the random row may hold a null item */
        const float *distance = qv__array_values(fake_column(batch, batch->n_children - 2));
        assert_true(*distance == 2);
    }
    assert_int_equal(batch != NULL, items->null_count == 0);
    qv__array_unref(batch);
    qv__snapshot_unref(s);
}

static void failures(void **state)
{
    qvt_rng rng = { 7 };
    qv_error err;
    qv__snapshot *s = vector_table(&rng, QV_TYPE_FLOAT32, 6, 3, 300, 0.3);
    float q[12 * 6] = { 1, 2, 3 };
    qv_vectors queries = { q, QV_ELEMENT_F32, 6, 12 };
    QV_UNUSED(state);

    size_t blocks = qv_memory().live_blocks;
    for (int nested = 0; nested < 2; nested++)
        for (uint64_t n = 0;; n++) {
            qv_search_options options = QV_SEARCH_OPTIONS_INIT;
            qv__stream *stream = NULL;
            options.vector_column = nested ? "st.w" : "v";
            options.job.threads = 1;
            qv__alloc_fail_at(n);
            qv_status st = qv__search(s, &queries, &options, &stream, &err);
            bool fired = qv__alloc_fault_fired();
            qv__alloc_fail_at(UINT64_MAX);
            qv__stream_free(stream);
            assert_int_equal(st, fired ? QV_NOMEM : QV_OK);
            fake_check_closed(blocks);
            if (!fired)
                break;
        }
    for (int n = 1; n < 6; n++) {
        qv_search_options options = QV_SEARCH_OPTIONS_INIT;
        qv__stream *stream = NULL;
        options.vector_column = "v";
        atomic_store(&fake_fail_reads_at, n);
        QVT_FAILS(qv__search(s, &queries, &options, &stream, &err), QV_IO, "the disk is gone");
        fake_check_closed(blocks);
    }
    qv__snapshot_unref(s);
}

/* A raised flag stops a search, a take and a scan between two batches. */
static void cancelling(void **state)
{
    qvt_rng rng = { 7 };
    qv_error err;
    qv__snapshot *s = vector_table(&rng, QV_TYPE_FLOAT32, 6, 3, 300, 0);
    float q[6] = { 1 };
    qv_vectors queries = { q, QV_ELEMENT_F32, 6, 1 };
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;
    qv_scan_options scan_options = QV_SCAN_OPTIONS_INIT;
    qv__stream *stream = NULL;
    qv__array *batch = NULL;
    uint64_t row = 0;
    QV_UNUSED(state);

    QVT_OK(qv_cancel_new(&options.job.cancel, &err));
    scan_options.job.cancel = options.job.cancel;
    scan_options.batch_rows = 10;
    size_t blocks = qv_memory().live_blocks;
    QVT_OK(qv__scan(s, &scan_options, &stream, &err));
    QVT_OK(stream->next(stream, &batch, &err));
    assert_int_equal(batch->length, 10);
    qv__array_unref(batch);
    qv_cancel_raise(options.job.cancel);
    QVT_FAILS(stream->next(stream, &batch, &err), QV_CANCELLED, "");
    qv__stream_free(stream);
    options.vector_column = "v";
    QVT_FAILS(qv__search(s, &queries, &options, &stream, &err), QV_CANCELLED, "");
    QVT_FAILS(qv__take(s, QV_TAKE_OFFSETS, &row, 1, true, &scan_options, &stream, &err), QV_CANCELLED, "");
    fake_check_closed(blocks);
    qv_cancel_free(options.job.cancel);
    qv__snapshot_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches),   cmocka_unit_test(many_tasks),     cmocka_unit_test(column_order),
        cmocka_unit_test(refusals),   cmocka_unit_test(packed_queries), cmocka_unit_test(failures),
        cmocka_unit_test(cancelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
