/* List functions: the table. They take list, large_list and fixed_size_list; new lists are lists, or large ones where the first was.
 * Elements are the same when they are equal or both null. */
#include "expr/functions/list_private.h"

static qv_status replace_result(qv__type_id element, qv__type **result, qv_error *err)
{
    qv__type *type = NULL;

    qv__type_unref(*result);
    *result = NULL;
    QV_TRY(qv__type_new(element, &type, err));
    qv_status st = qv__list_type_of(QV_TYPE_LIST, type, result, err);
    qv__type_unref(type);
    return st;
}

static qv_status bind_pieces(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                             qv__type **result, qv_error *err)
{
    QV_TRY(qv__bind_kinds(self, args, n, wanted, result, err));
    return replace_result(QV_TYPE_UTF8, result, err);
}

static qv_status bind_range(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                            qv__type **result, qv_error *err)
{
    QV_TRY(qv__bind_kinds(self, args, n, wanted, result, err));
    return replace_result(QV_TYPE_INT64, result, err);
}

/* Sums are made of float64. */
static qv_status bind_sum(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                          qv__type **result, qv_error *err)
{
    qv__type *element = NULL;

    QV_TRY(qv__bind_lists(self, args, n, wanted, result, err));
    const qv__type *type = wanted[0] ? wanted[0] : args[0]->type, *now = type->children[0].type;
    if (now->id == QV_TYPE_FLOAT64)
        return QV_OK;
    if (!qv__is_number(now) && now->id != QV_TYPE_NULL)
        return qv__fail_argument(self, 0, type, "a list of numbers", err);
    QV_TRY(qv__type_new(QV_TYPE_FLOAT64, &element, err));
    qv__type_unref(wanted[0]);
    wanted[0] = NULL;
    qv_status st = qv__list_type_of(QV_TYPE_LARGE_LIST, element, &wanted[0], err);
    qv__type_unref(element);
    return st;
}

static const char *const make_array_names[] = { "make_list", NULL };
static const char *const array_has_names[] = { "list_has", "array_contains", "list_contains", NULL };
static const char *const array_has_any_names[] = { "list_has_any", "arrays_overlap", NULL };
static const char *const array_has_all_names[] = { "list_has_all", NULL };
static const char *const array_length_names[] = { "list_length", NULL };
static const char *const array_ndims_names[] = { "list_ndims", NULL };
static const char *const empty_names[] = { "array_empty", "list_empty", NULL };
static const char *const array_position_names[] = { "list_position", "array_indexof", "list_indexof", NULL };
static const char *const array_positions_names[] = { "list_positions", NULL };
static const char *const array_element_names[] = { "array_extract", "list_element", "list_extract", "element_at",
                                                   NULL };
static const char *const array_any_value_names[] = { "list_any_value", NULL };
static const char *const array_min_names[] = { "list_min", NULL };
static const char *const array_max_names[] = { "list_max", NULL };
static const char *const array_sum_names[] = { "list_sum", NULL };
static const char *const array_avg_names[] = { "list_avg", NULL };
static const char *const array_product_names[] = { "list_product", NULL };
static const char *const array_slice_names[] = { "list_slice", NULL };
static const char *const array_sort_names[] = { "list_sort", NULL };
static const char *const array_distinct_names[] = { "list_distinct", NULL };
static const char *const array_reverse_names[] = { "list_reverse", NULL };
static const char *const array_append_names[] = { "list_append", "array_push_back", "list_push_back", NULL };
static const char *const array_prepend_names[] = { "list_prepend", "array_push_front", "list_push_front", NULL };
static const char *const array_concat_names[] = { "array_cat", "list_concat", "list_cat", NULL };
static const char *const array_remove_names[] = { "list_remove", NULL };
static const char *const array_remove_all_names[] = { "list_remove_all", NULL };
static const char *const array_replace_names[] = { "list_replace", NULL };
static const char *const array_replace_all_names[] = { "list_replace_all", NULL };
static const char *const array_pop_back_names[] = { "list_pop_back", NULL };
static const char *const array_pop_front_names[] = { "list_pop_front", NULL };
static const char *const array_repeat_names[] = { "list_repeat", NULL };
static const char *const array_resize_names[] = { "list_resize", NULL };
static const char *const array_union_names[] = { "list_union", NULL };
static const char *const array_intersect_names[] = { "list_intersect", NULL };
static const char *const array_except_names[] = { "list_except", NULL };
static const char *const array_to_string_names[] = { "list_to_string", "array_join", "list_join", NULL };
static const char *const string_to_array_names[] = { "string_to_list", NULL };

static const qv__function functions[] = {
    {
        .name = "make_array",
        .aliases = make_array_names,
        .group = "list",
        .signature = "make_array(value, ...) -> list",
        .summary = "A list of the values; also written [1, 2, 3].",
        .max_args = SIZE_MAX,
        .bind = qv__bind_lists,
        .eval = qv__eval_picks,
        .kinds = "E*>L",
        .detail = &(const qv__list_detail){ qv__pick_make },
    },
    {
        .name = "array_has",
        .aliases = array_has_names,
        .group = "list",
        .signature = "array_has(list, element) -> bool",
        .summary = "Is the element in the list?",
        .min_args = 2,
        .max_args = 2,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_rows,
        .kinds = "LE>b",
        .row = qv__array_has_row,
    },
    {
        .name = "array_has_any",
        .aliases = array_has_any_names,
        .group = "list",
        .signature = "array_has_any(list, list) -> bool",
        .summary = "Have the lists an element in common?",
        .min_args = 2,
        .max_args = 2,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_rows,
        .kinds = "LL>b",
        .row = qv__array_has_any_row,
    },
    {
        .name = "array_has_all",
        .aliases = array_has_all_names,
        .group = "list",
        .signature = "array_has_all(list, list) -> bool",
        .summary = "Are all elements of the second list in the first?",
        .min_args = 2,
        .max_args = 2,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_rows,
        .kinds = "LL>b",
        .row = qv__array_has_all_row,
    },
    {
        .name = "array_length",
        .aliases = array_length_names,
        .group = "list",
        .signature = "array_length(list [, dimension]) -> uint64",
        .summary = "How many elements; of a deeper dimension: in the first list there.",
        .min_args = 1,
        .max_args = 2,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_rows,
        .kinds = "Li>u",
        .row = qv__array_length_row,
    },
    {
        .name = "cardinality",
        .group = "list",
        .signature = "cardinality(list) -> uint64",
        .summary = "How many elements, those of lists in lists counted one by one.",
        .min_args = 1,
        .max_args = 1,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_rows,
        .kinds = "L>u",
        .row = qv__cardinality_row,
    },
    {
        .name = "array_ndims",
        .aliases = array_ndims_names,
        .group = "list",
        .signature = "array_ndims(list) -> uint64",
        .summary = "How deep the lists are nested.",
        .min_args = 1,
        .max_args = 1,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_rows,
        .kinds = "L>u",
        .row = qv__array_ndims_row,
    },
    {
        .name = "empty",
        .aliases = empty_names,
        .group = "list",
        .signature = "empty(list) -> bool",
        .summary = "Has the list no elements?",
        .min_args = 1,
        .max_args = 1,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_rows,
        .kinds = "L>b",
        .row = qv__array_empty_row,
    },
    {
        .name = "array_position",
        .aliases = array_position_names,
        .group = "list",
        .signature = "array_position(list, element [, start]) -> uint64",
        .summary = "Where the element comes first, from 1; null when it does not.",
        .min_args = 2,
        .max_args = 3,
        .bind = qv__bind_lists,
        .eval = qv__eval_rows,
        .kinds = "LEi>u",
        .row = qv__array_position_row,
    },
    {
        .name = "array_positions",
        .aliases = array_positions_names,
        .group = "list",
        .signature = "array_positions(list, element) -> list of uint64",
        .summary = "All places of the element.",
        .min_args = 2,
        .max_args = 2,
        .bind = qv__bind_lists,
        .eval = qv__eval_array_positions,
        .kinds = "LE>U",
    },
    {
        .name = "array_element",
        .aliases = array_element_names,
        .group = "list",
        .signature = "array_element(list, n) -> element",
        .summary = "Element n, counted from 1, or from the end when n is negative; also written list[n].",
        .min_args = 2,
        .max_args = 2,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_array_element,
        .kinds = "Li>E",
    },
    {
        .name = "array_any_value",
        .aliases = array_any_value_names,
        .group = "list",
        .signature = "array_any_value(list) -> element",
        .summary = "The first element that is not null.",
        .min_args = 1,
        .max_args = 1,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_array_any_value,
        .kinds = "L>E",
    },
    {
        .name = "array_min",
        .aliases = array_min_names,
        .group = "list",
        .signature = "array_min(list) -> element",
        .summary = "The least element that is not null.",
        .min_args = 1,
        .max_args = 1,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_array_min,
        .kinds = "L>E",
    },
    {
        .name = "array_max",
        .aliases = array_max_names,
        .group = "list",
        .signature = "array_max(list) -> element",
        .summary = "The greatest element that is not null.",
        .min_args = 1,
        .max_args = 1,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_array_max,
        .kinds = "L>E",
    },
    {
        .name = "array_sum",
        .aliases = array_sum_names,
        .group = "list",
        .signature = "array_sum(list of numbers) -> float64",
        .summary = "The sum of the elements, nulls left out.",
        .min_args = 1,
        .max_args = 1,
        .strict = true,
        .bind = bind_sum,
        .eval = qv__eval_rows,
        .kinds = "L>d",
        .row = qv__array_sum_row,
    },
    {
        .name = "array_avg",
        .aliases = array_avg_names,
        .group = "list",
        .signature = "array_avg(list of numbers) -> float64",
        .summary = "The mean of the elements, nulls left out.",
        .min_args = 1,
        .max_args = 1,
        .strict = true,
        .bind = bind_sum,
        .eval = qv__eval_rows,
        .kinds = "L>d",
        .row = qv__array_avg_row,
    },
    {
        .name = "array_product",
        .aliases = array_product_names,
        .group = "list",
        .signature = "array_product(list of numbers) -> float64",
        .summary = "The product of the elements, nulls left out.",
        .min_args = 1,
        .max_args = 1,
        .strict = true,
        .bind = bind_sum,
        .eval = qv__eval_rows,
        .kinds = "L>d",
        .row = qv__array_product_row,
    },
    {
        .name = "array_slice",
        .aliases = array_slice_names,
        .group = "list",
        .signature = "array_slice(list, first, last [, step]) -> list",
        .summary = "The elements from first to last, both counted from 1 or, when negative, from the end; also written "
                   "list[2:4].",
        .min_args = 3,
        .max_args = 4,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_picks,
        .kinds = "Liii>L",
        .detail = &(const qv__list_detail){ qv__pick_slice },
    },
    {
        .name = "array_sort",
        .aliases = array_sort_names,
        .group = "list",
        .signature = "array_sort(list [, 'ASC' | 'DESC' [, 'NULLS FIRST' | 'NULLS LAST']]) -> list",
        .summary = "In order; nulls come first when nothing else is said.",
        .min_args = 1,
        .max_args = 3,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_picks,
        .kinds = "Ltt>L",
        .detail = &(const qv__list_detail){ qv__pick_sort },
    },
    {
        .name = "array_distinct",
        .aliases = array_distinct_names,
        .group = "list",
        .signature = "array_distinct(list) -> list",
        .summary = "Each value once, at its first place.",
        .min_args = 1,
        .max_args = 1,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_picks,
        .kinds = "L>L",
        .detail = &(const qv__list_detail){ qv__pick_distinct },
    },
    {
        .name = "array_reverse",
        .aliases = array_reverse_names,
        .group = "list",
        .signature = "array_reverse(list) -> list",
        .summary = "From last to first.",
        .min_args = 1,
        .max_args = 1,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_picks,
        .kinds = "L>L",
        .detail = &(const qv__list_detail){ qv__pick_reverse },
    },
    {
        .name = "array_append",
        .aliases = array_append_names,
        .group = "list",
        .signature = "array_append(list, element) -> list",
        .summary = "With the element at the end; a null list counts as empty.",
        .min_args = 2,
        .max_args = 2,
        .bind = qv__bind_lists,
        .eval = qv__eval_picks,
        .kinds = "LE>L",
        .detail = &(const qv__list_detail){ qv__pick_append },
    },
    {
        .name = "array_prepend",
        .aliases = array_prepend_names,
        .group = "list",
        .signature = "array_prepend(element, list) -> list",
        .summary = "With the element at the beginning; a null list counts as empty.",
        .min_args = 2,
        .max_args = 2,
        .bind = qv__bind_lists,
        .eval = qv__eval_picks,
        .kinds = "EL>L",
        .detail = &(const qv__list_detail){ qv__pick_prepend },
    },
    {
        .name = "array_concat",
        .aliases = array_concat_names,
        .group = "list",
        .signature = "array_concat(list, ...) -> list",
        .summary = "The lists one after the other; null ones count as empty.",
        .min_args = 1,
        .max_args = SIZE_MAX,
        .bind = qv__bind_lists,
        .eval = qv__eval_picks,
        .kinds = "L*>L",
        .detail = &(const qv__list_detail){ qv__pick_concat },
    },
    {
        .name = "array_remove",
        .aliases = array_remove_names,
        .group = "list",
        .signature = "array_remove(list, element) -> list",
        .summary = "Without the first such element.",
        .min_args = 2,
        .max_args = 2,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_picks,
        .kinds = "LE>L",
        .detail = &(const qv__list_detail){ qv__pick_remove },
    },
    {
        .name = "array_remove_all",
        .aliases = array_remove_all_names,
        .group = "list",
        .signature = "array_remove_all(list, element) -> list",
        .summary = "Without all such elements.",
        .min_args = 2,
        .max_args = 2,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_picks,
        .kinds = "LE>L",
        .detail = &(const qv__list_detail){ qv__pick_remove_all },
    },
    {
        .name = "array_replace",
        .aliases = array_replace_names,
        .group = "list",
        .signature = "array_replace(list, from, to) -> list",
        .summary = "With the first such element replaced.",
        .min_args = 3,
        .max_args = 3,
        .bind = qv__bind_lists,
        .eval = qv__eval_picks,
        .kinds = "LEE>L",
        .detail = &(const qv__list_detail){ qv__pick_replace },
    },
    {
        .name = "array_replace_all",
        .aliases = array_replace_all_names,
        .group = "list",
        .signature = "array_replace_all(list, from, to) -> list",
        .summary = "With all such elements replaced.",
        .min_args = 3,
        .max_args = 3,
        .bind = qv__bind_lists,
        .eval = qv__eval_picks,
        .kinds = "LEE>L",
        .detail = &(const qv__list_detail){ qv__pick_replace_all },
    },
    {
        .name = "array_pop_back",
        .aliases = array_pop_back_names,
        .group = "list",
        .signature = "array_pop_back(list) -> list",
        .summary = "Without the last element.",
        .min_args = 1,
        .max_args = 1,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_picks,
        .kinds = "L>L",
        .detail = &(const qv__list_detail){ qv__pick_pop_back },
    },
    {
        .name = "array_pop_front",
        .aliases = array_pop_front_names,
        .group = "list",
        .signature = "array_pop_front(list) -> list",
        .summary = "Without the first element.",
        .min_args = 1,
        .max_args = 1,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_picks,
        .kinds = "L>L",
        .detail = &(const qv__list_detail){ qv__pick_pop_front },
    },
    {
        .name = "array_repeat",
        .aliases = array_repeat_names,
        .group = "list",
        .signature = "array_repeat(element, n) -> list",
        .summary = "n times the element.",
        .min_args = 2,
        .max_args = 2,
        .bind = qv__bind_lists,
        .eval = qv__eval_picks,
        .kinds = "Ei>L",
        .detail = &(const qv__list_detail){ qv__pick_repeat },
    },
    {
        .name = "array_resize",
        .aliases = array_resize_names,
        .group = "list",
        .signature = "array_resize(list, n, fill) -> list",
        .summary = "Cut to n elements, or filled up to n.",
        .min_args = 3,
        .max_args = 3,
        .bind = qv__bind_lists,
        .eval = qv__eval_picks,
        .kinds = "LiE>L",
        .detail = &(const qv__list_detail){ qv__pick_resize },
    },
    {
        .name = "array_union",
        .aliases = array_union_names,
        .group = "list",
        .signature = "array_union(list, list) -> list",
        .summary = "The values of both lists, each once.",
        .min_args = 2,
        .max_args = 2,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_picks,
        .kinds = "LL>L",
        .detail = &(const qv__list_detail){ qv__pick_union },
    },
    {
        .name = "array_intersect",
        .aliases = array_intersect_names,
        .group = "list",
        .signature = "array_intersect(list, list) -> list",
        .summary = "The values that are in both lists, each once.",
        .min_args = 2,
        .max_args = 2,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_picks,
        .kinds = "LL>L",
        .detail = &(const qv__list_detail){ qv__pick_intersect },
    },
    {
        .name = "array_except",
        .aliases = array_except_names,
        .group = "list",
        .signature = "array_except(list, list) -> list",
        .summary = "The values of the first list that are not in the second, each once.",
        .min_args = 2,
        .max_args = 2,
        .strict = true,
        .bind = qv__bind_lists,
        .eval = qv__eval_picks,
        .kinds = "LL>L",
        .detail = &(const qv__list_detail){ qv__pick_except },
    },
    {
        .name = "array_to_string",
        .aliases = array_to_string_names,
        .group = "list",
        .signature = "array_to_string(list, separator [, null text]) -> utf8",
        .summary =
            "The elements' texts with the separator between them; nulls are left out, or shown as the third argument.",
        .min_args = 2,
        .max_args = 3,
        .bind = qv__bind_array_to_string,
        .eval = qv__eval_rows,
        .kinds = "ltt>t",
        .row = qv__array_to_string_row,
    },
    {
        .name = "string_to_array",
        .aliases = string_to_array_names,
        .group = "list",
        .signature = "string_to_array(text, separator [, null text]) -> list of utf8",
        .summary = "The pieces between separators; a null separator splits between all characters.",
        .min_args = 2,
        .max_args = 3,
        .bind = bind_pieces,
        .eval = qv__eval_string_to_array,
        .kinds = "ttt>S",
    },
    {
        .name = "flatten",
        .group = "list",
        .signature = "flatten(list of lists) -> list",
        .summary = "The elements of all the lists inside; one level of nesting goes.",
        .min_args = 1,
        .max_args = 1,
        .strict = true,
        .bind = qv__bind_flatten,
        .eval = qv__eval_picks,
        .kinds = "F>L",
        .detail = &(const qv__list_detail){ qv__pick_flatten },
    },
    {
        .name = "range",
        .group = "list",
        .signature = "range([start, ] stop [, step]) -> list of int64",
        .summary = "The integers from start (0) on that lie before stop.",
        .min_args = 1,
        .max_args = 3,
        .strict = true,
        .bind = bind_range,
        .eval = qv__eval_range,
        .kinds = "iii>R",
    },
    {
        .name = "generate_series",
        .group = "list",
        .signature = "generate_series([start, ] stop [, step]) -> list of int64",
        .summary = "The integers from start (0) on up to stop, stop too.",
        .min_args = 1,
        .max_args = 3,
        .strict = true,
        .bind = bind_range,
        .eval = qv__eval_range,
        .kinds = "iii>R",
        .detail = "with its end",
    },
};

const qv__function_group qv__list_functions = { functions, QV_COUNT_OF(functions) };
