/*
 * line_read.c - a line back to the memory it was.
 *
 * Happy path: jansson parses, and the memory borrows its strings.
 *
 * Failure modes: not JSON, or not the fields that line_write writes: -EBADMSG. Lines come from a
 * file that anyone may have edited, so every type is looked at.
 */
#include "mirror.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct line {
    json_t *root; /* owns the strings */
    struct memferry_memory memory;
    struct memferry_string *tags;
    struct memferry_prop *props; /* their lists' items are ours too */
    float *embedding;
};

static struct memferry_string string_of(const json_t *value)
{
    struct memferry_string string = {.data = json_string_value(value)};

    string.size = json_string_length(value);
    return string;
}

static int read_string(const json_t *root, const char *key, bool required,
                       struct memferry_string *ret)
{
    const json_t *value = json_object_get(root, key);

    if (value == NULL && !required) {
        *ret = (struct memferry_string){.data = ""};
        return 0;
    }
    if (!json_is_string(value)) {
        return -EBADMSG;
    }
    *ret = string_of(value);
    return 0;
}

static int read_int(const json_t *root, const char *key, bool required, int64_t *ret)
{
    const json_t *value = json_object_get(root, key);

    if (value == NULL && !required) {
        *ret = 0;
        return 0;
    }
    if (!json_is_integer(value)) {
        return -EBADMSG;
    }
    *ret = json_integer_value(value);
    return 0;
}

static int read_tags(struct line *line)
{
    const json_t *tags = json_object_get(line->root, "tags");
    size_t count = json_array_size(tags);

    line->tags = calloc(count + 1, sizeof *line->tags);
    if (line->tags == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *tag = json_array_get(tags, i);
        if (!json_is_string(tag)) {
            return -EBADMSG;
        }
        line->tags[i] = string_of(tag);
    }
    line->memory.tags = line->tags;
    line->memory.tag_count = count;
    return 0;
}

static int read_scalar(const json_t *json, struct memferry_value *ret)
{
    switch (json_typeof(json)) {
    case JSON_TRUE:
    case JSON_FALSE:
        ret->type = MEMFERRY_VALUE_BOOL;
        ret->as.boolean = json_is_true(json);
        return 0;
    case JSON_INTEGER:
        ret->type = MEMFERRY_VALUE_INT;
        ret->as.integer = json_integer_value(json);
        return 0;
    case JSON_REAL:
        ret->type = MEMFERRY_VALUE_FLOAT;
        ret->as.floating = json_real_value(json);
        return 0;
    case JSON_STRING:
        ret->type = MEMFERRY_VALUE_STRING;
        ret->as.string = string_of(json);
        return 0;
    default:
        return -EBADMSG;
    }
}

static int read_list(const json_t *json, struct memferry_value *ret)
{
    size_t count = json_array_size(json);
    struct memferry_value *items = calloc(count + 1, sizeof *items);

    if (items == NULL) {
        return -ENOMEM;
    }
    ret->type = MEMFERRY_VALUE_LIST;
    ret->as.list.items = items;
    ret->as.list.count = count;
    for (size_t i = 0; i < count; i++) {
        int result = read_scalar(json_array_get(json, i), &items[i]);
        if (result != 0) {
            return result;
        }
        if (items[i].type != items[0].type) {
            return -EBADMSG;
        }
    }
    return 0;
}

static int compare_props(const void *a, const void *b)
{
    const struct memferry_prop *left = a, *right = b;

    return strcmp(left->name.data, right->name.data);
}

static int read_props(struct line *line)
{
    json_t *props = json_object_get(line->root, "props");
    const char *name;
    json_t *value;

    line->props = calloc(json_object_size(props) + 1, sizeof *line->props);
    if (line->props == NULL) {
        return -ENOMEM;
    }
    line->memory.props = line->props;
    json_object_foreach(props, name, value)
    {
        struct memferry_prop *prop = &line->props[line->memory.prop_count++];
        prop->name = (struct memferry_string){.data = name, .size = strlen(name)};
        int result = json_is_array(value) ? read_list(value, &prop->value)
                                          : read_scalar(value, &prop->value);
        if (result != 0) {
            return result;
        }
    }
    qsort(line->props, line->memory.prop_count, sizeof *line->props, compare_props);
    return 0;
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    return at == NULL ? -1 : (int)(at - digits);
}

/* Decodes to `bytes`, which holds size / 4 * 3; the count, or -EBADMSG. */
static ssize_t base64_decode(const char *text, size_t size, unsigned char *bytes)
{
    unsigned long bits = 0;
    size_t count = 0, digits = size;

    while (digits > 0 && size - digits < 2 && text[digits - 1] == '=') {
        digits--;
    }
    if (size % 4 != 0) {
        return -EBADMSG;
    }
    for (size_t i = 0; i < digits; i++) {
        int digit = base64_digit(text[i]);
        if (digit < 0) {
            return -EBADMSG;
        }
        bits = (bits << 6 | (unsigned long)digit) & 0xffffff;
        if (i % 4 != 0) {
            bytes[count++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
        }
    }
    return (ssize_t)count;
}

static int decode_floats(struct line *line, const json_t *text)
{
    size_t size = json_string_length(text);

    line->embedding = malloc(size / 4 * 3 + sizeof(float));
    if (line->embedding == NULL) {
        return -ENOMEM;
    }
    ssize_t bytes = base64_decode(json_string_value(text), size, (unsigned char *)line->embedding);
    if (bytes <= 0 || (size_t)bytes % sizeof(float) != 0) {
        return -EBADMSG;
    }
    line->memory.dims = (size_t)bytes / sizeof(float);
    line->memory.embedding = line->embedding;
    for (size_t i = 0; i < line->memory.dims; i++) {
        if (!isfinite(line->embedding[i])) {
            return -EBADMSG;
        }
    }
    return 0;
}

static int read_embedding(struct line *line)
{
    const json_t *text = json_object_get(line->root, "embedding");
    const json_t *state = json_object_get(line->root, "embedding_state");

    if (!json_is_string(state)) {
        return -EBADMSG;
    }
    line->memory.embedding_state = strcmp(json_string_value(state), "pending") == 0
                                       ? MEMFERRY_EMBEDDING_PENDING
                                       : MEMFERRY_EMBEDDING_NONE;
    if (text == NULL) {
        return 0;
    }
    line->memory.embedding_state = MEMFERRY_EMBEDDING_READY;
    return json_is_string(text) ? decode_floats(line, text) : -EBADMSG;
}

static int read_fields(struct line *line)
{
    struct memferry_memory *m = &line->memory;
    const json_t *root = line->root;
    int64_t version = 0;

    if (read_string(root, "id", true, &m->id) != 0 ||
        read_string(root, "origin", true, &m->origin) != 0 ||
        read_string(root, "kind", true, &m->kind) != 0 ||
        read_string(root, "content", true, &m->content) != 0 ||
        read_string(root, "session_id", false, &m->session_id) != 0 ||
        read_string(root, "embedding_model", false, &m->embedding_model) != 0 ||
        read_int(root, "stamp", true, &m->stamp) != 0 ||
        read_int(root, "version", true, &version) != 0 ||
        read_int(root, "created_ms", true, &m->created_ms) != 0 ||
        read_int(root, "updated_ms", true, &m->updated_ms) != 0 ||
        read_int(root, "deleted_ms", false, &m->deleted_ms) != 0) {
        return -EBADMSG;
    }
    m->version = (uint64_t)version;
    return 0;
}

struct line *line_free(struct line *line)
{
    if (line == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < line->memory.prop_count; i++) {
        if (line->props[i].value.type == MEMFERRY_VALUE_LIST) {
            free((void *)line->props[i].value.as.list.items);
        }
    }
    free(line->tags);
    free(line->props);
    free(line->embedding);
    json_decref(line->root);
    free(line);
    return NULL;
}

int line_read(struct line **ret, const char *text, size_t size)
{
    struct line *line = calloc(1, sizeof *line);
    int result;

    *ret = NULL;
    if (line == NULL) {
        return -ENOMEM;
    }
    line->root = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    result = json_is_object(line->root) ? read_fields(line) : -EBADMSG;
    if (result == 0) {
        result = read_tags(line);
    }
    if (result == 0) {
        result = read_props(line);
    }
    if (result == 0) {
        result = read_embedding(line);
    }
    *ret = result == 0 ? line : line_free(line);
    return result;
}

const struct memferry_memory *line_memory(const struct line *line)
{
    return &line->memory;
}
