/* Row id sequences: each form against a plain list, and sequences that lie. */
#include "qvt.h"

#include "table/table_private.h"

static qv_error err;

/* ------------------------------------------------------------------ building messages */

typedef struct bytes {
    uint8_t data[512];
    size_t len;
} bytes;

static void put_varint(bytes *b, uint64_t v)
{
    for (; v > 127; v >>= 7)
        b->data[b->len++] = (uint8_t) (v | 128);
    b->data[b->len++] = (uint8_t) v;
}

static void put_number(bytes *b, unsigned field, uint64_t v)
{
    put_varint(b, field << 3);
    put_varint(b, v);
}

static void put_bytes(bytes *b, unsigned field, const void *data, size_t len)
{
    put_varint(b, field << 3 | 2);
    put_varint(b, len);
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

static bytes range_of(uint64_t start, uint64_t end)
{
    bytes b = { .len = 0 };

    put_number(&b, 1, start);
    put_number(&b, 2, end);
    return b;
}

/* An EncodedU64Array: width 2 and 4 with a base, 8 without. */
static bytes array_of(size_t width, uint64_t base, const uint64_t *values, size_t n)
{
    bytes b = { .len = 0 }, inner = { .len = 0 };
    uint8_t raw[256];

    for (size_t i = 0; i < n; i++) {
        uint64_t v = width == 8 ? values[i] : values[i] - base;
        memcpy(raw + i * width, &v, width);
    }
    if (width != 8)
        put_number(&inner, 1, base);
    put_bytes(&inner, 2, raw, n * width);
    put_bytes(&b, width == 2 ? 1 : width == 4 ? 2 : 3, inner.data, inner.len);
    return b;
}

static void put_segment(bytes *sequence, unsigned form, const bytes *content)
{
    bytes segment = { .len = 0 };

    put_bytes(&segment, form, content->data, content->len);
    put_bytes(sequence, 1, segment.data, segment.len);
}

/* ------------------------------------------------------------------ tests */

static void expect_ids(const bytes *sequence, const uint64_t *wanted, size_t n)
{
    uint64_t ids[64] = { 0 };
    uint8_t *exact = qv__memdup(sequence->data, sequence->len); /* sanitizers see every byte past the end */

    QVT_OK(qv__row_ids_expand((qv__section){ exact, sequence->len }, n, ids, &err));
    assert_memory_equal(ids, wanted, n * sizeof *wanted);
    QVT_FAILS(qv__row_ids_expand((qv__section){ exact, sequence->len }, n + 1, ids, &err), QV_CORRUPT, "row ids for");
    if (n)
        QVT_FAILS(qv__row_ids_expand((qv__section){ exact, sequence->len }, n - 1, ids, &err), QV_CORRUPT,
                  "more row ids");
    qv__free(exact);
}

static void test_forms(void **state)
{
    static const uint64_t holes[] = { 11, 13 }, all[] = { 5, 6, 7, 10, 12, 14, 20, 22, 23, 100, 90, 95, 1ull << 40 };
    static const uint64_t sorted[] = { 100 }, shuffled[] = { 90, 95 }, wide[] = { 1ull << 40 };
    bytes sequence = { .len = 0 }, content, hole_array = array_of(2, 10, holes, 2);
    const uint8_t bitmap = 0x0d; /* 20, 22, 23 */

    (void) state;
    content = range_of(5, 8);
    put_segment(&sequence, 1, &content);
    content = range_of(10, 15);
    put_bytes(&content, 3, hole_array.data, hole_array.len);
    put_segment(&sequence, 2, &content);
    content = range_of(20, 24);
    put_bytes(&content, 3, &bitmap, 1);
    put_segment(&sequence, 3, &content);
    content = array_of(4, 50, sorted, 1);
    put_segment(&sequence, 4, &content);
    content = array_of(2, 1, shuffled, 2);
    put_segment(&sequence, 5, &content);
    content = array_of(8, 0, wide, 1);
    put_segment(&sequence, 5, &content);
    expect_ids(&sequence, all, QV_COUNT_OF(all));
}

static void test_empty(void **state)
{
    bytes sequence = { .len = 0 }, content = range_of(7, 7);

    (void) state;
    expect_ids(&sequence, NULL, 0);
    put_segment(&sequence, 1, &content);
    expect_ids(&sequence, NULL, 0);
}

static void expect_lie(unsigned form, const bytes *content, uint64_t n, const char *part)
{
    bytes sequence = { .len = 0 };
    uint64_t ids[8];

    put_segment(&sequence, form, content);
    QVT_FAILS(qv__row_ids_expand((qv__section){ sequence.data, sequence.len }, n, ids, &err), QV_CORRUPT, part);
}

static void test_lies(void **state)
{
    static const uint64_t outside[] = { 9 }, twice[] = { 3, 3 }, descending[] = { 4, 3 };
    bytes content = range_of(9, 3), holes;

    (void) state;
    expect_lie(1, &content, 4, "a range of row ids from 9 to 3");
    content = range_of(0, UINT64_MAX);
    expect_lie(1, &content, 4, "more row ids");
    content = range_of(0, UINT64_MAX);
    put_bytes(&content, 3, "\xff", 1);
    expect_lie(3, &content, 4, "a bitmap of 1 bytes");
    content = range_of(0, 9);
    holes = array_of(2, 0, outside, 1);
    put_bytes(&content, 3, holes.data, holes.len);
    expect_lie(2, &content, 8, "hole 9");
    content = range_of(0, 9);
    holes = array_of(2, 0, twice, 2);
    put_bytes(&content, 3, holes.data, holes.len);
    expect_lie(2, &content, 7, "hole 3");
    content = range_of(0, 9);
    holes = array_of(4, 0, descending, 2);
    put_bytes(&content, 3, holes.data, holes.len);
    expect_lie(2, &content, 7, "hole 3");
    content = (bytes){ .len = 0 };
    put_bytes(&content, 1, "\x12\x03xyz", 5); /* u16 offsets of three bytes */
    expect_lie(4, &content, 1, "3 bytes of 2-byte numbers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
