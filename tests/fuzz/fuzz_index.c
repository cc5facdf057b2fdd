/* Bytes -> a golden table whose index files are damaged by them. Byte 0 chooses the table, then come patches: file, where (2 bytes from the
 * start or the end), value. Nothing may be read outside, nothing leaked; questions and the verifier end in an answer or an error that
 * says what is wrong. */
#include "damaged.h"

#include "base/alloc.h"
#include "index/index.h"

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

static base bases[QV_COUNT_OF(chosen)];

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
        load_base(&bases[which], chosen[which].table);
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
