/* The k best hits in a binary heap with the worst on top: a new hit costs one comparison while it is worse than all kept. */
#include <math.h>
#include <stdlib.h>

#include "simd_private.h"

static inline bool is_worse(const qv__hit *a, const qv__hit *b)
{
    return a->distance > b->distance || (a->distance == b->distance && a->id > b->id);
}

void qv__topk_init(qv__topk *topk, size_t k, qv__hit *slots, const float *lower, const float *upper)
{
    *topk = (qv__topk){
        .k = k,
        .heap = slots,
        .lower = lower ? *lower : -INFINITY,
        .upper = upper ? *upper : INFINITY,
        .has_upper = upper != NULL,
    };
}

static void sift_up(qv__hit *heap, size_t i, qv__hit hit)
{
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (!is_worse(&hit, &heap[parent]))
            break;
        heap[i] = heap[parent];
        i = parent;
    }
    heap[i] = hit;
}

static void sift_down(qv__hit *heap, size_t n, qv__hit hit)
{
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && is_worse(&heap[child + 1], &heap[child]))
            child++;
        if (!is_worse(&heap[child], &hit))
            break;
        heap[i] = heap[child];
    }
    heap[i] = hit;
}

void qv__topk_push(qv__topk *topk, float distance, uint64_t id)
{
    qv__hit hit = { distance, id };

    if (!(distance >= topk->lower)) /* NaN too */
        return;
    if (topk->has_upper && !(distance < topk->upper))
        return;
    if (topk->n < topk->k)
        sift_up(topk->heap, topk->n++, hit);
    else if (topk->k > 0 && is_worse(&topk->heap[0], &hit))
        sift_down(topk->heap, topk->n, hit);
}

void qv__topk_merge(qv__topk *into, const qv__topk *from)
{
    for (size_t i = 0; i < from->n; i++)
        qv__topk_push(into, from->heap[i].distance, from->heap[i].id);
}

/* Takes the worst off the heap again and again, so no memory is needed. */
void qv__topk_sort(qv__topk *topk)
{
    for (size_t n = topk->n; n > 1; n--) {
        qv__hit worst = topk->heap[0], last = topk->heap[n - 1];
        sift_down(topk->heap, n - 1, last);
        topk->heap[n - 1] = worst;
    }
}
