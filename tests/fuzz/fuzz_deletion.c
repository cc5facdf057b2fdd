/* Bytes -> a deletion file of a fragment of 1,000 rows. Byte 0: its kind, and whether the manifest says how many rows are
 * deleted (bytes 1 and 2). What is accepted lists rows of the fragment once each, in order, and agrees with the bitmap. */
#include "fuzz.h"

#include "base/alloc.h"
#include "table/table_private.h"

enum { ROWS = 1000 };

static void put_manifest(qv__store *store, bool bitmap, uint64_t n_deleted)
{
    Lance__Table__Manifest head = LANCE__TABLE__MANIFEST__INIT;
    Lance__Table__DataFormat format = LANCE__TABLE__DATA_FORMAT__INIT;
    Lance__Table__DataFragment fragment = LANCE__TABLE__DATA_FRAGMENT__INIT;
    Lance__Table__DeletionFile deletion = LANCE__TABLE__DELETION_FILE__INIT;
    ProtobufCBinaryData packed;
    uint8_t bytes[512] = { 0 }, inner[256];
    char name[QV_NAME_BYTES];
    qv_error err;

    deletion.has_file_type = deletion.has_num_deleted_rows = true;
    deletion.file_type = bitmap;
    deletion.num_deleted_rows = n_deleted;
    fragment.deletion_file = &deletion;
    fragment.has_physical_rows = true;
    fragment.physical_rows = ROWS;
    packed.len = lance__table__data_fragment__pack(&fragment, inner);
    packed.data = inner;
    format.version = (char *) (uintptr_t) "2.2";
    head.data_format = &format;
    head.has_version = true;
    head.version = 1;
    head.fragments = &packed;
    head.n_fragments = 1;
    size_t len = lance__table__manifest__pack(&head, bytes + 4);
    qv__store_u32(bytes, (uint32_t) len);
    memcpy(bytes + 4 + len + 12, "LANC", 4);
    qv__manifest_name(1, QV_NAMES_V2, name);
    FUZZ_CHECK(qv__store_put(store, name, bytes, len + 20, QV_PUT_REPLACE, &err) == QV_OK);
}

static void check_accepted(qv__snapshot *s, uint64_t n_deleted, const uint32_t *offsets, size_t n, const uint8_t *live)
{
    FUZZ_CHECK(n_deleted == 0 || n == n_deleted);
    FUZZ_CHECK((live == NULL) == (n == 0));
    for (size_t i = 0; i < n; i++) {
        FUZZ_CHECK(offsets[i] < ROWS && (i == 0 || offsets[i] > offsets[i - 1]));
        FUZZ_CHECK(!qv__bit_get(live, offsets[i]));
    }
    if (live)
        FUZZ_CHECK(qv__bitmap_count(live, 0, ROWS) == ROWS - n);
    FUZZ_CHECK(qv__snapshot_live_rows(s, 0) == ROWS - n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_reader in = { data, size };
    uint8_t flags = fuzz_byte(&in), count[2];
    bool bitmap = flags & 1;
    const uint32_t *offsets;
    const uint8_t *live;
    qv__store *store;
    qv__snapshot *s;
    qv_error err;
    size_t n;

    fuzz_bytes(&in, count, 2);
    uint64_t n_deleted = flags & 2 ? qv__load_u16(count) % (ROWS + 1) : 0;
    FUZZ_CHECK(qv__store_open("memory://", true, &store, &err) == QV_OK);
    put_manifest(store, bitmap, n_deleted);
    FUZZ_CHECK(qv__store_put(store, bitmap ? "_deletions/0-0-0.bin" : "_deletions/0-0-0.arrow",
                             in.left ? in.data : data, in.left, QV_PUT_REPLACE, &err) == QV_OK);
    FUZZ_CHECK(qv__snapshot_open(store, 1, &s, &err) == QV_OK);
    qv_set_memory_limit((size_t) 8 << 20); /* many times the fragment's rows */
    qv_status st = qv__snapshot_deletions(s, 0, &offsets, &n, &live, &err);
    if (st == QV_OK)
        check_accepted(s, n_deleted, offsets, n, live);
    FUZZ_CHECK(!bitmap || st != QV_NOMEM);
    qv_set_memory_limit(0);
    qv__snapshot_unref(s);
    qv__store_unref(store);
    return 0;
}
