/* Bytes -> a manifest object of a table in memory. The first byte is the version under whose name it is stored; the rest is the
 * object. What opens must answer all questions that need no data file, describe itself, and carry an append: the next
 * manifest parses, keeps every fragment, and has one version more. */
#include "fuzz.h"

#include "base/alloc.h"
#include "table/table_private.h"

enum { MOST_ROWS = 1 << 16 };

static void check_next(qv__snapshot *s)
{
    static const char uuid[] = "6f1c7b0e-0000-4000-8000-000000000000";
    const qv__change change = { .operation = QV_OP_APPEND, .format = s->format };
    qv__edit edit = { .base = s, .on = s, .change = &change, .version = s->manifest->version + 1 };
    qv__buffer transaction, object;
    qv__manifest *next;
    qv__bytes bytes;
    qv_error err;
    size_t len;

    edit.stable = qv__snapshot_has_stable_row_ids(s);
    qv__buffer_init(&transaction, SIZE_MAX);
    qv__buffer_init(&object, SIZE_MAX);
    FUZZ_CHECK(qv__edit_make(&edit, &err) == QV_OK);
    FUZZ_CHECK(qv__change_transaction(&edit, s->manifest->version, uuid, &transaction, &err) == QV_OK);
    FUZZ_CHECK(qv__change_manifest(&edit, NULL, s->manifest->version, uuid, &transaction, &object, &err) == QV_OK);
    uint8_t *block = qv__buffer_detach(&object, &len);
    FUZZ_CHECK(qv__bytes_adopt(block, len, &bytes, &err) == QV_OK);
    FUZZ_CHECK(qv__manifest_parse(bytes, "next", s->manifest->version + 1, QV_NAMES_V2, &next, &err) == QV_OK);
    FUZZ_CHECK(next->head->n_fragments == s->n_fragments);
    FUZZ_CHECK(next->indices.len == s->manifest->indices.len);
    FUZZ_CHECK(next->head->base.n_unknown_fields == s->manifest->head->base.n_unknown_fields);
    qv__manifest_free(next);
    qv__bytes_unref(&bytes);
    qv__buffer_free(&object);
    qv__buffer_free(&transaction);
    qv__edit_clear(&edit);
}

static void ask_fragment(qv__snapshot *s, size_t i)
{
    const qv__fragment *f = qv__snapshot_fragment(s, i);
    const qv__schema *schema = qv__snapshot_schema(s);
    const uint64_t *ids;
    const uint32_t *offsets;
    const uint8_t *live;
    qv_error err;
    size_t n;

    FUZZ_CHECK(i == 0 || f->id > qv__snapshot_fragment(s, i - 1)->id);
    if (qv__snapshot_deletions(s, i, &offsets, &n, &live, &err) == QV_OK)
        FUZZ_CHECK(n == 0); /* there is no deletion file */
    if (f->physical_rows <= MOST_ROWS && qv__snapshot_row_id_array(s, i, &ids, &err) == QV_OK && ids)
        for (uint64_t row = 0; row < f->physical_rows; row++)
            FUZZ_CHECK(ids[row] == ids[row]); /* sanitizers see whether all are there */
    for (size_t c = 0; c < schema->n_fields && c < 8; c++) {
        qv__fragment_column *column;
        qv__array *array;
        if (qv__fragment_column_open(s, i, &schema->fields[c], &column, &err) != QV_OK)
            continue; /* there are no data files; what no file holds opens */
        uint64_t rows = f->physical_rows < 100 ? f->physical_rows : 100;
        FUZZ_CHECK(qv__fragment_column_read(column, 0, rows, &array, &err) == QV_OK);
        FUZZ_CHECK((uint64_t) array->length == rows);
        qv__array_unref(array);
        qv__fragment_column_free(column);
    }
}

static void ask(qv__snapshot *s)
{
    qv__buffer json;
    uint64_t rows;
    qv_error err;

    qv__buffer_init(&json, 64 << 20);
    qv__snapshot_count_rows(s, &rows, &err);
    qv__snapshot_describe(s, &json, &err);
    for (size_t i = 0; i < qv__snapshot_n_fragments(s) && i < 64; i++)
        ask_fragment(s, i);
    if (qv__flags_check_write(s->manifest->head, &err) == QV_OK && s->manifest->version < 255)
        check_next(s);
    qv__buffer_free(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t version = size ? data[0] : 0;
    char name[QV_NAME_BYTES];
    qv_version_info *versions;
    qv__store *store;
    qv__snapshot *s;
    qv_error err;
    size_t n;

    if (version == 0)
        return 0;
    FUZZ_CHECK(qv__store_open("memory://", true, &store, &err) == QV_OK);
    qv__manifest_name(version, QV_NAMES_V2, name);
    FUZZ_CHECK(qv__store_put(store, name, data + 1, size - 1, QV_PUT_REPLACE, &err) == QV_OK);
    if (qv__list_versions(store, &versions, &n, &err) == QV_OK) {
        FUZZ_CHECK(n == 1 && versions[0].version == version);
        qv__free(versions);
    }
    if (qv__snapshot_open(store, 0, &s, &err) == QV_OK) {
        FUZZ_CHECK(qv__snapshot_version(s) == version);
        ask(s);
        qv__snapshot_unref(s);
    } else {
        FUZZ_CHECK(err.message[0]);
    }
    qv__store_unref(store);
    return 0;
}
