/* Which source rows meet which table rows. The source's keys are put into a hash index, and the key columns of the table are read
 * past it. Where the index would pass the memory limit, the keys are divided by their hashes, and each part takes a pass of its own
 * over both sides: only the key columns are read again, and nothing more is written. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arrow/compute/compute.h"
#include "change/merge_private.h"

#define DEFAULT_LIMIT     (UINT64_C(1) << 30)
#define BYTES_PER_ENTRY   72 /* entry and slots while the array grows */
#define MAX_PARTS         256
#define INDEX_MOST_KEYS   100000
#define INDEX_LEAST_RATIO 16 /* table rows per source row from which an index is asked */

/* ------------------------------------------------------------------ source keys */

static qv_status source_keys(const qv__merge_job *m, size_t batch, qv__keys *keys, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array **columns = NULL;
    size_t n = (size_t) (m->source.starts[batch + 1] - m->source.starts[batch]);

    QV_TRY(QV_NEW(&columns, m->n_on, err));
    QV_CHECK(qv__kept_columns(&m->source, batch, m->key, m->n_on, columns, err));
    QV_CHECK(qv__keys_of(keys, columns, m->n_on, n, err));
done:
    for (size_t i = 0; i < m->n_on; i++)
        qv__array_unref(columns[i]);
    qv__free(columns);
    return st;
}

/* How many passes keep the index within the limit: by the bytes of all keys. */
static qv_status count_parts(const qv__merge_job *m, uint64_t *out, qv_error *err)
{
    uint64_t limit = m->options->memory_limit_bytes ? m->options->memory_limit_bytes : DEFAULT_LIMIT;
    uint64_t bytes = m->source.n_rows * BYTES_PER_ENTRY;
    qv_status st = QV_OK;
    qv__keys keys = { 0 };

    for (size_t b = 0; b < m->source.n_batches; b++) {
        QV_CHECK(source_keys(m, b, &keys, err));
        if (keys.is_word)
            break;
        bytes += 2 * keys.at[keys.n];
    }
    *out = QV_MIN(bytes / limit + 1, MAX_PARTS);
done:
    qv__keys_clear(&keys);
    return st;
}

static qv_status fill_index(const qv__merge_job *m, uint64_t part, uint64_t n_parts, qv__key_index *index,
                            qv_error *err)
{
    qv_status st = QV_OK;
    qv__keys keys = { 0 };

    for (size_t b = 0; b < m->source.n_batches; b++) {
        QV_CHECK(qv__job_tick(m->job, 0, 0, err));
        QV_CHECK(source_keys(m, b, &keys, err));
        for (size_t i = 0; i < keys.n; i++)
            if (!keys.is_null[i] && qv__keys_part(keys.hashes[i], n_parts) == part)
                QV_CHECK(qv__key_index_add(index, &keys, i, (uint32_t) (m->source.starts[b] + i), err));
    }
    QV_CHECK(qv__key_index_finish(index, err));
done:
    qv__keys_clear(&keys);
    return st;
}

/* ------------------------------------------------------------------ one pass */

typedef struct pass {
    qv__merge_job *m;
    qv__snapshot *base;
    qv__key_index index;
    qv__keys keys; /* of the batch at hand */
    uint64_t part, n_parts;
    size_t fragment; /* of the batch at hand */
    qv__pairs *pairs;
} pass;

static qv_status add_pair(qv__pairs *pairs, uint64_t source, qv__place target, qv_error *err)
{
    QV_TRY(QV_GROW(&pairs->items, &pairs->capacity, pairs->n + 1, err));
    pairs->items[pairs->n++] = (qv__pair){ source, target };
    return QV_OK;
}

/* Rows come in storage order, so the fragment only moves forward. */
static qv__place place_of(pass *p, uint64_t address)
{
    while (qv__snapshot_fragment(p->base, p->fragment)->id != address >> 32)
        p->fragment++;
    return (uint64_t) p->fragment << 32 | (uint32_t) address;
}

static qv_status probe(pass *p, const uint64_t *addresses, qv_error *err)
{
    const qv__keys *keys = &p->keys;

    for (size_t i = 0; i < keys->n; i++) {
        if (!qv__key_index_may_have(&p->index, keys->hashes[i]) || keys->is_null[i] ||
            qv__keys_part(keys->hashes[i], p->n_parts) != p->part)
            continue;
        uint32_t entry = qv__key_index_find(&p->index, keys, i);
        if (entry == QV_NO_ENTRY)
            continue;
        qv__place place = place_of(p, addresses[i]);
        for (; entry != QV_NO_ENTRY; entry = qv__key_index_next(&p->index, entry, keys, i))
            QV_TRY(add_pair(p->pairs, p->index.entries[entry].row, place, err));
    }
    return QV_OK;
}

static qv_status probe_batch(pass *p, const qv__array *batch, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n = p->m->n_on;
    qv__array **columns = NULL, *addresses = NULL;

    QV_TRY(QV_NEW(&columns, n, err));
    for (size_t c = 0; c < n; c++)
        QV_CHECK(qv__array_slice(batch->children[c], batch->offset, batch->length, &columns[c], err));
    QV_CHECK(qv__array_slice(batch->children[n], batch->offset, batch->length, &addresses, err));
    QV_CHECK(qv__keys_of(&p->keys, columns, n, (size_t) batch->length, err));
    QV_CHECK(probe(p, qv__array_values(addresses), err));
done:
    for (size_t c = 0; c < n; c++)
        qv__array_unref(columns[c]);
    qv__array_unref(addresses);
    qv__free(columns);
    return st;
}

static qv_status run_pass(pass *p, const qv__matches *may_match, qv_error *err)
{
    qv_status st = QV_OK;
    qv_scan_options options = qv__part_scan(p->m->job);
    qv__stream *scan = NULL;
    qv__array *batch = NULL;

    options.columns = p->m->on;
    options.n_columns = p->m->n_on;
    options.with_row_address = true;
    p->fragment = 0;
    QV_CHECK(qv__scan_matches(p->base, may_match, &options, &scan, err));
    for (;;) {
        QV_CHECK(scan->next(scan, &batch, err));
        if (!batch)
            break;
        QV_CHECK(probe_batch(p, batch, err));
        QV_CHECK(qv__job_tick(p->m->job, (uint64_t) batch->length, 0, err));
        qv__array_unref(batch);
        batch = NULL;
    }
done:
    qv__array_unref(batch);
    qv__stream_free(scan);
    return st;
}

/* ------------------------------------------------------------------ pairs in order */

/* By source row, counted; the sort is stable, so pairs of one source row stay in storage order. */
static qv_status sort_pairs(const qv__merge_job *m, qv__pairs *pairs, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t *next = NULL, at = 0;
    qv__pair *sorted = NULL;

    QV_CHECK(QV_NEW(&next, (size_t) m->source.n_rows + 1, err));
    QV_CHECK(QV_NEW(&sorted, QV_MAX(pairs->n, 1), err));
    for (size_t i = 0; i < pairs->n; i++)
        next[pairs->items[i].source]++;
    for (uint64_t i = 0; i < m->source.n_rows; i++) {
        uint64_t n = next[i];
        next[i] = at;
        at += n;
    }
    for (size_t i = 0; i < pairs->n; i++)
        sorted[next[pairs->items[i].source]++] = pairs->items[i];
    qv__free(pairs->items);
    pairs->items = sorted;
    pairs->capacity = QV_MAX(pairs->n, 1);
    sorted = NULL;
done:
    qv__free(sorted);
    qv__free(next);
    return st;
}

qv_status qv__merge_pairs(qv__merge_job *m, qv__snapshot *base, const qv__matches *may_match, qv__pairs *out,
                          qv_error *err)
{
    qv_status st = QV_OK;
    qv__pairs pairs = { 0 };
    pass p = { .m = m, .base = base, .pairs = &pairs };

    if (m->source.n_rows > 0)
        QV_CHECK(count_parts(m, &p.n_parts, err));
    for (p.part = 0; p.part < p.n_parts; p.part++) {
        QV_CHECK(fill_index(m, p.part, p.n_parts, &p.index, err));
        QV_CHECK(run_pass(&p, may_match, err));
        qv__key_index_clear(&p.index);
    }
    QV_CHECK(sort_pairs(m, &pairs, err));
    *out = pairs;
    pairs = (qv__pairs){ 0 };
done:
    qv__free(pairs.items);
    qv__key_index_clear(&p.index);
    qv__keys_clear(&p.keys);
    return st;
}

/* ------------------------------------------------------------------ with an index */

static bool has_text_form(const qv__type *type)
{
    return (type->id >= QV_TYPE_INT8 && type->id <= QV_TYPE_UINT64) || type->id == QV_TYPE_UTF8 ||
           type->id == QV_TYPE_LARGE_UTF8;
}

static qv_status is_indexed(qv__snapshot *base, int32_t field_id, bool *out, qv_error *err)
{
    const qv__index_entry *entries;
    size_t n;

    *out = false;
    QV_TRY(qv__snapshot_indices(base, &entries, &n, err));
    for (size_t i = 0; i < n; i++)
        *out = *out || (entries[i].n_fields == 1 && entries[i].fields[0] == field_id);
    return QV_OK;
}

static qv_status append_quoted(qv__buffer *sql, const char *text, size_t len, char quote, qv_error *err)
{
    QV_TRY(qv__buffer_append(sql, &quote, 1, err));
    for (size_t i = 0; i < len; i++) {
        QV_TRY(qv__buffer_append(sql, &text[i], 1, err));
        if (text[i] == quote)
            QV_TRY(qv__buffer_append(sql, &quote, 1, err));
    }
    return qv__buffer_append(sql, &quote, 1, err);
}

static qv_status append_keys(const qv__array *texts, bool is_number, bool *first, qv__buffer *sql, qv_error *err)
{
    for (int64_t i = 0; i < texts->length; i++) {
        size_t len;
        if (qv__array_is_null(texts, i))
            continue;
        if (!*first)
            QV_TRY(qv__buffer_append(sql, ", ", 2, err));
        *first = false;
        const char *text = (const char *) qv__array_string(texts, i, &len);
        QV_TRY(is_number ? qv__buffer_append(sql, text, len, err) : append_quoted(sql, text, len, '\'', err));
    }
    return QV_OK;
}

/* "`id` IN (1, 2, 3)"; *any false: every key is null. */
static qv_status key_condition(const qv__merge_job *m, const qv__type *type, qv__buffer *sql, bool *any, qv_error *err)
{
    qv_status st = QV_OK;
    bool is_text = type->id == QV_TYPE_UTF8 || type->id == QV_TYPE_LARGE_UTF8, first = true;
    qv__type *text_type = NULL;
    qv__array *keys = NULL, *texts = NULL;

    QV_CHECK(qv__type_new(is_text ? type->id : QV_TYPE_UTF8, &text_type, err));
    QV_CHECK(append_quoted(sql, m->on[0], strlen(m->on[0]), '`', err));
    QV_CHECK(qv__buffer_append(sql, " IN (", 5, err));
    for (size_t b = 0; b < m->source.n_batches; b++) {
        QV_CHECK(qv__kept_columns(&m->source, b, m->key, 1, &keys, err));
        QV_CHECK(qv__array_cast(keys, text_type, QV_CAST_SAFE, &texts, err));
        QV_CHECK(append_keys(texts, !is_text, &first, sql, err));
        qv__array_unref(keys);
        qv__array_unref(texts);
        keys = texts = NULL;
    }
    QV_CHECK(qv__buffer_append(sql, ")", 2, err)); /* with the zero */
    *any = !first;
done:
    qv__array_unref(keys);
    qv__array_unref(texts);
    qv__type_unref(text_type);
    return st;
}

static qv_status index_is_apt(qv__merge_job *m, qv__snapshot *base, bool *out, qv_error *err)
{
    uint64_t rows;

    *out = false;
    if (m->options->no_index || m->n_on != 1 || m->source.n_rows == 0 || m->source.n_rows > INDEX_MOST_KEYS)
        return QV_OK;
    const qv__schema *schema = qv__snapshot_schema(base);
    const qv__field *key = &schema->fields[qv__schema_find(schema, m->on[0])];
    QV_TRY(qv__snapshot_count_rows(base, &rows, err));
    if (!has_text_form(key->type) || rows / INDEX_LEAST_RATIO < m->source.n_rows)
        return QV_OK;
    return is_indexed(base, key->id, out, err);
}

qv_status qv__merge_ask_index(qv__merge_job *m, qv__snapshot *base, qv__matches *out, bool *found, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__schema *schema = qv__snapshot_schema(base);
    qv__program *condition = NULL;
    qv__buffer sql;
    bool any;

    qv__buffer_init(&sql, 15u << 20);
    QV_CHECK(index_is_apt(m, base, found, err));
    if (!*found)
        goto done;
    st = key_condition(m, schema->fields[qv__schema_find(schema, m->on[0])].type, &sql, &any, err);
    if (st == QV_LIMIT || (st == QV_OK && !any)) { /* too long a text; no keys */
        *found = false;
        st = QV_OK;
        goto done;
    }
    QV_CHECK(st);
    QV_CHECK(qv__condition_compile(base, (const char *) sql.data, &condition, err));
    QV_CHECK(qv__match_rows(base, condition, false, m->job, out, err));
done:
    qv__program_unref(condition);
    qv__buffer_free(&sql);
    return st;
}

/* ------------------------------------------------------------------ keys for messages, and for the commit */

static size_t batch_of(const qv__merge_job *m, uint64_t row)
{
    size_t low = 0, high = m->source.n_batches;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        *(m->source.starts[middle] <= row ? &low : &high) = middle;
    }
    return low;
}

static void print_key(const qv__array *column, int64_t i, char *buf, size_t buf_len)
{
    qv__type *type = NULL;
    qv__array *one = NULL, *text = NULL;
    size_t len = 0;
    const uint8_t *bytes = (const uint8_t *) "?";

    if (qv__type_new(QV_TYPE_UTF8, &type, NULL) == QV_OK && qv__array_slice(column, i, 1, &one, NULL) == QV_OK &&
        qv__cast_possible(one->type, type) && qv__array_cast(one, type, QV_CAST_SQL, &text, NULL) == QV_OK)
        bytes = qv__array_string(text, 0, &len);
    snprintf(buf, buf_len, "%.*s", (int) QV_MIN(len ? len : 1, 100), len ? (const char *) bytes : "?");
    qv__array_unref(text);
    qv__array_unref(one);
    qv__type_unref(type);
}

char *qv__merge_key_text(const qv__merge_job *m, uint64_t row, char *buf, size_t buf_len)
{
    size_t batch = batch_of(m, row), at = 0;

    buf[0] = 0;
    for (size_t k = 0; k < m->n_on && at < buf_len; k++) {
        char value[128] = "?";
        qv__array *column = NULL;
        if (qv__kept_columns(&m->source, batch, &m->key[k], 1, &column, NULL) == QV_OK)
            print_key(column, (int64_t) (row - m->source.starts[batch]), value, sizeof value);
        qv__array_unref(column);
        int n = snprintf(buf + at, buf_len - at, "%s%s = %s", k ? ", " : "(", m->on[k], value);
        at += n > 0 ? (size_t) n : 0;
    }
    if (at < buf_len - 1)
        snprintf(buf + at, buf_len - at, ")");
    return buf;
}

/* Digests of the keys of the marked rows, in the order of the rows. */
static qv_status gather_digests(const qv__merge_job *m, const uint8_t *marked, qv__row_key *out, size_t *n,
                                qv_error *err)
{
    qv_status st = QV_OK;
    qv__array **columns = NULL;
    qv__row_key *keys = NULL;

    QV_TRY(QV_NEW(&columns, m->n_on, err));
    for (size_t b = 0; b < m->source.n_batches; b++) {
        size_t start = (size_t) m->source.starts[b], rows = (size_t) m->source.starts[b + 1] - start;
        QV_CHECK(QV_NEW(&keys, QV_MAX(rows, 1), err));
        QV_CHECK(qv__kept_columns(&m->source, b, m->key, m->n_on, columns, err));
        QV_CHECK(qv__row_keys((const qv__array *const *) columns, m->n_on, (int64_t) rows, keys, err));
        for (size_t i = 0; i < rows; i++)
            if (qv__bit_get(marked, start + i))
                out[(*n)++] = keys[i];
        for (size_t c = 0; c < m->n_on; c++) {
            qv__array_unref(columns[c]);
            columns[c] = NULL;
        }
        qv__free(keys);
        keys = NULL;
    }
done:
    for (size_t c = 0; c < m->n_on; c++)
        qv__array_unref(columns[c]);
    qv__free(columns);
    qv__free(keys);
    return st;
}

/* Names the key that comes twice: the last marked row that has it. */
static qv_status refuse_repeat(const qv__merge_job *m, const uint8_t *marked, const qv__row_key *keys, size_t n,
                               const qv__row_key *repeated, qv_error *err)
{
    uint64_t row = m->source.n_rows;
    char text[300];

    for (bool found = false; !found && n > 0;) {
        do
            row--;
        while (!qv__bit_get(marked, (size_t) row));
        found = qv__row_key_compare(&keys[--n], repeated) == 0;
    }
    return qv__fail(err, QV_INVALID, "two new rows have the same primary key %s",
                    qv__merge_key_text(m, row, text, sizeof text));
}

qv_status qv__merge_key_hashes(qv__merge_job *m, const uint8_t *marked, uint64_t **out, size_t *n, qv_error *err)
{
    qv_status st = QV_OK;
    qv__row_key *keys = NULL, *sorted = NULL;
    uint64_t *hashes = NULL;
    size_t count = 0, kept = 0, rows = QV_MAX((size_t) m->source.n_rows, 1);

    QV_CHECK(QV_NEW(&keys, rows, err));
    QV_CHECK(QV_NEW(&sorted, rows, err));
    QV_CHECK(QV_NEW(&hashes, rows, err));
    QV_CHECK(gather_digests(m, marked, keys, &count, err));
    memcpy(sorted, keys, count * sizeof *keys);
    qsort(sorted, count, sizeof *sorted, qv__row_key_compare);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && m->refuse_repeats && qv__row_key_compare(&sorted[i], &sorted[i - 1]) == 0)
            QV_CHECK(refuse_repeat(m, marked, keys, count, &sorted[i], err));
        if (kept == 0 || sorted[i].hash != hashes[kept - 1])
            hashes[kept++] = sorted[i].hash;
    }
    *out = hashes;
    *n = kept;
    hashes = NULL;
done:
    qv__free(keys);
    qv__free(sorted);
    qv__free(hashes);
    return st;
}
