/* What is trained for an index, and what all its searches share. */
#include "base/float16.h"
#include "base/alloc.h"
#include "index/vector/vector_private.h"

static void model_destroy(qv__owner *owner)
{
    qv__vector_model *m = (qv__vector_model *) owner;

    if (m->quantizer)
        m->quantizer->class->free(m->quantizer);
    qv__centroids_free(m->ranking);
    qv__free(m->centroids);
    qv__free(m->bit_centroids);
    qv__free(m->extra);
    qv__free(m);
}

void qv__vector_model_unref(qv__vector_model *model)
{
    if (model)
        qv__owner_unref(&model->owner);
}

/* Centroids are stored in the column's own type, and codes are made with the centroids that are stored. */
static void round_centroids(qv__vector_model *m)
{
    if (m->element != QV_EL_F16 || !m->centroids)
        return;
    for (size_t i = 0; i < m->n_lists * m->dim; i++)
        m->centroids[i] = (float) qv__f16_to_f64(qv__f64_to_f16(m->centroids[i]));
}

static qv_status make_extra(qv__vector_model *m, qv_error *err)
{
    const qv__quantizer *q = m->quantizer;
    size_t n = q->class->extra_floats ? q->class->extra_floats(q) : 0;

    if (!n || !m->centroids)
        return QV_OK;
    QV_TRY(qv__new((void **) &m->extra, m->n_lists, n * sizeof *m->extra, err));
    for (size_t i = 0; i < m->n_lists; i++)
        q->class->list_extra(q, m->centroids + i * m->dim, m->extra + i * n);
    return QV_OK;
}

qv_status qv__vector_model_new(const qv__vector_model *parts, qv__vector_model **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__vector_model *m = NULL, borrowed = *parts;

    st = QV_NEW(&m, 1, err);
    if (st != QV_OK) { /* what the parts point to is taken all the same */
        if (borrowed.quantizer)
            borrowed.quantizer->class->free(borrowed.quantizer);
        qv__free(borrowed.centroids);
        qv__free(borrowed.bit_centroids);
        return st;
    }
    *m = borrowed;
    m->ranking = NULL;
    m->extra = NULL;
    qv__owner_init(&m->owner, model_destroy);
    round_centroids(m);
    if (m->centroids)
        QV_CHECK(qv__centroids_new(m->centroids, m->n_lists, m->dim, m->metric, &m->ranking, err));
    QV_CHECK(make_extra(m, err));
    *out = m;
    m = NULL;
done:
    qv__vector_model_unref(m);
    return st;
}
