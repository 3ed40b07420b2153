/*
 * head.h - the first bytes of a MessagePack value: what it is and how far it reaches. Internal.
 *
 * Every value is one byte, an argument of 0, 1, 2, 4 or 8 bytes (big-endian), and for strings and
 * binaries the bytes that the argument counts. The scanner steps over values by it, the reader
 * takes them.
 */
#ifndef MEMFERRY_WIRE_HEAD_H
#define MEMFERRY_WIRE_HEAD_H

#include <msgpack.h>

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct msgpack_head {
    msgpack_object_type type; /* MSGPACK_OBJECT_EXT: ext types and the reserved byte */
    unsigned size;            /* the byte and its argument */
    uint64_t argument;        /* the value's bits, or a count of bytes, elements or pairs */
};

/* `width` is 1, 2, 4 or 8. */
static inline uint64_t head_argument(const uint8_t *bytes, unsigned width)
{
    uint16_t two;
    uint32_t four;
    uint64_t eight;

    switch (width) {
    case 1:
        return bytes[0];
    case 2:
        memcpy(&two, bytes, sizeof two);
        return be16toh(two);
    case 4:
        memcpy(&four, bytes, sizeof four);
        return be32toh(four);
    default:
        memcpy(&eight, bytes, sizeof eight);
        return be64toh(eight);
    }
}

/* Gives a signed value its sign back, and the type that goes with it. */
static inline void head_sign(struct msgpack_head *head, unsigned width)
{
    unsigned shift = 64 - 8 * width;
    int64_t value = (int64_t)(head->argument << shift) >> shift;

    head->argument = (uint64_t)value;
    head->type = value < 0 ? MSGPACK_OBJECT_NEGATIVE_INTEGER : MSGPACK_OBJECT_POSITIVE_INTEGER;
}

/* Values whose argument lies in the first byte itself. False: it has another form. */
static inline bool head_short(struct msgpack_head *head, uint8_t byte)
{
    head->size = 1;
    if (byte <= 0x7f) {
        head->type = MSGPACK_OBJECT_POSITIVE_INTEGER;
        head->argument = byte;
    } else if (byte <= 0x8f) {
        head->type = MSGPACK_OBJECT_MAP;
        head->argument = byte & 0x0f;
    } else if (byte <= 0x9f) {
        head->type = MSGPACK_OBJECT_ARRAY;
        head->argument = byte & 0x0f;
    } else if (byte <= 0xbf) {
        head->type = MSGPACK_OBJECT_STR;
        head->argument = byte & 0x1f;
    } else if (byte >= 0xe0) {
        head->type = MSGPACK_OBJECT_NEGATIVE_INTEGER;
        head->argument = (uint64_t)(int64_t)(int8_t)byte;
    } else {
        return false;
    }
    return true;
}

/* False: the argument is not all there (head->size says how much is wanted). `size` is at least
 * 1. Ext types and the reserved byte 0xc1 have no argument here: nobody reads on behind them. */
static inline bool msgpack_head_read(struct msgpack_head *head, const uint8_t *bytes, size_t size)
{
    static const struct {
        uint8_t type, width;
    } forms[] = {
        /* c0 */ {MSGPACK_OBJECT_NIL, 0},
        {MSGPACK_OBJECT_EXT, 0},
        {MSGPACK_OBJECT_BOOLEAN, 0},
        {MSGPACK_OBJECT_BOOLEAN, 0},
        /* c4 */ {MSGPACK_OBJECT_BIN, 1},
        {MSGPACK_OBJECT_BIN, 2},
        {MSGPACK_OBJECT_BIN, 4},
        {MSGPACK_OBJECT_EXT, 0},
        /* c8 */ {MSGPACK_OBJECT_EXT, 0},
        {MSGPACK_OBJECT_EXT, 0},
        {MSGPACK_OBJECT_FLOAT32, 4},
        {MSGPACK_OBJECT_FLOAT64, 8},
        /* cc */ {MSGPACK_OBJECT_POSITIVE_INTEGER, 1},
        {MSGPACK_OBJECT_POSITIVE_INTEGER, 2},
        {MSGPACK_OBJECT_POSITIVE_INTEGER, 4},
        {MSGPACK_OBJECT_POSITIVE_INTEGER, 8},
        /* d0 */ {MSGPACK_OBJECT_NEGATIVE_INTEGER, 1},
        {MSGPACK_OBJECT_NEGATIVE_INTEGER, 2},
        {MSGPACK_OBJECT_NEGATIVE_INTEGER, 4},
        {MSGPACK_OBJECT_NEGATIVE_INTEGER, 8},
        /* d4 */ {MSGPACK_OBJECT_EXT, 0},
        {MSGPACK_OBJECT_EXT, 0},
        {MSGPACK_OBJECT_EXT, 0},
        {MSGPACK_OBJECT_EXT, 0},
        /* d8 */ {MSGPACK_OBJECT_EXT, 0},
        {MSGPACK_OBJECT_STR, 1},
        {MSGPACK_OBJECT_STR, 2},
        {MSGPACK_OBJECT_STR, 4},
        /* dc */ {MSGPACK_OBJECT_ARRAY, 2},
        {MSGPACK_OBJECT_ARRAY, 4},
        {MSGPACK_OBJECT_MAP, 2},
        {MSGPACK_OBJECT_MAP, 4},
    };
    uint8_t byte = bytes[0];

    if (head_short(head, byte)) {
        return true;
    }
    unsigned width = forms[byte - 0xc0].width;
    head->type = (msgpack_object_type)forms[byte - 0xc0].type;
    head->size = 1 + width;
    if (size < head->size) {
        return false;
    }
    head->argument = width > 0 ? head_argument(bytes + 1, width) : byte & 1; /* c2 false, c3 true */
    if (head->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        head_sign(head, width);
    }
    return true;
}

#endif
