/* memory_show.h - a memory as text for a model, and as fields. */
#ifndef MEMFERRY_MCP_MEMORY_SHOW_H
#define MEMFERRY_MCP_MEMORY_SHOW_H

#include "client/heavy/mcp/tool.h"

/* Which part of a content is shown. */
struct part {
    size_t from, size; /* bytes, at whole characters */
    size_t all;        /* of the content */
};

/* At most `max` bytes from the first whole character at or behind `from` on. */
struct part memory_part(const struct memferry_node *memory, size_t from, size_t max);
/* A line that says what it is, and its content behind. */
void memory_print(FILE *out, const struct memferry_node *memory, const struct part *part);
/* As an object by MEMORY_SCHEMA. */
void memory_write(struct json_writer *w, const struct memferry_node *memory,
                  const struct part *part);

#define MEMORY_SCHEMA                                                                              \
    "{\"type\":\"object\",\"properties\":{"                                                        \
    "\"id\":{\"type\":\"string\"},"                                                                \
    "\"version\":{\"type\":\"integer\"},"                                                          \
    "\"kind\":{\"type\":\"string\"},"                                                              \
    "\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"                               \
    "\"props\":{\"type\":\"object\"},"                                                             \
    "\"created\":{\"type\":\"string\"},"                                                           \
    "\"updated\":{\"type\":\"string\"},"                                                           \
    "\"deleted\":{\"type\":\"string\",\"description\":\"when; not there if it is not deleted\"},"  \
    "\"session_id\":{\"type\":\"string\"},"                                                        \
    "\"content\":{\"type\":\"string\",\"description\":\"or a part of it\"},"                       \
    "\"content_bytes\":{\"type\":\"integer\",\"description\":\"of the whole content\"},"           \
    "\"content_from\":{\"type\":\"integer\",\"description\":\"where the part begins\"},"           \
    "\"content_is_cut\":{\"type\":\"boolean\"},"                                                   \
    "\"score\":{\"type\":\"number\"},"                                                             \
    "\"match\":{\"type\":\"string\",\"description\":\"the part that matches\"}},"                  \
    "\"required\":[\"id\",\"version\",\"content\",\"content_bytes\",\"content_is_cut\"]}"

#endif
