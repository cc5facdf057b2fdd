/* A version in numbers: rows, fragments, bytes. Lengths of fragments count deleted rows too, and percentiles are the value at
 * floor(share * n), as other readers of the format tell them. */
#include <inttypes.h>
#include <stdlib.h>

#include "table/refs_private.h"

#define SMALL_FRAGMENT_ROWS 100000

static int compare_lengths(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return (x > y) - (x < y);
}

typedef struct lengths {
    uint64_t *sorted;
    size_t n, n_small;
    uint64_t total;
} lengths;

static uint64_t share(const lengths *l, unsigned percent) { return l->n ? l->sorted[l->n * percent / 100] : 0; }

static qv_status gather_lengths(const qv__snapshot *s, lengths *out, qv_error *err)
{
    QV_TRY(QV_NEW(&out->sorted, s->n_fragments, err));
    out->n = s->n_fragments;
    for (size_t i = 0; i < out->n; i++) {
        uint64_t rows = s->fragments[i].physical_rows; /* below 2^32 */
        out->sorted[i] = rows;
        out->total += rows;
        out->n_small += rows < SMALL_FRAGMENT_ROWS;
    }
    if (out->n)
        qsort(out->sorted, out->n, sizeof *out->sorted, compare_lengths);
    return QV_OK;
}

/* Sums wrap around only where the manifest lies. */
static uint64_t data_bytes(const qv__snapshot *s)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < s->n_fragments; i++)
        for (size_t j = 0; j < s->fragments[i].n_files; j++)
            bytes += s->fragments[i].files[j].size_bytes;
    return bytes;
}

/* Names of indices, each once, and the bytes of their files as far as they are known. */
static qv_status count_indices(const qv__snapshot *s, size_t *n, uint64_t *bytes, qv_error *err)
{
    qv_status st = QV_OK;
    qv__section section = s->manifest->indices;
    ProtobufCMessage *message;
    qv__name_set names;
    qv__arena arena;

    qv__name_set_init(&names);
    qv__arena_init(&arena, qv__message_limit(section.len));
    if (section.data) {
        QV_CHECK(qv__message_unpack(&lance__table__index_section__descriptor, section.data, section.len, &arena,
                                    &message, err));
        const Lance__Table__IndexSection *indices = (const Lance__Table__IndexSection *) message;
        for (size_t i = 0; i < indices->n_indices; i++) {
            const Lance__Table__IndexMetadata *index = indices->indices[i];
            QV_CHECK(qv__name_set_add(&names, index->name ? index->name : "", err));
            for (size_t j = 0; j < index->n_files; j++)
                *bytes += index->files[j]->size_bytes;
        }
    }
    *n = names.n;
done:
    qv__arena_reset(&arena);
    qv__name_set_clear(&names);
    return st;
}

qv_status qv__snapshot_stats(qv__snapshot *snapshot, qv__buffer *json, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t rows, bytes = data_bytes(snapshot);
    size_t n_indices;
    lengths l = { 0 };

    QV_CHECK(qv__snapshot_count_rows(snapshot, &rows, err));
    QV_CHECK(count_indices(snapshot, &n_indices, &bytes, err));
    QV_CHECK(gather_lengths(snapshot, &l, err));
    QV_CHECK(qv__buffer_printf(json, err,
                               "{\"total_bytes\":%" PRIu64 ",\"num_rows\":%" PRIu64
                               ",\"num_indices\":%zu,\"fragment_stats\":{\"num_fragments\":%zu,"
                               "\"num_small_fragments\":%zu,\"lengths\":{\"min\":%" PRIu64 ",\"max\":%" PRIu64
                               ",\"mean\":%" PRIu64 ",",
                               bytes, rows, n_indices, l.n, l.n_small, l.n ? l.sorted[0] : 0,
                               l.n ? l.sorted[l.n - 1] : 0, l.n ? l.total / l.n : 0));
    QV_CHECK(qv__buffer_printf(json, err,
                               "\"p25\":%" PRIu64 ",\"p50\":%" PRIu64 ",\"p75\":%" PRIu64 ",\"p99\":%" PRIu64 "}}}",
                               share(&l, 25), share(&l, 50), share(&l, 75), share(&l, 99)));
done:
    qv__free(l.sorted);
    return st;
}
