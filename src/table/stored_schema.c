/* JSON columns have two forms: users see text (utf8, extension "arrow.json"), files hold JSONB (large_binary, extension
 * "lance.json"). These functions turn fields, schemas and arrays from one form into the other, at any nesting level. */
#include "arrow/array.h"
#include "arrow/builder.h"
#include "arrow/compute/compute.h"
#include "table/table_private.h"

#define EXTENSION          "ARROW:extension:name"
#define EXTENSION_METADATA "ARROW:extension:metadata"
#define SHOWN_JSON         "arrow.json"
#define STORED_JSON        "lance.json"
#define MAX_DEPTH          64

static bool is_json(const qv__field *field)
{
    size_t len;
    const char *name = qv__metadata_get(&field->metadata, EXTENSION, &len);

    return name && len == 10 && (memcmp(name, SHOWN_JSON, 10) == 0 || memcmp(name, STORED_JSON, 10) == 0);
}

static bool has_json(const qv__field *field, unsigned depth)
{
    if (is_json(field))
        return true;
    if (depth >= MAX_DEPTH)
        return false;
    for (size_t i = 0; i < field->type->n_children; i++)
        if (has_json(&field->type->children[i], depth + 1))
            return true;
    return false;
}

bool qv__field_has_json(const qv__field *field) { return has_json(field, 0); }

/* ------------------------------------------------------------------ fields */

static qv_status convert_field(const qv__field *from, bool to_stored, qv__field *out, qv_error *err);

static qv_status convert_json_type(const qv__field *from, bool to_stored, qv__type **out, qv_error *err)
{
    qv__type_id id = from->type->id;

    if (to_stored && id != QV_TYPE_UTF8 && id != QV_TYPE_LARGE_UTF8) {
        char text[64];
        return qv__fail(err, QV_SCHEMA, "JSON column \"%.100s\" has type %s; JSON is given as text", from->name,
                        qv__type_print(from->type, text, sizeof text));
    }
    return qv__type_new(to_stored ? QV_TYPE_LARGE_BINARY : QV_TYPE_UTF8, out, err);
}

/* The same nested type over converted children. */
static qv_status convert_nested_type(const qv__type *from, bool to_stored, qv__type **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__type *type = NULL;

    QV_CHECK(qv__type_new(from->id, &type, err));
    type->width = from->width;
    type->ordered = from->ordered;
    type->index_type = from->index_type ? qv__type_ref(from->index_type) : NULL;
    QV_CHECK(QV_NEW(&type->children, from->n_children, err));
    for (size_t i = 0; i < from->n_children; i++) {
        QV_CHECK(convert_field(&from->children[i], to_stored, &type->children[i], err));
        type->n_children++;
    }
    *out = type;
    type = NULL;
done:
    qv__type_unref(type);
    return st;
}

static qv_status convert_field(const qv__field *from, bool to_stored, qv__field *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field field = { 0 };
    qv__type *type = NULL;

    if (!qv__field_has_json(from))
        return qv__field_copy(out, from, err);
    if (is_json(from))
        QV_CHECK(convert_json_type(from, to_stored, &type, err));
    else
        QV_CHECK(convert_nested_type(from->type, to_stored, &type, err));
    QV_CHECK(qv__field_init(&field, from->name, type, from->nullable, err));
    field.id = from->id;
    QV_CHECK(qv__metadata_copy(&field.metadata, &from->metadata, err));
    if (is_json(from)) {
        QV_CHECK(qv__metadata_set(&field.metadata, EXTENSION, to_stored ? STORED_JSON : SHOWN_JSON, 10, err));
        if (to_stored && !qv__metadata_get(&field.metadata, EXTENSION_METADATA, NULL))
            QV_CHECK(qv__metadata_set(&field.metadata, EXTENSION_METADATA, "", 0, err)); /* others compare it */
    }
    *out = field;
    field = (qv__field){ 0 };
done:
    qv__field_clear(&field);
    qv__type_unref(type);
    return st;
}

qv_status qv__field_to_stored(const qv__field *shown, qv__field *out, qv_error *err)
{
    return convert_field(shown, true, out, err);
}

static qv_status convert_schema(const qv__schema *from, bool to_stored, qv__schema **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field *fields = NULL;
    size_t n = 0;

    QV_CHECK(QV_NEW(&fields, from->n_fields, err));
    for (; n < from->n_fields; n++)
        QV_CHECK(convert_field(&from->fields[n], to_stored, &fields[n], err));
    QV_CHECK(qv__schema_new(fields, n, &from->metadata, out, err));
done:
    for (size_t i = 0; i < n; i++)
        qv__field_clear(&fields[i]);
    qv__free(fields);
    return st;
}

qv_status qv__schema_to_shown(const qv__schema *stored, qv__schema **out, qv_error *err)
{
    return convert_schema(stored, false, out, err);
}

qv_status qv__schema_to_stored(const qv__schema *shown, qv__schema **out, qv_error *err)
{
    return convert_schema(shown, true, out, err);
}

/* ------------------------------------------------------------------ arrays */

/* `hidden` (may be NULL): the struct around the values; what lies under its nulls need not be JSON. */
static qv_status convert_texts(const qv__array *array, const qv__field *to, const qv__array *hidden, bool to_stored,
                               qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__builder *builder = NULL;
    qv__buffer scratch;

    qv__buffer_init(&scratch, SIZE_MAX);
    QV_CHECK(qv__builder_new(to->type, &builder, err));
    for (int64_t i = 0; i < array->length; i++) {
        size_t len;
        if (qv__array_is_null(array, i) || (hidden && qv__array_is_null(hidden, i))) {
            QV_CHECK(qv__builder_append_null(builder, err));
            continue;
        }
        const uint8_t *bytes = qv__array_string(array, i, &len);
        scratch.len = 0;
        st = to_stored ? qv__jsonb_encode(bytes, len, &scratch, err) : qv__jsonb_decode(bytes, len, &scratch, err);
        if (st != QV_OK) {
            qv__fail_in(err, st, "column \"%.100s\", row %lld of the batch", to->name, (long long) i);
            goto done;
        }
        QV_CHECK(qv__builder_append_bytes(builder, scratch.data, scratch.len, err));
    }
    QV_CHECK(qv__builder_finish(builder, out, err));
done:
    qv__builder_free(builder);
    qv__buffer_free(&scratch);
    return st;
}

static qv_status convert(const qv__array *array, const qv__field *from, const qv__field *to, const qv__array *hidden,
                         bool to_stored, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *result = NULL;

    if (!qv__field_has_json(from)) {
        *out = qv__array_ref(array);
        return QV_OK;
    }
    if (is_json(from))
        return convert_texts(array, to, hidden, to_stored, out, err);
    QV_CHECK(qv__array_new(to->type, array->length, array->n_children, &result, err));
    result->null_count = array->null_count;
    for (size_t i = 0; i < QV_COUNT_OF(array->buffers); i++)
        result->buffers[i] = qv__bytes_ref(array->buffers[i]);
    for (size_t i = 0; i < array->n_children; i++)
        QV_CHECK(convert(array->children[i], &from->type->children[i], &to->type->children[i],
                         array->type->id == QV_TYPE_STRUCT ? array : NULL, to_stored, &result->children[i], err));
    *out = result;
    result = NULL;
done:
    qv__array_unref(result);
    return st;
}

qv_status qv__array_convert_json(const qv__array *array, const qv__field *from, const qv__field *to, bool to_stored,
                                 qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *plain = NULL;

    if (is_json(from) || !qv__field_has_json(from))
        return convert(array, from, to, NULL, to_stored, out, err);
    QV_CHECK(qv__array_normalize(array, &plain, err)); /* so that parents and children count alike */
    QV_CHECK(convert(plain, from, to, NULL, to_stored, out, err));
done:
    qv__array_unref(plain);
    return st;
}
