/*
 * The crash model, and with it the promises of uploads: an acknowledged object survives any power loss whole, an
 * unacknowledged one is whole or absent, whatever the seed makes of unsynced bytes and folder entries.
 *
 * The model itself is tested too: a writer that skips a sync must be caught, or the model would prove nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/io_private.h"
#include "qvt.h"

#define SEEDS 24
#define LARGE 200000

static unsigned n_folders;
static char root[4200];

static qv__store *fresh_store(void)
{
    qv_error err;
    qv__store *store = NULL;

    snprintf(root, sizeof root, "%s/crash-%u", qvt_temp_dir(), n_folders++);
    QVT_OK(qv__store_open(root, true, &store, &err));
    return store;
}

static void fill(char *bytes, size_t n, int version)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char) ('a' + (i * 7 + (size_t) version) % 26);
}

static qv_status put_version(qv__store *store, const char *name, int version, qv__put_mode mode)
{
    static char bytes[LARGE];
    fill(bytes, sizeof bytes, version);
    return qv__store_put(store, name, bytes, sizeof bytes, mode, NULL);
}

/* Which version the object holds; -1: absent, -2: neither whole. */
static int version_of(qv__store *store, const char *name)
{
    static char expected[LARGE];
    qv__bytes bytes = { 0 };
    int found = -2;

    if (qv__store_get(store, name, LARGE, &bytes, NULL) == QV_NOT_FOUND)
        return -1;
    for (int version = 0; version < 3 && bytes.len == LARGE; version++) {
        fill(expected, LARGE, version);
        if (memcmp(expected, bytes.data, LARGE) == 0)
            found = version;
    }
    qv__bytes_unref(&bytes);
    return found;
}

/* How far a small history came: 0 nothing, 1 "t/d/new" put, 2 replaced, 3 the tree deleted. */
static int run_history(qv__store *store)
{
    if (put_version(store, "t/d/new", 1, QV_PUT_IF_ABSENT) != QV_OK)
        return 0;
    if (put_version(store, "t/d/new", 2, QV_PUT_REPLACE) != QV_OK)
        return 1;
    return qv__store_delete_tree(store, "t", NULL) == QV_OK ? 3 : 2;
}

static void every_sync_point_with_many_seeds(void **state)
{
    (void) state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        bool crashed = true;
        uint64_t n = 0;
        for (; crashed; n++) {
            qv_error err;
            bool there = true;
            qv__store *store = fresh_store();

            assert_int_equal(put_version(store, "kept", 0, QV_PUT_IF_ABSENT), QV_OK);
            QVT_OK(qv__crash_arm(n, &err));
            int came = run_history(store);
            crashed = qv__crash_happened();
            assert_int_equal(came < 3, crashed);
            if (crashed)
                QVT_FAILS(qv__store_exists(store, "kept", &there, &err), QV_IO, "crashed");
            QVT_OK(qv__crash_apply(seed, &err));
            int found = version_of(store, "t/d/new");
            switch (came) { /* what was acknowledged is there; the next step may have happened, whole */
            case 0:
                assert_true(found == -1 || found == 1);
                break;
            case 1:
                assert_true(found == 1 || found == 2);
                break;
            case 2:
                assert_true(found == 2 || found == -1);
                break;
            default:
                assert_int_equal(found, -1);
            }
            assert_int_equal(version_of(store, "kept"), 0);
            assert_int_equal(put_version(store, "t/d/later", 1, QV_PUT_IF_ABSENT), QV_OK); /* life goes on */
            qv__store_unref(store);
        }
        assert_in_range(n, 8, 40);
    }
}

/* A writer that forgets something; true when some seed shows it. `skip`: 0 the file's sync, 1 the folder's. */
static bool careless_writer_is_caught(int skip)
{
    unsigned lost = 0, torn = 0, whole = 0;
    char temp[4300], path[4300], bytes[5000];

    for (uint64_t seed = 0; seed < 64; seed++) {
        qv_error err;
        int fd = -1;
        struct stat info;
        qv__store *store = fresh_store();

        snprintf(temp, sizeof temp, "%s/.tmp-1", root);
        snprintf(path, sizeof path, "%s/x", root);
        fill(bytes, sizeof bytes, 1);
        QVT_OK(qv__crash_arm(100, &err));
        assert_int_equal(qv__sys_create(temp, &fd), 0);
        assert_int_equal(qv__sys_write(fd, temp, bytes, sizeof bytes, 0), 0);
        if (skip != 0)
            assert_int_equal(qv__sys_sync(fd, temp), 0);
        qv__sys_close(fd);
        assert_int_equal(qv__sys_rename(temp, path, false), 0);
        if (skip != 1)
            assert_int_equal(qv__sys_sync_folder(root), 0);
        QVT_OK(qv__crash_apply(seed, &err));
        qv__bytes got = { 0 };
        if (stat(path, &info) != 0)
            lost++;
        else if (qv__store_get(store, "x", sizeof bytes, &got, &err) == QV_OK && got.len == sizeof bytes &&
                 memcmp(got.data, bytes, sizeof bytes) == 0)
            whole++;
        else
            torn++;
        qv__bytes_unref(&got);
        qv__store_unref(store);
    }
    assert_true(whole > 0);
    if (skip == 0)
        return torn > 0 && lost == 0;
    return lost > 0 && torn == 0;
}

static void a_missing_sync_shows(void **state)
{
    (void) state;
    assert_true(careless_writer_is_caught(0));
    assert_true(careless_writer_is_caught(1));
}

/* A folder whose own entry was never synced takes synced files along. */
static void an_unsynced_folder_vanishes_whole(void **state)
{
    unsigned lost = 0, kept = 0;

    (void) state;
    for (uint64_t seed = 0; seed < 32; seed++) {
        qv_error err;
        char folder[4300], path[4400];
        int fd = -1;
        qv__store *store = fresh_store();

        snprintf(folder, sizeof folder, "%s/f", root);
        snprintf(path, sizeof path, "%s/x", folder);
        QVT_OK(qv__crash_arm(100, &err));
        assert_int_equal(qv__sys_mkdir(folder), 0);
        assert_int_equal(qv__sys_create(path, &fd), 0);
        assert_int_equal(qv__sys_write(fd, path, "x", 1, 0), 0);
        assert_int_equal(qv__sys_sync(fd, path), 0);
        qv__sys_close(fd);
        assert_int_equal(qv__sys_sync_folder(folder), 0);
        QVT_OK(qv__crash_apply(seed, &err));
        if (access(path, F_OK) == 0)
            kept++;
        else
            lost += access(folder, F_OK) != 0;
        qv__store_unref(store);
    }
    assert_int_equal(lost + kept, 32);
    assert_true(lost > 0 && kept > 0);
}

/* Two openings: the second finds a folder that the first made but never synced, and must see to it itself. */
static void folders_of_others_are_made_durable(void **state)
{
    (void) state;
    for (uint64_t seed = 0; seed < 32; seed++) {
        qv_error err;
        char folder[4300];
        qv__store *store = fresh_store();

        snprintf(folder, sizeof folder, "%s/f", root);
        QVT_OK(qv__crash_arm(100, &err));
        assert_int_equal(qv__sys_mkdir(folder), 0);
        assert_int_equal(put_version(store, "f/x", 1, QV_PUT_IF_ABSENT), QV_OK);
        QVT_OK(qv__crash_apply(seed, &err));
        assert_int_equal(version_of(store, "f/x"), 1);
        qv__store_unref(store);
    }
}

static void deletes_last(void **state)
{
    unsigned back = 0;

    (void) state;
    for (uint64_t seed = 0; seed < 32; seed++) {
        qv_error err;
        char path[4300];
        qv__store *store = fresh_store();

        snprintf(path, sizeof path, "%s/b", root);
        assert_int_equal(put_version(store, "a", 1, QV_PUT_IF_ABSENT), QV_OK);
        assert_int_equal(put_version(store, "b", 2, QV_PUT_IF_ABSENT), QV_OK);
        QVT_OK(qv__crash_arm(100, &err));
        QVT_OK(qv__store_delete(store, "a", &err));
        assert_int_equal(qv__sys_unlink(path), 0); /* not synced: may come back, whole */
        QVT_OK(qv__crash_apply(seed, &err));
        assert_int_equal(version_of(store, "a"), -1);
        int found = version_of(store, "b");
        assert_true(found == -1 || found == 2);
        back += found == 2;
        qv__store_unref(store);
    }
    assert_true(back > 0 && back < 32);
}

static void arming_twice_is_refused(void **state)
{
    qv_error err;

    (void) state;
    QVT_OK(qv__crash_arm(0, &err));
    QVT_FAILS(qv__crash_arm(0, &err), QV_INVALID, "on already");
    assert_false(qv__crash_happened());
    QVT_OK(qv__crash_apply(1, &err));
    QVT_OK(qv__crash_apply(1, &err)); /* nothing is armed: nothing happens */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sync_point_with_many_seeds),
        cmocka_unit_test(a_missing_sync_shows),
        cmocka_unit_test(an_unsynced_folder_vanishes_whole),
        cmocka_unit_test(folders_of_others_are_made_durable),
        cmocka_unit_test(deletes_last),
        cmocka_unit_test(arming_twice_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
