/* Files of another writer against what it says they hold: whole columns, ranges, takes in any order, vector runs; the verifier
 * finds nothing, and the description names every field. QV_GOLDEN_DIR names a folder of more of them, as tables. */
#include <dirent.h>
#include <sys/stat.h>

#include "arrow/compute/compute.h"
#include "arrow/ipc/ipc.h"
#include "arrow/validate.h"
#include "file/file.h"
#include "qvt.h"
#include "qvt_arrays.h"

static qv_error err;
static qvt_rng rng;

/* ------------------------------------------------------------------ what is expected */

typedef struct expected {
    qv__schema *schema;
    qv__array **columns;
} expected;

static void load_expected(qv__store *store, const char *name, expected *out)
{
    qv__bytes bytes;
    qv__stream *stream;
    qv__array *batches[256];
    qv__array *batch = NULL;
    size_t n = 0;

    QVT_OK(qv__store_get(store, name, 1 << 26, &bytes, &err));
    QVT_OK(qv__ipc_open(bytes, &stream, &err));
    for (;;) {
        QVT_OK(stream->next(stream, &batch, &err));
        if (!batch)
            break;
        assert_true(n < QV_COUNT_OF(batches));
        batches[n++] = batch;
    }
    out->schema = qv__schema_ref(stream->schema);
    out->columns = calloc(out->schema->n_fields + 1, sizeof *out->columns);
    for (size_t i = 0; i < out->schema->n_fields; i++) {
        qv__array *parts[256];
        for (size_t b = 0; b < n; b++)
            parts[b] = batches[b]->children[i];
        QVT_OK(qv__array_concat(parts, n, out->schema->fields[i].type, &out->columns[i], &err));
    }
    for (size_t b = 0; b < n; b++)
        qv__array_unref(batches[b]);
    qv__stream_free(stream);
    qv__bytes_unref(&bytes);
}

static void free_expected(expected *e)
{
    for (size_t i = 0; i < e->schema->n_fields; i++)
        qv__array_unref(e->columns[i]);
    free(e->columns);
    qv__schema_unref(e->schema);
}

/* ------------------------------------------------------------------ one column */

static void same(const qv__array *got, const qv__array *want, const char *name, const char *what)
{
    if (qv__array_validate(got, name, &err) != QV_OK)
        fail_msg("%s, %s: %s", name, what, err.message);
    if (got->length == want->length && qv__array_equal(got, want))
        return;
    for (int64_t i = 0; i < got->length && i < want->length; i++) {
        const char *a = qvt_value_text(got, i), *b = qvt_value_text(want, i);
        if (strcmp(a, b) != 0)
            fail_msg("%s, %s: row %lld is %.200s, expected %.200s", name, what, (long long) i, a, b);
    }
    fail_msg("%s, %s: %lld rows differ from %lld", name, what, (long long) got->length, (long long) want->length);
}

static void check_ranges(qv__column *column, const qv__array *want, const char *name)
{
    for (int i = 0; i < 8; i++) {
        uint64_t at = qvt_rng_below(&rng, (uint64_t) want->length),
                 n = qvt_rng_below(&rng, (uint64_t) want->length - at + 1);
        qv__array *got, *part;
        QVT_OK(qv__column_read(column, at, n, &got, &err));
        QVT_OK(qv__array_slice(want, (int64_t) at, (int64_t) n, &part, &err));
        same(got, part, name, "range");
        assert_true(qv__column_page_end(column, at) > at);
        qv__array_unref(got);
        qv__array_unref(part);
    }
}

static void check_takes(qv__column *column, const qv__array *want, const char *name)
{
    uint64_t rows[40];
    int64_t indices[40];

    for (int round = 0; round < 8; round++) {
        size_t n = (size_t) qvt_rng_below(&rng, QV_COUNT_OF(rows)) + 1;
        uint64_t row = 0;
        qv__array *got, *part;
        for (size_t i = 0; i < n; i++) {
            row = round % 2
                      ? qvt_rng_below(&rng, (uint64_t) want->length)
                      : (row + 1 + qvt_rng_below(&rng, (uint64_t) want->length / n + 1)) % (uint64_t) want->length;
            rows[i] = row;
            indices[i] = (int64_t) row;
        }
        QVT_OK(qv__column_take(column, rows, n, &got, &err));
        QVT_OK(qv__array_take(want, indices, n, &part, &err));
        same(got, part, name, "take");
        qv__array_unref(got);
        qv__array_unref(part);
    }
    QVT_FAILS(qv__column_take(column, (uint64_t[]){ (uint64_t) want->length }, 1, &(qv__array *){ NULL }, &err),
              QV_INVALID, "row ");
}

static bool has_null(const qv__array *array, int64_t i)
{
    if (qv__array_is_null(array, i))
        return true;
    if (array->type->id != QV_TYPE_FIXED_LIST)
        return false;
    int64_t start, end;
    qv__array_list_range(array, i, &start, &end);
    for (int64_t k = start; k < end; k++)
        if (has_null(array->children[0], k))
            return true;
    return false;
}

/* The bytes of vector i. */
static const uint8_t *vector_bytes(const qv__array *array, int64_t i, size_t *len)
{
    int64_t start = i, n = 1, end;

    while (array->type->id == QV_TYPE_FIXED_LIST) {
        qv__array_list_range(array, start, &start, &end);
        n *= array->type->width;
        array = array->children[0];
    }
    size_t width =
        array->type->id == QV_TYPE_FIXED_BINARY ? (size_t) array->type->width : (size_t) qv__type_bits(array->type) / 8;
    *len = (size_t) n * width;
    return array->buffers[1].data + (size_t) (array->offset + start) * width;
}

static bool is_vector(const qv__type *type)
{
    if (type->id == QV_TYPE_FIXED_BINARY)
        return true;
    if (type->id != QV_TYPE_FIXED_LIST)
        return false;
    while (type->id == QV_TYPE_FIXED_LIST)
        type = type->children[0].type;
    return type->id != QV_TYPE_BOOL;
}

static void check_vectors(qv__column *column, const qv__array *want)
{
    uint64_t row = 0;

    while (row < (uint64_t) want->length) {
        qv__vector_run run;
        QVT_OK(qv__column_vectors(column, row, UINT64_MAX, &run, &err));
        assert_true(run.rows > 0 && run.rows <= (uint64_t) want->length - row);
        for (uint64_t i = 0; i < run.rows; i++) {
            size_t len;
            const uint8_t *bytes = vector_bytes(want, (int64_t) (row + i), &len);
            bool is_valid = !run.validity || qv__bit_get(run.validity, (size_t) (run.validity_offset + i));
            assert_int_equal(is_valid, !has_null(want, (int64_t) (row + i)));
            if (is_valid)
                assert_memory_equal(run.data + i * run.stride, bytes, len);
        }
        row += run.rows;
        qv__vector_run_free(&run);
    }
}

static void check_column(qv__file *file, const qv__field *field, const qv__array *want)
{
    qv__column *column;
    qv__array *got;

    QVT_OK(qv__column_open(file, field, NULL, &column, &err));
    QVT_OK(qv__column_read(column, 0, qv__file_rows(file), &got, &err));
    same(got, want, field->name, "whole");
    qv__array_unref(got);
    QVT_FAILS(qv__column_read(column, 1, qv__file_rows(file), &got, &err), QV_INVALID, "rows [1");
    if (want->length) {
        check_ranges(column, want, field->name);
        check_takes(column, want, field->name);
        assert_true(qv__column_cost(column, 0, (uint64_t) want->length) < UINT64_C(1) << 32);
        if (is_vector(field->type))
            check_vectors(column, want);
    }
    qv__column_free(column);
}

/* ------------------------------------------------------------------ one file */

static void on_problem(void *ctx, const char *object, const char *what)
{
    (void) ctx;
    fail_msg("%s: %s", object, what);
}

static void check_file(qv__store *store, const char *name, const expected *want)
{
    qv__file *file;
    qv__buffer json;

    QVT_OK(qv__file_open(store, name, &file, &err));
    QVT_OK(qv__file_verify(file, on_problem, NULL, NULL, &err));
    qv__buffer_init(&json, 1 << 26);
    QVT_OK(qv__file_describe(file, &json, &err));
    const qv__schema *schema = qv__file_schema(file);
    for (size_t i = 0; i < schema->n_fields; i++) {
        ptrdiff_t at = want ? qv__schema_find(want->schema, schema->fields[i].name) : -1;
        assert_non_null(memmem(json.data, json.len, schema->fields[i].name, strlen(schema->fields[i].name)));
        if (at >= 0 && want->columns[at]->length == (int64_t) qv__file_rows(file) &&
            qv__type_equal(want->columns[at]->type, schema->fields[i].type))
            check_column(file, &schema->fields[i], want->columns[at]);
        else if (want)
            fail_msg("%s: field %s is not expected", name, schema->fields[i].name);
    }
    qv__buffer_free(&json);
    qv__file_unref(file);
}

typedef struct names {
    char name[128][256];
    size_t n;
} names;

static qv_status collect(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *e)
{
    names *list = ctx;

    (void) size;
    (void) e;
    if (!is_folder && strlen(name) > 6 && strcmp(name + strlen(name) - 6, ".lance") == 0 &&
        list->n < QV_COUNT_OF(list->name))
        snprintf(list->name[list->n++], sizeof list->name[0], "%s", name);
    return QV_OK;
}

static void files_read_as_their_writer_says(void **state)
{
    (void) state;
    static names list;
    qv__store *store;

    rng = qvt_rng_seeded();
    QVT_OK(qv__store_open(QVT_SOURCE_DIR "/tests/golden/file", false, &store, &err));
    QVT_OK(qv__store_list(store, "", collect, &list, &err));
    assert_true(list.n >= 19);
    for (size_t i = 0; i < list.n; i++) {
        expected want;
        char arrow[300];
        printf("%s\n", list.name[i]);
        snprintf(arrow, sizeof arrow, "%.*s.arrow", (int) strlen(list.name[i]) - 6, list.name[i]);
        load_expected(store, arrow, &want);
        check_file(store, list.name[i], &want);
        free_expected(&want);
    }
    qv__store_unref(store);
}

/* Tables whose expected contents are one data file's; JSON and older versions are the table layer's. */
static bool is_plain_table(const char *name)
{
    static const char *const plain[] = { "scalars", "vectors", "nested", "strings", "options",
                                         "chunks",  "pages",   "sparse", "minimal", "blob" };

    for (size_t i = 0; i < QV_COUNT_OF(plain); i++)
        if (strncmp(name, plain[i], strlen(plain[i])) == 0)
            return true;
    return false;
}

static void tables_folder(const char *root, const char *table)
{
    static names list;
    char path[4096];
    qv__store *store;
    expected want;
    bool is_plain = is_plain_table(table);

    snprintf(path, sizeof path, "%s/%s", root, table);
    QVT_OK(qv__store_open(path, false, &store, &err));
    list.n = 0;
    QVT_OK(qv__store_list(store, "table.lance/data", collect, &list, &err));
    is_plain = is_plain && list.n == 1;
    if (is_plain)
        load_expected(store, "expected.arrow", &want);
    for (size_t i = 0; i < list.n; i++) {
        char name[512];
        snprintf(name, sizeof name, "table.lance/data/%s", list.name[i]);
        printf("%s/%s\n", table, name);
        check_file(store, name, is_plain ? &want : NULL);
    }
    if (is_plain)
        free_expected(&want);
    qv__store_unref(store);
}

static void golden_tables_read_as_expected(void **state)
{
    (void) state;
    const char *root =
        getenv("QV_GOLDEN_DIR") ? getenv("QV_GOLDEN_DIR") : QVT_SOURCE_DIR "/../shared/data/lance/golden";
    DIR *dir = opendir(root);
    size_t n = 0;

    if (!dir)
        skip();
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        tables_folder(root, entry->d_name);
        n++;
    }
    closedir(dir);
    assert_true(n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_read_as_their_writer_says),
        cmocka_unit_test(golden_tables_read_as_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
