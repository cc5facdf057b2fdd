/* The mini-block layout: values in chunks of a power of two, each chunk with the levels that cover its values. Levels without
 * a value (null and empty lists) at a chunk's end go to the next chunk, the last chunk takes what is left. A chunk counts its
 * levels in 16 bits, and a chunk of version 2.1 has at most 32 KiB: chunks with too many levels are halved; if that does not
 * help, the page is refused as too sparse and the caller cuts it. */
#include "file/write/write_private.h"

#define PAD          0xFE
#define MAX_LEVELS   65535
#define LEVEL_BYTES  16384 /* of one chunk, rep and def together */
#define CHUNK_BYTES  32768 /* 2.1 */
#define VALUE_BUFFER (1 + QV__MAX_DIMS)

typedef struct cut { /* one chunk */
    size_t n_values, n_levels;
} cut;

typedef struct packer {
    const qv__page_job *job;
    const qv__chunker *chunker;
    bool has_rep, has_def;
    qv__level_codec rep, def;
    size_t n_cuts, cut_capacity;
    cut *cuts;
    qv__buffer parts[VALUE_BUFFER];
    qv__buffer levels[2];
} packer;

#include "base/alloc.h"

/* How many levels from `at` cover n values. */
static size_t levels_for(const qv__walk *walk, size_t at, size_t n)
{
    size_t end = at;
    if ((int64_t) walk->n_levels == walk->runs.total)
        return n;
    while (n && end < walk->n_levels)
        n -= walk->def[end++] <= walk->visible;
    return end - at;
}

static bool levels_fit(const packer *p, size_t n_levels)
{
    const qv__walk *walk = p->job->walk;
    size_t bytes = 0;
    if (!p->has_rep && !p->has_def)
        return true;
    if (p->has_rep)
        bytes += qv__level_bound(walk->max_rep, n_levels);
    if (p->has_def)
        bytes += qv__level_bound(walk->max_def, n_levels);
    return n_levels <= MAX_LEVELS && bytes <= LEVEL_BYTES;
}

static qv_status plan_cuts(packer *p, size_t n_values, bool *too_sparse, qv_error *err)
{
    const qv__walk *walk = p->job->walk;
    size_t value = 0, level = 0;
    while (value < n_values) {
        size_t take = p->chunker->take(p->chunker->ctx, value, n_values - value), levels;
        for (;;) {
            levels = value + take == n_values ? walk->n_levels - level : levels_for(walk, level, take);
            if (levels_fit(p, levels))
                break;
            size_t half = (size_t) 1 << (63 - __builtin_clzll(take));
            take = half == take ? take / 2 : half;
            if (take < 2) {
                *too_sparse = true;
                return QV_OK;
            }
        }
        QV_TRY(QV_GROW(&p->cuts, &p->cut_capacity, p->n_cuts + 1, err));
        p->cuts[p->n_cuts++] = (cut){ take, levels };
        value += take;
        level += levels;
    }
    return QV_OK;
}

/* Runs may be small in all and still too large in one chunk. */
static qv__level_codec choose_levels(const packer *p, const uint16_t *levels, unsigned max)
{
    const qv__column_writer *column = p->job->column;
    size_t n = p->job->walk->n_levels, at = 0;
    qv__level_codec codec = qv__level_choose(column->version, &column->tuning, levels, n, max, p->n_cuts);
    for (size_t i = 0; i < p->n_cuts && codec.form == QV__LEVELS_RUNS; i++) {
        if (qv__level_size(codec, levels + at, p->cuts[i].n_levels) > LEVEL_BYTES)
            codec = (qv__level_codec){ QV__LEVELS_PACKED, max ? 32 - (unsigned) __builtin_clz(max) : 0 };
        at += p->cuts[i].n_levels;
    }
    /* inline packing holds one group */
    if (codec.form == QV__LEVELS_INLINE && n > 1024)
        codec.form = QV__LEVELS_PACKED;
    return codec;
}

static qv_status pad8(qv__buffer *out, qv_error *err)
{
    static const uint8_t pads[8] = { PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD };
    return qv__buffer_append(out, pads, (size_t) (-out->len & 7), err);
}

static qv_status put_u16(qv__buffer *out, size_t value, qv_error *err)
{
    uint16_t word = (uint16_t) value;
    return qv__buffer_append(out, &word, 2, err);
}

static qv_status put_head(const packer *p, const cut *c, bool large, qv__buffer *out, qv_error *err)
{
    QV_TRY(put_u16(out, p->has_rep || p->has_def ? c->n_levels : 0, err));
    if (p->has_rep)
        QV_TRY(put_u16(out, p->levels[0].len, err));
    if (p->has_def)
        QV_TRY(put_u16(out, p->levels[1].len, err));
    for (unsigned i = 0; i < p->chunker->n_buffers; i++) {
        uint32_t len = (uint32_t) p->parts[i].len;
        QV_TRY(qv__buffer_append(out, &len, large ? 4 : 2, err));
    }
    return pad8(out, err);
}

/* Encodes the chunk's parts, then lays them out; chunks start 8-aligned because every one ends in padding. */
static qv_status put_chunk(packer *p, const cut *c, size_t value, size_t level, bool large, qv__buffer *out,
                           qv_error *err)
{
    const qv__walk *walk = p->job->walk;
    for (unsigned i = 0; i < VALUE_BUFFER; i++)
        p->parts[i].len = 0;
    p->levels[0].len = p->levels[1].len = 0;
    if (p->has_rep)
        QV_TRY(qv__level_put(p->rep, walk->rep + level, c->n_levels, &p->levels[0], err));
    if (p->has_def)
        QV_TRY(qv__level_put(p->def, walk->def + level, c->n_levels, &p->levels[1], err));
    QV_TRY(p->chunker->put(p->chunker->ctx, value, c->n_values, p->parts, err));
    QV_TRY(put_head(p, c, large, out, err));
    for (unsigned i = 0; i < 2; i++) {
        QV_TRY(qv__buffer_append(out, p->levels[i].data, p->levels[i].len, err));
        QV_TRY(pad8(out, err));
    }
    for (unsigned i = 0; i < p->chunker->n_buffers; i++) {
        QV_TRY(qv__buffer_append(out, p->parts[i].data, p->parts[i].len, err));
        QV_TRY(pad8(out, err));
    }
    return QV_OK;
}

static qv_status put_word(const packer *p, size_t chunk, size_t bytes, bool large, qv__buffer *out, qv_error *err)
{
    bool last = chunk + 1 == p->n_cuts;
    unsigned log = last ? 0 : 63 - (unsigned) __builtin_clzll(p->cuts[chunk].n_values);
    uint32_t word = (uint32_t) (bytes / 8 - 1) << 4 | log;
    if (!large && bytes > CHUNK_BYTES)
        return qv__fail(err, QV_UNSUPPORTED, "column \"%s\": a chunk of %zu bytes does not fit version 2.1",
                        p->job->column->name, bytes);
    return qv__buffer_append(out, &word, large ? 4 : 2, err);
}

/* Per chunk: rows that end in it, and levels after the last row border. */
static qv_status put_repetition_index(const packer *p, qv__buffer *out, qv_error *err)
{
    const uint16_t *rep = p->job->walk->rep;
    unsigned top = p->job->walk->max_rep;
    size_t level = 0;
    for (size_t chunk = 0; chunk < p->n_cuts; chunk++) {
        size_t n = p->cuts[chunk].n_levels, end = level + n, border = level;
        uint64_t entry[2] = { 0, 0 };
        for (size_t i = level + 1; i < end; i++)
            if (rep[i] == top) {
                entry[0]++;
                border = i;
            }
        /* a row ends with the chunk when the next one starts with a row */
        if (end == p->job->walk->n_levels || rep[end] == top)
            entry[0]++;
        else
            entry[1] = end - border;
        QV_TRY(qv__buffer_append(out, entry, sizeof entry, err));
        level = end;
    }
    return QV_OK;
}

static qv_status describe(const packer *p, size_t n_values, qv_error *err)
{
    qv__layout *layout = p->job->layout;
    const qv__walk *walk = p->job->walk;
    Lance__File__PageLayout *page = qv__layout_new(layout, &lance__file__page_layout__descriptor);
    Lance__File__MiniBlockLayout *mini = qv__layout_new(layout, &lance__file__mini_block_layout__descriptor);
    page->mini_block_layout = mini;
    if (p->has_rep)
        mini->rep_compression = qv__level_enc(layout, p->rep);
    if (p->has_def)
        mini->def_compression = qv__level_enc(layout, p->def);
    mini->value_compression = p->chunker->encoding;
    mini->dictionary = p->chunker->dictionary;
    mini->has_num_dictionary_items = p->chunker->dictionary != NULL;
    mini->num_dictionary_items = p->chunker->n_dictionary;
    mini->n_layers = walk->n_layers;
    mini->layers = qv__layout_copy(layout, walk->layers, walk->n_layers * sizeof *walk->layers);
    mini->has_num_buffers = true;
    mini->num_buffers = p->chunker->n_buffers;
    mini->has_repetition_index_depth = p->has_rep;
    mini->repetition_index_depth = p->has_rep;
    mini->has_num_items = true;
    mini->num_items = n_values;
    mini->has_has_large_chunk = mini->has_large_chunk = p->job->column->version.minor >= 2;
    if (p->job->outer) {
        Lance__File__PageLayout *blob = qv__layout_new(layout, &lance__file__page_layout__descriptor);
        blob->blob_layout = qv__layout_new(layout, &lance__file__blob_layout__descriptor);
        blob->blob_layout->inner_layout = page;
        blob->blob_layout->n_layers = p->job->outer->n_layers;
        blob->blob_layout->layers =
            qv__layout_copy(layout, p->job->outer->layers, p->job->outer->n_layers * sizeof *p->job->outer->layers);
        page = blob;
    }
    return qv__layout_pack(layout, page, p->job->page, err);
}

static qv_status put_chunks(packer *p, qv__page *page, qv_error *err)
{
    bool large = p->job->column->version.minor >= 2;
    qv__buffer *words = &page->buffers[0].bytes, *data = &page->buffers[1].bytes;
    size_t value = 0, level = 0;
    for (size_t i = 0; i < p->n_cuts; i++) {
        size_t before = data->len;
        QV_TRY(put_chunk(p, &p->cuts[i], value, level, large, data, err));
        QV_TRY(put_word(p, i, data->len - before, large, words, err));
        value += p->cuts[i].n_values;
        level += p->cuts[i].n_levels;
    }
    page->n_buffers = 2;
    if (p->chunker->dictionary)
        page->buffers[page->n_buffers++].bytes = *p->chunker->dictionary_bytes;
    if (p->chunker->dictionary)
        qv__buffer_init(p->chunker->dictionary_bytes, SIZE_MAX);
    if (p->has_rep)
        QV_TRY(put_repetition_index(p, &page->buffers[page->n_buffers++].bytes, err));
    return QV_OK;
}

qv_status qv__miniblock_page(const qv__page_job *job, const qv__chunker *chunker, size_t n_values, bool *too_sparse,
                             qv_error *err)
{
    qv_status st = QV_OK;
    packer p = { .job = job, .chunker = chunker, .has_rep = job->walk->rep, .has_def = job->walk->def };
    for (unsigned i = 0; i < VALUE_BUFFER; i++)
        qv__buffer_init(&p.parts[i], SIZE_MAX);
    for (unsigned i = 0; i < 2; i++)
        qv__buffer_init(&p.levels[i], SIZE_MAX);
    QV_CHECK(plan_cuts(&p, n_values, too_sparse, err));
    if (*too_sparse)
        goto done;
    if (p.has_rep)
        p.rep = choose_levels(&p, job->walk->rep, job->walk->max_rep);
    if (p.has_def)
        p.def = choose_levels(&p, job->walk->def, job->walk->max_def);
    QV_CHECK(put_chunks(&p, job->page, err));
    QV_CHECK(describe(&p, n_values, err));
done:
    qv__free(p.cuts);
    for (unsigned i = 0; i < VALUE_BUFFER; i++)
        qv__buffer_free(&p.parts[i]);
    for (unsigned i = 0; i < 2; i++)
        qv__buffer_free(&p.levels[i]);
    return st;
}
