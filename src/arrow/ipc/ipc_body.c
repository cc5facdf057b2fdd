/* Compression of single body buffers. A claimed length is only a ceiling: memory grows with what really comes out. */
#include <lz4frame.h>
#include <zstd.h>

#include "arrow/ipc/ipc_private.h"

enum { FIRST_OUTPUT = 64 << 10, GROWTH = 16 };

/* Room for more output, at most up to the claimed length. */
static qv_status more_room(qv__buffer *out, size_t claimed, size_t packed, qv_error *err)
{
    size_t room = out->capacity - out->len,
           wanted = out->len ? out->len : QV_MAX(packed * GROWTH, (size_t) FIRST_OUTPUT);

    if (out->len == claimed)
        return qv__ipc_corrupt(err, "a compressed buffer is longer than it says");
    if (room > 0)
        return QV_OK;
    return qv__buffer_reserve(out, QV_MIN(wanted, claimed - out->len), err);
}

static size_t room_of(const qv__buffer *out, size_t claimed) { return QV_MIN(out->capacity, claimed) - out->len; }

static qv_status unpack_zstd(const uint8_t *packed, size_t n, size_t claimed, qv__buffer *out, qv_error *err)
{
    qv_status st = QV_OK;
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer in = { packed, n, 0 };
    size_t left = 1;

    if (!stream)
        return qv__fail_nomem(err, n);
    while (left != 0) {
        size_t before = in.pos + out->len;
        ZSTD_outBuffer to;

        if (out->len < claimed)
            QV_CHECK(more_room(out, claimed, n, err));
        to = (ZSTD_outBuffer){ out->data + out->len, room_of(out, claimed), 0 };
        left = ZSTD_decompressStream(stream, &to, &in);
        if (ZSTD_isError(left))
            QV_CHECK(qv__fail(err, QV_CORRUPT, "Arrow IPC: zstd: %s", ZSTD_getErrorName(left)));
        out->len += to.pos;
        if (left != 0 && in.pos + out->len == before)
            QV_CHECK(qv__ipc_corrupt(err, "a zstd buffer ends early, or is longer than it says"));
    }
    if (in.pos != n)
        QV_CHECK(qv__ipc_corrupt(err, "bytes behind a zstd buffer"));
done:
    ZSTD_freeDStream(stream);
    return st;
}

static qv_status unpack_lz4(const uint8_t *packed, size_t n, size_t claimed, qv__buffer *out, qv_error *err)
{
    qv_status st = QV_OK;
    LZ4F_dctx *context = NULL;
    size_t at = 0, left = 1;

    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
        return qv__fail_nomem(err, n);
    while (left != 0) {
        size_t taken = n - at, given;

        if (out->len < claimed)
            QV_CHECK(more_room(out, claimed, n, err));
        given = room_of(out, claimed);
        left = LZ4F_decompress(context, out->data + out->len, &given, packed + at, &taken, NULL);
        if (LZ4F_isError(left))
            QV_CHECK(qv__fail(err, QV_CORRUPT, "Arrow IPC: lz4: %s", LZ4F_getErrorName(left)));
        out->len += given;
        at += taken;
        if (left != 0 && given == 0 && taken == 0)
            QV_CHECK(qv__ipc_corrupt(err, "an lz4 buffer ends early, or is longer than it says"));
    }
    if (at != n)
        QV_CHECK(qv__ipc_corrupt(err, "bytes behind an lz4 buffer"));
done:
    LZ4F_freeDecompressionContext(context);
    return st;
}

qv_status qv__ipc_decompress(qv__bytes packed, qv__ipc_codec codec, qv__bytes *out, qv_error *err)
{
    qv_status st = QV_OK;
    int64_t claimed;
    qv__buffer plain;
    size_t len;
    uint8_t *block;

    if (packed.len < 8)
        return qv__ipc_corrupt(err, "a compressed buffer without its length");
    claimed = (int64_t) qv__load_u64(packed.data);
    if (claimed == -1) {
        *out = qv__bytes_slice(packed, 8, packed.len - 8);
        return QV_OK;
    }
    if (claimed < 0 || (uint64_t) claimed > PTRDIFF_MAX)
        return qv__fail(err, QV_CORRUPT, "Arrow IPC: a buffer of %lld bytes", (long long) claimed);
    qv__buffer_init(&plain, QV_MAX((size_t) claimed, 1));
    QV_CHECK(qv__buffer_reserve(&plain, QV_MIN(QV_MAX((size_t) claimed, 1), (size_t) FIRST_OUTPUT), err));
    if (codec == QV_IPC_ZSTD)
        QV_CHECK(unpack_zstd(packed.data + 8, packed.len - 8, (size_t) claimed, &plain, err));
    else
        QV_CHECK(unpack_lz4(packed.data + 8, packed.len - 8, (size_t) claimed, &plain, err));
    if (plain.len != (size_t) claimed)
        QV_CHECK(
            qv__fail(err, QV_CORRUPT, "Arrow IPC: a buffer of %lld bytes holds %zu", (long long) claimed, plain.len));
    block = qv__buffer_detach(&plain, &len);
    QV_CHECK(qv__bytes_adopt(block, len, out, err));
done:
    qv__buffer_free(&plain);
    return st;
}

qv_status qv__ipc_compress(const uint8_t *bytes, size_t n, qv__ipc_codec codec, qv__buffer *out, qv_error *err)
{
    size_t bound = codec == QV_IPC_ZSTD ? ZSTD_compressBound(n) : LZ4F_compressFrameBound(n, NULL), start = out->len,
           len;
    uint8_t head[8];

    qv__store_u64(head, n);
    QV_TRY(qv__buffer_append(out, head, sizeof head, err));
    QV_TRY(qv__buffer_reserve(out, bound, err));
    if (codec == QV_IPC_ZSTD) {
        len = ZSTD_compress(out->data + out->len, bound, bytes, n, 1);
        if (ZSTD_isError(len))
            return qv__fail_nomem(err, bound);
    } else {
        len = LZ4F_compressFrame(out->data + out->len, bound, bytes, n, NULL);
        if (LZ4F_isError(len))
            return qv__fail_nomem(err, bound);
    }
    if (len < n) {
        out->len += len;
        return QV_OK;
    }
    qv__store_u64(out->data + start, UINT64_MAX);
    return qv__buffer_append(out, bytes, n, err);
}
