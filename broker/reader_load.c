/*
 * reader_load.c - a memory's state as the plain structs that a plugin gets, in an arena.
 *
 * Props were checked when they were applied, so a value of another shape is damage.
 */
#include "broker/reader_load.h"

#include <errno.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "vectors lie as little-endian floats, and are handed out as they lie");

static int load_text(struct arena *arena, const char *data, size_t size,
                     struct memferry_string *ret)
{
    if (size == 0) {
        *ret = (struct memferry_string){.data = "", .size = 0};
        return 0;
    }
    *ret = (struct memferry_string){.data = arena_text(arena, data, size), .size = size};
    return ret->data == NULL ? -ENOMEM : 0;
}

static int load_tags(struct arena *arena, struct unpack_slice tags, struct memferry_memory *memory)
{
    struct unpack in = unpack_over(tags.data, tags.size);
    uint32_t count;

    if (!unpack_array(&in, &count)) {
        return -EBADMSG;
    }
    struct memferry_string *items = arena_alloc(arena, count * sizeof *items);
    if (items == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        const char *data;
        size_t size;
        if (!unpack_text(&in, &data, &size)) {
            return -EBADMSG;
        }
        int r = load_text(arena, data, size, &items[i]);
        if (r < 0) {
            return r;
        }
    }
    memory->tags = items;
    memory->tag_count = count;
    return 0;
}

/* ---- props ---- */

static int load_scalar(struct arena *arena, const struct unpack_value *from,
                       struct memferry_value *ret)
{
    memset(ret, 0, sizeof *ret);
    switch (from->type) {
    case UNPACK_BOOL:
        ret->type = MEMFERRY_VALUE_BOOL;
        ret->as.boolean = from->as.boolean;
        return 0;
    case UNPACK_UINT:
        if (from->as.number > INT64_MAX) { /* no sink holds it as an integer */
            ret->type = MEMFERRY_VALUE_FLOAT;
            ret->as.floating = (double)from->as.number;
            return 0;
        }
        ret->type = MEMFERRY_VALUE_INT;
        ret->as.integer = (int64_t)from->as.number;
        return 0;
    case UNPACK_INT:
        ret->type = MEMFERRY_VALUE_INT;
        ret->as.integer = from->as.negative;
        return 0;
    case UNPACK_FLOAT:
        ret->type = MEMFERRY_VALUE_FLOAT;
        ret->as.floating = from->as.floating;
        return 0;
    case UNPACK_TEXT:
        ret->type = MEMFERRY_VALUE_STRING;
        return load_text(arena, (const char *)from->as.bytes.data, from->as.bytes.size,
                         &ret->as.string);
    default:
        return -EBADMSG;
    }
}

static int load_list(struct arena *arena, struct unpack *in, uint32_t count,
                     struct memferry_value *ret)
{
    struct memferry_value *items = arena_alloc(arena, count * sizeof *items);

    if (items == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct unpack_value value;
        if (!unpack_next(in, &value)) {
            return -EBADMSG;
        }
        int r = load_scalar(arena, &value, &items[i]);
        if (r < 0) {
            return r;
        }
    }
    memset(ret, 0, sizeof *ret);
    ret->type = MEMFERRY_VALUE_LIST;
    ret->as.list.items = items;
    ret->as.list.count = count;
    return 0;
}

static int load_prop(struct arena *arena, struct unpack *in, struct memferry_prop *ret)
{
    struct unpack_value value;
    const char *name;
    size_t size;

    if (!unpack_text(in, &name, &size) || !unpack_next(in, &value)) {
        return -EBADMSG;
    }
    int r = load_text(arena, name, size, &ret->name);
    if (r < 0) {
        return r;
    }
    return value.type == UNPACK_ARRAY ? load_list(arena, in, value.as.count, &ret->value)
                                      : load_scalar(arena, &value, &ret->value);
}

static int load_props(struct arena *arena, struct unpack_slice props,
                      struct memferry_memory *memory)
{
    struct unpack in = unpack_over(props.data, props.size);
    uint32_t count;
    int r = 0;

    if (!unpack_map(&in, &count)) {
        return -EBADMSG;
    }
    struct memferry_prop *items = arena_alloc(arena, count * sizeof *items);
    if (items == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        r = load_prop(arena, &in, &items[i]);
    }
    memory->props = items;
    memory->prop_count = count;
    return r;
}

/* ---- the whole ---- */

static int load_texts(struct arena *arena, const struct event_text *id,
                      const struct memory_state *state, struct memferry_memory *memory)
{
    const struct {
        const struct event_text *from;
        struct memferry_string *to;
    } texts[] = {{id, &memory->id},
                 {&state->content, &memory->content},
                 {&state->kind, &memory->kind},
                 {&state->embedding_model, &memory->embedding_model},
                 {&state->origin, &memory->origin},
                 {&state->session_id, &memory->session_id}};
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof texts / sizeof texts[0]; i++) {
        r = load_text(arena, texts[i].from->data, texts[i].from->size, texts[i].to);
    }
    return r;
}

int reader_load_vector(struct arena *arena, const void *vector, size_t size,
                       struct memferry_memory *memory)
{
    if (size < sizeof(float)) {
        return 0;
    }
    float *floats = arena_alloc(arena, size);
    if (floats == NULL) {
        return -ENOMEM;
    }
    memcpy(floats, vector, size);
    memory->embedding = floats;
    memory->dims = size / sizeof *floats;
    return 0;
}

int reader_load_memory(struct arena *arena, const struct event_text *id,
                       const struct memory_state *state, struct memferry_memory *ret)
{
    *ret = (struct memferry_memory){.embedding_state = state->embedding_state,
                                    .created_ms = state->created_ms,
                                    .updated_ms = state->updated_ms,
                                    .deleted_ms = state->deleted_ms,
                                    .version = state->version,
                                    .stamp = state->stamp_us};
    int r = load_texts(arena, id, state, ret);
    if (r == 0) {
        r = load_tags(arena, state->tags, ret);
    }
    return r == 0 ? load_props(arena, state->props, ret) : r;
}
