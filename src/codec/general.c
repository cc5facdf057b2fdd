/* General compression with Lance's length prefix: zstd as `u64 length | frame`, lz4 as `u32 length | raw block`. A zstd frame
 * without the prefix is accepted too; the two are told apart as the format says. */
#include "codec/codec.h"

#include <limits.h>

#include <lz4.h>
#include <zstd.h>

#include "base/bytes.h"

/* The most that one input byte can stand for: lz4 length bytes add 255; a zstd block of 4 bytes holds 128 KiB. */
#define LZ4_MOST  255
#define ZSTD_MOST 65536

static bool is_bare_frame(const uint8_t *bytes, size_t len)
{
    return len < 8 || (qv__load_u32(bytes) == 0xFD2FB528u && !(bytes[4] & 0x10));
}

static qv_status check_claim(const char *scheme, uint64_t claim, size_t len, size_t max_len, uint64_t most,
                             qv_error *err)
{
    if (claim > max_len)
        return qv__fail(err, QV_CORRUPT, "%s block claims %llu bytes, at most %zu can be there", scheme,
                        (unsigned long long) claim, max_len);
    if (claim / most > len)
        return qv__fail(err, QV_CORRUPT, "%s block of %zu bytes claims %llu bytes", scheme, len,
                        (unsigned long long) claim);
    return QV_OK;
}

/* A frame that does not tell its size: grows by steps up to max_len. */
static qv_status zstd_stream(const uint8_t *frame, size_t len, size_t max_len, qv__buffer *out, qv_error *err)
{
    qv_status st = QV_OK;
    size_t before = out->len, left = 1;
    ZSTD_inBuffer in = { frame, len, 0 };
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (!context)
        return qv__fail_nomem(err, 0);
    while (left != 0) {
        size_t done = out->len - before, step = QV_MIN((size_t) 1 << 17, max_len - done) + 1;
        QV_CHECK(qv__buffer_reserve(out, step, err));
        ZSTD_outBuffer to = { out->data + out->len, step, 0 };
        size_t in_before = in.pos;
        left = ZSTD_decompressStream(context, &to, &in);
        out->len += to.pos;
        if (ZSTD_isError(left))
            QV_CHECK(qv__fail(err, QV_CORRUPT, "zstd block: %s", ZSTD_getErrorName(left)));
        if (out->len - before > max_len)
            QV_CHECK(qv__fail(err, QV_CORRUPT, "zstd block holds more than %zu bytes", max_len));
        if (left != 0 && to.pos == 0 && in.pos == in_before)
            QV_CHECK(qv__fail(err, QV_CORRUPT, "zstd block of %zu bytes is cut short", len));
    }
    if (in.pos != len)
        st = qv__fail(err, QV_CORRUPT, "zstd block has %zu bytes after its frame", len - in.pos);
done:
    ZSTD_freeDCtx(context);
    if (st != QV_OK)
        out->len = before;
    return st;
}

static qv_status zstd_read(const uint8_t *bytes, size_t len, size_t max_len, qv__buffer *out, qv_error *err)
{
    bool bare = is_bare_frame(bytes, len);
    const uint8_t *frame = bare ? bytes : bytes + 8;
    size_t frame_len = bare ? len : len - 8;
    unsigned long long claim = bare ? ZSTD_getFrameContentSize(frame, frame_len) : qv__load_u64(bytes);

    if (bare && claim == ZSTD_CONTENTSIZE_ERROR)
        return qv__fail(err, QV_CORRUPT, "zstd block of %zu bytes has no frame", len);
    if (bare && claim == ZSTD_CONTENTSIZE_UNKNOWN)
        return zstd_stream(frame, frame_len, max_len, out, err);
    QV_TRY(check_claim("zstd", claim, len, max_len, ZSTD_MOST, err));
    if (claim == 0)
        return QV_OK;
    QV_TRY(qv__buffer_reserve(out, (size_t) claim, err));
    size_t got = ZSTD_decompress(out->data + out->len, (size_t) claim, frame, frame_len);
    if (ZSTD_isError(got))
        return qv__fail(err, QV_CORRUPT, "zstd block: %s", ZSTD_getErrorName(got));
    if (got != claim)
        return qv__fail(err, QV_CORRUPT, "zstd block holds %zu bytes, not %llu", got, claim);
    out->len += got;
    return QV_OK;
}

static qv_status lz4_read(const uint8_t *bytes, size_t len, size_t max_len, qv__buffer *out, qv_error *err)
{
    if (len < 4)
        return qv__fail(err, QV_CORRUPT, "lz4 block of %zu bytes has no length", len);
    uint32_t claim = qv__load_u32(bytes);
    if (len > INT_MAX || claim > INT_MAX)
        return qv__fail(err, QV_CORRUPT, "lz4 block of %zu bytes claims %u bytes", len, claim);
    QV_TRY(check_claim("lz4", claim, len, max_len, LZ4_MOST, err));
    if (claim == 0)
        return QV_OK;
    QV_TRY(qv__buffer_reserve(out, claim, err));
    int got = LZ4_decompress_safe((const char *) bytes + 4, (char *) out->data + out->len, (int) len - 4, (int) claim);
    if (got < 0 || (uint32_t) got != claim)
        return qv__fail(err, QV_CORRUPT, "lz4 block does not hold the %u bytes that it claims", claim);
    out->len += (size_t) got;
    return QV_OK;
}

qv_status qv__decompress(qv__scheme scheme, const uint8_t *bytes, size_t len, size_t max_len, qv__buffer *out,
                         qv_error *err)
{
    if (scheme != QV_SCHEME_LZ4 && scheme != QV_SCHEME_ZSTD)
        return qv__fail(err, QV_UNSUPPORTED, "compression scheme %d", (int) scheme);
    if (len == 0)
        return QV_OK;
    return scheme == QV_SCHEME_ZSTD ? zstd_read(bytes, len, max_len, out, err)
                                    : lz4_read(bytes, len, max_len, out, err);
}

static qv_status zstd_write(int level, const uint8_t *bytes, size_t len, qv__buffer *out, qv_error *err)
{
    QV_TRY(qv__buffer_reserve(out, 8 + ZSTD_compressBound(len), err));
    uint8_t *to = out->data + out->len;
    qv__store_u64(to, len);
    size_t got = ZSTD_compress(to + 8, ZSTD_compressBound(len), bytes, len, level);
    if (ZSTD_isError(got))
        return qv__fail(err, QV_NOMEM, "zstd cannot compress %zu bytes: %s", len, ZSTD_getErrorName(got));
    out->len += 8 + got;
    return QV_OK;
}

static qv_status lz4_write(const uint8_t *bytes, size_t len, qv__buffer *out, qv_error *err)
{
    if (len > LZ4_MAX_INPUT_SIZE)
        return qv__fail(err, QV_UNSUPPORTED, "lz4 cannot compress a block of %zu bytes", len);
    int bound = LZ4_compressBound((int) len);
    QV_TRY(qv__buffer_reserve(out, 4 + (size_t) bound, err));
    uint8_t *to = out->data + out->len;
    qv__store_u32(to, (uint32_t) len);
    int got = LZ4_compress_default((const char *) bytes, (char *) to + 4, (int) len, bound);
    if (got <= 0)
        return qv__fail(err, QV_NOMEM, "lz4 cannot compress %zu bytes", len);
    out->len += 4 + (size_t) got;
    return QV_OK;
}

qv_status qv__compress(qv__scheme scheme, int level, const uint8_t *bytes, size_t len, qv__buffer *out, qv_error *err)
{
    if (len == 0) /* an empty input is an empty output */
        return QV_OK;
    return scheme == QV_SCHEME_ZSTD ? zstd_write(level, bytes, len, out, err) : lz4_write(bytes, len, out, err);
}
