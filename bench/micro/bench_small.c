/* What small work costs through the public interface: an exact search over ten rows with its answer as a stream, and opening
 * a table on disk up to the first answer. Fastest of many runs.
 * usage: bench_small FOLDER (made, and left behind) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <quiver/quiver.h>

enum { DIM = 128, MOST_ROWS = 1000, RUNS = 20000, OPENS = 500 };

static qv_error err;

static void must(qv_status st)
{
    if (st == QV_OK)
        return;
    fprintf(stderr, "%s\n", err.message);
    exit(1);
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec * 1e6 + (double) t.tv_nsec * 1e-3;
}

/* ------------------------------------------------------------------ a stream of one batch in static memory */

static int64_t ids[MOST_ROWS];
static float vectors[MOST_ROWS * DIM];

typedef struct source {
    int64_t rows;
    bool done;
} source;

static void forget_schema(struct ArrowSchema *schema) { schema->release = NULL; }
static void forget_array(struct ArrowArray *array) { array->release = NULL; }

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    static struct ArrowSchema item, id, vector;
    static struct ArrowSchema *columns[] = { &id, &vector }, *items[] = { &item };

    (void) stream;
    item =
        (struct ArrowSchema){ .format = "f", .name = "item", .flags = ARROW_FLAG_NULLABLE, .release = forget_schema };
    id = (struct ArrowSchema){ .format = "l", .name = "id", .release = forget_schema };
    vector = (struct ArrowSchema){
        .format = "+w:128", .name = "vector", .n_children = 1, .children = items, .release = forget_schema
    };
    *out = (struct ArrowSchema){
        .format = "+s", .name = "", .n_children = 2, .children = columns, .release = forget_schema
    };
    return 0;
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    static struct ArrowArray item, id, vector;
    static struct ArrowArray *columns[] = { &id, &vector }, *items[] = { &item };
    static const void *item_buffers[] = { NULL, vectors }, *id_buffers[] = { NULL, ids }, *none[] = { NULL };
    source *s = stream->private_data;

    *out = (struct ArrowArray){ .release = NULL };
    if (s->done)
        return 0;
    s->done = true;
    item = (struct ArrowArray){
        .length = s->rows * DIM, .n_buffers = 2, .buffers = item_buffers, .release = forget_array
    };
    id = (struct ArrowArray){ .length = s->rows, .n_buffers = 2, .buffers = id_buffers, .release = forget_array };
    vector = (struct ArrowArray){
        .length = s->rows, .n_buffers = 1, .buffers = none, .n_children = 1, .children = items, .release = forget_array
    };
    *out = (struct ArrowArray){ .length = s->rows,
                                .n_buffers = 1,
                                .buffers = none,
                                .n_children = 2,
                                .children = columns,
                                .release = forget_array };
    return 0;
}

static const char *last_error(struct ArrowArrayStream *stream)
{
    (void) stream;
    return NULL;
}

static void release_stream(struct ArrowArrayStream *stream) { stream->release = NULL; }

static qv_table *make_table(const char *uri, int64_t rows)
{
    source s = { rows, false };
    struct ArrowArrayStream stream = { get_schema, get_next, last_error, release_stream, &s };
    qv_db *db;
    qv_table *table;

    must(qv_db_open(uri, NULL, &db, &err));
    must(qv_db_create_table(db, "t", QV_CREATE_OR_REPLACE, &stream, NULL, NULL, &table, &err));
    qv_db_close(db);
    return table;
}

/* ------------------------------------------------------------------ measuring */

static void search(qv_table *table)
{
    static const char *const columns[] = { "id" };
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;
    qv_vectors query = { vectors, QV_ELEMENT_F32, DIM, 1 };
    struct ArrowArrayStream answer;
    struct ArrowSchema schema;
    struct ArrowArray batch;

    options.columns = columns;
    options.n_columns = 1;
    must(qv_table_search(table, &query, &options, &answer, &err));
    if (answer.get_schema(&answer, &schema) != 0 || answer.get_next(&answer, &batch) != 0 || batch.length != 10)
        exit(1);
    batch.release(&batch);
    schema.release(&schema);
    answer.release(&answer);
}

static double fastest_search(qv_table *table)
{
    double best = 1e9;

    for (int i = 0; i < RUNS; i++) {
        double started = now_us();
        search(table);
        double spent = now_us() - started;
        best = spent < best ? spent : best;
    }
    return best;
}

static double fastest_open(const char *folder)
{
    double best = 1e9;

    for (int i = 0; i < OPENS; i++) {
        double started = now_us();
        qv_db *db;
        qv_table *table;
        must(qv_db_open(folder, NULL, &db, &err));
        must(qv_db_open_table(db, "t", 0, &table, &err));
        search(table);
        qv_table_close(table);
        qv_db_close(db);
        double spent = now_us() - started;
        best = spent < best ? spent : best;
    }
    return best;
}

int main(int argc, char **argv)
{
    uint32_t random = 1;

    if (argc != 2) {
        fprintf(stderr, "usage: bench_small FOLDER\n");
        return 2;
    }
    for (int64_t i = 0; i < MOST_ROWS; i++)
        ids[i] = i;
    for (size_t i = 0; i < MOST_ROWS * DIM; i++) {
        random = random * 1664525u + 1013904223u;
        vectors[i] = (float) (random >> 8) * 0x1p-24f;
    }
    qv_table *memory = make_table("memory://", 10), *disk = make_table(argv[1], MOST_ROWS);
    printf("search over 10 rows in memory, answer as stream: %7.2f us\n", fastest_search(memory));
    printf("search over 1,000 rows on disk, table open:      %7.2f us\n", fastest_search(disk));
    printf("open a table of 1,000 rows and search it:        %7.2f us\n", fastest_open(argv[1]));
    qv_table_close(memory);
    qv_table_close(disk);
    return 0;
}
