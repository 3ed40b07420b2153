/*
 * pack_read.c - PackStream to JSON. Pure; the bytes are hostile: every size and count is held
 * against what is there before anything is made of it.
 */
#include "plugins/neo4j-http/pack.h"

#include <string.h>

enum { DEPTH_MAX = 32, CHUNK_HEAD = 2 };

struct source {
    const unsigned char *at;
    size_t left;
    unsigned depth;
};

static json_t *read_value(struct source *s);

static bool take(struct source *s, size_t size, const unsigned char **ret)
{
    if (size > s->left) {
        return false;
    }
    *ret = s->at;
    s->at += size;
    s->left -= size;
    return true;
}

static bool take_uint(struct source *s, size_t size, uint64_t *ret)
{
    const unsigned char *bytes;

    if (!take(s, size, &bytes)) {
        return false;
    }
    *ret = 0;
    for (size_t i = 0; i < size; i++) {
        *ret = *ret << 8 | bytes[i];
    }
    return true;
}

static json_t *read_int(struct source *s, size_t size)
{
    uint64_t bits;

    if (!take_uint(s, size, &bits)) {
        return NULL;
    }
    uint64_t sign = (uint64_t)1 << (size * 8 - 1);
    return json_integer((json_int_t)((bits ^ sign) - sign));
}

static json_t *read_double(struct source *s)
{
    uint64_t bits;
    double value;

    if (!take_uint(s, sizeof bits, &bits)) {
        return NULL;
    }
    memcpy(&value, &bits, sizeof value);
    return json_real(value); /* NULL: not finite */
}

static json_t *read_string(struct source *s, uint64_t size)
{
    const unsigned char *text;

    return size <= s->left && take(s, (size_t)size, &text)
               ? json_stringn((const char *)text, (size_t)size)
               : NULL;
}

static json_t *read_list(struct source *s, uint64_t count)
{
    json_t *list = count <= s->left ? json_array() : NULL;

    for (uint64_t i = 0; list != NULL && i < count; i++) {
        if (json_array_append_new(list, read_value(s)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static bool read_item(struct source *s, json_t *map)
{
    json_t *key = read_value(s);
    json_t *value = json_is_string(key) ? read_value(s) : NULL;
    bool good = value != NULL && json_object_setn_new(map, json_string_value(key),
                                                      json_string_length(key), value) == 0;

    json_decref(key);
    return good;
}

static json_t *read_map(struct source *s, uint64_t count)
{
    json_t *map = count <= s->left / 2 ? json_object() : NULL;

    for (uint64_t i = 0; map != NULL && i < count; i++) {
        if (!read_item(s, map)) {
            json_decref(map);
            return NULL;
        }
    }
    return map;
}

/* The sized kinds, each with widths of 1, 2 and 4 bytes at tags that follow each other. */
static json_t *read_sized(struct source *s, unsigned char tag)
{
    uint64_t count;

    if ((tag & 3) == 3 || !take_uint(s, (size_t)1 << (tag & 3), &count)) {
        return NULL;
    }
    switch (tag & 0xfc) {
    case 0xd0:
        return read_string(s, count);
    case 0xd4:
        return read_list(s, count);
    case 0xd8:
        return read_map(s, count);
    default:
        return NULL;
    }
}

static json_t *read_plain(struct source *s, unsigned char tag)
{
    switch (tag) {
    case 0xc0:
        return json_null();
    case 0xc1:
        return read_double(s);
    case 0xc2:
        return json_false();
    case 0xc3:
        return json_true();
    case 0xc8:
        return read_int(s, 1);
    case 0xc9:
        return read_int(s, 2);
    case 0xca:
        return read_int(s, 4);
    case 0xcb:
        return read_int(s, 8);
    default:
        return read_sized(s, tag);
    }
}

static json_t *read_tagged(struct source *s, unsigned char tag)
{
    if (tag < 0x80) {
        return json_integer(tag);
    }
    if (tag >= 0xf0) {
        return json_integer((json_int_t)tag - 0x100);
    }
    switch (tag & 0xf0) {
    case 0x80:
        return read_string(s, tag & 0x0f);
    case 0x90:
        return read_list(s, tag & 0x0f);
    case 0xa0:
        return read_map(s, tag & 0x0f);
    default:
        return read_plain(s, tag);
    }
}

static json_t *read_value(struct source *s)
{
    const unsigned char *tag;
    json_t *value = NULL;

    if (s->depth < DEPTH_MAX && take(s, 1, &tag)) {
        s->depth++;
        value = read_tagged(s, *tag);
        s->depth--;
    }
    return value;
}

json_t *pack_read(const char *data, size_t size)
{
    struct source source = {.at = (const unsigned char *)data, .left = size};

    return read_value(&source);
}

const char *pack_message(char *data, size_t size, size_t *ret_size, size_t *ret_used)
{
    const unsigned char *bytes = (const unsigned char *)data;
    size_t at = 0, total = 0;

    for (;;) { /* is it whole? An empty chunk ends it; before it, such a chunk means nothing */
        if (size - at < CHUNK_HEAD) {
            return NULL;
        }
        size_t chunk = (size_t)bytes[at] << 8 | bytes[at + 1];
        at += CHUNK_HEAD;
        if (chunk == 0 && total > 0) {
            break;
        }
        if (chunk > size - at) {
            return NULL;
        }
        at += chunk;
        total += chunk;
    }
    *ret_used = at;
    *ret_size = total;
    for (size_t from = 0, to = 0; to < total;) {
        size_t chunk = (size_t)bytes[from] << 8 | bytes[from + 1];
        memmove(data + to, data + from + CHUNK_HEAD, chunk);
        from += CHUNK_HEAD + chunk;
        to += chunk;
    }
    return data;
}
