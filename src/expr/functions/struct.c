/* Structs: made of values, and one field of them. */
#include <stdio.h>

#include "expr/functions/functions_private.h"

/* ------------------------------------------------------------------ making */

/* n fields of the arguments from `first` on, each `step` further; names[k] is zero-terminated. */
static qv_status new_struct(qv__expr *const *args, size_t first, size_t step, char *const *names, size_t n,
                            qv__type **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field *fields = NULL;
    size_t k = 0;

    QV_TRY(QV_NEW(&fields, n + 1, err));
    for (; k < n; k++)
        QV_CHECK(qv__field_init(&fields[k], names[k], args[first + k * step]->type, true, err));
    st = qv__type_new_struct(fields, n, out, err);
done:
    for (size_t i = 0; i < k; i++)
        qv__field_clear(&fields[i]);
    qv__free(fields);
    return st;
}

static qv_status field_name(const qv__function *self, qv__expr *arg, size_t number, char **out, qv_error *err)
{
    qv__text text;

    if (!qv__constant_text(arg, &text) || (text.len && memchr(text.data, 0, text.len)))
        return qv__fail(err, QV_INVALID, "%s: argument %zu must be a field's name, a text in quotes", self->name,
                        number);
    *out = qv__strndup(text.len ? (const char *) text.data : "", text.len);
    return *out ? QV_OK : qv__fail_nomem(err, text.len);
}

static void free_names(char **names, size_t n)
{
    for (size_t k = 0; names && k < n; k++)
        qv__free(names[k]);
    qv__free(names);
}

static qv_status bind_named(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                            qv__type **result, qv_error *err)
{
    qv_status st = QV_OK;
    char **names = NULL;

    QV_UNUSED(wanted);
    if (n % 2)
        return qv__fail(err, QV_INVALID, "%s: %zu arguments, expected pairs of a name and a value", self->name, n);
    QV_TRY(QV_NEW(&names, n / 2 + 1, err));
    for (size_t k = 0; k < n / 2; k++) {
        QV_CHECK(field_name(self, args[2 * k], 2 * k + 1, &names[k], err));
        for (size_t j = 0; j < k; j++)
            if (strcmp(names[j], names[k]) == 0)
                QV_CHECK(qv__fail(err, QV_INVALID, "%s: the field \"%s\" comes twice", self->name, names[k]));
    }
    st = new_struct(args, 1, 2, names, n / 2, result, err);
done:
    free_names(names, n / 2);
    return st;
}

static qv_status bind_unnamed(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                              qv__type **result, qv_error *err)
{
    qv_status st = QV_OK;
    char **names = NULL, name[32];

    QV_UNUSED(self);
    QV_UNUSED(wanted);
    QV_TRY(QV_NEW(&names, n + 1, err));
    for (size_t k = 0; k < n; k++) {
        snprintf(name, sizeof name, "c%zu", k);
        names[k] = qv__strdup(name);
        if (!names[k])
            QV_CHECK(qv__fail_nomem(err, sizeof name));
    }
    st = new_struct(args, 0, 1, names, n, result, err);
done:
    free_names(names, n);
    return st;
}

/* A constant as often as there are rows. */
static qv_status spread(const qv__call *call, size_t arg, qv__array **out, qv_error *err)
{
    int64_t *zeros = NULL;

    if (!call->is_constant[arg]) {
        *out = qv__array_ref(call->args[arg]);
        return QV_OK;
    }
    QV_TRY(QV_NEW(&zeros, call->n + 1, err));
    qv_status st = qv__array_take(call->args[arg], zeros, call->n, out, err);
    qv__free(zeros);
    return st;
}

static qv_status make(const qv__call *call, size_t first, size_t step, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *array = NULL;
    size_t n = call->node->type->n_children;

    QV_TRY(qv__array_new(call->node->type, (int64_t) call->n, n, &array, err));
    for (size_t k = 0; k < n; k++)
        QV_CHECK(spread(call, first + k * step, &array->children[k], err));
    *out = array;
    array = NULL;
done:
    qv__array_unref(array);
    return st;
}

static qv_status eval_named(const qv__call *call, qv__array **out, qv_error *err) { return make(call, 1, 2, out, err); }
static qv_status eval_unnamed(const qv__call *call, qv__array **out, qv_error *err)
{
    return make(call, 0, 1, out, err);
}

/* ------------------------------------------------------------------ one field */

static ptrdiff_t find_field(const qv__type *type, qv__text name)
{
    for (size_t k = 0; k < type->n_children; k++) {
        const char *has = type->children[k].name;
        if (strlen(has) == name.len && (name.len == 0 || memcmp(has, name.data, name.len) == 0))
            return (ptrdiff_t) k;
    }
    return -1;
}

static qv_status bind_field(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                            qv__type **result, qv_error *err)
{
    const qv__type *type = args[0]->type;
    qv__text name;

    QV_UNUSED(n);
    QV_UNUSED(wanted);
    if (type->id != QV_TYPE_STRUCT)
        return qv__fail_argument(self, 0, type, "a struct", err);
    if (!qv__constant_text(args[1], &name))
        return qv__fail(err, QV_INVALID, "get_field: argument 2 must be a field's name, a text in quotes");
    ptrdiff_t at = find_field(type, name);
    if (at < 0)
        return qv__fail(err, QV_INVALID, "get_field: the struct has no field \"%.*s\"", (int) QV_MIN(name.len, 200),
                        (const char *) name.data);
    *result = qv__type_ref(type->children[at].type);
    return QV_OK;
}

/* Null where the struct is. */
static qv_status eval_field(const qv__call *call, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__array *array = call->args[0];
    qv__text name = qv__arg_text(call, 1, 0);
    ptrdiff_t at = find_field(array->type, name);
    int64_t *places = NULL;

    QV_TRY(QV_NEW(&places, call->n + 1, err));
    for (size_t i = 0; i < call->n; i++)
        places[i] = qv__arg_is_null(call, 0, i) ? -1 : array->offset + qv__arg_row(call, 0, i);
    st = qv__array_take(array->children[at], places, call->n, out, err);
    qv__free(places);
    return st;
}

static const char *const struct_names[] = { "row", NULL };

static const qv__function functions[] = {
    {
        .name = "named_struct",
        .group = "struct",
        .signature = "named_struct(name, value, ...) -> struct",
        .summary = "A struct with these fields; also written {'a': 1, 'b': 2}.",
        .min_args = 2,
        .max_args = SIZE_MAX,
        .bind = bind_named,
        .eval = eval_named,
    },
    {
        .name = "struct",
        .aliases = struct_names,
        .group = "struct",
        .signature = "struct(value, ...) -> struct",
        .summary = "A struct with the fields c0, c1, ...",
        .min_args = 1,
        .max_args = SIZE_MAX,
        .bind = bind_unnamed,
        .eval = eval_unnamed,
    },
    {
        .name = "get_field",
        .group = "struct",
        .signature = "get_field(struct, name) -> the field's type",
        .summary = "One field of a struct; also written struct['name'] or column.name.",
        .min_args = 2,
        .max_args = 2,
        .bind = bind_field,
        .eval = eval_field,
    },
};

const qv__function_group qv__struct_functions = { functions, QV_COUNT_OF(functions) };
