/*
 * json_text.h - edits JSON as text, so that what is not touched stays byte for byte. Pure.
 *
 * A place is a range of bytes of one value. The text must be good JSON: nothing here says what is
 * wrong with it. Every function but json_text_free leaves the text as it was when it returns false
 * or -ENOMEM.
 */
#ifndef MEMFERRY_HOOK_JSON_TEXT_H
#define MEMFERRY_HOOK_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct json_text {
    char *bytes; /* NUL-terminated, owned */
    size_t size;
};

struct json_place {
    size_t start, end;
};

/* Consumes bytes, which were malloc'ed. */
void json_text_init(struct json_text *text, char *bytes, size_t size);
void json_text_free(struct json_text *text);

/* The outermost value. */
struct json_place json_text_root(const struct json_text *text);
/* '{', '[', '"' or the first byte of something else. */
char json_text_kind(const struct json_text *text, struct json_place value);
/* The value of a member; false: there is none. */
bool json_text_member(const struct json_text *text, struct json_place object, const char *key,
                      struct json_place *ret);
/* The i-th element or member; of a member the key is part of it. */
bool json_text_child(const struct json_text *text, struct json_place container, size_t i,
                     struct json_place *ret);
size_t json_text_count(const struct json_text *text, struct json_place container);
/* Of a string that has no escapes but \" and \\: its text, owned by the caller. NULL: none such. */
char *json_text_string(const struct json_text *text, struct json_place value);

/* Adds a child at the end, indented as its siblings are, or as the text is elsewhere. `child` is
 * whole lines with two spaces for each level. 0 or -ENOMEM. */
int json_text_append(struct json_text *text, struct json_place container, const char *child);
/* Takes the i-th child out, with its comma and its line. */
void json_text_remove(struct json_text *text, struct json_place container, size_t i);

#endif
