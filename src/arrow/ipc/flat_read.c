/* Bounds-checked reading of FlatBuffers. A table begins with the signed distance back to its vtable, which lists for each
 * field its place in the table, or 0. Vectors and strings begin with a 32-bit count. */
#include "arrow/ipc/flat.h"

static bool table_at(const uint8_t *data, size_t size, size_t at, qv__flat_table *out)
{
    int64_t vtable;

    if (!qv__inside(at, 4, size))
        return false;
    vtable = (int64_t) at - (int32_t) qv__load_u32(data + at);
    if (vtable < 0 || !qv__inside((uint64_t) vtable, 4, size))
        return false;
    *out = (qv__flat_table){
        data, size, at, qv__load_u16(data + vtable + 2), (size_t) vtable, qv__load_u16(data + vtable)
    };
    return out->vtable_len >= 4 && qv__inside(out->vtable, out->vtable_len, size) && out->table_len >= 4 &&
           qv__inside(at, out->table_len, size);
}

bool qv__flat_root(const uint8_t *data, size_t size, qv__flat_table *out)
{
    return size >= 4 && table_at(data, size, qv__load_u32(data), out);
}

/* *at: 0 when the field is absent. */
static bool field_at(const qv__flat_table *table, int field, size_t bytes, size_t *at)
{
    size_t entry = 4 + 2 * (size_t) field, offset;

    *at = 0;
    if (entry + 2 > table->vtable_len)
        return true;
    offset = qv__load_u16(table->data + table->vtable + entry);
    if (offset == 0)
        return true;
    *at = table->at + offset;
    return offset >= 4 && qv__inside(offset, bytes, table->table_len);
}

bool qv__flat_int(const qv__flat_table *table, int field, size_t bytes, int64_t absent, int64_t *out)
{
    size_t at;
    uint64_t raw = 0;
    int shift = (int) (64 - 8 * bytes);

    if (!field_at(table, field, bytes, &at))
        return false;
    if (at)
        memcpy(&raw, table->data + at, bytes);
    *out = at ? (int64_t) (raw << shift) >> shift : absent;
    return true;
}

/* Follows the unsigned distance that lies at `at`. */
static bool follow(const qv__flat_table *table, size_t at, size_t *target)
{
    uint64_t sum = (uint64_t) at + qv__load_u32(table->data + at);

    *target = (size_t) sum;
    return qv__inside(sum, 4, table->size) && sum > at;
}

bool qv__flat_table_at(const qv__flat_table *table, int field, qv__flat_table *out, bool *present)
{
    size_t at, target;

    if (!field_at(table, field, 4, &at))
        return false;
    *present = at != 0;
    return at == 0 || (follow(table, at, &target) && table_at(table->data, table->size, target, out));
}

bool qv__flat_vector(const qv__flat_table *table, int field, size_t item_bytes, const uint8_t **items, size_t *n)
{
    size_t at, target;

    *n = 0;
    *items = NULL;
    if (!field_at(table, field, 4, &at))
        return false;
    if (at == 0)
        return true;
    if (!follow(table, at, &target))
        return false;
    *n = qv__load_u32(table->data + target);
    *items = table->data + target + 4;
    return qv__inside(target + 4, (uint64_t) *n * item_bytes, table->size);
}

bool qv__flat_vector_table(const qv__flat_table *table, const uint8_t *items, size_t i, qv__flat_table *out)
{
    size_t target;

    return follow(table, (size_t) (items - table->data) + 4 * i, &target) &&
           table_at(table->data, table->size, target, out);
}

bool qv__flat_string(const qv__flat_table *table, int field, const char **text, size_t *len)
{
    const uint8_t *bytes;

    if (!qv__flat_vector(table, field, 1, &bytes, len))
        return false;
    *text = (const char *) bytes;
    return true;
}
