/* large.c - see large.h. There are few of them as a rule, so they lie in a list. */
#include "broker/large.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 16

struct large_memory {
    char *id;
    size_t size;
    unsigned growing; /* events on their way */
    bool is_large;
};

void large_deinit(struct large *large)
{
    for (size_t i = 0; i < large->count; i++) {
        free(large->memories[i].id);
    }
    free(large->memories);
    *large = (struct large){0};
}

bool large_is_empty(const struct large *large)
{
    return large->count == 0 && !large->all;
}

static struct large_memory *find(const struct large *large, const struct event_text *id)
{
    for (size_t i = 0; i < large->count; i++) {
        struct large_memory *memory = &large->memories[i];
        if (memory->size == id->size && memcmp(memory->id, id->data, id->size) == 0) {
            return memory;
        }
    }
    return NULL;
}

bool large_has(const struct large *large, const struct event_text *memory_id)
{
    return large->all || find(large, memory_id) != NULL;
}

static bool make_room(struct large *large)
{
    if (large->count < large->room) {
        return true;
    }
    size_t room = large->room == 0 ? ROOM_FIRST : large->room * 2;
    struct large_memory *memories =
        large->count < LARGE_MAX ? realloc(large->memories, room * sizeof *memories) : NULL;
    if (memories == NULL) {
        return false;
    }
    large->memories = memories;
    large->room = room;
    return true;
}

/* NULL: there are too many. */
static struct large_memory *find_or_add(struct large *large, const struct event_text *id)
{
    struct large_memory *memory = find(large, id);

    if (memory != NULL || large->all) {
        return memory;
    }
    char *copy = make_room(large) ? malloc(id->size) : NULL;
    if (copy == NULL) {
        large->all = true;
        return NULL;
    }
    memcpy(copy, id->data, id->size);
    memory = &large->memories[large->count++];
    *memory = (struct large_memory){.id = copy, .size = id->size};
    return memory;
}

static void drop_if_idle(struct large *large, struct large_memory *memory)
{
    if (!memory->is_large && memory->growing == 0) {
        free(memory->id);
        *memory = large->memories[--large->count];
    }
}

void large_set(struct large *large, const struct event_text *memory_id, bool is_large)
{
    struct large_memory *memory = is_large ? find_or_add(large, memory_id) : find(large, memory_id);

    if (memory != NULL) {
        memory->is_large = is_large;
        drop_if_idle(large, memory);
    }
}

void large_begin(struct large *large, const struct event_text *memory_id)
{
    struct large_memory *memory = find_or_add(large, memory_id);

    if (memory != NULL) {
        memory->growing++;
    }
}

void large_end(struct large *large, const struct event_text *memory_id)
{
    struct large_memory *memory = find(large, memory_id);

    assert(memory != NULL || large->all);
    if (memory != NULL && memory->growing > 0) { /* else there were too many when it began */
        memory->growing--;
        drop_if_idle(large, memory);
    }
}
