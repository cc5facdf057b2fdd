/* General compression: round trips, Lance's framing, bare frames, hostile claims. */
#include "qvt.h"

#include <lz4.h>
#include <zstd.h>

#include "base/bytes.h"
#include "codec/codec.h"

static void fill(uint8_t *bytes, size_t n, bool random, qvt_rng *rng)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = random ? (uint8_t) qvt_rng_next(rng) : (uint8_t) (i / 100);
}

static void round_trips(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    qvt_rng rng = qvt_rng_seeded();
    static uint8_t bytes[300000];
    const size_t sizes[] = { 0, 1, 7, 8, 9, 100, 4096, 300000 };
    for (int scheme = QV_SCHEME_LZ4; scheme <= QV_SCHEME_ZSTD; scheme++)
        for (size_t s = 0; s < QV_COUNT_OF(sizes); s++)
            for (int random = 0; random < 2; random++) {
                size_t n = sizes[s];
                fill(bytes, n, random, &rng);
                qv__buffer out, back;
                qv__buffer_init(&out, 1 << 24);
                qv__buffer_init(&back, 1 << 24);
                QVT_OK(qv__buffer_append(&back, "x", 1, &err)); /* appends */
                QVT_OK(qv__compress(scheme, 3, bytes, n, &out, &err));
                if (n == 0)
                    assert_int_equal(out.len, 0);
                else
                    assert_int_equal(scheme == QV_SCHEME_ZSTD ? qv__load_u64(out.data) : qv__load_u32(out.data), n);
                QVT_OK(qv__decompress(scheme, out.data, out.len, n, &back, &err));
                assert_int_equal(back.len, n + 1);
                assert_memory_equal(back.data + 1, bytes, n);
                if (n > 100 && !random) {
                    assert_true(out.len < n);
                    back.len = 0;
                    QVT_FAILS(qv__decompress(scheme, out.data, out.len, n - 1, &back, &err), QV_CORRUPT, "claims");
                    QVT_FAILS(qv__decompress(scheme, out.data, out.len - 1, n, &back, &err), QV_CORRUPT, "block");
                    assert_int_equal(back.len, 0);
                }
                qv__buffer_free(&out);
                qv__buffer_free(&back);
            }
}

/* with the content size in the frame, and without (streaming) */
static void bare_frames(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    static uint8_t bytes[300000], frame[300000];
    fill(bytes, sizeof bytes, false, NULL);
    for (int with_size = 0; with_size < 2; with_size++) {
        ZSTD_CCtx *context = ZSTD_createCCtx();
        ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, with_size);
        ZSTD_inBuffer in = { bytes, sizeof bytes, 0 };
        ZSTD_outBuffer to = { frame, sizeof frame, 0 };
        ZSTD_CCtx_setPledgedSrcSize(context, sizeof bytes);
        assert_int_equal(ZSTD_compressStream2(context, &to, &in, ZSTD_e_end), 0);
        ZSTD_freeCCtx(context);
        qv__buffer back;
        qv__buffer_init(&back, 1 << 24);
        QVT_OK(qv__decompress(QV_SCHEME_ZSTD, frame, to.pos, sizeof bytes, &back, &err));
        assert_int_equal(back.len, sizeof bytes);
        assert_memory_equal(back.data, bytes, sizeof bytes);
        back.len = 0;
        QVT_FAILS(qv__decompress(QV_SCHEME_ZSTD, frame, to.pos, 1000, &back, &err), QV_CORRUPT, "zstd block");
        QVT_FAILS(qv__decompress(QV_SCHEME_ZSTD, frame, to.pos - 3, sizeof bytes, &back, &err), QV_CORRUPT, "zstd");
        qv__buffer_free(&back);
    }
}

static void hostile_claims(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    uint8_t bytes[16] = { 0 };
    qv__buffer back;
    qv__buffer_init(&back, SIZE_MAX);
    qv__store_u64(bytes, UINT64_C(1) << 40);
    QVT_FAILS(qv__decompress(QV_SCHEME_ZSTD, bytes, 16, SIZE_MAX, &back, &err), QV_CORRUPT, "claims");
    QVT_FAILS(qv__decompress(QV_SCHEME_ZSTD, bytes, 3, SIZE_MAX, &back, &err), QV_CORRUPT, "zstd");
    qv__store_u32(bytes, 0x7FFFFFFF);
    QVT_FAILS(qv__decompress(QV_SCHEME_LZ4, bytes, 16, SIZE_MAX, &back, &err), QV_CORRUPT, "claims");
    qv__store_u32(bytes, 0xFFFFFFFF);
    QVT_FAILS(qv__decompress(QV_SCHEME_LZ4, bytes, 16, SIZE_MAX, &back, &err), QV_CORRUPT, "claims");
    QVT_FAILS(qv__decompress(QV_SCHEME_LZ4, bytes, 3, SIZE_MAX, &back, &err), QV_CORRUPT, "length");
    QVT_FAILS(qv__decompress((qv__scheme) 7, bytes, 3, SIZE_MAX, &back, &err), QV_UNSUPPORTED, "scheme 7");
    assert_int_equal(back.len, 0);
    qv__buffer_free(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(bare_frames),
        cmocka_unit_test(hostile_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
