/* Building vector indices of every kind, metric and element type, held against exact search: recall, the same bytes at any number of threads and
 * in little memory, what is too small, missing, or does not fit. */
#include "vector_rows.h"

static qv_error err;

static const qv_index_kind kinds[] = { QV_INDEX_IVF_FLAT,   QV_INDEX_IVF_SQ,        QV_INDEX_IVF_PQ,
                                       QV_INDEX_IVF_RQ,     QV_INDEX_IVF_HNSW_FLAT, QV_INDEX_IVF_HNSW_SQ,
                                       QV_INDEX_IVF_HNSW_PQ };

/* ------------------------------------------------------------------ recall */

/* In all lists, with and without true distances, and in some of the lists. */
static void check_recall(scene *s, const qv__vector_kind *kind, const rows *r, const char *name)
{
    qv__segment *segment = build_rows(s, kind->kind, name, r);
    const qv__vector_model *m = qv__vector_segment_model((qv__vector_segment *) segment);
    qv_metric metric = m->metric;
    double own = recall(r, segment, m->n_lists, 1), refined = recall(r, segment, m->n_lists, 4),
           some = recall(r, segment, (m->n_lists + 3) / 4, 4);
    double floor = kind->code == QV_CODE_FLAT ? 1.0 : kind->code == QV_CODE_PQ ? 0.45 : 0.8;

    if (own < floor || refined < (kind->code == QV_CODE_FLAT ? 1.0 : 0.94) ||
        some < (metric == QV_METRIC_HAMMING ? 0.75 : 0.85)) {
        print_error("%s (metric %d, element %d): recall %.3f, refined %.3f, in a quarter of %zu lists %.3f\n", name,
                    (int) m->metric, (int) m->element, own, refined, m->n_lists, some);
        fail();
    }
    assert_int_equal(qv__vector_segment_rows((qv__vector_segment *) segment), (uint64_t) r->n);
    qv__vector_segment_close(segment);
}

static void check_kinds(qv__element element, qv_metric metric, size_t dim)
{
    scene s;
    rows r;
    char name[32];

    scene_open(&s);
    rows_make(&r, element, dim, 1600, 5);
    s.options.metric = metric;
    for (size_t i = 0; i < QV_COUNT_OF(kinds); i++) {
        const qv__vector_kind *kind = qv__vector_kind_of(kinds[i]);
        s.options.num_partitions = 20;
        if (metric == QV_METRIC_HAMMING && kind->code != QV_CODE_FLAT)
            continue;
        snprintf(name, sizeof name, "%s", kind->name);
        check_recall(&s, kind, &r, name);
    }
    rows_clear(&r);
    scene_close(&s);
}

static void test_recall_l2(void **state)
{
    QV_UNUSED(state);
    check_kinds(QV_EL_F32, QV_METRIC_L2, 32);
    check_kinds(QV_EL_F16, QV_METRIC_L2, 24);
    check_kinds(QV_EL_U8, QV_METRIC_L2, 16);
}

static void test_recall_cosine(void **state)
{
    QV_UNUSED(state);
    check_kinds(QV_EL_F32, QV_METRIC_COSINE, 32);
    check_kinds(QV_EL_F64, QV_METRIC_COSINE, 16);
    check_kinds(QV_EL_I8, QV_METRIC_COSINE, 24);
}

static void test_recall_dot(void **state)
{
    QV_UNUSED(state);
    check_kinds(QV_EL_F32, QV_METRIC_DOT, 32);
    check_kinds(QV_EL_BF16, QV_METRIC_DOT, 16);
}

static void test_recall_hamming(void **state)
{
    QV_UNUSED(state);
    check_kinds(QV_EL_BITS, QV_METRIC_HAMMING, 32);
}

/* ------------------------------------------------------------------ the same bytes */

static qv__bytes file_bytes(scene *s, const char *folder, const char *name)
{
    char path[64];
    qv__bytes bytes;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    QVT_OK(qv__store_get(s->root, path, UINT64_C(1) << 30, &bytes, &err));
    return bytes;
}

static void expect_same(scene *s, const char *a, const char *b)
{
    static const char *const names[] = { "index.idx", "auxiliary.idx" };

    for (size_t i = 0; i < 2; i++) {
        qv__bytes x = file_bytes(s, a, names[i]), y = file_bytes(s, b, names[i]);
        assert_int_equal(x.len, y.len);
        assert_memory_equal(x.data, y.data, x.len);
        qv__bytes_unref(&x);
        qv__bytes_unref(&y);
    }
}

static qv_status count_files(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *error)
{
    QV_UNUSED(name);
    QV_UNUSED(size);
    QV_UNUSED(is_folder);
    QV_UNUSED(error);
    ++*(size_t *) ctx;
    return QV_OK;
}

static void expect_files(scene *s, const char *folder, size_t n)
{
    size_t found = 0;

    QVT_OK(qv__store_list(s->root, folder, count_files, &found, &err));
    assert_int_equal(found, n);
}

static void test_threads(void **state)
{
    QV_UNUSED(state);
    static const unsigned threads[] = { 1, 2, 5 };
    scene s;
    rows r;
    char name[64], first[64];

    scene_open(&s);
    rows_make(&r, QV_EL_F32, 16, 2500, 3);
    for (size_t i = 0; i < QV_COUNT_OF(kinds); i++)
        for (size_t t = 0; t < QV_COUNT_OF(threads); t++) {
            s.job.options.threads = threads[t];
            snprintf(name, sizeof name, "%s_%u", qv__vector_kind_of(kinds[i])->name, threads[t]);
            qv__vector_segment_close(build_rows(&s, kinds[i], name, &r));
            if (t == 0)
                memcpy(first, name, sizeof first);
            else
                expect_same(&s, first, name);
        }
    rows_clear(&r);
    scene_close(&s);
}

/* Rows that do not fit into memory are written to files and gathered from them. */
static void test_little_memory(void **state)
{
    QV_UNUSED(state);
    scene s;
    rows r;

    scene_open(&s);
    rows_make(&r, QV_EL_F32, 16, 60000, 3);
    s.options.num_partitions = 50;
    s.options.max_iterations = 4;
    s.like = build_rows(&s, QV_INDEX_IVF_FLAT, "like", &r); /* the sample depends on the memory; lists do not */
    qv__vector_segment_close(build_rows(&s, QV_INDEX_IVF_FLAT, "much", &r));
    s.memory = 1100000;
    qv__segment *little = build_rows(&s, QV_INDEX_IVF_FLAT, "little", &r);
    expect_same(&s, "much", "little");
    expect_files(&s, "little", 2);
    qv__vector_segment_close(little);
    qv__vector_segment_close(s.like);
    s.like = NULL;
    little = build_rows(&s, QV_INDEX_IVF_SQ, "trained in little", &r);
    assert_true(recall(&r, little, 50, 4) > 0.95);
    qv__vector_segment_close(little);
    rows_clear(&r);
    scene_close(&s);
}

/* ------------------------------------------------------------------ rows that cannot be found */

static void set_null(rows *r, int64_t row)
{
    uint8_t *bits = (uint8_t *) (uintptr_t) r->values->buffers[0].data;

    if (!bits) {
        QVT_OK(qv__bytes_new(qv__bitmap_bytes((size_t) r->n), &r->values->buffers[0], &bits, &err));
        qv__bitmap_fill(bits, 0, (size_t) r->n, true);
    }
    qv__bit_clear(bits, (size_t) row);
    r->values->null_count++;
}

static void set_item(rows *r, int64_t row, size_t at, float value)
{
    memcpy((uint8_t *) (uintptr_t) r->values->children[0]->buffers[1].data +
               ((size_t) row * r->dim + at) * sizeof value,
           &value, sizeof value);
}

static void set_zero(rows *r, int64_t row)
{
    for (size_t d = 0; d < r->dim; d++)
        set_item(r, row, d, 0);
}

/* Which rows a segment has, how often. */
static void count_rows(qv__segment *opened, uint8_t *counts)
{
    qv__vector_segment *segment = (qv__vector_segment *) opened;
    qv__code_list list;

    for (size_t l = 0; l < qv__vector_segment_model(segment)->n_lists; l++) {
        if (!qv__vector_segment_list_rows(segment, l))
            continue;
        QVT_OK(qv__vector_segment_list(segment, l, &list, &err));
        for (size_t i = 0; i < list.n; i++)
            counts[row_number(qv__load_u64(list.ids + i))]++;
    }
}

static void test_rows_left_out(void **state)
{
    QV_UNUSED(state);
    static uint8_t counts[2000];
    scene s;
    rows r;
    char name[64];

    scene_open(&s);
    rows_make(&r, QV_EL_F32, 8, 2000, 3);
    set_null(&r, 0);
    set_null(&r, 1999);
    set_item(&r, 5, 3, NAN);
    set_item(&r, 7, 7, INFINITY);
    set_item(&r, 9, 0, -INFINITY);
    set_zero(&r, 11);
    for (size_t i = 0; i < 2 * QV_COUNT_OF(kinds); i++) {
        const qv__vector_kind *kind = qv__vector_kind_of(kinds[i / 2]);
        s.options.metric = i % 2 ? QV_METRIC_COSINE : QV_METRIC_L2;
        snprintf(name, sizeof name, "%s_%zu", kind->name, i);
        qv__segment *segment = build_rows(&s, kind->kind, name, &r);
        memset(counts, 0, sizeof counts);
        count_rows(segment, counts);
        for (size_t row = 0; row < 2000; row++) {
            bool is_bad = row == 0 || row == 1999 || row == 5 || row == 7 || row == 9 || (row == 11 && i % 2);
            assert_int_equal(counts[row], !is_bad);
        }
        qv__vector_segment_close(segment);
    }
    rows_clear(&r);
    scene_close(&s);
}

/* Most rows are null: enough of the others are found to train on. */
static void test_sparse(void **state)
{
    QV_UNUSED(state);
    scene s;
    rows r;

    scene_open(&s);
    rows_make(&r, QV_EL_F32, 8, 30000, 3);
    for (int64_t i = 0; i < r.n; i++)
        if (i % 50)
            set_null(&r, i);
    s.options.num_partitions = 300;
    qv__segment *segment = build_rows(&s, QV_INDEX_IVF_FLAT, "sparse", &r);
    assert_int_equal(qv__vector_segment_rows((qv__vector_segment *) segment), 600);
    qv__vector_segment_close(segment);
    s.options.num_partitions = 5000; /* as many as there are vectors */
    segment = build_rows(&s, QV_INDEX_IVF_FLAT, "too many", &r);
    assert_int_equal(qv__vector_segment_model((qv__vector_segment *) segment)->n_lists, 600);
    assert_int_equal(qv__vector_segment_rows((qv__vector_segment *) segment), 600);
    qv__vector_segment_close(segment);
    rows_clear(&r);
    scene_close(&s);
}

/* ------------------------------------------------------------------ little to build from */

static void check_small(int64_t n, size_t dim, bool all_equal)
{
    scene s;
    rows r;
    char name[64];
    found answer[K];

    scene_open(&s);
    rows_make(&r, QV_EL_F32, dim, n, 11);
    for (size_t i = dim; i < (size_t) n * dim && all_equal; i++) {
        r.plain[i] = r.plain[i % dim];
        set_item(&r, (int64_t) (i / dim), i % dim, (float) r.plain[i]);
    }
    for (size_t i = 0; i < QV_COUNT_OF(kinds); i++) {
        const qv__vector_kind *kind = qv__vector_kind_of(kinds[i]);
        if (kind->code == QV_CODE_RQ && dim % 8)
            continue;
        snprintf(name, sizeof name, "%s_%lld", kind->name, (long long) n);
        qv__segment *segment = build_rows(&s, kind->kind, name, &r);
        assert_int_equal(qv__vector_segment_rows((qv__vector_segment *) segment), n);
        size_t most = qv__vector_segment_model((qv__vector_segment *) segment)->n_lists;
        assert_true(most >= 1 && most <= (size_t) QV_MAX(n, 1));
        if (n)
            assert_int_equal(plain_search(&r, segment, r.plain, most, K, 8, answer), QV_MIN(n, K));
        qv__vector_segment_close(segment);
    }
    rows_clear(&r);
    scene_close(&s);
}

static void test_few_rows(void **state)
{
    QV_UNUSED(state);
    static const int64_t counts[] = { 0, 1, 2, 5, 17, 100, 257 };

    for (size_t i = 0; i < QV_COUNT_OF(counts); i++) {
        check_small(counts[i], 8, false);
        check_small(counts[i], 8, true);
    }
    for (size_t dim = 1; dim < 20; dim += 2)
        check_small(300, dim, false);
    check_small(5000, 16, true);
}

static void test_all_null(void **state)
{
    QV_UNUSED(state);
    scene s;
    rows r;

    scene_open(&s);
    rows_make(&r, QV_EL_F32, 8, 5000, 3);
    for (int64_t i = 0; i < r.n; i++)
        set_null(&r, i);
    for (size_t i = 0; i < QV_COUNT_OF(kinds); i++) {
        qv__segment *segment = build_rows(&s, kinds[i], qv__vector_kind_of(kinds[i])->name, &r);
        assert_int_equal(qv__vector_segment_rows((qv__vector_segment *) segment), 0);
        qv__vector_segment_close(segment);
    }
    rows_clear(&r);
    scene_close(&s);
}

/* ------------------------------------------------------------------ lists of vectors */

static void test_lists_of_vectors(void **state)
{
    QV_UNUSED(state);
    scene s;
    rows flat, r = { .element = QV_EL_F32, .dim = 8, .n = 1000 };
    uint8_t *bytes;
    static uint8_t counts[1000], wanted[1000];

    scene_open(&s);
    rows_make(&flat, QV_EL_F32, 8, 5000, 3);
    r.type = qvt_list_type(QV_TYPE_LIST, flat.type, 0);
    QVT_OK(qv__array_new(r.type, r.n, 1, &r.values, &err));
    r.values->children[0] = qv__array_ref(flat.values);
    QVT_OK(qv__bytes_new(1001 * sizeof(int32_t), &r.values->buffers[1], &bytes, &err));
    qv__store_u32(bytes, 0);
    for (uint32_t i = 0, at = 0; i < 1000; i++) {
        wanted[i] = (uint8_t) (i % 10);
        at += wanted[i];
        qv__store_u32(bytes + 4 * (i + 1), at);
    }
    set_null(&r, 9);
    wanted[9] = 0;
    for (size_t i = 0; i < QV_COUNT_OF(kinds); i++) {
        qv__segment *segment = build_rows(&s, kinds[i], qv__vector_kind_of(kinds[i])->name, &r);
        const qv__vector_model *m = qv__vector_segment_model((qv__vector_segment *) segment);
        assert_true(m->is_multi);
        assert_int_equal(m->metric, QV_METRIC_COSINE);
        memset(counts, 0, sizeof counts);
        count_rows(segment, counts);
        assert_memory_equal(counts, wanted, sizeof counts);
        qv__vector_segment_close(segment);
    }
    qv__array_unref(r.values);
    qv__type_unref(r.type);
    rows_clear(&flat);
    scene_close(&s);
}

/* ------------------------------------------------------------------ what does not fit */

static void refuse(scene *s, qv_index_kind kind, const rows *r, const char *message)
{
    part all = { r, 0, r->n };
    qv__index_built built;
    qv_metric metric = s->options.metric;

    QVT_FAILS(try_build(s, kind, "refused", &all, &built, &err), QV_INVALID, message);
    expect_files(s, "refused", 0);
    s->options = (qv_index_options) QV_INDEX_OPTIONS_INIT;
    s->options.metric = metric;
}

static void test_options(void **state)
{
    QV_UNUSED(state);
    scene s;
    rows r, odd, bytes;

    scene_open(&s);
    rows_make(&r, QV_EL_F32, 24, 200, 3);
    rows_make(&odd, QV_EL_F32, 12, 200, 3);
    rows_make(&bytes, QV_EL_U8, 16, 200, 3);
    s.options.num_sub_vectors = 7;
    refuse(&s, QV_INDEX_IVF_PQ, &r, "the dimension 24 is not divisible by num_sub_vectors 7");
    s.options.num_sub_vectors = 3;
    s.options.num_bits = 4;
    refuse(&s, QV_INDEX_IVF_PQ, &r, "with 4 bits num_sub_vectors must be even, not 3");
    s.options.num_bits = 5;
    refuse(&s, QV_INDEX_IVF_HNSW_PQ, &r, "num_bits of IVF_HNSW_PQ is 4 or 8, not 5");
    s.options.num_bits = 10;
    refuse(&s, QV_INDEX_IVF_RQ, &r, "num_bits of IVF_RQ is 1 to 9, not 10");
    s.options.num_bits = 4;
    refuse(&s, QV_INDEX_IVF_SQ, &r, "num_bits of IVF_SQ is 8, not 4");
    s.options.num_bits = 4;
    refuse(&s, QV_INDEX_IVF_FLAT, &r, "IVF_FLAT has no codes");
    refuse(&s, QV_INDEX_IVF_RQ, &odd, "IVF_RQ needs a dimension that is divisible by 8, not 12");
    s.options.num_sub_vectors = 4;
    refuse(&s, QV_INDEX_IVF_RQ, &r, "num_sub_vectors is for kinds with product quantization, not IVF_RQ");
    s.options.hnsw_m = 3;
    refuse(&s, QV_INDEX_IVF_HNSW_SQ, &r, "hnsw_m is 3, and must be at least 4");
    s.options.hnsw_m = 30;
    s.options.hnsw_ef_construction = 20;
    refuse(&s, QV_INDEX_IVF_HNSW_SQ, &r, "hnsw_ef_construction 20 is less than hnsw_m 30");
    s.options.hnsw_m = 30;
    refuse(&s, QV_INDEX_IVF_SQ, &r, "IVF_SQ has no graphs");
    s.options.num_partitions = 70000;
    refuse(&s, QV_INDEX_IVF_SQ, &r, "num_partitions is 70000, and may be 65536 at most");
    s.options.metric = QV_METRIC_JACCARD;
    refuse(&s, QV_INDEX_IVF_FLAT, &bytes, "metric 5 is none that an index can have");
    s.options.metric = QV_METRIC_HAMMING;
    refuse(&s, QV_INDEX_IVF_FLAT, &r, "needs a column of uint8 vectors");
    refuse(&s, QV_INDEX_IVF_PQ, &bytes, "hamming needs IVF_FLAT or IVF_HNSW_FLAT");
    s.options.metric = QV_METRIC_AUTO;
    refuse(&s, QV_INDEX_IVF_SQ, &bytes, "hamming needs IVF_FLAT or IVF_HNSW_FLAT");
    rows_clear(&r);
    rows_clear(&odd);
    rows_clear(&bytes);
    scene_close(&s);
}

static void test_lists_as_asked(void **state)
{
    QV_UNUSED(state);
    scene s;
    rows r;

    scene_open(&s);
    rows_make(&r, QV_EL_F32, 8, 4000, 3);
    s.options.num_partitions = 37;
    qv__segment *segment = build_rows(&s, QV_INDEX_IVF_PQ, "lists", &r);
    assert_int_equal(qv__vector_segment_model((qv__vector_segment *) segment)->n_lists, 37);
    qv__vector_segment_close(segment);
    s.options.num_partitions = 0;
    s.options.target_partition_size = 300;
    segment = build_rows(&s, QV_INDEX_IVF_SQ, "target", &r);
    assert_int_equal(qv__vector_segment_model((qv__vector_segment *) segment)->n_lists, 14);
    qv__vector_segment_close(segment);
    s.options.target_partition_size = 0;
    segment = build_rows(&s, QV_INDEX_IVF_HNSW_SQ, "graph", &r);
    assert_int_equal(qv__vector_segment_model((qv__vector_segment *) segment)->n_lists, 1);
    qv__vector_segment_close(segment);
    rows_clear(&r);
    scene_close(&s);
}

/* ------------------------------------------------------------------ codes when nothing is said */

static void expect_codes(scene *s, qv_index_kind kind, size_t dim, size_t parts, unsigned bits)
{
    static int number;
    char name[32];
    rows r;
    size_t found_parts;
    unsigned found_bits;

    snprintf(name, sizeof name, "codes %d", number++);
    rows_make(&r, QV_EL_F32, dim, 400, 3);
    qv__segment *segment = build_rows(s, kind, name, &r);
    qv__pq_codebook(qv__vector_segment_model((qv__vector_segment *) segment)->quantizer, &found_parts, &found_bits);
    assert_int_equal(found_parts, parts);
    assert_int_equal(found_bits, bits);
    qv__vector_segment_close(segment);
    rows_clear(&r);
}

/* 4 bits for two values, unless the number of sub-vectors would be odd, or graphs look rows up one by one; what is set is obeyed. */
static void test_usual_codes(void **state)
{
    QV_UNUSED(state);
    scene s;

    scene_open(&s);
    expect_codes(&s, QV_INDEX_IVF_PQ, 24, 12, 4);
    expect_codes(&s, QV_INDEX_IVF_PQ, 18, 6, 8);
    expect_codes(&s, QV_INDEX_IVF_PQ, 7, 7, 8);
    expect_codes(&s, QV_INDEX_IVF_HNSW_PQ, 24, 6, 8);
    s.options.num_bits = 8;
    expect_codes(&s, QV_INDEX_IVF_PQ, 24, 6, 8);
    s.options.num_sub_vectors = 3;
    expect_codes(&s, QV_INDEX_IVF_PQ, 24, 3, 8);
    s.options.num_bits = 0;
    expect_codes(&s, QV_INDEX_IVF_PQ, 24, 3, 8);
    s.options.num_bits = 4;
    s.options.num_sub_vectors = 8;
    expect_codes(&s, QV_INDEX_IVF_PQ, 24, 8, 4);
    scene_close(&s);
}

/* ------------------------------------------------------------------ tuning */

/* What was measured is about what the plainest search finds. */
static void check_tuning(scene *s, qv_index_kind kind, const rows *r)
{
    qv__segment *segment = build_rows(s, kind, qv__vector_kind_of(kind)->name, r);
    const qv__vector_model *m = qv__vector_segment_model((qv__vector_segment *) segment);
    const qv__vector_tuning *t = &m->tuning;

    assert_true(t->n > 0);
    assert_true(t->steps[t->n - 1].recall > 0.95f);
    for (uint32_t i = 0; i < t->n; i++) {
        assert_true(t->steps[i].recall >= 0 && t->steps[i].recall <= 1);
        assert_true(t->steps[i].probes >= 1 && t->steps[i].probes <= m->n_lists);
        if (i)
            assert_true(t->steps[i].recall > t->steps[i - 1].recall);
        if (i % 4 != 1 || m->kind->has_graph)
            continue;
        double really = recall(r, segment, t->steps[i].probes, t->steps[i].refine ? t->steps[i].refine : 100);
        if (fabs(really - (double) t->steps[i].recall) > 0.12) {
            print_error("%s: step %u says %.3f with %u probes, refine %u; found %.3f\n", m->kind->name, i,
                        (double) t->steps[i].recall, t->steps[i].probes, t->steps[i].refine, really);
            fail();
        }
    }
    qv__vector_segment_close(segment);
}

static void test_tuning(void **state)
{
    QV_UNUSED(state);
    scene s;
    rows r;

    scene_open(&s);
    rows_make(&r, QV_EL_F32, 16, 0, 3);
    rows_clear(&r);
    r = (rows){ .element = QV_EL_F32, .dim = 16, .n = 5000 };
    r.type = vector_type(r.element, r.dim);
    r.plain = malloc((size_t) r.n * r.dim * sizeof *r.plain);
    fill_rows(&r, 9, 1, 1); /* no clusters: many lists hold what is near */
    r.values = vector_array(r.type, r.element, r.dim, r.n, r.plain);
    for (size_t i = 0; i < QV_COUNT_OF(kinds); i++)
        check_tuning(&s, kinds[i], &r);
    rows_clear(&r);
    scene_close(&s);
}

/* Where rows have many copies, their neighbours say nothing of how many rows a query from elsewhere should measure. */
static void test_tuning_copies(void **state)
{
    QV_UNUSED(state);
    enum { N = 6000, DIM = 16, COPIES = 60 };
    scene s;
    rows r = { .element = QV_EL_F32, .dim = DIM, .n = N };
    qvt_rng rng = { 99 };

    scene_open(&s);
    r.type = vector_type(r.element, r.dim);
    r.plain = malloc((size_t) N * DIM * sizeof *r.plain);
    fill_rows(&r, 9, 1, 1);
    for (size_t i = 0; i < (size_t) N * DIM; i++)
        if (i / DIM % COPIES)
            r.plain[i] =
                (double) (float) (r.plain[i / DIM / COPIES * COPIES * DIM + i % DIM] + 0.01 * draw_normal(&rng));
    r.values = vector_array(r.type, r.element, r.dim, r.n, r.plain);
    qv__segment *segment = build_rows(&s, QV_INDEX_IVF_PQ, "copies", &r);
    const qv__vector_tuning *t = &qv__vector_segment_model((qv__vector_segment *) segment)->tuning;
    assert_true(t->n > 0);
    for (uint32_t i = 0; i < t->n; i++)
        assert_int_equal(t->steps[i].refine, 10);
    qv__vector_segment_close(segment);
    rows_clear(&r);
    scene_close(&s);
}

/* ------------------------------------------------------------------ graphs */

static void search_graphs(qv__segment *opened, const float *query, uint32_t ef, qv__candidates *candidates)
{
    qv__job job;
    qv__vector_counters counters = { 0 };
    const qv__vector_request request = {
        .queries = query, .n = 1, .dim = 16, .k = K, .ef = ef, .passing = 1, .job = &job
    };

    qv__job_begin(&job, NULL, "search", 0);
    QVT_OK(qv__vector_segment_search((qv__vector_segment *) opened, &request, NULL, candidates, &counters, &err));
    qv__job_end(&job, QV_OK);
}

/* Of 4 x K candidates: how many of the K nearest rows of queries that lie where no rows do. */
static double recall_from_outside(const rows *r, qv__segment *opened, uint32_t ef)
{
    enum { ASKED = 40 };
    found *all = malloc((size_t) r->n * sizeof *all);
    qvt_rng rng = { 4711 };
    size_t n_found = 0;

    for (int q = 0; q < ASKED; q++) {
        double query[16];
        float narrow[16];
        qv__candidates candidates;
        const qv__hit *hits;
        for (size_t d = 0; d < 16; d++)
            query[d] = narrow[d] = (float) (0.7 * draw_normal(&rng));
        for (int64_t i = 0; i < r->n; i++)
            all[i] = (found){ true_distance(r, QV_METRIC_L2, query, i), i };
        qsort(all, (size_t) r->n, sizeof *all, compare_found);
        QVT_OK(qv__candidates_init(&candidates, 4 * K, NULL, 0, NULL, &err));
        search_graphs(opened, narrow, ef, &candidates);
        size_t n = qv__candidates_finish(&candidates, &hits);
        for (size_t i = 0; i < n; i++)
            n_found += true_distance(r, QV_METRIC_L2, query, row_number(hits[i].id)) <= all[K - 1].distance;
        qv__candidates_clear(&candidates);
    }
    free(all);
    return (double) n_found / (ASKED * K);
}

/* A wide beam finds what there is, also where several lists are about as near: rows that ask for their neighbours, by which the index is tuned,
 * find them all in one list. */
static void test_wide_beams(void **state)
{
    static const qv_index_kind graphs[] = { QV_INDEX_IVF_HNSW_FLAT, QV_INDEX_IVF_HNSW_SQ };
    QV_UNUSED(state);
    scene s;
    rows r = { .element = QV_EL_F32, .dim = 16, .n = 8000 };

    scene_open(&s);
    r.type = vector_type(r.element, r.dim);
    r.plain = malloc((size_t) r.n * r.dim * sizeof *r.plain);
    fill_rows(&r, 15, 200, 0.1);
    r.values = vector_array(r.type, r.element, r.dim, r.n, r.plain);
    for (uint32_t lists = 1; lists <= 3; lists += 2)
        for (size_t i = 0; i < QV_COUNT_OF(graphs); i++) {
            s.options.num_partitions = lists;
            qv__segment *segment = build_rows(&s, graphs[i], "beams", &r);
            double found = recall_from_outside(&r, segment, 400);
            if (found < 0.99) {
                print_error("%s in %u lists: recall %.4f\n", qv__vector_kind_of(graphs[i])->name, lists, found);
                fail();
            }
            qv__vector_segment_close(segment);
        }
    rows_clear(&r);
    scene_close(&s);
}

/* Rows are in one graph as long as the memory of a build allows it. */
static void test_lists_of_graphs(void **state)
{
    qv_index_options options = QV_INDEX_OPTIONS_INIT;
    qv__index_target target = { .options = &options };
    qv__type *type = vector_type(QV_EL_F32, 128);
    const qv__vector_kind *kind = qv__vector_kind_of(QV_INDEX_IVF_HNSW_SQ);
    qv__build_order order;
    QV_UNUSED(state);

    QVT_OK(qv__build_order_of(kind, type, &target, &order, &err));
    assert_int_equal(qv__default_lists(&order, 1), 1);
    assert_int_equal(qv__default_lists(&order, 1000000), 1);
    assert_in_range(qv__default_lists(&order, 10000000), 8, 16);
    target.memory_limit = 256 << 20;
    QVT_OK(qv__build_order_of(kind, type, &target, &order, &err));
    assert_in_range(qv__default_lists(&order, 1000000), 3, 5);
    qv__type_unref(type);
}

/* ------------------------------------------------------------------ cancelling */

typedef struct cancelling {
    qv__stream stream;
    qv__stream *under;
    qv_cancel *cancel;
    int left;
} cancelling;

static qv_status cancelling_next(qv__stream *stream, qv__array **out, qv_error *error)
{
    cancelling *c = (cancelling *) stream;

    if (c->left-- == 0)
        qv_cancel_raise(c->cancel);
    return c->under->next(c->under, out, error);
}

static void cancelling_destroy(qv__stream *stream) { qv__stream_free(((cancelling *) stream)->under); }

static void test_cancel(void **state)
{
    QV_UNUSED(state);
    scene s;
    rows r;
    qv_cancel *cancel;

    scene_open(&s);
    rows_make(&r, QV_EL_F32, 16, 60000, 3);
    QVT_OK(qv_cancel_new(&cancel, &err));
    s.job.options.cancel = cancel;
    s.memory = 1100000; /* files have been written when it is raised */
    s.options.max_iterations = 2;
    for (int left = 0; left < 20; left += 5) {
        part all = { &r, 0, r.n };
        qv__index_target target = scene_target(&s, "cancelled");
        qv__index_source source = part_source(&all);
        qv__index_built built = { 0 };
        cancelling c = { { source.values->schema, cancelling_next, cancelling_destroy }, source.values, cancel, left };
        source.values = &c.stream;
        qv__buffer_init(&built.details, 4096);
        QVT_FAILS(qv__vector_build(qv__vector_kind_of(QV_INDEX_IVF_FLAT), &target, &source, &built, &err), QV_CANCELLED,
                  "cancelled by the caller");
        qv__stream_free(source.values);
        qv__store_unref(target.folder);
        expect_files(&s, "cancelled", 0);
        qv_cancel_clear(cancel);
    }
    s.job.options.cancel = NULL;
    qv_cancel_free(cancel);
    rows_clear(&r);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recall_l2),        cmocka_unit_test(test_recall_cosine),
        cmocka_unit_test(test_recall_dot),       cmocka_unit_test(test_recall_hamming),
        cmocka_unit_test(test_threads),          cmocka_unit_test(test_little_memory),
        cmocka_unit_test(test_rows_left_out),    cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_few_rows),         cmocka_unit_test(test_all_null),
        cmocka_unit_test(test_lists_of_vectors), cmocka_unit_test(test_options),
        cmocka_unit_test(test_lists_as_asked),   cmocka_unit_test(test_tuning),
        cmocka_unit_test(test_usual_codes),      cmocka_unit_test(test_tuning_copies),
        cmocka_unit_test(test_wide_beams),       cmocka_unit_test(test_lists_of_graphs),
        cmocka_unit_test(test_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
