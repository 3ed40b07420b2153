/* vector_top.h - the best few of many: a heap with the worst of them on top. */
#ifndef MEMFERRY_VECTOR_TOP_H
#define MEMFERRY_VECTOR_TOP_H

#include "broker/vector_file.h"

struct vector_top {
    struct vector_hit *items; /* borrowed; holds max */
    size_t count, max;
};

/* Of equal ones the older document counts as better. */
void vector_top_add(struct vector_top *top, const struct vector_hit *hit);
/* The best first; the heap is none any more. */
void vector_top_sort(struct vector_top *top);

#endif
