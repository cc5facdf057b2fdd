/* Radix sort of (key, row) pairs, least significant digit first: no comparison, and digits that all keys share cost no pass. */
#include "index/scalar/sort_private.h"

#define DIGIT_BITS 11
#define N_DIGITS   6 /* of 11 bits in 64 */
#define N_BUCKETS  (1u << DIGIT_BITS)
#define FEW_TIES   24

static size_t digit_of(uint64_t key, unsigned digit) { return key >> digit * DIGIT_BITS & (N_BUCKETS - 1); }

static void scatter(const qv__pair *from, qv__pair *to, size_t n, unsigned digit)
{
    size_t start[N_BUCKETS] = { 0 }, sum = 0;

    for (size_t i = 0; i < n; i++)
        start[digit_of(from[i].key, digit)]++;
    for (size_t i = 0; i < N_BUCKETS; i++) {
        size_t count = start[i];
        start[i] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++)
        to[start[digit_of(from[i].key, digit)]++] = from[i];
}

qv__pair *qv__sort_pairs(qv__pair *pairs, qv__pair *room, size_t n)
{
    uint64_t all = UINT64_MAX, any = 0, last = 0;
    bool is_sorted = true;

    for (size_t i = 0; i < n; i++) {
        all &= pairs[i].key;
        any |= pairs[i].key;
        is_sorted &= last <= pairs[i].key;
        last = pairs[i].key;
    }
    if (is_sorted)
        return pairs;
    for (unsigned digit = 0; digit < N_DIGITS; digit++) {
        if (!digit_of(all ^ any, digit))
            continue;
        scatter(pairs, room, n, digit);
        qv__pair *swap = pairs;
        pairs = room;
        room = swap;
    }
    return pairs;
}

/* ------------------------------------------------------------------ ties of keys that do not say all */

static bool is_after(const qv__array *values, const qv__pair *a, const qv__pair *b)
{
    int order = qv__order_compare(values, (int64_t) a->row, values, (int64_t) b->row);

    return order ? order > 0 : a->row > b->row;
}

static void insert_ties(const qv__array *values, qv__pair *pairs, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        qv__pair one = pairs[i];
        size_t at = i;
        for (; at > 0 && is_after(values, &pairs[at - 1], &one); at--)
            pairs[at] = pairs[at - 1];
        pairs[at] = one;
    }
}

/* Merge sort, from short sorted pieces up. */
static void sort_ties(const qv__array *values, qv__pair *pairs, qv__pair *room, size_t n)
{
    for (size_t at = 0; at < n; at += FEW_TIES)
        insert_ties(values, pairs + at, QV_MIN(FEW_TIES, n - at));
    for (size_t piece = FEW_TIES; piece < n; piece *= 2) {
        for (size_t at = 0; at < n; at += 2 * piece) {
            size_t middle = QV_MIN(at + piece, n), end = QV_MIN(at + 2 * piece, n), a = at, b = middle, to = at;
            while (a < middle && b < end)
                room[to++] = is_after(values, &pairs[a], &pairs[b]) ? pairs[b++] : pairs[a++];
            while (a < middle)
                room[to++] = pairs[a++];
            while (b < end)
                room[to++] = pairs[b++];
        }
        memcpy(pairs, room, n * sizeof *pairs);
    }
}

void qv__break_ties(const qv__array *values, qv__pair *pairs, qv__pair *room, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t end = at + 1;
        while (end < n && pairs[end].key == pairs[at].key)
            end++;
        if (end - at > 1)
            sort_ties(values, pairs + at, room + at, end - at);
        at = end;
    }
}
