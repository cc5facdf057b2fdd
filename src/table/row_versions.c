/* In which versions rows were created and last changed: runs over the physical rows of a fragment, or a hidden column. Tables
 * that got stable row ids before versions were kept say nothing; then it was the first. */
#include <inttypes.h>

#include "table/table_private.h"

#define UNKNOWN_VERSION 1

/* Runs follow one another over the rows: only the length of a span counts. (Writers join the sequences of several fragments as they
 * are, so that spans begin anew.) */
static qv_status fill_run(const Lance__Table__RowVersionRun *run, uint64_t n, uint64_t *row, uint64_t *versions,
                          qv_error *err)
{
    qv__row_segment span;

    if (!run->span)
        return qv__fail(err, QV_CORRUPT, "a row version without rows");
    QV_TRY(qv__row_segment_open(run->span, &span, err));
    if (span.n > n - *row)
        return qv__fail(err, QV_CORRUPT, "row versions for more than the fragment's %" PRIu64 " rows", n);
    for (uint64_t i = 0; i < span.n; i++)
        versions[(*row)++] = run->version;
    return QV_OK;
}

static qv_status expand(qv__section packed, uint64_t n, uint64_t *versions, qv_error *err)
{
    qv_status st = QV_OK;
    ProtobufCMessage *message;
    uint64_t row = 0;
    qv__arena arena;

    qv__arena_init(&arena, qv__message_limit(packed.len));
    QV_CHECK(qv__message_unpack(&lance__table__row_version_sequence__descriptor, packed.data, packed.len, &arena,
                                &message, err));
    const Lance__Table__RowVersionSequence *sequence = (const Lance__Table__RowVersionSequence *) message;
    for (size_t i = 0; i < sequence->n_runs; i++)
        QV_CHECK(fill_run(sequence->runs[i], n, &row, versions, err));
done:
    qv__arena_reset(&arena);
    return st;
}

static qv_status load(qv__snapshot *snapshot, size_t fragment, bool created, qv__row_ids **out, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__fragment *f = &snapshot->fragments[fragment];
    const qv__lineage *lineage = &snapshot->lineage[fragment];
    qv__section packed = created ? lineage->created : lineage->updated;
    qv__row_ids *versions = NULL;

    QV_CHECK(qv__snapshot_check_rows(snapshot, fragment, err));
    QV_CHECK(qv__row_ids_new(f->physical_rows, &versions, err));
    for (uint64_t i = 0; i < f->physical_rows; i++)
        versions->ids[i] = UNKNOWN_VERSION;
    if (packed.data)
        QV_CHECK(expand(packed, f->physical_rows, versions->ids, err));
    else if (created ? lineage->spilled_created : lineage->spilled_updated)
        QV_CHECK(qv__hidden_column_read(snapshot, fragment, created ? QV_HIDDEN_CREATED : QV_HIDDEN_UPDATED,
                                        versions->ids, err));
    *out = versions;
    versions = NULL;
done:
    if (versions)
        qv__owner_unref(&versions->owner);
    if (st != QV_OK)
        qv__fail_in(err, st, "fragment %" PRIu64, f->id);
    return st;
}

static qv_status get(qv__snapshot *snapshot, size_t fragment, bool created, const uint64_t **out, qv_error *err)
{
    qv__fragment_cache *cache = &snapshot->caches[fragment];
    _Atomic(qv__row_ids *) *slot = created ? &cache->created : &cache->updated;
    qv__row_ids *versions = atomic_load_explicit(slot, memory_order_acquire), *other = NULL;

    if (!versions) {
        QV_TRY(load(snapshot, fragment, created, &versions, err));
        if (!atomic_compare_exchange_strong_explicit(slot, &other, versions, memory_order_acq_rel,
                                                     memory_order_acquire)) {
            qv__owner_unref(&versions->owner);
            versions = other;
        }
    }
    *out = versions->ids;
    return QV_OK;
}

qv_status qv__snapshot_row_versions(qv__snapshot *snapshot, size_t fragment, uint64_t row, uint64_t n,
                                    uint64_t *created, uint64_t *updated, qv_error *err)
{
    const qv__fragment *f = &snapshot->fragments[fragment];
    const uint64_t *versions;

    if (!qv__snapshot_has_stable_row_ids(snapshot))
        return qv__fail(err, QV_UNSUPPORTED, "row versions are kept by tables with stable row ids");
    if (!qv__inside(row, n, f->physical_rows))
        return qv__fail(err, QV_INVALID, "rows %" PRIu64 " to %" PRIu64 " of %" PRIu64, row, row + n, f->physical_rows);
    if (created && n) {
        QV_TRY(get(snapshot, fragment, true, &versions, err));
        memcpy(created, versions + row, n * sizeof *created);
    }
    if (updated && n) {
        QV_TRY(get(snapshot, fragment, false, &versions, err));
        memcpy(updated, versions + row, n * sizeof *updated);
    }
    return QV_OK;
}
