/*
 * pack.h - PackStream, the encoding of Bolt: messages written to a buffer, values read from one.
 *
 * Writing: message_begin, a structure with its fields, message_end, as often as needed; the buffer
 * then holds the messages as they go over the wire, in chunks. Lists, maps and structures say how
 * many items follow, and the caller writes as many. Failures are kept until pack_status is asked:
 * -ENOMEM, or -EMSGSIZE over the limit.
 *
 * Reading: hostile bytes become JSON, or NULL. What JSON has no word for (bytes, structures) is no
 * part of any answer that we ask for, and is NULL too.
 */
#ifndef MEMFERRY_PLUGINS_NEO4J_PACK_H
#define MEMFERRY_PLUGINS_NEO4J_PACK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pack {
    char *data;
    size_t size, capacity, limit;
    size_t message; /* where the message that is being written begins */
    int status;
};

void pack_init(struct pack *p, size_t limit);
void pack_deinit(struct pack *p);
void pack_reset(struct pack *p); /* empty, its memory kept */
int pack_status(const struct pack *p);

void pack_message_begin(struct pack *p);
void pack_message_end(struct pack *p); /* cuts it into chunks */

void pack_null(struct pack *p);
void pack_bool(struct pack *p, bool value);
void pack_int(struct pack *p, int64_t value);
void pack_double(struct pack *p, double value);
void pack_floats(struct pack *p, const float *values, size_t count); /* a list */
void pack_string(struct pack *p, const char *text, size_t size);
void pack_text(struct pack *p, const char *text);
void pack_list(struct pack *p, size_t count);
void pack_map(struct pack *p, size_t count); /* count keys, each a text, each with its value */
void pack_structure(struct pack *p, unsigned char tag, size_t count);

/* The value at the start of these bytes; NULL: there is none, or no memory. */
json_t *pack_read(const char *data, size_t size);

/* The first whole message of these bytes, taken out of its chunks in place: its start, with its
 * size, and in *ret_used how many bytes it took. NULL: it is not whole yet. */
const char *pack_message(char *data, size_t size, size_t *ret_size, size_t *ret_used);

#endif
