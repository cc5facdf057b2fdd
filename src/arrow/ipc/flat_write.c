/* Writing FlatBuffers front to back: a vtable, its table, then the children, whose distances are filled in once known. */
#include "arrow/ipc/flat.h"

/* Zeros until (len + ahead) is a multiple of `align`. */
static qv_status pad(qv__buffer *out, size_t align, size_t ahead, qv_error *err)
{
    size_t rest = (out->len + ahead) % align;

    return rest ? qv__buffer_append_zeros(out, align - rest, err) : QV_OK;
}

qv_status qv__flat_begin(qv__buffer *out, qv_error *err) { return qv__buffer_append_zeros(out, 4, err); }

/* Behind the 4 bytes of the vtable's distance, widest values first, so that each is aligned when the table is. */
static size_t place_slots(qv__flat_slot *slots, size_t n)
{
    size_t used = 4;

    for (size_t bytes = 8; bytes >= 1; bytes /= 2)
        for (size_t i = 0; i < n; i++)
            if (slots[i].bytes == bytes) {
                used = (size_t) qv__round_up(used, bytes);
                slots[i].at = used;
                used += bytes;
            }
    return used;
}

qv_status qv__flat_put_table(qv__buffer *out, qv__flat_slot *slots, size_t n, size_t *at, qv_error *err)
{
    size_t table_len = place_slots(slots, n), vtable, table;
    int greatest = -1;

    for (size_t i = 0; i < n; i++)
        greatest = QV_MAX(greatest, slots[i].field);
    QV_TRY(pad(out, 2, 0, err));
    vtable = out->len;
    QV_TRY(qv__buffer_append_zeros(out, 4 + 2 * (size_t) (greatest + 1), err));
    QV_TRY(pad(out, 8, 0, err));
    table = out->len;
    QV_TRY(qv__buffer_append_zeros(out, table_len, err));

    qv__store_u16(out->data + vtable, (uint16_t) (4 + 2 * (greatest + 1)));
    qv__store_u16(out->data + vtable + 2, (uint16_t) table_len);
    qv__store_u32(out->data + table, (uint32_t) (table - vtable));
    for (size_t i = 0; i < n; i++) {
        qv__store_u16(out->data + vtable + 4 + 2 * slots[i].field, (uint16_t) slots[i].at);
        slots[i].at += table;
        memcpy(out->data + slots[i].at, &slots[i].value, slots[i].bytes);
    }
    *at = table;
    return QV_OK;
}

qv_status qv__flat_put_vector(qv__buffer *out, size_t n, size_t item_bytes, size_t align, size_t *at, size_t *items,
                              qv_error *err)
{
    uint64_t bytes;

    if (n > UINT32_MAX || !qv__mul_u64(n, item_bytes, &bytes))
        return qv__fail(err, QV_LIMIT, "%zu items in one vector of Arrow metadata", n);
    QV_TRY(pad(out, QV_MAX(align, 4), 4, err));
    *at = out->len;
    *items = out->len + 4;
    QV_TRY(qv__buffer_append_zeros(out, 4 + (size_t) bytes, err));
    qv__store_u32(out->data + *at, (uint32_t) n);
    return QV_OK;
}

qv_status qv__flat_put_string(qv__buffer *out, const char *text, size_t len, size_t *at, qv_error *err)
{
    size_t items = 0;

    QV_TRY(qv__flat_put_vector(out, len, 1, 4, at, &items, err));
    if (len)
        memcpy(out->data + items, text, len);
    return qv__buffer_append_zeros(out, 1, err);
}

void qv__flat_link(qv__buffer *out, size_t slot_at, size_t at)
{
    qv__store_u32(out->data + slot_at, (uint32_t) (at - slot_at));
}
