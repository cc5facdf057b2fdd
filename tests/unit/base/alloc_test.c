#include "base/alloc.h"

#include <pthread.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/owner.h"
#include "qvt.h"

static void counters_return_to_zero(void **state)
{
    qv_memory_stats stats = qv_memory();

    (void) state;
    assert_int_equal(stats.live_bytes, 0);
    assert_int_equal(stats.live_blocks, 0);
}

static void blocks_are_counted(void **state)
{
    (void) state;
    char *a = qv__alloc(10, 100);
    uint64_t *b = qv__alloc_zero(1000, 8);
    void *none = qv__alloc(0, 8);
    assert_non_null(none);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(b[i], 0);
    assert_int_equal(qv_memory().live_blocks, 3);
    assert_in_range(qv_memory().live_bytes, 9000, 9200);
    memset(a, 7, 1000);
    a = qv__realloc(a, 100000, 1);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(a[i], 7);
    assert_in_range(qv_memory().live_bytes, 108000, 120000);
    assert_in_range(qv_memory().peak_bytes, 108000, SIZE_MAX);
    a = qv__realloc(a, 10, 1);
    assert_in_range(qv_memory().live_bytes, 8000, 9000);
    qv__free(a);
    qv__free(b);
    qv__free(none);
    qv__free(NULL);
    counters_return_to_zero(NULL);
}

static void sizes_that_overflow(void **state)
{
    qv_error err;
    uint64_t *items = NULL;
    size_t capacity = 0;

    (void) state;
    assert_null(qv__alloc(SIZE_MAX / 2, 3));
    assert_null(qv__alloc_zero(SIZE_MAX, 2));
    assert_null(qv__alloc((size_t) PTRDIFF_MAX + 1, 1));
    assert_null(qv__alloc_aligned(SIZE_MAX));
    assert_null(qv__alloc_aligned((size_t) PTRDIFF_MAX));
    assert_null(qv__strndup("x", SIZE_MAX));
    QVT_FAILS(QV_NEW(&items, SIZE_MAX / 4, &err), QV_NOMEM, "bytes");
    QVT_FAILS(QV_GROW(&items, &capacity, SIZE_MAX / 4, &err), QV_NOMEM, "bytes");
    assert_null(items);
    assert_int_equal(capacity, 0);
    counters_return_to_zero(NULL);
}

static void aligned_and_copied(void **state)
{
    (void) state;
    for (size_t n = 0; n < 300; n += 37) {
        uint8_t *block = qv__alloc_aligned(n);
        assert_int_equal((uintptr_t) block % 64, 0);
        memset(block, 1, (n + 63) / 64 * 64); /* rounded up: the tail may be touched */
        qv__free(block);
    }
    char *copy = qv__strndup("quiver", 4), *whole = qv__strdup("quiver"), *bytes = qv__memdup("ab", 2);
    assert_string_equal(copy, "quiv");
    assert_string_equal(whole, "quiver");
    assert_memory_equal(bytes, "ab", 2);
    void *nothing = qv__memdup(NULL, 0);
    assert_non_null(nothing);
    qv__free(copy);
    qv__free(whole);
    qv__free(bytes);
    qv__free(nothing);
}

static void growing_keeps_items(void **state)
{
    qv_error err;
    uint32_t *items = NULL;
    size_t capacity = 0, moves = 0;

    (void) state;
    for (uint32_t i = 0; i < 100000; i++) {
        size_t before = capacity;
        QVT_OK(QV_GROW(&items, &capacity, (size_t) i + 1, &err));
        moves += capacity != before;
        items[i] = i * 3;
    }
    for (uint32_t i = 0; i < 100000; i++)
        assert_int_equal(items[i], i * 3);
    assert_in_range(moves, 1, 20);
    qv__free(items);
}

static void the_limit_holds(void **state)
{
    qv_error err;
    void *small = qv__alloc(1000, 1), *more = NULL;

    (void) state;
    qv_set_memory_limit(5000);
    assert_null(qv__alloc(4500, 1));
    assert_null(qv__alloc_zero(4500, 1));
    assert_null(qv__alloc_aligned(4500));
    assert_null(qv__realloc(small, 6000, 1));
    QVT_FAILS(qv__new(&more, 1, 1 << 20, &err), QV_NOMEM, "1048576");
    more = qv__alloc(3000, 1);
    assert_non_null(more);
    assert_true(qv_memory().live_bytes <= 5000);
    qv_set_memory_limit(0);
    void *large = qv__alloc(10000, 1);
    assert_non_null(large);
    qv__free(small);
    qv__free(more);
    qv__free(large);
    counters_return_to_zero(NULL);
}

static void *take_blocks(void *unused)
{
    void *blocks[64] = { 0 };

    for (int round = 0; round < 2000; round++) {
        size_t i = (size_t) round % 64;
        qv__free(blocks[i]);
        blocks[i] = qv__alloc(1, 1000);
        if (qv_memory().live_bytes > 300000) /* sums of attempts, never of blocks */
            return (void *) 1;
    }
    for (size_t i = 0; i < 64; i++)
        qv__free(blocks[i]);
    return unused;
}

static void counters_hold_with_many_threads(void **state)
{
    pthread_t threads[4];
    void *failed = NULL;

    (void) state;
    qv_set_memory_limit(100000);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_blocks, NULL), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    qv_set_memory_limit(0);
    counters_return_to_zero(NULL);
}

static void the_nth_allocation_fails_once(void **state)
{
    (void) state;
    for (uint64_t n = 0; n < 6; n++) {
        void *blocks[6];
        void *moving = qv__alloc(8, 1);

        qv__alloc_fail_at(n);
        blocks[0] = qv__alloc(1, 1);
        blocks[1] = qv__alloc_zero(1, 1);
        blocks[2] = qv__alloc_aligned(1);
        blocks[3] = qv__strdup("x");
        blocks[4] = qv__realloc(moving, 800, 1);
        blocks[5] = qv__memdup("x", 1);
        for (size_t i = 0; i < 6; i++)
            assert_int_equal(blocks[i] == NULL, i == n);
        assert_true(qv__alloc_fault_fired());
        qv__alloc_fail_at(UINT64_MAX);
        assert_false(qv__alloc_fault_fired());
        if (!blocks[4])
            qv__free(moving); /* left as it was */
        for (size_t i = 0; i < 6; i++)
            qv__free(blocks[i]);
    }
    counters_return_to_zero(NULL);
}

static void arenas(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    qv__arena arena;

    (void) state;
    qv__arena_init(&arena, 0);
    for (int round = 0; round < 3; round++) {
        uint8_t *blocks[500];
        size_t sizes[500];
        for (size_t i = 0; i < 500; i++) {
            sizes[i] = qvt_rng_below(&rng, i % 50 == 49 ? 2000000 : 300);
            blocks[i] = qv__arena_alloc(&arena, sizes[i], 1);
            assert_non_null(blocks[i]);
            assert_int_equal((uintptr_t) blocks[i] % 16, 0);
            for (size_t k = 0; k < sizes[i]; k++)
                assert_int_equal(blocks[i][k], 0);
            memset(blocks[i], (int) i + 1, sizes[i]);
        }
        for (size_t i = 0; i < 500; i++) /* none overlaps another */
            for (size_t k = 0; k < sizes[i]; k++)
                assert_int_equal(blocks[i][k], (uint8_t) (i + 1));
        qv__arena_reset(&arena);
        assert_int_equal(arena.used_bytes, 0);
    }
    assert_null(qv__arena_alloc(&arena, SIZE_MAX / 2, 3));
    assert_string_equal(qv__arena_strndup(&arena, "arena", 2), "ar");
    assert_null(qv__arena_strndup(&arena, "x", SIZE_MAX));
    qv__alloc_fail_at(0);
    assert_null(qv__arena_alloc(&arena, 100000, 1));
    qv__alloc_fail_at(UINT64_MAX);
    qv__arena_reset(&arena);
    qv__arena_init(&arena, 1000);
    assert_non_null(qv__arena_alloc(&arena, 900, 1));
    assert_null(qv__arena_alloc(&arena, 100, 1));
    assert_non_null(qv__arena_alloc(&arena, 80, 1));
    qv__arena_reset(&arena);
    counters_return_to_zero(NULL);
}

static void buffers(void **state)
{
    qv_error err;
    qv__buffer buffer;
    size_t len = 0;

    (void) state;
    qv__buffer_init(&buffer, 1000);
    QVT_OK(qv__buffer_append(&buffer, "abc", 3, &err));
    QVT_OK(qv__buffer_append_zeros(&buffer, 5, &err));
    QVT_OK(qv__buffer_printf(&buffer, &err, "%d-%s", 42, "x"));
    assert_int_equal(buffer.len, 12);
    assert_memory_equal(buffer.data,
                        "abc\0\0\0\0\0"
                        "42-x",
                        13);
    QVT_OK(qv__buffer_append(&buffer, NULL, 0, &err));
    QVT_FAILS(qv__buffer_append_zeros(&buffer, 989, &err), QV_LIMIT, "ceiling is 1000");
    QVT_FAILS(qv__buffer_reserve(&buffer, SIZE_MAX, &err), QV_LIMIT, "ceiling");
    assert_int_equal(buffer.len, 12);
    QVT_OK(qv__buffer_append_zeros(&buffer, 988, &err));
    assert_int_equal((uintptr_t) buffer.data % 64, 0);
    uint8_t *bytes = qv__buffer_detach(&buffer, &len);
    assert_int_equal(len, 1000);
    assert_memory_equal(bytes, "abc", 3);
    assert_null(buffer.data);
    qv__free(bytes);
    qv__alloc_fail_at(0);
    QVT_FAILS(qv__buffer_append(&buffer, "abc", 3, &err), QV_NOMEM, "out of memory");
    qv__alloc_fail_at(UINT64_MAX);
    QVT_OK(qv__buffer_append(&buffer, "abc", 3, &err));
    qv__buffer_free(&buffer);
    assert_int_equal(buffer.ceiling, 1000);
    counters_return_to_zero(NULL);
}

static void owners(void **state)
{
    qv_error err;
    qv__bytes bytes = { 0 }, adopted = { 0 };
    uint8_t *writable = NULL;

    (void) state;
    QVT_OK(qv__bytes_new(100, &bytes, &writable, &err));
    assert_int_equal((uintptr_t) writable % 64, 0);
    memset(writable, 9, 100);
    qv__bytes part = qv__bytes_slice(bytes, 10, 20), again = qv__bytes_ref(part);
    qv__bytes_unref(&bytes);
    assert_null(bytes.data);
    qv__bytes_unref(&part);
    assert_int_equal(again.len, 20);
    assert_int_equal(again.data[19], 9);
    assert_int_equal(qv_memory().live_blocks, 1);
    qv__bytes_unref(&again);
    QVT_OK(qv__bytes_adopt(qv__strdup("mine"), 4, &adopted, &err));
    assert_memory_equal(adopted.data, "mine", 4);
    qv__bytes_unref(&adopted);
    char *block = qv__strdup("freed on failure");
    qv__alloc_fail_at(0);
    QVT_FAILS(qv__bytes_adopt(block, 4, &adopted, &err), QV_NOMEM, "out of memory");
    qv__alloc_fail_at(UINT64_MAX);
    QVT_FAILS(qv__bytes_new(SIZE_MAX - 10, &bytes, &writable, &err), QV_NOMEM, "out of memory");
    assert_null(bytes.data);
    qv__bytes_unref(&(qv__bytes){ 0 });
    counters_return_to_zero(NULL);
}

static void checked_arithmetic(void **state)
{
    uint8_t bytes[12] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
    uint64_t out = 0;

    (void) state;
    assert_int_equal(qv__load_u16(bytes + 1), 0x0201);
    assert_int_equal(qv__load_u32(bytes + 1), 0x04030201);
    assert_true(qv__load_u64(bytes + 1) == UINT64_C(0x0807060504030201));
    qv__store_u32(bytes + 3, UINT32_C(0xaabbccdd));
    assert_int_equal(bytes[3], 0xdd);
    assert_int_equal(bytes[7], 7);
    assert_false(qv__add_u64(UINT64_MAX, 1, &out));
    assert_false(qv__mul_u64(UINT64_MAX, 2, &out));
    assert_true(qv__mul_u64(UINT32_MAX, UINT32_MAX, &out));
    assert_true(out == UINT64_C(0xfffffffe00000001));
    assert_true(qv__inside(0, 0, 0));
    assert_true(qv__inside(3, 7, 10));
    assert_false(qv__inside(3, 8, 10));
    assert_false(qv__inside(UINT64_MAX, 2, 10));
    assert_false(qv__inside(11, 0, 10));
    assert_true(qv__round_up(65, 64) == 128);
    assert_true(qv__round_up(128, 64) == 128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_return_to_zero),
        cmocka_unit_test(blocks_are_counted),
        cmocka_unit_test(sizes_that_overflow),
        cmocka_unit_test(aligned_and_copied),
        cmocka_unit_test(growing_keeps_items),
        cmocka_unit_test(the_limit_holds),
        cmocka_unit_test(counters_hold_with_many_threads),
        cmocka_unit_test(the_nth_allocation_fails_once),
        cmocka_unit_test(arenas),
        cmocka_unit_test(buffers),
        cmocka_unit_test(owners),
        cmocka_unit_test(checked_arithmetic),
        cmocka_unit_test(counters_return_to_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
