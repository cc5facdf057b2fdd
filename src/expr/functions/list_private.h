/* What the files of the list functions share. */
#ifndef QV_EXPR_FUNCTIONS_LIST_PRIVATE_H
#define QV_EXPR_FUNCTIONS_LIST_PRIVATE_H

#include "expr/functions/functions_private.h"

/* The elements of argument `arg` in row i: [from, to) of `items`. */
typedef struct qv__items {
    const qv__array *items;
    int64_t from, to;
} qv__items;
static inline qv__items qv__arg_items(const qv__call *call, size_t arg, size_t i)
{
    const qv__array *a = call->args[arg];
    qv__items list = { a->children[0], 0, 0 };

    qv__array_list_range(a, qv__arg_row(call, arg, i), &list.from, &list.to);
    return list;
}
/* Equal, or both null. */
static inline bool qv__same_item(const qv__array *a, int64_t i, const qv__array *b, int64_t j)
{
    bool a_null = qv__array_is_null(a, i), b_null = qv__array_is_null(b, j);

    return a_null || b_null ? a_null && b_null : qv__value_compare(a, i, b, j) == 0;
}

/* list_bind.c: the letters of kinds.c, and: L list, E element; the elements of all Ls and the Es get one type. Results: L the list
 * (large when the first one is), E the element, U list of uint64. */
qv_status qv__bind_lists(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                         qv__type **result, qv_error *err);
/* Text elements at the same nesting. */
qv_status qv__bind_array_to_string(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                                   qv__type **result, qv_error *err);
qv_status qv__bind_flatten(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                           qv__type **result, qv_error *err);

/* list_order.c: places of a list's elements in the order of their values, nulls first; sorted.at is to be freed. */
typedef struct qv__sorted {
    qv__items list;
    int64_t *at;
    size_t n;
} qv__sorted;
qv_status qv__sort_items(qv__items list, qv__sorted *out, qv_error *err);
bool qv__sorted_has(const qv__sorted *sorted, const qv__array *array, int64_t i);

/* list_find.c: rows with a scalar result */
#define QV_DECLARE_ROW(name) qv_status qv__##name##_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err);
QV_DECLARE_ROW(array_has)
QV_DECLARE_ROW(array_has_any)
QV_DECLARE_ROW(array_has_all)
QV_DECLARE_ROW(array_length)
QV_DECLARE_ROW(cardinality)
QV_DECLARE_ROW(array_ndims)
QV_DECLARE_ROW(array_position)
QV_DECLARE_ROW(array_empty)
QV_DECLARE_ROW(array_sum)
QV_DECLARE_ROW(array_avg)
QV_DECLARE_ROW(array_product)
QV_DECLARE_ROW(array_to_string)

/* list_element.c: one element of each list */
qv_status qv__eval_array_element(const qv__call *call, qv__array **out, qv_error *err);
qv_status qv__eval_array_min(const qv__call *call, qv__array **out, qv_error *err);
qv_status qv__eval_array_max(const qv__call *call, qv__array **out, qv_error *err);
qv_status qv__eval_array_any_value(const qv__call *call, qv__array **out, qv_error *err);

/* list_pick.c: new lists of elements that are there already. A pool holds the elements of all L and E arguments; a picker adds
 * the places of a row's elements in it. */
typedef struct qv__picks {
    const qv__call *call;
    int64_t *base; /* of each argument in the pool */
    int64_t *places;
    size_t n, capacity;
    bool is_null; /* set by the picker: this row has no list */
} qv__picks;
typedef qv_status (*qv__picker)(const qv__call *call, size_t i, qv__picks *picks, qv_error *err);
typedef struct qv__list_detail {
    qv__picker pick;
} qv__list_detail;
qv_status qv__eval_picks(const qv__call *call, qv__array **out, qv_error *err);
qv_status qv__pick_place(qv__picks *picks, size_t arg, int64_t at, qv_error *err);
qv_status qv__pick_items(qv__picks *picks, size_t arg, qv__items list, qv_error *err);

/* list_cut.c, list_merge.c: pickers */
#define QV_DECLARE_PICKER(name) \
    qv_status qv__pick_##name(const qv__call *call, size_t i, qv__picks *picks, qv_error *err);
QV_DECLARE_PICKER(slice)
QV_DECLARE_PICKER(sort)
QV_DECLARE_PICKER(distinct)
QV_DECLARE_PICKER(reverse)
QV_DECLARE_PICKER(remove)
QV_DECLARE_PICKER(remove_all)
QV_DECLARE_PICKER(pop_back)
QV_DECLARE_PICKER(pop_front)
QV_DECLARE_PICKER(make)
QV_DECLARE_PICKER(append)
QV_DECLARE_PICKER(prepend)
QV_DECLARE_PICKER(concat)
QV_DECLARE_PICKER(repeat)
QV_DECLARE_PICKER(resize)
QV_DECLARE_PICKER(replace)
QV_DECLARE_PICKER(replace_all)
QV_DECLARE_PICKER(union)
QV_DECLARE_PICKER(intersect)
QV_DECLARE_PICKER(except)
QV_DECLARE_PICKER(flatten)

/* list_make.c */
qv_status qv__eval_range(const qv__call *call, qv__array **out, qv_error *err);
qv_status qv__eval_string_to_array(const qv__call *call, qv__array **out, qv_error *err);
qv_status qv__eval_array_positions(const qv__call *call, qv__array **out, qv_error *err);

#endif
