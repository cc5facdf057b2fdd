/* Bytes -> a golden table whose vector index is damaged by them. Byte 0 chooses the table, then come patches. Nothing may be read outside,
 * nothing leaked; searches and the verifier end in an answer or an error that says what is wrong. */
#include "damaged.h"

#include "base/alloc.h"
#include "index/vector/vector.h"

static const char *const tables[] = { "ivf_flat_hamming", "ivf_flat_dot",    "ivf_pq_l2",         "ivf_pq4_l2",
                                      "ivf_pq_segments",  "ivf_sq_cosine",   "ivf_rq_l2",         "ivf_rq1_l2",
                                      "ivf_rq9_cosine",   "ivf_hnsw_pq_dot", "ivf_hnsw_sq_cosine" };
static base bases[QV_COUNT_OF(tables)];

enum { K = 10, DIM = 32, QUERIES = 2 };

/* Hits come sorted, without NaN, no more than were asked for. */
static void search(qv__snapshot *s, qv_approx_mode mode, qv__job *job)
{
    const qv__schema *schema = qv__snapshot_schema(s);
    const qv__field *field = &schema->fields[qv__schema_find(schema, "vec")];
    size_t dim = (size_t) field->type->width, width, *counts;
    float queries[QUERIES * DIM];
    qv__vector_plan *plan = NULL;
    qv__hit *hits;
    qv__vector_counters counters;
    qv_error err;

    for (size_t i = 0; i < QV_COUNT_OF(queries); i++)
        queries[i] = (float) (i * 7 % 13) - 6;
    if (qv__vector_plan_new(s, field->id, NULL, QV_METRIC_AUTO, dim, &plan, NULL, &err) != QV_OK || !plan)
        return;
    const qv__vector_request request = {
        .queries = queries, .n = QUERIES, .dim = dim, .k = K, .passing = 1, .mode = mode, .job = job
    };
    if (qv__vector_search(plan, &request, &hits, &width, &counts, &counters, &err) == QV_OK) {
        for (size_t q = 0; q < QUERIES; q++) {
            FUZZ_CHECK(counts[q] <= K && K <= width);
            for (size_t i = 1; i < counts[q]; i++)
                FUZZ_CHECK(hits[q * width + i - 1].distance <= hits[q * width + i].distance);
        }
        qv__free(hits);
        qv__free(counts);
    } else {
        FUZZ_CHECK(err.message[0]);
    }
    qv__vector_plan_free(plan);
}

static void ignore(void *ctx, const char *object, const char *what)
{
    QV_UNUSED(ctx);
    FUZZ_CHECK(object[0] && what[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_reader in = { data, size };
    uint8_t choice = fuzz_byte(&in);
    size_t which = choice % QV_COUNT_OF(tables);
    qv__snapshot *s;
    qv__job job;
    qv_error err;

    if (!bases[which].n)
        load_base(&bases[which], tables[which]);
    qv__store *store = open_damaged(&bases[which], &in);
    size_t blocks = qv_memory().live_blocks;
    qv_set_memory_limit((size_t) 256 << 20);
    FUZZ_CHECK(qv__snapshot_open(store, 0, &s, &err) == QV_OK);
    qv__job_begin(&job, NULL, "fuzz", 0);
    search(s, choice & 128 ? QV_APPROX_FAST : QV_APPROX_NORMAL, &job);
    qv__index_verify(s, ignore, NULL, &job, &err);
    qv__job_end(&job, QV_OK);
    qv__snapshot_unref(s);
    qv_set_memory_limit(0);
    FUZZ_CHECK(qv_memory().live_blocks == blocks);
    qv__store_unref(store);
    return 0;
}
