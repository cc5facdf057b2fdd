/* Writing a ZONEMAP: the zones of older segments as they are, then those of new rows. */
#include <inttypes.h>
#include <stdio.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "index/scalar/spans.h"
#include "index/scalar/zonemap_private.h"

enum { LOW, HIGH, NULLS, NANS, FRAGMENT, START, LENGTH, N_COLUMNS };

typedef struct maker {
    const qv__index_target *target;
    const qv__type *type;
    bool by_key;
    qv__builder *builders[N_COLUMNS];
    qv__type *u32, *u64;
    qv__row_set nulls;
    uint64_t rows_per_zone;
    /* the zone at work */
    uint32_t n_nulls, n_nans;
    bool has_value;
    uint64_t low_key, high_key; /* by_key */
    qv__array *low, *high;      /* otherwise: one value each */
} maker;

static void forget_values(maker *m)
{
    qv__array_unref(m->low);
    qv__array_unref(m->high);
    m->low = m->high = NULL;
    m->has_value = false;
    m->n_nulls = m->n_nans = 0;
}

static void maker_clear(maker *m)
{
    forget_values(m);
    for (size_t i = 0; i < N_COLUMNS; i++)
        qv__builder_free(m->builders[i]);
    qv__type_unref(m->u32);
    qv__type_unref(m->u64);
    qv__row_set_clear(&m->nulls);
}

static qv_status maker_init(maker *m, const qv__index_target *target, const qv__type *type, qv_error *err)
{
    *m = (maker){ .target = target, .type = type, .by_key = qv__order_of(type) == QV_ORDER_KEY };
    m->rows_per_zone =
        target->options && target->options->rows_per_zone ? target->options->rows_per_zone : QV_ZONE_ROWS;
    QV_TRY(qv__type_new(QV_TYPE_UINT32, &m->u32, err));
    QV_TRY(qv__type_new(QV_TYPE_UINT64, &m->u64, err));
    for (size_t i = 0; i < N_COLUMNS; i++)
        QV_TRY(qv__builder_new(i <= HIGH ? type : i <= NANS ? m->u32 : m->u64, &m->builders[i], err));
    return QV_OK;
}

/* ------------------------------------------------------------------ values */

static void note_key(maker *m, uint64_t key)
{
    if (qv__order_is_nan(m->type, key)) {
        m->n_nans++;
        return;
    }
    m->low_key = m->has_value ? QV_MIN(m->low_key, key) : key;
    m->high_key = m->has_value ? QV_MAX(m->high_key, key) : key;
    m->has_value = true;
}

static void note_keys(maker *m, const qv__array *values, int64_t start, int64_t n)
{
    uint64_t keys[512];

    for (int64_t at = start, end = start + n; at < end; at += (int64_t) QV_COUNT_OF(keys)) {
        size_t some = (size_t) QV_MIN((int64_t) QV_COUNT_OF(keys), end - at);
        qv__order_keys(values, at, some, keys);
        for (size_t i = 0; i < some; i++)
            if (!values->null_count || !qv__array_is_null(values, at + (int64_t) i))
                note_key(m, keys[i]);
    }
}

/* Values are compared in their batch; the least and the greatest stay when it goes. */
static qv_status note_values(maker *m, const qv__array *values, int64_t start, int64_t n, qv_error *err)
{
    int64_t low = -1, high = -1;

    for (int64_t i = start; i < start + n; i++) {
        if (qv__array_is_null(values, i))
            continue;
        low = low < 0 || qv__order_compare(values, i, values, low) < 0 ? i : low;
        high = high < 0 || qv__order_compare(values, i, values, high) > 0 ? i : high;
    }
    if (low < 0)
        return QV_OK;
    if (!m->has_value || qv__order_compare(values, low, m->low, 0) < 0) {
        qv__array_unref(m->low);
        m->low = NULL;
        QV_TRY(qv__array_slice(values, low, 1, &m->low, err));
    }
    if (!m->has_value || qv__order_compare(values, high, m->high, 0) > 0) {
        qv__array_unref(m->high);
        m->high = NULL;
        QV_TRY(qv__array_slice(values, high, 1, &m->high, err));
    }
    m->has_value = true;
    return QV_OK;
}

static qv_status add_values(void *ctx, const qv__array *values, int64_t start, int64_t n, qv_error *err)
{
    maker *m = ctx;

    for (int64_t i = start; values->null_count && i < start + n; i++)
        m->n_nulls += qv__array_is_null(values, i);
    if (!m->by_key)
        return note_values(m, values, start, n, err);
    note_keys(m, values, start, n);
    return QV_OK;
}

/* The greatest key of a float type is a NaN, above everything. */
static qv_status put_bounds_by_key(maker *m, qv_error *err)
{
    uint64_t nan = UINT64_MAX >> (64 - QV_MAX(qv__type_bits(m->type), 8));
    uint64_t keys[2] = { m->has_value ? m->low_key : nan, m->n_nans ? nan : m->high_key };
    uint64_t value;

    for (size_t i = 0; i < 2; i++) {
        if (!m->has_value && !m->n_nans) {
            QV_TRY(qv__builder_append_null(m->builders[i], err));
        } else if (m->type->id == QV_TYPE_BOOL) {
            QV_TRY(qv__builder_append_bool(m->builders[i], keys[i] != 0, err));
        } else {
            qv__order_unkey(m->type, &keys[i], 1, 1, (uint8_t *) &value);
            QV_TRY(qv__builder_append_fixed(m->builders[i], &value, err));
        }
    }
    return QV_OK;
}

static qv_status put_bounds(maker *m, qv_error *err)
{
    if (m->by_key)
        return put_bounds_by_key(m, err);
    if (!m->has_value) {
        QV_TRY(qv__builder_append_null(m->builders[LOW], err));
        return qv__builder_append_null(m->builders[HIGH], err);
    }
    QV_TRY(qv__builder_append_array(m->builders[LOW], m->low, 0, 1, err));
    return qv__builder_append_array(m->builders[HIGH], m->high, 0, 1, err);
}

static qv_status end_zone(void *ctx, const qv__zone *zone, qv_error *err)
{
    maker *m = ctx;

    QV_TRY(put_bounds(m, err));
    QV_TRY(qv__builder_append_fixed(m->builders[NULLS], &m->n_nulls, err));
    QV_TRY(qv__builder_append_fixed(m->builders[NANS], &m->n_nans, err));
    QV_TRY(qv__zone_append(&m->builders[FRAGMENT], zone, err));
    forget_values(m);
    return QV_OK;
}

/* ------------------------------------------------------------------ older segments */

static qv_status copy_zone(maker *m, const qv__zonemap *z, size_t i, qv_error *err)
{
    int64_t at = (int64_t) i;

    QV_TRY(qv__builder_append_array(m->builders[LOW], z->lows, at, 1, err));
    QV_TRY(qv__builder_append_array(m->builders[HIGH], z->highs, at, 1, err));
    QV_TRY(qv__builder_append_array(m->builders[NULLS], z->null_counts, at, 1, err));
    QV_TRY(qv__builder_append_array(m->builders[NANS], z->nan_counts, at, 1, err));
    return qv__zone_append(&m->builders[FRAGMENT], &z->zones.items[i], err);
}

static qv_status copy_zones(maker *m, const qv__zonemap *z, size_t segment, qv__keep_fn keep, void *ctx, qv_error *err)
{
    qv_status st = QV_OK;
    bool *kept = NULL;

    QV_CHECK(QV_NEW(&kept, z->zones.n, err));
    QV_CHECK(qv__zones_kept(&z->zones, segment, keep, ctx, kept, &m->nulls, err));
    for (size_t i = 0; i < z->zones.n; i++)
        if (kept[i])
            QV_CHECK(copy_zone(m, z, i, err));
done:
    qv__free(kept);
    return st;
}

/* ------------------------------------------------------------------ the file */

static qv_status write_file(maker *m, bool knows_nulls, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__index_column columns[N_COLUMNS] = {
        { "min", m->type, false },       { "max", m->type, false },       { "null_count", m->u32, true },
        { "nan_count", m->u32, true },   { "fragment_id", m->u64, true }, { "zone_start", m->u64, true },
        { "zone_length", m->u64, true },
    };
    qv__array *arrays[N_COLUMNS] = { NULL };
    qv__file_writer *writer = NULL;
    qv__schema *schema = NULL;
    char rows[24];
    int64_t n = qv__builder_length(m->builders[START]);

    snprintf(rows, sizeof rows, "%" PRIu64, m->rows_per_zone);
    QV_CHECK(qv__index_writer_open(m->target, QV_ZONEMAP_FILE, columns, N_COLUMNS, &writer, &schema, err));
    for (size_t i = 0; i < N_COLUMNS; i++)
        QV_CHECK(qv__builder_finish(m->builders[i], &arrays[i], err));
    QV_CHECK(qv__index_writer_put(writer, schema, arrays, n, err));
    QV_CHECK(qv__file_writer_set_metadata(writer, "rows_per_zone", rows, err));
    if (knows_nulls)
        QV_CHECK(qv__index_writer_put_row_set(writer, "null_bitmap", &m->nulls, err));
    QV_CHECK(qv__file_writer_finish(writer, NULL, err));
done:
    for (size_t i = 0; i < N_COLUMNS; i++)
        qv__array_unref(arrays[i]);
    qv__file_writer_free(writer);
    qv__schema_unref(schema);
    return st;
}

/* ZoneMapIndexDetails: rows_per_zone = 1, use_seeds = 2 (no), has_null_bitmap = 3. */
static qv_status put_details(uint64_t rows_per_zone, bool knows_nulls, qv__buffer *out, qv_error *err)
{
    uint8_t bytes[16] = { 0x08 };
    size_t n = 1;

    for (; rows_per_zone >= 0x80; rows_per_zone >>= 7)
        bytes[n++] = (uint8_t) (rows_per_zone | 0x80);
    bytes[n++] = (uint8_t) rows_per_zone;
    bytes[n++] = 0x10;
    bytes[n++] = 0;
    bytes[n++] = 0x18;
    bytes[n++] = knows_nulls;
    return qv__buffer_append(out, bytes, n, err);
}

qv_status qv__zonemap_merge(const qv__index_target *target, qv__segment *const *old, size_t n_old,
                            qv__index_source *added, qv__keep_fn keep, void *ctx, qv__index_built *out, qv_error *err)
{
    qv_status st = QV_OK;
    maker m = { 0 };
    bool knows_nulls = true;
    const qv__type *type = added ? added->type : ((const qv__zonemap *) old[0])->lows->type;

    QV_CHECK(maker_init(&m, target, type, err));
    for (size_t i = 0; i < n_old; i++) {
        const qv__zonemap *z = (const qv__zonemap *) old[i];
        if (!qv__type_equal(type, z->lows->type))
            QV_CHECK(qv__fail(err, QV_CORRUPT, "segments of one index have bounds of different types"));
        if (!target->options || !target->options->rows_per_zone)
            m.rows_per_zone = z->rows_per_zone ? z->rows_per_zone : QV_ZONE_ROWS;
        knows_nulls &= z->zones.knows_nulls;
        QV_CHECK(copy_zones(&m, z, i, keep, ctx, err));
    }
    qv__zone_sink sink = { add_values, end_zone, &m, m.rows_per_zone, &m.nulls };
    if (added)
        QV_CHECK(qv__zones_cut(added, &sink, target->job, err));
    QV_CHECK(write_file(&m, knows_nulls, err));
    QV_CHECK(put_details(m.rows_per_zone, knows_nulls, &out->details, err));
    out->index_version = 0;
done:
    maker_clear(&m);
    return st;
}

qv_status qv__zonemap_build(const qv__index_target *target, qv__index_source *source, qv__index_built *out,
                            qv_error *err)
{
    return qv__zonemap_merge(target, NULL, 0, source, NULL, NULL, out, err);
}
