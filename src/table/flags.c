/* Feature flags: two words in the manifest. A reader refuses what it does not know in the first, a writer what it does not
 * know in the second; some must stand in both. */
#include <inttypes.h>

#include "table/table_private.h"

typedef struct flag {
    uint64_t bit;
    const char *name;
    bool known;
    bool in_both; /* set in one word only: corrupt */
} flag;

static const flag flags[] = {
    { 1, "deletion files", true, false },
    { 2, "stable row ids", true, false },
    { 4, "v2 format", true, false },
    { 8, "table config", true, false },
    { 16, "base paths", true, false },
    { 32, "no transaction files", true, false },
    { 64, "data overlay files", false, false },
    { 128, "covering indices", true, false },
    { 256, "mixed data file versions", true, true },
    { 512, "fragment reuse index with stable row ids", false, false },
    { 1024, "tagged fragment reuse index", true, true },
    { 2048, "spilled row lineage", true, false },
    { 4096, "fragment tree", false, false },
    { 8192, "independent covering fields", false, false },
    { 16384, "managed blobs", false, true },
    { 32768, "lasting field ids", true, false },
    { 65536, "zone seeds", false, false },
    { 131072, "object metadata", false, false },
};

static qv_status check_word(uint64_t word, const char *which, qv_error *err)
{
    for (unsigned i = 0; i < 64; i++) {
        uint64_t bit = UINT64_C(1) << i;
        if (!(word & bit))
            continue;
        if (i >= QV_COUNT_OF(flags))
            return qv__fail(err, QV_UNSUPPORTED, "the table has %s feature flag %" PRIu64 ", which is unknown", which,
                            bit);
        if (!flags[i].known)
            return qv__fail(err, QV_UNSUPPORTED, "the table has %s feature flag %" PRIu64 " (%s)", which, bit,
                            flags[i].name);
    }
    return QV_OK;
}

qv_status qv__flags_check_read(const Lance__Table__Manifest *head, qv_error *err)
{
    uint64_t reader = head->reader_feature_flags, writer = head->writer_feature_flags;

    QV_TRY(check_word(reader, "reader", err));
    for (size_t i = 0; i < QV_COUNT_OF(flags); i++)
        if (flags[i].in_both && (reader ^ writer) & flags[i].bit)
            return qv__fail(err, QV_CORRUPT, "feature flag %" PRIu64 " (%s) is set for the %s only", flags[i].bit,
                            flags[i].name, reader & flags[i].bit ? "reader" : "writer");
    return QV_OK;
}

qv_status qv__flags_check_write(const Lance__Table__Manifest *head, qv_error *err)
{
    QV_TRY(qv__flags_check_read(head, err));
    return check_word(head->writer_feature_flags, "writer", err);
}
