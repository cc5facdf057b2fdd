/* Vector indices of the reference implementation: what it answers from them, Quiver finds in them. */
#include "qvt_index.h"

#include <math.h>

#include "base/alloc.h"
#include "base/float16.h"
#include "index/vector/vector.h"

#define FOLDER QVT_SOURCE_DIR "/tests/golden/indices"
#define MOST_K 64

static qv_error err;
static float vectors[8][64];
static uint8_t bits[8][64];

/* ------------------------------------------------------------------ the table's own vectors */

typedef struct rows {
    size_t n, dim;
    uint64_t *keys;
    double *values; /* n x dim */
    bool *is_covered;
    qv_metric metric;
    const double *query;
} rows;

static void read_fragment(qv__snapshot *snapshot, size_t f, const qv__field *field, const bool *covered, rows *out)
{
    const qv__fragment *fragment = qv__snapshot_fragment(snapshot, f);
    qv__fragment_column *column;
    const uint32_t *deleted;
    const uint8_t *live;
    qv__array *array;
    size_t n_deleted;

    QVT_OK(qv__fragment_column_open(snapshot, f, field, &column, &err));
    QVT_OK(qv__fragment_column_read(column, 0, fragment->physical_rows, &array, &err));
    QVT_OK(qv__snapshot_deletions(snapshot, f, &deleted, &n_deleted, &live, &err));
    const qv__array *items = array->children[0];
    const uint8_t *data = qv__array_values(items);
    for (size_t i = 0; i < fragment->physical_rows; i++) {
        if (live && !(live[i >> 3] >> (i & 7) & 1))
            continue;
        QVT_OK(qv__snapshot_row_ids(snapshot, f, i, 1, &out->keys[out->n], &err));
        for (size_t d = 0; d < out->dim; d++) {
            size_t at = ((size_t) array->offset + i) * out->dim + d;
            double *to = &out->values[out->n * out->dim + d];
            if (items->type->id == QV_TYPE_FLOAT32)
                *to = (double) ((const float *) (const void *) data)[at];
            else if (items->type->id == QV_TYPE_FLOAT16)
                *to = qv__f16_to_f64(((const uint16_t *) (const void *) data)[at]);
            else
                *to = data[at];
        }
        out->is_covered[out->n++] = covered[f];
    }
    qv__array_unref(array);
    qv__fragment_column_free(column);
}

static rows read_rows(qv__snapshot *snapshot, const qv__field *field, const bool *covered)
{
    rows out = { .dim = (size_t) field->type->width };
    uint64_t n;

    QVT_OK(qv__snapshot_count_rows(snapshot, &n, &err));
    out.keys = calloc(n, sizeof *out.keys);
    out.values = calloc(n * out.dim, sizeof *out.values);
    out.is_covered = calloc(n, sizeof *out.is_covered);
    for (size_t f = 0; f < qv__snapshot_n_fragments(snapshot); f++)
        read_fragment(snapshot, f, field, covered, &out);
    assert_int_equal(out.n, n);
    return out;
}

static void free_rows(rows *r)
{
    free(r->keys);
    free(r->values);
    free(r->is_covered);
}

static double distance_of(const rows *r, size_t row)
{
    const double *v = r->values + row * r->dim, *q = r->query;
    double square = 0, product = 0, vv = 0, qq = 0, differing = 0;

    for (size_t d = 0; d < r->dim; d++) {
        square += (v[d] - q[d]) * (v[d] - q[d]);
        product += v[d] * q[d];
        vv += v[d] * v[d];
        qq += q[d] * q[d];
        differing += __builtin_popcount((unsigned) v[d] ^ (unsigned) q[d]);
    }
    return r->metric == QV_METRIC_L2       ? square
           : r->metric == QV_METRIC_DOT    ? 1 - product
           : r->metric == QV_METRIC_COSINE ? 1 - product / sqrt(vv * qq)
                                           : differing;
}

static size_t find_row(const rows *r, uint64_t key)
{
    size_t low = 0, high = r->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < r->n && r->keys[low] == key ? low : SIZE_MAX;
}

static void exact_distances(void *ctx, size_t query, const uint64_t *keys, size_t n, float *out)
{
    assert_int_equal(query, 0);
    for (size_t i = 0; i < n; i++) {
        size_t row = find_row(ctx, keys[i]);
        out[i] = row == SIZE_MAX ? NAN : (float) distance_of(ctx, row);
    }
}

/* ------------------------------------------------------------------ one answer */

typedef struct answer {
    char table[64];
    unsigned query, k, probes, refine, mode, ef;
    size_t n;
    uint64_t ids[MOST_K];
    double distances[MOST_K];
} answer;

static void parse(char *line, answer *a)
{
    int at;
    char *ids, *distances, *end;

    assert_int_equal(sscanf(line, "%63s %u %u %u %u %u %u%n", a->table, &a->query, &a->k, &a->probes, &a->refine,
                            &a->mode, &a->ef, &at),
                     7);
    ids = line + at + 1;
    distances = strchr(ids, '\t') + 1;
    for (a->n = 0; ids < distances - 1; a->n++, ids = end) {
        assert_true(a->n < MOST_K);
        a->ids[a->n] = strtoull(ids, &end, 10);
    }
    for (size_t i = 0; i < a->n; i++, distances = end)
        a->distances[i] = strtod(distances, &end);
}

/* Rows that no segment covers are for an exact scan, whose answer comes along with the index's. */
static size_t add_uncovered(const rows *r, qv__hit *hits, size_t n, size_t k)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->is_covered[i])
            continue;
        qv__hit hit = { (float) distance_of(r, i), r->keys[i] };
        size_t at = n < k ? n++ : k;
        for (; at > 0 && hits[at - 1].distance > hit.distance; at--)
            if (at < k)
                hits[at] = hits[at - 1];
        if (at < k)
            hits[at] = hit;
    }
    return n;
}

static bool has_id(const answer *a, uint64_t id)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->ids[i] == id)
            return true;
    return false;
}

/* Codes of cosine give the reference twice the distance; RaBitQ it sums from rounded tables, so that only most rows agree. */
static void compare(const answer *a, const rows *r, const qv__hit *hits, size_t n, bool is_exact)
{
    bool is_rq = strstr(a->table, "_rq") != NULL, is_flat = strstr(a->table, "_flat") != NULL;
    double scale = !is_exact && r->metric == QV_METRIC_COSINE && !is_flat ? 0.5 : 1;
    size_t common = 0;

    assert_int_equal(n, a->n);
    for (size_t i = 0; i < n; i++) {
        double wanted = a->distances[i] * scale, tolerance = 1e-5 * (fabs(wanted) + 1);
        if (strstr(a->table, "f16")) /* where the reference subtracts in half floats */
            tolerance = 2e-3 * (fabs(wanted) + 1);
        common += has_id(a, hits[i].id);
        if (!is_rq)
            assert_true(fabs((double) hits[i].distance - wanted) <= tolerance);
    }
    if (is_rq)
        assert_true(common * 10 >= n * (strstr(a->table, "rq1") && !is_exact ? 5 : 8));
    for (size_t i = 0; i < n; i++) /* others may differ only where distances are equal */
        if (!is_rq && a->distances[i] < a->distances[n - 1] - 1e-4 * (fabs(a->distances[n - 1]) + 1)) {
            bool found = false;
            for (size_t j = 0; j < n; j++)
                found |= hits[j].id == a->ids[i];
            assert_true(found);
        }
}

static void replay(const answer *a)
{
    char path[512];
    qv__store *store;
    qv__snapshot *snapshot;
    qv__vector_plan *plan;
    const char *reason;
    double query[64];
    qv__job job;

    snprintf(path, sizeof path, "%s/%s.lance", FOLDER, a->table);
    QVT_OK(qv__store_open(path, false, &store, &err));
    QVT_OK(qv__snapshot_open(store, 0, &snapshot, &err));
    const qv__schema *schema = qv__snapshot_schema(snapshot);
    const qv__field *field = &schema->fields[qv__schema_find(schema, "vec")];
    QVT_OK(qv__vector_plan_new(snapshot, field->id, NULL, QV_METRIC_AUTO, (size_t) field->type->width, &plan, &reason,
                               &err));
    if (!plan)
        print_error("%s: %s\n", a->table, reason);
    assert_non_null(plan);
    rows r = read_rows(snapshot, field, qv__vector_plan_covered(plan));
    r.metric = qv__vector_plan_metric(plan);
    r.query = query;
    bool is_bits = r.metric == QV_METRIC_HAMMING, has_loose = false;
    float rounded[64];
    for (size_t d = 0; d < r.dim; d++) {
        rounded[d] = vectors[a->query][d];
        if (strstr(a->table, "f16"))
            rounded[d] = (float) qv__f16_to_f64(qv__f64_to_f16((double) rounded[d]));
        query[d] = is_bits ? bits[a->query][d] : (double) rounded[d];
    }
    for (size_t i = 0; i < r.n; i++)
        has_loose |= !r.is_covered[i];
    const qv__exact exact = { exact_distances, &r, NULL };
    qv__key_span *spans = calloc(r.n, sizeof *spans);
    for (size_t i = 0; i < r.n; i++)
        spans[i] = (qv__key_span){ r.keys[i], 1, NULL };
    const qv__key_mask mask = { r.n, spans };
    qv__job_begin(&job, NULL, "search", 0);
    const qv__vector_request request = { .queries = is_bits ? (const void *) bits[a->query] : (const void *) rounded,
                                         .n = 1,
                                         .dim = r.dim,
                                         .k = a->k,
                                         .refine_factor = a->refine ? a->refine : 1,
                                         .min_probes = a->probes,
                                         .max_probes = a->probes,
                                         .ef = a->ef,
                                         .mode = (qv_approx_mode) a->mode,
                                         .exact = a->refine || has_loose ? &exact : NULL,
                                         .mask = &mask,
                                         .passing = 1,
                                         .job = &job };
    qv__hit *hits, merged[MOST_K];
    size_t width, *counts;
    qv__vector_counters counters;
    QVT_OK(qv__vector_search(plan, &request, &hits, &width, &counts, &counters, &err));
    assert_true(width <= MOST_K && counts[0] <= width);
    memcpy(merged, hits, counts[0] * sizeof *hits);
    size_t n = add_uncovered(&r, merged, counts[0], a->k);
    assert_int_equal(counters.probes,
                     a->probes * (strstr(a->table, "segments") ? 2 : 1)); /* no list of these tables is empty */
    compare(a, &r, merged, n, request.exact != NULL);
    qv__job_end(&job, QV_OK);
    free(spans);
    qv__free(hits);
    qv__free(counts);
    free_rows(&r);
    qv__vector_plan_free(plan);
    qv__snapshot_unref(snapshot);
    qv__store_unref(store);
}

static void read_query(char *line)
{
    bool is_bits = line[0] == 'b';
    unsigned number;
    int at;
    char *end;

    assert_int_equal(sscanf(line, "%*s %u%n", &number, &at), 1);
    char *text = line + at;
    for (size_t i = 0; i < 64; i++, text = end) {
        double value = strtod(text, &end);
        if (end == text)
            break;
        if (is_bits)
            bits[number][i] = (uint8_t) value;
        else
            vectors[number][i] = (float) value;
    }
}

static void test_answers(void **state)
{
    QV_UNUSED(state);
    static char line[8192];
    FILE *file = fopen(FOLDER "/vector_answers.tsv", "r");
    int n = 0;

    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        answer a;
        if (strncmp(line, "vector\t", 7) == 0 || strncmp(line, "bits\t", 5) == 0) {
            read_query(line);
            continue;
        }
        parse(line, &a);
        print_message("%s: query %u, %u probes, refine %u, mode %u\n", a.table, a.query, a.probes, a.refine, a.mode);
        replay(&a);
        n++;
    }
    fclose(file);
    assert_true(n > 300);
}

/* ------------------------------------------------------------------ searches of other kinds */

typedef struct subject {
    qv__store *store;
    qv__snapshot *snapshot;
    qv__vector_plan *plan;
    rows rows;
    double query[64];
    qv__exact exact;
} subject;

static void open_subject(const char *table, subject *s)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s.lance", FOLDER, table);
    QVT_OK(qv__store_open(path, false, &s->store, &err));
    QVT_OK(qv__snapshot_open(s->store, 0, &s->snapshot, &err));
    const qv__schema *schema = qv__snapshot_schema(s->snapshot);
    const qv__field *field = &schema->fields[qv__schema_find(schema, "vec")];
    QVT_OK(qv__vector_plan_new(s->snapshot, field->id, "vec_idx", QV_METRIC_AUTO, (size_t) field->type->width, &s->plan,
                               NULL, &err));
    assert_non_null(s->plan);
    s->rows = read_rows(s->snapshot, field, qv__vector_plan_covered(s->plan));
    s->rows.metric = qv__vector_plan_metric(s->plan);
    s->rows.query = s->query;
    s->exact = (qv__exact){ exact_distances, &s->rows, NULL };
}

static void close_subject(subject *s)
{
    free_rows(&s->rows);
    qv__vector_plan_free(s->plan);
    qv__snapshot_unref(s->snapshot);
    qv__store_unref(s->store);
}

static void ask(const subject *s, const qv__vector_request *request, qv__hit *hits, size_t *n)
{
    qv__hit *found;
    size_t width, *counts;
    qv__vector_counters counters;

    QVT_OK(qv__vector_search(s->plan, request, &found, &width, &counts, &counters, &err));
    for (size_t q = 0; q < request->n; q++) {
        n[q] = counts[q];
        assert_true(n[q] <= MOST_K);
        memcpy(hits + q * MOST_K, found + q * width, n[q] * sizeof *hits);
    }
    qv__free(found);
    qv__free(counts);
}

static const char *const float_tables[] = { "ivf_flat_l2",      "ivf_pq_l2",       "ivf_pq_dot",        "ivf_sq_cosine",
                                            "ivf_rq_l2",        "ivf_rq9_cosine",  "ivf_rq_dot",        "ivf_pq4_l2",
                                            "ivf_hnsw_flat_l2", "ivf_hnsw_pq_dot", "ivf_hnsw_sq_cosine" };

static void set_query(subject *s, unsigned number)
{
    for (size_t d = 0; d < s->rows.dim; d++)
        s->query[d] = (double) vectors[number][d];
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}

/* The k least distances of rows that may match, in range. */
static size_t plain_search(const rows *r, size_t step, double lower, double upper, size_t k, double *out)
{
    double *all = malloc(r->n * sizeof *all);
    size_t n = 0;

    for (size_t i = 0; i < r->n; i += step) {
        double d = distance_of(r, i);
        if (d >= lower && d < upper)
            all[n++] = d;
    }
    qsort(all, n, sizeof *all, compare_doubles);
    n = n < k ? n : k;
    memcpy(out, all, n * sizeof *out);
    free(all);
    return n;
}

static void expect_distances(const qv__hit *hits, size_t n, const double *wanted, size_t n_wanted)
{
    assert_int_equal(n, n_wanted);
    for (size_t i = 0; i < n; i++)
        assert_true(fabs((double) hits[i].distance - wanted[i]) <= 1e-4 * (1 + fabs(wanted[i])));
}

/* However few rows may match, as many as are wanted are found, and no other. */
static void test_masks(void **state)
{
    QV_UNUSED(state);
    static const size_t steps[] = { 1, 7, 100, 249 };
    qv__job job;

    qv__job_begin(&job, NULL, "search", 0);
    for (size_t t = 0; t < QV_COUNT_OF(float_tables); t++)
        for (size_t i = 0; i < QV_COUNT_OF(steps); i++) {
            subject s;
            qv__hit hits[MOST_K];
            size_t n, n_spans = 0;
            open_subject(float_tables[t], &s);
            set_query(&s, 1);
            qv__key_span *spans = calloc(s.rows.n, sizeof *spans);
            for (size_t row = 0; row < s.rows.n; row += steps[i])
                spans[n_spans++] = (qv__key_span){ s.rows.keys[row], 1, NULL };
            const qv__key_mask mask = { n_spans, spans };
            const qv__vector_request request = { .queries = vectors[1],
                                                 .n = 1,
                                                 .dim = s.rows.dim,
                                                 .k = 10,
                                                 .exact = &s.exact,
                                                 .mask = &mask,
                                                 .passing = (double) n_spans / (double) s.rows.n,
                                                 .job = &job };
            ask(&s, &request, hits, &n);
            assert_int_equal(n, 10);
            for (size_t h = 0; h < n; h++) {
                size_t row = find_row(&s.rows, hits[h].id);
                assert_int_equal(row % steps[i], 0);
                assert_true(fabs((double) hits[h].distance - distance_of(&s.rows, row)) <
                            1e-4 * (1 + fabs((double) hits[h].distance)));
            }
            free(spans);
            close_subject(&s);
        }
    qv__job_end(&job, QV_OK);
}

/* ------------------------------------------------------------------ narrowed lists */

static void same_hits(const qv__hit *a, const qv__hit *b, size_t n, size_t may_miss)
{
    for (size_t i = 0, j = 0; i < n; i++, j++) {
        if (a[i].id != b[j].id && may_miss > 0 && i + 1 < n) { /* bounds hold with a probability */
            may_miss--;
            j--;
            continue;
        }
        assert_true(a[i].id == b[j].id || a[i].distance == b[j].distance);
    }
}

/* Lists narrowed to a mask give what a search under the mask gives that looks into all lists: whatever may be copied of them, when they are
 * made and when they are there; and all is given back. */
static void test_narrowed(void **state)
{
    static const size_t steps[] = { 1, 2, 7, 100 }, budgets[] = { 0, 3000, 1 << 20 };
    QV_UNUSED(state);
    qv__job job;

    qv__job_begin(&job, NULL, "search", 0);
    for (size_t t = 0; t < QV_COUNT_OF(float_tables); t++)
        for (size_t i = 0; i < QV_COUNT_OF(steps) * QV_COUNT_OF(budgets); i++) {
            subject s;
            qv__hit plain[MOST_K], hits[MOST_K];
            size_t n_plain, n, n_spans = 0, step = steps[i % QV_COUNT_OF(steps)];
            atomic_size_t budget;
            open_subject(float_tables[t], &s);
            set_query(&s, 2);
            qv__key_span *spans = calloc(s.rows.n, sizeof *spans);
            for (size_t row = 0; row < s.rows.n; row += step)
                spans[n_spans++] = (qv__key_span){ s.rows.keys[row], 1, NULL };
            const qv__key_mask mask = { n_spans, spans };
            qv__vector_request request = { .queries = vectors[2],
                                           .n = 1,
                                           .dim = s.rows.dim,
                                           .k = QV_MIN(n_spans, 10),
                                           .exact = &s.exact,
                                           .mask = &mask,
                                           .min_probes = 1000,
                                           .ef = 1000,
                                           .passing = (double) n_spans / (double) s.rows.n,
                                           .job = &job };
            ask(&s, &request, plain, &n_plain);
            atomic_init(&budget, budgets[i / QV_COUNT_OF(steps)]);
            QVT_OK(qv__narrowing_new(&mask, &budget, &request.narrowing, &err));
            for (int time = 0; time < 4; time++) {
                request.min_probes = time < 2 ? 1000 : 0; /* then as many as are needed */
                ask(&s, &request, hits, &n);
                assert_int_equal(n, n_plain);
                if (time < 2)
                    same_hits(plain, hits, n, strstr(float_tables[t], "rq") ? 1 : 0);
                for (size_t h = 0; h < n; h++)
                    assert_int_equal(find_row(&s.rows, hits[h].id) % step, 0);
            }
            assert_true(atomic_load(&budget) <= budgets[i / QV_COUNT_OF(steps)]);
            assert_true(step == 1 || budgets[i / QV_COUNT_OF(steps)] < 1 << 20 || atomic_load(&budget) < 1 << 20);
            qv__narrowing_free(request.narrowing);
            assert_int_equal(atomic_load(&budget), budgets[i / QV_COUNT_OF(steps)]);
            free(spans);
            close_subject(&s);
        }
    qv__job_end(&job, QV_OK);
}

static void test_narrowed_failures(void **state)
{
    subject s;
    qv__hit *hits = NULL;
    size_t width, *counts = NULL, blocks;
    qv__job job;
    atomic_size_t budget;
    bool fired = true;
    QV_UNUSED(state);

    qv__job_begin(&job, &(qv_job){ .threads = 1 }, "search", 0);
    open_subject("ivf_rq_l2", &s);
    set_query(&s, 3);
    const qv__key_span span = { s.rows.keys[0], 100, NULL };
    const qv__key_mask mask = { 1, &span };
    qv__vector_request request = { .queries = vectors[3],
                                   .n = 1,
                                   .dim = s.rows.dim,
                                   .k = 5,
                                   .exact = &s.exact,
                                   .mask = &mask,
                                   .passing = 0.1,
                                   .job = &job };
    QVT_OK(qv__vector_search(s.plan, &request, &hits, &width, &counts, NULL, &err)); /* the segment keeps its lists */
    qv__free(hits);
    qv__free(counts);
    blocks = qv_memory().live_blocks;
    for (uint64_t n = 0; fired; n++) {
        hits = NULL;
        counts = NULL;
        request.narrowing = NULL;
        atomic_init(&budget, 1 << 20);
        qv__alloc_fail_at(n);
        qv_status st = qv__narrowing_new(&mask, &budget, &request.narrowing, &err);
        if (st == QV_OK)
            st = qv__vector_search(s.plan, &request, &hits, &width, &counts, NULL, &err);
        fired = qv__alloc_fault_fired();
        qv__alloc_fail_at(UINT64_MAX);
        assert_int_equal(st, fired ? QV_NOMEM : QV_OK);
        qv__narrowing_free(request.narrowing);
        qv__free(hits);
        qv__free(counts);
        assert_int_equal(qv_memory().live_blocks, blocks);
        assert_int_equal(atomic_load(&budget), 1 << 20);
    }
    close_subject(&s);
    qv__job_end(&job, QV_OK);
}

/* All lists are looked into: then codes with bounds, and vectors as they are, give exactly the rows in range; others give k of them. */
static void test_ranges(void **state)
{
    QV_UNUSED(state);
    qv__job job;

    qv__job_begin(&job, NULL, "search", 0);
    for (size_t t = 0; t < QV_COUNT_OF(float_tables); t++)
        for (unsigned q = 0; q < 3; q++) {
            subject s;
            qv__hit hits[MOST_K];
            double near[MOST_K], wanted[MOST_K];
            size_t n;
            open_subject(float_tables[t], &s);
            set_query(&s, q);
            plain_search(&s.rows, 1, -INFINITY, INFINITY, 60, near);
            const qv__vector_request request = { .queries = vectors[q],
                                                 .n = 1,
                                                 .dim = s.rows.dim,
                                                 .k = 10,
                                                 .min_probes = 4,
                                                 .ef = 300,
                                                 .exact = &s.exact,
                                                 .passing = 1,
                                                 .has_lower = true,
                                                 .has_upper = true,
                                                 .lower = (float) ((near[19] + near[20]) / 2),
                                                 .upper = (float) ((near[49] + near[50]) / 2),
                                                 .job = &job };
            size_t n_wanted =
                plain_search(&s.rows, 1, (double) request.lower, (double) request.upper, request.k, wanted);
            ask(&s, &request, hits, &n);
            if (strstr(float_tables[t], "_rq") || strcmp(float_tables[t], "ivf_flat_l2") == 0)
                expect_distances(hits, n, wanted, n_wanted);
            assert_int_equal(n, 10);
            for (size_t h = 0; h < n; h++)
                assert_true(hits[h].distance >= request.lower && hits[h].distance < request.upper);
            close_subject(&s);
        }
    qv__job_end(&job, QV_OK);
}

/* A query's answer depends neither on those beside it nor on threads; nothing set, most of the nearest rows are found. */
static void test_batches(void **state)
{
    QV_UNUSED(state);

    for (size_t t = 0; t < QV_COUNT_OF(float_tables); t++) {
        subject s;
        qv__hit alone[MOST_K], hits[3 * MOST_K];
        size_t n, counts[3], common = 0;
        double wanted[MOST_K];
        float queries[3 * 32];
        open_subject(float_tables[t], &s);
        for (unsigned q = 0; q < 3; q++)
            memcpy(queries + q * 32, vectors[q], 32 * sizeof(float));
        for (unsigned threads = 1; threads <= 3; threads++) {
            qv__job job;
            qv_job options = QV_JOB_INIT;
            options.threads = threads;
            qv__job_begin(&job, &options, "search", 0);
            qv__vector_request request = { .queries = queries, .n = 3, .dim = 32, .k = 10, .passing = 1, .job = &job };
            ask(&s, &request, hits, counts);
            request.n = 1;
            for (unsigned q = 0; q < 3; q++) {
                request.queries = queries + q * 32;
                ask(&s, &request, alone, &n);
                assert_int_equal(n, counts[q]);
                for (size_t i = 0; i < n; i++) {
                    assert_true(alone[i].distance == hits[q * MOST_K + i].distance);
                    assert_int_equal(alone[i].id, hits[q * MOST_K + i].id);
                }
            }
            qv__job_end(&job, QV_OK);
        }
        for (unsigned q = 0; q < 3; q++) {
            qv__job job;
            qv__job_begin(&job, NULL, "search", 0);
            const qv__vector_request request = {
                .queries = queries + q * 32, .n = 1, .dim = 32, .k = 10, .exact = &s.exact, .passing = 1, .job = &job
            };
            set_query(&s, q);
            plain_search(&s.rows, 1, -INFINITY, INFINITY, 10, wanted);
            ask(&s, &request, alone, &n);
            for (size_t i = 0; i < n; i++)
                common += (double) alone[i].distance <= wanted[9] + 1e-4 * (1 + fabs(wanted[9]));
            qv__job_end(&job, QV_OK);
        }
        if (common < 24)
            print_error("%s: %zu of 30\n", float_tables[t], common);
        assert_true(common >= 24);
        close_subject(&s);
    }
}

/* Under cosine a query without direction matches nothing. */
static void test_zero_query(void **state)
{
    QV_UNUSED(state);
    static const float zeros[32];
    subject s;
    qv__hit hits[MOST_K];
    size_t n;
    qv__job job;

    qv__job_begin(&job, NULL, "search", 0);
    open_subject("ivf_rq9_cosine", &s);
    const qv__vector_request request = { .queries = zeros, .n = 1, .dim = 32, .k = 10, .passing = 1, .job = &job };
    ask(&s, &request, hits, &n);
    assert_int_equal(n, 0);
    close_subject(&s);
    qv__job_end(&job, QV_OK);
}

/* An index that does not fit says why. */
static void test_reasons(void **state)
{
    QV_UNUSED(state);
    subject s;
    qv__vector_plan *plan;
    const char *reason;

    open_subject("ivf_pq_l2", &s);
    const qv__schema *schema = qv__snapshot_schema(s.snapshot);
    int32_t id = schema->fields[qv__schema_find(schema, "vec")].id;
    QVT_OK(qv__vector_plan_new(s.snapshot, id, NULL, QV_METRIC_DOT, 32, &plan, &reason, &err));
    assert_null(plan);
    assert_non_null(strstr(reason, "another metric"));
    QVT_OK(qv__vector_plan_new(s.snapshot, id, NULL, QV_METRIC_L2, 31, &plan, &reason, &err));
    assert_null(plan);
    assert_non_null(strstr(reason, "another dimension"));
    QVT_OK(qv__vector_plan_new(s.snapshot, id, "no_such", QV_METRIC_L2, 32, &plan, &reason, &err));
    assert_null(plan);
    assert_non_null(strstr(reason, "of that name"));
    QVT_OK(qv__vector_plan_new(s.snapshot, id + 1000, NULL, QV_METRIC_L2, 32, &plan, &reason, &err));
    assert_null(plan);
    close_subject(&s);
}

/* ------------------------------------------------------------------ care */

static void on_problem(void *ctx, const char *object, const char *what)
{
    print_error("%s: %s: %s\n", (const char *) ctx, object, what);
    fail();
}

static void test_care(void **state)
{
    QV_UNUSED(state);
    static const struct {
        const char *table, *part;
    } tables[] = { { "ivf_flat_l2", "\"index_type\":\"IVF_FLAT\",\"metric_type\":\"l2\",\"num_partitions\":4" },
                   { "ivf_flat_hamming", "\"metric_type\":\"hamming\"" },
                   { "ivf_pq_f16", "\"index_type\":\"PQ\",\"nbits\":8,\"num_sub_vectors\":8" },
                   { "ivf_pq_segments", "\"num_segments\":2" },
                   { "ivf_rq9_cosine", "\"num_bits\":9" },
                   { "ivf_sq_dot", "\"index_type\":\"SQ\"" },
                   { "ivf_hnsw_flat_l2", "\"hnsw\":{\"m\":20,\"ef_construction\":150}" },
                   { "ivf_hnsw_pq_dot", "\"index_type\":\"IVF_HNSW_PQ\"" },
                   { "ivf_hnsw_sq_cosine", "\"metric_type\":\"cosine\"" } };

    for (size_t i = 0; i < QV_COUNT_OF(tables); i++) {
        char path[512];
        qv__store *store;
        qv__snapshot *snapshot;
        qv__buffer json;
        qv__job job;

        snprintf(path, sizeof path, "%s/%s.lance", FOLDER, tables[i].table);
        QVT_OK(qv__store_open(path, false, &store, &err));
        QVT_OK(qv__snapshot_open(store, 0, &snapshot, &err));
        qv__job_begin(&job, NULL, "verify", 0);
        QVT_OK(qv__index_verify(snapshot, on_problem, (void *) (uintptr_t) tables[i].table, &job, &err));
        qv__job_end(&job, QV_OK);
        QVT_OK(qv__index_prewarm(snapshot, "vec_idx", &err));
        qv__buffer_init(&json, 1 << 20);
        QVT_OK(qv__index_stats(snapshot, "vec_idx", &json, &err));
        QVT_OK(qv__buffer_append(&json, "", 1, &err));
        if (!strstr((const char *) json.data, tables[i].part))
            print_error("%s: %s\n", tables[i].table, (const char *) json.data);
        assert_non_null(strstr((const char *) json.data, tables[i].part));
        qv__buffer_free(&json);
        qv__snapshot_unref(snapshot);
        qv__store_unref(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_answers),    cmocka_unit_test(test_masks),
                                        cmocka_unit_test(test_narrowed),   cmocka_unit_test(test_narrowed_failures),
                                        cmocka_unit_test(test_ranges),     cmocka_unit_test(test_batches),
                                        cmocka_unit_test(test_zero_query), cmocka_unit_test(test_reasons),
                                        cmocka_unit_test(test_care) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
