/* Texts made from others. */
#include "expr/functions/string_private.h"

static qv_status put(qv__cell *out, qv__text text, qv_error *err)
{
    return qv__buffer_append(&out->text, text.data, text.len, err);
}

qv_status qv__concat_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    for (size_t a = 0; a < call->n_args; a++)
        if (!qv__arg_is_null(call, a, i))
            QV_TRY(put(out, qv__arg_text(call, a, i), err));
    return QV_OK;
}

qv_status qv__concat_ws_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    bool first = true;

    out->is_null = qv__arg_is_null(call, 0, i);
    for (size_t a = 1; !out->is_null && a < call->n_args; a++) {
        if (qv__arg_is_null(call, a, i))
            continue;
        if (!first)
            QV_TRY(put(out, qv__arg_text(call, 0, i), err));
        QV_TRY(put(out, qv__arg_text(call, a, i), err));
        first = false;
    }
    return QV_OK;
}

qv_status qv__repeat_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i);
    int64_t n = qv__arg_i64(call, 1, i);
    uint64_t total;

    if (n <= 0 || text.len == 0)
        return QV_OK;
    if (!qv__mul_u64(text.len, (uint64_t) n, &total) || total > QV_TEXT_MAX)
        return qv__fail(err, QV_LIMIT, "repeat: %lld times %zu bytes is past the maximum of %zu bytes", (long long) n,
                        text.len, QV_TEXT_MAX);
    QV_TRY(qv__buffer_reserve(&out->text, (size_t) total, err));
    for (; n > 0; n--)
        QV_TRY(put(out, text, err));
    return QV_OK;
}

qv_status qv__replace_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i), from = qv__arg_text(call, 1, i), to = qv__arg_text(call, 2, i);
    size_t at;

    while (from.len && text.len && (at = qv__text_find(text, from)) != SIZE_MAX) {
        QV_TRY(qv__buffer_append(&out->text, text.data, at, err));
        QV_TRY(put(out, to, err));
        text.data += at + from.len;
        text.len -= at + from.len;
    }
    return put(out, text, err);
}

qv_status qv__reverse_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i);

    QV_TRY(qv__buffer_append_zeros(&out->text, text.len, err));
    for (size_t at = 0; at < text.len;) {
        size_t n = qv__utf8_len(text.data[at]);
        memcpy(out->text.data + text.len - at - n, text.data + at, n);
        at += n;
    }
    return QV_OK;
}

/* What stands for the character: found false: itself. An empty replacement leaves it out. */
static qv__text translated(qv__text character, qv__text from, qv__text to)
{
    size_t place = 0;

    for (size_t at = 0; at < from.len; at += qv__utf8_len(from.data[at]), place++) {
        size_t n = qv__utf8_len(from.data[at]);
        if (n != character.len || memcmp(from.data + at, character.data, n) != 0)
            continue;
        size_t there = qv__utf8_at(to.data, to.len, place);
        return there < to.len ? (qv__text){ to.data + there, qv__utf8_len(to.data[there]) } : (qv__text){ NULL, 0 };
    }
    return character;
}

qv_status qv__translate_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i), from = qv__arg_text(call, 1, i), to = qv__arg_text(call, 2, i);

    for (size_t at = 0; at < text.len; at += qv__utf8_len(text.data[at]))
        QV_TRY(put(out, translated((qv__text){ text.data + at, qv__utf8_len(text.data[at]) }, from, to), err));
    return QV_OK;
}

qv_status qv__chr_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    int64_t c = qv__arg_i64(call, 0, i);
    uint8_t bytes[4];

    if (c < 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return qv__fail(err, QV_INVALID, "chr: invalid Unicode scalar value: %lld", (long long) c);
    return put(out, (qv__text){ bytes, qv__utf8_put((uint32_t) c, bytes) }, err);
}
