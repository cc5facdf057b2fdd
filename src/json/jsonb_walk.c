/* Values inside JSONB: the outermost, an element, a member. Every length is checked against the container's bytes before it is
 * followed. */
#include <inttypes.h>
#include <string.h>

#include "json/json_private.h"

qv_status qv__jsonb_open(const uint8_t *bytes, size_t len, qv__jsonb_container *out, qv_error *err)
{
    if (len < 4)
        return qv__fail(err, QV_CORRUPT, "JSONB: %zu bytes are too few", len);
    uint32_t header = qv__load_be32(bytes);
    *out = (qv__jsonb_container){ .kind = header & QV_JSONB_KIND_MASK, .n = header & QV_JSONB_COUNT_MASK };
    if (out->kind != QV_JSONB_ARRAY && out->kind != QV_JSONB_OBJECT && out->kind != QV_JSONB_SCALAR)
        return qv__fail(err, QV_CORRUPT, "JSONB: a header of 0x%08" PRIx32, header);
    if (out->kind == QV_JSONB_SCALAR)
        out->n = 1;
    out->n_entries = out->kind == QV_JSONB_OBJECT ? 2 * out->n : out->n;
    if (out->n_entries > (len - 4) / 4)
        return qv__fail(err, QV_CORRUPT, "JSONB: %zu entries in %zu bytes", out->n_entries, len);
    out->entries = bytes + 4;
    out->payload = out->entries + 4 * out->n_entries;
    out->end = bytes + len;
    return QV_OK;
}

qv_status qv__jsonb_take(qv__jsonb_container *c, uint32_t entry, const uint8_t **payload, qv_error *err)
{
    size_t len = entry & QV_JSONB_LENGTH_MASK;

    if (len > (size_t) (c->end - c->payload))
        return qv__fail(err, QV_CORRUPT, "JSONB: an entry of %zu bytes where %zu are left", len,
                        (size_t) (c->end - c->payload));
    *payload = c->payload;
    c->payload += len;
    return QV_OK;
}

/* ------------------------------------------------------------------ values */

/* The value of entry number k, those before it being skipped. */
static bool value_at(qv__jsonb_container c, size_t k, qv__jsonb_value *out)
{
    const uint8_t *payload = NULL;
    uint32_t entry = 0;

    for (size_t i = 0; i <= k; i++) {
        entry = qv__load_be32(c.entries + 4 * i);
        if (qv__jsonb_take(&c, entry, &payload, NULL) != QV_OK)
            return false;
    }
    *out = (qv__jsonb_value){ entry, payload, entry & QV_JSONB_LENGTH_MASK };
    return true;
}

bool qv__jsonb_root(const uint8_t *bytes, size_t len, qv__jsonb_value *out)
{
    qv__jsonb_container c;

    if (len > QV_JSONB_LENGTH_MASK || qv__jsonb_open(bytes, len, &c, NULL) != QV_OK)
        return false;
    if (c.kind == QV_JSONB_SCALAR)
        return value_at(c, 0, out);
    *out = (qv__jsonb_value){ QV_JSONB_CONTAINER | (uint32_t) len, bytes, len };
    return true;
}

/* Opens a value that is a container of this kind. */
static bool open_kind(const qv__jsonb_value *value, uint32_t kind, qv__jsonb_container *out)
{
    return (value->entry & QV_JSONB_ENTRY_MASK) == QV_JSONB_CONTAINER &&
           qv__jsonb_open(value->data, value->len, out, NULL) == QV_OK && out->kind == kind;
}

bool qv__jsonb_array_length(const qv__jsonb_value *value, size_t *out)
{
    qv__jsonb_container c;

    if (!open_kind(value, QV_JSONB_ARRAY, &c))
        return false;
    *out = c.n;
    return true;
}

bool qv__jsonb_children_of(const qv__jsonb_value *value, qv__jsonb_children *out)
{
    qv__jsonb_container c;
    bool is_object = open_kind(value, QV_JSONB_OBJECT, &c);
    const uint8_t *payload;

    if (!is_object && !open_kind(value, QV_JSONB_ARRAY, &c))
        return false;
    for (size_t i = 0; is_object && i < c.n; i++) /* the values come after all keys */
        if (qv__jsonb_take(&c, qv__load_be32(c.entries + 4 * i), &payload, NULL) != QV_OK)
            return false;
    *out = (qv__jsonb_children){ c.n, c.entries + (is_object ? 4 * c.n : 0), c.payload, c.end };
    return true;
}

bool qv__jsonb_next(qv__jsonb_children *children, qv__jsonb_value *out)
{
    if (children->left == 0)
        return false;
    uint32_t entry = qv__load_be32(children->entries);
    size_t len = entry & QV_JSONB_LENGTH_MASK;
    if (len > (size_t) (children->end - children->payload))
        return false;
    *out = (qv__jsonb_value){ entry, children->payload, len };
    children->left--;
    children->entries += 4;
    children->payload += len;
    return true;
}

/* Keys are looked at one by one: their lengths alone say where the next begins. */
bool qv__jsonb_member(const qv__jsonb_value *value, const uint8_t *key, size_t key_len, qv__jsonb_value *out)
{
    qv__jsonb_container c, keys;
    const uint8_t *at = NULL;

    if (!open_kind(value, QV_JSONB_OBJECT, &c))
        return false;
    keys = c;
    for (size_t i = 0; i < c.n; i++) {
        uint32_t entry = qv__load_be32(c.entries + 4 * i);
        if (qv__jsonb_take(&keys, entry, &at, NULL) != QV_OK)
            return false;
        if ((entry & QV_JSONB_LENGTH_MASK) == key_len && (key_len == 0 || memcmp(at, key, key_len) == 0))
            return value_at(c, c.n + i, out);
    }
    return false;
}

bool qv__jsonb_find(const uint8_t *bytes, size_t len, const char *key, qv__jsonb_value *out)
{
    qv__jsonb_value root;

    return qv__jsonb_root(bytes, len, &root) && qv__jsonb_member(&root, (const uint8_t *) key, strlen(key), out);
}

/* ------------------------------------------------------------------ numbers */

bool qv__jsonb_number_of(const qv__jsonb_value *value, qv__jsonb_number *out)
{
    size_t width = value->len ? value->len - 1 : 0;
    uint64_t raw = 0;

    if ((value->entry & QV_JSONB_ENTRY_MASK) != QV_JSONB_NUMBER || !value->len || width > 8)
        return false;
    for (size_t i = 0; i < width; i++)
        raw = raw << 8 | value->data[1 + i];
    *out = (qv__jsonb_number){ .kind = value->data[0], .u = raw };
    switch (value->data[0]) {
    case QV_JSONB_ZERO:
        out->kind = QV_JSONB_UINT;
        out->u = 0;
        return true;
    case QV_JSONB_UINT:
        return true;
    case QV_JSONB_INT:
        if (width == 0)
            return false;
        out->i = (int64_t) (raw << (64 - 8 * width)) >> (64 - 8 * width);
        return true;
    case QV_JSONB_FLOAT:
        memcpy(&out->f, &raw, sizeof raw);
        return width == 8;
    default:
        return false;
    }
}

bool qv__jsonb_u64(const qv__jsonb_value *value, uint64_t *out)
{
    qv__jsonb_number number;

    if (!qv__jsonb_number_of(value, &number) || number.kind != QV_JSONB_UINT)
        return false;
    *out = number.u;
    return true;
}
