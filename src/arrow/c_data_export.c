/* Arrays and schemas -> C data interface. A whole exported tree is one block: the nodes below the root, their pointer
 * lists, buffer lists and texts, all laid out after a first pass that counts. The root itself lies in the caller's
 * memory. The block counts its unreleased nodes, because the consumer may move any child out of the tree and release it
 * after its parent; the last release frees the block. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "arrow/arrow_private.h"
#include "arrow/c_data.h"
#include "base/alloc.h"
#include "base/bytes.h"

/* ---- arrays */

typedef struct array_block {
    atomic_int live;
    qv__array *array; /* keeps every buffer */
    /* then: nodes, pointers, buffers */
} array_block;

typedef struct array_layout {
    size_t n_nodes; /* below the root */
    size_t n_buffers;
    /* second pass: where the next one goes */
    struct ArrowArray *nodes;
    struct ArrowArray **pointers;
    const void **buffers;
    array_block *block;
} array_layout;

static size_t buffer_count(const qv__type *type)
{
    if (type->id == QV_TYPE_NULL)
        return 0;
    if (type->id == QV_TYPE_STRUCT || type->id == QV_TYPE_FIXED_LIST)
        return 1;
    return qv__type_is_string(type) ? 3 : 2;
}

static void count_array(const qv__array *a, array_layout *layout)
{
    layout->n_buffers += buffer_count(a->type);
    layout->n_nodes += a->n_children + (a->dictionary != NULL);
    for (size_t i = 0; i < a->n_children; i++)
        count_array(a->children[i], layout);
    if (a->dictionary)
        count_array(a->dictionary, layout);
}

static void release_array(struct ArrowArray *c)
{
    array_block *block = c->private_data;

    for (int64_t i = 0; i < c->n_children; i++)
        if (c->children[i]->release) /* NULL: moved away */
            c->children[i]->release(c->children[i]);
    if (c->dictionary && c->dictionary->release)
        c->dictionary->release(c->dictionary);
    c->release = NULL;
    /* The freeing thread must see what other threads did under their nodes. */
    if (atomic_fetch_sub_explicit(&block->live, 1, memory_order_acq_rel) != 1)
        return;
    qv__array_unref(block->array);
    qv__free(block);
}

static void lay_array(const qv__array *a, array_layout *layout, struct ArrowArray *c)
{
    size_t n_buffers = buffer_count(a->type);

    *c = (struct ArrowArray){
        .length = a->length,
        .null_count = a->null_count,
        .offset = a->offset,
        .n_buffers = (int64_t) n_buffers,
        .n_children = (int64_t) a->n_children,
        .buffers = layout->buffers,
        .children = a->n_children > 0 ? layout->pointers : NULL,
        .release = release_array,
        .private_data = layout->block,
    };
    for (size_t i = 0; i < n_buffers; i++)
        layout->buffers[i] = i > 0 && !a->buffers[i].data ? qv__zero_bytes : a->buffers[i].data;
    layout->buffers += n_buffers;
    layout->pointers += a->n_children;
    for (size_t i = 0; i < a->n_children; i++) {
        struct ArrowArray *child = layout->nodes++;
        c->children[i] = child;
        lay_array(a->children[i], layout, child);
    }
    if (a->dictionary) {
        c->dictionary = layout->nodes++;
        lay_array(a->dictionary, layout, c->dictionary);
    }
}

qv_status qv__export_array(const qv__array *array, struct ArrowArray *out, qv_error *err)
{
    array_layout layout = { 0 };

    count_array(array, &layout);
    size_t size = sizeof(array_block) + layout.n_nodes * (sizeof(struct ArrowArray) + sizeof(struct ArrowArray *)) +
                  layout.n_buffers * sizeof(void *);
    array_block *block = qv__alloc(1, size);
    if (!block)
        return qv__fail_nomem(err, size);
    atomic_init(&block->live, (int) layout.n_nodes + 1);
    block->array = qv__array_ref(array);
    layout.block = block;
    layout.nodes = (struct ArrowArray *) (block + 1);
    layout.pointers = (struct ArrowArray **) (layout.nodes + layout.n_nodes);
    layout.buffers = (const void **) (layout.pointers + layout.n_nodes);
    lay_array(array, &layout, out);
    return QV_OK;
}

/* ---- schemas */

typedef struct schema_block {
    atomic_int live;
    /* then: nodes, pointers, texts */
} schema_block;

typedef struct schema_layout {
    size_t n_nodes; /* below the root */
    size_t n_bytes; /* of formats, names and metadata */
    struct ArrowSchema *nodes;
    struct ArrowSchema **pointers;
    char *text; /* NULL: the first pass, which only counts */
    schema_block *block;
} schema_layout;

static void release_schema(struct ArrowSchema *c)
{
    schema_block *block = c->private_data;

    for (int64_t i = 0; i < c->n_children; i++)
        if (c->children[i]->release)
            c->children[i]->release(c->children[i]);
    if (c->dictionary && c->dictionary->release)
        c->dictionary->release(c->dictionary);
    c->release = NULL;
    if (atomic_fetch_sub_explicit(&block->live, 1, memory_order_acq_rel) == 1)
        qv__free(block);
}

/* The fixed formats; NULL for types with parameters. */
static const char *plain_format(qv__type_id id)
{
    static const char *const formats[QV_TYPE_COUNT] = {
        [QV_TYPE_NULL] = "n",     [QV_TYPE_BOOL] = "b",         [QV_TYPE_INT8] = "c",       [QV_TYPE_UINT8] = "C",
        [QV_TYPE_INT16] = "s",    [QV_TYPE_UINT16] = "S",       [QV_TYPE_INT32] = "i",      [QV_TYPE_UINT32] = "I",
        [QV_TYPE_INT64] = "l",    [QV_TYPE_UINT64] = "L",       [QV_TYPE_FLOAT16] = "e",    [QV_TYPE_FLOAT32] = "f",
        [QV_TYPE_FLOAT64] = "g",  [QV_TYPE_UTF8] = "u",         [QV_TYPE_LARGE_UTF8] = "U", [QV_TYPE_BINARY] = "z",
        [QV_TYPE_DATE32] = "tdD", [QV_TYPE_LARGE_BINARY] = "Z", [QV_TYPE_DATE64] = "tdm",   [QV_TYPE_STRUCT] = "+s",
        [QV_TYPE_LIST] = "+l",    [QV_TYPE_LARGE_LIST] = "+L",  [QV_TYPE_MAP] = "+m",
    };

    return formats[id];
}

/* Prints the format into buf (or only measures it) and returns its length. */
static size_t print_format(const qv__type *type, char *buf, size_t capacity)
{
    static const char units[] = "smun";
    const char *format = plain_format(type->id);
    int n = 0;

    switch (type->id) {
    case QV_TYPE_DICTIONARY:
        return print_format(type->index_type, buf, capacity);
    case QV_TYPE_DECIMAL128:
        n = snprintf(buf, capacity, "d:%d,%d", type->precision, type->scale);
        break;
    case QV_TYPE_DECIMAL256:
        n = snprintf(buf, capacity, "d:%d,%d,256", type->precision, type->scale);
        break;
    case QV_TYPE_TIME32:
    case QV_TYPE_TIME64:
        n = snprintf(buf, capacity, "tt%c", units[type->unit]);
        break;
    case QV_TYPE_DURATION:
        n = snprintf(buf, capacity, "tD%c", units[type->unit]);
        break;
    case QV_TYPE_TIMESTAMP:
        n = snprintf(buf, capacity, "ts%c:%s", units[type->unit], type->timezone ? type->timezone : "");
        break;
    case QV_TYPE_FIXED_BINARY:
        n = snprintf(buf, capacity, "w:%d", type->width);
        break;
    case QV_TYPE_FIXED_LIST:
        n = snprintf(buf, capacity, "+w:%d", type->width);
        break;
    default:
        n = snprintf(buf, capacity, "%s", format ? format : "");
        break;
    }
    return n > 0 ? (size_t) n : 0;
}

static const char *lay_text(schema_layout *layout, const char *text)
{
    size_t len = strlen(text);
    char *at = layout->text;

    layout->n_bytes += len + 1;
    if (!at)
        return NULL;
    memcpy(at, text, len + 1);
    layout->text += len + 1;
    return at;
}

static const char *lay_format(schema_layout *layout, const qv__type *type)
{
    if (plain_format(type->id))
        return lay_text(layout, plain_format(type->id));
    size_t len = print_format(type, NULL, 0);
    char *at = layout->text;

    layout->n_bytes += len + 1;
    if (!at)
        return NULL;
    print_format(type, at, len + 1);
    layout->text += len + 1;
    return at;
}

static void lay_length(schema_layout *layout, size_t n)
{
    layout->n_bytes += 4;
    if (!layout->text)
        return;
    qv__store_u32(layout->text, (uint32_t) n);
    layout->text += 4;
}

static void lay_bytes(schema_layout *layout, const char *bytes, size_t len)
{
    lay_length(layout, len);
    layout->n_bytes += len;
    if (!layout->text)
        return;
    if (len > 0)
        memcpy(layout->text, bytes, len);
    layout->text += len;
}

static const char *lay_metadata(schema_layout *layout, const qv__metadata *metadata)
{
    const char *at = layout->text;

    if (metadata->n == 0)
        return NULL;
    lay_length(layout, metadata->n);
    for (size_t i = 0; i < metadata->n; i++) {
        const struct qv__metadata_pair *pair = &metadata->pairs[i];
        lay_bytes(layout, pair->key, strlen(pair->key));
        lay_bytes(layout, pair->value, pair->value_len);
    }
    return at;
}

static void lay_field(schema_layout *layout, const qv__field *field, struct ArrowSchema *c);

/* On the first pass there are no nodes to write to: children are counted with c NULL. */
static void lay_children(schema_layout *layout, const qv__type *type, struct ArrowSchema *c)
{
    bool is_dictionary = type->id == QV_TYPE_DICTIONARY;

    if (!c) {
        layout->n_nodes += type->n_children;
        for (size_t i = 0; i < type->n_children; i++)
            lay_field(layout, &type->children[i], NULL);
        return;
    }
    c->n_children = is_dictionary ? 0 : (int64_t) type->n_children;
    c->children = c->n_children > 0 ? layout->pointers : NULL;
    layout->pointers += c->n_children;
    for (size_t i = 0; i < type->n_children; i++) {
        struct ArrowSchema *child = layout->nodes++;
        if (is_dictionary)
            c->dictionary = child;
        else
            c->children[i] = child;
        lay_field(layout, &type->children[i], child);
    }
}

static void lay_field(schema_layout *layout, const qv__field *field, struct ArrowSchema *c)
{
    const qv__type *type = field->type;
    struct ArrowSchema made = { .release = release_schema, .private_data = layout->block };

    made.format = lay_format(layout, type);
    made.name = lay_text(layout, field->name);
    made.metadata = lay_metadata(layout, &field->metadata);
    made.flags = field->nullable ? ARROW_FLAG_NULLABLE : 0;
    if (type->ordered)
        made.flags |= type->id == QV_TYPE_MAP ? ARROW_FLAG_MAP_KEYS_SORTED : ARROW_FLAG_DICTIONARY_ORDERED;
    if (c)
        *c = made;
    lay_children(layout, type, c);
}

qv_status qv__export_field(const qv__field *field, struct ArrowSchema *out, qv_error *err)
{
    schema_layout layout = { 0 };

    lay_field(&layout, field, NULL);
    size_t size = sizeof(schema_block) + _Alignof(struct ArrowSchema) +
                  layout.n_nodes * (sizeof(struct ArrowSchema) + sizeof(struct ArrowSchema *)) + layout.n_bytes;
    schema_block *block = qv__alloc(1, size);
    if (!block)
        return qv__fail_nomem(err, size);
    atomic_init(&block->live, (int) layout.n_nodes + 1);
    layout.block = block;
    /* Behind the count, aligned for pointers. */
    layout.nodes = (struct ArrowSchema *) ((char *) block + qv__round_up(sizeof *block, _Alignof(struct ArrowSchema)));
    layout.pointers = (struct ArrowSchema **) (layout.nodes + layout.n_nodes);
    layout.text = (char *) (layout.pointers + layout.n_nodes);
    lay_field(&layout, field, out);
    return QV_OK;
}

qv_status qv__export_schema(const qv__schema *schema, struct ArrowSchema *out, qv_error *err)
{
    char no_name[] = "";
    qv__field root = { .name = no_name, .type = schema->type, .id = -1, .metadata = schema->metadata };

    return qv__export_field(&root, out, err);
}
