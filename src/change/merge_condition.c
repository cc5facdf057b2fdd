/* The condition of an update, over pairs of rows: `source.x` is the new row's, `target.x` the table's. */
#include <stdio.h>
#include <string.h>

#include "arrow/compute/compute.h"
#include "change/merge_private.h"

#define SIDE_LEN 7 /* of "source." and "target." */

typedef struct checking {
    qv__merge_job *m;
    qv__snapshot *base;
    qv__program *program;
    size_t n_targets; /* columns of the program that are the table's, in order */
    const char **names, **paths;
    char (*numbers)[24];
} checking;

/* ------------------------------------------------------------------ the scope */

static qv_status add_side(const char *name, const qv__schema *schema, qv__field *out, qv_error *err)
{
    qv__type *type = NULL;

    QV_TRY(qv__schema_to_struct(schema, &type, err));
    qv_status st = qv__field_init(out, name, type, false, err);
    qv__type_unref(type);
    return st;
}

static qv_status make_scope(const qv__schema *source, const qv__schema *target, qv__schema **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field fields[2] = { 0 };

    QV_CHECK(add_side("source", source, &fields[0], err));
    QV_CHECK(add_side("target", target, &fields[1], err));
    QV_CHECK(qv__schema_new(fields, 2, NULL, out, err));
done:
    qv__field_clear(&fields[0]);
    qv__field_clear(&fields[1]);
    return st;
}

/* `source` alone, the whole row, is no value. */
static qv_status check_columns(const qv__program *program, qv_error *err)
{
    for (size_t i = 0; i < program->n_columns; i++)
        if (strlen(program->columns[i].path) <= SIDE_LEN)
            return qv__fail(err, QV_INVALID, "the condition of a merge names a row (%s) where a column is expected",
                            program->columns[i].path);
    return QV_OK;
}

static qv_status list_targets(checking *c, qv_error *err)
{
    size_t n = QV_MAX(c->program->n_columns, 1);

    QV_TRY(QV_NEW(&c->names, n, err));
    QV_TRY(QV_NEW(&c->paths, n, err));
    QV_TRY(QV_NEW(&c->numbers, n, err));
    for (size_t i = 0; i < c->program->n_columns; i++) {
        const qv__expr_column *column = &c->program->columns[i];
        if (column->top == 0)
            continue;
        snprintf(c->numbers[c->n_targets], sizeof c->numbers[0], "c%zu", c->n_targets);
        c->names[c->n_targets] = c->numbers[c->n_targets];
        c->paths[c->n_targets++] = column->path + SIDE_LEN; /* a path is an expression, too */
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ values of the source */

/* Where in the tree the field lies: child numbers from the top. */
static bool find_field(const qv__type *type, const qv__field *field, size_t *steps, size_t depth, size_t *n)
{
    for (size_t i = 0; depth < QV_TYPE_MAX_DEPTH && type->id == QV_TYPE_STRUCT && i < type->n_children; i++) {
        steps[depth] = i;
        *n = depth + 1;
        if (&type->children[i] == field || find_field(type->children[i].type, field, steps, depth + 1, n))
            return true;
    }
    return false;
}

/* The child of a struct array; null where the struct is. */
static qv_status child_of(const qv__array *parent, size_t i, qv__array **out, qv_error *err)
{
    qv__array *child = NULL;
    int64_t *rows = NULL;

    QV_TRY(qv__array_slice(parent->children[i], parent->offset, parent->length, &child, err));
    if (parent->null_count == 0) {
        *out = child;
        return QV_OK;
    }
    qv_status st = QV_NEW(&rows, (size_t) parent->length, err);
    for (int64_t r = 0; st == QV_OK && r < parent->length; r++)
        rows[r] = qv__array_is_null(parent, r) ? -1 : r;
    if (st == QV_OK)
        st = qv__array_take(child, rows, (size_t) parent->length, out, err);
    qv__free(rows);
    qv__array_unref(child);
    return st;
}

static qv_status source_value(const checking *c, const qv__field *field, const qv__array *rows, qv__array **out,
                              qv_error *err)
{
    size_t steps[QV_TYPE_MAX_DEPTH + 1], n = 0;
    qv__array *now = qv__array_ref(rows);

    if (!find_field(c->program->scope->fields[0].type, field, steps, 0, &n))
        n = 0;
    for (size_t d = 0; d < n; d++) {
        qv__array *child = NULL;
        qv_status st = child_of(now, steps[d], &child, err);
        qv__array_unref(now);
        QV_TRY(st);
        now = child;
    }
    *out = now;
    return QV_OK;
}

/* ------------------------------------------------------------------ pairs */

static qv_status gather_columns(checking *c, const qv__pairs *pairs, size_t first, size_t n, const qv__array *batch,
                                uint64_t start, qv__array **columns, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *source = NULL, *targets = NULL;
    size_t at = 0;

    QV_CHECK(qv__merge_take(batch, start, pairs->items + first, n, &source, err));
    if (c->n_targets > 0)
        QV_CHECK(qv__merge_targets(c->m, c->base, pairs, first, n, c->names, c->paths, c->n_targets, &targets, err));
    for (size_t i = 0; i < c->program->n_columns; i++) {
        const qv__expr_column *column = &c->program->columns[i];
        if (column->top == 0) {
            QV_CHECK(source_value(c, column->field, source, &columns[i], err));
            continue;
        }
        QV_CHECK(qv__array_slice(targets->children[at], targets->offset, targets->length, &columns[i], err));
        at++;
    }
done:
    qv__array_unref(source);
    qv__array_unref(targets);
    return st;
}

/* Checks pairs [first, first + n), whose source rows lie in one batch; those that stay are moved to *kept. */
static qv_status check_pairs(checking *c, qv__pairs *pairs, size_t first, size_t n, size_t number, size_t *kept,
                             qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *batch = NULL, **columns = NULL;
    uint8_t *selected = NULL;
    size_t n_selected;

    QV_CHECK(QV_NEW(&columns, QV_MAX(c->program->n_columns, 1), err));
    QV_CHECK(QV_NEW(&selected, qv__bitmap_bytes(n) + 8, err));
    QV_CHECK(qv__kept_batch(&c->m->source, number, &batch, err));
    QV_CHECK(gather_columns(c, pairs, first, n, batch, c->m->source.starts[number], columns, err));
    QV_CHECK(qv__program_filter(c->program, columns, n, NULL, selected, &n_selected, err));
    for (size_t i = 0; i < n; i++)
        if (qv__bit_get(selected, i))
            pairs->items[(*kept)++] = pairs->items[first + i];
done:
    for (size_t i = 0; columns && i < c->program->n_columns; i++)
        qv__array_unref(columns[i]);
    qv__free(columns);
    qv__free(selected);
    qv__array_unref(batch);
    return st;
}

qv_status qv__merge_filter(qv__merge_job *m, qv__snapshot *base, qv__pairs *pairs, qv_error *err)
{
    qv_status st = QV_OK;
    checking c = { .m = m, .base = base };
    qv__schema *scope = NULL;
    size_t kept = 0, number = 0;

    QV_CHECK(make_scope(m->source.schema, qv__snapshot_schema(base), &scope, err));
    QV_CHECK(qv__program_compile_filter(m->options->update_if, scope, &c.program, err));
    QV_CHECK(check_columns(c.program, err));
    QV_CHECK(list_targets(&c, err));
    for (size_t first = 0; first < pairs->n;) {
        size_t n = qv__merge_pairs_in_batch(m, pairs, first, &number);
        QV_CHECK(check_pairs(&c, pairs, first, n, number, &kept, err));
        QV_CHECK(qv__job_tick(m->job, 0, 0, err));
        first += n;
    }
    pairs->n = kept;
done:
    qv__free(c.names);
    qv__free(c.paths);
    qv__free(c.numbers);
    qv__program_unref(c.program);
    qv__schema_unref(scope);
    return st;
}
