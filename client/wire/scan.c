/*
 * scan.c - steps over values by their heads until a frame is whole.
 *
 * Happy path: a head says how many bytes and how many further values belong to it; when no value
 * is pending and the last one's bytes are there, the frame is complete. Nothing is read twice: the
 * scan keeps its place between calls. It fails on what no later byte can make good: a value that
 * reaches behind WIRE_FRAME_MAX (each pending value takes a byte at least), a container too deep, a
 * type the wire does not know.
 */
#include "client/wire/scan.h"

#include "client/wire/head.h"

#include <assert.h>

/* Values that follow because of this head. */
static uint64_t head_children(const struct msgpack_head *head)
{
    if (head->type == MSGPACK_OBJECT_ARRAY) {
        return head->argument;
    }
    return head->type == MSGPACK_OBJECT_MAP ? 2 * head->argument : 0;
}

static uint64_t head_payload(const struct msgpack_head *head)
{
    return head->type == MSGPACK_OBJECT_STR || head->type == MSGPACK_OBJECT_BIN ? head->argument
                                                                                : 0;
}

/* One value less on the level that is open; levels that this ended are closed. */
static void level_count_down(struct msgpack_scan *scan)
{
    if (scan->depth > 0) {
        scan->left[scan->depth - 1]--;
    }
}

static void levels_close(struct msgpack_scan *scan)
{
    while (scan->depth > 0 && scan->left[scan->depth - 1] == 0) {
        scan->depth--;
    }
}

static enum scan_status scan_value(struct msgpack_scan *scan, const struct msgpack_head *head)
{
    bool container = head->type == MSGPACK_OBJECT_ARRAY || head->type == MSGPACK_OBJECT_MAP;
    uint64_t children = head_children(head);

    if (head->type == MSGPACK_OBJECT_EXT) {
        return SCAN_MALFORMED;
    }
    if (container && scan->depth == WIRE_DEPTH_MAX) {
        return SCAN_TOO_DEEP;
    }
    uint64_t pending = scan->pending - 1 + children;
    uint64_t offset = scan->offset + head->size + head_payload(head);
    if (offset + pending > WIRE_FRAME_MAX) {
        return SCAN_TOO_LARGE;
    }
    scan->pending = pending;
    scan->offset = (size_t)offset;
    level_count_down(scan);
    if (container) {
        scan->left[scan->depth++] = (uint32_t)children;
    }
    levels_close(scan);
    return SCAN_MORE;
}

enum scan_status msgpack_scan(struct msgpack_scan *scan, const uint8_t *buffer, size_t size,
                              size_t *ret_size)
{
    if (scan->offset == 0) {
        scan->pending = 1;
    }
    while (scan->pending > 0) {
        struct msgpack_head head;
        if (scan->offset >= size ||
            !msgpack_head_read(&head, buffer + scan->offset, size - scan->offset)) {
            return SCAN_MORE;
        }
        enum scan_status status = scan_value(scan, &head);
        if (status != SCAN_MORE) {
            return status;
        }
    }
    assert(scan->depth == 0);
    if (scan->offset > size) {
        return SCAN_MORE;
    }
    *ret_size = scan->offset;
    *scan = (struct msgpack_scan){0};
    return SCAN_COMPLETE;
}

static void json_scan_string(struct json_scan *scan, uint8_t byte)
{
    if (scan->escaped) {
        scan->escaped = false;
    } else if (byte == '\\') {
        scan->escaped = true;
    } else if (byte == '"') {
        scan->in_string = false;
    }
}

static void json_scan_byte(struct json_scan *scan, uint8_t byte)
{
    if (scan->in_string) {
        json_scan_string(scan, byte);
    } else if (byte == '"') {
        scan->in_string = true;
    } else if (byte == '{' || byte == '[') {
        scan->depth++;
        scan->too_deep = scan->too_deep || scan->depth > WIRE_DEPTH_MAX;
    } else if ((byte == '}' || byte == ']') && scan->depth > 0) {
        scan->depth--;
    }
}

enum scan_status json_line_scan(struct json_scan *scan, const uint8_t *buffer, size_t size,
                                size_t *ret_size, bool *ret_too_deep)
{
    size_t end = size < WIRE_FRAME_MAX ? size : WIRE_FRAME_MAX;

    for (size_t i = scan->offset; i < end; i++) {
        if (buffer[i] == '\n') {
            *ret_size = i + 1;
            *ret_too_deep = scan->too_deep;
            *scan = (struct json_scan){0};
            return SCAN_COMPLETE;
        }
        json_scan_byte(scan, buffer[i]);
    }
    scan->offset = end;
    return end < WIRE_FRAME_MAX ? SCAN_MORE : SCAN_TOO_LARGE;
}

const char *scan_status_text(enum scan_status status)
{
    switch (status) {
    case SCAN_COMPLETE:
        return "the frame is complete";
    case SCAN_MORE:
        return "the frame is not complete";
    case SCAN_TOO_LARGE:
        return "the frame is over 4 MiB, or claims to be";
    case SCAN_TOO_DEEP:
        return "the frame is nested deeper than 32 levels";
    case SCAN_MALFORMED:
        return "not MessagePack as this protocol has it: a reserved byte or an ext type";
    }
    return "unknown";
}
_Static_assert(WIRE_FRAME_MAX == 4194304 && WIRE_DEPTH_MAX == 32, "the texts name the bounds");
