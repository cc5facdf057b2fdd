/* The writer's state, shared by ipc_write.c and ipc_dictionary.c. */
#ifndef QV_ARROW_IPC_WRITE_H
#define QV_ARROW_IPC_WRITE_H

#include "arrow/compute/compute_private.h"
#include "arrow/ipc/ipc_private.h"

typedef struct qv__ipc_block {
    uint64_t at;
    size_t meta_len;
    uint64_t body_len;
} qv__ipc_block;

typedef struct qv__ipc_blocks {
    qv__ipc_block *items;
    size_t n, capacity;
} qv__ipc_blocks;

/* What readers know of one dictionary so far. */
typedef struct qv__ipc_written {
    qv__array *values; /* the first (file) or latest (stream) that was written; NULL: none yet */
    /* file, once a second dictionary came: all values by number, and where each lies in the grown dictionary */
    qv__value_set set;
    int64_t *positions;
    size_t n_positions, positions_capacity;
    int64_t total;
    qv__array **held; /* the set refers to their values */
    size_t n_held, held_capacity;
} qv__ipc_written;

struct qv__ipc_writer {
    qv__schema *schema;
    qv__ipc_field *fields;
    bool as_stream;
    qv__ipc_codec codec;
    qv__ipc_sink sink;
    void *ctx;
    uint64_t at; /* bytes written */
    qv__ipc_blocks dictionary_blocks, batch_blocks;
    qv__ipc_written *dictionaries; /* by id */
    size_t n_dictionaries;
};

/* Writes what readers need before `array` (normalized); *out is the array with keys as they count by then. */
qv_status qv__ipc_write_dictionaries(qv__ipc_writer *w, const qv__ipc_field *field, const qv__array *array,
                                     qv__array **out, qv_error *err);
qv_status qv__ipc_put_dictionary(qv__ipc_writer *w, const qv__ipc_field *field, const qv__array *values, bool is_delta,
                                 qv_error *err);
void qv__ipc_written_clear(qv__ipc_written *written);

#endif
