/* Random operations on a table and on an in-memory model of it: appends, overwrites, deletes, updates, merges, changes of columns,
 * restores. Every version ever made stays in the model, and is read again at random: scans, takes and searches of any version
 * must say what the model says. QVT_SEED repeats a run. */
#include <math.h>

#include "qvt_rows.h"
#include "qvt_sql.h"

#define STEPS         400
#define MOST_VERSIONS (STEPS + 2)
#define MOST_ROWS     3000

typedef struct world {
    qvt_rng rng;
    char uri[4096];
    qv_db *db;
    qv_table *table;
    int64_t next_id;
    qvt_rows versions[MOST_VERSIONS]; /* contents of version i */
    char extra[MOST_VERSIONS][16];    /* name of one more column, which is 2 * id or null; "": not there */
    bool moved[MOST_VERSIONS];        /* rows may not be in the order of their ids */
    bool stable;                      /* row ids */
    uint64_t latest;
    uint64_t seen; /* version that the handle sees */
    bool pinned;
    qv_error err;
} world;

#define OK(expr)                                                                      \
    do {                                                                              \
        qv_status ok_status = (expr);                                                 \
        if (ok_status != QV_OK)                                                       \
            fail_msg("%s: %s: %s", #expr, qv_status_name(ok_status), w->err.message); \
    } while (0)

static void random_options(world *w, qv_write_options *options)
{
    static const char *const file_versions[] = { NULL, "2.2", "2.1", "2.0" };

    options->max_rows_per_file = qvt_rng_below(&w->rng, 2) ? 0 : 1 + qvt_rng_below(&w->rng, 200);
    options->compression = (qv_compression) qvt_rng_below(&w->rng, 3);
    if (w->latest == 0)
        options->file_version = file_versions[qvt_rng_below(&w->rng, 4)];
}

static struct ArrowArrayStream fresh_rows(world *w, qvt_rows *rows)
{
    struct ArrowArrayStream stream;

    qvt_rows_random(&w->rng, qvt_rng_below(&w->rng, 10) ? qvt_rng_below(&w->rng, 300) : 0, &w->next_id, rows);
    OK(qvt_rows_export(rows, 1 + qvt_rng_below(&w->rng, 120), &stream, &w->err));
    return stream;
}

static void note_version(world *w, qvt_rows contents)
{
    w->latest++;
    w->versions[w->latest] = contents;
    memcpy(w->extra[w->latest], w->extra[w->latest - 1], sizeof w->extra[0]);
    w->moved[w->latest] = w->moved[w->latest - 1];
    w->seen = w->latest;
    assert_int_equal(qv_table_version(w->table), w->latest);
}

static void step_create(world *w)
{
    qv_write_options options = QV_WRITE_OPTIONS_INIT;
    qvt_rows rows = { 0 };

    random_options(w, &options);
    options.stable_row_ids = w->stable = qvt_rng_below(&w->rng, 2);
    struct ArrowArrayStream stream = fresh_rows(w, &rows);
    OK(qv_db_create_table(w->db, "t", QV_CREATE, &stream, NULL, &options, &w->table, &w->err));
    note_version(w, rows);
}

static void step_write(world *w)
{
    qv_write_options options = QV_WRITE_OPTIONS_INIT;
    qv_write_result result;
    qvt_rows rows = { 0 }, after = { 0 };

    bool overwrite = w->versions[w->latest].n > MOST_ROWS || qvt_rng_below(&w->rng, 12) == 0;
    random_options(w, &options);
    struct ArrowArrayStream stream = fresh_rows(w, &rows);
    if (w->pinned) {
        qv_status st = qv_table_write(w->table, QV_APPEND, &stream, &options, NULL, &w->err);
        assert_int_equal(st, QV_READ_ONLY);
        assert_null(stream.release);
        qvt_rows_free(&rows);
        return;
    }
    OK(qv_table_write(w->table, overwrite ? QV_OVERWRITE : QV_APPEND, &stream, &options, &result, &w->err));
    assert_int_equal(result.rows, rows.n);
    assert_int_equal(result.version, w->latest + 1);
    if (!overwrite)
        qvt_rows_copy(&after, &w->versions[w->latest]);
    qvt_rows_append(&after, &rows);
    qvt_rows_free(&rows);
    note_version(w, after);
    if (overwrite)
        w->extra[w->latest][0] = 0;
    w->moved[w->latest] = w->moved[w->latest] && !overwrite;
}

/* ---------------------------------------------------------------- changes */

/* A condition on ids, in SQL and for the model. */
typedef struct choice {
    int64_t modulus, rest;
    char where[64];
} choice;

static choice choose(world *w)
{
    choice c = { .modulus = 1 + (int64_t) qvt_rng_below(&w->rng, 40) };

    c.rest = (int64_t) qvt_rng_below(&w->rng, (uint64_t) c.modulus);
    snprintf(c.where, sizeof c.where, "id %% %lld = %lld", (long long) c.modulus, (long long) c.rest);
    return c;
}

static bool holds(const choice *c, const qvt_row *row) { return row->id % c->modulus == c->rest; }

static void step_delete(world *w)
{
    const qvt_rows *before = &w->versions[w->latest];
    choice c = choose(w);
    qvt_rows after = { 0 };
    qv_delete_result result;

    if (c.modulus < 5 && qvt_rng_below(&w->rng, 3) > 0) /* seldom many */
        return;
    OK(qv_table_delete(w->table, c.where, NULL, &result, &w->err));
    for (size_t i = 0; i < before->n; i++)
        if (!holds(&c, &before->rows[i]))
            qvt_rows_add(&after, before->rows[i]);
    assert_int_equal(result.rows_deleted, before->n - after.n);
    note_version(w, after);
}

static void step_update(world *w)
{
    static const qv_assignment new_name[] = { { "name", "concat('u', id % 1000)" } },
                               no_vector[] = { { "vector", "NULL" }, { "name", "NULL" } };
    const qvt_rows *before = &w->versions[w->latest];
    choice c = choose(w);
    bool clear = qvt_rng_below(&w->rng, 3) == 0;
    qvt_rows after = { 0 }, updated = { 0 };
    qv_update_result result;

    OK(qv_table_update(w->table, c.where, clear ? no_vector : new_name, clear ? 2 : 1, NULL, &result, &w->err));
    for (size_t i = 0; i < before->n; i++) {
        qvt_row row = before->rows[i];
        if (!holds(&c, &row)) {
            qvt_rows_add(&after, row);
            continue;
        }
        row.has_name = !clear;
        row.has_vector = row.has_vector && !clear;
        snprintf(row.name, sizeof row.name, "u%d", (int) (row.id % 1000));
        qvt_rows_add(&updated, row);
    }
    assert_int_equal(result.rows_updated, updated.n);
    qvt_rows_append(&after, &updated);
    qvt_rows_free(&updated);
    note_version(w, after);
    w->moved[w->latest] = true;
}

static size_t find_id(const qvt_rows *rows, int64_t id)
{
    size_t i = 0;

    while (i < rows->n && rows->rows[i].id != id)
        i++;
    return i;
}

/* Rows of which some are there already, each id once. */
static void source_rows(world *w, qvt_rows *out)
{
    const qvt_rows *all = &w->versions[w->latest];

    qvt_rows_random(&w->rng, qvt_rng_below(&w->rng, 40), &w->next_id, out);
    for (size_t i = 0; i < out->n && all->n > 0; i++) {
        int64_t id = all->rows[qvt_rng_below(&w->rng, all->n)].id;
        if (qvt_rng_below(&w->rng, 2) && find_id(out, id) == out->n)
            out->rows[i].id = id;
    }
}

static void step_merge(world *w)
{
    static const char *const id[] = { "id" };
    const qvt_rows *before = &w->versions[w->latest];
    qv_merge_options options = QV_MERGE_OPTIONS_INIT;
    choice c = choose(w);
    qvt_rows source = { 0 }, after = { 0 }, updated = { 0 }, inserted = { 0 };
    struct ArrowArrayStream stream;

    options.on = id;
    options.n_on = 1;
    options.update_matched = qvt_rng_below(&w->rng, 4) > 0;
    options.insert_unmatched = qvt_rng_below(&w->rng, 4) > 0 || !options.update_matched;
    options.delete_unmatched = qvt_rng_below(&w->rng, 4) == 0;
    options.delete_if = c.where;
    options.memory_limit_bytes = qvt_rng_below(&w->rng, 2) ? 0 : 700;
    source_rows(w, &source);
    OK(qvt_rows_export(&source, 1 + qvt_rng_below(&w->rng, 20), &stream, &w->err));
    OK(qv_table_merge(w->table, &stream, &options, NULL, &w->err));
    for (size_t i = 0; i < before->n; i++) {
        bool matched = find_id(&source, before->rows[i].id) < source.n;
        bool leaves = matched ? options.update_matched : options.delete_unmatched && holds(&c, &before->rows[i]);
        if (!leaves)
            qvt_rows_add(&after, before->rows[i]);
    }
    for (size_t i = 0; i < source.n; i++) {
        bool matched = find_id(before, source.rows[i].id) < before->n;
        if (matched ? options.update_matched : options.insert_unmatched)
            qvt_rows_add(matched ? &updated : &inserted, source.rows[i]);
    }
    qvt_rows_append(&after, &updated);
    qvt_rows_append(&after, &inserted);
    qvt_rows_free(&source);
    qvt_rows_free(&updated);
    qvt_rows_free(&inserted);
    note_version(w, after);
    w->moved[w->latest] = true;
}

/* One more column comes, changes its name, its type, and goes. */
static void step_column(world *w)
{
    char *extra = w->extra[w->latest];
    const char *name = extra;
    qv_assignment added = { "extra", "nullif(id * 2, -1)" };
    qv_column_change rename = { extra, strcmp(extra, "extra") ? "extra" : "other", NULL, -1 };
    qvt_rows after = { 0 };

    qvt_rows_copy(&after, &w->versions[w->latest]);
    if (!extra[0])
        OK(qv_table_add_columns(w->table, &added, 1, NULL, NULL, &w->err));
    else if (qvt_rng_below(&w->rng, 2))
        OK(qv_table_alter_columns(w->table, &rename, 1, NULL, NULL, &w->err));
    else
        OK(qv_table_drop_columns(w->table, &name, 1, NULL, &w->err));
    const char *now = qvt_sql_schema(w->table);
    note_version(w, after);
    snprintf(w->extra[w->latest], sizeof w->extra[0], "%s",
             strstr(now, "extra ")   ? "extra"
             : strstr(now, "other ") ? "other"
                                     : "");
}

static void step_restore(world *w)
{
    uint64_t from = 1 + qvt_rng_below(&w->rng, w->latest);
    qvt_rows after = { 0 };

    OK(qv_table_restore(w->table, from, &w->err));
    qvt_rows_copy(&after, &w->versions[from]);
    note_version(w, after);
    memcpy(w->extra[w->latest], w->extra[from], sizeof w->extra[0]);
    w->moved[w->latest] = w->moved[from];
}

static void step_change(world *w)
{
    static void (*const changes[])(world *) = { step_delete, step_update, step_merge,
                                                step_merge,  step_column, step_restore };
    qv_status st;

    if (!w->pinned) {
        changes[qvt_rng_below(&w->rng, QV_COUNT_OF(changes))](w);
        return;
    }
    st = qv_table_delete(w->table, "true", NULL, NULL, &w->err);
    assert_int_equal(st, QV_READ_ONLY);
}

/* ---------------------------------------------------------------- reads */

static void step_checkout(world *w)
{
    if (w->pinned || qvt_rng_below(&w->rng, 3) == 0) {
        OK(qv_table_checkout_latest(w->table, &w->err));
        w->seen = w->latest;
        w->pinned = false;
    } else {
        w->seen = 1 + qvt_rng_below(&w->rng, w->latest);
        OK(qv_table_checkout(w->table, w->seen, &w->err));
        w->pinned = true;
    }
    assert_int_equal(qv_table_version(w->table), w->seen);
}

static void step_reopen(world *w)
{
    qv_table_close(w->table);
    qv_db_close(w->db);
    OK(qv_db_open(w->uri, NULL, &w->db, &w->err));
    OK(qv_db_open_table(w->db, "t", 0, &w->table, &w->err));
    w->seen = w->latest;
    w->pinned = false;
}

static void step_scan(world *w)
{
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    const qvt_rows *all = &w->versions[w->seen];
    struct ArrowArrayStream stream;
    qvt_rows found = { 0 }, expected = { 0 };
    uint64_t rows = 0;

    options.offset = qvt_rng_below(&w->rng, 2) ? 0 : qvt_rng_below(&w->rng, all->n + 10);
    options.has_limit = qvt_rng_below(&w->rng, 2);
    options.limit = options.has_limit ? qvt_rng_below(&w->rng, all->n + 10) : 0;
    options.batch_rows = (uint32_t) qvt_rng_below(&w->rng, 100);
    options.job.threads = (uint32_t) (1 + qvt_rng_below(&w->rng, 4));
    for (uint64_t i = options.offset; i < all->n && (!options.has_limit || i - options.offset < options.limit); i++)
        qvt_rows_add(&expected, all->rows[i]);
    OK(qv_table_scan(w->table, &options, &stream, &w->err));
    OK(qvt_rows_read(&stream, &found, &w->err));
    assert_true(qvt_rows_equal(&found, &expected));
    OK(qv_table_count_rows(w->table, &rows, &w->err));
    assert_int_equal(rows, all->n);
    if (w->extra[w->seen][0]) {
        char where[64];
        snprintf(where, sizeof where, "%s <> id * 2", w->extra[w->seen]);
        assert_int_equal(qvt_sql_count(w->table, where), 0);
    }
    qvt_rows_free(&found);
    qvt_rows_free(&expected);
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;
    return (x > y) - (x < y);
}

static void step_take(world *w)
{
    const qvt_rows *all = &w->versions[w->seen];
    struct ArrowArrayStream stream;
    uint64_t offsets[40];
    size_t n = qvt_rng_below(&w->rng, 40);
    bool in_order = qvt_rng_below(&w->rng, 2);
    qvt_rows found = { 0 }, expected = { 0 };

    for (size_t i = 0; i < n; i++)
        offsets[i] = qvt_rng_below(&w->rng, all->n + 3);
    OK(qv_table_take(w->table, QV_TAKE_OFFSETS, offsets, n, in_order, NULL, &stream, &w->err));
    OK(qvt_rows_read(&stream, &found, &w->err));
    if (!in_order && n)
        qsort(offsets, n, sizeof *offsets, compare_u64);
    for (size_t i = 0; i < n; i++)
        if (offsets[i] < all->n)
            qvt_rows_add(&expected, all->rows[offsets[i]]);
    assert_true(qvt_rows_equal(&found, &expected));
    qvt_rows_free(&found);
    qvt_rows_free(&expected);
}

/* ---------------------------------------------------------------- search */

typedef struct hit {
    double distance;
    size_t position;
} hit;

static int compare_hits(const void *a, const void *b)
{
    const hit *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return (x->position > y->position) - (x->position < y->position);
}

static double model_distance(qv_metric metric, const float *q, const float *v)
{
    double l2 = 0, dot = 0, qq = 0, vv = 0;

    for (int d = 0; d < QVT_DIM; d++) {
        l2 += ((double) q[d] - v[d]) * ((double) q[d] - v[d]);
        dot += (double) q[d] * v[d];
        qq += (double) q[d] * q[d];
        vv += (double) v[d] * v[d];
    }
    if (metric == QV_METRIC_L2)
        return l2;
    if (metric == QV_METRIC_DOT)
        return 1 - dot;
    return qq > 0 && vv > 0 ? 1 - dot / sqrt(qq * vv) : NAN;
}

/* Ties go to the smaller row id: to the earlier row, unless rows with stable ids have moved. */
static void step_search(world *w)
{
    if (w->stable && w->moved[w->seen])
        return;

    static const qv_metric metrics[] = { QV_METRIC_L2, QV_METRIC_DOT };
    const qvt_rows *all = &w->versions[w->seen];
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;
    struct ArrowArrayStream stream;
    float query[QVT_DIM];
    hit *hits = calloc(all->n + 1, sizeof *hits);
    size_t n = 0;
    qvt_rows found = { 0 }, expected = { 0 };

    for (size_t d = 0; d < QVT_DIM; d++)
        query[d] = (float) qvt_rng_below(&w->rng, 8);
    options.metric = metrics[qvt_rng_below(&w->rng, 2)];
    options.k = (uint32_t) (1 + qvt_rng_below(&w->rng, 30));
    options.offset = qvt_rng_below(&w->rng, 3) ? 0 : qvt_rng_below(&w->rng, 20);
    options.has_upper = qvt_rng_below(&w->rng, 3) == 0;
    options.upper_bound = (float) qvt_rng_below(&w->rng, 40);
    options.has_lower = qvt_rng_below(&w->rng, 3) == 0;
    options.lower_bound = (float) qvt_rng_below(&w->rng, 20) - 10;
    options.job.threads = (uint32_t) (1 + qvt_rng_below(&w->rng, 4));
    for (size_t i = 0; i < all->n; i++) {
        double distance = all->rows[i].has_vector ? model_distance(options.metric, query, all->rows[i].vector) : NAN;
        if (!isnan(distance) && !(options.has_lower && distance < options.lower_bound) &&
            !(options.has_upper && distance >= options.upper_bound))
            hits[n++] = (hit){ distance, i };
    }
    qsort(hits, n, sizeof *hits, compare_hits);
    for (size_t i = options.offset; i < n && i - options.offset < options.k; i++)
        qvt_rows_add(&expected, all->rows[hits[i].position]);
    qv_vectors vectors = { query, QV_ELEMENT_F32, QVT_DIM, 1 };
    OK(qv_table_search(w->table, &vectors, &options, &stream, &w->err));
    OK(qvt_rows_read(&stream, &found, &w->err));
    if (!qvt_rows_equal(&found, &expected))
        fail_msg("search of version %llu: %zu rows found, %zu expected, or others", (unsigned long long) w->seen,
                 found.n, expected.n);
    free(hits);
    qvt_rows_free(&found);
    qvt_rows_free(&expected);
}

static void step_versions(world *w)
{
    qv_version_info *versions = NULL;
    size_t n = 0;

    OK(qv_table_versions(w->table, &versions, &n, &w->err));
    assert_int_equal(n, w->latest);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(versions[i].version, i + 1);
        assert_int_equal(versions[i].rows, w->versions[i + 1].n);
    }
    qv_versions_free(versions);
}

static void play(world *w)
{
    static void (*const reads[])(world *) = { step_scan,   step_take,     step_search,
                                              step_search, step_checkout, step_versions };

    OK(qv_db_open(w->uri, NULL, &w->db, &w->err));
    step_create(w);
    for (int step = 0; step < STEPS; step++) {
        uint64_t dice = qvt_rng_below(&w->rng, 100);
        if (dice < 20)
            step_write(w);
        else if (dice < 45)
            step_change(w);
        else if (dice < 50 && strncmp(w->uri, "memory:", 7) != 0)
            step_reopen(w);
        else
            reads[qvt_rng_below(&w->rng, QV_COUNT_OF(reads))](w);
    }
    OK(qv_table_verify(w->table, NULL, NULL, NULL, NULL, &w->err));
    qv_table_close(w->table);
    qv_db_close(w->db);
    for (size_t i = 0; i < MOST_VERSIONS; i++)
        qvt_rows_free(&w->versions[i]);
}

static void on_disk(void **state)
{
    static world w;

    QV_UNUSED(state);
    memset(&w, 0, sizeof w);
    w.rng = qvt_rng_seeded();
    snprintf(w.uri, sizeof w.uri, "%s/db", qvt_temp_dir());
    play(&w);
}

static void in_memory(void **state)
{
    static world w;

    QV_UNUSED(state);
    memset(&w, 0, sizeof w);
    w.rng = qvt_rng_seeded();
    snprintf(w.uri, sizeof w.uri, "memory://");
    play(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(on_disk), cmocka_unit_test(in_memory) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
