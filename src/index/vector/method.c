/* The kinds of vector indices as methods of indexing: they share their code, and the name that entries give them. What an entry's details say
 * picks the method; the files decide when it is opened. */
#include "index/vector/vector_private.h"

/* ------------------------------------------------------------------ questions: conditions are for others */

static qv__certainty can_ask(const qv__type *type, qv__ask_kind kind)
{
    QV_UNUSED(type);
    QV_UNUSED(kind);
    return QV_NO_IDEA;
}

static qv_status ask(qv__segment *segment, const qv__ask *question, qv__job *job, qv__answer *out, qv_error *err)
{
    QV_UNUSED(segment);
    QV_UNUSED(question);
    QV_UNUSED(job);
    QV_UNUSED(err);
    out->certainty = QV_NO_IDEA;
    return QV_OK;
}

/* ------------------------------------------------------------------ which kind */

static const qv__index_method *of_entry(const qv__index_entry *entry)
{
    const qv__vector_kind *kind = qv__vector_details_kind(entry->details.data, entry->details.len);

    return kind ? qv__index_method_of(kind->kind) : &qv__vector_method;
}

static qv_status build_any(const qv__index_target *target, qv__index_source *source, qv__index_built *out,
                           qv_error *err)
{
    const qv__vector_segment *like = (const qv__vector_segment *) target->like;
    const qv__vector_kind *kind =
        like ? qv__vector_segment_model(like)->kind
             : qv__vector_kind_of(qv__vector_choose_kind(source->type, target->options->metric, source->rows));

    return qv__vector_build(kind, target, source, out, err);
}

static qv_status merge_any(const qv__index_target *target, qv__segment *const *old, size_t n_old,
                           qv__index_source *added, qv__keep_fn keep, void *ctx, qv__index_built *out, qv_error *err)
{
    const qv__vector_kind *kind = qv__vector_segment_model((const qv__vector_segment *) old[0])->kind;

    return qv__vector_merge(kind, target, old, n_old, added, keep, ctx, out, err);
}

/* ------------------------------------------------------------------ the seven */

#define KIND_FUNCTIONS(name, id)                                                                                  \
    static qv_status build_##name(const qv__index_target *target, qv__index_source *source, qv__index_built *out, \
                                  qv_error *err)                                                                  \
    {                                                                                                             \
        return qv__vector_build(qv__vector_kind_of(id), target, source, out, err);                                \
    }

/* merge_any asks the old segments, which know better than their entry. */
#define METHOD(name, id, shown, label)                                                                              \
    {                                                                                                               \
        .kind = (id), .display = (shown), .stats = (label), .type_url = "/lance.index.pb.VectorIndexDetails",       \
        .max_version = 2, .remaps = true, .appends = true, .of_entry = of_entry, .can_index = qv__vector_can_index, \
        .can_ask = can_ask, .build = build_##name, .recall = qv__vector_recall, .merge = merge_any,                 \
        .open = qv__vector_segment_open, .close = qv__vector_segment_close, .ask = ask,                             \
        .describe = qv__vector_describe, .print_details = qv__vector_details_print, .prewarm = qv__vector_prewarm,  \
        .verify = qv__vector_verify                                                                                 \
    }

KIND_FUNCTIONS(ivf_flat, QV_INDEX_IVF_FLAT)
KIND_FUNCTIONS(ivf_sq, QV_INDEX_IVF_SQ)
KIND_FUNCTIONS(ivf_pq, QV_INDEX_IVF_PQ)
KIND_FUNCTIONS(ivf_rq, QV_INDEX_IVF_RQ)
KIND_FUNCTIONS(ivf_hnsw_flat, QV_INDEX_IVF_HNSW_FLAT)
KIND_FUNCTIONS(ivf_hnsw_sq, QV_INDEX_IVF_HNSW_SQ)
KIND_FUNCTIONS(ivf_hnsw_pq, QV_INDEX_IVF_HNSW_PQ)

const qv__index_method qv__vector_method = METHOD(any, QV_INDEX_VECTOR, "Vector", "VECTOR");
const qv__index_method qv__ivf_flat_method = METHOD(ivf_flat, QV_INDEX_IVF_FLAT, "IvfFlat", "IVF_FLAT");
const qv__index_method qv__ivf_sq_method = METHOD(ivf_sq, QV_INDEX_IVF_SQ, "IvfSq", "IVF_SQ");
const qv__index_method qv__ivf_pq_method = METHOD(ivf_pq, QV_INDEX_IVF_PQ, "IvfPq", "IVF_PQ");
const qv__index_method qv__ivf_rq_method = METHOD(ivf_rq, QV_INDEX_IVF_RQ, "IvfRq", "IVF_RQ");
const qv__index_method qv__ivf_hnsw_flat_method =
    METHOD(ivf_hnsw_flat, QV_INDEX_IVF_HNSW_FLAT, "IvfHnswFlat", "IVF_HNSW_FLAT");
const qv__index_method qv__ivf_hnsw_sq_method = METHOD(ivf_hnsw_sq, QV_INDEX_IVF_HNSW_SQ, "IvfHnswSq", "IVF_HNSW_SQ");
const qv__index_method qv__ivf_hnsw_pq_method = METHOD(ivf_hnsw_pq, QV_INDEX_IVF_HNSW_PQ, "IvfHnswPq", "IVF_HNSW_PQ");
