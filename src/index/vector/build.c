/* Building: a sample is drawn and trained on, all rows are read once, the lists are written. Segments beside an older one take its model. */
#include "base/alloc.h"
#include "index/vector/tuning_private.h"

/* The model of a segment beside which the new one will stand; NULL: there is none that fits. */
static qv__vector_model *older_model(const qv__index_target *target, const qv__build_order *order)
{
    const qv__vector_segment *segment = (const qv__vector_segment *) target->like;

    if (!segment || !qv__vector_segment_rows(segment))
        return NULL;
    qv__vector_model *model = qv__vector_segment_model(segment);
    return model->kind == order->kind && model->metric == order->metric && model->element == order->shape.element &&
                   model->dim == order->shape.dim
               ? model
               : NULL;
}

static qv_status train(qv__list_build *build, const qv__build_order *order, const qv__index_target *target,
                       qv__index_source *source, qv_error *err)
{
    qv_status st = QV_OK;
    qv__vector_sample sample = { 0 };
    qv__vector_model *model = NULL;
    qv__tuner *tuner = NULL;

    QV_CHECK(qv__train(order, source, &sample, &model, err));
    QV_CHECK(qv__tuner_new(order, model, &sample, QV_TUNE_QUERIES, &tuner, err));
    QV_CHECK(qv__list_build_init(build, target, order, model, err));
    build->tuner = tuner;
    tuner = NULL;
done:
    qv__tuner_free(tuner);
    qv__sample_clear(&sample);
    qv__vector_model_unref(model);
    return st;
}

/* Beside a larger segment, under its model, if that fits. */
static qv_status build_beside(qv__list_build *build, const qv__build_order *order, const qv__index_target *target,
                              qv__vector_model *model, qv__index_source *source, qv_error *err)
{
    qv__vector_segment *larger = (qv__vector_segment *) target->like;
    const qv__older_lists older = { .segments = &larger, .n = 1 };

    QV_TRY(qv__list_build_init(build, target, order, model, err));
    if (!target->as_asked)
        QV_TRY(qv__drift_check_recall(order, model, &older, source, &build->tuning, err));
    QV_TRY(qv__list_build_rows(build, source->values, source->rows, err));
    if (target->as_asked)
        return QV_OK;
    return qv__drift_check_loss(model, &older, build->distance, qv__list_store_rows(build->store), err);
}

qv_status qv__vector_build(const qv__vector_kind *kind, const qv__index_target *target, qv__index_source *source,
                           qv__index_built *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__build_order order;
    qv__list_build build = { 0 };

    QV_TRY(qv__build_order_of(kind, source->type, target, &order, err));
    qv__vector_model *model = older_model(target, &order);
    if (model) {
        QV_CHECK(build_beside(&build, &order, target, model, source, err));
    } else {
        QV_CHECK(train(&build, &order, target, source, err));
        QV_CHECK(qv__list_build_rows(&build, source->values, source->rows, err));
    }
    QV_CHECK(qv__list_build_write(&build, out, err));
done:
    qv__list_build_clear(&build);
    return st;
}
