/* json.c - an object as text. Fails only for want of memory, told by json_close. */
#include "client/cli/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void append(struct json *json, const char *bytes, size_t size)
{
    if (json->failed) {
        return;
    }
    if (json->capacity - json->size < size) {
        size_t capacity = json->capacity * 2 + size + 256;
        char *text = realloc(json->text, capacity);
        if (text == NULL) {
            json->failed = true;
            return;
        }
        json->text = text;
        json->capacity = capacity;
    }
    memcpy(json->text + json->size, bytes, size);
    json->size += size;
}

static void append_string(struct json *json, const char *value)
{
    append(json, "\"", 1);
    while (*value != '\0') {
        size_t plain = 0;
        while (value[plain] != '"' && value[plain] != '\\' && (unsigned char)value[plain] >= 0x20) {
            plain++;
        }
        append(json, value, plain);
        value += plain;
        if (*value != '\0') {
            char escaped[8];
            int size = *value == '"' || *value == '\\'
                           ? snprintf(escaped, sizeof escaped, "\\%c", *value)
                           : snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned char)*value);
            append(json, escaped, (size_t)size);
            value++;
        }
    }
    append(json, "\"", 1);
}

static void append_name(struct json *json, const char *name)
{
    if (json->size > 1) {
        append(json, ",", 1);
    }
    append_string(json, name);
    append(json, ":", 1);
}

void json_open(struct json *json)
{
    *json = (struct json){0};
    append(json, "{", 1);
}

const char *json_close(struct json *json)
{
    append(json, "}", 2); /* with the NUL */
    return json->failed ? NULL : json->text;
}

void json_free(struct json *json)
{
    free(json->text);
    json->text = NULL;
}

void json_field_text(struct json *json, const char *name, const char *value)
{
    append_name(json, name);
    append_string(json, value);
}

void json_field_int(struct json *json, const char *name, int64_t value)
{
    char number[32];
    int size = snprintf(number, sizeof number, "%lld", (long long)value);

    append_name(json, name);
    append(json, number, (size_t)size);
}

void json_field_bool(struct json *json, const char *name, bool value)
{
    json_field_raw(json, name, value ? "true" : "false");
}

void json_field_raw(struct json *json, const char *name, const char *value)
{
    value = value != NULL ? value : "null";
    append_name(json, name);
    append(json, value, strlen(value));
}

void json_field_list(struct json *json, const char *name, const char *const *values, size_t count)
{
    append_name(json, name);
    append(json, "[", 1);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            append(json, ",", 1);
        }
        append_string(json, values[i]);
    }
    append(json, "]", 1);
}

void json_append_fields(struct json *json, const char *object)
{
    const char *fields = strchr(object, '{') + 1, *end = strrchr(object, '}');

    while (fields < end && strchr(" \t\r\n", *fields) != NULL) {
        fields++;
    }
    if (fields < end) {
        if (json->size > 1) {
            append(json, ",", 1);
        }
        append(json, fields, (size_t)(end - fields));
    }
}
