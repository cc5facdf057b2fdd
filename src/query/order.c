/* Sorting rows by keys. Each row is an entry: the rank of its first key's null, an integer that grows as the first key does (all of
 * a number or date, the first 8 bytes of a text), and its place. Most comparisons end there; the rest look at the keys themselves.
 *
 * With a limit, entries are sorted and cut whenever twice the limit has gathered, and rows beyond the last one kept are not even
 * noted. Memory is the keys and 40 bytes for each row that may still be among the first. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "base/bytes.h"
#include "query_private.h"
#include "simd/half.h"

enum { SLACK_ROWS = 8192 }; /* gathered beyond twice the limit before it is cut */

typedef struct entry {
    uint64_t prefix; /* ascending, whatever the direction */
    uint64_t number; /* in order of arrival */
    uint64_t place;
    uint32_t batch, row; /* of the keys */
    uint8_t rank;        /* nulls before or after the others */
} entry;

struct qv__sorter {
    size_t n_keys;
    qv__sort_key *keys;
    uint64_t keep, n_seen;
    bool is_exact; /* one key, and its prefix says all */
    entry *entries;
    size_t n, capacity;
    entry *last; /* the worst that is kept, once `keep` are there */
    entry last_entry;
    qv__array **columns; /* n_keys x n_batches */
    size_t n_columns, columns_capacity;
};

/* ------------------------------------------------------------------ prefixes */

/* Order-preserving: NaN after everything, -0 as 0. */
static uint64_t float_prefix(double value)
{
    uint64_t bits;

    if (isnan(value))
        return UINT64_MAX;
    value = value == 0 ? 0 : value;
    memcpy(&bits, &value, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static uint64_t text_prefix(const qv__array *array, int64_t i)
{
    size_t len;
    const uint8_t *text = qv__array_string(array, i, &len);
    uint64_t prefix = 0;

    for (size_t b = 0; b < 8; b++)
        prefix = prefix << 8 | (b < len ? text[b] : 0);
    return prefix;
}

static uint64_t signed_prefix(int64_t value) { return (uint64_t) value ^ UINT64_C(1) << 63; }

/* Do equal prefixes mean equal values? */
static bool prefix_is_exact(const qv__type *type)
{
    return type->id == QV_TYPE_BOOL || (qv__type_bits(type) > 0 && qv__type_bits(type) <= 64);
}

static uint64_t prefix_of(const qv__array *array, int64_t i)
{
    const uint8_t *values = array->type->id == QV_TYPE_BOOL ? NULL : qv__array_values(array);
    float single;
    double wide;

    switch (array->type->id) {
    case QV_TYPE_BOOL:
        return qv__bit_get(array->buffers[1].data, (size_t) (array->offset + i));
    case QV_TYPE_INT8:
        return signed_prefix((int8_t) values[i]);
    case QV_TYPE_UINT8:
        return values[i];
    case QV_TYPE_INT16:
        return signed_prefix((int16_t) qv__load_u16(values + 2 * i));
    case QV_TYPE_UINT16:
        return qv__load_u16(values + 2 * i);
    case QV_TYPE_FLOAT16:
        return float_prefix(qv__float_of_f16(qv__load_u16(values + 2 * i)));
    case QV_TYPE_INT32:
    case QV_TYPE_DATE32:
    case QV_TYPE_TIME32:
        return signed_prefix((int32_t) qv__load_u32(values + 4 * i));
    case QV_TYPE_UINT32:
        return qv__load_u32(values + 4 * i);
    case QV_TYPE_FLOAT32:
        memcpy(&single, values + 4 * i, 4);
        return float_prefix(single);
    case QV_TYPE_INT64:
    case QV_TYPE_DATE64:
    case QV_TYPE_TIME64:
    case QV_TYPE_TIMESTAMP:
    case QV_TYPE_DURATION:
        return signed_prefix((int64_t) qv__load_u64(values + 8 * i));
    case QV_TYPE_UINT64:
        return qv__load_u64(values + 8 * i);
    case QV_TYPE_FLOAT64:
        memcpy(&wide, values + 8 * i, 8);
        return float_prefix(wide);
    case QV_TYPE_UTF8:
    case QV_TYPE_LARGE_UTF8:
    case QV_TYPE_BINARY:
    case QV_TYPE_LARGE_BINARY:
    case QV_TYPE_FIXED_BINARY:
        return text_prefix(array, i);
    default: /* decimals: the keys themselves decide */
        return 0;
    }
}

/* ------------------------------------------------------------------ comparing */

static int compare_key(const qv__sorter *s, size_t key, const entry *a, const entry *b)
{
    const qv__sort_key *how = &s->keys[key];
    const qv__array *x = s->columns[a->batch * s->n_keys + key], *y = s->columns[b->batch * s->n_keys + key];
    bool x_null = qv__array_is_null(x, a->row), y_null = qv__array_is_null(y, b->row);

    if (x_null || y_null)
        return x_null == y_null ? 0 : x_null == how->nulls_first ? -1 : 1;
    int order = qv__value_compare(x, a->row, y, b->row);
    return how->descending ? -order : order;
}

static int compare_entries(const void *left, const void *right, void *ctx)
{
    const entry *a = left, *b = right;
    const qv__sorter *s = ctx;

    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    for (size_t k = 0; !s->is_exact && k < s->n_keys; k++) {
        int order = compare_key(s, k, a, b);
        if (order != 0)
            return order;
    }
    return a->number < b->number ? -1 : a->number > b->number;
}

/* ------------------------------------------------------------------ sorting */

enum { FEW_ENTRIES = 512, DIGITS = sizeof(uint64_t) + 1 }; /* the bytes of a prefix, then the rank */

typedef struct pair {
    uint64_t prefix;
    uint32_t at;
    uint8_t rank;
} pair;

static unsigned digit_of(const pair *p, unsigned digit)
{
    return digit < sizeof p->prefix ? p->prefix >> 8 * digit & 0xff : p->rank;
}

/* One stable pass over a digit; false when all have the same. */
static bool radix_pass(const pair *from, pair *to, size_t n, unsigned digit)
{
    size_t starts[256] = { 0 }, total = 0;

    for (size_t i = 0; i < n; i++)
        starts[digit_of(&from[i], digit)]++;
    if (starts[digit_of(&from[0], digit)] == n)
        return false;
    for (size_t b = 0; b < 256; b++) {
        size_t count = starts[b];
        starts[b] = total;
        total += count;
    }
    for (size_t i = 0; i < n; i++)
        to[starts[digit_of(&from[i], digit)]++] = from[i];
    return true;
}

/* Those that rank and prefix leave tied, by the keys themselves. */
static void sort_ties(qv__sorter *s)
{
    for (size_t i = 0, end; i < s->n; i = end) {
        const entry *e = &s->entries[i];
        for (end = i + 1; end < s->n && s->entries[end].rank == e->rank && s->entries[end].prefix == e->prefix;)
            end++;
        if (end - i > 1)
            qsort_r(&s->entries[i], end - i, sizeof *s->entries, compare_entries, s);
    }
}

/* By the bytes of the prefixes, lowest first: stable, so ties stay as they came. */
static qv_status sort_by_radix(qv__sorter *s, qv_error *err)
{
    qv_status st = QV_OK;
    pair *pairs = NULL, *other = NULL;
    entry *sorted = NULL;

    QV_CHECK(QV_NEW(&pairs, s->n, err));
    QV_CHECK(QV_NEW(&other, s->n, err));
    QV_CHECK(QV_NEW(&sorted, s->n, err));
    for (size_t i = 0; i < s->n; i++)
        pairs[i] = (pair){ s->entries[i].prefix, (uint32_t) i, s->entries[i].rank };
    for (unsigned digit = 0; digit < DIGITS; digit++)
        if (radix_pass(pairs, other, s->n, digit)) {
            pair *swap = pairs;
            pairs = other;
            other = swap;
        }
    for (size_t i = 0; i < s->n; i++)
        sorted[i] = s->entries[pairs[i].at];
    qv__free(s->entries);
    s->entries = sorted;
    s->capacity = s->n;
    sorted = NULL;
    if (!s->is_exact)
        sort_ties(s);
done:
    qv__free(pairs);
    qv__free(other);
    qv__free(sorted);
    return st;
}

/* The entries stand in the order of their arrival, but for a part in front that was sorted and cut: it has the lower numbers, so a
 * stable sort by the first key alone is right there too. */
static qv_status sort_entries(qv__sorter *s, qv_error *err)
{
    if (s->n > FEW_ENTRIES && s->n <= UINT32_MAX)
        return sort_by_radix(s, err);
    if (s->n > 1)
        qsort_r(s->entries, s->n, sizeof *s->entries, compare_entries, s);
    return QV_OK;
}

/* ------------------------------------------------------------------ cutting */

/* The keys of the entries that are left become one batch. */
static qv_status gather_keys(qv__sorter *s, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n_batches = s->n_columns / s->n_keys;
    int64_t *starts = NULL, *rows = NULL;
    qv__array **parts = NULL, **gathered = NULL;

    QV_CHECK(QV_NEW(&starts, n_batches + 1, err));
    QV_CHECK(QV_NEW(&rows, QV_MAX(s->n, 1), err));
    QV_CHECK(QV_NEW(&parts, n_batches, err));
    QV_CHECK(QV_NEW(&gathered, s->n_keys, err));
    for (size_t b = 0; b < n_batches; b++)
        starts[b + 1] = starts[b] + s->columns[b * s->n_keys]->length;
    for (size_t i = 0; i < s->n; i++)
        rows[i] = starts[s->entries[i].batch] + s->entries[i].row;
    for (size_t k = 0; k < s->n_keys; k++) {
        qv__array *whole = NULL;
        for (size_t b = 0; b < n_batches; b++)
            parts[b] = s->columns[b * s->n_keys + k];
        QV_CHECK(qv__array_concat(parts, n_batches, parts[0]->type, &whole, err));
        st = qv__array_take(whole, rows, s->n, &gathered[k], err);
        qv__array_unref(whole);
        QV_CHECK(st);
    }
    qv__unref_all(s->columns, s->n_columns);
    s->n_columns = s->n_keys;
    for (size_t k = 0; k < s->n_keys; k++) {
        s->columns[k] = gathered[k];
        gathered[k] = NULL;
    }
    for (size_t i = 0; i < s->n; i++) {
        s->entries[i].batch = 0;
        s->entries[i].row = (uint32_t) i;
    }
done:
    if (gathered)
        qv__unref_all(gathered, s->n_keys);
    qv__free(gathered);
    qv__free(starts);
    qv__free(rows);
    qv__free(parts);
    return st;
}

static qv_status cut(qv__sorter *s, qv_error *err)
{
    QV_TRY(sort_entries(s, err));
    s->n = (size_t) QV_MIN(s->n, s->keep);
    if (!s->is_exact && s->n_columns > s->n_keys)
        QV_TRY(gather_keys(s, err));
    if (s->n == s->keep && s->n > 0) {
        s->last_entry = s->entries[s->n - 1];
        s->last = &s->last_entry;
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ the sorter */

qv_status qv__sorter_new(const qv__sort_key *keys, size_t n_keys, uint64_t keep, qv__sorter **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__sorter *s = NULL;

    QV_CHECK(QV_NEW(&s, 1, err));
    QV_CHECK(QV_NEW(&s->keys, n_keys, err));
    memcpy(s->keys, keys, n_keys * sizeof *keys);
    s->n_keys = n_keys;
    s->keep = keep;
    *out = s;
    s = NULL;
done:
    qv__sorter_free(s);
    return st;
}

void qv__sorter_free(qv__sorter *sorter)
{
    if (!sorter)
        return;
    qv__unref_all(sorter->columns, sorter->n_columns);
    qv__free(sorter->columns);
    qv__free(sorter->entries);
    qv__free(sorter->keys);
    qv__free(sorter);
}

static bool is_beyond(const qv__sorter *s, const entry *e)
{
    if (!s->last)
        return false;
    if (e->rank != s->last->rank)
        return e->rank > s->last->rank;
    return e->prefix > s->last->prefix || (s->is_exact && e->prefix == s->last->prefix);
}

/* Takes the references of the columns. */
static qv_status add_columns(qv__sorter *s, qv__array *const *columns, uint32_t *batch, qv_error *err)
{
    QV_TRY(QV_GROW(&s->columns, &s->columns_capacity, s->n_columns + s->n_keys, err));
    *batch = (uint32_t) (s->n_columns / s->n_keys);
    for (size_t k = 0; k < s->n_keys; k++)
        QV_TRY(qv__order_values(columns[k], &s->columns[s->n_columns + k], err));
    s->n_columns += s->n_keys;
    return QV_OK;
}

qv_status qv__sorter_add(qv__sorter *s, qv__array *const *columns, const qv__location *at, size_t n, qv_error *err)
{
    const qv__sort_key *how = &s->keys[0];
    uint32_t batch;
    size_t was = s->n;

    if (s->keep == 0 || n == 0)
        return QV_OK;
    QV_TRY(add_columns(s, columns, &batch, err));
    const qv__array *first = s->columns[batch * s->n_keys];
    s->is_exact = s->n_keys == 1 && prefix_is_exact(first->type);
    QV_TRY(QV_GROW(&s->entries, &s->capacity, s->n + n, err));
    for (size_t i = 0; i < n; i++) {
        entry e = { .number = s->n_seen++, .place = (uint64_t) at[i].fragment << 32 | at[i].row, .batch = batch };
        e.row = (uint32_t) i;
        if (qv__array_is_null(first, (int64_t) i))
            e.rank = how->nulls_first ? 0 : 2;
        else {
            e.rank = 1;
            e.prefix = prefix_of(first, (int64_t) i);
            e.prefix = how->descending ? ~e.prefix : e.prefix;
        }
        if (!is_beyond(s, &e))
            s->entries[s->n++] = e;
    }
    if (s->n == was || s->is_exact) { /* the keys are not looked at again */
        s->n_columns -= s->n_keys;
        qv__unref_all(&s->columns[s->n_columns], s->n_keys);
    }
    return s->keep < SIZE_MAX / 4 && s->n > 2 * s->keep + SLACK_ROWS ? cut(s, err) : QV_OK;
}

qv_status qv__sorter_finish(qv__sorter *s, qv__location **at, size_t *n, qv_error *err)
{
    qv__location *places = NULL;

    QV_TRY(sort_entries(s, err));
    s->n = (size_t) QV_MIN(s->n, s->keep);
    QV_TRY(QV_NEW(&places, QV_MAX(s->n, 1), err));
    for (size_t i = 0; i < s->n; i++)
        places[i] = (qv__location){ (size_t) (s->entries[i].place >> 32), s->entries[i].place & UINT32_MAX };
    *at = places;
    *n = s->n;
    return QV_OK;
}

/* ------------------------------------------------------------------ keys by name */

/* The expression that the name stands for in the result, or NULL. */
static const char *alias_of(const qv_scan_options *options, const char *name)
{
    for (size_t i = 0; options->expressions && i < options->n_columns; i++)
        if (options->expressions[i] && strcmp(options->columns[i], name) == 0)
            return options->expressions[i];
    return NULL;
}

qv_status qv__order_columns(const qv_scan_options *options, const char **names, const char **expressions,
                            qv__sort_key *keys, size_t *n, qv_error *err)
{
    *n = 0;
    for (size_t i = 0; i < options->n_order_by; i++) {
        const qv_order *order = &options->order_by[i];
        bool again = false;
        if (!order->column)
            return qv__fail(err, QV_INVALID, "sort key %zu has no column", i);
        for (size_t k = 0; k < *n; k++)
            again = again || strcmp(names[k], order->column) == 0;
        if (again) /* rows that the first one leaves tied are equal in it */
            continue;
        names[*n] = order->column;
        expressions[*n] = alias_of(options, order->column);
        keys[(*n)++] = (qv__sort_key){ order->descending, order->nulls_first };
    }
    return QV_OK;
}

qv_status qv__order_values(qv__array *column, qv__array **out, qv_error *err)
{
    if (column->type->id == QV_TYPE_DICTIONARY)
        return qv__array_cast(column, column->type->children[0].type, QV_CAST_SAFE, out, err);
    *out = qv__array_ref(column);
    return QV_OK;
}

qv_status qv__order_check(const qv__schema *schema, size_t n_keys, qv_error *err)
{
    for (size_t k = 0; k < n_keys; k++) {
        const qv__type *type = schema->fields[k].type;
        char text[160];
        if (type->id == QV_TYPE_DICTIONARY)
            type = type->children[0].type;
        if (type->id == QV_TYPE_NULL || type->n_children > 0)
            return qv__fail(err, QV_INVALID, "column \"%s\" cannot be sorted by: it is of type %s",
                            schema->fields[k].name, qv__type_print(type, text, sizeof text));
    }
    return QV_OK;
}
