/* The mapping from target fields to source columns is made once, when the stream is wrapped; each batch is then a cast per
 * column, and columns that already have the right type pass through untouched. */
#include "arrow/compute/conform.h"

#include "base/alloc.h"

typedef struct conform_stream {
    qv__stream base;
    qv__stream *source;
    size_t *source_columns; /* per field of base.schema */
    qv__cast_mode mode;
} conform_stream;

static void conform_destroy(qv__stream *stream)
{
    conform_stream *self = (conform_stream *) stream;

    qv__stream_free(self->source);
    qv__schema_unref(self->base.schema);
    qv__free(self->source_columns);
    qv__free(self);
}

static qv_status refuse_nulls(const qv__array *column, const qv__field *field, qv_error *err)
{
    if (!field->nullable && column->null_count > 0)
        return qv__fail(err, QV_SCHEMA,
                        "The field `%s` contained null values even though the field is marked non-null in the schema",
                        field->name);
    return QV_OK;
}

static qv_status conform_column(const qv__array *column, const qv__field *field, qv__cast_mode mode, qv__array **out,
                                qv_error *err)
{
    qv__array *cast = NULL;
    qv_status st = QV_OK;

    if (qv__type_equal(column->type, field->type))
        cast = qv__array_ref(column);
    else
        st = qv__array_cast(column, field->type, mode, &cast, err);
    if (st == QV_OK)
        st = refuse_nulls(cast, field, err);
    if (st == QV_INVALID)
        st = qv__fail_in(err, QV_SCHEMA, "column \"%s\"", field->name);
    if (st == QV_OK)
        *out = cast;
    else
        qv__array_unref(cast);
    return st;
}

/* The column of a batch with the batch's own offset and length applied. */
static qv_status batch_column(const qv__array *batch, size_t i, qv__array **out, qv_error *err)
{
    return qv__array_slice(batch->children[i], batch->offset, batch->length, out, err);
}

static qv_status conform_next(qv__stream *stream, qv__array **out, qv_error *err)
{
    conform_stream *self = (conform_stream *) stream;
    const qv__schema *schema = self->base.schema;
    qv__array *batch = NULL, *made = NULL, *column = NULL, **columns = NULL;
    qv_status st = QV_OK;

    QV_CHECK(self->source->next(self->source, &batch, err));
    if (!batch) {
        *out = NULL;
        goto done;
    }
    QV_CHECK(QV_NEW(&columns, QV_MAX(schema->n_fields, 1), err));
    for (size_t i = 0; i < schema->n_fields; i++) {
        QV_CHECK(batch_column(batch, self->source_columns[i], &column, err));
        QV_CHECK(conform_column(column, &schema->fields[i], self->mode, &columns[i], err));
        qv__array_unref(column);
        column = NULL;
    }
    QV_CHECK(qv__batch_new(schema, columns, batch->length, &made, err));
    *out = made;
done:
    if (columns)
        for (size_t i = 0; i < schema->n_fields; i++)
            qv__array_unref(columns[i]);
    qv__free(columns);
    qv__array_unref(column);
    qv__array_unref(batch);
    return st;
}

static qv_status refuse_strangers(const qv__schema *source, const qv__schema *target, qv_error *err)
{
    for (size_t i = 0; i < source->n_fields; i++) {
        const char *name = source->fields[i].name;
        if (qv__schema_find(target, name) < 0)
            return qv__fail(err, QV_SCHEMA, "field '%s' does not exist in table schema", name);
        if (qv__schema_find(source, name) != (ptrdiff_t) i)
            return qv__fail(err, QV_SCHEMA, "column \"%s\" comes twice in the data", name);
    }
    return QV_OK;
}

static qv_status map_columns(conform_stream *self, const qv__schema *target, qv_error *err)
{
    const qv__schema *source = self->source->schema;
    qv__field *kept = NULL; /* shallow: qv__schema_new copies */
    size_t n = 0;
    qv_status st = QV_OK;

    QV_CHECK(refuse_strangers(source, target, err));
    QV_CHECK(QV_NEW(&kept, QV_MAX(target->n_fields, 1), err));
    QV_CHECK(QV_NEW(&self->source_columns, QV_MAX(target->n_fields, 1), err));
    for (size_t i = 0; i < target->n_fields; i++) {
        const qv__field *field = &target->fields[i];
        ptrdiff_t at = qv__schema_find(source, field->name);
        if (at < 0 && field->nullable)
            continue;
        if (at < 0) {
            st = qv__fail(err, QV_SCHEMA, "Append with different schema: fields did not match, missing=[%s]",
                          field->name);
            goto done;
        }
        self->source_columns[n] = (size_t) at;
        kept[n++] = *field;
    }
    QV_CHECK(qv__schema_new(kept, n, &target->metadata, &self->base.schema, err));
done:
    qv__free(kept);
    return st;
}

qv_status qv__stream_conform(qv__stream *stream, const qv__schema *target, qv__cast_mode mode, qv__stream **out,
                             qv_error *err)
{
    conform_stream *self = NULL;
    qv_status st = QV_NEW(&self, 1, err);

    if (st != QV_OK) {
        qv__stream_free(stream);
        return st;
    }
    self->base.next = conform_next;
    self->base.destroy = conform_destroy;
    self->source = stream;
    self->mode = mode;
    QV_CHECK(map_columns(self, target, err));
    *out = &self->base;
    return QV_OK;
done:
    conform_destroy(&self->base);
    return st;
}
