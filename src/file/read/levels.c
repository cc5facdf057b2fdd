/* Repetition and definition levels of a page become validity and offsets, layer by layer.
 *
 * A level with repetition r starts a slot in every layer whose nearest enclosing list has a number <= r + 1 (lists are numbered
 * from the innermost, 1; a row start has the highest number), if that list has elements there at all, which its
 * definition tells: def <= the numbers taken inside that list. So each layer can be computed alone, in one pass, from the two
 * arrays; a list's offset is the count of its child's slots so far. */
#include "file/read/read_private.h"

static bool is_list_kind(int32_t kind)
{
    return kind == QV_LAYER_VALID_LIST || kind == QV_LAYER_NULLABLE_LIST || kind == QV_LAYER_EMPTYABLE_LIST ||
           kind == QV_LAYER_NULL_AND_EMPTY_LIST;
}

static unsigned numbers_taken(int32_t kind)
{
    switch (kind) {
    case QV_LAYER_VALID_ITEM:
    case QV_LAYER_VALID_LIST:
        return 0;
    case QV_LAYER_NULL_AND_EMPTY_LIST:
        return 2;
    default:
        return 1;
    }
}

qv_status qv__layers_init(qv__layers *layers, const int32_t *kinds, size_t n_kinds, const bool *is_list, size_t n,
                          qv_error *err)
{
    unsigned taken = 0, taken_items = 0;

    *layers = (qv__layers){ 0 };
    if (n_kinds != n)
        return qv__fail(err, QV_CORRUPT, "page has %zu layers, the field has %zu", n_kinds, n);
    for (size_t i = 0; i < n; i++) {
        if (kinds[i] < QV_LAYER_VALID_ITEM || kinds[i] > QV_LAYER_NULL_AND_EMPTY_LIST)
            return qv__fail(err, QV_UNSUPPORTED, "layer kind %d is not known", (int) kinds[i]);
        if (is_list_kind(kinds[i]) != is_list[i])
            return qv__fail(err, QV_CORRUPT, "layer %zu of the page is %s list, the field's is %s", i,
                            is_list[i] ? "no" : "a", is_list[i] ? "one" : "none");
        layers->kind[i] = (uint8_t) kinds[i];
        layers->base[i] = (uint16_t) taken;
        if (is_list[i] && layers->n_lists++ == 0)
            layers->visible = (uint16_t) taken;
        taken += numbers_taken(kinds[i]);
        taken_items += is_list[i] ? 0 : numbers_taken(kinds[i]);
    }
    layers->n = (unsigned) n;
    layers->max_def = (uint16_t) taken;
    if (layers->n_lists == 0)
        layers->visible = (uint16_t) taken;
    layers->visible_old = layers->n_lists ? (uint16_t) taken_items : layers->visible;
    return QV_OK;
}

size_t qv__levels_count(const uint16_t *levels, size_t n, uint16_t limit)
{
    size_t count = 0;

    for (size_t i = 0; i < n;) { /* short sums in 16 bits, which compilers vectorise */
        size_t end = i + QV_MIN(n - i, 32768);
        uint16_t part = 0;
        for (; i < end; i++)
            part = (uint16_t) (part + (levels[i] <= limit));
        count += part;
    }
    return count;
}

/* One layer's rule for where slots start. */
typedef struct starts {
    uint16_t min_rep; /* a level of at least this repetition ... */
    uint16_t max_def; /* ... and at most this definition starts a slot */
} starts;

static starts starts_of(const qv__layers *layers, unsigned layer)
{
    unsigned lists_below = 0, i;

    for (i = 0; i <= layer; i++)
        lists_below += is_list_kind(layers->kind[i]);
    for (i = layer + 1; i < layers->n; i++)
        if (is_list_kind(layers->kind[i]))
            return (starts){ (uint16_t) lists_below, layers->base[i] };
    return (starts){ (uint16_t) lists_below, UINT16_MAX };
}

static inline bool starts_at(starts s, uint16_t rep, uint16_t def) { return rep >= s.min_rep && def <= s.max_def; }

static qv_status apply_item(const qv__layers *layers, unsigned layer, const uint16_t *rep, const uint16_t *def,
                            size_t n, qv__sink *sink, qv_error *err)
{
    starts s = starts_of(layers, layer);
    uint16_t picked[512];
    size_t n_picked = 0;

    if (!def && s.min_rep == 0) /* nothing null, nothing empty, and every level is an element */
        return qv__sink_valid(sink, n, err);

    for (size_t i = 0; i < n; i++) {
        uint16_t d = def ? def[i] : 0;
        if (!starts_at(s, rep ? rep[i] : 0, d))
            continue;
        picked[n_picked++] = d;
        if (n_picked == QV_COUNT_OF(picked)) {
            QV_TRY(qv__sink_levels(sink, picked, n_picked, layers->base[layer], err));
            n_picked = 0;
        }
    }
    return qv__sink_levels(sink, picked, n_picked, layers->base[layer], err);
}

static bool list_is_null(unsigned kind, uint16_t base, uint16_t def)
{
    switch (kind) {
    case QV_LAYER_EMPTYABLE_LIST:
        return def > base + 1u;
    case QV_LAYER_NULL_AND_EMPTY_LIST:
        return def > base && def != base + 2u;
    default:
        return def > base;
    }
}

/* Slots of a list gathered before they are appended. */
typedef struct gathered {
    size_t n;
    uint64_t offsets[512];
    uint16_t nulls[512]; /* 1: null */
} gathered;

static qv_status flush(gathered *g, qv__sink *sink, qv_error *err)
{
    QV_TRY(qv__sink_offsets(sink, g->offsets, g->n, err));
    QV_TRY(qv__sink_levels(sink, g->nulls, g->n, 0, err));
    g->n = 0;
    return QV_OK;
}

static qv_status apply_list(const qv__layers *layers, unsigned layer, const uint16_t *rep, const uint16_t *def,
                            size_t n, qv__sink *sink, qv_error *err)
{
    starts s = starts_of(layers, layer), child = starts_of(layers, layer - 1);
    uint16_t base = layers->base[layer];
    gathered g;

    g.n = 0;
    for (size_t i = 0; i < n; i++) {
        uint16_t r = rep[i], d = def ? def[i] : 0;
        if (starts_at(s, r, d)) {
            g.offsets[g.n] = sink->n_values;
            g.nulls[g.n++] = list_is_null(layers->kind[layer], base, d);
            if (g.n == QV_COUNT_OF(g.nulls))
                QV_TRY(flush(&g, sink, err));
        }
        sink->n_values += starts_at(child, r, d);
    }
    return flush(&g, sink, err);
}

qv_status qv__levels_apply(const qv__layers *layers, const uint16_t *rep, const uint16_t *def, size_t n,
                           qv__sink *const *sinks, qv_error *err)
{
    if (layers->n_lists && !rep && n)
        return qv__fail(err, QV_CORRUPT, "page has lists but no repetition levels");
    for (unsigned i = 0; i < layers->n; i++) {
        if (!sinks[i])
            continue;
        if (is_list_kind(layers->kind[i]))
            QV_TRY(apply_list(layers, i, rep, def, n, sinks[i], err));
        else if (layers->n_lists)
            QV_TRY(apply_item(layers, i, rep, def, n, sinks[i], err));
        else if (def)
            QV_TRY(qv__sink_levels(sinks[i], def, n, layers->base[i], err));
        else
            QV_TRY(qv__sink_valid(sinks[i], n, err));
    }
    return QV_OK;
}
