/* Vector files: .npy (2-d, little-endian, C order), .fvecs and .bvecs. Rows are read in blocks and handed on as Arrow batches
 * of two columns: id (int64, the row number) and the vectors. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define BLOCK_BYTES ((size_t) 4 << 20)

typedef struct vector_stream {
    FILE *file;
    char name[64];                  /* of the vector column */
    char format[4];                 /* Arrow format of an item */
    size_t item_bytes, dim, prefix; /* prefix: bytes before each row that are not items (.fvecs) */
    uint64_t row, rows;             /* rows 0: until the end of the file */
    char path[512];
    char error[640];
} vector_stream;

static void release_schema_node(struct ArrowSchema *schema) { schema->release = NULL; }

/* One allocation holds the whole tree. */
typedef struct schema_tree {
    struct ArrowSchema id, vector, item;
    struct ArrowSchema *columns[2], *items[1];
    char width[32], name[64], format[4];
} schema_tree;

static void release_schema_tree(struct ArrowSchema *schema)
{
    free(schema->private_data);
    schema->release = NULL;
}

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    vector_stream *self = stream->private_data;
    schema_tree *tree = calloc(1, sizeof *tree);

    if (!tree)
        return ENOMEM;
    snprintf(tree->width, sizeof tree->width, "+w:%zu", self->dim);
    memcpy(tree->name, self->name, sizeof tree->name);
    memcpy(tree->format, self->format, sizeof tree->format);
    tree->item = (struct ArrowSchema){ tree->format,        "item", NULL, ARROW_FLAG_NULLABLE, 0, NULL, NULL,
                                       release_schema_node, NULL };
    tree->items[0] = &tree->item;
    tree->vector = (struct ArrowSchema){ tree->width, tree->name,          NULL, ARROW_FLAG_NULLABLE, 1, tree->items,
                                         NULL,        release_schema_node, NULL };
    tree->id = (struct ArrowSchema){ "l", "id", NULL, 0, 0, NULL, NULL, release_schema_node, NULL };
    tree->columns[0] = &tree->id;
    tree->columns[1] = &tree->vector;
    *out = (struct ArrowSchema){ "+s", "", NULL, 0, 2, tree->columns, NULL, release_schema_tree, tree };
    return 0;
}

typedef struct array_tree {
    struct ArrowArray id, vector, item;
    struct ArrowArray *columns[2], *items[1];
    const void *none[1], *id_buffers[2], *item_buffers[2];
    int64_t *ids;
    uint8_t *values;
} array_tree;

static void release_array_node(struct ArrowArray *array) { array->release = NULL; }

static void tree_free(array_tree *tree)
{
    if (tree) {
        free(tree->ids);
        free(tree->values);
    }
    free(tree);
}

static void release_array_tree(struct ArrowArray *array)
{
    tree_free(array->private_data);
    array->release = NULL;
}

/* Reads up to n rows; the prefix of each must say the same dimension. -1: told in self->error. */
static int64_t read_rows(vector_stream *self, uint8_t *values, size_t n)
{
    size_t bytes = self->dim * self->item_bytes, got = 0;

    for (; got < n && (!self->rows || self->row + got < self->rows); got++) {
        int32_t dim = (int32_t) self->dim;
        size_t head = self->prefix ? fread(&dim, 1, self->prefix, self->file) : 0;
        if (self->prefix && head == 0 && feof(self->file))
            break;
        bool whole = head == self->prefix && fread(values + got * bytes, 1, bytes, self->file) == bytes;
        if (!whole || dim != (int32_t) self->dim) {
            snprintf(self->error, sizeof self->error, "%s: row %llu %s", self->path,
                     (unsigned long long) (self->row + got),
                     whole ? "has another dimension than the rows before" : "is cut off");
            return -1;
        }
    }
    return (int64_t) got;
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    vector_stream *self = stream->private_data;
    size_t bytes = self->dim * self->item_bytes, most = BLOCK_BYTES / bytes + 1;
    array_tree *tree = calloc(1, sizeof *tree);

    memset(out, 0, sizeof *out);
    if (!tree || !(tree->ids = malloc(most * sizeof *tree->ids)) || !(tree->values = malloc(most * bytes))) {
        tree_free(tree);
        return ENOMEM;
    }
    int64_t n = read_rows(self, tree->values, most);
    if (n <= 0) {
        tree_free(tree);
        return n < 0 ? EINVAL : 0;
    }
    for (int64_t i = 0; i < n; i++)
        tree->ids[i] = (int64_t) self->row++;
    tree->id_buffers[1] = tree->ids;
    tree->item_buffers[1] = tree->values;
    tree->item = (struct ArrowArray){ n * (int64_t) self->dim, 0,   0, 2, 0, tree->item_buffers, NULL, NULL,
                                      release_array_node,      NULL };
    tree->items[0] = &tree->item;
    tree->vector = (struct ArrowArray){ n, 0, 0, 1, 1, tree->none, tree->items, NULL, release_array_node, NULL };
    tree->id = (struct ArrowArray){ n, 0, 0, 2, 0, tree->id_buffers, NULL, NULL, release_array_node, NULL };
    tree->columns[0] = &tree->id;
    tree->columns[1] = &tree->vector;
    *out = (struct ArrowArray){ n, 0, 0, 1, 2, tree->none, tree->columns, NULL, release_array_tree, tree };
    return 0;
}

static const char *last_error(struct ArrowArrayStream *stream)
{
    return ((vector_stream *) stream->private_data)->error;
}

static void release_stream(struct ArrowArrayStream *stream)
{
    vector_stream *self = stream->private_data;

    if (self->file)
        fclose(self->file);
    free(self);
    stream->release = NULL;
}

static vector_stream *stream_new(const char *path, const char *vector, struct ArrowArrayStream *out, int *code)
{
    vector_stream *self = calloc(1, sizeof *self);

    if (!self) {
        *code = cli_complain(EXIT_FAILED, "out of memory");
        return NULL;
    }
    *out = (struct ArrowArrayStream){ get_schema, get_next, last_error, release_stream, self };
    snprintf(self->name, sizeof self->name, "%s", vector ? vector : "vector");
    snprintf(self->path, sizeof self->path, "%s", path);
    if (!(self->file = fopen(path, "rb"))) {
        *code = cli_complain(EXIT_NOT_FOUND, "%s: %s", path, strerror(errno));
        release_stream(out);
        return NULL;
    }
    return self;
}

/* ---------------------------------------------------------------- .npy */

static bool npy_item(vector_stream *self, const char *descr)
{
    static const struct {
        const char *descr, *format;
        size_t bytes;
    } items[] = { { "<f4", "f", 4 }, { "<f8", "g", 8 }, { "<f2", "e", 2 }, { "|u1", "C", 1 }, { "|i1", "c", 1 } };

    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++)
        if (strncmp(descr, items[i].descr, 3) == 0 && (descr[3] == '\'' || descr[3] == '"')) {
            snprintf(self->format, sizeof self->format, "%s", items[i].format);
            self->item_bytes = items[i].bytes;
            return true;
        }
    return false;
}

/* The header is a Python dict literal; three keys matter. */
static bool npy_header(vector_stream *self, const char *text)
{
    const char *descr = strstr(text, "'descr':"), *order = strstr(text, "'fortran_order':"),
               *sizes = strstr(text, "'shape':");
    unsigned long long rows = 0, dim = 0;

    if (!descr || !order || !sizes)
        return false;
    descr += strcspn(descr + 8, "'\"") + 9;
    bool fits = npy_item(self, descr) && strncmp(order + 16 + strspn(order + 16, " "), "False", 5) == 0 &&
                sscanf(sizes + 8, " ( %llu , %llu )", &rows, &dim) == 2 && dim > 0 && dim < 1 << 20;
    self->rows = rows;
    self->dim = dim;
    return fits;
}

int cli_stream_npy(const char *path, const char *vector, struct ArrowArrayStream *out)
{
    unsigned char head[12] = { 0 };
    char text[4096];
    int code = EXIT_OK;
    vector_stream *self = stream_new(path, vector, out, &code);

    if (!self)
        return code;
    bool fits = fread(head, 1, 10, self->file) == 10 && memcmp(head, "\x93NUMPY", 6) == 0;
    size_t len = head[8] | (size_t) head[9] << 8;
    if (fits && head[6] >= 2) /* versions 2 and 3: four bytes of length */
        fits = fread(head + 10, 1, 2, self->file) == 2 && (len |= (size_t) head[10] << 16 | (size_t) head[11] << 24);
    fits = fits && len < sizeof text && fread(text, 1, len, self->file) == len;
    text[fits ? len : 0] = 0;
    if (!fits || !npy_header(self, text)) {
        release_stream(out);
        return cli_complain(EXIT_BAD_DATA,
                            "%s is not a two-dimensional .npy file of float16/32/64 or (u)int8 in C order", path);
    }
    if (self->rows == 0) {
        release_stream(out);
        return cli_complain(EXIT_BAD_DATA, "%s has no rows", path);
    }
    return EXIT_OK;
}

/* ---------------------------------------------------------------- .fvecs, .bvecs */

int cli_stream_vecs(const char *path, const char *vector, struct ArrowArrayStream *out)
{
    int code = EXIT_OK;
    int32_t dim = 0;
    vector_stream *self = stream_new(path, vector, out, &code);

    if (!self)
        return code;
    bool bytes = strcmp(path + strlen(path) - 6, ".bvecs") == 0;
    snprintf(self->format, sizeof self->format, "%s", bytes ? "C" : "f");
    self->item_bytes = bytes ? 1 : 4;
    self->prefix = 4;
    if (fread(&dim, 1, 4, self->file) != 4 || dim <= 0 || dim > 1 << 20) {
        release_stream(out);
        return cli_complain(EXIT_BAD_DATA, "%s does not begin with a dimension (found %d)", path, (int) dim);
    }
    rewind(self->file);
    self->dim = (size_t) dim;
    return EXIT_OK;
}
