/* Pages of strings and binaries: a dictionary if it pays, else FSST for text that gains from it, else plain; short values in
 * mini-blocks, long ones in full-zip, very long ones compressed one by one. */
#include "base/alloc.h"
#include "codec/codec.h"
#include "file/write/write_private.h"

#define SHORT_BYTES    256 /* values below go to mini-blocks */
#define CHUNK_BYTES    8192
#define GENERAL_BYTES  65536 /* of a compressed chunk, 2.2 */
#define GENERAL_BYTES1 16384 /* 2.1 */
#define MOST_VALUES    16384
#define FSST_LEAST     32768 /* bytes of text */
#define FSST_LONGEST   5
#define SAMPLE_BYTES   65536
#define LONG_BYTES     32768 /* values above are compressed one by one */

typedef struct string_coder {
    const qv__values *values; /* coded ones, if FSST is used */
    size_t chunk_bytes;
    qv__scheme scheme; /* 0: none */
    int level;
    qv__buffer scratch;
} string_coder;

static size_t span(const qv__values *v, size_t at, size_t n) { return (size_t) (v->offsets[at + n] - v->offsets[at]); }

/* Doubles the count while the chunk stays within its bytes. */
static size_t take_strings(void *ctx, size_t at, size_t left)
{
    const string_coder *c = ctx;
    size_t width = c->values->offset_bits / 8, n = 2;
    if (left <= MOST_VALUES && span(c->values, at, left) + left * width <= c->chunk_bytes)
        return left;
    while (2 * n <= left && 2 * n <= MOST_VALUES && span(c->values, at, 2 * n) + 2 * n * width <= c->chunk_bytes)
        n *= 2;
    return QV_MIN(n, left);
}

/* n + 1 offsets from the buffer's start, then the bytes, padded to the offsets' width. */
static qv_status put_strings(const qv__values *v, size_t at, size_t n, qv__buffer *out, qv_error *err)
{
    size_t width = v->offset_bits / 8, head = (n + 1) * width, bytes = span(v, at, n);
    size_t total = (size_t) qv__round_up(head + bytes, width);
    QV_TRY(qv__buffer_reserve(out, total, err));
    uint8_t *to = out->data + out->len;
    int64_t shift = (int64_t) head - v->offsets[at];
    for (size_t i = 0; i <= n; i++) {
        uint64_t offset = (uint64_t) (v->offsets[at + i] + shift);
        if (width == 4)
            qv__store_u32(to + 4 * i, (uint32_t) offset);
        else
            qv__store_u64(to + 8 * i, offset);
    }
    if (bytes)
        memcpy(to + head, v->data + v->offsets[at], bytes);
    memset(to + head + bytes, 0x48, total - head - bytes);
    out->len += total;
    return QV_OK;
}

static qv_status put_chunk(void *ctx, size_t at, size_t n, qv__buffer *out, qv_error *err)
{
    string_coder *c = ctx;
    if (!c->scheme)
        return put_strings(c->values, at, n, out, err);
    c->scratch.len = 0;
    QV_TRY(put_strings(c->values, at, n, &c->scratch, err));
    return qv__compress(c->scheme, c->level, c->scratch.data, c->scratch.len, out, err);
}

/* ------------------------------------------------------------------ FSST */

/* Coded bytes per 1000 raw ones, from strings spread over the page. */
static qv_status measure_fsst(const qv__fsst_encoder *encoder, const qv__values *v, size_t *per_mille, qv_error *err)
{
    size_t step = QV_MAX((size_t) v->offsets[v->n] / SAMPLE_BYTES, 1), raw = 1, coded = 0;
    uint8_t *out = qv__alloc(2 * v->longest + 8, 1);
    if (!out)
        return qv__fail_nomem(err, 2 * v->longest + 8);
    for (size_t i = 0; i < v->n && raw < 4 * SAMPLE_BYTES; i += step) {
        size_t len = span(v, i, 1);
        coded += qv__fsst_encode(encoder, v->data + v->offsets[i], len, out);
        raw += len;
    }
    qv__free(out);
    *per_mille = coded * 1000 / raw;
    return QV_OK;
}

static qv_status code_all(const qv__fsst_encoder *encoder, const qv__values *v, qv__values *out, qv_error *err)
{
    int64_t *offsets = NULL;
    uint8_t *data = NULL;
    size_t at = 0;
    *out = (qv__values){ .n = v->n, .offset_bits = v->offset_bits, .valid = v->valid, .items = 1 };
    QV_TRY(qv__values_own(out, (v->n + 1) * sizeof *offsets, &offsets, err));
    QV_TRY(qv__values_own(out, 2 * (size_t) v->offsets[v->n] + 8, &data, err));
    offsets[0] = 0;
    for (size_t i = 0; i < v->n; i++) {
        size_t len = qv__fsst_encode(encoder, v->data + v->offsets[i], span(v, i, 1), data + at);
        at += len;
        out->longest = QV_MAX(out->longest, len);
        offsets[i + 1] = (int64_t) at;
    }
    out->offsets = offsets;
    out->data = data;
    return QV_OK;
}

static bool may_have_fsst(const qv__page_job *job, const qv__values *v)
{
    const qv__write_tuning *tuning = &job->column->tuning;
    qv__type_id id = qv__column_field(job->column)->type->id;
    if (tuning->compression == QV__COMPRESS_FSST)
        return v->offsets[v->n] > 0;
    return tuning->cheap && (tuning->compression == QV__COMPRESS_AUTO || tuning->compression == QV__COMPRESS_ZSTD) &&
           (id == QV_TYPE_UTF8 || id == QV_TYPE_LARGE_UTF8) && v->longest >= FSST_LONGEST &&
           v->offsets[v->n] >= FSST_LEAST;
}

/* *encoder stays NULL when FSST does not pay; *size becomes what the bytes will take. */
static qv_status learn(const qv__page_job *job, const qv__values *v, qv__fsst_encoder **encoder, size_t *size,
                       qv_error *err)
{
    qv_status st = QV_OK;
    qv__fsst_encoder *e = NULL;
    size_t per_mille = 0, raw = (size_t) v->offsets[v->n];
    *size = raw;
    if (!may_have_fsst(job, v))
        return QV_OK;
    QV_CHECK(qv__fsst_train(v->data, v->offsets, v->n, &e, err));
    QV_CHECK(measure_fsst(e, v, &per_mille, err));
    size_t coded = (size_t) ((double) raw * (double) per_mille / 1000) + QV_FSST_TABLE_BYTES;
    if (job->column->tuning.compression == QV__COMPRESS_FSST || coded < raw - raw / 20) {
        *size = coded;
        *encoder = e;
        e = NULL;
    }
done:
    qv__fsst_encoder_free(e);
    return st;
}

/* ------------------------------------------------------------------ general compression */

static bool scheme_of(const qv__write_tuning *tuning, qv__scheme *scheme, int *level)
{
    *scheme = tuning->compression == QV__COMPRESS_LZ4 ? QV_SCHEME_LZ4 : QV_SCHEME_ZSTD;
    *level = tuning->compression == QV__COMPRESS_ZSTD ? tuning->level : 0;
    return tuning->compression == QV__COMPRESS_LZ4 || tuning->compression == QV__COMPRESS_ZSTD;
}

/* What the page takes when its chunks are compressed, offsets included. */
static qv_status measure_general(string_coder *c, size_t *size, qv_error *err)
{
    const qv__values *v = c->values;
    size_t raw = 1, coded = 0, at = 0, total = (size_t) v->offsets[v->n] + v->n * (v->offset_bits / 8);
    size_t skip = total / c->chunk_bytes / 4;
    qv_status st = QV_OK;
    qv__buffer out;
    qv__buffer_init(&out, SIZE_MAX);
    while (at < v->n) {
        size_t n = take_strings(c, at, v->n - at);
        out.len = 0;
        QV_CHECK(put_chunk(c, at, n, &out, err));
        raw += span(v, at, n) + n * (v->offset_bits / 8);
        coded += out.len + 24;
        at += n * (skip + 1);
    }
    *size = (size_t) ((double) coded * (double) total / (double) raw);
done:
    qv__buffer_free(&out);
    return st;
}

/* ------------------------------------------------------------------ pages */

static qv_status put_miniblocks(const qv__page_job *job, string_coder *coder, const qv__fsst_encoder *encoder,
                                bool *too_sparse, qv_error *err)
{
    uint8_t table[QV_FSST_TABLE_BYTES];
    qv__enc *enc = qv__enc_variable(job->layout, coder->values->offset_bits);
    if (encoder) {
        qv__fsst_table(encoder, table);
        enc = qv__enc_fsst(job->layout, table, enc);
    }
    if (coder->scheme)
        enc = qv__enc_general(job->layout, coder->scheme, coder->level, enc);
    qv__chunker chunker = { .n_buffers = 1, .encoding = enc, .take = take_strings, .put = put_chunk, .ctx = coder };
    return qv__miniblock_page(job, &chunker, coder->values->n, too_sparse, err);
}

/* Each value compressed by itself. */
static qv_status compress_values(const qv__values *v, qv__scheme scheme, int level, qv__values *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer bytes;
    int64_t *offsets = NULL;
    *out = (qv__values){ .n = v->n, .offset_bits = v->offset_bits, .items = 1 };
    qv__buffer_init(&bytes, SIZE_MAX);
    QV_CHECK(qv__values_own(out, (v->n + 1) * sizeof *offsets, &offsets, err));
    offsets[0] = 0;
    for (size_t i = 0; i < v->n; i++) {
        QV_CHECK(qv__compress(scheme, level, v->data + v->offsets[i], span(v, i, 1), &bytes, err));
        offsets[i + 1] = (int64_t) bytes.len;
    }
    out->offsets = offsets;
    out->own[out->n_own++] = bytes.data;
    out->data = bytes.data;
    qv__buffer_init(&bytes, SIZE_MAX);
done:
    qv__buffer_free(&bytes);
    return st;
}

/* The reference cannot read a value without bytes, null ones included, when the scheme is lz4. */
static bool lz4_reads(const qv__values *v)
{
    if (v->valid)
        return false;
    for (size_t i = 0; i < v->n; i++)
        if (span(v, i, 1) == 0)
            return false;
    return true;
}

static qv_status put_fullzip(const qv__page_job *job, const qv__values *v, const qv__fsst_encoder *encoder,
                             qv_error *err)
{
    const qv__write_tuning *tuning = &job->column->tuning;
    qv_status st = QV_OK;
    qv__values coded = { 0 };
    uint8_t table[QV_FSST_TABLE_BYTES];
    qv__enc *enc = qv__enc_variable(job->layout, v->offset_bits);
    qv__scheme scheme;
    int level;
    bool asked = scheme_of(tuning, &scheme, &level);
    if (scheme == QV_SCHEME_LZ4 && !lz4_reads(v))
        scheme = QV_SCHEME_ZSTD;
    bool by_value = asked || (tuning->compression == QV__COMPRESS_AUTO && tuning->cheap && v->longest > LONG_BYTES);
    if (by_value) {
        QV_CHECK(compress_values(v, scheme, level, &coded, err));
        enc = qv__enc_general(job->layout, scheme, level, enc);
        if (coded.offsets[v->n] < v->offsets[v->n]) {
            QV_CHECK(qv__fullzip_strings(job, &coded, enc, err));
            goto done;
        }
        enc = qv__enc_variable(job->layout, v->offset_bits);
    }
    if (encoder) {
        qv__fsst_table(encoder, table);
        qv__values_clear(&coded);
        QV_CHECK(code_all(encoder, v, &coded, err));
        QV_CHECK(qv__fullzip_strings(job, &coded, qv__enc_fsst(job->layout, table, enc), err));
        goto done;
    }
    QV_CHECK(qv__fullzip_strings(job, v, enc, err));
done:
    qv__values_clear(&coded);
    return st;
}

static qv_status put_short(const qv__page_job *job, const qv__values *v, const qv__fsst_encoder *encoder, size_t rival,
                           bool *too_sparse, qv_error *err)
{
    bool large = job->column->version.minor >= 2, done = false;
    string_coder coder = { .values = v, .chunk_bytes = large ? GENERAL_BYTES : GENERAL_BYTES1 };
    qv_status st = QV_OK;
    qv__values coded = { 0 };
    size_t general = SIZE_MAX;
    qv__buffer_init(&coder.scratch, SIZE_MAX);
    if (scheme_of(&job->column->tuning, &coder.scheme, &coder.level))
        QV_CHECK(measure_general(&coder, &general, err));
    QV_CHECK(qv__dictionary_page(job, v, QV_MIN(rival, general), &done, too_sparse, err));
    if (done || *too_sparse)
        goto done;
    if (general >= rival) {
        coder.scheme = 0;
        coder.chunk_bytes = CHUNK_BYTES;
    } else {
        encoder = NULL;
    }
    if (encoder) {
        QV_CHECK(code_all(encoder, v, &coded, err));
        coder.values = &coded;
    }
    QV_CHECK(put_miniblocks(job, &coder, encoder, too_sparse, err));
done:
    qv__buffer_free(&coder.scratch);
    qv__values_clear(&coded);
    return st;
}

qv_status qv__string_page(const qv__page_job *job, const qv__values *values, bool *too_sparse, qv_error *err)
{
    const qv__write_tuning *tuning = &job->column->tuning;
    qv_status st = QV_OK;
    qv__fsst_encoder *encoder = NULL;
    size_t rival;
    bool done = false;
    bool is_short =
        (values->longest < SHORT_BYTES || (tuning->miniblock && values->longest < CHUNK_BYTES)) && !tuning->fullzip;
    QV_CHECK(learn(job, values, &encoder, &rival, err));
    rival += values->n * (values->offset_bits / 8);
    if (is_short) {
        QV_CHECK(put_short(job, values, encoder, rival, too_sparse, err));
        goto done;
    }
    if (!tuning->fullzip)
        QV_CHECK(qv__dictionary_page(job, values, rival, &done, too_sparse, err));
    if (!done && !*too_sparse)
        QV_CHECK(put_fullzip(job, values, encoder, err));
done:
    qv__fsst_encoder_free(encoder);
    return st;
}
