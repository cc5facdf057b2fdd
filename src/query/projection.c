/* Which columns a read returns. Every output is a source as it is (a field of the table, a nested column of one, or a number that
 * Quiver makes itself), or the value of an expression over sources. */
#include <string.h>

#include "base/alloc.h"
#include "file/lance_schema.h"
#include "query_private.h"

typedef struct making {
    const qv__schema *schema;
    qv__schema *scope; /* of expressions; made when the first is met */
    const qv__wanted *wanted;
    qv__sources *sources;
    qv__projection *p;
    qv__field *fields; /* of the result, n_outputs so far */
    bool has_distance;
} making;

static qv_status add_made(making *m, qv__source_kind kind, const char *name, qv_error *err)
{
    qv__type *type = NULL;
    qv__type_id id = kind == QV_FROM_DISTANCE      ? QV_TYPE_FLOAT32
                     : kind == QV_FROM_QUERY_INDEX ? QV_TYPE_INT32
                                                   : QV_TYPE_UINT64;
    qv__output *output = &m->p->outputs[m->p->n_outputs];

    m->has_distance = m->has_distance || kind == QV_FROM_DISTANCE;
    QV_TRY(qv__sources_add_made(m->sources, kind, &output->source, err));
    QV_TRY(qv__type_new(id, &type, err));
    qv_status st = qv__field_init(&m->fields[m->p->n_outputs], name, type, true, err);
    qv__type_unref(type);
    if (st == QV_OK)
        m->p->n_outputs++;
    return st;
}

/* The metadata of a column as it is read. Blobs of the second kind come as their bytes, so the name of the extension, whose
 * storage is a struct, would be wrong. */
static qv_status copy_metadata(qv__field *to, const qv__field *leaf, qv_error *err)
{
    static const char prefix[] = "ARROW:extension:";

    if (!qv__field_is_blob_v2(leaf))
        return qv__metadata_copy(&to->metadata, &leaf->metadata, err);
    for (size_t i = 0; i < leaf->metadata.n; i++)
        if (strncmp(leaf->metadata.pairs[i].key, prefix, sizeof prefix - 1) != 0)
            QV_TRY(qv__metadata_set(&to->metadata, leaf->metadata.pairs[i].key, leaf->metadata.pairs[i].value,
                                    leaf->metadata.pairs[i].value_len, err));
    return QV_OK;
}

static qv_status add_column(making *m, const char *name, qv_error *err)
{
    qv__projection *p = m->p;
    qv__output *output = &p->outputs[p->n_outputs];
    qv__field *field = &m->fields[p->n_outputs];

    QV_TRY(qv__sources_add_column(m->sources, m->schema, name, &output->source, err));
    const qv__source *source = &m->sources->items[output->source];
    QV_TRY(qv__field_init(field, name, source->leaf->type, qv__read_nullable(&source->read), err));
    field->id = source->leaf->id;
    p->n_outputs++;
    return copy_metadata(field, source->leaf, err);
}

static qv_status add_expression(making *m, const char *name, const char *sql, qv_error *err)
{
    qv__projection *p = m->p;
    qv__output *output = &p->outputs[p->n_outputs];

    if (!m->scope)
        QV_TRY(qv__scope_new(m->schema, m->wanted->is_search, &m->scope, err));
    qv_status st = qv__program_compile(sql, m->scope, &output->program, err);
    if (st != QV_OK)
        return qv__fail_in(err, st, "column \"%.100s\"", name);
    p->n_outputs++; /* what the output holds is now freed with the projection */
    QV_TRY(qv__sources_add_program(m->sources, m->schema, output->program, &output->inputs, err));
    return qv__field_init(&m->fields[p->n_outputs - 1], name, output->program->root->type,
                          output->program->root->nullable, err);
}

static qv_status add_named(making *m, const char *name, const char *sql, qv_error *err)
{
    const qv__wanted *w = m->wanted;
    qv__source_kind kind;

    for (size_t i = 0; i < m->p->n_outputs; i++)
        if (strcmp(m->fields[i].name, name) == 0)
            return qv__fail(err, QV_INVALID, "column \"%s\" is asked for twice", name);
    if (sql)
        return add_expression(m, name, sql, err);
    if (!qv__source_kind_of(name, w->is_search, &kind))
        return add_column(m, name, err);
    /* those of the flags are put at the end */
    if ((kind == QV_FROM_ROW_ID && w->row_id) || (kind == QV_FROM_ROW_ADDRESS && w->row_address))
        return QV_OK;
    return add_made(m, kind, name, err);
}

static qv_status add_all(making *m, qv_error *err)
{
    const qv__wanted *w = m->wanted;

    if (w->query_index)
        QV_TRY(add_made(m, QV_FROM_QUERY_INDEX, "query_index", err));
    if (w->columns)
        for (size_t i = 0; i < w->n_columns; i++)
            QV_TRY(add_named(m, w->columns[i], w->expressions ? w->expressions[i] : NULL, err));
    else
        for (size_t i = 0; i < m->schema->n_fields; i++)
            QV_TRY(add_column(m, m->schema->fields[i].name, err));
    if (w->is_search && !m->has_distance)
        QV_TRY(add_made(m, QV_FROM_DISTANCE, "_distance", err));
    if (w->row_id)
        QV_TRY(add_made(m, QV_FROM_ROW_ID, "_rowid", err));
    if (w->row_address)
        QV_TRY(add_made(m, QV_FROM_ROW_ADDRESS, "_rowaddr", err));
    return w->place ? add_made(m, QV_FROM_PLACE, "_place", err) : QV_OK;
}

static qv_status list_used(making *m, qv_error *err)
{
    qv_status st = QV_OK;
    qv__projection *p = m->p;
    bool *is_used = NULL;

    QV_CHECK(QV_NEW(&is_used, QV_MAX(m->sources->n, 1), err));
    QV_CHECK(QV_NEW(&p->used, QV_MAX(m->sources->n, 1), err));
    for (size_t o = 0; o < p->n_outputs; o++) {
        const qv__output *output = &p->outputs[o];
        if (!output->program)
            is_used[output->source] = true;
        for (size_t i = 0; output->program && i < output->program->n_columns; i++)
            is_used[output->inputs[i]] = true;
    }
    for (size_t s = 0; s < m->sources->n; s++)
        if (is_used[s])
            p->used[p->n_used++] = s;
done:
    qv__free(is_used);
    return st;
}

qv_status qv__projection_new(const qv__schema *schema, const qv__wanted *wanted, qv__sources *sources,
                             qv__projection **out, qv_error *err)
{
    qv_status st = QV_OK;
    making m = { .schema = schema, .wanted = wanted, .sources = sources };
    size_t most = (wanted->columns ? wanted->n_columns : schema->n_fields) + 5;

    QV_TRY(QV_NEW(&m.p, 1, err));
    QV_CHECK(QV_NEW(&m.p->outputs, most, err));
    QV_CHECK(QV_NEW(&m.fields, most, err));
    QV_CHECK(add_all(&m, err));
    QV_CHECK(list_used(&m, err));
    QV_CHECK(qv__schema_new(m.fields, m.p->n_outputs, &schema->metadata, &m.p->schema, err));
    *out = m.p;
    m.p = NULL;
done:
    if (m.fields)
        for (size_t i = 0; i < most; i++)
            qv__field_clear(&m.fields[i]);
    qv__free(m.fields);
    qv__schema_unref(m.scope);
    qv__projection_free(m.p);
    return st;
}

void qv__projection_free(qv__projection *projection)
{
    if (!projection)
        return;
    for (size_t i = 0; projection->outputs && i < projection->n_outputs; i++) {
        qv__program_unref(projection->outputs[i].program);
        qv__free(projection->outputs[i].inputs);
    }
    qv__schema_unref(projection->schema);
    qv__free(projection->outputs);
    qv__free(projection->used);
    qv__free(projection);
}

/* ------------------------------------------------------------------ batches */

static qv_status compute(const qv__output *output, qv__array *const *arrays, size_t n, qv__array **out, qv_error *err)
{
    size_t n_columns = output->program->n_columns;
    qv__array **columns = NULL;

    QV_TRY(QV_NEW(&columns, QV_MAX(n_columns, 1), err));
    for (size_t i = 0; i < n_columns; i++)
        columns[i] = arrays[output->inputs[i]];
    qv_status st = qv__program_eval(output->program, columns, n, NULL, out, err);
    qv__free(columns);
    return st;
}

qv_status qv__projection_batch(const qv__projection *projection, qv__array *const *arrays, size_t n, qv__array **out,
                               qv_error *err)
{
    qv_status st = QV_OK;
    qv__array **columns = NULL;

    QV_CHECK(QV_NEW(&columns, QV_MAX(projection->n_outputs, 1), err));
    for (size_t o = 0; o < projection->n_outputs; o++) {
        const qv__output *output = &projection->outputs[o];
        if (output->program)
            QV_CHECK(compute(output, arrays, n, &columns[o], err));
        else
            columns[o] = qv__array_ref(arrays[output->source]);
    }
    QV_CHECK(qv__batch_new(projection->schema, columns, (int64_t) n, out, err));
done:
    if (columns)
        qv__unref_all(columns, projection->n_outputs);
    qv__free(columns);
    return st;
}

qv_status qv__projection_print(const qv__projection *projection, const qv__sources *sources, qv__buffer *out,
                               qv_error *err)
{
    for (size_t o = 0; o < projection->n_outputs; o++) {
        const qv__output *output = &projection->outputs[o];
        if (o > 0)
            QV_TRY(qv__buffer_append(out, ", ", 2, err));
        if (output->program)
            QV_TRY(qv__expr_print(output->program, output->program->root, out, err));
        else
            QV_TRY(qv__buffer_printf(out, err, "%s", sources->items[output->source].name));
        QV_TRY(qv__buffer_printf(out, err, " as %s", projection->schema->fields[o].name));
    }
    return QV_OK;
}
