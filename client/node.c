/*
 * node.c - reads a reply: kinds, elements, values. Nothing here fails; what is not there is NULL,
 * or the caller's fallback.
 */
#include "client/reply.h"
#include "client/wire/rpc.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A node lies at the address of its object, wherever that is in the tree. */
static const struct memferry_node *node_of(const msgpack_object *object)
{
    return (const struct memferry_node *)(const void *)object;
}

const struct memferry_node *memferry_reply_root(const struct memferry_reply *reply)
{
    return reply != NULL ? &reply->root : NULL;
}

enum memferry_node_kind memferry_node_kind(const struct memferry_node *node)
{
    if (node == NULL) {
        return MEMFERRY_NODE_NULL;
    }
    switch (node->object.type) {
    case MSGPACK_OBJECT_BOOLEAN:
        return MEMFERRY_NODE_BOOL;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return MEMFERRY_NODE_INT;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return MEMFERRY_NODE_FLOAT;
    case MSGPACK_OBJECT_STR:
        return MEMFERRY_NODE_STRING;
    case MSGPACK_OBJECT_BIN:
        return MEMFERRY_NODE_BINARY;
    case MSGPACK_OBJECT_ARRAY:
        return MEMFERRY_NODE_LIST;
    case MSGPACK_OBJECT_MAP:
        return MEMFERRY_NODE_MAP;
    default:
        return MEMFERRY_NODE_NULL;
    }
}

size_t memferry_node_count(const struct memferry_node *node)
{
    switch (memferry_node_kind(node)) {
    case MEMFERRY_NODE_LIST:
        return node->object.via.array.size;
    case MEMFERRY_NODE_MAP:
        return node->object.via.map.size;
    default:
        return 0;
    }
}

const struct memferry_node *memferry_node_at(const struct memferry_node *node, size_t i)
{
    if (i >= memferry_node_count(node)) {
        return NULL;
    }
    return memferry_node_kind(node) == MEMFERRY_NODE_LIST
               ? node_of(&node->object.via.array.ptr[i])
               : node_of(&node->object.via.map.ptr[i].val);
}

const char *memferry_node_key(const struct memferry_node *node, size_t i)
{
    if (memferry_node_kind(node) != MEMFERRY_NODE_MAP || i >= memferry_node_count(node)) {
        return NULL;
    }
    return node->object.via.map.ptr[i].key.via.str.ptr;
}

const struct memferry_node *memferry_node_get(const struct memferry_node *node, const char *key)
{
    const msgpack_object *value = node != NULL ? object_get(&node->object, key) : NULL;

    return value != NULL ? node_of(value) : NULL;
}

/* Both bounds are exact as doubles; above the upper one, 2^63, nothing fits. */
static bool float_is_int(double value)
{
    return value >= -0x1p63 && value < 0x1p63 && (double)(int64_t)value == value;
}

int64_t memferry_node_int(const struct memferry_node *node, int64_t fallback)
{
    if (node == NULL) {
        return fallback;
    }
    switch (node->object.type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return node->object.via.u64 <= INT64_MAX ? (int64_t)node->object.via.u64 : fallback;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return node->object.via.i64;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return float_is_int(node->object.via.f64) ? (int64_t)node->object.via.f64 : fallback;
    default:
        return fallback;
    }
}

double memferry_node_float(const struct memferry_node *node, double fallback)
{
    if (memferry_node_kind(node) == MEMFERRY_NODE_FLOAT) {
        return node->object.via.f64;
    }
    if (memferry_node_kind(node) != MEMFERRY_NODE_INT) {
        return fallback;
    }
    double value = node->object.type == MSGPACK_OBJECT_POSITIVE_INTEGER
                       ? (double)node->object.via.u64
                       : (double)node->object.via.i64;
    bool exact = node->object.type == MSGPACK_OBJECT_POSITIVE_INTEGER
                     ? value < 0x1p64 && (uint64_t)value == node->object.via.u64
                     : (int64_t)value == node->object.via.i64;
    return exact ? value : fallback;
}

bool memferry_node_bool(const struct memferry_node *node, bool fallback)
{
    return memferry_node_kind(node) == MEMFERRY_NODE_BOOL ? node->object.via.boolean : fallback;
}

const char *memferry_node_string(const struct memferry_node *node, const char *fallback)
{
    return memferry_node_kind(node) == MEMFERRY_NODE_STRING ? node->object.via.str.ptr : fallback;
}

const void *memferry_node_binary(const struct memferry_node *node, size_t *ret_size)
{
    bool binary = memferry_node_kind(node) == MEMFERRY_NODE_BINARY;

    *ret_size = binary ? node->object.via.bin.size : 0;
    return binary ? node->object.via.bin.ptr : NULL;
}

char *memferry_node_json(const struct memferry_node *node)
{
    msgpack_object nil = {.type = MSGPACK_OBJECT_NIL};
    msgpack_sbuffer text;

    msgpack_sbuffer_init(&text);
    if (json_from_msgpack(&text, node != NULL ? &node->object : &nil) < 0 ||
        msgpack_sbuffer_write(&text, "", 1) < 0) {
        msgpack_sbuffer_destroy(&text);
        return NULL;
    }
    return msgpack_sbuffer_release(&text);
}
