/* Checks a whole file: the container was checked when it was opened; here every page of every column is decoded and the arrays
 * validated as if they came from a stranger, and rules are checked that reading alone does not need. A problem is told and the
 * check goes on with the next column. */
#include <inttypes.h>

#include "arrow/compute/compute.h"
#include "arrow/validate.h"
#include "file/read/read_private.h"

#define BATCH_BYTES ((uint64_t) 4 << 20)
#define BATCH_ROWS  ((uint64_t) 8192)

typedef struct check {
    qv__file *file;
    qv__problem_fn problem;
    void *ctx;
    qv__job *job;
} check;

/* What a damaged file can cause is told; what stops the check itself is passed on. */
static qv_status tell(const check *c, qv_status st, const qv_error *found, qv_error *err)
{
    if (st != QV_CORRUPT && st != QV_UNSUPPORTED && st != QV_INVALID && st != QV_LIMIT && st != QV_NOT_FOUND) {
        if (err)
            *err = *found;
        return st;
    }
    if (c->problem)
        c->problem(c->ctx, c->file->name, found->message);
    return QV_OK;
}

static void told(const check *c, const char *field, const char *what)
{
    qv_error found;

    qv__fail(&found, QV_CORRUPT, "field \"%.60s\": %s", field, what);
    if (c->problem)
        c->problem(c->ctx, c->file->name, found.message);
}

/* Rules of the versions that the pages' own bytes do not depend on. */
static void check_rules(const check *c, const qv__node *node)
{
    for (size_t i = 0; node->pages && i < node->n_pages; i++) {
        const qv__page21 *page = &node->pages[i];
        if (page->layout == QV_LAYOUT_MINI && page->has_large_chunks != (c->file->version.minor >= 2))
            told(c, node->name,
                 page->has_large_chunks ? "large chunks in a file before 2.2" : "small chunks in a file of 2.2");
        if (page->layout == QV_LAYOUT_CONSTANT && c->file->version.minor < 2 &&
            (page->has_inline_value || page->has_value_buffer || page->rep || page->def))
            told(c, node->name, "a constant value in a file before 2.2");
    }
    for (size_t i = 0; i < node->n_children; i++)
        check_rules(c, &node->children[i]);
}

/* Are rows found through an index that reading them together looks at only here and there? */
static bool has_index(const qv__node *node)
{
    for (size_t i = 0; node->pages && i < node->n_pages; i++)
        if (node->pages[i].has_index)
            return true;
    for (size_t i = 0; i < node->n_children; i++)
        if (has_index(&node->children[i]))
            return true;
    return false;
}

static qv_status check_apart(qv__column *column, uint64_t row, const qv__array *together, qv_error *err)
{
    qv__array *apart = NULL;

    if (!has_index(&column->root))
        return QV_OK;
    QV_TRY(qv__column_read_apart(column, row, (uint64_t) together->length, &apart, err));
    bool same = qv__array_equal(together, apart);
    qv__array_unref(apart);
    return same ? QV_OK
                : qv__fail(err, QV_CORRUPT,
                           "field \"%.60s\": rows [%" PRIu64 ", +%" PRId64 ") differ when each is looked up for itself",
                           column->field.name, row, together->length);
}

static qv_status check_rows(qv__column *column, const qv__shape *shape, uint64_t row, uint64_t n, qv_error *err)
{
    qv__array *array = NULL;

    QV_TRY(qv__column_read(column, row, n, &array, err));
    qv_status st = array->length == (int64_t) n
                       ? qv__array_validate(array, column->field.name, err)
                       : qv__fail(err, QV_CORRUPT, "field \"%.60s\": %" PRId64 " rows for %" PRIu64, column->field.name,
                                  array->length, n);
    if (st == QV_OK)
        st = check_apart(column, row, array, err);
    if (st == QV_OK)
        st = qv__shape_check(shape, column, row, array, err);
    qv__array_unref(array);
    return st;
}

/* The first status that is not QV_OK ends the column: what follows in it is no more believable. */
static qv_status check_all_rows(const check *c, qv__column *column, const qv__shape *shape, qv_error *err)
{
    uint64_t n;

    for (uint64_t row = 0; row < column->n_rows; row += n) {
        n = QV_MIN(QV_MIN(qv__column_page_end(column, row) - row, column->n_rows - row), BATCH_ROWS);
        uint64_t cost = qv__column_cost(column, row, n);
        if (cost > BATCH_BYTES)
            n = QV_MAX(n * BATCH_BYTES / cost, 1);
        QV_TRY(check_rows(column, shape, row, n, err));
        if (c->job)
            QV_TRY(qv__job_tick(c->job, 0, cost, err));
    }
    return QV_OK;
}

static qv_status check_column(const check *c, qv__column *column, qv_error *err)
{
    qv_error found = { 0 };
    qv__shape shape = { 0 };

    check_rules(c, &column->root);
    qv_status st = qv__shape_open(column, &shape, &found);
    if (st == QV_OK)
        st = check_all_rows(c, column, &shape, &found);
    qv__shape_free(&shape);
    return st == QV_OK ? QV_OK : tell(c, st, &found, err);
}

qv_status qv__file_verify(qv__file *file, qv__problem_fn problem, void *ctx, qv__job *job, qv_error *err)
{
    check c = { file, problem, ctx, job };

    for (size_t i = 0; i < file->schema->n_fields; i++) {
        qv_error found = { 0 };
        qv__column *column = NULL;
        qv_status st = qv__column_open(file, &file->schema->fields[i], NULL, &column, &found);
        if (st != QV_OK) {
            QV_TRY(tell(&c, st, &found, err));
            continue;
        }
        st = check_column(&c, column, err);
        qv__column_free(column);
        QV_TRY(st);
    }
    return QV_OK;
}
