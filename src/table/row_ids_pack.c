/* Row ids and row versions to their packed forms.
 *
 * A sequence of ids is cut where it stops ascending. Each ascending piece becomes whatever is shortest: its ranges one by one,
 * one range with holes, one range with a bitmap, or the sorted numbers. A sequence that falls into many small pieces is stored
 * as plain numbers instead. */
#include "table/table_private.h"

#define SEGMENT_BYTES 12 /* what a range costs, about */
#define MIN_PIECE     16 /* ids per ascending piece; below that a plain array is shorter */

typedef struct piece { /* ids [first, first + n) of the sequence, ascending */
    const uint64_t *ids;
    uint64_t n;
    uint64_t n_ranges;
} piece;

typedef struct packer {
    qv__arena *arena;
    Lance__Table__U64Segment **segments;
    size_t n, capacity;
    qv_error *err;
} packer;

/* ------------------------------------------------------------------ segments */

static qv_status add_segment(packer *p, Lance__Table__U64Segment **out)
{
    if (p->n == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 8;
        Lance__Table__U64Segment **grown = qv__arena_alloc(p->arena, capacity, sizeof *grown);
        if (!grown)
            return qv__fail_nomem(p->err, capacity * sizeof *grown);
        if (p->n)
            memcpy(grown, p->segments, p->n * sizeof *grown);
        p->segments = grown;
        p->capacity = capacity;
    }
    Lance__Table__U64Segment *segment = qv__arena_alloc(p->arena, 1, sizeof *segment);
    if (!segment)
        return qv__fail_nomem(p->err, sizeof *segment);
    lance__table__u64_segment__init(segment);
    p->segments[p->n++] = segment;
    *out = segment;
    return QV_OK;
}

static qv_status add_range(packer *p, uint64_t start, uint64_t end)
{
    Lance__Table__U64Range *range = qv__arena_alloc(p->arena, 1, sizeof *range);
    Lance__Table__U64Segment *segment;

    if (!range)
        return qv__fail_nomem(p->err, sizeof *range);
    QV_TRY(add_segment(p, &segment));
    lance__table__u64_range__init(range);
    range->has_start = start != 0;
    range->start = start;
    range->has_end = true;
    range->end = end;
    segment->range = range;
    return QV_OK;
}

static size_t number_width(uint64_t low, uint64_t high)
{
    return high - low <= UINT16_MAX ? 2 : high - low <= UINT32_MAX ? 4 : 8;
}

static qv_status encode_array(packer *p, const uint64_t *values, uint64_t n, uint64_t low, uint64_t high,
                              Lance__Table__EncodedU64Array **out)
{
    struct {
        Lance__Table__EncodedU64Array array;
        Lance__Table__U16Array u16;
        Lance__Table__U32Array u32;
        Lance__Table__U64Array u64;
    } *m = qv__arena_alloc(p->arena, 1, sizeof *m);
    size_t width = number_width(low, high);
    uint8_t *bytes = qv__arena_alloc(p->arena, n + 1, width);

    if (!m || !bytes)
        return qv__fail_nomem(p->err, n * width);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t value = width == 8 ? values[i] : values[i] - low;
        memcpy(bytes + i * width, &value, width); /* little-endian */
    }
    ProtobufCBinaryData data = { n * width, bytes };
    lance__table__encoded_u64_array__init(&m->array);
    lance__table__u16_array__init(&m->u16);
    lance__table__u32_array__init(&m->u32);
    lance__table__u64_array__init(&m->u64);
    m->u16.has_first = m->u32.has_first = m->u16.has_offsets = m->u32.has_offsets = m->u64.has_values = true;
    m->u16.first = m->u32.first = low;
    m->u16.offsets = m->u32.offsets = m->u64.values = data;
    m->array.u16_array = width == 2 ? &m->u16 : NULL;
    m->array.u32_array = width == 4 ? &m->u32 : NULL;
    m->array.u64_array = width == 8 ? &m->u64 : NULL;
    *out = &m->array;
    return QV_OK;
}

static qv_status add_holes(packer *p, const piece *ascending)
{
    uint64_t start = ascending->ids[0], end = ascending->ids[ascending->n - 1] + 1, n = 0;
    uint64_t *holes = qv__arena_alloc(p->arena, end - start - ascending->n + 1, sizeof *holes);
    Lance__Table__U64RangeWithHoles *range = qv__arena_alloc(p->arena, 1, sizeof *range);
    Lance__Table__U64Segment *segment;

    if (!holes || !range)
        return qv__fail_nomem(p->err, (end - start - ascending->n) * sizeof *holes);
    for (uint64_t i = 1; i < ascending->n; i++)
        for (uint64_t id = ascending->ids[i - 1] + 1; id < ascending->ids[i]; id++)
            holes[n++] = id;
    lance__table__u64_range_with_holes__init(range);
    range->has_start = range->has_end = true;
    range->start = start;
    range->end = end;
    QV_TRY(encode_array(p, holes, n, holes[0], holes[n - 1], &range->holes));
    QV_TRY(add_segment(p, &segment));
    segment->range_with_holes = range;
    return QV_OK;
}

static qv_status add_bitmap(packer *p, const piece *ascending)
{
    uint64_t start = ascending->ids[0], end = ascending->ids[ascending->n - 1] + 1;
    size_t n_bytes = qv__bitmap_bytes(end - start);
    uint8_t *bits = qv__arena_alloc(p->arena, n_bytes, 1);
    Lance__Table__U64RangeWithBitmap *range = qv__arena_alloc(p->arena, 1, sizeof *range);
    Lance__Table__U64Segment *segment;

    if (!bits || !range)
        return qv__fail_nomem(p->err, n_bytes);
    for (uint64_t i = 0; i < ascending->n; i++)
        qv__bit_set(bits, ascending->ids[i] - start);
    lance__table__u64_range_with_bitmap__init(range);
    range->has_start = range->has_end = range->has_bitmap = true;
    range->start = start;
    range->end = end;
    range->bitmap = (ProtobufCBinaryData){ n_bytes, bits };
    QV_TRY(add_segment(p, &segment));
    segment->range_with_bitmap = range;
    return QV_OK;
}

static qv_status add_ranges(packer *p, const piece *ascending)
{
    uint64_t start = 0;

    for (uint64_t i = 1; i <= ascending->n; i++) {
        if (i < ascending->n && ascending->ids[i] == ascending->ids[i - 1] + 1)
            continue;
        QV_TRY(add_range(p, ascending->ids[start], ascending->ids[i - 1] + 1));
        start = i;
    }
    return QV_OK;
}

static qv_status add_numbers(packer *p, const uint64_t *ids, uint64_t n, bool sorted)
{
    uint64_t low = UINT64_MAX, high = 0;
    Lance__Table__EncodedU64Array *array;
    Lance__Table__U64Segment *segment;

    for (uint64_t i = 0; i < n; i++) {
        low = QV_MIN(low, ids[i]);
        high = QV_MAX(high, ids[i]);
    }
    QV_TRY(encode_array(p, ids, n, low, high, &array));
    QV_TRY(add_segment(p, &segment));
    *(sorted ? &segment->sorted_array : &segment->array) = array;
    return QV_OK;
}

static qv_status add_piece(packer *p, const piece *ascending)
{
    uint64_t low = ascending->ids[0], high = ascending->ids[ascending->n - 1], width = number_width(low, high);
    uint64_t ranges = ascending->n_ranges * SEGMENT_BYTES, numbers = ascending->n * width;
    uint64_t n_holes = high - low + 1 - ascending->n, bitmap = (high - low) / 8 + SEGMENT_BYTES;
    uint64_t holes = n_holes < UINT32_MAX ? n_holes * width + SEGMENT_BYTES : UINT64_MAX;

    if (ranges <= numbers && ranges <= bitmap && ranges <= holes)
        return add_ranges(p, ascending);
    if (holes <= numbers && holes <= bitmap)
        return add_holes(p, ascending);
    return bitmap <= numbers ? add_bitmap(p, ascending) : add_numbers(p, ascending->ids, ascending->n, true);
}

/* The ascending piece that begins at `at`. */
static piece piece_at(const uint64_t *ids, uint64_t at, uint64_t n)
{
    piece found = { ids + at, 1, 1 };

    while (at + found.n < n && ids[at + found.n] > ids[at + found.n - 1]) {
        found.n_ranges += ids[at + found.n] != ids[at + found.n - 1] + 1;
        found.n++;
    }
    return found;
}

qv_status qv__row_ids_pack(const uint64_t *ids, uint64_t n, qv__arena *arena, ProtobufCBinaryData *out, qv_error *err)
{
    Lance__Table__RowIdSequence sequence = LANCE__TABLE__ROW_ID_SEQUENCE__INIT;
    packer p = { .arena = arena, .err = err };
    uint64_t n_pieces = 0;

    for (uint64_t at = 0; at < n; n_pieces++)
        at += piece_at(ids, at, n).n;
    if (n_pieces > 1 && n / n_pieces < MIN_PIECE) {
        QV_TRY(add_numbers(&p, ids, n, false));
    } else {
        for (uint64_t at = 0; at < n;) {
            piece ascending = piece_at(ids, at, n);
            QV_TRY(add_piece(&p, &ascending));
            at += ascending.n;
        }
    }
    sequence.segments = p.segments;
    sequence.n_segments = p.n;
    return qv__pack(&sequence.base, arena, out, err);
}

qv_status qv__row_range_pack(uint64_t first, uint64_t n, qv__arena *arena, ProtobufCBinaryData *out, qv_error *err)
{
    Lance__Table__RowIdSequence sequence = LANCE__TABLE__ROW_ID_SEQUENCE__INIT;
    packer p = { .arena = arena, .err = err };

    if (n)
        QV_TRY(add_range(&p, first, first + n));
    sequence.segments = p.segments;
    sequence.n_segments = p.n;
    return qv__pack(&sequence.base, arena, out, err);
}

/* ------------------------------------------------------------------ versions */

typedef struct version_run {
    Lance__Table__RowVersionRun run;
    Lance__Table__U64Segment span;
    Lance__Table__U64Range range;
} version_run;

static void fill_run(version_run *m, uint64_t start, uint64_t end, uint64_t version)
{
    lance__table__row_version_run__init(&m->run);
    lance__table__u64_segment__init(&m->span);
    lance__table__u64_range__init(&m->range);
    m->range.has_start = start != 0;
    m->range.start = start;
    m->range.has_end = true;
    m->range.end = end;
    m->span.range = &m->range;
    m->run.span = &m->span;
    m->run.has_version = true;
    m->run.version = version;
}

qv_status qv__row_versions_pack(const uint64_t *versions, uint64_t n, qv__arena *arena, ProtobufCBinaryData *out,
                                qv_error *err)
{
    Lance__Table__RowVersionSequence sequence = LANCE__TABLE__ROW_VERSION_SEQUENCE__INIT;
    size_t n_runs = n != 0, at = 0;

    for (uint64_t i = 1; i < n; i++)
        n_runs += versions[i] != versions[i - 1];
    version_run *runs = qv__arena_alloc(arena, n_runs + 1, sizeof *runs);
    Lance__Table__RowVersionRun **list = qv__arena_alloc(arena, n_runs + 1, sizeof *list);
    if (!runs || !list)
        return qv__fail_nomem(err, n_runs * sizeof *runs);
    for (uint64_t start = 0, end = 1; start < n; start = end++) {
        while (end < n && versions[end] == versions[start])
            end++;
        fill_run(&runs[at], start, end, versions[start]);
        list[at] = &runs[at].run;
        at++;
    }
    sequence.runs = list;
    sequence.n_runs = n_runs;
    return qv__pack(&sequence.base, arena, out, err);
}

qv_status qv__row_version_pack(uint64_t version, uint64_t n, qv__arena *arena, ProtobufCBinaryData *out, qv_error *err)
{
    Lance__Table__RowVersionSequence sequence = LANCE__TABLE__ROW_VERSION_SEQUENCE__INIT;
    version_run only;
    Lance__Table__RowVersionRun *runs[] = { &only.run };

    fill_run(&only, 0, n, version);
    sequence.runs = runs;
    sequence.n_runs = n != 0;
    return qv__pack(&sequence.base, arena, out, err);
}
