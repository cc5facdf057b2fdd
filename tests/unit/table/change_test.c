/* One commit of each kind, and what the next version looks like: rows, row ids and versions, indices, flags, ids. */
#include "qvt_table.h"

#include "arrow/builder.h"
#include "table/table_private.h"

static qv_error err;

/* ------------------------------------------------------------------ helpers */

static qv__store *fresh_store(void)
{
    static unsigned number;
    char path[4200];
    qv__store *store;

    const char *kept = getenv("QVT_TABLES"); /* for tests that look at the tables with other eyes */

    snprintf(path, sizeof path, "%s/change-%u.lance", kept ? kept : qvt_temp_dir(), number++);
    QVT_OK(qv__store_open(path, true, &store, &err));
    return store;
}

/* A table of `n_files` fragments of `rows` rows each, ids from 0 on. */
static qv__store *make_table(size_t n_files, int64_t rows, bool stable, qv__snapshot **out)
{
    qv__store *store = fresh_store();
    qv__write options = { .stable_row_ids = stable, .max_rows_per_file = (uint64_t) rows };

    QVT_OK(qvt_table_write(store, NULL, &options, 0, (int64_t) n_files * rows, out, &err));
    return store;
}

/* Commits on top of *at, which becomes the new version as others read it. */
static void commit(qv__store *store, qv__snapshot **at, const qv__change *change)
{
    qv__commit_end end;
    qv__snapshot *made;
    uint64_t version = qv__snapshot_version(*at);

    QVT_OK(qv__commit(store, *at, change, NULL, &made, &end, &err));
    assert_true(end.committed);
    assert_int_equal(qv__snapshot_version(made), version + 1);
    qv__snapshot_unref(made);
    qv__snapshot_unref(*at);
    QVT_OK(qv__snapshot_open(store, 0, at, &err));
    QVT_OK(qv__snapshot_verify(*at, NULL, NULL, NULL, NULL, &err));
}

static roaring_bitmap_t *rows_of(uint32_t first, uint32_t n)
{
    return roaring_bitmap_from_range(first, (uint64_t) first + n, 1);
}

static void delete_rows(qv__store *store, qv__snapshot **at, uint64_t fragment, uint32_t first, uint32_t n)
{
    roaring_bitmap_t *rows = rows_of(first, n);
    qv__row_deletion deletion = { fragment, rows };
    qv__change change = { .operation = QV_OP_DELETE, .deletions = &deletion, .n_deletions = 1, .predicate = "true" };

    commit(store, at, &change);
    roaring_bitmap_free(rows);
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

/* The ids of the live rows are those of the ranges, in this order. */
static void expect_ranges(qv__snapshot *s, size_t n_ranges, const int64_t (*ranges)[2])
{
    int64_t *ids;
    size_t n, at = 0;

    qvt_table_read(s, &ids, &n);
    for (size_t r = 0; r < n_ranges; r++)
        for (int64_t id = ranges[r][0]; id < ranges[r][1]; id++, at++) {
            assert_true(at < n);
            assert_int_equal(ids[at], id);
        }
    assert_int_equal(at, n);
    qv__free(ids);
}

#define EXPECT_RANGES(s, ...)                            \
    do {                                                 \
        const int64_t ranges[][2] = __VA_ARGS__;         \
        expect_ranges((s), QV_COUNT_OF(ranges), ranges); \
    } while (0)

static uint64_t reader_flags(const qv__snapshot *s) { return s->manifest->head->reader_feature_flags; }

/* ------------------------------------------------------------------ indices that are only entries */

static void add_index(qv__store *store, qv__snapshot **at, const char *name, int32_t field, const char *type,
                      int32_t version, uint8_t mark)
{
    uint32_t fragments[64];
    qv__index_entry entry = { .name = name, .fields = &field, .n_fields = 1, .type_url = type, .fragments = fragments };
    qv__change change = { .operation = QV_OP_CREATE_INDEX, .new_indices = &entry, .n_new_indices = 1 };

    memset(entry.uuid, mark, 16);
    entry.index_version = version;
    entry.dataset_version = qv__snapshot_version(*at);
    entry.created_at_ms = 1700000000000;
    for (size_t i = 0; i < qv__snapshot_n_fragments(*at); i++)
        fragments[entry.n_fragments++] = (uint32_t) qv__snapshot_fragment(*at, i)->id;
    commit(store, at, &change);
}

static const qv__index_entry *find_index(qv__snapshot *s, const char *name)
{
    const qv__index_entry *entries;
    size_t n;

    QVT_OK(qv__snapshot_indices(s, &entries, &n, &err));
    for (size_t i = 0; i < n; i++)
        if (strcmp(entries[i].name, name) == 0)
            return &entries[i];
    return NULL;
}

/* The index covers exactly these fragments; -1 ends the list. */
static void expect_covers(qv__snapshot *s, const char *name, const int64_t *ids)
{
    const qv__index_entry *entry = find_index(s, name);
    size_t n = 0;

    assert_non_null(entry);
    for (; ids[n] >= 0; n++) {
        assert_true(n < entry->n_fragments);
        assert_int_equal(entry->fragments[n], ids[n]);
    }
    assert_int_equal(entry->n_fragments, n);
}
#define EXPECT_COVERS(s, name, ...) expect_covers((s), (name), (const int64_t[]){ __VA_ARGS__, -1 })

/* ------------------------------------------------------------------ deletions */

static void test_delete(void **state)
{
    qv__snapshot *s, *second;
    qv__store *store = make_table(3, 10, false, &s);

    (void) state;
    delete_rows(store, &s, 1, 2, 5);
    EXPECT_RANGES(s, { { 0, 12 }, { 17, 30 } });
    assert_int_equal(reader_flags(s) & QV_FLAG_DELETIONS, QV_FLAG_DELETIONS);
    assert_false(qv__snapshot_fragment(s, 1)->deletion->is_bitmap);
    delete_rows(store, &s, 1, 0, 2); /* the union */
    EXPECT_RANGES(s, { { 0, 10 }, { 17, 30 } });
    assert_int_equal(qv__snapshot_fragment(s, 1)->deletion->n_deleted, 7);
    delete_rows(store, &s, 1, 7, 3); /* nothing is left: the fragment goes, and with it the flag */
    EXPECT_RANGES(s, { { 0, 10 }, { 20, 30 } });
    assert_int_equal(qv__snapshot_n_fragments(s), 2);
    assert_int_equal(reader_flags(s), 0);
    assert_int_equal(qv__snapshot_max_fragment_id(s), 2);
    QVT_OK(qv__snapshot_open(store, 2, &second, &err)); /* old versions keep their rows */
    EXPECT_RANGES(second, { { 0, 12 }, { 17, 30 } });
    qv__snapshot_unref(second);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

static void test_delete_many(void **state)
{
    qv__snapshot *s;
    qv__store *store = make_table(2, 9000, true, &s);
    roaring_bitmap_t *a = rows_of(0, 9000), *b = rows_of(100, 6000);
    qv__row_deletion deletions[] = { { 1, b }, { 0, a } }; /* in any order */
    qv__change change = { .operation = QV_OP_DELETE, .deletions = deletions, .n_deletions = 2 };

    (void) state;
    commit(store, &s, &change);
    EXPECT_RANGES(s, { { 9000, 9100 }, { 15100, 18000 } });
    assert_int_equal(qv__snapshot_n_fragments(s), 1);
    assert_true(qv__snapshot_fragment(s, 0)->deletion->is_bitmap);
    roaring_bitmap_free(a);
    roaring_bitmap_free(b);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

static void test_bad_deletions(void **state)
{
    qv__snapshot *s, *out = NULL;
    qv__store *store = make_table(1, 10, false, &s);
    roaring_bitmap_t *outside = rows_of(8, 5), *row = rows_of(1, 1);
    qv__row_deletion beyond = { 0, outside }, twice[] = { { 0, row }, { 0, row } }, nowhere = { 7, row };
    qv__change change = { .operation = QV_OP_DELETE, .deletions = &beyond, .n_deletions = 1 };

    (void) state;
    QVT_FAILS(qv__commit(store, s, &change, NULL, &out, NULL, &err), QV_INVALID, "row 12 of fragment 0, which has 10");
    change.deletions = &nowhere;
    QVT_FAILS(qv__commit(store, s, &change, NULL, &out, NULL, &err), QV_INVALID, "version 1 has no fragment 7");
    change.deletions = twice;
    change.n_deletions = 2;
    QVT_FAILS(qv__commit(store, s, &change, NULL, &out, NULL, &err), QV_INVALID, "fragment 0 is changed twice");
    assert_null(out);
    roaring_bitmap_free(outside);
    roaring_bitmap_free(row);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

/* ------------------------------------------------------------------ updates */

/* Rows 2, 3, 4 of fragment 0 become rows 102, 103, 104. */
static void test_update_rows(void **state)
{
    qv__snapshot *s;
    qv__store *store = make_table(2, 10, true, &s);
    uint64_t created[3] = { 1, 1, 1 }, updated[3], carried[3], row;
    int32_t fields[] = { 1 };
    size_t fragment;
    bool found;

    (void) state;
    add_index(store, &s, "vectors", 2, "/lance.index.pb.VectorIndexDetails", 1, 1);
    add_index(store, &s, "texts", 1, "/lance.table.BitmapIndexDetails", 0, 2);
    add_index(store, &s, "tree", 3, "/lance.table.BTreeIndexDetails", 1, 3);
    roaring_bitmap_t *rows = rows_of(2, 3);
    qv__row_deletion deletion = { 0, rows };
    qv__new_fragments moved = write_ids(store, s, 102, 3);
    QVT_OK(QV_NEW(&moved.items[0].row_ids, 3, &err));
    QVT_OK(QV_NEW(&moved.items[0].created, 3, &err));
    for (uint64_t i = 0; i < 3; i++) {
        moved.items[0].row_ids[i] = 2 + i;
        moved.items[0].created[i] = created[i];
    }
    qv__change change = { .operation = QV_OP_UPDATE,
                          .deletions = &deletion,
                          .n_deletions = 1,
                          .fragments = &moved,
                          .fields_modified = fields,
                          .n_fields_modified = 1 };
    commit(store, &s, &change);
    EXPECT_RANGES(s, { { 0, 2 }, { 5, 20 }, { 102, 105 } });
    QVT_OK(qv__snapshot_locate(s, 3, &fragment, &row, &found, &err));
    assert_true(found && fragment == 2 && row == 1);
    QVT_OK(qv__snapshot_row_ids(s, 2, 0, 3, carried, &err));
    assert_int_equal(carried[2], 4);
    QVT_OK(qv__snapshot_row_versions(s, 2, 0, 3, created, updated, &err));
    assert_int_equal(created[1], 1);
    assert_int_equal(updated[1], 5);
    QVT_OK(qv__snapshot_row_versions(s, 1, 4, 1, created, updated, &err));
    assert_int_equal(created[0], 1);
    assert_int_equal(updated[0], 1);
    EXPECT_COVERS(s, "vectors", 0, 1, 2); /* finds the rows under their ids */
    EXPECT_COVERS(s, "texts", 0, 1);      /* its values changed */
    EXPECT_COVERS(s, "tree", 0, 1);       /* holds addresses */
    assert_int_equal(s->manifest->head->next_row_id, 20);
    qv__new_fragments_clear(&moved);
    roaring_bitmap_free(rows);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

/* Some rows move, others are new: only those get ids. */
static void test_upsert(void **state)
{
    qv__snapshot *s;
    qv__store *store = make_table(1, 10, true, &s);
    roaring_bitmap_t *rows = rows_of(0, 2);
    qv__row_deletion deletion = { 0, rows };
    qv__new_fragments made = write_ids(store, s, 100, 4);
    uint64_t ids[4];

    (void) state;
    QVT_OK(QV_NEW(&made.items[0].row_ids, 4, &err));
    for (uint64_t i = 0; i < 4; i++)
        made.items[0].row_ids[i] = i < 2 ? i : UINT64_MAX;
    const uint64_t hashes[] = { 5, 9 };
    const int32_t key = 0;
    qv__key_set keys = { .field_ids = &key, .n_fields = 1, .hashes = hashes, .n = 2 };
    qv__change change = { .operation = QV_OP_UPDATE,
                          .deletions = &deletion,
                          .n_deletions = 1,
                          .fragments = &made,
                          .inserted = &keys,
                          .message = "upsert" };
    commit(store, &s, &change);
    QVT_OK(qv__snapshot_row_ids(s, 1, 0, 4, ids, &err));
    assert_int_equal(ids[1], 1);
    assert_int_equal(ids[2], 10);
    assert_int_equal(ids[3], 11);
    assert_int_equal(s->manifest->head->next_row_id, 12);
    qv__new_fragments_clear(&made);
    roaring_bitmap_free(rows);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

/* ------------------------------------------------------------------ columns */

/* A stream of one column of int32: first, first + 1, ... */
static qv__stream *numbers(const char *name, int32_t first, int64_t n)
{
    qv__type *type;
    qv__field field = { 0 };
    qv__schema *schema;
    qv__builder *builder;
    qv__array *column, *batch;
    qv__stream *stream;

    QVT_OK(qv__type_new(QV_TYPE_INT32, &type, &err));
    QVT_OK(qv__field_init(&field, name, type, true, &err));
    QVT_OK(qv__schema_new(&field, 1, NULL, &schema, &err));
    QVT_OK(qv__builder_new(type, &builder, &err));
    for (int64_t i = 0; i < n; i++) {
        int32_t value = first + (int32_t) i;
        QVT_OK(qv__builder_append_fixed(builder, &value, &err));
    }
    QVT_OK(qv__builder_finish(builder, &column, &err));
    QVT_OK(qv__batch_new(schema, &column, n, &batch, &err));
    QVT_OK(qv__stream_of(schema, &batch, 1, &stream, &err));
    qv__array_unref(batch);
    qv__array_unref(column);
    qv__builder_free(builder);
    qv__schema_unref(schema);
    qv__field_clear(&field);
    qv__type_unref(type);
    return stream;
}

/* The stored schema of `s` with int32 columns behind it: `all`; the last of them alone: `added`. */
static void with_column(qv__snapshot *s, const char *name, qv__schema **all, qv__schema **added)
{
    const qv__schema *old = qv__snapshot_stored_schema(s);
    qv__field *fields, shown = { 0 };
    qv__type *type;
    int32_t id;

    QVT_OK(QV_NEW(&fields, old->n_fields + 1, &err));
    memcpy(fields, old->fields, old->n_fields * sizeof *fields);
    QVT_OK(qv__type_new(QV_TYPE_INT32, &type, &err));
    QVT_OK(qv__field_init(&shown, name, type, true, &err));
    QVT_OK(qv__field_for_files(&shown, (qv__file_version){ 2, 2 }, &fields[old->n_fields], &err));
    QVT_OK(qv__schema_new(fields, old->n_fields + 1, NULL, all, &err));
    QVT_OK(qv__snapshot_next_field_id(s, &id, &err));
    QVT_OK(qv__schema_assign_ids(*all, &id, &err));
    QVT_OK(qv__schema_new(&(*all)->fields[old->n_fields], 1, NULL, added, &err));
    qv__field_clear(&fields[old->n_fields]);
    qv__field_clear(&shown);
    qv__type_unref(type);
    qv__free(fields);
}

static void expect_number(qv__snapshot *s, const char *name, size_t fragment, uint64_t row, int32_t value)
{
    const qv__schema *schema = qv__snapshot_schema(s);
    qv__fragment_column *column;
    qv__array *array;
    int32_t found;

    ptrdiff_t at = qv__schema_find(schema, name);
    assert_true(at >= 0);
    QVT_OK(qv__fragment_column_open(s, fragment, &schema->fields[at], &column, &err));
    QVT_OK(qv__fragment_column_read(column, row, 1, &array, &err));
    if (value < 0) {
        assert_true(qv__array_is_null(array, 0));
    } else {
        assert_false(qv__array_is_null(array, 0));
        memcpy(&found, (const uint8_t *) qv__array_values(array), sizeof found);
        assert_int_equal(found, value);
    }
    qv__array_unref(array);
    qv__fragment_column_free(column);
}

static qv__column_file write_numbers(qv__store *store, qv__snapshot *s, const qv__schema *stored, uint64_t fragment,
                                     int32_t first, int64_t n)
{
    qv__column_file made = { .fragment_id = fragment };
    qv__stream *stream = numbers(stored->fields[0].name, first, n);

    QVT_OK(qv__write_columns(store, s, stored, stream, (uint64_t) n, NULL, &made.file, &err));
    qv__stream_free(stream);
    return made;
}

/* A computed column for both fragments, and an index over it. */
static void join_column(qv__store *store, qv__snapshot **s, const qv__schema *all, const qv__schema *added)
{
    qv__column_file files[2];
    uint64_t updated[10];

    for (uint64_t i = 0; i < 2; i++)
        files[i] = write_numbers(store, *s, added, i, 100 * (int32_t) i, 10);
    qv__change merge = { .operation = QV_OP_MERGE,
                         .stored = all,
                         .preserves_nullability = true,
                         .column_files = files,
                         .n_column_files = 2 };
    commit(store, s, &merge);
    assert_int_equal(qv__snapshot_fragment(*s, 1)->n_files, 2);
    expect_number(*s, "extra", 1, 7, 107);
    QVT_OK(qv__snapshot_row_versions(*s, 0, 0, 10, NULL, updated, &err));
    assert_int_equal(updated[3], 2);
    for (size_t i = 0; i < 2; i++)
        qv__new_file_clear(&files[i].file);
    add_index(store, s, "numbers", 4, "/lance.table.BTreeIndexDetails", 1, 9);
}

/* In place, some rows of fragment 1. */
static void update_column(qv__store *store, qv__snapshot **s, const qv__schema *added)
{
    uint64_t updated[10];
    roaring_bitmap_t *rows = rows_of(0, 5);
    qv__row_deletion which = { 1, rows };
    qv__column_file file = write_numbers(store, *s, added, 1, 500, 10);
    qv__change update = { .operation = QV_OP_UPDATE,
                          .columns_mode = true,
                          .fields_modified = &added->fields[0].id,
                          .n_fields_modified = 1,
                          .deletions = &which,
                          .n_deletions = 1,
                          .column_files = &file,
                          .n_column_files = 1 };

    commit(store, s, &update);
    assert_int_equal(qv__snapshot_fragment(*s, 1)->n_files, 2); /* the file of the old values is gone */
    expect_number(*s, "extra", 1, 7, 507);
    expect_number(*s, "extra", 0, 7, 7);
    QVT_OK(qv__snapshot_row_versions(*s, 1, 0, 10, NULL, updated, &err));
    assert_int_equal(updated[4], 4);
    assert_int_equal(updated[5], 2);
    EXPECT_COVERS(*s, "numbers", 0);
    qv__new_file_clear(&file.file);
    roaring_bitmap_free(rows);
}

static void replace_column(qv__store *store, qv__snapshot **s, const qv__schema *added)
{
    qv__column_file file = write_numbers(store, *s, added, 0, 900, 10);
    qv__change replace = { .operation = QV_OP_REPLACEMENT, .column_files = &file, .n_column_files = 1 };

    commit(store, s, &replace);
    expect_number(*s, "extra", 0, 7, 907);
    assert_int_equal(find_index(*s, "numbers")->n_fragments, 0);
    qv__new_file_clear(&file.file);
}

/* The files of this column alone and its index go. */
static void drop_column(qv__store *store, qv__snapshot **s, const qv__schema *all)
{
    qv__schema *before;

    QVT_OK(qv__schema_new(all->fields, 4, NULL, &before, &err));
    qv__change project = { .operation = QV_OP_PROJECT, .stored = before, .preserves_nullability = true };
    commit(store, s, &project);
    assert_int_equal(qv__snapshot_schema(*s)->n_fields, 4);
    assert_int_equal(qv__snapshot_fragment(*s, 0)->n_files, 1);
    assert_null(find_index(*s, "numbers"));
    EXPECT_RANGES(*s, { { 0, 20 } });
    qv__schema_unref(before);
}

/* A column of nulls has no file. */
static void add_nulls(qv__store *store, qv__snapshot **s)
{
    qv__schema *all, *added;
    uint64_t updated[10];

    with_column(*s, "nothing", &all, &added);
    qv__change nulls = { .operation = QV_OP_MERGE, .stored = all, .preserves_nullability = true };
    commit(store, s, &nulls);
    expect_number(*s, "nothing", 1, 3, -1);
    QVT_OK(qv__snapshot_row_versions(*s, 0, 0, 10, NULL, updated, &err));
    assert_int_equal(updated[3], 5);
    qv__schema_unref(added);
    qv__schema_unref(all);
}

static void test_columns(void **state)
{
    qv__snapshot *s;
    qv__store *store = make_table(2, 10, true, &s);
    qv__schema *all, *added;

    (void) state;
    with_column(s, "extra", &all, &added);
    assert_int_equal(added->fields[0].id, 4);
    join_column(store, &s, all, added);
    update_column(store, &s, added);
    replace_column(store, &s, added);
    drop_column(store, &s, all);
    qv__schema_unref(added);
    qv__schema_unref(all);
    add_nulls(store, &s);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

static void test_wrong_rows(void **state)
{
    qv__snapshot *s;
    qv__store *store = make_table(1, 10, false, &s);
    qv__schema *all, *added;
    qv__new_file file;

    (void) state;
    with_column(s, "extra", &all, &added);
    qv__stream *stream = numbers("extra", 0, 9);
    QVT_FAILS(qv__write_columns(store, s, added, stream, 10, NULL, &file, &err), QV_INVALID,
              "9 rows of new columns for a fragment of 10");
    qv__stream_free(stream);
    qv__schema_unref(added);
    qv__schema_unref(all);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

/* ------------------------------------------------------------------ rewriting */

/* Fragments 0 and 1, of which rows were deleted, become one with a reserved id; an append came in between. */
static void rewrite(bool stable)
{
    qv__snapshot *s, *planned, *more;
    qv__store *store = make_table(3, 10, stable, &s);
    const uint64_t old_ids[] = { 0, 1 };
    uint64_t ids[15], created[15], updated[15];

    add_index(store, &s, "texts", 1, "/lance.table.BitmapIndexDetails", 0, 1);
    add_index(store, &s, "vectors", 2, "/lance.index.pb.VectorIndexDetails", 1, 2);
    delete_rows(store, &s, 0, 5, 5);
    planned = qv__snapshot_ref(s);
    qv__change reserve = { .operation = QV_OP_RESERVE, .reserve = 1 };
    commit(store, &s, &reserve);
    uint64_t reserved = qv__snapshot_max_fragment_id(s);
    assert_int_equal(reserved, 3);
    QVT_OK(qvt_table_write(store, s, NULL, 30, 10, &more, &err));
    qv__new_fragments made = write_ids(store, planned, 0, 5); /* the rows that are alive: 0 to 4, then 10 to 19 */
    qv__new_fragments_discard(store, &made);
    made = write_ids(store, planned, 100, 15);
    made.items[0].id = reserved;
    if (stable) {
        QVT_OK(QV_NEW(&made.items[0].row_ids, 15, &err));
        QVT_OK(QV_NEW(&made.items[0].created, 15, &err));
        QVT_OK(QV_NEW(&made.items[0].updated, 15, &err));
        for (uint64_t i = 0; i < 15; i++) {
            made.items[0].row_ids[i] = i < 5 ? i : i + 5;
            made.items[0].created[i] = made.items[0].updated[i] = 1;
        }
    }
    const uint32_t covered[] = { 2, (uint32_t) reserved };
    qv__index_swap swap = { .entry = *find_index(planned, "texts") };
    memcpy(swap.old_uuid, swap.entry.uuid, 16);
    memset(swap.entry.uuid, 77, 16);
    swap.entry.fragments = covered;
    swap.entry.n_fragments = 2;
    qv__rewrite_group group = { old_ids, 2, 0, 1 };
    qv__change change = { .operation = QV_OP_REWRITE,
                          .fragments = &made,
                          .groups = &group,
                          .n_groups = 1,
                          .groups_read_version = qv__snapshot_version(planned),
                          .swaps = &swap,
                          .n_swaps = 1 };
    commit(store, &more, &change);
    assert_int_equal(qv__snapshot_n_fragments(more), 3);
    assert_int_equal(qv__snapshot_fragment(more, 1)->id, 3); /* between the older and the newer one */
    EXPECT_RANGES(more, { { 20, 30 }, { 100, 115 }, { 30, 40 } });
    EXPECT_COVERS(more, "texts", 2, 3);
    assert_int_equal(find_index(more, "texts")->uuid[5], 77);
    if (stable) {
        EXPECT_COVERS(more, "vectors", 2, 3);
        QVT_OK(qv__snapshot_row_ids(more, 1, 0, 15, ids, &err));
        assert_int_equal(ids[4], 4);
        assert_int_equal(ids[5], 10);
        QVT_OK(qv__snapshot_row_versions(more, 1, 0, 15, created, updated, &err));
        assert_int_equal(updated[14], 1);
    } else {
        EXPECT_COVERS(more, "vectors", 0, 1, 2); /* not remapped: it covers what is gone */
    }
    assert_int_equal(reader_flags(more) & QV_FLAG_DELETIONS, 0);
    qv__new_fragments_clear(&made);
    qv__snapshot_unref(planned);
    qv__snapshot_unref(more);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

static void test_rewrite(void **state)
{
    (void) state;
    rewrite(false);
    rewrite(true);
}

static void test_unreserved(void **state)
{
    qv__snapshot *s, *out;
    qv__store *store = make_table(2, 10, false, &s);
    const uint64_t old_id = 0;
    qv__rewrite_group group = { &old_id, 1, 0, 1 };
    qv__new_fragments made = write_ids(store, s, 0, 10);
    qv__change change = { .operation = QV_OP_REWRITE, .fragments = &made, .groups = &group, .n_groups = 1 };

    (void) state;
    made.items[0].id = 2;
    QVT_FAILS(qv__commit(store, s, &change, NULL, &out, NULL, &err), QV_INVALID, "fragment id 2 was not reserved");
    made.items[0].id = 1;
    QVT_FAILS(qv__commit(store, s, &change, NULL, &out, NULL, &err), QV_INVALID, "fragment id 1 was not reserved");
    qv__new_fragments_clear(&made);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

/* ------------------------------------------------------------------ indices */

static void test_indices(void **state)
{
    qv__snapshot *s;
    qv__store *store = make_table(2, 10, false, &s), *folder, *again;
    uint8_t uuid[16];
    qv__write overwrite = { .overwrite = true };
    bool there;

    (void) state;
    QVT_OK(qv__index_folder_new(store, uuid, &folder, &err));
    QVT_OK(qv__store_put(folder, "page.lance", "12345", 5, QV_PUT_REPLACE, &err));
    const int32_t field = 2;
    const uint32_t fragments[] = { 0, 1 }; /* one each: segments of one name do not overlap */
    const qv__index_file file = { "page.lance", 5 };
    qv__index_entry entry = { .name = "v_idx",
                              .fields = &field,
                              .n_fields = 1,
                              .dataset_version = 1,
                              .fragments = fragments,
                              .n_fragments = 1,
                              .type_url = "/lance.index.pb.VectorIndexDetails",
                              .details = { (const uint8_t *) "\x08\x01", 2 },
                              .index_version = 1,
                              .created_at_ms = 42,
                              .files = &file,
                              .n_files = 1 };
    memcpy(entry.uuid, uuid, 16);
    qv__change create = { .operation = QV_OP_CREATE_INDEX, .new_indices = &entry, .n_new_indices = 1 };
    commit(store, &s, &create);
    const qv__index_entry *found = find_index(s, "v_idx");
    assert_memory_equal(found->uuid, uuid, 16);
    assert_int_equal(found->fields[0], 2);
    assert_int_equal(found->created_at_ms, 42);
    assert_int_equal(found->index_version, 1);
    assert_int_equal(found->details.len, 2);
    assert_int_equal(found->files[0].size_bytes, 5);
    assert_string_equal(found->files[0].path, "page.lance");
    QVT_OK(qv__snapshot_index_folder(s, found, &again, &err));
    QVT_OK(qv__store_exists(again, "page.lance", &there, &err));
    assert_true(there);
    qv__store_unref(again);

    qv__index_entry second = entry; /* the same name does not replace */
    memset(second.uuid, 5, 16);
    second.fragments = &fragments[1];
    create.new_indices = &second;
    commit(store, &s, &create);
    assert_int_equal(s->manifest->indices.data != NULL, 1);
    const qv__index_entry *all;
    size_t n;
    QVT_OK(qv__snapshot_indices(s, &all, &n, &err));
    assert_int_equal(n, 2);
    qv__change drop = { .operation = QV_OP_CREATE_INDEX,
                        .removed_indices = (const uint8_t(*)[16]) & entry.uuid,
                        .n_removed_indices = 1 };
    commit(store, &s, &drop);
    QVT_OK(qv__snapshot_indices(s, &all, &n, &err));
    assert_int_equal(n, 1);
    assert_memory_equal(all[0].uuid, second.uuid, 16);
    qv__snapshot *next;
    QVT_OK(qvt_table_write(store, s, &overwrite, 0, 5, &next, &err));
    QVT_OK(qv__snapshot_indices(next, &all, &n, &err));
    assert_int_equal(n, 0);
    qv__snapshot_unref(next);
    qv__store_unref(folder);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

/* ------------------------------------------------------------------ maps */

static void expect_json(qv__snapshot *s, qv_metadata_kind kind, const char *path, const char *wanted)
{
    qv__buffer json;

    qv__buffer_init(&json, 1 << 20);
    QVT_OK(qv__snapshot_metadata(s, kind, path, &json, &err));
    QVT_OK(qv__buffer_append_zeros(&json, 1, &err));
    assert_string_equal((char *) json.data, wanted);
    qv__buffer_free(&json);
}

static void test_maps(void **state)
{
    qv__snapshot *s;
    qv__store *store = make_table(1, 10, false, &s);
    const qv_pair three[] = { { "a", "1" }, { "b", "2" }, { "a", "3" } }, gone[] = { { "b", NULL }, { "c", "\"4\"" } },
                  key[] = { { "lance-schema:unenforced-primary-key", "true" },
                            { "lance-schema:unenforced-primary-key:position", "1" } };
    qv__config_update updates[] = { { QV_METADATA_CONFIG, 0, three, 3, false },
                                    { QV_METADATA_TABLE, 0, three, 2, false },
                                    { QV_METADATA_SCHEMA, 0, three, 2, false },
                                    { QV_METADATA_FIELD, 0, key, 2, false } };
    qv__change change = { .operation = QV_OP_CONFIG, .updates = updates, .n_updates = 4 };
    const qv__field **fields;
    bool enforced;
    size_t n;

    (void) state;
    commit(store, &s, &change);
    expect_json(s, QV_METADATA_CONFIG, NULL, "{\"b\":\"2\",\"a\":\"3\"}");
    expect_json(s, QV_METADATA_TABLE, NULL, "{\"a\":\"1\",\"b\":\"2\"}");
    expect_json(s, QV_METADATA_SCHEMA, NULL, "{\"a\":\"1\",\"b\":\"2\"}");
    assert_int_equal(s->manifest->head->writer_feature_flags, QV_FLAG_CONFIG);
    assert_true(s->manifest->head->fields[0]->unenforced_primary_key);
    assert_int_equal(s->manifest->head->fields[0]->unenforced_primary_key_position, 1);
    QVT_OK(qv__snapshot_primary_key(s, &fields, &n, &enforced, &err));
    assert_int_equal(n, 1);
    assert_string_equal(fields[0]->name, "id");
    assert_false(enforced);
    qv__free(fields);
    qv__config_update more[] = { { QV_METADATA_CONFIG, 0, gone, 2, false }, { QV_METADATA_TABLE, 0, gone, 2, true } };
    change.updates = more;
    change.n_updates = 2;
    commit(store, &s, &change);
    expect_json(s, QV_METADATA_CONFIG, NULL, "{\"a\":\"3\",\"c\":\"\\\"4\\\"\"}");
    expect_json(s, QV_METADATA_TABLE, NULL, "{\"c\":\"\\\"4\\\"\"}");
    qv__config_update none = { QV_METADATA_CONFIG, 0, NULL, 0, true };
    change.updates = &none;
    change.n_updates = 1;
    commit(store, &s, &change);
    assert_int_equal(s->manifest->head->writer_feature_flags, 0);
    EXPECT_RANGES(s, { { 0, 10 } });
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

/* ------------------------------------------------------------------ restoring */

static void test_restore(void **state)
{
    qv__snapshot *s, *next;
    qv__store *store = make_table(2, 10, true, &s);
    qv__write overwrite = { .overwrite = true };
    qv__change restore = { .operation = QV_OP_RESTORE, .restore_version = 3 }, missing = restore;
    uint64_t ids[2];

    (void) state;
    add_index(store, &s, "texts", 1, "/lance.table.BitmapIndexDetails", 0, 1);
    delete_rows(store, &s, 1, 0, 4); /* version 3 */
    QVT_OK(qvt_table_write(store, s, &overwrite, 50, 10, &next, &err));
    qv__snapshot_unref(s);
    s = next;
    commit(store, &s, &restore);
    EXPECT_RANGES(s, { { 0, 10 }, { 14, 20 } });
    EXPECT_COVERS(s, "texts", 0, 1);
    assert_int_equal(qv__snapshot_max_fragment_id(s), 2); /* ids that were given once stay given */
    assert_int_equal(s->manifest->head->next_row_id, 30);
    assert_int_equal(reader_flags(s), QV_FLAG_STABLE_ROW_IDS | QV_FLAG_DELETIONS);
    QVT_OK(qvt_table_write(store, s, NULL, 60, 2, &next, &err));
    QVT_OK(qv__snapshot_row_ids(next, 2, 0, 2, ids, &err));
    assert_int_equal(ids[0], 30);
    assert_int_equal(qv__snapshot_fragment(next, 2)->id, 3);
    missing.restore_version = 99;
    qv__snapshot *out;
    QVT_FAILS(qv__commit(store, next, &missing, NULL, &out, NULL, &err), QV_NOT_FOUND, "has no version 99");
    qv__snapshot_unref(next);
    qv__snapshot_unref(s);
    qv__store_unref(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delete),      cmocka_unit_test(test_delete_many), cmocka_unit_test(test_bad_deletions),
        cmocka_unit_test(test_update_rows), cmocka_unit_test(test_upsert),      cmocka_unit_test(test_columns),
        cmocka_unit_test(test_wrong_rows),  cmocka_unit_test(test_rewrite),     cmocka_unit_test(test_unreserved),
        cmocka_unit_test(test_indices),     cmocka_unit_test(test_maps),        cmocka_unit_test(test_restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
