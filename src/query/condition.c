/* Conditions, step by step. A condition is cut into its conjuncts; those that read the same columns are put together again, and the
 * cheapest come first. Each step reads its columns for the rows that the former ones left: the whole span while many are left (bare
 * pages then come without copy), single rows once they are few. */
#include <stdlib.h>
#include <string.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "base/bytes.h"
#include "query_private.h"

enum {
    SPARSE = 4, /* a step looks at a whole span up to this many rows per row that is left */
    TEXT_BYTES = 32,
    LIKE_COST = 64, /* in bytes read */
    CALL_COST = 128
};

/* ------------------------------------------------------------------ the order of steps */

static uint64_t type_width(const qv__type *type)
{
    uint64_t width = (uint64_t) (qv__type_bits(type) + 7) / 8;

    if (width > 0)
        return width;
    if (type->id == QV_TYPE_FIXED_BINARY)
        return (uint64_t) type->width;
    if (type->id == QV_TYPE_FIXED_LIST)
        return (uint64_t) type->width * type_width(type->children[0].type);
    for (size_t i = 0; i < type->n_children; i++)
        width += type_width(type->children[i].type);
    return QV_MAX(width, TEXT_BYTES);
}

/* Could its value for some row be an error? Such a conjunct must not come before one that keeps those rows away from it. */
static bool may_fail(const qv__expr *expr)
{
    if (expr->kind == QV_EXPR_ARITHMETIC || expr->kind == QV_EXPR_NEGATE || expr->kind == QV_EXPR_CALL ||
        (expr->kind == QV_EXPR_CAST && !expr->try_cast))
        return true;
    for (size_t i = 0; i < expr->n_args; i++)
        if (may_fail(expr->args[i]))
            return true;
    return false;
}

static uint64_t work_of(const qv__expr *expr)
{
    uint64_t work = expr->kind == QV_EXPR_LIKE ? LIKE_COST : expr->kind == QV_EXPR_CALL ? CALL_COST : 1;

    for (size_t i = 0; i < expr->n_args; i++)
        work += work_of(expr->args[i]);
    return work;
}

typedef struct conjunct {
    const qv__expr *expr;
    qv__program *program;
    size_t *inputs;
    bool may_fail;
    uint64_t cost;
    size_t at; /* in the text */
} conjunct;

static uint64_t inputs_width(const size_t *inputs, size_t n, const qv__sources *sources)
{
    uint64_t width = 0;

    for (size_t i = 0; i < n; i++) {
        const qv__source *source = &sources->items[inputs[i]];
        width += source->kind == QV_FROM_FIELD ? type_width(source->leaf->type) : sizeof(uint64_t);
    }
    return width;
}

static int by_cost(const void *a, const void *b)
{
    const conjunct *x = a, *y = b;

    if (x->may_fail != y->may_fail)
        return x->may_fail ? 1 : -1;
    if (!x->may_fail && x->cost != y->cost)
        return x->cost < y->cost ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static qv_status cut(const qv__program *program, const qv__schema *schema, qv__sources *sources, conjunct *list,
                     size_t n, qv_error *err)
{
    for (size_t i = 0; i < n; i++) {
        conjunct *c = &list[i];
        *c = (conjunct){ .expr = n == 1 ? program->root : program->root->args[i], .at = i };
        QV_TRY(qv__program_part(program, c->expr, &c->program, err));
        QV_TRY(qv__sources_add_program(sources, schema, c->program, &c->inputs, err));
        c->may_fail = may_fail(c->expr);
        c->cost = inputs_width(c->inputs, c->program->n_columns, sources) + work_of(c->expr);
    }
    qsort(list, n, sizeof *list, by_cost);
    return QV_OK;
}

static bool same_inputs(const conjunct *a, const conjunct *b)
{
    if (a->program->n_columns != b->program->n_columns)
        return false;
    for (size_t i = 0; i < a->program->n_columns; i++) {
        size_t j = 0;
        while (j < b->program->n_columns && a->inputs[i] != b->inputs[j])
            j++;
        if (j == b->program->n_columns)
            return false;
    }
    return true;
}

/* The conjuncts list[0 .. n) as one step. */
static qv_status join(const qv__program *program, const qv__schema *schema, qv__sources *sources, conjunct *list,
                      size_t n, const qv__expr **parts, qv__step *out, qv_error *err)
{
    if (n == 1) {
        *out = (qv__step){ .program = list->program, .inputs = list->inputs };
        list->program = NULL;
        list->inputs = NULL;
        return QV_OK;
    }
    for (size_t i = 0; i < n; i++)
        parts[i] = list[i].expr;
    QV_TRY(qv__program_and(program, parts, n, &out->program, err));
    return qv__sources_add_program(sources, schema, out->program, &out->inputs, err);
}

qv_status qv__condition_new(const qv__schema *schema, const qv__program *program, qv__sources *sources,
                            qv__condition *out, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n = program->root->kind == QV_EXPR_AND ? program->root->n_args : 1, n_group;
    conjunct *list = NULL;
    const qv__expr **parts = NULL;

    *out = (qv__condition){ 0 };
    QV_CHECK(QV_NEW(&list, n, err));
    QV_CHECK(QV_NEW(&parts, n, err));
    QV_CHECK(QV_NEW(&out->steps, n, err));
    QV_CHECK(cut(program, schema, sources, list, n, err));
    for (size_t i = 0; i < n; i += n_group) {
        for (n_group = 1; i + n_group < n && same_inputs(&list[i], &list[i + n_group]);)
            n_group++;
        out->n_steps++;
        QV_CHECK(join(program, schema, sources, &list[i], n_group, parts, &out->steps[out->n_steps - 1], err));
    }
done:
    for (size_t i = 0; list && i < n; i++) {
        qv__program_unref(list[i].program);
        qv__free(list[i].inputs);
    }
    qv__free(list);
    qv__free(parts);
    if (st != QV_OK)
        qv__condition_clear(out);
    return st;
}

void qv__condition_clear(qv__condition *condition)
{
    for (size_t i = 0; i < condition->n_steps; i++) {
        qv__program_unref(condition->steps[i].program);
        qv__free(condition->steps[i].inputs);
    }
    qv__free(condition->steps);
    *condition = (qv__condition){ 0 };
}

uint64_t qv__condition_width(const qv__condition *condition, const qv__sources *sources)
{
    const qv__step *first = condition->steps;

    return condition->n_steps == 0 ? 0 : inputs_width(first->inputs, first->program->n_columns, sources);
}

/* ------------------------------------------------------------------ selecting */

typedef struct selecting {
    const qv__selecting *how;
    qv__rows *rows;
    size_t n_sources;
    qv__array **whole;  /* values of the span, by source */
    qv__array **listed; /* values of the rows that are left, by source */
    qv__array **columns;
    uint8_t *selected;
} selecting;

/* Over the whole span, without looking at rows that are gone. */
static qv_status step_over_span(selecting *x, const qv__step *step, qv_error *err)
{
    qv__rows *rows = x->rows;
    const uint8_t *mask = NULL;
    size_t n_selected = 0;

    for (size_t i = 0; i < step->program->n_columns; i++) {
        size_t source = step->inputs[i];
        if (!x->whole[source])
            QV_TRY(qv__rows_read_span(rows, source, &x->whole[source], err));
        x->columns[i] = x->whole[source];
    }
    if (!qv__rows_are_all(rows))
        QV_TRY(qv__rows_mask(rows, &mask, err));
    QV_TRY(qv__program_filter(step->program, x->columns, rows->n, mask, x->selected, &n_selected, err));
    if (n_selected == rows->count)
        return QV_OK;
    if (!rows->mask)
        QV_TRY(QV_NEW(&rows->mask, qv__bitmap_bytes(rows->n), err));
    uint8_t *old = rows->mask;
    rows->mask = x->selected;
    x->selected = old;
    rows->count = n_selected;
    qv__free(rows->list);
    rows->list = NULL;
    return QV_OK;
}

static qv_status values_of_list(selecting *x, size_t source, qv_error *err)
{
    const uint8_t *mask;

    if (x->listed[source])
        return QV_OK;
    if (!x->whole[source])
        return qv__rows_read(x->rows, source, &x->listed[source], err);
    QV_TRY(qv__rows_mask(x->rows, &mask, err));
    return qv__array_filter(x->whole[source], mask, &x->listed[source], err);
}

static qv_status shrink_list(selecting *x, size_t n_selected, qv_error *err)
{
    qv__rows *rows = x->rows;
    const uint64_t *list;

    QV_TRY(qv__rows_list(rows, &list, err));
    for (size_t s = 0; s < x->n_sources; s++) {
        qv__array *smaller;
        if (!x->listed[s])
            continue;
        QV_TRY(qv__array_filter(x->listed[s], x->selected, &smaller, err));
        qv__array_unref(x->listed[s]);
        x->listed[s] = smaller;
    }
    for (size_t i = 0, at = 0; i < n_selected; i++, at++) {
        at = qv__bitmap_find(x->selected, at, rows->count, true);
        rows->list[i] = rows->list[at];
    }
    rows->count = n_selected;
    qv__free(rows->mask); /* made anew when needed */
    rows->mask = NULL;
    return QV_OK;
}

static qv_status step_over_list(selecting *x, const qv__step *step, qv_error *err)
{
    qv__rows *rows = x->rows;
    size_t n_selected = 0;

    for (size_t i = 0; i < step->program->n_columns; i++) {
        QV_TRY(values_of_list(x, step->inputs[i], err));
        x->columns[i] = x->listed[step->inputs[i]];
    }
    QV_TRY(qv__program_filter(step->program, x->columns, rows->count, NULL, x->selected, &n_selected, err));
    return n_selected == rows->count ? QV_OK : shrink_list(x, n_selected, err);
}

static qv_status take_step(selecting *x, const qv__step *step, qv_error *err)
{
    const qv__rows *rows = x->rows;
    qv__span span = qv__span_begin();
    bool over_span = qv__rows_are_all(rows) || rows->n <= SPARSE * (uint64_t) rows->count;
    qv_status st = over_span ? step_over_span(x, step, err) : step_over_list(x, step, err);

    qv__span_end(&span, step->op, step->is_inner ? 0 : rows->count);
    return st;
}

static qv_status keep_values(selecting *x, qv_error *err)
{
    for (size_t s = 0; s < x->n_sources; s++) {
        if (!x->how->keep[s] || (!x->whole[s] && !x->listed[s]))
            continue;
        if (qv__rows_are_all(x->rows))
            x->how->kept[s] = qv__array_ref(x->whole[s]);
        else {
            QV_TRY(values_of_list(x, s, err));
            x->how->kept[s] = qv__array_ref(x->listed[s]);
        }
    }
    return QV_OK;
}

static size_t most_columns(const qv__condition *condition)
{
    size_t most = 1;

    for (size_t i = 0; i < condition->n_steps; i++)
        most = QV_MAX(most, condition->steps[i].program->n_columns);
    return most;
}

qv_status qv__select(const qv__selecting *how, qv__rows *rows, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__condition *condition = how->condition;
    selecting x = { .how = how, .rows = rows, .n_sources = rows->from->reader->sources.n };

    QV_CHECK(QV_NEW(&x.whole, QV_MAX(x.n_sources, 1), err));
    QV_CHECK(QV_NEW(&x.listed, QV_MAX(x.n_sources, 1), err));
    QV_CHECK(QV_NEW(&x.columns, most_columns(condition), err));
    QV_CHECK(QV_NEW(&x.selected, QV_MAX(qv__bitmap_bytes(QV_MAX(rows->n, rows->count)), 1), err));
    for (size_t i = 0; i < condition->n_steps && rows->count > 0; i++)
        QV_CHECK(take_step(&x, &condition->steps[i], err));
    if (how->kept && rows->count > 0)
        QV_CHECK(keep_values(&x, err));
done:
    if (x.whole)
        qv__unref_all(x.whole, x.n_sources);
    if (x.listed)
        qv__unref_all(x.listed, x.n_sources);
    qv__free(x.whole);
    qv__free(x.listed);
    qv__free(x.columns);
    qv__free(x.selected);
    return st;
}

qv_status qv__select_arrays(const qv__condition *condition, qv__array *const *arrays, size_t n, uint8_t *selected,
                            size_t *n_selected, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array **columns = NULL;
    uint8_t *next = NULL;

    QV_CHECK(QV_NEW(&columns, most_columns(condition), err));
    QV_CHECK(QV_NEW(&next, QV_MAX(qv__bitmap_bytes(n), 1), err));
    qv__bitmap_fill(selected, 0, n, true);
    *n_selected = n;
    for (size_t i = 0; i<condition->n_steps && * n_selected> 0; i++) {
        const qv__step *step = &condition->steps[i];
        for (size_t c = 0; c < step->program->n_columns; c++)
            columns[c] = arrays[step->inputs[c]];
        QV_CHECK(qv__program_filter(step->program, columns, n, selected, next, n_selected, err));
        memcpy(selected, next, qv__bitmap_bytes(n));
    }
done:
    qv__free(columns);
    qv__free(next);
    return st;
}
