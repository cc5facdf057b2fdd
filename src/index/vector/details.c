/* What an entry of the manifest says of a vector index: its kind at a glance. The files decide. */
#include <inttypes.h>

#include "base/arena.h"
#include "file/message.h"
#include "index/vector/vector_private.h"

#define GRAPH_LEVELS 7

/* ------------------------------------------------------------------ reading */

enum { TARGET_PARTITION_SIZE = 2, HNSW = 3, PQ = 4, SQ = 5, RQ = 6, FLAT = 8, KNOWN_FIELDS = 9 };

typedef struct told {
    const qv__vector_kind *kind;
    uint64_t target_partition_size;
} told;

static const qv__vector_kind *kind_of(const bool has[KNOWN_FIELDS])
{
    static const struct {
        int field;
        qv__code_kind code;
    } codes[] = { { PQ, QV_CODE_PQ }, { SQ, QV_CODE_SQ }, { RQ, QV_CODE_RQ }, { FLAT, QV_CODE_FLAT } };

    for (size_t i = 0; i < QV_COUNT_OF(codes); i++)
        if (has[codes[i].field])
            return qv__vector_kind_made_of(codes[i].code, has[HNSW]);
    return NULL;
}

/* Every look at the indices of a version comes by here: no memory is asked for, and so nothing is unknown for want of it. */
static told read_details(const uint8_t *bytes, size_t len)
{
    bool has[KNOWN_FIELDS] = { false };
    told out = { NULL, 0 };
    qv__wire wire = { bytes, bytes ? bytes + len : NULL };
    qv__wire_field field;

    while (wire.at < wire.end) {
        if (!qv__wire_next(&wire, &field))
            return (told){ NULL, 0 };
        if (field.number >= KNOWN_FIELDS)
            continue;
        has[field.number] |= field.type == QV_WIRE_BYTES;
        if (field.number == TARGET_PARTITION_SIZE && field.type == QV_WIRE_NUMBER)
            out.target_partition_size = field.value;
    }
    out.kind = kind_of(has);
    return out;
}

const qv__vector_kind *qv__vector_details_kind(const uint8_t *bytes, size_t len)
{
    return read_details(bytes, len).kind;
}

uint64_t qv__vector_details_target(const uint8_t *bytes, size_t len)
{
    return read_details(bytes, len).target_partition_size;
}

static qv_status print_codes(const Lance__Index__VectorIndexDetails *d, qv__buffer *json, qv_error *err)
{
    if (d->pq)
        return qv__buffer_printf(
            json, err, ",\"compression\":{\"type\":\"pq\",\"num_bits\":%" PRIu32 ",\"num_sub_vectors\":%" PRIu32 "}",
            d->pq->num_bits, d->pq->num_sub_vectors);
    if (d->sq)
        return qv__buffer_printf(json, err, ",\"compression\":{\"type\":\"sq\",\"num_bits\":%" PRIu32 "}",
                                 d->sq->num_bits);
    if (d->rq)
        return qv__buffer_printf(json, err,
                                 ",\"compression\":{\"type\":\"rq\",\"num_bits\":%" PRIu32 ",\"rotation_type\":\"%s\"}",
                                 d->rq->num_bits, d->rq->rotation_type == 1 ? "matrix" : "fast");
    return QV_OK;
}

static qv_status print_details(const Lance__Index__VectorIndexDetails *d, qv__buffer *json, qv_error *err)
{
    static const char *const metrics[] = { "L2", "COSINE", "DOT", "HAMMING" };
    uint32_t metric = (uint32_t) d->metric_type;

    QV_TRY(qv__buffer_printf(json, err, "\"metric_type\":\"%s\"",
                             metric < QV_COUNT_OF(metrics) ? metrics[metric] : "UNKNOWN"));
    if (d->target_partition_size)
        QV_TRY(qv__buffer_printf(json, err, ",\"target_partition_size\":%" PRIu64, d->target_partition_size));
    QV_TRY(print_codes(d, json, err));
    return d->hnsw ? qv__buffer_printf(json, err,
                                       ",\"hnsw\":{\"max_connections\":%" PRIu32 ",\"construction_ef\":%" PRIu32
                                       ",\"max_level\":%" PRIu32 "}",
                                       d->hnsw->max_connections, d->hnsw->construction_ef, d->hnsw->max_level)
                   : QV_OK;
}

qv_status qv__vector_details_print(const qv__index_entry *entry, qv__buffer *json, qv_error *err)
{
    ProtobufCMessage *message;
    qv__arena arena;
    qv_status st = QV_OK;

    qv__arena_init(&arena, qv__message_limit(entry->details.len));
    if (entry->details.len && /* what cannot be read is not told: the files decide */
        qv__message_unpack(&lance__index__vector_index_details__descriptor, entry->details.data, entry->details.len,
                           &arena, &message, NULL) == QV_OK)
        st = print_details((const Lance__Index__VectorIndexDetails *) message, json, err);
    qv__arena_reset(&arena);
    return st;
}

/* ------------------------------------------------------------------ writing */

typedef struct parts {
    Lance__Index__VectorIndexDetails details;
    Lance__Index__HnswParameters hnsw;
    Lance__Index__PqCompression pq;
    Lance__Index__SqCompression sq;
    Lance__Index__RqCompression rq;
    Lance__Index__FlatCompression flat;
} parts;

static void say_codes(const qv__vector_model *model, parts *p)
{
    size_t m;
    unsigned bits;

    switch (model->kind->code) {
    case QV_CODE_PQ:
        lance__index__pq_compression__init(&p->pq);
        qv__pq_codebook(model->quantizer, &m, &bits);
        p->pq.has_num_bits = p->pq.has_num_sub_vectors = true;
        p->pq.num_bits = bits;
        p->pq.num_sub_vectors = (uint32_t) m;
        p->details.pq = &p->pq;
        break;
    case QV_CODE_SQ:
        lance__index__sq_compression__init(&p->sq);
        p->sq.has_num_bits = true;
        p->sq.num_bits = 8;
        p->details.sq = &p->sq;
        break;
    case QV_CODE_RQ:
        lance__index__rq_compression__init(&p->rq);
        p->rq.has_num_bits = p->rq.has_rotation_type = true;
        p->rq.num_bits = qv__rabitq_shape_of(model->quantizer)->bits;
        p->rq.rotation_type = qv__rabitq_shape_of(model->quantizer)->rotation == QV_ROTATION_MATRIX;
        p->details.rq = &p->rq;
        break;
    default:
        lance__index__flat_compression__init(&p->flat);
        p->details.flat = &p->flat;
        break;
    }
}

static int32_t metric_number(qv_metric metric)
{
    return metric == QV_METRIC_COSINE ? 1 : metric == QV_METRIC_DOT ? 2 : metric == QV_METRIC_HAMMING ? 3 : 0;
}

qv_status qv__vector_details_pack(const qv__vector_model *model, qv__buffer *out, qv_error *err)
{
    parts p;

    lance__index__vector_index_details__init(&p.details);
    p.details.has_metric_type = true;
    p.details.metric_type = metric_number(model->metric);
    p.details.has_target_partition_size = model->target_partition_size != 0;
    p.details.target_partition_size = model->target_partition_size;
    if (model->kind->has_graph) {
        lance__index__hnsw_parameters__init(&p.hnsw);
        p.hnsw.has_max_connections = p.hnsw.has_construction_ef = p.hnsw.has_max_level = true;
        p.hnsw.max_connections = model->hnsw_m;
        p.hnsw.construction_ef = model->hnsw_ef_construction;
        p.hnsw.max_level = GRAPH_LEVELS;
        p.details.hnsw = &p.hnsw;
    }
    say_codes(model, &p);
    QV_TRY(qv__buffer_reserve(out, lance__index__vector_index_details__get_packed_size(&p.details), err));
    out->len += lance__index__vector_index_details__pack(&p.details, out->data + out->len);
    return QV_OK;
}
