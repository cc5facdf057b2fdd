/* Reads under conditions, in orders, with offsets and limits, of random tables: against a list of rows whose conditions are worked out
 * value by value. */
#include <unistd.h>

#include "fake_model.h"

/* ------------------------------------------------------------------ conditions */

typedef enum leaf_kind { LEAF_ID, LEAF_NULL, LEAF_A, LEAF_ROW_ID, LEAF_OFFSET, LEAF_MODULO, LEAF_KINDS } leaf_kind;
typedef struct node {
    enum { LEAF, AND, OR, NOT } kind;
    leaf_kind leaf;
    int op; /* < <= > >= = <> */
    int64_t value;
    struct node *left, *right;
} node;

static const char *const ops[] = { "<", "<=", ">", ">=", "=", "<>" };

static int64_t id_of(const qv__snapshot *s, size_t f, uint64_t row)
{
    return ((const int64_t *) qv__array_values(s->data[f].columns[0]))[row];
}

/* st.a, or false when it or its struct is null. */
static bool a_of(const qv__snapshot *s, size_t f, uint64_t row, int64_t *out)
{
    const qv__array *st = s->data[f].columns[3], *a = st->children[0];
    int64_t at = st->offset + (int64_t) row;

    if (qv__array_is_null(st, (int64_t) row) || qv__array_is_null(a, at))
        return false;
    *out = ((const int32_t *) qv__array_values(a))[at];
    return true;
}

static node *random_leaf(const model *m, qvt_rng *rng, bool plain)
{
    node *n = calloc(1, sizeof *n);
    const struct live_row *some = m->n ? &m->rows[qvt_rng_below(rng, m->n)] : NULL;

    n->leaf = plain ? (leaf_kind) qvt_rng_below(rng, 2) : (leaf_kind) qvt_rng_below(rng, LEAF_KINDS);
    n->op = (int) qvt_rng_below(rng, QV_COUNT_OF(ops));
    if (n->leaf == LEAF_ID && some)
        n->value = id_of(m->s, some->fragment, some->row) / 2 * 2; /* INT64_MIN has no literal */
    else if (n->leaf == LEAF_A && some)
        a_of(m->s, some->fragment, some->row, &n->value);
    else if (n->leaf == LEAF_ROW_ID && some)
        n->value = (int64_t) fake_row_id(m->s, some->fragment, some->row);
    else if (n->leaf == LEAF_OFFSET)
        n->value = (int64_t) qvt_rng_below(rng, m->n + 2);
    else if (n->leaf == LEAF_MODULO)
        n->value = (int64_t) qvt_rng_below(rng, 7);
    if (n->value == INT64_MIN)
        n->value = 0;
    return n;
}

static node *random_node(const model *m, qvt_rng *rng, int depth, bool plain)
{
    uint64_t kind = depth ? qvt_rng_below(rng, 5) : 0;
    node *n;

    if (kind < 2)
        return random_leaf(m, rng, plain);
    n = calloc(1, sizeof *n);
    n->kind = kind == 2 ? AND : kind == 3 ? OR : NOT;
    n->left = random_node(m, rng, depth - 1, plain);
    if (n->kind != NOT)
        n->right = random_node(m, rng, depth - 1, plain);
    return n;
}

static void free_node(node *n)
{
    if (!n)
        return;
    free_node(n->left);
    free_node(n->right);
    free(n);
}

static void print_node(const node *n, char *text, size_t size)
{
    static const char *const names[] = { "id", "", "st.a", "_rowid", "_rowoffset", "id % 7" };
    char left[2000], right[2000];

    if (n->kind == LEAF && n->leaf == LEAF_NULL)
        snprintf(text, size, "s IS %sNULL", n->op % 2 ? "NOT " : "");
    else if (n->kind == LEAF)
        snprintf(text, size, "%s %s %lld", names[n->leaf], ops[n->op], (long long) n->value);
    else {
        print_node(n->left, left, sizeof left);
        if (n->right)
            print_node(n->right, right, sizeof right);
        if (n->kind == NOT)
            snprintf(text, size, "NOT (%.900s)", left);
        else
            snprintf(text, size, "(%.900s) %s (%.900s)", left, n->kind == AND ? "AND" : "OR", right);
    }
}

static int compare(int64_t a, int op, int64_t b)
{
    switch (op) {
    case 0:
        return a < b;
    case 1:
        return a <= b;
    case 2:
        return a > b;
    case 3:
        return a >= b;
    case 4:
        return a == b;
    default:
        return a != b;
    }
}

/* 1, 0, or -1: NULL. */
static int truth(const model *m, const node *n, const struct live_row *r)
{
    int64_t value;

    if (n->kind == NOT) {
        int of = truth(m, n->left, r);
        return of < 0 ? -1 : !of;
    }
    if (n->kind != LEAF) {
        int left = truth(m, n->left, r), right = truth(m, n->right, r), decides = n->kind == OR;
        return left == decides || right == decides ? decides : left < 0 || right < 0 ? -1 : !decides;
    }
    switch (n->leaf) {
    case LEAF_ID:
        return compare(id_of(m->s, r->fragment, r->row), n->op, n->value);
    case LEAF_NULL:
        return qv__array_is_null(m->s->data[r->fragment].columns[1], (int64_t) r->row) != (n->op % 2);
    case LEAF_A:
        return a_of(m->s, r->fragment, r->row, &value) ? compare(value, n->op, n->value) : -1;
    case LEAF_ROW_ID:
        return compare((int64_t) fake_row_id(m->s, r->fragment, r->row), n->op, n->value);
    case LEAF_OFFSET:
        return compare((int64_t) r->offset, n->op, n->value);
    default:
        return compare(id_of(m->s, r->fragment, r->row) % 7, n->op, n->value);
    }
}

/* The rows that match, in storage order. */
static struct live_row *matching(const model *m, const node *condition, size_t *n)
{
    struct live_row *rows = calloc(m->n + 1, sizeof *rows);

    *n = 0;
    for (size_t i = 0; i < m->n; i++)
        if (!condition || truth(m, condition, &m->rows[i]) == 1)
            rows[(*n)++] = m->rows[i];
    return rows;
}

/* ------------------------------------------------------------------ orders */

enum { MAX_KEYS = 3 };
static const char *const key_names[] = { "id", "s", "st.a", "_rowid", "_rowoffset", "low" };
typedef struct ordering {
    const model *m;
    qv_order keys[MAX_KEYS];
    size_t n;
} ordering;
static ordering the_order; /* qsort has no context */

static void random_order(const model *m, qvt_rng *rng, ordering *o, bool with_alias)
{
    *o = (ordering){ .m = m, .n = qvt_rng_below(rng, MAX_KEYS + 1) };
    for (size_t k = 0; k < o->n; k++) {
        o->keys[k].column = key_names[qvt_rng_below(rng, QV_COUNT_OF(key_names) - !with_alias)];
        o->keys[k].descending = qvt_rng_below(rng, 2);
        o->keys[k].nulls_first = qvt_rng_below(rng, 2);
    }
}

/* -2: both null; -3, 3: only the left, only the right one; else the order. */
static int compare_values(const model *m, const char *name, const struct live_row *x, const struct live_row *y)
{
    int64_t a = 0, b = 0;
    bool a_null = false, b_null = false;

    if (strcmp(name, "s") == 0) {
        const qv__array *p = m->s->data[x->fragment].columns[1], *q = m->s->data[y->fragment].columns[1];
        size_t p_len, q_len;
        a_null = qv__array_is_null(p, (int64_t) x->row);
        b_null = qv__array_is_null(q, (int64_t) y->row);
        if (!a_null && !b_null) {
            const uint8_t *left = qv__array_string(p, (int64_t) x->row, &p_len);
            const uint8_t *right = qv__array_string(q, (int64_t) y->row, &q_len);
            int order = memcmp(left, right, QV_MIN(p_len, q_len));
            return order ? (order > 0) - (order < 0) : (p_len > q_len) - (p_len < q_len);
        }
    } else if (strcmp(name, "st.a") == 0) {
        a_null = !a_of(m->s, x->fragment, x->row, &a);
        b_null = !a_of(m->s, y->fragment, y->row, &b);
    } else if (strcmp(name, "_rowid") == 0) {
        a = (int64_t) fake_row_id(m->s, x->fragment, x->row);
        b = (int64_t) fake_row_id(m->s, y->fragment, y->row);
    } else if (strcmp(name, "_rowoffset") == 0) {
        a = (int64_t) x->offset;
        b = (int64_t) y->offset;
    } else {
        a = id_of(m->s, x->fragment, x->row);
        b = id_of(m->s, y->fragment, y->row);
        if (strcmp(name, "low") == 0) {
            a %= 5;
            b %= 5;
        }
    }
    return a_null && b_null ? -2 : a_null ? -3 : b_null ? 3 : (a > b) - (a < b);
}

static int by_order(const void *left, const void *right)
{
    const struct live_row *x = left, *y = right;

    for (size_t k = 0; k < the_order.n; k++) {
        const qv_order *key = &the_order.keys[k];
        int order = compare_values(the_order.m, key->column, x, y);
        if (order == -3 || order == 3)
            return (order == -3) == key->nulls_first ? -1 : 1;
        if (order == -1 || order == 1)
            return key->descending ? -order : order;
    }
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* ------------------------------------------------------------------ one read */

static void check_batches(const model *m, qv__stream *stream, uint32_t batch_rows, const struct live_row *want,
                          size_t n_want, bool with_low)
{
    size_t n_batches, at = 0;
    qv__array **batches = fake_drain(stream, &n_batches);

    for (size_t b = 0; b < n_batches; b++) {
        qvt_check_layout(batches[b]);
        assert_true(batches[b]->length > 0);
        if (batch_rows)
            assert_true(batches[b]->length == batch_rows || (batches[b]->length < batch_rows && b + 1 == n_batches));
        for (int64_t i = 0; i < batches[b]->length; i++, at++) {
            assert_true(at < n_want);
            check_row(m, batches[b], i, &want[at]);
            if (with_low) {
                const int64_t *low = qv__array_values(fake_column(batches[b], m->n_columns));
                assert_int_equal(low[i], id_of(m->s, want[at].fragment, want[at].row) % 5);
            }
        }
    }
    assert_int_equal(at, n_want);
    fake_free_batches(batches, n_batches);
}

/* The columns of the model, then "low": id % 5. */
static void set_columns(const model *m, qv_scan_options *options, const char **names, const char **expressions,
                        bool with_low)
{
    for (size_t i = 0; i < m->n_columns; i++) {
        names[i] = m->columns[i];
        expressions[i] = NULL;
    }
    names[m->n_columns] = "low";
    expressions[m->n_columns] = "id % 5";
    options->columns = names;
    options->expressions = with_low ? expressions : NULL;
    options->n_columns = m->n_columns + with_low;
}

static void read_once(model *m, qvt_rng *rng)
{
    qv_error err;
    qv__stream *stream = NULL;
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    bool plain = qvt_rng_below(rng, 3) == 0, with_low = qvt_rng_below(rng, 2), has_where = qvt_rng_below(rng, 8) > 0;
    node *condition = has_where ? random_node(m, rng, (int) qvt_rng_below(rng, 4), plain) : NULL;
    const char *names[20], *expressions[20];
    char text[4096];
    size_t n;

    choose_columns(m, rng);
    set_columns(m, &options, names, expressions, with_low);
    if (condition) {
        print_node(condition, text, sizeof text);
        options.where = text;
    }
    fake_index_kind = plain ? (int) qvt_rng_below(rng, 3) : 0;
    fake_index_seed = 1 + qvt_rng_below(rng, 1000);
    random_order(m, rng, &the_order, with_low);
    struct live_row *want = matching(m, condition, &n);
    uint64_t counted;
    QVT_OK(qv__count_where(m->s, options.where, NULL, &counted, &err));
    assert_int_equal(counted, n);
    qsort(want, n, sizeof *want, by_order);
    options.order_by = the_order.keys;
    options.n_order_by = the_order.n;
    options.offset = qvt_rng_below(rng, 2) ? qvt_rng_below(rng, n + 4) : 0;
    options.has_limit = qvt_rng_below(rng, 2);
    options.limit = options.has_limit ? qvt_rng_below(rng, n + 4) : 0;
    options.batch_rows = qvt_rng_below(rng, 2) ? 1 + (uint32_t) qvt_rng_below(rng, 700) : 0;
    options.job.threads = 1 + (uint32_t) qvt_rng_below(rng, 4);
    options.no_index = qvt_rng_below(rng, 8) == 0;
    QVT_OK(qv__scan(m->s, &options, &stream, &err));
    size_t from = QV_MIN(options.offset, n), end = options.has_limit ? QV_MIN(from + options.limit, n) : n;
    bool exact = condition || the_order.n > 0; /* plain scans end their batches where fragments end */
    check_batches(m, stream, exact ? options.batch_rows : 0, want + from, end - from, with_low);
    fake_index_kind = 0;
    free(want);
    free_node(condition);
}

static void reads(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    QV_UNUSED(state);

    for (int round = 0; round < 80; round++) {
        static const double shares[] = { 0, 0.1, 0.6 };
        model m;
        qv__snapshot *s =
            fake_mixed_table(&rng, qvt_rng_below(&rng, 6), 1 + qvt_rng_below(&rng, 1500), shares[round % 3]);
        s->stable = round % 2;
        model_init(&m, s);
        size_t blocks = qv_memory().live_blocks;
        for (int i = 0; i < 12; i++)
            read_once(&m, &rng);
        fake_check_closed(blocks);
        free(m.rows);
        qv__snapshot_unref(s);
    }
}

/* ------------------------------------------------------------------ matches */

static void check_matches(const model *m, const qv__matches *matches, const struct live_row *want, size_t n)
{
    uint64_t total = 0;

    assert_int_equal(matches->n_fragments, m->s->n_fragments);
    assert_int_equal(matches->n_rows, n);
    for (size_t f = 0; f < matches->n_fragments; f++)
        total += matches->rows[f] ? roaring_bitmap_get_cardinality(matches->rows[f]) : 0;
    assert_int_equal(total, n);
    for (size_t i = 0; i < n; i++)
        assert_true(roaring_bitmap_contains(matches->rows[want[i].fragment], (uint32_t) want[i].row));
}

/* Rows matched once, and scanned by them: as a change does. */
static void matches_and_scans(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;
    QV_UNUSED(state);

    for (int round = 0; round < 60; round++) {
        model m;
        qv__snapshot *s = fake_mixed_table(&rng, qvt_rng_below(&rng, 6), 1 + qvt_rng_below(&rng, 900), 0.2);
        model_init(&m, s);
        size_t blocks = qv_memory().live_blocks, n;
        node *condition = round % 6 ? random_node(&m, &rng, 2, round % 2) : NULL;
        struct live_row *want = matching(&m, condition, &n);
        qv__schema *scope = NULL;
        qv__program *program = NULL;
        qv__matches found = { 0 };
        qv_scan_options options = QV_SCAN_OPTIONS_INIT;
        qv__stream *stream = NULL;
        qv__job job;
        char text[4096];
        QVT_OK(qv__condition_scope(s, &scope, &err));
        if (condition) {
            print_node(condition, text, sizeof text);
            QVT_OK(qv__program_compile_filter(text, scope, &program, &err));
        }
        fake_index_kind = round % 2 ? round % 3 : 0;
        qv__job_begin(&job, NULL, "match", 0);
        QVT_OK(qv__match_rows(s, program, round % 5 == 0, &job, &found, &err));
        qv__job_end(&job, QV_OK);
        check_matches(&m, &found, want, n);
        choose_columns(&m, &rng);
        options.columns = m.columns;
        options.n_columns = m.n_columns;
        QVT_OK(qv__scan_matches(s, &found, &options, &stream, &err));
        check_batches(&m, stream, 0, want, n, false);
        fake_index_kind = 0;
        qv__matches_clear(&found);
        qv__program_unref(program);
        qv__schema_unref(scope);
        free_node(condition);
        free(want);
        fake_check_closed(blocks);
        free(m.rows);
        qv__snapshot_unref(s);
    }
}

/* ------------------------------------------------------------------ takes */

static void takes(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;
    QV_UNUSED(state);

    for (int round = 0; round < 60; round++) {
        model m;
        qv__snapshot *s = fake_mixed_table(&rng, 1 + qvt_rng_below(&rng, 4), 40 + qvt_rng_below(&rng, 400), 0.2);
        model_init(&m, s);
        size_t blocks = qv_memory().live_blocks, n = 0;
        node *condition = random_node(&m, &rng, 2, false);
        qv_scan_options options = QV_SCAN_OPTIONS_INIT;
        qv__stream *stream = NULL;
        struct live_row want[50];
        uint64_t offsets[50];
        char text[4096];
        print_node(condition, text, sizeof text);
        for (size_t i = 0; i < 50; i++) {
            offsets[i] = qvt_rng_below(&rng, m.n + 1);
            if (offsets[i] < m.n && truth(&m, condition, &m.rows[offsets[i]]) == 1)
                want[n++] = m.rows[offsets[i]];
        }
        choose_columns(&m, &rng);
        options.columns = m.columns;
        options.n_columns = m.n_columns;
        options.where = text;
        random_order(&m, &rng, &the_order, false);
        options.order_by = the_order.keys;
        options.n_order_by = the_order.n;
        qsort(want, n, sizeof *want, by_order); /* repeats of a row are alike */
        QVT_OK(qv__take(s, QV_TAKE_OFFSETS, offsets, 50, false, &options, &stream, &err));
        check_batches(&m, stream, 0, want, n, false);
        free_node(condition);
        fake_check_closed(blocks);
        free(m.rows);
        qv__snapshot_unref(s);
    }
}

/* ------------------------------------------------------------------ what is not read */

static qv__snapshot *two_fragments(qvt_rng *rng)
{
    qv__snapshot *s = fake_mixed_table(rng, 0, 1, 0);

    for (size_t f = 0; f < 2; f++) {
        fake_add(s, rng, f, 3000, 0.1, 0);
        for (size_t i = 0; i < 3000; i++) /* id: 0 .. 5999 */
            ((int64_t *) qv__array_values(s->data[f].columns[0]))[i] = (int64_t) (f * 3000 + i);
    }
    return s;
}

static size_t reads_of(qv__snapshot *s, const qv_scan_options *options, size_t *n_rows)
{
    qv_error err;
    qv__stream *stream = NULL;
    size_t n;

    atomic_store(&fake_column_reads, 0);
    QVT_OK(qv__scan(s, options, &stream, &err));
    qv__array **batches = fake_drain(stream, &n);
    *n_rows = 0;
    for (size_t i = 0; i < n; i++)
        *n_rows += (size_t) batches[i]->length;
    fake_free_batches(batches, n);
    return (size_t) atomic_load(&fake_column_reads);
}

static void late_columns(void **state)
{
    qvt_rng rng = { 1 };
    qv_error err;
    qv__snapshot *s = two_fragments(&rng);
    const char *columns[] = { "id", "s", "v" };
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    uint64_t counted;
    size_t n;
    QV_UNUSED(state);

    options.columns = columns;
    options.n_columns = 3;
    options.where = "id < 0 AND s IS NULL";
    assert_int_equal(reads_of(s, &options, &n), 2); /* the cheap conjunct, in each fragment */
    assert_int_equal(n, 0);
    options.where = "s IS NOT NULL AND id = 7";
    reads_of(s, &options, &n);
    assert_true(n <= 1);
    options.where = "id >= 10 AND id < 12";
    assert_int_equal(reads_of(s, &options, &n), 4); /* id twice; s and v of two rows */
    assert_int_equal(n, 2);
    options.limit = 3;
    options.where = "id >= 10";
    assert_int_equal(reads_of(s, &options, &n), 3); /* the second fragment is not begun */
    assert_int_equal(n, 3);
    options.where = "1 = 2";
    assert_int_equal(reads_of(s, &options, &n), 0);
    atomic_store(&fake_column_reads, 0);
    QVT_OK(qv__count_where(s, "id > 2999", NULL, &counted, &err));
    assert_int_equal(counted, 3000);
    assert_int_equal(atomic_load(&fake_column_reads), 2);
    atomic_store(&fake_column_reads, 0);
    QVT_OK(qv__count_where(s, "true", NULL, &counted, &err));
    assert_int_equal(counted, 6000);
    assert_int_equal(atomic_load(&fake_column_reads), 0);
    qv__snapshot_unref(s);
}

/* A conjunct that may fail does not see rows that an earlier one keeps away; what fails beyond the limit is not told, whatever the
 * number of threads. */
static void guarded_errors(void **state)
{
    qvt_rng rng = { 1 };
    qv_error err;
    qv__snapshot *s = two_fragments(&rng);
    const char *columns[] = { "id" };
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    size_t n;
    QV_UNUSED(state);

    options.columns = columns;
    options.n_columns = 1;
    options.where = "id <> 0 AND 6000 / id > 5999";
    reads_of(s, &options, &n);
    assert_int_equal(n, 1);
    options.where = "10 / (id - 5000) < 100";
    for (uint32_t threads = 1; threads <= 8; threads *= 2) {
        qv__stream *stream = NULL;
        qv__array *batch = NULL;
        options.job.threads = threads;
        options.limit = 3000;
        reads_of(s, &options, &n);
        assert_int_equal(n, 3000);
        options.limit = 3001;
        QVT_OK(qv__scan(s, &options, &stream, &err));
        qv_status st;
        while ((st = stream->next(stream, &batch, &err)) == QV_OK && batch)
            qv__array_unref(batch);
        assert_int_equal(st, QV_INVALID);
        qv__stream_free(stream);
    }
    qv__snapshot_unref(s);
}

static void fast_search(void **state)
{
    qvt_rng rng = { 1 };
    qv__snapshot *s = two_fragments(&rng);
    const char *columns[] = { "id" };
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    size_t n;
    QV_UNUSED(state);

    options.columns = columns;
    options.n_columns = 1;
    options.where = "id >= 2990 AND id < 3010";
    fake_index_kind = 1; /* covers the first fragment */
    reads_of(s, &options, &n);
    assert_int_equal(n, 20);
    options.fast_search = true;
    reads_of(s, &options, &n);
    assert_int_equal(n, 10);
    options.no_index = true;
    reads_of(s, &options, &n);
    assert_int_equal(n, 20);
    fake_index_kind = 0;
    qv__snapshot_unref(s);
}

/* ------------------------------------------------------------------ refusals and failures */

static void refusals(void **state)
{
    qvt_rng rng = { 1 };
    qv_error err;
    qv__stream *stream = NULL;
    qv__snapshot *s = fake_mixed_table(&rng, 1, 10, 0);
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    const char *columns[] = { "x" }, *expressions[] = { "nope + 1" };
    qv_order order = { "st", false, false };
    uint64_t counted;
    QV_UNUSED(state);

    size_t blocks = qv_memory().live_blocks;
    options.where = "id +";
    QVT_FAILS(qv__scan(s, &options, &stream, &err), QV_INVALID, "");
    options.where = "id + 1";
    QVT_FAILS(qv__scan(s, &options, &stream, &err), QV_INVALID, "boolean");
    options.where = "nope > 1";
    QVT_FAILS(qv__scan(s, &options, &stream, &err), QV_INVALID, "nope");
    QVT_FAILS(qv__count_where(s, "", NULL, &counted, &err), QV_INVALID, "");
    options.where = NULL;
    options.columns = columns;
    options.expressions = expressions;
    options.n_columns = 1;
    QVT_FAILS(qv__scan(s, &options, &stream, &err), QV_INVALID, "column \"x\"");
    options.columns = NULL;
    options.expressions = NULL;
    options.order_by = &order;
    options.n_order_by = 1;
    QVT_FAILS(qv__scan(s, &options, &stream, &err), QV_INVALID, "column \"st\" cannot be sorted by");
    order.column = "nope";
    QVT_FAILS(qv__scan(s, &options, &stream, &err), QV_NOT_FOUND, "\"nope\"");
    fake_check_closed(blocks);
    qv__snapshot_unref(s);
}

static qv_status read_all(qv__snapshot *s, const qv_scan_options *options, qv_error *err)
{
    qv__stream *stream = NULL;
    qv__array *batch = NULL;
    qv_status st = qv__scan(s, options, &stream, err);

    while (st == QV_OK && (st = stream->next(stream, &batch, err)) == QV_OK && batch)
        qv__array_unref(batch);
    qv__stream_free(stream);
    return st;
}

/* Each allocation fails in turn: the error comes out, nothing stays behind. */
static void failures(void **state)
{
    qvt_rng rng = { 7 };
    qv_error err;
    qv__snapshot *s = fake_mixed_table(&rng, 3, 400, 0.3);
    const char *columns[] = { "st.b.c", "x", "_rowid" }, *expressions[] = { NULL, "st.a * 0.5", NULL };
    qv_order order[] = { { "s", true, false }, { "id", false, false } };
    QV_UNUSED(state);

    size_t blocks = qv_memory().live_blocks;
    for (int sorted = 0; sorted < 2; sorted++)
        for (uint64_t n = 0;; n++) {
            qv_scan_options options = QV_SCAN_OPTIONS_INIT;
            options.columns = columns;
            options.expressions = expressions;
            options.n_columns = 3;
            options.where = sorted ? "id > 5 AND s IS NOT NULL" : "id > 5 AND s IS NOT NULL AND NOT (st.a < 0)";
            options.order_by = order;
            options.n_order_by = sorted ? 2 : 0;
            options.limit = 50;
            options.job.threads = 1;
            fake_index_kind = 2;
            qv__alloc_fail_at(n);
            qv_status st = read_all(s, &options, &err);
            bool fired = qv__alloc_fault_fired();
            qv__alloc_fail_at(UINT64_MAX);
            assert_int_equal(st, fired ? QV_NOMEM : QV_OK);
            fake_check_closed(blocks);
            if (!fired)
                break;
        }
    fake_index_kind = 0;
    for (int n = 1; n < 8; n++) { /* reads, of columns of the condition and of others */
        qv_scan_options options = QV_SCAN_OPTIONS_INIT;
        options.where = "id <> 5 AND s IS NOT NULL";
        options.job.threads = (uint32_t) n % 3 + 1;
        atomic_store(&fake_fail_reads_at, n);
        QVT_FAILS(read_all(s, &options, &err), QV_IO, "the disk is gone");
        fake_check_closed(blocks);
    }
    atomic_store(&fake_fail_reads_at, 0);
    qv__snapshot_unref(s);
}

static void cancellation(void **state)
{
    qvt_rng rng = { 7 };
    qv_error err;
    qv__snapshot *s = two_fragments(&rng);
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    qv_cancel *cancel = NULL;
    qv_order order = { "id", true, false };
    uint64_t counted;
    QV_UNUSED(state);

    QVT_OK(qv_cancel_new(&cancel, &err));
    qv_cancel_raise(cancel);
    options.where = "id > 5";
    options.job.cancel = cancel;
    QVT_FAILS(read_all(s, &options, &err), QV_CANCELLED, "cancelled");
    QVT_FAILS(qv__count_where(s, "id > 5", &options.job, &counted, &err), QV_CANCELLED, "cancelled");
    options.order_by = &order;
    options.n_order_by = 1;
    QVT_FAILS(read_all(s, &options, &err), QV_CANCELLED, "cancelled");
    qv_cancel_free(cancel);
    options.job.cancel = NULL;
    options.job.timeout_ms = 1;
    for (int sorted = 0; sorted < 2; sorted++) {
        qv__stream *stream = NULL;
        qv__array *batch = NULL;
        options.n_order_by = (size_t) sorted;
        QVT_OK(qv__scan(s, &options, &stream, &err));
        usleep(3000);
        QVT_FAILS(stream->next(stream, &batch, &err), QV_TIMEOUT, "Query timeout");
        qv__stream_free(stream);
    }
    qv__snapshot_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),        cmocka_unit_test(matches_and_scans), cmocka_unit_test(takes),
        cmocka_unit_test(late_columns), cmocka_unit_test(guarded_errors),    cmocka_unit_test(fast_search),
        cmocka_unit_test(refusals),     cmocka_unit_test(failures),          cmocka_unit_test(cancellation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
