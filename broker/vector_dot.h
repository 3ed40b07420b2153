/*
 * vector_dot.h - the dot product of two rows of floats: the inner loop of semantic search.
 *
 * One text, compiled for each kind of processor that is worth it; which one fits is looked up once.
 * They agree but for rounding.
 */
#ifndef MEMFERRY_VECTOR_DOT_H
#define MEMFERRY_VECTOR_DOT_H

#include <stdbool.h>
#include <stddef.h>

typedef float vector_dot_fn(const float *a, const float *b, size_t count);

struct vector_dot {
    const char *name;
    vector_dot_fn *run;
    bool (*is_supported)(void);
};

/* The best first, ends with a NULL name; the last one is plain C and runs everywhere. */
extern const struct vector_dot vector_dots[];
/* The first that this processor has. */
vector_dot_fn *vector_dot_best(void);

/* Scales to length 1 into ret. False: the vector is zero and has no direction. */
bool vector_normalize(const float *vector, size_t count, float *ret);

#endif
