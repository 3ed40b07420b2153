/*
 * json.h - writes a JSON object as text, field by field: parameters of a call, results for
 * programs.
 *
 * Memory that runs out is noted and told at the end, so that fields need no checks of their own.
 */
#ifndef MEMFERRY_CLI_JSON_H
#define MEMFERRY_CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
    char *text; /* no NUL before json_close */
    size_t size, capacity;
    bool failed;
};

void json_open(struct json *json);
/* Closes the object; NULL: out of memory. The text lives until json_free. */
const char *json_close(struct json *json);
void json_free(struct json *json);

void json_field_text(struct json *json, const char *name, const char *value);
void json_field_int(struct json *json, const char *name, int64_t value);
void json_field_bool(struct json *json, const char *name, bool value);
/* JSON text as it is; NULL: null. */
void json_field_raw(struct json *json, const char *name, const char *value);
void json_field_list(struct json *json, const char *name, const char *const *values, size_t count);
/* The rest of another object's text, behind its "{". */
void json_append_fields(struct json *json, const char *object);

#endif
