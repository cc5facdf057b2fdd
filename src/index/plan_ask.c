/* Single conditions as questions to indices: what stands on the left must be what an index holds (a column, or something computed from
 * one), what stands on the right a constant of its type. */
#include "arrow/builder.h"
#include "arrow/compute/compute.h"
#include "index/index_private.h"

#define MAX_PREFIX_BYTES ((size_t) 16 << 20)

qv_status qv__plan_keep(qv__index_plan *plan, qv__array *array, qv_error *err)
{
    qv_status st = QV_GROW(&plan->values, &plan->values_capacity, plan->n_values + 1, err);

    if (st == QV_OK)
        plan->values[plan->n_values++] = array;
    else
        qv__array_unref(array);
    return st;
}

/* ------------------------------------------------------------------ choosing an index */

static bool is_value(const qv__expr *expr)
{
    return expr->kind == QV_EXPR_LITERAL && !qv__array_is_null(expr->literal, 0);
}

/* The column that an operand is, or is computed from; NULL: neither. */
static const qv__expr_column *operand_column(const qv__index_plan *plan, const qv__expr *operand)
{
    const qv__expr *at = operand;

    if (at->kind == QV_EXPR_CALL && at->n_args)
        at = at->args[0];
    return at->kind == QV_EXPR_COLUMN ? &plan->condition->columns[at->column] : NULL;
}

static bool holds_operand(const qv__logical_index *index, const qv__expr *operand)
{
    if (!index->kind->indexes)
        return operand->kind == QV_EXPR_COLUMN;
    return operand->kind == QV_EXPR_CALL && index->kind->indexes(index->entries[0], operand);
}

/* Fragments that the segment does not know in full are scanned. */
static void leave_unknown(const qv__snapshot *snapshot, qv__plan_segment *segment)
{
    qv__segment *opened = segment->opened->segment;

    for (size_t i = 0; i < qv__snapshot_n_fragments(snapshot); i++) {
        const qv__fragment *fragment = qv__snapshot_fragment(snapshot, i);
        if (segment->covered[i] && !opened->kind->covers(opened, fragment->id, fragment->physical_rows)) {
            segment->covered[i] = false;
            segment->n_covered--;
        }
    }
}

static qv_status ready_segment(qv__index_plan *plan, const qv__logical_index *index, size_t i, const qv__type *type,
                               qv_error *err)
{
    qv__plan_segment *segment = qv__plan_segment_of(plan, index, i);
    const qv__index_entry *entry = index->entries[i];

    if (segment->is_ready)
        return QV_OK;
    QV_TRY(qv__entry_coverage(plan->snapshot, entry, plan->reuse, &segment->covered, &segment->n_covered, err));
    segment->addresses = qv__entry_has_addresses(plan->snapshot, entry, index->kind);
    if (segment->n_covered)
        QV_TRY(qv__segment_open(plan->snapshot, entry, index->kind, type, &segment->opened, err));
    if (segment->opened && index->kind->covers)
        leave_unknown(plan->snapshot, segment);
    segment->is_ready = true;
    return QV_OK;
}

/* Opens the segments; *usable: one of them covers something. */
static qv_status ready_index(qv__index_plan *plan, const qv__logical_index *index, const qv__type *type, bool *usable,
                             qv_error *err)
{
    *usable = false;
    for (size_t i = 0; i < index->n; i++) {
        QV_TRY(ready_segment(plan, index, i, type, err));
        *usable |= qv__plan_segment_of(plan, index, i)->opened != NULL;
    }
    return QV_OK;
}

static uint64_t estimate(const qv__index_plan *plan, const qv__logical_index *index, const qv__ask *ask)
{
    uint64_t rows = 0;

    for (size_t i = 0; i < index->n; i++) {
        const qv__plan_segment *segment = qv__plan_segment_of(plan, index, i);
        if (segment->opened && index->kind->estimate)
            rows += index->kind->estimate(segment->opened->segment, ask);
    }
    return rows;
}

/* Kinds that know no ranges may know single values. */
static qv__certainty certainty_of(const qv__index_method *kind, const qv__type *type, const qv__ask *ask)
{
    qv__certainty certainty = kind->can_ask(type, ask->kind);
    bool is_point = ask->kind == QV_ASK_RANGE && ask->low && ask->low == ask->high;

    return certainty == QV_NO_IDEA && is_point ? kind->can_ask(type, QV_ASK_IN) : certainty;
}

typedef struct choice {
    const qv__logical_index *index;
    qv__certainty certainty;
    uint64_t estimate;
} choice;

/* The first index that answers exactly, else the first that answers at all, and not with more rows than it is worth. */
static qv_status choose(qv__index_plan *plan, const qv__expr *operand, const qv__ask *ask, choice *out, qv_error *err)
{
    const qv__expr_column *column = operand_column(plan, operand);
    const qv__index_method *kind;

    *out = (choice){ NULL, QV_NO_IDEA, 0 };
    if (!column || column->field->id < 0)
        return QV_OK;
    for (size_t k = 0; (kind = qv__index_method_at(k)) != NULL; k++) {
        for (size_t i = 0; i < plan->indices.n; i++) {
            const qv__logical_index *index = &plan->indices.items[i];
            bool usable;
            if (index->kind != kind || index->field != column->field->id || !holds_operand(index, operand))
                continue;
            qv__certainty certainty = certainty_of(kind, operand->type, ask);
            if (certainty == QV_NO_IDEA || (out->index && certainty >= out->certainty))
                continue;
            QV_TRY(ready_index(plan, index, column->field->type, &usable, err));
            uint64_t rows = usable ? estimate(plan, index, ask) : 0;
            if (usable && (!plan->most_rows || rows <= plan->most_rows))
                *out = (choice){ index, certainty, rows };
        }
    }
    return QV_OK;
}

/* `most`: how sure the question itself allows the answer to be. */
static qv_status make_node(qv__index_plan *plan, const qv__expr *expr, const qv__expr *operand, const qv__ask *ask,
                           bool negated, qv__certainty most, qv__ask_node **out, qv_error *err)
{
    choice chosen;
    qv__ask_node *node;

    QV_TRY(choose(plan, operand, ask, &chosen, err));
    bool is_exact = chosen.certainty == QV_EXACT && most == QV_EXACT;
    if (!chosen.index || (negated && !is_exact))
        return QV_OK;
    QV_TRY(QV_NEW(&node, 1, err));
    *node = (qv__ask_node){ .kind = QV_PLAN_ASK,
                            .is_exact = is_exact,
                            .estimate = chosen.estimate,
                            .exprs = { expr, NULL },
                            .negated = negated,
                            .ask = *ask,
                            .asked = operand->type,
                            .operand = operand,
                            .index = chosen.index };
    *out = node;
    return QV_OK;
}

/* ------------------------------------------------------------------ constants */

/* A cast that keeps the order and the difference of values: what is compared with its result can be compared with the operand. */
static bool is_widening(const qv__type *from, const qv__type *to)
{
    int a = qv__type_bits(from), b = qv__type_bits(to);
    bool from_signed = from->id >= QV_TYPE_INT8 && from->id <= QV_TYPE_INT64,
         from_unsigned = from->id >= QV_TYPE_UINT8 && from->id <= QV_TYPE_UINT64,
         to_signed = to->id >= QV_TYPE_INT8 && to->id <= QV_TYPE_INT64,
         to_unsigned = to->id >= QV_TYPE_UINT8 && to->id <= QV_TYPE_UINT64;

    if (from->id >= QV_TYPE_FLOAT16 && from->id <= QV_TYPE_FLOAT64)
        return to->id >= from->id && to->id <= QV_TYPE_FLOAT64;
    if (from->id == QV_TYPE_UTF8 || from->id == QV_TYPE_BINARY)
        return to->id == (from->id == QV_TYPE_UTF8 ? QV_TYPE_LARGE_UTF8 : QV_TYPE_LARGE_BINARY);
    return (from_signed && to_signed && a <= b) || (from_unsigned && to_unsigned && a <= b) ||
           (from_unsigned && to_signed && a < b);
}

/* The operand below a widening cast, and the constants in its type; *values NULL: they do not fit. */
static qv_status unwrap(qv__index_plan *plan, const qv__expr **operand, qv__array *constants, const qv__array **values,
                        qv_error *err)
{
    const qv__expr *at = *operand;
    qv__array *cast = NULL;
    qv_error misfit;

    *values = constants;
    if (at->kind == QV_EXPR_CAST && is_widening(at->args[0]->type, at->type)) {
        qv_status st = qv__array_cast(constants, at->args[0]->type, QV_CAST_SAFE, &cast, &misfit);
        if (st == QV_NOMEM)
            return qv__fail(err, st, "%s", misfit.message);
        *values = NULL;
        if (st != QV_OK)
            return QV_OK;
        QV_TRY(qv__plan_keep(plan, cast, err));
        *values = cast;
        *operand = at->args[0];
    }
    return QV_OK;
}

static qv_status text_value(qv__index_plan *plan, const qv__type *type, const uint8_t *text, size_t len,
                            const qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__builder *builder = NULL;
    qv__array *made = NULL;

    QV_CHECK(qv__builder_new(type, &builder, err));
    QV_CHECK(qv__builder_append_bytes(builder, text, len, err));
    QV_CHECK(qv__builder_finish(builder, &made, err));
    QV_CHECK(qv__plan_keep(plan, made, err));
    *out = made;
done:
    qv__builder_free(builder);
    return st;
}

static qv_status bool_value(qv__index_plan *plan, const qv__type *type, bool value, const qv__array **out,
                            qv_error *err)
{
    qv_status st = QV_OK;
    qv__builder *builder = NULL;
    qv__array *made = NULL;

    QV_CHECK(qv__builder_new(type, &builder, err));
    QV_CHECK(qv__builder_append_bool(builder, value, err));
    QV_CHECK(qv__builder_finish(builder, &made, err));
    QV_CHECK(qv__plan_keep(plan, made, err));
    *out = made;
done:
    qv__builder_free(builder);
    return st;
}

/* Sorted, each once; insertion, since lists in conditions on lists are short. *out NULL: one of them is null. */
static qv_status sorted_values(qv__index_plan *plan, const qv__array *values, const qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    int64_t *order = NULL;
    size_t n = 0;
    qv__array *sorted = NULL;

    *out = NULL;
    if (values->null_count || values->length > 4096)
        return QV_OK;
    QV_CHECK(QV_NEW(&order, (size_t) values->length, err));
    for (int64_t i = 0; i < values->length; i++) {
        size_t at = n;
        while (at > 0 && qv__value_compare(values, order[at - 1], values, i) > 0)
            at--;
        if (at > 0 && qv__value_compare(values, order[at - 1], values, i) == 0)
            continue;
        memmove(order + at + 1, order + at, (n - at) * sizeof *order);
        order[at] = i;
        n++;
    }
    QV_CHECK(qv__array_take(values, order, n, &sorted, err));
    QV_CHECK(qv__plan_keep(plan, sorted, err));
    *out = sorted;
done:
    qv__free(order);
    return st;
}

/* ------------------------------------------------------------------ conditions */

static qv__compare flipped(qv__compare op)
{
    switch (op) {
    case QV_LT:
        return QV_GT;
    case QV_LE:
        return QV_GE;
    case QV_GT:
        return QV_LT;
    case QV_GE:
        return QV_LE;
    default:
        return op;
    }
}

static qv_status ask_compare(qv__index_plan *plan, const qv__expr *expr, bool negated, qv__ask_node **out,
                             qv_error *err)
{
    bool flip = expr->args[0]->kind == QV_EXPR_LITERAL;
    const qv__expr *operand = expr->args[flip], *constant = expr->args[!flip];
    qv__compare op = flip ? flipped(expr->compare) : expr->compare;
    qv__ask ask = { .kind = QV_ASK_RANGE };
    const qv__array *value;

    if (!is_value(constant) || op == QV_DISTINCT || (op == QV_NOT_DISTINCT && negated))
        return QV_OK;
    QV_TRY(unwrap(plan, &operand, constant->literal, &value, err));
    if (!value)
        return QV_OK;
    if (op != QV_LT && op != QV_LE)
        ask.low = value;
    if (op != QV_GT && op != QV_GE)
        ask.high = value;
    ask.low_open = op == QV_GT;
    ask.high_open = op == QV_LT;
    return make_node(plan, expr, operand, &ask, negated != (op == QV_NE), QV_EXACT, out, err);
}

static qv_status ask_in(qv__index_plan *plan, const qv__expr *expr, bool negated, qv__ask_node **out, qv_error *err)
{
    qv__ask ask = { .kind = QV_ASK_IN };
    const qv__expr *operand = expr->args[0];

    if (negated && expr->list.has_null)
        return QV_OK;
    QV_TRY(unwrap(plan, &operand, expr->list.values, &ask.values, err));
    return ask.values ? make_node(plan, expr, operand, &ask, negated, QV_EXACT, out, err) : QV_OK;
}

static qv_status ask_is(qv__index_plan *plan, const qv__expr *expr, bool negated, qv__ask_node **out, qv_error *err)
{
    bool is_not = expr->is.negated != negated;
    qv__ask ask = { .kind = is_not ? QV_ASK_NOT_NULL : QV_ASK_IS_NULL };

    if (expr->is.what == QV_IS_NULL || expr->is.what == QV_IS_UNKNOWN)
        return make_node(plan, expr, expr->args[0], &ask, false, QV_EXACT, out, err);
    if (is_not || expr->args[0]->kind != QV_EXPR_COLUMN)
        return QV_OK;
    ask.kind = QV_ASK_RANGE;
    QV_TRY(bool_value(plan, expr->args[0]->type, expr->is.what == QV_IS_TRUE, &ask.low, err));
    ask.high = ask.low;
    return make_node(plan, expr, expr->args[0], &ask, false, QV_EXACT, out, err);
}

static qv_status ask_like(qv__index_plan *plan, const qv__expr *expr, bool negated, qv__ask_node **out, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__expr *operand = expr->args[0], *pattern = expr->args[1];
    qv__ask ask = { .kind = QV_ASK_PREFIX };
    qv__buffer prefix;
    bool exact = false;

    qv__buffer_init(&prefix, MAX_PREFIX_BYTES);
    if (!is_value(pattern))
        return QV_OK;
    if (!expr->like.ignore_case) {
        QV_CHECK(qv__like_prefix(expr, &prefix, &exact, err));
        if (prefix.len) {
            QV_CHECK(text_value(plan, pattern->literal->type, prefix.data, prefix.len, &ask.low, err));
            QV_CHECK(make_node(plan, expr, operand, &ask, negated, exact ? QV_EXACT : QV_AT_MOST, out, err));
        }
    }
    if (!*out) {
        ask = (qv__ask){ .kind = QV_ASK_LIKE,
                         .low = pattern->literal,
                         .ignore_case = expr->like.ignore_case,
                         .escape = expr->like.escape };
        QV_CHECK(make_node(plan, expr, operand, &ask, negated, QV_EXACT, out, err));
    }
done:
    qv__buffer_free(&prefix);
    return st;
}

typedef struct question {
    const char *function;
    qv__ask_kind kind;
} question;
static const question questions[] = {
    { "starts_with", QV_ASK_PREFIX }, { "contains", QV_ASK_CONTAINS },     { "regexp_like", QV_ASK_REGEXP },
    { "array_has", QV_ASK_HAS_ANY },  { "array_has_any", QV_ASK_HAS_ANY }, { "array_has_all", QV_ASK_HAS_ALL },
};

static bool is_list(const qv__type *type)
{
    return type->id == QV_TYPE_LIST || type->id == QV_TYPE_LARGE_LIST || type->id == QV_TYPE_FIXED_LIST;
}

/* One element, or the elements of a list, in the elements' type of the operand. */
static qv_status list_values(qv__index_plan *plan, const qv__expr *operand, const qv__array *literal,
                             const qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__type *element = operand->type->children[0].type;
    qv__array *elements = NULL, *cast = NULL;
    int64_t start = 0, end = 1;

    *out = NULL;
    if (is_list(literal->type))
        qv__array_list_range(literal, 0, &start, &end);
    QV_CHECK(
        qv__array_slice(is_list(literal->type) ? literal->children[0] : literal, start, end - start, &elements, err));
    if (!qv__type_equal(elements->type, element)) {
        qv_error misfit;
        st = qv__array_cast(elements, element, QV_CAST_SAFE, &cast, &misfit);
        if (st == QV_NOMEM)
            QV_CHECK(qv__fail(err, st, "%s", misfit.message));
        bool fits = st == QV_OK;
        st = QV_OK;
        if (!fits)
            goto done;
    }
    QV_CHECK(sorted_values(plan, cast ? cast : elements, out, err));
done:
    qv__array_unref(elements);
    qv__array_unref(cast);
    return st;
}

static qv_status ask_call(qv__index_plan *plan, const qv__expr *expr, bool negated, qv__ask_node **out, qv_error *err)
{
    const char *name = qv__function_name(expr->function);
    const question *q = NULL;
    qv__ask ask = { 0 };

    for (size_t i = 0; i < QV_COUNT_OF(questions) && !q; i++)
        if (strcmp(questions[i].function, name) == 0)
            q = &questions[i];
    if (!q || expr->n_args != 2 || !is_value(expr->args[1]))
        return QV_OK;
    ask.kind = q->kind;
    if (q->kind != QV_ASK_HAS_ANY && q->kind != QV_ASK_HAS_ALL) {
        ask.low = expr->args[1]->literal;
    } else {
        if (!is_list(expr->args[0]->type))
            return QV_OK;
        QV_TRY(list_values(plan, expr->args[0], expr->args[1]->literal, &ask.values, err));
        if (!ask.values || !ask.values->length)
            return QV_OK;
    }
    return make_node(plan, expr, expr->args[0], &ask, negated, QV_EXACT, out, err);
}

static qv_status ask_bool(qv__index_plan *plan, const qv__expr *expr, bool negated, qv__ask_node **out, qv_error *err)
{
    qv__ask ask = { .kind = QV_ASK_RANGE };

    if (expr->type->id != QV_TYPE_BOOL)
        return QV_OK;
    QV_TRY(bool_value(plan, expr->type, !negated, &ask.low, err)); /* NOT flag is flag = false */
    ask.high = ask.low;
    return make_node(plan, expr, expr, &ask, false, QV_EXACT, out, err);
}

qv_status qv__plan_ask(qv__index_plan *plan, const qv__expr *expr, bool negated, qv__ask_node **out, qv_error *err)
{
    *out = NULL;
    switch (expr->kind) {
    case QV_EXPR_COLUMN:
        return ask_bool(plan, expr, negated, out, err);
    case QV_EXPR_COMPARE:
        return ask_compare(plan, expr, negated, out, err);
    case QV_EXPR_IN:
        return ask_in(plan, expr, negated, out, err);
    case QV_EXPR_IS:
        return ask_is(plan, expr, negated, out, err);
    case QV_EXPR_LIKE:
        return ask_like(plan, expr, negated, out, err);
    case QV_EXPR_CALL:
        return ask_call(plan, expr, negated, out, err);
    default:
        return QV_OK;
    }
}
