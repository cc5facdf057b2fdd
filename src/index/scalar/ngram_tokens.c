/* Texts to tokens. */
#include "base/alloc.h"
#include "base/bitmap.h"
#include "base/utf8.h"
#include "index/scalar/ngram_private.h"
#include "index/scalar/sort_private.h"

#define PAIRS_AT_ONCE 262144

qv_status qv__ngram_set_init(qv__ngram_set *set, qv_error *err)
{
    *set = (qv__ngram_set){ 0 };
    return QV_NEW(&set->seen, qv__bitmap_bytes(QV_NGRAM_TOKENS), err);
}

void qv__ngram_set_free(qv__ngram_set *set)
{
    qv__free(set->seen);
    qv__free(set->tokens);
    *set = (qv__ngram_set){ 0 };
}

void qv__ngram_set_empty(qv__ngram_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        qv__bit_clear(set->seen, set->tokens[i]);
    set->n = 0;
}

static qv_status add_token(qv__ngram_set *set, uint32_t token, qv_error *err)
{
    if (qv__bit_get(set->seen, token))
        return QV_OK;
    QV_TRY(QV_GROW(&set->tokens, &set->capacity, set->n + 1, err));
    qv__bit_set(set->seen, token);
    set->tokens[set->n++] = token;
    return QV_OK;
}

/* The last letters and digits, as values; how many stand in a row. */
typedef struct window {
    uint32_t a, b;
    unsigned n;
} window;

static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }
static bool is_letter(uint8_t c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }

/* A capital letter that is left after folding wraps around, as it does in the reference. */
static qv_status push(qv__ngram_set *set, window *w, uint8_t c, qv_error *err)
{
    if (!is_digit(c) && !is_letter(c)) {
        w->n = 0;
        return QV_OK;
    }
    uint32_t value = is_digit(c) ? (uint32_t) (c - '0') + 1 : (uint8_t) (c - 'a' + 11);
    if (w->n >= 2)
        QV_TRY(add_token(set, (w->a * 37 + w->b) * 37 + value, err));
    w->a = w->b;
    w->b = value;
    w->n = w->n < 2 ? w->n + 1 : 2;
    return QV_OK;
}

static qv_status push_folded(qv__ngram_set *set, window *w, uint32_t c, qv_error *err)
{
    char letters[QV_NGRAM_FOLD_MOST];
    size_t n = qv__ngram_fold(c, letters);

    if (!n)
        w->n = 0;
    for (size_t i = 0; i < n; i++)
        QV_TRY(push(set, w, (uint8_t) letters[i], err));
    return QV_OK;
}

qv_status qv__ngram_set_add(qv__ngram_set *set, const uint8_t *text, size_t len, qv_error *err)
{
    window w = { 0, 0, 0 };

    for (size_t at = 0, n; at < len; at += n) {
        uint8_t c = text[at];
        n = qv__utf8_len(c);
        if (n == 1) {
            QV_TRY(push(set, &w, c >= 'A' && c <= 'Z' ? (uint8_t) (c | 0x20) : c, err));
            continue;
        }
        if (n > len - at)
            break;
        QV_TRY(push_folded(set, &w, qv__utf8_get(text + at, &n), err));
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ pairs */

typedef struct pairs {
    qv__stream stream;
    qv__stream *texts; /* borrowed */
    qv__array *batch;
    int64_t at; /* next row of the batch */
    qv__ngram_set set;
    uint32_t *tokens;
    uint64_t *rows;
    size_t n, tokens_capacity, rows_capacity;
} pairs;

static void pairs_destroy(qv__stream *stream)
{
    pairs *p = (pairs *) stream;

    qv__array_unref(p->batch);
    qv__ngram_set_free(&p->set);
    qv__free(p->tokens);
    qv__free(p->rows);
    qv__schema_unref(stream->schema);
    qv__free(p);
}

static qv_status add_text(pairs *p, qv_error *err)
{
    const qv__array *texts = p->batch->children[0], *rows = p->batch->children[1];
    int64_t i = p->batch->offset + p->at;
    uint64_t row = ((const uint64_t *) qv__array_values(rows))[i];
    static const uint32_t null_token = QV_NGRAM_NULL;
    const uint32_t *tokens = &null_token;
    size_t n = 1, len;

    if (!qv__array_is_null(texts, i)) {
        const uint8_t *text = qv__array_string(texts, i, &len);
        qv__ngram_set_empty(&p->set);
        QV_TRY(qv__ngram_set_add(&p->set, text, len, err));
        tokens = p->set.tokens;
        n = p->set.n;
    }
    QV_TRY(QV_GROW(&p->tokens, &p->tokens_capacity, p->n + n, err));
    QV_TRY(QV_GROW(&p->rows, &p->rows_capacity, p->n + n, err));
    for (size_t t = 0; t < n; t++) {
        p->tokens[p->n] = tokens[t];
        p->rows[p->n++] = row;
    }
    p->at++;
    return QV_OK;
}

static qv_status give_out(pairs *p, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__schema *schema = p->stream.schema;
    qv__array *columns[2] = { NULL, NULL };
    uint8_t *tokens, *rows;

    QV_CHECK(qv__array_new(schema->fields[0].type, (int64_t) p->n, 0, &columns[0], err));
    QV_CHECK(qv__array_new(schema->fields[1].type, (int64_t) p->n, 0, &columns[1], err));
    QV_CHECK(qv__bytes_new(p->n * sizeof *p->tokens, &columns[0]->buffers[1], &tokens, err));
    QV_CHECK(qv__bytes_new(p->n * sizeof *p->rows, &columns[1]->buffers[1], &rows, err));
    if (p->n) {
        memcpy(tokens, p->tokens, p->n * sizeof *p->tokens);
        memcpy(rows, p->rows, p->n * sizeof *p->rows);
    }
    QV_CHECK(qv__batch_new(schema, columns, (int64_t) p->n, out, err));
    p->n = 0;
done:
    qv__array_unref(columns[0]);
    qv__array_unref(columns[1]);
    return st;
}

static qv_status pairs_next(qv__stream *stream, qv__array **out, qv_error *err)
{
    pairs *p = (pairs *) stream;

    *out = NULL;
    while (p->n < PAIRS_AT_ONCE) {
        if (p->batch && p->at < p->batch->length) {
            QV_TRY(add_text(p, err));
            continue;
        }
        qv__array_unref(p->batch);
        p->batch = NULL;
        p->at = 0;
        QV_TRY(p->texts->next(p->texts, &p->batch, err));
        if (!p->batch)
            break;
    }
    return p->n ? give_out(p, out, err) : QV_OK;
}

qv_status qv__ngram_pairs(qv__stream *texts, const qv__type *token, qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    pairs *p = NULL;

    QV_CHECK(QV_NEW(&p, 1, err));
    p->stream = (qv__stream){ NULL, pairs_next, pairs_destroy };
    p->texts = texts;
    QV_CHECK(qv__ngram_set_init(&p->set, err));
    QV_CHECK(qv__sorted_schema(token, &p->stream.schema, err));
    *out = &p->stream;
    p = NULL;
done:
    if (p)
        pairs_destroy(&p->stream);
    return st;
}
