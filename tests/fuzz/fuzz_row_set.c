/* Bytes -> a row set. The first byte says which form, or a bitmap alone. What is accepted holds what it says: it packs to bytes that parse to
 * an equal set, and set operations keep its promises. */
#include "fuzz.h"

#include "index/rows/row_set.h"

static void check_bitmap(const uint8_t *data, size_t size)
{
    qv_error err;
    roaring_bitmap_t *bitmap;

    if (qv__roaring_parse(data, size, &bitmap, &err) != QV_OK)
        return;
    roaring_bitmap_t *copy = roaring_bitmap_copy(bitmap);
    roaring_bitmap_run_optimize(copy);
    FUZZ_CHECK(roaring_bitmap_equals(bitmap, copy));
    roaring_bitmap_free(copy);
    roaring_bitmap_free(bitmap);
}

static void check_equal(const qv__row_set *a, const qv__row_set *b)
{
    FUZZ_CHECK(a->n == b->n);
    for (size_t i = 0; i < a->n; i++) {
        FUZZ_CHECK(a->parts[i].high == b->parts[i].high && !a->parts[i].low == !b->parts[i].low);
        FUZZ_CHECK(!i || a->parts[i - 1].high < a->parts[i].high);
        FUZZ_CHECK(!a->parts[i].low || roaring_bitmap_equals(a->parts[i].low, b->parts[i].low));
        FUZZ_CHECK(!a->parts[i].low || !roaring_bitmap_is_empty(a->parts[i].low));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_reader in = { data, size };
    uint8_t form = fuzz_byte(&in);
    bool sized = form & 1;
    qv__row_set set = { 0 }, again = { 0 }, both = { 0 };
    qv__buffer bytes;
    qv_error err;

    if (form & 2) {
        check_bitmap(in.data, in.left);
        return 0;
    }
    if (qv__row_set_parse(in.data, in.left, sized, &set, &err) != QV_OK)
        return 0;
    qv__buffer_init(&bytes, (size_t) 1 << 26);
    FUZZ_CHECK(qv__row_set_pack(&set, sized, &bytes, &err) == QV_OK);
    FUZZ_CHECK(qv__row_set_parse(bytes.data, bytes.len, sized, &again, &err) == QV_OK);
    check_equal(&set, &again);
    FUZZ_CHECK(qv__row_set_copy(&both, &set, &err) == QV_OK);
    FUZZ_CHECK(qv__row_set_or(&both, &again, &err) == QV_OK);
    FUZZ_CHECK(qv__row_set_and(&both, &set, &err) == QV_OK);
    check_equal(&set, &both);
    FUZZ_CHECK(qv__row_set_and_not(&both, &set, &err) == QV_OK && both.n == 0);
    qv__row_set_clear(&set);
    qv__row_set_clear(&again);
    qv__row_set_clear(&both);
    qv__buffer_free(&bytes);
    return 0;
}
