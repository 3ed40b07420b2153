/*
 * json_write.c - a tree as JSON text, on one line.
 *
 * The output is always valid UTF-8: what is not, in a string, becomes U+FFFD. Numbers come back as
 * what they were: a whole float keeps its ".0". Fails on what JSON cannot say: NaN, infinity, ext,
 * keys that are not strings.
 */
#include "client/wire/json_write.h"

#include "client/wire/out.h"
#include "client/wire/rpc.h"
#include "client/wire/scan.h"
#include "client/wire/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_TEXT_MAX    32
#define FLOAT32_DIGITS_MIN 6
#define FLOAT32_DIGITS_MAX 9
#define FLOAT64_DIGITS_MIN 15
#define FLOAT64_DIGITS_MAX 17
#define REPLACEMENT        "\xef\xbf\xbd"
#define BASE64_CHUNK       768 /* bytes at a time; a multiple of 3 */

static int write_literal(msgpack_sbuffer *out, const char *text)
{
    return out_write(out, text, strlen(text));
}

/* The escape of a character that must not stand as it is, or NULL. */
static const char *escape(unsigned char c, char *buffer, size_t capacity)
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        if (c >= 0x20) {
            return NULL;
        }
        snprintf(buffer, capacity, "\\u%04x", c);
        return buffer;
    }
}

/* Bytes at the start that stand as they are. */
static size_t plain_size(const char *text, size_t size)
{
    size_t at = 0;

    while (at < size) {
        unsigned char c = (unsigned char)text[at];
        size_t step =
            c < 0x80 ? c >= 0x20 && c != '"' && c != '\\' : utf8_character(text + at, size - at);
        if (step == 0) {
            break;
        }
        at += step;
    }
    return at;
}

int json_put_string(msgpack_sbuffer *out, const char *text, size_t size)
{
    char buffer[8];
    int r = write_literal(out, "\"");

    while (r == 0 && size > 0) {
        size_t plain = plain_size(text, size);
        r = out_write(out, text, plain);
        text += plain;
        size -= plain;
        if (r == 0 && size > 0) {
            const char *other = escape((unsigned char)*text, buffer, sizeof buffer);
            r = write_literal(out, other != NULL ? other : REPLACEMENT);
            text++;
            size--;
        }
    }
    return r == 0 ? write_literal(out, "\"") : r;
}

/* The fewest digits that read back as the same value, of its own width. */
static void shortest(double value, bool is_float32, char *text, size_t capacity)
{
    int digits = is_float32 ? FLOAT32_DIGITS_MIN : FLOAT64_DIGITS_MIN;
    int most = is_float32 ? FLOAT32_DIGITS_MAX : FLOAT64_DIGITS_MAX;

    for (; digits <= most; digits++) {
        snprintf(text, capacity, "%.*g", digits, value);
        double back = is_float32 ? (double)strtof(text, NULL) : strtod(text, NULL);
        if (back >= value && back <= value) {
            return;
        }
    }
}

static int write_float(msgpack_sbuffer *out, double value, bool is_float32)
{
    char text[NUMBER_TEXT_MAX];

    if (!isfinite(value)) {
        return -EBADMSG;
    }
    shortest(value, is_float32, text, sizeof text);
    int r = write_literal(out, text);
    return r == 0 && strpbrk(text, ".e") == NULL ? write_literal(out, ".0") : r;
}

static int write_integer(msgpack_sbuffer *out, const msgpack_object *object)
{
    char text[NUMBER_TEXT_MAX];

    if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
        snprintf(text, sizeof text, "%" PRIu64, object->via.u64);
    } else {
        snprintf(text, sizeof text, "%" PRId64, object->via.i64);
    }
    return write_literal(out, text);
}

static int write_bin(msgpack_sbuffer *out, const msgpack_object_bin *bin)
{
    char text[BASE64_CHUNK / 3 * 4 + 1];
    int r = write_literal(out, "\"");

    for (uint32_t at = 0; r == 0 && at < bin->size; at += BASE64_CHUNK) {
        uint32_t left = bin->size - at;
        size_t size = base64_encode(bin->ptr + at, left < BASE64_CHUNK ? left : BASE64_CHUNK, text);
        r = out_write(out, text, size);
    }
    return r == 0 ? write_literal(out, "\"") : r;
}

static int write_object(msgpack_sbuffer *out, const msgpack_object *object, unsigned depth);

static int write_array(msgpack_sbuffer *out, const msgpack_object_array *array, unsigned depth)
{
    int r = write_literal(out, "[");

    for (uint32_t i = 0; r == 0 && i < array->size; i++) {
        r = i > 0 ? write_literal(out, ",") : 0;
        r = r == 0 ? write_object(out, &array->ptr[i], depth + 1) : r;
    }
    return r == 0 ? write_literal(out, "]") : r;
}

static int write_pair(msgpack_sbuffer *out, const msgpack_object_kv *pair, unsigned depth)
{
    if (pair->key.type != MSGPACK_OBJECT_STR) {
        return -EBADMSG;
    }
    int r = json_put_string(out, pair->key.via.str.ptr, pair->key.via.str.size);
    r = r == 0 ? write_literal(out, ":") : r;
    return r == 0 ? write_object(out, &pair->val, depth) : r;
}

static int write_map(msgpack_sbuffer *out, const msgpack_object_map *map, unsigned depth)
{
    int r = write_literal(out, "{");

    for (uint32_t i = 0; r == 0 && i < map->size; i++) {
        r = i > 0 ? write_literal(out, ",") : 0;
        r = r == 0 ? write_pair(out, &map->ptr[i], depth + 1) : r;
    }
    return r == 0 ? write_literal(out, "}") : r;
}

static int write_object(msgpack_sbuffer *out, const msgpack_object *object, unsigned depth)
{
    if (depth > WIRE_DEPTH_MAX) {
        return -EBADMSG;
    }
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        return write_literal(out, "null");
    case MSGPACK_OBJECT_BOOLEAN:
        return write_literal(out, object->via.boolean ? "true" : "false");
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return write_integer(out, object);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return write_float(out, object->via.f64, object->type == MSGPACK_OBJECT_FLOAT32);
    case MSGPACK_OBJECT_STR:
        return json_put_string(out, object->via.str.ptr, object->via.str.size);
    case MSGPACK_OBJECT_BIN:
        return write_bin(out, &object->via.bin);
    case MSGPACK_OBJECT_ARRAY:
        return write_array(out, &object->via.array, depth);
    case MSGPACK_OBJECT_MAP:
        return write_map(out, &object->via.map, depth);
    case MSGPACK_OBJECT_EXT:
        break;
    }
    return -EBADMSG;
}

int json_from_msgpack(msgpack_sbuffer *out, const msgpack_object *object)
{
    size_t before = out->size;
    int r = write_object(out, object, 0);

    if (r < 0) {
        out->size = before;
    }
    return r;
}
