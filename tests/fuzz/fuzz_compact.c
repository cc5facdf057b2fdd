/* Texts of compaction tasks and their results: what is let in is printed as a text that is let in again, and prints the same. */
#include "fuzz.h"

#include "change/compact_private.h"

static void print_again(const char *text)
{
    qv_error err = { 0 };
    qv__rewritten first = { 0 }, second = { 0 };
    qv__buffer a, b;

    if (qv__compact_done_parse(text, &first, &err) != QV_OK)
        return;
    qv__buffer_init(&a, SIZE_MAX);
    qv__buffer_init(&b, SIZE_MAX);
    FUZZ_CHECK(qv__compact_done_print(&first, &a, &err) == QV_OK);
    FUZZ_CHECK(qv__buffer_append_zeros(&a, 1, &err) == QV_OK);
    FUZZ_CHECK(qv__compact_done_parse((const char *) a.data, &second, &err) == QV_OK);
    FUZZ_CHECK(qv__compact_done_print(&second, &b, &err) == QV_OK);
    FUZZ_CHECK(a.len == b.len + 1 && memcmp(a.data, b.data, b.len) == 0);
    qv__buffer_free(&a);
    qv__buffer_free(&b);
    qv__compact_done_clear(&first);
    qv__compact_done_clear(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t before = qv_memory().live_blocks;
    qv__rewrite_task task = { 0 };
    qv_error err;
    char *text = malloc(size + 1);

    FUZZ_CHECK(text);
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    if (qv__compact_task_parse(text, &task, &err) == QV_OK) {
        FUZZ_CHECK(task.n > 0);
        qv__compact_task_clear(&task);
    }
    print_again(text);
    free(text);
    FUZZ_CHECK(qv_memory().live_blocks == before);
    return 0;
}
