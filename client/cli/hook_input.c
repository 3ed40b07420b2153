/*
 * hook_input.c - one JSON object from a pipe that may stay open.
 *
 * It is found by its braces, outside of strings; whether it is good JSON is the parser's to say.
 * Failure modes: it does not begin with a brace, is over HOOK_INPUT_MAX, is not whole when the pipe
 * ends or when HOOK_INPUT_MS are over.
 */
#include "client/cli/hook.h"
#include "client/cli/times.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_SIZE ((size_t)16 << 10)

struct object {
    char *text;
    size_t size, capacity;
    size_t looked; /* bytes that were looked at */
    unsigned depth;
    bool in_string, escaped;
};

enum found { FOUND_MORE = 0, FOUND_END, FOUND_NONE };

static enum found look_at(struct object *object, char byte)
{
    if (object->in_string) {
        object->in_string = object->escaped || byte != '"';
        object->escaped = !object->escaped && byte == '\\';
        return FOUND_MORE;
    }
    if (object->depth == 0 && byte != '{') {
        return strchr(" \t\r\n", byte) != NULL ? FOUND_MORE : FOUND_NONE;
    }
    object->in_string = byte == '"';
    object->depth += byte == '{' || byte == '[';
    object->depth -= byte == '}' || byte == ']';
    return object->depth == 0 && (byte == '}' || byte == ']') ? FOUND_END : FOUND_MORE;
}

/* The bytes that were not looked at yet. */
static enum found look(struct object *object)
{
    enum found found = FOUND_MORE;

    while (found == FOUND_MORE && object->looked < object->size) {
        found = look_at(object, object->text[object->looked++]);
    }
    return found;
}

static bool reserve(struct object *object)
{
    if (object->capacity - object->size > 1) {
        return true;
    }
    size_t capacity = object->capacity == 0 ? FIRST_SIZE : 2 * object->capacity;
    char *text = realloc(object->text, capacity);
    if (text == NULL) {
        return false;
    }
    object->text = text;
    object->capacity = capacity;
    return true;
}

/* NULL when something was read, else why not. */
static const char *read_some(struct object *object, int fd, int64_t end_ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int64_t left = end_ms - monotonic_ms();

    if (object->size >= HOOK_INPUT_MAX) {
        return "the input is over 4 MiB";
    }
    if (!reserve(object)) {
        return "out of memory for the input";
    }
    if (left <= 0 || poll(&wait, 1, (int)left) == 0) {
        return "the input did not come within a second";
    }
    ssize_t size = read(fd, object->text + object->size, object->capacity - object->size - 1);
    if (size == 0) {
        return "the input ended before its JSON object did";
    }
    if (size < 0 && errno != EINTR && errno != EAGAIN) {
        return "the input cannot be read";
    }
    object->size += size > 0 ? (size_t)size : 0;
    return NULL;
}
_Static_assert(HOOK_INPUT_MAX == 4u << 20 && HOOK_INPUT_MS == 1000, "the texts name the bounds");

char *hook_input_read(int fd, const char **ret_why)
{
    int64_t end_ms = monotonic_ms() + HOOK_INPUT_MS;
    struct object object = {0};
    enum found found;

    do {
        *ret_why = read_some(&object, fd, end_ms);
        found = *ret_why == NULL ? look(&object) : FOUND_NONE;
    } while (found == FOUND_MORE);
    if (found == FOUND_END) {
        object.text[object.looked] = '\0';
        return object.text;
    }
    *ret_why = *ret_why != NULL ? *ret_why : "the input is no JSON object";
    free(object.text);
    return NULL;
}
