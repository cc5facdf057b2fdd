/* Documents to the values that a path finds in them. The first value says of what type all of them are. */
#include <inttypes.h>

#include "arrow/builder.h"
#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "index/scalar/json_private.h"
#include "index/scalar/sort_private.h"
#include "json/json.h"

#define MOST_DOCUMENT ((size_t) 1 << 30)

typedef struct values {
    qv__stream stream;
    qv__stream *documents; /* borrowed */
    qv__json_path *path;
    qv__buffer scratch;
    /* read ahead: rows of batches without a value (their documents are forgotten), then the batch with the first one */
    qv__array **ahead;
    size_t n_ahead, ahead_capacity, next_ahead;
    qv__array *first;
} values;

static void values_destroy(qv__stream *stream)
{
    values *v = (values *) stream;

    for (size_t i = 0; i < v->n_ahead; i++)
        qv__array_unref(v->ahead[i]);
    qv__free(v->ahead);
    qv__array_unref(v->first);
    qv__json_path_free(v->path);
    qv__buffer_free(&v->scratch);
    qv__schema_unref(stream->schema);
    qv__free(v);
}

/* ------------------------------------------------------------------ one document */

static uint32_t kind_of(const qv__jsonb_value *value) { return value->entry & QV_JSONB_ENTRY_MASK; }

/* The first value at the path; *found false: none, or null. It lies in the scratch. */
static qv_status find_value(values *v, const qv__array *documents, int64_t i, qv__jsonb_value *out, bool *found,
                            qv_error *err)
{
    qv__jsonb_values all = { 0 };
    qv__jsonb_value root;
    size_t len;

    *found = false;
    if (qv__array_is_null(documents, i))
        return QV_OK;
    const uint8_t *text = qv__array_string(documents, i, &len);
    v->scratch.len = 0;
    QV_TRY(qv__jsonb_encode(text, len, &v->scratch, err));
    if (!qv__jsonb_root(v->scratch.data, v->scratch.len, &root))
        return qv__fail(err, QV_LIMIT, "a document of %zu bytes is too long", len);
    qv_status st = qv__json_path_select(v->path, &root, &all, err);
    *found = st == QV_OK && all.n && kind_of(&all.items[0]) != QV_JSONB_NULL;
    if (*found)
        *out = all.items[0];
    qv__free(all.items);
    return st;
}

static qv_status type_of(const qv__jsonb_value *value, qv__type_id *out, qv_error *err)
{
    qv__jsonb_number number;

    switch (kind_of(value)) {
    case QV_JSONB_STRING:
        *out = QV_TYPE_UTF8;
        return QV_OK;
    case QV_JSONB_TRUE:
    case QV_JSONB_FALSE:
        *out = QV_TYPE_BOOL;
        return QV_OK;
    case QV_JSONB_NUMBER:
        if (!qv__jsonb_number_of(value, &number))
            return qv__fail(err, QV_INVALID, "a number that cannot be read");
        *out = number.kind == QV_JSONB_FLOAT || (number.kind == QV_JSONB_UINT && number.u > INT64_MAX) ? QV_TYPE_FLOAT64
                                                                                                       : QV_TYPE_INT64;
        return QV_OK;
    default:
        return qv__fail(err, QV_INVALID, "a JSON index holds single values, and the path leads to an array or object");
    }
}

static qv_status append_number(qv__builder *out, qv__type_id wanted, const qv__jsonb_value *value, qv_error *err)
{
    qv__jsonb_number number;

    if (!qv__jsonb_number_of(value, &number))
        return qv__fail(err, QV_INVALID, "a number that cannot be read");
    if (wanted == QV_TYPE_INT64)
        return qv__builder_append_fixed(out, &number.i, err); /* its type was looked at */
    double wide = number.kind == QV_JSONB_FLOAT  ? number.f
                  : number.kind == QV_JSONB_UINT ? (double) number.u
                                                 : (double) number.i;
    return qv__builder_append_fixed(out, &wide, err);
}

static qv_status append_value(qv__builder *out, qv__type_id wanted, const qv__jsonb_value *value, qv_error *err)
{
    qv__type_id id;

    QV_TRY(type_of(value, &id, err));
    if (id != wanted && !(id == QV_TYPE_INT64 && wanted == QV_TYPE_FLOAT64))
        return qv__fail(err, QV_INVALID, "the path leads to values of type %s, and here to one of type %s",
                        qv__type_name(wanted), qv__type_name(id));
    if (wanted == QV_TYPE_UTF8)
        return qv__builder_append_bytes(out, value->data, value->len, err);
    if (wanted == QV_TYPE_BOOL)
        return qv__builder_append_bool(out, kind_of(value) == QV_JSONB_TRUE, err);
    return append_number(out, wanted, value, err);
}

/* ------------------------------------------------------------------ batches */

static qv_status convert(values *v, const qv__array *batch, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__type *type = v->stream.schema->fields[0].type;
    qv__array *documents = NULL, *columns[2] = { NULL, NULL };
    qv__builder *builder = NULL;
    qv__jsonb_value value;
    bool found;

    QV_CHECK(qv__array_slice(batch->children[0], batch->offset, batch->length, &documents, err));
    QV_CHECK(qv__array_slice(batch->children[1], batch->offset, batch->length, &columns[1], err));
    QV_CHECK(qv__builder_new(type, &builder, err));
    for (int64_t i = 0; i < documents->length; i++) {
        QV_CHECK(find_value(v, documents, i, &value, &found, err));
        st = found ? append_value(builder, type->id, &value, err) : qv__builder_append_null(builder, err);
        if (st != QV_OK) {
            qv__fail_in(err, st, "row %" PRIu64, ((const uint64_t *) qv__array_values(columns[1]))[i]);
            goto done;
        }
    }
    QV_CHECK(qv__builder_finish(builder, &columns[0], err));
    QV_CHECK(qv__batch_new(v->stream.schema, columns, documents->length, out, err));
done:
    qv__builder_free(builder);
    qv__array_unref(documents);
    qv__array_unref(columns[0]);
    qv__array_unref(columns[1]);
    return st;
}

static qv_status nulls_for(const values *v, qv__array *rows, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *columns[2] = { NULL, rows };

    QV_CHECK(qv__array_new_null(v->stream.schema->fields[0].type, rows->length, &columns[0], err));
    QV_CHECK(qv__batch_new(v->stream.schema, columns, rows->length, out, err));
done:
    qv__array_unref(columns[0]);
    return st;
}

static qv_status values_next(qv__stream *stream, qv__array **out, qv_error *err)
{
    values *v = (values *) stream;
    qv__array *batch = v->first;

    *out = NULL;
    if (v->next_ahead < v->n_ahead)
        return nulls_for(v, v->ahead[v->next_ahead++], out, err);
    v->first = NULL;
    if (!batch)
        QV_TRY(v->documents->next(v->documents, &batch, err));
    if (!batch)
        return QV_OK;
    qv_status st = convert(v, batch, out, err);
    qv__array_unref(batch);
    return st;
}

/* ------------------------------------------------------------------ the type */

/* The type of the first value of a batch; *found false: there is none. */
static qv_status type_in_batch(values *v, const qv__array *batch, qv__type_id *id, bool *found, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *documents = NULL;
    qv__jsonb_value value;

    *found = false;
    QV_CHECK(qv__array_slice(batch->children[0], batch->offset, batch->length, &documents, err));
    for (int64_t i = 0; i < documents->length && !*found; i++)
        QV_CHECK(find_value(v, documents, i, &value, found, err));
    if (*found)
        QV_CHECK(type_of(&value, id, err));
done:
    qv__array_unref(documents);
    return st;
}

static qv_status keep_rows(values *v, const qv__array *batch, qv_error *err)
{
    QV_TRY(QV_GROW(&v->ahead, &v->ahead_capacity, v->n_ahead + 1, err));
    QV_TRY(qv__array_slice(batch->children[1], batch->offset, batch->length, &v->ahead[v->n_ahead], err));
    v->n_ahead++;
    return QV_OK;
}

static qv_status find_type(values *v, qv__type_id *id, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *batch = NULL;
    bool found = false;

    *id = QV_TYPE_UTF8;
    for (;;) {
        QV_CHECK(v->documents->next(v->documents, &batch, err));
        if (!batch)
            break;
        QV_CHECK(type_in_batch(v, batch, id, &found, err));
        if (found) {
            v->first = batch;
            return QV_OK;
        }
        QV_CHECK(keep_rows(v, batch, err));
        qv__array_unref(batch);
        batch = NULL;
    }
done:
    qv__array_unref(batch);
    return st;
}

qv_status qv__json_values(qv__stream *documents, const char *path, const qv__type *type, qv__stream **out,
                          qv_error *err)
{
    qv_status st = QV_OK;
    values *v = NULL;
    qv__type *found = NULL;
    qv__type_id id;

    QV_CHECK(QV_NEW(&v, 1, err));
    v->stream = (qv__stream){ NULL, values_next, values_destroy };
    v->documents = documents;
    qv__buffer_init(&v->scratch, MOST_DOCUMENT);
    QV_CHECK(qv__json_path_parse((const uint8_t *) path, strlen(path), &v->path, err));
    if (!type) {
        QV_CHECK(find_type(v, &id, err));
        QV_CHECK(qv__type_new(id, &found, err));
    }
    QV_CHECK(qv__sorted_schema(type ? type : found, &v->stream.schema, err));
    *out = &v->stream;
    v = NULL;
done:
    qv__type_unref(found);
    if (v)
        values_destroy(&v->stream);
    return st;
}
