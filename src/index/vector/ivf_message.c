/* The inverted file's own message: where lists begin, how long they are, their centroids. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/bytes.h"
#include "file/message.h"
#include "index/vector/vector_private.h"

#define MOST_BYTES ((size_t) 1 << 40)
#define KEY        "lance:ivf"

/* ------------------------------------------------------------------ reading */

void qv__ivf_message_clear(qv__ivf_message *message)
{
    qv__arena_reset(&message->arena);
    *message = (qv__ivf_message){ 0 };
}

/* Lists may lie in any order, but each row belongs to one at most: else few bytes could stand for very many rows. */
static qv_status check_lists(const qv__ivf_message *m, uint64_t rows, qv_error *err)
{
    uint64_t total = 0;

    for (size_t i = 0; i < m->n_lists; i++) {
        if (m->lengths[i] && !qv__inside(m->offsets[i], m->lengths[i], rows))
            return qv__fail(err, QV_CORRUPT, "list %zu: rows %" PRIu64 " .. + %" PRIu32 " of %" PRIu64, i,
                            m->offsets[i], m->lengths[i], rows);
        total += m->lengths[i];
    }
    if (total > rows)
        return qv__fail(err, QV_CORRUPT, "lists of %" PRIu64 " rows among %" PRIu64, total, rows);
    return QV_OK;
}

static qv_status take_lists(const Lance__Index__Ivf *message, qv__ivf_message *m, qv_error *err)
{
    uint64_t next = 0;

    m->n_lists = message->n_lengths;
    if (message->n_offsets && message->n_offsets != message->n_lengths)
        return qv__fail(err, QV_CORRUPT, "%zu offsets of %zu lists", message->n_offsets, message->n_lengths);
    m->offsets = message->offsets;
    m->lengths = message->lengths;
    if (message->n_offsets || !m->n_lists)
        return QV_OK;
    m->offsets = qv__arena_alloc(&m->arena, m->n_lists, sizeof *m->offsets);
    if (!m->offsets)
        return qv__fail_nomem(err, m->n_lists * sizeof *m->offsets);
    for (size_t i = 0; i < m->n_lists; i++) {
        m->offsets[i] = next;
        next += m->lengths[i];
    }
    return QV_OK;
}

static qv_status parse(const uint8_t *bytes, size_t len, uint64_t rows, qv__ivf_message *m, qv_error *err)
{
    ProtobufCMessage *unpacked;

    QV_TRY(qv__message_unpack(&lance__index__ivf__descriptor, bytes, len, &m->arena, &unpacked, err));
    const Lance__Index__Ivf *message = (const Lance__Index__Ivf *) unpacked;
    QV_TRY(take_lists(message, m, err));
    QV_TRY(check_lists(m, rows, err));
    m->loss = message->has_loss && isfinite(message->loss) ? message->loss : 0;
    if (message->centroids)
        QV_TRY(qv__tensor_read(message->centroids, &m->centroids, err));
    return QV_OK;
}

qv_status qv__ivf_message_read(qv__file *file, qv__ivf_message *out, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t number = 0;
    qv__bytes bytes = { 0 };
    qv__ivf_message m = { 0 };

    QV_TRY(qv__index_number(file, KEY, &number, err));
    if (!number) /* 0 is the file's descriptor */
        return qv__fail(err, QV_CORRUPT, "the metadata name no " KEY);
    QV_CHECK(qv__file_global_buffer(file, number, &bytes, err));
    qv__arena_init(&m.arena, qv__message_limit(bytes.len));
    QV_CHECK(parse(bytes.data, bytes.len, qv__file_rows(file), &m, err));
    *out = m;
    m = (qv__ivf_message){ 0 };
done:
    qv__bytes_unref(&bytes);
    qv__ivf_message_clear(&m);
    return st == QV_OK ? st : qv__fail_in(err, st, KEY);
}

/* ------------------------------------------------------------------ writing */

qv_status qv__ivf_message_write(qv__file_writer *writer, const uint64_t *offsets, const uint32_t *lengths, size_t n,
                                const qv__tensor *centroids, const double *loss, qv_error *err)
{
    qv_status st = QV_OK;
    Lance__Index__Ivf message = LANCE__INDEX__IVF__INIT;
    Lance__Index__Tensor tensor;
    uint32_t shape[2], number;
    qv__buffer bytes;
    char text[16];

    qv__buffer_init(&bytes, MOST_BYTES);
    message.n_offsets = message.n_lengths = n;
    message.offsets = (uint64_t *) (uintptr_t) offsets;
    message.lengths = (uint32_t *) (uintptr_t) lengths;
    if (centroids) {
        QV_CHECK(qv__tensor_message(centroids, &tensor, shape, err));
        message.centroids = &tensor;
    }
    message.has_loss = loss != NULL;
    message.loss = loss ? *loss : 0;
    QV_CHECK(qv__buffer_reserve(&bytes, lance__index__ivf__get_packed_size(&message), err));
    bytes.len = lance__index__ivf__pack(&message, bytes.data);
    QV_CHECK(qv__file_writer_add_buffer(writer, bytes.data, bytes.len, &number, err));
    snprintf(text, sizeof text, "%" PRIu32, number);
    QV_CHECK(qv__file_writer_set_metadata(writer, KEY, text, err));
done:
    qv__buffer_free(&bytes);
    return st;
}
