/* Bytes -> a golden table whose index files are damaged by them. Byte 0 chooses the table, then come patches: file, where (2 bytes from the
 * start or the end), value. Nothing may be read outside, nothing leaked; questions and the verifier end in an answer or an error that
 * says what is wrong. */
#include "fuzz.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "index/index.h"

#define MOST_OBJECTS 64
#define MOST_PATCHES 12
#define NAME_BYTES   256

static const struct {
    const char *table, *conditions[4];
} chosen[] = {
    { "btree_int", { "val = 7", "val >= 480 OR val IS NULL", "val NOT IN (1, 2, 499)", "val < -495 OR val = 77" } },
    { "btree_float", { "fl > 2.9", "fl = 0.0", "NOT (fl < -2.9)", "fl IS NULL" } },
    { "btree_string", { "cat = 'cat3'", "cat LIKE 'cat1%'", "cat != 'cat2'", "cat IS NULL" } },
    { "btree_stable_rowids", { "val = 7", "val >= 480", "val IS NULL", "val IN (1, 2, 499)" } },
    { "bitmap", { "cat = 'cat3'", "cat IS NULL", "cat NOT IN ('cat1', 'cat2')", "cat > 'cat3'" } },
    { "bitmap_stable_rowids", { "cat = 'cat3'", "cat IS NULL", "cat != 'cat1'", "cat > 'cat3'" } },
    { "label_list",
      { "array_has(tags, 't3')", "array_has_all(tags, ['t1', 't2'])", "NOT array_has(tags, 't1')",
        "array_has_any(tags, ['t1', 't7'])" } },
    { "ngram", { "contains(text, 'quick')", "contains(text, 'page page')", "text LIKE '%lazy%'", "text IS NULL" } },
    { "zonemap", { "val = 7", "val >= 480", "val IS NULL", "val IN (1, 2, 499)" } },
    { "bloomfilter", { "val = 7", "val IN (1, 2)", "val IS NULL", "val IS NOT NULL" } },
    { "frag_reuse", { "val = 7", "val >= 480", "val IS NULL", "val < -495 OR val = 77" } },
};

typedef struct base {
    size_t n, n_index;
    char names[MOST_OBJECTS][NAME_BYTES]; /* index files first */
    qv__bytes bytes[MOST_OBJECTS];
} base;
static base bases[QV_COUNT_OF(chosen)];

typedef struct listing {
    base *base;
    qv__store *store;
    const char *folder;
} listing;

static qv_status load_object(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    listing *list = ctx;
    base *b = list->base;
    char path[NAME_BYTES];

    FUZZ_CHECK(b->n < MOST_OBJECTS);
    FUZZ_CHECK(snprintf(path, sizeof path, "%s/%s", list->folder, name) < (int) sizeof path);
    if (is_folder) {
        listing below = { b, list->store, path };
        return qv__store_list(list->store, path, load_object, &below, err);
    }
    memcpy(b->names[b->n], path, sizeof path);
    return qv__store_get(list->store, path, size, &b->bytes[b->n++], err);
}

static void load_base(size_t i)
{
    static const char *const folders[] = { "_indices", "data", "_deletions", "_versions" };
    base *b = &bases[i];
    char path[4096];
    qv__store *store;
    qv_error err;

    snprintf(path, sizeof path, QVT_SOURCE_DIR "/tests/golden/indices/%s.lance", chosen[i].table);
    FUZZ_CHECK(qv__store_open(path, false, &store, &err) == QV_OK);
    for (size_t k = 0; k < QV_COUNT_OF(folders); k++) {
        listing list = { b, store, folders[k] };
        FUZZ_CHECK(qv__store_list(store, folders[k], load_object, &list, &err) == QV_OK);
        if (k == 0)
            b->n_index = b->n;
    }
    qv__store_unref(store);
    FUZZ_CHECK(b->n_index > 0);
}

static qv__store *open_damaged(const base *b, fuzz_reader *in)
{
    uint8_t *copies[MOST_OBJECTS] = { NULL };
    qv__store *store;
    qv_error err;

    FUZZ_CHECK(qv__store_open("memory://", true, &store, &err) == QV_OK);
    for (int k = 0; in->left >= 4 && k < MOST_PATCHES; k++) {
        size_t file = fuzz_byte(in) % b->n_index, len = b->bytes[file].len;
        uint8_t where[2];
        fuzz_bytes(in, where, 2);
        size_t at = qv__load_u16(where) >> 1;
        at = len ? (qv__load_u16(where) & 1 ? at % len : len - 1 - at % len) : 0;
        if (!copies[file]) {
            copies[file] = malloc(len + 1);
            FUZZ_CHECK(copies[file]);
            memcpy(copies[file], b->bytes[file].data, len);
        }
        copies[file][at] = fuzz_byte(in);
    }
    for (size_t i = 0; i < b->n; i++) {
        const uint8_t *bytes = copies[i] ? copies[i] : b->bytes[i].data;
        FUZZ_CHECK(qv__store_put(store, b->names[i], bytes, b->bytes[i].len, QV_PUT_REPLACE, &err) == QV_OK);
        free(copies[i]);
    }
    return store;
}

static void ask(qv__snapshot *s, const char *where, qv__job *job)
{
    qv__program *program;
    qv__index_plan *plan = NULL;
    qv__index_rows rows = { 0 };
    const qv__index_plan_options options = { 0 };
    qv_error err;

    FUZZ_CHECK(qv__program_compile_filter(where, qv__snapshot_schema(s), &program, &err) == QV_OK);
    if (qv__index_plan_new(s, program, &options, &plan, &err) == QV_OK && plan &&
        qv__index_plan_run(plan, job, &rows, &err) == QV_OK)
        for (size_t i = 0; i < rows.n_fragments; i++)
            FUZZ_CHECK(!rows.rows[i] || roaring_bitmap_is_empty(rows.rows[i]) ||
                       roaring_bitmap_maximum(rows.rows[i]) < qv__snapshot_fragment(s, i)->physical_rows);
    qv__index_rows_clear(&rows);
    qv__index_plan_free(plan);
    qv__program_unref(program);
}

static void ignore(void *ctx, const char *object, const char *what)
{
    QV_UNUSED(ctx);
    FUZZ_CHECK(object[0] && what[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_reader in = { data, size };
    size_t which = fuzz_byte(&in) % QV_COUNT_OF(chosen);
    qv__snapshot *s;
    qv__job job;
    qv_error err;

    if (!bases[which].n)
        load_base(which);
    qv__store *store = open_damaged(&bases[which], &in);
    size_t blocks = qv_memory().live_blocks;
    qv_set_memory_limit((size_t) 256 << 20);
    FUZZ_CHECK(qv__snapshot_open(store, 0, &s, &err) == QV_OK);
    qv__job_begin(&job, NULL, "fuzz", 0);
    for (size_t i = 0; i < QV_COUNT_OF(chosen[which].conditions); i++)
        ask(s, chosen[which].conditions[i], &job);
    qv__index_verify(s, ignore, NULL, &job, &err);
    qv__job_end(&job, QV_OK);
    qv__snapshot_unref(s);
    qv_set_memory_limit(0);
    FUZZ_CHECK(qv_memory().live_blocks == blocks);
    qv__store_unref(store);
    return 0;
}
