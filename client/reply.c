/*
 * reply.c - where a reply ends, what it owns, and its values as JSON's types.
 *
 * Happy path: the scanner counts values until none is pending; the decoded tree is adopted by
 * giving each string a copy of its own with a NUL, in the reply's zone; nodes are then read without
 * any further allocation. Fails on what the protocol has not (ext types, keys that are no strings)
 * and for want of memory.
 */
#include "client/reply.h"

#include "client/wire/head.h"
#include "client/wire/rpc.h"

#include <stdlib.h>
#include <string.h>

#define TREE_DEPTH_MAX 64 /* the decoder stops at half of it */

static uint64_t head_children(const struct msgpack_head *head)
{
    switch (head->type) {
    case MSGPACK_OBJECT_ARRAY:
        return head->argument;
    case MSGPACK_OBJECT_MAP:
        return 2 * head->argument;
    default:
        return 0;
    }
}

enum reply_scan_status reply_scan(struct reply_scan *scan, const uint8_t *buffer, size_t size,
                                  size_t limit, size_t *ret_size)
{
    if (scan->offset == 0) {
        scan->pending = 1;
    }
    while (scan->pending > 0) {
        struct msgpack_head head;
        if (scan->offset >= size ||
            !msgpack_head_read(&head, buffer + scan->offset, size - scan->offset)) {
            return REPLY_MORE;
        }
        if (head.type == MSGPACK_OBJECT_EXT) {
            return REPLY_MALFORMED;
        }
        bool bytes = head.type == MSGPACK_OBJECT_STR || head.type == MSGPACK_OBJECT_BIN;
        uint64_t offset = scan->offset + head.size + (bytes ? head.argument : 0);
        scan->pending += head_children(&head) - 1;
        if (offset + scan->pending > limit) {
            return REPLY_MALFORMED;
        }
        scan->offset = (size_t)offset;
    }
    if (scan->offset > size) {
        return REPLY_MORE;
    }
    *ret_size = scan->offset;
    *scan = (struct reply_scan){0};
    return REPLY_COMPLETE;
}

struct memferry_reply *reply_new(void)
{
    struct memferry_reply *reply = calloc(1, sizeof *reply);

    if (reply != NULL && !msgpack_zone_init(&reply->zone, MSGPACK_ZONE_CHUNK_SIZE)) {
        free(reply);
        return NULL;
    }
    return reply;
}

void memferry_reply_free(struct memferry_reply *reply)
{
    if (reply != NULL) {
        msgpack_zone_destroy(&reply->zone);
        free(reply);
    }
}

/* A copy in the zone, with a NUL; NULL: out of memory. */
static const char *zone_copy(msgpack_zone *zone, const char *data, uint32_t size)
{
    char *copy = msgpack_zone_malloc_no_align(zone, (size_t)size + 1);

    if (copy != NULL) {
        if (size > 0) {
            memcpy(copy, data, size);
        }
        copy[size] = '\0';
    }
    return copy;
}

static int adopt(msgpack_zone *zone, msgpack_object *object, unsigned depth);

static int adopt_map(msgpack_zone *zone, const msgpack_object_map *map, unsigned depth)
{
    for (uint32_t i = 0; i < map->size; i++) {
        if (map->ptr[i].key.type != MSGPACK_OBJECT_STR) {
            return MEMFERRY_E_PROTOCOL;
        }
        int rc = adopt(zone, &map->ptr[i].key, depth + 1);
        if (rc == MEMFERRY_OK) {
            rc = adopt(zone, &map->ptr[i].val, depth + 1);
        }
        if (rc != MEMFERRY_OK) {
            return rc;
        }
    }
    return MEMFERRY_OK;
}

static int adopt_array(msgpack_zone *zone, const msgpack_object_array *array, unsigned depth)
{
    for (uint32_t i = 0; i < array->size; i++) {
        int rc = adopt(zone, &array->ptr[i], depth + 1);
        if (rc != MEMFERRY_OK) {
            return rc;
        }
    }
    return MEMFERRY_OK;
}

static int adopt(msgpack_zone *zone, msgpack_object *object, unsigned depth)
{
    if (depth > TREE_DEPTH_MAX) {
        return MEMFERRY_E_PROTOCOL;
    }
    switch (object->type) {
    case MSGPACK_OBJECT_STR:
        object->via.str.ptr = zone_copy(zone, object->via.str.ptr, object->via.str.size);
        return object->via.str.ptr != NULL ? MEMFERRY_OK : MEMFERRY_E_MEMORY;
    case MSGPACK_OBJECT_BIN:
        object->via.bin.ptr = zone_copy(zone, object->via.bin.ptr, object->via.bin.size);
        return object->via.bin.ptr != NULL ? MEMFERRY_OK : MEMFERRY_E_MEMORY;
    case MSGPACK_OBJECT_ARRAY:
        return adopt_array(zone, &object->via.array, depth);
    case MSGPACK_OBJECT_MAP:
        return adopt_map(zone, &object->via.map, depth);
    case MSGPACK_OBJECT_EXT:
        return MEMFERRY_E_PROTOCOL;
    default:
        return MEMFERRY_OK;
    }
}

int reply_adopt(struct memferry_reply *reply, const msgpack_object *object)
{
    reply->root.object = *object;
    return adopt(&reply->zone, &reply->root.object, 0);
}

const msgpack_object *object_get(const msgpack_object *map, const char *key)
{
    size_t size = strlen(key);

    if (map == NULL || map->type != MSGPACK_OBJECT_MAP) {
        return NULL;
    }
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[i];
        if (pair->key.type == MSGPACK_OBJECT_STR && pair->key.via.str.size == size &&
            memcmp(pair->key.via.str.ptr, key, size) == 0) {
            return &pair->val;
        }
    }
    return NULL;
}

int receipt_read(const struct memferry_node *map, struct memferry_receipt *ret)
{
    const char *id = memferry_node_string(memferry_node_get(map, "id"), NULL);
    const char *event_id = memferry_node_string(memferry_node_get(map, "event_id"), NULL);
    int64_t seq = memferry_node_int(memferry_node_get(map, "seq"), -1);

    *ret = (struct memferry_receipt){0};
    if (id == NULL || event_id == NULL || seq < 0 || strlen(id) >= sizeof ret->id ||
        strlen(event_id) >= sizeof ret->event_id) {
        return MEMFERRY_E_PROTOCOL;
    }
    memcpy(ret->id, id, strlen(id));
    memcpy(ret->event_id, event_id, strlen(event_id));
    ret->seq = (uint64_t)seq;
    ret->duplicate = memferry_node_bool(memferry_node_get(map, "duplicate"), false);
    ret->durable = memferry_node_bool(memferry_node_get(map, "durable"), false);
    return MEMFERRY_OK;
}

int memferry_reply_receipt(const struct memferry_reply *reply, struct memferry_receipt *ret)
{
    return receipt_read(memferry_reply_root(reply), ret);
}
