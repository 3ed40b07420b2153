/* reader_load.h - from a stored state to the structs of memferry/memory.h. 0, -EBADMSG, -ENOMEM. */
#ifndef MEMFERRY_READER_LOAD_H
#define MEMFERRY_READER_LOAD_H

#include "broker/arena.h"
#include "broker/memory_state.h"

/* Everything is copied into the arena; the embedding is left out. */
int reader_load_memory(struct arena *arena, const struct event_text *id,
                       const struct memory_state *state, struct memferry_memory *ret);
int reader_load_vector(struct arena *arena, const void *vector, size_t size,
                       struct memferry_memory *memory);

#endif
