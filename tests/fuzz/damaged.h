/* Golden tables whose index files are damaged by fuzz input: patches of four bytes each (file, where from the start or the end, value). */
#ifndef QV_FUZZ_DAMAGED_H
#define QV_FUZZ_DAMAGED_H

#include "fuzz.h"

#include "base/bytes.h"
#include "io/store.h"

#define MOST_OBJECTS 64
#define MOST_PATCHES 12
#define NAME_BYTES   256

typedef struct base {
    size_t n, n_index;
    char names[MOST_OBJECTS][NAME_BYTES]; /* index files first */
    qv__bytes bytes[MOST_OBJECTS];
} base;

typedef struct listing {
    base *base;
    qv__store *store;
    const char *folder;
} listing;

static qv_status load_object(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    listing *list = ctx;
    base *b = list->base;
    char path[NAME_BYTES];

    FUZZ_CHECK(b->n < MOST_OBJECTS);
    FUZZ_CHECK(snprintf(path, sizeof path, "%s/%s", list->folder, name) < (int) sizeof path);
    if (is_folder) {
        listing below = { b, list->store, path };
        return qv__store_list(list->store, path, load_object, &below, err);
    }
    memcpy(b->names[b->n], path, sizeof path);
    return qv__store_get(list->store, path, size, &b->bytes[b->n++], err);
}

/* Once per table. */
static void load_base(base *b, const char *table)
{
    static const char *const folders[] = { "_indices", "data", "_deletions", "_versions" };
    char path[4096];
    qv__store *store;
    qv_error err;

    snprintf(path, sizeof path, QVT_SOURCE_DIR "/tests/golden/indices/%s.lance", table);
    FUZZ_CHECK(qv__store_open(path, false, &store, &err) == QV_OK);
    for (size_t k = 0; k < QV_COUNT_OF(folders); k++) {
        listing list = { b, store, folders[k] };
        FUZZ_CHECK(qv__store_list(store, folders[k], load_object, &list, &err) == QV_OK);
        if (k == 0)
            b->n_index = b->n;
    }
    qv__store_unref(store);
    FUZZ_CHECK(b->n_index > 0);
}

static qv__store *open_damaged(const base *b, fuzz_reader *in)
{
    uint8_t *copies[MOST_OBJECTS] = { NULL };
    qv__store *store;
    qv_error err;

    FUZZ_CHECK(qv__store_open("memory://", true, &store, &err) == QV_OK);
    for (int k = 0; in->left >= 4 && k < MOST_PATCHES; k++) {
        size_t file = fuzz_byte(in) % b->n_index, len = b->bytes[file].len;
        uint8_t where[2];
        fuzz_bytes(in, where, 2);
        size_t at = qv__load_u16(where) >> 1;
        at = len ? (qv__load_u16(where) & 1 ? at % len : len - 1 - at % len) : 0;
        if (!copies[file]) {
            copies[file] = malloc(len + 1);
            FUZZ_CHECK(copies[file]);
            memcpy(copies[file], b->bytes[file].data, len);
        }
        copies[file][at] = fuzz_byte(in);
    }
    for (size_t i = 0; i < b->n; i++) {
        const uint8_t *bytes = copies[i] ? copies[i] : b->bytes[i].data;
        FUZZ_CHECK(qv__store_put(store, b->names[i], bytes, b->bytes[i].len, QV_PUT_REPLACE, &err) == QV_OK);
        free(copies[i]);
    }
    return store;
}

#endif
