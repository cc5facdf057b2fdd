/* Running a plan: each question goes to every segment of its index, and what they answer becomes one bitmap of physical rows per fragment.
 * A fragment that a question cannot speak for is not covered by it; an AND takes what the other side says of it (and checks the rows), an
 * OR gives the fragment back to the scan. */
#include "index/index_private.h"

#define FEW_ROWS  256  /* so few are checked one by one rather than ... */
#define MANY_ROWS 4096 /* ... intersected with so many */

typedef struct found {
    bool *covered;           /* per fragment */
    roaring_bitmap_t **rows; /* per fragment; NULL: none */
} found;

typedef struct runner {
    qv__index_plan *plan;
    qv__job *job;
    qv__index_rows *out; /* costs are counted here */
    size_t n;            /* fragments */
    bool is_degraded;    /* something was less sure than planned */
} runner;

static void found_clear(found *f, size_t n)
{
    for (size_t i = 0; f->rows && i < n; i++)
        if (f->rows[i])
            roaring_bitmap_free(f->rows[i]);
    qv__free((void *) f->rows);
    qv__free(f->covered);
    *f = (found){ 0 };
}

static qv_status found_init(found *f, size_t n, qv_error *err)
{
    QV_TRY(QV_NEW(&f->covered, n, err));
    return QV_NEW(&f->rows, n, err);
}

static uint64_t count_rows(const found *f, size_t n)
{
    uint64_t rows = 0;

    for (size_t i = 0; i < n; i++)
        rows += f->rows[i] ? roaring_bitmap_get_cardinality(f->rows[i]) : 0;
    return rows;
}

/* ------------------------------------------------------------------ one question, one segment */

static void count_cost(runner *r, const qv__answer *answer)
{
    r->out->comparisons += answer->comparisons;
    r->out->pages_read += answer->pages_read;
    r->out->bytes_read += answer->bytes_read;
}

/* All rows of the segment's fragments but those that are true or null. *known false: the nulls are not known. */
static qv_status complement(runner *r, const qv__plan_segment *segment, qv__answer *answer, roaring_bitmap_t **rows,
                            const qv__place *place, bool *known, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__ask is_null = { .kind = QV_ASK_IS_NULL };
    qv__answer nulls = { 0 };

    *known = answer->knows_nulls;
    if (!answer->knows_nulls) {
        QV_CHECK(segment->opened->kind->ask(segment->opened->segment, &is_null, r->job, &nulls, err));
        count_cost(r, &nulls);
        *known = nulls.certainty == QV_EXACT;
    }
    if (!*known)
        goto done;
    QV_CHECK(qv__place_rows(place, &answer->rows, err));
    QV_CHECK(qv__place_rows(place, answer->knows_nulls ? &answer->nulls : &nulls.rows, err));
    for (size_t i = 0; i < r->n; i++) {
        uint64_t n = qv__snapshot_fragment(r->plan->snapshot, i)->physical_rows;
        if (!segment->covered[i] || !n)
            continue;
        if (!rows[i] && !(rows[i] = roaring_bitmap_create()))
            QV_CHECK(qv__fail_nomem(err, sizeof *rows[i]));
        roaring_bitmap_flip_inplace(rows[i], 0, n);
    }
done:
    qv__answer_clear(&nulls);
    return st;
}

/* Segments cover different fragments; where they do not, the first one speaks. */
static qv_status ask_segment(runner *r, const qv__ask_node *node, const qv__plan_segment *segment, const qv__ask *ask,
                             found *f, qv_error *err)
{
    qv_status st = QV_OK;
    qv__answer answer = { 0 };
    found part = { 0 };
    bool known = true;

    QV_CHECK(found_init(&part, r->n, err));
    QV_CHECK(segment->opened->kind->ask(segment->opened->segment, ask, r->job, &answer, err));
    count_cost(r, &answer);
    if (answer.certainty == QV_NO_IDEA || (node->negated && answer.certainty != QV_EXACT))
        goto done;
    const qv__place place = { r->plan->snapshot, r->plan->reuse, segment->addresses, segment->covered, part.rows };
    if (node->negated)
        QV_CHECK(complement(r, segment, &answer, part.rows, &place, &known, err));
    else
        QV_CHECK(qv__place_rows(&place, &answer.rows, err));
    for (size_t i = 0; i < r->n && known; i++) {
        if (!segment->covered[i] || f->covered[i])
            continue;
        f->covered[i] = true;
        f->rows[i] = part.rows[i];
        part.rows[i] = NULL;
    }
    r->is_degraded |= node->is_exact && answer.certainty != QV_EXACT;
done:
    qv__answer_clear(&answer);
    found_clear(&part, r->n);
    return st;
}

/* What a damaged file says is no answer: its fragments are scanned. */
static qv_status ask_index(runner *r, const qv__ask_node *node, found *f, qv_error *err)
{
    qv__ask ask = node->ask;
    uint64_t most = r->plan->most_rows;

    for (size_t i = 0; i < node->index->n; i++) {
        const qv__plan_segment *segment = qv__plan_segment_of(r->plan, node->index, i);
        if (!segment->opened)
            continue;
        uint64_t rows = most ? count_rows(f, r->n) : 0;
        ask.most_rows = most > rows ? most - rows : most ? 1 : 0;
        qv_status st = ask_segment(r, node, segment, &ask, f, err);
        if (st == QV_CORRUPT)
            qv__segment_forget(r->plan->snapshot, node->index->entries[i], err);
        else
            QV_TRY(st);
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ several questions */

static qv_status run_node(runner *r, const qv__ask_node *node, found *f, qv_error *err);

static void drop_rows(found *f, size_t i)
{
    if (f->rows[i])
        roaring_bitmap_free(f->rows[i]);
    f->rows[i] = NULL;
}

/* Of fragments that one side does not cover the other one's rows are all that is known. */
static void intersect(runner *r, found *f, found *other)
{
    for (size_t i = 0; i < r->n; i++) {
        if (f->covered[i] && other->covered[i]) {
            if (f->rows[i] && other->rows[i]) {
                roaring_bitmap_and_inplace(f->rows[i], other->rows[i]);
            } else {
                drop_rows(f, i);
            }
            continue;
        }
        r->is_degraded |= f->covered[i] || other->covered[i];
        if (other->covered[i]) {
            f->covered[i] = true;
            f->rows[i] = other->rows[i];
            other->rows[i] = NULL;
        }
    }
}

/* Fragments that one side does not cover are given back, and with them what the other one found there. */
static void unite(runner *r, found *f, found *other)
{
    for (size_t i = 0; i < r->n; i++) {
        f->covered[i] &= other->covered[i];
        if (!f->covered[i]) {
            drop_rows(f, i);
        } else if (f->rows[i] && other->rows[i]) {
            roaring_bitmap_or_inplace(f->rows[i], other->rows[i]);
        } else if (other->rows[i]) {
            f->rows[i] = other->rows[i];
            other->rows[i] = NULL;
        }
    }
}

static bool covers_all(const found *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!f->covered[i])
            return false;
    return true;
}

static qv_status run_chain(runner *r, const qv__ask_node *node, found *f, qv_error *err)
{
    qv_status st = QV_OK;
    found next = { 0 };

    QV_CHECK(run_node(r, node->children[0], f, err));
    for (size_t i = 1; i < node->n; i++) {
        if (node->kind == QV_PLAN_AND && node->children[i]->estimate > MANY_ROWS && covers_all(f, r->n) &&
            count_rows(f, r->n) <= FEW_ROWS) {
            r->is_degraded = true;
            break;
        }
        QV_CHECK(run_node(r, node->children[i], &next, err));
        if (node->kind == QV_PLAN_AND)
            intersect(r, f, &next);
        else
            unite(r, f, &next);
        found_clear(&next, r->n);
    }
done:
    found_clear(&next, r->n);
    return st;
}

static qv_status run_node(runner *r, const qv__ask_node *node, found *f, qv_error *err)
{
    if (node->kind != QV_PLAN_ASK)
        return run_chain(r, node, f, err);
    QV_TRY(found_init(f, r->n, err));
    return ask_index(r, node, f, err);
}

/* ------------------------------------------------------------------ the answer */

void qv__index_rows_clear(qv__index_rows *rows)
{
    for (size_t i = 0; rows->rows && i < rows->n_fragments; i++)
        if (rows->rows[i])
            roaring_bitmap_free(rows->rows[i]);
    qv__free((void *) rows->rows);
    *rows = (qv__index_rows){ 0 };
}

/* Covered fragments get a bitmap, be it empty. */
static qv_status give_out(runner *r, found *f, qv_error *err)
{
    qv__index_rows *out = r->out;

    out->n_fragments = r->n;
    QV_TRY(QV_NEW(&out->rows, r->n, err));
    for (size_t i = 0; i < r->n; i++) {
        if (!f->covered[i])
            continue;
        out->rows[i] = f->rows[i] ? f->rows[i] : roaring_bitmap_create();
        f->rows[i] = NULL;
        if (!out->rows[i])
            return qv__fail_nomem(err, sizeof *out->rows[i]);
        out->n_rows += roaring_bitmap_get_cardinality(out->rows[i]);
    }
    return QV_OK;
}

qv_status qv__index_plan_run(qv__index_plan *plan, qv__job *job, qv__index_rows *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__index_rows answer = { 0 };
    runner r = { plan, job, &answer, qv__snapshot_n_fragments(plan->snapshot), false };
    found f = { 0 };

    QV_CHECK(run_node(&r, plan->root, &f, err));
    QV_CHECK(give_out(&r, &f, err));
    /* what was not as sure as planned is held against the whole condition */
    answer.recheck = r.is_degraded ? plan->condition : plan->recheck;
    *out = answer;
    answer = (qv__index_rows){ 0 };
done:
    found_clear(&f, r.n);
    qv__index_rows_clear(&answer);
    return st;
}
