/* The shortest useful program: three rows in, the nearest out.
 * cc hello.c $(pkg-config --cflags --libs quiver) && ./a.out [database] */
#include <stdio.h>
#include <string.h>

#include <quiver/quiver.h>

/* One Arrow batch by hand: columns id (int64) and vector (fixed-size list of 2 floats). Its buffers are static, so the
 * release callbacks have nothing to free. */
static const int64_t ids[] = { 1, 2, 3 };
static const float points[] = { 0, 0, 1, 0, 5, 5 };

static void release_schema(struct ArrowSchema *schema) { schema->release = NULL; }
static void release_array(struct ArrowArray *array) { array->release = NULL; }

static struct ArrowSchema item_schema = { "f", "item", NULL, ARROW_FLAG_NULLABLE, 0, NULL, NULL, release_schema, NULL };
static struct ArrowSchema *item_schemas[] = { &item_schema };
static struct ArrowSchema id_schema = { "l", "id", NULL, 0, 0, NULL, NULL, release_schema, NULL };
static struct ArrowSchema vector_schema = { "+w:2", "vector",       NULL, ARROW_FLAG_NULLABLE, 1, item_schemas,
                                            NULL,   release_schema, NULL };
static struct ArrowSchema *column_schemas[] = { &id_schema, &vector_schema };

static const void *id_buffers[] = { NULL, ids }, *point_buffers[] = { NULL, points }, *no_buffers[] = { NULL };
static struct ArrowArray point_array = { 6, 0, 0, 2, 0, point_buffers, NULL, NULL, release_array, NULL };
static struct ArrowArray *point_arrays[] = { &point_array };
static struct ArrowArray id_array = { 3, 0, 0, 2, 0, id_buffers, NULL, NULL, release_array, NULL };
static struct ArrowArray vector_array = { 3, 0, 0, 1, 1, no_buffers, point_arrays, NULL, release_array, NULL };
static struct ArrowArray *column_arrays[] = { &id_array, &vector_array };

static int batches_left = 1;

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    (void) stream;
    *out = (struct ArrowSchema){ "+s", "", NULL, 0, 2, column_schemas, NULL, release_schema, NULL };
    return 0;
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    (void) stream;
    memset(out, 0, sizeof *out); /* a released array ends the stream */
    if (batches_left-- > 0)
        *out = (struct ArrowArray){ 3, 0, 0, 1, 2, no_buffers, column_arrays, NULL, release_array, NULL };
    return 0;
}

static const char *last_error(struct ArrowArrayStream *stream)
{
    (void) stream;
    return NULL;
}

static void release_stream(struct ArrowArrayStream *stream) { stream->release = NULL; }

/* Prints id and _distance of each hit. */
static void print_hits(struct ArrowArrayStream *hits)
{
    struct ArrowArray batch;

    while (hits->get_next(hits, &batch) == 0 && batch.release) {
        const struct ArrowArray *id = batch.children[0], *distance = batch.children[1];
        for (int64_t i = 0; i < batch.length; i++)
            printf("id %lld at distance %g\n", (long long) ((const int64_t *) id->buffers[1])[id->offset + i],
                   ((const float *) distance->buffers[1])[distance->offset + i]);
        batch.release(&batch);
    }
}

int main(int argc, char **argv)
{
    struct ArrowArrayStream rows = { get_schema, get_next, last_error, release_stream, NULL }, hits = { 0 };
    const float near[] = { 1.2f, 0 };
    const char *columns[] = { "id" };
    qv_vectors query = { near, QV_ELEMENT_F32, 2, 1 };
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;
    qv_db *db = NULL;
    qv_table *table = NULL;
    qv_error err;

    options.k = 2;
    options.columns = columns;
    options.n_columns = 1;
    qv_status st = qv_db_open(argc > 1 ? argv[1] : "memory://", NULL, &db, &err);
    if (st == QV_OK)
        st = qv_db_create_table(db, "points", QV_CREATE_OR_REPLACE, &rows, NULL, NULL, &table, &err);
    if (st == QV_OK)
        st = qv_table_search(table, &query, &options, &hits, &err);
    if (st == QV_OK) {
        print_hits(&hits);
        hits.release(&hits);
    } else {
        fprintf(stderr, "%s: %s\n", qv_status_name(st), err.message);
    }
    qv_table_close(table);
    qv_db_close(db);
    return st == QV_OK ? 0 : 1;
}
