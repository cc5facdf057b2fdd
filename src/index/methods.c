/* The methods of indexing. A new one adds itself here. */
#include <strings.h>

#include "index/scalar/scalar.h"
#include "index/vector/vector.h"

/* Exact kinds first: of several indices on one column a condition takes the first that can answer it. */
static const qv__index_method *const kinds[] = { &qv__btree_kind, &qv__bitmap_kind, &qv__label_list_kind,
                                                 &qv__zonemap_kind, &qv__bloomfilter_kind, &qv__ngram_kind,
                                                 &qv__json_kind,
                                                 /* the first of one type_url is asked which it is */
                                                 &qv__vector_method, &qv__ivf_flat_method, &qv__ivf_sq_method,
                                                 &qv__ivf_pq_method, &qv__ivf_rq_method, &qv__ivf_hnsw_flat_method,
                                                 &qv__ivf_hnsw_sq_method, &qv__ivf_hnsw_pq_method };

const qv__index_method *qv__index_method_at(size_t i) { return i < QV_COUNT_OF(kinds) ? kinds[i] : NULL; }

const qv__index_method *qv__index_method_of(qv_index_kind kind)
{
    for (size_t i = 0; i < QV_COUNT_OF(kinds); i++)
        if (kinds[i]->kind == kind)
            return kinds[i];
    return NULL;
}

static const char *after_last_dot(const char *url)
{
    const char *dot = strrchr(url, '.');

    return dot ? dot + 1 : url;
}

const qv__index_method *qv__index_method_by_url(const char *type_url)
{
    for (size_t i = 0; type_url && i < QV_COUNT_OF(kinds); i++)
        if (strcasecmp(after_last_dot(type_url), after_last_dot(kinds[i]->type_url)) == 0)
            return kinds[i];
    return NULL;
}

void qv__answer_clear(qv__answer *answer)
{
    qv__row_set_clear(&answer->rows);
    qv__row_set_clear(&answer->nulls);
    *answer = (qv__answer){ 0 };
}
