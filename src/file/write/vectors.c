/* Pages of vectors: fixed-size lists of numbers. Full-zip, so that a page without null rows is the bare matrix; mini-blocks
 * for what full-zip cannot hold (bits that do not fill bytes), for short vectors inside lists, and for general compression. */
#include "codec/codec.h"
#include "file/write/write_private.h"

#define SHORT_BYTES    256
#define CHUNK_BYTES    8186
#define GENERAL_BYTES  262144 /* of a compressed chunk, 2.2 */
#define GENERAL_BYTES1 16384  /* 2.1 */
#define SAMPLES        3

typedef struct vector_coder {
    const qv__values *values;
    size_t chunk_values;
    qv__scheme scheme; /* 0: none */
    int level;
    qv__buffer scratch;
} vector_coder;

static size_t take_vectors(void *ctx, size_t at, size_t left)
{
    const vector_coder *c = ctx;
    QV_UNUSED(at);
    return QV_MIN(left, c->chunk_values);
}

static qv_status put_bits(const uint8_t *bits, size_t at, size_t n, qv__buffer *out, qv_error *err)
{
    size_t before = out->len;
    QV_TRY(qv__buffer_append_zeros(out, qv__bitmap_bytes(n), err));
    qv__bitmap_copy(out->data + before, 0, bits, at, n);
    return QV_OK;
}

static qv_status put_items(vector_coder *c, size_t at, size_t n, qv__buffer *out, qv_error *err)
{
    const qv__values *v = c->values;
    size_t items = (size_t) v->items, width = v->bits / 8;
    if (v->bits == 1)
        return put_bits(v->data, at * items, n * items, out, err);
    const uint8_t *from = v->data + at * items * width;
    if (c->scheme)
        return qv__compress(c->scheme, c->level, from, n * items * width, out, err);
    return qv__buffer_append(out, from, n * items * width, err);
}

/* A bitmap for each dimension with null items, then the items. */
static qv_status put_vectors(void *ctx, size_t at, size_t n, qv__buffer *out, qv_error *err)
{
    vector_coder *c = ctx;
    size_t per_row = 1;
    for (unsigned d = 0; d < c->values->n_dims; d++) {
        per_row *= c->values->dims[d];
        if (c->values->item_valid[d])
            QV_TRY(put_bits(c->values->item_valid[d], at * per_row, n * per_row, out++, err));
    }
    return put_items(c, at, n, out, err);
}

static bool has_null_items(const qv__values *v)
{
    for (unsigned d = 0; d < v->n_dims; d++)
        if (v->item_valid[d])
            return true;
    return false;
}

static size_t row_bytes(const qv__values *v) { return (size_t) ((v->items * v->bits + 7) / 8); }

static size_t values_within(size_t bytes, size_t row)
{
    size_t n = bytes / QV_MAX(row, 1);
    return n < 2 ? 2 : QV_MIN((size_t) 1 << (63 - __builtin_clzll(n)), (size_t) 16384);
}

/* Does general compression pay? Looks at chunks spread over the page. */
static qv_status try_general(const qv__page_job *job, vector_coder *c, bool *pays, qv_error *err)
{
    const qv__write_tuning *tuning = &job->column->tuning;
    const qv__values *v = c->values;
    bool large = job->column->version.minor >= 2;
    size_t chunk = values_within(large ? GENERAL_BYTES : GENERAL_BYTES1, row_bytes(v)), raw = 0, coded = 0;
    qv_status st = QV_OK;
    qv__buffer out;
    *pays = false;
    if ((tuning->compression != QV__COMPRESS_ZSTD && tuning->compression != QV__COMPRESS_LZ4) || v->bits < 8 ||
        has_null_items(v) || (!large && row_bytes(v) > GENERAL_BYTES1 / 2))
        return QV_OK;
    c->scheme = tuning->compression == QV__COMPRESS_ZSTD ? QV_SCHEME_ZSTD : QV_SCHEME_LZ4;
    c->level = tuning->compression == QV__COMPRESS_ZSTD ? tuning->level : 0;
    qv__buffer_init(&out, SIZE_MAX);
    for (size_t i = 0; i < SAMPLES; i++) {
        size_t at = v->n / SAMPLES * i, n = QV_MIN(v->n - at, chunk);
        QV_CHECK(put_items(c, at, n, &out, err));
        raw += n * row_bytes(v);
    }
    coded = out.len;
    *pays = coded < raw - raw / 20;
    if (*pays)
        c->chunk_values = chunk;
    else
        c->scheme = 0;
done:
    qv__buffer_free(&out);
    return st;
}

static qv_status put_miniblocks(const qv__page_job *job, vector_coder *c, bool *too_sparse, qv_error *err)
{
    const qv__values *v = c->values;
    qv__chunker chunker = { .n_buffers = 1, .take = take_vectors, .put = put_vectors, .ctx = c };
    chunker.encoding = qv__enc_flat(job->layout, v->bits);
    for (unsigned d = v->n_dims; d-- > 0;) {
        chunker.encoding = qv__enc_list(job->layout, v->dims[d], chunker.encoding, v->item_valid[d] != NULL);
        chunker.n_buffers += v->item_valid[d] != NULL;
    }
    if (c->scheme)
        chunker.encoding = qv__enc_general(job->layout, c->scheme, c->level, chunker.encoding);
    return qv__miniblock_page(job, &chunker, v->n, too_sparse, err);
}

qv_status qv__vector_page(const qv__page_job *job, const qv__values *values, bool *too_sparse, qv_error *err)
{
    const qv__write_tuning *tuning = &job->column->tuning;
    vector_coder coder = { .values = values, .chunk_values = values_within(CHUNK_BYTES, row_bytes(values)) };
    bool small = row_bytes(values) < SHORT_BYTES, compressed;
    /* bits do not fit full-zip unless each row fills whole bytes and has no null item */
    bool cannot_zip = values->bits == 1 && (values->items % 8 != 0 || has_null_items(values));
    QV_TRY(try_general(job, &coder, &compressed, err));
    if (cannot_zip || compressed || (!tuning->fullzip && small && (tuning->miniblock || job->walk->n_lists)))
        return put_miniblocks(job, &coder, too_sparse, err);
    return qv__fullzip_fixed(job, values, err);
}
