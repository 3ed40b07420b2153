/* memory_same.c - see memory_same.h. Numbers are the same when their bits are. */
#include "broker/memory_same.h"

#include <stddef.h>
#include <string.h>

static bool same_text(struct memferry_string a, struct memferry_string b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

int memory_order(const struct memferry_memory *a, const struct memferry_memory *b)
{
    if (a->stamp != b->stamp) {
        return a->stamp < b->stamp ? -1 : 1;
    }
    return strcmp(a->origin.data, b->origin.data);
}

static bool same_bits(double a, double b)
{
    uint64_t left, right;

    memcpy(&left, &a, sizeof left);
    memcpy(&right, &b, sizeof right);
    return left == right;
}

static bool same_scalar(const struct memferry_value *a, const struct memferry_value *b)
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
        return same_bits(a->as.floating, b->as.floating);
    case MEMFERRY_VALUE_STRING:
        return same_text(a->as.string, b->as.string);
    case MEMFERRY_VALUE_LIST:
        return false; /* no scalar */
    }
    return false;
}

static bool same_value(const struct memferry_value *a, const struct memferry_value *b)
{
    if (a->type != MEMFERRY_VALUE_LIST || b->type != MEMFERRY_VALUE_LIST) {
        return same_scalar(a, b);
    }
    if (a->as.list.count != b->as.list.count) {
        return false;
    }
    for (size_t i = 0; i < a->as.list.count; i++) {
        if (!same_scalar(&a->as.list.items[i], &b->as.list.items[i])) {
            return false;
        }
    }
    return true;
}

static bool same_props(const struct memferry_memory *a, const struct memferry_memory *b)
{
    if (a->prop_count != b->prop_count) {
        return false;
    }
    for (size_t i = 0; i < a->prop_count; i++) { /* both are sorted by name */
        if (!same_text(a->props[i].name, b->props[i].name) ||
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
        if (!same_text(a->tags[i], b->tags[i])) {
            return false;
        }
    }
    return true;
}

static bool same_vector(const struct memferry_memory *a, const struct memferry_memory *b)
{
    if (a->embedding == NULL || b->embedding == NULL) {
        return a->embedding == b->embedding;
    }
    return a->dims == b->dims &&
           memcmp(a->embedding, b->embedding, a->dims * sizeof *a->embedding) == 0 &&
           same_text(a->embedding_model, b->embedding_model);
}

const char *memory_difference(const struct memferry_memory *a, const struct memferry_memory *b)
{
    return memory_order(a, b) != 0                    ? "stamp"
           : !same_text(a->content, b->content)       ? "content"
           : !same_text(a->kind, b->kind)             ? "kind"
           : !same_tags(a, b)                         ? "tags"
           : !same_props(a, b)                        ? "props"
           : a->created_ms != b->created_ms           ? "created_ms"
           : a->updated_ms != b->updated_ms           ? "updated_ms"
           : a->deleted_ms != b->deleted_ms           ? "deleted_ms"
           : !same_text(a->session_id, b->session_id) ? "session_id"
           : !same_vector(a, b)                       ? "embedding"
                                                      : NULL;
}
