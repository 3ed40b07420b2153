/*
 * speak.c - memferry's MessagePack put, the bare model's record, Redis' XADD. NATS is in
 * speak_nats.c.
 */
#include "speak.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

void speak_fill(char *at, size_t size)
{
    static const char text[] = "The kettle is on the left of the stove; tea is taken at four. ";
    for (size_t i = 0; i < size; i++)
        at[i] = text[i % (sizeof(text) - 1)];
}

void speak_hex(char *at, uint64_t value)
{
    for (int i = 15; i >= 0; i--, value >>= 4)
        at[i] = "0123456789abcdef"[value & 15];
}

/* splitmix64 */
uint64_t speak_scatter(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* ---- memferry: [0, msgid, "memory.put", [{id, event_id, content}]] ---- */

#define PUT_MSGID 3
#define PUT_HEAD  23                 /* up to the value of "id" */
#define PUT_ID    (PUT_HEAD + 2)     /* its 36 characters */
#define PUT_EVENT (PUT_ID + 36 + 11) /* those of "event_id" */

static size_t memferry_prepare(char *request, size_t size)
{
    char *at = request + PUT_HEAD;
    memcpy(request, "\x94\x00\xce....\xaamemory.put\x91\x83\xa2id", PUT_HEAD);
    memcpy(at,
           "\xd9\x24"
           "00000000-0000-4000-8000-000000000000",
           38);
    at += 38;
    memcpy(at,
           "\xa8"
           "event_id"
           "\xd9\x24"
           "00000000-0000-4000-8000-000000000000",
           47);
    at += 47;
    memcpy(at,
           "\xa7"
           "content"
           "\xdb",
           9);
    uint32_t length = htobe32((uint32_t)size);
    memcpy(at + 9, &length, 4);
    speak_fill(at + 13, size);
    return (size_t)(at + 13 - request) + size;
}

static void stamp_uuid(char *at, uint64_t value)
{
    char hex[32];
    speak_hex(hex, speak_scatter(value));
    speak_hex(hex + 16, speak_scatter(~value));
    memcpy(at, hex, 8);
    memcpy(at + 9, hex + 8, 4);
    memcpy(at + 15, hex + 13, 3);
    memcpy(at + 20, hex + 17, 3);
    memcpy(at + 24, hex + 20, 12);
}

static void memferry_stamp(char *request, const struct stamp *stamp)
{
    uint32_t msgid = htobe32(stamp->slot);
    memcpy(request + PUT_MSGID, &msgid, 4);
    stamp_uuid(request + PUT_ID, stamp->unique);
    stamp_uuid(request + PUT_EVENT, stamp->unique ^ (1ull << 63));
}

/* Bytes that are the value itself, and how many values follow inside; -1: not in any receipt. */
struct head {
    size_t size;
    size_t inside;
};

static size_t big_endian(const uint8_t *at, unsigned bytes)
{
    size_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

/* 1: *ret_head filled; 0: incomplete; -1: not in any receipt. */
static int msgpack_head(const uint8_t *at, size_t size, struct head *ret_head)
{
    static const uint8_t fixed[32] = {
        1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 5, 9, 2, 3, 5, 9, 2, 3, 5, 9,
    };
    uint8_t first = at[0];
    *ret_head = (struct head){.size = 1};
    if (first < 0x80 || first >= 0xe0)
        return 1;
    if (first < 0x90)
        ret_head->inside = 2u * (first & 15u);
    else if (first < 0xa0)
        ret_head->inside = first & 15u;
    else if (first < 0xc0)
        ret_head->size = 1u + (first & 31u);
    else if (first >= 0xd9 && first <= 0xdf) {
        unsigned width = first <= 0xdb ? 1u << (first - 0xd9) : (first & 1) ? 4 : 2;
        if (size < 1 + width)
            return 0;
        size_t count = big_endian(at + 1, width);
        ret_head->size = 1 + width + (first <= 0xdb ? count : 0);
        ret_head->inside = first <= 0xdb ? 0 : first <= 0xdd ? count : 2 * count;
    } else {
        ret_head->size = fixed[first - 0xc0];
        if (ret_head->size == 0)
            return -1;
    }
    return 1;
}

/* [1, msgid, nil, {receipt}]: fixed places up to the receipt, which is only measured. */
static ssize_t memferry_reply(const char *data, size_t size, uint32_t *ret_slot)
{
    const uint8_t *at = (const uint8_t *)data;
    size_t offset = 0, left = 1, index = 0;
    while (left > 0) {
        struct head head;
        if (offset >= size)
            return 0;
        int status = msgpack_head(at + offset, size - offset, &head);
        if (status <= 0)
            return status;
        if (offset + head.size > size)
            return 0;
        if (index == 2)
            *ret_slot = head.size == 1
                            ? at[offset]
                            : (uint32_t)big_endian(at + offset + 1, (unsigned)head.size - 1);
        if (index == 3 && at[offset] != 0xc0)
            return -1; /* an error reply */
        offset += head.size;
        left += head.inside - 1;
        index++;
    }
    return (ssize_t)offset;
}

/* ---- the bare model: size, record; the reply is 12 bytes ---- */

static size_t bare_prepare(char *request, size_t size)
{
    uint32_t length = (uint32_t)size;
    memcpy(request, &length, 4);
    speak_fill(request + 4, size);
    return size + 4;
}

static void bare_stamp(char *request, const struct stamp *stamp)
{
    speak_hex(request + 4, speak_scatter(stamp->unique));
}

static ssize_t bare_reply(const char *data, size_t size, uint32_t *ret_slot)
{
    (void)ret_slot;
    uint32_t status;
    if (size < 12)
        return 0;
    memcpy(&status, data + 8, 4);
    return status == 0 ? 12 : -1;
}

/* ---- Redis: XADD m * d RECORD ---- */

static size_t redis_prepare(char *request, size_t size)
{
    int head = snprintf(request, SPEAK_OVERHEAD,
                        "*5\r\n$4\r\nXADD\r\n$1\r\nm\r\n$1\r\n*\r\n$1\r\nd\r\n$%zu\r\n", size);
    speak_fill(request + head, size);
    memcpy(request + (size_t)head + size, "\r\n", 2);
    return (size_t)head + size + 2;
}

static void redis_stamp(char *request, const struct stamp *stamp)
{
    speak_hex(request + 64,
              speak_scatter(stamp->unique)); /* well inside the record: it is 256 bytes or more */
}

static ssize_t redis_reply(const char *data, size_t size, uint32_t *ret_slot)
{
    (void)ret_slot;
    if (size == 0)
        return 0;
    if (data[0] != '$')
        return -1;
    const char *line = memchr(data, '\n', size);
    const char *end = line ? memchr(line + 1, '\n', size - (size_t)(line + 1 - data)) : NULL;
    return end ? end + 1 - data : 0;
}

static const struct speaker speakers[] = {
    {"memferry", NULL, memferry_prepare, memferry_stamp, memferry_reply},
    {"bare", NULL, bare_prepare, bare_stamp, bare_reply},
    {"redis", NULL, redis_prepare, redis_stamp, redis_reply},
    {"nats", nats_greet, nats_prepare, nats_stamp, nats_reply},
};

const struct speaker *speaker_find(const char *name)
{
    for (size_t i = 0; i < sizeof(speakers) / sizeof(speakers[0]); i++) {
        if (strcmp(speakers[i].name, name) == 0)
            return &speakers[i];
    }
    return NULL;
}
