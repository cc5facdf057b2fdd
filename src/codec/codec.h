/* Byte-level codecs of Lance pages, both directions. They know numbers and bytes, not Arrow and not pages.
 * Every decoder takes foreign bytes: lengths are checked before use, failures are QV_CORRUPT, output sizes are the
 * caller's. `bits` is the width of a value: 8, 16, 32 or 64. */
#ifndef QV_CODEC_CODEC_H
#define QV_CODEC_CODEC_H

#include "base/buffer.h"
#include "base/owner.h"

/* --- FastLanes bit packing: groups of 1024 values (Afroozeh & Boncz, "The FastLanes Compression Layout", VLDB 2023) --- */
#define QV_PACK_GROUP 1024
/* Bytes of a packed group: 128 * width. */
void qv__pack_group(int bits, unsigned width, const void *values, void *packed);   /* 1024 values in */
void qv__unpack_group(int bits, unsigned width, const void *packed, void *values); /* 1024 values out */
/* One value of a packed group, for random access. */
uint64_t qv__unpack_one(int bits, unsigned width, const void *packed, unsigned index);
unsigned qv__bits_needed(int bits, const void *values, size_t n); /* widest value, 0..bits */
/* "Inline": a word with the width, then one group. n <= 1024. */
qv_status qv__inline_unpack(int bits, const uint8_t *bytes, size_t len, size_t n, void *values, qv_error *err);
/* Values [at, at + count) of such a block of n alone: cheaper for a few of them than the whole group. */
qv_status qv__inline_pick(int bits, const uint8_t *bytes, size_t len, size_t n, size_t at, size_t count, void *values,
                          qv_error *err);
qv_status qv__inline_pack(int bits, const void *values, size_t n, qv__buffer *out, qv_error *err);
/* "Out of line": width known elsewhere, any n; a short last group is raw or packed, told by the size. */
qv_status qv__outofline_unpack(int bits, unsigned width, const uint8_t *bytes, size_t len, size_t n, void *values,
                               qv_error *err);
qv_status qv__outofline_pack(int bits, unsigned width, const void *values, size_t n, qv__buffer *out, qv_error *err);

/* --- runs: values of `bits`, lengths u8 1..255; surplus values are cut off, too few is QV_CORRUPT --- */
qv_status qv__rle_decode(int bits, const uint8_t *run_values, size_t values_len, const uint8_t *run_lengths,
                         size_t n_runs, size_t n, void *values, qv_error *err);
qv_status qv__rle_encode(int bits, const void *values, size_t n, qv__buffer *run_values, qv__buffer *run_lengths,
                         qv_error *err);
size_t qv__rle_runs(int bits, const void *values, size_t n); /* u8 runs that encoding would give */

/* --- byte stream split: all first bytes, all second bytes, ... --- */
void qv__bss_decode(int bits, const uint8_t *bytes, size_t n, void *values);
void qv__bss_encode(int bits, const void *values, size_t n, uint8_t *bytes);

/* --- FSST (Boncz, Neumann, Leis: "FSST: Fast Random Access String Compression", VLDB 2020) --- */
#define QV_FSST_TABLE_BYTES 2312
typedef struct qv__fsst_decoder {
    bool coded; /* false: strings are stored verbatim */
    uint8_t lengths[256];
    uint64_t symbols[256];
} qv__fsst_decoder;
qv_status qv__fsst_decoder_init(qv__fsst_decoder *decoder, const uint8_t *table, size_t len, qv_error *err);
/* Decodes one string; *out_len <= 8 * len. `out` needs 8 * len + 8 bytes of room. */
qv_status qv__fsst_decode(const qv__fsst_decoder *decoder, const uint8_t *bytes, size_t len, uint8_t *out,
                          size_t *out_len, qv_error *err);
typedef struct qv__fsst_encoder qv__fsst_encoder;
/* Learns symbols from a sample of n strings (offsets has n + 1 entries); deterministic. */
qv_status qv__fsst_train(const uint8_t *bytes, const int64_t *offsets, size_t n, qv__fsst_encoder **out, qv_error *err);
void qv__fsst_encoder_free(qv__fsst_encoder *encoder);
void qv__fsst_table(const qv__fsst_encoder *encoder, uint8_t table[QV_FSST_TABLE_BYTES]);
/* Encodes one string; `out` needs 2 * len + 8 bytes; returns the coded length. */
size_t qv__fsst_encode(const qv__fsst_encoder *encoder, const uint8_t *bytes, size_t len, uint8_t *out);

/* --- general compression with Lance's length prefix --- */
typedef enum qv__scheme { QV_SCHEME_LZ4 = 1, QV_SCHEME_ZSTD = 2 } qv__scheme;
/* max_len bounds what the bytes may claim to be. Appends to `out`. */
qv_status qv__decompress(qv__scheme scheme, const uint8_t *bytes, size_t len, size_t max_len, qv__buffer *out,
                         qv_error *err);
qv_status qv__compress(qv__scheme scheme, int level, const uint8_t *bytes, size_t len, qv__buffer *out, qv_error *err);

#endif
