/*
 * out.h - bytes into the buffer of a connection. Internal.
 *
 * A writer notes out->size first and sets it back when it fails: half a frame is never left behind.
 */
#ifndef MEMFERRY_WIRE_OUT_H
#define MEMFERRY_WIRE_OUT_H

#include <msgpack.h>

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* 0 or -ENOMEM. */
static inline int out_write(msgpack_sbuffer *out, const void *data, size_t size)
{
    return msgpack_sbuffer_write(out, data, size) == 0 ? 0 : -ENOMEM;
}

/* MessagePack heads in their shortest form; `to` holds 5 bytes. Bytes written. */
static inline size_t head_put(uint8_t *to, uint8_t form, uint32_t value, unsigned width)
{
    to[0] = form;
    for (unsigned i = 0; i < width; i++) {
        to[1 + i] = (uint8_t)(value >> (8 * (width - 1 - i)));
    }
    return 1 + width;
}

static inline size_t head_put_uint(uint8_t *to, uint32_t value)
{
    if (value <= 0x7f) {
        return head_put(to, (uint8_t)value, 0, 0);
    }
    if (value <= 0xff) {
        return head_put(to, 0xcc, value, 1);
    }
    return value <= 0xffff ? head_put(to, 0xcd, value, 2) : head_put(to, 0xce, value, 4);
}

static inline size_t head_put_str(uint8_t *to, uint32_t size)
{
    if (size <= 31) {
        return head_put(to, (uint8_t)(0xa0 | size), 0, 0);
    }
    if (size <= 0xff) {
        return head_put(to, 0xd9, size, 1);
    }
    return size <= 0xffff ? head_put(to, 0xda, size, 2) : head_put(to, 0xdb, size, 4);
}

static inline size_t head_put_map(uint8_t *to, uint32_t count)
{
    if (count <= 15) {
        return head_put(to, (uint8_t)(0x80 | count), 0, 0);
    }
    return count <= 0xffff ? head_put(to, 0xde, count, 2) : head_put(to, 0xdf, count, 4);
}

/* NUL-terminated text as a MessagePack string. */
static inline int out_str(msgpack_sbuffer *out, const char *text)
{
    uint8_t head[5];
    size_t size = strlen(text);
    int r = out_write(out, head, head_put_str(head, (uint32_t)size));

    return r == 0 ? out_write(out, text, size) : r;
}

#endif
