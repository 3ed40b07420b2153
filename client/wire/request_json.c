/*
 * request_json.c - {"jsonrpc":"2.0","id":1,"method":"…","params":{…}} in any order, and
 * rpc_request_decode.
 *
 * Members are taken as they come. What is wrong in one of them is noted and the rest is still
 * read, because the id may stand at the end.
 */
#include "client/wire/json_parse.h"
#include "client/wire/request.h"
#include "client/wire/utf8.h"

#include <stdio.h>
#include <string.h>

struct envelope {
    struct rpc_request *request;
    bool has_jsonrpc, has_id, has_method, has_params;
};

static bool key_is(const msgpack_object_str *key, const char *name)
{
    return key->size == strlen(name) && memcmp(key->ptr, name, key->size) == 0;
}

/* Size of the number or string at `at` as raw text, or 0: it is something else or broken. */
static size_t id_raw_size(const char *at, const char *end)
{
    size_t size;
    bool unused;

    if (at < end && *at == '"') {
        if (json_string_size(at + 1, end, &size, &unused) != NULL) {
            return 0;
        }
        return utf8_valid(at, size + 2) ? size + 2 : 0;
    }
    return json_number_size(at, end, &unused);
}

static bool parse_id(struct json_parser *parser, struct rpc_id *id)
{
    msgpack_object unused;

    json_peek(parser);
    const char *raw = parser->at;
    size_t size = id_raw_size(raw, parser->end);
    if (size == 0) {
        json_flaw(parser, raw, "the id is neither a number nor a string");
        return json_parse_value(parser, &unused);
    }
    parser->at += size;
    if (size > RPC_JSON_ID_MAX) {
        json_flaw(parser, raw, "the id is over 256 bytes");
        return true;
    }
    int next = json_peek(parser);
    if (next == ',' || next == '}') { /* of 07, the 0 is not the id */
        memcpy(id->json, raw, size);
        id->json_size = (uint16_t)size;
        id->present = true;
    }
    return true;
}
_Static_assert(RPC_JSON_ID_MAX == 256, "the text names the bound");

static bool parse_version(struct json_parser *parser)
{
    const char *where = parser->at;
    msgpack_object version;

    if (!json_parse_value(parser, &version)) {
        return false;
    }
    if (version.type != MSGPACK_OBJECT_STR || !key_is(&version.via.str, "2.0")) {
        json_flaw(parser, where, "jsonrpc is not \"2.0\"");
    }
    return true;
}

static bool parse_method(struct json_parser *parser, const char **ret_method)
{
    const char *where = parser->at;
    msgpack_object method;

    if (!json_parse_value(parser, &method)) {
        return false;
    }
    if (method.type != MSGPACK_OBJECT_STR || method.via.str.size == 0) {
        json_flaw(parser, where, "method is not a string, or is empty");
        return true;
    }
    *ret_method = zone_string(parser->tree.zone, method.via.str.ptr, method.via.str.size);
    return *ret_method != NULL || json_no_memory(parser);
}

static bool parse_params(struct json_parser *parser, msgpack_object *ret_params)
{
    struct tree *tree = &parser->tree;
    const char *where = parser->at;

    tree->blame = RPC_INVALID_PARAMS;
    tree->field_depth = tree->depth + 1;
    if (!json_parse_value(parser, ret_params)) {
        return false;
    }
    if (ret_params->type != MSGPACK_OBJECT_MAP) {
        json_flaw(parser, where, "params is not an object of named parameters");
    }
    tree->field_depth = 0;
    tree->blame = RPC_INVALID_REQUEST;
    return true;
}

static bool skip_unknown(struct json_parser *parser, const msgpack_object_str *key)
{
    const char *where = parser->at;
    msgpack_object unused;
    char text[128];

    if (!json_parse_value(parser, &unused)) {
        return false;
    }
    size_t shown = key->size < 64 ? key->size : utf8_whole(key->ptr, 64);
    snprintf(text, sizeof text,
             "a request has no \"%.*s\"; parameters of the call belong into \"params\"", (int)shown,
             key->ptr);
    json_flaw(parser, where, text);
    return true;
}

/* Takes note of a member, once. */
static void seen(struct json_parser *parser, bool *flag, const char *what)
{
    if (*flag) {
        json_flaw(parser, parser->at, what);
    }
    *flag = true;
}

static bool parse_member(struct json_parser *parser, struct envelope *envelope,
                         const msgpack_object_str *key)
{
    struct rpc_request *request = envelope->request;

    if (key_is(key, "id")) {
        seen(parser, &envelope->has_id, "id is given twice");
        return parse_id(parser, &request->id);
    }
    if (key_is(key, "method")) {
        seen(parser, &envelope->has_method, "method is given twice");
        return parse_method(parser, &request->method);
    }
    if (key_is(key, "params")) {
        seen(parser, &envelope->has_params, "params is given twice");
        return parse_params(parser, &request->params);
    }
    if (key_is(key, "jsonrpc")) {
        seen(parser, &envelope->has_jsonrpc, "jsonrpc is given twice");
        return parse_version(parser);
    }
    return skip_unknown(parser, key);
}

static bool parse_envelope(struct json_parser *parser, struct envelope *envelope)
{
    msgpack_object_str key;
    bool first = true;
    int more;

    if (json_peek(parser) != '{') {
        msgpack_object unused;
        json_flaw(parser, parser->at, "a request is a JSON object, one a line");
        return json_parse_value(parser, &unused);
    }
    tree_open(&parser->tree); /* the first: there is room */
    parser->at++;
    while ((more = json_next_key(parser, first, &key)) > 0) {
        if (!parse_member(parser, envelope, &key)) {
            return false;
        }
        first = false;
    }
    if (more < 0) {
        return false;
    }
    tree_close(&parser->tree);
    if (!envelope->has_method) {
        json_flaw(parser, parser->at, "the request has no method");
    }
    return true;
}

enum rpc_code request_from_json(const uint8_t *frame, size_t size, msgpack_zone *zone,
                                struct rpc_request *ret_request, struct rpc_failure *ret_failure)
{
    struct envelope envelope = {.request = ret_request};
    struct json_parser parser;

    json_parser_init(&parser, (const char *)frame, size, zone, ret_failure);
    if (parse_envelope(&parser, &envelope) && json_peek(&parser) >= 0) {
        json_lost(&parser, "something follows the request");
    }
    json_parser_deinit(&parser);
    return parser.code;
}
