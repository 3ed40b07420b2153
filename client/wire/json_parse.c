/*
 * json_parse.c - recursive descent over JSON text, at most WIRE_DEPTH_MAX deep.
 *
 * Members of open containers wait on one stack, because JSON does not say how many there will be;
 * a container that ends moves its own into the zone.
 */
#include "client/wire/json_parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STACK_FIRST_CAPACITY 64

_Static_assert(sizeof(msgpack_object_kv) == 2 * sizeof(msgpack_object),
               "a key and its value lie on the stack as they do in a map");

void json_parser_init(struct json_parser *parser, const char *text, size_t size, msgpack_zone *zone,
                      struct rpc_failure *failure)
{
    *parser = (struct json_parser){.start = text, .at = text, .end = text + size};
    tree_init(&parser->tree, zone, failure);
}

void json_parser_deinit(struct json_parser *parser)
{
    free(parser->stack.items);
}

/* Tells where in the failure's text, if it still fits. */
static void failure_locate(struct json_parser *parser, const char *where)
{
    char *text = parser->tree.failure->text;
    size_t used = strlen(text);
    char place[40];
    int size = snprintf(place, sizeof place, " (byte %zu)", (size_t)(where - parser->start) + 1);

    if (used + (size_t)size < sizeof parser->tree.failure->text) {
        memcpy(text + used, place, (size_t)size + 1);
    }
}

/* Ends parsing with the failure that was filled in. */
static bool json_end(struct json_parser *parser, enum rpc_code code)
{
    parser->code = code;
    failure_locate(parser, parser->at);
    return false;
}

bool json_lost(struct json_parser *parser, const char *what)
{
    return json_end(parser, tree_fail(&parser->tree, RPC_PARSE_ERROR, "not JSON: %s", what));
}

bool json_no_memory(struct json_parser *parser)
{
    return json_end(parser, tree_no_memory(&parser->tree));
}

/* Keeps what a check said about the value at `where`, if nothing was wrong before. */
static void json_note(struct json_parser *parser, const char *where, enum rpc_code code)
{
    if (code != RPC_OK) {
        parser->code = code;
        failure_locate(parser, where);
    }
}

void json_flaw(struct json_parser *parser, const char *where, const char *what)
{
    if (parser->code == RPC_OK) {
        json_note(parser, where, tree_fail(&parser->tree, parser->tree.blame, "%s", what));
    }
}

int json_peek(struct json_parser *parser)
{
    while (parser->at < parser->end) {
        char c = *parser->at;
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
            return (unsigned char)c;
        }
        parser->at++;
    }
    return -1;
}

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

/* Behind the opening quote. */
static bool parse_string(struct json_parser *parser, msgpack_object_str *ret_text)
{
    const char *text = parser->at;
    size_t size;
    bool escapes;
    const char *problem = json_string_size(text, parser->end, &size, &escapes);

    parser->at = text + size;
    if (problem != NULL) {
        return json_lost(parser, problem);
    }
    parser->at++;
    ret_text->ptr = text;
    if (escapes) {
        char *copy = msgpack_zone_malloc_no_align(parser->tree.zone, size);
        if (copy == NULL) {
            return json_no_memory(parser);
        }
        problem = json_string_unescape(text, size, copy, &size);
        if (problem != NULL) {
            json_flaw(parser, text, problem);
        }
        ret_text->ptr = copy;
    }
    ret_text->size = (uint32_t)size;
    if (parser->code == RPC_OK) {
        json_note(parser, text, tree_text(&parser->tree, ret_text->ptr, size));
    }
    return true;
}

static bool parse_number(struct json_parser *parser, msgpack_object *ret_object)
{
    const char *text = parser->at;
    bool integer;
    size_t size = json_number_size(text, parser->end, &integer);

    if (size == 0) {
        return json_lost(parser, "a value was expected here");
    }
    parser->at += size;
    const char *flaw = json_number_value(text, size, integer, ret_object);
    if (flaw != NULL) {
        json_flaw(parser, text, flaw);
        ret_object->type = MSGPACK_OBJECT_NIL;
    }
    return true;
}

static bool parse_word(struct json_parser *parser, const char *word)
{
    size_t size = strlen(word);

    if ((size_t)(parser->end - parser->at) < size || memcmp(parser->at, word, size) != 0) {
        return json_lost(parser, "a value was expected here");
    }
    parser->at += size;
    return true;
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
    if (!parse_string(parser, ret_key)) {
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

static bool parse_container(struct json_parser *parser, char opening, msgpack_object *ret_object)
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

bool json_parse_value(struct json_parser *parser, msgpack_object *ret_object)
{
    int c = json_peek(parser);
    enum rpc_code code = tree_take(&parser->tree, 1);

    if (code != RPC_OK) {
        return json_end(parser, code);
    }
    switch (c) {
    case -1:
        return json_lost(parser, "the text ends where a value was expected");
    case '{':
    case '[':
        return parse_container(parser, (char)c, ret_object);
    case '"':
        parser->at++;
        ret_object->type = MSGPACK_OBJECT_STR;
        return parse_string(parser, &ret_object->via.str);
    case 't':
    case 'f':
        ret_object->type = MSGPACK_OBJECT_BOOLEAN;
        ret_object->via.boolean = c == 't';
        return parse_word(parser, c == 't' ? "true" : "false");
    case 'n':
        ret_object->type = MSGPACK_OBJECT_NIL;
        return parse_word(parser, "null");
    default:
        return parse_number(parser, ret_object);
    }
}

int json_to_msgpack(const char *text, size_t size, msgpack_zone *zone, msgpack_object *ret_object,
                    struct rpc_failure *ret_failure)
{
    struct json_parser parser;
    /* The tree outlives the caller's text; sizes in it have 32 bits. */
    char *copy = size <= UINT32_MAX ? zone_string(zone, text, size) : NULL;

    if (copy == NULL) {
        rpc_failure_set(ret_failure, RPC_INTERNAL, NULL, "no memory for %zu bytes of JSON", size);
        return -EBADMSG;
    }
    json_parser_init(&parser, copy, size, zone, ret_failure);
    if (json_parse_value(&parser, ret_object) && json_peek(&parser) >= 0) {
        json_lost(&parser, "something follows the value");
    }
    json_parser_deinit(&parser);
    return parser.code == RPC_OK ? 0 : -EBADMSG;
}
