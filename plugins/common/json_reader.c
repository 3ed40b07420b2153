/* json_reader.c - the structure of JSON: objects, arrays, what stands between. */
#include "plugins/common/json_reader_internal.h"

#include <string.h>

bool json_reader_fail(struct json_reader *r)
{
    r->failed = true;
    r->at = r->end;
    return false;
}

void json_reader_init(struct json_reader *r, const char *text, size_t size)
{
    text = text == NULL ? "" : text;
    *r = (struct json_reader){.at = text, .end = text + size};
}

static void skip_blanks(struct json_reader *r)
{
    while (r->at < r->end &&
           (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')) {
        r->at++;
    }
}

/* Takes this one byte, behind blanks. */
static bool take(struct json_reader *r, char byte)
{
    skip_blanks(r);
    if (r->at < r->end && *r->at == byte) {
        r->at++;
        return true;
    }
    return false;
}

bool json_reader_end(struct json_reader *r)
{
    skip_blanks(r);
    return !r->failed && r->depth == 0 && r->at == r->end;
}

enum json_kind json_peek(struct json_reader *r)
{
    skip_blanks(r);
    if (r->at == r->end) {
        return JSON_KIND_NONE;
    }
    switch (*r->at) {
    case '{':
        return JSON_KIND_OBJECT;
    case '[':
        return JSON_KIND_ARRAY;
    case '"':
        return JSON_KIND_STRING;
    case 't':
    case 'f':
    case 'n':
        return JSON_KIND_WORD;
    default:
        return *r->at == '-' || (*r->at >= '0' && *r->at <= '9') ? JSON_KIND_NUMBER
                                                                 : JSON_KIND_NONE;
    }
}

static bool enter(struct json_reader *r, char open)
{
    if (r->depth == JSON_READER_DEPTH_MAX || !take(r, open)) {
        return json_reader_fail(r);
    }
    r->depth++;
    r->first = true;
    return true;
}

/* True: another item comes. False: `close` was there, or what stands there is wrong. */
static bool next(struct json_reader *r, char close)
{
    if (r->failed || take(r, close)) {
        r->depth -= !r->failed;
        r->first = false;
        return false;
    }
    if (!r->first && !take(r, ',')) {
        return json_reader_fail(r);
    }
    r->first = false;
    return true;
}

bool json_enter_object(struct json_reader *r)
{
    return enter(r, '{');
}

bool json_enter_array(struct json_reader *r)
{
    return enter(r, '[');
}

bool json_next_item(struct json_reader *r)
{
    /* A comma with nothing behind it shows when that item is read. */
    return next(r, ']');
}

bool json_next_key(struct json_reader *r, struct json_key *ret)
{
    *ret = (struct json_key){.data = ""};
    if (!next(r, '}')) {
        return false;
    }
    skip_blanks(r);
    const char *open = r->at;
    if (!json_pass_string(r)) {
        return false;
    }
    *ret = (struct json_key){open + 1, (size_t)(r->at - open) - 2};
    return take(r, ':') || json_reader_fail(r);
}

bool json_key_is(const struct json_key *key, const char *name)
{
    return strlen(name) == key->size && memcmp(name, key->data, key->size) == 0;
}

static bool pass_word(struct json_reader *r)
{
    static const char *const words[] = {"true", "false", "null"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t size = strlen(words[i]);
        if ((size_t)(r->end - r->at) >= size && memcmp(r->at, words[i], size) == 0) {
            r->at += size;
            return true;
        }
    }
    return json_reader_fail(r);
}

static bool skip_object(struct json_reader *r)
{
    struct json_key key;

    json_enter_object(r);
    while (json_next_key(r, &key)) {
        json_skip(r);
    }
    return !r->failed;
}

static bool skip_array(struct json_reader *r)
{
    json_enter_array(r);
    while (json_next_item(r)) {
        json_skip(r);
    }
    return !r->failed;
}

/* Calls itself for what lies inside, JSON_READER_DEPTH_MAX deep at most. */
bool json_skip(struct json_reader *r)
{
    double number;

    switch (json_peek(r)) {
    case JSON_KIND_OBJECT:
        return skip_object(r);
    case JSON_KIND_ARRAY:
        return skip_array(r);
    case JSON_KIND_STRING:
        return json_pass_string(r);
    case JSON_KIND_NUMBER:
        return json_read_number(r, &number);
    case JSON_KIND_WORD:
        return pass_word(r);
    case JSON_KIND_NONE:
        break;
    }
    return json_reader_fail(r);
}
