/*
 * json_reader.h - reads JSON that came from a server, value by value.
 *
 * It allocates nothing and never looks behind the end, so a reply can cost no more than its size.
 * What is read is asked for in its order:
 *
 *     json_enter_object(&r);
 *     while (json_next_key(&r, &key)) {
 *         if (json_key_is(&key, "names")) {
 *             json_enter_array(&r);
 *             while (json_next_item(&r)) json_read_number(&r, &number);
 *         } else json_skip(&r);
 *     }
 *     whole = json_reader_end(&r);
 *
 * Failure is sticky: a value of another kind than asked for, text that is no JSON and nesting over
 * JSON_READER_DEPTH_MAX end every loop and turn every answer false.
 */
#ifndef MEMFERRY_PLUGINS_JSON_READER_H
#define MEMFERRY_PLUGINS_JSON_READER_H

#include <stdbool.h>
#include <stddef.h>

#define JSON_READER_DEPTH_MAX 32

enum json_kind {
    JSON_KIND_NONE = 0, /* the end, or nothing that begins a value */
    JSON_KIND_OBJECT,
    JSON_KIND_ARRAY,
    JSON_KIND_STRING,
    JSON_KIND_NUMBER,
    JSON_KIND_WORD /* true, false, null */
};

struct json_reader {
    const char *at, *end;
    unsigned depth;
    bool first; /* no item of this array or object has been read yet */
    bool failed;
};

/* A key as it stands between its quotes, escapes and all; borrowed from the text. */
struct json_key {
    const char *data;
    size_t size;
};

/* The text is borrowed. A NULL text is an empty one. */
void json_reader_init(struct json_reader *r, const char *text, size_t size);
/* Whether the text was one whole value, and has been read to its end. */
bool json_reader_end(struct json_reader *r);

/* Of the value that comes next. */
enum json_kind json_peek(struct json_reader *r);

bool json_enter_object(struct json_reader *r);
/* False behind the last one: the object has been left. */
bool json_next_key(struct json_reader *r, struct json_key *ret);
bool json_key_is(const struct json_key *key, const char *name);

bool json_enter_array(struct json_reader *r);
/* False behind the last one: the array has been left. */
bool json_next_item(struct json_reader *r);

/* The nearest double; infinite when there is none. */
bool json_read_number(struct json_reader *r, double *ret);
/* Unescaped, with a NUL behind it; cut at the buffer's size. */
bool json_read_string(struct json_reader *r, char *buffer, size_t buffer_size);
/* Passes over one value of any kind. */
bool json_skip(struct json_reader *r);

#endif
