/* Mini-block pages: chunks of up to 32,768 values, each decoded alone. A directory, computed once per page, says where each
 * chunk lies and which values it holds; in pages of lists also which rows start and end in it, from the repetition index.
 * A read loads only the chunks of its rows, whole chunks straight into the sink. */
#include <inttypes.h>

#include "base/alloc.h"
#include "file/read/read_private.h"

#define MAX_CHUNK_VALUES 32768
#define FEW_VALUES       64 /* of a chunk: picked one by one for less than unpacking its group costs */

/* ------------------------------------------------------------------ directory */

static qv_status make_chunks(qv__file *file, const qv__page21 *page, qv__page_cache *cache, qv_error *err)
{
    qv_status st = QV_OK;
    size_t width = page->has_large_chunks ? 4 : 2;
    uint64_t at = 0, seen = 0, data_len = page->page->buffers[1].len;
    qv__bytes words = { 0 };

    QV_CHECK(qv__page_buffer(file, page->page, 0, &words, err));
    if (words.len % width)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "chunk metadata of %zu bytes", words.len));
    cache->n_chunks = words.len / width;
    QV_CHECK(QV_NEW(&cache->chunk_at, cache->n_chunks + 1, err));
    QV_CHECK(QV_NEW(&cache->first_value, cache->n_chunks + 1, err));
    for (size_t i = 0; i < cache->n_chunks; i++) {
        uint32_t word = width == 4 ? qv__load_u32(words.data + i * 4) : qv__load_u16(words.data + i * 2);
        bool is_last = i + 1 == cache->n_chunks;
        uint64_t n = is_last ? page->n_items - seen : (uint64_t) 1 << (word & 15);
        cache->chunk_at[i] = at;
        cache->first_value[i] = seen;
        at += ((uint64_t) (word >> 4) + 1) * 8;
        if ((!is_last && ((word & 15) == 0 || n > page->n_items - seen)) || n > MAX_CHUNK_VALUES || at > data_len)
            QV_CHECK(qv__fail(err, QV_CORRUPT,
                              "chunk %zu: %" PRIu64 " values and end %" PRIu64 " do not fit a page of %" PRIu64
                              " values and %" PRIu64 " bytes",
                              i, n, at, page->n_items, data_len));
        seen += n;
    }
    cache->chunk_at[cache->n_chunks] = at;
    cache->first_value[cache->n_chunks] = seen;
    if (seen != page->n_items || at != data_len)
        QV_CHECK(qv__fail(err, QV_CORRUPT,
                          "chunks hold %" PRIu64 " values in %" PRIu64 " bytes, the page %" PRIu64 " in %" PRIu64, seen,
                          at, page->n_items, data_len));
done:
    qv__bytes_unref(&words);
    return st;
}

static qv_status rows_disagree(uint64_t rows, const qv__page21 *page, qv_error *err)
{
    return qv__fail(err, QV_CORRUPT, "chunks hold %" PRIu64 " rows, the page %" PRIu64, rows, page->page->length);
}

/* Per chunk: rows that end in it, and levels left over after the last row border. */
static qv_status rows_from_index(qv__file *file, const qv__page21 *page, qv__page_cache *cache, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n = cache->n_chunks;
    uint64_t rows = 0;
    bool open = false; /* a row goes on into this chunk */
    qv__bytes index = { 0 };

    QV_CHECK(qv__page_buffer(file, page->page, page->page->n_buffers - 1, &index, err));
    if (index.len != n * 16)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "repetition index of %zu bytes for %zu chunks", index.len, n));
    for (size_t i = 0; i < n; i++) {
        cache->first_end[i] = rows;
        cache->first_start[i] = rows + open;
        if (!qv__add_u64(rows, qv__load_u64(index.data + i * 16), &rows) || rows > page->page->length)
            QV_CHECK(rows_disagree(rows, page, err));
        open = qv__load_u64(index.data + i * 16 + 8) != 0;
        if (cache->first_start[i] > rows + open)
            QV_CHECK(qv__fail(err, QV_CORRUPT, "repetition index: chunk %zu continues a row and leaves none", i));
    }
    cache->first_end[n] = cache->first_start[n] = rows;
    if (rows != page->page->length || open)
        QV_CHECK(rows_disagree(rows, page, err));
done:
    qv__bytes_unref(&index);
    return st;
}

/* ------------------------------------------------------------------ one chunk */

static qv_status cut(const uint8_t *chunk, size_t size, size_t *at, size_t len, qv__piece *out, qv_error *err)
{
    *at = (size_t) qv__round_up(*at, 8);
    if (!qv__inside(*at, len, size))
        return qv__fail(err, QV_CORRUPT, "chunk of %zu bytes: buffer [%zu, +%zu)", size, *at, len);
    *out = (qv__piece){ chunk + *at, len };
    *at += len;
    return QV_OK;
}

/* The pieces of a chunk: rep, def, then the value buffers. */
static qv_status cut_chunk(const qv__page21 *page, const uint8_t *chunk, size_t size, uint64_t *n_levels,
                           qv__piece *rep, qv__piece *def, qv__piece *values, qv_error *err)
{
    unsigned n_levels_buffers = (page->rep != NULL) + (page->def != NULL), width = page->has_large_chunks ? 4 : 2;
    size_t head = 2 + 2 * n_levels_buffers + (size_t) width * page->n_value_buffers, at = head;
    const uint8_t *lengths = chunk + 2;

    if (head > size)
        return qv__fail(err, QV_CORRUPT, "chunk of %zu bytes has a header of %zu", size, head);
    *n_levels = qv__load_u16(chunk);
    if (page->rep) {
        QV_TRY(cut(chunk, size, &at, qv__load_u16(lengths), rep, err));
        lengths += 2;
    }
    if (page->def) {
        QV_TRY(cut(chunk, size, &at, qv__load_u16(lengths), def, err));
        lengths += 2;
    }
    for (unsigned i = 0; i < page->n_value_buffers; i++, lengths += width)
        QV_TRY(cut(chunk, size, &at, width == 4 ? qv__load_u32(lengths) : qv__load_u16(lengths), &values[i], err));
    return QV_OK;
}

static qv_status decode_levels(qv__reader *reader, const qv__coding *coding, qv__piece piece, uint64_t n,
                               qv__buffer *out, qv_error *err)
{
    if (!coding)
        return QV_OK;
    out->len = 0;
    QV_TRY(qv__buffer_reserve(out, (size_t) n * 2 + 2, err));
    return qv__block_levels(coding, piece, (size_t) n, &reader->scratch, (uint16_t *) out->data, err);
}

static const uint16_t *rep_of(const qv__reader *reader, const qv__page21 *page)
{
    return page->rep ? (const uint16_t *) reader->rep.data : NULL;
}

static const uint16_t *def_of(const qv__reader *reader, const qv__page21 *page)
{
    return page->def ? (const uint16_t *) reader->def.data : NULL;
}

/* Every value of the chunk belongs to a visible level, and the other way round. */
static qv_status check_levels(const qv__reader *reader, const qv__page21 *page, qv_error *err)
{
    uint64_t visible = reader->n_levels;

    if (page->layers.n_lists && page->def)
        visible = qv__levels_count(def_of(reader, page), (size_t) reader->n_levels, page->layers.visible);
    if (visible != reader->n_values)
        return qv__fail(err, QV_CORRUPT, "chunk with %" PRIu64 " levels for %" PRIu64 " values", visible,
                        reader->n_values);
    return QV_OK;
}

/* Makes `chunk` the loaded one. The bytes up to `last` are fetched with it. */
static qv_status load_chunk(qv__reader *reader, const qv__page21 *page, const qv__page_cache *cache, size_t chunk,
                            size_t last, qv_error *err)
{
    qv__piece rep = { 0 }, def = { 0 };

    if (reader->chunk_page == page && reader->chunk == chunk)
        return QV_OK;
    reader->chunk_page = NULL;
    if (reader->span_page != page || chunk < reader->span_first || chunk >= reader->span_end) {
        uint64_t at = cache->chunk_at[chunk];
        reader->span_page = NULL;
        qv__bytes_unref(&reader->chunk_bytes);
        QV_TRY(qv__page_buffer_part(reader->file, page->page, 1, at, cache->chunk_at[last + 1] - at,
                                    &reader->chunk_bytes, err));
        reader->span_page = page;
        reader->span_first = chunk;
        reader->span_end = last + 1;
    }
    const uint8_t *bytes = reader->chunk_bytes.data + (cache->chunk_at[chunk] - cache->chunk_at[reader->span_first]);
    size_t size = (size_t) (cache->chunk_at[chunk + 1] - cache->chunk_at[chunk]);
    QV_TRY(cut_chunk(page, bytes, size, &reader->n_levels, &rep, &def, reader->pieces, err));
    QV_TRY(decode_levels(reader, page->rep, rep, reader->n_levels, &reader->rep, err));
    QV_TRY(decode_levels(reader, page->def, def, reader->n_levels, &reader->def, err));
    reader->n_values = cache->first_value[chunk + 1] - cache->first_value[chunk];
    if (page->rep || page->def)
        QV_TRY(check_levels(reader, page, err));
    reader->at_level = reader->at_start = reader->at_value = 0;
    reader->has_view = false;
    reader->n_picked = 0;
    reader->chunk = chunk;
    reader->chunk_page = page;
    return QV_OK;
}

/* ------------------------------------------------------------------ values */

static qv_status load_view(qv__reader *reader, const qv__page21 *page, qv_error *err)
{
    if (reader->has_view)
        return QV_OK;
    QV_TRY(qv__view_chunk(page->values, reader->pieces, page->n_value_buffers, reader->n_values, NULL, &reader->scratch,
                          &reader->view, err));
    reader->has_view = true;
    return QV_OK;
}

/* A whole chunk of fixed-width values: decoded where it will stay. */
static qv_status read_whole(qv__reader *reader, const qv__page21 *page, qv__sink *sink, qv_error *err)
{
    uint8_t *room;
    qv__view view;

    QV_TRY(qv__sink_fixed(sink, reader->n_values, &room, err));
    QV_TRY(qv__view_chunk(page->values, reader->pieces, page->n_value_buffers, reader->n_values, room, &reader->scratch,
                          &view, err));
    if (view.data != room && reader->n_values)
        memcpy(room, view.data, (size_t) reader->n_values * sink->width);
    return QV_OK;
}

/* Makes reader->view one that has values [at, at + n); *first says where in it they begin. */
static qv_status view_values(qv__reader *reader, const qv__page21 *page, uint64_t at, uint64_t n, uint64_t *first,
                             qv_error *err)
{
    if (!reader->has_view && reader->n_picked + n <= FEW_VALUES && qv__coding_picks(page->values)) {
        reader->n_picked += n;
        *first = 0;
        return qv__view_few(page->values, reader->pieces, page->n_value_buffers, reader->n_values, at, n,
                            &reader->scratch, &reader->view, err);
    }
    *first = at;
    return load_view(reader, page, err);
}

static qv_status read_values(qv__reader *reader, const qv__page21 *page, const qv__page_cache *cache, uint64_t at,
                             uint64_t n, qv_error *err)
{
    qv__sink *sink = reader->sinks[0];
    uint64_t first;

    if (!page->dictionary && sink->kind == QV_SINK_FIXED && at == 0 && n == reader->n_values && !reader->has_view)
        return read_whole(reader, page, sink, err);
    QV_TRY(view_values(reader, page, at, n, &first, err));
    return page->dictionary ? qv__view_emit_indices(&reader->view, first, n, cache->items, sink, err)
                            : qv__view_emit(&reader->view, first, n, sink, err);
}

/* ------------------------------------------------------------------ rows */

static qv_status read_plain(qv__reader *reader, const qv__page21 *page, const qv__page_cache *cache, qv__rows rows,
                            qv_error *err)
{
    uint64_t end = rows.at + rows.n;
    size_t chunk = qv__find_last(cache->first_value, cache->n_chunks, rows.at);
    size_t last = qv__find_last(cache->first_value, cache->n_chunks, end - 1);

    for (uint64_t row = rows.at; row < end; chunk++) {
        QV_TRY(load_chunk(reader, page, cache, chunk, last, err));
        uint64_t at = row - cache->first_value[chunk], n = QV_MIN(end, cache->first_value[chunk + 1]) - row;
        const uint16_t *def = def_of(reader, page);
        QV_TRY(qv__levels_apply(&page->layers, NULL, def ? def + at : NULL, (size_t) n, reader->sinks, err));
        QV_TRY(read_values(reader, page, cache, at, n, err));
        row += n;
    }
    return QV_OK;
}

/* Walks the loaded chunk to its k-th row start, or to its end when it has exactly k. */
static bool walk_to_start(qv__reader *reader, const qv__page21 *page, uint64_t k)
{
    const uint16_t *rep = rep_of(reader, page), *def = def_of(reader, page);

    for (; reader->at_level < reader->n_levels; reader->at_level++) {
        if (rep[reader->at_level] >= page->layers.n_lists) {
            if (reader->at_start == k)
                return true;
            reader->at_start++;
        }
        reader->at_value += !def || def[reader->at_level] <= page->layers.visible;
    }
    return reader->at_start == k;
}

static qv_status read_nested(qv__reader *reader, const qv__page21 *page, const qv__page_cache *cache, qv__rows rows,
                             qv_error *err)
{
    uint64_t end = rows.at + rows.n;
    size_t first = qv__find_last(cache->first_start, cache->n_chunks, rows.at);
    size_t last = qv__find_last(cache->first_end, cache->n_chunks, end - 1);

    if (last < first)
        return qv__fail(err, QV_CORRUPT, "repetition index: row %" PRIu64 " ends before it starts", rows.at);
    for (size_t chunk = first; chunk <= last; chunk++) {
        QV_TRY(load_chunk(reader, page, cache, chunk, last, err));
        if (chunk == first &&
            (!walk_to_start(reader, page, rows.at - cache->first_start[chunk]) || reader->at_level == reader->n_levels))
            return qv__fail(err, QV_CORRUPT, "repetition index: row %" PRIu64 " does not start in chunk %zu", rows.at,
                            chunk);
        uint64_t level = reader->at_level, value = reader->at_value;
        uint64_t starts =
            chunk == last ? end - cache->first_start[chunk] : cache->first_start[chunk + 1] - cache->first_start[chunk];
        if (!walk_to_start(reader, page, starts))
            return qv__fail(err, QV_CORRUPT, "repetition index: chunk %zu has other row starts", chunk);
        const uint16_t *rep = rep_of(reader, page), *def = def_of(reader, page);
        QV_TRY(qv__levels_apply(&page->layers, rep + level, def ? def + level : NULL,
                                (size_t) (reader->at_level - level), reader->sinks, err));
        QV_TRY(read_values(reader, page, cache, value, reader->at_value - value, err));
    }
    return QV_OK;
}

qv_status qv__mini_read(qv__reader *reader, qv__page21 *page, const qv__leaf *leaf, const qv__rows *rows, size_t n_rows,
                        qv_error *err)
{
    const qv__page_cache *cache = NULL;

    QV_TRY(qv__page21_cache(reader->file, page, leaf, &cache, err));
    if (page->dictionary && reader->sinks[0]->kind == QV_SINK_DICTIONARY)
        QV_TRY(qv__sink_dictionary(reader->sinks[0], cache->items, err));
    for (size_t i = 0; i < n_rows; i++) {
        if (rows[i].n == 0)
            continue;
        QV_TRY(page->layers.n_lists ? read_nested(reader, page, cache, rows[i], err)
                                    : read_plain(reader, page, cache, rows[i], err));
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ what is computed once */

/* Without an index the levels themselves are walked. */
static qv_status rows_from_levels(qv__file *file, const qv__page21 *page, qv__page_cache *cache, qv_error *err)
{
    qv_status st = QV_OK;
    qv__reader reader;
    uint64_t starts = 0;

    qv__reader_init(&reader, file);
    for (size_t i = 0; i < cache->n_chunks; i++) {
        QV_CHECK(load_chunk(&reader, page, cache, i, i, err));
        const uint16_t *rep = rep_of(&reader, page);
        bool goes_on = reader.n_levels && rep[0] < page->layers.n_lists;
        if (goes_on && starts == 0)
            QV_CHECK(qv__fail(err, QV_CORRUPT, "the page does not begin with a row"));
        cache->first_start[i] = starts;
        /* The row before ends here only if its last levels are here. */
        cache->first_end[i] = starts - goes_on;
        for (uint64_t k = 0; k < reader.n_levels; k++)
            starts += rep[k] >= page->layers.n_lists;
    }
    cache->first_end[cache->n_chunks] = cache->first_start[cache->n_chunks] = starts;
    if (starts != page->page->length)
        QV_CHECK(rows_disagree(starts, page, err));
done:
    qv__reader_clear(&reader);
    return st;
}

static qv_status make_items(qv__file *file, const qv__page21 *page, const qv__leaf *leaf, qv__page_cache *cache,
                            qv_error *err)
{
    qv_status st = QV_OK;
    qv__type *type = leaf->type->id == QV_TYPE_DICTIONARY ? leaf->type->children[0].type : leaf->type;
    qv__bytes block = { 0 };
    qv__scratch scratch;
    qv__sink sink = { 0 };
    qv__view view;

    qv__scratch_init(&scratch);
    QV_CHECK(qv__page_buffer(file, page->page, 2, &block, err));
    QV_CHECK(qv__view_block(page->dictionary, (qv__piece){ block.data, block.len }, page->n_dictionary_items, &scratch,
                            &view, err));
    QV_CHECK(qv__sink_init(&sink, type, err));
    QV_CHECK(qv__sink_valid(&sink, page->n_dictionary_items, err));
    QV_CHECK(qv__view_emit(&view, 0, page->n_dictionary_items, &sink, err));
    QV_CHECK(qv__sink_finish(&sink, &cache->items, err));
done:
    qv__sink_clear(&sink);
    qv__scratch_clear(&scratch);
    qv__bytes_unref(&block);
    return st;
}

qv_status qv__mini_make_cache(qv__file *file, const qv__page21 *page, const qv__leaf *leaf, qv__page_cache *cache,
                              qv_error *err)
{
    QV_TRY(make_chunks(file, page, cache, err));
    if (page->layers.n_lists) {
        QV_TRY(QV_NEW(&cache->first_start, cache->n_chunks + 1, err));
        QV_TRY(QV_NEW(&cache->first_end, cache->n_chunks + 1, err));
        QV_TRY(page->has_index ? rows_from_index(file, page, cache, err) : rows_from_levels(file, page, cache, err));
    }
    return page->dictionary ? make_items(file, page, leaf, cache, err) : QV_OK;
}

qv_status qv__mini_values_at(qv__file *file, qv__page21 *page, const qv__page_cache *cache, size_t chunk,
                             qv__bytes *out, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t n_levels, at = cache->chunk_at[chunk];
    qv__piece values[QV_MAX_VECTOR_LAYERS + 2];
    qv__bytes bytes = { 0 };

    QV_CHECK(qv__page_buffer_part(file, page->page, 1, at, cache->chunk_at[chunk + 1] - at, &bytes, err));
    QV_CHECK(cut_chunk(page, bytes.data, bytes.len, &n_levels, NULL, NULL, values, err));
    *out = qv__bytes_slice(bytes, (size_t) (values[0].data - bytes.data), values[0].len);
done:
    qv__bytes_unref(&bytes);
    return st;
}
