/* The BTREE as a kind, and its care. */
#include <inttypes.h>
#include <stdio.h>

#include "index/scalar/btree_private.h"

qv_status qv__btree_describe(qv__segment *segment, qv__buffer *json, qv_error *err)
{
    const qv__btree *b = (const qv__btree *) segment;

    return qv__buffer_printf(
        json, err, "\"num_pages\":%zu,\"num_rows\":%" PRIu64 ",\"num_nulls\":%" PRIu64 ",\"batch_size\":%" PRIu64,
        b->n_pages, b->rows, b->rows - (b->end_value - b->first_value), b->page_rows);
}

/* Open files are mapped, and the lookup table is in memory: what is left is the system's page cache. */
qv_status qv__btree_prewarm(qv__segment *segment, qv_error *err)
{
    qv__btree *b = (qv__btree *) segment;
    qv__array *array = NULL;

    for (uint64_t at = 0; at < b->rows; at += b->page_rows) {
        uint64_t n = QV_MIN(b->page_rows, b->rows - at);
        QV_TRY(qv__column_read(b->values, at, n, &array, err));
        qv__array_unref(array);
        QV_TRY(qv__column_read(b->ids, at, n, &array, err));
        qv__array_unref(array);
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ verifying */

typedef struct checker {
    qv__btree *b;
    qv__problem_fn problem;
    void *ctx;
    qv__array *before; /* the page before */
} checker;

static void tell_page(checker *c, size_t page, const char *what)
{
    char text[128];

    snprintf(text, sizeof text, "page %zu %s", page, what);
    c->problem(c->ctx, QV_BTREE_DATA, text);
}

static bool same_value(const qv__array *a, int64_t i, const qv__array *b, int64_t j)
{
    bool x = qv__array_is_null(a, i), y = qv__array_is_null(b, j);

    return x || y ? x == y : qv__order_compare(a, i, b, j) == 0;
}

static bool is_ascending(const qv__array *before, int64_t i, const qv__array *values, int64_t j)
{
    return qv__array_is_null(before, i) || qv__array_is_null(values, j) || qv__order_compare(before, i, values, j) <= 0;
}

static void check_page(checker *c, size_t page, const qv__array *values)
{
    const qv__btree *b = c->b;
    int64_t n = values->length, at = (int64_t) page;
    bool ordered = !c->before || is_ascending(c->before, c->before->length - 1, values, 0), placed = true;

    for (int64_t i = 0; i < n; i++) {
        uint64_t row = page * b->page_rows + (uint64_t) i;
        placed &= qv__array_is_null(values, i) == (row < b->first_value || row >= b->end_value);
        ordered &= !i || is_ascending(values, i - 1, values, i);
    }
    if (!ordered)
        tell_page(c, page, "is out of order");
    if (!placed)
        tell_page(c, page, "has its nulls elsewhere than the lookup table says");
    if (!same_value(values, 0, b->lows, at) || !same_value(values, n - 1, b->highs, at))
        tell_page(c, page, "has other bounds than the lookup table says");
}

qv_status qv__btree_verify(qv__segment *segment, qv__problem_fn problem, void *ctx, qv_error *err)
{
    qv__btree *b = (qv__btree *) segment;
    checker c = { b, problem, ctx, NULL };
    qv__job job;
    qv__array *values = NULL;
    qv_status st = QV_OK;

    qv__job_begin(&job, NULL, "verify", 0);
    QV_CHECK(qv__file_verify(b->data, problem, ctx, &job, err));
    QV_CHECK(qv__file_verify(b->lookup, problem, ctx, &job, err));
    for (size_t page = 0; page < b->n_pages; page++) {
        uint64_t at = page * b->page_rows;
        QV_CHECK(qv__column_read(b->values, at, QV_MIN(b->page_rows, b->rows - at), &values, err));
        check_page(&c, page, values);
        qv__array_unref(c.before);
        c.before = values;
        values = NULL;
    }
done:
    qv__array_unref(c.before);
    qv__job_end(&job, st);
    return st;
}

const qv__index_method qv__btree_kind = { .kind = QV_INDEX_BTREE,
                                          .display = "BTree",
                                          .stats = "BTREE",
                                          .type_url = "/lance.table.BTreeIndexDetails",
                                          .max_version = 1,
                                          .by_address = true,
                                          .address_version = 1,
                                          .remaps = true,
                                          .can_index = qv__can_order,
                                          .can_ask = qv__can_ask_ordered,
                                          .build = qv__btree_build,
                                          .merge = qv__btree_merge,
                                          .open = qv__btree_open,
                                          .close = qv__btree_close,
                                          .ask = qv__btree_ask,
                                          .estimate = qv__btree_estimate,
                                          .describe = qv__btree_describe,
                                          .prewarm = qv__btree_prewarm,
                                          .verify = qv__btree_verify };
