/* Names of the objects of a table. Version names come in two kinds: V2 counts down, so that the newest sorts first; V1 is the
 * plain number. A table keeps the kind that it has. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "table/table_private.h"

#define SUFFIX     ".manifest"
#define SUFFIX_LEN 9
#define V2_DIGITS  20

void qv__manifest_name(uint64_t version, qv__names names, char out[QV_NAME_BYTES])
{
    if (version & QV_DETACHED_BIT)
        snprintf(out, QV_NAME_BYTES, QV_VERSIONS_FOLDER "/d%" PRIu64 SUFFIX, version);
    else if (names == QV_NAMES_V1)
        snprintf(out, QV_NAME_BYTES, QV_VERSIONS_FOLDER "/%" PRIu64 SUFFIX, version);
    else
        snprintf(out, QV_NAME_BYTES, QV_VERSIONS_FOLDER "/%020" PRIu64 SUFFIX, UINT64_MAX - version);
}

static bool parse_number(const char *digits, size_t n, uint64_t *out)
{
    uint64_t value = 0;

    if (n == 0 || n > V2_DIGITS)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (digits[i] < '0' || digits[i] > '9' || !qv__mul_u64(value, 10, &value) ||
            !qv__add_u64(value, (uint64_t) (digits[i] - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

qv__names qv__manifest_name_parse(const char *name, uint64_t *version)
{
    size_t len = strlen(name);
    uint64_t number;

    if (len <= SUFFIX_LEN || strcmp(name + len - SUFFIX_LEN, SUFFIX) != 0)
        return QV_NAMES_OTHER;
    len -= SUFFIX_LEN;
    if (name[0] == 'd' && parse_number(name + 1, len - 1, &number) && number & QV_DETACHED_BIT) {
        *version = number;
        return QV_NAMES_DETACHED;
    }
    if (!parse_number(name, len, &number))
        return QV_NAMES_OTHER;
    *version = len == V2_DIGITS ? UINT64_MAX - number : number;
    if (*version == 0 || *version & QV_DETACHED_BIT)
        return QV_NAMES_OTHER;
    return len == V2_DIGITS ? QV_NAMES_V2 : QV_NAMES_V1;
}

qv_status qv__uuid_new(uint8_t uuid[16], qv_error *err)
{
    for (size_t got = 0; got < 16;) {
        ssize_t n = getrandom(uuid + got, 16 - got, 0);
        if (n < 0 && errno != EINTR)
            return qv__fail_errno(err, errno, "random numbers");
        got += n > 0 ? (size_t) n : 0;
    }
    uuid[6] = (uint8_t) ((uuid[6] & 0x0f) | 0x40);
    uuid[8] = (uint8_t) ((uuid[8] & 0x3f) | 0x80);
    return QV_OK;
}

void qv__uuid_print(const uint8_t uuid[16], char out[37])
{
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;

    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        out[at++] = hex[uuid[i] >> 4];
        out[at++] = hex[uuid[i] & 15];
    }
    out[at] = 0;
}

void qv__data_file_name(const uint8_t uuid[16], char out[QV_NAME_BYTES])
{
    size_t at = 0;

    for (size_t bit = 0; bit < 24; bit++)
        out[at++] = uuid[bit / 8] >> (7 - bit % 8) & 1 ? '1' : '0';
    for (size_t i = 3; i < 16; i++)
        at += (size_t) snprintf(out + at, QV_NAME_BYTES - at, "%02x", uuid[i]);
    snprintf(out + at, QV_NAME_BYTES - at, ".lance");
}

void qv__transaction_name(uint64_t read_version, const char *uuid, char out[QV_NAME_BYTES])
{
    snprintf(out, QV_NAME_BYTES, "%" PRIu64 "-%s.txn", read_version, uuid);
}

void qv__deletion_name(uint64_t fragment, const qv__deletion_file *file, char out[QV_NAME_BYTES])
{
    snprintf(out, QV_NAME_BYTES, "%" PRIu64 "-%" PRIu64 "-%" PRIu64 ".%s", fragment, file->read_version, file->id,
             file->is_bitmap ? "bin" : "arrow");
}
