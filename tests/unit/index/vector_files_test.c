/* What is written as a vector index is what is read from it: every kind, metric and element type, in every file version; and no allocation
 * that fails, and no broken byte, does harm. */
#include "qvt.h"

#include <math.h>

#include "base/alloc.h"
#include "base/float16.h"
#include "index/vector/vector_private.h"

enum { ROWS = 1100, LISTS = 5, DIM = 32, MOST_WIDTH = 8 * DIM };

static qv_error err;
static qv__job job;

/* ------------------------------------------------------------------ an index made by hand */

typedef struct made {
    qv__vector_model *model;
    size_t sizes[LISTS];
    uint64_t *ids[LISTS];
    uint8_t *plain[LISTS][QV_MAX_CODE_COLUMNS];
    float *rows[LISTS];
    qv__hnsw *graphs[LISTS];
} made;

static void free_made(made *m)
{
    for (size_t l = 0; l < LISTS; l++) {
        free(m->ids[l]);
        free(m->rows[l]);
        for (size_t c = 0; c < QV_MAX_CODE_COLUMNS; c++)
            free(m->plain[l][c]);
        qv__hnsw_free(m->graphs[l]);
    }
    qv__vector_model_unref(m->model);
}

static void make_unit(float *row)
{
    float square = 0;

    for (size_t d = 0; d < DIM; d++)
        square += row[d] * row[d];
    for (size_t d = 0; d < DIM; d++)
        row[d] /= sqrtf(square);
}

static void random_rows(qvt_rng *rng, bool is_unit, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t d = 0; d < DIM; d++)
            out[i * DIM + d] = (float) (qvt_rng_unit(rng) * 10 - 5);
        if (is_unit)
            make_unit(out + i * DIM);
    }
}

static qv__quantizer *make_quantizer(const qv__vector_kind *kind, qv_metric metric, qv__element element, unsigned bits,
                                     const float *rows, size_t n)
{
    qv__quantizer *q = NULL;
    const qv__pq_options pq = { .m = 8, .bits = bits, .iterations = 2, .job = &job };

    switch (kind->code) {
    case QV_CODE_PQ:
        QVT_OK(qv__pq_train(rows, n, DIM, metric, &pq, &q, &err));
        break;
    case QV_CODE_SQ:
        QVT_OK(qv__sq_train(rows, n, DIM, 0, metric, &q, &err));
        break;
    case QV_CODE_RQ:
        QVT_OK(qv__rabitq_make(DIM, bits, metric, 7, &q, &err));
        break;
    default:
        QVT_OK(qv__flat_new(element == QV_EL_BITS ? 8 * DIM : DIM, element, metric, &q, &err));
        break;
    }
    return q;
}

static void make_graph(made *m, size_t l)
{
    const qv__hnsw_options options = { .m = 8, .ef_construction = 30, .job = &job };
    bool is_bits = m->model->element == QV_EL_BITS;

    if (m->model->kind->has_graph && m->sizes[l])
        QVT_OK(qv__hnsw_build(is_bits ? (const void *) m->plain[l][0] : m->rows[l], is_bits ? DIM : DIM * sizeof(float),
                              m->sizes[l], is_bits ? 8 * DIM : DIM, is_bits ? QV_EL_BITS : QV_EL_F32, m->model->metric,
                              &options, &m->graphs[l], &err));
}

/* Lists of very different sizes, one of them empty. */
static void make_index(qvt_rng *rng, qv_index_kind kind, qv_metric metric, qv__element element, unsigned bits,
                       size_t rows, made *m)
{
    const size_t shares[LISTS] = { 1, 0, 9, 30, 15 };
    float *all = malloc(rows * DIM * sizeof *all), *centroids = qv__alloc(LISTS * DIM, sizeof *centroids);
    qv__vector_model parts = { .kind = qv__vector_kind_of(kind),
                               .metric = metric,
                               .element = element,
                               .dim = element == QV_EL_BITS ? 8 * DIM : DIM,
                               .n_lists = LISTS,
                               .loss = 1.25,
                               .hnsw_m = 8,
                               .hnsw_ef_construction = 30 };

    memset(m, 0, sizeof *m);
    random_rows(rng, metric == QV_METRIC_COSINE, all, rows);
    random_rows(rng, false, centroids, LISTS);
    parts.quantizer = make_quantizer(parts.kind, metric, element, bits, all, rows);
    if (element == QV_EL_BITS) {
        qv__free(centroids);
        parts.bit_centroids = qv__alloc(LISTS, DIM);
        for (size_t i = 0; i < LISTS * DIM; i++)
            parts.bit_centroids[i] = (uint8_t) qvt_rng_next(rng);
    } else {
        parts.centroids = centroids;
    }
    QVT_OK(qv__vector_model_new(&parts, &m->model, &err));
    const qv__quantizer *q = m->model->quantizer;
    for (size_t l = 0; l < LISTS; l++) {
        size_t n = m->sizes[l] = l == 0 ? 1 : rows * shares[l] / 55;
        uint32_t *lists = malloc((n + 1) * sizeof *lists);
        m->ids[l] = malloc((n + 1) * sizeof(uint64_t));
        m->rows[l] = malloc((n + 1) * DIM * sizeof(float));
        random_rows(rng, metric == QV_METRIC_COSINE, m->rows[l], n);
        for (size_t i = 0; i < n; i++) {
            m->ids[l][i] = qvt_rng_next(rng) >> 12;
            lists[i] = (uint32_t) l;
        }
        for (size_t c = 0; c < q->n_columns; c++) {
            m->plain[l][c] = malloc(n * q->columns[c].width + 1);
            for (size_t i = 0; i < n * q->columns[c].width; i++)
                m->plain[l][c][i] = (uint8_t) qvt_rng_next(rng);
        }
        bool is_whole = element == QV_EL_BITS || element == QV_EL_I8 || element == QV_EL_U8 || element == QV_EL_F64;
        if (n && !(parts.kind->code == QV_CODE_FLAT && is_whole))
            QVT_OK(q->class->encode(q, m->rows[l], n, m->model->centroids, lists, m->plain[l], &err));
        free(lists);
        make_graph(m, l);
    }
    free(all);
}

static qv_status write_index(const made *m, qv__store *folder, uint16_t minor, const qv__vector_tuning *tuning,
                             qv__index_built *built, qv_error *e)
{
    qv_status st = QV_OK;
    const qv_index_options options = QV_INDEX_OPTIONS_INIT;
    const qv__index_target target = { .folder = folder, .version = { 2, minor }, .options = &options, .job = &job };
    qv__list_writer *writer = NULL;

    QV_CHECK(qv__list_writer_open(&target, m->model, &writer, e));
    for (size_t l = 0; l < LISTS; l++)
        QV_CHECK(
            qv__list_writer_add(writer, m->ids[l], (const uint8_t *const *) m->plain[l], m->sizes[l], m->graphs[l], e));
    QV_CHECK(qv__list_writer_finish(writer, tuning, built, e));
done:
    qv__list_writer_free(writer);
    return st;
}

/* ------------------------------------------------------------------ reading it */

static qv__type *column_type(qv__element element)
{
    static const qv__type_id ids[QV_EL_COUNT] = {
        [QV_EL_F32] = QV_TYPE_FLOAT32,       [QV_EL_F16] = QV_TYPE_FLOAT16, [QV_EL_F64] = QV_TYPE_FLOAT64,
        [QV_EL_BF16] = QV_TYPE_FIXED_BINARY, [QV_EL_I8] = QV_TYPE_INT8,     [QV_EL_U8] = QV_TYPE_UINT8,
        [QV_EL_BITS] = QV_TYPE_UINT8
    };
    qv__type *item, *type;
    qv__field field = { 0 };

    QVT_OK(qv__type_new(ids[element], &item, &err));
    if (element == QV_EL_BF16)
        item->width = 2;
    QVT_OK(qv__field_init(&field, "item", item, true, &err));
    if (element == QV_EL_BF16)
        QVT_OK(qv__metadata_set(&field.metadata, "ARROW:extension:name", "lance.bfloat16", 14, &err));
    QVT_OK(qv__type_new_list(QV_TYPE_FIXED_LIST, &field, DIM, &type, &err));
    qv__field_clear(&field);
    qv__type_unref(item);
    return type;
}

/* The stored columns, put back into plain rows, are those that were written. */
static void compare_list(const made *m, size_t l, qv__vector_segment *segment)
{
    const qv__quantizer *q = qv__vector_segment_model(segment)->quantizer;
    uint8_t *back[QV_MAX_CODE_COLUMNS];
    qv__code_list list;

    QVT_OK(qv__vector_segment_list(segment, l, &list, &err));
    assert_int_equal(list.n, m->sizes[l]);
    if (!list.n)
        return;
    assert_memory_equal(list.ids, m->ids[l], list.n * sizeof *list.ids);
    for (size_t c = 0; c < q->n_columns; c++)
        back[c] = malloc(list.n * q->columns[c].width);
    q->class->disarrange(q, list.columns, list.n, back);
    for (size_t c = 0; c < q->n_columns; c++) {
        assert_memory_equal(back[c], m->plain[l][c], list.n * q->columns[c].width);
        free(back[c]);
    }
}

static void compare_graph(const made *m, size_t l, qv__vector_segment *segment)
{
    const qv__hnsw *graph;
    qv__code_list plain;
    const uint32_t *a, *b;
    uint32_t n_a, n_b;

    QVT_OK(qv__vector_segment_graph(segment, l, &graph, &plain, &err));
    assert_true((graph != NULL) == (m->sizes[l] > 0));
    if (!graph)
        return;
    qv__hnsw_shape was = qv__hnsw_shape_of(m->graphs[l]), is = qv__hnsw_shape_of(graph);
    assert_int_equal(was.n_levels, is.n_levels);
    assert_int_equal(was.entry_point, is.entry_point);
    assert_int_equal(was.m, is.m);
    for (unsigned level = 0; level < was.n_levels; level++) {
        assert_int_equal(qv__hnsw_level_nodes(m->graphs[l], level), qv__hnsw_level_nodes(graph, level));
        for (uint32_t i = 0; i < qv__hnsw_level_nodes(graph, level); i++) {
            assert_int_equal(qv__hnsw_node(m->graphs[l], level, i, &a, &n_a), qv__hnsw_node(graph, level, i, &b, &n_b));
            assert_int_equal(n_a, n_b);
            if (n_a)
                assert_memory_equal(a, b, n_a * sizeof *a);
        }
    }
    for (size_t c = 0; c < m->model->quantizer->n_columns; c++)
        assert_memory_equal(plain.columns[c], m->plain[l][c], plain.n * m->model->quantizer->columns[c].width);
}

/* The bounds of RaBitQ hold with a probability, so that a scan may leave a row out, once in a while. */
static void compare_hits(const qv__vector_model *model, const qv__hit *wanted, const qv__hit *got, size_t n)
{
    bool is_rounded = model->kind->code == QV_CODE_PQ && model->element == QV_EL_F16; /* the codebook */
    size_t n_missed = 0;

    for (size_t i = 0; i < n; i++) {
        double distance = (double) wanted[i].distance, found = (double) got[i - n_missed].distance;
        if (isnan(distance))
            continue;
        if (model->kind->code == QV_CODE_RQ && found > distance && n_missed == 0 &&
            wanted[i].id != got[i - n_missed].id)
            n_missed++;
        else
            assert_true(fabs(distance - found) <= (is_rounded ? 2e-3 : 1e-4) * (1 + fabs(distance)));
    }
}

/* All lists, asked for every row's own estimate by position: the search must find the same. */
static void compare_search(const made *m, qv__vector_segment *segment, const void *query)
{
    const qv__vector_model *model = qv__vector_segment_model(segment);
    const qv__quantizer *q = m->model->quantizer;
    qv__code_query *by_row;
    qv__candidates wanted, got;
    qv__vector_counters counters = { 0 };
    const qv__hit *a, *b;
    size_t n_extra = q->class->extra_floats ? q->class->extra_floats(q) : 0;
    const qv__vector_request request = { .queries = query,
                                         .n = 1,
                                         .dim = DIM,
                                         .k = 20,
                                         .min_probes = LISTS,
                                         .ef = 1000, /* the graphs are small: a walk sees all */
                                         .passing = 1,
                                         .job = &job };

    QVT_OK(qv__candidates_init(&wanted, 20, NULL, 0, NULL, &err));
    QVT_OK(qv__candidates_init(&got, 20, NULL, 0, NULL, &err));
    QVT_OK(q->class->query_new(q, query, &by_row, &err));
    for (size_t l = 0; l < LISTS; l++) {
        const float *centroid = m->model->centroids ? m->model->centroids + l * m->model->dim : NULL;
        float distance = 0, *estimates = malloc((m->sizes[l] + 1) * sizeof *estimates);
        uint32_t *positions = malloc((m->sizes[l] + 1) * sizeof *positions);
        for (size_t d = 0; centroid && d < DIM; d++) {
            float x = ((const float *) query)[d];
            distance += m->model->metric == QV_METRIC_DOT ? -x * centroid[d] : (x - centroid[d]) * (x - centroid[d]);
        }
        distance += m->model->metric == QV_METRIC_DOT;
        q->class->enter_list(by_row, centroid, distance, n_extra ? m->model->extra + l * n_extra : NULL);
        for (size_t i = 0; i < m->sizes[l]; i++)
            positions[i] = (uint32_t) i;
        q->class->distances(by_row, (const uint8_t *const *) m->plain[l], positions, m->sizes[l], estimates);
        for (size_t i = 0; i < m->sizes[l]; i++)
            qv__candidates_offer(&wanted, estimates[i], estimates[i], m->ids[l][i]);
        free(estimates);
        free(positions);
    }
    QVT_OK(qv__vector_segment_search(segment, &request, NULL, &got, &counters, &err));
    size_t n = qv__candidates_finish(&wanted, &a);
    assert_int_equal(qv__candidates_finish(&got, &b), n);
    assert_int_equal(counters.probes, LISTS - 1); /* one list is empty */
    compare_hits(model, a, b, n);
    q->class->query_free(by_row);
    qv__candidates_clear(&wanted);
    qv__candidates_clear(&got);
}

static void compare_index(const made *m, qv__store *folder, bool typed, qvt_rng *rng)
{
    qv__type *type = column_type(m->model->element);
    qv__segment *opened;
    float query[8 * DIM];

    QVT_OK(qv__vector_segment_open(folder, NULL, typed ? type : NULL, &opened, &err));
    qv__vector_segment *segment = (qv__vector_segment *) opened;
    const qv__vector_model *model = qv__vector_segment_model(segment);
    assert_ptr_equal(model->kind, m->model->kind);
    assert_int_equal(model->metric, m->model->metric);
    assert_int_equal(model->element, m->model->element);
    assert_int_equal(model->dim, m->model->dim);
    assert_int_equal(model->n_lists, LISTS);
    assert_true(model->loss == m->model->loss);
    if (model->centroids)
        assert_memory_equal(model->centroids, m->model->centroids, LISTS * DIM * sizeof(float));
    else
        assert_memory_equal(model->bit_centroids, m->model->bit_centroids, LISTS * DIM);
    for (size_t l = 0; l < LISTS; l++) {
        compare_list(m, l, segment);
        if (model->kind->has_graph)
            compare_graph(m, l, segment);
    }
    random_rows(rng, model->metric == QV_METRIC_COSINE, query, 1);
    compare_search(m, segment, query);
    qv__vector_segment_close(opened);
    qv__type_unref(type);
}

static void round_trip(qvt_rng *rng, qv_index_kind kind, qv_metric metric, qv__element element, unsigned bits,
                       uint16_t minor)
{
    made m;
    qv__store *folder;
    qv__index_built built = { 0 };

    print_message("%s, metric %d, element %d, bits %u, 2.%u\n", qv__vector_kind_of(kind)->name, (int) metric,
                  (int) element, bits, minor);
    make_index(rng, kind, metric, element, bits, ROWS, &m);
    QVT_OK(qv__store_open("memory://", true, &folder, &err));
    qv__buffer_init(&built.details, 1 << 20);
    QVT_OK(write_index(&m, folder, minor, NULL, &built, &err));
    assert_int_equal(built.index_version, kind == QV_INDEX_IVF_RQ ? 2 : 1);
    assert_ptr_equal(qv__vector_details_kind(built.details.data, built.details.len), qv__vector_kind_of(kind));
    compare_index(&m, folder, true, rng);
    bool is_told = element == QV_EL_F32 || element == QV_EL_F16 || element == QV_EL_F64 || element == QV_EL_BITS;
    if (is_told || m.model->kind->code == QV_CODE_FLAT) /* else centroids are f32 whatever the column is */
        compare_index(&m, folder, false, rng);
    qv__buffer_free(&built.details);
    qv__store_unref(folder);
    free_made(&m);
}

static void test_round_trip(void **state)
{
    QV_UNUSED(state);
    qvt_rng rng = qvt_rng_seeded();
    static const qv_metric metrics[] = { QV_METRIC_L2, QV_METRIC_COSINE, QV_METRIC_DOT };
    static const qv_index_kind kinds[] = { QV_INDEX_IVF_FLAT,     QV_INDEX_IVF_SQ,      QV_INDEX_IVF_PQ,
                                           QV_INDEX_IVF_RQ,       QV_INDEX_IVF_HNSW_SQ, QV_INDEX_IVF_HNSW_PQ,
                                           QV_INDEX_IVF_HNSW_FLAT };
    static const qv__element elements[] = { QV_EL_F32, QV_EL_F16, QV_EL_BF16, QV_EL_F64, QV_EL_I8, QV_EL_U8 };

    for (size_t k = 0; k < QV_COUNT_OF(kinds); k++)
        for (size_t i = 0; i < QV_COUNT_OF(metrics); i++) {
            unsigned bits = kinds[k] == QV_INDEX_IVF_RQ ? 5 : 8;
            round_trip(&rng, kinds[k], metrics[i], QV_EL_F32, bits, 2);
            round_trip(&rng, kinds[k], metrics[i], elements[1 + qvt_rng_below(&rng, 2)], bits,
                       (uint16_t) qvt_rng_below(&rng, 3));
        }
    for (size_t e = 0; e < QV_COUNT_OF(elements); e++) {
        if (elements[e] != QV_EL_F64) /* random bytes would be no numbers */
            round_trip(&rng, QV_INDEX_IVF_FLAT, QV_METRIC_L2, elements[e], 0, (uint16_t) (e % 3));
        round_trip(&rng, QV_INDEX_IVF_SQ, QV_METRIC_L2, elements[e], 0, (uint16_t) (e % 3));
    }
    for (uint16_t minor = 0; minor <= 2; minor++) {
        round_trip(&rng, QV_INDEX_IVF_FLAT, QV_METRIC_HAMMING, QV_EL_BITS, 0, minor);
        round_trip(&rng, QV_INDEX_IVF_HNSW_FLAT, QV_METRIC_HAMMING, QV_EL_BITS, 0, minor);
        round_trip(&rng, QV_INDEX_IVF_PQ, QV_METRIC_L2, QV_EL_F32, 4, minor);
        round_trip(&rng, QV_INDEX_IVF_RQ, QV_METRIC_DOT, QV_EL_F32, 1 + (unsigned) minor * 4, minor);
    }
}

/* ------------------------------------------------------------------ mapped lists */

/* Lists of a written index are pointers into the file. */
static void test_lists_lie_bare(void **state)
{
    QV_UNUSED(state);
    qvt_rng rng = qvt_rng_seeded();
    static const qv_index_kind kinds[] = { QV_INDEX_IVF_FLAT, QV_INDEX_IVF_SQ, QV_INDEX_IVF_PQ, QV_INDEX_IVF_RQ };

    for (uint16_t minor = 0; minor <= 2; minor++)
        for (size_t k = 0; k < QV_COUNT_OF(kinds); k++) {
            made m;
            qv__store *folder;
            qv__index_built built = { 0 };
            qv__segment *opened;
            qv__code_list list;
            qv__bytes file;

            make_index(&rng, kinds[k], QV_METRIC_L2, QV_EL_F32, kinds[k] == QV_INDEX_IVF_RQ ? 5 : 8, ROWS, &m);
            QVT_OK(qv__store_open("memory://", true, &folder, &err));
            qv__buffer_init(&built.details, 1 << 20);
            QVT_OK(write_index(&m, folder, minor, NULL, &built, &err));
            QVT_OK(qv__vector_segment_open(folder, NULL, NULL, &opened, &err));
            QVT_OK(qv__store_get(folder, "auxiliary.idx", 1 << 30, &file, &err));
            for (size_t l = 0; l < LISTS; l++) {
                QVT_OK(qv__vector_segment_list((qv__vector_segment *) opened, l, &list, &err));
                for (size_t c = 0; list.n && c < m.model->quantizer->n_columns; c++)
                    assert_true(list.columns[c] >= file.data && list.columns[c] < file.data + file.len);
                const uint8_t *ids = (const uint8_t *) list.ids;
                assert_true(!list.n || (ids >= file.data && ids < file.data + file.len));
            }
            qv__bytes_unref(&file);
            qv__vector_segment_close(opened);
            qv__buffer_free(&built.details);
            qv__store_unref(folder);
            free_made(&m);
        }
}

/* ------------------------------------------------------------------ tuning */

static void test_tuning(void **state)
{
    QV_UNUSED(state);
    qvt_rng rng = qvt_rng_seeded();
    const qv__vector_tuning tuning = { 2, { { 0.91f, 3, 4, 0 }, { 0.97f, 4, 10, 55 } }, 500, 0.96f };
    made m;
    qv__store *folder;
    qv__index_built built = { 0 };
    qv__segment *opened;

    make_index(&rng, QV_INDEX_IVF_SQ, QV_METRIC_L2, QV_EL_F32, 8, ROWS, &m);
    QVT_OK(qv__store_open("memory://", true, &folder, &err));
    qv__buffer_init(&built.details, 1 << 20);
    QVT_OK(write_index(&m, folder, 2, &tuning, &built, &err));
    QVT_OK(qv__vector_segment_open(folder, NULL, NULL, &opened, &err));
    const qv__vector_tuning *read = &qv__vector_segment_model((qv__vector_segment *) opened)->tuning;
    assert_int_equal(read->n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(fabsf(read->steps[i].recall - tuning.steps[i].recall) < 1e-5f);
        assert_int_equal(read->steps[i].probes, tuning.steps[i].probes);
        assert_int_equal(read->steps[i].refine, tuning.steps[i].refine);
        assert_int_equal(read->steps[i].ef, tuning.steps[i].ef);
    }
    assert_int_equal(read->added_rows, 500);
    assert_true(fabsf(read->added - 0.96f) < 1e-5f);
    qv__vector_segment_close(opened);
    qv__buffer_free(&built.details);
    qv__store_unref(folder);
    free_made(&m);
}

/* ------------------------------------------------------------------ failures */

/* Opens everything there is, and searches. */
static qv_status use_index(qv__store *folder, const float *query, qv_error *e)
{
    qv_status st = QV_OK;
    qv__segment *opened = NULL;
    qv__candidates got = { 0 };
    qv__vector_counters counters = { 0 };
    qv__code_list list;
    const qv__hnsw *graph;
    const qv__vector_request request = {
        .queries = query, .n = 1, .dim = DIM, .k = 10, .min_probes = LISTS, .passing = 1, .job = &job
    };

    QV_CHECK(qv__vector_segment_open(folder, NULL, NULL, &opened, e));
    qv__vector_segment *segment = (qv__vector_segment *) opened;
    const qv__vector_model *model = qv__vector_segment_model(segment);
    for (size_t l = 0; l < model->n_lists; l++) {
        QV_CHECK(qv__vector_segment_list(segment, l, &list, e));
        if (model->kind->has_graph)
            QV_CHECK(qv__vector_segment_graph(segment, l, &graph, &list, e));
    }
    QV_CHECK(qv__candidates_init(&got, 10, NULL, 0, NULL, e));
    if (model->dim == DIM)
        QV_CHECK(qv__vector_segment_search(segment, &request, NULL, &got, &counters, e));
done:
    qv__candidates_clear(&got);
    if (opened)
        qv__vector_segment_close(opened);
    return st;
}

static void test_allocation_failures(void **state)
{
    QV_UNUSED(state);
    qvt_rng rng = qvt_rng_seeded();
    static const struct {
        qv_index_kind kind;
        unsigned bits;
    } chosen[] = { { QV_INDEX_IVF_PQ, 4 }, { QV_INDEX_IVF_RQ, 3 }, { QV_INDEX_IVF_HNSW_SQ, 8 } };

    for (size_t k = 0; k < QV_COUNT_OF(chosen); k++) {
        made m;
        float query[DIM];

        make_index(&rng, chosen[k].kind, QV_METRIC_L2, QV_EL_F32, chosen[k].bits, 60, &m);
        random_rows(&rng, false, query, 1);
        for (uint64_t n = 0;; n++) {
            size_t before = qv_memory().live_blocks;
            qv__store *folder;
            qv__index_built built = { 0 };
            qv_error e;

            QVT_OK(qv__store_open("memory://", true, &folder, &err));
            qv__buffer_init(&built.details, 1 << 20);
            qv__alloc_fail_at(n);
            qv_status st = write_index(&m, folder, 2, NULL, &built, &e);
            if (st == QV_OK)
                st = use_index(folder, query, &e);
            bool fired = qv__alloc_fault_fired();
            qv__alloc_fail_at(UINT64_MAX);
            qv__buffer_free(&built.details);
            qv__store_unref(folder);
            assert_int_equal(st, fired ? QV_NOMEM : QV_OK);
            assert_int_equal(qv_memory().live_blocks, before);
            if (!fired)
                break;
        }
        free_made(&m);
    }
}

static void corrupt(qv__store *folder, const char *name, qvt_rng *rng)
{
    qv__bytes bytes;

    QVT_OK(qv__store_get(folder, name, 1 << 30, &bytes, &err));
    uint8_t *copy = malloc(bytes.len);
    memcpy(copy, bytes.data, bytes.len);
    for (uint64_t i = 1 + qvt_rng_below(rng, 3); i > 0; i--) {
        /* the tail holds what positions and lengths there are */
        size_t at = qvt_rng_below(rng, 3) ? bytes.len - 1 - qvt_rng_below(rng, QV_MIN(bytes.len, 1500))
                                          : qvt_rng_below(rng, bytes.len);
        copy[at] = (uint8_t) qvt_rng_next(rng);
    }
    qv__bytes_unref(&bytes);
    QVT_OK(qv__store_get(folder, name, 1 << 30, &bytes, &err));
    QVT_OK(qv__store_put(folder, name, copy, bytes.len, QV_PUT_REPLACE, &err));
    qv__bytes_unref(&bytes);
    free(copy);
}

/* Broken bytes end in an answer or in an error that says what is wrong. */
static void test_damage(void **state)
{
    QV_UNUSED(state);
    qvt_rng rng = qvt_rng_seeded();
    static const qv_index_kind kinds[] = { QV_INDEX_IVF_FLAT, QV_INDEX_IVF_SQ,      QV_INDEX_IVF_PQ,
                                           QV_INDEX_IVF_RQ,   QV_INDEX_IVF_HNSW_SQ, QV_INDEX_IVF_HNSW_PQ };
    unsigned n_failed = 0;

    for (size_t k = 0; k < QV_COUNT_OF(kinds); k++) {
        made m;
        float query[DIM];

        make_index(&rng, kinds[k], QV_METRIC_L2, QV_EL_F32, kinds[k] == QV_INDEX_IVF_RQ ? 3 : 8, 300, &m);
        random_rows(&rng, false, query, 1);
        for (int round = 0; round < 300; round++) {
            size_t before = qv_memory().live_blocks;
            qv__store *folder;
            qv__index_built built = { 0 };
            qv_error e = { 0 };

            QVT_OK(qv__store_open("memory://", true, &folder, &err));
            qv__buffer_init(&built.details, 1 << 20);
            QVT_OK(write_index(&m, folder, (uint16_t) (round % 3), NULL, &built, &err));
            corrupt(folder, round % 2 ? "index.idx" : "auxiliary.idx", &rng);
            qv_status st = use_index(folder, query, &e);
            if (st != QV_OK && st != QV_CORRUPT && st != QV_UNSUPPORTED)
                print_error("%s\n", e.message);
            assert_true(st == QV_OK || st == QV_CORRUPT || st == QV_UNSUPPORTED);
            assert_true(st == QV_OK || e.message[0]);
            n_failed += st != QV_OK;
            qv__buffer_free(&built.details);
            qv__store_unref(folder);
            assert_int_equal(qv_memory().live_blocks, before);
        }
        free_made(&m);
    }
    assert_true(n_failed > 300);
}

int main(void)
{
    qv__job_begin(&job, NULL, "test", 0);
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_round_trip), cmocka_unit_test(test_lists_lie_bare),
                                        cmocka_unit_test(test_tuning), cmocka_unit_test(test_allocation_failures),
                                        cmocka_unit_test(test_damage) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
