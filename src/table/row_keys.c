/* Keys of rows as digests: 128 bits say whether two keys are equal, the first 64 of them are what a commit publishes. The digest is
 * xxHash's XXH3 over the values, each with its length before it where lengths differ, so that keys of several columns
 * cannot be confused. */
#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

#include "arrow/compute/compute.h"
#include "table/table_private.h"

#define BATCH_ROWS 8192

static bool is_text(qv__type_id id)
{
    return id == QV_TYPE_UTF8 || id == QV_TYPE_LARGE_UTF8 || id == QV_TYPE_BINARY || id == QV_TYPE_LARGE_BINARY;
}

qv_status qv__check_key_type(const qv__field *field, qv_error *err)
{
    char text[64];
    int bits = qv__type_bits(field->type);

    if (is_text(field->type->id) || field->type->id == QV_TYPE_FIXED_BINARY)
        return QV_OK;
    bool is_float =
        field->type->id == QV_TYPE_FLOAT16 || field->type->id == QV_TYPE_FLOAT32 || field->type->id == QV_TYPE_FLOAT64;
    if (bits >= 8 && bits <= 256 && !is_float && !field->type->n_children)
        return QV_OK;
    return qv__fail(err, QV_UNSUPPORTED, "column \"%.100s\" of type %s cannot be part of an enforced key", field->name,
                    qv__type_print(field->type, text, sizeof text));
}

static qv_status add_value(qv__buffer *key, const qv__array *column, int64_t row, qv_error *err)
{
    const qv__type *type = column->type;
    size_t len = (size_t) qv__type_bits(type) / 8;

    if (len)
        return qv__buffer_append(key, (const uint8_t *) qv__array_values(column) + (size_t) row * len, len, err);
    const uint8_t *bytes = qv__array_string(column, row, &len);
    uint64_t prefix = len;
    QV_TRY(qv__buffer_append(key, &prefix, sizeof prefix, err));
    return qv__buffer_append(key, bytes, len, err);
}

qv_status qv__row_keys(const qv__array *const *columns, size_t n, int64_t rows, qv__row_key *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer key;

    qv__buffer_init(&key, SIZE_MAX);
    for (int64_t row = 0; row < rows; row++) {
        key.len = 0;
        for (size_t i = 0; i < n; i++) {
            if (qv__array_is_null(columns[i], row))
                QV_CHECK(qv__fail(err, QV_SCHEMA, "row %" PRId64 " of a batch has a null in its key", row));
            QV_CHECK(add_value(&key, columns[i], row, err));
        }
        XXH128_hash_t digest = XXH3_128bits(key.data, key.len);
        out[row] = (qv__row_key){ digest.low64, digest.high64 };
    }
done:
    qv__buffer_free(&key);
    return st;
}

int qv__row_key_compare(const void *a, const void *b)
{
    const qv__row_key *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->check > y->check) - (x->check < y->check);
}

/* ------------------------------------------------------------------ all keys of a version */

typedef struct key_list {
    qv__row_key *items;
    size_t n, capacity;
} key_list;

static qv_status add_batch(qv__fragment_column *const *columns, size_t n, const uint8_t *live, uint64_t row,
                           uint64_t rows, key_list *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array **arrays = NULL;
    qv__row_key *keys = NULL;

    QV_CHECK(QV_NEW(&arrays, n, err));
    QV_CHECK(QV_NEW(&keys, rows, err));
    for (size_t i = 0; i < n; i++)
        QV_CHECK(qv__fragment_column_read(columns[i], row, rows, &arrays[i], err));
    QV_CHECK(qv__row_keys((const qv__array *const *) arrays, n, (int64_t) rows, keys, err));
    QV_CHECK(QV_GROW(&out->items, &out->capacity, out->n + rows, err));
    for (uint64_t i = 0; i < rows; i++)
        if (!live || qv__bit_get(live, row + i))
            out->items[out->n++] = keys[i];
done:
    for (size_t i = 0; arrays && i < n; i++)
        qv__array_unref(arrays[i]);
    qv__free(arrays);
    qv__free(keys);
    return st;
}

static qv_status add_fragment(qv__snapshot *snapshot, size_t fragment, const qv__field *const *fields, size_t n,
                              key_list *out, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t rows = snapshot->fragments[fragment].physical_rows;
    qv__fragment_column **columns = NULL;
    const uint32_t *offsets;
    const uint8_t *live;
    size_t n_deleted;

    QV_CHECK(QV_NEW(&columns, n, err));
    QV_CHECK(qv__snapshot_deletions(snapshot, fragment, &offsets, &n_deleted, &live, err));
    for (size_t i = 0; i < n; i++)
        QV_CHECK(qv__fragment_column_open(snapshot, fragment, fields[i], &columns[i], err));
    for (uint64_t row = 0; row < rows; row += BATCH_ROWS)
        QV_CHECK(add_batch(columns, n, live, row, QV_MIN(rows - row, BATCH_ROWS), out, err));
done:
    for (size_t i = 0; columns && i < n; i++)
        qv__fragment_column_free(columns[i]);
    qv__free(columns);
    return st;
}

qv_status qv__snapshot_row_keys(qv__snapshot *snapshot, const qv__field *const *fields, size_t n, qv__row_key **out,
                                size_t *n_out, qv_error *err)
{
    qv_status st = QV_OK;
    key_list list = { 0 };

    for (size_t i = 0; i < n; i++)
        QV_CHECK(qv__check_key_type(fields[i], err));
    for (size_t i = 0; i < snapshot->n_fragments; i++)
        QV_CHECK(add_fragment(snapshot, i, fields, n, &list, err));
    if (list.n)
        qsort(list.items, list.n, sizeof *list.items, qv__row_key_compare);
    *out = list.items;
    *n_out = list.n;
    list.items = NULL;
done:
    qv__free(list.items);
    return st;
}

qv_status qv__snapshot_check_keys(qv__snapshot *snapshot, const qv__field *const *fields, size_t n, qv_error *err)
{
    qv_status st = QV_OK;
    qv__row_key *keys = NULL;
    size_t n_keys = 0;

    QV_TRY(qv__snapshot_row_keys(snapshot, fields, n, &keys, &n_keys, err));
    for (size_t i = 1; i < n_keys && st == QV_OK; i++)
        if (qv__row_key_compare(&keys[i - 1], &keys[i]) == 0)
            st = qv__fail(err, QV_INVALID, "two rows have the same value in column \"%.100s\"%s", fields[0]->name,
                          n > 1 ? " and the others of the key" : "");
    qv__free(keys);
    return st;
}
