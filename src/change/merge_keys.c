/* Keys as numbers and bytes. Two values of one type are the same key when they compare as equal: zeros of either sign are one key,
 * and so are all NaNs. */
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "arrow/compute/compute.h"
#include "change/merge_private.h"

/* ------------------------------------------------------------------ types */

static bool is_text(const qv__type *type) { return (type->id >= QV_TYPE_UTF8 && type->id <= QV_TYPE_FIXED_BINARY); }

static const qv__type *value_type(const qv__type *type)
{
    return type->id == QV_TYPE_DICTIONARY ? type->children[0].type : type;
}

qv_status qv__keys_check(const qv__field *field, qv_error *err)
{
    const qv__type *type = value_type(field->type);
    char name[128];

    if (is_text(type) || qv__type_bits(type) > 0)
        return QV_OK;
    return qv__fail(err, QV_INVALID, "Merge insert key column '%.100s' has type %s, which cannot be a key", field->name,
                    qv__type_print(field->type, name, sizeof name));
}

/* ------------------------------------------------------------------ values */

static uint64_t load_word(const uint8_t *at, size_t width)
{
    uint64_t word = 0;
    memcpy(&word, at, width); /* little-endian, as Arrow is */
    return word;
}

static uint64_t plain_float(qv__type_id id, uint64_t word)
{
    uint64_t infinity = id == QV_TYPE_FLOAT16   ? UINT64_C(0x7c00)
                        : id == QV_TYPE_FLOAT32 ? UINT64_C(0x7f800000)
                                                : UINT64_C(0x7ff0000000000000);
    uint64_t sign = id == QV_TYPE_FLOAT16   ? UINT64_C(1) << 15
                    : id == QV_TYPE_FLOAT32 ? UINT64_C(1) << 31
                                            : UINT64_C(1) << 63;

    if (word == sign)
        return 0;
    return (word & ~sign) > infinity ? infinity + 1 : word;
}

static uint64_t word_of(const qv__array *a, size_t i, size_t width)
{
    if (a->type->id == QV_TYPE_BOOL)
        return qv__bit_get(a->buffers[1].data, (size_t) a->offset + i);
    uint64_t word = load_word((const uint8_t *) qv__array_values(a) + i * width, width);
    bool is_float = a->type->id >= QV_TYPE_FLOAT16 && a->type->id <= QV_TYPE_FLOAT64;
    return is_float ? plain_float(a->type->id, word) : word;
}

/* Each word has its own hash, so equal hashes are equal words. */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

static size_t byte_width(const qv__type *type) /* 0: not at most 64 bits wide */
{
    int bits = qv__type_bits(type);
    return bits == 1 ? 1 : bits <= 64 ? (size_t) bits / 8 : 0;
}

static size_t value_bytes(const qv__array *a, size_t i)
{
    size_t len = 0;

    if (is_text(a->type)) {
        qv__array_string(a, (int64_t) i, &len);
        return len + 4;
    }
    return byte_width(a->type) ? byte_width(a->type) : (size_t) qv__type_bits(a->type) / 8;
}

static uint8_t *put_value(const qv__array *a, size_t i, uint8_t *to)
{
    size_t len;

    if (is_text(a->type)) { /* the length keeps ("a", "bc") and ("ab", "c") apart */
        const uint8_t *from = qv__array_string(a, (int64_t) i, &len);
        uint32_t short_len = (uint32_t) len;
        memcpy(to, &short_len, 4);
        memcpy(to + 4, from, len);
        return to + 4 + len;
    }
    if (byte_width(a->type)) {
        uint64_t word = word_of(a, i, byte_width(a->type));
        memcpy(to, &word, byte_width(a->type));
        return to + byte_width(a->type);
    }
    len = (size_t) qv__type_bits(a->type) / 8;
    memcpy(to, (const uint8_t *) qv__array_values(a) + i * len, len);
    return to + len;
}

/* ------------------------------------------------------------------ keys of a batch */

static qv_status make_room(qv__keys *keys, size_t n, qv_error *err)
{
    size_t had = keys->capacity;

    QV_TRY(QV_GROW(&keys->hashes, &keys->capacity, n, err));
    if (keys->capacity != had || !keys->is_null) {
        qv__free(keys->is_null);
        keys->is_null = NULL;
        QV_TRY(QV_NEW(&keys->is_null, QV_MAX(keys->capacity, 1), err));
    }
    memset(keys->is_null, 0, n);
    keys->n = n;
    return QV_OK;
}

static void mark_nulls(qv__keys *keys, const qv__array *column)
{
    for (size_t i = 0; column->null_count && i < keys->n; i++)
        keys->is_null[i] |= qv__array_is_null(column, (int64_t) i);
}

static void make_words(qv__keys *keys, const qv__array *column)
{
    size_t width = byte_width(column->type);

    if (column->type->id == QV_TYPE_INT64 || column->type->id == QV_TYPE_UINT64) {
        const uint8_t *values = qv__array_values(column);
        for (size_t i = 0; i < keys->n; i++)
            keys->hashes[i] = mix(load_word(values + 8 * i, 8));
        return;
    }
    for (size_t i = 0; i < keys->n; i++)
        keys->hashes[i] = mix(word_of(column, i, width));
}

static qv_status make_bytes(qv__keys *keys, qv__array *const *columns, size_t n_columns, qv_error *err)
{
    uint64_t total = 0;

    QV_TRY(QV_GROW(&keys->at, &keys->at_capacity, keys->n + 1, err));
    for (size_t i = 0; i < keys->n; i++) {
        keys->at[i] = total;
        for (size_t c = 0; c < n_columns && !keys->is_null[i]; c++)
            total += value_bytes(columns[c], i);
    }
    keys->at[keys->n] = total;
    QV_TRY(QV_GROW(&keys->bytes, &keys->bytes_capacity, QV_MAX((size_t) total, 1), err));
    for (size_t i = 0; i < keys->n; i++) {
        uint8_t *to = keys->bytes + keys->at[i];
        for (size_t c = 0; c < n_columns && !keys->is_null[i]; c++)
            to = put_value(columns[c], i, to);
        keys->hashes[i] = XXH64(keys->bytes + keys->at[i], (size_t) (keys->at[i + 1] - keys->at[i]), 0);
    }
    return QV_OK;
}

qv_status qv__keys_of(qv__keys *keys, qv__array *const *columns, size_t n_columns, size_t n, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array **plain = NULL;

    QV_CHECK(make_room(keys, n, err));
    QV_CHECK(QV_NEW(&plain, n_columns, err));
    for (size_t c = 0; c < n_columns; c++) {
        QV_CHECK(qv__array_cast(columns[c], value_type(columns[c]->type), QV_CAST_SAFE, &plain[c], err));
        mark_nulls(keys, plain[c]);
    }
    keys->is_word = n_columns == 1 && !is_text(plain[0]->type) && byte_width(plain[0]->type) > 0;
    if (keys->is_word)
        make_words(keys, plain[0]);
    else
        QV_CHECK(make_bytes(keys, plain, n_columns, err));
done:
    for (size_t c = 0; plain && c < n_columns; c++)
        qv__array_unref(plain[c]);
    qv__free(plain);
    return st;
}

void qv__keys_clear(qv__keys *keys)
{
    qv__free(keys->hashes);
    qv__free(keys->is_null);
    qv__free(keys->at);
    qv__free(keys->bytes);
    *keys = (qv__keys){ 0 };
}

/* ------------------------------------------------------------------ the index */

qv_status qv__key_index_add(qv__key_index *index, const qv__keys *keys, size_t i, uint32_t row, qv_error *err)
{
    qv__key_entry entry = { .hash = keys->hashes[i], .row = row, .next = QV_NO_ENTRY };

    if (index->n >= UINT32_MAX - 1)
        return qv__fail(err, QV_LIMIT, "too many keys for one index");
    QV_TRY(QV_GROW(&index->entries, &index->capacity, index->n + 1, err));
    index->is_word = keys->is_word;
    if (!keys->is_word) {
        entry.at = index->n_bytes;
        entry.len = (uint32_t) (keys->at[i + 1] - keys->at[i]);
        QV_TRY(QV_GROW(&index->bytes, &index->bytes_capacity, index->n_bytes + QV_MAX(entry.len, 1), err));
        memcpy(index->bytes + entry.at, keys->bytes + keys->at[i], entry.len);
        index->n_bytes += entry.len;
    }
    index->entries[index->n++] = entry;
    return QV_OK;
}

static uint64_t tag_of(uint64_t hash) { return hash & ~(uint64_t) UINT32_MAX; }

/* The slot that holds this hash, or the free one where it would lie. */
static size_t find_slot(const qv__key_index *index, uint64_t hash)
{
    size_t at = (size_t) hash & (index->n_slots - 1);

    for (;; at = (at + 1) & (index->n_slots - 1)) {
        uint64_t slot = index->slots[at];
        if (slot == 0 || (tag_of(slot) == tag_of(hash) && index->entries[(uint32_t) slot - 1].hash == hash))
            return at;
    }
}

qv_status qv__key_index_finish(qv__key_index *index, qv_error *err)
{
    index->n_slots = 16;
    while (index->n_slots < 2 * index->n)
        index->n_slots *= 2;
    qv__free(index->slots);
    qv__free(index->filter);
    index->slots = NULL;
    index->filter = NULL;
    QV_TRY(QV_NEW(&index->slots, index->n_slots, err));
    QV_TRY(QV_NEW(&index->filter, index->n_slots, err));
    for (size_t i = index->n; i-- > 0;) { /* backwards: chains ascend */
        size_t at = find_slot(index, index->entries[i].hash);
        if (index->slots[at])
            index->entries[i].next = (uint32_t) index->slots[at] - 1;
        index->slots[at] = tag_of(index->entries[i].hash) | (uint32_t) (i + 1);
        qv__bit_set(index->filter, (size_t) (index->entries[i].hash >> 29) & (8 * index->n_slots - 1));
    }
    return QV_OK;
}

static uint32_t first_equal(const qv__key_index *index, uint32_t entry, const qv__keys *keys, size_t i)
{
    while (!index->is_word && entry != QV_NO_ENTRY) {
        const qv__key_entry *e = &index->entries[entry];
        if (e->len == keys->at[i + 1] - keys->at[i] &&
            memcmp(index->bytes + e->at, keys->bytes + keys->at[i], e->len) == 0)
            break;
        entry = e->next;
    }
    return entry;
}

uint32_t qv__key_index_find(const qv__key_index *index, const qv__keys *keys, size_t i)
{
    uint64_t slot = index->slots[find_slot(index, keys->hashes[i])];

    return first_equal(index, slot ? (uint32_t) slot - 1 : QV_NO_ENTRY, keys, i);
}

uint32_t qv__key_index_next(const qv__key_index *index, uint32_t entry, const qv__keys *keys, size_t i)
{
    return first_equal(index, index->entries[entry].next, keys, i);
}

void qv__key_index_clear(qv__key_index *index)
{
    qv__free(index->entries);
    qv__free(index->slots);
    qv__free(index->filter);
    qv__free(index->bytes);
    *index = (qv__key_index){ 0 };
}
