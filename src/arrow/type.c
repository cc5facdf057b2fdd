/* Types are trees that never change once shared, so a reference count is all the care they need. Every constructor
 * measures the depth of what it is given: the limit is kept here, and all recursion elsewhere relies on it. */
#include "arrow/type.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"

static const struct {
    const char *name;
    int bits;
} type_facts[QV_TYPE_COUNT] = {
#define QV_TYPE_FACT(id, name, bits) [QV_TYPE_##id] = { name, bits },
    QV_TYPE_MAP(QV_TYPE_FACT)
#undef QV_TYPE_FACT
};

const char *qv__type_name(qv__type_id id) { return (unsigned) id < QV_TYPE_COUNT ? type_facts[id].name : "unknown"; }

int qv__type_bits(const qv__type *type)
{
    if (type->id == QV_TYPE_FIXED_BINARY)
        return type->width * 8;
    if (type->id == QV_TYPE_DICTIONARY)
        return type_facts[type->index_type->id].bits;
    return type_facts[type->id].bits;
}

int qv__type_depth(const qv__type *type)
{
    int deepest = 0;

    for (size_t i = 0; i < type->n_children; i++) {
        int depth = qv__type_depth(type->children[i].type);
        deepest = QV_MAX(deepest, depth);
    }
    return deepest + 1;
}

static qv_status check_depth(const qv__type *type, qv_error *err)
{
    if (qv__type_depth(type) > QV_TYPE_MAX_DEPTH)
        return qv__fail(err, QV_UNSUPPORTED, "type is nested deeper than %d levels", QV_TYPE_MAX_DEPTH);
    return QV_OK;
}

qv_status qv__type_new(qv__type_id id, qv__type **out, qv_error *err)
{
    qv__type *type = NULL;

    QV_TRY(QV_NEW(&type, 1, err));
    atomic_init(&type->refs, 1);
    type->id = id;
    *out = type;
    return QV_OK;
}

/* A type with room for n children, all zero. */
static qv_status new_parent(qv__type_id id, size_t n, qv__type **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__type *type = NULL;

    QV_CHECK(qv__type_new(id, &type, err));
    if (n > 0)
        QV_CHECK(QV_NEW(&type->children, n, err));
    type->n_children = n;
    *out = type;
    type = NULL;
done:
    qv__type_unref(type);
    return st;
}

qv_status qv__type_new_list(qv__type_id list_id, const qv__field *element, int32_t width, qv__type **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__type *type = NULL;

    assert(list_id == QV_TYPE_LIST || list_id == QV_TYPE_LARGE_LIST || list_id == QV_TYPE_FIXED_LIST ||
           list_id == QV_TYPE_MAP);
    QV_CHECK(new_parent(list_id, 1, &type, err));
    QV_CHECK(qv__field_copy(&type->children[0], element, err));
    type->width = list_id == QV_TYPE_FIXED_LIST ? width : 0;
    QV_CHECK(check_depth(type, err));
    *out = type;
    type = NULL;
done:
    qv__type_unref(type);
    return st;
}

qv_status qv__type_new_struct(const qv__field *fields, size_t n, qv__type **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__type *type = NULL;

    QV_CHECK(new_parent(QV_TYPE_STRUCT, n, &type, err));
    for (size_t i = 0; i < n; i++)
        QV_CHECK(qv__field_copy(&type->children[i], &fields[i], err));
    QV_CHECK(check_depth(type, err));
    *out = type;
    type = NULL;
done:
    qv__type_unref(type);
    return st;
}

qv_status qv__type_new_dictionary(qv__type *index_type, qv__type *value_type, bool ordered, qv__type **out,
                                  qv_error *err)
{
    qv_status st = QV_OK;
    qv__type *type = NULL;

    assert(index_type->id >= QV_TYPE_INT8 && index_type->id <= QV_TYPE_UINT64);
    /* The index type is set first: a dictionary without one could not even be measured. */
    QV_CHECK(new_parent(QV_TYPE_DICTIONARY, 1, &type, err));
    type->index_type = qv__type_ref(index_type);
    type->ordered = ordered;
    QV_CHECK(qv__field_init(&type->children[0], "", value_type, true, err));
    QV_CHECK(check_depth(type, err));
    *out = type;
    type = NULL;
done:
    qv__type_unref(type);
    return st;
}

qv__type *qv__type_ref(const qv__type *type)
{
    qv__type *counted = (qv__type *) type;

    if (counted)
        atomic_fetch_add_explicit(&counted->refs, 1, memory_order_relaxed);
    return counted;
}

void qv__type_unref(qv__type *type)
{
    if (!type || atomic_fetch_sub_explicit(&type->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < type->n_children; i++)
        qv__field_clear(&type->children[i]);
    qv__free(type->children);
    qv__type_unref(type->index_type);
    qv__free(type->timezone);
    qv__free(type);
}

static bool same_text(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    return strcmp(a, b) == 0;
}

static bool same_children(const qv__type *a, const qv__type *b, bool names_count)
{
    if (a->n_children != b->n_children)
        return false;
    for (size_t i = 0; i < a->n_children; i++) {
        const qv__field *left = &a->children[i], *right = &b->children[i];
        if (left->nullable != right->nullable || (names_count && !same_text(left->name, right->name)) ||
            !qv__type_equal(left->type, right->type))
            return false;
    }
    return true;
}

bool qv__type_equal(const qv__type *a, const qv__type *b)
{
    if (a == b)
        return true;
    if (a->id != b->id)
        return false;
    switch (a->id) {
    case QV_TYPE_DECIMAL128:
    case QV_TYPE_DECIMAL256:
        return a->precision == b->precision && a->scale == b->scale;
    case QV_TYPE_TIME32:
    case QV_TYPE_TIME64:
    case QV_TYPE_DURATION:
        return a->unit == b->unit;
    case QV_TYPE_TIMESTAMP:
        return a->unit == b->unit && same_text(a->timezone, b->timezone);
    case QV_TYPE_FIXED_BINARY:
        return a->width == b->width;
    case QV_TYPE_STRUCT:
        return same_children(a, b, true);
    case QV_TYPE_FIXED_LIST:
        return a->width == b->width && same_children(a, b, false);
    case QV_TYPE_LIST:
    case QV_TYPE_LARGE_LIST:
        return same_children(a, b, false);
    case QV_TYPE_MAP: /* producers name the entries and their two fields as they like */
        return a->ordered == b->ordered && same_children(a->children[0].type, b->children[0].type, false);
    case QV_TYPE_DICTIONARY:
        return a->ordered == b->ordered && a->index_type->id == b->index_type->id &&
               qv__type_equal(a->children[0].type, b->children[0].type);
    default:
        return true;
    }
}

qv_status qv__field_init(qv__field *field, const char *name, const qv__type *type, bool nullable, qv_error *err)
{
    char *copy = qv__strdup(name ? name : "");

    if (!copy)
        return qv__fail_nomem(err, strlen(name ? name : "") + 1);
    *field = (qv__field){ .name = copy, .type = qv__type_ref(type), .nullable = nullable, .id = -1 };
    return QV_OK;
}

qv_status qv__field_copy(qv__field *to, const qv__field *from, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field copy = { 0 };

    QV_CHECK(qv__field_init(&copy, from->name, from->type, from->nullable, err));
    QV_CHECK(qv__metadata_copy(&copy.metadata, &from->metadata, err));
    copy.id = from->id;
    *to = copy;
    copy = (qv__field){ 0 };
done:
    qv__field_clear(&copy);
    return st;
}

void qv__field_clear(qv__field *field)
{
    qv__free(field->name);
    qv__type_unref(field->type);
    qv__metadata_clear(&field->metadata);
    *field = (qv__field){ .id = -1 };
}

bool qv__field_equal(const qv__field *a, const qv__field *b)
{
    return a->nullable == b->nullable && same_text(a->name, b->name) && qv__type_equal(a->type, b->type);
}

qv_status qv__schema_new(const qv__field *fields, size_t n, const qv__metadata *metadata, qv__schema **out,
                         qv_error *err)
{
    qv_status st = QV_OK;
    qv__schema *schema = NULL;

    QV_CHECK(QV_NEW(&schema, 1, err));
    atomic_init(&schema->refs, 1);
    QV_CHECK(qv__type_new_struct(fields, n, &schema->type, err));
    schema->n_fields = n;
    schema->fields = schema->type->children;
    if (metadata)
        QV_CHECK(qv__metadata_copy(&schema->metadata, metadata, err));
    *out = schema;
    schema = NULL;
done:
    qv__schema_unref(schema);
    return st;
}

qv__schema *qv__schema_ref(const qv__schema *schema)
{
    qv__schema *counted = (qv__schema *) schema;

    if (counted)
        atomic_fetch_add_explicit(&counted->refs, 1, memory_order_relaxed);
    return counted;
}

void qv__schema_unref(qv__schema *schema)
{
    if (!schema || atomic_fetch_sub_explicit(&schema->refs, 1, memory_order_acq_rel) != 1)
        return;
    qv__type_unref(schema->type);
    qv__metadata_clear(&schema->metadata);
    qv__free(schema);
}

ptrdiff_t qv__schema_find(const qv__schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->n_fields; i++)
        if (strcmp(schema->fields[i].name, name) == 0)
            return (ptrdiff_t) i;
    return -1;
}

bool qv__schema_equal(const qv__schema *a, const qv__schema *b) { return qv__type_equal(a->type, b->type); }

qv_status qv__schema_to_struct(const qv__schema *schema, qv__type **out, qv_error *err)
{
    QV_UNUSED(err);
    *out = qv__type_ref(schema->type);
    return QV_OK;
}
