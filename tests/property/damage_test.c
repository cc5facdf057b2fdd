/* Damaged tables: bytes flipped, overwritten and cut off at random in every kind of file. Opening, scanning, searching and verifying
 * such a table ends with a status, never with a crash, a leak, or memory that the files' real size does not justify. */
#include <dirent.h>
#include <sys/stat.h>

#include "qvt_rows.h"

#define ROUNDS 300

typedef struct bytes {
    uint8_t *data;
    size_t len;
} bytes;

static char uri[4096];

static bytes load(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat info;

    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &info), 0);
    bytes all = { malloc((size_t) info.st_size + 1), (size_t) info.st_size };
    assert_int_equal(fread(all.data, 1, all.len, file), all.len);
    fclose(file);
    return all;
}

static void store(const char *path, const uint8_t *data, size_t len)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    fclose(file);
}

/* The n-th file of a sub-folder of the table, by name order of the directory; false when there is none. */
static bool pick_file(qvt_rng *rng, char *path, size_t path_len)
{
    static const char *const folders[] = { "data", "_versions", "data", "_transactions" };
    char folder[4200];
    struct dirent *entry;
    size_t seen = 0;

    snprintf(folder, sizeof folder, "%s/t.lance/%s", uri, folders[qvt_rng_below(rng, 4)]);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.' && qvt_rng_below(rng, ++seen) == 0)
            snprintf(path, path_len, "%s/%s", folder, entry->d_name);
    closedir(dir);
    return seen > 0;
}

static void damage(qvt_rng *rng, const char *path, bytes good)
{
    uint8_t *bad = malloc(good.len + 1);
    size_t len = good.len;

    memcpy(bad, good.data, good.len);
    switch (qvt_rng_below(rng, 4)) {
    case 0: /* cut */
        len = qvt_rng_below(rng, good.len + 1);
        break;
    case 1: /* a run of one value, where lengths and offsets like to be */
        for (size_t i = 0, at = qvt_rng_below(rng, good.len), fill = qvt_rng_below(rng, 2) ? 0xff : 0x7f;
             i < 8 && at + i < good.len; i++)
            bad[at + i] = (uint8_t) fill;
        break;
    case 2: /* near the end: footers */
        bad[good.len - 1 - qvt_rng_below(rng, QV_MIN(good.len, 200))] ^= (uint8_t) (1u << qvt_rng_below(rng, 8));
        break;
    default:
        for (uint64_t n = 1 + qvt_rng_below(rng, 4); n > 0; n--)
            bad[qvt_rng_below(rng, good.len)] ^= (uint8_t) (1u << qvt_rng_below(rng, 8));
    }
    store(path, bad, len);
    free(bad);
}

static void check_status(qv_status st, const qv_error *err)
{
    static const qv_status fine[] = { QV_OK, QV_CORRUPT, QV_UNSUPPORTED, QV_NOT_FOUND };

    for (size_t i = 0; i < QV_COUNT_OF(fine); i++)
        if (st == fine[i])
            return;
    fail_msg("%s: %s", qv_status_name(st), err->message);
}

static void read_everything(void)
{
    const float query[QVT_DIM] = { 1, 2, 3, 4 };
    qv_vectors vectors = { query, QV_ELEMENT_F32, QVT_DIM, 1 };
    struct ArrowArrayStream stream;
    qv_db *db = NULL;
    qv_table *table = NULL;
    char *json = NULL;
    qv_error err;

    QVT_OK(qv_db_open(uri, NULL, &db, &err));
    qv_status st = qv_db_open_table(db, "t", 0, &table, &err);
    check_status(st, &err);
    if (st == QV_OK) {
        st = qv_table_scan(table, NULL, &stream, &err);
        if (st == QV_OK) { /* batches are looked at and dropped; the schema may be another one now */
            struct ArrowArray batch;
            int code;
            while ((code = stream.get_next(&stream, &batch)) == 0 && batch.release)
                batch.release(&batch);
            stream.release(&stream);
        } else {
            check_status(st, &err);
        }
        st = qv_table_search(table, &vectors, NULL, &stream, &err);
        if (st == QV_OK)
            stream.release(&stream);
        else if (st != QV_INVALID) /* a damaged schema may have no vector column, or another dimension */
            check_status(st, &err);
        check_status(qv_table_verify(table, NULL, NULL, NULL, NULL, &err), &err);
        if (qv_table_describe(table, NULL, &json, &err) == QV_OK)
            qv_string_free(json);
    }
    qv_table_close(table);
    qv_db_close(db);
}

static void random_damage(const char *file_version, qv_compression compression)
{
    qvt_rng rng = qvt_rng_seeded();
    qv_write_options options = QV_WRITE_OPTIONS_INIT;
    struct ArrowArrayStream stream;
    qvt_rows rows = { 0 };
    int64_t next_id = 0;
    qv_db *db = NULL;
    qv_table *table = NULL;
    qv_error err;

    snprintf(uri, sizeof uri, "%s/%s-%d", qvt_temp_dir(), file_version, (int) compression);
    options.file_version = file_version;
    options.compression = compression;
    options.max_rows_per_file = 700;
    qvt_rows_random(&rng, 1500, &next_id, &rows);
    QVT_OK(qvt_rows_export(&rows, 500, &stream, &err));
    QVT_OK(qv_db_open(uri, NULL, &db, &err));
    QVT_OK(qv_db_create_table(db, "t", QV_CREATE, &stream, NULL, &options, &table, &err));
    qv_table_close(table);
    qv_db_close(db);
    size_t blocks = qv_memory().live_blocks;
    qv_set_memory_limit(256u << 20);
    for (int round = 0; round < ROUNDS; round++) {
        char path[4600];
        if (!pick_file(&rng, path, sizeof path))
            continue;
        bytes good = load(path);
        if (good.len)
            damage(&rng, path, good);
        read_everything();
        store(path, good.data, good.len);
        free(good.data);
        assert_int_equal(qv_memory().live_blocks, blocks);
    }
    qv_set_memory_limit(0);
    assert_true(qvt_table_is_new(uri, NULL, &rows)); /* mended: whole again */
    qvt_rows_free(&rows);
}

static void version_22(void **state)
{
    QV_UNUSED(state);
    random_damage("2.2", QV_COMPRESSION_DEFAULT);
}

static void version_22_small(void **state)
{
    QV_UNUSED(state);
    random_damage("2.2", QV_COMPRESSION_SMALL);
}

static void version_21(void **state)
{
    QV_UNUSED(state);
    random_damage("2.1", QV_COMPRESSION_DEFAULT);
}

static void version_20(void **state)
{
    QV_UNUSED(state);
    random_damage("2.0", QV_COMPRESSION_DEFAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(version_22), cmocka_unit_test(version_22_small),
                                        cmocka_unit_test(version_21), cmocka_unit_test(version_20) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
