/* Argument types in letters, one for each argument, then '>' and the result. '*': the letter before it goes on to the end.
 *
 *     t text            s anything, cast to text      x text or binary     i integer, cast to int64    b bool
 *     d number, cast to float64    f number; float32 stays, others become float64    n number    a anything
 *     A anything; all As are cast to their common type    l list
 *
 * Results: t utf8, x binary, b bool, i int64, I int32 (int64 when argument 1 has 64-bit offsets), u uint64, d float64, or the
 * digit of the argument whose type it has. */
#include <ctype.h>

#include "expr/functions/functions_private.h"

qv_status qv__fail_argument(const qv__function *self, size_t arg, const qv__type *type, const char *expected,
                            qv_error *err)
{
    char name[128];

    return qv__fail(err, QV_INVALID, "%s: argument %zu is %s, expected %s: %s", self->name, arg + 1,
                    qv__type_print(type, name, sizeof name), expected, self->signature);
}

static qv_status want(const qv__type *type, qv__type_id id, qv__type **wanted, qv_error *err)
{
    return type->id == id ? QV_OK : qv__type_new(id, wanted, err);
}

static qv_status want_bytes(const qv__type *type, bool text_only, qv__type **wanted, bool *fits, qv_error *err)
{
    *fits = true;
    if (qv__is_text(type) || (!text_only && qv__is_bytes(type)))
        return QV_OK;
    if (type->id == QV_TYPE_NULL)
        return qv__type_new(QV_TYPE_UTF8, wanted, err);
    if (type->id == QV_TYPE_FIXED_BINARY && !text_only)
        return qv__type_new(QV_TYPE_BINARY, wanted, err);
    *fits = false;
    return QV_OK;
}

static qv_status want_number(const qv__type *type, char kind, qv__type **wanted, bool *fits, qv_error *err)
{
    *fits = type->id == QV_TYPE_NULL || qv__is_number(type);
    if (!*fits || (kind == 'f' && type->id == QV_TYPE_FLOAT32))
        return QV_OK;
    if (kind == 'n' && type->id != QV_TYPE_NULL)
        return type->id == QV_TYPE_FLOAT16 ? qv__type_new(QV_TYPE_FLOAT32, wanted, err) : QV_OK;
    return want(type, QV_TYPE_FLOAT64, wanted, err);
}

/* One argument; dictionaries are looked at, and cast to, as their values. */
static qv_status bind_one(const qv__function *self, char kind, size_t arg, const qv__type *type, qv__type **wanted,
                          qv_error *err)
{
    const qv__type *plain = type->id == QV_TYPE_DICTIONARY ? type->children[0].type : type;
    const char *expected = NULL;
    bool fits = true;

    switch (kind) {
    case 't':
    case 'x':
        expected = kind == 't' ? "text" : "text or binary";
        QV_TRY(want_bytes(plain, kind == 't', wanted, &fits, err));
        break;
    case 's':
        if (!qv__is_text(plain))
            QV_TRY(qv__type_new(QV_TYPE_UTF8, wanted, err));
        break;
    case 'i':
        expected = "an integer";
        fits = qv__is_int(plain) || plain->id == QV_TYPE_NULL;
        if (fits)
            QV_TRY(want(plain, QV_TYPE_INT64, wanted, err));
        break;
    case 'b':
        expected = "bool";
        fits = plain->id == QV_TYPE_BOOL || plain->id == QV_TYPE_NULL;
        if (fits)
            QV_TRY(want(plain, QV_TYPE_BOOL, wanted, err));
        break;
    case 'd':
    case 'f':
    case 'n':
        expected = "a number";
        QV_TRY(want_number(plain, kind, wanted, &fits, err));
        break;
    case 'l':
        expected = "a list";
        fits = qv__is_list(plain) || plain->id == QV_TYPE_NULL;
        break;
    default:
        break;
    }
    if (!fits)
        return qv__fail_argument(self, arg, type, expected, err);
    if (!*wanted && plain != type && !strchr("AEL", kind)) /* those are settled together */
        *wanted = qv__type_ref(plain);
    return QV_OK;
}

/* The letter of argument `arg`. */
static char kind_of(const char *kinds, size_t arg)
{
    char last = 'a';

    for (size_t i = 0; kinds[i] && kinds[i] != '>'; i++) {
        if (kinds[i] == '*')
            return last;
        last = kinds[i];
        if (arg-- == 0)
            return last;
    }
    return last;
}

static qv_status bind_common(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                             qv_error *err)
{
    qv_status st = QV_OK;
    qv__type **types = NULL, *common = NULL;
    size_t n_common = 0;

    QV_TRY(QV_NEW(&types, n + 1, err));
    for (size_t i = 0; i < n; i++)
        if (kind_of(self->kinds, i) == 'A')
            types[n_common++] = args[i]->type;
    if (n_common == 0)
        goto done;
    st = qv__type_common(types, n_common, &common, err);
    if (st == QV_INVALID)
        st = qv__fail_in(err, st, "%s", self->name);
    QV_CHECK(st);
    for (size_t i = 0; i < n; i++)
        if (kind_of(self->kinds, i) == 'A' && !qv__type_equal(args[i]->type, common))
            wanted[i] = qv__type_ref(common);
done:
    qv__type_unref(common);
    qv__free(types);
    return st;
}

static qv_status bind_result(const qv__function *self, qv__expr *const *args, size_t n, qv__type *const *wanted,
                             qv__type **result, qv_error *err)
{
    char kind = strchr(self->kinds, '>')[1];
    qv__type_id id = QV_TYPE_BOOL;

    if (isdigit((unsigned char) kind)) {
        size_t from = (size_t) (kind - '0');
        *result = qv__type_ref(wanted[from] ? wanted[from] : args[from]->type);
        return QV_OK;
    }
    switch (kind) {
    case 't':
        id = QV_TYPE_UTF8;
        break;
    case 'x':
        id = QV_TYPE_BINARY;
        break;
    case 'i':
        id = QV_TYPE_INT64;
        break;
    case 'I':
        id = n > 0 && args[0]->type->id == QV_TYPE_LARGE_UTF8 ? QV_TYPE_INT64 : QV_TYPE_INT32;
        break;
    case 'u':
        id = QV_TYPE_UINT64;
        break;
    case 'd':
        id = QV_TYPE_FLOAT64;
        break;
    default:
        break;
    }
    return qv__type_new(id, result, err);
}

qv_status qv__bind_kinds(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                         qv__type **result, qv_error *err)
{
    for (size_t i = 0; i < n; i++)
        QV_TRY(bind_one(self, kind_of(self->kinds, i), i, args[i]->type, &wanted[i], err));
    QV_TRY(bind_common(self, args, n, wanted, err));
    return bind_result(self, args, n, wanted, result, err);
}

bool qv__constant_text(const qv__expr *arg, qv__text *out)
{
    if (arg->kind != QV_EXPR_LITERAL || qv__array_is_null(arg->literal, 0) || !qv__is_text(arg->type))
        return false;
    out->data = qv__array_string(arg->literal, 0, &out->len);
    return true;
}

qv_status qv__list_type_of(qv__type_id list_id, const qv__type *element, qv__type **out, qv_error *err)
{
    qv__field item = { 0 };
    qv_status st = qv__field_init(&item, "item", element, true, err);

    if (st == QV_OK)
        st = qv__type_new_list(list_id, &item, 0, out, err);
    qv__field_clear(&item);
    return st;
}
