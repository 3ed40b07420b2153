/* output.h - lines to stdout, which wait here until they can be written. */
#ifndef MEMFERRY_MCP_OUTPUT_H
#define MEMFERRY_MCP_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#define OUTPUT_PAUSE ((size_t)8 << 20) /* above it no more input is taken */

struct output {
    int fd;
    char *data; /* sent..size is still to be written */
    size_t sent, size, capacity;
    bool failed; /* nobody reads it any more, or there was no memory for a line */
};

void output_init(struct output *output, int fd);
void output_deinit(struct output *output);
/* Adds a line end. */
void output_line(struct output *output, const char *text, size_t size);
/* Writes what can be written without waiting, when poll() says that something can. */
void output_write(struct output *output);
size_t output_waiting(const struct output *output);

#endif
