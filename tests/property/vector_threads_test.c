/* Threads search through a vector index while another one deletes, appends, optimizes and compacts. A row's id is its place in a known set of
 * vectors, so every distance can be checked; a row that was deleted before a search began is not in its answer. */
#include <pthread.h>
#include <stdatomic.h>

#include "qvt_vectors.h"

enum { ROWS = 1200, FIRST_ROWS = 800, STEPS = 8, DELETED = 60, ADDED = 50, DIM = 8, K = 10, SEARCHERS = 3 };

typedef struct scene {
    const float *values;
    qv_table *table;
    _Atomic int64_t deleted; /* ids below are gone */
    atomic_bool done;
} scene;

typedef struct searcher {
    scene *scene;
    qvt_rng rng;
    unsigned searches;
    qvt_hits hits;
    char problem[300]; /* cmocka's checks are for the main thread */
} searcher;

/* ------------------------------------------------------------------ searching */

static bool is_right_distance(const scene *s, const float *query, int64_t id, float distance)
{
    double sum = 0;

    for (size_t d = 0; d < DIM; d++) {
        double by = (double) s->values[(size_t) id * DIM + d] - (double) query[d];
        sum += by * by;
    }
    return distance <= sum * 1.001 + 1e-3 && distance >= sum * 0.999 - 1e-3;
}

static const char *wrong(const searcher *w, const float *query, int64_t gone, bool even)
{
    const qvt_hits *hits = &w->hits;

    if (hits->n != K)
        return "not k rows";
    for (size_t i = 0; i < hits->n; i++) {
        if (hits->ids[i] < gone || hits->ids[i] >= ROWS)
            return "a row that is not there";
        if (even && hits->ids[i] % 2)
            return "a row that does not match";
        if (!is_right_distance(w->scene, query, hits->ids[i], hits->distances[i]))
            return "a wrong distance";
        for (size_t j = 0; j < i; j++)
            if (hits->ids[i] == hits->ids[j] || hits->distances[j] > hits->distances[i])
                return "rows repeated or out of order";
    }
    return NULL;
}

static void search_once(searcher *w)
{
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;
    int64_t gone = atomic_load(&w->scene->deleted);
    const float *query = w->scene->values + qvt_rng_below(&w->rng, ROWS) * DIM;
    bool even = qvt_rng_below(&w->rng, 3) == 0;
    qv_error err;

    options.min_probes = 1 + (uint32_t) qvt_rng_below(&w->rng, 4);
    options.where = even ? "id % 2 = 0" : NULL;
    options.job.threads = 1 + (unsigned) qvt_rng_below(&w->rng, 2);
    qv_status st = qvt_vectors_search(w->scene->table, query, DIM, &options, &w->hits, &err);
    const char *what = st == QV_OK ? wrong(w, query, gone, even) : err.message;
    if (what)
        snprintf(w->problem, sizeof w->problem, "search %u: %.200s", w->searches, what);
    w->searches++;
}

static void *search(void *ctx)
{
    searcher *w = ctx;

    do
        search_once(w);
    while (!atomic_load(&w->scene->done) && !w->problem[0]);
    return NULL;
}

/* ------------------------------------------------------------------ changing */

static void change(scene *s, qv_db *db, int step)
{
    qv_index_merge_options merge = QV_INDEX_MERGE_OPTIONS_INIT;
    qv_compact_options compact = QV_COMPACT_OPTIONS_INIT;
    int64_t first = FIRST_ROWS + step * ADDED, gone = (step + 1) * DELETED;
    char where[40];
    qv_error err;

    snprintf(where, sizeof where, "id < %d", (int) gone);
    QVT_OK(qv_table_delete(s->table, where, NULL, NULL, &err));
    atomic_store(&s->deleted, gone);
    qvt_vectors_write(db, s->values + first * DIM, NULL, first, ADDED, DIM, NULL, &s->table);
    merge.merge_segments = step % 3 == 2 ? -1 : 0;
    QVT_OK(qv_table_optimize_indices(s->table, &merge, NULL, &err));
    compact.defer_index_remap = step % 4 == 3;
    if (step % 2)
        QVT_OK(qv_table_compact(s->table, &compact, NULL, &err));
}

static void run(qv_index_kind kind, bool stable)
{
    qv_index_options index = QV_INDEX_OPTIONS_INIT;
    qv_write_options write = QV_WRITE_OPTIONS_INIT;
    static searcher searchers[SEARCHERS];
    pthread_t threads[SEARCHERS];
    char uri[4096];
    qv_db *db;
    qv_error err;
    float *values = qvt_vectors_random(5, ROWS, DIM);
    scene s = { .values = values };

    snprintf(uri, sizeof uri, "%s/threads-%d", qvt_temp_dir(), (int) kind);
    QVT_OK(qv_db_open(uri, NULL, &db, &err));
    write.stable_row_ids = stable;
    write.max_rows_per_file = 300;
    qvt_vectors_write(db, values, NULL, 0, FIRST_ROWS, DIM, &write, &s.table);
    index.kind = kind;
    index.num_partitions = 4;
    QVT_OK(qv_table_create_index(s.table, "v", &index, &err));
    for (int i = 0; i < SEARCHERS; i++) {
        searchers[i] = (searcher){ .scene = &s, .rng = { 77 + (uint64_t) i } };
        assert_int_equal(pthread_create(&threads[i], NULL, search, &searchers[i]), 0);
    }
    for (int step = 0; step < STEPS; step++)
        change(&s, db, step);
    atomic_store(&s.done, true);
    for (int i = 0; i < SEARCHERS; i++) {
        pthread_join(threads[i], NULL);
        if (searchers[i].problem[0])
            fail_msg("kind %d: %s", (int) kind, searchers[i].problem);
    }
    QVT_OK(qv_table_verify(s.table, NULL, NULL, NULL, NULL, &err));
    qv_table_close(s.table);
    qv_db_close(db);
    free(values);
}

static void lists(void **state)
{
    QV_UNUSED(state);
    run(QV_INDEX_IVF_RQ, false);
    run(QV_INDEX_IVF_PQ, true);
}

static void graphs(void **state)
{
    QV_UNUSED(state);
    run(QV_INDEX_IVF_HNSW_SQ, false);
    run(QV_INDEX_IVF_HNSW_FLAT, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(lists), cmocka_unit_test(graphs) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
