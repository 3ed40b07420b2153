/* arena.c - chunks in a list; a piece that is larger than a chunk gets one of its own. */
#include "broker/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)64 << 10)
#define ALIGNMENT   alignof(max_align_t)

struct arena_chunk {
    struct arena_chunk *next;
    size_t used, size;
    alignas(max_align_t) char bytes[];
};

void *arena_alloc(struct arena *arena, size_t size)
{
    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct arena_chunk *chunk = arena->chunks;

    if (rounded < size) {
        return NULL;
    }
    if (chunk == NULL || chunk->size - chunk->used < rounded) {
        size_t room = rounded > CHUNK_BYTES ? rounded : CHUNK_BYTES;
        chunk = malloc(sizeof *chunk + room);
        if (chunk == NULL) {
            return NULL;
        }
        *chunk = (struct arena_chunk){.next = arena->chunks, .size = room};
        arena->chunks = chunk;
    }
    void *piece = chunk->bytes + chunk->used;
    chunk->used += rounded;
    return piece;
}

char *arena_text(struct arena *arena, const char *data, size_t size)
{
    char *text = arena_alloc(arena, size + 1);

    if (text != NULL) {
        if (size > 0) {
            memcpy(text, data, size);
        }
        text[size] = '\0';
    }
    return text;
}

void arena_deinit(struct arena *arena)
{
    while (arena->chunks != NULL) {
        struct arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        free(chunk);
    }
}
