/* The NGRAM as a kind: row sets by token. Its answers are supersets: windows do not tell their order. */
#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "index/scalar/bitmap.h"
#include "index/scalar/ngram_private.h"

static const qv__bitmap_layout layout = { "ngram_postings.lance", "tokens", "posting_list", false };

static bool can_index(const qv__type *type) { return type->id == QV_TYPE_UTF8 || type->id == QV_TYPE_LARGE_UTF8; }

static bool asks_for_text(qv__ask_kind kind)
{
    return kind == QV_ASK_PREFIX || kind == QV_ASK_CONTAINS || kind == QV_ASK_REGEXP || kind == QV_ASK_LIKE;
}

static qv__certainty can_ask(const qv__type *type, qv__ask_kind kind)
{
    return can_index(type) && (asks_for_text(kind) || kind == QV_ASK_IS_NULL) ? QV_AT_MOST : QV_NO_IDEA;
}

/* ------------------------------------------------------------------ opening */

static qv_status open_segment(qv__store *folder, const qv__index_entry *entry, const qv__type *type, qv__segment **out,
                              qv_error *err)
{
    qv_status st = QV_OK;
    qv__bitmap_segment *n = NULL;
    qv__type *token = NULL;

    QV_UNUSED(entry);
    if (type && !can_index(type))
        return qv__fail(err, QV_CORRUPT, "an ngram index stands over a column of type %s", qv__type_name(type->id));
    QV_CHECK(qv__type_new(QV_TYPE_UINT32, &token, err));
    QV_CHECK(QV_NEW(&n, 1, err));
    n->head.kind = &qv__ngram_kind;
    QV_CHECK(qv__bitmaps_open(folder, &layout, token, &n->file, err));
    *out = &n->head;
    n = NULL;
done:
    qv__type_unref(token);
    qv__free(n);
    return st;
}

/* ------------------------------------------------------------------ asking */

static qv_status rows_with(qv__bitmaps *file, uint32_t token, qv__job *job, qv__row_set *into, qv__answer *cost,
                           qv_error *err)
{
    qv__value_span span = { .has_low = true, .has_high = true, .low = { .key = token }, .high = { .key = token } };
    size_t from, to;

    qv__bitmaps_find(file, &span, &from, &to, cost);
    return qv__bitmaps_union(file, from, to, job, into, cost, err);
}

static qv_status rows_with_all(qv__bitmaps *file, const qv__ngram_set *set, qv__job *job, qv__answer *out,
                               qv_error *err)
{
    QV_TRY(rows_with(file, set->tokens[0], job, &out->rows, out, err));
    for (size_t i = 1; i < set->n && out->rows.n; i++) {
        qv__row_set rows = { 0 };
        qv_status st = rows_with(file, set->tokens[i], job, &rows, out, err);
        if (st == QV_OK)
            st = qv__row_set_and(&out->rows, &rows, err);
        qv__row_set_clear(&rows);
        QV_TRY(st);
    }
    return QV_OK;
}

static qv_status ask_segment(qv__segment *segment, const qv__ask *ask, qv__job *job, qv__answer *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__bitmaps *file = &((qv__bitmap_segment *) segment)->file;
    qv__ngram_set set = { 0 };

    out->certainty = QV_NO_IDEA;
    if (ask->kind == QV_ASK_IS_NULL) {
        QV_CHECK(rows_with(file, QV_NGRAM_NULL, job, &out->rows, out, err));
        out->certainty = QV_AT_MOST;
        return QV_OK;
    }
    if (!asks_for_text(ask->kind) || !can_index(ask->low->type))
        return QV_OK;
    QV_CHECK(qv__ngram_set_init(&set, err));
    QV_CHECK(qv__ngram_of_ask(ask, &set, err));
    if (set.n) {
        QV_CHECK(rows_with_all(file, &set, job, out, err));
        out->certainty = QV_AT_MOST;
    }
done:
    qv__ngram_set_free(&set);
    return st;
}

/* ------------------------------------------------------------------ building */

static qv_status sort_tokens(const qv__index_target *target, const qv__index_source *texts, const qv__type *token,
                             qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__stream *pairs = NULL;

    QV_CHECK(qv__ngram_pairs(texts->values, token, &pairs, err));
    qv__index_source source = { .values = pairs, .type = token, .rows = texts->rows };
    QV_CHECK(qv__sort_values(target, &source, out, err));
done:
    qv__stream_free(pairs);
    return st;
}

static qv_status write_all(const qv__index_target *target, qv__segment *const *old, size_t n_old,
                           qv__index_source *added, qv__keep_fn keep, void *ctx, qv__index_built *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__type *token = NULL;
    qv__stream *sorted = NULL;
    qv__bitmaps **files = NULL;

    QV_CHECK(qv__type_new(QV_TYPE_UINT32, &token, err));
    QV_CHECK(QV_NEW(&files, n_old, err));
    for (size_t i = 0; i < n_old; i++)
        files[i] = &((qv__bitmap_segment *) old[i])->file;
    if (added)
        QV_CHECK(sort_tokens(target, added, token, &sorted, err));
    qv__bitmap_source rows = {
        .layout = &layout, .type = token, .sorted = sorted, .old = files, .n_old = n_old, .keep = keep, .ctx = ctx
    };
    QV_CHECK(qv__bitmaps_write(target, &rows, err));
    out->index_version = 0;
done:
    qv__free(files);
    qv__stream_free(sorted);
    qv__type_unref(token);
    return st;
}

static qv_status build(const qv__index_target *target, qv__index_source *source, qv__index_built *out, qv_error *err)
{
    return write_all(target, NULL, 0, source, NULL, NULL, out, err);
}

/* ------------------------------------------------------------------ care */

static qv_status describe(qv__segment *segment, qv__buffer *json, qv_error *err)
{
    return qv__buffer_printf(json, err, "\"num_ngrams\":%zu", ((const qv__bitmap_segment *) segment)->file.n);
}

const qv__index_method qv__ngram_kind = { .kind = QV_INDEX_NGRAM,
                                          .display = "NGram",
                                          .stats = "NGRAM",
                                          .type_url = "/lance.table.NGramIndexDetails",
                                          .max_version = 0,
                                          .remaps = true,
                                          .can_index = can_index,
                                          .can_ask = can_ask,
                                          .build = build,
                                          .merge = write_all,
                                          .open = open_segment,
                                          .close = qv__bitmap_segment_close,
                                          .ask = ask_segment,
                                          .describe = describe,
                                          .prewarm = qv__bitmap_segment_prewarm,
                                          .verify = qv__bitmap_segment_verify };
