/* ArrowArray -> arrays, in two steps. First a tree of nodes is laid over the foreign buffers: the interface tells no
 * buffer sizes, so each is derived from length, offset and the last of the offsets, and only the part that the parent
 * refers to is taken. Then full validation (validate.c) runs over that tree, whose sizes are known by then.
 *
 * The imported root is moved into one counted owner, and every buffer holds a reference on it: the producer's release
 * is called when the last buffer goes. Nodes are rebased so that their offset is below 8; a struct or fixed-size list
 * without nulls gives its offset to its children instead. */
#include <string.h>

#include "arrow/arrow_private.h"
#include "arrow/c_data.h"
#include "arrow/validate.h"
#include "base/alloc.h"
#include "base/bytes.h"

typedef struct foreign_root {
    qv__owner owner;
    struct ArrowArray c;
} foreign_root;

static void release_root(qv__owner *owner)
{
    foreign_root *root = (foreign_root *) owner;

    root->c.release(&root->c);
    qv__free(root);
}

/* One node on its way in. */
typedef struct node {
    qv__owner *owner;
    const struct ArrowArray *c;
    const struct ArrowSchema *source; /* NULL: the formats are those of the type */
    const qv__path *path;
    qv_error *err;
    int64_t base; /* values that buffers are moved on by; a multiple of 8 */
    qv__array *a;
} node;

/* Bytes of n items of `bits` each; false when no buffer can be that long. */
static bool size_of(int64_t n, uint64_t bits, uint64_t *bytes)
{
    uint64_t total;

    if (!qv__mul_u64((uint64_t) n, bits, &total) || total > INT64_MAX)
        return false;
    *bytes = total / 8 + (total % 8 != 0);
    return true;
}

/* Buffer i from its value `base` on, n values of `bits` each; copied where it lies at an odd address for its width. */
static qv_status take_buffer(const node *in, int64_t i, int64_t n, uint64_t bits, const char *what, qv__bytes *out)
{
    const uint8_t *data = in->c->buffers[i];
    uint64_t skip, len, end, align = bits < 8 ? 1 : QV_MIN(bits / 8, 16);
    uint8_t *copy;

    if (!size_of(in->base, bits, &skip) || !size_of(n, bits, &len) || !qv__add_u64(skip, len, &end) || end > INT64_MAX)
        return qv__path_fail(in->path, in->err, QV_INVALID, "length %lld at offset %lld is out of range",
                             (long long) in->c->length, (long long) in->c->offset);
    if (!data)
        return qv__path_fail(in->path, in->err, QV_INVALID, "the %s buffer is NULL, %lld values need it", what,
                             (long long) in->a->length);
    data += skip;
    if ((align & (align - 1)) == 0 && ((uintptr_t) data & (align - 1)) != 0) {
        QV_TRY(qv__bytes_new((size_t) len, out, &copy, in->err));
        memcpy(copy, data, (size_t) len);
        return QV_OK;
    }
    *out = (qv__bytes){ data, (size_t) len, qv__owner_ref(in->owner) };
    return QV_OK;
}

static qv_status take_validity(const node *in)
{
    qv__array *a = in->a;

    if (a->length == 0)
        return QV_OK;
    if (!in->c->buffers[0]) {
        if (in->c->null_count > 0)
            return qv__path_fail(in->path, in->err, QV_INVALID, "null_count is %lld, but the validity buffer is NULL",
                                 (long long) in->c->null_count);
        return QV_OK;
    }
    QV_TRY(take_buffer(in, 0, a->offset + a->length, 1, "validity", &a->buffers[0]));
    a->null_count = a->length - (int64_t) qv__bitmap_count(a->buffers[0].data, (size_t) a->offset, (size_t) a->length);
    if (a->null_count == 0)
        qv__bytes_unref(&a->buffers[0]);
    return QV_OK;
}

static qv_status take_child(const node *in, size_t i, qv__window window)
{
    qv__array *a = in->a;
    bool is_dictionary = a->type->id == QV_TYPE_DICTIONARY;
    qv__path here = { in->path, qv__child_name(a->type, i) };
    const struct ArrowSchema *source = NULL;

    if (in->source)
        source = is_dictionary ? in->source->dictionary : in->source->children[i];
    return qv__import_node(in->owner, is_dictionary ? in->c->dictionary : in->c->children[i], source,
                           a->type->children[i].type, window, &here, is_dictionary ? &a->dictionary : &a->children[i],
                           in->err);
}

/* Offsets, and the end of what they refer to. */
static qv_status take_offsets(const node *in, int64_t *end)
{
    qv__array *a = in->a;
    size_t width = qv__type_offset_bytes(a->type);

    if (a->length == 0) {
        a->buffers[1] = (qv__bytes){ qv__zero_bytes, width, NULL };
        *end = 0;
        return QV_OK;
    }
    QV_TRY(take_buffer(in, 1, a->offset + a->length + 1, width * 8, "offsets", &a->buffers[1]));
    *end = qv__array_offset(a, a->length);
    if (*end < 0)
        return qv__path_fail(in->path, in->err, QV_INVALID, "last offset is %lld", (long long) *end);
    return QV_OK;
}

static qv_status take_string(const node *in)
{
    qv__array *a = in->a;
    int64_t end;

    QV_TRY(take_offsets(in, &end));
    if (end > 0 && !in->c->buffers[2])
        return qv__path_fail(in->path, in->err, QV_INVALID, "the data buffer is NULL, offsets need %lld bytes",
                             (long long) end);
    if (end > 0)
        a->buffers[2] = (qv__bytes){ in->c->buffers[2], (size_t) end, qv__owner_ref(in->owner) };
    else
        a->buffers[2] = (qv__bytes){ qv__zero_bytes, 0, NULL };
    return QV_OK;
}

static qv_status take_list(const node *in)
{
    int64_t end;

    QV_TRY(take_offsets(in, &end));
    return take_child(in, 0, (qv__window){ 0, end });
}

/* Structs and fixed-size lists: `width` child values for each of ours. Without nulls our offset moves into the
 * window. */
static qv_status take_rows(const node *in, int64_t width)
{
    qv__array *a = in->a;
    qv__window window = { 0, 0 };
    int64_t end = 0;

    if (__builtin_add_overflow(in->c->offset, in->c->length, &end) || __builtin_mul_overflow(end, width, &end))
        return qv__path_fail(in->path, in->err, QV_INVALID, "%lld lists of %lld at offset %lld are out of range",
                             (long long) in->c->length, (long long) width, (long long) in->c->offset);
    if (a->length > 0)
        window = (qv__window){ in->base * width, (a->offset + a->length) * width };
    if (a->null_count == 0) {
        window.skip += a->offset * width;
        window.take = a->length * width;
        a->offset = 0;
    }
    for (size_t i = 0; i < a->n_children; i++)
        QV_TRY(take_child(in, i, window));
    return QV_OK;
}

static qv_status take_fixed(const node *in)
{
    qv__array *a = in->a;
    uint64_t bits = (uint64_t) qv__type_bits(a->type);

    if (a->length == 0 || bits == 0) {
        a->buffers[1] = (qv__bytes){ qv__zero_bytes, 0, NULL };
        return QV_OK;
    }
    /* Bytes of a fixed number have no alignment. */
    if (a->type->id != QV_TYPE_FIXED_BINARY)
        return take_buffer(in, 1, a->offset + a->length, bits, "values", &a->buffers[1]);
    uint64_t skip, len;
    if (!size_of(in->base, bits, &skip) || !size_of(a->offset + a->length, bits, &len) || skip > INT64_MAX - len)
        return qv__path_fail(in->path, in->err, QV_INVALID, "length %lld at offset %lld is out of range",
                             (long long) in->c->length, (long long) in->c->offset);
    if (!in->c->buffers[1])
        return qv__path_fail(in->path, in->err, QV_INVALID, "the values buffer is NULL, %lld values need it",
                             (long long) a->length);
    a->buffers[1] = (qv__bytes){ (const uint8_t *) in->c->buffers[1] + skip, (size_t) len, qv__owner_ref(in->owner) };
    return QV_OK;
}

static qv_status take_values(const node *in)
{
    switch (in->a->type->id) {
    case QV_TYPE_NULL:
        in->a->null_count = in->a->length;
        in->a->offset = 0;
        return QV_OK;
    case QV_TYPE_UTF8:
    case QV_TYPE_LARGE_UTF8:
    case QV_TYPE_BINARY:
    case QV_TYPE_LARGE_BINARY:
        return take_string(in);
    case QV_TYPE_LIST:
    case QV_TYPE_LARGE_LIST:
    case QV_TYPE_MAP:
        return take_list(in);
    case QV_TYPE_FIXED_LIST:
        return take_rows(in, in->a->type->width);
    case QV_TYPE_STRUCT:
        return take_rows(in, 1);
    case QV_TYPE_DICTIONARY:
        QV_TRY(take_fixed(in));
        return take_child(in, 0, (qv__window){ 0, -1 });
    default:
        return take_fixed(in);
    }
}

static int64_t buffer_count(const qv__type *type)
{
    if (type->id == QV_TYPE_NULL)
        return 0;
    if (type->id == QV_TYPE_STRUCT || type->id == QV_TYPE_FIXED_LIST)
        return 1;
    return qv__type_is_string(type) ? 3 : 2;
}

static qv_status check_shape(const node *in, const qv__type *type)
{
    const struct ArrowArray *c = in->c;
    int64_t n_children = type->id == QV_TYPE_DICTIONARY ? 0 : (int64_t) type->n_children;

    if (c->n_buffers != buffer_count(type))
        return qv__path_fail(in->path, in->err, QV_INVALID, "%s has %lld buffers, expected %lld",
                             qv__type_name(type->id), (long long) c->n_buffers, (long long) buffer_count(type));
    if (c->n_buffers > 0 && !c->buffers)
        return qv__path_fail(in->path, in->err, QV_INVALID, "the pointer to its buffers is NULL");
    if (c->n_children != n_children)
        return qv__path_fail(in->path, in->err, QV_INVALID, "%s has %lld children, expected %lld",
                             qv__type_name(type->id), (long long) c->n_children, (long long) n_children);
    if (c->n_children > 0 && !c->children)
        return qv__path_fail(in->path, in->err, QV_INVALID, "the pointer to its children is NULL");
    if (!c->dictionary != (type->id != QV_TYPE_DICTIONARY))
        return qv__path_fail(in->path, in->err, QV_INVALID,
                             c->dictionary ? "%s has a dictionary" : "%s has no dictionary", qv__type_name(type->id));
    return QV_OK;
}

/* Length and offset make sense, and the window lies inside; *window is then exact. */
static qv_status check_extent(const node *in, qv__window *window)
{
    const struct ArrowArray *c = in->c;
    int64_t end;

    if (!c)
        return qv__path_fail(in->path, in->err, QV_INVALID, "the Arrow array is NULL");
    if (!c->release)
        return qv__path_fail(in->path, in->err, QV_INVALID, "the Arrow array was released before");
    if (c->length < 0 || c->offset < 0 || __builtin_add_overflow(c->length, c->offset, &end) || end == INT64_MAX)
        return qv__path_fail(in->path, in->err, QV_INVALID, "length %lld at offset %lld is out of range",
                             (long long) c->length, (long long) c->offset);
    if (c->null_count < -1 || c->null_count > c->length)
        return qv__path_fail(in->path, in->err, QV_INVALID, "null_count %lld of %lld values", (long long) c->null_count,
                             (long long) c->length);
    if (window->take < 0)
        window->take = c->length;
    if (window->skip > c->length || window->take > c->length - window->skip)
        return qv__path_fail(in->path, in->err, QV_INVALID, "has %lld values, its parent needs %lld",
                             (long long) c->length, (long long) (window->skip + window->take));
    return QV_OK;
}

qv_status qv__import_node(qv__owner *owner, const struct ArrowArray *c, const struct ArrowSchema *source,
                          const qv__type *type, qv__window window, const qv__path *path, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    node in = { .owner = owner, .c = c, .source = source, .path = path, .err = err };

    QV_TRY(check_extent(&in, &window));
    if (source && source->format[0] == 'v')
        return qv__import_views(c, type, window, path, out, err);
    if (source && strcmp(source->format, "+r") == 0)
        return qv__import_runs(owner, c, source, type, window, path, out, err);
    QV_TRY(check_shape(&in, type));
    QV_CHECK(qv__array_new(type, window.take, (size_t) c->n_children, &in.a, err));
    if (window.take > 0) {
        in.base = (c->offset + window.skip) & ~INT64_C(7);
        in.a->offset = (c->offset + window.skip) & 7;
    }
    if (type->id != QV_TYPE_NULL)
        QV_CHECK(take_validity(&in));
    QV_CHECK(take_values(&in));
    *out = in.a;
    in.a = NULL;
done:
    qv__array_unref(in.a);
    return st;
}

qv_status qv__import_checked(struct ArrowArray *array, const struct ArrowSchema *source, const qv__type *type,
                             const qv__path *path, bool is_batch, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *imported = NULL;
    foreign_root *root = NULL;

    if (!array->release)
        return qv__path_fail(path, err, QV_INVALID, "the Arrow array was released before");
    st = QV_NEW(&root, 1, err);
    if (st != QV_OK) {
        array->release(array);
        array->release = NULL;
        return st;
    }
    qv__owner_init(&root->owner, release_root);
    root->c = *array;
    array->release = NULL;
    QV_CHECK(qv__import_node(&root->owner, &root->c, source, type, (qv__window){ 0, -1 }, path, &imported, err));
    if (is_batch && imported->null_count > 0)
        QV_CHECK(
            qv__path_fail(path, err, QV_INVALID, "%lld rows are null as a whole", (long long) imported->null_count));
    QV_CHECK(qv__array_validate_at(imported, path, err));
    *out = imported;
    imported = NULL;
done:
    qv__array_unref(imported);
    qv__owner_unref(&root->owner);
    return st;
}

/* A source that comes with an array is not known to describe it: it must at least give the same type. */
static qv_status check_source(const struct ArrowSchema *source, const qv__type *type, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field field = { 0 };
    char have[96], want[96];

    QV_CHECK(qv__import_type(source, &field, err));
    if (!qv__type_equal(field.type, type))
        QV_CHECK(qv__fail(err, QV_INVALID, "the Arrow schema says %s, expected %s",
                          qv__type_print(field.type, have, sizeof have), qv__type_print(type, want, sizeof want)));
done:
    qv__field_clear(&field);
    return st;
}

qv_status qv__import_array(struct ArrowArray *array, const struct ArrowSchema *source, const qv__type *type,
                           qv__array **out, qv_error *err)
{
    qv__path path = { NULL, type->id == QV_TYPE_STRUCT ? NULL : "array" };

    qv_status st = source ? check_source(source, type, err) : QV_OK;
    if (st != QV_OK) {
        if (array->release)
            array->release(array);
        array->release = NULL;
        return st;
    }
    return qv__import_checked(array, source, type, &path, false, out, err);
}
