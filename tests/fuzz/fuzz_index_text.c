/* Texts that indices look into: patterns that an NGRAM takes windows from, and the details of JSON indices. Whatever a pattern without
 * wildcards asks for, a text that contains it has. */
#include "fuzz.h"

#include "base/bitmap.h"
#include "base/utf8.h"
#include "index/scalar/json_private.h"
#include "index/scalar/ngram_private.h"

static qv__array text_of(qv__type *type, const uint8_t *bytes, size_t len, int32_t offsets[2])
{
    offsets[0] = 0;
    offsets[1] = (int32_t) len;
    return (qv__array){ .type = type,
                        .length = 1,
                        .buffers[1] = { .data = (const uint8_t *) offsets, .len = 2 * sizeof *offsets },
                        .buffers[2] = { .data = bytes, .len = len } };
}

/* The windows of a part are windows of the whole. */
static void look_for(const uint8_t *bytes, size_t len, qv__ask_kind kind)
{
    qv_error err;
    qv__type *type;
    qv__ngram_set wanted, has;
    int32_t offsets[2];

    FUZZ_CHECK(qv__type_new(QV_TYPE_UTF8, &type, &err) == QV_OK);
    qv__array low = text_of(type, bytes, len, offsets);
    FUZZ_CHECK(qv__ngram_set_init(&wanted, &err) == QV_OK && qv__ngram_set_init(&has, &err) == QV_OK);
    FUZZ_CHECK(qv__ngram_of_ask(&(qv__ask){ .kind = kind, .low = &low, .escape = '\\' }, &wanted, &err) == QV_OK);
    FUZZ_CHECK(qv__ngram_set_add(&has, bytes, len, &err) == QV_OK);
    bool is_plain = !memchr(bytes, '%', len) && !memchr(bytes, '_', len) && !memchr(bytes, '\\', len);
    for (size_t i = 0; i < wanted.n && (kind == QV_ASK_CONTAINS || (kind == QV_ASK_LIKE && is_plain)); i++)
        FUZZ_CHECK(qv__bit_get(has.seen, wanted.tokens[i]));
    qv__ngram_set_free(&wanted);
    qv__ngram_set_free(&has);
    qv__type_unref(type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t before = qv_memory().live_blocks;
    qv__json_details details;
    qv_error err;

    if (size == 0 || size > 1 << 20)
        return 0;
    if (qv__json_details_parse(data, size, &details, &err) == QV_OK) {
        FUZZ_CHECK(details.path && details.target_url);
        qv__json_details_clear(&details);
    }
    look_for(data, size, QV_ASK_CONTAINS);
    look_for(data, size, QV_ASK_LIKE);
    look_for(data, size, QV_ASK_REGEXP);
    FUZZ_CHECK(qv_memory().live_blocks == before);
    return 0;
}
