/* Quantizers as auxiliary.idx tells them: "storage_metadata", which is a JSON array of one string of JSON, and global buffers. */
#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "file/message.h"
#include "index/vector/vector_private.h"

#define KEY        "storage_metadata"
#define MOST_BYTES ((size_t) 1 << 30)

/* ------------------------------------------------------------------ the description */

typedef struct description {
    qv__file *file;
    qv__metadata_value value;
} description;

static qv_status broken(qv_error *err, const char *what)
{
    return qv__fail(err, QV_CORRUPT, "auxiliary.idx: " KEY ": %s", what);
}

static qv_status description_read(qv__file *file, description *d, qv_error *err)
{
    qv__metadata_value outer;
    qv__jsonb_value string;
    qv__jsonb_children children;

    d->file = file;
    QV_TRY(qv__metadata_of_file(file, KEY, &outer, err));
    qv_status st;
    if (qv__jsonb_children_of(&outer.root, &children) && qv__jsonb_next(&children, &string) &&
        qv__metadata_is(&string, QV_JSONB_STRING))
        st = qv__metadata_json(KEY, string.data, string.len, &d->value, err);
    else
        st = broken(err, "not an array of a string");
    qv__metadata_value_clear(&outer);
    return st;
}

static bool find(const description *d, const char *key, qv__jsonb_value *out)
{
    return qv__metadata_member(&d->value.root, key, out);
}

static qv_status read_number(const description *d, const char *key, uint64_t *out, qv_error *err)
{
    return qv__metadata_number(&d->value.root, key, out, err);
}

static bool read_flag(const description *d, const char *key)
{
    qv__jsonb_value value;

    return find(d, key, &value) && qv__metadata_is(&value, QV_JSONB_TRUE);
}

static bool has_text(const description *d, const char *key, const char *text)
{
    const char *found;
    size_t len;

    return qv__metadata_text(&d->value.root, key, &found, &len) && len == strlen(text) && memcmp(found, text, len) == 0;
}

/* An array of bytes as numbers. *out is the caller's; NULL: no such member. */
static qv_status read_bytes(const description *d, const char *key, uint8_t **out, size_t *len, qv_error *err)
{
    qv__jsonb_value value, item;
    qv__jsonb_children children;
    uint64_t byte;

    *out = NULL;
    *len = 0;
    if (!find(d, key, &value) || qv__metadata_is(&value, QV_JSONB_NULL))
        return QV_OK;
    if (!qv__jsonb_array_length(&value, len) || !qv__jsonb_children_of(&value, &children))
        return broken(err, "bytes are no array");
    QV_TRY(QV_NEW(out, *len, err));
    for (size_t i = 0; i < *len; i++) {
        if (!qv__jsonb_next(&children, &item) || !qv__jsonb_u64(&item, &byte) || byte > 255)
            return broken(err, "an item is no byte");
        (*out)[i] = (uint8_t) byte;
    }
    return QV_OK;
}

static qv_status check_dim(const description *d, const char *key, size_t dim, qv_error *err)
{
    uint64_t stored = dim;

    QV_TRY(read_number(d, key, &stored, err));
    return stored == dim ? QV_OK
                         : qv__fail(err, QV_CORRUPT, "auxiliary.idx: codes of %" PRIu64 " dimensions, centroids of %zu",
                                    stored, dim);
}

/* ------------------------------------------------------------------ FLAT, SQ */

static qv_status read_flat(const description *d, qv_metric metric, qv__element element, size_t dim, qv__quantizer **out,
                           qv_error *err)
{
    QV_TRY(check_dim(d, "dim", element == QV_EL_BITS ? dim / 8 : dim, err));
    return qv__flat_new(dim, element, metric, out, err);
}

static qv_status read_sq(const description *d, qv_metric metric, size_t dim, qv__quantizer **out, qv_error *err)
{
    qv__jsonb_value bounds, start, end;
    uint64_t bits = 8;
    double low, high;

    QV_TRY(check_dim(d, "dim", dim, err));
    QV_TRY(read_number(d, "num_bits", &bits, err));
    if (bits != 8)
        return qv__fail(err, QV_UNSUPPORTED, "auxiliary.idx: scalar quantization to %" PRIu64 " bits", bits);
    if (!find(d, "bounds", &bounds) || !qv__metadata_member(&bounds, "start", &start) ||
        !qv__metadata_member(&bounds, "end", &end) || !qv__metadata_double(&start, &low) ||
        !qv__metadata_double(&end, &high) || low > high)
        return broken(err, "no bounds");
    return qv__sq_new(dim, low, high, metric, out, err);
}

/* ------------------------------------------------------------------ PQ */

/* In a global buffer, or (older files) as an array of bytes. *keep owns what *out points to. */
static qv_status read_codebook(const description *d, qv__arena *arena, qv__bytes *keep, uint8_t **array,
                               qv__tensor *out, qv_error *err)
{
    uint64_t position = 0;
    size_t len;

    QV_TRY(read_number(d, "codebook_position", &position, err));
    if (position) {
        QV_TRY(qv__file_global_buffer(d->file, position, keep, err));
        qv__arena_init(arena, qv__message_limit(keep->len));
        return qv__tensor_parse(keep->data, keep->len, arena, out, err);
    }
    QV_TRY(read_bytes(d, "codebook_tensor", array, &len, err));
    if (!*array)
        return broken(err, "no codebook");
    qv__arena_init(arena, qv__message_limit(len));
    return qv__tensor_parse(*array, len, arena, out, err);
}

static qv_status make_pq(const description *d, const qv__tensor *codebook, qv_metric metric, size_t dim,
                         qv__quantizer **out, qv_error *err)
{
    uint64_t bits = 8, m = 0;
    float *values;

    QV_TRY(check_dim(d, "dimension", dim, err));
    QV_TRY(read_number(d, "nbits", &bits, err));
    QV_TRY(read_number(d, "num_sub_vectors", &m, err));
    if (bits != 4 && bits != 8)
        return qv__fail(err, QV_UNSUPPORTED, "auxiliary.idx: product quantization to %" PRIu64 " bits", bits);
    if (m == 0 || m > dim || dim % m != 0 || (bits == 4 && m % 2 != 0) ||
        codebook->rows * codebook->columns != (dim << bits))
        return qv__fail(err, QV_CORRUPT,
                        "auxiliary.idx: %zu dimensions in %" PRIu64 " parts with a codebook of %zu x %zu", dim, m,
                        codebook->rows, codebook->columns);
    QV_TRY(qv__tensor_floats(codebook, &values, err));
    qv_status st = qv__pq_new(values, dim, (size_t) m, (unsigned) bits, metric, out, err);
    qv__free(values);
    return st;
}

static qv_status read_pq(const description *d, qv_metric metric, size_t dim, qv__quantizer **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__arena arena = { 0 };
    qv__bytes keep = { 0 };
    uint8_t *array = NULL;
    qv__tensor codebook;

    QV_CHECK(read_codebook(d, &arena, &keep, &array, &codebook, err));
    QV_CHECK(make_pq(d, &codebook, metric, dim, out, err));
done:
    qv__arena_reset(&arena);
    qv__bytes_unref(&keep);
    qv__free(array);
    return st;
}

/* ------------------------------------------------------------------ RQ */

/* *matrix is the caller's. */
static qv_status read_rotation(const description *d, size_t dim, float **matrix, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t position = 0;
    qv__arena arena = { 0 };
    qv__bytes bytes = { 0 };
    qv__tensor tensor;

    QV_TRY(read_number(d, "rotate_mat_position", &position, err));
    if (!position)
        return broken(err, "no rotation");
    QV_CHECK(qv__file_global_buffer(d->file, position, &bytes, err));
    qv__arena_init(&arena, qv__message_limit(bytes.len));
    QV_CHECK(qv__tensor_parse(bytes.data, bytes.len, &arena, &tensor, err));
    if (tensor.rows != dim || tensor.columns != dim)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "auxiliary.idx: rotation of %zu x %zu for %zu dimensions", tensor.rows,
                          tensor.columns, dim));
    QV_CHECK(qv__tensor_floats(&tensor, matrix, err));
done:
    qv__arena_reset(&arena);
    qv__bytes_unref(&bytes);
    return st;
}

static qv_status make_rq(const description *d, qv__rabitq_shape *shape, uint8_t **signs, float **matrix,
                         qv__quantizer **out, qv_error *err)
{
    uint64_t code_dim = 0, bits = 1;
    size_t n_signs;

    QV_TRY(read_number(d, "code_dim", &code_dim, err));
    QV_TRY(read_number(d, "num_bits", &bits, err));
    if ((code_dim && code_dim != shape->dim) || shape->dim % 8 != 0 || bits < 1 || bits > 9)
        return qv__fail(err, QV_CORRUPT,
                        "auxiliary.idx: RaBitQ codes of %" PRIu64 " bits in %" PRIu64 " dimensions over %zu", bits,
                        code_dim, shape->dim);
    shape->bits = (unsigned) bits;
    shape->rotation = has_text(d, "rotation_type", "fast") ? QV_ROTATION_FAST : QV_ROTATION_MATRIX;
    shape->is_packed = read_flag(d, "packed");
    shape->is_residual_query = !has_text(d, "query_estimator", "raw_query");
    if (shape->is_residual_query && bits > 1)
        return qv__fail(err, QV_UNSUPPORTED, "auxiliary.idx: RaBitQ codes of %" PRIu64 " bits in the old form", bits);
    if (shape->rotation == QV_ROTATION_FAST) {
        QV_TRY(read_bytes(d, "fast_rotation_signs", signs, &n_signs, err));
        if (n_signs != 4 * ((shape->dim + 7) / 8))
            return qv__fail(err, QV_CORRUPT, "auxiliary.idx: %zu bytes of signs for %zu dimensions", n_signs,
                            shape->dim);
        shape->signs = *signs;
    } else {
        QV_TRY(read_rotation(d, shape->dim, matrix, err));
        shape->matrix = *matrix;
    }
    return qv__rabitq_new(shape, out, err);
}

static qv_status read_rq(const description *d, qv_metric metric, size_t dim, qv__quantizer **out, qv_error *err)
{
    const qv__schema *schema = qv__file_schema(d->file);
    qv__rabitq_shape shape = { .dim = dim,
                               .metric = metric,
                               .has_errors = qv__schema_find(schema, "__error_factors") >= 0,
                               .is_blocked = qv__schema_find(schema, "__ex_codes") < 0 };
    uint8_t *signs = NULL;
    float *matrix = NULL;

    qv_status st = make_rq(d, &shape, &signs, &matrix, out, err);
    qv__free(signs);
    qv__free(matrix);
    return st;
}

qv_status qv__code_storage_read(qv__file *file, qv__code_kind kind, qv_metric metric, qv__element element, size_t dim,
                                qv__code_storage *out, qv_error *err)
{
    qv_status st = QV_OK;
    description d;

    *out = (qv__code_storage){ 0 };
    QV_TRY(description_read(file, &d, err));
    switch (kind) {
    case QV_CODE_FLAT:
        QV_CHECK(read_flat(&d, metric, element, dim, &out->quantizer, err));
        break;
    case QV_CODE_SQ:
        QV_CHECK(read_sq(&d, metric, dim, &out->quantizer, err));
        break;
    case QV_CODE_PQ:
        QV_CHECK(read_pq(&d, metric, dim, &out->quantizer, err));
        out->is_plain = !read_flag(&d, "transposed");
        break;
    default:
        QV_CHECK(read_rq(&d, metric, dim, &out->quantizer, err));
        break;
    }
done:
    qv__metadata_value_clear(&d.value);
    return st == QV_INVALID ? qv__fail_in(err, QV_CORRUPT, "auxiliary.idx") : st;
}

/* ------------------------------------------------------------------ writing */

static qv_status add_tensor(qv__file_writer *writer, const float *values, size_t rows, size_t columns,
                            qv__element element, uint32_t *number, qv_error *err)
{
    qv_status st = QV_OK;
    qv__tensor tensor;
    uint8_t *data = NULL;
    qv__buffer bytes;

    qv__buffer_init(&bytes, MOST_BYTES);
    QV_CHECK(qv__tensor_of_floats(values, rows, columns, element, &tensor, &data, err));
    QV_CHECK(qv__tensor_pack(&tensor, &bytes, err));
    QV_CHECK(qv__file_writer_add_buffer(writer, bytes.data, bytes.len, number, err));
done:
    qv__free(data);
    qv__buffer_free(&bytes);
    return st;
}

static qv_status describe_pq(qv__file_writer *writer, const qv__vector_model *model, qv__buffer *text, qv_error *err)
{
    uint32_t position;
    unsigned bits;
    size_t m;
    const float *codebook = qv__pq_codebook(model->quantizer, &m, &bits);

    QV_TRY(add_tensor(writer, codebook, (size_t) 1 << bits, model->dim, model->element, &position, err));
    return qv__buffer_printf(text, err,
                             "{\"codebook_position\":%" PRIu32 ",\"nbits\":%u,\"num_sub_vectors\":%zu,"
                             "\"dimension\":%zu,\"codebook_tensor\":[],\"transposed\":true}",
                             position, bits, m, model->dim);
}

static qv_status describe_sq(const qv__vector_model *model, qv__buffer *text, qv_error *err)
{
    double low, high;

    qv__sq_bounds(model->quantizer, &low, &high);
    return qv__buffer_printf(text, err, "{\"dim\":%zu,\"num_bits\":8,\"bounds\":{\"start\":%.17g,\"end\":%.17g}}",
                             model->dim, low, high);
}

static qv_status describe_rq(qv__file_writer *writer, const qv__vector_model *model, qv__buffer *text, qv_error *err)
{
    const qv__rabitq_shape *shape = qv__rabitq_shape_of(model->quantizer);
    bool is_fast = shape->rotation == QV_ROTATION_FAST;
    uint32_t position;

    if (is_fast) {
        QV_TRY(qv__buffer_printf(text, err, "{\"rotate_mat_position\":null,\"fast_rotation_signs\":["));
        for (size_t i = 0; i < 4 * ((shape->dim + 7) / 8); i++)
            QV_TRY(qv__buffer_printf(text, err, "%s%u", i ? "," : "", shape->signs[i]));
        QV_TRY(qv__buffer_printf(text, err, "],"));
    } else {
        QV_TRY(add_tensor(writer, shape->matrix, shape->dim, shape->dim, QV_EL_F32, &position, err));
        QV_TRY(qv__buffer_printf(text, err, "{\"rotate_mat_position\":%" PRIu32 ",", position));
    }
    return qv__buffer_printf(
        text, err,
        "\"rotation_type\":\"%s\",\"code_dim\":%zu,\"num_bits\":%u,\"packed\":%s,\"query_estimator\":\"%s\"}",
        is_fast ? "fast" : "matrix", shape->dim, shape->bits, shape->is_packed ? "true" : "false",
        shape->is_residual_query ? "residual_query" : "raw_query");
}

static qv_status describe(qv__file_writer *writer, const qv__vector_model *model, qv__buffer *text, qv_error *err)
{
    switch (model->kind->code) {
    case QV_CODE_PQ:
        return describe_pq(writer, model, text, err);
    case QV_CODE_SQ:
        return describe_sq(model, text, err);
    case QV_CODE_RQ:
        return describe_rq(writer, model, text, err);
    default:
        return qv__buffer_printf(text, err, "{\"dim\":%zu}",
                                 model->element == QV_EL_BITS ? model->dim / 8 : model->dim);
    }
}

qv_status qv__code_storage_write(qv__file_writer *writer, const qv__vector_model *model, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer text, quoted;

    qv__buffer_init(&text, MOST_BYTES);
    qv__buffer_init(&quoted, MOST_BYTES);
    QV_CHECK(describe(writer, model, &text, err));
    QV_CHECK(qv__buffer_append(&quoted, "[", 1, err));
    QV_CHECK(qv__json_quote((const char *) text.data, text.len, &quoted, err));
    QV_CHECK(qv__buffer_append(&quoted, "]", 2, err)); /* with the zero byte */
    QV_CHECK(qv__file_writer_set_metadata(writer, KEY, (const char *) quoted.data, err));
done:
    qv__buffer_free(&text);
    qv__buffer_free(&quoted);
    return st;
}
