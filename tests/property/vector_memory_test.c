/* What building, extending and moving a vector index takes of the heap. Each is done in a process of its own, which tells the most that it
 * held at once beyond what it began with. */
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "qvt_vectors.h"

enum { DIM = 256 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { ROWS = 6000, GRAPH_ROWS = 1500 };
#else
enum { ROWS = 40000, GRAPH_ROWS = 6000 };
#endif

typedef struct task {
    const char *uri;
    qv_index_kind kind;
    size_t rows; /* of the table, or to be added */
    uint64_t limit;
} task;

static bool has_graph(qv_index_kind kind)
{
    return kind == QV_INDEX_IVF_HNSW_FLAT || kind == QV_INDEX_IVF_HNSW_SQ || kind == QV_INDEX_IVF_HNSW_PQ;
}

/* ------------------------------------------------------------------ in a process of its own */

static void write_rows(const task *t)
{
    qv_db *db;
    qv_table *table = NULL;
    float *values = qvt_vectors_random(7, t->rows, DIM);
    qv_error err;

    QVT_OK(qv_db_open(t->uri, NULL, &db, &err));
    if (qv_db_open_table(db, "t", 0, &table, &err) != QV_OK)
        table = NULL;
    qvt_vectors_write(db, values, NULL, 0, t->rows, DIM, NULL, &table);
    free(values);
    qv_table_close(table);
    qv_db_close(db);
}

static void build(const task *t)
{
    qv_index_options index = QV_INDEX_OPTIONS_INIT;
    qv_db *db;
    qv_table *table;
    qv_error err;

    index.kind = t->kind;
    index.memory_limit_bytes = t->limit;
    index.max_iterations = 4;
    index.hnsw_ef_construction = has_graph(t->kind) ? 40 : 0;
    QVT_OK(qv_db_open(t->uri, NULL, &db, &err));
    QVT_OK(qv_db_open_table(db, "t", 0, &table, &err));
    QVT_OK(qv_table_create_index(table, "v", &index, &err));
    qv_table_close(table);
    qv_db_close(db);
}

/* All segments become one. */
static void extend(const task *t)
{
    qv_index_merge_options merge = QV_INDEX_MERGE_OPTIONS_INIT;
    qv_db *db;
    qv_table *table;
    qv_error err;

    merge.merge_segments = 10;
    QVT_OK(qv_db_open(t->uri, NULL, &db, &err));
    QVT_OK(qv_db_open_table(db, "t", 0, &table, &err));
    QVT_OK(qv_table_optimize_indices(table, &merge, NULL, &err));
    qv_table_close(table);
    qv_db_close(db);
}

/* Rows go, the rest moves. */
static void compact(const task *t)
{
    qv_compact_options compact = QV_COMPACT_OPTIONS_INIT;
    qv_db *db;
    qv_table *table;
    qv_error err;

    QVT_OK(qv_db_open(t->uri, NULL, &db, &err));
    QVT_OK(qv_db_open_table(db, "t", 0, &table, &err));
    QVT_OK(qv_table_delete(table, "id % 5 = 0", NULL, NULL, &err));
    QVT_OK(qv_table_compact(table, &compact, NULL, &err));
    qv_table_close(table);
    qv_db_close(db);
}

/* The most bytes that the work held beyond what was there. */
static size_t peak_of(void (*work)(const task *), const task *t)
{
    int pipe_ends[2], status;
    size_t peak = 0;

    assert_int_equal(pipe(pipe_ends), 0);
    pid_t child = qvt_fork();
    if (!child) {
        size_t before = qv_memory().live_bytes;
        work(t);
        peak = qv_memory().peak_bytes - before;
        _exit(write(pipe_ends[1], &peak, sizeof peak) == sizeof peak ? 0 : 1);
    }
    close(pipe_ends[1]);
    assert_int_equal(read(pipe_ends[0], &peak, sizeof peak), sizeof peak);
    close(pipe_ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return peak;
}

/* ------------------------------------------------------------------ bounds */

/* What a build holds besides rows: a page of the index, a chunk of rows, what measures the index, the model; and what linking a graph
 * compares at once. */
#define SLACK       16e6
#define GRAPH_SLACK 24e6

static void expect_below(qv_index_kind kind, const char *name, const char *what, size_t peak, double most)
{
    most += has_graph(kind) ? GRAPH_SLACK : SLACK;
    if ((double) peak > most)
        fail_msg("%s: %s holds %.1f MB at once, and may hold %.1f", name, what, (double) peak / 1e6, most / 1e6);
}

static void measure(qv_index_kind kind, const char *name)
{
    char uri[4200];
    task t = { uri, kind, has_graph(kind) ? GRAPH_ROWS : ROWS, 0 };
    double data = (double) t.rows * DIM * sizeof(float);
    double share = has_graph(kind) ? 2.4 : 1.2; /* a list that is made a graph of is held twice, and its neighbours */

    snprintf(uri, sizeof uri, "%s/%s", qvt_temp_dir(), name);
    peak_of(write_rows, &t);
    expect_below(kind, name, "a build", peak_of(build, &t), share * data);
    t.limit = (uint64_t) (data / 4);
    expect_below(kind, name, "a build with a limit", peak_of(build, &t), data / 4);
    t.rows /= 2;
    peak_of(write_rows, &t);
    expect_below(kind, name, "extending", peak_of(extend, &t), share * data * 1.5);
    expect_below(kind, name, "moving", peak_of(compact, &t), share * data * 1.5);
}

#define KIND(kind)                       \
    static void kind(void **state)       \
    {                                    \
        QV_UNUSED(state);                \
        measure(QV_INDEX_##kind, #kind); \
    }
KIND(IVF_FLAT)
KIND(IVF_SQ)
KIND(IVF_PQ)
KIND(IVF_RQ)
KIND(IVF_HNSW_FLAT)
KIND(IVF_HNSW_SQ)
KIND(IVF_HNSW_PQ)

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(IVF_FLAT),      cmocka_unit_test(IVF_SQ),
                                        cmocka_unit_test(IVF_PQ),        cmocka_unit_test(IVF_RQ),
                                        cmocka_unit_test(IVF_HNSW_FLAT), cmocka_unit_test(IVF_HNSW_SQ),
                                        cmocka_unit_test(IVF_HNSW_PQ) };
    qvt_stay_single();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
