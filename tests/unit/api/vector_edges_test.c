/* Vector indices over the vectors that real columns have and nobody expects: each kind of index either says what does not fit, or answers as the
 * exact search does. */
#include <math.h>

#include "base/alloc.h"
#include "qvt_vectors.h"

static qv_error err;

/* ------------------------------------------------------------------ columns */

typedef struct column {
    const char *name;
    size_t n, dim;
    void (*fill)(float *values, bool *nulls, size_t n, size_t dim);
} column;

static void fill_plain(float *values, bool *nulls, size_t n, size_t dim)
{
    float *made = qvt_vectors_random(3, n, dim);

    QV_UNUSED(nulls);
    memcpy(values, made, n * dim * sizeof *made);
    free(made);
}

static void fill_equal(float *values, bool *nulls, size_t n, size_t dim)
{
    QV_UNUSED(nulls);
    for (size_t i = 0; i < n * dim; i++)
        values[i] = (float) (i % dim) - 1.5F;
}

static void fill_zeros(float *values, bool *nulls, size_t n, size_t dim)
{
    QV_UNUSED(nulls);
    memset(values, 0, n * dim * sizeof *values);
}

static void fill_some_zeros(float *values, bool *nulls, size_t n, size_t dim)
{
    fill_plain(values, nulls, n, dim);
    for (size_t i = 0; i < n; i += 3)
        memset(values + i * dim, 0, dim * sizeof *values);
}

static void fill_duplicates(float *values, bool *nulls, size_t n, size_t dim)
{
    fill_plain(values, nulls, n, dim);
    for (size_t i = 3; i < n; i++)
        memcpy(values + i * dim, values + i % 3 * dim, dim * sizeof *values);
}

static void fill_some_nans(float *values, bool *nulls, size_t n, size_t dim)
{
    fill_plain(values, nulls, n, dim);
    for (size_t i = 0; i < n; i += 3)
        values[i * dim + i % dim] = NAN;
}

static void fill_infinities(float *values, bool *nulls, size_t n, size_t dim)
{
    fill_plain(values, nulls, n, dim);
    for (size_t i = 0; i < n; i += 3)
        values[i * dim + i % dim] = i % 2 ? INFINITY : -INFINITY;
}

static void fill_nans(float *values, bool *nulls, size_t n, size_t dim)
{
    QV_UNUSED(nulls);
    for (size_t i = 0; i < n * dim; i++)
        values[i] = NAN;
}

static void fill_nulls(float *values, bool *nulls, size_t n, size_t dim)
{
    fill_plain(values, nulls, n, dim);
    for (size_t i = 0; i < n; i++)
        nulls[i] = true;
}

static void fill_some_nulls(float *values, bool *nulls, size_t n, size_t dim)
{
    fill_plain(values, nulls, n, dim);
    for (size_t i = 0; i < n; i += 2)
        nulls[i] = true;
}

static void scale(float *values, size_t n, float factor)
{
    for (size_t i = 0; i < n; i++)
        values[i] *= factor;
}

static void fill_huge(float *values, bool *nulls, size_t n, size_t dim)
{
    fill_plain(values, nulls, n, dim);
    scale(values, n * dim, 1e30F);
}

static void fill_tiny(float *values, bool *nulls, size_t n, size_t dim)
{
    fill_plain(values, nulls, n, dim);
    scale(values, n * dim, 1e-30F);
}

static void fill_mixed(float *values, bool *nulls, size_t n, size_t dim)
{
    static const float factors[] = { 1, 1e30F, 1e-30F, 1e10F, 1 };

    fill_plain(values, nulls, n, dim);
    for (size_t i = 0; i < n; i++)
        scale(values + i * dim, dim, factors[i % 5]);
}

static const column columns[] = {
    { "no row", 0, 8, fill_plain },
    { "one row", 1, 8, fill_plain },
    { "two rows", 2, 8, fill_plain },
    { "few rows", 20, 8, fill_plain },
    { "one value", 300, 1, fill_plain },
    { "seven values", 300, 7, fill_plain },
    { "many values", 3, 65535, fill_plain },
    { "more values", 3, 65536, fill_plain },
    { "equal rows", 300, 8, fill_equal },
    { "zeros", 300, 8, fill_zeros },
    { "some zeros", 300, 8, fill_some_zeros },
    { "duplicates", 300, 8, fill_duplicates },
    { "some NaNs", 300, 8, fill_some_nans },
    { "infinities", 300, 8, fill_infinities },
    { "no number", 30, 8, fill_nans },
    { "nulls", 30, 8, fill_nulls },
    { "some nulls", 300, 8, fill_some_nulls },
    { "huge", 300, 8, fill_huge },
    { "tiny", 300, 8, fill_tiny },
    { "mixed sizes", 300, 8, fill_mixed },
};

typedef struct scene {
    const column *column;
    float *values;
    bool *nulls;
    qv_db *db;
    qv_table *table;
} scene;

static void open_scene(scene *s, const column *c)
{
    *s = (scene){ .column = c };
    s->values = malloc((c->n + 1) * c->dim * sizeof *s->values);
    s->nulls = calloc(c->n + 1, sizeof *s->nulls);
    assert_non_null(s->values);
    assert_non_null(s->nulls);
    c->fill(s->values, s->nulls, c->n, c->dim);
    QVT_OK(qv_db_open("memory://", NULL, &s->db, &err));
    qvt_vectors_write(s->db, s->values, s->nulls, 0, c->n, c->dim, NULL, &s->table);
}

static void close_scene(scene *s)
{
    qv_table_close(s->table);
    qv_db_close(s->db);
    free(s->values);
    free(s->nulls);
}

/* ------------------------------------------------------------------ every column, kind and metric */

static void compare(const scene *s, const char *what, const float *query, uint32_t k, qv_metric metric)
{
    static qvt_hits found, right;
    size_t dim = s->column->dim;
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;

    options.k = k;
    options.metric = metric;
    options.bypass_vector_index = true;
    QVT_OK(qvt_vectors_search(s->table, query, dim, &options, &right, &err));
    options.bypass_vector_index = false;
    options.min_probes = 100000; /* all there are */
    options.ef = (uint32_t) s->column->n + k;
    options.refine_factor = (uint32_t) s->column->n / k + 1;
    QVT_OK(qvt_vectors_search(s->table, query, dim, &options, &found, &err));
    qvt_hits_same(what, &found, &right);
    options.refine_factor = options.min_probes = options.ef = 0;
    QVT_OK(qvt_vectors_search(s->table, query, dim, &options, &found, &err));
    assert_int_equal(found.n, right.n); /* k rows come whenever k rows match */
}

static void search_all(const scene *s, const char *what, qv_metric metric)
{
    size_t dim = s->column->dim;
    float *query = calloc(dim, sizeof *query);

    assert_non_null(query);
    for (int i = 0; i < 3; i++) {
        if (i == 1)
            query[dim - 1] = 1;
        if (i == 2)
            for (size_t d = 0; d < dim; d++)
                query[d] = s->column->n && isfinite(s->values[d]) ? s->values[d] : (float) d;
        compare(s, what, query, 1, metric);
        compare(s, what, query, 10, metric);
        compare(s, what, query, (uint32_t) s->column->n + 5, metric);
    }
    free(query);
}

static bool is_refused(const column *c, qv_index_kind kind) { return kind == QV_INDEX_IVF_RQ && c->dim % 8; }

/* Rows that are not finite, or too long, are in no index, though a product with them may be the least distance of all; and codebooks of so many
 * sub-vectors take seconds. */
static bool is_skipped(const column *c, qv_index_kind kind, qv_metric metric)
{
    bool is_pq = kind == QV_INDEX_IVF_PQ || kind == QV_INDEX_IVF_HNSW_PQ;

    return (metric == QV_METRIC_DOT && (c->fill == fill_infinities || c->fill == fill_mixed)) ||
           (is_pq && c->dim > 10000);
}

static void try_kind(const scene *s, qv_index_kind kind, qv_metric metric)
{
    qv_index_options options = QV_INDEX_OPTIONS_INIT;
    char what[100];

    snprintf(what, sizeof what, "%s, kind %d, metric %d", s->column->name, (int) kind, (int) metric);
    options.kind = kind;
    options.metric = metric;
    qv_status st = qv_table_create_index(s->table, "v", &options, &err);
    if (is_refused(s->column, kind)) {
        assert_int_equal(st, QV_INVALID);
        return;
    }
    if (st != QV_OK)
        fail_msg("%s: %s: %s", what, qv_status_name(st), err.message);
    search_all(s, what, metric);
    QVT_OK(qv_table_verify(s->table, NULL, NULL, NULL, NULL, &err));
}

static void strange_columns(void **state)
{
    static const qv_index_kind kinds[] = { QV_INDEX_IVF_FLAT,      QV_INDEX_IVF_SQ,      QV_INDEX_IVF_PQ,
                                           QV_INDEX_IVF_RQ,        QV_INDEX_IVF_HNSW_SQ, QV_INDEX_IVF_HNSW_PQ,
                                           QV_INDEX_IVF_HNSW_FLAT, QV_INDEX_VECTOR };
    static const qv_metric metrics[] = { QV_METRIC_L2, QV_METRIC_COSINE, QV_METRIC_DOT };
    scene s;

    QV_UNUSED(state);
    for (size_t c = 0; c < QV_COUNT_OF(columns); c++) {
        open_scene(&s, &columns[c]);
        for (size_t k = 0; k < QV_COUNT_OF(kinds); k++)
            for (size_t m = 0; m < QV_COUNT_OF(metrics); m++)
                if (!is_skipped(&columns[c], kinds[k], metrics[m]))
                    try_kind(&s, kinds[k], metrics[m]);
        close_scene(&s);
    }
}

/* ------------------------------------------------------------------ what does not fit is named */

static qv_status build(const scene *s, qv_index_kind kind, const qv_index_options *like)
{
    qv_index_options options = *like;

    options.kind = kind;
    return qv_table_create_index(s->table, "v", &options, &err);
}

static void refusals(void **state)
{
    static const column seven = { "seven values", 300, 7, fill_plain }, few = { "few rows", 20, 8, fill_plain };
    const qv_index_options none = QV_INDEX_OPTIONS_INIT;
    qv_index_options o = none;
    scene s;

    QV_UNUSED(state);
    open_scene(&s, &seven);
    o.num_sub_vectors = 3;
    QVT_FAILS(build(&s, QV_INDEX_IVF_PQ, &o), QV_INVALID, "dimension 7 is not divisible by num_sub_vectors 3");
    QVT_FAILS(build(&s, QV_INDEX_IVF_FLAT, &o), QV_INVALID, "num_sub_vectors");
    QVT_FAILS(build(&s, QV_INDEX_IVF_RQ, &none), QV_INVALID, "IVF_RQ");
    o = none;
    o.metric = QV_METRIC_HAMMING;
    QVT_FAILS(build(&s, QV_INDEX_IVF_FLAT, &o), QV_INVALID, "hamming");
    o.metric = QV_METRIC_JACCARD;
    QVT_FAILS(build(&s, QV_INDEX_IVF_FLAT, &o), QV_INVALID, "metric 5");
    o.metric = (qv_metric) 77;
    QVT_FAILS(build(&s, QV_INDEX_IVF_FLAT, &o), QV_INVALID, "77");
    o = none;
    o.num_partitions = 301; /* more than rows: there are as many as can be */
    QVT_OK(build(&s, QV_INDEX_IVF_SQ, &o));
    o.num_partitions = 65537;
    QVT_FAILS(build(&s, QV_INDEX_IVF_SQ, &o), QV_INVALID, "num_partitions is 65537");
    o = none;
    o.hnsw_m = 3;
    QVT_FAILS(build(&s, QV_INDEX_IVF_HNSW_SQ, &o), QV_INVALID, "hnsw_m");
    QVT_FAILS(build(&s, QV_INDEX_IVF_SQ, &o), QV_INVALID, "hnsw_m");
    QVT_FAILS(qv_table_create_index(s.table, "id",
                                    &(qv_index_options){ .struct_size = sizeof o, .kind = QV_INDEX_IVF_SQ }, &err),
              QV_INVALID, "id");
    close_scene(&s);
    open_scene(&s, &few);
    o = none;
    o.num_bits = 8; /* 256 words out of 20 rows */
    QVT_OK(build(&s, QV_INDEX_IVF_PQ, &o));
    o.num_bits = 5;
    QVT_FAILS(build(&s, QV_INDEX_IVF_PQ, &o), QV_INVALID, "5");
    close_scene(&s);
}

static void odd_searches(void **state)
{
    static const column plain = { "plain", 300, 8, fill_plain };
    const float query[8] = { 1, NAN };
    qv_search_options o = QV_SEARCH_OPTIONS_INIT;
    qv_index_options l2 = QV_INDEX_OPTIONS_INIT;
    static qvt_hits found, right;
    scene s;

    QV_UNUSED(state);
    open_scene(&s, &plain);
    l2.num_partitions = 4;
    QVT_OK(build(&s, QV_INDEX_IVF_PQ, &l2));
    QVT_FAILS(qvt_vectors_search(s.table, query, 8, NULL, &found, &err), QV_INVALID, "nan");
    QVT_FAILS(qvt_vectors_search(s.table, s.values, 7, NULL, &found, &err), QV_INVALID, "7");
    o.k = 0;
    QVT_FAILS(qvt_vectors_search(s.table, s.values, 8, &o, &found, &err), QV_INVALID, "k");
    o.k = 10;
    o.index = "nope";
    QVT_FAILS(qvt_vectors_search(s.table, s.values, 8, &o, &found, &err), QV_NOT_FOUND, "nope");
    o.index = NULL;
    o.min_probes = 2; /* an index is asked for ... */
    assert_true(qvt_vectors_by_index(s.table, s.values, 8, &o));
    o.metric = QV_METRIC_COSINE; /* ... that has another metric */
    assert_false(qvt_vectors_by_index(s.table, s.values, 8, &o));
    QVT_OK(qvt_vectors_search(s.table, s.values, 8, &o, &found, &err));
    o.bypass_vector_index = true;
    QVT_OK(qvt_vectors_search(s.table, s.values, 8, &o, &right, &err));
    qvt_hits_same("another metric", &found, &right);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(strange_columns), cmocka_unit_test(refusals),
                                        cmocka_unit_test(odd_searches) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
