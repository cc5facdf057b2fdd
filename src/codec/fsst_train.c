/* FSST, the learning half. Five rounds over a small sample: code it with the symbols so far, count how often each symbol
 * and each pair of neighbours was used, and keep the 255 candidates (symbols and joined pairs) that would save most.
 * Everything is counted and sorted with fixed tie-breaks, so the same strings always give the same table. */
#include "codec/fsst_private.h"

#include <stdlib.h>

#include "base/alloc.h"

#define ROUNDS       5
#define SAMPLE_BYTES 16384
#define PIECE_BYTES  64  /* a few times the longest symbol: many strings are worth more than long pieces */
#define CODES        512 /* 0..255: single bytes that were escaped; 256 + code: symbols */

typedef struct candidate {
    qv__fsst_symbol symbol;
    uint32_t gain;
} candidate;

typedef struct trainer {
    qv__fsst_encoder *encoder;
    size_t n_pieces; /* sample strings lie back to back in `sample` */
    size_t ends[SAMPLE_BYTES];
    uint8_t sample[SAMPLE_BYTES];
    uint32_t count[CODES];
    uint16_t pair_count[CODES][CODES];
    size_t n_pairs; /* distinct pairs seen, in order of appearance */
    uint16_t pairs[SAMPLE_BYTES][2];
    size_t n_candidates;
    candidate candidates[SAMPLE_BYTES + CODES];
} trainer;

/* Pieces of strings spread evenly over the input, about SAMPLE_BYTES in all; of a long string, a piece from somewhere. */
static void take_sample(trainer *t, const uint8_t *bytes, const int64_t *offsets, size_t n)
{
    size_t used = 0, expected = 0;
    for (size_t i = 0; i < n; i++)
        expected += QV_MIN((size_t) (offsets[i + 1] - offsets[i]), (size_t) PIECE_BYTES);
    size_t step = QV_MAX(expected / SAMPLE_BYTES, 1);
    /* few long strings: larger pieces fill the sample */
    size_t piece = QV_MAX((size_t) PIECE_BYTES, n ? SAMPLE_BYTES / n : 0);
    for (size_t i = 0; i < n && used < SAMPLE_BYTES; i += step) {
        size_t whole = (size_t) (offsets[i + 1] - offsets[i]), len = QV_MIN(QV_MIN(whole, piece), SAMPLE_BYTES - used);
        size_t at = whole > len ? i * 7919 % (whole - len) : 0;
        if (len == 0)
            continue;
        memcpy(t->sample + used, bytes + offsets[i] + at, len);
        used += len;
        t->ends[t->n_pieces++] = used;
    }
}

static void count_pair(trainer *t, unsigned a, unsigned b)
{
    if (t->pair_count[a][b]++ == 0) {
        t->pairs[t->n_pairs][0] = (uint16_t) a;
        t->pairs[t->n_pairs++][1] = (uint16_t) b;
    }
}

/* Codes the sample with the present table and counts. */
static void count_sample(trainer *t)
{
    size_t at = 0;
    memset(t->count, 0, sizeof t->count);
    memset(t->pair_count, 0, sizeof t->pair_count);
    t->n_pairs = 0;
    for (size_t piece = 0; piece < t->n_pieces; piece++) {
        unsigned before = CODES;
        while (at < t->ends[piece]) {
            size_t left = t->ends[piece] - at;
            unsigned match = qv__fsst_match(t->encoder, qv__fsst_word(t->sample + at, left), left);
            unsigned code = (match & 0xFF) == QV__FSST_ESCAPE ? t->sample[at] : 256 + (match & 0xFF);
            t->count[code]++;
            if (before < CODES)
                count_pair(t, before, code);
            before = code;
            at += match >> 8;
        }
    }
}

static qv__fsst_symbol symbol_of(const trainer *t, unsigned code)
{
    return code < 256 ? (qv__fsst_symbol){ code, 1 } : t->encoder->symbols[code - 256];
}

static void add_candidate(trainer *t, qv__fsst_symbol symbol, uint32_t uses)
{
    /* a single byte as a symbol saves its escape everywhere, which later rounds cannot see in its length */
    uint32_t weight = symbol.len == 1 ? 8 : symbol.len;
    t->candidates[t->n_candidates++] = (candidate){ symbol, uses * weight };
}

static int by_symbol(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->symbol.bytes != y->symbol.bytes)
        return x->symbol.bytes < y->symbol.bytes ? -1 : 1;
    return (int) x->symbol.len - (int) y->symbol.len;
}

static int by_gain(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->gain != y->gain)
        return x->gain > y->gain ? -1 : 1;
    return by_symbol(a, b);
}

/* One symbol may come out of several pairs: their gains add up. */
static void merge_equal(trainer *t)
{
    size_t kept = 0;
    qsort(t->candidates, t->n_candidates, sizeof *t->candidates, by_symbol);
    for (size_t i = 0; i < t->n_candidates; i++) {
        if (kept && by_symbol(&t->candidates[kept - 1], &t->candidates[i]) == 0)
            t->candidates[kept - 1].gain += t->candidates[i].gain;
        else
            t->candidates[kept++] = t->candidates[i];
    }
    t->n_candidates = kept;
}

/* Builds the next table from what was counted; candidates used fewer than `least_uses` times are left out. */
static void renew_table(trainer *t, uint32_t least_uses)
{
    t->n_candidates = 0;
    for (unsigned code = 0; code < CODES; code++)
        if (t->count[code] >= least_uses)
            add_candidate(t, symbol_of(t, code), t->count[code]);
    for (size_t i = 0; i < t->n_pairs; i++) {
        unsigned a = t->pairs[i][0], b = t->pairs[i][1];
        qv__fsst_symbol x = symbol_of(t, a), y = symbol_of(t, b);
        if (x.len + y.len > 8 || t->pair_count[a][b] < least_uses)
            continue;
        qv__fsst_symbol joined = { x.bytes | y.bytes << (8 * x.len), (uint8_t) (x.len + y.len) };
        add_candidate(t, joined, t->pair_count[a][b]);
    }
    merge_equal(t);
    qsort(t->candidates, t->n_candidates, sizeof *t->candidates, by_gain);
    qv__fsst_clear(t->encoder);
    for (size_t i = 0; i < t->n_candidates && t->encoder->n < QV__FSST_SYMBOLS; i++)
        qv__fsst_add(t->encoder, t->candidates[i].symbol);
}

qv_status qv__fsst_train(const uint8_t *bytes, const int64_t *offsets, size_t n, qv__fsst_encoder **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__fsst_encoder *encoder = NULL;
    trainer *t = NULL;

    QV_CHECK(QV_NEW(&encoder, 1, err));
    QV_CHECK(QV_NEW(&t, 1, err));
    t->encoder = encoder;
    qv__fsst_clear(encoder);
    take_sample(t, bytes, offsets, n);
    for (unsigned round = 0; round < ROUNDS; round++) {
        count_sample(t);
        renew_table(t, round + 1 == ROUNDS ? 2 : 1);
    }
    *out = encoder;
    encoder = NULL;
done:
    qv__free(t);
    qv__fsst_encoder_free(encoder);
    return st;
}
