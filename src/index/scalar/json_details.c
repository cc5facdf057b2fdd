/* The message that says what a JSON index is: path = 1, target_details = 2 { type_url = 1, value = 2 }. */
#include "base/alloc.h"
#include "index/scalar/json_private.h"

#define MOST_BYTES ((size_t) 1 << 20)

typedef struct reader {
    const uint8_t *at, *end;
} reader;

static bool read_varint(reader *r, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; r->at < r->end && shift < 64; shift += 7) {
        uint8_t byte = *r->at++;
        *out |= (uint64_t) (byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

/* The next field; `bytes` of those with a length, else empty. False: no more, or broken (then at is NULL). */
static bool read_field(reader *r, uint64_t *number, reader *bytes)
{
    uint64_t key, len = 0;
    static const uint64_t fixed[8] = { [1] = 8, [5] = 4 };

    *bytes = (reader){ NULL, NULL };
    if (r->at == r->end)
        return false;
    if (read_varint(r, &key)) {
        *number = key >> 3;
        if ((key & 7) == 0 && read_varint(r, &len))
            return true;
        len = fixed[key & 7];
        if ((len || ((key & 7) == 2 && read_varint(r, &len))) && len <= (uint64_t) (r->end - r->at)) {
            *bytes = (reader){ r->at, r->at + len };
            r->at += len;
            return true;
        }
    }
    r->at = NULL;
    return false;
}

void qv__json_details_clear(qv__json_details *details)
{
    qv__free(details->path);
    qv__free(details->target_url);
    *details = (qv__json_details){ 0 };
}

static qv_status copy_text(const reader *bytes, char **out, qv_error *err)
{
    size_t len = (size_t) (bytes->end - bytes->at);

    qv__free(*out);
    *out = qv__strndup(bytes->at ? (const char *) bytes->at : "", len);
    return *out ? QV_OK : qv__fail_nomem(err, len);
}

qv_status qv__json_details_parse(const uint8_t *bytes, size_t len, qv__json_details *out, qv_error *err)
{
    static const uint8_t none;
    qv_status st = QV_OK;
    qv__json_details d = { 0 };
    reader all = { len ? bytes : &none, len ? bytes + len : &none }, field, inner;
    uint64_t number;

    while (read_field(&all, &number, &field)) {
        if (number == 1)
            QV_CHECK(copy_text(&field, &d.path, err));
        if (number != 2 || !field.at)
            continue;
        while (read_field(&field, &number, &inner))
            if (number == 1)
                QV_CHECK(copy_text(&inner, &d.target_url, err));
        if (!field.at)
            all.at = NULL;
        if (!all.at)
            break;
    }
    if (!all.at || !d.path || !d.target_url)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "the details of a JSON index do not tell path and kind"));
    *out = d;
    d = (qv__json_details){ 0 };
done:
    qv__json_details_clear(&d);
    return st;
}

static qv_status put_varint(qv__buffer *out, uint64_t n, qv_error *err)
{
    uint8_t bytes[10];
    size_t len = 0;

    for (; n >= 0x80; n >>= 7)
        bytes[len++] = (uint8_t) (n | 0x80);
    bytes[len++] = (uint8_t) n;
    return qv__buffer_append(out, bytes, len, err);
}

static qv_status put_bytes(qv__buffer *out, uint8_t number, const void *bytes, size_t len, qv_error *err)
{
    QV_TRY(put_varint(out, (uint64_t) number << 3 | 2, err));
    QV_TRY(put_varint(out, len, err));
    return qv__buffer_append(out, bytes, len, err);
}

qv_status qv__json_details_pack(const char *path, const char *target_url, qv__buffer *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer target;

    qv__buffer_init(&target, MOST_BYTES);
    QV_CHECK(put_bytes(&target, 1, target_url, strlen(target_url), err));
    QV_CHECK(put_bytes(out, 1, path, strlen(path), err));
    QV_CHECK(put_bytes(out, 2, target.data, target.len, err));
done:
    qv__buffer_free(&target);
    return st;
}
