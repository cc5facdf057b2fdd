#include "qvt_vector_index.h"

#include "base/alloc.h"
#include "table/table.h"

enum { K = 10, LISTS = 3 };

/* ------------------------------------------------------------------ before */

static qv_index_options index_options(const qvt_vector_index *x)
{
    qv_index_options options = QV_INDEX_OPTIONS_INIT;

    options.kind = x->kind;
    options.num_partitions = LISTS;
    options.max_iterations = 2;
    options.memory_limit_bytes = x->memory;
    options.job.threads = 2;
    if (x->kind == QV_INDEX_IVF_PQ || x->kind == QV_INDEX_IVF_HNSW_PQ) {
        options.num_bits = 4;
        options.num_sub_vectors = (uint32_t) x->dim / 2;
    }
    return options;
}

static qv_status optimize(qv_table *table, int64_t segments, qv_error *err)
{
    qv_index_merge_options options = QV_INDEX_MERGE_OPTIONS_INIT;

    options.merge_segments = segments;
    options.job.threads = 2;
    return qv_table_optimize_indices(table, &options, NULL, err);
}

static void add_rows(qvt_vector_index *x, size_t from, size_t n)
{
    qv_write_options options = QV_WRITE_OPTIONS_INIT;

    options.max_rows_per_file = x->rows / 3 + 1;
    options.stable_row_ids = x->stable;
    qvt_vectors_write(x->db, x->values + from * x->dim, NULL, (int64_t) from, n, x->dim, &options, &x->table);
}

static qv_status add_folder(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    QV_UNUSED(name);
    QV_UNUSED(size);
    QV_UNUSED(err);
    *(size_t *) ctx += is_folder;
    return QV_OK;
}

static size_t count_folders(const qvt_vector_index *x)
{
    char uri[4300];
    qv__store *store;
    size_t n = 0;
    qv_error err;

    snprintf(uri, sizeof uri, "%s/t.lance", x->uri);
    QVT_OK(qv__store_open(uri, false, &store, &err));
    qv_status st = qv__store_list(store, "_indices", add_folder, &n, &err);
    if (st != QV_NOT_FOUND)
        QVT_OK(st);
    qv__store_unref(store);
    return n;
}

static void reopen(qvt_vector_index *x)
{
    qv_error err;

    qv_table_close(x->table);
    qv_db_close(x->db);
    QVT_OK(qv_db_open(x->uri, NULL, &x->db, &err));
    QVT_OK(qv_db_open_table(x->db, "t", 0, &x->table, &err));
}

void qvt_vector_index_prepare(void *ctx)
{
    qvt_vector_index *x = ctx;
    qv_index_options options = index_options(x);
    bool has_index = x->act != QVT_INDEX_CREATE, has_news = x->act == QVT_INDEX_DELTA || x->act == QVT_INDEX_MERGE;
    size_t first = has_news ? x->rows / 2 : x->rows;
    qv_error err;

    if (!x->values)
        x->values = qvt_vectors_random(7, x->rows, x->dim);
    x->table = NULL;
    snprintf(x->uri, sizeof x->uri, "%s/vectors-%u-%u-%u", qvt_temp_dir(), (unsigned) x->act, (unsigned) x->kind,
             x->n_folders++);
    QVT_OK(qv_db_open(x->uri, NULL, &x->db, &err));
    add_rows(x, 0, first);
    if (has_index)
        QVT_OK(qv_table_create_index(x->table, "v", &options, &err));
    if (x->act == QVT_INDEX_MERGE) {
        add_rows(x, first, x->rows / 4);
        QVT_OK(optimize(x->table, 0, &err));
        first += x->rows / 4;
    }
    if (has_news)
        add_rows(x, first, x->rows - first);
    QVT_OK(qv_table_delete(x->table, "id % 50 = 7", NULL, NULL, &err));
    reopen(x); /* nothing is in memory yet */
    x->version = qv_table_version(x->table);
    x->folders = count_folders(x);
}

/* ------------------------------------------------------------------ the act */

/* Every list, and a true distance for every row. */
qv_search_options qvt_vector_index_everything(const qvt_vector_index *x)
{
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;

    options.k = K;
    options.min_probes = LISTS;
    options.ef = (uint32_t) x->rows;
    options.refine_factor = (uint32_t) x->rows / K + 1;
    options.job.threads = 2;
    return options;
}

static qv_status compact(qv_table *table, qv_error *err)
{
    qv_compact_options options = QV_COMPACT_OPTIONS_INIT;

    options.job.threads = 2;
    return qv_table_compact(table, &options, NULL, err);
}

qv_status qvt_vector_index_run(void *ctx, qv_error *err)
{
    qvt_vector_index *x = ctx;
    qv_index_options options = index_options(x);
    qv_search_options search = qvt_vector_index_everything(x);

    switch (x->act) {
    case QVT_INDEX_CREATE:
    case QVT_INDEX_REPLACE:
        return qv_table_create_index(x->table, "v", &options, err);
    case QVT_INDEX_SEARCH_FILTER:
        search.where = "id % 3 = 0";
        /* fall through */
    case QVT_INDEX_SEARCH:
        return qvt_vectors_search(x->table, x->values, x->dim, &search, &x->hits, err);
    case QVT_INDEX_DELTA:
        return optimize(x->table, 0, err);
    case QVT_INDEX_MERGE:
        return optimize(x->table, 2, err);
    case QVT_INDEX_COMPACT:
        return compact(x->table, err);
    default:
        return qv_table_drop_index(x->table, "v_idx", err);
    }
}

/* ------------------------------------------------------------------ after */

static bool changes_table(qvt_vector_act act) { return act != QVT_INDEX_SEARCH && act != QVT_INDEX_SEARCH_FILTER; }

/* Segments that the newest version should have. */
static size_t segments(const qvt_vector_index *x, bool is_new)
{
    switch (x->act) {
    case QVT_INDEX_CREATE:
        return is_new;
    case QVT_INDEX_DELTA:
        return is_new ? 2 : 1;
    case QVT_INDEX_MERGE:
        return is_new ? 1 : 2;
    case QVT_INDEX_DROP:
        return !is_new;
    default:
        return 1;
    }
}

static size_t count_entries(const qvt_vector_index *x)
{
    const qv__index_entry *entries;
    char uri[4300];
    qv__store *store;
    qv__snapshot *s;
    size_t n;
    qv_error err;

    snprintf(uri, sizeof uri, "%s/t.lance", x->uri);
    QVT_OK(qv__store_open(uri, false, &store, &err));
    QVT_OK(qv__snapshot_open(store, 0, &s, &err));
    QVT_OK(qv__snapshot_indices(s, &entries, &n, &err));
    qv__snapshot_unref(s);
    qv__store_unref(store);
    return n;
}

static void check_answers(qvt_vector_index *x, const char *where, bool has_index)
{
    qv_search_options options = qvt_vector_index_everything(x), exact = options;
    qvt_hits found, right;
    qv_error err;

    options.where = exact.where = where;
    exact.bypass_vector_index = true;
    for (size_t q = 0; q < 3; q++) {
        const float *query = x->values + (q * 97 + 7) % x->rows * x->dim;
        QVT_OK(qvt_vectors_search(x->table, query, x->dim, &exact, &right, &err));
        assert_int_equal(right.n, K);
        QVT_OK(qvt_vectors_search(x->table, query, x->dim, &options, &found, &err));
        qvt_hits_same(where ? where : "all rows", &found, &right);
    }
    assert_int_equal(qvt_vectors_by_index(x->table, x->values, x->dim, &options), has_index);
}

/* What was killed leaves files; a clean-up removes them. */
static void clean_up(qvt_vector_index *x)
{
    qv_cleanup_options options = QV_CLEANUP_OPTIONS_INIT;
    qv_error err;

    options.older_than_s = 0;
    options.delete_unverified = true;
    QVT_OK(qv_table_cleanup(x->table, &options, NULL, &err));
    assert_int_equal(count_folders(x), count_entries(x));
}

static void on_problem(void *user, const char *object, const char *what)
{
    QV_UNUSED(user);
    print_error("verify: %s %s\n", object, what);
}

void qvt_vector_index_check(void *ctx, qv_status st)
{
    qvt_vector_index *x = ctx;
    qv_error err;

    if (!changes_table(x->act) && st == QV_OK) { /* in memory is what was opened under faults */
        qv_search_options exact = qvt_vector_index_everything(x);
        qvt_hits right;
        exact.bypass_vector_index = true;
        exact.where = x->act == QVT_INDEX_SEARCH_FILTER ? "id % 3 = 0" : NULL;
        QVT_OK(qvt_vectors_search(x->table, x->values, x->dim, &exact, &right, &err));
        qvt_hits_same("under faults", &x->hits, &right);
    }
    reopen(x);
    bool is_new = qv_table_version(x->table) > x->version;
    if (st == QV_OK)
        assert_int_equal(is_new, changes_table(x->act));
    size_t n = segments(x, is_new);
    assert_int_equal(count_entries(x), n);
    check_answers(x, NULL, n > 0);
    check_answers(x, "id % 2 = 0", n > 0);
    QVT_OK(qv_table_verify(x->table, on_problem, NULL, NULL, NULL, &err));
    if (x->was_killed)
        clean_up(x);
    else if (!is_new)
        assert_int_equal(count_folders(x), x->folders);
    qv_table_close(x->table);
    qv_db_close(x->db);
}
