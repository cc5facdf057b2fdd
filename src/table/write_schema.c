/* The schemas of data files: what becomes of a shown field when it is stored, and which ids are free. */
#include <inttypes.h>

#include "table/table_private.h"

#define MAX_DEPTH 64

#define BLOB_MARK      "lance-encoding:blob"
#define EXTENSION_NAME "ARROW:extension:name"
#define BLOB_V2        "lance.blob.v2"

static bool is_old_blob(const qv__field *field)
{
    return qv__field_is_blob(field) && qv__metadata_get(&field->metadata, BLOB_MARK, NULL);
}

/* In files of 2.2 the mark that makes a column a blob is an extension type, no longer an encoding. */
static qv_status copy_metadata(const qv__field *from, qv__file_version version, qv__metadata *out, qv_error *err)
{
    bool renew = version.minor >= 2 && is_old_blob(from);

    for (size_t i = 0; i < from->metadata.n; i++) {
        const struct qv__metadata_pair *pair = &from->metadata.pairs[i];
        if (!renew || strcmp(pair->key, BLOB_MARK) != 0)
            QV_TRY(qv__metadata_set(out, pair->key, pair->value, pair->value_len, err));
    }
    return renew ? qv__metadata_set(out, EXTENSION_NAME, BLOB_V2, sizeof BLOB_V2 - 1, err) : QV_OK;
}

/* A copy in which no field has an id, at any level. */
static qv_status copy_without_ids(const qv__field *from, qv__file_version version, unsigned depth, qv__field *out,
                                  qv_error *err)
{
    qv_status st = QV_OK;
    qv__field field = { 0 };
    qv__type *type = NULL;

    if (depth > MAX_DEPTH)
        return qv__fail(err, QV_UNSUPPORTED, "columns nested deeper than %d", MAX_DEPTH);
    if (from->type->n_children) {
        QV_CHECK(qv__type_new(from->type->id, &type, err));
        type->width = from->type->width;
        type->ordered = from->type->ordered;
        type->index_type = from->type->index_type ? qv__type_ref(from->type->index_type) : NULL;
        QV_CHECK(QV_NEW(&type->children, from->type->n_children, err));
        for (size_t i = 0; i < from->type->n_children; i++, type->n_children++)
            QV_CHECK(copy_without_ids(&from->type->children[i], version, depth + 1, &type->children[i], err));
    } else {
        type = qv__type_ref(from->type);
    }
    QV_CHECK(qv__field_init(&field, from->name, type, from->nullable, err));
    QV_CHECK(copy_metadata(from, version, &field.metadata, err));
    field.id = -1;
    *out = field;
    field = (qv__field){ 0 };
done:
    qv__field_clear(&field);
    qv__type_unref(type);
    return st;
}

qv_status qv__schema_for_files(const qv__schema *shown, qv__file_version version, int32_t first_id, qv__schema **out,
                               qv_error *err)
{
    qv_status st = QV_OK;
    qv__schema *plain = NULL, *stored = NULL;
    qv__field *fields = NULL;
    size_t n = 0;

    QV_CHECK(QV_NEW(&fields, shown->n_fields, err));
    for (; n < shown->n_fields; n++)
        QV_CHECK(copy_without_ids(&shown->fields[n], version, 1, &fields[n], err));
    QV_CHECK(qv__schema_new(fields, n, &shown->metadata, &plain, err));
    QV_CHECK(qv__schema_to_stored(plain, &stored, err));
    QV_CHECK(qv__schema_assign_ids(stored, &first_id, err));
    *out = stored;
    stored = NULL;
done:
    for (size_t i = 0; i < n; i++)
        qv__field_clear(&fields[i]);
    qv__free(fields);
    qv__schema_unref(plain);
    qv__schema_unref(stored);
    return st;
}

qv_status qv__field_for_files(const qv__field *shown, qv__file_version version, qv__field *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field plain = { 0 };

    QV_CHECK(copy_without_ids(shown, version, 1, &plain, err));
    QV_CHECK(qv__field_to_stored(&plain, out, err));
done:
    qv__field_clear(&plain);
    return st;
}

qv_status qv__check_blob_form(const qv__field *stored, qv__file_version version, qv_error *err)
{
    if (version.minor >= 2 && is_old_blob(stored))
        return qv__fail(err, QV_UNSUPPORTED,
                        "column \"%.100s\" is a blob of the first form, files of 2.2 hold the second", stored->name);
    return QV_OK;
}

const qv__schema *qv__snapshot_stored_schema(const qv__snapshot *snapshot) { return snapshot->stored; }

qv_status qv__snapshot_next_field_id(qv__snapshot *snapshot, int32_t *out, qv_error *err)
{
    const Lance__Table__Manifest *head = snapshot->manifest->head;
    int32_t highest = head->has_max_allocated_field_id ? head->max_allocated_field_id : -1;

    for (size_t i = 0; i < head->n_fields; i++) /* blob columns have parts that the schema does not show */
        highest = QV_MAX(highest, head->fields[i]->id);
    for (size_t i = 0; i < snapshot->n_fragments; i++) {
        const qv__fragment *f = &snapshot->fragments[i];
        for (size_t j = 0; j < f->n_files; j++)
            for (size_t k = 0; k < f->files[j].n_fields; k++)
                highest = QV_MAX(highest, f->files[j].field_ids[k]);
    }
    if (highest == INT32_MAX)
        return qv__fail(err, QV_LIMIT, "the table has no field ids left");
    *out = highest + 1;
    return QV_OK;
}
