/* Indices behind the public names. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "api/api_private.h"
#include "index/index.h"

#define MAX_JSON_BYTES ((size_t) 1 << 30)
#define WAIT_STEP_NS   20000000

/* ---------------------------------------------------------------- making and dropping */

/* What concerns vectors and is said of another kind is a mistake of the caller's; whether it fits a vector index is for the build to say,
 * which knows the column. */
static qv_status check_options(const qv_index_options *options, qv_error *err)
{
    const struct {
        const char *name;
        uint64_t value;
    } of_vectors[] = {
        { "metric", (uint64_t) options->metric },
        { "num_partitions", options->num_partitions },
        { "target_partition_size", options->target_partition_size },
        { "num_sub_vectors", options->num_sub_vectors },
        { "num_bits", options->num_bits },
        { "max_iterations", options->max_iterations },
        { "sample_rate", options->sample_rate },
        { "hnsw_m", options->hnsw_m },
        { "hnsw_ef_construction", options->hnsw_ef_construction },
    };

    if ((unsigned) options->metric > QV_METRIC_JACCARD)
        return qv__fail(err, QV_INVALID, "metric %d is not known", (int) options->metric);
    if (options->kind == QV_INDEX_AUTO || options->kind >= QV_INDEX_VECTOR)
        return QV_OK;
    for (size_t i = 0; i < QV_COUNT_OF(of_vectors); i++)
        if (of_vectors[i].value)
            return qv__fail(err, QV_INVALID, "%s is %" PRIu64 ", but the index is not of a kind for vectors",
                            of_vectors[i].name, of_vectors[i].value);
    return QV_OK;
}

qv_status qv_table_create_index(qv_table *table, const char *column, const qv_index_options *options, qv_error *err)
{
    qv_index_options opts = QV_INDEX_OPTIONS_INIT;
    qv__snapshot *base = NULL, *made = NULL;
    qv_status st = QV_OK;

    QV_TRY(QV_OPTIONS(&opts, options, err));
    if (!column)
        return qv__fail(err, QV_INVALID, "an index needs a column");
    QV_TRY(check_options(&opts, err));
    QV_TRY(qv__table_check_writable(table, err));
    QV_CHECK(qv__table_newest(table, &base, err));
    QV_CHECK(qv__index_create(table->store, base, column, &opts, &made, err));
    qv__table_publish(table, made);
done:
    qv__snapshot_unref(base);
    return st;
}

qv_status qv_table_drop_index(qv_table *table, const char *name, qv_error *err)
{
    qv__snapshot *base = NULL, *made = NULL;
    qv__job job;
    qv_status st = QV_OK;

    if (!name)
        return qv__fail(err, QV_INVALID, "which index to drop is not said");
    QV_TRY(qv__table_check_writable(table, err));
    qv__job_begin(&job, NULL, "index", 0);
    QV_CHECK(qv__table_newest(table, &base, err));
    QV_CHECK(qv__index_drop(table->store, base, name, &job, &made, err));
    qv__table_publish(table, made);
done:
    qv__job_end(&job, st);
    qv__snapshot_unref(base);
    return st;
}

qv_status qv_table_optimize_indices(qv_table *table, const qv_index_merge_options *options, uint64_t *version,
                                    qv_error *err)
{
    qv_index_merge_options opts = QV_INDEX_MERGE_OPTIONS_INIT;
    qv__snapshot *base = NULL, *made = NULL;
    uint64_t number = 0;
    qv_status st = QV_OK;

    QV_TRY(QV_OPTIONS(&opts, options, err));
    QV_TRY(qv__table_check_writable(table, err));
    QV_CHECK(qv__table_newest(table, &base, err));
    QV_CHECK(qv__index_optimize(table->store, base, &opts, &made, err));
    if (made) {
        number = qv__snapshot_version(made);
        qv__table_publish(table, made);
    }
    if (version)
        *version = number;
done:
    qv__snapshot_unref(base);
    return st;
}

/* ---------------------------------------------------------------- looking */

/* `name` NULL: the list of all. */
static qv_status print(qv_table *table, const char *name, char **json, qv_error *err)
{
    qv_status st = QV_OK;
    qv__snapshot *snapshot = NULL;
    qv__buffer text;

    qv__buffer_init(&text, MAX_JSON_BYTES);
    QV_CHECK(qv__table_view(table, &snapshot, err));
    QV_CHECK(name ? qv__index_stats(snapshot, name, &text, err) : qv__index_list(snapshot, &text, err));
    QV_CHECK(qv__buffer_append_zeros(&text, 1, err));
    *json = (char *) qv__buffer_detach(&text, NULL);
done:
    qv__buffer_free(&text);
    qv__snapshot_unref(snapshot);
    return st;
}

qv_status qv_table_indices(qv_table *table, char **json, qv_error *err) { return print(table, NULL, json, err); }

qv_status qv_table_index_stats(qv_table *table, const char *name, char **json, qv_error *err)
{
    return name ? print(table, name, json, err) : qv__fail(err, QV_INVALID, "which index is not said");
}

qv_status qv_table_prewarm_index(qv_table *table, const char *name, qv_error *err)
{
    qv__snapshot *snapshot;

    if (!name)
        return qv__fail(err, QV_INVALID, "which index to prewarm is not said");
    QV_TRY(qv__table_view(table, &snapshot, err));
    qv_status st = qv__index_prewarm(snapshot, name, err);
    qv__snapshot_unref(snapshot);
    return st;
}

/* ---------------------------------------------------------------- waiting */

/* The names that still lack rows, quoted, with commas; empty: none does. */
static qv_status find_waiting(qv_table *table, const char *const *names, size_t n, qv__buffer *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__snapshot *snapshot = NULL;

    out->len = 0;
    QV_CHECK(qv__table_newest(table, &snapshot, err));
    for (size_t i = 0; i < n; i++) {
        uint64_t rows = 0;
        st = qv__index_unindexed(snapshot, names[i], &rows, err);
        if (st == QV_NOT_FOUND)
            rows = 1; /* it may come yet */
        else
            QV_CHECK(st);
        st = QV_OK;
        if (rows)
            QV_CHECK(qv__buffer_printf(out, err, "%s\"%s\"", out->len ? ", " : "", names[i]));
    }
done:
    qv__snapshot_unref(snapshot);
    return st;
}

static void pause_a_little(void)
{
    struct timespec left = { 0, WAIT_STEP_NS };

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

qv_status qv_table_wait_for_index(qv_table *table, const char *const *names, size_t n, uint64_t timeout_ms,
                                  qv_error *err)
{
    qv_status st = QV_OK;
    int64_t began = qv__now_ns();
    qv__buffer waiting;

    qv__buffer_init(&waiting, MAX_JSON_BYTES);
    for (;;) {
        QV_CHECK(find_waiting(table, names, n, &waiting, err));
        if (!waiting.len)
            break;
        if ((uint64_t) (qv__now_ns() - began) / 1000000 >= timeout_ms)
            QV_CHECK(qv__fail(err, QV_TIMEOUT, "timed out waiting for indices: [%s] after %" PRIu64 "ms", waiting.data,
                              timeout_ms));
        pause_a_little();
    }
done:
    qv__buffer_free(&waiting);
    return st;
}
