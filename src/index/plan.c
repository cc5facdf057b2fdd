/* Plans: which parts of a condition are answered by which indices. NOT is pushed down to single questions, so that only rows for which a
 * part is true are ever looked for: AND is an intersection, OR a union. A part of an AND that no index knows is left to the recheck; an OR
 * needs an index on every side. Ranges of one column in an AND become one range. */
#include <inttypes.h>

#include "index/index_private.h"

#define WORTH_SHARE 8    /* an ordered index is worth it up to one in so many rows ... */
#define WORTH_LEAST 4096 /* ... or so many rows */

static const char *node_name(qv__ask_node_kind kind) { return kind == QV_PLAN_AND ? "AND" : "OR"; }

void qv__ask_node_free(qv__ask_node *node)
{
    if (!node)
        return;
    for (size_t i = 0; i < node->n; i++)
        qv__ask_node_free(node->children[i]);
    qv__free((void *) node->children);
    qv__free(node);
}

void qv__index_plan_free(qv__index_plan *plan)
{
    if (!plan)
        return;
    qv__ask_node_free(plan->root);
    for (size_t i = 0; i < plan->n_values; i++)
        qv__array_unref(plan->values[i]);
    qv__free((void *) plan->values);
    for (size_t i = 0; i < plan->indices.n; i++) {
        const qv__logical_index *index = &plan->indices.items[i];
        for (size_t k = 0; plan->segments && k < index->n; k++) {
            qv__plan_segment *segment = qv__plan_segment_of(plan, index, k);
            qv__open_segment_unref(segment->opened);
            qv__free(segment->covered);
        }
    }
    qv__free(plan->segments);
    qv__logical_list_clear(&plan->indices);
    qv__reuse_free(plan->reuse);
    qv__program_unref(plan->condition);
    qv__program_unref(plan->recheck);
    qv__snapshot_unref(plan->snapshot);
    qv__free(plan);
}

/* ------------------------------------------------------------------ ranges of one column */

/* The higher of two lower ends, or the lower of two upper ends. */
static void tighten(const qv__array **mine, bool *mine_open, const qv__array *theirs, bool theirs_open, int wanted)
{
    if (!theirs)
        return;
    int order = *mine ? qv__value_compare(theirs, 0, *mine, 0) : wanted;
    if (order == wanted) {
        *mine = theirs;
        *mine_open = theirs_open;
    } else if (order == 0) {
        *mine_open |= theirs_open;
    }
}

static bool is_range(const qv__ask_node *node)
{
    return node->kind == QV_PLAN_ASK && node->ask.kind == QV_ASK_RANGE && !node->negated && node->is_exact;
}

static bool same_operand(const qv__expr *a, const qv__expr *b)
{
    return a == b || (a->kind == QV_EXPR_COLUMN && b->kind == QV_EXPR_COLUMN && a->column == b->column);
}

/* Puts `node`'s bounds into `into`; false when they do not ask the same. */
static bool join_ranges(qv__ask_node *into, const qv__ask_node *node)
{
    if (!is_range(into) || !is_range(node) || into->index != node->index || into->exprs[1] ||
        !same_operand(into->operand, node->operand))
        return false;
    tighten(&into->ask.low, &into->ask.low_open, node->ask.low, node->ask.low_open, 1);
    tighten(&into->ask.high, &into->ask.high_open, node->ask.high, node->ask.high_open, -1);
    into->exprs[1] = node->exprs[0];
    into->estimate = QV_MIN(into->estimate, node->estimate);
    return true;
}

/* ------------------------------------------------------------------ trees */

static qv_status make_tree(qv__index_plan *plan, const qv__expr *expr, bool negated, qv__ask_node **out, qv_error *err);

/* Takes the child. Cheaper ones stand first. */
static void add_child(qv__ask_node *node, qv__ask_node *child)
{
    size_t at = node->n;

    for (size_t i = 0; node->kind == QV_PLAN_AND && i < node->n; i++)
        if (join_ranges(node->children[i], child)) {
            qv__ask_node_free(child);
            return;
        }
    for (; at > 0 && node->children[at - 1]->estimate > child->estimate; at--)
        node->children[at] = node->children[at - 1];
    node->children[at] = child;
    node->n++;
}

static qv_status make_chain(qv__index_plan *plan, const qv__expr *expr, bool negated, qv__ask_node_kind kind,
                            qv__ask_node **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__ask_node *node = NULL, *child;

    QV_CHECK(QV_NEW(&node, 1, err));
    node->kind = kind;
    node->is_exact = true;
    QV_CHECK(QV_NEW(&node->children, expr->n_args, err));
    for (size_t i = 0; i < expr->n_args; i++) {
        child = NULL;
        QV_CHECK(make_tree(plan, expr->args[i], negated, &child, err));
        node->is_exact &= child && child->is_exact;
        if (child)
            add_child(node, child);
        else if (kind == QV_PLAN_OR)
            goto done;
    }
    if (!node->n)
        goto done;
    for (size_t i = 0; i < node->n; i++)
        node->estimate =
            kind == QV_PLAN_OR ? node->estimate + node->children[i]->estimate : node->children[0]->estimate;
    *out = node;
    node = NULL;
done:
    qv__ask_node_free(node);
    return st;
}

static qv_status make_tree(qv__index_plan *plan, const qv__expr *expr, bool negated, qv__ask_node **out, qv_error *err)
{
    *out = NULL;
    switch (expr->kind) {
    case QV_EXPR_NOT:
        return make_tree(plan, expr->args[0], !negated, out, err);
    case QV_EXPR_AND:
    case QV_EXPR_OR:
        return make_chain(plan, expr, negated, (expr->kind == QV_EXPR_AND) != negated ? QV_PLAN_AND : QV_PLAN_OR, out,
                          err);
    default:
        return qv__plan_ask(plan, expr, negated, out, err);
    }
}

/* ------------------------------------------------------------------ what is left to check */

/* A conjunct that the tree answers exactly: all of it, wherever it went. */
static qv_status is_answered(qv__index_plan *plan, const qv__expr *conjunct, bool *answered, qv_error *err)
{
    qv__ask_node *node = NULL;

    QV_TRY(make_tree(plan, conjunct, false, &node, err));
    *answered = node && node->is_exact;
    qv__ask_node_free(node);
    return QV_OK;
}

static qv_status make_recheck(qv__index_plan *plan, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__expr *root = plan->condition->root, **rest = NULL;
    size_t n = 0;

    if (plan->root->is_exact)
        return QV_OK;
    if (root->kind != QV_EXPR_AND) {
        plan->recheck = qv__program_ref(plan->condition);
        return QV_OK;
    }
    QV_CHECK(QV_NEW(&rest, root->n_args, err));
    for (size_t i = 0; i < root->n_args; i++) {
        bool answered;
        QV_CHECK(is_answered(plan, root->args[i], &answered, err));
        if (!answered)
            rest[n++] = root->args[i];
    }
    QV_CHECK(qv__program_and(plan->condition, rest, n, &plan->recheck, err));
done:
    qv__free((void *) rest);
    return st;
}

qv_status qv__index_plan_new(qv__snapshot *snapshot, const qv__program *condition,
                             const qv__index_plan_options *options, qv__index_plan **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__index_plan *plan = NULL;
    const qv__index_entry *entries;
    size_t n = 0;

    *out = NULL;
    if (options->no_index)
        return QV_OK;
    QV_TRY(qv__snapshot_indices(snapshot, &entries, &n, err));
    if (!n)
        return QV_OK;
    QV_CHECK(QV_NEW(&plan, 1, err));
    plan->snapshot = qv__snapshot_ref(snapshot);
    plan->condition = qv__program_ref(condition);
    plan->most_rows = options->rows ? QV_MAX(options->rows / WORTH_SHARE, WORTH_LEAST) : 0;
    QV_CHECK(qv__logical_indices(snapshot, &plan->indices, err));
    QV_CHECK(QV_NEW(&plan->segments, n, err));
    QV_CHECK(qv__reuse_open(snapshot, &plan->reuse, err));
    QV_CHECK(make_tree(plan, condition->root, false, &plan->root, err));
    if (!plan->root)
        goto done;
    QV_CHECK(make_recheck(plan, err));
    *out = plan;
    plan = NULL;
done:
    qv__index_plan_free(plan);
    return st;
}

/* ------------------------------------------------------------------ for people */

static qv_status print_node(const qv__index_plan *plan, const qv__ask_node *node, qv__buffer *out, qv_error *err)
{
    if (node->kind != QV_PLAN_ASK) {
        for (size_t i = 0; i < node->n; i++) {
            QV_TRY(qv__buffer_printf(out, err, i ? "," : "%s(", node_name(node->kind)));
            QV_TRY(print_node(plan, node->children[i], out, err));
        }
        return qv__buffer_printf(out, err, ")");
    }
    QV_TRY(qv__buffer_printf(out, err, node->negated ? "NOT([" : "["));
    QV_TRY(qv__expr_print(plan->condition, node->exprs[0], out, err));
    if (node->exprs[1]) {
        QV_TRY(qv__buffer_printf(out, err, " AND "));
        QV_TRY(qv__expr_print(plan->condition, node->exprs[1], out, err));
    }
    return qv__buffer_printf(out, err, "]@%s(%s)%s", node->index->name, node->index->kind->display,
                             node->negated ? ")" : "");
}

qv_status qv__index_plan_print(const qv__index_plan *plan, qv__buffer *out, qv_error *err)
{
    QV_TRY(qv__buffer_printf(out, err, "ScalarIndexQuery: query="));
    QV_TRY(print_node(plan, plan->root, out, err));
    if (!plan->recheck)
        return QV_OK;
    QV_TRY(qv__buffer_printf(out, err, ", recheck="));
    return qv__expr_print(plan->recheck, plan->recheck->root, out, err);
}
