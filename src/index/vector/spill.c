/* Rows by list. What is put is kept in blocks; a counting sort by list makes a run of them, whose rows lie list after list, in the order in which
 * they were put. When the memory is full the run goes to a file in the index's folder. A list is then gathered from all runs in their order,
 * so that what comes out does not depend on how many there were. */
#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/log.h"
#include "index/vector/build_private.h"

#define MOST_BITS    14                   /* of a row's place in its block */
#define LEAST_BLOCKS 4                    /* in memory: they are filled one after the other, ... */
#define BLOCK_BYTES  ((uint64_t) 1 << 20) /* ... and the last one only in part */
#define LEAST_BYTES  ((uint64_t) 1 << 20)

typedef struct block {
    uint32_t *lists;
    uint64_t *ids;
    uint8_t *columns[QV_STORE_COLUMNS];
} block;

/* A run on disk: of each list its ids, then its columns one after the other. */
typedef struct spilled {
    uint64_t *starts; /* first row of each list, n_lists + 1 */
    qv__object *object;
} spilled;

struct qv__list_store {
    qv__store *folder;
    size_t n_lists, n_columns, widths[QV_STORE_COLUMNS], row_bytes; /* of a row in a file */
    size_t most_rows;                                               /* of a run */
    unsigned block_bits;
    uint64_t *lengths; /* of the lists, in all */
    uint64_t n_rows;
    /* the run in memory */
    block *blocks;
    size_t n_blocks, blocks_capacity, n;
    uint32_t *order; /* its rows by list; made when it is sealed */
    uint64_t *starts;
    size_t order_capacity;
    spilled *runs;
    size_t n_runs, runs_capacity;
};

static inline size_t block_rows(const qv__list_store *store) { return (size_t) 1 << store->block_bits; }

static void run_name(size_t number, char name[40]) { snprintf(name, 40, "rows_%zu.tmp", number); }

/* ------------------------------------------------------------------ making */

static void free_block(block *b)
{
    qv__free(b->lists);
    qv__free(b->ids);
    for (size_t c = 0; c < QV_STORE_COLUMNS; c++)
        qv__free(b->columns[c]);
}

static void drop_run(qv__list_store *store, size_t number)
{
    char name[40];
    qv_error err;

    run_name(number, name);
    qv__object_unref(store->runs[number].object);
    qv__free(store->runs[number].starts);
    qv_status st = qv__store_delete(store->folder, name, &err);
    if (st != QV_OK && st != QV_NOT_FOUND)
        qv__log(QV_LOG_WARNING, "index build: %s stays behind: %s", name, err.message);
}

void qv__list_store_free(qv__list_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < store->n_runs; i++)
        drop_run(store, i);
    for (size_t i = 0; i < store->n_blocks; i++)
        free_block(&store->blocks[i]);
    qv__free(store->blocks);
    qv__free(store->runs);
    qv__free(store->order);
    qv__free(store->starts);
    qv__free(store->lengths);
    qv__store_unref(store->folder);
    qv__free(store);
}

/* How many rows a block has, and a run. A list and a place in the order are held besides what a file holds. */
static void choose_blocks(qv__list_store *store, uint64_t memory)
{
    uint64_t rows = memory / (store->row_bytes + 2 * sizeof(uint32_t));

    rows = QV_MIN(rows, UINT32_MAX >> 1);
    uint64_t most = QV_MIN(rows / LEAST_BLOCKS, BLOCK_BYTES / store->row_bytes);
    for (store->block_bits = MOST_BITS; store->block_bits && most >> store->block_bits == 0;)
        store->block_bits--;
    store->most_rows = (size_t) QV_MAX(rows >> store->block_bits, 1) << store->block_bits;
}

qv_status qv__list_store_new(const qv__index_target *target, size_t n_lists, const size_t *widths, size_t n_columns,
                             uint64_t memory, qv__list_store **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__list_store *store = NULL;

    QV_CHECK(QV_NEW(&store, 1, err));
    store->folder = qv__store_ref(target->folder);
    store->n_lists = n_lists;
    store->n_columns = n_columns;
    store->row_bytes = sizeof(uint64_t);
    for (size_t c = 0; c < n_columns; c++)
        store->row_bytes += store->widths[c] = widths[c];
    choose_blocks(store, QV_MAX(memory, LEAST_BYTES));
    QV_CHECK(QV_NEW(&store->lengths, n_lists, err));
    QV_CHECK(QV_NEW(&store->starts, n_lists + 1, err));
    *out = store;
    store = NULL;
done:
    qv__list_store_free(store);
    return st;
}

/* ------------------------------------------------------------------ putting */

static qv_status take(uint8_t **out, size_t count, size_t size, qv_error *err)
{
    *out = qv__alloc(count, size);
    return *out ? QV_OK : qv__fail_nomem(err, count * size);
}

static qv_status add_block(qv__list_store *store, qv_error *err)
{
    qv_status st = QV_OK;
    block b = { 0 };

    QV_CHECK(QV_GROW(&store->blocks, &store->blocks_capacity, store->n_blocks + 1, err));
    QV_CHECK(take((uint8_t **) &b.lists, block_rows(store), sizeof *b.lists, err));
    QV_CHECK(take((uint8_t **) &b.ids, block_rows(store), sizeof *b.ids, err));
    for (size_t c = 0; c < store->n_columns; c++)
        QV_CHECK(take(&b.columns[c], block_rows(store), store->widths[c], err));
    store->blocks[store->n_blocks++] = b;
    b = (block){ 0 };
done:
    free_block(&b);
    return st;
}

/* Stable: rows of a list keep their order. */
static qv_status sort_run(qv__list_store *store, qv_error *err)
{
    QV_TRY(QV_GROW(&store->order, &store->order_capacity, store->n, err));
    memset(store->starts, 0, (store->n_lists + 1) * sizeof *store->starts);
    for (size_t i = 0; i < store->n; i++)
        store->starts[store->blocks[i >> store->block_bits].lists[i & (block_rows(store) - 1)] + 1]++;
    for (size_t l = 0; l < store->n_lists; l++)
        store->starts[l + 1] += store->starts[l];
    for (size_t i = 0; i < store->n; i++) /* starts[l] ends as the start of l + 1 */
        store->order[store->starts[store->blocks[i >> store->block_bits].lists[i & (block_rows(store) - 1)]]++] =
            (uint32_t) i;
    memmove(store->starts + 1, store->starts, store->n_lists * sizeof *store->starts);
    store->starts[0] = 0;
    return QV_OK;
}

/* Copies rows order[0 .. n) of the run. */
static void copy_ids(const qv__list_store *store, const uint32_t *order, size_t n, uint64_t *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = store->blocks[order[i] >> store->block_bits].ids[order[i] & (block_rows(store) - 1)];
}

static void copy_column(const qv__list_store *store, size_t c, const uint32_t *order, size_t n, uint8_t *out)
{
    size_t width = store->widths[c];

    for (size_t i = 0; i < n; i++, out += width)
        memcpy(out,
               store->blocks[order[i] >> store->block_bits].columns[c] + (order[i] & (block_rows(store) - 1)) * width,
               width);
}

static qv_status write_list(const qv__list_store *store, size_t list, qv__upload *upload, uint8_t *room, qv_error *err)
{
    const uint32_t *order = store->order + store->starts[list];
    size_t n = (size_t) (store->starts[list + 1] - store->starts[list]);

    for (size_t at = 0; at < n; at += block_rows(store)) {
        size_t some = QV_MIN(n - at, block_rows(store));
        copy_ids(store, order + at, some, (uint64_t *) (void *) room);
        QV_TRY(qv__upload_write(upload, room, some * sizeof(uint64_t), err));
    }
    for (size_t c = 0; c < store->n_columns; c++)
        for (size_t at = 0; at < n; at += block_rows(store)) {
            size_t some = QV_MIN(n - at, block_rows(store));
            copy_column(store, c, order + at, some, room);
            QV_TRY(qv__upload_write(upload, room, some * store->widths[c], err));
        }
    return QV_OK;
}

static qv_status write_run(qv__list_store *store, const char *name, qv_error *err)
{
    qv_status st = QV_OK;
    qv__upload *upload = NULL;
    uint8_t *room = NULL;
    size_t width = sizeof(uint64_t);

    for (size_t c = 0; c < store->n_columns; c++)
        width = QV_MAX(width, store->widths[c]);
    QV_CHECK(take(&room, block_rows(store), width, err));
    QV_CHECK(qv__upload_begin(store->folder, name, &upload, err));
    for (size_t l = 0; l < store->n_lists; l++)
        QV_CHECK(write_list(store, l, upload, room, err));
    st = qv__upload_commit(upload, QV_PUT_HINT, err); /* nobody needs it after a crash */
    upload = NULL;
done:
    qv__upload_abort(upload);
    qv__free(room);
    return st;
}

static qv_status spill(qv__list_store *store, qv_error *err)
{
    char name[40];
    spilled *run;

    QV_TRY(sort_run(store, err));
    QV_TRY(QV_GROW(&store->runs, &store->runs_capacity, store->n_runs + 1, err));
    run = &store->runs[store->n_runs];
    *run = (spilled){ .starts = qv__memdup(store->starts, (store->n_lists + 1) * sizeof *store->starts) };
    if (!run->starts)
        return qv__fail_nomem(err, (store->n_lists + 1) * sizeof *store->starts);
    run_name(store->n_runs++, name);
    QV_TRY(write_run(store, name, err));
    QV_TRY(qv__object_open(store->folder, name, &run->object, err));
    if (qv__object_size(run->object) != store->n * store->row_bytes)
        return qv__fail(err, QV_CORRUPT, "%s has %" PRIu64 " bytes, and not the %zu that were written", name,
                        qv__object_size(run->object), store->n * store->row_bytes);
    store->n = 0;
    return QV_OK;
}

qv_status qv__list_store_put(qv__list_store *store, const uint32_t *lists, const uint64_t *ids,
                             const uint8_t *const *columns, size_t n, qv_error *err)
{
    for (size_t at = 0; at < n;) {
        if (store->n == store->most_rows)
            QV_TRY(spill(store, err));
        size_t b = store->n >> store->block_bits, in = store->n & (block_rows(store) - 1),
               some = QV_MIN(n - at, block_rows(store) - in);
        if (b == store->n_blocks)
            QV_TRY(add_block(store, err));
        block *to = &store->blocks[b];
        memcpy(to->lists + in, lists + at, some * sizeof *lists);
        memcpy(to->ids + in, ids + at, some * sizeof *ids);
        for (size_t c = 0; c < store->n_columns; c++)
            memcpy(to->columns[c] + in * store->widths[c], columns[c] + at * store->widths[c], some * store->widths[c]);
        for (size_t i = 0; i < some; i++)
            store->lengths[lists[at + i]]++;
        store->n += some;
        store->n_rows += some;
        at += some;
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ getting */

/* The memory is for the lists now. */
static void free_blocks(qv__list_store *store)
{
    for (size_t i = 0; i < store->n_blocks; i++)
        free_block(&store->blocks[i]);
    store->n_blocks = 0;
}

qv_status qv__list_store_seal(qv__list_store *store, qv_error *err)
{
    if (!store->n_runs)
        return sort_run(store, err);
    if (store->n)
        QV_TRY(spill(store, err));
    free_blocks(store);
    return QV_OK;
}

uint64_t qv__list_store_rows(const qv__list_store *store) { return store->n_rows; }

size_t qv__list_store_list_rows(const qv__list_store *store, size_t list) { return (size_t) store->lengths[list]; }

static qv_status get_spilled(const qv__list_store *store, const spilled *run, size_t list, uint64_t *ids,
                             uint8_t *const *columns, size_t at, qv_error *err)
{
    size_t n = (size_t) (run->starts[list + 1] - run->starts[list]), offset = n * sizeof *ids;
    qv__bytes bytes;

    if (!n)
        return QV_OK;
    QV_TRY(qv__object_read(run->object, run->starts[list] * store->row_bytes, n * store->row_bytes, &bytes, err));
    memcpy(ids + at, bytes.data, offset);
    for (size_t c = 0; c < store->n_columns; c++) {
        memcpy(columns[c] + at * store->widths[c], bytes.data + offset, n * store->widths[c]);
        offset += n * store->widths[c];
    }
    qv__bytes_unref(&bytes);
    return QV_OK;
}

qv_status qv__list_store_get(qv__list_store *store, size_t list, uint64_t *ids, uint8_t *const *columns, qv_error *err)
{
    size_t at = 0;

    for (size_t i = 0; i < store->n_runs; i++) {
        QV_TRY(get_spilled(store, &store->runs[i], list, ids, columns, at, err));
        at += (size_t) (store->runs[i].starts[list + 1] - store->runs[i].starts[list]);
    }
    if (!store->n)
        return QV_OK;
    const uint32_t *order = store->order + store->starts[list];
    size_t n = (size_t) (store->starts[list + 1] - store->starts[list]);
    copy_ids(store, order, n, ids + at);
    for (size_t c = 0; c < store->n_columns; c++)
        copy_column(store, c, order, n, columns[c] + at * store->widths[c]);
    if (list + 1 == store->n_lists)
        free_blocks(store);
    return QV_OK;
}
