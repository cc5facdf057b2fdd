/* One batch of rows of one column to a page of version 2.0: recursive array encodings over plain buffers. Lists and structs have
 * columns of their own; a null struct cannot be stored. Nulls are a bitmap beside the values, except for strings (an end
 * offset beyond the total) and dictionaries (an index beyond, or a null item). */
#include "base/alloc.h"
#include "file/lance_schema.h"
#include "file/write/write_private.h"

#define DICTIONARY_LEAST 100
#define DICTIONARY_MOST  255 /* items; index 0 is null */

typedef Lance__File__ArrayEncoding array_enc;

typedef struct job20 {
    const qv__column_writer *column;
    qv__runs *runs;
    qv__layout *layout;
    qv__page *page;
} job20;

#define NEW(type) qv__layout_new(job->layout, &lance__file__##type##__descriptor)

/* The next buffer of the page. */
static qv__buffer *next_buffer(const job20 *job) { return &job->page->buffers[job->page->n_buffers++].bytes; }

/* Describes the buffer that was taken last. */
static array_enc *enc_flat(const job20 *job, unsigned bits)
{
    array_enc *enc = NEW(array_encoding);
    uint32_t index = (uint32_t) job->page->n_buffers - 1;
    enc->flat = NEW(flat20);
    enc->flat->has_bits_per_value = true;
    enc->flat->bits_per_value = bits;
    enc->flat->buffer = NEW(buffer);
    enc->flat->buffer->has_buffer_index = index != 0;
    enc->flat->buffer->buffer_index = index;
    return enc;
}

/* `validity` NULL: no nulls. */
static array_enc *enc_nullable(const job20 *job, array_enc *validity, array_enc *values)
{
    array_enc *enc = NEW(array_encoding);
    enc->nullable = NEW(nullable);
    if (validity) {
        enc->nullable->some_nulls = NEW(some_nulls);
        enc->nullable->some_nulls->validity = validity;
        enc->nullable->some_nulls->values = values;
    } else {
        enc->nullable->no_nulls = NEW(no_nulls);
        enc->nullable->no_nulls->values = values;
    }
    return enc;
}

/* ------------------------------------------------------------------ slots */

/* Validity of the runs; the walk has no levels in 2.0. *n_valid counts. */
static qv_status gather_valid(const qv__runs *runs, qv__values *out, size_t *n_valid, qv_error *err)
{
    uint8_t *bits = NULL;
    size_t n = (size_t) runs->total, slot = 0;
    out->n = n;
    QV_TRY(qv__values_own(out, qv__bitmap_bytes(n), &bits, err));
    memset(bits, 0, qv__bitmap_bytes(n));
    *n_valid = 0;
    for (size_t r = 0; r < runs->n; r++)
        for (int64_t i = 0; i < runs->items[r].len; i++, slot++)
            if (!qv__slot_is_null(runs->items[r].array, runs->items[r].start + i)) {
                qv__bit_set(bits, slot);
                ++*n_valid;
            }
    if (*n_valid < n)
        out->valid = bits;
    return QV_OK;
}

/* Definition levels that say the same as the bitmap, for the gathering functions. */
static qv_status as_walk(const job20 *job, const qv__values *valid, size_t n_valid, qv__walk *out, qv_error *err)
{
    *out = (qv__walk){ .runs = *job->runs, .n_levels = valid->n, .visible = 1, .n_valid = n_valid };
    if (!valid->valid)
        return QV_OK;
    QV_TRY(QV_NEW(&out->def, valid->n, err));
    for (size_t i = 0; i < valid->n; i++)
        out->def[i] = !qv__bit_get(valid->valid, i);
    return QV_OK;
}

static qv_status put_bitmap(const job20 *job, const uint8_t *bits, size_t n, array_enc **enc, qv_error *err)
{
    *enc = NULL;
    if (!bits)
        return QV_OK;
    QV_TRY(qv__buffer_append(next_buffer(job), bits, qv__bitmap_bytes(n), err));
    *enc = enc_flat(job, 1);
    return QV_OK;
}

/* ------------------------------------------------------------------ leaves */

static qv_status put_fixed(const job20 *job, const qv__values *v, array_enc **enc, qv_error *err)
{
    array_enc *validity;
    QV_TRY(put_bitmap(job, v->valid, v->n, &validity, err));
    size_t bytes = v->bits == 1 ? qv__bitmap_bytes(v->n) : v->n * (v->bits / 8);
    QV_TRY(qv__buffer_append(next_buffer(job), v->data, bytes, err));
    *enc = enc_nullable(job, validity, enc_flat(job, v->bits));
    return QV_OK;
}

/* Ends of the strings, nulls moved beyond the total; then the bytes. */
static qv_status put_strings(const job20 *job, const qv__values *v, array_enc **enc, qv_error *err)
{
    uint64_t total = (uint64_t) v->offsets[v->n], adjust = total + 1;
    qv__buffer *ends = next_buffer(job);
    array_enc *binary = NEW(array_encoding);
    QV_TRY(qv__buffer_reserve(ends, v->n * 8, err));
    for (size_t i = 0; i < v->n; i++) {
        bool null = v->valid && !qv__bit_get(v->valid, i);
        qv__store_u64(ends->data + 8 * i, (uint64_t) v->offsets[i + 1] + (null ? adjust : 0));
    }
    ends->len = v->n * 8;
    binary->binary = NEW(binary20);
    binary->binary->indices = enc_nullable(job, NULL, enc_flat(job, 64));
    QV_TRY(qv__buffer_append(next_buffer(job), v->data, total, err));
    binary->binary->bytes = enc_flat(job, 8);
    binary->binary->has_null_adjustment = true;
    binary->binary->null_adjustment = adjust;
    *enc = binary;
    return QV_OK;
}

static array_enc *enc_dictionary(const job20 *job, array_enc *indices, array_enc *items, size_t n)
{
    array_enc *enc = NEW(array_encoding);
    enc->dictionary = NEW(dictionary20);
    enc->dictionary->indices = indices;
    enc->dictionary->items = items;
    enc->dictionary->has_num_dictionary_items = true;
    enc->dictionary->num_dictionary_items = (uint32_t) n;
    return enc;
}

/* Few distinct strings: u8 indices, 0 for null. *enc stays NULL when it does not pay. The reference reads neither empty
 * dictionaries nor those of other types than utf8. */
static qv_status try_dictionary(const job20 *job, const qv__values *v, size_t n_valid, array_enc **enc, qv_error *err)
{
    qv_status st = QV_OK;
    qv__values own = { 0 }, items = { 0 };
    uint32_t *ids = NULL;
    array_enc *indices, *strings;
    size_t rival = v->n * 7 + (size_t) v->offsets[v->n];
    if (!job->column->tuning.cheap || v->n < DICTIONARY_LEAST || n_valid == 0 ||
        qv__column_field(job->column)->type->id != QV_TYPE_UTF8)
        return QV_OK;
    QV_CHECK(qv__distinct(v, DICTIONARY_MOST, rival, &own, &ids, &items, err));
    if (!ids)
        goto done;
    qv__buffer *out = next_buffer(job);
    QV_CHECK(qv__buffer_reserve(out, v->n, err));
    for (size_t i = 0; i < v->n; i++)
        out->data[i] = v->valid && !qv__bit_get(v->valid, i) ? 0 : (uint8_t) (ids[i] + 1);
    out->len = v->n;
    indices = enc_nullable(job, NULL, enc_flat(job, 8));
    QV_CHECK(put_strings(job, &items, &strings, err));
    *enc = enc_dictionary(job, indices, strings, items.n);
done:
    qv__values_clear(&own);
    qv__values_clear(&items);
    return st;
}

static qv_status string_page(const job20 *job, const qv__walk *walk, unsigned bits, array_enc **enc, qv_error *err)
{
    qv_status st = QV_OK;
    qv__values v = { 0 };
    QV_CHECK(qv__gather_strings(walk, bits, &v, err));
    QV_CHECK(try_dictionary(job, &v, walk->n_valid, enc, err));
    if (!*enc)
        QV_CHECK(put_strings(job, &v, enc, err));
done:
    qv__values_clear(&v);
    return st;
}

static qv_status fixed_page(const job20 *job, const qv__walk *walk, unsigned bits, array_enc **enc, qv_error *err)
{
    qv__values v = { 0 };
    qv_status st = qv__gather_fixed(walk, bits, &v, err);
    if (st == QV_OK)
        st = put_fixed(job, &v, enc, err);
    qv__values_clear(&v);
    return st;
}

/* ------------------------------------------------------------------ vectors */

/* Items without nulls go to the file straight from the arrays. */
static qv_status put_bare(const job20 *job, const qv__walk *walk, const qv__values *shape, bool *done, qv_error *err)
{
    struct qv__page_buffer *buffer = &job->page->buffers[0];
    *done = false;
    if (walk->def || shape->bits < 8)
        return QV_OK;
    QV_TRY(QV_NEW(&buffer->pieces, walk->runs.n, err));
    for (size_t r = 0; r < walk->runs.n; r++)
        if (!qv__bare_piece(&walk->runs.items[r], shape, &buffer->pieces[r]))
            return QV_OK;
    buffer->n_pieces = walk->runs.n;
    job->page->n_buffers = 1;
    *done = true;
    return QV_OK;
}

/* Buffers: rows' validity, then per dimension the items' validity, then the items; the description is built inside out. */
static qv_status put_vectors(const job20 *job, const qv__walk *walk, const qv__type *type, array_enc **enc,
                             qv_error *err)
{
    qv_status st = QV_OK;
    qv__values v = { .items = 1 };
    array_enc *validity[1 + QV__MAX_DIMS] = { NULL };
    size_t per_row = 1;
    bool done;
    qv__vector_shape(type, &v.n_dims, v.dims, &v.bits);
    for (unsigned d = 0; d < v.n_dims; d++)
        v.items *= v.dims[d];
    QV_CHECK(put_bare(job, walk, &v, &done, err));
    if (!done) {
        QV_CHECK(qv__gather_vectors(walk, type, &v, err));
        QV_CHECK(put_bitmap(job, v.valid, v.n, &validity[0], err));
        for (unsigned d = 0; d < v.n_dims; d++) {
            per_row *= v.dims[d];
            QV_CHECK(put_bitmap(job, v.item_valid[d], v.n * per_row, &validity[d + 1], err));
        }
        size_t bits = v.n * (size_t) v.items * v.bits;
        QV_CHECK(qv__buffer_append(next_buffer(job), v.data, qv__bitmap_bytes(bits), err));
    }
    array_enc *inner = enc_flat(job, v.bits);
    for (unsigned d = v.n_dims; d-- > 0;) {
        array_enc *list = NEW(array_encoding);
        list->fixed_size_list = NEW(fixed_size_list20);
        list->fixed_size_list->has_dimension = true;
        list->fixed_size_list->dimension = v.dims[d];
        list->fixed_size_list->items = enc_nullable(job, validity[d + 1], inner);
        inner = list;
    }
    *enc = enc_nullable(job, validity[0], inner);
done:
    qv__values_clear(&v);
    return st;
}

/* ------------------------------------------------------------------ columns of dictionary type */

/* Items and, if rows are null and no item is, one more null item. *null_item: its number. */
static qv_status put_items(const job20 *job, const qv__array *dictionary, bool need_null, size_t *null_item, size_t *n,
                           array_enc **enc, qv_error *err)
{
    qv_status st = QV_OK;
    qv__values v = { 0 }, grown = { 0 };
    uint8_t *valid, *data;
    int64_t *offsets = NULL;
    size_t count = (size_t) dictionary->length;
    QV_CHECK(qv__gather_whole(dictionary, &v, err));
    grown = (qv__values){
        .n = count + need_null, .bits = v.bits, .offset_bits = v.offset_bits, .data = v.data, .items = 1
    };
    QV_CHECK(qv__values_own(&grown, qv__bitmap_bytes(count + 1), &valid, err));
    qv__bitmap_fill(valid, 0, count + 1, false);
    for (size_t i = 0; i < count; i++)
        qv__bit_put(valid, i, !qv__array_is_null(dictionary, (int64_t) i));
    *null_item = qv__bitmap_find(valid, 0, count, false);
    grown.n = *n = *null_item < count ? count : grown.n;
    if (*null_item < count || need_null)
        grown.valid = valid;
    if (v.offsets) {
        QV_CHECK(qv__values_own(&grown, (count + 2) * sizeof *offsets, &offsets, err));
        memcpy(offsets, v.offsets, (count + 1) * sizeof *offsets);
        offsets[count + 1] = offsets[count];
        grown.offsets = offsets;
        QV_CHECK(put_strings(job, &grown, enc, err));
    } else {
        QV_CHECK(qv__values_own(&grown, (count + 1) * (v.bits / 8), &data, err));
        memcpy(data, v.data, count * (v.bits / 8));
        memset(data + count * (v.bits / 8), 0, v.bits / 8);
        grown.data = data;
        QV_CHECK(put_fixed(job, &grown, enc, err));
    }
done:
    qv__values_clear(&v);
    qv__values_clear(&grown);
    return st;
}

static qv_status dict_page(const job20 *job, const qv__walk *walk, const qv__type *type, array_enc **enc, qv_error *err)
{
    qv_status st = QV_OK;
    unsigned bits = (unsigned) qv__type_bits(type->index_type);
    size_t width = bits / 8, null_item, n_items;
    const qv__array *dictionary = walk->runs.items[0].array->dictionary;
    qv__values v = { 0 };
    array_enc *items, *indices;
    QV_CHECK(qv__gather_fixed(walk, bits, &v, err));
    qv__buffer *out = next_buffer(job);
    indices = enc_nullable(job, NULL, enc_flat(job, bits));
    QV_CHECK(qv__buffer_append(out, v.data, v.n * width, err));
    QV_CHECK(put_items(job, dictionary, v.valid != NULL, &null_item, &n_items, &items, err));
    unsigned key_bits = type->index_type->id <= QV_TYPE_INT64 ? bits - 1 : bits;
    if (v.valid && key_bits < 63 && null_item >> key_bits != 0)
        QV_CHECK(qv__fail(err, QV_UNSUPPORTED,
                          "column \"%s\": a dictionary of %zu items has no number left for null in file version 2.0",
                          job->column->name, (size_t) dictionary->length));
    for (size_t i = 0; v.valid && i < v.n; i++)
        if (!qv__bit_get(v.valid, i))
            memcpy(out->data + i * width, &null_item, width);
    *enc = enc_dictionary(job, indices, items, n_items);
done:
    qv__values_clear(&v);
    return st;
}

/* ------------------------------------------------------------------ lists, structs */

static qv_status list_page(const job20 *job, array_enc **enc, qv_error *err)
{
    const qv__runs *runs = job->runs;
    qv__buffer *ends = next_buffer(job);
    uint64_t total = 0, at = 0;
    int64_t start, end;
    for (size_t pass = 0; pass < 2; pass++) {
        size_t slot = 0;
        QV_TRY(qv__buffer_reserve(ends, (size_t) runs->total * 8, err));
        for (size_t r = 0; r < runs->n; r++)
            for (int64_t i = 0; i < runs->items[r].len; i++, slot++) {
                const qv__array *array = runs->items[r].array;
                bool null = qv__array_is_null(array, runs->items[r].start + i);
                qv__array_list_range(array, runs->items[r].start + i, &start, &end);
                at += null ? 0 : (uint64_t) (end - start);
                if (pass == 1)
                    qv__store_u64(ends->data + 8 * slot, at + (null ? total + 1 : 0));
            }
        total = at;
        at = 0;
    }
    ends->len = (size_t) runs->total * 8;
    *enc = NEW(array_encoding);
    (*enc)->list = NEW(list20);
    (*enc)->list->offsets = enc_nullable(job, NULL, enc_flat(job, 64));
    (*enc)->list->has_null_offset_adjustment = true;
    (*enc)->list->null_offset_adjustment = total + 1;
    (*enc)->list->has_num_items = true;
    (*enc)->list->num_items = total;
    return QV_OK;
}

/* Structs store nothing by themselves; they must not be null. */
static qv_status check_structs(const qv__column_writer *column, const qv__runs *runs, qv_error *err)
{
    for (size_t r = 0; r < runs->n; r++) {
        const qv__run *run = &runs->items[r];
        for (int64_t i = 0; run->array->null_count && i < run->len; i++)
            if (qv__array_is_null(run->array, run->start + i))
                return qv__fail(err, QV_UNSUPPORTED, "column \"%s\": null structs cannot be stored in file version 2.0",
                                column->name);
    }
    return QV_OK;
}

/* The only page of a struct column: the reference reads no more than one. */
qv_status qv__struct_page20(qv__column_writer *column, qv_error *err)
{
    qv__layout layout;
    qv__page *page;
    QV_TRY(qv__column_add_page(column, &page, err));
    page->length = column->rows_done;
    qv__layout_init(&layout);
    array_enc *enc = qv__layout_new(&layout, &lance__file__array_encoding__descriptor);
    enc->simple_struct = qv__layout_new(&layout, &lance__file__empty__descriptor);
    qv_status st = qv__layout_pack(&layout, enc, page, err);
    qv__layout_clear(&layout);
    return st;
}

static array_enc **new_list(const job20 *job, size_t n)
{
    array_enc **list = qv__arena_alloc(&job->layout->arena, n, sizeof *list);
    job->layout->failed |= !list;
    return list;
}

/* Descriptors as rows of two numbers. */
static qv_status blob_page(const job20 *job, array_enc **enc, qv_error *err)
{
    QV_TRY(qv__blob_pairs20(job->column, job->runs, next_buffer(job), err));
    *enc = NEW(array_encoding);
    Lance__File__PackedStruct20 *packed = (*enc)->packed_struct = NEW(packed_struct20);
    packed->inner = new_list(job, 2);
    packed->buffer = NEW(buffer);
    packed->n_inner = packed->inner ? 2 : 0;
    for (size_t i = 0; i < packed->n_inner; i++)
        packed->inner[i] = enc_nullable(job, NULL, enc_flat(job, 64));
    return QV_OK;
}

static qv_status packed_page(const job20 *job, const qv__walk *walk, array_enc **enc, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__type *type = qv__column_field(job->column)->type;
    qv__values v = { 0 };
    if (walk->def)
        return qv__fail(err, QV_UNSUPPORTED, "column \"%s\": null structs cannot be stored in file version 2.0",
                        job->column->name);
    QV_CHECK(qv__gather_packed(job->column, &walk->runs, &v, err));
    QV_CHECK(qv__buffer_append(next_buffer(job), v.data, v.n * (v.bits / 8), err));
    *enc = NEW(array_encoding);
    Lance__File__PackedStruct20 *packed = (*enc)->packed_struct = NEW(packed_struct20);
    packed->inner = new_list(job, type->n_children);
    packed->buffer = NEW(buffer);
    packed->n_inner = packed->inner ? type->n_children : 0;
    for (size_t i = 0; i < packed->n_inner; i++)
        packed->inner[i] = enc_nullable(job, NULL, enc_flat(job, qv__fixed_bits(type->children[i].type)));
done:
    qv__values_clear(&v);
    return st;
}

/* ------------------------------------------------------------------ pages */

static qv_status leaf_page(const job20 *job, array_enc **enc, qv_error *err)
{
    const qv__field *field = qv__column_field(job->column);
    const qv__type *type = field->type;
    qv_status st = QV_OK;
    qv__values valid = { 0 };
    qv__walk walk = { 0 };
    size_t n_valid;
    unsigned strings = qv__string_bits(type);
    if (job->column->blob)
        return blob_page(job, enc, err);
    QV_CHECK(gather_valid(job->runs, &valid, &n_valid, err));
    QV_CHECK(as_walk(job, &valid, n_valid, &walk, err));
    if (qv__field_is_packed(field)) {
        QV_CHECK(packed_page(job, &walk, enc, err));
    } else if (n_valid == 0 && !strings) {
        *enc = NEW(array_encoding);
        (*enc)->nullable = NEW(nullable);
        (*enc)->nullable->all_nulls = NEW(all_nulls);
    } else if (type->id == QV_TYPE_DICTIONARY) {
        QV_CHECK(dict_page(job, &walk, type, enc, err));
    } else if (type->id == QV_TYPE_FIXED_LIST) {
        QV_CHECK(put_vectors(job, &walk, type, enc, err));
    } else if (strings) {
        QV_CHECK(string_page(job, &walk, strings, enc, err));
    } else {
        QV_CHECK(fixed_page(job, &walk, qv__fixed_bits(type), enc, err));
    }
done:
    qv__values_clear(&valid);
    qv__free(walk.def);
    return st;
}

qv_status qv__encode_batch20(qv__column_writer *column, qv_error *err)
{
    qv_status st = QV_OK;
    qv__runs runs = { 0 };
    qv__layout layout;
    array_enc *enc = NULL;
    qv__page *page;
    qv__layout_init(&layout);
    QV_CHECK(qv__walk_slots(column, column->batch, column->n_batch, &runs, err));
    column->rows_done += (uint64_t) runs.total;
    if (column->kind == QV__COLUMN_STRUCT) {
        QV_CHECK(check_structs(column, &runs, err));
        goto done;
    }
    if (runs.total == 0) /* only empty lists above */
        goto done;
    QV_CHECK(qv__column_add_page(column, &page, err));
    page->length = (uint64_t) runs.total;
    job20 job = { column, &runs, &layout, page };
    if (column->kind == QV__COLUMN_LIST)
        QV_CHECK(list_page(&job, &enc, err));
    else
        QV_CHECK(leaf_page(&job, &enc, err));
    QV_CHECK(qv__layout_pack(&layout, enc, page, err));
done:
    qv__runs_clear(&runs);
    qv__layout_clear(&layout);
    return st;
}
