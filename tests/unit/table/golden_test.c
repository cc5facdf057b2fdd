/* Tables of the reference implementation, every version that has expected contents: values, types and row ids. The small
 * ones lie in tests/golden; QV_GOLDEN_DIR names a folder with more (NAME/table.lance beside NAME/expected*.arrow). */
#include "qvt.h"

#include <dirent.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "arrow/compute/compute.h"
#include "arrow/ipc/ipc.h"
#include "table/table_private.h"

static qv_error err;

/* ------------------------------------------------------------------ reading both sides */

/* One column of all batches of an IPC file. */
static qv__array *expected_column(qv__store *folder, const char *file, const char *column, qv__schema **schema)
{
    qv__array *parts[64], *batch, *whole;
    qv__bytes bytes;
    qv__stream *stream;
    size_t n = 0;

    QVT_OK(qv__store_get(folder, file, 1 << 30, &bytes, &err));
    QVT_OK(qv__ipc_open(bytes, &stream, &err));
    if (schema)
        *schema = qv__schema_ref(stream->schema);
    ptrdiff_t at = column ? qv__schema_find(stream->schema, column) : 0;
    assert_true(at >= 0);
    for (;;) {
        QVT_OK(stream->next(stream, &batch, &err));
        if (!batch)
            break;
        assert_true(n < QV_COUNT_OF(parts));
        QVT_OK(qv__array_slice(batch->children[at], batch->offset, batch->length, &parts[n++], &err));
        qv__array_unref(batch);
    }
    QVT_OK(qv__array_concat(parts, n, stream->schema->fields[at].type, &whole, &err));
    for (size_t i = 0; i < n; i++)
        qv__array_unref(parts[i]);
    qv__stream_free(stream);
    qv__bytes_unref(&bytes);
    return whole;
}

static qv__array *only_live(qv__snapshot *s, size_t fragment, qv__array *column)
{
    const uint32_t *offsets;
    const uint8_t *live;
    qv__array *kept;
    size_t n;

    QVT_OK(qv__snapshot_deletions(s, fragment, &offsets, &n, &live, &err));
    if (!live)
        return column;
    QVT_OK(qv__array_filter(column, live, &kept, &err));
    qv__array_unref(column);
    return kept;
}

static qv__array *numbers(const uint64_t *values, uint64_t n)
{
    qv__type *type;
    qv__array *array;
    uint8_t *bytes;

    QVT_OK(qv__type_new(QV_TYPE_UINT64, &type, &err));
    QVT_OK(qv__array_new(type, (int64_t) n, 0, &array, &err));
    QVT_OK(qv__bytes_new(n * 8, &array->buffers[1], &bytes, &err));
    if (n)
        memcpy(bytes, values, n * 8);
    qv__type_unref(type);
    return array;
}

/* _rowid or _rowaddr of a fragment. Live ids must also be found again. */
static qv__array *row_numbers(qv__snapshot *s, size_t fragment, bool addresses)
{
    const qv__fragment *f = qv__snapshot_fragment(s, fragment);
    uint64_t *values = qv__alloc(f->physical_rows, 8);
    const uint32_t *offsets;
    const uint8_t *live;
    size_t n;

    QVT_OK(qv__snapshot_deletions(s, fragment, &offsets, &n, &live, &err));
    QVT_OK(qv__snapshot_row_ids(s, fragment, 0, f->physical_rows, values, &err));
    for (uint64_t i = 0; i < f->physical_rows; i++) {
        size_t found_fragment;
        uint64_t row;
        bool found, is_live = !live || qv__bit_get(live, i);
        QVT_OK(qv__snapshot_locate(s, values[i], &found_fragment, &row, &found, &err));
        if (is_live)
            assert_true(found && found_fragment == fragment && row == i);
        else if (found)
            assert_true(found_fragment != fragment || row != i);
        if (addresses)
            values[i] = f->id << 32 | i;
    }
    qv__array *array = numbers(values, f->physical_rows);
    qv__free(values);
    return array;
}

static qv__array *read_part(qv__snapshot *s, size_t fragment, const char *name, bool take)
{
    uint64_t n = qv__snapshot_fragment(s, fragment)->physical_rows;
    qv__fragment_column *column;
    qv__array *array;

    if (strcmp(name, "_rowid") == 0 || strcmp(name, "_rowaddr") == 0)
        return row_numbers(s, fragment, strcmp(name, "_rowaddr") == 0);
    ptrdiff_t at = qv__schema_find(qv__snapshot_schema(s), name);
    assert_true(at >= 0);
    QVT_OK(qv__fragment_column_open(s, fragment, &qv__snapshot_schema(s)->fields[at], &column, &err));
    if (take) {
        uint64_t *rows = qv__alloc(n, 8);
        for (uint64_t i = 0; i < n; i++)
            rows[i] = i;
        QVT_OK(qv__fragment_column_take(column, rows, n, &array, &err));
        qv__free(rows);
    } else {
        QVT_OK(qv__fragment_column_read(column, 0, n, &array, &err));
    }
    qv__fragment_column_free(column);
    return array;
}

static qv__array *stored_column(qv__snapshot *s, const char *name, const qv__type *type, bool take)
{
    size_t n = qv__snapshot_n_fragments(s);
    qv__array **parts = qv__alloc(n, sizeof *parts), *whole;

    for (size_t i = 0; i < n; i++)
        parts[i] = only_live(s, i, read_part(s, i, name, take));
    QVT_OK(qv__array_concat(parts, n, type, &whole, &err));
    for (size_t i = 0; i < n; i++)
        qv__array_unref(parts[i]);
    qv__free(parts);
    return whole;
}

/* ------------------------------------------------------------------ comparing */

static void tell_problem(void *ctx, const char *object, const char *what)
{
    (void) ctx;
    print_error("%s: %s\n", object, what);
}

static void compare_version(qv__store *folder, const char *file, uint64_t version)
{
    qv__schema *schema;
    qv__store *table;
    qv__snapshot *s;
    qv_verify_report report;

    qv__array_unref(expected_column(folder, file, NULL, &schema));
    QVT_OK(qv__store_sub(folder, "table.lance", &table, &err));
    QVT_OK(qv__snapshot_open(table, version, &s, &err));
    for (size_t i = 0; i < schema->n_fields; i++) {
        const char *name = schema->fields[i].name;
        if (strncmp(name, "_row_", 5) == 0) /* row versions are not read */
            continue;
        qv__array *wanted = expected_column(folder, file, name, NULL);
        for (int take = 0; take < 2; take++) {
            qv__array *found = stored_column(s, name, wanted->type, take);
            if (!qv__array_equal(found, wanted)) {
                print_error("%s/%s: column %s differs\n", qv__store_uri(folder), file, name);
                fail();
            }
            qv__array_unref(found);
        }
        qv__array_unref(wanted);
    }
    QVT_OK(qv__snapshot_verify(s, tell_problem, NULL, NULL, &report, &err));
    qv__snapshot_unref(s);
    qv__store_unref(table);
    qv__schema_unref(schema);
}

static size_t compare_table(const char *root, const char *name)
{
    char path[8300];
    struct dirent **entries;
    qv__store *folder;
    size_t n_compared = 0;

    snprintf(path, sizeof path, "%s/%s", root, name);
    int n = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        uint64_t version = 0;
        const char *file = entries[i]->d_name;
        if (strcmp(file, "expected.arrow") == 0 || sscanf(file, "expected_v%" SCNu64 ".arrow", &version) == 1) {
            QVT_OK(qv__store_open(path, false, &folder, &err));
            compare_version(folder, file, version);
            qv__store_unref(folder);
            n_compared++;
        }
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return n_compared;
}

static size_t compare_all(const char *root)
{
    struct dirent **entries;
    int n = scandir(root, &entries, NULL, alphasort);
    size_t n_compared = 0;

    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.')
            n_compared += compare_table(root, entries[i]->d_name);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return n_compared;
}

static void test_kept(void **state)
{
    (void) state;
    assert_true(compare_all(QVT_SOURCE_DIR "/tests/golden/tables") >= 20);
}

static void test_more(void **state)
{
    const char *root = getenv("QV_GOLDEN_DIR");

    (void) state;
    if (!root || !*root)
        skip();
    assert_true(compare_all(root) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_kept), cmocka_unit_test(test_more) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
