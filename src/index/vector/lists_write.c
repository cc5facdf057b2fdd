/* The two files of an index being written: auxiliary.idx gets the lists, one after the other, in pages that hold whole lists and nothing
 * but bare values; index.idx gets the centroids and, where the kind has them, the graphs. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "index/vector/vector_private.h"

#define MOST_BYTES ((size_t) 1 << 42)
#define PAGE_BYTES \
    ((size_t) 4 << 20) /* of lists gathered before pages are cut: enough to be read at once, few enough to be held */
#define MOST_TEXT    ((size_t) 1 << 30)
#define NODE_ROWS    ((uint32_t) 1 << 20) /* nodes of a graph in a batch: their neighbours are counted by 32 bits */
#define GRAPH_LEVELS 7                    /* as the reference writes; graphs with more say so */

struct qv__list_writer {
    qv__index_target target;
    qv__vector_model *model;
    qv__file_writer *codes, *index;
    qv__schema *code_schema, *index_schema;
    qv__type *types[1 + QV_MAX_CODE_COLUMNS];
    qv__buffer gathered[1 + QV_MAX_CODE_COLUMNS]; /* ids, then the quantizer's columns, arranged */
    size_t gathered_rows;
    size_t n_lists; /* added so far */
    uint64_t rows, graph_rows;
    uint64_t *offsets, *graph_offsets;
    uint32_t *lengths, *graph_lengths;
    qv__buffer texts; /* of graphs, or empty ones: a JSON array of strings */
};

/* ------------------------------------------------------------------ types */

static qv_status item_type(qv__element element, qv__field *out, qv_error *err)
{
    static const qv__type_id ids[QV_EL_COUNT] = {
        [QV_EL_F32] = QV_TYPE_FLOAT32,       [QV_EL_F16] = QV_TYPE_FLOAT16, [QV_EL_F64] = QV_TYPE_FLOAT64,
        [QV_EL_BF16] = QV_TYPE_FIXED_BINARY, [QV_EL_I8] = QV_TYPE_INT8,     [QV_EL_U8] = QV_TYPE_UINT8,
        [QV_EL_BITS] = QV_TYPE_UINT8
    };
    static const char bfloat16[] = "lance.bfloat16";
    qv__type *type;

    QV_TRY(qv__type_new(ids[element], &type, err));
    if (element == QV_EL_BF16)
        type->width = 2;
    qv_status st = qv__field_init(out, "item", type, true, err);
    qv__type_unref(type);
    if (st == QV_OK && element == QV_EL_BF16)
        st = qv__metadata_set(&out->metadata, "ARROW:extension:name", bfloat16, sizeof bfloat16 - 1, err);
    return st;
}

static qv_status vector_type(qv__element element, size_t items, qv__type **out, qv_error *err)
{
    qv__field item = { 0 };

    qv_status st = item_type(element, &item, err);
    if (st == QV_OK)
        st = qv__type_new_list(QV_TYPE_FIXED_LIST, &item, (int32_t) items, out, err);
    qv__field_clear(&item);
    return st;
}

static qv_status column_type(const qv__vector_model *model, const qv__code_column *column, qv__type **out,
                             qv_error *err)
{
    if (column->is_f32)
        return qv__type_new(QV_TYPE_FLOAT32, out, err);
    if (model->kind->code == QV_CODE_FLAT && model->element != QV_EL_BITS)
        return vector_type(model->element, model->dim, out, err);
    return vector_type(QV_EL_U8, column->width, out, err);
}

/* ------------------------------------------------------------------ opening */

static qv_status open_codes(qv__list_writer *w, qv_error *err)
{
    const qv__quantizer *q = w->model->quantizer;
    const qv__writer_options bare = { .profile = QV_FILE_BARE, .page_bytes = SIZE_MAX };
    qv__index_column columns[1 + QV_MAX_CODE_COLUMNS];

    QV_TRY(qv__type_new(QV_TYPE_UINT64, &w->types[0], err));
    columns[0] = (qv__index_column){ .name = "_rowid", .type = w->types[0] };
    for (size_t i = 0; i < q->n_columns; i++) {
        QV_TRY(column_type(w->model, &q->columns[i], &w->types[1 + i], err));
        columns[1 + i] = (qv__index_column){ .name = q->columns[i].name, .type = w->types[1 + i] };
    }
    return qv__index_writer_open_as(&w->target, "auxiliary.idx", columns, 1 + q->n_columns, &bare, &w->codes,
                                    &w->code_schema, err);
}

static qv_status open_index(qv__list_writer *w, qv_error *err)
{
    qv_status st = QV_OK;
    qv__type *marker = NULL, *id = NULL, *neighbours = NULL, *distances = NULL;
    qv__field items[2] = { { 0 }, { 0 } };
    qv__type *number = NULL, *real = NULL;

    QV_CHECK(qv__type_new(QV_TYPE_UINT64, &marker, err));
    QV_CHECK(qv__type_new(QV_TYPE_UINT32, &number, err));
    QV_CHECK(qv__type_new(QV_TYPE_FLOAT32, &real, err));
    id = qv__type_ref(number);
    QV_CHECK(qv__field_init(&items[0], "item", number, true, err));
    QV_CHECK(qv__field_init(&items[1], "item", real, true, err));
    QV_CHECK(qv__type_new_list(QV_TYPE_LIST, &items[0], 0, &neighbours, err));
    QV_CHECK(qv__type_new_list(QV_TYPE_LIST, &items[1], 0, &distances, err));
    const qv__index_column flat[] = { { "__flat_marker", marker, true } };
    const qv__index_column graph[] = { { "__vector_id", id, false },
                                       { "__neighbors", neighbours, false },
                                       { "_distance", distances, false } };
    bool has_graph = w->model->kind->has_graph;
    QV_CHECK(qv__index_writer_open(&w->target, "index.idx", has_graph ? graph : flat, has_graph ? 3 : 1, &w->index,
                                   &w->index_schema, err));
done:
    qv__field_clear(&items[0]);
    qv__field_clear(&items[1]);
    qv__type_unref(marker);
    qv__type_unref(id);
    qv__type_unref(number);
    qv__type_unref(real);
    qv__type_unref(neighbours);
    qv__type_unref(distances);
    return st;
}

void qv__list_writer_free(qv__list_writer *writer)
{
    if (!writer)
        return;
    qv__file_writer_free(writer->codes);
    qv__file_writer_free(writer->index);
    qv__schema_unref(writer->code_schema);
    qv__schema_unref(writer->index_schema);
    for (size_t i = 0; i < QV_COUNT_OF(writer->types); i++) {
        qv__type_unref(writer->types[i]);
        qv__buffer_free(&writer->gathered[i]);
    }
    qv__buffer_free(&writer->texts);
    qv__free(writer->offsets);
    qv__free(writer->lengths);
    qv__free(writer->graph_offsets);
    qv__free(writer->graph_lengths);
    qv__vector_model_unref(writer->model);
    qv__free(writer);
}

qv_status qv__list_writer_open(const qv__index_target *target, qv__vector_model *model, qv__list_writer **out,
                               qv_error *err)
{
    qv_status st = QV_OK;
    qv__list_writer *w = NULL;

    QV_TRY(QV_NEW(&w, 1, err));
    w->target = *target;
    w->model = model;
    qv__owner_ref(&model->owner);
    for (size_t i = 0; i < QV_COUNT_OF(w->gathered); i++)
        qv__buffer_init(&w->gathered[i], MOST_BYTES);
    qv__buffer_init(&w->texts, MOST_TEXT);
    QV_CHECK(QV_NEW(&w->offsets, model->n_lists, err));
    QV_CHECK(QV_NEW(&w->lengths, model->n_lists, err));
    QV_CHECK(QV_NEW(&w->graph_offsets, model->n_lists, err));
    QV_CHECK(QV_NEW(&w->graph_lengths, model->n_lists, err));
    QV_CHECK(open_codes(w, err));
    QV_CHECK(open_index(w, err));
    *out = w;
    w = NULL;
done:
    qv__list_writer_free(w);
    return st;
}

/* ------------------------------------------------------------------ arrays over gathered bytes */

/* Takes the bytes. A vector type gets an item array over them. */
static qv_status array_over(const qv__type *type, qv__bytes bytes, int64_t n, qv__array **out, qv_error *err)
{
    bool is_vector = type->id == QV_TYPE_FIXED_LIST;
    qv__array *array;

    qv_status st = qv__array_new(type, n, is_vector, &array, err);
    if (st != QV_OK) {
        qv__bytes_unref(&bytes);
        return st;
    }
    if (is_vector) {
        st = array_over(type->children[0].type, bytes, n * type->width, &array->children[0], err);
    } else if (bytes.data) {
        array->buffers[1] = bytes;
    } else { /* of no values */
        array->buffers[1].data = qv__zero_bytes;
        qv__bytes_unref(&bytes);
    }
    if (st == QV_OK)
        *out = array;
    else
        qv__array_unref(array);
    return st;
}

/* An empty buffer has no block to own. */
static qv_status take_bytes(qv__buffer *buffer, qv__bytes *out, qv_error *err)
{
    size_t len = buffer->len;
    uint8_t *block = qv__buffer_detach(buffer, NULL);

    *out = (qv__bytes){ 0 };
    return block ? qv__bytes_adopt(block, len, out, err) : QV_OK;
}

static qv_status take_array(const qv__type *type, qv__buffer *buffer, int64_t n, qv__array **out, qv_error *err)
{
    qv__bytes bytes;

    QV_TRY(take_bytes(buffer, &bytes, err));
    return array_over(type, bytes, n, out, err);
}

/* What was gathered becomes one page of each column. */
static qv_status flush(qv__list_writer *w, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *columns[1 + QV_MAX_CODE_COLUMNS] = { NULL };
    size_t n = 1 + w->model->quantizer->n_columns;

    if (!w->gathered_rows)
        return QV_OK;
    for (size_t i = 0; i < n; i++)
        QV_CHECK(take_array(w->types[i], &w->gathered[i], (int64_t) w->gathered_rows, &columns[i], err));
    QV_CHECK(qv__index_writer_put(w->codes, w->code_schema, columns, (int64_t) w->gathered_rows, err));
    QV_CHECK(qv__file_writer_cut(w->codes, err));
    w->gathered_rows = 0;
done:
    for (size_t i = 0; i < n; i++)
        qv__array_unref(columns[i]);
    return st;
}

static size_t gathered_bytes(const qv__list_writer *w)
{
    size_t bytes = 0;

    for (size_t i = 0; i < QV_COUNT_OF(w->gathered); i++)
        bytes += w->gathered[i].len;
    return bytes;
}

static size_t row_bytes(const qv__quantizer *q)
{
    size_t bytes = sizeof(uint64_t);

    for (size_t i = 0; i < q->n_columns; i++)
        bytes += q->columns[i].width;
    return bytes;
}

static qv_status gather(qv__list_writer *w, const uint64_t *ids, const uint8_t *const *plain, size_t n, qv_error *err)
{
    const qv__quantizer *q = w->model->quantizer;
    uint8_t *out[QV_MAX_CODE_COLUMNS];

    QV_TRY(qv__buffer_append(&w->gathered[0], ids, n * sizeof *ids, err));
    for (size_t i = 0; i < q->n_columns; i++) {
        qv__buffer *to = &w->gathered[1 + i];
        QV_TRY(qv__buffer_reserve(to, n * q->columns[i].width, err));
        out[i] = to->data + to->len;
        to->len += n * q->columns[i].width;
    }
    q->class->arrange(q, plain, n, out);
    w->gathered_rows += n;
    return QV_OK;
}

/* ------------------------------------------------------------------ graphs */

typedef struct graph_batch {
    qv__buffer ids, offsets, neighbours;
    int64_t n;
} graph_batch;

static qv_status number_list(const qv__type *type, qv__bytes offsets, qv__bytes items, int64_t n, int64_t n_items,
                             qv__array **out, qv_error *err)
{
    qv__array *array;

    QV_TRY(qv__array_new(type, n, 1, &array, err));
    array->buffers[1] = qv__bytes_ref(offsets);
    qv_status st = array_over(type->children[0].type, qv__bytes_ref(items), n_items, &array->children[0], err);
    if (st == QV_OK)
        *out = array;
    else
        qv__array_unref(array);
    return st;
}

/* Distances of neighbours, which no search reads, are zero. */
static qv_status put_graph_batch(qv__list_writer *w, graph_batch *b, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *columns[3] = { NULL };
    qv__bytes offsets = { 0 }, neighbours = { 0 }, zeros = { 0 };
    const qv__field *fields = w->index_schema->fields;
    size_t len = b->neighbours.len;
    uint8_t *bytes;

    QV_CHECK(qv__bytes_new(len, &zeros, &bytes, err));
    memset(bytes, 0, len);
    QV_CHECK(take_bytes(&b->offsets, &offsets, err));
    QV_CHECK(take_bytes(&b->neighbours, &neighbours, err));
    QV_CHECK(take_array(fields[0].type, &b->ids, b->n, &columns[0], err));
    QV_CHECK(number_list(fields[1].type, offsets, neighbours, b->n, (int64_t) (len / 4), &columns[1], err));
    QV_CHECK(number_list(fields[2].type, offsets, zeros, b->n, (int64_t) (len / 4), &columns[2], err));
    QV_CHECK(qv__index_writer_put(w->index, w->index_schema, columns, b->n, err));
    b->n = 0;
done:
    for (size_t i = 0; i < QV_COUNT_OF(columns); i++)
        qv__array_unref(columns[i]);
    qv__bytes_unref(&offsets);
    qv__bytes_unref(&neighbours);
    qv__bytes_unref(&zeros);
    return st;
}

static qv_status gather_nodes(const qv__hnsw *graph, unsigned level, uint32_t first, uint32_t end, graph_batch *b,
                              qv_error *err)
{
    const uint32_t *neighbours;
    uint32_t n;

    for (uint32_t i = first; i < end; i++) {
        uint32_t id = qv__hnsw_node(graph, level, i, &neighbours, &n), at;
        if (b->n == 0) {
            at = 0;
            QV_TRY(qv__buffer_append(&b->offsets, &at, sizeof at, err));
        }
        QV_TRY(qv__buffer_append(&b->ids, &id, sizeof id, err));
        QV_TRY(qv__buffer_append(&b->neighbours, neighbours, n * sizeof *neighbours, err));
        at = (uint32_t) (b->neighbours.len / sizeof *neighbours);
        QV_TRY(qv__buffer_append(&b->offsets, &at, sizeof at, err));
        b->n++;
    }
    return QV_OK;
}

static qv_status put_levels(qv__list_writer *w, const qv__hnsw *graph, qv_error *err)
{
    qv_status st = QV_OK;
    graph_batch b = { .n = 0 };

    qv__buffer_init(&b.ids, MOST_BYTES);
    qv__buffer_init(&b.offsets, MOST_BYTES);
    qv__buffer_init(&b.neighbours, MOST_BYTES);
    for (unsigned level = 0; level < qv__hnsw_shape_of(graph).n_levels; level++) {
        uint32_t n = qv__hnsw_level_nodes(graph, level);
        for (uint32_t at = 0; at < n; at += QV_MIN(n - at, NODE_ROWS)) {
            QV_CHECK(gather_nodes(graph, level, at, at + QV_MIN(n - at, NODE_ROWS), &b, err));
            QV_CHECK(put_graph_batch(w, &b, err));
        }
    }
done:
    qv__buffer_free(&b.ids);
    qv__buffer_free(&b.offsets);
    qv__buffer_free(&b.neighbours);
    return st;
}

/* The graph's text, in quotes; the level offsets count its own rows. */
static qv_status describe_graph(qv__list_writer *w, const qv__hnsw *graph, uint64_t *rows, qv_error *err)
{
    qv__hnsw_shape shape = qv__hnsw_shape_of(graph);
    uint32_t levels = QV_MAX(QV_MAX(shape.max_level, shape.n_levels), GRAPH_LEVELS);
    uint64_t at = 0;

    QV_TRY(qv__buffer_printf(&w->texts, err,
                             "\"{\\\"entry_point\\\":%" PRIu32 ",\\\"params\\\":{\\\"max_level\\\":%" PRIu32
                             ",\\\"m\\\":%" PRIu32 ",\\\"ef_construction\\\":%" PRIu32
                             ",\\\"prefetch_distance\\\":2},\\\"level_offsets\\\":[0",
                             shape.entry_point, levels, shape.m, shape.ef_construction));
    for (unsigned level = 0; level < levels; level++) {
        at += level < shape.n_levels ? qv__hnsw_level_nodes(graph, level) : 0;
        QV_TRY(qv__buffer_printf(&w->texts, err, ",%" PRIu64, at));
    }
    *rows = at;
    return qv__buffer_printf(&w->texts, err, "]}\"");
}

static qv_status add_graph(qv__list_writer *w, const qv__hnsw *graph, qv_error *err)
{
    uint64_t rows = 0;

    QV_TRY(qv__buffer_printf(&w->texts, err, "%s", w->n_lists ? "," : "["));
    if (!graph)
        QV_TRY(qv__buffer_printf(&w->texts, err, "\"\""));
    else
        QV_TRY(describe_graph(w, graph, &rows, err));
    if (graph)
        QV_TRY(put_levels(w, graph, err));
    if (rows > UINT32_MAX)
        return qv__fail(err, QV_LIMIT, "a graph of %" PRIu64 " nodes is too large", rows);
    w->graph_offsets[w->n_lists] = w->model->kind->has_graph ? w->graph_rows : 0;
    w->graph_lengths[w->n_lists] = (uint32_t) rows;
    w->graph_rows += rows;
    return QV_OK;
}

qv_status qv__list_writer_add(qv__list_writer *writer, const uint64_t *ids, const uint8_t *const *plain, size_t n,
                              const qv__hnsw *graph, qv_error *err)
{
    assert(writer->n_lists < writer->model->n_lists);
    if (n > UINT32_MAX)
        return qv__fail(err, QV_LIMIT, "a list of %zu rows is too large", n);
    if (gathered_bytes(writer) + n * row_bytes(writer->model->quantizer) > PAGE_BYTES)
        QV_TRY(flush(writer, err));
    if (n)
        QV_TRY(gather(writer, ids, plain, n, err));
    QV_TRY(add_graph(writer, n ? graph : NULL, err));
    writer->offsets[writer->n_lists] = writer->rows;
    writer->lengths[writer->n_lists++] = (uint32_t) n;
    writer->rows += n;
    return QV_OK;
}

/* ------------------------------------------------------------------ the end */

static qv_status finish_codes(qv__list_writer *w, qv_error *err)
{
    const qv__vector_model *m = w->model;

    QV_TRY(flush(w, err));
    QV_TRY(qv__ivf_message_write(w->codes, w->offsets, w->lengths, m->n_lists, NULL, NULL, err));
    QV_TRY(qv__code_storage_write(w->codes, m, err));
    QV_TRY(qv__file_writer_set_metadata(w->codes, "distance_type", qv__vector_metric_name(m->metric), err));
    return qv__file_writer_finish(w->codes, NULL, err);
}

static qv_status put_centroids(qv__list_writer *w, qv_error *err)
{
    const qv__vector_model *m = w->model;
    qv__tensor tensor = { QV_EL_U8, m->n_lists, m->dim / 8, m->bit_centroids };
    uint8_t *data = NULL;

    if (m->centroids)
        QV_TRY(qv__tensor_of_floats(m->centroids, m->n_lists, m->dim, m->element, &tensor, &data, err));
    qv_status st =
        qv__ivf_message_write(w->index, w->graph_offsets, w->graph_lengths, m->n_lists, &tensor, &m->loss, err);
    qv__free(data);
    return st;
}

static qv_status put_tuning(qv__list_writer *w, const qv__vector_tuning *tuning, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer text;

    if (!tuning || !tuning->n)
        return QV_OK;
    qv__buffer_init(&text, MOST_TEXT);
    for (uint32_t i = 0; i < tuning->n; i++)
        QV_CHECK(qv__buffer_printf(&text, err, "%s[%.6g,%" PRIu32 ",%" PRIu32 ",%" PRIu32 "]", i ? "," : "[",
                                   (double) tuning->steps[i].recall, tuning->steps[i].probes, tuning->steps[i].refine,
                                   tuning->steps[i].ef));
    QV_CHECK(qv__buffer_append(&text, "]", 2, err)); /* with the zero byte */
    QV_CHECK(qv__file_writer_set_metadata(w->index, QV_TUNING_KEY, (const char *) text.data, err));
done:
    qv__buffer_free(&text);
    return st;
}

static qv_status put_added(qv__list_writer *w, const qv__vector_tuning *tuning, qv_error *err)
{
    char text[64];

    if (!tuning || !tuning->added_rows)
        return QV_OK;
    snprintf(text, sizeof text, "[%" PRIu32 ",%.6g]", tuning->added_rows, (double) tuning->added);
    return qv__file_writer_set_metadata(w->index, QV_ADDED_KEY, text, err);
}

static qv_status finish_index(qv__list_writer *w, const qv__vector_tuning *tuning, qv_error *err)
{
    const qv__vector_model *m = w->model;
    char kind[96];

    snprintf(kind, sizeof kind, "{\"type\":\"%s\",\"distance_type\":\"%s\"}", m->kind->name,
             qv__vector_metric_name(m->metric));
    QV_TRY(qv__buffer_append(&w->texts, "]", 2, err)); /* with the zero byte */
    QV_TRY(put_centroids(w, err));
    QV_TRY(qv__file_writer_set_metadata(w->index, "lance:index", kind, err));
    QV_TRY(qv__file_writer_set_metadata(w->index, m->kind->has_graph ? "lance:hnsw" : "lance:flat",
                                        (const char *) w->texts.data, err));
    QV_TRY(put_tuning(w, tuning, err));
    QV_TRY(put_added(w, tuning, err));
    return qv__file_writer_finish(w->index, NULL, err);
}

qv_status qv__list_writer_finish(qv__list_writer *writer, const qv__vector_tuning *tuning, qv__index_built *out,
                                 qv_error *err)
{
    assert(writer->n_lists == writer->model->n_lists);
    QV_TRY(finish_codes(writer, err));
    QV_TRY(finish_index(writer, tuning, err));
    QV_TRY(qv__vector_details_pack(writer->model, &out->details, err));
    out->index_version = writer->model->kind->code == QV_CODE_RQ ? 2 : 1;
    return QV_OK;
}
