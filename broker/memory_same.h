/* memory_same.h - are two states of a memory, as plugins know it, the same? */
#ifndef MEMFERRY_MEMORY_SAME_H
#define MEMFERRY_MEMORY_SAME_H

#include <memferry/memory.h>

#include <stdbool.h>

/* Below 0: a is older than b; 0: the same state; above 0: a is newer. By (stamp, origin). */
int memory_order(const struct memferry_memory *a, const struct memferry_memory *b);

/* The first of what a memory holds that differs: "content", "props" …; NULL: nothing does. Version,
 * embedding_state, and whose a vector is that neither has, don't count. */
const char *memory_difference(const struct memferry_memory *a, const struct memferry_memory *b);

#endif
