/*
 * large.h - memories that are so large that a put may be refused for it.
 *
 * A receipt is true: a put that is answered before its apply must not be refused there. A memory
 * takes MEMORY_STATE_MAX; what is on its way to the store can make it larger by as many bytes as it
 * has itself, and of that no more than WRITES_PLAIN_BYTES_MAX is answered early. So it is enough to
 * know which memories are over the difference (MEMORY_STATE_LARGE) as they stand in the store, and
 * which a restore is about to make larger, whose own size says nothing: puts to those are answered
 * after their apply.
 *
 * Bounded: LARGE_MAX memories. With one more, or without memory for it, every put is answered after
 * its apply, until the broker ends: slower, and still true. The loop's own.
 */
#ifndef MEMFERRY_LARGE_H
#define MEMFERRY_LARGE_H

#include "broker/event.h"

#include <stdbool.h>
#include <stddef.h>

#define LARGE_MAX 1024

struct large_memory;

struct large {
    struct large_memory *memories;
    size_t count, room;
    bool all; /* there were too many */
};

void large_deinit(struct large *large);

/* Nothing is: the usual case, without a look at any id. */
bool large_is_empty(const struct large *large);
bool large_has(const struct large *large, const struct event_text *memory_id);
/* As the store has it now. */
void large_set(struct large *large, const struct event_text *memory_id, bool is_large);
/* An event is on its way that may make it so, whatever its own size; in pairs. */
void large_begin(struct large *large, const struct event_text *memory_id);
void large_end(struct large *large, const struct event_text *memory_id);

#endif
