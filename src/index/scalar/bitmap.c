/* The BITMAP as a kind: one row set per distinct value of a column, nulls under the null key. */
#include "base/alloc.h"
#include "index/scalar/bitmap.h"
#include "index/scalar/sort_private.h"

void qv__bitmap_segment_close(qv__segment *segment)
{
    qv__bitmap_segment *b = (qv__bitmap_segment *) segment;

    if (!b)
        return;
    qv__bitmaps_clear(&b->file);
    qv__free(b);
}

static qv_status open_segment(qv__store *folder, const qv__index_entry *entry, const qv__type *type, qv__segment **out,
                              qv_error *err)
{
    qv_status st = QV_OK;
    qv__bitmap_segment *b = NULL;

    QV_UNUSED(entry);
    QV_CHECK(QV_NEW(&b, 1, err));
    b->head.kind = &qv__bitmap_kind;
    QV_CHECK(qv__bitmaps_open(folder, &qv__bitmap_layout_values, type, &b->file, err));
    *out = &b->head;
    b = NULL;
done:
    qv__free(b);
    return st;
}

/* ------------------------------------------------------------------ asking */

static qv_status answer_spans(qv__bitmaps *file, const qv__spans *spans, qv__job *job, qv__answer *out, qv_error *err)
{
    size_t from, to;

    for (size_t i = 0; i < spans->n; i++) {
        qv__bitmaps_find(file, &spans->items[i], &from, &to, out);
        QV_TRY(qv__bitmaps_union(file, from, to, job, &out->rows, out, err));
    }
    return QV_OK;
}

static qv_status answer_range(qv__bitmaps *file, const qv__ask *ask, qv__job *job, qv__answer *out, qv_error *err)
{
    qv__spans spans = { 0 };
    qv_status st = qv__spans_of_ask(file->keys->type, ask, &spans, err);

    if (st == QV_OK)
        st = answer_spans(file, &spans, job, out, err);
    qv__spans_clear(&spans);
    return st;
}

static qv_status answer_list(qv__bitmaps *file, const qv__ask *ask, qv__job *job, qv__answer *out, qv_error *err)
{
    qv__spans spans;

    for (int64_t i = 0; i < ask->values->length; i++) {
        qv__spans_of_value(ask->values, i, &spans);
        QV_TRY(answer_spans(file, &spans, job, out, err));
    }
    return QV_OK;
}

static qv_status ask_segment(qv__segment *segment, const qv__ask *ask, qv__job *job, qv__answer *out, qv_error *err)
{
    qv__bitmaps *file = &((qv__bitmap_segment *) segment)->file;

    out->certainty = QV_NO_IDEA;
    if (!qv__ask_fits(file->keys->type, ask))
        return QV_OK;
    switch (ask->kind) {
    case QV_ASK_RANGE:
    case QV_ASK_PREFIX:
        QV_TRY(answer_range(file, ask, job, out, err));
        break;
    case QV_ASK_IN:
        QV_TRY(answer_list(file, ask, job, out, err));
        break;
    case QV_ASK_IS_NULL:
        QV_TRY(qv__bitmaps_nulls(file, &out->rows, out, err));
        break;
    case QV_ASK_NOT_NULL:
        QV_TRY(qv__bitmaps_union(file, 0, file->n, job, &out->rows, out, err));
        break;
    default:
        return QV_OK;
    }
    out->certainty = QV_EXACT;
    out->knows_nulls = file->null_at < 0; /* there are none */
    return QV_OK;
}

/* ------------------------------------------------------------------ building */

static qv_status build(const qv__index_target *target, qv__index_source *source, qv__index_built *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__stream *sorted = NULL;

    QV_CHECK(qv__sort_values(target, source, &sorted, err));
    qv__bitmap_source rows = { .layout = &qv__bitmap_layout_values, .type = source->type, .sorted = sorted };
    QV_CHECK(qv__bitmaps_write(target, &rows, err));
    out->index_version = 0;
done:
    qv__stream_free(sorted);
    return st;
}

static qv_status merge(const qv__index_target *target, qv__segment *const *old, size_t n_old, qv__index_source *added,
                       qv__keep_fn keep, void *ctx, qv__index_built *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__stream *sorted = NULL;
    qv__bitmaps **files = NULL;

    QV_CHECK(QV_NEW(&files, n_old, err));
    for (size_t i = 0; i < n_old; i++)
        files[i] = &((qv__bitmap_segment *) old[i])->file;
    const qv__type *type = added ? added->type : files[0]->keys->type;
    for (size_t i = 0; i < n_old; i++)
        if (!qv__type_equal(type, files[i]->keys->type))
            QV_CHECK(qv__fail(err, QV_CORRUPT, "segments of one index have keys of different types"));
    if (added)
        QV_CHECK(qv__sort_values(target, added, &sorted, err));
    qv__bitmap_source rows = { .layout = &qv__bitmap_layout_values,
                               .type = type,
                               .sorted = sorted,
                               .old = files,
                               .n_old = n_old,
                               .keep = keep,
                               .ctx = ctx };
    QV_CHECK(qv__bitmaps_write(target, &rows, err));
    out->index_version = 0;
done:
    qv__free(files);
    qv__stream_free(sorted);
    return st;
}

/* ------------------------------------------------------------------ care */

qv_status qv__bitmap_segment_describe(qv__segment *segment, qv__buffer *json, qv_error *err)
{
    const qv__bitmaps *file = &((const qv__bitmap_segment *) segment)->file;

    return qv__buffer_printf(json, err, "\"num_bitmaps\":%zu", file->n + (file->null_at >= 0));
}

qv_status qv__bitmap_segment_prewarm(qv__segment *segment, qv_error *err)
{
    return qv__bitmaps_prewarm(&((qv__bitmap_segment *) segment)->file, err);
}

qv_status qv__bitmap_segment_verify(qv__segment *segment, qv__problem_fn problem, void *ctx, qv_error *err)
{
    return qv__bitmaps_verify(&((qv__bitmap_segment *) segment)->file, problem, ctx, err);
}

const qv__index_method qv__bitmap_kind = { .kind = QV_INDEX_BITMAP,
                                           .display = "Bitmap",
                                           .stats = "BITMAP",
                                           .type_url = "/lance.table.BitmapIndexDetails",
                                           .max_version = 0,
                                           .remaps = true,
                                           .can_index = qv__can_order,
                                           .can_ask = qv__can_ask_ordered,
                                           .build = build,
                                           .merge = merge,
                                           .open = open_segment,
                                           .close = qv__bitmap_segment_close,
                                           .ask = ask_segment,
                                           .describe = qv__bitmap_segment_describe,
                                           .prewarm = qv__bitmap_segment_prewarm,
                                           .verify = qv__bitmap_segment_verify };
