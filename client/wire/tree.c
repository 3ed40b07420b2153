/*
 * tree.c - bounds, checks and blame for both decoders.
 */
#include "client/wire/tree.h"

#include "client/wire/scan.h"
#include "client/wire/utf8.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Maps up to this size are searched pair by pair; larger ones are sorted, or a hostile map of a
 * hundred thousand keys would take minutes. */
#define KEYS_BY_PAIRS_MAX 16

void tree_init(struct tree *tree, msgpack_zone *zone, struct rpc_failure *failure)
{
    *tree = (struct tree){.zone = zone, .failure = failure, .blame = RPC_INVALID_REQUEST};
    failure->code = RPC_OK;
    failure->field[0] = '\0';
    failure->text[0] = '\0';
}

/* A field's name as it can be shown: itself, unless the name is what is wrong. */
static int field_name(const struct tree *tree, char *name, size_t capacity)
{
    size_t size = tree->field.size;

    if (!utf8_valid_no_nul(tree->field.ptr, size)) {
        return snprintf(name, capacity, "%s", "");
    }
    if (size >= capacity) {
        size = utf8_whole(tree->field.ptr, capacity - 1);
    }
    return snprintf(name, capacity, "%.*s", (int)size, tree->field.ptr);
}

enum rpc_code tree_fail(struct tree *tree, enum rpc_code code, const char *format, ...)
{
    char text[sizeof tree->failure->text];
    char name[sizeof tree->failure->field];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (code == RPC_INVALID_PARAMS && field_name(tree, name, sizeof name) > 0) {
        return rpc_failure_set(tree->failure, code, name, "parameter \"%s\": %s", name, text);
    }
    return rpc_failure_set(tree->failure, code, NULL, "%s", text);
}

enum rpc_code tree_no_memory(struct tree *tree)
{
    return tree_fail(tree, RPC_INTERNAL, "no memory to read the request");
}

enum rpc_code tree_open(struct tree *tree)
{
    if (tree->depth == WIRE_DEPTH_MAX) {
        return tree_fail(tree, RPC_INVALID_REQUEST, "nested deeper than %d levels", WIRE_DEPTH_MAX);
    }
    tree->depth++;
    return RPC_OK;
}

void tree_close(struct tree *tree)
{
    assert(tree->depth > 0);
    tree->depth--;
    if (tree->depth < tree->field_depth) {
        tree->field = (msgpack_object_str){0, NULL};
    }
}

enum rpc_code tree_take(struct tree *tree, uint64_t count)
{
    if (count > WIRE_ELEMENTS_MAX - tree->elements) {
        return tree_fail(tree, RPC_INVALID_REQUEST,
                         "more than %u values in one request; send it in parts", WIRE_ELEMENTS_MAX);
    }
    tree->elements += (uint32_t)count;
    return RPC_OK;
}

enum rpc_code tree_text(struct tree *tree, const char *text, size_t size)
{
    if (tree->trusted || utf8_valid_no_nul(text, size)) {
        return RPC_OK;
    }
    if (utf8_valid(text, size)) {
        return tree_fail(tree, tree->blame, "text must not hold a NUL character");
    }
    return tree_fail(tree, tree->blame, "text is not valid UTF-8");
}

static int key_compare(const void *a, const void *b)
{
    const msgpack_object_str *left = a, *right = b;

    if (left->size != right->size) {
        return left->size < right->size ? -1 : 1;
    }
    return memcmp(left->ptr, right->ptr, left->size);
}

static const msgpack_object_str *repeated_by_pairs(const msgpack_object_map *map)
{
    for (uint32_t i = 1; i < map->size; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (key_compare(&map->ptr[i].key.via.str, &map->ptr[j].key.via.str) == 0) {
                return &map->ptr[i].key.via.str;
            }
        }
    }
    return NULL;
}

/* `keys` is sorted in place. */
static const msgpack_object_str *repeated_by_order(msgpack_object_str *keys, size_t count)
{
    qsort(keys, count, sizeof *keys, key_compare);
    for (size_t i = 1; i < count; i++) {
        if (key_compare(&keys[i - 1], &keys[i]) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

static enum rpc_code fail_repeated(struct tree *tree, const msgpack_object_str *key)
{
    if (tree->depth == tree->field_depth) {
        tree->field = *key; /* a parameter itself is given twice */
    }
    size_t shown = key->size < 64 ? key->size : utf8_whole(key->ptr, 64);
    return tree_fail(tree, tree->blame, "the key \"%.*s\" is given twice", (int)shown, key->ptr);
}

static enum rpc_code tree_many_keys(struct tree *tree, const msgpack_object_map *map)
{
    msgpack_object_str *keys = malloc(map->size * sizeof *keys);

    if (keys == NULL) {
        return tree_no_memory(tree);
    }
    for (uint32_t i = 0; i < map->size; i++) {
        keys[i] = map->ptr[i].key.via.str;
    }
    const msgpack_object_str *repeated = repeated_by_order(keys, map->size);
    enum rpc_code code = repeated != NULL ? fail_repeated(tree, repeated) : RPC_OK;
    free(keys);
    return code;
}

enum rpc_code tree_keys(struct tree *tree, const msgpack_object_map *map)
{
    if (tree->trusted) {
        return RPC_OK;
    }
    if (map->size > KEYS_BY_PAIRS_MAX) {
        return tree_many_keys(tree, map);
    }
    const msgpack_object_str *repeated = repeated_by_pairs(map);
    return repeated != NULL ? fail_repeated(tree, repeated) : RPC_OK;
}

char *zone_string(msgpack_zone *zone, const char *text, size_t size)
{
    char *copy = msgpack_zone_malloc_no_align(zone, size + 1);

    if (copy != NULL) {
        if (size > 0) {
            memcpy(copy, text, size);
        }
        copy[size] = '\0';
    }
    return copy;
}
