/* Byte 0: 0 a JSON path and a document, 1 a regular expression and a text, 2 a date format and a text, each in two halves. What is no path,
 * pattern or format fails; what is one answers within its limits. */
#include "fuzz.h"

#include "base/alloc.h"
#include "base/utf8.h"
#include "expr/functions/date_private.h"
#include "expr/functions/regexp_private.h"
#include "json/json.h"

static void try_path(qv__text path, qv__text document)
{
    qv__json_path *parsed = NULL;
    qv__jsonb_values found = { 0 };
    qv__jsonb_value root;
    qv__buffer bytes, text;
    qv_error err;

    qv__buffer_init(&bytes, 64 << 20);
    qv__buffer_init(&text, 64 << 20);
    if (qv__json_path_parse(path.data, path.len, &parsed, &err) == QV_OK &&
        qv__jsonb_encode(document.data, document.len, &bytes, &err) == QV_OK) {
        FUZZ_CHECK(qv__jsonb_root(bytes.data, bytes.len, &root));
        if (qv__json_path_select(parsed, &root, &found, &err) == QV_OK)
            for (size_t k = 0; k < found.n; k++) {
                text.len = 0;
                FUZZ_CHECK(qv__jsonb_print(&found.items[k], &text, &err) == QV_OK);
            }
    }
    qv__free(found.items);
    qv__json_path_free(parsed);
    qv__buffer_free(&bytes);
    qv__buffer_free(&text);
}

static void try_pattern(qv__text pattern, qv__text text)
{
    static const qv__function function = { .name = "fuzz" };
    qv__expr node = { .kind = QV_EXPR_CALL, .function = &function };
    qv__call call = { .node = &node };
    qv__matcher matcher;
    qv__regexp *regexp = NULL;
    const PCRE2_SIZE *bounds = NULL;
    qv__walk walk = { .last = SIZE_MAX };
    qv_error err;

    if (qv__regexp_compile(pattern, (qv__text){ (const uint8_t *) "i", 1 }, false, &regexp, &err) != QV_OK)
        return;
    call.prepared = regexp;
    qv__matcher_init(&matcher, &call, 2, false);
    FUZZ_CHECK(qv__matcher_row(&matcher, 0, &err) == QV_OK);
    for (size_t n = 0; qv__matcher_walk(&matcher, text, &walk, &bounds, &err) == QV_OK && bounds; n++)
        FUZZ_CHECK(n <= text.len && bounds[1] <= text.len);
    qv__matcher_clear(&matcher);
    qv__regexp_free(regexp);
}

static void try_format(qv__text format, qv__text text)
{
    int64_t seconds, ns;
    qv_error err;

    if (qv__date_read(text, format, &seconds, &ns, &err) == QV_OK)
        FUZZ_CHECK(ns >= 0 && ns < QV_NS_PER_SECOND);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 4096)
        return 0;
    const uint8_t *split = memchr(data + 1, '\n', size - 1);
    size_t first = split ? (size_t) (split - data) - 1 : (size - 1) / 2;
    size_t skip = split ? 1 : 0;
    qv__text a = { data + 1, first }, b = { data + 1 + first + skip, size - 1 - first - skip };

    if (!qv__utf8_valid(a.data, a.len) || !qv__utf8_valid(b.data, b.len))
        return 0;
    switch (data[0] % 3) {
    case 0:
        try_path(a, b);
        break;
    case 1:
        try_pattern(a, b);
        break;
    default:
        try_format(a, b);
        break;
    }
    return 0;
}
