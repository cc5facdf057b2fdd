/* From vectors to lists: rows are read in chunks, worked on in blocks by all threads (made float, assigned, encoded), and put into the store in
 * their order; then list after list is written. What is written does not depend on the number of threads. */
#include "base/alloc.h"
#include "base/pool.h"
#include "index/vector/build_private.h"

#define CHUNK_ROWS  16384
#define CHUNK_BYTES ((size_t) 8 << 20)
#define BLOCK_BYTES ((size_t) 512 << 10)
#define MOST_BLOCK  1024
#define LEAST_BLOCK 64

static bool is_float_row(qv__element element)
{
    return element == QV_EL_F32 || element == QV_EL_F16 || element == QV_EL_BF16;
}

/* Are the codes of lists what their graphs are built over? Products of SQ codes say nothing: each has its own offset. Integers are no unit
 * vectors. */
static bool has_graph_codes(const qv__vector_model *model)
{
    bool is_integer = model->element == QV_EL_I8 || model->element == QV_EL_U8;

    if (model->kind->code == QV_CODE_FLAT)
        return !is_integer || model->metric != QV_METRIC_COSINE;
    return model->kind->code == QV_CODE_SQ && model->metric != QV_METRIC_DOT;
}

qv_status qv__list_build_init(qv__list_build *build, const qv__index_target *target, const qv__build_order *order,
                              qv__vector_model *model, qv_error *err)
{
    const qv__quantizer *q = model->quantizer;

    *build = (qv__list_build){
        .target = target, .order = order, .model = model, .n_columns = q->n_columns, .tuning = model->tuning
    };
    for (size_t c = 0; c < q->n_columns; c++)
        build->widths[c] = q->columns[c].width;
    qv__owner_ref(&model->owner);
    build->keeps_rows = model->kind->has_graph && !has_graph_codes(model);
    if (build->keeps_rows)
        build->widths[build->n_columns++] = order->shape.work_bytes;
    return qv__list_store_new(target, model->n_lists, build->widths, build->n_columns, order->memory / 2, &build->store,
                              err);
}

void qv__list_build_clear(qv__list_build *build)
{
    qv__list_store_free(build->store);
    qv__tuner_free(build->tuner);
    qv__vector_model_unref(build->model);
    *build = (qv__list_build){ 0 };
}

/* ------------------------------------------------------------------ reading */

/* A chunk on its way: block i has the vectors [i * block, (i + 1) * block), and leaves the rows that can be found at the same place. */
typedef struct pass {
    qv__list_build *build;
    qv__row_chunk chunk;
    size_t block, n_blocks;
    size_t capacity, blocks_capacity; /* room below */
    uint32_t *which, *lists;
    uint64_t *ids;
    uint8_t *columns[QV_STORE_COLUMNS];
    size_t *counts; /* per block */
    double *distances;
} pass;

static void pass_clear(pass *p)
{
    qv__chunk_clear(&p->chunk);
    qv__free(p->which);
    qv__free(p->lists);
    qv__free(p->ids);
    for (size_t c = 0; c < QV_STORE_COLUMNS; c++)
        qv__free(p->columns[c]);
    qv__free(p->counts);
    qv__free(p->distances);
}

static qv_status replace(void *block, size_t count, size_t size, qv_error *err)
{
    void **at = block;

    qv__free(*at);
    *at = qv__alloc(count, size);
    return *at ? QV_OK : qv__fail_nomem(err, count * size);
}

static qv_status make_room(pass *p, qv_error *err)
{
    size_t n = p->chunk.n;

    p->n_blocks = (n + p->block - 1) / p->block;
    if (p->n_blocks > p->blocks_capacity) {
        p->blocks_capacity = 0;
        QV_TRY(replace(&p->counts, p->n_blocks, sizeof *p->counts, err));
        QV_TRY(replace(&p->distances, p->n_blocks, sizeof *p->distances, err));
        p->blocks_capacity = p->n_blocks;
    }
    if (n <= p->capacity)
        return QV_OK;
    p->capacity = 0;
    QV_TRY(replace(&p->which, n, sizeof *p->which, err));
    QV_TRY(replace(&p->lists, n, sizeof *p->lists, err));
    QV_TRY(replace(&p->ids, n, sizeof *p->ids, err));
    for (size_t c = 0; c < p->build->n_columns; c++)
        QV_TRY(replace(&p->columns[c], n, p->build->widths[c], err));
    p->capacity = n;
    return QV_OK;
}

static qv_status assign(const qv__list_build *build, const void *rows, size_t n, uint32_t *lists, double *sum,
                        qv_error *err)
{
    const qv__vector_model *model = build->model;
    float distances[MOST_BLOCK];

    if (model->element == QV_EL_BITS)
        qv__kmodes_assign(model->bit_centroids, model->n_lists, rows, n, build->order->shape.bytes, lists, distances);
    else
        QV_TRY(qv__centroids_assign(model->ranking, rows, n, false, lists, distances, err));
    *sum = 0;
    for (size_t i = 0; i < n; i++)
        *sum += distances[i];
    return QV_OK;
}

/* The columns of the rows from `at` on. */
static qv_status encode(pass *p, const void *rows, size_t at, size_t n, qv_error *err)
{
    const qv__list_build *build = p->build;
    const qv__vector_model *model = build->model;
    const qv__quantizer *q = model->quantizer;
    uint8_t *columns[QV_STORE_COLUMNS];

    for (size_t c = 0; c < build->n_columns; c++)
        columns[c] = p->columns[c] + at * build->widths[c];
    if (build->keeps_rows)
        memcpy(columns[build->n_columns - 1], rows, n * build->order->shape.work_bytes);
    if (model->kind->code != QV_CODE_FLAT || is_float_row(model->element))
        return q->class->encode(q, rows, n, model->centroids, p->lists + at, columns, err);
    for (size_t i = 0; i < n; i++)
        qv__vector_copy_flat(&build->order->shape, model->metric, p->chunk.at[p->which[at + i]],
                             columns[0] + i * build->widths[0]);
    return QV_OK;
}

static qv_status do_block(void *ctx, size_t number, qv_error *err)
{
    pass *p = ctx;
    const qv__build_order *order = p->build->order;
    qv_status st = QV_OK;
    size_t from = number * p->block, to = QV_MIN(from + p->block, p->chunk.n);
    void *rows = qv__alloc_aligned((to - from) * order->shape.work_bytes);

    p->counts[number] = 0;
    p->distances[number] = 0;
    if (!rows)
        return qv__fail_nomem(err, (to - from) * order->shape.work_bytes);
    size_t n = qv__chunk_work(&p->chunk, &order->shape, order->metric, from, to, rows, p->which + from);
    for (size_t i = 0; i < n; i++)
        p->ids[from + i] = p->chunk.ids[p->which[from + i]];
    if (n) {
        QV_CHECK(assign(p->build, rows, n, p->lists + from, &p->distances[number], err));
        QV_CHECK(encode(p, rows, from, n, err));
        if (p->build->tuner)
            QV_CHECK(qv__tuner_see_rows(p->build->tuner, rows, p->ids + from, p->lists + from, n, err));
    }
    p->counts[number] = n;
    st = qv__job_tick(order->job, 0, 0, err);
done:
    qv__free(rows);
    return st;
}

static qv_status put_chunk(pass *p, qv_error *err)
{
    qv__list_build *build = p->build;

    for (size_t i = 0; i < p->n_blocks; i++) {
        const uint8_t *columns[QV_STORE_COLUMNS];
        size_t from = i * p->block;
        for (size_t c = 0; c < build->n_columns; c++)
            columns[c] = p->columns[c] + from * build->widths[c];
        QV_TRY(qv__list_store_put(build->store, p->lists + from, p->ids + from, columns, p->counts[i], err));
        build->distance += p->distances[i];
    }
    return QV_OK;
}

/* Vectors that are worked on together: enough for many threads, and a small part of the memory. */
static size_t chunk_rows(const qv__list_build *build)
{
    size_t bytes = (size_t) QV_MIN(CHUNK_BYTES, build->order->memory / 8), width = build->order->shape.work_bytes;

    for (size_t c = 0; c < build->n_columns; c++)
        width += build->widths[c];
    return QV_MAX(QV_MIN(bytes / width, CHUNK_ROWS), LEAST_BLOCK);
}

qv_status qv__list_build_rows(qv__list_build *build, qv__stream *values, uint64_t rows, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__vector_shape *shape = &build->order->shape;
    size_t wanted = chunk_rows(build);
    pass p = { .build = build };

    p.block = QV_MAX(QV_MIN(BLOCK_BYTES / shape->work_bytes, MOST_BLOCK), LEAST_BLOCK);
    qv__job_stage(build->order->job, "assigning", rows);
    for (;;) {
        QV_CHECK(qv__chunk_next(&p.chunk, values, shape, wanted, err));
        if (!p.chunk.rows)
            break;
        QV_CHECK(make_room(&p, err));
        QV_CHECK(qv__parallel_for(p.n_blocks, qv__job_threads(build->order->job), do_block, &p, err));
        QV_CHECK(put_chunk(&p, err));
        QV_CHECK(qv__job_tick(build->order->job, p.chunk.rows, 0, err));
    }
done:
    pass_clear(&p);
    return st;
}

/* ------------------------------------------------------------------ writing */

static qv_status build_graph(const qv__list_build *build, size_t list, const uint8_t *const *columns, size_t n,
                             qv__hnsw **out, qv_error *err)
{
    const qv__vector_model *model = build->model;
    const qv__hnsw_options options = { .m = model->hnsw_m,
                                       .ef_construction = model->hnsw_ef_construction,
                                       .seed = build->order->seed + list,
                                       .threads = qv__job_threads(build->order->job),
                                       .job = build->order->job };

    if (!has_graph_codes(model))
        return qv__hnsw_build(columns[build->n_columns - 1], build->order->shape.work_bytes, n, model->dim, QV_EL_F32,
                              model->metric, &options, out, err);
    if (model->kind->code == QV_CODE_SQ) /* codes are compared by their own distance, also those of unit vectors */
        return qv__hnsw_build(columns[0], model->dim, n, model->dim, QV_EL_U8, QV_METRIC_L2, &options, out, err);
    return qv__hnsw_build(columns[0], build->widths[0], n, model->dim, model->element, model->metric, &options, out,
                          err);
}

/* Room for the longest list. */
typedef struct list_room {
    uint64_t *ids;
    uint8_t *columns[QV_STORE_COLUMNS];
} list_room;

static void list_room_clear(list_room *room)
{
    qv__free(room->ids);
    for (size_t c = 0; c < QV_STORE_COLUMNS; c++)
        qv__free(room->columns[c]);
}

static qv_status list_room_init(list_room *room, const qv__list_build *build, qv_error *err)
{
    size_t most = 0;

    for (size_t l = 0; l < build->model->n_lists; l++)
        most = QV_MAX(most,
                      qv__list_store_list_rows(build->store, l) + (build->older ? qv__older_rows(build->older, l) : 0));
    QV_TRY(replace(&room->ids, most, sizeof *room->ids, err));
    for (size_t c = 0; c < build->n_columns; c++)
        QV_TRY(replace(&room->columns[c], most, build->widths[c], err));
    return QV_OK;
}

/* The older rows of a list, and the new ones behind them. */
static qv_status gather_list(qv__list_build *build, size_t list, list_room *room, size_t *n, const qv__hnsw **graph,
                             qv_error *err)
{
    uint8_t *columns[QV_STORE_COLUMNS];
    size_t added = qv__list_store_list_rows(build->store, list);

    *n = 0;
    *graph = NULL;
    if (build->older)
        QV_TRY(qv__older_get(build, list, room->ids, room->columns, n, graph, err));
    if (added)
        *graph = NULL;
    for (size_t c = 0; c < build->n_columns; c++)
        columns[c] = room->columns[c] + *n * build->widths[c];
    QV_TRY(qv__list_store_get(build->store, list, room->ids + *n, columns, err));
    *n += added;
    return QV_OK;
}

static qv_status write_list(qv__list_build *build, size_t list, list_room *room, qv__list_writer *writer, qv_error *err)
{
    qv_status st = QV_OK;
    qv__hnsw *made = NULL;
    const qv__hnsw *graph;
    const uint8_t *const *columns = (const uint8_t *const *) room->columns;
    size_t n;

    QV_CHECK(gather_list(build, list, room, &n, &graph, err));
    if (build->model->kind->has_graph && n && !graph) {
        QV_CHECK(build_graph(build, list, columns, n, &made, err));
        graph = made;
    }
    if (build->tuner)
        QV_CHECK(qv__tuner_see_list(build->tuner, list, room->ids, columns, n, graph, err));
    QV_CHECK(qv__list_writer_add(writer, room->ids, columns, n, graph, err));
    QV_CHECK(qv__job_tick(build->order->job, n, 0, err));
done:
    qv__hnsw_free(made);
    return st;
}

qv_status qv__list_build_write(qv__list_build *build, qv__index_built *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__list_writer *writer = NULL;
    list_room room = { 0 };

    QV_CHECK(qv__list_store_seal(build->store, err));
    qv__job_stage(build->order->job, "writing", qv__list_store_rows(build->store));
    QV_CHECK(list_room_init(&room, build, err));
    QV_CHECK(qv__list_writer_open(build->target, build->model, &writer, err));
    for (size_t l = 0; l < build->model->n_lists; l++)
        QV_CHECK(write_list(build, l, &room, writer, err));
    if (build->tuner)
        QV_CHECK(qv__tuner_finish(build->tuner, &build->tuning, err));
    QV_CHECK(qv__list_writer_finish(writer, &build->tuning, out, err));
done:
    list_room_clear(&room);
    qv__list_writer_free(writer);
    return st;
}
