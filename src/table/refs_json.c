/* The JSON files of references, through JSONB: foreign text is checked there. */
#include <stdio.h>
#include <time.h>

#include "table/refs_private.h"

#define MAX_REF_BYTES (1 << 20)

qv_status qv__ref_read(qv__store *root, const char *folder, const char *name, qv__buffer *jsonb, qv_error *err)
{
    qv_status st = QV_OK;
    qv__bytes text = { 0 };
    char *path = NULL;

    QV_CHECK(qv__ref_path(folder, name, &path, err));
    st = qv__store_get(root, path, MAX_REF_BYTES, &text, err);
    if (st == QV_LIMIT)
        st = qv__fail_in(err, QV_CORRUPT, "reference");
    QV_CHECK(st);
    st = qv__jsonb_encode(text.data, text.len, jsonb, err);
    if (st == QV_SCHEMA)
        st = qv__fail_in(err, QV_CORRUPT, "%s", path);
    QV_CHECK(st);
done:
    qv__bytes_unref(&text);
    qv__free(path);
    return st;
}

qv_status qv__ref_string(const qv__buffer *jsonb, const char *key, char **out, qv_error *err)
{
    qv__jsonb_value value;

    *out = NULL;
    if (!qv__jsonb_find(jsonb->data, jsonb->len, key, &value) || (value.entry & QV_JSONB_ENTRY_MASK) == QV_JSONB_NULL)
        return QV_OK;
    if ((value.entry & QV_JSONB_ENTRY_MASK) != QV_JSONB_STRING || memchr(value.data, 0, value.len))
        return qv__fail(err, QV_CORRUPT, "\"%s\" is no text", key);
    *out = qv__strndup((const char *) value.data, value.len);
    return *out ? QV_OK : qv__fail_nomem(err, value.len);
}

qv_status qv__ref_json(const qv__buffer *jsonb, const char *key, char **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__jsonb_value value;
    qv__buffer text;

    *out = NULL;
    if (!qv__jsonb_find(jsonb->data, jsonb->len, key, &value) ||
        (value.entry & QV_JSONB_ENTRY_MASK) != QV_JSONB_CONTAINER)
        return QV_OK;
    qv__buffer_init(&text, MAX_REF_BYTES * 8);
    QV_CHECK(qv__jsonb_decode(value.data, value.len, &text, err));
    QV_CHECK(qv__buffer_append_zeros(&text, 1, err));
    *out = (char *) qv__buffer_detach(&text, NULL);
done:
    qv__buffer_free(&text);
    return st;
}

bool qv__ref_number(const qv__buffer *jsonb, const char *key, uint64_t *out)
{
    qv__jsonb_value value;

    return qv__jsonb_find(jsonb->data, jsonb->len, key, &value) && qv__jsonb_u64(&value, out);
}

qv_status qv__ref_append_string(qv__buffer *out, const char *text, qv_error *err)
{
    return text ? qv__json_quote(text, strlen(text), out, err) : qv__buffer_append(out, "null", 4, err);
}

void qv__ref_time(int64_t utc_ns, char out[40])
{
    time_t seconds = (time_t) (utc_ns / 1000000000);
    struct tm parts;

    gmtime_r(&seconds, &parts);
    size_t len = strftime(out, 24, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out + len, 40 - len, ".%09dZ", (int) (utc_ns % 1000000000));
}
