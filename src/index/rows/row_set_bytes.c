/* Row sets as they are stored. The library's own readers believe what they read: a run past the end of its container, a bitset with
 * another number of ones than it claims, values out of order. So each byte is checked here before the library sees it. */
#include <inttypes.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "index/rows/row_set.h"

#define COOKIE          12346u
#define COOKIE_RUNS     12347u
#define OFFSETS_FROM    4u /* bitmaps with runs have offsets from so many containers on */
#define ARRAY_MOST      4096u
#define BITSET_BYTES    8192u
#define MOST_CONTAINERS 65536u

/* ------------------------------------------------------------------ one portable bitmap */

typedef struct cursor {
    const uint8_t *bytes;
    size_t len, at;
} cursor;

static const uint8_t *take(cursor *c, size_t n)
{
    const uint8_t *bytes = c->bytes + c->at;

    if (n > c->len - c->at)
        return NULL;
    c->at += n;
    return bytes;
}

static qv_status broken(const char *what, uint32_t container, qv_error *err)
{
    return qv__fail(err, QV_CORRUPT, "Roaring bitmap: %s of container %" PRIu32, what, container);
}

static qv_status check_array(cursor *c, uint32_t container, uint32_t cardinality, qv_error *err)
{
    const uint8_t *values = take(c, cardinality * sizeof(uint16_t));

    if (!values)
        return broken("the bytes end inside the values", container, err);
    for (uint32_t i = 1; i < cardinality; i++)
        if (qv__load_u16(values + 2 * i - 2) >= qv__load_u16(values + 2 * i))
            return broken("values out of order", container, err);
    return QV_OK;
}

static qv_status check_bitset(cursor *c, uint32_t container, uint32_t cardinality, qv_error *err)
{
    const uint8_t *words = take(c, BITSET_BYTES);
    uint32_t ones = 0;

    if (!words)
        return broken("the bytes end inside the bits", container, err);
    for (size_t i = 0; i < BITSET_BYTES; i += sizeof(uint64_t))
        ones += (uint32_t) __builtin_popcountll(qv__load_u64(words + i));
    return ones == cardinality ? QV_OK : broken("another number of bits than promised", container, err);
}

static qv_status check_runs(cursor *c, uint32_t container, uint32_t cardinality, qv_error *err)
{
    const uint8_t *head = take(c, sizeof(uint16_t));
    uint32_t n = head ? qv__load_u16(head) : 0, count = 0, free_from = 0;
    const uint8_t *runs = head ? take(c, n * 2 * sizeof(uint16_t)) : NULL;

    if (!runs || !n)
        return broken("the bytes end inside the runs", container, err);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t start = qv__load_u16(runs + 4 * i), length = qv__load_u16(runs + 4 * i + 2) + 1u;
        if (start < free_from || start + length > 65536)
            return broken("a run out of order", container, err);
        free_from = start + length + (start + length < 65536); /* neighbours would be one run */
        count += length;
    }
    return count == cardinality ? QV_OK : broken("another number of values than promised", container, err);
}

typedef struct head {
    uint32_t n;
    const uint8_t *run_flags; /* NULL: no container has runs */
    const uint8_t *keys;      /* u16 key, u16 cardinality - 1, each */
    const uint8_t *offsets;   /* NULL: none */
} head;

static qv_status read_head(cursor *c, head *out, qv_error *err)
{
    const uint8_t *cookie = take(c, sizeof(uint32_t)), *count;
    uint32_t word = cookie ? qv__load_u32(cookie) : 0;

    *out = (head){ 0 };
    if ((word & 0xffff) == COOKIE_RUNS) {
        out->n = (word >> 16) + 1;
        out->run_flags = take(c, (out->n + 7) / 8);
        if (!out->run_flags)
            return qv__fail(err, QV_CORRUPT, "Roaring bitmap: %zu bytes end inside the head", c->len);
    } else if (word == COOKIE && (count = take(c, sizeof(uint32_t))) != NULL) {
        out->n = qv__load_u32(count);
    } else {
        return qv__fail(err, QV_CORRUPT, "Roaring bitmap: %zu bytes that begin with %08" PRIx32, c->len, word);
    }
    if (out->n > MOST_CONTAINERS)
        return qv__fail(err, QV_CORRUPT, "Roaring bitmap: %" PRIu32 " containers", out->n);
    out->keys = take(c, (size_t) out->n * 4);
    bool has_offsets = !out->run_flags || out->n >= OFFSETS_FROM;
    if (has_offsets && out->keys)
        out->offsets = take(c, (size_t) out->n * 4);
    if (!out->keys || (has_offsets && !out->offsets))
        return qv__fail(err, QV_CORRUPT, "Roaring bitmap: %zu bytes end inside the head of %" PRIu32 " containers",
                        c->len, out->n);
    return QV_OK;
}

/* Checks the bitmap at the beginning of the bytes, and tells how many of them it takes. */
static qv_status check_bitmap(const uint8_t *bytes, size_t len, size_t *used, qv_error *err)
{
    cursor c = { bytes, len, 0 };
    head h;

    QV_TRY(read_head(&c, &h, err));
    for (uint32_t i = 0; i < h.n; i++) {
        uint32_t cardinality = qv__load_u16(h.keys + 4 * i + 2) + 1u;
        bool is_run = h.run_flags && (h.run_flags[i / 8] >> (i % 8) & 1);
        if (i && qv__load_u16(h.keys + 4 * i - 4) >= qv__load_u16(h.keys + 4 * i))
            return broken("the key is out of order", i, err);
        if (h.offsets && qv__load_u32(h.offsets + 4 * i) != c.at)
            return broken("a wrong offset", i, err);
        if (is_run)
            QV_TRY(check_runs(&c, i, cardinality, err));
        else if (cardinality <= ARRAY_MOST)
            QV_TRY(check_array(&c, i, cardinality, err));
        else
            QV_TRY(check_bitset(&c, i, cardinality, err));
    }
    *used = c.at;
    return QV_OK;
}

static qv_status load_bitmap(const uint8_t *bytes, size_t used, roaring_bitmap_t **out, qv_error *err)
{
    *out = roaring_bitmap_portable_deserialize_safe((const char *) bytes, used);
    return *out ? QV_OK : qv__fail_nomem(err, used);
}

qv_status qv__roaring_parse(const uint8_t *bytes, size_t len, roaring_bitmap_t **out, qv_error *err)
{
    size_t used;

    QV_TRY(check_bitmap(bytes, len, &used, err));
    if (used != len)
        return qv__fail(err, QV_CORRUPT, "Roaring bitmap: %zu bytes, of which it takes %zu", len, used);
    return load_bitmap(bytes, used, out, err);
}

/* ------------------------------------------------------------------ both forms */

/* Appends the part at the cursor; parts must ascend. */
static qv_status parse_part(cursor *c, bool sized, qv__row_set *set, qv_error *err)
{
    const uint8_t *word = take(c, sized ? 8 : 4);
    size_t size = 0, used;
    roaring_bitmap_t *low = NULL;

    if (!word)
        return qv__fail(err, QV_CORRUPT, "row set: %zu bytes end before part %zu", c->len, set->n);
    uint32_t high = qv__load_u32(word);
    if (set->n && set->parts[set->n - 1].high >= high)
        return qv__fail(err, QV_CORRUPT, "row set: part %" PRIu32 " follows part %" PRIu32, high,
                        set->parts[set->n - 1].high);
    if (sized)
        size = qv__load_u32(word + 4);
    if (!sized || size) {
        if (size > c->len - c->at)
            return qv__fail(err, QV_CORRUPT, "row set: part %" PRIu32 " has %zu bytes, %zu are left", high, size,
                            c->len - c->at);
        QV_TRY(check_bitmap(c->bytes + c->at, sized ? size : c->len - c->at, &used, err));
        if (sized && used != size)
            return qv__fail(err, QV_CORRUPT, "row set: part %" PRIu32 " has %zu bytes and takes %zu", high, size, used);
        QV_TRY(load_bitmap(c->bytes + c->at, used, &low, err));
        c->at += used;
        if (roaring_bitmap_is_empty(low)) {
            roaring_bitmap_free(low);
            return QV_OK;
        }
    }
    qv_status st = QV_GROW(&set->parts, &set->capacity, set->n + 1, err);
    if (st != QV_OK) {
        if (low)
            roaring_bitmap_free(low);
        return st;
    }
    set->parts[set->n++] = (qv__row_part){ high, low };
    return QV_OK;
}

qv_status qv__row_set_parse(const uint8_t *bytes, size_t len, bool sized, qv__row_set *out, qv_error *err)
{
    qv_status st = QV_OK;
    cursor c = { bytes, len, 0 };
    qv__row_set set = { 0 };
    const uint8_t *count = take(&c, sized ? 4 : 8);

    if (!count)
        return qv__fail(err, QV_CORRUPT, "row set of %zu bytes", len);
    uint64_t n = sized ? qv__load_u32(count) : qv__load_u64(count);
    for (uint64_t i = 0; i < n; i++)
        QV_CHECK(parse_part(&c, sized, &set, err));
    if (c.at != len)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "row set: %zu bytes, of which %zu parts take %zu", len, set.n, c.at));
    *out = set;
    set = (qv__row_set){ 0 };
done:
    qv__row_set_clear(&set);
    return st;
}

qv_status qv__roaring_pack(const roaring_bitmap_t *bitmap, qv__buffer *out, qv_error *err)
{
    size_t size = roaring_bitmap_portable_size_in_bytes(bitmap);

    QV_TRY(qv__buffer_reserve(out, size, err));
    out->len += roaring_bitmap_portable_serialize(bitmap, (char *) out->data + out->len);
    return QV_OK;
}

static qv_status pack_part(const qv__row_part *part, bool sized, qv__buffer *out, qv_error *err)
{
    size_t size = part->low ? roaring_bitmap_portable_size_in_bytes(part->low) : 0;
    uint32_t words[2] = { part->high, (uint32_t) size };

    if (!sized && !part->low)
        return qv__fail(err, QV_INVALID, "row set: all rows of fragment %" PRIu32 " have no form without sizes",
                        part->high);
    if (size > UINT32_MAX)
        return qv__fail(err, QV_LIMIT, "row set: part %" PRIu32 " has %zu bytes", part->high, size);
    QV_TRY(qv__buffer_append(out, words, sized ? sizeof words : sizeof words[0], err));
    return part->low ? qv__roaring_pack(part->low, out, err) : QV_OK;
}

qv_status qv__row_set_pack(const qv__row_set *set, bool sized, qv__buffer *out, qv_error *err)
{
    uint64_t n = set->n;

    QV_TRY(qv__buffer_append(out, &n, sized ? sizeof(uint32_t) : sizeof n, err));
    for (size_t i = 0; i < set->n; i++)
        QV_TRY(pack_part(&set->parts[i], sized, out, err));
    return QV_OK;
}
