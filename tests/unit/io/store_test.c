/* Stores against a model in the test: the same body runs on a local folder and in memory. */
#include "io/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "qvt.h"

static unsigned n_folders;

/* A store of the kind that the test runs on, in a fresh folder. */
static qv__store *fresh_store(void **state)
{
    qv_error err;
    qv__store *store = NULL;
    char path[4200] = "memory://";

    if (*state)
        snprintf(path, sizeof path, "%s/store-%u", qvt_temp_dir(), n_folders++);
    QVT_OK(qv__store_open(path, true, &store, &err));
    return store;
}

static void put(qv__store *store, const char *name, const char *text)
{
    qv_error err;
    QVT_OK(qv__store_put(store, name, text, strlen(text), QV_PUT_IF_ABSENT, &err));
}

static void expect_text(qv__store *store, const char *name, const char *text)
{
    qv_error err;
    qv__bytes bytes = { 0 };

    QVT_OK(qv__store_get(store, name, 1 << 20, &bytes, &err));
    assert_int_equal(bytes.len, strlen(text));
    if (bytes.len)
        assert_memory_equal(bytes.data, text, bytes.len);
    qv__bytes_unref(&bytes);
}

static bool exists(qv__store *store, const char *name)
{
    qv_error err;
    bool out = false;
    QVT_OK(qv__store_exists(store, name, &out, &err));
    return out;
}

typedef struct seen {
    size_t n;
    char names[64][64];
    uint64_t sizes[64];
    bool folders[64];
} seen;

static qv_status see(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    seen *s = ctx;
    if (s->n == 64)
        return qv__fail(err, QV_LIMIT, "too many entries");
    snprintf(s->names[s->n], 64, "%s", name);
    s->sizes[s->n] = size;
    s->folders[s->n++] = is_folder;
    return QV_OK;
}

static void expect_entry(const seen *s, const char *name, uint64_t size, bool is_folder)
{
    size_t found = 0;
    for (size_t i = 0; i < s->n; i++)
        found += strcmp(s->names[i], name) == 0 && s->sizes[i] == size && s->folders[i] == is_folder;
    assert_int_equal(found, 1);
}

static void put_and_get(void **state)
{
    qv_error err;
    qv__store *store = fresh_store(state);
    qv__bytes bytes = { 0 };

    put(store, "a", "alpha");
    put(store, "deep/er/b", "beta");
    put(store, "empty", "");
    expect_text(store, "a", "alpha");
    expect_text(store, "deep/er/b", "beta");
    expect_text(store, "empty", "");
    QVT_FAILS(qv__store_put(store, "a", "x", 1, QV_PUT_IF_ABSENT, &err), QV_EXISTS, "a\" already exists");
    expect_text(store, "a", "alpha");
    QVT_OK(qv__store_put(store, "a", "new", 3, QV_PUT_REPLACE, &err));
    QVT_OK(qv__store_put(store, "c", "sea", 3, QV_PUT_REPLACE, &err));
    expect_text(store, "a", "new");
    expect_text(store, "c", "sea");
    QVT_FAILS(qv__store_get(store, "missing", 10, &bytes, &err), QV_NOT_FOUND, "missing\" does not exist");
    QVT_FAILS(qv__store_get(store, "a/b", 10, &bytes, &err), QV_NOT_FOUND, "a/b");
    QVT_FAILS(qv__store_get(store, "deep", 10, &bytes, &err), QV_NOT_FOUND, "deep");
    QVT_FAILS(qv__store_get(store, "a", 2, &bytes, &err), QV_LIMIT, "has 3 bytes, at most 2");
    assert_null(bytes.data);
    assert_true(exists(store, "deep/er/b"));
    assert_false(exists(store, "deep/er"));
    assert_false(exists(store, "deep/er/b/c"));
    assert_false(exists(store, "nothing"));
    qv__store_unref(store);
}

static void names_that_escape(void **state)
{
    static const char *const bad[] = { "",    "/",   "/a", "a/", "a//b",     ".",          "..", "../a", "a/../b",
                                       "a/.", "./a", "..", "a/", ".tmp-1-2", "a/.tmp-x/b", "//", "a/.." };
    char longest[300], path[400];
    qv_error err;
    qv__store *store = fresh_store(state), *sub = NULL;
    qv__object *object = NULL;
    qv__upload *upload = NULL;
    bool out = false;

    for (size_t i = 0; i < QV_COUNT_OF(bad); i++) {
        QVT_FAILS(qv__object_open(store, bad[i], &object, &err), QV_INVALID, "object name");
        QVT_FAILS(qv__upload_begin(store, bad[i], &upload, &err), QV_INVALID, "object name");
        QVT_FAILS(qv__store_exists(store, bad[i], &out, &err), QV_INVALID, "object name");
        QVT_FAILS(qv__store_delete(store, bad[i], &err), QV_INVALID, "object name");
        QVT_FAILS(qv__store_sub(store, bad[i], &sub, &err), QV_INVALID, "object name");
        if (*bad[i]) { /* "" is the store's own folder */
            QVT_FAILS(qv__store_delete_tree(store, bad[i], &err), QV_INVALID, "object name");
            QVT_FAILS(qv__store_list(store, bad[i], see, NULL, &err), QV_INVALID, "object name");
        }
    }
    QVT_FAILS(qv__object_open(store, NULL, &object, &err), QV_INVALID, "NULL");
    memset(longest, 'n', sizeof longest);
    longest[255] = 0;
    put(store, longest, "x");
    longest[255] = 'n';
    longest[256] = 0;
    snprintf(path, sizeof path, "a/%s", longest);
    QVT_FAILS(qv__upload_begin(store, path, &upload, &err), QV_INVALID, "256 bytes");
    put(store, "..a/...", "dots inside are fine");
    assert_true(exists(store, "..a/..."));
    qv__store_unref(store);
}

static void ranges(void **state)
{
    const size_t sizes[] = { 1, 100, 65536, 65537, 3000000 };
    qv_error err;
    qvt_rng rng = qvt_rng_seeded();
    qv__store *store = fresh_store(state);

    for (size_t s = 0; s < QV_COUNT_OF(sizes); s++) {
        char name[32];
        uint8_t *data = malloc(sizes[s]);
        qv__object *object = NULL;
        qv__range two[2] = { { 0, 1 }, { 0, sizes[s] } };
        qv__bytes out[2] = { { 0 } };

        for (size_t i = 0; i < sizes[s]; i++)
            data[i] = (uint8_t) qvt_rng_next(&rng);
        snprintf(name, sizeof name, "o/%zu", s);
        QVT_OK(qv__store_put(store, name, data, sizes[s], QV_PUT_IF_ABSENT, &err));
        QVT_OK(qv__object_open(store, name, &object, &err));
        assert_int_equal(qv__object_size(object), sizes[s]);
        assert_string_equal(qv__object_name(object), name);
        QVT_OK(qv__store_delete(store, name, &err)); /* an open object outlives its name */
        for (int i = 0; i < 100; i++) {
            uint64_t at = qvt_rng_below(&rng, sizes[s] + 1), len = qvt_rng_below(&rng, sizes[s] - at + 1);
            qv__object_will_need(object, at, len);
            QVT_OK(qv__object_read(object, at, len, &out[0], &err));
            assert_int_equal(out[0].len, len);
            if (len)
                assert_memory_equal(out[0].data, data + at, len);
            qv__bytes_unref(&out[0]);
        }
        QVT_FAILS(qv__object_read(object, sizes[s], 1, out, &err), QV_CORRUPT, "lie outside");
        QVT_FAILS(qv__object_read(object, UINT64_MAX, 2, out, &err), QV_CORRUPT, "lie outside");
        QVT_FAILS(qv__object_read(object, 1, UINT64_MAX, out, &err), QV_CORRUPT, "lie outside");
        qv__object_will_need(object, UINT64_MAX, UINT64_MAX);
        two[1].len = sizes[s] + 1;
        QVT_FAILS(qv__object_read_many(object, two, 2, out, &err), QV_CORRUPT, "lie outside");
        assert_null(out[0].data);
        two[1].len = sizes[s];
        QVT_OK(qv__object_read_many(object, two, 2, out, &err));
        qv__object_unref(object); /* the bytes outlive the object */
        assert_int_equal((uintptr_t) out[1].data % 64, 0);
        assert_memory_equal(out[1].data, data, sizes[s]);
        qv__bytes_unref(&out[0]);
        qv__bytes_unref(&out[1]);
        free(data);
    }
    qv__store_unref(store);
}

static void uploads_of_every_size(void **state)
{
    qv_error err;
    qvt_rng rng = qvt_rng_seeded();
    qv__store *store = fresh_store(state);
    const size_t most = 12 << 20;
    uint8_t *model = malloc(most);

    for (size_t i = 0; i < most; i++)
        model[i] = (uint8_t) (qvt_rng_next(&rng) >> 7);
    for (int round = 0; round < 12; round++) {
        size_t size = qvt_rng_below(&rng, most), at = 0;
        qv__upload *upload = NULL;
        qv__bytes out = { 0 };

        QVT_OK(qv__upload_begin(store, "big", &upload, &err));
        while (at < size) { /* pieces below and above the direct size, and some empty */
            size_t piece = qvt_rng_below(&rng, 1u << (qvt_rng_below(&rng, 22)));
            piece = piece < size - at ? piece : size - at;
            QVT_OK(qv__upload_write(upload, model + at, piece, &err));
            at += piece;
            assert_int_equal(qv__upload_size(upload), at);
        }
        assert_int_equal(exists(store, "big"), round > 0);
        QVT_OK(qv__upload_commit(upload, QV_PUT_REPLACE, &err));
        QVT_OK(qv__store_get(store, "big", most, &out, &err));
        assert_int_equal(out.len, size);
        if (size)
            assert_memory_equal(out.data, model, size);
        qv__bytes_unref(&out);
    }
    free(model);
    qv__store_unref(store);
}

static void aborted_uploads_leave_nothing(void **state)
{
    qv_error err;
    qv__store *store = fresh_store(state);
    qv__upload *upload = NULL;
    seen s = { 0 };

    QVT_OK(qv__upload_begin(store, "x", &upload, &err));
    QVT_OK(qv__upload_write(upload, "abc", 3, &err));
    QVT_OK(qv__store_list(store, "", see, &s, &err));
    assert_int_equal(s.n, 0); /* unfinished: not listed */
    qv__upload_abort(upload);
    qv__upload_abort(NULL);
    assert_false(exists(store, "x"));
    if (*state)
        assert_int_equal(rmdir(qv__store_uri(store)), 0); /* not even a temporary file */
    qv__store_unref(store);
}

static qv_status delete_each(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    (void) size;
    return is_folder ? QV_OK : qv__store_delete(ctx, name, err);
}

static qv_status refuse(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    (void) ctx, (void) size, (void) is_folder;
    return qv__fail(err, QV_CORRUPT, "no %s here", name);
}

static void listing_and_deleting(void **state)
{
    qv_error err;
    qv__store *store = fresh_store(state);
    seen s = { 0 };

    put(store, "t/data/1", "1");
    put(store, "t/data/2", "22");
    put(store, "t/v/1", "333");
    put(store, "t-x", "4444");
    put(store, "t.y", "5");
    put(store, "u", "");
    QVT_OK(qv__store_list(store, "", see, &s, &err));
    assert_int_equal(s.n, 4);
    expect_entry(&s, "t", 0, true);
    expect_entry(&s, "t-x", 4, false);
    expect_entry(&s, "t.y", 1, false);
    expect_entry(&s, "u", 0, false);
    s.n = 0;
    QVT_OK(qv__store_list(store, "t", see, &s, &err));
    assert_int_equal(s.n, 2);
    expect_entry(&s, "data", 0, true);
    expect_entry(&s, "v", 0, true);
    s.n = 0;
    QVT_OK(qv__store_list(store, "t/data", see, &s, &err));
    expect_entry(&s, "1", 1, false);
    expect_entry(&s, "2", 2, false);
    s.n = 0;
    QVT_OK(qv__store_list(store, "missing", see, &s, &err));
    QVT_OK(qv__store_list(store, "u", see, &s, &err));
    assert_int_equal(s.n, 0);
    QVT_FAILS(qv__store_list(store, "t/v", refuse, NULL, &err), QV_CORRUPT, "no 1 here");

    QVT_FAILS(qv__store_delete(store, "missing", &err), QV_NOT_FOUND, "missing");
    QVT_FAILS(qv__store_delete(store, "t/data", &err), QV_NOT_FOUND, "t/data");
    QVT_FAILS(qv__store_delete_tree(store, "u", &err), QV_INVALID, "is a file");
    QVT_OK(qv__store_delete_tree(store, "t", &err));
    QVT_OK(qv__store_delete_tree(store, "t", &err)); /* gone is fine */
    assert_false(exists(store, "t/data/1"));
    assert_true(exists(store, "t-x"));
    put(store, "t/data/1", "again"); /* a dropped folder can come back */
    expect_text(store, "t/data/1", "again");
    QVT_OK(qv__store_list(store, "", delete_each, store, &err)); /* the callback may change what is listed */
    QVT_OK(qv__store_list(store, "", see, &s, &err));
    assert_int_equal(s.n, 1);
    QVT_OK(qv__store_delete_tree(store, "", &err));
    assert_false(exists(store, "t/data/1"));
    qv__store_unref(store);
}

static void sub_stores_share(void **state)
{
    qv_error err;
    qv__store *store = fresh_store(state), *sub = NULL, *deeper = NULL;
    char uri[5000];

    QVT_OK(qv__store_sub(store, "t.lance", &sub, &err));
    QVT_OK(qv__store_sub(sub, "a/b", &deeper, &err));
    put(deeper, "x", "deep");
    put(store, "t.lance/y", "from above");
    expect_text(store, "t.lance/a/b/x", "deep");
    expect_text(sub, "a/b/x", "deep");
    expect_text(sub, "y", "from above");
    snprintf(uri, sizeof uri, "%s%st.lance/a/b", qv__store_uri(store), *state ? "/" : "");
    assert_string_equal(qv__store_uri(deeper), uri);
    qv__store_unref(store);
    qv__store_unref(sub);
    expect_text(deeper, "x", "deep"); /* lives as long as any of them */
    qv__store *again = qv__store_ref(deeper);
    qv__store_unref(deeper);
    expect_text(again, "x", "deep");
    qv__store_unref(again);
    qv__store_unref(NULL);
}

#define N_RACERS 8

typedef struct racer {
    qv__store *store;
    int number;
    unsigned wins, losses;
} racer;

static void *race_in_thread(void *arg)
{
    racer *r = arg;
    for (int round = 0; round < 40; round++) {
        char name[32];
        snprintf(name, sizeof name, "race/%d", round);
        qv_status st = qv__store_put(r->store, name, &r->number, sizeof r->number, QV_PUT_IF_ABSENT, NULL);
        r->wins += st == QV_OK;
        r->losses += st == QV_EXISTS;
    }
    return NULL;
}

static void exactly_one_thread_wins(void **state)
{
    qv__store *store = fresh_store(state);
    racer racers[N_RACERS];
    pthread_t threads[N_RACERS];
    unsigned wins = 0, losses = 0;

    for (int i = 0; i < N_RACERS; i++) {
        racers[i] = (racer){ store, i, 0, 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, race_in_thread, &racers[i]), 0);
    }
    for (int i = 0; i < N_RACERS; i++) {
        pthread_join(threads[i], NULL);
        wins += racers[i].wins;
        losses += racers[i].losses;
    }
    assert_int_equal(wins, 40);
    assert_int_equal(losses, 40 * (N_RACERS - 1));
    qv__store_unref(store);
}

static void stores_leave_no_memory(void **state)
{
    (void) state;
    qv_memory_stats stats = qv_memory();
    assert_int_equal(stats.live_blocks, 0);
    assert_int_equal(stats.live_bytes, 0);
}

/* ---------------------------------------------------------------- faults, on both kinds */

/* Everything a writer does, then a reader. Returns the first failure. */
static qv_status use_store(qv__store *store, bool *committed)
{
    uint8_t large[300 * 1024];
    qv_status st = QV_OK;
    qv__upload *upload = NULL;
    qv__object *object = NULL;
    qv__bytes bytes = { 0 };
    seen s = { 0 };
    bool there = false;

    memset(large, 7, sizeof large);
    QV_CHECK(qv__upload_begin(store, "f/new", &upload, NULL));
    QV_CHECK(qv__upload_write(upload, "small", 5, NULL));
    QV_CHECK(qv__upload_write(upload, large, sizeof large, NULL));
    QV_CHECK(qv__upload_write(upload, "tail", 4, NULL));
    st = qv__upload_commit(upload, QV_PUT_IF_ABSENT, NULL);
    upload = NULL;
    if (st != QV_OK)
        goto done;
    *committed = true;
    QV_CHECK(qv__store_put(store, "f/old", "changed", 7, QV_PUT_REPLACE, NULL));
    QV_CHECK(qv__object_open(store, "f/new", &object, NULL));
    QV_CHECK(qv__object_read(object, 0, 5, &bytes, NULL));
    QV_CHECK(qv__store_list(store, "f", see, &s, NULL));
    QV_CHECK(qv__store_exists(store, "f/old", &there, NULL));
    QV_CHECK(qv__store_delete(store, "f/new", NULL));
    *committed = false;
    QV_CHECK(qv__store_delete_tree(store, "f", NULL));
done:
    qv__bytes_unref(&bytes);
    qv__object_unref(object);
    qv__upload_abort(upload);
    return st;
}

static size_t count_temp_files(const char *path)
{
    size_t n = 0;
    DIR *folder = opendir(path);
    struct dirent *entry;

    while (folder && (entry = readdir(folder)))
        n += strncmp(entry->d_name, ".tmp-", 5) == 0;
    if (folder)
        closedir(folder);
    return n;
}

static void arm(int kind, uint64_t n)
{
    if (kind < 0)
        qv__alloc_fail_at(n);
    else
        qv__fault_arm((qv__fault_kind) kind, n);
}

static void every_failure_in_turn(void **state)
{
    static const int kinds[] = { -1, QV_FAULT_ERROR, QV_FAULT_NOSPACE, QV_FAULT_SHORT };

    for (size_t k = 0; k < QV_COUNT_OF(kinds); k++) {
        uint64_t n = 0;
        for (bool fired = true; fired; n++) {
            qv__store *store = fresh_store(state);
            bool committed = false;
            char folder[5000];
            qv_error err;

            put(store, "f/old", "kept");
            arm(kinds[k], n);
            qv_status st = use_store(store, &committed);
            fired = kinds[k] < 0 ? qv__alloc_fault_fired() : qv__fault_fired();
            qv__alloc_fail_at(UINT64_MAX);
            qv__fault_arm(QV_FAULT_NONE, 0);
            assert_int_equal(st, !fired ? QV_OK : kinds[k] < 0 ? QV_NOMEM : QV_IO);
            if (fired) {
                snprintf(folder, sizeof folder, "%s/f", qv__store_uri(store));
                assert_int_equal(count_temp_files(folder), 0);
                if (!committed && exists(store, "f/old"))
                    assert_false(exists(store, "f/new"));
                if (!committed && exists(store, "f/old")) {
                    qv__bytes bytes = { 0 };
                    QVT_OK(qv__store_get(store, "f/old", 100, &bytes, &err));
                    assert_true((bytes.len == 4 && memcmp(bytes.data, "kept", 4) == 0) ||
                                (bytes.len == 7 && memcmp(bytes.data, "changed", 7) == 0));
                    qv__bytes_unref(&bytes);
                }
            }
            qv__store_unref(store);
        }
        assert_true(n > 2); /* the loop did arm something */
    }
}

/* ---------------------------------------------------------------- uris */

static void uris(void **state)
{
    qv_error err;
    qv__store *store = NULL;
    char path[4200], uri[4300], expected[4200];

    (void) state;
    QVT_FAILS(qv__store_open("", true, &store, &err), QV_INVALID, "empty");
    QVT_FAILS(qv__store_open(NULL, true, &store, &err), QV_INVALID, "empty");
    QVT_FAILS(qv__store_open("s3://bucket/x", true, &store, &err), QV_UNSUPPORTED, "\"s3\"");
    QVT_FAILS(qv__store_open("file://elsewhere/x", true, &store, &err), QV_INVALID, "another host");
    QVT_FAILS(qv__store_open("file:///a%0", true, &store, &err), QV_INVALID, "escape");
    QVT_FAILS(qv__store_open("file:///a%00", true, &store, &err), QV_INVALID, "escape");
    QVT_FAILS(qv__store_open("memory://../x", true, &store, &err), QV_INVALID, "..");
    assert_null(store);

    snprintf(path, sizeof path, "%s//with space/./sub/", qvt_temp_dir());
    snprintf(expected, sizeof expected, "%s/with space/sub", qvt_temp_dir());
    QVT_OK(qv__store_open(path, true, &store, &err));
    assert_string_equal(qv__store_uri(store), expected);
    put(store, "x", "found");
    qv__store_unref(store);
    snprintf(uri, sizeof uri, "file://localhost%s/with%%20space/sub", qvt_temp_dir());
    QVT_OK(qv__store_open(uri, false, &store, &err));
    assert_string_equal(qv__store_uri(store), expected);
    expect_text(store, "x", "found");
    qv__store_unref(store);

    char *cwd = getcwd(NULL, 0);
    assert_int_equal(chdir(expected), 0);
    QVT_OK(qv__store_open(".", false, &store, &err));
    assert_string_equal(qv__store_uri(store), expected);
    qv__store_unref(store);
    QVT_OK(qv__store_open("rel", true, &store, &err));
    put(store, "y", "z");
    qv__store_unref(store);
    assert_int_equal(access("rel/y", R_OK), 0);
    setenv("HOME", expected, 1);
    QVT_OK(qv__store_open("~/rel", false, &store, &err));
    expect_text(store, "y", "z");
    qv__store_unref(store);
    QVT_FAILS(qv__store_open("rel/y", true, &store, &err), QV_INVALID, "is a file");
    QVT_OK(qv__store_open("absent", false, &store, &err)); /* holds nothing, and is not made */
    assert_false(exists(store, "y"));
    assert_int_not_equal(access("absent", F_OK), 0);
    qv__store_unref(store);
    assert_int_equal(chdir(cwd), 0);
    free(cwd);
}

static void memory_stores_are_private(void **state)
{
    qv_error err;
    qv__store *a = NULL, *b = NULL;

    (void) state;
    QVT_OK(qv__store_open("memory://", false, &a, &err));
    QVT_OK(qv__store_open("memory://", false, &b, &err));
    put(a, "x", "a's");
    assert_false(exists(b, "x"));
    qv__store_unref(a);
    qv__store_unref(b);
}

/* ---------------------------------------------------------------- the local disk only */

static void exactly_one_process_wins(void **state)
{
    char path[4200];
    pid_t children[N_RACERS];
    unsigned wins = 0, losses = 0;

    (void) state;
    snprintf(path, sizeof path, "%s/race", qvt_temp_dir());
    for (int i = 0; i < N_RACERS; i++) {
        children[i] = qvt_fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            racer r = { .number = i };
            if (qv__store_open(path, true, &r.store, NULL) != QV_OK)
                _exit(255);
            race_in_thread(&r);
            _exit(r.wins + r.losses == 40 ? (int) r.wins : 254);
        }
    }
    for (int i = 0; i < N_RACERS; i++) {
        int status = 0;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 40);
        wins += (unsigned) WEXITSTATUS(status);
        losses += 40 - (unsigned) WEXITSTATUS(status);
    }
    assert_int_equal(wins, 40);
    assert_int_equal(losses, 40 * (N_RACERS - 1));
    assert_int_equal(count_temp_files(path), 0);
}

static void links_are_not_followed(void **state)
{
    qv_error err;
    char path[4200], outside[4200], link_path[4300];
    qv__store *store = NULL;

    (void) state;
    snprintf(outside, sizeof outside, "%s/outside", qvt_temp_dir());
    QVT_OK(qv__store_open(outside, true, &store, &err));
    put(store, "precious", "kept");
    qv__store_unref(store);
    snprintf(path, sizeof path, "%s/links", qvt_temp_dir());
    QVT_OK(qv__store_open(path, true, &store, &err));
    put(store, "t/a/x", "x");
    snprintf(link_path, sizeof link_path, "%s/t/a/link", path);
    assert_int_equal(symlink(outside, link_path), 0);
    snprintf(link_path, sizeof link_path, "%s/top", path);
    assert_int_equal(symlink(outside, link_path), 0);
    expect_text(store, "top/precious", "kept"); /* reading goes through links */
    QVT_OK(qv__store_delete_tree(store, "t", &err));
    QVT_OK(qv__store_delete_tree(store, "top", &err));
    assert_int_not_equal(access(link_path, F_OK), 0);
    qv__store_unref(store);
    QVT_OK(qv__store_open(outside, false, &store, &err));
    expect_text(store, "precious", "kept");
    qv__store_unref(store);
}

static void strange_entries(void **state)
{
    qv_error err;
    char path[4200], entry[4300];
    qv__store *store = NULL;
    qv__object *object = NULL;
    seen s = { 0 };

    (void) state;
    snprintf(path, sizeof path, "%s/strange", qvt_temp_dir());
    QVT_OK(qv__store_open(path, true, &store, &err));
    snprintf(entry, sizeof entry, "%s/pipe", path);
    assert_int_equal(mkfifo(entry, 0600), 0);
    snprintf(entry, sizeof entry, "%s/nowhere", path);
    assert_int_equal(symlink("/nonexistent/file", entry), 0);
    snprintf(entry, sizeof entry, "%s/.tmp-1-1", path);
    assert_int_equal(close(creat(entry, 0600)), 0);
    QVT_OK(qv__store_list(store, "", see, &s, &err));
    assert_int_equal(s.n, 0);
    QVT_FAILS(qv__object_open(store, "pipe", &object, &err), QV_NOT_FOUND, "not a file"); /* and does not wait */
    QVT_FAILS(qv__object_open(store, "nowhere", &object, &err), QV_NOT_FOUND, "nowhere");
    QVT_OK(qv__store_delete_tree(store, "", &err));
    assert_int_not_equal(access(path, F_OK), 0);
    qv__store_unref(store);
}

/* In a child without root's powers. */
static int use_read_only_folder(const char *path)
{
    qv_error err = { 0 };
    qv__store *store = NULL;
    qv__bytes bytes = { 0 };

    if (geteuid() == 0 && setuid(65534) != 0)
        return 77;
    if (qv__store_open(path, true, &store, &err) != QV_OK)
        return 1;
    if (qv__store_get(store, "x", 10, &bytes, &err) != QV_OK)
        return 2;
    qv__bytes_unref(&bytes);
    if (qv__store_put(store, "y", "y", 1, QV_PUT_REPLACE, &err) != QV_IO || err.sys_errno != EACCES ||
        !strstr(err.message, "/y\" cannot be created: Permission denied"))
        return 3;
    if (qv__store_put(store, "sub/y", "y", 1, QV_PUT_REPLACE, &err) != QV_IO || err.sys_errno != EACCES)
        return 4;
    if (qv__store_delete(store, "x", &err) != QV_IO || err.sys_errno != EACCES)
        return 5;
    qv__store_unref(store);
    return 0;
}

static int in_child(int (*body)(const char *), const char *path)
{
    int status = 0;
    pid_t child = qvt_fork();

    if (child == 0)
        _exit(body(path));
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void read_only_folder(void **state)
{
    qv_error err;
    char path[4200];
    qv__store *store = NULL;

    (void) state;
    snprintf(path, sizeof path, "%s/read-only", qvt_temp_dir());
    QVT_OK(qv__store_open(path, true, &store, &err));
    put(store, "x", "x");
    qv__store_unref(store);
    assert_int_equal(chmod(path, 0555), 0);
    assert_int_equal(chmod(qvt_temp_dir(), 0755), 0);
    int code = in_child(use_read_only_folder, path);
    assert_int_equal(chmod(path, 0755), 0);
    if (code == 77)
        skip();
    assert_int_equal(code, 0);
}

static int use_few_descriptors(const char *path)
{
    struct rlimit few = { 16, 16 };
    qv__store *store = NULL;
    qv__object *objects[200];
    char name[32], large[70000] = { 0 };

    if (setrlimit(RLIMIT_NOFILE, &few) != 0 || qv__store_open(path, true, &store, NULL) != QV_OK)
        return 1;
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "many/%d", i);
        if (qv__store_put(store, name, large, i % 2 ? sizeof large : 10, QV_PUT_REPLACE, NULL) != QV_OK ||
            qv__object_open(store, name, &objects[i], NULL) != QV_OK)
            return 2;
    }
    for (int i = 0; i < 200; i++)
        qv__object_unref(objects[i]);
    if (qv__store_delete_tree(store, "many", NULL) != QV_OK)
        return 3;
    qv__store_unref(store);
    return 0;
}

static void few_descriptors_suffice(void **state)
{
    char path[4200];

    (void) state;
    snprintf(path, sizeof path, "%s/few", qvt_temp_dir());
    assert_int_equal(in_child(use_few_descriptors, path), 0);
}

static void deep_trees_are_refused(void **state)
{
    qv_error err;
    char path[4200], name[400] = "";
    qv__store *store = NULL;

    (void) state;
    snprintf(path, sizeof path, "%s/deep", qvt_temp_dir());
    QVT_OK(qv__store_open(path, true, &store, &err));
    for (int i = 0; i < 80; i++)
        strcat(name, "d/");
    strcat(name, "x");
    put(store, name, "x");
    QVT_FAILS(qv__store_delete_tree(store, "d", &err), QV_LIMIT, "folders deep");
    expect_text(store, name, "x");
    qv__store_unref(store);
}

int main(void)
{
    static int local = 1;
    const struct CMUnitTest shared[] = {
        cmocka_unit_test(put_and_get),
        cmocka_unit_test(names_that_escape),
        cmocka_unit_test(ranges),
        cmocka_unit_test(uploads_of_every_size),
        cmocka_unit_test(aborted_uploads_leave_nothing),
        cmocka_unit_test(listing_and_deleting),
        cmocka_unit_test(sub_stores_share),
        cmocka_unit_test(exactly_one_thread_wins),
        cmocka_unit_test(every_failure_in_turn),
        cmocka_unit_test(stores_leave_no_memory),
    };
    const struct CMUnitTest others[] = {
        cmocka_unit_test(uris),
        cmocka_unit_test(memory_stores_are_private),
        cmocka_unit_test(exactly_one_process_wins),
        cmocka_unit_test(links_are_not_followed),
        cmocka_unit_test(strange_entries),
        cmocka_unit_test(read_only_folder),
        cmocka_unit_test(few_descriptors_suffice),
        cmocka_unit_test(deep_trees_are_refused),
        cmocka_unit_test(stores_leave_no_memory),
    };
    struct CMUnitTest on_disk[QV_COUNT_OF(shared)];

    memcpy(on_disk, shared, sizeof shared);
    for (size_t i = 0; i < QV_COUNT_OF(on_disk); i++)
        on_disk[i].initial_state = &local; /* fresh_store makes a folder when there is a state */
    int failed = cmocka_run_group_tests_name("memory", shared, NULL, NULL);
    failed += cmocka_run_group_tests_name("local", on_disk, NULL, NULL);
    return failed + cmocka_run_group_tests_name("other", others, NULL, NULL);
}
