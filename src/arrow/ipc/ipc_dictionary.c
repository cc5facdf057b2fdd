/* Dictionaries on their way out. A stream may replace a dictionary between batches; a file holds one for each field, which
 * can only grow: values that are new in a later batch are appended as a delta and the batch's keys rewritten. */
#include "arrow/ipc/ipc_write.h"

void qv__ipc_written_clear(qv__ipc_written *written)
{
    qv__value_set_clear(&written->set);
    for (size_t i = 0; i < written->n_held; i++)
        qv__array_unref(written->held[i]);
    qv__free(written->held);
    qv__free(written->positions);
    qv__array_unref(written->values);
}

/* Writes `values`, after the dictionaries inside them. */
static qv_status put_values(qv__ipc_writer *w, const qv__ipc_field *field, const qv__array *values, bool is_delta,
                            qv_error *err)
{
    qv_status st = QV_OK;
    qv__ipc_field inner = *field;
    qv__array *normal = NULL, *ready = NULL;

    inner.is_dictionary = false;
    inner.type = field->value_type;
    QV_CHECK(qv__array_normalize(values, &normal, err));
    QV_CHECK(qv__ipc_write_dictionaries(w, &inner, normal, &ready, err));
    QV_CHECK(qv__ipc_put_dictionary(w, field, ready, is_delta, err));
done:
    qv__array_unref(normal);
    qv__array_unref(ready);
    return st;
}

/* The position of a value in the file's dictionary; a new one gets the next. */
static qv_status position_of(qv__ipc_written *written, const qv__array *values, int64_t i, int64_t next,
                             int64_t *position, qv_error *err)
{
    int64_t code = 0;

    QV_TRY(QV_GROW(&written->positions, &written->positions_capacity, written->n_positions + 1, err));
    QV_TRY(qv__value_set_add(&written->set, values, i, &code, err));
    if ((size_t) code == written->n_positions)
        written->positions[written->n_positions++] = next;
    *position = written->positions[code];
    return QV_OK;
}

static qv_status hold(qv__ipc_written *written, const qv__array *values, qv_error *err)
{
    QV_TRY(QV_GROW(&written->held, &written->held_capacity, written->n_held + 1, err));
    written->held[written->n_held++] = qv__array_ref(values);
    return QV_OK;
}

/* map[i]: the position of value i of `values`, the new ones written as a delta. */
static qv_status grow_dictionary(qv__ipc_writer *w, const qv__ipc_field *field, qv__ipc_written *written,
                                 const qv__array *values, int64_t *map, qv_error *err)
{
    qv_status st = QV_OK;
    qv__part *added = NULL;
    qv__array *delta = NULL;
    size_t n_added = 0;
    bool first_time = written->n_held == 0;
    char name[64];

    QV_CHECK(hold(written, values, err));
    for (int64_t i = 0, ignored; first_time && i < written->values->length; i++)
        QV_CHECK(position_of(written, written->values, i, i, &ignored, err));
    QV_CHECK(QV_NEW(&added, (size_t) values->length, err));
    for (int64_t i = 0; i < values->length; i++) {
        int64_t next = written->total + (int64_t) n_added;

        QV_CHECK(position_of(written, values, i, next, &map[i], err));
        if (map[i] == next)
            added[n_added++] = (qv__part){ values, i, 1 };
    }
    if (n_added == 0)
        goto done;
    if (written->total + (int64_t) n_added - 1 > qv__dictionary_key_max(field->type->index_type))
        QV_CHECK(qv__fail(err, QV_INVALID, "the batches' dictionaries together have %lld values, too many for %s keys",
                          (long long) (written->total + (int64_t) n_added),
                          qv__type_print(field->type->index_type, name, sizeof name)));
    QV_CHECK(qv__gather(field->value_type, added, n_added, &delta, err));
    QV_CHECK(put_values(w, field, delta, true, err));
    written->total += (int64_t) n_added;
done:
    qv__free(added);
    qv__array_unref(delta);
    return st;
}

static qv_status map_keys(const qv__array *array, const int64_t *map, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *mapped = NULL;
    uint8_t *keys;

    QV_TRY(qv__array_new(array->type, array->length, 0, &mapped, err));
    QV_CHECK(qv__validity_range(array, 0, array->length, mapped, err));
    QV_CHECK(qv__array_buffer(mapped, 1, (size_t) array->length, qv__type_value_bytes(array->type), &keys, err));
    for (int64_t i = 0; i < array->length; i++)
        if (!qv__array_is_null(array, i))
            qv__dictionary_key_put(array->type->index_type, keys, i, map[qv__dictionary_key(array, i)]);
    mapped->dictionary = qv__array_ref(array->dictionary);
    *out = mapped;
    mapped = NULL;
done:
    qv__array_unref(mapped);
    return st;
}

/* By bits: 0.0 and -0.0 are two values here. */
static bool same_values(const qv__array *a, const qv__array *b)
{
    return a->length == b->length && qv__range_equal(a, 0, b, 0, a->length, true);
}

static qv_status write_one(qv__ipc_writer *w, const qv__ipc_field *field, const qv__array *array, qv__array **out,
                           qv_error *err)
{
    qv_status st = QV_OK;
    qv__ipc_written *written = &w->dictionaries[field->dictionary_id];
    const qv__array *values = array->dictionary;
    int64_t *map = NULL;

    if (written->values && (written->values == values || same_values(written->values, values))) {
        *out = qv__array_ref(array);
        return QV_OK;
    }
    if (!written->values || w->as_stream) {
        QV_TRY(put_values(w, field, values, false, err));
        qv__array_unref(written->values);
        written->values = qv__array_ref(values);
        written->total = values->length;
        *out = qv__array_ref(array);
        return QV_OK;
    }
    QV_CHECK(QV_NEW(&map, (size_t) values->length, err));
    QV_CHECK(grow_dictionary(w, field, written, values, map, err));
    QV_CHECK(map_keys(array, map, out, err));
done:
    qv__free(map);
    return st;
}

qv_status qv__ipc_write_dictionaries(qv__ipc_writer *w, const qv__ipc_field *field, const qv__array *array,
                                     qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *copy = NULL;

    if (field->is_dictionary)
        return write_one(w, field, array, out, err);
    QV_TRY(qv__array_new(array->type, array->length, array->n_children, &copy, err));
    copy->null_count = array->null_count;
    for (size_t k = 0; k < QV_COUNT_OF(copy->buffers); k++)
        copy->buffers[k] = qv__bytes_ref(array->buffers[k]);
    for (size_t k = 0; k < array->n_children; k++)
        QV_CHECK(qv__ipc_write_dictionaries(w, &field->children[k], array->children[k], &copy->children[k], err));
    *out = copy;
    copy = NULL;
done:
    qv__array_unref(copy);
    return st;
}
