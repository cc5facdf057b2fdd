/* Churn: a clustered data set lives through rounds in which a share of its rows, at times all of them, is deleted and as many others come,
 * from the same clusters or from others; after each round the table is optimized, as users do. What the index that lived through all this
 * finds at default settings is about as good as what one finds that is built anew over the same rows. */
#include "base/bytes.h"
#include "qvt_vectors.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { ROWS = 5000, QUERIES = 100 };
#else
enum { ROWS = 20000, QUERIES = 400 };
#endif
enum { DIM = 32, CENTRES = 120, K = 10 };

#define WORSE 0.01 /* recall that churn may cost */
#define AIMED 0.98 /* what defaults aim at, as measured when they are chosen; more of it is luck */

/* What happens to the clusters before new rows are drawn. */
typedef enum drift { STAY, MOVE, SHRINK, GROW, NEW } drift;

typedef struct step {
    int share; /* thousandths of the rows that are replaced */
    drift drift;
} step;

static const step calm[] = { { 100, STAY }, { 500, STAY }, { 300, STAY }, { 1000, STAY }, { 100, STAY },
                             { 900, STAY }, { 100, STAY }, { 200, STAY }, { 700, STAY },  { 100, STAY } };
static const step restless[] = { { 100, NEW },    { 300, MOVE }, { 100, SHRINK }, { 200, SHRINK }, { 500, SHRINK },
                                 { 100, SHRINK }, { 900, GROW }, { 100, NEW },    { 700, MOVE },   { 1000, NEW } };
enum { ROUNDS = sizeof calm / sizeof *calm };

typedef struct scene {
    char name[64];
    qv_index_kind kind;
    qvt_rng rng;
    float centres[CENTRES * DIM], scale;
    int64_t n_ids; /* given so far */
    float rows[ROWS * DIM], queries[QUERIES * DIM];
    qv_db *db;
    qv_table *table;
} scene;

/* ------------------------------------------------------------------ data */

/* About normal, of variance 1. */
static float noise(qvt_rng *rng)
{
    double sum = 0;

    for (int i = 0; i < 12; i++)
        sum += qvt_rng_unit(rng);
    return (float) (sum - 6);
}

static void draw(scene *s, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float *centre = s->centres + qvt_rng_below(&s->rng, CENTRES) * DIM;
        for (size_t d = 0; d < DIM; d++)
            out[i * DIM + d] = centre[d] + s->scale * noise(&s->rng);
    }
}

static void scale(scene *s, float by)
{
    s->scale *= by;
    for (size_t i = 0; i < CENTRES * DIM; i++)
        s->centres[i] *= by;
}

static void move(scene *s)
{
    for (size_t i = 0; i < CENTRES * DIM; i++)
        s->centres[i] += 1 + noise(&s->rng);
}

/* Other clusters, all of them elsewhere. */
static void renew(scene *s)
{
    for (size_t d = 0; d < DIM; d++) {
        float middle = 20 * noise(&s->rng);
        for (size_t c = 0; c < CENTRES; c++)
            s->centres[c * DIM + d] = middle + 3 * s->scale * noise(&s->rng);
    }
}

static void change(scene *s, drift how)
{
    switch (how) {
    case STAY:
        break;
    case MOVE:
        move(s);
        break;
    case SHRINK:
        scale(s, 0.5F);
        break;
    case GROW:
        scale(s, 2);
        break;
    case NEW:
        renew(s);
        break;
    }
}

static void append(scene *s, size_t n)
{
    draw(s, s->rows, n);
    qvt_vectors_write(s->db, s->rows, NULL, s->n_ids, n, DIM, NULL, &s->table);
    s->n_ids += (int64_t) n;
}

/* ------------------------------------------------------------------ recall */

static double recall(const scene *s, const char *index)
{
    static int64_t right[QUERIES * K], found[QUERIES * K];
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;
    const qv_vectors queries = { s->queries, QV_ELEMENT_F32, DIM, QUERIES };
    size_t n = 0;
    qv_error err;

    options.k = K;
    options.bypass_vector_index = true;
    QVT_OK(qvt_vectors_answers(s->table, &queries, &options, right, &err));
    options.bypass_vector_index = false;
    options.index = index;
    QVT_OK(qvt_vectors_answers(s->table, &queries, &options, found, &err));
    for (size_t q = 0; q < QUERIES; q++)
        for (size_t i = 0; i < K; i++)
            for (size_t j = 0; j < K; j++)
                n += found[q * K + i] == right[q * K + j];
    return (double) n / (QUERIES * K);
}

static void create(scene *s, const char *name)
{
    qv_index_options index = QV_INDEX_OPTIONS_INIT;
    qv_error err;

    index.kind = s->kind;
    index.name = name;
    QVT_OK(qv_table_create_index(s->table, "v", &index, &err));
}

/* Queries are of today's clusters. */
static void compare(scene *s, int round)
{
    qv_error err;

    draw(s, s->queries, QUERIES);
    create(s, "fresh");
    double lived = recall(s, "lived"), fresh = recall(s, "fresh");
    QVT_OK(qv_table_drop_index(s->table, "fresh", &err));
    if (lived < (fresh < AIMED ? fresh : AIMED) - WORSE)
        fail_msg("%s, round %d: a recall of %.4f, and of %.4f when built anew", s->name, round, lived, fresh);
}

/* ------------------------------------------------------------------ a life */

/* What rows were from their centroids when the model was trained: tells one model from another. */
static double loss(scene *s)
{
    char *json;
    qv_error err;

    QVT_OK(qv_table_index_stats(s->table, "lived", &json, &err));
    const char *at = strstr(json, "\"loss\":");
    assert_non_null(at);
    double value = atof(at + strlen("\"loss\":"));
    qv_string_free(json);
    return value;
}

static void churn(scene *s, int round, const step *step)
{
    char where[120];
    uint64_t before, after;
    qv_error err;

    QVT_OK(qv_table_count_rows(s->table, &before, &err));
    snprintf(where, sizeof where, "(id * 7919 + %d) %% 1000 < %d", round * 331, step->share);
    QVT_OK(qv_table_delete(s->table, where, NULL, NULL, &err));
    QVT_OK(qv_table_count_rows(s->table, &after, &err));
    change(s, step->drift);
    append(s, (size_t) (before - after));
    QVT_OK(qv_table_optimize(s->table, NULL, NULL, NULL, NULL, &err));
}

static void live(qv_index_kind kind, const char *name, const step *steps, bool stable)
{
    static scene s;
    char uri[4200];
    qv_write_options write = QV_WRITE_OPTIONS_INIT;
    qv_error err;

    s = (scene){ .kind = kind, .scale = 1, .rng = { 4711 + (uint64_t) kind } };
    snprintf(s.name, sizeof s.name, "%s, %s", name, steps == calm ? "calm" : "restless");
    for (size_t i = 0; i < CENTRES * DIM; i++)
        s.centres[i] = 3 * noise(&s.rng);
    snprintf(uri, sizeof uri, "%s/%s", qvt_temp_dir(), s.name);
    QVT_OK(qv_db_open(uri, NULL, &s.db, &err));
    write.stable_row_ids = stable;
    draw(&s, s.rows, ROWS);
    qvt_vectors_write(s.db, s.rows, NULL, 0, ROWS, DIM, &write, &s.table);
    s.n_ids = ROWS;
    create(&s, "lived");
    for (int round = 0; round < ROUNDS; round++) {
        double before = loss(&s);
        churn(&s, round, &steps[round]);
        if (steps[round].drift == STAY && steps[round].share < 1000 && loss(&s) != before)
            fail_msg("%s, round %d: trained anew although the rows are of the same kind", s.name, round);
        if (steps == restless || round % 3 == 0)
            compare(&s, round);
    }
    QVT_OK(qv_table_verify(s.table, NULL, NULL, NULL, NULL, &err));
    qv_table_close(s.table);
    qv_db_close(s.db);
}

#define LIVES(kind)                                   \
    static void kind(void **state)                    \
    {                                                 \
        QV_UNUSED(state);                             \
        live(QV_INDEX_##kind, #kind, calm, false);    \
        live(QV_INDEX_##kind, #kind, restless, true); \
    }

LIVES(IVF_FLAT)
LIVES(IVF_SQ)
LIVES(IVF_PQ)
LIVES(IVF_RQ)
LIVES(IVF_HNSW_SQ)

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(IVF_FLAT), cmocka_unit_test(IVF_SQ), cmocka_unit_test(IVF_PQ),
                                        cmocka_unit_test(IVF_RQ), cmocka_unit_test(IVF_HNSW_SQ) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
