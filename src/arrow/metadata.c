/* Key/value pairs of fields and schemas. There are a handful of them at most, so a list in order serves. */
#include <string.h>

#include "arrow/type.h"
#include "base/alloc.h"

static struct qv__metadata_pair *find_pair(const qv__metadata *metadata, const char *key)
{
    for (size_t i = 0; i < metadata->n; i++)
        if (strcmp(metadata->pairs[i].key, key) == 0)
            return &metadata->pairs[i];
    return NULL;
}

/* A copy of any bytes, zero bytes among them, with a zero byte behind. */
static char *copy_bytes(const char *bytes, size_t n)
{
    char *copy = n < SIZE_MAX ? qv__alloc(n + 1, 1) : NULL;

    if (!copy)
        return NULL;
    if (n > 0)
        memcpy(copy, bytes, n);
    copy[n] = 0;
    return copy;
}

/* Grows by doubling without a stored capacity: the block has room for the next power of two. */
static qv_status reserve_one(qv__metadata *metadata, qv_error *err)
{
    size_t n = metadata->n;

    if ((n & (n - 1)) != 0)
        return QV_OK;
    size_t capacity = n ? n * 2 : 1;
    void *grown = qv__realloc(metadata->pairs, capacity, sizeof *metadata->pairs);
    if (!grown)
        return qv__fail_nomem(err, capacity * sizeof *metadata->pairs);
    metadata->pairs = grown;
    return QV_OK;
}

qv_status qv__metadata_add(qv__metadata *metadata, const char *key, size_t key_len, const char *value, size_t value_len,
                           qv_error *err)
{
    QV_TRY(reserve_one(metadata, err));
    char *key_copy = copy_bytes(key, key_len);
    char *value_copy = copy_bytes(value, value_len);
    if (!key_copy || !value_copy) {
        qv__free(key_copy);
        qv__free(value_copy);
        return qv__fail_nomem(err, key_len + value_len);
    }
    metadata->pairs[metadata->n++] = (struct qv__metadata_pair){ key_copy, value_copy, value_len };
    return QV_OK;
}

qv_status qv__metadata_set(qv__metadata *metadata, const char *key, const char *value, size_t value_len, qv_error *err)
{
    struct qv__metadata_pair *pair = find_pair(metadata, key);

    if (!pair)
        return qv__metadata_add(metadata, key, strlen(key), value, value_len, err);
    char *copy = copy_bytes(value, value_len);
    if (!copy)
        return qv__fail_nomem(err, value_len);
    qv__free(pair->value);
    pair->value = copy;
    pair->value_len = value_len;
    return QV_OK;
}

const char *qv__metadata_get(const qv__metadata *metadata, const char *key, size_t *value_len)
{
    const struct qv__metadata_pair *pair = find_pair(metadata, key);

    if (!pair)
        return NULL;
    if (value_len)
        *value_len = pair->value_len;
    return pair->value;
}

qv_status qv__metadata_copy(qv__metadata *to, const qv__metadata *from, qv_error *err)
{
    qv__metadata copy = { 0 };

    for (size_t i = 0; i < from->n; i++) {
        const struct qv__metadata_pair *pair = &from->pairs[i];
        qv_status st = qv__metadata_add(&copy, pair->key, strlen(pair->key), pair->value, pair->value_len, err);
        if (st != QV_OK) {
            qv__metadata_clear(&copy);
            return st;
        }
    }
    *to = copy;
    return QV_OK;
}

void qv__metadata_clear(qv__metadata *metadata)
{
    for (size_t i = 0; i < metadata->n; i++) {
        qv__free(metadata->pairs[i].key);
        qv__free(metadata->pairs[i].value);
    }
    qv__free(metadata->pairs);
    *metadata = (qv__metadata){ 0 };
}
