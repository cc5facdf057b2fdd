/* Rows grouped by cell: a counting sort, so that each cell's rows are added up in the order of their numbers whatever thread does it. */
#include <string.h>

#include "base/alloc.h"
#include "kmeans_private.h"

qv_status qv__cells_init(qv__cells *cells, size_t n, size_t k, qv_error *err)
{
    *cells = (qv__cells){ .n = n, .k = k };
    QV_TRY(QV_NEW(&cells->lists, n, err));
    QV_TRY(QV_NEW(&cells->order, n, err));
    return QV_NEW(&cells->starts, k + 1, err);
}

void qv__cells_clear(qv__cells *cells)
{
    qv__free(cells->lists);
    qv__free(cells->order);
    qv__free(cells->starts);
    *cells = (qv__cells){ 0 };
}

void qv__cells_group(qv__cells *cells)
{
    uint32_t *starts = cells->starts, at = 0;

    memset(starts, 0, (cells->k + 1) * sizeof *starts);
    for (size_t i = 0; i < cells->n; i++)
        starts[cells->lists[i] + 1]++;
    for (size_t c = 0; c < cells->k; c++) { /* starts[c + 1]: where the next row of cell c goes */
        uint32_t size = starts[c + 1];
        starts[c + 1] = at;
        at += size;
    }
    for (size_t i = 0; i < cells->n; i++)
        cells->order[starts[cells->lists[i] + 1]++] = (uint32_t) i;
}
