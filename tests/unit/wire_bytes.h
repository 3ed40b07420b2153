/* wire_bytes.h - small frames for the wire's tests: text to bytes, and MessagePack by hand. */
#ifndef MEMFERRY_TESTS_WIRE_BYTES_H
#define MEMFERRY_TESTS_WIRE_BYTES_H

#include <msgpack.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* "94 00 a1" → three bytes. Returns their number. */
static inline size_t from_hex(const char *hex, uint8_t *out)
{
    size_t size = 0;
    unsigned byte;
    int used;

    while (sscanf(hex, " %2x%n", &byte, &used) == 1) {
        out[size++] = (uint8_t)byte;
        hex += used;
    }
    return size;
}

/* For cmocka: the state is a zone. */
static inline int zone_setup(void **state)
{
    *state = msgpack_zone_new(4096);
    return *state == NULL ? -1 : 0;
}

static inline int zone_teardown(void **state)
{
    msgpack_zone_free(*state);
    return 0;
}

/* Repeatable noise: xorshift. */
static inline uint32_t noise(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static inline void pack_str(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

#endif
