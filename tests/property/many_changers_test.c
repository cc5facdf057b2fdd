/* Eight processes change one table a hundred times each, under an enforced key: every change lands or says conflict, none is lost, and
 * no key is there twice. Each process owns a range of ids and knows what it left there; some ids are everybody's. */
#include <sys/wait.h>
#include <unistd.h>

#include "qvt_rows.h"
#include "qvt_sql.h"

enum { WRITERS = 8, CHANGES = 100, OWN = 40, SHARED = 12, SHARED_FIRST = 900000 };

typedef struct writer {
    int number;
    int64_t first; /* of its ids */
    qv_db *db;
    qv_table *table;
    qvt_rng rng;
    int value[OWN]; /* 0: not there, else the number in its name */
    int next_value;
    unsigned landed, conflicts;
    qv_error err;
} writer;

static qvt_row row_of(int64_t id, int value)
{
    qvt_row row = { .id = id, .has_name = true };
    snprintf(row.name, sizeof row.name, "%d", value);
    return row;
}

static qv_status upsert(writer *w, int *after)
{
    static const char *const id[] = { "id" };
    qv_merge_options options = QV_MERGE_OPTIONS_INIT;
    struct ArrowArrayStream stream;
    qvt_rows rows = { 0 };

    options.on = id;
    options.n_on = 1;
    options.insert_unmatched = true;
    options.update_matched = qvt_rng_below(&w->rng, 3) > 0;
    for (int i = 0, at = (int) qvt_rng_below(&w->rng, OWN); i < 3; i++, at = (at + 7) % OWN) {
        qvt_rows_add(&rows, row_of(w->first + at, w->next_value));
        if (options.update_matched || !after[at])
            after[at] = w->next_value;
    }
    qvt_rows_add(&rows, row_of(SHARED_FIRST + (int64_t) qvt_rng_below(&w->rng, SHARED), w->next_value));
    qv_status st = qvt_rows_export(&rows, 10, &stream, &w->err);
    if (st == QV_OK)
        st = qv_table_merge(w->table, &stream, &options, NULL, &w->err);
    qvt_rows_free(&rows);
    return st;
}

static qv_status append(writer *w, int *after)
{
    struct ArrowArrayStream stream;
    qvt_rows rows = { 0 };

    for (int at = 0; at < OWN && rows.n < 2; at++)
        if (!after[at]) {
            qvt_rows_add(&rows, row_of(w->first + at, w->next_value));
            after[at] = w->next_value;
        }
    qv_status st = qvt_rows_export(&rows, 10, &stream, &w->err);
    if (st == QV_OK)
        st = qv_table_write(w->table, QV_APPEND, &stream, NULL, NULL, &w->err);
    qvt_rows_free(&rows);
    return st;
}

static qv_status some(writer *w, int *after, bool is_delete)
{
    char where[128], value[32];
    const qv_assignment name = { "name", value };
    int from = (int) qvt_rng_below(&w->rng, OWN), n = 1 + (int) qvt_rng_below(&w->rng, 6);

    snprintf(where, sizeof where, "id >= %lld AND id < %lld", (long long) w->first + from,
             (long long) w->first + QV_MIN(from + n, OWN));
    snprintf(value, sizeof value, "'%d'", w->next_value);
    for (int at = from; at < QV_MIN(from + n, OWN); at++)
        after[at] = is_delete ? 0 : after[at] ? w->next_value : 0;
    return is_delete ? qv_table_delete(w->table, where, NULL, NULL, &w->err)
                     : qv_table_update(w->table, where, &name, 1, NULL, NULL, &w->err);
}

static qv_status change(writer *w, int *after)
{
    switch (qvt_rng_below(&w->rng, 5)) {
    case 0:
    case 1:
        return upsert(w, after);
    case 2:
        return append(w, after);
    default:
        return some(w, after, qvt_rng_below(&w->rng, 2));
    }
}

/* Its ids hold what it left there. */
static bool find_own(writer *w)
{
    int found[OWN] = { 0 };
    char where[96];

    if (qv_table_checkout_latest(w->table, &w->err) != QV_OK)
        return false;
    for (int at = 0; at < OWN; at++) {
        snprintf(where, sizeof where, "id = %lld", (long long) w->first + at);
        const char *text = qvt_sql_values(w->table, "name", where);
        found[at] = atoi(text);
        if (strchr(text, ',') || found[at] != w->value[at]) {
            fprintf(stderr, "writer %d, id %d: \"%s\", expected %d\n", w->number, at, text, w->value[at]);
            return false;
        }
    }
    return true;
}

static int work(const char *uri, int number, int pipe)
{
    static writer w;
    qv_status st = qv_db_open(uri, NULL, &w.db, &w.err);

    w.number = number;
    w.first = (number + 1) * 1000;
    w.rng = (qvt_rng){ 77 + (uint64_t) number };
    if (st == QV_OK)
        st = qv_db_open_table(w.db, "t", 0, &w.table, &w.err);
    for (int i = 0; st == QV_OK && i < CHANGES; i++) {
        int after[OWN];
        memcpy(after, w.value, sizeof after);
        w.next_value++;
        st = change(&w, after);
        w.landed += st == QV_OK;
        w.conflicts += st == QV_CONFLICT;
        if (st == QV_OK)
            memcpy(w.value, after, sizeof after);
        else if (st == QV_CONFLICT)
            st = QV_OK;
    }
    if (st != QV_OK)
        fprintf(stderr, "writer %d: %s: %s\n", number, qv_status_name(st), w.err.message);
    bool whole = st == QV_OK && find_own(&w) && write(pipe, &w.landed, sizeof w.landed) == sizeof w.landed;
    qv_table_close(w.table);
    qv_db_close(w.db);
    return whole ? 0 : 1;
}

static void make_table(const char *uri)
{
    static const char *const id[] = { "id" };
    qvt_rows first = { 0 };
    qv_db *db;
    qv_table *table;
    qv_error err;

    qvt_rows_add(&first, row_of(0, 1));
    QVT_OK(qvt_table_append(uri, &first, &err));
    QVT_OK(qv_db_open(uri, NULL, &db, &err));
    QVT_OK(qv_db_open_table(db, "t", 0, &table, &err));
    QVT_OK(qv_table_set_primary_key(table, id, 1, true, NULL, &err));
    qv_table_close(table);
    qv_db_close(db);
    qvt_rows_free(&first);
}

static void check_table(const char *uri, uint64_t landed)
{
    qv_db *db;
    qv_table *table;
    qv_error err;
    char where[64];

    QVT_OK(qv_db_open(uri, NULL, &db, &err));
    QVT_OK(qv_db_open_table(db, "t", 0, &table, &err));
    assert_int_equal(qv_table_version(table), 2 + landed);
    for (int i = 0; i < SHARED; i++) {
        snprintf(where, sizeof where, "id = %d", SHARED_FIRST + i);
        assert_true(qvt_sql_count(table, where) <= 1);
    }
    QVT_OK(qv_table_verify(table, NULL, NULL, NULL, NULL, &err));
    qv_table_close(table);
    qv_db_close(db);
}

static void all_land_or_say_so(void **state)
{
    char uri[4096];
    pid_t children[WRITERS];
    int ends[2];
    uint64_t landed = 0;

    QV_UNUSED(state);
    snprintf(uri, sizeof uri, "%s/db", qvt_temp_dir());
    make_table(uri);
    assert_int_equal(pipe(ends), 0);
    for (int w = 0; w < WRITERS; w++) {
        children[w] = qvt_fork();
        assert_true(children[w] >= 0);
        if (children[w] == 0)
            _exit(work(uri, w, ends[1]));
    }
    for (int w = 0; w < WRITERS; w++) {
        int status = 0;
        assert_int_equal(waitpid(children[w], &status, 0), children[w]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    for (int w = 0; w < WRITERS; w++) {
        unsigned n = 0;
        assert_int_equal(read(ends[0], &n, sizeof n), (int) sizeof n);
        landed += n;
    }
    printf("%llu of %d changes landed\n", (unsigned long long) landed, WRITERS * CHANGES);
    assert_true(landed > WRITERS * CHANGES / 2);
    check_table(uri, landed);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(all_land_or_say_so) };
    qvt_stay_single();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
