/* Repetition and definition levels as bytes: flat u16, bit packed, or (2.2) runs. One form per page, applied to each chunk. */
#include "codec/codec.h"
#include "file/write/write_private.h"

static unsigned width_of(unsigned max) { return max ? 32 - (unsigned) __builtin_clz(max) : 0; }

static size_t packed_size(unsigned width, size_t n)
{
    size_t full = n / QV_PACK_GROUP * 128 * width, tail = n % QV_PACK_GROUP;
    return full + QV_MIN(tail * 2, tail ? (size_t) 128 * width : 0);
}

size_t qv__level_bound(unsigned max, size_t n) { return QV_MIN(packed_size(width_of(max), n) + 2, 2 * n); }

size_t qv__level_size(qv__level_codec codec, const uint16_t *levels, size_t n)
{
    switch (codec.form) {
    case QV__LEVELS_INLINE:
        return 2 + (size_t) 128 * codec.width;
    case QV__LEVELS_PACKED:
        return packed_size(codec.width, n);
    case QV__LEVELS_RUNS:
        return 8 + 3 * qv__rle_runs(16, levels, n);
    default:
        return 2 * n;
    }
}

qv__level_codec qv__level_choose(qv__file_version version, const qv__write_tuning *tuning, const uint16_t *levels,
                                 size_t n, unsigned max, size_t chunks)
{
    qv__level_codec best = { QV__LEVELS_FLAT, 16 };
    size_t best_size = 2 * n;
    if (!tuning->cheap)
        return best;
    qv__level_codec packed = { n <= QV_PACK_GROUP ? QV__LEVELS_INLINE : QV__LEVELS_PACKED, width_of(max) };
    size_t size = qv__level_size(packed, levels, n);
    if (size < best_size) {
        best = packed;
        best_size = size;
    }
    if (version.minor >= 2) {
        qv__level_codec runs = { QV__LEVELS_RUNS, 16 };
        if (qv__level_size(runs, levels, n) + 11 * (chunks - 1) < best_size)
            best = runs;
    }
    return best;
}

static qv_status put_runs(const uint16_t *levels, size_t n, qv__buffer *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer lengths;
    qv__buffer_init(&lengths, SIZE_MAX);
    size_t head = out->len;
    QV_CHECK(qv__buffer_append_zeros(out, 8, err));
    QV_CHECK(qv__rle_encode(16, levels, n, out, &lengths, err));
    qv__store_u64(out->data + head, out->len - head - 8);
    QV_CHECK(qv__buffer_append(out, lengths.data, lengths.len, err));
done:
    qv__buffer_free(&lengths);
    return st;
}

qv_status qv__level_put(qv__level_codec codec, const uint16_t *levels, size_t n, qv__buffer *out, qv_error *err)
{
    switch (codec.form) {
    case QV__LEVELS_INLINE:
        return qv__inline_pack(16, levels, n, out, err);
    case QV__LEVELS_PACKED:
        return qv__outofline_pack(16, codec.width, levels, n, out, err);
    case QV__LEVELS_RUNS:
        return put_runs(levels, n, out, err);
    default:
        return qv__buffer_append(out, levels, 2 * n, err);
    }
}

qv__enc *qv__level_enc(qv__layout *layout, qv__level_codec codec)
{
    switch (codec.form) {
    case QV__LEVELS_INLINE:
        return qv__enc_inline(layout, 16);
    case QV__LEVELS_PACKED:
        return qv__enc_outofline(layout, 16, codec.width);
    case QV__LEVELS_RUNS:
        return qv__enc_rle(layout, 16);
    default:
        return qv__enc_flat(layout, 16);
    }
}
