/* input.h - lines from stdin, as they come in pieces. */
#ifndef MEMFERRY_MCP_INPUT_H
#define MEMFERRY_MCP_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#define INPUT_LINE_MAX (4u << 20)

struct input {
    int fd;
    char *data; /* start..end is not taken yet */
    size_t start, end, capacity;
    size_t looked; /* bytes behind start without a line end */
    bool skipping; /* the rest of a line that is too long */
};

enum input_status {
    INPUT_LINE = 0,
    INPUT_MORE,    /* none whole yet */
    INPUT_TOO_LONG /* one over INPUT_LINE_MAX, once; its rest is passed over */
};

void input_init(struct input *input, int fd);
void input_deinit(struct input *input);
/* Takes what is there, without waiting longer than for the first byte. False: it has ended, or
 * there is no memory for it. */
bool input_read(struct input *input);
/* The next line, without its end; borrowed until the next call. */
enum input_status input_next(struct input *input, const char **ret_line, size_t *ret_size);

#endif
