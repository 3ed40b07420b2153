/*
 * output.c - see output.h.
 *
 * At most PIPE_BUF bytes are written at a time: that much never waits on a pipe that poll() calls
 * writable, so that a client that writes before it reads holds up nobody but itself.
 */
#include "client/heavy/mcp/output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void output_init(struct output *output, int fd)
{
    *output = (struct output){.fd = fd};
}

void output_deinit(struct output *output)
{
    free(output->data);
    output->data = NULL;
}

static bool reserve(struct output *output, size_t size)
{
    if (output->sent > 0) {
        memmove(output->data, output->data + output->sent, output->size - output->sent);
        output->size -= output->sent;
        output->sent = 0;
    }
    if (output->capacity - output->size >= size) {
        return true;
    }
    size_t capacity = output->capacity * 2 + size;
    char *data = realloc(output->data, capacity);
    if (data == NULL) {
        return false;
    }
    output->data = data;
    output->capacity = capacity;
    return true;
}

void output_line(struct output *output, const char *text, size_t size)
{
    if (output->failed || !reserve(output, size + 1)) {
        output->failed = true;
        return;
    }
    memcpy(output->data + output->size, text, size);
    output->data[output->size + size] = '\n';
    output->size += size + 1;
}

static bool is_writable(const struct output *output)
{
    struct pollfd wait = {.fd = output->fd, .events = POLLOUT};

    return poll(&wait, 1, 0) == 1;
}

void output_write(struct output *output)
{
    while (!output->failed && output->sent < output->size && is_writable(output)) {
        size_t left = output->size - output->sent;
        ssize_t written =
            write(output->fd, output->data + output->sent, left < PIPE_BUF ? left : PIPE_BUF);
        if (written >= 0) {
            output->sent += (size_t)written;
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR) {
            output->failed = true;
        }
    }
}

size_t output_waiting(const struct output *output)
{
    return output->size - output->sent;
}
