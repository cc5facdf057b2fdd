/* Mini-block pages of fixed-width values: numbers, bools, decimals, dictionary indices. For 8 to 64 bits the page is measured
 * (how many runs, how many bits per group of 1024) and the smallest of runs, bit packing and plain values is taken. General
 * compression, where asked for, is tried on a sample against that. */
#include "codec/codec.h"
#include "file/write/fixed_private.h"

#define CHUNK_BYTES    8186 /* plain chunks stay below */
#define CHUNK_VALUES   4096
#define CHUNK_COST     24    /* head, padding and word of a chunk */
#define GENERAL_BYTES  65536 /* of a compressed chunk, 2.2 */
#define GENERAL_BYTES1 16384 /* 2.1 */
#define SAMPLE_BYTES   262144
#define RUNS_BYTES     16000 /* of a chunk in 2.1 */

static size_t floor_power(size_t n) { return (size_t) 1 << (63 - __builtin_clzll(n)); }

/* The largest power of two of values within `bytes`, at least 2. */
static size_t values_within(size_t bytes, unsigned bits, size_t most)
{
    size_t n = bytes * 8 / bits;
    return n < 2 ? 2 : QV_MIN(floor_power(n), most);
}

size_t qv__fixed_take(void *ctx, size_t at, size_t left)
{
    const qv__fixed_coder *coder = ctx;
    QV_UNUSED(at);
    return QV_MIN(left, coder->chunk_values);
}

static qv_status put_plain(const qv__fixed_coder *coder, size_t at, size_t n, qv__buffer *out, qv_error *err)
{
    const qv__values *v = coder->values;
    if (v->bits != 1)
        return qv__buffer_append(out, v->data + at * (v->bits / 8), n * (v->bits / 8), err);
    size_t bytes = qv__bitmap_bytes(n), before = out->len;
    QV_TRY(qv__buffer_append_zeros(out, bytes, err));
    qv__bitmap_copy(out->data + before, 0, v->data, at, n);
    return QV_OK;
}

static qv_status put_split(const qv__fixed_coder *coder, size_t at, size_t n, qv__buffer *out, qv_error *err)
{
    const qv__values *v = coder->values;
    size_t bytes = n * (v->bits / 8);
    QV_TRY(qv__buffer_reserve(out, bytes, err));
    qv__bss_encode((int) v->bits, v->data + at * (v->bits / 8), n, out->data + out->len);
    out->len += bytes;
    return QV_OK;
}

static qv_status put_inner(const qv__fixed_coder *coder, size_t at, size_t n, qv__buffer *out, qv_error *err)
{
    const qv__values *v = coder->values;
    const uint8_t *from = v->data + at * (v->bits / 8);
    switch (coder->form) {
    case QV__FIXED_RUNS:
        return qv__rle_encode((int) v->bits, from, n, &out[0], &out[1], err);
    case QV__FIXED_PACKED:
        return qv__inline_pack((int) v->bits, from, n, out, err);
    case QV__FIXED_SPLIT:
        return put_split(coder, at, n, out, err);
    default:
        return put_plain(coder, at, n, out, err);
    }
}

qv_status qv__fixed_put(void *ctx, size_t at, size_t n, qv__buffer *out, qv_error *err)
{
    qv__fixed_coder *coder = ctx;
    if (!coder->scheme)
        return put_inner(coder, at, n, out, err);
    coder->scratch.len = 0;
    QV_TRY(put_inner(coder, at, n, &coder->scratch, err));
    return qv__compress(coder->scheme, coder->level, coder->scratch.data, coder->scratch.len, out, err);
}

static qv__enc *form_enc(qv__layout *layout, const qv__fixed_coder *coder)
{
    unsigned bits = coder->values->bits;
    qv__enc *enc;
    switch (coder->form) {
    case QV__FIXED_RUNS:
        enc = qv__enc_rle(layout, bits);
        break;
    case QV__FIXED_PACKED:
        enc = qv__enc_inline(layout, bits);
        break;
    case QV__FIXED_SPLIT:
        enc = qv__enc_split(layout, bits);
        break;
    default:
        enc = qv__enc_flat(layout, bits);
        break;
    }
    return coder->scheme ? qv__enc_general(layout, coder->scheme, coder->level, enc) : enc;
}

/* ------------------------------------------------------------------ measuring */

static bool is_word(unsigned bits) { return bits == 8 || bits == 16 || bits == 32 || bits == 64; }

static size_t plain_size(const qv__values *v, size_t chunk_values)
{
    return v->n * v->bits / 8 + (v->n / chunk_values + 1) * CHUNK_COST;
}

static size_t packed_size(const qv__values *v)
{
    size_t total = 0, width = v->bits / 8;
    for (size_t at = 0; at < v->n; at += QV_PACK_GROUP) {
        size_t n = QV_MIN(v->n - at, (size_t) QV_PACK_GROUP);
        total += width + 128 * qv__bits_needed((int) v->bits, v->data + at * width, n) + CHUNK_COST;
    }
    return total;
}

/* 2.1: the most values per chunk whose runs leave room for levels. */
static size_t runs_within(const qv__values *v)
{
    size_t chunk = CHUNK_VALUES, width = v->bits / 8;
    for (size_t at = 0; at < v->n;) {
        size_t n = QV_MIN(v->n - at, chunk);
        if (chunk > 1024 && qv__rle_runs((int) v->bits, v->data + at * width, n) * (width + 1) > RUNS_BYTES) {
            chunk /= 2;
            at = 0;
        } else {
            at += n;
        }
    }
    return chunk;
}

/* Chooses among the cheap forms; returns the page's size. */
static size_t choose_cheap(const qv__page_job *job, const qv__values *v, qv__fixed_coder *coder)
{
    bool large = job->column->version.minor >= 2;
    coder->form = QV__FIXED_PLAIN;
    coder->chunk_values = values_within(CHUNK_BYTES, v->bits, v->bits == 1 ? 4 * CHUNK_VALUES : CHUNK_VALUES);
    size_t best = plain_size(v, coder->chunk_values);
    if (!job->column->tuning.cheap || !is_word(v->bits) || job->column->tuning.compression == QV__COMPRESS_NONE)
        return best;
    size_t runs_chunk = large ? 16384 : runs_within(v);
    size_t packed = packed_size(v), runs = qv__rle_runs((int) v->bits, v->data, v->n) * (v->bits / 8 + 1) +
                                           (v->n / runs_chunk + 1) * (CHUNK_COST + 8);
    if (runs < best && runs < packed) {
        coder->form = QV__FIXED_RUNS;
        coder->chunk_values = runs_chunk;
        return runs;
    }
    if (packed < best) {
        coder->form = QV__FIXED_PACKED;
        coder->chunk_values = QV_PACK_GROUP;
        return packed;
    }
    return best;
}

/* The page's size with general compression of this form, from chunks spread over the page. */
static qv_status try_general(qv__fixed_coder *coder, size_t *size, qv_error *err)
{
    const qv__values *v = coder->values;
    size_t chunks = (v->n + coder->chunk_values - 1) / coder->chunk_values, raw = 0, coded = 0;
    size_t chunk_bytes = QV_MAX(coder->chunk_values * v->bits / 8, 1);
    size_t step = QV_MAX(chunks / QV_MAX(SAMPLE_BYTES / chunk_bytes, 1), 1);
    qv_status st = QV_OK;
    qv__buffer out;
    qv__buffer_init(&out, SIZE_MAX);
    for (size_t i = 0; i < chunks; i += step) {
        size_t at = i * coder->chunk_values, n = QV_MIN(v->n - at, coder->chunk_values);
        out.len = 0;
        QV_CHECK(qv__fixed_put(coder, at, n, &out, err));
        raw += n;
        coded += out.len + CHUNK_COST;
    }
    *size = (size_t) ((double) coded * (double) v->n / (double) raw);
done:
    qv__buffer_free(&out);
    return st;
}

static qv_status choose_general(const qv__page_job *job, qv__fixed_coder *coder, size_t best, qv_error *err)
{
    const qv__write_tuning *tuning = &job->column->tuning;
    unsigned bits = coder->values->bits;
    size_t cheap_chunk = coder->chunk_values;
    size_t chunk = values_within(job->column->version.minor >= 2 ? GENERAL_BYTES : GENERAL_BYTES1, bits, 16384);
    qv__fixed_form winner = coder->form;
    bool wins = false;
    if (tuning->compression != QV__COMPRESS_ZSTD && tuning->compression != QV__COMPRESS_LZ4)
        return QV_OK;
    coder->scheme = tuning->compression == QV__COMPRESS_ZSTD ? QV_SCHEME_ZSTD : QV_SCHEME_LZ4;
    coder->level = tuning->compression == QV__COMPRESS_ZSTD ? tuning->level : 0;
    coder->chunk_values = chunk;
    for (int split = 0; split < (bits == 32 || bits == 64 ? 2 : 1); split++) {
        size_t size;
        coder->form = split ? QV__FIXED_SPLIT : QV__FIXED_PLAIN;
        QV_TRY(try_general(coder, &size, err));
        if (size < best) {
            best = size;
            winner = coder->form;
            wins = true;
        }
    }
    coder->form = winner;
    if (!wins) {
        coder->scheme = 0;
        coder->chunk_values = cheap_chunk;
    }
    return QV_OK;
}

qv_status qv__fixed_coder_choose(const qv__page_job *job, const qv__values *values, qv__fixed_coder *coder,
                                 size_t *size, qv_error *err)
{
    *coder = (qv__fixed_coder){ .values = values };
    qv__buffer_init(&coder->scratch, SIZE_MAX);
    *size = choose_cheap(job, values, coder);
    if (job->column->tuning.split && (values->bits == 32 || values->bits == 64)) {
        coder->form = QV__FIXED_SPLIT;
        coder->chunk_values = values_within(CHUNK_BYTES, values->bits, CHUNK_VALUES);
    }
    return choose_general(job, coder, *size, err);
}

void qv__fixed_coder_clear(qv__fixed_coder *coder) { qv__buffer_free(&coder->scratch); }

qv__chunker qv__fixed_chunker(const qv__page_job *job, qv__fixed_coder *coder)
{
    return (qv__chunker){ .n_buffers = coder->form == QV__FIXED_RUNS ? 2 : 1,
                          .encoding = form_enc(job->layout, coder),
                          .take = qv__fixed_take,
                          .put = qv__fixed_put,
                          .ctx = coder };
}

qv_status qv__fixed_page(const qv__page_job *job, const qv__values *values, bool *too_sparse, qv_error *err)
{
    qv_status st = QV_OK;
    qv__fixed_coder coder;
    size_t size;
    bool done = false;
    QV_CHECK(qv__fixed_coder_choose(job, values, &coder, &size, err));
    if (values->bits == 64 || values->bits == 128)
        QV_CHECK(qv__dictionary_page(job, values, size, &done, too_sparse, err));
    if (done || *too_sparse)
        goto done;
    qv__chunker chunker = qv__fixed_chunker(job, &coder);
    QV_CHECK(qv__miniblock_page(job, &chunker, values->n, too_sparse, err));
done:
    qv__fixed_coder_clear(&coder);
    return st;
}
