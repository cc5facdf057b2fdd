/* Binding of list functions: the elements of all lists and all single elements get one type. */
#include "expr/functions/list_private.h"

static const qv__type *plain_type(const qv__expr *arg)
{
    return arg->type->id == QV_TYPE_DICTIONARY ? arg->type->children[0].type : arg->type;
}

static char kind_of(const char *kinds, size_t arg)
{
    size_t n = strcspn(kinds, ">");

    if (n > 1 && kinds[n - 1] == '*' && arg >= n - 2)
        return kinds[n - 2];
    return kinds[QV_MIN(arg, n - 1)];
}

/* The type that an element has in this argument; NULL: the argument is no list and no element. */
static qv__type *element_of(const qv__function *self, qv__expr *const *args, size_t arg)
{
    char kind = kind_of(self->kinds, arg);

    if (kind == 'E')
        return args[arg]->type;
    return kind == 'L' && qv__is_list(plain_type(args[arg])) ? plain_type(args[arg])->children[0].type : NULL;
}

static qv_status element_type(const qv__function *self, qv__expr *const *args, size_t n, qv__type **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__type **types = NULL;
    size_t n_types = 0;

    QV_TRY(QV_NEW(&types, n + 1, err));
    for (size_t i = 0; i < n; i++) {
        const qv__type *type = plain_type(args[i]);
        if (kind_of(self->kinds, i) == 'L' && !qv__is_list(type) && type->id != QV_TYPE_NULL)
            QV_CHECK(qv__fail_argument(self, i, type, "a list", err));
        types[n_types] = element_of(self, args, i);
        n_types += types[n_types] != NULL;
    }
    st = qv__type_common(types, n_types, out, err);
    if (st == QV_INVALID)
        st = qv__fail_in(err, st, "%s", self->name);
done:
    qv__free(types);
    return st;
}

/* The argument's own kind of list with elements of this type. */
static qv_status want_list(const qv__type *type, const qv__type *element, qv__type **wanted, qv_error *err)
{
    qv__field item = { 0 };

    if (type->id == QV_TYPE_NULL)
        return qv__list_type_of(QV_TYPE_LIST, element, wanted, err);
    if (qv__type_equal(type->children[0].type, element))
        return QV_OK;
    if (type->id != QV_TYPE_FIXED_LIST)
        return qv__list_type_of(type->id, element, wanted, err);
    qv_status st = qv__field_init(&item, "item", element, true, err);
    if (st == QV_OK)
        st = qv__type_new_list(type->id, &item, type->width, wanted, err);
    qv__field_clear(&item);
    return st;
}

static qv_status want_elements(const qv__function *self, qv__expr *const *args, size_t n, const qv__type *element,
                               qv__type **wanted, qv_error *err)
{
    for (size_t i = 0; i < n; i++) {
        char kind = kind_of(self->kinds, i);
        const qv__type *type = plain_type(args[i]);
        if (kind == 'L')
            QV_TRY(want_list(type, element, &wanted[i], err));
        else if (kind == 'E' && !qv__type_equal(args[i]->type, element))
            wanted[i] = qv__type_ref(element);
        if (kind == 'L' && !wanted[i] && type != args[i]->type)
            wanted[i] = qv__type_ref(type);
    }
    return QV_OK;
}

static qv_status list_result(const qv__function *self, qv__expr *const *args, size_t n, const qv__type *element,
                             qv__type **result, qv_error *err)
{
    qv_status st = QV_OK;
    qv__type *u64 = NULL;
    bool large = false;

    switch (strchr(self->kinds, '>')[1]) {
    case 'E':
        *result = qv__type_ref(element);
        return QV_OK;
    case 'L':
        for (size_t i = 0; i < n && !large; i++)
            large = kind_of(self->kinds, i) == 'L' && plain_type(args[i])->id == QV_TYPE_LARGE_LIST;
        return qv__list_type_of(large ? QV_TYPE_LARGE_LIST : QV_TYPE_LIST, element, result, err);
    case 'U':
        QV_TRY(qv__type_new(QV_TYPE_UINT64, &u64, err));
        st = qv__list_type_of(QV_TYPE_LIST, u64, result, err);
        qv__type_unref(u64);
        return st;
    default:
        return QV_OK;
    }
}

qv_status qv__bind_lists(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                         qv__type **result, qv_error *err)
{
    qv_status st = QV_OK;
    qv__type *element = NULL;

    QV_CHECK(qv__bind_kinds(self, args, n, wanted, result, err));
    QV_CHECK(element_type(self, args, n, &element, err));
    QV_CHECK(want_elements(self, args, n, element, wanted, err));
    if (!strchr("ELU", strchr(self->kinds, '>')[1]))
        goto done;
    qv__type_unref(*result);
    *result = NULL;
    st = list_result(self, args, n, element, result, err);
done:
    qv__type_unref(element);
    return st;
}

/* One level of nesting less; a list that holds no lists stays as it is. */
qv_status qv__bind_flatten(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                           qv__type **result, qv_error *err)
{
    const qv__type *type = plain_type(args[0]);

    QV_UNUSED(n);
    if (!qv__is_list(type))
        return qv__fail_argument(self, 0, type, "a list", err);
    if (type != args[0]->type)
        wanted[0] = qv__type_ref(type);
    const qv__type *element = type->children[0].type;
    bool nested = qv__is_list(element);
    bool large = type->id == QV_TYPE_LARGE_LIST || (nested && element->id == QV_TYPE_LARGE_LIST);
    return qv__list_type_of(large ? QV_TYPE_LARGE_LIST : QV_TYPE_LIST, nested ? element->children[0].type : element,
                            result, err);
}

/* The same nesting with text inside. */
static qv_status texts_inside(const qv__type *type, qv__type **out, qv_error *err)
{
    qv__type *element = NULL;
    qv__field item = { 0 };

    if (qv__is_text(type)) {
        *out = qv__type_ref(type);
        return QV_OK;
    }
    if (!qv__is_list(type))
        return qv__type_new(QV_TYPE_UTF8, out, err);
    QV_TRY(texts_inside(type->children[0].type, &element, err));
    qv_status st = qv__field_init(&item, "item", element, true, err);
    if (st == QV_OK)
        st = qv__type_new_list(type->id, &item, type->width, out, err);
    qv__field_clear(&item);
    qv__type_unref(element);
    return st;
}

qv_status qv__bind_array_to_string(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                                   qv__type **result, qv_error *err)
{
    const qv__type *type = plain_type(args[0]);
    qv__type *text = NULL;

    QV_TRY(qv__bind_kinds(self, args, n, wanted, result, err));
    if (type->id == QV_TYPE_NULL) {
        QV_TRY(qv__type_new(QV_TYPE_UTF8, &text, err));
        qv_status st = qv__list_type_of(QV_TYPE_LIST, text, &wanted[0], err);
        qv__type_unref(text);
        return st;
    }
    qv__type_unref(wanted[0]);
    wanted[0] = NULL;
    return texts_inside(type, &wanted[0], err);
}
