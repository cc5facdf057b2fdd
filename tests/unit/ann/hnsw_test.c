/* Graphs: what holds of every one, what they find against exact search, and stored lists there and back. */
#include <math.h>

#include "ann/hnsw/hnsw.h"
#include "ann/sq/sq.h"
#include "base/alloc.h"
#include "base/bitmap.h"
#include "qvt.h"

enum { K = 10, MAX_ROWS = 4000, MAX_DIM = 32 };

/* ------------------------------------------------------------------ rows */

typedef struct data {
    size_t n, dim;
    qv_metric metric;
    float rows[MAX_ROWS * MAX_DIM], queries[64 * MAX_DIM];
    uint64_t keys[MAX_ROWS];
    qv__quantizer *flat;
} data;
static data d; /* one at a time */

static float gaussian(qvt_rng *rng)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += qvt_rng_unit(rng);
    return (float) sum;
}

static void make_unit(float *row, size_t dim)
{
    double squares = 0;
    for (size_t j = 0; j < dim; j++)
        squares += (double) row[j] * row[j];
    for (size_t j = 0; j < dim; j++)
        row[j] = (float) (row[j] / sqrt(squares));
}

/* Rows around some centres, one cluster after another; keys ascend, with gaps. */
static void make_data(size_t n, size_t dim, qv_metric metric, uint64_t seed)
{
    enum { CENTRES = 20 };
    qvt_rng rng = { seed };
    float centres[CENTRES * MAX_DIM];
    qv_error err;

    d.n = n;
    d.dim = dim;
    d.metric = metric;
    for (size_t i = 0; i < CENTRES * dim; i++)
        centres[i] = 2 * gaussian(&rng);
    for (size_t i = 0; i < n + 64; i++) {
        float *row = i < n ? d.rows + i * dim : d.queries + (i - n) * dim;
        size_t centre = i < n ? i * CENTRES / n : qvt_rng_below(&rng, CENTRES);
        for (size_t j = 0; j < dim; j++)
            row[j] = centres[centre * dim + j] + gaussian(&rng);
        if (metric == QV_METRIC_COSINE)
            make_unit(row, dim);
        if (i < n)
            d.keys[i] = 1000 + 3 * i;
    }
    QVT_OK(qv__flat_new(dim, QV_EL_F32, metric, &d.flat, &err));
}

static void drop_data(void) { d.flat->class->free(d.flat); }

static qv__hnsw *build(unsigned m, unsigned ef, unsigned threads)
{
    qv__hnsw_options options = { .m = m, .ef_construction = ef, .seed = 5, .threads = threads };
    qv__hnsw *graph = NULL;
    qv_error err;

    QVT_OK(qv__hnsw_build(d.rows, d.dim * sizeof(float), d.n, d.dim, QV_EL_F32, d.metric, &options, &graph, &err));
    return graph;
}

/* ------------------------------------------------------------------ searching */

static int by_rank(const void *a, const void *b)
{
    const qv__hit *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void measure(void *ctx, size_t query, const uint64_t *keys, size_t n, float *out)
{
    qv__code_query *prepared = NULL;
    const uint8_t *plain = (const uint8_t *) d.rows;
    qv_error err;
    QV_UNUSED(ctx);

    QVT_OK(d.flat->class->query_new(d.flat, d.queries + query * d.dim, &prepared, &err));
    for (size_t i = 0; i < n; i++) {
        uint32_t row = (uint32_t) ((keys[i] - 1000) / 3);
        d.flat->class->distances(prepared, &plain, &row, 1, out + i);
    }
    d.flat->class->query_free(prepared);
}

/* The nearest of all rows that may match; returns how many there are, at most K. */
static size_t find_exactly(size_t query, const qv__key_mask *mask, qv__hit *out)
{
    static qv__hit all[MAX_ROWS];
    size_t n = 0;

    for (size_t i = 0; i < d.n; i++) {
        if (mask && !qv__key_mask_find(mask, d.keys[i]))
            continue;
        all[n].id = d.keys[i];
        measure(NULL, query, &d.keys[i], 1, &all[n++].distance);
    }
    qsort(all, n, sizeof *all, by_rank);
    n = QV_MIN(n, K);
    memcpy(out, all, n * sizeof *out);
    return n;
}

typedef struct way {
    const qv__hnsw *graph;
    const qv__quantizer *quantizer;
    const uint8_t *codes;
    const qv__exact *exact;
    const qv__key_mask *mask;
    size_t ef;
} way;

static size_t search(const way *way, size_t query, qv__hnsw_scratch *scratch, qv__hit *out)
{
    qv__candidates candidates;
    qv__code_query *prepared = NULL;
    const qv__hit *hits;
    uint64_t n_distances = 0;
    qv_error err;

    QVT_OK(way->quantizer->class->query_new(way->quantizer, d.queries + query * d.dim, &prepared, &err));
    QVT_OK(qv__candidates_init(&candidates, K, way->exact, query, way->mask, &err));
    qv__hnsw_walk walk = { prepared, &way->codes, d.keys, way->ef };
    QVT_OK(qv__hnsw_search(way->graph, &walk, scratch, &candidates, &n_distances, &err));
    assert_true(d.n == 0 || n_distances > 0);
    size_t n = qv__candidates_finish(&candidates, &hits);
    memcpy(out, hits, n * sizeof *out);
    qv__candidates_clear(&candidates);
    way->quantizer->class->query_free(prepared);
    return n;
}

/* The share of the true nearest that is found; as many as there are must come, in order, with their distances. */
static double recall(const way *way, size_t n_queries)
{
    size_t n_found = 0, n_all = 0;
    qv__hnsw_scratch *scratch = NULL;
    qv_error err;

    QVT_OK(qv__hnsw_scratch_new(&scratch, &err));
    for (size_t q = 0; q < n_queries; q++) {
        qv__hit found[K], truth[K];
        size_t n = search(way, q, scratch, found), n_truth = find_exactly(q, way->mask, truth);
        assert_int_equal(n, n_truth);
        for (size_t i = 0; i < n; i++) {
            float distance;
            assert_true(!way->mask || qv__key_mask_find(way->mask, found[i].id));
            assert_true(i == 0 || by_rank(&found[i - 1], &found[i]) < 0);
            measure(NULL, q, &found[i].id, 1, &distance);
            assert_true(found[i].distance == distance);
            for (size_t j = 0; j < n; j++)
                n_found += found[i].id == truth[j].id;
        }
        n_all += n;
    }
    qv__hnsw_scratch_free(scratch);
    return n_all ? (double) n_found / (double) n_all : 1;
}

static way plain_way(const qv__hnsw *graph, size_t ef)
{
    return (way){ graph, d.flat, (const uint8_t *) d.rows, NULL, NULL, ef };
}

/* ------------------------------------------------------------------ what holds of every graph */

static void check_list(const qv__hnsw *graph, uint32_t node, const uint32_t *neighbours, uint32_t n, uint32_t room)
{
    assert_true(n <= room);
    for (uint32_t i = 0; i < n; i++) {
        assert_true(neighbours[i] < qv__hnsw_shape_of(graph).n_nodes && neighbours[i] != node);
        for (uint32_t j = 0; j < i; j++)
            assert_true(neighbours[j] != neighbours[i]);
    }
}

/* Levels are nested, their nodes ascend, and neighbours on a level are nodes of it. */
static void check_levels(const qv__hnsw *graph)
{
    qv__hnsw_shape shape = qv__hnsw_shape_of(graph);
    uint8_t *below = malloc(shape.n_nodes), *here = malloc(shape.n_nodes);

    memset(below, 1, shape.n_nodes);
    for (unsigned level = 0; level < shape.n_levels; level++) {
        uint32_t n_nodes = qv__hnsw_level_nodes(graph, level), last = 0, n;
        const uint32_t *neighbours;
        assert_true(n_nodes > 0 && (level > 0 || n_nodes == shape.n_nodes));
        memset(here, 0, shape.n_nodes);
        for (uint32_t i = 0; i < n_nodes; i++) {
            uint32_t node = qv__hnsw_node(graph, level, i, &neighbours, &n);
            assert_true((i == 0 || node > last) && below[node]);
            check_list(graph, node, neighbours, n, level == 0 ? 2 * shape.m : shape.m);
            here[last = node] = 1;
        }
        for (uint32_t i = 0; i < n_nodes; i++) {
            qv__hnsw_node(graph, level, i, &neighbours, &n);
            for (uint32_t j = 0; j < n; j++)
                assert_true(here[neighbours[j]]);
        }
        assert_true(here[shape.entry_point]);
        memcpy(below, here, shape.n_nodes);
    }
    assert_int_equal(qv__hnsw_level_nodes(graph, shape.n_levels), 0);
    free(below);
    free(here);
}

/* Every node has a path from the entry point on level 0. */
static void check_reach(const qv__hnsw *graph)
{
    qv__hnsw_shape shape = qv__hnsw_shape_of(graph);
    uint8_t *seen = calloc(shape.n_nodes, 1);
    uint32_t *open = malloc(shape.n_nodes * sizeof *open);
    size_t n_open = 1, n_seen = 1;

    open[0] = shape.entry_point;
    seen[shape.entry_point] = 1;
    while (n_open > 0) {
        const uint32_t *neighbours;
        uint32_t n;
        qv__hnsw_node(graph, 0, open[--n_open], &neighbours, &n);
        for (uint32_t i = 0; i < n; i++)
            if (!seen[neighbours[i]]) {
                seen[neighbours[i]] = 1;
                open[n_open++] = neighbours[i];
                n_seen++;
            }
    }
    assert_int_equal(n_seen, shape.n_nodes);
    free(seen);
    free(open);
}

static void every_metric(void **state)
{
    static const qv_metric metrics[] = { QV_METRIC_L2, QV_METRIC_COSINE, QV_METRIC_DOT };
    QV_UNUSED(state);

    for (size_t i = 0; i < QV_COUNT_OF(metrics); i++) {
        make_data(3000, 24, metrics[i], 100 + i);
        qv__hnsw *graph = build(8, 160, 0);
        way way = plain_way(graph, 100);
        check_levels(graph);
        check_reach(graph);
        assert_true(qv__hnsw_shape_of(graph).n_levels > 1);
        assert_true(recall(&way, 40) >= 0.95);
        qv__hnsw_free(graph);
        drop_data();
    }
}

/* More rows than a node is compared with: those near to it are found in cells. A wide beam misses next to nothing. */
static void in_cells(void **state)
{
    static const qv_metric metrics[] = { QV_METRIC_L2, QV_METRIC_COSINE, QV_METRIC_DOT };
    QV_UNUSED(state);

    for (size_t i = 0; i < QV_COUNT_OF(metrics); i++) {
        make_data(MAX_ROWS, 20, metrics[i], 300 + i);
        qv__hnsw *graph = build(8, 32, 0);
        way narrow = plain_way(graph, 60), wide = plain_way(graph, 600);
        check_levels(graph);
        check_reach(graph);
        double some = recall(&narrow, 40), most = recall(&wide, 40);
        bool by_product = metrics[i] == QV_METRIC_DOT; /* near by product is not near: cells help less */
        if (some < (by_product ? 0.88 : 0.97) || most < (by_product ? 0.97 : 0.99)) {
            print_error("metric %d: recall %.4f, %.4f with a wide beam\n", (int) metrics[i], some, most);
            fail();
        }
        qv__hnsw_free(graph);
        drop_data();
    }
}

/* Built over scalar codes, searched with them, measured exactly. */
static void over_codes(void **state)
{
    qv__exact exact = { measure, NULL, NULL };
    qv__hnsw_options options = { .m = 8, .ef_construction = 160 };
    static uint8_t codes[MAX_ROWS * MAX_DIM];
    uint8_t *columns[1] = { codes };
    qv__quantizer *sq = NULL;
    qv__hnsw *graph = NULL;
    qv_error err;
    QV_UNUSED(state);

    make_data(2500, 19, QV_METRIC_L2, 7);
    QVT_OK(qv__sq_train(d.rows, d.n, d.dim, 0, QV_METRIC_L2, &sq, &err));
    QVT_OK(sq->class->encode(sq, d.rows, d.n, NULL, NULL, columns, &err));
    QVT_OK(qv__hnsw_build(codes, d.dim, d.n, d.dim, QV_EL_U8, QV_METRIC_L2, &options, &graph, &err));
    check_levels(graph);
    check_reach(graph);
    way way = { graph, sq, codes, &exact, NULL, 60 };
    assert_true(recall(&way, 40) >= 0.95);
    qv__hnsw_free(graph);
    sq->class->free(sq);
    drop_data();
}

static void over_bits(void **state)
{
    enum { N = 600, BYTES = 5, BITS = 37 };
    qvt_rng rng = { 21 };
    qv__hnsw_options options = { .m = 8, .ef_construction = 60 };
    uint8_t *rows = calloc(N, BYTES);
    const uint32_t *neighbours;
    uint32_t n;
    size_t n_near = 0, n_all = 0;
    qv__hnsw *graph = NULL;
    qv_error err;
    QV_UNUSED(state);

    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < BITS; j++)
            qv__bit_put(rows + i * BYTES, j, j < 12 ? i >> (j / 4) & 1 : qvt_rng_below(&rng, 10) == 0);
    QVT_OK(qv__hnsw_build(rows, BYTES, N, BITS, QV_EL_BITS, QV_METRIC_HAMMING, &options, &graph, &err));
    check_levels(graph);
    check_reach(graph);
    for (uint32_t i = 0; i < N; i++) { /* neighbours are near ones: of the same kind of eight, most often */
        qv__hnsw_node(graph, 0, i, &neighbours, &n);
        for (uint32_t j = 0; j < n; j++)
            n_near += (neighbours[j] & 7) == (i & 7);
        n_all += n;
    }
    assert_true(n_near * 2 > n_all);
    qv__hnsw_free(graph);
    free(rows);
}

/* ------------------------------------------------------------------ the same for any number of threads */

static void assert_same(const qv__hnsw *a, const qv__hnsw *b)
{
    qv__hnsw_shape shape = qv__hnsw_shape_of(a), other = qv__hnsw_shape_of(b);

    assert_memory_equal(&shape, &other, sizeof shape);
    for (unsigned level = 0; level < shape.n_levels; level++) {
        assert_int_equal(qv__hnsw_level_nodes(a, level), qv__hnsw_level_nodes(b, level));
        for (uint32_t i = 0; i < qv__hnsw_level_nodes(a, level); i++) {
            const uint32_t *x, *y;
            uint32_t n_x, n_y;
            assert_int_equal(qv__hnsw_node(a, level, i, &x, &n_x), qv__hnsw_node(b, level, i, &y, &n_y));
            assert_int_equal(n_x, n_y);
            assert_memory_equal(x, y, n_x * sizeof *x);
        }
    }
}

static void threads_do_not_matter(void **state)
{
    QV_UNUSED(state);

    make_data(3000, 16, QV_METRIC_L2, 3);
    qv_set_threads(4);
    qv__hnsw *alone = build(6, 40, 1);
    for (unsigned threads = 2; threads <= 4; threads++) {
        qv__hnsw *together = build(6, 40, threads);
        assert_same(alone, together);
        qv__hnsw_free(together);
    }
    qv__hnsw_free(alone);
    qv_set_threads(0);
    drop_data();
}

/* ------------------------------------------------------------------ stored lists */

typedef struct lists {
    uint32_t *nodes, *neighbours;
    int32_t *offsets;
} lists;

static lists store_level(const qv__hnsw *graph, unsigned level)
{
    uint32_t n_nodes = qv__hnsw_level_nodes(graph, level), n;
    const uint32_t *neighbours;
    lists stored = { malloc(n_nodes * 4), malloc(n_nodes * 4 * 1024), malloc((n_nodes + 1) * 4) };

    stored.offsets[0] = 0;
    for (uint32_t i = 0; i < n_nodes; i++) {
        stored.nodes[i] = qv__hnsw_node(graph, level, i, &neighbours, &n);
        memcpy(stored.neighbours + stored.offsets[i], neighbours, n * sizeof n);
        stored.offsets[i + 1] = stored.offsets[i] + (int32_t) n;
    }
    return stored;
}

static void free_lists(lists *stored)
{
    free(stored->nodes);
    free(stored->neighbours);
    free(stored->offsets);
}

static qv__hnsw *copy_graph(const qv__hnsw *graph)
{
    qv__hnsw_shape shape = qv__hnsw_shape_of(graph);
    qv__hnsw *copy = NULL;
    qv_error err;

    QVT_OK(qv__hnsw_new(&shape, &copy, &err));
    for (unsigned level = 0; level < shape.n_levels; level++) {
        lists stored = store_level(graph, level);
        QVT_OK(qv__hnsw_add_level(copy, level, level ? stored.nodes : NULL, qv__hnsw_level_nodes(graph, level),
                                  stored.offsets, stored.neighbours, &err));
        free_lists(&stored);
    }
    QVT_OK(qv__hnsw_seal(copy, &err));
    return copy;
}

static void there_and_back(void **state)
{
    qv__hnsw_scratch *scratch = NULL;
    qv_error err;
    QV_UNUSED(state);

    make_data(1500, 12, QV_METRIC_L2, 31);
    qv__hnsw *graph = build(5, 30, 1), *copy = copy_graph(graph);
    assert_same(graph, copy);
    QVT_OK(qv__hnsw_scratch_new(&scratch, &err));
    for (size_t q = 0; q < 20; q++) {
        qv__hit a[K], b[K];
        way way = plain_way(graph, 20), other = plain_way(copy, 20);
        assert_int_equal(search(&way, q, scratch, a), K);
        assert_int_equal(search(&other, q, scratch, b), K);
        for (size_t i = 0; i < K; i++)
            assert_true(a[i].id == b[i].id && a[i].distance == b[i].distance);
    }
    qv__hnsw_scratch_free(scratch);
    qv__hnsw_free(graph);
    qv__hnsw_free(copy);
    drop_data();
}

/* As old files have it: entry point 0 on every level, whether it is there or not; and lists longer than any block. */
static void old_and_odd_lists(void **state)
{
    enum { N = 300 };
    qv__hnsw_shape shape = { .n_nodes = N, .n_levels = 3, .entry_point = 0, .m = 4, .max_level = 7 };
    uint32_t upper_nodes[] = { 7, 50, 299 }, upper_neighbours[] = { 50, 7, 299, 50, 120 };
    int32_t *offsets = malloc((N + 1) * 4), upper_offsets[] = { 0, 1, 3, 5 };
    uint32_t *neighbours = malloc(N * N * 4);
    int32_t n = 0;
    qv__hnsw *graph = NULL;
    qv_error err;
    QV_UNUSED(state);

    make_data(N, 8, QV_METRIC_L2, 5);
    for (uint32_t i = 0; i < N; i++) { /* a ring, and node 0 knows everybody */
        offsets[i] = n;
        for (uint32_t j = 1; j < (i == 0 ? N : 3); j++)
            neighbours[n++] = (i + j) % N;
    }
    offsets[N] = n;
    QVT_OK(qv__hnsw_new(&shape, &graph, &err));
    QVT_OK(qv__hnsw_add_level(graph, 0, NULL, N, offsets, neighbours, &err));
    QVT_OK(qv__hnsw_add_level(graph, 1, upper_nodes, 3, upper_offsets, upper_neighbours, &err));
    QVT_OK(qv__hnsw_add_level(graph, 2, upper_nodes, 0, upper_offsets, upper_neighbours, &err));
    QVT_OK(qv__hnsw_seal(graph, &err));
    const uint32_t *list;
    uint32_t length;
    assert_int_equal(qv__hnsw_node(graph, 0, 0, &list, &length), 0);
    assert_int_equal(length, N - 1);
    assert_memory_equal(list, neighbours, length * sizeof *list);
    way way = plain_way(graph, 20);
    assert_true(recall(&way, 20) == 1);
    qv__hnsw_free(graph);
    free(offsets);
    free(neighbours);
    drop_data();
}

static void corrupt_lists(void **state)
{
    qv__hnsw_shape shape = { .n_nodes = 3, .n_levels = 2, .entry_point = 2, .m = 4 }, bad = shape;
    uint32_t nodes[] = { 0, 2 }, descending[] = { 2, 0 }, far[] = { 0, 3 }, neighbours[] = { 1, 2, 0, 1 },
             beyond[] = { 1, 3, 0, 1 };
    int32_t offsets[] = { 0, 1, 2, 4 }, backwards[] = { 0, 2, 1, 4 }, negative[] = { -1, 1, 2, 4 };
    qv__hnsw_walk walk = { 0 };
    qv__hnsw *graph = NULL;
    qv_error err;
    QV_UNUSED(state);

    bad.entry_point = 3;
    QVT_FAILS(qv__hnsw_new(&bad, &graph, &err), QV_CORRUPT, "entry point 3");
    bad = shape;
    bad.n_levels = 100;
    QVT_FAILS(qv__hnsw_new(&bad, &graph, &err), QV_CORRUPT, "100 levels");
    bad.n_levels = 0;
    QVT_FAILS(qv__hnsw_new(&bad, &graph, &err), QV_CORRUPT, "0 levels");
    QVT_OK(qv__hnsw_new(&shape, &graph, &err));
    QVT_FAILS(qv__hnsw_add_level(graph, 1, nodes, 2, offsets, neighbours, &err), QV_INVALID, "level 1");
    QVT_FAILS(qv__hnsw_add_level(graph, 0, NULL, 2, offsets, neighbours, &err), QV_CORRUPT, "2 nodes");
    QVT_FAILS(qv__hnsw_add_level(graph, 0, NULL, 3, backwards, neighbours, &err), QV_CORRUPT, "from 2 to 1");
    QVT_FAILS(qv__hnsw_add_level(graph, 0, NULL, 3, negative, neighbours, &err), QV_CORRUPT, "from -1");
    QVT_FAILS(qv__hnsw_add_level(graph, 0, NULL, 3, offsets, beyond, &err), QV_CORRUPT, "neighbour 3");
    QVT_OK(qv__hnsw_add_level(graph, 0, NULL, 3, offsets, neighbours, &err));
    QVT_FAILS(qv__hnsw_add_level(graph, 1, descending, 2, offsets, neighbours, &err), QV_CORRUPT, "node 0");
    QVT_FAILS(qv__hnsw_add_level(graph, 1, far, 2, offsets, neighbours, &err), QV_CORRUPT, "node 3");
    QVT_FAILS(qv__hnsw_seal(graph, &err), QV_CORRUPT, "1 levels of a graph on 2");
    make_data(3, 2, QV_METRIC_L2, 1);
    QVT_OK(d.flat->class->query_new(d.flat, d.queries, &walk.query, &err));
    const uint8_t *plain = (const uint8_t *) d.rows;
    walk.plain = &plain;
    QVT_FAILS(qv__hnsw_search(graph, &walk, NULL, NULL, NULL, &err), QV_INVALID, "sealed");
    d.flat->class->query_free(walk.query);
    drop_data();
    qv__hnsw_free(graph);
}

/* ------------------------------------------------------------------ masks */

/* Bits of keys from 1000 on; keys of rows are three apart. */
static void random_mask(qvt_rng *rng, uint8_t *bits, size_t n_bytes, double share)
{
    memset(bits, 0, n_bytes);
    for (size_t i = 0; i < d.n; i++)
        if (qvt_rng_unit(rng) < share)
            qv__bit_set(bits, 3 * i);
}

static void masks(void **state)
{
    static const double shares[] = { 0.5, 0.1, 0.05, 0.01, 0.003 };
    static uint8_t bits[MAX_ROWS * 3 / 8 + 1];
    qv__key_span span = { 1000, sizeof bits * 8, bits };
    qv__key_mask mask = { 1, &span };
    qvt_rng rng = { 77 };
    QV_UNUSED(state);

    make_data(4000, 16, QV_METRIC_L2, 71);
    qv__hnsw *graph = build(10, 160, 0);
    for (size_t i = 0; i < QV_COUNT_OF(shares); i++) {
        random_mask(&rng, bits, sizeof bits, shares[i]);
        way way = plain_way(graph, 60);
        way.mask = &mask;
        assert_true(recall(&way, 20) >= 0.95);
    }
    qv__hnsw_free(graph);
    drop_data();
}

/* Only rows of one cluster may match, far from most queries: all that are wanted come nevertheless. */
static void correlated_masks(void **state)
{
    qv__key_span spans[] = { { 1000 + 3 * 400, 3 * 100, NULL }, { 1000 + 3 * 1900, 3, NULL } };
    qv__key_mask mask = { 2, spans }, nothing = { 0, NULL };
    QV_UNUSED(state);

    make_data(2000, 16, QV_METRIC_L2, 72);
    qv__hnsw *graph = build(8, 120, 0);
    way way = plain_way(graph, 40);
    way.mask = &mask;
    assert_true(recall(&way, 30) >= 0.9);
    way.mask = &nothing;
    assert_true(recall(&way, 3) == 1);
    qv__hnsw_free(graph);
    drop_data();
}

/* Many rows are walked, few are scanned, and so are many of which few may match. */
static void walk_or_scan(void **state)
{
    QV_UNUSED(state);

    assert_true(qv__hnsw_beats_scan(1000000, 128, 60, 1));
    assert_true(qv__hnsw_beats_scan(1000000, 512, 200, 0.1));
    assert_false(qv__hnsw_beats_scan(1000000, 128, 60, 0));
    assert_false(qv__hnsw_beats_scan(1000000, 128, 60, 1e-5));
    assert_false(qv__hnsw_beats_scan(1000, 128, 60, 1));
    assert_false(qv__hnsw_beats_scan(0, 128, 60, 1));
}

/* ------------------------------------------------------------------ few rows, equal rows */

static void few_rows(void **state)
{
    QV_UNUSED(state);

    for (size_t n = 0; n <= 12; n++) {
        make_data(n, 3, QV_METRIC_L2, 13 + n);
        qv__hnsw *graph = build(4, 10, 0);
        way way = plain_way(graph, 20);
        if (n > 0) {
            check_levels(graph);
            check_reach(graph);
        }
        assert_true(recall(&way, 5) == 1);
        qv__hnsw_free(graph);
        drop_data();
    }
}

static void equal_rows(void **state)
{
    QV_UNUSED(state);

    make_data(3000, 4, QV_METRIC_L2, 1);
    for (size_t i = 0; i < d.n * d.dim; i++)
        d.rows[i] = 1;
    qv__hnsw *graph = build(4, 20, 0);
    check_levels(graph);
    check_reach(graph);
    qv__hit hits[K];
    qv__hnsw_scratch *scratch = NULL;
    qv_error err;
    way way = plain_way(graph, 20);
    QVT_OK(qv__hnsw_scratch_new(&scratch, &err));
    assert_int_equal(search(&way, 0, scratch, hits), K);
    qv__hnsw_scratch_free(scratch);
    qv__hnsw_free(graph);
    drop_data();
}

/* One scratch, walk after walk, also after one that saw everything. */
static void many_walks(void **state)
{
    qv__hnsw_scratch *scratch = NULL;
    qv_error err;
    qv__hit first[K], hits[K];
    QV_UNUSED(state);

    make_data(MAX_ROWS, 6, QV_METRIC_L2, 2);
    qv__hnsw *graph = build(4, 20, 1);
    way way = plain_way(graph, 10);
    QVT_OK(qv__hnsw_scratch_new(&scratch, &err));
    assert_int_equal(search(&way, 0, scratch, first), K);
    for (int i = 0; i < 20; i++) {
        way.ef = i % 3 ? 10 : MAX_ROWS;
        assert_int_equal(search(&way, 0, scratch, hits), K);
        if (way.ef == 10)
            assert_memory_equal(hits, first, sizeof hits);
    }
    qv__hnsw_scratch_free(scratch);
    qv__hnsw_free(graph);
    drop_data();
}

/* ------------------------------------------------------------------ failures */

static void refused(void **state)
{
    qv__hnsw_options options = { .m = 3 };
    float rows[8] = { 0 };
    qv__hnsw *graph = NULL;
    qv_error err;
    QV_UNUSED(state);

    QVT_FAILS(qv__hnsw_build(rows, 8, 4, 2, QV_EL_F32, QV_METRIC_L2, &options, &graph, &err), QV_INVALID, "m = 3");
    options = (qv__hnsw_options){ .m = 16, .ef_construction = 8 };
    QVT_FAILS(qv__hnsw_build(rows, 8, 4, 2, QV_EL_F32, QV_METRIC_L2, &options, &graph, &err), QV_INVALID,
              "ef_construction = 8");
    options = (qv__hnsw_options){ .max_level = 40 };
    QVT_FAILS(qv__hnsw_build(rows, 8, 4, 2, QV_EL_F32, QV_METRIC_L2, &options, &graph, &err), QV_INVALID, "40 levels");
    options = (qv__hnsw_options){ .m = 0 };
    QVT_FAILS(qv__hnsw_build(rows, 8, 4, 2, QV_EL_F32, QV_METRIC_HAMMING, &options, &graph, &err), QV_INVALID,
              "metric 4");
    QVT_FAILS(qv__hnsw_build(rows, 2, 4, 2, QV_EL_U8, QV_METRIC_COSINE, &options, &graph, &err), QV_INVALID,
              "element type 5");
}

static void cancelled(void **state)
{
    qv_job job_options = { .struct_size = sizeof job_options };
    qv__job job;
    qv__hnsw *graph = NULL;
    qv_error err;
    QV_UNUSED(state);

    make_data(500, 4, QV_METRIC_L2, 1);
    QVT_OK(qv_cancel_new(&job_options.cancel, &err));
    qv__job_begin(&job, &job_options, "graph", d.n);
    qv__hnsw_options options = { .m = 4, .ef_construction = 10, .job = &job };
    QVT_OK(qv__hnsw_build(d.rows, d.dim * 4, d.n, d.dim, QV_EL_F32, QV_METRIC_L2, &options, &graph, &err));
    assert_int_equal(atomic_load(&job.rows_done), d.n);
    qv__hnsw_free(graph);
    qv_cancel_raise(job_options.cancel);
    size_t live = qv_memory().live_blocks;
    QVT_FAILS(qv__hnsw_build(d.rows, d.dim * 4, d.n, d.dim, QV_EL_F32, QV_METRIC_L2, &options, &graph, &err),
              QV_CANCELLED, "cancelled");
    assert_int_equal(qv_memory().live_blocks, live);
    qv__job_end(&job, QV_CANCELLED);
    qv_cancel_free(job_options.cancel);
    drop_data();
}

/* Builds, stores, reads and searches. */
static qv_status whole_life(qv_error *err)
{
    qv__hnsw_options options = { .m = 4, .ef_construction = 8, .threads = 1 };
    const uint8_t *plain = (const uint8_t *) d.rows;
    qv__key_span span = { 1000, 3 * d.n / 2, NULL };
    qv__key_mask mask = { 1, &span };
    qv__hnsw *graph = NULL;
    qv__hnsw_scratch *scratch = NULL;
    qv__code_query *query = NULL;
    qv__candidates candidates = { 0 };
    uint64_t n_distances = 0;
    qv_status st;

    QV_CHECK(qv__hnsw_build(d.rows, d.dim * 4, d.n, d.dim, QV_EL_F32, QV_METRIC_L2, &options, &graph, err));
    qv__hnsw_shape shape = qv__hnsw_shape_of(graph);
    lists base = store_level(graph, 0);
    shape.n_levels = 1;
    qv__hnsw_free(graph);
    graph = NULL;
    st = qv__hnsw_new(&shape, &graph, err);
    if (st == QV_OK)
        st = qv__hnsw_add_level(graph, 0, NULL, d.n, base.offsets, base.neighbours, err);
    free_lists(&base);
    QV_CHECK(st);
    QV_CHECK(qv__hnsw_seal(graph, err));
    QV_CHECK(qv__hnsw_scratch_new(&scratch, err));
    QV_CHECK(d.flat->class->query_new(d.flat, d.queries, &query, err));
    QV_CHECK(qv__candidates_init(&candidates, K, NULL, 0, &mask, err));
    qv__hnsw_walk walk = { query, &plain, d.keys, 12 };
    QV_CHECK(qv__hnsw_search(graph, &walk, scratch, &candidates, &n_distances, err));
done:
    qv__candidates_clear(&candidates);
    if (query)
        d.flat->class->query_free(query);
    qv__hnsw_scratch_free(scratch);
    qv__hnsw_free(graph);
    return st;
}

static void failed_allocations(void **state)
{
    qv_error err;
    QV_UNUSED(state);

    make_data(150, 4, QV_METRIC_L2, 1);
    size_t live = qv_memory().live_blocks;
    for (uint64_t n = 0;; n++) {
        qv__alloc_fail_at(n);
        qv_status st = whole_life(&err);
        bool fired = qv__alloc_fault_fired();
        qv__alloc_fail_at(UINT64_MAX);
        assert_int_equal(qv_memory().live_blocks, live);
        assert_int_equal(st, fired ? QV_NOMEM : QV_OK);
        if (!fired)
            break;
        assert_true(n < 1000);
    }
    drop_data();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_metric),
        cmocka_unit_test(in_cells),
        cmocka_unit_test(over_codes),
        cmocka_unit_test(over_bits),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(old_and_odd_lists),
        cmocka_unit_test(corrupt_lists),
        cmocka_unit_test(masks),
        cmocka_unit_test(correlated_masks),
        cmocka_unit_test(walk_or_scan),
        cmocka_unit_test(few_rows),
        cmocka_unit_test(equal_rows),
        cmocka_unit_test(many_walks),
        cmocka_unit_test(refused),
        cmocka_unit_test(cancelled),
        cmocka_unit_test(failed_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
