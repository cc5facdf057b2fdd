/* Distinct values of any type: an open-addressing table of codes over references to the values where they lie. */
#include "arrow/compute/compute_private.h"

static qv_status rehash(qv__value_set *set, qv_error *err)
{
    size_t n_slots = set->n_slots ? set->n_slots * 2 : 64;
    uint32_t *slots = NULL;

    QV_TRY(QV_NEW(&slots, n_slots, err));
    for (size_t code = 0; code < set->n; code++) {
        size_t at = set->hashes[code] & (n_slots - 1);

        while (slots[at])
            at = (at + 1) & (n_slots - 1);
        slots[at] = (uint32_t) code + 1;
    }
    qv__free(set->slots);
    set->slots = slots;
    set->n_slots = n_slots;
    return QV_OK;
}

qv_status qv__value_set_add(qv__value_set *set, const qv__array *array, int64_t i, int64_t *code, qv_error *err)
{
    uint64_t hash = qv__value_hash(array, i);
    size_t at;

    if ((set->n + 1) * 2 > set->n_slots)
        QV_TRY(rehash(set, err));
    for (at = hash & (set->n_slots - 1); set->slots[at]; at = (at + 1) & (set->n_slots - 1)) {
        size_t found = set->slots[at] - 1;

        if (set->hashes[found] == hash && qv__range_equal(set->arrays[found], set->rows[found], array, i, 1, true)) {
            *code = (int64_t) found;
            return QV_OK;
        }
    }
    if (set->n >= UINT32_MAX - 1)
        return qv__fail(err, QV_INVALID, "more than 4294967294 distinct values in one dictionary");
    QV_TRY(QV_GROW(&set->arrays, &set->arrays_capacity, set->n + 1, err));
    QV_TRY(QV_GROW(&set->rows, &set->rows_capacity, set->n + 1, err));
    QV_TRY(QV_GROW(&set->hashes, &set->hashes_capacity, set->n + 1, err));
    set->arrays[set->n] = array;
    set->rows[set->n] = i;
    set->hashes[set->n] = hash;
    *code = (int64_t) set->n;
    set->slots[at] = (uint32_t) ++set->n;
    return QV_OK;
}

qv_status qv__value_set_values(const qv__value_set *set, const qv__type *type, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__part *parts = NULL;

    QV_CHECK(QV_NEW(&parts, set->n, err));
    for (size_t code = 0; code < set->n; code++)
        parts[code] = (qv__part){ set->arrays[code], set->rows[code], 1 };
    QV_CHECK(qv__gather(type, parts, set->n, out, err));
done:
    qv__free(parts);
    return st;
}

void qv__value_set_clear(qv__value_set *set)
{
    qv__free(set->arrays);
    qv__free(set->rows);
    qv__free(set->hashes);
    qv__free(set->slots);
    *set = (qv__value_set){ 0 };
}
