/* New values for fields that change their type. A field inside a struct is written as the struct cut down to it, so the other fields
 * of the struct stay in their old files. */
#include "arrow/compute/compute.h"
#include "change/columns_private.h"

/* Is there a cast in this field, or below? */
static bool has_cast(const qv__field *before, const qv__field_edits *edits)
{
    const qv__field_edit *edit = before->id >= 0 ? qv__edits_find(edits, before->id) : NULL;

    if (edit && edit->type)
        return true;
    for (size_t i = 0; before->type->id == QV_TYPE_STRUCT && i < before->type->n_children; i++)
        if (has_cast(&before->type->children[i], edits))
            return true;
    return false;
}

static bool is_cast(const qv__field *before, const qv__field_edits *edits)
{
    const qv__field_edit *edit = before->id >= 0 ? qv__edits_find(edits, before->id) : NULL;
    return edit && edit->type;
}

/* `after` and `before` have the same fields at the same places: casts drop none. */
static qv_status cut(const qv__field *after, const qv__field *before, const qv__field_edits *edits, qv__field *out,
                     qv_error *err)
{
    qv_status st = QV_OK;
    qv__field *children = NULL;
    qv__type *type = NULL;
    size_t n = 0;

    if (is_cast(before, edits))
        return qv__field_copy(out, after, err);
    QV_CHECK(QV_NEW(&children, QV_MAX(before->type->n_children, 1), err));
    for (size_t i = 0; i < before->type->n_children; i++)
        if (has_cast(&before->type->children[i], edits)) {
            QV_CHECK(cut(&after->type->children[i], &before->type->children[i], edits, &children[n], err));
            n++;
        }
    QV_CHECK(qv__type_new_struct(children, n, &type, err));
    QV_CHECK(qv__field_init(out, after->name, type, after->nullable, err));
    out->id = after->id;
    QV_CHECK(qv__metadata_copy(&out->metadata, &after->metadata, err));
done:
    for (size_t i = 0; children && i < n; i++)
        qv__field_clear(&children[i]);
    qv__free(children);
    qv__type_unref(type);
    return st;
}

qv_status qv__schema_casts(const qv__schema *schema, const qv__schema *before, const qv__field_edits *edits,
                           qv__schema **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field *fields = NULL;
    size_t n = 0;

    QV_CHECK(QV_NEW(&fields, QV_MAX(schema->n_fields, 1), err));
    for (size_t i = 0; i < schema->n_fields; i++)
        if (has_cast(&before->fields[i], edits)) {
            QV_CHECK(cut(&schema->fields[i], &before->fields[i], edits, &fields[n], err));
            n++;
        }
    QV_CHECK(qv__schema_new(fields, n, NULL, out, err));
done:
    for (size_t i = 0; fields && i < n; i++)
        qv__field_clear(&fields[i]);
    qv__free(fields);
    return st;
}

/* A struct of the type `after` (cut) over the children that have casts; offsets of `whole` are 0. */
static qv_status cut_struct(const qv__array *whole, const qv__field *before, const qv__field *after,
                            const qv__field_edits *edits, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *made = NULL;
    size_t n = 0;

    QV_TRY(qv__array_new(after->type, whole->length, after->type->n_children, &made, err));
    made->buffers[0] = qv__bytes_ref(whole->buffers[0]);
    made->null_count = whole->null_count;
    for (size_t i = 0; i < before->type->n_children; i++) {
        const qv__field *child = &before->type->children[i];
        if (!has_cast(child, edits))
            continue;
        QV_CHECK(qv__cast_column(whole->children[i], child, &after->type->children[n], edits, &made->children[n], err));
        n++;
    }
    *out = made;
    made = NULL;
done:
    qv__array_unref(made);
    return st;
}

qv_status qv__cast_column(const qv__array *whole, const qv__field *before, const qv__field *after,
                          const qv__field_edits *edits, qv__array **out, qv_error *err)
{
    qv__array *plain = NULL;

    if (is_cast(before, edits)) {
        qv_status st = qv__array_cast(whole, after->type, QV_CAST_SAFE, out, err);
        return st == QV_OK ? st : qv__fail_in(err, st, "column \"%.100s\"", before->name);
    }
    QV_TRY(qv__array_normalize(whole, &plain, err));
    qv_status st = cut_struct(plain, before, after, edits, out, err);
    qv__array_unref(plain);
    return st;
}
