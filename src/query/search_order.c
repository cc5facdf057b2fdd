/* The hits of a search in another order than by distance: a sort of the k rows that were found. */
#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "query_private.h"

qv_status qv__search_sort_check(const qv_search_options *options, const qv__schema *schema, qv_error *err)
{
    for (size_t i = 0; i < options->n_order_by; i++)
        if (qv__schema_find(schema, options->order_by[i].column) < 0)
            return qv__fail(err, QV_INVALID, "Column %s not found among the columns that the search returns",
                            options->order_by[i].column);
    return QV_OK;
}

/* Positions of the rows of `batch` in the order of the keys. */
static qv_status sorted_positions(const qv_search_options *options, const qv__schema *schema, const qv__array *batch,
                                  qv__location **at, size_t *n, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n_keys = options->n_order_by, rows = (size_t) batch->length;
    qv__sort_key *keys = NULL;
    qv__array **columns = NULL;
    qv__location *places = NULL;
    qv__sorter *sorter = NULL;

    QV_CHECK(QV_NEW(&keys, n_keys, err));
    QV_CHECK(QV_NEW(&columns, n_keys, err));
    QV_CHECK(QV_NEW(&places, rows, err));
    for (size_t i = 0; i < n_keys; i++) {
        const qv_order *key = &options->order_by[i];
        keys[i] = (qv__sort_key){ key->descending, key->nulls_first };
        QV_CHECK(qv__order_values(batch->children[qv__schema_find(schema, key->column)], &columns[i], err));
    }
    for (size_t i = 0; i < rows; i++)
        places[i].row = i;
    QV_CHECK(qv__sorter_new(keys, n_keys, rows, &sorter, err));
    QV_CHECK(qv__sorter_add(sorter, columns, places, rows, err));
    QV_CHECK(qv__sorter_finish(sorter, at, n, err));
done:
    qv__sorter_free(sorter);
    if (columns)
        qv__unref_all(columns, n_keys);
    qv__free(columns);
    qv__free(places);
    qv__free(keys);
    return st;
}

qv_status qv__search_sort(const qv_search_options *options, const qv__schema *schema, qv__array **batch, qv_error *err)
{
    qv_status st = QV_OK;
    qv__location *at = NULL;
    int64_t *rows = NULL;
    qv__array *sorted = NULL;
    size_t n = 0;

    QV_CHECK(sorted_positions(options, schema, *batch, &at, &n, err));
    QV_CHECK(QV_NEW(&rows, QV_MAX(n, 1), err));
    for (size_t i = 0; i < n; i++)
        rows[i] = (int64_t) at[i].row;
    QV_CHECK(qv__array_take(*batch, rows, n, &sorted, err));
    qv__array_unref(*batch);
    *batch = sorted;
done:
    qv__free(rows);
    qv__free(at);
    return st;
}
