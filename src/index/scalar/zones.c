/* Zones as they are stored: where they lie, which rows are null, and their summaries. */
#include "index/scalar/zones.h"

#include <inttypes.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "base/bytes.h"

#define NULLS_KEY "null_bitmap"

void qv__zones_clear(qv__zones *zones)
{
    qv__file_unref(zones->file);
    qv__free(zones->items);
    qv__row_set_clear(&zones->nulls);
    *zones = (qv__zones){ 0 };
}

/* ------------------------------------------------------------------ opening */

qv_status qv__zones_column(const qv__zones *zones, const char *name, const qv__type_id *id, qv__array **out,
                           qv_error *err)
{
    qv_status st = QV_OK;
    qv__type *type = NULL;
    qv__column *column = NULL;
    qv__array *array = NULL;

    if (id)
        QV_CHECK(qv__type_new(*id, &type, err));
    QV_CHECK(qv__index_column_open(zones->file, name, type, &column, err));
    QV_CHECK(qv__column_read(column, 0, qv__file_rows(zones->file), &array, err));
    if (id && array->null_count)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "index file: column \"%s\" has nulls", name));
    *out = array;
    array = NULL;
done:
    qv__array_unref(array);
    qv__column_free(column);
    qv__type_unref(type);
    return st;
}

static bool is_possible(const qv__zone *z)
{
    return z->fragment <= UINT32_MAX && qv__inside(z->start, z->length, UINT64_C(1) << 32);
}

static qv_status read_zones(qv__zones *z, qv_error *err)
{
    static const char *const names[] = { "fragment_id", "zone_start", "zone_length" };
    static const qv__type_id number = QV_TYPE_UINT64;
    qv_status st = QV_OK;
    qv__array *columns[3] = { NULL };
    const uint64_t *values[3];

    for (size_t i = 0; i < 3; i++) {
        QV_CHECK(qv__zones_column(z, names[i], &number, &columns[i], err));
        values[i] = qv__array_values(columns[i]);
    }
    z->n = (size_t) qv__file_rows(z->file);
    QV_CHECK(QV_NEW(&z->items, z->n, err));
    z->in_order = true;
    for (size_t i = 0; i < z->n; i++) {
        qv__zone *at = &z->items[i];
        *at = (qv__zone){ values[0][i], values[1][i], values[2][i] };
        if (!is_possible(at))
            QV_CHECK(qv__fail(err, QV_CORRUPT,
                              "index file: zone %zu has %" PRIu64 " rows from %" PRIu64 " of fragment %" PRIu64, i,
                              at->length, at->start, at->fragment));
        z->in_order &=
            !i || at[-1].fragment < at->fragment || (at[-1].fragment == at->fragment && at[-1].start < at->start);
    }
done:
    for (size_t i = 0; i < 3; i++)
        qv__array_unref(columns[i]);
    return st;
}

qv_status qv__zones_open(qv__store *folder, const char *name, qv__zones *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__zones z = { 0 };

    QV_CHECK(qv__file_open(folder, name, &z.file, err));
    QV_CHECK(read_zones(&z, err));
    QV_CHECK(qv__index_row_set(z.file, NULLS_KEY, &z.nulls, &z.knows_nulls, err));
    *out = z;
    z = (qv__zones){ 0 };
done:
    qv__zones_clear(&z);
    return st == QV_OK ? st : qv__fail_in(err, st, "%s", name);
}

/* ------------------------------------------------------------------ asking */

/* The first zone of a fragment, or of one after it. */
static size_t first_zone(const qv__zones *z, uint64_t fragment)
{
    size_t low = 0, end = z->n;

    while (low < end) {
        size_t middle = low + (end - low) / 2;
        if (z->items[middle].fragment < fragment)
            low = middle + 1;
        else
            end = middle;
    }
    return low;
}

bool qv__zones_cover(const qv__zones *zones, uint64_t fragment, uint64_t physical_rows)
{
    uint64_t rows = 0;

    if (!zones->in_order)
        return false;
    for (size_t i = first_zone(zones, fragment); i < zones->n && zones->items[i].fragment == fragment; i++) {
        if (zones->items[i].start != rows)
            return false;
        rows += zones->items[i].length;
    }
    return rows == physical_rows;
}

qv_status qv__zones_add_rows(const qv__zones *zones, size_t zone, qv__row_set *into, qv_error *err)
{
    const qv__zone *z = &zones->items[zone];
    uint64_t first = z->fragment << 32 | z->start;

    return z->length ? qv__row_set_add_range(into, first, first + z->length, err) : QV_OK;
}

qv_status qv__zones_answer_nulls(const qv__zones *zones, qv__ask_kind kind, qv__answer *out, bool *done, qv_error *err)
{
    *done = zones->knows_nulls && (kind == QV_ASK_IS_NULL || kind == QV_ASK_NOT_NULL);
    if (!*done)
        return QV_OK;
    if (kind == QV_ASK_IS_NULL) {
        QV_TRY(qv__row_set_copy(&out->rows, &zones->nulls, err));
    } else {
        for (size_t i = 0; i < zones->n; i++)
            QV_TRY(qv__zones_add_rows(zones, i, &out->rows, err));
        QV_TRY(qv__row_set_and_not(&out->rows, &zones->nulls, err));
    }
    out->certainty = QV_EXACT;
    out->knows_nulls = true;
    return QV_OK;
}

void qv__zones_verify(const qv__zones *zones, const char *name, qv__problem_fn problem, void *ctx)
{
    if (!zones->in_order)
        problem(ctx, name, "zones are not in the order of rows");
    for (size_t i = 1; i < zones->n && zones->in_order; i++) {
        const qv__zone *a = &zones->items[i - 1], *b = &zones->items[i];
        if (a->fragment == b->fragment && a->start + a->length > b->start)
            problem(ctx, name, "zones overlap");
    }
}

/* ------------------------------------------------------------------ building */

static qv_status note_nulls(const qv__array *values, const uint64_t *rows, int64_t start, int64_t n, qv__row_set *nulls,
                            qv_error *err)
{
    for (int64_t i = start; values->null_count && i < start + n; i++)
        if (qv__array_is_null(values, i))
            QV_TRY(qv__row_set_add(nulls, rows[i], err));
    return QV_OK;
}

/* How many of the rows from `at` on belong to the zone (a new one when it has none yet). */
static int64_t rows_of_zone(const qv__zone *zone, const uint64_t *rows, int64_t at, int64_t end, uint64_t most)
{
    uint64_t next = zone->fragment << 32 | (zone->start + zone->length);
    int64_t n = 0;

    while (at + n < end && zone->length + (uint64_t) n < most && rows[at + n] == next + (uint64_t) n)
        n++;
    return n;
}

static qv_status end_zone(const qv__zone_sink *sink, qv__zone *zone, qv_error *err)
{
    if (!zone->length)
        return QV_OK;
    QV_TRY(sink->end(sink->ctx, zone, err));
    zone->length = 0;
    return QV_OK;
}

static qv_status cut_batch(const qv__zone_sink *sink, const qv__array *values, const uint64_t *rows, qv__zone *zone,
                           qv_error *err)
{
    for (int64_t at = 0; at < values->length;) {
        int64_t n = zone->length ? rows_of_zone(zone, rows, at, values->length, sink->rows_per_zone) : 0;
        if (!n) {
            QV_TRY(end_zone(sink, zone, err));
            *zone = (qv__zone){ rows[at] >> 32, (uint32_t) rows[at], 0 };
            n = rows_of_zone(zone, rows, at, values->length, sink->rows_per_zone);
        }
        QV_TRY(sink->add(sink->ctx, values, at, n, err));
        QV_TRY(note_nulls(values, rows, at, n, sink->nulls, err));
        zone->length += (uint64_t) n;
        at += n;
    }
    return QV_OK;
}

qv_status qv__zones_cut(qv__index_source *source, const qv__zone_sink *sink, qv__job *job, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *batch = NULL, *values = NULL, *rows = NULL;
    qv__zone zone = { 0 };

    for (;;) {
        QV_CHECK(source->values->next(source->values, &batch, err));
        if (!batch)
            break;
        QV_CHECK(qv__array_slice(batch->children[0], batch->offset, batch->length, &values, err));
        QV_CHECK(qv__array_slice(batch->children[1], batch->offset, batch->length, &rows, err));
        QV_CHECK(cut_batch(sink, values, qv__array_values(rows), &zone, err));
        QV_CHECK(qv__job_tick(job, (uint64_t) batch->length, 0, err));
        qv__array_unref(values);
        qv__array_unref(rows);
        qv__array_unref(batch);
        batch = values = rows = NULL;
    }
    QV_CHECK(end_zone(sink, &zone, err));
done:
    qv__array_unref(values);
    qv__array_unref(rows);
    qv__array_unref(batch);
    return st;
}

static bool wants_any(const qv__zone *z, size_t segment, qv__keep_fn keep, void *ctx)
{
    for (uint64_t i = 0; i < z->length; i++) {
        uint64_t row = z->fragment << 32 | (z->start + i);
        if (keep(ctx, segment, &row))
            return true;
    }
    return false;
}

qv_status qv__zones_kept(const qv__zones *zones, size_t segment, qv__keep_fn keep, void *ctx, bool *kept,
                         qv__row_set *nulls, qv_error *err)
{
    qv_status st = QV_OK;
    qv__row_set fragments = { 0 }; /* of which a row is wanted: each as a row of its own */

    for (size_t i = 0; i < zones->n; i++) {
        const qv__zone *z = &zones->items[i];
        if (!qv__row_set_contains(&fragments, z->fragment) && (!keep || wants_any(z, segment, keep, ctx)))
            QV_CHECK(qv__row_set_add(&fragments, z->fragment, err));
    }
    for (size_t i = 0; i < zones->n; i++)
        kept[i] = qv__row_set_contains(&fragments, zones->items[i].fragment);
    for (size_t i = 0; i < zones->nulls.n; i++) {
        const qv__row_part *part = &zones->nulls.parts[i];
        if (qv__row_set_contains(&fragments, part->high))
            QV_CHECK(qv__row_set_add_part(nulls, part->high, part->low, err));
    }
done:
    qv__row_set_clear(&fragments);
    return st;
}

qv_status qv__zone_append(qv__builder *const builders[3], const qv__zone *zone, qv_error *err)
{
    QV_TRY(qv__builder_append_fixed(builders[0], &zone->fragment, err));
    QV_TRY(qv__builder_append_fixed(builders[1], &zone->start, err));
    return qv__builder_append_fixed(builders[2], &zone->length, err);
}
