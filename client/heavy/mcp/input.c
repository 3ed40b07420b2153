/* input.c - see input.h. A line that is too long costs no more memory than the longest allowed. */
#include "client/heavy/mcp/input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE ((size_t)64 << 10)

void input_init(struct input *input, int fd)
{
    *input = (struct input){.fd = fd};
}

void input_deinit(struct input *input)
{
    free(input->data);
    input->data = NULL;
}

static bool reserve(struct input *input)
{
    if (input->start > 0) {
        memmove(input->data, input->data + input->start, input->end - input->start);
        input->end -= input->start;
        input->start = 0;
    }
    if (input->capacity - input->end >= READ_SIZE) {
        return true;
    }
    size_t capacity = input->capacity * 2 + READ_SIZE;
    char *data = realloc(input->data, capacity);
    if (data == NULL) {
        return false;
    }
    input->data = data;
    input->capacity = capacity;
    return true;
}

bool input_read(struct input *input)
{
    ssize_t size;

    if (!reserve(input)) {
        return false;
    }
    do {
        size = read(input->fd, input->data + input->end, READ_SIZE);
    } while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN) { /* whose stdin it is may have made it so */
        return true;
    }
    if (size <= 0) {
        return false;
    }
    input->end += (size_t)size;
    return true;
}

static void drop(struct input *input, size_t size)
{
    input->start += size;
    input->looked = 0;
}

/* No line end is there. */
static enum input_status without_end(struct input *input)
{
    size_t held = input->end - input->start;

    input->looked = held;
    if (!input->skipping && held <= INPUT_LINE_MAX) {
        return INPUT_MORE;
    }
    drop(input, held);
    bool is_news = !input->skipping;
    input->skipping = true;
    return is_news ? INPUT_TOO_LONG : INPUT_MORE;
}

enum input_status input_next(struct input *input, const char **ret_line, size_t *ret_size)
{
    for (;;) {
        char *line = input->data + input->start;
        size_t held = input->end - input->start;
        char *end =
            held > input->looked ? memchr(line + input->looked, '\n', held - input->looked) : NULL;
        if (end == NULL) {
            return without_end(input);
        }
        size_t size = (size_t)(end - line);
        bool skipped = input->skipping;
        drop(input, size + 1);
        input->skipping = false;
        if (skipped) {
            continue;
        }
        if (size > INPUT_LINE_MAX) {
            return INPUT_TOO_LONG;
        }
        *ret_line = line;
        *ret_size = size;
        return INPUT_LINE;
    }
}
