/* What a segment tells of itself, checks in itself, and reads ahead. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/bytes.h"
#include "index/vector/segment.h"

void qv__vector_recall(const qv__segment *segment, qv_index_options *options)
{
    const qv__vector_model *m = ((const qv__vector_segment *) segment)->model;
    unsigned bits;
    size_t parts;

    options->kind = m->kind->kind;
    options->metric = m->metric;
    options->target_partition_size = m->target_partition_size;
    options->hnsw_m = m->hnsw_m;
    options->hnsw_ef_construction = m->hnsw_ef_construction;
    switch (m->kind->code) {
    case QV_CODE_PQ:
        qv__pq_codebook(m->quantizer, &parts, &bits);
        options->num_sub_vectors = (uint32_t) parts;
        options->num_bits = bits;
        break;
    case QV_CODE_RQ:
        options->num_bits = qv__rabitq_shape_of(m->quantizer)->bits;
        break;
    default:
        break;
    }
}

/* ------------------------------------------------------------------ index_stats */

static qv_status describe_codes(const qv__vector_model *m, qv__buffer *json, qv_error *err)
{
    unsigned bits;
    size_t parts;
    double low, high;

    switch (m->kind->code) {
    case QV_CODE_PQ:
        qv__pq_codebook(m->quantizer, &parts, &bits);
        return qv__buffer_printf(json, err,
                                 "\"index_type\":\"PQ\",\"nbits\":%u,\"num_sub_vectors\":%zu,\"dimension\":%zu", bits,
                                 parts, m->dim);
    case QV_CODE_SQ:
        qv__sq_bounds(m->quantizer, &low, &high);
        return qv__buffer_printf(
            json, err, "\"index_type\":\"SQ\",\"dim\":%zu,\"num_bits\":8,\"bounds\":{\"start\":%.17g,\"end\":%.17g}",
            m->dim, low, high);
    case QV_CODE_RQ:
        return qv__buffer_printf(json, err,
                                 "\"index_type\":\"RQ\",\"code_dim\":%zu,\"num_bits\":%u,\"rotation_type\":\"%s\"",
                                 m->dim, qv__rabitq_shape_of(m->quantizer)->bits,
                                 qv__rabitq_shape_of(m->quantizer)->rotation == QV_ROTATION_FAST ? "fast" : "matrix");
    default:
        return qv__buffer_printf(json, err, "\"index_type\":\"FLAT\",\"dim\":%zu",
                                 m->element == QV_EL_BITS ? m->dim / 8 : m->dim);
    }
}

static qv_status describe_tuning(const qv__vector_tuning *tuning, qv__buffer *json, qv_error *err)
{
    QV_TRY(qv__buffer_printf(json, err, ",\"measured\":["));
    for (uint32_t i = 0; i < tuning->n; i++)
        QV_TRY(qv__buffer_printf(json, err,
                                 "%s{\"recall\":%.4g,\"probes\":%" PRIu32 ",\"refine\":%" PRIu32 ",\"ef\":%" PRIu32 "}",
                                 i ? "," : "", (double) tuning->steps[i].recall, tuning->steps[i].probes,
                                 tuning->steps[i].refine, tuning->steps[i].ef));
    return qv__buffer_printf(json, err, "]");
}

qv_status qv__vector_describe(qv__segment *segment, qv__buffer *json, qv_error *err)
{
    const qv__vector_segment *s = (const qv__vector_segment *) segment;
    const qv__vector_model *m = s->model;

    QV_TRY(qv__buffer_printf(json, err,
                             "\"index_type\":\"%s\",\"metric_type\":\"%s\",\"num_partitions\":%zu,\"sub_index\":{",
                             m->kind->name, qv__vector_metric_name(m->metric), m->n_lists));
    QV_TRY(describe_codes(m, json, err));
    if (m->kind->has_graph)
        QV_TRY(qv__buffer_printf(json, err, ",\"hnsw\":{\"m\":%" PRIu32 ",\"ef_construction\":%" PRIu32 "}", m->hnsw_m,
                                 m->hnsw_ef_construction));
    QV_TRY(qv__buffer_printf(json, err, "},\"partitions\":["));
    for (size_t i = 0; i < m->n_lists; i++)
        QV_TRY(qv__buffer_printf(json, err, "%s{\"size\":%" PRIu32 "}", i ? "," : "", s->lengths[i]));
    QV_TRY(qv__buffer_printf(json, err, "],\"loss\":%.9g,\"index_file_version\":\"V3\"", m->loss));
    if (m->tuning.n)
        QV_TRY(describe_tuning(&m->tuning, json, err));
    if (m->tuning.added_rows)
        QV_TRY(qv__buffer_printf(json, err, ",\"added\":{\"rows\":%" PRIu32 ",\"recall\":%.4g}", m->tuning.added_rows,
                                 (double) m->tuning.added));
    return QV_OK;
}

/* ------------------------------------------------------------------ reading ahead */

/* Pages that are mapped are read when they are touched. */
static void touch(const void *bytes, size_t n)
{
    for (size_t at = 0; at < n; at += 4096)
        (void) ((const volatile uint8_t *) bytes)[at];
}

qv_status qv__vector_prewarm(qv__segment *segment, qv_error *err)
{
    qv__vector_segment *s = (qv__vector_segment *) segment;
    const qv__quantizer *q = s->model->quantizer;

    for (size_t i = 0; i < s->model->n_lists; i++) {
        qv__code_list list;
        const qv__hnsw *graph;
        QV_TRY(qv__vector_segment_list(s, i, &list, err));
        for (size_t c = 0; c < q->n_columns; c++)
            touch(list.columns[c], list.n * q->columns[c].width);
        touch(list.ids, list.n * sizeof *list.ids);
        if (s->model->kind->has_graph)
            QV_TRY(qv__vector_segment_graph(s, i, &graph, &list, err));
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ checking */

typedef struct checker {
    qv__problem_fn problem;
    void *ctx;
} checker;

static qv_status tell(const checker *c, qv_status st, const char *object, const qv_error *found, qv_error *err)
{
    if (st == QV_OK)
        return QV_OK;
    if (st != QV_CORRUPT && st != QV_UNSUPPORTED)
        return qv__fail(err, st, "%s", found->message);
    c->problem(c->ctx, object, found->message);
    return QV_OK;
}

/* Factors of codes must be numbers: a row without is never found. */
static void check_factors(const checker *c, const qv__quantizer *q, const qv__code_list *list, size_t number)
{
    char text[160];

    for (size_t k = 0; k < q->n_columns; k++) {
        if (!q->columns[k].is_f32)
            continue;
        for (size_t i = 0; i < list->n; i++) {
            float value;
            memcpy(&value, list->columns[k] + 4 * i, sizeof value);
            if (isfinite(value))
                continue;
            snprintf(text, sizeof text, "column \"%s\" is not finite in row %zu of list %zu", q->columns[k].name, i,
                     number);
            c->problem(c->ctx, "auxiliary.idx", text);
            break;
        }
    }
}

static qv_status check_list(const checker *c, qv__vector_segment *s, size_t i, qv_error *err)
{
    qv__code_list list;
    const qv__hnsw *graph;
    qv_error found;

    qv_status st = qv__vector_segment_list(s, i, &list, &found);
    if (st == QV_OK)
        check_factors(c, s->model->quantizer, &list, i);
    else
        return tell(c, st, "auxiliary.idx", &found, err);
    if (!s->model->kind->has_graph)
        return QV_OK;
    return tell(c, qv__vector_segment_graph(s, i, &graph, &list, &found), "index.idx", &found, err);
}

qv_status qv__vector_verify(qv__segment *segment, qv__problem_fn problem, void *ctx, qv_error *err)
{
    qv__vector_segment *s = (qv__vector_segment *) segment;
    const checker c = { problem, ctx };
    qv_status st = QV_OK;
    qv__job job;

    qv__job_begin(&job, NULL, "verify", 0);
    QV_CHECK(qv__file_verify(s->index, problem, ctx, &job, err));
    QV_CHECK(qv__file_verify(s->codes, problem, ctx, &job, err));
    for (size_t i = 0; i < s->model->n_lists; i++)
        QV_CHECK(check_list(&c, s, i, err));
done:
    qv__job_end(&job, st);
    return st;
}
