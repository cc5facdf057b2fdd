/* Who may follow whom: each pair of changes run against each other. Mine is worked out on a version, theirs is committed on it
 * first, then mine is tried; the verdicts are data. What may follow must leave both changes in the table. */
#include "qvt_table.h"

#include "arrow/builder.h"
#include "table/table_private.h"

static qv_error err;

enum { N_OPS = 13, ROWS = 10 };
/* in the order of the verdicts below */
static const char ops[N_OPS + 1] = "ADUCIWOMPKLTV";

/* Fragments, rows, names and keys differ. '.' mine follows, 'R' it is worth working out anew, 'X' it is not. */
static const char apart[N_OPS][N_OPS + 1] = {
    /* theirs    ADUCIWOMPKLTV */
    /* Append */ "......X....X.",
    /* Delete */ "......XR...X.",
    /* Update */ "......XR...X.",
    /* Column */ "......XR...X.",
    /* Index  */ "......X....X.",
    /* reWrite*/ "......XR...X.",
    /* Overwr */ "......R......",
    /* Merge  */ "RRRR.RXRX.RX.",
    /* Project*/ "......XRR..X.",
    /* Konfig */ ".............",
    /* repLace*/ "......XR...X.",
    /* resTore*/ ".............",
    /* reserVe*/ "......X....X.",
};

/* One fragment, other rows of it; one index name over the column that is replaced; one key; updates write what projections drop. */
static const char together[N_OPS][N_OPS + 1] = {
    /* theirs    ADUCIWOMPKLTV */
    /* Append */ "......X....X.",
    /* Delete */ "...R.RXR..RX.",
    /* Update */ "...R.RXRR.RX.",
    /* Column */ ".RRR.RXR..RX.",
    /* Index  */ "....RRX...RX.",
    /* reWrite*/ ".RRRRRXR..RX.",
    /* Overwr */ "......R......",
    /* Merge  */ "RRRR.RXRX.RX.",
    /* Project*/ "......XRR..X.",
    /* Konfig */ ".........X...",
    /* repLace*/ "..RRRRXR..RX.",
    /* resTore*/ ".............",
    /* reserVe*/ "......X....X.",
};

/* ------------------------------------------------------------------ one change */

typedef struct side {
    bool mine, shared, same_rows;
} side;

static uint64_t fragment_of(const side *who) { return who->shared || who->mine ? 0 : 1; }

static qv__store *fresh_table(qv__snapshot **out)
{
    static unsigned number;
    char path[4200];
    qv__store *store;
    qv__write options = { .max_rows_per_file = ROWS };
    const qv__change reserve = { .operation = QV_OP_RESERVE, .reserve = 2 }; /* fragments 2 and 3 */
    qv__snapshot *created;

    snprintf(path, sizeof path, "%s/conflict-%u", qvt_temp_dir(), number++);
    QVT_OK(qv__store_open(path, true, &store, &err));
    QVT_OK(qvt_table_write(store, NULL, &options, 0, 2 * ROWS, &created, &err));
    QVT_OK(qv__commit(store, created, &reserve, NULL, out, NULL, &err));
    qv__snapshot_unref(created);
    return store;
}

static qv__new_fragments write_ids(qv__store *store, qv__snapshot *base, int64_t first, int64_t n)
{
    qv__new_fragments made = { 0 };
    qv__write_rows options = { .profile = QV_FILE_DEFAULT };
    qv__stream *stream;

    QVT_OK(qvt_table_stream(first, n, 1000, 0, &stream, &err));
    QVT_OK(qv__write_fragments(store, base, stream, &options, &made, &err));
    qv__stream_free(stream);
    return made;
}

/* A file of the vectors of a fragment's rows. */
static qv__column_file write_vectors(qv__store *store, qv__snapshot *base, uint64_t fragment)
{
    qv__column_file made = { .fragment_id = fragment };
    qv__schema *stored, *shown;
    qv__stream *whole, *stream;
    qv__array *batch, *part;

    QVT_OK(qv__schema_new(&qv__snapshot_stored_schema(base)->fields[2], 1, NULL, &stored, &err));
    QVT_OK(qv__schema_new(&qv__snapshot_schema(base)->fields[2], 1, NULL, &shown, &err));
    QVT_OK(qvt_table_stream((int64_t) fragment * ROWS, ROWS, ROWS, 3, &whole, &err));
    QVT_OK(whole->next(whole, &batch, &err));
    QVT_OK(qv__batch_new(shown, &batch->children[2], ROWS, &part, &err));
    QVT_OK(qv__stream_of(shown, &part, 1, &stream, &err));
    QVT_OK(qv__write_columns(store, base, stored, stream, ROWS, NULL, &made.file, &err));
    qv__stream_free(stream);
    qv__stream_free(whole);
    qv__array_unref(part);
    qv__array_unref(batch);
    qv__schema_unref(shown);
    qv__schema_unref(stored);
    return made;
}

static qv__schema *with_extra(qv__snapshot *base)
{
    const qv__schema *old = qv__snapshot_stored_schema(base);
    qv__field fields[8] = { 0 };
    qv__schema *schema;

    memcpy(fields, old->fields, old->n_fields * sizeof *fields);
    QVT_OK(qv__field_init(&fields[old->n_fields], "extra", old->fields[0].type, true, &err));
    QVT_OK(qv__snapshot_next_field_id(base, &fields[old->n_fields].id, &err));
    QVT_OK(qv__schema_new(fields, old->n_fields + 1, NULL, &schema, &err));
    qv__field_clear(&fields[old->n_fields]);
    return schema;
}

/* Everything that a change of one letter points to. */
typedef struct draft {
    qv__change change;
    uint64_t fragment;
    uint32_t covered[2];
    int32_t vector, text, json; /* field ids */
    roaring_bitmap_t *rows;
    qv__row_deletion deletion;
    qv__new_fragments fragments;
    qv__column_file file;
    qv__schema *schema;
    qv_pair pair;
    qv__config_update update;
    qv__index_entry entry;
    qv__rewrite_group group;
} draft;

static void init_draft(draft *d, const side *who)
{
    uint32_t first_row = who->mine || who->same_rows ? 0 : 5;

    *d = (draft){ .fragment = fragment_of(who), .covered = { 0, 1 }, .vector = 2, .text = 1, .json = 3 };
    d->change.preserves_nullability = true;
    d->change.fragments = &d->fragments;
    d->rows = roaring_bitmap_from_range(first_row, first_row + 2, 1);
    d->deletion = (qv__row_deletion){ d->fragment, d->rows };
    d->pair = (qv_pair){ who->shared || who->mine ? "key" : "other key", "value" };
    d->update = (qv__config_update){ .kind = QV_METADATA_CONFIG, .pairs = &d->pair, .n = 1 };
    d->entry = (qv__index_entry){ .name = who->shared || who->mine ? "i" : "other i",
                                  .fields = who->shared ? &d->vector : &d->text,
                                  .n_fields = 1,
                                  .fragments = who->shared ? d->covered : &d->covered[d->fragment],
                                  .n_fragments = who->shared ? 2 : 1,
                                  .type_url = "/lance.table.BitmapIndexDetails" };
    memset(d->entry.uuid, who->mine ? 1 : 2, 16);
    d->group = (qv__rewrite_group){ &d->fragment, 1, 0, 1 };
}

/* Changes of rows and of fragments. False: the letter is none of these. */
static bool change_rows(draft *d, char op, const side *who, qv__store *store, qv__snapshot *base)
{
    qv__change *change = &d->change;

    switch (op) {
    case 'A':
        change->operation = QV_OP_APPEND;
        d->fragments = write_ids(store, base, 500, 5);
        return true;
    case 'U':
        d->fragments = write_ids(store, base, 600, 2);
        change->fields_modified = who->shared ? &d->json : &d->text;
        change->n_fields_modified = 1;
        /* fall through */
    case 'D':
        change->operation = op == 'U' ? QV_OP_UPDATE : QV_OP_DELETE;
        change->deletions = &d->deletion;
        change->n_deletions = 1;
        return true;
    case 'C':
    case 'L':
        change->operation = op == 'C' ? QV_OP_UPDATE : QV_OP_REPLACEMENT;
        change->columns_mode = op == 'C';
        d->file = write_vectors(store, base, d->fragment);
        change->column_files = &d->file;
        change->n_column_files = 1;
        change->fields_modified = &d->vector;
        change->n_fields_modified = 1;
        return true;
    case 'W':
        change->operation = QV_OP_REWRITE;
        d->fragments = write_ids(store, base, (int64_t) d->fragment * ROWS, ROWS);
        d->fragments.items[0].id = who->mine ? 2 : 3;
        change->groups = &d->group;
        change->n_groups = 1;
        return true;
    default:
        return false;
    }
}

/* Changes of the table as a whole. */
static void change_table(draft *d, char op, qv__store *store, qv__snapshot *base)
{
    qv__change *change = &d->change;

    switch (op) {
    case 'I':
        change->operation = QV_OP_CREATE_INDEX;
        change->new_indices = &d->entry;
        change->n_new_indices = 1;
        break;
    case 'O':
        change->operation = QV_OP_OVERWRITE;
        d->fragments = write_ids(store, base, 700, 7);
        change->stored = qv__snapshot_stored_schema(base);
        break;
    case 'M':
        change->operation = QV_OP_MERGE;
        change->stored = d->schema = with_extra(base);
        break;
    case 'P':
        change->operation = QV_OP_PROJECT;
        QVT_OK(qv__schema_new(qv__snapshot_stored_schema(base)->fields, 3, NULL, &d->schema, &err));
        change->stored = d->schema;
        break;
    case 'K':
        change->operation = QV_OP_CONFIG;
        change->updates = &d->update;
        change->n_updates = 1;
        break;
    case 'T':
        change->operation = QV_OP_RESTORE;
        change->restore_version = 1;
        break;
    default:
        change->operation = QV_OP_RESERVE;
        change->reserve = 1;
    }
}

/* Makes the change of a letter on `base` and tries to commit it. */
static qv_status run(char op, const side *who, qv__store *store, qv__snapshot *base, qv__snapshot **out,
                     qv__commit_end *end)
{
    draft d;

    init_draft(&d, who);
    if (!change_rows(&d, op, who, store, base))
        change_table(&d, op, store, base);
    qv_status st = qv__commit(store, base, &d.change, NULL, out, end, &err);
    assert_int_equal(end->committed, st == QV_OK);
    if (st == QV_OK) {
        qv__new_fragments_clear(&d.fragments);
        qv__new_file_clear(&d.file.file);
    } else {
        qv__new_fragments_discard(store, &d.fragments);
        qv__new_file_discard(store, &d.file.file);
    }
    qv__schema_unref(d.schema);
    roaring_bitmap_free(d.rows);
    return st;
}

/* ------------------------------------------------------------------ each with each */

static uint64_t rows_after(uint64_t rows, char op)
{
    return op == 'A' ? rows + 5 : op == 'D' ? rows - 2 : op == 'O' ? 7 : op == 'T' ? 2 * ROWS : rows;
}

static qv_status count_one(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *e)
{
    (void) name;
    (void) size;
    (void) is_folder;
    (void) e;
    ++*(size_t *) ctx;
    return QV_OK;
}

static size_t count_deletion_files(qv__store *store)
{
    size_t n = 0;

    QVT_OK(qv__store_list(store, "_deletions", count_one, &n, &err));
    return n;
}

static char verdict_of(char mine, char theirs, const side *me, const side *them)
{
    qv__snapshot *base, *first, *second = NULL;
    qv__store *store = fresh_table(&base);
    qv__commit_end end;
    uint64_t rows;
    char verdict = '.';

    QVT_OK(run(theirs, them, store, base, &first, &end));
    size_t files = count_deletion_files(store);
    qv_status st = run(mine, me, store, base, &second, &end);
    if (st == QV_OK) {
        qv__snapshot_unref(second);
        QVT_OK(qv__snapshot_open(store, 0, &second, &err));
        QVT_OK(qv__snapshot_verify(second, NULL, NULL, NULL, NULL, &err));
        QVT_OK(qv__snapshot_count_rows(second, &rows, &err));
        assert_int_equal(qv__snapshot_version(second), 4);
        if (rows != rows_after(rows_after(2 * ROWS, theirs), mine))
            fail_msg("%c after %c: %llu rows", mine, theirs, (unsigned long long) rows);
    } else {
        assert_int_equal(st, QV_CONFLICT);
        assert_int_equal(count_deletion_files(store), files); /* what was written for nothing is gone */
        verdict = end.worth_retry ? 'R' : 'X';
    }
    qv__snapshot_unref(second);
    qv__snapshot_unref(first);
    qv__snapshot_unref(base);
    qv__store_unref(store);
    return verdict;
}

/* An overwrite after another one looks again by itself. */
static char expected(char wanted, char mine) { return mine == 'O' && wanted == 'R' ? '.' : wanted; }

static void check_matrix(const char (*verdicts)[N_OPS + 1], bool shared)
{
    const side me = { true, shared, false }, them = { false, shared, false };
    unsigned wrong = 0;

    for (size_t i = 0; i < N_OPS; i++)
        for (size_t j = 0; j < N_OPS; j++) {
            char found = verdict_of(ops[i], ops[j], &me, &them);
            if (found == expected(verdicts[i][j], ops[i]))
                continue;
            wrong++;
            print_error("%c after %c: %c, expected %c: %s\n", ops[i], ops[j], found, verdicts[i][j],
                        found == '.' ? "" : err.message);
        }
    assert_int_equal(wrong, 0);
}

static void test_apart(void **state)
{
    (void) state;
    check_matrix(apart, false);
}

static void test_together(void **state)
{
    (void) state;
    check_matrix(together, true);
}

static void test_same_rows(void **state)
{
    const side me = { true, true, true }, them = { false, true, true };

    (void) state;
    assert_int_equal(verdict_of('D', 'D', &me, &them), 'R');
    assert_int_equal(verdict_of('D', 'U', &me, &them), 'R');
    assert_int_equal(verdict_of('U', 'D', &me, &them), 'R');
    assert_int_equal(verdict_of('U', 'U', &me, &them), 'R');
}

/* The union of both deletions, in one new file. */
static void test_rebase(void **state)
{
    const side me = { true, true, false }, them = { false, true, false };
    qv__snapshot *base, *first, *second;
    qv__store *store = fresh_table(&base);
    qv__commit_end end;
    const uint32_t *offsets;
    const uint8_t *live;
    size_t n;

    (void) state;
    QVT_OK(run('D', &them, store, base, &first, &end));
    QVT_OK(run('D', &me, store, base, &second, &end));
    QVT_OK(qv__snapshot_deletions(second, 0, &offsets, &n, &live, &err));
    assert_int_equal(n, 4);
    assert_int_equal(offsets[1], 1);
    assert_int_equal(offsets[2], 5);
    assert_int_equal(qv__snapshot_fragment(second, 0)->deletion->n_deleted, 4);
    assert_int_equal(count_deletion_files(store), 2);
    qv__snapshot_unref(second);
    qv__snapshot_unref(first);
    qv__snapshot_unref(base);
    qv__store_unref(store);
}

/* ------------------------------------------------------------------ what stands above the table, and keys */

static qv__verdict judge(const qv__change *mine, Lance__Table__Transaction *m, qv__operation theirs, qv__snapshot *base)
{
    qv__transaction transaction = { .operation = theirs, .message = m };
    qv__verdict verdict;

    QVT_OK(qv__conflict(mine, base, &transaction, &verdict, &err));
    return verdict;
}

static void test_nullability(void **state)
{
    qv__snapshot *base;
    qv__store *store = fresh_table(&base);
    Lance__Table__Merge merge = LANCE__TABLE__MERGE__INIT;
    Lance__Table__Append append = LANCE__TABLE__APPEND__INIT;
    Lance__Table__Transaction theirs = LANCE__TABLE__TRANSACTION__INIT;
    qv__change mine = { .operation = QV_OP_APPEND };

    (void) state;
    theirs.merge = &merge;
    assert_int_equal(judge(&mine, &theirs, QV_OP_MERGE, base), QV_VERDICT_RETRY);
    merge.preserves_nullability = true;
    assert_int_equal(judge(&mine, &theirs, QV_OP_MERGE, base), QV_VERDICT_OK);
    theirs.merge = NULL;
    theirs.append = &append;
    mine.operation = QV_OP_PROJECT;
    assert_int_equal(judge(&mine, &theirs, QV_OP_APPEND, base), QV_VERDICT_RETRY);
    mine.preserves_nullability = true;
    assert_int_equal(judge(&mine, &theirs, QV_OP_APPEND, base), QV_VERDICT_OK);
    qv__snapshot_unref(base);
    qv__store_unref(store);
}

static void test_metadata_and_unknown(void **state)
{
    qv__snapshot *base;
    qv__store *store = fresh_table(&base);
    Lance__Table__UpdateConfig config = LANCE__TABLE__UPDATE_CONFIG__INIT;
    Lance__Table__UpdateMap map = LANCE__TABLE__UPDATE_MAP__INIT;
    Lance__Table__Opaque opaque = LANCE__TABLE__OPAQUE__INIT;
    Lance__Table__Transaction theirs = LANCE__TABLE__TRANSACTION__INIT, nothing = theirs, wal = theirs;
    qv__change mine = { .operation = QV_OP_MERGE, .preserves_nullability = true };

    (void) state;
    theirs.update_config = &config;
    config.schema_metadata_updates = &map;
    assert_int_equal(judge(&mine, &theirs, QV_OP_CONFIG, base), QV_VERDICT_RETRY);
    mine.operation = QV_OP_RESTORE;
    assert_int_equal(judge(&mine, &theirs, QV_OP_CONFIG, base), QV_VERDICT_CONFLICT);
    config.schema_metadata_updates = NULL;
    config.config_updates = &map;
    assert_int_equal(judge(&mine, &theirs, QV_OP_CONFIG, base), QV_VERDICT_OK);
    wal.update_mem_wal_state = &opaque;
    for (int op = 0; op <= QV_OP_REPLACEMENT; op++) {
        bool follows = op == QV_OP_UPDATE || op == QV_OP_CREATE_INDEX || op == QV_OP_REWRITE || op == QV_OP_RESERVE ||
                       op == QV_OP_CONFIG;
        mine.operation = (qv__operation) op;
        assert_int_equal(judge(&mine, &nothing, QV_OP_UNKNOWN, base), QV_VERDICT_CONFLICT);
        assert_int_equal(judge(&mine, NULL, QV_OP_UNKNOWN, base), QV_VERDICT_CONFLICT);
        assert_int_equal(judge(&mine, &wal, QV_OP_MEM_WAL, base), follows ? QV_VERDICT_OK : QV_VERDICT_CONFLICT);
    }
    qv__snapshot_unref(base);
    qv__store_unref(store);
}

static void test_keys(void **state)
{
    static const struct {
        uint64_t theirs[2];
        int32_t field;
        qv__verdict verdict;
    } cases[] = {
        { { 1, 4 }, 0, QV_VERDICT_OK },
        { { 2, 3 }, 0, QV_VERDICT_RETRY }, /* 3 is on both sides */
        { { 1, 4 }, 1, QV_VERDICT_RETRY }, /* another key */
        { { 4, 1 }, 0, QV_VERDICT_RETRY }, /* not in order, so not a list of ours */
    };
    const uint64_t hashes[] = { 3, 7, UINT64_MAX };
    const int32_t field = 0;
    const qv__key_set keys = { &field, 1, hashes, 3 };
    qv__change mine = { .operation = QV_OP_UPDATE, .inserted = &keys };
    Lance__Table__Transaction theirs = LANCE__TABLE__TRANSACTION__INIT, plain = theirs, append = theirs;
    Lance__Table__Update update = LANCE__TABLE__UPDATE__INIT, without = update;
    Lance__Table__Append rows = LANCE__TABLE__APPEND__INIT;
    Lance__Table__KeyFilter filter = LANCE__TABLE__KEY_FILTER__INIT;
    Lance__Table__ExactKeys exact = LANCE__TABLE__EXACT_KEYS__INIT;
    qv__snapshot *base;
    qv__store *store = fresh_table(&base);

    (void) state;
    theirs.update = &update;
    plain.update = &without;
    append.append = &rows;
    update.inserted_rows = &filter;
    filter.exact = &exact;
    filter.n_field_ids = 1;
    exact.n_key_hashes = 2;
    for (size_t i = 0; i < QV_COUNT_OF(cases); i++) {
        int32_t their_field = cases[i].field;
        exact.key_hashes = (uint64_t *) (uintptr_t) cases[i].theirs;
        filter.field_ids = &their_field;
        assert_int_equal(judge(&mine, &theirs, QV_OP_UPDATE, base), cases[i].verdict);
    }
    assert_int_equal(judge(&mine, &plain, QV_OP_UPDATE, base), QV_VERDICT_RETRY); /* who knows what it brought */
    assert_int_equal(judge(&mine, &append, QV_OP_APPEND, base), QV_VERDICT_RETRY);
    filter.exact = NULL; /* a Bloom filter of another make */
    assert_int_equal(judge(&mine, &theirs, QV_OP_UPDATE, base), QV_VERDICT_RETRY);
    mine.operation = QV_OP_APPEND; /* an append under a key is published as an update */
    assert_int_equal(judge(&mine, &append, QV_OP_APPEND, base), QV_VERDICT_RETRY);
    mine.inserted = NULL;
    assert_int_equal(judge(&mine, &append, QV_OP_APPEND, base), QV_VERDICT_OK);
    mine.operation = QV_OP_UPDATE;
    assert_int_equal(judge(&mine, &theirs, QV_OP_UPDATE, base), QV_VERDICT_OK);
    qv__snapshot_unref(base);
    qv__store_unref(store);
}

static void test_enforcement(void **state)
{
    const qv_pair pair = { QV_KEY_ENFORCED, "true" };
    const qv__config_update update = { .kind = QV_METADATA_CONFIG, .pairs = &pair, .n = 1 };
    const qv__change enforce = { .operation = QV_OP_CONFIG, .updates = &update, .n_updates = 1 },
                     append = { .operation = QV_OP_APPEND };
    Lance__Table__Transaction rows = LANCE__TABLE__TRANSACTION__INIT, config = rows;
    Lance__Table__Append added = LANCE__TABLE__APPEND__INIT;
    Lance__Table__UpdateConfig updates = LANCE__TABLE__UPDATE_CONFIG__INIT;
    Lance__Table__UpdateMap map = LANCE__TABLE__UPDATE_MAP__INIT;
    Lance__Table__UpdateMapEntry entry = LANCE__TABLE__UPDATE_MAP_ENTRY__INIT, *entries[] = { &entry };
    qv__snapshot *base;
    qv__store *store = fresh_table(&base);

    (void) state;
    rows.append = &added;
    config.update_config = &updates;
    updates.config_updates = &map;
    map.update_entries = entries;
    map.n_update_entries = 1;
    entry.key = (char *) (uintptr_t) "other";
    assert_int_equal(judge(&append, &config, QV_OP_CONFIG, base), QV_VERDICT_OK);
    entry.key = (char *) (uintptr_t) QV_KEY_ENFORCED;
    assert_int_equal(judge(&append, &config, QV_OP_CONFIG, base), QV_VERDICT_CONFLICT);
    assert_int_equal(judge(&enforce, &rows, QV_OP_APPEND, base), QV_VERDICT_CONFLICT);
    qv__snapshot_unref(base);
    qv__store_unref(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apart),  cmocka_unit_test(test_together),    cmocka_unit_test(test_same_rows),
        cmocka_unit_test(test_rebase), cmocka_unit_test(test_nullability), cmocka_unit_test(test_metadata_and_unknown),
        cmocka_unit_test(test_keys),   cmocka_unit_test(test_enforcement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
