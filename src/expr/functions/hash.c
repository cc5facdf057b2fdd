/* Digests of text and binary values, by Nettle. */
#include <nettle/md5.h>
#include <nettle/sha2.h>

#include "expr/functions/functions_private.h"

typedef union state {
    struct md5_ctx md5;
    struct sha256_ctx sha256; /* sha224 too */
    struct sha512_ctx sha512; /* sha384 too */
} state;

typedef enum digest { MD5, SHA224, SHA256, SHA384, SHA512, NO_DIGEST } digest;

static const struct {
    const char *name;
    size_t n_bytes;
} facts[] = { { "md5", 16 }, { "sha224", 28 }, { "sha256", 32 }, { "sha384", 48 }, { "sha512", 64 } };

static void run(digest how, qv__text bytes, uint8_t *out)
{
    state s;

    switch (how) {
    case MD5:
        md5_init(&s.md5);
        md5_update(&s.md5, bytes.len, bytes.data);
        md5_digest(&s.md5, facts[how].n_bytes, out);
        break;
    case SHA224:
        sha224_init(&s.sha256);
        sha224_update(&s.sha256, bytes.len, bytes.data);
        sha224_digest(&s.sha256, facts[how].n_bytes, out);
        break;
    case SHA256:
        sha256_init(&s.sha256);
        sha256_update(&s.sha256, bytes.len, bytes.data);
        sha256_digest(&s.sha256, facts[how].n_bytes, out);
        break;
    case SHA384:
        sha384_init(&s.sha512);
        sha384_update(&s.sha512, bytes.len, bytes.data);
        sha384_digest(&s.sha512, facts[how].n_bytes, out);
        break;
    default:
        sha512_init(&s.sha512);
        sha512_update(&s.sha512, bytes.len, bytes.data);
        sha512_digest(&s.sha512, facts[how].n_bytes, out);
        break;
    }
}

static digest digest_of(const char *name, size_t len)
{
    for (size_t i = 0; i < QV_COUNT_OF(facts); i++)
        if (strlen(facts[i].name) == len && memcmp(facts[i].name, name, len) == 0)
            return (digest) i;
    return NO_DIGEST;
}

static qv_status put_digest(digest how, qv__text bytes, qv__cell *out, qv_error *err)
{
    QV_TRY(qv__buffer_append_zeros(&out->text, facts[how].n_bytes, err));
    if (!bytes.data)
        bytes.data = out->text.data; /* nothing is read */
    run(how, bytes, out->text.data);
    return QV_OK;
}

static qv_status named_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    const char *name = call->node->function->name;

    return put_digest(digest_of(name, strlen(name)), qv__arg_text(call, 0, i), out, err);
}

/* Alone among the digests it comes as text. */
static qv_status md5_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    uint8_t bytes[16];
    qv__text text = qv__arg_text(call, 0, i);

    run(MD5, text.data ? text : (qv__text){ bytes, 0 }, bytes);
    for (size_t k = 0; k < sizeof bytes; k++)
        QV_TRY(qv__buffer_printf(&out->text, err, "%02x", bytes[k]));
    return QV_OK;
}

static qv_status digest_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__text name = qv__arg_text(call, 1, i);
    digest how = digest_of((const char *) name.data, name.len);

    if (how == NO_DIGEST)
        return qv__fail(err, QV_INVALID,
                        "digest: there is no algorithm named '%.*s', supported are md5, sha224, sha256, sha384, sha512",
                        (int) QV_MIN(name.len, 64), (const char *) name.data);
    return put_digest(how, qv__arg_text(call, 0, i), out, err);
}

#define HASH(name_, n_args, kinds_, row_, signature_, summary_)                                             \
    {                                                                                                       \
        .name = name_, .group = "hash", .signature = signature_, .summary = summary_, .min_args = n_args,   \
        .max_args = n_args, .strict = true, .bind = qv__bind_kinds, .eval = qv__eval_rows, .kinds = kinds_, \
        .row = row_                                                                                         \
    }

static const qv__function functions[] = {
    HASH("md5", 1, "x>t", md5_row, "md5(text or binary) -> utf8", "MD5 in hexadecimal digits."),
    HASH("sha224", 1, "x>x", named_row, "sha224(text or binary) -> binary", "SHA-224."),
    HASH("sha256", 1, "x>x", named_row, "sha256(text or binary) -> binary", "SHA-256."),
    HASH("sha384", 1, "x>x", named_row, "sha384(text or binary) -> binary", "SHA-384."),
    HASH("sha512", 1, "x>x", named_row, "sha512(text or binary) -> binary", "SHA-512."),
    HASH("digest", 2, "xt>x", digest_row, "digest(text or binary, algorithm) -> binary",
         "By the algorithm 'md5', 'sha224', 'sha256', 'sha384' or 'sha512'."),
};

const qv__function_group qv__hash_functions = { functions, QV_COUNT_OF(functions) };
