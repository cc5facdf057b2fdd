#include "qvt_history.h"

#include "qvt.h"

#define DATA_BYTES 300000

static void fill(uint8_t *bytes, unsigned version)
{
    for (size_t i = 0; i < DATA_BYTES; i++)
        bytes[i] = (uint8_t) (i * 31 + version);
}

static qv_status commit_version(qv__store *store, unsigned version, qv_error *err)
{
    static uint8_t bytes[DATA_BYTES];
    char data[32], name[32];
    qv_status st = QV_OK;
    qv__upload *upload = NULL;

    fill(bytes, version);
    snprintf(data, sizeof data, "data/%u", version);
    snprintf(name, sizeof name, "_versions/%u", version);
    QV_TRY(qv__upload_begin(store, data, &upload, err));
    for (size_t at = 0; at < DATA_BYTES; at += DATA_BYTES / 3)
        QV_CHECK(qv__upload_write(upload, bytes + at, DATA_BYTES / 3, err));
    st = qv__upload_commit(upload, QV_PUT_REPLACE, err);
    upload = NULL;
    if (st == QV_OK)
        st = qv__store_put(store, name, data, strlen(data), QV_PUT_IF_ABSENT, err);
done:
    qv__upload_abort(upload);
    return st;
}

void qvt_history_prepare(void *ctx)
{
    qvt_history *h = ctx;
    qv_error err;

    if (h->in_memory)
        snprintf(h->uri, sizeof h->uri, "memory://");
    else
        snprintf(h->uri, sizeof h->uri, "%s/history-%u", qvt_temp_dir(), h->n_folders++);
    QVT_OK(qv__store_open(h->uri, true, &h->store, &err));
    QVT_OK(commit_version(h->store, 1, &err));
    h->committed = 1;
}

static qv_status count_entries(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    (void) name, (void) size, (void) is_folder, (void) err;
    ++*(unsigned *) ctx;
    return QV_OK;
}

qv_status qvt_history_act(void *ctx, qv_error *err)
{
    qvt_history *h = ctx;
    qv_status st = QV_OK;
    qv__store *table = NULL;
    qv__object *object = NULL;
    qv__bytes bytes = { 0 };
    unsigned entries = 0;

    QV_CHECK(qv__store_open(h->in_memory ? "memory://" : h->uri, true, &table, err));
    if (h->in_memory) { /* a private store each: go on with the one that was prepared */
        qv__store_unref(table);
        table = qv__store_ref(h->store);
    }
    for (unsigned version = 2; version <= 3; version++) {
        QV_CHECK(commit_version(table, version, err));
        h->committed = version;
    }
    QV_CHECK(qv__store_list(table, "_versions", count_entries, &entries, err));
    QV_CHECK(qv__object_open(table, "data/3", &object, err));
    QV_CHECK(qv__object_read(object, 0, qv__object_size(object), &bytes, err));
    QV_CHECK(qv__store_delete(table, "_versions/1", err));
    QV_CHECK(qv__store_delete(table, "data/1", err));
done:
    qv__bytes_unref(&bytes);
    qv__object_unref(object);
    qv__store_unref(table);
    return st;
}

/* A version that is there names data that is there, whole. */
static bool version_is_there(qv__store *store, unsigned version)
{
    static uint8_t expected[DATA_BYTES];
    char name[32], data[32];
    qv_error err;
    qv__bytes bytes = { 0 };

    snprintf(name, sizeof name, "_versions/%u", version);
    qv_status st = qv__store_get(store, name, 100, &bytes, &err);
    if (st == QV_NOT_FOUND)
        return false;
    QVT_OK(st);
    snprintf(data, sizeof data, "data/%u", version);
    assert_int_equal(bytes.len, strlen(data));
    assert_memory_equal(bytes.data, data, bytes.len);
    qv__bytes_unref(&bytes);
    QVT_OK(qv__store_get(store, data, DATA_BYTES, &bytes, &err));
    fill(expected, version);
    assert_int_equal(bytes.len, DATA_BYTES);
    assert_memory_equal(bytes.data, expected, DATA_BYTES);
    qv__bytes_unref(&bytes);
    return true;
}

void qvt_history_check(void *ctx, qv_status st)
{
    qvt_history *h = ctx;
    qv_error err;

    for (unsigned version = 2; version <= 3; version++) {
        bool there = version_is_there(h->store, version);
        if (version <= h->committed)
            assert_true(there);
        else if (version > h->committed + 1)
            assert_false(there);
    }
    bool first = version_is_there(h->store, 1);
    if (st == QV_OK)
        assert_false(first);
    else if (h->committed < 3)
        assert_true(first);
    QVT_OK(qv__store_put(h->store, "_versions/9", "life goes on", 12, QV_PUT_IF_ABSENT, &err));
    if (!h->in_memory)
        QVT_OK(qv__store_delete_tree(h->store, "", &err));
    qv__store_unref(h->store);
    h->store = NULL;
}
