#include "qvt_vectors.h"

#include <math.h>

#include "arrow/array.h"
#include "arrow/c_data.h"
#include "arrow/compute/compute.h"

/* ------------------------------------------------------------------ into tables */

static qv_status make_schema(size_t dim, qv__schema **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field fields[2] = { 0 }, item = { 0 };
    qv__type *integer = NULL, *single = NULL, *vector = NULL;

    QV_CHECK(qv__type_new(QV_TYPE_INT64, &integer, err));
    QV_CHECK(qv__type_new(QV_TYPE_FLOAT32, &single, err));
    QV_CHECK(qv__field_init(&item, "item", single, true, err));
    QV_CHECK(qv__type_new_list(QV_TYPE_FIXED_LIST, &item, (int32_t) dim, &vector, err));
    QV_CHECK(qv__field_init(&fields[0], "id", integer, false, err));
    QV_CHECK(qv__field_init(&fields[1], "v", vector, true, err));
    QV_CHECK(qv__schema_new(fields, 2, NULL, out, err));
done:
    qv__field_clear(&fields[0]);
    qv__field_clear(&fields[1]);
    qv__field_clear(&item);
    qv__type_unref(integer);
    qv__type_unref(single);
    qv__type_unref(vector);
    return st;
}

static qv_status make_ids(const qv__type *type, int64_t first, size_t n, qv__array **out, qv_error *err)
{
    uint8_t *bytes;

    QV_TRY(qv__array_new(type, (int64_t) n, 0, out, err));
    QV_TRY(qv__bytes_new(n * sizeof first, &(*out)->buffers[1], &bytes, err));
    for (size_t i = 0; i < n; i++) {
        int64_t id = first + (int64_t) i;
        memcpy(bytes + i * sizeof id, &id, sizeof id);
    }
    return QV_OK;
}

static qv_status make_vectors(const qv__type *type, const float *values, const bool *nulls, size_t n, size_t dim,
                              qv__array **out, qv_error *err)
{
    uint8_t *bytes;
    size_t n_nulls = 0;

    for (size_t i = 0; nulls && i < n; i++)
        n_nulls += nulls[i];
    QV_TRY(qv__array_new(type, (int64_t) n, 1, out, err));
    QV_TRY(qv__array_new(type->children[0].type, (int64_t) (n * dim), 0, &(*out)->children[0], err));
    QV_TRY(qv__bytes_new(n * dim * sizeof *values, &(*out)->children[0]->buffers[1], &bytes, err));
    if (n)
        memcpy(bytes, values, n * dim * sizeof *values);
    if (!n_nulls)
        return QV_OK;
    QV_TRY(qv__bytes_new((n + 7) / 8, &(*out)->buffers[0], &bytes, err));
    memset(bytes, 0, (n + 7) / 8);
    for (size_t i = 0; i < n; i++)
        bytes[i / 8] |= (uint8_t) (!nulls[i] << i % 8);
    (*out)->null_count = (int64_t) n_nulls;
    return QV_OK;
}

qv_status qvt_vectors_export(const float *values, const bool *nulls, int64_t first, size_t n, size_t dim,
                             struct ArrowArrayStream *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__schema *schema = NULL;
    qv__array *columns[2] = { NULL, NULL }, *batch = NULL;
    qv__stream *stream = NULL;

    QV_CHECK(make_schema(dim, &schema, err));
    QV_CHECK(make_ids(schema->fields[0].type, first, n, &columns[0], err));
    QV_CHECK(make_vectors(schema->fields[1].type, values, nulls, n, dim, &columns[1], err));
    QV_CHECK(qv__batch_new(schema, columns, (int64_t) n, &batch, err));
    QV_CHECK(qv__stream_of(schema, &batch, 1, &stream, err));
    QV_CHECK(qv__export_stream(stream, out, err));
done:
    qv__array_unref(batch);
    qv__array_unref(columns[0]);
    qv__array_unref(columns[1]);
    qv__schema_unref(schema);
    return st;
}

void qvt_vectors_write(qv_db *db, const float *values, const bool *nulls, int64_t first, size_t n, size_t dim,
                       const qv_write_options *options, qv_table **table)
{
    struct ArrowArrayStream stream;
    qv_error err;

    QVT_OK(qvt_vectors_export(values, nulls, first, n, dim, &stream, &err));
    if (*table)
        QVT_OK(qv_table_write(*table, QV_APPEND, &stream, options, NULL, &err));
    else
        QVT_OK(qv_db_create_table(db, "t", QV_CREATE, &stream, NULL, options, table, &err));
}

float *qvt_vectors_random(uint64_t seed, size_t n, size_t dim)
{
    qvt_rng rng = { seed * 2 + 1 };
    size_t n_centres = n / 50 + 1;
    float *centres = malloc(n_centres * dim * sizeof *centres), *out = malloc((n * dim + 1) * sizeof *out);

    assert_non_null(centres);
    assert_non_null(out);
    for (size_t i = 0; i < n_centres * dim; i++)
        centres[i] = (float) (qvt_rng_unit(&rng) * 10 - 5);
    for (size_t i = 0; i < n; i++) {
        const float *centre = centres + qvt_rng_below(&rng, n_centres) * dim;
        for (size_t d = 0; d < dim; d++)
            out[i * dim + d] = centre[d] + (float) (qvt_rng_unit(&rng) - 0.5);
    }
    free(centres);
    return out;
}

/* ------------------------------------------------------------------ out of searches */

static void read_batch(const qv__array *batch, qvt_hits *hits)
{
    for (int64_t i = 0; i < batch->length; i++) {
        assert_true(hits->n < sizeof hits->ids / sizeof *hits->ids);
        hits->ids[hits->n] = ((const int64_t *) qv__array_values(batch->children[0]))[batch->offset + i];
        hits->distances[hits->n++] = ((const float *) qv__array_values(batch->children[1]))[batch->offset + i];
    }
}

qv_status qvt_vectors_search(qv_table *table, const float *query, size_t dim, const qv_search_options *options,
                             qvt_hits *hits, qv_error *err)
{
    static const char *const columns[] = { "id", "_distance" };
    qv_status st = QV_OK;
    qv_search_options all = QV_SEARCH_OPTIONS_INIT;
    const qv_vectors queries = { query, QV_ELEMENT_F32, dim, 1 };
    struct ArrowArrayStream answer;
    qv__stream *stream = NULL;
    qv__array *batch = NULL;

    if (options)
        all = *options;
    all.columns = columns;
    all.n_columns = 2;
    hits->n = 0;
    QV_TRY(qv_table_search(table, &queries, &all, &answer, err));
    QV_TRY(qv__import_stream(&answer, &stream, err));
    for (;;) {
        QV_CHECK(stream->next(stream, &batch, err));
        if (!batch)
            break;
        read_batch(batch, hits);
        qv__array_unref(batch);
        batch = NULL;
    }
done:
    qv__stream_free(stream);
    return st;
}

/* Rows come query after query, with the query's number first. */
static void read_ids(const qv__array *batch, uint32_t k, size_t *counts, int64_t *ids)
{
    for (int64_t i = 0; i < batch->length; i++) {
        int64_t at = batch->offset + i;
        size_t q = (size_t) ((const int32_t *) qv__array_values(batch->children[0]))[at];
        assert_true(counts[q] < k);
        ids[q * k + counts[q]++] = ((const int64_t *) qv__array_values(batch->children[1]))[at];
    }
}

qv_status qvt_vectors_answers(qv_table *table, const qv_vectors *queries, const qv_search_options *options,
                              int64_t *ids, qv_error *err)
{
    static const char *const columns[] = { "id" };
    qv_status st = QV_OK;
    qv_search_options all = *options;
    size_t *counts = calloc(queries->n, sizeof *counts);
    struct ArrowArrayStream answer;
    qv__stream *stream = NULL;
    qv__array *batch = NULL;

    all.columns = columns;
    all.n_columns = 1;
    all.query_index = true;
    assert_non_null(counts);
    for (size_t i = 0; i < queries->n * all.k; i++)
        ids[i] = -1;
    QV_CHECK(qv_table_search(table, queries, &all, &answer, err));
    QV_CHECK(qv__import_stream(&answer, &stream, err));
    for (;;) {
        QV_CHECK(stream->next(stream, &batch, err));
        if (!batch)
            break;
        read_ids(batch, all.k, counts, ids);
        qv__array_unref(batch);
        batch = NULL;
    }
done:
    qv__stream_free(stream);
    free(counts);
    return st;
}

/* Neighbours at all but the same distance may have changed places. */
static bool is_near(const qvt_hits *right, int64_t id, float distance)
{
    for (size_t i = 0; i < right->n; i++)
        if (right->ids[i] == id)
            return fabsf(right->distances[i] - distance) <= 1e-4F * (1 + fabsf(distance));
    return right->n && fabsf(right->distances[right->n - 1] - distance) <= 1e-4F * (1 + fabsf(distance));
}

void qvt_hits_same(const char *what, const qvt_hits *found, const qvt_hits *right)
{
    if (found->n != right->n)
        fail_msg("%s: %zu rows, expected %zu", what, found->n, right->n);
    for (size_t i = 0; i < found->n; i++) {
        float a = found->distances[i], b = right->distances[i];
        bool is_same = a == b || fabsf(a - b) <= 1e-4F * (1 + fabsf(b)) || (isnan(a) && isnan(b));
        if (!is_same || (found->ids[i] != right->ids[i] && !is_near(right, found->ids[i], a)))
            fail_msg("%s: row %zu is id %lld at %g, expected id %lld at %g", what, i, (long long) found->ids[i],
                     (double) a, (long long) right->ids[i], (double) b);
    }
}

bool qvt_vectors_by_index(qv_table *table, const float *query, size_t dim, const qv_search_options *options)
{
    const qv_vectors queries = { query, QV_ELEMENT_F32, dim, 1 };
    char *text;
    qv_error err;

    QVT_OK(qv_table_explain_search(table, &queries, options, QV_PLAN_ANALYZE, false, &text, &err));
    bool by_index = strstr(text, "ANNSubIndex") && !strstr(text, "not_searched");
    qv_string_free(text);
    return by_index;
}
