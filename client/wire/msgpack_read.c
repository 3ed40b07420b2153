/*
 * msgpack_read.c - reads values head by head, containers by recursion (WIRE_DEPTH_MAX deep at
 * most).
 */
#include "client/wire/msgpack_read.h"

#include <string.h>

void msgpack_reader_init(struct msgpack_reader *reader, const uint8_t *bytes, size_t size,
                         msgpack_zone *zone, struct rpc_failure *failure)
{
    tree_init(&reader->tree, zone, failure);
    reader->at = bytes;
    reader->end = bytes + size;
}

static size_t bytes_left(const struct msgpack_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

static enum rpc_code fail_cut(struct msgpack_reader *reader)
{
    return tree_fail(&reader->tree, RPC_PARSE_ERROR, "the MessagePack ends inside a value");
}

/* Takes the head; whatever it counts (bytes or elements) could be there. */
static enum rpc_code read_head(struct msgpack_reader *reader, struct msgpack_head *head)
{
    uint64_t wanted = 0;

    *head = (struct msgpack_head){0}; /* gcc cannot see that no caller reads it after a failure */
    if (bytes_left(reader) == 0 || !msgpack_head_read(head, reader->at, bytes_left(reader))) {
        return fail_cut(reader);
    }
    reader->at += head->size;
    switch (head->type) {
    case MSGPACK_OBJECT_EXT:
        return tree_fail(&reader->tree, RPC_PARSE_ERROR,
                         "ext types and the reserved byte are not part of this protocol");
    case MSGPACK_OBJECT_STR:
    case MSGPACK_OBJECT_BIN:
    case MSGPACK_OBJECT_ARRAY:
        wanted = head->argument;
        break;
    case MSGPACK_OBJECT_MAP:
        wanted = 2 * head->argument;
        break;
    default:
        break;
    }
    return wanted <= bytes_left(reader) ? RPC_OK : fail_cut(reader);
}

static enum rpc_code read_text(struct msgpack_reader *reader, uint32_t size,
                               msgpack_object_str *ret_text)
{
    ret_text->size = size;
    ret_text->ptr = (const char *)reader->at;
    reader->at += size;
    return tree_text(&reader->tree, ret_text->ptr, size);
}

static enum rpc_code read_elements(struct msgpack_reader *reader, uint32_t count,
                                   msgpack_object_array *ret_array)
{
    struct tree *tree = &reader->tree;
    enum rpc_code code = tree_take(tree, count);

    if (code != RPC_OK) {
        return code;
    }
    ret_array->size = count;
    ret_array->ptr = msgpack_zone_malloc(tree->zone, count * sizeof *ret_array->ptr);
    if (ret_array->ptr == NULL) {
        return tree_no_memory(tree);
    }
    for (uint32_t i = 0; i < count && code == RPC_OK; i++) {
        code = msgpack_read_value(reader, &ret_array->ptr[i]);
    }
    return code;
}

static enum rpc_code read_key(struct msgpack_reader *reader, msgpack_object *ret_key)
{
    struct tree *tree = &reader->tree;
    bool is_field = tree->depth == tree->field_depth;
    struct msgpack_head head;

    if (is_field) {
        tree->field = (msgpack_object_str){0, NULL};
    }
    enum rpc_code code = read_head(reader, &head);
    if (code != RPC_OK) {
        return code;
    }
    if (head.type != MSGPACK_OBJECT_STR) {
        return tree_fail(tree, tree->blame, "a map has a key that is not a string");
    }
    ret_key->type = MSGPACK_OBJECT_STR;
    code = read_text(reader, (uint32_t)head.argument, &ret_key->via.str);
    if (is_field && code == RPC_OK) {
        tree->field = ret_key->via.str;
    }
    return code;
}

static enum rpc_code read_pairs(struct msgpack_reader *reader, uint32_t count,
                                msgpack_object_map *ret_map)
{
    struct tree *tree = &reader->tree;
    enum rpc_code code = tree_take(tree, 2 * (uint64_t)count);

    if (code != RPC_OK) {
        return code;
    }
    ret_map->size = count;
    ret_map->ptr = msgpack_zone_malloc(tree->zone, count * sizeof *ret_map->ptr);
    if (ret_map->ptr == NULL) {
        return tree_no_memory(tree);
    }
    for (uint32_t i = 0; i < count; i++) {
        code = read_key(reader, &ret_map->ptr[i].key);
        if (code == RPC_OK) {
            code = msgpack_read_value(reader, &ret_map->ptr[i].val);
        }
        if (code != RPC_OK) {
            return code;
        }
    }
    return tree_keys(tree, ret_map);
}

static enum rpc_code read_container(struct msgpack_reader *reader, const struct msgpack_head *head,
                                    msgpack_object *ret_object)
{
    enum rpc_code code = tree_open(&reader->tree);

    if (code != RPC_OK) {
        return code;
    }
    if (head->type == MSGPACK_OBJECT_ARRAY) {
        code = read_elements(reader, (uint32_t)head->argument, &ret_object->via.array);
    } else {
        code = read_pairs(reader, (uint32_t)head->argument, &ret_object->via.map);
    }
    tree_close(&reader->tree);
    return code;
}

static double float32_value(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

enum rpc_code msgpack_read_value(struct msgpack_reader *reader, msgpack_object *ret_object)
{
    struct msgpack_head head;
    enum rpc_code code = read_head(reader, &head);

    if (code != RPC_OK) {
        return code;
    }
    ret_object->type = head.type;
    switch (head.type) {
    case MSGPACK_OBJECT_BOOLEAN:
        ret_object->via.boolean = head.argument != 0;
        break;
    case MSGPACK_OBJECT_FLOAT32:
        ret_object->via.f64 = float32_value((uint32_t)head.argument);
        break;
    case MSGPACK_OBJECT_STR:
        return read_text(reader, (uint32_t)head.argument, &ret_object->via.str);
    case MSGPACK_OBJECT_BIN:
        ret_object->via.bin.size = (uint32_t)head.argument;
        ret_object->via.bin.ptr = (const char *)reader->at;
        reader->at += head.argument;
        break;
    case MSGPACK_OBJECT_ARRAY:
    case MSGPACK_OBJECT_MAP:
        return read_container(reader, &head, ret_object);
    default:
        ret_object->via.u64 = head.argument; /* integers, and the bits of a float64 */
        break;
    }
    return RPC_OK;
}

enum rpc_code msgpack_read_array(struct msgpack_reader *reader, const char *otherwise,
                                 uint32_t *ret_count)
{
    struct msgpack_head head = {.type = MSGPACK_OBJECT_NIL};
    enum rpc_code code = read_head(reader, &head);

    if (code != RPC_OK) {
        return code;
    }
    if (head.type != MSGPACK_OBJECT_ARRAY) {
        return tree_fail(&reader->tree, RPC_INVALID_REQUEST, "%s", otherwise);
    }
    *ret_count = (uint32_t)head.argument;
    return tree_open(&reader->tree);
}
