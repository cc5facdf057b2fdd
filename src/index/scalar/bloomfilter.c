/* The BLOOMFILTER as a kind: a filter over the values of each zone. It tells zones that cannot have a value; nulls are known exactly. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "arrow/compute/values.h"
#include "base/alloc.h"
#include "index/scalar/bloomfilter_private.h"
#include "index/scalar/spans.h"

#define FILTERS_AT_ONCE 64

static qv__certainty can_ask(const qv__type *type, qv__ask_kind kind)
{
    if (!qv__bloom_can_index(type))
        return QV_NO_IDEA;
    return kind == QV_ASK_IN ? QV_AT_MOST : kind == QV_ASK_IS_NULL || kind == QV_ASK_NOT_NULL ? QV_EXACT : QV_NO_IDEA;
}

/* ------------------------------------------------------------------ opening */

static void close_segment(qv__segment *segment)
{
    qv__bloomfilter *b = (qv__bloomfilter *) segment;

    if (!b)
        return;
    qv__column_free(b->filters);
    qv__array_unref(b->has_nulls);
    qv__zones_clear(&b->zones);
    qv__type_unref(b->type);
    qv__free(b);
}

static qv_status open_columns(qv__bloomfilter *b, qv_error *err)
{
    static const qv__type_id flag = QV_TYPE_BOOL;
    qv_status st = QV_OK;
    qv__type *binary = NULL;
    size_t len;
    const char *text = qv__metadata_get(&qv__file_schema(b->zones.file)->metadata, "bloomfilter_probability", &len);

    QV_CHECK(qv__type_new(QV_TYPE_BINARY, &binary, err));
    QV_CHECK(qv__index_column_open(b->zones.file, "bloom_filter_data", binary, &b->filters, err));
    QV_CHECK(qv__zones_column(&b->zones, "has_null", &flag, &b->has_nulls, err));
    QV_CHECK(qv__index_number(b->zones.file, "bloomfilter_item", &b->rows_per_zone, err));
    double probability = 0;
    if (text && (!qv__float_parse(text, len, false, &probability) || !(probability >= 0 && probability <= 1)))
        QV_CHECK(qv__fail(err, QV_CORRUPT, "%s: a probability of %.40s", QV_BLOOMFILTER_FILE, text));
    snprintf(b->probability, sizeof b->probability, "%.9g", probability);
done:
    qv__type_unref(binary);
    return st;
}

static qv_status open_segment(qv__store *folder, const qv__index_entry *entry, const qv__type *type, qv__segment **out,
                              qv_error *err)
{
    qv_status st = QV_OK;
    qv__bloomfilter *b = NULL;

    QV_UNUSED(entry);
    QV_CHECK(QV_NEW(&b, 1, err));
    b->head.kind = &qv__bloomfilter_kind;
    b->rows_per_zone = QV_ZONE_ROWS;
    b->type = type ? qv__type_ref(type) : NULL;
    QV_CHECK(qv__zones_open(folder, QV_BLOOMFILTER_FILE, &b->zones, err));
    QV_CHECK(open_columns(b, err));
    *out = &b->head;
    b = NULL;
done:
    close_segment(b ? &b->head : NULL);
    return st;
}

static bool covers(qv__segment *segment, uint64_t fragment, uint64_t physical_rows)
{
    return qv__zones_cover(&((qv__bloomfilter *) segment)->zones, fragment, physical_rows);
}

/* ------------------------------------------------------------------ asking */

/* The hashes of values to look for. Equal floats may differ in their bits: zeros are asked for twice, and a NaN may be any. */
typedef struct hashes {
    uint64_t *items;
    size_t n;
    bool any; /* every zone may have it */
} hashes;

static void zero_of(const qv__type *type, bool negative, qv__array *value, uint8_t bytes[8])
{
    size_t width = (size_t) qv__type_bits(type) / 8;

    memset(bytes, 0, 8);
    bytes[width - 1] = negative ? 0x80 : 0;
    *value = (qv__array){ .type = qv__type_ref(type), .length = 1, .buffers[1] = { .data = bytes, .len = width } };
}

static void add_zeros(const qv__type *type, hashes *out)
{
    for (int negative = 0; negative < 2; negative++) {
        qv__array value;
        uint8_t bytes[8];
        zero_of(type, negative, &value, bytes);
        out->items[out->n++] = qv__bloom_hash(&value, 0);
        qv__type_unref(value.type);
    }
}

static bool is_float(const qv__type *type)
{
    return type->id == QV_TYPE_FLOAT16 || type->id == QV_TYPE_FLOAT32 || type->id == QV_TYPE_FLOAT64;
}

static bool is_zero(const qv__array *values, int64_t i)
{
    size_t width = (size_t) qv__type_bits(values->type) / 8;
    const uint8_t *bytes = (const uint8_t *) qv__array_values(values) + (size_t) i * width;
    uint64_t raw = 0;

    memcpy(&raw, bytes, width);
    return (raw << 1 << (64 - 8 * width)) == 0;
}

static qv_status hash_values(const qv__array *values, hashes *out, qv_error *err)
{
    bool floats = is_float(values->type);

    *out = (hashes){ 0 };
    QV_TRY(QV_NEW(&out->items, 2 * (size_t) values->length, err));
    for (int64_t i = 0; i < values->length; i++) {
        if (floats && qv__order_is_nan(values->type, qv__order_key(values, i)))
            out->any = true;
        else if (floats && is_zero(values, i))
            add_zeros(values->type, out);
        else
            out->items[out->n++] = qv__bloom_hash(values, i);
    }
    return QV_OK;
}

static qv_status may_have(const qv__array *filters, int64_t i, const hashes *wanted, qv__answer *cost, bool *out,
                          qv_error *err)
{
    size_t len;
    const uint8_t *filter = qv__array_string(filters, i, &len);

    if (qv__array_is_null(filters, i) || !len || len % QV_BLOOM_BLOCK)
        return qv__fail(err, QV_CORRUPT, "%s: a filter of %zu bytes", QV_BLOOMFILTER_FILE, len);
    *out = wanted->any;
    for (size_t h = 0; h < wanted->n && !*out; h++)
        *out = qv__bloom_has(filter, len, wanted->items[h]);
    cost->comparisons += wanted->n;
    return QV_OK;
}

static qv_status add_zones(const qv__bloomfilter *b, size_t from, size_t n, const hashes *wanted, qv__answer *out,
                           qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *filters = NULL;
    bool found = false;

    QV_CHECK(qv__column_read(b->filters, from, n, &filters, err));
    out->pages_read++;
    out->bytes_read += qv__array_bytes(filters);
    for (size_t i = 0; i < n; i++) {
        QV_CHECK(may_have(filters, (int64_t) i, wanted, out, &found, err));
        if (found)
            QV_CHECK(qv__zones_add_rows(&b->zones, from + i, &out->rows, err));
    }
done:
    qv__array_unref(filters);
    return st;
}

static qv_status answer_values(const qv__bloomfilter *b, const qv__array *values, qv__job *job, qv__answer *out,
                               qv_error *err)
{
    qv_status st = QV_OK;
    hashes wanted;

    QV_CHECK(hash_values(values, &wanted, err));
    for (size_t at = 0; at < b->zones.n; at += FILTERS_AT_ONCE) {
        QV_CHECK(add_zones(b, at, QV_MIN(FILTERS_AT_ONCE, b->zones.n - at), &wanted, out, err));
        QV_CHECK(qv__job_tick(job, 0, 0, err));
    }
    if (b->zones.knows_nulls)
        QV_CHECK(qv__row_set_copy(&out->nulls, &b->zones.nulls, err));
    out->knows_nulls = b->zones.knows_nulls;
    out->certainty = QV_AT_MOST;
done:
    qv__free(wanted.items);
    return st;
}

/* Older files do not know which rows are null, but which zones have some. */
static qv_status zones_with_nulls(const qv__bloomfilter *b, qv__answer *out, qv_error *err)
{
    const qv__array *flags = b->has_nulls;

    for (size_t i = 0; i < b->zones.n; i++)
        if (qv__bit_get(flags->buffers[1].data, (size_t) flags->offset + i))
            QV_TRY(qv__zones_add_rows(&b->zones, i, &out->rows, err));
    out->certainty = QV_AT_MOST;
    return QV_OK;
}

static qv_status ask_segment(qv__segment *segment, const qv__ask *ask, qv__job *job, qv__answer *out, qv_error *err)
{
    const qv__bloomfilter *b = (const qv__bloomfilter *) segment;
    bool done;

    out->certainty = QV_NO_IDEA;
    QV_TRY(qv__zones_answer_nulls(&b->zones, ask->kind, out, &done, err));
    if (done)
        return QV_OK;
    if (ask->kind == QV_ASK_IS_NULL)
        return zones_with_nulls(b, out, err);
    bool is_point = ask->kind == QV_ASK_RANGE && ask->low && ask->low == ask->high;
    if ((ask->kind != QV_ASK_IN && !is_point) || !b->type || !qv__ask_fits(b->type, ask))
        return QV_OK;
    return answer_values(b, is_point ? ask->low : ask->values, job, out, err);
}

/* ------------------------------------------------------------------ care */

static qv_status describe(qv__segment *segment, qv__buffer *json, qv_error *err)
{
    const qv__bloomfilter *b = (const qv__bloomfilter *) segment;

    return qv__buffer_printf(
        json, err, "\"type\":\"BloomFilter\",\"num_blocks\":%zu,\"number_of_items\":%" PRIu64 ",\"probability\":%s",
        b->zones.n, b->rows_per_zone, b->probability);
}

static qv_status prewarm(qv__segment *segment, qv_error *err)
{
    const qv__bloomfilter *b = (const qv__bloomfilter *) segment;
    qv__array *filters;

    for (size_t at = 0; at < b->zones.n; at += FILTERS_AT_ONCE) {
        QV_TRY(qv__column_read(b->filters, at, QV_MIN(FILTERS_AT_ONCE, b->zones.n - at), &filters, err));
        qv__array_unref(filters);
    }
    return QV_OK;
}

static qv_status verify(qv__segment *segment, qv__problem_fn problem, void *ctx, qv_error *err)
{
    const qv__bloomfilter *b = (const qv__bloomfilter *) segment;
    const hashes nothing = { 0 };
    qv__job job;
    qv_error found;

    qv__job_begin(&job, NULL, "verify", 0);
    qv_status st = qv__file_verify(b->zones.file, problem, ctx, &job, err);
    qv__job_end(&job, st);
    QV_TRY(st);
    qv__zones_verify(&b->zones, QV_BLOOMFILTER_FILE, problem, ctx);
    for (size_t i = 0; i < b->zones.n; i++) {
        qv__answer cost = { 0 };
        st = add_zones(b, i, 1, &nothing, &cost, &found);
        if (st == QV_CORRUPT)
            problem(ctx, QV_BLOOMFILTER_FILE, found.message);
        else if (st != QV_OK)
            return qv__fail(err, st, "%s", found.message);
    }
    return QV_OK;
}

const qv__index_method qv__bloomfilter_kind = { .kind = QV_INDEX_BLOOMFILTER,
                                                .display = "BloomFilter",
                                                .stats = "BLOOMFILTER",
                                                .type_url = "/lance.index.pb.BloomFilterIndexDetails",
                                                .max_version = 0,
                                                .by_address = true,
                                                .remaps = false,
                                                .can_index = qv__bloom_can_index,
                                                .can_ask = can_ask,
                                                .build = qv__bloomfilter_build,
                                                .merge = qv__bloomfilter_merge,
                                                .open = open_segment,
                                                .close = close_segment,
                                                .covers = covers,
                                                .ask = ask_segment,
                                                .describe = describe,
                                                .prewarm = prewarm,
                                                .verify = verify };
