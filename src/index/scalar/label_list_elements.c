/* Lists and their rows taken apart into elements and their rows. */
#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "index/scalar/label_list_private.h"
#include "index/scalar/sort_private.h"

typedef struct elements {
    qv__stream stream;
    qv__stream *lists; /* borrowed */
    qv__row_set *nulls;
} elements;

static void elements_destroy(qv__stream *stream)
{
    qv__schema_unref(stream->schema);
    qv__free(stream);
}

static size_t count_elements(const qv__array *lists)
{
    size_t n = 0;
    int64_t start, end;

    for (int64_t i = 0; i < lists->length; i++)
        if (!qv__array_is_null(lists, i)) {
            qv__array_list_range(lists, i, &start, &end);
            n += (size_t) (end - start);
        }
    return n;
}

/* Where each element lies among the children, and its list's row. */
static qv_status place_elements(elements *e, const qv__array *lists, const uint64_t *rows, int64_t *places,
                                uint8_t *element_rows, qv_error *err)
{
    size_t n = 0;
    int64_t start, end;

    for (int64_t i = 0; i < lists->length; i++) {
        if (qv__array_is_null(lists, i)) {
            QV_TRY(qv__row_set_add(e->nulls, rows[i], err));
            continue;
        }
        qv__array_list_range(lists, i, &start, &end);
        for (int64_t at = start; at < end; at++, n++) {
            places[n] = at;
            memcpy(element_rows + n * sizeof *rows, &rows[i], sizeof *rows);
        }
    }
    return QV_OK;
}

static qv_status take_apart(elements *e, const qv__array *batch, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *lists = NULL, *rows = NULL, *columns[2] = { NULL, NULL };
    int64_t *places = NULL;
    uint8_t *element_rows;
    const qv__schema *schema = e->stream.schema;

    QV_CHECK(qv__array_slice(batch->children[0], batch->offset, batch->length, &lists, err));
    QV_CHECK(qv__array_slice(batch->children[1], batch->offset, batch->length, &rows, err));
    size_t n = count_elements(lists);
    QV_CHECK(QV_NEW(&places, n, err));
    QV_CHECK(qv__array_new(schema->fields[1].type, (int64_t) n, 0, &columns[1], err));
    QV_CHECK(qv__bytes_new(n * sizeof(uint64_t), &columns[1]->buffers[1], &element_rows, err));
    QV_CHECK(place_elements(e, lists, qv__array_values(rows), places, element_rows, err));
    QV_CHECK(qv__array_take(lists->children[0], places, n, &columns[0], err));
    QV_CHECK(qv__batch_new(schema, columns, (int64_t) n, out, err));
done:
    qv__free(places);
    qv__array_unref(lists);
    qv__array_unref(rows);
    qv__array_unref(columns[0]);
    qv__array_unref(columns[1]);
    return st;
}

static qv_status elements_next(qv__stream *stream, qv__array **out, qv_error *err)
{
    elements *e = (elements *) stream;
    qv__array *batch;

    *out = NULL;
    QV_TRY(e->lists->next(e->lists, &batch, err));
    if (!batch)
        return QV_OK;
    qv_status st = take_apart(e, batch, out, err);
    qv__array_unref(batch);
    return st;
}

qv_status qv__label_list_elements(qv__stream *lists, const qv__type *type, qv__row_set *nulls, qv__stream **out,
                                  qv_error *err)
{
    elements *e;

    QV_TRY(QV_NEW(&e, 1, err));
    e->stream.next = elements_next;
    e->stream.destroy = elements_destroy;
    e->lists = lists;
    e->nulls = nulls;
    qv_status st = qv__sorted_schema(type->children[0].type, &e->stream.schema, err);
    if (st != QV_OK) {
        qv__free(e);
        return st;
    }
    *out = &e->stream;
    return QV_OK;
}
