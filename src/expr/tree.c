/* Programs: nodes in an arena, their references in a list, and the copies that planners ask for. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "expr/expr_private.h"
#include "expr/syntax.h"

/* ------------------------------------------------------------------ life */

qv_status qv__tree_new(const char *text, const qv__schema *scope, qv__tree **out, qv_error *err)
{
    qv__tree *tree;

    QV_TRY(QV_NEW(&tree, 1, err));
    atomic_init(&tree->program.refs, 1);
    qv__arena_init(&tree->arena, (size_t) 1 << 31);
    tree->program.scope = qv__schema_ref(scope);
    tree->program.text = qv__arena_strndup(&tree->arena, text, strlen(text));
    if (!tree->program.text) {
        qv__program_unref(&tree->program);
        return qv__fail_nomem(err, strlen(text));
    }
    *out = tree;
    return QV_OK;
}

qv__program *qv__program_ref(const qv__program *program)
{
    qv__program *p = (qv__program *) program;

    if (p)
        atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void qv__program_unref(qv__program *program)
{
    qv__tree *tree = (qv__tree *) program;

    if (!program || atomic_fetch_sub_explicit(&program->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (qv__node *node = tree->nodes; node; node = node->next) {
        qv__type_unref(node->expr.type);
        if (node->expr.kind == QV_EXPR_LITERAL)
            qv__array_unref(node->expr.literal);
        if (node->expr.kind == QV_EXPR_IN)
            qv__array_unref(node->expr.list.values);
        if (node->release)
            node->release(node->prepared);
    }
    qv__free(program->columns);
    qv__schema_unref(program->scope);
    qv__arena_reset(&tree->arena);
    qv__free(tree);
}

qv_status qv__node_new(qv__tree *tree, qv__expr_kind kind, const qv__type *type, uint32_t at, size_t n_args,
                       qv__expr **out, qv_error *err)
{
    qv__node *node = qv__arena_alloc(&tree->arena, 1, sizeof *node);

    if (!node)
        return qv__fail_nomem(err, sizeof *node);
    node->expr.kind = kind;
    node->expr.at = at;
    node->expr.n_args = n_args;
    node->expr.args = n_args ? qv__arena_alloc(&tree->arena, n_args, sizeof(qv__expr *)) : NULL;
    if (n_args && !node->expr.args)
        return qv__fail_nomem(err, n_args * sizeof(qv__expr *));
    node->expr.type = qv__type_ref(type);
    node->next = tree->nodes;
    tree->nodes = node;
    *out = &node->expr;
    return QV_OK;
}

qv_status qv__literal_new(qv__tree *tree, qv__array *value, uint32_t at, qv__expr **out, qv_error *err)
{
    qv_status st = qv__node_new(tree, QV_EXPR_LITERAL, value->type, at, 0, out, err);

    if (st != QV_OK) {
        qv__array_unref(value);
        return st;
    }
    (*out)->literal = value;
    (*out)->nullable = qv__array_is_null(value, 0);
    return QV_OK;
}

qv_status qv__tree_column(qv__tree *tree, const char *path, const qv__field *field, size_t top, size_t *out,
                          qv_error *err)
{
    qv__program *p = &tree->program;
    char *copy;

    for (size_t k = 0; k < p->n_columns; k++)
        if (strcmp(p->columns[k].path, path) == 0) {
            *out = k;
            return QV_OK;
        }
    QV_TRY(QV_GROW(&p->columns, &tree->columns_capacity, p->n_columns + 1, err));
    copy = qv__arena_strndup(&tree->arena, path, strlen(path));
    if (!copy)
        return qv__fail_nomem(err, strlen(path));
    p->columns[p->n_columns] = (qv__expr_column){ copy, field, top };
    *out = p->n_columns++;
    return QV_OK;
}

/* ------------------------------------------------------------------ what is known of a node */

static bool is_text(const qv__type *type) { return !qv__type_bits(type) || type->id == QV_TYPE_DICTIONARY; }

static uint32_t own_cost(const qv__expr *expr)
{
    switch (expr->kind) {
    case QV_EXPR_LITERAL:
    case QV_EXPR_COLUMN:
        return 0;
    case QV_EXPR_COMPARE:
        return is_text(expr->args[0]->type) ? 6 : 1;
    case QV_EXPR_IN:
        return is_text(expr->args[0]->type) ? 16 : 4;
    case QV_EXPR_LIKE:
        return 20;
    case QV_EXPR_CONCAT:
        return 30;
    case QV_EXPR_CAST:
        return is_text(expr->type) || is_text(expr->args[0]->type) ? 40 : 2;
    case QV_EXPR_CALL:
        return strcmp(expr->function->group, "regexp") == 0 ? 200 : 40;
    default:
        return 1;
    }
}

/* Floats have no bad sums; bit operations no bad values. */
static bool own_failure(const qv__expr *expr)
{
    switch (expr->kind) {
    case QV_EXPR_ARITHMETIC:
        return expr->arithmetic < QV_BIT_AND && !qv__type_is_float(expr->type);
    case QV_EXPR_NEGATE:
        return !qv__type_is_float(expr->type);
    case QV_EXPR_CAST:
        return !expr->try_cast && expr->args[0]->type->id != QV_TYPE_DICTIONARY && !qv__is_null_literal(expr->args[0]);
    case QV_EXPR_CONCAT:
    case QV_EXPR_CALL:
        return true;
    default:
        return false;
    }
}

static qv_status prepare(qv__expr *expr, qv_error *err)
{
    qv__node *node = qv__node_of(expr);

    if (expr->kind == QV_EXPR_IN) {
        QV_TRY(qv__in_set_new(expr->list.values, (qv__in_set **) &node->prepared, err));
        node->release = qv__in_set_free;
    } else if (expr->kind == QV_EXPR_LIKE && qv__is_literal(expr->args[1]) && !qv__is_null_literal(expr->args[1])) {
        size_t len;
        const uint8_t *pattern = qv__array_string(expr->args[1]->literal, 0, &len);

        QV_TRY(qv__like_compile(pattern, len, expr->like.escape, expr->like.ignore_case, (qv__like **) &node->prepared,
                                err));
        node->release = qv__like_free;
    } else if (expr->kind == QV_EXPR_CALL && expr->function->prepare) {
        QV_TRY(expr->function->prepare(expr, &node->prepared, err));
        node->release = expr->function->release;
    }
    return QV_OK;
}

qv_status qv__node_finish(qv__expr *expr, qv_error *err)
{
    qv__node *node = qv__node_of(expr);
    uint64_t cost = own_cost(expr);

    node->can_fail = own_failure(expr);
    for (size_t k = 0; k < expr->n_args; k++) {
        cost += qv__node_of(expr->args[k])->cost;
        node->can_fail |= qv__node_of(expr->args[k])->can_fail;
    }
    node->cost = (uint32_t) QV_MIN(cost, 1000000);
    return prepare(expr, err);
}

qv_status qv__fail_at(qv_error *err, qv_status status, const qv__program *program, const qv__expr *expr,
                      const char *format, ...)
{
    char text[400];
    unsigned line, column;
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    qv__sql_place(program->text, expr->at, &line, &column);
    return qv__fail(err, status, "%s at Line: %u, Column: %u", text, line, column);
}

/* ------------------------------------------------------------------ copies */

/* Nodes are copied, values and types shared; columns are numbered anew in order of use. */
static qv_status copy_node(qv__tree *tree, const qv__program *from, const qv__expr *expr, qv__expr **out, qv_error *err)
{
    qv__expr *copy;

    QV_TRY(qv__node_new(tree, expr->kind, expr->type, expr->at, expr->n_args, &copy, err));
    copy->nullable = expr->nullable;
    switch (expr->kind) {
    case QV_EXPR_LITERAL:
        copy->literal = qv__array_ref(expr->literal);
        break;
    case QV_EXPR_COLUMN: {
        const qv__expr_column *column = &from->columns[expr->column];
        QV_TRY(qv__tree_column(tree, column->path, column->field, column->top, &copy->column, err));
        break;
    }
    case QV_EXPR_IN:
        copy->list = expr->list;
        copy->list.values = qv__array_ref(expr->list.values);
        break;
    case QV_EXPR_COMPARE:
        copy->compare = expr->compare;
        break;
    case QV_EXPR_IS:
        copy->is = expr->is;
        break;
    case QV_EXPR_LIKE:
        copy->like = expr->like;
        break;
    case QV_EXPR_ARITHMETIC:
        copy->arithmetic = expr->arithmetic;
        break;
    case QV_EXPR_CAST:
        copy->try_cast = expr->try_cast;
        break;
    case QV_EXPR_CALL:
        copy->function = expr->function;
        break;
    default:
        break;
    }
    for (size_t k = 0; k < expr->n_args; k++)
        QV_TRY(copy_node(tree, from, expr->args[k], &copy->args[k], err));
    *out = copy;
    return qv__node_finish(copy, err);
}

qv_status qv__program_part(const qv__program *program, const qv__expr *root, qv__program **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__tree *tree;

    QV_TRY(qv__tree_new(program->text, program->scope, &tree, err));
    QV_CHECK(copy_node(tree, program, root, &tree->program.root, err));
    tree->program.is_volatile = program->is_volatile; /* also when the call was folded away */
    *out = &tree->program;
    tree = NULL;
done:
    if (tree)
        qv__program_unref(&tree->program);
    return st;
}

qv_status qv__program_and(const qv__program *program, const qv__expr *const *parts, size_t n, qv__program **out,
                          qv_error *err)
{
    qv_status st = QV_OK;
    qv__tree *tree;
    qv__expr *root;

    if (n == 1)
        return qv__program_part(program, parts[0], out, err);
    QV_TRY(qv__tree_new(program->text, program->scope, &tree, err));
    QV_CHECK(qv__node_new(tree, QV_EXPR_AND, parts[0]->type, parts[0]->at, n, &root, err));
    for (size_t k = 0; k < n; k++) {
        QV_CHECK(copy_node(tree, program, parts[k], &root->args[k], err));
        root->nullable |= parts[k]->nullable;
    }
    QV_CHECK(qv__node_finish(root, err));
    tree->program.root = root;
    tree->program.is_volatile = program->is_volatile;
    *out = &tree->program;
    tree = NULL;
done:
    if (tree)
        qv__program_unref(&tree->program);
    return st;
}

bool qv__program_is_constant(const qv__program *program, int *value)
{
    const qv__expr *root = program->root;

    if (!qv__is_literal(root) || root->type->id != QV_TYPE_BOOL)
        return false;
    *value = qv__is_null_literal(root) ? -1 : qv__load_int(root->literal, 0) != 0;
    return true;
}
