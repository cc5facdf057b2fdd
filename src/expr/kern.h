/* Loops over raw values: one table of kernels per instruction set, from one text (kern_tmpl.h). */
#ifndef QV_EXPR_KERN_H
#define QV_EXPR_KERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum qv__kern_type {
    QV_KERN_I8,
    QV_KERN_I16,
    QV_KERN_I32,
    QV_KERN_I64,
    QV_KERN_U8,
    QV_KERN_U16,
    QV_KERN_U32,
    QV_KERN_U64,
    QV_KERN_F32,
    QV_KERN_F64,
    QV_KERN_TYPES
} qv__kern_type;

/* Which operands are one value for all rows. */
typedef enum qv__kern_form { QV_KERN_BOTH, QV_KERN_RIGHT_ONE, QV_KERN_LEFT_ONE, QV_KERN_FORMS } qv__kern_form;

enum { QV_KERN_EQ, QV_KERN_LT, QV_KERN_LE, QV_KERN_COMPARES };
enum {
    QV_KERN_ADD,
    QV_KERN_SUB,
    QV_KERN_MUL,
    QV_KERN_DIV,
    QV_KERN_MOD,
    QV_KERN_AND,
    QV_KERN_OR,
    QV_KERN_XOR,
    QV_KERN_ARITHMETICS
};

typedef struct qv__kernels_expr {
    /* Bit i of `bits` (whole words, zero past n) tells whether a[i] op b[i]. NaN equals NaN and is above all. Right or both only. */
    void (*compare[QV_KERN_COMPARES][QV_KERN_TYPES][2])(const void *a, const void *b, size_t n, uint64_t *bits);
    /* Wraps around; false: somewhere it did, or an integer was divided by zero. Bit operations are for integers only. */
    bool (*arithmetic[QV_KERN_ARITHMETICS][QV_KERN_TYPES][QV_KERN_FORMS])(const void *a, const void *b, size_t n,
                                                                          void *out);
    /* out[i] = values[i] (or values[0]) where bit i of `taken` is set; by [8 bytes wide, else 4][one value for all rows]. */
    void (*lay[2][2])(const void *values, const uint64_t *taken, size_t n, void *out);
    /* Where `needle` (at least one byte) is first found in text[from, end), or `end`. */
    size_t (*find)(const uint8_t *text, size_t from, size_t end, const uint8_t *needle, size_t len);
} qv__kernels_expr;

extern const qv__kernels_expr qv__kernels_expr_plain;
#if defined(__x86_64__)
extern const qv__kernels_expr qv__kernels_expr_avx2;
#endif
struct qv__type;
/* The kernel's type for values of `type`; false: there is none. */
bool qv__kern_type_of(const struct qv__type *type, qv__kern_type *out);
/* The best table for this processor. */
const qv__kernels_expr *qv__expr_kernels(void);

#endif
