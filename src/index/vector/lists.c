/* An opened segment: what it was trained with is read and checked at once, a list when it is first asked for. Lists that lie bare in the
 * file are pointers into it; others are decoded once and kept. */
#include <inttypes.h>
#include <math.h>

#include "index/vector/segment.h"

/* ------------------------------------------------------------------ closing */

static void kept_list_free(qv__kept_list *kept)
{
    if (!kept)
        return;
    for (size_t i = 0; i < QV_COUNT_OF(kept->arrays); i++)
        qv__array_unref(kept->arrays[i]);
    for (size_t i = 0; i < QV_COUNT_OF(kept->own); i++)
        qv__free(kept->own[i]);
    qv__free(kept);
}

void qv__vector_segment_close(qv__segment *segment)
{
    qv__vector_segment *s = (qv__vector_segment *) segment;

    if (!s)
        return;
    qv__graphs_close(s);
    for (size_t i = 0; s->lists && i < s->model->n_lists; i++)
        kept_list_free(atomic_load_explicit(&s->lists[i], memory_order_relaxed));
    qv__free(s->lists);
    qv__column_free(s->ids);
    for (size_t i = 0; i < QV_COUNT_OF(s->columns); i++)
        qv__column_free(s->columns[i]);
    qv__free(s->offsets);
    qv__free(s->lengths);
    qv__vector_model_unref(s->model);
    qv__file_unref(s->index);
    qv__file_unref(s->codes);
    qv__free(s);
}

/* ------------------------------------------------------------------ what the files say */

/* Everything that the model will be made of; owned until then. */
typedef struct opening {
    qv__vector_segment *segment;
    qv__vector_model parts;
    qv__ivf_message index_ivf, codes_ivf;
} opening;

static qv_status read_kind(opening *o, qv_error *err)
{
    qv__metadata_value value;
    const char *type = "", *metric = "";
    size_t type_len = 0, metric_len = 0;

    QV_TRY(qv__metadata_of_file(o->segment->index, "lance:index", &value, err));
    qv__metadata_text(&value.root, "type", &type, &type_len);
    qv__metadata_text(&value.root, "distance_type", &metric, &metric_len);
    o->parts.kind = qv__vector_kind_by_name(type, type_len);
    o->parts.metric = qv__vector_metric_by_name(metric, metric_len);
    qv_status st = QV_OK;
    if (!o->parts.kind)
        st = qv__fail(err, QV_UNSUPPORTED, "vector index of type \"%.*s\"", (int) QV_MIN(type_len, 40), type);
    else if (o->parts.metric == QV_METRIC_AUTO)
        st = qv__fail(err, QV_UNSUPPORTED, "vector index with distance \"%.*s\"", (int) QV_MIN(metric_len, 40), metric);
    qv__metadata_value_clear(&value);
    return st;
}

static qv_status check_codes_metric(const opening *o, qv_error *err)
{
    size_t len;
    const char *name = qv__metadata_get(&qv__file_schema(o->segment->codes)->metadata, "distance_type", &len);

    if (name && qv__vector_metric_by_name(name, len) != o->parts.metric)
        return qv__fail(err, QV_CORRUPT, "index.idx has distance \"%s\", auxiliary.idx \"%.40s\"",
                        qv__vector_metric_name(o->parts.metric), name);
    return QV_OK;
}

/* Without the column at hand its element type is that of FLAT codes, or of the centroids. */
static qv_status guess_element(opening *o, qv_error *err)
{
    const qv__schema *schema = qv__file_schema(o->segment->codes);
    ptrdiff_t at = qv__schema_find(schema, "flat");
    bool is_multi;
    size_t dim;

    o->parts.element = o->index_ivf.centroids.element;
    if (at >= 0 && !qv__vector_type_of(schema->fields[at].type, &o->parts.element, &dim, &is_multi))
        return qv__fail(err, QV_CORRUPT, "auxiliary.idx: column \"flat\" holds no vectors");
    return QV_OK;
}

static qv_status read_shape(opening *o, const qv__type *type, qv_error *err)
{
    qv__vector_model *p = &o->parts;
    const qv__tensor *centroids = &o->index_ivf.centroids;
    char text[100];

    if (!centroids->data)
        return qv__fail(err, QV_CORRUPT, "index.idx has no centroids");
    p->n_lists = centroids->rows;
    p->dim = centroids->columns;
    if (o->codes_ivf.n_lists != p->n_lists || o->index_ivf.n_lists != p->n_lists)
        return qv__fail(err, QV_CORRUPT, "%zu centroids of %zu lists in index.idx and %zu in auxiliary.idx", p->n_lists,
                        o->index_ivf.n_lists, o->codes_ivf.n_lists);
    if (!type)
        QV_TRY(guess_element(o, err));
    else if (!qv__vector_type_of(type, &p->element, &p->dim, &p->is_multi))
        return qv__fail(err, QV_UNSUPPORTED, "a vector index over %s", qv__type_print(type, text, sizeof text));
    bool is_hamming = p->metric == QV_METRIC_HAMMING;
    if (p->dim != centroids->columns || is_hamming != (centroids->element == QV_EL_U8) ||
        (is_hamming && p->element != QV_EL_U8))
        return qv__fail(err, QV_CORRUPT, "centroids of %zu dimensions do not fit vectors of %zu", centroids->columns,
                        p->dim);
    if (is_hamming) {
        p->element = QV_EL_BITS;
        p->dim *= 8;
    }
    return QV_OK;
}

static qv_status take_centroids(opening *o, qv_error *err)
{
    const qv__tensor *centroids = &o->index_ivf.centroids;

    if (o->parts.element != QV_EL_BITS)
        return qv__tensor_floats(centroids, &o->parts.centroids, err);
    size_t bytes = centroids->rows * centroids->columns;
    o->parts.bit_centroids = qv__memdup(centroids->data, bytes);
    return o->parts.bit_centroids ? QV_OK : qv__fail_nomem(err, bytes);
}

/* [[recall, probes, refine, ef], ...]; what does not look so was not measured. */
/* The first n members, from 0 to INT32_MAX; false: they are no such numbers. */
static bool read_numbers(const qv__jsonb_value *list, double *out, size_t n)
{
    qv__jsonb_children numbers;
    qv__jsonb_value number;
    bool is_good = qv__jsonb_children_of(list, &numbers);

    for (size_t i = 0; i < n && is_good; i++)
        is_good = qv__jsonb_next(&numbers, &number) && qv__metadata_double(&number, &out[i]) && out[i] >= 0 &&
                  out[i] <= INT32_MAX;
    return is_good;
}

static void read_added(const qv__file *file, qv__vector_tuning *out)
{
    qv__metadata_value value;
    double v[2];

    if (qv__metadata_of_file(file, QV_ADDED_KEY, &value, NULL) != QV_OK)
        return;
    if (read_numbers(&value.root, v, QV_COUNT_OF(v))) {
        out->added_rows = (uint32_t) v[0];
        out->added = (float) v[1];
    }
    qv__metadata_value_clear(&value);
}

static void read_tuning(const qv__file *file, qv__vector_tuning *out)
{
    qv__metadata_value value;
    qv__jsonb_children steps;
    qv__jsonb_value step;
    double v[4];

    *out = (qv__vector_tuning){ 0 };
    if (qv__metadata_of_file(file, QV_TUNING_KEY, &value, NULL) != QV_OK)
        return;
    bool is_good = qv__jsonb_children_of(&value.root, &steps);
    while (is_good && out->n < QV_COUNT_OF(out->steps) && qv__jsonb_next(&steps, &step)) {
        is_good = read_numbers(&step, v, QV_COUNT_OF(v));
        if (!is_good)
            break;
        out->steps[out->n].recall = (float) v[0];
        out->steps[out->n].probes = (uint32_t) v[1];
        out->steps[out->n].refine = (uint32_t) v[2];
        out->steps[out->n++].ef = (uint32_t) v[3];
    }
    if (!is_good)
        out->n = 0;
    qv__metadata_value_clear(&value);
}

static qv_status make_model(opening *o, qv_error *err)
{
    qv__vector_segment *s = o->segment;
    qv__vector_model *p = &o->parts;
    qv__code_storage storage;

    QV_TRY(take_centroids(o, err));
    QV_TRY(qv__code_storage_read(s->codes, p->kind->code, p->metric, p->element, p->dim, &storage, err));
    p->quantizer = storage.quantizer;
    s->is_plain = storage.is_plain;
    p->loss = o->index_ivf.loss;
    read_tuning(s->index, &p->tuning);
    read_added(s->index, &p->tuning);
    qv__vector_model parts = *p;
    *p = (qv__vector_model){ 0 }; /* taken */
    return qv__vector_model_new(&parts, &s->model, err);
}

/* ------------------------------------------------------------------ columns */

/* Is this how `column` is stored? FLAT codes have the element type of the vectors. */
static bool fits(const qv__vector_model *model, const qv__code_column *column, const qv__type *type)
{
    qv__element element;
    bool is_multi;
    size_t dim;

    if (column->is_f32)
        return type->id == QV_TYPE_FLOAT32;
    if (!qv__vector_type_of(type, &element, &dim, &is_multi) || is_multi)
        return false;
    if (model->kind->code != QV_CODE_FLAT || model->element == QV_EL_BITS)
        return element == QV_EL_U8 && dim == column->width;
    return element == model->element && dim == model->dim;
}

static qv_status open_columns(qv__vector_segment *s, qv_error *err)
{
    const qv__quantizer *q = s->model->quantizer;
    const qv__schema *schema = qv__file_schema(s->codes);
    char text[100];

    QV_TRY(qv__index_column_open(s->codes, "_rowid", NULL, &s->ids, err));
    const qv__type *type = schema->fields[qv__schema_find(schema, "_rowid")].type;
    if (type->id != QV_TYPE_UINT64)
        return qv__fail(err, QV_CORRUPT, "auxiliary.idx: row ids of type %s", qv__type_print(type, text, sizeof text));
    for (size_t i = 0; i < q->n_columns; i++) {
        QV_TRY(qv__index_column_open(s->codes, q->columns[i].name, NULL, &s->columns[i], err));
        type = schema->fields[qv__schema_find(schema, q->columns[i].name)].type;
        if (!fits(s->model, &q->columns[i], type))
            return qv__fail(err, QV_CORRUPT, "auxiliary.idx: column \"%s\" of type %s does not fit its codes",
                            q->columns[i].name, qv__type_print(type, text, sizeof text));
    }
    return QV_OK;
}

static qv_status take_lists(qv__vector_segment *s, const qv__ivf_message *ivf, qv_error *err)
{
    QV_TRY(QV_NEW(&s->offsets, ivf->n_lists, err));
    QV_TRY(QV_NEW(&s->lengths, ivf->n_lists, err));
    QV_TRY(QV_NEW(&s->lists, ivf->n_lists, err));
    for (size_t i = 0; i < ivf->n_lists; i++) {
        s->offsets[i] = ivf->offsets[i];
        s->lengths[i] = ivf->lengths[i];
        s->rows += ivf->lengths[i];
    }
    return QV_OK;
}

static qv_status read_all(opening *o, qv__store *folder, const qv__index_entry *entry, const qv__type *type,
                          qv_error *err)
{
    qv__vector_segment *s = o->segment;

    QV_TRY(qv__file_open(folder, "index.idx", &s->index, err));
    QV_TRY(read_kind(o, err));
    QV_TRY(qv__file_open(folder, "auxiliary.idx", &s->codes, err));
    QV_TRY(check_codes_metric(o, err));
    QV_TRY(qv__ivf_message_read(s->index, &o->index_ivf, err));
    QV_TRY(qv__ivf_message_read(s->codes, &o->codes_ivf, err));
    QV_TRY(read_shape(o, type, err));
    if (entry)
        o->parts.target_partition_size = qv__vector_details_target(entry->details.data, entry->details.len);
    QV_TRY(make_model(o, err));
    QV_TRY(take_lists(s, &o->codes_ivf, err));
    QV_TRY(open_columns(s, err));
    return s->model->kind->has_graph ? qv__graphs_open(s, &o->index_ivf, err) : QV_OK;
}

qv_status qv__vector_segment_open(qv__store *folder, const qv__index_entry *entry, const qv__type *type,
                                  qv__segment **out, qv_error *err)
{
    opening o = { 0 };

    QV_TRY(QV_NEW(&o.segment, 1, err));
    qv_status st = read_all(&o, folder, entry, type, err);
    qv__free(o.parts.centroids);
    qv__free(o.parts.bit_centroids);
    qv__ivf_message_clear(&o.index_ivf);
    qv__ivf_message_clear(&o.codes_ivf);
    if (st != QV_OK) {
        qv__vector_segment_close(&o.segment->segment);
        return st;
    }
    o.segment->segment.kind = qv__index_method_of(o.segment->model->kind->kind);
    *out = &o.segment->segment;
    return QV_OK;
}

qv__vector_model *qv__vector_segment_model(const qv__vector_segment *segment) { return segment->model; }
uint64_t qv__vector_segment_rows(const qv__vector_segment *segment) { return segment->rows; }

size_t qv__vector_segment_list_rows(const qv__vector_segment *segment, size_t list) { return segment->lengths[list]; }

/* ------------------------------------------------------------------ lists */

/* The values of rows of a column, as they lie: no nulls anywhere. */
static qv_status read_values(qv__vector_segment *s, size_t list, qv__column *column, const char *name, qv__array **keep,
                             const uint8_t **out, qv_error *err)
{
    QV_TRY(qv__column_read(column, s->offsets[list], s->lengths[list], keep, err));
    const qv__array *array = *keep;
    int64_t at = array->offset, nulls = array->null_count;
    if (array->type->id == QV_TYPE_FIXED_LIST) {
        at *= array->type->width;
        array = array->children[0];
        at += array->offset;
        nulls += array->null_count;
    }
    if (nulls)
        return qv__fail(err, QV_CORRUPT, "auxiliary.idx: column \"%s\" has nulls in list %zu", name, list);
    size_t bits =
        array->type->id == QV_TYPE_FIXED_BINARY ? 8 * (size_t) array->type->width : (size_t) qv__type_bits(array->type);
    *out = array->buffers[1].data + (size_t) at * (bits / 8);
    return QV_OK;
}

/* Codes that lie row after row are laid as scans want them. */
static qv_status arrange(const qv__quantizer *q, qv__kept_list *kept, qv_error *err)
{
    for (size_t i = 0; i < q->n_columns; i++)
        QV_TRY(qv__new((void **) &kept->own[i], kept->list.n, q->columns[i].width, err));
    q->class->arrange(q, kept->list.columns, kept->list.n, kept->own);
    for (size_t i = 0; i < q->n_columns; i++)
        kept->list.columns[i] = kept->own[i];
    return QV_OK;
}

static qv_status read_list(qv__vector_segment *s, size_t list, qv__kept_list *kept, qv_error *err)
{
    const qv__quantizer *q = s->model->quantizer;
    const uint8_t *ids;

    kept->list.n = s->lengths[list];
    if (!kept->list.n)
        return QV_OK;
    QV_TRY(read_values(s, list, s->ids, "_rowid", &kept->arrays[0], &ids, err));
    kept->list.ids = (const uint64_t *) (const void *) ids;
    for (size_t i = 0; i < q->n_columns; i++)
        QV_TRY(
            read_values(s, list, s->columns[i], q->columns[i].name, &kept->arrays[1 + i], &kept->list.columns[i], err));
    return s->is_plain ? arrange(q, kept, err) : QV_OK;
}

qv_status qv__vector_segment_list(qv__vector_segment *segment, size_t list, qv__code_list *out, qv_error *err)
{
    qv__kept_list *kept = atomic_load_explicit(&segment->lists[list], memory_order_acquire), *made;

    if (!kept) {
        QV_TRY(QV_NEW(&made, 1, err));
        qv_status st = read_list(segment, list, made, err);
        if (st != QV_OK) {
            kept_list_free(made);
            return st;
        }
        if (atomic_compare_exchange_strong_explicit(&segment->lists[list], &kept, made, memory_order_acq_rel,
                                                    memory_order_acquire))
            kept = made;
        else
            kept_list_free(made); /* another thread was faster */
    }
    *out = kept->list;
    return QV_OK;
}
