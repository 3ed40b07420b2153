/*
 * json_writer.h - writes JSON into one growing, bounded buffer.
 *
 * Commas and colons come by themselves: begin, key, value, end. A value behind a key, or anything
 * in an array, is just written. Failure is sticky: after it every call does nothing, and
 * json_writer_status tells once, at the end, whether the text is whole.
 */
#ifndef MEMFERRY_PLUGINS_JSON_WRITER_H
#define MEMFERRY_PLUGINS_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_WRITER_DEPTH_MAX 32

struct json_writer {
    char *data; /* not NUL-terminated: see json_writer_text */
    size_t size, capacity;
    size_t limit; /* of size; more is -EMSGSIZE */
    int status;   /* 0, -ENOMEM or -EMSGSIZE */
    unsigned depth;
    bool after_key;
    bool has_items[JSON_WRITER_DEPTH_MAX + 1];
};

void json_writer_init(struct json_writer *w, size_t limit);
void json_writer_deinit(struct json_writer *w);
/* Empties it and clears a failure; keeps the buffer. */
void json_writer_reset(struct json_writer *w);

/* 0, -ENOMEM, or -EMSGSIZE when the text would go over the limit. */
int json_writer_status(const struct json_writer *w);
/* The text so far with a NUL behind it; NULL after a failure. Valid until the next call. ret_size
 * may be NULL. */
const char *json_writer_text(struct json_writer *w, size_t *ret_size);

void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);

/* `key` is a C string. */
void json_write_key(struct json_writer *w, const char *key);
void json_write_key_sized(struct json_writer *w, const char *key, size_t size);

void json_write_null(struct json_writer *w);
void json_write_bool(struct json_writer *w, bool value);
void json_write_int(struct json_writer *w, int64_t value);
void json_write_uint(struct json_writer *w, uint64_t value);
/* Finite. The shortest of 15 to 17 digits that reads back as the same double, and always with a '.'
 * or an exponent, so that it stays a float at the other end: 1 is written 1.0. */
void json_write_double(struct json_writer *w, double value);
/* Finite. The shortest of 7 to 9 digits that reads back, as a double and then as a float, as the
 * same float. */
void json_write_float(struct json_writer *w, float value);
/* An array of json_write_float: the way of an embedding. */
void json_write_float_array(struct json_writer *w, const float *values, size_t count);
/* UTF-8. */
void json_write_string(struct json_writer *w, const char *text, size_t size);
void json_write_text(struct json_writer *w, const char *text); /* a C string */
/* Bytes as a string of standard base64, padded. */
void json_write_base64(struct json_writer *w, const void *bytes, size_t size);
/* Text that is JSON already: one value. */
void json_write_raw(struct json_writer *w, const char *json, size_t size);
/* Bytes behind the text, outside any value: the newline of an NDJSON line. */
void json_append(struct json_writer *w, const char *bytes, size_t size);

/* The number as json_write_float and json_write_double write it, without a NUL; returns the length.
 */
#define JSON_NUMBER_SIZE 32
size_t json_format_float(char buffer[JSON_NUMBER_SIZE], float value);
size_t json_format_double(char buffer[JSON_NUMBER_SIZE], double value);

#endif
