/* Bytes -> a manifest, over the data files of a golden table. The first byte chooses the table and version, the second how the
 * rest becomes a manifest: the stored one with patches, a message that gets the stored one's sections and frame, or all of it.
 *
 * Nothing may be read outside, nothing leaked. A version that verifies must scan to the rows that it counts, and what an
 * append makes of an accepted version must open again with the same rows. */
#include "fuzz.h"

#include "arrow/validate.h"
#include "base/alloc.h"
#include "query/query.h"
#include "table/table_private.h"

#define MOST_OBJECTS 64
#define MOST_ROWS    3000
#define TAIL_BYTES   16

static const struct {
    const char *table;
    uint64_t version;
} chosen[] = {
    { "json", 1 },    { "v1names", 2 },   { "lancedb", 3 }, { "deletes_22", 2 }, { "deletes_22", 4 },
    { "mixed", 3 },   { "stable_22", 1 }, { "spilled", 6 }, { "stable_22", 9 },  { "stable_22", 16 },
    { "spilled", 2 }, { "blob_21", 1 },   { "lancedb", 1 }, { "mixed", 1 },      { "stable_22", 13 },
};

typedef struct base {
    size_t n;
    char names[MOST_OBJECTS][QV_NAME_BYTES * 2]; /* of all objects but manifests */
    qv__bytes bytes[MOST_OBJECTS];
    char manifest_name[QV_NAME_BYTES];
    qv__bytes manifest;
} base;

static base bases[QV_COUNT_OF(chosen)];

/* ------------------------------------------------------------------ golden tables */

typedef struct listing {
    base *base;
    qv__store *store;
    const char *folder;
} listing;

static qv_status load_object(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    listing *list = ctx;
    base *b = list->base;
    char path[QV_NAME_BYTES * 2];

    FUZZ_CHECK(b->n < MOST_OBJECTS);
    snprintf(path, sizeof path, "%s/%s", list->folder, name);
    if (is_folder) {
        listing below = { b, list->store, path };
        return qv__store_list(list->store, path, load_object, &below, err);
    }
    snprintf(b->names[b->n], sizeof b->names[0], "%s", path);
    return qv__store_get(list->store, path, size, &b->bytes[b->n++], err);
}

static void load_base(size_t i)
{
    static const char *const folders[] = { "data", "_deletions", "_transactions", "_refs" };
    base *b = &bases[i];
    char path[4096];
    qv__store *store;
    qv_error err;

    snprintf(path, sizeof path, QVT_SOURCE_DIR "/tests/golden/tables/%s/table.lance", chosen[i].table);
    FUZZ_CHECK(qv__store_open(path, false, &store, &err) == QV_OK);
    for (size_t k = 0; k < QV_COUNT_OF(folders); k++) {
        listing list = { b, store, folders[k] };
        FUZZ_CHECK(qv__store_list(store, folders[k], load_object, &list, &err) == QV_OK);
    }
    qv__manifest_name(chosen[i].version, QV_NAMES_V2, b->manifest_name);
    if (qv__store_get(store, b->manifest_name, 1 << 20, &b->manifest, &err) != QV_OK) {
        qv__manifest_name(chosen[i].version, QV_NAMES_V1, b->manifest_name);
        FUZZ_CHECK(qv__store_get(store, b->manifest_name, 1 << 20, &b->manifest, &err) == QV_OK);
    }
    FUZZ_CHECK(b->manifest.len > TAIL_BYTES);
    qv__store_unref(store);
}

/* ------------------------------------------------------------------ the manifest */

static void patch(fuzz_reader *in, qv__buffer *manifest)
{
    while (in->left) {
        uint8_t how = fuzz_byte(in);
        uint16_t where = 0;
        fuzz_bytes(in, &where, 2);
        size_t n = 1 + how % 4;
        for (size_t i = 0, at = where % manifest->len; i < n && at + i < manifest->len; i++)
            manifest->data[at + i] = how & 4 ? (uint8_t) (manifest->data[at + i] + fuzz_byte(in)) : fuzz_byte(in);
    }
}

static void make_manifest(const base *b, fuzz_reader *in, qv__buffer *out)
{
    const uint8_t *stored = b->manifest.data, *tail = stored + b->manifest.len - TAIL_BYTES;
    uint8_t how = fuzz_byte(in);
    uint32_t len = (uint32_t) in->left;
    qv_error err;

    if (how % 4 == 0) {
        FUZZ_CHECK(qv__buffer_append(out, stored, b->manifest.len, &err) == QV_OK);
        patch(in, out);
    } else if (how % 4 == 1) {
        FUZZ_CHECK(qv__buffer_append(out, in->data, in->left, &err) == QV_OK);
    } else {
        FUZZ_CHECK(qv__buffer_append(out, stored, qv__load_u64(tail), &err) == QV_OK);
        FUZZ_CHECK(qv__buffer_append(out, &len, sizeof len, &err) == QV_OK);
        FUZZ_CHECK(qv__buffer_append(out, in->data, in->left, &err) == QV_OK);
        FUZZ_CHECK(qv__buffer_append(out, tail, TAIL_BYTES, &err) == QV_OK);
    }
}

static qv__store *make_table(const base *b, fuzz_reader *in)
{
    qv__store *store;
    qv__buffer manifest;
    qv_error err;

    FUZZ_CHECK(qv__store_open("memory://", true, &store, &err) == QV_OK);
    for (size_t i = 0; i < b->n; i++)
        FUZZ_CHECK(qv__store_put(store, b->names[i], b->bytes[i].data, b->bytes[i].len, QV_PUT_REPLACE, &err) == QV_OK);
    qv__buffer_init(&manifest, 1 << 24);
    make_manifest(b, in, &manifest);
    FUZZ_CHECK(qv__store_put(store, b->manifest_name, manifest.data, manifest.len, QV_PUT_REPLACE, &err) == QV_OK);
    qv__buffer_free(&manifest);
    return store;
}

/* ------------------------------------------------------------------ what is done with it */

static void on_problem(void *ctx, const char *object, const char *what)
{
    (void) ctx;
    FUZZ_CHECK(object && what && *what);
}

/* Reads up to `limit` rows. */
static qv_status scan(qv__snapshot *s, uint64_t limit, uint64_t *rows, qv_error *err)
{
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    qv__stream *stream;
    qv__array *batch;

    options.has_limit = true;
    options.limit = limit;
    options.with_row_id = options.with_row_address = true;
    *rows = 0;
    QV_TRY(qv__scan(s, &options, &stream, err));
    qv_status st = QV_OK;
    while ((st = stream->next(stream, &batch, err)) == QV_OK && batch) {
        FUZZ_CHECK(qv__array_validate(batch, "batch", err) == QV_OK || strstr(err->message, "UTF-8"));
        *rows += (uint64_t) batch->length;
        qv__array_unref(batch);
    }
    FUZZ_CHECK(st == QV_OK || err->message[0]);
    qv__stream_free(stream);
    return st;
}

static void take(qv__snapshot *s, uint64_t count)
{
    uint64_t rows[] = { 0, count / 2, count - 1, UINT64_C(1) << 32, 5, count / 2 };
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    qv__stream *stream;
    qv__array *batch;
    qv_error err;

    for (int by = QV_TAKE_OFFSETS; by <= QV_TAKE_ROW_IDS; by++) {
        if (qv__take(s, (qv_take_by) by, rows, QV_COUNT_OF(rows), by == QV_TAKE_OFFSETS, &options, &stream, &err) !=
            QV_OK)
            continue;
        while (stream->next(stream, &batch, &err) == QV_OK && batch)
            qv__array_unref(batch);
        qv__stream_free(stream);
    }
}

/* A version that holds what it held, made by a writer that has nothing to add. */
static void append_nothing(qv__snapshot *s, bool counted, uint64_t count)
{
    qv__write options = { .job = NULL };
    qv__snapshot *next = NULL, *again = NULL;
    qv__stream *nothing;
    uint64_t count_again;
    qv_error err;

    FUZZ_CHECK(qv__stream_of(s->schema, NULL, 0, &nothing, &err) == QV_OK);
    if (qv__table_write(s->table, s, nothing, &options, NULL, &next, &err) == QV_OK) {
        FUZZ_CHECK(qv__snapshot_open(s->table, qv__snapshot_version(next), &again, &err) == QV_OK);
        FUZZ_CHECK(qv__snapshot_n_fragments(again) == qv__snapshot_n_fragments(s));
        if (counted)
            FUZZ_CHECK(qv__snapshot_count_rows(again, &count_again, &err) == QV_OK && count_again == count);
        qv__snapshot_unref(again);
        qv__snapshot_unref(next);
    }
    qv__stream_free(nothing);
}

static void use_table(qv__store *store)
{
    qv__snapshot *s;
    qv_version_info *versions;
    qv_verify_report report;
    qv__buffer json;
    uint64_t count = 0, rows;
    size_t n_versions;
    qv_error err = { 0 };

    if (qv__list_versions(store, &versions, &n_versions, &err) == QV_OK)
        qv_versions_free(versions);
    if (qv__snapshot_open(store, 0, &s, &err) != QV_OK) {
        FUZZ_CHECK(err.message[0]);
        return;
    }
    bool counted = qv__snapshot_count_rows(s, &count, &err) == QV_OK;
    bool small = count <= MOST_ROWS;
    for (size_t i = 0; i < s->n_fragments; i++)
        small = small && s->fragments[i].physical_rows <= MOST_ROWS;
    bool sound = small && qv__snapshot_verify(s, on_problem, NULL, NULL, &report, &err) == QV_OK;
    FUZZ_CHECK(!sound || (counted && report.rows == count));
    qv__buffer_init(&json, 1 << 24);
    (void) qv__snapshot_describe(s, &json, &err);
    qv__buffer_free(&json);
    if (small) {
        qv_status st = scan(s, MOST_ROWS, &rows, &err);
        if (sound && st != QV_OK)
            fprintf(stderr, "a version that verifies: %s\n", err.message);
        FUZZ_CHECK(!sound || (st == QV_OK && rows == count));
        take(s, count);
    }
    append_nothing(s, counted, count);
    qv__snapshot_unref(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_loaded;
    fuzz_reader in = { data, size };

    for (size_t i = 0; !is_loaded && i < QV_COUNT_OF(chosen); i++)
        load_base(i);
    if (!is_loaded) {
        qv_set_memory_limit((size_t) 512 << 20);
        qv_set_threads(1);
    }
    is_loaded = true;
    const base *b = &bases[fuzz_byte(&in) % QV_COUNT_OF(chosen)];
    size_t before = qv_memory().live_blocks;
    qv__store *store = make_table(b, &in);
    use_table(store);
    qv__store_unref(store);
    FUZZ_CHECK(qv_memory().live_blocks == before);
    return 0;
}
