/*
 * json_writer.c - the buffer, the commas, strings and base64. Numbers are in json_number.c.
 *
 * Every write first makes room for the most it can need, then writes without further checks. It
 * fails by memory or by the limit only, and then stays failed.
 */
#include "plugins/common/json_writer.h"

#include "plugins/common/buffer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    ESCAPE_SIZE = 6, /* \u001f */
};

void json_writer_init(struct json_writer *w, size_t limit)
{
    memset(w, 0, sizeof *w);
    w->limit = limit;
}

void json_writer_deinit(struct json_writer *w)
{
    free(w->data);
    memset(w, 0, sizeof *w);
}

void json_writer_reset(struct json_writer *w)
{
    w->size = 0;
    w->status = 0;
    w->depth = 0;
    w->after_key = false;
    w->has_items[0] = false;
}

int json_writer_status(const struct json_writer *w)
{
    return w->status;
}

/* Room for `more` bytes and a NUL. What is reserved and not used does not count against the limit
 * until it is written: commit() checks. */
static bool reserve(struct json_writer *w, size_t more)
{
    if (w->status != 0) {
        return false;
    }
    if (more > SIZE_MAX / 4 || w->size > w->limit) {
        w->status = -EMSGSIZE;
        return false;
    }
    if (!buffer_reserve(&w->data, &w->capacity, w->size + more + 1)) {
        w->status = -ENOMEM;
    }
    return w->status == 0;
}

static void commit(struct json_writer *w, size_t written)
{
    w->size += written;
    assert(w->size < w->capacity);
    if (w->size > w->limit) {
        w->status = -EMSGSIZE;
    }
}

const char *json_writer_text(struct json_writer *w, size_t *ret_size)
{
    if (!reserve(w, 0)) {
        return NULL;
    }
    w->data[w->size] = '\0';
    if (ret_size != NULL) {
        *ret_size = w->size;
    }
    return w->data;
}

void json_append(struct json_writer *w, const char *bytes, size_t size)
{
    if (size == 0 || !reserve(w, size)) {
        return;
    }
    memcpy(w->data + w->size, bytes, size);
    commit(w, size);
}

/* The comma before a value or key, if one is due. */
static void separate(struct json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
    } else if (w->has_items[w->depth]) {
        json_append(w, ",", 1);
    } else {
        w->has_items[w->depth] = true;
    }
}

static void begin(struct json_writer *w, const char *bracket)
{
    separate(w);
    json_append(w, bracket, 1);
    assert(w->depth < JSON_WRITER_DEPTH_MAX);
    w->depth++;
    w->has_items[w->depth] = false;
}

static void end(struct json_writer *w, const char *bracket)
{
    assert(w->depth > 0 && !w->after_key);
    w->depth--;
    json_append(w, bracket, 1);
}

void json_begin_object(struct json_writer *w)
{
    begin(w, "{");
}

void json_end_object(struct json_writer *w)
{
    end(w, "}");
}

void json_begin_array(struct json_writer *w)
{
    begin(w, "[");
}

void json_end_array(struct json_writer *w)
{
    end(w, "]");
}

/* Writes what stands for one byte that can't stand for itself; returns its length. */
static size_t escape(char *out, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* pairs: byte, letter */

    out[0] = '\\';
    for (size_t i = 0; i + 1 < sizeof shorts; i += 2) {
        if ((unsigned char)shorts[i] == byte) {
            out[1] = shorts[i + 1];
            return 2;
        }
    }
    out[1] = 'u';
    out[2] = out[3] = '0';
    out[4] = hex[byte >> 4];
    out[5] = hex[byte & 0xf];
    return ESCAPE_SIZE;
}

static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7f;
}

/* The string with its quotes. Runs of plain bytes are copied whole. */
static void write_string(struct json_writer *w, const char *text, size_t size)
{
    size_t at = 0;

    json_append(w, "\"", 1);
    while (at < size) {
        size_t run = at;
        while (run < size && is_plain((unsigned char)text[run])) {
            run++;
        }
        json_append(w, text + at, run - at);
        at = run;
        if (at < size && reserve(w, ESCAPE_SIZE)) {
            commit(w, escape(w->data + w->size, (unsigned char)text[at]));
        }
        at++;
    }
    json_append(w, "\"", 1);
}

void json_write_key_sized(struct json_writer *w, const char *key, size_t size)
{
    assert(!w->after_key);
    separate(w);
    write_string(w, key, size);
    json_append(w, ":", 1);
    w->after_key = true;
}

void json_write_key(struct json_writer *w, const char *key)
{
    json_write_key_sized(w, key, strlen(key));
}

void json_write_string(struct json_writer *w, const char *text, size_t size)
{
    separate(w);
    write_string(w, text, size);
}

void json_write_text(struct json_writer *w, const char *text)
{
    json_write_string(w, text, strlen(text));
}

void json_write_raw(struct json_writer *w, const char *json, size_t size)
{
    separate(w);
    json_append(w, json, size);
}

void json_write_null(struct json_writer *w)
{
    json_write_raw(w, "null", 4);
}

void json_write_bool(struct json_writer *w, bool value)
{
    json_write_raw(w, value ? "true" : "false", value ? 4 : 5);
}

static void write_digits(struct json_writer *w, uint64_t value, bool negative)
{
    char digits[24];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    if (negative) {
        digits[--at] = '-';
    }
    json_write_raw(w, digits + at, sizeof digits - at);
}

void json_write_uint(struct json_writer *w, uint64_t value)
{
    write_digits(w, value, false);
}

void json_write_int(struct json_writer *w, int64_t value)
{
    write_digits(w, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0);
}

void json_write_double(struct json_writer *w, double value)
{
    char number[JSON_NUMBER_SIZE];

    json_write_raw(w, number, json_format_double(number, value));
}

void json_write_float(struct json_writer *w, float value)
{
    char number[JSON_NUMBER_SIZE];

    json_write_raw(w, number, json_format_float(number, value));
}

void json_write_float_array(struct json_writer *w, const float *values, size_t count)
{
    json_begin_array(w);
    if (count > SIZE_MAX / 4 / (JSON_NUMBER_SIZE + 1)) {
        w->status = -EMSGSIZE;
    }
    if (count > 0 && reserve(w, count * (JSON_NUMBER_SIZE + 1))) {
        char *at = w->data + w->size;
        for (size_t i = 0; i < count; i++) {
            at += json_format_float(at, values[i]);
            *at++ = ',';
        }
        commit(w, (size_t)(at - w->data) - w->size - 1);
    }
    json_end_array(w);
}

static void encode_base64_group(char out[4], const unsigned char *in, size_t size)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = (uint32_t)in[0] << 16;

    bits |= size > 1 ? (uint32_t)in[1] << 8 : 0;
    bits |= size > 2 ? in[2] : 0;
    out[0] = alphabet[bits >> 18];
    out[1] = alphabet[(bits >> 12) & 63];
    out[2] = alphabet[(bits >> 6) & 63];
    out[3] = alphabet[bits & 63];
    if (size < 3) {
        out[3] = '=';
    }
    if (size < 2) {
        out[2] = '=';
    }
}

void json_write_base64(struct json_writer *w, const void *bytes, size_t size)
{
    const unsigned char *in = bytes;

    separate(w);
    json_append(w, "\"", 1);
    if (size <= SIZE_MAX / 8 && reserve(w, (size + 2) / 3 * 4)) {
        char *out = w->data + w->size;
        for (size_t i = 0; i < size; i += 3, out += 4) {
            encode_base64_group(out, in + i, size - i < 3 ? size - i : 3);
        }
        commit(w, (size + 2) / 3 * 4);
    }
    json_append(w, "\"", 1);
}
