/* Graphs of lists: rows of index.idx, level after level, read and checked when a list's graph is first asked for.
 *
 * Level 0 holds all nodes, ascending; each level above holds some of them, ascending too. So levels can be told from the node numbers
 * alone, which is done where the offsets in a graph's text do not fit its rows: early files have offsets that are too small. */
#include <inttypes.h>

#include "index/vector/segment.h"

#define MOST_LEVELS 64

/* ------------------------------------------------------------------ opening */

static void kept_graph_free(qv__kept_graph *kept)
{
    if (!kept)
        return;
    qv__hnsw_free(kept->graph);
    for (size_t i = 0; i < QV_COUNT_OF(kept->own); i++)
        qv__free(kept->own[i]);
    qv__free(kept);
}

void qv__graphs_close(qv__vector_segment *segment)
{
    for (size_t i = 0; segment->graphs && i < segment->model->n_lists; i++)
        kept_graph_free(atomic_load_explicit(&segment->graphs[i], memory_order_relaxed));
    for (size_t i = 0; segment->places && i < segment->model->n_lists; i++)
        qv__free(segment->places[i].level_offsets);
    for (size_t i = 0; i < QV_SPARE_SCRATCHES; i++)
        qv__hnsw_scratch_free(atomic_load_explicit(&segment->spare[i], memory_order_relaxed));
    qv__free(segment->places);
    qv__free(segment->graphs);
    qv__column_free(segment->nodes);
    qv__column_free(segment->neighbours);
}

static qv_status bad_text(size_t list, qv_error *err)
{
    return qv__fail(err, QV_CORRUPT, "index.idx: the text of graph %zu is broken", list);
}

/* Offsets that do not rise from 0 to the number of rows are not used. */
static qv_status read_level_offsets(const qv__jsonb_value *root, qv__graph_place *place, qv_error *err)
{
    qv__jsonb_value value, item;
    qv__jsonb_children children;
    uint64_t offset, last = 0;
    size_t n;

    if (!qv__metadata_member(root, "level_offsets", &value) || !qv__jsonb_array_length(&value, &n) || n < 2 ||
        n > MOST_LEVELS + 1 || !qv__jsonb_children_of(&value, &children))
        return QV_OK;
    QV_TRY(QV_NEW(&place->level_offsets, n, err));
    bool is_good = true;
    for (size_t i = 0; i < n && is_good; i++) {
        is_good = qv__jsonb_next(&children, &item) && qv__jsonb_u64(&item, &offset) && offset <= place->length &&
                  (i == 0 ? offset == 0 : offset >= last);
        place->level_offsets[i] = last = is_good ? offset : 0;
        if (i && is_good && offset > place->level_offsets[i - 1])
            place->n_levels = (uint32_t) i;
    }
    if (is_good && last == place->length)
        return QV_OK;
    qv__free(place->level_offsets);
    place->level_offsets = NULL;
    place->n_levels = 0;
    return QV_OK;
}

static qv_status read_parameters(const qv__jsonb_value *root, size_t list, qv__graph_place *place, qv_error *err)
{
    qv__jsonb_value params;
    uint64_t entry = 0, m = 0, ef = 0;

    QV_TRY(qv__metadata_number(root, "entry_point", &entry, err));
    if (qv__metadata_member(root, "params", &params)) {
        QV_TRY(qv__metadata_number(&params, "m", &m, err));
        QV_TRY(qv__metadata_number(&params, "ef_construction", &ef, err));
    }
    if (entry >= place->length || m > UINT32_MAX || ef > UINT32_MAX)
        return bad_text(list, err);
    place->entry_point = (uint32_t) entry;
    place->m = (uint32_t) m;
    place->ef_construction = (uint32_t) ef;
    return read_level_offsets(root, place, err);
}

static qv_status read_place(qv__vector_segment *s, size_t list, const qv__jsonb_value *text, qv_error *err)
{
    qv__graph_place *place = &s->places[list];
    qv__metadata_value value;

    if (!qv__metadata_is(text, QV_JSONB_STRING) || (place->length > 0) != (text->len > 0) ||
        (place->length > 0) != (s->lengths[list] > 0))
        return bad_text(list, err);
    if (!place->length)
        return QV_OK;
    QV_TRY(qv__metadata_json("index.idx: a graph's text", text->data, text->len, &value, err));
    qv_status st = read_parameters(&value.root, list, place, err);
    qv__metadata_value_clear(&value);
    return st;
}

static qv_status read_places(qv__vector_segment *s, const qv__ivf_message *ivf, qv_error *err)
{
    qv_status st = QV_OK;
    qv__metadata_value value;
    qv__jsonb_value text;
    qv__jsonb_children children;

    QV_TRY(qv__metadata_of_file(s->index, "lance:hnsw", &value, err));
    if (!qv__jsonb_children_of(&value.root, &children))
        QV_CHECK(bad_text(0, err));
    for (size_t i = 0; i < ivf->n_lists; i++) {
        if (!qv__jsonb_next(&children, &text))
            QV_CHECK(bad_text(i, err));
        s->places[i].offset = ivf->offsets[i];
        s->places[i].length = ivf->lengths[i];
        QV_CHECK(read_place(s, i, &text, err));
    }
done:
    qv__metadata_value_clear(&value);
    return st;
}

static qv_status open_columns(qv__vector_segment *s, qv_error *err)
{
    const qv__schema *schema = qv__file_schema(s->index);

    QV_TRY(qv__index_column_open(s->index, "__vector_id", NULL, &s->nodes, err));
    QV_TRY(qv__index_column_open(s->index, "__neighbors", NULL, &s->neighbours, err));
    const qv__type *ids = schema->fields[qv__schema_find(schema, "__vector_id")].type;
    const qv__type *lists = schema->fields[qv__schema_find(schema, "__neighbors")].type;
    if (ids->id != QV_TYPE_UINT32 || lists->id != QV_TYPE_LIST || lists->children[0].type->id != QV_TYPE_UINT32)
        return qv__fail(err, QV_CORRUPT, "index.idx: the columns of a graph have other types");
    return QV_OK;
}

qv_status qv__graphs_open(qv__vector_segment *segment, const qv__ivf_message *ivf, qv_error *err)
{
    QV_TRY(QV_NEW(&segment->places, ivf->n_lists, err));
    QV_TRY(QV_NEW(&segment->graphs, ivf->n_lists, err));
    QV_TRY(open_columns(segment, err));
    QV_TRY(read_places(segment, ivf, err));
    for (size_t i = 0; i < ivf->n_lists; i++) /* the first graph speaks for all */
        if (segment->places[i].length) {
            segment->model->hnsw_m = segment->places[i].m;
            segment->model->hnsw_ef_construction = segment->places[i].ef_construction;
            break;
        }
    return QV_OK;
}

/* ------------------------------------------------------------------ levels */

static bool rises(const uint32_t *nodes, uint64_t from, uint64_t to)
{
    for (uint64_t i = from + 1; i < to; i++)
        if (nodes[i] <= nodes[i - 1])
            return false;
    return true;
}

static bool offsets_fit(const qv__graph_place *place, const uint32_t *nodes)
{
    bool fit = place->level_offsets != NULL;

    for (uint32_t i = 0; fit && i < place->n_levels; i++)
        fit = place->level_offsets[i + 1] > place->level_offsets[i] &&
              rises(nodes, place->level_offsets[i], place->level_offsets[i + 1]);
    return fit;
}

/* Where levels begin, the end too; at most MOST_LEVELS of them. */
static qv_status find_levels(const qv__graph_place *place, const uint32_t *nodes, uint64_t *starts, uint32_t *n,
                             qv_error *err)
{
    *n = 0;
    if (offsets_fit(place, nodes)) {
        *n = place->n_levels;
        memcpy(starts, place->level_offsets, (*n + 1) * sizeof *starts);
        return QV_OK;
    }
    for (uint64_t i = 0; i < place->length; i++) {
        if (i && nodes[i] > nodes[i - 1])
            continue;
        if (*n == MOST_LEVELS)
            return qv__fail(err, QV_CORRUPT, "index.idx: a graph of more than %d levels", MOST_LEVELS);
        starts[(*n)++] = i;
    }
    starts[*n] = place->length;
    return QV_OK;
}

/* ------------------------------------------------------------------ reading a graph */

typedef struct graph_rows {
    qv__array *nodes, *lists;
    const uint32_t *ids, *neighbours;
    int32_t *offsets; /* length + 1, from 0 */
} graph_rows;

static void graph_rows_clear(graph_rows *rows)
{
    qv__array_unref(rows->nodes);
    qv__array_unref(rows->lists);
    qv__free(rows->offsets);
}

static qv_status read_rows(qv__vector_segment *s, const qv__graph_place *place, graph_rows *rows, qv_error *err)
{
    QV_TRY(qv__column_read(s->nodes, place->offset, place->length, &rows->nodes, err));
    QV_TRY(qv__column_read(s->neighbours, place->offset, place->length, &rows->lists, err));
    const qv__array *items = rows->lists->children[0];
    int64_t first = qv__array_offset(rows->lists, 0), last = qv__array_offset(rows->lists, place->length);
    if (rows->nodes->null_count || rows->lists->null_count || (first < last && items->null_count))
        return qv__fail(err, QV_CORRUPT, "index.idx: a graph has nulls");
    if (last - first > INT32_MAX)
        return qv__fail(err, QV_UNSUPPORTED, "index.idx: a graph of %" PRId64 " neighbours", last - first);
    QV_TRY(QV_NEW(&rows->offsets, (size_t) place->length + 1, err));
    for (int64_t i = 0; i <= place->length; i++)
        rows->offsets[i] = (int32_t) (qv__array_offset(rows->lists, i) - first);
    rows->ids = qv__array_values(rows->nodes);
    const uint32_t *values = qv__array_values(items);
    rows->neighbours = values ? values + first : (const uint32_t *) (const void *) qv__zero_bytes;
    return QV_OK;
}

/* A level's own lists begin at offset 0. */
static qv_status add_level(qv__hnsw *graph, unsigned level, graph_rows *rows, uint64_t from, uint64_t to, qv_error *err)
{
    int32_t first = rows->offsets[from];
    int32_t *offsets = rows->offsets + from;
    size_t n = (size_t) (to - from);

    for (size_t i = 0; i <= n; i++)
        offsets[i] -= first;
    qv_status st = qv__hnsw_add_level(graph, level, rows->ids + from, n, offsets, rows->neighbours + first, err);
    offsets[n] += first; /* where the next level begins */
    return st;
}

static qv_status build_graph(qv__vector_segment *s, size_t list, graph_rows *rows, qv__hnsw **out, qv_error *err)
{
    const qv__graph_place *place = &s->places[list];
    uint64_t starts[MOST_LEVELS + 1];
    uint32_t n_levels;
    qv_status st = QV_OK;
    qv__hnsw *graph = NULL;

    QV_TRY(find_levels(place, rows->ids, starts, &n_levels, err));
    const qv__hnsw_shape shape = { .n_nodes = (uint32_t) s->lengths[list],
                                   .n_levels = n_levels,
                                   .entry_point = place->entry_point,
                                   .m = place->m,
                                   .ef_construction = place->ef_construction,
                                   .max_level = QV_MAX(n_levels, 1) };
    if (starts[1] != shape.n_nodes ||
        rows->ids[starts[1] - 1] != shape.n_nodes - 1) /* they rise, so they are 0 .. n - 1 */
        return qv__fail(err, QV_CORRUPT, "index.idx: %" PRIu64 " nodes for the %" PRIu32 " rows of list %zu", starts[1],
                        shape.n_nodes, list);
    QV_CHECK(qv__hnsw_new(&shape, &graph, err));
    for (unsigned level = 0; level < n_levels; level++)
        QV_CHECK(add_level(graph, level, rows, starts[level], starts[level + 1], err));
    QV_CHECK(qv__hnsw_seal(graph, err));
    *out = graph;
    graph = NULL;
done:
    qv__hnsw_free(graph);
    return st;
}

static qv_status lay_plain(qv__vector_segment *s, size_t list, qv__kept_graph *kept, qv_error *err)
{
    const qv__quantizer *q = s->model->quantizer;
    qv__code_list stored;

    QV_TRY(qv__vector_segment_list(s, list, &stored, err));
    kept->plain = stored;
    if (s->model->kind->code != QV_CODE_PQ) /* the others are stored row after row */
        return QV_OK;
    for (size_t i = 0; i < q->n_columns; i++)
        QV_TRY(qv__new((void **) &kept->own[i], stored.n, q->columns[i].width, err));
    q->class->disarrange(q, stored.columns, stored.n, kept->own);
    for (size_t i = 0; i < q->n_columns; i++)
        kept->plain.columns[i] = kept->own[i];
    return QV_OK;
}

static qv_status read_graph(qv__vector_segment *s, size_t list, qv__kept_graph *kept, qv_error *err)
{
    qv_status st = QV_OK;
    graph_rows rows = { 0 };

    QV_CHECK(read_rows(s, &s->places[list], &rows, err));
    QV_CHECK(build_graph(s, list, &rows, &kept->graph, err));
    QV_CHECK(lay_plain(s, list, kept, err));
done:
    graph_rows_clear(&rows);
    return st == QV_INVALID ? qv__fail_in(err, QV_CORRUPT, "index.idx") : st;
}

qv_status qv__vector_segment_graph(qv__vector_segment *segment, size_t list, const qv__hnsw **graph,
                                   qv__code_list *plain, qv_error *err)
{
    qv__kept_graph *kept = atomic_load_explicit(&segment->graphs[list], memory_order_acquire), *made;

    *graph = NULL;
    if (!segment->lengths[list]) {
        *plain = (qv__code_list){ 0 };
        return QV_OK;
    }
    if (!kept) {
        QV_TRY(QV_NEW(&made, 1, err));
        qv_status st = read_graph(segment, list, made, err);
        if (st != QV_OK) {
            kept_graph_free(made);
            return st;
        }
        if (atomic_compare_exchange_strong_explicit(&segment->graphs[list], &kept, made, memory_order_acq_rel,
                                                    memory_order_acquire))
            kept = made;
        else
            kept_graph_free(made);
    }
    *graph = kept->graph;
    *plain = kept->plain;
    return QV_OK;
}

/* ------------------------------------------------------------------ scratch */

qv_status qv__vector_segment_take_scratch(qv__vector_segment *segment, qv__hnsw_scratch **out, qv_error *err)
{
    for (size_t i = 0; i < QV_SPARE_SCRATCHES; i++)
        if ((*out = atomic_exchange_explicit(&segment->spare[i], NULL, memory_order_acquire)) != NULL)
            return QV_OK;
    return qv__hnsw_scratch_new(out, err);
}

void qv__vector_segment_give_scratch(qv__vector_segment *segment, qv__hnsw_scratch *scratch)
{
    for (size_t i = 0; scratch && i < QV_SPARE_SCRATCHES; i++)
        scratch = atomic_exchange_explicit(&segment->spare[i], scratch, memory_order_acq_rel);
    qv__hnsw_scratch_free(scratch);
}
