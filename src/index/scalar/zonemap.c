/* The ZONEMAP as a kind: least and greatest value of each zone. Answers are whole zones; nulls are known exactly, unless an older
 * writer left their rows out. */
#include <inttypes.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "index/scalar/spans.h"
#include "index/scalar/zonemap_private.h"

static qv__certainty can_ask(const qv__type *type, qv__ask_kind kind)
{
    switch (kind) {
    case QV_ASK_RANGE:
    case QV_ASK_IN:
        return qv__can_order(type) ? QV_AT_MOST : QV_NO_IDEA;
    case QV_ASK_IS_NULL:
    case QV_ASK_NOT_NULL:
        return qv__can_order(type) ? QV_EXACT : QV_NO_IDEA;
    case QV_ASK_PREFIX:
        return type->id == QV_TYPE_UTF8 || type->id == QV_TYPE_LARGE_UTF8 ? QV_AT_MOST : QV_NO_IDEA;
    default:
        return QV_NO_IDEA;
    }
}

/* ------------------------------------------------------------------ opening */

static void close_segment(qv__segment *segment)
{
    qv__zonemap *z = (qv__zonemap *) segment;

    if (!z)
        return;
    qv__zones_clear(&z->zones);
    qv__array_unref(z->lows);
    qv__array_unref(z->highs);
    qv__array_unref(z->null_counts);
    qv__array_unref(z->nan_counts);
    qv__free(z);
}

static qv_status read_columns(qv__zonemap *z, const qv__type *type, qv_error *err)
{
    static const qv__type_id number = QV_TYPE_UINT32;

    QV_TRY(qv__zones_column(&z->zones, "min", NULL, &z->lows, err));
    QV_TRY(qv__zones_column(&z->zones, "max", NULL, &z->highs, err));
    QV_TRY(qv__zones_column(&z->zones, "null_count", &number, &z->null_counts, err));
    QV_TRY(qv__zones_column(&z->zones, "nan_count", &number, &z->nan_counts, err));
    if (!qv__type_equal(z->lows->type, z->highs->type) || (type && !qv__type_equal(type, z->lows->type)) ||
        !qv__can_order(z->lows->type))
        return qv__fail(err, QV_CORRUPT, "%s: bounds are of type %s", QV_ZONEMAP_FILE,
                        qv__type_name(z->lows->type->id));
    return QV_OK;
}

static qv_status open_segment(qv__store *folder, const qv__index_entry *entry, const qv__type *type, qv__segment **out,
                              qv_error *err)
{
    qv_status st = QV_OK;
    qv__zonemap *z = NULL;

    QV_UNUSED(entry);
    QV_CHECK(QV_NEW(&z, 1, err));
    z->head.kind = &qv__zonemap_kind;
    z->rows_per_zone = QV_ZONE_ROWS;
    QV_CHECK(qv__zones_open(folder, QV_ZONEMAP_FILE, &z->zones, err));
    QV_CHECK(qv__index_number(z->zones.file, "rows_per_zone", &z->rows_per_zone, err));
    QV_CHECK(read_columns(z, type, err));
    *out = &z->head;
    z = NULL;
done:
    close_segment(z ? &z->head : NULL);
    return st;
}

static bool covers(qv__segment *segment, uint64_t fragment, uint64_t physical_rows)
{
    return qv__zones_cover(&((qv__zonemap *) segment)->zones, fragment, physical_rows);
}

/* ------------------------------------------------------------------ asking */

static uint32_t count_of(const qv__array *counts, size_t i) { return ((const uint32_t *) qv__array_values(counts))[i]; }

/* A bound that says something: not null, and no NaN. */
static bool is_bound(const qv__array *bounds, int64_t i)
{
    return !qv__array_is_null(bounds, i) &&
           (qv__order_of(bounds->type) != QV_ORDER_KEY || !qv__order_is_nan(bounds->type, qv__order_key(bounds, i)));
}

static bool may_overlap(const qv__zonemap *z, size_t i, const qv__value_span *span)
{
    int64_t at = (int64_t) i;

    if (span->has_high && is_bound(z->lows, at)) {
        int order = qv__probe_compare(z->lows, at, &span->high);
        if (span->high_open ? order >= 0 : order > 0)
            return false;
    }
    if (span->has_low && is_bound(z->highs, at) && !count_of(z->nan_counts, i)) {
        int order = qv__probe_compare(z->highs, at, &span->low);
        if (span->low_open ? order <= 0 : order < 0)
            return false;
    }
    return true;
}

static bool may_match(const qv__zonemap *z, size_t i, const qv__spans *spans, qv__answer *cost)
{
    if (count_of(z->null_counts, i) >= z->zones.items[i].length)
        return false;
    for (size_t s = 0; s < spans->n; s++) {
        cost->comparisons++;
        if (may_overlap(z, i, &spans->items[s]))
            return true;
    }
    return false;
}

static bool may_match_any(const qv__zonemap *z, size_t i, const qv__array *values, qv__answer *cost)
{
    qv__spans spans;

    for (int64_t v = 0; v < values->length; v++) {
        qv__spans_of_value(values, v, &spans);
        if (may_match(z, i, &spans, cost))
            return true;
    }
    return false;
}

/* Older files do not know which rows are null, but how many a zone has. */
static qv_status zones_with_nulls(const qv__zonemap *z, qv__answer *out, qv_error *err)
{
    for (size_t i = 0; i < z->zones.n; i++)
        if (count_of(z->null_counts, i))
            QV_TRY(qv__zones_add_rows(&z->zones, i, &out->rows, err));
    out->certainty = QV_AT_MOST;
    return QV_OK;
}

static qv_status answer_values(const qv__zonemap *z, const qv__ask *ask, qv__job *job, qv__answer *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__spans spans = { 0 };

    if (ask->kind != QV_ASK_IN)
        QV_CHECK(qv__spans_of_ask(z->lows->type, ask, &spans, err));
    for (size_t i = 0; i < z->zones.n; i++) {
        if (ask->kind == QV_ASK_IN ? may_match_any(z, i, ask->values, out) : may_match(z, i, &spans, out))
            QV_CHECK(qv__zones_add_rows(&z->zones, i, &out->rows, err));
        if (i % 1024 == 0)
            QV_CHECK(qv__job_tick(job, 0, 0, err));
    }
    if (z->zones.knows_nulls)
        QV_CHECK(qv__row_set_copy(&out->nulls, &z->zones.nulls, err));
    out->knows_nulls = z->zones.knows_nulls;
    out->certainty = QV_AT_MOST;
done:
    qv__spans_clear(&spans);
    return st;
}

static qv_status ask_segment(qv__segment *segment, const qv__ask *ask, qv__job *job, qv__answer *out, qv_error *err)
{
    const qv__zonemap *z = (const qv__zonemap *) segment;
    bool done;

    out->certainty = QV_NO_IDEA;
    QV_TRY(qv__zones_answer_nulls(&z->zones, ask->kind, out, &done, err));
    if (done)
        return QV_OK;
    if (ask->kind == QV_ASK_IS_NULL)
        return zones_with_nulls(z, out, err);
    if (can_ask(z->lows->type, ask->kind) != QV_AT_MOST || !qv__ask_fits(z->lows->type, ask))
        return QV_OK;
    return answer_values(z, ask, job, out, err);
}

/* ------------------------------------------------------------------ care */

static qv_status describe(qv__segment *segment, qv__buffer *json, qv_error *err)
{
    const qv__zonemap *z = (const qv__zonemap *) segment;

    return qv__buffer_printf(json, err, "\"num_zones\":%zu,\"rows_per_zone\":%" PRIu64, z->zones.n, z->rows_per_zone);
}

static qv_status verify(qv__segment *segment, qv__problem_fn problem, void *ctx, qv_error *err)
{
    const qv__zonemap *z = (const qv__zonemap *) segment;
    qv__job job;

    qv__job_begin(&job, NULL, "verify", 0);
    qv_status st = qv__file_verify(z->zones.file, problem, ctx, &job, err);
    qv__job_end(&job, st);
    qv__zones_verify(&z->zones, QV_ZONEMAP_FILE, problem, ctx);
    for (size_t i = 0; i < z->zones.n; i++)
        if (is_bound(z->lows, (int64_t) i) && is_bound(z->highs, (int64_t) i) &&
            qv__order_compare(z->lows, (int64_t) i, z->highs, (int64_t) i) > 0)
            problem(ctx, QV_ZONEMAP_FILE, "a zone's least value is above its greatest");
    return st;
}

const qv__index_method qv__zonemap_kind = { .kind = QV_INDEX_ZONEMAP,
                                            .display = "ZoneMap",
                                            .stats = "ZONEMAP",
                                            .type_url = "/lance.table.ZoneMapIndexDetails",
                                            .max_version = 0,
                                            .by_address = true,
                                            .remaps = false,
                                            .can_index = qv__can_order,
                                            .can_ask = can_ask,
                                            .build = qv__zonemap_build,
                                            .merge = qv__zonemap_merge,
                                            .open = open_segment,
                                            .close = close_segment,
                                            .covers = covers,
                                            .ask = ask_segment,
                                            .describe = describe,
                                            .verify = verify };
