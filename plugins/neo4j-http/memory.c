/*
 * memory.c - a node's properties, as JSON, back to a struct memferry_memory.
 *
 * Happy path: fields by their names, props by memferry_keys, with the types they were sent in: a
 * number with a '.' or exponent is a float, another an int.
 *
 * Failure modes: memory, and a node without id. What someone else changed on the node costs only
 * what was changed: a field of another type reads as absent, a listed prop that is gone, or is no
 * prop any more, is left out, a string ends at its first NUL.
 */
#include "plugins/neo4j-http/neo4j.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A memory and what it borrows, apart from strings, which are in the JSON. */
struct read_memory {
    struct memferry_memory memory;
    struct memferry_string *tags;
    struct memferry_prop *props;
    struct memferry_value *items; /* of all lists among the props */
    size_t items_used;
    float *embedding;
};

static struct memferry_string string_of(const json_t *value)
{
    const char *text = json_string_value(value);

    if (text == NULL) {
        text = "";
    }
    return (struct memferry_string){.data = text, .size = strlen(text)};
}

static struct memferry_string string_field(const json_t *node, const char *name)
{
    return string_of(json_object_get(node, name));
}

static int64_t int_field(const json_t *node, const char *name)
{
    return json_integer_value(json_object_get(node, name));
}

/* calloc that takes 0. */
static void *allocate(size_t count, size_t size)
{
    return calloc(count == 0 ? 1 : count, size);
}

static int read_tags(struct read_memory *read, const json_t *node)
{
    const json_t *tags = json_object_get(node, "tags");
    size_t count = json_array_size(tags);

    read->tags = allocate(count, sizeof *read->tags);
    if (read->tags == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        read->tags[i] = string_of(json_array_get(tags, i));
    }
    read->memory.tags = read->tags;
    read->memory.tag_count = count;
    return 0;
}

/* Half a step above FLT_MAX: what is below it is a float, rounded. FLT_MAX itself is written with
 * nine digits, which are a little more than it. */
#define FLOAT_LIMIT 0x1.ffffffp127

/* False: there is something else than a finite number. */
static bool read_floats(const json_t *vector, float *ret)
{
    for (size_t i = 0; i < json_array_size(vector); i++) {
        const json_t *item = json_array_get(vector, i);
        double number = json_number_value(item);
        if (!json_is_number(item) || !(fabs(number) < FLOAT_LIMIT)) {
            return false;
        }
        ret[i] = (float)number;
    }
    return true;
}

static int read_embedding(struct read_memory *read, const json_t *node)
{
    const json_t *vector = json_object_get(node, "embedding");
    size_t dims = json_array_size(vector);

    if (dims == 0) {
        return 0;
    }
    read->embedding = calloc(dims, sizeof *read->embedding);
    if (read->embedding == NULL) {
        return -ENOMEM;
    }
    if (read_floats(vector, read->embedding)) {
        read->memory.embedding = read->embedding;
        read->memory.dims = dims;
    }
    return 0;
}

static enum memferry_embedding_state embedding_state(const struct memferry_memory *memory,
                                                     const json_t *node)
{
    if (memory->embedding != NULL) {
        return MEMFERRY_EMBEDDING_READY;
    }
    return strcmp(string_field(node, "embedding_state").data, "pending") == 0
               ? MEMFERRY_EMBEDDING_PENDING
               : MEMFERRY_EMBEDDING_NONE;
}

/* 0 for what a prop can't be. */
static enum memferry_value_type scalar_type(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_TRUE:
    case JSON_FALSE:
        return MEMFERRY_VALUE_BOOL;
    case JSON_INTEGER:
        return MEMFERRY_VALUE_INT;
    case JSON_REAL:
        return MEMFERRY_VALUE_FLOAT;
    case JSON_STRING:
        return MEMFERRY_VALUE_STRING;
    default:
        return (enum memferry_value_type)0;
    }
}

static struct memferry_value scalar(const json_t *value)
{
    struct memferry_value ret = {.type = scalar_type(value)};

    switch (ret.type) {
    case MEMFERRY_VALUE_BOOL:
        ret.as.boolean = json_is_true(value);
        break;
    case MEMFERRY_VALUE_INT:
        ret.as.integer = json_integer_value(value);
        break;
    case MEMFERRY_VALUE_FLOAT:
        ret.as.floating = json_real_value(value);
        break;
    case MEMFERRY_VALUE_STRING:
        ret.as.string = string_of(value);
        break;
    case MEMFERRY_VALUE_LIST:
        break;
    }
    return ret;
}

/* Values of one type that a prop can have; or nothing. */
static bool is_list(const json_t *value)
{
    const json_t *first = json_array_get(value, 0);

    for (size_t i = 0; i < json_array_size(value); i++) {
        enum memferry_value_type type = scalar_type(json_array_get(value, i));
        if (type == 0 || type != scalar_type(first)) {
            return false;
        }
    }
    return true;
}

static struct memferry_value list(struct read_memory *read, const json_t *list)
{
    struct memferry_value *items = read->items + read->items_used;
    size_t count = json_array_size(list);

    for (size_t i = 0; i < count; i++) {
        items[i] = scalar(json_array_get(list, i));
    }
    read->items_used += count;
    return (struct memferry_value){.type = MEMFERRY_VALUE_LIST,
                                   .as.list = {.items = items, .count = count}};
}

static int compare_props(const void *left, const void *right)
{
    const struct memferry_prop *a = left, *b = right;

    return strcmp(a->name.data, b->name.data);
}

static bool has_prop(const struct read_memory *read, struct memferry_string name)
{
    for (size_t i = 0; i < read->memory.prop_count; i++) {
        assert(read->props[i].name.data != NULL);
        if (strcmp(read->props[i].name.data, name.data) == 0) {
            return true;
        }
    }
    return false;
}

/* Adds one prop, if the node has it. */
static void read_prop(struct read_memory *read, const json_t *node, struct memferry_string name)
{
    const json_t *value = json_object_get(node, name.data);

    if (value == NULL || is_field_name(name) || has_prop(read, name) ||
        (json_is_array(value) && !is_list(value))) {
        return;
    }
    struct memferry_prop prop = {.name = name};
    prop.value = json_is_array(value) ? list(read, value) : scalar(value);
    if (prop.value.type != 0) {
        read->props[read->memory.prop_count++] = prop;
    }
}

static size_t count_list_items(const json_t *node, const json_t *keys)
{
    size_t count = 0;

    for (size_t i = 0; i < json_array_size(keys); i++) {
        count += json_array_size(json_object_get(node, string_of(json_array_get(keys, i)).data));
    }
    return count;
}

static int read_props(struct read_memory *read, const json_t *node)
{
    const json_t *keys = json_object_get(node, NEO4J_KEYS_PROPERTY);
    size_t count = json_array_size(keys);

    read->props = allocate(count, sizeof *read->props);
    read->items = allocate(count_list_items(node, keys), sizeof *read->items);
    if (read->props == NULL || read->items == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        read_prop(read, node, string_of(json_array_get(keys, i)));
    }
    qsort(read->props, read->memory.prop_count, sizeof *read->props, compare_props);
    read->memory.props = read->props;
    return 0;
}

static int read_fields(struct read_memory *read, const json_t *node)
{
    struct memferry_memory *memory = &read->memory;
    int64_t version = int_field(node, "version");

    memory->id = string_field(node, "id");
    memory->content = string_field(node, "content");
    memory->kind = string_field(node, "kind");
    memory->embedding_model = string_field(node, "embedding_model");
    memory->created_ms = int_field(node, "created_ms");
    memory->updated_ms = int_field(node, "updated_ms");
    memory->deleted_ms = int_field(node, "deleted_ms");
    memory->version = version > 0 ? (uint64_t)version : 0;
    memory->stamp = int_field(node, "stamp");
    memory->origin = string_field(node, "origin");
    memory->session_id = string_field(node, "session_id");
    return memory->id.size == 0 ? -EINVAL : 0;
}

static void free_memory(struct read_memory *read)
{
    free(read->props);
    free(read->items);
    free(read->tags);
    free(read->embedding);
}

int memory_read(const json_t *node, memferry_fetch_fn *fn, void *arg)
{
    struct read_memory read = {0};
    int r = read_fields(&read, node);

    if (r == 0) {
        r = read_tags(&read, node);
    }
    if (r == 0) {
        r = read_embedding(&read, node);
    }
    if (r == 0) {
        r = read_props(&read, node);
    }
    if (r == 0) {
        read.memory.embedding_state = embedding_state(&read.memory, node);
        r = fn(arg, &read.memory);
    }
    free_memory(&read);
    return r;
}
