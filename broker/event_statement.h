/*
 * event_statement.h - what an EVENT_STATEMENT carries in its fields: a statement that was observed,
 * its secrets masked, with its language ("sql", "cypher", "shell", "auto") and who saw it.
 */
#ifndef MEMFERRY_EVENT_STATEMENT_H
#define MEMFERRY_EVENT_STATEMENT_H

#include "broker/event.h"

#include <msgpack.h>

#define STATEMENT_MAX        ((size_t)64 << 10)
#define STATEMENT_SOURCE_MAX 256

struct event_statement {
    struct event_text statement, language;
    struct event_text source; /* data NULL: not told */
};

/* Appends a map by name. 0 or -ENOMEM. */
int event_statement_pack(const struct event_statement *statement, msgpack_sbuffer *out);
/* Borrowed from the fields. 0 or -EBADMSG. */
int event_statement_read(const uint8_t *fields, size_t size, struct event_statement *ret);

#endif
