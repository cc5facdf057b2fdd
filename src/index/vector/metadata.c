/* JSON in the metadata of index files. */
#include <math.h>

#include "index/vector/vector_private.h"

#define MOST_BYTES ((size_t) 1 << 30)

qv_status qv__metadata_json(const char *what, const void *text, size_t len, qv__metadata_value *out, qv_error *err)
{
    qv__buffer_init(&out->bytes, MOST_BYTES);
    qv_status st = qv__jsonb_encode(text, len, &out->bytes, err);
    if (st == QV_OK && qv__jsonb_root(out->bytes.data, out->bytes.len, &out->root))
        return QV_OK;
    qv__buffer_free(&out->bytes);
    return st == QV_NOMEM ? st : qv__fail(err, QV_CORRUPT, "%s is not JSON", what);
}

qv_status qv__metadata_of_file(const qv__file *file, const char *key, qv__metadata_value *out, qv_error *err)
{
    size_t len;
    const char *text = qv__metadata_get(&qv__file_schema(file)->metadata, key, &len);

    if (!text)
        return qv__fail(err, QV_CORRUPT, "the metadata lack \"%s\"", key);
    return qv__metadata_json(key, text, len, out, err);
}

void qv__metadata_value_clear(qv__metadata_value *value) { qv__buffer_free(&value->bytes); }

bool qv__metadata_member(const qv__jsonb_value *object, const char *key, qv__jsonb_value *out)
{
    return qv__jsonb_member(object, (const uint8_t *) key, strlen(key), out);
}

bool qv__metadata_is(const qv__jsonb_value *value, uint32_t kind)
{
    return (value->entry & QV_JSONB_ENTRY_MASK) == kind;
}

qv_status qv__metadata_number(const qv__jsonb_value *object, const char *key, uint64_t *out, qv_error *err)
{
    qv__jsonb_value value;

    if (!qv__metadata_member(object, key, &value) || qv__metadata_is(&value, QV_JSONB_NULL) ||
        qv__jsonb_u64(&value, out))
        return QV_OK;
    return qv__fail(err, QV_CORRUPT, "the metadata's \"%s\" is no number", key);
}

bool qv__metadata_double(const qv__jsonb_value *value, double *out)
{
    qv__jsonb_number number;

    if (!qv__jsonb_number_of(value, &number))
        return false;
    *out = number.kind == QV_JSONB_FLOAT ? number.f
           : number.kind == QV_JSONB_INT ? (double) number.i
                                         : (double) number.u;
    return isfinite(*out);
}

bool qv__metadata_text(const qv__jsonb_value *object, const char *key, const char **out, size_t *len)
{
    qv__jsonb_value value;

    if (!qv__metadata_member(object, key, &value) || !qv__metadata_is(&value, QV_JSONB_STRING))
        return false;
    *out = (const char *) value.data;
    *len = value.len;
    return true;
}
