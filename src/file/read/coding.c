/* CompressiveEncoding messages become small trees, checked once: what a coding may stand on, and whether it gives the values
 * that the field's type needs. Behind this point a coding's numbers are sound. */
#include <inttypes.h>

#include "file/lance_schema.h"
#include "file/message.h"
#include "file/read/read_private.h"

static const char *const kind_names[] = {
    [QV_CODING_FLAT] = "flat",
    [QV_CODING_VARIABLE] = "variable",
    [QV_CODING_CONSTANT] = "constant",
    [QV_CODING_OUT_OF_LINE] = "bitpacked",
    [QV_CODING_INLINE] = "bitpacked",
    [QV_CODING_FSST] = "fsst",
    [QV_CODING_RLE] = "rle",
    [QV_CODING_BSS] = "byte_stream_split",
    [QV_CODING_GENERAL] = "general",
    [QV_CODING_VECTOR] = "fixed_size_list",
    [QV_CODING_PACKED] = "packed_struct",
    [QV_CODING_VARIABLE_PACKED] = "variable_packed_struct",
};

static bool is_word(uint64_t bits) { return bits == 8 || bits == 16 || bits == 32 || bits == 64; }

static qv_status bad_bits(const char *what, uint64_t bits, qv_error *err)
{
    return qv__fail(err, QV_CORRUPT, "%s encoding of %" PRIu64 " bits", what, bits);
}

/* ------------------------------------------------------------------ messages -> codings */

static qv_status parse(const Lance__File__CompressiveEncoding *message, unsigned depth, qv__arena *arena,
                       const qv__coding **out, qv_error *err);

/* The width of a Flat message, which is all that some encodings may stand on. */
static qv_status flat_bits(const Lance__File__CompressiveEncoding *message, const char *what, uint64_t *out,
                           qv_error *err)
{
    if (!message || !message->flat)
        return qv__fail(err, QV_UNSUPPORTED, "%s encoding over something else than flat", what);
    *out = message->flat->bits_per_value;
    return QV_OK;
}

static qv_status parse_variable(const Lance__File__Variable *message, qv__coding *c, qv_error *err)
{
    uint64_t bits = 0;

    QV_TRY(flat_bits(message->offsets, "variable", &bits, err));
    if (bits != 32 && bits != 64)
        return bad_bits("variable", bits, err);
    c->kind = QV_CODING_VARIABLE;
    c->bits = (unsigned) bits;
    return QV_OK;
}

static qv_status parse_out_of_line(const Lance__File__OutOfLineBitpacking *message, qv__coding *c, qv_error *err)
{
    uint64_t packed = 0;

    QV_TRY(flat_bits(message->values, "bitpacked", &packed, err));
    if (!is_word(message->uncompressed_bits) || packed > message->uncompressed_bits)
        return bad_bits("bitpacked", message->uncompressed_bits, err);
    c->kind = QV_CODING_OUT_OF_LINE;
    c->bits = (unsigned) message->uncompressed_bits;
    c->packed_bits = (unsigned) packed;
    return QV_OK;
}

static qv_status parse_fsst(const Lance__File__Fsst *message, unsigned depth, qv__arena *arena, qv__coding *c,
                            qv_error *err)
{
    qv__fsst_decoder *decoder = qv__arena_alloc(arena, 1, sizeof *decoder);

    if (!decoder)
        return qv__fail_nomem(err, sizeof *decoder);
    QV_TRY(qv__fsst_decoder_init(decoder, message->symbol_table.data, message->symbol_table.len, err));
    QV_TRY(parse(message->values, depth + 1, arena, &c->inner, err));
    c->kind = QV_CODING_FSST;
    c->fsst = decoder;
    return QV_OK;
}

static qv_status parse_rle(const Lance__File__Rle *message, qv__coding *c, qv_error *err)
{
    uint64_t bits = 0, length_bits = 0;

    QV_TRY(flat_bits(message->values, "rle", &bits, err));
    QV_TRY(flat_bits(message->run_lengths, "rle", &length_bits, err));
    if (!is_word(bits))
        return bad_bits("rle", bits, err);
    if (length_bits != 8)
        return qv__fail(err, QV_UNSUPPORTED, "rle encoding with run lengths of %" PRIu64 " bits", length_bits);
    c->kind = QV_CODING_RLE;
    c->bits = (unsigned) bits;
    return QV_OK;
}

static qv_status parse_general(const Lance__File__General *message, unsigned depth, qv__arena *arena, qv__coding *c,
                               qv_error *err)
{
    int32_t scheme = message->compression ? message->compression->scheme : 0;

    if (scheme != QV_SCHEME_LZ4 && scheme != QV_SCHEME_ZSTD)
        return qv__fail(err, QV_UNSUPPORTED, "compression scheme %d is not known", (int) scheme);
    QV_TRY(parse(message->values, depth + 1, arena, &c->inner, err));
    c->kind = QV_CODING_GENERAL;
    c->scheme = (qv__scheme) scheme;
    c->bits = c->inner->bits;
    return QV_OK;
}

static qv_status parse_vector(const Lance__File__FixedSizeList *message, qv__coding *c, qv_error *err)
{
    uint64_t items = 1, bits = 0;

    c->kind = QV_CODING_VECTOR;
    for (;;) {
        if (c->n_layers == QV_MAX_VECTOR_LAYERS)
            return qv__fail(err, QV_UNSUPPORTED, "fixed-size lists nested deeper than %d", QV_MAX_VECTOR_LAYERS);
        if (message->items_per_value == 0 || !qv__mul_u64(items, message->items_per_value, &items) || items > INT32_MAX)
            return qv__fail(err, QV_CORRUPT, "fixed-size list of %" PRIu64 " items", message->items_per_value);
        c->layers[c->n_layers++] = (struct qv__coding_layer){ message->items_per_value, items, message->has_validity };
        if (!message->values || !message->values->fixed_size_list)
            break;
        message = message->values->fixed_size_list;
    }
    QV_TRY(flat_bits(message->values, "fixed_size_list", &bits, err));
    if (bits != 1 && (bits == 0 || bits % 8 || bits > INT32_MAX))
        return bad_bits("fixed_size_list", bits, err);
    c->bits = (unsigned) bits;
    return QV_OK;
}

static qv_status parse_packed(const Lance__File__PackedStruct *message, qv__arena *arena, qv__coding *c, qv_error *err)
{
    uint64_t flat = 0, sum = 0;

    QV_TRY(flat_bits(message->values, "packed_struct", &flat, err));
    c->kind = QV_CODING_PACKED;
    c->n_fields = message->n_bits_per_value;
    c->fields = qv__arena_alloc(arena, c->n_fields + 1, sizeof *c->fields);
    if (!c->fields)
        return qv__fail_nomem(err, c->n_fields * sizeof *c->fields);
    for (size_t i = 0; i < c->n_fields; i++) {
        uint64_t bits = message->bits_per_value[i];
        if (bits == 0 || bits % 8 || bits > INT32_MAX)
            return bad_bits("packed_struct", bits, err);
        c->fields[i].bits = (unsigned) bits;
        sum += bits;
    }
    if (sum != flat || flat == 0 || flat > INT32_MAX)
        return qv__fail(err, QV_CORRUPT, "packed_struct: fields have %" PRIu64 " bits, rows %" PRIu64, sum, flat);
    c->bits = (unsigned) flat;
    return QV_OK;
}

static qv_status parse_variable_packed(const Lance__File__VariablePackedStruct *message, unsigned depth,
                                       qv__arena *arena, qv__coding *c, qv_error *err)
{
    c->kind = QV_CODING_VARIABLE_PACKED;
    c->n_fields = message->n_fields;
    c->fields = qv__arena_alloc(arena, c->n_fields + 1, sizeof *c->fields);
    if (!c->fields)
        return qv__fail_nomem(err, c->n_fields * sizeof *c->fields);
    for (size_t i = 0; i < c->n_fields; i++) {
        const Lance__File__PackedField *field = message->fields[i];
        bool is_fixed = field->has_bits_per_value;
        uint64_t bits = is_fixed ? field->bits_per_value : field->bits_per_length;
        if (is_fixed ? bits == 0 || bits % 8 || bits > INT32_MAX : bits != 32 && bits != 64)
            return bad_bits("variable_packed_struct", bits, err);
        c->fields[i].bits = is_fixed ? (unsigned) bits : 0;
        c->fields[i].length_bits = is_fixed ? 0 : (unsigned) bits;
        QV_TRY(parse(field->value, depth + 1, arena, &c->fields[i].value, err));
    }
    return QV_OK;
}

static qv_status parse_word(qv__coding_kind kind, uint64_t bits, qv__coding *c, qv_error *err)
{
    if (!is_word(bits))
        return bad_bits(kind_names[kind], bits, err);
    c->kind = kind;
    c->bits = (unsigned) bits;
    return QV_OK;
}

static qv_status parse_kind(const Lance__File__CompressiveEncoding *m, unsigned depth, qv__arena *arena, qv__coding *c,
                            qv_error *err)
{
    uint64_t bits = 0;

    if (m->flat) {
        if (m->flat->bits_per_value == 0 || m->flat->bits_per_value > INT32_MAX)
            return bad_bits("flat", m->flat->bits_per_value, err);
        c->kind = QV_CODING_FLAT;
        c->bits = (unsigned) m->flat->bits_per_value;
        return QV_OK;
    }
    if (m->variable)
        return parse_variable(m->variable, c, err);
    if (m->constant) {
        c->kind = QV_CODING_CONSTANT;
        c->constant = m->constant->value.data;
        c->constant_len = m->constant->value.len;
        if (c->constant_len == 0 || c->constant_len > 64)
            return qv__fail(err, QV_UNSUPPORTED, "constant encoding of %zu bytes", c->constant_len);
        c->bits = (unsigned) c->constant_len * 8;
        return QV_OK;
    }
    if (m->out_of_line_bitpacking)
        return parse_out_of_line(m->out_of_line_bitpacking, c, err);
    if (m->inline_bitpacking)
        return parse_word(QV_CODING_INLINE, m->inline_bitpacking->uncompressed_bits, c, err);
    if (m->fsst)
        return parse_fsst(m->fsst, depth, arena, c, err);
    if (m->has_dictionary)
        return qv__fail(err, QV_UNSUPPORTED, "the dictionary encoding inside a page is not supported");
    if (m->rle)
        return parse_rle(m->rle, c, err);
    if (m->byte_stream_split) {
        QV_TRY(flat_bits(m->byte_stream_split->values, "byte_stream_split", &bits, err));
        return parse_word(QV_CODING_BSS, bits, c, err);
    }
    if (m->general)
        return parse_general(m->general, depth, arena, c, err);
    if (m->fixed_size_list)
        return parse_vector(m->fixed_size_list, c, err);
    if (m->packed_struct)
        return parse_packed(m->packed_struct, arena, c, err);
    if (m->variable_packed_struct)
        return parse_variable_packed(m->variable_packed_struct, depth, arena, c, err);
    return qv__fail(err, QV_UNSUPPORTED, "compressive encoding %u is not known",
                    m->base.n_unknown_fields ? m->base.unknown_fields[0].tag : 0);
}

static qv_status parse(const Lance__File__CompressiveEncoding *message, unsigned depth, qv__arena *arena,
                       const qv__coding **out, qv_error *err)
{
    if (!message)
        return qv__fail(err, QV_CORRUPT, "an encoding is missing");
    if (depth > QV_MESSAGE_MAX_DEPTH)
        return qv__fail(err, QV_CORRUPT, "encodings nested deeper than %d", QV_MESSAGE_MAX_DEPTH);
    qv__coding *coding = qv__arena_alloc(arena, 1, sizeof *coding);
    if (!coding)
        return qv__fail_nomem(err, sizeof *coding);
    QV_TRY(parse_kind(message, depth, arena, coding, err));
    *out = coding;
    return QV_OK;
}

qv_status qv__coding_parse(const Lance__File__CompressiveEncoding *message, qv__arena *arena, const qv__coding **out,
                           qv_error *err)
{
    return parse(message, 0, arena, out, err);
}

/* ------------------------------------------------------------------ codings and types */

static qv_status misfit(const qv__coding *coding, const qv__type *type, qv_error *err)
{
    char text[100];

    return qv__fail(err, QV_CORRUPT, "%s encoding of %u bits for values of type %s", kind_names[coding->kind],
                    coding->bits, qv__type_print(type, text, sizeof text));
}

static bool is_string(const qv__type *type)
{
    return type->id == QV_TYPE_UTF8 || type->id == QV_TYPE_LARGE_UTF8 || type->id == QV_TYPE_BINARY ||
           type->id == QV_TYPE_LARGE_BINARY;
}

qv_status qv__coding_fits_bits(const qv__coding *coding, unsigned bits, const char *what, qv_error *err)
{
    const qv__coding *base = coding;

    while (base->kind == QV_CODING_GENERAL)
        base = base->inner;
    switch (base->kind) {
    case QV_CODING_FLAT:
    case QV_CODING_CONSTANT:
    case QV_CODING_OUT_OF_LINE:
    case QV_CODING_INLINE:
    case QV_CODING_RLE:
    case QV_CODING_BSS:
        if (base->bits == bits)
            return QV_OK;
        break;
    default:
        break;
    }
    return qv__fail(err, QV_CORRUPT, "%s: %s encoding of %u bits, expected %u", what, kind_names[base->kind],
                    base->bits, bits);
}

static qv_status vector_fits(const qv__coding *c, const qv__type *type, qv__coding_place place, qv_error *err)
{
    const qv__type *item = type;

    for (unsigned i = 0; i < c->n_layers; i++) {
        if (item->id != QV_TYPE_FIXED_LIST || (uint64_t) item->width != c->layers[i].dimension)
            return misfit(c, type, err);
        item = item->children[0].type;
    }
    if (qv__value_bits(item) != (int) c->bits)
        return misfit(c, type, err);
    if (place == QV_PLACE_BLOCK || (c->layers[c->n_layers - 1].items > INT32_MAX / QV_MAX(c->bits / 8, 1)))
        return misfit(c, type, err);
    return QV_OK;
}

static qv_status packed_fits(const qv__coding *c, const qv__type *type, qv_error *err)
{
    if (type->id != QV_TYPE_STRUCT || type->n_children != c->n_fields)
        return misfit(c, type, err);
    for (size_t i = 0; i < c->n_fields; i++) {
        const qv__type *child = type->children[i].type;
        if (c->kind == QV_CODING_VARIABLE_PACKED) {
            QV_TRY(qv__coding_fits(c->fields[i].value, child, QV_PLACE_ZIP, err));
            if (c->fields[i].bits ? c->fields[i].bits != (unsigned) qv__value_bits(child) : !is_string(child))
                return misfit(c, type, err);
        } else if (child->id == QV_TYPE_FIXED_LIST) {
            uint64_t bits = 1;
            for (; child->id == QV_TYPE_FIXED_LIST; child = child->children[0].type)
                if (!qv__mul_u64(bits, (uint64_t) child->width, &bits) || bits > INT32_MAX)
                    return misfit(c, type, err);
            if (qv__value_bits(child) < 8 || bits * (uint64_t) qv__value_bits(child) != c->fields[i].bits)
                return misfit(c, type, err);
        } else if (qv__value_bits(child) < 8 || (unsigned) qv__value_bits(child) != c->fields[i].bits) {
            return misfit(c, type, err);
        }
    }
    return QV_OK;
}

qv_status qv__coding_fits(const qv__coding *coding, const qv__type *type, qv__coding_place place, qv_error *err)
{
    switch (coding->kind) {
    case QV_CODING_FLAT:
        if (type->id == QV_TYPE_BOOL ? coding->bits == (place == QV_PLACE_ZIP ? 8 : 1)
                                     : qv__value_bits(type) == (int) coding->bits)
            return QV_OK;
        break;
    case QV_CODING_CONSTANT:
    case QV_CODING_OUT_OF_LINE:
    case QV_CODING_INLINE:
    case QV_CODING_RLE:
    case QV_CODING_BSS:
        if (place != QV_PLACE_ZIP && type->id != QV_TYPE_BOOL && qv__value_bits(type) == (int) coding->bits)
            return QV_OK;
        break;
    case QV_CODING_VARIABLE:
        if (is_string(type))
            return QV_OK;
        break;
    case QV_CODING_FSST:
        if (is_string(type))
            return qv__coding_fits(coding->inner, type, place, err);
        break;
    case QV_CODING_GENERAL:
        if (place != QV_PLACE_ZIP || is_string(type))
            return qv__coding_fits(coding->inner, type, place, err);
        break;
    case QV_CODING_VECTOR:
        return vector_fits(coding, type, place, err);
    case QV_CODING_PACKED:
        if (place == QV_PLACE_MINI)
            return packed_fits(coding, type, err);
        break;
    case QV_CODING_VARIABLE_PACKED:
        if (place == QV_PLACE_ZIP)
            return packed_fits(coding, type, err);
        break;
    }
    return misfit(coding, type, err);
}

unsigned qv__coding_buffers(const qv__coding *coding)
{
    unsigned n = 1;

    switch (coding->kind) {
    case QV_CODING_RLE:
        return 2;
    case QV_CODING_CONSTANT:
        return 0;
    case QV_CODING_FSST:
    case QV_CODING_GENERAL:
        return qv__coding_buffers(coding->inner);
    case QV_CODING_VECTOR:
        for (unsigned i = 0; i < coding->n_layers; i++)
            n += coding->layers[i].has_validity;
        return n;
    default:
        return 1;
    }
}

/* ------------------------------------------------------------------ notation */

static qv_status print_fields(const qv__coding *coding, qv__buffer *out, qv_error *err)
{
    for (size_t i = 0; i < coding->n_fields; i++) {
        if (i)
            QV_TRY(qv__buffer_printf(out, err, ","));
        if (coding->kind == QV_CODING_PACKED)
            QV_TRY(qv__buffer_printf(out, err, "%u", coding->fields[i].bits));
        else
            QV_TRY(qv__coding_print(coding->fields[i].value, out, err));
    }
    return QV_OK;
}

qv_status qv__coding_print(const qv__coding *coding, qv__buffer *out, qv_error *err)
{
    if (coding->kind == QV_CODING_GENERAL)
        QV_TRY(qv__buffer_printf(out, err, "%s(", coding->scheme == QV_SCHEME_LZ4 ? "lz4" : "zstd"));
    else
        QV_TRY(qv__buffer_printf(out, err, "%s(", kind_names[coding->kind]));
    switch (coding->kind) {
    case QV_CODING_FSST:
    case QV_CODING_GENERAL:
        QV_TRY(qv__coding_print(coding->inner, out, err));
        break;
    case QV_CODING_OUT_OF_LINE:
        QV_TRY(qv__buffer_printf(out, err, "%u to %u", coding->bits, coding->packed_bits));
        break;
    case QV_CODING_VECTOR:
        for (unsigned i = 0; i < coding->n_layers; i++)
            QV_TRY(qv__buffer_printf(out, err, "%" PRIu64 "%s,", coding->layers[i].dimension,
                                     coding->layers[i].has_validity ? " nullable" : ""));
        QV_TRY(qv__buffer_printf(out, err, "%u", coding->bits));
        break;
    case QV_CODING_PACKED:
    case QV_CODING_VARIABLE_PACKED:
        QV_TRY(print_fields(coding, out, err));
        break;
    default:
        QV_TRY(qv__buffer_printf(out, err, "%u", coding->bits));
    }
    return qv__buffer_printf(out, err, ")");
}
