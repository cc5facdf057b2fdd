/* The rows that a fake table has, as a list: what reads are held against. */
#ifndef QVT_FAKE_MODEL_H
#define QVT_FAKE_MODEL_H

#include "fake_table.h"

static const char *const all_names[] = { "id",   "s",      "v",      "st",     "bits",     "st.a",
                                         "st.b", "st.b.c", "st.b.w", "_rowid", "_rowaddr", "_rowoffset" };

typedef struct model {
    qv__snapshot *s;
    size_t n, n_columns;
    struct live_row {
        size_t fragment;
        uint64_t row, offset; /* physical, and among all live rows */
    } * rows;
    const char *columns[QV_COUNT_OF(all_names)];
} model;

static inline void model_init(model *m, qv__snapshot *s)
{
    *m = (model){ .s = s, .rows = calloc(100000, sizeof *m->rows) };
    for (size_t f = 0; f < s->n_fragments; f++)
        for (uint64_t r = 0; r < s->fragments[f].physical_rows; r++)
            if (qv__bit_get(s->data[f].live, r)) {
                m->rows[m->n] = (struct live_row){ f, r, m->n };
                m->n++;
            }
}

static inline void choose_columns(model *m, qvt_rng *rng)
{
    m->n_columns = 0;
    for (size_t i = 0; i < QV_COUNT_OF(all_names); i++)
        if (qvt_rng_below(rng, 2))
            m->columns[m->n_columns++] = all_names[i];
    for (size_t i = m->n_columns; i > 1; i--) { /* any order */
        size_t j = qvt_rng_below(rng, i);
        const char *swap = m->columns[i - 1];
        m->columns[i - 1] = m->columns[j];
        m->columns[j] = swap;
    }
}

static inline void check_row(const model *m, const qv__array *batch, int64_t i, const struct live_row *want)
{
    for (size_t c = 0; c < m->n_columns; c++) {
        const qv__array *got = fake_column(batch, c);
        const uint64_t *numbers = qv__array_values(got);
        if (strcmp(m->columns[c], "_rowid") == 0)
            assert_int_equal(numbers[i], fake_row_id(m->s, want->fragment, want->row));
        else if (strcmp(m->columns[c], "_rowaddr") == 0)
            assert_int_equal(numbers[i], m->s->fragments[want->fragment].id << 32 | want->row);
        else if (strcmp(m->columns[c], "_rowoffset") == 0)
            assert_int_equal(numbers[i], want->offset);
        else {
            char text[4096];
            snprintf(text, sizeof text, "%s", qvt_value_text(got, i));
            assert_string_equal(text, fake_text(m->s, want->fragment, m->columns[c], want->row));
        }
    }
}

static inline void check_schema(const model *m, const qv__schema *schema)
{
    assert_int_equal(schema->n_fields, m->n_columns);
    for (size_t c = 0; c < m->n_columns; c++)
        assert_string_equal(schema->fields[c].name, m->columns[c]);
}

#endif
