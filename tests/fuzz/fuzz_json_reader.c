/*
 * fuzz_json_reader.c - a server's reply, on bytes that may be anything.
 *
 * It is passed over once and read value by value once: both must end, stay within the bytes and
 * agree. What jansson takes must be taken, but for our bound of nesting, and numbers are strtod's.
 */
#include "plugins/common/json_reader.h"
#include "tests/fuzz/must.h"

#include <jansson.h>
#include <string.h>

static void walk(struct json_reader *r);

static void walk_number(struct json_reader *r)
{
    char text[600];
    double got = 0;
    const char *start = r->at;

    if (json_read_number(r, &got) && (size_t)(r->at - start) < sizeof text) {
        snprintf(text, sizeof text, "%.*s", (int)(r->at - start), start);
        double expected = strtod(text, NULL);
        must(memcmp(&got, &expected, sizeof got) == 0, "a number is as strtod reads it");
    }
}

static void walk_string(struct json_reader *r)
{
    char text[16];

    if (json_read_string(r, text, sizeof text)) {
        must(memchr(text, '\0', sizeof text) != NULL, "a string ends within its buffer");
    }
}

static void walk_object(struct json_reader *r)
{
    struct json_key key;

    json_enter_object(r);
    while (json_next_key(r, &key)) {
        must(key.data + key.size < r->end, "a key lies within the text");
        walk(r);
    }
}

static void walk(struct json_reader *r)
{
    must(r->depth <= JSON_READER_DEPTH_MAX, "nesting is bounded");
    switch (json_peek(r)) {
    case JSON_KIND_OBJECT:
        walk_object(r);
        break;
    case JSON_KIND_ARRAY:
        json_enter_array(r);
        while (json_next_item(r)) {
            walk(r);
        }
        break;
    case JSON_KIND_STRING:
        walk_string(r);
        break;
    case JSON_KIND_NUMBER:
        walk_number(r);
        break;
    default:
        json_skip(r);
    }
}

static unsigned depth_of(const json_t *value)
{
    unsigned deepest = 0;
    const char *key;
    json_t *item;
    size_t i;

    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, key, item)
        {
            deepest = depth_of(item) > deepest ? depth_of(item) : deepest;
        }
        return deepest + 1;
    }
    if (json_is_array(value)) {
        json_array_foreach(value, i, item)
        {
            deepest = depth_of(item) > deepest ? depth_of(item) : deepest;
        }
        return deepest + 1;
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_reader skipped, walked;

    json_reader_init(&skipped, (const char *)data, size);
    json_skip(&skipped);
    json_reader_init(&walked, (const char *)data, size);
    walk(&walked);
    bool whole = json_reader_end(&skipped);
    must(whole || !json_reader_end(&walked), "what is read can be passed over");
    json_t *tree = json_loadb((const char *)data, size,
                              JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
    bool has_nul = size > 0 && memchr(data, '\0', size) != NULL; /* jansson ends a word at one */
    if (tree != NULL && !has_nul && depth_of(tree) <= JSON_READER_DEPTH_MAX) {
        must(whole && json_reader_end(&walked), "what jansson takes is taken");
    }
    json_decref(tree);
    return 0;
}
