/* x IN (..): literals become one sorted array of x's type; what is no literal is compared by itself. */
#include <stdlib.h>
#include <string.h>

#include "arrow/builder.h"
#include "base/alloc.h"
#include "expr/bind_private.h"

/* The list on its way. */
typedef struct in_list {
    qv__expr *value;
    qv__builder *literals; /* of value's type */
    bool has_null;
    qv__expr **others; /* comparisons with what is no literal */
    size_t n_others, others_capacity;
} in_list;

/* Text beside numbers or times is compared as those: x is cast to what the list holds. */
static qv_status settle_value(qv__binder *b, in_list *list, qv__expr *const *items, size_t n)
{
    qv_status st = QV_OK;
    qv__type *common = NULL;
    qv_error ignored = { 0 };
    qv__type **types = NULL;
    bool cast;

    QV_TRY(qv__bind_plain(b, list->value, true, &list->value));
    cast = list->value->type->id == QV_TYPE_NULL || qv__is_literal(list->value) ||
           list->value->type->id == QV_TYPE_UTF8 || list->value->type->id == QV_TYPE_LARGE_UTF8;
    if (!cast)
        return QV_OK;
    QV_TRY(QV_NEW(&types, n + 1, b->err));
    for (size_t k = 0; k < n; k++)
        types[k] = items[k]->type;
    types[n] = list->value->type;
    st = qv__type_common(types, n + 1, &common, &ignored);
    if (st == QV_NOMEM) {
        QV_CHECK(qv__fail(b->err, st, "%s", ignored.message));
    } else if (st == QV_OK && common->id != QV_TYPE_NULL) {
        bool texts = (list->value->type->id == QV_TYPE_UTF8 && common->id == QV_TYPE_LARGE_UTF8) ||
                     common->id == QV_TYPE_BINARY || common->id == QV_TYPE_LARGE_BINARY;
        if (!texts)
            QV_CHECK(qv__bind_cast(b, list->value, common, &list->value));
    }
    st = QV_OK;
done:
    qv__type_unref(common);
    qv__free(types);
    return st;
}

static qv_status add_other(qv__binder *b, in_list *list, qv__expr *item, uint32_t at)
{
    QV_TRY(QV_GROW(&list->others, &list->others_capacity, list->n_others + 1, b->err));
    QV_TRY(qv__bind_compare(b, QV_EQ, list->value, item, at, &list->others[list->n_others]));
    list->n_others++;
    return QV_OK;
}

static qv_status add_literal(qv__binder *b, in_list *list, qv__expr *item, uint32_t at)
{
    qv__adapted how = QV_ADAPTED_SAME;
    qv__expr *adapted = item;

    if (qv__is_null_literal(item)) {
        list->has_null = true;
        return QV_OK;
    }
    if (!qv__type_equal(item->type, list->value->type)) {
        if ((item->type->id == QV_TYPE_BOOL) != (list->value->type->id == QV_TYPE_BOOL))
            return add_other(b, list, item, at); /* which says that they do not go together */
        QV_TRY(qv__bind_adapt(b, item, list->value->type, &how, &adapted));
    }
    if (how == QV_ADAPTED_NOT && qv__type_is_int(item->type) && qv__type_is_int(list->value->type))
        return QV_OK; /* past what the type holds */
    if (how == QV_ADAPTED_NOT)
        return add_other(b, list, item, at);
    if (how != QV_ADAPTED_SAME)
        return QV_OK; /* no value of the type is equal to it */
    return qv__builder_append_array(list->literals, adapted->literal, 0, 1, b->err);
}

/* What a long list is mostly made of goes in without becoming an expression: strings for texts, whole numbers for int64. */
static qv_status add_plain(qv__binder *b, in_list *list, const qv__syntax *s, bool *done)
{
    qv__type_id id = list->value->type->id;
    bool negative;
    uint64_t magnitude;
    int64_t value;

    *done = false;
    if (s->kind == QV_SYNTAX_STRING && (id == QV_TYPE_UTF8 || id == QV_TYPE_LARGE_UTF8)) {
        *done = true;
        return qv__builder_append_bytes(list->literals, s->text, s->len, b->err);
    }
    if (s->kind != QV_SYNTAX_NUMBER || id != QV_TYPE_INT64 || !qv__int_parse(s->text, s->len, &negative, &magnitude) ||
        magnitude > INT64_MAX)
        return QV_OK;
    *done = true;
    value = s->flag ? -(int64_t) magnitude : (int64_t) magnitude;
    return qv__builder_append_fixed(list->literals, &value, b->err);
}

/* Are all items such that they say nothing about the type of what they are compared with? */
static bool all_of_kind(const qv__syntax *s, const qv__expr *value)
{
    bool text = value->type->id == QV_TYPE_UTF8 || value->type->id == QV_TYPE_LARGE_UTF8;

    if (qv__is_literal(value) || (!text && value->type->id != QV_TYPE_INT64))
        return false;
    for (uint32_t k = 1; k < s->n_args; k++)
        if (s->args[k]->kind != QV_SYNTAX_NULL && s->args[k]->kind != (text ? QV_SYNTAX_STRING : QV_SYNTAX_NUMBER))
            return false;
    return true;
}

static int by_value(const void *a, const void *b, void *ctx)
{
    const qv__array *array = ctx;

    return qv__value_compare(array, *(const int64_t *) a, array, *(const int64_t *) b);
}

/* Sorted, each value once. */
static qv_status sort_unique(qv__binder *b, qv__array *array, qv__array **out)
{
    qv_status st = QV_OK;
    size_t n = (size_t) array->length, kept = 0;
    int64_t *order = NULL;

    QV_TRY(QV_NEW(&order, n + 1, b->err));
    for (size_t k = 0; k < n; k++)
        order[k] = (int64_t) k;
    qsort_r(order, n, sizeof *order, by_value, array);
    for (size_t k = 0; k < n; k++)
        if (!kept || qv__value_compare(array, order[kept - 1], array, order[k]) != 0)
            order[kept++] = order[k];
    QV_CHECK(qv__array_take(array, order, kept, out, b->err));
done:
    qv__free(order);
    return st;
}

/* value IN (literals), or NULL where nothing is left but a null. */
static qv_status make_in(qv__binder *b, in_list *list, uint32_t at, qv__expr **out)
{
    qv_status st = QV_OK;
    qv__array *unsorted = NULL, *values = NULL;
    qv__type *boolean = NULL;

    QV_CHECK(qv__builder_finish(list->literals, &unsorted, b->err));
    QV_CHECK(sort_unique(b, unsorted, &values));
    QV_CHECK(qv__type_new(QV_TYPE_BOOL, &boolean, b->err));
    QV_CHECK(qv__node_new(b->tree, QV_EXPR_IN, boolean, at, 1, out, b->err));
    (*out)->args[0] = list->value;
    (*out)->list.values = values;
    values = NULL;
    (*out)->list.has_null = list->has_null;
    (*out)->nullable = list->value->nullable || list->has_null;
    QV_CHECK(qv__node_finish(*out, b->err));
    QV_CHECK(qv__bind_fold(b, *out, out));
done:
    qv__array_unref(unsorted);
    qv__array_unref(values);
    qv__type_unref(boolean);
    return st;
}

/* Every item as an expression; those that are literals join the list. */
static qv_status add_items(qv__binder *b, in_list *list, const qv__syntax *s)
{
    qv_status st = QV_OK;
    qv__expr **items = NULL;
    size_t n = s->n_args - 1;

    QV_TRY(QV_NEW(&items, n, b->err));
    for (size_t k = 0; k < n; k++)
        QV_CHECK(qv__bind(b, s->args[k + 1], &items[k]));
    QV_CHECK(settle_value(b, list, items, n));
    QV_CHECK(qv__builder_new(list->value->type, &list->literals, b->err));
    for (size_t k = 0; k < n; k++)
        if (qv__is_literal(items[k]))
            QV_CHECK(add_literal(b, list, items[k], items[k]->at));
        else
            QV_CHECK(add_other(b, list, items[k], items[k]->at));
done:
    qv__free(items);
    return st;
}

static qv_status add_plain_items(qv__binder *b, in_list *list, const qv__syntax *s)
{
    bool done;
    qv__expr *item;

    QV_TRY(qv__builder_new(list->value->type, &list->literals, b->err));
    for (uint32_t k = 1; k < s->n_args; k++) {
        QV_TRY(add_plain(b, list, s->args[k], &done));
        if (done)
            continue;
        QV_TRY(qv__bind(b, s->args[k], &item));
        QV_TRY(add_literal(b, list, item, item->at));
    }
    return QV_OK;
}

qv_status qv__bind_in(qv__binder *b, const qv__syntax *s, qv__expr **out)
{
    qv_status st = QV_OK;
    in_list list = { 0 };
    qv__expr *in;

    QV_CHECK(qv__bind(b, s->args[0], &list.value));
    if (all_of_kind(s, list.value))
        QV_CHECK(add_plain_items(b, &list, s));
    else
        QV_CHECK(add_items(b, &list, s));
    if (list.n_others == 0 || list.has_null || qv__builder_length(list.literals) > 0) {
        QV_CHECK(make_in(b, &list, s->at, &in));
        QV_CHECK(QV_GROW(&list.others, &list.others_capacity, list.n_others + 1, b->err));
        list.others[list.n_others++] = in;
    }
    *out = list.others[0];
    if (list.n_others > 1)
        QV_CHECK(qv__bind_chain(b, QV_EXPR_OR, list.others, list.n_others, s->at, out));
done:
    qv__builder_free(list.literals);
    qv__free(list.others);
    return st;
}
