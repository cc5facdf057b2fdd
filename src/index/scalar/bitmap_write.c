/* Writing files of row sets: groups of equal values, from sorted rows and from older files side by side, least value first. */
#include <inttypes.h>
#include <stdio.h>

#include "arrow/builder.h"
#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "index/scalar/bitmap.h"
#include "index/scalar/sort_private.h"

#define MAX_SET_BYTES ((size_t) 1 << 31)
#define BYTES_AT_ONCE ((size_t) 8 << 20)

/* ------------------------------------------------------------------ translating */

typedef struct translation {
    qv__row_set *out;
    uint64_t high;
    size_t segment;
    qv__keep_fn keep;
    void *ctx;
    uint64_t rows[512];
    size_t n;
    qv_status st;
    qv_error *err;
} translation;

static bool translate_row(uint32_t low, void *ctx)
{
    translation *t = ctx;
    uint64_t row = t->high << 32 | low;

    if (!t->keep(t->ctx, t->segment, &row))
        return true;
    t->rows[t->n++] = row;
    if (t->n == QV_COUNT_OF(t->rows)) {
        t->st = qv__row_set_add_many(t->out, t->rows, t->n, t->err);
        t->n = 0;
    }
    return t->st == QV_OK;
}

qv_status qv__row_set_translate(const qv__row_set *set, size_t segment, qv__keep_fn keep, void *ctx, qv__row_set *out,
                                qv_error *err)
{
    translation t = { .out = out, .segment = segment, .keep = keep, .ctx = ctx, .st = QV_OK, .err = err };

    for (size_t i = 0; i < set->n; i++) {
        t.high = set->parts[i].high;
        if (!set->parts[i].low)
            return qv__fail(err, QV_UNSUPPORTED, "a row set of all rows of fragment %" PRIu64 " cannot be translated",
                            t.high);
        roaring_iterate(set->parts[i].low, translate_row, &t);
        QV_TRY(t.st);
    }
    return qv__row_set_add_many(out, t.rows, t.n, err);
}

/* ------------------------------------------------------------------ groups */

/* Where groups come from: one of the older files, or the sorted rows. Its head is the next value. */
typedef struct origin {
    const qv__array *values; /* NULL: at its end */
    int64_t at;
    /* older file: nulls first, then by value */
    qv__bitmaps *file;
    size_t segment, next;
    /* sorted rows */
    qv__stream *sorted;
    qv__array *batch;
} origin;

typedef struct groups {
    const qv__index_target *target;
    const qv__bitmap_source *source;
    origin *origins;
    size_t n;
    qv__file_writer *writer;
    qv__schema *schema;
    qv__builder *keys, *sets;
    qv__buffer bytes;
    size_t gathered; /* bytes in the builders */
    uint64_t n_groups;
} groups;

static qv_status next_batch(origin *o, qv_error *err)
{
    do {
        qv__array_unref(o->batch);
        o->batch = NULL;
        QV_TRY(o->sorted->next(o->sorted, &o->batch, err));
    } while (o->batch && !o->batch->length);
    o->values = o->batch ? o->batch->children[0] : NULL;
    o->at = o->batch ? o->batch->offset : 0;
    return QV_OK;
}

/* Step 0 of a file is its null key, if there is one. */
static void next_key(origin *o)
{
    const qv__bitmaps *f = o->file;
    size_t has_null = f->null_at >= 0;

    o->values = o->next < f->n + has_null ? f->keys : NULL;
    if (o->values)
        o->at = o->next < has_null ? f->null_at : (int64_t) f->order[o->next - has_null];
}

static int compare_heads(const qv__array *a, int64_t i, const qv__array *b, int64_t j)
{
    bool x = qv__array_is_null(a, i), y = qv__array_is_null(b, j);

    return x || y ? (int) y - (int) x : qv__order_compare(a, i, b, j);
}

/* Takes the rows of the head's value, and moves to the next one. `key`, `at`: the value. */
static qv_status take_sorted(origin *o, const qv__array *key, int64_t at, qv__row_set *into, qv_error *err)
{
    while (o->values && compare_heads(o->values, o->at, key, at) == 0) {
        int64_t end = o->batch->offset + o->batch->length, to = o->at + 1;
        const uint64_t *rows = (const uint64_t *) qv__array_values(o->batch->children[1]);
        while (to < end && compare_heads(o->values, to, key, at) == 0)
            to++;
        QV_TRY(qv__row_set_add_many(into, rows + o->at, (size_t) (to - o->at), err));
        o->at = to;
        if (to == end)
            QV_TRY(next_batch(o, err));
    }
    return QV_OK;
}

static qv_status take_key(groups *g, origin *o, qv__row_set *into, qv_error *err)
{
    qv_status st = QV_OK;
    qv__row_set set = { 0 };
    qv__answer cost = { 0 };
    size_t null_step = o->file->null_at >= 0;

    if (null_step && o->next == 0)
        QV_CHECK(qv__bitmaps_nulls(o->file, &set, &cost, err));
    else
        QV_CHECK(
            qv__bitmaps_union(o->file, o->next - null_step, o->next - null_step + 1, g->target->job, &set, &cost, err));
    if (g->source->keep)
        QV_CHECK(qv__row_set_translate(&set, o->segment, g->source->keep, g->source->ctx, into, err));
    else
        QV_CHECK(qv__row_set_or(into, &set, err));
    o->next++;
    next_key(o);
done:
    qv__row_set_clear(&set);
    return st;
}

static qv_status flush(groups *g, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *columns[2] = { NULL, NULL };
    int64_t n = qv__builder_length(g->keys);

    QV_CHECK(qv__builder_finish(g->keys, &columns[0], err));
    QV_CHECK(qv__builder_finish(g->sets, &columns[1], err));
    QV_CHECK(qv__index_writer_put(g->writer, g->schema, columns, n, err));
    g->gathered = 0;
done:
    qv__array_unref(columns[0]);
    qv__array_unref(columns[1]);
    return st;
}

static qv_status put_group(groups *g, const qv__array *key, int64_t at, const qv__row_set *set, qv_error *err)
{
    if (!set->n)
        return QV_OK; /* its rows are gone */
    g->bytes.len = 0;
    QV_TRY(qv__row_set_pack(set, g->source->layout->sized, &g->bytes, err));
    QV_TRY(qv__builder_append_array(g->keys, key, at, 1, err));
    QV_TRY(qv__builder_append_bytes(g->sets, g->bytes.data, g->bytes.len, err));
    g->gathered += g->bytes.len;
    g->n_groups++;
    return g->gathered >= BYTES_AT_ONCE ? flush(g, err) : QV_OK;
}

/* Writes the least value of all heads with the rows that any origin has for it. */
static qv_status write_group(groups *g, const origin *least, qv_error *err)
{
    qv_status st = QV_OK;
    qv__row_set set = { 0 };
    qv__array *key = NULL;

    QV_CHECK(qv__array_slice(least->values, least->at, 1, &key, err)); /* its array goes when the origin moves on */
    for (size_t i = 0; i < g->n; i++) {
        origin *o = &g->origins[i];
        if (!o->values || compare_heads(o->values, o->at, key, 0) != 0)
            continue;
        QV_CHECK(o->sorted ? take_sorted(o, key, 0, &set, err) : take_key(g, o, &set, err));
    }
    QV_CHECK(put_group(g, key, 0, &set, err));
    QV_CHECK(qv__job_tick(g->target->job, 0, 0, err));
done:
    qv__row_set_clear(&set);
    qv__array_unref(key);
    return st;
}

static qv_status write_groups(groups *g, qv_error *err)
{
    for (;;) {
        const origin *least = NULL;
        for (size_t i = 0; i < g->n; i++) {
            const origin *o = &g->origins[i];
            if (o->values && (!least || compare_heads(o->values, o->at, least->values, least->at) < 0))
                least = o;
        }
        if (!least)
            return QV_OK;
        QV_TRY(write_group(g, least, err));
    }
}

/* ------------------------------------------------------------------ the file */

static qv_status open_origins(groups *g, qv_error *err)
{
    const qv__bitmap_source *source = g->source;

    QV_TRY(QV_NEW(&g->origins, source->n_old + 1, err));
    for (; g->n < source->n_old; g->n++) {
        origin *o = &g->origins[g->n];
        *o = (origin){ .file = source->old[g->n], .segment = g->n };
        next_key(o);
    }
    if (!source->sorted)
        return QV_OK;
    g->origins[g->n].sorted = source->sorted;
    return next_batch(&g->origins[g->n++], err);
}

static qv_status open_writer(groups *g, qv_error *err)
{
    qv_status st = QV_OK;
    qv__type *binary = NULL;

    QV_CHECK(qv__type_new(QV_TYPE_BINARY, &binary, err));
    QV_CHECK(qv__builder_new(g->source->type, &g->keys, err));
    QV_CHECK(qv__builder_new(binary, &g->sets, err));
    const qv__index_column columns[] = { { g->source->layout->keys, g->source->type, false },
                                         { g->source->layout->sets, binary, false } };
    QV_CHECK(qv__index_writer_open(g->target, g->source->layout->file, columns, 2, &g->writer, &g->schema, err));
done:
    qv__type_unref(binary);
    return st;
}

static qv_status finish(groups *g, qv_error *err)
{
    char stats[48];

    QV_TRY(flush(g, err));
    snprintf(stats, sizeof stats, "{\"num_bitmaps\":%" PRIu64 "}", g->n_groups);
    QV_TRY(qv__file_writer_set_metadata(g->writer, "lance:index_stats", stats, err));
    if (g->source->nulls)
        QV_TRY(qv__index_writer_put_row_set(g->writer, g->source->nulls_key, g->source->nulls, err));
    return qv__file_writer_finish(g->writer, NULL, err);
}

qv_status qv__bitmaps_write(const qv__index_target *target, const qv__bitmap_source *source, qv_error *err)
{
    qv_status st = QV_OK;
    groups g = { .target = target, .source = source };

    qv__buffer_init(&g.bytes, MAX_SET_BYTES);
    QV_CHECK(open_writer(&g, err));
    QV_CHECK(open_origins(&g, err));
    QV_CHECK(write_groups(&g, err));
    QV_CHECK(finish(&g, err));
done:
    for (size_t i = 0; i < g.n; i++)
        qv__array_unref(g.origins[i].batch);
    qv__free(g.origins);
    qv__builder_free(g.keys);
    qv__builder_free(g.sets);
    qv__buffer_free(&g.bytes);
    qv__file_writer_free(g.writer);
    qv__schema_unref(g.schema);
    return st;
}
