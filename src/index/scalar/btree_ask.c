/* Asking a BTREE. A question becomes spans of values, a span a range of rows of the sorted run; only the pages where a range begins and
 * ends are looked into, and only the row ids of the range are read. */
#include "base/alloc.h"
#include "index/scalar/btree_private.h"

#define FETCH_ROWS 65536
#define FEW_VALUES 16 /* so many are found without the keys of a whole page */
#define VALUE_COST 32 /* finding a value of a list costs about as much as fetching so many row ids ... */
#define KEY_COST   12 /* ... when its key says all */

/* One question's work: the page that was decoded last, and ranges whose row ids are still to be fetched. */
typedef struct search {
    qv__btree *b;
    qv__job *job;
    qv__answer *answer;
    size_t page;        /* of `values` */
    qv__array *values;  /* of the page's rows that are not null; NULL: none yet */
    uint64_t first_row; /* of `values` */
    uint64_t *keys;     /* of `values`, for lists of types whose key says all; else NULL */
    struct range {
        uint64_t from, to;
    } * ranges; /* ascending, of neighbouring pages */
    size_t n_ranges, capacity;
    uint64_t n_rows; /* in all ranges so far */
} search;

static void search_clear(search *s)
{
    qv__array_unref(s->values);
    qv__free(s->keys);
    qv__free(s->ranges);
}

/* ------------------------------------------------------------------ finding rows */

static int compare(search *s, const qv__array *a, int64_t i, const qv__probe *probe)
{
    s->answer->comparisons++;
    return qv__probe_compare(a, i, probe);
}

static bool page_is_before(search *s, size_t page, const qv__probe *probe, bool past)
{
    return !qv__array_is_null(s->b->highs, (int64_t) page) &&
           compare(s, s->b->highs, (int64_t) page, probe) < (past ? 1 : 0);
}

/* The first page that ends with the probe or after it (`past`: after it). Pages without values at the end count as such. Lists ask in
 * ascending order: the page that was looked into last is mostly the one again. */
static size_t find_page(search *s, const qv__probe *probe, bool past)
{
    qv__btree *b = s->b;
    size_t low = (size_t) (b->first_value / b->page_rows), end = b->n_pages;

    if (s->values && (s->page == low || page_is_before(s, s->page - 1, probe, past))) {
        low = s->page;
        if (!page_is_before(s, low, probe, past))
            return low;
    }
    while (low < end) {
        size_t middle = low + (end - low) / 2;
        if (page_is_before(s, middle, probe, past))
            low = middle + 1;
        else
            end = middle;
    }
    return low;
}

static qv_status load_page(search *s, size_t page, qv_error *err)
{
    qv__btree *b = s->b;
    uint64_t first = QV_MAX(page * b->page_rows, b->first_value), end = QV_MIN((page + 1) * b->page_rows, b->end_value);

    if (s->values && s->page == page)
        return QV_OK;
    qv__array_unref(s->values);
    s->values = NULL;
    QV_TRY(qv__column_read(b->values, first, end - first, &s->values, err));
    if (s->values->null_count)
        return qv__fail(err, QV_CORRUPT, "%s: page %zu has nulls among its values", QV_BTREE_DATA, page);
    if (s->keys)
        qv__order_keys(s->values, 0, (size_t) (end - first), s->keys);
    s->page = page;
    s->first_row = first;
    s->answer->pages_read++;
    s->answer->bytes_read += qv__column_cost(b->values, first, end - first);
    return QV_OK;
}

static int64_t seek_value(search *s, const qv__probe *probe, bool past)
{
    int64_t low = 0, end = s->values->length;

    while (low < end) {
        int64_t middle = low + (end - low) / 2;
        if (compare(s, s->values, middle, probe) < (past ? 1 : 0))
            low = middle + 1;
        else
            end = middle;
    }
    return low;
}

/* The same without branches. */
static int64_t seek_key(search *s, uint64_t key, bool past)
{
    const uint64_t *at = s->keys;
    size_t n = (size_t) s->values->length;

    s->answer->comparisons += 13;
    while (n > 1) {
        size_t half = n / 2;
        at += (past ? at[half - 1] <= key : at[half - 1] < key) ? half : 0;
        n -= half;
    }
    return at - s->keys + (n && (past ? *at <= key : *at < key));
}

/* The first row whose value is the probe or comes after it (`past`: comes after it). */
static qv_status seek(search *s, const qv__probe *probe, bool past, uint64_t *row, qv_error *err)
{
    qv__btree *b = s->b;
    size_t page = find_page(s, probe, past);

    *row = b->end_value;
    if (page >= b->n_pages || page * b->page_rows >= b->end_value)
        return QV_OK;
    *row = QV_MAX(page * b->page_rows, b->first_value);
    if (!qv__array_is_null(b->lows, (int64_t) page) && compare(s, b->lows, (int64_t) page, probe) >= (past ? 1 : 0))
        return QV_OK; /* before the page's first value */
    QV_TRY(load_page(s, page, err));
    *row = s->first_row + (uint64_t) (s->keys ? seek_key(s, probe->key, past) : seek_value(s, probe, past));
    return QV_OK;
}

static qv_status span_rows(search *s, const qv__value_span *span, struct range *out, qv_error *err)
{
    *out = (struct range){ s->b->first_value, s->b->end_value };
    if (span->has_low)
        QV_TRY(seek(s, &span->low, span->low_open, &out->from, err));
    if (span->has_high)
        QV_TRY(seek(s, &span->high, !span->high_open, &out->to, err));
    return QV_OK;
}

/* ------------------------------------------------------------------ fetching row ids */

static qv_status read_ids(search *s, uint64_t from, uint64_t n, qv__array **out, qv_error *err)
{
    QV_TRY(qv__column_read(s->b->ids, from, n, out, err));
    s->answer->bytes_read += qv__column_cost(s->b->ids, from, n);
    if ((*out)->null_count)
        return qv__fail(err, QV_CORRUPT, "%s: row ids are null", QV_BTREE_DATA);
    return QV_OK;
}

/* A long range, piece by piece. */
static qv_status fetch_range(search *s, struct range r, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *ids = NULL;

    while (r.from < r.to) {
        uint64_t n = QV_MIN(r.to - r.from, FETCH_ROWS);
        QV_CHECK(read_ids(s, r.from, n, &ids, err));
        QV_CHECK(qv__row_set_add_many(&s->answer->rows, qv__array_values(ids), (size_t) n, err));
        QV_CHECK(qv__job_tick(s->job, 0, 0, err));
        qv__array_unref(ids);
        ids = NULL;
        r.from += n;
    }
done:
    qv__array_unref(ids);
    return st;
}

/* Ranges that lie close together are read at once. */
static qv_status fetch_pending(search *s, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *ids = NULL;
    uint64_t *chosen = NULL;
    size_t n = 0;

    if (s->n_ranges == 1) {
        s->n_ranges = 0;
        return fetch_range(s, s->ranges[0], err);
    }
    if (!s->n_ranges)
        return QV_OK;
    uint64_t first = s->ranges[0].from, all = s->ranges[s->n_ranges - 1].to - first;
    QV_CHECK(read_ids(s, first, all, &ids, err));
    QV_CHECK(QV_NEW(&chosen, all, err));
    const uint64_t *numbers = qv__array_values(ids);
    for (size_t i = 0; i < s->n_ranges; i++) {
        size_t count = (size_t) (s->ranges[i].to - s->ranges[i].from);
        memcpy(chosen + n, numbers + (s->ranges[i].from - first), count * sizeof *chosen);
        n += count;
    }
    QV_CHECK(qv__row_set_add_many(&s->answer->rows, chosen, n, err));
    s->n_ranges = 0;
done:
    qv__free(chosen);
    qv__array_unref(ids);
    return st;
}

/* Ranges come in ascending order, but for the NaNs of a list of floats. */
static qv_status add_range(search *s, struct range r, qv_error *err)
{
    if (r.from >= r.to)
        return QV_OK;
    s->n_rows += r.to - r.from;
    struct range *last = s->n_ranges ? &s->ranges[s->n_ranges - 1] : NULL;
    if (last && (r.from < last->to || r.to - s->ranges[0].from > FETCH_ROWS))
        QV_TRY(fetch_pending(s, err));
    QV_TRY(QV_GROW(&s->ranges, &s->capacity, s->n_ranges + 1, err));
    s->ranges[s->n_ranges++] = r;
    return QV_OK;
}

/* ------------------------------------------------------------------ questions */

static qv_status answer_spans(search *s, const qv__spans *spans, bool *too_many, const qv__ask *ask, qv_error *err)
{
    struct range r;

    for (size_t i = 0; i < spans->n && !*too_many; i++) {
        QV_TRY(span_rows(s, &spans->items[i], &r, err));
        *too_many = ask->most_rows && r.from < r.to && s->n_rows + (r.to - r.from) > ask->most_rows;
        if (!*too_many)
            QV_TRY(add_range(s, r, err));
    }
    return QV_OK;
}

static qv_status answer_range(search *s, const qv__ask *ask, bool *too_many, qv_error *err)
{
    qv__spans spans = { 0 };
    qv_status st = qv__spans_of_ask(s->b->type, ask, &spans, err);

    if (st == QV_OK)
        st = answer_spans(s, &spans, too_many, ask, err);
    qv__spans_clear(&spans);
    return st;
}

static qv_status answer_list(search *s, const qv__ask *ask, bool *too_many, qv_error *err)
{
    qv__spans spans;

    if (qv__order_of(s->b->type) == QV_ORDER_KEY && ask->values->length > FEW_VALUES)
        QV_TRY(QV_NEW(&s->keys, s->b->page_rows, err));
    for (int64_t i = 0; i < ask->values->length && !*too_many; i++) {
        qv__spans_of_value(ask->values, i, &spans);
        QV_TRY(answer_spans(s, &spans, too_many, ask, err));
        if (i % 256 == 0)
            QV_TRY(qv__job_tick(s->job, 0, 0, err));
    }
    return QV_OK;
}

static qv_status answer_nulls(search *s, const qv__ask *ask, bool *too_many, qv_error *err)
{
    const qv__btree *b = s->b;
    bool first = b->first_value > 0;
    struct range nulls = { first ? 0 : b->end_value, first ? b->first_value : b->rows },
                 values = { b->first_value, b->end_value }, r = ask->kind == QV_ASK_IS_NULL ? nulls : values;

    *too_many = ask->most_rows && r.to - r.from > ask->most_rows;
    return *too_many ? QV_OK : add_range(s, r, err);
}

qv_status qv__btree_ask(qv__segment *segment, const qv__ask *ask, qv__job *job, qv__answer *out, qv_error *err)
{
    qv_status st = QV_OK;
    search s = { .b = (qv__btree *) segment, .job = job, .answer = out };
    bool too_many = false;

    out->certainty = QV_NO_IDEA;
    if (!qv__ask_fits(s.b->type, ask))
        return QV_OK;
    switch (ask->kind) {
    case QV_ASK_RANGE:
    case QV_ASK_PREFIX:
        QV_CHECK(answer_range(&s, ask, &too_many, err));
        break;
    case QV_ASK_IN:
        QV_CHECK(answer_list(&s, ask, &too_many, err));
        break;
    case QV_ASK_IS_NULL:
    case QV_ASK_NOT_NULL:
        QV_CHECK(answer_nulls(&s, ask, &too_many, err));
        break;
    default:
        return QV_OK;
    }
    if (too_many) {
        qv__row_set_clear(&out->rows);
        goto done;
    }
    QV_CHECK(fetch_pending(&s, err));
    out->certainty = QV_EXACT;
    out->knows_nulls = s.b->end_value - s.b->first_value == s.b->rows; /* there are none */
done:
    search_clear(&s);
    return st;
}

/* Rows of whole pages inside the question's span; for lists what they cost, in rows. */
uint64_t qv__btree_estimate(qv__segment *segment, const qv__ask *ask)
{
    qv__btree *b = (qv__btree *) segment;
    qv__answer cost = { 0 };
    search s = { .b = b, .answer = &cost };
    qv__spans spans = { 0 };
    uint64_t rows = 0;

    if (!qv__ask_fits(b->type, ask))
        return b->rows;
    if (ask->kind == QV_ASK_IS_NULL)
        return b->rows - (b->end_value - b->first_value);
    if (ask->kind == QV_ASK_NOT_NULL)
        return b->end_value - b->first_value;
    if (ask->kind == QV_ASK_IN)
        return (uint64_t) ask->values->length * (qv__order_of(b->type) == QV_ORDER_KEY ? KEY_COST : VALUE_COST);
    if (qv__spans_of_ask(b->type, ask, &spans, NULL) != QV_OK)
        return b->rows;
    for (size_t i = 0; i < spans.n; i++) {
        const qv__value_span *span = &spans.items[i];
        size_t from = span->has_low ? find_page(&s, &span->low, span->low_open) : 0,
               to = span->has_high ? find_page(&s, &span->high, !span->high_open) : b->n_pages;
        rows += to > from + 1 ? (to - from - 1) * b->page_rows : 1;
    }
    qv__spans_clear(&spans);
    return rows;
}
