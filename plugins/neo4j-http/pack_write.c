/*
 * pack_write.c - values to PackStream.
 *
 * Every write first makes room for the most it can need, then writes without further checks. It
 * fails by memory or by the limit only, and then stays failed.
 */
#include "plugins/neo4j-http/pack.h"

#include "plugins/common/buffer.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_MAX = 0xffff,
    CHUNK_HEAD = 2,
    HEAD_MAX = 9, /* of any value: its tag and eight bytes */
};

/* How the head of a sized value is written: a tag for sizes below 16, and one for each width. */
struct head {
    unsigned char tiny, tag8, tag16, tag32; /* 0: there is none */
};

static const struct head string_head = {0x80, 0xd0, 0xd1, 0xd2};
static const struct head list_head = {0x90, 0xd4, 0xd5, 0xd6};
static const struct head map_head = {0xa0, 0xd8, 0xd9, 0xda};

void pack_init(struct pack *p, size_t limit)
{
    *p = (struct pack){.limit = limit};
}

void pack_deinit(struct pack *p)
{
    free(p->data);
    *p = (struct pack){0};
}

void pack_reset(struct pack *p)
{
    p->size = p->message = 0;
    p->status = 0;
}

int pack_status(const struct pack *p)
{
    return p->status;
}

static bool reserve(struct pack *p, size_t more)
{
    if (p->status != 0) {
        return false;
    }
    if (p->size > p->limit || more > p->limit - p->size) {
        p->status = -EMSGSIZE;
        return false;
    }
    if (!buffer_reserve(&p->data, &p->capacity, p->size + more)) {
        p->status = -ENOMEM;
    }
    return p->status == 0;
}

/* The `size` low bytes of a number, the highest first. */
static void put_bytes(char *out, uint64_t value, size_t size)
{
    for (size_t i = size; i > 0; i--) {
        out[i - 1] = (char)(value & 0xff);
        value >>= 8;
    }
}

static void tagged(struct pack *p, unsigned char tag, uint64_t value, size_t size)
{
    if (reserve(p, HEAD_MAX)) {
        p->data[p->size] = (char)tag;
        put_bytes(p->data + p->size + 1, value, size);
        p->size += 1 + size;
    }
}

static void sized(struct pack *p, const struct head *head, size_t count)
{
    if (count < 16) {
        tagged(p, (unsigned char)(head->tiny | count), 0, 0);
    } else if (count <= UINT8_MAX) {
        tagged(p, head->tag8, count, 1);
    } else if (count <= UINT16_MAX) {
        tagged(p, head->tag16, count, 2);
    } else if (count <= INT32_MAX) { /* the server counts by a Java int */
        tagged(p, head->tag32, count, 4);
    } else {
        p->status = -EMSGSIZE;
    }
}

void pack_null(struct pack *p)
{
    tagged(p, 0xc0, 0, 0);
}

void pack_bool(struct pack *p, bool value)
{
    tagged(p, value ? 0xc3 : 0xc2, 0, 0);
}

void pack_int(struct pack *p, int64_t value)
{
    if (value >= -16 && value <= 127) {
        tagged(p, (unsigned char)(value & 0xff), 0, 0);
    } else {
        tagged(p, 0xcb, (uint64_t)value, 8);
    }
}

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

void pack_double(struct pack *p, double value)
{
    tagged(p, 0xc1, bits_of(value), 8);
}

void pack_floats(struct pack *p, const float *values, size_t count)
{
    sized(p, &list_head, count);
    if (count > SIZE_MAX / HEAD_MAX || !reserve(p, count * HEAD_MAX)) {
        return;
    }
    char *out = p->data + p->size;
    for (size_t i = 0; i < count; i++, out += HEAD_MAX) {
        uint64_t bits = htobe64(bits_of((double)values[i]));
        out[0] = (char)0xc1;
        memcpy(out + 1, &bits, sizeof bits);
    }
    p->size += count * HEAD_MAX;
}

void pack_string(struct pack *p, const char *text, size_t size)
{
    sized(p, &string_head, size);
    if (size > 0 && reserve(p, size)) {
        memcpy(p->data + p->size, text, size);
        p->size += size;
    }
}

void pack_text(struct pack *p, const char *text)
{
    pack_string(p, text, strlen(text));
}

void pack_list(struct pack *p, size_t count)
{
    sized(p, &list_head, count);
}

void pack_map(struct pack *p, size_t count)
{
    sized(p, &map_head, count);
}

void pack_structure(struct pack *p, unsigned char tag, size_t count)
{
    assert(count < 16);
    tagged(p, (unsigned char)(0xb0 | count), tag, 1);
}

void pack_message_begin(struct pack *p)
{
    p->message = p->size;
}

/* Each chunk moves behind the heads that come before it: the last one first. */
void pack_message_end(struct pack *p)
{
    size_t size = p->size - p->message;
    size_t chunks = (size + CHUNK_MAX - 1) / CHUNK_MAX;
    size_t more = (chunks + 1) * CHUNK_HEAD;

    assert(p->status != 0 || size > 0);
    if (!reserve(p, more)) {
        return;
    }
    for (size_t i = chunks; i > 0; i--) {
        size_t from = (i - 1) * CHUNK_MAX;
        size_t length = i == chunks ? size - from : CHUNK_MAX;
        char *chunk = p->data + p->message + from;
        memmove(chunk + i * CHUNK_HEAD, chunk, length);
        put_bytes(chunk + (i - 1) * CHUNK_HEAD, length, CHUNK_HEAD);
    }
    p->size += more;
    put_bytes(p->data + p->size - CHUNK_HEAD, 0, CHUNK_HEAD);
    p->message = p->size;
}
