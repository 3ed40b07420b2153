/* arena.h - memory that is given piece by piece and freed as one. */
#ifndef MEMFERRY_ARENA_H
#define MEMFERRY_ARENA_H

#include <stddef.h>

struct arena {
    struct arena_chunk *chunks;
};

/* Aligned for any type; NULL without memory. The content is not set. */
void *arena_alloc(struct arena *arena, size_t size);
/* The bytes with a NUL behind them. */
char *arena_text(struct arena *arena, const char *data, size_t size);
void arena_deinit(struct arena *arena);

#endif
