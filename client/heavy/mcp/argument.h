/*
 * argument.h - what a tool takes, told once: its JSON schema and its checks come from one table.
 */
#ifndef MEMFERRY_MCP_ARGUMENT_H
#define MEMFERRY_MCP_ARGUMENT_H

#include "memferry/client.h"
#include "plugins/common/json_writer.h"

#include <stdbool.h>

enum argument_type {
    ARGUMENT_TEXT = 0, /* min..max bytes */
    ARGUMENT_TIME,     /* "2h" ago, or RFC 3339 */
    ARGUMENT_INT,      /* min..max */
    ARGUMENT_BOOL,
    ARGUMENT_TEXTS, /* at most max, of 1..256 bytes */
    ARGUMENT_OBJECT,
};

struct argument {
    const char *name;
    enum argument_type type;
    const char *description;
    int64_t min, max;
    const char *const *choices; /* of a text: one of these, or NULL */
    bool is_required;
};

/* "inputSchema": a value. The table ends with a NULL name. */
void argument_write_schema(struct json_writer *w, const struct argument *table);
/* What is wrong with the arguments of a call; "" when nothing is. */
void argument_check(const struct argument *table, const struct memferry_node *given, char *text,
                    size_t size);

/* ---- into the parameters of a request to the broker ---- */

/* The argument under a name there, as it is; nothing if it was not given. */
void argument_pass(struct json_writer *w, const struct memferry_node *given, const char *name,
                   const char *as);
/* A time, checked before. */
void argument_pass_time(struct json_writer *w, const struct memferry_node *given, const char *name,
                        const char *as);
/* Any value. */
void argument_write_node(struct json_writer *w, const struct memferry_node *node);

#endif
