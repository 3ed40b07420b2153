/*
 * json_parse.h - JSON text to a tree, strictly. Internal.
 *
 * Two kinds of failure. Where the syntax is lost, parsing ends at once and the functions return
 * false. A flaw (a number out of range, a lone surrogate, a key given twice) is noted, the first
 * one only, and parsing goes on, so that an id that comes behind it is still found. Either way
 * parser->code is no longer RPC_OK and the failure is filled in, with the place.
 *
 * Strings without escapes stay in the text; everything else is in the zone.
 */
#ifndef MEMFERRY_WIRE_JSON_PARSE_H
#define MEMFERRY_WIRE_JSON_PARSE_H

#include "client/wire/tree.h"

struct json_parser {
    struct tree tree;
    const char *start, *at, *end;
    enum rpc_code code;
    struct {
        msgpack_object *items; /* the finished members of all containers that are open */
        size_t count, capacity;
    } stack;
};

void json_parser_init(struct json_parser *parser, const char *text, size_t size, msgpack_zone *zone,
                      struct rpc_failure *failure);
void json_parser_deinit(struct json_parser *parser);

/* The next byte behind white space, not taken; -1 at the end. */
int json_peek(struct json_parser *parser);
/* One whole value. */
bool json_parse_value(struct json_parser *parser, msgpack_object *ret_object);
/* Behind the opening quote. */
bool json_parse_string(struct json_parser *parser, msgpack_object_str *ret_text);
/* Before '[' or '{'. */
bool json_parse_container(struct json_parser *parser, char opening, msgpack_object *ret_object);
/* `at` is behind a '{' or a member of that object: 1 with the next key (the value follows), 0 when
 * the object ended, -1 when the syntax is lost. */
int json_next_key(struct json_parser *parser, bool first, msgpack_object_str *ret_key);

/* The syntax is lost, at `at`. Returns false. */
bool json_lost(struct json_parser *parser, const char *what);
/* Ends parsing with the failure that was filled in. Returns false. */
bool json_end(struct json_parser *parser, enum rpc_code code);
/* Parsing ends for want of memory. Returns false. */
bool json_no_memory(struct json_parser *parser);
/* Keeps what a check said about the value at `where`; nothing was wrong before. */
void json_note(struct json_parser *parser, const char *where, enum rpc_code code);
/* Notes a flaw of the value that begins at `where`. */
void json_flaw(struct json_parser *parser, const char *where, const char *what);

/* ---- the lexical parts, over bytes up to `end` ---- */

/* Length of the number that text begins with, or 0: it isn't one. */
size_t json_number_size(const char *text, const char *end, bool *ret_integer);
/* NULL, or what is wrong with it. */
const char *json_number_value(const char *text, size_t size, bool integer,
                              msgpack_object *ret_object);

/* Behind an opening quote: the length up to the closing one. NULL, or what is wrong, and then
 * *ret_size is where. */
const char *json_string_size(const char *text, const char *end, size_t *ret_size,
                             bool *ret_escapes);
/* Undoes escapes; out holds as much as text. NULL, or the flaw: a surrogate alone. */
const char *json_string_unescape(const char *text, size_t size, char *out, size_t *ret_size);

#endif
