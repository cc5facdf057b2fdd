/* Columns of vectors for tests of vector indices: clustered rows of any element type, with one address each, as a source; and the plainest way
 * to search a segment. */
#ifndef QVT_VECTOR_ROWS_H
#define QVT_VECTOR_ROWS_H

#include <math.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "base/bytes.h"
#include "base/float16.h"
#include "index/scalar/sort_private.h"
#include "index/vector/build_private.h"
#include "qvt.h"
#include "qvt_arrays.h"

typedef struct rows {
    qv__element element; /* BITS: uint8, under hamming */
    size_t dim;          /* items of a vector */
    int64_t n;           /* rows */
    qv__type *type;
    qv__array *values;
    double *plain; /* n x dim; BITS: bytes */
} rows;

static inline uint64_t row_address(int64_t i) { return (uint64_t) (i / 1000) << 32 | (uint64_t) (i % 1000); }
static inline int64_t row_number(uint64_t address)
{
    return (int64_t) (address >> 32) * 1000 + (int64_t) (address & UINT32_MAX);
}

static inline qv__type *item_type(qv__element element)
{
    static const qv__type_id ids[] = { QV_TYPE_FLOAT32, QV_TYPE_FLOAT16, QV_TYPE_FLOAT64, QV_TYPE_FIXED_BINARY,
                                       QV_TYPE_INT8,    QV_TYPE_UINT8,   QV_TYPE_UINT8 };

    return qvt_type(ids[element], element == QV_EL_BF16 ? 2 : 0, 0);
}

static inline qv__type *vector_type(qv__element element, size_t dim)
{
    static const char key[] = "ARROW:extension:name", name[] = "lance.bfloat16";
    qv_error err;
    qv__type *item = item_type(element), *out;
    qv__field field = { 0 };

    QVT_OK(qv__field_init(&field, "item", item, true, &err));
    if (element == QV_EL_BF16)
        QVT_OK(qv__metadata_set(&field.metadata, key, name, sizeof name - 1, &err));
    QVT_OK(qv__type_new_list(QV_TYPE_FIXED_LIST, &field, (int32_t) dim, &out, &err));
    qv__field_clear(&field);
    qv__type_unref(item);
    return out;
}

/* Stores a value as the type can hold it, and gives what it is then. */
static inline double store_item(qv__element element, double value, uint8_t *out)
{
    float narrow = (float) value;
    uint16_t half;

    switch (element) {
    case QV_EL_F16:
        half = qv__f64_to_f16(value);
        memcpy(out, &half, sizeof half);
        return qv__f16_to_f64(half);
    case QV_EL_BF16:
        half = (uint16_t) (qv__load_u32(&narrow) >> 16);
        memcpy(out, &half, sizeof half);
        qv__store_u32(&narrow, (uint32_t) half << 16);
        return narrow;
    case QV_EL_F64:
        memcpy(out, &value, sizeof value);
        return value;
    case QV_EL_I8:
        *out = (uint8_t) (int8_t) fmax(-127, fmin(127, round(value * 20)));
        return (int8_t) *out;
    case QV_EL_U8:
    case QV_EL_BITS:
        *out = (uint8_t) fmax(0, fmin(255, round(value * 20 + 128)));
        return *out;
    default:
        memcpy(out, &narrow, sizeof narrow);
        return narrow;
    }
}

static inline double draw_normal(qvt_rng *rng)
{
    double u = qvt_rng_unit(rng) + 1e-12;

    return sqrt(-2 * log(u)) * cos(6.283185307179586 * qvt_rng_unit(rng));
}

/* An array of n vectors out of n x dim values; `plain` gets what is stored. */
static inline qv__array *vector_array(const qv__type *type, qv__element element, size_t dim, int64_t n, double *plain)
{
    qv_error err;
    qv__array *out, *items;
    uint8_t *bytes;
    size_t width = qv__element_bytes(element == QV_EL_BITS ? QV_EL_U8 : element, 1);

    QVT_OK(qv__array_new(type, n, 1, &out, &err));
    QVT_OK(qv__array_new(type->children[0].type, n * (int64_t) dim, 0, &items, &err));
    QVT_OK(qv__bytes_new((size_t) n * dim * width + 1, &items->buffers[1], &bytes, &err));
    out->children[0] = items;
    for (size_t i = 0; i < (size_t) n * dim; i++)
        plain[i] = store_item(element, plain[i], bytes + i * width);
    return out;
}

/* Rows around some centres. Of bits: a centre with some of them flipped. */
static inline void fill_rows(rows *r, uint64_t seed, size_t n_centres, double spread)
{
    qvt_rng rng = { seed * 2 + 1 };
    double *centres = malloc(n_centres * r->dim * sizeof *centres);

    for (size_t i = 0; i < n_centres * r->dim; i++)
        centres[i] = draw_normal(&rng);
    for (int64_t i = 0; i < r->n; i++) {
        const double *centre = centres + qvt_rng_below(&rng, n_centres) * r->dim;
        for (size_t d = 0; d < r->dim; d++)
            r->plain[(size_t) i * r->dim + d] = centre[d] + spread * draw_normal(&rng);
    }
    free(centres);
}

static inline void rows_make(rows *r, qv__element element, size_t dim, int64_t n, uint64_t seed)
{
    *r = (rows){ .element = element, .dim = dim, .n = n };
    r->type = vector_type(element, dim);
    r->plain = malloc(((size_t) n * dim + 1) * sizeof *r->plain);
    fill_rows(r, seed, (size_t) n / 50 + 1, 0.4);
    r->values = vector_array(r->type, element, dim, n, r->plain);
}

static inline void rows_clear(rows *r)
{
    qv__array_unref(r->values);
    qv__type_unref(r->type);
    free(r->plain);
}

/* ------------------------------------------------------------------ sources */

static inline qv_status rows_batch(const rows *r, const qv__schema *schema, const int64_t *at, int64_t from, int64_t n,
                                   qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *columns[2] = { NULL, NULL };
    uint8_t *bytes;

    if (at)
        QV_CHECK(qv__array_take(r->values, at, (size_t) n, &columns[0], err));
    else
        QV_CHECK(qv__array_slice(r->values, from, n, &columns[0], err));
    QV_CHECK(qv__array_new(schema->fields[1].type, n, 0, &columns[1], err));
    QV_CHECK(qv__bytes_new((size_t) n * 8, &columns[1]->buffers[1], &bytes, err));
    for (int64_t i = 0; i < n; i++)
        qv__store_u64(bytes + 8 * i, row_address(at ? at[i] : from + i));
    QV_CHECK(qv__batch_new(schema, columns, n, out, err));
done:
    qv__array_unref(columns[0]);
    qv__array_unref(columns[1]);
    return st;
}

/* Rows at[0 .. n), or from .. from + n when `at` is NULL. */
static inline qv_status rows_stream(const rows *r, const int64_t *at, int64_t from, int64_t n, qv__stream **out,
                                    qv_error *err)
{
    enum { BATCH = 3000, MOST = 256 };
    qv_status st = QV_OK;
    qv__schema *schema = NULL;
    qv__array *batches[MOST];
    size_t n_batches = 0;

    QV_CHECK(qv__sorted_schema(r->type, &schema, err));
    for (int64_t done = 0; done < n; done += BATCH) {
        assert_true(n_batches < MOST);
        QV_CHECK(rows_batch(r, schema, at ? at + done : NULL, from + done, QV_MIN(n - done, BATCH), &batches[n_batches],
                            err));
        n_batches++;
    }
    QV_CHECK(qv__stream_of(schema, batches, n_batches, out, err));
done:
    for (size_t i = 0; i < n_batches; i++)
        qv__array_unref(batches[i]);
    qv__schema_unref(schema);
    return st;
}

/* A part of the rows as a source. */
typedef struct part {
    const rows *rows;
    int64_t from, n;
} part;

static inline qv_status part_sample(void *ctx, uint64_t sample, uint64_t seed, qv__stream **out, qv_error *err)
{
    const part *p = ctx;
    int64_t n = (int64_t) QV_MIN(sample, (uint64_t) p->n), *at = malloc(((size_t) n + 1) * sizeof *at);

    QV_UNUSED(seed);
    for (int64_t i = 0; i < n; i++)
        at[i] = p->from + i * p->n / n;
    qv_status st = rows_stream(p->rows, at, 0, n, out, err);
    free(at);
    return st;
}

static inline qv__index_source part_source(part *p)
{
    qv_error err;
    qv__stream *values;

    QVT_OK(rows_stream(p->rows, NULL, p->from, p->n, &values, &err));
    return (qv__index_source){
        .values = values, .type = p->rows->type, .rows = (uint64_t) p->n, .sample = part_sample, .ctx = p
    };
}

/* ------------------------------------------------------------------ segments */

typedef struct scene {
    qv__store *root;
    qv__job job;
    qv_job watch;
    qv_index_options options;
    uint64_t memory;
    qv__segment *like;
} scene;

static inline void scene_open(scene *s)
{
    qv_error err;

    *s = (scene){ .options = QV_INDEX_OPTIONS_INIT, .watch = QV_JOB_INIT };
    QVT_OK(qv__store_open("memory://", true, &s->root, &err));
    qv__job_begin(&s->job, NULL, "index", 0);
}

static inline void scene_close(scene *s)
{
    qv__job_end(&s->job, QV_OK);
    qv__store_unref(s->root);
}

static inline qv__index_target scene_target(scene *s, const char *name)
{
    qv_error err;
    qv__index_target target = {
        .version = { 2, 2 }, .options = &s->options, .memory_limit = s->memory, .like = s->like, .job = &s->job
    };

    QVT_OK(qv__store_sub(s->root, name, &target.folder, &err));
    return target;
}

static inline qv__segment *open_built(scene *s, qv__store *folder, qv__index_built *built, const qv__type *type)
{
    qv_error err;
    qv__segment *segment;
    qv__index_entry entry = { .index_version = built->index_version,
                              .type_url = "/lance.index.pb.VectorIndexDetails",
                              .details = { built->details.data, built->details.len } };

    QV_UNUSED(s);
    QVT_OK(qv__vector_segment_open(folder, &entry, type, &segment, &err));
    qv__buffer_free(&built->details);
    return segment;
}

static inline qv_status try_build(scene *s, qv_index_kind kind, const char *name, part *p, qv__index_built *built,
                                  qv_error *err)
{
    qv__index_target target = scene_target(s, name);
    qv__index_source source = part_source(p);

    *built = (qv__index_built){ 0 };
    qv__buffer_init(&built->details, 4096);
    qv_status st = qv__vector_build(qv__vector_kind_of(kind), &target, &source, built, err);
    qv__stream_free(source.values);
    qv__store_unref(target.folder);
    if (st != QV_OK)
        qv__buffer_free(&built->details);
    return st;
}

static inline qv__segment *build_part(scene *s, qv_index_kind kind, const char *name, part *p)
{
    qv_error err;
    qv__index_built built;
    qv__store *folder;

    QVT_OK(try_build(s, kind, name, p, &built, &err));
    QVT_OK(qv__store_sub(s->root, name, &folder, &err));
    qv__segment *segment = open_built(s, folder, &built, p->rows->type);
    qv__store_unref(folder);
    return segment;
}

static inline qv__segment *build_rows(scene *s, qv_index_kind kind, const char *name, const rows *r)
{
    part all = { r, 0, r->n };

    return build_part(s, kind, name, &all);
}

/* ------------------------------------------------------------------ searching, as plainly as can be */

static inline double true_distance(const rows *r, qv_metric metric, const double *query, int64_t row)
{
    const double *v = r->plain + (size_t) row * r->dim;
    double dot = 0, squares = 0, own = 0, sum = 0;

    for (size_t d = 0; d < r->dim; d++) {
        dot += query[d] * v[d];
        squares += query[d] * query[d];
        own += v[d] * v[d];
        sum += (query[d] - v[d]) * (query[d] - v[d]);
    }
    if (metric == QV_METRIC_HAMMING) {
        sum = 0;
        for (size_t d = 0; d < r->dim; d++)
            sum += __builtin_popcount((unsigned) query[d] ^ (unsigned) v[d]);
    }
    return metric == QV_METRIC_COSINE ? 1 - dot / sqrt(squares * own) : metric == QV_METRIC_DOT ? 1 - dot : sum;
}

typedef struct found {
    double distance;
    int64_t row;
} found;

static inline int compare_found(const void *a, const void *b)
{
    const found *x = a, *y = b;

    return x->distance < y->distance ? -1 : x->distance > y->distance ? 1 : (x->row > y->row) - (x->row < y->row);
}

/* The query as segments take it: float32 of unit length for cosine; bytes for BITS. */
static inline void work_query(const rows *r, qv_metric metric, const double *query, void *out)
{
    double squares = 0;

    for (size_t d = 0; d < r->dim; d++)
        squares += query[d] * query[d];
    for (size_t d = 0; d < r->dim; d++)
        if (r->element == QV_EL_BITS)
            ((uint8_t *) out)[d] = (uint8_t) query[d];
        else
            ((float *) out)[d] = (float) (metric == QV_METRIC_COSINE ? query[d] / sqrt(squares) : query[d]);
}

/* Distances of a query to all centroids, in the metric that lists are ranked by. */
static inline double centroid_distance(const qv__vector_model *m, const void *query, size_t list)
{
    double sum = 0, dot = 0;

    if (m->element == QV_EL_BITS) {
        for (size_t d = 0; d < m->dim / 8; d++)
            sum += __builtin_popcount(((const uint8_t *) query)[d] ^ m->bit_centroids[list * (m->dim / 8) + d]);
        return sum;
    }
    for (size_t d = 0; d < m->dim; d++) {
        double q = ((const float *) query)[d], c = m->centroids[list * m->dim + d];
        sum += (q - c) * (q - c);
        dot += q * c;
    }
    return m->metric == QV_METRIC_DOT ? 1 - dot : sum;
}

/* Estimates of the rows of a list. */
static inline void list_estimates(qv__vector_segment *segment, qv__code_query *query, size_t list, double distance,
                                  const qv__code_list *stored, float *out)
{
    qv_error err;
    const qv__vector_model *m = qv__vector_segment_model(segment);
    const qv__quantizer *q = m->quantizer;
    size_t extra = q->class->extra_floats ? q->class->extra_floats(q) : 0;
    uint8_t *plain[QV_MAX_CODE_COLUMNS] = { NULL };
    uint32_t *numbers = malloc(stored->n * sizeof *numbers);

    QV_UNUSED(err);
    for (size_t c = 0; c < q->n_columns; c++)
        plain[c] = malloc(stored->n * q->columns[c].width);
    q->class->disarrange(q, stored->columns, stored->n, plain);
    for (size_t i = 0; i < stored->n; i++)
        numbers[i] = (uint32_t) i;
    q->class->enter_list(query, m->centroids ? m->centroids + list * m->dim : NULL, (float) distance,
                         extra && m->extra ? m->extra + list * extra : NULL);
    q->class->distances(query, (const uint8_t *const *) plain, numbers, stored->n, out);
    for (size_t c = 0; c < q->n_columns; c++)
        free(plain[c]);
    free(numbers);
}

/* The k rows that are nearest by true distance among the k x refine best by estimate in the `probes` nearest lists. */
static inline size_t plain_search(const rows *r, qv__segment *opened, const double *query, size_t probes, size_t k,
                                  size_t refine, found *out)
{
    qv_error err;
    qv__vector_segment *segment = (qv__vector_segment *) opened;
    const qv__vector_model *m = qv__vector_segment_model(segment);
    found *lists = malloc(m->n_lists * sizeof *lists), *hits;
    void *work = malloc(r->dim * sizeof(float));
    qv__code_query *code;
    size_t n = 0;

    work_query(r, m->metric, query, work);
    QVT_OK(m->quantizer->class->query_new(m->quantizer, work, &code, &err));
    hits = malloc((qv__vector_segment_rows(segment) + 1) * sizeof *hits);
    for (size_t l = 0; l < m->n_lists; l++)
        lists[l] = (found){ centroid_distance(m, work, l), (int64_t) l };
    qsort(lists, m->n_lists, sizeof *lists, compare_found);
    for (size_t p = 0; p < QV_MIN(probes, m->n_lists); p++) {
        qv__code_list stored;
        float *estimates;
        size_t list = (size_t) lists[p].row;
        if (!qv__vector_segment_list_rows(segment, list))
            continue;
        QVT_OK(qv__vector_segment_list(segment, list, &stored, &err));
        estimates = malloc(stored.n * sizeof *estimates);
        list_estimates(segment, code, list, lists[p].distance, &stored, estimates);
        for (size_t i = 0; i < stored.n; i++)
            hits[n++] = (found){ estimates[i], row_number(qv__load_u64(stored.ids + i)) };
        free(estimates);
    }
    qsort(hits, n, sizeof *hits, compare_found);
    n = QV_MIN(n, k * refine);
    for (size_t i = 0; i < n; i++)
        hits[i].distance = true_distance(r, m->metric, query, hits[i].row);
    qsort(hits, n, sizeof *hits, compare_found);
    n = QV_MIN(n, k);
    memcpy(out, hits, n * sizeof *hits);
    m->quantizer->class->query_free(code);
    free(hits);
    free(lists);
    free(work);
    return n;
}

enum { K = 10, QUERIES = 15 };

/* Recall of K rows over queries beside rows, by true distances: ties are as good as one another. */
static inline double recall(const rows *r, qv__segment *segment, size_t probes, size_t refine)
{
    qv_metric metric = qv__vector_segment_model((qv__vector_segment *) segment)->metric;
    double *query = malloc(r->dim * sizeof *query), hits = 0;
    found *all = malloc((size_t) r->n * sizeof *all), answer[K];
    qvt_rng rng = { 77 };

    for (int q = 0; q < QUERIES; q++) {
        const double *near = r->plain + qvt_rng_below(&rng, (uint64_t) r->n) * r->dim;
        for (size_t d = 0; d < r->dim; d++)
            query[d] =
                r->element == QV_EL_BITS
                    ? (double) ((unsigned) near[d] ^ (qvt_rng_below(&rng, 8) ? 0u : 1u << qvt_rng_below(&rng, 8)))
                    : near[d] + 0.2 * draw_normal(&rng);
        for (int64_t i = 0; i < r->n; i++)
            all[i] = (found){ true_distance(r, metric, query, i), i };
        qsort(all, (size_t) r->n, sizeof *all, compare_found);
        size_t n = plain_search(r, segment, query, probes, K, refine, answer);
        for (size_t i = 0; i < n; i++)
            hits += answer[i].distance <= all[K - 1].distance + 1e-9;
    }
    free(all);
    free(query);
    return hits / (K * QUERIES);
}

#endif
