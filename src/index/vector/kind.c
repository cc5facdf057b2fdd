/* The kinds of vector indices, and what a column's type means to them. */
#include <strings.h>

#include "index/vector/vector_private.h"

static const qv__vector_kind kinds[] = {
    { QV_INDEX_IVF_FLAT, "IVF_FLAT", QV_CODE_FLAT, false },
    { QV_INDEX_IVF_SQ, "IVF_SQ", QV_CODE_SQ, false },
    { QV_INDEX_IVF_PQ, "IVF_PQ", QV_CODE_PQ, false },
    { QV_INDEX_IVF_RQ, "IVF_RQ", QV_CODE_RQ, false },
    { QV_INDEX_IVF_HNSW_FLAT, "IVF_HNSW_FLAT", QV_CODE_FLAT, true },
    { QV_INDEX_IVF_HNSW_SQ, "IVF_HNSW_SQ", QV_CODE_SQ, true },
    { QV_INDEX_IVF_HNSW_PQ, "IVF_HNSW_PQ", QV_CODE_PQ, true },
};

const qv__vector_kind *qv__vector_kind_of(qv_index_kind kind)
{
    for (size_t i = 0; i < QV_COUNT_OF(kinds); i++)
        if (kinds[i].kind == kind)
            return &kinds[i];
    return NULL;
}

const qv__vector_kind *qv__vector_kind_made_of(qv__code_kind code, bool has_graph)
{
    for (size_t i = 0; i < QV_COUNT_OF(kinds); i++)
        if (kinds[i].code == code && kinds[i].has_graph == has_graph)
            return &kinds[i];
    return NULL;
}

const qv__vector_kind *qv__vector_kind_by_name(const char *name, size_t len)
{
    for (size_t i = 0; i < QV_COUNT_OF(kinds); i++)
        if (strlen(kinds[i].name) == len && memcmp(kinds[i].name, name, len) == 0)
            return &kinds[i];
    return NULL;
}

/* ------------------------------------------------------------------ metrics */

static const struct {
    qv_metric metric;
    const char *name;
} metrics[] = {
    { QV_METRIC_L2, "l2" }, { QV_METRIC_COSINE, "cosine" }, { QV_METRIC_DOT, "dot" }, { QV_METRIC_HAMMING, "hamming" }
};

const char *qv__vector_metric_name(qv_metric metric)
{
    for (size_t i = 0; i < QV_COUNT_OF(metrics); i++)
        if (metrics[i].metric == metric)
            return metrics[i].name;
    return NULL;
}

qv_metric qv__vector_metric_by_name(const char *name, size_t len)
{
    for (size_t i = 0; i < QV_COUNT_OF(metrics); i++)
        if (strlen(metrics[i].name) == len && strncasecmp(metrics[i].name, name, len) == 0)
            return metrics[i].metric;
    return QV_METRIC_AUTO;
}

/* ------------------------------------------------------------------ types of columns */

static bool is_bfloat16(const qv__field *field)
{
    static const char name[] = "lance.bfloat16";
    size_t len;
    const char *extension = qv__metadata_get(&field->metadata, "ARROW:extension:name", &len);

    return field->type->width == 2 && extension && len == sizeof name - 1 && memcmp(extension, name, len) == 0;
}

static bool element_of(const qv__field *item, qv__element *out)
{
    static const struct {
        qv__type_id id;
        qv__element element;
    } elements[] = { { QV_TYPE_FLOAT32, QV_EL_F32 },
                     { QV_TYPE_FLOAT16, QV_EL_F16 },
                     { QV_TYPE_FLOAT64, QV_EL_F64 },
                     { QV_TYPE_INT8, QV_EL_I8 },
                     { QV_TYPE_UINT8, QV_EL_U8 } };

    *out = QV_EL_BF16;
    if (item->type->id == QV_TYPE_FIXED_BINARY)
        return is_bfloat16(item);
    for (size_t i = 0; i < QV_COUNT_OF(elements); i++)
        if (elements[i].id == item->type->id) {
            *out = elements[i].element;
            return true;
        }
    return false;
}

bool qv__vector_type_of(const qv__type *type, qv__element *element, size_t *dim, bool *is_multi)
{
    *is_multi = type->id == QV_TYPE_LIST || type->id == QV_TYPE_LARGE_LIST;
    if (*is_multi)
        type = type->children[0].type;
    if (type->id != QV_TYPE_FIXED_LIST || type->width <= 0)
        return false;
    *dim = (size_t) type->width;
    return element_of(&type->children[0], element);
}
