/* What conditions chose of a version: kept, found again, let go; and never another answer than without. */
#include <pthread.h>

#include "fake_table.h"
#include "query/ann.h"

enum { DIM = 4 };

static qv__snapshot *table(qvt_rng *rng, size_t rows)
{
    qv__field fields[] = { fake_field("id", qvt_type(QV_TYPE_INT64, 0, 0), false),
                           fake_field("v", fake_vector_type(qvt_type(QV_TYPE_FLOAT32, 0, 0), DIM), false) };
    qv__snapshot *s = fake_new(fields, 2);

    fake_clear_fields(fields, 2);
    for (size_t f = 0; f < 3; f++) {
        fake_add(s, rng, 10 + f, rows, 0, 0.1);
        int64_t *ids = (int64_t *) (void *) s->data[f].columns[0]->buffers[1].data;
        for (size_t i = 0; i < rows; i++)
            ids[i + (size_t) s->data[f].columns[0]->offset] = (int64_t) (f * rows + i);
    }
    return s;
}

/* The matches of a condition, kept or worked out. */
static qv_status choose(qv__snapshot *s, const qv__choosing *how, bool *was_kept, qv__chosen **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__row_reader reader = { .snapshot = qv__snapshot_ref(s) };
    qv__filter filter = { 0 };
    qv_job options = { .threads = 1 };
    qv__job job;

    *out = NULL;
    qv__job_begin(&job, &options, "search", 0);
    QV_CHECK(qv__chosen_find(s, how, out, err));
    *was_kept = *out != NULL;
    if (*out)
        goto done;
    QV_CHECK(qv__filter_new(&filter, &reader, how->where, how->no_index, err));
    QV_CHECK(qv__row_reader_prepare(&reader, err));
    QV_CHECK(qv__chosen_new(&reader, &filter, how, true, &job, out, err));
done:
    qv__job_end(&job, st);
    qv__filter_clear(&filter);
    qv__row_reader_clear(&reader);
    return st;
}

static qv__chosen *chosen(qv__snapshot *s, const char *where, bool was_kept)
{
    qv_error err;
    qv__chosen *c;
    bool kept;

    QVT_OK(choose(s, &(qv__choosing){ .where = where }, &kept, &c, &err));
    assert_int_equal(kept, was_kept);
    return c;
}

static void ask(qv__snapshot *s, const char *where, bool was_kept) { qv__chosen_unref(chosen(s, where, was_kept)); }

/* Ids are numbered through, so that the rows of "id < n" are known. */
static void check_below(const qv__snapshot *s, const qv__chosen *c, uint64_t n)
{
    uint64_t total = 0, rows = s->fragments[0].physical_rows;

    for (size_t f = 0; f < s->n_fragments; f++)
        for (uint64_t r = 0; r < rows; r++) {
            bool matches = qv__bit_get(s->data[f].live, r) && f * rows + r < n;
            total += matches;
            assert_int_equal(c->matches.rows[f] && roaring_bitmap_contains(c->matches.rows[f], (uint32_t) r), matches);
        }
    assert_int_equal(c->matches.n_rows, total);
}

static void kept(void **state)
{
    qvt_rng rng = { 3 };
    qv_error err;
    qv__chosen *a, *b;
    bool was_kept;
    qv__snapshot *s = table(&rng, 500);
    QV_UNUSED(state);

    a = chosen(s, "id < 700", false);
    check_below(s, a, 700);
    b = chosen(s, "id < 700", true);
    assert_ptr_equal(a, b);
    qv__chosen_unref(b);
    b = chosen(s, "( 700 > ID )", false); /* compiled to the same */
    assert_ptr_equal(a, b);
    qv__chosen_unref(b);
    /* what the options say of indices is another question */
    QVT_OK(choose(s, &(qv__choosing){ .where = "id < 700", .no_index = true }, &was_kept, &b, &err));
    assert_false(was_kept);
    assert_ptr_not_equal(a, b);
    qv__chosen_unref(a);
    qv__chosen_unref(b);
    qv__snapshot_unref(s);
}

static void volatile_functions(void **state)
{
    static const char *const texts[] = { "random() < 0.5", "id < 9 and uuid() > 'a'",
                                         "now() > timestamp '2020-01-01 00:00:00' and id < 9",
                                         "id < extract(year from current_date())" };
    qvt_rng rng = { 3 };
    qv__snapshot *s = table(&rng, 100);
    QV_UNUSED(state);

    for (size_t i = 0; i < QV_COUNT_OF(texts); i++)
        for (int time = 0; time < 2; time++)
            ask(s, texts[i], false);
    ask(s, "id < 9", false); /* but what stands beside them is no other condition for that */
    ask(s, "id < 9", true);
    qv__snapshot_unref(s);
}

/* Another version has other rows, whatever its files share with the one before. */
static void another_version(void **state)
{
    qvt_rng rng = { 3 };
    qv__snapshot *s = table(&rng, 300);
    QV_UNUSED(state);

    qv__chosen *old = chosen(s, "id < 200", false);
    check_below(s, old, 200);
    qv__owner *slot = atomic_exchange(&s->query_slot, NULL); /* as a new version begins */
    for (size_t r = 0; r < 200; r += 3)
        if (qv__bit_get(s->data[0].live, r)) {
            qv__bit_clear(s->data[0].live, r);
            s->data[0].n_deleted++;
        }
    for (size_t r = 0, n = 0; r < 300; r++)
        if (!qv__bit_get(s->data[0].live, r))
            s->data[0].deleted[n++] = (uint32_t) r;
    qv__chosen *new = chosen(s, "id < 200", false);
    check_below(s, new, 200);
    assert_true(new->matches.n_rows < old->matches.n_rows);
    qv__chosen_unref(old);
    qv__owner_unref(slot);
    qv__chosen_unref(new);
    qv__snapshot_unref(s);
}

static const char *below(int n, char *text)
{
    sprintf(text, "id < %d", n);
    return text;
}

static void oldest_goes(void **state)
{
    qvt_rng rng = { 3 };
    qv_error err;
    char text[40];
    qv__choices *choices;
    qv__snapshot *s = table(&rng, 200);
    QV_UNUSED(state);

    for (int i = 0; i < QV_MOST_CHOICES; i++)
        ask(s, below(i + 1, text), false);
    qv__chosen *first = chosen(s, below(1, text), true); /* now the youngest */
    ask(s, below(100, text), false);
    ask(s, below(1, text), true);
    ask(s, below(3, text), true);
    ask(s, below(2, text), false); /* had gone */
    QVT_OK(qv__choices_of(s, &choices, &err));
    assert_int_equal(choices->n, QV_MOST_CHOICES);
    for (int i = 0; i < QV_MOST_CHOICES; i++)
        ask(s, below(1000 + i, text), false);
    assert_int_equal(first->matches.n_rows, qv__bit_get(s->data[0].live, 0)); /* gone, but not for who holds it */
    qv__chosen_unref(first);
    qv__snapshot_unref(s);
}

/* What is kept never takes more than the budget, and gives back what it took. */
static void budget(void **state)
{
    qvt_rng rng = { 3 };
    qv_error err;
    qv__choices *choices;
    qv__snapshot *s = table(&rng, 2000);
    QV_UNUSED(state);

    QVT_OK(qv__choices_of(s, &choices, &err));
    size_t whole = atomic_load(&choices->budget);
    ask(s, "id < 1000", false);
    size_t one = whole - atomic_load(&choices->budget);
    assert_true(one > 100 && one < 10000);
    atomic_store(&choices->budget, one / 2); /* one of them has room, the other goes */
    ask(s, "id < 999", false);
    assert_int_equal(choices->n, 1);
    assert_in_range(atomic_load(&choices->budget), one / 2 - 8, one / 2 + 8);
    ask(s, "id >= 0", false); /* too large: all go, and it is answered anyhow */
    assert_int_equal(choices->n, 0);
    assert_int_equal(atomic_load(&choices->budget), one / 2 + one);
    ask(s, "id >= 0", false);
    qv__snapshot_unref(s);
}

/* ------------------------------------------------------------------ threads */

typedef struct client {
    qv__snapshot *s;
    uint64_t seed;
    int wrong;
} client;

static void *run_client(void *ctx)
{
    client *c = ctx;
    qvt_rng rng = { c->seed };
    char text[40];
    bool kept;
    qv_error err;

    for (int i = 0; i < 400; i++) {
        uint64_t n = qvt_rng_below(&rng, 2 * QV_MOST_CHOICES) * 10, want = 0;
        qv__chosen *chosen;
        if (choose(c->s, &(qv__choosing){ .where = below((int) n, text) }, &kept, &chosen, &err) != QV_OK) {
            c->wrong++;
            continue;
        }
        for (uint64_t r = 0; r < n; r++) /* all in the first fragment */
            want += qv__bit_get(c->s->data[0].live, r);
        c->wrong += chosen->matches.n_rows != want;
        qv__chosen_unref(chosen);
    }
    return NULL;
}

static void threads(void **state)
{
    qvt_rng rng = { 3 };
    qv__snapshot *s = table(&rng, 400);
    client clients[4];
    pthread_t ids[4];
    QV_UNUSED(state);

    for (size_t i = 0; i < 4; i++) {
        clients[i] = (client){ s, i + 1, 0 };
        pthread_create(&ids[i], NULL, run_client, &clients[i]);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(ids[i], NULL);
        assert_int_equal(clients[i].wrong, 0);
    }
    qv__snapshot_unref(s);
}

/* ------------------------------------------------------------------ failures */

static void failures(void **state)
{
    static const char *const texts[] = { "id < 90", "random() < 0.5", "1 = 2" };
    qvt_rng rng = { 3 };
    qv_error err;
    bool was_kept;
    qv__snapshot *s = table(&rng, 100);
    size_t blocks = qv_memory().live_blocks;
    QV_UNUSED(state);

    for (size_t i = 0; i < QV_COUNT_OF(texts); i++)
        for (uint64_t n = 0;; n++) {
            qv__chosen *c;
            qv__alloc_fail_at(n);
            qv_status st = choose(s, &(qv__choosing){ .where = texts[i] }, &was_kept, &c, &err);
            bool fired = qv__alloc_fault_fired();
            qv__alloc_fail_at(UINT64_MAX);
            assert_int_equal(st, fired ? QV_NOMEM : QV_OK);
            qv__chosen_unref(c);
            qv__owner_unref(atomic_exchange(&s->query_slot, NULL));
            assert_int_equal(qv_memory().live_blocks, blocks);
            if (!fired)
                break;
        }
    qv__snapshot_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(kept),
                                        cmocka_unit_test(volatile_functions),
                                        cmocka_unit_test(another_version),
                                        cmocka_unit_test(oldest_goes),
                                        cmocka_unit_test(budget),
                                        cmocka_unit_test(threads),
                                        cmocka_unit_test(failures) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
