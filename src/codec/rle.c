/* Run-length coding: one array of run values, one of u8 run lengths; runs longer than 255 are split. */
#include "codec/codec.h"

#define QV_CAT_(a, b) a##b
#define QV_CAT(a, b)  QV_CAT_(a, b)

typedef uint8_t word8;
typedef uint16_t __attribute__((aligned(1), may_alias)) word16;
typedef uint32_t __attribute__((aligned(1), may_alias)) word32;
typedef uint64_t __attribute__((aligned(1), may_alias)) word64;

#define T    8
#define WORD word8
#include "codec/rle_tmpl.h"
#define T    16
#define WORD word16
#include "codec/rle_tmpl.h"
#define T    32
#define WORD word32
#include "codec/rle_tmpl.h"
#define T    64
#define WORD word64
#include "codec/rle_tmpl.h"

qv_status qv__rle_decode(int bits, const uint8_t *run_values, size_t values_len, const uint8_t *run_lengths,
                         size_t n_runs, size_t n, void *values, qv_error *err)
{
    bool enough;
    if (values_len / ((size_t) bits / 8) != n_runs || values_len % ((size_t) bits / 8) != 0)
        return qv__fail(err, QV_CORRUPT, "run-length block has %zu run lengths and %zu bytes of %d-bit run values",
                        n_runs, values_len, bits);
    switch (bits) {
    case 8:
        enough = decode_runs8(run_values, run_lengths, n_runs, n, values);
        break;
    case 16:
        enough = decode_runs16((const word16 *) run_values, run_lengths, n_runs, n, values);
        break;
    case 32:
        enough = decode_runs32((const word32 *) run_values, run_lengths, n_runs, n, values);
        break;
    default:
        enough = decode_runs64((const word64 *) run_values, run_lengths, n_runs, n, values);
        break;
    }
    if (!enough)
        return qv__fail(err, QV_CORRUPT, "run-length block: %zu runs hold fewer than %zu values", n_runs, n);
    return QV_OK;
}

size_t qv__rle_runs(int bits, const void *values, size_t n)
{
    switch (bits) {
    case 8:
        return count_runs8(values, n);
    case 16:
        return count_runs16(values, n);
    case 32:
        return count_runs32(values, n);
    default:
        return count_runs64(values, n);
    }
}

qv_status qv__rle_encode(int bits, const void *values, size_t n, qv__buffer *run_values, qv__buffer *run_lengths,
                         qv_error *err)
{
    size_t runs = qv__rle_runs(bits, values, n);
    QV_TRY(qv__buffer_reserve(run_values, runs * (size_t) bits / 8, err));
    QV_TRY(qv__buffer_reserve(run_lengths, runs, err));
    uint8_t *to = run_values->data + run_values->len, *lengths = run_lengths->data + run_lengths->len;
    if (runs == 0)
        return QV_OK;
    switch (bits) {
    case 8:
        encode_runs8(values, n, to, lengths);
        break;
    case 16:
        encode_runs16(values, n, (word16 *) to, lengths);
        break;
    case 32:
        encode_runs32(values, n, (word32 *) to, lengths);
        break;
    default:
        encode_runs64(values, n, (word64 *) to, lengths);
        break;
    }
    run_values->len += runs * (size_t) bits / 8;
    run_lengths->len += runs;
    return QV_OK;
}
