/* Dictionary pages: the distinct values once, in order of appearance, and an index per slot, coded like any number. For
 * strings and wide values a page tries this by itself and gives up as soon as it cannot pay; columns of dictionary type
 * bring their dictionary along. */
#include <xxhash.h>

#include "base/alloc.h"
#include "file/write/fixed_private.h"

#define LEAST_VALUES 100
#define MOST_ITEMS   100000
#define MOST_BYTES   (8u << 20)
#define SAMPLE       4096

typedef struct table { /* open addressing; ids are positions + 1 */
    const qv__values *v;
    uint32_t *slots;
    size_t mask;
    uint32_t *firsts; /* slot where item i appeared first */
    size_t n, capacity;
    size_t bytes; /* of the items */
    uint64_t all; /* 64-bit values: which bits occur */
} table;

static const uint8_t *value_at(const qv__values *v, size_t i, size_t *len)
{
    if (v->offsets) {
        *len = (size_t) (v->offsets[i + 1] - v->offsets[i]);
        return v->data + v->offsets[i];
    }
    *len = v->bits / 8;
    return v->data + i * *len;
}

/* The low bits of a product know only the low bits of its factor, and decimal fractions share those: the high half is folded in. */
static uint64_t hash_of(const uint8_t *value, size_t len)
{
    if (len != 8)
        return XXH3_64bits(value, len);
    uint64_t product = (qv__load_u64(value) ^ UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xD6E8FEB86659FD93);
    return product ^ product >> 32;
}

static bool same_value(const uint8_t *a, const uint8_t *b, size_t len)
{
    if (len == 8)
        return qv__load_u64(a) == qv__load_u64(b);
    return len == 0 || memcmp(a, b, len) == 0;
}

static qv_status grow_slots(table *t, qv_error *err)
{
    uint32_t *slots;
    size_t mask = t->mask ? 2 * t->mask + 1 : 1023;
    QV_TRY(QV_NEW(&slots, mask + 1, err));
    for (size_t i = 0; i < t->n; i++) {
        size_t len, at;
        const uint8_t *value = value_at(t->v, t->firsts[i], &len);
        for (at = hash_of(value, len) & mask; slots[at]; at = (at + 1) & mask)
            ;
        slots[at] = (uint32_t) i + 1;
    }
    qv__free(t->slots);
    t->slots = slots;
    t->mask = mask;
    return QV_OK;
}

/* The item's number; new items are added. */
static qv_status intern(table *t, size_t i, uint32_t *out, qv_error *err)
{
    size_t len, other_len;
    const uint8_t *value = value_at(t->v, i, &len);
    if (2 * t->n >= t->mask)
        QV_TRY(grow_slots(t, err));
    size_t at = hash_of(value, len) & t->mask;
    for (; t->slots[at]; at = (at + 1) & t->mask) {
        const uint8_t *other = value_at(t->v, t->firsts[t->slots[at] - 1], &other_len);
        if (other_len == len && same_value(other, value, len)) {
            *out = t->slots[at] - 1;
            return QV_OK;
        }
    }
    QV_TRY(QV_GROW(&t->firsts, &t->capacity, t->n + 1, err));
    t->firsts[t->n] = (uint32_t) i;
    t->slots[at] = (uint32_t) ++t->n;
    t->bytes += len + (t->v->offsets ? t->v->offset_bits / 8 : 0);
    t->all |= t->v->bits == 64 ? qv__load_u64(value) : UINT64_MAX;
    *out = (uint32_t) t->n - 1;
    return QV_OK;
}

static void clear_table(table *t)
{
    qv__free(t->slots);
    qv__free(t->firsts);
    *t = (table){ 0 };
}

/* Are there probably more than `most` distinct values? With c repetitions among s values drawn, some s * s / 2c. */
static qv_status looks_unique(const qv__values *v, size_t most, bool *unique, qv_error *err)
{
    table t = { .v = v };
    qv_status st = QV_OK;
    size_t step = QV_MAX(v->n / SAMPLE, 1), seen = 0, repeats;
    uint32_t id;
    for (size_t i = 0; i < v->n; i += step, seen++)
        QV_CHECK(intern(&t, i, &id, err));
    repeats = seen - t.n;
    *unique = repeats == 0 || seen * seen / (2 * repeats) > 2 * QV_MAX(most, (size_t) SAMPLE);
done:
    clear_table(&t);
    return st;
}

/* At least this much a dictionary page takes: items (64-bit ones packed) and indices as runs or packed. */
static size_t least_size(const table *t, size_t n, size_t runs)
{
    size_t items = t->v->bits == 64 && t->all ? t->n * (64 - (size_t) __builtin_clzll(t->all)) / 8 : t->bytes;
    size_t width = t->n > 1 ? 64 - (size_t) __builtin_clzll(t->n - 1) : 0;
    return items + QV_MIN(n * width / 8 + (n / 1024 + 1) * 28, runs * 5 + (n / 16384 + 1) * 32);
}

/* Numbers all slots; *ids stays NULL when a dictionary cannot be smaller than `rival`. */
static qv_status number_slots(table *t, size_t most, size_t rival, qv__values *own, uint32_t **ids, qv_error *err)
{
    const qv__values *v = t->v;
    uint32_t *out = NULL;
    size_t runs = 1;
    QV_TRY(qv__values_own(own, v->n * sizeof *out, &out, err));
    for (size_t i = 0; i < v->n; i++) {
        size_t known = t->n;
        if (v->valid && !qv__bit_get(v->valid, i)) {
            out[i] = i ? out[i - 1] : 0; /* some slot is valid, so there will be an item 0 */
            continue;
        }
        QV_TRY(intern(t, i, &out[i], err));
        runs += i && out[i] != out[i - 1];
        if (t->n != known && (t->n > most || t->bytes > MOST_BYTES || least_size(t, v->n, runs) >= rival))
            return QV_OK;
    }
    if (least_size(t, v->n, runs) < rival)
        *ids = out;
    return QV_OK;
}

/* ------------------------------------------------------------------ items as a block */

static qv_status string_block(const qv__values *items, qv__buffer *out, qv_error *err)
{
    size_t width = items->offset_bits / 8, n = items->n;
    uint64_t start = 2 * width + width * (n + 1), bits = items->offset_bits;
    QV_TRY(qv__buffer_reserve(out, start + (size_t) items->offsets[n], err));
    uint8_t *to = out->data + out->len;
    memcpy(to, &bits, width);
    memcpy(to + width, &start, width);
    for (size_t i = 0; i <= n; i++)
        memcpy(to + (2 + i) * width, &items->offsets[i], width);
    if (items->offsets[n])
        memcpy(to + start, items->data, (size_t) items->offsets[n]);
    out->len += start + (size_t) items->offsets[n];
    return QV_OK;
}

static qv_status fixed_block(const qv__page_job *job, const qv__values *items, qv__buffer *out, qv__enc **enc,
                             qv_error *err)
{
    unsigned bits = items->bits;
    *enc = qv__enc_flat(job->layout, bits);
    if (job->column->tuning.cheap && (bits == 8 || bits == 16 || bits == 32 || bits == 64)) {
        unsigned width = qv__bits_needed((int) bits, items->data, items->n);
        QV_TRY(qv__outofline_pack((int) bits, width, items->data, items->n, out, err));
        if (out->len < items->n * bits / 8 && width > 0) {
            *enc = qv__enc_outofline(job->layout, bits, width);
            return QV_OK;
        }
        out->len = 0;
    }
    return qv__buffer_append(out, items->data, items->n * (bits / 8), err);
}

static qv_status items_block(const qv__page_job *job, const qv__values *items, qv__buffer *out, qv__enc **enc,
                             qv_error *err)
{
    const qv__write_tuning *tuning = &job->column->tuning;
    qv_status st = QV_OK;
    qv__buffer coded;
    if (items->offsets) {
        *enc = qv__enc_variable(job->layout, items->offset_bits);
        QV_TRY(string_block(items, out, err));
    } else {
        QV_TRY(fixed_block(job, items, out, enc, err));
    }
    if (job->column->version.minor < 2 || !tuning->cheap || tuning->compression == QV__COMPRESS_NONE)
        return QV_OK;
    bool zstd = tuning->compression == QV__COMPRESS_ZSTD;
    qv__scheme scheme = zstd ? QV_SCHEME_ZSTD : QV_SCHEME_LZ4;
    qv__buffer_init(&coded, SIZE_MAX);
    QV_CHECK(qv__compress(scheme, tuning->level, out->data, out->len, &coded, err));
    if (coded.len < out->len) {
        qv__buffer plain = *out;
        *out = coded;
        coded = plain;
        *enc = qv__enc_general(job->layout, scheme, zstd ? tuning->level : 0, *enc);
    }
done:
    qv__buffer_free(&coded);
    return st;
}

/* ------------------------------------------------------------------ pages */

static qv_status put_page(const qv__page_job *job, const qv__values *indices, const qv__values *items, bool *too_sparse,
                          qv_error *err)
{
    qv_status st = QV_OK;
    qv__fixed_coder coder;
    qv__buffer block;
    qv__enc *enc = NULL;
    size_t size;
    qv__buffer_init(&block, SIZE_MAX);
    QV_CHECK(qv__fixed_coder_choose(job, indices, &coder, &size, err));
    QV_CHECK(items_block(job, items, &block, &enc, err));
    qv__chunker chunker = qv__fixed_chunker(job, &coder);
    chunker.dictionary = enc;
    chunker.dictionary_bytes = &block;
    chunker.n_dictionary = items->n;
    QV_CHECK(qv__miniblock_page(job, &chunker, indices->n, too_sparse, err));
done:
    qv__fixed_coder_clear(&coder);
    qv__buffer_free(&block);
    return st;
}

/* The distinct values, one after the other. */
static qv_status gather_items(const table *t, qv__values *out, qv_error *err)
{
    const qv__values *v = t->v;
    uint8_t *data = NULL;
    int64_t *offsets = NULL;
    size_t len, at = 0;
    *out = (qv__values){ .n = t->n, .bits = v->bits, .offset_bits = v->offset_bits, .items = 1 };
    QV_TRY(qv__values_own(out, t->bytes, &data, err));
    QV_TRY(qv__values_own(out, (t->n + 1) * sizeof *offsets, &offsets, err));
    offsets[0] = 0;
    for (size_t i = 0; i < t->n; i++) {
        const uint8_t *value = value_at(v, t->firsts[i], &len);
        if (len)
            memcpy(data + at, value, len);
        at += len;
        offsets[i + 1] = (int64_t) at;
    }
    out->data = data;
    if (v->offsets)
        out->offsets = offsets;
    return QV_OK;
}

static bool may_have_dictionary(const qv__page_job *job, const qv__values *v)
{
    const qv__write_tuning *tuning = &job->column->tuning;
    if (!tuning->cheap || tuning->compression == QV__COMPRESS_NONE || tuning->compression == QV__COMPRESS_FSST)
        return false;
    return v->n >= LEAST_VALUES && (v->offsets || v->bits == 128 || job->column->version.minor >= 2);
}

qv_status qv__distinct(const qv__values *values, size_t most, size_t rival, qv__values *own, uint32_t **ids,
                       qv__values *items, qv_error *err)
{
    qv_status st = QV_OK;
    table t = { .v = values };
    uint32_t *numbers = NULL;
    bool unique;
    QV_CHECK(looks_unique(values, most, &unique, err));
    if (unique)
        goto done;
    QV_CHECK(number_slots(&t, most, rival, own, &numbers, err));
    if (numbers)
        QV_CHECK(gather_items(&t, items, err));
    *ids = numbers;
done:
    clear_table(&t);
    return st;
}

qv_status qv__dictionary_page(const qv__page_job *job, const qv__values *values, size_t rival, bool *done,
                              bool *too_sparse, qv_error *err)
{
    qv_status st = QV_OK;
    qv__values indices = { 0 }, items = { 0 };
    uint32_t *ids = NULL;
    *done = false;
    if (!may_have_dictionary(job, values))
        return QV_OK;
    QV_CHECK(qv__distinct(values, QV_MIN(values->n / 2, (size_t) MOST_ITEMS), rival, &indices, &ids, &items, err));
    if (!ids)
        goto done;
    indices.n = values->n;
    indices.bits = 32;
    indices.items = 1;
    indices.data = (const uint8_t *) ids;
    QV_CHECK(put_page(job, &indices, &items, too_sparse, err));
    *done = !*too_sparse;
done:
    qv__values_clear(&indices);
    qv__values_clear(&items);
    return st;
}

qv_status qv__gather_whole(const qv__array *array, qv__values *out, qv_error *err)
{
    qv__run run = { array, 0, array->length };
    qv__walk all = { .runs = { &run, array->length > 0, 1, array->length } };
    unsigned strings = qv__string_bits(array->type);
    return strings ? qv__gather_strings(&all, strings, out, err)
                   : qv__gather_fixed(&all, qv__fixed_bits(array->type), out, err);
}

qv_status qv__dict_type_page(const qv__page_job *job, bool *too_sparse, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__type *type = qv__column_field(job->column)->type;
    qv__values indices = { 0 }, items = { 0 };
    QV_CHECK(qv__gather_fixed(job->walk, (unsigned) qv__type_bits(type->index_type), &indices, err));
    QV_CHECK(qv__gather_whole(job->walk->runs.items[0].array->dictionary, &items, err));
    QV_CHECK(put_page(job, &indices, &items, too_sparse, err));
done:
    qv__values_clear(&indices);
    qv__values_clear(&items);
    return st;
}
