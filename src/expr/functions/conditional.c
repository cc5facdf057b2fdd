/* Choosing between values. Every function first decides for each row which argument it is; one pass then gathers them. */
#include "expr/functions/functions_private.h"

enum { NOTHING = -1 };

/* Fills choices[i] (an argument's number, or NOTHING) for a row that is wanted. */
typedef void (*chooser)(const qv__call *call, size_t i, int *choice);

/* The arguments from `first` on, all of the result's type, become one array: their rows' places in it are the indices. */
static qv_status gather(const qv__call *call, size_t first, const int *choices, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *all = NULL;
    int64_t *indices = NULL, *base = NULL;

    QV_CHECK(QV_NEW(&base, call->n_args + 1, err));
    QV_CHECK(QV_NEW(&indices, call->n + 1, err));
    QV_CHECK(qv__array_concat(call->args + first, call->n_args - first, call->node->type, &all, err));
    for (size_t a = first; a < call->n_args; a++)
        base[a + 1] = base[a] + call->args[a]->length;
    for (size_t i = 0; i < call->n; i++)
        indices[i] = choices[i] == NOTHING ? -1 : base[choices[i]] + qv__arg_row(call, (size_t) choices[i], i);
    st = qv__array_take(all, indices, call->n, out, err);
done:
    qv__array_unref(all);
    qv__free(indices);
    qv__free(base);
    return st;
}

static qv_status choose(const qv__call *call, size_t first, chooser pick, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    int *choices = NULL;

    QV_TRY(QV_NEW(&choices, call->n + 1, err));
    for (size_t i = 0; i < call->n; i++) {
        choices[i] = NOTHING;
        if (!call->live || qv__bit_get(call->live, i))
            pick(call, i, &choices[i]);
    }
    st = gather(call, first, choices, out, err);
    qv__free(choices);
    return st;
}

static void pick_first(const qv__call *call, size_t i, int *choice)
{
    for (size_t a = 0; a < call->n_args && *choice == NOTHING; a++)
        if (!qv__arg_is_null(call, a, i))
            *choice = (int) a;
}

static void pick_nvl2(const qv__call *call, size_t i, int *choice) { *choice = qv__arg_is_null(call, 0, i) ? 2 : 1; }

static void pick_nullif(const qv__call *call, size_t i, int *choice)
{
    bool equal = !qv__arg_is_null(call, 0, i) && !qv__arg_is_null(call, 1, i) &&
                 qv__value_compare(call->args[0], qv__arg_row(call, 0, i), call->args[1], qv__arg_row(call, 1, i)) == 0;

    *choice = equal ? NOTHING : 0;
}

static void pick_extreme(const qv__call *call, size_t i, int sign, int *choice)
{
    for (size_t a = 0; a < call->n_args; a++) {
        if (qv__arg_is_null(call, a, i))
            continue;
        if (*choice == NOTHING || sign * qv__value_compare(call->args[a], qv__arg_row(call, a, i), call->args[*choice],
                                                           qv__arg_row(call, (size_t) *choice, i)) >
                                      0)
            *choice = (int) a;
    }
}

static void pick_greatest(const qv__call *call, size_t i, int *choice) { pick_extreme(call, i, 1, choice); }
static void pick_least(const qv__call *call, size_t i, int *choice) { pick_extreme(call, i, -1, choice); }

static qv_status eval_coalesce(const qv__call *call, qv__array **out, qv_error *err)
{
    return choose(call, 0, pick_first, out, err);
}

static qv_status eval_nvl2(const qv__call *call, qv__array **out, qv_error *err)
{
    return choose(call, 1, pick_nvl2, out, err);
}

static qv_status eval_nullif(const qv__call *call, qv__array **out, qv_error *err)
{
    return choose(call, 0, pick_nullif, out, err);
}

static qv_status eval_greatest(const qv__call *call, qv__array **out, qv_error *err)
{
    return choose(call, 0, pick_greatest, out, err);
}

static qv_status eval_least(const qv__call *call, qv__array **out, qv_error *err)
{
    return choose(call, 0, pick_least, out, err);
}

/* ------------------------------------------------------------------ the table */

#define CHOICE(name_, aliases_, min, max, kinds_, needs_, eval_, signature_, summary_)                            \
    {                                                                                                             \
        .name = name_, .aliases = aliases_, .group = "conditional", .signature = signature_, .summary = summary_, \
        .min_args = min, .max_args = max, .bind = qv__bind_kinds, .eval = eval_, .kinds = kinds_, .needs = needs_ \
    }

static const char *const nvl_names[] = { "ifnull", NULL };

static const qv__function functions[] = {
    CHOICE("coalesce", NULL, 1, SIZE_MAX, "A*>0", QV_NEEDS_FIRST_VALUE, eval_coalesce,
           "coalesce(value, ...) -> their common type", "The first value that is not null."),
    CHOICE("nvl", nvl_names, 2, 2, "AA>0", QV_NEEDS_FIRST_VALUE, eval_coalesce,
           "nvl(value, otherwise) -> their common type", "The value, or the other one when it is null."),
    CHOICE("nvl2", NULL, 3, 3, "aAA>1", QV_NEEDS_BRANCH, eval_nvl2,
           "nvl2(value, if not null, if null) -> their common type",
           "The second value when the first is not null, else the third."),
    CHOICE("nullif", NULL, 2, 2, "AA>0", QV_NEEDS_ALL, eval_nullif, "nullif(value, other) -> their common type",
           "Null when the two are equal, else the value."),
    CHOICE("greatest", NULL, 1, SIZE_MAX, "A*>0", QV_NEEDS_ALL, eval_greatest,
           "greatest(value, ...) -> their common type",
           "The greatest value; nulls are left out, not-a-number is greater than all numbers."),
    CHOICE("least", NULL, 1, SIZE_MAX, "A*>0", QV_NEEDS_ALL, eval_least, "least(value, ...) -> their common type",
           "The least value; nulls are left out."),
};

const qv__function_group qv__conditional_functions = { functions, QV_COUNT_OF(functions) };
