/* Random tables under random changes: conditions answered by indices are what reading finds. Columns of several types, among them nested
 * and oddly named ones; indices of every kind that this file knows, made, replaced, extended in every way, dropped; rows appended and
 * deleted in between; several segments; row ids stable or not; snapshots shared or opened anew. */
#include <math.h>

#include "arrow/builder.h"
#include "base/alloc.h"
#include "qvt_arrays.h"
#include "qvt_index.h"
#include "query/query.h"
#include "table/change.h"

static qv_error err;

/* ------------------------------------------------------------------ rows */

enum { ID, A, F, S, T, B, ST, ODD, N_COLUMNS };

static qv__schema *make_schema(void)
{
    qv__type *types[N_COLUMNS] = { [ID] = qvt_type(QV_TYPE_INT64, 0, 0),
                                   [A] = qvt_type(QV_TYPE_INT32, 0, 0),
                                   [F] = qvt_type(QV_TYPE_FLOAT64, 0, 0),
                                   [S] = qvt_type(QV_TYPE_UTF8, 0, 0),
                                   [T] = qvt_type(QV_TYPE_TIMESTAMP, QV_UNIT_US, 0),
                                   [B] = qvt_type(QV_TYPE_BOOL, 0, 0),
                                   [ODD] = qvt_type(QV_TYPE_INT64, 0, 0) };
    static const char *const names[N_COLUMNS] = { "id", "a", "f", "s", "t", "b", "st", "odd name" };
    qv__field fields[N_COLUMNS], inner[2];
    qv__schema *schema;

    QVT_OK(qv__field_init(&inner[0], "x", types[A], true, &err));
    QVT_OK(qv__field_init(&inner[1], "y", types[S], true, &err));
    QVT_OK(qv__type_new_struct(inner, 2, &types[ST], &err));
    for (int i = 0; i < N_COLUMNS; i++) {
        QVT_OK(qv__field_init(&fields[i], names[i], types[i], i != ID, &err));
        qv__type_unref(types[i]);
    }
    QVT_OK(qv__schema_new(fields, N_COLUMNS, NULL, &schema, &err));
    for (int i = 0; i < N_COLUMNS; i++)
        qv__field_clear(&fields[i]);
    qv__field_clear(&inner[0]);
    qv__field_clear(&inner[1]);
    return schema;
}

static void put_text(qvt_rng *rng, qv__builder *builder, uint64_t distinct)
{
    char text[32];
    int n = snprintf(text, sizeof text, "v%llu", (unsigned long long) qvt_rng_below(rng, distinct));

    QVT_OK(qv__builder_append_bytes(builder, text, (size_t) n, &err));
}

static void put_value(qvt_rng *rng, qv__builder *builder, int column, int64_t id)
{
    static const double specials[] = { 0.0, -0.0, INFINITY, -INFINITY, NAN, -NAN };
    int32_t a = (int32_t) qvt_rng_below(rng, 200) - 100;
    int64_t t = (int64_t) qvt_rng_below(rng, 20) * 43200000000 + 1577836800000000,
            odd = (int64_t) qvt_rng_below(rng, 50);
    double f = qvt_rng_below(rng, 8) ? (double) a / 4 : specials[qvt_rng_below(rng, 6)];

    if (column != ID && qvt_rng_below(rng, 12) == 0) {
        QVT_OK(qv__builder_append_null(builder, &err));
        return;
    }
    switch (column) {
    case ID:
        QVT_OK(qv__builder_append_fixed(builder, &id, &err));
        break;
    case A:
        QVT_OK(qv__builder_append_fixed(builder, &a, &err));
        break;
    case F:
        QVT_OK(qv__builder_append_fixed(builder, &f, &err));
        break;
    case S:
        put_text(rng, builder, 300);
        break;
    case T:
        QVT_OK(qv__builder_append_fixed(builder, &t, &err));
        break;
    case B:
        QVT_OK(qv__builder_append_bool(builder, a > 0, &err));
        break;
    case ODD:
        QVT_OK(qv__builder_append_fixed(builder, &odd, &err));
        break;
    default:
        put_value(rng, qv__builder_child(builder, 0), A, id);
        put_value(rng, qv__builder_child(builder, 1), S, id);
        QVT_OK(qv__builder_append_nested(builder, &err));
    }
}

static qv__stream *make_rows(qvt_rng *rng, int64_t first, int64_t n)
{
    qv__schema *schema = make_schema();
    qv__array *columns[N_COLUMNS], *batch;
    qv__stream *stream;

    for (int c = 0; c < N_COLUMNS; c++) {
        qv__builder *builder;
        QVT_OK(qv__builder_new(schema->fields[c].type, &builder, &err));
        for (int64_t i = 0; i < n; i++)
            put_value(rng, builder, c, first + i);
        QVT_OK(qv__builder_finish(builder, &columns[c], &err));
        qv__builder_free(builder);
    }
    QVT_OK(qv__batch_new(schema, columns, n, &batch, &err));
    QVT_OK(qv__stream_of(schema, &batch, 1, &stream, &err));
    qv__array_unref(batch);
    for (int c = 0; c < N_COLUMNS; c++)
        qv__array_unref(columns[c]);
    qv__schema_unref(schema);
    return stream;
}

/* ------------------------------------------------------------------ conditions */

static int some(qvt_rng *rng, int n) { return (int) qvt_rng_below(rng, (uint64_t) n); }

static void print_number_leaf(qvt_rng *rng, char *out, size_t size)
{
    int x = some(rng, 220) - 110, y = some(rng, 220) - 110, v = some(rng, 320);

    switch (some(rng, 16)) {
    case 0:
        snprintf(out, size, "a = %d", x);
        break;
    case 1:
        snprintf(out, size, "a < %d", x);
        break;
    case 2:
        snprintf(out, size, "%d <= a", x);
        break;
    case 3:
        snprintf(out, size, "a != %d", x);
        break;
    case 4:
        snprintf(out, size, "a BETWEEN %d AND %d", x, y);
        break;
    case 5:
        snprintf(out, size, "a NOT BETWEEN %d AND %d", x, y);
        break;
    case 6:
        snprintf(out, size, "a IN (%d, %d, %d, %d)", x, y, x + 7, -x);
        break;
    case 7:
        snprintf(out, size, "a NOT IN (%d, %d, %d)", x, y, x + 7);
        break;
    case 8:
        snprintf(out, size, "f > %d.25", x / 4);
        break;
    case 9:
        snprintf(out, size, "f >= %d AND f < %d", x / 4, y / 4);
        break;
    case 10:
        snprintf(out, size, "st.x = %d", x);
        break;
    case 11:
        snprintf(out, size, "st.x > %d", x);
        break;
    case 12:
        snprintf(out, size, "`odd name` = %d", v % 60);
        break;
    case 13:
        snprintf(out, size, "id < %d", v * 20);
        break;
    case 14:
        snprintf(out, size, "t > timestamp '2020-01-0%d 12:00:00'", 1 + some(rng, 9));
        break;
    default:
        snprintf(out, size, "a = %d.0", x);
    }
}

static void print_text_leaf(qvt_rng *rng, char *out, size_t size)
{
    int v = some(rng, 320);

    switch (some(rng, 9)) {
    case 0:
        snprintf(out, size, "s = 'v%d'", v);
        break;
    case 1:
        snprintf(out, size, "s LIKE 'v%d%%'", v / 10);
        break;
    case 2:
        snprintf(out, size, "starts_with(s, 'v%d')", v / 10);
        break;
    case 3:
        snprintf(out, size, "s LIKE '%%%d'", v % 10);
        break;
    case 4:
        snprintf(out, size, "s > 'v%d'", v);
        break;
    case 5:
        snprintf(out, size, "s IN ('v%d', 'v%d', 'x')", v, v / 2);
        break;
    case 6:
        snprintf(out, size, "s NOT LIKE 'v%d%%'", v / 10);
        break;
    case 7:
        snprintf(out, size, "st.y = 'v%d'", v);
        break;
    default:
        snprintf(out, size, "contains(s, '%d')", v);
    }
}

static void print_leaf(qvt_rng *rng, char *out, size_t size)
{
    static const char *const plain[] = {
        "a IS NULL",
        "a IS NOT NULL",
        "f = 0.0",
        "f <= -0.0",
        "f IS NULL",
        "f > 0.0",
        "f < 0.0",
        "b",
        "NOT b",
        "b IS TRUE",
        "b IS FALSE",
        "b IS NOT TRUE",
        "b IS NULL",
        "b = false",
        "st.x IS NULL",
        "st IS NULL",
        "s IS NOT NULL",
        "id % 3 = 1",
        "a IN (1, NULL)",
        "a NOT IN (1, NULL)",
        "f = CAST('NaN' AS DOUBLE)",
        "f >= CAST('Infinity' AS DOUBLE)",
        "NOT (f < CAST('NaN' AS DOUBLE))",
        "a + 1 > 50",
        "s = NULL",
    };
    int kind = some(rng, 27);

    if (kind < 16)
        print_number_leaf(rng, out, size);
    else if (kind < 25)
        print_text_leaf(rng, out, size);
    else
        snprintf(out, size, "%s", plain[qvt_rng_below(rng, QV_COUNT_OF(plain))]);
}

static void print_condition(qvt_rng *rng, int depth, char *out, size_t size)
{
    char left[1500], right[1500];
    int shape = depth ? some(rng, 5) : 4;

    if (shape == 4) {
        print_leaf(rng, out, size);
        return;
    }
    print_condition(rng, depth - 1, left, sizeof left);
    print_condition(rng, depth - 1, right, sizeof right);
    if (shape == 3)
        snprintf(out, size, "NOT (%s)", left);
    else
        snprintf(out, size, "(%s) %s (%s)", left, shape == 2 ? "OR" : "AND", right);
}

/* ------------------------------------------------------------------ the table and its changes */

typedef struct world {
    qvt_rng rng;
    qv__store *store;
    qv__snapshot *s;
    int64_t next_id;
    uint64_t used, asked; /* conditions that an index had a part in */
} world;

static void move_on(world *w, qv__snapshot *next)
{
    if (!next)
        return;
    qv__snapshot_unref(w->s);
    w->s = next;
}

static void append(world *w, int64_t n)
{
    qv__write options = { .max_rows_per_file = 1000 };
    qv__snapshot *next = NULL;
    qv__stream *rows = make_rows(&w->rng, w->next_id, n);

    QVT_OK(qv__table_write(w->store, w->s, rows, &options, NULL, &next, &err));
    qv__stream_free(rows);
    w->next_id += n;
    move_on(w, next);
}

static void delete_some(world *w)
{
    size_t n = qv__snapshot_n_fragments(w->s), at = (size_t) qvt_rng_below(&w->rng, n);
    const qv__fragment *f = qv__snapshot_fragment(w->s, at);
    roaring_bitmap_t *rows = roaring_bitmap_create();
    const uint32_t *offsets;
    const uint8_t *live;
    size_t n_deleted;
    qv__job job;

    QVT_OK(qv__snapshot_deletions(w->s, at, &offsets, &n_deleted, &live, &err));
    uint64_t share = 2 + qvt_rng_below(&w->rng, 30);
    for (uint64_t i = 0; i < f->physical_rows; i++)
        if ((!live || qv__bit_get(live, i)) && qvt_rng_below(&w->rng, share) == 0)
            roaring_bitmap_add(rows, (uint32_t) i);
    qv__row_deletion deletion = { f->id, rows };
    qv__change change = { .operation = QV_OP_DELETE, .deletions = &deletion, .n_deletions = 1, .predicate = "some" };
    qv__snapshot *next = NULL;
    qv__commit_end end = { 0 };
    qv__job_begin(&job, NULL, "delete", 0);
    if (!roaring_bitmap_is_empty(rows))
        QVT_OK(qv__commit(w->store, w->s, &change, &job, &next, &end, &err));
    qv__job_end(&job, QV_OK);
    roaring_bitmap_free(rows);
    move_on(w, next);
}

static void create_index(world *w)
{
    static const char *const columns[] = { "a", "f", "s", "t", "b", "st.x", "st.y", "`odd name`", "id" };
    qv_index_options options = QV_INDEX_OPTIONS_INIT;
    qv__snapshot *next = NULL;

    static const qv_index_kind kinds[] = { QV_INDEX_BTREE, QV_INDEX_BITMAP, QV_INDEX_ZONEMAP, QV_INDEX_BLOOMFILTER,
                                           QV_INDEX_NGRAM };
    const char *column = columns[some(&w->rng, (int) QV_COUNT_OF(columns))];

    options.kind = kinds[some(&w->rng, 3) ? some(&w->rng, 2) : some(&w->rng, (int) QV_COUNT_OF(kinds))];
    if (options.kind == QV_INDEX_NGRAM)
        column = some(&w->rng, 2) ? "s" : "st.y";
    if (options.kind == QV_INDEX_BLOOMFILTER && strcmp(column, "b") == 0)
        column = "a";
    options.rows_per_zone = some(&w->rng, 2) ? 0 : 50 + (uint64_t) some(&w->rng, 500);
    options.untrained = some(&w->rng, 8) == 0;
    options.memory_limit_bytes = some(&w->rng, 3) ? 0 : 40000;
    if (some(&w->rng, 4) == 0)
        options.name = some(&w->rng, 2) ? "one" : "two";
    QVT_OK(qv__index_create(w->store, w->s, column, &options, &next, &err));
    move_on(w, next);
}

static void extend_indices(world *w)
{
    qv_index_merge_options options = QV_INDEX_MERGE_OPTIONS_INIT;
    qv__snapshot *next = NULL;

    options.merge_segments = some(&w->rng, 4) - 1;
    options.retrain = some(&w->rng, 8) == 0;
    QVT_OK(qv__index_optimize(w->store, w->s, &options, &next, &err));
    move_on(w, next);
}

static void drop_index(world *w)
{
    const qv__index_entry *entries;
    size_t n;
    qv__snapshot *next = NULL;
    qv__job job;

    QVT_OK(qv__snapshot_indices(w->s, &entries, &n, &err));
    if (!n)
        return;
    qv__job_begin(&job, NULL, "drop", 0);
    QVT_OK(qv__index_drop(w->store, w->s, entries[qvt_rng_below(&w->rng, n)].name, &job, &next, &err));
    qv__job_end(&job, QV_OK);
    move_on(w, next);
}

static bool lists(const qv__index_entry *entry, uint64_t id)
{
    for (size_t i = 0; i < entry->n_fragments; i++)
        if (entry->fragments[i] == id)
            return true;
    return false;
}

/* How many entries of kinds that move with their rows cover all these fragments. */
static size_t count_covering(qv__snapshot *s, const uint64_t *ids, size_t n)
{
    const qv__index_entry *entries;
    size_t n_entries, count = 0;

    QVT_OK(qv__snapshot_indices(s, &entries, &n_entries, &err));
    for (size_t i = 0; i < n_entries; i++) {
        bool all = !strstr(entries[i].type_url, "Zone") && !strstr(entries[i].type_url, "Bloom");
        for (size_t k = 0; k < n; k++)
            all &= lists(&entries[i], ids[k]);
        count += all;
    }
    return count;
}

/* Two neighbouring fragments become one, as a compaction does it; indices follow. */
static void compact(world *w)
{
    size_t n = qv__snapshot_n_fragments(w->s);
    if (n < 2)
        return;
    size_t at = (size_t) qvt_rng_below(&w->rng, n - 1), n_rows = 0, n_swaps = 0;
    qv__matches live = { n, calloc(n, sizeof(void *)), 0 };
    uint64_t old[2], *from = calloc(20000, 8), *to = calloc(20000, 8), *ids = calloc(20000, 8);
    qv__snapshot *next = NULL;
    qv__commit_end end = { 0 };
    qv__job job;

    qv__job_begin(&job, NULL, "compact", 0);
    qv__change reserve = { .operation = QV_OP_RESERVE, .reserve = 1 };
    QVT_OK(qv__commit(w->store, w->s, &reserve, &job, &next, &end, &err));
    move_on(w, next);
    uint64_t id = qv__snapshot_max_fragment_id(w->s);
    for (size_t k = 0; k < 2; k++) {
        const qv__fragment *f = qv__snapshot_fragment(w->s, at + k);
        const uint32_t *offsets;
        const uint8_t *bits;
        size_t n_deleted;
        old[k] = f->id;
        live.rows[at + k] = roaring_bitmap_create();
        QVT_OK(qv__snapshot_deletions(w->s, at + k, &offsets, &n_deleted, &bits, &err));
        for (uint64_t i = 0; i < f->physical_rows; i++) {
            if (bits && !qv__bit_get(bits, i))
                continue;
            roaring_bitmap_add(live.rows[at + k], (uint32_t) i);
            QVT_OK(qv__snapshot_row_ids(w->s, at + k, i, 1, &ids[n_rows], &err));
            from[n_rows] = f->id << 32 | i;
            to[n_rows] = id << 32 | n_rows;
            n_rows++;
        }
    }
    live.n_rows = n_rows;
    if (n_rows) {
        qv_scan_options all = QV_SCAN_OPTIONS_INIT;
        qv__stream *rows;
        qv__new_fragments made = { 0 };
        const qv__write_rows write = { .job = &job };
        qv__index_swap *swaps = NULL;
        QVT_OK(qv__scan_matches(w->s, &live, &all, &rows, &err));
        QVT_OK(qv__write_fragments(w->store, w->s, rows, &write, &made, &err));
        qv__stream_free(rows);
        assert_int_equal(made.n, 1);
        made.items[0].id = id;
        if (qv__snapshot_has_stable_row_ids(w->s))
            made.items[0].row_ids = qv__memdup(ids, n_rows * 8);
        const qv__row_move move = { from, to, n_rows, old, 2, &id, 1 };
        QVT_OK(qv__index_remap(w->store, w->s, &move, &job, &swaps, &n_swaps, &err));
        qv__rewrite_group group = { old, 2, 0, 1 };
        qv__change change = { .operation = QV_OP_REWRITE,
                              .fragments = &made,
                              .groups = &group,
                              .n_groups = 1,
                              .swaps = swaps,
                              .n_swaps = n_swaps };
        size_t covering = count_covering(w->s, old, 2);
        QVT_OK(qv__commit(w->store, w->s, &change, &job, &next, &end, &err));
        assert_int_equal(count_covering(next, &id, 1), covering);
        qv__index_swaps_free(swaps, n_swaps);
        qv__new_fragments_clear(&made);
        move_on(w, next);
    }
    qv__job_end(&job, QV_OK);
    for (size_t k = 0; k < 2; k++)
        roaring_bitmap_free(live.rows[at + k]);
    free(live.rows);
    free(from);
    free(to);
    free(ids);
}

static void on_problem(void *ctx, const char *object, const char *what)
{
    QV_UNUSED(ctx);
    print_error("%s: %s\n", object, what);
    fail();
}

static void check(world *w)
{
    char where[4000];
    qvt_index_use use;
    qv__job job;

    for (int i = 0; i < 12; i++) {
        print_condition(&w->rng, some(&w->rng, 4), where, sizeof where);
        qvt_index_check(w->s, where, some(&w->rng, 3) == 0, &use, NULL);
        w->used += use.used;
        w->asked++;
    }
    qv__job_begin(&job, NULL, "verify", 0);
    QVT_OK(qv__index_verify(w->s, on_problem, NULL, &job, &err));
    qv__job_end(&job, QV_OK);
}

static void reopen(world *w)
{
    qv__snapshot *next;

    QVT_OK(qv__snapshot_open(w->store, 0, &next, &err));
    assert_int_equal(qv__snapshot_version(next), qv__snapshot_version(w->s));
    move_on(w, next);
}

static void step(world *w)
{
    switch (some(&w->rng, 10)) {
    case 0:
    case 1:
        append(w, 1 + (int64_t) qvt_rng_below(&w->rng, 2500));
        break;
    case 2:
        delete_some(w);
        break;
    case 3:
    case 4:
        create_index(w);
        break;
    case 5:
    case 6:
        extend_indices(w);
        break;
    case 7:
        reopen(w);
        break;
    case 8:
        compact(w);
        break;
    default:
        if (some(&w->rng, 3) == 0)
            drop_index(w);
    }
}

static void run(qvt_rng *rng, bool stable)
{
    world w = { .rng = { qvt_rng_next(rng) } };
    qv__write options = { .create = true, .stable_row_ids = stable, .max_rows_per_file = 1000 };

    QVT_OK(qv__store_open("memory://", true, &w.store, &err));
    qv__stream *rows = make_rows(&w.rng, 0, 1500);
    QVT_OK(qv__table_write(w.store, NULL, rows, &options, NULL, &w.s, &err));
    qv__stream_free(rows);
    w.next_id = 1500;
    for (int i = 0; i < 4; i++)
        create_index(&w);
    for (int i = 0; i < 30; i++) {
        step(&w);
        check(&w);
    }
    assert_true(w.used > 20);
    qv__snapshot_unref(w.s);
    qv__store_unref(w.store);
}

static void test_index_model(void **state)
{
    QV_UNUSED(state);
    qvt_rng rng = qvt_rng_seeded();
    size_t blocks = qv_memory().live_blocks;

    for (int round = 0; round < 6; round++)
        run(&rng, round % 2 != 0);
    assert_int_equal(qv_memory().live_blocks, blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_index_model) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
