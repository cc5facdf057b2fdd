/* Damaged and missing files of vector indices: searches answer by reading all rows, say so once, and verify names the file; an index that is made
 * again is whole. */
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "qvt_vectors.h"

enum { ROWS = 600, DIM = 8, K = 10 };

static qv_error err;

/* ------------------------------------------------------------------ files */

typedef struct scene {
    char uri[4096], folder[5000];
    float *values;
    qv_db *db;
    qv_table *table;
} scene;

static void find_folder(scene *s)
{
    char path[4200];
    struct dirent *entry;
    size_t n = 0;

    snprintf(path, sizeof path, "%s/t.lance/_indices", s->uri);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.') {
            snprintf(s->folder, sizeof s->folder, "%s/%s", path, entry->d_name);
            n++;
        }
    closedir(dir);
    assert_int_equal(n, 1);
}

static uint8_t *load(const char *path, size_t *len)
{
    struct stat info;
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &info), 0);
    uint8_t *data = malloc((size_t) info.st_size + 1);
    assert_non_null(data);
    *len = fread(data, 1, (size_t) info.st_size, file);
    fclose(file);
    return data;
}

static void store(const char *path, const uint8_t *data, size_t len)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    fclose(file);
}

/* ------------------------------------------------------------------ scenes */

static void make_index(scene *s, qv_index_kind kind)
{
    qv_index_options options = QV_INDEX_OPTIONS_INIT;

    options.kind = kind;
    options.num_partitions = 4;
    options.max_iterations = 3;
    QVT_OK(qv_table_create_index(s->table, "v", &options, &err));
}

static void open_scene(scene *s, qv_index_kind kind)
{
    static unsigned number;

    *s = (scene){ 0 };
    snprintf(s->uri, sizeof s->uri, "%s/damaged-%d-%u", qvt_temp_dir(), (int) kind, number++);
    s->values = qvt_vectors_random(11, ROWS, DIM);
    QVT_OK(qv_db_open(s->uri, NULL, &s->db, &err));
    qvt_vectors_write(s->db, s->values, NULL, 0, ROWS, DIM, NULL, &s->table);
    make_index(s, kind);
    find_folder(s);
}

static void reopen(scene *s)
{
    qv_table_close(s->table);
    qv_db_close(s->db);
    QVT_OK(qv_db_open(s->uri, NULL, &s->db, &err));
    QVT_OK(qv_db_open_table(s->db, "t", 0, &s->table, &err));
}

static void close_scene(scene *s)
{
    qv_table_close(s->table);
    qv_db_close(s->db);
    free(s->values);
}

static qv_search_options through_index(void)
{
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;

    options.k = K;
    options.min_probes = 4;
    options.ef = ROWS;
    options.refine_factor = ROWS / K;
    return options;
}

/* ------------------------------------------------------------------ what is told */

typedef struct told {
    unsigned warnings, problems;
    char text[600];
} told;

static void on_log(void *user, qv_log_level level, const char *message)
{
    told *t = user;

    QV_UNUSED(level);
    t->warnings++;
    snprintf(t->text, sizeof t->text, "%s", message);
}

static void on_problem(void *user, const char *object, const char *what)
{
    told *t = user;

    t->problems++;
    snprintf(t->text, sizeof t->text, "%.250s: %.250s", object, what);
}

/* ------------------------------------------------------------------ damage that is seen */

static void search(scene *s, told *log, bool is_damaged)
{
    qv_search_options options = through_index(), exact = options;
    static qvt_hits found, right;

    exact.bypass_vector_index = true;
    *log = (told){ 0 };
    for (size_t q = 0; q < 5; q++) {
        const float *query = s->values + q * 100 * DIM;
        qv_set_log(on_log, log, QV_LOG_WARNING);
        QVT_OK(qvt_vectors_search(s->table, query, DIM, &options, &found, &err));
        qv_set_log(NULL, NULL, QV_LOG_ERROR);
        QVT_OK(qvt_vectors_search(s->table, query, DIM, &exact, &right, &err));
        qvt_hits_same("damaged", &found, &right);
    }
    if (is_damaged) {
        assert_int_equal(log->warnings, 1);
        if (!strstr(log->text, "v_idx"))
            fail_msg("the log does not name the index: %s", log->text);
    }
}

static void is_told(scene *s, const char *file)
{
    told found = { 0 };

    QVT_FAILS(qv_table_verify(s->table, on_problem, &found, NULL, NULL, &err), QV_CORRUPT, "problem");
    assert_true(found.problems > 0);
    if (!strstr(found.text, file) && !strstr(found.text, "v_idx"))
        fail_msg("verify does not name %s: %s", file, found.text);
}

typedef enum damage { MISSING, EMPTY, HALVED, CUT, FOOTER, ZEROED, DAMAGES } damage;

static void damage_file(const char *path, damage kind, const uint8_t *good, size_t len)
{
    uint8_t *bad = malloc(len + 1);

    assert_non_null(bad);
    memcpy(bad, good, len);
    if (kind == MISSING) {
        assert_int_equal(unlink(path), 0);
    } else {
        if (kind == FOOTER)
            memset(bad + len - 30, 0xff, 20);
        if (kind == ZEROED)
            memset(bad, 0, len);
        store(path, bad, kind == EMPTY ? 0 : kind == HALVED ? len / 2 : kind == CUT ? len - 1 : len);
    }
    free(bad);
}

static void damage_each(scene *s, const char *name)
{
    char path[5100];
    size_t len;
    told log;

    snprintf(path, sizeof path, "%s/%s", s->folder, name);
    uint8_t *good = load(path, &len);
    for (int kind = 0; kind < DAMAGES; kind++) {
        damage_file(path, (damage) kind, good, len);
        reopen(s);
        search(s, &log, true);
        is_told(s, name);
        store(path, good, len);
    }
    free(good);
    reopen(s);
    search(s, &log, false);
    assert_int_equal(log.warnings, 0);
    QVT_OK(qv_table_verify(s->table, NULL, NULL, NULL, NULL, &err));
}

static void repair(scene *s, qv_index_kind kind)
{
    qv_search_options options = through_index();
    char path[5100];

    snprintf(path, sizeof path, "%s/index.idx", s->folder);
    assert_int_equal(unlink(path), 0);
    reopen(s);
    assert_false(qvt_vectors_by_index(s->table, s->values, DIM, &options));
    make_index(s, kind);
    QVT_OK(qv_table_verify(s->table, NULL, NULL, NULL, NULL, &err));
    assert_true(qvt_vectors_by_index(s->table, s->values, DIM, &options));
}

static const qv_index_kind kinds[] = { QV_INDEX_IVF_FLAT, QV_INDEX_IVF_SQ,      QV_INDEX_IVF_PQ,
                                       QV_INDEX_IVF_RQ,   QV_INDEX_IVF_HNSW_SQ, QV_INDEX_IVF_HNSW_FLAT };

static void seen(void **state)
{
    scene s;

    QV_UNUSED(state);
    for (size_t i = 0; i < QV_COUNT_OF(kinds); i++) {
        open_scene(&s, kinds[i]);
        damage_each(&s, "index.idx");
        damage_each(&s, "auxiliary.idx");
        repair(&s, kinds[i]);
        close_scene(&s);
    }
}

/* ------------------------------------------------------------------ damage anywhere */

/* What bits say wrongly may lead to other rows, never to wrong distances, fewer rows, or a crash. */
static void check_sane(scene *s, qvt_hits *found)
{
    for (size_t i = 0; i < found->n; i++) {
        const float *row = s->values + found->ids[i] * DIM;
        double sum = 0;
        assert_in_range(found->ids[i], 0, ROWS - 1);
        for (size_t d = 0; d < DIM; d++)
            sum += ((double) row[d] - (double) s->values[d]) * ((double) row[d] - (double) s->values[d]);
        assert_true(found->distances[i] <= sum * 1.001 + 1e-3 && found->distances[i] >= sum * 0.999 - 1e-3);
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(found->ids[i], found->ids[j]);
    }
    assert_int_equal(found->n, K);
}

static void flip_bits(scene *s, qvt_rng *rng, const char *name, unsigned rounds)
{
    qv_search_options options = through_index();
    static qvt_hits found;
    char path[5100];
    size_t len;

    snprintf(path, sizeof path, "%s/%s", s->folder, name);
    uint8_t *good = load(path, &len), *bad = malloc(len);
    assert_non_null(bad);
    for (unsigned i = 0; i < rounds; i++) {
        memcpy(bad, good, len);
        for (uint64_t n = 1 + qvt_rng_below(rng, 4); n > 0; n--)
            bad[qvt_rng_below(rng, len)] ^= (uint8_t) (1U << qvt_rng_below(rng, 8));
        store(path, bad, len);
        reopen(s);
        QVT_OK(qvt_vectors_search(s->table, s->values, DIM, &options, &found, &err));
        check_sane(s, &found);
        qv_status st = qv_table_verify(s->table, NULL, NULL, NULL, NULL, &err);
        assert_true(st == QV_OK || st == QV_CORRUPT);
    }
    store(path, good, len);
    free(good);
    free(bad);
}

static void anywhere(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    scene s;

    QV_UNUSED(state);
    for (size_t i = 0; i < QV_COUNT_OF(kinds); i++) {
        open_scene(&s, kinds[i]);
        flip_bits(&s, &rng, "index.idx", 60);
        flip_bits(&s, &rng, "auxiliary.idx", 60);
        close_scene(&s);
    }
    assert_int_equal(qv_memory().live_blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(seen), cmocka_unit_test(anywhere) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
