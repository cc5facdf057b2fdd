/* Bytes -> a tree of ArrowSchema and ArrowArray -> import. The C data interface tells no buffer sizes, so a producer's
 * lengths are believed as far as its pointers go; the tree therefore has real memory for what it claims, in blocks of
 * the exact size, or claims what must be refused before any memory is touched. All the rest is the input's choice:
 * values, offsets, views, run ends, indices, child lengths, shapes, missing buffers.
 *
 * What is let in must be sound: it validates, normalises to equal values, and comes back equal from an export. */
#include "fuzz.h"

#include "arrow/c_data.h"
#include "arrow/compute/compute.h"
#include "arrow/validate.h"
#include "base/alloc.h"

enum { MOST_NODES = 160, MOST_BLOCKS = 1200, MOST_DEPTH = 70, MOST_LENGTH = 500, TEXT_BYTES = 96 };

typedef enum kind {
    FIXED,
    NONE,
    TEXT,
    LARGE_TEXT,
    VIEW,
    LIST,
    LARGE_LIST,
    FIXED_LIST,
    STRUCT,
    MAP,
    DICTIONARY,
    RUNS
} kind;

static const struct {
    const char *format;
    kind kind;
    int width; /* bits of a value, or items of a list */
} shapes[] = {
    { "n", NONE, 0 },          { "b", FIXED, 1 },       { "c", FIXED, 8 },        { "s", FIXED, 16 },
    { "i", FIXED, 32 },        { "l", FIXED, 64 },      { "e", FIXED, 16 },       { "f", FIXED, 32 },
    { "g", FIXED, 64 },        { "d:9,2", FIXED, 128 }, { "w:5", FIXED, 40 },     { "d:40,1,256", FIXED, 256 },
    { "tdD", FIXED, 32 },      { "ttn", FIXED, 64 },    { "tsu:UTC", FIXED, 64 }, { "u", TEXT, 32 },
    { "z", TEXT, 32 },         { "U", LARGE_TEXT, 64 }, { "Z", LARGE_TEXT, 64 },  { "vu", VIEW, 0 },
    { "vz", VIEW, 0 },         { "+l", LIST, 32 },      { "+L", LARGE_LIST, 64 }, { "+w:0", FIXED_LIST, 0 },
    { "+w:3", FIXED_LIST, 3 }, { "+s", STRUCT, 0 },     { "+m", MAP, 32 },        { "C", DICTIONARY, 8 },
    { "S", DICTIONARY, 16 },   { "l", DICTIONARY, 64 }, { "+r", RUNS, 0 },        { "w:0", FIXED, 0 },
};

typedef struct maker {
    fuzz_reader in;
    struct ArrowSchema schemas[MOST_NODES];
    struct ArrowArray arrays[MOST_NODES];
    size_t n_nodes;
    void *blocks[MOST_BLOCKS];
    size_t n_blocks;
    int releases;
} maker;

static void *block(maker *m, size_t size)
{
    if (m->n_blocks == MOST_BLOCKS)
        return NULL;
    void *made = malloc(size ? size : 1);
    FUZZ_CHECK(made);
    memset(made, 0, size);
    m->blocks[m->n_blocks++] = made;
    return made;
}

/* n bytes of the input, in a block that ends where they end. */
static void *bytes(maker *m, size_t n)
{
    void *made = block(m, n);

    if (made)
        fuzz_bytes(&m->in, made, n);
    return made;
}

static void release_schema(struct ArrowSchema *c) { c->release = NULL; }
static void release_array(struct ArrowArray *c)
{
    if (c->private_data) /* the root's */
        (*(int *) c->private_data)++;
    c->release = NULL;
}

static int64_t wild_length(maker *m)
{
    static const int64_t wild[] = { -1, INT64_MIN, INT64_MAX };
    return wild[fuzz_byte(&m->in) % 3];
}

/* Offsets of strings stay inside the text, or are negative: what lies behind a larger one would have to exist. */
static void *text_offsets(maker *m, size_t n, int bits)
{
    uint8_t *made = block(m, n * (size_t) bits / 8);
    int64_t at = 0;

    for (size_t i = 0; made && i < n; i++) {
        uint8_t step = fuzz_byte(&m->in);
        at = step < 250 ? at + step % 4 : (int64_t) step - 256 + fuzz_byte(&m->in) % 16;
        at = at > TEXT_BYTES ? TEXT_BYTES : at;
        memcpy(made + i * (size_t) bits / 8, &at, (size_t) bits / 8);
    }
    return made;
}

/* Rising by small steps as a rule, anything as an exception. Children are checked against them. */
static void *list_offsets(maker *m, size_t n, int bits, int64_t *last)
{
    uint8_t *made = block(m, n * (size_t) bits / 8);
    int64_t at = 0;

    for (size_t i = 0; made && i < n; i++) {
        uint8_t step = fuzz_byte(&m->in);
        if (step < 252)
            at += step % 4;
        else
            fuzz_bytes(&m->in, &at, (size_t) bits / 8);
        memcpy(made + i * (size_t) bits / 8, &at, (size_t) bits / 8);
        *last = at;
    }
    return made;
}

static void make_node(maker *m, int depth, int64_t length, bool any_shape, const char *only, size_t *out);

static void add_child(maker *m, size_t parent, int depth, int64_t length, const char *format)
{
    struct ArrowSchema *s = &m->schemas[parent];
    struct ArrowArray *a = &m->arrays[parent];
    size_t child;

    if (m->n_nodes == MOST_NODES)
        return;
    make_node(m, depth + 1, length, !format, format, &child);
    s->children[s->n_children++] = &m->schemas[child];
    a->children[a->n_children++] = &m->arrays[child];
}

static bool room_for_children(maker *m, size_t node, size_t n)
{
    m->schemas[node].children = block(m, n * sizeof(void *));
    m->arrays[node].children = block(m, n * sizeof(void *));
    return m->schemas[node].children && m->arrays[node].children;
}

static void make_views(maker *m, struct ArrowArray *a, size_t n)
{
    int n_texts = fuzz_byte(&m->in) % 3;
    int64_t *sizes = block(m, sizeof(int64_t) * (size_t) n_texts);

    a->n_buffers = 3 + n_texts;
    a->buffers[1] = bytes(m, n * 16);
    for (int i = 0; i < n_texts; i++) {
        size_t size = fuzz_byte(&m->in) % 64;
        a->buffers[2 + i] = bytes(m, size);
        if (sizes)
            sizes[i] = fuzz_byte(&m->in) == 255 ? -5 : (int64_t) size;
    }
    a->buffers[2 + n_texts] = sizes;
}

static void make_values(maker *m, size_t node, int shape, size_t n, int depth)
{
    struct ArrowArray *a = &m->arrays[node];
    int width = shapes[shape].width;
    int64_t below = (int64_t) n;

    switch (shapes[shape].kind) {
    case NONE:
        a->n_buffers = 0;
        return;
    case FIXED:
        a->buffers[1] = bytes(m, (n * (size_t) width + 7) / 8);
        return;
    case DICTIONARY: {
        size_t child;
        a->buffers[1] = bytes(m, n * (size_t) width / 8);
        if (m->n_nodes == MOST_NODES)
            return;
        make_node(m, depth + 1, fuzz_byte(&m->in) % 32, true, NULL, &child);
        m->schemas[node].dictionary = &m->schemas[child];
        a->dictionary = &m->arrays[child];
        return;
    }
    case TEXT:
    case LARGE_TEXT:
        a->n_buffers = 3;
        a->buffers[1] = text_offsets(m, n + 1, width);
        a->buffers[2] = bytes(m, TEXT_BYTES);
        return;
    case VIEW:
        make_views(m, a, n);
        return;
    case LIST:
    case LARGE_LIST:
    case MAP:
        a->buffers[1] = list_offsets(m, n + 1, width, &below);
        if (room_for_children(m, node, 1))
            add_child(m, node, depth, below, shapes[shape].kind == MAP ? "+s" : NULL);
        return;
    case FIXED_LIST:
        a->n_buffers = 1;
        if (room_for_children(m, node, 1))
            add_child(m, node, depth, below * width, NULL);
        return;
    case STRUCT:
        a->n_buffers = 1;
        int n_children = 1 + fuzz_byte(&m->in) % 3;
        for (int i = 0; i < n_children && (i > 0 || room_for_children(m, node, 3)); i++)
            add_child(m, node, depth, below, NULL);
        return;
    case RUNS:
        a->n_buffers = 0;
        if (!room_for_children(m, node, 2))
            return;
        static const char *const ends[] = { "s", "i", "l", "f" };
        add_child(m, node, depth, 1 + fuzz_byte(&m->in) % 8, ends[fuzz_byte(&m->in) % 4]);
        add_child(m, node, depth, 8, NULL);
        return;
    }
}

static int pick_shape(maker *m, int depth, const char *only)
{
    uint8_t choice = fuzz_byte(&m->in);
    int n = (int) (sizeof shapes / sizeof shapes[0]);

    for (int i = 0; only && i < n; i++)
        if (strcmp(shapes[i].format, only) == 0)
            return i;
    return depth >= MOST_DEPTH ? choice % 21 : choice % n;
}

/* Where the producer lies: about one node in sixteen. Only such lies as can be found out: a length that memory could
 * hold must be true. */
static void spoil(maker *m, struct ArrowArray *a, struct ArrowSchema *s)
{
    switch (fuzz_byte(&m->in) % 10) {
    case 0:
        a->length = wild_length(m);
        break;
    case 1:
        a->offset = -1;
        break;
    case 2:
        a->buffers[fuzz_byte(&m->in) % 2] = NULL;
        break;
    case 3: /* of views it would turn a text into sizes, which it is too short for */
        if (s->format[0] != 'v')
            a->n_buffers += (int8_t) fuzz_byte(&m->in) < 0 ? -1 : 1;
        break;
    case 4:
        a->null_count = (int8_t) fuzz_byte(&m->in);
        break;
    case 5:
        a->n_children--;
        break;
    case 6:
        s->metadata = "\1\0\0\0\1\0\0\0k\2\0\0\0vv";
        break;
    case 7:
        s->flags = fuzz_byte(&m->in) % 8;
        break;
    case 8:
        s->format = "+x";
        break;
    default:
        a->release = NULL;
        break;
    }
}

static void make_node(maker *m, int depth, int64_t length, bool any_shape, const char *only, size_t *out)
{
    size_t node = m->n_nodes++;
    struct ArrowSchema *s = &m->schemas[node];
    struct ArrowArray *a = &m->arrays[node];
    uint8_t flags = fuzz_byte(&m->in);
    int shape = pick_shape(m, depth, any_shape ? NULL : only);

    *out = node;
    length = length < 0 || length > MOST_LENGTH ? flags % 8 : length;
    *s = (struct ArrowSchema){ .format = shapes[shape].format, .name = "x", .flags = 2, .release = release_schema };
    *a = (struct ArrowArray){ .length = length, .null_count = -1, .n_buffers = 2, .release = release_array };
    a->buffers = block(m, 6 * sizeof(void *));
    a->offset = flags & 1 ? fuzz_byte(&m->in) % 20 : 0;
    if (!a->buffers) {
        a->length = -1;
        return;
    }
    size_t n = (size_t) (a->length + a->offset);
    if (flags & 2)
        a->buffers[0] = bytes(m, (n + 7) / 8);
    make_values(m, node, shape, n, depth);
    if ((flags & 0xf0) == 0xf0)
        spoil(m, a, s);
}

/* Everything that a sound array promises. */
static void check_sound(const qv__array *array)
{
    qv__array *normal = NULL, *back = NULL;
    struct ArrowArray c;
    qv_error err = { 0 };

    FUZZ_CHECK(qv__array_validate(array, "array", &err) == QV_OK);
    FUZZ_CHECK(qv__array_normalize(array, &normal, &err) == QV_OK);
    FUZZ_CHECK(qv__array_validate(normal, "normal", &err) == QV_OK);
    FUZZ_CHECK(qv__array_equal(array, normal));
    FUZZ_CHECK(qv__export_array(normal, &c, &err) == QV_OK);
    FUZZ_CHECK(qv__import_array(&c, NULL, normal->type, &back, &err) == QV_OK);
    FUZZ_CHECK(qv__array_equal(array, back));
    (void) qv__array_bytes(array);
    qv__array_unref(normal);
    qv__array_unref(back);
}

static void check_type_comes_back(const qv__field *field)
{
    struct ArrowSchema c;
    qv__field back;
    qv_error err = { 0 };
    char text[64];

    FUZZ_CHECK(qv__export_field(field, &c, &err) == QV_OK);
    FUZZ_CHECK(qv__import_type(&c, &back, &err) == QV_OK);
    FUZZ_CHECK(qv__field_equal(field, &back));
    FUZZ_CHECK(strlen(qv__type_print(back.type, text, sizeof text)) < sizeof text);
    c.release(&c);
    qv__field_clear(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t before = qv_memory().live_blocks, root;
    maker *m = calloc(1, sizeof *m);
    qv__field field;
    qv__array *array = NULL;
    qv_error err;

    FUZZ_CHECK(m);
    m->in = (fuzz_reader){ data, size };
    make_node(m, 1, fuzz_byte(&m->in) % 48, true, NULL, &root);
    struct ArrowArray c = m->arrays[root];
    c.private_data = &m->releases;
    bool released = !c.release;
    if (qv__import_type(&m->schemas[root], &field, &err) == QV_OK) {
        check_type_comes_back(&field);
        qv_status st = qv__import_array(&c, &m->schemas[root], field.type, &array, &err);
        FUZZ_CHECK(!c.release);
        FUZZ_CHECK((st == QV_OK) == (array != NULL));
        if (st == QV_OK)
            check_sound(array);
        qv__array_unref(array);
        FUZZ_CHECK(m->releases == !released);
        qv__field_clear(&field);
    }
    FUZZ_CHECK(qv_memory().live_blocks == before);
    for (size_t i = 0; i < m->n_blocks; i++)
        free(m->blocks[i]);
    free(m);
    return 0;
}
