/* A condition on its way through a query: text, program, index plan, steps; and the rows that it leaves, as bitmaps or a count. */
#include <string.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "query_private.h"

/* ------------------------------------------------------------------ making */

static qv_status plan_index(qv__filter *filter, qv__row_reader *reader, bool no_index, qv_error *err)
{
    qv__index_plan_options options = { .no_index = no_index };

    if (no_index)
        return QV_OK;
    QV_TRY(qv__snapshot_count_rows(reader->snapshot, &options.rows, err));
    return qv__index_plan_new(reader->snapshot, filter->program, &options, &filter->index, err);
}

qv_status qv__filter_from(qv__filter *filter, qv__row_reader *reader, const qv__program *program, bool no_index,
                          qv_error *err)
{
    int value;

    if (qv__program_is_constant(program, &value)) {
        filter->never = value != 1;
        return QV_OK;
    }
    filter->program = qv__program_ref(program);
    QV_TRY(qv__condition_new(qv__snapshot_schema(reader->snapshot), program, &reader->sources, &filter->full, err));
    return plan_index(filter, reader, no_index, err);
}

qv_status qv__filter_new(qv__filter *filter, qv__row_reader *reader, const char *where, bool no_index, qv_error *err)
{
    qv__schema *scope = NULL;
    qv__program *program = NULL;

    if (!where)
        return QV_OK;
    QV_TRY(qv__condition_scope(reader->snapshot, &scope, err));
    qv_status st = qv__program_compile_filter(where, scope, &program, err);
    if (st == QV_OK)
        st = qv__filter_from(filter, reader, program, no_index, err);
    qv__program_unref(program);
    qv__schema_unref(scope);
    return st;
}

void qv__filter_clear(qv__filter *filter)
{
    if (filter->has_found)
        qv__index_rows_clear(&filter->found);
    qv__index_plan_free(filter->index);
    qv__condition_clear(&filter->full);
    qv__condition_clear(&filter->recheck);
    qv__program_unref(filter->program);
    *filter = (qv__filter){ 0 };
}

/* All steps count for one operator. */
static void share_operator(qv__condition *condition, qv__operator *op)
{
    for (size_t i = 0; i < condition->n_steps; i++) {
        condition->steps[i].op = op;
        condition->steps[i].is_inner = i + 1 < condition->n_steps;
    }
}

qv_status qv__filter_start(qv__filter *filter, qv__row_reader *reader, qv__job *job, qv_error *err)
{
    if (!filter->index || filter->has_found)
        return QV_OK;
    qv__span span = qv__span_begin();
    QV_TRY(qv__index_plan_run(filter->index, job, &filter->found, err));
    filter->has_found = true;
    qv__operator *op = filter->op_index;
    if (op) {
        qv__span_end(&span, op, filter->found.n_rows);
        atomic_fetch_add(&op->comparisons, filter->found.comparisons);
        if (atomic_load(&op->bytes_read) == 0) /* pages that were in a cache */
            atomic_store(&op->bytes_read, filter->found.bytes_read);
        if (atomic_load(&op->io_calls) == 0)
            atomic_store(&op->io_calls, filter->found.pages_read);
    }
    if (!filter->found.recheck)
        return QV_OK;
    /* its columns are among those of the whole condition, so the sources stay as they are */
    QV_TRY(qv__condition_new(qv__snapshot_schema(reader->snapshot), filter->found.recheck, &reader->sources,
                             &filter->recheck, err));
    share_operator(&filter->recheck, filter->full.steps[0].op);
    return QV_OK;
}

/* ------------------------------------------------------------------ explaining */

static qv_status print_columns(const qv__condition *condition, const qv__sources *sources, qv__buffer *out,
                               qv_error *err)
{
    for (size_t i = 0; condition->n_steps > 0 && i < condition->steps[0].program->n_columns; i++)
        QV_TRY(qv__buffer_printf(out, err, "%s%s", i ? ", " : "", sources->items[condition->steps[0].inputs[i]].name));
    return QV_OK;
}

static qv_status plan_index_query(qv__filter *filter, qv__plan *plan, qv_error *err)
{
    static const char prefix[] = "ScalarIndexQuery: ";
    qv__buffer text;

    if (!filter->index)
        return QV_OK;
    qv__buffer_init(&text, 16 << 20);
    qv_status st = qv__index_plan_print(filter->index, &text, err);
    if (st == QV_OK)
        st = qv__buffer_append_zeros(&text, 1, err);
    const char *detail = (const char *) text.data;
    if (st == QV_OK && strncmp(detail, prefix, sizeof prefix - 1) == 0)
        detail += sizeof prefix - 1;
    if (st == QV_OK)
        st = qv__plan_add(&plan->physical, false, "ScalarIndexQuery", &filter->op_index, err, "%s", detail);
    qv__buffer_free(&text);
    return st;
}

static qv_status plan_steps(qv__filter *filter, qv__plan *plan, qv__buffer *text, qv_error *err)
{
    for (size_t i = 0; i < filter->full.n_steps; i++) {
        qv__step *step = &filter->full.steps[i];
        text->len = 0;
        QV_TRY(qv__expr_print(step->program, step->program->root, text, err));
        QV_TRY(qv__plan_add(&plan->physical, false, "FilterExec", &step->op, err, "%.*s", (int) text->len,
                            (const char *) text->data));
    }
    return QV_OK;
}

/* What an index leaves to be checked is known when it has answered; so beside an index all checks are one operator. */
static qv_status plan_check(qv__filter *filter, qv__plan *plan, const char *text, qv_error *err)
{
    qv__operator *op;

    QV_TRY(qv__plan_add(&plan->physical, false, "FilterExec", &op, err, "%s", text));
    share_operator(&filter->full, op);
    return QV_OK;
}

qv_status qv__filter_plan(qv__filter *filter, const qv__row_reader *reader, qv__plan *plan, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n_fragments = qv__snapshot_n_fragments(reader->snapshot);
    qv__buffer text, columns;

    qv__buffer_init(&text, 64 << 20);
    qv__buffer_init(&columns, 1 << 20);
    QV_CHECK(plan_index_query(filter, plan, err));
    QV_CHECK(qv__plan_add(&plan->logical, true, "TableScan", NULL, err, "version=%llu, fragments=%zu",
                          (unsigned long long) qv__snapshot_version(reader->snapshot), n_fragments));
    if (!filter->program) {
        QV_CHECK(qv__plan_add(&plan->physical, false, "LanceRead", &filter->op_read, err,
                              "num_fragments=%zu, full_filter=%s, refine_filter=%s", n_fragments,
                              filter->never ? "false" : "--", "--"));
        if (filter->never)
            QV_CHECK(qv__plan_add(&plan->logical, true, "Filter", NULL, err, "false"));
        goto done;
    }
    QV_CHECK(qv__expr_print(filter->program, filter->program->root, &text, err));
    QV_CHECK(qv__buffer_append_zeros(&text, 1, err));
    QV_CHECK(print_columns(&filter->full, &reader->sources, &columns, err));
    QV_CHECK(qv__buffer_append_zeros(&columns, 1, err));
    QV_CHECK(qv__plan_add(&plan->logical, true, "Filter", NULL, err, "%s", (const char *) text.data));
    QV_CHECK(qv__plan_add(&plan->physical, false, "LanceRead", &filter->op_read, err,
                          "projection=[%s], num_fragments=%zu, full_filter=%s, refine_filter=%s",
                          (const char *) columns.data, n_fragments, (const char *) text.data,
                          filter->index ? "--" : (const char *) text.data));
    QV_CHECK(filter->index ? plan_check(filter, plan, (const char *) text.data, err)
                           : plan_steps(filter, plan, &text, err));
done:
    qv__buffer_free(&text);
    qv__buffer_free(&columns);
    return st;
}

/* ------------------------------------------------------------------ matching rows */

enum { MATCH_WINDOW = 256 };

typedef struct matching {
    const qv__row_reader *reader;
    const qv__filter *filter;
    qv__job *job;
    bool count_only;
    size_t n_morsels;
    qv__morsel morsels[MATCH_WINDOW];
} matching;

static qv_status match_morsel(void *ctx, size_t task, qv_error *err)
{
    matching *m = ctx;
    qv__morsel *morsel = &m->morsels[task];
    const uint64_t *list;

    QV_TRY(qv__job_tick(m->job, morsel->rows.count, 0, err));
    if (morsel->condition)
        QV_TRY(qv__select(&(qv__selecting){ .condition = morsel->condition }, &morsel->rows, err));
    if (!m->count_only && !qv__rows_are_all(&morsel->rows))
        QV_TRY(qv__rows_list(&morsel->rows, &list, err));
    return QV_OK;
}

static qv_status add_rows(qv__matches *out, const qv__rows *rows, uint32_t *scratch, qv_error *err)
{
    roaring_bitmap_t **bitmap = &out->rows[rows->from->index];

    if (rows->count == 0)
        return QV_OK;
    if (!*bitmap && !(*bitmap = roaring_bitmap_create()))
        return qv__fail_nomem(err, sizeof **bitmap);
    if (qv__rows_are_all(rows))
        roaring_bitmap_add_range(*bitmap, rows->row, rows->row + rows->n);
    else {
        for (size_t i = 0; i < rows->count; i++)
            scratch[i] = (uint32_t) rows->list[i];
        roaring_bitmap_add_many(*bitmap, rows->count, scratch);
    }
    return QV_OK;
}

static void clear_morsels(matching *m)
{
    for (size_t i = 0; i < m->n_morsels; i++)
        qv__rows_clear(&m->morsels[i].rows);
    m->n_morsels = 0;
}

static qv_status next_window(matching *m, qv__walk *walk, qv_error *err)
{
    bool found = true;

    clear_morsels(m);
    while (m->n_morsels < MATCH_WINDOW) {
        QV_TRY(qv__walk_next(walk, &m->morsels[m->n_morsels], &found, err));
        if (!found)
            break;
        m->n_morsels++;
    }
    return qv__parallel_for(m->n_morsels, qv__job_threads(m->job), match_morsel, m, err);
}

/* Counts into out->n_rows, and collects into out->rows unless only a count is wanted. */
static qv_status match_all(matching *m, qv__matches *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__walk walk;
    uint32_t *scratch = NULL;
    size_t capacity = 0;

    qv__walk_begin(&walk, m->reader, m->filter);
    do {
        QV_CHECK(next_window(m, &walk, err));
        for (size_t i = 0; i < m->n_morsels; i++) {
            const qv__rows *rows = &m->morsels[i].rows;
            out->n_rows += rows->count;
            if (m->count_only)
                continue;
            QV_CHECK(QV_GROW(&scratch, &capacity, QV_MAX(rows->count, 1), err));
            QV_CHECK(add_rows(out, rows, scratch, err));
        }
    } while (m->n_morsels > 0);
done:
    clear_morsels(m);
    qv__walk_end(&walk);
    qv__free(scratch);
    return st;
}

static qv_status match(qv__row_reader *reader, qv__filter *filter, qv__job *job, bool count_only, qv__matches *out,
                       qv_error *err)
{
    matching *m = NULL; /* large */

    QV_TRY(qv__filter_start(filter, reader, job, err));
    QV_TRY(QV_NEW(&m, 1, err));
    m->reader = reader;
    m->filter = filter;
    m->job = job;
    m->count_only = count_only;
    qv_status st = match_all(m, out, err);
    qv__free(m);
    return st;
}

qv_status qv__filter_match(qv__filter *filter, qv__row_reader *reader, qv__job *job, qv__matches *out, qv_error *err)
{
    qv__matches matches = { .n_fragments = qv__snapshot_n_fragments(reader->snapshot) };

    QV_TRY(QV_NEW(&matches.rows, QV_MAX(matches.n_fragments, 1), err));
    qv_status st = match(reader, filter, job, false, &matches, err);
    if (st == QV_OK)
        *out = matches;
    else
        qv__matches_clear(&matches);
    return st;
}

qv_status qv__match_rows(qv__snapshot *snapshot, const qv__program *condition, bool no_index, qv__job *job,
                         qv__matches *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__row_reader reader = { .snapshot = qv__snapshot_ref(snapshot) };
    qv__filter filter = { 0 };

    if (condition)
        QV_CHECK(qv__filter_from(&filter, &reader, condition, no_index, err));
    QV_CHECK(qv__row_reader_prepare(&reader, err));
    QV_CHECK(qv__filter_match(&filter, &reader, job, out, err));
done:
    qv__filter_clear(&filter);
    qv__row_reader_clear(&reader);
    return st;
}

void qv__matches_clear(qv__matches *matches)
{
    for (size_t i = 0; matches->rows && i < matches->n_fragments; i++)
        if (matches->rows[i])
            roaring_bitmap_free(matches->rows[i]);
    qv__free(matches->rows);
    *matches = (qv__matches){ 0 };
}

qv_status qv__count_where(qv__snapshot *snapshot, const char *where, const qv_job *options, uint64_t *out,
                          qv_error *err)
{
    qv_status st = QV_OK;
    qv__matches counted = { 0 };
    qv__row_reader reader = { .snapshot = qv__snapshot_ref(snapshot) };
    qv__filter filter = { 0 };
    qv__job job;

    qv__job_begin(&job, options, "count", 0);
    QV_CHECK(qv__job_tick(&job, 0, 0, err));
    QV_CHECK(qv__filter_new(&filter, &reader, where, false, err));
    if (qv__filter_is_empty(&filter))
        QV_CHECK(qv__snapshot_count_rows(snapshot, &counted.n_rows, err));
    else {
        QV_CHECK(qv__row_reader_prepare(&reader, err));
        QV_CHECK(match(&reader, &filter, &job, true, &counted, err));
    }
    *out = counted.n_rows;
done:
    st = qv__query_failed(st, err);
    qv__job_end(&job, st);
    qv__filter_clear(&filter);
    qv__row_reader_clear(&reader);
    return st;
}
