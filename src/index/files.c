/* What the methods have in common when they read and write their files. */
#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "index/method.h"

#define MAX_ROW_SET_BYTES ((size_t) 1 << 40)

/* ------------------------------------------------------------------ reading */

qv_status qv__index_column_open(qv__file *file, const char *name, const qv__type *type, qv__column **out, qv_error *err)
{
    const qv__schema *schema = qv__file_schema(file);
    ptrdiff_t at = qv__schema_find(schema, name);
    char wanted[128], found[128];

    if (at < 0)
        return qv__fail(err, QV_CORRUPT, "index file has no column \"%s\"", name);
    if (type && !qv__type_equal(schema->fields[at].type, type))
        return qv__fail(err, QV_CORRUPT, "index file: column \"%s\" has type %s, not %s", name,
                        qv__type_print(schema->fields[at].type, found, sizeof found),
                        qv__type_print(type, wanted, sizeof wanted));
    return qv__column_open(file, &schema->fields[at], NULL, out, err);
}

qv_status qv__index_number(const qv__file *file, const char *key, uint64_t *out, qv_error *err)
{
    size_t len;
    const char *text = qv__metadata_get(&qv__file_schema(file)->metadata, key, &len);
    uint64_t number = 0;

    if (!text)
        return QV_OK;
    bool is_number = len > 0;
    for (size_t i = 0; i < len && is_number; i++) {
        unsigned digit = (unsigned char) text[i] - '0';
        is_number = digit <= 9 && !__builtin_mul_overflow(number, 10, &number) &&
                    !__builtin_add_overflow(number, digit, &number);
    }
    if (!is_number)
        return qv__fail(err, QV_CORRUPT, "index file: %s is \"%.40s\", not a number", key, text);
    *out = number;
    return QV_OK;
}

qv_status qv__index_row_set(qv__file *file, const char *key, qv__row_set *out, bool *found, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t number = 0;
    qv__bytes bytes = { 0 };

    QV_TRY(qv__index_number(file, key, &number, err));
    *found = number != 0; /* 0 is the descriptor */
    if (!*found)
        return QV_OK;
    QV_CHECK(qv__file_global_buffer(file, number, &bytes, err));
    QV_CHECK(qv__row_set_parse(bytes.data, bytes.len, true, out, err));
done:
    qv__bytes_unref(&bytes);
    return st == QV_OK ? st : qv__fail_in(err, st, "index file: %s", key);
}

/* ------------------------------------------------------------------ writing */

qv_status qv__index_writer_open(const qv__index_target *target, const char *name, const qv__index_column *columns,
                                size_t n, qv__file_writer **out, qv__schema **schema, qv_error *err)
{
    const qv__writer_options as = { 0 };

    return qv__index_writer_open_as(target, name, columns, n, &as, out, schema, err);
}

qv_status qv__index_writer_open_as(const qv__index_target *target, const char *name, const qv__index_column *columns,
                                   size_t n, const qv__writer_options *as, qv__file_writer **out, qv__schema **schema,
                                   qv_error *err)
{
    qv_status st = QV_OK;
    qv__field *fields = NULL;
    qv__schema *made = NULL;
    qv__writer_options options = *as;

    options.version = target->version;

    QV_CHECK(QV_NEW(&fields, n, err));
    for (size_t i = 0; i < n; i++) {
        QV_CHECK(qv__field_init(&fields[i], columns[i].name, columns[i].type, !columns[i].required, err));
        fields[i].id = -1;
    }
    QV_CHECK(qv__schema_new(fields, n, NULL, &made, err));
    QV_CHECK(qv__file_writer_open(target->folder, name, made, &options, out, err));
    *schema = made;
    made = NULL;
done:
    for (size_t i = 0; fields && i < n; i++)
        qv__field_clear(&fields[i]);
    qv__free(fields);
    qv__schema_unref(made);
    return st;
}

qv_status qv__index_writer_put(qv__file_writer *writer, const qv__schema *schema, qv__array *const *columns,
                               int64_t length, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *batch = NULL;

    QV_CHECK(qv__batch_new(schema, columns, length, &batch, err));
    QV_CHECK(qv__file_writer_write(writer, batch, err));
done:
    qv__array_unref(batch);
    return st;
}

qv_status qv__index_writer_put_row_set(qv__file_writer *writer, const char *key, const qv__row_set *set, qv_error *err)
{
    qv_status st = QV_OK;
    uint32_t number;
    char text[16];
    qv__buffer bytes;

    qv__buffer_init(&bytes, MAX_ROW_SET_BYTES);
    QV_CHECK(qv__row_set_pack(set, true, &bytes, err));
    QV_CHECK(qv__file_writer_add_buffer(writer, bytes.data, bytes.len, &number, err));
    snprintf(text, sizeof text, "%" PRIu32, number);
    QV_CHECK(qv__file_writer_set_metadata(writer, key, text, err));
done:
    qv__buffer_free(&bytes);
    return st;
}
