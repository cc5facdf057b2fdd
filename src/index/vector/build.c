/* Building: a sample is drawn and trained on, all rows are read once, the lists are written. Segments beside an older one take its model. */
#include "base/alloc.h"
#include "index/vector/build_private.h"

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

static qv_status make_model(const qv__build_order *order, const qv__index_target *target, qv__index_source *source,
                            qv__vector_model **model, qv__tuner **tuner, qv_error *err)
{
    qv_status st = QV_OK;
    qv__vector_sample sample = { 0 };

    *model = older_model(target, order);
    if (*model) {
        qv__owner_ref(&(*model)->owner);
        return QV_OK;
    }
    QV_CHECK(qv__train(order, source, &sample, model, err));
    QV_CHECK(qv__tuner_new(order, *model, &sample, tuner, err));
done:
    qv__sample_clear(&sample);
    return st;
}

qv_status qv__vector_build(const qv__vector_kind *kind, const qv__index_target *target, qv__index_source *source,
                           qv__index_built *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__build_order order;
    qv__vector_model *model = NULL;
    qv__tuner *tuner = NULL;
    qv__list_build build = { 0 };

    QV_TRY(qv__build_order_of(kind, source->type, target, &order, err));
    QV_CHECK(make_model(&order, target, source, &model, &tuner, err));
    QV_CHECK(qv__list_build_init(&build, target, &order, model, err));
    build.tuner = tuner;
    tuner = NULL;
    QV_CHECK(qv__list_build_rows(&build, source->values, source->rows, err));
    QV_CHECK(qv__list_build_write(&build, out, err));
done:
    qv__list_build_clear(&build);
    qv__tuner_free(tuner);
    qv__vector_model_unref(model);
    return st;
}
