/*
 * json_container.c - lists and objects of JSON, at most WIRE_DEPTH_MAX deep.
 *
 * Members of open containers wait on one stack, because JSON does not say how many there will be;
 * a container that ends moves its own into the zone.
 */
#include "client/wire/json_parse.h"

#include <stdlib.h>
#include <string.h>

#define STACK_FIRST_CAPACITY 64

_Static_assert(sizeof(msgpack_object_kv) == 2 * sizeof(msgpack_object),
               "a key and its value lie on the stack as they do in a map");

static bool push(struct json_parser *parser, const msgpack_object *object)
{
    if (parser->stack.count == parser->stack.capacity) {
        size_t capacity =
            parser->stack.capacity > 0 ? 2 * parser->stack.capacity : STACK_FIRST_CAPACITY;
        msgpack_object *items = realloc(parser->stack.items, capacity * sizeof *items);
        if (items == NULL) {
            return json_no_memory(parser);
        }
        parser->stack.items = items;
        parser->stack.capacity = capacity;
    }
    parser->stack.items[parser->stack.count++] = *object;
    return true;
}

/* Moves what was pushed since the stack held `base` into the zone. NULL without memory. */
static void *pop_to_zone(struct json_parser *parser, size_t base)
{
    size_t size = (parser->stack.count - base) * sizeof *parser->stack.items;
    void *moved = msgpack_zone_malloc(parser->tree.zone, size);

    if (moved == NULL) {
        json_no_memory(parser);
        return NULL;
    }
    if (size > 0) {
        memcpy(moved, parser->stack.items + base, size);
    }
    parser->stack.count = base;
    return moved;
}

/* Behind '[' or an element: true when another element follows. False: *ret_lost, or the end. */
static bool next_element(struct json_parser *parser, bool first, bool *ret_lost)
{
    int c = json_peek(parser);

    *ret_lost = false;
    if (c == ']') {
        parser->at++;
        return false;
    }
    if (first) {
        return true;
    }
    if (c != ',') {
        *ret_lost = !json_lost(parser, "a list wants ',' or ']' here");
        return false;
    }
    parser->at++;
    return true;
}

static bool parse_elements(struct json_parser *parser, msgpack_object_array *ret_array)
{
    size_t base = parser->stack.count;
    bool first = true, lost;

    while (next_element(parser, first, &lost)) {
        msgpack_object element;
        if (!json_parse_value(parser, &element) || !push(parser, &element)) {
            return false;
        }
        first = false;
    }
    if (lost) {
        return false;
    }
    ret_array->size = (uint32_t)(parser->stack.count - base);
    ret_array->ptr = pop_to_zone(parser, base);
    return ret_array->ptr != NULL;
}

/* The key itself and the colon behind it. */
static bool parse_key(struct json_parser *parser, msgpack_object_str *ret_key)
{
    struct tree *tree = &parser->tree;
    bool is_field = tree->depth == tree->field_depth;

    if (is_field) {
        tree->field = (msgpack_object_str){0, NULL};
    }
    enum rpc_code code = tree_take(tree, 1);
    if (code != RPC_OK) {
        return json_end(parser, code);
    }
    if (json_peek(parser) != '"') {
        return json_lost(parser, "an object wants a key in double quotes here");
    }
    parser->at++;
    if (!json_parse_string(parser, ret_key)) {
        return false;
    }
    if (json_peek(parser) != ':') {
        return json_lost(parser, "a key wants ':' behind it");
    }
    parser->at++;
    if (is_field) {
        tree->field = *ret_key;
    }
    return true;
}

int json_next_key(struct json_parser *parser, bool first, msgpack_object_str *ret_key)
{
    int c = json_peek(parser);

    if (c == '}') {
        parser->at++;
        return 0;
    }
    if (!first) {
        if (c != ',') {
            json_lost(parser, "an object wants ',' or '}' here");
            return -1;
        }
        parser->at++;
    }
    return parse_key(parser, ret_key) ? 1 : -1;
}

static bool parse_members(struct json_parser *parser, msgpack_object_map *ret_map)
{
    const char *where = parser->at;
    size_t base = parser->stack.count;
    msgpack_object key = {.type = MSGPACK_OBJECT_STR}, value;
    bool first = true;
    int more;

    while ((more = json_next_key(parser, first, &key.via.str)) > 0) {
        if (!json_parse_value(parser, &value) || !push(parser, &key) || !push(parser, &value)) {
            return false;
        }
        first = false;
    }
    if (more < 0) {
        return false;
    }
    ret_map->size = (uint32_t)((parser->stack.count - base) / 2);
    ret_map->ptr = pop_to_zone(parser, base);
    if (ret_map->ptr == NULL) {
        return false;
    }
    if (parser->code == RPC_OK) {
        json_note(parser, where, tree_keys(&parser->tree, ret_map));
    }
    return true;
}

bool json_parse_container(struct json_parser *parser, char opening, msgpack_object *ret_object)
{
    enum rpc_code code = tree_open(&parser->tree);

    if (code != RPC_OK) {
        return json_end(parser, code);
    }
    parser->at++;
    bool ok;
    if (opening == '[') {
        ret_object->type = MSGPACK_OBJECT_ARRAY;
        ok = parse_elements(parser, &ret_object->via.array);
    } else {
        ret_object->type = MSGPACK_OBJECT_MAP;
        ok = parse_members(parser, &ret_object->via.map);
    }
    tree_close(&parser->tree);
    return ok;
}
