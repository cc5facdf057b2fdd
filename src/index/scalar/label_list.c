/* The LABEL_LIST as a kind: one row set per distinct element of a list column, and the rows whose list is null. Empty lists leave no
 * trace, so what the lists are not is told from the set of nulls alone. */
#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "index/scalar/bitmap.h"
#include "index/scalar/label_list_private.h"

#define NULLS_KEY         "lance:label_list_nulls"
#define VERSION_WITH_NULL 1 /* index_version from which on null lists are stored */

typedef struct label_list {
    qv__bitmap_segment base;
    bool knows_nulls;
    qv__row_set nulls;
} label_list;

static bool is_list(const qv__type *type) { return type->id == QV_TYPE_LIST || type->id == QV_TYPE_LARGE_LIST; }

static bool can_index(const qv__type *type)
{
    return is_list(type) && qv__order_of(type->children[0].type) != QV_ORDER_NONE;
}

static qv__certainty can_ask(const qv__type *type, qv__ask_kind kind)
{
    if (!can_index(type))
        return QV_NO_IDEA;
    return kind == QV_ASK_HAS_ANY || kind == QV_ASK_HAS_ALL || kind == QV_ASK_IS_NULL ? QV_EXACT : QV_NO_IDEA;
}

/* ------------------------------------------------------------------ opening */

static void close_segment(qv__segment *segment)
{
    label_list *l = (label_list *) segment;

    if (!l)
        return;
    qv__bitmaps_clear(&l->base.file);
    qv__row_set_clear(&l->nulls);
    qv__free(l);
}

static qv_status open_segment(qv__store *folder, const qv__index_entry *entry, const qv__type *type, qv__segment **out,
                              qv_error *err)
{
    qv_status st = QV_OK;
    label_list *l = NULL;

    if (type && !is_list(type))
        return qv__fail(err, QV_CORRUPT, "a label list indexes a column of type %s", qv__type_name(type->id));
    QV_CHECK(QV_NEW(&l, 1, err));
    l->base.head.kind = &qv__label_list_kind;
    QV_CHECK(
        qv__bitmaps_open(folder, &qv__bitmap_layout_values, type ? type->children[0].type : NULL, &l->base.file, err));
    QV_CHECK(qv__index_row_set(l->base.file.file, NULLS_KEY, &l->nulls, &l->knows_nulls, err));
    l->knows_nulls = l->knows_nulls && entry->index_version >= VERSION_WITH_NULL;
    *out = &l->base.head;
    l = NULL;
done:
    close_segment(l ? &l->base.head : NULL);
    return st;
}

/* ------------------------------------------------------------------ asking */

/* The rows whose lists have value i. */
static qv_status rows_with(qv__bitmaps *file, const qv__array *values, int64_t i, qv__job *job, qv__row_set *into,
                           qv__answer *cost, qv_error *err)
{
    qv__spans spans;
    size_t from, to;

    qv__spans_of_value(values, i, &spans);
    for (size_t s = 0; s < spans.n; s++) {
        qv__bitmaps_find(file, &spans.items[s], &from, &to, cost);
        QV_TRY(qv__bitmaps_union(file, from, to, job, into, cost, err));
    }
    return QV_OK;
}

static qv_status has_all(qv__bitmaps *file, const qv__array *values, qv__job *job, qv__answer *out, qv_error *err)
{
    QV_TRY(rows_with(file, values, 0, job, &out->rows, out, err));
    for (int64_t i = 1; i < values->length && out->rows.n; i++) {
        qv__row_set set = { 0 };
        qv_status st = rows_with(file, values, i, job, &set, out, err);
        if (st == QV_OK)
            st = qv__row_set_and(&out->rows, &set, err);
        qv__row_set_clear(&set);
        QV_TRY(st);
    }
    return QV_OK;
}

static qv_status ask_segment(qv__segment *segment, const qv__ask *ask, qv__job *job, qv__answer *out, qv_error *err)
{
    label_list *l = (label_list *) segment;
    const qv__array *values = ask->values;

    out->certainty = QV_NO_IDEA;
    if (ask->kind == QV_ASK_IS_NULL) {
        if (!l->knows_nulls)
            return QV_OK;
        QV_TRY(qv__row_set_copy(&out->rows, &l->nulls, err));
        out->certainty = QV_EXACT;
        out->knows_nulls = true;
        return QV_OK;
    }
    if ((ask->kind != QV_ASK_HAS_ANY && ask->kind != QV_ASK_HAS_ALL) || !qv__ask_fits(l->base.file.keys->type, ask))
        return QV_OK;
    if (ask->kind == QV_ASK_HAS_ALL) {
        if (!values->length)
            return QV_OK; /* every list has all of nothing, the empty ones too */
        QV_TRY(has_all(&l->base.file, values, job, out, err));
    } else {
        for (int64_t i = 0; i < values->length; i++)
            QV_TRY(rows_with(&l->base.file, values, i, job, &out->rows, out, err));
    }
    if (l->knows_nulls)
        QV_TRY(qv__row_set_copy(&out->nulls, &l->nulls, err));
    out->certainty = QV_EXACT;
    out->knows_nulls = l->knows_nulls;
    return QV_OK;
}

/* ------------------------------------------------------------------ building */

/* Sorted (element, row) pairs of all lists; the rows of null lists are added to `nulls`. */
static qv_status sort_elements(const qv__index_target *target, const qv__index_source *lists, qv__row_set *nulls,
                               qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__stream *elements = NULL;

    QV_CHECK(qv__label_list_elements(lists->values, lists->type, nulls, &elements, err));
    qv__index_source source = { .values = elements, .type = lists->type->children[0].type, .rows = lists->rows };
    QV_CHECK(qv__sort_values(target, &source, out, err));
done:
    qv__stream_free(elements);
    return st;
}

static qv_status build(const qv__index_target *target, qv__index_source *source, qv__index_built *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__stream *sorted = NULL;
    qv__row_set nulls = { 0 };

    QV_CHECK(sort_elements(target, source, &nulls, &sorted, err));
    qv__bitmap_source rows = { .layout = &qv__bitmap_layout_values,
                               .type = source->type->children[0].type,
                               .sorted = sorted,
                               .nulls = &nulls,
                               .nulls_key = NULLS_KEY };
    QV_CHECK(qv__bitmaps_write(target, &rows, err));
    out->index_version = VERSION_WITH_NULL;
done:
    qv__row_set_clear(&nulls);
    qv__stream_free(sorted);
    return st;
}

static qv_status merge_nulls(qv__segment *const *old, size_t n_old, qv__keep_fn keep, void *ctx, qv__row_set *nulls,
                             bool *known, qv_error *err)
{
    *known = true;
    for (size_t i = 0; i < n_old; i++) {
        const label_list *l = (const label_list *) old[i];
        *known &= l->knows_nulls;
        if (keep)
            QV_TRY(qv__row_set_translate(&l->nulls, i, keep, ctx, nulls, err));
        else
            QV_TRY(qv__row_set_or(nulls, &l->nulls, err));
    }
    return QV_OK;
}

static qv_status check_types(qv__segment *const *old, size_t n_old, const qv__type *type, qv_error *err)
{
    for (size_t i = 0; i < n_old; i++)
        if (!qv__type_equal(type, ((const label_list *) old[i])->base.file.keys->type))
            return qv__fail(err, QV_CORRUPT, "segments of one index have elements of different types");
    return QV_OK;
}

/* One old segment without null lists makes the new one such a segment too. */
static qv_status merge(const qv__index_target *target, qv__segment *const *old, size_t n_old, qv__index_source *added,
                       qv__keep_fn keep, void *ctx, qv__index_built *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__stream *sorted = NULL;
    qv__bitmaps **files = NULL;
    qv__row_set nulls = { 0 };
    bool known;
    const qv__type *type = added ? added->type->children[0].type : ((const label_list *) old[0])->base.file.keys->type;

    QV_CHECK(check_types(old, n_old, type, err));
    QV_CHECK(QV_NEW(&files, n_old, err));
    for (size_t i = 0; i < n_old; i++)
        files[i] = &((label_list *) old[i])->base.file;
    QV_CHECK(merge_nulls(old, n_old, keep, ctx, &nulls, &known, err));
    if (added)
        QV_CHECK(sort_elements(target, added, &nulls, &sorted, err));
    qv__bitmap_source rows = { .layout = &qv__bitmap_layout_values,
                               .type = type,
                               .sorted = sorted,
                               .old = files,
                               .n_old = n_old,
                               .keep = keep,
                               .ctx = ctx,
                               .nulls = known ? &nulls : NULL,
                               .nulls_key = NULLS_KEY };
    QV_CHECK(qv__bitmaps_write(target, &rows, err));
    out->index_version = known ? VERSION_WITH_NULL : 0;
done:
    qv__free(files);
    qv__row_set_clear(&nulls);
    qv__stream_free(sorted);
    return st;
}

const qv__index_method qv__label_list_kind = { .kind = QV_INDEX_LABEL_LIST,
                                               .display = "LabelList",
                                               .stats = "LABEL_LIST",
                                               .type_url = "/lance.table.LabelListIndexDetails",
                                               .max_version = VERSION_WITH_NULL,
                                               .remaps = true,
                                               .can_index = can_index,
                                               .can_ask = can_ask,
                                               .build = build,
                                               .merge = merge,
                                               .open = open_segment,
                                               .close = close_segment,
                                               .ask = ask_segment,
                                               .describe = qv__bitmap_segment_describe,
                                               .prewarm = qv__bitmap_segment_prewarm,
                                               .verify = qv__bitmap_segment_verify };
