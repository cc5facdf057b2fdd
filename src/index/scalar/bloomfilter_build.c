/* Writing a BLOOMFILTER: the filters of older segments as they are, then those of new rows. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <xxhash.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "base/bytes.h"
#include "index/scalar/bloomfilter_private.h"
#include "index/scalar/order.h"

#define PROBABILITY      0.00057
#define PROBABILITY_TEXT "0.00057"
#define MOST_FILTER      ((size_t) 128 << 20)
#define BYTES_AT_ONCE    ((size_t) 8 << 20)

/* ------------------------------------------------------------------ filters */

static const uint32_t salt[8] = { 0x47b6137bu, 0x44974d91u, 0x8824ad5bu, 0xa2b7289du,
                                  0x705495c7u, 0x2df1424bu, 0x9efc4947u, 0x5c6bfb31u };

bool qv__bloom_can_index(const qv__type *type)
{
    return qv__order_of(type) != QV_ORDER_NONE && qv__order_of(type) != QV_ORDER_WIDE && type->id != QV_TYPE_BOOL &&
           type->id != QV_TYPE_FIXED_BINARY && type->id != QV_TYPE_FLOAT16 && type->id != QV_TYPE_DURATION;
}

uint64_t qv__bloom_hash(const qv__array *values, int64_t i)
{
    size_t len = (size_t) qv__type_bits(values->type) / 8;
    const uint8_t *bytes =
        len ? (const uint8_t *) qv__array_values(values) + (size_t) i * len : qv__array_string(values, i, &len);

    return XXH64(bytes, len, 0);
}

/* The block is chosen by the upper half of the hash, the bits in it by the lower. */
static uint64_t block_of(size_t bytes, uint64_t hash)
{
    return ((hash >> 32) * (uint64_t) (bytes / QV_BLOOM_BLOCK)) >> 32;
}

static uint32_t bit_of(uint64_t hash, size_t word) { return UINT32_C(1) << (((uint32_t) hash * salt[word]) >> 27); }

void qv__bloom_add(uint8_t *filter, size_t bytes, uint64_t hash)
{
    uint8_t *block = filter + block_of(bytes, hash) * QV_BLOOM_BLOCK;

    for (size_t i = 0; i < 8; i++)
        qv__store_u32(block + 4 * i, qv__load_u32(block + 4 * i) | bit_of(hash, i));
}

bool qv__bloom_has(const uint8_t *filter, size_t bytes, uint64_t hash)
{
    const uint8_t *block = filter + block_of(bytes, hash) * QV_BLOOM_BLOCK;

    for (size_t i = 0; i < 8; i++)
        if (!(qv__load_u32(block + 4 * i) & bit_of(hash, i)))
            return false;
    return true;
}

/* A power of two of bytes that holds n values at the probability of a false answer. */
static size_t filter_bytes(uint64_t n)
{
    double bits = -8.0 * (double) n / log(1.0 - pow(PROBABILITY, 1.0 / 8.0));
    size_t bytes = QV_BLOOM_BLOCK;

    while (bytes < MOST_FILTER && (double) bytes * 8 < bits)
        bytes *= 2;
    return bytes;
}

/* ------------------------------------------------------------------ zones */

enum { FRAGMENT, START, LENGTH, HAS_NULL, FILTER, N_COLUMNS };

typedef struct maker {
    const qv__index_target *target;
    qv__type *types[N_COLUMNS];
    qv__builder *builders[N_COLUMNS];
    qv__file_writer *writer;
    qv__schema *schema;
    qv__row_set nulls;
    uint64_t rows_per_zone;
    uint8_t *filter;
    size_t bytes;    /* of the filter */
    size_t gathered; /* in the builders */
    bool has_null;
} maker;

static void maker_clear(maker *m)
{
    for (size_t i = 0; i < N_COLUMNS; i++) {
        qv__builder_free(m->builders[i]);
        qv__type_unref(m->types[i]);
    }
    qv__file_writer_free(m->writer);
    qv__schema_unref(m->schema);
    qv__row_set_clear(&m->nulls);
    qv__free(m->filter);
}

static qv_status maker_init(maker *m, const qv__index_target *target, uint64_t rows_per_zone, qv_error *err)
{
    static const char *const names[N_COLUMNS] = { "fragment_id", "zone_start", "zone_length", "has_null",
                                                  "bloom_filter_data" };
    qv__index_column columns[N_COLUMNS];

    *m = (maker){ .target = target, .rows_per_zone = rows_per_zone, .bytes = filter_bytes(rows_per_zone) };
    QV_TRY(QV_NEW(&m->filter, m->bytes, err));
    for (size_t i = 0; i < N_COLUMNS; i++) {
        qv__type_id id = i <= LENGTH ? QV_TYPE_UINT64 : i == HAS_NULL ? QV_TYPE_BOOL : QV_TYPE_BINARY;
        QV_TRY(qv__type_new(id, &m->types[i], err));
        QV_TRY(qv__builder_new(m->types[i], &m->builders[i], err));
        columns[i] = (qv__index_column){ names[i], m->types[i], true };
    }
    return qv__index_writer_open(target, QV_BLOOMFILTER_FILE, columns, N_COLUMNS, &m->writer, &m->schema, err);
}

static qv_status flush(maker *m, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *arrays[N_COLUMNS] = { NULL };
    int64_t n = qv__builder_length(m->builders[START]);

    for (size_t i = 0; i < N_COLUMNS; i++)
        QV_CHECK(qv__builder_finish(m->builders[i], &arrays[i], err));
    QV_CHECK(qv__index_writer_put(m->writer, m->schema, arrays, n, err));
    m->gathered = 0;
done:
    for (size_t i = 0; i < N_COLUMNS; i++)
        qv__array_unref(arrays[i]);
    return st;
}

static qv_status put_zone(maker *m, const qv__zone *zone, bool has_null, const uint8_t *filter, size_t len,
                          qv_error *err)
{
    QV_TRY(qv__zone_append(&m->builders[FRAGMENT], zone, err));
    QV_TRY(qv__builder_append_bool(m->builders[HAS_NULL], has_null, err));
    QV_TRY(qv__builder_append_bytes(m->builders[FILTER], filter, len, err));
    m->gathered += len;
    return m->gathered >= BYTES_AT_ONCE ? flush(m, err) : QV_OK;
}

static qv_status add_values(void *ctx, const qv__array *values, int64_t start, int64_t n, qv_error *err)
{
    maker *m = ctx;

    QV_UNUSED(err);
    for (int64_t i = start; i < start + n; i++) {
        if (values->null_count && qv__array_is_null(values, i))
            m->has_null = true;
        else
            qv__bloom_add(m->filter, m->bytes, qv__bloom_hash(values, i));
    }
    return QV_OK;
}

static qv_status end_zone(void *ctx, const qv__zone *zone, qv_error *err)
{
    maker *m = ctx;

    QV_TRY(put_zone(m, zone, m->has_null, m->filter, m->bytes, err));
    memset(m->filter, 0, m->bytes);
    m->has_null = false;
    return QV_OK;
}

/* ------------------------------------------------------------------ older segments */

static qv_status copy_filter(maker *m, const qv__bloomfilter *b, size_t i, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *filter = NULL;
    size_t len;

    QV_CHECK(qv__column_read(b->filters, i, 1, &filter, err));
    const uint8_t *bytes = qv__array_string(filter, 0, &len);
    if (qv__array_is_null(filter, 0) || !len || len % QV_BLOOM_BLOCK)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "%s: a filter of %zu bytes", QV_BLOOMFILTER_FILE, len));
    bool has_null = qv__bit_get(b->has_nulls->buffers[1].data, (size_t) b->has_nulls->offset + i);
    QV_CHECK(put_zone(m, &b->zones.items[i], has_null, bytes, len, err));
done:
    qv__array_unref(filter);
    return st;
}

static qv_status copy_zones(maker *m, const qv__bloomfilter *b, size_t segment, qv__keep_fn keep, void *ctx,
                            qv_error *err)
{
    qv_status st = QV_OK;
    bool *kept = NULL;

    QV_CHECK(QV_NEW(&kept, b->zones.n, err));
    QV_CHECK(qv__zones_kept(&b->zones, segment, keep, ctx, kept, &m->nulls, err));
    for (size_t i = 0; i < b->zones.n; i++)
        if (kept[i])
            QV_CHECK(copy_filter(m, b, i, err));
done:
    qv__free(kept);
    return st;
}

/* ------------------------------------------------------------------ the file */

static qv_status finish(maker *m, bool knows_nulls, qv_error *err)
{
    char rows[24];

    QV_TRY(flush(m, err));
    snprintf(rows, sizeof rows, "%" PRIu64, m->rows_per_zone);
    QV_TRY(qv__file_writer_set_metadata(m->writer, "bloomfilter_item", rows, err));
    QV_TRY(qv__file_writer_set_metadata(m->writer, "bloomfilter_probability", PROBABILITY_TEXT, err));
    if (knows_nulls)
        QV_TRY(qv__index_writer_put_row_set(m->writer, "null_bitmap", &m->nulls, err));
    return qv__file_writer_finish(m->writer, NULL, err);
}

static uint64_t rows_per_zone(const qv__index_target *target, qv__segment *const *old, size_t n_old)
{
    uint64_t n = target->options ? target->options->rows_per_zone : 0;

    for (size_t i = 0; i < n_old && !n; i++)
        n = ((const qv__bloomfilter *) old[i])->rows_per_zone;
    return n ? n : QV_ZONE_ROWS;
}

qv_status qv__bloomfilter_merge(const qv__index_target *target, qv__segment *const *old, size_t n_old,
                                qv__index_source *added, qv__keep_fn keep, void *ctx, qv__index_built *out,
                                qv_error *err)
{
    qv_status st = QV_OK;
    maker m = { 0 };
    bool knows_nulls = true;

    QV_CHECK(maker_init(&m, target, rows_per_zone(target, old, n_old), err));
    for (size_t i = 0; i < n_old; i++) {
        const qv__bloomfilter *b = (const qv__bloomfilter *) old[i];
        knows_nulls &= b->zones.knows_nulls;
        QV_CHECK(copy_zones(&m, b, i, keep, ctx, err));
    }
    qv__zone_sink sink = { add_values, end_zone, &m, m.rows_per_zone, &m.nulls };
    if (added)
        QV_CHECK(qv__zones_cut(added, &sink, target->job, err));
    QV_CHECK(finish(&m, knows_nulls, err));
    out->index_version = 0;
done:
    maker_clear(&m);
    return st;
}

qv_status qv__bloomfilter_build(const qv__index_target *target, qv__index_source *source, qv__index_built *out,
                                qv_error *err)
{
    return qv__bloomfilter_merge(target, NULL, 0, source, NULL, NULL, out, err);
}
