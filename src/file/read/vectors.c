/* Arrays and vector runs that point into the file: pages of bare values are walked, not read. */
#include <inttypes.h>

#include "base/alloc.h"
#include "file/read/read_private.h"

#define SMALL_CHUNK ((uint64_t) 16384) /* mini-block chunks under this are gathered rather than handed out one by one */
#define DECODE_SOME ((uint64_t) 1 << 20)

/* Bytes of one value of a fixed-width type or vector of such; 0: another type. */
static uint64_t row_bytes_of(const qv__type *type)
{
    uint64_t n = 1;

    for (; type->id == QV_TYPE_FIXED_LIST; type = type->children[0].type)
        if (!qv__mul_u64(n, (uint64_t) type->width, &n) || n > INT32_MAX)
            return 0;
    int bits = qv__value_bits(type);
    return bits < 8 ? 0 : n * (uint64_t) bits / 8;
}

static uint64_t item_bytes_of(const qv__type *type)
{
    while (type->id == QV_TYPE_FIXED_LIST)
        type = type->children[0].type;
    return (uint64_t) qv__value_bits(type) / 8;
}

/* C reads values through typed pointers; only 2.0 files can be out of step. */
static bool is_aligned(const uint8_t *data, uint64_t item_bytes)
{
    uint64_t align = item_bytes % 8 == 0 ? 8 : item_bytes % 4 == 0 ? 4 : item_bytes % 2 == 0 ? 2 : 1;

    return (uintptr_t) data % align == 0;
}

/* ------------------------------------------------------------------ where bare rows lie */

/* Rows [row, row + n) of one page as they lie in the file. */
typedef struct bare {
    qv__bytes values; /* from row on; data NULL: not bare */
    uint64_t n;       /* may be fewer than asked for: to the page's or chunk's end */
    qv__bytes validity;
    uint64_t validity_bit;
} bare;

static void bare_clear(bare *b)
{
    qv__bytes_unref(&b->values);
    qv__bytes_unref(&b->validity);
}

static bool is_matrix(const qv__page21 *page)
{
    return page->layout == QV_LAYOUT_ZIP && page->value_bits && qv__control_bytes(page) == 0 &&
           page->layers.n_lists == 0 && !page->has_index && qv__coding_is_bare(page->values) &&
           page->values->bits % 8 == 0;
}

static bool is_bare_mini(const qv__page21 *page)
{
    return page->layout == QV_LAYOUT_MINI && !page->rep && !page->def && !page->dictionary &&
           page->layers.n_lists == 0 && qv__coding_is_bare(page->values) && page->values->bits % 8 == 0;
}

static qv_status bare_chunk(qv__file *file, qv__page21 *page, const qv__leaf *leaf, uint64_t at, uint64_t n,
                            uint64_t row_bytes, bare *out, qv_error *err)
{
    const qv__page_cache *cache = NULL;
    qv__bytes bytes = { 0 };

    QV_TRY(qv__page21_cache(file, page, leaf, &cache, err));
    size_t chunk = qv__find_last(cache->first_value, cache->n_chunks, at);
    n = QV_MIN(n, cache->first_value[chunk + 1] - at);
    at -= cache->first_value[chunk];
    QV_TRY(qv__mini_values_at(file, page, cache, chunk, &bytes, err));
    if (qv__inside(at * row_bytes, n * row_bytes, bytes.len)) { /* else the reader proper will say what is wrong */
        out->values = qv__bytes_slice(bytes, (size_t) (at * row_bytes), (size_t) (n * row_bytes));
        out->n = n;
    }
    qv__bytes_unref(&bytes);
    return QV_OK;
}

static qv_status bare_page20(qv__column *column, uint64_t row, uint64_t n, uint64_t row_bytes, bare *out, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__node *node = &column->root;
    const qv__page20 *page = &node->pages20[qv__column_meta_page(node->meta, row)];
    int values, validity;
    uint64_t at = row - page->page->first_row, start, len;
    bare found = { 0 };

    if (!qv__page20_is_bare(page, node->type, &values, &validity))
        return QV_OK;
    n = QV_MIN(n, page->page->length - at);
    if (!qv__mul_u64(at, row_bytes, &start) || !qv__mul_u64(n, row_bytes, &len))
        return qv__fail(err, QV_CORRUPT, "page of too many values");
    QV_CHECK(qv__page_buffer_part(column->file, page->page, (size_t) values, start, len, &found.values, err));
    if (validity >= 0) {
        found.validity_bit = at % 8;
        QV_CHECK(qv__page_buffer_part(column->file, page->page, (size_t) validity, at / 8,
                                      (found.validity_bit + n + 7) / 8, &found.validity, err));
    }
    found.n = n;
    *out = found;
    found = (bare){ 0 };
done:
    bare_clear(&found);
    return st;
}

/* Looks for bare rows from `row` on, at most n. */
static qv_status find_bare(qv__column *column, uint64_t row, uint64_t n, bare *out, qv_error *err)
{
    qv__node *node = &column->root;
    uint64_t row_bytes = row_bytes_of(node->type);

    *out = (bare){ 0 };
    if (n == 0 || node->kind != QV_NODE_LEAF || row_bytes == 0 || node->is_blob_v1 || node->is_blob_v2)
        return QV_OK;
    if (qv__file_is_20(column->file)) {
        QV_TRY(bare_page20(column, row, n, row_bytes, out, err));
    } else {
        qv__page21 *page = &node->pages[qv__column_meta_page(node->meta, row)];
        uint64_t at = row - page->page->first_row;
        n = QV_MIN(n, page->page->length - at);
        if (is_matrix(page)) {
            QV_TRY(qv__page_buffer_part(column->file, page->page, 0, at * row_bytes, n * row_bytes, &out->values, err));
            out->n = n;
        } else if (is_bare_mini(page)) {
            QV_TRY(bare_chunk(column->file, page, &node->leaf, at, n, row_bytes, out, err));
        }
    }
    if (out->values.data && !is_aligned(out->values.data, item_bytes_of(node->type)))
        bare_clear(out);
    return QV_OK;
}

/* ------------------------------------------------------------------ arrays */

/* n values of a type over the same bytes, all valid. */
static qv_status array_over(qv__type *type, qv__bytes values, int64_t n, qv__array **out, qv_error *err)
{
    qv__array *array = NULL;
    bool is_vector = type->id == QV_TYPE_FIXED_LIST;

    QV_TRY(qv__array_new(type, n, is_vector, &array, err));
    if (is_vector) {
        qv_status st = array_over(type->children[0].type, values, n * type->width, &array->children[0], err);
        if (st != QV_OK) {
            qv__array_unref(array);
            return st;
        }
    } else {
        array->buffers[1] = qv__bytes_ref(values);
    }
    *out = array;
    return QV_OK;
}

qv_status qv__column_view(qv__column *column, uint64_t row, uint64_t n, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    bare found;
    qv__array *array = NULL;

    QV_TRY(find_bare(column, row, n, &found, err));
    /* A bitmap that begins inside a byte would need an offset, which would move the values too: left to the reader. */
    if (!found.values.data || found.n < n || (found.validity.data && found.validity_bit != 0))
        goto done;
    QV_CHECK(array_over(column->root.type, found.values, (int64_t) n, &array, err));
    if (found.validity.data) {
        array->null_count = (int64_t) (n - qv__bitmap_count(found.validity.data, 0, (size_t) n));
        if (array->null_count)
            array->buffers[0] = qv__bytes_ref(found.validity);
    }
    *out = array;
    array = NULL;
done:
    qv__array_unref(array);
    bare_clear(&found);
    return st;
}

/* ------------------------------------------------------------------ vector runs */

void qv__vector_run_free(qv__vector_run *run)
{
    qv__bytes_unref(&run->keep[0]);
    qv__bytes_unref(&run->keep[1]);
    *run = (qv__vector_run){ 0 };
}

/* A full-zip page whose rows carry a control byte or bitmaps of items before the values. */
static bool is_strided(const qv__page21 *page)
{
    return page->layout == QV_LAYOUT_ZIP && page->value_bits && page->layers.n_lists == 0 && !page->has_index &&
           (page->values->kind == QV_CODING_FLAT || page->values->kind == QV_CODING_VECTOR) &&
           page->values->bits % 8 == 0;
}

/* Are the level, and the items of every layer, of the row at `bytes` all valid? */
static bool row_is_valid(const qv__page21 *page, const uint8_t *bytes)
{
    const qv__coding *c = page->values;
    unsigned control = qv__control_bytes(page);
    uint32_t word = control == 0 ? 0 : control == 1 ? *bytes : control == 2 ? qv__load_u16(bytes) : qv__load_u32(bytes);

    if (word & ((1u << page->bits_def) - 1))
        return false;
    bytes += control;
    for (unsigned i = 0; c->kind == QV_CODING_VECTOR && i < c->n_layers; i++) {
        if (!c->layers[i].has_validity)
            continue;
        if (qv__bitmap_find(bytes, 0, (size_t) c->layers[i].items, false) < c->layers[i].items)
            return false;
        bytes += (c->layers[i].items + 7) / 8;
    }
    return true;
}

static qv_status strided_run(qv__column *column, const qv__page21 *page, uint64_t row, uint64_t max_rows,
                             uint64_t row_bytes, qv__vector_run *out, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t at = row - page->page->first_row, n = QV_MIN(max_rows, page->page->length - at), n_null = 0;
    uint64_t stride = qv__control_bytes(page) + page->value_bits / 8;
    qv__bytes bytes = { 0 }, validity = { 0 };
    uint8_t *bits = NULL;

    QV_CHECK(qv__page_buffer_part(column->file, page->page, 0, at * stride, n * stride, &bytes, err));
    QV_CHECK(qv__bytes_new(qv__bitmap_bytes((size_t) n), &validity, &bits, err));
    memset(bits, 0, qv__bitmap_bytes((size_t) n));
    for (uint64_t i = 0; i < n; i++) {
        bool is_valid = row_is_valid(page, bytes.data + i * stride);
        bits[i / 8] |= (uint8_t) (is_valid << (i % 8));
        n_null += !is_valid;
    }
    *out = (qv__vector_run){
        .data = bytes.data + (stride - row_bytes), .stride = (size_t) stride, .rows = n, .keep = { bytes }
    };
    bytes = (qv__bytes){ 0 };
    if (n_null) {
        out->validity = validity.data;
        out->keep[1] = validity;
        validity = (qv__bytes){ 0 };
    }
done:
    qv__bytes_unref(&bytes);
    qv__bytes_unref(&validity);
    return st;
}

/* Clears the bits of rows that have a null item at some depth. */
static void clear_null_items(const qv__array *vectors, uint8_t *bits, uint64_t n)
{
    uint64_t items = 1, skipped = (uint64_t) vectors->offset;
    const qv__array *a = vectors;

    while (a->type->id == QV_TYPE_FIXED_LIST) {
        uint64_t width = (uint64_t) a->type->width;
        items *= width;
        a = a->children[0];
        skipped = skipped * width + (uint64_t) a->offset;
        if (a->null_count == 0 || !a->buffers[0].data)
            continue;
        for (uint64_t i = 0; i < n; i++) {
            uint64_t from = skipped + i * items;
            if (qv__bitmap_find(a->buffers[0].data, (size_t) from, (size_t) (from + items), false) < from + items)
                qv__bit_clear(bits, (size_t) i);
        }
    }
}

/* A run over an array that was decoded. */
static qv_status decoded_run(const qv__array *array, uint64_t row_bytes, qv__vector_run *out, qv_error *err)
{
    const qv__array *a = array;
    uint64_t n = (uint64_t) array->length, n_null = (uint64_t) array->null_count, skipped = (uint64_t) array->offset;
    qv__bytes validity = { 0 };
    uint8_t *bits = NULL;

    while (a->type->id == QV_TYPE_FIXED_LIST) {
        skipped = skipped * (uint64_t) a->type->width + (uint64_t) a->children[0]->offset;
        a = a->children[0];
        n_null += (uint64_t) a->null_count;
    }
    if (n_null) {
        QV_TRY(qv__bytes_new(qv__bitmap_bytes((size_t) n), &validity, &bits, err));
        qv__bitmap_fill(bits, 0, (size_t) n, true);
        if (array->buffers[0].data)
            qv__bitmap_copy(bits, 0, array->buffers[0].data, (size_t) array->offset, (size_t) n);
        clear_null_items(array, bits, n);
    }
    *out = (qv__vector_run){ .data = a->buffers[1].data + skipped * ((uint64_t) qv__value_bits(a->type) / 8),
                             .stride = (size_t) row_bytes,
                             .rows = n,
                             .validity = validity.data,
                             .keep = { qv__bytes_ref(a->buffers[1]), validity } };
    return QV_OK;
}

static qv_status decode_run(qv__column *column, uint64_t row, uint64_t max_rows, uint64_t row_bytes,
                            qv__vector_run *out, qv_error *err)
{
    uint64_t n = QV_MIN(max_rows, qv__column_page_end(column, row) - row);
    qv__array *array = NULL;

    n = QV_MIN(n, QV_MAX(DECODE_SOME / row_bytes, 1));
    QV_TRY(qv__column_read(column, row, n, &array, err));
    qv_status st = decoded_run(array, row_bytes, out, err);
    qv__array_unref(array);
    return st;
}

static void run_of_bare(const bare *found, uint64_t row_bytes, qv__vector_run *out)
{
    *out = (qv__vector_run){ .data = found->values.data,
                             .stride = (size_t) row_bytes,
                             .rows = found->n,
                             .validity = found->validity.data,
                             .validity_offset = found->validity_bit,
                             .keep = { found->values, found->validity } };
}

/* Bytes of one vector. QV_INVALID: the column holds none, or there are not that many rows. */
static qv_status check_run(const qv__column *column, uint64_t row, uint64_t max_rows, uint64_t *row_bytes,
                           qv_error *err)
{
    const qv__node *node = &column->root;
    bool is_vector = node->type->id == QV_TYPE_FIXED_LIST || node->type->id == QV_TYPE_FIXED_BINARY;
    char text[100];

    *row_bytes = row_bytes_of(node->type);
    if (!is_vector || *row_bytes == 0 || node->kind != QV_NODE_LEAF)
        return qv__fail(err, QV_INVALID, "field \"%.60s\" of type %s holds no vectors", column->field.name,
                        qv__type_print(node->type, text, sizeof text));
    if (row >= column->n_rows || max_rows == 0)
        return qv__fail(err, QV_INVALID, "vectors [%" PRIu64 ", +%" PRIu64 ") of %" PRIu64, row, max_rows,
                        column->n_rows);
    return QV_OK;
}

qv_status qv__column_bare_vectors(qv__column *column, uint64_t row, uint64_t max_rows, qv__vector_run *out,
                                  qv_error *err)
{
    uint64_t row_bytes;
    bare found;

    *out = (qv__vector_run){ 0 };
    QV_TRY(check_run(column, row, max_rows, &row_bytes, err));
    QV_TRY(find_bare(column, row, max_rows, &found, err));
    if (found.values.data)
        run_of_bare(&found, row_bytes, out);
    return QV_OK;
}

qv_status qv__column_vectors(qv__column *column, uint64_t row, uint64_t max_rows, qv__vector_run *out, qv_error *err)
{
    uint64_t row_bytes;
    bare found;

    QV_TRY(check_run(column, row, max_rows, &row_bytes, err));
    if (!qv__file_is_20(column->file)) {
        const qv__page21 *page = &column->root.pages[qv__column_meta_page(column->root.meta, row)];
        if (is_strided(page) && !is_matrix(page))
            return strided_run(column, page, row, max_rows, row_bytes, out, err);
    }
    QV_TRY(find_bare(column, row, max_rows, &found, err));
    bool is_worth_it = found.values.data && (found.n == max_rows || found.n * row_bytes >= SMALL_CHUNK ||
                                             row + found.n == qv__column_page_end(column, row));
    if (!is_worth_it) {
        bare_clear(&found);
        return decode_run(column, row, max_rows, row_bytes, out, err);
    }
    run_of_bare(&found, row_bytes, out);
    return QV_OK;
}
