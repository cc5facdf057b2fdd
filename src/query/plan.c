/* The operators of a query as data: what explain prints, and where a query that runs counts what it does.
 *
 *     LimitExec: skip=0, fetch=10, metrics=[output_rows=10, elapsed_compute=1.20ms, ...]
 *       FilterExec: ("scale" > 16), metrics=[...]
 *         LanceRead: ...
 *
 * Each operator has one input at most, so a tree is a chain; the root comes first. */
#include "query_private.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/job.h"
#include "io/store.h"
#include "json/json.h"

/* ------------------------------------------------------------------ building */

qv_status qv__plan_add(qv__operator **top, bool is_logical, const char *name, qv__operator **out, qv_error *err,
                       const char *format, ...)
{
    qv__operator *op = NULL;
    va_list args;

    QV_TRY(QV_NEW(&op, 1, err));
    op->name = name;
    op->is_logical = is_logical;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    op->detail = qv__alloc((size_t) QV_MAX(len, 0) + 1, 1);
    if (!op->detail) {
        qv__free(op);
        return qv__fail_nomem(err, (size_t) len + 1);
    }
    va_start(args, format);
    vsnprintf(op->detail, (size_t) QV_MAX(len, 0) + 1, format, args);
    va_end(args);
    op->input = *top;
    *top = op;
    if (out)
        *out = op;
    return QV_OK;
}

qv_status qv__plan_note(qv__operator *op, qv_error *err, const char *format, ...)
{
    va_list args;
    size_t had = strlen(op->detail);

    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *longer = qv__realloc(op->detail, had + (size_t) QV_MAX(len, 0) + 1, 1);
    if (!longer)
        return qv__fail_nomem(err, had + (size_t) len + 1);
    va_start(args, format);
    vsnprintf(longer + had, (size_t) QV_MAX(len, 0) + 1, format, args);
    va_end(args);
    op->detail = longer;
    return QV_OK;
}

static void free_tree(qv__operator *op)
{
    while (op) {
        qv__operator *input = op->input;
        qv__free(op->detail);
        qv__free(op);
        op = input;
    }
}

void qv__plan_clear(qv__plan *plan)
{
    free_tree(plan->logical);
    free_tree(plan->physical);
    *plan = (qv__plan){ 0 };
}

/* ------------------------------------------------------------------ counting */

qv__span qv__span_begin(void)
{
    qv__io_count io = qv__io_counted();
    return (qv__span){ qv__now_ns(), io.bytes, io.calls };
}

void qv__span_end(const qv__span *span, qv__operator *op, uint64_t rows)
{
    if (!op)
        return;
    qv__io_count io = qv__io_counted();
    atomic_fetch_add_explicit(&op->rows, rows, memory_order_relaxed);
    atomic_fetch_add_explicit(&op->time_ns, (uint64_t) (qv__now_ns() - span->began_ns), memory_order_relaxed);
    atomic_fetch_add_explicit(&op->bytes_read, io.bytes - span->bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&op->io_calls, io.calls - span->calls, memory_order_relaxed);
}

/* ------------------------------------------------------------------ text */

static qv_status print_metrics(const qv__operator *op, qv__buffer *out, qv_error *err)
{
    return qv__buffer_printf(
        out, err, "metrics=[output_rows=%llu, elapsed_compute=%.3fms, bytes_read=%llu, iops=%llu, comparisons=%llu]",
        (unsigned long long) atomic_load(&op->rows), (double) atomic_load(&op->time_ns) * 1e-6,
        (unsigned long long) atomic_load(&op->bytes_read), (unsigned long long) atomic_load(&op->io_calls),
        (unsigned long long) atomic_load(&op->comparisons));
}

static qv_status print_tree(const qv__operator *op, unsigned depth, bool with_metrics, qv__buffer *out, qv_error *err)
{
    for (; op; op = op->input, depth++) {
        QV_TRY(qv__buffer_printf(out, err, "%*s%s", (int) (2 * depth), "", op->name));
        if (op->detail[0])
            QV_TRY(qv__buffer_printf(out, err, ": %s", op->detail));
        if (with_metrics) {
            QV_TRY(qv__buffer_printf(out, err, op->detail[0] ? ", " : ": "));
            QV_TRY(print_metrics(op, out, err));
        }
        QV_TRY(qv__buffer_append(out, "\n", 1, err));
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ JSON */

static qv_status print_json(const qv__operator *op, bool with_metrics, qv__buffer *out, qv_error *err)
{
    size_t depth = 0;

    for (; op; op = op->input, depth++) {
        QV_TRY(
            qv__buffer_printf(out, err, "%s{\"operator\":\"%s\",\"detail\":", depth ? ",\"inputs\":[" : "", op->name));
        QV_TRY(qv__json_quote(op->detail, strlen(op->detail), out, err));
        if (with_metrics)
            QV_TRY(qv__buffer_printf(
                out, err,
                ",\"metrics\":{\"output_rows\":%llu,\"elapsed_compute_ns\":%llu,\"bytes_read\":%llu,\"iops\":%llu,"
                "\"comparisons\":%llu}",
                (unsigned long long) atomic_load(&op->rows), (unsigned long long) atomic_load(&op->time_ns),
                (unsigned long long) atomic_load(&op->bytes_read), (unsigned long long) atomic_load(&op->io_calls),
                (unsigned long long) atomic_load(&op->comparisons)));
    }
    for (size_t i = 0; i < depth; i++)
        QV_TRY(qv__buffer_printf(out, err, i + 1 < depth ? "}]" : "}"));
    return QV_OK;
}

qv_status qv__plan_print(const qv__plan *plan, int64_t elapsed_ns, bool as_json, qv__buffer *out, qv_error *err)
{
    bool ran = elapsed_ns >= 0;

    if (as_json) {
        QV_TRY(qv__buffer_printf(out, err, "{\"analyzed\":%s,", ran ? "true" : "false"));
        if (ran)
            QV_TRY(qv__buffer_printf(out, err, "\"elapsed_ns\":%lld,", (long long) elapsed_ns));
        QV_TRY(qv__buffer_printf(out, err, "\"physical\":"));
        QV_TRY(print_json(plan->physical, ran, out, err));
        QV_TRY(qv__buffer_printf(out, err, ",\"logical\":"));
        QV_TRY(print_json(plan->logical, false, out, err));
        return qv__buffer_append(out, "}", 1, err);
    }
    if (ran)
        QV_TRY(qv__buffer_printf(out, err, "AnalyzeExec verbose=true, elapsed=%.3fms, metrics=[]\n",
                                 (double) elapsed_ns * 1e-6));
    QV_TRY(print_tree(plan->physical, ran ? 1 : 0, ran, out, err));
    QV_TRY(qv__buffer_printf(out, err, "Logical plan:\n"));
    return print_tree(plan->logical, 1, false, out, err);
}
