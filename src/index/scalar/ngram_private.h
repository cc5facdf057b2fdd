/* An NGRAM: for each three letters or digits in a row, the rows whose text has them. Texts are folded first: lower case, ASCII for
 * what looks like it. Whoever looks for a text must find the windows of the folded text. */
#ifndef QV_INDEX_NGRAM_PRIVATE_H
#define QV_INDEX_NGRAM_PRIVATE_H

#include <string.h>

#include "index/scalar/scalar.h"

#define QV_NGRAM_FOLD_MOST 5
#define QV_NGRAM_NULL      0 /* the token of rows without text (and of a window of three V that have no small form) */
/* One more than the greatest token: three values below 256 as digits of base 37. */
#define QV_NGRAM_TOKENS ((255u * 37u + 255u) * 37u + 255u + 1u)

/* What a character outside ASCII stands for: letters, digits and blanks; returns how many, 0: nothing. */
size_t qv__ngram_fold(uint32_t c, char out[QV_NGRAM_FOLD_MOST]);

/* Tokens, each once. */
typedef struct qv__ngram_set {
    uint8_t *seen; /* a bit for each token */
    uint32_t *tokens;
    size_t n, capacity;
} qv__ngram_set;
qv_status qv__ngram_set_init(qv__ngram_set *set, qv_error *err);
void qv__ngram_set_free(qv__ngram_set *set);
void qv__ngram_set_empty(qv__ngram_set *set);
/* Adds the tokens of a text. Bytes that are no UTF-8 are taken for anything else than letters. */
qv_status qv__ngram_set_add(qv__ngram_set *set, const uint8_t *text, size_t len, qv_error *err);

/* Adds tokens that every matching text has; none: the question says nothing about windows. */
qv_status qv__ngram_of_ask(const qv__ask *ask, qv__ngram_set *set, qv_error *err);

/* (token, row) pairs of texts, each token of a text once; `texts` is borrowed. */
qv_status qv__ngram_pairs(qv__stream *texts, const qv__type *token, qv__stream **out, qv_error *err);

#endif
