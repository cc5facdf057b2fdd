/* What a wrong or malicious producer may hand over: each case takes a sound tree, spoils one thing, and names the
 * status and the words of the refusal. The sound trees are imported too, so that no case fails for another reason; the
 * producer's release is called exactly once in every case. */
#include "arrow/c_data.h"

#include "base/alloc.h"
#include "qvt_arrays.h"

static qv_error err;

/* A parent with up to two children, or a dictionary. Values may be spoiled in place. */
typedef struct tree {
    struct ArrowSchema schema, child_schema[2], grandchild_schema[2];
    struct ArrowSchema *schema_children[2], *schema_grandchildren[2];
    struct ArrowArray array, child[2], grandchild[2];
    struct ArrowArray *children[2], *grandchildren[2];
    const void *buffers[5], *child_buffers[2][3], *grandchild_buffers[2][3];
    uint8_t validity[8];
    int32_t i32[8], j32[8], k32[8];
    int64_t i64[8], sizes[2];
    int8_t i8[8];
    char text[64];
    uint8_t views[64];
} tree;

static int releases;
static void release_root(struct ArrowArray *c)
{
    releases++;
    c->release = NULL;
}
static void release_child(struct ArrowArray *c) { c->release = NULL; }
static void release_schema(struct ArrowSchema *c) { c->release = NULL; }

static void set_schema(struct ArrowSchema *c, const char *format, const char *name)
{
    *c = (struct ArrowSchema){ .format = format, .name = name, .flags = 2, .release = release_schema };
}

static void set_array(struct ArrowArray *c, int64_t length, int64_t n_buffers, const void **buffers)
{
    *c = (struct ArrowArray){ .length = length, .n_buffers = n_buffers, .buffers = buffers, .release = release_child };
}

static void add_children(tree *t, int n)
{
    for (int i = 0; i < n; i++) {
        t->children[i] = &t->child[i];
        t->schema_children[i] = &t->child_schema[i];
    }
    t->array.n_children = t->schema.n_children = n;
    t->array.children = t->children;
    t->schema.children = t->schema_children;
}

static void fill(tree *t)
{
    memset(t, 0, sizeof *t);
    for (int i = 0; i < 8; i++) {
        t->i32[i] = t->j32[i] = t->k32[i] = i;
        t->i64[i] = i;
    }
    memset(t->validity, 0xff, sizeof t->validity);
    memcpy(t->text, "ab\xc3\xa4-efghijklmnopqrstuvwxyz", 28);
    t->buffers[1] = t->i32;
}

/* ---- sound trees of four values */

static void make_int32(tree *t)
{
    fill(t);
    set_schema(&t->schema, "i", "c");
    set_array(&t->array, 4, 2, t->buffers);
}

static void make_utf8(tree *t)
{
    fill(t);
    set_schema(&t->schema, "u", "c");
    set_array(&t->array, 4, 3, t->buffers);
    t->i32[3] = 4;
    t->i32[4] = 5;
    t->buffers[2] = t->text; /* "a" "b" "ä" "-" */
}

static void make_large_utf8(tree *t)
{
    make_utf8(t);
    t->schema.format = "U";
    t->i64[3] = 4;
    t->i64[4] = 5;
    t->buffers[1] = t->i64;
}

static void make_list(tree *t)
{
    fill(t);
    set_schema(&t->schema, "+l", "c");
    set_array(&t->array, 4, 2, t->buffers);
    set_schema(&t->child_schema[0], "i", "item");
    set_array(&t->child[0], 4, 2, t->child_buffers[0]);
    t->child_buffers[0][1] = t->j32;
    add_children(t, 1);
}

static void make_fixed_list(tree *t)
{
    make_list(t);
    t->schema.format = "+w:2";
    t->array.n_buffers = 1;
    t->child[0].length = 8;
}

static void make_struct(tree *t)
{
    make_list(t);
    t->schema.format = "+s";
    t->array.n_buffers = 1;
    set_schema(&t->child_schema[1], "i", "second");
    set_array(&t->child[1], 4, 2, t->child_buffers[1]);
    t->child_buffers[1][1] = t->j32;
    add_children(t, 2);
}

static void make_map(tree *t)
{
    make_list(t);
    t->schema.format = "+m";
    set_schema(&t->child_schema[0], "+s", "entries");
    t->child[0].n_buffers = 1;
    for (int i = 0; i < 2; i++) {
        set_schema(&t->grandchild_schema[i], "i", i ? "value" : "key");
        set_array(&t->grandchild[i], 4, 2, t->grandchild_buffers[i]);
        t->grandchild_buffers[i][1] = t->j32;
        t->grandchildren[i] = &t->grandchild[i];
        t->schema_grandchildren[i] = &t->grandchild_schema[i];
    }
    t->child[0].n_children = t->child_schema[0].n_children = 2;
    t->child[0].children = t->grandchildren;
    t->child_schema[0].children = t->schema_grandchildren;
}

static void make_dictionary(tree *t)
{
    fill(t);
    set_schema(&t->schema, "c", "c");
    set_array(&t->array, 4, 2, t->buffers);
    t->buffers[1] = t->i8;
    memcpy(t->i8, "\0\1\1\2", 4);
    set_schema(&t->child_schema[0], "i", "");
    set_array(&t->child[0], 3, 2, t->child_buffers[0]);
    t->child_buffers[0][1] = t->j32;
    t->schema.dictionary = &t->child_schema[0];
    t->array.dictionary = &t->child[0];
}

static void put_view(tree *t, int i, int32_t len, const char *prefix, int32_t buffer, int32_t at)
{
    memcpy(t->views + i * 16, &len, 4);
    memcpy(t->views + i * 16 + 4, prefix, 4);
    memcpy(t->views + i * 16 + 8, &buffer, 4);
    memcpy(t->views + i * 16 + 12, &at, 4);
}

static void make_view(tree *t)
{
    fill(t);
    set_schema(&t->schema, "vu", "c");
    set_array(&t->array, 4, 4, t->buffers);
    put_view(t, 0, 2, "xy\0\0", 0, 0);
    put_view(t, 1, 13, "efgh", 0, 5);
    put_view(t, 2, 20, "ijkl", 0, 9);
    t->buffers[1] = t->views;
    t->buffers[2] = t->text;
    t->sizes[0] = 30;
    t->buffers[3] = t->sizes;
}

static void make_runs(tree *t)
{
    fill(t);
    set_schema(&t->schema, "+r", "c");
    set_array(&t->array, 4, 0, NULL);
    set_schema(&t->child_schema[0], "i", "run_ends");
    set_schema(&t->child_schema[1], "i", "values");
    set_array(&t->child[0], 2, 2, t->child_buffers[0]);
    set_array(&t->child[1], 2, 2, t->child_buffers[1]);
    t->child_buffers[0][1] = t->j32;
    t->child_buffers[1][1] = t->k32;
    t->j32[0] = 3;
    t->j32[1] = 4;
    add_children(t, 2);
}

static void make_null(tree *t)
{
    fill(t);
    set_schema(&t->schema, "n", "c");
    set_array(&t->array, 4, 0, NULL);
}

/* ---- one thing wrong each */

#define SPOIL(name, ...) \
    static void name(tree *t) { __VA_ARGS__; }
SPOIL(length_below_zero, t->array.length = -1)
SPOIL(offset_below_zero, t->array.offset = -1)
SPOIL(length_and_offset_overflow, t->array.length = INT64_MAX; t->array.offset = 1)
SPOIL(length_too_large_for_bytes, t->array.length = INT64_MAX / 4)
SPOIL(nulls_below_minus_one, t->array.null_count = -2)
SPOIL(more_nulls_than_values, t->array.null_count = 5)
SPOIL(nulls_without_bitmap, t->array.null_count = 1)
SPOIL(a_buffer_too_few, t->array.n_buffers--)
SPOIL(a_buffer_too_many, t->array.n_buffers++)
SPOIL(no_buffer_list, t->array.buffers = NULL)
SPOIL(no_values, t->buffers[1] = NULL)
SPOIL(no_text, t->buffers[2] = NULL)
SPOIL(a_child_from_nowhere, t->array.n_children = 1; t->children[0] = &t->child[0]; t->array.children = t->children)
SPOIL(a_dictionary_from_nowhere, t->array.dictionary = &t->child[0])
SPOIL(children_below_zero, t->array.n_children = -1)
SPOIL(no_child_list, t->array.children = NULL)
SPOIL(child_is_null, t->children[0] = NULL)
SPOIL(child_is_released, t->child[0].release = NULL)
SPOIL(child_too_short, t->child[0].length--)
SPOIL(second_child_too_short, t->child[1].length = 3)
SPOIL(parent_offset_passes_child, t->array.offset = 1)
SPOIL(child_of_wrong_shape, t->child[0].n_buffers = 3)
SPOIL(first_offset_below_zero, t->i32[0] = -1)
SPOIL(last_offset_below_zero, t->i32[4] = -5)
SPOIL(offsets_fall, t->i32[2] = 0)
SPOIL(offset_passes_the_last, t->i32[2] = 1000000)
SPOIL(offset_of_int_max, t->i32[2] = INT32_MAX)
SPOIL(large_offset_below_zero, t->i64[2] = INT64_MIN)
SPOIL(large_offset_wraps, t->i64[1] = INT64_MAX)
SPOIL(text_is_latin1, t->text[2] = (char) 0xe4; t->text[3] = 'x')
SPOIL(value_splits_character, t->i32[2] = 3)
SPOIL(value_ends_in_character, t->i32[3] = 3; t->i32[4] = 3)
SPOIL(index_too_large, t->i8[3] = 3)
SPOIL(index_below_zero, t->i8[0] = -1)
SPOIL(no_dictionary, t->array.dictionary = NULL)
SPOIL(dictionary_is_released, t->child[0].release = NULL)
SPOIL(dictionary_spoiled, t->child_buffers[0][1] = NULL)
SPOIL(key_is_null, t->grandchild_buffers[0][0] = t->validity; t->validity[0] = 0xfd)
SPOIL(entry_is_null, t->child_buffers[0][0] = t->validity; t->validity[0] = 0xfb)
SPOIL(entries_too_short, t->grandchild[1].length = 3)
SPOIL(view_length_below_zero, put_view(t, 3, -1, "abcd", 0, 0))
SPOIL(view_of_no_buffer, put_view(t, 3, 13, "efgh", 1, 5))
SPOIL(view_buffer_below_zero, put_view(t, 3, 13, "efgh", -1, 5))
SPOIL(view_at_below_zero, put_view(t, 3, 13, "efgh", 0, -1))
SPOIL(view_passes_buffer, put_view(t, 3, 28, "efgh", 0, 5))
SPOIL(view_prefix_lies, put_view(t, 3, 13, "eFgh", 0, 5))
SPOIL(view_buffer_size_below_zero, t->sizes[0] = -1)
SPOIL(view_splits_character, put_view(t, 3, 13, "\xa4-ef", 0, 3))
SPOIL(view_sizes_missing, t->buffers[3] = NULL)
SPOIL(views_missing, t->buffers[1] = NULL)
SPOIL(view_buffers_too_few, t->array.n_buffers = 2)
SPOIL(runs_end_early, t->array.length = 5)
SPOIL(runs_stand_still, t->j32[1] = 3)
SPOIL(runs_start_at_zero, t->j32[0] = 0)
SPOIL(runs_with_a_null, t->child_buffers[0][0] = t->validity; t->validity[0] = 2)
SPOIL(runs_lack_values, t->child[1].length = 1)
SPOIL(runs_with_buffers, t->array.n_buffers = 1; t->array.buffers = t->buffers)
SPOIL(runs_of_too_many_rows, t->array.length = INT64_C(1) << 40)
SPOIL(runs_lack_a_child, t->array.n_children = 1)
SPOIL(widths_overflow, t->array.length = INT64_MAX / 2 + 1; t->child[0].length = INT64_MAX - 1)

typedef struct spoiled {
    void (*make)(tree *t);
    void (*spoil)(tree *t);
    qv_status status;
    const char *part;
} spoiled;

static const spoiled cases[] = {
    { make_int32, length_below_zero, QV_INVALID, "length -1 at offset 0 is out of range" },
    { make_int32, offset_below_zero, QV_INVALID, "length 4 at offset -1 is out of range" },
    { make_int32, length_and_offset_overflow, QV_INVALID, "is out of range" },
    { make_int32, length_too_large_for_bytes, QV_INVALID, "is out of range" },
    { make_large_utf8, length_too_large_for_bytes, QV_INVALID, "is out of range" },
    { make_list, length_too_large_for_bytes, QV_INVALID, "is out of range" },
    { make_view, length_too_large_for_bytes, QV_INVALID, "is out of range" },
    { make_struct, length_too_large_for_bytes, QV_INVALID, "column \"item\": has 4 values, its parent needs" },
    { make_null, length_and_offset_overflow, QV_INVALID, "is out of range" },
    { make_int32, nulls_below_minus_one, QV_INVALID, "null_count -2 of 4 values" },
    { make_int32, more_nulls_than_values, QV_INVALID, "null_count 5 of 4 values" },
    { make_int32, nulls_without_bitmap, QV_INVALID, "null_count is 1, but the validity buffer is NULL" },
    { make_view, nulls_without_bitmap, QV_INVALID, "null_count is 1, but the validity buffer is NULL" },
    { make_int32, a_buffer_too_few, QV_INVALID, "int32 has 1 buffers, expected 2" },
    { make_utf8, a_buffer_too_few, QV_INVALID, "utf8 has 2 buffers, expected 3" },
    { make_struct, a_buffer_too_many, QV_INVALID, "struct has 2 buffers, expected 1" },
    { make_null, a_buffer_too_many, QV_INVALID, "null has 1 buffers, expected 0" },
    { make_int32, no_buffer_list, QV_INVALID, "the pointer to its buffers is NULL" },
    { make_int32, no_values, QV_INVALID, "the values buffer is NULL, 4 values need it" },
    { make_utf8, no_values, QV_INVALID, "the offsets buffer is NULL, 4 values need it" },
    { make_dictionary, no_values, QV_INVALID, "the values buffer is NULL" },
    { make_utf8, no_text, QV_INVALID, "the data buffer is NULL, offsets need 5 bytes" },
    { make_int32, a_child_from_nowhere, QV_INVALID, "int32 has 1 children, expected 0" },
    { make_int32, a_dictionary_from_nowhere, QV_INVALID, "int32 has a dictionary" },
    { make_struct, children_below_zero, QV_INVALID, "struct has -1 children, expected 2" },
    { make_struct, no_child_list, QV_INVALID, "the pointer to its children is NULL" },
    { make_struct, child_is_null, QV_INVALID, "column \"item\": the Arrow array is NULL" },
    { make_list, child_is_null, QV_INVALID, "array.item: the Arrow array is NULL" },
    { make_list, child_is_released, QV_INVALID, "array.item: the Arrow array was released before" },
    { make_list, child_too_short, QV_INVALID, "array.item: has 3 values, its parent needs 4" },
    { make_fixed_list, child_too_short, QV_INVALID, "array.item: has 7 values, its parent needs 8" },
    { make_struct, second_child_too_short, QV_INVALID, "column \"second\": has 3 values, its parent needs 4" },
    { make_struct, parent_offset_passes_child, QV_INVALID, "column \"item\": has 4 values, its parent needs 5" },
    { make_fixed_list, parent_offset_passes_child, QV_INVALID, "array.item: has 8 values, its parent needs 10" },
    { make_list, child_of_wrong_shape, QV_INVALID, "array.item: int32 has 3 buffers, expected 2" },
    { make_utf8, first_offset_below_zero, QV_INVALID, "array: offset 0 is -1, less than 0 before it" },
    { make_utf8, last_offset_below_zero, QV_INVALID, "array: last offset is -5" },
    { make_utf8, offsets_fall, QV_INVALID, "array: offset 2 is 0, less than 1 before it" },
    { make_utf8, offset_passes_the_last, QV_INVALID, "array: offset 3 is 4, less than 1000000 before it" },
    { make_utf8, offset_of_int_max, QV_INVALID, "less than 2147483647 before it" },
    { make_list, first_offset_below_zero, QV_INVALID, "array: offset 0 is -1" },
    { make_list, offsets_fall, QV_INVALID, "array: offset 2 is 0, less than 1 before it" },
    { make_map, offset_passes_the_last, QV_INVALID, "less than 1000000 before it" },
    { make_large_utf8, large_offset_below_zero, QV_INVALID, "offset 2 is -9223372036854775808" },
    { make_large_utf8, large_offset_wraps, QV_INVALID, "less than 9223372036854775807 before it" },
    { make_utf8, text_is_latin1, QV_INVALID, "array: value 2 is not UTF-8" },
    { make_large_utf8, text_is_latin1, QV_INVALID, "array: value 2 is not UTF-8" },
    { make_utf8, value_splits_character, QV_INVALID, "array: value 1 is not UTF-8" },
    { make_utf8, value_ends_in_character, QV_INVALID, "array: value 2 is not UTF-8" },
    { make_dictionary, index_too_large, QV_INVALID, "array: index 3 is 3, the dictionary has 3 values" },
    { make_dictionary, index_below_zero, QV_INVALID, "array: index 0 is negative (-1)" },
    { make_dictionary, no_dictionary, QV_INVALID, "array: dictionary has no dictionary" },
    { make_dictionary, dictionary_is_released, QV_INVALID, "array.dictionary: the Arrow array was released before" },
    { make_dictionary, dictionary_spoiled, QV_INVALID, "array.dictionary: the values buffer is NULL" },
    { make_map, key_is_null, QV_INVALID, "array: map entry 1 has a null key" },
    { make_map, entry_is_null, QV_INVALID, "array: map entry 2 has a null key" },
    { make_map, entries_too_short, QV_INVALID, "array.entries.value: has 3 values, its parent needs 4" },
    { make_view, view_length_below_zero, QV_INVALID, "view 3 has length -1" },
    { make_view, view_of_no_buffer, QV_INVALID, "view 3 names buffer 1 of 1" },
    { make_view, view_buffer_below_zero, QV_INVALID, "view 3 names buffer -1 of 1" },
    { make_view, view_at_below_zero, QV_INVALID, "view 3 is 13 bytes at -1 of a buffer of 30" },
    { make_view, view_passes_buffer, QV_INVALID, "view 3 is 28 bytes at 5 of a buffer of 30" },
    { make_view, view_prefix_lies, QV_INVALID, "view 3 has a prefix that is not its text's" },
    { make_view, view_buffer_size_below_zero, QV_INVALID, "of a buffer of -1" },
    { make_view, view_splits_character, QV_INVALID, "value 3 is not UTF-8" },
    { make_view, view_sizes_missing, QV_INVALID, "the sizes buffer is NULL" },
    { make_view, views_missing, QV_INVALID, "the views buffer is NULL" },
    { make_view, view_buffers_too_few, QV_INVALID, "a view array with 2 buffers" },
    { make_runs, runs_end_early, QV_INVALID, "the last run ends at 4, the array at 5" },
    { make_runs, runs_stand_still, QV_INVALID, "run 1 ends at 3, the one before it at 3" },
    { make_runs, runs_start_at_zero, QV_INVALID, "run 0 ends at 0, the one before it at 0" },
    { make_runs, runs_with_a_null, QV_INVALID, "1 run ends are null" },
    { make_runs, runs_lack_values, QV_INVALID, "2 runs have 1 values" },
    { make_runs, runs_with_buffers, QV_INVALID, "a run-end encoded array with 1 buffers" },
    { make_runs, runs_lack_a_child, QV_INVALID, "0 buffers and 1 children" },
    { make_runs, runs_of_too_many_rows, QV_LIMIT, "1099511627776 run-end encoded rows" },
    { make_fixed_list, widths_overflow, QV_INVALID, "are out of range" },
};

static qv_status import_tree(tree *t, qv__array **out)
{
    qv__field field;

    QV_TRY(qv__import_type(&t->schema, &field, &err));
    t->array.release = release_root;
    releases = 0;
    qv_status st = qv__import_array(&t->array, &t->schema, field.type, out, &err);
    assert_null(t->array.release);
    qv__field_clear(&field);
    return st;
}

static void spoiled_trees_are_refused(void **state)
{
    size_t before = qv_memory().live_blocks;
    static tree t;

    (void) state;
    for (size_t i = 0; i < QV_COUNT_OF(cases); i++) {
        qv__array *out = NULL;
        cases[i].make(&t);
        QVT_OK(import_tree(&t, &out));
        assert_int_equal(out->length, 4);
        qv__array_unref(out);
        assert_int_equal(releases, 1);

        out = NULL;
        cases[i].make(&t);
        cases[i].spoil(&t);
        QVT_FAILS(import_tree(&t, &out), cases[i].status, cases[i].part);
        assert_null(out);
        assert_int_equal(releases, 1);
        assert_int_equal(qv_memory().live_blocks, before);
    }
}

/* The same values under a null are nobody's business. */
static void garbage_under_nulls_is_let_in(void **state)
{
    static tree t;
    qv__array *out;

    (void) state;
    make_utf8(&t);
    text_is_latin1(&t);
    t.buffers[0] = t.validity;
    t.validity[0] = (uint8_t) ~(1u << 2);
    t.array.null_count = 0; /* a lie */
    QVT_OK(import_tree(&t, &out));
    assert_int_equal(out->null_count, 1);
    assert_string_equal(qvt_value_text(out, 2), "~");
    qv__array_unref(out);

    make_dictionary(&t);
    index_below_zero(&t);
    t.buffers[0] = t.validity;
    t.validity[0] = 0xfe;
    t.array.null_count = -1;
    QVT_OK(import_tree(&t, &out));
    assert_int_equal(out->null_count, 1);
    qv__array_unref(out);

    make_view(&t);
    view_of_no_buffer(&t);
    t.buffers[0] = t.validity;
    t.validity[0] = 0xf7;
    QVT_OK(import_tree(&t, &out));
    assert_int_equal(out->null_count, 1);
    qv__array_unref(out);
}

static void empty_arrays_need_no_buffers(void **state)
{
    static void (*const makes[])(tree *) = { make_int32,  make_utf8, make_large_utf8, make_list, make_fixed_list,
                                             make_struct, make_map,  make_dictionary, make_view, make_runs };
    static tree t;

    (void) state;
    for (size_t i = 0; i < QV_COUNT_OF(makes); i++) {
        qv__array *out;
        makes[i](&t);
        memset(t.buffers, 0, sizeof t.buffers);
        memset(t.child_buffers[1], 0, sizeof t.child_buffers[1]);
        t.array.length = t.child[1].length = 0;
        t.array.offset = i % 2 ? 3 : 0;
        if (makes[i] == make_runs) {
            t.child[0].length = 0;
            t.array.offset = 0;
        }
        QVT_OK(import_tree(&t, &out));
        assert_int_equal(out->length, 0);
        assert_int_equal(out->offset, 0);
        qv__array_unref(out);
    }
}

static void odd_addresses_are_copied(void **state)
{
    static _Alignas(16) uint8_t raw[1 + 9 * 8];
    static tree t;
    qv__array *out;

    (void) state;
    make_large_utf8(&t);
    memcpy(raw + 1, t.i64, 8 * 8);
    t.buffers[1] = raw + 1;
    t.array.offset = 1;
    t.array.length = 3;
    QVT_OK(import_tree(&t, &out));
    assert_int_equal((uintptr_t) out->buffers[1].data % 8, 0);
    size_t len;
    assert_memory_equal(qv__array_string(out, 1, &len), "\xc3\xa4", 2);
    assert_int_equal(len, 2);
    qv__array_unref(out);
}

static void views_and_runs_become_plain(void **state)
{
    static tree t;
    qv__array *out;
    size_t len;

    (void) state;
    make_view(&t);
    t.array.offset = 1;
    t.array.length = 3;
    QVT_OK(import_tree(&t, &out));
    assert_int_equal(out->type->id, QV_TYPE_UTF8);
    assert_memory_equal(qv__array_string(out, 0, &len), "efghijklmnopq", 13);
    assert_int_equal(len, 13);
    assert_memory_equal(qv__array_string(out, 1, &len), "ijklmnopqrstuvwxyz", 18);
    assert_int_equal(len, 20);
    qv__array_string(out, 2, &len);
    assert_int_equal(len, 0);
    qv__array_unref(out);

    make_runs(&t);
    t.array.offset = 2;
    t.array.length = 2;
    QVT_OK(import_tree(&t, &out));
    assert_int_equal(out->type->id, QV_TYPE_INT32);
    assert_int_equal(((const int32_t *) qv__array_values(out))[0], 0);
    assert_int_equal(((const int32_t *) qv__array_values(out))[1], 1);
    qv__array_unref(out);
}

/* ---- schemas */

static void bad_formats_are_refused(void **state)
{
    static const struct {
        const char *format;
        qv_status status;
        const char *part;
    } formats[] = {
        { "", QV_INVALID, "unknown Arrow format \"\"" },
        { "?", QV_INVALID, "unknown Arrow format \"?\"" },
        { "ii", QV_INVALID, "unknown Arrow format \"ii\"" },
        { "v", QV_INVALID, "unknown Arrow format" },
        { "vx", QV_INVALID, "unknown Arrow format" },
        { "w:", QV_INVALID, "unknown Arrow format" },
        { "w:-1", QV_INVALID, "unknown Arrow format" },
        { "w:4x", QV_INVALID, "unknown Arrow format" },
        { "w:4294967296", QV_INVALID, "unknown Arrow format" },
        { "w:2147483647", QV_INVALID, "unknown Arrow format" },
        { "d:", QV_INVALID, "unknown Arrow format" },
        { "d:10", QV_INVALID, "unknown Arrow format" },
        { "d:39,2", QV_INVALID, "unknown Arrow format" },
        { "d:77,2,256", QV_INVALID, "unknown Arrow format" },
        { "d:0,0", QV_INVALID, "unknown Arrow format" },
        { "d:10,2,100", QV_INVALID, "unknown Arrow format" },
        { "d:10,2,", QV_INVALID, "unknown Arrow format" },
        { "d:10,2,128,", QV_INVALID, "unknown Arrow format" },
        { "d:9,2,32", QV_UNSUPPORTED, "type decimal32 (Arrow format \"d:9,2,32\")" },
        { "d:9,2,64", QV_UNSUPPORTED, "type decimal64" },
        { "t", QV_INVALID, "unknown Arrow format" },
        { "td", QV_INVALID, "unknown Arrow format" },
        { "tdX", QV_INVALID, "unknown Arrow format" },
        { "tt", QV_INVALID, "unknown Arrow format" },
        { "ttsx", QV_INVALID, "unknown Arrow format" },
        { "tsu", QV_INVALID, "unknown Arrow format" },
        { "tsuUTC", QV_INVALID, "unknown Arrow format" },
        { "tsu:\xff", QV_INVALID, "the time zone is not UTF-8" },
        { "tx:", QV_INVALID, "unknown Arrow format" },
        { "tiM", QV_UNSUPPORTED, "type interval" },
        { "tin", QV_UNSUPPORTED, "type interval" },
        { "+", QV_INVALID, "unknown Arrow format" },
        { "+w:", QV_INVALID, "unknown Arrow format" },
        { "+w:-2", QV_INVALID, "unknown Arrow format" },
        { "+w:9999999999", QV_INVALID, "unknown Arrow format" },
        { "+l", QV_INVALID, "format \"+l\" has 0 children, expected 1" },
        { "+m", QV_INVALID, "format \"+m\" has 0 children, expected 1" },
        { "+r", QV_INVALID, "format \"+r\" has 0 children, expected 2" },
        { "+vl", QV_UNSUPPORTED, "type list_view" },
        { "+vL", QV_UNSUPPORTED, "type large_list_view" },
        { "+ud:0,1", QV_UNSUPPORTED, "type dense_union" },
        { "+us:0", QV_UNSUPPORTED, "type sparse_union" },
    };

    (void) state;
    for (size_t i = 0; i < QV_COUNT_OF(formats); i++) {
        struct ArrowSchema c;
        qv__field field;
        set_schema(&c, formats[i].format, "c");
        QVT_FAILS(qv__import_type(&c, &field, &err), formats[i].status, formats[i].part);
    }
}

SPOIL(schema_released, t->schema.release = NULL)
SPOIL(schema_child_released, t->child_schema[0].release = NULL)
SPOIL(schema_child_null, t->schema_children[0] = NULL)
SPOIL(schema_no_children, t->schema.children = NULL)
SPOIL(schema_children_below_zero, t->schema.n_children = -1)
SPOIL(schema_too_many_children, t->schema.n_children = INT64_MAX)
SPOIL(schema_leaf_with_child, t->child_schema[0].n_children = 1)
SPOIL(schema_no_format, t->child_schema[0].format = NULL)
SPOIL(schema_name_not_utf8, t->child_schema[0].name = "\xc3(")
SPOIL(schema_map_of_ints, t->child_schema[0].format = "i"; t->child_schema[0].n_children = 0)
SPOIL(schema_index_of_floats, t->schema.format = "f")
SPOIL(schema_runs_of_floats, t->child_schema[0].format = "f")
SPOIL(schema_metadata_negative, t->schema.metadata = "\xff\xff\xff\xff")
SPOIL(schema_key_negative, t->schema.metadata = "\1\0\0\0\xff\xff\xff\xff")
SPOIL(schema_value_negative, t->schema.metadata = "\1\0\0\0\1\0\0\0k\0\0\0\x80")
SPOIL(schema_key_with_zero, t->schema.metadata = "\1\0\0\0\2\0\0\0k\0\0\0\0\0")
SPOIL(schema_key_not_utf8, t->schema.metadata = "\1\0\0\0\1\0\0\0\xfe\0\0\0\0")

static void spoiled_schemas_are_refused(void **state)
{
    static const spoiled schemas[] = {
        { make_struct, schema_released, QV_INVALID, "the Arrow schema was released before" },
        { make_struct, schema_child_released, QV_INVALID, "?: the Arrow schema was released before" },
        { make_struct, schema_child_null, QV_INVALID, "?: the Arrow schema is NULL" },
        { make_struct, schema_no_children, QV_INVALID, "the pointer to its children is NULL" },
        { make_struct, schema_children_below_zero, QV_INVALID, "-1 children" },
        { make_struct, schema_too_many_children, QV_INVALID, "9223372036854775807 children" },
        { make_struct, schema_leaf_with_child, QV_INVALID, "c.item: format \"i\" has 1 children, expected 0" },
        { make_struct, schema_no_format, QV_INVALID, "c.item: the Arrow format is NULL" },
        { make_struct, schema_name_not_utf8, QV_INVALID, "c.?: the name of a field is not UTF-8" },
        { make_map, schema_map_of_ints, QV_INVALID, "the entries of a map are a struct of two fields, not int32" },
        { make_dictionary, schema_index_of_floats, QV_INVALID, "dictionary indices are float32" },
        { make_runs, schema_runs_of_floats, QV_INVALID, "run ends are float32, expected int16, int32 or int64" },
        { make_int32, schema_metadata_negative, QV_INVALID, "metadata has a length of -1" },
        { make_int32, schema_key_negative, QV_INVALID, "metadata has a length of -1" },
        { make_int32, schema_value_negative, QV_INVALID, "metadata has a length of -2147483648" },
        { make_int32, schema_key_with_zero, QV_INVALID, "metadata key 0 is not UTF-8 text" },
        { make_int32, schema_key_not_utf8, QV_INVALID, "metadata key 0 is not UTF-8 text" },
    };
    static tree t;
    size_t before = qv_memory().live_blocks;

    (void) state;
    for (size_t i = 0; i < QV_COUNT_OF(schemas); i++) {
        qv__field field;
        schemas[i].make(&t);
        QVT_OK(qv__import_type(&t.schema, &field, &err));
        qv__field_clear(&field);
        schemas[i].make(&t);
        schemas[i].spoil(&t);
        QVT_FAILS(qv__import_type(&t.schema, &field, &err), schemas[i].status, schemas[i].part);
        assert_int_equal(qv_memory().live_blocks, before);
    }
    qv__schema *schema;
    make_int32(&t);
    QVT_FAILS(qv__import_schema(&t.schema, &schema, &err), QV_INVALID, "the schema of a table is a struct, not int32");
    QVT_FAILS(qv__import_type(NULL, NULL, &err), QV_INVALID, "the Arrow schema is NULL");
}

static qv_status import_nested(int depth)
{
    static struct ArrowSchema levels[100];
    static struct ArrowSchema *pointers[100];
    qv__field field;

    for (int i = 0; i < depth; i++) {
        set_schema(&levels[i], i + 1 < depth ? "+l" : "i", "l");
        pointers[i] = &levels[i + 1];
        levels[i].n_children = i + 1 < depth;
        levels[i].children = &pointers[i];
    }
    QV_TRY(qv__import_type(&levels[0], &field, &err));
    assert_int_equal(qv__type_depth(field.type), depth);
    qv__field_clear(&field);
    return QV_OK;
}

static void depth_is_limited(void **state)
{
    size_t before = qv_memory().live_blocks;

    (void) state;
    QVT_OK(import_nested(64));
    QVT_FAILS(import_nested(65), QV_UNSUPPORTED, "type is nested deeper than 64 levels");
    QVT_FAILS(import_nested(100), QV_UNSUPPORTED, "type is nested deeper than 64 levels");
    assert_int_equal(qv_memory().live_blocks, before);
}

static void a_schema_of_another_type_is_refused(void **state)
{
    static tree t;
    qv__array *out = NULL;
    qv__type *type = qvt_type(QV_TYPE_INT64, 0, 0);

    (void) state;
    make_int32(&t);
    t.array.release = release_root;
    releases = 0;
    QVT_FAILS(qv__import_array(&t.array, &t.schema, type, &out, &err), QV_INVALID,
              "the Arrow schema says int32, expected int64");
    assert_int_equal(releases, 1);
    QVT_FAILS(qv__import_array(&t.array, NULL, type, &out, &err), QV_INVALID, "the Arrow array was released before");
    qv__type_unref(type);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spoiled_trees_are_refused),           cmocka_unit_test(garbage_under_nulls_is_let_in),
        cmocka_unit_test(empty_arrays_need_no_buffers),        cmocka_unit_test(odd_addresses_are_copied),
        cmocka_unit_test(views_and_runs_become_plain),         cmocka_unit_test(bad_formats_are_refused),
        cmocka_unit_test(spoiled_schemas_are_refused),         cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(a_schema_of_another_type_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
