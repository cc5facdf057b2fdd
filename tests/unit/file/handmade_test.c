/* Pages that no writer of today makes: encodings of early versions, rare combinations, and what must be refused by name. The files are
 * put together by hand; expected values stand beside the bytes. */
#include <pthread.h>

#include "arrow/validate.h"
#include "base/bytes.h"
#include "codec/codec.h"
#include "file/file.h"
#include "qvt_arrays.h"
#include "qvt_lance.h"

static qv_error err;
static qv__store *store;

static int open_store(void **state)
{
    (void) state;
    return qv__store_open("memory://", true, &store, &err) != QV_OK;
}

static int close_store(void **state)
{
    (void) state;
    qv__store_unref(store);
    return 0;
}

/* ------------------------------------------------------------------ looking */

static qv_status open_field(size_t i, qv__file **file, qv__column **column)
{
    qv_status st = qv__file_open(store, "x.lance", file, &err);

    if (st != QV_OK)
        return st;
    st = qv__column_open(*file, &qv__file_schema(*file)->fields[i], NULL, column, &err);
    if (st != QV_OK)
        qv__file_unref(*file);
    return st;
}

/* The values of a field as text: once whole, once row by row. */
static void expect(size_t field, const char *const *values, size_t n)
{
    qv__file *file;
    qv__column *column;
    qv__array *whole, *one;

    QVT_OK(open_field(field, &file, &column));
    assert_int_equal(qv__file_rows(file), n);
    QVT_OK(qv__column_read(column, 0, n, &whole, &err));
    QVT_OK(qv__array_validate(whole, "whole", &err));
    for (size_t i = 0; i < n; i++) {
        uint64_t row = i;
        assert_string_equal(qvt_value_text(whole, (int64_t) i), values[i]);
        QVT_OK(qv__column_take(column, &row, 1, &one, &err));
        assert_string_equal(qvt_value_text(one, 0), values[i]);
        qv__array_unref(one);
    }
    qv__array_unref(whole);
    qv__column_free(column);
    qv__file_unref(file);
}
#define EXPECT(field, ...) \
    expect(field, (const char *const[]){ __VA_ARGS__ }, QV_COUNT_OF(((const char *const[]){ __VA_ARGS__ })))

static void refused(qv_status st, const char *part)
{
    qv__file *file;
    qv__column *column;
    qv__array *array;

    err.message[0] = 0;
    qv_status got = open_field(0, &file, &column);
    if (got == QV_OK) {
        got = qv__column_read(column, 0, qv__file_rows(file), &array, &err);
        if (got == QV_OK)
            qv__array_unref(array);
        qv__column_free(column);
        qv__file_unref(file);
    }
    if (got != st || !strstr(err.message, part))
        fail_msg("%s: %s, expected %s with \"%s\"", qv_status_name(got), err.message, qv_status_name(st), part);
}

/* ------------------------------------------------------------------ 2.0 */

#define NEW(type, upper, name) Lance__File__##type name = LANCE__FILE__##upper##__INIT

/* One field, one page, one encoding. */
static void file20(const char *logical, uint64_t rows, const Lance__File__ArrayEncoding *encoding,
                   const qvt_bytes *buffers)
{
    qvt_lance *file = qvt_lance_new(0);

    qvt_lance_field(file, "x", logical, 0, -1);
    qvt_lance_column(file);
    qvt_lance_page(file, rows, &encoding->base, buffers);
    qvt_lance_finish(file, rows, store, "x.lance");
}

static void bit_packed_values_of_20(void **state)
{
    (void) state;
    NEW(ArrayEncoding, ARRAY_ENCODING, e);
    NEW(Bitpacked20, BITPACKED20, b);
    NEW(Buffer, BUFFER, buffer);
    /* 3, 30, 17, 0, 31 in 5 bits each, lowest first */
    const uint64_t word = 3 | 30 << 5 | 17 << 10 | 0 << 15 | 31 << 20;

    e.bitpacked = &b;
    b.buffer = &buffer;
    b.has_compressed_bits = b.has_uncompressed_bits = b.has_signed_values = true;
    b.compressed_bits = 5;
    b.uncompressed_bits = 16;
    file20("uint16", 5, &e, (qvt_bytes[]){ { &word, 4 }, { 0 } });
    EXPECT(0, "0300", "1e00", "1100", "0000", "1f00");
    b.signed_values = true;
    file20("int16", 5, &e, (qvt_bytes[]){ { &word, 4 }, { 0 } });
    EXPECT(0, "0300", "feff", "f1ff", "0000", "ffff");
    file20("uint16", 5, &e, (qvt_bytes[]){ { &word, 3 }, { 0 } });
    refused(QV_CORRUPT, "page buffer 0 has 3 bytes");
    b.compressed_bits = 61; /* values that straddle nine bytes */
    b.uncompressed_bits = 64;
    b.signed_values = false;
    uint8_t wide[24] = { 0 };
    for (unsigned i = 0; i < 3; i++)
        for (unsigned bit = 0; bit < 61; bit += i + 1)
            wide[(i * 61 + bit) / 8] |= (uint8_t) (1u << (i * 61 + bit) % 8);
    file20("uint64", 3, &e, (qvt_bytes[]){ { wide, 23 }, { 0 } });
    EXPECT(0, "ffffffffffffff1f", "5555555555555515", "4992244992244912");
}

static void groups_of_20(void **state)
{
    (void) state;
    static uint32_t values[2048];
    static uint8_t packed[2 * 128 * 9];
    NEW(ArrayEncoding, ARRAY_ENCODING, e);
    NEW(BitpackedNonNeg20, BITPACKED_NON_NEG20, b);
    qv__file *file;
    qv__column *column;
    qv__array *array;

    for (uint32_t i = 0; i < 1500; i++)
        values[i] = i * 7 % 512;
    qv__pack_group(32, 9, values, packed);
    qv__pack_group(32, 9, values + 1024, packed + 128 * 9);
    e.bitpacked_non_neg = &b;
    b.has_compressed_bits = b.has_uncompressed_bits = true;
    b.compressed_bits = 9;
    b.uncompressed_bits = 32;
    file20("int32", 1500, &e, (qvt_bytes[]){ QVT_BYTES(packed), { 0 } });
    QVT_OK(open_field(0, &file, &column));
    QVT_OK(qv__column_read(column, 900, 600, &array, &err));
    assert_memory_equal(qv__array_values(array), values + 900, 600 * 4);
    qv__array_unref(array);
    qv__column_free(column);
    qv__file_unref(file);
}

static void strings_of_one_length_and_constants_of_20(void **state)
{
    (void) state;
    NEW(ArrayEncoding, ARRAY_ENCODING, e);
    NEW(ArrayEncoding, ARRAY_ENCODING, bytes);
    NEW(ArrayEncoding, ARRAY_ENCODING, constant);
    NEW(FixedSizeBinary20, FIXED_SIZE_BINARY20, fixed);
    NEW(Flat20, FLAT20, flat);
    NEW(Constant20, CONSTANT20, value);

    e.fixed_size_binary = &fixed;
    fixed.bytes = &bytes;
    fixed.has_byte_width = true;
    fixed.byte_width = 3;
    bytes.flat = &flat;
    flat.has_bits_per_value = true;
    flat.bits_per_value = 8;
    file20("string", 3, &e, (qvt_bytes[]){ { "abcdefghi", 9 }, { 0 } });
    EXPECT(0, "'616263'", "'646566'", "'676869'");
    file20("string", 4, &e, (qvt_bytes[]){ { "abcdefghi", 9 }, { 0 } });
    refused(QV_CORRUPT, "page buffer 0 has 9 bytes");
    constant.constant = &value;
    value.has_value = true;
    value.value = (ProtobufCBinaryData){ 4, (uint8_t *) (uintptr_t) "\x07\0\0\0" };
    file20("int32", 2, &constant, (qvt_bytes[]){ { 0 } });
    EXPECT(0, "07000000", "07000000");
}

static void strings_as_byte_lists_of_20(void **state)
{
    (void) state;
    qvt_lance *file = qvt_lance_new(0);
    NEW(ArrayEncoding, ARRAY_ENCODING, list);
    NEW(ArrayEncoding, ARRAY_ENCODING, ends);
    NEW(ArrayEncoding, ARRAY_ENCODING, bytes);
    NEW(ArrayEncoding, ARRAY_ENCODING, after);
    NEW(List20, LIST20, list20);
    NEW(Flat20, FLAT20, flat64);
    NEW(Flat20, FLAT20, flat8);
    NEW(Flat20, FLAT20, flat16);
    const uint64_t offsets[] = { 2, 2 + 6, 5 }; /* "ab", null, "cde": adjustment 6 */
    const uint16_t numbers[] = { 1, 2, 3 };

    flat64.has_bits_per_value = flat8.has_bits_per_value = flat16.has_bits_per_value = true;
    flat64.bits_per_value = 64;
    flat8.bits_per_value = 8;
    flat16.bits_per_value = 16;
    list.list = &list20;
    list20.offsets = &ends;
    list20.has_num_items = list20.has_null_offset_adjustment = true;
    list20.num_items = 5;
    list20.null_offset_adjustment = 6;
    ends.flat = &flat64;
    bytes.flat = &flat8;
    after.flat = &flat16;
    qvt_lance_field(file, "s", "string", 0, -1);
    qvt_lance_field(file, "n", "uint16", 1, -1);
    qvt_lance_column(file);
    qvt_lance_page(file, 3, &list.base, (qvt_bytes[]){ QVT_BYTES(offsets), { 0 } });
    qvt_lance_column(file);
    qvt_lance_page(file, 5, &bytes.base, (qvt_bytes[]){ { "abcde", 5 }, { 0 } });
    qvt_lance_column(file);
    qvt_lance_page(file, 3, &after.base, (qvt_bytes[]){ QVT_BYTES(numbers), { 0 } });
    qvt_lance_finish(file, 3, store, "x.lance");
    EXPECT(0, "'6162'", "~", "'636465'");
    EXPECT(1, "0100", "0200", "0300"); /* its column is the third */
}

static void dictionaries_of_strings_of_20(void **state)
{
    (void) state;
    NEW(ArrayEncoding, ARRAY_ENCODING, e);
    NEW(ArrayEncoding, ARRAY_ENCODING, indices);
    NEW(ArrayEncoding, ARRAY_ENCODING, items);
    NEW(ArrayEncoding, ARRAY_ENCODING, ends);
    NEW(ArrayEncoding, ARRAY_ENCODING, bytes);
    NEW(Dictionary20, DICTIONARY20, dictionary);
    NEW(Binary20, BINARY20, binary);
    NEW(Flat20, FLAT20, flat8);
    NEW(Flat20, FLAT20, flat64);
    NEW(Flat20, FLAT20, flat_bytes);
    NEW(Buffer, BUFFER, buffers1);
    NEW(Buffer, BUFFER, buffers2);
    const uint8_t picks[] = { 2, 0, 1, 2 };
    const uint64_t offsets[] = { 1, 3 };
    uint8_t far[] = { 2, 0, 3, 2 };

    e.dictionary = &dictionary;
    dictionary.indices = &indices;
    dictionary.items = &items;
    dictionary.has_num_dictionary_items = true;
    dictionary.num_dictionary_items = 2;
    items.binary = &binary;
    binary.indices = &ends;
    binary.bytes = &bytes;
    binary.has_null_adjustment = true;
    binary.null_adjustment = 4;
    indices.flat = &flat8;
    ends.flat = &flat64;
    bytes.flat = &flat_bytes;
    flat8.has_bits_per_value = flat64.has_bits_per_value = flat_bytes.has_bits_per_value = true;
    flat8.bits_per_value = flat_bytes.bits_per_value = 8;
    flat64.bits_per_value = 64;
    flat64.buffer = &buffers1;
    flat_bytes.buffer = &buffers2;
    buffers1.has_buffer_index = buffers2.has_buffer_index = true;
    buffers1.buffer_index = 1;
    buffers2.buffer_index = 2;
    file20("string", 4, &e, (qvt_bytes[]){ QVT_BYTES(picks), QVT_BYTES(offsets), { "xyz", 3 }, { 0 } });
    EXPECT(0, "'797a'", "~", "'78'", "'797a'");
    file20("string", 4, &e, (qvt_bytes[]){ QVT_BYTES(far), QVT_BYTES(offsets), { "xyz", 3 }, { 0 } });
    refused(QV_CORRUPT, "dictionary index 3 of 2");
}

static void unknown_things_of_20_are_named(void **state)
{
    (void) state;
    NEW(ArrayEncoding, ARRAY_ENCODING, e);
    NEW(Flat20, FLAT20, flat);
    NEW(Buffer, BUFFER, buffer);
    NEW(BufferCompression, BUFFER_COMPRESSION, compression);
    ProtobufCMessageUnknownField unknown = {
        .tag = 14, .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, .len = 1, .data = (uint8_t *) (uintptr_t) "\0"
    };

    e.base.n_unknown_fields = 1;
    e.base.unknown_fields = &unknown;
    file20("int8", 1, &e, (qvt_bytes[]){ { "a", 1 }, { 0 } });
    refused(QV_UNSUPPORTED, "2.0 encoding 14");
    e.base.n_unknown_fields = 0;
    e.flat = &flat;
    flat.has_bits_per_value = true;
    flat.bits_per_value = 8;
    flat.buffer = &buffer;
    buffer.has_buffer_type = true;
    buffer.buffer_type = 1;
    file20("int8", 1, &e, (qvt_bytes[]){ { "a", 1 }, { 0 } });
    refused(QV_UNSUPPORTED, "buffers of type 1");
    flat.buffer = NULL;
    flat.compression = &compression;
    compression.scheme = (char *) (uintptr_t) "snappy";
    file20("int8", 1, &e, (qvt_bytes[]){ { "a", 1 }, { 0 } });
    refused(QV_UNSUPPORTED, "\"snappy\"");
    flat.compression = NULL;
    flat.bits_per_value = 16;
    file20("int8", 1, &e, (qvt_bytes[]){ { "ab", 2 }, { 0 } });
    refused(QV_CORRUPT, "flat encoding for values of type int8");
}

/* ------------------------------------------------------------------ 2.1 and 2.2 */

#define FLAT(name, bits)                                  \
    NEW(CompressiveEncoding, COMPRESSIVE_ENCODING, name); \
    NEW(Flat, FLAT, name##_flat);                         \
    name.flat = &name##_flat;                             \
    name##_flat.has_bits_per_value = true;                \
    name##_flat.bits_per_value = (bits)

/* The chunks of a mini-block page, put together: metadata words and data. */
typedef struct chunks {
    uint8_t words[64];
    size_t n_words;
    uint8_t data[4096];
    size_t len;
} chunks;

/* Pieces in order: levels if any, then value buffers; `n_values` a power of two except in the last chunk. */
static void add_chunk(chunks *c, uint16_t n_levels, const qvt_bytes *pieces, size_t n_pieces, unsigned log)
{
    size_t start = c->len;

    qv__store_u16(c->data + c->len, n_levels);
    c->len += 2;
    for (size_t i = 0; i < n_pieces; i++, c->len += 2)
        qv__store_u16(c->data + c->len, (uint16_t) pieces[i].len);
    for (size_t i = 0; i < n_pieces; i++) {
        c->len = start + ((c->len - start + 7) & ~(size_t) 7);
        if (pieces[i].len)
            memcpy(c->data + c->len, pieces[i].data, pieces[i].len);
        c->len += pieces[i].len;
    }
    c->len = start + ((c->len - start + 7) & ~(size_t) 7);
    qv__store_u16(c->words + c->n_words, (uint16_t) (((c->len - start) / 8 - 1) << 4 | log));
    c->n_words += 2;
}

static void file21(const char *logical, uint64_t rows, const Lance__File__PageLayout *layout, const qvt_bytes *buffers)
{
    qvt_lance *file = qvt_lance_new(1);

    qvt_lance_field(file, "x", logical, 0, -1);
    if (strcmp(logical, "list") == 0)
        qvt_lance_field(file, "item", "int16", 1, 0);
    qvt_lance_column(file);
    qvt_lance_page(file, rows, &layout->base, buffers);
    qvt_lance_finish(file, rows, store, "x.lance");
}

/* A layout with the parts that all pages of these tests share. */
static void set_mini(Lance__File__MiniBlockLayout *mini, Lance__File__CompressiveEncoding *values, uint64_t n_items,
                     uint64_t n_buffers, int32_t *layers, size_t n_layers)
{
    mini->value_compression = values;
    mini->has_num_items = mini->has_num_buffers = true;
    mini->num_items = n_items;
    mini->num_buffers = n_buffers;
    mini->layers = layers;
    mini->n_layers = n_layers;
}

static void dictionaries_with_the_early_header(void **state)
{
    (void) state;
    NEW(PageLayout, PAGE_LAYOUT, layout);
    NEW(MiniBlockLayout, MINI_BLOCK_LAYOUT, mini);
    NEW(CompressiveEncoding, COMPRESSIVE_ENCODING, items);
    NEW(Variable, VARIABLE, variable);
    FLAT(offsets, 32);
    FLAT(indices, 8);
    int32_t layers[] = { 1 };
    chunks c = { 0 };
    /* u8 32 | u32 n | u32 start | 3 offsets | "abcd" */
    uint8_t block[1 + 4 + 4 + 12 + 4] = { 32 };

    items.variable = &variable;
    variable.offsets = &offsets;
    qv__store_u32(block + 1, 2);
    qv__store_u32(block + 5, 21);
    qv__store_u32(block + 13, 1);
    qv__store_u32(block + 17, 4);
    memcpy(block + 21, "abcd", 4);
    layout.mini_block_layout = &mini;
    set_mini(&mini, &indices, 4, 1, layers, 1);
    mini.dictionary = &items;
    mini.has_num_dictionary_items = true;
    mini.num_dictionary_items = 2;
    add_chunk(&c, 0, (qvt_bytes[]){ { "\1\0\1\1", 4 } }, 1, 0);
    file21("string", 4, &layout, (qvt_bytes[]){ { c.words, c.n_words }, { c.data, c.len }, QVT_BYTES(block), { 0 } });
    EXPECT(0, "'626364'", "'61'", "'626364'", "'626364'");
    c = (chunks){ 0 };
    add_chunk(&c, 0, (qvt_bytes[]){ { "\1\0\2\1", 4 } }, 1, 0);
    file21("string", 4, &layout, (qvt_bytes[]){ { c.words, c.n_words }, { c.data, c.len }, QVT_BYTES(block), { 0 } });
    refused(QV_CORRUPT, "dictionary index 2 of 2");
}

static void compressed_levels_and_constant_values(void **state)
{
    (void) state;
    NEW(PageLayout, PAGE_LAYOUT, layout);
    NEW(MiniBlockLayout, MINI_BLOCK_LAYOUT, mini);
    NEW(CompressiveEncoding, COMPRESSIVE_ENCODING, general);
    NEW(General, GENERAL, zstd);
    NEW(Compression, COMPRESSION, scheme);
    NEW(CompressiveEncoding, COMPRESSIVE_ENCODING, values);
    NEW(Constant, CONSTANT, constant);
    FLAT(flat, 16);
    int32_t layers[] = { 3 };
    const uint16_t def[] = { 0, 1, 0 };
    chunks c = { 0 };
    qv__buffer packed;

    qv__buffer_init(&packed, 4096);
    QVT_OK(qv__compress(QV_SCHEME_ZSTD, 3, (const uint8_t *) def, sizeof def, &packed, &err));
    general.general = &zstd;
    zstd.compression = &scheme;
    zstd.values = &flat;
    scheme.has_scheme = true;
    scheme.scheme = QV_SCHEME_ZSTD;
    values.constant = &constant;
    constant.has_value = true;
    constant.value = (ProtobufCBinaryData){ 2, (uint8_t *) (uintptr_t) "\x34\x12" };
    layout.mini_block_layout = &mini;
    set_mini(&mini, &values, 3, 0, layers, 1);
    mini.def_compression = &general;
    add_chunk(&c, 3, (qvt_bytes[]){ { packed.data, packed.len } }, 1, 0);
    qv__buffer_free(&packed);
    file21("int16", 3, &layout, (qvt_bytes[]){ { c.words, c.n_words }, { c.data, c.len }, { 0 } });
    EXPECT(0, "3412", "~", "3412");
    scheme.scheme = 9;
    file21("int16", 3, &layout, (qvt_bytes[]){ { c.words, c.n_words }, { c.data, c.len }, { 0 } });
    refused(QV_UNSUPPORTED, "compression scheme 9");
}

/* [1,2,3], null, [], [4], [5,6] in two chunks, the first of which ends inside a list. */
static void lists_with_and_without_index(void **state)
{
    (void) state;
    NEW(PageLayout, PAGE_LAYOUT, layout);
    NEW(MiniBlockLayout, MINI_BLOCK_LAYOUT, mini);
    FLAT(rep, 16);
    FLAT(def, 16);
    FLAT(values, 16);
    int32_t layers[] = { 1, 6 };
    const uint16_t rep0[] = { 1, 0 }, def0[] = { 0, 0 }, val0[] = { 1, 2 };
    const uint16_t rep1[] = { 0, 1, 1, 1, 1, 0 }, def1[] = { 0, 1, 2, 0, 0, 0 }, val1[] = { 3, 4, 5, 6 };
    uint64_t index[] = { 0, 2, 5, 0 };
    chunks c = { 0 };

    layout.mini_block_layout = &mini;
    set_mini(&mini, &values, 6, 1, layers, 2);
    mini.rep_compression = &rep;
    mini.def_compression = &def;
    add_chunk(&c, 2, (qvt_bytes[]){ QVT_BYTES(rep0), QVT_BYTES(def0), QVT_BYTES(val0) }, 3, 1);
    add_chunk(&c, 6, (qvt_bytes[]){ QVT_BYTES(rep1), QVT_BYTES(def1), QVT_BYTES(val1) }, 3, 2);
    file21("list", 5, &layout, (qvt_bytes[]){ { c.words, c.n_words }, { c.data, c.len }, { 0 } });
    EXPECT(0, "[0100,0200,0300,]", "~", "[]", "[0400,]", "[0500,0600,]");
    mini.has_repetition_index_depth = true;
    mini.repetition_index_depth = 1;
    file21("list", 5, &layout, (qvt_bytes[]){ { c.words, c.n_words }, { c.data, c.len }, QVT_BYTES(index), { 0 } });
    EXPECT(0, "[0100,0200,0300,]", "~", "[]", "[0400,]", "[0500,0600,]");
    index[2] = 4;
    file21("list", 5, &layout, (qvt_bytes[]){ { c.words, c.n_words }, { c.data, c.len }, QVT_BYTES(index), { 0 } });
    refused(QV_CORRUPT, "chunks hold 4 rows, the page 5");
    index[0] = 1; /* as if the first row ended in the first chunk */
    file21("list", 5, &layout, (qvt_bytes[]){ { c.words, c.n_words }, { c.data, c.len }, QVT_BYTES(index), { 0 } });
    refused(QV_CORRUPT, "repetition index");
    mini.repetition_index_depth = 2;
    file21("list", 5, &layout, (qvt_bytes[]){ { c.words, c.n_words }, { c.data, c.len }, QVT_BYTES(index), { 0 } });
    refused(QV_UNSUPPORTED, "depth 2");
}

/* struct<list<int16>>: [7], null list, null struct. Late 2025's writers gave the null list two bytes too. */
static void both_ways_to_count_visible_values(void **state)
{
    (void) state;
    const uint8_t now[] = { 4, 7, 0, 4 | 2, 4 | 3 }, then[] = { 4, 7, 0, 4 | 2, 0, 0, 4 | 3 };
    const uint8_t now_index[] = { 0, 3, 4, 5 }, then_index[] = { 0, 3, 6, 7 };
    int32_t layers[] = { 3, 4, 3 };

    for (int old = 0; old < 2; old++) {
        qvt_lance *file = qvt_lance_new(1);
        NEW(PageLayout, PAGE_LAYOUT, layout);
        NEW(FullZipLayout, FULL_ZIP_LAYOUT, zip);
        FLAT(values, 16);
        layout.full_zip_layout = &zip;
        zip.value_compression = &values;
        zip.has_bits_rep = zip.has_bits_def = zip.has_bits_per_value = zip.has_num_items = zip.has_num_visible_items =
            true;
        zip.bits_rep = 1;
        zip.bits_def = 2;
        zip.bits_per_value = 16;
        zip.num_items = 3;
        zip.num_visible_items = old ? 2 : 1;
        zip.layers = layers;
        zip.n_layers = 3;
        qvt_lance_field(file, "s", "struct", 0, -1);
        qvt_lance_field(file, "l", "list", 1, 0);
        qvt_lance_field(file, "item", "int16", 2, 1);
        qvt_lance_column(file);
        qvt_lance_page(file, 3, &layout.base,
                       old ? (qvt_bytes[]){ QVT_BYTES(then), QVT_BYTES(then_index), { 0 } }
                           : (qvt_bytes[]){ QVT_BYTES(now), QVT_BYTES(now_index), { 0 } });
        qvt_lance_finish(file, 3, store, "x.lance");
        EXPECT(0, "{[0700,];}", "{~;}", "~");
    }
}

static void unknown_things_of_21_are_named(void **state)
{
    (void) state;
    NEW(PageLayout, PAGE_LAYOUT, layout);
    NEW(MiniBlockLayout, MINI_BLOCK_LAYOUT, mini);
    NEW(CompressiveEncoding, COMPRESSIVE_ENCODING, values);
    FLAT(flat, 16);
    int32_t layers[] = { 1 };
    ProtobufCMessageUnknownField unknown = {
        .tag = 15, .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, .len = 1, .data = (uint8_t *) (uintptr_t) "\0"
    };
    chunks c = { 0 };

    add_chunk(&c, 0, (qvt_bytes[]){ { "abcd", 4 } }, 1, 0);
    const qvt_bytes buffers[] = { { c.words, c.n_words }, { c.data, c.len }, { 0 } };
    layout.mini_block_layout = &mini;
    set_mini(&mini, &flat, 2, 1, layers, 1);
    file21("int16", 2, &layout, buffers);
    EXPECT(0, "6162", "6364");
    layers[0] = 9;
    file21("int16", 2, &layout, buffers);
    refused(QV_UNSUPPORTED, "layer kind 9");
    layers[0] = 2;
    file21("int16", 2, &layout, buffers);
    refused(QV_CORRUPT, "layer 0");
    layers[0] = 1;
    mini.num_items = 3;
    file21("int16", 3, &layout, buffers);
    refused(QV_CORRUPT, "flat values: 4 bytes");
    file21("int16", 2, &layout, buffers);
    refused(QV_CORRUPT, "page of 2 rows has 3 values");
    mini.num_items = 2;
    file21("int32", 2, &layout, buffers);
    refused(QV_CORRUPT, "flat encoding of 16 bits for values of type int32");
    values.base.n_unknown_fields = 1;
    values.base.unknown_fields = &unknown;
    mini.value_compression = &values;
    file21("int16", 2, &layout, buffers);
    refused(QV_UNSUPPORTED, "compressive encoding 15");
    layout.mini_block_layout = NULL;
    layout.base.n_unknown_fields = 1;
    layout.base.unknown_fields = &unknown;
    file21("int16", 2, &layout, buffers);
    refused(QV_UNSUPPORTED, "page layout 15");
}

static void deep_messages_are_refused(void **state)
{
    (void) state;
    static Lance__File__CompressiveEncoding encodings[100];
    static Lance__File__General generals[100];
    NEW(PageLayout, PAGE_LAYOUT, layout);
    NEW(MiniBlockLayout, MINI_BLOCK_LAYOUT, mini);
    FLAT(flat, 16);
    int32_t layers[] = { 1 };

    for (int i = 0; i < 100; i++) {
        lance__file__compressive_encoding__init(&encodings[i]);
        lance__file__general__init(&generals[i]);
        encodings[i].general = &generals[i];
        generals[i].values = i == 99 ? &flat : &encodings[i + 1];
    }
    layout.mini_block_layout = &mini;
    set_mini(&mini, &encodings[0], 1, 1, layers, 1);
    file21("int16", 1, &layout, (qvt_bytes[]){ { "ab", 2 }, { "ab", 2 }, { 0 } });
    refused(QV_CORRUPT, "nested deeper than 64");
}

/* ------------------------------------------------------------------ pruned fields, threads */

static void pruned_and_missing_children(void **state)
{
    (void) state;
    qvt_lance *lance = qvt_lance_new(1);
    NEW(PageLayout, PAGE_LAYOUT, layout);
    NEW(MiniBlockLayout, MINI_BLOCK_LAYOUT, mini);
    FLAT(flat, 16);
    FLAT(def, 16);
    int32_t layers[] = { 1, 3 };
    const uint16_t levels[] = { 0, 1 };
    chunks c = { 0 };
    qv__file *file;
    qv__column *column;
    qv__array *array;
    qv__type *type;
    qv__field children[2] = { { 0 } }, field;

    layout.mini_block_layout = &mini;
    set_mini(&mini, &flat, 2, 1, layers, 2);
    mini.def_compression = &def;
    add_chunk(&c, 2, (qvt_bytes[]){ QVT_BYTES(levels), { "abcd", 4 } }, 2, 0);
    qvt_lance_field(lance, "s", "struct", 0, -1);
    qvt_lance_field(lance, "a", "int16", 1, 0);
    qvt_lance_field(lance, "b", "int16", 2, 0);
    for (int i = 0; i < 2; i++) {
        qvt_lance_column(lance);
        qvt_lance_page(lance, 2, &layout.base, (qvt_bytes[]){ { c.words, c.n_words }, { c.data, c.len }, { 0 } });
    }
    qvt_lance_finish(lance, 2, store, "x.lance");
    EXPECT(0, "{6162;6162;}", "~");
    /* {b, c} of {a, b}: c has been added since, b is column 1 */
    QVT_OK(qv__file_open(store, "x.lance", &file, &err));
    QVT_OK(qv__field_copy(&children[0], &qv__file_schema(file)->fields[0].type->children[1], &err));
    QVT_OK(qv__field_copy(&children[1], &children[0], &err));
    children[0].id = 2;
    children[1].id = 3;
    QVT_OK(qv__type_new_struct(children, 2, &type, &err));
    QVT_OK(qv__field_init(&field, "s", type, true, &err));
    field.id = 0;
    const int32_t ids[] = { 1, 2 }, columns[] = { 0, 1 };
    QVT_OK(qv__column_open(file, &field, &(qv__column_map){ ids, columns, 2 }, &column, &err));
    QVT_OK(qv__column_read(column, 0, 2, &array, &err));
    assert_string_equal(qvt_value_text(array, 0), "{6162;~;}");
    assert_string_equal(qvt_value_text(array, 1), "~");
    qv__array_unref(array);
    qv__column_free(column);
    qv__field_clear(&field);
    qv__field_clear(&children[0]);
    qv__field_clear(&children[1]);
    qv__type_unref(type);
    qv__file_unref(file);
}

static void count_problem(void *ctx, const char *object, const char *what)
{
    (void) object;
    assert_non_null(strstr(what, "leaf 1 tells other lists"));
    ++*(int *) ctx;
}

/* list<struct<a, b>>: [[.], [., .]] by a, [[., .], [.]] by b. */
static void leaves_that_disagree_are_found(void **state)
{
    (void) state;
    const uint16_t reps[2][3] = { { 1, 1, 0 }, { 1, 0, 1 } };

    for (int other = 0; other < 2; other++) {
        qvt_lance *lance = qvt_lance_new(1);
        NEW(PageLayout, PAGE_LAYOUT, layout);
        NEW(MiniBlockLayout, MINI_BLOCK_LAYOUT, mini);
        FLAT(flat, 16);
        FLAT(rep, 16);
        int32_t layers[] = { 1, 1, 2 };
        qv__file *file;
        int problems = 0;
        layout.mini_block_layout = &mini;
        set_mini(&mini, &flat, 3, 1, layers, 3);
        mini.rep_compression = &rep;
        qvt_lance_field(lance, "l", "list.struct", 0, -1);
        qvt_lance_field(lance, "item", "struct", 1, 0);
        qvt_lance_field(lance, "a", "int16", 2, 1);
        qvt_lance_field(lance, "b", "int16", 3, 1);
        for (int i = 0; i < 2; i++) {
            chunks c = { 0 };
            add_chunk(&c, 3, (qvt_bytes[]){ QVT_BYTES(reps[i * other]), { "abcdef", 6 } }, 2, 0);
            qvt_lance_column(lance);
            qvt_lance_page(lance, 2, &layout.base, (qvt_bytes[]){ { c.words, c.n_words }, { c.data, c.len }, { 0 } });
        }
        qvt_lance_finish(lance, 2, store, "x.lance");
        QVT_OK(qv__file_open(store, "x.lance", &file, &err));
        QVT_OK(qv__file_verify(file, count_problem, &problems, NULL, &err));
        assert_int_equal(problems, other);
        qv__file_unref(file);
    }
}

typedef struct reading {
    qv__column *column;
    uint64_t seed;
    qv_status st;
} reading;

static void *read_some(void *ctx)
{
    reading *r = ctx;
    qvt_rng numbers = { r->seed };
    qv_error e;

    for (int i = 0; i < 50 && r->st == QV_OK; i++) {
        uint64_t rows[3] = { qvt_rng_below(&numbers, 100), qvt_rng_below(&numbers, 100), qvt_rng_below(&numbers, 100) };
        qv__array *array = NULL;
        r->st = i % 2 ? qv__column_take(r->column, rows, 3, &array, &e)
                      : qv__column_read(r->column, rows[0] / 2, 50, &array, &e);
        qv__array_unref(array);
    }
    return NULL;
}

/* What is computed once per page is computed by all at the same time. */
static void threads_share_a_column(void **state)
{
    (void) state;
    static const char *const names[] = { "strings_20.lance", "scalars_20.lance", "strings_22.lance", "scalars_21.lance",
                                         "scalars_22.lance" };
    qv__store *disk;

    QVT_OK(qv__store_open(QVT_SOURCE_DIR "/tests/golden/file", false, &disk, &err));
    for (size_t k = 0; k < QV_COUNT_OF(names); k++) {
        qv__file *file;
        QVT_OK(qv__file_open(disk, names[k], &file, &err));
        for (size_t i = 0; i < qv__file_schema(file)->n_fields; i++) {
            pthread_t threads[4];
            reading readings[4];
            qv__column *column;
            QVT_OK(qv__column_open(file, &qv__file_schema(file)->fields[i], NULL, &column, &err));
            for (size_t t = 0; t < 4; t++) {
                readings[t] = (reading){ column, 11 + t, QV_OK };
                assert_int_equal(pthread_create(&threads[t], NULL, read_some, &readings[t]), 0);
            }
            for (size_t t = 0; t < 4; t++) {
                pthread_join(threads[t], NULL);
                assert_int_equal(readings[t].st, QV_OK);
            }
            qv__column_free(column);
        }
        qv__file_unref(file);
    }
    qv__store_unref(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bit_packed_values_of_20),
        cmocka_unit_test(groups_of_20),
        cmocka_unit_test(strings_of_one_length_and_constants_of_20),
        cmocka_unit_test(strings_as_byte_lists_of_20),
        cmocka_unit_test(dictionaries_of_strings_of_20),
        cmocka_unit_test(unknown_things_of_20_are_named),
        cmocka_unit_test(dictionaries_with_the_early_header),
        cmocka_unit_test(compressed_levels_and_constant_values),
        cmocka_unit_test(lists_with_and_without_index),
        cmocka_unit_test(both_ways_to_count_visible_values),
        cmocka_unit_test(unknown_things_of_21_are_named),
        cmocka_unit_test(deep_messages_are_refused),
        cmocka_unit_test(pruned_and_missing_children),
        cmocka_unit_test(leaves_that_disagree_are_found),
        cmocka_unit_test(threads_share_a_column),
    };
    return cmocka_run_group_tests(tests, open_store, close_store);
}
