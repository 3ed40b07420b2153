/*
 * json_parse.c - recursive descent over JSON text: failures, scalars, and what a value begins with.
 * Lists and objects are json_container.c's.
 */
#include "client/wire/json_parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

bool json_end(struct json_parser *parser, enum rpc_code code)
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

void json_note(struct json_parser *parser, const char *where, enum rpc_code code)
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

bool json_parse_string(struct json_parser *parser, msgpack_object_str *ret_text)
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
        return json_parse_container(parser, (char)c, ret_object);
    case '"':
        parser->at++;
        ret_object->type = MSGPACK_OBJECT_STR;
        return json_parse_string(parser, &ret_object->via.str);
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
