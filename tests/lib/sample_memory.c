/* sample_memory.c - see sample_memory.h. */
#include "tests/lib/sample_memory.h"

#include <string.h>

struct memferry_string text(const char *data)
{
    return (struct memferry_string){.data = data, .size = strlen(data)};
}

struct memferry_prop prop_bool(const char *name, bool value)
{
    return (struct memferry_prop){text(name), {MEMFERRY_VALUE_BOOL, {.boolean = value}}};
}

struct memferry_prop prop_int(const char *name, int64_t value)
{
    return (struct memferry_prop){text(name), {MEMFERRY_VALUE_INT, {.integer = value}}};
}

struct memferry_prop prop_float(const char *name, double value)
{
    return (struct memferry_prop){text(name), {MEMFERRY_VALUE_FLOAT, {.floating = value}}};
}

struct memferry_prop prop_string(const char *name, const char *value)
{
    return (struct memferry_prop){text(name), {MEMFERRY_VALUE_STRING, {.string = text(value)}}};
}

struct memferry_prop prop_list(const char *name, const struct memferry_value *items, size_t count)
{
    return (struct memferry_prop){text(name),
                                  {MEMFERRY_VALUE_LIST, {.list = {.items = items, count}}}};
}

struct memferry_memory sample_memory(const char *id, int64_t stamp)
{
    return (struct memferry_memory){
        .id = text(id),
        .content = text("Tea at four"),
        .kind = text("note"),
        .embedding_model = text(""),
        .created_ms = 1700000000000,
        .updated_ms = 1700000000000 + stamp,
        .version = (uint64_t)stamp,
        .stamp = stamp,
        .origin = text("00000000-0000-4000-8000-000000000001"),
        .session_id = text(""),
    };
}

void fill_embedding(float *embedding, size_t dims, unsigned seed)
{
    uint32_t bits = seed * 2654435761u + 1;

    for (size_t i = 0; i < dims; i++) {
        bits ^= bits << 13, bits ^= bits >> 17, bits ^= bits << 5;
        embedding[i] = ((float)(bits >> 8) / 16777216.0f - 0.5f) / 8;
    }
}

static bool same_string(struct memferry_string a, struct memferry_string b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static bool same_value(const struct memferry_value *a, const struct memferry_value *b)
{
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case MEMFERRY_VALUE_BOOL:
        return a->as.boolean == b->as.boolean;
    case MEMFERRY_VALUE_INT:
        return a->as.integer == b->as.integer;
    case MEMFERRY_VALUE_FLOAT:
        return memcmp(&a->as.floating, &b->as.floating, sizeof(double)) == 0;
    case MEMFERRY_VALUE_STRING:
        return same_string(a->as.string, b->as.string);
    case MEMFERRY_VALUE_LIST:
        if (a->as.list.count != b->as.list.count) {
            return false;
        }
        for (size_t i = 0; i < a->as.list.count; i++) {
            if (!same_value(&a->as.list.items[i], &b->as.list.items[i])) {
                return false;
            }
        }
        return true;
    }
    return false;
}

static bool same_props(const struct memferry_memory *a, const struct memferry_memory *b)
{
    if (a->prop_count != b->prop_count) {
        return false;
    }
    for (size_t i = 0; i < a->prop_count; i++) {
        if (!same_string(a->props[i].name, b->props[i].name) ||
            !same_value(&a->props[i].value, &b->props[i].value)) {
            return false;
        }
    }
    return true;
}

static bool same_tags(const struct memferry_memory *a, const struct memferry_memory *b)
{
    if (a->tag_count != b->tag_count) {
        return false;
    }
    for (size_t i = 0; i < a->tag_count; i++) {
        if (!same_string(a->tags[i], b->tags[i])) {
            return false;
        }
    }
    return true;
}

static bool same_embedding(const struct memferry_memory *a, const struct memferry_memory *b)
{
    return a->dims == b->dims &&
           (a->dims == 0 || memcmp(a->embedding, b->embedding, a->dims * sizeof(float)) == 0);
}

static const char *string_difference(const struct memferry_memory *a,
                                     const struct memferry_memory *b)
{
    return !same_string(a->id, b->id)                             ? "id"
           : !same_string(a->content, b->content)                 ? "content"
           : !same_string(a->kind, b->kind)                       ? "kind"
           : !same_string(a->origin, b->origin)                   ? "origin"
           : !same_string(a->session_id, b->session_id)           ? "session_id"
           : !same_string(a->embedding_model, b->embedding_model) ? "embedding_model"
                                                                  : NULL;
}

static const char *number_difference(const struct memferry_memory *a,
                                     const struct memferry_memory *b)
{
    return a->created_ms != b->created_ms             ? "created_ms"
           : a->updated_ms != b->updated_ms           ? "updated_ms"
           : a->deleted_ms != b->deleted_ms           ? "deleted_ms"
           : a->version != b->version                 ? "version"
           : a->stamp != b->stamp                     ? "stamp"
           : a->embedding_state != b->embedding_state ? "embedding_state"
                                                      : NULL;
}

const char *memory_difference(const struct memferry_memory *a, const struct memferry_memory *b)
{
    const char *difference = string_difference(a, b);

    if (difference == NULL) {
        difference = number_difference(a, b);
    }
    if (difference != NULL) {
        return difference;
    }
    return !same_tags(a, b)        ? "tags"
           : !same_props(a, b)     ? "props"
           : !same_embedding(a, b) ? "embedding"
                                   : NULL;
}
